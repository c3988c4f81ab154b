//! `alliance rates publish`.

use alliance_contracts::time::Timestamp;
use clap::Args;
use serde::Serialize;

use super::shown;
use crate::cli::Place;
use crate::cli::failure::{Exit, Failure};
use crate::cli::printer::{GOOD, HEADING, Printer, Shown, paint};

/// Whose board.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  alliance rates publish --dir my-alliance")]
pub struct PublishArgs {
    #[command(flatten)]
    place: Place,
}

#[derive(Serialize)]
struct BoardPublished {
    published: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    board: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    effective_at: Option<Timestamp>,
    /// Values that changed: program, from and to, what cut it.
    values: Vec<Moved>,
    /// What was cut, and why.
    remarks: Vec<String>,
}

#[derive(Serialize)]
struct Moved {
    program: String,
    from: Option<String>,
    to: String,
    change: String,
    cut_by: String,
}

impl Shown for BoardPublished {
    fn text(&self) -> String {
        let Some((board, effective_at)) = self.board.zip(self.effective_at) else {
            return "Nothing has changed: the last board says it all, so none was published"
                .to_owned();
        };
        let heading = format!("Board {board} is published and holds from {effective_at} on");
        let mut lines = vec![format!("{} {}", paint(GOOD, "✓"), paint(HEADING, &heading))];
        for Moved { program, from, to, change, cut_by } in &self.values {
            let from = from.as_deref().unwrap_or("nothing");
            let cut = if cut_by.is_empty() { String::new() } else { format!(", cut by {cut_by}") };
            lines.push(format!("  {program}: {from} → {to} ({change}){cut}"));
        }
        lines.extend(self.remarks.iter().map(|remark| format!("  {remark}")));
        lines.join("\n")
    }
}

pub(super) fn run(args: &PublishArgs, printer: Printer) -> Result<Exit, Failure> {
    let books = args.place.load()?.write_books().map_err(|f| Failure::of_faults(&f))?;
    let published = books.wait(books.house().publish(None)).map_err(shown::not_published)?;
    let mut told = BoardPublished {
        published: published.is_some(),
        board: None,
        effective_at: None,
        values: Vec::new(),
        remarks: Vec::new(),
    };
    if let Some(published) = published {
        let board = shown::board(&books, published.board)?.board;
        told.board = Some(published.board);
        told.effective_at = Some(board.effective_at);
        told.remarks = shown::told(&published.remarks);
        let moved = board.values.iter().filter(|one| one.previous != Some(one.value));
        told.values = moved
            .map(|one| Moved {
                program: one.program.to_string(),
                from: one.previous.map(|previous| previous.to_string()),
                to: one.value.to_string(),
                change: shown::change(one.previous, one.value),
                cut_by: shown::cut_by(&one.limited_by),
            })
            .collect();
    }
    printer.show(&told);
    Ok(Exit::Good)
}
