//! A store that does as the world says: each gateway's own handle on the one store.

use std::pin::Pin;
use std::sync::Arc;

use alliance_contracts::agreement::AgreementState;
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
use alliance_settlement::alliance::{AgreementRecord, ConsentSpent, PublishedBoard};
use alliance_settlement::command::{Cosignature, MemberNo, RequestEvidence};
use alliance_settlement::events::EventRow;
use alliance_settlement::ledger::lots::Lot;
use alliance_settlement::ledger::working_set::{Loaded, ObservationRow, SealedMember};
use alliance_settlement::ledger::{AccountBalance, ChainHead, FlowRow, KeyRecord, Wanted, Writes};
use alliance_settlement::rates::feeds::FeedKind;
use alliance_settlement::rates::proposal::RateProposal;
use alliance_settlement::receipts::StoredReceipt;
use alliance_settlement::rekeying::WrappedMember;
use alliance_settlement::saga::{Saga, SignedAnswer};
use alliance_settlement::store::{
    Batch, KeyUseRecord, LinkDetail, LotPlace, MemberBooks, OpenSagas, Store, StoreError,
    StoreFuture, TransactionDetail, TransactionPlace, VersionedRegistry,
};
use alliance_settlement::vault::Lookup;
use alliance_settlement::webhooks::{AttemptRecord, DeliveryRecord, EndpointRecord, EndpointView};

use crate::stage::{Limbo, Point, SharedStage, Verdict};

/// How a call to the store takes its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// It stops at a gate and the world says how it goes on.
    Gated,
    /// It goes on by itself, but lets others run before it is done and after: two places at each
    /// call where a process may end.
    Yielding,
}

/// A gateway's handle on the store.
pub struct StagedStore {
    pub inner: Arc<dyn Store>,
    pub stage: SharedStage,
    pub gateway: usize,
    pub manner: Manner,
}

struct StagedBatch {
    inner: Option<Box<dyn Batch>>,
    stage: SharedStage,
    gateway: usize,
    manner: Manner,
    number: i64,
    registry_version: i64,
}

fn unavailable(why: &str) -> StoreError {
    StoreError::Unavailable(why.to_owned())
}

fn unknown() -> StoreError {
    StoreError::UnknownCommit("the answer was lost".to_owned())
}

impl StagedStore {
    /// A read outside any batch.
    async fn read<T>(&self, read: StoreFuture<'_, T>) -> Result<T, StoreError> {
        let fails = {
            let mut stage = self.stage.lock();
            let times = stage.read_faults;
            stage.dice.per_mille(times)
        };
        if self.manner == Manner::Yielding {
            tokio::task::yield_now().await;
        }
        if fails {
            return Err(unavailable("a read failed"));
        }
        let answer = read.await;
        if self.manner == Manner::Yielding {
            tokio::task::yield_now().await;
        }
        answer
    }
}

impl StagedBatch {
    async fn gate(&mut self, point: Point) -> Verdict {
        match self.manner {
            Manner::Gated => self.stage.gate(self.gateway, point).await,
            Manner::Yielding => {
                tokio::task::yield_now().await;
                Verdict::Go
            }
        }
    }

    async fn heard(&mut self) {
        if self.manner == Manner::Yielding {
            tokio::task::yield_now().await;
        }
    }

    fn held(&mut self) -> Result<&mut Box<dyn Batch>, StoreError> {
        self.inner.as_mut().ok_or_else(|| unavailable("the row was taken away"))
    }

    fn fault<T>(&self, error: StoreError) -> Result<T, StoreError> {
        self.stage.lock().fault(self.gateway);
        Err(error)
    }

    /// What a call other than the commit makes of its verdict.
    fn goes_on(&mut self, verdict: Verdict) -> Result<(), StoreError> {
        if verdict == Verdict::RowLost {
            self.inner = None;
        }
        if verdict == Verdict::Fail {
            return self.fault(unavailable("planned"));
        }
        if self.inner.is_none() {
            return self.fault(unavailable("the row was taken away"));
        }
        Ok(())
    }

