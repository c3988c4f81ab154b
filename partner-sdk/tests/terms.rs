//! Every receipt that the protocol's arithmetic makes is accepted, and none that is off by a
//! millionth.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

mod support;

use alliance_partner_sdk::contracts::arithmetic::{
    Amounts, ReversalAsk, Reversed, Terms, bonus, exchange_by_source, exchange_by_target, reversal,
};
use alliance_partner_sdk::contracts::decimal::Decimal;
use alliance_partner_sdk::contracts::encoding::Hash;
use alliance_partner_sdk::contracts::quote::{Bonus, FeeBearer, Rate};
use alliance_partner_sdk::contracts::receipt::{Account, Receipt};
use alliance_partner_sdk::verify::{TermsFault, check_terms};
use proptest::prelude::*;
use support::with_amounts;

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
    own.target.partner = own.source.partner.clone();
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
    own.target.amount = more.target.amount;
    own.rate = more.rate;
    own.postings[1].amount = own.target.amount;
    assert_eq!(check_terms(&own), Ok(()));
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
    (one.source.amount, one.target.amount) = (cent, cent);
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
