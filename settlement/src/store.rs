//! The memory: one trait, three engines — memory, SQLite, PostgreSQL — and one conformance suite
//! that says what a store must do.
//!
//! Writing goes through a [`Batch`] and nothing else: [`Store::begin`] takes the alliance's
//! sequencer row (lock, fence and order in one), [`Batch::load`] reads what the batch needs,
//! [`Batch::commit`] writes everything in the same database transaction. Whoever holds a batch is
//! the only writer; dropping it without a commit leaves no trace. Reading never waits for it.
//!
//! | file | what |
//! | --- | --- |
//! | `memory` | maps, for tests and for trying things out |
//! | `sqlite`, `postgres` | connections, and how each is given whole tables |
//! | `statements` | what a commit writes, the same text for both |
//! | `reads` | what is read, the same text for both, and [`Store`] over it |
//! | `batch` | [`Batch`] over it: which connection, in which order |
//! | `rows`, `failure` | values, records and errors out of the databases |
//! | `files` | SQLite's files, watched |
//! | `schema` | migrations |
//! | `failpoint` | where tests interfere |
//! | `conformance` | what every store must do, by name |

mod batch;
#[cfg(feature = "conformance")]
pub mod conformance;
pub(crate) mod failpoint;
mod failure;
mod files;
pub mod measure;
pub mod memory;
pub mod postgres;
mod reads;
mod rows;
mod schema;
pub mod sqlite;
mod statements;

use std::pin::Pin;
use std::sync::Arc;

use alliance_contracts::agreement::AgreementState;
use alliance_contracts::encoding::Hash;
use alliance_contracts::endpoint::DeliveryState;
use alliance_contracts::ids::{
    AgreementId, CampaignId, EndpointId, ErasureId, LinkId, RequestId, TransactionId, WindowId,
};
use alliance_contracts::keys::Kid;
use alliance_contracts::link::LinkState;
use alliance_contracts::member::SignedErasure;
use alliance_contracts::merkle::Frontier;
use alliance_contracts::names::{AllianceId, Corridor, IdempotencyKey, PartnerId, ProgramId};
use alliance_contracts::partner_key::UsedForTransaction;
use alliance_contracts::time::Timestamp;

use crate::alliance::{AgreementRecord, ConsentSpent, PublishedBoard, RegistryParts};
use crate::command::{Cosignature, MemberNo, RequestEvidence};
use crate::events::EventRow;
use crate::ledger::lots::Lot;
use crate::ledger::working_set::{
    BankEntryRow, BankFile, Loaded, ObservationRow, SealedMember, WindowDocument,
};
use crate::ledger::{
    AccountBalance, ChainHead, FlowRow, KeyRecord, LinkRecord, TransactionRecord, Wanted, Writes,
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

pub use schema::migrate;

/// A future that a trait object can return.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Why a store did not do what it was asked. After any of these but [`StoreError::UnknownCommit`]
/// nothing of the batch has been written, and nothing will be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No connection, a time-out, a full disk: later may be better.
    #[error("the database does not answer: {0}")]
    Unavailable(String),
    /// The commit was sent and no answer came: it may or may not have been done. Take the sequencer
    /// row again (then the old transaction has ended) and read the keys back.
    #[error("the outcome of a commit is unknown: {0}")]
    UnknownCommit(String),
    /// A constraint or an assertion of the commit failed: the batch contradicts the database.
    #[error("the batch contradicts the database: {0}")]
    Contradiction(String),
    /// What was read is not what any version of this program writes.
    #[error("the database holds what it should not: {0}")]
    Corrupt(String),
    /// The schema is not this version's.
    #[error("the schema is not this version's ({0}): run `alliance migrate`")]
    NotMigrated(String),
}

/// Proposals that the registry has beside those that are open.
pub(crate) const NEWEST_PROPOSALS: u32 = 8;

/// The registry's parts and their version, which grows with every change to them.
pub type VersionedRegistry = (i64, RegistryParts);

/// A transaction with its receipt and its two members.
#[derive(Clone, Debug)]
pub struct TransactionDetail {
    /// The transaction.
    pub record: TransactionRecord,
    /// Its receipt, once completed.
    pub receipt: Option<StoredReceipt>,
    /// Where it stands at connected brands; none where none is asked, and once all is well.
    pub saga: Option<Saga>,
    /// The member of its source.
    pub source_member: Option<SealedMember>,
    /// The member of its target.
    pub target_member: Option<SealedMember>,
}

