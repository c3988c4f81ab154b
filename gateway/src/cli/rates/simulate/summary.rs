//! What is said at the end.

use std::collections::BTreeMap;

use alliance_contracts::decimal::{Decimal, format_micros};
use alliance_contracts::valuation::Limit;
use alliance_settlement::rates::simulate::demand::Demand;
use alliance_settlement::rates::simulate::scenario::Scenario;
use alliance_settlement::rates::simulate::{DirectionNow, Simulation, ValueNow};
use serde::Serialize;

use super::every;
use crate::cli::layout::{Column, counted, grouped, table};
use crate::cli::printer::{FAINT, GOOD, HEADING, LIVE, Shown, paint};

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Which story, where it was one.
    pub scenario: Option<&'static str>,
    /// For how many days.
    pub days: u32,
    /// From one board to the next.
    pub every_seconds: i64,
    /// When the first board was published.
    pub start: String,
    /// How many were, with the first.
    pub boards: usize,
    /// What values are told in.
    pub currency: String,
    /// How members answer a surcharge.
    pub elasticity: String,
    /// How many of them turn round.
    pub turning: String,
    /// Each program.
    pub programs: Vec<ProgramSummary>,
    /// Each direction.
    pub directions: Vec<DirectionSummary>,
    /// What the agreements' fees earned.
    pub fees_earned: String,
    /// What surcharges earned.
    pub surcharges_earned: String,
    /// What was written.
    pub files: Vec<String>,
}

/// What became of a value.
#[derive(Clone, Debug, Serialize)]
pub struct ProgramSummary {
    /// The program.
    pub program: String,
    /// Its value on the first board.
    pub first: Decimal,
    /// On the last.
    pub last: Decimal,
    /// The least there was.
    pub min: Decimal,
    /// The greatest.
    pub max: Decimal,
    /// What it may be at least.
    pub band_min: Decimal,
    /// At most.
    pub band_max: Decimal,
    /// Boards on which it moved.
    pub moved: usize,
    /// Boards on which the band cut it.
    pub cut_by_band: usize,
    /// Boards on which the step did.
    pub cut_by_step: usize,
    /// Boards on which it was halved because of quotes of other boards.
    pub cut_by_overlap: usize,
}

/// What became of a flow.
#[derive(Clone, Debug, Serialize)]
pub struct DirectionSummary {
    /// Whose points are given.
    pub source: String,
    /// Whose points arrive.
    pub target: String,
    /// What members wanted.
    pub wanted: String,
    /// What they exchanged.
    pub gross: String,
    /// What a surcharge kept away.
    pub kept_away: String,
    /// What was turned away.
    pub refused: String,
    /// The highest surcharge.
    pub highest_surcharge: Decimal,
    /// What fees and surcharges earned.
    pub earned: String,
    /// Boards on which the pair would have frozen.
    pub frozen: usize,
}

impl Summary {
    /// Out of a simulation.
    pub fn of(simulation: &Simulation, scenario: Option<Scenario>, demand: Demand) -> Self {
        let (fees, surcharges) = simulation.earned();
        Self {
            scenario: scenario.map(Scenario::as_str),
            days: simulation.days,
            every_seconds: simulation.every_seconds,
            start: simulation.start.to_string(),
            boards: simulation.boards(),
            currency: simulation.currency.to_string(),
            elasticity: demand.elasticity.to_string(),
            turning: demand.turning.to_string(),
            programs: programs(simulation),
            directions: directions(simulation),
            fees_earned: format_micros(fees),
            surcharges_earned: format_micros(surcharges),
            files: Vec::new(),
        }
    }
}

fn programs(simulation: &Simulation) -> Vec<ProgramSummary> {
    let mut all: BTreeMap<&str, ProgramSummary> = BTreeMap::new();
    for period in &simulation.periods {
        for now in &period.values {
            let ValueNow { program, value, band, .. } = now;
            let cut = |limit| usize::from(period.published && now.limited_by.contains(&limit));
            let told = all.entry(program.as_str()).or_insert_with(|| ProgramSummary {
                program: program.to_string(),
                first: *value,
                last: *value,
                min: *value,
                max: *value,
                band_min: band.min,
                band_max: band.max,
                moved: 0,
                cut_by_band: 0,
                cut_by_step: 0,
                cut_by_overlap: 0,
            });
            told.moved += usize::from(told.last != *value);
            told.last = *value;
            told.min = told.min.min(*value);
            told.max = told.max.max(*value);
            told.cut_by_band += cut(Limit::Band);
            told.cut_by_step += cut(Limit::Step);
            told.cut_by_overlap += cut(Limit::Overlap);
        }
    }
    all.into_values().collect()
}

/// Sums of one direction.
#[derive(Default)]
struct Sums {
    wanted: i128,
    gross: i128,
    kept_away: i128,
    refused: i128,
    earned: i128,
    highest: Decimal,
    frozen: usize,
}

