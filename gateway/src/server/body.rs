//! Receiving a body: capped before it is read, while it is read, and in time (threat T46).

use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header;
use actix_web::web::{Bytes, BytesMut};
use actix_web::{HttpRequest, HttpResponse};
use alliance_contracts::problem::ProblemCode;
use futures_util::StreamExt;

use super::context;
use super::refusal::Refusal;

/// A body must have arrived after so long, however slowly its bytes trickle.
const RECEIVE_WITHIN: Duration = Duration::from_secs(10);

/// The length that a request tells; none where it tells none.
fn told_length(request: &HttpRequest) -> Option<usize> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Whether a request says that it has a body.
pub fn is_announced(request: &HttpRequest) -> bool {
    request.headers().contains_key(header::TRANSFER_ENCODING)
        || told_length(request).is_some_and(|length| length > 0)
}

/// The body's bytes as received; nothing is decompressed.
pub async fn receive(
    request: &HttpRequest,
    mut payload: Payload,
    limit: usize,
) -> Result<Bytes, Refusal> {
    if matches!(payload, Payload::None) {
        return Ok(Bytes::new());
    }
    let told = told_length(request);
    let received = if told.is_some_and(|told| told > limit) {
        Err(too_large())
    } else {
        let reading = read(&mut payload, told, limit);
        actix_web::rt::time::timeout(RECEIVE_WITHIN, reading)
            .await
            .unwrap_or_else(|_| Err(Refusal::of(ProblemCode::RequestTimeout)))
    };
    if received.is_err() {
        context::leave_unread(request, payload);
    }
    received
}

async fn read(payload: &mut Payload, told: Option<usize>, limit: usize) -> Result<Bytes, Refusal> {
    // Most bodies come in one piece: that one is not copied.
    let Some(first) = next(payload, limit).await? else { return Ok(Bytes::new()) };
    let Some(second) = next(payload, limit - first.len()).await? else { return Ok(first) };
    let mut body = BytesMut::with_capacity(told.unwrap_or(0).max(first.len() + second.len()));
    body.extend_from_slice(&first);
    body.extend_from_slice(&second);
    while let Some(piece) = next(payload, limit - body.len()).await? {
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

async fn next(payload: &mut Payload, room: usize) -> Result<Option<Bytes>, Refusal> {
    match payload.next().await {
        None => Ok(None),
        Some(Ok(piece)) if piece.len() <= room => Ok(Some(piece)),
        Some(Ok(_) | Err(PayloadError::Overflow)) => Err(too_large()),
        Some(Err(_)) => Err(Refusal::malformed("the body did not arrive whole")),
    }
}

fn too_large() -> Refusal {
    Refusal::of(ProblemCode::BodyTooLarge)
}

/// The same answer, holding what was left unread until it is sent.
pub fn hold(answer: HttpResponse<BoxBody>, unread: Payload) -> HttpResponse<BoxBody> {
    let (head, body) = answer.into_parts();
    head.set_body(match body.try_into_bytes() {
        Ok(bytes) => BoxBody::new(Held { bytes, _unread: unread }),
        Err(stream) => stream,
    })
}

struct Held {
    bytes: Bytes,
    _unread: Payload,
}

impl MessageBody for Held {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(u64::try_from(self.bytes.len()).unwrap_or(u64::MAX))
    }

    fn poll_next(
        self: Pin<&mut Self>,
        _: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let bytes = std::mem::take(&mut self.get_mut().bytes);
        Poll::Ready((!bytes.is_empty()).then_some(Ok(bytes)))
    }
}
