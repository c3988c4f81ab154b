//! What happens to the machine: stopped under load, started on an old backup, a lost answer.

use std::time::Duration;

use alliance_contracts::names::{Corridor, IdempotencyKey};
use alliance_contracts::quote::{MemberAccount, Quote};
use alliance_contracts::transaction::Transaction;
use alliance_partner_sdk::client::{Client, Error};
use futures_util::TryStreamExt;

use crate::harness::{Alliance, Engine, Gateway, block_on, once, quote};

const AURORA: &str = "aurora-air";

async fn receipts(client: &Client) -> usize {
    let corridor: Corridor = "aurora-air~borealis-coffee".parse().unwrap();
    client.receipts(&corridor).stream().try_fold(0, |n, _| async move { Ok(n + 1) }).await.unwrap()
}

/// What became of one order under load.
enum Seen {
    Answered(IdempotencyKey, Quote, Box<Transaction>),
    Unknown(IdempotencyKey, Quote),
    Refused,
}

async fn load(
    client: Client,
    pairs: Vec<(MemberAccount, MemberAccount)>,
    worker: usize,
) -> Vec<Seen> {
    let mut seen = Vec::new();
    for order in 0..400 {
        let pair = &pairs[(worker * 400 + order) % pairs.len()];
        let asked = client
            .exchange(pair.0.clone(), pair.1.clone())
            .give("20".parse().unwrap())
            .retry(once());
        let Ok(quote) = asked.await else { return seen };
        let key: IdempotencyKey = format!("{worker}-{order}").parse().unwrap();
        let call = client
            .transact(&quote, format!("{worker}-{order}").parse().unwrap())
            .idempotency_key(key.clone())
            .retry(once());
        match call.await {
            Ok(transaction) => seen.push(Seen::Answered(key, quote, Box::new(transaction))),
            Err(Error::Refused(problem)) if problem.status < 500 => seen.push(Seen::Refused),
            Err(_) => seen.push(Seen::Unknown(key, quote)),
        }
    }
    seen
}

/// Everything answered was committed; everything committed is found again by its key.
fn a_stop_under_load_loses_nothing(engine: Engine) {
    let alliance = Alliance::new("stop", engine);
    let gateway = alliance.serve();
    let pairs = alliance.pairs("aurora", "borealis");
    let client = alliance.client(AURORA, &gateway);
    let seen = block_on(async {
        let workers: Vec<_> = (0..8)
            .map(|worker| tokio::spawn(load(client.clone(), pairs.clone(), worker)))
            .collect();
        tokio::time::sleep(Duration::from_millis(700)).await;
        gateway.signal("-TERM");
        let mut seen = Vec::new();
        for worker in workers {
            seen.extend(worker.await.unwrap());
        }
        seen
    });
    assert_eq!(gateway.wait(), Some(0), "a stop in order ends with 0");
    alliance.assert_audit_clean();
    let gateway = alliance.serve();
    let client = alliance.client(AURORA, &gateway);
    block_on(async {
        let before = receipts(&client).await;
        let mut answered = 0;
        let mut found = 0;
        for one in seen {
            let (key, quote, known) = match one {
                Seen::Answered(key, quote, transaction) => (key, quote, Some(transaction.id)),
                Seen::Unknown(key, quote) => (key, quote, None),
                Seen::Refused => continue,
            };
            let reference = key.as_str().parse().unwrap();
            let again =
                client.transact(&quote, reference).idempotency_key(key.clone()).send().await;
            match (known, again) {
                (Some(id), Ok(again)) => {
                    assert!(again.replayed && again.body.id == id, "{key} was performed again");
                    answered += 1;
                }
                (Some(_), Err(error)) => panic!("{key} was answered and is lost: {error}"),
                // Unknown: either it was committed and is found, or it is performed now, once.
                (None, Ok(again)) => found += usize::from(again.replayed),
                (None, Err(Error::Refused(_))) => {}
                (None, Err(error)) => panic!("{key}: {error}"),
            }
        }
        assert!(answered > 0, "something was answered before the stop");
        assert!(before >= answered && before <= answered + found, "{before} {answered} {found}");
    });
    alliance.assert_audit_clean();
}

#[test]
fn sigterm_under_load_loses_nothing_on_sqlite() {
    a_stop_under_load_loses_nothing(Engine::Sqlite);
}

#[test]
fn sigterm_under_load_loses_nothing_on_postgres() {
    a_stop_under_load_loses_nothing(Engine::Postgres);
}

