//! The master key, rotated by the real binary while gateways serve, on both databases: killed at
//! every step, run again, and at the end the old key opens nothing (docs/key-rotation.md).

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use alliance_contracts::encoding::{base64_decode, hex_encode};
use alliance_contracts::link::{Consent, LinkRequest, LinkState};
use alliance_contracts::names::{AllianceId, IdempotencyKey};
use alliance_contracts::problem::ProblemCode;
use alliance_contracts::quote::{MemberAccount, TransactionKind};
use alliance_partner_sdk::Error;
use alliance_partner_sdk::client::{Client, account};
use alliance_settlement::command::MemberNo;
use alliance_settlement::rekeying::{self, QUOTE_KEY_PURPOSE};
use alliance_settlement::store;
use alliance_settlement::vault::{MasterKeyId, Vault};
use alliance_settlement::webhooks::SECRET_PURPOSE;

use crate::harness::{ALLIANCE, Alliance, Engine, Gateway, block_on, psql, quote};
use crate::webhooks::Receiver;

/// Several pages of members.
const PEOPLE: usize = 700;
const MASTER: &str = "keys/master.key";
const NEXT: &str = "keys/master.next.key";

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

fn key_of(file: &Path) -> [u8; 32] {
    let text = std::fs::read_to_string(file).unwrap();
    base64_decode(text.trim()).unwrap().try_into().unwrap()
}

fn demo() -> AllianceId {
    "demo".parse().unwrap()
}

fn person(program: &str, number: usize) -> MemberAccount {
    account(program, &format!("P-{number}")).unwrap()
}

fn with_people(engine: Engine) -> Alliance {
    let world = Alliance::new("master", engine);
    world.publish_by_hand();
    let file = world.dir().parent().unwrap().join("people.csv");
    let rows: String = (0..PEOPLE).map(|one| format!("aurora,P-{one},0\n")).collect();
    std::fs::write(&file, format!("program,member,balance\n{rows}")).unwrap();
    let done = world.run(&["members", "import", file.to_str().unwrap()]);
    assert!(done.status.success(), "{done:?}");
    world
}

/// The books, read beside the gateways.
fn url(world: &Alliance) -> String {
    let file = || format!("sqlite:{}", world.dir().join("alliance.db").display());
    world.database().map_or_else(file, ToOwned::to_owned)
}

/// Everything in the books that is under a master key, with whether this vault opens it.
async fn opened(world: &Alliance, vault: &Vault) -> Vec<(String, bool, Vec<u8>)> {
    let store = store::open(&url(world), demo()).await.unwrap();
    let mut found = Vec::new();
    for (period, wrapped) in store.quote_keys().await.unwrap() {
        let opens = vault.unwrap_secret(QUOTE_KEY_PURPOSE, &wrapped).is_ok();
        found.push((format!("quote key {period}"), opens, wrapped));
    }
    for record in store.all_endpoints(None, 1_000).await.unwrap() {
        let old = record.old_secret.map(|old| old.wrapped);
        for wrapped in std::iter::once(record.secret).chain(old) {
            let opens = vault.unwrap_secret(SECRET_PURPOSE, &wrapped).is_ok();
            found.push((format!("a secret of {}", record.id), opens, wrapped));
        }
    }
    for row in store.wrapped_members(MemberNo(0), 100_000).await.unwrap() {
        let key = vault.unwrap(&row.wrapped_key);
        let opens = key.as_ref().is_ok_and(|key| {
            let name = key.open(&row.sealed_reference).unwrap();
            vault.sought(&row.program, &name).places().any(|place| Some(place) == row.lookup)
        });
        assert_eq!(key.is_ok(), opens, "member {}: key and look-up go together", row.member.0);
        found.push((format!("member {}", row.member.0), opens, row.wrapped_key));
        found.push((format!("look-up {}", row.member.0), opens, row.lookup.unwrap().0.to_vec()));
    }
    for link in store.links_looked_up(None, 1_000).await.unwrap() {
        let members = [&link.a_member, &link.b_member].map(Option::as_ref);
        let [a, b] = members.map(|member| member.and_then(|one| one.wrapped_key.as_deref()));
        for (side, proposer) in [(&link.record.a, b), (&link.record.b, a)] {
            let Some(lookup) = side.lookup else { continue };
            let name = rekeying::supplied(vault, side, proposer);
            let places = name.iter().flat_map(|name| vault.sought(&side.program, name).places());
            let opens = Vec::from_iter(places).contains(&lookup);
            found.push((format!("look-up of {}", link.record.id), opens, lookup.0.to_vec()));
        }
    }
    let keys = store.registry().await.unwrap().unwrap().1.master_keys;
    for wrapped in keys.iter().filter_map(|record| record.blind_key.clone()) {
        let opens = vault.opener("blind-key", &wrapped).is_some();
        found.push(("a blind key".to_owned(), opens, wrapped));
    }
    store.close().await;
    found
}

