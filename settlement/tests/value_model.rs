//! Keeps `docs/value-model.md` true: its model, readings and boards are read from the page and
//! worked out again, by the product and, step by step, by hand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use alliance_contracts::decimal::Decimal;
use alliance_contracts::time::Timestamp;
use alliance_contracts::valuation::{Basis, InputKind, Limit, ProgramValuation};
use alliance_settlement::rates::feeds::{
    Feeds, KnownProgram, Observation, check_feed_file, inputs,
};
use alliance_settlement::rates::model::ValueModel;

const PAGE: &str = include_str!("../../docs/value-model.md");
const BASE: &str = "0.05";
const NONE: &str = "–";

/// The block that is opened with these words.
fn block(kind: &str) -> &'static str {
    let (_, rest) = PAGE.split_once(&format!("\n```{kind}\n")).expect(kind);
    rest.split_once("```").expect("an end").0
}

/// The cells of the row of the example's table that begins with this.
fn row(name: &str) -> Vec<&'static str> {
    let line = PAGE.lines().find(|line| line.starts_with(&format!("| {name} |"))).expect(name);
    let cells: Vec<&str> = line.trim_matches('|').split('|').skip(1).map(str::trim).collect();
    assert_eq!(cells.len(), 4, "{name}");
    cells
}

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// 10⁻⁶ units of a cell.
fn micros(text: &str) -> i64 {
    decimal(text).micros()
}

fn model() -> ValueModel {
    toml::from_str(block("toml model")).unwrap()
}

fn readings() -> Vec<Observation> {
    let (model, feeds) = (model(), Feeds::default());
    let known = KnownProgram { model: &model, feeds: &feeds };
    let programs = BTreeMap::from([("aurora".parse().unwrap(), known)]);
    let now = "2026-11-12T00:00:00.000Z".parse().unwrap();
    check_feed_file(block("csv feeds"), &programs, now).unwrap()
}

/// The four boards, as the product makes them.
fn boards() -> Vec<ProgramValuation> {
    let (model, readings) = (model(), readings());
    let mut boards: Vec<ProgramValuation> = Vec::new();
    for (published_at, halvings) in row("published at").iter().zip(row("halvings")) {
        let now: Timestamp = published_at.parse().unwrap();
        let known = readings.iter().filter(|reading| reading.observed_at <= now);
        let feeds = known
            .fold(Feeds::default(), |feeds, reading| feeds.observe(reading, &model, now).unwrap());
        let basis = Basis {
            band: model.band,
            halvings: halvings.parse().unwrap(),
            inputs: &inputs(decimal(BASE), &model, &feeds, None, now),
            max_step: model.max_step,
            previous: boards.last().map(|board| board.value),
            smoothing: model.smoothing,
        };
        boards.push(ProgramValuation::of("aurora".parse().unwrap(), &basis).unwrap());
    }
    boards
}

#[test]
fn the_model_of_the_page_is_good_and_its_defaults_are_the_products() {
    let model = model();
    assert_eq!(model.check(decimal(BASE)), Vec::<String>::new());
    let default = ValueModel::default_for(decimal(BASE));
    let same = ValueModel { band: default.band, weights: default.weights, ..model };
    assert_eq!(same, default);
    for (setting, value) in [
        ("max_step", default.max_step.to_string()),
        ("smoothing", default.smoothing.to_string()),
        ("redemption_weight", default.redemption_weight.to_string()),
        ("stale_after_seconds", default.stale_after_seconds.to_string()),
        ("absurd_factor", default.absurd_factor.to_string()),
    ] {
        let line = PAGE.lines().find(|line| line.starts_with(&format!("| `{setting}` |")));
        let cell = line.unwrap().split('|').nth(2).unwrap().trim();
        assert_eq!(cell.split(',').next(), Some(value.as_str()), "{setting}");
    }
}

#[test]
fn the_product_makes_the_boards_of_the_page() {
    for (at, board) in boards().iter().enumerate() {
        let input = |kind| board.inputs.iter().find(|input| input.input == kind).unwrap();
        for (name, kind) in [("redemption", InputKind::Redemption), ("backing", InputKind::Backing)]
        {
            assert_eq!(input(kind).value.to_string(), row(name)[at]);
            let status = row(&format!("{name}'s status"))[at];
            assert_eq!(input(kind).status.as_str(), status);
        }
        let previous = board.previous.map_or(NONE.to_owned(), |value| value.to_string());
        assert_eq!(previous, row("previous")[at]);
        assert_eq!(board.target.to_string(), row("target")[at]);
        assert_eq!(board.value.to_string(), row("value")[at]);
        let limits: Vec<&str> = board.limited_by.iter().map(|limit| limit.as_str()).collect();
        let limits = if limits.is_empty() { NONE.to_owned() } else { limits.join(", ") };
        assert_eq!(limits, row("limited by")[at]);
        assert_eq!(board.recompute(), Ok(()));
    }
    let cut = |limit| boards().iter().any(|board| board.limited_by == [limit]);
    assert!(cut(Limit::Step) && cut(Limit::Overlap), "the example shows both");
}

#[test]
fn the_json_of_the_page_is_board_3() {
    let shown: ProgramValuation = serde_json::from_str(block("json board-3")).unwrap();
    assert_eq!(shown, boards()[2]);
}

/// Each row from the rows above it, with none of the product's arithmetic.
#[test]
fn the_table_of_the_page_follows_by_hand() {
    let million = 1_000_000;
    for at in 0..4 {
        let cell = |name: &str| micros(row(name)[at]);
        // Weights 0.5, 0.3 and 0.2.
        let mean = (5 * micros(BASE) + 3 * cell("redemption") + 2 * cell("backing")) / 10;
        assert_eq!(mean, cell("mean"));
        assert_eq!(mean.clamp(40_000, 60_000), cell("target"));
        if at == 0 {
            assert_eq!(cell("value"), cell("target"));
            continue;
        }
        assert_eq!(micros(row("value")[at - 1]), cell("previous"));
        assert_eq!(cell("target") - cell("previous"), cell("way to go"));
        let smoothed = (3 * cell("way to go") + 9) / 10;
        assert_eq!(smoothed, cell("smoothed, rounded up"));
        let longest = cell("previous") * 20_000 / million;
        assert_eq!(longest, cell("longest step, rounded down"));
        let halvings: u32 = row("halvings")[at].parse().unwrap();
        assert_eq!(smoothed.min(longest) / 2_i64.pow(halvings), cell("movement"));
        assert_eq!(cell("previous") + cell("movement"), cell("value"));
    }
    assert_eq!(42_000 * million / 900_000, micros(row("backing")[0]));
}
