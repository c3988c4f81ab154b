//! The audit of what the ledger has done: every byte that is kept counts (threat T30).

use alliance_contracts::ids::WindowId;
use alliance_contracts::key_list::{Jwk, KeyStatement, TrustedKeys};
use alliance_contracts::merkle::{self, Frontier};
use alliance_contracts::total::Total;
use alliance_contracts::window::WindowState;

use super::*;
use crate::audit::{Auditor, Finding, Placed, Ranged};
use crate::ledger::FlowRow;
use crate::payments::rounding::Settled;
use crate::receipts::{KEPT_LEVEL_STEP, StoredReceipt};
use crate::windows::WindowRecord;

const CORRIDOR: &str = "aurora-air~borealis-coffee";
const WINDOW: &str = "win_01h455vb4pex5vsknk084sn02q";

pub(super) fn gateway() -> SigningKey {
    SigningKey::from_seed(&[9; 32])
}

pub(super) fn keys() -> TrustedKeys {
    let (root, previous) = (SigningKey::from_seed(&[8; 32]), Hash::ZERO);
    let keys = vec![Jwk::new(gateway().public_key(), None)];
    let statement = KeyStatement { alliance: "demo".to_owned(), keys, number: 1, previous };
    statement.publish(&root).verify(root.public_key()).unwrap()
}

/// A chain of so many orders, and the head that the ledger keeps of it.
fn chain(orders: usize) -> (World, Vec<StoredReceipt>, ChainHead) {
    let mut world = World::new();
    world.set.members.get_mut(&MemberNo(1)).unwrap().balance = 10_000;
    definition_of(&mut world).partners[0].net_debit_cap = None;
    for _ in 0..orders {
        accepted(&world.order("4"));
    }
    let mut receipts = receipts::chain(&mut world.set, NOW, gateway().kid());
    receipts::sign(&mut receipts, &gateway());
    let corridor: Corridor = CORRIDOR.parse().unwrap();
    let head = world.set.heads[&corridor].clone();
    (world, receipts, head)
}

fn placed() -> Placed {
    Placed { members: [Some(MemberNo(1)), Some(MemberNo(2))], decided_at: Some(NOW) }
}

/// What the audit finds in the chain alone.
fn findings(receipts: &[StoredReceipt], head: &ChainHead) -> Vec<Finding> {
    let (definition, keys) = (definition(), keys());
    let mut auditor = Auditor::new(&definition, &keys);
    auditor.open_window(WINDOW.parse().unwrap());
    for receipt in receipts {
        auditor.receipt(receipt, &placed());
    }
    auditor.head(&CORRIDOR.parse().unwrap(), head.seq, head.head, head.frontier.root());
    let of_chain = |f: &Finding| f.place.starts_with("receipt") || f.place.starts_with("corridor");
    auditor.finish(&[]).1.into_iter().filter(of_chain).collect()
}

#[test]
fn every_flipped_byte_of_a_stored_receipt_is_found_and_its_place_named() {
    let (_, receipts, head) = chain(2);
    assert_eq!(findings(&receipts, &head), []);
    for at in 0..receipts.len() {
        let expected = format!("receipt {CORRIDOR} {}", at + 1);
        let named = |changed: &[StoredReceipt], byte: usize| {
            let first = findings(changed, &head).into_iter().next().expect("a flip was missed");
            assert_eq!(first.place, expected, "byte {byte}: {}", first.finding);
        };
        let mut changed = receipts.clone();
        for byte in 0..receipts[at].payload.len() {
            changed[at].payload[byte] ^= 1;
            named(&changed, byte);
            changed[at].payload[byte] ^= 1;
        }
        for byte in 0..64 {
            changed[at].signature[byte] ^= 1;
            named(&changed, byte);
            changed[at].signature[byte] ^= 1;
        }
    }
}

