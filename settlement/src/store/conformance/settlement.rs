//! What every store must do with settlement windows, what they come to, and what banks say.

use std::collections::BTreeMap;

use alliance_contracts::adjustment::{Adjustment, AdjustmentCause};
use alliance_contracts::encoding::Hash;
use alliance_contracts::ids::WindowId;
use alliance_contracts::names::{Corridor, PartnerId};
use alliance_contracts::receipt::{self, Account, Asset, Posting};
use alliance_contracts::window::WindowState;

use super::place::Place;
use super::world::{BRANDS, World, name};
use crate::command::{
    CloseWindow, Command, Define, ImportBank, NetWindow, NewAdjustment, Outcome, PostAdjustments,
    ProposeSettlement,
};
use crate::ledger::working_set::{BankEntryRow, BankFile};
use crate::store::WindowRange;
use crate::windows::{
    Figures, NettedWindow, NettingTerms, SettlementAction, SettlementFault, WindowRecord,
    carried_of, net_window, to_post,
};

/// Closes the open window; the window that is closed.
async fn close(world: &mut World) -> WindowId {
    let window = world.registry().await.window;
    let (next, today) = (world.id(), name("2026-11-23"));
    let order = CloseWindow { window, next, slot: None, by: Some(name("ann")), today };
    let closed = world.decide(vec![Command::CloseWindow(Box::new(order))]).await;
    assert_eq!(closed, [Outcome::Done(1)]);
    assert_eq!(world.registry().await.window, next);
    window
}

async fn ranges(world: &World, window: WindowId) -> Vec<WindowRange> {
    world.store.window_ranges(window, None, 1_000).await.unwrap()
}

/// What a closed window comes to, read from its ranges here.
async fn worked_out(world: &World, window: WindowId) -> NettedWindow {
    let registry = world.registry().await;
    let record = world.store.window(window).await.unwrap().unwrap();
    let into = |other: &&WindowRecord| other.carried_into == Some(window);
    let carried: Vec<WindowId> =
        registry.windows.iter().filter(into).map(|window| window.id).collect();
    let mut figures = Figures::new(name("CNY"));
    for id in carried.iter().chain([&window]) {
        for range in ranges(world, *id).await {
            let page = world.store.receipts(&range.corridor, range.after, 10_000).await.unwrap();
            for stored in page.iter().filter(|stored| stored.seq <= range.seq) {
                figures.add(&receipt::parse(&stored.payload).unwrap(), true).unwrap();
            }
        }
    }
    let before = world.store.windows(record.number - 1, 100).await.unwrap();
    let before = before.into_iter().find(|window| window.state != WindowState::Aborted);
    let openings = match before {
        None => Vec::new(),
        Some(before) => {
            let kept = world.store.window_document(before.id, "carried").await.unwrap().unwrap();
            carried_of(&kept.document).unwrap()
        }
    };
    let definition = &registry.definition;
    let terms = NettingTerms {
        alliance: definition.alliance.clone(),
        currency: name("CNY"),
        window,
        opened_at: record.opened_at,
        closed_on: record.closed_on.unwrap(),
        carried_windows: carried,
        openings,
        partners: definition.partners.iter().map(|p| p.partner.clone()).collect(),
        sponsors: BTreeMap::new(),
        way: definition.settlement.netting,
        days: 2,
        calendars: Vec::new(),
        revenue: definition.revenue.clone(),
    };
    net_window(&terms, figures).unwrap()
}

async fn net(world: &mut World, window: WindowId) -> NettedWindow {
    let netted = worked_out(world, window).await;
    let order = NetWindow { window, netted: netted.clone() };
    let done = world.decide(vec![Command::NetWindow(Box::new(order))]).await;
    assert_eq!(done, [Outcome::Done(1)]);
    netted
}

fn propose(action: SettlementAction, by: &str) -> Command {
    Command::ProposeSettlement(Box::new(ProposeSettlement { action, by: name(by) }))
}

