//! Fuzz targets of what a partner verifies: exports, receipts that a lying gateway has signed, and
//! proof files. Nothing that was changed may verify, nothing that contradicts itself may pass. How
//! it runs, and how to run it for longer: docs/decisions/0013.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a target fails by panicking and says what it ran"
)]

#[path = "../../contracts/tests/fuzz/engine.rs"]
mod engine;
mod support;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::str;

use alliance_partner_sdk::contracts::decimal::Decimal;
use alliance_partner_sdk::contracts::encoding::Hash;
use alliance_partner_sdk::contracts::jws::{self, JwsType};
use alliance_partner_sdk::contracts::merkle;
use alliance_partner_sdk::contracts::quote::{FeeBearer, TransactionKind};
use alliance_partner_sdk::contracts::receipt::Account;
use alliance_partner_sdk::contracts::tlog_proof::TlogProof;
use alliance_partner_sdk::verify::file::{self, FileError, Options};
use alliance_partner_sdk::verify::{
    ChainFault, ChainVerifier, Receipt, VerifiedReceipt, verify_proof_file,
};
use engine::{Answer, Target};
use support::{Chain, corridor, gateway, keys, receipt, start};

/// What an error is called, without the numbers, names and hashes that it tells.
fn called(error: &impl Debug) -> Answer {
    let told = format!("{error:?}");
    let hash = |part: &&str| part.starts_with("Hash") || part.len() > 40;
    let parts = told.split(|c: char| !c.is_ascii_alphabetic()).filter(|part| !hash(part));
    Answer::Refused(parts.filter(|part| !part.is_empty()).take(3).collect::<Vec<_>>().join(" "))
}

fn told(error: &FileError) -> Answer {
    match error {
        FileError::Chain(error) => of_chain(&error.fault),
        other => called(other),
    }
}

fn of_chain(fault: &ChainFault) -> Answer {
    match fault {
        ChainFault::Receipt(fault) => {
            let told = fault.to_string();
            Answer::Refused(told.split('/').next().unwrap_or_default().to_owned())
        }
        ChainFault::Terms(fault) => Answer::Refused(format!("{fault:?}")),
        other => called(other),
    }
}

#[test]
fn an_export_is_accepted_only_as_the_gateway_writes_it() {
    let (whole, trusted) = (Chain::of(3), keys());
    // A file is cut and given another end by anybody: without a checkpoint, its beginnings pass.
    let exports: Vec<Vec<u8>> = (0..=3).map(|receipts| Chain::of(receipts).ndjson()).collect();
    let against = Options::new().checkpoint(whole.checkpoint(3, start()));
    let check = |input: &[u8]| {
        let outcome = file::verify(input, &trusted, &Options::new());
        let known = exports.iter().any(|export| export == input);
        assert_eq!(outcome.is_ok(), known, "{outcome:?}");
        let outcome = file::verify(input, &trusted, &against);
        assert_eq!(outcome.is_ok(), input == exports[3], "{outcome:?}");
        match outcome {
            Ok(report) => {
                assert_eq!((report.head, report.receipts), (whole.head(), 3));
                Answer::Accepted(String::new())
            }
            Err(error) => told(&error),
        }
    };
    Target { name: "exports", inputs: 4_000, seeds: &exports, open: false, check: &check }.fuzz();
}

/// What every account has after a receipt, in 10⁻⁶.
fn booked(receipt: &Receipt) -> BTreeMap<(String, String), i128> {
    let mut booked = BTreeMap::new();
    for line in &receipt.postings {
        let mut book = |account: &Account, amount: i128| {
            *booked.entry((account.to_string(), line.asset.to_string())).or_default() += amount;
        };
        book(&line.debit, -i128::from(line.amount.micros()));
        book(&line.credit, line.amount.micros().into());
    }
    booked.retain(|_, amount| *amount != 0);
    booked
}

/// What every account should have, from the receipt's two sides and its settlement alone.
fn owed(receipt: &Receipt) -> BTreeMap<(String, String), i128> {
    let sign = if receipt.kind == TransactionKind::Reversal { -1 } else { 1 };
    let mut owed = BTreeMap::new();
    let mut book = |account: String, asset: &str, amount: i128| {
        *owed.entry((account, asset.to_owned())).or_default() += sign * amount;
    };
    for (side, given) in [(&receipt.source, -1), (&receipt.target, 1)] {
        let Some(side) = side.account() else { continue };
        let (program, amount) = (side.program.as_str(), given * i128::from(side.amount.micros()));
        book(format!("member:{program}:{}", side.member), program, amount);
        book(format!("issued:{program}"), program, -amount);
    }
    if let Some(s) = &receipt.settlement {
        let (gross, asset) = (i128::from(s.gross.micros()), s.currency.as_str());
        book(format!("position:{}", receipt.source.partner()), asset, -gross);
        book(format!("position:{}", receipt.target.partner()), asset, s.net.micros().into());
        book("alliance:fees".into(), asset, s.fee.micros().into());
        book("alliance:rounding".into(), asset, s.remainder.micros().into());
    }
    owed.retain(|_, amount| *amount != 0);
    owed
}

