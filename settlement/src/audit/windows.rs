//! Settlement windows: every receipt in the one window that its range says, ranges without a gap,
//! every line what the receipts come to, every column zero, each opening what was carried.

use std::collections::{BTreeMap, VecDeque};

use alliance_contracts::encoding::Hash;
use alliance_contracts::ids::WindowId;
use alliance_contracts::names::{ALLIANCE_PARTY, Party};
use alliance_contracts::receipt::{Account, Asset, Receipt};
use alliance_contracts::window::WindowState;

use super::Auditor;
use crate::payments::rounding::Settled;
use crate::windows::WindowRecord;

/// A range of a chain, as far as the audit looks at it.
#[derive(Clone, Copy, Debug)]
pub struct Ranged {
    /// The window.
    pub window: WindowId,
    /// The last receipt before.
    pub after: u64,
    /// The last receipt.
    pub seq: u64,
    /// SHA-256 of its payload.
    pub head: Hash,
    /// The root of the chain's tree after it.
    pub root: Hash,
}

/// What is known of windows.
#[derive(Debug, Default)]
pub(super) struct Windows {
    open: Option<WindowId>,
    /// Of the chain that is being read: what is still to come.
    ranges: VecDeque<Ranged>,
    /// By window: what its receipts do to each party, in 10⁻⁶.
    activity: BTreeMap<WindowId, BTreeMap<Party, i128>>,
}

impl Auditor<'_> {
    /// The window that is open; before all receipts.
    pub fn open_window(&mut self, window: WindowId) {
        self.windows.open = Some(window);
    }

    /// The ranges of the chain that is read next, in order.
    pub fn ranges(&mut self, ranges: impl IntoIterator<Item = Ranged>) {
        self.windows.ranges = ranges.into_iter().collect();
    }

    /// A receipt that was checked by itself: whether it is in its window. The chain has moved on to
    /// it.
    pub(super) fn note_window(&mut self, place: &str, receipt: &Receipt) {
        let range = self.windows.ranges.front().copied();
        let expected = match range {
            Some(range) => Some(range.window),
            None => self.windows.open,
        };
        if expected != Some(receipt.window) {
            self.find(place, "is in another window than its place in the chain");
        }
        if let Some(range) = range
            && receipt.seq >= range.seq
        {
            self.windows.ranges.pop_front();
            self.end_of_range(place, &range, receipt.seq);
        }
        self.count_activity(receipt);
    }

    fn end_of_range(&mut self, place: &str, range: &Ranged, seq: u64) {
        let chain = self.chain.as_ref();
        let head = chain.map(|chain| (chain.seq, chain.head, chain.frontier.root()));
        if head != Some((range.seq, range.head, range.root)) {
            self.find(place, format!("is not the end that its window {} has here", range.window));
        }
        let next = self.windows.ranges.front().map(|next| next.after);
        if next.is_some_and(|after| after != seq) {
            self.find(place, "the next window does not begin after it");
        }
    }

    fn count_activity(&mut self, receipt: &Receipt) {
        let settles_another =
            receipt.adjustment.as_ref().is_some_and(|made| !made.cause.is_obligation());
        if settles_another {
            return;
        }
        let activity = self.windows.activity.entry(receipt.window).or_default();
        for line in receipt.postings.iter().filter(|l| matches!(l.asset, Asset::Currency(_))) {
            let amount = i128::from(line.amount.micros());
            for (account, signed) in [(&line.debit, -amount), (&line.credit, amount)] {
                if let Some(party) = party(account) {
                    *activity.entry(party).or_insert(0) += signed;
                }
            }
        }
    }

    /// All windows, by number, each with its lines; after all receipts.
    pub fn windows(&mut self, windows: &[(WindowRecord, Vec<Settled>)]) {
        let mut carried: BTreeMap<Party, i128> = BTreeMap::new();
        for (at, (window, lines)) in windows.iter().enumerate() {
            let place = format!("window {}", window.number);
            if window.number != u64::try_from(at).unwrap_or(u64::MAX) + 1 {
                self.find(&place, "windows are not numbered one by one");
            }
            if window.state == WindowState::Aborted || lines.is_empty() {
                let wants = !matches!(
                    window.state,
                    WindowState::Open | WindowState::Closed | WindowState::Aborted
                );
                if wants {
                    self.find(&place, "was netted, and has no lines");
                }
                continue;
            }
            let of = windows
                .iter()
                .map(|(other, _)| other)
                .filter(|other| other.id == window.id || other.carried_into == Some(window.id));
            let mut activity: BTreeMap<Party, i128> = BTreeMap::new();
            for id in of.map(|other| other.id) {
                for (party, sum) in self.windows.activity.get(&id).into_iter().flatten() {
                    *activity.entry(party.clone()).or_insert(0) += sum;
                }
            }
            self.lines(&place, lines, &activity, &carried);
            carried = lines.iter().map(|l| (l.party.clone(), l.carried.micros())).collect();
        }
    }

    fn lines(
        &mut self,
        place: &str,
        lines: &[Settled],
        activity: &BTreeMap<Party, i128>,
        openings: &BTreeMap<Party, i128>,
    ) {
        let mut sums = [0_i128; 5];
        for line in lines {
            let columns = [line.opening, line.activity, line.net, line.payment, line.carried]
                .map(|t| t.micros());
            for (sum, column) in sums.iter_mut().zip(columns) {
                *sum = sum.saturating_add(column);
            }
            let [opening, did, net, payment, left] = columns;
            let expected = activity.get(&line.party).copied().unwrap_or(0);
            if did != expected {
                let finding = format!("{} has {did}, its receipts come to {expected}", line.party);
                self.find(place, finding);
            }
            if opening != openings.get(&line.party).copied().unwrap_or(0) {
                self.find(place, format!("{} does not open with what was carried", line.party));
            }
            if opening + did != net || payment + left != net {
                self.find(place, format!("the line of {} does not add up", line.party));
            }
        }
        if sums != [0; 5] {
            self.find(place, format!("its columns sum to {sums:?}, not to zero"));
        }
    }
}

/// Whose an account is; none of what is no obligation of anybody.
fn party(account: &Account) -> Option<Party> {
    match account {
        Account::Position(partner) => Some(Party::from(partner)),
        Account::Member(..) | Account::Issued(_) | Account::Held(_) => None,
        _ => ALLIANCE_PARTY.parse().ok(),
    }
}
