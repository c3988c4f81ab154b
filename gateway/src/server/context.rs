//! What the edge and the extractor tell each other about one request.

use std::rc::Rc;

use actix_web::dev::Payload;
use actix_web::{HttpMessage, HttpRequest};
use alliance_contracts::http_signature::SignedRequest;
use alliance_contracts::ids::RequestId;
use alliance_contracts::names::PartnerId;

use super::limits::{Admitted, Standing};
use super::refusal::Refusal;

/// One request, in its extensions from the edge inwards.
pub struct Context {
    /// Its id, as answers, logs and problems name it.
    pub id: RequestId,
    /// Who asks, once verified.
    pub partner: Option<PartnerId>,
    /// As it was read, before its signature was verified; kept in a sandbox only.
    pub signed: Option<SignedRequest>,
    /// What a signed answer is bound to, once there is a signature.
    pub binding: Option<Binding>,
    /// Where the caller stands with the limit that was looked at last.
    pub standing: Option<Standing>,
    /// What of the body nobody has read. Held until the answer is sent: then actix closes the
    /// connection after it, where it would go on reading for as long as the caller goes on sending.
    pub unread: Option<Payload>,
}

impl Context {
    /// A request that has just arrived.
    pub fn new(id: RequestId) -> Self {
        Self { id, partner: None, signed: None, binding: None, standing: None, unread: None }
    }
}

/// Takes what a limit has said into the request: told in the answer, and refused where there was no
/// room.
pub fn admit(request: &HttpRequest, admitted: Admitted) -> Result<(), Refusal> {
    let (standing, outcome) = match admitted {
        Ok(None) => return Ok(()),
        Ok(standing) => (standing, Ok(())),
        Err((refusal, standing)) => (Some(standing), Err(refusal)),
    };
    if let Some(context) = request.extensions_mut().get_mut::<Context>() {
        context.standing = standing;
    }
    outcome
}

/// Holds a body that is not going to be read.
pub fn leave_unread(request: &HttpRequest, payload: Payload) {
    if !matches!(payload, Payload::None)
        && let Some(context) = request.extensions_mut().get_mut::<Context>()
    {
        context.unread = Some(payload);
    }
}

/// The part of a request's signature that its answer is bound to (RFC 9421 § 2.4).
pub struct Binding {
    /// The name under which the gateway was called.
    pub authority: Rc<str>,
    /// The label of the request's signature.
    pub label: String,
    /// The signature.
    pub signature: [u8; 64],
}

/// Which route answers; in the route's app data.
#[derive(Clone, Copy)]
pub struct Route {
    /// Its template, for logs and metrics: never what the caller wrote.
    pub template: &'static str,
    /// The methods it takes.
    pub allow: &'static str,
}