/// Which of these bytes stand anywhere in the books.
fn left(world: &Alliance, bytes: &HashSet<Vec<u8>>) -> usize {
    if let Some(database) = world.database() {
        let dumped = ["members", "links", "endpoints", "quote_keys", "master_keys"]
            .map(|table| psql(database, &format!("SELECT t::text FROM {table} t")))
            .concat();
        return bytes.iter().filter(|one| dumped.contains(&hex_encode(one))).count();
    }
    let files = ["alliance.db", "alliance.db-wal"].map(|name| world.dir().join(name));
    let files = files.map(|file| std::fs::read(file).unwrap_or_default());
    let lengths: HashSet<usize> = bytes.iter().map(Vec::len).collect();
    let has = |length: usize| {
        let windows = files.iter().flat_map(move |file| file.windows(length));
        windows.filter(|window| bytes.contains(*window)).count()
    };
    lengths.into_iter().map(has).sum()
}

fn rotate(world: &Alliance) -> Output {
    world.run(&["keys", "rotate-master"])
}

/// Runs the command with a fault in it.
fn rotate_with(world: &Alliance, lines: &str) -> Output {
    let file = world.dir().parent().unwrap().join("failpoints");
    std::fs::write(&file, lines).unwrap();
    let mut command = Command::new(ALLIANCE);
    command.args(["keys", "rotate-master"]).args(world.args()).stdin(Stdio::null());
    command.env("ALLIANCE_FAILPOINTS", &file).output().unwrap()
}

fn consent() -> Consent {
    Consent { scope: vec![TransactionKind::Exchange], until: None }
}

fn link(number: usize, other: &MemberAccount) -> LinkRequest {
    LinkRequest { a: person("aurora", number), b: other.clone(), consent: consent() }
}

fn refused(error: Error) -> ProblemCode {
    match error {
        Error::Refused(problem) => problem.code,
        other => panic!("{other}"),
    }
}

/// Partners at work until they are told to stop: every call must succeed.
struct Work {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicUsize>,
    task: std::thread::JoinHandle<Vec<MemberAccount>>,
}

