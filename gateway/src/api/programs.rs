//! `GET /v1/programs`: every loyalty currency of the alliance.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use alliance_contracts::program::{Program, Programs};

use super::reply::{self, Reply};
use crate::server::gateway::Gateway;
use crate::server::verify::{Read, VerifiedRequest};

/// Every program of the alliance, by slug.
#[utoipa::path(
    get, path = "/v1/programs", operation_id = "list_programs",
    tag = "rates",
    responses((status = 200, description = "The programs", body = Programs))
)]
pub async fn list(_request: VerifiedRequest<Read>, gateway: Data<Gateway>) -> Reply {
    let registry = gateway.house().registry();
    let definition = &registry.definition;
    let mut programs: Vec<Program> = definition
        .programs
        .iter()
        .map(|program| Program {
            balances: program.balances,
            name: program.name.clone(),
            partner: program.partner.clone(),
            program: program.program.clone(),
            scale: program.scale,
        })
        .collect();
    programs.sort_by(|one, other| one.program.cmp(&other.program));
    let (alliance, currency) = (definition.alliance.clone(), definition.currency.clone());
    Ok(reply::json(StatusCode::OK, &Programs { alliance, currency, programs }))
}
