//! `alliance rates`, as an operator meets it: the real binary on SQLite.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use super::harness::{Alliance, Engine, Folder, alliance, alliance_ok, block_on};
use alliance_contracts::observation::{FeedKind, Observation};

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(output: &Output) -> Value {
    let text = stdout(output);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Two partners, a program each, a fee of a hundredth; a board takes effect after a second.
struct Office {
    folder: Folder,
    dir: String,
}

impl Office {
    fn new(name: &str) -> Self {
        let folder = Folder::new(name);
        let dir = folder.path().join("northern").to_str().unwrap().to_owned();
        alliance_ok(&["init", &dir]);
        for (partner, program, value) in
            [("aurora-air", "aurora", "0.05"), ("cedar-hotels", "cedar", "1")]
        {
            let named = ["partner", "add", partner, "--name", partner, "--program", program];
            let terms = ["--value", value, "--scale", "0", "--fee", "0.01", "--dir", &dir];
            alliance_ok(&[&named[..], &terms].concat());
        }
        let file = Path::new(&dir).join("alliance.toml");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{text}\n[rates]\nnotice_seconds = 1\n")).unwrap();
        let office = Self { folder, dir };
        // With the second partner came a board that has what the two agreed on.
        assert_eq!(office.ok_json(&["show"])["board"], 2);
        office
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Runs `alliance rates`; text and exit code.
    fn rates(&self, args: &[&str]) -> (Output, Option<i32>) {
        let output = alliance(&[&["rates"], args, &["--dir", &self.dir]].concat());
        let code = output.status.code();
        (output, code)
    }

    fn ok(&self, args: &[&str]) -> String {
        let (output, code) = self.rates(args);
        assert_eq!(code, Some(0), "{args:?}: {}{}", stdout(&output), stderr(&output));
        stdout(&output)
    }

    fn ok_json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[args, &["--json"]].concat())).unwrap()
    }

    /// Every fault, with the exit code.
    fn refused(&self, args: &[&str]) -> (Vec<String>, Option<i32>) {
        let (output, code) = self.rates(&[args, &["--json"]].concat());
        let error = json(&output)["error"].clone();
        let faults = error["faults"].as_array().cloned().unwrap_or_default();
        let mut told: Vec<String> =
            faults.iter().map(|fault| fault.as_str().unwrap().to_owned()).collect();
        if told.is_empty() {
            told.push(error["message"].as_str().unwrap().to_owned());
        }
        (told, code)
    }

    fn value(&self, program: &str) -> String {
        let shown = self.ok_json(&["show"]);
        let values = shown["values"].as_array().unwrap().clone();
        let line = values.iter().find(|line| line["program"] == program).unwrap();
        line["value"].as_str().unwrap().to_owned()
    }

    /// Publishes, and waits until the board holds.
    fn publish(&self) -> Value {
        let published = self.ok_json(&["publish"]);
        if let Some(board) = published["board"].as_u64() {
            while self.ok_json(&["show"])["board"].as_u64() != Some(board) {
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
        }
        published
    }
}

