//! Consents to be debited: each as its source has signed it; every order in another's name is under
//! one that allows it, by its receipt; and what is counted is what was ordered, within the limits.
//!
//! Which day an order was counted on is known within bounds: it is that of its own time or, where
//! another gateway's clock was ahead, the next.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use alliance_contracts::campaign::day_of;
use alliance_contracts::encoding::Hash;
use alliance_contracts::ids::ConsentId;
use alliance_contracts::jws;
use alliance_contracts::quote::TransactionKind;
use alliance_contracts::receipt::Receipt;
use alliance_contracts::time::Timestamp;

use super::{Auditor, Placed};
use crate::alliance::{ConsentRecord, ConsentSpent, Registry};

/// How far two gateways' clocks may be apart: who is further behind the books serves nobody.
const APART: i64 = 60_000;

/// Everything that is known of consents so far.
#[derive(Default)]
pub(super) struct Consents {
    /// By the digest that receipts name them by.
    known: HashMap<Hash, Known>,
    /// What the books count, by consent.
    counted: BTreeMap<ConsentId, ConsentSpent>,
    /// Consents that both partners were told of, and those that they were told the end of.
    granted: BTreeSet<String>,
    revoked: BTreeSet<String>,
}

struct Known {
    record: Arc<ConsentRecord>,
    days: Sums,
    months: Sums,
}

/// What was ordered in each interval: surely, and at most.
#[derive(Default)]
struct Sums(BTreeMap<i64, (i128, i128)>);

impl Sums {
    fn add(&mut self, at: Timestamp, number: fn(Timestamp) -> i64, gross: i128) {
        let (now, ahead) = (number(at), number(Timestamp::from_millis(at.as_millis() + APART)));
        self.0.entry(now).or_default().1 += gross;
        if now == ahead {
            self.0.entry(now).or_default().0 += gross;
        } else {
            self.0.entry(ahead).or_default().1 += gross;
        }
    }

    fn at(&self, number: i64) -> (i128, i128) {
        self.0.get(&number).copied().unwrap_or_default()
    }

    /// The last interval in which anything surely was.
    fn last(&self) -> Option<i64> {
        self.0.iter().rev().find(|(_, (least, _))| *least > 0).map(|(number, _)| *number)
    }
}

