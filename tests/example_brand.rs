//! The example brand as a process of its own, on its SQLite file. `alliance conformance` tries it
//! and has it killed; a gateway drives orders through it while it is killed again and again. In the
//! end its books say what ours say.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alliance_contracts::conformance::{CaseOutcome, ConformanceReport};
use alliance_contracts::encoding::base64url_encode;
use alliance_contracts::ids::TransactionId;
use alliance_contracts::json;
use alliance_contracts::jws::{self, JwsType};
use alliance_contracts::keys::SigningKey;
use alliance_contracts::link::{Consent, LinkRequest};
use alliance_contracts::quote::{MemberAccount, Quote, TransactionKind};
use alliance_contracts::side::PricedItem;
use alliance_contracts::transaction::{Transaction, TransactionState};
use alliance_partner_sdk::client::{Client, account};
use alliance_partner_sdk::conformance::cases;
use futures_util::future::join_all;

use crate::harness::{ALLIANCE, Folder, Gateway, alliance, alliance_ok, block_on, free_port};
use crate::load::Chance;

const BRAND: &str = "borealis-coffee";
const AIRLINE: &str = "aurora-air";

/// The case that looks at what a crash has left.
const CRASH: &str = "a_brand_crash_between_reserve_and_capture_is_mended";

/// The running example. Cargo builds examples with the tests of the whole workspace.
struct Brand {
    dir: PathBuf,
    listen: String,
    /// What it is told beside its folder and address.
    settings: Vec<(&'static str, String)>,
    child: Child,
    /// The key that signs its answers.
    x: String,
}

impl Brand {
    fn start(dir: &Path, settings: Vec<(&'static str, String)>) -> Self {
        let listen = format!("127.0.0.1:{}", free_port());
        let (child, x) = Self::launch(dir, &listen, &settings);
        Self { dir: dir.to_owned(), listen, settings, child, x }
    }

    /// The process, and its key: it prints it when it listens already.
    fn launch(dir: &Path, listen: &str, settings: &[(&str, String)]) -> (Child, String) {
        let program = Path::new(ALLIANCE).with_file_name("examples").join("brand");
        let mut child = Command::new(&program)
            .env("BRAND_DIR", dir)
            .env("BRAND_LISTEN", listen)
            .envs(settings.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let x = lines.find_map(|line| {
            let line = line.ok()?;
            let x = line.strip_prefix("keys = [{ x = \"")?.strip_suffix("\" }]")?;
            Some(x.to_owned())
        });
        let x = x.unwrap_or_else(|| panic!("the brand did not start: {:?}", child.wait()));
        // Keep reading, so that it never waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        (child, x)
    }

    fn connector(&self) -> String {
        format!("http://{}/alliance", self.listen)
    }

    /// Kills it: not one more of its instructions is executed.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        assert_eq!(self.child.wait().unwrap().code(), None, "it ended by itself");
    }

    fn start_again(&mut self) {
        let (child, x) = Self::launch(&self.dir, &self.listen, &self.settings);
        assert_eq!(x, self.x);
        self.child = child;
    }

    /// Its books, by SQLite's own client: lines of columns.
    fn books(&self, statement: &str) -> Vec<Vec<String>> {
        let output = Command::new("sqlite3")
            .arg(self.dir.join("brand.db"))
            .arg(statement)
            .output()
            .expect("sqlite3 is there");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| line.split('|').map(str::to_owned).collect()).collect()
    }
}

impl Drop for Brand {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

// ------------------------------------------------------------------------------ conformance

/// A folder with a tester's key, and that key.
fn tester(name: &str) -> (Folder, PathBuf, SigningKey) {
    let folder = Folder::new(name);
    let file = folder.path().join("tester.pem");
    alliance_ok(&["keys", "generate", file.to_str().unwrap()]);
    let key = SigningKey::from_pkcs8_pem(&std::fs::read_to_string(&file).unwrap()).unwrap();
    (folder, file, key)
}

fn x(key: &SigningKey) -> String {
    base64url_encode(key.public_key().as_bytes())
}

/// A command of a shell that has this done, in the test's own process, and ends when it is.
fn command_that(does: impl Fn() + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            does();
            let _ = stream.write_all(b"done\n");
        }
    });
    format!("bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}; read -r said <&3; [ \"$said\" = done ]'")
}

