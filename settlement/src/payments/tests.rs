//! Rounding, instructing and matching, on cases by hand and on thousands of others.

mod instructing;
mod matching;
mod rounding;

use alliance_contracts::ids::WindowId;
use alliance_contracts::names::{Currency, PartnerId, Party};
use alliance_contracts::total::Total;
use proptest::prelude::*;

use super::accounts::{AccountFault, BankAccount, ClearingMember, Iban};
use super::currencies::{AmountFault, MAX_MINOR, MinorUnit};

fn currency(code: &str) -> Currency {
    code.parse().unwrap()
}

fn total(text: &str) -> Total {
    text.parse().unwrap()
}

fn party(name: &str) -> Party {
    name.parse().unwrap()
}

fn partner(name: &str) -> PartnerId {
    name.parse().unwrap()
}

fn window() -> WindowId {
    "win_01h455vb4pex5vsknk084sn02q".parse().unwrap()
}

// ---------------------------------------------------------------- amounts

#[test]
fn the_list_of_currencies_is_whole() {
    let unit = |code: &str| MinorUnit::of(&currency(code)).map(MinorUnit::digits);
    // List one of 2026-01-01: 165 codes that have a minor unit.
    let all = |a: u8| (b'A'..=b'Z').map(move |b| (a, b));
    let codes = (b'A'..=b'Z')
        .flat_map(all)
        .flat_map(|(a, b)| (b'A'..=b'Z').map(move |c| String::from_utf8(vec![a, b, c]).unwrap()));
    let mut digits = [0; 5];
    for found in codes.filter_map(|code| unit(&code)) {
        digits[usize::try_from(found).unwrap()] += 1;
    }
    assert_eq!(digits, [17, 0, 139, 7, 2]);
    for (code, digits) in [("CNY", 2), ("EUR", 2), ("USD", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4)] {
        assert_eq!(unit(code), Some(digits), "{code}");
    }
    for none in ["XAU", "XDR", "XTS", "XXX", "DEM", "BGN", "AAA"] {
        assert_eq!(unit(none), None, "{none}");
    }
}

#[test]
fn amounts_are_read_as_banks_write_them_and_never_rounded() {
    let read = |code: &str, text: &str| MinorUnit::of(&currency(code)).unwrap().read(text);
    for (code, text, minor) in [
        ("EUR", "12.5", Ok(1250)),
        ("EUR", "012.50", Ok(1250)),
        ("EUR", "+.07", Ok(7)),
        ("EUR", "12.", Ok(1200)),
        ("EUR", "12.500", Ok(1250)),
        ("EUR", "12.005", Err(AmountFault::TooPrecise)),
        ("JPY", "12", Ok(12)),
        ("JPY", "12.0", Ok(12)),
        ("JPY", "12.5", Err(AmountFault::TooPrecise)),
        ("JPY", ".0", Ok(0)),
        ("KWD", "12.005", Ok(12_005)),
        ("EUR", "9999999999999999.99", Ok(MAX_MINOR)),
        ("EUR", "10000000000000000", Err(AmountFault::TooLarge)),
        ("EUR", "99999999999999999999999999", Err(AmountFault::TooLarge)),
        ("EUR", "-1", Err(AmountFault::NotPlain)),
        ("EUR", "1,5", Err(AmountFault::NotPlain)),
        ("EUR", "1e3", Err(AmountFault::NotPlain)),
        ("EUR", "1.2.3", Err(AmountFault::NotPlain)),
        ("EUR", ".", Err(AmountFault::NotPlain)),
        ("EUR", "", Err(AmountFault::NotPlain)),
        ("EUR", "１", Err(AmountFault::NotPlain)),
    ] {
        assert_eq!(read(code, text), minor, "{code} {text}");
    }
}

proptest! {
    #[test]
    fn what_is_spelled_is_read_again(minor in 0..=MAX_MINOR, code in "CNY|JPY|KWD|CLF") {
        let unit = MinorUnit::of(&currency(&code)).unwrap();
        prop_assert_eq!(unit.read(&unit.spell(u128::from(minor))), Ok(minor));
    }
}

// ---------------------------------------------------------------- accounts

