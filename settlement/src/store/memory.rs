//! Memory: maps behind one lock. Keeps nothing over a restart; for tests and for trying things out.
//!
//! It refuses what the databases refuse: a commit is checked whole against the maps, and only then
//! applied, so that it is never applied in part.

mod settlement;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use alliance_contracts::agreement::AgreementState;
use alliance_contracts::board::FrozenPair;
use alliance_contracts::campaign::CampaignState;
use alliance_contracts::connector::Step;
use alliance_contracts::encoding::Hash;
use alliance_contracts::endpoint::DeliveryState;
use alliance_contracts::ids::{
    AgreementId, CampaignId, ConsentId, EndpointId, ErasureId, LinkId, QuoteId, RequestId,
    TransactionId, WindowId,
};
use alliance_contracts::keys::Kid;
use alliance_contracts::link::LinkState;
use alliance_contracts::member::SignedErasure;
use alliance_contracts::names::{
    AllianceId, Corridor, IdempotencyKey, PartnerId, Party, ProgramId, SourceReference,
};
use alliance_contracts::partner_key::UsedForTransaction;
use alliance_contracts::receipt::{Account, Asset};
use alliance_contracts::time::Timestamp;
use alliance_contracts::transaction::TransactionState;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{
    Batch, KeyUseRecord, LinkDetail, LotPlace, MemberBooks, NEWEST_PROPOSALS, OpenSagas, Store,
    StoreError, StoreFuture, TransactionDetail, TransactionPlace, VersionedRegistry, WindowRange,
    rows, statements,
};
use crate::alliance::{
    AgreementRecord, CampaignRecord, ConsentRecord, ConsentSpent, Definition, GatewayKeys,
    MasterKeyRecord, MasterKeys, PartnerKeyRecord, PublishedBoard, RegistryParts,
};
use crate::command::{Cosignature, MemberNo, RequestEvidence};
use crate::events::EventRow;
use crate::ledger::lots::Lot;
use crate::ledger::working_set::{
    BankEntryRow, BankFile, BoardRow, ErasureRow, KeyUseRow, Loaded, MemberDay, ObservationRow,
    SealedMember, WindowDocument,
};
use crate::ledger::{
    AccountBalance, ChainHead, Direction, Flow, FlowRow, KeyRecord, LinkRecord, TransactionRecord,
    Wanted, Writes,
};
use crate::payments::matching::Tracked;
use crate::payments::rounding::Settled;
use crate::rates::feeds::{FeedKind, Feeds};
use crate::rates::proposal::RateProposal;
use crate::receipts::StoredReceipt;
use crate::rekeying::{Rekeyed, WrappedMember};
use crate::saga::{Saga, SignedAnswer};
use crate::vault::Lookup;
use crate::webhooks::{AttemptRecord, DeliveryRecord, EndpointRecord, EndpointView, Standing};
use crate::windows::{SettlementProposal, WindowRecord};
use settlement::Settlement;

type Result<T> = std::result::Result<T, StoreError>;

/// A store in memory.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    alliance: AllianceId,
    maps: Arc<RwLock<Maps>>,
    /// The sequencer row.
    row: Arc<Mutex<()>>,
}

#[derive(Debug, Default)]
struct Maps {
    batch: i64,
    next_member: i64,
    registry_version: i64,
    definitions: BTreeMap<i64, Definition>,
    boards: BTreeMap<u32, PublishedBoard>,
    partner_keys: Vec<String>,
    settlement: Settlement,
    suspensions: BTreeMap<PartnerId, Timestamp>,
    frozen: BTreeMap<(ProgramId, ProgramId), FrozenPair>,
    flows: BTreeMap<Direction, Flow>,
    member_days: BTreeMap<(MemberNo, Corridor), MemberDay>,
    feeds: BTreeMap<ProgramId, Feeds>,
    proposals: BTreeMap<u32, RateProposal>,
    observations: BTreeMap<(ProgramId, FeedKind, Timestamp), ObservationRow>,
    quote_keys: BTreeMap<i64, Vec<u8>>,
    master_keys: BTreeMap<i64, MasterKeyRecord>,
    members: BTreeMap<MemberNo, (SealedMember, i64)>,
    lookups: BTreeMap<Lookup, MemberNo>,
    accounts: BTreeMap<(Account, Asset), i128>,
    links: BTreeMap<LinkId, LinkRecord>,
    erasures: BTreeMap<ErasureId, SignedErasure>,
    agreements: BTreeMap<AgreementId, AgreementRecord>,
    campaigns: BTreeMap<CampaignId, CampaignRecord>,
    consents: BTreeMap<ConsentId, ConsentRecord>,
    consents_spent: BTreeMap<ConsentId, ConsentSpent>,
    /// Active links by their ends, in the order that they are kept in.
    active: BTreeMap<(MemberNo, MemberNo), LinkId>,
    keys: BTreeMap<(PartnerId, IdempotencyKey), KeyRecord>,
    requests: BTreeMap<RequestId, Arc<RequestEvidence>>,
    changed_keys: BTreeMap<Kid, PartnerKeyRecord>,
    gateway_keys: BTreeMap<u64, Arc<GatewayKeys>>,
    key_uses: BTreeMap<(Kid, Timestamp, RequestId), KeyUseRow>,
    cosignatures: BTreeMap<(Corridor, u64, PartnerId), Cosignature>,
    transactions: BTreeMap<TransactionId, TransactionRecord>,
    sagas: BTreeMap<TransactionId, Saga>,
    answers: BTreeMap<(TransactionId, Step), SignedAnswer>,
    endpoints: BTreeMap<EndpointId, EndpointRecord>,
    deliveries: BTreeMap<(EndpointId, u64), DeliveryRecord>,
    attempts: BTreeMap<(EndpointId, u64, u32), AttemptRecord>,
    quotes: BTreeSet<QuoteId>,
    /// Of transactions that did not fail.
    references: BTreeSet<(Party, SourceReference)>,
    receipts: BTreeMap<(Corridor, u64), StoredReceipt>,
    heads: BTreeMap<Corridor, ChainHead>,
    nodes: BTreeMap<(Corridor, u32, u64), Hash>,
    /// Of each partner, by their last number.
    events: BTreeMap<PartnerId, BTreeMap<u64, EventRow>>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new(alliance: AllianceId) -> Self {
        let maps = Maps { next_member: 1, ..Maps::default() };
        Self { alliance, maps: Arc::new(RwLock::new(maps)), row: Arc::default() }
    }

    /// The maps. Nothing panics while it holds them, so that a poisoned lock is whole all the same.
    fn read(&self) -> RwLockReadGuard<'_, Maps> {
        self.maps.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn contradiction<T>(what: impl std::fmt::Display) -> Result<T> {
    Err(StoreError::Contradiction(what.to_string()))
}

/// Adds to a set; what is there already is a contradiction.
fn once<T: Eq + std::hash::Hash>(
    seen: &mut HashSet<T>,
    value: T,
    there: bool,
    what: &str,
) -> Result<()> {
    if there || !seen.insert(value) {
        return contradiction(format_args!("{what} is there already"));
    }
    Ok(())
}

// ---------------------------------------------------------------------------------------------
// Commit
// ---------------------------------------------------------------------------------------------

impl Maps {
    /// Everything that the databases would refuse.
    fn check(&self, writes: &Writes) -> Result<()> {
        statements::check(writes, self.next_member)?;
        self.check_registry(writes)?;
        self.check_members(writes)?;
        self.check_links(writes)?;
        self.check_agreements(writes)?;
        self.check_campaigns(writes)?;
        self.check_transactions(writes)?;
        self.check_sagas(writes)?;
        self.settlement.check(writes)?;
        self.check_chains(writes)
    }

