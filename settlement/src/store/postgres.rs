//! PostgreSQL, and what speaks its protocol: the writing connection apart from those that read. A
//! list is one array a column.
//!
//! The writing connection is bounded in time on both sides, so that neither a hung gateway nor a
//! network that swallows packets holds the sequencer row.

use std::fmt::Write as _;
use std::str::FromStr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use alliance_contracts::names::AllianceId;
use futures_util::TryStreamExt;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Postgres};
use tokio::time::timeout;

use super::StoreError;
use super::batch::{Broken, Session, Slot, TAKE};
use super::failure::{commit_failure, connection_lost, failure};
use super::reads::Engine;
use super::rows::{Dialect, Kind, Row, Rows, Sql, Value, shape};
use super::statements::HOT;

type Result<T> = std::result::Result<T, StoreError>;

/// How long an answer may take in all. The server itself gives up after [`WRITER`]'s ten seconds.
const ANSWER: Duration = Duration::from_secs(20);
const READERS: u32 = 8;

/// What a writing connection is told: to give up after ten seconds, and sooner where its gateway
/// hangs, so that whoever waits for the row gets it before giving up in turn; to see what has been
/// committed when a statement begins (everything is read under the row lock); to answer a commit
/// when it is on the disk; and to look rows up rather than to read whole tables, whatever it
/// believes about how many there are.
pub(super) const WRITER: &str = "SET statement_timeout = '10s'; \
    SET idle_in_transaction_session_timeout = '8s'; \
    SET default_transaction_isolation = 'read committed'; \
    SET default_transaction_read_only = off; \
    SELECT set_config('synchronous_commit', 'on', false) \
    WHERE current_setting('synchronous_commit') = 'off'; \
    SET enable_seqscan = off; SET jit = off";

/// Ends a transaction for good. sqlx says `Ok` of a `COMMIT` that the server answers with
/// `ROLLBACK`, as it does in a transaction that has failed, and does not show the answer. There the
/// first statement is an error, so that the second is not carried out.
const COMMIT: &str = "SELECT 1; COMMIT";

/// What a reading connection is told.
const READER: &str = "SET statement_timeout = '30s'; SET default_transaction_read_only = on; \
    SET jit = off";

/// A store on PostgreSQL. Its `Debug` shows nothing: there is a password among its options.
pub struct PostgresStore {
    alliance: AllianceId,
    options: PgConnectOptions,
    readers: PgPool,
    writer: Slot<PgConnection>,
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PostgresStore(…)")
    }
}

impl PostgresStore {
    /// Connects to a database by URL.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn connect(url: &str, alliance: AllianceId) -> Result<Self> {
        let options = options(url)?;
        let first = writer(&options).await?;
        let readers = PgPoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(ANSWER)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    sqlx::raw_sql(READER).execute(connection).await?;
                    Ok(())
                })
            })
            .connect_lazy_with(options.clone());
        Ok(Self { alliance, options, readers, writer: Slot::new(Some(first).into()) })
    }
}

/// How a database is connected to.
pub(super) fn options(url: &str) -> Result<PgConnectOptions> {
    let options = PgConnectOptions::from_str(url).map_err(failure)?;
    Ok(options.application_name("alliance").disable_statement_logging())
}

async fn writer(options: &PgConnectOptions) -> Result<PgConnection> {
    within(async {
        let mut connection = PgConnection::connect_with(options).await?;
        sqlx::raw_sql(WRITER).execute(&mut connection).await?;
        Ok(connection)
    })
    .await
    .map_err(failure)
}

/// An answer, or the error that a lost connection would have been.
async fn within<T>(
    answer: impl Future<Output = std::result::Result<T, sqlx::Error>>,
) -> std::result::Result<T, sqlx::Error> {
    let late = |_| std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer in time");
    timeout(ANSWER, answer).await.map_err(late)?
}

type Query<'q> = sqlx::query::Query<'q, Postgres, PgArguments>;

