//! How a database carries the statements out, on the day it is new and knows nothing of its tables:
//! whatever grows is found by its whole key, never by reading an alliance's rows one by one.

use sqlx::{AssertSqlSafe, ConnectOptions, Row};

use super::place::Place;
use crate::store::rows::{Dialect, Sql};
use crate::store::{postgres, reads, sqlite, statements};

/// What is meant to go through rows of its alliance: lists that are short, and the one row there
/// is.
const PAGES: [&str; 20] = [
    "REGISTRY",
    "BOARD_AT",
    "FLOWS",
    "RELEASE",
    "HEADS",
    "ACCOUNTS",
    "QUOTE_KEYS",
    "SUSPENSIONS",
    "DESTROY_QUOTE_KEYS",
    "PARTNER_KEYS",
    "SEQUENCER",
    "LET_GO",
    "CHECKPOINTS",
    "SAGAS_OPEN",
    "ENDPOINTS_READ",
    "CONSENTS_SPENT_READ",
    "RANGES",
    "WINDOW_ONE",
    "WINDOWS_READ",
    "MOVED_WINDOWS",
];

fn statements() -> Vec<(String, &'static Sql)> {
    let writes = statements::all();
    let writes = writes.into_iter().map(|one| (one.name.to_owned(), &one.sql));
    let reads = reads::all().into_iter().map(|(name, sql)| (name.to_owned(), sql));
    writes.chain(reads).filter(|(name, _)| !PAGES.contains(&name.as_str())).collect()
}

/// How many parameters a statement has.
fn parameters(sql: &Sql, dialect: Dialect) -> usize {
    let lists = sql.lists.iter().map(|list| match dialect {
        Dialect::Sqlite => 1,
        Dialect::Postgres => list.columns.len(),
    });
    sql.values + lists.sum::<usize>()
}

/// Every look-up is by its whole key.
pub async fn every_look_up_is_by_its_whole_key(place: &Place) {
    let faults =
        if place.is_postgres() { on_postgres(place).await } else { on_sqlite(place).await };
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

async fn on_sqlite(place: &Place) -> Vec<String> {
    let mut connection = sqlite::options(place.url()).unwrap().connect().await.unwrap();
    let mut faults = Vec::new();
    for (name, sql) in statements() {
        let text = format!("EXPLAIN QUERY PLAN {}", sql.text(Dialect::Sqlite));
        let rows = sqlx::query(AssertSqlSafe(text)).fetch_all(&mut connection).await.unwrap();
        for row in rows {
            let step: String = row.get("detail");
            let whole = step.starts_with("SCAN")
                && !["jsonb_each", "CONSTANT", "wanted_links", "found", "page", "ends"]
                    .iter()
                    .any(|word| step.contains(word))
                && !step.ends_with("SCAN l")
                && !step.ends_with("SCAN t")
                && !step.ends_with("SCAN f")
                // Pages that were looked up, put together.
                && !step.ends_with("SCAN q")
                && !step.ends_with("SCAN u")
                && !step.contains("subquery")
                && !step.contains("SCAN of_")
                && !step.contains("SCAN w");
            let prefix = step.contains("(alliance=?)");
            if whole || prefix {
                faults.push(format!("{name}: {step}"));
            }
        }
    }
    faults
}

async fn on_postgres(place: &Place) -> Vec<String> {
    let mut connection = postgres::options(place.url()).unwrap().connect().await.unwrap();
    sqlx::raw_sql(postgres::WRITER).execute(&mut connection).await.unwrap();
    sqlx::raw_sql("SET plan_cache_mode = force_generic_plan")
        .execute(&mut connection)
        .await
        .unwrap();
    let mut faults = Vec::new();
    for (name, sql) in statements() {
        let nulls = vec!["NULL"; parameters(sql, Dialect::Postgres)].join(", ");
        let prepare = format!("PREPARE one AS {}", sql.text(Dialect::Postgres));
        sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut connection).await.unwrap();
        let explain = AssertSqlSafe(format!("EXPLAIN EXECUTE one({nulls})"));
        let rows = sqlx::raw_sql(explain).fetch_all(&mut connection).await.unwrap();
        sqlx::raw_sql("DEALLOCATE one").execute(&mut connection).await.unwrap();
        let mut node = String::new();
        for row in rows {
            let step: String = row.get(0);
            let prefix = step.contains("Index Cond: (alliance =") && !step.contains(" AND ");
            if step.contains("Seq Scan") || prefix {
                faults.push(format!("{name}: {node} {step}"));
            }
            // What scans stands in the line before how it does.
            node = step;
        }
    }
    faults
}
