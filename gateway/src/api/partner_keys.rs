//! `GET /v1/partners/keys`: every partner key, as the gateway signed the list.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use alliance_contracts::key_list::{KeyList, KeyStatement};
use alliance_contracts::{json, jws};

use super::document::KeyListSchema;
use super::reply::{self, Reply};
use crate::server::gateway::Gateway;
use crate::server::refusal::Refusal;
use crate::server::verify::{Read, VerifiedRequest};

/// Every partner key: what evidence in receipts verifies under.
#[utoipa::path(
    get, path = "/v1/partners/keys", operation_id = "list_partner_keys",
    tag = "keys",
    responses((status = 200, description = "The list and its signed statement",
        body = KeyListSchema))
)]
pub async fn list(_request: VerifiedRequest<Read>, gateway: Data<Gateway>) -> Reply {
    let statement = gateway.house().registry().partner_keys_jws.clone();
    // Exactly the keys of the statement, so that list and statement agree at any moment.
    let keys = jws::parse(&statement)
        .ok()
        .and_then(|jws| json::read::<KeyStatement>(&jws.payload).ok())
        .ok_or_else(|| Refusal::internal("the partner key statement does not parse"))?
        .keys;
    Ok(reply::json(StatusCode::OK, &KeyList { keys, statement }))
}