/// Has a proposal made by one and approved by another.
async fn agree(world: &mut World, action: SettlementAction) {
    let proposed = world.decide(vec![propose(action, "ann")]).await;
    let [Outcome::Proposal(number)] = proposed[..] else { panic!("{proposed:?}") };
    let own = world.decide(vec![Command::ApproveSettlement(number, name("ann"))]).await;
    let refused = SettlementFault::OwnProposal { number, name: name("ann") };
    assert_eq!(own, [Outcome::SettlementRefused(refused)]);
    let approved = world.decide(vec![Command::ApproveSettlement(number, name("bob"))]).await;
    assert_eq!(approved, [Outcome::Proposal(number)]);
}

async fn state(world: &World, window: WindowId) -> WindowState {
    world.store.window(window).await.unwrap().unwrap().state
}

/// What everybody's lines come to in each column.
async fn sums(world: &World, window: WindowId) -> [i128; 5] {
    let lines = world.store.window_lines(window).await.unwrap();
    assert_eq!(lines.len(), BRANDS.len() + 1, "a line for each party, the alliance included");
    let mut sums = [0; 5];
    for line in &lines {
        let columns = [line.opening, line.activity, line.net, line.payment, line.carried];
        for (sum, column) in sums.iter_mut().zip(columns) {
            *sum += column.micros();
        }
        assert_eq!(line.opening.micros() + line.activity.micros(), line.net.micros());
        assert_eq!(line.payment.micros() + line.carried.micros(), line.net.micros());
    }
    sums
}

pub async fn a_receipt_is_in_the_one_window_that_was_open_when_it_was_committed(place: &Place) {
    let mut world = World::new(place.open().await).await;
    for person in 0..3 {
        world.perform(0, 1, person).await;
    }
    world.perform(2, 1, 0).await;
    let first = close(&mut world).await;
    world.perform(0, 1, 4).await;
    let second = close(&mut world).await;
    let third = close(&mut world).await;
    let ab: Corridor = name("aurora-air~borealis-coffee");
    let bc: Corridor = name("borealis-coffee~cumulus-stay");
    let told = |ranges: &[WindowRange]| -> Vec<(Corridor, u64, u64)> {
        ranges.iter().map(|r| (r.corridor.clone(), r.after, r.seq)).collect()
    };
    let of_first = ranges(&world, first).await;
    assert_eq!(told(&of_first), [(ab.clone(), 0, 3), (bc, 0, 1)]);
    assert_eq!(world.store.window_ranges(first, Some(&ab), 9).await.unwrap(), of_first[1..]);
    let of_second = ranges(&world, second).await;
    assert_eq!(told(&of_second), [(ab.clone(), 3, 4)], "only chains that have grown");
    assert_eq!(told(&ranges(&world, third).await), []);
    // Each begins where the one before ended.
    let head = world.store.head(&ab).await.unwrap().unwrap();
    assert_eq!(
        (of_second[0].head, of_second[0].frontier.root()),
        (head.head, head.frontier.root())
    );
    assert_eq!(of_second[0].head_after, of_first[0].head);
    assert_eq!(of_second[0].frontier_after.root(), of_first[0].frontier.root());
    for (window, range) in [(first, &of_first[0]), (second, &of_second[0])] {
        let page = world.store.receipts(&ab, range.after, 10).await.unwrap();
        for stored in page.iter().filter(|stored| stored.seq <= range.seq) {
            assert_eq!(receipt::parse(&stored.payload).unwrap().window, window);
        }
    }
    let all = world.store.windows(u64::MAX, 3).await.unwrap();
    let numbers: Vec<u64> = all.iter().map(|window| window.number).collect();
    assert_eq!((numbers, all[0].state), (vec![4, 3, 2], WindowState::Open));
}

