use proptest::prelude::*;

use super::*;
use crate::limits::{MAX_HALVINGS, MAX_VALUE_MICROS, NO_MOVEMENT};

fn micros(micros: i64) -> Decimal {
    Decimal::from_micros(micros).unwrap()
}

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn input(kind: InputKind, value: Decimal, weight: Decimal) -> Input {
    Input { as_of: None, input: kind, status: InputStatus::Declared, value, weight }
}

fn base(value: Decimal) -> Vec<Input> {
    vec![input(InputKind::Base, value, Decimal::ONE)]
}

/// Everything but the inputs, as most programs have it.
fn rules(inputs: &[Input]) -> Basis<'_> {
    Basis {
        band: Band { max: decimal("0.1"), min: decimal("0.025") },
        halvings: 0,
        inputs,
        max_step: decimal("0.02"),
        previous: Some(decimal("0.05")),
        smoothing: decimal("0.3"),
    }
}

fn value_of(basis: &Basis<'_>) -> i64 {
    valuate(basis).unwrap().value.micros()
}

// --- single cases ------------------------------------------------------------------------------

#[test]
fn a_first_value_is_the_target_itself() {
    let inputs = base(decimal("0.07"));
    let basis = Basis { previous: None, halvings: 3, ..rules(&inputs) };
    let expected =
        Valued { target: decimal("0.07"), value: decimal("0.07"), limited_by: Vec::new() };
    assert_eq!(valuate(&basis), Ok(expected));
}

#[test]
fn each_step_says_when_it_cut() {
    let far = base(decimal("0.5"));
    let cut = |basis: &Basis<'_>| valuate(basis).unwrap().limited_by;
    assert_eq!(cut(&rules(&far)), [Limit::Band, Limit::Step]);
    assert_eq!(cut(&Basis { halvings: 1, ..rules(&far) }), Limit::ALL);
    let near = base(decimal("0.0501"));
    assert_eq!(cut(&rules(&near)), []);
    assert_eq!(cut(&Basis { halvings: 1, ..rules(&near) }), [Limit::Overlap]);
    // Nothing to halve: nothing was cut.
    let same = base(decimal("0.05"));
    assert_eq!(cut(&Basis { halvings: NO_MOVEMENT, ..rules(&same) }), []);
}

#[test]
fn after_twenty_halvings_the_movement_is_left_out() {
    let high = base(micros(MAX_VALUE_MICROS));
    let basis = |halvings| Basis {
        band: Band { max: micros(MAX_VALUE_MICROS), min: micros(1) },
        halvings,
        previous: Some(micros(MAX_VALUE_MICROS / 2)),
        max_step: micros(999_999),
        smoothing: Decimal::ONE,
        ..rules(&high)
    };
    // 499999500000 / 2^20
    assert_eq!(value_of(&basis(MAX_HALVINGS)) - MAX_VALUE_MICROS / 2, 476_836);
    assert_eq!(value_of(&basis(NO_MOVEMENT)), MAX_VALUE_MICROS / 2);
    assert_eq!(valuate(&basis(NO_MOVEMENT + 1)), Err(ValuationError::Halvings(NO_MOVEMENT + 1)));
}

