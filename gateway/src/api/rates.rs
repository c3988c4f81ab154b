//! `GET /v1/rates`: a board — the one in force, of a number, or in force at a time — with the
//! caller's agreements and its own pairs' terms.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use alliance_contracts::board::Rates;
use alliance_contracts::time::Timestamp;
use alliance_settlement::clearing_house::WhichBoard;

use super::reply::{self, Reply};
use crate::server::gateway::Gateway;
use crate::server::refusal::Refusal;
use crate::server::target::{Pairs, Query};
use crate::server::verify::{Read, VerifiedRequest};

/// Which board.
pub struct BoardQuery(WhichBoard);

impl Query for BoardQuery {
    fn take(pairs: &mut Pairs<'_>) -> Result<Self, Refusal> {
        let number: Option<u32> = pairs.take("board")?;
        let at: Option<Timestamp> = pairs.take("at")?;
        match (number, at) {
            (Some(_), Some(_)) => {
                Err(Refusal::malformed("ask for a board by number or by time, not by both"))
            }
            (Some(number), None) => Ok(Self(WhichBoard::Number(number))),
            (None, Some(at)) => Ok(Self(WhichBoard::At(at))),
            (None, None) => Ok(Self(WhichBoard::InForce)),
        }
    }
}

/// A board, as signed, with how every value came about; the fees that the caller has agreed on; the
/// terms of its own pairs, each with its path to the board's root.
#[utoipa::path(
    get, path = "/v1/rates", operation_id = "get_rates",
    tag = "rates",
    params(
        ("board" = Option<u32>, Query, description = "The board of this number"),
        ("at" = Option<Timestamp>, Query, description = "The board that was in force then"),
    ),
    responses((status = 200, description = "The board in force, or the one asked for",
        body = Rates))
)]
pub async fn show(request: VerifiedRequest<Read, BoardQuery>, gateway: Data<Gateway>) -> Reply {
    let BoardQuery(which) = request.query;
    let rates = gateway.house().rates(&request.partner, which).await?;
    Ok(reply::json(StatusCode::OK, &rates.ok_or_else(Refusal::not_found)?))
}
