//! From a request and its answer to an entry of the log.

use actix_web::http::header::HeaderMap;
use actix_web::{HttpMessage, HttpRequest};
use alliance_contracts::encoding;
use alliance_contracts::http_signature::SignedRequest;
use alliance_contracts::keys::{Kid, PublicKey};
use alliance_contracts::names::PartnerId;
use alliance_contracts::problem::ProblemCode;
use alliance_contracts::sandbox::{LoggedRequest, SignatureComparison};
use alliance_settlement::alliance::Registry;

use super::Sandbox;
use super::bases::{self, Refused};
use crate::server::context::Context;
use crate::server::edge::NOWHERE;
use crate::server::gateway::Gateway;
use crate::server::limits;
use crate::server::refusal::Refusal;

/// In this field a client may send the base that it has signed, as base64.
pub const DEBUG_BASE: &str = "alliance-debug-base";

/// Keeps a request of the partner API that has been answered, or one that led nowhere.
pub fn note(
    (gateway, sandbox): (&Gateway, &Sandbox),
    request: &HttpRequest,
    (id, route): (&str, &'static str),
    status: u16,
    refusal: Option<&Refusal>,
) {
    if !(route.starts_with("/v1/") || route == NOWHERE) {
        return;
    }
    let registry = gateway.house().registry();
    let key = limits::claimed_keys(request.headers()).find_map(|kid| registry.key(&kid));
    let code = refusal.map(Refusal::code);
    let signature = match code {
        Some(ProblemCode::SignatureInvalid) => compared(gateway, &registry, request),
        _ => None,
    };
    sandbox.log.note(LoggedRequest {
        at: gateway.house().message_time(),
        cause: refusal.and_then(Refusal::cause).map(str::to_owned),
        code,
        detail: refusal.map(|refusal| refusal.problem("", id).detail),
        method: request.method().as_str().to_owned(),
        partner: key.map(|key| key.partner.clone()),
        request_id: id.to_owned(),
        route: route.to_owned(),
        signature,
        status,
    });
}

/// The two bases; none where the signature could not even be read, which its refusal tells.
fn compared(
    gateway: &Gateway,
    registry: &Registry,
    request: &HttpRequest,
) -> Option<SignatureComparison> {
    let extensions = request.extensions();
    let signed: &SignedRequest = extensions.get::<Context>()?.signed.as_ref()?;
    let key = registry.key(&signed.kid);
    let others = key.map_or_else(Vec::new, |key| keys_of(registry, &key.partner, &signed.kid));
    let headers = request.headers();
    let sent = sent_base(headers);
    let host = headers.get("host").and_then(|host| host.to_str().ok()).map(str::to_owned);
    let authorities: Vec<String> =
        host.into_iter().chain(gateway.authorities().iter().cloned()).collect();
    bases::compare(&Refused {
        base: &signed.base,
        signature: &signed.signature,
        key: key.map(|key| &key.public),
        others: &others,
        sent: sent.as_deref(),
        authorities: &authorities,
        input: headers.get("signature-input").and_then(|input| input.to_str().ok()).unwrap_or(""),
    })
}

fn keys_of(registry: &Registry, partner: &PartnerId, but: &Kid) -> Vec<PublicKey> {
    let theirs = registry.keys_of(partner).into_iter();
    theirs.filter(|key| key.public.kid() != but).map(|key| key.public.clone()).collect()
}

/// As a byte sequence of RFC 9651, between colons, or without them.
fn sent_base(headers: &HeaderMap) -> Option<Vec<u8>> {
    let text = headers.get(DEBUG_BASE)?.to_str().ok()?;
    encoding::base64_decode(text.trim().trim_matches(':')).ok()
}
