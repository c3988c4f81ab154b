//! Orders under a quote: points of one program for points of another, same person.

use alliance_contracts::arithmetic::Reversed;
use alliance_contracts::decimal::Decimal;
use alliance_contracts::names::Corridor;
use alliance_contracts::problem::ProblemCode;
use alliance_contracts::quote::TransactionKind;
use alliance_contracts::time::Timestamp;
use alliance_contracts::transaction::TransactionState;

use super::posting::{self, Direction};
use super::working_set::{Member, TransactionRecord, TransactionSideRecord, WorkingSet};
use super::{campaigns, limits, lots, rates};
use crate::command::{Exchange, Keyed, OrderSide, Outcome, Quoted, QuotedTerms};
use crate::receipts::ReceiptDraft;

/// Decides an order; changes the set only where it is accepted.
pub fn decide(
    set: &mut WorkingSet,
    keyed: &Keyed,
    order: &Exchange,
    now: Timestamp,
) -> Result<Outcome, ProblemCode> {
    // Read: every rule, in the order of the codes.
    let terms = open_quote(set, order, now)?;
    let reference = (keyed.partner.clone(), order.source_reference.clone());
    if set.references.contains(&reference) {
        return Err(ProblemCode::DuplicateReference);
    }
    let (source, target) = linked_members(set, terms, now)?;
    let own = |side: &OrderSide| side.partner == keyed.partner;
    let foreign_frozen = |member: &Member, side: &OrderSide| member.frozen && !own(side);
    if foreign_frozen(source, &terms.source) || foreign_frozen(target, &terms.target) {
        return Err(ProblemCode::MembersNotLinked);
    }
    if source.frozen || target.frozen {
        return Err(ProblemCode::MemberFrozen);
    }
    if !kind_allowed(set, terms, now) {
        return Err(ProblemCode::KindNotAllowed);
    }
    let added = bonus_minor(terms)?;
    if !posting::has_room(target, terms.target.amount.saturating_add(added), terms.target.scale) {
        return Err(ProblemCode::AmountOutOfRange);
    }
    rates::may_be_had(set, terms, now)?;
    if lots::free(source, now) < terms.source.amount {
        return Err(ProblemCode::InsufficientPoints);
    }
    let given = limits::given_with(set, terms, source.member, now)?;
    if !limits::within_pair_cap(set, terms, now) {
        return Err(ProblemCode::ExceedsNetDebitCap);
    }
    if let Some(settlement) = &terms.settlement
        && !posting::within_net_debit_cap(set, settlement)
    {
        return Err(ProblemCode::ExceedsNetDebitCap);
    }
    if let Some(bonus) = &terms.bonus
        && let Err(code) = campaigns::has_room(set, bonus, now)
    {
        campaigns::stop_at_red_line(set, &bonus.campaign, now);
        return Err(code);
    }
    if rates::is_abnormal(set, terms, now) {
        rates::freeze(set, terms, now);
        return Err(ProblemCode::RateFrozen);
    }
    // Decide: what it posts.
    let record = record(set, keyed, order, terms, source, target, now)?;
    let lines = posting::lines(&record, Direction::Forward);
    let flow = rates::flow_with(set, terms, now);
    let members = [
        (&record.source.program, &record.source.pseudonym, source.member, terms.source.scale),
        (&record.target.program, &record.target.pseudonym, target.member, terms.target.scale),
    ];
    let (giver, receiver) = (source.member, target.member);
    // Write.
    posting::post(set, &lines, &members)?;
    if let Some(given) = given {
        set.put_member_day(given);
    }
    for member in [giver, receiver] {
        lots::forget_free(set, member, now);
    }
    if let Some(bonus) = &terms.bonus {
        lots::hold(set, receiver, &bonus.campaign, added, now);
        campaigns::note_spent(set, &bonus.campaign, now);
    }
    if let Some(flow) = flow {
        set.put_flow(&terms.source.program, &terms.target.program, flow);
    }
    set.quotes.insert(terms.id);
    set.references.insert(reference);
    set.accept(keyed, record, lines);
    Ok(Outcome::Transaction(order.transaction))
}

