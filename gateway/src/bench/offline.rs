//! Mode `verify`: how fast exported receipts verify without anybody's help, on all cores: every
//! signature, every link of the chains, every amount against its terms. It is what
//! `alliance verify` does with a file of each corridor, the files being in memory.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use alliance_contracts::corridor::{StreamEnd, StreamTrailer};
use alliance_contracts::encoding::Hash;
use alliance_contracts::json;
use alliance_contracts::jws;
use alliance_contracts::key_list::TrustedKeys;
use alliance_contracts::names::Corridor;
use alliance_partner_sdk::verify::{ParsedReceipt, file};

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
    let exports = exports(receipts).map_err(Failure::wrong)?;
    let watched = Watched { client: Some(std::process::id()), gateway: None, postmaster: None };
    let (mut tally, mut time, mut cost) = (Tally::default(), Duration::ZERO, None::<Cost>);
    while time < options.time && tally.errors == 0 {
        let (before, began) = (watched.cost(), Instant::now());
        let pass = pass(&exports, keys);
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
        acknowledged: exports.iter().map(|export| export.receipts).sum(),
    };
    Ok(Report::of(options, &findings))
}

/// A corridor's receipts, as the gateway exports them.
struct Export {
    corridor: Corridor,
    receipts: u64,
    ndjson: Vec<u8>,
}

/// The receipts in the order of their chains, a file for each corridor.
fn exports(receipts: Vec<String>) -> Result<Vec<Export>, String> {
    let mut corridors: BTreeMap<Corridor, BTreeMap<u64, String>> = BTreeMap::new();
    for jws in receipts {
        let parsed = ParsedReceipt::parse(&jws).map_err(|error| error.to_string())?;
        let receipt = parsed.unverified();
        let (corridor, seq) = (receipt.corridor.clone(), receipt.seq);
        corridors.entry(corridor).or_default().insert(seq, jws);
    }
    corridors.into_iter().map(|(corridor, chain)| export(corridor, chain)).collect()
}

fn export(corridor: Corridor, chain: BTreeMap<u64, String>) -> Result<Export, String> {
    let (mut ndjson, mut end) = (Vec::new(), StreamEnd { head: Hash::ZERO, seq: 0 });
    let receipts = chain.len() as u64;
    for (seq, jws) in chain {
        let payload = jws::parse(&jws).map_err(|error| error.to_string())?.payload;
        end = StreamEnd { head: Hash::of(&payload), seq };
        ndjson.extend_from_slice(b"{\"jws\":\"");
        ndjson.extend_from_slice(jws.as_bytes());
        ndjson.extend_from_slice(b"\",\"receipt\":");
        ndjson.extend_from_slice(&payload);
        ndjson.extend_from_slice(b"}\n");
    }
    ndjson.extend_from_slice(&json::canonical(&StreamTrailer { end }));
    ndjson.push(b'\n');
    Ok(Export { corridor, receipts, ndjson })
}

/// Verifies all files, one after the other, each on all cores.
fn pass(exports: &[Export], keys: &TrustedKeys) -> Tally {
    let mut tally = Tally::default();
    for export in exports {
        let began = Instant::now();
        let options = file::Options::new().corridor(export.corridor.clone());
        match file::verify(export.ndjson.as_slice(), keys, &options) {
            Ok(report) => {
                tally.succeeded(began);
                tally.done += report.receipts;
            }
            Err(fault) => tally.fail(format!("{}: {fault}", export.corridor)),
        }
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::super::check::tests::{GroundOfTests, tampered};
    use super::*;

    /// What a pass over these receipts finds.
    fn found(ground: &GroundOfTests, receipts: Vec<String>) -> Tally {
        pass(&exports(receipts).unwrap(), &ground.ground.instance.trusted_keys)
    }

    #[test]
    fn a_receipt_that_is_missing_or_altered_is_noticed() {
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
