//! `alliance rates withdraw`.

use clap::Args;
use serde::Serialize;

use super::shown::{self, Operator, Standing};
use crate::cli::Place;
use crate::cli::failure::{Exit, Failure};
use crate::cli::printer::{GOOD, Printer, Shown, paint};

/// Which proposal, by whom.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  alliance rates withdraw 3 --as ann --dir my-alliance")]
pub struct WithdrawArgs {
    /// The proposal's number
    #[arg(value_name = "N")]
    number: u32,
    #[command(flatten)]
    operator: Operator,
    #[command(flatten)]
    place: Place,
}

#[derive(Serialize)]
struct Withdrawn {
    proposal: Standing,
}

impl Shown for Withdrawn {
    fn text(&self) -> String {
        let number = self.proposal.record.number;
        format!("{} Proposal {number} is withdrawn: nothing comes of it", paint(GOOD, "✓"))
    }
}

pub(super) fn run(args: &WithdrawArgs, printer: Printer) -> Result<Exit, Failure> {
    let by = args.operator.name()?;
    let books = args.place.load()?.write_books().map_err(|f| Failure::of_faults(&f))?;
    let withdrawn = books.wait(books.house().withdraw(args.number, by)).map_err(shown::refused)?;
    printer.show(&Withdrawn { proposal: withdrawn.into() });
    Ok(Exit::Good)
}
