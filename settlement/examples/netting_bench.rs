//! How long a netting run takes with its certificate and its check, at the size that it must be
//! quick at: 1,000 partners that all owe each other, and the alliance its fees.
//!
//! ```sh
//! cargo run --release -p alliance-settlement --no-default-features --example netting_bench
//! ```

#![expect(clippy::print_stdout, reason = "prints figures")]

use std::error::Error;
use std::time::Instant;

use alliance_contracts::json;
use alliance_contracts::names::Party;
use alliance_contracts::netting::NettingCertificate;
use alliance_settlement::netting::{Obligations, Run, net};

const PARTNERS: usize = 1_000;

/// What turns the amounts: SplitMix64 (Steele, Lea, Flood, 2014), the same on every machine.
fn mixed(seed: u64) -> u64 {
    let z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn main() -> Result<(), Box<dyn Error>> {
    let alliance: Party = "alliance".parse()?;
    let mut partners: Vec<Party> = Vec::with_capacity(PARTNERS);
    for number in 0..PARTNERS {
        partners.push(format!("partner-{number:04}").parse()?);
    }
    let started = Instant::now();
    let mut owed = Obligations::new();
    let mut seed = 0;
    for debtor in &partners {
        for creditor in &partners {
            seed += 1;
            // From one unit to about ten million, most of them small.
            let micros = mixed(seed) >> (20 + mixed(!seed) % 24);
            owed.add(debtor, creditor, i128::from(micros))?;
        }
        owed.add(debtor, &alliance, 1_234_567)?;
    }
    let added = started.elapsed();

    let started = Instant::now();
    let run = Run {
        alliance: "demo".parse()?,
        currency: "CNY".parse()?,
        window: None,
        carried: Vec::new(),
    };
    let certificate = net(run, &owed)?;
    let netted = started.elapsed();

    let started = Instant::now();
    let bytes = json::canonical(&certificate);
    let written = started.elapsed();

    let started = Instant::now();
    let read: NettingCertificate = json::read(&bytes).map_err(|fault| format!("{fault:?}"))?;
    read.check()?;
    let checked = started.elapsed();

    for (way, effort) in [
        ("gross", certificate.gross),
        ("bilateral", certificate.bilateral),
        ("set-off", certificate.set_off.effort),
        ("multilateral", certificate.multilateral),
    ] {
        println!(
            "{way:<13} {:>9} payments {:>28} moved",
            effort.payments,
            effort.moved.to_string()
        );
    }
    let farthest = certificate.set_off.distances.iter().max().copied().unwrap_or(0);
    println!("{} bytes; longest distance {farthest}", bytes.len());
    println!(
        "added {added:.2?} · netted {netted:.2?} · written {written:.2?} · checked {checked:.2?}"
    );
    Ok(())
}
