//! `GET /v1/webhooks/{id}/deliveries` and `GET /v1/webhooks/{id}/deliveries/{sequence}`: what has
//! become of events at an endpoint of the caller's.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use alliance_contracts::endpoint::{
    Deliveries, Delivery, DeliveryAttempt, DeliveryLog, DeliveryState, MAX_DELIVERIES_PER_PAGE,
    number_of, sequence,
};
use alliance_contracts::ids::EndpointId;
use alliance_settlement::webhooks::{AttemptRecord, DeliveryRecord};

use super::reply::{self, Reply};
use super::webhooks;
use crate::server::gateway::Gateway;
use crate::server::refusal::Refusal;
use crate::server::target::{Pairs, Query};
use crate::server::verify::{Read, VerifiedRequest};

/// Which, from where on.
pub struct DeliveriesQuery {
    state: Option<DeliveryState>,
    after: Option<String>,
    limit: Option<u32>,
}

impl Query for DeliveriesQuery {
    fn take(pairs: &mut Pairs<'_>) -> Result<Self, Refusal> {
        let limit: Option<u32> = pairs.take("limit")?;
        if limit.is_some_and(|limit| !(1..=MAX_DELIVERIES_PER_PAGE).contains(&limit)) {
            return Err(Refusal::malformed(format!(
                "limit must be 1 to {MAX_DELIVERIES_PER_PAGE}"
            )));
        }
        Ok(Self { state: pairs.take("state")?, after: pairs.take("after")?, limit })
    }
}

/// What has become of events at an endpoint, by their order in the feed. Events that were not
/// taken up yet are not among them.
#[utoipa::path(
    get, path = "/v1/webhooks/{id}/deliveries", operation_id = "list_deliveries",
    tag = "webhooks",
    params(
        ("id" = EndpointId, Path, description = "The endpoint"),
        ("state" = Option<DeliveryState>, Query, description = "Those in this state; else all"),
        ("after" = Option<String>, Query, description = "`next_after` of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 100; 100 where left out"),
    ),
    responses((status = 200, description = "A page of deliveries", body = Deliveries))
)]
pub async fn list(
    request: VerifiedRequest<Read, DeliveriesQuery>,
    gateway: Data<Gateway>,
) -> Reply {
    let id: EndpointId = request.path_parameter("id")?;
    let record = webhooks::own(&gateway, &request.partner, id).await?;
    let DeliveriesQuery { state, after, limit } = &request.query;
    let after = match after {
        None => 0,
        Some(text) => number_of(text).ok_or_else(|| {
            Refusal::malformed("after is no sequence: use next_after of the page before")
        })?,
    };
    let limit = limit.unwrap_or(MAX_DELIVERIES_PER_PAGE);
    // One more than asked for tells whether there are more.
    let mut found = gateway.house().deliveries(record.id, *state, after, limit + 1).await?;
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = found.len() > wanted;
    found.truncate(wanted);
    let next_after = found.last().map(|last| sequence(last.told.number));
    let items = found.into_iter().map(view).collect();
    Ok(reply::json(StatusCode::OK, &Deliveries { items, more, next_after }))
}

/// What has become of one event at an endpoint, with every attempt to deliver it.
#[utoipa::path(
    get, path = "/v1/webhooks/{id}/deliveries/{sequence}", operation_id = "get_delivery",
    tag = "webhooks",
    params(
        ("id" = EndpointId, Path, description = "The endpoint"),
        ("sequence" = String, Path, description = "The event's number in the feed"),
    ),
    responses((status = 200, description = "The delivery, and its attempts", body = DeliveryLog))
)]
pub async fn show(request: VerifiedRequest<Read>, gateway: Data<Gateway>) -> Reply {
    let id: EndpointId = request.path_parameter("id")?;
    let record = webhooks::own(&gateway, &request.partner, id).await?;
    let number: String = request.path_parameter("sequence")?;
    let number = number_of(&number).ok_or_else(Refusal::not_found)?;
    let house = gateway.house();
    let found = house.deliveries(record.id, None, number - 1, 1).await?;
    let delivery = found.into_iter().find(|one| one.told.number == number);
    let delivery = view(delivery.ok_or_else(Refusal::not_found)?);
    let attempts = house.delivery_attempts(record.id, number).await?;
    let log = attempts.into_iter().map(attempt).collect();
    Ok(reply::json(StatusCode::OK, &DeliveryLog { delivery, log }))
}

fn view(record: DeliveryRecord) -> Delivery {
    Delivery {
        attempts: record.attempts,
        due_at: record.due_at,
        event: record.told.event,
        last_at: record.last_at,
        last_status: record.last_status,
        sequence: sequence(record.told.number),
        state: record.state,
        subject: record.told.subject,
        r#type: record.told.r#type,
    }
}

fn attempt(record: AttemptRecord) -> DeliveryAttempt {
    let AttemptRecord { attempt, at, said, status, took_millis, .. } = record;
    DeliveryAttempt { attempt, at, said, status, took_millis }
}
