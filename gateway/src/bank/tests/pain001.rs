//! What is handed to banks.

use std::collections::BTreeMap;

use alliance_contracts::encoding::Hash;
use alliance_contracts::names::Party;
use alliance_contracts::time::Timestamp;
use alliance_settlement::payments::accounts::BankAccount;
use alliance_settlement::payments::instructions::{PaymentInstruction, by_debtor};
use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::events::Event;

use super::{accounts, instructions, of_the_page, party, schema_says};
use crate::bank::letters::{LettersFault, MAX_SEPA_NAME_CHARS, SEPA, sepa};
use crate::bank::pain001::{NAMESPACE, Order, Pain001Fault, Scheme, Written, write};

const SCHEMA: &str = "sepaxml/schemas/pain.001.001.09.xsd";

fn created() -> Timestamp {
    "2026-11-26T08:30:15.250Z".parse().unwrap()
}

fn written(
    instructions: &[PaymentInstruction],
    accounts: &BTreeMap<Party, BankAccount>,
    scheme: Scheme,
) -> Result<(Written, String), Pain001Fault> {
    let mut file = Vec::new();
    let written = write(&Order { accounts, created: created(), instructions, scheme }, &mut file)?;
    assert_eq!(written.file, Hash::of(&file));
    Ok((written, String::from_utf8(file).unwrap()))
}

fn of(debtor: &str, currency: &str) -> Vec<PaymentInstruction> {
    by_debtor(&instructions(currency)).remove(&party(debtor)).unwrap()
}

fn account(json: &str) -> BankAccount {
    serde_json::from_str(json).unwrap()
}

