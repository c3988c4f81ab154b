//! Refusals: why a request is not done. Handlers and extractors say *what* ([`Refusal`]); the edge
//! fills in for *whom* (request id, path) and sends it, so that every error answer of the server
//! is `application/problem+json` and none is made anywhere else.

use std::borrow::Cow;
use std::fmt;

use actix_web::body::BoxBody;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use alliance_contracts::problem::{FieldError, Fork, PROBLEM_JSON, Problem, ProblemCode};
use alliance_settlement::alliance::MayNotSign;
use alliance_settlement::clearing_house::CheckpointError;
use alliance_settlement::sequencer::Unavailable;
use alliance_settlement::store::StoreError;

/// Says that the answer is the first one again (protocol § 3).
pub const REPLAYED: &str = "idempotency-replayed";

/// After how many seconds a refusal that may pass is worth another try. Batches take milliseconds:
/// a second is long enough for a full queue to drain.
const RETRY_AFTER_SECONDS: u32 = 1;

/// A request that is refused, on its way to the caller.
#[derive(Clone)]
pub struct Refusal {
    problem: Box<Problem>,
    /// Methods that the route does take (405).
    allow: Option<&'static str>,
    /// Whether the first answer was this one, too.
    replayed: bool,
    /// Why, for our own log. Never shown to the caller.
    cause: Option<Cow<'static, str>>,
}

impl Refusal {
    /// A refusal that needs no more words than its code's meaning.
    pub fn of(code: ProblemCode) -> Self {
        Self::from_problem(Problem::of(code))
    }

    /// A refusal with a detail for this case.
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self::from_problem(Problem::new(code, detail))
    }

    fn from_problem(problem: Problem) -> Self {
        Self { problem: Box::new(problem), allow: None, replayed: false, cause: None }
    }

    /// `not_found`: one body for what does not exist and what is another's (threat T07).
    pub fn not_found() -> Self {
        Self::of(ProblemCode::NotFound)
    }

    /// `malformed`, naming no field: path, query or header.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::Malformed, detail)
    }

    /// A field of the body at fault, with the code of the fault.
    pub fn field(error: FieldError) -> Self {
        let detail = if error.pointer.is_empty() {
            error.detail.clone()
        } else {
            format!("{}: {}", error.pointer, error.detail)
        };
        Self::from_problem(Problem::new(error.code, detail).with_errors(vec![error]))
    }

    /// Fields at fault, all of them.
    pub fn fields(mut errors: Vec<FieldError>) -> Self {
        if errors.len() == 1
            && let Some(only) = errors.pop()
        {
            return Self::field(only);
        }
        let code = errors.first().map_or(ProblemCode::Malformed, |first| first.code);
        let detail = format!("{} things are wrong: errors names each", errors.len());
        Self::from_problem(Problem::new(code, detail).with_errors(errors))
    }

    /// A field of the body that breaks the format.
    pub fn malformed_field(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        let (pointer, detail) = (pointer.into(), detail.into());
        Self::field(FieldError { code: ProblemCode::Malformed, detail, pointer })
    }

    /// `signature_incomplete`, naming what is missing.
    pub fn incomplete(missing: &str) -> Self {
        // What is no component is something the signature itself must have.
        let detail = match missing {
            "signature" | "signature-input" => format!("the request has no {missing} field"),
            "created" | "keyid" => format!("the signature has no parameter {missing}"),
            tag if tag.starts_with("tag=") => format!("no signature has {tag}"),
            component => format!("the signature does not cover {component}"),
        };
        Self::new(ProblemCode::SignatureIncomplete, detail)
    }

    /// `chain_fork`, with both sides of it.
    pub fn fork(fork: Fork) -> Self {
        let mut problem = Problem::of(ProblemCode::ChainFork);
        problem.fork = Some(fork);
        Self::from_problem(problem)
    }

    /// `method_not_allowed`, naming the methods that are.
    pub fn method_not_allowed(allow: &'static str) -> Self {
        Self { allow: Some(allow), ..Self::of(ProblemCode::MethodNotAllowed) }
    }

    /// A fault of ours.
    pub fn internal(cause: impl Into<Cow<'static, str>>) -> Self {
        Self::of(ProblemCode::InternalError).because(cause)
    }

    /// The same, with a reason for our own log.
    pub fn because(mut self, cause: impl Into<Cow<'static, str>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The same, as the first answer again.
    pub fn replayed(mut self, replayed: bool) -> Self {
        self.replayed = replayed;
        self
    }

    /// The rule that was broken.
    pub fn code(&self) -> ProblemCode {
        self.problem.code
    }

    /// The reason for our own log.
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// The problem as this request is told it.
    pub fn problem(&self, instance: &str, request_id: &str) -> Problem {
        let mut problem = (*self.problem).clone();
        instance.clone_into(&mut problem.instance);
        request_id.clone_into(&mut problem.request_id);
        problem
    }

    /// The answer as this request gets it.
    pub fn answer(&self, instance: &str, request_id: &str) -> HttpResponse<BoxBody> {
        let code = self.code();
        let mut answer = HttpResponse::build(status_of(code));
        answer.insert_header((header::CONTENT_TYPE, PROBLEM_JSON));
        if code.is_retryable() && code.status() != 408 {
            answer.insert_header((header::RETRY_AFTER, RETRY_AFTER_SECONDS));
        }
        if let Some(allow) = self.allow {
            answer.insert_header((header::ALLOW, allow));
        }
        if self.replayed {
            answer.insert_header((REPLAYED, "true"));
        }
        // A problem is strings and numbers: it always serialises.
        let body = serde_json::to_vec(&self.problem(instance, request_id)).unwrap_or_default();
        answer.body(body)
    }
}

fn status_of(code: ProblemCode) -> StatusCode {
    StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// For the log, which must not see what the caller wrote: the code only.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.code().fmt(f)
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Refusal({})", self.code())
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        status_of(self.code())
    }

    /// Only a stand-in: the edge replaces it with [`Refusal::answer`].
    fn error_response(&self) -> HttpResponse<BoxBody> {
        HttpResponse::new(self.status_code())
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::Unavailable(_) | StoreError::UnknownCommit(_) => ProblemCode::Unavailable,
            StoreError::Contradiction(_) | StoreError::Corrupt(_) | StoreError::NotMigrated(_) => {
                ProblemCode::InternalError
            }
        };
        Self::of(code).because(error.to_string())
    }
}

impl From<Unavailable> for Refusal {
    fn from(error: Unavailable) -> Self {
        let code = match &error {
            Unavailable::Culprit(_) => ProblemCode::InternalError,
            _ => ProblemCode::Unavailable,
        };
        Self::of(code).because(error.to_string())
    }
}

impl From<MayNotSign> for Refusal {
    fn from(error: MayNotSign) -> Self {
        Self::of(ProblemCode::Unavailable).because(error.to_string())
    }
}

impl From<CheckpointError> for Refusal {
    fn from(error: CheckpointError) -> Self {
        match error {
            CheckpointError::Inconsistent(_) => Self::internal(error.to_string()),
            CheckpointError::MayNotSign(error) => error.into(),
            CheckpointError::Store(error) => error.into(),
            CheckpointError::Unavailable(error) => error.into(),
        }
    }
}
