//! The crash table (T51): what becomes of one order when its writer fails, loses its answer, or is
//! killed, at every point of the sequencer and of the store. Each row on both databases, with the
//! real server, over HTTP.
//!
//! The points are the `failpoint!` lines of `settlement`; a test holds that each stands here. A cell
//! says what the client sees, what is there afterwards, and what the same key then answers:
//!
//! | fault | at the point |
//! | --- | --- |
//! | not persisted | every attempt fails, before its commit, until the fault is gone |
//! | persisted, unanswered | the commit is done and its answer lost; whoever recovers fails here, too, as long as the fault lasts |
//! | killed | the process ends at once; it is started again |
//! | recovery killed | the commit is done and its answer lost; the process ends while it recovers |
//! | panics | the batch's task panics |
//!
//! | word | means |
//! | --- | --- |
//! | `201` | the transaction, as the first answer |
//! | `503` | `unavailable`: nobody knows, repeat with the same key |
//! | `lost` | the connection ends without an answer |
//! | `any` | `201` or `lost`: the answer was on its way |
//! | `none`, `one` | no effect at all; one transaction with its receipt, its points and its events |
//! | `fresh`, `replayed` | 201: performed now; the first answer again, and no effect |
//! | `-` | cannot be: what is persisted is persisted, and a recovery that finds it writes nothing |

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use alliance_contracts::event::{EventType, TransactionEvent};
use alliance_contracts::names::{Corridor, IdempotencyKey};
use alliance_contracts::problem::ProblemCode;
use alliance_contracts::quote::{MemberAccount, QuoteRequest, Side, SideAmount, TransactionKind};
use alliance_contracts::transaction::Transaction;
use alliance_partner_sdk::client::{Answered, Call, Client, Error};
use futures_util::TryStreamExt;

use crate::harness::{ALLIANCE, Alliance, Engine, Gateway, block_on, once, quote};

const TABLE: &str = "
point                    | order          | not persisted  | persisted, unanswered | killed            | recovery killed   | panics

sequencer::taken         | exchange       | 503 none fresh | 503 one replayed      | lost none fresh   | lost one replayed | 503 none fresh
store::begin             | exchange       | 503 none fresh | 503 one replayed      | lost none fresh   | lost one replayed | 503 none fresh
store::begun (sqlite)    | exchange       | 503 none fresh | 503 one replayed      | lost none fresh   | lost one replayed | 503 none fresh
store::row               | exchange       | 503 none fresh | 503 one replayed      | lost none fresh   | lost one replayed | 503 none fresh
sequencer::locked        | exchange       | 503 none fresh | 503 one replayed      | lost none fresh   | lost one replayed | 503 none fresh
store::load              | exchange       | 503 none fresh | 503 one replayed      | lost none fresh   | lost one replayed | 503 none fresh
sequencer::loaded        | exchange       | 503 none fresh | 503 one replayed      | lost none fresh   | lost one replayed | 503 none fresh
sequencer::decided       | exchange       | 503 none fresh | 503 one replayed      | lost none fresh   | lost one replayed | 503 none fresh
sequencer::signed        | exchange       | 503 none fresh | 503 one replayed      | lost none fresh   | lost one replayed | 503 none fresh
store::hot               | exchange       | 503 none fresh | 201 one replayed      | lost none fresh   | -                 | 503 none fresh
store::hot::KEYS         | exchange       | 503 none fresh | 201 one replayed      | lost none fresh   | -                 | 503 none fresh
store::hot::REQUESTS     | exchange       | 503 none fresh | 201 one replayed      | lost none fresh   | -                 | 503 none fresh
store::hot::TRANSACTIONS | exchange       | 503 none fresh | 201 one replayed      | lost none fresh   | -                 | 503 none fresh
store::hot::REVERSED     | reversal       | 503 none fresh | 201 one replayed      | lost none fresh   | -                 | 503 none fresh
store::hot::RECEIPTS     | exchange       | 503 none fresh | 201 one replayed      | lost none fresh   | -                 | 503 none fresh
store::hot::BALANCES     | exchange       | 503 none fresh | 201 one replayed      | lost none fresh   | -                 | 503 none fresh
store::hot::ACCOUNTS     | exchange       | 503 none fresh | 201 one replayed      | lost none fresh   | -                 | 503 none fresh
store::hot::FLOWS        | exchange       | 503 none fresh | 201 one replayed      | lost none fresh   | -                 | 503 none fresh
store::hot::NEW_HEADS    | first exchange | 503 none fresh | 201 one replayed      | lost none fresh   | -                 | 503 none fresh
store::hot::MOVED_HEADS  | exchange       | 503 none fresh | 201 one replayed      | lost none fresh   | -                 | 503 none fresh
store::hot::NODES        | 256th exchange | 503 none fresh | 201 one replayed      | lost none fresh   | -                 | 503 none fresh
store::hot::EVENTS       | exchange       | 503 none fresh | 201 one replayed      | lost none fresh   | -                 | 503 none fresh
store::written           | exchange       | 503 none fresh | 201 one replayed      | lost none fresh   | -                 | 503 none fresh
store::commit            | exchange       | 503 none fresh | 201 one replayed      | lost none fresh   | -                 | 503 none fresh
store::committed         | exchange       | -              | 201 one replayed      | lost one replayed | -                 | 503 one replayed
sequencer::committed     | exchange       | -              | 201 one replayed      | lost one replayed | -                 | 503 one replayed
sequencer::answered      | exchange       | -              | 201 one replayed      | any one replayed  | -                 | 201 one replayed
";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    NotPersisted,
    Unanswered,
    Killed,
    RecoveryKilled,
    Panics,
}

