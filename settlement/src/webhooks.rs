//! Pushing events to partners: what is kept of it, and what decides, without doing it.
//!
//! | step | durable |
//! | --- | --- |
//! | an endpoint is taken up | before anything is sent: until when it is one gateway's alone |
//! | its events are sent | nothing: what is lost here is sent again |
//! | what came of it | every attempt, what waits, and the endpoint's place in the feed, in one commit |
//!
//! The feed is the queue: an endpoint's place in it moves on as events are taken up. What was taken
//! up and not delivered waits in a row of its own, so that an event that fails holds up only those
//! of its subject: of each subject the first that waits has a time, the others wait behind it.

pub mod round;
pub mod schedule;

use alliance_contracts::endpoint::{DeliveryState, EndpointState};
use alliance_contracts::event::EventType;
use alliance_contracts::ids::{EndpointId, EventId};
use alliance_contracts::keys::Kid;
use alliance_contracts::names::PartnerId;
use alliance_contracts::time::Timestamp;

/// How long an endpoint is a gateway's alone from when it is taken up, and from every report on.
/// Longer than the longest round: what is sent must be known before another sends it.
pub const LEASE_SECONDS: i64 = 30;
/// Events that may wait at one endpoint: beyond, they are left in the feed.
pub const MAX_WAITING: u32 = 1_000;
/// Of what an endpoint says so much is kept, in bytes.
pub const MAX_SAID_BYTES: usize = 500;
/// What an endpoint's secret is wrapped for.
pub const SECRET_PURPOSE: &str = "webhook-secret";

/// Whether an endpoint is sent anything, or is gone for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is there.
    There(EndpointState),
    /// Its partner has removed it.
    Removed,
}

impl Standing {
    /// As it stands in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::There(state) => state.as_str(),
            Self::Removed => "removed",
        }
    }

    /// The standing of a stored text.
    #[must_use]
    pub fn from_stored(text: &str) -> Option<Self> {
        match text {
            "removed" => Some(Self::Removed),
            other => EndpointState::from_stored(other).map(Self::There),
        }
    }
}

/// A secret that is being replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldSecret {
    /// The secret, wrapped.
    pub wrapped: Vec<u8>,
    /// Until when it signs, too.
    pub until: Timestamp,
}

/// An endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointRecord {
    /// Its id.
    pub id: EndpointId,
    /// Whose it is.
    pub partner: PartnerId,
    /// Where it is.
    pub url: String,
    /// Which types of events it is sent; empty: all.
    pub types: Vec<EventType>,
    /// Whether it is sent anything.
    pub standing: Standing,
    /// Its secret, wrapped.
    pub secret: Vec<u8>,
    /// The one before, while both sign.
    pub old_secret: Option<OldSecret>,
    /// Every event of its partner's feed up to this number has been taken up.
    pub taken_up: u64,
    /// Until when it is a gateway's alone, or rests.
    pub leased_until: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
    /// The key that changed it last.
    pub changed_by: Kid,
}

impl EndpointRecord {
    /// Whether it is sent anything.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.standing == Standing::There(EndpointState::Active)
    }

    /// Whether it is sent events of this type.
    #[must_use]
    pub fn wants(&self, kind: &EventType) -> bool {
        self.types.is_empty() || self.types.contains(kind)
    }

    /// The secrets that sign then, wrapped, the newest first.
    pub fn secrets(&self, now: Timestamp) -> impl Iterator<Item = &[u8]> {
        let old = self.old_secret.as_ref().filter(|old| now < old.until);
        [Some(&self.secret[..]), old.map(|old| &old.wrapped[..])].into_iter().flatten()
    }
}

/// An endpoint, and whether there is anything to do for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointView {
    /// The endpoint.
    pub record: EndpointRecord,
    /// When the first of what waits is due.
    pub due_at: Option<Timestamp>,
    /// The number of the last event of its partner's feed.
    pub last_event: u64,
}

impl EndpointView {
    /// Whether a gateway may take it up now, and finds anything to do.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        let something =
            self.due_at.is_some_and(|due| due <= now) || self.last_event > self.record.taken_up;
        self.record.is_active() && self.record.leased_until <= now && something
    }
}

/// An event, as far as its delivery has to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its number in the feed.
    pub number: u64,
    /// Its id.
    pub event: EventId,
    /// What it is about.
    pub subject: String,
    /// What has happened.
    pub r#type: EventType,
}

/// What has become of one event at one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryRecord {
    /// The endpoint.
    pub endpoint: EndpointId,
    /// The event.
    pub told: Told,
    /// Where it stands.
    pub state: DeliveryState,
    /// Attempts by the schedule, since it was taken up or sent again by hand.
    pub tried: u32,
    /// Attempts ever.
    pub attempts: u32,
    /// When it is sent next; none where an earlier event of its subject waits, and where it is
    /// sent no more.
    pub due_at: Option<Timestamp>,
    /// When it was sent last.
    pub last_at: Option<Timestamp>,
    /// The status of the last answer.
    pub last_status: Option<u16>,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptRecord {
    /// The endpoint.
    pub endpoint: EndpointId,
    /// The event's number in the feed.
    pub number: u64,
    /// Which attempt: 1 is the first that was ever made.
    pub attempt: u32,
    /// When.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub took_millis: i64,
    /// The status of the answer.
    pub status: Option<u16>,
    /// What was said, or why nothing was.
    pub said: String,
}

/// What came of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The event.
    pub told: Told,
    /// When it was sent.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub took_millis: i64,
    /// What it came to.
    pub came_to: schedule::Attempted,
    /// What was said, or why nothing was.
    pub said: String,
    /// Drawn at random, for the next wait.
    pub draw: u64,
}

/// What a gateway has done for an endpoint that it had taken up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The endpoint.
    pub endpoint: EndpointId,
    /// Whose it is.
    pub partner: PartnerId,
    /// Every event up to this number has been taken up.
    pub taken_up: u64,
    /// The place from which they were.
    pub from: u64,
    /// What was sent, in that order.
    pub attempts: Vec<Attempt>,
    /// What was not sent and waits: the event, and whether it is the first of its subject.
    pub waiting: Vec<(Told, bool)>,
    /// Whether the gateway goes on with it; else from when on anybody may.
    pub lease: Lease,
}

/// What becomes of the right to send to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lease {
    /// The same gateway goes on.
    Kept,
    /// Whoever finds something to do may, from then on.
    GivenBack(Timestamp),
}