    fn check_registry(&self, writes: &Writes) -> Result<()> {
        if writes.board.as_ref().is_some_and(|row| self.boards.contains_key(&row.board.board)) {
            return contradiction("a board of this number is there already");
        }
        for record in writes.proposals.values() {
            if record.approved_by.as_ref() == Some(&record.proposed_by) {
                return contradiction("who proposes does not approve");
            }
        }
        let mut seen = HashSet::new();
        for row in &writes.observations {
            let place = place_of(row);
            let there = self.observations.contains_key(&place);
            once(&mut seen, place, there, "a reading of this time")?;
        }
        let list = writes.gateway_keys.as_ref().map(|list| list.trusted.number());
        if list.is_some_and(|number| self.gateway_keys.contains_key(&number)) {
            return contradiction("a gateway key list of this number is there already");
        }
        let Some(row) = &writes.definition else { return Ok(()) };
        if self.definitions.contains_key(&row.version) {
            return contradiction("a definition of this version is there already");
        }
        if row.window.is_some() && self.settlement.open().is_some() {
            return contradiction("a window is open already");
        }
        Ok(())
    }

    fn check_members(&self, writes: &Writes) -> Result<()> {
        let mut seen = HashSet::new();
        let forgotten: HashSet<MemberNo> = writes.erasures.iter().map(|row| row.member).collect();
        for row in &writes.members {
            let lookup = row.new.lookup.first();
            let there = self.lookups.get(&lookup).is_some_and(|member| !forgotten.contains(member));
            once(&mut seen, lookup, there, "a member's lookup")?;
            if row.new.opening < 0 {
                return contradiction("an opening balance is below zero");
            }
        }
        let new: HashSet<MemberNo> = writes.members.iter().map(|row| row.member).collect();
        let changed = writes.frozen_members.keys().chain(&forgotten);
        if changed.into_iter().any(|one| !self.members.contains_key(one) && !new.contains(one)) {
            return contradiction("a change of no member");
        }
        let known = |row: &ErasureRow| self.erasures.contains_key(&row.erasure.id);
        if writes.erasures.iter().any(known) {
            return contradiction("an erasure of this id is there already");
        }
        for (member, balance) in &writes.balances {
            if !self.members.contains_key(member) && !new.contains(member) {
                return contradiction("a balance of no member");
            }
            if *balance < 0 {
                return contradiction("a balance is below zero");
            }
        }
        Ok(())
    }

    fn check_links(&self, writes: &Writes) -> Result<()> {
        let mut active = HashSet::new();
        for link in writes.links.values() {
            let Some(ends) = active_ends(link) else { continue };
            let other = self.active.get(&ends).filter(|id| !writes.links.contains_key(id));
            once(&mut active, ends, other.is_some(), "an active link of two members")?;
        }
        Ok(())
    }

    /// A pair has one open proposal, and one agreement of each number.
    fn check_agreements(&self, writes: &Writes) -> Result<()> {
        let others = self.agreements.values().filter(|g| !writes.agreements.contains_key(&g.id));
        let mut seen = HashSet::new();
        for record in others.chain(writes.agreements.values()) {
            let version = match record.state {
                AgreementState::Withdrawn => continue,
                AgreementState::Proposed => None,
                AgreementState::Active => Some(record.agreement.version),
            };
            once(&mut seen, (record.pair(), version), false, "an agreement of the pair")?;
        }
        Ok(())
    }

    /// What is active was approved, where two are needed by another than who has proposed it.
    fn check_campaigns(&self, writes: &Writes) -> Result<()> {
        for record in writes.campaigns.values() {
            let approved = record.approved_by.as_ref();
            if record.state == CampaignState::Active && approved.is_none() {
                return contradiction("an active campaign that nobody has approved");
            }
            if record.needs_two && approved == Some(&record.proposed_by) {
                return contradiction("a campaign approved by who has proposed it");
            }
        }
        let wrong = |lot: &Option<Lot>| lot.is_some_and(|lot| lot.points < 0);
        if writes.lots.values().any(wrong) {
            return contradiction("a lot of less than nothing");
        }
        Ok(())
    }

    fn check_transactions(&self, writes: &Writes) -> Result<()> {
        let mut seen = HashSet::new();
        for key in &writes.keys {
            rows::stored_outcome(&key.outcome)?;
            let place = (&key.partner, &key.key);
            let there = self.keys.contains_key(&(key.partner.clone(), key.key.clone()));
            once(&mut seen, place, there, "an idempotency key")?;
        }
        let (mut ids, mut quotes, mut references) =
            (HashSet::new(), HashSet::new(), HashSet::new());
        for record in &writes.transactions {
            once(&mut ids, record.id, self.transactions.contains_key(&record.id), "a transaction")?;
            if let Some(quote) = record.quote {
                once(&mut quotes, quote, self.quotes.contains(&quote), "a quote's transaction")?;
            }
            if record.state != TransactionState::Failed {
                let place = (record.caller.clone(), record.source_reference.clone());
                let there = self.references.contains(&place);
                once(&mut references, place, there, "a source reference")?;
            }
        }
        for (id, (_, reversed)) in &writes.reversed {
            if !self.transactions.contains_key(id) && !ids.contains(id) {
                return contradiction("a reversal of no transaction");
            }
            if reversed.source < 0 || reversed.target < 0 {
                return contradiction("less than nothing is reversed");
            }
        }
        Ok(())
    }

    fn check_sagas(&self, writes: &Writes) -> Result<()> {
        for id in writes.finished.keys() {
            let state = self.transactions.get(id).map(|record| record.state);
            if state != Some(TransactionState::Pending) {
                return contradiction("what was not pending cannot end");
            }
        }
        let mut reversing = HashSet::new();
        let others =
            self.sagas.values().filter(|saga| !writes.sagas.contains_key(&saga.transaction));
        for saga in others.chain(writes.sagas.values().flatten()) {
            if saga.held < 0 || (saga.phase.has_ended() && saga.held != 0) {
                return contradiction("a saga holds what it may not");
            }
            if let Some(original) = saga.reverses.filter(|_| !saga.phase.has_ended()) {
                once(&mut reversing, original, false, "a reversal under way")?;
            }
        }
        let gone = writes.sagas.iter().filter(|(_, saga)| saga.is_none());
        for (id, _) in gone {
            if !self.sagas.contains_key(id) {
                return contradiction("a saga that is not there cannot go");
            }
        }
        Ok(())
    }

