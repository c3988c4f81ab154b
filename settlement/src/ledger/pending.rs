//! Transactions under way at connected brands: what each step changes in the books. Which step
//! follows on which answer is [`crate::saga`]'s to say.
//!
//! From the commit that accepts an order to the one that ends it, three things are held: the points
//! that our own books keep, the debtor's gross against its cap, and the source reference. The quote
//! stays used whatever comes.

use alliance_contracts::connector::Step;
use alliance_contracts::encoding;
use alliance_contracts::ids::TransactionId;
use alliance_contracts::problem::ProblemCode;
use alliance_contracts::quote::{Settlement, TransactionKind};
use alliance_contracts::receipt::{self, Account, Asset, Evidence, Posting, Receipt};
use alliance_contracts::time::Timestamp;
use alliance_contracts::transaction::TransactionState;

use super::flow::FlowEnd;
use super::limits::day_of;
use super::working_set::{TransactionRecord, TransactionSideRecord, WorkingSet};
use super::{events, posting, reversal};
use crate::alliance::Registry;
use crate::command::{Answered, Keyed, Outcome};
use crate::receipts::{self, ReceiptDraft};
use crate::saga::{
    self, Answer, Given, LEASE_SECONDS, PARKED_EVERY_SECONDS, Phase, Plan, Remark, Saga, Taken,
    wait_millis,
};

/// How a transaction goes: who keeps what is taken, and who what is given.
pub fn plan(registry: &Registry, record: &TransactionRecord) -> Plan {
    let backward = record.kind == TransactionKind::Reversal;
    let (from, to) = sides(record);
    // Part of a reversal may be no point at all on one side.
    let none = |side: &TransactionSideRecord| side.amount().is_zero();
    let taken = match (from, from.program()) {
        (side, Some(_)) if none(side) => Taken::Nothing,
        (_, Some(program)) if registry.is_connected(program) => Taken::Reserved,
        (_, Some(_)) => Taken::Hosted,
        (side, None) if backward && registry.connector(side.partner()).is_some() => {
            Taken::Cancelled
        }
        (_, None) => Taken::Nothing,
    };
    let given = match (to, to.program()) {
        (side, Some(_)) if none(side) => Given::Nothing,
        (_, Some(program)) if registry.is_connected(program) => Given::Credited,
        (_, Some(_)) => Given::Hosted,
        (side, None) if !backward && registry.connector(side.partner()).is_some() => {
            Given::Credited
        }
        (_, None) => Given::Nothing,
    };
    Plan { taken, given }
}

/// From whom something is taken, and to whom something is given: of a reversal, the other way
/// round.
fn sides(record: &TransactionRecord) -> (&TransactionSideRecord, &TransactionSideRecord) {
    match record.kind {
        TransactionKind::Reversal => (&record.target, &record.source),
        _ => (&record.source, &record.target),
    }
}

/// Notes a transaction that brands have to be asked about: its row, its request's evidence and the
/// consent it is under, what it
/// holds, and where it begins. Every rule has been read.
pub(super) fn begin(
    set: &mut WorkingSet,
    keyed: &Keyed,
    mut record: TransactionRecord,
    (lines, consent): (Vec<Posting>, Option<Evidence>),
    plan: Plan,
    now: Timestamp,
) -> Result<(), ProblemCode> {
    record.state = TransactionState::Pending;
    record.completed_at = None;
    let held = if plan.taken == Taken::Hosted { hold(set, &record)? } else { 0 };
    if let Some(settlement) = money_held(&record) {
        change_held(set, &settlement, settlement.gross.micros());
    }
    let evidence = keyed.request.clone();
    let said = receipts::evidence_with(&evidence, consent);
    let terms = receipts::terms(&set.registry, &record, lines, said, now);
    let (from, to) = sides(&record);
    let deadline = set.registry.answer_deadline_seconds(from.partner(), to.partner(), now);
    let saga = Saga {
        transaction: record.id,
        plan,
        phase: saga::first(plan),
        giver: from.partner().clone(),
        receiver: to.partner().clone(),
        due_at: now,
        attempts: 0,
        deadline_at: now.plus_seconds(deadline),
        parked_at: None,
        reservation: None,
        reference: None,
        refusal: None,
        remark: None,
        held,
        reverses: record.reverses,
        terms,
    };
    set.reversing.extend(record.reverses);
    set.writes.requests.insert(evidence.id, evidence);
    events::transaction(set, &record);
    set.transactions.insert(record.id, record.clone());
    set.writes.transactions.push(record);
    keep(set, saga);
    Ok(())
}

/// Takes a member's points out of its balance: how many, in minor units.
fn hold(set: &mut WorkingSet, record: &TransactionRecord) -> Result<i64, ProblemCode> {
    let side = sides(record).0.account().ok_or(ProblemCode::InternalError)?;
    let scale = set.registry.program(&side.program).ok_or(ProblemCode::InternalError)?.scale;
    let amount = side.amount.to_minor(scale).ok_or(ProblemCode::InternalError)?;
    let number = side.member.number.ok_or(ProblemCode::InternalError)?;
    change_balance(set, number, -amount)?;
    Ok(amount)
}

