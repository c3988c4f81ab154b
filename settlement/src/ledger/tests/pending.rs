//! Transactions that wait for connected brands: what each step leaves in the books, for every way
//! through the table of `crate::saga`.

use alliance_contracts::connector::{RefusalCode, Step};
use alliance_contracts::program::Balances;

use super::*;
use crate::command::Answered;
use crate::saga::{self, Answer, LEASE_SECONDS, Phase, Remark, SignedAnswer};

const REFUSED: Answer = Answer::Refused(RefusalCode::InsufficientPoints);

/// The world in which some brands keep their members' balances.
fn world(connected: &[&str]) -> World {
    let mut definition = definition();
    for program in &mut definition.programs {
        if connected.contains(&program.program.as_str()) {
            program.balances = Balances::Connected;
        }
    }
    for partner in &mut definition.partners {
        partner.connector = Some(format!("https://{}.example/connector", partner.partner));
    }
    World::of(definition)
}

fn done(step: Step) -> Answer {
    match step {
        Step::Reserve | Step::Credit => Answer::Done(Some("name-1".parse().unwrap())),
        Step::Capture | Step::Release | Step::Cancel => Answer::Done(None),
    }
}

impl World {
    fn saga(&self, id: TransactionId) -> &saga::Saga {
        &self.set.sagas[&id]
    }

    fn gross_held(&self, partner: &str) -> i128 {
        self.money(Account::Held(partner.parse().unwrap()))
    }

    /// Hands in an answer, signed by whom the transaction waits for.
    fn answer(&mut self, id: TransactionId, step: Step, answer: Answer, now: Timestamp) -> Outcome {
        let record = self.set.transaction(&id).unwrap();
        let (corridor, original) = (record.corridor.clone(), record.reverses);
        let said = !matches!(answer, Answer::Silent | Answer::Unknown);
        let signed = said.then(|| SignedAnswer {
            transaction: id,
            step,
            partner: "aurora-air".parse().unwrap(),
            kid: SigningKey::from_seed(&[3; 32]).kid().clone(),
            base: step.as_str().into(),
            base_hash: Hash::of(step.as_str().as_bytes()),
            signature: [1; 64],
            body: b"{}".to_vec(),
            received_at: now,
        });
        let told = Answered {
            transaction: id,
            step,
            answer,
            signed,
            corridor,
            members: vec![MemberNo(1), MemberNo(2)],
            lookup: None,
            original,
        };
        decide(&mut self.set, &Command::Answered(Box::new(told)), now).outcome
    }

    fn state(&self, id: TransactionId) -> TransactionState {
        self.set.transaction(&id).unwrap().state
    }

    /// Answers whatever is asked, with the calls whose number is in `refused` refused.
    fn play(&mut self, id: TransactionId, refused: u32) {
        for call in 0.. {
            let Some(step) = self.set.sagas.get(&id).and_then(|saga| saga.phase.step()) else {
                return;
            };
            let answer = if refused & (1 << call) == 0 { done(step) } else { REFUSED };
            // Silence and what was not seen come in between and change nothing.
            let before = (self.saga(id).phase, self.position("aurora-air"), self.balance(1));
            for nothing in [Answer::Silent, Answer::Unknown] {
                assert_eq!(self.answer(id, step, nothing, NOW), Outcome::Done(1));
            }
            let after = (self.saga(id).phase, self.position("aurora-air"), self.balance(1));
            assert_eq!(before, after);
            assert_eq!(self.answer(id, step, answer, NOW), Outcome::Done(1));
            assert!(call < 5, "does not end");
        }
    }
}

