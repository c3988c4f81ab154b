//! That both schemas are the same: tables, columns, keys, indexes, checks, views.

use std::collections::{BTreeMap, BTreeSet};

use super::place::Place;

/// A table, in words that both databases share.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Name, kind, whether it may be null; in order.
    pub columns: Vec<(String, String, bool)>,
    pub primary_key: Vec<String>,
    /// Name: unique, columns, condition.
    pub indexes: BTreeMap<String, (bool, Vec<String>, String)>,
    pub checks: usize,
    /// Words that checks compare with.
    pub words: BTreeSet<String>,
}

/// Tables and views of a database.
pub type Schema = (BTreeMap<String, Table>, BTreeMap<String, Vec<String>>);

fn text(cell: &Option<String>) -> String {
    cell.clone().unwrap_or_default()
}

/// Without what one database writes differently from the other.
fn plain(condition: &str) -> String {
    condition.replace("::text", "").replace(['(', ')', ' '], "").to_lowercase()
}

/// What stands between single quotes.
fn words(check: &str) -> BTreeSet<String> {
    check.split('\'').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The schema of either.
pub async fn schema(place: &Place) -> Schema {
    if place.is_postgres() { postgres(place).await } else { sqlite(place).await }
}

async fn sqlite(place: &Place) -> Schema {
    let (mut tables, mut views) = (BTreeMap::new(), BTreeMap::new());
    let all = place
        .texts(
            "SELECT type, name, sql FROM sqlite_master WHERE type IN ('table', 'view') \
             AND name NOT LIKE 'sqlite_%' AND name <> '_sqlx_migrations'",
            3,
        )
        .await;
    for row in all {
        let (kind, name, sql) = (text(&row[0]), text(&row[1]), text(&row[2]));
        let columns = place
            .texts(
                &format!(
                    "SELECT name, type, CAST(\"notnull\" AS TEXT), CAST(pk AS TEXT) \
                     FROM pragma_table_info('{name}') ORDER BY cid"
                ),
                4,
            )
            .await;
        if kind == "view" {
            views.insert(name, columns.iter().map(|column| text(&column[0])).collect());
            continue;
        }
        let mut table = Table::default();
        let mut key = BTreeMap::new();
        for column in &columns {
            let kind = match text(&column[1]).as_str() {
                "INTEGER" => "int",
                "TEXT" => "text",
                "BLOB" => "bytes",
                other => panic!("{name}: a column of type {other}"),
            };
            let nullable = text(&column[2]) == "0";
            table.columns.push((text(&column[0]), kind.to_owned(), nullable));
            if text(&column[3]) != "0" {
                key.insert(text(&column[3]).parse::<usize>().unwrap(), text(&column[0]));
            }
        }
        table.primary_key = key.into_values().collect();
        for check in sql.split("CHECK").skip(1) {
            table.checks += 1;
            table.words.extend(words(check));
        }
        let indexes = place
            .texts(
                &format!(
                    "SELECT l.name, CAST(l.\"unique\" AS TEXT), m.sql \
                     FROM pragma_index_list('{name}') l JOIN sqlite_master m ON m.name = l.name \
                     WHERE l.origin = 'c'"
                ),
                3,
            )
            .await;
        for index in indexes {
            let columns = place
                .texts(
                    &format!(
                        "SELECT name FROM pragma_index_info('{}') ORDER BY seqno",
                        text(&index[0])
                    ),
                    1,
                )
                .await;
            let columns = columns.iter().map(|column| text(&column[0])).collect();
            let sql = text(&index[2]);
            let condition = sql.split_once("WHERE").map(|(_, rest)| plain(rest));
            let condition = condition.unwrap_or_default().replace('\n', "");
            table.indexes.insert(text(&index[0]), (text(&index[1]) == "1", columns, condition));
        }
        tables.insert(name, table);
    }
    (tables, views)
}

async fn postgres(place: &Place) -> Schema {
    let mut tables: BTreeMap<String, Table> = BTreeMap::new();
    let mut views: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let columns = place
        .texts(
            "SELECT CAST(t.table_name AS TEXT), CAST(t.table_type AS TEXT), \
             CAST(c.column_name AS TEXT), CAST(c.data_type AS TEXT), \
             CAST(c.is_nullable AS TEXT), CAST(c.collation_name AS TEXT) \
             FROM information_schema.tables t JOIN information_schema.columns c \
             ON c.table_schema = t.table_schema AND c.table_name = t.table_name \
             WHERE t.table_schema = 'public' AND t.table_name <> '_sqlx_migrations' \
             ORDER BY t.table_name, c.ordinal_position",
            6,
        )
        .await;
    for row in columns {
        let (name, column) = (text(&row[0]), text(&row[2]));
        if text(&row[1]) == "VIEW" {
            views.entry(name).or_default().push(column);
            continue;
        }
        let kind = match text(&row[3]).as_str() {
            "bigint" => "int",
            "text" => "text",
            "bytea" => "bytes",
            other => panic!("{name}: a column of type {other}"),
        };
        // Text is compared by bytes, as SQLite does.
        assert!(kind != "text" || text(&row[5]) == "C", "{name}.{column} has no COLLATE \"C\"");
        let nullable = text(&row[4]) == "YES";
        tables.entry(name).or_default().columns.push((column, kind.to_owned(), nullable));
    }
    let indexes = place
        .texts(
            "SELECT CAST(t.relname AS TEXT), CAST(i.relname AS TEXT), \
             CAST(x.indisprimary AS TEXT), CAST(x.indisunique AS TEXT), \
             pg_get_indexdef(x.indexrelid, k.n, true), pg_get_expr(x.indpred, x.indrelid) \
             FROM pg_index x JOIN pg_class t ON t.oid = x.indrelid \
             JOIN pg_class i ON i.oid = x.indexrelid \
             JOIN pg_namespace s ON s.oid = t.relnamespace \
             CROSS JOIN LATERAL generate_series(1, x.indnkeyatts) AS k(n) \
             WHERE s.nspname = 'public' AND t.relname <> '_sqlx_migrations' \
             ORDER BY t.relname, i.relname, k.n",
            6,
        )
        .await;
    for row in indexes {
        let table = tables.get_mut(&text(&row[0])).unwrap();
        // Words of the language stand in quotes.
        let column = text(&row[4]).replace('"', "");
        if text(&row[2]) == "true" {
            table.primary_key.push(column);
            continue;
        }
        let condition = plain(&text(&row[5]));
        let index = table.indexes.entry(text(&row[1])).or_default();
        index.0 = text(&row[3]) == "true";
        index.1.push(column);
        index.2 = condition;
    }
    let checks = place
        .texts(
            "SELECT CAST(t.relname AS TEXT), pg_get_constraintdef(c.oid) FROM pg_constraint c \
             JOIN pg_class t ON t.oid = c.conrelid \
             JOIN pg_namespace s ON s.oid = t.relnamespace \
             WHERE s.nspname = 'public' AND c.contype = 'c'",
            2,
        )
        .await;
    for row in checks {
        let table = tables.get_mut(&text(&row[0])).unwrap();
        table.checks += 1;
        table.words.extend(words(&text(&row[1])));
    }
    (tables, views)
}

/// Both databases have the same tables, columns, keys, indexes, checks and views.
pub async fn are_the_same(sqlite: &Place, postgres: &Place) {
    let (left, right) = (schema(sqlite).await, schema(postgres).await);
    assert!(left.0.len() >= 17 && left.1.len() >= 2, "{:?}", left.0.keys());
    assert_eq!(left.0.keys().collect::<Vec<_>>(), right.0.keys().collect::<Vec<_>>());
    for (name, table) in &left.0 {
        assert_eq!(*table, right.0[name], "table {name}");
        // What grows is found by its alliance first, so that alliances can live apart.
        assert_eq!(table.primary_key.first().map(String::as_str), Some("alliance"), "{name}");
    }
    assert_eq!(left.1, right.1, "views");
}
