//! Operations in the brand's own database: one table beside its own tables, and one transaction
//! for both. The same text for both engines, but for how a transaction begins and what bytes are
//! called.

use std::fmt;

use alliance_contracts::connector::OperationKey;
use alliance_contracts::encoding::Hash;
use alliance_contracts::time::Timestamp;
use sqlx::Row;

use super::store::{Begun, OperationStore, Recorded, StoreError};

/// Claims the key: waits for whoever has it in a transaction that is still open.
const CLAIM: &str = "INSERT INTO alliance_operations (operation_key, request, recorded_at) \
                     VALUES ($1, $2, $3) ON CONFLICT (operation_key) DO NOTHING";
const FIND: &str = "SELECT request, status, body FROM alliance_operations \
                    WHERE operation_key = $1 AND status IS NOT NULL";
const ANSWER: &str =
    "UPDATE alliance_operations SET status = $2, body = $3 WHERE operation_key = $1";
/// What the brand writes can be taken back to here, the claim stays.
const MARK: &str = "SAVEPOINT alliance_operation";
const BACK_TO_MARK: &str = "ROLLBACK TO SAVEPOINT alliance_operation";

macro_rules! store {
    (
        $(#[$doc:meta])*
        $store:ident, $tx:ident, $pool:ty, $db:ty, $bytes:literal, $begin:literal
    ) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $store($pool);

        /// The brand's transaction: `query.execute(&mut **tx)`.
        pub type $tx = sqlx::Transaction<'static, $db>;

        impl $store {
            /// The one table, for the brand's own migrations; [`Self::open`] makes it, too.
            /// `recorded_at` is in milliseconds since 1970. Rows may be deleted when their
            /// transactions are long over, never before.
            pub const SCHEMA: &str = concat!(
                "CREATE TABLE IF NOT EXISTS alliance_operations (\
                 operation_key TEXT PRIMARY KEY, \
                 request ", $bytes, " NOT NULL, \
                 status INTEGER, \
                 body ", $bytes, ", \
                 recorded_at BIGINT NOT NULL)"
            );

            /// Keeps operations in this database, and makes the table where it is missing.
            ///
            /// # Errors
            /// The database's.
            pub async fn open(pool: $pool) -> Result<Self, sqlx::Error> {
                sqlx::query(Self::SCHEMA).execute(&pool).await?;
                Ok(Self(pool))
            }

            /// The pool that it works on.
            #[must_use]
            pub const fn pool(&self) -> &$pool {
                &self.0
            }
        }

        impl fmt::Debug for $store {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($store))
            }
        }

        impl OperationStore for $store {
            type Tx = $tx;

            async fn begin(
                &self,
                key: &OperationKey,
                request: &Hash,
                now: Timestamp,
            ) -> Result<Begun<$tx>, StoreError> {
                let mut tx = self.0.begin_with($begin).await?;
                let name = key.to_string();
                let claim = sqlx::query(CLAIM).bind(&name).bind(&request.as_bytes()[..]);
                let claimed = claim.bind(now.as_millis()).execute(&mut *tx).await?;
                if claimed.rows_affected() == 1 {
                    sqlx::query(MARK).execute(&mut *tx).await?;
                    return Ok(Begun::First(tx));
                }
                let row = sqlx::query(FIND).bind(&name).fetch_optional(&mut *tx).await?;
                tx.rollback().await?;
                match row {
                    Some(row) => Ok(Begun::Known(recorded(&row)?)),
                    None => Err(StoreError::new("the key is taken, and has no answer to be seen")),
                }
            }

            async fn undo(&self, tx: &mut $tx) -> Result<(), StoreError> {
                sqlx::query(BACK_TO_MARK).execute(&mut **tx).await?;
                Ok(())
            }

            async fn commit(
                &self,
                mut tx: $tx,
                key: &OperationKey,
                answer: &Recorded,
            ) -> Result<(), StoreError> {
                let query = sqlx::query(ANSWER).bind(key.to_string());
                let query = query.bind(i32::from(answer.status)).bind(&answer.body[..]);
                // Also fails in a transaction in which an error was passed over: PostgreSQL would
                // roll that one back and call it committed.
                let written = query.execute(&mut *tx).await?;
                if written.rows_affected() != 1 {
                    return Err(StoreError::new("the key's claim is gone from its transaction"));
                }
                Ok(tx.commit().await?)
            }

            async fn find(&self, key: &OperationKey) -> Result<Option<Recorded>, StoreError> {
                let query = sqlx::query(FIND).bind(key.to_string());
                let row = query.fetch_optional(&self.0).await?;
                row.as_ref().map(|row| -> Result<_, StoreError> { recorded(row) }).transpose()
            }
        }
    };
}

/// A row of [`FIND`].
fn recorded<R>(row: &R) -> Result<Recorded, StoreError>
where
    R: Row,
    usize: sqlx::ColumnIndex<R>,
    for<'r> Vec<u8>: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    for<'r> i32: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
{
    let request: Vec<u8> = row.try_get(0)?;
    let (status, body): (i32, Vec<u8>) = (row.try_get(1)?, row.try_get(2)?);
    Ok(Recorded {
        body,
        request: Hash::try_from(request.as_slice()).map_err(StoreError::new)?,
        status: u16::try_from(status).map_err(StoreError::new)?,
    })
}

#[cfg(feature = "server-sqlite")]
store! {
    /// Operations in the brand's SQLite database. Transactions take the write lock when they
    /// begin (`BEGIN IMMEDIATE`): calls are worked on one after another.
    SqliteStore, SqliteTx, sqlx::SqlitePool, sqlx::Sqlite, "BLOB",
    "BEGIN IMMEDIATE"
}

#[cfg(feature = "server-postgres")]
store! {
    /// Operations in the brand's PostgreSQL database. Calls with different keys are worked on at
    /// once: it is for the brand's own statements to lock the rows that they count on.
    PostgresStore, PostgresTx, sqlx::PgPool, sqlx::Postgres, "BYTEA",
    "BEGIN"
}
