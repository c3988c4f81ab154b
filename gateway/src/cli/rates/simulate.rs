//! `alliance rates simulate`.
//!
//! | file | what |
//! | --- | --- |
//! | `every` | how often boards come: typed, or as the schedule says |
//! | `sheets` | the tables |
//! | `charts` | what is drawn, and the page around it |
//! | `draw` | one chart as SVG |
//! | `summary` | what is said at the end |

mod charts;
mod draw;
mod every;
mod sheets;
mod summary;

use std::fs;
use std::path::{Path, PathBuf};

use alliance_contracts::decimal::Decimal;
use alliance_settlement::alliance::Definition;
use alliance_settlement::rates::feeds::RowFault;
use alliance_settlement::rates::simulate::demand::Demand;
use alliance_settlement::rates::simulate::input::{self, Inputs};
use alliance_settlement::rates::simulate::scenario::Scenario;
use alliance_settlement::rates::simulate::{self as engine, DAY_SECONDS, Plan, Simulation};
use clap::builder::PossibleValue;
use clap::{ArgGroup, Args, ValueEnum};

use crate::cli::Place;
use crate::cli::failure::{Exit, Failure};
use crate::cli::layout::counted;
use crate::cli::printer::Printer;
use crate::instance::config::Config;
use crate::instance::{config_file, keyfile};
use summary::Summary;

/// What to simulate.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("what").required(true),
    after_help = "Examples:\n  alliance rates simulate --scenario one-way-rush\n  \
    alliance rates simulate --dir my-alliance --flows flows.csv --days 90\n  \
    alliance rates simulate --dir my-alliance --flows flows.csv --feeds feeds.csv --every 6h\n  \
    alliance rates simulate --scenario price-shock --write-flows my-flows.csv"
)]
pub struct SimulateArgs {
    /// Flows that are expected, or were: day,source,target,gross (or time,…)
    #[arg(long, value_name = "FILE.csv", group = "what")]
    flows: Option<PathBuf>,
    /// A story with an alliance of its own, instead of files
    #[arg(long, value_name = "NAME", group = "what")]
    scenario: Option<Story>,
    /// What feeds report meanwhile: day,program,feed,value (or as partners send them)
    #[arg(long, value_name = "FILE.csv", conflicts_with = "scenario")]
    feeds: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
    /// For how many days; flows that end before are repeated [default: as many as the flows have]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3_650))]
    days: Option<u32>,
    /// From one board to the next, such as 30m, 1h, 1d [default: as the schedule says]
    #[arg(long, value_name = "DURATION", value_parser = every::read)]
    every: Option<i64>,
    /// Per cent of a flow that stays away for each per cent of surcharge; 0: none ever does
    #[arg(long, value_name = "E", default_value = "20", value_parser = decimal)]
    elasticity: Decimal,
    /// Which part of what stays away goes the other way instead
    #[arg(long, value_name = "PART", default_value = "0.25", value_parser = part)]
    turning: Decimal,
    /// Where tables and charts are written; those of an earlier simulation are overwritten
    #[arg(long, value_name = "DIR", default_value = "rates-simulation")]
    out: PathBuf,
    /// Write the scenario's flows there too, its readings and definition beside them
    #[arg(long, value_name = "FILE.csv", conflicts_with = "flows")]
    write_flows: Option<PathBuf>,
}

fn decimal(text: &str) -> Result<Decimal, String> {
    let number: Decimal = text.parse().map_err(|error| format!("{error}"))?;
    if number.micros() <= Decimal::ONE.micros() * 1_000 {
        Ok(number)
    } else {
        Err("must be at most 1000".to_owned())
    }
}

fn part(text: &str) -> Result<Decimal, String> {
    let number = decimal(text)?;
    if number <= Decimal::ONE { Ok(number) } else { Err("must be 0 to 1".to_owned()) }
}

/// A scenario, as it is typed.
#[derive(Clone, Copy, Debug)]
struct Story(Scenario);

impl ValueEnum for Story {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: [Story; 3] =
            [Story(Scenario::ALL[0]), Story(Scenario::ALL[1]), Story(Scenario::ALL[2])];
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.as_str()))
    }
}

