//! `alliance settle`: what partners owe, netted and proved, and the day that money is good.
//!
//! | file | commands |
//! | --- | --- |
//! | `status` | where the windows of the books stand; what one came to |
//! | `statement` | what a window came to for each partner, as files |
//! | `what_if` | a window under other fees, values, caps, netting |
//! | `stress` | a partner that does not pay |
//! | `act` | closing, releasing, aborting; certificates |
//! | `bank` | what banks are told to pay, and what they say |
//! | `net` | debts out of a file, netted four ways, with a certificate |
//! | `check` | a certificate, by itself |
//! | `due`, `calendar` | business days; those that were published |

mod act;
mod bank;
mod books;
mod calendar;
mod check;
mod due;
mod net;
pub(crate) mod shown;
mod statement;
mod status;
mod stress;
mod what_if;

use clap::Subcommand;

use super::failure::{Exit, Failure};
use super::printer::Printer;

/// What partners owe, netted and proved.
#[derive(Debug, Subcommand)]
pub enum SettleCommand {
    /// Show where the settlement windows stand, and what has to be done next
    Status(status::StatusArgs),
    /// Show what a window came to: everybody's line, the ways to pay, the payments
    Show(status::ShowArgs),
    /// Close the open window now, and net it
    ///
    /// Gateways do it by the schedule that alliance.toml has under `[settlement]`. Receipts that
    /// come after are in the next window, which is open at once.
    Close(act::CloseArgs),
    /// Have banks told to pay what a window came to: two people, one after the other
    Release(act::ReleaseArgs),
    /// Not settle a window by itself: its obligations join the next; two people, one after the
    /// other
    Abort(act::AbortArgs),
    /// Take a proposal back
    Withdraw(act::WithdrawArgs),
    /// Write a window's netting certificate, which anybody can check
    Certificate(act::CertificateArgs),
    /// Write each partner's statement of a window: signed, every receipt a line that proves itself
    Statement(statement::StatementArgs),
    /// List a window's payments, and write the files that banks take
    Payments(bank::PaymentsArgs),
    /// Take in what a bank says was paid; the same file twice does nothing
    ImportBank(bank::ImportArgs),
    /// Work a window that is over out again under other fees, values, caps or netting
    ///
    /// Reads its receipts in the order in which they completed, and shows what would be different
    /// for each party. Changes nothing.
    WhatIf(what_if::WhatIfArgs),
    /// Show what would happen if a partner did not pay for a window: who bears it, who falls by it
    ///
    /// Reads the window, positions and caps, and what partners have brought in. Changes nothing.
    Stress(stress::StressArgs),
    /// Net the debts of a file, and compare what each way of paying them takes
    ///
    /// The file's first line is debtor,creditor,amount. A party may be `alliance`. Every bad row is
    /// listed with its line. Reads no database, and changes nothing. Without a file: nets the
    /// windows of the books that are closed, as a gateway does by itself.
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
    /// Take business days that were published into alliance.toml: a JSON or an .ics file
    ///
    /// The days of a calendar that is known already are kept outside the days that the file was
    /// published for. A gateway that runs takes the change over within seconds.
    Calendar(calendar::CalendarArgs),
}

pub(super) fn run(command: &SettleCommand, printer: Printer) -> Result<Exit, Failure> {
    match command {
        SettleCommand::Status(args) => status::status(args, printer),
        SettleCommand::Show(args) => status::show(args, printer),
        SettleCommand::Close(args) => act::close(args, printer),
        SettleCommand::Release(args) => act::release(args, printer),
        SettleCommand::Abort(args) => act::abort(args, printer),
        SettleCommand::Withdraw(args) => act::withdraw(args, printer),
        SettleCommand::Certificate(args) => act::certificate(args, printer),
        SettleCommand::Statement(args) => statement::statement(args, printer),
        SettleCommand::Payments(args) => bank::payments(args, printer),
        SettleCommand::ImportBank(args) => bank::import(args, printer),
        SettleCommand::WhatIf(args) => what_if::run(args, printer),
        SettleCommand::Stress(args) => stress::run(args, printer),
        SettleCommand::Net(args) => net::run(args, printer),
        SettleCommand::Check(args) => check::run(args, printer),
        SettleCommand::Due(args) => due::run(args, printer),
        SettleCommand::Calendar(args) => calendar::run(args, printer),
    }
}