fn change_balance(
    set: &mut WorkingSet,
    number: crate::command::MemberNo,
    by: i64,
) -> Result<(), ProblemCode> {
    let member = set.members.get_mut(&number).ok_or(ProblemCode::InternalError)?;
    let after = member.balance.checked_add(by).ok_or(ProblemCode::InternalError)?;
    if after < 0 {
        return Err(ProblemCode::InsufficientPoints);
    }
    member.balance = after;
    set.writes.balances.insert(number, after);
    Ok(())
}

/// What counts against the debtor's cap meanwhile: an order's gross. A reversal is never checked
/// against caps.
fn money_held(record: &TransactionRecord) -> Option<Settlement> {
    let forward = record.kind != TransactionKind::Reversal;
    record.settlement.clone().filter(|_| forward)
}

fn change_held(set: &mut WorkingSet, settlement: &Settlement, by: i64) {
    let account = Account::Held(settlement.debtor.clone());
    let place = (account, Asset::Currency(settlement.currency.clone()));
    let balance = set.accounts.entry(place.clone()).or_insert(0);
    *balance += i128::from(by);
    let balance = *balance;
    set.writes.accounts.insert(place, balance);
}

fn keep(set: &mut WorkingSet, saga: Saga) {
    set.writes.sagas.insert(saga.transaction, Some(saga.clone()));
    set.sagas.insert(saga.transaction, saga);
}

/// Hands out the calls that are due: whoever gets one has it for a while, and nobody else.
pub fn take(set: &mut WorkingSet, wanted: &[TransactionId], now: Timestamp) -> Outcome {
    let mut taken = Vec::with_capacity(wanted.len());
    for id in wanted {
        let due = set.sagas.get(id).filter(|saga| !saga.phase.has_ended() && saga.due_at <= now);
        let Some(mut saga) = due.cloned() else { continue };
        saga.due_at = now.plus_seconds(LEASE_SECONDS);
        saga.attempts = saga.attempts.saturating_add(1);
        keep(set, saga);
        taken.push(*id);
    }
    Outcome::Taken(taken)
}

/// Has a brand asked again now, whatever the wait.
pub fn ask_again(set: &mut WorkingSet, id: &TransactionId, now: Timestamp) -> Outcome {
    let Some(saga) = set.sagas.get(id) else { return Outcome::Done(0) };
    if saga.phase.has_ended() {
        return Outcome::Done(0);
    }
    let saga = Saga { due_at: now, ..saga.clone() };
    keep(set, saga);
    Outcome::Done(1)
}

/// Takes in what a brand has answered, or that it has not, and does what follows.
pub fn answered(set: &mut WorkingSet, told: &Answered, now: Timestamp) -> Outcome {
    // Read.
    let Some(saga) = set.sagas.get(&told.transaction).cloned() else {
        // It has completed, and all was well.
        return Outcome::Done(0);
    };
    if saga.phase.step() != Some(told.step) {
        return late(set, saga, told);
    }
    // Decide.
    let next = saga::after(saga.plan, saga.phase, &told.answer);
    if matches!(told.answer, Answer::Silent | Answer::Unknown) {
        keep(set, waiting(saga, now));
        return Outcome::Done(1);
    }
    let mut saga = Saga { phase: next.phase, attempts: 0, parked_at: None, due_at: now, ..saga };
    saga.remark = saga.remark.or(next.remark);
    match &told.answer {
        Answer::Done(name) if told.step == Step::Reserve => {
            saga.reservation.clone_from(name);
        }
        Answer::Done(name) if told.step == Step::Credit => {
            saga.reference.clone_from(name);
        }
        Answer::Refused(code) => saga.refusal = saga.refusal.or(Some((told.step, *code))),
        Answer::Done(_) | Answer::Unknown | Answer::Silent => {}
    }
    if let Some(signed) = &told.signed
        && matches!(told.answer, Answer::Done(_))
    {
        saga.terms = with_evidence(&saga.terms, signed);
    }
    // Write.
    let ended = match saga.phase {
        Phase::Completed => complete(set, saga, now),
        Phase::Failed => fail(set, saga, now),
        _ => {
            keep(set, saga);
            Ok(())
        }
    };
    if ended.is_ok() {
        set.writes.answers.extend(told.signed.clone());
    }
    ended.map_or_else(Outcome::Refused, |()| Outcome::Done(1))
}

/// Nothing is known: the call is made again later, and past the deadline a person is told.
fn waiting(saga: Saga, now: Timestamp) -> Saga {
    let parked_at = saga.parked_at.or((now >= saga.deadline_at).then_some(now));
    let wait = match parked_at {
        Some(_) => PARKED_EVERY_SECONDS * 1_000,
        None => wait_millis(saga.transaction, saga.attempts),
    };
    Saga { due_at: now.plus_millis(wait), parked_at, ..saga }
}

