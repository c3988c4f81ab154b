//! Calls: what arrives, what it proves, and what it says.

use alliance_contracts::connector::{
    CancelCall, CaptureCall, CreditCall, OPERATIONS, OperationKey, ReleaseCall, ReserveCall, Step,
};
use alliance_contracts::content_digest::verify_content_digest;
use alliance_contracts::encoding::Hash;
use alliance_contracts::http_signature::{
    HeaderList, Headers, HttpSignatureError, RequestView, SignedRequest, Tag, parse_request,
};
use alliance_contracts::ids::TransactionId;
use alliance_contracts::json;
use alliance_contracts::problem::{FieldError, ProblemCode};
use alliance_contracts::time::Timestamp;
use serde::de::DeserializeOwned;

use super::answer::Fault;

/// A request as it was received, however the server keeps it. Nothing in it is decoded.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The body's bytes.
    pub body: Vec<u8>,
    /// Every field line.
    pub headers: HeaderList,
    /// The method (`POST`).
    pub method: String,
    /// The raw path, the connector's own prefix included.
    pub path: String,
    /// The raw query, without `?`.
    pub query: Option<String>,
}

impl Request {
    pub(super) fn view<'a>(&'a self, authority: &'a str) -> RequestView<'a> {
        RequestView {
            method: &self.method,
            authority,
            path: &self.path,
            query: self.query.as_deref(),
            headers: &self.headers,
        }
    }

    /// The one value of a field; none where it is missing or there twice.
    fn field(&self, lower_name: &str) -> Option<&str> {
        match *self.headers.values(lower_name) {
            [one] => std::str::from_utf8(one).ok().map(str::trim),
            _ => None,
        }
    }

    /// The host that the request asks for, as it claims.
    pub(super) fn host(&self) -> Option<&str> {
        self.field("host")
    }

    /// Which call it is: the end of the path says so, whatever stands before it.
    pub(super) fn route(&self) -> Result<Route, Fault> {
        let mut segments = self.path.rsplit('/');
        let (last, before) = (segments.next().unwrap_or_default(), segments.next());
        let (route, method) = match Step::from_stored(last) {
            Some(step) => (Route::Step(step), "POST"),
            None if before == Some(OPERATIONS) => (Route::Operation(last.to_owned()), "GET"),
            None => return Err(Fault::new(ProblemCode::NotFound, "no call of a connector")),
        };
        if self.method == method {
            Ok(route)
        } else {
            let detail = format!("this call is a {method}");
            Err(Fault::new(ProblemCode::MethodNotAllowed, detail))
        }
    }

    /// JSON, told as such, and as it is: nothing here unpacks.
    pub(super) fn check_media_type(&self) -> Result<(), Fault> {
        let json = self.method != "POST" || self.field("content-type").is_some_and(is_json);
        if json && self.headers.values("content-encoding").is_empty() {
            Ok(())
        } else {
            let code = ProblemCode::UnsupportedMediaType;
            Err(Fault::new(code, code.meaning()))
        }
    }

    /// Reads the signature, and everything about it that needs no key.
    pub(super) fn signed(&self, authority: &str, now: Timestamp) -> Result<SignedRequest, Fault> {
        parse_request(&self.view(authority), Tag::Callback, now).map_err(|error| match error {
            HttpSignatureError::Incomplete { missing } => Fault::new(
                ProblemCode::SignatureIncomplete,
                format!("the signature lacks {missing}"),
            ),
            HttpSignatureError::Expired => Fault::new(
                ProblemCode::SignatureExpired,
                format!("the signature is not within its time; the time here is {now}"),
            ),
            HttpSignatureError::RepeatedField { name } => {
                Fault::malformed(format!("the signed field {name} is there twice"))
            }
            HttpSignatureError::Invalid(reason) => invalid(reason),
        })
    }

    /// After the signature, so that only the gateway can make us hash a megabyte.
    pub(super) fn check_digest(&self) -> Result<(), Fault> {
        if self.method != "POST" && self.body.is_empty() {
            return Ok(());
        }
        verify_content_digest(&self.headers.values("content-digest"), &self.body)
            .map_err(|_| invalid("Content-Digest is not the body's"))
    }

    pub(super) fn key(&self) -> Result<OperationKey, Fault> {
        let key = self.field("idempotency-key").and_then(|text| text.parse().ok());
        key.ok_or_else(|| Fault::malformed("Idempotency-Key must be txn_….<step>"))
    }
}

/// One answer for every reason; the reason is for the brand's own log.
pub(super) fn invalid(reason: &'static str) -> Fault {
    tracing::debug!(reason, "a call is not listened to");
    Fault::new(ProblemCode::SignatureInvalid, ProblemCode::SignatureInvalid.meaning())
}

/// `application/json`, at most with the only charset that JSON has.
fn is_json(value: &str) -> bool {
    let mut parts = value.split(';').map(str::trim);
    parts.next().is_some_and(|name| name.eq_ignore_ascii_case("application/json"))
        && parts.all(|part| part.replace('"', "").eq_ignore_ascii_case("charset=utf-8"))
}

/// Which call it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Step(Step),
    Operation(String),
}

/// A call that changes something.
#[derive(Debug)]
pub(super) enum Call {
    Reserve(ReserveCall),
    Capture(CaptureCall),
    Release(ReleaseCall),
    Credit(CreditCall),
    Cancel(CancelCall),
}

impl Call {
    /// Reads the body of a step, strictly.
    pub fn read(step: Step, body: &[u8]) -> Result<Self, Fault> {
        let call = match step {
            Step::Reserve => Self::Reserve(read(body)?),
            Step::Capture => Self::Capture(read(body)?),
            Step::Release => Self::Release(read(body)?),
            Step::Credit => Self::Credit(read(body)?),
            Step::Cancel => Self::Cancel(read(body)?),
        };
        call.check()?;
        Ok(call)
    }

    /// What the types cannot say.
    fn check(&self) -> Result<(), Fault> {
        let amount = match self {
            Self::Reserve(call) => Some(call.amount),
            Self::Credit(call) => Some(call.amount),
            Self::Cancel(call) => Some(call.amount),
            Self::Capture(_) | Self::Release(_) => None,
        };
        if amount.is_some_and(|amount| amount.is_zero()) {
            return Err(Fault::malformed("/amount: must be above zero"));
        }
        match self {
            Self::Credit(call) if call.gift().is_none() => {
                Err(Fault::malformed("either benefit, or member and program, must be there"))
            }
            _ => Ok(()),
        }
    }

    pub const fn transaction(&self) -> TransactionId {
        match self {
            Self::Reserve(call) => call.transaction,
            Self::Capture(call) => call.transaction,
            Self::Release(call) => call.transaction,
            Self::Credit(call) => call.transaction,
            Self::Cancel(call) => call.transaction,
        }
    }

    /// SHA-256 of the RFC 8785 form: two spellings of one call are one call.
    pub fn hash(&self) -> Hash {
        Hash::of(&match self {
            Self::Reserve(call) => json::canonical(call),
            Self::Capture(call) => json::canonical(call),
            Self::Release(call) => json::canonical(call),
            Self::Credit(call) => json::canonical(call),
            Self::Cancel(call) => json::canonical(call),
        })
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Fault> {
    json::read(body).map_err(|FieldError { pointer, detail, .. }| {
        Fault::malformed(if pointer.is_empty() { detail } else { format!("{pointer}: {detail}") })
    })
}
