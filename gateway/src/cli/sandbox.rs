//! `alliance sandbox`.

mod ask;
mod open;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::failure::{Exit, Failure};
use super::printer::Printer;
use crate::sandbox::folder::{DEFAULT_MEMBERS, DEFAULT_SEED};

/// A sandbox: opened, or asked.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  alliance sandbox\n  \
        alliance sandbox --dir ./try-out --seed 7 --members 1000"
)]
pub struct SandboxCommand {
    #[command(subcommand)]
    ask: Option<Ask>,
    #[command(flatten)]
    open: OpenArgs,
}

/// How a sandbox is opened.
#[derive(Debug, Args)]
pub struct OpenArgs {
    /// The folder to make, or to go on with
    #[arg(long, value_name = "DIR", default_value = "./alliance-sandbox")]
    dir: PathBuf,
    /// Where to listen [default: 127.0.0.1:8787, or a free port where that is taken]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    #[arg(long, value_name = "N",
          help = format!("Draw a new sandbox's people from this seed [default: {DEFAULT_SEED}]"))]
    seed: Option<u64>,
    #[arg(long, value_name = "N", value_parser = members,
          help = format!("How many people a new sandbox has [default: {DEFAULT_MEMBERS}]"))]
    members: Option<usize>,
}

/// What an open sandbox is asked.
#[derive(Debug, Subcommand)]
pub enum Ask {
    /// See a sandbox's clock, stop it, put it forward, let it go on
    #[command(after_help = "Examples:\n  alliance sandbox clock\n  \
        alliance sandbox clock --freeze\n  alliance sandbox clock --advance 1d2h30m\n  \
        alliance sandbox clock --release")]
    Clock(ask::ClockArgs),
    /// See a partner's last requests, and why a signature does not verify
    #[command(after_help = "Examples:\n  alliance sandbox log --partner own-brand\n  \
        alliance sandbox log --last 3")]
    Log(ask::LogArgs),
    /// Have a simulated brand answer whatever its mood, or no more
    ///
    /// A silent brand that speaks again answers when it is asked the next time: put the clock
    /// forward, or have it asked with `alliance pending retry`.
    #[command(after_help = "Examples:\n  alliance sandbox speak silent-hotels\n  \
        alliance sandbox speak silent-hotels --hush")]
    Speak(ask::SpeakArgs),
    /// Write virtual members as the files that can be imported
    ///
    /// members.csv and links.csv as `alliance members import` and `alliance links import` take
    /// them, for the sandbox's own programs; people.csv says who they are. The same seed gives the
    /// same bytes.
    #[command(after_help = "Example:\n  \
        alliance sandbox people ./people --seed 7 --members 10000")]
    People(ask::PeopleArgs),
    /// Order points for a member, as a partner, and see how it ends
    ///
    /// An accrual: the partner buys the points for its customer. The member's name decides what a
    /// simulated brand makes of it.
    #[command(after_help = "Examples:\n  alliance sandbox order prompt late-1\n  \
        alliance sandbox order silent M-1 --points 25 --wait 0")]
    Order(ask::OrderArgs),
}

fn members(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(members @ 1..=100_000) => Ok(members),
        _ => Err("must be 1 to 100000".to_owned()),
    }
}

pub(super) fn run(command: SandboxCommand, printer: Printer) -> Result<Exit, Failure> {
    match command.ask {
        None => open::run(command.open, printer),
        Some(Ask::Clock(args)) => ask::clock(&args, printer),
        Some(Ask::Log(args)) => ask::log(&args, printer),
        Some(Ask::Speak(args)) => ask::speak(&args, printer),
        Some(Ask::People(args)) => ask::people(&args, printer),
        Some(Ask::Order(args)) => ask::order(&args, printer),
    }
}
