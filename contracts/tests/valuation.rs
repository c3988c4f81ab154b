//! The published cases of the value formula (`contracts/vectors/valuation.json`), worked out
//! elsewhere, against the crate.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;

use alliance_contracts::decimal::Decimal;
use alliance_contracts::valuation::{
    Band, Basis, Input, Limit, ProgramValuation, ValuationError, valuate,
};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    about: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    what: String,
    band: Band,
    halvings: u32,
    inputs: Vec<Input>,
    max_step: Decimal,
    previous: Option<Decimal>,
    smoothing: Decimal,
    result: Option<Outcome>,
    refused: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Outcome {
    limited_by: Vec<Limit>,
    target: Decimal,
    value: Decimal,
}

fn cases() -> Vec<Case> {
    let text = include_str!("../vectors/valuation.json");
    let file: File = serde_json::from_str(text).unwrap();
    assert!(file.about.contains("independently of this crate"));
    file.cases
}

fn basis(case: &Case) -> Basis<'_> {
    Basis {
        band: case.band,
        halvings: case.halvings,
        inputs: &case.inputs,
        max_step: case.max_step,
        previous: case.previous,
        smoothing: case.smoothing,
    }
}

fn name(error: ValuationError) -> &'static str {
    match error {
        ValuationError::Band { .. } => "band",
        ValuationError::Smoothing(_) => "smoothing",
        ValuationError::MaxStep(_) => "max_step",
        ValuationError::Halvings(_) => "halvings",
        ValuationError::Previous(_) => "previous",
        ValuationError::Twice(_) => "twice",
        ValuationError::Weight { .. } => "weight",
        ValuationError::Value { .. } => "value",
        ValuationError::NotAlone(_) => "not_alone",
        ValuationError::NoWeight => "no_weight",
    }
}

#[test]
fn every_published_value_comes_out_to_its_digits() {
    for case in cases() {
        let what = &case.what;
        match (valuate(&basis(&case)), &case.result, &case.refused) {
            (Ok(valued), Some(expected), None) => {
                assert_eq!(valued.target, expected.target, "{what}");
                assert_eq!(valued.value, expected.value, "{what}");
                assert_eq!(valued.limited_by, expected.limited_by, "{what}");
            }
            (Err(error), None, Some(expected)) => assert_eq!(name(error), expected, "{what}"),
            (other, ..) => panic!("{what}: {other:?}"),
        }
    }
}

#[test]
fn the_published_cases_reach_every_limit_and_every_refusal() {
    let cases = cases();
    assert!(cases.len() >= 40, "{} cases", cases.len());
    let refusals: BTreeSet<&str> = cases.iter().filter_map(|c| c.refused.as_deref()).collect();
    assert_eq!(refusals.len(), 10, "{refusals:?}");
    let limits = |limit: Limit| {
        cases.iter().filter_map(|c| c.result.as_ref()).any(|r| r.limited_by.contains(&limit))
    };
    assert!(Limit::ALL.into_iter().all(limits));
}

#[test]
fn a_board_made_of_a_published_case_is_recomputed() {
    for case in cases().iter().filter(|case| case.result.is_some()) {
        let board = ProgramValuation::of("aurora".parse().unwrap(), &basis(case)).unwrap();
        assert_eq!(board.recompute(), Ok(()), "{}", case.what);
    }
}
