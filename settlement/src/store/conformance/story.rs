//! The same commands on several stores: outcomes and everything that reads show are the same.

use std::sync::Arc;

use alliance_contracts::agreement::{Agreement, AgreementState};
use alliance_contracts::ids::{AgreementId, LinkId, TransactionId};
use alliance_contracts::names::PartnerId;

use super::place::Place;
use super::world::{BRANDS, PEOPLE, World, corridor, name};
use crate::command::{Command, Define, Outcome, SignedCheckpoint};

/// Numbers that look random and are the same in every run (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bound = u64::try_from(bound).unwrap();
        usize::try_from((mixed ^ (mixed >> 31)) % bound).unwrap()
    }
}

/// What has been made so far.
#[derive(Default)]
struct Made {
    transactions: Vec<TransactionId>,
    links: Vec<LinkId>,
    agreements: Vec<AgreementId>,
    orders: Vec<Command>,
    strangers: usize,
}

async fn command(world: &mut World, dice: &mut Dice, made: &mut Made) -> Command {
    let (a, person) = (dice.below(3), dice.below(PEOPLE));
    let b = (a + 1 + dice.below(2)) % 3;
    match dice.below(14) {
        0..=4 => {
            let amount = i64::try_from(1_000 + dice.below(400_000)).unwrap();
            let order = world.exchange(a, b, person, amount).await;
            made.orders.push(order.clone());
            order
        }
        // One that was there before: answered again.
        5 if !made.orders.is_empty() => made.orders[dice.below(made.orders.len())].clone(),
        6 | 7 if !made.transactions.is_empty() => {
            let original = made.transactions[dice.below(made.transactions.len())];
            let part = ["1", "5", "20"][dice.below(3)];
            let amount = (dice.below(2) == 0).then_some(part);
            world.reversal(original, amount).await
        }
        8 => {
            let other = if dice.below(3) == 0 { 900 + dice.below(40) } else { person };
            let proposal = world.proposal((a, person), (b, other));
            Command::ProposeLink(world.keyed(BRANDS[a].0), proposal)
        }
        9 if !made.links.is_empty() => {
            let link = made.links[dice.below(made.links.len())];
            let keyed = world.keyed(BRANDS[dice.below(3)].0);
            if dice.below(3) == 0 {
                Command::RevokeLink(keyed, link)
            } else {
                Command::ConfirmLink(keyed, link, None)
            }
        }
        10 | 11 => agreement(world, dice, made).await,
        12 => {
            made.strangers += 1;
            let program = BRANDS[b].1;
            let member = world.new_member(program, 899 + made.strangers, 77);
            Command::ImportMembers(Arc::new(vec![member]))
        }
        _ => operators(world, dice).await,
    }
}

/// Of the first two brands: proposed by either, then countersigned or withdrawn, some of it in vain.
async fn agreement(world: &mut World, dice: &mut Dice, made: &Made) -> Command {
    let brand = dice.below(2);
    let partner: PartnerId = name(BRANDS[0].0);
    let all = world.store.agreements(&partner, None, None, None, 10_000).await.unwrap();
    let signed = all.iter().filter(|record| record.state == AgreementState::Active);
    let last: Option<&Agreement> =
        signed.map(|record| &record.agreement).max_by_key(|agreement| agreement.version);
    let known = made.agreements.last().and_then(|id| all.iter().find(|one| one.id == *id));
    match (dice.below(4), known) {
        (1 | 2, Some(record)) => world.countersign(brand, record.id, &record.agreement),
        (3, Some(record)) => {
            let keyed = world.keyed(BRANDS[dice.below(3)].0);
            Command::WithdrawAgreement(keyed, record.id)
        }
        _ => {
            let next = world.agreement(last);
            world.propose(brand, &next)
        }
    }
}

async fn operators(world: &mut World, dice: &mut Dice) -> Command {
    match dice.below(4) {
        0 => {
            let partner: PartnerId = name(BRANDS[2].0);
            Command::Suspend(partner, dice.below(3) == 0)
        }
        1 => {
            let mut definition = world.registry().await.definition.clone();
            definition.programs[0].value = name(["0.1", "0.11", "0.12"][dice.below(3)]);
            Command::Define(Box::new(Define { definition, window: world.id() }))
        }
        2 => {
            let head = world.store.head(&corridor()).await.unwrap().unwrap_or_default();
            Command::StoreCheckpoint(SignedCheckpoint {
                corridor: corridor(),
                size: head.seq,
                root: head.frontier.root(),
                note: format!("{}\n", head.seq),
                signed_at: world.now,
            })
        }
        _ => {
            let period = i64::try_from(dice.below(9)).unwrap();
            Command::StoreQuoteKey { period, wrapped: vec![1; 9], destroy_before: period - 2 }
        }
    }
}

/// One story in one store: every outcome, and what is there after every chapter.
async fn told(place: &Place, seed: u64) -> Vec<String> {
    let mut world = World::new(place.open().await).await;
    let (mut dice, mut made, mut lines) = (Dice(seed), Made::default(), Vec::new());
    for chapter in 0..40 {
        let mut commands = Vec::new();
        for _ in 0..=dice.below(6) {
            // What prices an order reads the store: one that cannot be priced now is left out.
            let suspended = !world.registry().await.suspended.is_empty();
            if suspended {
                commands.push(Command::Suspend(name(BRANDS[2].0), false));
                break;
            }
            commands.push(command(&mut world, &mut dice, &mut made).await);
        }
        let outcomes = world.decide(commands).await;
        for outcome in &outcomes {
            match outcome {
                Outcome::Transaction(id) if !made.transactions.contains(id) => {
                    made.transactions.push(*id);
                }
                Outcome::Agreement(id) if !made.agreements.contains(id) => {
                    made.agreements.push(*id);
                }
                Outcome::Link(id) if !made.links.contains(id) => made.links.push(*id),
                _ => {}
            }
        }
        lines.push(format!("{chapter}: {outcomes:?}"));
        if chapter % 8 == 7 {
            lines.push(world.picture().await);
        }
        world.now = world.now.plus_seconds(1);
    }
    assert!(made.transactions.len() > 10, "too short a story");
    assert!(!made.agreements.is_empty(), "a story without agreements");
    lines
}

/// All of them tell the same story.
pub async fn is_the_same(places: &[Place], seed: u64) {
    let first = told(&places[0], seed).await;
    for place in &places[1..] {
        let other = told(place, seed).await;
        for (one, other) in first.iter().zip(&other) {
            assert_eq!(one, other, "seed {seed}");
        }
    }
}
