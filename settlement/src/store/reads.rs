//! What is read: the same text for both engines, and [`Store`] over it, written once.
//!
//! What belongs together comes in one statement, so that it is of one moment: a union of rows wide
//! enough for any record, each with a number that says which record it is.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use alliance_contracts::agreement::AgreementState;
use alliance_contracts::arithmetic::Reversed;
use alliance_contracts::board::FrozenPair;
use alliance_contracts::encoding::Hash;
use alliance_contracts::endpoint::DeliveryState;
use alliance_contracts::ids::{
    AgreementId, EndpointId, ErasureId, LinkId, RequestId, TransactionId, WindowId,
};
use alliance_contracts::keys::Kid;
use alliance_contracts::link::LinkState;
use alliance_contracts::member::SignedErasure;
use alliance_contracts::names::{AllianceId, Corridor, IdempotencyKey, PartnerId, ProgramId};
use alliance_contracts::partner_key::UsedForTransaction;
use alliance_contracts::time::Timestamp;
use sqlx::pool::Pool;
use tokio::time::timeout;

use super::batch::{self, Session, Slot};
use super::failure::failure;
use super::files::{Files, Watched};
use super::rows::Kind::{Bytes, Int, Text};
use super::rows::{
    self, Columns, Dialect, List, Row, Rows, Sql, StoredRegistry, Value, WIDE, corrupt, shape,
};
use super::schema;
use super::{
    Batch, KeyUseRecord, LinkDetail, LotPlace, MemberBooks, NEWEST_PROPOSALS, OpenSagas, Store,
    StoreError, StoreFuture, TransactionDetail, TransactionPlace, VersionedRegistry, WindowRange,
};
use crate::alliance::{AgreementRecord, ConsentSpent, PublishedBoard};
use crate::command::{Cosignature, MemberNo, RequestEvidence};
use crate::events::{EventRow, MAX_EVENTS_PER_ROW};
use crate::ledger::lots::Lot;
use crate::ledger::working_set::{
    BankEntryRow, BankFile, Loaded, ObservationRow, SealedMember, WindowDocument,
};
use crate::ledger::{
    AccountBalance, ChainHead, FlowRow, KeyRecord, LinkRecord, TransactionRecord, Wanted,
};
use crate::payments::matching::Tracked;
use crate::payments::rounding::Settled;
use crate::rates::feeds::FeedKind;
use crate::rates::proposal::RateProposal;
use crate::receipts::StoredReceipt;
use crate::rekeying::WrappedMember;
use crate::saga::{Saga, SignedAnswer};
use crate::vault::Lookup;
use crate::webhooks::{AttemptRecord, DeliveryRecord, EndpointRecord, EndpointView};
use crate::windows::{SettlementProposal, WindowRecord};

type Result<T> = std::result::Result<T, StoreError>;

/// How long a reading connection may take to say that it is still there when it is handed back.
const HAND_BACK: Duration = Duration::from_secs(5);

// ---------------------------------------------------------------------------------------------
// Loading a batch
// ---------------------------------------------------------------------------------------------

static WANT_KEY: List = List { name: "want_key", columns: &[("partner", Text), ("key", Text)] };
static WANT_QUOTE: List = List { name: "want_quote", columns: &[("id", Bytes)] };
static WANT_REFERENCE: List =
    List { name: "want_reference", columns: &[("partner", Text), ("reference", Text)] };
static WANT_LOOKUP: List = List { name: "want_lookup", columns: &[("lookup", Bytes)] };
static WANT_MEMBER: List = List { name: "want_member", columns: &[("member", Int)] };
static WANT_FORGOTTEN: List = List { name: "want_forgotten", columns: &[("lookup", Bytes)] };
static WANT_CONSENT: List = List { name: "want_consent", columns: &[("id", Bytes)] };
static WANT_LINK: List = List { name: "want_link", columns: &[("id", Bytes)] };
static WANT_AGREEMENT: List = List { name: "want_agreement", columns: &[("id", Bytes)] };
static WANT_PROPOSAL: List = List { name: "want_proposal", columns: &[("a", Text), ("b", Text)] };
static WANT_TRANSACTION: List = List { name: "want_transaction", columns: &[("id", Bytes)] };
static WANT_ENTRY: List = List { name: "want_entry", columns: &[("key", Bytes)] };
static WANT_SAGA: List = List { name: "want_saga", columns: &[("id", Bytes)] };
static WANT_REVERSAL: List = List { name: "want_reversal", columns: &[("id", Bytes)] };
static WANT_ENDPOINTS_OF: List = List { name: "want_endpoints_of", columns: &[("partner", Text)] };
static WANT_DELIVERY: List =
    List { name: "want_delivery", columns: &[("endpoint", Bytes), ("number", Int)] };
static WANT_CORRIDOR: List = List { name: "want_corridor", columns: &[("corridor", Text)] };
static WANT_ACCOUNT: List =
    List { name: "want_account", columns: &[("account", Text), ("asset", Text)] };
static WANT_MEMBER_DAY: List =
    List { name: "want_member_day", columns: &[("lookup", Bytes), ("corridor", Text)] };
static WANT_FLOW: List = List { name: "want_flow", columns: &[("source", Text), ("target", Text)] };

const NOTHING: i64 = 0;
const A_KEY: i64 = 1;
const A_QUOTE: i64 = 2;
const A_REFERENCE: i64 = 3;
const A_MEMBER: i64 = 4;
const A_LINK: i64 = 5;
const A_TRANSACTION: i64 = 6;
const AN_ACCOUNT: i64 = 7;
const A_HEAD: i64 = 8;
const A_FLOW: i64 = 9;
const AN_AGREEMENT: i64 = 10;
const A_MEMBER_DAY: i64 = 11;
const A_LOT: i64 = 12;
const A_SAGA: i64 = 13;
const A_REVERSAL: i64 = 14;
const AN_ENDPOINT: i64 = 15;
const A_DELIVERY: i64 = 16;
const A_PENDING_ONE: i64 = 17;
const A_CONSENT_SPENT: i64 = 18;

const QUOTE: Columns = Columns { ints: &[], texts: &[], bytes: &["t.quote_id"] };
const REVERSAL: Columns = Columns { ints: &[], texts: &[], bytes: &["s.reverses"] };
const PENDING_ONE: Columns =
    Columns { ints: &["f.member"], texts: &[], bytes: &["t.transaction_id"] };
const REFERENCE: Columns =
    Columns { ints: &[], texts: &["t.caller", "t.source_reference"], bytes: &[] };

/// A member with its balance.
const WITH_BALANCE: &str =
    "{maybe balances b WHERE b.alliance = m.alliance AND b.member = m.member}";
/// Lots of members that were found.
const LOTS_OF_FOUND: &str =
    "FROM found f {each lots o WHERE o.alliance = $1 AND o.member = f.member AND o.points > 0}";
/// A transaction with its receipt, or its terms where it has none.
const WITH_RECEIPT: &str = "{maybe receipts r WHERE r.alliance = t.alliance \
     AND r.corridor = t.corridor AND r.seq = t.seq} \
     {maybe sagas s WHERE s.alliance = t.alliance AND s.transaction_id = t.transaction_id}";

