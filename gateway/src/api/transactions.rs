//! `POST /v1/transactions`: performs a quote, once. `GET /v1/transactions/{id}`: where it stands.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use alliance_contracts::encoding::Hash;
use alliance_contracts::ids::TransactionId;
use alliance_contracts::names::PartnerId;
use alliance_contracts::transaction::{OrderRequest, Transaction, TransactionState, order_bytes};
use alliance_settlement::command::{Command, Keyed, Order, Outcome};
use alliance_settlement::sequencer::{Answer, TransactionView};

use super::render;
use super::reply::{self, Reply};
use crate::draw;
use crate::server::gateway::Gateway;
use crate::server::refusal::Refusal;
use crate::server::verify::{Change, Read, VerifiedRequest};

/// Performs a quote, once.
#[utoipa::path(
    post, path = "/v1/transactions", operation_id = "create_transaction",
    tag = "orders",
    request_body(content = OrderRequest, example = json!({
        "quote": "<token>", "source_reference": "order-117"
    })),
    responses(
        (status = 201, description = "The transaction, completed", body = Transaction,
            headers(("Idempotency-Replayed" = String,
                description = "`true`: the first answer again"))),
        (status = 202, description = "The transaction, pending at a connected brand",
            body = Transaction),
    )
)]
pub async fn create(request: VerifiedRequest<Change>, gateway: Data<Gateway>) -> Reply {
    let order: OrderRequest = request.json()?;
    let opened = gateway.house().open_token(&request.partner, &order.quote);
    let bytes = order_bytes(&opened.quote, &order.source_reference);
    let digest = Hash::of(&bytes);
    let partner = request.partner.clone();
    let transaction = draw::id();
    let (key, evidence) = request.into_order_evidence(&bytes, transaction)?;
    let keyed =
        Keyed { partner: partner.clone(), key, digest: digest.into(), request: evidence, index: 0 };
    let source_reference = order.source_reference;
    let order = Order { transaction, source_reference, quote: opened.quoted };
    let answer = gateway.submit(Command::Order(keyed, order)).await?;
    answered(&gateway, &partner, answer).await
}

/// Where a transaction stands now, as the caller may see it.
#[utoipa::path(
    get, path = "/v1/transactions/{id}", operation_id = "get_transaction",
    tag = "orders",
    params(("id" = TransactionId, Path, description = "The transaction")),
    responses((status = 200, description = "The transaction", body = Transaction))
)]
pub async fn show(request: VerifiedRequest<Read>, gateway: Data<Gateway>) -> Reply {
    let view = visible(&gateway, &request.partner, request.path_parameter("id")?).await?;
    let transaction = render::transaction(&gateway.house().registry(), &request.partner, view)?;
    Ok(reply::json(StatusCode::OK, &transaction))
}

/// A transaction that the caller is a party to.
pub async fn visible(
    gateway: &Gateway,
    caller: &PartnerId,
    id: TransactionId,
) -> Result<TransactionView, Refusal> {
    gateway
        .house()
        .transaction(id)
        .await?
        .filter(|view| view.record.corridor.includes(caller))
        .ok_or_else(Refusal::not_found)
}

/// The answer to an order that the ledger has decided.
pub async fn answered(gateway: &Gateway, caller: &PartnerId, answer: Answer) -> Reply {
    let replayed = answer.decided.replayed;
    let transaction = decided(gateway, caller, answer).await?;
    let answer = reply::json(status_of(&transaction), &transaction);
    Ok(reply::replayed(answer, replayed))
}

/// The status of an accepted order: a `202` becomes the `201` that it has led to.
pub fn status_of(transaction: &Transaction) -> StatusCode {
    match transaction.state {
        TransactionState::Pending => StatusCode::ACCEPTED,
        _ => StatusCode::CREATED,
    }
}

/// What the ledger decided: the transaction in its present state, or the refusal.
pub async fn decided(
    gateway: &Gateway,
    caller: &PartnerId,
    answer: Answer,
) -> Result<Transaction, Refusal> {
    let replayed = answer.decided.replayed;
    reply::count(&answer.decided.outcome, replayed);
    let id = match answer.decided.outcome {
        Outcome::Transaction(id) => id,
        other => return Err(reply::unexpected(&other).replayed(replayed)),
    };
    let view = match answer.transaction {
        Some(view) => *view,
        // Decided earlier: what became of it since is in the store.
        None => visible(gateway, caller, id).await?,
    };
    render::transaction(&gateway.house().registry(), caller, view)
}
