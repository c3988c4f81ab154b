//! `POST /v1/links/{id}/confirm` and `POST /v1/links/{id}/revoke`.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use alliance_contracts::encoding::Hash;
use alliance_contracts::ids::LinkId;
use alliance_contracts::link::{Empty, Link};
use alliance_contracts::transaction::request_bytes;
use alliance_settlement::command::{Command, Keyed};

use super::links;
use super::reply::Reply;
use crate::server::gateway::Gateway;
use crate::server::verify::{Change, VerifiedRequest};

/// Makes a proposed link active; the other partner's to do.
#[utoipa::path(
    post, path = "/v1/links/{id}/confirm", operation_id = "confirm_link",
    tag = "links",
    params(("id" = LinkId, Path, description = "The link")),
    request_body(content = Empty, example = json!({})),
    responses((status = 200, description = "The link, active", body = Link))
)]
pub async fn confirm(request: VerifiedRequest<Change>, gateway: Data<Gateway>) -> Reply {
    let link: LinkId = request.path_parameter("id")?;
    let sought = gateway.house().sought_by(link).await?;
    change(request, gateway, |keyed, link| Command::ConfirmLink(keyed, link, sought)).await
}

/// Takes a link back; either partner's to do.
#[utoipa::path(
    post, path = "/v1/links/{id}/revoke", operation_id = "revoke_link",
    tag = "links",
    params(("id" = LinkId, Path, description = "The link")),
    request_body(content = Empty, example = json!({})),
    responses((status = 200, description = "The link, revoked", body = Link))
)]
pub async fn revoke(request: VerifiedRequest<Change>, gateway: Data<Gateway>) -> Reply {
    change(request, gateway, Command::RevokeLink).await
}

async fn change(
    request: VerifiedRequest<Change>,
    gateway: Data<Gateway>,
    command: impl FnOnce(Keyed, LinkId) -> Command,
) -> Reply {
    let body: Empty = request.json()?;
    let link: LinkId = request.path_parameter("id")?;
    let digest = Hash::of(&request_bytes(request.path(), &body));
    let partner = request.partner.clone();
    let (key, evidence) = request.into_evidence();
    let keyed =
        Keyed { partner: partner.clone(), key, digest: digest.into(), request: evidence, index: 0 };
    let answer = gateway.submit(command(keyed, link)).await?;
    links::answered(&gateway, &partner, answer, StatusCode::OK).await
}
