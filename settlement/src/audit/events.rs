//! Every partner's events: numbered without a gap, and every receipt of its corridors told once, in
//! the chain's order.

use std::collections::BTreeMap;

use alliance_contracts::event::EventType;
use alliance_contracts::names::{Corridor, PartnerId};
use alliance_contracts::time::Timestamp;

use super::Auditor;
use crate::events::{self, EventRow};

/// The feed of events being read.
pub(super) struct Feed {
    partner: PartnerId,
    /// When its first event was.
    since: Timestamp,
    last: u64,
    /// The last receipt that it tells of, by chain.
    told: BTreeMap<Corridor, u64>,
}

impl Auditor<'_> {
    /// The next row of a partner's feed.
    pub fn events(&mut self, partner: &PartnerId, row: &EventRow) {
        let mut feed = match self.feed.take() {
            Some(feed) if feed.partner == *partner => feed,
            _ => Feed { partner: partner.clone(), since: row.at, last: 0, told: BTreeMap::new() },
        };
        let place = |number: u64| format!("event {partner} {number}");
        match events::places(std::slice::from_ref(row), feed.last, row.last) {
            Err(fault) => self.find(place(row.first), fault.to_string()),
            Ok(places) => {
                for (r#type, subject) in places.iter().filter_map(events::Place::told) {
                    match r#type {
                        EventType::ConsentGranted => self.told_of_consent(subject, false),
                        EventType::ConsentRevoked => self.told_of_consent(subject, true),
                        EventType::MemberForgotten => self.told_of_erasure(subject),
                        _ => {}
                    }
                }
                for told in places.iter().filter(|place| place.is_completion()) {
                    let Some((corridor, seq)) = told.receipt() else { continue };
                    let follows = match feed.told.insert(corridor.clone(), seq) {
                        Some(last) => last + 1 == seq,
                        None => self.is_older(corridor, seq - 1, feed.since),
                    };
                    if !follows {
                        let finding = format!("receipt {seq} of {corridor} does not follow");
                        self.find(place(told.number), finding);
                    }
                }
            }
        }
        feed.last = row.last;
        self.feed = Some(feed);
    }

    /// The end of a partner's feed; `heads` are the ends of its chains.
    pub fn end_of_events<'h>(
        &mut self,
        partner: &PartnerId,
        heads: impl Iterator<Item = (&'h Corridor, u64)>,
    ) {
        // Every partner is told of the first board: one without events has none yet.
        let Some(feed) = self.feed.take().filter(|feed| feed.partner == *partner) else { return };
        for (corridor, seq) in heads {
            let last = feed.told.get(corridor).copied();
            if last != Some(seq) && !(last.is_none() && self.is_older(corridor, seq, feed.since)) {
                let last = last.unwrap_or(0);
                let finding = format!("{corridor} has {seq} receipts, its events end at {last}");
                self.find(format!("events of {partner}"), finding);
            }
        }
    }

    /// Whether a chain's receipts up to this one are older than a feed: a database that was there
    /// before it had events tells of no receipt of before.
    fn is_older(&self, corridor: &Corridor, seq: u64, since: Timestamp) -> bool {
        let times = self.completed.get(corridor);
        let at = usize::try_from(seq).ok().and_then(|seq| seq.checked_sub(1));
        at.is_none_or(|at| times.and_then(|times| times.get(at)).is_some_and(|t| *t < since))
    }
}
