//! What waiters are told against what is there: acknowledged is present, one effect per key.

use std::sync::Arc;

use alliance_contracts::problem::ProblemCode;
use alliance_settlement::command::{Outcome, RowFault};
use alliance_settlement::sequencer::{Answer, Unavailable};

use super::books::Stands;
use super::rates::{Board, Unfit, Way};
use super::{Arrival, Auditor, Finding, ensure};
use crate::cast::{Agreed, Person};

/// What was sent to a gateway.
#[derive(Clone, Debug)]
pub enum Told {
    /// A partner's order, in this request.
    Order(u128),
    Import(usize),
    LinkImport(usize),
    Definition(Box<Agreed>),
    /// A definition that changes what may not change.
    ForbiddenDefinition,
    Suspension(usize, bool),
    /// A window was to be closed, for this time of the schedule.
    Close(u128, Option<i64>),
    /// A checkpoint that must not be stored.
    BadCheckpoint,
    /// A board, handed in at this version of the registry and before so many jumps of the clock.
    Publication {
        draft: usize,
        version: i64,
        jumps: u64,
    },
    /// After so many commits.
    Release {
        way: Way,
        after: u64,
    },
}

/// Which refusals a gateway may give for want of an answer, after what was done to it.
#[derive(Clone, Copy, Debug)]
pub struct Excuse {
    /// So many faults in a row that it may give up.
    pub store: bool,
    /// Its batch was said to contradict the database.
    pub contradiction: bool,
    /// Something has gone wrong since its last success.
    pub after_fault: bool,
    /// Its clock, and how often it has jumped.
    pub clock: i64,
    pub jumps: u64,
}

impl Auditor {
    /// A gateway has answered. True where the outcome is known from now on.
    pub fn answered(
        &mut self,
        told: &Told,
        answer: &Result<Answer, Unavailable>,
        excuse: Excuse,
    ) -> Result<bool, Finding> {
        let answer = match answer {
            Ok(answer) => answer,
            Err(refusal) => {
                let excused = match refusal {
                    Unavailable::Store(_) => excuse.store,
                    Unavailable::Culprit(_) => excuse.contradiction,
                    _ => false,
                };
                ensure!(excused, "gave up without a reason: {refusal:?}, {told:?}");
                return Ok(false);
            }
        };
        let outcome = &answer.decided.outcome;
        let good = match told {
            Told::Order(request) => return self.order_answered(*request, answer).map(|()| true),
            Told::Import(import) => self.import_answered(*import, outcome)?,
            Told::LinkImport(import) => self.link_import_answered(*import, outcome)?,
            Told::Definition(agreed) => {
                let applied = self.books.agreed.as_ref() == Some(&**agreed);
                applied && matches!(outcome, Outcome::Done(0 | 1))
            }
            Told::ForbiddenDefinition => matches!(outcome, Outcome::DefinitionRefused(_)),
            Told::Suspension(partner, suspended) => {
                let stands = self.books.suspended.contains(partner) == *suspended;
                stands && matches!(outcome, Outcome::Done(0 | 1))
            }
            Told::Close(window, slot) => match outcome {
                Outcome::Done(1) => {
                    let closed = self.books.closed.iter().find(|closed| closed.id == *window);
                    closed.is_some_and(|closed| match slot {
                        Some(slot) => closed.slots.0 < *slot && closed.slots.1 == *slot,
                        None => closed.slots.0 == closed.slots.1,
                    })
                }
                // Closed by somebody else, or that time has had its window.
                Outcome::Done(0) => {
                    let had = slot.is_some_and(|slot| slot <= self.books.slot);
                    had || self.books.window != *window
                }
                _ => false,
            },
            Told::BadCheckpoint => *outcome == Outcome::CheckpointRefused,
            Told::Publication { draft, version, jumps } => {
                let still = *version == self.books.registry_version && *jumps == excuse.jumps;
                self.publication_answered(*draft, outcome, still.then_some(excuse.clock))
            }
            Told::Release { way, after } => match outcome {
                // Frozen and released again in one batch, it may not have been seen.
                Outcome::Done(1) => {
                    let mut ends = [&self.books.released, &self.books.tripped].into_iter();
                    ends.any(|ends| ends.get(way).is_some_and(|at| at > after))
                }
                // It takes orders, or did at some time since.
                Outcome::Done(0) => self.books.frozen.get(way).is_none_or(|f| f.commit > *after),
                _ => false,
            },
        };
        ensure!(good, "{told:?} was answered {outcome:?}");
        Ok(true)
    }

