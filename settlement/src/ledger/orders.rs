//! Orders under a quote: an exchange, a redemption, an accrual. Every rule is read first, then what
//! the order posts is decided, then it is written; nothing is changed before.

use alliance_contracts::arithmetic::Reversed;
use alliance_contracts::decimal::Decimal;
use alliance_contracts::names::{Corridor, Party, SourceReference};
use alliance_contracts::problem::ProblemCode;
use alliance_contracts::receipt::{Evidence, Posting};
use alliance_contracts::side::{AccountSide, SideOf};
use alliance_contracts::time::Timestamp;
use alliance_contracts::transaction::TransactionState;

use super::consents::{self, Under};
use super::flow::{Flow, FlowEnd};
use super::parties::{self, Parties};
use super::posting::{self, Direction};
use super::working_set::{
    Member, MemberDay, SeenMember, TransactionRecord, TransactionSideRecord, WorkingSet,
};
use super::{campaigns, events, limits, lots, newcomers, pending, rates};
use crate::command::{Keyed, Order, OrderSide, Outcome, Quoted, QuotedSide, QuotedTerms};
use crate::receipts::{self, ReceiptDraft};
use crate::saga::Plan;

/// Decides an order; changes the set only where it is accepted.
pub fn decide(
    set: &mut WorkingSet,
    keyed: &Keyed,
    order: &Order,
    now: Timestamp,
) -> Result<Outcome, ProblemCode> {
    let before = newcomers::mark(set);
    if let Quoted::Open(terms) = &order.quote {
        newcomers::enter_alone(set, terms);
    }
    let outcome = decide_of_known(set, keyed, order, now);
    if outcome.is_err() {
        newcomers::take_back(set, before);
    }
    outcome
}

fn decide_of_known(
    set: &mut WorkingSet,
    keyed: &Keyed,
    order: &Order,
    now: Timestamp,
) -> Result<Outcome, ProblemCode> {
    // Read: every rule, in the order of the codes.
    let terms = open_quote(set, order, now)?;
    let reference = (Party::from(&keyed.partner), order.source_reference.clone());
    if set.references.contains(&reference) {
        return Err(ProblemCode::DuplicateReference);
    }
    let parties = parties::of(set, keyed, terms, now)?;
    if !kind_allowed(set, terms, now) {
        return Err(ProblemCode::KindNotAllowed);
    }
    let under = consents::under(set, &keyed.partner, terms, now);
    if let Err(ProblemCode::KindNotAllowed) = under {
        return Err(ProblemCode::KindNotAllowed);
    }
    let added = bonus_minor(terms)?;
    // What members of connected programs have, their brands say when they are asked.
    let hosted = |side: &OrderSide| !set.registry.is_connected(&side.program);
    if let Some((receiver, side)) = parties.target
        && hosted(side)
        && !posting::has_room(receiver, side.amount.saturating_add(added), side.scale)
    {
        return Err(ProblemCode::AmountOutOfRange);
    }
    rates::may_be_had(set, terms, now)?;
    if let Some((giver, side)) = parties.source
        && hosted(side)
        && lots::free(giver, now) < side.amount
    {
        return Err(ProblemCode::InsufficientPoints);
    }
    let given = match parties.source {
        Some((giver, side)) => limits::given_with(set, terms, side, giver.member, now)?,
        None => None,
    };
    let under = under?;
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
    let record = record(set, keyed, order, terms, &parties, now)?;
    let accepted = Accepted {
        plan: pending::plan(&set.registry, &record),
        lines: posting::lines(&record, Direction::Forward),
        members: posting::members(&record, set)?,
        flow: rates::flow_with(set, terms, now),
        record,
        given,
        added,
        under,
    };
    // Write.
    write(set, keyed, terms, accepted, reference, now)
}

/// An order that every rule allows: what it changes.
struct Accepted {
    record: TransactionRecord,
    lines: Vec<Posting>,
    /// Whose points the lines move.
    members: Vec<posting::Holder>,
    /// What the giver has given this day, where that is limited.
    given: Option<MemberDay>,
    /// Points that a campaign adds, in minor units.
    added: i64,
    /// Who has to be asked.
    plan: Plan,
    /// The consent that it is under, where its caller is not its source.
    under: Option<Under>,
    /// The direction's flow with it; none within one partner.
    flow: Option<Flow>,
}

