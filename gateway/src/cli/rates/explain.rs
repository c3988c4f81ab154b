//! `alliance rates explain`.

use alliance_contracts::board::PairTerms;
use alliance_contracts::decimal::Decimal;
use alliance_contracts::names::ProgramId;
use alliance_contracts::time::Timestamp;
use alliance_contracts::total::Total;
use alliance_contracts::valuation::{Input, InputStatus, ProgramValuation, Steps, steps};
use alliance_settlement::alliance::{PublishedBoard, Registry};
use clap::Args;
use serde::Serialize;

use super::shown;
use crate::cli::Place;
use crate::cli::failure::{Exit, Failure};
use crate::cli::layout::{Column, table};
use crate::cli::printer::{BAD, GOOD, HEADING, Printer, Shown, paint};

/// Which value.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  alliance rates explain aurora --dir my-alliance\n  \
    alliance rates explain aurora --board 12 --dir my-alliance")]
pub struct ExplainArgs {
    /// The program
    #[arg(value_name = "PROGRAM")]
    program: ProgramId,
    /// On which board [default: the one in force]
    #[arg(long, value_name = "N")]
    board: Option<u32>,
    #[command(flatten)]
    place: Place,
}

#[derive(Serialize)]
struct PairLine {
    source: ProgramId,
    target: ProgramId,
    fee: Decimal,
    surcharge: Decimal,
    multiplier: Decimal,
    /// What was exchanged this way and the other, older orders counting less and less.
    flow: Total,
    flow_back: Total,
    suspended: bool,
    withheld: bool,
}

#[derive(Serialize)]
struct Explained {
    board: u32,
    currency: String,
    effective_at: Timestamp,
    valuation: ProgramValuation,
    steps: Option<StepLines>,
    /// What does not follow from what the value is made of.
    mismatch: Option<String>,
    pairs: Vec<PairLine>,
}

#[derive(Serialize)]
struct StepLines(Vec<(String, String)>);

impl Shown for Explained {
    fn text(&self) -> String {
        let Self { board, currency, effective_at, valuation, .. } = self;
        let ProgramValuation { program, value, previous, .. } = valuation;
        let mut lines = vec![paint(
            HEADING,
            &format!("{program} on board {board}: {value} {currency} a point, from {effective_at}"),
        )];
        let cut = shown::cut_by(&valuation.limited_by);
        let cut = if cut.is_empty() { "nothing".to_owned() } else { cut };
        let before = previous.map_or("on no board".to_owned(), |previous| previous.to_string());
        let change = shown::change(*previous, *value);
        lines.push(format!("  before {before}, change {change}, cut by {cut}"));
        let rows: Vec<Vec<String>> = valuation.inputs.iter().map(input_row).collect();
        let header = ["input", "weight", "counts as", "status", "observed"];
        lines.push(table("  ", &[Column::Left; 5], &header, &rows));
        if let Some(StepLines(steps)) = &self.steps {
            let rows: Vec<Vec<String>> =
                steps.iter().map(|(name, step)| vec![name.clone(), step.clone()]).collect();
            lines.push(table("  ", &[Column::Left; 2], &[], &rows));
        }
        lines.push(match &self.mismatch {
            None => format!("{} Computed again: what the board says", paint(GOOD, "✓")),
            Some(mismatch) => format!("{} {mismatch}", paint(BAD, "✗")),
        });
        if !self.pairs.is_empty() {
            let rows: Vec<Vec<String>> = self.pairs.iter().map(pair_row).collect();
            let header = ["pair", "fee", "surcharge", "multiplier", "flow there", "flow back", ""];
            lines.push(table("  ", &[Column::Left; 7], &header, &rows));
        }
        lines.join("\n")
    }
}

fn input_row(input: &Input) -> Vec<String> {
    let since = input.as_of.map_or_else(String::new, |as_of| as_of.to_string());
    let status = match input.status {
        InputStatus::Declared | InputStatus::Fresh => input.status.as_str().to_owned(),
        other if input.as_of.is_none() => format!("{}: the base stands in", other.as_str()),
        InputStatus::Stale => "stale: counts still".to_owned(),
        other => format!("{}: the last good one stands in", other.as_str()),
    };
    let Input { input, weight, value, .. } = input;
    vec![input.as_str().to_owned(), weight.to_string(), value.to_string(), status, since]
}

