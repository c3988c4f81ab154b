//! Endpoints: where a partner's events are pushed to as webhooks, and what became of each.
//!
//! An endpoint has a place in its partner's feed: every event up to it has been taken up, in the
//! feed's order. One that was taken up is delivered, waits for its next attempt, or is dead: it can
//! be sent again by hand. How a webhook is signed is [`crate::webhook`]'s to say.

use serde::{Deserialize, Serialize};

use crate::event::{EventCursor, EventType};
use crate::ids::{EndpointId, EventId};
use crate::time::Timestamp;

/// Endpoints of one partner at most.
pub const MAX_ENDPOINTS: usize = 10;
/// How long two secrets hold side by side at most, in seconds: a week.
pub const MAX_OVERLAP_SECONDS: u32 = 7 * 86_400;
/// How long they do where nobody says how long: a day.
pub const OVERLAP_SECONDS: u32 = 86_400;
/// Deliveries of a page at most.
pub const MAX_DELIVERIES_PER_PAGE: u32 = 100;

/// Whether an endpoint is sent anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum EndpointState {
    /// It is.
    Active,
    /// Its partner has paused it: events wait in the feed.
    Paused,
    /// It answered `410`: it wants nothing more, until its partner activates it again.
    Gone,
}

impl EndpointState {
    /// As it stands on the wire and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Gone => "gone",
        }
    }

    /// The state of a stored text.
    #[must_use]
    pub fn from_stored(text: &str) -> Option<Self> {
        [Self::Active, Self::Paused, Self::Gone].into_iter().find(|one| one.as_str() == text)
    }
}

/// What has become of one event at one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It is still to be sent, or sent again.
    Waiting,
    /// The endpoint has answered that it has it.
    Delivered,
    /// All attempts have failed; it is not tried any more unless it is sent again by hand.
    Dead,
}

impl DeliveryState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Delivered, Self::Dead];

    /// As it stands on the wire and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }

    /// The state of a stored text.
    #[must_use]
    pub fn from_stored(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }
}

/// The text is no state of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a delivery is waiting, delivered or dead")]
pub struct DeliveryStateError;

impl std::str::FromStr for DeliveryState {
    type Err = DeliveryStateError;

    fn from_str(text: &str) -> Result<Self, DeliveryStateError> {
        Self::from_stored(text).ok_or(DeliveryStateError)
    }
}

/// `POST /v1/webhooks`: a new endpoint. It is sent what happens from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct EndpointRequest {
    /// Which types of events it is sent; left out or empty: all, those of later versions too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub types: Vec<EventType>,
    /// Where it is: an `https` address of the public internet.
    pub url: String,
}

/// `POST /v1/webhooks/{id}`: what is to be another; what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct EndpointChangeRequest {
    /// `true` activates it: it goes on where it stood, so that nothing is lost. `false` pauses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// Which types of events it is sent from now on; empty: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<String>>))]
    pub types: Option<Vec<EventType>>,
    /// Where it is from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// `POST /v1/webhooks/{id}/secret`: a new secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewSecretRequest {
    /// How long the old one signs beside it, in seconds: 0 to a week; a day where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap_seconds: Option<u32>,
}

/// `POST /v1/webhooks/{id}/resend`: one event again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ResendRequest {
    /// Its `sequence`.
    pub sequence: String,
}

/// `POST /v1/webhooks/{id}/replay`: everything from a place of the feed on, again or for once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ReplayRequest {
    /// The place: `next_after` of a page, `id` of a stream; none: from the first event on.
    pub after: Option<EventCursor>,
}

/// An endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Endpoint {
    /// When it was made.
    pub created_at: Timestamp,
    /// Its id.
    pub id: EndpointId,
    /// Until when the secret before this one signs, too; none: it has ended.
    pub old_secret_until: Option<Timestamp>,
    /// Whether it is sent anything.
    pub state: EndpointState,
    /// Its place in the feed: every event up to here has been taken up.
    pub taken_up: EventCursor,
    /// Which types of events it is sent; empty: all.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub types: Vec<EventType>,
    /// Where it is.
    pub url: String,
}

/// An endpoint with its secret: the answer that makes one, or gives it a new one.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EndpointWithSecret {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// `whsec_…`: webhooks are signed under it (`v1`). Keep it, and tell nobody.
    pub secret: String,
}

impl std::fmt::Debug for EndpointWithSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EndpointWithSecret")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// Answer of `GET /v1/webhooks`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Endpoints {
    /// The caller's endpoints, by id.
    pub items: Vec<Endpoint>,
}

/// What has become of an event at an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Delivery {
    /// How often it has been sent.
    pub attempts: u32,
    /// When it is sent next; none where it is not, or waits for an earlier event of its subject.
    pub due_at: Option<Timestamp>,
    /// The event.
    pub event: EventId,
    /// When it was sent last.
    pub last_at: Option<Timestamp>,
    /// The HTTP status of the last answer; none where none came.
    pub last_status: Option<u16>,
    /// The event's number in the feed, as 16 digits.
    pub sequence: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// What the event is about.
    pub subject: String,
    /// What has happened.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub r#type: EventType,
}

/// Answer of `GET /v1/webhooks/{id}/deliveries`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Deliveries {
    /// The deliveries on this page, by `sequence`.
    pub items: Vec<Delivery>,
    /// Whether there are more.
    pub more: bool,
    /// Ask for `after` this to go on; none of an empty page.
    pub next_after: Option<String>,
}

/// One attempt to deliver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeliveryAttempt {
    /// Which: 1 is the first that was ever made.
    pub attempt: u32,
    /// When it was made.
    pub at: Timestamp,
    /// What the endpoint said, its beginning; or why there was no answer.
    pub said: String,
    /// The HTTP status; none where no whole answer came.
    pub status: Option<u16>,
    /// How long it took, in milliseconds.
    pub took_millis: i64,
}

/// Answer of `GET /v1/webhooks/{id}/deliveries/{sequence}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeliveryLog {
    /// The delivery.
    pub delivery: Delivery,
    /// Every attempt, the first one first.
    pub log: Vec<DeliveryAttempt>,
}

/// An event's number as it stands in `sequence`.
#[must_use]
pub fn sequence(number: u64) -> String {
    format!("{number:016}")
}

/// The number of a `sequence`; leading zeros may be left out.
///
/// ```
/// use alliance_contracts::endpoint::{number_of, sequence};
/// assert_eq!(number_of(&sequence(42)), Some(42));
/// assert_eq!((number_of("42"), number_of("0"), number_of("x")), (Some(42), None, None));
/// ```
#[must_use]
pub fn number_of(sequence: &str) -> Option<u64> {
    let digits = (1..=16).contains(&sequence.len()) && sequence.bytes().all(|b| b.is_ascii_digit());
    sequence.parse().ok().filter(|number| digits && *number > 0)
}
