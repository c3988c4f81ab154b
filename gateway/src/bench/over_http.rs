//! The modes that go over HTTP: rounds of three steps, of which only the second is measured.
//!
//! 1. Supply: quotes are fetched for as many orders as the time that is left will probably take,
//!    [`ROUND`] at most: the gateway remembers the tokens of its last 200,000 quotes, and a client
//!    would not hand in others.
//! 2. Work: the lanes send until the time is up or the quotes are used up.
//! 3. Verification of all receipts.
//!
//! Before the first there is a warm-up of the same kind, from which the speed is guessed.

use std::time::{Duration, Instant};

use alliance_partner_sdk::Client;
use alliance_partner_sdk::client::{ClientBuilder, RetryPolicy};
use alliance_settlement::store::measure;

use super::Options;
use super::check::{Checker, Shown};
use super::cost::{Cost, Watched, file_system_of, postmaster_of};
use super::drive::{Lane, Pace, Tally, Work};
use super::ground::{self, ALLIANCE, Ground};
use super::leftovers::Leftovers;
use super::process::Serving;
use super::report::{Findings, Growth, Memory, Report};
use crate::cli::failure::{Failure, whole};
use crate::cli::layout::per_second;
use crate::cli::printer::Printer;
use crate::cli::progress::Progress;
use crate::instance::open::runtime;

/// Quotes fetched for one round, at most.
const ROUND: usize = 60_000;
/// Quotes fetched for one round, at least.
const SMALL_ROUND: usize = 500;
/// However slow a gateway is, that is what is measured: a client gives up later than others do.
const PATIENT: RetryPolicy = RetryPolicy {
    max_attempts: 10,
    base: Duration::from_millis(100),
    cap: Duration::from_secs(5),
    attempt_timeout: Duration::from_secs(60),
    deadline: Duration::from_secs(120),
};
/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Opens a gateway on the ground, measures, verifies, closes it.
///
/// # Errors
/// [`Failure`] where the run could not be carried out.
pub fn measure(
    ground: &Ground,
    work: Work,
    options: &Options,
    leftovers: &Leftovers,
    printer: Printer,
) -> Result<Report, Failure> {
    let runtime = runtime().map_err(Failure::wrong)?;
    let database = &ground.instance.gateway.database;
    let size_before = runtime.block_on(Size::of(database));
    let program = match &options.server {
        Some(program) => program.clone(),
        None => std::env::current_exe().map_err(Failure::wrong)?,
    };
    let serving = Serving::start(&program, &ground.instance.folder, database)?;
    leftovers.gateway(Some(serving.pid()));
    let watched = Watched {
        client: Some(std::process::id()),
        gateway: Some(serving.pid()),
        postmaster: size_before.postmaster,
    };
    let clients = clients(ground, &serving.url)?;
    let keys = runtime.block_on(clients[0].gateway_keys());
    let mut run = Run {
        work,
        rate: options.rate,
        lanes: lanes(ground, &serving.url, options.clients)?,
        checker: Checker::new(keys.map_err(|error| Failure::wrong(whole(&error)))?),
        watched,
        acknowledged: 0,
    };
    let speed = run.warm_up(options.time)?;
    let measured = run.rounds(options.time, options.rate.map_or(speed, u64::from), printer)?;
    let memory = Memory::of(&measured.resident, watched.resident_at_most());
    runtime.block_on(run.checker.compare(&Shown::Gateway(&clients)));
    drop(run.lanes);
    if let Err(failure) = serving.stop() {
        run.checker.fault(failure.message);
    }
    leftovers.gateway(None);
    let findings = Findings {
        tally: &measured.tally,
        time: measured.time,
        cost: measured.cost.unwrap_or_default(),
        memory,
        file_system: file_system_of(database),
        growth: runtime.block_on(Size::of(database)).since(&size_before),
        checker: &run.checker,
        acknowledged: run.acknowledged,
    };
    Ok(Report::of(options, &findings))
}

