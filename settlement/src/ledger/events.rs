//! Who is told what: the one place where the ledger says that something has happened. What is said
//! here is written by the commit that makes it so, or not at all.
//!
//! | what | who is told |
//! | --- | --- |
//! | transactions, links, consents, agreements, what their overrides bring | both partners |
//! | a member that was forgotten | its own partner |
//! | a pair that is frozen or released | the partners of both programs |
//! | boards | every partner |
//! | campaigns, once approved | every partner whose program one covers; of its budget, its sponsor |
//! | an endpoint that is gone | its partner |
//! | settlement windows, as they go on | every partner |
//! | a window's statement | its partner |
//! | a partner that is suspended or reinstated | that partner, and whoever has an agreement with it |

use std::collections::{BTreeMap, BTreeSet, HashMap};

use alliance_contracts::board::FrozenPair;
use alliance_contracts::campaign::CampaignState;
use alliance_contracts::decimal::Decimal;
use alliance_contracts::endpoint::EndpointState;
use alliance_contracts::event::{
    AgreementEvent, BoardEvent, CampaignEvent, ConsentEvent, EndpointEvent, EventType, LinkEvent,
    LinkEventSide, MemberEvent, OverrideEvent, PairEvent, PartnerEvent, StatementEvent, Told,
    TransactionEvent,
};
use alliance_contracts::ids::TransactionId;
use alliance_contracts::limits;
use alliance_contracts::link::LinkState;
use alliance_contracts::member::Erasure;
use alliance_contracts::names::{Corridor, PartnerId, ProgramId};
use alliance_contracts::statement::Statement;
use alliance_contracts::time::Timestamp;
use alliance_contracts::transaction::{ReversedTotals, TransactionState};
use alliance_contracts::window::WindowState;
use serde::Serialize;

use super::working_set::{
    BoardRow, LinkRecord, LinkSideRecord, TransactionRecord, TransactionSideRecord, WorkingSet,
};
use crate::alliance::{AgreementRecord, CampaignRecord, ConsentRecord, Definition};
use crate::events::{self, Entry, FULL_ROW_BYTES, MAX_EVENTS_PER_ROW, NewEvents};
use crate::payments::rounding::Settled;
use crate::webhooks::EndpointRecord;
use crate::windows::WindowRecord;

/// Something that has happened in a batch, in the order in which it was decided.
#[derive(Clone, Debug)]
pub(crate) enum Happened {
    /// A transaction has completed; its receipt gets its place when all is decided.
    Completed(TransactionId),
    /// One that had completed was turned round.
    Reversed(TransactionId, TransactionState, ReversedTotals),
    /// Anything else, and who is told.
    Told(BTreeSet<PartnerId>, Told),
}

/// Tells of a transaction that has just come to its state. Call it wherever a state changes, once,
/// with the record as it is from now on; the set must know the transaction when the batch ends.
pub(super) fn transaction(set: &mut WorkingSet, record: &TransactionRecord) {
    let happened = match record.state {
        TransactionState::Completed => Happened::Completed(record.id),
        TransactionState::PartiallyReversed | TransactionState::Reversed => {
            Happened::Reversed(record.id, record.state, reversed(set, record))
        }
        TransactionState::Pending | TransactionState::Failed => {
            let subject = record.id.to_string();
            let said = without_receipt(set, record);
            let told = events::told(events::transaction_type(record.state), subject, &said);
            Happened::Told(both(record).cloned().collect(), told)
        }
    };
    set.happened.push(happened);
}

/// Points of an account, money of an item.
fn reversed(set: &WorkingSet, record: &TransactionRecord) -> ReversedTotals {
    let total = |side: &TransactionSideRecord, minor| {
        let scale = match side.program() {
            Some(program) => set.registry.program(program).map(|program| program.scale),
            None => Some(limits::MONEY_SCALE),
        };
        scale.and_then(|scale| Decimal::from_minor(minor, scale)).unwrap_or(Decimal::ZERO)
    };
    ReversedTotals {
        source: total(&record.source, record.reversed.source),
        target: total(&record.target, record.reversed.target),
    }
}

/// What is told of a transaction that has no receipt.
fn without_receipt(set: &WorkingSet, record: &TransactionRecord) -> TransactionEvent {
    let side = |side: &TransactionSideRecord| side.clone().map(|member| member.pseudonym);
    TransactionEvent {
        bonus: record.bonus.clone(),
        completed_at: None,
        corridor: record.corridor.clone(),
        expiry: record.expiry,
        id: record.id,
        kind: record.kind,
        quote: record.quote,
        rate: record.rate.clone(),
        receipt: None,
        reversed: reversed(set, record),
        reverses: record.reverses,
        seq: None,
        settlement: record.settlement.clone(),
        source: side(&record.source),
        state: record.state,
        target: side(&record.target),
    }
}

