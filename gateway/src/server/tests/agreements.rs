//! Agreements, from proposal to countersignature, and what each party sees of them.

use std::sync::Arc;

use alliance_contracts::agreement::Agreement;
use alliance_contracts::jws::{self, JwsType};
use alliance_contracts::keys::SigningKey;
use alliance_contracts::time::Timestamp;
use serde_json::{Value, json};

use super::world::{START, World, aurora, aurora_read, borealis, cedar, world};

fn draft() -> Agreement {
    serde_json::from_value(json!({
        "a": "aurora-air", "alliance": "demo", "b": "borealis-coffee",
        "effective_at": Timestamp::from_millis(START).plus_seconds(3_600),
        "expiry": "carry_over", "fee": {"bearer": "member", "rate": "0.02"},
        "kinds": ["exchange"],
        "orders": [{"program": "aurora", "minimum": "500", "increment": "100"}],
        "previous": "0".repeat(64), "quote_lifetime_seconds": 120,
        "reversal_period_seconds": 86_400, "v": 1, "version": 1,
    }))
    .unwrap()
}

fn signed(agreement: &Agreement, key: &SigningKey) -> Value {
    json!({"jws": agreement.sign(key)})
}

fn codes(answer: &Value) -> Vec<&str> {
    let errors = answer["errors"].as_array().unwrap();
    errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect()
}

async fn propose(world: &World, key: &Arc<SigningKey>, agreement: &Agreement) -> String {
    let call = world.post(key.clone(), "/v1/agreements", signed(agreement, key));
    world.send(&call).await.ok(201)["id"].as_str().unwrap().to_owned()
}

async fn agree(world: &World, agreement: &Agreement) -> String {
    let id = propose(world, &aurora(), agreement).await;
    let path = format!("/v1/agreements/{id}/countersign");
    let call = world.post(borealis(), &path, signed(agreement, &borealis()));
    world.send(&call).await.ok(200);
    id
}

#[actix_web::test]
async fn one_proposes_and_the_other_countersigns_the_same_bytes() {
    let world = world().await;
    let call = world.post(borealis(), "/v1/agreements", signed(&draft(), &borealis()));
    let proposed = world.send(&call).await.ok(201);
    let id = proposed["id"].as_str().unwrap();
    assert!(id.starts_with("agr_"));
    assert_eq!(proposed["state"], "proposed");
    assert_eq!((&proposed["a_jws"], &proposed["countersigned_at"]), (&Value::Null, &Value::Null));
    assert_eq!(proposed["b_jws"], draft().sign(&borealis()));
    assert_eq!(proposed["agreement"], serde_json::to_value(draft()).unwrap());
    let again = world.send(&call).await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.ok(201), proposed);
    let path = format!("/v1/agreements/{id}");
    assert_eq!(world.send(&world.get(aurora_read(), &path)).await.ok(200), proposed);
    let own = signed(&draft(), &borealis());
    let own = world.send(&world.post(borealis(), &format!("{path}/countersign"), own)).await;
    assert_eq!((own.status, &*own.code()), (403, "kind_not_allowed"));
    let mut other = draft();
    other.fee.rate = "0.03".parse().unwrap();
    for (body, pointer) in [
        (signed(&other, &aurora()), "/jws"),
        (signed(&draft(), &cedar()), "/jws"),
        (signed(&draft(), &aurora_read()), "/jws"),
        (json!({"jws": "a.b.c"}), "/jws"),
        (json!({"jws": jws::sign(JwsType::Agreement, b"{}", &aurora())}), "/a"),
        (json!({"jws": jws::sign(JwsType::Board, &draft().payload(), &aurora())}), "/jws"),
    ] {
        let answer = world.send(&world.post(aurora(), &format!("{path}/countersign"), body)).await;
        assert_eq!((answer.status, &*answer.code()), (400, "malformed"));
        assert_eq!(codes(&answer.json())[0], pointer);
    }
    let body = signed(&draft(), &aurora());
    let call = world.post(aurora(), &format!("{path}/countersign"), body);
    let active = world.send(&call).await.ok(200);
    assert_eq!((&active["state"], &active["in_force"]), (&json!("active"), &json!(false)));
    assert_eq!(active["a_jws"], draft().sign(&aurora()));
    assert_eq!(active["b_jws"], draft().sign(&borealis()));
    assert_eq!(world.send(&call).await.header("idempotency-replayed"), Some("true"));
    world.pass_seconds(3_600);
    let now = world.send(&world.get(borealis(), &path)).await.ok(200);
    assert_eq!(now["in_force"], true);
    let late = world.send(&world.post(aurora(), &format!("{path}/withdraw"), "{}")).await;
    assert_eq!((late.status, &*late.code()), (409, "agreement_not_proposed"));
}

