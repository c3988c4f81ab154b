//! Two commands of partners with the real binary: `alliance events`, which reads a feed from the
//! books, and `alliance consents`, which asks the gateway through the SDK.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use alliance_contracts::debit_consent::ConsentView;
use alliance_contracts::event::Event;
use alliance_contracts::quote::Quote;
use alliance_partner_sdk::Error;
use alliance_partner_sdk::client::Client;
use alliance_partner_sdk::verify::consent::verify_consent;
use serde_json::Value;

use crate::harness::{ALLIANCE, Alliance, Engine, Gateway, alliance, block_on, quote};

const AURORA: &str = "aurora-air";
const BOREALIS: &str = "borealis-coffee";

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn ok(output: Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
    stdout(&output)
}

fn ok_json(output: Output) -> Value {
    serde_json::from_str(&ok(output)).unwrap()
}

fn refused(output: &Output, code: i32, words: &[&str]) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{}{said}", stdout(output));
    assert!(words.iter().all(|word| said.contains(word)), "{words:?}: {said}");
}

/// Exchanges 20 points, under this reference.
async fn order(world: &Alliance, client: &Client, reference: &str) {
    let pair = world.pairs("aurora", "borealis").remove(0);
    let quote = quote(client, &pair, "20").await;
    client.transact(&quote, reference.parse().unwrap()).await.unwrap();
}

// ------------------------------------------------------------------------------ events

/// `alliance events tail`, which goes on until it is told to end.
struct Tail {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Tail {
    /// Starts. One that speaks to people says from where on it looks, before anything comes.
    fn start(world: &Alliance, more: &[&str]) -> Self {
        let mut child = Command::new(ALLIANCE)
            .args(["events", "tail", "--partner", AURORA])
            .args(more)
            .args(world.args())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        if !more.contains(&"--json") {
            let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
            let first = said.next().unwrap().unwrap();
            assert!(first.starts_with("events of aurora-air after "), "{first}");
        }
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        self.lines.next().unwrap().unwrap()
    }