/// Tells of a link that has just come to its state.
pub(super) fn link(set: &mut WorkingSet, record: &LinkRecord) {
    let corridor = Corridor::between(&record.a.partner, &record.b.partner);
    let side = |side: &LinkSideRecord| LinkEventSide {
        member: side.member.and_then(|member| {
            let member = set.member(member)?;
            let (key, reference) = member.key.as_ref().zip(member.reference.as_ref())?;
            Some(set.vault.pseudonym(key, &corridor, &side.program, reference))
        }),
        partner: side.partner.clone(),
        program: side.program.clone(),
    };
    let said = LinkEvent {
        a: side(&record.a),
        b: side(&record.b),
        consent: record.consent.clone(),
        id: record.id,
        proposed_by: record.proposed_by.clone(),
        state: record.state,
    };
    let what = match record.state {
        LinkState::Proposed => EventType::LinkProposed,
        LinkState::Active => EventType::LinkActive,
        LinkState::Revoked => EventType::LinkRevoked,
    };
    let to = [record.a.partner.clone(), record.b.partner.clone()];
    tell(set, to, what, record.id.to_string(), &said);
}

/// Tells of a consent to be debited that was given or ended.
pub(super) fn consent(set: &mut WorkingSet, record: &ConsentRecord) {
    let (source, target) = (record.consent.source.clone(), record.consent.target.clone());
    let what = match record.revoked_at {
        None => EventType::ConsentGranted,
        Some(_) => EventType::ConsentRevoked,
    };
    let to = [source.clone(), target.clone()];
    let said = ConsentEvent { id: record.id, source, target };
    tell(set, to, what, record.id.to_string(), &said);
}

/// Tells a partner that a member of its own was forgotten.
pub(super) fn forgotten(set: &mut WorkingSet, erasure: &Erasure) {
    let said = MemberEvent { erasure: erasure.id, program: erasure.program.clone() };
    let to = [erasure.partner.clone()];
    tell(set, to, EventType::MemberForgotten, erasure.id.to_string(), &said);
}

/// Tells of a version of an agreement that has just come to its state.
pub(super) fn agreement(set: &mut WorkingSet, record: &AgreementRecord) {
    use alliance_contracts::agreement::AgreementState as State;
    let agreed = &record.agreement;
    let said = AgreementEvent {
        a: agreed.a.clone(),
        b: agreed.b.clone(),
        effective_at: agreed.effective_at,
        hash: record.hash(),
        id: record.id,
        proposed_by: record.proposed_by.clone(),
        state: record.state,
        version: agreed.version,
    };
    let what = match record.state {
        State::Proposed => EventType::AgreementProposed,
        State::Active => EventType::AgreementActive,
        State::Withdrawn => EventType::AgreementWithdrawn,
    };
    let to = [agreed.a.clone(), agreed.b.clone()];
    tell(set, to, what, record.id.to_string(), &said);
}

/// Tells of what has changed of a campaign. One that nobody has approved is shown to no partner,
/// and told to none.
pub(super) fn campaign(set: &mut WorkingSet, record: &CampaignRecord) {
    let before = set.campaign(&record.id);
    let (state, warned) = before.map_or((CampaignState::Proposed, 0), |b| (b.state, b.warned));
    if record.approved_at.is_none() {
        return;
    }
    let partners = set.registry.definition.partners.iter().map(|p| &p.partner);
    let seen_by = partners.filter(|partner| set.registry.concerns(record, partner));
    let seen_by: BTreeSet<PartnerId> = seen_by.cloned().collect();
    let (id, name) = (record.id, record.campaign.name.clone());
    let said = CampaignEvent { id, name, state: record.state, warned: None };
    let subject = || record.id.to_string();
    if record.warned > warned {
        let said = CampaignEvent { warned: Some(record.warned), ..said.clone() };
        let sponsor = [record.campaign.sponsor.clone()];
        tell(set, sponsor, EventType::CampaignWarned, subject(), &said);
    }
    let what = match (record.state, &record.stopped_by) {
        _ if record.state == state => return,
        (CampaignState::Proposed, _) => return,
        (CampaignState::Active, _) => EventType::CampaignApproved,
        (CampaignState::Stopped, None) => EventType::CampaignExhausted,
        (CampaignState::Stopped, Some(_)) => EventType::CampaignStopped,
    };
    tell(set, seen_by, what, subject(), &said);
}

