//! Every receipt that the protocol's arithmetic makes is accepted, and none that is off by a
//! millionth.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

mod support;

use alliance_partner_sdk::contracts::arithmetic::{
    Amounts, ReversalAsk, Reversed, Terms, accrual, bonus, exchange_by_source, exchange_by_target,
    reversal,
};
use alliance_partner_sdk::contracts::decimal::Decimal;
use alliance_partner_sdk::contracts::encoding::Hash;
use alliance_partner_sdk::contracts::limits::MONEY_SCALE;
use alliance_partner_sdk::contracts::quote::{Bonus, FeeBearer, Rate, TransactionKind};
use alliance_partner_sdk::contracts::receipt::{Account, Asset, Receipt};
use alliance_partner_sdk::contracts::side::{ItemSide, SideOf};
use alliance_partner_sdk::verify::{TermsFault, check_terms};
use proptest::prelude::*;
use support::{of, with_amounts};

const BEARERS: [FeeBearer; 3] =
    [FeeBearer::Member, FeeBearer::SourcePartner, FeeBearer::TargetPartner];

fn terms() -> impl Strategy<Value = Terms> {
    let value = prop_oneof![1..10_i64, 1..200_000_i64, 1..10_000_000_i64, 1..1_000_000_000_000_i64];
    let fee = prop_oneof![Just(0), 0..100_000_i64, 0..999_999_i64];
    let multiplier = prop_oneof![Just(1_000_000), 1..=10_000_000_i64, 900_000..1_100_000_i64];
    let bearer = prop::sample::select(BEARERS.to_vec());
    let decimal = |micros| Decimal::from_micros(micros).unwrap();
    (0..=2_u32, value.clone(), 0..=2_u32, value, multiplier, fee, bearer).prop_map(
        move |(source_scale, source, target_scale, target, multiplier, fee, fee_bearer)| Terms {
            source_scale,
            source_value: decimal(source),
            target_scale,
            target_value: decimal(target),
            multiplier: decimal(multiplier),
            fee: decimal(fee),
            fee_bearer,
        },
    )
}

fn points() -> impl Strategy<Value = i64> {
    prop_oneof![1..10_i64, 1..10_000_i64, 1..1_000_000_000_i64, 1..1_000_000_000_000_i64]
}

fn receipt(terms: &Terms, amounts: &Amounts, reverses: bool) -> Receipt {
    with_amounts(4, Hash::of(b"before"), terms, amounts, reverses)
}

/// The amounts with one of them changed: each of these has to be found.
fn altered(amounts: &Amounts, by: i64) -> Vec<Amounts> {
    let with = |change: fn(&mut Amounts) -> &mut i64| {
        let mut other = *amounts;
        *change(&mut other) += by;
        other
    };
    let one = [
        with(|a| &mut a.gross),
        with(|a| &mut a.fee),
        with(|a| &mut a.net),
        with(|a| &mut a.remainder),
    ];
    // Two at once, so that the sum stays right.
    let shifted = |mut other: Amounts, from: fn(&mut Amounts) -> &mut i64| {
        *from(&mut other) -= by;
        other
    };
    let two = [
        shifted(one[1], |a| &mut a.remainder),
        shifted(one[2], |a| &mut a.remainder),
        shifted(one[1], |a| &mut a.net),
    ];
    let whole = |a: &Amounts| [a.gross, a.fee, a.net, a.remainder].iter().all(|part| *part >= 0);
    one.into_iter().chain(two).filter(whole).collect()
}

