//! Receiving a body: capped before it is read, while it is read, and in time (threat T46).

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header;
use actix_web::web::{Bytes, BytesMut};
use alliance_contracts::problem::ProblemCode;
use futures_util::StreamExt;

use super::refusal::Refusal;

/// A body must have arrived after so long, however slowly its bytes trickle.
const RECEIVE_WITHIN: Duration = Duration::from_secs(10);

/// The body's bytes as received; nothing is decompressed.
pub async fn receive(
    request: &HttpRequest,
    payload: Payload,
    limit: usize,
) -> Result<Bytes, Refusal> {
    if matches!(payload, Payload::None) {
        return Ok(Bytes::new());
    }
    let told = request.headers().get(header::CONTENT_LENGTH);
    let told = told.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if told.is_some_and(|told| told > limit) {
        return Err(too_large());
    }
    actix_web::rt::time::timeout(RECEIVE_WITHIN, read(payload, told, limit))
        .await
        .map_err(|_| Refusal::of(ProblemCode::RequestTimeout))?
}

async fn read(
    mut payload: Payload,
    told: Option<usize>,
    limit: usize,
) -> Result<Bytes, Refusal> {
    // Most bodies come in one piece: that one is not copied.
    let Some(first) = next(&mut payload, limit).await? else { return Ok(Bytes::new()) };
    let Some(second) = next(&mut payload, limit - first.len()).await? else { return Ok(first) };
    let mut body = BytesMut::with_capacity(told.unwrap_or(0).max(first.len() + second.len()));
    body.extend_from_slice(&first);
    body.extend_from_slice(&second);
    while let Some(piece) = next(&mut payload, limit - body.len()).await? {
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

async fn next(payload: &mut Payload, room: usize) -> Result<Option<Bytes>, Refusal> {
    match payload.next().await {
        None => Ok(None),
        Some(Ok(piece)) if piece.len() <= room => Ok(Some(piece)),
        Some(Ok(_)) | Some(Err(PayloadError::Overflow)) => Err(too_large()),
        Some(Err(_)) => Err(Refusal::malformed("the body did not arrive whole")),
    }
}

fn too_large() -> Refusal {
    Refusal::of(ProblemCode::BodyTooLarge)
}
