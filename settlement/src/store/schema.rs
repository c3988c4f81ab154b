//! The schema: migrations built into the program, and whether a database has had them.

use std::sync::LazyLock;
use std::time::Duration;

use alliance_contracts::encoding;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{ConnectOptions, Connection, SqlSafeStr};

use super::failure::failure;
use super::rows::{Dialect, Row, Sql, shape};
use super::{Scheme, StoreError, postgres, sqlite};

type Result<T> = std::result::Result<T, StoreError>;

/// How often a file that is just being made is tried.
const MAKING: u32 = 20;
/// And after how long.
const MOMENT: Duration = Duration::from_millis(50);

macro_rules! migrations {
    ($folder:literal: $($version:literal $file:literal $name:literal,)*) => {
        Migrator::with_migrations(vec![$(Migration::new(
            $version,
            $name.into(),
            MigrationType::Simple,
            include_str!(concat!("../../../migrations/", $folder, "/", $file, ".sql"))
                .into_sql_str(),
            false,
        ),)*])
    };
}

static SQLITE: LazyLock<Migrator> = LazyLock::new(|| {
    migrations!("sqlite":
        1 "0001_ledger" "ledger",
        2 "0002_finance_views" "finance views",
        3 "0003_rates" "rates",
        4 "0004_agreements" "agreements",
        5 "0005_feeds" "feeds",
        6 "0006_campaigns" "campaigns",
        7 "0007_events" "events",
        8 "0008_sagas" "sagas",
        9 "0009_keys" "keys",
        10 "0010_webhooks" "webhooks",
        11 "0011_members" "members",
        12 "0012_master_keys" "master keys",
        13 "0013_settlement" "settlement",
    )
});

static POSTGRES: LazyLock<Migrator> = LazyLock::new(|| {
    migrations!("postgres":
        1 "0001_ledger" "ledger",
        2 "0002_finance_views" "finance views",
        3 "0003_rates" "rates",
        4 "0004_agreements" "agreements",
        5 "0005_feeds" "feeds",
        6 "0006_campaigns" "campaigns",
        7 "0007_events" "events",
        8 "0008_sagas" "sagas",
        9 "0009_keys" "keys",
        10 "0010_webhooks" "webhooks",
        11 "0011_members" "members",
        12 "0012_master_keys" "master keys",
        13 "0013_settlement" "settlement",
    )
});

/// The migrations of an engine.
pub(super) fn migrations(dialect: Dialect) -> &'static Migrator {
    match dialect {
        Dialect::Sqlite => &SQLITE,
        Dialect::Postgres => &POSTGRES,
    }
}

/// Brings the schema of a database up to date; makes an SQLite file that is missing. Again does no
/// harm; two at once wait for each other.
///
/// # Errors
/// [`StoreError::NotMigrated`] where the database is a later version's, or has been changed;
/// [`StoreError::Unavailable`].
pub async fn migrate(url: &str) -> Result<()> {
    match Scheme::of(url)? {
        Scheme::Memory => Ok(()),
        Scheme::Sqlite => {
            // A file that another is just making is locked for moments that SQLite does not wait
            // for: until its log is switched on.
            for _ in 0..MAKING {
                match migrate_sqlite(url).await {
                    Err(StoreError::Unavailable(_)) => tokio::time::sleep(MOMENT).await,
                    other => return other,
                }
            }
            migrate_sqlite(url).await
        }
        Scheme::Postgres => {
            let options = postgres::options(url)?;
            let mut connection = options.connect().await.map_err(failure)?;
            POSTGRES.run_direct(None, &mut connection, false).await.map_err(refused)?;
            connection.close().await.map_err(failure)
        }
    }
}

async fn migrate_sqlite(url: &str) -> Result<()> {
    let options = sqlite::options(url)?.create_if_missing(true);
    let mut connection = options.connect().await.map_err(failure)?;
    // sqlx's lock does nothing here: two at once would both find nothing applied.
    let mut whole = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failure)?;
    SQLITE.run_direct(None, &mut *whole, false).await.map_err(refused)?;
    whole.commit().await.map_err(failure)?;
    connection.close().await.map_err(failure)
}

fn refused(error: MigrateError) -> StoreError {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => failure(error),
        other => StoreError::NotMigrated(other.to_string()),
    }
}

/// The migrations that a database has had.
pub(super) static APPLIED: Sql = Sql::query(
    "SELECT version, CASE WHEN success THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END, checksum \
     FROM _sqlx_migrations ORDER BY version",
    0,
    shape(2, 0, 1),
);

/// Whether what [`APPLIED`] gave is this version's schema, neither older nor newer.
pub(super) fn check(dialect: Dialect, applied: Result<Vec<Row>>) -> Result<()> {
    let mut applied = applied?.into_iter();
    for wanted in migrations(dialect).iter() {
        let version = wanted.version;
        let not = |what: &str| Err(StoreError::NotMigrated(format!("migration {version} {what}")));
        let Some(mut row) = applied.next() else { return not("is missing") };
        let (number, success) = (row.int("a migration's number")?, row.int("success")?);
        let checksum = row.bytes("a migration's checksum")?;
        if number != version || success != 1 {
            return not("was not carried out");
        }
        if checksum != *wanted.checksum {
            let (was, is) = (short(&checksum), short(&wanted.checksum));
            return not(&format!("was {was}, is {is}"));
        }
    }
    match applied.next() {
        None => Ok(()),
        Some(_) => Err(StoreError::NotMigrated("the database is a later version's".to_owned())),
    }
}

fn short(checksum: &[u8]) -> String {
    encoding::hex_encode(checksum.get(..4).unwrap_or(checksum))
}
