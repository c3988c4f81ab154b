//! The example brand: what it does with its members' points, call by call.

#[path = "../../examples/brand.rs"]
#[allow(dead_code, unreachable_pub, reason = "its main is for people")]
pub mod example;

use alliance_partner_sdk::connector::{Service, SqliteStore};
use serde_json::json;
use sqlx::{AssertSqlSafe, SqlitePool};

use super::gateway::{
    NAME, NOW, ask, benefit, brand_key, cancel, capture, credit, gateway_key, release, reserve,
    transaction,
};
use super::stores::Folder;

struct Open {
    service: Service<example::Brand>,
    pool: SqlitePool,
    _folder: Folder,
}

async fn open(name: &str) -> Open {
    let folder = Folder::new(name);
    let pool = example::database(&folder.0).await.unwrap();
    let store = SqliteStore::open(pool.clone()).await.unwrap();
    let builder = Service::builder(example::Brand, store).key(brand_key()).public_name(NAME);
    let builder = builder.trust_only(gateway_key().public_key().clone()).clock(|| NOW);
    Open { service: builder.build().unwrap(), pool, _folder: folder }
}

impl Open {
    async fn number(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&self.pool).await.unwrap()
    }

    /// Of the member with 5000 points.
    async fn balance(&self) -> i64 {
        self.number("SELECT balance FROM members WHERE member = 'B-77'").await
    }
}

#[tokio::test]
async fn what_is_reserved_is_gone_and_captured_or_given_back() {
    let brand = open("reserved").await;
    let mut reservations = Vec::new();
    for number in [1, 2] {
        let heard = ask(&brand.service, reserve(transaction(number), "B-77", "1000")).await;
        assert_eq!(heard.status, 200);
        reservations.push(heard.body["reservation"].as_str().unwrap().to_owned());
    }
    assert_eq!(brand.balance().await, 3000);
    let captured = ask(&brand.service, capture(transaction(1), &reservations[0])).await;
    let released = ask(&brand.service, release(transaction(2), &reservations[1])).await;
    assert_eq!((captured.status, released.status), (200, 200));
    assert_eq!(brand.balance().await, 4000);
    // Neither can be had another time, under another transaction's key.
    for (number, held) in (3..).zip(&reservations) {
        let again = ask(&brand.service, release(transaction(number), held)).await;
        assert_eq!((again.status, &again.body["code"]), (422, &json!("refused")));
        let again = ask(&brand.service, capture(transaction(number), held)).await;
        assert_eq!(again.status, 422);
    }
    assert_eq!(brand.balance().await, 4000);
}

#[tokio::test]
async fn refusals_say_why_and_move_nothing() {
    let brand = open("refusals").await;
    let cases = [
        ("nobody", "1", 404, "member_unknown"),
        ("B-99", "1", 423, "member_frozen"),
        ("B-78", "121", 409, "insufficient_points"),
        ("B-78", "1.5", 422, "refused"),
    ];
    for (number, (member, points, status, code)) in (1..).zip(cases) {
        let heard = ask(&brand.service, reserve(transaction(number), member, points)).await;
        assert_eq!((heard.status, &heard.body["code"]), (status, &json!(code)), "{member}");
    }
    for (number, (member, status)) in (10..).zip([("nobody", 404), ("B-99", 423)]) {
        let heard = ask(&brand.service, credit(transaction(number), member, "1")).await;
        assert_eq!(heard.status, status, "{member}");
    }
    assert_eq!(brand.number("SELECT COUNT(*) FROM journal").await, 0);
    assert_eq!(brand.number("SELECT CAST(SUM(balance) AS INTEGER) FROM members").await, 5420);
}

#[tokio::test]
async fn points_and_benefits_are_given_and_benefits_taken_back_in_parts() {
    let brand = open("given").await;
    let heard = ask(&brand.service, credit(transaction(1), "B-77", "495")).await;
    assert_eq!((heard.status, brand.balance().await), (200, 5495));
    let given = ask(&brand.service, benefit(transaction(2), "latte", "30")).await;
    let reference = given.body["reference"].as_str().unwrap().to_owned();
    for (number, amount, status) in [(3, "12.5", 200), (4, "17.5", 200), (5, "0.01", 409)] {
        let back = cancel(transaction(number), transaction(2), Some(&reference), amount);
        let heard = ask(&brand.service, back).await;
        assert_eq!(heard.status, status, "{amount}: {heard:?}");
    }
    let nameless = ask(&brand.service, cancel(transaction(6), transaction(2), None, "1")).await;
    assert_eq!(nameless.body["code"], json!("not_cancellable"));
}
