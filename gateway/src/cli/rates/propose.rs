//! `alliance rates propose`.

use std::path::{Path, PathBuf};

use alliance_contracts::json;
use alliance_settlement::rates::proposal::{Proposal, ProposalState};
use clap::Args;
use serde::Serialize;

use super::shown::{self, Operator, Standing};
use crate::cli::Place;
use crate::cli::failure::{Exit, Failure};
use crate::cli::printer::{GOOD, HEADING, Printer, Shown, paint};

/// What is proposed, by whom.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  alliance rates propose revalue.toml --dir my-alliance\n  \
    alliance rates propose revalue.toml --as ann --dir my-alliance")]
pub struct ProposeArgs {
    /// The proposal: TOML, or JSON
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    operator: Operator,
    #[command(flatten)]
    place: Place,
}

#[derive(Serialize)]
struct Proposed {
    proposal: Standing,
    /// Why a second person must approve it.
    reasons: Vec<String>,
    /// What the next board would cut.
    remarks: Vec<String>,
}

impl Shown for Proposed {
    fn text(&self) -> String {
        let Standing { record, .. } = &self.proposal;
        let (number, by) = (record.number, &record.proposed_by);
        let (verdict, next) = match record.state() {
            ProposalState::Waiting => (
                "waits for a second person",
                format!("  alliance rates approve {number}   by anybody but {by}"),
            ),
            _ => ("is approved by its size", "  Its values come with the next board".to_owned()),
        };
        let heading = paint(HEADING, &format!("Proposal {number} of {by} {verdict}"));
        let mut lines = vec![format!("{} {heading}", paint(GOOD, "✓"))];
        lines.extend(shown::asked(&record.proposal).into_iter().map(|line| format!("  {line}")));
        let reasons = self.reasons.iter();
        lines.extend(reasons.map(|reason| format!("  needs a second person: {reason}")));
        let remarks = self.remarks.iter();
        lines.extend(remarks.map(|remark| format!("  on the next board: {remark}")));
        lines.push(next);
        lines.join("\n")
    }
}

pub(super) fn run(args: &ProposeArgs, printer: Printer) -> Result<Exit, Failure> {
    let by = args.operator.name()?;
    let proposal = read(&args.file)?;
    let books = args.place.load()?.write_books().map_err(|f| Failure::of_faults(&f))?;
    let reasons = proposal.reasons(&books.house().registry());
    let remarks = shown::trial(&books, &proposal);
    let proposed = books.wait(books.house().propose(proposal, by)).map_err(shown::refused)?;
    printer.show(&Proposed { proposal: proposed.into(), reasons, remarks });
    Ok(Exit::Good)
}

fn read(file: &Path) -> Result<Proposal, Failure> {
    let told = |fault: String| Failure::usage(format!("{}: {fault}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| told(error.to_string()))?;
    if file.extension().is_some_and(|extension| extension == "json") {
        return json::read(text.as_bytes())
            .map_err(|error| told(format!("{} {}", error.pointer, error.detail)));
    }
    toml::from_str(&text).map_err(|error| {
        let at = error.span().map(|span| text[..span.start].matches('\n').count() + 1);
        let at = at.map_or_else(String::new, |line| format!("line {line}: "));
        Failure::wrong(format!("{}: {at}{}", file.display(), error.message().replace('\n', " ")))
    })
}