/// What `alliance conformance` says, with everything that it can be given.
fn conformance(connector: &str, brand_key: &str, key: &Path, restart: &str, to: &Path) -> Output {
    let (key, to) = (key.to_str().unwrap(), to.to_str().unwrap());
    let where_to = ["conformance", "--connector", connector, "--brand-key", brand_key];
    let with = ["--key", key, "--restart", restart, "--report", to];
    let what = ["--program", "borealis", "--member", "B-77", "--frozen", "B-99", "--item", "latte"];
    alliance(&[&where_to[..], &with, &what].concat())
}

/// The report in the file, which this key has signed as it stands there.
fn signed_report(file: &Path, key: &SigningKey) -> ConformanceReport {
    let text = std::fs::read(file).unwrap();
    let file: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let parsed = jws::parse(file["jws"].as_str().unwrap()).unwrap();
    parsed.verify(JwsType::Conformance, key.public_key()).unwrap();
    let report: ConformanceReport = serde_json::from_value(file["report"].clone()).unwrap();
    assert_eq!(parsed.payload, json::canonical(&report), "what is signed is what is shown");
    report
}

fn names(report: &ConformanceReport, outcome: CaseOutcome) -> Vec<&str> {
    let ended = report.cases.iter().filter(|case| case.outcome == outcome);
    ended.map(|case| case.name.as_str()).collect()
}

/// Tries a brand that is killed whenever `--restart` asks for it, and then loses what `loses` takes
/// from it. How the command ended, its report, and how many kills there were.
fn tried(name: &str, loses: fn(&Brand)) -> (Option<i32>, ConformanceReport, usize) {
    let (folder, file, key) = tester(name);
    let brand = Brand::start(folder.path(), vec![("BRAND_TRUST", x(&key))]);
    let (connector, brand_key) = (brand.connector(), brand.x.clone());
    let killed = Arc::new(Mutex::new((brand, 0)));
    // Not kept by the command: the brand goes when this test does.
    let known = Arc::downgrade(&killed);
    let restart = command_that(move || {
        let Some(kept) = known.upgrade() else { return };
        let (brand, kills) = &mut *kept.lock().unwrap();
        brand.kill();
        loses(brand);
        brand.start_again();
        *kills += 1;
    });
    let report = folder.path().join("report.json");
    let output = conformance(&connector, &brand_key, &file, &restart, &report);
    let report = signed_report(&report, &key);
    assert_eq!((report.connector.as_str(), report.cases.len()), (&*connector, cases().len()));
    let kills = killed.lock().unwrap().1;
    (output.status.code(), report, kills)
}

#[test]
fn the_example_brand_passes_every_case_its_own_death_included() {
    let (code, report, kills) = tried("brand-passes", |_| ());
    assert_eq!(names(&report, CaseOutcome::Failed), [""; 0]);
    assert_eq!(names(&report, CaseOutcome::NotTried), [""; 0]);
    assert_eq!((report.passed as usize, code, kills), (cases().len(), Some(0), 1));
}

/// Its answers are not on the disk when it gives them: what it has done, it does once more.
#[test]
fn a_brand_that_forgets_its_answers_when_it_is_killed_fails_there_and_nowhere_else() {
    let (code, report, kills) = tried("brand-forgets", |brand| {
        brand.books("DELETE FROM alliance_operations");
    });
    assert_eq!(names(&report, CaseOutcome::Failed), [CRASH]);
    assert_eq!(names(&report, CaseOutcome::NotTried), [""; 0]);
    assert_eq!((report.failed, code, kills), (1, Some(1), 1));
}

/// It is not told whom to listen to: no more than the first question is asked.
#[test]
fn a_brand_that_listens_to_another_fails_the_first_case_and_is_asked_nothing_more() {
    let (folder, file, key) = tester("brand-deaf");
    let brand = Brand::start(folder.path(), vec![]);
    let report = folder.path().join("report.json");
    let output = conformance(&brand.connector(), &brand.x, &file, "false", &report);
    let report = signed_report(&report, &key);
    let all: Vec<_> = cases().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names(&report, CaseOutcome::Failed), all[..1]);
    assert_eq!(names(&report, CaseOutcome::NotTried), all[1..]);
    assert_eq!((report.passed, output.status.code()), (0, Some(1)));
}

// ------------------------------------------------------------------------------ kills

const ROUNDS: usize = 8;

/// How long a transaction may stay pending whose brand is there again, in tries 100 ms apart.
const PATIENCE: usize = 600;