/// Everything that a batch needs. The plus sign keeps SQLite from trying every pair of members.
pub(super) static LOAD: LazyLock<Sql> = LazyLock::new(|| {
    let text = [
        "WITH wanted_links AS (SELECT l.* FROM {want_link} \
         {each links l WHERE l.alliance = $1 AND l.link_id = want_link.id}), \
         forgotten AS (SELECT m.member FROM {want_forgotten} \
         {each members m WHERE m.alliance = $1 AND m.lookup = want_forgotten.lookup}), \
         forgotten_links AS (SELECT l.* FROM forgotten f \
         {each links l WHERE l.alliance = $1 AND l.a_member = f.member} \
         UNION SELECT l.* FROM forgotten f \
         {each links l WHERE l.alliance = $1 AND l.b_member = f.member} \
         UNION SELECT l.* FROM {want_forgotten} \
         {each links l WHERE l.alliance = $1 AND l.a_lookup = want_forgotten.lookup} \
         UNION SELECT l.* FROM {want_forgotten} \
         {each links l WHERE l.alliance = $1 AND l.b_lookup = want_forgotten.lookup}), \
         found AS (SELECT m.member FROM {want_lookup} \
         {each members m WHERE m.alliance = $1 AND m.lookup = want_lookup.lookup} \
         UNION SELECT want_member.member FROM {want_member} \
         UNION SELECT l.a_member FROM wanted_links l WHERE l.a_member IS NOT NULL \
         UNION SELECT l.b_member FROM wanted_links l WHERE l.b_member IS NOT NULL \
         UNION SELECT l.a_member FROM forgotten_links l WHERE l.a_member IS NOT NULL \
         UNION SELECT l.b_member FROM forgotten_links l WHERE l.b_member IS NOT NULL \
         UNION SELECT m.member FROM wanted_links l \
         {each members m WHERE m.alliance = $1 AND m.lookup = l.a_lookup} \
         UNION SELECT m.member FROM wanted_links l \
         {each members m WHERE m.alliance = $1 AND m.lookup = l.b_lookup})",
        "SELECT",
        &Columns::first(NOTHING, "0"),
        "WHERE 1 = 0 UNION ALL SELECT",
        &rows::KEY.wide(A_KEY),
        "FROM {want_key} {each idempotency_keys k WHERE k.alliance = $1 \
         AND k.partner = want_key.partner AND k.key = want_key.key} UNION ALL SELECT",
        &QUOTE.wide(A_QUOTE),
        "FROM {want_quote} {each transactions t WHERE t.alliance = $1 \
         AND t.quote_id = want_quote.id} UNION ALL SELECT",
        &REFERENCE.wide(A_REFERENCE),
        "FROM {want_reference} {each transactions t WHERE t.alliance = $1 \
         AND t.caller = want_reference.partner \
         AND t.source_reference = want_reference.reference AND t.state <> 'failed'} \
         UNION ALL SELECT",
        &rows::MEMBER.wide(A_MEMBER),
        "FROM found f {each members m WHERE m.alliance = $1 AND m.member = f.member}",
        WITH_BALANCE,
        "UNION ALL SELECT",
        &rows::LOT.wide(A_LOT),
        LOTS_OF_FOUND,
        "UNION ALL SELECT",
        &rows::LINK.wide(A_LINK),
        "FROM wanted_links l UNION ALL SELECT",
        &rows::LINK.wide(A_LINK),
        "FROM forgotten_links l UNION ALL SELECT",
        &PENDING_ONE.wide(A_PENDING_ONE),
        "FROM forgotten f {each transactions t WHERE t.alliance = $1 \
         AND t.source_member = f.member AND t.state = 'pending'} UNION ALL SELECT",
        &PENDING_ONE.wide(A_PENDING_ONE),
        "FROM forgotten f {each transactions t WHERE t.alliance = $1 \
         AND t.target_member = f.member AND t.state = 'pending'} UNION ALL SELECT",
        &rows::LINK.wide(A_LINK),
        "FROM found f {each links l WHERE l.alliance = $1 AND l.state = 'active' \
         AND l.a_member = f.member AND + l.b_member IN (SELECT member FROM found) \
         AND l.link_id NOT IN (SELECT want_link.id FROM {want_link})} UNION ALL SELECT",
        &rows::TRANSACTION.wide(A_TRANSACTION),
        "FROM {want_transaction} {each transactions t WHERE t.alliance = $1 \
         AND t.transaction_id = want_transaction.id}",
        WITH_RECEIPT,
        "UNION ALL SELECT",
        &rows::SAGA.wide(A_SAGA),
        "FROM {want_saga} {each sagas s WHERE s.alliance = $1 \
         AND s.transaction_id = want_saga.id} UNION ALL SELECT",
        &REVERSAL.wide(A_REVERSAL),
        "FROM {want_reversal} {each sagas s WHERE s.alliance = $1 \
         AND s.reverses = want_reversal.id AND s.partner IS NOT NULL} UNION ALL SELECT",
        &rows::ENDPOINT.wide(AN_ENDPOINT),
        "FROM {want_endpoints_of} {each endpoints h WHERE h.alliance = $1 \
         AND h.partner = want_endpoints_of.partner AND h.state <> 'removed'} UNION ALL SELECT",
        &rows::DELIVERY.wide(A_DELIVERY),
        "FROM {want_delivery} {each deliveries d WHERE d.alliance = $1 \
         AND d.endpoint_id = want_delivery.endpoint AND d.number = want_delivery.number} \
         UNION ALL SELECT",
        &rows::ACCOUNT.wide(AN_ACCOUNT),
        "FROM {want_account} {each accounts a WHERE a.alliance = $1 \
         AND a.account = want_account.account AND a.asset = want_account.asset} \
         UNION ALL SELECT",
        &rows::HEAD.wide(A_HEAD),
        "FROM {want_corridor} {each corridors c WHERE c.alliance = $1 \
         AND c.corridor = want_corridor.corridor} UNION ALL SELECT",
        &rows::FLOW.wide(A_FLOW),
        "FROM {want_flow} {each flows f WHERE f.alliance = $1 \
         AND f.source = want_flow.source AND f.target = want_flow.target} UNION ALL SELECT",
        &rows::MEMBER_DAY.wide(A_MEMBER_DAY),
        "FROM {want_member_day} {each members m WHERE m.alliance = $1 \
         AND m.lookup = want_member_day.lookup} {each member_days d WHERE d.alliance = $1 \
         AND d.member = m.member AND d.corridor = want_member_day.corridor} UNION ALL SELECT",
        &rows::CONSENT_SPENT.wide(A_CONSENT_SPENT),
        "FROM {want_consent} {each consents_spent p WHERE p.alliance = $1 \
         AND p.consent_id = want_consent.id} UNION ALL SELECT",
        &rows::AGREEMENT.wide(AN_AGREEMENT),
        "FROM {want_agreement} {each agreements g WHERE g.alliance = $1 \
         AND g.agreement_id = want_agreement.id} UNION ALL SELECT",
        &rows::AGREEMENT.wide(AN_AGREEMENT),
        "FROM {want_proposal} {each agreements g WHERE g.alliance = $1 \
         AND g.a = want_proposal.a AND g.b = want_proposal.b AND g.state = 'proposed'}",
    ]
    .join(" ");
    const LISTS: &[&List] = &[
        &WANT_KEY,
        &WANT_QUOTE,
        &WANT_REFERENCE,
        &WANT_LOOKUP,
        &WANT_MEMBER,
        &WANT_LINK,
        &WANT_TRANSACTION,
        &WANT_CORRIDOR,
        &WANT_ACCOUNT,
        &WANT_FLOW,
        &WANT_MEMBER_DAY,
        &WANT_AGREEMENT,
        &WANT_PROPOSAL,
        &WANT_SAGA,
        &WANT_REVERSAL,
        &WANT_FORGOTTEN,
        &WANT_CONSENT,
        &WANT_ENDPOINTS_OF,
        &WANT_DELIVERY,
    ];
    Sql::of(text.into(), 1, LISTS, WIDE)
});

/// The lists of [`LOAD`].
pub(super) fn wanted(wanted: &Wanted) -> [Rows<'_>; 19] {
    let mut keys = Rows::new(&WANT_KEY);
    for (partner, key) in &wanted.keys {
        keys.push([partner.as_str().into(), key.as_str().into()]);
    }
    let mut quotes = Rows::new(&WANT_QUOTE);
    wanted.quotes.iter().for_each(|id| quotes.push([Value::id(*id)]));
    let mut references = Rows::new(&WANT_REFERENCE);
    for (partner, reference) in &wanted.references {
        references.push([partner.as_str().into(), reference.as_str().into()]);
    }
    let mut lookups = Rows::new(&WANT_LOOKUP);
    wanted.lookups.iter().for_each(|lookup| lookups.push([lookup.0[..].into()]));
    let mut consents = Rows::new(&WANT_CONSENT);
    wanted.consents.iter().for_each(|id| consents.push([Value::id(*id)]));
    let mut forgotten = Rows::new(&WANT_FORGOTTEN);
    wanted.forgotten.iter().for_each(|lookup| forgotten.push([lookup.0[..].into()]));
    let mut members = Rows::new(&WANT_MEMBER);
    wanted.members.iter().for_each(|member| members.push([(*member).into()]));
    let mut links = Rows::new(&WANT_LINK);
    wanted.links.iter().for_each(|id| links.push([Value::id(*id)]));
    let mut transactions = Rows::new(&WANT_TRANSACTION);
    wanted.transactions.iter().for_each(|id| transactions.push([Value::id(*id)]));
    let mut corridors = Rows::new(&WANT_CORRIDOR);
    wanted.corridors.iter().for_each(|corridor| corridors.push([corridor.as_str().into()]));
    let mut accounts = Rows::new(&WANT_ACCOUNT);
    for (account, asset) in &wanted.accounts {
        accounts.push([account.to_string().into(), asset.to_string().into()]);
    }
    let mut flows = Rows::new(&WANT_FLOW);
    for (source, target) in &wanted.flows {
        flows.push([source.to_string().into(), target.to_string().into()]);
    }
    let mut member_days = Rows::new(&WANT_MEMBER_DAY);
    for (lookup, corridor) in &wanted.member_days {
        member_days.push([lookup.0[..].into(), corridor.as_str().into()]);
    }
    let mut agreements = Rows::new(&WANT_AGREEMENT);
    wanted.agreements.iter().for_each(|id| agreements.push([Value::id(*id)]));
    let mut proposals = Rows::new(&WANT_PROPOSAL);
    for (a, b) in &wanted.proposals {
        proposals.push([a.as_str().into(), b.as_str().into()]);
    }
    let mut sagas = Rows::new(&WANT_SAGA);
    wanted.sagas.iter().for_each(|id| sagas.push([Value::id(*id)]));
    let mut reversals = Rows::new(&WANT_REVERSAL);
    wanted.reversals.iter().for_each(|id| reversals.push([Value::id(*id)]));
    let mut endpoints_of = Rows::new(&WANT_ENDPOINTS_OF);
    wanted.endpoints_of.iter().for_each(|partner| endpoints_of.push([partner.as_str().into()]));
    let mut deliveries = Rows::new(&WANT_DELIVERY);
    for (endpoint, number) in &wanted.deliveries {
        deliveries.push([Value::id(*endpoint), rows::signed(*number).into()]);
    }
    [
        keys,
        quotes,
        references,
        lookups,
        members,
        links,
        transactions,
        corridors,
        accounts,
        flows,
        member_days,
        agreements,
        proposals,
        sagas,
        reversals,
        forgotten,
        consents,
        endpoints_of,
        deliveries,
    ]
}

/// Wide rows, sorted by what they are.
#[derive(Default)]
pub(super) struct Fetched {
    loaded: Loaded,
    receipts: HashMap<TransactionId, StoredReceipt>,
    lots: HashMap<MemberNo, Vec<Lot>>,
}

impl Fetched {
    /// Takes a wide row.
    pub(super) fn keep(&mut self, mut row: Row) -> Result<()> {
        let loaded = &mut self.loaded;
        match row.int("the kind of a row")? {
            A_KEY => loaded.keys.push(rows::key(&mut row)?),
            A_QUOTE => loaded.quotes.push(row.id("a quote")?),
            A_REFERENCE => {
                let partner = row.name("a reference's partner")?;
                loaded.references.push((partner, row.name("a reference")?));
            }
            A_MEMBER => loaded.members.push(rows::member(&mut row)?),
            A_LOT => {
                let (member, lot) = rows::lot(&mut row)?;
                self.lots.entry(member).or_default().push(lot);
            }
            A_LINK => loaded.links.push(rows::link(&mut row)?),
            A_TRANSACTION => {
                let (record, receipt) = rows::transaction(&mut row)?;
                self.receipts.extend(receipt.map(|receipt| (record.id, receipt)));
                loaded.transactions.push(record);
            }
            A_SAGA => loaded.sagas.push(rows::saga(&mut row)?),
            A_CONSENT_SPENT => loaded.consents_spent.push(rows::consent_spent(&mut row)?),
            A_PENDING_ONE => {
                let member = MemberNo(row.int("a member's number")?);
                loaded.pending.push((member, row.id("a pending transaction")?));
            }
            A_REVERSAL => loaded.reversing.push(row.id("a reversal's original")?),
            AN_ENDPOINT => loaded.endpoints.push(rows::endpoint(&mut row)?),
            A_DELIVERY => loaded.deliveries.push(rows::delivery(&mut row)?),
            AN_ACCOUNT => loaded.accounts.push(rows::account(&mut row)?),
            A_HEAD => loaded.heads.push(rows::head(&mut row)?),
            A_FLOW => loaded.flows.push(rows::flow(&mut row)?),
            A_MEMBER_DAY => loaded.member_days.push(rows::member_day(&mut row)?),
            AN_AGREEMENT => loaded.agreements.push(rows::agreement(&mut row)?),
            other => return Err(corrupt(format_args!("a row of kind {other}"))),
        }
        Ok(())
    }

