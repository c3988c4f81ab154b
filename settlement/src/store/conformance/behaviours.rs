//! What every store must do. Each function is one behaviour, its name the sentence.

use std::sync::Arc;
use std::time::Duration;

use alliance_contracts::agreement::AgreementState;
use alliance_contracts::arithmetic::Reversed;
use alliance_contracts::board::FrozenPair;
use alliance_contracts::campaign::{CampaignState, day_of};
use alliance_contracts::encoding::Hash;
use alliance_contracts::ids::{AgreementId, CampaignId, LinkId, TransactionId};
use alliance_contracts::link::LinkState;
use alliance_contracts::merkle;
use alliance_contracts::names::{Corridor, PartnerId, ProgramId};
use alliance_contracts::problem::ProblemCode;
use alliance_contracts::quote::{
    AskedSide, PricedItem, QuoteRequest, Side, SideAmount, TransactionKind,
};
use alliance_contracts::receipt::{Account, Asset};
use alliance_contracts::time::Timestamp;
use alliance_contracts::transaction::TransactionState;
use tokio::time::timeout;

pub use super::events::*;
pub use super::keys::*;
pub use super::masters::*;
pub use super::members::*;
use super::place::Place;
pub use super::sagas::*;
pub use super::settlement::*;
pub use super::webhooks::*;
use super::world::{BRANDS, OPENING, PEOPLE, Prepared, World, corridor, name};
use crate::alliance::{AgreementRecord, CampaignRecord};
use crate::command::{
    ApproveCampaign, Command, Define, MemberNo, Outcome, ProposeCampaign, ProposeRates, Publish,
    RequestEvidence, SignedCheckpoint, StopCampaign,
};
use crate::ledger::lots::Lot;
use crate::ledger::working_set::{MemberDay, MemberRow, ObservationRow};
use crate::ledger::{AccountBalance, Flow, FlowEnd, LinkRecord, Wanted, Writes};
use crate::rates::feeds::{FeedKind, Observation};
use crate::rates::proposal::{ProposalState, RateProposal};
use crate::rates::publication;
use crate::receipts::{StoredReceipt, TreeNode};

const SOON: Duration = Duration::from_millis(150);
const LONG: Duration = Duration::from_secs(9);

pub async fn only_one_batch_at_a_time(place: &Place) {
    let store = place.open().await;
    let first = store.begin().await.unwrap();
    let second = {
        let store = store.clone();
        tokio::spawn(async move { store.begin().await.map(|batch| batch.number()) })
    };
    tokio::time::sleep(SOON).await;
    assert!(!second.is_finished(), "a second batch while the first is held");
    // Reading never waits.
    timeout(LONG, store.heads()).await.unwrap().unwrap();
    drop(first);
    timeout(LONG, second).await.unwrap().unwrap().unwrap();
}

pub async fn a_batch_that_waits_may_be_given_up(place: &Place) {
    let store = place.open().await;
    let first = store.begin().await.unwrap();
    for _ in 0..3 {
        assert!(timeout(Duration::from_millis(30), store.begin()).await.is_err());
    }
    drop(first);
    drop(timeout(LONG, store.begin()).await.unwrap().unwrap());
}

pub async fn batch_numbers_grow(place: &Place) {
    let store = place.open().await;
    let mut last = 0;
    for round in 0..6 {
        let batch = timeout(LONG, store.begin()).await.unwrap().unwrap();
        // What is dropped may give its number to the next; what is committed never.
        assert!(batch.number() > last, "{round}");
        if round % 2 == 0 {
            last = batch.number();
            batch.commit(&Writes::default()).await.unwrap();
        }
    }
}

pub async fn a_batch_that_is_dropped_leaves_no_trace(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let before = world.picture().await;
    let order = world.exchange(0, 1, 0, 500).await;
    let prepared = world.prepare(vec![order.clone()]).await;
    assert!(matches!(prepared.outcomes[..], [Outcome::Transaction(_)]));
    drop(prepared);
    assert_eq!(world.picture().await, before);
    // The same again is done as if for the first time.
    assert!(matches!(world.decide(vec![order]).await[..], [Outcome::Transaction(_)]));
    assert_ne!(world.picture().await, before);
}

pub async fn a_commit_of_nothing_is_harmless(place: &Place) {
    let world = World::new(place.open().await).await;
    let before = world.picture().await;
    let batch = world.store.begin().await.unwrap();
    batch.commit(&Writes::default()).await.unwrap();
    assert_eq!(world.picture().await, before);
}

pub async fn a_commit_is_seen_by_reads_and_by_the_next_batch(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let orders = vec![
        world.exchange(0, 1, 0, 1_000).await,
        world.exchange(1, 0, 1, 2_000).await,
        world.exchange(2, 1, 2, 3_000).await,
        world.exchange(0, 1, 3, OPENING + 1).await,
    ];
    let prepared = world.prepare(orders.clone()).await;
    let writes = prepared.writes.clone();
    let outcomes = prepared.outcomes.clone();
    assert_eq!(outcomes[3], Outcome::Refused(ProblemCode::InsufficientPoints));
    prepared.commit().await.unwrap();

    // Reads.
    let store = world.store.clone();
    for record in &writes.transactions {
        let detail = store.transaction(record.id).await.unwrap().unwrap();
        assert_eq!(detail.record, *record);
        let receipt = writes.receipts.iter().find(|r| r.transaction == record.id);
        assert_eq!(detail.receipt.as_ref(), receipt);
        let evidence = store.request(record.request).await.unwrap().unwrap();
        assert_eq!(evidence, writes.requests[&record.request]);
    }
    for key in &writes.keys {
        assert_eq!(store.key(&key.partner, &key.key).await.unwrap().as_ref(), Some(key));
    }
    for (corridor, (_, head)) in &writes.heads {
        let kept = store.head(corridor).await.unwrap().unwrap();
        assert_eq!(format!("{kept:?}"), format!("{head:?}"));
    }
    let accounts = store.accounts().await.unwrap();
    for ((account, asset), balance) in &writes.accounts {
        let kept = accounts.iter().find(|a| a.account == *account && a.asset == *asset);
        assert_eq!(kept.unwrap().balance, *balance, "{account}");
    }

    // The next batch.
    let registry = world.registry().await;
    let mut wanted = Wanted::default();
    orders.iter().for_each(|order| wanted.add(&registry, order));
    wanted.transactions.extend(writes.transactions.iter().map(|record| record.id));
    let mut batch = store.begin().await.unwrap();
    let mut loaded = batch.load(&wanted).await.unwrap();
    let again = batch.load(&wanted).await.unwrap();
    assert_eq!(loaded.keys.len(), again.keys.len());
    loaded.keys.sort_by_key(|key| key.request);
    assert_eq!(loaded.keys, writes.keys);
    loaded.transactions.sort_by_key(|record| record.id);
    assert_eq!(loaded.transactions, writes.transactions);
    assert_eq!(loaded.quotes.len(), 3);
    assert_eq!(loaded.references.len(), 3);
    assert_eq!(loaded.heads.len(), writes.heads.len());
    assert_eq!(loaded.next_member, i64::try_from(PEOPLE * 3).unwrap() + 1);
    for member in &loaded.members {
        let written = writes.balances.get(&member.member);
        assert_eq!(member.balance, written.copied().unwrap_or(OPENING));
        let open = member.clone().open(&world.vault);
        assert!(open.reference.is_some() && !open.frozen);
    }
    assert_eq!(loaded.members.len(), 8);
    for balance in &loaded.accounts {
        let place = (balance.account.clone(), balance.asset.clone());
        assert_eq!(
            writes.accounts.get(&place).copied().unwrap_or(balance.balance),
            balance.balance
        );
    }
}

pub async fn orders_of_every_kind_come_back_and_are_turned_round(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let registry = world.registry().await;
    let item = PricedItem {
        cash: name("2.5"),
        item: name("latte"),
        partner: name(BRANDS[1].0),
        price: name("12.5"),
    };
    let redemption = QuoteRequest {
        expiry: None,
        amount: None,
        kind: TransactionKind::Redemption,
        segment: None,
        source: world.account(0, 0),
        target: AskedSide::Item(item),
        tier: None,
    };
    let accrual = QuoteRequest {
        amount: Some(SideAmount { side: Side::Target, value: name("30") }),
        kind: TransactionKind::Accrual,
        source: AskedSide::Partner { partner: name(BRANDS[0].0) },
        target: world.account(1, 0),
        ..redemption.clone()
    };
    let mut commands = Vec::new();
    for request in [&redemption, &accrual] {
        let keyed = world.keyed(BRANDS[0].0);
        commands.push(Command::Order(keyed, world.order_of(&registry, 0, request)));
    }
    let prepared = world.prepare(commands).await;
    let writes = prepared.writes.clone();
    prepared.commit().await.unwrap();
    let made: Vec<_> = writes.transactions.iter().map(|record| record.kind).collect();
    assert_eq!(made, [TransactionKind::Redemption, TransactionKind::Accrual]);
    for record in &writes.transactions {
        let detail = world.store.transaction(record.id).await.unwrap().unwrap();
        assert_eq!(detail.record, *record);
        let members = [detail.source_member.is_some(), detail.target_member.is_some()];
        assert_eq!(members, record.members().map(|member| member.is_some()));
    }
    let flows = world.store.flows().await.unwrap();
    let mut ways: Vec<_> =
        flows.iter().map(|row| format!("{} {}", row.source, row.target)).collect();
    ways.sort();
    assert_eq!(ways, ["@aurora-air borealis", "aurora @borealis-coffee"]);
    // In part, then the rest: everything is as it was.
    for record in &writes.transactions {
        for part in [Some("4"), None] {
            let reversal = world.reversal(record.id, part).await;
            let outcome = world.decide(vec![reversal]).await;
            assert!(matches!(outcome[..], [Outcome::Transaction(_)]), "{outcome:?}");
        }
        let detail = world.store.transaction(record.id).await.unwrap().unwrap();
        assert_eq!(detail.record.state, TransactionState::Reversed);
    }
    let flows = world.store.flows().await.unwrap();
    assert!(flows.iter().all(|row| row.flow.exchanged == 0), "{flows:?}");
    let mut accounts = world.store.accounts().await.unwrap();
    accounts.retain(|account| matches!(account.asset, Asset::Currency(_)));
    assert!(accounts.iter().all(|account| account.balance == 0), "{accounts:?}");
}

