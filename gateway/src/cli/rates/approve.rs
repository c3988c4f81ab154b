//! `alliance rates approve`.

use alliance_settlement::rates::proposal::ProposalState;
use clap::Args;
use serde::Serialize;

use super::shown::{self, Operator, Standing};
use crate::cli::Place;
use crate::cli::failure::{Exit, Failure};
use crate::cli::printer::{GOOD, HEADING, Printer, Shown, paint};

/// Which proposal, by whom.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  alliance rates approve 3 --as bob --dir my-alliance")]
pub struct ApproveArgs {
    /// The proposal's number
    #[arg(value_name = "N")]
    number: u32,
    #[command(flatten)]
    operator: Operator,
    #[command(flatten)]
    place: Place,
}

#[derive(Serialize)]
struct Approved {
    proposal: Standing,
    /// What the next board would cut.
    remarks: Vec<String>,
}

impl Shown for Approved {
    fn text(&self) -> String {
        let Standing { record, .. } = &self.proposal;
        let by = record.approved_by.as_ref().map_or("its size", |by| by.as_str());
        let heading =
            format!("Proposal {} of {} is approved by {by}", record.number, record.proposed_by);
        let mut lines = vec![format!("{} {}", paint(GOOD, "✓"), paint(HEADING, &heading))];
        lines.extend(shown::asked(&record.proposal).into_iter().map(|line| format!("  {line}")));
        let remarks = self.remarks.iter();
        lines.extend(remarks.map(|remark| format!("  on the next board: {remark}")));
        lines.push(match record.state() {
            ProposalState::Applied => "  It is carried out".to_owned(),
            _ => "  Its values come with the next board".to_owned(),
        });
        lines.join("\n")
    }
}

pub(super) fn run(args: &ApproveArgs, printer: Printer) -> Result<Exit, Failure> {
    let by = args.operator.name()?;
    let books = args.place.load()?.write_books().map_err(|f| Failure::of_faults(&f))?;
    let approved = books.wait(books.house().approve(args.number, by)).map_err(shown::refused)?;
    // As it is now: what was approved is in it.
    let remarks = match approved.state() {
        ProposalState::Approved => shown::trial(&books, &approved.proposal),
        _ => Vec::new(),
    };
    printer.show(&Approved { proposal: approved.into(), remarks });
    Ok(Exit::Good)
}
