//! `alliance rates`: what points are worth.

mod simulate;

use clap::Subcommand;

use super::failure::{Exit, Failure};
use super::printer::Printer;

/// What points are worth.
#[derive(Debug, Subcommand)]
pub enum RatesCommand {
    /// See what a model would do, before it goes live
    ///
    /// Publishes boards over days of expected flows, by the same rules as the gateway, and writes
    /// what came of it as tables (CSV) and as charts (one HTML file, opened by any browser). Reads
    /// the definition and no database, and changes nothing.
    Simulate(simulate::SimulateArgs),
}

pub(super) fn run(command: RatesCommand, printer: Printer) -> Result<Exit, Failure> {
    match command {
        RatesCommand::Simulate(args) => simulate::run(&args, printer),
    }
}