/// A link with its two members.
#[derive(Clone, Debug)]
pub struct LinkDetail {
    /// The link.
    pub record: LinkRecord,
    /// The member of side a.
    pub a_member: Option<SealedMember>,
    /// The member of side b.
    pub b_member: Option<SealedMember>,
}

/// A member's books, for the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberBooks {
    /// The member.
    pub member: MemberNo,
    /// Its program.
    pub program: ProgramId,
    /// What it was imported with, in minor units.
    pub opening: i64,
    /// What it has now, in minor units.
    pub balance: i64,
}

/// What a connected brand is being asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenSagas {
    /// The brand.
    pub partner: PartnerId,
    /// When the first call to it is due.
    pub due_at: Timestamp,
    /// How many transactions wait for it.
    pub open: u64,
    /// Of those, how many a person has been told of.
    pub parked: u64,
}

/// A transaction's place, for the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionPlace {
    /// The transaction.
    pub id: TransactionId,
    /// Its chain.
    pub corridor: Corridor,
    /// Its receipt's place; none while pending or failed.
    pub seq: Option<u64>,
    /// The members that its points move.
    pub members: [Option<MemberNo>; 2],
    /// How much of it has been turned round, in minor units.
    pub reversed: alliance_contracts::arithmetic::Reversed,
    /// When it was decided.
    pub created_at: Timestamp,
}

/// A request that was accepted under a key and changed something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUseRecord {
    /// When it arrived.
    pub received_at: Timestamp,
    /// The request.
    pub request: RequestId,
    /// What it was: `orders`, `link`, ….
    pub what: String,
    /// What it changed; none where that has no name.
    pub subject: Option<String>,
    /// The transactions that its orders were to become.
    pub transactions: Vec<TransactionId>,
}

/// The receipts of a window in one chain: those after `after` up to `seq`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowRange {
    /// The window.
    pub window: WindowId,
    /// The chain.
    pub corridor: Corridor,
    /// The last receipt before.
    pub after: u64,
    /// The last receipt.
    pub seq: u64,
    /// SHA-256 of the payload of the last receipt before; zeros where there is none.
    pub head_after: Hash,
    /// The chain's tree before.
    pub frontier_after: Frontier,
    /// SHA-256 of the payload of the last receipt.
    pub head: Hash,
    /// The chain's tree after it.
    pub frontier: Frontier,
}

/// A lot's place: whose, of which campaign and day.
pub type LotPlace = (MemberNo, CampaignId, i64);

