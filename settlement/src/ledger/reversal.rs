//! Reversals: all or part of an earlier transaction turned round, at the terms of the original
//! (protocol § 4). Checked against the members' points and what is left, never against caps.

use alliance_contracts::arithmetic::{
    self, Amounts, ArithmeticError, BonusAmounts, Reversal, ReversalAsk, Reversed,
};
use alliance_contracts::campaign::day_of;
use alliance_contracts::decimal::Decimal;
use alliance_contracts::ids::TransactionId;
use alliance_contracts::limits;
use alliance_contracts::names::Party;
use alliance_contracts::problem::ProblemCode;
use alliance_contracts::quote::{Bonus, Settlement, Side, TransactionKind};
use alliance_contracts::side::SideOf;
use alliance_contracts::time::Timestamp;
use alliance_contracts::transaction::TransactionState;

use super::flow::FlowEnd;
use super::posting::{self, Direction};
use super::working_set::{Member, TransactionRecord, TransactionSideRecord, WorkingSet};
use super::{events, lots, pending};
use crate::command::{Keyed, Outcome, Reverse};

/// Decides a reversal; changes the set only where it is accepted.
pub fn decide(
    set: &mut WorkingSet,
    keyed: &Keyed,
    order: &Reverse,
    now: Timestamp,
) -> Result<Outcome, ProblemCode> {
    // Read: every rule, in the order of the codes.
    let original = set.transaction(&order.original).ok_or(ProblemCode::NotFound)?.clone();
    let scales = scales(set, &original)?;
    let ask = ask(order, &original, scales)?;
    let reference = (Party::from(&keyed.partner), order.source_reference.clone());
    if set.references.contains(&reference) {
        return Err(ProblemCode::DuplicateReference);
    }
    let (source, target) = members(set, &original)?;
    may_be_asked(set, keyed, &original)?;
    let own_frozen = |member: Option<&Member>, side: &TransactionSideRecord| {
        member.is_some_and(|member| member.frozen) && *side.partner() == keyed.partner
    };
    if own_frozen(source, &original.source) || own_frozen(target, &original.target) {
        return Err(ProblemCode::MemberFrozen);
    }
    if !may_reverse(set, keyed, &original, now) {
        return Err(ProblemCode::KindNotAllowed);
    }
    // What is left to turn round is not known while a brand is asked about another part.
    if set.reversing.contains(&original.id) {
        return Err(ProblemCode::IdempotencyInFlight);
    }
    if let Some(amount) = order.amount
        && !limits::amount_in_range(amount.value)
    {
        return Err(ProblemCode::AmountOutOfRange);
    }
    let reversal = worked_out(&original, scales, ask)?;
    let hosted = |side: &TransactionSideRecord| {
        side.program().is_some_and(|program| !set.registry.is_connected(program))
    };
    if let Some(source) = source
        && hosted(&original.source)
        && !reversal.exceeds
        && !posting::has_room(source, reversal.moves.source, scales.0)
    {
        return Err(ProblemCode::AmountOutOfRange);
    }
    let returned = bonus_returned(&original, scales, &reversal)?;
    let from_lot = target.map_or(0, |target| out_of_its_lot(&original, target, &returned, now));
    if let Some(target) = target
        && hosted(&original.target)
    {
        let has = lots::free(target, now).saturating_add(from_lot);
        if has < reversal.moves.target.saturating_add(returned.points) {
            return Err(ProblemCode::InsufficientPoints);
        }
    }
    if reversal.exceeds {
        return Err(ProblemCode::ExceedsReversible);
    }
    // Decide: what it posts.
    let moved = (&reversal.moves, returned);
    let record = record(keyed, order, &original, scales, moved, now)?;
    let lines = posting::lines(&record, Direction::Backward);
    let members = posting::members(&record, set)?;
    let [_, holder] = record.members();
    let plan = pending::plan(&set.registry, &record);
    // Write.
    if plan.asks() {
        pending::begin(set, keyed, record, (lines, None), plan, now)?;
        set.references.insert(reference);
        return Ok(Outcome::Transaction(order.transaction));
    }
    posting::post(set, &lines, &members)?;
    if let Some((bonus, holder)) = original.bonus.as_ref().zip(holder) {
        let day = day_of(original.created_at);
        lots::take_back(set, holder, &bonus.campaign, day, from_lot);
    }
    note_reversed(set, &original, scales, reversal.reversed);
    if original.settlement.is_some() {
        let direction = (FlowEnd::of(&original.source), FlowEnd::of(&original.target));
        let mut flow = set.flow(&direction);
        flow.exchanged -= i128::from(reversal.moves.gross);
        set.put_flow(direction, flow);
    }
    set.references.insert(reference);
    set.accept(keyed, record, lines, None);
    Ok(Outcome::Transaction(order.transaction))
}