/// Tells of a board, and of every direction in which what partners have agreed on has ceased to
/// hold with it, or holds again.
pub(super) fn board(set: &mut WorkingSet, row: &BoardRow, definition: &Definition) {
    let BoardRow { board, terms, .. } = row;
    let said = BoardEvent {
        board: board.board,
        effective_at: board.effective_at,
        hash: alliance_contracts::encoding::Hash::of(&board.payload()),
        previous: board.previous,
        published_at: board.published_at,
    };
    let all = definition.partners.iter().map(|partner| partner.partner.clone());
    tell(set, all, EventType::BoardPublished, "board".to_owned(), &said);
    let last = set.registry.last_board().map(|last| last.published.terms.clone());
    let last = last.unwrap_or_default();
    let suspended = |pairs: &[alliance_contracts::board::PairTerms]| -> BTreeSet<_> {
        let suspended = pairs.iter().filter(|pair| pair.suspended);
        suspended.map(|pair| (pair.source.clone(), pair.target.clone())).collect()
    };
    let (before, after) = (suspended(&last.pairs), suspended(&terms.pairs));
    for pair in before.symmetric_difference(&after) {
        let now = after.contains(pair);
        let what = if now { EventType::OverrideSuspended } else { EventType::OverrideRestored };
        let (source, target) = pair.clone();
        let to = owners(set, &source, &target);
        let said = OverrideEvent { board: board.board, source, target };
        tell(set, to, what, direction(&pair.0, &pair.1), &said);
    }
}

/// Tells that a direction takes no orders.
pub(super) fn frozen(set: &mut WorkingSet, pair: &FrozenPair) {
    let (source, target) = (pair.source.clone(), pair.target.clone());
    let (to, subject) = (owners(set, &source, &target), direction(&source, &target));
    let said = PairEvent { board: Some(pair.board), source, target };
    tell(set, to, EventType::PairFrozen, subject, &said);
}

/// Tells that it takes orders again.
pub(super) fn released(set: &mut WorkingSet, source: &ProgramId, target: &ProgramId) {
    let (to, subject) = (owners(set, source, target), direction(source, target));
    let said = PairEvent { board: None, source: source.clone(), target: target.clone() };
    tell(set, to, EventType::PairReleased, subject, &said);
}

/// Tells that a partner may not trade, or may again.
pub(super) fn suspended(set: &mut WorkingSet, partner: &PartnerId, suspended: bool) {
    let what = if suspended { EventType::PartnerSuspended } else { EventType::PartnerReinstated };
    let to = set.registry.partners_in_agreement(partner);
    let said = PartnerEvent { partner: partner.clone() };
    tell(set, to, what, partner.to_string(), &said);
}

/// Tells that a settlement window has come to its state.
pub(super) fn window(set: &mut WorkingSet, window: &WindowRecord) {
    let what = match window.state {
        // It opens where the one before is closed: that is told.
        WindowState::Open => return,
        WindowState::Closed => EventType::WindowClosed,
        WindowState::Netted => EventType::WindowNetted,
        WindowState::Settling => EventType::WindowSettling,
        WindowState::Settled => EventType::WindowSettled,
        WindowState::Aborted => EventType::WindowAborted,
    };
    let partners = set.registry.definition.partners.iter();
    let all: Vec<PartnerId> = partners.map(|partner| partner.partner.clone()).collect();
    tell(set, all, what, window.id.to_string(), &window.told());
}

/// Tells each partner of a netted window's lines that its statement is there.
pub(super) fn statements(set: &mut WorkingSet, window: &WindowRecord, lines: &[Settled]) {
    for line in lines {
        // The alliance's own line has no statement.
        let Ok(partner) = line.party.as_str().parse::<PartnerId>() else { continue };
        let id = Statement::id_of(&window.id, &partner);
        let said = StatementEvent {
            carried: line.carried,
            currency: window.currency.clone(),
            id,
            net: line.net,
            number: window.number,
            payment: line.payment,
            value_date: window.value_date,
            window: window.id,
        };
        tell(set, [partner], EventType::StatementIssued, id.to_string(), &said);
    }
}

fn direction(source: &ProgramId, target: &ProgramId) -> String {
    format!("{source}/{target}")
}

fn owners(set: &WorkingSet, source: &ProgramId, target: &ProgramId) -> BTreeSet<PartnerId> {
    let programs = [source, target].into_iter().filter_map(|name| set.registry.program(name));
    programs.map(|program| program.partner.clone()).collect()
}

