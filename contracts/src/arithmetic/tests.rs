use proptest::prelude::*;

use super::*;

fn terms() -> impl Strategy<Value = Terms> {
    let value = prop_oneof![1..10_i64, 1..200_000_i64, 1..10_000_000_i64];
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

fn back(terms: &Terms) -> Terms {
    Terms {
        source_scale: terms.target_scale,
        source_value: terms.target_value,
        target_scale: terms.source_scale,
        target_value: terms.source_value,
        fee: terms.fee,
    }
}

#[test]
fn the_protocols_example_comes_to_its_digits() {
    let decimal = |text: &str| text.parse().unwrap();
    let terms = Terms {
        source_scale: 0,
        source_value: decimal("0.05"),
        target_scale: 0,
        target_value: decimal("0.1"),
        fee: decimal("0.01"),
    };
    let expected = Amounts {
        source: 1_000,
        target: 495,
        gross: 50_000_000,
        fee: 500_000,
        net: 49_500_000,
        remainder: 0,
    };
    assert_eq!(exchange_by_source(&terms, 1_000), Ok(expected));
    assert_eq!(exchange_by_target(&terms, 495), Ok(expected));
}

#[test]
fn the_edges_of_the_range_are_refused_and_never_panic() {
    let top = Terms {
        source_scale: 2,
        source_value: Decimal::from_micros(MICROS * MICROS).unwrap(),
        target_scale: 2,
        target_value: Decimal::from_micros(1).unwrap(),
        fee: Decimal::from_micros(999_999).unwrap(),
    };
    for amount in [i64::MAX, 100_000_000_000_001, 100_000_000_000_000, 1, 0] {
        for result in [exchange_by_source(&top, amount), exchange_by_target(&top, amount)] {
            if amount > 100_000_000_000_000 {
                assert_eq!(result, Err(ArithmeticError::OutOfRange));
            }
        }
    }
    assert_eq!(exchange_by_source(&top, 0), Err(ArithmeticError::TooSmall));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_parts_add_up_and_none_is_negative(terms in terms(), amount in 1..1_000_000_i64) {
        let both = [exchange_by_source(&terms, amount), exchange_by_target(&terms, amount)];
        for a in both.into_iter().flatten() {
            prop_assert!(a.fee >= 0 && a.remainder >= 0 && a.net > 0 && a.gross > 0);
            prop_assert_eq!(a.gross, a.fee + a.net + a.remainder);
        }
    }

    #[test]
    fn asking_for_a_target_costs_at_least_what_giving_its_source_brings(
        terms in terms(), target in 1..1_000_000_i64,
    ) {
        if let Ok(asked) = exchange_by_target(&terms, target) {
            let given = exchange_by_source(&terms, asked.source).unwrap();
            prop_assert!(given.target >= asked.target);
        }
    }

    #[test]
    fn going_there_and_back_on_one_board_never_gains(terms in terms(), amount in 1..1_000_000_i64) {
        let there = exchange_by_source(&terms, amount);
        let again = there.and_then(|there| exchange_by_source(&back(&terms), there.target));
        if let Ok(again) = again {
            prop_assert!(again.target <= amount);
        }
    }

    #[test]
    fn going_round_three_programs_never_gains(
        (one, two, three) in (1..500_000_i64, 1..500_000_i64, 1..500_000_i64),
        (a, b, c) in (0..=2_u32, 0..=2_u32, 0..=2_u32),
        fee in 0..50_000_i64, amount in 1..1_000_000_i64,
    ) {
        let leg = |from: (i64, u32), to: (i64, u32)| Terms {
            source_scale: from.1, source_value: Decimal::from_micros(from.0).unwrap(),
            target_scale: to.1, target_value: Decimal::from_micros(to.0).unwrap(),
            fee: Decimal::from_micros(fee).unwrap(),
        };
        let (x, y, z) = ((one, a), (two, b), (three, c));
        let round = exchange_by_source(&leg(x, y), amount)
            .and_then(|first| exchange_by_source(&leg(y, z), first.target))
            .and_then(|second| exchange_by_source(&leg(z, x), second.target));
        if let Ok(last) = round {
            prop_assert!(last.target <= amount);
        }
    }

    #[test]
    fn cutting_an_order_up_brings_no_party_more(
        terms in terms(), parts in prop::collection::vec(1..10_000_i64, 2..6),
    ) {
        let whole = exchange_by_source(&terms, parts.iter().sum());
        let cut: Vec<_> = parts.iter().map(|p| exchange_by_source(&terms, *p)).collect();
        if let Ok(whole) = whole {
            let sum = |f: fn(&Amounts) -> i64| -> i64 {
                cut.iter().flatten().map(f).sum()
            };
            // The member gets no more points, and no partner is owed more for each point.
            prop_assert!(sum(|a| a.target) <= whole.target);
            let paid_in_full = cut.iter().flatten().all(|a| {
                i128::from(a.net) * ten_to(terms.target_scale)
                    >= i128::from(a.target) * i128::from(terms.target_value.micros())
            });
            prop_assert!(paid_in_full);
            // The source partner pays no less for what it gave.
            let worth = |a: &Amounts| {
                i128::from(a.source) * i128::from(terms.source_value.micros())
                    / ten_to(terms.source_scale)
            };
            prop_assert!(cut.iter().flatten().all(|a| i128::from(a.gross) == worth(a)));
        }
    }

    #[test]
    fn a_full_set_of_partial_reversals_restores_everything_to_the_digit(
        terms in terms(), amount in 1..1_000_000_i64,
        asks in prop::collection::vec((any::<bool>(), 1..400_000_i64), 0..12),
    ) {
        let Ok(original) = exchange_by_source(&terms, amount) else { return Ok(()) };
        let mut done = Reversed::default();
        let mut returned = Amounts::default();
        let add = |sum: &mut Amounts, moves: &Amounts| {
            sum.source += moves.source;
            sum.target += moves.target;
            sum.gross += moves.gross;
            sum.fee += moves.fee;
            sum.net += moves.net;
            sum.remainder += moves.remainder;
        };
        for (by_source, x) in asks {
            let ask = if by_source { ReversalAsk::Source(x) } else { ReversalAsk::Target(x) };
            let step = reversal(&original, done, ask).unwrap();
            if step.exceeds {
                continue;
            }
            let m = step.moves;
            prop_assert!([m.source, m.target, m.net, m.fee, m.remainder].iter().all(|v| *v >= 0));
            done = step.reversed;
            add(&mut returned, &step.moves);
            // By source: never more source back than the target given back is worth.
            prop_assert!(
                i128::from(done.source) * i128::from(original.target)
                    <= i128::from(done.target) * i128::from(original.source)
            );
        }
        let rest = reversal(&original, done, ReversalAsk::Rest).unwrap();
        if !rest.exceeds {
            add(&mut returned, &rest.moves);
            done = rest.reversed;
        }
        prop_assert_eq!(returned, original);
        prop_assert_eq!(done, Reversed { source: original.source, target: original.target });
        prop_assert!(reversal(&original, done, ReversalAsk::Rest).unwrap().exceeds);
    }
}
