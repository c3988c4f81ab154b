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
//!
//! What is measured is only the work itself. Quotes are fetched, and answers verified, with the
//! clock stopped; and nothing is printed before everything has been verified.

mod check;
mod cost;
mod drive;
mod ground;
mod histogram;
mod in_process;
mod offline;
mod over_http;
mod process;
mod report;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli::failure::{Exit, Failure};
use crate::cli::printer::Printer;
use crate::telemetry::{self, LogFormat, TelemetrySettings};
use drive::Work;
use ground::Ground;

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
        }
    }

    /// What is counted.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Orders | Self::Full | Self::Batch | Self::Store => "orders",
            Self::Quotes => "quotes",
            Self::Verify => "receipts",
        }
    }
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// What is measured.
    pub mode: Mode,
    /// `sqlite:FILE` or `postgres://…`; none: SQLite, in the run's own folder.
    pub database: Option<String>,
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
    let folder = Folder::take(options.dir.as_deref())?;
    let database = options.database.as_deref();
    let ground = Ground::make(&folder.path, database, options.members, printer)?;
    let over_http = |work| over_http::measure(&ground, work, options, printer);
    let report = match options.mode {
        Mode::Orders => over_http(Work::Order),
        Mode::Full => over_http(Work::QuoteAndOrder),
        Mode::Batch => over_http(Work::Batch(options.batch_size)),
        Mode::Quotes => over_http(Work::Quote),
        Mode::Verify => offline::measure(&ground, options, printer),
        Mode::Store => in_process::measure(&ground, options, printer),
    }?;
    printer.show(&report);
    Ok(if report.ok { Exit::Good } else { Exit::Wrong })
}

/// The run's folder.
struct Folder {
    path: PathBuf,
    kept: bool,
}

impl Folder {
    fn take(asked: Option<&Path>) -> Result<Self, Failure> {
        match asked {
            Some(path) => Ok(Self { path: path.to_owned(), kept: true }),
            None => {
                let name = format!("alliance-bench-{}", std::process::id());
                Ok(Self { path: std::env::temp_dir().join(name), kept: false })
            }
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.kept {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