/// A row as one fault meets it on one engine.
struct Case<'a> {
    point: &'a str,
    order: &'a str,
    sees: &'a str,
    there: usize,
    replayed: bool,
}

/// The columns of a row, its heading among them.
fn rows() -> impl Iterator<Item = Vec<&'static str>> {
    TABLE
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| line.split('|').map(str::trim).collect())
}

fn cases(engine: Engine, fault: Fault) -> Vec<Case<'static>> {
    let mut cases = Vec::new();
    for row in rows().skip(1) {
        let [point, order, not_persisted, unanswered, killed, recovery_killed, panics] = row[..]
        else {
            panic!("seven columns: {row:?}")
        };
        let (point, only) = point.split_once(' ').unwrap_or((point, ""));
        // PostgreSQL is given all of these in one statement, and begins in one round trip.
        let sqlite_only = only == "(sqlite)" || point.starts_with("store::hot::");
        let cell = match fault {
            Fault::NotPersisted => not_persisted,
            Fault::Unanswered => unanswered,
            Fault::Killed => killed,
            Fault::RecoveryKilled => recovery_killed,
            Fault::Panics => panics,
        };
        if cell == "-" || (sqlite_only && engine == Engine::Postgres) {
            continue;
        }
        let words: Vec<&str> = cell.split(' ').collect();
        let [sees, there, again] = words[..] else { panic!("three words: {cell}") };
        let (there, replayed) = (usize::from(there == "one"), again == "replayed");
        cases.push(Case { point, order, sees, there, replayed });
    }
    cases
}

/// The lines that arm a server for a fault.
fn armed(point: &str, fault: Fault) -> String {
    let committed = ["store::committed", "sequencer::committed", "sequencer::answered"];
    let lost = "store::committed=1*return(unknown)";
    match fault {
        Fault::NotPersisted => format!("{point}=return(unavailable)"),
        Fault::Unanswered if committed.contains(&point) => format!("{point}=return(unknown)"),
        Fault::Unanswered => format!("{lost}\n{point}=1*off->return(unavailable)"),
        Fault::Killed => format!("{point}=return(kill)"),
        Fault::RecoveryKilled => format!("{lost}\n{point}=1*off->return(kill)"),
        Fault::Panics => format!("{point}=panic"),
    }
}