/// An airline with hosted members, and the brand; a gateway between them.
struct Stage {
    _folder: Folder,
    dir: String,
    brand: Brand,
    gateway: Gateway,
}

impl Stage {
    fn new() -> Self {
        let folder = Folder::new("brand-kills");
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let dir = path("alliance");
        let here = ["--scale", "0", "--fee", "0.01", "--dir", &dir];
        let kinds = ["--kinds", "exchange,redemption,accrual"];
        alliance_ok(&["init", &dir]);
        let airline = ["partner", "add", AIRLINE, "--name", "Aurora", "--program", "aurora"];
        alliance_ok(&[&airline[..], &["--value", "0.05"], &kinds, &here].concat());
        let settings = config(&dir);
        let listen = format!("127.0.0.1:{}", free_port());
        // It asks the gateway for its keys, and pins the root's.
        let told =
            vec![("BRAND_GATEWAY", format!("http://{listen}")), ("BRAND_ROOT", settings.root)];
        let brand = Brand::start(folder.path(), told);
        let connected = ["partner", "add", BRAND, "--name", "Borealis", "--program", "borealis"];
        let reached = ["--value", "0.1", "--jwk-x", &brand.x, "--connector", &brand.connector()];
        alliance_ok(&[&connected[..], &reached, &kinds, &here].concat());
        let members = path("members.csv");
        std::fs::write(&members, "program,member,balance\naurora,A-1,10000\n").unwrap();
        alliance_ok(&["members", "import", &members, "--dir", &dir]);
        let gateway = Gateway::start_at(&listen, &["--dir".to_owned(), dir.clone()]);
        Self { _folder: folder, dir, brand, gateway }
    }

    fn client(&self, partner: &str, pem: &Path) -> Client {
        let settings = config(&self.dir);
        Client::builder(&self.gateway.url())
            .partner(partner)
            .key_pem(std::fs::read_to_string(pem).unwrap())
            .root(settings.root)
            .alliance(settings.alliance)
            .build()
            .unwrap()
    }
}

struct Settings {
    alliance: String,
    root: String,
}

/// What the airline was handed when it joined.
fn config(dir: &str) -> Settings {
    let file = Path::new(dir).join("partners").join(AIRLINE).join("client.toml");
    let table: toml::Table = std::fs::read_to_string(file).unwrap().parse().unwrap();
    let known = |name: &str| table[name].as_str().unwrap().to_owned();
    Settings { alliance: known("alliance"), root: known("root") }
}

/// An order that the brand is asked about, and what stands in its journal once it is done; none
/// where it refuses.
struct Ordered {
    id: TransactionId,
    journal: Option<Journal>,
}

