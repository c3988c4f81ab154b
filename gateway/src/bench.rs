//! `alliance bench`: how fast this machine performs durable, signed, exactly-once exchanges, and
//! whether all that was answered was true.
//!
//! | module | duty |
//! | --- | --- |
//! | `ground` | the alliance that is run on, made for the run, and its orders |
//! | `process` | the gateway: `alliance serve` as a process of its own |
//! | `drive` | the load: clients of the SDK, in lanes |
//! | `over_http` | modes `orders`, `full`, `batch`, `quotes`: rounds of supply, work, verification |
//! | `in_process` | mode `store`: the sequencer and the store alone |
//! | `offline` | mode `verify` |
//! | `check` | every receipt and chain, and what the gateway shows in the end |
//! | `cost`, `histogram` | processor time, bytes, memory; latencies |
//! | `report` | what is printed |
//! | `leftovers` | what must not stay behind, however a run ends |
//!
//! What is measured is only the work itself. Quotes are fetched, and answers verified, with the
//! clock stopped; and nothing is printed before everything has been verified.

mod check;
mod cost;
mod drive;
mod ground;
mod histogram;
mod in_process;
mod leftovers;
mod offline;
mod over_http;
mod process;
mod report;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli::failure::{Exit, Failure};
use crate::cli::printer::Printer;
use crate::instance::database_url::DatabaseUrl;
use crate::telemetry::{self, LogFormat, TelemetrySettings};
use drive::Work;
use ground::Ground;
use leftovers::Leftovers;
use report::Report;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Single orders on tokens fetched beforehand.
    Orders,
    /// A quote and its order, together one operation.
    Full,
    /// Many orders in a request, on tokens fetched beforehand.
    Batch,
    /// Single quotes.
    Quotes,
    /// Receipts, offline.
    Verify,
    /// Orders handed to the clearing house without HTTP.
    Store,
    /// The requests of [`Mode::Quotes`], to a handler that is not the gateway's: what they are
    /// compared with.
    Bare,
}

impl Mode {
    /// As it is typed and shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Full => "full",
            Self::Batch => "batch",
            Self::Quotes => "quotes",
            Self::Verify => "verify",
            Self::Store => "store",
            Self::Bare => "bare",
        }
    }

    /// What is counted.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Orders | Self::Full | Self::Batch | Self::Store => "orders",
            Self::Quotes => "quotes",
            Self::Verify => "receipts",
            Self::Bare => "requests",
        }
    }
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// What is measured.
    pub mode: Mode,
    /// `sqlite:FILE` or `postgres://…`; none: SQLite, in the run's own folder.
    pub database: Option<DatabaseUrl>,
    /// How long the clock runs.
    pub time: Duration,
    /// Requests under way at once.
    pub clients: usize,
    /// Orders in a request of [`Mode::Batch`].
    pub batch_size: usize,
    /// Requests begun each second; none: as many as are answered.
    pub rate: Option<u32>,
    /// How many members the alliance has.
    pub members: usize,
    /// The folder to make, and to leave there; none: one that is taken away afterwards.
    pub dir: Option<PathBuf>,
    /// The program that serves; none: this one.
    pub server: Option<PathBuf>,
}

impl Options {
    /// A mode with everything else as it usually is.
    #[must_use]
    pub const fn new(mode: Mode) -> Self {
        // The gateway's queue holds 8,192 orders: 16 batches of 500.
        let clients = if matches!(mode, Mode::Batch) { 8 } else { 64 };
        Self {
            mode,
            database: None,
            time: Duration::from_secs(10),
            clients,
            batch_size: 500,
            rate: None,
            members: 10_000,
            dir: None,
            server: None,
        }
    }
}

/// Runs a benchmark.
///
/// # Errors
/// [`Failure`] where it could not be set up.
pub fn run(options: &Options, printer: Printer) -> Result<Exit, Failure> {
    let _telemetry = telemetry::init(TelemetrySettings {
        log_format: LogFormat::Text,
        log_filter: Some("error".to_owned()),
        ..TelemetrySettings::default()
    });
    let leftovers = Leftovers::watch()?;
    let folder = match &options.dir {
        Some(dir) => dir.clone(),
        None => {
            let name = format!("alliance-bench-{}", std::process::id());
            let folder = std::env::temp_dir().join(name);
            leftovers.folder(&folder);
            folder
        }
    };
    let report = measured(&folder, options, &leftovers, printer);
    leftovers.clear();
    let report = report?;
    printer.show(&report);
    Ok(if report.ok { Exit::Good } else { Exit::Wrong })
}

fn measured(
    folder: &Path,
    options: &Options,
    leftovers: &Leftovers,
    printer: Printer,
) -> Result<Report, Failure> {
    let ground = Ground::make(folder, options.database.as_deref(), options.members, printer)?;
    let over_http = |work| over_http::measure(&ground, work, options, leftovers, printer);
    match options.mode {
        Mode::Orders => over_http(Work::Order),
        Mode::Full => over_http(Work::QuoteAndOrder),
        Mode::Batch => over_http(Work::Batch(options.batch_size)),
        Mode::Quotes | Mode::Bare => over_http(Work::Quote),
        Mode::Verify => offline::measure(&ground, options, printer),
        Mode::Store => in_process::measure(&ground, options, printer),
    }
}
