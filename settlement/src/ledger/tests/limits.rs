//! Edges: the last point, the largest balance, the states in between, the tree's kept nodes.

use alliance_contracts::merkle;

use super::*;
use crate::receipts::{KEPT_LEVEL_STEP, TreeNode};

const WHOLE: i64 = 1_000_000_000_000;

#[test]
fn a_balance_reaches_10_to_the_12_and_never_passes_it() {
    for (before, taken) in [(WHOLE - 50, true), (WHOLE - 49, false), (i64::MAX, false)] {
        let mut world = World::new();
        world.set.members.get_mut(&MemberNo(2)).unwrap().balance = before;
        // A hundred points of 0.05 bring less than fifty of 0.1.
        let mut terms = world.terms(("aurora", "A-1"), ("borealis", "B-1"), "100");
        terms.target.account_mut().unwrap().amount = 50;
        let decided = world.exchange("aurora-air", "k", "r", Quoted::Open(Box::new(terms)));
        if taken {
            accepted(&decided);
            assert_eq!(world.balance(2), WHOLE);
            continue;
        }
        assert_eq!(decided.outcome, refused(ProblemCode::AmountOutOfRange));
        assert_eq!((world.balance(1), world.balance(2)), (1_000, before), "nothing was posted");
        assert!(world.set.writes.balances.is_empty() && world.set.writes.accounts.is_empty());
        assert!(world.set.drafts.is_empty());
    }
}

#[test]
fn the_last_point_can_be_given_and_none_beyond_it() {
    let mut world = World::new();
    world.set.members.get_mut(&MemberNo(1)).unwrap().balance = 99;
    assert_eq!(world.order("100").outcome, refused(ProblemCode::InsufficientPoints));
    world.set.members.get_mut(&MemberNo(1)).unwrap().balance = 100;
    accepted(&world.order("100"));
    assert_eq!(world.balance(1), 0);
}

#[test]
fn points_issued_are_counted_against_their_program() {
    let mut world = World::new();
    accepted(&world.order("100"));
    let issued = |program: &str| {
        let program: ProgramId = program.parse().unwrap();
        world.set.account(&Account::Issued(program.clone()), &Asset::Program(program))
    };
    assert_eq!((issued("aurora"), issued("borealis")), (100, -49));
    let mut world = World::new();
    let terms = world.terms(("cedar", "C-1"), ("borealis", "B-1"), "10.5");
    accepted(&world.exchange("cedar-hotels", "k", "r", Quoted::Open(Box::new(terms))));
    let cedar: ProgramId = "cedar".parse().unwrap();
    let place = (Account::Issued(cedar.clone()), Asset::Program(cedar));
    assert_eq!(world.set.account(&place.0, &place.1), 1_050, "in minor units of the program");
    assert_eq!(world.set.writes.accounts.get(&place), Some(&1_050));
}

#[test]
fn a_refusal_that_decides_nothing_leaves_the_key_free() {
    let mut world = World::new();
    let id = accepted(&world.order("1000"));
    let reverse = |world: &mut World, value: &str| {
        let keyed = world.keyed("aurora-air", "one-key", value);
        let order = Reverse {
            transaction: world.draw(),
            original: id,
            corridor: "aurora-air~borealis-coffee".parse().unwrap(),
            members: vec![MemberNo(1), MemberNo(2)],
            amount: Some(SideAmount { side: Side::Source, value: value.parse().unwrap() }),
            reason: "customer_request".parse().unwrap(),
            source_reference: "reversal".parse().unwrap(),
        };
        decide(&mut world.set, &Command::Reverse(keyed, order), NOW).outcome
    };
    let keys = world.set.writes.keys.len();
    assert_eq!(reverse(&mut world, "1.5"), refused(ProblemCode::Malformed));
    assert_eq!(world.set.writes.keys.len(), keys);
    assert!(matches!(reverse(&mut world, "1"), Outcome::Transaction(_)));
    assert_eq!(world.set.writes.keys.len(), keys + 1);
}

#[test]
fn a_frozen_member_of_the_other_brand_looks_like_no_link() {
    // Borealis asks: aurora's member is the other brand's, whichever side it stands on.
    for (frozen, code) in [(1, ProblemCode::MembersNotLinked), (2, ProblemCode::MemberFrozen)] {
        let mut world = World::new();
        world.set.members.get_mut(&MemberNo(frozen)).unwrap().frozen = true;
        let terms = world.terms(("aurora", "A-1"), ("borealis", "B-1"), "100");
        let decided = world.exchange("borealis-coffee", "k", "r", Quoted::Open(Box::new(terms)));
        assert_eq!(decided.outcome, refused(code));
    }
}

