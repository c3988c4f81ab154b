//! What every database must do besides: cancelled futures, schemas, data that was tampered with.

use std::task::Poll;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use tokio::time::timeout;

pub use super::audits::{
    the_audit_names_a_consent_and_an_erasure_that_were_tampered_with,
    the_audit_names_what_was_tampered_with,
};
use super::place::Place;
use super::world::{World, corridor, name};
use crate::command::{MemberNo, Outcome};
use crate::ledger::{Wanted, Writes};
use crate::store::batch::Session;
use crate::store::{StoreError, migrate, open};

const LONG: Duration = Duration::from_secs(9);

/// Polls a future so many times, then drops it; its output where it was ready by then.
async fn polled<T>(times: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    let mut polled = 0;
    std::future::poll_fn(|context| {
        polled += 1;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if polled == times => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// From at once to longer than any of it takes.
fn moments() -> impl Iterator<Item = Duration> {
    (0..40_u64).map(|at| Duration::from_micros(at * at * 8)).chain([LONG])
}

pub async fn a_begin_that_is_cancelled_leaves_no_open_transaction(place: &Place) {
    let (one, other) = (place.open().await, place.open().await);
    for moment in moments() {
        drop(timeout(moment, one.begin()).await);
        // Another gateway gets the row at once: nobody holds it.
        drop(timeout(LONG, other.begin()).await.unwrap().unwrap());
    }
    // While somebody else holds it, so that the database itself is waiting.
    for moment in [1, 20, 80].map(Duration::from_millis) {
        let held = other.begin().await.unwrap();
        assert!(timeout(moment, one.begin()).await.is_err());
        drop(held);
        drop(timeout(LONG, other.begin()).await.unwrap().unwrap());
        drop(timeout(LONG, one.begin()).await.unwrap().unwrap());
    }
    nothing_is_open(place).await;
}

/// T52, sqlx #4385: whichever poll was the last, on a connection that was kept and on a new one.
pub async fn a_begin_dropped_at_any_poll_leaves_the_row_free(place: &Place) {
    let (one, other) = (place.open().await, place.open().await);
    for kept in [true, false] {
        let mut cancelled = 0;
        // A file is so quick that it may be ready at once: then once more.
        for _ in 0..100 {
            for times in 1.. {
                if kept {
                    drop(timeout(LONG, one.begin()).await.unwrap().unwrap());
                }
                let begun = polled(times, one.begin()).await.map(Result::unwrap);
                let whole = begun.is_some();
                drop(begun);
                drop(timeout(LONG, other.begin()).await.unwrap().unwrap());
                if whole {
                    break;
                }
                cancelled += 1;
            }
            if cancelled > 0 {
                break;
            }
        }
        assert!(cancelled > 0, "nothing was ever cancelled");
    }
    nothing_is_open(place).await;
}

pub async fn a_load_that_is_cancelled_leaves_no_open_transaction(place: &Place) {
    let world = World::new(place.open().await).await;
    let other = place.open().await;
    let mut wanted = Wanted::default();
    wanted.lookups.extend((0..3_000).map(|person| world.lookup(0, person)));
    for moment in moments() {
        let mut batch = world.store.begin().await.unwrap();
        if timeout(moment, batch.load(&wanted)).await.is_err() {
            // It is of no more use, and says so.
            let after = batch.load(&Wanted::default()).await;
            assert!(matches!(after, Err(StoreError::Unavailable(_))), "{after:?}");
        }
        drop(batch);
        drop(timeout(LONG, other.begin()).await.unwrap().unwrap());
    }
    nothing_is_open(place).await;
}

pub async fn a_commit_that_is_cancelled_is_whole_or_nothing(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let (mut whole, mut nothing) = (0, 0);
    for moment in moments() {
        let order = world.exchange(0, 1, 0, 100).await;
        let prepared = world.prepare(vec![order]).await;
        let id = prepared.writes.transactions[0].id;
        let (corridor, (before, after)) = prepared.writes.heads.clone().pop_first().unwrap();
        drop(timeout(moment, prepared.commit()).await);
        // With the row in hand the old transaction has ended.
        drop(timeout(LONG, world.store.begin()).await.unwrap().unwrap());
        let head = world.store.head(&corridor).await.unwrap().map_or(0, |head| head.seq);
        if world.store.transaction(id).await.unwrap().is_some() {
            assert_eq!(head, after.seq);
            whole += 1;
        } else {
            assert_eq!(head, before);
            nothing += 1;
        }
    }
    assert!(whole > 0 && nothing > 0, "{whole} whole, {nothing} nothing");
    nothing_is_open(place).await;
}

/// No transaction is open on the server, give it a moment.
async fn nothing_is_open(place: &Place) {
    if !place.is_postgres() {
        return;
    }
    let mut open = Vec::new();
    for _ in 0..50 {
        open = place
            .texts(
                "SELECT state, query FROM pg_stat_activity WHERE datname = current_database() \
                 AND state LIKE 'idle in transaction%'",
                2,
            )
            .await;
        if open.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{open:?}");
}

pub async fn after_an_error_nothing_is_kept_and_the_next_batch_works(place: &Place) {
    let mut world = World::new(place.open().await).await;
    for round in 0..3 {
        let order = world.exchange(0, 1, 0, 100).await;
        let mut prepared = world.prepare(vec![order]).await;
        // The last statement of all fails, after everything else was written.
        prepared.writes.heads.clear();
        prepared.writes.balances.insert(MemberNo(-1), 5);
        world.contradicts(prepared).await;
        world.perform(0, 1, round).await;
    }
    assert_eq!(world.store.receipts(&corridor(), 0, 10).await.unwrap().len(), 3);
}

/// T52: `COMMIT` is answered with `ROLLBACK` in a transaction that has failed, and sqlx says `Ok`
/// of it. Ours never does, even on a connection whose error somebody has passed over.
pub async fn a_commit_of_a_failed_transaction_is_an_error(place: &Place) {
    let store = place.open().await;
    drop(store.begin().await.unwrap());
    let suspend = "INSERT OR ROLLBACK INTO suspensions (alliance, partner, suspended_at) VALUES ('demo', 'x', 1)";
    let told = if place.is_postgres() {
        let suspend = suspend.replace(" OR ROLLBACK", "");
        let mut session = PgConnection::connect(place.url()).await.unwrap();
        assert!(Session::begin(&mut session, &name("demo")).await.is_ok());
        let suspend = || sqlx::raw_sql(AssertSqlSafe(suspend.clone()));
        suspend().execute(&mut session).await.unwrap();
        suspend().execute(&mut session).await.unwrap_err();
        Session::commit(&mut session).await
    } else {
        // SQLite ends the whole transaction by itself where a disk is full, as it does here.
        let mut session = SqliteConnection::connect(place.url()).await.unwrap();
        assert!(Session::begin(&mut session, &name("demo")).await.is_ok());
        sqlx::raw_sql(suspend).execute(&mut session).await.unwrap();
        sqlx::raw_sql(suspend).execute(&mut session).await.unwrap_err();
        Session::commit(&mut session).await
    };
    assert!(told.is_err(), "nothing was committed, and it says so");
    assert!(store.suspensions().await.unwrap().is_empty(), "nothing of it is there");
    drop(timeout(LONG, store.begin()).await.unwrap().unwrap());
}

pub async fn an_alliance_sees_only_its_own(place: &Place) {
    // Both draw the same ids.
    let mut one = World::new(place.open_of("demo").await).await;
    let mut other = World::new(place.open_of("other").await).await;
    let first = one.perform(0, 1, 0).await;
    let picture = one.picture().await;
    assert!(other.store.transaction(first).await.unwrap().is_none());
    let second = other.perform(0, 1, 0).await;
    assert_eq!(first, second);
    other.perform(0, 1, 1).await;
    assert_eq!(one.picture().await, picture);
    // They do not wait for each other, where the database can tell rows apart.
    if place.is_postgres() {
        let held = one.store.begin().await.unwrap();
        timeout(LONG, other.perform(1, 2, 2)).await.unwrap();
        drop(held);
    }
    assert_eq!(one.picture().await, picture);
}

async fn empty_like(place: &Place) -> Place {
    if place.is_postgres() { Place::postgres_empty().await } else { Place::sqlite_empty() }
}

fn not_migrated<T>(answer: Result<T, StoreError>) {
    let error = answer.err();
    assert!(matches!(error, Some(StoreError::NotMigrated(_))), "{error:?}");
}

pub async fn a_database_that_was_not_migrated_says_so(place: &Place) {
    let empty = empty_like(place).await;
    match open(empty.url(), name("demo")).await {
        Ok(store) => {
            not_migrated(store.ping().await);
            not_migrated(store.begin().await);
            not_migrated(store.heads().await);
            store.close().await;
        }
        Err(error) => not_migrated::<()>(Err(error)),
    }
    migrate(empty.url()).await.unwrap();
    let store = empty.open().await;
    store.ping().await.unwrap();
    drop(store.begin().await.unwrap());
    store.close().await;
    empty.clean_up().await;
}

pub async fn a_database_of_a_later_version_says_so(place: &Place) {
    let store = place.open().await;
    store.ping().await.unwrap();
    let byte = byte_literal(place, "00");
    let insert = format!(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'later', true, {byte}, 0)"
    );
    place.execute(&insert).await;
    not_migrated(store.ping().await);
    not_migrated(migrate(place.url()).await);
    place.execute("DELETE FROM _sqlx_migrations WHERE version = 9999").await;
    store.ping().await.unwrap();
    place
        .execute(&format!("UPDATE _sqlx_migrations SET checksum = {byte} WHERE version = 1"))
        .await;
    not_migrated(store.ping().await);
    not_migrated(migrate(place.url()).await);
}

fn byte_literal(place: &Place, hex: &str) -> String {
    if place.is_postgres() { format!("'\\x{hex}'::bytea") } else { format!("x'{hex}'") }
}

pub async fn migrating_again_and_at_once_does_no_harm(place: &Place) {
    migrate(place.url()).await.unwrap();
    let empty = empty_like(place).await;
    let tasks = [0; 4].map(|_| {
        let url = empty.url().to_owned();
        tokio::spawn(async move { migrate(&url).await })
    });
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let store = empty.open().await;
    store.ping().await.unwrap();
    store.close().await;
    empty.clean_up().await;
}

pub async fn what_was_tampered_with_is_corrupt(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let id = world.perform(0, 1, 0).await;
    let link = world.store.links(&name("aurora-air"), None, None, 1).await.unwrap().remove(0);
    let agreement = world.agreement(None);
    let agreement = world.agree(&agreement).await;
    let store = world.store.clone();
    let byte = byte_literal(place, "00");
    let corrupt = |what: &str, error: Option<StoreError>| {
        assert!(matches!(error, Some(StoreError::Corrupt(_))), "{what}: {error:?}");
    };
    place.execute("UPDATE links SET scope = 'everything'").await;
    corrupt("scope", store.link(link.record.id).await.err());
    place.execute("UPDATE agreements SET b_kid = NULL").await;
    corrupt("half a signature", store.agreement(agreement).await.err());
    place.execute(&format!("UPDATE agreements SET payload = {byte}")).await;
    corrupt("agreement", store.registry().await.err());
    place.execute("DELETE FROM agreements").await;
    place.execute("UPDATE accounts SET balance = '1e3'").await;
    corrupt("balance", store.accounts().await.err());
    place.execute(&format!("UPDATE corridors SET frontier = {byte}")).await;
    corrupt("frontier", store.heads().await.err());
    place.execute(&format!("UPDATE idempotency_keys SET digest = {byte}")).await;
    place.execute("UPDATE definitions SET document = '{}'").await;
    corrupt("definition", store.registry().await.err());
    place.execute("UPDATE transactions SET state = 'reversed', corridor = 'a1~b1'").await;
    corrupt("corridor", store.transaction(id).await.err());
    place.execute("UPDATE transactions SET corridor = 'aurora-air~borealis-coffee'").await;
    assert!(store.transaction(id).await.unwrap().is_some());
    place.execute("UPDATE receipts SET kid = 'nobody'").await;
    corrupt("kid", store.receipts(&corridor(), 0, 10).await.err());
    place.execute(&format!("UPDATE receipts SET payload = {byte}")).await;
    corrupt("payload", store.transaction(id).await.err());
    place.execute("DELETE FROM balances").await;
    corrupt("no balance", store.member_books(MemberNo(0), 10).await.err());
    let mut batch = store.begin().await.unwrap();
    let wanted = Wanted { transactions: [id].into(), ..Wanted::default() };
    corrupt("load", batch.load(&wanted).await.err());
}

pub async fn finance_teams_read_views(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let id = world.perform(0, 1, 0).await;
    let record = world.store.transaction(id).await.unwrap().unwrap().record;
    let settlement = record.settlement.clone().unwrap();
    let rows = place
        .texts(
            "SELECT corridor, CAST(seq AS TEXT), kind, transaction_id, source_partner, \
             source_program, CAST(source_amount AS TEXT), target_partner, target_program, \
             CAST(target_amount AS TEXT), debtor, creditor, currency, CAST(gross AS TEXT), \
             CAST(fee AS TEXT), CAST(net AS TEXT), CAST(remainder AS TEXT), reverses, \
             CASE WHEN CAST(completed_at AS TEXT) LIKE '2026-09-21%' THEN 'then' END \
             FROM finance_receipts WHERE alliance = 'demo' ORDER BY corridor, seq",
            19,
        )
        .await;
    let expected = [
        Some(record.corridor.to_string()),
        Some("1".to_owned()),
        Some("exchange".to_owned()),
        Some(id.to_string()),
        Some(record.source.partner().to_string()),
        Some(record.source.program().unwrap().to_string()),
        Some(record.source.amount().to_string()),
        Some(record.target.partner().to_string()),
        Some(record.target.program().unwrap().to_string()),
        Some(record.target.amount().to_string()),
        Some(settlement.debtor.to_string()),
        Some(settlement.creditor.to_string()),
        Some(settlement.currency.to_string()),
        Some(settlement.gross.to_string()),
        Some(settlement.fee.to_string()),
        Some(settlement.net.to_string()),
        Some(settlement.remainder.to_string()),
        None,
        Some("then".to_owned()),
    ];
    assert_eq!(rows, [expected]);

    // Totals of any length, in whole units with six decimals.
    let totals = [
        ("0", "0.000000"),
        ("-1", "-0.000001"),
        ("1234567", "1.234567"),
        ("-999999999", "-999.999999"),
        ("170141183460469231731687303715884105727", "170141183460469231731687303715884.105727"),
    ];
    for (kept, shown) in totals {
        let update =
            format!("UPDATE accounts SET balance = '{kept}' WHERE account = 'position:aurora-air'");
        place.execute(&update).await;
        let rows = place
            .texts(
                "SELECT partner, currency, CAST(amount AS TEXT) FROM finance_positions \
                 WHERE alliance = 'demo' AND account = 'position:aurora-air'",
                3,
            )
            .await;
        assert_eq!(rows, [["aurora-air", "CNY", shown].map(|text| Some(text.to_owned()))]);
    }
    let fees = place
        .texts("SELECT CAST(amount AS TEXT) FROM finance_positions WHERE partner IS NULL", 1)
        .await;
    assert!(!fees.is_empty());
}

pub async fn a_closed_store_answers_no_more(place: &Place) {
    let mut world = World::new(place.open().await).await;
    let order = world.exchange(0, 1, 0, 100).await;
    let prepared = world.prepare(vec![order]).await;
    let outcome = prepared.outcomes.clone();
    assert!(matches!(outcome[..], [Outcome::Transaction(_)]));
    // What is under way is finished.
    let store = world.store.clone();
    let closing = tokio::spawn(async move { store.close().await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    prepared.commit().await.unwrap();
    timeout(LONG, closing).await.unwrap().unwrap();
    let error = world.store.heads().await.err();
    assert!(matches!(error, Some(StoreError::Unavailable(_))), "{error:?}");
    let error = world.store.begin().await.err();
    assert!(matches!(error, Some(StoreError::Unavailable(_))), "{error:?}");
    let again = place.open().await;
    assert_eq!(again.heads().await.unwrap().len(), 1);
    again.begin().await.unwrap().commit(&Writes::default()).await.unwrap();
}
