//! What the edge and the extractor tell each other about one request.

use std::rc::Rc;

use alliance_contracts::ids::RequestId;
use alliance_contracts::names::PartnerId;

/// One request, in its extensions from the edge inwards.
pub struct Context {
    /// Its id, as answers, logs and problems name it.
    pub id: RequestId,
    /// Who asks, once verified.
    pub partner: Option<PartnerId>,
    /// What a signed answer is bound to, once there is a signature.
    pub binding: Option<Binding>,
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
