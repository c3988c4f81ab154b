//! How long pages of a feed take when it holds a million events: read from the first to the last
//! while more are written, and from places anywhere in it. Every number is seen once, in order, or
//! the run fails.
//!
//! `cargo run --release -p alliance-settlement --example events_bench [EVENTS] [DATABASE-URL]`
//!
//! Without a URL, a SQLite file in a temporary folder, which is removed; otherwise a database that
//! is empty.
#![allow(clippy::print_stdout, reason = "an example that prints its figures")]

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use alliance_contracts::names::PartnerId;
use alliance_contracts::time::Timestamp;
use alliance_settlement::events::NewEvents;
use alliance_settlement::feed;
use alliance_settlement::ledger::Writes;
use alliance_settlement::store::{Store, migrate, open};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Events of one commit while the feed is filled.
const AT_ONCE: u64 = 10_000;
/// Events of a row, as the ledger packs them.
const ROW: u64 = 1_000;
const PAGE: u32 = 1_000;
const SEEKS: u64 = 2_000;

/// A commit of so many events of one partner, and of nothing else.
async fn tell(store: &dyn Store, partner: &PartnerId, events: u64) -> Outcome<()> {
    let entry = concat!(
        r#"{"told":{"data":{"board":4711,"source":"aurora","target":"borealis"},"#,
        r#""subject":"aurora/borealis","type":"pair.frozen"}}"#
    );
    let mut writes = Writes::default();
    let mut first = 1;
    while first <= events {
        let last = (first + ROW - 1).min(events);
        let entries = (first..=last).map(|_| entry).collect::<Vec<_>>().join(",");
        writes.events.push(NewEvents {
            partner: partner.clone(),
            first,
            last,
            at: Timestamp::from_millis(1_790_000_000_000),
            entries: format!("[{entries}]"),
        });
        first = last + 1;
    }
    store.begin().await?.commit(&writes).await?;
    Ok(())
}

/// Writes one event a commit until it is told to stop.
async fn keep_telling(
    store: Arc<dyn Store>,
    partner: PartnerId,
    stop: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
) -> Outcome<()> {
    while !stop.load(Ordering::Relaxed) {
        tell(&*store, &partner, 1).await?;
        written.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

fn print(what: &str, mut took: Vec<Duration>) {
    took.sort();
    let at = |permille: usize| took.get(took.len().saturating_sub(1) * permille / 1_000);
    let [median, p99, most] = [500, 990, 1_000].map(|p| at(p).copied().unwrap_or_default());
    println!("{what}: {} pages, median {median:.1?}, p99 {p99:.1?}, most {most:.1?}", took.len());
}

async fn run(url: &str, events: u64) -> Outcome<()> {
    migrate(url).await?;
    let store = open(url, "demo".parse()?).await?;
    let partner: PartnerId = "aurora-air".parse()?;
    let began = Instant::now();
    let mut filled = 0;
    while filled < events {
        let now = AT_ONCE.min(events - filled);
        tell(&*store, &partner, now).await?;
        filled += now;
    }
    println!("{events} events written in {:.1?}", began.elapsed());

    let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writer = open(url, "demo".parse()?).await?;
    let writer = tokio::spawn(keep_telling(writer, partner.clone(), stop.clone(), written.clone()));
    let (mut after, mut took) = (0, Vec::new());
    let began = Instant::now();
    loop {
        let asked = Instant::now();
        let page = feed::page(&*store, &partner, after, PAGE).await?;
        took.push(asked.elapsed());
        for event in &page.events {
            after += 1;
            if event.number() != Some(after) {
                return Err(format!("event {} where {after} should be", event.sequence).into());
            }
        }
        if after >= events && !page.more {
            break;
        }
    }
    let elapsed = began.elapsed();
    stop.store(true, Ordering::Relaxed);
    writer.await??;
    let more = written.load(Ordering::Relaxed);
    let rate = u128::from(after) * 1_000 / elapsed.as_millis().max(1);
    println!(
        "{after} read in order in {elapsed:.1?} ({rate}/s) \
         while {more} more were committed one by one"
    );
    print("pages of 1,000 from the first to the last", took);

    let mut took = Vec::new();
    for seek in 0..SEEKS {
        // Places all over the feed, in no order: a step that shares no factor with its length.
        let after = seek.wrapping_mul(982_451_653) % events.max(1);
        let asked = Instant::now();
        let page = feed::page(&*store, &partner, after, 100).await?;
        took.push(asked.elapsed());
        if page.events.first().and_then(|event| event.number()) != Some(after + 1) {
            return Err(format!("not the event after {after}").into());
        }
    }
    print("pages of 100 from anywhere", took);
    store.close().await;
    Ok(())
}

fn main() -> Outcome<()> {
    let mut words = std::env::args().skip(1);
    let events = words.next().map_or(Ok(1_000_000), |word| word.parse())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if let Some(url) = words.next() {
        return runtime.block_on(run(&url, events));
    }
    let folder = std::env::temp_dir().join(format!("events_bench_{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    let file = folder.join("books.db");
    let outcome = runtime.block_on(run(&format!("sqlite:{}", file.display()), events));
    let bytes = std::fs::metadata(&file).map_or(0, |file| file.len());
    println!("{} MB on the disk", bytes / 1_000_000);
    std::fs::remove_dir_all(&folder)?;
    outcome
}
