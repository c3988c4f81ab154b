//! `alliance rates check`: whether anybody could gain by going round, by the rates of a file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use alliance_contracts::decimal::Decimal;
use alliance_contracts::limits;
use alliance_contracts::names::ProgramId;
use alliance_settlement::rates::arbitrage::{
    Edge, Factor, Graph, MAX_PROGRAMS, OutOfRange, Unproven, Weight, prove,
};
use clap::Args;
use serde::Serialize;
use toml::{Table, Value};

use super::shown;
use crate::cli::failure::{Exit, Failure};
use crate::cli::layout::counted;
use crate::cli::printer::{BAD, GOOD, HEADING, Printer, Shown, paint};
use crate::instance::{Instance, Overrides};

/// Which rates.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  alliance rates check rates.toml\n  \
    alliance rates check rates.toml --dir my-alliance")]
pub struct CheckArgs {
    /// The rates: [[programs]] program, value; [[pairs]] source, target, fee, multiplier
    #[arg(value_name = "FILE.toml")]
    file: PathBuf,
    /// Lay the file over the board in force of this instance
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// What a direction gets beside the ratio of the values: fee and multiplier.
type Pair = (Decimal, Decimal);

/// Values and directions to be looked at.
#[derive(Default)]
struct Sheet {
    values: BTreeMap<ProgramId, Decimal>,
    pairs: BTreeMap<(ProgramId, ProgramId), Pair>,
    /// The board's number, where there is one.
    board: u32,
}

#[derive(Serialize)]
struct Checked {
    ok: bool,
    programs: usize,
    pairs: usize,
    /// The cycle, told in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    gain: Option<String>,
    /// What going round the cycle once multiplies points by.
    #[serde(skip_serializing_if = "Option::is_none")]
    product: Option<String>,
}

impl Shown for Checked {
    fn text(&self) -> String {
        let looked_at = format!(
            "{} and {}",
            counted(self.programs, "program"),
            counted(self.pairs, "direction")
        );
        match &self.gain {
            None => {
                let heading = paint(HEADING, "Nobody gains by going round");
                format!(
                    "{} {heading}\n  {looked_at}: there are prices by which no direction gains, \
                     exactly, so no way round does",
                    paint(GOOD, "✓")
                )
            }
            Some(gain) => {
                let heading = match self.product {
                    Some(_) => "Somebody could gain by going round",
                    None => "That nobody gains by going round is not proved",
                };
                let heading = paint(HEADING, heading);
                format!("{} {heading}\n  {gain}\n  {looked_at}", paint(BAD, "✗"))
            }
        }
    }
}

pub(super) fn run(args: &CheckArgs, printer: Printer) -> Result<Exit, Failure> {
    let text = std::fs::read_to_string(&args.file)
        .map_err(|error| Failure::usage(format!("{}: {error}", args.file.display())))?;
    let mut sheet = match &args.dir {
        Some(dir) => in_force(dir)?,
        None => Sheet { board: 1, ..Sheet::default() },
    };
    let faults = lay(&mut sheet, &text, args.dir.is_some());
    if !faults.is_empty() {
        let summary = format!("{}: {}", args.file.display(), counted(faults.len(), "fault"));
        return Err(Failure::wrong(summary).with(faults));
    }
    let graph = graph(&sheet).map_err(Failure::wrong)?;
    let (programs, pairs) = (sheet.values.len(), sheet.pairs.len());
    let mut checked = Checked { ok: true, programs, pairs, gain: None, product: None };
    if let Err(unproven) = prove(&graph) {
        checked.ok = false;
        if let Unproven::Gain(gain) = &unproven {
            checked.product = Some(gain.product.clone());
        }
        checked.gain = Some(unproven.to_string());
    }
    printer.show(&checked);
    Ok(if checked.ok { Exit::Good } else { Exit::Wrong })
}

/// What orders get on the board in force.
fn in_force(dir: &Path) -> Result<Sheet, Failure> {
    let instance = Instance::load(dir, &Overrides::default());
    let books = instance.map_err(|faults| Failure::of_faults(&faults))?.read_books();
    let books = books.map_err(Failure::config)?;
    let published = shown::in_force(&books)?;
    let registry = books.house().registry();
    let mut sheet = Sheet { board: published.board.board, ..Sheet::default() };
    for valuation in &published.board.values {
        sheet.values.insert(valuation.program.clone(), valuation.value);
    }
    let Some(board) = registry.board_at(books.house().now()) else { return Ok(sheet) };
    let programs = &registry.definition.programs;
    for source in programs {
        for target in programs.iter().filter(|target| target.program != source.program) {
            if let Some(directed) = board.directed(source, target) {
                let ends = (source.program.clone(), target.program.clone());
                sheet.pairs.insert(ends, (directed.members_fee(), directed.multiplier));
            }
        }
    }
    Ok(sheet)
}

/// Lays a file over a sheet; every fault of the file.
fn lay(sheet: &mut Sheet, text: &str, over_board: bool) -> Vec<String> {
    let document: Table = match text.parse() {
        Ok(document) => document,
        Err(error) => return vec![format!("no TOML: {}", error_line(&error))],
    };
    let mut faults: Vec<String> = document
        .keys()
        .filter(|name| !["programs", "pairs"].contains(&name.as_str()))
        .map(|name| format!("{name} is unknown: there are [[programs]] and [[pairs]]"))
        .collect();
    let mut seen = BTreeSet::new();
    for (place, entry) in entries(&document, "programs", &mut faults) {
        let mut entry = Entry { place, table: entry, faults: &mut faults };
        entry.only(&["program", "value"]);
        let program: Option<ProgramId> = entry.read("program");
        let value: Option<Decimal> = entry.read("value");
        let Some((program, value)) = program.zip(value) else { continue };
        if !limits::value_in_range(value) {
            entry.fault(format!("value {value} must be above 0 and at most 1000000"));
        }
        if over_board && !sheet.values.contains_key(&program) {
            entry.fault(format!("program {program} is not on the board"));
        }
        if !seen.insert(program.clone()) {
            entry.fault(format!("program {program} stands there twice"));
        }
        sheet.values.insert(program, value);
    }
    let mut seen = BTreeSet::new();
    for (place, entry) in entries(&document, "pairs", &mut faults) {
        let mut entry = Entry { place, table: entry, faults: &mut faults };
        entry.only(&["source", "target", "fee", "multiplier"]);
        let ends = entry.read::<ProgramId>("source").zip(entry.read::<ProgramId>("target"));
        let fee: Option<Decimal> = entry.read("fee");
        let multiplier = match entry.table.contains_key("multiplier") {
            true => entry.read("multiplier"),
            false => Some(Decimal::ONE),
        };
        if fee.is_some_and(|fee| !limits::fee_rate_in_range(fee)) {
            entry.fault("fee must be below 1".to_owned());
        }
        if multiplier.is_some_and(|multiplier| !limits::multiplier_in_range(multiplier)) {
            entry.fault("multiplier must be above 0 and at most 10".to_owned());
        }
        let Some((source, target)) = ends else { continue };
        for end in [&source, &target] {
            if !sheet.values.contains_key(end) {
                entry.fault(format!("there is no program {end}"));
            }
        }
        if source == target {
            entry.fault("source and target are one program".to_owned());
        }
        if !seen.insert((source.clone(), target.clone())) {
            entry.fault(format!("{source} → {target} stands there twice"));
        }
        if let Some(pair) = fee.zip(multiplier) {
            sheet.pairs.insert((source, target), pair);
        }
    }
    if sheet.values.len() > MAX_PROGRAMS {
        faults.push(format!("{} programs: at most {MAX_PROGRAMS}", sheet.values.len()));
    }
    if faults.is_empty() && sheet.values.is_empty() {
        faults.push("there are no [[programs]]".to_owned());
    }
    faults
}

/// What is wrong with a text that is no TOML, in one line.
fn error_line(error: &toml::de::Error) -> String {
    error.message().replace('\n', " ")
}

/// The tables of a list, each with what it is called.
fn entries<'a>(
    document: &'a Table,
    name: &str,
    faults: &mut Vec<String>,
) -> Vec<(String, &'a Table)> {
    let list = match document.get(name) {
        None => return Vec::new(),
        Some(Value::Array(list)) => list,
        Some(_) => {
            faults.push(format!("{name} must be a list: write [[{name}]]"));
            return Vec::new();
        }
    };
    let mut entries = Vec::with_capacity(list.len());
    for (at, entry) in list.iter().enumerate() {
        let place = format!("{name} {}", at + 1);
        match entry {
            Value::Table(table) => entries.push((place, table)),
            _ => faults.push(format!("{place}: write [[{name}]]")),
        }
    }
    entries
}