    /// As Ctrl-C does.
    fn interrupt(mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        self.child.wait().unwrap()
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn events_are_listed_in_pages_and_followed(engine: Engine) {
    let world = Alliance::new("cli-events", engine);
    world.publish_by_hand();
    let gateway = world.serve();
    let aurora = world.client(AURORA, &gateway);
    let list =
        |more: &[&str]| world.run(&[&["events", "list", "--partner", AURORA], more].concat());
    let page =
        |limit: &str, after: &str| ok_json(list(&["--limit", limit, "--after", after, "--json"]));
    // The demo's links are told already: page by page, each begun where the last has ended.
    let mut told = ok_json(list(&["--limit", "1000", "--json"]));
    while told["more"] == true {
        told = page("1000", told["next_after"].as_str().unwrap());
    }
    let before = told["next_after"].as_str().unwrap();
    block_on(async {
        for reference in ["one", "two", "three"] {
            order(&world, &aurora, reference).await;
        }
    });
    // What the operator reads in the books is what the partner reads over the API.
    let cursor = before.parse().unwrap();
    let theirs = block_on(async { aurora.events(Some(&cursor), 1_000).await.unwrap() });
    let mut wanted = serde_json::to_value(&theirs).unwrap();
    wanted["partner"] = AURORA.into();
    assert_eq!(page("1000", before), wanted);
    assert_eq!(theirs.items.len(), 3, "{wanted}");
    let (first, last) = (page("2", before), wanted["next_after"].as_str().unwrap());
    assert_eq!((&first["items"][1], &first["more"]), (&wanted["items"][1], &true.into()));
    let rest = page("2", first["next_after"].as_str().unwrap());
    assert_eq!((&rest["items"][0], &rest["more"]), (&wanted["items"][2], &false.into()));
    // For people: a line for each, and where to go on.
    let text = ok(list(&["--limit", "2", "--after", before]));
    let lines: Vec<&str> = text.lines().collect();
    let subject = &theirs.items[0].subject;
    assert!(lines.len() == 3 && lines[0].ends_with(subject.as_str()), "{text}");
    assert!(lines[2].starts_with("2 events of aurora-air; there are more: --after "), "{text}");
    let text = ok(list(&["--after", last]));
    assert_eq!(text.trim(), format!("0 events of aurora-air, up to the last: {last}"));
    // What is no partner's, and no cursor of its.
    let other = world.run(&["events", "list", "--partner", BOREALIS, "--after", last]);
    refused(&other, 2, &["is no cursor of borealis-coffee's events"]);
    let nobody = world.run(&["events", "list", "--partner", "nobody"]);
    refused(&nobody, 2, &["nobody is no partner of this alliance", "alliance partner list"]);
    let much = list(&["--limit", "1001"]);
    refused(&much, 2, &["1001"]);
    // Followed: what comes next, or everything, or what came after a cursor.
    let mut next = Tail::start(&world, &[]);
    let mut every = Tail::start(&world, &["--all", "--json"]);
    let mut after = Tail::start(&world, &["--after", before, "--json"]);
    let event = |line: String| serde_json::from_str::<Value>(&line).unwrap();
    assert_eq!(event(every.line())["sequence"], "0000000000000001");
    for told in &theirs.items {
        assert_eq!(event(after.line()), serde_json::to_value(told).unwrap());
    }
    block_on(order(&world, &aurora, "four"));
    let came: Event = serde_json::from_value(event(after.line())).unwrap();
    assert_eq!(came.number(), theirs.items[2].number().map(|last| last + 1));
    while event(every.line())["id"] != came.id.to_string() {}
    let line = next.line();
    assert!(line.contains(came.r#type.as_str()) && line.contains(&came.subject), "{line}");
    for tail in [next, every, after] {
        assert_eq!(tail.interrupt().code(), Some(0));
    }
    assert_eq!(gateway.terminate(), Some(0));
}

#[test]
fn events_are_listed_in_pages_and_followed_on_sqlite() {
    events_are_listed_in_pages_and_followed(Engine::Sqlite);
}

#[test]
fn events_are_listed_in_pages_and_followed_on_postgres() {
    events_are_listed_in_pages_and_followed(Engine::Postgres);
}

// ------------------------------------------------------------------------------ consents

/// Runs a command of `alliance consents` as one of the partners.
fn consents(world: &Alliance, gateway: &Gateway, partner: &str, args: &[&str]) -> Output {
    let folder = world.dir().join("partners").join(partner);
    let text = std::fs::read_to_string(folder.join("client.toml")).unwrap();
    let line = text.lines().find(|line| line.starts_with("gateway = ")).unwrap();
    let file = folder.join("now.toml");
    std::fs::write(&file, text.replace(line, &format!("gateway = \"{}\"", gateway.url()))).unwrap();
    let client = ["--client", file.to_str().unwrap()];
    alliance(&[&["consents"], args, &client].concat())
}

#[test]
fn a_consent_is_given_shown_used_and_ended_on_the_command_line() {
    let world = Alliance::new("cli-consents", Engine::Sqlite);
    let gateway = world.serve();
    let run = |partner: &str, args: &[&str]| consents(&world, &gateway, partner, args);
    let borealis = world.client(BOREALIS, &gateway);
    let (source, target) = world.pairs("aurora", "borealis").remove(0);
    let quoted = || {
        let exchange = borealis.exchange(source.clone(), target.clone());
        block_on(async { exchange.give("20".parse().unwrap()).await })
    };
    let ordered = |quote: &Quote, reference: &str| {
        let reference = reference.parse().unwrap();
        block_on(async { borealis.transact(quote, reference).await.map(|_| ()) })
    };
    let told = |error: Error, code: &str| assert!(error.to_string().contains(code), "{error}");
    assert!(ok(run(AURORA, &["list"])).contains("No consents, given or been given"));
    told(quoted().unwrap_err(), "kind_not_allowed");
    // 20 miles are worth 1.
    let limits = ["--order", "1", "--day", "2", "--month", "5"];
    let grant = ["grant", BOREALIS, "--kinds", "exchange,redemption", "--program", "aurora"];
    let until = ["--until", "2099-01-01T00:00:00.000Z", "--json"];
    let given = ok_json(run(AURORA, &[&grant[..], &limits, &until].concat()));
    let view: ConsentView = serde_json::from_value(given["consents"][0].clone()).unwrap();
    let keys = block_on(async { borealis.partner_keys().await.unwrap() });
    let consent = verify_consent(&view, &keys).unwrap();
    let said = (consent.source.as_str(), consent.target.as_str(), consent.kinds.len());
    assert_eq!(said, (AURORA, BOREALIS, 2));
    let id = view.id.to_string();
    let id = id.as_str();
    // Both see it; nobody else does.
    let text = ok(run(AURORA, &["list"]));
    for words in [id, "aurora-air lets borealis-coffee", "exchange, redemption", "1 / 2 / 5"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(text.contains("until 2099-01-01T00:00:00.000Z"), "{text}");
    assert_eq!(ok_json(run(BOREALIS, &["show", id, "--json"])), given);
    let cedar = "cedar-hotels";
    assert!(ok(run(cedar, &["list"])).contains("No consents"));
    refused(&run(cedar, &["show", id]), 1, &["not_found"]);
    refused(&run(cedar, &["revoke", id]), 1, &["not_found"]);
    // It is used up to the day's limit.
    for reference in ["first", "second"] {
        ordered(&quoted().unwrap(), reference).unwrap();
    }
    told(ordered(&quoted().unwrap(), "third").unwrap_err(), "exceeds_consent");
    // What is wrong with one is told with its place, all at once.
    let wrong = ["grant", "nobody", "--kinds", "exchange", "--program", "borealis"];
    let wrong = run(AURORA, &[&wrong[..], &limits].concat());
    refused(&wrong, 1, &["/target: there is no partner nobody", "/programs/0: borealis is no"]);
    let turned = ["--order", "5", "--day", "2", "--month", "1"];
    refused(&run(AURORA, &[&grant[..], &turned].concat()), 1, &["/limits/order"]);
    let kind = run(AURORA, &[&["grant", BOREALIS, "--kinds", "reversal"], &limits[..]].concat());
    refused(&kind, 2, &["exchange, redemption or accrual"]);
    refused(&run(AURORA, &["show", "cns_nonsense"]), 2, &["cns_nonsense"]);
    // Either ends it, for quotes that stand, too; who may no longer order is told so, and it stays in the list.
    let stands = quoted().unwrap();
    let ended = ok_json(run(BOREALIS, &["revoke", id, "--json"]));
    assert!(ended["consents"][0]["revoked_at"].is_string(), "{ended}");
    assert_eq!(ok_json(run(AURORA, &["revoke", id, "--json"])), ended, "once is for ever");
    assert!(ok(run(AURORA, &["list"])).contains("revoked 20"));
    told(ordered(&stands, "fourth").unwrap_err(), "kind_not_allowed");
    assert_eq!(gateway.terminate(), Some(0));
    world.assert_audit_clean();
}