/// An answer to a call that is not waited for any more: of a gateway that was given up, or of a
/// call that was made twice. It says what was said before, or finance has to look at it.
fn late(set: &mut WorkingSet, saga: Saga, told: &Answered) -> Outcome {
    let said = match told.answer {
        Answer::Done(_) => true,
        Answer::Refused(_) => false,
        Answer::Unknown | Answer::Silent => return Outcome::Done(0),
    };
    let refused = saga.refusal.map(|(step, _)| step);
    let before = saga::answered(saga.plan, saga.phase, refused, saga.remark, told.step);
    if before == Some(said) || saga.remark.is_some() {
        return Outcome::Done(0);
    }
    keep(set, Saga { remark: Some(Remark::Contradiction), ..saga });
    Outcome::Done(1)
}

/// The terms, with a brand's own signature over what it has answered.
fn with_evidence(terms: &[u8], signed: &saga::SignedAnswer) -> Vec<u8> {
    let Ok(mut receipt) = receipt::parse(terms) else { return terms.to_vec() };
    receipt.evidence.push(Evidence {
        base: signed.base_hash,
        kid: signed.kid.clone(),
        partner: signed.partner.clone(),
        signature: encoding::base64_encode(&signed.signature),
    });
    receipt.to_payload()
}

/// What was held goes back, then all is posted as if it had been decided now.
fn complete(set: &mut WorkingSet, saga: Saga, now: Timestamp) -> Result<(), ProblemCode> {
    let mut record = set.transaction(&saga.transaction).ok_or(ProblemCode::InternalError)?.clone();
    let Receipt { postings, evidence, .. } =
        receipt::parse(&saga.terms).map_err(|_| ProblemCode::InternalError)?;
    let holders = posting::members(&record, set)?;
    give_back(set, &saga, &record)?;
    posting::post_bound(set, &postings, &holders)?;
    record.state = TransactionState::Completed;
    record.completed_at = Some(now);
    if let Some(original) = record.reverses {
        reversal::note_done(set, original, &record)?;
    }
    set.drafts.push(ReceiptDraft { transaction: record.id, postings, evidence });
    finish(set, saga, record);
    Ok(())
}

/// What was held goes back, and nothing has happened.
fn fail(set: &mut WorkingSet, saga: Saga, now: Timestamp) -> Result<(), ProblemCode> {
    let mut record = set.transaction(&saga.transaction).ok_or(ProblemCode::InternalError)?.clone();
    give_back(set, &saga, &record)?;
    if record.kind != TransactionKind::Reversal {
        uncount(set, &record, now);
    }
    record.state = TransactionState::Failed;
    set.references.remove(&(record.caller.clone(), record.source_reference.clone()));
    finish(set, saga, record);
    Ok(())
}

fn give_back(
    set: &mut WorkingSet,
    saga: &Saga,
    record: &TransactionRecord,
) -> Result<(), ProblemCode> {
    if saga.held > 0 {
        let holder = sides(record).0.account().and_then(|side| side.member.number);
        change_balance(set, holder.ok_or(ProblemCode::InternalError)?, saga.held)?;
    }
    if let Some(settlement) = money_held(record) {
        change_held(set, &settlement, -settlement.gross.micros());
    }
    Ok(())
}

/// An order that came to nothing counts neither as flow nor against its member's limit.
fn uncount(set: &mut WorkingSet, record: &TransactionRecord, now: Timestamp) {
    if let Some(settlement) = &record.settlement {
        let direction = (FlowEnd::of(&record.source), FlowEnd::of(&record.target));
        let mut flow = set.flow(&direction);
        flow.exchanged -= i128::from(settlement.gross.micros());
        set.put_flow(direction, flow);
    }
    let Some(side) = record.source.account() else { return };
    let scale = set.registry.program(&side.program).map(|program| program.scale);
    let amount = scale.and_then(|scale| side.amount.to_minor(scale));
    let given = side.member.number.and_then(|member| set.member_day(member, &record.corridor));
    let Some((amount, mut given)) = amount.zip(given.cloned()) else { return };
    if given.day == day_of(record.created_at) && given.day == day_of(now) {
        given.given = given.given.saturating_sub(amount).max(0);
        set.put_member_day(given);
    }
}

/// The row, and the saga: kept where it failed, or where finance has to look at it.
fn finish(set: &mut WorkingSet, saga: Saga, record: TransactionRecord) {
    if let Some(original) = record.reverses {
        set.reversing.remove(&original);
    }
    events::transaction(set, &record);
    set.transactions.insert(record.id, record.clone());
    let keeps = saga.phase == Phase::Failed || saga.remark.is_some();
    set.writes.finished.insert(record.id, record);
    if keeps {
        keep(set, Saga { held: 0, ..saga });
    } else {
        set.sagas.remove(&saga.transaction);
        set.writes.sagas.insert(saga.transaction, None);
    }
}