/// Tells an endpoint's partner that it wants nothing more.
pub(super) fn endpoint_gone(set: &mut WorkingSet, endpoint: &EndpointRecord) {
    let said = EndpointEvent { id: endpoint.id, state: EndpointState::Gone };
    let to = [endpoint.partner.clone()];
    tell(set, to, EventType::EndpointGone, endpoint.id.to_string(), &said);
}

fn tell<T: Serialize>(
    set: &mut WorkingSet,
    to: impl IntoIterator<Item = PartnerId>,
    what: EventType,
    subject: String,
    said: &T,
) {
    let told = events::told(what, subject, said);
    set.happened.push(Happened::Told(to.into_iter().collect(), told));
}

/// Packs what has happened into the rows of each feed, once all is decided and chained.
pub fn pack(set: &mut WorkingSet, now: Timestamp) {
    let mut feeds: BTreeMap<PartnerId, Packing> = BTreeMap::new();
    for happened in std::mem::take(&mut set.happened) {
        match happened {
            Happened::Completed(id) => {
                let Some((record, seq)) = chained(set, &id) else { continue };
                for partner in both(record) {
                    feeds.entry(partner.clone()).or_default().completed(&record.corridor, seq);
                }
            }
            Happened::Reversed(id, state, totals) => {
                let Some((record, seq)) = chained(set, &id) else { continue };
                let ReversedTotals { source, target } = totals;
                for partner in both(record) {
                    let corridor = record.corridor.clone();
                    let entry = Entry::Reversed { corridor, seq, source, state, target };
                    feeds.entry(partner.clone()).or_default().push(entry);
                }
            }
            Happened::Told(to, told) => {
                for partner in to {
                    let Told { r#type, subject, data, test } = told.clone();
                    let entry = Entry::Told { data, subject, test, r#type };
                    feeds.entry(partner).or_default().push(entry);
                }
            }
        }
    }
    set.writes.events =
        feeds.into_iter().flat_map(|(partner, feed)| feed.rows(&partner, now)).collect();
}

fn chained<'a>(set: &'a WorkingSet, id: &TransactionId) -> Option<(&'a TransactionRecord, u64)> {
    let record = set.transactions.get(id)?;
    Some((record, record.seq?))
}

/// The partners of a transaction, each once.
fn both(record: &TransactionRecord) -> impl Iterator<Item = &PartnerId> {
    let (source, target) = (record.source.partner(), record.target.partner());
    std::iter::once(source).chain((source != target).then_some(target))
}

/// The rows of one feed, being made.
#[derive(Default)]
struct Packing {
    full: Vec<Vec<Entry>>,
    row: Vec<Entry>,
    events: u64,
    bytes: usize,
    /// Where the last entry of each corridor stands, while receipts that follow may join it.
    runs: HashMap<Corridor, usize>,
}

impl Packing {
    /// A receipt joins those of its chain that the row ends with, past those of other chains:
    /// whose order was first says nothing to anybody.
    fn completed(&mut self, corridor: &Corridor, at: u64) {
        let known = self.runs.get(corridor).and_then(|run| self.row.get_mut(*run));
        if let Some(Entry::Completed { count, seq, .. }) = known
            && *seq + *count == at
            && self.events < MAX_EVENTS_PER_ROW
        {
            *count += 1;
            self.events += 1;
            return;
        }
        self.add(Entry::Completed { corridor: corridor.clone(), count: 1, seq: at });
        self.runs.insert(corridor.clone(), self.row.len() - 1);
    }

    /// Anything else stays where it stands: nothing after it joins what was before it.
    fn push(&mut self, entry: Entry) {
        self.add(entry);
        self.runs.clear();
    }

    fn add(&mut self, entry: Entry) {
        if self.events >= MAX_EVENTS_PER_ROW || self.bytes >= FULL_ROW_BYTES {
            self.full.push(std::mem::take(&mut self.row));
            (self.events, self.bytes) = (0, 0);
            self.runs.clear();
        }
        self.bytes += match &entry {
            Entry::Told { data, .. } => data.get().len() + 100,
            _ => 100,
        };
        self.events += 1;
        self.row.push(entry);
    }

    fn rows(mut self, partner: &PartnerId, at: Timestamp) -> Vec<NewEvents> {
        self.full.push(self.row);
        let mut last = 0;
        let row = |entries: Vec<Entry>| {
            let first = last + 1;
            last += entries.iter().map(Entry::count).sum::<u64>();
            // Texts, small integers and JSON that was written here: it always serialises.
            let entries = serde_json::to_string(&entries).unwrap_or_default();
            NewEvents { partner: partner.clone(), first, last, at, entries }
        };
        self.full.into_iter().map(row).collect()
    }
}
