//! `POST /v1/rates/observations`: what a partner reports about its own programs.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::Data;
use alliance_contracts::encoding::Hash;
use alliance_contracts::observation::{
    Observation, ObservationsAccepted, ObservationsRequest, ReadObservations, read_observations,
};
use alliance_contracts::problem::{FieldError, ProblemCode};
use alliance_contracts::transaction::request_bytes;
use alliance_settlement::command::{Command, Keyed, Outcome};
use alliance_settlement::ledger::feeds;
use alliance_settlement::rates::feeds::NotTaken;

use super::reply::{self, Reply};
use crate::server::gateway::Gateway;
use crate::server::refusal::Refusal;
use crate::server::verify::{Change, VerifiedRequest};

/// Reports what points bought, cost and are backed by: all readings are taken, or none. What is not
/// to be believed is refused, each fault named; a true jump is for an operator to propose and a
/// second person to approve.
#[utoipa::path(
    post, path = "/v1/rates/observations", operation_id = "report_observations",
    tag = "rates",
    request_body(content = ObservationsRequest, example = json!({"observations": [
        {"program": "aurora", "feed": "redemption", "value": "0.048",
         "observed_at": "2026-11-23T04:05:06.789Z"},
        {"program": "aurora", "feed": "reserve", "value": "1800000",
         "observed_at": "2026-11-23T00:00:00.000Z"}
    ]})),
    responses((status = 200, description = "All of them are in the books",
        body = ObservationsAccepted,
        headers(("Idempotency-Replayed" = String, description = "`true`: the first answer again"))))
)]
pub async fn create(request: VerifiedRequest<Change>, gateway: Data<Gateway>) -> Reply {
    let read = read_observations(request.body()).map_err(Refusal::field)?;
    if !read.faults.is_empty() {
        return Err(Refusal::fields(all_faults(&gateway, &request, read)));
    }
    let observations: Vec<Observation> = read.good.into_iter().map(|(_, one)| one).collect();
    let body = ObservationsRequest { observations };
    let digest = Hash::of(&request_bytes(request.path(), &body));
    let accepted = u32::try_from(body.observations.len()).unwrap_or(u32::MAX);
    let partner = request.partner.clone();
    let (key, evidence) = request.into_evidence();
    let keyed = Keyed { partner, key, digest: digest.into(), request: evidence, index: 0 };
    let command = Command::ObserveAsPartner(keyed, Arc::new(body.observations));
    let decided = gateway.submit(command).await?.decided;
    match decided.outcome {
        Outcome::Observed => {
            let answer = reply::json(StatusCode::OK, &ObservationsAccepted { accepted });
            Ok(reply::replayed(answer, decided.replayed))
        }
        Outcome::ObservationsRefused(faults) => {
            Err(Refusal::fields(faults.into_iter().map(|fault| told(fault.row, fault)).collect()))
        }
        other => Err(reply::unexpected(&other).replayed(decided.replayed)),
    }
}

/// Of a body with faults of its form, those and what its other readings would be refused for.
fn all_faults(
    gateway: &Gateway,
    request: &VerifiedRequest<Change>,
    read: ReadObservations,
) -> Vec<FieldError> {
    let (house, mut faults) = (gateway.house(), read.faults);
    let registry = house.registry();
    let own = |(_, one): &(usize, Observation)| {
        feeds::are_own(&registry, &request.partner, std::slice::from_ref(one))
    };
    let (own, others): (Vec<_>, Vec<_>) = read.good.into_iter().partition(own);
    // The same of another's program as of none (threat T07).
    faults.extend(others.into_iter().map(|(row, _)| FieldError {
        code: ProblemCode::Malformed,
        detail: "the caller has no such program".to_owned(),
        pointer: format!("/observations/{row}/program"),
    }));
    let (places, good): (Vec<usize>, Vec<Observation>) = own.into_iter().unzip();
    let not_taken = feeds::faults(&registry, &good, house.now());
    let place = |fault: &NotTaken| places.get(fault.row).copied().unwrap_or_default();
    faults.extend(not_taken.into_iter().map(|fault| told(place(&fault), fault)));
    faults.sort_by_key(|fault| row_of(&fault.pointer));
    faults
}

fn told(row: usize, NotTaken { fault, .. }: NotTaken) -> FieldError {
    let pointer = format!("/observations/{row}/{}", fault.member);
    FieldError { code: ProblemCode::Malformed, detail: fault.fault, pointer }
}

fn row_of(pointer: &str) -> usize {
    pointer.split('/').nth(2).and_then(|row| row.parse().ok()).unwrap_or_default()
}