fn write(
    set: &mut WorkingSet,
    keyed: &Keyed,
    terms: &QuotedTerms,
    accepted: Accepted,
    reference: (Party, SourceReference),
    now: Timestamp,
) -> Result<Outcome, ProblemCode> {
    let Accepted { record, lines, members, given, added, flow, plan, under } = accepted;
    let asks = plan.asks();
    if !asks {
        posting::post(set, &lines, &members)?;
    }
    if let Some(given) = given {
        set.put_member_day(given);
    }
    for holder in &members {
        lots::forget_free(set, holder.member, now);
    }
    let [_, receiver] = record.members();
    if let Some((bonus, receiver)) = terms.bonus.as_ref().zip(receiver) {
        lots::hold(set, receiver, &bonus.campaign, added, now);
        campaigns::note_spent(set, &bonus.campaign, now);
    }
    if let Some(flow) = flow {
        set.put_flow((FlowEnd::of(&record.source), FlowEnd::of(&record.target)), flow);
    }
    if let Some(under) = &under {
        consents::count(set, under);
    }
    let consent = under.map(|under| under.evidence);
    set.quotes.insert(terms.id);
    set.references.insert(reference);
    let transaction = record.id;
    if asks {
        pending::begin(set, keyed, record, (lines, consent), plan, now)?;
    } else {
        set.accept(keyed, record, lines, consent);
    }
    Ok(Outcome::Transaction(transaction))
}

/// The order's quote: ours, the caller's, still open, not used.
fn open_quote<'a>(
    set: &WorkingSet,
    order: &'a Order,
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
    let target = terms.target.account().ok_or(ProblemCode::InternalError)?;
    bonus.points.to_minor(target.scale).ok_or(ProblemCode::InternalError)
}

/// The agreement as it is now: a quote made before a suspension performs nothing after it.
fn kind_allowed(set: &WorkingSet, terms: &QuotedTerms, now: Timestamp) -> bool {
    let (source, target) = (terms.source.partner(), terms.target.partner());
    let suspended = set.registry.is_suspended(source) || set.registry.is_suspended(target);
    let agreed = source == target
        || set
            .registry
            .agreement_at(source, target, now)
            .is_some_and(|agreed| agreed.kinds.contains(&terms.kind));
    agreed && !suspended
}

/// A side of the transaction: as quoted, its member as the corridor sees it.
fn side(
    set: &WorkingSet,
    corridor: &Corridor,
    quoted: &QuotedSide,
    member: Option<&Member>,
) -> Result<TransactionSideRecord, ProblemCode> {
    let terms = match quoted {
        QuotedSide::Item(item) => return Ok(SideOf::Item(item.clone())),
        QuotedSide::Partner(partner) => return Ok(SideOf::Partner { partner: partner.clone() }),
        QuotedSide::Account(terms) => terms,
    };
    let member = member.ok_or(ProblemCode::InternalError)?;
    let key = member.key.as_ref().ok_or(ProblemCode::InternalError)?;
    let pseudonym = set.vault.pseudonym(key, corridor, &terms.program, &terms.member);
    Ok(SideOf::Account(AccountSide {
        amount: Decimal::from_minor(terms.amount, terms.scale)
            .ok_or(ProblemCode::AmountOutOfRange)?,
        member: SeenMember { number: Some(member.member), pseudonym },
        partner: terms.partner.clone(),
        program: terms.program.clone(),
    }))
}

fn record(
    set: &WorkingSet,
    keyed: &Keyed,
    order: &Order,
    terms: &QuotedTerms,
    parties: &Parties<'_>,
    now: Timestamp,
) -> Result<TransactionRecord, ProblemCode> {
    let corridor = Corridor::between(terms.source.partner(), terms.target.partner());
    let [giver, receiver] = [parties.source, parties.target].map(|party| party.map(|(m, _)| m));
    Ok(TransactionRecord {
        id: order.transaction,
        kind: terms.kind,
        state: TransactionState::Completed,
        caller: Party::from(&keyed.partner),
        source_reference: order.source_reference.clone(),
        quote: Some(terms.id),
        order: keyed.digest.kept,
        source: side(set, &corridor, &terms.source, giver)?,
        target: side(set, &corridor, &terms.target, receiver)?,
        rate: terms.rate.clone(),
        settlement: terms.settlement.clone(),
        bonus: terms.bonus.clone(),
        expiry: terms.expiry,
        adjustment: None,
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
    /// Notes an accepted transaction: its row, its request's evidence, its receipt to be chained,
    /// its event.
    pub(super) fn accept(
        &mut self,
        keyed: &Keyed,
        record: TransactionRecord,
        postings: Vec<Posting>,
        consent: Option<Evidence>,
    ) {
        let request = keyed.request.clone();
        let evidence = receipts::evidence_with(&request, consent);
        self.writes.requests.insert(request.id, request);
        self.drafts.push(ReceiptDraft { transaction: record.id, postings, evidence });
        events::transaction(self, &record);
        self.transactions.insert(record.id, record.clone());
        self.writes.transactions.push(record);
    }
}
