//! `POST /v1/webhooks/{id}` and below: other settings, another secret, gone; an event again, or all
//! from a place on.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use alliance_contracts::encoding::Hash;
use alliance_contracts::endpoint::{
    Endpoint, EndpointChangeRequest, EndpointWithSecret, MAX_OVERLAP_SECONDS, NewSecretRequest,
    OVERLAP_SECONDS, ReplayRequest, ResendRequest, number_of,
};
use alliance_contracts::ids::EndpointId;
use alliance_contracts::link::Empty;
use alliance_contracts::problem::{FieldError, ProblemCode};
use alliance_contracts::transaction::request_bytes;
use alliance_settlement::command::{ChangeEndpoint, Command, EndpointChange, Keyed, Outcome};
use alliance_settlement::sequencer::Answer;
use alliance_settlement::webhooks::Told;

use super::reply::{self, Reply};
use super::webhooks;
use crate::server::gateway::Gateway;
use crate::server::refusal::Refusal;
use crate::server::verify::{Govern, VerifiedRequest};

/// Gives an endpoint other settings: where it is, which events it is sent, whether it is sent any.
#[utoipa::path(
    post, path = "/v1/webhooks/{id}", operation_id = "change_endpoint",
    tag = "webhooks",
    params(("id" = EndpointId, Path, description = "The endpoint")),
    request_body(content = EndpointChangeRequest, example = json!({"active": true})),
    responses((status = 200, description = "The endpoint", body = Endpoint))
)]
pub async fn settings(request: VerifiedRequest<Govern>, gateway: Data<Gateway>) -> Reply {
    let asked: EndpointChangeRequest = request.json()?;
    let url = asked.url.as_deref().and_then(|url| webhooks::url_fault(&gateway, url));
    let types = webhooks::type_faults(asked.types.as_deref().unwrap_or_default());
    let faults: Vec<FieldError> = url.into_iter().chain(types).collect();
    if !faults.is_empty() {
        return Err(Refusal::fields(faults));
    }
    let digest = Hash::of(&request_bytes(request.path(), &asked));
    let EndpointChangeRequest { active, types, url } = asked;
    changed(request, &gateway, digest, EndpointChange::Settings { url, types, active }).await
}

/// Gives an endpoint a new secret. Webhooks are signed under both for a while, so that its receiver
/// may take the new one up at any time within it.
#[utoipa::path(
    post, path = "/v1/webhooks/{id}/secret", operation_id = "rotate_endpoint_secret",
    tag = "webhooks",
    params(("id" = EndpointId, Path, description = "The endpoint")),
    request_body(content = NewSecretRequest, example = json!({"overlap_seconds": 86400})),
    responses((status = 200, description = "The endpoint, and its new secret",
        body = EndpointWithSecret))
)]
pub async fn secret(request: VerifiedRequest<Govern>, gateway: Data<Gateway>) -> Reply {
    let asked: NewSecretRequest = request.json()?;
    let overlap_seconds = asked.overlap_seconds.unwrap_or(OVERLAP_SECONDS);
    if overlap_seconds > MAX_OVERLAP_SECONDS {
        let detail = format!("two secrets hold side by side for {MAX_OVERLAP_SECONDS} s at most");
        return Err(Refusal::fields(vec![field("/overlap_seconds", detail)]));
    }
    let digest = Hash::of(&request_bytes(request.path(), &asked));
    let partner = request.partner.clone();
    let wrapped = gateway.house().new_webhook_secret();
    let change = EndpointChange::Secret { wrapped, overlap_seconds };
    let answer = submit(request, &gateway, digest, change).await?;
    let replayed = answer.decided.replayed;
    let record = webhooks::decided(&gateway, &partner, answer).await?;
    let answer = webhooks::with_secret(&gateway, &record)?;
    Ok(reply::replayed(reply::json(StatusCode::OK, &answer), replayed))
}