#[test]
fn an_iban_with_one_slip_is_refused() {
    // Examples of the registry of IBAN formats (SWIFT), and Norway's, the shortest.
    for good in [
        "DE89370400440532013000",
        "GB29NWBK60161331926819",
        "FR1420041010050500013M02606",
        "MT84MALT011000012345MTLCAST001S",
        "NO9386011117947",
        "CH93 0076 2011 6238 5295 7",
    ] {
        assert!(good.parse::<Iban>().is_ok(), "{good}");
        // Every single digit wrong, every two neighbours swapped.
        let iban = good.replace(' ', "");
        for at in 2..iban.len() {
            let mut bytes = iban.clone().into_bytes();
            bytes[at] = if bytes[at] == b'7' { b'1' } else { b'7' };
            let wrong = String::from_utf8(bytes).unwrap();
            let refused = wrong == iban || wrong.parse::<Iban>().is_err();
            assert!(refused, "{wrong}");
        }
    }
    for bad in ["", "DE89", "de89370400440532013000", "DE8937040044053201300O", "DÉ893704004405320"]
    {
        assert!(bad.parse::<Iban>().is_err(), "{bad}");
    }
}

#[test]
fn an_account_is_spelled_one_way() {
    for good in [
        r#"{"bic":"DEUTDEFF","country":"DE","iban":"DE89370400440532013000","name":"Aurora Air","town":"Köln"}"#,
        r#"{"country":"DE","iban":"DE89370400440532013000","name":"Aurora Air"}"#,
        r#"{"bic":"BKCHCNBJ","country":"CN","name":"北冥咖啡有限公司","other":"6222-0210"}"#,
        r#"{"country":"CN","name":"A","other":"1","clearing":{"member":"102100099996","system":"CNAPS"}}"#,
    ] {
        let account: BankAccount = serde_json::from_str(good).unwrap();
        assert_eq!(serde_json::to_string(&account).unwrap(), good);
    }
    // As the alliance's definition has it.
    let toml = "name = \"A\"\ncountry = \"CN\"\nother = \"1\"\n\
                clearing = { system = \"CNAPS\", member = \"102100099996\" }\n";
    let account: BankAccount = toml::from_str(toml).unwrap();
    assert_eq!(account.clearing().map(ClearingMember::member), Some("102100099996"));
    let long =
        format!(r#"{{"country":"CN","name":"{}","other":"1","bic":"BKCHCNBJ"}}"#, "A".repeat(141));
    for (bad, fault) in [
        (r#"{"country":"CN","name":"A"}"#, AccountFault::Which.to_string()),
        (
            r#"{"country":"DE","name":"A","other":"1","iban":"DE89370400440532013000"}"#,
            AccountFault::Which.to_string(),
        ),
        (r#"{"country":"CN","name":"A","other":"1"}"#, AccountFault::NoBank.to_string()),
        (
            r#"{"country":"CN","name":"A","other":"1/2","bic":"BKCHCNBJ"}"#,
            AccountFault::Other.to_string(),
        ),
        (
            r#"{"country":"CN","name":"","other":"1","bic":"BKCHCNBJ"}"#,
            AccountFault::Name.to_string(),
        ),
        (
            r#"{"country":"CN","name":" A","other":"1","bic":"BKCHCNBJ"}"#,
            AccountFault::Name.to_string(),
        ),
        (
            "{\"country\":\"CN\",\"name\":\"A\\u0000\",\"other\":\"1\",\"bic\":\"BKCHCNBJ\"}",
            AccountFault::Name.to_string(),
        ),
        (long.as_str(), AccountFault::Name.to_string()),
        (
            r#"{"country":"CN","name":"A","other":"1","bic":"BKCHCNBJ","town":""}"#,
            AccountFault::Town.to_string(),
        ),
        (
            r#"{"country":"CN","name":"A","other":"1","bic":"DEUTDEF"}"#,
            AccountFault::Bic.to_string(),
        ),
        (
            r#"{"country":"CN","name":"A","other":"1","bic":"DEUT11FF"}"#,
            AccountFault::Bic.to_string(),
        ),
        (
            r#"{"country":"cn","name":"A","other":"1","bic":"BKCHCNBJ"}"#,
            AccountFault::Country.to_string(),
        ),
        (
            r#"{"country":"CN","name":"A","other":"1","clearing":{"system":"cnaps","member":"1"}}"#,
            AccountFault::Clearing.to_string(),
        ),
        (
            r#"{"country":"CN","name":"A","other":"1","bic":"BKCHCNBJ","x":1}"#,
            "unknown field `x`".to_owned(),
        ),
        (r#"{"name":"A","iban":"DE89370400440532013000"}"#, "missing field `country`".to_owned()),
        (
            r#"{"country":"DE","name":"A","iban":"DE98370400440532013000"}"#,
            AccountFault::IbanChecksum.to_string(),
        ),
    ] {
        let refused = serde_json::from_str::<BankAccount>(bad).unwrap_err().to_string();
        assert!(refused.contains(&fault), "{bad}: {refused}");
    }
}