fn query<'q>(text: Arc<str>, values: &[Value<'_>], lists: &[Rows<'_>]) -> Query<'q> {
    let mut query = sqlx::query(AssertSqlSafe(text));
    for value in values {
        query = match value {
            Value::Int(value) => query.bind(*value),
            Value::Text(value) => query.bind(value.as_deref()),
            Value::Bytes(value) => query.bind(value.as_deref()),
        };
    }
    for rows in lists {
        for (at, (_, kind)) in rows.list.columns.iter().enumerate() {
            query = bind_column(query, rows, at, *kind);
        }
    }
    query
}

/// A column as an array. A value of another kind than its column's cannot be: every statement's
/// rows are built in one place and tested; it would be null.
fn bind_column<'q>(query: Query<'q>, rows: &Rows<'_>, at: usize, kind: Kind) -> Query<'q> {
    let column = rows.column(at);
    match kind {
        Kind::Int => query.bind(
            column
                .map(|value| if let Value::Int(int) = value { *int } else { None })
                .collect::<Vec<Option<i64>>>(),
        ),
        Kind::Text => query.bind(
            column
                .map(|value| if let Value::Text(text) = value { text.as_deref() } else { None })
                .collect::<Vec<Option<&str>>>(),
        ),
        Kind::Bytes => query.bind(
            column
                .map(|value| if let Value::Bytes(bytes) = value { bytes.as_deref() } else { None })
                .collect::<Vec<Option<&[u8]>>>(),
        ),
    }
}

/// [`HOT`] as one statement: each a part of its own, then how many rows each took effect on.
static HOT_AT_ONCE: LazyLock<Arc<str>> = LazyLock::new(|| {
    let mut next = 2;
    let (mut parts, mut counts) = (String::new(), String::new());
    for (at, statement) in HOT.iter().enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        let text = statement.sql.render(Dialect::Postgres, &mut next);
        // Writing to a text cannot fail.
        _ = write!(parts, "{comma}part_{at} AS ({text} RETURNING 1)");
        _ = write!(counts, "{comma}(SELECT COUNT(*) FROM part_{at})");
    }
    Arc::from(format!("WITH {parts} SELECT {counts}"))
});

impl Session for PgConnection {
    async fn fetch_each(
        &mut self,
        sql: &Sql,
        values: &[Value<'_>],
        lists: &[Rows<'_>],
        each: &mut (dyn FnMut(Row) -> Result<()> + Send),
    ) -> Result<()> {
        let mut rows = query(sql.text(Dialect::Postgres), values, lists).fetch(self);
        while let Some(row) = within(rows.try_next()).await.map_err(failure)? {
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
        let query = query(sql.text(Dialect::Postgres), values, lists);
        Ok(within(query.execute(self)).await.map_err(failure)?.rows_affected())
    }

    async fn execute_hot(
        &mut self,
        alliance: &AllianceId,
        hot: &[Rows<'_>; HOT.len()],
    ) -> Result<[u64; HOT.len()]> {
        let query = query(HOT_AT_ONCE.clone(), &[alliance.as_str().into()], hot);
        let row = within(query.fetch_one(self)).await.map_err(failure)?;
        let mut row = Row::read(&row, shape(HOT.len(), 0, 0)).map_err(failure)?;
        let mut done = [0; HOT.len()];
        for done in &mut done {
            *done = row.count("a count")?;
        }
        Ok(done)
    }

    async fn begin(&mut self, alliance: &AllianceId) -> std::result::Result<Option<Row>, Broken> {
        // One round trip. An alliance's name is a slug: nothing in it needs quoting.
        let take = TAKE.template.replace("$1", &format!("'{alliance}'"));
        let text = AssertSqlSafe(format!("BEGIN; {take}"));
        let begun = within(sqlx::raw_sql(text).fetch_all(&mut *self)).await;
        let rows = begun.map_err(|error| Broken {
            connection_lost: connection_lost(&error),
            error: failure(error),
        })?;
        let row = rows.first().map(|row| Row::read(row, TAKE.shape)).transpose();
        Ok(row.map_err(failure)?)
    }

    async fn commit(&mut self) -> Result<()> {
        within(sqlx::raw_sql(COMMIT).execute(&mut *self)).await.map_err(commit_failure)?;
        Ok(())
    }

    async fn rollback(&mut self) -> Result<()> {
        within(sqlx::raw_sql("ROLLBACK").execute(&mut *self)).await.map_err(failure)?;
        Ok(())
    }
}

impl Engine for PostgresStore {
    type Database = Postgres;
    const DIALECT: Dialect = Dialect::Postgres;

    fn alliance(&self) -> &AllianceId {
        &self.alliance
    }

    fn readers(&self) -> &PgPool {
        &self.readers
    }

    fn writer(&self) -> &Slot<PgConnection> {
        &self.writer
    }

    async fn connect(&self) -> Result<PgConnection> {
        writer(&self.options).await
    }
}
