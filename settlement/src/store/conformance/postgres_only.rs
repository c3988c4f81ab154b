//! What only a server can be asked: connections that die at the worst moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::place::Place;
use super::world::{World, corridor};
use crate::store::{Store, StoreError, open};

const LONG: Duration = Duration::from_secs(15);

/// Stands between a store and its server. While `cutting`, the first commit reaches the server, is
/// done there, and its answer is lost.
struct Proxy {
    url: String,
    cutting: Arc<AtomicBool>,
}

impl Proxy {
    async fn before(place: &Place) -> Self {
        let url = place.url().to_owned();
        let (start, rest) = url.split_once('@').unwrap();
        let (server, database) = rest.split_once('/').unwrap();
        let database = database.split('?').next().unwrap();
        let server = server.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let cutting = Arc::new(AtomicBool::new(false));
        let flag = cutting.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let upstream = TcpStream::connect(&server).await.unwrap();
                tokio::spawn(relay(client, upstream, flag.clone()));
            }
        });
        let url = format!("{start}@127.0.0.1:{port}/{database}?sslmode=disable");
        Self { url, cutting }
    }
}

async fn relay(client: TcpStream, server: TcpStream, cutting: Arc<AtomicBool>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let cut = Arc::new(AtomicBool::new(false));
    let muted = cut.clone();
    let answers = tokio::spawn(async move {
        let mut bytes = vec![0; 65_536];
        loop {
            let count = from_server.read(&mut bytes).await.unwrap_or(0);
            // Read the answer to the commit, so that it is done, and pass nothing on.
            if count == 0 || muted.load(Ordering::SeqCst) {
                break;
            }
            if to_client.write_all(&bytes[..count]).await.is_err() {
                break;
            }
        }
    });
    _ = orders(&mut from_client, &mut to_server, &cutting, &cut).await;
    if cut.load(Ordering::SeqCst) {
        _ = timeout(LONG, answers).await;
    }
}

/// Passes messages on one by one; ends after a commit that is to be cut.
async fn orders(
    client: &mut OwnedReadHalf,
    server: &mut OwnedWriteHalf,
    cutting: &AtomicBool,
    cut: &AtomicBool,
) -> std::io::Result<()> {
    // The first message has no letter.
    let mut letter = false;
    loop {
        let mut message = Vec::new();
        if letter {
            message.push(client.read_u8().await?);
        }
        let length = client.read_u32().await?;
        message.extend(length.to_be_bytes());
        let start = message.len();
        message.resize(start + usize::try_from(length).unwrap() - 4, 0);
        client.read_exact(&mut message[start..]).await?;
        letter = true;
        let commit = message.starts_with(b"Q") && message.ends_with(b"COMMIT\0");
        if commit && cutting.swap(false, Ordering::SeqCst) {
            cut.store(true, Ordering::SeqCst);
            server.write_all(&message).await?;
            return Ok(());
        }
        server.write_all(&message).await?;
    }
}

pub async fn a_commit_whose_answer_is_lost_is_unknown_and_can_be_read_back(place: &Place) {
    World::new(place.open().await).await;
    let proxy = Proxy::before(place).await;
    let mut world = World::on(open(&proxy.url, "demo".parse().unwrap()).await.unwrap());
    world.skip_ids(1_000_000);
    world.perform(0, 1, 0).await;
    let order = world.exchange(0, 1, 1, 1_000).await;
    let prepared = world.prepare(vec![order.clone()]).await;
    let outcomes = prepared.outcomes.clone();
    proxy.cutting.store(true, Ordering::SeqCst);
    let answer = timeout(LONG, prepared.commit()).await.unwrap();
    assert!(matches!(answer, Err(StoreError::UnknownCommit(_))), "{answer:?}");
    // With the row in hand it has ended: its key says what became of it, and nothing is done twice.
    let again = world.prepare(vec![order]).await;
    assert_eq!(again.outcomes, outcomes);
    assert!(again.writes.is_empty());
    drop(again);
    assert_eq!(world.store.receipts(&corridor(), 0, 10).await.unwrap().len(), 2);
}

async fn terminate(place: &Place, state: &str) {
    let ended = place
        .texts(
            &format!(
                "SELECT CAST(pg_terminate_backend(pid) AS TEXT) FROM pg_stat_activity \
                 WHERE datname = current_database() AND application_name = 'alliance' \
                 AND state = '{state}'"
            ),
            1,
        )
        .await;
    assert!(!ended.is_empty(), "nobody is {state}");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

pub async fn a_lost_connection_before_the_commit_is_unavailable(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let order = world.exchange(0, 1, 0, 1_000).await;
    let prepared = world.prepare(vec![order.clone()]).await;
    let before = world.picture().await;
    terminate(place, "idle in transaction").await;
    let answer = prepared.commit().await;
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    assert_eq!(world.picture().await, before);
    world.decide(vec![order]).await;
    assert_eq!(world.store.receipts(&corridor(), 0, 10).await.unwrap().len(), 1);
}

pub async fn an_idle_connection_that_died_is_replaced(place: &Place) {
    let mut world = World::new(place.open().await).await;
    world.perform(0, 1, 0).await;
    terminate(place, "idle").await;
    world.perform(0, 1, 1).await;
    assert_eq!(world.store.receipts(&corridor(), 0, 10).await.unwrap().len(), 2);
}

pub async fn a_gateway_that_hangs_loses_the_row(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let order = world.exchange(0, 1, 0, 1_000).await;
    let hung = world.prepare(vec![order]).await;
    let since = Instant::now();
    let other: Arc<dyn Store> = place.open().await;
    let batch = timeout(LONG, other.begin()).await.unwrap().unwrap();
    assert!(since.elapsed() > Duration::from_secs(2), "it was given up too soon");
    drop(batch);
    let answer = hung.commit().await;
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    assert!(other.receipts(&corridor(), 0, 10).await.unwrap().is_empty());
    world.perform(0, 1, 0).await;
}

/// The trap that this store must not step into, and that it does not.
pub async fn a_statement_that_failed_is_never_a_commit(place: &Place) {
    let mut world = World::new(place.open().await).await;
    // sqlx: an error is caught, and `commit` says Ok of what was rolled back.
    let mut connection = PgConnection::connect(place.url()).await.unwrap();
    let mut transaction = connection.begin().await.unwrap();
    let insert =
        "INSERT INTO suspensions (suspended_at, alliance, partner) VALUES (1, 'demo', 'x')";
    sqlx::raw_sql(insert).execute(&mut *transaction).await.unwrap();
    sqlx::raw_sql(insert).execute(&mut *transaction).await.unwrap_err();
    let committed = transaction.commit().await;
    assert!(committed.is_ok(), "sqlx has learned to say so: look at `batch` again");
    assert!(world.store.suspensions().await.unwrap().is_empty());
    // The store: the error ends the batch and its connection.
    let pid = "SELECT CAST(pid AS TEXT) FROM pg_stat_activity WHERE datname = current_database() \
               AND application_name = 'alliance' AND query LIKE 'ROLLBACK%'";
    let order = world.exchange(0, 1, 0, 1_000).await;
    let mut prepared = world.prepare(vec![order]).await;
    prepared.writes.keys.push(prepared.writes.keys[0].clone());
    world.contradicts(prepared).await;
    assert!(place.texts(pid, 1).await.len() <= 1);
    world.perform(0, 1, 0).await;
}