#[test]
fn within_one_partner_no_money_moves() {
    let free = Terms { fee: Decimal::ZERO, ..support::terms() };
    let mut own = receipt(&free, &exchange_by_source(&free, 1_000).unwrap(), false);
    of(&mut own.target).partner = own.source.partner().clone();
    own.corridor = "aurora-air~aurora-air".parse().unwrap();
    let settlement = own.settlement.take();
    own.postings.truncate(2);
    assert_eq!(check_terms(&own), Ok(()));
    assert!(check_terms(&Receipt { settlement, ..own.clone() }).is_err());
    // Points may be worth more to some members, and there is no fee that a partner could bear.
    let with = |change: fn(&mut Receipt)| {
        let mut other = own.clone();
        change(&mut other);
        check_terms(&other)
    };
    assert_eq!(with(|r| r.rate.fee = "0.01".parse().unwrap()), Err(TermsFault::Fee));
    assert_eq!(with(|r| r.rate.surcharge = "0.01".parse().unwrap()), Err(TermsFault::Surcharge));
    for bearer in &BEARERS[1..] {
        let mut other = own.clone();
        other.rate.fee_bearer = *bearer;
        assert_eq!(check_terms(&other), Err(TermsFault::Fee));
    }
    assert_eq!(with(|r| r.rate.multiplier = "1.1".parse().unwrap()), Err(TermsFault::Remainder));
    let raised = Terms { multiplier: "1.1".parse().unwrap(), ..free };
    let more = exchange_by_source(&raised, 1_000).unwrap();
    let more = receipt(&raised, &more, false);
    of(&mut own.target).amount = more.target.amount();
    own.rate = more.rate;
    own.postings[1].amount = own.target.amount();
    assert_eq!(check_terms(&own), Ok(()));
}

/// Terms of a redemption: an exchange for money, of which one is worth one.
fn for_money(terms: Terms) -> Terms {
    let (target_scale, target_value) = (MONEY_SCALE, Decimal::ONE);
    Terms { target_scale, target_value, multiplier: Decimal::ONE, ..terms }
}

/// The receipt of a redemption, or of a reversal of one; 2.5 of the price was paid in cash.
fn redeemed(terms: &Terms, whole: &Amounts, amounts: &Amounts, reverses: bool) -> Receipt {
    let mut made = receipt(terms, amounts, reverses);
    let target = of(&mut made.target).clone();
    let cash = "2.5".parse().unwrap();
    made.postings.retain(|line| line.asset != Asset::Program(target.program.clone()));
    made.target = SideOf::Item(ItemSide {
        amount: target.amount,
        cash,
        item: "latte".parse().unwrap(),
        partner: target.partner,
        price: Decimal::from_micros(whole.target + cash.micros()).unwrap(),
    });
    if !reverses {
        made.kind = TransactionKind::Redemption;
    }
    made
}

/// The receipt of an accrual, or of a reversal of one.
fn accrued(terms: &Terms, amounts: &Amounts, reverses: bool) -> Receipt {
    let mut made = receipt(terms, amounts, reverses);
    made.source = SideOf::Partner { partner: made.source.partner().clone() };
    made.rate = Rate::plain(1, terms.fee, Decimal::ONE, terms.target_value);
    if !reverses {
        made.kind = TransactionKind::Accrual;
    }
    made
}

fn a_redemption() -> Receipt {
    let terms = for_money(support::terms());
    let amounts = exchange_by_target(&terms, 10_000_000).unwrap();
    redeemed(&terms, &amounts, &amounts, false)
}

fn an_accrual() -> Receipt {
    let terms = support::terms();
    let amounts = accrual(terms.target_scale, terms.target_value, terms.fee, 20).unwrap();
    accrued(&terms, &amounts, false)
}

#[test]
fn a_side_that_is_not_its_kinds_is_refused() {
    let (redemption, accrual) = (a_redemption(), an_accrual());
    let exchange = support::receipt(1, Hash::ZERO);
    for good in [&redemption, &accrual, &exchange] {
        assert_eq!(check_terms(good), Ok(()));
    }
    for (receipt, kind) in [
        (&redemption, TransactionKind::Exchange),
        (&redemption, TransactionKind::Accrual),
        (&accrual, TransactionKind::Exchange),
        (&accrual, TransactionKind::Redemption),
        (&exchange, TransactionKind::Redemption),
        (&exchange, TransactionKind::Accrual),
    ] {
        let other = Receipt { kind, ..receipt.clone() };
        assert_eq!(check_terms(&other), Err(TermsFault::Sides));
    }
    let nobody = Receipt { target: accrual.source.clone(), ..accrual.clone() };
    assert_eq!(check_terms(&nobody), Err(TermsFault::Sides));
}