    async fn write(mut self, writes: &Writes) -> Result<(), StoreError> {
        let verdict = self.gate(Point::Commit).await;
        let Some(inner) = self.inner.take() else {
            return self.fault(unavailable("the row was taken away"));
        };
        match verdict {
            Verdict::Fail | Verdict::RowLost => self.fault(unavailable("planned")),
            Verdict::LostBefore => self.fault(unknown()),
            Verdict::LostLate { commits } => {
                let mut stage = self.stage.lock();
                let readings = stage.seats[self.gateway].readings.clone();
                let writes = commits.then(|| (writes.clone(), readings));
                let steps = 1 + stage.dice.below(30);
                stage.limbo.push(Limbo { batch: inner, writes, steps });
                stage.fault(self.gateway);
                Err(unknown())
            }
            Verdict::Contradiction => {
                let mut stage = self.stage.lock();
                // A database says so of a batch that is not there; after a lost commit it may be.
                if stage.excuse(self.gateway).after_fault {
                    stage.fault(self.gateway);
                    return Err(unavailable("planned"));
                }
                stage.contradict(self.gateway);
                Err(StoreError::Contradiction("planned".to_owned()))
            }
            Verdict::Go | Verdict::LostAfter | Verdict::DoneUnheard => {
                let done = inner.commit(writes).await;
                {
                    let mut stage = self.stage.lock();
                    let readings = stage.seats[self.gateway].readings.clone();
                    match &done {
                        Ok(()) => stage.committed(writes, &readings),
                        Err(error) => stage.refused(writes, &error.to_string()),
                    }
                }
                self.heard().await;
                match verdict {
                    Verdict::LostAfter if done.is_ok() => self.fault(unknown()),
                    Verdict::DoneUnheard => std::future::pending().await,
                    _ => {
                        if done.is_ok() {
                            self.stage.lock().went_well(self.gateway);
                        }
                        done
                    }
                }
            }
        }
    }
}

impl Drop for StagedBatch {
    fn drop(&mut self) {
        let Some(batch) = self.inner.take() else { return };
        let mut stage = self.stage.lock();
        // Its process has died and the database has not noticed yet.
        if stage.seats[self.gateway].holding {
            let steps = 1 + stage.dice.below(60);
            stage.limbo.push(Limbo { batch, writes: None, steps });
        }
    }
}

impl Batch for StagedBatch {
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
        Box::pin(async move {
            let verdict = self.gate(Point::Registry).await;
            self.goes_on(verdict)?;
            let answer = self.held()?.registry().await;
            self.heard().await;
            answer
        })
    }

    fn load<'a>(&'a mut self, wanted: &'a Wanted) -> StoreFuture<'a, Loaded> {
        Box::pin(async move {
            let verdict = self.gate(Point::Load).await;
            self.goes_on(verdict)?;
            let answer = self.held()?.load(wanted).await;
            self.heard().await;
            answer
        })
    }

    fn commit<'a>(self: Box<Self>, writes: &'a Writes) -> StoreFuture<'a, ()> {
        Box::pin((*self).write(writes))
    }
}

macro_rules! reads {
    ($($name:ident ( $($argument:ident : $type:ty),* ) -> $output:ty;)*) => {$(
        fn $name<'a>(&'a self, $($argument: $type),*) -> StoreFuture<'a, $output> {
            Box::pin(self.read(self.inner.$name($($argument),*)))
        }
    )*};
}

impl Store for StagedStore {
    fn alliance(&self) -> &AllianceId {
        self.inner.alliance()
    }

