//! `POST /v1/agreements/{id}/countersign` and `POST /v1/agreements/{id}/withdraw`.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use alliance_contracts::agreement::{AgreementRequest, AgreementView, read_signed};
use alliance_contracts::encoding::Hash;
use alliance_contracts::ids::AgreementId;
use alliance_contracts::link::Empty;
use alliance_contracts::transaction::request_bytes;
use alliance_settlement::command::{Command, CountersignAgreement, Keyed};

use super::agreements;
use super::reply::Reply;
use crate::server::gateway::Gateway;
use crate::server::refusal::Refusal;
use crate::server::verify::{Govern, VerifiedRequest};

/// Countersigns a proposed version: the other partner's to do, over the very bytes that were
/// proposed. It holds from its `effective_at` on.
#[utoipa::path(
    post, path = "/v1/agreements/{id}/countersign", operation_id = "countersign_agreement",
    tag = "agreements",
    params(("id" = AgreementId, Path, description = "The version")),
    request_body(content = AgreementRequest, example = json!({"jws": "eyJhbGciOiJFZERTQSIsI…"})),
    responses((status = 200, description = "The version, signed by both", body = AgreementView))
)]
pub async fn countersign(request: VerifiedRequest<Govern>, gateway: Data<Gateway>) -> Reply {
    let asked: AgreementRequest = request.json()?;
    let (signed, _) = read_signed(&asked.jws).map_err(Refusal::fields)?;
    let id: AgreementId = request.path_parameter("id")?;
    let digest = Hash::of(&request_bytes(request.path(), &asked));
    let order = Box::new(CountersignAgreement { id, signed });
    change(request, gateway, digest, |keyed| Command::CountersignAgreement(keyed, order)).await
}

/// Takes the caller's own proposal back, or declines the other partner's.
#[utoipa::path(
    post, path = "/v1/agreements/{id}/withdraw", operation_id = "withdraw_agreement",
    tag = "agreements",
    params(("id" = AgreementId, Path, description = "The version")),
    request_body(content = Empty, example = json!({})),
    responses((status = 200, description = "The version, withdrawn", body = AgreementView))
)]
pub async fn withdraw(request: VerifiedRequest<Govern>, gateway: Data<Gateway>) -> Reply {
    let body: Empty = request.json()?;
    let id: AgreementId = request.path_parameter("id")?;
    let digest = Hash::of(&request_bytes(request.path(), &body));
    change(request, gateway, digest, |keyed| Command::WithdrawAgreement(keyed, id)).await
}

async fn change(
    request: VerifiedRequest<Govern>,
    gateway: Data<Gateway>,
    digest: Hash,
    command: impl FnOnce(Keyed) -> Command,
) -> Reply {
    let partner = request.partner.clone();
    let (key, evidence) = request.into_evidence();
    let keyed =
        Keyed { partner: partner.clone(), key, digest: digest.into(), request: evidence, index: 0 };
    let answer = gateway.submit(command(keyed)).await?;
    agreements::answered(&gateway, &partner, answer, StatusCode::OK).await
}
