//! `POST /v1/transactions/batch`: up to 1,000 orders in one signed request, each decided by itself.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use alliance_contracts::encoding::Hash;
use alliance_contracts::ids::TransactionId;
use alliance_contracts::merkle;
use alliance_contracts::names::PartnerId;
use alliance_contracts::transaction::{
    OrderBatch, OrderBatchRequest, OrderResult, Transaction, order_bytes,
};
use alliance_settlement::clearing_house::OpenedToken;
use alliance_settlement::command::{Command, Keyed, Order};
use alliance_settlement::sequencer::{Answer, Unavailable};
use futures_util::{StreamExt, stream};

use super::reply::{self, Reply};
use super::{quote_batch, transactions};
use crate::draw;
use crate::server::edge;
use crate::server::gateway::Gateway;
use crate::server::refusal::Refusal;
use crate::server::verify::{ChangeMany, VerifiedRequest};

/// Tokens opened in one go; then others of this worker get a turn.
const IN_ONE_GO: usize = 32;
/// Replayed orders that are read from the store at a time.
const READ_AT_ONCE: usize = 16;

/// Performs many quotes. `Alliance-Orders` carries the RFC 6962 root over the orders.
#[utoipa::path(
    post, path = "/v1/transactions/batch", operation_id = "create_transactions",
    tag = "orders",
    request_body = OrderBatchRequest,
    params(("Alliance-Orders" = String, Header,
        description = "`sha-256=:<base64>:`, the root over JCS of each \
            `{quote id, source_reference}`; must be covered by the signature")),
    responses((status = 200, description = "In the order of the orders", body = OrderBatch))
)]
pub async fn create(request: VerifiedRequest<ChangeMany>, gateway: Data<Gateway>) -> Reply {
    let batch: OrderBatchRequest = request.json()?;
    quote_batch::check_size(batch.orders.len(), "/orders")?;
    let caller = request.partner.clone();
    let mut opened: Vec<OpenedToken> = Vec::with_capacity(batch.orders.len());
    let mut leaves: Vec<Hash> = Vec::with_capacity(batch.orders.len());
    let mut digests: Vec<Hash> = Vec::with_capacity(batch.orders.len());
    for (at, order) in batch.orders.iter().enumerate() {
        if at % IN_ONE_GO == IN_ONE_GO - 1 {
            tokio::task::yield_now().await;
        }
        let token = gateway.house().open_token(&caller, &order.quote);
        let bytes = order_bytes(&token.quote, &order.source_reference);
        leaves.push(merkle::leaf_hash(&bytes));
        digests.push(Hash::of(&bytes));
        opened.push(token);
    }
    request.check_orders(&leaves)?;
    let (path, id) = (edge::instance(request.path()).to_owned(), request.id().to_string());
    let made: Vec<TransactionId> = batch.orders.iter().map(|_| draw::id()).collect();
    let (_, evidence) = request.into_batch_evidence(leaves, made.clone());
    let commands = batch
        .orders
        .into_iter()
        .zip(opened)
        .zip(digests)
        .zip(made)
        .zip(0_u32..)
        .map(|((((order, token), digest), transaction), index)| {
            let (partner, request) = (caller.clone(), evidence.clone());
            let keyed = Keyed { partner, key: order.key, digest: digest.into(), request, index };
            let source_reference = order.source_reference;
            let order = Order { transaction, source_reference, quote: token.quoted };
            Command::Order(keyed, order)
        })
        .collect();
    let answers = gateway.submit_all(commands).await?;
    let (gateway, caller) = (&gateway, &caller);
    let results = stream::iter(answers)
        .map(|answer| decided(gateway, caller, answer))
        .buffered(READ_AT_ONCE)
        .map(|(decision, replayed)| result(decision, replayed, &path, &id))
        .collect()
        .await;
    Ok(reply::json(StatusCode::OK, &OrderBatch { results }))
}

async fn decided(
    gateway: &Gateway,
    caller: &PartnerId,
    answer: Result<Answer, Unavailable>,
) -> (Result<Transaction, Refusal>, bool) {
    match answer {
        Ok(answer) => {
            let replayed = answer.decided.replayed;
            (transactions::decided(gateway, caller, answer).await, replayed)
        }
        Err(unavailable) => (Err(unavailable.into()), false),
    }
}

fn result(
    decision: Result<Transaction, Refusal>,
    replayed: bool,
    path: &str,
    id: &str,
) -> OrderResult {
    match decision {
        Ok(transaction) => OrderResult {
            replayed,
            problem: None,
            status: transactions::status_of(&transaction).as_u16(),
            transaction: Some(transaction),
        },
        Err(refusal) => OrderResult {
            replayed,
            status: refusal.code().status(),
            problem: Some(refusal.problem(path, id)),
            transaction: None,
        },
    }
}
