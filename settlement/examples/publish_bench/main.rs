//! How long a whole publication takes: 500 programs of 100 partners, an agreement of every two
//! partners with 5,000 overrides in all, readings of every program, flows in 10,000 directions and
//! their surcharges, three boards alive. From what is known to what the database is handed: values,
//! terms, the proof that nobody gains, the terms' tree, canonical bytes, signature, text of the
//! row.
//!
//! Then the same alliance as the product runs it, on SQLite: how long publishing takes while orders
//! go on, and how long orders wait for it.
//!
//! `cargo run --release -p alliance-settlement --example publish_bench`, and behind `--` one
//! of `calm`, `brisk`, `violent`, `live` for that part alone.
#![allow(clippy::print_stdout, reason = "an example that prints its figures")]

mod live;
mod world;

use std::time::{Duration, Instant};

use alliance_contracts::encoding::Hash;
use alliance_contracts::jws::{self, JwsType};
use alliance_contracts::time::Timestamp;
use alliance_settlement::alliance::PublishedBoard;
use alliance_settlement::rates::publication::{self, Publication, Situation, still_quoted};

use world::{OVERRIDES, Result, World};

/// Boards that are measured.
const BOARDS: usize = 30;
/// A quote stands a minute: with this three boards are alive.
const BETWEEN_SECONDS: i64 = 25;

/// Processor time of this thread, so that whoever else uses the machine is not measured; the clock
/// where the kernel tells nothing. Known to a few milliseconds.
struct Processor(Option<u64>, Instant);

impl Processor {
    fn now() -> Self {
        let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
        let nanos = told.and_then(|told| told.split_whitespace().next()?.parse().ok());
        Self(nanos, Instant::now())
    }

    fn since(&self, start: &Self) -> Duration {
        match (self.0, start.0) {
            (Some(now), Some(then)) => Duration::from_nanos(now.saturating_sub(then)),
            _ => self.1.saturating_duration_since(start.1),
        }
    }
}

/// Times of one kind.
#[derive(Default)]
struct Times(Vec<Duration>);

impl Times {
    fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// Median, 99 %, and the longest.
    fn told(&self) -> String {
        let mut times = self.0.clone();
        times.sort_unstable();
        let at = |part: usize| times.get((times.len() * part / 100).min(times.len() - 1));
        match (at(50), at(99), times.last()) {
            (Some(median), Some(most), Some(longest)) => {
                format!("median {median:8.1?}   p99 {most:8.1?}   longest {longest:8.1?}")
            }
            _ => "nothing".to_owned(),
        }
    }
}

fn main() -> Result<()> {
    let only = std::env::args().nth(1);
    let wanted = |part: &str| only.as_deref().is_none_or(|only| only == part);
    for (name, most) in [("calm", 1_000), ("brisk", 20_000), ("violent", 400_000)] {
        if wanted(name) {
            worked_out(name, most)?;
        }
    }
    if wanted("live") { live::run() } else { Ok(()) }
}

/// Boards one after another, each of them measured on this one thread.
fn worked_out(name: &str, most: i64) -> Result<()> {
    let key = world::key(world::PARTNERS);
    let begun: Timestamp = "2026-11-23T04:00:00.000Z".parse()?;
    let mut world = World::new(12, begun)?;
    let (board, terms) = publication::first(&world.definition, world.now);
    world.boards.push(PublishedBoard {
        board,
        jws: String::new(),
        terms: terms.into(),
        slot: None,
    });
    let (mut working, mut writing, mut whole, mut clock) =
        (Times::default(), Times::default(), Times::default(), Times::default());
    let (mut cut, mut overrides, mut alive, mut bytes) = (0, 0, 0, 0);
    let mut published = Hash::ZERO;
    for number in 0..BOARDS + 3 {
        world.goes_on(BETWEEN_SECONDS, most)?;
        let registry = world.registry();
        let boards = still_quoted(&world.boards, world.now);
        let situation = Situation {
            registry: &registry,
            boards,
            flows: &world.flows,
            feeds: &world.feeds,
            approved: &std::collections::BTreeMap::new(),
            now: world.now,
        };
        let start = Processor::now();
        let Publication { board, terms, remarks, .. } = publication::next(&situation)?;
        let worked = Processor::now().since(&start);
        let jws = jws::sign(JwsType::Board, &board.payload(), &key);
        let row = serde_json::to_string(&terms)?;
        let end = Processor::now();
        let all = end.since(&start);
        overrides = terms.pairs.iter().filter(|pair| pair.multiplier.micros() < 1_000_000).count();
        published = Hash::of(format!("{published}{jws}{row}{remarks:?}").as_bytes());
        // What comes before three boards are alive is no whole publication.
        if number >= 3 {
            working.add(worked);
            writing.add(all - worked);
            whole.add(all);
            clock.add(end.1.saturating_duration_since(start.1));
            cut += remarks.len();
            alive = boards.len();
            bytes = row.len() + jws.len();
        }
        world.boards.push(PublishedBoard { board, jws, terms: terms.into(), slot: None });
    }
    println!("{name}: {BOARDS} boards, {overrides} of {OVERRIDES} overrides in force,");
    println!("  {alive} boards alive beside each, {cut} remarks, {bytes} bytes a board");
    println!("  all of them             {published}");
    println!("  worked out and proved   {}", working.told());
    println!("  bytes and signature     {}", writing.told());
    println!("  whole publication       {}", whole.told());
    println!("  the same by the clock   {}", clock.told());
    Ok(())
}