fn directions(simulation: &Simulation) -> Vec<DirectionSummary> {
    let mut all: BTreeMap<(&str, &str), Sums> = BTreeMap::new();
    for now in simulation.periods.iter().flat_map(|period| &period.directions) {
        let DirectionNow { wanted, gross, kept_away, refused, surcharge, .. } = now;
        let sums = all.entry((now.source.as_str(), now.target.as_str())).or_default();
        sums.wanted += wanted;
        sums.gross += gross;
        sums.kept_away += kept_away;
        sums.refused += refused;
        sums.earned += now.fees + now.surcharges;
        sums.highest = sums.highest.max(*surcharge);
        sums.frozen += usize::from(now.frozen);
    }
    all.into_iter()
        .map(|((source, target), sums)| DirectionSummary {
            source: source.to_owned(),
            target: target.to_owned(),
            wanted: format_micros(sums.wanted),
            gross: format_micros(sums.gross),
            kept_away: format_micros(sums.kept_away),
            refused: format_micros(sums.refused),
            highest_surcharge: sums.highest,
            earned: format_micros(sums.earned),
            frozen: sums.frozen,
        })
        .collect()
}

/// A sum of money for people: rounded to hundredths, grouped.
pub fn money(plain: &str) -> String {
    let total: alliance_contracts::total::Total = plain.parse().unwrap_or_default();
    let (sign, magnitude) =
        if total.micros() < 0 { (-1, -total.micros()) } else { (1, total.micros()) };
    let hundredths = (magnitude + 5_000) / 10_000;
    let whole = grouped(&(hundredths / 100 * sign).to_string());
    format!("{whole}.{:02}", hundredths % 100)
}

/// A rate for people: `1.5 %`.
pub fn percent(rate: Decimal) -> String {
    format!("{} %", format_micros(i128::from(rate.micros()) * 100))
}

impl Summary {
    /// The head of the table of values.
    pub const VALUE_HEAD: [&'static str; 9] =
        ["program", "first", "last", "least", "most", "band", "moved", "cut by step", "by overlap"];
    /// The head of the table of flows.
    pub const FLOW_HEAD: [&'static str; 7] =
        ["direction", "wanted", "went", "stayed away", "refused", "highest surcharge", "earned"];

    /// Rows of the table of values.
    pub fn value_rows(&self) -> Vec<Vec<String>> {
        let row = |p: &ProgramSummary| {
            vec![
                p.program.clone(),
                p.first.to_string(),
                p.last.to_string(),
                p.min.to_string(),
                p.max.to_string(),
                format!("{} to {}", p.band_min, p.band_max),
                p.moved.to_string(),
                p.cut_by_step.to_string(),
                p.cut_by_overlap.to_string(),
            ]
        };
        self.programs.iter().map(row).collect()
    }

    /// Rows of the table of flows.
    pub fn flow_rows(&self) -> Vec<Vec<String>> {
        let row = |d: &DirectionSummary| {
            vec![
                format!("{} → {}", d.source, d.target),
                money(&d.wanted),
                money(&d.gross),
                money(&d.kept_away),
                money(&d.refused),
                percent(d.highest_surcharge),
                money(&d.earned),
            ]
        };
        self.directions.iter().map(row).collect()
    }

    /// In one line: how long, how many boards, what was assumed.
    pub fn facts(&self) -> String {
        let Self { elasticity, turning, .. } = self;
        let (days, boards) = (self.days.try_into().unwrap_or(usize::MAX), self.boards);
        let every = every::told(self.every_seconds);
        format!(
            "{}, {} (one every {every} at most); for each 1 % of surcharge {elasticity} % of a \
             flow stays away, and {turning} of that goes the other way",
            counted(days, "day"),
            counted(boards, "board"),
        )
    }

    /// In one line: how often pairs would have frozen, where they would.
    pub fn frozen(&self) -> Option<String> {
        let each = self.directions.iter().filter(|direction| direction.frozen > 0);
        let told: Vec<String> = each
            .map(|d| format!("{} → {} on {}", d.source, d.target, counted(d.frozen, "board")))
            .collect();
        (!told.is_empty()).then(|| format!("Beyond its limit, and frozen: {}", told.join(", ")))
    }
}

impl Shown for Summary {
    fn text(&self) -> String {
        let Self { currency, .. } = self;
        let story = self.scenario.map(|name| format!("{name}: ")).unwrap_or_default();
        let right = |count: usize| [vec![Column::Left], vec![Column::Right; count - 1]].concat();
        let values = table("  ", &right(9), &Self::VALUE_HEAD, &self.value_rows());
        let flows = table("  ", &right(7), &Self::FLOW_HEAD, &self.flow_rows());
        let mut lines = vec![
            format!("{} {story}{}", paint(GOOD, "✓"), self.facts()),
            String::new(),
            paint(HEADING, &format!("Values, {currency} per point")),
            values,
            String::new(),
            paint(HEADING, &format!("Flows, {currency}")),
            flows,
            String::new(),
            format!(
                "Earned: {} {currency} by fees, {} {currency} by surcharges",
                money(&self.fees_earned),
                money(&self.surcharges_earned)
            ),
        ];
        lines.extend(self.frozen());
        lines.push(paint(FAINT, "How members answer a surcharge is assumed, not forecast."));
        lines.push(String::new());
        lines.extend(self.files.iter().map(|file| format!("  {}", paint(LIVE, file))));
        lines.join("\n")
    }
}
