//! How many receipts a second are verified offline: signature, chain, terms and totals, from an
//! export in memory.
//!
//! ```text
//! cargo bench -p alliance-partner-sdk --no-default-features --bench verify_receipts \\
//!     [-- RECEIPTS [WAY]]
//! ```
//!
//! WAY is a part of a way's name, such as `batches`: only those are measured, as for a profile.
//!
//! The processor time tells the work, whoever else is on the machine; the receipts a second tell
//! what was left of the machine. All ways take turns, and the best round of each is shown.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::float_arithmetic, reason = "measuring")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::num::NonZeroUsize;
use std::time::Instant;

use alliance_partner_sdk::verify::ChainVerifier;
use alliance_partner_sdk::verify::file::{self, Options};

const ROUNDS: usize = 3;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let receipts: u64 = arguments.first().map_or(100_000, |number| number.parse().unwrap());
    let wanted = arguments.get(1).map_or("", String::as_str);
    let export = support::export(receipts);
    let threads = |number| Options::new().threads(NonZeroUsize::new(number).unwrap());
    let ways: [(&str, &dyn Fn()); 5] = [
        ("line by line, 1 thread", &|| line_by_line(&export)),
        ("--strict, 1 thread", &|| whole(&export, &threads(1).strict())),
        ("--strict, 2 threads", &|| whole(&export, &threads(2).strict())),
        ("in batches, 1 thread", &|| whole(&export, &threads(1))),
        ("in batches, 2 threads", &|| whole(&export, &threads(2))),
    ];
    let mut best = [(f64::MAX, f64::MAX); 5];
    for _ in 0..ROUNDS {
        let wanted = |((name, _), _): &(&(&str, _), _)| name.contains(wanted);
        for ((_, way), best) in ways.iter().zip(&mut best).filter(wanted) {
            let (begun, busy) = (Instant::now(), processor_seconds());
            way();
            *best =
                (best.0.min(begun.elapsed().as_secs_f64()), best.1.min(processor_seconds() - busy));
        }
    }
    println!("{receipts} receipts, {} bytes each", export.len() as u64 / receipts);
    println!("{:<24} {:>11} {:>20}", "", "receipts/s", "µs of processor each");
    for ((name, _), (seconds, busy)) in ways.iter().zip(best).filter(|(_, b)| b.0 < f64::MAX) {
        let each = busy * 1e6 / receipts as f64;
        println!("{name:<24} {:>11.0} {each:>20.2}", receipts as f64 / seconds);
    }
}

fn line_by_line(export: &[u8]) {
    let mut chain = ChainVerifier::new(support::corridor(), &support::keys());
    for line in export.split_inclusive(|byte| *byte == b'\n') {
        chain.push_ndjson_line(&line[..line.len() - 1]).unwrap();
    }
    chain.finish().unwrap();
}

fn whole(export: &[u8], options: &Options) {
    file::verify(export, &support::keys(), options).unwrap();
}

/// What all threads have used so far; on Linux, in hundredths of a second.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name in brackets, which may hold anything: user and system time.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}
