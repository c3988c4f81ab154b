//! `GET /v1/receipts/{id}/proof`: one C2SP `tlog-proof` file that stands by itself.

use actix_web::web::Data;
use alliance_contracts::ids::ReceiptId;
use alliance_contracts::tlog_proof::TlogProof;

use super::corridor_proofs::refused;
use super::receipts;
use super::reply::{self, Reply};
use crate::server::gateway::Gateway;
use crate::server::refusal::Refusal;
use crate::server::verify::{Read, VerifiedRequest};

/// The receipt's inclusion in a signed checkpoint; of a receipt whose key was revoked, in one that
/// a partner cosigned before.
#[utoipa::path(
    get, path = "/v1/receipts/{id}/proof", operation_id = "get_receipt_proof",
    tag = "receipts",
    params(("id" = ReceiptId, Path, description = "The receipt")),
    responses((status = 200, description = "A tlog-proof; index seq − 1, no extra",
        body = String, content_type = "text/plain"))
)]
pub async fn show(request: VerifiedRequest<Read>, gateway: Data<Gateway>) -> Reply {
    let (_, receipt) =
        receipts::visible(&gateway, &request.partner, request.path_parameter("id")?).await?;
    let house = gateway.house();
    let checkpoint = house
        .checkpoint_for(&receipt)
        .await?
        .ok_or_else(|| Refusal::internal("a receipt in no tree"))?;
    let path =
        house.inclusion(&receipt.corridor, receipt.seq, checkpoint.size).await.map_err(refused)?;
    let proof =
        TlogProof { extra: None, index: receipt.seq - 1, path, checkpoint: checkpoint.note };
    Ok(reply::text(proof.to_string()))
}
