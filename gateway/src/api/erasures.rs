//! `POST /v1/members/forget`, `GET /v1/erasures` and `GET /v1/erasures/{id}`: forgetting a member
//! of the caller's, and what was signed about those that were forgotten.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use alliance_contracts::ids::ErasureId;
use alliance_contracts::member::{Erasures, ForgetRequest, SignedErasure};
use alliance_settlement::command::{Command, ForgetMember, Keyed, Outcome};

use super::members;
use super::reply::{self, Reply};
use crate::draw;
use crate::server::gateway::Gateway;
use crate::server::refusal::Refusal;
use crate::server::target::{self, Pairs, Query};
use crate::server::verify::{Govern, Read, VerifiedRequest};

/// From where on.
pub struct ErasuresQuery {
    after: Option<ErasureId>,
    limit: Option<u32>,
}

impl Query for ErasuresQuery {
    fn take(pairs: &mut Pairs<'_>) -> Result<Self, Refusal> {
        Ok(Self { after: pairs.take("after")?, limit: target::take_limit(pairs)? })
    }
}

/// Forgets a member: its key and its reference are destroyed, its links end, and whatever it did
/// stays in the books under pseudonyms that nobody can open. Refused while a transaction of it is
/// under way, and while it has points that are not said to be given up.
#[utoipa::path(
    post, path = "/v1/members/forget", operation_id = "forget_member",
    tag = "members",
    request_body(content = ForgetRequest,
        example = json!({"program": "aurora", "member": "A-1001", "forfeit": false})),
    responses((status = 200, description = "What was signed about it", body = SignedErasure,
        headers(("Idempotency-Replayed" = String, description = "`true`: the first answer again"))))
)]
pub async fn forget(request: VerifiedRequest<Govern>, gateway: Data<Gateway>) -> Reply {
    let asked: ForgetRequest = request.json()?;
    members::must_own(&gateway, &request.partner, &asked.program)?;
    let digest = members::blinded(&gateway, request.path(), &asked);
    let order = ForgetMember {
        erasure: draw::id(),
        lookup: gateway.house().vault().sought(&asked.program, &asked.member),
        program: asked.program,
        forfeit: asked.forfeit,
    };
    let partner = request.partner.clone();
    let (key, evidence) = request.into_evidence();
    let keyed = Keyed { partner, key, digest, request: evidence, index: 0 };
    let answer = gateway.submit(Command::ForgetMember(keyed, order)).await?;
    let replayed = answer.decided.replayed;
    match answer.decided.outcome {
        Outcome::Erased(id) => {
            let erasure = gateway.house().erasure(id).await?;
            let erasure =
                erasure.ok_or_else(|| Refusal::internal("an erasure that was made is gone"))?;
            Ok(reply::replayed(reply::json(StatusCode::OK, &erasure), replayed))
        }
        other => Err(reply::unexpected(&other).replayed(replayed)),
    }
}

/// Erasures of the caller's members, oldest first.
#[utoipa::path(
    get, path = "/v1/erasures", operation_id = "list_erasures",
    tag = "members",
    params(
        ("after" = Option<ErasureId>, Query, description = "`next_after` of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 1000; 100 where left out"),
    ),
    responses((status = 200, description = "A page of erasures", body = Erasures))
)]
pub async fn list(request: VerifiedRequest<Read, ErasuresQuery>, gateway: Data<Gateway>) -> Reply {
    let ErasuresQuery { after, limit } = request.query;
    let items = target::page_items(limit);
    // One more than asked for tells whether there are more.
    let partner = request.partner.clone();
    let mut erasures = gateway.house().erasures(partner, after, items.saturating_add(1)).await?;
    let page = usize::try_from(items).unwrap_or(usize::MAX);
    let more = erasures.len() > page;
    erasures.truncate(page);
    let next_after = erasures.last().map(|signed| signed.erasure.id);
    Ok(reply::json(StatusCode::OK, &Erasures { items: erasures, more, next_after }))
}

/// One erasure of a member of the caller's.
#[utoipa::path(
    get, path = "/v1/erasures/{id}", operation_id = "get_erasure",
    tag = "members",
    params(("id" = ErasureId, Path, description = "The erasure")),
    responses((status = 200, description = "The erasure", body = SignedErasure))
)]
pub async fn show(request: VerifiedRequest<Read>, gateway: Data<Gateway>) -> Reply {
    let erasure = gateway.house().erasure(request.path_parameter("id")?).await?;
    let own = erasure.filter(|signed| signed.erasure.partner == request.partner);
    let own = own.ok_or_else(Refusal::not_found)?;
    Ok(reply::json(StatusCode::OK, &own))
}
