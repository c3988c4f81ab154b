//! Verification against everything that can be done to a chain (threats T30 to T36).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

mod support;

use alliance_partner_sdk::contracts::corridor::{StreamEnd, StreamTrailer};
use alliance_partner_sdk::contracts::decimal::Decimal;
use alliance_partner_sdk::contracts::encoding::Hash;
use alliance_partner_sdk::contracts::json;
use alliance_partner_sdk::contracts::jws::{self, JwsError, JwsType};
use alliance_partner_sdk::contracts::key_list::{Jwk, TrustedKeys};
use alliance_partner_sdk::contracts::merkle::{self, ProofError};
use alliance_partner_sdk::contracts::note;
use alliance_partner_sdk::contracts::quote::{FeeBearer, TransactionKind};
use alliance_partner_sdk::contracts::receipt::ReceiptSide;
use alliance_partner_sdk::contracts::tlog_proof::TlogProof;
use alliance_partner_sdk::verify::file::{self, After, FileError, Options};
use alliance_partner_sdk::verify::keys as key_lists;
use alliance_partner_sdk::verify::{
    ChainError, ChainFault, ChainVerifier, CheckpointError, Consistency, ForkEvidence, KeysError,
    ReceiptFault, TermsFault, VerifiedCheckpoint, VerifiedReceipt, WitnessFault, check_terms,
    compare_checkpoints, verify_proof_file, verify_witnessed_receipt,
};
use support::{
    Chain, checkpoint, corridor, gateway, gateway_list, jwk, key, keys, line, of, start,
};

const RECEIPTS: usize = 10;

fn verify(export: &[u8]) -> Result<file::Report, FileError> {
    file::verify(export, &keys(), &Options::new())
}

fn verify_against(export: &[u8], note: String) -> Result<file::Report, FileError> {
    file::verify(export, &keys(), &Options::new().checkpoint(note))
}

/// The first bad number and why.
fn fault(outcome: Result<file::Report, FileError>) -> (u64, ChainFault) {
    match outcome {
        Err(FileError::Chain(ChainError { seq, fault })) => (seq, fault),
        other => panic!("{other:?}"),
    }
}

