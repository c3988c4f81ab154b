//! `alliance rates follow`: boards as they are published, as a partner sees them.

use alliance_contracts::decimal::Decimal;
use alliance_contracts::names::ProgramId;
use alliance_contracts::time::Timestamp;
use alliance_partner_sdk::client::FollowedBoard;
use alliance_partner_sdk::verify::board::VerifiedBoard;
use clap::Args;
use futures_util::TryStreamExt;
use serde::Serialize;

use super::shown;
use crate::cli::agreements::{As, failed};
use crate::cli::failure::{Exit, Failure};
use crate::cli::printer::{HEADING, Printer, paint};

/// From where on.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  alliance rates follow --client client.toml\n  \
    alliance rates follow --after 12 --boards 3 --json")]
pub struct FollowArgs {
    /// Begin after the board of this number [default: with the board in force]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    after: Option<u32>,
    /// End after so many boards [default: go on until Ctrl-C]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    boards: Option<u32>,
    #[command(flatten)]
    who: As,
}

#[derive(Serialize)]
struct BoardLine {
    board: u32,
    effective_at: Timestamp,
    values: Vec<ValueLine>,
    jws: String,
}

#[derive(Serialize)]
struct ValueLine {
    program: ProgramId,
    value: Decimal,
    change: String,
}

impl From<FollowedBoard> for BoardLine {
    fn from(followed: FollowedBoard) -> Self {
        let board = followed.board.board();
        let values = board.values.iter().map(|valuation| ValueLine {
            program: valuation.program.clone(),
            value: valuation.value,
            change: shown::change(valuation.previous, valuation.value),
        });
        Self {
            board: board.board,
            effective_at: board.effective_at,
            values: values.collect(),
            jws: followed.jws,
        }
    }
}

impl BoardLine {
    fn text(&self) -> String {
        let heading = format!("Board {}, in force from {}", self.board, self.effective_at);
        let mut lines = vec![paint(HEADING, &heading)];
        for ValueLine { program, value, change } in &self.values {
            lines.push(format!("  {program}: {value} ({change})"));
        }
        lines.join("\n")
    }
}

pub(super) fn run(args: &FollowArgs, printer: Printer) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::wrong)?;
    runtime.block_on(async {
        tokio::select! {
            followed = follow(args, printer) => followed,
            _ = tokio::signal::ctrl_c() => Ok(Exit::Good),
        }
    })
}

async fn follow(args: &FollowArgs, printer: Printer) -> Result<Exit, Failure> {
    let client = args.who.client()?;
    let after = match args.after {
        None => None,
        Some(number) => {
            let rates = client.board(number).await.map_err(|error| failed(&error))?;
            let keys = client.gateway_keys().await.map_err(|error| failed(&error))?;
            Some(VerifiedBoard::verify(&rates.jws, &keys).map_err(Failure::wrong)?)
        }
    };
    let mut boards = client.follow_rates(after);
    let mut left = args.boards;
    while left != Some(0)
        && let Some(followed) = boards.try_next().await.map_err(|error| failed(&error))?
    {
        let line = BoardLine::from(followed);
        let json = || serde_json::to_string(&line).unwrap_or_default();
        printer.document(&if printer.is_json() { json() } else { line.text() });
        left = left.map(|left| left - 1);
    }
    Ok(Exit::Good)
}