/// Reads and writes of one alliance.
pub trait Store: Send + Sync + 'static {
    /// Which alliance.
    fn alliance(&self) -> &AllianceId;

    /// Takes the sequencer row, waiting for whoever holds it.
    fn begin(&self) -> StoreFuture<'_, Box<dyn Batch>>;

    /// The registry; none before the first definition.
    fn registry(&self) -> StoreFuture<'_, Option<VersionedRegistry>>;

    /// Whether the database answers and has this version's schema.
    fn ping(&self) -> StoreFuture<'_, ()>;

    /// A transaction.
    fn transaction(&self, id: TransactionId) -> StoreFuture<'_, Option<TransactionDetail>>;

    /// What a key was used for.
    fn key<'a>(
        &'a self,
        partner: &'a PartnerId,
        key: &'a IdempotencyKey,
    ) -> StoreFuture<'a, Option<KeyRecord>>;

    /// Receipts of a corridor with `seq > after`, by `seq`, at most `limit`.
    fn receipts<'a>(
        &'a self,
        corridor: &'a Corridor,
        after: u64,
        limit: u32,
    ) -> StoreFuture<'a, Vec<StoredReceipt>>;

    /// The end of a corridor's chain; none for an empty one.
    fn head<'a>(&'a self, corridor: &'a Corridor) -> StoreFuture<'a, Option<ChainHead>>;

    /// The ends of all chains, by corridor.
    fn heads(&self) -> StoreFuture<'_, Vec<(Corridor, ChainHead)>>;

    /// Kept roots of complete Merkle subtrees of a level, positions `from..to`, in order.
    fn nodes<'a>(
        &'a self,
        corridor: &'a Corridor,
        level: u32,
        from: u64,
        to: u64,
    ) -> StoreFuture<'a, Vec<Hash>>;

    /// A link.
    fn link(&self, id: LinkId) -> StoreFuture<'_, Option<LinkDetail>>;

    /// A partner's links with `id > after`, by id, at most `limit`.
    fn links<'a>(
        &'a self,
        partner: &'a PartnerId,
        state: Option<LinkState>,
        after: Option<LinkId>,
        limit: u32,
    ) -> StoreFuture<'a, Vec<LinkDetail>>;

    /// A version of an agreement.
    fn agreement(&self, id: AgreementId) -> StoreFuture<'_, Option<AgreementRecord>>;

    /// A partner's agreements, with one other or with all, with `id > after`, by id, at most
    /// `limit`.
    fn agreements<'a>(
        &'a self,
        partner: &'a PartnerId,
        with: Option<&'a PartnerId>,
        state: Option<AgreementState>,
        after: Option<AgreementId>,
        limit: u32,
    ) -> StoreFuture<'a, Vec<AgreementRecord>>;

    /// The member that is found there.
    fn member(&self, lookup: Lookup) -> StoreFuture<'_, Option<SealedMember>>;

    /// What was signed about a member that was forgotten.
    fn erasure(&self, id: ErasureId) -> StoreFuture<'_, Option<SignedErasure>>;

    /// The same of a partner's members, with `id > after`, by id, at most `limit`.
    fn erasures<'a>(
        &'a self,
        partner: &'a PartnerId,
        after: Option<ErasureId>,
        limit: u32,
    ) -> StoreFuture<'a, Vec<SignedErasure>>;

    /// What a key was accepted for, from a time on and after a request of that very time, by time
    /// and request, at most `limit`.
    fn key_uses<'a>(
        &'a self,
        kid: &'a Kid,
        from: Timestamp,
        after: Option<RequestId>,
        limit: u32,
    ) -> StoreFuture<'a, Vec<KeyUseRecord>>;

    /// Where transactions stand, of those that there are, by id.
    fn standing<'a>(
        &'a self,
        transactions: &'a [TransactionId],
    ) -> StoreFuture<'a, Vec<UsedForTransaction>>;

    /// Cosignatures over at least so many receipts, by how many and partner, at most `limit`.
    fn cosignatures<'a>(
        &'a self,
        corridor: &'a Corridor,
        size: u64,
        limit: u32,
    ) -> StoreFuture<'a, Vec<Cosignature>>;

    /// The newest cosignatures: of those over most receipts, at most `limit`.
    fn newest_cosignatures<'a>(
        &'a self,
        corridor: &'a Corridor,
        limit: u32,
    ) -> StoreFuture<'a, Vec<Cosignature>>;

    /// The request that orders came in by.
    fn request(&self, id: RequestId) -> StoreFuture<'_, Option<Arc<RequestEvidence>>>;

    /// Quote keys that are not destroyed: period and wrapped key.
    fn quote_keys(&self) -> StoreFuture<'_, Vec<(i64, Vec<u8>)>>;

    /// When partners were suspended.
    fn suspensions(&self) -> StoreFuture<'_, Vec<(PartnerId, Timestamp)>>;

    /// All accounts other than members', for the audit.
    fn accounts(&self) -> StoreFuture<'_, Vec<AccountBalance>>;

    /// Boards with a number up to `last`, the newest first, at most `limit`.
    fn boards(&self, last: u32, limit: u32) -> StoreFuture<'_, Vec<PublishedBoard>>;

    /// The board that was in force then.
    fn board_at(&self, at: Timestamp) -> StoreFuture<'_, Option<PublishedBoard>>;

    /// What has been exchanged in every direction, by source and target.
    fn flows(&self) -> StoreFuture<'_, Vec<FlowRow>>;

    /// What was last ordered under every consent, for the audit.
    fn consents_spent(&self) -> StoreFuture<'_, Vec<ConsentSpent>>;

    /// Readings of one feed, the newest first, at most `limit`.
    fn observations<'a>(
        &'a self,
        program: &'a ProgramId,
        feed: FeedKind,
        limit: u32,
    ) -> StoreFuture<'a, Vec<ObservationRow>>;

    /// Settlement windows with a number up to `last`, the newest first, at most `limit`.
    fn windows(&self, last: u64, limit: u32) -> StoreFuture<'_, Vec<WindowRecord>>;

    /// A settlement window.
    fn window(&self, id: WindowId) -> StoreFuture<'_, Option<WindowRecord>>;

    /// The ranges of a window's receipts, of chains after `after`, by chain, at most `limit`.
    fn window_ranges<'a>(
        &'a self,
        window: WindowId,
        after: Option<&'a Corridor>,
        limit: u32,
    ) -> StoreFuture<'a, Vec<WindowRange>>;

    /// The ranges of a chain with `seq > after`, by `seq`, at most `limit`.
    fn chain_ranges<'a>(
        &'a self,
        corridor: &'a Corridor,
        after: u64,
        limit: u32,
    ) -> StoreFuture<'a, Vec<WindowRange>>;

    /// What a window came to for each party, by party; nothing before it was netted.
    fn window_lines(&self, window: WindowId) -> StoreFuture<'_, Vec<Settled>>;

    /// Documents of a window with a name after `after`, by name, at most `limit`.
    fn window_documents<'a>(
        &'a self,
        window: WindowId,
        after: &'a str,
        limit: u32,
    ) -> StoreFuture<'a, Vec<WindowDocument>>;

    /// A document of a window.
    fn window_document<'a>(
        &'a self,
        window: WindowId,
        name: &'a str,
    ) -> StoreFuture<'a, Option<WindowDocument>>;

    /// The payments of a window, by number and attempt.
    fn payments(&self, window: WindowId) -> StoreFuture<'_, Vec<Tracked>>;

    /// Proposals about settlement with a number up to `last`, the newest first, at most `limit`.
    fn settlement_proposals(
        &self,
        last: u32,
        limit: u32,
    ) -> StoreFuture<'_, Vec<SettlementProposal>>;

    /// A bank's file that was taken in.
    fn bank_file(&self, hash: Hash) -> StoreFuture<'_, Option<BankFile>>;

    /// Entries of banks' files, of those that there are, by key.
    fn bank_entries<'a>(&'a self, keys: &'a [Hash]) -> StoreFuture<'a, Vec<BankEntryRow>>;

    /// Entries that a bank's file told of first, with a place after `after`, by place, at most
    /// `limit`.
    fn bank_file_entries(
        &self,
        file: Hash,
        after: u64,
        limit: u32,
    ) -> StoreFuture<'_, Vec<BankEntryRow>>;

    /// Proposals about rates with a number up to `last`, the newest first, at most `limit`.
    fn proposals(&self, last: u32, limit: u32) -> StoreFuture<'_, Vec<RateProposal>>;

    /// Rows of a partner's feed that hold any event with a number above `after` and up to `to`, in
    /// order; the first and the last may hold others, too.
    fn events<'a>(
        &'a self,
        partner: &'a PartnerId,
        after: u64,
        to: u64,
    ) -> StoreFuture<'a, Vec<EventRow>>;

    /// The number of the last event of a partner's feed; 0 where there is none.
    fn last_event<'a>(&'a self, partner: &'a PartnerId) -> StoreFuture<'a, u64>;

    /// Members' books with `member > after`, by number, at most `limit`, for the audit.
    fn member_books(&self, after: MemberNo, limit: u32) -> StoreFuture<'_, Vec<MemberBooks>>;

    /// Transactions' places with `id > after`, by id, at most `limit`, for the audit.
    fn transaction_places(
        &self,
        after: Option<TransactionId>,
        limit: u32,
    ) -> StoreFuture<'_, Vec<TransactionPlace>>;

    /// Agreements of all partners with `id > after`, by id, at most `limit`, for the audit.
    fn all_agreements(
        &self,
        after: Option<AgreementId>,
        limit: u32,
    ) -> StoreFuture<'_, Vec<AgreementRecord>>;

    /// Lots with points in them that stand after a place, by place, at most `limit`, for the audit.
    fn lots(&self, after: Option<LotPlace>, limit: u32) -> StoreFuture<'_, Vec<(MemberNo, Lot)>>;

    /// What connected brands are being asked for, by brand.
    fn open_sagas(&self) -> StoreFuture<'_, Vec<OpenSagas>>;

    /// Transactions that wait for a call to this brand that is due, the longest due first, at most
    /// `limit`.
    fn due_sagas<'a>(
        &'a self,
        partner: &'a PartnerId,
        now: Timestamp,
        limit: u32,
    ) -> StoreFuture<'a, Vec<TransactionId>>;

    /// Transactions at connected brands with `id > after`, by id, at most `limit`.
    fn sagas(&self, after: Option<TransactionId>, limit: u32) -> StoreFuture<'_, Vec<Saga>>;

    /// What brands have answered about a transaction, the first answer first.
    fn answers(&self, id: TransactionId) -> StoreFuture<'_, Vec<SignedAnswer>>;

    /// All endpoints that are there, by id.
    fn endpoints(&self) -> StoreFuture<'_, Vec<EndpointView>>;

    /// What has become of events at an endpoint, of those in a state or of all, with
    /// `number > after`, by number, at most `limit`.
    fn deliveries(
        &self,
        endpoint: EndpointId,
        state: Option<DeliveryState>,
        after: u64,
        limit: u32,
    ) -> StoreFuture<'_, Vec<DeliveryRecord>>;

    /// Every attempt to deliver an event to an endpoint, the first one first.
    fn attempts(&self, endpoint: EndpointId, number: u64) -> StoreFuture<'_, Vec<AttemptRecord>>;

    /// Members that were not forgotten, as they are sealed, with `member > after`, by number, at
    /// most `limit`.
    fn wrapped_members(&self, after: MemberNo, limit: u32) -> StoreFuture<'_, Vec<WrappedMember>>;

    /// How many of them there are.
    fn count_wrapped_members(&self, after: MemberNo) -> StoreFuture<'_, u64>;

    /// Links that name a member by a look-up, with `id > after`, by id, at most `limit`.
    fn links_looked_up(
        &self,
        after: Option<LinkId>,
        limit: u32,
    ) -> StoreFuture<'_, Vec<LinkDetail>>;

    /// Endpoints, those that were removed included, with `id > after`, by id, at most `limit`.
    fn all_endpoints(
        &self,
        after: Option<EndpointId>,
        limit: u32,
    ) -> StoreFuture<'_, Vec<EndpointRecord>>;

    /// Has what was written over leave the database's files, as far as a store can: SQLite's tables
    /// are built anew and its log is emptied. PostgreSQL clears its tables by itself.
    fn clear_away(&self) -> StoreFuture<'_, ()>;

    /// Closes connections, finishing what is under way.
    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// The sequencer row, held: the one writer at this moment.