#[test]
fn what_a_kind_has_not_is_refused() {
    type Change = fn(&mut Receipt);
    let redemption = TransactionKind::Redemption;
    let accrual = TransactionKind::Accrual;
    fn item(receipt: &mut Receipt) -> &mut ItemSide {
        let SideOf::Item(item) = &mut receipt.target else { panic!("an item") };
        item
    }
    let twice = |r: &mut Receipt| r.rate.multiplier = "2".parse().unwrap();
    let surcharge = |r: &mut Receipt| r.rate.surcharge = "0.001".parse().unwrap();
    let rows: [(Receipt, Change, TermsFault); 12] = [
        (a_redemption(), twice, TermsFault::Rate(redemption)),
        (a_redemption(), surcharge, TermsFault::Rate(redemption)),
        (
            a_redemption(),
            |r| r.rate.target_value = "0.5".parse().unwrap(),
            TermsFault::Rate(redemption),
        ),
        (an_accrual(), twice, TermsFault::Rate(accrual)),
        (an_accrual(), surcharge, TermsFault::Rate(accrual)),
        (an_accrual(), |r| r.rate.source_value = "0.5".parse().unwrap(), TermsFault::Rate(accrual)),
        (an_accrual(), |r| r.rate.fee_bearer = FeeBearer::SourcePartner, TermsFault::Rate(accrual)),
        (a_redemption(), |r| r.bonus = with_bonus(false).bonus, TermsFault::Bonus),
        (a_redemption(), |r| item(r).cash = "2.500001".parse().unwrap(), TermsFault::Item),
        (a_redemption(), |r| item(r).price = "12.499999".parse().unwrap(), TermsFault::Item),
        (
            a_redemption(),
            |r| {
                item(r).price = "1000000000001".parse().unwrap();
                item(r).cash = "999999999991".parse().unwrap();
            },
            TermsFault::OutOfRange,
        ),
        (an_accrual(), |r| r.quote = None, TermsFault::References),
    ];
    for (row, (mut receipt, change, fault)) in rows.into_iter().enumerate() {
        change(&mut receipt);
        assert_eq!(check_terms(&receipt), Err(fault), "row {row}");
    }
}

/// A receipt with what a doubling campaign adds, or as its reversal takes it back.
fn with_bonus(reverses: bool) -> Receipt {
    let terms = support::terms();
    let amounts = exchange_by_source(&terms, 1_000).unwrap();
    let mut good = receipt(&terms, &amounts, reverses);
    let two = "2".parse().unwrap();
    let added = bonus(amounts.target, terms.target_scale, terms.target_value, two).unwrap();
    let bonus = Bonus {
        campaign: "cmp_01h455vb4pex5vsknk084sn02q".parse().unwrap(),
        cost: Decimal::from_micros(added.cost).unwrap(),
        points: Decimal::from_minor(added.points, terms.target_scale).unwrap(),
    };
    let mut points = good.postings[1].clone();
    points.amount = bonus.points;
    let mut cost = good.postings[2].clone();
    cost.amount = bonus.cost;
    let payer = if reverses { &mut cost.credit } else { &mut cost.debit };
    *payer = Account::Campaign(bonus.campaign);
    good.postings.extend([points, cost]);
    good.bonus = Some(bonus);
    good
}