/// An alliance with a server that can be armed.
struct Stage {
    alliance: Alliance,
    file: PathBuf,
    gateway: Option<Gateway>,
    started: Instant,
}

impl Stage {
    fn new(engine: Engine) -> Self {
        let alliance = Alliance::new("crash", engine);
        alliance.publish_by_hand();
        let file = alliance.dir().join("failpoints");
        let mut stage = Self { alliance, file, gateway: None, started: Instant::now() };
        stage.start();
        stage
    }

    fn start(&mut self) {
        let mut command = Command::new(ALLIANCE);
        command.env("ALLIANCE_FAILPOINTS", &self.file);
        self.gateway = Some(Gateway::launch(command, &self.alliance.args()).unwrap());
        self.started = Instant::now();
    }

    /// A server signs checkpoints after half a minute: it must not be that which meets the fault.
    fn keep_young(&mut self) {
        if self.started.elapsed() > Duration::from_secs(15) {
            assert_eq!(self.gateway.take().unwrap().terminate(), Some(0));
            self.start();
        }
    }

    fn arm(&self, lines: &str) {
        std::fs::write(self.file.with_extension("new"), lines).unwrap();
        std::fs::rename(self.file.with_extension("new"), &self.file).unwrap();
    }

    fn disarm(&self) {
        std::fs::remove_file(&self.file).unwrap();
    }

    fn client(&self, partner: &str) -> Client {
        self.alliance.client(partner, self.gateway.as_ref().unwrap())
    }
}

/// An order, ready to be sent as often as need be.
struct Order {
    partner: &'static str,
    member: MemberAccount,
    corridor: Corridor,
    key: IdempotencyKey,
    what: What,
}

enum What {
    Exchange(Box<alliance_contracts::quote::Quote>),
    Reversal(alliance_contracts::ids::TransactionId),
}

impl Order {
    async fn new(stage: &Stage, kind: &str, number: usize) -> Self {
        let (partner, source, target, corridor) = match kind {
            "first exchange" => ("aurora-air", "aurora", "cedar", "aurora-air~cedar-hotels"),
            "256th exchange" => {
                ("borealis-coffee", "borealis", "cedar", "borealis-coffee~cedar-hotels")
            }
            _ => ("aurora-air", "aurora", "borealis", "aurora-air~borealis-coffee"),
        };
        let client = stage.client(partner);
        let pairs = stage.alliance.pairs(source, target);
        if kind == "256th exchange" {
            exchange_many(&client, &pairs, 255).await;
        }
        let pair = &pairs[number % pairs.len()];
        let quote = quote(&client, pair, "20").await;
        let key: IdempotencyKey = format!("order-{number}").parse().unwrap();
        let what = match kind {
            "exchange" | "first exchange" | "256th exchange" => What::Exchange(Box::new(quote)),
            "reversal" => {
                let original = client.transact(&quote, format!("r-{number}").parse().unwrap());
                What::Reversal(original.await.unwrap().id)
            }
            other => panic!("no such order: {other}"),
        };
        let (member, corridor) = (pair.0.clone(), corridor.parse().unwrap());
        Self { partner, member, corridor, key, what }
    }

    fn call(&self, client: &Client) -> Call<Transaction> {
        let reference = self.key.as_str().parse().unwrap();
        match &self.what {
            What::Exchange(quote) => client.transact(quote, reference),
            What::Reversal(original) => {
                client.reverse(*original, reference, "customer_request".parse().unwrap()).call()
            }
        }
        .idempotency_key(self.key.clone())
        .retry(once())
    }

    /// What this order alone would add to its source's balance.
    fn change(&self) -> i64 {
        if matches!(self.what, What::Exchange(_)) { -20 } else { 20 }
    }

    /// The events that it alone would add: of itself, and of what it turns round.
    fn events(&self) -> usize {
        if matches!(self.what, What::Exchange(_)) { 1 } else { 2 }
    }

