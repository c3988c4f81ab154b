//! The exported journal, proved by the tools that it is written for: hledger and beancount find it
//! in order, and find every line that is changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use alliance_contracts::names::SourceReference;
use alliance_partner_sdk::client::Client;
use serde_json::Value;

use super::harness::{Alliance, Engine, Folder, Gateway, alliance, alliance_ok, block_on, quote};

const CORRIDOR: &str = "aurora-air~borealis-coffee";

/// A run of a tool; whether it found all in order.
fn runs(command: &mut Command) -> (bool, String) {
    let name = format!("{command:?}");
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{name}: {error}: run tests/run"));
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// Whether hledger finds a journal in order, and what it says.
pub fn hledger(journal: &Path) -> (bool, String) {
    runs(Command::new("hledger").args(["check", "--strict", "--file"]).arg(journal))
}

fn bean_check(journal: &Path) -> (bool, String) {
    let program = std::env::var("ALLIANCE_TEST_BEAN_CHECK")
        .expect("ALLIANCE_TEST_BEAN_CHECK names beancount's checker: run tests/run");
    // Without its cache: a changed file of the same length and second is another file.
    runs(Command::new(program).arg("--no-cache").arg(journal))
}

/// A file that was changed here, beside the one that was not.
fn changed(file: &Path, from: &str, to: &str) -> PathBuf {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{from} is not in {}", file.display());
    let forged = file.with_extension("forged");
    fs::write(&forged, text.replacen(from, to, 1)).unwrap();
    forged
}

/// The last amount of a journal's line that begins so, one unit of its last decimal more.
fn one_more(file: &Path, begins: &str, asset: &str) -> PathBuf {
    let text = fs::read_to_string(file).unwrap();
    let line = text.lines().rfind(|line| line.trim_start().starts_with(begins)).unwrap();
    let words: Vec<&str> = line.split(' ').collect();
    let at = words.iter().rposition(|word| word.ends_with(|c: char| c.is_ascii_digit())).unwrap();
    assert!(line.contains(asset), "{line}");
    let (amount, (head, last)) = (words[at], words[at].split_at(words[at].len() - 1));
    let next = char::from(b'0' + (last.as_bytes()[0] - b'0' + 1) % 10);
    changed(file, line, &line.replacen(amount, &format!("{head}{next}"), 1))
}

fn json(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr))
    })
}

/// Exchanges in both directions and a reversal.
fn live(alliance: &Alliance, gateway: &Gateway) {
    let aurora = alliance.client("aurora-air", gateway);
    let borealis = alliance.client("borealis-coffee", gateway);
    let there = alliance.pairs("aurora", "borealis");
    let back = alliance.pairs("borealis", "aurora");
    block_on(async {
        let exchange = async |client: &Client, pair, points: &str, name: &str| {
            let quote = quote(client, pair, points).await;
            let reference: SourceReference = name.parse().unwrap();
            client.transact(&quote, reference).await.unwrap()
        };
        let first = exchange(&aurora, &there[0], "1001", "a-1").await;
        exchange(&aurora, &there[1], "777", "a-2").await;
        exchange(&borealis, &back[2], "333", "b-1").await;
        let (reference, reason) = ("back".parse().unwrap(), "customer_request".parse().unwrap());
        borealis.reverse(first.id, reference, reason).await.unwrap();
    });
}

struct Desk {
    alliance: Alliance,
    folder: Folder,
}

impl Desk {
    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Exports so; what it says, and the file.
    fn export(&self, name: &str, args: &[&str]) -> (Value, PathBuf) {
        let (code, said, file) = self.try_export(name, args);
        assert_eq!(code, Some(0), "{said}");
        (said, file)
    }

    fn try_export(&self, name: &str, args: &[&str]) -> (Option<i32>, Value, PathBuf) {
        let file = self.file(name);
        let out = file.to_str().unwrap();
        let command = [&["export", "--json", "--force", "--out", out], args].concat();
        let output = self.alliance.run(&command);
        (output.status.code(), json(&output), file)
    }
}

