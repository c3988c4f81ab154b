//! `alliance sandbox`: brands of every character, every outcome by its name, a clock that is set,
//! and a log that says why a signature does not verify. The SDK asks; nothing waits for real time
//! but what has to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use alliance_contracts::connector::RefusalCode;
use alliance_contracts::endpoint::EndpointRequest;
use alliance_contracts::ids::TransactionId;
use alliance_contracts::link::{Consent, LinkRequest};
use alliance_contracts::observation::{FeedKind, Observation};
use alliance_contracts::problem::ProblemCode;
use alliance_contracts::quote::{MemberAccount, TransactionKind};
use alliance_contracts::sandbox::ClockChange;
use alliance_contracts::side::PricedItem;
use alliance_contracts::transaction::{Transaction, TransactionState};
use alliance_gateway::sandbox::Mood;
use alliance_gateway::sandbox::mood::{Asked, Ends};
use alliance_partner_sdk::client::{Client, ClientBuilder, Sandbox, account};

use crate::harness::{ALLIANCE, Folder, alliance, block_on};

const OWN: &str = "own-brand";
const PROMPT: &str = "prompt-books";
/// No order takes longer in real time: what is lost is asked for again within seconds.
const PATIENCE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(25 * 3_600);

/// A sandbox that is open.
struct Open {
    child: Child,
    url: String,
    dir: String,
}

