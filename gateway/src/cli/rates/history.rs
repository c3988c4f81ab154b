//! `alliance rates history`.

use alliance_contracts::decimal::Decimal;
use alliance_contracts::names::ProgramId;
use alliance_contracts::time::Timestamp;
use alliance_contracts::valuation::Limit;
use clap::Args;
use serde::Serialize;

use super::shown;
use crate::cli::Place;
use crate::cli::failure::{Exit, Failure};
use crate::cli::layout::{Column, counted, table};
use crate::cli::printer::{HEADING, Printer, Shown, paint};

/// Which boards.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  alliance rates history --dir my-alliance\n  \
    alliance rates history aurora --boards 48 --dir my-alliance")]
pub struct HistoryArgs {
    /// Only this program, on every board; left out: of all programs what has changed
    #[arg(value_name = "PROGRAM")]
    program: Option<ProgramId>,
    /// How many boards, the newest first
    #[arg(long, value_name = "N", default_value_t = 20,
        value_parser = clap::value_parser!(u32).range(1..=10_000))]
    boards: u32,
    #[command(flatten)]
    place: Place,
}

#[derive(Serialize)]
struct HistoryLine {
    board: u32,
    effective_at: Timestamp,
    program: ProgramId,
    value: Decimal,
    change: String,
    target: Decimal,
    cut_by: Vec<Limit>,
}

#[derive(Serialize)]
struct History {
    boards: usize,
    values: Vec<HistoryLine>,
}

impl Shown for History {
    fn text(&self) -> String {
        let heading = format!("The newest {}", counted(self.boards, "board"));
        let rows: Vec<Vec<String>> = self
            .values
            .iter()
            .map(|line| {
                vec![
                    line.board.to_string(),
                    line.effective_at.to_string(),
                    line.program.to_string(),
                    line.value.to_string(),
                    line.change.clone(),
                    line.target.to_string(),
                    shown::cut_by(&line.cut_by),
                ]
            })
            .collect();
        let header = ["board", "in force from", "program", "value", "change", "target", "cut by"];
        let columns = [Column::Left; 7];
        format!("{}\n{}", paint(HEADING, &heading), table("  ", &columns, &header, &rows))
    }
}

pub(super) fn run(args: &HistoryArgs, printer: Printer) -> Result<Exit, Failure> {
    let books = args.place.load()?.read_books().map_err(Failure::config)?;
    shown::in_force(&books)?;
    let registry = books.house().registry();
    if let Some(program) = &args.program
        && registry.program(program).is_none()
    {
        return Err(Failure::usage(format!("there is no program {program}")));
    }
    let last = registry.last_board().map_or(0, |board| board.number());
    let from = last.saturating_sub(args.boards);
    let boards = books.wait(books.house().boards_after(from, args.boards));
    let boards = boards.map_err(Failure::config)?;
    let mut values = Vec::new();
    for published in boards.iter().rev() {
        let board = &published.board;
        let wanted = board.values.iter().filter(|valuation| match &args.program {
            Some(program) => valuation.program == *program,
            None => valuation.previous != Some(valuation.value),
        });
        values.extend(wanted.map(|valuation| HistoryLine {
            board: board.board,
            effective_at: board.effective_at,
            program: valuation.program.clone(),
            value: valuation.value,
            change: shown::change(valuation.previous, valuation.value),
            target: valuation.target,
            cut_by: valuation.limited_by.clone(),
        }));
    }
    printer.show(&History { boards: boards.len(), values });
    Ok(Exit::Good)
}