    fn of(rows: Vec<Row>) -> Result<Self> {
        let mut fetched = Self::default();
        rows.into_iter().try_for_each(|row| fetched.keep(row))?;
        Ok(fetched)
    }

    /// Everything that was loaded.
    pub(super) fn loaded(mut self) -> Loaded {
        if !self.lots.is_empty() {
            for sealed in &mut self.loaded.members {
                sealed.lots = self.lots.remove(&sealed.member).unwrap_or_default();
            }
        }
        self.loaded
    }

    fn member(&self, member: Option<MemberNo>) -> Option<SealedMember> {
        self.loaded.members.iter().find(|sealed| Some(sealed.member) == member).cloned()
    }

    fn transaction(mut self) -> Option<TransactionDetail> {
        let record: TransactionRecord = self.loaded.transactions.pop()?;
        let [source_member, target_member] = record.members().map(|member| self.member(member));
        Some(TransactionDetail {
            receipt: self.receipts.remove(&record.id),
            saga: self.loaded.sagas.pop(),
            source_member,
            target_member,
            record,
        })
    }

    fn links(mut self) -> Vec<LinkDetail> {
        let mut links: Vec<LinkRecord> = std::mem::take(&mut self.loaded.links);
        links.sort_by_key(|link| link.id);
        let members: HashMap<MemberNo, SealedMember> =
            self.loaded.members.into_iter().map(|sealed| (sealed.member, sealed)).collect();
        let detail = |record: LinkRecord| {
            let of = |member: Option<MemberNo>| members.get(&member?).cloned();
            LinkDetail { a_member: of(record.a.member), b_member: of(record.b.member), record }
        };
        links.into_iter().map(detail).collect()
    }
}

// ---------------------------------------------------------------------------------------------
// The registry
// ---------------------------------------------------------------------------------------------

const A_DEFINITION: i64 = 1;
const A_BOARD: i64 = 2;
const A_KEY_LIST: i64 = 3;
const A_WINDOW: i64 = 4;
const A_SUSPENSION: i64 = 5;
const A_FROZEN_PAIR: i64 = 6;
const A_SIGNED_AGREEMENT: i64 = 7;
const PROGRAM_FEEDS: i64 = 8;
const A_PROPOSAL: i64 = 9;
const A_CAMPAIGN: i64 = 10;
const A_CHANGED_KEY: i64 = 11;
const A_GATEWAY_KEY_LIST: i64 = 12;
const A_CONSENT: i64 = 13;
const A_MASTER_KEY: i64 = 14;
const A_SETTLEMENT_PROPOSAL: i64 = 15;

/// The registry of one moment.
pub(super) static REGISTRY: LazyLock<Sql> = LazyLock::new(|| {
    let part = |ints, texts, bytes, tag| Columns { ints, texts, bytes }.wide(tag);
    let text = format!(
        "SELECT {version} FROM sequencer WHERE alliance = $1 \
         UNION ALL SELECT {definition} FROM (SELECT version, document FROM definitions \
         WHERE alliance = $1 ORDER BY version DESC LIMIT 1) AS d \
         UNION ALL SELECT {board} FROM (SELECT slot, jws, terms FROM boards \
         WHERE alliance = $1 ORDER BY board DESC LIMIT 2) AS b \
         UNION ALL SELECT {key_list} FROM (SELECT jws FROM partner_key_statements \
         WHERE alliance = $1 ORDER BY number DESC LIMIT 1) AS k \
         UNION ALL SELECT {window} FROM windows o WHERE o.alliance = $1 \
         AND o.ended_at IS NULL \
         UNION ALL SELECT {settlement} FROM settlement_proposals q WHERE q.alliance = $1 \
         AND q.approved_at IS NULL AND q.withdrawn_at IS NULL \
         UNION ALL SELECT {settlement} FROM (SELECT * FROM settlement_proposals \
         WHERE alliance = $1 ORDER BY number DESC LIMIT 1) AS q \
         UNION ALL SELECT {suspension} FROM suspensions WHERE alliance = $1 \
         UNION ALL SELECT {frozen_pair} FROM frozen_pairs WHERE alliance = $1 \
         UNION ALL SELECT {feeds} FROM feeds WHERE alliance = $1 \
         UNION ALL SELECT {proposal} FROM rate_proposals p WHERE p.alliance = $1 \
         AND p.withdrawn_at IS NULL AND p.applied_at IS NULL \
         UNION ALL SELECT {proposal} FROM (SELECT * FROM rate_proposals \
         WHERE alliance = $1 ORDER BY number DESC LIMIT {NEWEST_PROPOSALS}) AS p \
         UNION ALL SELECT {agreement} FROM agreements g WHERE g.alliance = $1 \
         AND g.state = 'active' \
         UNION ALL SELECT {campaign} FROM campaigns y WHERE y.alliance = $1 \
         UNION ALL SELECT {consent} FROM consents z WHERE z.alliance = $1 \
         UNION ALL SELECT {changed_key} FROM partner_keys v WHERE v.alliance = $1 \
         UNION ALL SELECT {gateway_keys} FROM (SELECT document FROM gateway_key_lists \
         WHERE alliance = $1 ORDER BY number DESC LIMIT 1) AS n \
         UNION ALL SELECT {master_key} FROM master_keys WHERE alliance = $1",
        version = Columns::first(NOTHING, "registry_version"),
        definition = part(&["version"], &["document"], &[], A_DEFINITION),
        board = rows::BOARD.wide(A_BOARD),
        key_list = part(&[], &["jws"], &[], A_KEY_LIST),
        window = rows::WINDOW.wide(A_WINDOW),
        settlement = rows::SETTLEMENT_PROPOSAL.wide(A_SETTLEMENT_PROPOSAL),
        suspension = part(&[], &["partner"], &[], A_SUSPENSION),
        frozen_pair = part(&["board", "since"], &["source", "target"], &[], A_FROZEN_PAIR),
        feeds = part(&[], &["program", "state"], &[], PROGRAM_FEEDS),
        proposal = rows::PROPOSAL.wide(A_PROPOSAL),
        agreement = rows::AGREEMENT.wide(A_SIGNED_AGREEMENT),
        campaign = rows::CAMPAIGN.wide(A_CAMPAIGN),
        consent = rows::CONSENT.wide(A_CONSENT),
        changed_key = rows::PARTNER_KEY.wide(A_CHANGED_KEY),
        gateway_keys = part(&[], &["document"], &[], A_GATEWAY_KEY_LIST),
        master_key = rows::MASTER_KEY.wide(A_MASTER_KEY),
    );
    Sql::of(text.into(), 1, &[], WIDE)
});

/// What [`REGISTRY`] gave.
pub(super) fn registry(rows: Vec<Row>) -> Result<Option<VersionedRegistry>> {
    let mut stored = StoredRegistry::default();
    let mut registry_version = 0;
    for mut row in rows {
        match row.int("the kind of a row")? {
            NOTHING => registry_version = row.int("the registry's version")?,
            A_DEFINITION => {
                stored.version = row.int("a definition's version")?;
                stored.document = row.text("a definition")?;
            }
            A_BOARD => stored.boards.push(rows::board(&mut row)?),
            A_KEY_LIST => stored.partner_keys_jws = row.maybe_text(),
            A_WINDOW => stored.windows.push(rows::window(&mut row)?),
            A_SETTLEMENT_PROPOSAL => {
                let record = rows::settlement_proposal(&mut row)?;
                stored.settlement_proposals.insert(record.number, record);
            }
            A_SUSPENSION => stored.suspended.push(row.name("a partner suspended")?),
            A_FROZEN_PAIR => stored.frozen.push(rows::frozen_pair(&mut row)?),
            PROGRAM_FEEDS => stored.feeds.extend([rows::feeds(&mut row)?]),
            A_PROPOSAL => {
                let record = rows::proposal(&mut row)?;
                stored.proposals.insert(record.number, record);
            }
            A_CAMPAIGN => stored.campaigns.push(Arc::new(rows::campaign(&mut row)?)),
            A_CONSENT => stored.consents.push(Arc::new(rows::consent(&mut row)?)),
            A_CHANGED_KEY => stored.partner_keys.push(rows::partner_key(&mut row)?),
            A_GATEWAY_KEY_LIST => stored.gateway_keys = Some(rows::gateway_keys(&mut row)?),
            A_MASTER_KEY => stored.master_keys.push(rows::master_key(&mut row)?),
            A_SIGNED_AGREEMENT => stored.agreements.push(Arc::new(rows::agreement(&mut row)?)),
            other => return Err(corrupt(format_args!("a row of kind {other}"))),
        }
    }
    if stored.version == 0 {
        return Ok(None);
    }
    stored.windows.sort_by_key(|window| window.number);
    stored.suspended.sort();
    stored.boards.sort_by_key(|published| published.board.board);
    let pair = |pair: &FrozenPair| (pair.source.clone(), pair.target.clone());
    stored.frozen.sort_by_key(pair);
    stored.agreements.sort_by_key(|record| record.id);
    stored.campaigns.sort_by_key(|record| record.id);
    stored.consents.sort_by_key(|record| record.id);
    stored.partner_keys.sort_by(|one, other| one.kid.cmp(&other.kid));
    Ok(Some((registry_version, rows::registry(stored)?)))
}

