//! The caller's feed of events: page by page, or as they happen.
//!
//! Whoever follows loses nothing: the stream goes on where it stood after whatever broke it, and an
//! event that is not the next one of the feed is an error, not an event.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use alliance_contracts::event::{Event, EventCursor, EventPage};
use futures_core::Stream;
use futures_util::stream;

use super::error::{DecodeError, Error};
use super::listening::{From, Listening};
use super::sse::ServerSent;
use super::{Call, Client};

const ROUTE: &str = "/v1/events";

impl Client {
    /// A page of the caller's events, oldest first: those after `after`, or from the first on;
    /// `limit` at most, and never more than 1,000. Keep the page's `next_after` with what was made
    /// of its events, in one transaction: then every event counts exactly once.
    ///
    /// ```no_run
    /// # use alliance_partner_sdk::Client;
    /// # async fn f(client: Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut after = None;
    /// loop {
    ///     let page = client.events(after.as_ref(), 100).await?;
    ///     for event in &page.items {
    ///         println!("{} {} {}", event.sequence, event.r#type.as_str(), event.subject);
    ///     }
    ///     after = Some(page.next_after);
    ///     if !page.more {
    ///         break;
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    pub fn events(&self, after: Option<&EventCursor>, limit: u32) -> Call<EventPage> {
        let target = match after {
            Some(after) => format!("{ROUTE}?after={after}&limit={limit}"),
            None => format!("{ROUTE}?limit={limit}"),
        };
        Call::get(self, ROUTE, target)
    }

    /// The caller's events as they happen, from the one after `after` on, or from the first.
    ///
    /// What breaks the connection is waited out, as [`RetryPolicy`](super::RetryPolicy) says, for
    /// as long as it takes; the stream ends with an error where asking again would not help. A
    /// stream's answers are not signed: what an event says of a receipt can be verified by
    /// [`Client::receipt`], and pages of [`Client::events`] are signed where the client asks for
    /// that.
    ///
    /// ```no_run
    /// use futures_util::TryStreamExt;
    /// # use alliance_partner_sdk::Client;
    /// # async fn f(client: Client) -> Result<(), Box<dyn std::error::Error>> {
    /// # let kept = None;
    /// let mut events = client.follow_events(kept);
    /// while let Some(followed) = events.try_next().await? {
    ///     println!("{}", followed.event.r#type.as_str());
    ///     // Keep `followed.cursor`: the next process goes on there.
    /// }
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn follow_events(&self, after: Option<EventCursor>) -> EventStream {
        // Without a cursor the feed's first event is the next one; after one, its number is told
        // by the first event that comes.
        let next = after.is_none().then_some(1);
        let following = Following { listening: Listening::new(self.clone(), ROUTE), after, next };
        EventStream(Box::pin(stream::try_unfold(following, Following::next)))
    }
}

/// An event, and where to go on after it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FollowedEvent {
    /// The place after it.
    pub cursor: EventCursor,
    /// The event.
    pub event: Event,
}

/// Events as they happen: see [`Client::follow_events`].
pub struct EventStream(Pin<Box<dyn Stream<Item = Result<FollowedEvent, Error>> + Send>>);

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").finish_non_exhaustive()
    }
}

impl Stream for EventStream {
    type Item = Result<FollowedEvent, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(context)
    }
}

struct Following {
    listening: Listening,
    /// The place after the last event that was handed out.
    after: Option<EventCursor>,
    /// The number of the next event, where it is known.
    next: Option<u64>,
}

impl Following {
    async fn next(mut self) -> Result<Option<(FollowedEvent, Self)>, Error> {
        let after = &self.after;
        // In the query: the cursor is asked for as in `Client::events`.
        let from = || From {
            target: match after {
                Some(after) => format!("{ROUTE}?after={after}"),
                None => ROUTE.to_owned(),
            },
            last_event_id: None,
        };
        let sent = self.listening.next(from).await?;
        let followed = self.take(&sent)?;
        Ok(Some((followed, self)))
    }

    fn take(&mut self, sent: &ServerSent) -> Result<FollowedEvent, Error> {
        let fault = |source| Error::Decode { status: 200, source };
        let form = |what| fault(DecodeError::Form(what));
        let event: Event =
            serde_json::from_str(&sent.data).map_err(|source| fault(source.into()))?;
        let number = event.number().ok_or_else(|| form("an event's sequence is no number"))?;
        if self.next.is_some_and(|next| next != number) {
            return Err(form("an event is not the next one of the feed"));
        }
        let cursor = sent.id.as_deref().and_then(|id| id.parse::<EventCursor>().ok());
        let cursor = cursor.ok_or_else(|| form("an event has no cursor"))?;
        self.next = Some(number.saturating_add(1));
        self.after = Some(cursor.clone());
        self.listening.went_well();
        Ok(FollowedEvent { cursor, event })
    }
}
