//! `GET /v1/receipts/{id}`: a receipt, as it was signed.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use alliance_contracts::ids::ReceiptId;
use alliance_contracts::names::PartnerId;
use alliance_contracts::transaction::SignedReceipt;
use alliance_settlement::ledger::TransactionRecord;
use alliance_settlement::receipts::{StoredReceipt, transaction_id};

use super::render;
use super::reply::{self, Reply};
use crate::server::gateway::Gateway;
use crate::server::refusal::Refusal;
use crate::server::verify::{Read, VerifiedRequest};

/// A receipt of a corridor of the caller's.
#[utoipa::path(
    get, path = "/v1/receipts/{id}", operation_id = "get_receipt",
    tag = "receipts",
    params(("id" = ReceiptId, Path, description = "The receipt")),
    responses((status = 200, description = "The receipt", body = SignedReceipt))
)]
pub async fn show(request: VerifiedRequest<Read>, gateway: Data<Gateway>) -> Reply {
    let (_, receipt) = visible(&gateway, &request.partner, request.path_parameter("id")?).await?;
    let mut body = Vec::new();
    render::append_receipt(&mut body, &receipt);
    Ok(reply::json_bytes(StatusCode::OK, body))
}

/// A receipt that the caller is a party to, and its transaction.
pub async fn visible(
    gateway: &Gateway,
    caller: &PartnerId,
    id: ReceiptId,
) -> Result<(TransactionRecord, StoredReceipt), Refusal> {
    let id = transaction_id(id);
    let found = gateway.house().read(move |store| async move { store.transaction(id).await });
    found
        .await?
        .filter(|detail| detail.record.corridor.includes(caller))
        .and_then(|detail| Some((detail.record, detail.receipt?)))
        .ok_or_else(Refusal::not_found)
}
