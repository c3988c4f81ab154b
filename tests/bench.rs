//! `alliance bench`: every mode works, says what it promises to say, and counts what it verified.
//! How fast a debug build is, nobody asserts.

use serde_json::Value;

use super::harness::{Folder, alliance, postgres_database};

/// A second of a mode: what it says, as JSON, when it ends well.
fn bench(args: &[&str]) -> Value {
    let mut all = vec!["bench", "--json", "--seconds", "1", "--members", "200", "--clients", "8"];
    all.extend_from_slice(args);
    let output = alliance(&all);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{args:?}: {text}\n{error}");
    assert!(error.is_empty(), "no progress where nobody looks: {error}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn number(report: &Value, name: &str) -> u64 {
    report[name].as_u64().unwrap_or_else(|| panic!("{name}: {report:#}"))
}

fn assert_sound(report: &Value, mode: &str, database: &str) {
    assert_eq!((&report["mode"], &report["database"]), (&mode.into(), &database.into()));
    assert_eq!((&report["ok"], number(report, "errors")), (&true.into(), 0), "{report:#}");
    assert!(number(report, "per_second") > 0 && number(report, "done") > 0, "{report:#}");
    let of = |name: &str| report[name].as_f64().unwrap_or_else(|| panic!("{name}: {report:#}"));
    let percentiles = ["p50_ms", "p90_ms", "p99_ms", "max_ms"].map(of);
    assert!(percentiles[0] > 0.0 && percentiles.is_sorted(), "{percentiles:?}");
    assert_eq!(number(report, "receipts_verified"), number(report, "acknowledged"), "{report:#}");
}

/// Modes that perform orders: what was measured is less than what was verified, which includes
/// what was done to warm up.
fn assert_orders(report: &Value, mode: &str, database: &str) {
    assert_sound(report, mode, database);
    assert!(number(report, "acknowledged") > number(report, "done"), "{report:#}");
    assert!(number(report, "disk_bytes_per_order") > 500, "{report:#}");
}

#[test]
fn single_orders_are_measured_on_sqlite() {
    assert_orders(&bench(&[]), "orders", "sqlite");
}

#[test]
fn single_orders_are_measured_on_postgresql_and_an_earlier_run_is_left_alone() {
    let url = postgres_database();
    let report = bench(&["--database", &url]);
    assert_orders(&report, "orders", "postgresql");
    assert!(number(&report, "log_bytes_per_order") > 500, "{report:#}");
    let again = alliance(&["bench", "--seconds", "1", "--database", &url]);
    assert_eq!(again.status.code(), Some(78));
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(said.contains("empty database") && said.contains("createdb"), "{said}");
}

#[test]
fn quote_and_order_are_measured_together() {
    assert_orders(&bench(&["--mode", "full"]), "full", "sqlite");
}

#[test]
fn orders_of_a_batch_are_counted_one_by_one() {
    let report = bench(&["--mode", "batch", "--batch-size", "50"]);
    assert_orders(&report, "batch", "sqlite");
    assert_eq!(number(&report, "batch_size"), 50);
    assert_eq!(number(&report, "done") % 50, 0, "{report:#}");
}

#[test]
fn quotes_are_measured_and_their_signatures_verified() {
    let report = bench(&["--mode", "quotes"]);
    assert_sound(&report, "quotes", "sqlite");
    assert!(number(&report, "tokens_verified") > number(&report, "done"), "{report:#}");
    assert_eq!(number(&report, "acknowledged"), 0, "no order was sent");
}

#[test]
fn offline_verification_is_measured() {
    assert_sound(&bench(&["--mode", "verify"]), "verify", "sqlite");
}

#[test]
fn the_clearing_house_is_measured_without_http() {
    assert_orders(&bench(&["--mode", "store"]), "store", "sqlite");
}

#[test]
fn requests_can_be_begun_at_a_given_rate() {
    let report = bench(&["--rate", "20"]);
    assert_orders(&report, "orders", "sqlite");
    assert!((1..=20).contains(&number(&report, "done")), "{report:#}");
    assert!(report["over_250_ms_percent"].is_number() && report["memory_mib"]["peak"].is_u64());
}

#[test]
fn a_folder_that_was_asked_for_is_kept_and_its_books_are_in_order() {
    let folder = Folder::new("bench-kept");
    let dir = folder.path().join("run").to_str().unwrap().to_owned();
    assert_orders(&bench(&["--dir", &dir]), "orders", "sqlite");
    let audited = alliance(&["audit", "--dir", &dir]);
    assert!(audited.status.success(), "{}", String::from_utf8_lossy(&audited.stdout));
    // Something is there now: it is left alone.
    let again = alliance(&["bench", "--seconds", "1", "--dir", &dir]);
    assert_eq!(again.status.code(), Some(1), "{}", String::from_utf8_lossy(&again.stderr));
}
