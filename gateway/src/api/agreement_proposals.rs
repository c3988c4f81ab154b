//! `POST /v1/agreements`: one partner proposes a version, signed.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use alliance_contracts::agreement::{AgreementRequest, AgreementView, read_signed};
use alliance_contracts::encoding::Hash;
use alliance_contracts::transaction::request_bytes;
use alliance_settlement::command::{Command, Keyed, ProposeAgreement};

use super::agreements;
use super::reply::Reply;
use crate::draw;
use crate::server::gateway::Gateway;
use crate::server::refusal::Refusal;
use crate::server::verify::{Govern, VerifiedRequest};

/// Proposes the next version of the agreement with another partner. A second proposal of the same
/// partner takes the place of its first.
///
/// A faulty document is refused with all its faults: `errors[].pointer` leads into the document;
/// `/jws` is its signature.
#[utoipa::path(
    post, path = "/v1/agreements", operation_id = "propose_agreement",
    tag = "agreements",
    request_body(content = AgreementRequest, example = json!({"jws": "eyJhbGciOiJFZERTQSIsI…"})),
    responses((status = 201, description = "The version, proposed", body = AgreementView,
        headers(("Idempotency-Replayed" = String, description = "`true`: the first answer again"))))
)]
pub async fn create(request: VerifiedRequest<Govern>, gateway: Data<Gateway>) -> Reply {
    let asked: AgreementRequest = request.json()?;
    let (signed, agreement) = read_signed(&asked.jws).map_err(Refusal::fields)?;
    let proposal = ProposeAgreement { id: draw::id(), agreement, signed };
    let digest = Hash::of(&request_bytes(request.path(), &asked));
    let partner = request.partner.clone();
    let (key, evidence) = request.into_evidence();
    let keyed =
        Keyed { partner: partner.clone(), key, digest: digest.into(), request: evidence, index: 0 };
    let command = Command::ProposeAgreement(keyed, Box::new(proposal));
    let answer = gateway.submit(command).await?;
    agreements::answered(&gateway, &partner, answer, StatusCode::CREATED).await
}
