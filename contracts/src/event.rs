//! Events: what has happened, told to each partner that it concerns (protocol § 7).
//!
//! | what | where |
//! | --- | --- |
//! | the envelope (CloudEvents 1.0, structured JSON), the types, a page of a feed | here |
//! | what each type says | `data` |
//! | a place in a feed, and an event's id | `place` |
//!
//! A partner has one feed. Its events are numbered from 1, without a gap, in an order that never
//! changes, and an event that was read once is the same for ever. Bodies hold pseudonyms and ids,
//! never a member's reference.
//!
//! Out of scope: who is told what. The ledger decides that, in the commit that makes it so.

mod data;
mod place;

use serde::de::{DeserializeOwned, Deserializer};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::ids::EventId;
use crate::names::AllianceId;
pub use crate::names::EventCursor;
use crate::time::Timestamp;

pub use data::{
    AgreementEvent, BoardEvent, CampaignEvent, ConsentEvent, EndpointEvent, LinkEvent,
    LinkEventSide, MemberEvent, OverrideEvent, PairEvent, PartnerEvent, StatementEvent,
    TransactionEvent,
};
pub use place::event_id;

/// The version of CloudEvents that events are told in.
pub const SPEC_VERSION: &str = "1.0";
/// The media type of an event's `data`.
pub const DATA_CONTENT_TYPE: &str = "application/json";
/// Events of a page at most.
pub const MAX_EVENTS_PER_PAGE: u32 = 1_000;