impl Open {
    fn new(folder: &Folder, more: &[&str]) -> Self {
        let dir = folder.path().join("sandbox").to_str().unwrap().to_owned();
        let mut child = Command::new(ALLIANCE)
            .args(["sandbox", "--dir", &dir, "--listen", "127.0.0.1:0", "--json"])
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines.find_map(|line| {
            let line = line.ok()?;
            let (_, url) = line.split_once("\"url\": \"")?;
            Some(url.trim_end_matches("\",").trim_end_matches('"').to_owned())
        });
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url: url.expect("the sandbox opens"), dir }
    }

    fn client_file(&self, partner: &str) -> PathBuf {
        PathBuf::from(&self.dir).join("partners").join(partner).join("client.toml")
    }

    fn client(&self, partner: &str) -> Client {
        Client::from_config(self.client_file(partner)).unwrap()
    }

    fn sandbox(&self) -> Sandbox {
        Sandbox::at(&self.url).unwrap()
    }

    fn run(&self, args: &[&str]) -> Output {
        alliance(&[args, &["--dir", self.dir.as_str()]].concat())
    }

    /// The first account of the engineer's own brand, which has points and a link.
    fn own_member(&self) -> MemberAccount {
        let links = std::fs::read_to_string(format!("{}/links.csv", self.dir)).unwrap();
        let row: Vec<&str> = links.lines().nth(1).unwrap().split(',').collect();
        account(row[0], row[1]).unwrap()
    }

    /// What of a transaction `alliance pending list` says.
    fn listed(&self, id: TransactionId) -> Option<serde_json::Value> {
        let output = self.run(&["pending", "list", "--json"]);
        let listed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let rows = listed["pending"].as_array().unwrap();
        rows.iter().find(|row| row["transaction"] == id.to_string()).cloned()
    }

    async fn parked(&self, id: TransactionId) {
        let begun = Instant::now();
        loop {
            let row = self.listed(id).expect("it is pending");
            if row.to_string().contains("parked") {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "not parked: {row}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    fn terminate(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        let audit = self.run(&["audit"]);
        assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stdout));
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn accrue(client: &Client, program: &str, member: &str) -> TransactionId {
    let quote = client.accrue(account(program, member).unwrap(), "5".parse().unwrap());
    let quote = quote.await.unwrap();
    let reference = format!("{program}-{member}").parse().unwrap();
    client.transact(&quote, reference).await.unwrap().id
}

async fn ended(client: &Client, id: TransactionId) -> Transaction {
    let begun = Instant::now();
    loop {
        let transaction = client.transaction(id).await.unwrap();
        if transaction.state != TransactionState::Pending {
            return transaction;
        }
        assert!(begun.elapsed() < PATIENCE, "{id} is still pending");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// An order that shows what a row of the table promises, and who has made it.
async fn order<'c>(
    (own, brand): (&'c Client, &'c Client),
    miles: &MemberAccount,
    asked: Asked,
    name: &str,
) -> (&'c Client, TransactionId) {
    match asked {
        Asked::Give => (own, accrue(own, "prompt", name).await),
        Asked::Take => {
            let reader = account("prompt", name).unwrap();
            let consent = Consent { scope: vec![TransactionKind::Exchange], until: None };
            let request = LinkRequest { a: miles.clone(), b: reader.clone(), consent };
            let link = own.propose_link(&request).await.unwrap();
            brand.confirm_link(link.id).await.unwrap();
            let quote = brand.exchange(reader, miles.clone()).give("4".parse().unwrap());
            let quote = quote.await.unwrap();
            (brand, brand.transact(&quote, name.parse().unwrap()).await.unwrap().id)
        }
        Asked::TakeBack => {
            let item = PricedItem {
                cash: "0".parse().unwrap(),
                item: name.parse().unwrap(),
                partner: PROMPT.parse().unwrap(),
                price: "5".parse().unwrap(),
            };
            let quote = own.redeem(miles.clone(), item).await.unwrap();
            let made = own.transact(&quote, name.parse().unwrap()).await.unwrap();
            let redeemed = ended(own, made.id).await;
            assert_eq!(redeemed.state, TransactionState::Completed);
            let (reference, reason) = (format!("{name}-back"), "returned".parse().unwrap());
            let back = brand.reverse(redeemed.id, reference.parse().unwrap(), reason);
            (brand, back.await.unwrap().id)
        }
    }
}

/// The whole table: every order ends as its row promises.
#[test]
fn every_outcome_comes_by_its_name() {
    let folder = Folder::new("sandbox-outcomes");
    let open = Open::new(&folder, &["--members", "5"]);
    let (own, brand) = (open.client(OWN), open.client(PROMPT));
    block_on(async {
        let miles = open.own_member();
        let mut orders = Vec::new();
        for row in Mood::TABLE {
            let name = format!("{}A-1", row.prefix);
            orders.push((row, order((&own, &brand), &miles, row.asked, &name).await));
        }
        let later = [Mood::Daily, Mood::Silent, Mood::Unsigned];
        let (waiting, at_once): (Vec<_>, Vec<_>) =
            orders.into_iter().partition(|(row, _)| later.contains(&row.mood));
        for (row, (caller, id)) in at_once {
            let end = ended(caller, id).await;
            let failure = end.failure.as_ref();
            match row.ends {
                Ends::Completed => assert_eq!(end.state, TransactionState::Completed, "{row:?}"),
                Ends::CompletedRemarked => {
                    assert_eq!(end.state, TransactionState::Completed, "{row:?}");
                    assert_eq!(open.listed(id).unwrap()["remark"], "capture_refused");
                }
                Ends::Failed(code) => {
                    assert_eq!(end.state, TransactionState::Failed, "{row:?}");
                    // The brand's own partner is told why; whoever ordered, that it was refused.
                    let theirs = brand.transaction(id).await.unwrap().failure.unwrap();
                    assert_eq!((theirs.code, theirs.partner.as_str()), (code, PROMPT), "{row:?}");
                    let refused = caller.partner().as_str() != OWN || {
                        failure.is_some_and(|failure| failure.code == RefusalCode::Refused)
                    };
                    assert!(refused, "{end:?}");
                }
                Ends::Parked => panic!("{row:?} waits"),
            }
        }
        for (row, (caller, id)) in &waiting {
            let pending = caller.transaction(*id).await.unwrap();
            assert_eq!(pending.state, TransactionState::Pending, "{row:?}");
        }
        open.sandbox().advance(DAY).await.unwrap();
        for (row, (caller, id)) in waiting {
            match row.ends {
                Ends::Parked => {
                    open.parked(id).await;
                    let pending = caller.transaction(id).await.unwrap();
                    assert_eq!(pending.state, TransactionState::Pending, "never guessed");
                }
                _ => assert_eq!(ended(caller, id).await.state, TransactionState::Completed),
            }
        }
    });
    open.terminate();
}

/// The brands' own characters, where the member's name asks for nothing.
#[test]
fn every_brand_is_of_its_character() {
    let folder = Folder::new("sandbox-brands");
    let open = Open::new(&folder, &["--members", "5"]);
    let own = open.client(OWN);
    block_on(async {
        let beans = {
            let coffee = account("beans", "bean.none.1").unwrap();
            let quote = own.accrue(coffee, "5".parse().unwrap()).await.unwrap();
            own.transact(&quote, "beans".parse().unwrap()).await.unwrap_err()
        };
        assert_eq!(beans.code(), Some(ProblemCode::MembersNotLinked), "nobody is told more");
        let mut ids = Vec::new();
        for program in ["prompt", "slow", "flaky", "twice", "refusing", "silent", "daily"] {
            ids.push((program, accrue(&own, program, "M-1").await));
        }
        for (program, id) in &ids[..5] {
            let end = ended(&own, *id).await.state;
            let wanted = match *program {
                "refusing" => TransactionState::Failed,
                _ => TransactionState::Completed,
            };
            assert_eq!(end, wanted, "{program}");
        }
        for (program, id) in &ids[5..] {
            let state = own.transaction(*id).await.unwrap().state;
            assert_eq!(state, TransactionState::Pending, "{program}");
        }
        open.sandbox().advance(DAY).await.unwrap();
        assert_eq!(ended(&own, ids[6].1).await.state, TransactionState::Completed);
        open.parked(ids[5].1).await;
    });
    open.terminate();
}

/// Quotes, deadlines and boards go by the clock, signatures by the machine's; nothing waits.
#[test]
fn everything_goes_by_the_clock_that_is_set_but_signatures() {
    let folder = Folder::new("sandbox-clock");
    let mut open = Open::new(&folder, &["--members", "5"]);
    let own = open.client(OWN);
    let begun = Instant::now();
    let stood = block_on(async {
        let sandbox = open.sandbox();
        let frozen = sandbox.freeze().await.unwrap();
        assert!(frozen.frozen);
        // A quote stands for sixty seconds of this clock, and not one more.
        let customer = account("prompt", "R-1").unwrap();
        let quote = async || own.accrue(customer.clone(), "5".parse().unwrap()).await.unwrap();
        let first = quote().await;
        assert_eq!(first.expires_at, frozen.now.plus_seconds(60));
        sandbox.advance(Duration::from_secs(59)).await.unwrap();
        let second = quote().await;
        assert_eq!(second.expires_at, frozen.now.plus_seconds(119));
        let made = own.transact(&first, "in-time".parse().unwrap()).await.unwrap();
        assert_eq!(made.created_at, frozen.now.plus_seconds(59));
        assert_eq!(ended(&own, made.id).await.completed_at, Some(made.created_at));
        sandbox.advance(Duration::from_secs(60)).await.unwrap();
        let late = own.transact(&second, "late".parse().unwrap()).await.unwrap_err();
        assert_eq!(late.code(), Some(ProblemCode::QuoteExpired));
        // A brand that never answers: past the deadline a person is told.
        let silent = accrue(&own, "silent", "S-1").await;
        sandbox.advance(DAY).await.unwrap();
        open.parked(silent).await;
        // Told to speak, it answers when its time comes again, fifteen minutes later.
        sandbox.speak(&"silent-hotels".parse().unwrap(), true).await.unwrap();
        assert_eq!(own.transaction(silent).await.unwrap().state, TransactionState::Pending);
        sandbox.advance(Duration::from_secs(15 * 60)).await.unwrap();
        assert_eq!(ended(&own, silent).await.state, TransactionState::Completed);
        // A checkpoint is of this time, too: fresh for whoever knows the clock, and only then.
        let corridor = "own-brand~silent-hotels".parse().unwrap();
        let knows = ClientBuilder::from_config(open.client_file(OWN)).unwrap();
        let knows = knows.alliance_clock(sandbox.clone()).build().unwrap();
        assert_eq!(knows.checkpoint(&corridor).await.unwrap().size(), 1);
        own.checkpoint(&corridor).await.unwrap_err();
        // The next full hour has a board, where there is anything to say.
        let board = own.rates().await.unwrap().board.board;
        let now = sandbox.clock().await.unwrap().now;
        let (feed, program) = (FeedKind::Redemption, "own".parse().unwrap());
        let value = "0.045".parse().unwrap();
        own.observe(&[Observation { feed, observed_at: now, program, value }]).await.unwrap();
        sandbox.advance(Duration::from_secs(3_600)).await.unwrap();
        let published = Instant::now();
        loop {
            // Published, it holds a minute later.
            sandbox.advance(Duration::from_secs(61)).await.unwrap();
            if own.rates().await.unwrap().board.board > board {
                break;
            }
            assert!(published.elapsed() < PATIENCE, "no board after board {board}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // Quotes are sealed under a key of the period, which is days later now.
        quote().await;
        let nothing = sandbox.set(ClockChange::default()).await.unwrap_err();
        assert_eq!(nothing.code(), Some(ProblemCode::Malformed));
        sandbox.clock().await.unwrap()
    });
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    // Opened again, it stands where it stood; a command beside it goes by it, and `serve` does not
    // take the folder.
    let _ = open.child.kill();
    let _ = open.child.wait();
    let served = open.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(served.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&served.stderr).contains("alliance sandbox --dir"));
    open = Open::new(&folder, &[]);
    block_on(async {
        let again = open.sandbox().clock().await.unwrap();
        assert_eq!((again.now, again.frozen), (stood.now, true));
        let gone = open.sandbox().release().await.unwrap();
        assert!(!gone.frozen && gone.now >= stood.now);
        let own = open.client(OWN);
        let made = accrue(&own, "prompt", "R-2").await;
        assert_eq!(ended(&own, made).await.state, TransactionState::Completed);
    });
    let other = alliance(&["sandbox", "--dir", &open.dir, "--seed", "9"]);
    assert_eq!(other.status.code(), Some(2), "it was made of another seed");
    open.terminate();
    let strange = folder.path().join("strange");
    std::fs::create_dir_all(strange.join("things")).unwrap();
    let refused = alliance(&["sandbox", "--dir", strange.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("not a sandbox's"));
}

/// A receiver that takes no webhook but the third: the times that they were sent at.
fn receiver() -> (String, Arc<Mutex<Vec<i64>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let got: Arc<Mutex<Vec<i64>>> = Arc::default();
    let kept = got.clone();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut lines = BufReader::new(stream.try_clone().unwrap());
            let (mut sent_at, mut length) = (0, 0);
            let mut line = String::new();
            while lines.read_line(&mut line).unwrap() > 2 {
                let (name, value) = line.trim_end().split_once(": ").unwrap_or_default();
                match name.to_ascii_lowercase().as_str() {
                    "webhook-timestamp" => sent_at = value.parse().unwrap(),
                    "content-length" => length = value.parse().unwrap(),
                    _ => {}
                }
                line.clear();
            }
            lines.read_exact(&mut vec![0; length]).unwrap();
            let count = {
                let mut got = kept.lock().unwrap();
                got.push(sent_at);
                got.len()
            };
            let status = if count < 3 { "500 No" } else { "204 Yes" };
            let answer = format!("HTTP/1.1 {status}\r\nconnection: close\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (url, got)
}

/// Webhooks are sent again by the clock, and say the machine's time, which receivers hold theirs
/// against.
#[test]
fn a_webhook_is_sent_again_by_the_clock_and_signed_by_the_machines() {
    let folder = Folder::new("sandbox-webhooks");
    let open = Open::new(&folder, &["--members", "5"]);
    let own = open.client(OWN);
    let (url, got) = receiver();
    block_on(async {
        let sandbox = open.sandbox();
        sandbox.freeze().await.unwrap();
        let request = EndpointRequest { types: Vec::new(), url };
        own.create_endpoint(request).await.unwrap();
        let made = accrue(&own, "prompt", "W-1").await;
        ended(&own, made).await;
        let arrived = async |count: usize| {
            let begun = Instant::now();
            while got.lock().unwrap().len() < count {
                assert!(begun.elapsed() < PATIENCE, "webhook {count} has not come");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        arrived(1).await;
        // Nothing more, while the clock stands still; then after five seconds, and five minutes.
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(got.lock().unwrap().len(), 1);
        sandbox.advance(Duration::from_secs(6)).await.unwrap();
        arrived(2).await;
        sandbox.advance(Duration::from_secs(400)).await.unwrap();
        arrived(3).await;
        let machine = sandbox.clock().await.unwrap().message_time.as_seconds();
        assert!(got.lock().unwrap().iter().all(|at| (machine - 60..=machine).contains(at)));
    });
    open.terminate();
}

/// What a person types: the order, the clock, the log.
#[test]
fn the_command_line_shows_what_happens() {
    let folder = Folder::new("sandbox-cli");
    let open = Open::new(&folder, &["--members", "5"]);
    let own = format!("{}/partners/{OWN}/client.toml", open.dir);
    let text = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let people = folder.path().join("people");
    let people = people.to_str().unwrap();
    let written = alliance(&["sandbox", "people", people, "--members", "5"]);
    assert!(written.status.success(), "{}", text(&written));
    for file in ["members.csv", "links.csv", "people.csv"] {
        let of = |dir: &str| std::fs::read_to_string(format!("{dir}/{file}")).unwrap();
        assert_eq!(of(people), of(&open.dir), "{file}");
    }
    let done = alliance(&["sandbox", "order", "prompt", "M-1", "--client", &own]);
    assert!(text(&done).contains("is completed"), "{}", text(&done));
    let refused = alliance(&["sandbox", "order", "prompt", "frozen-1", "--client", &own]);
    assert!(text(&refused).contains("refused by prompt-books"), "{}", text(&refused));
    let clock = ["sandbox", "clock", "--freeze", "--advance", "1h30m", "--url", &open.url];
    let clock = alliance(&clock);
    assert!(text(&clock).contains("frozen"), "{}", text(&clock));
    let log = ["sandbox", "log", "--partner", OWN, "--url", &open.url];
    let log = text(&alliance(&log));
    assert!(log.contains("POST /v1/transactions") && !log.contains("M-1"), "{log}");
    // A partner whose key is another's: the log knows, its caller is told nothing.
    let wrong = folder.path().join("wrong");
    std::fs::create_dir_all(&wrong).unwrap();
    let file = std::fs::read_to_string(&own).unwrap();
    let file = file.replace("gateway = ", "authority = \"localhost\"\ngateway = ");
    std::fs::write(wrong.join("client.toml"), file).unwrap();
    let key = PathBuf::from(&own).with_file_name("key.pem");
    std::fs::copy(key, wrong.join("key.pem")).unwrap();
    let wrong = wrong.join("client.toml");
    let failed = ["sandbox", "order", "prompt", "M-2", "--client", wrong.to_str().unwrap()];
    let failed = alliance(&failed);
    assert!(String::from_utf8_lossy(&failed.stderr).contains("signature_invalid"));
    let log = ["sandbox", "log", "--partner", OWN, "--last", "1", "--url", &open.url];
    let log = text(&alliance(&log));
    for part in [
        "signature_invalid",
        "another base was signed",
        "gateway  \"@authority\": 127.0.0.1:",
        "client   \"@authority\": localhost\n",
        "first difference: line 2, column 15",
    ] {
        assert!(log.contains(part), "{part} in {log}");
    }
    open.terminate();
}