#[test]
fn an_operator_sees_what_holds_and_why() {
    let office = Office::new("rates-show");
    let nothing = office.ok_json(&["publish"]);
    assert_eq!(nothing["published"], false);
    let text = office.ok(&["show"]);
    for word in ["Board 2", "aurora", "0.025 to 0.1", "No board after it"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    // A feed with a weight.
    let file = Path::new(&office.dir).join("alliance.toml");
    let text = fs::read_to_string(&file).unwrap();
    let model = "\nvalue = \"0.05\"\nmodel.band = { min = \"0.04\", max = \"0.06\" }\n\
                 model.weights = { base = \"0.5\", cost = \"0.5\" }";
    fs::write(&file, text.replacen("\nvalue = \"0.05\"", model, 1)).unwrap();
    let feeds = "program,feed,value,observed_at\naurora,cost,0.058,2026-11-01T00:00:00.000Z\n";
    office.ok(&["observe", &office.file("feeds.csv", feeds)]);
    let published = office.publish();
    assert_eq!((&published["published"], &published["board"]), (&Value::Bool(true), &3.into()));
    let moved = &published["values"][0];
    assert_eq!((moved["program"].as_str(), moved["from"].as_str()), (Some("aurora"), Some("0.05")));
    let value = office.value("aurora");
    assert_eq!(moved["to"], value.as_str());
    let explained = office.ok(&["explain", "aurora"]);
    for word in [
        "aurora on board 3",
        "(0.5 × 0.05 + 0.5 × 0.058) / 1 = 0.054",
        "0.054 held in 0.04 to 0.06 = 0.054",
        "|0.054 − 0.05| ×",
        "2026-11-01T00:00:00.000Z",
        "Computed again: what the board says",
        "aurora → cedar",
    ] {
        assert!(explained.contains(word), "{word}: {explained}");
    }
    let first = office.ok_json(&["explain", "aurora", "--board", "1"]);
    assert_eq!((&first["board"], &first["valuation"]["value"]), (&1.into(), &"0.05".into()));
    let history = office.ok_json(&["history", "aurora"]);
    let boards: Vec<u64> = history["values"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| l["board"].as_u64().unwrap())
        .collect();
    assert_eq!(boards, [3, 2, 1]);
    assert_eq!(history["values"][0]["value"], value.as_str());
    for wrong in [&["explain", "zeppelin"][..], &["explain", "aurora", "--board", "9"]] {
        assert_eq!(office.refused(wrong).1, Some(2), "{wrong:?}");
    }
}

#[test]
fn a_file_of_readings_is_taken_whole_or_not_at_all() {
    let office = Office::new("rates-observe");
    let bad = "program,feed,value,observed_at\n\
               aurora,cost,0.05,2026-11-01T00:00:00.000Z\n\
               aurora,cost,NaN,2026-11-02T00:00:00.000Z\n\
               zeppelin,price,0,yesterday\n";
    let (faults, code) = office.refused(&["observe", &office.file("bad.csv", bad)]);
    assert_eq!(code, Some(1));
    assert_eq!(faults.len(), 4, "{faults:?}");
    assert!(faults[0].starts_with("line 3: value NaN"), "{faults:?}");
    // Nothing of it is there: the same time with another value is taken.
    let good = "program,feed,value,observed_at\naurora,cost,0.06,2026-11-01T00:00:00.000Z\n";
    let observed = office.ok_json(&["observe", &office.file("good.csv", good)]);
    assert_eq!(observed["readings"], 1);
    office.ok(&["observe", &office.file("again.csv", good)]);
}

#[test]
fn a_long_step_needs_a_second_person_and_comes_once() {
    let office = Office::new("rates-propose");
    let file =
        office.file("revalue.toml", "[[values]]\nprogram = \"aurora\"\nvalue = \"0.0504\"\n");
    let small = office.ok_json(&["propose", &file, "--as", "ann"]);
    assert_eq!(small["proposal"]["state"], "approved");
    assert_eq!(small["proposal"]["approved_by_size"], true);
    office.ok(&["withdraw", "1", "--as", "Ann"]);
    let file = office.file(
        "long.json",
        r#"{"values": [{"program": "aurora", "value": "0.0501"}, {"program": "cedar", "value": "1.2"}], "why": "revalued"}"#,
    );
    let long = office.ok_json(&["propose", &file, "--as", "ann"]);
    assert_eq!(
        (&long["proposal"]["state"], &long["proposal"]["number"]),
        (&"waiting".into(), &2.into())
    );
    assert_eq!(long["reasons"].as_array().unwrap().len(), 1);
    let remarks = long["remarks"].to_string();
    assert!(remarks.contains("multiplies by") && remarks.contains("cedar was halved"), "{remarks}");
    // Nothing comes of it while nobody has approved it, and its own maker is nobody.
    assert_eq!(office.publish()["published"], false);
    for own in ["ann", "ANN"] {
        let (faults, code) = office.refused(&["approve", "2", "--as", own]);
        assert!(code == Some(1) && faults[0].contains("a second person"), "{faults:?}");
    }
    let approved = office.ok(&["approve", "2", "--as", "bob"]);
    assert!(approved.contains("is approved by bob"), "{approved}");
    let published = office.publish();
    assert_eq!(published["board"], 3, "{published}");
    assert_eq!(office.value("aurora"), "0.0501");
    let cedar = office.value("cedar");
    assert!(!["1", "1.2"].contains(&cedar.as_str()), "it goes as far as nobody gains: {cedar}");
    let listed = office.ok(&["proposals"]);
    for word in ["applied on board 3", "withdrawn", "bob", "revalued", "cedar goes to 1.2"] {
        assert!(listed.contains(word), "{word}: {listed}");
    }
    let (faults, code) = office.refused(&["withdraw", "2", "--as", "ann"]);
    assert_eq!((faults, code), (vec!["proposal 2 is applied".to_owned()], Some(1)));
    let explained = office.ok(&["explain", "cedar"]);
    assert!(explained.contains("approved"), "{explained}");
}

#[test]
fn everything_that_is_wrong_with_a_proposal_is_told() {
    let office = Office::new("rates-faults");
    let bad = "[[values]]\nprogram = \"aurora\"\nvalue = \"9\"\n\
               [[values]]\nprogram = \"zeppelin\"\nvalue = \"1\"\n\
               [[release]]\nsource = \"aurora\"\ntarget = \"cedar\"\n";
    let (faults, code) = office.refused(&["propose", &office.file("bad.toml", bad), "--as", "ann"]);
    assert_eq!((faults.len(), code), (3, Some(1)), "{faults:?}");
    assert!(faults[0].contains("outside the band"), "{faults:?}");
    let unknown = office.file("unknown.toml", "[[value]]\nprogram = \"aurora\"\n");
    let (faults, code) = office.refused(&["propose", &unknown, "--as", "ann"]);
    assert!(code == Some(1) && faults[0].contains("line 1"), "{faults:?}");
    let (_, code) = office.rates(&["propose", &unknown, "--as", "Ann Example"]);
    assert_eq!(code, Some(2), "a name is one word");
    assert_eq!(office.refused(&["approve", "7", "--as", "bob"]).1, Some(1));
}

#[test]
fn rates_of_a_file_are_proved_without_an_instance() {
    let folder = Folder::new("rates-check");
    let file = |name: &str, fee: &str| {
        let path = folder.path().join(name);
        let programs = [("aurora", "0.05"), ("borealis", "0.1"), ("cedar", "1")];
        let mut text: String = programs
            .map(|(program, value)| {
                format!("[[programs]]\nprogram = \"{program}\"\nvalue = \"{value}\"\n")
            })
            .concat();
        for (source, target) in [("aurora", "borealis"), ("borealis", "cedar"), ("cedar", "aurora")]
        {
            text.push_str(&format!(
                "[[pairs]]\nsource = \"{source}\"\ntarget = \"{target}\"\nfee = \"{fee}\"\n"
            ));
        }
        text.push_str("multiplier = \"1.02\"\n");
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let good = alliance(&["rates", "check", &file("good.toml", "0.01")]);
    assert_eq!(good.status.code(), Some(0), "{}", stderr(&good));
    assert!(stdout(&good).contains("Nobody gains by going round"), "{}", stdout(&good));
    // 0.999³ × 1.02 = 1.0169…
    let gain = alliance(&["rates", "check", &file("gain.toml", "0.001"), "--json"]);
    assert_eq!(gain.status.code(), Some(1));
    let gain = json(&gain);
    assert_eq!((&gain["ok"], gain["product"].as_str()), (&Value::Bool(false), Some("1.01694")));
    let told = gain["gain"].as_str().unwrap();
    assert!(told.starts_with("aurora → borealis") && told.contains("multiplier 1.02"), "{told}");
    let bad = folder.path().join("bad.toml");
    let text = "surplus = 1\n[[programs]]\nprogram = \"aurora\"\nvalue = 0.05\n\
                [[pairs]]\nsource = \"aurora\"\ntarget = \"nobody\"\nfee = \"1\"\ntax = \"0\"\n";
    fs::write(&bad, text).unwrap();
    let bad = alliance(&["rates", "check", bad.to_str().unwrap(), "--json"]);
    assert_eq!(bad.status.code(), Some(1));
    let faults = json(&bad)["error"]["faults"].as_array().unwrap().len();
    assert_eq!(faults, 6, "{}", stdout(&bad));
}

#[test]
fn rates_of_a_file_are_laid_over_the_board_in_force() {
    let office = Office::new("rates-over");
    let pair = |fee: &str| {
        let ends = "[[pairs]]\nsource = \"cedar\"\ntarget = \"aurora\"\n";
        format!("{ends}fee = \"{fee}\"\nmultiplier = \"1.02\"\n")
    };
    let good = office.ok(&["check", &office.file("good.toml", &pair("0.02"))]);
    assert!(good.contains("2 programs and 2 directions"), "{good}");
    let (output, code) = office.rates(&["check", &office.file("gain.toml", &pair("0"))]);
    assert_eq!(code, Some(1));
    assert!(stdout(&output).contains("multiplies by 1.0098"), "{}", stdout(&output));
    let stranger = "[[programs]]\nprogram = \"zeppelin\"\nvalue = \"1\"\n";
    assert_eq!(office.refused(&["check", &office.file("stranger.toml", stranger)]).1, Some(1));
}

#[test]
fn what_a_partner_reports_by_the_sdk_stands_beside_what_an_operator_imports() {
    let alliance = Alliance::new("rates-sdk", Engine::Sqlite);
    let gateway = alliance.serve();
    let client = alliance.client("aurora-air", &gateway);
    let reading = |value: &str| Observation {
        feed: FeedKind::Cost,
        observed_at: "2026-11-01T00:00:00.000Z".parse().unwrap(),
        program: "aurora".parse().unwrap(),
        value: value.parse().unwrap(),
    };
    let accepted = block_on(client.observe(&[reading("0.05")]).send()).unwrap();
    assert_eq!(accepted.body.accepted, 1);
    let refused = block_on(client.observe(&[reading("0"), reading("0.051")]).send()).unwrap_err();
    let told = format!("{refused:?}");
    assert!(told.contains("/observations/0/value"), "{told}");
    assert!(told.contains("/observations/1/observed_at"), "{told}");
    assert_eq!(gateway.terminate(), Some(0));
    alliance.assert_audit_clean();
}
