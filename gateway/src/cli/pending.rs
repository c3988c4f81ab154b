//! `alliance pending`: what connected brands have not answered, and what finance has to look at.

mod show;

use alliance_contracts::ids::TransactionId;
use alliance_settlement::saga::Saga;
use clap::{Args, Subcommand};

use super::Place;
use super::failure::{Exit, Failure};
use super::printer::Printer;
use crate::instance::open::Books;
use show::{PendingDetail, PendingLine, PendingLines, Retried};

/// Read from the books in parts of so many.
const PAGE: u32 = 1_000;

/// See what connected brands have not answered yet, and have them asked again.
#[derive(Debug, Subcommand)]
pub enum PendingCommand {
    /// List transactions that wait for a brand, and those that finance has to look at
    ///
    /// Exits with 1 where one is parked or has a remark, so that a schedule can watch it.
    #[command(after_help = "Example:\n  alliance pending list --dir my-alliance")]
    List(ListArgs),
    /// Show where one stands, and what brands have answered
    #[command(after_help = "Example:\n  \
        alliance pending show txn_01h455vb4pex5vsknk084sn02q --dir my-alliance")]
    Show(ShowArgs),
    /// Have the brand asked again now; nothing is guessed, only the brand's answer ends it
    #[command(after_help = "Example:\n  \
        alliance pending retry txn_01h455vb4pex5vsknk084sn02q --dir my-alliance")]
    Retry(RetryArgs),
}

/// Which of them.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Those that have failed, too
    #[arg(long)]
    failed: bool,
    #[command(flatten)]
    place: Place,
}

/// Which transaction.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The transaction's id
    #[arg(value_name = "ID")]
    id: TransactionId,
    #[command(flatten)]
    place: Place,
}

/// Which transaction to ask about.
#[derive(Debug, Args)]
pub struct RetryArgs {
    /// The transaction's id
    #[arg(value_name = "ID")]
    id: TransactionId,
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(command: PendingCommand, printer: Printer) -> Result<Exit, Failure> {
    match command {
        PendingCommand::List(args) => list(&args, printer),
        PendingCommand::Show(args) => show_one(&args, printer),
        PendingCommand::Retry(args) => retry(&args, printer),
    }
}

/// All that is under way, has failed, or was remarked on.
fn sagas(books: &Books) -> Result<Vec<Saga>, Failure> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = books.wait(books.house().sagas(after, PAGE)).map_err(Failure::wrong)?;
        let Some(last) = page.last() else { return Ok(all) };
        after = Some(last.transaction);
        all.extend(page);
    }
}

fn list(args: &ListArgs, printer: Printer) -> Result<Exit, Failure> {
    let instance = args.place.load()?;
    let books = instance.read_books().map_err(Failure::config)?;
    let now = books.house().now();
    let shown = |saga: &&Saga| !saga.phase.has_ended() || saga.remark.is_some() || args.failed;
    let all = sagas(&books)?;
    let pending: Vec<PendingLine> =
        all.iter().filter(shown).map(|saga| PendingLine::of(saga, now)).collect();
    let quiet = pending.iter().all(PendingLine::is_quiet);
    let alliance = instance.definition.alliance.to_string();
    printer.show(&PendingLines { alliance, pending });
    Ok(if quiet { Exit::Good } else { Exit::Wrong })
}

fn show_one(args: &ShowArgs, printer: Printer) -> Result<Exit, Failure> {
    let instance = args.place.load()?;
    let books = instance.read_books().map_err(Failure::config)?;
    let view = books.wait(books.house().transaction(args.id)).map_err(Failure::wrong)?;
    let view = view.ok_or_else(|| unknown(args.id))?;
    let answers = books.wait(books.house().answers(args.id)).map_err(Failure::wrong)?;
    printer.show(&PendingDetail::of(&view, &answers, books.house().now()));
    Ok(Exit::Good)
}

fn retry(args: &RetryArgs, printer: Printer) -> Result<Exit, Failure> {
    let instance = args.place.load()?;
    let books = instance.write_books().map_err(|faults| Failure::of_faults(&faults))?;
    let asked = books.wait(books.house().ask_again(args.id));
    if !asked.map_err(Failure::wrong)? {
        return Err(Failure::usage(format!(
            "{} waits for nobody: see `alliance pending list`",
            args.id
        )));
    }
    printer.show(&Retried { transaction: args.id.to_string() });
    Ok(Exit::Good)
}

fn unknown(id: TransactionId) -> Failure {
    Failure::usage(format!("there is no transaction {id}: see `alliance pending list`"))
}