    fn begin(&self) -> StoreFuture<'_, Box<dyn Batch>> {
        Box::pin(async move {
            if self.manner == Manner::Yielding {
                tokio::task::yield_now().await;
            } else if self.stage.gate(self.gateway, Point::Begin).await == Verdict::Fail {
                self.stage.lock().fault(self.gateway);
                return Err(unavailable("planned"));
            }
            let inner = self.inner.begin().await?;
            self.stage.lock().seats[self.gateway].readings.clear();
            let (number, registry_version) = (inner.number(), inner.registry_version());
            let mut batch = StagedBatch {
                inner: Some(inner),
                stage: self.stage.clone(),
                gateway: self.gateway,
                manner: self.manner,
                number,
                registry_version,
            };
            batch.heard().await;
            Ok(Box::new(batch) as Box<dyn Batch>)
        })
    }

    reads! {
        registry() -> Option<VersionedRegistry>;
        ping() -> ();
        transaction(id: TransactionId) -> Option<TransactionDetail>;
        key(partner: &'a PartnerId, key: &'a IdempotencyKey) -> Option<KeyRecord>;
        receipts(corridor: &'a Corridor, after: u64, limit: u32) -> Vec<StoredReceipt>;
        head(corridor: &'a Corridor) -> Option<ChainHead>;
        heads() -> Vec<(Corridor, ChainHead)>;
        nodes(corridor: &'a Corridor, level: u32, from: u64, to: u64) -> Vec<Hash>;
        link(id: LinkId) -> Option<LinkDetail>;
        links(partner: &'a PartnerId, state: Option<LinkState>, after: Option<LinkId>, limit: u32) -> Vec<LinkDetail>;
        agreement(id: AgreementId) -> Option<AgreementRecord>;
        agreements(partner: &'a PartnerId, with: Option<&'a PartnerId>, state: Option<AgreementState>, after: Option<AgreementId>, limit: u32) -> Vec<AgreementRecord>;
        member(lookup: Lookup) -> Option<SealedMember>;
        erasure(id: ErasureId) -> Option<SignedErasure>;
        erasures(partner: &'a PartnerId, after: Option<ErasureId>, limit: u32) -> Vec<SignedErasure>;
        request(id: RequestId) -> Option<Arc<RequestEvidence>>;
        key_uses(kid: &'a Kid, from: Timestamp, after: Option<RequestId>, limit: u32) -> Vec<KeyUseRecord>;
        standing(transactions: &'a [TransactionId]) -> Vec<UsedForTransaction>;
        cosignatures(corridor: &'a Corridor, size: u64, limit: u32) -> Vec<Cosignature>;
        newest_cosignatures(corridor: &'a Corridor, limit: u32) -> Vec<Cosignature>;
        quote_keys() -> Vec<(i64, Vec<u8>)>;
        windows(last: u64, limit: u32) -> Vec<alliance_settlement::windows::WindowRecord>;
        window(id: WindowId) -> Option<alliance_settlement::windows::WindowRecord>;
        window_ranges(window: WindowId, after: Option<&'a Corridor>, limit: u32) -> Vec<alliance_settlement::store::WindowRange>;
        chain_ranges(corridor: &'a Corridor, after: u64, limit: u32) -> Vec<alliance_settlement::store::WindowRange>;
        window_lines(window: WindowId) -> Vec<alliance_settlement::payments::rounding::Settled>;
        window_documents(window: WindowId, after: &'a str, limit: u32) -> Vec<alliance_settlement::ledger::working_set::WindowDocument>;
        window_document(window: WindowId, name: &'a str) -> Option<alliance_settlement::ledger::working_set::WindowDocument>;
        payments(window: WindowId) -> Vec<alliance_settlement::payments::matching::Tracked>;
        settlement_proposals(last: u32, limit: u32) -> Vec<alliance_settlement::windows::SettlementProposal>;
        bank_file(hash: Hash) -> Option<alliance_settlement::ledger::working_set::BankFile>;
        bank_entries(keys: &'a [Hash]) -> Vec<alliance_settlement::ledger::working_set::BankEntryRow>;
        bank_file_entries(file: Hash, after: u64, limit: u32) -> Vec<alliance_settlement::ledger::working_set::BankEntryRow>;
        suspensions() -> Vec<(PartnerId, Timestamp)>;
        accounts() -> Vec<AccountBalance>;
        boards(last: u32, limit: u32) -> Vec<PublishedBoard>;
        board_at(at: Timestamp) -> Option<PublishedBoard>;
        flows() -> Vec<FlowRow>;
        consents_spent() -> Vec<ConsentSpent>;
        proposals(last: u32, limit: u32) -> Vec<RateProposal>;
        observations(program: &'a ProgramId, feed: FeedKind, limit: u32) -> Vec<ObservationRow>;
        events(partner: &'a PartnerId, after: u64, to: u64) -> Vec<EventRow>;
        last_event(partner: &'a PartnerId) -> u64;
        all_agreements(after: Option<AgreementId>, limit: u32) -> Vec<AgreementRecord>;
        lots(after: Option<LotPlace>, limit: u32) -> Vec<(MemberNo, Lot)>;
        member_books(after: MemberNo, limit: u32) -> Vec<MemberBooks>;
        transaction_places(after: Option<TransactionId>, limit: u32) -> Vec<TransactionPlace>;
        open_sagas() -> Vec<OpenSagas>;
        due_sagas(partner: &'a PartnerId, now: Timestamp, limit: u32) -> Vec<TransactionId>;
        sagas(after: Option<TransactionId>, limit: u32) -> Vec<Saga>;
        endpoints() -> Vec<EndpointView>;
        deliveries(endpoint: EndpointId, state: Option<DeliveryState>, after: u64, limit: u32)
            -> Vec<DeliveryRecord>;
        attempts(endpoint: EndpointId, number: u64) -> Vec<AttemptRecord>;
        wrapped_members(after: MemberNo, limit: u32) -> Vec<WrappedMember>;
        count_wrapped_members(after: MemberNo) -> u64;
        links_looked_up(after: Option<LinkId>, limit: u32) -> Vec<LinkDetail>;
        all_endpoints(after: Option<EndpointId>, limit: u32) -> Vec<EndpointRecord>;
        clear_away() -> ();
        answers(id: TransactionId) -> Vec<SignedAnswer>;
    }

    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.inner.close()
    }
}
