//! Every receipt that the protocol's arithmetic makes is accepted, and none that is off by a
//! millionth.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

mod support;

use alliance_partner_sdk::contracts::arithmetic::{
    Amounts, ReversalAsk, Reversed, Terms, exchange_by_source, exchange_by_target, reversal,
};
use alliance_partner_sdk::contracts::decimal::Decimal;
use alliance_partner_sdk::contracts::encoding::Hash;
use alliance_partner_sdk::contracts::receipt::Receipt;
use alliance_partner_sdk::verify::check_terms;
use proptest::prelude::*;
use support::with_amounts;

fn terms() -> impl Strategy<Value = Terms> {
    let value = prop_oneof![1..10_i64, 1..200_000_i64, 1..10_000_000_i64, 1..1_000_000_000_000_i64];
    let fee = prop_oneof![Just(0), 0..100_000_i64, 0..999_999_i64];
    (0..=2_u32, value.clone(), 0..=2_u32, value, fee).prop_map(
        |(source_scale, source_value, target_scale, target_value, fee)| Terms {
            source_scale,
            source_value: Decimal::from_micros(source_value).unwrap(),
            target_scale,
            target_value: Decimal::from_micros(target_value).unwrap(),
            fee: Decimal::from_micros(fee).unwrap(),
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
    own.rate.fee = "0.01".parse().unwrap();
    assert!(check_terms(&own).is_err());
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
