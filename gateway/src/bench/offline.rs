//! Mode `verify`: how fast receipts verify without anybody's help, on all cores: every signature,
//! every link of the chains, every amount against its terms.
//!
//! The chains are cut into slices that are verified at the same time, each as a chain that goes on
//! from where its first receipt says the one before ended; then the ends are held together.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use alliance_contracts::encoding::Hash;
use alliance_contracts::key_list::TrustedKeys;
use alliance_contracts::names::Corridor;
use alliance_partner_sdk::verify::{ChainVerifier, ParsedReceipt};

use super::Options;
use super::check::Checker;
use super::cost::{Cost, Watched};
use super::drive::Tally;
use super::ground::Ground;
use super::in_process;
use super::report::{Findings, Growth, Memory, Report};
use crate::cli::failure::Failure;
use crate::cli::printer::Printer;
use crate::cli::progress::Progress;

/// Receipts that are made to be verified, at most.
const RECEIPTS: usize = 30_000;
/// Receipts of a slice.
const SLICE: usize = 1_024;

/// Makes receipts, and verifies them again and again.
///
/// # Errors
/// [`Failure`] where none could be made.
pub fn measure(ground: &Ground, options: &Options, printer: Printer) -> Result<Report, Failure> {
    let bar = Progress::spinner(printer, "making receipts");
    let orders = in_process::orders(ground, RECEIPTS, 2 * options.time)?;
    let receipts = orders.into_iter().map(|order| order.jws).collect();
    bar.done();
    let keys = &ground.instance.trusted_keys;
    let mut checker = Checker::new(keys.clone().into());
    let slices = slices(receipts).map_err(Failure::wrong)?;
    let watched = Watched { client: Some(std::process::id()), gateway: None, postmaster: None };
    let (mut tally, mut time, mut cost) = (Tally::default(), Duration::ZERO, None::<Cost>);
    while time < options.time && tally.errors == 0 {
        let (before, began) = (watched.cost(), Instant::now());
        let pass = pass(&slices, keys);
        time += began.elapsed();
        let spent = watched.cost().since(before);
        cost = Some(cost.map_or(spent, |sum| sum + spent));
        checker.verified = pass.done;
        tally.add(pass);
    }
    let resident: Vec<u64> = watched.resident().into_iter().collect();
    let findings = Findings {
        tally: &tally,
        time,
        cost: cost.unwrap_or_default(),
        memory: Memory::of(&resident, watched.resident_at_most()),
        file_system: None,
        growth: Growth::default(),
        checker: &checker,
        acknowledged: slices.iter().map(|slice| slice.receipts.len() as u64).sum(),
    };
    Ok(Report::of(options, &findings))
}

/// Receipts that follow each other.
struct Slice {
    corridor: Corridor,
    receipts: Vec<String>,
}

/// Where a slice begins and ends: number and hash of the receipt before it, and of its last.
type Ends = ((u64, Hash), (u64, Hash));

/// The receipts in the order of their chains, cut up.
fn slices(receipts: Vec<String>) -> Result<Vec<Slice>, String> {
    let mut corridors: BTreeMap<Corridor, BTreeMap<u64, String>> = BTreeMap::new();
    for jws in receipts {
        let parsed = ParsedReceipt::parse(&jws).map_err(|error| error.to_string())?;
        let receipt = parsed.unverified();
        let (corridor, seq) = (receipt.corridor.clone(), receipt.seq);
        corridors.entry(corridor).or_default().insert(seq, jws);
    }
    let mut slices = Vec::new();
    for (corridor, chain) in corridors {
        let chain: Vec<String> = chain.into_values().collect();
        let parts = chain.chunks(SLICE).map(<[String]>::to_vec);
        slices.extend(parts.map(|receipts| Slice { corridor: corridor.clone(), receipts }));
    }
    Ok(slices)
}