    /// What is there: receipts of the corridor, points of the source, events of its transactions.
    async fn effects(&self, client: &Client) -> (usize, i64, usize) {
        let receipts = client.receipts(&self.corridor).stream();
        let receipts = receipts.try_fold(0, |n, _| async move { Ok(n + 1) }).await.unwrap();
        let balance = client.member_balance(&self.member).await.unwrap().balance;
        let told = self.told(client).await;
        let completed = told.iter().filter(|kind| **kind == EventType::TransactionCompleted);
        assert_eq!(completed.count(), receipts, "a receipt and its event are one commit");
        (receipts, balance.to_string().parse().unwrap(), told.len())
    }

    /// What the caller's feed tells of the corridor's transactions.
    async fn told(&self, client: &Client) -> Vec<EventType> {
        let (mut told, mut after, mut number) = (Vec::new(), None, 0);
        loop {
            let page = client.events(after.as_ref(), 1_000).await.unwrap();
            for event in page.items {
                number += 1;
                assert_eq!(event.number(), Some(number), "the feed has no gap");
                if let Ok(about) = event.data::<TransactionEvent>()
                    && about.corridor == self.corridor
                {
                    told.push(event.r#type);
                }
            }
            if !page.more {
                return told;
            }
            after = Some(page.next_after);
        }
    }
}

async fn exchange_many(client: &Client, pairs: &[(MemberAccount, MemberAccount)], many: usize) {
    let asked = (0..many).map(|n| {
        let (source, target) = pairs[n % pairs.len()].clone();
        let amount = Some(SideAmount { side: Side::Source, value: "1".parse().unwrap() });
        let (kind, segment, tier) = (TransactionKind::Exchange, None, None);
        let (source, target) = (source.into(), target.into());
        QuoteRequest { expiry: None, amount, kind, segment, source, target, tier }
    });
    let quotes = client.quotes(asked.collect()).await.unwrap().results;
    let mut batch = client.transact_batch();
    for (n, result) in quotes.into_iter().enumerate() {
        batch = batch.order(&result.quote.unwrap(), format!("fill-{n}").parse().unwrap());
    }
    let done = batch.send().await.unwrap();
    assert_eq!(done.iter().filter(|answer| answer.outcome.is_ok()).count(), many);
}

/// What a client saw, in the table's words.
fn seen(answer: &Result<Answered<Transaction>, Error>) -> &'static str {
    match answer {
        Ok(answer) if answer.status == 201 && !answer.replayed => "201",
        Ok(_) => "replayed",
        Err(Error::Indeterminate { last, .. }) => match &**last {
            Error::Transport(_) => "lost",
            Error::Refused(problem)
                if problem.status == 503 && problem.code == ProblemCode::Unavailable =>
            {
                "503"
            }
            _ => "another error",
        },
        Err(_) => "another error",
    }
}

async fn meet(stage: &mut Stage, case: &Case<'_>, fault: Fault, number: usize) {
    stage.keep_young();
    let row = format!("{} × {fault:?}", case.point);
    let order = Order::new(stage, case.order, number).await;
    let client = stage.client(order.partner);
    let (receipts, balance, events) = order.effects(&client).await;

    stage.arm(&armed(case.point, fault));
    let answer = order.call(&client).send().await;
    let expected = match case.sees {
        "any" => &["201", "lost"][..],
        other => &[other],
    };
    assert!(expected.contains(&seen(&answer)), "{row}: {expected:?}, not {answer:?}");

    if !matches!(fault, Fault::Killed | Fault::RecoveryKilled) {
        stage.disarm();
    } else {
        // Armed until it has died: it may have answered before it comes to the point.
        let code = stage.gateway.take().unwrap().wait();
        assert_eq!(code, None, "{row}: it was to be killed");
        stage.disarm();
        stage.alliance.assert_audit_clean();
        stage.start();
    }
    let client = stage.client(order.partner);
    let there = i64::try_from(case.there).unwrap();
    let expected = (
        receipts + case.there,
        balance + there * order.change(),
        events + case.there * order.events(),
    );
    assert_eq!(order.effects(&client).await, expected, "{row}: what is there");

    let again = order.call(&client).send().await.unwrap();
    assert_eq!((again.status, again.replayed), (201, case.replayed), "{row}: the same key");
    if let Ok(first) = answer {
        assert_eq!(first.body.id, again.body.id, "{row}: the first answer again");
    }
    let expected = (receipts + 1, balance + order.change(), events + order.events());
    assert_eq!(order.effects(&client).await, expected, "{row}: one effect");
    let once_more = order.call(&client).send().await.unwrap();
    assert!(once_more.replayed && once_more.body.id == again.body.id, "{row}: one id");
}