#[test]
fn a_bonus_costs_what_it_is_worth_and_has_its_two_lines() {
    for reverses in [false, true] {
        let good = with_bonus(reverses);
        assert_eq!(check_terms(&good), Ok(()));
        let without = Receipt { bonus: None, ..good.clone() };
        assert!(matches!(check_terms(&without), Err(TermsFault::Posting { .. })));
        for at in good.postings.len() - 2..good.postings.len() {
            let mut other = good.clone();
            let line = &mut other.postings[at];
            std::mem::swap(&mut line.debit, &mut line.credit);
            assert_eq!(check_terms(&other), Err(TermsFault::Posting { at }));
            let mut shorter = good.clone();
            shorter.postings.remove(at);
            assert!(check_terms(&shorter).is_err());
        }
        let mut elsewhere = good.clone();
        elsewhere.bonus.as_mut().unwrap().campaign =
            "cmp_01h455vb4pex5vsknk084sn02r".parse().unwrap();
        assert!(check_terms(&elsewhere).is_err(), "another campaign's budget");
    }
    // A millionth more or less, with lines that fit.
    for by in [-1, 1] {
        let mut other = with_bonus(false);
        let cost = Decimal::from_micros(other.bonus.as_ref().unwrap().cost.micros() + by).unwrap();
        other.bonus.as_mut().unwrap().cost = cost;
        other.postings.last_mut().unwrap().amount = cost;
        assert_eq!(check_terms(&other), Err(TermsFault::Bonus));
    }
    let mut nothing = with_bonus(true);
    nothing.bonus.as_mut().unwrap().cost = Decimal::ZERO;
    nothing.postings.pop();
    assert_eq!(check_terms(&nothing), Ok(()), "of a small part the money may round to nothing");
    nothing.bonus.as_mut().unwrap().points = Decimal::ZERO;
    nothing.postings.pop();
    assert_eq!(check_terms(&nothing), Err(TermsFault::Bonus));
}