    fn order_answered(&mut self, request: u128, answer: &Answer) -> Result<(), Finding> {
        let arrival = self.arrivals[&request];
        let issue = &self.issues[arrival.issue];
        let decided = &answer.decided;
        let first = decided.first_request.map(|id| id.as_u128());
        let kept = self.books.keys.get(&(issue.partner, issue.key));
        match &decided.outcome {
            Outcome::Refused(ProblemCode::IdempotencyMismatch) => {
                let kept = kept.ok_or("a mismatch with a key that is free")?;
                ensure!(kept.digest != issue.digest, "a mismatch of equal orders: {issue:?}");
                ensure!(!decided.replayed, "a mismatch is no replay");
                self.count("idempotency_mismatch");
                return Ok(());
            }
            Outcome::Refused(ProblemCode::NotFound) => {
                ensure!(self.may_be_missed(arrival), "what is there is not found: {issue:?}");
                self.count("not_found");
                return Ok(());
            }
            _ => {}
        }
        let kept = kept.ok_or_else(|| {
            format!("acknowledged, but not there: {:?} for {issue:?}", decided.outcome)
        })?;
        ensure!(kept.digest == issue.digest, "answered with another order's outcome: {issue:?}");
        ensure!(
            kept.outcome == decided.outcome,
            "the key keeps {:?}, the answer was {:?}",
            kept.outcome,
            decided.outcome
        );
        ensure!(first == Some(kept.request), "another request is called the first: {issue:?}");
        let again = kept.request != request;
        ensure!(
            decided.replayed == again,
            "replayed: {}, should be {again}: {issue:?}",
            decided.replayed
        );
        if again {
            self.count("first answer again");
            return Ok(());
        }
        if let Outcome::Transaction(id) = &decided.outcome {
            // After a lost commit it is read from the store when it is rendered.
            let Some(view) = &answer.transaction else { return Ok(()) };
            let known = &self.books.transactions[&id.as_u128()];
            let receipt = view.receipt.as_ref().ok_or("a transaction without its receipt")?;
            let hash = alliance_contracts::encoding::Hash::of(&receipt.payload);
            ensure!(hash == known.payload, "the answer shows another receipt than is kept");
            let named = [&view.source_member, &view.target_member];
            for (person, named) in [known.source, known.target].into_iter().zip(named) {
                let right = named.as_ref() == Some(&person.reference());
                ensure!(right, "the answer calls {person:?} something else");
            }
        }
        Ok(())
    }

    /// Whether what an order names may not have been there, or is not the caller's.
    fn may_be_missed(&self, arrival: Arrival) -> bool {
        let issue = &self.issues[arrival.issue];
        let (parties, since) = match &issue.ask {
            super::rules::Ask::Reverse { original, .. } => {
                let Some(found) = self.books.transactions.get(original) else { return true };
                ([found.source.partner(), found.target.partner()], found.since)
            }
            super::rules::Ask::Confirm(link) | super::rules::Ask::Revoke(link) => {
                let Some(found) = self.books.links.get(link) else { return true };
                ([found.a.partner(), found.b.partner()], found.since)
            }
            _ => return false,
        };
        !parties.contains(&issue.partner) || since > arrival.after
    }

    /// `still`: nothing of the registry has changed since it was handed in, and until when.
    fn publication_answered(
        &mut self,
        draft: usize,
        outcome: &Outcome,
        still: Option<i64>,
    ) -> bool {
        let draft = &self.operations.drafts[draft];
        let at = usize::try_from(draft.board.number).unwrap_or(0).wrapping_sub(1);
        let there = self.books.boards.get(at);
        let published = there.is_some_and(|there| there.payload == draft.board.payload);
        let last = self.books.boards.last();
        let is_last = last.is_some_and(|last| last.payload == draft.board.payload);
        let fits = still.map(|until| self.books.board_fits(draft, until));
        let (good, what) = match outcome {
            Outcome::Done(1) => (published, "board is there"),
            Outcome::Done(0) => {
                let slot = |board: &Arc<Board>| board.slot >= draft.slot;
                let taken = draft.slot.is_some() && self.books.boards.iter().any(slot);
                (taken && (still.is_none() || !is_last), "slot was taken")
            }
            Outcome::BoardStale => {
                let stale = matches!(fits, None | Some(Err(Unfit::Stale)));
                (stale && (still.is_none() || !is_last), "board is stale")
            }
            _ => (false, ""),
        };
        if good {
            self.count(what);
        }
        good
    }

    fn import_answered(&self, import: usize, outcome: &Outcome) -> Result<bool, Finding> {
        let handed_in = &self.operations.imports[import];
        let here = |person: &Person| self.books.members.contains_key(person);
        Ok(match outcome {
            Outcome::Done(rows) => {
                *rows == handed_in.len() && handed_in.iter().all(|(person, _)| here(person))
            }
            Outcome::BadRows(faults) => {
                let known = |fault: &RowFault| {
                    let (person, new) = &handed_in[fault.row];
                    let earlier = &handed_in[..fault.row];
                    match fault.fault {
                        "this member is here already" => here(person),
                        "this member stands in the file twice" => {
                            earlier.iter().any(|(_, other)| other.lookup == new.lookup)
                        }
                        _ => false,
                    }
                };
                !faults.is_empty() && faults.iter().all(known)
            }
            _ => false,
        })
    }

    fn link_import_answered(&self, import: usize, outcome: &Outcome) -> Result<bool, Finding> {
        let handed_in = &self.operations.link_imports[import];
        let joined = |a: Person, b: Person| {
            self.books.links.values().any(|link| {
                super::books::ends(link.a, link.b) == super::books::ends(a, b)
                    && link.stands != Stands::Proposed
            })
        };
        Ok(match outcome {
            Outcome::Done(rows) => {
                *rows == handed_in.len() && handed_in.iter().all(|(_, a, b, _)| joined(*a, *b))
            }
            Outcome::BadRows(faults) => {
                let known = |fault: &RowFault| {
                    let (_, a, b, _) = handed_in[fault.row];
                    let earlier = &handed_in[..fault.row];
                    match fault.fault {
                        "these members are linked already" => joined(a, b),
                        "a member is not linked to itself" => a == b,
                        "this link stands in the file twice" => earlier.iter().any(|other| {
                            super::books::ends(other.1, other.2) == super::books::ends(a, b)
                        }),
                        "there is no such member" => {
                            let missing = |person| !self.books.members.contains_key(&person);
                            missing(a) || missing(b)
                        }
                        _ => false,
                    }
                };
                !faults.is_empty() && faults.iter().all(known)
            }
            _ => false,
        })
    }
}
