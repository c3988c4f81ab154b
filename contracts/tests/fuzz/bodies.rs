//! Request bodies: what a partner sends is what is decided upon, no more and no less.

use std::fmt::Debug;
use std::str;

use alliance_contracts::json;
use alliance_contracts::link::{Empty, LinkRequest};
use alliance_contracts::problem::FieldError;
use alliance_contracts::quote::{QuoteBatchRequest, QuoteClaims, QuoteRequest};
use alliance_contracts::transaction::{OrderBatchRequest, OrderRequest, ReversalRequest};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::engine::{Answer, Target};
use crate::told;

const QUOTE: &str = r#"{"amount":{"side":"source","value":"1000"},"kind":"exchange","source":{"member":"A-1001","program":"aurora"},"target":{"member":"B-77","program":"borealis"}}"#;
const ORDER: &str = r#"{"quote":"eyJhbGciOiJFZERTQSJ9.e30.AA","source_reference":"ord-1"}"#;
const CLAIMS: &str = r#"{"alliance":"demo","caller":"aurora-air","expires_at":"2026-11-23T04:06:06.789Z","id":"quo_01h455vb4pex5vsknk084sn02q","kind":"exchange","rate":{"board":1,"fee":"0.01","source_value":"0.05","target_value":"0.1"},"settlement":{"creditor":"borealis-coffee","currency":"CNY","debtor":"aurora-air","fee":"0.5","gross":"50","net":"49.5","remainder":"0"},"source":{"amount":"1000","member":"c2VhbGVk","partner":"aurora-air","program":"aurora"},"target":{"amount":"495","member":"c2VhbGVk","partner":"borealis-coffee","program":"borealis"}}"#;
/// With every member that may be left out.
const CLAIMS_IN_FULL: &str = r#"{"alliance":"demo","caller":"aurora-air","expires_at":"2026-11-23T04:06:06.789Z","id":"quo_01h455vb4pex5vsknk084sn02q","kind":"exchange","rate":{"board":1,"fee":"0.01","fee_bearer":"target_partner","multiplier":"1.25","source_value":"0.05","surcharge":"0.0025","target_value":"0.1"},"settlement":{"creditor":"borealis-coffee","currency":"CNY","debtor":"aurora-air","fee":"0.5","gross":"50","net":"49.5","remainder":"0"},"source":{"amount":"1000","member":"c2VhbGVk","partner":"aurora-air","program":"aurora"},"target":{"amount":"495","member":"c2VhbGVk","partner":"borealis-coffee","program":"borealis"},"tier":"gold"}"#;
const SEEDS: &[&str] = &[
    QUOTE,
    r#"{"kind":"exchange","source":{"program":"cedar","member":"é\u00e9 ~/"},"target":{"program":"a0","member":"\ud83d\ude00"},"amount":{"side":"target","value":"0.01"}}"#,
    ORDER,
    r#"{"orders":[{"key":"k-1","quote":"t","source_reference":"a"},{"key":"k-2","quote":"","source_reference":"b"}]}"#,
    r#"{"reason":"customer_request","source_reference":"rev-1"}"#,
    r#"{"amount":{"side":"target","value":"12.5"},"reason":"duplicate","source_reference":"rev-2"}"#,
    r#"{"amount":null,"reason":"fraud","source_reference":"rev-3"}"#,
    r#"{"a":{"member":"A-1","program":"aurora"},"b":{"member":"B-1","program":"borealis"},"consent":{"scope":["exchange","accrual"],"until":"2027-01-01T00:00:00.000Z"}}"#,
    r#"{"a":{"member":"A-1","program":"aurora"},"b":{"member":"B-1","program":"borealis"},"consent":{"scope":["exchange"],"until":null}}"#,
    "{}",
    CLAIMS,
    CLAIMS_IN_FULL,
    r#"{"amount":{"side":"source","value":"1000"},"kind":"exchange","source":{"member":"A-1001","program":"aurora"},"target":{"member":"B-77","program":"borealis"},"tier":"1"}"#,
];

/// What a member of a rate says by its absence.
const DEFAULTS: [(&str, &str); 3] =
    [("fee_bearer", "member"), ("multiplier", "1"), ("surcharge", "0")];

