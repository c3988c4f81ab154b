//! Answers: as they are, and signed.

use alliance_contracts::connector::Refusal;
use alliance_contracts::content_digest::content_digest;
use alliance_contracts::http_signature::{
    HeaderList, RequestBinding, ResponseView, Tag, label_and_signature, sign_response,
};
use alliance_contracts::json;
use alliance_contracts::keys::SigningKey;
use alliance_contracts::problem::{PROBLEM_JSON, ProblemCode};
use alliance_contracts::time::Timestamp;
use serde::Serialize;

use super::call::Request;
use super::store::Recorded;

/// An answer, ready to be sent: status, header fields, body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The body.
    pub body: Vec<u8>,
    /// The header fields, the signature's included; names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The status.
    pub status: u16,
}

/// What is answered, before it is signed.
#[derive(Debug)]
pub(super) struct Draft {
    body: Vec<u8>,
    replayed: bool,
    status: u16,
}

/// A call that is no decision of the brand's: malformed, not signed, not possible now. Recorded
/// nowhere.
#[derive(Debug, Serialize)]
pub(super) struct Fault {
    code: ProblemCode,
    detail: String,
    status: u16,
    title: &'static str,
}

impl Fault {
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), status: code.status(), title: code.meaning() }
    }

    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::Malformed, detail)
    }

    /// Nothing is known of the outcome: the gateway repeats the call.
    pub fn unavailable() -> Self {
        Self::new(ProblemCode::Unavailable, "not now: ask what became of it, then repeat it")
    }
}

impl From<Fault> for Draft {
    fn from(fault: Fault) -> Self {
        Self { body: json::canonical(&fault), replayed: false, status: fault.status }
    }
}

impl From<Refusal> for Draft {
    fn from(refusal: Refusal) -> Self {
        Self { body: json::canonical(&refusal), replayed: false, status: refusal.status }
    }
}

impl Draft {
    pub fn good(body: Vec<u8>) -> Self {
        Self { body, replayed: false, status: 200 }
    }

    /// What the store has kept; `replayed` where an earlier call has led to it.
    pub fn recorded(recorded: Recorded, replayed: bool) -> Self {
        Self { body: recorded.body, replayed, status: recorded.status }
    }

    /// The answer, signed and bound to the call. A call whose own signature cannot be read has
    /// nothing to be bound to, and its refusal stays unsigned: a gateway does not send such calls.
    pub fn sign(
        self,
        request: &Request,
        authority: &str,
        now: Timestamp,
        key: &SigningKey,
    ) -> Answer {
        let content_type = if self.status == 200 { "application/json" } else { PROBLEM_JSON };
        let digest = content_digest(&self.body);
        let mut fields = HeaderList::default();
        fields.push("content-type", content_type.as_bytes());
        fields.push("content-digest", digest.as_bytes());
        let mut headers =
            vec![("content-type", content_type.to_owned()), ("content-digest", digest)];
        if self.replayed {
            headers.push(("idempotency-replayed", "true".to_owned()));
        }
        if self.status == ProblemCode::Unavailable.status() {
            headers.push(("retry-after", "1".to_owned()));
        }
        let signed = label_and_signature(&request.headers, Tag::Callback).and_then(|signature| {
            let (label, signature) = &signature;
            let binding = RequestBinding { view: request.view(authority), label, signature };
            let response = ResponseView { status: self.status, headers: &fields };
            sign_response(&response, &binding, Tag::CallbackResponse, now, key).ok()
        });
        if let Some(signed) = signed {
            headers.push(("signature-input", signed.signature_input));
            headers.push(("signature", signed.signature));
        }
        Answer { body: self.body, headers, status: self.status }
    }
}
