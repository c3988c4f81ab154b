//! Whether an order's rate may still be had (protocol: `rate_frozen`, `rate_moved`), and what
//! changes rates: boards, frozen pairs, releases.
//!
//! A quote stands until it expires, and so do the terms of a board that is no longer in force. What
//! may be ordered at them is bounded: nothing where going there and back costs nothing, and no more
//! than the pair's agreement says otherwise.

use alliance_contracts::board::{Board, FrozenPair};
use alliance_contracts::names::ProgramId;
use alliance_contracts::problem::ProblemCode;
use alliance_contracts::time::Timestamp;
use alliance_contracts::valuation::ProgramValuation;

use super::flow::{Direction, Flow, FlowEnd};
use super::working_set::{BoardRow, WorkingSet};
use super::{events, proposals};
use crate::alliance::BoardView;
use crate::command::{Outcome, Publish, QuotedTerms};
use crate::rates::terms;

/// Whether orders of this quote's direction are taken at its board.
pub fn may_be_had(
    set: &WorkingSet,
    quote: &QuotedTerms,
    now: Timestamp,
) -> Result<(), ProblemCode> {
    let pair = programs(quote);
    if pair.is_some_and(|(source, target)| is_frozen(set, source, target)) {
        return Err(ProblemCode::RateFrozen);
    }
    let Some(board) = set.registry.board_at(now) else { return Err(ProblemCode::RateFrozen) };
    if quote.rate.board > board.number() {
        // Of a gateway whose clock is ahead: nobody may hold two boards at once by that.
        return Err(ProblemCode::RateMoved);
    }
    if quote.rate.board == board.number() {
        return Ok(());
    }
    if terms::takes_nothing(&quote.rate) && !is_rate_of(&board, quote) {
        return Err(ProblemCode::RateMoved);
    }
    // What may be ordered late is agreed on, and counted by boards, for pairs of programs.
    let Some((source, target)) = pair else { return Ok(()) };
    let (one, other) = (quote.source.partner(), quote.target.partner());
    let agreed = set.registry.agreement_at(one, other, now);
    let limit = agreed.and_then(|agreed| agreed.open_quote_limit);
    let Some((limit, gross)) = limit.zip(gross(quote)) else { return Ok(()) };
    let before = board.terms(source, target).map_or(0, |terms| terms.late.micros());
    let late = set.flow(&direction(quote)).late - before + gross;
    if late > i128::from(limit.micros()) { Err(ProblemCode::RateMoved) } else { Ok(()) }
}

/// Whether the board has the quote's values still: then it is as if it stood on this board.
fn is_rate_of(board: &BoardView<'_>, quote: &QuotedTerms) -> bool {
    let same = |program: Option<&ProgramId>, value| {
        program.is_none_or(|program| board.value(program) == Some(value))
    };
    same(quote.source.program(), quote.rate.source_value)
        && same(quote.target.program(), quote.rate.target_value)
}

/// The two programs of an exchange; an order of another kind has one.
fn programs(quote: &QuotedTerms) -> Option<(&ProgramId, &ProgramId)> {
    quote.source.program().zip(quote.target.program())
}

fn direction(quote: &QuotedTerms) -> Direction {
    (FlowEnd::quoted(&quote.source), FlowEnd::quoted(&quote.target))
}

pub(super) fn is_frozen(set: &WorkingSet, source: &ProgramId, target: &ProgramId) -> bool {
    match set.writes.frozen.get(&(source.clone(), target.clone())) {
        Some(changed) => changed.is_some(),
        None => set.registry.frozen(source, target).is_some(),
    }
}

fn gross(quote: &QuotedTerms) -> Option<i128> {
    quote.settlement.as_ref().map(|settlement| i128::from(settlement.gross.micros()))
}

/// The direction's flow with this order; none within one partner, where there is no gross.
pub fn flow_with(set: &WorkingSet, quote: &QuotedTerms, now: Timestamp) -> Option<Flow> {
    let gross = gross(quote)?;
    let mut flow = set.flow(&direction(quote));
    flow.exchanged += gross;
    let in_force = set.registry.board_at(now).map(|board| board.number());
    if in_force.is_some_and(|number| quote.rate.board < number) {
        flow.late += gross;
    }
    Some(flow)
}

/// Whether an order that could be performed is more than the direction's limit on this board: the
/// last check, so that nobody freezes a pair by an order that would not have been performed.
pub fn is_abnormal(set: &WorkingSet, quote: &QuotedTerms, now: Timestamp) -> bool {
    let Some((source, target)) = programs(quote) else { return false };
    let terms = set.registry.board_at(now).and_then(|board| board.terms(source, target));
    let limit = terms.and_then(|terms| terms.limit.map(|limit| (limit, terms.exchanged.micros())));
    let Some(((limit, before), after)) = limit.zip(flow_with(set, quote, now)) else {
        return false;
    };
    after.exchanged - before > i128::from(limit.micros())
}

/// Freezes a direction at the rate of the board in force.
pub fn freeze(set: &mut WorkingSet, quote: &QuotedTerms, now: Timestamp) {
    let Some((source, target)) = programs(quote) else { return };
    let (source, target) = (source.clone(), target.clone());
    let board = set.registry.board_at(now).map_or(0, |board| board.number());
    let pair = (source.clone(), target.clone());
    let frozen = FrozenPair { board, since: now, source, target };
    events::frozen(set, &frozen);
    set.writes.frozen.insert(pair, Some(frozen));
}

/// Lets a direction take orders again.
pub fn release(set: &mut WorkingSet, source: &ProgramId, target: &ProgramId) -> Outcome {
    if !is_frozen(set, source, target) {
        return Outcome::Done(0);
    }
    set.writes.frozen.insert((source.clone(), target.clone()), None);
    events::released(set, source, target);
    Outcome::Done(1)
}

/// Publishes a board that follows on the last, if nothing it was worked out from has changed.
pub fn publish(set: &mut WorkingSet, publish: &Publish, now: Timestamp) -> Outcome {
    let Some(last) = set.registry.last_board() else { return Outcome::BoardStale };
    let (board, last) = (&publish.board, last.published);
    if *board == last.board {
        // The commit that brought it was answered by nobody.
        return Outcome::Done(1);
    }
    if publish.slot.is_some() && last.slot >= publish.slot {
        // Another gateway was first.
        return Outcome::Done(0);
    }
    let follows = board.board == last.board.board + 1 && board.previous == last.hash();
    // One that moves no value may hold from the moment it was made: nothing ends with it.
    let in_time = last.board.effective_at <= board.effective_at
        && (now <= board.effective_at || moves_nothing(board, &last.board));
    let alone = !set.writes.changes_registry() && publish.based_on == set.registry.seen_version;
    if !follows || !in_time || !alone {
        return Outcome::BoardStale;
    }
    let (board, terms) = (board.clone(), publish.terms.clone());
    // A board made by hand must not let a slot be published again.
    let slot = publish.slot.or(last.slot);
    proposals::applied(set, &publish.proposals, board.board, now);
    let row = BoardRow { board, terms, slot };
    let registry = set.registry.clone();
    events::board(set, &row, &registry.definition);
    set.writes.board = Some(row);
    Outcome::Done(1)
}

/// Whether every program that had a value keeps it.
fn moves_nothing(board: &Board, last: &Board) -> bool {
    let kept = |value: &ProgramValuation| board.value(&value.program) == Some(value.value);
    board.published_at == board.effective_at && last.values.iter().all(kept)
}
