//! Files as banks take and give them, held against the published schemas by libxml2.

mod camt;
mod pain001;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use alliance_contracts::names::Party;
use alliance_contracts::total::Total;
use alliance_settlement::payments::accounts::BankAccount;
use alliance_settlement::payments::instructions::{PaymentInstruction, instruct};
use alliance_settlement::payments::rounding::{Position, through_alliance};

/// The page of these files.
const PAGE: &str = include_str!("../../../docs/formats/bank-files.md");

/// The first fenced block of a kind on the page.
fn of_the_page(kind: &str) -> &'static str {
    let opening = format!("```{kind}\n");
    let (_, rest) = PAGE.split_once(opening.as_str()).unwrap_or_else(|| panic!("no {kind}"));
    rest.split_once("```").unwrap().0
}

fn party(name: &str) -> Party {
    name.parse().unwrap()
}

/// The page's accounts.
fn accounts() -> BTreeMap<Party, BankAccount> {
    toml::from_str(of_the_page("toml bank-accounts")).unwrap()
}

/// The page's first window: 1 and 2 by the alliance to borealis-coffee and cedar-hotels, 3 by
/// aurora-air to the alliance.
fn instructions(currency: &str) -> Vec<PaymentInstruction> {
    let position = |(partner, activity): (&str, &str)| Position {
        partner: partner.parse().unwrap(),
        opening: Total::ZERO,
        activity: activity.parse().unwrap(),
    };
    let positions =
        [("aurora-air", "-30.505"), ("borealis-coffee", "20.255"), ("cedar-hotels", "10.009999")];
    let settlement =
        through_alliance(&currency.parse().unwrap(), &positions.map(position)).unwrap();
    let window = "win_01h455vb4pex5vsknk084sn02q".parse().unwrap();
    instruct(&settlement, window, "2026-11-27".parse().unwrap()).unwrap()
}

/// What is wrong with a file by a published schema, as libxml2 reads both; nothing where it is
/// valid.
fn schema_says(schema: &str, file: &[u8]) -> Option<String> {
    let folder = std::env::var("ALLIANCE_TEST_BANK_SCHEMAS")
        .expect("ALLIANCE_TEST_BANK_SCHEMAS names the folder of the schemas: run tests/run");
    let schema = Path::new(&folder).join(schema);
    assert!(schema.is_file(), "{} is missing: run tests/run", schema.display());
    let mut xmllint = Command::new("xmllint")
        .args(["--noout", "--nonet", "--schema"])
        .arg(schema)
        .arg("-")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("xmllint is there: tests/run installs it");
    xmllint.stdin.take().unwrap().write_all(file).unwrap();
    let output = xmllint.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (!output.status.success()).then_some(said)
}
