//! What a run is shown as: one object for programs, a small table for people.

use std::time::Duration;

use serde::Serialize;

use super::check::Checker;
use super::cost::Cost;
use super::drive::{FAULTS_KEPT, Tally};
use super::{Mode, Options};
use crate::cli::layout::{Column, count, counted, grouped, table};
use crate::cli::printer::{BAD, FAINT, GOOD, HEADING, Shown, paint};

/// Slower than this is too slow for a person who waits.
const SLOW: Duration = Duration::from_millis(250);

/// The gateway's memory, in MiB.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Memory {
    /// When the clock started.
    pub start: u64,
    /// Half way.
    pub middle: u64,
    /// When it stopped.
    pub end: u64,
    /// The most there ever was.
    pub peak: u64,
}

impl Memory {
    /// Out of what was seen meanwhile, in bytes; none where nothing could be seen.
    #[must_use]
    pub fn of(seen: &[u64], peak: Option<u64>) -> Option<Self> {
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        let (start, end) = (seen.first()?, seen.last()?);
        let middle = seen.get(seen.len() / 2)?;
        Some(Self {
            start: mib(*start),
            middle: mib(*middle),
            end: mib(*end),
            peak: mib(peak.unwrap_or(0).max(*end)),
        })
    }
}

/// What came to the database's size in the whole run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Growth {
    /// Bytes of its files.
    pub files: Option<u64>,
    /// Bytes of write-ahead log; PostgreSQL's.
    pub log: Option<u64>,
}

/// A run, measured and verified.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Whether nothing was wrong.
    pub ok: bool,
    mode: &'static str,
    database: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_system: Option<String>,
    build: &'static str,
    clients: usize,
    members: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch_size: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<u32>,
    answers_signed: bool,
    unit: &'static str,
    done: u64,
    seconds: f64,
    per_second: u64,
    p50_ms: f64,
    p90_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    over_250_ms_percent: f64,
    errors: u64,
    acknowledged: u64,
    receipts_verified: u64,
    tokens_verified: u64,
    client_cpu_seconds_per_1000: Option<f64>,
    gateway_cpu_seconds_per_1000: Option<f64>,
    database_cpu_seconds_per_1000: Option<f64>,
    bytes_written_per_order: Option<u64>,
    log_bytes_per_order: Option<u64>,
    disk_bytes_per_order: Option<u64>,
    memory_mib: Option<Memory>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    faults: Vec<String>,
}

/// What a report is made of, beside what was asked for.
pub struct Findings<'a> {
    /// What the clock saw.
    pub tally: &'a Tally,
    /// How long it ran.
    pub time: Duration,
    /// What was spent meanwhile.
    pub cost: Cost,
    /// The memory of who did the work.
    pub memory: Option<Memory>,
    /// What the database's file lies on, where it is a file.
    pub file_system: Option<String>,
    /// What came to the database.
    pub growth: Growth,
    /// What was verified.
    pub checker: &'a Checker,
    /// Orders acknowledged, those outside the measured time included.
    pub acknowledged: u64,
}

