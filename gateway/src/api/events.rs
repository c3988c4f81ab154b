//! `GET /v1/events`: the caller's feed of events (protocol § 7), a page of it, or with `Accept:
//! text/event-stream` all of it as it grows.

use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT, HeaderMap};
use actix_web::web::Data;
use alliance_contracts::event::{EventCursor, EventPage};
use alliance_contracts::names::PartnerId;

use super::event_stream;
use super::reply::{self, Reply};
use crate::server::gateway::Gateway;
use crate::server::refusal::Refusal;
use crate::server::target::{self, Pairs, Query};
use crate::server::verify::{Read, VerifiedRequest};

/// From where on.
pub struct EventsQuery {
    after: Option<EventCursor>,
    limit: Option<u32>,
}

impl Query for EventsQuery {
    fn take(pairs: &mut Pairs<'_>) -> Result<Self, Refusal> {
        Ok(Self { after: pairs.take("after")?, limit: target::take_limit(pairs)? })
    }
}

/// The caller's events, oldest first: numbered without a gap, in an order that never changes. With
/// `Accept: text/event-stream` they come as they happen: `id` is the cursor after the event,
/// `event` its type, `data` the event on one line; `Last-Event-ID` goes on after that one.
#[utoipa::path(
    get, path = "/v1/events", operation_id = "list_events",
    tag = "events",
    params(
        ("after" = Option<EventCursor>, Query,
            description = "`next_after` of the page before; left out: from the first event on"),
        ("limit" = Option<u32>, Query,
            description = "1 to 1000; 100 where left out; a stream has none"),
        ("Last-Event-ID" = Option<EventCursor>, Header,
            description = "Of a stream: the last event that was received; stands over `after`"),
    ),
    responses((status = 200, description = "A page of events, or a stream of them", content(
        (EventPage = "application/json"),
        (String = "text/event-stream"),
    )))
)]
pub async fn list(request: VerifiedRequest<Read, EventsQuery>, gateway: Data<Gateway>) -> Reply {
    if wants_stream(request.headers()) {
        if request.query.limit.is_some() {
            return Err(Refusal::malformed("a stream has no limit"));
        }
        let cursor = match last_event_id(request.headers())? {
            Some(cursor) => Some(cursor),
            None => request.query.after.clone(),
        };
        let after = number(&gateway, &request.partner, cursor.as_ref())?;
        is_not_ahead(&gateway, &request.partner, after).await?;
        return event_stream::stream(&request, &gateway, after);
    }
    let after = number(&gateway, &request.partner, request.query.after.as_ref())?;
    let limit = target::page_items(request.query.limit);
    let page = gateway.house().events(request.partner.clone(), after, limit).await?;
    if page.items.is_empty() {
        is_not_ahead(&gateway, &request.partner, after).await?;
    }
    Ok(reply::json(StatusCode::OK, &page))
}

fn wants_stream(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("");
    accept.split(',').any(|range| range.trim().starts_with("text/event-stream"))
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<EventCursor>, Refusal> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let cursor = value.to_str().ok().and_then(|text| text.parse().ok());
    cursor.map(Some).ok_or_else(not_of_this_feed)
}

/// The number of the event that a cursor stands after; 0 without one.
fn number(
    gateway: &Gateway,
    partner: &PartnerId,
    cursor: Option<&EventCursor>,
) -> Result<u64, Refusal> {
    let Some(cursor) = cursor else { return Ok(0) };
    cursor.number(gateway.house().alliance(), partner).ok_or_else(not_of_this_feed)
}

fn not_of_this_feed() -> Refusal {
    Refusal::malformed(
        "this is no cursor of your feed: use `next_after` of a page or `id` of a stream as it \
         came, or none to begin with the first event",
    )
}

/// A cursor that this database has not handed out yet is of one that is gone: nothing after it
/// would be what its holder takes it for.
async fn is_not_ahead(gateway: &Gateway, partner: &PartnerId, after: u64) -> Result<(), Refusal> {
    if after == 0 || after <= gateway.house().last_event(partner.clone()).await? {
        return Ok(());
    }
    Err(Refusal::malformed(
        "this cursor is ahead of your feed: ask the alliance whether its database was restored, \
         and compare what you have from the first event on",
    ))
}