/// T31: a database that lacks what was signed is not served.
#[test]
fn a_database_restored_from_an_old_backup_is_refused() {
    let alliance = Alliance::new("backup", Engine::Sqlite);
    let database = alliance.dir().join("alliance.db");
    let order = |gateway: &Gateway, reference: &str| {
        let client = alliance.client(AURORA, gateway);
        let pair = alliance.pairs("aurora", "borealis").remove(0);
        block_on(async {
            let quote = quote(&client, &pair, "20").await;
            client.transact(&quote, reference.parse().unwrap()).await.unwrap();
        });
    };
    let gateway = alliance.serve();
    order(&gateway, "one");
    assert_eq!(gateway.terminate(), Some(0));
    let backup = std::fs::read(&database).unwrap();
    let gateway = alliance.serve();
    order(&gateway, "two");
    assert_eq!(gateway.terminate(), Some(0));

    std::fs::write(&database, backup).unwrap();
    for extra in ["alliance.db-wal", "alliance.db-shm"] {
        let _ = std::fs::remove_file(alliance.dir().join(extra));
    }
    let Err(log) = Gateway::try_start(&alliance.args()) else { panic!("an old backup was served") };
    assert!(log.contains("aurora-air~borealis-coffee"), "it names the corridor: {log}");
    assert!(log.contains("backup"), "it says what to look for: {log}");
}

/// T54: without a durable commit there is no answer.
#[test]
fn a_gateway_whose_database_is_gone_answers_unavailable_and_says_so() {
    let alliance = Alliance::new("gone", Engine::Postgres);
    let gateway = alliance.serve();
    let client = alliance.client(AURORA, &gateway);
    let pair = alliance.pairs("aurora", "borealis").remove(0);
    let url = alliance.database().unwrap().to_owned();
    let (server, name) = url.rsplit_once('/').unwrap();
    let admin = format!("{server}/postgres");
    block_on(async {
        let asked = quote(&client, &pair, "20").await;
        crate::harness::psql(&admin, &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"));
        let kill = format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{name}'"
        );
        crate::harness::psql(&admin, &kill);
        let order = || {
            client
                .transact(&asked, "gone".parse().unwrap())
                .idempotency_key("gone".parse().unwrap())
                .retry(once())
        };
        let error = order().await.unwrap_err();
        assert!(!matches!(error, Error::Refused(_)), "nothing is known of the outcome: {error:?}");
        crate::harness::psql(&admin, &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true"));
        // The same key, once the database is back: performed once.
        let done = client
            .transact(&asked, "gone".parse().unwrap())
            .idempotency_key("gone".parse().unwrap())
            .send()
            .await
            .unwrap();
        assert_eq!(done.status, 201);
        assert_eq!(receipts(&client).await, 1);
    });
    alliance.assert_audit_clean();
}

/// Whoever changes the books behind our back is named by the audit.
#[test]
fn the_audit_names_what_was_tampered_with() {
    let alliance = Alliance::new("tamper", Engine::Postgres);
    let gateway = alliance.serve();
    let client = alliance.client(AURORA, &gateway);
    let pairs = alliance.pairs("aurora", "borealis");
    block_on(async {
        for (n, pair) in pairs.iter().take(5).enumerate() {
            let quote = quote(&client, pair, "20").await;
            client.transact(&quote, format!("t-{n}").parse().unwrap()).await.unwrap();
        }
    });
    assert_eq!(gateway.terminate(), Some(0));
    alliance.assert_audit_clean();
    let url = alliance.database().unwrap();
    let corridor = "aurora-air~borealis-coffee";
    for (change, undo, named) in [
        (
            "UPDATE balances SET balance = balance + 1 WHERE member = 7",
            "UPDATE balances SET balance = balance - 1 WHERE member = 7",
            "member 7",
        ),
        (
            "UPDATE accounts SET balance = '999' WHERE account = 'alliance:rounding'",
            "",
            "alliance:rounding",
        ),
        (
            "UPDATE flows SET exchanged = '1' WHERE source = 'aurora' AND target = 'borealis'",
            "",
            "flow aurora to borealis",
        ),
        (
            "UPDATE receipts SET payload = overlay(payload placing '\\x39'::bytea from 40) WHERE seq = 3",
            "",
            "receipt aurora-air~borealis-coffee 3",
        ),
    ] {
        crate::harness::psql(url, change);
        let output = alliance.run(&["audit"]);
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(output.status.code(), Some(1), "{change}: {text}");
        assert!(text.contains(named), "{change}: {text}");
        if !undo.is_empty() {
            crate::harness::psql(url, undo);
        }
    }
    crate::harness::psql(
        url,
        &format!("DELETE FROM receipts WHERE corridor = '{corridor}' AND seq = 5"),
    );
    let output = alliance.run(&["audit"]);
    assert_eq!(output.status.code(), Some(1), "a deleted receipt");
}
