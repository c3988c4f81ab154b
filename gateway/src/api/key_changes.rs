//! `POST /v1/keys/{kid}/retire` and `POST /v1/keys/{kid}/revoke`.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use alliance_contracts::encoding::Hash;
use alliance_contracts::keys::Kid;
use alliance_contracts::partner_key::{KeyView, RetireKeyRequest, RevokeKeyRequest, RevokedKey};
use alliance_contracts::time::Timestamp;
use alliance_contracts::transaction::request_bytes;
use alliance_settlement::command::{Command, Keyed};

use super::reply::{self, Reply};
use super::{key_uses, keys};
use crate::server::gateway::Gateway;
use crate::server::refusal::Refusal;
use crate::server::verify::{Govern, VerifiedRequest};

/// Lets a key end at a time: the old one of two that overlap. An earlier end stays.
#[utoipa::path(
    post, path = "/v1/keys/{kid}/retire", operation_id = "retire_key",
    tag = "keys",
    params(("kid" = Kid, Path, description = "The key")),
    request_body(content = RetireKeyRequest, example = json!({"at": "2026-11-30T00:00:00.000Z"})),
    responses((status = 200, description = "The key", body = KeyView))
)]
pub async fn retire(request: VerifiedRequest<Govern>, gateway: Data<Gateway>) -> Reply {
    let asked: RetireKeyRequest = request.json()?;
    let digest = Hash::of(&request_bytes(request.path(), &asked));
    let command = |keyed, kid| Command::RetireKey(keyed, kid, asked.at);
    let (key, replayed) = change(request, &gateway, digest, command).await?;
    Ok(reply::replayed(reply::json(StatusCode::OK, &key), replayed))
}

/// Revokes a key: nothing is accepted under it any more, here from now on and on every other
/// gateway within five seconds. Says what it was accepted for since a time. A key may revoke
/// itself; then repeating the request is refused.
#[utoipa::path(
    post, path = "/v1/keys/{kid}/revoke", operation_id = "revoke_key",
    tag = "keys",
    params(("kid" = Kid, Path, description = "The key")),
    request_body(content = RevokeKeyRequest,
        example = json!({"since": "2026-11-20T00:00:00.000Z"})),
    responses((status = 200, description = "The key, and what it was accepted for",
        body = RevokedKey))
)]
pub async fn revoke(request: VerifiedRequest<Govern>, gateway: Data<Gateway>) -> Reply {
    let asked: RevokeKeyRequest = request.json()?;
    let digest = Hash::of(&request_bytes(request.path(), &asked));
    let (key, replayed) = change(request, &gateway, digest, Command::RevokeKey).await?;
    let since = asked.since.unwrap_or(Timestamp::from_millis(0));
    let uses = gateway.house().key_uses(&key.kid, since, None, key_uses::PAGE_ITEMS).await?;
    let answer = reply::json(StatusCode::OK, &RevokedKey { key, uses });
    Ok(reply::replayed(answer, replayed))
}

async fn change(
    request: VerifiedRequest<Govern>,
    gateway: &Gateway,
    digest: Hash,
    command: impl FnOnce(Keyed, Kid) -> Command,
) -> Result<(KeyView, bool), Refusal> {
    let kid: Kid = request.path_parameter("kid")?;
    let partner = request.partner.clone();
    let (key, evidence) = request.into_evidence();
    let keyed =
        Keyed { partner: partner.clone(), key, digest: digest.into(), request: evidence, index: 0 };
    let answer = gateway.submit(command(keyed, kid)).await?;
    let replayed = answer.decided.replayed;
    Ok((keys::decided(gateway, &partner, answer).await?, replayed))
}
