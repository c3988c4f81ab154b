//! Verification in blocks and batches, held against verification line by line: whatever is done to
//! a file, both say the same about it, wherever blocks begin and end.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

mod support;

use std::io::{self, BufReader, Read};
use std::num::NonZeroUsize;
use std::sync::LazyLock;

use alliance_partner_sdk::contracts::decimal::Decimal;
use alliance_partner_sdk::contracts::encoding::Hash;
use alliance_partner_sdk::contracts::jws::{self, JwsError, JwsType};
use alliance_partner_sdk::contracts::key_list::TrustedKeys;
use alliance_partner_sdk::contracts::quote::{FeeBearer, Rate};
use alliance_partner_sdk::contracts::receipt::ReceiptError;
use alliance_partner_sdk::verify::file::{self, FileError, Options, Report, Totals};
use alliance_partner_sdk::verify::{
    ChainError, ChainFault, ChainState, ChainVerifier, Pushed, ReceiptFault, TermsFault,
    VerifiedReceipt,
};
use proptest::prelude::*;
use support::{Chain, corridor, gateway, key, line};

static KEYS: LazyLock<TrustedKeys> = LazyLock::new(support::keys);
static SHORT: LazyLock<Chain> = LazyLock::new(|| Chain::of(20));

fn number(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap()
}

fn options(strict: bool) -> Options {
    let options = Options::new().corridor(corridor());
    if strict { options.strict() } else { options }
}

/// What a file comes to: where its chain ends, and its totals.
type Verdict = Result<(u64, Hash, Option<Hash>, Totals), ChainError>;

fn verdict(outcome: Result<Report, FileError>) -> Verdict {
    match outcome {
        Ok(report) => Ok((report.last_seq, report.head, report.root, report.totals)),
        Err(FileError::Chain(error)) => Err(error),
        Err(error) => panic!("{error}"),
    }
}

/// The oracle: one line after the other through the chain, each signature by itself.
fn line_by_line(export: &[u8]) -> Verdict {
    if export.is_empty() {
        // A chain of no lines is nothing yet; a file of none lacks its last.
        return Err(ChainError { seq: 1, fault: ChainFault::CutStream });
    }
    let mut chain = ChainVerifier::new(corridor(), &KEYS);
    let mut totals = Totals::default();
    for line in export.split_inclusive(|byte| *byte == b'\n') {
        let Some(line) = line.strip_suffix(b"\n") else {
            return Err(ChainError { seq: chain.seq() + 1, fault: ChainFault::LineEnd });
        };
        if let Pushed::Receipt(verified) = chain.push_ndjson_line(line)? {
            totals.add(verified.receipt());
        }
    }
    let root = chain.root();
    let ChainState { seq, head, .. } = chain.finish()?;
    Ok((seq, head, root, totals))
}

