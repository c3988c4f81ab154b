//! `alliance rates show`.

use alliance_contracts::board::{FrozenPair, NextBoard};
use alliance_contracts::decimal::Decimal;
use alliance_contracts::names::ProgramId;
use alliance_contracts::time::Timestamp;
use alliance_contracts::valuation::{Band, Limit};
use clap::Args;
use serde::Serialize;

use super::shown;
use crate::cli::Place;
use crate::cli::failure::{Exit, Failure};
use crate::cli::layout::{Column, table};
use crate::cli::printer::{FAINT, HEADING, Printer, Shown, paint};

/// Whose board.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  alliance rates show --dir my-alliance")]
pub struct ShowArgs {
    #[command(flatten)]
    place: Place,
}

#[derive(Serialize)]
struct ValueLine {
    program: ProgramId,
    value: Decimal,
    previous: Option<Decimal>,
    change: String,
    target: Decimal,
    band: Band,
    cut_by: Vec<Limit>,
}

#[derive(Serialize)]
struct Surcharge {
    source: ProgramId,
    target: ProgramId,
    surcharge: Decimal,
}

#[derive(Serialize)]
struct BoardShown {
    board: u32,
    currency: String,
    effective_at: Timestamp,
    values: Vec<ValueLine>,
    surcharges: Vec<Surcharge>,
    frozen: Vec<FrozenPair>,
    next: Option<NextBoard>,
}

impl Shown for BoardShown {
    fn text(&self) -> String {
        let Self { board, currency, effective_at, .. } = self;
        let heading = format!("Board {board}, in force since {effective_at}, in {currency}");
        let rows: Vec<Vec<String>> = self
            .values
            .iter()
            .map(|line| {
                vec![
                    line.program.to_string(),
                    line.value.to_string(),
                    line.previous.map_or_else(String::new, |previous| previous.to_string()),
                    line.change.clone(),
                    line.target.to_string(),
                    format!("{} to {}", line.band.min, line.band.max),
                    shown::cut_by(&line.cut_by),
                ]
            })
            .collect();
        let header = ["program", "value", "before", "change", "target", "band", "cut by"];
        let mut lines =
            vec![paint(HEADING, &heading), table("  ", &[Column::Left; 7], &header, &rows)];
        for Surcharge { source, target, surcharge } in &self.surcharges {
            lines.push(format!("  {source} → {target} costs {surcharge} on top"));
        }
        for FrozenPair { board, since, source, target } in &self.frozen {
            lines.push(format!(
                "  {source} → {target} is frozen since {since}, at the rate of board {board}: \
                 propose its release"
            ));
        }
        lines.push(match &self.next {
            Some(NextBoard { board, effective_at }) => {
                format!("  Board {board} takes effect at {effective_at}")
            }
            None => paint(FAINT, "  No board after it yet"),
        });
        lines.join("\n")
    }
}

pub(super) fn run(args: &ShowArgs, printer: Printer) -> Result<Exit, Failure> {
    let books = args.place.load()?.read_books().map_err(Failure::config)?;
    let published = shown::in_force(&books)?;
    let registry = books.house().registry();
    let board = published.board;
    let values = board.values.into_iter().map(|valuation| ValueLine {
        change: shown::change(valuation.previous, valuation.value),
        program: valuation.program,
        value: valuation.value,
        previous: valuation.previous,
        target: valuation.target,
        band: valuation.band,
        cut_by: valuation.limited_by,
    });
    let surcharges = published.terms.pairs.iter().filter(|pair| !pair.surcharge.is_zero());
    let next = registry.next_board(books.house().now()).map(|next| &next.board);
    printer.show(&BoardShown {
        board: board.board,
        currency: board.currency.to_string(),
        effective_at: board.effective_at,
        values: values.collect(),
        surcharges: surcharges
            .map(|pair| Surcharge {
                source: pair.source.clone(),
                target: pair.target.clone(),
                surcharge: pair.surcharge,
            })
            .collect(),
        frozen: registry.frozen.clone(),
        next: next.map(|next| NextBoard { board: next.board, effective_at: next.effective_at }),
    });
    Ok(Exit::Good)
}