/// How large a database is, and who keeps it.
pub struct Size {
    files: Option<u64>,
    log: Option<u64>,
    /// PostgreSQL's first process, where it is one of this machine.
    pub postmaster: Option<u32>,
}

impl Size {
    /// Of the database of a URL.
    pub async fn of(database: &str) -> Self {
        match measure::look(database).await {
            Ok(Some(look)) => Self {
                files: Some(look.database_bytes),
                log: Some(look.log_bytes),
                postmaster: postmaster_of(look.backend),
            },
            Ok(None) => Self { files: files_of(database), log: None, postmaster: None },
            // A server that does not tell: then it is not shown.
            Err(_) => Self { files: None, log: None, postmaster: None },
        }
    }

    /// What has come to it.
    pub fn since(&self, earlier: &Self) -> Growth {
        let less = |now: Option<u64>, then: Option<u64>| Some(now?.saturating_sub(then?));
        Growth { files: less(self.files, earlier.files), log: less(self.log, earlier.log) }
    }
}

/// Bytes of an SQLite database that nobody has open: its log is in it then.
fn files_of(database: &str) -> Option<u64> {
    let path = database.strip_prefix("sqlite:")?;
    std::fs::metadata(path).ok().map(|file| file.len())
}

/// A client of the SDK for each brand.
fn clients(ground: &Ground, url: &str) -> Result<Vec<Client>, Failure> {
    let client = |brand| -> Result<Client, Failure> {
        let builder: ClientBuilder = Client::builder(url)
            .partner(ground::partner(brand).as_str())
            .key_pem(ground.key_pem(brand)?)
            .root(&ground.root)
            .alliance(ALLIANCE)
            .retry(PATIENT);
        builder.build().map_err(|error| Failure::wrong(whole(&error)))
    };
    (0..ground::brands()).map(client).collect()
}

/// A lane for each processor, but never more lanes than clients.
fn lanes(ground: &Ground, url: &str, at_once: usize) -> Result<Vec<Lane>, Failure> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let lanes = cores.min(at_once).max(1);
    (0..lanes)
        .map(|at| Lane::new(at, lanes, at_once, clients(ground, url)?, ground.people()))
        .collect()
}

/// What was measured.
#[derive(Default)]
pub struct Measured {
    /// All rounds together.
    pub tally: Tally,
    /// How long the clock ran.
    pub time: Duration,
    /// What was spent meanwhile; none: not known.
    pub cost: Option<Cost>,
    /// The gateway's memory meanwhile.
    pub resident: Vec<u64>,
}

impl Measured {
    /// Adds what a round has cost.
    pub fn spend(&mut self, cost: Cost) {
        self.cost = Some(self.cost.map_or(cost, |sum| sum + cost));
    }
}

struct Run {
    work: Work,
    rate: Option<u32>,
    lanes: Vec<Lane>,
    checker: Checker,
    watched: Watched,
    /// Orders acknowledged, those of the warm-up included.
    acknowledged: u64,
}

impl Run {
    /// Works for a while without measuring; how much a second was done.
    fn warm_up(&mut self, time: Duration) -> Result<u64, Failure> {
        let time = (time / 5).clamp(Duration::from_millis(300), Duration::from_secs(2));
        let (mut done, mut took, mut wanted) = (0, Duration::ZERO, SMALL_ROUND);
        while took < time {
            self.supply(wanted)?;
            let (mut tally, round) = self.round(time - took, &mut |_| {});
            self.verify(&mut tally);
            if tally.done == 0 {
                return Err(Failure::wrong("nothing was done in the warm-up").with(tally.faults));
            }
            self.checker.count_errors(&tally);
            done += tally.done;
            took += round;
            wanted = (wanted * 4).min(ROUND / 4);
        }
        Ok(per_second(done, took))
    }

