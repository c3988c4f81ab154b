//! A partner's events as they happen: server-sent events (WHATWG HTML § 9.2). What this gateway
//! commits is sent at once; what others commit, within a second.

use std::time::Duration;

use actix_web::web::Bytes;
use actix_web::{Error, HttpResponse, rt};
use alliance_contracts::event::{Event, EventCursor};
use alliance_contracts::keys::Kid;
use alliance_contracts::names::{AllianceId, PartnerId};
use alliance_settlement::clearing_house::ClearingHouse;
use futures_util::{Stream, stream};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

use super::events::EventsQuery;
use super::reply::Reply;
use crate::server::gateway::Gateway;
use crate::server::verify::{Read, VerifiedRequest};

/// Events that are sent at a time to somebody who has been away.
const CATCH_UP: u32 = 200;
/// How often it is looked for what other gateways have committed.
const LOOK: Duration = Duration::from_secs(1);
/// How long commits are gathered before they are read: many in a second are a few reads.
const GATHER: Duration = Duration::from_millis(50);
/// How often a line is sent where nothing happens, so that proxies and clients see that the
/// connection lives.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// The stream, from the event after this number on.
pub fn stream(
    request: &VerifiedRequest<Read, EventsQuery>,
    gateway: &Gateway,
    after: u64,
) -> Reply {
    let house = gateway.house().clone();
    let listener = Listener {
        tellings: house.tellings(),
        closing: gateway.closing(),
        alliance: house.alliance().clone(),
        partner: request.partner.clone(),
        kid: request.kid().clone(),
        house,
        after,
        begun: false,
        caught_up: false,
        sent_at: Instant::now(),
        _place: gateway.stream_place()?,
    };
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header(("cache-control", "no-store"))
        .streaming(pieces(listener)))
}

/// Somebody who listens.
struct Listener {
    house: ClearingHouse,
    tellings: watch::Receiver<u64>,
    closing: watch::Receiver<bool>,
    alliance: AllianceId,
    partner: PartnerId,
    /// The key that asked: when it counts no more, the stream ends.
    kid: Kid,
    /// The number of the last event that was sent.
    after: u64,
    begun: bool,
    /// Whether the last look has seen the feed's end.
    caught_up: bool,
    sent_at: Instant,
    _place: OwnedSemaphorePermit,
}

fn pieces(listener: Listener) -> impl Stream<Item = Result<Bytes, Error>> {
    stream::unfold(listener, |mut listener| async move {
        let piece = listener.next().await?;
        listener.sent_at = Instant::now();
        Some((Ok(piece), listener))
    })
}

impl Listener {
    /// What is to be sent next; nothing when the gateway closes, the key is revoked, or the books
    /// cannot be read: the client comes back with what it has seen.
    async fn next(&mut self) -> Option<Bytes> {
        if !std::mem::replace(&mut self.begun, true) {
            return Some(Bytes::from_static(b": events as they happen\n\n"));
        }
        loop {
            if self.caught_up {
                self.wait().await?;
            }
            self.tellings.borrow_and_update();
            let partner = self.partner.clone();
            let page = self.house.events(partner, self.after, CATCH_UP).await.ok()?;
            self.caught_up = !page.more;
            if let Some(last) = page.items.last() {
                self.after = last.number()?;
                let sent = page.items.iter().map(|event| self.event(event)).collect::<String>();
                return Some(Bytes::from(sent));
            }
            if self.sent_at.elapsed() >= SIGN_OF_LIFE {
                return Some(Bytes::from_static(b":\n\n"));
            }
        }
    }

    /// Waits until there may be more; nothing where the stream is to end.
    async fn wait(&mut self) -> Option<()> {
        tokio::select! {
            changed = self.tellings.changed() => {
                changed.ok()?;
                rt::time::sleep(GATHER).await;
            }
            _ = self.closing.wait_for(|closing| *closing) => return None,
            () = rt::time::sleep(LOOK) => {}
        }
        let (registry, now) = (self.house.registry(), self.house.now());
        registry.key(&self.kid).is_some_and(|key| key.valid_at(now)).then_some(())
    }

    fn event(&self, event: &Event) -> String {
        let number = event.number().unwrap_or(self.after);
        let id = EventCursor::at(&self.alliance, &self.partner, number);
        // Strings, numbers and JSON that was read as such: it always serialises, on one line.
        let data = serde_json::to_string(event).unwrap_or_default();
        format!("event: {}\nid: {id}\ndata: {data}\n\n", event.r#type.as_str())
    }
}