    fn check_chains(&self, writes: &Writes) -> Result<()> {
        for (corridor, (before, _)) in &writes.heads {
            let now = self.heads.get(corridor).map_or(0, |head| head.seq);
            if now != *before {
                return contradiction(format_args!("{corridor} stands at {now}, not at {before}"));
            }
        }
        let mut seen = HashSet::new();
        for receipt in &writes.receipts {
            let place = (receipt.corridor.clone(), receipt.seq);
            let there = self.receipts.contains_key(&place);
            once(&mut seen, place, there, "a receipt")?;
        }
        let mut seen = HashSet::new();
        for node in &writes.nodes {
            let place = (node.corridor.clone(), node.level, node.position);
            let there = self.nodes.contains_key(&place);
            once(&mut seen, place, there, "a node")?;
        }
        for (corridor, checkpoint) in &writes.checkpoints {
            let old = self.heads.get(corridor);
            let new = writes.heads.get(corridor).map(|(_, head)| head);
            let Some(seq) = new.or(old).map(|head| head.seq) else {
                return contradiction("a checkpoint of no chain");
            };
            let last = old.and_then(|head| head.checkpoint.as_ref()).map_or(0, |last| last.size);
            if !(last..=seq).contains(&checkpoint.size) {
                return contradiction("a checkpoint goes back, or ahead of its chain");
            }
        }
        Ok(())
    }

    /// Applies what has been checked.
    fn apply(&mut self, writes: &Writes) {
        if writes.changes_registry() {
            self.registry_version += 1;
        }
        if let Some((row, jws)) = writes.board.clone().zip(writes.board_jws.clone()) {
            let BoardRow { board, terms, slot } = row;
            self.boards.insert(board.board, PublishedBoard { board, jws, terms, slot });
        }
        if let Some(row) = &writes.definition {
            self.definitions.insert(row.version, row.definition.clone());
            if let Some(window) = row.window {
                let currency = row.definition.currency.clone();
                self.settlement.begin(window, currency, row.applied_at);
            }
        }
        self.partner_keys.extend(writes.partner_keys_jws.clone());
        let changed = writes.partner_keys.iter().map(|(kid, key)| (kid.clone(), key.clone()));
        self.changed_keys.extend(changed);
        if let Some(list) = &writes.gateway_keys {
            self.gateway_keys.insert(list.trusted.number(), Arc::new(list.clone()));
        }
        for used in &writes.key_uses {
            let place = (used.kid.clone(), used.received_at, used.request);
            self.key_uses.entry(place).or_insert_with(|| used.clone());
        }
        for one in &writes.cosignatures {
            let place = (one.corridor.clone(), one.size, one.partner.clone());
            self.cosignatures.entry(place).or_insert_with(|| one.clone());
        }
        for (partner, since) in &writes.suspensions {
            match since {
                Some(since) => self.suspensions.insert(partner.clone(), *since),
                None => self.suspensions.remove(partner),
            };
        }
        for (pair, frozen) in &writes.frozen {
            match frozen {
                Some(frozen) => self.frozen.insert(pair.clone(), frozen.clone()),
                None => self.frozen.remove(pair),
            };
        }
        let days = writes.member_days.iter();
        self.member_days.extend(days.map(|(place, day)| (place.clone(), day.clone())));
        self.feeds.extend(writes.feeds.clone());
        self.proposals.extend(writes.proposals.clone());
        self.observations.extend(writes.observations.iter().map(|r| (place_of(r), r.clone())));
        self.flows.extend(writes.flows.iter().map(|(pair, flow)| (pair.clone(), *flow)));
        if let Some((period, wrapped, destroy_before)) = &writes.quote_key {
            self.quote_keys.entry(*period).or_insert_with(|| wrapped.clone());
            self.quote_keys.retain(|period, _| period >= destroy_before);
        }
        let keys = writes.master_keys.iter();
        self.master_keys.extend(keys.map(|record| (record.generation, record.clone())));
        let agreements = writes.agreements.iter().map(|(id, record)| (*id, record.clone()));
        self.agreements.extend(agreements);
        let campaigns = writes.campaigns.iter().map(|(id, record)| (*id, record.clone()));
        self.campaigns.extend(campaigns);
        self.consents.extend(writes.consents.iter().map(|(id, one)| (*id, one.clone())));
        self.consents_spent.extend(&writes.consents_spent);
        self.apply_events(writes);
        self.apply_members(writes);
        self.apply_transactions(writes);
        self.apply_chains(writes);
        self.apply_webhooks(writes);
        if let Some(page) = &writes.rekeyed {
            self.rekey(page);
        }
    }

    fn apply_events(&mut self, writes: &Writes) {
        let mut before: BTreeMap<&PartnerId, u64> = BTreeMap::new();
        for row in &writes.events {
            let feed = self.events.entry(row.partner.clone()).or_default();
            let last = || feed.last_key_value().map_or(0, |(last, _)| *last);
            let before = *before.entry(&row.partner).or_insert_with(last);
            let (first, last) = (before + row.first, before + row.last);
            let (at, entries) = (row.at, row.entries.clone());
            feed.insert(last, EventRow { first, last, at, entries });
        }
    }

    fn apply_members(&mut self, writes: &Writes) {
        self.forget(writes);
        for row in &writes.members {
            let new = &row.new;
            let sealed = SealedMember {
                member: row.member,
                program: new.program.clone(),
                lookup: Some(new.lookup.first()),
                wrapped_key: Some(new.wrapped_key.clone()),
                sealed_reference: Some(new.sealed_reference.clone()),
                balance: new.opening,
                frozen: false,
                lots: Vec::new(),
            };
            self.members.insert(row.member, (sealed, new.opening));
            self.lookups.insert(new.lookup.first(), row.member);
            self.next_member = row.member.0 + 1;
        }
        // Whoever was entered and forgotten in one batch.
        self.forget(writes);
        for (member, since) in &writes.frozen_members {
            if let Some((sealed, _)) = self.members.get_mut(member) {
                sealed.frozen = since.is_some();
            }
        }
        let signed = writes.erasures.iter().filter_map(|row| {
            let (erasure, jws) = (row.erasure.clone(), row.jws.clone()?);
            Some((erasure.id, SignedErasure { erasure, jws }))
        });
        self.erasures.extend(signed);
        for (member, balance) in &writes.balances {
            if let Some((sealed, _)) = self.members.get_mut(member) {
                sealed.balance = *balance;
            }
        }
        for ((member, campaign, day), lot) in &writes.lots {
            if let Some((sealed, _)) = self.members.get_mut(member) {
                sealed.lots.retain(|kept| kept.campaign != *campaign || kept.day != *day);
                sealed.lots.extend(*lot);
            }
        }
        for (place, balance) in &writes.accounts {
            self.accounts.insert(place.clone(), *balance);
        }
        for (id, link) in &writes.links {
            if let Some(ends) = self.links.get(id).and_then(active_ends) {
                self.active.remove(&ends);
            }
            self.links.insert(*id, link.clone());
        }
        for (id, link) in &writes.links {
            if let Some(ends) = active_ends(link) {
                self.active.insert(ends, *id);
            }
        }
    }