fn every_point(engine: Engine, fault: Fault) {
    let mut stage = Stage::new(engine);
    block_on(async {
        for (number, case) in cases(engine, fault).iter().enumerate() {
            meet(&mut stage, case, fault, number).await;
        }
    });
    assert_eq!(stage.gateway.take().unwrap().terminate(), Some(0));
    stage.alliance.assert_audit_clean();
}

#[test]
fn what_fails_before_its_commit_leaves_nothing_on_sqlite() {
    every_point(Engine::Sqlite, Fault::NotPersisted);
}

#[test]
fn what_fails_before_its_commit_leaves_nothing_on_postgres() {
    every_point(Engine::Postgres, Fault::NotPersisted);
}

#[test]
fn what_is_committed_and_unanswered_is_found_by_its_key_on_sqlite() {
    every_point(Engine::Sqlite, Fault::Unanswered);
}

#[test]
fn what_is_committed_and_unanswered_is_found_by_its_key_on_postgres() {
    every_point(Engine::Postgres, Fault::Unanswered);
}

#[test]
fn a_kill_at_any_point_is_all_or_nothing_on_sqlite() {
    every_point(Engine::Sqlite, Fault::Killed);
}

#[test]
fn a_kill_at_any_point_is_all_or_nothing_on_postgres() {
    every_point(Engine::Postgres, Fault::Killed);
}

#[test]
fn a_kill_while_a_lost_answer_is_looked_for_loses_nothing_on_sqlite() {
    every_point(Engine::Sqlite, Fault::RecoveryKilled);
}

#[test]
fn a_kill_while_a_lost_answer_is_looked_for_loses_nothing_on_postgres() {
    every_point(Engine::Postgres, Fault::RecoveryKilled);
}

#[test]
fn a_panic_at_any_point_is_told_as_unknown_and_the_next_batch_works_on_sqlite() {
    every_point(Engine::Sqlite, Fault::Panics);
}

#[test]
fn a_panic_at_any_point_is_told_as_unknown_and_the_next_batch_works_on_postgres() {
    every_point(Engine::Postgres, Fault::Panics);
}

/// A point that is not in the table is a place where nobody has looked.
#[test]
fn every_failpoint_stands_in_the_table() {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../settlement/src");
    let read = |file: &str| std::fs::read_to_string(format!("{source}/{file}")).unwrap();
    let mut points = std::collections::BTreeSet::new();
    let files = ["sequencer.rs", "sequencer/queue.rs", "store/batch.rs", "store/sqlite.rs"];
    for file in files.iter().chain(&["store/postgres.rs", "store/statements.rs"]) {
        for point in read(file).split("failpoint!(\"").skip(1) {
            let (name, rest) = point.split_once('"').unwrap();
            if !rest.starts_with(", before ") {
                points.insert(name.to_owned());
            }
        }
    }
    let statements = read("store/statements.rs");
    let (_, hot) = statements.split_once("static HOT").unwrap();
    let (_, hot) = hot.split_once("= [").unwrap();
    for name in hot.split_once(']').unwrap().0.split('&').skip(1) {
        points.insert(format!("store::hot::{}", name.trim().trim_end_matches(',')));
    }
    let table: std::collections::BTreeSet<String> =
        rows().skip(1).map(|row| row[0].split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(points, table, "the points of the code, and those of the table");
}
