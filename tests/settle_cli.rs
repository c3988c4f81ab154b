//! `alliance settle`, as an accountant meets it: the real binary, files, no database.

use std::fs;
use std::process::Output;

use serde_json::Value;

use super::harness::{Folder, alliance};

const DEBTS: &str = "debtor,creditor,amount\naurora-air,borealis-coffee,60\n\
aurora-air,borealis-coffee,40\nborealis-coffee,cedar-hotels,80\ncedar-hotels,aurora-air,70\n\
aurora-air,alliance,1.5\n";

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A folder of files, and the command run on them.
struct Desk(Folder);

impl Desk {
    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn settle(args: &[&str]) -> (Output, Option<i32>) {
        let output = alliance(&[&["settle"], args].concat());
        let code = output.status.code();
        (output, code)
    }
}

#[test]
fn debts_of_a_file_are_netted_compared_and_proved() {
    let desk = Desk(Folder::new("settle-net"));
    let debts = desk.file("debts.csv", DEBTS);
    let certificate = desk.0.path().join("netting.json");
    let certificate = certificate.to_str().unwrap();

    let (output, code) = Desk::settle(&["net", &debts, "--certificate", certificate]);
    assert_eq!(code, Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    let line = |begins: &str| -> Vec<String> {
        let line = text.lines().find(|line| line.trim_start().starts_with(begins)).unwrap();
        line.split_whitespace().map(str::to_owned).collect()
    };
    assert_eq!(line("gross")[1..5], ["4", "251.5", "0.0", "%"]);
    assert_eq!(line("bilateral")[1..5], ["4", "251.5", "0.0", "%"]);
    assert_eq!(line("set-off")[1..5], ["3", "41.5", "83.4", "%"]);
    assert_eq!(line("multilateral")[1..5], ["3", "61.5", "75.5", "%"]);
    assert_eq!(line("aurora-air")[1], "-31.5");

    let (output, code) = Desk::settle(&["check", certificate]);
    assert_eq!(code, Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("The certificate proves itself"));

    // One unit more to somebody, and it proves nothing.
    let text = fs::read_to_string(certificate).unwrap();
    let changed = text.replace("[2,3,\"10\"]", "[2,3,\"11\"]");
    assert_ne!(text, changed);
    let forged = desk.file("forged.json", &changed);
    let (output, code) = Desk::settle(&["check", &forged, "--json"]);
    assert_eq!(code, Some(1));
    let told: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(told["ok"], false);
    assert_eq!(told["fault"], "set-off changes the net of borealis-coffee");
}

#[test]
fn every_bad_row_is_told_at_once_and_nothing_is_written() {
    let desk = Desk(Folder::new("settle-bad"));
    let rows = "debtor,creditor,amount\naa,bb,1\naa,aa,1\nAA,bb,1\naa,bb,1e5\naa,bb,0\naa,bb\n";
    let debts = desk.file("debts.csv", rows);
    let certificate = desk.0.path().join("netting.json");
    let (output, code) =
        Desk::settle(&["net", &debts, "--certificate", certificate.to_str().unwrap()]);
    let told = stderr(&output);
    assert_eq!(code, Some(1), "{told}");
    for line in [
        "5 bad rows",
        "line 3: aa owes itself",
        "line 4: debtor: a party must match",
        "line 5: amount \"1e5\"",
        "line 6: amount: nothing is owed",
        "line 7: 2 fields instead of 3",
    ] {
        assert!(told.contains(line), "{line} in: {told}");
    }
    assert!(!certificate.exists());

    let other = desk.file("other.csv", "from,to,amount\n");
    let (output, code) = Desk::settle(&["net", &other]);
    assert_eq!(code, Some(1));
    assert!(stderr(&output).contains("the first line must be debtor,creditor,amount"));
    let (output, code) = Desk::settle(&["check", &other]);
    assert_eq!(code, Some(1), "{}", stderr(&output));
    let (_, code) = Desk::settle(&["net", "/nowhere/debts.csv"]);
    assert_eq!(code, Some(2));
}

#[test]
fn the_day_that_money_is_good_is_told_with_whether_it_may_move() {
    let due = |args: &[&str]| {
        let (output, code) = Desk::settle(&[&["due"], args, &["--json"]].concat());
        assert_eq!(code, Some(0), "{}", stderr(&output));
        let told: Value = serde_json::from_str(&stdout(&output)).unwrap();
        (told["due"].as_str().unwrap().to_owned(), told["provisional"].as_bool().unwrap())
    };
    let day = |text: &str, provisional| (text.to_owned(), provisional);
    assert_eq!(due(&["2026-02-13", "--calendar", "cn"]), day("2026-02-24", false));
    let both = ["2026-04-02", "--days", "1", "--calendar", "cn", "--calendar", "target"];
    assert_eq!(due(&both), day("2026-04-07", false));
    assert_eq!(due(&["2026-12-31", "--calendar", "cn"]), day("2027-01-04", true));

    let desk = Desk(Folder::new("settle-due"));
    let sundays = desk.file(
        "sundays.json",
        "{\"v\":1,\"calendar\":\"sundays\",\"name\":\"\",\"source\":\"\",\"rest_days\":[\"sunday\"],\
         \"holidays\":[],\"working_days\":[],\"published_from\":\"2026-01-01\",\
         \"published_until\":\"2026-12-31\"}",
    );
    assert_eq!(
        due(&["2026-11-20", "--days", "1", "--calendar", &sundays]),
        day("2026-11-21", false)
    );

    let (output, code) = Desk::settle(&["due", "2026-02-30", "--calendar", "cn"]);
    assert_eq!(code, Some(2), "{}", stderr(&output));
    let (output, code) = Desk::settle(&["due", "2026-02-13", "--calendar", "mars"]);
    assert_eq!(code, Some(2));
    assert!(stderr(&output).contains("no calendar mars: there are cn and target"));
}