    /// What is not as it was read stays as it is.
    fn rekey(&mut self, page: &Rekeyed) {
        for row in &page.members {
            let Some((sealed, _)) = self.members.get_mut(&row.member) else { continue };
            if sealed.wrapped_key.as_ref() != Some(&row.before) {
                continue;
            }
            if let Some(before) = sealed.lookup.replace(row.lookup) {
                self.lookups.remove(&before);
            }
            self.lookups.insert(row.lookup, row.member);
            sealed.wrapped_key = Some(row.wrapped_key.clone());
        }
        for row in &page.links {
            let Some(link) = self.links.get_mut(&row.link) else { continue };
            if [link.a.lookup, link.b.lookup] == row.before {
                [link.a.lookup, link.b.lookup] = row.lookups;
            }
        }
        for row in &page.endpoints {
            let Some(endpoint) = self.endpoints.get_mut(&row.endpoint) else { continue };
            let old = endpoint.old_secret.as_mut();
            if (&endpoint.secret, old.as_ref().map(|old| &old.wrapped))
                != (&row.before.0, row.before.1.as_ref())
            {
                continue;
            }
            endpoint.secret.clone_from(&row.secrets.0);
            if let Some((old, secret)) = old.zip(row.secrets.1.as_ref()) {
                old.wrapped.clone_from(secret);
            }
        }
        for row in &page.quote_keys {
            if let Some(key) = self.quote_keys.get_mut(&row.period)
                && *key == row.before
            {
                key.clone_from(&row.wrapped);
            }
        }
    }

    fn forget(&mut self, writes: &Writes) {
        for row in &writes.erasures {
            let Some((sealed, _)) = self.members.get_mut(&row.member) else { continue };
            if let Some(lookup) = sealed.lookup.take() {
                self.lookups.remove(&lookup);
            }
            (sealed.wrapped_key, sealed.sealed_reference) = (None, None);
        }
    }

    fn apply_transactions(&mut self, writes: &Writes) {
        for key in &writes.keys {
            self.keys.insert((key.partner.clone(), key.key.clone()), key.clone());
        }
        for (id, request) in &writes.requests {
            self.requests.entry(*id).or_insert_with(|| request.clone());
        }
        for record in &writes.transactions {
            self.quotes.extend(record.quote);
            if record.state != TransactionState::Failed {
                self.references.insert((record.caller.clone(), record.source_reference.clone()));
            }
            self.transactions.insert(record.id, record.clone());
        }
        for (id, (state, reversed)) in &writes.reversed {
            if let Some(record) = self.transactions.get_mut(id) {
                record.state = *state;
                record.reversed = *reversed;
            }
        }
        for (id, finished) in &writes.finished {
            if finished.state == TransactionState::Failed {
                let place = (finished.caller.clone(), finished.source_reference.clone());
                self.references.remove(&place);
            }
            if let Some(record) = self.transactions.get_mut(id) {
                record.state = finished.state;
                record.seq = finished.seq;
                record.completed_at = finished.completed_at;
            }
        }
        for (id, saga) in &writes.sagas {
            match saga {
                Some(saga) => self.sagas.insert(*id, saga.clone()),
                None => self.sagas.remove(id),
            };
        }
        for answer in &writes.answers {
            let place = (answer.transaction, answer.step);
            self.answers.entry(place).or_insert_with(|| answer.clone());
        }
    }

    fn apply_webhooks(&mut self, writes: &Writes) {
        self.endpoints.extend(writes.endpoints.clone());
        self.deliveries.extend(writes.deliveries.clone());
        for attempt in &writes.attempts {
            let place = (attempt.endpoint, attempt.number, attempt.attempt);
            self.attempts.insert(place, attempt.clone());
        }
    }

    /// Endpoints that are there.
    fn standing(&self) -> impl Iterator<Item = &EndpointRecord> {
        self.endpoints.values().filter(|one| one.standing != Standing::Removed)
    }

    fn apply_chains(&mut self, writes: &Writes) {
        for receipt in &writes.receipts {
            self.receipts.insert((receipt.corridor.clone(), receipt.seq), receipt.clone());
        }
        for (corridor, (_, head)) in &writes.heads {
            let checkpoint = self.heads.remove(corridor).and_then(|old| old.checkpoint);
            self.heads.insert(corridor.clone(), ChainHead { checkpoint, ..head.clone() });
        }
        for node in &writes.nodes {
            self.nodes.insert((node.corridor.clone(), node.level, node.position), node.hash);
        }
        for (corridor, checkpoint) in &writes.checkpoints {
            if let Some(head) = self.heads.get_mut(corridor) {
                head.checkpoint = Some(checkpoint.clone());
            }
        }
        self.settlement.apply(writes, &self.heads);
    }
}

fn place_of(row: &ObservationRow) -> (ProgramId, FeedKind, Timestamp) {
    let reading = &row.observation;
    (reading.program.clone(), reading.feed, reading.observed_at)
}

fn active_ends(link: &LinkRecord) -> Option<(MemberNo, MemberNo)> {
    if link.state == LinkState::Active { link.a.member.zip(link.b.member) } else { None }
}

// ---------------------------------------------------------------------------------------------
// Reading
// ---------------------------------------------------------------------------------------------

impl Maps {
    fn registry(&self) -> Result<Option<VersionedRegistry>> {
        let Some((version, definition)) = self.definitions.last_key_value() else {
            return Ok(None);
        };
        let missing = |what: &str| StoreError::Corrupt(format!("there is no {what}"));
        let mut boards: Vec<_> = self.boards.values().rev().take(2).cloned().collect();
        boards.reverse();
        if boards.is_empty() {
            return Err(missing("board"));
        }
        let parts = RegistryParts {
            definition: definition.clone(),
            version: *version,
            boards,
            partner_keys_jws: self.partner_keys.last().ok_or_else(|| missing("key list"))?.clone(),
            window: self.settlement.open().ok_or_else(|| missing("open window"))?,
            windows: self.settlement.not_ended(),
            settlement_proposals: self.settlement.open_proposals(),
            suspended: self.suspensions.keys().cloned().collect(),
            frozen: self.frozen.values().cloned().collect(),
            feeds: self.feeds.clone(),
            proposals: self.open_and_newest_proposals(),
            agreements: self
                .agreements
                .values()
                .filter(|record| record.state == AgreementState::Active)
                .map(|record| Arc::new(record.clone()))
                .collect(),
            campaigns: self.campaigns.values().map(|record| Arc::new(record.clone())).collect(),
            consents: self.consents.values().map(|record| Arc::new(record.clone())).collect(),
            partner_keys: self.changed_keys.values().cloned().collect(),
            gateway_keys: self.gateway_keys.last_key_value().map(|(_, list)| list.clone()),
            master_keys: MasterKeys::of(self.master_keys.values().cloned().collect()),
        };
        Ok(Some((self.registry_version, parts)))
    }

    fn open_and_newest_proposals(&self) -> Vec<RateProposal> {
        let newest = self.proposals.keys().rev().take(page(NEWEST_PROPOSALS)).min();
        let from = newest.copied().unwrap_or(u32::MAX);
        let wanted = self.proposals.values().filter(|one| one.number >= from || one.is_open());
        wanted.cloned().collect()
    }

    fn sealed(&self, member: Option<MemberNo>) -> Option<SealedMember> {
        self.members.get(&member?).map(|(sealed, _)| sealed.clone())
    }

