//! `GET /v1/webhooks`, `GET /v1/webhooks/{id}`, `POST /v1/webhooks`: the caller's endpoints.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use alliance_contracts::encoding::Hash;
use alliance_contracts::endpoint::{Endpoint, EndpointRequest, EndpointWithSecret, Endpoints};
use alliance_contracts::event::{EventCursor, EventType};
use alliance_contracts::ids::EndpointId;
use alliance_contracts::names::PartnerId;
use alliance_contracts::problem::{FieldError, ProblemCode};
use alliance_contracts::transaction::request_bytes;
use alliance_settlement::command::{AddEndpoint, Command, Keyed, Outcome};
use alliance_settlement::sequencer::Answer;
use alliance_settlement::webhooks::{EndpointRecord, Standing};

use super::reply::{self, Reply};
use crate::draw;
use crate::outbound::address::CallbackUrl;
use crate::server::gateway::Gateway;
use crate::server::refusal::Refusal;
use crate::server::verify::{Govern, Read, VerifiedRequest};

/// The caller's endpoints, by id.
#[utoipa::path(
    get, path = "/v1/webhooks", operation_id = "list_endpoints",
    tag = "webhooks",
    responses((status = 200, description = "The endpoints", body = Endpoints))
)]
pub async fn list(request: VerifiedRequest<Read>, gateway: Data<Gateway>) -> Reply {
    let records = gateway.house().endpoints_of(&request.partner).await?;
    let items = records.iter().filter_map(|record| view(&gateway, record)).collect();
    Ok(reply::json(StatusCode::OK, &Endpoints { items }))
}

/// One endpoint of the caller's.
#[utoipa::path(
    get, path = "/v1/webhooks/{id}", operation_id = "get_endpoint",
    tag = "webhooks",
    params(("id" = EndpointId, Path, description = "The endpoint")),
    responses((status = 200, description = "The endpoint", body = Endpoint))
)]
pub async fn show(request: VerifiedRequest<Read>, gateway: Data<Gateway>) -> Reply {
    let record = own(&gateway, &request.partner, request.path_parameter("id")?).await?;
    let endpoint = view(&gateway, &record).ok_or_else(Refusal::not_found)?;
    Ok(reply::json(StatusCode::OK, &endpoint))
}

/// Makes an endpoint: it is sent every event from now on. The answer has its secret; no other call
/// shows it.
#[utoipa::path(
    post, path = "/v1/webhooks", operation_id = "create_endpoint",
    tag = "webhooks",
    request_body(content = EndpointRequest, example = json!({
        "types": ["transaction.completed", "transaction.failed"],
        "url": "https://hooks.aurora.example/alliance"
    })),
    responses((status = 201, description = "The endpoint, and its secret",
        body = EndpointWithSecret,
        headers(("Idempotency-Replayed" = String, description = "`true`: the first answer again"))))
)]
pub async fn create(request: VerifiedRequest<Govern>, gateway: Data<Gateway>) -> Reply {
    let asked: EndpointRequest = request.json()?;
    let mut faults: Vec<FieldError> = url_fault(&gateway, &asked.url).into_iter().collect();
    faults.extend(type_faults(&asked.types));
    if !faults.is_empty() {
        return Err(Refusal::fields(faults));
    }
    let house = gateway.house();
    let digest = Hash::of(&request_bytes(request.path(), &asked));
    let partner = request.partner.clone();
    let add = AddEndpoint {
        id: draw::id(),
        url: asked.url,
        types: asked.types,
        secret: house.new_webhook_secret(),
        after: house.last_event(partner.clone()).await?,
    };
    let (key, evidence) = request.into_evidence();
    let keyed =
        Keyed { partner: partner.clone(), key, digest: digest.into(), request: evidence, index: 0 };
    let answer = gateway.submit(Command::AddEndpoint(keyed, Box::new(add))).await?;
    let replayed = answer.decided.replayed;
    let record = decided(&gateway, &partner, answer).await?;
    let answer = with_secret(&gateway, &record)?;
    Ok(reply::replayed(reply::json(StatusCode::CREATED, &answer), replayed))
}

/// An endpoint of the caller's own.
pub async fn own(
    gateway: &Gateway,
    partner: &PartnerId,
    id: EndpointId,
) -> Result<EndpointRecord, Refusal> {
    gateway.house().endpoint(partner, id).await?.ok_or_else(Refusal::not_found)
}

/// The endpoint that a command was about, in its present state.
pub async fn decided(
    gateway: &Gateway,
    partner: &PartnerId,
    answer: Answer,
) -> Result<EndpointRecord, Refusal> {
    let replayed = answer.decided.replayed;
    match answer.decided.outcome {
        Outcome::Endpoint(id) => own(gateway, partner, id).await,
        Outcome::Refused(ProblemCode::SignatureInvalid) => {
            Err(crate::server::verify::invalid("the key was revoked meanwhile"))
        }
        other => Err(reply::unexpected(&other).replayed(replayed)),
    }
}

/// An endpoint as its partner sees it; none of one that was removed.
pub fn view(gateway: &Gateway, record: &EndpointRecord) -> Option<Endpoint> {
    let Standing::There(state) = record.standing else { return None };
    let house = gateway.house();
    let old = record.old_secret.as_ref().filter(|old| house.now() < old.until);
    Some(Endpoint {
        created_at: record.created_at,
        id: record.id,
        old_secret_until: old.map(|old| old.until),
        state,
        taken_up: EventCursor::at(house.alliance(), &record.partner, record.taken_up),
        types: record.types.clone(),
        url: record.url.clone(),
    })
}

/// An endpoint with the newest of its secrets.
pub fn with_secret(
    gateway: &Gateway,
    record: &EndpointRecord,
) -> Result<EndpointWithSecret, Refusal> {
    let endpoint = view(gateway, record).ok_or_else(Refusal::not_found)?;
    let secrets = gateway.house().webhook_secrets(record)?;
    let newest = secrets.first().ok_or_else(|| Refusal::internal("an endpoint has no secret"))?;
    Ok(EndpointWithSecret { endpoint, secret: newest.expose() })
}

/// What is wrong with an address (threat T41).
pub fn url_fault(gateway: &Gateway, url: &str) -> Option<FieldError> {
    let fault = CallbackUrl::parse(url, gateway.private_webhooks()).err()?;
    Some(field("/url", fault.to_string()))
}

/// Types that no event has: a slip of the pen would be an endpoint that is sent nothing.
pub fn type_faults(types: &[EventType]) -> Vec<FieldError> {
    let unknown = types.iter().enumerate().filter_map(|(at, one)| match one {
        EventType::Other(text) => Some((at, &**text)),
        _ => None,
    });
    let fault = |(at, text): (usize, &str)| {
        field(&format!("/types/{at}"), format!("there are no events of type {text:?}"))
    };
    unknown.map(fault).collect()
}

fn field(pointer: &str, detail: String) -> FieldError {
    FieldError { code: ProblemCode::Malformed, detail, pointer: pointer.to_owned() }
}
