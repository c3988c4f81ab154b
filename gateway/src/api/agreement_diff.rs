//! `GET /v1/agreements/{id}/diff`: what differs between two versions.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use alliance_contracts::agreement::{AgreementDiff, diff};
use alliance_contracts::ids::AgreementId;

use super::agreements::visible;
use super::reply::{self, Reply};
use crate::server::gateway::Gateway;
use crate::server::refusal::Refusal;
use crate::server::target::{Pairs, Query};
use crate::server::verify::{Read, VerifiedRequest};

/// The version to compare with.
pub struct DiffQuery {
    to: Option<AgreementId>,
}

impl Query for DiffQuery {
    fn take(pairs: &mut Pairs<'_>) -> Result<Self, Refusal> {
        Ok(Self { to: pairs.take("to")? })
    }
}

/// What changes from this version to another; or, where no other is named, from the version in
/// force to this one.
#[utoipa::path(
    get, path = "/v1/agreements/{id}/diff", operation_id = "diff_agreement",
    tag = "agreements",
    params(
        ("id" = AgreementId, Path, description = "The version"),
        ("to" = Option<AgreementId>, Query, description = "The version that would follow on it"),
    ),
    responses((status = 200, description = "Every term that differs", body = AgreementDiff))
)]
pub async fn show(request: VerifiedRequest<Read, DiffQuery>, gateway: Data<Gateway>) -> Reply {
    let named = visible(&gateway, &request.partner, request.path_parameter("id")?).await?;
    let (from, to) = match request.query.to {
        Some(to) => (Some(named), visible(&gateway, &request.partner, to).await?),
        None => {
            let (a, b) = named.pair();
            let registry = gateway.house().registry();
            (registry.signed_agreement(&a, &b, gateway.house().now()).cloned(), named)
        }
    };
    let changes = diff(from.as_ref().map(|from| &from.agreement), &to.agreement);
    let answer = AgreementDiff { changes, from: from.map(|from| from.id), to: to.id };
    Ok(reply::json(StatusCode::OK, &answer))
}
