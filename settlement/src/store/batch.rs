//! A batch on a database: the connection it holds, what it loads, how it commits. The same for both
//! engines, over [`Session`].
//!
//! A connection is lent out and handed back: whoever uses it takes it away, and returns it only
//! when all went well. So an error, or a future that is dropped half-way, leaves no open
//! transaction anywhere — the connection is closed with it. (A cancelled `begin()` of sqlx would
//! hand it on inside its transaction, and its `commit()` says `Ok` of what PostgreSQL has rolled
//! back after an error: neither is used here, and nothing continues after an error.)

use std::sync::Arc;

use alliance_contracts::names::AllianceId;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::failpoint::failpoint;
use super::reads::{self, Fetched};
use super::rows::{Row, Rows, Sql, Value, shape};
use super::statements::{HOT, Statement, Step, plan, signed_receipts};
use super::{Batch, StoreError, StoreFuture, VersionedRegistry};
use crate::ledger::working_set::Loaded;
use crate::ledger::{Wanted, Writes};

type Result<T> = std::result::Result<T, StoreError>;

/// Rows of a statement at most: an import is written in parts of this.
const PART: usize = 10_000;

/// A plan made while a table is empty may read all of it where an index would find one row, and is
/// kept while the table grows by millions. So plans are dropped after so many batches, and in a new
/// database, which grows fastest, at 1, 2, 4, 8, … batches.
const PLANS_HOLD_FOR: i64 = 64;

/// Takes the sequencer row: lock, fence and order in one.
pub(super) static TAKE: Sql = Sql::query(
    "UPDATE sequencer SET batch = batch + 1 WHERE alliance = $1 \
     RETURNING batch, next_member, registry_version",
    1,
    shape(3, 0, 0),
);

/// Makes the sequencer row of an alliance that has none.
static MAKE: Sql = Sql::query(
    "INSERT INTO sequencer (alliance, batch, next_member, registry_version) \
     VALUES ($1, 0, 1, 0) ON CONFLICT (alliance) DO NOTHING",
    1,
    shape(0, 0, 0),
);