#[actix_web::test]
async fn a_faulty_agreement_is_refused_with_all_its_faults() {
    let world = world().await;
    let mut faulty = serde_json::to_value(draft()).unwrap();
    faulty["fee"] = json!({"bearer": "nobody", "rate": "1", "tiers": []});
    faulty["orders"][0]["program"] = json!("Aurora");
    faulty["quote_lifetime_seconds"] = json!(0);
    faulty["v"] = json!(2);
    let payload = serde_json::to_vec(&faulty).unwrap();
    let body = json!({"jws": jws::sign(JwsType::Agreement, &payload, &aurora())});
    let answer = world.send(&world.post(aurora(), "/v1/agreements", body)).await;
    assert_eq!((answer.status, &*answer.code()), (400, "malformed"));
    let mut told: Vec<String> = codes(&answer.json()).iter().map(ToString::to_string).collect();
    told.sort();
    let expected =
        ["/fee/bearer", "/fee/rate", "/orders/0/program", "/quote_lifetime_seconds", "/v"];
    assert_eq!(told, expected);
    // What only the clearing house knows is told all at once, too.
    let mut early = draft();
    early.effective_at = Timestamp::from_millis(START);
    early.orders[0].program = "cedar".parse().unwrap();
    early.alliance = "other".parse().unwrap();
    let call = world.post(aurora(), "/v1/agreements", signed(&early, &cedar()));
    let answer = world.send(&call).await;
    assert_eq!((answer.status, &*answer.code()), (400, "malformed"));
    let told = answer.json();
    let expected = ["/orders/0/program", "/alliance", "/effective_at", "/jws"];
    assert_eq!(codes(&told), expected);
    assert!(told["detail"].as_str().unwrap().starts_with("4 things are wrong"));
    // Refused is not decided: the key is free.
    let good = world.post(aurora(), "/v1/agreements", signed(&draft(), &aurora()));
    world.send(&good.key(&call.idempotency_key)).await.ok(201);
    let read = world.post(aurora_read(), "/v1/agreements", signed(&draft(), &aurora()));
    assert_eq!(world.send(&read).await.code(), "key_scope");
}

#[actix_web::test]
async fn versions_follow_on_each_other_and_one_is_open_at_a_time() {
    let world = world().await;
    let first = draft();
    let mut second = first.clone();
    (second.version, second.previous) = (2, first.hash());
    let call = world.post(aurora(), "/v1/agreements", signed(&second, &aurora()));
    let stale = world.send(&call).await;
    assert_eq!((stale.status, &*stale.code()), (409, "agreement_stale"));
    let again = world.send(&call).await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"), "a decision uses its key up");
    let open = propose(&world, &aurora(), &first).await;
    let pending = world.post(borealis(), "/v1/agreements", signed(&first, &borealis()));
    let pending = world.send(&pending).await;
    assert_eq!((pending.status, &*pending.code()), (409, "agreement_pending"));
    let declined = format!("/v1/agreements/{open}/withdraw");
    let declined = world.send(&world.post(borealis(), &declined, "{}")).await.ok(200);
    assert_eq!(declined["state"], "withdrawn");
    agree(&world, &first).await;
    propose(&world, &borealis(), &second).await;
}

#[actix_web::test]
async fn a_diff_is_between_two_versions_or_against_the_one_in_force() {
    let world = world().await;
    let first = draft();
    let one = agree(&world, &first).await;
    let mut second = first.clone();
    (second.version, second.previous) = (2, first.hash());
    second.fee.rate = "0.025".parse().unwrap();
    let two = propose(&world, &borealis(), &second).await;
    let change = json!({
        "after": "0.025", "before": "0.02", "name": "fee.rate", "pointer": "/fee/rate",
    });
    let named = format!("/v1/agreements/{one}/diff?to={two}");
    let named = world.send(&world.get(aurora(), &named)).await.ok(200);
    assert_eq!(named["changes"][1], change);
    assert_eq!((&named["from"], &named["to"]), (&json!(one), &json!(two)));
    // None is in force yet: all is new.
    let path = format!("/v1/agreements/{two}/diff");
    let new = world.send(&world.get(aurora(), &path)).await.ok(200);
    assert_eq!((&new["from"], &new["changes"][0]["before"]), (&Value::Null, &Value::Null));
    world.pass_seconds(3_600);
    assert_eq!(world.send(&world.get(aurora(), &path)).await.ok(200), named);
    let foreign = world.send(&world.get(cedar(), &path)).await;
    assert_eq!((foreign.status, &*foreign.code()), (404, "not_found"));
}

#[actix_web::test]
async fn agreements_come_page_by_page_and_only_the_callers() {
    let world = world().await;
    let first = draft();
    let mut ids = vec![agree(&world, &first).await];
    let mut second = first.clone();
    (second.version, second.previous) = (2, first.hash());
    for _ in 0..2 {
        ids.push(propose(&world, &aurora(), &second).await);
    }
    let list = async |query: &str| {
        let page = world.send(&world.get(borealis(), &format!("/v1/agreements{query}"))).await;
        let page = page.ok(200);
        let items = page["items"].as_array().unwrap();
        let items = items.iter().map(|item| item["id"].as_str().unwrap().to_owned());
        (items.collect::<Vec<_>>(), page["more"].clone())
    };
    assert_eq!(list("").await, (ids.clone(), json!(false)));
    assert_eq!(list("?limit=2").await, (ids[..2].to_vec(), json!(true)));
    assert_eq!(list(&format!("?after={}", ids[1])).await.0, ids[2..]);
    assert_eq!(list("?state=active").await.0, ids[..1]);
    assert_eq!(list("?state=withdrawn&with=aurora-air").await.0, ids[1..2]);
    assert_eq!(list("?with=cedar-hotels").await.0, [""; 0]);
    let theirs = world.send(&world.get(cedar(), "/v1/agreements")).await.ok(200);
    assert_eq!(theirs, json!({"items": [], "more": false, "next_after": null}));
    for (path, body) in [("withdraw", json!({})), ("countersign", signed(&second, &cedar()))] {
        let path = format!("/v1/agreements/{}/{path}", ids[2]);
        let answer = world.send(&world.post(cedar(), &path, body)).await;
        assert_eq!((answer.status, &*answer.code()), (404, "not_found"));
    }
    let none = world.send(&world.get(cedar(), &format!("/v1/agreements/{}", ids[0]))).await;
    assert_eq!((none.status, &*none.code()), (404, "not_found"));
}
