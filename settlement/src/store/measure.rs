//! What a benchmark asks a database about itself: how much it has written, and which process of
//! its machine answers. PostgreSQL only; an embedded database is files, and can be looked at.

use std::sync::Arc;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Row};

use super::postgres::options;
use super::{Scheme, StoreError};

/// What a database says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// The process that answered: a child of the server's first one.
    pub backend: u32,
    /// Bytes of write-ahead log since the cluster was made.
    pub log_bytes: u64,
    /// Bytes of the database's files.
    pub database_bytes: u64,
}

const LOOK: &str = "SELECT pg_backend_pid(), \
    pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint, \
    pg_database_size(current_database())";

/// Looks at the database of a URL; none where it is embedded. On a connection of its own, closed
/// afterwards.
///
/// # Errors
/// [`StoreError::Unavailable`]; also where a server of another make does not know these functions.
pub async fn look(url: &str) -> Result<Option<Look>, StoreError> {
    if Scheme::of(url)? != Scheme::Postgres {
        return Ok(None);
    }
    let unavailable = |error: sqlx::Error| StoreError::Unavailable(error.to_string());
    let mut connection = PgConnection::connect_with(&options(url)?).await.map_err(unavailable)?;
    let query = sqlx::query(AssertSqlSafe(Arc::<str>::from(LOOK)));
    let row = query.fetch_one(&mut connection).await.map_err(unavailable)?;
    let (backend, log, size): (i32, i64, i64) = (
        row.try_get(0).map_err(unavailable)?,
        row.try_get(1).map_err(unavailable)?,
        row.try_get(2).map_err(unavailable)?,
    );
    connection.close().await.map_err(unavailable)?;
    Ok(Some(Look {
        backend: u32::try_from(backend).unwrap_or(0),
        log_bytes: u64::try_from(log).unwrap_or(0),
        database_bytes: u64::try_from(size).unwrap_or(0),
    }))
}