pub async fn a_window_is_closed_once_for_each_time_of_the_schedule(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let slot = world.now.plus_seconds(-1);
    let order = |window, next, slot| {
        let today = name("2026-11-23");
        Command::CloseWindow(Box::new(CloseWindow { window, next, slot, by: None, today }))
    };
    let first = world.registry().await.window;
    let (second, third, fourth) = (world.id(), world.id(), world.id());
    let closed = world.decide(vec![order(first, second, Some(slot))]).await;
    assert_eq!(closed, [Outcome::Done(1)]);
    // Another gateway, late: the window is another one; and one that has seen it, for that time.
    for late in [order(first, third, Some(slot)), order(second, third, Some(slot))] {
        assert_eq!(world.decide(vec![late]).await, [Outcome::Done(0)]);
    }
    assert_eq!(world.registry().await.window, second);
    // By hand meanwhile: the next time of the schedule closes the window after.
    let by_hand = world.decide(vec![order(second, third, None)]).await;
    assert_eq!(by_hand, [Outcome::Done(1)]);
    let again = world.decide(vec![order(third, fourth, Some(slot))]).await;
    assert_eq!(again, [Outcome::Done(0)], "that time has had its window");
    let next = slot.plus_seconds(60);
    assert_eq!(world.decide(vec![order(third, fourth, Some(next))]).await, [Outcome::Done(1)]);
}

pub async fn what_a_window_comes_to_is_kept_once_and_what_it_carries_opens_the_next(place: &Place) {
    let mut world = World::new(place.open().await).await;
    world.perform(0, 1, 0).await;
    let other = world.exchange(2, 0, 1, 1_003).await;
    assert!(matches!(world.decide(vec![other]).await[..], [Outcome::Transaction(_)]));
    let first = close(&mut world).await;
    let second = close(&mut world).await;
    // In their order.
    let order = NetWindow { window: second, netted: worked_out(&world, first).await };
    let early = world.decide(vec![Command::NetWindow(Box::new(order))]).await;
    let refused = SettlementFault::EarlierFirst { before: 1 };
    assert_eq!(early, [Outcome::SettlementRefused(refused)]);
    let netted = net(&mut world, first).await;
    assert_eq!(state(&world, first).await, WindowState::Netted);
    assert_eq!(sums(&world, first).await, [0; 5]);
    let lines = world.store.window_lines(first).await.unwrap();
    assert_eq!(lines, netted.settlement.lines);
    assert!(lines.iter().any(|line| !line.carried.is_zero()), "a residual: {lines:?}");
    let payments = world.store.payments(first).await.unwrap();
    assert!(!payments.is_empty());
    let instructions: Vec<_> = payments.iter().map(|one| one.instruction.clone()).collect();
    assert_eq!(instructions, netted.instructions);
    let certificate = world.store.window_document(first, "certificate").await.unwrap().unwrap();
    let bytes = alliance_contracts::json::canonical(&netted.certificate);
    assert_eq!(certificate.document, bytes);
    let names = world.store.window_documents(first, "carried", 9).await.unwrap();
    assert_eq!(names.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["certificate"]);
    // The same again is the same, and not done again.
    assert_eq!(worked_out(&world, first).await, netted);
    let again = NetWindow { window: first, netted };
    let before = world.picture().await;
    let done = world.decide(vec![Command::NetWindow(Box::new(again.clone()))]).await;
    assert_eq!((done, world.picture().await), (vec![Outcome::Done(0)], before));
    let mut twice = world.prepare(Vec::new()).await;
    let line = again.netted.settlement.lines[0].clone();
    let line = crate::ledger::working_set::WindowLine { window: first, settled: line };
    let record = world.registry().await.window_of(&first).unwrap().clone();
    twice.writes.windows.insert(first, record);
    twice.writes.window_lines.push(line);
    world.contradicts(twice).await;
    // An empty one, of what the first carries.
    let carried = net(&mut world, second).await;
    let opened = world.store.window_lines(second).await.unwrap();
    for (before, after) in lines.iter().zip(&opened) {
        assert_eq!((&before.party, before.carried), (&after.party, after.opening));
        assert_eq!((after.payment.micros(), after.carried), (0, before.carried));
    }
    assert!(carried.instructions.is_empty());
    assert_eq!(state(&world, second).await, WindowState::Netted, "the first is not on its way");
    agree(&mut world, SettlementAction::Release { window: first }).await;
    assert_eq!(state(&world, first).await, WindowState::Settling);
    assert_eq!(state(&world, second).await, WindowState::Settled, "nothing is paid");
    let left: Vec<u64> = world.registry().await.windows.iter().map(|w| w.number).collect();
    assert_eq!(left, [1, 3], "what is settled is over");
}