/// Accounts within SEPA: names with marks, one without its bank.
fn european() -> BTreeMap<Party, BankAccount> {
    [
        ("alliance", r#"{"name":"Alliance Clearing GmbH & Co. KG","country":"DE","town":"Köln","iban":"DE89370400440532013000","bic":"COBADEFFXXX"}"#),
        ("aurora-air", r#"{"name":"Aurora Air","country":"CH","iban":"CH9300762011623852957"}"#),
        ("borealis-coffee", r#"{"name":"Café Boréal","country":"FR","iban":"FR1420041010050500013M02606"}"#),
        ("cedar-hotels", r#"{"name":"Cedar Hotels Ltd","country":"MT","iban":"MT84MALT011000012345MTLCAST001S"}"#),
    ]
    .into_iter()
    .map(|(name, json)| (party(name), account(json)))
    .collect()
}

#[test]
fn the_file_of_the_page_is_what_is_written() {
    let (written, file) = written(&of("alliance", "CNY"), &accounts(), Scheme::Agreed).unwrap();
    assert_eq!(file, of_the_page("xml bank-pain001"));
    assert_eq!(written.message_id, "01H455VB4PEX5VSKNK084SN02Q-M1-1");
    assert_eq!((written.payments, written.sum), (2, 3025));
    assert_eq!(schema_says(SCHEMA, file.as_bytes()), None);
}

#[test]
fn an_order_has_one_spelling() {
    let in_order = of("alliance", "CNY");
    let turned: Vec<PaymentInstruction> = in_order.iter().rev().cloned().collect();
    let file = |instructions: &[_]| written(instructions, &accounts(), Scheme::Agreed).unwrap();
    assert_eq!(file(&in_order), file(&turned));
}

#[test]
fn the_schema_finds_what_is_wrong() {
    let (_, file) = written(&of("alliance", "CNY"), &accounts(), Scheme::Agreed).unwrap();
    for (right, wrong) in [
        ("<NbOfTxs>2</NbOfTxs>", ""),
        ("<PmtMtd>TRF</PmtMtd>", "<PmtMtd>TRX</PmtMtd>"),
        ("<EndToEndId>", "<EndToEndId>01H455VB4PEX5VSKNK084SN02Q-01H455VB4PEX5VSKNK084SN02Q"),
        ("pain.001.001.09", "pain.001.001.03"),
    ] {
        let broken = file.replacen(right, wrong, 1);
        assert_ne!(broken, file);
        assert!(schema_says(SCHEMA, broken.as_bytes()).is_some(), "{wrong}");
    }
}

#[test]
fn a_sepa_file_is_written_in_its_letters() {
    let instructions = of("alliance", "EUR");
    let accounts = european();
    assert_eq!(Scheme::fitting(&instructions, &accounts), Scheme::Sepa);
    let (_, file) = written(&instructions, &accounts, Scheme::Sepa).unwrap();
    assert_eq!(schema_says(SCHEMA, file.as_bytes()), None);
    for there in [
        "<Nm>Alliance Clearing GmbH + Co. KG</Nm>",
        "<TwnNm>Koln</TwnNm>",
        "<Nm>Cafe Boreal</Nm>",
        "<BICFI>COBADEFFXXX</BICFI>",
        "<IBAN>FR1420041010050500013M02606</IBAN>",
        "<InstdAmt Ccy=\"EUR\">20.25</InstdAmt>",
        "<ChrgBr>SLEV</ChrgBr>",
        "<Cd>SEPA</Cd>",
    ] {
        assert!(file.contains(there), "{there} is not in {file}");
    }
    // No agent is told of a creditor whose bank follows from its IBAN; of a debtor one must be.
    assert!(!file.contains("<CdtrAgt>"));
    let (_, file) = written(&of("aurora-air", "EUR"), &accounts, Scheme::Sepa).unwrap();
    assert!(file.contains("<Id>NOTPROVIDED</Id>"));
    assert_eq!(schema_says(SCHEMA, file.as_bytes()), None);
    // The same as agreed with the bank: names as they are.
    let (_, file) = written(&instructions, &accounts, Scheme::Agreed).unwrap();
    assert!(file.contains("<Nm>Alliance Clearing GmbH &amp; Co. KG</Nm>"));
    assert!(!file.contains("<SvcLvl>") && !file.contains("<ChrgBr>"));
    assert_eq!(schema_says(SCHEMA, file.as_bytes()), None);
}

#[test]
fn what_is_executed_on_one_day_stands_together() {
    let mut instructions = of("alliance", "KWD");
    instructions[0].value_date = "2026-11-30".parse().unwrap();
    instructions.reverse();
    let (first, file) = written(&instructions, &accounts(), Scheme::Agreed).unwrap();
    assert_eq!(schema_says(SCHEMA, file.as_bytes()), None);
    let days: Vec<&str> = values(&file, "Dt");
    assert_eq!(days, ["2026-11-27", "2026-11-30"]);
    assert_eq!(
        values(&file, "PmtInfId"),
        ["01H455VB4PEX5VSKNK084SN02Q-P2-1", "01H455VB4PEX5VSKNK084SN02Q-P1-1",]
    );
    assert_eq!(values(&file, "CtrlSum"), ["30.264", "10.009", "20.255"]);
    assert_eq!(values(&file, "NbOfTxs"), ["2", "1", "1"]);
    // In whatever order they come: the same bytes.
    instructions.reverse();
    let (again, other) = written(&instructions, &accounts(), Scheme::Agreed).unwrap();
    assert_eq!((first, file), (again, other));
}

#[test]
fn yen_have_no_decimals() {
    let (_, file) = written(&of("alliance", "JPY"), &accounts(), Scheme::Agreed).unwrap();
    assert_eq!(values(&file, "CtrlSum"), ["30", "30"]);
    assert_eq!(schema_says(SCHEMA, file.as_bytes()), None);
}

#[test]
fn an_order_at_fault_is_not_written() {
    let good = of("alliance", "EUR");
    let changed = |change: fn(&mut PaymentInstruction)| {
        let mut instructions = good.clone();
        change(&mut instructions[1]);
        instructions
    };
    let twice = [good.clone(), good.clone()].concat();
    let mut large = good.clone();
    for instruction in &mut large {
        instruction.amount = 999_999_999_999_999_999;
    }
    let mut own = good.clone();
    own[0].creditor = party("alliance");
    let with = |name: &str, json: &str| {
        let mut accounts = european();
        accounts.insert(party(name), account(json));
        accounts
    };
    let chinese = r#"{"name":"北冥咖啡","country":"DE","iban":"DE89370400440532013000"}"#;
    let far = r#"{"name":"A","country":"SA","iban":"SA0380000000608010167519"}"#;
    let other = r#"{"name":"A","country":"DE","other":"1","bic":"COBADEFF"}"#;
    let mut missing = european();
    missing.remove(&party("cedar-hotels"));
    type Case = (Vec<PaymentInstruction>, BTreeMap<Party, BankAccount>, &'static str);
    let cases: Vec<Case> = vec![
        (Vec::new(), european(), "there is nothing to be paid"),
        (
            changed(|i| i.debtor = "aurora-air".parse().unwrap()),
            european(),
            "01H455VB4PEX5VSKNK084SN02Q-2-1 is not of the window, the debtor and the currency of the first",
        ),
        (
            changed(|i| i.currency = "CNY".parse().unwrap()),
            european(),
            "01H455VB4PEX5VSKNK084SN02Q-2-1 is not of the window, the debtor and the currency of the first",
        ),
        (
            changed(|i| i.amount = 0),
            european(),
            "01H455VB4PEX5VSKNK084SN02Q-2-1 is not above zero, or has more than 18 digits",
        ),
        (twice, european(), "01H455VB4PEX5VSKNK084SN02Q-1-1 is there twice"),
        (
            large,
            european(),
            "all payments together have more than 18 digits: order them in several files",
        ),
        (own, european(), "alliance would pay itself"),
        (good.clone(), missing, "cedar-hotels has no bank account"),
        (of("alliance", "CNY"), european(), "SEPA credit transfers are in euro, not in CNY"),
        (
            good.clone(),
            with("cedar-hotels", far),
            "the account of cedar-hotels has no IBAN of a SEPA country",
        ),
        (
            good.clone(),
            with("cedar-hotels", other),
            "the account of cedar-hotels has no IBAN of a SEPA country",
        ),
        (
            good.clone(),
            with("cedar-hotels", chinese),
            "name or town of cedar-hotels: '北' has no Latin spelling that SEPA files take: give the account's name in Latin",
        ),
    ];
    for (instructions, accounts, wanted) in cases {
        let mut file = Vec::new();
        let order = Order {
            accounts: &accounts,
            created: created(),
            instructions: &instructions,
            scheme: Scheme::Sepa,
        };
        assert_eq!(write(&order, &mut file).unwrap_err().to_string(), wanted);
        assert!(file.is_empty());
    }
    for outside in [far, other] {
        let accounts = with("cedar-hotels", outside);
        assert_eq!(Scheme::fitting(&good, &accounts), Scheme::Agreed);
    }
}

/// Text of every element of a name, with an own eye: no reader of the product.
fn values<'a>(file: &'a str, name: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    file.split(&open).skip(1).map(|rest| rest.split_once(&close).unwrap().0).collect()
}

/// All text of a file, and its namespace; as any reader of XML has it.
fn texts(file: &str) -> Vec<String> {
    let mut reader = Reader::from_str(file);
    let mut texts = Vec::new();
    let mut text = String::new();
    loop {
        match reader.read_event().unwrap() {
            Event::Text(piece) => text.push_str(&piece),
            Event::GeneralRef(reference) => text.push(match &*reference {
                "amp" => '&',
                "lt" => '<',
                "gt" => '>',
                "quot" => '"',
                "apos" => '\'',
                other => panic!("{other}"),
            }),
            Event::End(_) => texts.push(std::mem::take(&mut text)),
            Event::Start(start) if start.name().0 == "Document" => {
                let namespace = start.try_get_attribute("xmlns").unwrap().unwrap();
                assert_eq!(&*namespace.value, NAMESPACE);
            }
            Event::Eof => return texts,
            _ => text.clear(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever a name is, the file is valid, and says it as it is.
    #[test]
    fn any_name_stands_in_a_valid_file(name in "[\\PC&&[^\u{FFFE}\u{FFFF}]]{1,140}") {
        let json = serde_json::json!({
            "name": name, "country": "CN", "other": "6222-1", "bic": "BKCHCNBJ",
        });
        let account: Result<BankAccount, _> = serde_json::from_value(json);
        prop_assume!(account.is_ok());
        let mut accounts = accounts();
        accounts.insert(party("cedar-hotels"), account.unwrap());
        let (_, file) = written(&of("alliance", "CNY"), &accounts, Scheme::Agreed).unwrap();
        prop_assert_eq!(schema_says(SCHEMA, file.as_bytes()), None);
        prop_assert!(texts(&file).contains(&name), "{} not in {}", name, file);
    }
}

proptest! {
    #[test]
    fn sepa_letters_are_all_that_is_left(name in "[A-Za-zÀ-ž&_ 北]{1,75}") {
        match sepa(&name) {
            Ok(spelled) => {
                let known = |c: char| c.is_ascii_alphanumeric() || SEPA.contains(c);
                prop_assert!(spelled.chars().all(known));
                prop_assert_eq!(spelled.chars().count(), name.chars().count());
                prop_assert_eq!(sepa(&spelled), Ok(spelled.clone()));
            }
            Err(LettersFault::Long) => prop_assert!(name.chars().count() > MAX_SEPA_NAME_CHARS),
            Err(LettersFault::Letter(c)) => prop_assert!(name.contains(c) && !c.is_ascii()),
        }
    }
}