// ---------------------------------------------------------------------------------------------
// Everything else
// ---------------------------------------------------------------------------------------------

static TRANSACTION: LazyLock<Sql> = LazyLock::new(|| {
    let text = [
        "WITH t AS (SELECT * FROM transactions WHERE alliance = $1 AND transaction_id = $2) SELECT",
        &Columns::first(NOTHING, "0"),
        "WHERE 1 = 0 UNION ALL SELECT",
        &rows::TRANSACTION.wide(A_TRANSACTION),
        "FROM t",
        WITH_RECEIPT,
        "UNION ALL SELECT",
        &rows::MEMBER.wide(A_MEMBER),
        "FROM t {each members m WHERE m.alliance = $1 \
         AND m.member IN (t.source_member, t.target_member)}",
        WITH_BALANCE,
        "UNION ALL SELECT",
        &rows::SAGA.wide(A_SAGA),
        "FROM t {each sagas s WHERE s.alliance = $1 AND s.transaction_id = t.transaction_id}",
    ]
    .join(" ");
    Sql::of(text.into(), 2, &[], WIDE)
});

/// Links of a CTE `l`, with their members.
fn links_of(l: &str) -> String {
    [
        "WITH",
        l,
        "SELECT",
        &Columns::first(NOTHING, "0"),
        "WHERE 1 = 0 UNION ALL SELECT",
        &rows::LINK.wide(A_LINK),
        "FROM l UNION ALL SELECT",
        &rows::MEMBER.wide(A_MEMBER),
        "FROM (SELECT a_member AS member FROM l UNION SELECT b_member FROM l) AS ends \
         {each members m WHERE m.alliance = $1 AND m.member = ends.member}",
        WITH_BALANCE,
    ]
    .join(" ")
}

static LINK: LazyLock<Sql> = LazyLock::new(|| {
    let l = "l AS (SELECT * FROM links WHERE alliance = $1 AND link_id = $2)";
    Sql::of(links_of(l).into(), 2, &[], WIDE)
});

/// A page from either side's index.
static LINKS: LazyLock<Sql> = LazyLock::new(|| {
    let side = |side: &str, name: &str| {
        format!(
            "SELECT link_id FROM (SELECT link_id FROM links WHERE alliance = $1 \
             AND {side} = $2 AND link_id > $3 AND ($4 = '' OR state = $4) \
             ORDER BY link_id LIMIT $5) AS {name}"
        )
    };
    let l = format!(
        "page AS ({} UNION {} ORDER BY link_id LIMIT $5), \
         l AS (SELECT k.* FROM page \
         {{each links k WHERE k.alliance = $1 AND k.link_id = page.link_id}})",
        side("a_partner", "of_a"),
        side("b_partner", "of_b"),
    );
    Sql::of(links_of(&l).into(), 5, &[], WIDE)
});

static AGREEMENT: LazyLock<Sql> = LazyLock::new(|| {
    let rest = "FROM agreements g WHERE g.alliance = $1 AND g.agreement_id = $2";
    of(&rows::AGREEMENT, rest, 2)
});

/// A page from either side's index; `$3` is the other partner, or nothing for any.
static AGREEMENTS: LazyLock<Sql> = LazyLock::new(|| {
    let side = |side: &str, other: &str, name: &str| {
        format!(
            "SELECT agreement_id FROM (SELECT agreement_id FROM agreements WHERE alliance = $1 \
             AND {side} = $2 AND agreement_id > $4 AND ($3 = '' OR {other} = $3) \
             AND ($5 = '' OR state = $5) ORDER BY agreement_id LIMIT $6) AS {name}"
        )
    };
    let text = format!(
        "WITH page AS ({} UNION {} ORDER BY agreement_id LIMIT $6) SELECT {} FROM page \
         {{each agreements g WHERE g.alliance = $1 AND g.agreement_id = page.agreement_id}} \
         ORDER BY g.agreement_id",
        side("a", "b", "of_a"),
        side("b", "a", "of_b"),
        rows::AGREEMENT.select(),
    );
    Sql::of(text.into(), 6, &[], rows::AGREEMENT.shape())
});

/// A query for one kind of record.
fn of(columns: &Columns, rest: &str, values: usize) -> Sql {
    let text = format!("SELECT {} {rest}", columns.select());
    Sql::of(text.into(), values, &[], columns.shape())
}

static KEY: LazyLock<Sql> = LazyLock::new(|| {
    let rest = "FROM idempotency_keys k WHERE k.alliance = $1 AND k.partner = $2 AND k.key = $3";
    of(&rows::KEY, rest, 3)
});

static RECEIPTS: LazyLock<Sql> = LazyLock::new(|| {
    let rest = "FROM receipts r WHERE r.alliance = $1 AND r.corridor = $2 AND r.seq > $3 \
                ORDER BY r.seq LIMIT $4";
    of(&rows::RECEIPT, rest, 4)
});

static HEAD: LazyLock<Sql> = LazyLock::new(|| {
    of(&rows::HEAD, "FROM corridors c WHERE c.alliance = $1 AND c.corridor = $2", 2)
});

static HEADS: LazyLock<Sql> = LazyLock::new(|| {
    of(&rows::HEAD, "FROM corridors c WHERE c.alliance = $1 ORDER BY c.corridor", 1)
});

static MEMBER: LazyLock<Sql> = LazyLock::new(|| {
    let text = [
        "WITH found AS (SELECT member FROM members WHERE alliance = $1 AND lookup = $2) SELECT",
        &Columns::first(NOTHING, "0"),
        "WHERE 1 = 0 UNION ALL SELECT",
        &rows::MEMBER.wide(A_MEMBER),
        "FROM found f {each members m WHERE m.alliance = $1 AND m.member = f.member}",
        WITH_BALANCE,
        "UNION ALL SELECT",
        &rows::LOT.wide(A_LOT),
        LOTS_OF_FOUND,
    ]
    .join(" ");
    Sql::of(text.into(), 2, &[], WIDE)
});

static ERASURE: LazyLock<Sql> = LazyLock::new(|| {
    of(&rows::ERASURE, "FROM erasures e WHERE e.alliance = $1 AND e.erasure_id = $2", 2)
});

static ERASURES: LazyLock<Sql> = LazyLock::new(|| {
    let rest = "FROM erasures e WHERE e.alliance = $1 AND e.partner = $2 AND e.erasure_id > $3 \
                ORDER BY e.erasure_id LIMIT $4";
    of(&rows::ERASURE, rest, 4)
});

static REQUEST: LazyLock<Sql> = LazyLock::new(|| {
    of(&rows::REQUEST, "FROM requests q WHERE q.alliance = $1 AND q.request_id = $2", 2)
});

/// Of orders and of everything else, so many each: the first of both together are picked after it.
static KEY_USES: LazyLock<Sql> = LazyLock::new(|| {
    let page = |table: &str, name: &str, more: &str| {
        format!(
            "(SELECT * FROM {table} k WHERE k.alliance = $1 AND k.kid = $2 \
             AND (k.received_at, k.request_id) > ($3, $4){more} \
             ORDER BY k.received_at, k.request_id LIMIT $5) AS {name}"
        )
    };
    let text = format!(
        "SELECT {} FROM {} UNION ALL SELECT {} FROM {}",
        rows::USE_OF_REQUEST.select(),
        page("requests", "q", ""),
        rows::USE.select(),
        page("key_uses", "u", ""),
    );
    Sql::of(text.into(), 5, &[], rows::USE.shape())
});

static STANDING: LazyLock<Sql> = LazyLock::new(|| {
    let text = format!(
        "SELECT {} FROM {{want_transaction}} {{each transactions t WHERE t.alliance = $1 \
         AND t.transaction_id = want_transaction.id}} ORDER BY t.transaction_id",
        rows::STANDING.select(),
    );
    const LISTS: &[&List] = &[&WANT_TRANSACTION];
    Sql::of(text.into(), 1, LISTS, rows::STANDING.shape())
});

static COSIGNATURES: LazyLock<Sql> = LazyLock::new(|| {
    let rest = "FROM cosignatures o WHERE o.alliance = $1 AND o.corridor = $2 AND o.size >= $3 \
                ORDER BY o.size, o.partner LIMIT $4";
    of(&rows::COSIGNATURE, rest, 4)
});

static NEWEST_COSIGNATURES: LazyLock<Sql> = LazyLock::new(|| {
    let rest = "FROM cosignatures o WHERE o.alliance = $1 AND o.corridor = $2 \
                ORDER BY o.size DESC, o.partner DESC LIMIT $3";
    of(&rows::COSIGNATURE, rest, 3)
});

static ACCOUNTS: LazyLock<Sql> = LazyLock::new(|| {
    of(&rows::ACCOUNT, "FROM accounts a WHERE a.alliance = $1 ORDER BY a.account, a.asset", 1)
});

/// Of each brand that is asked for something: since when its first call has been due, and how many
/// calls are open.
static SAGAS_OPEN: Sql = Sql::query(
    "SELECT MIN(due_at), COUNT(*), COUNT(parked_at), partner FROM sagas WHERE alliance = $1 \
     AND partner IS NOT NULL GROUP BY partner ORDER BY partner",
    1,
    shape(3, 1, 0),
);

static SAGAS_DUE: Sql = Sql::query(
    "SELECT transaction_id FROM sagas WHERE alliance = $1 AND partner = $2 AND due_at <= $3 \
     ORDER BY due_at, transaction_id LIMIT $4",
    4,
    shape(0, 0, 1),
);

static SAGAS: LazyLock<Sql> = LazyLock::new(|| {
    let rest = "FROM sagas s WHERE s.alliance = $1 AND s.transaction_id > $2 \
                ORDER BY s.transaction_id LIMIT $3";
    of(&rows::SAGA, rest, 3)
});

/// Every endpoint, also what was removed.
static ALL_ENDPOINTS: LazyLock<Sql> = LazyLock::new(|| {
    let rest = "FROM endpoints h WHERE h.alliance = $1 AND h.endpoint_id > $2 \
                ORDER BY h.endpoint_id LIMIT $3";
    of(&rows::ENDPOINT, rest, 3)
});