    fn detail(&self, record: &LinkRecord) -> LinkDetail {
        LinkDetail {
            a_member: self.sealed(record.a.member),
            b_member: self.sealed(record.b.member),
            record: record.clone(),
        }
    }

    fn load(&self, wanted: &Wanted) -> Loaded {
        let wanted_links: Vec<&LinkRecord> =
            wanted.links.iter().filter_map(|id| self.links.get(id)).collect();
        let mut members: BTreeSet<MemberNo> = wanted.members.clone();
        members.extend(wanted.lookups.iter().filter_map(|lookup| self.lookups.get(lookup)));
        let forgotten: BTreeSet<MemberNo> =
            wanted.forgotten.iter().filter_map(|at| self.lookups.get(at)).copied().collect();
        let forgotten_links: Vec<&LinkRecord> =
            self.links.values().filter(|link| names(link, &forgotten, wanted)).collect();
        members.extend(forgotten_links.iter().flat_map(|l| [l.a.member, l.b.member]).flatten());
        for side in wanted_links.iter().flat_map(|link| [&link.a, &link.b]) {
            members.extend(side.member);
            members.extend(side.lookup.and_then(|lookup| self.lookups.get(&lookup)));
        }
        let between = members.iter().flat_map(|a| {
            let theirs = self.active.range((*a, MemberNo(i64::MIN))..=(*a, MemberNo(i64::MAX)));
            theirs.filter(|((_, b), _)| members.contains(b)).map(|(_, id)| id)
        });
        let links: BTreeSet<LinkId> =
            between.copied().chain(wanted_links.iter().map(|link| link.id)).collect();
        let links: BTreeSet<LinkId> =
            links.into_iter().chain(forgotten_links.iter().map(|link| link.id)).collect();
        let pending = self.transactions.values();
        let pending = pending.filter(|record| record.state == TransactionState::Pending);
        let pending = pending.flat_map(|record| {
            let members = record.members().into_iter().flatten();
            members.map(|member| (member, record.id))
        });
        let agreements = self.agreements.values().filter(|record| {
            let open = record.state == AgreementState::Proposed;
            wanted.agreements.contains(&record.id)
                || open && wanted.proposals.contains(&record.pair())
        });
        let accounts = wanted.accounts.iter().filter_map(|(account, asset)| {
            let balance = *self.accounts.get(&(account.clone(), asset.clone()))?;
            Some(AccountBalance { account: account.clone(), asset: asset.clone(), balance })
        });
        let heads = wanted
            .corridors
            .iter()
            .filter_map(|corridor| Some((corridor.clone(), self.heads.get(corridor)?.clone())));
        Loaded {
            next_member: self.next_member,
            keys: wanted.keys.iter().filter_map(|key| self.keys.get(key)).cloned().collect(),
            quotes: wanted.quotes.intersection(&self.quotes).copied().collect(),
            references: wanted.references.intersection(&self.references).cloned().collect(),
            agreements: agreements.cloned().collect(),
            links: links.iter().filter_map(|id| self.links.get(id)).cloned().collect(),
            transactions: wanted
                .transactions
                .iter()
                .filter_map(|id| self.transactions.get(id))
                .cloned()
                .collect(),
            sagas: wanted.sagas.iter().filter_map(|id| self.sagas.get(id)).cloned().collect(),
            reversing: self
                .sagas
                .values()
                .filter(|saga| !saga.phase.has_ended())
                .filter_map(|saga| saga.reverses)
                .filter(|original| wanted.reversals.contains(original))
                .collect(),
            endpoints: self
                .standing()
                .filter(|one| wanted.endpoints_of.contains(&one.partner))
                .cloned()
                .collect(),
            deliveries: wanted
                .deliveries
                .iter()
                .filter_map(|place| self.deliveries.get(place))
                .cloned()
                .collect(),
            accounts: accounts.collect(),
            heads: heads.collect(),
            members: members.iter().filter_map(|member| self.sealed(Some(*member))).collect(),
            consents_spent: wanted
                .consents
                .iter()
                .filter_map(|id| self.consents_spent.get(id))
                .copied()
                .collect(),
            pending: pending.filter(|(member, _)| forgotten.contains(member)).collect(),
            flows: wanted.flows.iter().filter_map(|pair| self.flow(pair)).collect(),
            member_days: wanted
                .member_days
                .iter()
                .filter_map(|(lookup, corridor)| {
                    let member = *self.lookups.get(lookup)?;
                    self.member_days.get(&(member, corridor.clone())).cloned()
                })
                .collect(),
        }
    }
}

impl Maps {
    fn flow(&self, pair: &Direction) -> Option<FlowRow> {
        let flow = *self.flows.get(pair)?;
        Some(FlowRow { source: pair.0.clone(), target: pair.1.clone(), flow })
    }
}

/// Whether a link is, or was proposed to be, one of members to be forgotten.
fn names(link: &LinkRecord, forgotten: &BTreeSet<MemberNo>, wanted: &Wanted) -> bool {
    [&link.a, &link.b].into_iter().any(|side| {
        side.member.is_some_and(|member| forgotten.contains(&member))
            || side.lookup.is_some_and(|lookup| wanted.forgotten.contains(&lookup))
    })
}

fn page(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// What is read at once, as a future.
fn ready<'a, T: Send + 'a>(answer: Result<T>) -> StoreFuture<'a, T> {
    Box::pin(std::future::ready(answer))
}

impl Store for MemoryStore {
    fn alliance(&self) -> &AllianceId {
        &self.alliance
    }

    fn begin(&self) -> StoreFuture<'_, Box<dyn Batch>> {
        Box::pin(async move {
            let row = self.row.clone().lock_owned().await;
            let (number, registry_version) = {
                let maps = self.read();
                (maps.batch + 1, maps.registry_version)
            };
            let store = self.clone();
            Ok(Box::new(MemoryBatch { store, number, registry_version, _row: row })
                as Box<dyn Batch>)
        })
    }

