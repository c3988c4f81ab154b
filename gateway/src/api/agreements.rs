//! `GET /v1/agreements`, `GET /v1/agreements/{id}`: agreements that the caller is a party to.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use alliance_contracts::agreement::{AgreementState, AgreementView, Agreements};
use alliance_contracts::ids::AgreementId;
use alliance_contracts::names::PartnerId;
use alliance_settlement::alliance::AgreementRecord;
use alliance_settlement::command::Outcome;
use alliance_settlement::sequencer::Answer;

use super::reply::{self, Reply};
use crate::server::gateway::Gateway;
use crate::server::refusal::Refusal;
use crate::server::target::{self, Pairs, Query};
use crate::server::verify::{Read, VerifiedRequest};

/// Which agreements, from where on.
pub struct AgreementsQuery {
    state: Option<AgreementState>,
    with: Option<PartnerId>,
    after: Option<AgreementId>,
    limit: Option<u32>,
}

/// A state as a query spells it.
struct State(AgreementState);

impl std::str::FromStr for State {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        AgreementState::from_stored(text).map(Self).ok_or(())
    }
}

impl Query for AgreementsQuery {
    fn take(pairs: &mut Pairs<'_>) -> Result<Self, Refusal> {
        Ok(Self {
            state: pairs.take::<State>("state")?.map(|State(state)| state),
            with: pairs.take("with")?,
            after: pairs.take("after")?,
            limit: target::take_limit(pairs)?,
        })
    }
}

/// The caller's agreements, every version of them, oldest first.
#[utoipa::path(
    get, path = "/v1/agreements", operation_id = "list_agreements",
    tag = "agreements",
    params(
        ("state" = Option<AgreementState>, Query, description = "Only versions in this state"),
        ("with" = Option<PartnerId>, Query, description = "Only those with this partner"),
        ("after" = Option<AgreementId>, Query, description = "`next_after` of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 1000; 100 where left out"),
    ),
    responses((status = 200, description = "A page of agreements", body = Agreements))
)]
pub async fn list(
    request: VerifiedRequest<Read, AgreementsQuery>,
    gateway: Data<Gateway>,
) -> Reply {
    let AgreementsQuery { state, with, after, limit } = request.query;
    let items = target::page_items(limit);
    // One more than asked for tells whether there are more.
    let more_than = items.saturating_add(1);
    let mut records =
        gateway.house().agreements(request.partner.clone(), with, state, after, more_than).await?;
    let page = usize::try_from(items).unwrap_or(usize::MAX);
    let more = records.len() > page;
    records.truncate(page);
    let next_after = records.last().map(|record| record.id);
    let items = records.into_iter().map(|record| rendered(&gateway, record)).collect();
    Ok(reply::json(StatusCode::OK, &Agreements { items, more, next_after }))
}

/// One version of an agreement of the caller's, with what each of the two has signed.
#[utoipa::path(
    get, path = "/v1/agreements/{id}", operation_id = "get_agreement",
    tag = "agreements",
    params(("id" = AgreementId, Path, description = "The version")),
    responses((status = 200, description = "The version", body = AgreementView))
)]
pub async fn show(request: VerifiedRequest<Read>, gateway: Data<Gateway>) -> Reply {
    let record = visible(&gateway, &request.partner, request.path_parameter("id")?).await?;
    Ok(reply::json(StatusCode::OK, &rendered(&gateway, record)))
}

/// A version that the caller is a party to; another's is not found.
pub async fn visible(
    gateway: &Gateway,
    caller: &PartnerId,
    id: AgreementId,
) -> Result<AgreementRecord, Refusal> {
    let record = gateway.house().agreement(id).await?;
    record.filter(|record| record.includes(caller)).ok_or_else(Refusal::not_found)
}

/// The answer to a command about an agreement that the ledger has decided: the version in its
/// present state.
pub async fn answered(
    gateway: &Gateway,
    caller: &PartnerId,
    answer: Answer,
    status: StatusCode,
) -> Reply {
    let replayed = answer.decided.replayed;
    match answer.decided.outcome {
        Outcome::Agreement(id) => {
            let record = visible(gateway, caller, id).await?;
            Ok(reply::replayed(reply::json(status, &rendered(gateway, record)), replayed))
        }
        Outcome::AgreementRefused(faults) => Err(Refusal::fields(faults)),
        other => Err(reply::unexpected(&other).replayed(replayed)),
    }
}

fn rendered(gateway: &Gateway, record: AgreementRecord) -> AgreementView {
    let registry = gateway.house().registry();
    let (a, b) = record.pair();
    let holds = registry.signed_agreement(&a, &b, gateway.house().now());
    AgreementView {
        a_jws: record.jws(&a),
        b_jws: record.jws(&b),
        countersigned_at: record.countersigned_at,
        id: record.id,
        in_force: holds.is_some_and(|holds| holds.id == record.id),
        proposed_at: record.proposed_at,
        proposed_by: record.proposed_by,
        state: record.state,
        agreement: record.agreement,
    }
}