type Journal = fn(&Transaction) -> Vec<(&'static str, i64)>;

fn given(done: &Transaction) -> Vec<(&'static str, i64)> {
    vec![("credit", done.target.amount().to_minor(0).unwrap())]
}

fn taken(done: &Transaction) -> Vec<(&'static str, i64)> {
    let points = done.source.amount().to_minor(0).unwrap();
    vec![("reserve", points), ("capture", points)]
}

fn made(_: &Transaction) -> Vec<(&'static str, i64)> {
    vec![("benefit", 0)]
}

/// One order of each kind, and two that the brand refuses.
async fn orders(aurora: &Client, borealis: &Client, round: usize) -> Vec<Ordered> {
    let miles = account("aurora", "A-1").unwrap();
    let member = |name: &str| account("borealis", name).unwrap();
    let points = |points: &str| points.parse().unwrap();
    let latte = PricedItem {
        cash: points("0"),
        item: "latte".parse().unwrap(),
        partner: BRAND.parse().unwrap(),
        price: points("1"),
    };
    let give = aurora.exchange(miles.clone(), member("B-77")).give(points("20")).await;
    let take = borealis.exchange(member("B-77"), miles.clone()).give(points("10")).await;
    let redeem = aurora.redeem(miles, latte).await;
    let accrue = async |name: &str| aurora.accrue(member(name), points("5")).await.unwrap();
    let asked: [(&Client, Quote, Option<Journal>); 6] = [
        (aurora, give.unwrap(), Some(given)),
        (borealis, take.unwrap(), Some(taken)),
        (aurora, redeem.unwrap(), Some(made)),
        (aurora, accrue("B-78").await, Some(given)),
        (aurora, accrue("B-99").await, None),
        (aurora, accrue("B-404").await, None),
    ];
    let asked = asked.into_iter().enumerate().map(|(at, (client, quote, journal))| async move {
        let reference = format!("order-{round}-{at}").parse().unwrap();
        let id = client.transact(&quote, reference).await.unwrap().id;
        Ordered { id, journal }
    });
    join_all(asked).await
}

async fn ended(client: &Client, id: TransactionId) -> Transaction {
    for _ in 0..PATIENCE {
        let transaction = client.transaction(id).await.unwrap();
        if transaction.state != TransactionState::Pending {
            return transaction;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{id} is still pending");
}

/// The brand's journal, by transaction, as it was written.
fn journal(brand: &Brand) -> BTreeMap<String, Vec<(String, i64)>> {
    let mut journal: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for row in brand.books("SELECT transaction_id, what, points FROM journal ORDER BY line") {
        let line = (row[1].clone(), row[2].parse().unwrap());
        journal.entry(row[0].clone()).or_default().push(line);
    }
    journal
}

async fn link(aurora: &Client, borealis: &Client, a: &str, b: &str) {
    let of = |program, member| -> MemberAccount { account(program, member).unwrap() };
    let consent = Consent { scope: vec![TransactionKind::Exchange], until: None };
    let request = LinkRequest { a: of("aurora", a), b: of("borealis", b), consent };
    let proposed = aurora.propose_link(&request).await.unwrap();
    borealis.confirm_link(proposed.id).await.unwrap();
}

/// The brand is killed at random moments with calls under way: every transaction ends on both sides
/// alike, and what the brand has is what our receipts say.
#[test]
fn a_brand_killed_amid_calls_has_the_gateways_books_in_the_end() {
    let mut chance = Chance::seeded();
    let mut stage = Stage::new();
    let aurora = stage.client(AIRLINE, &airlines_key(&stage.dir));
    let borealis = stage.client(BRAND, &stage.brand.dir.join("brand.pem"));
    let (mut ordered, mut cut) = (Vec::new(), 0);
    block_on(async {
        link(&aurora, &borealis, "A-1", "B-77").await;
        for round in 0..ROUNDS {
            let orders = orders(&aurora, &borealis, round).await;
            tokio::time::sleep(chance.millis(0..=60)).await;
            stage.brand.kill();
            for one in &orders {
                let seen = aurora.transaction(one.id).await.unwrap();
                cut += usize::from(seen.state == TransactionState::Pending);
            }
            ordered.extend(orders);
            stage.brand.start_again();
        }
        let mut expected = BTreeMap::new();
        for Ordered { id, journal } in &ordered {
            let done = ended(&aurora, *id).await;
            assert_eq!(done.state == TransactionState::Completed, journal.is_some(), "{done:?}");
            if let Some(journal) = journal {
                let lines = journal(&done).into_iter();
                let lines = lines.map(|(what, points)| (what.to_owned(), points));
                expected.insert(id.to_string(), lines.collect::<Vec<_>>());
            }
        }
        assert_eq!(expected.len(), ROUNDS * 4);
        assert_eq!(journal(&stage.brand), expected, "one effect for each, and no other");
    });
    println!("{} orders, {cut} of them were pending when the brand was killed", ordered.len());
    assert!(cut > 0, "no kill has hit anything");
    // Its balances are what its journal says; nothing is held any more.
    let signed = "CASE what WHEN 'reserve' THEN -points WHEN 'capture' THEN 0 ELSE points END";
    let moved =
        format!("(SELECT coalesce(sum({signed}), 0) FROM journal j WHERE j.member = m.member)");
    let wrong = stage.brand.books(&format!(
        "SELECT member FROM members m WHERE balance - {moved} != \
         CASE member WHEN 'B-77' THEN 5000 WHEN 'B-78' THEN 120 ELSE 300 END"
    ));
    assert_eq!(wrong, [[""; 0]; 0]);
    assert_eq!(stage.brand.books("SELECT 1 FROM reservations WHERE state = 'held'"), [[""; 0]; 0]);
    let Stage { _folder, gateway, dir, .. } = stage;
    gateway.assert_faultless();
    assert_eq!(gateway.terminate(), Some(0));
    alliance_ok(&["audit", "--dir", &dir]);
}

fn airlines_key(dir: &str) -> PathBuf {
    Path::new(dir).join("partners").join(AIRLINE).join("key.pem")
}