/// Decimals of both sides: of points the program's, of an item's price those of money.
fn scales(set: &WorkingSet, original: &TransactionRecord) -> Result<(u32, u32), ProblemCode> {
    let scale = |side: &TransactionSideRecord| match side {
        SideOf::Account(side) => {
            let program = set.registry.program(&side.program);
            program.map(|program| program.scale).ok_or(ProblemCode::InternalError)
        }
        SideOf::Item(_) => Ok(limits::MONEY_SCALE),
        SideOf::Partner { .. } => Ok(0),
    };
    Ok((scale(&original.source)?, scale(&original.target)?))
}

/// The amount in minor units of its side; more decimals than that has are `malformed`, and so is an
/// amount of a side that gave nothing.
fn ask(
    order: &Reverse,
    original: &TransactionRecord,
    scales: (u32, u32),
) -> Result<ReversalAsk, ProblemCode> {
    let Some(amount) = order.amount else { return Ok(ReversalAsk::Rest) };
    let side = match amount.side {
        Side::Source => &original.source,
        Side::Target => &original.target,
    };
    if matches!(side, SideOf::Partner { .. }) {
        return Err(ProblemCode::Malformed);
    }
    // Beyond every limit is told later, in its place; any number in range stands in for it here.
    let minor = |scale| {
        if limits::amount_in_range(amount.value) {
            amount.value.to_minor(scale).ok_or(ProblemCode::Malformed)
        } else {
            Ok(i64::MAX)
        }
    };
    Ok(match amount.side {
        Side::Source => ReversalAsk::Source(minor(scales.0)?),
        Side::Target => ReversalAsk::Target(minor(scales.1)?),
    })
}

type Members<'a> = (Option<&'a Member>, Option<&'a Member>);

/// The members of both sides, where a side is a member's account.
fn members<'a>(
    set: &'a WorkingSet,
    original: &TransactionRecord,
) -> Result<Members<'a>, ProblemCode> {
    let of = |side: &TransactionSideRecord| {
        let Some(seen) = side.member() else { return Ok(None) };
        let member = seen.number.and_then(|number| set.member(number));
        member.map(Some).ok_or(ProblemCode::InternalError)
    };
    Ok((of(&original.source)?, of(&original.target)?))
}

/// A brand is asked by its member's reference: of one that is forgotten it cannot be. (Points that
/// our own books keep go back under the member's number, to nobody.)
fn may_be_asked(
    set: &WorkingSet,
    keyed: &Keyed,
    original: &TransactionRecord,
) -> Result<(), ProblemCode> {
    for side in [&original.source, &original.target] {
        let asked = side.program().is_some_and(|program| set.registry.is_connected(program));
        let member = side.member().and_then(|seen| seen.number).and_then(|no| set.member(no));
        if asked && member.is_some_and(|member| member.reference.is_none()) {
            let own = *side.partner() == keyed.partner;
            let code = if own { ProblemCode::MemberUnknown } else { ProblemCode::MembersNotLinked };
            return Err(code);
        }
    }
    Ok(())
}

/// The original creditor at any time; the source partner while the reversal period runs, but never
/// of a redemption: whether what was bought comes back, the brand that gave it says.
fn may_reverse(
    set: &WorkingSet,
    keyed: &Keyed,
    original: &TransactionRecord,
    now: Timestamp,
) -> bool {
    let (source, target) = (original.source.partner(), original.target.partner());
    let period = set.registry.reversal_period_seconds(source, target, now);
    let running = original.completed_at.is_some_and(|done| now < done.plus_seconds(period));
    let completed = matches!(
        original.state,
        TransactionState::Completed
            | TransactionState::PartiallyReversed
            | TransactionState::Reversed
    );
    let source_may = match original.kind {
        TransactionKind::Exchange | TransactionKind::Accrual => running,
        TransactionKind::Redemption => false,
        TransactionKind::Reversal | TransactionKind::Adjustment => return false,
    };
    let by_right = *target == keyed.partner || (*source == keyed.partner && source_may);
    completed && by_right
}

fn worked_out(
    original: &TransactionRecord,
    scales: (u32, u32),
    ask: ReversalAsk,
) -> Result<Reversal, ProblemCode> {
    let minor = |amount: Decimal, scale| amount.to_minor(scale).ok_or(ProblemCode::InternalError);
    let money = |part: fn(&Settlement) -> Decimal| {
        original.settlement.as_ref().map_or(0, |settlement| part(settlement).micros())
    };
    let amounts = Amounts {
        source: minor(original.source.amount(), scales.0)?,
        target: minor(original.target.amount(), scales.1)?,
        gross: money(|s| s.gross),
        fee: money(|s| s.fee),
        net: money(|s| s.net),
        remainder: money(|s| s.remainder),
    };
    arithmetic::reversal(&amounts, original.reversed, ask).map_err(|error| match error {
        ArithmeticError::TooSmall => ProblemCode::AmountTooSmall,
        ArithmeticError::OutOfRange => ProblemCode::AmountOutOfRange,
    })
}

