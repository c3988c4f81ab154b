//! `alliance bench`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::failure::{Exit, Failure};
use super::printer::Printer;
use crate::bench::{self, Mode, Options};
use crate::instance::database_url::DatabaseUrl;

/// What to measure, and how.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  alliance bench\n  \
    alliance bench --mode batch --seconds 30 --database postgres://user@127.0.0.1/empty\n  \
    alliance bench --rate 1000 --seconds 600 --members 1000000 --json")]
pub struct BenchArgs {
    /// An empty database: sqlite:FILE or postgres://… [default: SQLite, in the run's own folder]
    #[arg(long, value_name = "URL")]
    database: Option<DatabaseUrl>,
    /// What to measure
    #[arg(long, value_enum, default_value_t = ModeName::Orders)]
    mode: ModeName,
    /// How long the clock runs
    #[arg(long, value_name = "N", default_value_t = 10,
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// Requests under way at once [default: 64; with --mode batch 8, so that the queue holds them]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4_096))]
    clients: Option<u32>,
    /// Orders in one request of --mode batch
    #[arg(long, value_name = "N", default_value_t = 500,
          value_parser = clap::value_parser!(u32).range(1..=1_000))]
    batch_size: u32,
    /// Requests begun each second, however fast they are answered [default: as fast as they are]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: Option<u32>,
    /// Members to import before; the orders are spread over all of them
    #[arg(long, value_name = "N", default_value_t = 10_000,
          value_parser = clap::value_parser!(u32).range(6..=20_000_000))]
    members: u32,
    /// A folder to make, and to leave there [default: one that is taken away afterwards]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// What to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ModeName {
    /// Single orders, on quotes fetched beforehand
    Orders,
    /// A quote and its order, together
    Full,
    /// Many orders in one request, on quotes fetched beforehand
    Batch,
    /// Single quotes
    Quotes,
    /// Receipts, verified offline
    Verify,
    /// Orders handed to the clearing house, without HTTP
    Store,
}

pub(super) fn run(args: BenchArgs, printer: Printer) -> Result<Exit, Failure> {
    let mode = match args.mode {
        ModeName::Orders => Mode::Orders,
        ModeName::Full => Mode::Full,
        ModeName::Batch => Mode::Batch,
        ModeName::Quotes => Mode::Quotes,
        ModeName::Verify => Mode::Verify,
        ModeName::Store => Mode::Store,
    };
    let usual = Options::new(mode);
    let options = Options {
        database: args.database,
        time: Duration::from_secs(args.seconds),
        clients: args.clients.map_or(usual.clients, |clients| clients as usize),
        batch_size: args.batch_size as usize,
        rate: args.rate,
        members: args.members as usize,
        dir: args.dir,
        ..usual
    };
    bench::run(&options, printer)
}
