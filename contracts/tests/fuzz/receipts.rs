//! Receipts: the signed bytes are the only bytes of what they say.

use std::str;

use alliance_contracts::corridor::StreamTrailer;
use alliance_contracts::json;
use alliance_contracts::jws::{self, JwsType};
use alliance_contracts::keys::{PublicKey, SigningKey};
use alliance_contracts::receipt::{self, Receipt, ReceiptError};
use serde_json::Value;

use crate::engine::{Answer, Target};
use crate::{texts_named, told, vectors};

const EXCHANGE: &str = r#"{"alliance":"demo","completed_at":"2026-11-23T04:05:06.789Z","corridor":"aurora-air~borealis-coffee","evidence":[{"base":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","kid":"BIrXavTZpMCKRNI_dXFm6cCZt0c4Ij249xOEBFmCYi4","partner":"aurora-air","signature":"AA=="}],"id":"rcp_01h455vb4pex5vsknk084sn02q","kind":"exchange","order":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","postings":[{"amount":"1000","asset":"aurora","credit":"issued:aurora","debit":"member:aurora:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},{"amount":"495","asset":"borealis","credit":"member:borealis:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","debit":"issued:borealis"},{"amount":"49.5","asset":"CNY","credit":"position:borealis-coffee","debit":"position:aurora-air"},{"amount":"0.5","asset":"CNY","credit":"alliance:fees","debit":"position:aurora-air"},{"amount":"0.000001","asset":"CNY","credit":"alliance:rounding","debit":"position:aurora-air"}],"prev":"0000000000000000000000000000000000000000000000000000000000000000","quote":"quo_01h455vb4pex5vsknk084sn02q","rate":{"board":1,"fee":"0.01","source_value":"0.05","target_value":"0.1"},"reverses":null,"seq":1,"settlement":{"creditor":"borealis-coffee","currency":"CNY","debtor":"aurora-air","fee":"0.5","gross":"50","net":"49.5","remainder":"0"},"source":{"amount":"1000","member":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","partner":"aurora-air","program":"aurora"},"target":{"amount":"495","member":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","partner":"borealis-coffee","program":"borealis"},"transaction":"txn_01h455vb4pex5vsknk084sn02q","v":1,"window":"win_01h455vb4pex5vsknk084sn02q"}"#;

/// The sample, its reversal, one without money, and the same in other bytes.
fn payloads() -> Vec<Vec<u8>> {
    let sample: Receipt = receipt::parse(EXCHANGE.as_bytes()).expect("the sample is canonical");
    let mut reversal = sample.clone();
    (reversal.reverses, reversal.quote) = (Some(sample.transaction), None);
    reversal.kind = alliance_contracts::quote::TransactionKind::Reversal;
    let mut within = sample.clone();
    (within.settlement, within.evidence) = (None, Vec::new());
    within.postings.truncate(2);
    let mut full = sample.clone();
    full.rate.fee_bearer = alliance_contracts::quote::FeeBearer::SourcePartner;
    (full.rate.multiplier, full.rate.surcharge) = (full.rate.source_value, full.rate.fee);
    // A rate in which what goes without saying is said.
    let spelt_out = EXCHANGE.replacen(
        r#""source_value""#,
        r#""fee_bearer":"member","multiplier":"1","source_value""#,
        1,
    );
    vec![
        full.to_payload(),
        spelt_out.into_bytes(),
        sample.to_payload(),
        reversal.to_payload(),
        within.to_payload(),
        serde_json::to_vec_pretty(&sample).unwrap(),
    ]
}

#[test]
fn a_payload_is_accepted_only_in_the_canonical_bytes_of_what_it_says() {
    let key = SigningKey::from_seed(&[7; 32]);
    let check = |input: &[u8]| {
        let receipt = match receipt::parse(input) {
            Ok(receipt) => receipt,
            Err(error) => {
                if error == ReceiptError::NotCanonical {
                    // It is a receipt: in its one spelling it is accepted, and differs.
                    let said: Receipt = json::read(input).expect("it was read before");
                    assert_ne!(said.to_payload(), input);
                    assert_eq!(receipt::parse(&said.to_payload()), Ok(said));
                }
                return match json::read::<Receipt>(input) {
                    Ok(_) => Answer::Refused(error.to_string()),
                    Err(error) => told(&error),
                };
            }
        };
        assert_eq!(receipt.to_payload(), input);
        let value: Value = serde_json::from_slice(input).unwrap();
        let jcs = serde_json_canonicalizer::to_vec(&value).unwrap();
        assert_eq!(str::from_utf8(&jcs), str::from_utf8(input), "not JCS");
        assert_eq!(receipt.v, receipt::VERSION);
        let jws = jws::sign(JwsType::Receipt, input, &key);
        let parsed = jws::parse(&jws).unwrap();
        assert_eq!(parsed.payload, input);
        assert_eq!(parsed.verify(JwsType::Receipt, key.public_key()), Ok(()));
        let lines = receipt.postings.len();
        Answer::Accepted(format!("{} {}", receipt.kind.as_str(), "|".repeat(lines)))
    };
    Target { name: "payloads", inputs: 50_000, seeds: &payloads(), open: true, check: &check }
        .fuzz();
}

#[test]
fn a_jws_has_one_spelling_and_verifies_only_as_it_was_signed() {
    let all = vectors("jws.json");
    let mut seeds = texts_named(&all, "jws");
    let key = SigningKey::from_seed(&[7; 32]);
    for payload in payloads() {
        seeds.push(jws::sign(JwsType::Receipt, &payload, &key).into_bytes());
    }
    let keys: Vec<PublicKey> = texts_named(&all, "public")
        .iter()
        .map(|hex| alliance_contracts::encoding::hex_decode(str::from_utf8(hex).unwrap()))
        .map(|bytes| PublicKey::from_bytes(&bytes.unwrap()).unwrap())
        .chain([key.public_key().clone()])
        .collect();
    let check = |input: &[u8]| {
        let Ok(text) = str::from_utf8(input) else { return Answer::Refused("UTF-8".into()) };
        let parsed = match jws::parse(text) {
            Ok(parsed) => parsed,
            Err(error) => return Answer::Refused(error.to_string()),
        };
        let again = jws::assemble(parsed.typ, &parsed.kid, &parsed.payload, &parsed.signature);
        assert_eq!(again, text);
        assert!(text.as_bytes().starts_with(&parsed.signing_input));
        let verifies =
            |key: &PublicKey| JwsType::ALL.into_iter().any(|typ| parsed.verify(typ, key).is_ok());
        let verified = keys.iter().any(verifies);
        assert!(!verified || seeds.iter().any(|seed| seed == input), "verifies, never signed");
        Answer::Accepted(format!("{} {verified}", parsed.typ.as_str()))
    };
    Target { name: "jws", inputs: 50_000, seeds: &seeds, open: true, check: &check }.fuzz();
}

#[test]
fn the_end_of_a_stream_is_read_from_objects_only() {
    let end = r#"{"end":{"head":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","seq":12}}"#;
    let check = |input: &[u8]| match json::read::<StreamTrailer>(input) {
        Ok(trailer) => {
            let canonical = json::canonical(&trailer);
            assert_eq!(json::read::<StreamTrailer>(&canonical), Ok(trailer));
            Answer::Accepted(if canonical == input { "as written" } else { "otherwise" }.into())
        }
        Err(error) => told(&error),
    };
    Target { name: "ends", inputs: 50_000, seeds: &[end.into()], open: true, check: &check }.fuzz();
}