pub trait Batch: Send {
    /// This batch's number; grows by one with every batch taken, committed or not at most once.
    fn number(&self) -> i64;

    /// Whether it runs on the connection that this store's last batch has left. A new connection
    /// may lead to another copy of the database: what was known before need not hold there.
    fn continues(&self) -> bool;

    /// The registry's version under this lock; 0 before the first definition.
    fn registry_version(&self) -> i64;

    /// The registry, as this batch sees it.
    fn registry(&mut self) -> StoreFuture<'_, Option<VersionedRegistry>>;

    /// Reads what the batch needs.
    fn load<'a>(&'a mut self, wanted: &'a Wanted) -> StoreFuture<'a, Loaded>;

    /// Writes all that needs no signature, while receipts are being signed elsewhere; `writes` has
    /// none yet. [`Batch::commit`], given the same with its receipts, writes the rest. A store for
    /// which that is no gain leaves everything to the commit.
    fn write_ahead<'a>(&'a mut self, writes: &'a Writes) -> StoreFuture<'a, ()> {
        let _ = writes;
        Box::pin(async { Ok(()) })
    }

    /// Writes everything and ends the database transaction. When this answers `Ok`, it is durable.
    fn commit<'a>(self: Box<Self>, writes: &'a Writes) -> StoreFuture<'a, ()>;
}