impl Auditor<'_> {
    /// A consent as the books have it; all of them before the receipts.
    pub fn consent(&mut self, record: &Arc<ConsentRecord>, registry: &Registry) {
        let place = format!("consent {}", record.id);
        let consent = &record.consent;
        if consent.alliance != registry.definition.alliance {
            self.find(&place, format!("is one of the alliance {}", consent.alliance));
        }
        let verified = jws::parse(&record.jws()).map_err(|error| error.to_string());
        let verified = verified.and_then(|signed| {
            let verified = consent.verify_signature(&signed, registry, record.granted_at);
            verified.map_err(|error| error.to_string())
        });
        if let Err(finding) = verified {
            self.find(&place, finding);
        }
        if record
            .revoked_at
            .is_some_and(|at| at.as_millis() + APART < record.granted_at.as_millis())
        {
            self.find(&place, "was revoked before it was given");
        }
        let known =
            Known { record: record.clone(), days: Sums::default(), months: Sums::default() };
        self.consents.known.insert(record.evidence().base, known);
    }

    /// Who ordered this and, where that is not its source, under which consent.
    pub(super) fn note_consent(&mut self, place: &str, receipt: &Receipt, placed: &Placed) {
        let forward =
            !matches!(receipt.kind, TransactionKind::Reversal | TransactionKind::Adjustment);
        let source = receipt.source.partner();
        let Some(caller) = receipt.evidence.first().map(|asked| &asked.partner) else { return };
        if !forward || caller == source {
            return;
        }
        let cited = receipt.evidence.get(1);
        let known = cited.and_then(|cited| self.consents.known.get_mut(&cited.base));
        let (Some(known), Some(settlement)) = (known, &receipt.settlement) else {
            let finding =
                format!("{caller} ordered it for {source} without a consent in the books");
            return self.find(place, finding);
        };
        let gross = i128::from(settlement.gross.micros());
        let (id, record) = (known.record.id, known.record.clone());
        let at = placed.decided_at.unwrap_or(receipt.completed_at);
        known.days.add(at, day_of, gross);
        known.months.add(at, Timestamp::month_number, gross);
        if cited != Some(&record.evidence()) {
            self.find(place, format!("has another signature under {id} than its source's"));
        }
        let consent = &record.consent;
        let parties = (&consent.source, &consent.target) == (source, receipt.target.partner())
            && consent.target == *caller;
        let early = at.as_millis() + APART < record.granted_at.as_millis();
        let late = record.revoked_at.is_some_and(|end| end.as_millis() + APART < at.as_millis());
        let beyond = gross > i128::from(consent.limits.order.micros());
        let covered = consent.covers(receipt.kind, receipt.source.program(), at);
        for (wrong, finding) in [
            (!parties, "is between others"),
            (early, "was given later"),
            (late, "was revoked before"),
            (!covered, "does not cover it"),
            (beyond, "allows less in one order"),
        ] {
            if wrong {
                self.find(place, format!("is under {id}, which {finding}"));
            }
        }
    }

    /// What the books count of a consent.
    pub fn consent_spent(&mut self, spent: &ConsentSpent) {
        self.consents.counted.insert(spent.consent, *spent);
    }

    /// Both were told that a consent was given, or that it has ended.
    pub(super) fn told_of_consent(&mut self, id: &str, ended: bool) {
        let Consents { granted, revoked, .. } = &mut self.consents;
        if ended { revoked } else { granted }.insert(id.to_owned());
    }

    /// After all receipts, pending transactions, events and counts.
    pub(super) fn finish_consents(&mut self) {
        let Consents { known, mut counted, mut granted, mut revoked } =
            std::mem::take(&mut self.consents);
        let mut known: Vec<Known> = known.into_values().collect();
        known.sort_unstable_by_key(|known| known.record.id);
        for Known { record, days, months } in known {
            let id = record.id.to_string();
            let place = format!("consent {id}");
            granted.remove(&id);
            if revoked.remove(&id) != record.revoked_at.is_some() {
                let says = if record.revoked_at.is_some() { "revoked" } else { "in force" };
                self.find(&place, format!("is {says}, its partners were told otherwise"));
            }
            let spent = counted.remove(&record.id);
            let limits = &record.consent.limits;
            let spent_days = spent.map(|spent| (spent.day, spent.in_day));
            let spent_months = spent.map(|spent| (spent.month, spent.in_month));
            self.interval(&place, "day", &days, spent_days, limits.day.micros());
            self.interval(&place, "month", &months, spent_months, limits.month.micros());
        }
        for id in granted.into_iter().chain(revoked) {
            self.find(format!("consent {id}"), "was told of, and is not in the books");
        }
        for id in counted.into_keys() {
            self.find(format!("consent {id}"), "is counted, and is not in the books");
        }
    }

    /// What was ordered by day or by month, against what is counted and what is allowed.
    fn interval(
        &mut self,
        place: &str,
        what: &str,
        sums: &Sums,
        counted: Option<(i64, i64)>,
        limit: i64,
    ) {
        for (number, (least, _)) in &sums.0 {
            if *least > i128::from(limit) {
                let finding = format!("allows {limit} micros a {what}, {least} were in {number}");
                self.find(place, finding);
            }
        }
        let last = sums.last();
        let (number, counted) = match counted {
            Some((number, counted)) if last.is_none_or(|last| last <= number) => (number, counted),
            None if last.is_none() => return,
            _ => return self.find(place, format!("does not count the last {what} of its orders")),
        };
        let (least, most) = sums.at(number);
        if !(least..=most).contains(&i128::from(counted)) {
            let orders = format!("its orders come to {least} to {most}");
            self.find(place, format!("counts {counted} micros in {what} {number}, {orders}"));
        }
    }
}