/// JSON without members that say nothing: what may be left out may be null, or its default.
fn without_nothings(value: Value) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .filter(|(key, value)| !value.is_null() && !says_nothing(key, value))
            .map(|(key, value)| (key, without_nothings(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(without_nothings).collect(),
        other => other,
    }
}

fn says_nothing(key: &str, value: &Value) -> bool {
    DEFAULTS.iter().any(|(member, default)| key == *member && value.as_str() == Some(*default))
}

/// Strings in a value, keys included: where a key stands twice, a reader shows fewer than stand in
/// the text.
fn strings(value: &Value) -> usize {
    match value {
        Value::String(_) => 1,
        Value::Array(items) => items.iter().map(strings).sum(),
        Value::Object(members) => members.values().map(|value| 1 + strings(value)).sum(),
        _ => 0,
    }
}

/// Strings in JSON text, told by its quotes alone.
fn strings_in(text: &[u8]) -> usize {
    let (mut quotes, mut escaped) = (0, false);
    for byte in text {
        quotes += usize::from(*byte == b'"' && !escaped);
        escaped = *byte == b'\\' && !escaped;
    }
    quotes / 2
}

/// Whether the input is a body of this kind, and if so, that nothing of it was lost or made up.
fn body<T>(input: &[u8]) -> Result<(), FieldError>
where
    T: DeserializeOwned + Serialize + PartialEq + Debug,
{
    let read: T = json::read(input).inspect_err(|error| {
        let told = error.detail.len() + error.pointer.len();
        assert!(told <= 600, "{told} bytes of reasons");
        assert!(error.pointer.is_empty() || error.pointer.starts_with('/'), "{}", error.pointer);
    })?;
    let canonical = json::canonical(&read);
    let other: Value = serde_json::from_slice(input).expect("another reader takes it");
    let ours: Value = serde_json::from_slice(&canonical).expect("our own writing is JSON");
    assert_eq!(strings(&other), strings_in(input), "a member stands twice");
    // Numbers beyond every limit are all one number, which is refused later (decision 0008).
    if !canonical.windows(20).any(|part| part == b"9223372036854.775807") {
        assert_eq!(without_nothings(other), without_nothings(ours.clone()));
    }
    let jcs = serde_json_canonicalizer::to_vec(&ours).unwrap();
    assert_eq!(str::from_utf8(&jcs), str::from_utf8(&canonical), "not JCS");
    assert_eq!(json::read::<T>(&canonical).as_ref(), Ok(&read));
    Ok(())
}

#[test]
fn an_accepted_body_says_what_another_reader_reads_and_nothing_twice() {
    let mut seeds: Vec<Vec<u8>> = SEEDS.iter().map(|text| text.as_bytes().to_vec()).collect();
    seeds.push(format!(r#"{{"quotes":[{QUOTE},{QUOTE}]}}"#).into_bytes());
    let check = |input: &[u8]| {
        let kinds = [
            ("quote", body::<QuoteRequest>(input)),
            ("quotes", body::<QuoteBatchRequest>(input)),
            ("order", body::<OrderRequest>(input)),
            ("orders", body::<OrderBatchRequest>(input)),
            ("reversal", body::<ReversalRequest>(input)),
            ("link", body::<LinkRequest>(input)),
            ("empty", body::<Empty>(input)),
            ("claims", body::<QuoteClaims>(input)),
        ];
        let is: Vec<&str> =
            kinds.iter().filter(|(_, read)| read.is_ok()).map(|(name, _)| *name).collect();
        assert!(is.len() <= 1, "one body of two kinds: {is:?}");
        match is.first() {
            Some(name) => Answer::Accepted((*name).to_owned()),
            // The reason that went furthest into it is the most telling one.
            None => {
                let errors = kinds.iter().filter_map(|(_, read)| read.as_ref().err());
                told(errors.max_by_key(|error| error.pointer.len()).unwrap())
            }
        }
    };
    Target { name: "bodies", inputs: 50_000, seeds: &seeds, open: true, check: &check }.fuzz();
}
