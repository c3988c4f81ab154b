//! `GET /v1/corridors/{corridor}/checkpoint`: the chain's size and root as the gateway signed them.

use actix_web::web::Data;
use alliance_contracts::names::Corridor;

use super::reply::{self, Reply};
use crate::server::gateway::Gateway;
use crate::server::refusal::Refusal;
use crate::server::verify::{Read, VerifiedRequest};

/// A C2SP `tlog-checkpoint`, at most a minute behind the head, with the cosignatures of partners
/// that have witnessed it; none of an empty chain.
#[utoipa::path(
    get, path = "/v1/corridors/{corridor}/checkpoint", operation_id = "get_checkpoint",
    tag = "receipts",
    params(("corridor" = Corridor, Path, description = "The corridor")),
    responses((status = 200, description = "A signed note",
        body = String, content_type = "text/plain"))
)]
pub async fn show(request: VerifiedRequest<Read>, gateway: Data<Gateway>) -> Reply {
    let corridor = request.corridor()?;
    let checkpoint = gateway.house().cosigned_checkpoint(&corridor).await?;
    Ok(reply::text(checkpoint.ok_or_else(Refusal::not_found)?))
}