pub(super) fn run(args: &SimulateArgs, printer: Printer) -> Result<Exit, Failure> {
    let (definition, inputs) = match (&args.scenario, &args.flows) {
        (Some(Story(scenario)), _) => told(*scenario)?,
        (None, Some(flows)) => given(args, flows)?,
        (None, None) => return Err(Failure::usage("say what to simulate: --flows or --scenario")),
    };
    let every_seconds = match args.every {
        Some(every) => every,
        None => every::of_schedule(&definition.rates, inputs.start).map_err(Failure::usage)?,
    };
    let demand = Demand { elasticity: args.elasticity, turning: args.turning };
    let days = args.days.or(args.scenario.map(|Story(scenario)| scenario.days()));
    let plan = Plan {
        definition: &definition,
        flows: &inputs.flows,
        readings: &inputs.readings,
        days: days.unwrap_or_else(|| days_of(&inputs)),
        every_seconds,
        demand,
        start: inputs.start,
    };
    let simulation = engine::run(&plan).map_err(Failure::usage)?;
    let mut files = Vec::new();
    if let Some((Story(scenario), path)) = args.scenario.zip(args.write_flows.as_ref()) {
        write_scenario(scenario, path, &mut files)?;
    }
    let summary = Summary::of(&simulation, args.scenario.map(|story| story.0), demand);
    write_all(&args.out, &definition, &simulation, &summary, &mut files)?;
    printer.show(&Summary { files, ..summary });
    Ok(Exit::Good)
}

/// A scenario's files are the product's own: a test reads all of them.
fn told(scenario: Scenario) -> Result<(Definition, Inputs), Failure> {
    let definition: Definition =
        toml::from_str(scenario.definition()).map_err(|error| Failure::wrong(error.message()))?;
    let inputs = input::read(&definition, scenario.flows(), Some(scenario.readings()));
    let inputs = inputs.map_err(|faults| Failure::wrong("scenario").with(faults.flows))?;
    Ok((definition, inputs))
}

/// Whoever tunes a model has its definition, and not necessarily the keys beside it.
fn given(args: &SimulateArgs, flows: &Path) -> Result<(Definition, Inputs), Failure> {
    let file = config_file(args.place.path());
    let config = Config::load(&file, &args.place.overrides());
    let definition = config.map_err(|faults| Failure::of_faults(&faults))?.definition;
    let text = read(flows)?;
    let readings = args.feeds.as_deref().map(read).transpose()?;
    let inputs = input::read(&definition, &text, readings.as_deref()).map_err(|faults| {
        let of = |file: Option<&Path>, faults: &[RowFault]| -> Vec<String> {
            let file = file.map(|file| file.display().to_string()).unwrap_or_default();
            faults.iter().map(|fault| format!("{file}, {fault}")).collect()
        };
        let all =
            [of(Some(flows), &faults.flows), of(args.feeds.as_deref(), &faults.readings)].concat();
        let bad = counted(all.len(), "fault");
        Failure::wrong(format!("{bad}, so nothing was simulated")).with(all)
    })?;
    Ok((definition, inputs))
}

fn read(file: &Path) -> Result<String, Failure> {
    fs::read_to_string(file).map_err(|error| {
        Failure::usage(format!("{} {}", file.display(), keyfile::unreadable(&error)))
    })
}

/// Until the last flow.
fn days_of(inputs: &Inputs) -> u32 {
    let spells = input::projected(&inputs.flows, inputs.start, 0);
    let end = spells.iter().map(|spell| spell.begin + spell.seconds).max().unwrap_or(1);
    u32::try_from((end + DAY_SECONDS - 1) / DAY_SECONDS).unwrap_or(u32::MAX)
}

fn write_scenario(
    scenario: Scenario,
    flows: &Path,
    files: &mut Vec<String>,
) -> Result<(), Failure> {
    write(flows, scenario.flows(), files)?;
    write(&flows.with_extension("feeds.csv"), scenario.readings(), files)?;
    write(&flows.with_extension("toml"), scenario.definition(), files)
}

fn write_all(
    folder: &Path,
    definition: &Definition,
    simulation: &Simulation,
    summary: &Summary,
    files: &mut Vec<String>,
) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
    let drawn = charts::of(simulation);
    write(&folder.join("charts.html"), &charts::page(definition, summary, &drawn), files)?;
    write(&folder.join("charts.svg"), &charts::picture(&drawn), files)?;
    write(&folder.join("values.csv"), &sheets::values(simulation), files)?;
    write(&folder.join("directions.csv"), &sheets::directions(simulation), files)
}

fn write(file: &Path, text: &str, files: &mut Vec<String>) -> Result<(), Failure> {
    fs::write(file, text).map_err(|error| unwritable(file, &error))?;
    files.push(file.display().to_string());
    Ok(())
}

fn unwritable(file: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("{} cannot be written: {error}", file.display()))
}
