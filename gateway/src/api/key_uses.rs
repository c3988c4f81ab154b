//! `GET /v1/keys/{kid}/uses`: what a key of the caller's was accepted for.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use alliance_contracts::keys::Kid;
use alliance_contracts::partner_key::{KeyUses, UseCursor};
use alliance_contracts::time::Timestamp;

use super::reply::{self, Reply};
use crate::server::gateway::Gateway;
use crate::server::refusal::Refusal;
use crate::server::target::{Pairs, Query};
use crate::server::verify::{Read, VerifiedRequest};

/// Requests of a page: each may stand for a thousand orders.
pub const PAGE_ITEMS: u32 = 100;

/// From when, from where on.
pub struct UsesQuery {
    since: Option<Timestamp>,
    after: Option<UseCursor>,
    limit: Option<u32>,
}

impl Query for UsesQuery {
    fn take(pairs: &mut Pairs<'_>) -> Result<Self, Refusal> {
        let limit: Option<u32> = pairs.take("limit")?;
        if limit.is_some_and(|limit| !(1..=PAGE_ITEMS).contains(&limit)) {
            return Err(Refusal::malformed(format!("limit must be 1 to {PAGE_ITEMS}")));
        }
        Ok(Self { since: pairs.take("since")?, after: pairs.take("after")?, limit })
    }
}

/// What a key of the caller's was accepted for since a time, oldest first: every request under it
/// that changed something, with the transactions that came of it.
#[utoipa::path(
    get, path = "/v1/keys/{kid}/uses", operation_id = "list_key_uses",
    tag = "keys",
    params(
        ("kid" = Kid, Path, description = "The key"),
        ("since" = Option<Timestamp>, Query, description = "From this time on"),
        ("after" = Option<UseCursor>, Query, description = "`next_after` of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 100; 100 where left out"),
    ),
    responses((status = 200, description = "A page of requests", body = KeyUses))
)]
pub async fn list(request: VerifiedRequest<Read, UsesQuery>, gateway: Data<Gateway>) -> Reply {
    let UsesQuery { since, after, limit } = request.query;
    let kid: Kid = request.path_parameter("kid")?;
    let house = gateway.house();
    let registry = house.registry();
    if registry.key(&kid).is_none_or(|key| key.partner != request.partner) {
        return Err(Refusal::not_found());
    }
    let since = since.unwrap_or(Timestamp::from_millis(0));
    let uses = house.key_uses(&kid, since, after, limit.unwrap_or(PAGE_ITEMS)).await?;
    Ok(reply::json(StatusCode::OK, &uses))
}
