use proptest::prelude::*;

use super::*;

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn good() -> ValueModel {
    ValueModel::default_for(decimal("0.05"))
}

fn only_fault(model: &ValueModel) -> String {
    let faults = model.check(decimal("0.05"));
    assert_eq!(faults.len(), 1, "{faults:?}");
    faults[0].clone()
}

#[test]
fn a_program_without_a_model_keeps_its_value_between_half_and_double() {
    let model = good();
    assert_eq!(model.band, Band { max: decimal("0.1"), min: decimal("0.025") });
    assert_eq!((model.max_step, model.smoothing), (decimal("0.02"), decimal("0.3")));
    assert_eq!(model.weights.base, Decimal::ONE);
    assert_eq!((model.redemption_weight, model.absurd_factor), (decimal("0.2"), 10));
    assert_eq!(model.stale_after_seconds, 604_800);
    let top = ValueModel::default_for(decimal("1000000"));
    assert_eq!(top.band.max, decimal("1000000"));
    let bottom = ValueModel::default_for(decimal("0.000001"));
    assert_eq!(bottom.band, Band { max: decimal("0.000002"), min: decimal("0.000001") });
}

#[test]
fn what_is_not_declared_has_its_default() {
    let text = "[band]\nmin = \"0.025\"\nmax = \"0.1\"\n";
    assert_eq!(toml::from_str::<ValueModel>(text).unwrap(), good());
    let named = format!("{text}[weights]\nredemption = \"0.5\"\n");
    let weights = toml::from_str::<ValueModel>(&named).unwrap().weights;
    assert_eq!((weights.base, weights.redemption), (Decimal::ZERO, decimal("0.5")));
    for unknown in ["pace = \"1\"\n", "[weights]\nbackin = \"1\"\n"] {
        let text = if unknown.starts_with('[') {
            format!("{text}{unknown}")
        } else {
            format!("{unknown}{text}")
        };
        assert!(toml::from_str::<ValueModel>(&text).is_err(), "{text}");
    }
    assert!(toml::from_str::<ValueModel>("max_step = \"0.02\"\n").is_err(), "no band");
}

#[test]
fn every_fault_of_a_model_is_listed_at_once_and_says_what_would_be_right() {
    let bad = ValueModel {
        band: Band { max: Decimal::ZERO, min: decimal("0.2") },
        max_step: Decimal::ONE,
        smoothing: Decimal::ZERO,
        weights: Weights { base: Decimal::ZERO, ..Weights::default() },
        redemption_weight: decimal("1.5"),
        stale_after_seconds: 0,
        absurd_factor: 1,
    };
    assert_eq!(
        bad.check(decimal("0.05")),
        [
            "band.max 0 must be above 0 and at most 1000000",
            "the band is empty: min 0.2 must be at most max 0",
            "all weights are 0: give at least one, such as base = \"1\"",
            "max_step 1 must be above 0 and below 1, such as \"0.02\"",
            "smoothing 0 must be above 0 and at most 1",
            "redemption_weight 1.5 must be above 0 and at most 1",
            "stale_after_seconds 0 must be 1 to 31622400, a year",
            "absurd_factor 1 must be 2 to 100",
        ]
    );
}

#[test]
fn each_bound_is_where_it_is_said_to_be() {
    let model = good();
    let wide = Weights { cost: decimal("1.000001"), ..Weights::default() };
    let bad = [
        ValueModel { max_step: Decimal::ZERO, ..model.clone() },
        ValueModel { smoothing: decimal("1.000001"), ..model.clone() },
        ValueModel { weights: wide, ..model.clone() },
        ValueModel { redemption_weight: Decimal::ZERO, ..model.clone() },
        ValueModel { stale_after_seconds: YEAR_SECONDS + 1, ..model.clone() },
        ValueModel { absurd_factor: 101, ..model.clone() },
        ValueModel { band: Band { max: decimal("0.049999"), ..model.band }, ..model.clone() },
        ValueModel { band: Band { min: decimal("0.050001"), ..model.band }, ..model.clone() },
        ValueModel { band: Band { max: decimal("1000000.000001"), ..model.band }, ..model.clone() },
    ];
    for model in bad {
        only_fault(&model);
    }
    let weights = Weights { base: Decimal::ONE, redemption: Decimal::ONE, ..Weights::default() };
    let peg = Band { max: decimal("0.05"), min: decimal("0.05") };
    let edge = ValueModel {
        band: peg,
        max_step: decimal("0.999999"),
        smoothing: Decimal::ONE,
        weights,
        redemption_weight: Decimal::ONE,
        stale_after_seconds: 1,
        absurd_factor: 100,
    };
    assert_eq!(edge.check(decimal("0.05")), Vec::<String>::new());
    let edge = ValueModel { stale_after_seconds: YEAR_SECONDS, absurd_factor: 2, ..model };
    assert_eq!(edge.check(decimal("0.05")), Vec::<String>::new());
}

#[test]
fn a_step_too_short_to_be_seen_is_a_fault_that_names_one_that_is_not() {
    let band = Band { max: decimal("0.1"), min: decimal("0.00003") };
    let model = ValueModel { band, ..good() };
    let fault = only_fault(&model);
    assert!(fault.contains("max_step 0.02 of band.min 0.00003"), "{fault}");
    assert!(fault.ends_with(": raise max_step to 0.033334, or band.min"), "{fault}");
    let longer = ValueModel { max_step: decimal("0.033334"), ..model.clone() };
    assert_eq!(longer.check(decimal("0.05")), Vec::<String>::new());
    only_fault(&ValueModel { max_step: decimal("0.033333"), ..model.clone() });
    let just = Band { min: decimal("0.00005"), ..band };
    let exactly_a_millionth = ValueModel { band: just, ..good() };
    assert_eq!(exactly_a_millionth.check(decimal("0.05")), Vec::<String>::new());
    let band = Band { min: decimal("0.000001"), ..band };
    let hopeless = ValueModel { band, max_step: decimal("0.999999"), ..model };
    assert!(only_fault(&hopeless).ends_with(": raise band.min"));
}

proptest! {
    #[test]
    fn the_default_model_of_every_value_from_a_ten_thousandth_up_is_good(
        micros in prop_oneof![100..10_000_i64, 100..=limits::MAX_VALUE_MICROS],
    ) {
        let value = Decimal::from_micros(micros).unwrap();
        prop_assert_eq!(ValueModel::default_for(value).check(value), Vec::<String>::new());
    }

    #[test]
    fn a_model_comes_back_from_what_is_stored(
        micros in 100..=limits::MAX_VALUE_MICROS, factor in 2..100_u32,
    ) {
        let value = Decimal::from_micros(micros).unwrap();
        let model = ValueModel { absurd_factor: factor, ..ValueModel::default_for(value) };
        let text = serde_json::to_string(&model).unwrap();
        prop_assert_eq!(serde_json::from_str::<ValueModel>(&text).unwrap(), model);
    }
}