static WRAPPED_MEMBERS: LazyLock<Sql> = LazyLock::new(|| {
    let rest = "FROM members m WHERE m.alliance = $1 AND m.member > $2 \
                AND m.wrapped_key IS NOT NULL ORDER BY m.member LIMIT $3";
    of(&rows::WRAPPED_MEMBER, rest, 3)
});

static COUNT_WRAPPED: Sql = Sql::query(
    "SELECT COUNT(*) FROM members WHERE alliance = $1 AND member > $2 AND wrapped_key IS NOT NULL",
    2,
    shape(1, 0, 0),
);

/// Links that name a member whom its own brand has not confirmed.
static LOOKED_UP: LazyLock<Sql> = LazyLock::new(|| {
    let l = "l AS (SELECT * FROM links WHERE alliance = $1 AND link_id > $2 \
             AND (a_lookup IS NOT NULL OR b_lookup IS NOT NULL) ORDER BY link_id LIMIT $3)";
    Sql::of(links_of(l).into(), 3, &[], WIDE)
});

/// Endpoints, when the first of what waits at each is due, and how far its partner's feed goes.
static ENDPOINTS: LazyLock<Sql> = LazyLock::new(|| {
    let rest = "FROM endpoints h WHERE h.alliance = $1 AND h.state <> 'removed' \
                ORDER BY h.endpoint_id";
    of(&rows::ENDPOINT_VIEW, rest, 1)
});

static DELIVERIES: LazyLock<Sql> = LazyLock::new(|| {
    let rest = "FROM deliveries d WHERE d.alliance = $1 AND d.endpoint_id = $2 AND d.number > $3 \
                ORDER BY d.number LIMIT $4";
    of(&rows::DELIVERY, rest, 4)
});

static DELIVERIES_IN: LazyLock<Sql> = LazyLock::new(|| {
    let rest = "FROM deliveries d WHERE d.alliance = $1 AND d.endpoint_id = $2 AND d.number > $3 \
                AND d.state = $5 ORDER BY d.number LIMIT $4";
    of(&rows::DELIVERY, rest, 5)
});

static ATTEMPTS: LazyLock<Sql> = LazyLock::new(|| {
    let rest = "FROM attempts w WHERE w.alliance = $1 AND w.endpoint_id = $2 AND w.number = $3 \
                ORDER BY w.attempt";
    of(&rows::ATTEMPT, rest, 3)
});

static ANSWERS: LazyLock<Sql> = LazyLock::new(|| {
    let rest = "FROM answers w WHERE w.alliance = $1 AND w.transaction_id = $2 \
                ORDER BY w.received_at, w.step";
    of(&rows::SIGNED_ANSWER, rest, 2)
});

static BOARDS: LazyLock<Sql> = LazyLock::new(|| {
    let rest = "FROM boards WHERE alliance = $1 AND board <= $2 ORDER BY board DESC LIMIT $3";
    of(&rows::BOARD, rest, 3)
});

static BOARD_AT: LazyLock<Sql> = LazyLock::new(|| {
    let rest = "FROM boards WHERE alliance = $1 AND effective_at <= $2 ORDER BY board DESC LIMIT 1";
    of(&rows::BOARD, rest, 2)
});

static FLOWS: LazyLock<Sql> = LazyLock::new(|| {
    of(&rows::FLOW, "FROM flows f WHERE f.alliance = $1 ORDER BY f.source, f.target", 1)
});

static CONSENTS_SPENT: LazyLock<Sql> = LazyLock::new(|| {
    let rest = "FROM consents_spent p WHERE p.alliance = $1 ORDER BY p.consent_id";
    of(&rows::CONSENT_SPENT, rest, 1)
});

static PROPOSALS: LazyLock<Sql> = LazyLock::new(|| {
    let rest = "FROM rate_proposals p WHERE p.alliance = $1 AND p.number <= $2 \
                ORDER BY p.number DESC LIMIT $3";
    of(&rows::PROPOSAL, rest, 3)
});

static OBSERVATIONS: LazyLock<Sql> = LazyLock::new(|| {
    let rest = "FROM observations o WHERE o.alliance = $1 AND o.program = $2 AND o.feed = $3 \
                ORDER BY o.observed_at DESC LIMIT $4";
    of(&rows::OBSERVATION, rest, 4)
});

static NODES: Sql = Sql::query(
    "SELECT hash FROM tree_nodes WHERE alliance = $1 AND corridor = $2 AND level = $3 \
     AND position >= $4 AND position < $5 ORDER BY position",
    5,
    shape(0, 0, 1),
);

static QUOTE_KEYS: Sql = Sql::query(
    "SELECT period, wrapped_key FROM quote_keys WHERE alliance = $1 ORDER BY period",
    1,
    shape(1, 0, 1),
);

static WINDOWS: LazyLock<Sql> = LazyLock::new(|| {
    let rest = "FROM windows o WHERE o.alliance = $1 AND o.number <= $2 \
                ORDER BY o.number DESC LIMIT $3";
    of(&rows::WINDOW, rest, 3)
});

static WINDOW_ONE: LazyLock<Sql> = LazyLock::new(|| {
    of(&rows::WINDOW, "FROM windows o WHERE o.alliance = $1 AND o.window_id = $2", 2)
});

static RANGES: LazyLock<Sql> = LazyLock::new(|| {
    let rest = "FROM window_ranges r {maybe window_ranges b WHERE b.alliance = r.alliance \
                AND b.corridor = r.corridor AND b.seq = r.after_seq} \
                WHERE r.alliance = $1 AND r.window_id = $2 AND r.corridor > $3 \
                ORDER BY r.corridor LIMIT $4";
    of(&rows::RANGE, rest, 4)
});

static CHAIN_RANGES: LazyLock<Sql> = LazyLock::new(|| {
    let rest = "FROM window_ranges r {maybe window_ranges b WHERE b.alliance = r.alliance \
                AND b.corridor = r.corridor AND b.seq = r.after_seq} \
                WHERE r.alliance = $1 AND r.corridor = $2 AND r.seq > $3 ORDER BY r.seq LIMIT $4";
    of(&rows::RANGE, rest, 4)
});

static LINES: LazyLock<Sql> = LazyLock::new(|| {
    let rest = "FROM window_lines l WHERE l.alliance = $1 AND l.window_id = $2 ORDER BY l.party";
    of(&rows::LINE, rest, 2)
});

static WINDOW_DOCUMENTS: LazyLock<Sql> = LazyLock::new(|| {
    let rest = "FROM window_documents d WHERE d.alliance = $1 AND d.window_id = $2 \
                AND d.name > $3 ORDER BY d.name LIMIT $4";
    of(&rows::WINDOW_DOCUMENT, rest, 4)
});

static WINDOW_DOCUMENT: LazyLock<Sql> = LazyLock::new(|| {
    let rest = "FROM window_documents d WHERE d.alliance = $1 AND d.window_id = $2 \
                AND d.name = $3";
    of(&rows::WINDOW_DOCUMENT, rest, 3)
});

static PAYMENTS: LazyLock<Sql> = LazyLock::new(|| {
    let rest = "FROM payments p WHERE p.alliance = $1 AND p.window_id = $2 \
                ORDER BY p.number, p.attempt";
    of(&rows::PAYMENT, rest, 2)
});

static SETTLEMENT_PROPOSALS: LazyLock<Sql> = LazyLock::new(|| {
    let rest = "FROM settlement_proposals q WHERE q.alliance = $1 AND q.number <= $2 \
                ORDER BY q.number DESC LIMIT $3";
    of(&rows::SETTLEMENT_PROPOSAL, rest, 3)
});

static BANK_FILE: LazyLock<Sql> = LazyLock::new(|| {
    of(&rows::BANK_FILE, "FROM bank_files f WHERE f.alliance = $1 AND f.file_hash = $2", 2)
});

static BANK_ENTRIES: LazyLock<Sql> = LazyLock::new(|| {
    let text = format!(
        "SELECT {} FROM {{want_entry}} {{each bank_entries e WHERE e.alliance = $1 \
         AND e.entry_key = want_entry.key}} ORDER BY e.entry_key",
        rows::BANK_ENTRY.select(),
    );
    const LISTS: &[&List] = &[&WANT_ENTRY];
    Sql::of(text.into(), 1, LISTS, rows::BANK_ENTRY.shape())
});

static BANK_FILE_ENTRIES: LazyLock<Sql> = LazyLock::new(|| {
    let rest = "FROM bank_entries e WHERE e.alliance = $1 AND e.file_hash = $2 AND e.place > $3 \
                ORDER BY e.place LIMIT $4";
    of(&rows::BANK_ENTRY, rest, 4)
});

static SUSPENSIONS: Sql = Sql::query(
    "SELECT suspended_at, partner FROM suspensions WHERE alliance = $1 ORDER BY partner",
    1,
    shape(1, 1, 0),
);

/// Rows that hold any number above `$3` and up to `$5`. A row holds a bounded number of events, so
/// `$4` ends the search.
static EVENTS_OF: Sql = Sql::query(
    "SELECT first_number, last_number, at, entries FROM events \
     WHERE alliance = $1 AND partner = $2 AND last_number > $3 AND last_number < $4 \
     AND first_number <= $5 ORDER BY last_number",
    5,
    shape(3, 1, 0),
);

static LAST_EVENT: Sql = Sql::query(
    "SELECT COALESCE(MAX(last_number), 0) AS last_number FROM events \
     WHERE alliance = $1 AND partner = $2",
    2,
    shape(1, 0, 0),
);

static MEMBER_BOOKS: Sql = Sql::query(
    "SELECT m.member, m.opening, b.balance, m.program FROM members m \
     {maybe balances b WHERE b.alliance = m.alliance AND b.member = m.member} \
     WHERE m.alliance = $1 AND m.member > $2 ORDER BY m.member LIMIT $3",
    3,
    shape(3, 1, 0),
);