/// Protocol § 4 once more: what an exchange's money must be, in whole numbers of 10⁻⁶.
fn money_follows(receipt: &Receipt) -> bool {
    const MICRO: i128 = 1_000_000;
    let of = |amount: Decimal| i128::from(amount.micros());
    let (rate, up) = (&receipt.rate, |pico: i128| -(-pico).div_euclid(MICRO));
    if of(rate.surcharge) > of(rate.fee) || !(1..=10 * MICRO).contains(&of(rate.multiplier)) {
        return false;
    }
    let Some(s) = &receipt.settlement else {
        return rate.fee.is_zero() && rate.fee_bearer == FeeBearer::Member;
    };
    let sum = of(s.net) + of(s.fee) + of(s.remainder) == of(s.gross);
    let (on_top, off) = match rate.fee_bearer {
        FeeBearer::Member => (0, 0),
        FeeBearer::SourcePartner => (of(s.fee), 0),
        FeeBearer::TargetPartner => (0, of(s.fee)),
    };
    let pico_multiplied = of(receipt.source.amount()) * of(rate.source_value) * of(rate.multiplier);
    let worth = pico_multiplied.div_euclid(MICRO * MICRO);
    let reversal = receipt.kind == TransactionKind::Reversal;
    sum && (reversal
        || of(s.gross) == worth + on_top
            && of(s.fee) == up(worth * of(rate.fee))
            && of(s.net) + off == up(of(receipt.target.amount()) * of(rate.target_value)))
}

#[test]
fn a_receipt_that_contradicts_itself_is_refused_although_the_gateway_signed_it() {
    let trusted = keys();
    let within = |mut receipt: Receipt| {
        receipt.settlement = None;
        receipt.rate.fee = Decimal::ZERO;
        support::of(&mut receipt.target).partner = receipt.source.partner().clone();
        receipt.postings.truncate(2);
        receipt
    };
    let mut reversal = receipt(4, Hash::ZERO);
    reversal.seq = 1;
    let first = receipt(1, Hash::ZERO);
    let mut seeds = vec![first.to_payload(), reversal.to_payload(), within(first).to_payload()];
    // Each bearer, with a multiplier and a surcharge.
    seeds.extend(
        (1..=3).map(|seq| {
            Receipt { seq: 1, ..support::extended_receipt(seq, Hash::ZERO) }.to_payload()
        }),
    );
    let check = |input: &[u8]| {
        let signed = jws::sign(JwsType::Receipt, input, &gateway());
        let verified = match VerifiedReceipt::verify(&signed, &trusted) {
            Ok(verified) => verified,
            Err(fault) => return of_chain(&fault.into()),
        };
        assert_eq!((verified.payload(), verified.hash()), (input, Hash::of(input)));
        // Each under the corridor that it names, so that its own terms are what is looked at.
        let corridor = verified.receipt().corridor.clone();
        let mut chain = ChainVerifier::new(corridor, &trusted);
        if let Err(error) = chain.push(&signed) {
            assert_eq!((chain.seq(), chain.head()), (0, Hash::ZERO), "it went on all the same");
            return of_chain(&error.fault);
        }
        let receipt = verified.receipt();
        assert_eq!((receipt.seq, receipt.prev), (1, Hash::ZERO));
        assert_eq!(booked(receipt), owed(receipt));
        assert!(money_follows(receipt));
        let limit = 1_000_000_000_000_000_000;
        assert!(receipt.postings.iter().all(|line| (1..=limit).contains(&line.amount.micros())));
        Answer::Accepted(format!(
            "{} {}",
            receipt.kind.as_str(),
            "|".repeat(receipt.postings.len())
        ))
    };
    Target { name: "lies", inputs: 10_000, seeds: &seeds, open: true, check: &check }.fuzz();
}

#[test]
fn a_proof_file_stands_for_its_receipt_and_its_checkpoint_alone() {
    let (chain, trusted) = (Chain::of(7), keys());
    let receipts: Vec<VerifiedReceipt> =
        chain.jws.iter().map(|jws| VerifiedReceipt::verify(jws, &trusted).unwrap()).collect();
    let proofs: Vec<TlogProof> = (0..7)
        .map(|index| TlogProof {
            extra: None,
            index,
            path: merkle::inclusion_path_of(&chain.leaves(), index),
            checkpoint: chain.checkpoint(7, start()),
        })
        .collect();
    let mut seeds: Vec<Vec<u8>> =
        proofs.iter().map(|proof| proof.to_string().into_bytes()).collect();
    // What is extra is not vouched for.
    seeds.push(TlogProof { extra: Some(vec![0; 9]), ..proofs[2].clone() }.to_string().into());
    let check = |input: &[u8]| {
        let Ok(text) = str::from_utf8(input) else { return Answer::Refused("UTF-8".into()) };
        let mut answer = Answer::Refused(String::new());
        for (receipt, proof) in receipts.iter().zip(&proofs) {
            answer = match verify_proof_file(text, receipt, &trusted) {
                Ok(checkpoint) => {
                    let read = TlogProof::parse(text).unwrap();
                    assert_eq!((read.index, &read.path), (proof.index, &proof.path));
                    assert_eq!((checkpoint.size(), checkpoint.corridor()), (7, &corridor()));
                    assert_eq!(checkpoint.root(), merkle::root_of(&chain.leaves()));
                    assert_eq!(checkpoint.cosigned_at(), start());
                    return Answer::Accepted(String::new());
                }
                Err(error) => called(&error),
            };
        }
        answer
    };
    Target { name: "proof files", inputs: 4_000, seeds: &seeds, open: true, check: &check }.fuzz();
}