fn pair_row(pair: &PairLine) -> Vec<String> {
    let remark = match (pair.withheld, pair.suspended) {
        (true, _) => "takes no orders on this board",
        (false, true) => "its multiplier is suspended",
        _ => "",
    };
    vec![
        format!("{} → {}", pair.source, pair.target),
        pair.fee.to_string(),
        pair.surcharge.to_string(),
        pair.multiplier.to_string(),
        pair.flow.to_string(),
        pair.flow_back.to_string(),
        remark.to_owned(),
    ]
}

/// Each step with its digits.
fn step_lines(valuation: &ProgramValuation) -> Option<StepLines> {
    let Steps { mean, weights, target, moved, value } = steps(&valuation.basis()).ok()?;
    let part = |input: &Input| format!("{} × {}", input.weight, input.value);
    let sum = valuation.inputs.iter().map(part).collect::<Vec<_>>().join(" + ");
    let band = valuation.band;
    let mut lines = vec![
        ("mean".to_owned(), format!("({sum}) / {weights} = {mean}")),
        ("target".to_owned(), format!("{mean} held in {} to {} = {target}", band.min, band.max)),
    ];
    let mut line = |name: &str, text: String| lines.push((name.to_owned(), text));
    match moved.zip(valuation.previous) {
        None => line("value", format!("{value}: the target itself, on a first board")),
        Some((moved, previous)) => {
            let (smoothing, max_step) = (valuation.smoothing, valuation.max_step);
            let wanted = moved.wanted;
            line(
                "smoothed",
                format!("|{target} − {previous}| × {smoothing} = {wanted}, rounded up"),
            );
            let (longest, step) = (moved.longest, moved.step);
            line("step", format!("at most {previous} × {max_step} = {longest}: {step}"));
            let movement = moved.movement;
            line("halved", format!("{} times: {movement}", valuation.halvings));
            let sign = if target < previous { "−" } else { "+" };
            line("value", format!("{previous} {sign} {movement} = {value}"));
        }
    }
    Some(StepLines(lines))
}

/// Every direction in which orders begin or end with the program.
fn pairs(registry: &Registry, published: &PublishedBoard, program: &ProgramId) -> Vec<PairLine> {
    let Some(own) = registry.program(program) else { return Vec::new() };
    let terms = &published.terms;
    let line = |source: &ProgramId, target: &ProgramId, fee: Decimal| {
        let stated: Option<&PairTerms> = terms.pair(source, target);
        let back = terms.pair(target, source);
        let zero = Total::ZERO;
        PairLine {
            source: source.clone(),
            target: target.clone(),
            fee: stated.map_or(fee, |stated| stated.fee),
            surcharge: stated.map_or(Decimal::ZERO, |stated| stated.surcharge),
            multiplier: stated.map_or(Decimal::ONE, |stated| stated.multiplier),
            flow: stated.map_or(zero, |stated| stated.flow),
            flow_back: back.map_or(zero, |back| back.flow),
            suspended: stated.is_some_and(|stated| stated.suspended),
            withheld: stated.is_some_and(|stated| stated.withheld),
        }
    };
    let others = registry.definition.programs.iter().filter(|p| p.partner != own.partner);
    others
        .filter_map(|other| {
            let agreed = terms.agreed_between(&own.partner, &other.partner)?;
            let other = &other.program;
            Some([line(program, other, agreed.fee), line(other, program, agreed.fee)])
        })
        .flatten()
        .collect()
}

pub(super) fn run(args: &ExplainArgs, printer: Printer) -> Result<Exit, Failure> {
    let books = args.place.load()?.read_books().map_err(Failure::config)?;
    let published = match args.board {
        Some(number) => shown::board(&books, number)?,
        None => shown::in_force(&books)?,
    };
    let board = &published.board;
    let valuation = board.valuation(&args.program).cloned();
    let missing = || format!("board {} has no program {}", board.board, args.program);
    let valuation = valuation.ok_or_else(|| Failure::usage(missing()))?;
    let mismatch = valuation.recompute().err().map(|mismatch| mismatch.to_string());
    let exit = if mismatch.is_none() { Exit::Good } else { Exit::Wrong };
    printer.show(&Explained {
        board: board.board,
        currency: board.currency.to_string(),
        effective_at: board.effective_at,
        steps: step_lines(&valuation),
        valuation,
        mismatch,
        pairs: pairs(&books.house().registry(), &published, &args.program),
    });
    Ok(exit)
}
