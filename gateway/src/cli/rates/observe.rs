//! `alliance rates observe`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use alliance_contracts::time::Timestamp;
use alliance_settlement::alliance::Registry;
use alliance_settlement::command::{Command, Outcome};
use alliance_settlement::rates::feeds::{
    Feeds, KnownProgram, NotTaken, Observation, check_feed_file,
};
use alliance_settlement::rates::model::ValueModel;
use clap::Args;
use serde::Serialize;

use crate::cli::Place;
use crate::cli::failure::{Exit, Failure};
use crate::cli::layout::counted;
use crate::cli::printer::{GOOD, Printer, Shown, paint};

/// What is imported.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  alliance rates observe feeds.csv --dir my-alliance")]
pub struct ObserveArgs {
    /// The readings: program,feed,value,observed_at
    #[arg(value_name = "FILE.csv")]
    file: PathBuf,
    #[command(flatten)]
    place: Place,
}

#[derive(Serialize)]
struct Observed {
    readings: usize,
    programs: usize,
}

impl Shown for Observed {
    fn text(&self) -> String {
        let (readings, programs) =
            (counted(self.readings, "reading"), counted(self.programs, "program"));
        format!("{} {readings} of {programs}: they count on the next board", paint(GOOD, "✓"))
    }
}

pub(super) fn run(args: &ObserveArgs, printer: Printer) -> Result<Exit, Failure> {
    let name = args.file.display();
    let text = std::fs::read_to_string(&args.file)
        .map_err(|error| Failure::usage(format!("{name}: {error}")))?;
    let books = args.place.load()?.write_books().map_err(|f| Failure::of_faults(&f))?;
    let house = books.house();
    let refused = |faults: Vec<String>| {
        let summary =
            format!("{name}: {}, so nothing was imported", counted(faults.len(), "fault"));
        Failure::wrong(summary).with(faults)
    };
    let read = read(&text, &house.registry(), house.now());
    let observations = read.map_err(refused)?;
    let programs: std::collections::BTreeSet<_> =
        observations.iter().map(|one| one.program.clone()).collect();
    let (readings, observations) = (observations.len(), Arc::new(observations));
    let answer = books.wait(house.submit(Command::Observe(observations)));
    match answer.map_err(Failure::config)?.decided.outcome {
        Outcome::ObservationsRefused(faults) => {
            // Of what came between reading and writing.
            let told =
                |NotTaken { row, fault }: NotTaken| format!("reading {}: {}", row + 1, fault.fault);
            Err(refused(faults.into_iter().map(told).collect()))
        }
        _ => {
            printer.show(&Observed { readings, programs: programs.len() });
            Ok(Exit::Good)
        }
    }
}

/// The readings of a file, or every fault of every line.
fn read(text: &str, registry: &Registry, now: Timestamp) -> Result<Vec<Observation>, Vec<String>> {
    let nothing = Feeds::NOTHING;
    let programs = &registry.definition.programs;
    let models: Vec<Cow<'_, ValueModel>> = programs.iter().map(ValueModel::of).collect();
    let known: BTreeMap<_, _> = programs
        .iter()
        .zip(&models)
        .map(|(program, model)| {
            let feeds = registry.feeds.get(&program.program).unwrap_or(&nothing);
            (program.program.clone(), KnownProgram { model, feeds })
        })
        .collect();
    check_feed_file(text, &known, now)
        .map_err(|faults| faults.iter().map(ToString::to_string).collect())
}
