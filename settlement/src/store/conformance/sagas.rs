//! What every store must do with transactions that wait for connected brands.

use std::sync::Arc;

use alliance_contracts::connector::{RefusalCode, Step};
use alliance_contracts::encoding::Hash;
use alliance_contracts::ids::TransactionId;
use alliance_contracts::key_list::{Jwk, KeyStatement};
use alliance_contracts::keys::SigningKey;
use alliance_contracts::quote::{AskedSide, QuoteRequest, Side, SideAmount, TransactionKind};
use alliance_contracts::transaction::TransactionState;

use super::place::Place;
use super::world::{BRANDS, World, name};
use crate::command::{Answered, Command, MemberNo, Outcome, Quoted};
use crate::inspection;
use crate::ledger::{Wanted, Writes};
use crate::saga::{Answer, LEASE_SECONDS, Phase, SignedAnswer};
use crate::store::{OpenSagas, StoreError};

const REFUSED: Answer = Answer::Refused(RefusalCode::MemberFrozen);

/// Takes its order in; it waits for the first call.
async fn accepted(world: &mut World, command: Command) -> TransactionId {
    let outcomes = world.decide(vec![command]).await;
    let [Outcome::Transaction(id)] = outcomes[..] else { panic!("{outcomes:?}") };
    id
}

async fn answered(world: &World, id: TransactionId, step: Step, answer: Answer) -> Command {
    let record = world.store.transaction(id).await.unwrap().unwrap().record;
    let base = format!("\"@status\": 200\n\"idempotency-key\";req: {id}.{}", step.as_str());
    let signed = SignedAnswer {
        transaction: id,
        step,
        partner: name(BRANDS[1].0),
        kid: world.key.kid().clone(),
        base_hash: Hash::of(base.as_bytes()),
        signature: world.key.sign(base.as_bytes()),
        base: base.into_bytes(),
        body: vec![0, 255, b'{'],
        received_at: world.now,
    };
    let said = !matches!(answer, Answer::Silent | Answer::Unknown);
    Command::Answered(Box::new(Answered {
        transaction: id,
        step,
        answer,
        signed: said.then_some(signed),
        corridor: record.corridor.clone(),
        members: record.members().into_iter().flatten().collect(),
        lookup: Some(world.sought(0, 0)),
        original: record.reverses,
    }))
}

async fn answer(world: &mut World, id: TransactionId, step: Step, answer: Answer) {
    let told = answered(world, id, step, answer).await;
    assert_eq!(world.decide(vec![told]).await, [Outcome::Done(1)]);
}

/// The books are what the receipts say, and what is held besides.
async fn assert_books(world: &World) {
    let root = SigningKey::from_seed(&[7; 32]);
    let statement = KeyStatement {
        alliance: world.store.alliance().to_string(),
        keys: vec![Jwk::new(world.key.public_key(), None)],
        number: 1,
        previous: Hash::ZERO,
    };
    let keys = statement.publish(&root).verify(root.public_key()).unwrap();
    let report = inspection::audit(&*world.store, &keys).await.unwrap();
    assert_eq!(report.findings, []);
}

fn credited() -> Answer {
    Answer::Done(Some(name("credit-1")))
}