/// Which engine a URL means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Memory,
    Sqlite,
    Postgres,
}

impl Scheme {
    fn of(url: &str) -> Result<Self, StoreError> {
        match url.split_once(':') {
            Some(("memory", _)) => Ok(Self::Memory),
            Some(("sqlite", _)) => Ok(Self::Sqlite),
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres),
            // Never show the URL: it may hold a password.
            _ => Err(StoreError::Unavailable(
                "a database is sqlite:FILE, postgres://…, or memory:".to_owned(),
            )),
        }
    }
}

/// Opens the store of a URL: `sqlite:books.db`, `postgres://user@host/books`, or `memory:`, which
/// is empty and gone with its last handle. A database must have been migrated: [`Store::ping`].
///
/// # Errors
/// [`StoreError::NotMigrated`] where an SQLite file is missing; [`StoreError::Unavailable`].
pub async fn open(url: &str, alliance: AllianceId) -> Result<Arc<dyn Store>, StoreError> {
    Ok(match Scheme::of(url)? {
        Scheme::Memory => Arc::new(memory::MemoryStore::new(alliance)),
        Scheme::Sqlite => Arc::new(sqlite::SqliteStore::open(url, alliance).await?),
        Scheme::Postgres => Arc::new(postgres::PostgresStore::connect(url, alliance).await?),
    })
}