fn lines(chain: &Chain) -> Vec<Vec<u8>> {
    chain.ndjson().split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

// ----------------------------------------------------------------------------- anything goes

/// What is done to a file. Places are taken modulo what is there.
#[derive(Clone, Debug)]
enum Harm {
    FlipBit {
        byte: usize,
        bit: u32,
    },
    Cut {
        at: usize,
    },
    RemoveLine {
        at: usize,
    },
    RepeatLine {
        at: usize,
        to: usize,
    },
    SwapLines {
        one: usize,
        other: usize,
    },
    /// The signature of another line.
    SwapSignatures {
        one: usize,
        other: usize,
    },
    /// The same receipt, signed by a key that nobody knows.
    OtherKey {
        at: usize,
    },
    /// The same receipt under another type.
    OtherType {
        at: usize,
    },
    /// A receipt, properly signed, that contradicts itself.
    OtherTerms {
        at: usize,
    },
    /// A receipt, properly signed, whose rate has one member more.
    OtherRate {
        at: usize,
        member: usize,
    },
    /// A receipt, properly signed, that the next one does not follow.
    OtherOrder {
        at: usize,
    },
    /// Only the decoded copy says something else.
    OtherCopy {
        at: usize,
    },
    Foreign {
        at: usize,
        line: &'static [u8],
    },
}

fn harm() -> impl Strategy<Value = Harm> {
    let (at, other) = (0..200_000_usize, 0..200_000_usize);
    const FOREIGN: &[&[u8]] =
        &[b"\n", b"{}\n", b"{\"jws\":\"\n", b"{\"jws\":\"a.b.c\",\"receipt\":{}}\n", b"\xff\n"];
    prop_oneof![
        6 => (at.clone(), 0..8_u32).prop_map(|(byte, bit)| Harm::FlipBit { byte, bit }),
        1 => at.clone().prop_map(|at| Harm::Cut { at }),
        1 => at.clone().prop_map(|at| Harm::RemoveLine { at }),
        1 => (at.clone(), other.clone()).prop_map(|(at, to)| Harm::RepeatLine { at, to }),
        1 => (at.clone(), other.clone()).prop_map(|(one, other)| Harm::SwapLines { one, other }),
        1 => (at.clone(), other).prop_map(|(one, other)| Harm::SwapSignatures { one, other }),
        1 => at.clone().prop_map(|at| Harm::OtherKey { at }),
        1 => at.clone().prop_map(|at| Harm::OtherType { at }),
        1 => at.clone().prop_map(|at| Harm::OtherTerms { at }),
        1 => (at.clone(), 0..RATES.len()).prop_map(|(at, member)| Harm::OtherRate { at, member }),
        1 => at.clone().prop_map(|at| Harm::OtherOrder { at }),
        1 => at.clone().prop_map(|at| Harm::OtherCopy { at }),
        1 => (at, prop::sample::select(FOREIGN))
            .prop_map(|(at, line)| Harm::Foreign { at, line }),
    ]
}

/// Bytes of a line's JWS that are its signature.
fn signature_of(line: &[u8]) -> Option<std::ops::Range<usize>> {
    let end = line.windows(12).position(|bytes| bytes == br#"","receipt":"#)?;
    Some(end.checked_sub(86)?..end)
}

fn payload_of(line: &[u8]) -> Option<&[u8]> {
    let end = line.windows(12).position(|bytes| bytes == br#"","receipt":"#)?;
    line[end + 12..].strip_suffix(b"}\n")
}

fn resign(line_bytes: &mut Vec<u8>, change: impl Fn(Vec<u8>) -> Vec<u8>, typ: JwsType, seed: u8) {
    if let Some(payload) = payload_of(line_bytes) {
        let payload = change(payload.to_vec());
        *line_bytes = line(&jws::sign(typ, &payload, &key(seed)), &payload);
    }
}

/// Another hash of the order: what is well-formed, and changes nothing that can be checked.
fn other_order(mut payload: Vec<u8>) -> Vec<u8> {
    let member = br#""order":""#;
    let at = payload.windows(member.len()).position(|bytes| bytes == member);
    if let Some(digit) = at.and_then(|at| payload.get_mut(at + member.len())) {
        *digit = if *digit == b'0' { b'1' } else { b'0' };
    }
    payload
}

/// Members that a plain rate may be given, and what is wrong then; the last three say nothing.
const RATES: [(&str, Option<TermsFault>); 7] = [
    (r#""multiplier":"1.000001","#, Some(TermsFault::Gross)),
    (r#""fee_bearer":"source_partner","#, Some(TermsFault::Gross)),
    (r#""fee_bearer":"target_partner","#, Some(TermsFault::Net)),
    (r#""surcharge":"0.012501","#, Some(TermsFault::Surcharge)),
    (r#""multiplier":"1","#, None),
    (r#""fee_bearer":"member","#, None),
    (r#""surcharge":"0","#, None),
];

fn with_rate_member(payload: Vec<u8>, member: &str) -> Vec<u8> {
    let next = if member.contains("surcharge") { "\"target_value\"" } else { "\"source_value\"" };
    let text = String::from_utf8_lossy(&payload).into_owned();
    text.replacen(next, &[member, next].concat(), 1).into_bytes()
}

fn with_other_copy(line_bytes: &[u8]) -> Vec<u8> {
    let Some(payload) = payload_of(line_bytes) else { return line_bytes.to_vec() };
    let signed = &line_bytes[..line_bytes.len() - payload.len() - 2];
    [signed, &other_order(payload.to_vec()), b"}\n"].concat()
}

impl Harm {
    fn do_to(&self, export: &[u8]) -> Vec<u8> {
        let mut lines: Vec<Vec<u8>> =
            export.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        let count = lines.len();
        if count == 0 {
            return Vec::new();
        }
        match *self {
            Self::FlipBit { byte, bit } => {
                let mut export = lines.concat();
                let byte = byte % export.len();
                export[byte] ^= 1 << bit;
                return export;
            }
            Self::Cut { at } => return export[..at % export.len()].to_vec(),
            Self::RemoveLine { at } => drop(lines.remove(at % count)),
            Self::RepeatLine { at, to } => lines.insert(to % count, lines[at % count].clone()),
            Self::SwapLines { one, other } => lines.swap(one % count, other % count),
            Self::SwapSignatures { one, other } => {
                let (one, other) = (one % count, other % count);
                let places = (signature_of(&lines[one]), signature_of(&lines[other]));
                if let (Some(here), Some(there)) = places {
                    let theirs = lines[other][there].to_vec();
                    lines[one][here].copy_from_slice(&theirs);
                }
            }
            Self::OtherKey { at } => {
                resign(&mut lines[at % count], |same| same, JwsType::Receipt, 9);
            }
            Self::OtherType { at } => {
                resign(&mut lines[at % count], |same| same, JwsType::Quote, 2)
            }
            Self::OtherTerms { at } => {
                let other = |payload: Vec<u8>| {
                    let text = String::from_utf8_lossy(&payload).replacen("\"1\"", "\"2\"", 1);
                    text.replacen("\"amount\":\"1", "\"amount\":\"2", 1).into_bytes()
                };
                resign(&mut lines[at % count], other, JwsType::Receipt, 2);
            }
            Self::OtherRate { at, member } => {
                let other = |payload| with_rate_member(payload, RATES[member].0);
                resign(&mut lines[at % count], other, JwsType::Receipt, 2);
            }
            Self::OtherOrder { at } => {
                resign(&mut lines[at % count], other_order, JwsType::Receipt, 2);
            }
            Self::OtherCopy { at } => lines[at % count] = with_other_copy(&lines[at % count]),
            Self::Foreign { at, line } => lines.insert(at % count, line.to_vec()),
        }
        lines.concat()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn whatever_is_done_to_a_file_blocks_and_lines_say_the_same(
        harms in prop::collection::vec(harm(), 0..4),
        block in 1..8_usize,
        threads in 1..4_usize,
        strict in any::<bool>(),
    ) {
        let whole = SHORT.ndjson();
        let export = harms.iter().fold(whole, |export, harm| harm.do_to(&export));
        let options = options(strict).block(number(block)).threads(number(threads));
        let found = verdict(file::verify(&*export, &KEYS, &options));
        prop_assert_eq!(found, line_by_line(&export));
    }
}

#[test]
fn blocks_of_every_size_on_any_number_of_threads_come_to_the_same() {
    let export = SHORT.ndjson();
    let expected = line_by_line(&export);
    assert!(expected.is_ok());
    for block in 1..=22 {
        for threads in [1, 2, 3, 40] {
            for strict in [false, true] {
                let options = options(strict).block(number(block)).threads(number(threads));
                let mut seen = Vec::new();
                let watched =
                    file::verify_watched(&*export, &KEYS, &options, &mut |more| seen.push(more));
                assert_eq!(verdict(watched), expected, "{block} {threads} {strict}");
                assert_eq!(seen.iter().sum::<u64>(), 20);
            }
        }
    }
}

#[test]
fn a_checkpoint_is_met_wherever_it_stands_in_a_block() {
    let told_later = Chain::altered(20, |receipt| {
        if receipt.seq == 5 {
            receipt.order = Hash::of(b"another");
        }
    });
    let export = SHORT.ndjson();
    for block in [1, 3, 4, 64] {
        let options = Options::new().block(number(block));
        for size in 0..=20 {
            let against = |chain: &Chain| {
                let note = chain.checkpoint(size, support::start());
                file::verify(&*export, &KEYS, &options.clone().checkpoint(note))
            };
            assert_eq!(against(&SHORT).unwrap().checkpoint_size, Some(size as u64));
            let forked = against(&told_later).map(|report| report.last_seq);
            match (size, forked) {
                (0..5, outcome) => assert_eq!(outcome.unwrap(), 20),
                (_, Err(FileError::Chain(ChainError { seq, fault: ChainFault::Fork(_) }))) => {
                    assert_eq!(seq, size as u64, "{block}");
                }
                (_, other) => panic!("{other:?}"),
            }
        }
        let cut = Chain::of(21).checkpoint(21, support::start());
        let cut = verdict(file::verify(&*export, &KEYS, &options.clone().checkpoint(cut)));
        let missing = ChainError { seq: 21, fault: ChainFault::Truncated { size: 21 } };
        assert_eq!(cut, Err(missing));
    }
}

#[test]
fn a_file_of_nothing_is_a_stream_that_was_cut() {
    for strict in [false, true] {
        assert_eq!(verdict(file::verify(&b""[..], &KEYS, &options(strict))), line_by_line(b""));
    }
}

#[test]
fn a_rate_given_a_member_is_named_for_what_is_wrong_with_it() {
    let good = lines(&SHORT);
    for (member, fault) in RATES {
        for seq in [1, 9, 17] {
            let mut lines = good.clone();
            let other = |payload| with_rate_member(payload, member);
            resign(&mut lines[seq - 1], other, JwsType::Receipt, 2);
            let export = lines.concat();
            for block in [1, 4, 64] {
                let options = options(true).block(number(block));
                let error = verdict(file::verify(&*export, &KEYS, &options)).unwrap_err();
                assert_eq!(error.seq, seq as u64, "{member}");
                match fault {
                    Some(fault) => assert_eq!(error.fault, ChainFault::Terms(fault), "{member}"),
                    None => assert!(
                        matches!(
                            error.fault,
                            ChainFault::Receipt(ReceiptFault::Payload(ReceiptError::NotCanonical))
                        ),
                        "{member}: {error:?}"
                    ),
                }
            }
        }
    }
}

#[test]
fn rates_with_every_member_verify_in_blocks_as_they_do_line_by_line() {
    let chain = Chain::altered(20, |receipt| {
        *receipt = support::extended_receipt(receipt.seq, receipt.prev);
    });
    let export = chain.ndjson();
    let expected = line_by_line(&export);
    assert!(expected.is_ok(), "{expected:?}");
    for block in [1, 3, 64] {
        let options = options(true).block(number(block));
        assert_eq!(verdict(file::verify(&*export, &KEYS, &options)), expected);
    }
    // Each of the members taken away, at each of the bearers.
    type Take = fn(&mut Rate);
    let without: [Take; 3] = [
        |rate| rate.multiplier = Decimal::ONE,
        |rate| rate.fee_bearer = FeeBearer::Member,
        |rate| rate.surcharge = Decimal::ZERO,
    ];
    for seq in [4, 5, 6] {
        let borne = support::extended_terms(seq).fee_bearer != FeeBearer::Member;
        // A surcharge takes part in no sum: the signature alone holds it.
        for (take, is_found) in without.into_iter().zip([true, borne, false]) {
            let bad = Chain::altered(20, |receipt| {
                *receipt = support::extended_receipt(receipt.seq, receipt.prev);
                if receipt.seq == seq {
                    take(&mut receipt.rate);
                }
            });
            let found = verdict(file::verify(&*bad.ndjson(), &KEYS, &options(true)));
            assert_eq!(found.as_ref().err().map(|error| error.seq), is_found.then_some(seq));
            assert_eq!(found, line_by_line(&bad.ndjson()));
        }
    }
}

// ------------------------------------------------------------------------------ block borders

#[test]
fn one_flipped_bit_is_named_on_either_side_of_every_border() {
    let chain = Chain::of(70);
    let lines = lines(&chain);
    for seq in [1, 2, 31, 32, 33, 64, 65, 70] {
        let mut export = lines.concat();
        let begin = lines[..seq - 1].concat().len();
        let line = begin..begin + lines[seq - 1].len() - 1;
        let signature = signature_of(&lines[seq - 1]).unwrap();
        // In the payload, in R, in S, and in the decoded copy.
        for at in [400, signature.start + 3, signature.end - 10, line.len() - 40] {
            export[begin + at] ^= 1;
            let head = chain.head_at(seq - 1);
            let mut expected = ChainVerifier::resume(corridor(), seq as u64 - 1, head, &KEYS);
            let expected = expected.push_ndjson_line(&export[line.clone()]).unwrap_err();
            assert_eq!(expected.seq, seq as u64);
            for (strict, threads) in [(false, 1), (false, 2), (true, 2)] {
                let options = options(strict).block(number(32)).threads(number(threads));
                assert_eq!(verdict(file::verify(&*export, &KEYS, &options)), Err(expected.clone()));
            }
            export[begin + at] ^= 1;
        }
    }
}

#[test]
fn a_copy_that_says_something_else_is_named_wherever_it_stands() {
    let good = lines(&SHORT);
    for seq in 1..=20 {
        let mut lines = good.clone();
        lines[seq - 1] = with_other_copy(&lines[seq - 1]);
        let export = lines.concat();
        for block in [1, 4, 64] {
            let options = options(false).block(number(block));
            let error = verdict(file::verify(&*export, &KEYS, &options)).unwrap_err();
            assert_eq!((error.seq, error.fault), (seq as u64, ChainFault::DecodedDiffers));
        }
    }
}

/// In blocks of the usual size.
#[test]
fn a_bad_signature_in_the_second_block_of_a_long_file_is_named() {
    let mut lines = lines(&Chain::of(1_100));
    let signature = signature_of(&lines[1_030]).unwrap();
    let character = &mut lines[1_030][signature.start + 9];
    *character = if *character == b'A' { b'B' } else { b'A' };
    let export = lines.concat();
    for strict in [false, true] {
        let error = verdict(file::verify(&*export, &KEYS, &options(strict))).unwrap_err();
        assert_eq!((error.seq, error.fault), (1_031, bad_signature()));
    }
}

#[test]
fn lines_moved_across_a_block_border_are_named() {
    let chain = Chain::of(1_030);
    let lines = lines(&chain);
    let of = |lines: &[Vec<u8>]| verdict(file::verify(&*lines.concat(), &KEYS, &options(false)));
    assert!(of(&lines).is_ok());
    let wrong = |seq, found| Err(ChainError { seq, fault: ChainFault::WrongSeq { found } });
    let mut swapped = lines.clone();
    swapped.swap(1_023, 1_024);
    assert_eq!(of(&swapped), wrong(1_024, 1_025));
    let mut repeated = lines.clone();
    repeated.insert(1_024, lines[1_023].clone());
    assert_eq!(of(&repeated), wrong(1_025, 1_024));
    let mut removed = lines.clone();
    removed.remove(1_024);
    assert_eq!(of(&removed), wrong(1_025, 1_026));
    // The stream ends where the block does, and says nothing of what followed.
    let cut = ChainError { seq: 1_025, fault: ChainFault::CutStream };
    assert_eq!(of(&lines[..1_024]), Err(cut));
}

// ------------------------------------------------------------------------- what only batches accept

fn bad_signature() -> ChainFault {
    ReceiptFault::Jws(JwsError::BadSignature).into()
}

#[test]
fn a_torsioned_receipt_is_accepted_in_batches_and_refused_strictly() {
    let good = lines(&SHORT);
    for torsion in 1..8 {
        for seq in [1, 7, 8, 9, 20] {
            let payload = &SHORT.payloads[seq - 1];
            let jws = support::torsioned(payload, torsion);
            let mut lines = good.clone();
            lines[seq - 1] = line(&jws, payload);
            let export = lines.concat();
            for block in [1, 8, 64] {
                let batched = options(false).block(number(block));
                let found = verdict(file::verify(&*export, &KEYS, &batched));
                assert_eq!(found, line_by_line(&good.concat()), "{torsion} {seq} {block}");
                let strict = options(true).block(number(block));
                let refused = verdict(file::verify(&*export, &KEYS, &strict)).unwrap_err();
                assert_eq!((refused.seq, refused.fault), (seq as u64, bad_signature()));
            }
            // One by one is strict.
            assert_eq!(line_by_line(&export).unwrap_err().seq, seq as u64);
            let alone = VerifiedReceipt::verify(&jws, &KEYS).unwrap_err();
            assert_eq!(alone, ReceiptFault::Jws(JwsError::BadSignature));
        }
    }
}

/// Its company decides nothing: the culprit is named, not a receipt that a batch accepts.
#[test]
fn a_bad_signature_behind_a_torsioned_one_is_the_one_that_is_named() {
    let mut lines = lines(&SHORT);
    lines[2] = line(&support::torsioned(&SHORT.payloads[2], 1), &SHORT.payloads[2]);
    let there = signature_of(&lines[5]).unwrap();
    let character = &mut lines[5][there.start + 9];
    *character = if *character == b'A' { b'B' } else { b'A' };
    let error = verdict(file::verify(&*lines.concat(), &KEYS, &options(false))).unwrap_err();
    assert_eq!((error.seq, error.fault), (6, bad_signature()));
}

// ------------------------------------------------------------------------------- the reader

/// Fails behind the bytes that it has.
struct Broken<'a>(&'a [u8]);

impl Read for Broken<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            return Err(io::Error::other("the disk is gone"));
        }
        self.0.read(into)
    }
}

#[test]
fn a_file_that_cannot_be_read_on_is_an_error_behind_those_of_its_receipts() {
    let lines = lines(&SHORT);
    for kept in 0..=20 {
        for block in [1, 4, 64] {
            let options = options(false).block(number(block));
            let export = [&lines[..kept].concat(), &lines[kept][..3]].concat();
            let outcome = file::verify(BufReader::new(Broken(&export)), &KEYS, &options);
            let Err(FileError::Io(error)) = outcome else { panic!("{outcome:?}") };
            assert_eq!(error.to_string(), "the disk is gone");
        }
    }
    let mut lines = lines.clone();
    lines.remove(3);
    let export = lines[..10].concat();
    let outcome = file::verify(BufReader::new(Broken(&export)), &KEYS, &options(false));
    assert_eq!(verdict(outcome).unwrap_err().seq, 4);
}

#[test]
fn a_line_of_any_length_is_bounded() {
    let mut export = lines(&SHORT)[..3].concat();
    export.extend(vec![b'x'; 3 * file::MAX_LINE_BYTES]);
    let error = verdict(file::verify(&*export, &KEYS, &options(false))).unwrap_err();
    assert_eq!(error, ChainError { seq: 4, fault: ChainFault::LineEnd });
}

#[test]
fn the_gateways_key_is_found_among_others() {
    // Receipts of two keys in one file, and a third key in the list.
    let list = support::list(
        1,
        Hash::ZERO,
        vec![support::jwk(&key(8)), support::jwk(&gateway()), support::jwk(&key(7))],
    );
    let keys = list.verify(support::root().public_key()).unwrap();
    let mut lines = lines(&SHORT);
    for seq in [3, 4, 11, 20] {
        let payload = &SHORT.payloads[seq - 1];
        lines[seq - 1] = line(&jws::sign(JwsType::Receipt, payload, &key(7)), payload);
    }
    let export = lines.concat();
    let report = file::verify(&*export, &keys, &options(false)).unwrap();
    assert_eq!((report.receipts, report.head), (20, SHORT.head()));
    let unknown = ReceiptFault::UnknownKey { kid: key(7).kid().clone() };
    let error = verdict(file::verify(&*export, &KEYS, &options(false))).unwrap_err();
    assert_eq!((error.seq, error.fault), (3, unknown.into()));
}
