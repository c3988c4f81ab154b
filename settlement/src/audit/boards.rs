//! Boards: signed by a gateway, one chain from the first on, and each with the terms that it
//! commits to. What is known of late orders follows from them.

use std::collections::BTreeMap;

use alliance_contracts::board::{Board, TermsRoot};
use alliance_contracts::encoding::Hash;
use alliance_contracts::jws::{self, JwsType};
use alliance_contracts::time::Timestamp;

use super::Auditor;
use crate::alliance::PublishedBoard;
use crate::ledger::{Direction, FlowEnd, FlowRow};

/// The boards so far, the last one last.
#[derive(Default)]
pub(super) struct Boards {
    last: Option<Last>,
    /// From when each holds, in the order of their numbers.
    effective: Vec<(u32, Timestamp)>,
    /// What the last board says was late when it was made.
    late: BTreeMap<Direction, i128>,
}

struct Last {
    number: u32,
    hash: Hash,
    effective_at: Timestamp,
}

/// How much of a flow was late: at least, and at most.
#[derive(Clone, Copy, Default)]
pub(super) struct Late {
    pub(super) least: i128,
    pub(super) most: i128,
}

impl Boards {
    /// The board in force then, of all that are known today.
    pub(super) fn in_force_at(&self, at: Timestamp) -> u32 {
        let still_to_come = self.effective.partition_point(|(_, effective_at)| *effective_at <= at);
        still_to_come.checked_sub(1).and_then(|at| self.effective.get(at)).map_or(0, |(n, _)| *n)
    }
}

impl Auditor<'_> {
    /// The next board, in the order of their numbers; all of them before the receipts.
    pub fn board(&mut self, published: &PublishedBoard) {
        let PublishedBoard { board, jws, terms, .. } = published;
        let place = format!("board {}", board.board);
        if let Some(finding) = self.refused_board(board, jws) {
            self.find(&place, finding);
        }
        if TermsRoot::of(&terms.pairs) != board.terms {
            self.find(&place, "the terms that are kept are not those that it commits to");
        }
        let last = self.boards.last.take();
        let (number, hash) = last.as_ref().map_or((0, Hash::ZERO), |last| (last.number, last.hash));
        if board.board != number + 1 {
            self.find(&place, format!("out of sequence: {} should stand here", number + 1));
        } else if board.previous != hash {
            self.find(&place, "previous is not the hash of the board before it");
        }
        if last.is_some_and(|last| board.effective_at < last.effective_at) {
            self.find(&place, "takes effect before the board before it");
        }
        let late = terms.pairs.iter().map(|pair| {
            let (source, target) = (pair.source.clone(), pair.target.clone());
            ((FlowEnd::Program(source), FlowEnd::Program(target)), pair.late.micros())
        });
        self.boards.late = late.collect();
        self.boards.effective.push((board.board, board.effective_at));
        self.boards.last = Some(Last {
            number: board.board,
            hash: published.hash(),
            effective_at: board.effective_at,
        });
    }

    fn refused_board(&self, board: &Board, jws: &str) -> Option<String> {
        let Ok(parsed) = jws::parse(jws) else { return Some("is no JWS".to_owned()) };
        let Some(key) = self.keys.find(&parsed.kid) else {
            return Some("signed by a key that is not in the list".to_owned());
        };
        if parsed.verify(JwsType::Board, &key.public).is_err() {
            return Some("its signature does not verify".to_owned());
        }
        if !key.in_its_time(board.published_at) {
            return Some("signed by a key that was not in force".to_owned());
        }
        (parsed.payload != board.payload()).then(|| "is not in its one form".to_owned())
    }

    /// What an order of a flow adds to what was late: surely, and at most.
    ///
    /// It was late where its board was no longer in force when it was decided, as its gateway saw
    /// it. Surely so where an earlier receipt of the chain is of a later board; surely not where
    /// no later board held by then. A gateway knows the last two boards only: one whose clock is
    /// behind both takes the first of these for the one in force.
    pub(super) fn count_late(
        &mut self,
        direction: Direction,
        board: u32,
        decided_at: Option<Timestamp>,
        gross: i128,
    ) {
        let cited = self.chain.as_ref().map_or(0, |chain| chain.cited);
        let in_force = decided_at.map_or(u32::MAX, |at| self.boards.in_force_at(at));
        let behind = self.boards.effective.last().is_some_and(|(last, _)| board + 1 < *last);
        let late = self.late.entry(direction).or_default();
        late.least += if board < cited.min(in_force) { gross } else { 0 };
        late.most += if board < in_force || behind { gross } else { 0 };
    }

    /// What the books say was late, against the last board and the orders.
    pub(super) fn check_late(&mut self, row: &FlowRow) {
        let pair = (row.source.clone(), row.target.clone());
        let told = self.boards.late.get(&pair).copied().unwrap_or(0);
        let Late { least, most } = self.late.remove(&pair).unwrap_or_default();
        let (least, late) = (least.max(told), row.flow.late);
        if late < least || late > most {
            let place = format!("flow {} to {}", row.source, row.target);
            let finding = format!("says {late} micros were late; from {least} to {most} were");
            self.find(place, finding);
        }
    }
}