/// Every combination of hosted and connected, and every way through it: the end is whole.
#[test]
fn whatever_brands_answer_a_transaction_is_carried_out_whole_or_not_at_all() {
    let mut ends = std::collections::BTreeSet::new();
    for connected in [&["aurora"][..], &["borealis"], &["aurora", "borealis"]] {
        for refused in 0..16 {
            let mut world = world(connected);
            let id = accepted(&world.order("1000"));
            assert_eq!(world.state(id), TransactionState::Pending);
            assert_eq!(
                (world.position("aurora-air"), world.gross_held("aurora-air")),
                (0, 50_000_000)
            );
            let hosted = |program: &str| !connected.contains(&program);
            let held = if hosted("aurora") { 1_000 } else { 0 };
            assert_eq!((world.balance(1), world.balance(2)), (1_000 - held, 500));
            assert!(world.set.drafts.is_empty(), "nothing is said before it is done");
            world.play(id, refused);
            assert_eq!(world.gross_held("aurora-air"), 0);
            let state = world.state(id);
            ends.insert((
                connected,
                state.as_str(),
                world.set.sagas.get(&id).and_then(|s| s.remark),
            ));
            let flow = world.set.flow(&(ends_of("aurora"), ends_of("borealis"))).exchanged;
            if state == TransactionState::Completed {
                let given = if hosted("borealis") { 495 } else { 0 };
                assert_eq!((world.balance(1), world.balance(2)), (1_000 - held, 500 + given));
                assert_eq!(world.position("aurora-air"), -50_000_000);
                assert_eq!(world.position("borealis-coffee"), 49_500_000);
                assert_eq!(flow, 50_000_000);
                let draft = &world.set.drafts[0];
                let bases = draft.evidence.iter().skip(1).map(|evidence| evidence.base);
                let done = world.set.writes.answers.iter().map(|answer| answer.base_hash);
                let refusals =
                    usize::from(world.set.sagas.get(&id).is_some_and(|saga| saga.remark.is_some()));
                assert_eq!(bases.clone().count() + refusals, done.clone().count());
                assert!(bases.zip(done).all(|(of_receipt, kept)| of_receipt == kept));
            } else {
                assert_eq!(state, TransactionState::Failed);
                assert_eq!((world.balance(1), world.balance(2)), (1_000, 500));
                assert_eq!((world.position("aurora-air"), flow), (0, 0));
                assert!(world.set.drafts.is_empty());
                assert!(world.set.references.is_empty(), "its reference is free again");
                assert_eq!(world.set.quotes.len(), 1, "its quote is not");
                assert!(world.saga(id).refusal.is_some());
            }
        }
    }
    let completed = |remark| move |end: &(&[&str], _, _)| (end.1, end.2) == ("completed", remark);
    assert_eq!(ends.iter().filter(|end| completed(None)(end)).count(), 3);
    let refused = Some(Remark::CaptureRefused);
    assert_eq!(ends.iter().filter(|end| completed(refused)(end)).count(), 2);
    assert!(ends.iter().any(|end| end.2 == Some(Remark::ReleaseRefused)));
}

fn ends_of(program: &str) -> FlowEnd {
    FlowEnd::Program(program.parse().unwrap())
}

#[test]
fn what_is_under_way_counts_against_the_cap() {
    let mut world = world(&["borealis"]);
    let first = accepted(&world.order("1000"));
    let terms = world.terms(("aurora", "A-2"), ("borealis", "B-1"), "1001");
    let order = |world: &mut World, key| {
        world.exchange("aurora-air", key, key, Quoted::Open(Box::new(terms.clone()))).outcome
    };
    assert_eq!(order(&mut world, "k1"), refused(ProblemCode::ExceedsNetDebitCap));
    world.play(first, 1);
    assert_eq!(world.state(first), TransactionState::Failed);
    assert!(matches!(order(&mut world, "k2"), Outcome::Transaction(_)));
}

#[test]
fn points_that_are_held_cannot_be_spent_twice() {
    let mut world = world(&["borealis"]);
    let id = accepted(&world.order("600"));
    assert_eq!(world.order("600").outcome, refused(ProblemCode::InsufficientPoints));
    world.play(id, 1);
    assert!(matches!(world.order("600").outcome, Outcome::Transaction(_)));
}

/// Several gateways ask what is due: one of them gets it, until its lease ends.
#[test]
fn a_call_is_one_gateways_until_its_lease_ends() {
    let mut world = world(&["borealis"]);
    let id = accepted(&world.order("1000"));
    let mut take = |now| decide(&mut world.set, &Command::TakeCalls(vec![id]), now).outcome;
    assert_eq!(take(NOW), Outcome::Taken(vec![id]));
    assert_eq!(take(NOW), Outcome::Taken(vec![]));
    assert_eq!(take(NOW.plus_seconds(LEASE_SECONDS - 1)), Outcome::Taken(vec![]));
    assert_eq!(take(NOW.plus_seconds(LEASE_SECONDS)), Outcome::Taken(vec![id]));
    assert_eq!(world.saga(id).attempts, 2);
    // An answer frees the next call at once.
    world.answer(id, Step::Credit, done(Step::Credit), NOW);
    assert_eq!(
        decide(&mut world.set, &Command::TakeCalls(vec![id]), NOW).outcome,
        Outcome::Taken(vec![]),
        "it has completed"
    );
}

