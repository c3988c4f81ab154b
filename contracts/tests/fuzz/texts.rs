//! Single values: each has one spelling.

use std::fmt::Display;
use std::str::{self, FromStr};

use alliance_contracts::decimal::{Decimal, DecimalError, format_micros};
use alliance_contracts::encoding::{
    Hash, base64_decode, base64_encode, base64url_decode, base64url_encode, hex_decode, hex_encode,
};
use alliance_contracts::ids::{LinkId, QuoteId, ReceiptId, RequestId, TransactionId, WindowId};
use alliance_contracts::keys::Kid;
use alliance_contracts::names::{
    AllianceId, Corridor, Currency, IdempotencyKey, MemberRef, PartnerId, ProgramId, Pseudonym,
    ReasonCode, SourceReference,
};
use alliance_contracts::receipt::{Account, Asset};
use alliance_contracts::time::Timestamp;

use crate::engine::{Answer, Target};
use crate::{texts_of, vectors};

/// Whether a text is what protocol § 1 calls a decimal, told by its characters alone.
fn is_plain(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "1"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let whole_is_shortest = whole == "0" || !whole.starts_with('0');
    let fraction_is_shortest = fraction.len() <= 6 && !fraction.ends_with('0');
    digits(whole) && digits(fraction) && whole_is_shortest && fraction_is_shortest
}

#[test]
fn a_decimal_is_accepted_in_one_spelling_and_has_the_value_that_another_library_reads() {
    let mut seeds = texts_of(&vectors("values.json")["decimals"]);
    seeds.extend(["9223372036854.775806", "9223372036854.775807"].map(|text| text.into()));
    let check = |input: &[u8]| {
        let Ok(text) = str::from_utf8(input) else { return Answer::Refused("UTF-8".into()) };
        let number = match text.parse::<Decimal>() {
            Ok(number) => number,
            Err(error) => {
                assert!(!is_plain(text), "{error}");
                assert!(error != DecimalError::TooPrecise || text.len() > 8, "{error}");
                return Answer::Refused(error.to_string());
            }
        };
        assert!(is_plain(text));
        assert_eq!(serde_json::from_str(&format!("\"{text}\"")).ok(), Some(number));
        let read = rust_decimal::Decimal::from_str_exact(text);
        if number == Decimal::BEYOND {
            let top = Decimal::BEYOND.to_rust_decimal();
            assert!(read.is_err() || read.is_ok_and(|read| read >= top));
            return Answer::Accepted("beyond".into());
        }
        assert_eq!(read, Ok(number.to_rust_decimal()));
        assert_eq!(number.to_string(), text);
        assert_eq!(format_micros(number.micros().into()), text);
        let scale = u32::try_from(text.split_once('.').map_or(0, |(_, f)| f.len())).unwrap();
        let minor = number.to_minor(scale).unwrap();
        assert_eq!(Decimal::from_minor(minor, scale), Some(number));
        assert!(scale == 0 || number.to_minor(scale - 1).is_none());
        Answer::Accepted(format!("{} digits", "x".repeat(text.len())))
    };
    Target { name: "decimals", inputs: 50_000, seeds: &seeds, open: true, check: &check }.fuzz();
}

/// Whether a text is read as `T`; what is read is printed as it was.
fn reads<T: FromStr>(text: &str, shown: impl Fn(&T) -> String) -> bool {
    let read = text.parse::<T>();
    if let Ok(value) = &read {
        assert_eq!(shown(value), text);
    }
    read.is_ok()
}

fn prints<T: FromStr + Display>(text: &str) -> bool {
    reads::<T>(text, T::to_string)
}

#[test]
fn every_value_is_printed_as_it_was_read() {
    let mut seeds = texts_of(&vectors("values.json"));
    seeds.extend(texts_of(&vectors("ed25519_keys.json")));
    let more = [
        "alliance:fees",
        "alliance:rounding",
        "issued:aurora",
        "position:aurora-air",
        &format!("member:aurora:{}", "ab".repeat(32)),
        "CNY",
        "customer_request",
        "ord-2026-11-23/7",
        "txn_01h455vb4pex5vsknk084sn02q",
    ];
    seeds.extend(more.map(|text| text.into()));
    let check = |input: &[u8]| {
        let Ok(text) = str::from_utf8(input) else { return Answer::Refused("UTF-8".into()) };
        let kinds = [
            ("time", prints::<Timestamp>(text)),
            ("alliance", prints::<AllianceId>(text)),
            ("partner", prints::<PartnerId>(text)),
            ("program", prints::<ProgramId>(text)),
            ("currency", prints::<Currency>(text)),
            ("key", prints::<IdempotencyKey>(text)),
            ("reference", prints::<SourceReference>(text)),
            ("reason", prints::<ReasonCode>(text)),
            ("pseudonym", prints::<Pseudonym>(text)),
            ("member", reads::<MemberRef>(text, |member| member.expose().to_owned())),
            ("corridor", prints::<Corridor>(text)),
            ("transaction", prints::<TransactionId>(text)),
            ("receipt", prints::<ReceiptId>(text)),
            ("quote", prints::<QuoteId>(text)),
            ("link", prints::<LinkId>(text)),
            ("window", prints::<WindowId>(text)),
            ("request", prints::<RequestId>(text)),
            ("account", prints::<Account>(text)),
            ("asset", prints::<Asset>(text)),
            ("hash", prints::<Hash>(text)),
            ("kid", Kid::parse(text).is_ok_and(|kid| kid.as_str() == text)),
            ("base64", base64_decode(text).is_ok_and(|bytes| base64_encode(&bytes) == text)),
            ("base64url", base64url_decode(text).is_ok_and(|b| base64url_encode(&b) == text)),
            ("hex", hex_decode(text).is_ok_and(|bytes| hex_encode(&bytes) == text)),
        ];
        // What is decoded and comes back otherwise would count as refused above: not here.
        assert_eq!(base64_decode(text).is_ok(), kinds[21].1);
        assert_eq!(base64url_decode(text).is_ok(), kinds[22].1);
        assert_eq!(hex_decode(text).is_ok(), kinds[23].1);
        let names: Vec<&str> = kinds.iter().filter(|(_, is)| *is).map(|(name, _)| *name).collect();
        match names.is_empty() {
            true => Answer::Refused("nothing".into()),
            false => Answer::Accepted(names.join(" ")),
        }
    };
    Target { name: "texts", inputs: 50_000, seeds: &seeds, open: true, check: &check }.fuzz();
}