#[test]
fn a_fee_that_leaves_the_target_partner_nothing_is_refused() {
    let mut one = support::extended_receipt(1, Hash::ZERO);
    assert_eq!(one.rate.fee_bearer, FeeBearer::TargetPartner);
    assert_eq!(check_terms(&one), Ok(()));
    // 0.01 of either, worth 0.01, of which all is fee: sums and lines fit, and nobody is owed.
    let cent = "0.01".parse().unwrap();
    one.rate = Rate {
        fee_bearer: FeeBearer::TargetPartner,
        ..Rate::plain(1, "0.999999".parse().unwrap(), Decimal::ONE, Decimal::ONE)
    };
    (of(&mut one.source).amount, of(&mut one.target).amount) = (cent, cent);
    let s = one.settlement.as_mut().unwrap();
    (s.gross, s.fee, s.net, s.remainder) = (cent, cent, Decimal::ZERO, Decimal::ZERO);
    one.postings.drain(2..);
    assert_eq!(check_terms(&one), Err(TermsFault::Net));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        // Much of what is drawn comes to nothing, or to too much: that is no order.
        max_global_rejects: 100_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn exchanges_are_accepted_and_their_neighbours_refused(
        terms in terms(), points in points(), by_source: bool, up: bool,
    ) {
        let made = if by_source {
            exchange_by_source(&terms, points)
        } else {
            exchange_by_target(&terms, points)
        };
        prop_assume!(made.is_ok());
        let amounts = made.unwrap();
        prop_assert_eq!(check_terms(&receipt(&terms, &amounts, false)), Ok(()));
        for other in altered(&amounts, if up { 1 } else { -1 }) {
            prop_assert!(check_terms(&receipt(&terms, &other, false)).is_err(), "{:?}", other);
        }
    }

    #[test]
    fn a_rate_that_says_something_else_is_refused(
        terms in terms(), points in points(), by: u16, surcharge in 0..1_100_000_i64,
    ) {
        let made = exchange_by_source(&terms, points);
        prop_assume!(made.is_ok());
        let amounts = made.unwrap();
        let good = receipt(&terms, &amounts, false);
        // Another bearer owes, or is owed, a fee that is not there.
        for bearer in BEARERS.into_iter().filter(|bearer| *bearer != terms.fee_bearer) {
            let mut other = good.clone();
            other.rate.fee_bearer = bearer;
            prop_assert_eq!(check_terms(&other).is_err(), amounts.fee > 0, "{:?}", bearer);
        }
        // Another multiplier comes to another worth, unless all of it is lost in the rounding.
        let multiplier = terms.multiplier.micros() + 1 + i64::from(by);
        let mut other = good.clone();
        other.rate.multiplier = Decimal::from_micros(multiplier).unwrap();
        let as_multiplied = Terms { multiplier: other.rate.multiplier, ..terms };
        let same = exchange_by_source(&as_multiplied, points)
            .is_ok_and(|others| (others.gross, others.fee) == (amounts.gross, amounts.fee));
        prop_assert_eq!(check_terms(&other).is_err(), !same);
        // A surcharge is any part of the fee.
        let mut other = good;
        other.rate.surcharge = Decimal::from_micros(surcharge).unwrap();
        let expected =
            if other.rate.surcharge > terms.fee { Err(TermsFault::Surcharge) } else { Ok(()) };
        prop_assert_eq!(check_terms(&other), expected);
    }

    #[test]
    fn reversals_are_accepted_and_broken_sums_refused(
        terms in terms(), points in points(), part in 1..=100_i64, by_source: bool,
    ) {
        let made = exchange_by_source(&terms, points);
        prop_assume!(made.is_ok());
        let original = made.unwrap();
        let ask = if by_source {
            ReversalAsk::Source((original.source / 100 * part).max(1))
        } else {
            ReversalAsk::Target((original.target / 100 * part).max(1))
        };
        let worked = reversal(&original, Reversed::default(), ask).unwrap();
        prop_assume!(!worked.exceeds);
        prop_assert_eq!(check_terms(&receipt(&terms, &worked.moves, true)), Ok(()));
        let mut broken = worked.moves;
        broken.fee += 1;
        prop_assert!(check_terms(&receipt(&terms, &broken, true)).is_err());
    }

    #[test]
    fn redemptions_are_accepted_and_their_neighbours_refused(
        terms in terms(), micros in 1..1_000_000_000_000_i64, part in 1..=100_i64, up: bool,
    ) {
        let terms = for_money(terms);
        let made = exchange_by_target(&terms, micros);
        prop_assume!(made.is_ok());
        let amounts = made.unwrap();
        prop_assert_eq!(check_terms(&redeemed(&terms, &amounts, &amounts, false)), Ok(()));
        for other in altered(&amounts, if up { 1 } else { -1 }) {
            let other = redeemed(&terms, &amounts, &other, false);
            prop_assert!(check_terms(&other).is_err(), "{:?}", other);
        }
        let ask = ReversalAsk::Target((amounts.target / 100 * part).max(1));
        let worked = reversal(&amounts, Reversed::default(), ask).unwrap();
        let back = redeemed(&terms, &amounts, &worked.moves, true);
        prop_assert_eq!(check_terms(&back), Ok(()));
        // More than the points ever paid cannot come back.
        let mut more = worked.moves;
        more.target = amounts.target + 1;
        let more = redeemed(&terms, &amounts, &more, true);
        prop_assert_eq!(check_terms(&more), Err(TermsFault::Item));
    }

    #[test]
    fn accruals_are_accepted_and_their_neighbours_refused(
        terms in terms(), points in points(), part in 1..=100_i64, up: bool,
    ) {
        let made = accrual(terms.target_scale, terms.target_value, terms.fee, points);
        prop_assume!(made.is_ok());
        let amounts = made.unwrap();
        prop_assert_eq!(check_terms(&accrued(&terms, &amounts, false)), Ok(()));
        for other in altered(&amounts, if up { 1 } else { -1 }) {
            prop_assert!(check_terms(&accrued(&terms, &other, false)).is_err(), "{:?}", other);
        }
        let ask = ReversalAsk::Target((amounts.target / 100 * part).max(1));
        let worked = reversal(&amounts, Reversed::default(), ask).unwrap();
        prop_assert_eq!(check_terms(&accrued(&terms, &worked.moves, true)), Ok(()));
    }

    #[test]
    fn postings_are_exactly_the_terms_lines(at in 0..5_usize, drop: bool) {
        let good = support::receipt(1, Hash::ZERO);
        prop_assert_eq!(check_terms(&good), Ok(()));
        let mut bad = good;
        if drop {
            bad.postings.remove(at);
        } else {
            let posting = &mut bad.postings[at];
            std::mem::swap(&mut posting.debit, &mut posting.credit);
        }
        prop_assert!(check_terms(&bad).is_err());
    }
}
