//! Events as they are kept, and as they are told (protocol § 7).
//!
//! A commit writes one row for each partner that it concerns: the numbers of its events in that
//! partner's feed, and a short entry for each. What completed has its receipt, which never changes,
//! so the entry only says where it stands, and many in a row are one entry. Everything else is kept
//! as it is told.
//!
//! | step | what |
//! | --- | --- |
//! | [`places`] | rows → what stands at each number asked for |
//! | [`Place::receipt`] | which receipts must be read for that |
//! | [`tell`] | a place, with its receipt → the event |

use alliance_contracts::decimal::Decimal;
use alliance_contracts::event::{Event, EventType, Told, TransactionEvent, event_id};
use alliance_contracts::json;
use alliance_contracts::names::{AllianceId, Corridor, PartnerId};
use alliance_contracts::receipt::{self, Receipt};
use alliance_contracts::time::Timestamp;
use alliance_contracts::transaction::{ReversedTotals, TransactionState};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Events of one row at most: who reads a page reads no more than so many beside it.
pub const MAX_EVENTS_PER_ROW: u64 = 1_000;
/// Bytes of entries after which a row is full.
pub const FULL_ROW_BYTES: usize = 64 << 10;

/// What a row says of one event, or of many.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Entry {
    /// Transactions that completed: of the receipts of a corridor so many, from this place on.
    Completed {
        /// The chain.
        corridor: Corridor,
        /// How many.
        count: u64,
        /// The first one's place.
        seq: u64,
    },
    /// A transaction that had completed before was turned round.
    Reversed {
        /// The chain of its receipt.
        corridor: Corridor,
        /// Its receipt's place.
        seq: u64,
        /// How much of its source has been turned round.
        source: Decimal,
        /// Where it stood then.
        state: TransactionState,
        /// How much of its target has been turned round.
        target: Decimal,
    },
    /// Anything else, as it is told.
    Told {
        /// What there is to say.
        data: Box<RawValue>,
        /// What it is about.
        subject: String,
        /// Whether nothing has happened.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        test: bool,
        /// What has happened.
        r#type: EventType,
    },
}

impl Entry {
    /// How many events it stands for.
    #[must_use]
    pub const fn count(&self) -> u64 {
        match self {
            Self::Completed { count, .. } => *count,
            _ => 1,
        }
    }
}

/// Events of one partner that one commit has made, numbered from the last of its feed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvents {
    /// Whose feed.
    pub partner: PartnerId,
    /// The first of them: 1 is the one after the last event of before.
    pub first: u64,
    /// The last of them.
    pub last: u64,
    /// When.
    pub at: Timestamp,
    /// A JSON array of [`Entry`].
    pub entries: String,
}

/// Events of one partner, as they are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// The number of the first.
    pub first: u64,
    /// The number of the last.
    pub last: u64,
    /// When.
    pub at: Timestamp,
    /// A JSON array of [`Entry`].
    pub entries: String,
}

/// Why rows cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventsFault {
    /// Entries that no version of this program writes.
    #[error("events {first} to {last} cannot be read: {detail}")]
    Unreadable {
        /// The first of the row.
        first: u64,
        /// The last of the row.
        last: u64,
        /// Why.
        detail: String,
    },
    /// A number is missing, or stands twice.
    #[error("the feed goes on with event {found}, where {expected} should be")]
    Gap {
        /// The number that should follow.
        expected: u64,
        /// The number that does.
        found: u64,
    },
    /// The receipt of an event is not there, or is another.
    #[error("event {number} is about receipt {seq} of {corridor}, which is not there")]
    NoReceipt {
        /// The event.
        number: u64,
        /// The chain.
        corridor: Corridor,
        /// The receipt's place.
        seq: u64,
    },
}

