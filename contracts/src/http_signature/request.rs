//! Signed requests: a partner's to the gateway, the gateway's to a connector.

use super::base::{self, Component};
use super::envelope::{self, Envelope, NewParams, SignatureHeaders, SignedMessage};
use super::{Headers, HttpSignatureError, RequestView, Tag};
use crate::keys::SigningKey;
use crate::time::Timestamp;

/// A request that [`parse_request`] has read.
pub type SignedRequest = SignedMessage;

/// What a request's signature says about itself.
#[derive(Debug, Clone, Copy)]
pub struct RequestSignatureParams<'a> {
    /// When it is signed; written in whole seconds, rounded down.
    pub created: Timestamp,
    /// Not to be honoured after this moment (whole seconds, rounded down).
    pub expires: Option<Timestamp>,
    /// Printable ASCII that makes equal requests differ.
    pub nonce: Option<&'a str>,
    /// [`Tag::Request`] or [`Tag::Callback`].
    pub tag: Tag,
}

const WITHOUT_BODY: &[&str] = &["@method", "@authority", "@path", "@query"];
const WITH_BODY: &[&str] = &[
    "@method",
    "@authority",
    "@path",
    "@query",
    "content-type",
    "content-digest",
    "idempotency-key",
];

/// The components that a request of that method must cover. `GET`, `HEAD` and `DELETE` have no
/// body; every other method has what a `POST` has, so that none gets round the body's digest.
#[must_use]
pub fn required_components(method: &str) -> &'static [&'static str] {
    match method {
        "GET" | "HEAD" | "DELETE" => WITHOUT_BODY,
        _ => WITH_BODY,
    }
}

/// Signs a request. `components` are names such as `@path` and `content-type`
/// ([`required_components`] and whatever else matters); the fields must be in `view` already.
///
/// # Errors
/// [`HttpSignatureError::Incomplete`] for a field that is not there, `RepeatedField` for one that
/// is there twice, `Invalid` for a name or value that can't be signed.
pub fn sign_request(
    view: &RequestView<'_>,
    components: &[&str],
    params: &RequestSignatureParams<'_>,
    key: &SigningKey,
) -> Result<SignatureHeaders, HttpSignatureError> {
    let components =
        components.iter().map(|name| Component::plain(name)).collect::<Result<Vec<_>, _>>()?;
    let RequestSignatureParams { created, expires, nonce, tag } = *params;
    envelope::sign(
        &components,
        &NewParams { created, expires, nonce, tag },
        key,
        |base, component| base::append_of_request(base, view, &component.name),
    )
}

/// Reads the request's one signature with `tag` and everything about it that needs no key. It
/// does not compare the digest with the body, nor `@authority` with the gateway's names.
///
/// # Errors
/// In this order: `Incomplete` for a signature, parameter or component that is missing,
/// `Expired`, then `RepeatedField`; `Invalid` wherever the fields can't be read.
pub fn parse_request(
    view: &RequestView<'_>,
    tag: Tag,
    now: Timestamp,
) -> Result<SignedRequest, HttpSignatureError> {
    let envelope = Envelope::read(view.headers, tag)?;
    if envelope.components.iter().any(Component::has_params) {
        return Err(HttpSignatureError::Invalid("a component has a parameter"));
    }
    let covers = |name: &&&str| envelope.components.iter().any(|covered| covered.name == **name);
    if let Some(missing) = required_components(view.method).iter().find(|name| !covers(name)) {
        return Err(HttpSignatureError::missing(missing));
    }
    envelope.check_time(now)?;
    let base = base::build(&envelope.components, &envelope.params_text, |base, component| {
        base::append_of_request(base, view, &component.name)
    })?;
    Ok(envelope.into_message(base))
}

/// Label and bytes of the one signature with `tag`, whatever else is wrong with it or the request:
/// what a refusal is bound to. None where there is none that can be read.
#[must_use]
pub fn label_and_signature(headers: &dyn Headers, tag: Tag) -> Option<(String, [u8; 64])> {
    let envelope = Envelope::read(headers, tag).ok()?;
    Some((envelope.label, envelope.signature))
}
