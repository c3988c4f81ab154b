//! `POST /v1/quotes/batch`: terms for up to 1,000 orders.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use alliance_contracts::limits::MAX_BATCH_ITEMS;
use alliance_contracts::quote::{QuoteBatch, QuoteBatchRequest, QuoteResult};

use super::quotes;
use super::reply::{self, Reply};
use crate::server::edge;
use crate::server::gateway::Gateway;
use crate::server::refusal::Refusal;
use crate::server::verify::{AskMany, VerifiedRequest};

/// Quotes signed in one go, about a millisecond of work; then others of this worker get a turn.
const IN_ONE_GO: usize = 32;

/// Offers terms for many orders, each by itself.
#[utoipa::path(
    post, path = "/v1/quotes/batch", operation_id = "create_quotes",
    tag = "orders",
    request_body = QuoteBatchRequest,
    responses((status = 200, description = "In the order of the requests", body = QuoteBatch))
)]
pub async fn create(request: VerifiedRequest<AskMany>, gateway: Data<Gateway>) -> Reply {
    let batch: QuoteBatchRequest = request.json()?;
    check_size(batch.quotes.len(), "/quotes")?;
    let (path, id) = (edge::instance(request.path()), request.id().to_string());
    let mut results = Vec::with_capacity(batch.quotes.len());
    for (at, asked) in batch.quotes.iter().enumerate() {
        if at % IN_ONE_GO == IN_ONE_GO - 1 {
            tokio::task::yield_now().await;
        }
        let place = format!("/quotes/{at}");
        results.push(match quotes::offer(&gateway, &request.partner, asked, &place) {
            Ok(quote) => QuoteResult { problem: None, quote: Some(quote), status: 201 },
            Err(refusal) => QuoteResult {
                status: refusal.code().status(),
                problem: Some(refusal.problem(path, &id)),
                quote: None,
            },
        });
    }
    Ok(reply::json(StatusCode::OK, &QuoteBatch { results }))
}

/// Refuses a batch of too many items.
pub fn check_size(items: usize, pointer: &'static str) -> Result<(), Refusal> {
    if items <= MAX_BATCH_ITEMS {
        return Ok(());
    }
    Err(Refusal::malformed_field(pointer, format!("a batch has at most {MAX_BATCH_ITEMS} items")))
}
