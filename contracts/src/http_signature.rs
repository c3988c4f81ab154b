//! HTTP message signatures: the closed RFC 9421 profile of protocol §2.
//!
//! | in | where |
//! | --- | --- |
//! | what a message is to us: views, headers, tags, errors | this file |
//! | structured fields (RFC 9651) without "the last duplicate wins" | `structured` |
//! | the signature base (RFC 9421 §2.5) and components | `base` |
//! | `Signature-Input` and `Signature`: reading and writing | `envelope` |
//! | requests and callbacks: [`sign_request`], [`parse_request`] | `request` |
//! | their answers: [`sign_response`], [`parse_response`] | `response` |
//!
//! Out of scope: whether the digest matches the body (`content_digest`, checked by the caller),
//! whether `@authority` is one of ours (the caller compares it with its configured names), which
//! key a `kid` is, and every part of RFC 9421 that the profile closes: other algorithms,
//! component parameters (except those of our own answers), trailers, `@request-target`,
//! `@target-uri`, `@scheme`, `@query-param`, `Accept-Signature`'s component list.
//!
//! Bytes are never normalised: path and query are signed as received (threats T05, T06). Two
//! exceptions that RFC 9421 §2.2 asks for: the authority is lower-cased, and an empty path is
//! `/`. A covered field occurs once (threat T02).

mod base;
mod envelope;
mod request;
mod response;
pub(crate) mod structured;
#[cfg(test)]
mod tests;

pub use envelope::{LABEL, SignatureHeaders, SignedMessage};
pub use request::{
    RequestSignatureParams, SignedRequest, label_and_signature, parse_request, required_components,
    sign_request,
};
pub use response::{
    ACCEPT_SIGNATURE, RequestBinding, ResponseView, SignedResponse, parse_response, sign_response,
    verify_response, wants_signed_response,
};

/// Why a message signature is refused. The gateway maps each to its code (protocol §1).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpSignatureError {
    /// Something that must be signed is not: `signature_incomplete`. Names a component
    /// (`content-digest`), a parameter (`created`) or a field (`signature-input`).
    #[error("the signature does not cover {missing}")]
    Incomplete {
        /// What is missing.
        missing: String,
    },
    /// Too old, from the future, or past its own `expires`: `signature_expired`.
    #[error("the signature is not within its time")]
    Expired,
    /// A covered field is there more than once, so that what is signed is not what a handler
    /// may read (threat T02): `malformed`.
    #[error("the signed field {name} is repeated")]
    RepeatedField {
        /// The field's lower-case name.
        name: String,
    },
    /// Everything else: `signature_invalid`. The reason is for our own log, not for the caller.
    #[error("invalid signature: {0}")]
    Invalid(&'static str),
}

impl HttpSignatureError {
    pub(crate) fn missing(what: &str) -> Self {
        Self::Incomplete { missing: what.to_owned() }
    }
}

/// What a signature is for: its `tag` parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tag {
    /// A partner's request to the gateway.
    Request,
    /// The gateway's answer to it.
    Response,
    /// The gateway's call to a partner's connector.
    Callback,
    /// The connector's answer to it.
    CallbackResponse,
}

impl Tag {
    /// The parameter's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "alliance-v1",
            Self::Response => "alliance-resp-v1",
            Self::Callback => "alliance-cb-v1",
            Self::CallbackResponse => "alliance-cb-resp-v1",
        }
    }
}

/// The header fields of a message, however they are kept.
pub trait Headers {
    /// The values of all field lines of that name (lower-case; names are compared without regard
    /// to case), in the order received, unchanged.
    fn values<'a>(&'a self, lower_name: &str) -> Vec<&'a [u8]>;
}

/// Header fields in a list: name and value of every field line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderList(pub Vec<(String, Vec<u8>)>);

impl HeaderList {
    /// Appends a field line.
    pub fn push(&mut self, name: &str, value: &[u8]) {
        self.0.push((name.to_owned(), value.to_vec()));
    }
}

impl Headers for HeaderList {
    fn values<'a>(&'a self, lower_name: &str) -> Vec<&'a [u8]> {
        matching(self.0.iter().map(|(name, value)| (&**name, &**value)), lower_name)
    }
}

impl Headers for Vec<(String, String)> {
    fn values<'a>(&'a self, lower_name: &str) -> Vec<&'a [u8]> {
        matching(self.iter().map(|(name, value)| (&**name, value.as_bytes())), lower_name)
    }
}

impl Headers for &[(&str, &str)] {
    fn values<'a>(&'a self, lower_name: &str) -> Vec<&'a [u8]> {
        matching(self.iter().map(|(name, value)| (*name, value.as_bytes())), lower_name)
    }
}

impl<const N: usize> Headers for [(&str, &str); N] {
    fn values<'a>(&'a self, lower_name: &str) -> Vec<&'a [u8]> {
        matching(self.iter().map(|(name, value)| (*name, value.as_bytes())), lower_name)
    }
}

fn matching<'a>(
    lines: impl Iterator<Item = (&'a str, &'a [u8])>,
    lower_name: &str,
) -> Vec<&'a [u8]> {
    lines
        .filter(|(name, _)| name.eq_ignore_ascii_case(lower_name))
        .map(|(_, value)| value)
        .collect()
}

/// A request as it was received or is about to be sent.
#[derive(Clone, Copy)]
pub struct RequestView<'a> {
    /// The method, as on the wire (`POST`).
    pub method: &'a str,
    /// Host and, unless it is the scheme's default, port.
    pub authority: &'a str,
    /// The raw path, without query.
    pub path: &'a str,
    /// The raw query, without `?`; `None` where the target has no `?`. Signed as `?` then, as an
    /// empty one is (RFC 9421 §2.2.7).
    pub query: Option<&'a str>,
    /// The header fields.
    pub headers: &'a dyn Headers,
}