/// Verifies all slices, on all cores, each as soon as a core is free.
fn pass(slices: &[Slice], keys: &TrustedKeys) -> Tally {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (next, tally) = (AtomicUsize::new(0), Mutex::new(Tally::default()));
    let ends: Mutex<BTreeMap<usize, Ends>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(slice) = slices.get(at) else { return };
                    let began = Instant::now();
                    let outcome = verify(slice, keys);
                    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
                    match outcome {
                        Ok(found) => {
                            tally.succeeded(began);
                            tally.done += slice.receipts.len() as u64;
                            let mut ends = ends.lock().unwrap_or_else(PoisonError::into_inner);
                            ends.insert(at, found);
                        }
                        Err(fault) => tally.fail(fault),
                    }
                }
            });
        }
    });
    let mut tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    let ends = ends.into_inner().unwrap_or_else(PoisonError::into_inner);
    for fault in gaps(slices, &ends) {
        tally.fail(fault);
    }
    tally
}

/// Verifies one slice: the function to change when there is a faster way.
fn verify(slice: &Slice, keys: &TrustedKeys) -> Result<Ends, String> {
    let first = slice.receipts.first().ok_or("a slice without receipts")?;
    let first = ParsedReceipt::parse(first).map_err(|error| error.to_string())?;
    let begin = (first.unverified().seq.saturating_sub(1), first.unverified().prev);
    let mut chain = ChainVerifier::resume(slice.corridor.clone(), begin.0, begin.1, keys);
    for jws in &slice.receipts {
        chain.push(jws).map_err(|error| format!("{}: {error}", slice.corridor))?;
    }
    Ok((begin, (chain.seq(), chain.head())))
}

/// Where a slice does not begin where the one before it ended, or a chain not at its beginning.
fn gaps(slices: &[Slice], ends: &BTreeMap<usize, Ends>) -> Vec<String> {
    let mut faults = Vec::new();
    let mut before: Option<(&Corridor, (u64, Hash))> = None;
    for (slice, (begin, end)) in slices.iter().zip(ends.values()) {
        let wanted = match before {
            Some((corridor, end)) if *corridor == slice.corridor => end,
            _ => (0, Hash::ZERO),
        };
        if *begin != wanted {
            faults.push(format!("{}: receipt {} does not follow", slice.corridor, begin.0 + 1));
        }
        before = Some((&slice.corridor, *end));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::super::check::tests::{GroundOfTests, tampered};
    use super::*;

    /// What a pass over these receipts finds, cut into slices of seven.
    fn found(ground: &GroundOfTests, receipts: Vec<String>) -> Tally {
        let whole = slices(receipts).unwrap();
        let cut =
            |slice: &'_ Slice| slice.receipts.chunks(7).map(<[String]>::to_vec).collect::<Vec<_>>();
        let parts =
            whole.iter().flat_map(|slice| cut(slice).into_iter().map(move |part| (slice, part)));
        let short: Vec<Slice> = parts
            .map(|(slice, part)| Slice { corridor: slice.corridor.clone(), receipts: part })
            .collect();
        pass(&short, &ground.ground.instance.trusted_keys)
    }

    #[test]
    fn a_receipt_that_is_missing_or_altered_is_noticed_wherever_slices_meet() {
        let ground = GroundOfTests::make("offline");
        let receipts: Vec<String> = ground.orders(60).into_iter().map(|a| a.jws).collect();
        let all = found(&ground, receipts.clone());
        assert_eq!((all.done, all.errors), (60, 0), "{:?}", all.faults);
        // The last receipt of a chain is the one that nothing follows.
        let mut unnoticed = 0;
        for missing in 0..receipts.len() {
            let mut fewer = receipts.clone();
            fewer.remove(missing);
            unnoticed += usize::from(found(&ground, fewer).errors == 0);
        }
        assert_eq!(unnoticed, 3, "one for each corridor");
        for at in [0, 30, 59] {
            let mut altered = receipts.clone();
            altered[at] = tampered(&altered[at]);
            assert!(found(&ground, altered).errors > 0);
        }
    }
}