fn journals_prove_the_books(engine: Engine) {
    let name = if engine == Engine::Sqlite { "journal-lite" } else { "journal-pg" };
    let desk = Desk { alliance: Alliance::new(name, engine), folder: Folder::new(name) };
    let gateway = desk.alliance.serve();
    live(&desk.alliance, &gateway);

    // While the gateway runs, and members folded or not.
    for members in ["none", "pseudonym"] {
        let (said, file) = desk.export("h.journal", &["--format", "hledger", "--members", members]);
        assert_eq!((&said["receipts"], &said["proved_by"]), (&4.into(), &"books".into()));
        let (good, told) = hledger(&file);
        assert!(good, "{told}");
        let forged = [
            one_more(&file, "assets:positions:aurora-air", "CNY"),
            one_more(&file, "assets:members:aurora ", "\"aurora\""),
            changed(&file, "account assets:alliance:fees\n", ""),
        ];
        for (at, forged) in forged.iter().enumerate() {
            let (good, _) = hledger(forged);
            assert!(!good, "hledger passes change {at}");
        }

        let (_, file) =
            desk.export("b.beancount", &["--format", "beancount", "--members", members]);
        let (good, told) = bean_check(&file);
        assert!(good, "{told}");
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(text.contains("Assets:Members:Aurora:M"), members == "pseudonym");
        let (good, _) = bean_check(&changed(&file, " CNY\n", "1 CNY\n"));
        assert!(!good, "bean-check passes another amount");
    }

    // A part: what was before is in the openings.
    let text = fs::read_to_string(desk.file("h.journal")).unwrap();
    let third = text.lines().filter_map(|line| line.trim().strip_prefix("; completed-at: "));
    let mut times: Vec<&str> = third.collect();
    times.sort_unstable();
    for span in [vec!["--after", times[2]], vec!["--until", times[2]], vec!["--after", times[3]]] {
        let (said, file) =
            desk.export("p.journal", &[&["--format", "hledger"], &span[..]].concat());
        assert_eq!(said["proved_by"], "books");
        assert!(said["receipts"].as_u64().unwrap() < 4, "{said}");
        assert!(hledger(&file).0, "{span:?}");
        let (_, file) =
            desk.export("p.beancount", &[&["--format", "beancount"], &span[..]].concat());
        assert!(bean_check(&file).0, "{span:?}");
    }

    // One corridor, out of the books and out of its receipts.
    let (said, file) = desk.export("c.journal", &["--format", "hledger", "--corridor", CORRIDOR]);
    assert_eq!((&said["receipts"], &said["proved_by"]), (&4.into(), &"receipts".into()));
    assert!(hledger(&file).0);
    let receipts = desk.file("receipts.ndjson");
    let receipts = receipts.to_str().unwrap();
    let exported = ["receipts", "export", "--corridor", CORRIDOR, "--out", receipts];
    assert!(desk.alliance.run(&exported).status.success());
    let jwks = desk.alliance.dir().join("jwks.json");
    for (format, file) in [("hledger", "f.journal"), ("beancount", "f.beancount")] {
        let file = desk.file(file);
        let out = file.to_str().unwrap();
        let jwks = jwks.to_str().unwrap();
        let from = ["export", "--format", format, "--receipts", receipts, "--jwks", jwks];
        alliance_ok(&[&from[..], &["--out", out]].concat());
        let (good, told) = if format == "hledger" { hledger(&file) } else { bean_check(&file) };
        assert!(good, "{told}");
        // A file that was changed is no journal.
        let forged = changed(Path::new(receipts), "\"seq\":2", "\"seq\":7");
        let forged = forged.to_str().unwrap();
        let from = ["export", "--format", format, "--receipts", forged, "--jwks", jwks];
        let refused = alliance(&[&from[..], &["--out", out, "--force"]].concat());
        assert_eq!(refused.status.code(), Some(1));
    }
    assert_eq!(gateway.terminate(), Some(0));
    desk.alliance.assert_audit_clean();
}