pub async fn what_a_bank_says_is_taken_in_once_and_settles_the_window(place: &Place) {
    let mut world = World::new(place.open().await).await;
    world.perform(0, 1, 0).await;
    let window = close(&mut world).await;
    net(&mut world, window).await;
    agree(&mut world, SettlementAction::Release { window }).await;
    let mut payments = world.store.payments(window).await.unwrap();
    for payment in &mut payments {
        payment.counted.sent = payment.instruction.amount.into();
    }
    let of_partner = |payment: &&crate::payments::matching::Tracked| {
        payment.instruction.debtor.as_str().parse::<PartnerId>().is_ok()
    };
    let payment = payments.iter().find(of_partner).unwrap().clone();
    let debtor: PartnerId = name(payment.instruction.debtor.as_str());
    let micros = i64::try_from(payment.instruction.amount).unwrap() * 10_000;
    let own = Account::Position(debtor.clone());
    let position = |accounts: Vec<crate::ledger::AccountBalance>| {
        accounts.into_iter().find(|a| a.account == own).unwrap().balance
    };
    let owed = position(world.store.accounts().await.unwrap());
    let adjustment = NewAdjustment {
        transaction: world.id(),
        request: world.id(),
        partner: debtor.clone(),
        adjustment: Adjustment {
            cause: AdjustmentCause::Payment,
            inputs: Hash::of(b"entry"),
            subject: window.to_string(),
        },
        postings: vec![Posting {
            amount: alliance_contracts::decimal::Decimal::from_micros(micros).unwrap(),
            asset: Asset::Currency(name("CNY")),
            credit: own.clone(),
            debit: Account::Bank,
        }],
        reference: name("a payment"),
    };
    let file = BankFile {
        hash: Hash::of(b"file"),
        name: "camt.053.xml".into(),
        by: name("ann"),
        at: world.now,
        entries: 1,
    };
    let entry = BankEntryRow {
        key: Hash::of(b"entry"),
        file: file.hash,
        place: 1,
        payment: Some(payment.instruction.end_to_end_id),
        became: "paid".into(),
        entry: "{}".into(),
    };
    let based_on = world.registry().await.seen_version;
    let order = ImportBank {
        file: file.clone(),
        entries: vec![entry.clone()],
        payments: payments.clone(),
        paid: vec![window],
        adjustments: vec![adjustment],
        based_on,
    };
    let stale = ImportBank { based_on: based_on - 1, ..order.clone() };
    let stale = world.decide(vec![Command::ImportBank(Box::new(stale))]).await;
    assert_eq!(stale, [Outcome::SettlementStale]);
    let done = world.decide(vec![Command::ImportBank(Box::new(order.clone()))]).await;
    assert_eq!(done, [Outcome::Done(1)]);
    assert_eq!(state(&world, window).await, WindowState::Settled);
    assert_eq!(world.store.payments(window).await.unwrap(), payments);
    assert_eq!(world.store.bank_file(file.hash).await.unwrap(), Some(file.clone()));
    assert_eq!(world.store.bank_file(Hash::ZERO).await.unwrap(), None);
    let keys = [entry.key, Hash::ZERO];
    assert_eq!(world.store.bank_entries(&keys).await.unwrap(), std::slice::from_ref(&entry));
    let of_file = world.store.bank_file_entries(file.hash, 0, 9).await.unwrap();
    assert_eq!(of_file, [entry]);
    // It owes less by what it has paid, in a receipt of its own.
    let after = position(world.store.accounts().await.unwrap());
    assert_eq!(after - owed, i128::from(micros));
    let own = Corridor::with_alliance(&debtor);
    let receipts = world.store.receipts(&own, 0, 10).await.unwrap();
    let told = receipt::parse(&receipts.last().unwrap().payload).unwrap();
    let cause = told.adjustment.as_ref().map(|made| made.cause);
    assert_eq!(
        (cause, told.window),
        (Some(AdjustmentCause::Payment), world.registry().await.window)
    );
    let detail = world.store.transaction(told.transaction).await.unwrap().unwrap();
    assert_eq!(
        (detail.record.caller.as_str(), detail.record.adjustment),
        ("alliance", told.adjustment)
    );
    // The file again, and its entry in another.
    for other in [file.hash, Hash::of(b"another")] {
        let mut again = world.prepare(Vec::new()).await;
        again.writes.bank_file = Some(BankFile { hash: other, ..file.clone() });
        again.writes.bank_entries.clone_from(&order.entries);
        world.contradicts(again).await;
    }
}