#[test]
fn what_stays_unknown_is_parked_for_a_person_and_still_asked() {
    let mut world = world(&["borealis"]);
    let id = accepted(&world.order("1000"));
    let deadline = world.saga(id).deadline_at;
    assert_eq!(deadline, NOW.plus_seconds(86_400));
    world.answer(id, Step::Credit, Answer::Silent, deadline.plus_seconds(-1));
    assert_eq!(world.saga(id).parked_at, None);
    world.answer(id, Step::Credit, Answer::Silent, deadline);
    let saga = world.saga(id).clone();
    assert_eq!(saga.parked_at, Some(deadline));
    assert_eq!(saga.due_at, deadline.plus_seconds(saga::PARKED_EVERY_SECONDS));
    assert_eq!(world.state(id), TransactionState::Pending, "never guessed");
    let again = Command::AskAgain(id);
    assert_eq!(decide(&mut world.set, &again, deadline).outcome, Outcome::Done(1));
    assert_eq!(world.saga(id).due_at, deadline);
    world.answer(id, Step::Credit, done(Step::Credit), deadline);
    assert_eq!(world.state(id), TransactionState::Completed);
}

/// A gateway that was given up hands in an answer after all.
#[test]
fn a_late_answer_changes_nothing_and_a_contradiction_is_told() {
    let mut world = world(&["aurora", "borealis"]);
    let id = accepted(&world.order("1000"));
    world.answer(id, Step::Reserve, done(Step::Reserve), NOW);
    assert_eq!(world.answer(id, Step::Reserve, done(Step::Reserve), NOW), Outcome::Done(0));
    assert_eq!(world.saga(id).phase, Phase::Crediting);
    assert_eq!(world.answer(id, Step::Reserve, REFUSED, NOW), Outcome::Done(1));
    assert_eq!(world.saga(id).remark, Some(Remark::Contradiction));
    assert_eq!(world.saga(id).phase, Phase::Crediting, "what was answered first holds");
    world.play(id, 0);
    assert_eq!(world.state(id), TransactionState::Completed);
    assert_eq!(world.position("aurora-air"), -50_000_000);
    assert_eq!(world.saga(id).remark, Some(Remark::Contradiction), "finance still sees it");
    assert_eq!(world.answer(id, Step::Capture, REFUSED, NOW), Outcome::Done(0));
    assert_eq!(world.set.drafts.len(), 1);
}

/// Reversal: reserve at the original target, credit at the original source, capture; one at a time.
#[test]
fn a_reversal_asks_the_other_way_round_and_counts_once_it_is_done() {
    let mut world = world(&["aurora", "borealis"]);
    let id = accepted(&world.order("1000"));
    world.play(id, 0);
    let reversal = |world: &mut World| match world.reverse("borealis-coffee", id, None) {
        Outcome::Transaction(id) => id,
        other => panic!("{other:?}"),
    };
    let first = reversal(&mut world);
    assert_eq!(world.saga(first).giver.as_str(), "borealis-coffee");
    assert_eq!(world.state(id), TransactionState::Completed);
    let other = world.reverse("borealis-coffee", id, Some((Side::Target, "1")));
    assert_eq!(other, refused(ProblemCode::IdempotencyInFlight));
    // Refused at the brand that would give back: nothing has happened.
    world.play(first, 1);
    assert_eq!(world.state(first), TransactionState::Failed);
    assert_eq!(
        (world.state(id), world.position("aurora-air")),
        (TransactionState::Completed, -50_000_000)
    );
    let second = reversal(&mut world);
    world.play(second, 0);
    assert_eq!(world.state(second), TransactionState::Completed);
    assert_eq!((world.state(id), world.position("aurora-air")), (TransactionState::Reversed, 0));
    assert_eq!(world.set.flow(&(ends_of("aurora"), ends_of("borealis"))).exchanged, 0);
    let more = world.reverse("borealis-coffee", id, Some((Side::Target, "1")));
    assert_eq!(more, refused(ProblemCode::ExceedsReversible));
}