impl Report {
    /// The report.
    #[must_use]
    #[allow(clippy::float_arithmetic, reason = "statistics")]
    pub fn of(options: &Options, found: &Findings<'_>) -> Self {
        let Findings { tally, time, cost, checker, acknowledged, .. } = found;
        let (latencies, done) = (&tally.latencies, tally.done);
        let percentile = |percent| millis(latencies.percentile(percent));
        let mut faults = tally.faults.clone();
        faults.extend(checker.faults.iter().cloned());
        if checker.verified != *acknowledged {
            faults.push(format!(
                "{acknowledged} orders were acknowledged, {} of their receipts verify",
                checker.verified
            ));
        }
        faults.truncate(2 * FAULTS_KEPT);
        let orders = !matches!(options.mode, Mode::Quotes | Mode::Verify | Mode::Bare);
        let per_order = |bytes: Option<u64>, of: u64| bytes?.checked_div(of).filter(|_| orders);
        let per_1000 = |ms: Option<u64>| Some(rounded(ms? as f64 / done.max(1) as f64, 4));
        let slow = latencies.above(SLOW) as f64 * 100.0 / latencies.total().max(1) as f64;
        Self {
            ok: faults.is_empty() && tally.errors == 0 && checker.wrong == 0 && done > 0,
            mode: options.mode.as_str(),
            database: engine(options.database.as_deref()),
            file_system: found.file_system.clone(),
            build: if cfg!(debug_assertions) { "debug" } else { "release" },
            clients: options.clients,
            members: options.members,
            batch_size: (options.mode == Mode::Batch).then_some(options.batch_size),
            rate: options.rate,
            answers_signed: false,
            unit: options.mode.unit(),
            done,
            seconds: rounded(time.as_secs_f64(), 3),
            per_second: per_second(done, *time),
            p50_ms: percentile(50),
            p90_ms: percentile(90),
            p99_ms: percentile(99),
            max_ms: millis(latencies.longest()),
            over_250_ms_percent: rounded(slow, 3),
            errors: tally.errors + checker.wrong,
            acknowledged: *acknowledged,
            receipts_verified: checker.verified,
            tokens_verified: checker.tokens_verified,
            client_cpu_seconds_per_1000: per_1000(cost.client_ms),
            gateway_cpu_seconds_per_1000: per_1000(cost.gateway_ms),
            database_cpu_seconds_per_1000: per_1000(cost.database_ms),
            bytes_written_per_order: per_order(cost.written, done),
            log_bytes_per_order: per_order(found.growth.log, *acknowledged),
            disk_bytes_per_order: per_order(found.growth.files, *acknowledged),
            memory_mib: found.memory,
            faults,
        }
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        let mut row = |what: &str, figure: String, remark: &str| {
            rows.push(vec![what.to_owned(), figure, paint(FAINT, remark)]);
        };
        let per = &format!("{} a second", self.unit);
        row(per, count(self.per_second), &format!("{} in {} s", count(self.done), self.seconds));
        let latency = match (self.mode, self.rate) {
            ("verify", _) => "for 1,024 receipts on one core",
            ("store", _) => "from handing an order in to its answer",
            (_, Some(_)) => "from when the request should have been sent to its whole answer",
            (_, None) => "from sending a request to its whole answer",
        };
        row("p50", ms(self.p50_ms), latency);
        row("p90", ms(self.p90_ms), "");
        row("p99", ms(self.p99_ms), "");
        row("longest", ms(self.max_ms), "");
        if self.over_250_ms_percent > 0.0 {
            row("over 250 ms", format!("{} %", self.over_250_ms_percent), "");
        }
        let cpu = |seconds: Option<f64>| seconds.map(|seconds| format!("{seconds} s"));
        let cpu_of = [
            ("client", self.client_cpu_seconds_per_1000, self.client_remark()),
            ("gateway", self.gateway_cpu_seconds_per_1000, self.gateway_remark()),
            ("PostgreSQL", self.database_cpu_seconds_per_1000, "all its processes"),
        ];
        for (who, seconds, remark) in cpu_of {
            if let Some(seconds) = cpu(seconds) {
                row(&format!("CPU, {who}"), seconds, &format!("for 1,000 {}; {remark}", self.unit));
            }
        }
        let bytes = [
            (
                "written",
                self.bytes_written_per_order,
                "an order, to the disk, as the kernel counts",
            ),
            ("log", self.log_bytes_per_order, "an order, of write-ahead log"),
            (
                "kept",
                self.disk_bytes_per_order,
                "an order, by which the database's files have grown",
            ),
        ];
        for (what, bytes, remark) in bytes {
            if let Some(bytes) = bytes {
                row(&format!("bytes {what}"), count(bytes), remark);
            }
        }
        if let Some(Memory { start, middle, end, peak }) = self.memory_mib {
            let course = format!("at the beginning {start}, half way {middle}; the most {peak}");
            row("memory", format!("{end} MiB"), &course);
        }
        rows
    }

    fn client_remark(&self) -> &'static str {
        match self.mode {
            "verify" => "verifies, on all cores",
            _ => "signs, sends, reads; does not verify",
        }
    }

    fn gateway_remark(&self) -> &'static str {
        match (self.mode, self.database) {
            ("quotes" | "bare", _) => "no database is asked",
            (_, "sqlite") => "SQLite runs inside it",
            _ => "without the database",
        }
    }
}

impl Shown for Report {
    fn text(&self) -> String {
        let Self { mode, database, clients, members, build, .. } = self;
        let heading = paint(HEADING, &format!("{mode} on {database}"));
        let file_system = match self.file_system.as_deref() {
            Some("tmpfs" | "ramfs") => " in memory, where a commit costs nothing (see --dir)",
            _ => "",
        };
        let rate = self.rate.map_or(String::new(), |rate| format!(", {} a second", count(rate)));
        let batch = self.batch_size.map_or(String::new(), |size| format!(", {size} orders each"));
        let mut lines = vec![
            format!(
                "{heading}{file_system}: {} at once{rate}{batch}, {} members, {build} build",
                counted(*clients, "request"),
                count(*members as u64)
            ),
            table("  ", &[Column::Left, Column::Right, Column::Left], &[], &self.rows()),
        ];
        let verified = match (self.receipts_verified, self.tokens_verified) {
            (0, tokens) => format!("{} signed quotes", count(tokens)),
            (receipts, _) => format!("{} receipts, every chain", count(receipts)),
        };
        lines.push(match self.ok {
            true => format!("{} All of it verifies: {verified}", paint(GOOD, "✓")),
            false => format!(
                "{} {} errors; {verified} verify, of {} orders acknowledged",
                paint(BAD, "✗"),
                count(self.errors),
                count(self.acknowledged)
            ),
        });
        lines.extend(self.faults.iter().map(|fault| format!("  {fault}")));
        lines.join("\n")
    }
}

fn engine(database: Option<&str>) -> &'static str {
    match database {
        Some(url) if url.starts_with("postgres") => "postgresql",
        Some("memory:") => "memory",
        _ => "sqlite",
    }
}

fn per_second(done: u64, time: Duration) -> u64 {
    crate::cli::layout::per_second(done, time)
}

fn ms(millis: f64) -> String {
    format!("{} ms", grouped(&millis.to_string()))
}

#[allow(clippy::float_arithmetic, reason = "statistics")]
fn millis(time: Duration) -> f64 {
    rounded(time.as_secs_f64() * 1_000.0, 3)
}

#[allow(clippy::float_arithmetic, reason = "statistics")]
fn rounded(number: f64, digits: i32) -> f64 {
    let unit = 10_f64.powi(digits);
    (number * unit).round() / unit
}