pub async fn the_obligations_of_a_window_that_is_aborted_join_the_next(place: &Place) {
    let mut world = World::new(place.open().await).await;
    world.perform(0, 1, 0).await;
    let first = close(&mut world).await;
    let alone = worked_out(&world, first).await;
    net(&mut world, first).await;
    world.perform(0, 1, 1).await;
    let second = close(&mut world).await;
    world.perform(0, 1, 2).await;
    let third = close(&mut world).await;
    let abort = |window| SettlementAction::Abort { window, why: "a partner disputes it".into() };
    // What was netted on it stands on it.
    net(&mut world, second).await;
    let rests = world.decide(vec![propose(abort(first), "ann")]).await;
    let refused = SettlementFault::LaterRests { number: 1, later: 2 };
    assert_eq!(rests, [Outcome::SettlementRefused(refused)]);
    agree(&mut world, abort(second)).await;
    agree(&mut world, abort(first)).await;
    for window in [first, second] {
        let record = world.store.window(window).await.unwrap().unwrap();
        assert_eq!((record.state, record.carried_into), (WindowState::Aborted, Some(third)));
        assert_eq!(record.ended_at, None);
    }
    let netted = net(&mut world, third).await;
    assert_eq!(netted.certificate.carried, [first, second]);
    assert_eq!(sums(&world, third).await, [0; 5]);
    let net_of = |netted: &NettedWindow| netted.line(&name(BRANDS[0].0)).unwrap().net.micros();
    assert_eq!(net_of(&netted), 3 * net_of(&alone), "three equal orders");
    agree(&mut world, SettlementAction::Release { window: third }).await;
    // A file that says all is paid.
    let mut payments = world.store.payments(third).await.unwrap();
    for payment in &mut payments {
        payment.counted.received = payment.instruction.amount.into();
    }
    let order = ImportBank {
        file: BankFile {
            hash: Hash::of(b"paid"),
            name: "paid".into(),
            by: name("ann"),
            at: world.now,
            entries: 0,
        },
        entries: Vec::new(),
        payments,
        paid: vec![third],
        adjustments: Vec::new(),
        based_on: world.registry().await.seen_version,
    };
    world.decide(vec![Command::ImportBank(Box::new(order))]).await;
    for window in [first, second, third] {
        let record = world.store.window(window).await.unwrap().unwrap();
        assert!(record.ended_at.is_some(), "{record:?}");
    }
    assert_eq!(state(&world, first).await, WindowState::Aborted);
    assert_eq!(world.registry().await.windows.len(), 1, "the open one");
}

