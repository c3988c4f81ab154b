//! `POST /v1/quotes`: terms for one order. Stores nothing, looks no member up.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use alliance_contracts::names::PartnerId;
use alliance_contracts::problem::FieldError;
use alliance_contracts::quote::{Quote, QuoteRequest};
use alliance_settlement::pricing::Unpriced;

use super::reply::{self, Reply};
use crate::draw;
use crate::server::gateway::Gateway;
use crate::server::refusal::Refusal;
use crate::server::verify::{Ask, VerifiedRequest};

/// Offers terms for an order. The token performs it, once, until it expires.
#[utoipa::path(
    post, path = "/v1/quotes", operation_id = "create_quote",
    tag = "orders",
    request_body(content = QuoteRequest, example = json!({
        "kind": "exchange",
        "source": {"program": "aurora", "member": "A-1001"},
        "target": {"program": "borealis", "member": "B-77"},
        "amount": {"side": "source", "value": "1000"}
    })),
    responses((status = 201, description = "The terms", body = Quote))
)]
pub async fn create(request: VerifiedRequest<Ask>, gateway: Data<Gateway>) -> Reply {
    let asked: QuoteRequest = request.json()?;
    let quote = offer(&gateway, &request.partner, &asked, "")?;
    Ok(reply::json(StatusCode::CREATED, &quote))
}

/// Terms for one request, which stands at `place` in the body.
pub fn offer(
    gateway: &Gateway,
    caller: &PartnerId,
    asked: &QuoteRequest,
    place: &str,
) -> Result<Quote, Refusal> {
    gateway.house().quote(caller, asked, draw::id()).map_err(|unpriced| refused(unpriced, place))
}

fn refused(unpriced: Unpriced, place: &str) -> Refusal {
    let Unpriced { code, pointer, detail } = unpriced;
    match pointer {
        Some(pointer) if !pointer.is_empty() => {
            Refusal::field(FieldError { code, detail, pointer: format!("{place}{pointer}") })
        }
        _ => Refusal::new(code, detail),
    }
}
