//! `GET /v1/corridors`: the chains that the caller is a party to.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use alliance_contracts::corridor::{CorridorHead, Corridors};

use super::reply::{self, Reply};
use crate::server::gateway::Gateway;
use crate::server::verify::{Read, VerifiedRequest};

/// Every corridor that the caller has receipts in, and where its chain ends.
#[utoipa::path(
    get, path = "/v1/corridors", operation_id = "list_corridors",
    tag = "receipts",
    responses((status = 200, description = "The caller's corridors", body = Corridors))
)]
pub async fn list(request: VerifiedRequest<Read>, gateway: Data<Gateway>) -> Reply {
    let heads = gateway.house().read(|store| async move { store.heads().await }).await?;
    let corridors = heads
        .into_iter()
        .filter(|(corridor, head)| corridor.includes(&request.partner) && head.seq > 0)
        .map(|(corridor, head)| CorridorHead { corridor, head: head.head, seq: head.seq })
        .collect();
    Ok(reply::json(StatusCode::OK, &Corridors { corridors }))
}
