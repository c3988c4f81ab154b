//! `GET /health/live`: the process answers. `GET /health/ready`: it can do its work.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::Data;
use alliance_contracts::problem::ProblemCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::reply::{self, Reply};
use crate::server::gateway::Gateway;
use crate::server::refusal::Refusal;

/// A database that takes longer to answer is as good as none.
const PING_WITHIN: Duration = Duration::from_secs(3);

/// How the gateway is.
#[derive(Serialize, ToSchema)]
pub struct Health {
    /// `ok`.
    status: &'static str,
}

const OK: Health = Health { status: "ok" };

/// The process answers.
#[utoipa::path(
    get, path = "/health/live", operation_id = "live",
    tag = "health",
    responses((status = 200, description = "Alive", body = Health))
)]
pub async fn live() -> Reply {
    Ok(reply::json(StatusCode::OK, &OK))
}

/// The database answers, the clock is not behind its receipts, the gateway's key may sign, a
/// definition has been applied.
#[utoipa::path(
    get, path = "/health/ready", operation_id = "ready",
    tag = "health",
    responses((status = 200, description = "Ready", body = Health))
)]
pub async fn ready(gateway: Data<Gateway>) -> Reply {
    let house = gateway.house();
    // Before the database, which takes nothing then.
    house.signer().map_err(|refused| {
        not_ready("the gateway's key may not sign").because(refused.to_string())
    })?;
    let ping = actix_web::rt::time::timeout(PING_WITHIN, house.ping()).await;
    if let Err(error) = ping
        .map_err(|_| "no answer in time".to_owned())
        .and_then(|ping| ping.map_err(|error| error.to_string()))
    {
        return Err(not_ready("the database does not answer, or takes nothing").because(error));
    }
    if house.is_behind_the_books().await? {
        return Err(not_ready("the clock is behind: the newest receipts are of the future"));
    }
    if house.registry().version == 0 {
        return Err(not_ready("no definition has been applied"));
    }
    Ok(reply::json(StatusCode::OK, &OK))
}

fn not_ready(detail: &'static str) -> Refusal {
    Refusal::new(ProblemCode::Unavailable, detail)
}