/// Removes an endpoint: it is sent nothing more, and what waited is dropped.
#[utoipa::path(
    post, path = "/v1/webhooks/{id}/remove", operation_id = "remove_endpoint",
    tag = "webhooks",
    params(("id" = EndpointId, Path, description = "The endpoint")),
    request_body(content = Empty, example = json!({})),
    responses((status = 200, description = "It is gone", body = Empty))
)]
pub async fn remove(request: VerifiedRequest<Govern>, gateway: Data<Gateway>) -> Reply {
    let asked: Empty = request.json()?;
    let digest = Hash::of(&request_bytes(request.path(), &asked));
    let answer = submit(request, &gateway, digest, EndpointChange::Remove).await?;
    let replayed = answer.decided.replayed;
    match answer.decided.outcome {
        Outcome::Endpoint(_) => {
            Ok(reply::replayed(reply::json(StatusCode::OK, &Empty {}), replayed))
        }
        other => Err(reply::unexpected(&other).replayed(replayed)),
    }
}

/// Sends an endpoint one event again, whatever has become of it. Its schedule begins anew.
#[utoipa::path(
    post, path = "/v1/webhooks/{id}/resend", operation_id = "resend_event",
    tag = "webhooks",
    params(("id" = EndpointId, Path, description = "The endpoint")),
    request_body(content = ResendRequest, example = json!({"sequence": "0000000000000007"})),
    responses((status = 200, description = "The endpoint", body = Endpoint))
)]
pub async fn resend(request: VerifiedRequest<Govern>, gateway: Data<Gateway>) -> Reply {
    let asked: ResendRequest = request.json()?;
    let Some(number) = number_of(&asked.sequence) else {
        let detail = "write the event's sequence as it came, up to 16 digits".to_owned();
        return Err(Refusal::fields(vec![field("/sequence", detail)]));
    };
    let event = gateway.house().event(request.partner.clone(), number).await?;
    let Some(event) = event else {
        let detail = "your feed has no such event".to_owned();
        return Err(Refusal::fields(vec![field("/sequence", detail)]));
    };
    let digest = Hash::of(&request_bytes(request.path(), &asked));
    let told =
        Told { number, event: event.id, subject: event.subject, r#type: event.r#type.clone() };
    changed(request, &gateway, digest, EndpointChange::Resend(told)).await
}

/// Sends an endpoint everything from a place of the feed on: again what it was sent before, or, of
/// a later place, leaves out what it has missed.
#[utoipa::path(
    post, path = "/v1/webhooks/{id}/replay", operation_id = "replay_events",
    tag = "webhooks",
    params(("id" = EndpointId, Path, description = "The endpoint")),
    request_body(content = ReplayRequest, example = json!({"after": null})),
    responses((status = 200, description = "The endpoint", body = Endpoint))
)]
pub async fn replay(request: VerifiedRequest<Govern>, gateway: Data<Gateway>) -> Reply {
    let asked: ReplayRequest = request.json()?;
    let house = gateway.house();
    let after = match &asked.after {
        None => Some(0),
        Some(cursor) => cursor.number(house.alliance(), &request.partner),
    };
    let last = house.last_event(request.partner.clone()).await?;
    let Some(after) = after.filter(|after| *after <= last) else {
        let detail = "this is no cursor of your feed: use one as it came, or null".to_owned();
        return Err(Refusal::fields(vec![field("/after", detail)]));
    };
    let digest = Hash::of(&request_bytes(request.path(), &asked));
    changed(request, &gateway, digest, EndpointChange::Replay(after)).await
}

async fn changed(
    request: VerifiedRequest<Govern>,
    gateway: &Gateway,
    digest: Hash,
    change: EndpointChange,
) -> Reply {
    let partner = request.partner.clone();
    let answer = submit(request, gateway, digest, change).await?;
    let replayed = answer.decided.replayed;
    let record = webhooks::decided(gateway, &partner, answer).await?;
    let endpoint = webhooks::view(gateway, &record).ok_or_else(Refusal::not_found)?;
    Ok(reply::replayed(reply::json(StatusCode::OK, &endpoint), replayed))
}

async fn submit(
    request: VerifiedRequest<Govern>,
    gateway: &Gateway,
    digest: Hash,
    change: EndpointChange,
) -> Result<Answer, Refusal> {
    let endpoint: EndpointId = request.path_parameter("id")?;
    let partner = request.partner.clone();
    let (key, evidence) = request.into_evidence();
    let keyed = Keyed { partner, key, digest: digest.into(), request: evidence, index: 0 };
    let change = Box::new(ChangeEndpoint { endpoint, change });
    gateway.submit(Command::ChangeEndpoint(keyed, change)).await
}

fn field(pointer: &str, detail: String) -> FieldError {
    FieldError { code: ProblemCode::Malformed, detail, pointer: pointer.to_owned() }
}