#[test]
fn journals_prove_the_books_of_sqlite() {
    journals_prove_the_books(Engine::Sqlite);
}

#[test]
fn journals_prove_the_books_of_postgres() {
    journals_prove_the_books(Engine::Postgres);
}

#[test]
fn books_that_differ_are_told_and_a_file_that_is_there_is_left_alone() {
    let desk = Desk {
        alliance: Alliance::new("journal-differ", Engine::Sqlite),
        folder: Folder::new("journal-differ"),
    };
    // Imported members and no receipt: openings and balances alone.
    let (said, file) = desk.export("h.journal", &["--format", "hledger"]);
    assert_eq!((&said["receipts"], &said["ok"]), (&0.into(), &true.into()));
    assert!(hledger(&file).0);
    let again = ["export", "--format", "csv", "--out", file.to_str().unwrap()];
    assert_eq!(desk.alliance.run(&again).status.code(), Some(2));

    let database = desk.alliance.dir().join("alliance.db");
    assert!(database.exists(), "{}", database.display());
    let statement = "UPDATE balances SET balance = balance + 1 WHERE member = 1";
    let (done, told) = runs(Command::new("sqlite3").arg(&database).arg(statement));
    assert!(done, "{told}");
    let (code, said, file) = desk.try_export("h.journal", &["--format", "hledger"]);
    assert_eq!((code, &said["ok"]), (Some(1), &false.into()));
    assert_eq!(said["differences"].as_array().unwrap().len(), 1, "{said}");
    assert!(!hledger(&file).0, "the tool says it as well");
}

#[test]
fn postings_as_csv_are_counted_and_no_cell_is_a_formula() {
    let desk = Desk {
        alliance: Alliance::new("journal-csv", Engine::Sqlite),
        folder: Folder::new("journal-csv"),
    };
    let gateway = desk.alliance.serve();
    live(&desk.alliance, &gateway);
    let (said, file) = desk.export("p.csv", &["--format", "csv", "--bom"]);
    let text = fs::read_to_string(file).unwrap();
    let rows: Vec<Vec<&str>> = text
        .strip_prefix('\u{feff}')
        .expect("it begins with the mark")
        .lines()
        .map(|line| line.split(',').collect())
        .collect();
    let columns = rows[0].len();
    assert!(rows.iter().all(|row| row.len() == columns));
    let neutral = |cell: &&str| !cell.starts_with(['=', '+', '-', '@', '\t', '\r', ' ', '"']);
    assert!(rows.iter().flatten().all(neutral));
    let postings = rows[1..].iter().filter(|row| !row[0].starts_with('<')).count();
    assert_eq!(said["postings"], postings);
    let end = rows.last().unwrap();
    let counted = (end[0], end[1], end[11]);
    assert_eq!(counted, ("<END>", "4", postings.to_string().as_str()));
    // The totals are those of the rows: of each asset, in minor units of six decimals.
    let micros = |text: &str| {
        let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
        format!("{whole}{rest:0<6}").parse::<u64>().unwrap()
    };
    for total in rows.iter().filter(|row| row[0] == "<TOTAL>") {
        let of = rows[1..].iter().filter(|row| !row[0].starts_with('<') && row[14] == total[14]);
        assert_eq!(of.map(|row| micros(row[15])).sum::<u64>(), micros(total[15]), "{total:?}");
    }
}

/// What the page shows is what the tools take.
#[test]
fn the_pages_examples_are_in_order() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/formats/journal.md");
    let page = fs::read_to_string(page).unwrap();
    let folder = Folder::new("journal-page");
    for (kind, check) in [
        ("journal-hledger", hledger as fn(&Path) -> (bool, String)),
        ("journal-beancount", bean_check),
    ] {
        let (_, rest) = page.split_once(&format!("```text {kind}\n")).unwrap();
        let (text, _) = rest.split_once("```").unwrap();
        let file = folder.path().join(kind);
        fs::write(&file, text).unwrap();
        let (good, told) = check(&file);
        assert!(good, "{told}");
    }
}