pub async fn everything_is_there_after_opening_again(place: &Place) {
    let mut world = World::new(place.open().await).await;
    world.perform(0, 1, 0).await;
    let before = world.picture().await;
    let again = World::on(place.open().await);
    assert_eq!(again.picture().await, before);
    world.store.ping().await.unwrap();
    again.store.ping().await.unwrap();
}

pub async fn two_stores_of_one_alliance_take_turns(place: &Place) {
    World::new(place.open().await).await;
    let mut tasks = Vec::new();
    for gateway in 0..2_u64 {
        let mut world = World::on(place.open().await);
        world.skip_ids(1_000_000 * (gateway + 1));
        tasks.push(tokio::spawn(async move {
            for order in 0..15 {
                world.perform(0, 1, order % PEOPLE).await;
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let store = place.open().await;
    let receipts = store.receipts(&corridor(), 0, 100).await.unwrap();
    let places: Vec<u64> = receipts.iter().map(|receipt| receipt.seq).collect();
    assert_eq!(places, (1..=30).collect::<Vec<_>>());
    let head = store.head(&corridor()).await.unwrap().unwrap();
    let leaves: Vec<Hash> = receipts.iter().map(|r| merkle::leaf_hash(&r.payload)).collect();
    assert_eq!(head.frontier.root(), merkle::root_of(&leaves));
}

/// Two batches' worth of writes, decided on one state: the second cannot know of the first.
async fn twice(world: &mut World) -> (Prepared, Writes) {
    let order = world.exchange(0, 1, 0, 1_000).await;
    let other = world.exchange(1, 2, 1, 1_000).await;
    let first = world.prepare(vec![order.clone(), other]).await.writes;
    let second = world.prepare(vec![order]).await;
    (second, first)
}

pub async fn a_quote_is_used_once(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let first = world.perform(0, 1, 0).await;
    let quote = world.store.transaction(first).await.unwrap().unwrap().record.quote;
    let order = world.exchange(0, 1, 1, 1_000).await;
    let other = world.exchange(0, 2, 1, 1_000).await;
    let mut prepared = world.prepare(vec![other, order]).await;
    prepared.writes.transactions[1].quote = quote;
    world.contradicts(prepared).await;
    // Twice in one batch.
    let order = world.exchange(0, 1, 1, 1_000).await;
    let other = world.exchange(0, 2, 1, 1_000).await;
    let mut prepared = world.prepare(vec![other, order]).await;
    prepared.writes.transactions[1].quote = prepared.writes.transactions[0].quote;
    world.contradicts(prepared).await;
}

pub async fn a_source_reference_is_used_once_unless_it_failed(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let order = world.exchange(0, 1, 0, 1_000).await;
    let mut prepared = world.prepare(vec![order]).await;
    // One that failed: it has neither receipt nor head.
    prepared.writes.receipts.clear();
    prepared.writes.heads.clear();
    prepared.writes.transactions[0].state = TransactionState::Failed;
    prepared.writes.transactions[0].seq = None;
    let failed = prepared.writes.transactions[0].clone();
    prepared.commit().await.unwrap();
    let mut wanted = Wanted::default();
    wanted.references.insert((failed.caller.clone(), failed.source_reference.clone()));
    let mut batch = world.store.begin().await.unwrap();
    assert!(batch.load(&wanted).await.unwrap().references.is_empty());
    drop(batch);
    // Its reference is free again, once.
    let order = world.exchange(0, 1, 0, 1_000).await;
    let mut prepared = world.prepare(vec![order]).await;
    prepared.writes.transactions[0].source_reference = failed.source_reference.clone();
    prepared.commit().await.unwrap();
    let mut batch = world.store.begin().await.unwrap();
    let used = batch.load(&wanted).await.unwrap().references;
    assert_eq!(used, [(failed.caller, failed.source_reference.clone())]);
    drop(batch);
    let order = world.exchange(0, 1, 0, 1_000).await;
    let mut prepared = world.prepare(vec![order]).await;
    prepared.writes.transactions[0].source_reference = failed.source_reference.clone();
    world.contradicts(prepared).await;
    // Another partner's is another one.
    let order = world.exchange(1, 0, 0, 1_000).await;
    let mut prepared = world.prepare(vec![order]).await;
    prepared.writes.transactions[0].source_reference = failed.source_reference;
    prepared.commit().await.unwrap();
}

pub async fn an_idempotency_key_is_used_once(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let order = world.exchange(0, 1, 0, 1_000).await;
    let prepared = world.prepare(vec![order]).await;
    let key = prepared.writes.keys[0].clone();
    prepared.commit().await.unwrap();
    let order = world.exchange(0, 1, 1, 1_000).await;
    let mut prepared = world.prepare(vec![order]).await;
    prepared.writes.keys[0].key = key.key.clone();
    world.contradicts(prepared).await;
    // Another partner's is another one.
    let order = world.exchange(1, 0, 1, 1_000).await;
    let mut prepared = world.prepare(vec![order]).await;
    prepared.writes.keys[0].key = key.key;
    prepared.commit().await.unwrap();
}

pub async fn a_key_says_what_it_was_used_for(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let proposal = world.proposal((0, 0), (1, 99));
    let commands = vec![
        world.exchange(0, 1, 0, 1_000).await,
        Command::ProposeLink(world.keyed("aurora-air"), proposal),
        world.exchange(0, 1, 1, OPENING + 1).await,
    ];
    let outcomes = world.decide(commands.clone()).await;
    assert!(matches!(outcomes[0], Outcome::Transaction(_)));
    assert!(matches!(outcomes[1], Outcome::Link(_)));
    assert_eq!(outcomes[2], Outcome::Refused(ProblemCode::InsufficientPoints));
    for (command, outcome) in commands.iter().zip(&outcomes) {
        let keyed = command.keyed().unwrap();
        let record = world.store.key(&keyed.partner, &keyed.key).await.unwrap().unwrap();
        assert_eq!((&record.outcome, record.digest), (outcome, keyed.digest.kept));
        assert_eq!(record.request, keyed.request.id);
    }
    // Again: the same answers, and nothing written.
    let prepared = world.prepare(commands).await;
    assert_eq!(prepared.outcomes, outcomes);
    assert!(prepared.writes.is_empty());
}

pub async fn a_transaction_id_is_used_once(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let first = world.perform(0, 1, 0).await;
    let order = world.exchange(0, 1, 1, 1_000).await;
    let mut prepared = world.prepare(vec![order]).await;
    prepared.writes.transactions[0].id = first;
    world.contradicts(prepared).await;
}

pub async fn a_member_is_found_in_one_place(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let member = world.new_member("aurora", 500, 1);
    let import = Command::ImportMembers(Arc::new(vec![member.clone()]));
    world.decide(vec![import.clone()]).await;
    let again = world.decide(vec![import.clone()]).await;
    assert!(matches!(&again[..], [Outcome::BadRows(_)]), "{again:?}");
    // Behind the ledger's back.
    let mut prepared = world.prepare(vec![]).await;
    let number = MemberNo(prepared.batch.load(&Wanted::default()).await.unwrap().next_member);
    prepared.writes.members.push(MemberRow { member: number, new: member });
    world.contradicts(prepared).await;
}

pub async fn members_are_numbered_without_gaps(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let member = world.new_member("aurora", 500, 1);
    for wrong in [-1, 1] {
        let import = Command::ImportMembers(Arc::new(vec![member.clone()]));
        let mut prepared = world.prepare(vec![import]).await;
        prepared.writes.members[0].member.0 += wrong;
        world.contradicts(prepared).await;
    }
    world.decide(vec![Command::ImportMembers(Arc::new(vec![member]))]).await;
    let mut batch = world.store.begin().await.unwrap();
    let next = batch.load(&Wanted::default()).await.unwrap().next_member;
    assert_eq!(next, i64::try_from(PEOPLE * 3).unwrap() + 2);
}

async fn link_between(world: &World, a: usize, b: usize, person: usize) -> LinkRecord {
    let mut wanted = Wanted::default();
    wanted.lookups.extend([world.lookup(a, person), world.lookup(b, person)]);
    let mut batch = world.store.begin().await.unwrap();
    let links = batch.load(&wanted).await.unwrap().links;
    assert_eq!(links.len(), 1);
    links[0].clone()
}

pub async fn two_members_have_one_active_link(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let link = link_between(&world, 0, 1, 0).await;
    let mut prepared = world.prepare(vec![]).await;
    let id: LinkId = world.id();
    prepared.writes.links.insert(id, LinkRecord { id, ..link.clone() });
    world.contradicts(prepared).await;
    // Not active, there may be any number.
    for state in [LinkState::Proposed, LinkState::Revoked] {
        let mut prepared = world.prepare(vec![]).await;
        let id: LinkId = world.id();
        prepared.writes.links.insert(id, LinkRecord { id, state, ..link.clone() });
        prepared.commit().await.unwrap();
    }
}

pub async fn a_newer_link_takes_the_place_of_an_older_one(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let old = link_between(&world, 0, 1, 0).await;
    // Older ids and newer ones: the order within the batch is not the order of ids.
    let newer: LinkId = world.id();
    for id in [LinkId::from_u128(old.id.as_u128() - (1 << 90)), newer] {
        let now = link_between(&world, 0, 1, 0).await;
        let mut prepared = world.prepare(vec![]).await;
        let revoked = LinkRecord { state: LinkState::Revoked, ..now.clone() };
        prepared.writes.links.insert(now.id, revoked);
        prepared.writes.links.insert(id, LinkRecord { id, ..now.clone() });
        prepared.commit().await.unwrap();
        assert_eq!(link_between(&world, 0, 1, 0).await.id, id);
        let kept = world.store.link(now.id).await.unwrap().unwrap().record;
        assert_eq!(kept.state, LinkState::Revoked);
    }
}

pub async fn a_stale_head_is_refused(place: &Place) {
    let mut world = World::new(place.open().await).await;
    world.perform(0, 1, 0).await;
    let order = world.exchange(0, 1, 1, 1_000).await;
    let stale = world.prepare(vec![order]).await.writes;
    world.perform(0, 1, 2).await;
    let batch = world.store.begin().await.unwrap();
    let outcomes = Vec::new();
    world.contradicts(Prepared { batch, writes: stale.clone(), outcomes: outcomes.clone() }).await;
    // The head alone, without the receipt that would be there twice.
    let writes = Writes { heads: stale.heads, ..Writes::default() };
    let batch = world.store.begin().await.unwrap();
    world.contradicts(Prepared { batch, writes, outcomes }).await;
}

pub async fn a_chain_that_is_there_is_not_begun_again(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let (second, first) = twice(&mut world).await;
    second.commit().await.unwrap();
    for receipts in [first.receipts.clone(), Vec::new()] {
        let batch = world.store.begin().await.unwrap();
        let heads = first.heads.clone();
        let writes = Writes { heads, receipts, ..Writes::default() };
        world.contradicts(Prepared { batch, writes, outcomes: Vec::new() }).await;
    }
    // One that does not grow.
    let mut prepared = world.prepare(vec![]).await;
    let head = world.store.head(&corridor()).await.unwrap().unwrap();
    prepared.writes.heads.insert(corridor(), (head.seq, head));
    world.contradicts(prepared).await;
}

pub async fn what_is_written_ahead_is_there_only_after_the_commit_of_the_rest(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let books = world.store.member_books(MemberNo(0), 10_000).await.unwrap();
    for committed in [false, true] {
        let mut orders = Vec::new();
        for person in 0..3 {
            orders.push(world.exchange(0, 1, person, 1_000).await);
        }
        let mut prepared = world.prepare(orders).await;
        let signed = std::mem::take(&mut prepared.writes.receipts);
        let ids: Vec<_> = prepared.writes.transactions.iter().map(|t| t.id).collect();
        prepared.batch.write_ahead(&prepared.writes).await.unwrap();
        for id in &ids {
            assert!(world.store.transaction(*id).await.unwrap().is_none(), "nobody sees it yet");
        }
        let (number, before) = (prepared.batch.number(), world.store.head(&corridor()).await);
        assert!(before.unwrap().is_none());
        if committed {
            prepared.writes.receipts = signed.clone();
            prepared.commit().await.unwrap();
            let found = world.store.receipts(&corridor(), 0, 10).await.unwrap();
            assert_eq!(found, signed);
            for id in &ids {
                let found = world.store.transaction(*id).await.unwrap().unwrap();
                assert!(signed.iter().any(|receipt| Some(receipt) == found.receipt.as_ref()));
            }
            assert_eq!(world.store.begin().await.unwrap().number(), number + 1);
        } else {
            drop(prepared);
            let after = world.store.member_books(MemberNo(0), 10_000).await.unwrap();
            assert_eq!(after, books, "given up, it leaves no trace");
            assert!(world.store.receipts(&corridor(), 0, 10).await.unwrap().is_empty());
        }
    }
}

pub async fn a_receipt_is_never_replaced(place: &Place) {
    let mut world = World::new(place.open().await).await;
    world.perform(0, 1, 0).await;
    let mut receipt = world.store.receipts(&corridor(), 0, 1).await.unwrap().remove(0);
    receipt.payload.push(b' ');
    let mut prepared = world.prepare(vec![]).await;
    prepared.writes.receipts.push(receipt);
    world.contradicts(prepared).await;
}

pub async fn a_balance_is_never_below_zero(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let order = world.exchange(0, 1, 0, 1_000).await;
    let mut prepared = world.prepare(vec![order]).await;
    let member = *prepared.writes.balances.keys().next().unwrap();
    prepared.writes.balances.insert(member, -1);
    world.contradicts(prepared).await;
    let member = world.new_member("aurora", 500, -1);
    let mut prepared = world.prepare(vec![]).await;
    let number = MemberNo(prepared.batch.load(&Wanted::default()).await.unwrap().next_member);
    prepared.writes.members.push(MemberRow { member: number, new: member });
    world.contradicts(prepared).await;
}

pub async fn a_balance_of_nobody_is_refused(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let order = world.exchange(0, 1, 0, 1_000).await;
    let mut prepared = world.prepare(vec![order]).await;
    prepared.writes.balances.insert(MemberNo(4_711), 5);
    world.contradicts(prepared).await;
    let mut prepared = world.prepare(vec![]).await;
    let nobody = world.id::<alliance_contracts::ids::Transaction>();
    let reversed = (TransactionState::Reversed, Reversed { source: 1, target: 1 });
    prepared.writes.reversed.insert(nobody, reversed);
    world.contradicts(prepared).await;
}

pub async fn totals_pass_64_bits(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let place_of = |partner: &str| (Account::Position(name(partner)), Asset::Currency(name("CNY")));
    let totals = [
        (place_of("aurora-air"), i128::MAX),
        (place_of("borealis-coffee"), i128::MIN),
        (place_of("cumulus-stay"), i128::from(i64::MAX) + 1),
    ];
    for round in 0..2 {
        let mut prepared = world.prepare(vec![]).await;
        for (place, total) in &totals {
            prepared.writes.accounts.insert(place.clone(), total - total.signum() * round);
        }
        prepared.commit().await.unwrap();
    }
    let mut wanted = Wanted::default();
    wanted.accounts.extend(totals.iter().map(|(place, _)| place.clone()));
    let mut batch = world.store.begin().await.unwrap();
    let loaded = batch.load(&wanted).await.unwrap().accounts;
    let read = world.store.accounts().await.unwrap();
    for ((account, asset), total) in totals {
        for kept in [&loaded, &read] {
            let kept = kept.iter().find(|a| (&a.account, &a.asset) == (&account, &asset));
            assert_eq!(kept.unwrap().balance, total - total.signum());
        }
    }
}

pub async fn receipts_come_back_byte_for_byte(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let corridor: Corridor = name("alliance~aurora-air");
    let mut all: Vec<u8> = (0..=255).collect();
    all.extend("Ærøskøbing 日本 \u{0}\u{feff} 'quoted' \"\\\" \r\n".as_bytes());
    let payloads = [all.clone(), Vec::new(), vec![0], all.repeat(900), "{}".into()];
    let mut prepared = world.prepare(vec![]).await;
    for (at, payload) in payloads.into_iter().enumerate() {
        prepared.writes.receipts.push(StoredReceipt {
            corridor: corridor.clone(),
            seq: at as u64 + 1,
            transaction: world.id(),
            payload,
            signature: std::array::from_fn(|byte| u8::try_from(byte + at * 48).unwrap()),
            kid: world.key.kid().clone(),
        });
    }
    let written = prepared.writes.receipts.clone();
    prepared.commit().await.unwrap();
    assert_eq!(world.store.receipts(&corridor, 0, 100).await.unwrap(), written);
}

pub async fn receipts_come_in_pages(place: &Place) {
    let mut world = World::new(place.open().await).await;
    for _ in 0..7 {
        world.perform(0, 1, 0).await;
    }
    world.perform(2, 1, 0).await;
    let (mut after, mut sizes, mut places) = (0, Vec::new(), Vec::new());
    loop {
        let page = world.store.receipts(&corridor(), after, 3).await.unwrap();
        sizes.push(page.len());
        places.extend(page.iter().map(|receipt| receipt.seq));
        match page.last() {
            Some(last) => after = last.seq,
            None => break,
        }
    }
    assert_eq!((sizes, places), (vec![3, 3, 1, 0], (1..=7).collect()));
    assert!(world.store.receipts(&corridor(), 0, 0).await.unwrap().is_empty());
    assert!(world.store.receipts(&corridor(), u64::MAX, 10).await.unwrap().is_empty());
    assert!(world.store.receipts(&name("a1~b1"), 0, 10).await.unwrap().is_empty());
}

pub async fn nodes_are_kept_and_read_by_range(place: &Place) {
    let mut world = World::new(place.open().await).await;
    // 300 receipts complete one subtree of 256.
    let registry = world.registry().await;
    let request = world.request("aurora-air");
    for _ in 0..3 {
        let orders = (0..100).map(|index| {
            let keyed = world.keyed_by(&request, index);
            Command::Order(keyed, world.order(&registry, 0, 1, 0, 100))
        });
        let orders: Vec<Command> = orders.collect();
        let outcomes = world.decide(orders).await;
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Transaction(_))));
    }
    let receipts = world.store.receipts(&corridor(), 0, 1_000).await.unwrap();
    let leaves: Vec<Hash> = receipts.iter().map(|r| merkle::leaf_hash(&r.payload)).collect();
    let nodes = world.store.nodes(&corridor(), 8, 0, 10).await.unwrap();
    assert_eq!(nodes, [merkle::root_of(&leaves[..256])]);

    let other: Corridor = name("a1~b1");
    let node = |level, position, byte| TreeNode {
        corridor: other.clone(),
        level,
        position,
        hash: Hash::from([byte; 32]),
    };
    let mut prepared = world.prepare(vec![]).await;
    for position in (0..10).rev() {
        prepared.writes.nodes.push(node(8, position, u8::try_from(position).unwrap()));
    }
    prepared.writes.nodes.push(node(16, 0, 99));
    prepared.commit().await.unwrap();
    let bytes = |nodes: Vec<Hash>| nodes.iter().map(|n| n.as_bytes()[0]).collect::<Vec<_>>();
    let store = &world.store;
    assert_eq!(bytes(store.nodes(&other, 8, 3, 6).await.unwrap()), [3, 4, 5]);
    assert_eq!(bytes(store.nodes(&other, 8, 9, 400).await.unwrap()), [9]);
    assert_eq!(bytes(store.nodes(&other, 16, 0, u64::MAX).await.unwrap()), [99]);
    assert!(store.nodes(&other, 8, 6, 3).await.unwrap().is_empty());
    assert!(store.nodes(&other, 24, 0, 3).await.unwrap().is_empty());
    let mut prepared = world.prepare(vec![]).await;
    prepared.writes.nodes.push(node(8, 3, 1));
    world.contradicts(prepared).await;
}

pub async fn heads_carry_the_edge_of_their_tree(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let mut leaves = Vec::new();
    for round in 1..=9 {
        world.perform(0, 1, 0).await;
        let head = world.store.head(&corridor()).await.unwrap().unwrap();
        let last = world.store.receipts(&corridor(), round - 1, 1).await.unwrap().remove(0);
        leaves.push(merkle::leaf_hash(&last.payload));
        assert_eq!((head.seq, head.frontier.size()), (round, round));
        assert_eq!(head.frontier.root(), merkle::root_of(&leaves));
        assert_eq!(head.head, Hash::of(&last.payload));
        assert_eq!(head.completed_at, world.now);
        world.now = world.now.plus_seconds(1);
    }
    world.perform(0, 2, 0).await;
    let heads = world.store.heads().await.unwrap();
    let names: Vec<&str> = heads.iter().map(|(corridor, _)| corridor.as_str()).collect();
    assert_eq!(names, ["aurora-air~borealis-coffee", "aurora-air~cumulus-stay"]);
}

pub async fn a_link_may_name_a_member_that_nobody_knows(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let stranger = 900;
    let proposal = world.proposal((0, 0), (1, stranger));
    let link = proposal.link;
    let keyed = world.keyed("aurora-air");
    let proposed = world.decide(vec![Command::ProposeLink(keyed, proposal)]).await;
    assert_eq!(proposed, [Outcome::Link(link)]);
    let detail = world.store.link(link).await.unwrap().unwrap();
    assert_eq!(detail.record.state, LinkState::Proposed);
    assert_eq!(detail.record.b.member, None);
    assert_eq!(detail.record.b.lookup, Some(world.lookup(1, stranger)));
    assert!(detail.record.b.supplied.is_some() && detail.b_member.is_none());
    assert_eq!(detail.a_member.unwrap().lookup, Some(world.lookup(0, 0)));
    // Confirming finds nobody; once the member is there, it comes along with the link.
    let confirm = Command::ConfirmLink(world.keyed("borealis-coffee"), link, None);
    let refused = world.decide(vec![confirm]).await;
    assert_eq!(refused, [Outcome::Refused(ProblemCode::MemberUnknown)]);
    let member = world.new_member("borealis", stranger, 5);
    world.decide(vec![Command::ImportMembers(Arc::new(vec![member]))]).await;
    let confirm = Command::ConfirmLink(world.keyed("borealis-coffee"), link, None);
    assert_eq!(world.decide(vec![confirm]).await, [Outcome::Link(link)]);
    let detail = world.store.link(link).await.unwrap().unwrap();
    assert_eq!(detail.record.state, LinkState::Active);
    assert_eq!(detail.record.b.lookup, None);
    assert_eq!(detail.b_member.unwrap().lookup, Some(world.lookup(1, stranger)));
    let revoke = Command::RevokeLink(world.keyed("aurora-air"), link);
    assert_eq!(world.decide(vec![revoke]).await, [Outcome::Link(link)]);
    let detail = world.store.link(link).await.unwrap().unwrap();
    assert_eq!(detail.record.state, LinkState::Revoked);
}

pub async fn links_come_in_pages_by_partner_and_state(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let mut proposed = Vec::new();
    for stranger in 900..905 {
        let proposal = world.proposal((1, 0), (0, stranger));
        proposed.push(proposal.link);
        let keyed = world.keyed("borealis-coffee");
        world.decide(vec![Command::ProposeLink(keyed, proposal)]).await;
    }
    let partner: PartnerId = name("aurora-air");
    for state in
        [None, Some(LinkState::Active), Some(LinkState::Proposed), Some(LinkState::Revoked)]
    {
        let (mut after, mut ids) = (None, Vec::new());
        loop {
            let page = world.store.links(&partner, state, after, 4).await.unwrap();
            assert!(page.len() <= 4);
            for detail in &page {
                assert!(detail.record.includes(&partner));
                assert!(state.is_none_or(|state| detail.record.state == state));
                let member = detail.a_member.as_ref().map(|sealed| sealed.member);
                assert_eq!(member, detail.record.a.member);
                let member = detail.b_member.as_ref().map(|sealed| sealed.member);
                assert_eq!(member, detail.record.b.member);
            }
            ids.extend(page.iter().map(|detail| detail.record.id));
            match page.last() {
                Some(last) => after = Some(last.record.id),
                None => break,
            }
        }
        assert!(ids.is_sorted() && ids.windows(2).all(|pair| pair[0] != pair[1]));
        // Aurora is in two links of each person, and the other side of the proposals.
        let expected = match state {
            None => PEOPLE * 2 + 5,
            Some(LinkState::Active) => PEOPLE * 2,
            Some(LinkState::Proposed) => 5,
            Some(LinkState::Revoked) => 0,
        };
        assert_eq!(ids.len(), expected, "{state:?}");
        if state == Some(LinkState::Proposed) {
            assert_eq!(ids, proposed);
        }
    }
}

pub async fn links_between_wanted_members_come_along(place: &Place) {
    let world = World::new(place.open().await).await;
    let mut wanted = Wanted::default();
    // Borealis is side b of its links with both others, whichever is wanted first.
    wanted.lookups.extend([world.lookup(1, 0), world.lookup(2, 0), world.lookup(0, 1)]);
    let mut batch = world.store.begin().await.unwrap();
    let loaded = batch.load(&wanted).await.unwrap();
    let member = |brand: usize, person: usize| {
        let lookup = Some(world.lookup(brand, person));
        loaded.members.iter().find(|sealed| sealed.lookup == lookup).unwrap().member
    };
    assert_eq!(loaded.members.len(), 3);
    assert_eq!(loaded.links.len(), 1);
    assert_eq!(loaded.links[0].a.member, Some(member(2, 0)));
    assert_eq!(loaded.links[0].b.member, Some(member(1, 0)));
    // By number as by lookup.
    let wanted = Wanted {
        members: [member(1, 0)].into(),
        lookups: [world.lookup(2, 0)].into(),
        ..Wanted::default()
    };
    let loaded = batch.load(&wanted).await.unwrap();
    assert_eq!((loaded.members.len(), loaded.links.len()), (2, 1));
    // All of everybody.
    let mut wanted = Wanted::default();
    for person in 0..PEOPLE {
        wanted.lookups.extend((0..BRANDS.len()).map(|brand| world.lookup(brand, person)));
    }
    let loaded = batch.load(&wanted).await.unwrap();
    assert_eq!((loaded.members.len(), loaded.links.len()), (PEOPLE * 3, PEOPLE * 3));
}

pub async fn other_links_of_a_wanted_links_members_come_along(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let old = link_between(&world, 0, 1, 0).await;
    // Proposed the other way round by the other brand.
    let proposal = world.proposal((1, 0), (0, 0));
    let newer = proposal.link;
    let keyed = world.keyed("borealis-coffee");
    world.decide(vec![Command::ProposeLink(keyed, proposal)]).await;
    let wanted = Wanted { links: [newer].into(), ..Wanted::default() };
    let mut batch = world.store.begin().await.unwrap();
    let mut loaded = batch.load(&wanted).await.unwrap();
    loaded.links.sort_by_key(|link| link.id);
    let ids: Vec<LinkId> = loaded.links.iter().map(|link| link.id).collect();
    assert_eq!(ids, [old.id, newer]);
    assert_eq!(loaded.members.len(), 2);
    drop(batch);
    let confirm = Command::ConfirmLink(world.keyed("aurora-air"), newer, None);
    assert_eq!(world.decide(vec![confirm]).await, [Outcome::Link(newer)]);
    assert_eq!(link_between(&world, 0, 1, 0).await.id, newer);
}

pub async fn a_request_is_kept_once_with_its_body_or_its_orders(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let registry = world.registry().await;
    let single = world.request("aurora-air");
    let mut batch = RequestEvidence::clone(&world.request("aurora-air"));
    batch.body = None;
    batch.orders = (0..3).map(|byte| Hash::from([byte; 32])).collect();
    let batch = Arc::new(batch);
    let mut bare = RequestEvidence::clone(&world.request("aurora-air"));
    bare.body = Some(Vec::new());
    let bare = Arc::new(bare);
    for (request, index) in [(&single, 0), (&batch, 0), (&batch, 1), (&bare, 0)] {
        let keyed = world.keyed_by(request, index);
        let order = world.order(&registry, 0, 1, 0, 1_000);
        let id = order.transaction;
        world.decide(vec![Command::Order(keyed, order)]).await;
        let record = world.store.transaction(id).await.unwrap().unwrap().record;
        assert_eq!((record.request, record.request_index), (request.id, index));
        let kept = world.store.request(request.id).await.unwrap().unwrap();
        assert_eq!(kept, *request);
    }
}

pub async fn an_agreement_comes_back_as_it_was_signed(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let store = world.store.clone();
    let agreement = world.agreement(None);
    let proposed = world.propose(0, &agreement);
    let [Outcome::Agreement(id)] = world.decide(vec![proposed.clone()]).await[..] else {
        panic!("not proposed")
    };
    let record = store.agreement(id).await.unwrap().unwrap();
    assert_eq!((record.state, record.countersigned_at), (AgreementState::Proposed, None));
    let (a, b) = (agreement.a.clone(), agreement.b.clone());
    assert_eq!(record.jws(&a), Some(agreement.sign(&world.partner_key(0))));
    assert_eq!((record.jws(&b), &record.payload), (None, &agreement.payload()));
    world.now = world.now.plus_seconds(1);
    let countersigned = world.countersign(1, id, &agreement);
    assert_eq!(world.decide(vec![countersigned]).await, [Outcome::Agreement(id)]);
    let record = store.agreement(id).await.unwrap().unwrap();
    assert_eq!((record.state, record.countersigned_at), (AgreementState::Active, Some(world.now)));
    assert_eq!(record.jws(&b), Some(agreement.sign(&world.partner_key(1))));
    assert_eq!((record.agreement, record.proposed_by), (agreement, a));
    // The key says what it was used for.
    assert_eq!(world.decide(vec![proposed]).await, [Outcome::Agreement(id)]);
    let unknown = world.id();
    assert!(store.agreement(unknown).await.unwrap().is_none());
}

pub async fn the_registry_grows_with_what_both_have_signed(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let store = world.store.clone();
    let version = async || store.registry().await.unwrap().unwrap().0;
    let before = version().await;
    let first = world.agreement(None);
    let proposed = world.propose(1, &first);
    let [Outcome::Agreement(declined)] = world.decide(vec![proposed]).await[..] else {
        panic!("not proposed")
    };
    let withdraw = Command::WithdrawAgreement(world.keyed(BRANDS[0].0), declined);
    assert_eq!(world.decide(vec![withdraw]).await, [Outcome::Agreement(declined)]);
    assert_eq!(version().await, before, "a proposal changes no terms");
    let one = world.agree(&first).await;
    assert_eq!(version().await, before + 1);
    let second = world.agreement(Some(&first));
    let other = world.agree(&second).await;
    let (grown, parts) = store.registry().await.unwrap().unwrap();
    assert_eq!(grown, before + 2);
    let ids: Vec<AgreementId> = parts.agreements.iter().map(|record| record.id).collect();
    assert_eq!(ids, [one, other]);
    assert_eq!(*parts.agreements[0], store.agreement(one).await.unwrap().unwrap());
    // As the next batch sees it.
    let (_, parts) = store.begin().await.unwrap().registry().await.unwrap().unwrap();
    assert_eq!(parts.agreements.len(), 2);
}

/// The record that a command is about to write.
async fn to_be_proposed(world: &mut World, brand: usize) -> (Prepared, AgreementRecord) {
    let agreement = world.agreement(None);
    let command = world.propose(brand, &agreement);
    let prepared = world.prepare(vec![command]).await;
    let open = |record: &&AgreementRecord| record.state == AgreementState::Proposed;
    let record = prepared.writes.agreements.values().find(open).unwrap().clone();
    (prepared, record)
}

pub async fn a_pair_has_one_open_proposal(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let (mut prepared, record) = to_be_proposed(&mut world, 0).await;
    let id = world.id();
    let twin = AgreementRecord { id, ..record.clone() };
    prepared.writes.agreements.insert(id, twin);
    world.contradicts(prepared).await;
    // A newer one of the same partner takes the place of the older.
    let (prepared, older) = to_be_proposed(&mut world, 0).await;
    prepared.commit().await.unwrap();
    let (prepared, newer) = to_be_proposed(&mut world, 0).await;
    assert_eq!(prepared.writes.agreements.len(), 2);
    prepared.commit().await.unwrap();
    let state = async |id| world.store.agreement(id).await.unwrap().unwrap().state;
    assert_eq!(state(older.id).await, AgreementState::Withdrawn);
    assert_eq!(state(newer.id).await, AgreementState::Proposed);
    let id = AgreementId::from_u128(newer.id.as_u128() + 1);
    let mut prepared = world.prepare(vec![]).await;
    prepared.writes.agreements.insert(id, AgreementRecord { id, ..newer.clone() });
    world.contradicts(prepared).await;
}

pub async fn a_pair_has_one_agreement_of_each_number(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let first = world.agreement(None);
    let id = world.agree(&first).await;
    let record = world.store.agreement(id).await.unwrap().unwrap();
    let mut prepared = world.prepare(vec![]).await;
    let twin = world.id();
    prepared.writes.agreements.insert(twin, AgreementRecord { id: twin, ..record.clone() });
    world.contradicts(prepared).await;
    // What was withdrawn takes no number.
    let mut prepared = world.prepare(vec![]).await;
    let state = AgreementState::Withdrawn;
    prepared.writes.agreements.insert(twin, AgreementRecord { id: twin, state, ..record });
    prepared.commit().await.unwrap();
}

pub async fn agreements_come_in_pages_by_partner_and_state(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let first = world.agreement(None);
    let mut ids = vec![world.agree(&first).await];
    for _ in 0..3 {
        let second = world.agreement(Some(&first));
        let command = world.propose(0, &second);
        let [Outcome::Agreement(id)] = world.decide(vec![command]).await[..] else {
            panic!("not proposed")
        };
        ids.push(id);
    }
    let store = world.store.clone();
    let with: PartnerId = name(BRANDS[2].0);
    for partner in [BRANDS[0].0, BRANDS[1].0] {
        let (partner, other): (PartnerId, PartnerId) =
            (name(partner), name(if partner == BRANDS[0].0 { BRANDS[1].0 } else { BRANDS[0].0 }));
        let read = async |with: Option<&PartnerId>, state, after, limit| {
            let page = store.agreements(&partner, with, state, after, limit).await.unwrap();
            page.iter().map(|record| record.id).collect::<Vec<_>>()
        };
        assert_eq!(read(None, None, None, 10).await, ids);
        assert_eq!(read(Some(&other), None, None, 10).await, ids);
        assert_eq!(read(Some(&with), None, None, 10).await, []);
        assert_eq!(read(None, None, None, 3).await, ids[..3]);
        assert_eq!(read(None, None, Some(ids[2]), 3).await, ids[3..]);
        assert_eq!(read(None, Some(AgreementState::Active), None, 10).await, ids[..1]);
        assert_eq!(read(None, Some(AgreementState::Withdrawn), None, 10).await, ids[1..3]);
        assert_eq!(read(None, Some(AgreementState::Proposed), None, 10).await, ids[3..]);
    }
    let nobodys = store.agreements(&with, None, None, None, 10).await.unwrap();
    assert!(nobodys.is_empty());
}

/// A campaign on the first two brands' programs, proposed in a batch that is not committed.
async fn with_campaign(world: &mut World) -> (Prepared, CampaignRecord) {
    let document = serde_json::json!({
        "v": 1, "alliance": world.store.alliance(), "name": "Dübel ★", "sponsor": "aurora-air",
        "source": "aurora", "target": "borealis", "multiplier": "2", "budget": "1000000",
        "from": world.now, "until": world.now.plus_seconds(604_800), "holdback_days": 7
    });
    let campaign = serde_json::from_value(document).unwrap();
    let (id, by) = (world.id(), name("lin"));
    let proposal = Command::ProposeCampaign(Box::new(ProposeCampaign { id, campaign, by }));
    let prepared = world.prepare(vec![proposal]).await;
    assert_eq!(prepared.outcomes, [Outcome::Done(1)]);
    let record = prepared.writes.campaigns.values().next().unwrap().clone();
    (prepared, record)
}

/// The same, approved and committed.
pub(super) async fn with_running_campaign(world: &mut World) -> CampaignId {
    let (prepared, CampaignRecord { id, .. }) = with_campaign(world).await;
    prepared.commit().await.unwrap();
    let based_on = world.store.registry().await.unwrap().unwrap().0;
    let approval = ApproveCampaign { id, by: name("chen"), based_on };
    let approved = world.decide(vec![Command::ApproveCampaign(Box::new(approval))]).await;
    assert_eq!(approved, [Outcome::Done(1)]);
    id
}

pub async fn campaigns_are_kept_and_the_registry_grows_with_each(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let before = world.store.registry().await.unwrap().unwrap().0;
    let (prepared, proposed) = with_campaign(&mut world).await;
    prepared.commit().await.unwrap();
    let (version, parts) = world.store.registry().await.unwrap().unwrap();
    assert_eq!((version, parts.campaigns.len()), (before + 1, 1));
    assert_eq!(*parts.campaigns[0], proposed);
    let approval = ApproveCampaign { id: proposed.id, by: name("chen"), based_on: version };
    world.decide(vec![Command::ApproveCampaign(Box::new(approval))]).await;
    let stop = StopCampaign { id: proposed.id, by: name("lin") };
    world.decide(vec![Command::StopCampaign(Box::new(stop))]).await;
    let (version, parts) = world.store.registry().await.unwrap().unwrap();
    let stopped = CampaignRecord {
        state: CampaignState::Stopped,
        approved_by: Some(name("chen")),
        approved_at: Some(world.now),
        stopped_by: Some(name("lin")),
        stopped_at: Some(world.now),
        ..proposed
    };
    assert_eq!((version, &*parts.campaigns[0]), (before + 3, &stopped));
}

pub async fn nobody_approves_what_they_have_proposed(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let (mut prepared, proposed) = with_campaign(&mut world).await;
    let by = |by: Option<&str>| CampaignRecord {
        state: CampaignState::Active,
        approved_by: by.map(name),
        approved_at: Some(world.now),
        ..proposed.clone()
    };
    let (own, none) = (by(Some("lin")), by(None));
    prepared.writes.campaigns.insert(proposed.id, own.clone());
    world.contradicts(prepared).await;
    let (mut prepared, again) = with_campaign(&mut world).await;
    prepared.writes.campaigns.insert(again.id, CampaignRecord { id: again.id, ..none });
    world.contradicts(prepared).await;
    let (mut prepared, again) = with_campaign(&mut world).await;
    let alone = CampaignRecord { id: again.id, needs_two: false, ..own };
    prepared.writes.campaigns.insert(again.id, alone);
    prepared.commit().await.unwrap();
}

pub async fn lots_come_with_their_member_and_go(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let campaign = with_running_campaign(&mut world).await;
    let first = world.perform(0, 1, 0).await;
    world.perform(0, 1, 0).await;
    world.perform(0, 1, 1).await;
    let day = day_of(world.now);
    let held_until = world.now.plus_seconds(8 * 86_400);
    let held_until = Timestamp::from_millis(day_of(held_until) * 86_400_000);
    let member = world.store.member(world.lookup(1, 0)).await.unwrap().unwrap();
    let one = member.lots[0].points / 2;
    assert!(one > 0 && member.balance > OPENING);
    assert_eq!(member.lots, [Lot { campaign, day, points: 2 * one, held_until }]);
    let mut wanted = Wanted::default();
    wanted.members.insert(member.member);
    let mut batch = world.store.begin().await.unwrap();
    let loaded = batch.load(&wanted).await.unwrap();
    assert_eq!((loaded.members.len(), &loaded.members[0]), (1, &member));
    drop(batch);
    let other = world.store.member(world.lookup(0, 0)).await.unwrap().unwrap();
    assert!(other.lots.is_empty());
    let accounts = world.store.accounts().await.unwrap();
    let spent = |a: &&AccountBalance| a.account == Account::Campaign(campaign) && a.balance < 0;
    assert_eq!(accounts.iter().filter(spent).count(), 1);
    // What is taken back leaves the lot; of an order that was the only one, nothing is left.
    let back = world.reversal(first, None).await;
    assert!(matches!(world.decide(vec![back]).await[..], [Outcome::Transaction(_)]));
    let member = world.store.member(world.lookup(1, 0)).await.unwrap().unwrap();
    assert_eq!(member.lots[0].points, one);
    let mut prepared = world.prepare(Vec::new()).await;
    let place = (member.member, campaign, day);
    prepared.writes.lots.insert(place, Some(Lot { points: -1, ..member.lots[0] }));
    world.contradicts(prepared).await;
    let mut prepared = world.prepare(Vec::new()).await;
    prepared.writes.lots.insert(place, None);
    prepared.commit().await.unwrap();
    let member = world.store.member(world.lookup(1, 0)).await.unwrap().unwrap();
    assert!(member.lots.is_empty());
    let other = world.store.member(world.lookup(1, 1)).await.unwrap().unwrap();
    assert_eq!(other.lots.len(), 1, "another's stay");
}

pub async fn the_registry_grows_by_versions(place: &Place) {
    let mut world = World::on(place.open().await);
    assert!(world.store.registry().await.unwrap().is_none());
    let mut batch = world.store.begin().await.unwrap();
    assert!(batch.registry().await.unwrap().is_none());
    assert_eq!(batch.registry_version(), 0);
    drop(batch);
    world.define().await;
    let (first, parts) = world.store.registry().await.unwrap().unwrap();
    assert_eq!((first, parts.version, parts.boards.len()), (1, 1, 1));
    let expected = world.definition().with_key_times(None, world.now);
    assert_eq!(parts.definition, expected);
    let (board, terms) = publication::first(&expected, world.now);
    assert_eq!((&parts.boards[0].board, &*parts.boards[0].terms), (&board, &terms));
    let window = parts.window;
    // The same again changes nothing.
    let define = Define { definition: world.definition(), window: world.id() };
    let done = world.decide(vec![Command::Define(Box::new(define))]).await;
    assert_eq!(done, [Outcome::Done(0)]);
    assert_eq!(world.store.registry().await.unwrap().unwrap().0, 1);
    // Another fee: a new version on the same board, in the same window.
    let mut definition = world.definition();
    definition.agreements[0].fee = name("0.03");
    let define = Define { definition: definition.clone(), window: world.id() };
    world.decide(vec![Command::Define(Box::new(define))]).await;
    let (second, parts) = world.store.registry().await.unwrap().unwrap();
    assert_eq!((second, parts.version, parts.boards.len()), (2, 2, 1));
    assert_eq!(parts.definition.agreements[0].fee, name("0.03"));
    assert_eq!(parts.window, window);
    // Another value and another key: a new key list, and no board before one is published.
    let keys = parts.partner_keys_jws;
    definition.programs[0].value = name("0.11");
    definition.partners[0].keys[0].scope = crate::alliance::Scope::Read;
    let define = Define { definition, window: world.id() };
    world.decide(vec![Command::Define(Box::new(define))]).await;
    let mut batch = world.store.begin().await.unwrap();
    assert_eq!(batch.registry_version(), 3);
    let (third, parts) = batch.registry().await.unwrap().unwrap();
    assert_eq!((third, parts.version, parts.boards.len()), (3, 3, 1));
    assert_ne!(parts.partner_keys_jws, keys);
    assert_eq!(parts.window, window);
    drop(batch);
    // A version is there once.
    let mut definition = world.definition();
    definition.agreements[0].fee = name("0.04");
    let define = Define { definition, window: world.id() };
    let mut prepared = world.prepare(vec![Command::Define(Box::new(define))]).await;
    prepared.writes.definition.as_mut().unwrap().version = 3;
    world.contradicts(prepared).await;
}

pub async fn a_board_without_its_signature_is_refused(place: &Place) {
    let mut world = World::on(place.open().await);
    for list in [true, false] {
        let define = Define { definition: world.definition(), window: world.id() };
        let mut prepared = world.prepare(vec![Command::Define(Box::new(define))]).await;
        if list {
            prepared.writes.partner_keys_jws = None;
        } else {
            prepared.writes.board_jws = None;
        }
        world.contradicts(prepared).await;
        assert!(world.store.registry().await.unwrap().is_none());
    }
}

pub async fn boards_follow_each_other_and_stay(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let (version, parts) = world.store.registry().await.unwrap().unwrap();
    let first = parts.boards[0].clone();
    let slot = Some(Timestamp::from_millis(world.now.as_millis() + 5));
    let second = world.next_board("0.11", slot).await;
    let done = world.decide(vec![Command::Publish(Box::new(second.clone()))]).await;
    assert_eq!(done, [Outcome::Done(1)]);
    // The same again is the same; another one on what has changed is stale.
    let again = world.decide(vec![Command::Publish(Box::new(second.clone()))]).await;
    assert_eq!(again, [Outcome::Done(1)]);
    let stale = Publish { based_on: version, slot: None, ..world.next_board("0.2", None).await };
    let refused = world.decide(vec![Command::Publish(Box::new(stale))]).await;
    assert_eq!(refused, [Outcome::BoardStale]);
    // Of one time of the schedule there is one board.
    let other = world.next_board("0.3", slot).await;
    assert_eq!(world.decide(vec![Command::Publish(Box::new(other))]).await, [Outcome::Done(0)]);
    let (grown, parts) = world.store.registry().await.unwrap().unwrap();
    assert_eq!(grown, version + 1);
    assert_eq!(parts.boards[0], first);
    let published = &parts.boards[1];
    assert_eq!((&published.board, &published.terms), (&second.board, &second.terms));
    assert_eq!(published.slot, slot);
    let third = world.next_board("0.12", None).await;
    world.decide(vec![Command::Publish(Box::new(third.clone()))]).await;
    // By number, and by time; the registry has the last two.
    let store = &world.store;
    let numbers = |boards: Vec<crate::alliance::PublishedBoard>| -> Vec<u32> {
        boards.iter().map(|published| published.board.board).collect()
    };
    assert_eq!(numbers(store.registry().await.unwrap().unwrap().1.boards), [2, 3]);
    assert_eq!(numbers(store.boards(u32::MAX, 10).await.unwrap()), [3, 2, 1]);
    assert_eq!(numbers(store.boards(2, 1).await.unwrap()), [2]);
    assert_eq!(store.boards(1, 10).await.unwrap(), std::slice::from_ref(&first));
    let at = |millis: i64| store.board_at(Timestamp::from_millis(millis));
    let begun = first.board.effective_at.as_millis();
    assert!(at(begun - 1).await.unwrap().is_none());
    assert_eq!(at(begun).await.unwrap().unwrap(), first);
    let effective = third.board.effective_at.as_millis();
    assert_eq!(numbers(at(effective).await.unwrap().into_iter().collect()), [3]);
    // A number is there once.
    let fourth = world.next_board("0.13", None).await;
    let mut prepared = world.prepare(vec![Command::Publish(Box::new(fourth))]).await;
    prepared.writes.board.as_mut().unwrap().board.board = 3;
    world.contradicts(prepared).await;
}

pub async fn flows_and_frozen_pairs_are_kept(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let programs = (name::<ProgramId>(BRANDS[0].1), name::<ProgramId>(BRANDS[1].1));
    let pair = (FlowEnd::from(programs.0.clone()), FlowEnd::from(programs.1.clone()));
    assert!(world.store.flows().await.unwrap().is_empty());
    world.perform(0, 1, 0).await;
    let flows = world.store.flows().await.unwrap();
    let gross = flows[0].flow.exchanged;
    assert_eq!((&flows[0].source, &flows[0].target), (&pair.0, &pair.1));
    assert!(flows.len() == 1 && gross > 0 && flows[0].flow.late == 0);
    world.perform(0, 1, 1).await;
    world.perform(1, 0, 1).await;
    let flows = world.store.flows().await.unwrap();
    assert_eq!(flows.len(), 2);
    assert_eq!(flows.iter().find(|row| row.source == pair.0).unwrap().flow.exchanged, 2 * gross);
    // Totals pass 64 bits.
    let order = world.exchange(0, 1, 2, 1_000).await;
    let mut prepared = world.prepare(vec![order]).await;
    let flow = Flow { exchanged: -(i128::MAX / 3), late: i128::MAX / 5 };
    prepared.writes.flows.insert(pair.clone(), flow);
    prepared.commit().await.unwrap();
    let flows = world.store.flows().await.unwrap();
    assert_eq!(flows.iter().find(|row| row.source == pair.0).unwrap().flow, flow);
    let mut batch = world.store.begin().await.unwrap();
    let wanted = Wanted { flows: [pair.clone()].into(), ..Wanted::default() };
    let loaded = batch.load(&wanted).await.unwrap().flows;
    assert_eq!((loaded.len(), loaded[0].flow), (1, flow));
    drop(batch);
    // Frozen in one direction, and released.
    let (version, parts) = world.store.registry().await.unwrap().unwrap();
    assert!(parts.frozen.is_empty());
    let pair = programs;
    let (source, target) = pair.clone();
    let frozen = FrozenPair { board: 1, since: world.now, source, target };
    let mut prepared = world.prepare(Vec::new()).await;
    prepared.writes.frozen.insert(pair.clone(), Some(frozen.clone()));
    prepared.commit().await.unwrap();
    let (grown, parts) = world.store.registry().await.unwrap().unwrap();
    assert_eq!((grown, parts.frozen), (version + 1, vec![frozen]));
    let release = |(source, target): (ProgramId, ProgramId)| Command::Release(source, target);
    let other = release((pair.1.clone(), pair.0.clone()));
    assert_eq!(world.decide(vec![other]).await, [Outcome::Done(0)]);
    assert_eq!(world.decide(vec![release(pair)]).await, [Outcome::Done(1)]);
    let (released, parts) = world.store.registry().await.unwrap().unwrap();
    assert_eq!((released, parts.frozen.len()), (version + 2, 0));
}

pub async fn what_a_member_gave_in_a_day_is_kept_by_corridor(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let (lookup, other) = (world.lookup(0, 0), world.lookup(0, 1));
    let elsewhere: Corridor = name("aurora-air~cumulus-stay");
    let wanted = Wanted {
        member_days: [(lookup, corridor()), (lookup, elsewhere), (other, corridor())].into(),
        ..Wanted::default()
    };
    for (day, given) in [(20_000, 70), (20_000, 90), (20_001, 5)] {
        let mut prepared = world.prepare(Vec::new()).await;
        let gave = MemberDay { member: MemberNo(1), corridor: corridor(), day, given };
        prepared.writes.member_days.insert((gave.member, gave.corridor.clone()), gave.clone());
        // Something else that is written, or it is no batch.
        prepared.writes.quote_key = Some((day, vec![1], 0));
        prepared.commit().await.unwrap();
        let mut batch = world.store.begin().await.unwrap();
        assert_eq!(batch.load(&wanted).await.unwrap().member_days, [gave]);
    }
}

fn proposed(by: &str, document: serde_json::Value) -> Command {
    let proposal = serde_json::from_value(document).unwrap();
    Command::ProposeRates(Box::new(ProposeRates { proposal, by: name(by) }))
}

pub async fn a_proposal_is_kept_and_its_values_come_with_one_board(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let (source, target) = (BRANDS[0].1, BRANDS[1].1);
    let frozen =
        FrozenPair { board: 1, since: world.now, source: name(source), target: name(target) };
    let mut prepared = world.prepare(Vec::new()).await;
    prepared.writes.frozen.insert((name(source), name(target)), Some(frozen));
    prepared.commit().await.unwrap();
    let document = serde_json::json!({
        "release": [{"source": source, "target": target}],
        "values": [{"program": source, "value": "0.12"}],
        "why": "revalued",
    });
    let propose = proposed("ann", document);
    assert_eq!(world.decide(vec![propose.clone()]).await, [Outcome::Proposal(1)]);
    // Again by the same person: the same proposal.
    assert_eq!(world.decide(vec![propose]).await, [Outcome::Proposal(1)]);
    let registry = world.registry().await;
    assert_eq!(registry.proposals[0].state(), ProposalState::Waiting);
    assert!(registry.approved_values().is_empty() && registry.frozen.len() == 1);
    let own = world.decide(vec![Command::ApproveRates(1, name("ann"))]).await;
    assert!(matches!(own[..], [Outcome::ProposalRefused(_)]), "{own:?}");
    let approve = Command::ApproveRates(1, name("bob"));
    assert_eq!(world.decide(vec![approve.clone()]).await, [Outcome::Proposal(1)]);
    assert_eq!(world.decide(vec![approve]).await, [Outcome::Proposal(1)], "harmless");
    let registry = world.registry().await;
    assert_eq!(registry.approved_values(), [(name(source), name("0.12"))].into());
    assert!(registry.frozen.is_empty(), "a release is carried out at once");
    // A small step of another program needs nobody else.
    let small = serde_json::json!({"values": [{"program": target, "value": "0.051"}]});
    assert_eq!(world.decide(vec![proposed("ann", small)]).await, [Outcome::Proposal(2)]);
    let registry = world.registry().await;
    assert!(registry.proposals[1].is_approved_by_size());
    // The board that takes them up closes them in its own commit.
    let situation = publication::Situation {
        registry: &registry,
        boards: &registry.boards,
        flows: &[],
        feeds: &registry.feeds,
        approved: &registry.approved_values(),
        now: world.now,
    };
    let next = publication::next(&situation).unwrap();
    let publish = Publish {
        board: next.board,
        terms: next.terms.into(),
        proposals: vec![1, 2],
        based_on: registry.seen_version,
        slot: None,
    };
    let published = world.decide(vec![Command::Publish(Box::new(publish))]).await;
    assert_eq!(published, [Outcome::Done(1)]);
    let (_, parts) = world.store.registry().await.unwrap().unwrap();
    for record in &parts.proposals {
        assert_eq!((record.state(), record.applied_board), (ProposalState::Applied, Some(2)));
    }
    let refused = world.decide(vec![Command::WithdrawProposal(1, name("ann"))]).await;
    assert!(matches!(refused[..], [Outcome::ProposalRefused(_)]), "{refused:?}");
    // Withdrawn ones are kept, too; of old ones the registry knows the newest only.
    for number in 3..=15 {
        let value = format!("0.051{:03}", 10 * number + 1);
        let small = serde_json::json!({"values": [{"program": target, "value": value}]});
        let made = world.decide(vec![proposed("ann", small)]).await;
        assert_eq!(made, [Outcome::Proposal(number)]);
        if number > 3 {
            let withdraw = Command::WithdrawProposal(number, name("bob"));
            assert_eq!(world.decide(vec![withdraw]).await, [Outcome::Proposal(number)]);
        } else {
            // Stays open.
            let withdraw = Command::WithdrawProposal(number, name("bob"));
            let mut prepared = world.prepare(vec![withdraw]).await;
            prepared.writes.proposals.clear();
            prepared.commit().await.unwrap();
            let all = world.store.proposals(u32::MAX, 1).await.unwrap();
            assert_eq!((all[0].number, all[0].state()), (3, ProposalState::Approved));
            world.decide(vec![Command::WithdrawProposal(3, name("ann"))]).await;
        }
    }
    let all = world.store.proposals(u32::MAX, 100).await.unwrap();
    assert_eq!(
        all.iter().map(|one| one.number).collect::<Vec<_>>(),
        (1..=15).rev().collect::<Vec<_>>()
    );
    let some = world.store.proposals(5, 2).await.unwrap();
    assert_eq!(some, all[10..12]);
    assert_eq!(
        (some[0].withdrawn_by.clone(), some[0].withdrawn_at),
        (Some(name("bob")), Some(world.now))
    );
    assert_eq!(all[14].proposal.why, "revalued");
    let (_, parts) = world.store.registry().await.unwrap().unwrap();
    let known: Vec<u32> = parts.proposals.iter().map(|one| one.number).collect();
    assert_eq!(known, (8..=15).collect::<Vec<_>>());
}

/// The database itself refuses it, whatever a program writes.
pub async fn who_proposes_rates_never_approves_them(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let document = serde_json::json!({"values": [{"program": BRANDS[0].1, "value": "0.12"}]});
    world.decide(vec![proposed("ann", document)]).await;
    let record = world.store.proposals(1, 1).await.unwrap().remove(0);
    let approved = |by: &str, number: u32| RateProposal {
        number,
        approved_by: Some(name(by)),
        approved_at: Some(record.proposed_at),
        ..record.clone()
    };
    for number in [1, 2] {
        let mut prepared = world.prepare(Vec::new()).await;
        prepared.writes.proposals.insert(number, approved("ann", number));
        world.contradicts(prepared).await;
    }
    let kept = world.store.proposals(9, 9).await.unwrap();
    assert_eq!(kept, std::slice::from_ref(&record));
    let mut prepared = world.prepare(Vec::new()).await;
    prepared.writes.proposals.insert(1, approved("bob", 1));
    prepared.commit().await.unwrap();
    assert_eq!(world.store.proposals(9, 9).await.unwrap(), [approved("bob", 1)]);
}

pub async fn readings_are_kept_for_ever_and_what_follows_from_them_is_in_the_registry(
    place: &Place,
) {
    let mut world = World::new(place.open().await).await;
    let (version, parts) = world.store.registry().await.unwrap().unwrap();
    assert!(parts.feeds.is_empty());
    let program: ProgramId = name(BRANDS[0].1);
    let reading = |feed, value: &str, at: i64| Observation {
        feed,
        observed_at: Timestamp::from_millis(1_789_000_000_000 + at),
        program: program.clone(),
        value: name(value),
    };
    let first = reading(FeedKind::Cost, "0.09", 1);
    let second = reading(FeedKind::Cost, "0.11", 2);
    let breakage = reading(FeedKind::Breakage, "0", 2);
    let observe = |readings: &[&Observation]| {
        Arc::new(readings.iter().map(|&one| one.clone()).collect::<Vec<_>>())
    };
    let import = Command::Observe(observe(&[&first, &breakage]));
    assert_eq!(world.decide(vec![import]).await, [Outcome::Done(2)]);
    let keyed = world.keyed(BRANDS[0].0);
    let sent = Command::ObserveAsPartner(keyed, observe(&[&second]));
    assert_eq!(world.decide(vec![sent.clone()]).await, [Outcome::Observed]);
    let keyed = sent.keyed().unwrap();
    let key = world.store.key(&keyed.partner, &keyed.key).await.unwrap().unwrap();
    assert_eq!(key.outcome, Outcome::Observed);
    let (grown, parts) = world.store.registry().await.unwrap().unwrap();
    assert_eq!(grown, version + 2);
    let cost = &parts.feeds[&program].states[&FeedKind::Cost];
    assert_eq!(cost.latest.as_ref(), Some(&second));
    assert_eq!(cost.last_good, Some((second.value, second.observed_at)));
    assert_eq!(parts.feeds[&program].states.len(), 2);
    // The newest again changes nothing, not even the registry's version.
    let again = Command::Observe(observe(&[&second]));
    assert_eq!(world.decide(vec![again]).await, [Outcome::Done(1)]);
    assert_eq!(world.store.registry().await.unwrap().unwrap().0, grown);
    // The history, the newest first, and who sent it.
    let taken_at = world.now;
    let row = |observation: &Observation, partner: Option<&str>| ObservationRow {
        observation: observation.clone(),
        partner: partner.map(name),
        taken_at,
    };
    let both = [row(&second, Some(BRANDS[0].0)), row(&first, None)];
    let store = world.store.clone();
    assert_eq!(store.observations(&program, FeedKind::Cost, 9).await.unwrap(), both);
    assert_eq!(store.observations(&program, FeedKind::Cost, 1).await.unwrap(), both[..1]);
    let other: ProgramId = name(BRANDS[1].1);
    assert!(store.observations(&other, FeedKind::Cost, 9).await.unwrap().is_empty());
    // A reading is never replaced.
    let mut prepared = world.prepare(Vec::new()).await;
    let changed = reading(FeedKind::Cost, "0.1", 1);
    prepared.writes.observations.push(row(&changed, None));
    world.contradicts(prepared).await;
    assert_eq!(store.observations(&program, FeedKind::Cost, 9).await.unwrap(), both);
}

pub async fn partners_are_suspended_and_let_go(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let partner: PartnerId = name("cumulus-stay");
    let (version, parts) = world.store.registry().await.unwrap().unwrap();
    assert!(parts.suspended.is_empty());
    world.decide(vec![Command::Suspend(partner.clone(), true)]).await;
    world.decide(vec![Command::Suspend(name("aurora-air"), true)]).await;
    let (grown, parts) = world.store.registry().await.unwrap().unwrap();
    assert_eq!(grown, version + 2);
    assert_eq!(parts.suspended, [name("aurora-air"), partner.clone()]);
    let expected = [(name("aurora-air"), world.now), (partner.clone(), world.now)];
    assert_eq!(world.store.suspensions().await.unwrap(), expected);
    world.decide(vec![Command::Suspend(name("aurora-air"), false)]).await;
    let (grown, parts) = world.store.registry().await.unwrap().unwrap();
    assert_eq!((grown, parts.suspended), (version + 3, vec![partner]));
}

fn checkpoint(world: &World, size: u64, root: Hash) -> SignedCheckpoint {
    SignedCheckpoint {
        corridor: corridor(),
        size,
        root,
        note: format!("alliance/demo\n{size}\nÆ\n\n— alliance/demo AAAA\n"),
        signed_at: world.now,
    }
}

pub async fn checkpoints_never_go_back(place: &Place) {
    let mut world = World::new(place.open().await).await;
    // Of no chain.
    let mut prepared = world.prepare(vec![]).await;
    let nothing = checkpoint(&world, 1, Hash::ZERO);
    prepared.writes.checkpoints.insert(corridor(), nothing);
    world.contradicts(prepared).await;
    for _ in 0..3 {
        world.perform(0, 1, 0).await;
        world.now = world.now.plus_seconds(1);
        let head = world.store.head(&corridor()).await.unwrap().unwrap();
        let signed = checkpoint(&world, head.seq, head.frontier.root());
        let done = world.decide(vec![Command::StoreCheckpoint(signed.clone())]).await;
        assert_eq!(done, [Outcome::Done(1)]);
        let head = world.store.head(&corridor()).await.unwrap().unwrap();
        assert_eq!(head.checkpoint, Some(signed));
    }
    // A head that moves keeps it.
    world.perform(0, 1, 0).await;
    let heads = world.store.heads().await.unwrap();
    assert_eq!(heads[0].1.checkpoint.as_ref().map(|checkpoint| checkpoint.size), Some(3));
    for size in [2, 5] {
        let mut prepared = world.prepare(vec![]).await;
        prepared.writes.checkpoints.insert(corridor(), checkpoint(&world, size, Hash::ZERO));
        world.contradicts(prepared).await;
    }
    // Both in one batch.
    let order = world.exchange(0, 1, 0, 1_000).await;
    let mut prepared = world.prepare(vec![order]).await;
    prepared.writes.checkpoints.insert(corridor(), checkpoint(&world, 5, Hash::ZERO));
    prepared.commit().await.unwrap();
    let head = world.store.head(&corridor()).await.unwrap().unwrap();
    assert_eq!((head.seq, head.checkpoint.unwrap().size), (5, 5));
}

pub async fn the_first_quote_key_of_a_period_stays_and_old_ones_are_destroyed(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let store = |period, byte: u8, destroy_before| Command::StoreQuoteKey {
        period,
        wrapped: vec![byte; 60],
        destroy_before,
    };
    for (command, expected) in [
        (store(7, 1, 6), vec![(7, vec![1; 60])]),
        (store(8, 2, 7), vec![(7, vec![1; 60]), (8, vec![2; 60])]),
        (store(8, 3, 7), vec![(7, vec![1; 60]), (8, vec![2; 60])]),
        (store(9, 4, 8), vec![(8, vec![2; 60]), (9, vec![4; 60])]),
        (store(10, 5, 10), vec![(10, vec![5; 60])]),
    ] {
        world.decide(vec![command]).await;
        assert_eq!(world.store.quote_keys().await.unwrap(), expected);
    }
}

pub async fn a_reversal_changes_its_original(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let original = world.perform(0, 1, 0).await;
    let whole = world.store.transaction(original).await.unwrap().unwrap().record;
    let part = world.reversal(original, Some("100")).await;
    let outcomes = world.decide(vec![part]).await;
    let [Outcome::Transaction(reversal)] = outcomes[..] else { panic!("{outcomes:?}") };
    let record = world.store.transaction(original).await.unwrap().unwrap().record;
    assert_eq!(record.state, TransactionState::PartiallyReversed);
    assert_eq!(record.reversed.target, 1_000);
    let reversal = world.store.transaction(reversal).await.unwrap().unwrap().record;
    assert_eq!(reversal.kind, TransactionKind::Reversal);
    assert_eq!(reversal.reverses, Some(original));
    assert_eq!((reversal.quote, reversal.reason), (None, Some(name("mistake"))));
    let rest = world.reversal(original, None).await;
    world.decide(vec![rest]).await;
    let record = world.store.transaction(original).await.unwrap().unwrap().record;
    assert_eq!(record.state, TransactionState::Reversed);
    assert_eq!(Some(record.reversed.target), whole.target.amount().to_minor(1));
    assert_eq!(Some(record.reversed.source), whole.source.amount().to_minor(0));
    let places = world.store.transaction_places(None, 10).await.unwrap();
    assert_eq!(places.len(), 3);
    assert_eq!((places[0].id, places[0].reversed), (original, record.reversed));
    // Made and turned round by one batch: written once, as it is in the end.
    let order = world.exchange(0, 1, 1, 1_000).await;
    let mut prepared = world.prepare(vec![order]).await;
    let id = prepared.writes.transactions[0].id;
    let reversed = Reversed { source: 1, target: 1 };
    prepared.writes.reversed.insert(id, (TransactionState::PartiallyReversed, reversed));
    prepared.commit().await.unwrap();
    let record = world.store.transaction(id).await.unwrap().unwrap().record;
    assert_eq!((record.state, record.reversed), (TransactionState::PartiallyReversed, reversed));
}

pub async fn a_transaction_comes_with_its_members_and_its_receipt(place: &Place) {
    let mut world = World::new(place.open().await).await;
    world.perform(0, 1, 3).await;
    let id = world.perform(1, 2, 4).await;
    let detail = world.store.transaction(id).await.unwrap().unwrap();
    let source = detail.source_member.unwrap();
    let target = detail.target_member.unwrap();
    assert_eq!(Some(source.member), detail.record.members()[0]);
    assert_eq!(Some(target.member), detail.record.members()[1]);
    assert_eq!(source.balance, OPENING - 1_000);
    assert_eq!(world.store.member(world.lookup(1, 4)).await.unwrap(), Some(source.clone()));
    let opened = source.open(&world.vault);
    assert_eq!(opened.reference, Some(world.person(4)));
    let receipt = detail.receipt.unwrap();
    assert_eq!((receipt.transaction, Some(receipt.seq)), (id, detail.record.seq));
    let page = world.store.receipts(&receipt.corridor, 0, 10).await.unwrap();
    assert_eq!(page, [receipt]);
}

pub async fn audits_read_everything_in_pages(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let mut performed = Vec::new();
    for person in 0..5 {
        performed.push(world.perform(0, 1, person).await);
    }
    let (mut after, mut books) = (MemberNo(0), Vec::new());
    loop {
        let page = world.store.member_books(after, 7).await.unwrap();
        match page.last() {
            Some(last) => after = last.member,
            None => break,
        }
        books.extend(page);
    }
    let numbers: Vec<i64> = books.iter().map(|book| book.member.0).collect();
    assert_eq!(numbers, (1..=i64::try_from(PEOPLE * 3).unwrap()).collect::<Vec<_>>());
    assert!(books.iter().all(|book| book.opening == OPENING));
    let aurora = books.iter().filter(|book| book.program == name("aurora"));
    assert_eq!(aurora.filter(|book| book.balance == OPENING - 1_000).count(), 5);
    let (mut after, mut places) = (None, Vec::new());
    loop {
        let page = world.store.transaction_places(after, 2).await.unwrap();
        match page.last() {
            Some(last) => after = Some(last.id),
            None => break,
        }
        places.extend(page);
    }
    let ids: Vec<TransactionId> = places.iter().map(|place| place.id).collect();
    assert_eq!(ids, performed);
    for (at, place) in places.iter().enumerate() {
        assert_eq!((&place.corridor, place.seq), (&corridor(), Some(at as u64 + 1)));
        assert!(place.members.iter().all(Option::is_some));
    }
}

pub async fn twenty_thousand_members_are_imported_and_found(place: &Place) {
    const COUNT: usize = 20_000;
    let mut world = World::new(place.open().await).await;
    // Wrapped and sealed once: the store reads neither.
    let pattern = world.new_member("aurora", 1_000, 3);
    let mut members = Vec::with_capacity(COUNT);
    for person in 0..COUNT {
        let lookup = world.sought(person % 2, 1_000 + person / 2);
        let program = name(BRANDS[person % 2].1);
        members.push(crate::command::NewMember { lookup, program, ..pattern.clone() });
    }
    let lookups: Vec<_> = members.iter().map(|member| member.lookup.first()).collect();
    let import = Command::ImportMembers(Arc::new(members));
    assert_eq!(world.decide(vec![import]).await, [Outcome::Done(COUNT)]);
    let mut links = Vec::with_capacity(COUNT / 2);
    for person in 0..COUNT / 2 {
        links.push(world.new_link((0, 1_000 + person), (1, 1_000 + person)));
    }
    let import = Command::ImportLinks(Arc::new(links));
    assert_eq!(world.decide(vec![import]).await, [Outcome::Done(COUNT / 2)]);
    let mut batch = world.store.begin().await.unwrap();
    let wanted = Wanted { lookups: lookups.iter().copied().collect(), ..Wanted::default() };
    let loaded = batch.load(&wanted).await.unwrap();
    assert_eq!((loaded.members.len(), loaded.links.len()), (COUNT, COUNT / 2));
    assert!(loaded.members.iter().all(|member| member.balance == 3));
    assert_eq!(loaded.next_member, i64::try_from(COUNT + PEOPLE * 3).unwrap() + 1);
    let wanted = Wanted { lookups: [lookups[17]].into(), ..Wanted::default() };
    let loaded = batch.load(&wanted).await.unwrap();
    assert_eq!(loaded.members.len(), 1);
    assert_eq!(loaded.members[0].lookup, Some(lookups[17]));
}

pub async fn what_is_not_there_is_not_found(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let store = world.store.clone();
    assert!(store.transaction(world.id()).await.unwrap().is_none());
    assert!(store.link(world.id()).await.unwrap().is_none());
    assert!(store.request(world.id()).await.unwrap().is_none());
    assert!(store.key(&name("aurora-air"), &name("nothing")).await.unwrap().is_none());
    assert!(store.member(world.lookup(0, 4_711)).await.unwrap().is_none());
    assert!(store.head(&corridor()).await.unwrap().is_none());
    assert!(store.heads().await.unwrap().is_empty());
    assert!(store.quote_keys().await.unwrap().is_empty());
    let mut wanted = Wanted::default();
    let order = world.exchange(0, 1, 4_711, 100).await;
    wanted.add(&world.registry().await, &order);
    wanted.links.insert(world.id());
    wanted.agreements.insert(world.id());
    wanted.proposals.insert((name(BRANDS[0].0), name(BRANDS[1].0)));
    wanted.transactions.insert(world.id());
    wanted.members.insert(MemberNo(4_711));
    let mut batch = store.begin().await.unwrap();
    let loaded = batch.load(&wanted).await.unwrap();
    assert!(loaded.keys.is_empty() && loaded.quotes.is_empty() && loaded.references.is_empty());
    assert!(loaded.members.is_empty() && loaded.links.is_empty());
    assert!(loaded.agreements.is_empty());
    assert!(loaded.transactions.is_empty() && loaded.heads.is_empty());
    // Issuance alone is there: members were imported.
    assert_eq!(loaded.accounts.len(), 2);
    drop(batch);
}
