//! Settlement windows in memory: what the databases would refuse, and what they would keep.

use std::collections::BTreeMap;

use alliance_contracts::encoding::Hash;
use alliance_contracts::ids::WindowId;
use alliance_contracts::merkle::Frontier;
use alliance_contracts::names::{Corridor, Currency, Party};
use alliance_contracts::time::Timestamp;
use alliance_contracts::window::WindowState;

use super::{Result, contradiction};
use crate::ledger::working_set::{BankEntryRow, BankFile, WindowDocument};
use crate::ledger::{ChainHead, Writes};
use crate::payments::instructions::EndToEndId;
use crate::payments::matching::Tracked;
use crate::payments::rounding::Settled;
use crate::store::WindowRange;
use crate::windows::{SettlementProposal, WindowRecord};

#[derive(Debug, Default)]
pub(super) struct Settlement {
    windows: BTreeMap<u64, WindowRecord>,
    ranges: BTreeMap<(WindowId, Corridor), WindowRange>,
    lines: BTreeMap<(WindowId, Party), Settled>,
    documents: BTreeMap<(WindowId, String), WindowDocument>,
    payments: BTreeMap<EndToEndId, Tracked>,
    proposals: BTreeMap<u32, SettlementProposal>,
    files: BTreeMap<Hash, BankFile>,
    entries: BTreeMap<Hash, BankEntryRow>,
}

impl Settlement {
    pub(super) fn check(&self, writes: &Writes) -> Result<()> {
        for window in writes.windows.values() {
            let numbered = self.windows.get(&window.number);
            let new = window.state == WindowState::Open;
            if new && numbered.is_some() {
                return contradiction("a window of this number is there already");
            }
            if !new && numbered.is_none_or(|known| known.id != window.id) {
                return contradiction("a change of no window");
            }
        }
        let opens = writes.windows.values().any(|window| window.state == WindowState::Open);
        let closes = self.open().is_none_or(|open| writes.windows.contains_key(&open));
        if opens && !closes {
            return contradiction("a window is open already");
        }
        for record in writes.settlement_proposals.values() {
            if record.approved_by.as_ref() == Some(&record.proposed_by) {
                return contradiction("who proposes does not approve");
            }
        }
        let line = |one: &crate::ledger::working_set::WindowLine| {
            self.lines.contains_key(&(one.window, one.settled.party.clone()))
        };
        let document =
            |one: &WindowDocument| self.documents.contains_key(&(one.window, one.name.clone()));
        if writes.window_lines.iter().any(line) || writes.window_documents.iter().any(document) {
            return contradiction("this window was netted already");
        }
        if writes.bank_file.as_ref().is_some_and(|file| self.files.contains_key(&file.hash)) {
            return contradiction("this file was taken in already");
        }
        let counted = |key| self.entries.get(key).is_some_and(|known| known.payment.is_some());
        if writes.bank_entries.iter().any(|entry| counted(&entry.key)) {
            return contradiction("an entry was taken in already");
        }
        Ok(())
    }

    /// After the chains have grown.
    pub(super) fn apply(&mut self, writes: &Writes, heads: &BTreeMap<Corridor, ChainHead>) {
        let windows = writes.windows.values().cloned();
        self.windows.extend(windows.map(|window| (window.number, window)));
        if let Some(window) = writes.closes {
            self.close(window, heads);
        }
        for line in &writes.window_lines {
            let place = (line.window, line.settled.party.clone());
            self.lines.insert(place, line.settled.clone());
        }
        for one in &writes.window_documents {
            self.documents.insert((one.window, one.name.clone()), one.clone());
        }
        self.payments.extend(writes.payments.iter().map(|(id, one)| (*id, one.clone())));
        self.proposals.extend(writes.settlement_proposals.clone());
        self.files.extend(writes.bank_file.iter().map(|file| (file.hash, file.clone())));
        self.entries.extend(writes.bank_entries.iter().map(|row| (row.key, row.clone())));
    }