#[test]
fn every_rule_and_input_that_cannot_be_is_refused_by_its_name() {
    let good = base(decimal("0.05"));
    let rules = rules(&good);
    let band = |min: &str, max: &str| Band { max: decimal(max), min: decimal(min) };
    for bad in [band("0.2", "0.1"), band("0", "0.1"), band("0.1", "1000000.000001")] {
        let error = ValuationError::Band { min: bad.min, max: bad.max };
        assert_eq!(valuate(&Basis { band: bad, ..rules }), Err(error));
    }
    for bad in [Decimal::ZERO, decimal("1.000001")] {
        let basis = Basis { smoothing: bad, ..rules };
        assert_eq!(valuate(&basis), Err(ValuationError::Smoothing(bad)));
    }
    for bad in [Decimal::ZERO, Decimal::ONE] {
        let basis = Basis { max_step: bad, ..rules };
        assert_eq!(valuate(&basis), Err(ValuationError::MaxStep(bad)));
    }
    for bad in [Decimal::ZERO, decimal("1000000.000001")] {
        let basis = Basis { previous: Some(bad), ..rules };
        assert_eq!(valuate(&basis), Err(ValuationError::Previous(bad)));
        let inputs = base(bad);
        let error = ValuationError::Value { input: InputKind::Base, value: bad };
        assert_eq!(valuate(&Basis { inputs: &inputs, ..rules }), Err(error));
    }
    let refused = |inputs: &[Input]| valuate(&Basis { inputs, ..rules }).unwrap_err();
    assert_eq!(refused(&[]), ValuationError::NoWeight);
    let (kind, value) = (InputKind::Cost, decimal("0.05"));
    assert_eq!(refused(&[input(kind, value, Decimal::ZERO)]), ValuationError::NoWeight);
    let weight = decimal("1.000001");
    let heavy = input(kind, value, weight);
    assert_eq!(refused(&[heavy]), ValuationError::Weight { input: kind, weight });
    let twice = [good.clone(), good.clone()].concat();
    assert_eq!(refused(&twice), ValuationError::Twice(InputKind::Base));
    let approved = input(InputKind::Approved, value, Decimal::ONE);
    let beside = [good.clone(), vec![approved.clone()]].concat();
    assert_eq!(refused(&beside), ValuationError::NotAlone(InputKind::Base));
    let beside = [input(InputKind::Base, value, Decimal::ZERO), approved];
    assert!(valuate(&Basis { inputs: &beside, ..rules }).is_ok());
}

#[test]
fn names_come_back_from_what_is_stored() {
    for kind in InputKind::ALL {
        assert_eq!(InputKind::from_stored(kind.as_str()), Some(kind));
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
    }
    for status in InputStatus::ALL {
        assert_eq!(InputStatus::from_stored(status.as_str()), Some(status));
        assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
    }
    for limit in Limit::ALL {
        assert_eq!(Limit::from_stored(limit.as_str()), Some(limit));
        assert_eq!(serde_json::to_value(limit).unwrap(), limit.as_str());
    }
    assert_eq!(InputKind::from_stored("Base"), None);
}

fn published() -> ProgramValuation {
    let inputs = base(decimal("0.5"));
    ProgramValuation::of("aurora".parse().unwrap(), &rules(&inputs)).unwrap()
}

