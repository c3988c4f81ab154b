//! `GET /v1/rates`: the board in force, and the caller's agreements.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use alliance_contracts::program::{PairFee, Rates};

use super::reply::{self, Reply};
use crate::server::gateway::Gateway;
use crate::server::verify::{Read, VerifiedRequest};

/// The values in force, as signed, and the fees that the caller has agreed on.
#[utoipa::path(
    get, path = "/v1/rates", operation_id = "get_rates",
    tag = "rates",
    responses((status = 200, description = "The board in force", body = Rates))
)]
pub async fn show(request: VerifiedRequest<Read>, gateway: Data<Gateway>) -> Reply {
    let registry = gateway.house().registry();
    let agreements = registry.definition.agreements.iter();
    let fees = agreements
        .filter(|agreed| agreed.a == request.partner || agreed.b == request.partner)
        .map(|agreed| PairFee { a: agreed.a.clone(), b: agreed.b.clone(), fee: agreed.fee })
        .collect();
    let (board, jws) = (registry.board.clone(), registry.board_jws.clone());
    Ok(reply::json(StatusCode::OK, &Rates { board, fees, jws }))
}
