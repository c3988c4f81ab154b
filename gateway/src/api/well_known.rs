//! `GET /.well-known/jwks.json`: every gateway key that ever signed. Unsigned, for anyone.

use actix_web::HttpResponse;
use actix_web::web::Data;

use super::document::KeyListSchema;
use crate::server::gateway::Gateway;

/// Every gateway key, with the statement that the root key signed.
#[utoipa::path(
    get, path = "/.well-known/jwks.json", operation_id = "list_gateway_keys",
    tag = "keys",
    responses((status = 200, description = "The list and its signed statement",
        body = KeyListSchema))
)]
pub async fn jwks(gateway: Data<Gateway>) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(gateway.jwks())
}