#[test]
fn every_flipped_byte_of_a_kept_tree_node_is_found_and_its_place_named() {
    let (world, receipts, head) = chain(513);
    let kept: Vec<Hash> = world.set.writes.nodes.iter().map(|node| node.hash).collect();
    let (definition, keys) = (definition(), keys());
    let mut auditor = Auditor::new(&definition, &keys);
    auditor.open_window(WINDOW.parse().unwrap());
    for receipt in &receipts {
        auditor.receipt(receipt, &placed());
    }
    assert_eq!(auditor.kept_levels(), [(KEPT_LEVEL_STEP, 2)]);
    auditor.nodes(KEPT_LEVEL_STEP, &kept);
    let wrong = [vec![kept[0]], vec![kept[1], kept[0]], [kept.clone(), vec![Hash::ZERO]].concat()];
    wrong.iter().for_each(|nodes| auditor.nodes(KEPT_LEVEL_STEP, nodes));
    for (at, byte) in (0..2).flat_map(|at| (0..32).map(move |byte| (at, byte))) {
        let mut changed = kept.clone();
        let mut bytes = *kept[at].as_bytes();
        bytes[byte] ^= 1;
        changed[at] = bytes.into();
        auditor.nodes(KEPT_LEVEL_STEP, &changed);
    }
    auditor.head(&CORRIDOR.parse().unwrap(), head.seq, head.head, head.frontier.root());
    let found: Vec<String> = auditor
        .finish(&[])
        .1
        .into_iter()
        .filter(|finding| finding.place == format!("corridor {CORRIDOR}"))
        .map(|finding| finding.finding)
        .collect();
    let text = |at: usize| format!("the kept node {at} of level 8 is not its tree's");
    let flips = [vec![text(0); 32], vec![text(1); 32]].concat();
    assert_eq!(found, [vec![text(1), text(0), text(2)], flips].concat());
}

#[test]
fn a_head_that_is_not_the_end_of_its_receipts_is_found() {
    let (_, receipts, head) = chain(3);
    let place = format!("corridor {CORRIDOR}");
    let cut = findings(&receipts[..2], &head);
    assert_eq!(cut.len(), 2, "head and tree");
    assert!(cut.iter().all(|finding| finding.place == place));
    let other = ChainHead { head: Hash::ZERO, ..head.clone() };
    assert_eq!(findings(&receipts, &other).len(), 1);
    let shorter = ChainHead { seq: 2, ..head };
    assert_eq!(findings(&receipts, &shorter).len(), 1);
}

#[test]
fn a_flow_that_is_not_what_its_orders_and_reversals_come_to_is_named() {
    let (mut world, mut receipts, _) = chain(3);
    let original = receipts[0].transaction;
    let outcome = world.reverse("borealis-coffee", original, None);
    assert!(matches!(outcome, Outcome::Transaction(_)), "{outcome:?}");
    let mut back = receipts::chain(&mut world.set, NOW, gateway().kid());
    receipts::sign(&mut back, &gateway());
    receipts.extend(back);
    let flows = &world.set.writes.flows;
    let rows = flows.iter().map(|((source, target), flow)| FlowRow {
        source: source.clone(),
        target: target.clone(),
        flow: *flow,
    });
    let rows: Vec<FlowRow> = rows.collect();
    assert_eq!(rows.len(), 1, "of one direction");
    assert!(rows[0].flow.exchanged > 0);
    let found = |rows: &[FlowRow]| -> Vec<Finding> {
        let (definition, keys) = (definition(), keys());
        let mut auditor = Auditor::new(&definition, &keys);
        auditor.open_window(WINDOW.parse().unwrap());
        for receipt in &receipts {
            auditor.receipt(receipt, &placed());
        }
        rows.iter().for_each(|row| auditor.flow(row));
        auditor.finish(&[]).1.into_iter().filter(|f| f.place.starts_with("flow")).collect()
    };
    assert_eq!(found(&rows), []);
    let place = format!("flow {} to {}", rows[0].source, rows[0].target);
    for by in [-1, 1] {
        let mut changed = rows.clone();
        changed[0].flow.exchanged += by;
        let findings = found(&changed);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].place, place);
    }
    let turned =
        FlowRow { source: rows[0].target.clone(), target: rows[0].source.clone(), ..rows[0] };
    assert_eq!(found(&[turned]).len(), 2, "one that has no orders, and one that is missing");
    assert_eq!(found(&[]).len(), 1, "{place} is missing");
}