macro_rules! event_types {
    ($($(#[$doc:meta])* $variant:ident $text:literal;)*) => {
        /// What has happened. Adding one is a line here.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum EventType {
            $($(#[$doc])* $variant,)*
            /// One that this version does not know: pass over it. A gateway never makes one.
            Other(Box<str>),
        }

        impl EventType {
            /// All that this version knows.
            pub const KNOWN: &[Self] = &[$(Self::$variant),*];

            /// As it stands on the wire and in the database.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other(text) => text,
                }
            }

            /// The type of this name, where this version knows it.
            ///
            /// ```
            /// use alliance_contracts::event::EventType;
            /// assert_eq!(EventType::known("link.active"), Some(EventType::LinkActive));
            /// assert_eq!(EventType::known("link.dreamt"), None);
            /// ```
            #[must_use]
            pub fn known(text: &str) -> Option<Self> {
                match text {
                    $($text => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

event_types! {
    /// An order was accepted, and a connected brand has still to answer.
    TransactionPending "transaction.pending";
    /// A transaction is done; its receipt is in the chain.
    TransactionCompleted "transaction.completed";
    /// A transaction ended without effect.
    TransactionFailed "transaction.failed";
    /// Part of a transaction was turned round.
    TransactionPartiallyReversed "transaction.partially_reversed";
    /// All of a transaction was turned round.
    TransactionReversed "transaction.reversed";
    /// One partner has said that two accounts are one person's.
    LinkProposed "link.proposed";
    /// Both have said so.
    LinkActive "link.active";
    /// A link was taken back.
    LinkRevoked "link.revoked";
    /// A partner lets another order in its name.
    ConsentGranted "consent.granted";
    /// It does so no more.
    ConsentRevoked "consent.revoked";
    /// A member of the partner's own was forgotten.
    MemberForgotten "member.forgotten";
    /// A board was published; it may take effect later.
    BoardPublished "board.published";
    /// A direction of a pair takes no orders.
    PairFrozen "pair.frozen";
    /// It takes orders again.
    PairReleased "pair.released";
    /// What an agreement adds in one direction does not hold on a board: somebody could gain by it.
    OverrideSuspended "override.suspended";
    /// It holds again, or is not asked for any more.
    OverrideRestored "override.restored";
    /// A partner has signed a version of an agreement; the other has still to countersign.
    AgreementProposed "agreement.proposed";
    /// Both have signed it.
    AgreementActive "agreement.active";
    /// It was taken back, or declined.
    AgreementWithdrawn "agreement.withdrawn";
    /// A campaign was approved, and adds points from its `from` on.
    CampaignApproved "campaign.approved";
    /// A campaign's budget has come to a warning level.
    CampaignWarned "campaign.warned";
    /// A campaign has stopped by itself, at its red line.
    CampaignExhausted "campaign.exhausted";
    /// An operator has stopped a campaign.
    CampaignStopped "campaign.stopped";
    /// An endpoint of the partner's own answered that it wants nothing more: it is sent nothing.
    EndpointGone "endpoint.gone";
    /// A settlement window takes no more receipts; the next one is open.
    WindowClosed "window.closed";
    /// It is known what everybody pays and is paid for a window.
    WindowNetted "window.netted";
    /// Banks were told to pay what a window comes to.
    WindowSettling "window.settling";
    /// All of it was paid, or there was nothing to pay.
    WindowSettled "window.settled";
    /// A window is not settled by itself: its obligations are the next one's.
    WindowAborted "window.aborted";
    /// A window was netted: the partner's own statement of it is there.
    StatementIssued "statement.issued";
    /// A partner may not trade.
    PartnerSuspended "partner.suspended";
    /// It may trade again.
    PartnerReinstated "partner.reinstated";
}

impl Serialize for EventType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for EventType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Ok(Self::known(&text).unwrap_or_else(|| Self::Other(text.into())))
    }
}

/// One event: CloudEvents 1.0 in structured JSON; JCS order.
///
/// ```
/// use alliance_contracts::event::{Event, EventType, PartnerEvent};
/// let text = r#"{"data":{"partner":"aurora-air"},"datacontenttype":"application/json",
///     "id":"evt_01h455vb4pex5vsknk084sn02q","sequence":"0000000000000007",
///     "source":"/alliances/demo","specversion":"1.0","subject":"aurora-air",
///     "time":"2026-11-23T04:05:06.789Z","type":"partner.suspended"}"#;
/// let event: Event = serde_json::from_str(text)?;
/// assert_eq!(event.r#type, EventType::PartnerSuspended);
/// assert_eq!(event.data::<PartnerEvent>()?.partner.as_str(), "aurora-air");
/// assert_eq!(event.number(), Some(7));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// What it says, by its type: read it with [`Event::data`].
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub data: Box<RawValue>,
    /// Always `application/json`.
    pub datacontenttype: String,
    /// Its id, the same however often and by whatever way it arrives.
    pub id: EventId,
    /// Its number in the feed, from 1, as 16 digits, so that texts compare as numbers do.
    pub sequence: String,
    /// Where it comes from: `/alliances/<alliance>`.
    pub source: String,
    /// Always `1.0`.
    pub specversion: String,
    /// What it is about. Events of one subject arrive in their order, by whatever way.
    pub subject: String,
    /// Whether somebody fired it to try things out: nothing has happened. Left out where not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub test: bool,
    /// When it happened.
    pub time: Timestamp,
    /// What has happened.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub r#type: EventType,
}

impl Event {
    /// What it says.
    ///
    /// # Errors
    /// Where the type says something else: see [`EventType`].
    pub fn data<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.data.get())
    }

    /// Its number in the feed.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        self.sequence.parse().ok()
    }

    /// An event of an alliance.
    #[must_use]
    pub fn new(
        alliance: &AllianceId,
        id: EventId,
        number: u64,
        time: Timestamp,
        told: Told,
    ) -> Self {
        Self {
            data: told.data,
            datacontenttype: DATA_CONTENT_TYPE.to_owned(),
            id,
            sequence: crate::endpoint::sequence(number),
            source: format!("/alliances/{alliance}"),
            specversion: SPEC_VERSION.to_owned(),
            subject: told.subject,
            test: told.test,
            time,
            r#type: told.r#type,
        }
    }
}

/// What an event says, before it has its place in a feed.
#[derive(Clone, Debug)]
pub struct Told {
    /// What has happened.
    pub r#type: EventType,
    /// What it is about.
    pub subject: String,
    /// What there is to say.
    pub data: Box<RawValue>,
    /// Whether nothing has happened.
    pub test: bool,
}

/// Answer of `GET /v1/events`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EventPage {
    /// The events on this page, in their order.
    pub items: Vec<Event>,
    /// Whether there are more after them now.
    pub more: bool,
    /// Ask for `after` this to go on. Of an empty page, the place that was asked for.
    pub next_after: EventCursor,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_read_as_it_is_written_and_another_is_kept() {
        for known in EventType::KNOWN {
            assert_eq!(EventType::known(known.as_str()).as_ref(), Some(known));
        }
        let other: EventType = serde_json::from_str("\"weather.changed\"").unwrap();
        assert_eq!(other, EventType::Other("weather.changed".into()));
        assert_eq!(serde_json::to_string(&other).unwrap(), "\"weather.changed\"");
    }

    #[test]
    fn numbers_compare_as_texts() {
        let told = || Told {
            r#type: EventType::LinkActive,
            subject: "s".to_owned(),
            data: RawValue::from_string("{}".to_owned()).unwrap(),
            test: false,
        };
        let id = EventId::from_u128(0);
        let sequence = |number| {
            let time = Timestamp::from_millis(0);
            Event::new(&"demo".parse().unwrap(), id, number, time, told()).sequence
        };
        assert!(sequence(9) < sequence(10) && sequence(999_999) < sequence(1_000_000));
    }

    #[test]
    fn an_event_is_written_in_jcs_order() {
        let told = Told {
            r#type: EventType::LinkActive,
            subject: "s".to_owned(),
            data: RawValue::from_string("{\"a\":1}".to_owned()).unwrap(),
            test: true,
        };
        let id = "evt_01h455vb4pex5vsknk084sn02q".parse().unwrap();
        let time = Timestamp::from_millis(0);
        let event = Event::new(&"demo".parse().unwrap(), id, 7, time, told);
        let text = serde_json::to_vec(&event).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(text, serde_json_canonicalizer::to_vec(&value).unwrap());
    }
}