    fn close(&mut self, window: WindowId, heads: &BTreeMap<Corridor, ChainHead>) {
        for (corridor, head) in heads {
            let before = self.ranges.values().filter(|range| range.corridor == *corridor);
            let before = before.max_by_key(|range| range.seq);
            let (after, head_after, frontier_after) = match before {
                Some(last) => (last.seq, last.head, last.frontier.clone()),
                None => (0, Hash::ZERO, Frontier::new()),
            };
            if head.seq > after {
                let range = WindowRange {
                    window,
                    corridor: corridor.clone(),
                    after,
                    seq: head.seq,
                    head_after,
                    frontier_after,
                    head: head.head,
                    frontier: head.frontier.clone(),
                };
                self.ranges.insert((window, corridor.clone()), range);
            }
        }
    }

    /// The first window.
    pub(super) fn begin(&mut self, id: WindowId, currency: Currency, at: Timestamp) {
        self.windows.insert(1, WindowRecord::open(id, 1, currency, at, None));
    }

    pub(super) fn open(&self) -> Option<WindowId> {
        let open = |window: &&WindowRecord| window.state == WindowState::Open;
        self.windows.values().find(open).map(|window| window.id)
    }

    pub(super) fn not_ended(&self) -> Vec<WindowRecord> {
        self.windows.values().filter(|window| window.ended_at.is_none()).cloned().collect()
    }

    pub(super) fn open_proposals(&self) -> Vec<SettlementProposal> {
        let last = self.proposals.keys().last();
        let wanted =
            self.proposals.values().filter(|one| one.is_open() || Some(&one.number) == last);
        wanted.cloned().collect()
    }

    pub(super) fn windows(&self, last: u64, limit: usize) -> Vec<WindowRecord> {
        self.windows.range(..=last).rev().take(limit).map(|(_, window)| window.clone()).collect()
    }

    pub(super) fn window(&self, id: WindowId) -> Option<WindowRecord> {
        self.windows.values().find(|window| window.id == id).cloned()
    }

    pub(super) fn ranges(
        &self,
        window: WindowId,
        after: Option<&Corridor>,
        limit: usize,
    ) -> Vec<WindowRange> {
        let of = self.ranges.values().filter(|range| range.window == window);
        let rest = of.filter(|range| after.is_none_or(|after| range.corridor > *after));
        rest.take(limit).cloned().collect()
    }

    pub(super) fn ranges_of(
        &self,
        corridor: &Corridor,
        after: u64,
        limit: usize,
    ) -> Vec<WindowRange> {
        let of = self.ranges.values().filter(|range| range.corridor == *corridor);
        let mut found: Vec<WindowRange> = of.filter(|range| range.seq > after).cloned().collect();
        found.sort_by_key(|range| range.seq);
        found.truncate(limit);
        found
    }

    pub(super) fn lines(&self, window: WindowId) -> Vec<Settled> {
        let of = self.lines.iter().filter(|((id, _), _)| *id == window);
        of.map(|(_, line)| line.clone()).collect()
    }

    pub(super) fn documents(
        &self,
        window: WindowId,
        after: &str,
        limit: usize,
    ) -> Vec<WindowDocument> {
        let of = self.documents.values().filter(|one| one.window == window);
        of.filter(|one| one.name.as_str() > after).take(limit).cloned().collect()
    }

    pub(super) fn document(&self, window: WindowId, name: &str) -> Option<WindowDocument> {
        self.documents.get(&(window, name.to_owned())).cloned()
    }

    pub(super) fn payments(&self, window: WindowId) -> Vec<Tracked> {
        self.payments.values().filter(|one| one.instruction.window == window).cloned().collect()
    }

    pub(super) fn proposals(&self, last: u32, limit: usize) -> Vec<SettlementProposal> {
        self.proposals.range(..=last).rev().take(limit).map(|(_, one)| one.clone()).collect()
    }

    pub(super) fn file(&self, hash: Hash) -> Option<BankFile> {
        self.files.get(&hash).cloned()
    }

    pub(super) fn entries(&self, keys: &[Hash]) -> Vec<BankEntryRow> {
        let mut found: Vec<_> = keys.iter().filter_map(|key| self.entries.get(key)).collect();
        found.sort_by_key(|entry| entry.key);
        found.into_iter().cloned().collect()
    }

    pub(super) fn entries_of(&self, file: Hash, after: u64, limit: usize) -> Vec<BankEntryRow> {
        let of = self.entries.values().filter(|row| row.file == file && row.place > after);
        let mut found: Vec<BankEntryRow> = of.cloned().collect();
        found.sort_by_key(|row| row.place);
        found.truncate(limit);
        found
    }
}
