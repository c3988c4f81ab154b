//! The sequencer against a store that fails on purpose: before the commit, after it, or with an
//! answer that is lost. Each row of the table at the head of the module.
#![cfg(feature = "conformance")]

use std::collections::VecDeque;
use std::sync::Mutex;

use alliance_contracts::key_list::Jwk;

use super::*;
use crate::alliance::GatewayKeys;
use crate::ledger::Writes;
use crate::ledger::working_set::Loaded;
use crate::store::conformance::world::{PEOPLE, World};
use crate::store::memory::MemoryStore;
use crate::store::{
    LinkDetail, MemberBooks, StoreFuture, TransactionDetail, TransactionPlace, VersionedRegistry,
};

/// What a commit does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Nothing is written, and it says so.
    Unavailable,
    /// Nothing is written, and nobody knows.
    LostBefore,
    /// Everything is written, and nobody knows.
    LostAfter,
    /// Every batch of more than one command contradicts the database.
    ContradictsMany,
}

struct Faulty {
    inner: Arc<dyn Store>,
    plan: Arc<Mutex<VecDeque<Fault>>>,
    asked: Asked,
}

struct FaultyBatch {
    inner: Box<dyn Batch>,
    plan: Arc<Mutex<VecDeque<Fault>>>,
    asked: Asked,
}

/// How many members each batch has loaded by where they are found.
type Asked = Arc<Mutex<Vec<usize>>>;

impl Batch for FaultyBatch {
    fn number(&self) -> i64 {
        self.inner.number()
    }
    fn continues(&self) -> bool {
        self.inner.continues()
    }
    fn registry_version(&self) -> i64 {
        self.inner.registry_version()
    }
    fn registry(&mut self) -> StoreFuture<'_, Option<VersionedRegistry>> {
        self.inner.registry()
    }
    fn load<'a>(&'a mut self, wanted: &'a Wanted) -> StoreFuture<'a, Loaded> {
        self.asked.lock().unwrap().push(wanted.lookups.len());
        self.inner.load(wanted)
    }
    fn write_ahead<'a>(&'a mut self, writes: &'a Writes) -> StoreFuture<'a, ()> {
        self.inner.write_ahead(writes)
    }
    fn commit<'a>(self: Box<Self>, writes: &'a Writes) -> StoreFuture<'a, ()> {
        let fault = {
            let mut plan = self.plan.lock().unwrap();
            match plan.front() {
                Some(Fault::ContradictsMany) => Some(Fault::ContradictsMany),
                _ => plan.pop_front(),
            }
        };
        Box::pin(async move {
            let lost = || StoreError::UnknownCommit("planned".to_owned());
            match fault {
                None => self.inner.commit(writes).await,
                Some(Fault::Unavailable) => Err(StoreError::Unavailable("planned".to_owned())),
                Some(Fault::LostBefore) => Err(lost()),
                Some(Fault::LostAfter) => {
                    self.inner.commit(writes).await?;
                    Err(lost())
                }
                Some(Fault::ContradictsMany) if writes.keys.len() > 1 => {
                    Err(StoreError::Contradiction("planned".to_owned()))
                }
                Some(Fault::ContradictsMany) => self.inner.commit(writes).await,
            }
        })
    }
}

macro_rules! delegate {
    ($($name:ident ( $($argument:ident : $type:ty),* ) -> $output:ty;)*) => {$(
        fn $name<'a>(&'a self, $($argument: $type),*) -> StoreFuture<'a, $output> {
            self.inner.$name($($argument),*)
        }
    )*};
}