pub async fn a_transaction_under_way_is_kept_from_step_to_step(place: &Place) {
    let mut world = World::connected(place.open().await, vec![1]).await;
    let order = world.exchange(0, 1, 0, 1_000).await;
    let id = accepted(&mut world, order).await;
    let partner = name(BRANDS[1].0);
    let detail = world.store.transaction(id).await.unwrap().unwrap();
    assert_eq!((detail.record.state, detail.record.seq), (TransactionState::Pending, None));
    assert_eq!(detail.record.completed_at, None);
    assert!(detail.receipt.is_none() && detail.record.settlement.is_some());
    let saga = detail.saga.unwrap();
    assert_eq!((saga.phase, saga.held, saga.attempts), (Phase::Crediting, 1_000, 0));
    assert_eq!(world.store.sagas(None, 10).await.unwrap(), std::slice::from_ref(&saga));
    assert_eq!(world.store.sagas(Some(id), 10).await.unwrap(), []);
    let open = |due_at, parked| OpenSagas { partner: name(BRANDS[1].0), due_at, open: 1, parked };
    assert_eq!(world.store.open_sagas().await.unwrap(), [open(world.now, 0)]);
    assert_eq!(world.store.due_sagas(&partner, world.now, 10).await.unwrap(), [id]);
    assert_books(&world).await;
    // Taken up: nobody else is given it until the lease ends.
    let taken = world.decide(vec![Command::TakeCalls(vec![id])]).await;
    assert_eq!(taken, [Outcome::Taken(vec![id])]);
    let until = world.now.plus_seconds(LEASE_SECONDS);
    assert_eq!(world.store.open_sagas().await.unwrap(), [open(until, 0)]);
    let before = until.plus_seconds(-1);
    assert_eq!(world.store.due_sagas(&partner, before, 10).await.unwrap(), []);
    assert_eq!(world.store.due_sagas(&partner, until, 10).await.unwrap(), [id]);
    // Silent beyond the deadline: parked.
    world.now = saga.deadline_at;
    answer(&mut world, id, Step::Credit, Answer::Silent).await;
    let parked = world.store.transaction(id).await.unwrap().unwrap().saga.unwrap();
    assert_eq!(parked.parked_at, Some(world.now));
    assert_eq!(world.store.open_sagas().await.unwrap(), [open(parked.due_at, 1)]);
    assert_books(&world).await;
    // Answered: done, with its receipt and the brand's own words.
    answer(&mut world, id, Step::Credit, credited()).await;
    let detail = world.store.transaction(id).await.unwrap().unwrap();
    assert_eq!((detail.record.state, detail.record.seq), (TransactionState::Completed, Some(1)));
    assert_eq!(detail.record.completed_at, Some(world.now));
    assert!(detail.saga.is_none() && detail.receipt.is_some());
    let answers = world.store.answers(id).await.unwrap();
    let [kept] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!((kept.step, &kept.body[..]), (Step::Credit, &[0, 255, b'{'][..]));
    assert_eq!(kept.base_hash, Hash::of(&kept.base));
    assert_eq!(world.store.open_sagas().await.unwrap(), []);
    assert_eq!(world.store.sagas(None, 10).await.unwrap(), []);
    assert_books(&world).await;
}

pub async fn one_that_failed_is_kept_and_leaves_its_reference_free(place: &Place) {
    let mut world = World::connected(place.open().await, vec![1]).await;
    let order = world.exchange(0, 1, 0, 1_000).await;
    let id = accepted(&mut world, order.clone()).await;
    answer(&mut world, id, Step::Credit, REFUSED).await;
    let detail = world.store.transaction(id).await.unwrap().unwrap();
    assert_eq!(detail.record.state, TransactionState::Failed);
    let saga = detail.saga.unwrap();
    assert_eq!((saga.phase, saga.held), (Phase::Failed, 0));
    assert_eq!(saga.refusal, Some((Step::Credit, RefusalCode::MemberFrozen)));
    assert_eq!(world.store.sagas(None, 10).await.unwrap(), [saga]);
    assert_eq!(world.store.open_sagas().await.unwrap(), []);
    assert_books(&world).await;
    let registry = world.registry().await;
    let mut wanted = Wanted::default();
    wanted.add(&registry, &order);
    let mut batch = world.store.begin().await.unwrap();
    let loaded = batch.load(&wanted).await.unwrap();
    assert_eq!((loaded.references.len(), loaded.quotes.len()), (0, 1));
}

pub async fn a_transaction_has_one_reversal_under_way(place: &Place) {
    let mut world = World::connected(place.open().await, vec![1]).await;
    let order = world.exchange(0, 1, 0, 1_000).await;
    let original = accepted(&mut world, order).await;
    answer(&mut world, original, Step::Credit, credited()).await;
    let first = world.reversal(original, Some("1")).await;
    let second = world.reversal(original, Some("1")).await;
    let mut prepared = world.prepare(vec![first]).await;
    let [Outcome::Transaction(first)] = prepared.outcomes[..] else { panic!() };
    // Two at once are refused by the database itself.
    let (mut twice, mut row) = (prepared.writes.sagas[&first].clone().unwrap(), None);
    twice.transaction = world.id();
    for record in &prepared.writes.transactions {
        row = Some(crate::ledger::TransactionRecord {
            id: twice.transaction,
            source_reference: name("another"),
            ..record.clone()
        });
    }
    let good = prepared.writes.clone();
    prepared.writes.transactions.extend(row);
    prepared.writes.sagas.insert(twice.transaction, Some(twice));
    let refused = prepared.commit().await;
    assert!(matches!(refused, Err(StoreError::Contradiction(_))), "{refused:?}");
    world.store.begin().await.unwrap().commit(&good).await.unwrap();
    let in_flight = alliance_contracts::problem::ProblemCode::IdempotencyInFlight;
    assert_eq!(world.decide(vec![second]).await, [Outcome::Refused(in_flight)]);
    answer(&mut world, first, Step::Reserve, Answer::Done(Some(name("r-1")))).await;
    answer(&mut world, first, Step::Capture, Answer::Done(None)).await;
    let record = world.store.transaction(original).await.unwrap().unwrap().record;
    assert_eq!(record.state, TransactionState::PartiallyReversed);
    assert_eq!(record.reversed.target, 10);
    assert_books(&world).await;
    let third = world.reversal(original, None).await;
    let third = accepted(&mut world, third).await;
    let detail = world.store.transaction(third).await.unwrap().unwrap();
    assert_eq!(detail.saga.unwrap().reverses, Some(original));
}

