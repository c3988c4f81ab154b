//! `GET /v1/rates/stream`: every board as it is published, as server-sent events (WHATWG HTML
//! § 9.2). `Last-Event-ID` goes on after that board; without it the stream begins with the board in
//! force, so that whoever listens knows where it stands.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{Bytes, Data};
use actix_web::{Error, HttpResponse, rt};
use alliance_settlement::alliance::{PublishedBoard, Registry};
use alliance_settlement::clearing_house::ClearingHouse;
use futures_util::{Stream, stream};
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::reply::Reply;
use crate::server::gateway::Gateway;
use crate::server::refusal::Refusal;
use crate::server::verify::{Read, VerifiedRequest};

/// Boards that are sent at a time to somebody who has been away.
const CATCH_UP: u32 = 50;
/// How often a line is sent where nothing happens, so that proxies and clients see that the
/// connection lives.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// Boards as they are published.
#[utoipa::path(
    get, path = "/v1/rates/stream", operation_id = "stream_rates",
    tag = "rates",
    params(("Last-Event-ID" = Option<u32>, Header,
        description = "The last board that was received; those after it follow")),
    responses((status = 200,
        description = "Events `board`: `id` is the board's number, `data` one line of JSON with \
            `board`, `effective_at` and `jws`; a comment every 15 s where nothing happens",
        content((String = "text/event-stream"))))
)]
pub async fn stream(request: VerifiedRequest<Read>, gateway: Data<Gateway>) -> Reply {
    let place = gateway.stream_place()?;
    let house = gateway.house().clone();
    let registry = house.registry();
    let in_force = registry.board_at(house.now()).map_or(1, |board| board.number());
    let after = match request.headers().get("last-event-id") {
        None => in_force.saturating_sub(1),
        Some(id) => id
            .to_str()
            .ok()
            .and_then(|id| id.parse().ok())
            .ok_or_else(|| Refusal::malformed("Last-Event-ID is the number of a board"))?,
    };
    let listener = Listener {
        changes: house.changes(),
        closing: gateway.closing(),
        house,
        after,
        begun: false,
        _place: place,
    };
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header(("cache-control", "no-store"))
        .streaming(events(listener)))
}

/// Somebody who listens.
struct Listener {
    house: ClearingHouse,
    changes: watch::Receiver<Arc<Registry>>,
    closing: watch::Receiver<bool>,
    /// The last board that was sent.
    after: u32,
    begun: bool,
    _place: OwnedSemaphorePermit,
}

fn events(listener: Listener) -> impl Stream<Item = Result<Bytes, Error>> {
    stream::unfold(listener, |mut listener| async move {
        let piece = listener.next().await?;
        Some((Ok(piece), listener))
    })
}

impl Listener {
    /// What is to be sent next; nothing when the gateway closes, or the books cannot be read: the
    /// client comes back with what it has seen.
    async fn next(&mut self) -> Option<Bytes> {
        if !std::mem::replace(&mut self.begun, true) {
            return Some(Bytes::from_static(b": boards as they are published\n\n"));
        }
        loop {
            let last = self.changes.borrow_and_update().last_board().map_or(0, |b| b.number());
            if last > self.after {
                let boards = self.house.boards_after(self.after, CATCH_UP).await.ok()?;
                self.after = boards.last()?.board.board;
                return Some(Bytes::from(boards.iter().map(event).collect::<String>()));
            }
            tokio::select! {
                changed = self.changes.changed() => changed.ok()?,
                _ = self.closing.wait_for(|closing| *closing) => return None,
                () = rt::time::sleep(SIGN_OF_LIFE) => {
                    return Some(Bytes::from_static(b":\n\n"));
                }
            }
        }
    }
}

fn event(published: &PublishedBoard) -> String {
    let PublishedBoard { board, jws, .. } = published;
    let (number, effective_at) = (board.board, board.effective_at);
    format!(
        "event: board\nid: {number}\n\
         data: {{\"board\":{number},\"effective_at\":\"{effective_at}\",\"jws\":\"{jws}\"}}\n\n"
    )
}