impl Store for Faulty {
    fn alliance(&self) -> &alliance_contracts::names::AllianceId {
        self.inner.alliance()
    }
    fn begin(&self) -> StoreFuture<'_, Box<dyn Batch>> {
        Box::pin(async move {
            let inner = self.inner.begin().await?;
            let (plan, asked) = (self.plan.clone(), self.asked.clone());
            Ok(Box::new(FaultyBatch { inner, plan, asked }) as Box<dyn Batch>)
        })
    }
    delegate! {
        registry() -> Option<VersionedRegistry>;
        ping() -> ();
        transaction(id: TransactionId) -> Option<TransactionDetail>;
        key(partner: &'a alliance_contracts::names::PartnerId, key: &'a alliance_contracts::names::IdempotencyKey) -> Option<crate::ledger::KeyRecord>;
        receipts(corridor: &'a alliance_contracts::names::Corridor, after: u64, limit: u32) -> Vec<StoredReceipt>;
        head(corridor: &'a alliance_contracts::names::Corridor) -> Option<crate::ledger::ChainHead>;
        heads() -> Vec<(alliance_contracts::names::Corridor, crate::ledger::ChainHead)>;
        nodes(corridor: &'a alliance_contracts::names::Corridor, level: u32, from: u64, to: u64) -> Vec<alliance_contracts::encoding::Hash>;
        link(id: alliance_contracts::ids::LinkId) -> Option<LinkDetail>;
        links(partner: &'a alliance_contracts::names::PartnerId, state: Option<alliance_contracts::link::LinkState>, after: Option<alliance_contracts::ids::LinkId>, limit: u32) -> Vec<LinkDetail>;
        agreement(id: alliance_contracts::ids::AgreementId) -> Option<crate::alliance::AgreementRecord>;
        agreements(partner: &'a alliance_contracts::names::PartnerId, with: Option<&'a alliance_contracts::names::PartnerId>, state: Option<alliance_contracts::agreement::AgreementState>, after: Option<alliance_contracts::ids::AgreementId>, limit: u32) -> Vec<crate::alliance::AgreementRecord>;
        member(lookup: crate::vault::Lookup) -> Option<crate::ledger::working_set::SealedMember>;
        erasure(id: alliance_contracts::ids::ErasureId) -> Option<alliance_contracts::member::SignedErasure>;
        erasures(partner: &'a alliance_contracts::names::PartnerId, after: Option<alliance_contracts::ids::ErasureId>, limit: u32) -> Vec<alliance_contracts::member::SignedErasure>;
        request(id: alliance_contracts::ids::RequestId) -> Option<Arc<crate::command::RequestEvidence>>;
        key_uses(kid: &'a alliance_contracts::keys::Kid, from: Timestamp, after: Option<alliance_contracts::ids::RequestId>, limit: u32) -> Vec<crate::store::KeyUseRecord>;
        standing(transactions: &'a [TransactionId]) -> Vec<alliance_contracts::partner_key::UsedForTransaction>;
        cosignatures(corridor: &'a alliance_contracts::names::Corridor, size: u64, limit: u32) -> Vec<crate::command::Cosignature>;
        newest_cosignatures(corridor: &'a alliance_contracts::names::Corridor, limit: u32) -> Vec<crate::command::Cosignature>;
        quote_keys() -> Vec<(i64, Vec<u8>)>;
        windows(last: u64, limit: u32) -> Vec<crate::windows::WindowRecord>;
        window(id: alliance_contracts::ids::WindowId) -> Option<crate::windows::WindowRecord>;
        window_ranges(window: alliance_contracts::ids::WindowId, after: Option<&'a alliance_contracts::names::Corridor>, limit: u32) -> Vec<crate::store::WindowRange>;
        chain_ranges(corridor: &'a alliance_contracts::names::Corridor, after: u64, limit: u32) -> Vec<crate::store::WindowRange>;
        window_lines(window: alliance_contracts::ids::WindowId) -> Vec<crate::payments::rounding::Settled>;
        window_documents(window: alliance_contracts::ids::WindowId, after: &'a str, limit: u32) -> Vec<crate::ledger::working_set::WindowDocument>;
        window_document(window: alliance_contracts::ids::WindowId, name: &'a str) -> Option<crate::ledger::working_set::WindowDocument>;
        payments(window: alliance_contracts::ids::WindowId) -> Vec<crate::payments::matching::Tracked>;
        settlement_proposals(last: u32, limit: u32) -> Vec<crate::windows::SettlementProposal>;
        bank_file(hash: alliance_contracts::encoding::Hash) -> Option<crate::ledger::working_set::BankFile>;
        bank_entries(keys: &'a [alliance_contracts::encoding::Hash]) -> Vec<crate::ledger::working_set::BankEntryRow>;
        bank_file_entries(file: alliance_contracts::encoding::Hash, after: u64, limit: u32) -> Vec<crate::ledger::working_set::BankEntryRow>;
        suspensions() -> Vec<(alliance_contracts::names::PartnerId, Timestamp)>;
        accounts() -> Vec<crate::ledger::AccountBalance>;
        boards(last: u32, limit: u32) -> Vec<crate::alliance::PublishedBoard>;
        board_at(at: Timestamp) -> Option<crate::alliance::PublishedBoard>;
        flows() -> Vec<crate::ledger::FlowRow>;
        consents_spent() -> Vec<crate::alliance::ConsentSpent>;
        proposals(last: u32, limit: u32) -> Vec<crate::rates::proposal::RateProposal>;
        observations(program: &'a alliance_contracts::names::ProgramId, feed: crate::rates::feeds::FeedKind, limit: u32) -> Vec<crate::ledger::working_set::ObservationRow>;
        events(partner: &'a alliance_contracts::names::PartnerId, after: u64, to: u64) -> Vec<crate::events::EventRow>;
        last_event(partner: &'a alliance_contracts::names::PartnerId) -> u64;
        all_agreements(after: Option<alliance_contracts::ids::AgreementId>, limit: u32) -> Vec<crate::alliance::AgreementRecord>;
        lots(after: Option<crate::store::LotPlace>, limit: u32) -> Vec<(crate::command::MemberNo, crate::ledger::lots::Lot)>;
        member_books(after: crate::command::MemberNo, limit: u32) -> Vec<MemberBooks>;
        transaction_places(after: Option<TransactionId>, limit: u32) -> Vec<TransactionPlace>;
        open_sagas() -> Vec<crate::store::OpenSagas>;
        due_sagas(partner: &'a alliance_contracts::names::PartnerId, now: Timestamp, limit: u32) -> Vec<TransactionId>;
        sagas(after: Option<TransactionId>, limit: u32) -> Vec<crate::saga::Saga>;
        answers(id: TransactionId) -> Vec<crate::saga::SignedAnswer>;
        endpoints() -> Vec<crate::webhooks::EndpointView>;
        deliveries(endpoint: alliance_contracts::ids::EndpointId, state: Option<alliance_contracts::endpoint::DeliveryState>, after: u64, limit: u32) -> Vec<crate::webhooks::DeliveryRecord>;
        wrapped_members(after: crate::command::MemberNo, limit: u32) -> Vec<crate::rekeying::WrappedMember>;
        count_wrapped_members(after: crate::command::MemberNo) -> u64;
        links_looked_up(after: Option<alliance_contracts::ids::LinkId>, limit: u32) -> Vec<LinkDetail>;
        all_endpoints(after: Option<alliance_contracts::ids::EndpointId>, limit: u32) -> Vec<crate::webhooks::EndpointRecord>;
        clear_away() -> ();
        attempts(endpoint: alliance_contracts::ids::EndpointId, number: u64) -> Vec<crate::webhooks::AttemptRecord>;
    }
    fn close(&self) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.inner.close()
    }
}

/// A world whose sequencer works on a store with a plan.
struct Stage {
    world: World,
    plan: Arc<Mutex<VecDeque<Fault>>>,
    asked: Asked,
    clock: Arc<Mutex<Timestamp>>,
    queue: Arc<Queue>,
    running: tokio::task::JoinHandle<()>,
}

impl Stage {
    async fn new() -> Self {
        let inner: Arc<dyn Store> = Arc::new(MemoryStore::new("demo".parse().unwrap()));
        let world = World::new(inner).await;
        let (plan, asked) = (Arc::default(), Asked::default());
        let clock = Arc::new(Mutex::new(world.now));
        let sequencer = Self::sequencer(&world, &plan, &asked, &clock);
        let queue = sequencer.queue.clone();
        let running = tokio::spawn(sequencer.run());
        Self { world, plan, asked, clock, queue, running }
    }

    fn sequencer(
        world: &World,
        plan: &Arc<Mutex<VecDeque<Fault>>>,
        asked: &Asked,
        clock: &Arc<Mutex<Timestamp>>,
    ) -> Arc<Sequencer> {
        let (inner, clock) = (world.store.clone(), clock.clone());
        let empty = Registry::empty("demo".parse().unwrap(), "CNY".parse().unwrap());
        Arc::new(Sequencer {
            store: Arc::new(Faulty { inner, plan: Arc::clone(plan), asked: asked.clone() }),
            vault: world.vault.clone(),
            key: Arc::new(SigningKey::from_seed(&[8; 32])),
            registry: watch::channel(Arc::new(empty)).0,
            clock: Arc::new(move || *clock.lock().unwrap()),
            queue: Arc::default(),
            kept: Mutex::default(),
            writability: Writability::default(),
            told: watch::Sender::new(0),
            sagas_written: tokio::sync::Notify::new(),
        })
    }

    /// Another gateway on the same store, told as the queue that leads to it.
    fn another_gateway(&self) -> Arc<Queue> {
        let sequencer = Self::sequencer(&self.world, &self.plan, &self.asked, &self.clock);
        let queue = sequencer.queue.clone();
        tokio::spawn(sequencer.run());
        queue
    }

    fn members_asked_for(&self) -> Vec<usize> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    fn plan(&self, faults: &[Fault]) {
        *self.plan.lock().unwrap() = faults.iter().copied().collect();
    }

    async fn orders(&mut self, count: usize) -> Vec<Command> {
        let mut orders = Vec::new();
        for person in 0..count {
            orders.push(self.world.exchange(0, 1, person, 1_000).await);
        }
        orders
    }

    async fn submit(&self, commands: &[Command]) -> Vec<Result<Answer, Unavailable>> {
        let waiting: Vec<_> =
            commands.iter().map(|command| self.queue.push(command.clone()).unwrap()).collect();
        let mut answers = Vec::new();
        for receiver in waiting {
            answers.push(receiver.await.map_err(|_| Unavailable::Lost).flatten());
        }
        answers
    }

    async fn receipts(&self) -> usize {
        let corridor = "aurora-air~borealis-coffee".parse().unwrap();
        self.world.store.receipts(&corridor, 0, 10_000).await.unwrap().len()
    }
}

/// A board is worked out beside the writer: orders in between are performed at once, and the board
/// is as good as before them.
#[tokio::test]
async fn orders_go_on_while_a_board_is_worked_out_and_do_not_make_it_stale() {
    let mut stage = Stage::new().await;
    // Worked out, and not handed over yet.
    let board = stage.world.next_board("0.11", None).await;
    for _ in 0..3 {
        let orders = stage.orders(PEOPLE).await;
        let answers = stage.submit(&orders).await;
        assert_eq!(answers.iter().filter(|answer| performed(answer)).count(), PEOPLE);
    }
    let before = stage.receipts().await;
    let mut published = vec![Command::Publish(Box::new(board))];
    published.extend(stage.orders(PEOPLE).await);
    let answers = stage.submit(&published).await;
    assert_eq!(answers[0].as_ref().unwrap().decided.outcome, Outcome::Done(1));
    assert_eq!(answers[1..].iter().filter(|answer| performed(answer)).count(), PEOPLE);
    assert_eq!((before, stage.receipts().await), (3 * PEOPLE, 4 * PEOPLE));
    // And at once after it.
    let orders = stage.orders(PEOPLE).await;
    let answers = stage.submit(&orders).await;
    assert_eq!(answers.iter().filter(|answer| performed(answer)).count(), PEOPLE);
}

#[tokio::test]
async fn a_board_among_many_orders_is_signed_before_they_are_written_ahead() {
    let mut stage = Stage::new().await;
    let mut commands = stage.orders(PEOPLE).await;
    let board = stage.world.next_board("0.11", None).await;
    commands.insert(3, Command::Publish(Box::new(board)));
    stage.members_asked_for();
    let answers = stage.submit(&commands).await;
    assert_eq!(answers.iter().filter(|answer| performed(answer)).count(), PEOPLE);
    assert_eq!(answers[3].as_ref().unwrap().decided.outcome, Outcome::Done(1));
    // In one batch: none of it was replayed one by one.
    assert_eq!(stage.members_asked_for().len(), 1);
}

fn performed(answer: &Result<Answer, Unavailable>) -> bool {
    matches!(answer, Ok(answer) if matches!(answer.decided.outcome, Outcome::Transaction(_)))
}

#[tokio::test(start_paused = true)]
async fn whatever_becomes_of_a_commit_each_order_is_performed_once_and_answered_as_the_first() {
    for faults in [
        &[][..],
        &[Fault::Unavailable],
        &[Fault::LostBefore],
        &[Fault::LostAfter],
        &[Fault::LostBefore, Fault::LostAfter],
        &[Fault::LostAfter, Fault::LostBefore, Fault::Unavailable],
    ] {
        let mut stage = Stage::new().await;
        let orders = stage.orders(4).await;
        stage.plan(faults);
        let answers = stage.submit(&orders).await;
        assert!(answers.iter().all(performed), "{faults:?}: {answers:?}");
        let fresh = answers.iter().flatten().all(|answer| !answer.decided.replayed);
        assert!(fresh, "{faults:?}: nobody had an answer before");
        assert_eq!(stage.receipts().await, 4, "{faults:?}");
        // Repeated by the caller: the first answer again, and no effect.
        let again = stage.submit(&orders).await;
        for (first, again) in answers.iter().flatten().zip(again.iter().flatten()) {
            assert!(again.decided.replayed, "{faults:?}");
            assert_eq!(again.decided.outcome, first.decided.outcome, "{faults:?}");
        }
        assert_eq!(stage.receipts().await, 4, "{faults:?}");
    }
}

/// Operators' commands have no key: their own rows are what tells that they were carried out.
#[tokio::test(start_paused = true)]
async fn an_import_whose_commit_was_lost_is_told_as_done_and_is_there_once() {
    for faults in [&[Fault::LostAfter][..], &[Fault::LostBefore], &[Fault::LostBefore; 2]] {
        let mut stage = Stage::new().await;
        let members = (100..105).map(|n| stage.world.new_member("aurora", n, 7)).collect();
        let members = Command::ImportMembers(Arc::new(members));
        let target = (100..105).map(|n| stage.world.new_member("cumulus", n, 7)).collect();
        let outcomes = stage.submit(&[Command::ImportMembers(Arc::new(target))]).await;
        assert!(outcomes.iter().all(Result::is_ok));
        stage.plan(faults);
        let answers = stage.submit(std::slice::from_ref(&members)).await;
        let outcome = |answers: &[Result<Answer, Unavailable>]| {
            answers[0].as_ref().unwrap().decided.outcome.clone()
        };
        assert_eq!(outcome(&answers), Outcome::Done(5), "{faults:?}");
        let links = (100..105).map(|n| stage.world.new_link((0, n), (2, n))).collect();
        let links = Command::ImportLinks(Arc::new(links));
        stage.plan(faults);
        let answers = stage.submit(std::slice::from_ref(&links)).await;
        assert_eq!(outcome(&answers), Outcome::Done(5), "{faults:?}");
        // Repeated for no reason, it says what it always says.
        for again in [members, links] {
            let answers = stage.submit(&[again]).await;
            assert!(matches!(outcome(&answers), Outcome::BadRows(rows) if rows.len() == 5));
        }
        let books = stage.world.store.member_books(crate::command::MemberNo(0), 1_000).await;
        let sevens = books.unwrap().iter().filter(|books| books.opening == 7).count();
        assert_eq!(sevens, 10, "{faults:?}: each member is there once");
    }
}

async fn ask(queue: &Queue, command: &Command) -> Result<Answer, Unavailable> {
    queue.push(command.clone()).unwrap().await.map_err(|_| Unavailable::Lost).flatten()
}

#[tokio::test(start_paused = true)]
async fn what_a_batch_leaves_is_used_until_somebody_else_writes_or_it_is_old() {
    let mut stage = Stage::new().await;
    let (here, there) = (stage.queue.clone(), stage.another_gateway());
    let balance = |books: Vec<MemberBooks>| books[0].balance;
    let books = stage.world.store.member_books(crate::command::MemberNo(0), 1).await.unwrap();
    let opening = balance(books);
    let mut sent = 0;
    for (queue, later, asked_for) in [
        (&here, 0, 2),
        (&here, 0, 0),
        (&here, 1, 0),
        (&there, 0, 2),
        (&here, 0, 2),
        (&here, 0, 0),
        (&here, 5, 2),
        (&here, -1, 2),
        (&here, 0, 0),
    ] {
        let moved = stage.clock.lock().unwrap().plus_seconds(later);
        *stage.clock.lock().unwrap() = moved;
        let order = stage.world.exchange(0, 1, 0, 1_000).await;
        assert!(performed(&ask(queue, &order).await));
        sent += 1_000;
        assert_eq!(stage.members_asked_for(), [asked_for], "after {sent}");
        let books = stage.world.store.member_books(crate::command::MemberNo(0), 1).await.unwrap();
        assert_eq!(balance(books), opening - sent, "every batch goes on from the last one");
    }
    assert_eq!(stage.receipts().await, 9);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_by_a_batch_that_failed_or_did_more_than_orders() {
    let mut stage = Stage::new().await;
    for (fault, loads) in [(Fault::Unavailable, 2), (Fault::LostBefore, 2), (Fault::LostAfter, 2)] {
        let orders = stage.orders(1).await;
        assert!(stage.submit(&orders).await.iter().all(performed));
        stage.members_asked_for();
        stage.plan(&[fault]);
        let orders = stage.orders(1).await;
        assert!(stage.submit(&orders).await.iter().all(performed));
        assert_eq!(stage.members_asked_for(), [0, loads], "{fault:?}: then all is loaded again");
    }
    let member = Command::ImportMembers(Arc::new(vec![stage.world.new_member("aurora", 900, 7)]));
    assert!(stage.submit(&[member]).await.iter().all(Result::is_ok));
    stage.members_asked_for();
    let orders = stage.orders(1).await;
    assert!(stage.submit(&orders).await.iter().all(performed));
    assert_eq!(stage.members_asked_for(), [2]);
}

/// The gateway's list number `number`: `revoked` of its keys are revoked.
fn gateway_list(number: u64, previous: Hash, keys: &[u8], revoked: &[u8]) -> GatewayKeys {
    let entry = |seed: &u8| {
        let key = SigningKey::from_seed(&[*seed; 32]);
        let revoked_at = revoked.contains(seed).then(|| Timestamp::from_millis(1));
        Jwk { revoked_at, ..Jwk::new(key.public_key(), None) }
    };
    let (alliance, keys) = ("demo".to_owned(), keys.iter().map(entry).collect());
    let statement = KeyStatement { alliance, keys, number, previous };
    GatewayKeys::of(&statement.publish(&SigningKey::from_seed(&[99; 32]))).unwrap()
}

#[tokio::test(start_paused = true)]
async fn with_a_revoked_key_nothing_is_written_but_the_list_that_says_which_key_may() {
    let mut stage = Stage::new().await;
    let import = |list: &GatewayKeys| Command::ImportGatewayKeys(Box::new(list.clone()));
    let first = gateway_list(1, Hash::ZERO, &[8], &[]);
    let second = gateway_list(2, *first.trusted.hash(), &[8, 7], &[8]);
    let third = gateway_list(3, *second.trusted.hash(), &[8, 7, 6], &[8]);
    let done = |answers: &[Result<Answer, Unavailable>]| {
        assert_eq!(answers[0].as_ref().unwrap().decided.outcome, Outcome::Done(1));
    };
    done(&stage.submit(&[import(&first)]).await);
    let orders = stage.orders(2).await;
    assert!(stage.submit(&orders).await.iter().all(performed));
    done(&stage.submit(&[import(&second)]).await);
    // What this key has signed is believed no more: somebody else signs it anew, and not this key.
    for command in [stage.orders(1).await.remove(0), Command::VouchForPartnerKeys] {
        let answers = stage.submit(&[command]).await;
        let told = answers[0].as_ref().unwrap_err().to_string();
        assert!(told.contains("revoked") && told.contains("key-rotation"), "{told}");
    }
    assert_eq!(stage.receipts().await, 2);
    done(&stage.submit(&[import(&third)]).await);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_never_answers_is_told_as_unknown_and_the_key_settles_it() {
    for (faults, there) in [([Fault::LostBefore; 4], 0), ([Fault::Unavailable; 4], 0)] {
        let mut stage = Stage::new().await;
        let orders = stage.orders(2).await;
        stage.plan(&faults);
        let answers = stage.submit(&orders).await;
        assert!(answers.iter().all(Result::is_err), "{answers:?}");
        assert_eq!(stage.receipts().await, there);
        let again = stage.submit(&orders).await;
        assert!(again.iter().all(performed), "{again:?}");
        assert_eq!(stage.receipts().await, 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_contradicts_is_replayed_one_by_one_and_the_others_live() {
    let mut stage = Stage::new().await;
    let orders = stage.orders(5).await;
    stage.plan(&[Fault::ContradictsMany]);
    let answers = stage.submit(&orders).await;
    assert!(answers.iter().all(performed), "{answers:?}");
    assert_eq!(stage.receipts().await, 5);
}

#[tokio::test(start_paused = true)]
async fn what_waits_when_the_queue_closes_is_still_answered_and_nothing_more_comes_in() {
    let mut stage = Stage::new().await;
    let orders = stage.orders(3).await;
    let waiting: Vec<_> = orders.iter().map(|o| stage.queue.push(o.clone()).unwrap()).collect();
    stage.queue.close();
    assert_eq!(stage.queue.push(orders[0].clone()).err(), Some(Unavailable::Closing));
    for receiver in waiting {
        assert!(performed(&receiver.await.unwrap()));
    }
    stage.running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_says_so_and_a_batch_is_shared_out_among_partners() {
    let mut stage = Stage::new().await;
    let queue = Queue::new(6);
    let mut one = Vec::new();
    for person in 0..4 {
        one.push(stage.world.exchange(0, 1, person, 1_000).await);
    }
    let other = stage.world.exchange(1, 0, 0, 1_000).await;
    let mut waiting = Vec::new();
    for command in one {
        waiting.push(queue.push(command).unwrap());
    }
    waiting.push(queue.push(other.clone()).unwrap());
    waiting.push(queue.push(other.clone()).unwrap());
    assert_eq!(queue.push(other).err(), Some(Unavailable::QueueFull));
    let taken = queue.take().await.unwrap();
    let partners: Vec<String> =
        taken.iter().map(|job| job.command.keyed().unwrap().partner.to_string()).collect();
    let (a, b) = ("aurora-air", "borealis-coffee");
    assert_eq!(partners, [a, b, a, b, a, a], "round-robin");
    assert_eq!(queue.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn of_one_batch_request_only_so_many_are_taken_at_once() {
    let mut stage = Stage::new().await;
    let registry = stage.world.registry().await;
    let request = stage.world.request("aurora-air");
    let queue = Queue::default();
    let mut waiting = Vec::new();
    for index in 0..600 {
        let keyed = stage.world.keyed_by(&request, index);
        let order = stage.world.order(&registry, 0, 1, 0, 1_000);
        waiting.push(queue.push(Command::Order(keyed, order)).unwrap());
    }
    let mut sizes = Vec::new();
    while queue.waiting() > 0 {
        sizes.push(queue.take().await.unwrap().len());
    }
    assert_eq!(sizes, [MAX_OF_ONE_REQUEST, MAX_OF_ONE_REQUEST, 600 - 2 * MAX_OF_ONE_REQUEST]);
}

/// What they change is read once a batch: a second one in it would be decided on what was before.
#[tokio::test(start_paused = true)]
async fn a_suspension_gets_a_batch_of_its_own_and_goes_first() {
    let mut stage = Stage::new().await;
    let partner: alliance_contracts::names::PartnerId = "aurora-air".parse().unwrap();
    let suspend = |suspended| Command::Suspend(partner.clone(), suspended);
    let order = stage.orders(1).await.remove(0);
    let queue = Queue::default();
    let commands = [order.clone(), suspend(true), order, suspend(false), suspend(true)];
    let waiting: Vec<_> = commands.into_iter().map(|c| queue.push(c).unwrap()).collect();
    let mut sizes = Vec::new();
    while queue.waiting() > 0 {
        sizes.push(queue.take().await.unwrap().len());
    }
    assert_eq!(sizes, [1, 1, 1, 2]);
    drop(waiting);
    let answers = stage.submit(&[suspend(true), suspend(false), suspend(true)]).await;
    for answer in answers {
        assert_eq!(answer.unwrap().decided.outcome, Outcome::Done(1), "each changes something");
    }
}