    fn registry(&self) -> StoreFuture<'_, Option<VersionedRegistry>> {
        ready(self.read().registry())
    }

    fn ping(&self) -> StoreFuture<'_, ()> {
        ready(Ok(()))
    }

    fn boards(&self, last: u32, limit: u32) -> StoreFuture<'_, Vec<PublishedBoard>> {
        let maps = self.read();
        let newest = maps.boards.range(..=last).rev().map(|(_, board)| board.clone());
        ready(Ok(newest.take(page(limit)).collect()))
    }

    fn board_at(&self, at: Timestamp) -> StoreFuture<'_, Option<PublishedBoard>> {
        let maps = self.read();
        let mut newest = maps.boards.values().rev();
        ready(Ok(newest.find(|published| published.board.effective_at <= at).cloned()))
    }

    fn flows(&self) -> StoreFuture<'_, Vec<FlowRow>> {
        let maps = self.read();
        ready(Ok(maps.flows.keys().filter_map(|pair| maps.flow(pair)).collect()))
    }

    fn consents_spent(&self) -> StoreFuture<'_, Vec<ConsentSpent>> {
        ready(Ok(self.read().consents_spent.values().copied().collect()))
    }

    fn observations<'a>(
        &'a self,
        program: &'a ProgramId,
        feed: FeedKind,
        limit: u32,
    ) -> StoreFuture<'a, Vec<ObservationRow>> {
        let maps = self.read();
        let (first, last) = (Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX));
        let range = (program.clone(), feed, first)..=(program.clone(), feed, last);
        let newest = maps.observations.range(range).rev().map(|(_, row)| row.clone());
        ready(Ok(newest.take(page(limit)).collect()))
    }

    fn proposals(&self, last: u32, limit: u32) -> StoreFuture<'_, Vec<RateProposal>> {
        let maps = self.read();
        let newest = maps.proposals.range(..=last).rev().map(|(_, record)| record.clone());
        ready(Ok(newest.take(page(limit)).collect()))
    }

    fn transaction(&self, id: TransactionId) -> StoreFuture<'_, Option<TransactionDetail>> {
        let maps = self.read();
        let detail = maps.transactions.get(&id).map(|record| TransactionDetail {
            receipt: record
                .seq
                .and_then(|seq| maps.receipts.get(&(record.corridor.clone(), seq)).cloned()),
            source_member: maps.sealed(record.members()[0]),
            target_member: maps.sealed(record.members()[1]),
            saga: maps.sagas.get(&id).cloned(),
            record: record.clone(),
        });
        ready(Ok(detail))
    }

    fn key<'a>(
        &'a self,
        partner: &'a PartnerId,
        key: &'a IdempotencyKey,
    ) -> StoreFuture<'a, Option<KeyRecord>> {
        ready(Ok(self.read().keys.get(&(partner.clone(), key.clone())).cloned()))
    }

    fn receipts<'a>(
        &'a self,
        corridor: &'a Corridor,
        after: u64,
        limit: u32,
    ) -> StoreFuture<'a, Vec<StoredReceipt>> {
        let from = (corridor.clone(), after.saturating_add(1));
        let to = (corridor.clone(), u64::MAX);
        let maps = self.read();
        let receipts = maps.receipts.range(from..=to).map(|(_, receipt)| receipt.clone());
        ready(Ok(receipts.take(page(limit)).collect()))
    }

    fn head<'a>(&'a self, corridor: &'a Corridor) -> StoreFuture<'a, Option<ChainHead>> {
        ready(Ok(self.read().heads.get(corridor).cloned()))
    }

    fn heads(&self) -> StoreFuture<'_, Vec<(Corridor, ChainHead)>> {
        let maps = self.read();
        ready(Ok(maps.heads.iter().map(|(c, head)| (c.clone(), head.clone())).collect()))
    }

    fn nodes<'a>(
        &'a self,
        corridor: &'a Corridor,
        level: u32,
        from: u64,
        to: u64,
    ) -> StoreFuture<'a, Vec<Hash>> {
        if from >= to {
            return ready(Ok(Vec::new()));
        }
        let range = (corridor.clone(), level, from)..(corridor.clone(), level, to);
        ready(Ok(self.read().nodes.range(range).map(|(_, hash)| *hash).collect()))
    }

    fn link(&self, id: LinkId) -> StoreFuture<'_, Option<LinkDetail>> {
        let maps = self.read();
        ready(Ok(maps.links.get(&id).map(|record| maps.detail(record))))
    }

    fn links<'a>(
        &'a self,
        partner: &'a PartnerId,
        state: Option<LinkState>,
        after: Option<LinkId>,
        limit: u32,
    ) -> StoreFuture<'a, Vec<LinkDetail>> {
        let maps = self.read();
        let theirs = maps
            .links
            .values()
            .filter(|link| after.is_none_or(|after| link.id > after) && link.includes(partner))
            .filter(|link| state.is_none_or(|state| link.state == state));
        ready(Ok(theirs.take(page(limit)).map(|link| maps.detail(link)).collect()))
    }

    fn agreement(&self, id: AgreementId) -> StoreFuture<'_, Option<AgreementRecord>> {
        ready(Ok(self.read().agreements.get(&id).cloned()))
    }

    fn agreements<'a>(
        &'a self,
        partner: &'a PartnerId,
        with: Option<&'a PartnerId>,
        state: Option<AgreementState>,
        after: Option<AgreementId>,
        limit: u32,
    ) -> StoreFuture<'a, Vec<AgreementRecord>> {
        let maps = self.read();
        let theirs = maps
            .agreements
            .values()
            .filter(|one| after.is_none_or(|after| one.id > after) && one.includes(partner))
            .filter(|one| with.is_none_or(|with| one.agreement.other(partner) == Some(with)))
            .filter(|one| state.is_none_or(|state| one.state == state));
        ready(Ok(theirs.take(page(limit)).cloned().collect()))
    }

    fn member(&self, lookup: Lookup) -> StoreFuture<'_, Option<SealedMember>> {
        let maps = self.read();
        ready(Ok(maps.sealed(maps.lookups.get(&lookup).copied())))
    }

    fn erasure(&self, id: ErasureId) -> StoreFuture<'_, Option<SignedErasure>> {
        ready(Ok(self.read().erasures.get(&id).cloned()))
    }

    fn erasures<'a>(
        &'a self,
        partner: &'a PartnerId,
        after: Option<ErasureId>,
        limit: u32,
    ) -> StoreFuture<'a, Vec<SignedErasure>> {
        let maps = self.read();
        let theirs = maps.erasures.values().filter(|one| one.erasure.partner == *partner);
        let later = theirs.filter(|one| after.is_none_or(|after| one.erasure.id > after));
        ready(Ok(later.take(page(limit)).cloned().collect()))
    }

    fn key_uses<'a>(
        &'a self,
        kid: &'a Kid,
        from: Timestamp,
        after: Option<RequestId>,
        limit: u32,
    ) -> StoreFuture<'a, Vec<KeyUseRecord>> {
        let maps = self.read();
        let of_requests = maps.requests.values().filter(|request| request.kid == *kid);
        let of_requests = of_requests.map(|request| KeyUseRecord {
            received_at: request.received_at,
            request: request.id,
            what: "orders".to_owned(),
            subject: None,
            transactions: request.transactions.clone(),
        });
        let others = maps.key_uses.values().filter(|used| used.kid == *kid);
        let others = others.map(|used| KeyUseRecord {
            received_at: used.received_at,
            request: used.request,
            what: used.what.to_owned(),
            subject: used.subject.clone(),
            transactions: Vec::new(),
        });
        let wanted = |used: &KeyUseRecord| {
            used.received_at > from
                || (used.received_at == from && after.is_none_or(|after| used.request > after))
        };
        let mut uses: Vec<_> = of_requests.chain(others).filter(wanted).collect();
        uses.sort_by_key(|used| (used.received_at, used.request));
        uses.truncate(page(limit));
        ready(Ok(uses))
    }

    fn standing<'a>(
        &'a self,
        transactions: &'a [TransactionId],
    ) -> StoreFuture<'a, Vec<UsedForTransaction>> {
        let maps = self.read();
        let wanted: BTreeSet<_> = transactions.iter().collect();
        let found = wanted.into_iter().filter_map(|id| maps.transactions.get(id));
        let standing = found.map(|record| UsedForTransaction {
            corridor: record.corridor.clone(),
            id: record.id,
            seq: record.seq,
            state: record.state,
        });
        ready(Ok(standing.collect()))
    }

    fn cosignatures<'a>(
        &'a self,
        corridor: &'a Corridor,
        size: u64,
        limit: u32,
    ) -> StoreFuture<'a, Vec<Cosignature>> {
        let maps = self.read();
        let of = maps.cosignatures.values().filter(|o| o.corridor == *corridor && o.size >= size);
        ready(Ok(of.take(page(limit)).cloned().collect()))
    }

    fn newest_cosignatures<'a>(
        &'a self,
        corridor: &'a Corridor,
        limit: u32,
    ) -> StoreFuture<'a, Vec<Cosignature>> {
        let maps = self.read();
        let of = maps.cosignatures.values().rev().filter(|one| one.corridor == *corridor);
        ready(Ok(of.take(page(limit)).cloned().collect()))
    }

    fn request(&self, id: RequestId) -> StoreFuture<'_, Option<Arc<RequestEvidence>>> {
        ready(Ok(self.read().requests.get(&id).cloned()))
    }

    fn quote_keys(&self) -> StoreFuture<'_, Vec<(i64, Vec<u8>)>> {
        let maps = self.read();
        ready(Ok(maps.quote_keys.iter().map(|(period, key)| (*period, key.clone())).collect()))
    }

    fn windows(&self, last: u64, limit: u32) -> StoreFuture<'_, Vec<WindowRecord>> {
        ready(Ok(self.read().settlement.windows(last, page(limit))))
    }

    fn window(&self, id: WindowId) -> StoreFuture<'_, Option<WindowRecord>> {
        ready(Ok(self.read().settlement.window(id)))
    }

    fn window_ranges<'a>(
        &'a self,
        window: WindowId,
        after: Option<&'a Corridor>,
        limit: u32,
    ) -> StoreFuture<'a, Vec<WindowRange>> {
        ready(Ok(self.read().settlement.ranges(window, after, page(limit))))
    }

    fn chain_ranges<'a>(
        &'a self,
        corridor: &'a Corridor,
        after: u64,
        limit: u32,
    ) -> StoreFuture<'a, Vec<WindowRange>> {
        ready(Ok(self.read().settlement.ranges_of(corridor, after, page(limit))))
    }

    fn window_lines(&self, window: WindowId) -> StoreFuture<'_, Vec<Settled>> {
        ready(Ok(self.read().settlement.lines(window)))
    }

    fn window_documents<'a>(
        &'a self,
        window: WindowId,
        after: &'a str,
        limit: u32,
    ) -> StoreFuture<'a, Vec<WindowDocument>> {
        ready(Ok(self.read().settlement.documents(window, after, page(limit))))
    }

    fn window_document<'a>(
        &'a self,
        window: WindowId,
        name: &'a str,
    ) -> StoreFuture<'a, Option<WindowDocument>> {
        ready(Ok(self.read().settlement.document(window, name)))
    }

    fn payments(&self, window: WindowId) -> StoreFuture<'_, Vec<Tracked>> {
        ready(Ok(self.read().settlement.payments(window)))
    }

    fn settlement_proposals(
        &self,
        last: u32,
        limit: u32,
    ) -> StoreFuture<'_, Vec<SettlementProposal>> {
        ready(Ok(self.read().settlement.proposals(last, page(limit))))
    }

    fn bank_file(&self, hash: Hash) -> StoreFuture<'_, Option<BankFile>> {
        ready(Ok(self.read().settlement.file(hash)))
    }

    fn bank_entries<'a>(&'a self, keys: &'a [Hash]) -> StoreFuture<'a, Vec<BankEntryRow>> {
        ready(Ok(self.read().settlement.entries(keys)))
    }

    fn bank_file_entries(
        &self,
        file: Hash,
        after: u64,
        limit: u32,
    ) -> StoreFuture<'_, Vec<BankEntryRow>> {
        ready(Ok(self.read().settlement.entries_of(file, after, page(limit))))
    }

    fn suspensions(&self) -> StoreFuture<'_, Vec<(PartnerId, Timestamp)>> {
        let maps = self.read();
        ready(Ok(maps.suspensions.iter().map(|(p, since)| (p.clone(), *since)).collect()))
    }

    fn accounts(&self) -> StoreFuture<'_, Vec<AccountBalance>> {
        let maps = self.read();
        let accounts = maps.accounts.iter().map(|((account, asset), balance)| {
            let (account, asset) = (account.clone(), asset.clone());
            AccountBalance { account, asset, balance: *balance }
        });
        ready(Ok(accounts.collect()))
    }

    fn events<'a>(
        &'a self,
        partner: &'a PartnerId,
        after: u64,
        to: u64,
    ) -> StoreFuture<'a, Vec<EventRow>> {
        let maps = self.read();
        let from = after.saturating_add(1);
        let rows = maps.events.get(partner).into_iter().flat_map(|feed| feed.range(from..));
        let wanted = rows.map(|(_, row)| row).take_while(|row| row.first <= to);
        ready(Ok(wanted.cloned().collect()))
    }

    fn last_event<'a>(&'a self, partner: &'a PartnerId) -> StoreFuture<'a, u64> {
        let maps = self.read();
        let last = maps.events.get(partner).and_then(|feed| feed.last_key_value());
        ready(Ok(last.map_or(0, |(last, _)| *last)))
    }

    fn member_books(&self, after: MemberNo, limit: u32) -> StoreFuture<'_, Vec<MemberBooks>> {
        let maps = self.read();
        let from = MemberNo(after.0.saturating_add(1));
        let books = maps.members.range(from..).map(|(member, (sealed, opening))| MemberBooks {
            member: *member,
            program: sealed.program.clone(),
            opening: *opening,
            balance: sealed.balance,
        });
        ready(Ok(books.take(page(limit)).collect()))
    }

    fn transaction_places(
        &self,
        after: Option<TransactionId>,
        limit: u32,
    ) -> StoreFuture<'_, Vec<TransactionPlace>> {
        let maps = self.read();
        let places = maps
            .transactions
            .values()
            .filter(|record| after.is_none_or(|after| record.id > after))
            .map(|record| TransactionPlace {
                id: record.id,
                corridor: record.corridor.clone(),
                seq: record.seq,
                members: record.members(),
                reversed: record.reversed,
                created_at: record.created_at,
            });
        ready(Ok(places.take(page(limit)).collect()))
    }

    fn all_agreements(
        &self,
        after: Option<AgreementId>,
        limit: u32,
    ) -> StoreFuture<'_, Vec<AgreementRecord>> {
        let maps = self.read();
        let all = maps.agreements.values();
        let rest = all.filter(|one| after.is_none_or(|after| one.id > after));
        ready(Ok(rest.take(page(limit)).cloned().collect()))
    }

    fn lots(&self, after: Option<LotPlace>, limit: u32) -> StoreFuture<'_, Vec<(MemberNo, Lot)>> {
        let maps = self.read();
        let lots = maps
            .members
            .iter()
            .flat_map(|(member, (sealed, _))| sealed.lots.iter().map(|lot| (*member, *lot)));
        let place = |(member, lot): &(MemberNo, Lot)| (*member, lot.campaign, lot.day);
        let mut rest: Vec<_> =
            lots.filter(|lot| after.is_none_or(|after| place(lot) > after)).collect();
        rest.sort_unstable_by_key(place);
        rest.truncate(page(limit));
        ready(Ok(rest))
    }

    fn open_sagas(&self) -> StoreFuture<'_, Vec<OpenSagas>> {
        let mut open: BTreeMap<PartnerId, OpenSagas> = BTreeMap::new();
        for saga in self.read().sagas.values() {
            let Some(partner) = saga.partner() else { continue };
            let theirs = open.entry(partner.clone()).or_insert_with(|| OpenSagas {
                partner: partner.clone(),
                due_at: saga.due_at,
                open: 0,
                parked: 0,
            });
            theirs.due_at = theirs.due_at.min(saga.due_at);
            theirs.open += 1;
            theirs.parked += u64::from(saga.parked_at.is_some());
        }
        ready(Ok(open.into_values().collect()))
    }

    fn due_sagas<'a>(
        &'a self,
        partner: &'a PartnerId,
        now: Timestamp,
        limit: u32,
    ) -> StoreFuture<'a, Vec<TransactionId>> {
        let maps = self.read();
        let due = |saga: &&Saga| saga.partner() == Some(partner) && saga.due_at <= now;
        let mut due: Vec<_> = maps.sagas.values().filter(due).collect();
        due.sort_by_key(|saga| (saga.due_at, saga.transaction));
        ready(Ok(due.iter().take(page(limit)).map(|saga| saga.transaction).collect()))
    }

    fn sagas(&self, after: Option<TransactionId>, limit: u32) -> StoreFuture<'_, Vec<Saga>> {
        let maps = self.read();
        let later = maps.sagas.values();
        let later = later.filter(|saga| after.is_none_or(|after| saga.transaction > after));
        ready(Ok(later.take(page(limit)).cloned().collect()))
    }

    fn answers(&self, id: TransactionId) -> StoreFuture<'_, Vec<SignedAnswer>> {
        let maps = self.read();
        let theirs = maps.answers.values().filter(|answer| answer.transaction == id);
        let mut theirs: Vec<_> = theirs.cloned().collect();
        theirs.sort_by_key(|answer| (answer.received_at, answer.step.as_str()));
        ready(Ok(theirs))
    }

    fn endpoints(&self) -> StoreFuture<'_, Vec<EndpointView>> {
        let maps = self.read();
        let view = |record: &EndpointRecord| {
            let all = (record.id, 0)..=(record.id, u64::MAX);
            let due = maps.deliveries.range(all).filter_map(|(_, delivery)| delivery.due_at);
            let theirs = maps.events.get(&record.partner);
            let last_event = theirs.and_then(|rows| rows.keys().next_back()).copied();
            let (due_at, last_event) = (due.min(), last_event.unwrap_or(0));
            EndpointView { record: record.clone(), due_at, last_event }
        };
        ready(Ok(maps.standing().map(view).collect()))
    }

    fn deliveries(
        &self,
        endpoint: EndpointId,
        state: Option<DeliveryState>,
        after: u64,
        limit: u32,
    ) -> StoreFuture<'_, Vec<DeliveryRecord>> {
        let maps = self.read();
        let later =
            maps.deliveries.range((endpoint, after.saturating_add(1))..=(endpoint, u64::MAX));
        let asked = later.map(|(_, delivery)| delivery);
        let asked = asked.filter(|delivery| state.is_none_or(|state| delivery.state == state));
        ready(Ok(asked.take(page(limit)).cloned().collect()))
    }

    fn attempts(&self, endpoint: EndpointId, number: u64) -> StoreFuture<'_, Vec<AttemptRecord>> {
        let maps = self.read();
        let all = (endpoint, number, 0)..=(endpoint, number, u32::MAX);
        ready(Ok(maps.attempts.range(all).map(|(_, attempt)| attempt.clone()).collect()))
    }

    fn wrapped_members(&self, after: MemberNo, limit: u32) -> StoreFuture<'_, Vec<WrappedMember>> {
        let maps = self.read();
        let rest = maps.members.range(MemberNo(after.0.saturating_add(1))..);
        let wrapped = rest.filter_map(|(member, (sealed, _))| {
            Some(WrappedMember {
                member: *member,
                program: sealed.program.clone(),
                lookup: sealed.lookup,
                wrapped_key: sealed.wrapped_key.clone()?,
                sealed_reference: sealed.sealed_reference.clone()?,
            })
        });
        ready(Ok(wrapped.take(page(limit)).collect()))
    }

    fn count_wrapped_members(&self, after: MemberNo) -> StoreFuture<'_, u64> {
        let maps = self.read();
        let rest = maps.members.range(MemberNo(after.0.saturating_add(1))..);
        ready(Ok(rest.filter(|(_, (sealed, _))| sealed.wrapped_key.is_some()).count() as u64))
    }

    fn links_looked_up(
        &self,
        after: Option<LinkId>,
        limit: u32,
    ) -> StoreFuture<'_, Vec<LinkDetail>> {
        let maps = self.read();
        let rest = maps.links.values().filter(|link| after.is_none_or(|after| link.id > after));
        let named = rest.filter(|link| link.a.lookup.is_some() || link.b.lookup.is_some());
        ready(Ok(named.take(page(limit)).map(|link| maps.detail(link)).collect()))
    }

    fn all_endpoints(
        &self,
        after: Option<EndpointId>,
        limit: u32,
    ) -> StoreFuture<'_, Vec<EndpointRecord>> {
        let maps = self.read();
        let all = maps.endpoints.values();
        let rest = all.filter(|one| after.is_none_or(|after| one.id > after));
        ready(Ok(rest.take(page(limit)).cloned().collect()))
    }

    fn clear_away(&self) -> StoreFuture<'_, ()> {
        ready(Ok(()))
    }

    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            drop(self.row.lock().await);
        })
    }
}

