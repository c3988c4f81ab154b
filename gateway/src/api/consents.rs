//! `GET /v1/consents`, `GET /v1/consents/{id}`, `POST /v1/consents` and
//! `POST /v1/consents/{id}/revoke`: what a partner lets another order in its name.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use alliance_contracts::debit_consent::{ConsentRequest, ConsentView, Consents, DebitConsent};
use alliance_contracts::encoding::Hash;
use alliance_contracts::ids::ConsentId;
use alliance_contracts::link::Empty;
use alliance_contracts::names::PartnerId;
use alliance_contracts::transaction::request_bytes;
use alliance_settlement::command::{Command, GrantConsent, Keyed, Outcome};
use alliance_settlement::sequencer::Answer;

use super::reply::{self, Reply};
use crate::draw;
use crate::server::gateway::Gateway;
use crate::server::refusal::Refusal;
use crate::server::verify::{Govern, Read, VerifiedRequest};

/// Consents that the caller has given or been given, whatever their state, oldest first.
#[utoipa::path(
    get, path = "/v1/consents", operation_id = "list_consents",
    tag = "consents",
    responses((status = 200, description = "The consents", body = Consents))
)]
pub async fn list(request: VerifiedRequest<Read>, gateway: Data<Gateway>) -> Reply {
    let items = gateway.house().consents(&request.partner);
    Ok(reply::json(StatusCode::OK, &Consents { items }))
}

/// One consent that the caller has given or been given.
#[utoipa::path(
    get, path = "/v1/consents/{id}", operation_id = "get_consent",
    tag = "consents",
    params(("id" = ConsentId, Path, description = "The consent")),
    responses((status = 200, description = "The consent", body = ConsentView))
)]
pub async fn show(request: VerifiedRequest<Read>, gateway: Data<Gateway>) -> Reply {
    let id: ConsentId = request.path_parameter("id")?;
    let known = gateway.house().consents(&request.partner);
    let known = known.into_iter().find(|view| view.id == id).ok_or_else(Refusal::not_found)?;
    Ok(reply::json(StatusCode::OK, &known))
}

/// Lets another partner order in the caller's name, within limits. The caller signs it: with a key
/// of scope `full`, as the source of the orders to be.
///
/// A faulty document is refused with all its faults: `errors[].pointer` leads into the document;
/// `/jws` is its signature.
#[utoipa::path(
    post, path = "/v1/consents", operation_id = "grant_consent",
    tag = "consents",
    request_body(content = ConsentRequest, example = json!({"jws": "eyJhbGciOiJFZERTQSIsI…"})),
    responses((status = 201, description = "The consent", body = ConsentView,
        headers(("Idempotency-Replayed" = String, description = "`true`: the first answer again"))))
)]
pub async fn grant(request: VerifiedRequest<Govern>, gateway: Data<Gateway>) -> Reply {
    let asked: ConsentRequest = request.json()?;
    let (signed, consent) = DebitConsent::read_signed(&asked.jws).map_err(Refusal::fields)?;
    let order = Box::new(GrantConsent { id: draw::id(), consent, signed });
    let digest = Hash::of(&request_bytes(request.path(), &asked));
    let partner = request.partner.clone();
    let (key, evidence) = request.into_evidence();
    let keyed =
        Keyed { partner: partner.clone(), key, digest: digest.into(), request: evidence, index: 0 };
    let answer = gateway.submit(Command::GrantConsent(keyed, order)).await?;
    answered(&gateway, &partner, answer, StatusCode::CREATED).await
}

/// Ends a consent, from now on; either partner's to do.
#[utoipa::path(
    post, path = "/v1/consents/{id}/revoke", operation_id = "revoke_consent",
    tag = "consents",
    params(("id" = ConsentId, Path, description = "The consent")),
    request_body(content = Empty, example = json!({})),
    responses((status = 200, description = "The consent, revoked", body = ConsentView))
)]
pub async fn revoke(request: VerifiedRequest<Govern>, gateway: Data<Gateway>) -> Reply {
    let body: Empty = request.json()?;
    let id: ConsentId = request.path_parameter("id")?;
    let digest = Hash::of(&request_bytes(request.path(), &body));
    let partner = request.partner.clone();
    let (key, evidence) = request.into_evidence();
    let keyed =
        Keyed { partner: partner.clone(), key, digest: digest.into(), request: evidence, index: 0 };
    let answer = gateway.submit(Command::RevokeConsent(keyed, id)).await?;
    answered(&gateway, &partner, answer, StatusCode::OK).await
}

async fn answered(
    gateway: &Gateway,
    partner: &PartnerId,
    answer: Answer,
    status: StatusCode,
) -> Reply {
    let replayed = answer.decided.replayed;
    match answer.decided.outcome {
        Outcome::Consent(id) => {
            let view = gateway.house().current_consent(partner, &id).await?;
            let view = view.ok_or_else(|| Refusal::internal("a consent that was given is gone"))?;
            Ok(reply::replayed(reply::json(status, &view), replayed))
        }
        Outcome::ConsentRefused(faults) => Err(Refusal::fields(faults)),
        other => Err(reply::unexpected(&other).replayed(replayed)),
    }
}