/// One table of the file, being read.
struct Entry<'a, 'f> {
    place: String,
    table: &'a Table,
    faults: &'f mut Vec<String>,
}

impl Entry<'_, '_> {
    fn fault(&mut self, fault: String) {
        self.faults.push(format!("{}: {fault}", self.place));
    }

    fn only(&mut self, names: &[&str]) {
        let unknown: Vec<String> =
            self.table.keys().filter(|name| !names.contains(&name.as_str())).cloned().collect();
        for name in unknown {
            self.fault(format!("{name} is unknown: there are {}", names.join(", ")));
        }
    }

    fn read<T: std::str::FromStr<Err: std::fmt::Display>>(&mut self, name: &str) -> Option<T> {
        match self.table.get(name) {
            None => self.fault(format!("{name} is missing")),
            Some(Value::String(text)) => match text.parse() {
                Ok(value) => return Some(value),
                Err(error) => self.fault(format!("{name} \"{text}\": {error}")),
            },
            Some(_) => self.fault(format!("{name} must be in quotes")),
        }
        None
    }
}

fn graph(sheet: &Sheet) -> Result<Graph, OutOfRange> {
    let names: Vec<String> = sheet.values.keys().map(ToString::to_string).collect();
    let units: Vec<i64> = sheet.values.values().map(|value| value.micros()).collect();
    let place: BTreeMap<&ProgramId, usize> =
        sheet.values.keys().enumerate().map(|(at, program)| (program, at)).collect();
    let mut graph = Graph::new(&names, &units)?;
    for ((source, target), (fee, multiplier)) in &sheet.pairs {
        let of = |program| place.get(program).copied().ok_or(OutOfRange::Program);
        let (from, to) = (of(source)?, of(target)?);
        let value = |at: usize| units.get(at).copied().ok_or(OutOfRange::Program);
        let factor = Factor::new(fee.micros(), multiplier.micros())?;
        let weight = Weight::new(value(from)?, value(to)?, factor)?;
        let index = |at: usize| u32::try_from(at).map_err(|_| OutOfRange::Programs);
        let (from, to) = (index(from)?, index(to)?);
        graph.add(Edge { board: sheet.board.into(), from, to, weight })?;
    }
    Ok(graph)
}
