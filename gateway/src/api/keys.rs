//! `GET /v1/keys`, `GET /v1/keys/{kid}`, `POST /v1/keys`: the caller's own keys.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use alliance_contracts::encoding::{Hash, base64url_encode};
use alliance_contracts::keys::Kid;
use alliance_contracts::names::PartnerId;
use alliance_contracts::partner_key::{KeyRegistration, KeyRequest, KeyView, Keys};
use alliance_contracts::problem::ProblemCode;
use alliance_contracts::time::Timestamp;
use alliance_contracts::transaction::request_bytes;
use alliance_settlement::alliance::PartnerKey;
use alliance_settlement::command::{Command, Keyed, Outcome};
use alliance_settlement::sequencer::Answer;

use super::reply::{self, Reply};
use crate::server::gateway::Gateway;
use crate::server::refusal::Refusal;
use crate::server::verify::{Govern, Read, VerifiedRequest};

/// The caller's keys, whatever their state, by `kid`.
#[utoipa::path(
    get, path = "/v1/keys", operation_id = "list_keys",
    tag = "keys",
    responses((status = 200, description = "The keys", body = Keys))
)]
pub async fn list(request: VerifiedRequest<Read>, gateway: Data<Gateway>) -> Reply {
    let house = gateway.house();
    let (registry, now) = (house.registry(), house.now());
    let items = registry.keys_of(&request.partner).into_iter().map(|key| view(key, now)).collect();
    Ok(reply::json(StatusCode::OK, &Keys { items }))
}

/// One key of the caller's.
#[utoipa::path(
    get, path = "/v1/keys/{kid}", operation_id = "get_key",
    tag = "keys",
    params(("kid" = Kid, Path, description = "The key")),
    responses((status = 200, description = "The key", body = KeyView))
)]
pub async fn show(request: VerifiedRequest<Read>, gateway: Data<Gateway>) -> Reply {
    let kid: Kid = request.path_parameter("kid")?;
    let house = gateway.house();
    let registry = house.registry();
    let key = registry.key(&kid).filter(|key| key.partner == request.partner);
    let key = key.ok_or_else(Refusal::not_found)?;
    Ok(reply::json(StatusCode::OK, &view(key, house.now())))
}

/// Registers a key. It holds on this gateway at once, on every other within five seconds; the
/// caller's older keys hold as before, so that both may be used while one takes the other's place.
#[utoipa::path(
    post, path = "/v1/keys", operation_id = "register_key",
    tag = "keys",
    request_body(content = KeyRequest, example = json!({"jws": "eyJhbGciOiJFZERTQSIsI…"})),
    responses((status = 201, description = "The key", body = KeyView,
        headers(("Idempotency-Replayed" = String, description = "`true`: the first answer again"))))
)]
pub async fn create(request: VerifiedRequest<Govern>, gateway: Data<Gateway>) -> Reply {
    let asked: KeyRequest = request.json()?;
    let alliance = gateway.house().alliance();
    let proven = KeyRegistration::prove(&asked.jws, alliance, &request.partner);
    let proven = Box::new(proven.map_err(Refusal::field)?);
    let digest = Hash::of(&request_bytes(request.path(), &asked));
    let partner = request.partner.clone();
    let (key, evidence) = request.into_evidence();
    let keyed =
        Keyed { partner: partner.clone(), key, digest: digest.into(), request: evidence, index: 0 };
    let answer = gateway.submit(Command::AddKey(keyed, proven)).await?;
    let replayed = answer.decided.replayed;
    let key = decided(&gateway, &partner, answer).await?;
    Ok(reply::replayed(reply::json(StatusCode::CREATED, &key), replayed))
}

/// The key that a command was about, in its present state.
pub async fn decided(
    gateway: &Gateway,
    partner: &PartnerId,
    answer: Answer,
) -> Result<KeyView, Refusal> {
    let replayed = answer.decided.replayed;
    match answer.decided.outcome {
        Outcome::Key(kid) => {
            let house = gateway.house();
            let key = house.current_key(partner, &kid).await?;
            let key = key.ok_or_else(|| Refusal::internal("a key that was changed is gone"))?;
            Ok(view(&key, house.now()))
        }
        Outcome::KeyRefused(faults) => Err(Refusal::fields(faults)),
        Outcome::Refused(ProblemCode::SignatureInvalid) => {
            Err(crate::server::verify::invalid("the key was revoked meanwhile"))
        }
        other => Err(reply::unexpected(&other).replayed(replayed)),
    }
}

/// A key as its partner sees it.
pub fn view(key: &PartnerKey, now: Timestamp) -> KeyView {
    KeyView {
        added_at: key.added_at,
        exp: key.exp,
        in_force: key.valid_at(now),
        kid: key.public.kid().clone(),
        nbf: key.nbf,
        revoked_at: key.revoked_at,
        scope: key.scope,
        x: base64url_encode(key.public.as_bytes()),
    }
}
