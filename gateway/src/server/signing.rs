//! Signed answers (protocol § 2): where a request asks with `Accept-Signature`, its answer carries
//! a digest and a signature bound to that request, errors and replays included.
//!
//! Two answers cannot be signed: a stream (`application/x-ndjson`), whose end is not known when its
//! head is sent — its lines are signed receipts, and its last line names the head — and the answer
//! to a request without a signature that can be read, as there is nothing to bind it to.

use std::rc::Rc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::web::Data;
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use alliance_contracts::content_digest::content_digest;
use alliance_contracts::http_signature::{
    RequestBinding, ResponseView, Tag, parse_request, sign_response, wants_signed_response,
};
use alliance_contracts::time::Timestamp;

use super::context::{Binding, Context};
use super::gateway::Gateway;
use super::verify::{Fields, view};

/// Whether the request asks for a signed answer.
pub fn is_wanted(request: &HttpRequest) -> bool {
    request.headers().contains_key("accept-signature")
        && wants_signed_response(&Fields(request.headers()))
}

/// The same answer, signed where it can be.
pub fn sign(request: &HttpRequest, answer: HttpResponse<BoxBody>) -> HttpResponse<BoxBody> {
    let (mut head, body) = answer.into_parts();
    let body = match body.try_into_bytes() {
        Ok(bytes) => bytes,
        Err(stream) => return head.set_body(stream),
    };
    if let Err(reason) = sign_head(request, &mut head, &body) {
        tracing::debug!(reason, "an answer is not signed");
    }
    head.set_body(BoxBody::new(body))
}

fn sign_head(
    request: &HttpRequest,
    head: &mut HttpResponse<()>,
    body: &[u8],
) -> Result<(), &'static str> {
    let gateway = request.app_data::<Data<Gateway>>().ok_or("the app has no gateway")?;
    let house = gateway.house();
    let binding = binding(request, gateway).ok_or("no signature to bind it to")?;
    insert(head, "content-digest", &content_digest(body))?;
    let fields = Fields(request.headers());
    let bound = RequestBinding {
        view: view(request, &binding.authority, &fields),
        label: &binding.label,
        signature: &binding.signature,
    };
    let status = head.status().as_u16();
    let response = ResponseView { status, headers: &Fields(head.headers()) };
    let key = house.signer().map_err(|_| "this gateway's key may not sign")?;
    let signed = sign_response(&response, &bound, Tag::Response, house.message_time(), key)
        .map_err(|_| "a field cannot be signed")?;
    insert(head, "signature-input", &signed.signature_input)?;
    insert(head, "signature", &signed.signature)
}

fn insert(
    head: &mut HttpResponse<()>,
    name: &'static str,
    value: &str,
) -> Result<(), &'static str> {
    let value = HeaderValue::from_str(value).map_err(|_| "a field is no header value")?;
    head.headers_mut().insert(HeaderName::from_static(name), value);
    Ok(())
}

/// The request's signature: as the extractor found it; or, of a request that did not get so far,
/// read now. One that is refused for its time is read as of its own time.
fn binding(request: &HttpRequest, gateway: &Gateway) -> Option<Binding> {
    let known =
        request.extensions_mut().get_mut::<Context>().and_then(|context| context.binding.take());
    if known.is_some() {
        return known;
    }
    let host = request.headers().get(header::HOST).map(HeaderValue::as_bytes);
    let authority = gateway.authority(request.uri(), host);
    let fields = Fields(request.headers());
    let view = view(request, authority, &fields);
    let at = created(request).unwrap_or_else(|| gateway.house().message_time());
    let signed = parse_request(&view, Tag::Request, at).ok()?;
    Some(Binding {
        authority: Rc::from(authority),
        label: signed.label,
        signature: signed.signature,
    })
}

/// What the signature says of its own time. Only decides whether a refusal is signed.
fn created(request: &HttpRequest) -> Option<Timestamp> {
    let input = request.headers().get("signature-input")?.to_str().ok()?;
    let (_, rest) = input.split_once(";created=")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    let seconds: i64 = digits.parse().ok()?;
    Some(Timestamp::from_millis(seconds.checked_mul(1_000)?))
}