#[test]
fn a_reversal_is_refused_where_the_askers_own_member_is_frozen() {
    let rows = [
        ("aurora-air", 1, Some(ProblemCode::MemberFrozen)),
        ("borealis-coffee", 2, Some(ProblemCode::MemberFrozen)),
        ("aurora-air", 2, None),
        ("borealis-coffee", 1, None),
    ];
    for (partner, frozen, code) in rows {
        let mut world = World::new();
        let id = accepted(&world.order("100"));
        world.set.members.get_mut(&MemberNo(frozen)).unwrap().frozen = true;
        let outcome = world.reverse(partner, id, None);
        match code {
            Some(code) => assert_eq!(outcome, refused(code), "{partner} {frozen}"),
            None => assert!(matches!(outcome, Outcome::Transaction(_)), "{partner} {frozen}"),
        }
    }
}

#[test]
fn only_what_is_completed_can_be_turned_round() {
    let rows = [
        (TransactionState::Pending, false),
        (TransactionState::Failed, false),
        (TransactionState::Completed, true),
        (TransactionState::PartiallyReversed, true),
    ];
    for (state, reversible) in rows {
        let mut world = World::new();
        let id = accepted(&world.order("100"));
        world.set.transactions.get_mut(&id).unwrap().state = state;
        let outcome = world.reverse("borealis-coffee", id, None);
        let expected = refused(ProblemCode::KindNotAllowed);
        assert_eq!(outcome != expected, reversible, "{state:?}: {outcome:?}");
    }
}

#[test]
fn a_reference_is_used_once_by_reversals_too() {
    let mut world = World::new();
    let id = accepted(&world.order("100"));
    let name = format!("reversal-{}", world.drawn);
    world.set.references.insert(("aurora-air".parse().unwrap(), name.parse().unwrap()));
    assert_eq!(world.reverse("aurora-air", id, None), refused(ProblemCode::DuplicateReference));
}

#[test]
fn an_original_is_reversed_only_when_both_its_sides_are() {
    let mut world = World::new();
    let id = accepted(&world.order("1000"));
    // 999 of 1,000 points back need all of the 495 that arrived: the last one is still to come.
    let most = Some((Side::Source, "999"));
    assert!(matches!(world.reverse("borealis-coffee", id, most), Outcome::Transaction(_)));
    let original = world.set.transaction(&id).unwrap();
    assert_eq!((original.reversed.source, original.reversed.target), (999, 495));
    assert_eq!(original.state, TransactionState::PartiallyReversed);
    let written = (original.state, original.reversed);
    assert_eq!(world.set.writes.reversed.get(&id), Some(&written));
    assert!(matches!(world.reverse("borealis-coffee", id, None), Outcome::Transaction(_)));
    assert_eq!(world.set.transaction(&id).unwrap().state, TransactionState::Reversed);
}

#[test]
fn a_reversal_names_its_original_its_reason_and_who_owes_the_other_way_round() {
    let mut world = World::new();
    let id = accepted(&world.order("1000"));
    let ask = Some((Side::Target, "99"));
    assert!(matches!(world.reverse("borealis-coffee", id, ask), Outcome::Transaction(_)));
    let reversal = world.set.writes.transactions.last().unwrap();
    assert_eq!((reversal.kind, reversal.reverses), (TransactionKind::Reversal, Some(id)));
    assert_eq!(reversal.reason, Some("customer_request".parse().unwrap()));
    let settlement = reversal.settlement.as_ref().unwrap();
    assert_eq!(settlement.debtor.as_str(), "borealis-coffee");
    assert_eq!(settlement.creditor.as_str(), "aurora-air");
    let parts = [settlement.gross, settlement.net, settlement.fee, settlement.remainder];
    assert_eq!(parts.map(|part| part.to_string()), ["10", "9.9", "0.1", "0"]);
    assert_eq!(world.position("borealis-coffee"), 39_600_000);
    assert_eq!((world.money(Account::Fees), world.position("aurora-air")), (400_000, -40_000_000));
}

