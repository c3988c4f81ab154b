//! `POST /v1/members/validate`, `…/freeze` and `…/unfreeze`: the caller's own members. They are
//! named in the body: a path stands in the logs of everything that is between.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use alliance_contracts::member::{
    MAX_VALIDATED, MemberState, MemberStatus, ValidateRequest, Validated,
};
use alliance_contracts::names::{MemberRef, ProgramId};
use alliance_contracts::quote::MemberAccount;
use alliance_settlement::clearing_house::MemberView;
use alliance_settlement::command::{Command, FreezeMember, Keyed, Outcome};

use super::members;
use super::reply::{self, Reply};
use crate::server::gateway::Gateway;
use crate::server::refusal::Refusal;
use crate::server::verify::{Ask, Change, VerifiedRequest};

/// Says how members of the caller's stand.
#[utoipa::path(
    post, path = "/v1/members/validate", operation_id = "validate_members",
    tag = "members",
    request_body(content = ValidateRequest,
        example = json!({"program": "aurora", "members": ["A-1001", "A-1002"]})),
    responses((status = 200, description = "In the order of the request", body = Validated))
)]
pub async fn validate(request: VerifiedRequest<Ask>, gateway: Data<Gateway>) -> Reply {
    let asked: ValidateRequest = request.json()?;
    members::must_own(&gateway, &request.partner, &asked.program)?;
    if asked.members.len() > MAX_VALIDATED {
        let detail = format!("at most {MAX_VALIDATED} members at once");
        return Err(Refusal::malformed_field("/members", detail));
    }
    let found = gateway.house().members(&asked.program, &asked.members).await?;
    let results = asked.members.into_iter().zip(found);
    let results = results
        .map(|(member, view)| status(asked.program.clone(), member, view.as_ref()))
        .collect();
    Ok(reply::json(StatusCode::OK, &Validated { as_of: request.received_at, results }))
}

/// Freezes a member: it gives and gets nothing until it is let go. What is under way goes on.
#[utoipa::path(
    post, path = "/v1/members/freeze", operation_id = "freeze_member",
    tag = "members",
    request_body(content = MemberAccount,
        example = json!({"program": "aurora", "member": "A-1001"})),
    responses((status = 200, description = "The member", body = MemberStatus))
)]
pub async fn freeze(request: VerifiedRequest<Change>, gateway: Data<Gateway>) -> Reply {
    change(request, &gateway, true).await
}

/// Lets a member go that was frozen.
#[utoipa::path(
    post, path = "/v1/members/unfreeze", operation_id = "unfreeze_member",
    tag = "members",
    request_body(content = MemberAccount,
        example = json!({"program": "aurora", "member": "A-1001"})),
    responses((status = 200, description = "The member", body = MemberStatus))
)]
pub async fn unfreeze(request: VerifiedRequest<Change>, gateway: Data<Gateway>) -> Reply {
    change(request, &gateway, false).await
}

async fn change(request: VerifiedRequest<Change>, gateway: &Gateway, frozen: bool) -> Reply {
    let asked: MemberAccount = request.json()?;
    members::must_own(gateway, &request.partner, &asked.program)?;
    let digest = members::blinded(gateway, request.path(), &asked);
    let MemberAccount { program, member } = asked;
    let lookup = gateway.house().vault().sought(&program, &member);
    let order = FreezeMember { program: program.clone(), lookup, frozen };
    let partner = request.partner.clone();
    let (key, evidence) = request.into_evidence();
    let keyed = Keyed { partner, key, digest, request: evidence, index: 0 };
    let answer = gateway.submit(Command::FreezeMember(keyed, order)).await?;
    let replayed = answer.decided.replayed;
    match answer.decided.outcome {
        Outcome::Member => {
            let view = gateway.house().member(&program, &member).await?;
            let status = status(program, member, view.as_ref());
            Ok(reply::replayed(reply::json(StatusCode::OK, &status), replayed))
        }
        other => Err(reply::unexpected(&other).replayed(replayed)),
    }
}

fn status(program: ProgramId, member: MemberRef, view: Option<&MemberView>) -> MemberStatus {
    let state = match view {
        None => MemberState::Unknown,
        Some(view) if view.frozen => MemberState::Frozen,
        Some(_) => MemberState::Active,
    };
    MemberStatus { member, program, state }
}
