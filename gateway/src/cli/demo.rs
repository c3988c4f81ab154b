//! `alliance demo`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::failure::{Exit, Failure};
use super::printer::Printer;
use crate::demo::{self, Options};

/// How the demo is run.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  alliance demo\n  \
    alliance demo --dir ./try-out --orders 20000 --once")]
pub struct DemoArgs {
    /// The folder to make, or to go on with
    #[arg(long, value_name = "DIR", default_value = "./alliance-demo")]
    dir: PathBuf,
    /// Where to listen [default: 127.0.0.1:8787, or a free port where that is taken]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// How many orders to send
    #[arg(long, value_name = "N", default_value_t = 5_000,
          value_parser = clap::value_parser!(u32).range(0..=10_000_000))]
    orders: u32,
    /// End when the orders are done and verified
    #[arg(long)]
    once: bool,
}

pub(super) fn run(args: DemoArgs, printer: Printer) -> Result<Exit, Failure> {
    let DemoArgs { dir, listen, orders, once } = args;
    demo::run(Options { dir, listen, orders, once }, printer)
}