/// What of the original's bonus this reversal takes back.
fn bonus_returned(
    original: &TransactionRecord,
    scales: (u32, u32),
    reversal: &Reversal,
) -> Result<BonusAmounts, ProblemCode> {
    let Some(bonus) = original.bonus.as_ref().filter(|_| !reversal.exceeds) else {
        return Ok(BonusAmounts::default());
    };
    let minor = |amount: Decimal| amount.to_minor(scales.1).ok_or(ProblemCode::InternalError);
    let whole = BonusAmounts { points: minor(bonus.points)?, cost: bonus.cost.micros() };
    let (before, after) = (original.reversed.target, reversal.reversed.target);
    Ok(arithmetic::bonus_returned(whole, minor(original.target.amount())?, before, after))
}

/// How much of that is still held: it comes out of its own lot, never out of another.
fn out_of_its_lot(
    original: &TransactionRecord,
    target: &Member,
    returned: &BonusAmounts,
    now: Timestamp,
) -> i64 {
    let Some(bonus) = &original.bonus else { return 0 };
    let day = day_of(original.created_at);
    lots::held_of(target, &bonus.campaign, day, now).min(returned.points)
}

fn record(
    keyed: &Keyed,
    order: &Reverse,
    original: &TransactionRecord,
    scales: (u32, u32),
    (moves, returned): (&Amounts, BonusAmounts),
    now: Timestamp,
) -> Result<TransactionRecord, ProblemCode> {
    let points = |minor, scale| Decimal::from_minor(minor, scale).ok_or(ProblemCode::InternalError);
    let money = |micros| Decimal::from_micros(micros).ok_or(ProblemCode::InternalError);
    let settlement = match &original.settlement {
        None => None,
        Some(settlement) => Some(Settlement {
            creditor: settlement.debtor.clone(),
            currency: settlement.currency.clone(),
            debtor: settlement.creditor.clone(),
            fee: money(moves.fee)?,
            gross: money(moves.gross)?,
            net: money(moves.net)?,
            remainder: money(moves.remainder)?,
        }),
    };
    let bonus = match &original.bonus {
        Some(bonus) if returned != BonusAmounts::default() => Some(Bonus {
            campaign: bonus.campaign,
            cost: money(returned.cost)?,
            points: points(returned.points, scales.1)?,
        }),
        _ => None,
    };
    let side = |side: &TransactionSideRecord, amount| side.clone().with_amount(amount);
    Ok(TransactionRecord {
        id: order.transaction,
        kind: TransactionKind::Reversal,
        state: TransactionState::Completed,
        caller: Party::from(&keyed.partner),
        source_reference: order.source_reference.clone(),
        quote: None,
        order: keyed.digest.kept,
        source: side(&original.source, points(moves.source, scales.0)?),
        target: side(&original.target, points(moves.target, scales.1)?),
        rate: original.rate.clone(),
        settlement,
        bonus,
        // The original says what they had.
        expiry: None,
        adjustment: None,
        created_at: now,
        completed_at: Some(now),
        reversed: Reversed::default(),
        reverses: Some(original.id),
        reason: Some(order.reason.clone()),
        corridor: original.corridor.clone(),
        seq: None,
        request: keyed.request.id,
        request_index: keyed.index,
    })
}

/// A reversal that brands were asked about has completed: what it moved counts now.
pub(super) fn note_done(
    set: &mut WorkingSet,
    original: TransactionId,
    record: &TransactionRecord,
) -> Result<(), ProblemCode> {
    let original = set.transaction(&original).ok_or(ProblemCode::InternalError)?.clone();
    let scales = scales(set, &original)?;
    let minor = |side: &TransactionSideRecord, scale| {
        side.amount().to_minor(scale).ok_or(ProblemCode::InternalError)
    };
    let reversed = Reversed {
        source: original.reversed.source + minor(&record.source, scales.0)?,
        target: original.reversed.target + minor(&record.target, scales.1)?,
    };
    note_reversed(set, &original, scales, reversed);
    if let Some(settlement) = &record.settlement {
        let direction = (FlowEnd::of(&original.source), FlowEnd::of(&original.target));
        let mut flow = set.flow(&direction);
        flow.exchanged -= i128::from(settlement.gross.micros());
        set.put_flow(direction, flow);
    }
    Ok(())
}

fn note_reversed(
    set: &mut WorkingSet,
    original: &TransactionRecord,
    scales: (u32, u32),
    reversed: Reversed,
) {
    let all = original.source.amount().to_minor(scales.0) == Some(reversed.source)
        && original.target.amount().to_minor(scales.1) == Some(reversed.target);
    let state = if all { TransactionState::Reversed } else { TransactionState::PartiallyReversed };
    set.writes.reversed.insert(original.id, (state, reversed));
    if let Some(record) = set.transactions.get_mut(&original.id) {
        record.reversed = reversed;
        record.state = state;
        let record = record.clone();
        events::transaction(set, &record);
    }
}