/// The order's quote: ours, the caller's, still open, not used.
fn open_quote<'a>(
    set: &WorkingSet,
    order: &'a Exchange,
    now: Timestamp,
) -> Result<&'a QuotedTerms, ProblemCode> {
    let terms = match &order.quote {
        Quoted::Unknown => return Err(ProblemCode::QuoteUnknown),
        Quoted::Expired => return Err(ProblemCode::QuoteExpired),
        Quoted::Open(terms) => terms,
    };
    if now >= terms.expires_at {
        return Err(ProblemCode::QuoteExpired);
    }
    if set.quotes.contains(&terms.id) {
        return Err(ProblemCode::QuoteUsed);
    }
    Ok(terms)
}

/// The points that a campaign adds, in minor units.
fn bonus_minor(terms: &QuotedTerms) -> Result<i64, ProblemCode> {
    let Some(bonus) = &terms.bonus else { return Ok(0) };
    bonus.points.to_minor(terms.target.scale).ok_or(ProblemCode::InternalError)
}

/// Both members, if a link joins them. Whether one does not exist, is not linked or is linked for
/// something else: one answer, so that nobody learns who a stranger's members are.
fn linked_members<'a>(
    set: &'a WorkingSet,
    terms: &QuotedTerms,
    now: Timestamp,
) -> Result<(&'a Member, &'a Member), ProblemCode> {
    let (source, target) = set
        .found(&terms.source.lookup)
        .zip(set.found(&terms.target.lookup))
        .ok_or(ProblemCode::MembersNotLinked)?;
    set.link_between(source.member, target.member, TransactionKind::Exchange, now)
        .ok_or(ProblemCode::MembersNotLinked)?;
    Ok((source, target))
}

/// The agreement as it is now: a quote made before a suspension performs nothing after it.
fn kind_allowed(set: &WorkingSet, terms: &QuotedTerms, now: Timestamp) -> bool {
    let (source, target) = (&terms.source.partner, &terms.target.partner);
    let suspended = set.registry.is_suspended(source) || set.registry.is_suspended(target);
    let agreed = source == target
        || set
            .registry
            .agreement_at(source, target, now)
            .is_some_and(|agreed| agreed.kinds.contains(&TransactionKind::Exchange));
    agreed && !suspended
}

fn record(
    set: &WorkingSet,
    keyed: &Keyed,
    order: &Exchange,
    terms: &QuotedTerms,
    source: &Member,
    target: &Member,
    now: Timestamp,
) -> Result<TransactionRecord, ProblemCode> {
    let corridor = Corridor::between(&terms.source.partner, &terms.target.partner);
    let side = |terms: &OrderSide, member: &Member| {
        let key = member.key.as_ref().ok_or(ProblemCode::InternalError)?;
        Ok(TransactionSideRecord {
            partner: terms.partner.clone(),
            program: terms.program.clone(),
            member: Some(member.member),
            pseudonym: set.vault.pseudonym(key, &corridor, &terms.program, &terms.member),
            amount: Decimal::from_minor(terms.amount, terms.scale)
                .ok_or(ProblemCode::AmountOutOfRange)?,
        })
    };
    Ok(TransactionRecord {
        id: order.transaction,
        kind: TransactionKind::Exchange,
        state: TransactionState::Completed,
        caller: keyed.partner.clone(),
        source_reference: order.source_reference.clone(),
        quote: Some(terms.id),
        order: keyed.digest,
        source: side(&terms.source, source)?,
        target: side(&terms.target, target)?,
        rate: terms.rate.clone(),
        settlement: terms.settlement.clone(),
        bonus: terms.bonus.clone(),
        created_at: now,
        completed_at: Some(now),
        reversed: Reversed::default(),
        reverses: None,
        reason: None,
        corridor,
        seq: None,
        request: keyed.request.id,
        request_index: keyed.index,
    })
}

impl WorkingSet {
    /// Notes an accepted transaction: its row, its request's evidence, its receipt to be chained.
    pub(super) fn accept(
        &mut self,
        keyed: &Keyed,
        record: TransactionRecord,
        postings: Vec<alliance_contracts::receipt::Posting>,
    ) {
        let evidence = keyed.request.clone();
        self.writes.requests.insert(evidence.id, evidence.clone());
        self.drafts.push(ReceiptDraft { transaction: record.id, postings, evidence });
        self.transactions.insert(record.id, record.clone());
        self.writes.transactions.push(record);
    }
}