fn lines(chain: &Chain) -> Vec<Vec<u8>> {
    chain.ndjson().split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

#[test]
fn a_whole_export_verifies_and_sums_to_zero() {
    let chain = Chain::of(RECEIPTS as u64);
    let report = verify(&chain.ndjson()).unwrap();
    assert_eq!((report.receipts, report.first_seq, report.last_seq), (10, 1, 10));
    assert_eq!((report.head, &report.corridor), (chain.head(), &Some(corridor())));
    assert_eq!(report.root, Some(merkle::root_of(&chain.leaves())));
    assert_eq!(report.totals.kinds.get("exchange"), Some(&8));
    assert_eq!(report.totals.kinds.get("reversal"), Some(&2));
    assert_eq!(report.totals.net.len(), 3);
    assert!(report.totals.net.values().all(|holders| holders.values().sum::<i128>() == 0));
    assert!(report.to_string().contains("position:aurora-air"));
}

#[test]
fn every_flipped_byte_is_found_and_its_receipt_named() {
    let chain = Chain::of(RECEIPTS as u64);
    let trusted = keys();
    let lines = lines(&chain);
    std::thread::scope(|scope| {
        for bit in [0x01, 0x20] {
            let (chain, lines, trusted) = (&chain, &lines, &trusted);
            // What stands before the flipped line is as it was: begin behind it.
            scope.spawn(move || {
                (0..lines.len()).for_each(|at| flip(chain, lines, trusted, at, bit))
            });
        }
    });
}

fn flip(chain: &Chain, lines: &[Vec<u8>], trusted: &TrustedKeys, at: usize, bit: u8) {
    let after = After { seq: at as u64, head: chain.head_at(at) };
    let mut export = lines[at..].concat();
    for (options, every) in
        [(Options::new().after(after), 7), (Options::new().after(after).corridor(corridor()), 1)]
    {
        for byte in (0..lines[at].len()).step_by(every) {
            export[byte] ^= bit;
            let error = file::verify(&*export, trusted, &options).expect_err("a flip was missed");
            let seq = error.seq().expect("every fault of a file without checkpoint has a number");
            assert_eq!(seq, at as u64 + 1, "byte {byte} of line {at}: {error}");
            export[byte] ^= bit;
        }
    }
}

#[test]
fn flips_are_found_in_the_middle_of_a_whole_file() {
    let chain = Chain::of(RECEIPTS as u64);
    let mut export = chain.ndjson();
    let line_of = |byte: usize, export: &[u8]| {
        1 + export[..byte].iter().filter(|b| **b == b'\n').count() as u64
    };
    for byte in (0..export.len()).step_by(211) {
        let expected = line_of(byte, &export);
        export[byte] ^= 0x04;
        assert_eq!(fault(verify(&export)).0, expected, "byte {byte}");
        export[byte] ^= 0x04;
    }
}

#[test]
fn a_removed_receipt_is_named() {
    let chain = Chain::of(RECEIPTS as u64);
    for removed in 1..=RECEIPTS {
        let mut lines = lines(&chain);
        lines.remove(removed - 1);
        let (seq, fault) = fault(verify(&lines.concat()));
        assert_eq!(seq, removed as u64);
        match fault {
            ChainFault::WrongSeq { found } => assert_eq!(found, removed as u64 + 1),
            ChainFault::EndMismatch(end) => assert_eq!((removed, end.seq), (RECEIPTS, 10)),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn swapped_and_repeated_receipts_are_named() {
    let chain = Chain::of(RECEIPTS as u64);
    for at in 1..RECEIPTS {
        let mut swapped = lines(&chain);
        swapped.swap(at - 1, at);
        let found = at as u64 + 1;
        assert_eq!(fault(verify(&swapped.concat())), (at as u64, ChainFault::WrongSeq { found }));

        let mut repeated = lines(&chain);
        repeated.insert(at, repeated[at - 1].clone());
        let found = at as u64;
        assert_eq!(fault(verify(&repeated.concat())), (found + 1, ChainFault::WrongSeq { found }));
    }
}

#[test]
fn a_receipt_signed_by_another_key_is_named() {
    let chain = Chain::of(RECEIPTS as u64);
    for at in 1..=RECEIPTS {
        let mut lines = lines(&chain);
        let payload = &chain.payloads[at - 1];
        lines[at - 1] = line(&jws::sign(JwsType::Receipt, payload, &key(9)), payload);
        let expected = ReceiptFault::UnknownKey { kid: key(9).kid().clone() };
        assert_eq!(fault(verify(&lines.concat())), (at as u64, expected.into()));
    }
}

#[test]
fn a_signature_by_the_right_key_under_another_type_is_refused() {
    let chain = Chain::of(1);
    for typ in JwsType::ALL.into_iter().filter(|typ| *typ != JwsType::Receipt) {
        let jws = jws::sign(typ, &chain.payloads[0], &gateway());
        let refused = VerifiedReceipt::verify(&jws, &keys()).unwrap_err();
        assert_eq!(refused, ReceiptFault::Jws(JwsError::WrongType));
    }
}

#[test]
fn a_cut_stream_is_found_by_its_missing_end() {
    let chain = Chain::of(RECEIPTS as u64);
    let lines = lines(&chain);
    for kept in 0..=RECEIPTS {
        let outcome =
            file::verify(&*lines[..kept].concat(), &keys(), &Options::new().corridor(corridor()));
        assert_eq!(fault(outcome), (kept as u64 + 1, ChainFault::CutStream));
    }
    // In the middle of a line.
    let export = chain.ndjson();
    let (seq, why) = fault(verify(&export[..lines[0].len() + lines[1].len() / 2]));
    assert_eq!((seq, why), (2, ChainFault::LineEnd));
    assert!(matches!(verify(b""), Err(FileError::Empty)));
}

#[test]
fn a_cut_tail_is_found_against_a_checkpoint() {
    let whole = Chain::of(RECEIPTS as u64);
    let note = whole.checkpoint(RECEIPTS, start());
    assert_eq!(verify_against(&whole.ndjson(), note.clone()).unwrap().checkpoint_size, Some(10));
    for kept in 0..RECEIPTS as u64 {
        let cut = Chain::of(kept);
        let missing = ChainFault::Truncated { size: 10 };
        assert_eq!(fault(verify_against(&cut.ndjson(), note.clone())), (kept + 1, missing));
    }
}

#[test]
fn a_checkpoint_behind_the_head_is_compared_on_the_way() {
    let chain = Chain::of(RECEIPTS as u64);
    for size in 0..=RECEIPTS {
        let report = verify_against(&chain.ndjson(), chain.checkpoint(size, start())).unwrap();
        assert_eq!(report.checkpoint_size, Some(size as u64));
    }
}

#[test]
fn a_rewritten_history_is_a_fork_with_evidence() {
    let told_first = Chain::of(RECEIPTS as u64);
    let told_later = Chain::altered(RECEIPTS as u64, |receipt| {
        if receipt.seq == 3 {
            receipt.order = Hash::of(b"another");
        }
    });
    let note = told_first.checkpoint(7, start());
    let (seq, why) = fault(verify_against(&told_later.ndjson(), note.clone()));
    let ChainFault::Fork(evidence) = why else { panic!("{why}") };
    assert_eq!(seq, 7);
    let ForkEvidence::Chain { checkpoint, head, size, .. } = *evidence else { panic!() };
    assert_eq!((checkpoint, head, size), (note, told_later.head_at(7), 7));
    // Before the histories part, nothing tells them apart.
    assert!(verify_against(&told_later.ndjson(), told_first.checkpoint(2, start())).is_ok());
}

#[test]
fn a_receipt_grafted_onto_another_history_is_named() {
    let told_first = Chain::of(5);
    let told_later = Chain::altered(5, |receipt| {
        if receipt.seq == 3 {
            receipt.order = Hash::of(b"another");
        }
    });
    let mut lines = lines(&told_first);
    lines[3] = told_later.line(4);
    let (seq, why) = fault(verify(&lines.concat()));
    let (expected, found) = (told_first.head_at(3), told_later.head_at(3));
    assert_eq!((seq, why), (4, ChainFault::Prev { expected, found }));
}

#[test]
fn a_file_may_begin_in_the_middle_if_it_is_told_where() {
    let chain = Chain::of(RECEIPTS as u64);
    let tail = lines(&chain)[4..].concat();
    assert_eq!(fault(verify(&tail)), (1, ChainFault::WrongSeq { found: 5 }));
    let after = format!("4:{}", chain.head_at(4)).parse().unwrap();
    let report = file::verify(&*tail, &keys(), &Options::new().after(after)).unwrap();
    assert_eq!((report.receipts, report.first_seq, report.root), (6, 5, None));
    // Another hash: the first receipt does not follow.
    let after = After { seq: 4, head: Hash::of(b"x") };
    let (seq, why) = fault(file::verify(&*tail, &keys(), &Options::new().after(after)));
    assert!(seq == 5 && matches!(why, ChainFault::Prev { .. }));
    // A checkpoint says nothing about a tail.
    let options = Options::new()
        .after(After { seq: 4, head: chain.head_at(4) })
        .checkpoint(chain.checkpoint(RECEIPTS, start()));
    assert_eq!(fault(file::verify(&*tail, &keys(), &options)), (5, ChainFault::NoTree));
    for bad in ["", "4", "4:", ":00", "x:00", &format!("0:{}", Hash::of(b"x"))] {
        assert!(bad.parse::<After>().is_err(), "{bad}");
    }
}

#[test]
fn an_empty_chain_is_whole() {
    let chain = Chain::of(0);
    assert_eq!(verify(&chain.ndjson()).unwrap().receipts, 0);
    let note = chain.checkpoint(0, start());
    assert_eq!(verify_against(&chain.ndjson(), note).unwrap().corridor, Some(corridor()));
    let two_ends = [chain.ndjson(), chain.ndjson()].concat();
    assert_eq!(fault(verify(&two_ends)), (1, ChainFault::AfterEnd));
}

#[test]
fn nothing_follows_the_end() {
    let chain = Chain::of(2);
    for more in [chain.line(1), chain.end(), b"\n".to_vec(), b" ".to_vec()] {
        let (seq, why) = fault(verify(&[chain.ndjson(), more].concat()));
        assert!(seq == 3 && matches!(why, ChainFault::AfterEnd | ChainFault::LineEnd), "{why}");
    }
}

#[test]
fn a_canonical_twin_is_refused_wherever_it_stands() {
    let chain = Chain::of(1);
    let payload = String::from_utf8(chain.payloads[0].clone()).unwrap();
    // T36: whitespace, order of members, escapes, duplicates, another spelling of a number.
    let twins = [
        payload.replacen(':', ": ", 1),
        payload.replacen("\"alliance\":\"demo\",", "", 1).replacen(
            "\"v\":1",
            "\"v\":1,\"alliance\":\"demo\"",
            1,
        ),
        payload.replacen("\"demo\"", "\"\\u0064emo\"", 1),
        payload.replacen("{\"alliance\"", "{\"alliance\":\"demo\",\"alliance\"", 1),
        payload.replacen("\"v\":1", "\"v\":1.0", 1),
        payload.replacen("\"v\":1", "\"v\":1,\"x\":1", 1),
        format!("{payload} "),
    ];
    for twin in twins {
        assert_ne!(twin, payload);
        let jws = jws::sign(JwsType::Receipt, twin.as_bytes(), &gateway());
        let refused = VerifiedReceipt::verify(&jws, &keys()).unwrap_err();
        assert!(matches!(refused, ReceiptFault::Payload(_)), "{twin}");
        // Only the decoded copy: the signed one is good, and the line still bad.
        let line = line(&chain.jws[0], twin.as_bytes());
        assert_eq!(fault(verify(&[line, chain.end()].concat())), (1, ChainFault::DecodedDiffers));
    }
}

#[test]
fn what_a_receipt_says_must_fit() {
    type Alter = fn(&mut alliance_partner_sdk::verify::Receipt);
    let other: [(Alter, &str); 4] = [
        (|r| r.corridor = "aurora-air~cedar-hotels".parse().unwrap(), "corridor"),
        (|r| r.alliance = "other".parse().unwrap(), "alliance"),
        (|r| r.completed_at = start(), "before the receipt before"),
        (|r| r.seq = 7, "found receipt 7"),
    ];
    for (alter, word) in other {
        let chain = Chain::altered(4, |receipt| {
            if receipt.seq == 3 {
                alter(receipt);
            }
        });
        let error = verify(&chain.ndjson()).unwrap_err();
        assert_eq!(error.seq(), Some(3), "{word}");
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn receipts_that_contradict_themselves_are_named() {
    type Alter = fn(&mut alliance_partner_sdk::verify::Receipt);
    fn more(amount: Decimal) -> Decimal {
        Decimal::from_micros(amount.micros() + 1).unwrap()
    }
    let cases: [(Alter, TermsFault); 19] = [
        (|r| r.kind = TransactionKind::Accrual, TermsFault::Sides),
        (|r| r.kind = TransactionKind::Adjustment, TermsFault::Sides),
        (|r| r.quote = None, TermsFault::References),
        (|r| of(&mut r.source).partner = "cedar-hotels".parse().unwrap(), TermsFault::Partners),
        (
            |r| of(&mut r.target).program = r.source.program().unwrap().clone(),
            TermsFault::OneProgram,
        ),
        (|r| r.settlement = None, TermsFault::SettlementParties),
        (|r| r.rate.fee = Decimal::ONE, TermsFault::OutOfRange),
        (|r| r.rate.multiplier = Decimal::ZERO, TermsFault::OutOfRange),
        (|r| r.rate.multiplier = "10.000001".parse().unwrap(), TermsFault::OutOfRange),
        (|r| r.rate.multiplier = "1.000001".parse().unwrap(), TermsFault::Gross),
        (|r| r.rate.fee_bearer = FeeBearer::SourcePartner, TermsFault::Gross),
        (|r| r.rate.fee_bearer = FeeBearer::TargetPartner, TermsFault::Net),
        (|r| r.rate.surcharge = more(r.rate.fee), TermsFault::Surcharge),
        (|r| r.settlement.as_mut().unwrap().gross = Decimal::ONE, TermsFault::Sum),
        (
            |r| {
                let s = r.settlement.as_mut().unwrap();
                (s.gross, s.remainder) = (more(s.gross), more(s.remainder));
            },
            TermsFault::Gross,
        ),
        (
            |r| {
                let s = r.settlement.as_mut().unwrap();
                s.remainder = Decimal::from_micros(s.remainder.micros() - 1).unwrap();
                s.fee = more(s.fee);
            },
            TermsFault::Fee,
        ),
        (|r| of(&mut r.target).amount = decimal_more(r.target.amount()), TermsFault::Net),
        (|r| r.postings.swap(0, 1), TermsFault::Posting { at: 0 }),
        (|r| r.postings.push(r.postings[0].clone()), TermsFault::Posting { at: 5 }),
    ];
    for (alter, expected) in cases {
        let chain = Chain::altered(3, |receipt| {
            if receipt.seq == 2 {
                alter(receipt);
            }
        });
        assert_eq!(fault(verify(&chain.ndjson())), (2, ChainFault::Terms(expected)));
    }
}

fn decimal_more(amount: Decimal) -> Decimal {
    Decimal::from_micros(amount.micros() + 10_000).unwrap()
}

#[test]
fn keys_count_only_in_their_time() {
    let chain = Chain::of(3);
    let verify = |jwk: Jwk| {
        let list = support::list(1, Hash::ZERO, vec![jwk]);
        let trusted = list.verify(support::root().public_key()).unwrap();
        file::verify(&*chain.ndjson(), &trusted, &Options::new())
    };
    assert!(verify(jwk(&gateway())).is_ok());
    let (late, later) = (start().plus_seconds(1), start().plus_seconds(600));
    let mut ended = jwk(&gateway());
    ended.exp = Some(late);
    assert!(matches!(
        fault(verify(ended)),
        (2, ChainFault::Receipt(ReceiptFault::KeyNotValid { .. }))
    ));
    let mut young = jwk(&gateway());
    young.nbf = Some(late);
    assert!(matches!(
        fault(verify(young)),
        (1, ChainFault::Receipt(ReceiptFault::KeyNotValid { .. }))
    ));
    // T34: whoever stole the key could have dated a receipt back.
    let mut revoked = jwk(&gateway());
    revoked.revoked_at = Some(later);
    let expected = ReceiptFault::RevokedKey { kid: gateway().kid().clone(), revoked_at: later };
    assert_eq!(fault(verify(revoked)), (1, expected.into()));
}

#[test]
fn key_lists_stand_under_the_pinned_root_and_never_go_back() {
    let first = gateway_list();
    let root = support::root();
    let one = key_lists::verify_key_list(&support::list_json(&first), root.public_key()).unwrap();
    let two = support::list(2, *one.hash(), vec![jwk(&gateway()), jwk(&key(4))]);
    let two = key_lists::verify_key_list(&support::list_json(&two), root.public_key()).unwrap();
    let fork = support::list(2, *one.hash(), vec![jwk(&gateway())]);
    let fork = key_lists::verify_key_list(&support::list_json(&fork), root.public_key()).unwrap();
    let stray = support::list(2, Hash::of(b"x"), vec![jwk(&gateway())]);
    let stray = key_lists::verify_key_list(&support::list_json(&stray), root.public_key()).unwrap();
    assert_eq!(key_lists::check_successor(&one, &one), Ok(()));
    assert_eq!(key_lists::check_successor(&one, &two), Ok(()));
    let back = KeysError::RolledBack { known: 2, found: 1 };
    assert_eq!(key_lists::check_successor(&two, &one), Err(back));
    let other = Err(KeysError::NotSuccessor { found: 2 });
    assert_eq!(key_lists::check_successor(&two, &fork), other);
    assert_eq!(key_lists::check_successor(&one, &stray), other);

    let json = support::list_json(&first);
    assert!(key_lists::verify_key_list(&json, key(9).public_key()).is_err());
    assert!(key_lists::trust_key_list(&json).is_ok());
    let mut text = String::from_utf8(json).unwrap();
    text = text.replacen("\"exp\":null", "\"exp\":null,\"exp\":null", 1);
    assert!(matches!(
        key_lists::verify_key_list(text.as_bytes(), root.public_key()),
        Err(KeysError::Malformed(_))
    ));
}

#[test]
fn weak_keys_are_refused_as_roots_and_in_lists() {
    // y = 1: the identity, of order one; y = 0 has order four.
    let weak = ["AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", &"A".repeat(43)];
    for x in weak {
        assert_eq!(key_lists::root_key(x), Err(KeysError::RootKey));
        let mut entry = jwk(&gateway());
        entry.x = x.to_owned();
        let list = support::list(1, Hash::ZERO, vec![entry]);
        let refused =
            key_lists::verify_key_list(&support::list_json(&list), support::root().public_key());
        assert!(matches!(refused, Err(KeysError::List(_))), "{refused:?}");
    }
}

#[test]
fn stale_and_future_checkpoints_are_told_apart() {
    let note = Chain::of(2).checkpoint(2, start());
    let checkpoint = VerifiedCheckpoint::verify(&note, &corridor(), &keys()).unwrap();
    assert_eq!((checkpoint.size(), checkpoint.cosigned_at()), (2, start()));
    let at = |seconds| checkpoint.check_fresh(start().plus_seconds(seconds));
    assert!(at(0).is_ok() && at(600).is_ok() && at(-60).is_ok());
    assert!(matches!(at(601), Err(CheckpointError::Stale { .. })));
    assert!(matches!(at(-61), Err(CheckpointError::FromTheFuture { .. })));
    let options = Options::new().checkpoint(note).fresh_at(start().plus_seconds(601));
    let outcome = file::verify(&*Chain::of(2).ndjson(), &keys(), &options);
    assert!(matches!(outcome, Err(FileError::Checkpoint(CheckpointError::Stale { .. }))));
}

#[test]
fn every_flipped_byte_of_a_checkpoint_is_found() {
    let note = Chain::of(2).checkpoint(2, start());
    assert!(VerifiedCheckpoint::verify(&note, &corridor(), &keys()).is_ok());
    for at in 0..note.len() {
        let mut bytes = note.clone().into_bytes();
        bytes[at] ^= 1;
        if let Ok(text) = String::from_utf8(bytes) {
            assert!(VerifiedCheckpoint::verify(&text, &corridor(), &keys()).is_err(), "byte {at}");
        }
    }
    let elsewhere = "aurora-air~cedar-hotels".parse().unwrap();
    let refused = VerifiedCheckpoint::verify(&note, &elsewhere, &keys());
    assert!(matches!(refused, Err(CheckpointError::ForeignOrigin { .. })));
}

#[test]
fn a_checkpoint_under_a_revoked_key_says_nothing() {
    let mut revoked = jwk(&gateway());
    revoked.revoked_at = Some(start().plus_seconds(600));
    let list = support::list(1, Hash::ZERO, vec![revoked]);
    let trusted = list.verify(support::root().public_key()).unwrap();
    let note = Chain::of(2).checkpoint(2, start());
    let refused = VerifiedCheckpoint::verify(&note, &corridor(), &trusted);
    assert!(matches!(refused, Err(CheckpointError::KeyNotValid { .. })));
}

/// The list of all partners' keys, changed.
fn partner_list(change: impl FnOnce(&mut Jwk)) -> TrustedKeys {
    let mut own = jwk(&support::partner_key());
    (own.partner, own.scope) = (Some("aurora-air".to_owned()), Some("witness".to_owned()));
    change(&mut own);
    support::list(1, Hash::ZERO, vec![own]).verify(support::root().public_key()).unwrap()
}

/// The checkpoint of so many receipts, cosigned by the partner so many seconds after the start.
fn cosigned(chain: &Chain, size: usize, seconds: u64) -> String {
    let mut note = chain.checkpoint(size, start());
    let text = note::parse_note(&note).unwrap().checkpoint().unwrap();
    let name = note::witness_name(support::ALLIANCE, "aurora-air");
    let at = u64::try_from(start().as_seconds()).unwrap() + seconds;
    let line = note::cosign(&text, &name, &support::partner_key(), at).unwrap();
    note::append_signature_line(&mut note, &line.to_string()).unwrap();
    note
}

/// A chain that differs from the second receipt on.
fn another_history() -> Chain {
    Chain::altered(3, |receipt| {
        if receipt.seq == 2 {
            receipt.order = Hash::of(b"another");
        }
    })
}

/// The gateway's list: its key was revoked so many seconds after the start.
fn revoked_after(seconds: i64) -> TrustedKeys {
    let mut revoked = jwk(&gateway());
    revoked.revoked_at = Some(start().plus_seconds(seconds));
    support::list(1, Hash::ZERO, vec![revoked]).verify(support::root().public_key()).unwrap()
}

/// T34, T38: what was witnessed before the revocation stays, and nothing else.
#[test]
fn receipts_under_a_revoked_key_count_as_far_as_they_were_witnessed_before() {
    let chain = Chain::of(3);
    let verify = |note: String, keys: &TrustedKeys, partners: TrustedKeys| {
        let options = Options::new().cosigned(vec![note], partners);
        let quick = file::verify(&*chain.ndjson(), keys, &options);
        let strict = file::verify(&*chain.ndjson(), keys, &options.strict());
        assert_eq!(quick.is_ok(), strict.is_ok());
        strict
    };
    let listed = || partner_list(|_| ());
    let keys = revoked_after(600);
    assert_eq!(verify(cosigned(&chain, 3, 599), &keys, listed()).unwrap().receipts, 3);
    // One receipt less, and it is the third that is refused.
    let third = fault(verify(cosigned(&chain, 2, 599), &keys, listed()));
    assert!(
        matches!(third, (3, ChainFault::Receipt(ReceiptFault::RevokedKey { .. }))),
        "{third:?}"
    );
    // At the very moment, or later, is not before.
    let late = fault(verify(cosigned(&chain, 3, 600), &keys, listed()));
    assert!(matches!(late, (1, ChainFault::Receipt(ReceiptFault::RevokedKey { .. }))), "{late:?}");
    // Beyond what is there, or over other receipts.
    let longer = Chain::of(4);
    let cut = fault(verify(cosigned(&longer, 4, 5), &keys, listed()));
    assert_eq!(cut, (4, ChainFault::Truncated { size: 4 }));
    let other = another_history();
    let forked = fault(verify(cosigned(&other, 3, 5), &keys, listed()));
    assert!(matches!(forked, (3, ChainFault::Fork(_))), "{forked:?}");
    // A cosigner that does not count.
    let changes: [fn(&mut Jwk); 4] = [
        |own| own.partner = Some("cedar-hotels".to_owned()),
        |own| own.scope = Some("trade".to_owned()),
        |own| own.revoked_at = Some(start().plus_seconds(9_000)),
        |own| own.nbf = Some(start().plus_seconds(9_000)),
    ];
    for change in changes {
        let refused = verify(cosigned(&chain, 3, 5), &keys, partner_list(change));
        assert!(matches!(refused, Err(FileError::Checkpoint(CheckpointError::NotWitnessed))));
    }
    let nobody = verify(chain.checkpoint(3, start()), &keys, listed());
    assert!(matches!(nobody, Err(FileError::Checkpoint(CheckpointError::NotWitnessed))));
}

#[test]
fn one_receipt_under_a_revoked_key_is_proven_by_a_witnessed_checkpoint() {
    let chain = Chain::of(3);
    let proof = |note: String, seq: u64| {
        let path = merkle::inclusion_path_of(&chain.leaves(), seq - 1);
        TlogProof { extra: None, index: seq - 1, path, checkpoint: note }.to_string()
    };
    let verify = |file: &str, keys: &TrustedKeys| {
        verify_witnessed_receipt(&chain.jws[1], file, keys, &partner_list(|_| ()))
    };
    let good = proof(cosigned(&chain, 3, 599), 2);
    assert_eq!(verify(&good, &revoked_after(600)).unwrap().receipt().seq, 2);
    assert!(matches!(
        verify(&good, &revoked_after(599)),
        Err(WitnessFault::Receipt(ReceiptFault::RevokedKey { .. }))
    ));
    let another = proof(cosigned(&chain, 3, 5), 3);
    assert!(matches!(
        verify(&another, &revoked_after(600)),
        Err(WitnessFault::Checkpoint(CheckpointError::WrongIndex { proven: 3, seq: 2 }))
    ));
    let other = another_history();
    let elsewhere = proof(cosigned(&other, 3, 5), 2);
    assert!(matches!(
        verify(&elsewhere, &revoked_after(600)),
        Err(WitnessFault::Checkpoint(CheckpointError::Proof(_)))
    ));
    let nobody = proof(chain.checkpoint(3, start()), 2);
    assert!(matches!(
        verify(&nobody, &revoked_after(600)),
        Err(WitnessFault::Checkpoint(CheckpointError::NotWitnessed))
    ));
}

#[test]
fn two_checkpoints_of_one_history_are_consistent_and_others_are_evidence() {
    let chain = Chain::of(RECEIPTS as u64);
    let leaves = chain.leaves();
    let verified = |size: usize| {
        VerifiedCheckpoint::verify(&chain.checkpoint(size, start()), &corridor(), &keys()).unwrap()
    };
    for from in 0..=RECEIPTS {
        for to in from..=RECEIPTS {
            let proof = merkle::consistency_path_of(&leaves[..to], from as u64);
            let (a, b) = (verified(from), verified(to));
            assert_eq!(compare_checkpoints(&a, &b, &proof), Ok(Consistency::Consistent));
            assert_eq!(compare_checkpoints(&b, &a, &proof), Ok(Consistency::Consistent));
        }
    }
    // T32: another root for the same size, and a larger tree that did not grow out of it.
    for size in [4, 9] {
        let other = checkpoint(size, Hash::of(b"another history"), start());
        let other = VerifiedCheckpoint::verify(&other, &corridor(), &keys()).unwrap();
        let proof = merkle::consistency_path_of(&leaves[..9], 4);
        let known = verified(4);
        let Consistency::Forked(evidence) = compare_checkpoints(&known, &other, &proof).unwrap()
        else {
            panic!("the fork of {size} was missed");
        };
        let ForkEvidence::Checkpoints { smaller, larger, .. } = *evidence else { panic!() };
        let kept = [smaller.as_str(), larger.as_str()];
        assert!(kept.contains(&known.note()) && kept.contains(&other.note()));
    }
}

#[test]
fn a_chain_is_compared_with_checkpoints_before_at_and_behind_its_head() {
    let chain = Chain::of(RECEIPTS as u64);
    let mut verifier = ChainVerifier::new(corridor(), &keys());
    chain.jws[..6].iter().for_each(|jws| drop(verifier.push(jws).unwrap()));
    let verified = |size: usize| {
        VerifiedCheckpoint::verify(&chain.checkpoint(size, start()), &corridor(), &keys()).unwrap()
    };
    assert_eq!(verifier.verify_checkpoint(&verified(6), &[]), Ok(()));
    let proof = merkle::consistency_path_of(&chain.leaves()[..6], 4);
    assert_eq!(verifier.verify_checkpoint(&verified(4), &proof), Ok(()));
    let unproven = ChainFault::Unproven { size: 4, error: ProofError::WrongLength };
    assert_eq!(verifier.verify_checkpoint(&verified(4), &[]).unwrap_err().fault, unproven);
    let missing = ChainError { seq: 7, fault: ChainFault::Truncated { size: 8 } };
    assert_eq!(verifier.verify_checkpoint(&verified(8), &[]), Err(missing));
}

#[test]
fn a_verifier_goes_on_where_another_one_stood() {
    let chain = Chain::of(RECEIPTS as u64);
    for stop in 0..=RECEIPTS {
        let mut first = ChainVerifier::new(corridor(), &keys());
        chain.jws[..stop].iter().for_each(|jws| drop(first.push(jws).unwrap()));
        let state = serde_json::to_string(&first.finish().unwrap()).unwrap();
        let state = serde_json::from_str(&state).unwrap();
        let mut second = ChainVerifier::resume_state(state, &keys());
        chain.jws[stop..].iter().for_each(|jws| drop(second.push(jws).unwrap()));
        assert_eq!(second.root(), Some(merkle::root_of(&chain.leaves())));
        assert_eq!((second.seq(), second.head()), (10, chain.head()));
    }
}

#[test]
fn after_an_error_a_verifier_stands_where_it_stood() {
    let chain = Chain::of(3);
    let mut verifier = ChainVerifier::new(corridor(), &keys());
    verifier.push(&chain.jws[0]).unwrap();
    for bad in [chain.jws[2].as_str(), chain.jws[0].as_str(), "", "a.b.c"] {
        assert_eq!(verifier.push(bad).unwrap_err().seq, 2);
    }
    verifier.push(&chain.jws[1]).unwrap();
    verifier.push(&chain.jws[2]).unwrap();
    assert_eq!(verifier.root(), Some(merkle::root_of(&chain.leaves())));
}

#[test]
fn proof_files_stand_for_their_receipt_alone() {
    let chain = Chain::of(RECEIPTS as u64);
    let receipt = |seq: usize| VerifiedReceipt::verify(&chain.jws[seq - 1], &keys()).unwrap();
    let file = |seq: u64| {
        TlogProof {
            extra: None,
            index: seq - 1,
            path: merkle::inclusion_path_of(&chain.leaves(), seq - 1),
            checkpoint: chain.checkpoint(RECEIPTS, start()),
        }
        .to_string()
    };
    for seq in 1..=RECEIPTS {
        let proven = verify_proof_file(&file(seq as u64), &receipt(seq), &keys()).unwrap();
        assert_eq!(proven.size(), 10);
    }
    let wrong = CheckpointError::WrongIndex { proven: 4, seq: 3 };
    assert_eq!(verify_proof_file(&file(4), &receipt(3), &keys()), Err(wrong));
    let checkpoint =
        VerifiedCheckpoint::verify(&chain.checkpoint(10, start()), &corridor(), &keys()).unwrap();
    let leaf = receipt(3).leaf_hash();
    let path = merkle::inclusion_path_of(&chain.leaves(), 2);
    assert_eq!(checkpoint.verify_inclusion(3, &leaf, &path), Ok(()));
    assert!(checkpoint.verify_inclusion(0, &leaf, &path).is_err());
    assert!(checkpoint.verify_inclusion(4, &leaf, &path).is_err());
}

#[test]
fn the_end_has_one_spelling() {
    let chain = Chain::of(1);
    let end = StreamTrailer { end: StreamEnd { head: chain.head(), seq: 1 } };
    let good = String::from_utf8(json::canonical(&end)).unwrap();
    for bad in [
        good.replace(':', ": "),
        good.replace("\"seq\":1", "\"seq\":1,\"seq\":1"),
        good.replace("\"seq\":1", "\"seq\":1,\"x\":1"),
        good.replace("\"seq\":1", "\"seq\":1.0"),
    ] {
        assert_ne!(bad, good);
        let export = [chain.line(1), bad.into_bytes(), b"\n".to_vec()].concat();
        assert_eq!(fault(verify(&export)), (2, ChainFault::Line));
    }
}

/// An adjustment as the alliance makes them: a share of fees for aurora-air.
fn adjustment() -> alliance_partner_sdk::verify::Receipt {
    let zeros = "0".repeat(64);
    let text = format!(
        r#"{{"adjustment":{{"cause":"fee_share","inputs":"{zeros}","subject":"a window"}},
        "alliance":"demo","completed_at":"2026-11-23T04:05:06.789Z",
        "corridor":"alliance~aurora-air","evidence":[],"id":"rcp_01m8398e1kfrw83tvnpwar1r1b",
        "kind":"adjustment","order":"{zeros}","postings":[{{"amount":"7","asset":"CNY",
        "credit":"position:aurora-air","debit":"alliance:fees"}}],"prev":"{zeros}","quote":null,
        "rate":{{"board":1,"fee":"0","source_value":"1","target_value":"1"}},"reverses":null,
        "seq":1,"settlement":null,"source":{{"partner":"aurora-air"}},
        "target":{{"partner":"aurora-air"}},"transaction":"txn_01m8398e1kfrw83tvnpwar1r1b",
        "v":1,"window":"win_01m8201vz0e6aa2fb78f9d1d4g"}}"#
    );
    serde_json::from_str(&text).unwrap()
}

#[test]
fn an_adjustment_moves_money_between_what_its_cause_names_and_nothing_else() {
    type Alter = fn(&mut alliance_partner_sdk::verify::Receipt);
    assert_eq!(check_terms(&adjustment()), Ok(()));
    let cases: [(Alter, TermsFault); 11] = [
        (|r| r.adjustment = None, TermsFault::Adjustment),
        (|r| r.source = altered_sides().0, TermsFault::Sides),
        (|r| r.target = altered_sides().1, TermsFault::Partners),
        (|r| r.corridor = "alliance~cedar-hotels".parse().unwrap(), TermsFault::Partners),
        (|r| r.corridor = "aurora-air~cedar-hotels".parse().unwrap(), TermsFault::Partners),
        (|r| r.reverses = Some(r.transaction), TermsFault::References),
        (|r| r.rate.fee = "0.01".parse().unwrap(), TermsFault::Rate(TransactionKind::Adjustment)),
        (|r| r.postings.clear(), TermsFault::Posting { at: 0 }),
        (
            |r| r.postings[0].credit = "position:cedar-hotels".parse().unwrap(),
            TermsFault::Posting { at: 0 },
        ),
        (
            |r| r.postings[0].debit = "alliance:rounding".parse().unwrap(),
            TermsFault::Posting { at: 0 },
        ),
        (|r| r.postings[0].asset = "aurora".parse().unwrap(), TermsFault::Posting { at: 0 }),
    ];
    for (at, (alter, fault)) in cases.into_iter().enumerate() {
        let mut receipt = adjustment();
        alter(&mut receipt);
        assert_eq!(check_terms(&receipt), Err(fault), "case {at}");
    }
}

/// An account in place of a partner alone; another partner.
fn altered_sides() -> (ReceiptSide, ReceiptSide) {
    let account = serde_json::json!({
        "amount": "1", "member": "a".repeat(64), "partner": "aurora-air", "program": "aurora"
    });
    let other = serde_json::json!({ "partner": "cedar-hotels" });
    (serde_json::from_value(account).unwrap(), serde_json::from_value(other).unwrap())
}

/// For every cause, the account that it names beside the partner's own; no other will do.
#[test]
fn every_cause_has_its_own_accounts() {
    let causes = [
        ("fee_share", "position", vec!["alliance:fees"]),
        ("campaign_cost", "position", vec!["campaign:cmp_01h455vb4pex5vsknk084sn02q"]),
        ("payment", "position", vec!["alliance:bank"]),
        ("prefunding", "prefunding", vec!["alliance:bank"]),
        ("collateral", "collateral", vec!["alliance:bank"]),
        (
            "loss",
            "position",
            vec!["prefunding:aurora-air", "collateral:aurora-air", "alliance:losses"],
        ),
        ("correction", "position", vec!["alliance:fees", "alliance:rounding", "alliance:losses"]),
    ];
    let others: std::collections::BTreeSet<&str> =
        causes.iter().flat_map(|(_, _, accounts)| accounts.iter().copied()).collect();
    for (cause, own, accounts) in &causes {
        for other in &others {
            for turned in [false, true] {
                let mut receipt = adjustment();
                let named = serde_json::Value::from(*cause);
                receipt.adjustment.as_mut().unwrap().cause = serde_json::from_value(named).unwrap();
                let line = &mut receipt.postings[0];
                let ends = (format!("{own}:aurora-air"), (*other).to_owned());
                let (debit, credit) = if turned { ends } else { (ends.1, ends.0) };
                (line.debit, line.credit) = (debit.parse().unwrap(), credit.parse().unwrap());
                let good = accounts.contains(other);
                assert_eq!(check_terms(&receipt).is_ok(), good, "{cause}: {own} and {other}");
            }
        }
    }
}