#[test]
fn the_root_of_every_256_receipts_is_kept_and_no_other() {
    let mut world = World::new();
    world.set.members.get_mut(&MemberNo(1)).unwrap().balance = 10_000;
    definition_of(&mut world).partners[0].net_debit_cap = None;
    let key = SigningKey::from_seed(&[9; 32]);
    for _ in 0..513 {
        accepted(&world.order("4"));
    }
    let receipts = receipts::chain(&mut world.set, NOW, key.kid());
    let leaves: Vec<Hash> = receipts.iter().map(|r| merkle::leaf_hash(&r.payload)).collect();
    let kept = |position: u64| {
        let start = usize::try_from(position).unwrap() * 256;
        TreeNode {
            corridor: "aurora-air~borealis-coffee".parse().unwrap(),
            level: KEPT_LEVEL_STEP,
            position,
            hash: merkle::root_of(&leaves[start..start + 256]),
        }
    };
    assert_eq!(world.set.writes.nodes, [kept(0), kept(1)]);
    let corridor: Corridor = "aurora-air~borealis-coffee".parse().unwrap();
    assert_eq!(world.set.heads[&corridor].frontier.root(), merkle::root_of(&leaves));
}

#[test]
fn every_place_in_the_chain_is_noted_with_its_transaction() {
    let mut world = World::new();
    let ids = [accepted(&world.order("10")), accepted(&world.order("10"))];
    let key = SigningKey::from_seed(&[9; 32]);
    let later = NOW.plus_seconds(5);
    let receipts = receipts::chain(&mut world.set, later, key.kid());
    for (seq, (id, receipt)) in (1..).zip(ids.iter().zip(&receipts)) {
        assert_eq!((receipt.seq, receipt.transaction), (seq, *id));
        let written = world.set.writes.transactions.iter().find(|t| t.id == *id).unwrap();
        for record in [written, world.set.transaction(id).unwrap()] {
            assert_eq!((record.seq, record.completed_at), (Some(seq), Some(later)));
        }
        assert_eq!(receipts::transaction_id(receipts::receipt_id(*id)), *id);
    }
    assert!(world.set.drafts.is_empty());
}

#[test]
fn a_consent_holds_to_its_last_millisecond() {
    for (until, allowed) in [(NOW, false), (Timestamp::from_millis(NOW.as_millis() + 1), true)] {
        let mut world = World::new();
        world.set.links.values_mut().for_each(|link| link.consent.until = Some(until));
        let outcome = world.order("10").outcome;
        assert_eq!(outcome != refused(ProblemCode::MembersNotLinked), allowed, "{outcome:?}");
    }
}

#[test]
fn a_member_gives_back_its_last_point_and_none_that_it_has_not() {
    for (left, taken) in [(495, true), (494, false)] {
        let mut world = World::new();
        let id = accepted(&world.order("1000"));
        world.set.members.get_mut(&MemberNo(2)).unwrap().balance = left;
        let outcome = world.reverse("borealis-coffee", id, None);
        if taken {
            assert!(matches!(outcome, Outcome::Transaction(_)), "{outcome:?}");
            assert_eq!(world.balance(2), 0);
        } else {
            assert_eq!(outcome, refused(ProblemCode::InsufficientPoints));
        }
    }
}

#[test]
fn a_reversal_counts_in_the_minor_units_of_each_program() {
    let mut world = World::new();
    let terms = world.terms(("borealis", "B-1"), ("cedar", "C-1"), "10");
    let quote = Quoted::Open(Box::new(terms.clone()));
    let id = accepted(&world.exchange("borealis-coffee", "k", "r", quote));
    // 10 × 0.1, less the fee, at 0.0723 a night: 13.48 of them.
    assert_eq!((terms.target.account().unwrap().amount, world.balance(3)), (1_348, 9_999 + 1_348));
    let reverse = |world: &mut World, value: &str| {
        let keyed = world.keyed("cedar-hotels", value, value);
        let order = Reverse {
            transaction: world.draw(),
            original: id,
            corridor: "borealis-coffee~cedar-hotels".parse().unwrap(),
            members: vec![MemberNo(2), MemberNo(3)],
            amount: Some(SideAmount { side: Side::Target, value: value.parse().unwrap() }),
            reason: "customer_request".parse().unwrap(),
            source_reference: value.parse().unwrap(),
        };
        decide(&mut world.set, &Command::Reverse(keyed, order), NOW).outcome
    };
    assert_eq!(reverse(&mut world, "0.001"), refused(ProblemCode::Malformed));
    assert!(matches!(reverse(&mut world, "3.48"), Outcome::Transaction(_)));
    let original = world.set.transaction(&id).unwrap();
    assert_eq!((original.reversed.source, original.reversed.target), (2, 348));
    assert_eq!((world.balance(2), world.balance(3)), (500 - 10 + 2, 9_999 + 1_000));
}