struct MemoryBatch {
    store: MemoryStore,
    number: i64,
    registry_version: i64,
    _row: OwnedMutexGuard<()>,
}

impl Batch for MemoryBatch {
    fn number(&self) -> i64 {
        self.number
    }

    fn continues(&self) -> bool {
        true
    }

    fn registry_version(&self) -> i64 {
        self.registry_version
    }

    fn registry(&mut self) -> StoreFuture<'_, Option<VersionedRegistry>> {
        ready(self.store.read().registry())
    }

    fn load<'a>(&'a mut self, wanted: &'a Wanted) -> StoreFuture<'a, Loaded> {
        ready(Ok(self.store.read().load(wanted)))
    }

    /// Nothing is gained here; but what a database would refuse is refused.
    fn write_ahead<'a>(&'a mut self, writes: &'a Writes) -> StoreFuture<'a, ()> {
        ready(statements::check(writes, self.store.read().next_member))
    }

    fn commit<'a>(self: Box<Self>, writes: &'a Writes) -> StoreFuture<'a, ()> {
        let mut maps = self.store.maps.write().unwrap_or_else(PoisonError::into_inner);
        let checked = maps.check(writes);
        if checked.is_ok() {
            maps.apply(writes);
            maps.batch = self.number;
        }
        ready(checked)
    }
}
