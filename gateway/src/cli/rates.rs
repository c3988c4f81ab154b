//! `alliance rates`: what points are worth.
//!
//! | file | commands |
//! | --- | --- |
//! | `show`, `history`, `explain` | what boards say, and how it came about |
//! | `follow` | boards as they are published, verified, as a partner |
//! | `check` | whether anybody could gain by a set of rates |
//! | `propose`, `approve`, `withdraw`, `proposals` | changes, approved by a second person |
//! | `observe`, `publish` | readings into the books, a board out of them |
//! | `simulate` | what a model would do, before it goes live |
//! | `shown` | numbers, remarks and proposals as they are laid out |

mod approve;
mod check;
mod explain;
mod follow;
mod history;
mod observe;
mod proposals;
mod propose;
mod publish;
mod show;
mod shown;
mod simulate;
mod withdraw;

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
    /// Show the board in force: values, where they go, what cut them; frozen pairs, the next board
    Show(show::ShowArgs),
    /// Show how values have changed from board to board
    History(history::HistoryArgs),
    /// Explain a program's value: every input, every step of the formula, its pairs
    ///
    /// Computes the value again from what the board says it was made of, and compares. Ends with 1
    /// where it differs.
    Explain(explain::ExplainArgs),
    /// Say whether anybody could gain by going round, at the rates of a file
    ///
    /// The file (TOML) has [[programs]] with program and value, and [[pairs]] with source, target,
    /// fee and multiplier. By itself it needs nothing else; with --dir it is laid over the board in
    /// force. Lists every fault; ends with 1 where a cycle gains, and names it.
    Check(check::CheckArgs),
    /// Propose values, readings that were refused, or the release of a frozen pair
    ///
    /// The file (TOML, or JSON where it ends in .json) has [[values]] with program and value,
    /// [[observations]] with program, feed, value and observed_at, [[release]] with source and
    /// target, and why. A step of at most approval_threshold is approved by its size; anything else
    /// by a second person. The operator is --as, ALLIANCE_OPERATOR, or who is logged in.
    Propose(propose::ProposeArgs),
    /// Approve another operator's proposal
    ///
    /// Values come with the next board; readings and releases take effect at once. The operator is
    /// --as, ALLIANCE_OPERATOR, or who is logged in; never who has proposed it.
    Approve(approve::ApproveArgs),
    /// Take a proposal back, as long as its values are on no board
    Withdraw(withdraw::WithdrawArgs),
    /// List proposals, the newest first
    Proposals(proposals::ProposalsArgs),
    /// Import what partners report: all rows, or none
    ///
    /// The file's first line is program,feed,value,observed_at. Every bad row is listed with its
    /// line, and nothing is imported while there is one.
    Observe(observe::ObserveArgs),
    /// Follow boards as they are published, as a partner
    ///
    /// Every board is verified under the pinned root key, computed again, and held against the one
    /// before; none is left out, whatever breaks the connection. Ends with 1 where the alliance
    /// tells two histories of its boards.
    Follow(follow::FollowArgs),
    /// Publish the next board now, where it says anything new
    Publish(publish::PublishArgs),
}

pub(super) fn run(command: RatesCommand, printer: Printer) -> Result<Exit, Failure> {
    match command {
        RatesCommand::Simulate(args) => simulate::run(&args, printer),
        RatesCommand::Show(args) => show::run(&args, printer),
        RatesCommand::History(args) => history::run(&args, printer),
        RatesCommand::Explain(args) => explain::run(&args, printer),
        RatesCommand::Check(args) => check::run(&args, printer),
        RatesCommand::Propose(args) => propose::run(&args, printer),
        RatesCommand::Approve(args) => approve::run(&args, printer),
        RatesCommand::Withdraw(args) => withdraw::run(&args, printer),
        RatesCommand::Proposals(args) => proposals::run(&args, printer),
        RatesCommand::Follow(args) => follow::run(&args, printer),
        RatesCommand::Observe(args) => observe::run(&args, printer),
        RatesCommand::Publish(args) => publish::run(&args, printer),
    }
}