static PLACES: Sql = Sql::query(
    "SELECT seq, source_member, target_member, reversed_source, reversed_target, created_at, \
     corridor, transaction_id FROM transactions \
     WHERE alliance = $1 AND transaction_id > $2 ORDER BY transaction_id LIMIT $3",
    3,
    shape(6, 1, 1),
);

static ALL_AGREEMENTS: LazyLock<Sql> = LazyLock::new(|| {
    let rest = "FROM agreements g WHERE g.alliance = $1 AND g.agreement_id > $2 \
                ORDER BY g.agreement_id LIMIT $3";
    of(&rows::AGREEMENT, rest, 3)
});

static LOTS: LazyLock<Sql> = LazyLock::new(|| {
    let rest = "FROM lots o WHERE o.alliance = $1 \
                AND (o.member, o.campaign_id, o.day) > ($2, $3, $4) AND o.points > 0 \
                ORDER BY o.member, o.campaign_id, o.day LIMIT $5";
    of(&rows::LOT, rest, 5)
});

/// A database that a store stands on.
pub(super) trait Engine: Send + Sync + 'static {
    /// Which.
    type Database: sqlx::Database<Connection: Session>;

    /// How it reads lists.
    const DIALECT: Dialect;

    /// Whose data.
    fn alliance(&self) -> &AllianceId;

    /// Connections for reading.
    fn readers(&self) -> &Pool<Self::Database>;

    /// The connection for writing.
    fn writer(&self) -> &Slot<<Self::Database as sqlx::Database>::Connection>;

    /// The files it is kept in, where it is kept in files that may be taken away.
    fn files(&self) -> Option<&Arc<Files>> {
        None
    }

    /// A connection that is only there, closed after all others.
    fn anchor(&self) -> Option<&Slot<<Self::Database as sqlx::Database>::Connection>> {
        None
    }

    /// Another connection for writing.
    fn connect(
        &self,
    ) -> impl Future<Output = Result<<Self::Database as sqlx::Database>::Connection>> + Send;
}

/// Every query, by name, for the test that looks at how it is carried out.
#[cfg(feature = "conformance")]
pub(super) fn all() -> Vec<(&'static str, &'static Sql)> {
    vec![
        ("LOAD", &LOAD),
        ("REGISTRY", &REGISTRY),
        ("TRANSACTION", &TRANSACTION),
        ("LINK", &LINK),
        ("LINKS", &LINKS),
        ("AGREEMENT", &AGREEMENT),
        ("AGREEMENTS", &AGREEMENTS),
        ("KEY", &KEY),
        ("RECEIPTS", &RECEIPTS),
        ("HEAD", &HEAD),
        ("HEADS", &HEADS),
        ("MEMBER", &MEMBER),
        ("ERASURE", &ERASURE),
        ("ERASED", &ERASURES),
        ("REQUEST", &REQUEST),
        ("USES", &KEY_USES),
        ("STANDING", &STANDING),
        ("COSIGNED", &COSIGNATURES),
        ("NEWEST_COSIGNED", &NEWEST_COSIGNATURES),
        ("ACCOUNTS", &ACCOUNTS),
        ("BOARDS", &BOARDS),
        ("BOARD_AT", &BOARD_AT),
        ("FLOWS", &FLOWS),
        ("CONSENTS_SPENT_READ", &CONSENTS_SPENT),
        ("READINGS", &OBSERVATIONS),
        ("PROPOSED", &PROPOSALS),
        ("NODES", &NODES),
        ("QUOTE_KEYS", &QUOTE_KEYS),
        ("SUSPENSIONS", &SUSPENSIONS),
        ("WINDOWS_READ", &WINDOWS),
        ("WINDOW_ONE", &WINDOW_ONE),
        ("RANGES_READ", &RANGES),
        ("CHAIN_RANGES", &CHAIN_RANGES),
        ("LINES_READ", &LINES),
        ("WINDOW_DOCUMENTS_READ", &WINDOW_DOCUMENTS),
        ("WINDOW_DOCUMENT", &WINDOW_DOCUMENT),
        ("PAYMENTS_READ", &PAYMENTS),
        ("SETTLEMENT_PROPOSED", &SETTLEMENT_PROPOSALS),
        ("BANK_FILE_READ", &BANK_FILE),
        ("BANK_ENTRIES_READ", &BANK_ENTRIES),
        ("BANK_FILE_ENTRIES", &BANK_FILE_ENTRIES),
        ("EVENTS_OF", &EVENTS_OF),
        ("LAST_EVENT", &LAST_EVENT),
        ("MEMBER_BOOKS", &MEMBER_BOOKS),
        ("PLACES", &PLACES),
        ("ALL_AGREEMENTS", &ALL_AGREEMENTS),
        ("LOTS", &LOTS),
        ("SAGAS_OPEN", &SAGAS_OPEN),
        ("SAGAS_DUE", &SAGAS_DUE),
        ("SAGAS_READ", &SAGAS),
        ("ANSWERS_READ", &ANSWERS),
        ("ENDPOINTS_READ", &ENDPOINTS),
        ("ALL_ENDPOINTS", &ALL_ENDPOINTS),
        ("WRAPPED_MEMBERS", &WRAPPED_MEMBERS),
        ("COUNT_WRAPPED", &COUNT_WRAPPED),
        ("LOOKED_UP", &LOOKED_UP),
        ("DELIVERIES_READ", &DELIVERIES),
        ("DELIVERIES_IN", &DELIVERIES_IN),
        ("ATTEMPTS_READ", &ATTEMPTS),
    ]
}

fn still_there<E: Engine>(engine: &E) -> Result<()> {
    engine.files().map_or(Ok(()), |files| files.still_there())
}

async fn fetch<E: Engine>(engine: &E, sql: &Sql, rest: Vec<Value<'_>>) -> Result<Vec<Row>> {
    let mut values = vec![Value::from(engine.alliance().as_str())];
    values.extend(rest);
    read(engine, sql, &values).await
}

