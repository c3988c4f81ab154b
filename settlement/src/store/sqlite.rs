//! SQLite: one file beside the program, one writer, four readers. A list is JSON in one parameter,
//! its bytes in another (row by row sqlx makes 1,300 rows a second, so 36,000 and more).

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use alliance_contracts::names::AllianceId;
use futures_util::TryStreamExt;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool,
    SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Sqlite};

use super::StoreError;
use super::batch::{Broken, Session, Slot, TAKE, fetch};
use super::failpoint::failpoint;
use super::failure::{commit_failure, connection_lost, failure};
use super::files::Files;
use super::reads::Engine;
use super::rows::{Dialect, Row, Rows, Sql, Value};
use super::statements::HOT;

type Result<T> = std::result::Result<T, StoreError>;

/// How long a statement waits for another process that writes.
const BUSY: Duration = Duration::from_secs(10);
/// Receipts of two kilobytes fill such pages better than SQLite's 4,096.
const PAGE_BYTES: u32 = 4_096;
const READERS: u32 = 4;

/// A store in an SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    alliance: AllianceId,
    options: SqliteConnectOptions,
    readers: SqlitePool,
    writer: Slot<SqliteConnection>,
    /// As long as it is open SQLite does not do away with the log by itself. It copies the log.
    anchor: Slot<SqliteConnection>,
    files: Arc<Files>,
}

impl SqliteStore {
    /// Opens the file of a URL (`sqlite:books.db`), which must be there.
    ///
    /// # Errors
    /// [`StoreError::NotMigrated`] where there is no such file, [`StoreError::Unavailable`].
    pub async fn open(url: &str, alliance: AllianceId) -> Result<Self> {
        let options = options(url)?;
        if !Path::new(options.get_filename()).exists() {
            return Err(StoreError::NotMigrated("there is no such file".to_owned()));
        }
        // The first connection is a writing one: it makes the log that the reading ones need.
        let first = options.connect().await.map_err(failure)?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(BUSY)
            .connect_lazy_with(options.clone().read_only(true));
        let anchor = options.connect().await.map_err(failure)?;
        let (writer, anchor) = (Slot::new(Some(first).into()), Slot::new(Some(anchor).into()));
        let files = Files::of(options.get_filename(), anchor.clone())?.into();
        Ok(Self { alliance, options, readers, writer, anchor, files })
    }

    /// Makes the file of a URL where it is missing, brings its schema up to date, and opens it.
    ///
    /// # Errors
    /// As [`SqliteStore::open`] and [`super::migrate`].
    pub async fn create(url: &str, alliance: AllianceId) -> Result<Self> {
        super::migrate(url).await?;
        Self::open(url, alliance).await
    }
}

/// How a file is opened: every commit is on the disk before it is answered.
pub(super) fn options(url: &str) -> Result<SqliteConnectOptions> {
    let options = SqliteConnectOptions::from_str(url).map_err(failure)?;
    if url.contains(":memory:") || url.contains("mode=memory") {
        let text = "SQLite in memory has one connection: use memory: instead";
        return Err(StoreError::Unavailable(text.to_owned()));
    }
    Ok(options
        .page_size(PAGE_BYTES)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        .pragma("secure_delete", "ON")
        .pragma("journal_size_limit", "67108864")
        // The anchor copies the log. The writer does so only where that is not enough, and to begin
        // the log anew: 16,384 pages are 64 MB.
        .pragma("wal_autocheckpoint", "16384")
        .pragma("cache_size", "-32768")
        .disable_statement_logging())
}

type Query<'q> = sqlx::query::Query<'q, Sqlite, SqliteArguments>;

fn query<'q>(sql: &Sql, values: &[Value<'_>], lists: &[Rows<'_>]) -> Query<'q> {
    let mut query = sqlx::query(AssertSqlSafe(sql.text(Dialect::Sqlite)));
    for value in values {
        query = match value {
            Value::Int(value) => query.bind(*value),
            Value::Text(value) => query.bind(value.as_deref().map(str::to_owned)),
            Value::Bytes(value) => query.bind(value.as_deref().map(<[u8]>::to_vec)),
        };
    }
    lists.iter().fold(query, |query, rows| {
        let (json, bytes) = rows.to_json();
        let query = query.bind(json);
        if rows.list.has_bytes() { query.bind(bytes) } else { query }
    })
}

impl Session for SqliteConnection {
    async fn fetch_each(
        &mut self,
        sql: &Sql,
        values: &[Value<'_>],
        lists: &[Rows<'_>],
        each: &mut (dyn FnMut(Row) -> Result<()> + Send),
    ) -> Result<()> {
        let mut rows = query(sql, values, lists).fetch(self);
        while let Some(row) = rows.try_next().await.map_err(failure)? {
            each(Row::read(&row, sql.shape).map_err(failure)?)?;
        }
        Ok(())
    }

    async fn execute(
        &mut self,
        sql: &Sql,
        values: &[Value<'_>],
        lists: &[Rows<'_>],
    ) -> Result<u64> {
        let done = query(sql, values, lists).execute(self).await.map_err(failure)?;
        Ok(done.rows_affected())
    }

    async fn execute_hot(
        &mut self,
        alliance: &AllianceId,
        hot: &[Rows<'_>; HOT.len()],
    ) -> Result<[u64; HOT.len()]> {
        let mut done = [0; HOT.len()];
        for ((statement, rows), done) in HOT.iter().zip(hot).zip(&mut done) {
            if !rows.is_empty() {
                failpoint!("store::hot", before statement.name);
                let name = [alliance.as_str().into()];
                *done = self.execute(&statement.sql, &name, std::slice::from_ref(rows)).await?;
            }
        }
        Ok(done)
    }

    async fn begin(&mut self, alliance: &AllianceId) -> std::result::Result<Option<Row>, Broken> {
        let begun = sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut *self).await;
        begun.map_err(|error| Broken {
            connection_lost: connection_lost(&error),
            error: failure(error),
        })?;
        failpoint!("store::begun");
        Ok(fetch(self, &TAKE, &[alliance.as_str().into()]).await?.pop())
    }

    /// Plans here do not depend on sizes: the schema comes with statistics of its own.
    async fn plan_anew(&mut self) -> Result<()> {
        Ok(())
    }

    async fn commit(&mut self) -> Result<()> {
        sqlx::raw_sql("COMMIT").execute(&mut *self).await.map_err(commit_failure)?;
        Ok(())
    }

    async fn rollback(&mut self) -> Result<()> {
        sqlx::raw_sql("ROLLBACK").execute(&mut *self).await.map_err(failure)?;
        Ok(())
    }
}

impl Engine for SqliteStore {
    type Database = Sqlite;
    const DIALECT: Dialect = Dialect::Sqlite;

    fn alliance(&self) -> &AllianceId {
        &self.alliance
    }

    fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    fn writer(&self) -> &Slot<SqliteConnection> {
        &self.writer
    }

    fn files(&self) -> Option<&Arc<Files>> {
        Some(&self.files)
    }

    fn anchor(&self) -> Option<&Slot<SqliteConnection>> {
        Some(&self.anchor)
    }

    async fn connect(&self) -> Result<SqliteConnection> {
        SqliteConnection::connect_with(&self.options).await.map_err(failure)
    }
}
