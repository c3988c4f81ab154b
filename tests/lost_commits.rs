//! A commit whose answer is lost while the old backend still works on it (T52). The gateway takes
//! the sequencer row again, which it gets when the old transaction has ended, and not before; then
//! the key says what became of it. PostgreSQL only: SQLite has no backend that outlives its client.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use alliance_partner_sdk::client::Client;
use futures_util::TryStreamExt;
use tokio::task::JoinHandle;

use crate::harness::{Alliance, Engine, Gateway, block_on, once, psql, quote};

const CORRIDOR: &str = "aurora-air~borealis-coffee";

/// Commits take four seconds: that long the old backend goes on alone.
const SLOW_COMMITS: &str = "\
    CREATE FUNCTION sleep_at_commit() RETURNS trigger LANGUAGE plpgsql AS \
    'BEGIN PERFORM pg_sleep(4); RETURN NULL; END'; \
    CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON receipts DEFERRABLE INITIALLY DEFERRED \
    FOR EACH ROW EXECUTE FUNCTION sleep_at_commit()";
/// The backend that works on the cut commit: no other sleeps.
const AT_COMMIT: &str = "FROM pg_stat_activity WHERE datname = current_database() \
    AND state = 'active' AND wait_event = 'PgSleep'";
/// Whether somebody waits for the sequencer row.
const WAITING: &str = "EXISTS (SELECT 1 FROM pg_stat_activity \
    WHERE datname = current_database() AND wait_event_type = 'Lock' \
    AND query LIKE '%UPDATE sequencer%')";

/// Stands between a gateway and its database, and hangs up on the gateway when a commit has been
/// passed on; the server's side stays open and is never told.
struct Proxy {
    port: u16,
    cutting: Arc<AtomicBool>,
}

impl Proxy {
    fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let cutting = Arc::new(AtomicBool::new(false));
        let (flag, server) = (cutting.clone(), server.to_owned());
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, flag) = (client.unwrap(), flag.clone());
                let server = TcpStream::connect(&server).unwrap();
                let (answers, to_client) =
                    (server.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || pass_on(answers, to_client, None));
                std::thread::spawn(move || pass_on(client, server, Some(&flag)));
            }
        });
        Self { port, cutting }
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, cutting: Option<&AtomicBool>) {
    let mut bytes = vec![0; 65_536];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        let some = &bytes[..count];
        let commit = some.windows(6).any(|word| word == b"COMMIT");
        if to.write_all(some).is_err() {
            break;
        }
        if commit && cutting.is_some_and(|cutting| cutting.swap(false, Ordering::SeqCst)) {
            // Gone for the gateway. The server hears nothing of it until this process ends.
            _ = from.shutdown(Shutdown::Both);
            std::mem::forget(to);
            return;
        }
    }
    _ = to.shutdown(Shutdown::Both);
}

/// Waits until a question to the database is answered with something else than nothing; the order
/// must not be answered before.
async fn until<T>(url: &str, question: &str, order: &JoinHandle<T>) {
    let since = Instant::now();
    while matches!(psql(url, question).as_str(), "" | "0") {
        assert!(!order.is_finished(), "answered while nothing was known");
        assert!(since.elapsed() < Duration::from_secs(20), "it never came: {question}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn receipts(client: &Client) -> usize {
    let stream = client.receipts(&CORRIDOR.parse().unwrap()).stream();
    stream.try_fold(0, |n, _| async move { Ok(n + 1) }).await.unwrap()
}

/// An order whose commit is cut off while the old backend works on it. `meanwhile`: done to that
/// backend once the gateway waits for it.
fn a_commit_that_goes_on_alone(meanwhile: Option<&str>) {
    let alliance = Alliance::new("alone", Engine::Postgres);
    let url = alliance.database().unwrap().to_owned();
    psql(&url, SLOW_COMMITS);
    let (user, rest) = url.split_once('@').unwrap();
    let (server, name) = rest.split_once('/').unwrap();
    let proxy = Proxy::before(server);
    let through = format!("{user}@127.0.0.1:{}/{name}?sslmode=disable", proxy.port);
    let mut args = alliance.args();
    *args.last_mut().unwrap() = through;
    let gateway = Gateway::start(&args);
    let client = alliance.client("aurora-air", &gateway);
    let pair = alliance.pairs("aurora", "borealis").remove(0);
    block_on(async {
        let quote = quote(&client, &pair, "20").await;
        let order = || {
            client
                .transact(&quote, "alone".parse().unwrap())
                .idempotency_key("alone".parse().unwrap())
                .retry(once())
        };
        proxy.cutting.store(true, Ordering::SeqCst);
        let first = tokio::spawn(order().send());
        // The gateway waits for the row while the old transaction is still at its commit.
        let both = format!("SELECT COUNT(*) {AT_COMMIT} AND {WAITING}");
        until(&url, &both, &first).await;
        if let Some(meanwhile) = meanwhile {
            psql(&url, meanwhile);
        }
        let first = first.await.unwrap().unwrap();
        assert_eq!((first.status, first.replayed), (201, false), "nobody had an answer before");
        assert!(!proxy.cutting.load(Ordering::SeqCst), "the commit was cut off");
        assert_eq!(receipts(&client).await, 1, "one effect");
        let again = order().send().await.unwrap();
        assert!(again.replayed && again.body.id == first.body.id);
        assert_eq!(receipts(&client).await, 1, "one effect");
    });
    assert_eq!(gateway.terminate(), Some(0));
    alliance.assert_audit_clean();
}

#[test]
fn a_commit_that_the_old_backend_still_finishes_is_waited_for_and_answered() {
    a_commit_that_goes_on_alone(None);
}

#[test]
fn a_commit_that_the_old_backend_never_finishes_is_done_again_once() {
    let end = format!("SELECT pg_terminate_backend(pid) {AT_COMMIT}");
    a_commit_that_goes_on_alone(Some(&end));
}
