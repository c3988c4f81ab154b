//! `POST /v1/transactions/{id}/reversals`: all or part of a transaction turned round.

use actix_web::web::Data;
use alliance_contracts::encoding::Hash;
use alliance_contracts::ids::TransactionId;
use alliance_contracts::problem::ProblemCode;
use alliance_contracts::transaction::{ReversalRequest, Transaction, reversal_bytes};
use alliance_settlement::command::{Command, Keyed, Reverse};

use super::reply::Reply;
use super::transactions;
use crate::draw;
use crate::server::gateway::Gateway;
use crate::server::refusal::Refusal;
use crate::server::verify::{Change, VerifiedRequest};

/// Turns a transaction round, at the terms of the original.
#[utoipa::path(
    post, path = "/v1/transactions/{id}/reversals", operation_id = "create_reversal",
    tag = "orders",
    params(("id" = TransactionId, Path, description = "The original transaction")),
    request_body(content = ReversalRequest, example = json!({
        "amount": {"side": "source", "value": "10"},
        "source_reference": "refund-117", "reason": "customer_request"
    })),
    responses((status = 201, description = "The reversal: a transaction of its own",
        body = Transaction,
        headers(("Idempotency-Replayed" = String, description = "`true`: the first answer again"))))
)]
pub async fn create(request: VerifiedRequest<Change>, gateway: Data<Gateway>) -> Reply {
    let asked: ReversalRequest = request.json()?;
    let original: TransactionId = request.path_parameter("id")?;
    let partner = request.partner.clone();
    // Corridor and members never change: read here, decided upon under the lock.
    let record = transactions::visible(&gateway, &partner, original).await?.record;
    // An account whose member is gone has nobody to give back to, or to take from.
    let seen = [&record.source, &record.target].into_iter().filter_map(|side| side.member());
    let members = seen.map(|member| member.number).collect::<Option<_>>();
    let members = members.ok_or_else(|| Refusal::of(ProblemCode::KindNotAllowed))?;
    let bytes = reversal_bytes(original, &asked);
    let digest = Hash::of(&bytes);
    let transaction = draw::id();
    let (key, evidence) = request.into_order_evidence(&bytes, transaction)?;
    let keyed =
        Keyed { partner: partner.clone(), key, digest: digest.into(), request: evidence, index: 0 };
    let reverse = Reverse {
        transaction,
        original,
        corridor: record.corridor,
        members,
        amount: asked.amount,
        reason: asked.reason,
        source_reference: asked.source_reference,
    };
    let answer = gateway.submit(Command::Reverse(keyed, reverse)).await?;
    transactions::answered(&gateway, &partner, answer).await
}
