use proptest::prelude::*;

use super::*;

const BEARERS: [FeeBearer; 3] =
    [FeeBearer::Member, FeeBearer::SourcePartner, FeeBearer::TargetPartner];

fn bearer() -> impl Strategy<Value = FeeBearer> {
    prop::sample::select(BEARERS.to_vec())
}

fn terms() -> impl Strategy<Value = Terms> {
    let value = prop_oneof![1..10_i64, 1..200_000_i64, 1..10_000_000_i64];
    let fee = prop_oneof![Just(0), 0..100_000_i64, 0..999_999_i64];
    let multiplier = prop_oneof![Just(MICROS), 1..=10 * MICROS, 900_000..1_100_000_i64, 1..100_i64];
    (0..=2_u32, value.clone(), 0..=2_u32, value, multiplier, fee, bearer()).prop_map(
        |(source_scale, source, target_scale, target, multiplier, fee, fee_bearer)| Terms {
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

fn back(terms: &Terms) -> Terms {
    Terms {
        source_scale: terms.target_scale,
        source_value: terms.target_value,
        target_scale: terms.source_scale,
        target_value: terms.source_value,
        ..*terms
    }
}

#[test]
fn the_protocols_example_comes_to_its_digits() {
    let terms = plain(50_000, 100_000, 10_000);
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
    let top = Terms { source_scale: 2, target_scale: 2, ..plain(MICROS * MICROS, 1, MICROS - 1) };
    for amount in [i64::MAX, 100_000_000_000_001, 100_000_000_000_000, 1, 0] {
        for result in [exchange_by_source(&top, amount), exchange_by_target(&top, amount)] {
            if amount > 100_000_000_000_000 {
                assert_eq!(result, Err(ArithmeticError::OutOfRange));
            }
        }
    }
    assert_eq!(exchange_by_source(&top, 0), Err(ArithmeticError::TooSmall));
}

fn decimal(micros: i64) -> Decimal {
    Decimal::from_micros(micros).unwrap()
}

fn plain(source_value: i64, target_value: i64, fee: i64) -> Terms {
    Terms {
        source_scale: 0,
        source_value: decimal(source_value),
        target_scale: 0,
        target_value: decimal(target_value),
        multiplier: Decimal::ONE,
        fee: decimal(fee),
        fee_bearer: FeeBearer::Member,
    }
}

#[test]
fn who_bears_the_fee_changes_who_pays_and_a_multiplier_what_the_points_are_worth() {
    let terms = Terms { multiplier: decimal(1_250_000), ..plain(50_000, 100_000, 10_000) };
    let sums = |source, target, gross, fee, net, remainder| {
        Ok(Amounts { source, target, gross, fee, net, remainder })
    };
    // 1,001 points are worth 62.5625.
    for (bearer, expected) in [
        (FeeBearer::Member, sums(1_001, 619, 62_562_500, 625_625, 61_900_000, 36_875)),
        (FeeBearer::SourcePartner, sums(1_001, 625, 63_188_125, 625_625, 62_500_000, 62_500)),
        (FeeBearer::TargetPartner, sums(1_001, 625, 62_562_500, 625_625, 61_874_375, 62_500)),
    ] {
        let terms = Terms { fee_bearer: bearer, ..terms };
        assert_eq!(exchange_by_source(&terms, 1_001), expected, "{bearer:?}");
    }
    // 620 points are worth 62: a partner's fee leaves 992 points enough, a member's asks for 1,003.
    for (bearer, expected) in [
        (FeeBearer::Member, sums(1_003, 620, 62_687_500, 626_875, 62_000_000, 60_625)),
        (FeeBearer::SourcePartner, sums(992, 620, 62_620_000, 620_000, 62_000_000, 0)),
        (FeeBearer::TargetPartner, sums(992, 620, 62_000_000, 620_000, 61_380_000, 0)),
    ] {
        let terms = Terms { fee_bearer: bearer, ..terms };
        assert_eq!(exchange_by_target(&terms, 620), expected, "{bearer:?}");
    }
}

#[test]
fn a_multiplier_is_above_zero_and_at_most_ten() {
    for bearer in BEARERS {
        let by = |multiplier| {
            let terms = Terms { multiplier, fee_bearer: bearer, ..plain(MICROS, MICROS, 0) };
            [exchange_by_source(&terms, 10), exchange_by_target(&terms, 10)]
        };
        for beyond in [Decimal::ZERO, decimal(10 * MICROS + 1), Decimal::BEYOND] {
            assert_eq!(by(beyond), [Err(ArithmeticError::OutOfRange); 2]);
        }
        assert_eq!(by(decimal(10 * MICROS)).map(|a| a.map(|a| a.target)), [Ok(100), Ok(10)]);
        assert_eq!(by(decimal(100_000)).map(|a| a.map(|a| a.source)), [Ok(10), Ok(100)]);
    }
}

#[test]
fn a_fee_that_eats_up_what_the_target_partner_is_owed_is_no_order() {
    let bears = |fee_bearer| Terms { fee_bearer, ..plain(MICROS, MICROS, MICROS - 1) };
    let small = Terms { source_scale: 2, target_scale: 2, ..bears(FeeBearer::TargetPartner) };
    // Worth 0.01; of it 0.00999999 is the fee, rounded up to all of it.
    assert_eq!(exchange_by_source(&small, 1), Err(ArithmeticError::TooSmall));
    assert_eq!(exchange_by_target(&small, 1), Err(ArithmeticError::TooSmall));
    assert_eq!(exchange_by_source(&bears(FeeBearer::TargetPartner), 1).map(|a| a.net), Ok(1));
    // The remainder may be more than the fee leaves.
    let rough = Terms { target_value: decimal(600_000), ..bears(FeeBearer::TargetPartner) };
    assert_eq!(exchange_by_source(&rough, 1), Err(ArithmeticError::TooSmall));
    // No partner bears all or more.
    for bearer in [FeeBearer::SourcePartner, FeeBearer::TargetPartner] {
        let all = Terms { fee: Decimal::ONE, ..bears(bearer) };
        assert_eq!(exchange_by_source(&all, 1), Err(ArithmeticError::OutOfRange));
        assert_eq!(exchange_by_target(&all, 1), Err(ArithmeticError::OutOfRange));
    }
}

#[test]
fn a_program_without_a_value_has_no_price() {
    for terms in [plain(0, 1, 0), plain(1, 0, 0), plain(0, 0, 0)] {
        assert_eq!(exchange_by_source(&terms, 1), Err(ArithmeticError::OutOfRange));
        assert_eq!(exchange_by_target(&terms, 1), Err(ArithmeticError::OutOfRange));
    }
}

#[test]
fn what_comes_to_nothing_on_either_side_is_no_order() {
    // Too little to be worth a millionth; worth something, and not one point of the other's.
    let dust = Terms { source_scale: 2, ..plain(50, 1, 0) };
    assert_eq!(exchange_by_source(&dust, 1), Err(ArithmeticError::TooSmall));
    assert_eq!(exchange_by_source(&plain(1, 2, 0), 1), Err(ArithmeticError::TooSmall));
    assert_eq!(exchange_by_target(&plain(1, 1, 0), 0), Err(ArithmeticError::TooSmall));
    assert_eq!(exchange_by_source(&plain(1, 1, 0), 1).map(|a| a.target), Ok(1));
}

#[test]
fn a_fee_of_all_or_more_leaves_nothing_to_ask_for() {
    for fee in [MICROS, MICROS + 1] {
        let asked = exchange_by_target(&plain(1, 1, fee), 1);
        assert_eq!(asked, Err(ArithmeticError::OutOfRange));
    }
    assert!(exchange_by_target(&plain(1, 1, MICROS - 1), 1).is_ok());
}

#[test]
fn ten_to_the_12_is_in_range_and_one_more_is_not() {
    const WHOLE: i64 = 1_000_000_000_000;
    let even = plain(MICROS, MICROS, 0);
    let top = exchange_by_source(&even, WHOLE).unwrap();
    assert_eq!((top.source, top.target, top.net), (WHOLE, WHOLE, WHOLE * MICROS));
    assert_eq!(exchange_by_source(&even, WHOLE + 1), Err(ArithmeticError::OutOfRange));
    assert_eq!(exchange_by_target(&even, WHOLE), Ok(top));
    assert_eq!(exchange_by_target(&even, WHOLE + 1), Err(ArithmeticError::OutOfRange));
    // Each limit by itself: the points that arrive, and the money.
    assert_eq!(exchange_by_source(&plain(2, 1, 0), WHOLE), Err(ArithmeticError::OutOfRange));
    let dear = plain(MICROS + 1, MICROS + 1, 0);
    assert_eq!(exchange_by_source(&dear, WHOLE), Err(ArithmeticError::OutOfRange));
    // The gross with a fee on top, and a worth that only the multiplier takes there.
    for terms in [
        Terms { fee_bearer: FeeBearer::SourcePartner, ..plain(MICROS, MICROS, 250_000) },
        Terms { multiplier: decimal(1_250_000), ..plain(MICROS, MICROS, 0) },
    ] {
        let most = exchange_by_source(&terms, WHOLE / 5 * 4);
        assert_eq!(most.map(|a| a.gross), Ok(WHOLE * MICROS));
        let beyond = exchange_by_source(&terms, WHOLE / 5 * 4 + 1);
        assert_eq!(beyond, Err(ArithmeticError::OutOfRange));
    }
}

#[test]
fn a_reversal_of_nothing_is_none_and_one_point_too_many_is_told_on_either_side() {
    // Few points given for many: one more of either asks for no more of the other.
    for (given, arrived) in [(3, 700), (700, 3), (5, 5)] {
        let original =
            Amounts { source: given, target: arrived, gross: 9, fee: 2, net: 6, remainder: 1 };
        let ask = |ask| reversal(&original, Reversed::default(), ask);
        for nothing in [0, -1] {
            assert_eq!(ask(ReversalAsk::Source(nothing)), Err(ArithmeticError::TooSmall));
            assert_eq!(ask(ReversalAsk::Target(nothing)), Err(ArithmeticError::TooSmall));
        }
        for whole in [ReversalAsk::Source(given), ReversalAsk::Target(arrived), ReversalAsk::Rest] {
            let step = ask(whole).unwrap();
            assert!(!step.exceeds && step.moves == original, "{whole:?} of {given}, {arrived}");
        }
        for beyond in [ReversalAsk::Source(given + 1), ReversalAsk::Target(arrived + 1)] {
            let step = ask(beyond).unwrap();
            assert!(step.exceeds, "{beyond:?} of {given}, {arrived}");
            assert_eq!((step.moves.net, step.moves.fee, step.moves.gross), (0, 0, 0));
        }
    }
}

/// T23: a member and two brands go on for a million orders, each as small as it can be.
#[test]
fn a_million_dust_orders_bring_no_party_anything() {
    let mut dust = 0_u64;
    for (one, other, fee) in [(1, 1, 0), (3, 7, 0), (50_001, 100_003, 1), (72_300, 19_999, 12_500)]
    {
        let there = plain(one, other, fee);
        let back = back(&there);
        // Worth of what the member gave less what it got, and of what the brands were paid less
        // what they gave: in 10⁻⁶.
        let (mut member, mut paid, mut alliance) = (0_i64, 0_i64, 0_i64);
        let mut points = 1;
        while dust < 250_000 {
            points = points % 97 + 1;
            for terms in [&there, &back] {
                dust += 1;
                let Ok(a) = exchange_by_source(terms, points) else { continue };
                let got = a.target * terms.target_value.micros();
                member += a.source * terms.source_value.micros() - got;
                paid += a.net - got;
                alliance += a.fee + a.remainder;
                assert!(a.net >= got && a.fee + a.remainder >= 0);
            }
        }
        assert!(member >= 0 && paid == 0 && alliance == member, "{member} {paid} {alliance}");
        dust = 0;
    }
}

/// T23: a reversal cut into as many parts as it has points, from either side, each in turn.
#[test]
fn a_reversal_cut_small_brings_back_no_more_than_the_whole() {
    for (source, target) in [(10_000, 333), (333, 10_000), (7_919, 7_919)] {
        let original =
            Amounts { source, target, gross: 20_011, fee: 101, net: 19_901, remainder: 9 };
        let mut done = Reversed::default();
        let (mut moved, mut steps) = (Amounts::default(), 0);
        while done.source < source || done.target < target {
            steps += 1;
            let ask = [ReversalAsk::Source(1), ReversalAsk::Target(1)][steps % 2];
            let step = reversal(&original, done, ask).unwrap();
            if step.exceeds {
                let rest = reversal(&original, done, ReversalAsk::Rest).unwrap();
                (done, moved.net, moved.fee) =
                    (rest.reversed, moved.net + rest.moves.net, moved.fee + rest.moves.fee);
                break;
            }
            done = step.reversed;
            (moved.net, moved.fee) = (moved.net + step.moves.net, moved.fee + step.moves.fee);
            assert!(moved.net <= original.net && moved.fee <= original.fee);
            // Whoever asks for source points gives back at least what they are worth.
            assert!(done.source * target <= done.target * source);
        }
        assert_eq!((done.source, done.target), (source, target));
        assert_eq!((moved.net, moved.fee), (original.net, original.fee));
        assert!(steps > 300);
    }
}

/// Mostly within the limits.
fn some_value() -> impl Strategy<Value = i64> {
    prop_oneof![4 => 0..=MICROS * MICROS, 1 => 0..=i64::MAX]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// T27: whatever the terms and the amount, an answer; and what is accepted is in range.
    #[test]
    fn no_amount_and_no_terms_overflow(
        (source_value, target_value) in (some_value(), some_value()),
        (source_scale, target_scale) in (0..=2_u32, 0..=2_u32),
        multiplier in prop_oneof![Just(MICROS), 0..=10 * MICROS, 0..=i64::MAX],
        fee_bearer in bearer(),
        fee in prop_oneof![0..MICROS, 0..=i64::MAX],
        amount in prop_oneof![any::<i64>(), 0..=i64::MAX, 99_999_999_999_990..100_000_000_000_010_i64],
    ) {
        let terms = Terms {
            source_scale, source_value: decimal(source_value),
            target_scale, target_value: decimal(target_value),
            multiplier: decimal(multiplier), fee: decimal(fee), fee_bearer,
        };
        let both = [exchange_by_source(&terms, amount), exchange_by_target(&terms, amount)];
        for a in both.into_iter().flatten() {
            for (points, scale) in [(a.source, source_scale), (a.target, target_scale)] {
                prop_assert!(i128::from(points) <= 1_000_000_000_000 * ten_to(scale));
            }
            let money = [a.gross, a.fee, a.net];
            prop_assert!(money.iter().all(|part| *part <= MICROS * MICROS * MICROS));
        }
    }

    /// T28: every rounding is the one that another library makes.
    #[test]
    fn another_librarys_roundings_agree(terms in terms(), amount in 1..1_000_000_i64) {
        use rust_decimal::{Decimal as Other, RoundingStrategy::{ToPositiveInfinity, ToZero}};
        let points = |minor: i64, scale| Other::from_i128_with_scale(minor.into(), scale);
        let money = |micros: i64| points(micros, 6);
        let other = |number: Decimal| number.to_rust_decimal();
        let up = |number: Other| number.round_dp_with_strategy(6, ToPositiveInfinity);
        let both = [exchange_by_source(&terms, amount), exchange_by_target(&terms, amount)];
        for a in both.into_iter().flatten() {
            let (source, target) =
                (points(a.source, terms.source_scale), points(a.target, terms.target_scale));
            let worth = source * other(terms.source_value) * other(terms.multiplier);
            let worth = worth.round_dp_with_strategy(6, ToZero);
            let fee = up(worth * other(terms.fee));
            let given = up(target * other(terms.target_value));
            let zero = Other::ZERO;
            let (on_top, off) = match terms.fee_bearer {
                FeeBearer::Member => (zero, zero),
                FeeBearer::SourcePartner => (fee, zero),
                FeeBearer::TargetPartner => (zero, fee),
            };
            prop_assert_eq!(money(a.gross), worth + on_top);
            prop_assert_eq!(money(a.fee), fee);
            prop_assert_eq!(money(a.net), given - off);
            prop_assert_eq!(money(a.remainder), money(a.gross) - money(a.fee) - money(a.net));
        }
    }

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

    /// Neither way of asking brings the member more than the exact rate, and each finds the
    /// other's best: a target asked for costs the fewest points that bring it.
    #[test]
    fn asking_by_one_side_and_then_by_the_other_never_profits_the_member(
        terms in terms(), source in 1..1_000_000_i64,
    ) {
        let Ok(given) = exchange_by_source(&terms, source) else { return Ok(()) };
        let asked = exchange_by_target(&terms, given.target).unwrap();
        prop_assert!(asked.source <= source);
        prop_assert_eq!(asked.target, given.target);
        let fewer = exchange_by_source(&terms, asked.source - 1);
        prop_assert!(fewer.map_or(0, |fewer| fewer.target) < asked.target);
        let kept = match terms.fee_bearer {
            FeeBearer::Member => MICRO - i128::from(terms.fee.micros()),
            FeeBearer::SourcePartner | FeeBearer::TargetPartner => MICRO,
        };
        for a in [given, asked] {
            let exact = i128::from(a.source)
                * i128::from(terms.source_value.micros())
                * i128::from(terms.multiplier.micros())
                * kept
                * ten_to(terms.target_scale);
            let got = i128::from(a.target)
                * i128::from(terms.target_value.micros())
                * MICRO
                * MICRO
                * ten_to(terms.source_scale);
            prop_assert!(got <= exact);
        }
    }

    #[test]
    fn a_higher_fee_never_brings_more_points_and_never_costs_fewer(
        terms in terms(), more in 0..1_000_000_i64, amount in 1..1_000_000_i64,
    ) {
        let raised = (terms.fee.micros() + more).min(MICROS - 1);
        let dear = Terms { fee: decimal(raised), ..terms };
        let by_source = |terms| exchange_by_source(terms, amount);
        if let (Ok(dear), Ok(cheap)) = (by_source(&dear), by_source(&terms)) {
            prop_assert!(dear.target <= cheap.target && dear.fee >= cheap.fee);
        }
        // It may leave nothing, and never make something of nothing.
        if by_source(&terms) == Err(ArithmeticError::TooSmall) {
            prop_assert!(by_source(&dear).is_err());
        }
        if let (Ok(dear), Ok(cheap)) =
            (exchange_by_target(&dear, amount), exchange_by_target(&terms, amount))
        {
            prop_assert!(dear.source >= cheap.source && dear.fee >= cheap.fee);
        }
    }

    #[test]
    fn a_higher_multiplier_never_brings_fewer_points_and_never_costs_more(
        terms in terms(), more in 0..10_000_000_i64, amount in 1..1_000_000_i64,
    ) {
        let raised = (terms.multiplier.micros() + more).min(10 * MICROS);
        let high = Terms { multiplier: decimal(raised), ..terms };
        if let (Ok(high), Ok(low)) =
            (exchange_by_source(&high, amount), exchange_by_source(&terms, amount))
        {
            prop_assert!(high.target >= low.target && high.gross >= low.gross);
        }
        if let (Ok(high), Ok(low)) =
            (exchange_by_target(&high, amount), exchange_by_target(&terms, amount))
        {
            prop_assert!(high.source <= low.source);
        }
    }

    /// A member whose fee a partner bears gets what it would get without one; the partner's money
    /// differs by the fee, to the millionth.
    #[test]
    fn what_a_partner_bears_the_member_does_not(terms in terms(), amount in 1..1_000_000_i64) {
        let with = |fee_bearer, fee| {
            let terms = Terms { fee_bearer, fee, ..terms };
            [exchange_by_source(&terms, amount), exchange_by_target(&terms, amount)]
        };
        let free = with(FeeBearer::Member, Decimal::ZERO);
        for (borne, free) in with(FeeBearer::SourcePartner, terms.fee).into_iter().zip(&free) {
            let (Ok(borne), Ok(free)) = (borne, free) else { continue };
            prop_assert_eq!(Amounts { gross: borne.gross - borne.fee, fee: 0, ..borne }, *free);
        }
        for (borne, free) in with(FeeBearer::TargetPartner, terms.fee).into_iter().zip(&free) {
            let (Ok(borne), Ok(free)) = (borne, free) else { continue };
            prop_assert_eq!(Amounts { net: borne.net + borne.fee, fee: 0, ..borne }, *free);
        }
        for bearer in BEARERS {
            prop_assert_eq!(with(bearer, Decimal::ZERO), free);
        }
    }

    #[test]
    fn going_there_and_back_on_one_board_never_gains(terms in terms(), amount in 1..1_000_000_i64) {
        let terms = Terms { multiplier: terms.multiplier.min(Decimal::ONE), ..terms };
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
        fee in 0..50_000_i64, fee_bearer in bearer(), amount in 1..1_000_000_i64,
    ) {
        let leg = |from: (i64, u32), to: (i64, u32)| Terms {
            source_scale: from.1, target_scale: to.1, fee_bearer, ..plain(from.0, to.0, fee)
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
            // The member gets no more points, and every point is paid for in full.
            prop_assert!(sum(|a| a.target) <= whole.target);
            let borne = |a: &Amounts, bearer| if terms.fee_bearer == bearer { a.fee } else { 0 };
            let paid_in_full = cut.iter().flatten().all(|a| {
                i128::from(a.net + borne(a, FeeBearer::TargetPartner))
                    * ten_to(terms.target_scale)
                    >= i128::from(a.target) * i128::from(terms.target_value.micros())
            });
            prop_assert!(paid_in_full);
            // The source partner pays no less for what it gave.
            let worth = |a: &Amounts| {
                i128::from(a.source)
                    * i128::from(terms.source_value.micros())
                    * i128::from(terms.multiplier.micros())
                    / (ten_to(terms.source_scale) * MICRO)
            };
            let paid = |a: &Amounts| i128::from(a.gross - borne(a, FeeBearer::SourcePartner));
            prop_assert!(cut.iter().flatten().all(|a| paid(a) == worth(a)));
            // Whoever bears the fee pays no less of it.
            let fees = cut.iter().flatten().all(|a| {
                i128::from(a.fee) * MICRO >= worth(a) * i128::from(terms.fee.micros())
            });
            prop_assert!(fees);
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