pub async fn what_follows_from_a_window_is_posted_once_in_the_open_one(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let mut definition = world.definition();
    definition.revenue = vec![
        serde_json::from_value(serde_json::json!({
            "a": BRANDS[0].0, "b": BRANDS[1].0, "share": "0.5",
            "split": {"contribution": {"source": "0.6", "target": "0.4"}}
        }))
        .unwrap(),
    ];
    let window = world.id();
    let define = Define { definition, window };
    assert_eq!(world.decide(vec![Command::Define(Box::new(define))]).await, [Outcome::Done(1)]);
    world.perform(0, 1, 0).await;
    let window = close(&mut world).await;
    let netted = net(&mut world, window).await;
    assert_eq!(netted.to_post.len(), 2);
    let release = SettlementAction::Release { window };
    let early = world.decide(vec![propose(release.clone(), "ann")]).await;
    assert!(matches!(early[..], [Outcome::SettlementRefused(SettlementFault::State { .. })]));
    let mut adjustments = Vec::new();
    for (name_of, document) in &netted.to_post {
        let posts = to_post(name_of, document).unwrap();
        let amount = i64::try_from(posts.amount.micros()).unwrap();
        adjustments.push(NewAdjustment {
            transaction: world.id(),
            request: world.id(),
            partner: posts.partner.clone(),
            adjustment: Adjustment {
                cause: posts.cause,
                inputs: Hash::of(document),
                subject: window.to_string(),
            },
            postings: vec![Posting {
                amount: alliance_contracts::decimal::Decimal::from_micros(amount).unwrap(),
                asset: Asset::Currency(name("CNY")),
                credit: Account::Position(posts.partner),
                debit: Account::Fees,
            }],
            reference: name(&format!("{window}/{name_of}")),
        });
    }
    let order = PostAdjustments { window, left: 2, adjustments };
    let halves = [(2, 0), (1, 1)].map(|(left, at)| {
        let adjustments = vec![order.adjustments[at].clone()];
        Command::PostAdjustments(Box::new(PostAdjustments { window, left, adjustments }))
    });
    for half in &halves {
        assert_eq!(world.decide(vec![half.clone()]).await, [Outcome::Done(1)]);
        // Another gateway, with the same.
        assert_eq!(world.decide(vec![half.clone()]).await, [Outcome::SettlementStale]);
    }
    let record = world.store.window(window).await.unwrap().unwrap();
    assert_eq!(record.to_post, Some(0));
    let open = world.registry().await.window;
    for (brand, _) in &BRANDS[..2] {
        let own = Corridor::with_alliance(&name(brand));
        let receipts = world.store.receipts(&own, 0, 10).await.unwrap();
        assert_eq!(receipts.len(), 1, "{brand}");
        assert_eq!(receipt::parse(&receipts[0].payload).unwrap().window, open);
    }
    agree(&mut world, release).await;
}

pub async fn who_proposes_a_release_never_approves_it(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let first = close(&mut world).await;
    let why = "a mistake".to_owned();
    let action = SettlementAction::Abort { window: first, why };
    let number = world.decide(vec![propose(action.clone(), "ann")]).await;
    assert_eq!(number, [Outcome::Proposal(1)]);
    let again = world.decide(vec![propose(action.clone(), "ann")]).await;
    assert_eq!(again, [Outcome::Proposal(1)], "the same is found again");
    let kept = world.store.settlement_proposals(9, 9).await.unwrap().remove(0);
    for number in [1, 2] {
        let mut prepared = world.prepare(Vec::new()).await;
        let (by, at) = (Some(name("ann")), Some(world.now));
        let own = crate::windows::SettlementProposal {
            number,
            approved_by: by,
            approved_at: at,
            ..kept.clone()
        };
        prepared.writes.settlement_proposals.insert(number, own);
        world.contradicts(prepared).await;
    }
    let withdrawn = world.decide(vec![Command::WithdrawSettlement(1, name("bob"))]).await;
    assert_eq!(withdrawn, [Outcome::Proposal(1)]);
    let late = world.decide(vec![Command::ApproveSettlement(1, name("bob"))]).await;
    assert_eq!(late, [Outcome::SettlementRefused(SettlementFault::NoSuchProposal(1))]);
    assert_eq!(world.decide(vec![propose(action, "bob")]).await, [Outcome::Proposal(2)]);
}