#[test]
fn a_receipt_outside_its_window_and_lines_that_are_not_its_receipts_are_found() {
    let (_, receipts, head) = chain(3);
    let window: WindowId = WINDOW.parse().unwrap();
    let (first, other) = (Hash::of(&receipts[0].payload), WindowId::from_u128(7));
    let root = |count: usize| {
        let mut tree = Frontier::new();
        receipts[..count].iter().for_each(|r| tree.push(merkle::leaf_hash(&r.payload)));
        tree.root()
    };
    let range = |window, after, seq, head, root| Ranged { window, after, seq, head, root };
    let line = |party: &str, activity: i128, carried: i128| Settled {
        party: party.parse().unwrap(),
        opening: Total::ZERO,
        activity: Total::from_micros(activity),
        net: Total::from_micros(activity),
        payment: Total::from_micros(activity - carried),
        carried: Total::from_micros(carried),
    };
    let found = |ranges: &[Ranged], lines: &[Settled]| -> Vec<String> {
        let (definition, keys) = (definition(), keys());
        let mut auditor = Auditor::new(&definition, &keys);
        auditor.open_window(other);
        auditor.ranges(ranges.iter().copied());
        receipts.iter().for_each(|receipt| auditor.receipt(receipt, &placed()));
        let mut record = WindowRecord::open(window, 1, "CNY".parse().unwrap(), NOW, None);
        record.state = WindowState::Netted;
        auditor.windows(&[(record, lines.to_vec())]);
        let of_windows = |f: &Finding| f.finding.contains("window") || f.place.contains("window");
        let found = auditor.finish(&[]).1.into_iter().filter(of_windows);
        found.map(|f| format!("{}: {}", f.place, f.finding)).collect()
    };
    let whole = [range(window, 0, 3, head.head, root(3))];
    // Three orders of 20 miles at 0.05: a fee of 0.01 each.
    let owed = {
        let (_, receipts, _) = chain(1);
        let receipt = receipt::parse(&receipts[0].payload).unwrap();
        let settlement = receipt.settlement.unwrap();
        let micros = |amount: Decimal| i128::from(amount.micros());
        let alliance = micros(settlement.fee) + micros(settlement.remainder);
        [micros(settlement.net) * 3, alliance * 3]
    };
    let lines = |change: i128| {
        let (a, b) = CORRIDOR.split_once('~').unwrap();
        vec![
            line("alliance", owed[1], 0),
            line(a, -owed[0] - owed[1], 0),
            line(b, owed[0] + change, 0),
        ]
    };
    assert_eq!(found(&whole, &lines(0)), [""; 0]);
    // What the table holds: nothing of it may be otherwise.
    let two = [range(window, 0, 1, first, root(1)), range(other, 1, 3, head.head, root(3))];
    let cases: [(&[Ranged], Vec<Settled>, &str); 6] = [
        (&[], lines(0), "in another window"),
        (&two, lines(0), "in another window"),
        (&[range(window, 0, 3, first, root(3))], lines(0), "is not the end"),
        (&[range(window, 0, 3, head.head, first)], lines(0), "is not the end"),
        (&whole, lines(1), "its receipts come to"),
        (&whole, Vec::new(), "has no lines"),
    ];
    for (ranges, lines, named) in cases {
        let found = found(ranges, &lines);
        assert!(found.iter().any(|finding| finding.contains(named)), "{named}: {found:?}");
    }
}
