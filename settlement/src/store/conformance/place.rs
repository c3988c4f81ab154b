//! Where a store is: made for one test, gone after it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, SqliteConnection};

use crate::store::rows::Dialect;
use crate::store::schema::migrations;
use crate::store::{Store, migrate, open};

/// A place for one test's store.
pub struct Place {
    url: String,
    memory: Option<Arc<dyn Store>>,
    clean_up: CleanUp,
}

enum CleanUp {
    Nothing,
    Folder(PathBuf),
    Database { admin: String, name: String },
}

/// A name that no other test has, in this process or another.
fn unique() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    format!("{}_{since}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Place {
    /// In memory.
    pub async fn memory() -> Self {
        let memory = open("memory:", "demo".parse().unwrap()).await.unwrap();
        Self { url: "memory:".to_owned(), memory: Some(memory), clean_up: CleanUp::Nothing }
    }

    /// A new file, migrated.
    pub async fn sqlite() -> Self {
        let place = Self::sqlite_empty();
        migrate(&place.url).await.unwrap();
        place
    }

    /// A path where no file is yet.
    #[must_use]
    pub fn sqlite_empty() -> Self {
        let folder = std::env::temp_dir().join(format!("alliance_store_{}", unique()));
        std::fs::create_dir(&folder).unwrap();
        let url = format!("sqlite:{}", folder.join("books.db").display());
        Self { url, memory: None, clean_up: CleanUp::Folder(folder) }
    }

    /// A new database, a copy of one that was migrated once a run.
    pub async fn postgres() -> Self {
        let admin = admin_url();
        let template = template(&admin).await;
        Self::postgres_of(admin, &format!("TEMPLATE {template}")).await
    }

    /// A new database without a schema.
    pub async fn postgres_empty() -> Self {
        Self::postgres_of(admin_url(), "").await
    }

    async fn postgres_of(admin: String, template: &str) -> Self {
        let name = format!("store_{}", unique());
        let mut connection = PgConnection::connect(&admin).await.unwrap();
        let create = format!("CREATE DATABASE {name} {template}");
        sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let url = database_url(&admin, &name);
        Self { url, memory: None, clean_up: CleanUp::Database { admin, name } }
    }

    /// Opens the store of the alliance `demo`; in memory always the same.
    pub async fn open(&self) -> Arc<dyn Store> {
        self.open_of("demo").await
    }

    /// Opens the store of another alliance on the same database.
    pub async fn open_of(&self, alliance: &str) -> Arc<dyn Store> {
        match &self.memory {
            Some(store) => store.clone(),
            None => open(&self.url, alliance.parse().unwrap()).await.unwrap(),
        }
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether it is a server's.
    #[must_use]
    pub fn is_postgres(&self) -> bool {
        matches!(self.clean_up, CleanUp::Database { .. })
    }

    /// Runs statements behind the store's back.
    pub async fn execute(&self, sql: &str) {
        if self.is_postgres() {
            let mut connection = PgConnection::connect(&self.url).await.unwrap();
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        } else {
            let options: SqliteConnectOptions = self.url.parse().unwrap();
            let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        }
    }

    /// Reads texts behind the store's back.
    pub async fn texts(&self, sql: &str, columns: usize) -> Vec<Vec<Option<String>>> {
        use sqlx::Row;
        if self.is_postgres() {
            let mut connection = PgConnection::connect(&self.url).await.unwrap();
            let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut connection).await.unwrap();
            connection.close().await.unwrap();
            rows.iter().map(|row| (0..columns).map(|at| row.get(at)).collect()).collect()
        } else {
            let options: SqliteConnectOptions = self.url.parse().unwrap();
            let mut connection = options.connect().await.unwrap();
            let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut connection).await.unwrap();
            connection.close().await.unwrap();
            rows.iter().map(|row| (0..columns).map(|at| row.get(at)).collect()).collect()
        }
    }

    /// Takes it away again. A test that fails leaves it behind, to be looked at.
    pub async fn clean_up(self) {
        match self.clean_up {
            CleanUp::Nothing => {}
            CleanUp::Folder(folder) => _ = std::fs::remove_dir_all(folder),
            CleanUp::Database { admin, name } => {
                let mut connection = PgConnection::connect(&admin).await.unwrap();
                let drop = format!("DROP DATABASE {name} WITH (FORCE)");
                sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut connection).await.unwrap();
            }
        }
    }
}

fn admin_url() -> String {
    std::env::var("ALLIANCE_TEST_POSTGRES")
        .expect("ALLIANCE_TEST_POSTGRES is not set: run tests/run, which starts a cluster")
}

fn database_url(admin: &str, name: &str) -> String {
    let options: PgConnectOptions = admin.parse().unwrap();
    options.database(name).to_url_lossy().to_string()
}

/// The name of a migrated database, made by the first test of a run that needs it.
async fn template(admin: &str) -> String {
    let all: Vec<u8> =
        migrations(Dialect::Postgres).iter().flat_map(|one| one.checksum.to_vec()).collect();
    let hash = alliance_contracts::encoding::Hash::of(&all).to_string();
    let name = format!("alliance_template_{}", &hash[..16]);
    let mut connection = PgConnection::connect(admin).await.unwrap();
    let mut run = async |sql: String| {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap().rows_affected()
    };
    run("SELECT pg_advisory_lock(4711)".to_owned()).await;
    // Renamed only when it is whole: a run that was stopped half-way leaves nothing to trip over.
    if run(format!("SELECT 1 FROM pg_database WHERE datname = '{name}'")).await == 0 {
        run(format!("DROP DATABASE IF EXISTS {name}_new")).await;
        run(format!("CREATE DATABASE {name}_new")).await;
        migrate(&database_url(admin, &format!("{name}_new"))).await.unwrap();
        run(format!("ALTER DATABASE {name}_new RENAME TO {name}")).await;
    }
    run("SELECT pg_advisory_unlock(4711)".to_owned()).await;
    connection.close().await.unwrap();
    name
}
