//! The promises of `once`, on each store; and each store alone, killed in the middle.

use alliance_partner_sdk::connector::{
    Begun, MemoryStore, OperationStore, PostgresStore, Recorded, SqliteStore,
};
use alliance_partner_sdk::contracts::connector::{OperationKey, Step};
use alliance_partner_sdk::contracts::encoding::Hash;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{Connection, PgConnection, PgPool};

use super::gateway::{NOW, transaction};
use super::once;
use super::shop::{Counting, TABLE};

/// A folder that goes with the test.
pub struct Folder(pub std::path::PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let name = format!("alliance-connector-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn sqlite(folder: &Folder) -> SqliteStore {
    let file = SqliteConnectOptions::new().filename(folder.0.join("shop.db"));
    let file = file.create_if_missing(true).journal_mode(SqliteJournalMode::Wal);
    let pool = SqlitePoolOptions::new().connect_with(file).await.unwrap();
    sqlx::raw_sql(TABLE).execute(&pool).await.unwrap();
    SqliteStore::open(pool).await.unwrap()
}

/// A database of the throw-away cluster for this test alone.
async fn postgres(name: &str) -> PostgresStore {
    let admin = std::env::var("ALLIANCE_TEST_POSTGRES")
        .expect("ALLIANCE_TEST_POSTGRES is not set: run tests/run, which starts a cluster");
    let name = format!("connector_{name}_{}", std::process::id());
    let mut connection = PgConnection::connect(&admin).await.unwrap();
    let make = format!("CREATE DATABASE {name}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(make)).execute(&mut connection).await.unwrap();
    let (server, _) = admin.rsplit_once('/').unwrap();
    let pool = PgPool::connect(&format!("{server}/{name}")).await.unwrap();
    sqlx::raw_sql(TABLE).execute(&pool).await.unwrap();
    PostgresStore::open(pool).await.unwrap()
}

fn key() -> OperationKey {
    OperationKey { transaction: transaction(1), step: Step::Credit }
}

fn recorded(body: &str) -> Recorded {
    Recorded { body: body.as_bytes().to_vec(), request: Hash::of(b"the call"), status: 200 }
}

async fn begun<S: Counting>(store: &S) -> S::Tx {
    match store.begin(&key(), &Hash::of(b"the call"), NOW).await.unwrap() {
        Begun::First(tx) => tx,
        Begun::Known(known) => panic!("known: {known:?}"),
    }
}

/// As if the process were killed between the effect and the answer.
async fn a_dropped_transaction_leaves_neither_effect_nor_claim<S: Counting>(store: S) {
    let mut tx = begun(&store).await;
    S::count(&mut tx).await.unwrap();
    drop(tx);
    assert_eq!(store.find(&key()).await.unwrap(), None);
    assert_eq!(store.counted().await, 0);
    let mut tx = begun(&store).await;
    S::count(&mut tx).await.unwrap();
    store.commit(tx, &key(), &recorded("{}")).await.unwrap();
    assert_eq!(store.find(&key()).await.unwrap(), Some(recorded("{}")));
    assert_eq!(store.counted().await, 1);
}

async fn undone_writes_are_gone_and_the_key_is_answered<S: Counting>(store: S) {
    let mut tx = begun(&store).await;
    S::count(&mut tx).await.unwrap();
    let _ = S::fail(&mut tx).await;
    store.undo(&mut tx).await.unwrap();
    store.commit(tx, &key(), &recorded("no")).await.unwrap();
    assert_eq!(store.counted().await, 0);
    match store.begin(&key(), &Hash::of(b"another"), NOW).await.unwrap() {
        Begun::Known(known) => assert_eq!(known, recorded("no")),
        Begun::First(_) => panic!("the key was answered"),
    }
}

macro_rules! on_every_store {
    ($($behaviour:path as $name:ident($($more:expr),*);)*) => {$(
        mod $name {
            use super::*;

            #[tokio::test]
            async fn in_memory() {
                $behaviour(MemoryStore::new(0), $($more.0),*).await;
            }

            #[tokio::test]
            async fn on_sqlite() {
                let folder = Folder::new(stringify!($name));
                $behaviour(sqlite(&folder).await, $($more.1),*).await;
            }

            #[tokio::test]
            async fn on_postgres() {
                // A database's name is at most 63 bytes long.
                let name = &stringify!($name)[..stringify!($name).len().min(40)];
                $behaviour(postgres(name).await, $($more.1),*).await;
            }
        }
    )*};
}

on_every_store! {
    a_dropped_transaction_leaves_neither_effect_nor_claim as a_dropped_transaction_leaves_nothing();
    undone_writes_are_gone_and_the_key_is_answered as undone_writes_are_gone();
    once::a_repeated_call_has_one_effect_and_is_answered_alike as repeated_calls_are_answered_alike();
    once::a_key_with_another_body_is_refused_and_changes_nothing as another_body_is_refused();
    once::a_refusal_is_kept_and_what_was_written_is_taken_back as a_refusal_is_kept();
    once::a_failure_or_a_panic_keeps_nothing_and_the_repetition_decides as a_failure_keeps_nothing();
    once::many_repetitions_at_once_have_one_effect as many_at_once_have_one_effect();
    // The store in memory has one transaction at a time: a question waits for the call's end.
    once::what_is_not_committed_is_unknown_and_then_done as the_uncommitted_is_unknown((true, false));
    once::a_call_is_finished_when_the_caller_hangs_up as a_call_is_finished_without_its_caller();
}

/// A process that ends, and one that begins with its file.
#[tokio::test]
async fn answers_outlive_the_process() {
    let folder = Folder::new("outlive");
    let store = sqlite(&folder).await;
    let mut tx = begun(&store).await;
    SqliteStore::count(&mut tx).await.unwrap();
    store.commit(tx, &key(), &recorded("{}")).await.unwrap();
    store.pool().close().await;
    let file = SqliteConnectOptions::new().filename(folder.0.join("shop.db"));
    let pool = SqlitePoolOptions::new().connect_with(file).await.unwrap();
    let store = SqliteStore::open(pool).await.unwrap();
    assert_eq!(store.find(&key()).await.unwrap(), Some(recorded("{}")));
    assert_eq!(store.counted().await, 1);
}