/// What stands at one number of a feed.
#[derive(Clone, Debug)]
pub struct Place {
    /// The number.
    pub number: u64,
    /// When it happened.
    pub at: Timestamp,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    /// By its receipt; and what of it was turned round, where anything was.
    Receipt(Corridor, u64, Option<(TransactionState, ReversedTotals)>),
    Told(Told),
}

impl Place {
    /// The receipt that must be read to tell it.
    #[must_use]
    pub const fn receipt(&self) -> Option<(&Corridor, u64)> {
        match &self.what {
            What::Receipt(corridor, seq, _) => Some((corridor, *seq)),
            What::Told(_) => None,
        }
    }

    /// The type and the subject of what has happened, where the row itself says it.
    #[must_use]
    pub fn told(&self) -> Option<(&EventType, &str)> {
        match &self.what {
            What::Told(told) if !told.test => Some((&told.r#type, &told.subject)),
            _ => None,
        }
    }

    /// Whether it tells of a transaction that has just completed.
    #[must_use]
    pub const fn is_completion(&self) -> bool {
        matches!(self.what, What::Receipt(_, _, None))
    }
}

/// What stands at the numbers above `after`, up to `to`; `rows` hold all of them that there are,
/// and may begin before.
///
/// # Errors
/// [`EventsFault::Unreadable`], [`EventsFault::Gap`].
pub fn places(rows: &[EventRow], after: u64, to: u64) -> Result<Vec<Place>, EventsFault> {
    let mut places = Vec::new();
    let mut expected = after.saturating_add(1);
    for row in rows {
        if row.first > expected || row.last < expected {
            return Err(EventsFault::Gap { expected, found: row.first });
        }
        let unreadable =
            |detail: String| EventsFault::Unreadable { first: row.first, last: row.last, detail };
        let entries: Vec<Entry> =
            serde_json::from_str(&row.entries).map_err(|error| unreadable(error.to_string()))?;
        let held = entries.iter().map(Entry::count).sum::<u64>();
        if held != row.last - row.first + 1 {
            return Err(unreadable(format!("{held} entries")));
        }
        let mut number = row.first;
        for entry in entries {
            let count = entry.count();
            let wanted = |number: &u64| *number > after && *number <= to;
            for (at, number) in (number..number + count).enumerate().filter(|(_, n)| wanted(n)) {
                places.push(Place { number, at: row.at, what: what(&entry, at) });
            }
            number += count;
        }
        expected = row.last + 1;
    }
    Ok(places)
}

/// What the entry says of its event at this position.
fn what(entry: &Entry, at: usize) -> What {
    match entry {
        Entry::Completed { corridor, seq, .. } => {
            What::Receipt(corridor.clone(), seq + u64::try_from(at).unwrap_or(0), None)
        }
        Entry::Reversed { corridor, seq, source, state, target } => {
            let totals = ReversedTotals { source: *source, target: *target };
            What::Receipt(corridor.clone(), *seq, Some((*state, totals)))
        }
        Entry::Told { data, subject, test, r#type } => What::Told(Told {
            r#type: r#type.clone(),
            subject: subject.clone(),
            data: data.clone(),
            test: *test,
        }),
    }
}

/// The event of a place; `payload` is that of [`Place::receipt`].
///
/// # Errors
/// [`EventsFault::NoReceipt`].
pub fn tell(
    alliance: &AllianceId,
    partner: &PartnerId,
    place: Place,
    payload: Option<&[u8]>,
) -> Result<Event, EventsFault> {
    let Place { number, at, what } = place;
    let told = match what {
        What::Told(told) => told,
        What::Receipt(corridor, seq, reversed) => {
            let found = payload.and_then(|payload| receipt::parse(payload).ok());
            let found = found.filter(|found| found.corridor == corridor && found.seq == seq);
            let Some(receipt) = found else {
                return Err(EventsFault::NoReceipt { number, corridor, seq });
            };
            of_receipt(receipt, reversed)
        }
    };
    let id = event_id(alliance, partner, number, at);
    Ok(Event::new(alliance, id, number, at, told))
}

/// What is told of a transaction that has a receipt.
fn of_receipt(receipt: Receipt, reversed: Option<(TransactionState, ReversedTotals)>) -> Told {
    let none = ReversedTotals { source: Decimal::ZERO, target: Decimal::ZERO };
    let (state, reversed) = reversed.unwrap_or((TransactionState::Completed, none));
    told(
        transaction_type(state),
        receipt.transaction.to_string(),
        &TransactionEvent {
            bonus: receipt.bonus,
            completed_at: Some(receipt.completed_at),
            corridor: receipt.corridor,
            expiry: receipt.expiry,
            id: receipt.transaction,
            kind: receipt.kind,
            quote: receipt.quote,
            rate: receipt.rate,
            receipt: Some(receipt.id),
            reversed,
            reverses: receipt.reverses,
            seq: Some(receipt.seq),
            settlement: receipt.settlement,
            source: receipt.source,
            state,
            target: receipt.target,
        },
    )
}

/// What is told of a transaction that has come to this state.
#[must_use]
pub const fn transaction_type(state: TransactionState) -> EventType {
    match state {
        TransactionState::Pending => EventType::TransactionPending,
        TransactionState::Completed => EventType::TransactionCompleted,
        TransactionState::Failed => EventType::TransactionFailed,
        TransactionState::PartiallyReversed => EventType::TransactionPartiallyReversed,
        TransactionState::Reversed => EventType::TransactionReversed,
    }
}

/// What is told, from what there is to say.
pub(crate) fn told<T: Serialize>(r#type: EventType, subject: String, data: &T) -> Told {
    let data = String::from_utf8(json::canonical(data)).ok();
    let data = data.and_then(|data| RawValue::from_string(data).ok());
    Told { r#type, subject, data: data.unwrap_or_default(), test: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(first: u64, last: u64, entries: &str) -> EventRow {
        let at = Timestamp::from_millis(1);
        EventRow { first, last, at, entries: entries.to_owned() }
    }

    fn seqs(places: &[Place]) -> Vec<(u64, u64)> {
        places.iter().filter_map(|p| Some((p.number, p.receipt()?.1))).collect()
    }

    #[test]
    fn many_that_completed_are_one_entry_and_any_part_of_it_can_be_asked_for() {
        let many = r#"[{"completed":{"corridor":"a1~b1","count":5,"seq":40}},
            {"told":{"data":{},"subject":"x","type":"link.active"}}]"#;
        let rows = [row(1, 6, many), row(7, 7, many)];
        let got = places(&rows[..1], 0, 9).unwrap();
        assert_eq!(seqs(&got), [(1, 40), (2, 41), (3, 42), (4, 43), (5, 44)]);
        assert_eq!((got.len(), got[5].number), (6, 6));
        assert_eq!(seqs(&places(&rows[..1], 2, 4).unwrap()), [(3, 42), (4, 43)]);
        assert!(places(&rows[..1], 5, 6).unwrap()[0].receipt().is_none());
        let error = places(&rows, 0, 9).unwrap_err();
        assert!(matches!(error, EventsFault::Unreadable { first: 7, .. }), "{error}");
    }

    #[test]
    fn a_gap_is_never_passed_over() {
        let one = r#"[{"told":{"data":{},"subject":"x","type":"link.active"}}]"#;
        let gap = |rows: &[EventRow], after| places(rows, after, 99).unwrap_err();
        let expected = EventsFault::Gap { expected: 2, found: 3 };
        assert_eq!(gap(&[row(1, 1, one), row(3, 3, one)], 0), expected);
        assert_eq!(gap(&[row(3, 3, one)], 1), expected);
        let twice = EventsFault::Gap { expected: 2, found: 1 };
        assert_eq!(gap(&[row(1, 1, one), row(1, 1, one)], 0), twice);
    }
}