async fn read<E: Engine>(engine: &E, sql: &Sql, values: &[Value<'_>]) -> Result<Vec<Row>> {
    read_of(engine, sql, values, &[]).await
}

async fn read_of<E: Engine>(
    engine: &E,
    sql: &Sql,
    values: &[Value<'_>],
    lists: &[Rows<'_>],
) -> Result<Vec<Row>> {
    let mut session = engine.readers().acquire().await.map_err(failure)?;
    let rows = batch::fetch_of(&mut *session, sql, values, lists).await;
    if rows.is_ok() {
        // The pool asks once more whether the connection lives, and would wait for ever for one
        // that has fallen silent, its place taken: so it is given a while, in a task of its own.
        tokio::spawn(timeout(HAND_BACK, session.return_to_pool()));
    } else {
        drop(session.detach());
    }
    rows
}

async fn fetch_one<E: Engine>(engine: &E, sql: &Sql, rest: Vec<Value<'_>>) -> Result<Option<Row>> {
    Ok(fetch(engine, sql, rest).await?.into_iter().next())
}

fn each<T>(rows: Vec<Row>, decode: impl Fn(&mut Row) -> Result<T>) -> Result<Vec<T>> {
    rows.into_iter().map(|mut row| decode(&mut row)).collect()
}

fn one<T>(row: Option<Row>, decode: impl Fn(&mut Row) -> Result<T>) -> Result<Option<T>> {
    row.map(|mut row| decode(&mut row)).transpose()
}

impl<E: Engine> Store for E {
    fn alliance(&self) -> &AllianceId {
        Engine::alliance(self)
    }

    fn begin(&self) -> StoreFuture<'_, Box<dyn Batch>> {
        Box::pin(async move {
            if self.readers().is_closed() {
                return Err(StoreError::Unavailable("the store is closed".to_owned()));
            }
            still_there(self)?;
            let batch =
                batch::begin(Engine::alliance(self), self.writer(), || self.connect()).await?;
            let batch: Box<dyn Batch> = Box::new(batch);
            Ok(match self.files() {
                None => batch,
                Some(files) => Box::new(Watched { batch, files: files.clone() }),
            })
        })
    }

    fn registry(&self) -> StoreFuture<'_, Option<VersionedRegistry>> {
        Box::pin(async move { registry(fetch(self, &REGISTRY, vec![]).await?) })
    }

    fn ping(&self) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            still_there(self)?;
            schema::check(E::DIALECT, read(self, &schema::APPLIED, &[]).await)
        })
    }

    fn transaction(&self, id: TransactionId) -> StoreFuture<'_, Option<TransactionDetail>> {
        Box::pin(async move {
            let rows = fetch(self, &TRANSACTION, vec![Value::id(id)]).await?;
            Ok(Fetched::of(rows)?.transaction())
        })
    }

    fn key<'a>(
        &'a self,
        partner: &'a PartnerId,
        key: &'a IdempotencyKey,
    ) -> StoreFuture<'a, Option<KeyRecord>> {
        let values = vec![partner.as_str().into(), key.as_str().into()];
        Box::pin(async move { one(fetch_one(self, &KEY, values).await?, rows::key) })
    }

    fn receipts<'a>(
        &'a self,
        corridor: &'a Corridor,
        after: u64,
        limit: u32,
    ) -> StoreFuture<'a, Vec<StoredReceipt>> {
        let after = rows::signed(after);
        let values = vec![corridor.as_str().into(), after.into(), i64::from(limit).into()];
        Box::pin(async move { each(fetch(self, &RECEIPTS, values).await?, rows::stored_receipt) })
    }

    fn head<'a>(&'a self, corridor: &'a Corridor) -> StoreFuture<'a, Option<ChainHead>> {
        let values = vec![corridor.as_str().into()];
        Box::pin(async move {
            Ok(one(fetch_one(self, &HEAD, values).await?, rows::head)?.map(|(_, head)| head))
        })
    }

    fn heads(&self) -> StoreFuture<'_, Vec<(Corridor, ChainHead)>> {
        Box::pin(async move { each(fetch(self, &HEADS, vec![]).await?, rows::head) })
    }

    fn nodes<'a>(
        &'a self,
        corridor: &'a Corridor,
        level: u32,
        from: u64,
        to: u64,
    ) -> StoreFuture<'a, Vec<Hash>> {
        let (from, to) = (rows::signed(from), rows::signed(to));
        let values =
            vec![corridor.as_str().into(), i64::from(level).into(), from.into(), to.into()];
        Box::pin(async move { each(fetch(self, &NODES, values).await?, |row| row.hash("a node")) })
    }

    fn link(&self, id: LinkId) -> StoreFuture<'_, Option<LinkDetail>> {
        Box::pin(async move {
            let rows = fetch(self, &LINK, vec![Value::id(id)]).await?;
            Ok(Fetched::of(rows)?.links().pop())
        })
    }

    fn links<'a>(
        &'a self,
        partner: &'a PartnerId,
        state: Option<LinkState>,
        after: Option<LinkId>,
        limit: u32,
    ) -> StoreFuture<'a, Vec<LinkDetail>> {
        // No bytes come before all bytes.
        let after = after.map_or_else(|| Value::from(Vec::new()), Value::id);
        let state = state.map_or("", LinkState::as_str);
        let values = vec![partner.as_str().into(), after, state.into(), i64::from(limit).into()];
        Box::pin(async move {
            let rows = fetch(self, &LINKS, values).await?;
            Ok(Fetched::of(rows)?.links())
        })
    }

    fn agreement(&self, id: AgreementId) -> StoreFuture<'_, Option<AgreementRecord>> {
        Box::pin(async move {
            one(fetch_one(self, &AGREEMENT, vec![Value::id(id)]).await?, rows::agreement)
        })
    }

    fn agreements<'a>(
        &'a self,
        partner: &'a PartnerId,
        with: Option<&'a PartnerId>,
        state: Option<AgreementState>,
        after: Option<AgreementId>,
        limit: u32,
    ) -> StoreFuture<'a, Vec<AgreementRecord>> {
        let after = after.map_or_else(|| Value::from(Vec::new()), Value::id);
        let values = vec![
            partner.as_str().into(),
            with.map_or("", PartnerId::as_str).into(),
            after,
            state.map_or("", AgreementState::as_str).into(),
            i64::from(limit).into(),
        ];
        Box::pin(async move { each(fetch(self, &AGREEMENTS, values).await?, rows::agreement) })
    }

    fn member(&self, lookup: Lookup) -> StoreFuture<'_, Option<SealedMember>> {
        let values = vec![lookup.0.to_vec().into()];
        Box::pin(async move {
            let rows = fetch(self, &MEMBER, values).await?;
            Ok(Fetched::of(rows)?.loaded().members.pop())
        })
    }

    fn erasure(&self, id: ErasureId) -> StoreFuture<'_, Option<SignedErasure>> {
        Box::pin(async move {
            one(fetch_one(self, &ERASURE, vec![Value::id(id)]).await?, rows::erasure)
        })
    }

    fn erasures<'a>(
        &'a self,
        partner: &'a PartnerId,
        after: Option<ErasureId>,
        limit: u32,
    ) -> StoreFuture<'a, Vec<SignedErasure>> {
        let after = after.map_or_else(|| Value::from(Vec::new()), Value::id);
        let values = vec![partner.as_str().into(), after, i64::from(limit).into()];
        Box::pin(async move { each(fetch(self, &ERASURES, values).await?, rows::erasure) })
    }

    fn request(&self, id: RequestId) -> StoreFuture<'_, Option<Arc<RequestEvidence>>> {
        Box::pin(async move {
            let row = fetch_one(self, &REQUEST, vec![Value::id(id)]).await?;
            Ok(one(row, rows::request)?.map(Arc::new))
        })
    }

    fn key_uses<'a>(
        &'a self,
        kid: &'a Kid,
        from: Timestamp,
        after: Option<RequestId>,
        limit: u32,
    ) -> StoreFuture<'a, Vec<KeyUseRecord>> {
        // No bytes come before all bytes.
        let after = after.map_or_else(|| Value::from(Vec::new()), Value::id);
        let values = vec![kid.as_str().into(), from.into(), after, i64::from(limit).into()];
        Box::pin(async move {
            let mut uses = each(fetch(self, &KEY_USES, values).await?, rows::key_use)?;
            uses.sort_by_key(|used| (used.received_at, used.request));
            uses.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            Ok(uses)
        })
    }

    fn standing<'a>(
        &'a self,
        transactions: &'a [TransactionId],
    ) -> StoreFuture<'a, Vec<UsedForTransaction>> {
        Box::pin(async move {
            let mut wanted = Rows::new(&WANT_TRANSACTION);
            transactions.iter().for_each(|id| wanted.push([Value::id(*id)]));
            let alliance = [Value::from(Engine::alliance(self).as_str())];
            let rows = read_of(self, &STANDING, &alliance, &[wanted]).await?;
            each(rows, rows::standing)
        })
    }

    fn cosignatures<'a>(
        &'a self,
        corridor: &'a Corridor,
        size: u64,
        limit: u32,
    ) -> StoreFuture<'a, Vec<Cosignature>> {
        let size = rows::signed(size);
        let values = vec![corridor.as_str().into(), size.into(), i64::from(limit).into()];
        Box::pin(async move { each(fetch(self, &COSIGNATURES, values).await?, rows::cosignature) })
    }

    fn newest_cosignatures<'a>(
        &'a self,
        corridor: &'a Corridor,
        limit: u32,
    ) -> StoreFuture<'a, Vec<Cosignature>> {
        let values = vec![corridor.as_str().into(), i64::from(limit).into()];
        Box::pin(async move {
            each(fetch(self, &NEWEST_COSIGNATURES, values).await?, rows::cosignature)
        })
    }

    fn quote_keys(&self) -> StoreFuture<'_, Vec<(i64, Vec<u8>)>> {
        Box::pin(async move {
            each(fetch(self, &QUOTE_KEYS, vec![]).await?, |row| {
                Ok((row.int("a period")?, row.bytes("a quote key")?))
            })
        })
    }

    fn windows(&self, last: u64, limit: u32) -> StoreFuture<'_, Vec<WindowRecord>> {
        let values = vec![rows::signed(last).into(), i64::from(limit).into()];
        Box::pin(async move { each(fetch(self, &WINDOWS, values).await?, rows::window) })
    }

    fn window(&self, id: WindowId) -> StoreFuture<'_, Option<WindowRecord>> {
        let values = vec![Value::id(id)];
        Box::pin(async move { one(fetch_one(self, &WINDOW_ONE, values).await?, rows::window) })
    }

    fn window_ranges<'a>(
        &'a self,
        window: WindowId,
        after: Option<&'a Corridor>,
        limit: u32,
    ) -> StoreFuture<'a, Vec<WindowRange>> {
        let after = after.map_or("", Corridor::as_str);
        let values = vec![Value::id(window), after.into(), i64::from(limit).into()];
        Box::pin(async move { each(fetch(self, &RANGES, values).await?, rows::range) })
    }

    fn chain_ranges<'a>(
        &'a self,
        corridor: &'a Corridor,
        after: u64,
        limit: u32,
    ) -> StoreFuture<'a, Vec<WindowRange>> {
        let after = rows::signed(after);
        let values = vec![corridor.as_str().into(), after.into(), i64::from(limit).into()];
        Box::pin(async move { each(fetch(self, &CHAIN_RANGES, values).await?, rows::range) })
    }

    fn window_lines(&self, window: WindowId) -> StoreFuture<'_, Vec<Settled>> {
        let values = vec![Value::id(window)];
        Box::pin(async move { each(fetch(self, &LINES, values).await?, rows::line) })
    }

    fn window_documents<'a>(
        &'a self,
        window: WindowId,
        after: &'a str,
        limit: u32,
    ) -> StoreFuture<'a, Vec<WindowDocument>> {
        let values = vec![Value::id(window), after.into(), i64::from(limit).into()];
        Box::pin(async move {
            each(fetch(self, &WINDOW_DOCUMENTS, values).await?, rows::window_document)
        })
    }

    fn window_document<'a>(
        &'a self,
        window: WindowId,
        name: &'a str,
    ) -> StoreFuture<'a, Option<WindowDocument>> {
        let values = vec![Value::id(window), name.into()];
        Box::pin(async move {
            one(fetch_one(self, &WINDOW_DOCUMENT, values).await?, rows::window_document)
        })
    }

    fn payments(&self, window: WindowId) -> StoreFuture<'_, Vec<Tracked>> {
        let values = vec![Value::id(window)];
        Box::pin(async move { each(fetch(self, &PAYMENTS, values).await?, rows::payment) })
    }

    fn settlement_proposals(
        &self,
        last: u32,
        limit: u32,
    ) -> StoreFuture<'_, Vec<SettlementProposal>> {
        let values = vec![i64::from(last).into(), i64::from(limit).into()];
        Box::pin(async move {
            each(fetch(self, &SETTLEMENT_PROPOSALS, values).await?, rows::settlement_proposal)
        })
    }

    fn bank_file(&self, hash: Hash) -> StoreFuture<'_, Option<BankFile>> {
        let values = vec![hash.as_bytes().to_vec().into()];
        Box::pin(async move { one(fetch_one(self, &BANK_FILE, values).await?, rows::bank_file) })
    }

    fn bank_entries<'a>(&'a self, keys: &'a [Hash]) -> StoreFuture<'a, Vec<BankEntryRow>> {
        Box::pin(async move {
            let mut wanted = Rows::new(&WANT_ENTRY);
            keys.iter().for_each(|key| wanted.push([key.as_bytes().as_slice().into()]));
            let alliance = [Value::from(Engine::alliance(self).as_str())];
            each(read_of(self, &BANK_ENTRIES, &alliance, &[wanted]).await?, rows::bank_entry)
        })
    }

    fn bank_file_entries(
        &self,
        file: Hash,
        after: u64,
        limit: u32,
    ) -> StoreFuture<'_, Vec<BankEntryRow>> {
        let values = vec![
            file.as_bytes().to_vec().into(),
            rows::signed(after).into(),
            i64::from(limit).into(),
        ];
        Box::pin(
            async move { each(fetch(self, &BANK_FILE_ENTRIES, values).await?, rows::bank_entry) },
        )
    }

    fn suspensions(&self) -> StoreFuture<'_, Vec<(PartnerId, Timestamp)>> {
        Box::pin(async move {
            each(fetch(self, &SUSPENSIONS, vec![]).await?, |row| {
                Ok((row.name("a partner suspended")?, row.time("a suspension's time")?))
            })
        })
    }

    fn accounts(&self) -> StoreFuture<'_, Vec<AccountBalance>> {
        Box::pin(async move { each(fetch(self, &ACCOUNTS, vec![]).await?, rows::account) })
    }

    fn boards(&self, last: u32, limit: u32) -> StoreFuture<'_, Vec<PublishedBoard>> {
        let values = vec![i64::from(last).into(), i64::from(limit).into()];
        Box::pin(async move { each(fetch(self, &BOARDS, values).await?, rows::board) })
    }

    fn board_at(&self, at: Timestamp) -> StoreFuture<'_, Option<PublishedBoard>> {
        let values = vec![at.into()];
        Box::pin(async move { one(fetch_one(self, &BOARD_AT, values).await?, rows::board) })
    }

    fn flows(&self) -> StoreFuture<'_, Vec<FlowRow>> {
        Box::pin(async move { each(fetch(self, &FLOWS, vec![]).await?, rows::flow) })
    }

    fn consents_spent(&self) -> StoreFuture<'_, Vec<ConsentSpent>> {
        Box::pin(
            async move { each(fetch(self, &CONSENTS_SPENT, vec![]).await?, rows::consent_spent) },
        )
    }

    fn observations<'a>(
        &'a self,
        program: &'a ProgramId,
        feed: FeedKind,
        limit: u32,
    ) -> StoreFuture<'a, Vec<ObservationRow>> {
        let values = vec![program.as_str().into(), feed.as_str().into(), i64::from(limit).into()];
        Box::pin(async move { each(fetch(self, &OBSERVATIONS, values).await?, rows::observation) })
    }

    fn proposals(&self, last: u32, limit: u32) -> StoreFuture<'_, Vec<RateProposal>> {
        let values = vec![i64::from(last).into(), i64::from(limit).into()];
        Box::pin(async move { each(fetch(self, &PROPOSALS, values).await?, rows::proposal) })
    }

    fn events<'a>(
        &'a self,
        partner: &'a PartnerId,
        after: u64,
        to: u64,
    ) -> StoreFuture<'a, Vec<EventRow>> {
        let end = to.saturating_add(MAX_EVENTS_PER_ROW);
        let [after, to, end] = [after, to, end].map(rows::signed);
        let values = vec![partner.as_str().into(), after.into(), end.into(), to.into()];
        Box::pin(async move {
            each(fetch(self, &EVENTS_OF, values).await?, |row| {
                Ok(EventRow {
                    first: row.count("an event's number")?,
                    last: row.count("an event's number")?,
                    at: row.time("an event's time")?,
                    entries: row.text("events")?,
                })
            })
        })
    }

    fn last_event<'a>(&'a self, partner: &'a PartnerId) -> StoreFuture<'a, u64> {
        let values = vec![partner.as_str().into()];
        Box::pin(async move {
            let last = one(fetch_one(self, &LAST_EVENT, values).await?, |row| {
                row.count("an event's number")
            });
            Ok(last?.unwrap_or(0))
        })
    }

    fn member_books(&self, after: MemberNo, limit: u32) -> StoreFuture<'_, Vec<MemberBooks>> {
        let values = vec![after.into(), i64::from(limit).into()];
        Box::pin(async move {
            each(fetch(self, &MEMBER_BOOKS, values).await?, |row| {
                Ok(MemberBooks {
                    member: MemberNo(row.int("a member's number")?),
                    opening: row.int("a member's opening")?,
                    balance: row.int("a member's balance")?,
                    program: row.name("a member's program")?,
                })
            })
        })
    }

    fn transaction_places(
        &self,
        after: Option<TransactionId>,
        limit: u32,
    ) -> StoreFuture<'_, Vec<TransactionPlace>> {
        let after = after.map_or_else(|| Value::from(Vec::new()), Value::id);
        let values = vec![after, i64::from(limit).into()];
        Box::pin(async move {
            each(fetch(self, &PLACES, values).await?, |row| {
                let seq = row.maybe_int().map(u64::try_from).transpose().map_err(corrupt)?;
                let members = [row.member_no(), row.member_no()];
                let reversed = Reversed {
                    source: row.int("reversed_source")?,
                    target: row.int("reversed_target")?,
                };
                let created_at = row.time("when a transaction was decided")?;
                Ok(TransactionPlace {
                    id: row.id("a transaction's id")?,
                    corridor: row.name("a transaction's corridor")?,
                    seq,
                    members,
                    reversed,
                    created_at,
                })
            })
        })
    }

    fn all_agreements(
        &self,
        after: Option<AgreementId>,
        limit: u32,
    ) -> StoreFuture<'_, Vec<AgreementRecord>> {
        let after = after.map_or_else(|| Value::from(Vec::new()), Value::id);
        let values = vec![after, i64::from(limit).into()];
        Box::pin(async move { each(fetch(self, &ALL_AGREEMENTS, values).await?, rows::agreement) })
    }

    fn lots(&self, after: Option<LotPlace>, limit: u32) -> StoreFuture<'_, Vec<(MemberNo, Lot)>> {
        let (member, campaign, day) = match after {
            Some((member, campaign, day)) => (member, Value::id(campaign), day),
            None => (MemberNo(i64::MIN), Value::from(Vec::new()), i64::MIN),
        };
        let values = vec![member.into(), campaign, day.into(), i64::from(limit).into()];
        Box::pin(async move { each(fetch(self, &LOTS, values).await?, rows::lot) })
    }

    fn open_sagas(&self) -> StoreFuture<'_, Vec<OpenSagas>> {
        Box::pin(async move {
            each(fetch(self, &SAGAS_OPEN, vec![]).await?, |row| {
                Ok(OpenSagas {
                    due_at: row.time("when a call is due")?,
                    open: row.count("open calls")?,
                    parked: row.count("parked calls")?,
                    partner: row.name("who is called")?,
                })
            })
        })
    }

    fn due_sagas<'a>(
        &'a self,
        partner: &'a PartnerId,
        now: Timestamp,
        limit: u32,
    ) -> StoreFuture<'a, Vec<TransactionId>> {
        let values = vec![partner.as_str().into(), now.into(), i64::from(limit).into()];
        Box::pin(async move {
            each(fetch(self, &SAGAS_DUE, values).await?, |row| row.id("what is due"))
        })
    }

    fn sagas(&self, after: Option<TransactionId>, limit: u32) -> StoreFuture<'_, Vec<Saga>> {
        let after = after.map_or_else(|| Value::from(Vec::new()), Value::id);
        let values = vec![after, i64::from(limit).into()];
        Box::pin(async move { each(fetch(self, &SAGAS, values).await?, rows::saga) })
    }

    fn answers(&self, id: TransactionId) -> StoreFuture<'_, Vec<SignedAnswer>> {
        Box::pin(async move {
            each(fetch(self, &ANSWERS, vec![Value::id(id)]).await?, rows::signed_answer)
        })
    }

    fn endpoints(&self) -> StoreFuture<'_, Vec<EndpointView>> {
        Box::pin(async move { each(fetch(self, &ENDPOINTS, vec![]).await?, rows::endpoint_view) })
    }

    fn deliveries(
        &self,
        endpoint: EndpointId,
        state: Option<DeliveryState>,
        after: u64,
        limit: u32,
    ) -> StoreFuture<'_, Vec<DeliveryRecord>> {
        let after = rows::signed(after);
        let mut values = vec![Value::id(endpoint), after.into(), i64::from(limit).into()];
        let sql = if state.is_some() { &DELIVERIES_IN } else { &DELIVERIES };
        values.extend(state.map(|state| Value::from(state.as_str())));
        Box::pin(async move { each(fetch(self, sql, values).await?, rows::delivery) })
    }

    fn attempts(&self, endpoint: EndpointId, number: u64) -> StoreFuture<'_, Vec<AttemptRecord>> {
        let values = vec![Value::id(endpoint), rows::signed(number).into()];
        Box::pin(async move { each(fetch(self, &ATTEMPTS, values).await?, rows::attempt) })
    }

    fn wrapped_members(&self, after: MemberNo, limit: u32) -> StoreFuture<'_, Vec<WrappedMember>> {
        let values = vec![after.into(), i64::from(limit).into()];
        Box::pin(
            async move { each(fetch(self, &WRAPPED_MEMBERS, values).await?, rows::wrapped_member) },
        )
    }

    fn count_wrapped_members(&self, after: MemberNo) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            let row = fetch_one(self, &COUNT_WRAPPED, vec![after.into()]).await?;
            Ok(one(row, |row| row.count("members"))?.unwrap_or(0))
        })
    }

    fn links_looked_up(
        &self,
        after: Option<LinkId>,
        limit: u32,
    ) -> StoreFuture<'_, Vec<LinkDetail>> {
        let after = after.map_or_else(|| Value::from(Vec::new()), Value::id);
        let values = vec![after, i64::from(limit).into()];
        Box::pin(async move { Ok(Fetched::of(fetch(self, &LOOKED_UP, values).await?)?.links()) })
    }

    fn all_endpoints(
        &self,
        after: Option<EndpointId>,
        limit: u32,
    ) -> StoreFuture<'_, Vec<EndpointRecord>> {
        let after = after.map_or_else(|| Value::from(Vec::new()), Value::id);
        let values = vec![after, i64::from(limit).into()];
        Box::pin(async move { each(fetch(self, &ALL_ENDPOINTS, values).await?, rows::endpoint) })
    }

    fn clear_away(&self) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            match self.files() {
                None => Ok(()),
                Some(files) => files.clear_away().await,
            }
        })
    }

    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            self.readers().close().await;
            // Whoever writes finishes first. The last connection tidies up SQLite's log.
            if let Some(session) = self.writer().lock().await.take() {
                _ = sqlx::Connection::close(session).await;
            }
            if let Some(anchor) = self.anchor()
                && let Some(session) = anchor.lock().await.take()
            {
                _ = sqlx::Connection::close(session).await;
            }
        })
    }
}
