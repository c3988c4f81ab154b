//! `alliance settle`: what partners owe, netted and proved, and the day that money is good.
//!
//! | file | commands |
//! | --- | --- |
//! | `net` | debts out of a file, netted four ways, with a certificate |
//! | `check` | a certificate, by itself |
//! | `due` | business days |
//!
//! Windows of the books do not close yet: these commands need files and no database.

mod check;
mod due;
mod net;
mod shown;

use clap::Subcommand;

use super::failure::{Exit, Failure};
use super::printer::Printer;

/// What partners owe, netted and proved.
#[derive(Debug, Subcommand)]
pub enum SettleCommand {
    /// Net the debts of a file, and compare what each way of paying them takes
    ///
    /// The file's first line is debtor,creditor,amount. A party may be `alliance`. Every bad row is
    /// listed with its line. Reads no database, and changes nothing.
    Net(net::NetArgs),
    /// Check a netting certificate by itself: nothing created, no net changed, nothing less
    /// possible
    ///
    /// Ends with 1 where it breaks a rule, and names it.
    Check(check::CheckArgs),
    /// Say on which day money is good: the Nth business day after a day
    ///
    /// `cn` (China) and `target` (TARGET) come with the product; any other calendar is a JSON file.
    Due(due::DueArgs),
}

pub(super) fn run(command: &SettleCommand, printer: Printer) -> Result<Exit, Failure> {
    match command {
        SettleCommand::Net(args) => net::run(args, printer),
        SettleCommand::Check(args) => check::run(args, printer),
        SettleCommand::Due(args) => due::run(args, printer),
    }
}