/// A connection at work.
pub(super) trait Session: Send + Sized + 'static {
    /// Runs a query and hands out its rows one by one.
    fn fetch_each(
        &mut self,
        sql: &Sql,
        values: &[Value<'_>],
        lists: &[Rows<'_>],
        each: &mut (dyn FnMut(Row) -> Result<()> + Send),
    ) -> impl Future<Output = Result<()>> + Send;

    /// Runs a statement; says how many rows it took effect on.
    fn execute(
        &mut self,
        sql: &Sql,
        values: &[Value<'_>],
        lists: &[Rows<'_>],
    ) -> impl Future<Output = Result<u64>> + Send;

    /// Runs [`HOT`], in one round trip where the engine can; says on how many rows each took
    /// effect.
    fn execute_hot(
        &mut self,
        alliance: &AllianceId,
        hot: &[Rows<'_>; HOT.len()],
    ) -> impl Future<Output = Result<[u64; HOT.len()]>> + Send;

    /// Begins a transaction and runs [`TAKE`].
    fn begin(
        &mut self,
        alliance: &AllianceId,
    ) -> impl Future<Output = std::result::Result<Option<Row>, Broken>> + Send;

    /// Has statements planned anew, by the size that tables have now.
    fn plan_anew(&mut self) -> impl Future<Output = Result<()>> + Send;

    /// Ends the transaction for good. Every error that leaves it open what has become of it is
    /// [`StoreError::UnknownCommit`].
    fn commit(&mut self) -> impl Future<Output = Result<()>> + Send;

    /// Ends the transaction without a trace.
    fn rollback(&mut self) -> impl Future<Output = Result<()>> + Send;
}

/// Why a transaction did not begin.
pub(super) struct Broken {
    /// Whether it was only this connection, which had been idle: another may be better.
    pub(super) connection_lost: bool,
    pub(super) error: StoreError,
}

impl From<StoreError> for Broken {
    fn from(error: StoreError) -> Self {
        Self { connection_lost: false, error }
    }
}

/// Where a store keeps its one writing connection. Whoever holds the lock may use it; it is empty
/// before the first use, and after whatever went wrong.
pub(super) type Slot<S> = Arc<Mutex<Option<S>>>;

/// A batch on a database.
pub(super) struct SqlBatch<S: Session> {
    alliance: AllianceId,
    number: i64,
    next_member: i64,
    registry_version: i64,
    continues: bool,
    /// Whether all but receipts has been written.
    ahead: bool,
    /// None while it is in use, and after an error.
    session: Option<S>,
    /// None once the batch has ended.
    slot: Option<OwnedMutexGuard<Option<S>>>,
}

/// Takes the sequencer row.
pub(super) async fn begin<S, C, F>(
    alliance: &AllianceId,
    slot: &Slot<S>,
    connect: C,
) -> Result<SqlBatch<S>>
where
    S: Session,
    C: Fn() -> F + Send + Sync,
    F: Future<Output = Result<S>> + Send,
{
    let mut slot = slot.clone().lock_owned().await;
    let kept = slot.take();
    let (session, taken, continues) = match kept {
        None => fresh(alliance, &connect).await?,
        Some(mut session) => match take(&mut session, alliance).await {
            Ok(taken) => (session, taken, true),
            Err(broken) if broken.connection_lost => fresh(alliance, &connect).await?,
            Err(broken) => return Err(broken.error),
        },
    };
    let [number, next_member, registry_version] = taken;
    Ok(SqlBatch {
        alliance: alliance.clone(),
        number,
        next_member,
        registry_version,
        continues,
        ahead: false,
        session: Some(session),
        slot: Some(slot),
    })
}

async fn fresh<S, C, F>(alliance: &AllianceId, connect: &C) -> Result<(S, [i64; 3], bool)>
where
    S: Session,
    C: Fn() -> F + Send + Sync,
    F: Future<Output = Result<S>> + Send,
{
    let mut session = connect().await?;
    let taken = take(&mut session, alliance).await.map_err(|broken| broken.error)?;
    Ok((session, taken, false))
}

async fn take<S: Session>(
    session: &mut S,
    alliance: &AllianceId,
) -> std::result::Result<[i64; 3], Broken> {
    failpoint!("store::begin");
    let row = match session.begin(alliance).await? {
        Some(row) => Some(row),
        None => {
            let name = [Value::from(alliance.as_str())];
            session.execute(&MAKE, &name, &[]).await?;
            fetch(session, &TAKE, &name).await?.pop()
        }
    };
    let missing = || StoreError::Unavailable("the sequencer row was not made".to_owned());
    let mut row = row.ok_or_else(missing)?;
    failpoint!("store::row");
    let taken = [row.int("batch")?, row.int("next_member")?, row.int("registry_version")?];
    if taken[0] % PLANS_HOLD_FOR == 0 || taken[0].count_ones() == 1 {
        session.plan_anew().await?;
    }
    Ok(taken)
}

/// All rows of a query without lists.
pub(super) async fn fetch<S: Session>(
    session: &mut S,
    sql: &Sql,
    values: &[Value<'_>],
) -> Result<Vec<Row>> {
    fetch_of(session, sql, values, &[]).await
}

/// All rows of a query.
pub(super) async fn fetch_of<S: Session>(
    session: &mut S,
    sql: &Sql,
    values: &[Value<'_>],
    lists: &[Rows<'_>],
) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut keep = |row| {
        rows.push(row);
        Ok(())
    };
    session.fetch_each(sql, values, lists, &mut keep).await?;
    Ok(rows)
}

impl<S: Session> SqlBatch<S> {
    /// The connection, taken away: to be put back when all went well.
    fn lend(&mut self) -> Result<S> {
        let failed = || StoreError::Unavailable("this batch has failed before".to_owned());
        self.session.take().ok_or_else(failed)
    }
}

/// Writes everything; of a batch whose receipts are still being signed, everything but them.
async fn write<S: Session>(
    session: &mut S,
    alliance: &AllianceId,
    next_member: i64,
    writes: &Writes,
) -> Result<()> {
    let plan = plan(writes, next_member)?;
    run_all(session, alliance, &plan.first).await?;
    let longest = plan.hot.iter().map(Rows::len).max().unwrap_or(0);
    if longest > PART {
        for (statement, rows) in HOT.iter().zip(&plan.hot) {
            run(session, alliance, statement, rows).await?;
        }
    } else if longest > 0 {
        failpoint!("store::hot");
        let done = session.execute_hot(alliance, &plan.hot).await?;
        failpoint!("store::written");
        for ((statement, rows), done) in HOT.iter().zip(&plan.hot).zip(done) {
            assert_each(statement, rows, done)?;
        }
    }
    run_all(session, alliance, &plan.last).await
}

async fn run_all<S: Session>(
    session: &mut S,
    alliance: &AllianceId,
    steps: &[Step<'_>],
) -> Result<()> {
    for (statement, rows) in steps {
        run(session, alliance, statement, rows).await?;
    }
    Ok(())
}

/// Runs a statement in parts.
async fn run<S: Session>(
    session: &mut S,
    alliance: &AllianceId,
    statement: &Statement,
    rows: &Rows<'_>,
) -> Result<()> {
    for part in rows.chunks(PART) {
        let part = [part];
        let done = session.execute(&statement.sql, &[alliance.as_str().into()], &part).await?;
        let [part] = part;
        assert_each(statement, &part, done)?;
    }
    Ok(())
}

/// Old heads, balances and the like: what was to be changed must have been there.
fn assert_each(statement: &Statement, rows: &Rows<'_>, done: u64) -> Result<()> {
    if !statement.each_row || done == rows.len() as u64 {
        return Ok(());
    }
    Err(StoreError::Contradiction(format!(
        "{} took effect on {done} of {} rows: the database is not where the batch began",
        statement.name,
        rows.len()
    )))
}

impl<S: Session> Batch for SqlBatch<S> {
    fn number(&self) -> i64 {
        self.number
    }

    fn continues(&self) -> bool {
        self.continues
    }

    fn registry_version(&self) -> i64 {
        self.registry_version
    }

    fn registry(&mut self) -> StoreFuture<'_, Option<VersionedRegistry>> {
        Box::pin(async move {
            let mut session = self.lend()?;
            let name = [Value::from(self.alliance.as_str())];
            let rows = fetch(&mut session, &reads::REGISTRY, &name).await?;
            self.session = Some(session);
            reads::registry(rows)
        })
    }

    fn load<'a>(&'a mut self, wanted: &'a Wanted) -> StoreFuture<'a, Loaded> {
        Box::pin(async move {
            let mut session = self.lend()?;
            let name = [Value::from(self.alliance.as_str())];
            failpoint!("store::load");
            let mut fetched = Fetched::default();
            let mut keep = |row| fetched.keep(row);
            session.fetch_each(&reads::LOAD, &name, &reads::wanted(wanted), &mut keep).await?;
            self.session = Some(session);
            Ok(Loaded { next_member: self.next_member, ..fetched.loaded() })
        })
    }

    fn write_ahead<'a>(&'a mut self, writes: &'a Writes) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let mut session = self.lend()?;
            write(&mut session, &self.alliance, self.next_member, writes).await?;
            self.session = Some(session);
            self.ahead = true;
            Ok(())
        })
    }

    fn commit<'a>(mut self: Box<Self>, writes: &'a Writes) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let mut session = self.lend()?;
            if self.ahead {
                run_all(&mut session, &self.alliance, &[signed_receipts(writes)]).await?;
            } else {
                write(&mut session, &self.alliance, self.next_member, writes).await?;
            }
            failpoint!("store::commit");
            session.commit().await?;
            failpoint!("store::committed");
            if let Some(slot) = &mut self.slot {
                **slot = Some(session);
            }
            Ok(())
        })
    }
}

impl<S: Session> Drop for SqlBatch<S> {
    /// A batch that is given up while all is well is rolled back, and its connection kept. The slot
    /// stays locked until that is done.
    fn drop(&mut self) {
        if let (Some(mut session), Some(mut slot)) = (self.session.take(), self.slot.take())
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(async move {
                if session.rollback().await.is_ok() {
                    *slot = Some(session);
                }
            });
        }
    }
}
