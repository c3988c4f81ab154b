//! Signed answers, bound to the request that they answer (RFC 9421 §2.4).

use super::base::{self, Component};
use super::envelope::{self, Envelope, NewParams, SignatureHeaders, SignedMessage};
use super::structured;
use super::{Headers, HttpSignatureError, RequestView, Tag};
use crate::encoding::base64_encode;
use crate::keys::{PublicKey, SigningKey};
use crate::time::Timestamp;

/// An answer that [`parse_response`] has read.
pub type SignedResponse = SignedMessage;

/// An answer as it was received or is about to be sent.
#[derive(Clone, Copy)]
pub struct ResponseView<'a> {
    /// The status code.
    pub status: u16,
    /// The header fields.
    pub headers: &'a dyn Headers,
}

/// The signed request that an answer answers.
#[derive(Clone, Copy)]
pub struct RequestBinding<'a> {
    /// The request, as it was sent or received.
    pub view: RequestView<'a>,
    /// The label of its signature ([`SignedMessage::label`], or [`super::LABEL`] if we signed).
    pub label: &'a str,
    /// The signature, R ‖ S.
    pub signature: &'a [u8; 64],
}

/// The value of `Accept-Signature` (RFC 9421 §5) that asks for a signed answer.
pub const ACCEPT_SIGNATURE: &str = concat!(
    r#"sig1=("@status" "content-type" "content-digest" "@method";req "@authority";req"#,
    r#" "@path";req "content-digest";req "idempotency-key";req "signature";req;key="sig1")"#,
    r#";created;keyid;tag="alliance-resp-v1""#
);

/// Whether the request asks for a signed answer: a member of `Accept-Signature` carries our tag.
/// Its list of components is not looked at, as an answer covers what the profile says. A field
/// that can't be read asks for nothing.
#[must_use]
pub fn wants_signed_response(headers: &dyn Headers) -> bool {
    let Some(field) = structured::combined(headers, "accept-signature") else { return false };
    let members = structured::dictionary(&field).unwrap_or_default();
    members.iter().any(|member| envelope::has_tag(member, Tag::Response))
}

/// What an answer covers. Of the request, `content-digest` and `idempotency-key` only where it
/// has them: a `GET` has neither.
fn components(request: &RequestBinding<'_>) -> Result<Vec<Component>, HttpSignatureError> {
    let mut components = Vec::with_capacity(9);
    for name in ["@status", "content-type", "content-digest"] {
        components.push(Component::plain(name)?);
    }
    for name in ["@method", "@authority", "@path"] {
        components.push(Component::of_request(name)?);
    }
    for name in ["content-digest", "idempotency-key"] {
        if !request.view.headers.values(name).is_empty() {
            components.push(Component::of_request(name)?);
        }
    }
    // A label is quoted into an identifier: nothing but a dictionary key may stand there.
    sfv::KeyRef::from_str(request.label)
        .map_err(|_| HttpSignatureError::Invalid("the request's label is not a key"))?;
    let mut signature = Component::of_request("signature")?;
    signature.identifier.push_str(&[";key=\"", request.label, "\""].concat());
    signature.key = Some(request.label.to_owned());
    components.push(signature);
    Ok(components)
}

fn append_value(
    base: &mut Vec<u8>,
    component: &Component,
    response: &ResponseView<'_>,
    request: &RequestBinding<'_>,
) -> Result<(), HttpSignatureError> {
    match (&*component.name, component.req, component.key.as_deref()) {
        ("signature", true, Some(label)) if label == request.label => {
            // The member as RFC 9651 writes it, whatever the field around it looked like.
            let value = [":", &base64_encode(request.signature), ":"].concat();
            base.extend_from_slice(value.as_bytes());
            Ok(())
        }
        (_, _, Some(_)) => Err(HttpSignatureError::Invalid("a component has a parameter")),
        (name, true, None) => base::append_of_request(base, &request.view, name),
        ("@status", false, None) => append_status(base, response.status),
        (name, false, None) => base::append_field(base, response.headers, name),
    }
}

/// Three digits (RFC 9110 §15).
fn append_status(base: &mut Vec<u8>, status: u16) -> Result<(), HttpSignatureError> {
    if !(100..=999).contains(&status) {
        return Err(HttpSignatureError::Invalid("the status is not three digits"));
    }
    base.extend_from_slice(status.to_string().as_bytes());
    Ok(())
}

/// Signs an answer. `Content-Type` and `Content-Digest` must be among its fields already.
///
/// # Errors
/// As [`super::sign_request`].
pub fn sign_response(
    response: &ResponseView<'_>,
    request: &RequestBinding<'_>,
    tag: Tag,
    created: Timestamp,
    key: &SigningKey,
) -> Result<SignatureHeaders, HttpSignatureError> {
    let params = NewParams { created, expires: None, nonce: None, tag };
    envelope::sign(&components(request)?, &params, key, |base, component| {
        append_value(base, component, response, request)
    })
}

/// Reads the answer's one signature with `tag` and everything about it that needs no key. More
/// may be covered than the profile asks for, of the answer or of the request.
///
/// # Errors
/// As [`super::parse_request`]; `Incomplete` names what is missing, `@path;req` for instance.
pub fn parse_response(
    response: &ResponseView<'_>,
    request: &RequestBinding<'_>,
    tag: Tag,
    now: Timestamp,
) -> Result<SignedResponse, HttpSignatureError> {
    let envelope = Envelope::read(response.headers, tag)?;
    envelope.require(&components(request)?)?;
    envelope.check_time(now)?;
    let base = base::build(&envelope.components, &envelope.params_text, |base, component| {
        append_value(base, component, response, request)
    })?;
    Ok(envelope.into_message(base))
}

/// [`parse_response`] and the verification under a key that is known beforehand.
///
/// # Errors
/// As [`parse_response`] and [`SignedMessage::verify`].
pub fn verify_response(
    response: &ResponseView<'_>,
    request: &RequestBinding<'_>,
    tag: Tag,
    now: Timestamp,
    key: &PublicKey,
) -> Result<SignedResponse, HttpSignatureError> {
    let signed = parse_response(response, request, tag, now)?;
    signed.verify(key)?;
    Ok(signed)
}