pub async fn a_brands_answer_to_a_call_is_kept_once(place: &Place) {
    let mut world = World::connected(place.open().await, vec![0, 1]).await;
    let order = world.exchange(0, 1, 0, 1_000).await;
    let id = accepted(&mut world, order).await;
    let told = answered(&world, id, Step::Reserve, Answer::Done(Some(name("r-1")))).await;
    let prepared = world.prepare(vec![told]).await;
    let first = prepared.writes.answers.clone();
    prepared.commit().await.unwrap();
    let changed = SignedAnswer { body: b"another".to_vec(), ..first[0].clone() };
    let again = Writes { answers: vec![changed], ..Writes::default() };
    world.store.begin().await.unwrap().commit(&again).await.unwrap();
    assert_eq!(world.store.answers(id).await.unwrap(), first);
    let saga = world.store.transaction(id).await.unwrap().unwrap().saga.unwrap();
    assert_eq!((saga.phase, saga.reservation), (Phase::Crediting, Some(name("r-1"))));
}

pub async fn a_member_of_a_connected_program_is_entered_when_it_is_named(place: &Place) {
    let mut world = World::connected(place.open().await, vec![1]).await;
    let stranger = 77;
    let registry = world.registry().await;
    let amount = Some(SideAmount { side: Side::Target, value: name("5") });
    let request = QuoteRequest {
        expiry: None,
        amount,
        kind: TransactionKind::Accrual,
        segment: None,
        source: AskedSide::Partner { partner: name(BRANDS[0].0) },
        target: world.account(1, stranger),
        tier: None,
    };
    let books = async |world: &World| {
        world.store.member_books(MemberNo(i64::MIN), 1_000).await.unwrap().len()
    };
    let before = books(&world).await;
    let newcomer = world.new_member(BRANDS[1].1, stranger, 0);
    let order = |world: &mut World, known: bool| {
        let mut order = world.order_of(&registry, 0, &request);
        let Quoted::Open(terms) = &mut order.quote else { panic!() };
        terms.target.account_mut().unwrap().newcomer = known.then(|| Box::new(newcomer.clone()));
        Command::Order(world.keyed(BRANDS[0].0), order)
    };
    // Refused for another reason: nobody has been entered.
    let mut late = order(&mut world, true);
    if let Command::Order(_, order) = &mut late {
        order.quote = match order.quote.clone() {
            Quoted::Open(mut terms) => {
                terms.kind = TransactionKind::Exchange;
                Quoted::Open(terms)
            }
            other => other,
        };
    }
    let refused = world.decide(vec![late]).await;
    assert!(matches!(refused[..], [Outcome::Refused(_)]), "{refused:?}");
    assert_eq!(books(&world).await, before);
    // Two orders of one batch: one member.
    let (first, second) = (order(&mut world, true), order(&mut world, true));
    let outcomes = world.decide(vec![first, second]).await;
    let [Outcome::Transaction(first), Outcome::Transaction(second)] = outcomes[..] else {
        panic!("{outcomes:?}")
    };
    assert_eq!(books(&world).await, before + 1);
    let member = world.store.member(world.lookup(1, stranger)).await.unwrap().unwrap();
    let detail = world.store.transaction(second).await.unwrap().unwrap();
    assert_eq!(detail.record.members(), [None, Some(member.member)]);
    assert_eq!(member.open(&world.vault).reference, Some(world.person(stranger)));
    answer(&mut world, first, Step::Credit, credited()).await;
    answer(&mut world, second, Step::Credit, REFUSED).await;
    assert_books(&world).await;
    let next = world.new_member(BRANDS[0].1, stranger, 5);
    let imported = world.decide(vec![Command::ImportMembers(Arc::new(vec![next]))]).await;
    assert_eq!(imported, [Outcome::Done(1)], "numbers go on");
}