#[test]
fn a_valuation_is_written_canonically_and_read_back() {
    let mut valuation = published();
    valuation.inputs[0].as_of = Some("2026-11-23T04:05:06.789Z".parse().unwrap());
    let bytes = crate::json::canonical(&valuation);
    assert_eq!(bytes, serde_json_canonicalizer::to_vec(&valuation).unwrap());
    assert_eq!(crate::json::read::<ProgramValuation>(&bytes).unwrap(), valuation);
    let text = String::from_utf8(bytes).unwrap();
    let more = text.replacen('{', r#"{"about":"x","#, 1);
    assert!(crate::json::read::<ProgramValuation>(more.as_bytes()).is_err());
}

#[test]
fn a_changed_figure_is_named_with_what_follows() {
    let stated = published();
    assert_eq!(stated.recompute(), Ok(()));
    let program = || stated.program.clone();
    let one_more = |figure: Decimal| micros(figure.micros() + 1);

    let mut changed = stated.clone();
    changed.target = one_more(stated.target);
    let mismatch = ValuationMismatch::Target {
        program: program(),
        stated: decimal("0.100001"),
        computed: decimal("0.1"),
    };
    assert_eq!(changed.recompute(), Err(mismatch));

    let mut changed = stated.clone();
    changed.value = one_more(stated.value);
    let mismatch = changed.recompute().unwrap_err();
    let text = "aurora: the board says value 0.051001, the target comes to 0.051";
    assert_eq!(mismatch.to_string(), text);

    let mut changed = stated.clone();
    changed.limited_by.reverse();
    let mismatch = ValuationMismatch::LimitedBy {
        program: program(),
        stated: vec![Limit::Step, Limit::Band],
        computed: vec![Limit::Band, Limit::Step],
    };
    assert_eq!(changed.recompute(), Err(mismatch));

    let mut changed = stated.clone();
    changed.inputs.clear();
    let error = ValuationError::NoWeight;
    let mismatch = ValuationMismatch::Invalid { program: program(), error };
    assert_eq!(changed.recompute(), Err(mismatch));
}

// --- properties --------------------------------------------------------------------------------

/// Everyday values, small ones, and the whole range.
fn value() -> impl Strategy<Value = Decimal> {
    prop_oneof![1..100_i64, 1_000..200_000_i64, 1..=MAX_VALUE_MICROS, Just(MAX_VALUE_MICROS)]
        .prop_map(micros)
}

fn share() -> impl Strategy<Value = Decimal> {
    prop_oneof![Just(1), 1..=1_000_000_i64, Just(1_000_000)].prop_map(micros)
}

fn inputs() -> impl Strategy<Value = Vec<Input>> {
    let weights = proptest::collection::vec(prop_oneof![Just(0), 0..=1_000_000_i64], 3);
    let values = proptest::collection::vec(value(), 4);
    (share(), weights, values).prop_map(|(first, weights, values)| {
        let weights = [vec![first], weights.into_iter().map(micros).collect()].concat();
        let kinds = InputKind::ALL.into_iter().take(4);
        kinds.zip(values).zip(weights).map(|((kind, v), weight)| input(kind, v, weight)).collect()
    })
}

/// A valuation with the previous value in the band, as anything of it may be.
fn valuation() -> impl Strategy<Value = ProgramValuation> {
    let steps = prop_oneof![Just(20_000), 1..1_000_000_i64, Just(999_999)].prop_map(micros);
    let halvings = prop_oneof![Just(0), 0..=NO_MOVEMENT];
    let previous = proptest::option::weighted(0.9, any::<prop::sample::Index>());
    ((value(), value()), inputs(), steps, share(), halvings, previous).prop_map(
        |((one, other), inputs, max_step, smoothing, halvings, previous)| {
            let band = Band { max: one.max(other), min: one.min(other) };
            let width = usize::try_from(band.max.micros() - band.min.micros() + 1).unwrap();
            let inside = |at: prop::sample::Index| {
                micros(band.min.micros() + i64::try_from(at.index(width)).unwrap())
            };
            let previous = previous.map(inside);
            let basis = Basis { band, halvings, inputs: &inputs, max_step, previous, smoothing };
            ProgramValuation::of("aurora".parse().unwrap(), &basis).unwrap()
        },
    )
}

/// The valuation of the board after it, from the same inputs.
fn next(board: &ProgramValuation) -> ProgramValuation {
    let basis = Basis { previous: Some(board.value), ..board.basis() };
    ProgramValuation::of(board.program.clone(), &basis).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_value_is_in_the_band_whenever_the_previous_was(valuation in valuation()) {
        prop_assert!(valuation.band.contains(valuation.value));
        prop_assert!(valuation.band.contains(valuation.target));
        prop_assert!(valuation.value > Decimal::ZERO);
        prop_assert_eq!(valuation.recompute(), Ok(()));
    }

    #[test]
    fn no_movement_is_longer_than_a_step(valuation in valuation()) {
        if let Some(previous) = valuation.previous {
            let (previous, value) = (previous.micros(), valuation.value.micros());
            let longest = i128::from(previous) * i128::from(valuation.max_step.micros());
            prop_assert!(i128::from((value - previous).abs()) <= longest / 1_000_000);
        }
    }

    #[test]
    fn a_value_outside_a_new_band_moves_towards_it_and_never_past_the_target(
        valuation in valuation(), previous in value(),
    ) {
        let basis = Basis { previous: Some(previous), ..valuation.basis() };
        let valued = valuate(&basis).unwrap();
        let between = previous.min(valued.target)..=previous.max(valued.target);
        prop_assert!(between.contains(&valued.value) && !valued.value.is_zero());
    }

    #[test]
    fn a_value_never_falls_when_an_input_rises(
        valuation in valuation(), which in 0..4_usize, rise in value(),
    ) {
        let mut raised = valuation.inputs.clone();
        let micros_now = raised[which].value.micros();
        raised[which].value = micros((micros_now + rise.micros()).min(MAX_VALUE_MICROS));
        let valued = valuate(&Basis { inputs: &raised, ..valuation.basis() }).unwrap();
        prop_assert!(valued.target >= valuation.target);
        prop_assert!(valued.value >= valuation.value);
    }

    #[test]
    fn up_and_down_are_alike(
        previous in 1_000_000..2_000_000_i64, distance in 0..900_000_i64,
        smoothing in share(), max_step in 1..1_000_000_i64, halvings in 0..=NO_MOVEMENT,
    ) {
        let to = |target: i64| {
            let inputs = base(micros(target));
            value_of(&Basis {
                band: Band { max: micros(MAX_VALUE_MICROS), min: micros(1) },
                halvings,
                inputs: &inputs,
                max_step: micros(max_step),
                previous: Some(micros(previous)),
                smoothing,
            })
        };
        prop_assert_eq!(to(previous + distance) - previous, previous - to(previous - distance));
    }

    #[test]
    fn each_halving_halves_the_movement_rounded_down(valuation in valuation()) {
        if let Some(previous) = valuation.previous {
            let moved = |halvings| {
                value_of(&Basis { halvings, ..valuation.basis() }) - previous.micros()
            };
            for halvings in 0..MAX_HALVINGS {
                prop_assert_eq!(moved(halvings).abs() / 2, moved(halvings + 1).abs());
            }
            prop_assert_eq!(moved(NO_MOVEMENT), 0);
        }
    }

    #[test]
    fn the_limits_of_the_protocol_do_not_overflow(
        value in prop_oneof![Just(1), Just(MAX_VALUE_MICROS)],
        previous in prop_oneof![Just(1), Just(MAX_VALUE_MICROS)],
        max_step in prop_oneof![Just(1), Just(999_999)],
        smoothing in prop_oneof![Just(1), Just(1_000_000)],
        halvings in prop_oneof![Just(0), Just(MAX_HALVINGS), Just(NO_MOVEMENT)],
    ) {
        let kinds = InputKind::ALL.into_iter().take(4);
        let inputs: Vec<Input> =
            kinds.map(|kind| input(kind, micros(value), Decimal::ONE)).collect();
        let valued = valuate(&Basis {
            band: Band { max: micros(MAX_VALUE_MICROS), min: micros(1) },
            halvings,
            inputs: &inputs,
            max_step: micros(max_step),
            previous: Some(micros(previous)),
            smoothing: micros(smoothing),
        }).unwrap();
        prop_assert_eq!(valued.target, micros(value));
        prop_assert!((1..=MAX_VALUE_MICROS).contains(&valued.value.micros()));
    }

    #[test]
    fn an_approach_arrives_and_never_passes(from in value(), to in value(), share in share()) {
        let there = approach(from, to, share);
        prop_assert!((from.min(to)..=from.max(to)).contains(&there));
        prop_assert!(from == to || there != from);
        prop_assert_eq!(approach(from, to, decimal("7.5")), to);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn repeated_boards_come_to_the_target_exactly_and_stay(
        start in 50..2_000_000_i64, target in 50..2_000_000_i64,
        smoothing in 50_000..=1_000_000_i64, max_step in 20_000..1_000_000_i64,
    ) {
        let inputs = base(micros(target));
        let basis = Basis {
            band: Band { max: micros(2_000_000), min: micros(50) },
            halvings: 0,
            inputs: &inputs,
            max_step: micros(max_step),
            previous: Some(micros(start)),
            smoothing: micros(smoothing),
        };
        let mut board = ProgramValuation::of("aurora".parse().unwrap(), &basis).unwrap();
        let mut distance = (target - start).abs();
        for _ in 0..2_000 {
            // On the same side, and nearer each time: it does not swing.
            let left = target - board.value.micros();
            prop_assert!(left == 0 || left.signum() == (target - start).signum());
            prop_assert!(left == 0 || left.abs() < distance);
            distance = left.abs();
            board = next(&board);
        }
        prop_assert_eq!(board.value, board.target);
        prop_assert_eq!(next(&board).value, board.target);
    }
}
