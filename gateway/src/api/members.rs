//! `GET /v1/members/{program}/{member}/balance` and `…/openings/{corridor}`: the caller's own
//! members.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use alliance_contracts::corridor::{MemberBalance, Opening};
use alliance_contracts::encoding::base64_encode;
use alliance_contracts::names::{Corridor, MemberRef, PartnerId, ProgramId};
use alliance_contracts::problem::ProblemCode;
use alliance_contracts::transaction::request_bytes;
use alliance_settlement::clearing_house::MemberView;
use alliance_settlement::vault::Digest;
use serde::Serialize;

use super::render;
use super::reply::{self, Reply};
use crate::server::gateway::Gateway;
use crate::server::refusal::Refusal;
use crate::server::verify::{Read, VerifiedRequest};

/// What a member of the caller's has.
#[utoipa::path(
    get, path = "/v1/members/{program}/{member}/balance", operation_id = "get_balance",
    tag = "members",
    params(
        ("program" = ProgramId, Path, description = "A program of the caller's"),
        ("member" = MemberRef, Path, description = "The member"),
    ),
    responses((status = 200, description = "The balance", body = MemberBalance))
)]
pub async fn balance(request: VerifiedRequest<Read>, gateway: Data<Gateway>) -> Reply {
    let (program, member, view) = own_member(&request, &gateway).await?;
    let balance = render::points(&gateway.house().registry(), &program, view.balance)?;
    let held = render::points(&gateway.house().registry(), &program, view.held)?;
    let (as_of, frozen) = (request.received_at, view.frozen);
    let answer = MemberBalance { as_of, balance, frozen, held, member, program };
    Ok(reply::json(StatusCode::OK, &answer))
}

/// What opens a member's pseudonym in one corridor, and in no other.
#[utoipa::path(
    get, path = "/v1/members/{program}/{member}/openings/{corridor}", operation_id = "get_opening",
    tag = "members",
    params(
        ("program" = ProgramId, Path, description = "A program of the caller's"),
        ("member" = MemberRef, Path, description = "The member"),
        ("corridor" = Corridor, Path, description = "A corridor of the caller's"),
    ),
    responses((status = 200, description = "The opening", body = Opening))
)]
pub async fn opening(request: VerifiedRequest<Read>, gateway: Data<Gateway>) -> Reply {
    let corridor = request.corridor()?;
    let (_, _, view) = own_member(&request, &gateway).await?;
    let (key, member) = gateway.house().opening(&view, &corridor).ok_or_else(unknown)?;
    let key = base64_encode(&key);
    Ok(reply::json(StatusCode::OK, &Opening { corridor, key, member }))
}

/// A member of a program of the caller's. Of another's program nothing is told, not even that.
async fn own_member(
    request: &VerifiedRequest<Read>,
    gateway: &Gateway,
) -> Result<(ProgramId, MemberRef, MemberView), Refusal> {
    let program: ProgramId = request.path_parameter("program")?;
    must_own(gateway, &request.partner, &program)?;
    let member: MemberRef = request.path_parameter("member").map_err(|_| unknown())?;
    let view = gateway.house().member(&program, &member).await?.ok_or_else(unknown)?;
    Ok((program, member, view))
}

/// Of another's program nothing is told, not even that it is another's.
pub fn must_own(gateway: &Gateway, caller: &PartnerId, program: &ProgramId) -> Result<(), Refusal> {
    let registry = gateway.house().registry();
    let owns = registry.program(program).is_some_and(|program| program.partner == *caller);
    if owns { Ok(()) } else { Err(Refusal::not_found()) }
}

/// What a request that names members in its body is compared by when its key comes again. A plain
/// digest would tell whoever has the database which reference it was of: there are not that many.
pub fn blinded<T: Serialize>(gateway: &Gateway, path: &str, asked: &T) -> Digest {
    gateway.house().blind(&request_bytes(path, asked))
}

fn unknown() -> Refusal {
    Refusal::of(ProblemCode::MemberUnknown)
}
