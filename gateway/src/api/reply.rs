//! Answers that are no refusals.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use alliance_contracts::problem::ProblemCode;
use alliance_settlement::command::Outcome;
use serde::Serialize;

use crate::server::refusal::{REPLAYED, Refusal};
use crate::telemetry;

/// What a handler comes to.
pub type Reply = Result<HttpResponse, Refusal>;

/// A JSON answer.
pub fn json<T: Serialize>(status: StatusCode, value: &T) -> HttpResponse {
    match serde_json::to_vec(value) {
        Ok(body) => json_bytes(status, body),
        // Wire types are strings, numbers and lists of them: they always serialise.
        Err(_) => HttpResponse::from_error(Refusal::internal("an answer does not serialise")),
    }
}

/// A JSON answer that is written already.
pub fn json_bytes(status: StatusCode, body: Vec<u8>) -> HttpResponse {
    HttpResponse::build(status).content_type("application/json").body(body)
}

/// Text, as notes and proofs are.
pub fn text(body: String) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(body)
}

/// The same answer, told to be the first one again.
pub fn replayed(mut answer: HttpResponse, replayed: bool) -> HttpResponse {
    if replayed {
        use actix_web::http::header::{HeaderName, HeaderValue};
        let (name, value) = (HeaderName::from_static(REPLAYED), HeaderValue::from_static("true"));
        answer.headers_mut().insert(name, value);
    }
    answer
}

/// A decision that no command of a partner's comes to.
pub fn unexpected(outcome: &Outcome) -> Refusal {
    match outcome {
        Outcome::Refused(code) => Refusal::of(*code),
        _ => Refusal::internal("the ledger answered something else"),
    }
}

/// Counts what became of an order.
pub fn count(outcome: &Outcome, replayed: bool) {
    let told = match outcome {
        Outcome::Transaction(_) => "accepted",
        Outcome::Refused(code) => code.as_str(),
        _ => ProblemCode::InternalError.as_str(),
    };
    telemetry::count_order(told, replayed);
}
