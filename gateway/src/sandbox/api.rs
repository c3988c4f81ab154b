//! What only a sandbox answers, unsigned: whoever's signatures fail has to be able to ask. No part
//! of the partner API, and not there at all on a gateway that serves in earnest.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, Payload, ServiceConfig};
use alliance_contracts::json;
use alliance_contracts::names::PartnerId;
use alliance_contracts::problem::ProblemCode;
use alliance_contracts::sandbox::{BrandChange, BrandView, ClockChange};
use serde::de::DeserializeOwned;

use super::Sandbox;
use super::brand::Voice;
use super::clock::ClockError;
use crate::api::reply::{self, Reply};
use crate::api::{both, get};
use crate::server::body;
use crate::server::gateway::Gateway;
use crate::server::media::Media;
use crate::server::refusal::Refusal;
use crate::server::verify::check_media_type;

/// Bytes of a body at most.
const BODY_BYTES: usize = 1 << 10;

/// The routes.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(both("/sandbox/clock", clock, set_clock))
        .service(both("/sandbox/brands/{partner}", brand, set_brand))
        .service(get("/sandbox/outcomes", outcomes))
        .service(get("/sandbox/log", log_of_nobody))
        .service(get("/sandbox/log/{partner}", log));
}

fn sandbox(gateway: &Gateway) -> Result<&Sandbox, Refusal> {
    gateway.sandbox().ok_or_else(Refusal::not_found)
}

async fn clock(gateway: Data<Gateway>) -> Reply {
    Ok(reply::json(StatusCode::OK, &sandbox(&gateway)?.clock.view()))
}

fn voice<'s>(sandbox: &'s Sandbox, partner: &PartnerId) -> Result<&'s Voice, Refusal> {
    sandbox.voices.get(partner).ok_or_else(Refusal::not_found)
}

async fn brand(partner: Path<String>, gateway: Data<Gateway>) -> Reply {
    let partner: PartnerId = partner.parse().map_err(|_| Refusal::not_found())?;
    let speaks = voice(sandbox(&gateway)?, &partner)?.speaks();
    Ok(reply::json(StatusCode::OK, &BrandView { partner, speaks }))
}

async fn set_brand(
    http: HttpRequest,
    payload: Payload,
    partner: Path<String>,
    gateway: Data<Gateway>,
) -> Reply {
    let BrandChange { speaks } = received(&http, payload).await?;
    let partner: PartnerId = partner.parse().map_err(|_| Refusal::not_found())?;
    voice(sandbox(&gateway)?, &partner)?.set_speaking(speaks);
    Ok(reply::json(StatusCode::OK, &BrandView { partner, speaks }))
}

/// A body, read strictly. JSON only, which forms of pages in a browser cannot send.
async fn received<T: DeserializeOwned>(http: &HttpRequest, payload: Payload) -> Result<T, Refusal> {
    let received = body::receive(http, payload.into_inner(), BODY_BYTES).await?;
    match check_media_type(http)? {
        Media::Json => json::read(&received).map_err(Refusal::field),
        Media::Xml => Err(Refusal::of(ProblemCode::UnsupportedMediaType)),
    }
}

/// Answered when what depends on the time is up to it; boards and calls follow within moments.
async fn set_clock(http: HttpRequest, payload: Payload, gateway: Data<Gateway>) -> Reply {
    let change: ClockChange = received(&http, payload).await?;
    let view = sandbox(&gateway)?.clock.change(&change).map_err(|error| match error {
        ClockError::Nothing | ClockError::TooFar => Refusal::malformed(error.to_string()),
        ClockError::Unwritable(..) => {
            Refusal::of(ProblemCode::Unavailable).because(error.to_string())
        }
    })?;
    gateway.house().clock_was_set().await?;
    Ok(reply::json(StatusCode::OK, &view))
}

async fn log(partner: Path<String>, gateway: Data<Gateway>) -> Reply {
    let partner: PartnerId = partner.parse().map_err(|_| Refusal::not_found())?;
    if gateway.house().registry().partner(&partner).is_none() {
        return Err(Refusal::not_found());
    }
    Ok(reply::json(StatusCode::OK, &sandbox(&gateway)?.log.of(Some(&partner))))
}

async fn log_of_nobody(gateway: Data<Gateway>) -> Reply {
    Ok(reply::json(StatusCode::OK, &sandbox(&gateway)?.log.of(None)))
}

async fn outcomes() -> Reply {
    Ok(reply::json(StatusCode::OK, &super::Mood::TABLE))
}