    fn rounds(
        &mut self,
        time: Duration,
        speed: u64,
        printer: Printer,
    ) -> Result<Measured, Failure> {
        let mut measured = Measured::default();
        let bar = Progress::bar(printer, "measuring, in ms", millis(time));
        while measured.time < time {
            let left = time - measured.time;
            // A fifth more than expected: too many cost a little time, too few another round.
            let expected = speed.saturating_mul(millis(left)) / 1_000;
            let wanted = usize::try_from(expected.saturating_mul(6) / 5).unwrap_or(ROUND);
            self.supply(wanted.clamp(SMALL_ROUND, ROUND))?;
            let (before, watched, mut shown) = (self.watched.cost(), self.watched, 0);
            let (mut tally, took) = self.round(left, &mut |elapsed| {
                measured.resident.extend(watched.resident());
                bar.step(millis(elapsed).saturating_sub(shown));
                shown = millis(elapsed);
            });
            measured.spend(self.watched.cost().since(before));
            measured.time += took;
            self.verify(&mut tally);
            let stuck = tally.done == 0;
            measured.tally.add(tally);
            if stuck {
                break;
            }
        }
        bar.done();
        Ok(measured)
    }

    /// Fetches quotes, so many in all.
    fn supply(&mut self, wanted: usize) -> Result<(), Failure> {
        // A batch is one caller's: each of them must get enough for one.
        let least = match self.work {
            Work::Order => 1,
            Work::Batch(size) => 2 * size * ground::brands(),
            Work::QuoteAndOrder | Work::Quote => return Ok(()),
        };
        let share = wanted.div_ceil(self.lanes.len()).max(least);
        let supplied: Result<Vec<()>, String> = std::thread::scope(|scope| {
            let lanes = self.lanes.iter_mut();
            let threads: Vec<_> =
                lanes.map(|lane| scope.spawn(move || lane.supply(share))).collect();
            threads.into_iter().map(|thread| thread.join().expect(LANE)).collect()
        });
        supplied.map(drop).map_err(Failure::wrong)
    }

    /// Works, for so long at most, and how long that was: until the last answer. `look` is called
    /// now and then meanwhile.
    fn round(&mut self, time: Duration, look: &mut dyn FnMut(Duration)) -> (Tally, Duration) {
        let (work, lanes) = (self.work, u32::try_from(self.lanes.len()).unwrap_or(1));
        let between = self.rate.map(|rate| Duration::from_secs(1) / rate.max(1));
        let start = Instant::now();
        let tally = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..lanes)
                .zip(&mut self.lanes)
                .map(|(at, lane)| {
                    let start = start + between.unwrap_or_default() * at;
                    let every = between.map(|between| between * lanes);
                    let pace = Pace { start, until: start + time, every };
                    scope.spawn(move || lane.run(work, pace))
                })
                .collect();
            while !threads.iter().all(|thread| thread.is_finished()) {
                look(start.elapsed());
                std::thread::sleep(LOOK.min(time / 10));
            }
            let mut all = Tally::default();
            for thread in threads {
                all.add(thread.join().expect(LANE));
            }
            all
        });
        let ended = tally.ended.unwrap_or_else(Instant::now);
        let took = ended.saturating_duration_since(start).max(Duration::from_millis(1));
        // At a given pace the last request has its share of the time, too, however fast it went.
        let requests = tally.latencies.total() + tally.errors;
        let planned = between.unwrap_or_default() * u32::try_from(requests).unwrap_or(u32::MAX);
        (tally, took.max(planned.min(time)))
    }

    /// Verifies all that was answered; nothing of it is kept.
    fn verify(&mut self, tally: &mut Tally) {
        let acknowledged = std::mem::take(&mut tally.acknowledged);
        self.acknowledged += acknowledged.len() as u64;
        self.checker.take(&acknowledged);
        self.checker.take_tokens(&std::mem::take(&mut tally.tokens));
    }
}

/// A lane counts its errors, and does not panic.
const LANE: &str = "a lane counts what goes wrong and goes on";

/// Whole milliseconds.
pub fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