impl Work {
    /// `from`: the first of the people that are forgotten, one a round.
    fn start(world: &Alliance, gateway: &Gateway, from: usize) -> Self {
        let (stop, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (aurora, borealis) =
            (world.client("aurora-air", gateway), world.client("borealis-coffee", gateway));
        let pairs = world.pairs("aurora", "borealis");
        let (stopped, counted) = (stop.clone(), rounds.clone());
        let task = std::thread::spawn(move || {
            block_on(async {
                let mut forgotten = Vec::new();
                while !stopped.load(Ordering::SeqCst) {
                    let round = counted.load(Ordering::SeqCst);
                    let number = from + round;
                    let pair = &pairs[round % pairs.len()];
                    let quoted = quote(&aurora, pair, "20").await;
                    let reference = format!("round-{number}").parse().unwrap();
                    aurora.transact(&quoted, reference).await.unwrap();
                    // Linked, ordered, and forgotten again.
                    let asked = link(number, &pair.1);
                    let proposed = borealis.propose_link(&asked).await.unwrap();
                    let linked = aurora.confirm_link(proposed.id).await.unwrap();
                    assert_eq!(linked.state, LinkState::Active);
                    aurora.member_balance(&asked.a).await.unwrap();
                    aurora.forget_member(&asked.a, false).await.unwrap();
                    forgotten.push(asked.a);
                    counted.fetch_add(1, Ordering::SeqCst);
                }
                forgotten
            })
        });
        Self { stop, rounds, task }
    }

    /// Waits until so many rounds more have been done.
    fn go_on_for(&self, rounds: usize) {
        let until = self.rounds.load(Ordering::SeqCst) + rounds;
        while self.rounds.load(Ordering::SeqCst) < until {
            assert!(!self.task.is_finished(), "a partner was refused");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn end(self) -> Vec<MemberAccount> {
        self.stop.store(true, Ordering::SeqCst);
        self.task.join().unwrap()
    }
}

async fn proposed_before(aurora: &Client, borealis: &Client, theirs: &MemberAccount) {
    let key: IdempotencyKey = "before".parse().unwrap();
    let asked = link(PEOPLE - 1, theirs);
    let first = borealis.propose_link(&asked).idempotency_key(key.clone()).await.unwrap();
    let again = borealis.propose_link(&asked).idempotency_key(key.clone()).await.unwrap();
    assert_eq!(first.id, again.id);
    let another = borealis.propose_link(&link(PEOPLE - 2, theirs)).idempotency_key(key).await;
    assert_eq!(refused(another.unwrap_err()), ProblemCode::IdempotencyMismatch);
    // Of somebody whom nobody knows yet.
    let stranger = LinkRequest { a: account("aurora", "P-later").unwrap(), ..asked };
    borealis.propose_link(&stranger).await.unwrap();
    aurora.forget_member(&person("aurora", PEOPLE - 3), false).await.unwrap();
}

fn the_master_key_is_rotated_while_everybody_works(engine: Engine) {
    let world = with_people(engine);
    let folder = |name: &str| -> PathBuf { world.dir().join(name) };
    let none = rotate(&world);
    assert_eq!(none.status.code(), Some(2), "{}", said(&none));
    assert!(said(&none).contains("draw-master"), "{}", said(&none));
    let drawn = world.run(&["keys", "draw-master"]);
    assert!(drawn.status.success(), "{}", said(&drawn));
    let (old, new) = (key_of(&folder(MASTER)), key_of(&folder(NEXT)));
    let (old_id, new_id) = (MasterKeyId::of(&old), MasterKeyId::of(&new));
    assert!(said(&drawn).contains(&new_id.to_string()));
    let of = |key: &[u8; 32]| Vault::new(demo(), key);
    // Both keys are here, and nothing has begun: all is written under the old one.
    let gateway = world.serve();
    let other = world.serve();
    let (aurora, borealis) =
        (world.client("aurora-air", &gateway), world.client("borealis-coffee", &other));
    let theirs = world.pairs("aurora", "borealis").swap_remove(0).1;
    let receiver = Receiver::start(Duration::ZERO);
    block_on(async {
        let url = receiver.url.clone();
        let asked = alliance_contracts::endpoint::EndpointRequest { types: Vec::new(), url };
        aurora.create_endpoint(asked).await.unwrap();
        proposed_before(&aurora, &borealis, &theirs).await;
    });
    let before = block_on(opened(&world, &of(&old)));
    assert!(before.len() > 2 * PEOPLE && before.iter().all(|(_, opens, _)| *opens));
    let bytes: HashSet<Vec<u8>> = before.into_iter().map(|(_, _, bytes)| bytes).collect();
    // Whatever it is killed at, it goes on when it is run again; everybody works meanwhile.
    let (work, more) = (Work::start(&world, &gateway, 0), Work::start(&world, &other, 300));
    work.go_on_for(2);
    let mut ends = 0;
    for killed_at in [
        "store::commit=return(kill)",
        "store::committed=return(kill)",
        "store::commit=1*off->return(kill)",
        "store::committed=1*off->return(kill)",
        "store::commit=2*off->return(kill)",
        "sequencer::locked=2*off->return(kill)",
        "sequencer::committed=1*off->return(kill)",
    ] {
        let killed = rotate_with(&world, killed_at);
        assert!(!killed.status.success() && killed.status.code().is_none(), "{}", said(&killed));
        ends += 1;
        work.go_on_for(1);
        more.go_on_for(1);
    }
    assert_eq!(ends, 7);
    let unknown = rotate_with(&world, "store::committed=1*return(unknown)");
    assert!(unknown.status.success(), "{}", said(&unknown));
    assert!(said(&unknown).contains(&format!("Nothing is left under the master key {old_id}")));
    work.go_on_for(2);
    more.go_on_for(2);
    // Two at once, after the end: nothing is left to be done.
    let [one, two] = std::thread::scope(|scope| {
        [scope.spawn(|| rotate(&world)), scope.spawn(|| rotate(&world))]
            .map(|thread| thread.join().unwrap())
    });
    for output in [one, two] {
        assert!(output.status.success(), "{}", said(&output));
        assert!(said(&output).contains("Nothing to do"), "{}", said(&output));
    }
    let forgotten = [work.end(), more.end()].concat();
    for one in [&gateway, &other] {
        one.assert_faultless();
    }
    // The old key alone opens nothing, and nothing of it is left; the new key opens everything.
    let opens = |key: &[u8; 32]| block_on(opened(&world, &of(key)));
    let wrong: Vec<_> = opens(&old).into_iter().filter(|(_, opens, _)| *opens).collect();
    assert!(wrong.is_empty(), "the old key opens {wrong:?}");
    let wrong: Vec<_> = opens(&new).into_iter().filter(|(_, opens, _)| !*opens).collect();
    assert!(wrong.is_empty(), "the new key does not open {wrong:?}");
    drop((gateway, other));
    assert_eq!(left(&world, &bytes), 0);
    // By the old key alone no gateway starts; by the new one alone everything goes on.
    std::fs::rename(folder(NEXT), folder("aside.key")).unwrap();
    let refusal = Gateway::try_start(&world.args()).err().unwrap();
    assert!(refusal.contains(&new_id.to_string()) && refusal.contains("master.key"), "{refusal}");
    let check = world.run(&["check"]);
    assert!(said(&check).contains(&new_id.to_string()), "{}", said(&check));
    std::fs::rename(folder("aside.key"), folder(MASTER)).unwrap();
    let gateway = world.serve();
    let (aurora, borealis) =
        (world.client("aurora-air", &gateway), world.client("borealis-coffee", &gateway));
    block_on(async {
        for gone in forgotten.iter().chain([&person("aurora", PEOPLE - 3)]) {
            let unknown = aurora.member_balance(gone).await.unwrap_err();
            assert_eq!(refused(unknown), ProblemCode::MemberUnknown);
        }
        // What was remembered under the key that is no more is still known.
        let key: IdempotencyKey = "before".parse().unwrap();
        let asked = link(PEOPLE - 1, &theirs);
        let known = borealis.propose_link(&asked).idempotency_key(key.clone()).await.unwrap();
        let another = borealis.propose_link(&link(PEOPLE - 2, &theirs)).idempotency_key(key).await;
        assert_eq!(refused(another.unwrap_err()), ProblemCode::IdempotencyMismatch);
        assert_eq!(aurora.confirm_link(known.id).await.unwrap().state, LinkState::Active);
        let pair = (asked.a, theirs);
        let unheard = refused_quote(&aurora, &pair).await;
        assert!(unheard, "the person has no points, and is found");
        let pair = world.pairs("aurora", "borealis").swap_remove(1);
        let quoted = quote(&aurora, &pair, "20").await;
        let seen = receiver.numbers().len();
        aurora.transact(&quoted, "after".parse().unwrap()).await.unwrap();
        for _ in 0..1_200 {
            if receiver.numbers().len() > seen {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no webhook within a minute");
    });
    gateway.assert_faultless();
    assert_eq!(gateway.terminate(), Some(0));
    world.assert_audit_clean();
    let nothing = rotate(&world);
    assert!(said(&nothing).contains("draw-master"), "{}", said(&nothing));
}

/// Whether an order of somebody who has nothing is refused for that, and not as of nobody.
async fn refused_quote(client: &Client, pair: &(MemberAccount, MemberAccount)) -> bool {
    let quoted = quote(client, pair, "20").await;
    let refusal = client.transact(&quoted, "poor".parse().unwrap()).await.unwrap_err();
    refused(refusal) == ProblemCode::InsufficientPoints
}

#[test]
fn the_master_key_is_rotated_while_everybody_works_on_sqlite() {
    the_master_key_is_rotated_while_everybody_works(Engine::Sqlite);
}

#[test]
fn the_master_key_is_rotated_while_everybody_works_on_postgres() {
    the_master_key_is_rotated_while_everybody_works(Engine::Postgres);
}

/// A gateway that has not got the new key serves nothing from the rotation's beginning on, and
/// says so; it writes nothing under the old key.
fn a_gateway_without_the_new_key_stops(engine: Engine) {
    let world = with_people(engine);
    let folder = |name: &str| -> PathBuf { world.dir().join(name) };
    let gateway = world.serve();
    let aurora = world.client_of("aurora-air", &gateway.url(), crate::harness::once());
    let member = person("aurora", 1);
    block_on(async { aurora.member_balance(&member).await.unwrap() });
    assert!(world.run(&["keys", "draw-master"]).status.success());
    // Files that are no such keys.
    let next = std::fs::read_to_string(folder(NEXT)).unwrap();
    for (bad, told) in [("c2hvcnQ=\n", "32 bytes"), ("", "32 bytes")] {
        std::fs::write(folder(NEXT), bad).unwrap();
        let refused = rotate(&world);
        assert!(!refused.status.success() && said(&refused).contains(told), "{}", said(&refused));
    }
    std::fs::copy(folder(MASTER), folder(NEXT)).unwrap();
    let same = rotate(&world);
    assert!(!same.status.success() && said(&same).contains("same key"), "{}", said(&same));
    std::fs::write(folder(NEXT), &next).unwrap();
    // Begun, and broken off.
    let killed = rotate_with(&world, "store::commit=1*off->return(kill)");
    assert!(killed.status.code().is_none(), "{}", said(&killed));
    block_on(async {
        let pair = world.pairs("aurora", "borealis").swap_remove(0);
        for _ in 0..600 {
            match aurora.member_balance(&member).await {
                // It has not heard of it yet.
                Ok(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                Err(error) => {
                    assert_eq!(refused(error), ProblemCode::Unavailable);
                    break;
                }
            }
        }
        let refusal = aurora.forget_member(&member, false).await.unwrap_err();
        assert!(matches!(refusal, Error::Refused(_) | Error::Indeterminate { .. }), "{refusal}");
        let quoted = aurora.exchange(pair.0, pair.1).give("20".parse().unwrap()).await;
        if let Ok(quoted) = quoted {
            aurora.transact(&quoted, "late".parse().unwrap()).await.unwrap_err();
        }
        let ready = reqwest::get(format!("{}/health/ready", gateway.url())).await.unwrap();
        assert_eq!(ready.status().as_u16(), 503);
    });
    let log = gateway.log_text();
    assert!(log.contains("nothing is served any more") && log.contains("master.next.key"), "{log}");
    drop(gateway);
    // While it is under way either key alone is too little, and another has to wait.
    let aside = |name: &str| folder(&format!("{}.aside", name.replace('/', "-")));
    for (taken, told) in [(NEXT, "has not got it"), (MASTER, "not there")] {
        std::fs::rename(folder(taken), aside(taken)).unwrap();
        let refused = Gateway::try_start(&world.args()).err().unwrap();
        assert!(refused.contains(told), "{refused}");
        let refused = rotate(&world);
        assert!(said(&refused).contains(told), "{}", said(&refused));
        std::fs::rename(aside(taken), folder(taken)).unwrap();
    }
    std::fs::rename(folder(MASTER), aside(MASTER)).unwrap();
    std::fs::rename(folder(NEXT), folder(MASTER)).unwrap();
    let refused = Gateway::try_start(&world.args()).err().unwrap();
    assert!(refused.contains("being rotated"), "{refused}");
    assert!(world.run(&["keys", "draw-master"]).status.success());
    let refused = rotate(&world);
    assert!(said(&refused).contains("being rotated"), "{}", said(&refused));
    // In whichever file each stands, it goes on.
    std::fs::rename(aside(MASTER), folder(NEXT)).unwrap();
    let done = rotate(&world);
    assert!(done.status.success() && said(&done).contains("Nothing is left"), "{}", said(&done));
    let gateway = world.serve();
    let aurora = world.client("aurora-air", &gateway);
    block_on(async { aurora.member_balance(&member).await.unwrap() });
    gateway.assert_faultless();
    drop(gateway);
    world.assert_audit_clean();
}

#[test]
fn a_gateway_without_the_new_key_stops_on_sqlite() {
    a_gateway_without_the_new_key_stops(Engine::Sqlite);
}

#[test]
fn a_gateway_without_the_new_key_stops_on_postgres() {
    a_gateway_without_the_new_key_stops(Engine::Postgres);
}
