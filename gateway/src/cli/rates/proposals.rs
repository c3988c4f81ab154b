//! `alliance rates proposals`.

use clap::Args;
use serde::Serialize;

use super::shown::{self, Standing};
use crate::cli::Place;
use crate::cli::failure::{Exit, Failure};
use crate::cli::layout::{Column, table};
use crate::cli::printer::{HEADING, Printer, Shown, paint};

/// Which proposals.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  alliance rates proposals --dir my-alliance")]
pub struct ProposalsArgs {
    /// How many, the newest first
    #[arg(long, value_name = "N", default_value_t = 20,
        value_parser = clap::value_parser!(u32).range(1..=1_000))]
    limit: u32,
    #[command(flatten)]
    place: Place,
}

#[derive(Serialize)]
struct Proposals {
    proposals: Vec<Standing>,
}

impl Shown for Proposals {
    fn text(&self) -> String {
        if self.proposals.is_empty() {
            return "Nothing was ever proposed".to_owned();
        }
        let row = |standing: &Standing| {
            let record = &standing.record;
            let approved = match (&record.approved_by, standing.approved_by_size) {
                (Some(by), _) => by.to_string(),
                (None, true) => "its size".to_owned(),
                (None, false) => String::new(),
            };
            let mut asks = shown::asked(&record.proposal);
            if !record.proposal.why.is_empty() {
                asks.push(format!("({})", record.proposal.why));
            }
            vec![
                record.number.to_string(),
                match record.applied_board {
                    Some(board) => format!("{} on board {board}", standing.state),
                    None => standing.state.to_owned(),
                },
                record.proposed_by.to_string(),
                approved,
                asks.join("; "),
            ]
        };
        let rows: Vec<Vec<String>> = self.proposals.iter().map(row).collect();
        let header = ["proposal", "state", "by", "approved by", "asks for"];
        let rows = table("  ", &[Column::Left; 5], &header, &rows);
        format!("{}\n{rows}", paint(HEADING, "Proposals"))
    }
}

pub(super) fn run(args: &ProposalsArgs, printer: Printer) -> Result<Exit, Failure> {
    let books = args.place.load()?.read_books().map_err(Failure::config)?;
    let proposals = books.wait(books.house().proposals(args.limit)).map_err(Failure::config)?;
    printer.show(&Proposals { proposals: proposals.into_iter().map(Standing::from).collect() });
    Ok(Exit::Good)
}
