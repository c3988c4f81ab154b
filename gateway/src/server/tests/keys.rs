//! Partners' own keys: registered with proof, one after the other, revoked (threats T08, T11, T37,
//! T39).

use std::sync::Arc;

use alliance_contracts::encoding::base64url_encode;
use alliance_contracts::keys::SigningKey;
use alliance_contracts::partner_key::{KeyRegistration, KeyScope};
use alliance_contracts::time::Timestamp;
use serde_json::{Value, json};

use super::world::{START, World, aurora, aurora_read, borealis, expect, key, order, quote, world};

fn asked(partner: &str, scope: KeyScope, new: &SigningKey) -> KeyRegistration {
    let (alliance, partner) = ("demo".parse().unwrap(), partner.parse().unwrap());
    KeyRegistration::new(alliance, partner, scope, new.public_key())
}

fn body(asked: &KeyRegistration, new: &SigningKey) -> Value {
    json!({"jws": asked.sign(new)})
}

async fn register(world: &World, scope: KeyScope, new: &SigningKey) -> Value {
    let body = body(&asked("aurora-air", scope, new), new);
    world.send(&world.post(aurora(), "/v1/keys", body)).await.ok(201)
}

fn path(key: &SigningKey, rest: &str) -> String {
    format!("/v1/keys/{}{rest}", key.kid())
}

fn after(seconds: i64) -> Timestamp {
    Timestamp::from_millis(START).plus_seconds(seconds)
}

/// An order under a key of aurora's.
async fn order_under(world: &World, key: &Arc<SigningKey>, reference: &str) -> Value {
    let token = world.token("10").await.1;
    let body = order(&token, reference);
    world.send(&world.post(key.clone(), "/v1/transactions", body)).await.ok(201)
}

#[actix_web::test]
async fn a_partner_registers_a_key_that_it_proves_to_have() {
    let world = world().await;
    world.link().await;
    let new = key(21);
    expect(&world.send(&world.get(new.clone(), "/v1/programs")).await, 401, "signature_invalid");
    let call =
        world.post(aurora(), "/v1/keys", body(&asked("aurora-air", KeyScope::Trade, &new), &new));
    let view = world.send(&call).await.ok(201);
    let expected = json!({
        "added_at": after(0), "exp": null, "in_force": true, "kid": new.kid(),
        "nbf": after(0).floor_to_second(), "revoked_at": null, "scope": "trade",
        "x": base64url_encode(new.public_key().as_bytes()),
    });
    assert_eq!(view, expected);
    let again = world.send(&call).await;
    assert_eq!((again.header("idempotency-replayed"), again.ok(201)), (Some("true"), view.clone()));
    order_under(&world, &new, "r-1").await;
    // It is in the caller's list, and in the one that everybody verifies evidence with.
    let own = world.send(&world.get(aurora_read(), "/v1/keys")).await.ok(200);
    assert_eq!(own["items"].as_array().unwrap().len(), 4);
    assert!(own["items"].as_array().unwrap().contains(&view));
    let one = world.send(&world.get(new.clone(), &path(&new, ""))).await.ok(200);
    assert_eq!(one, view);
    let all = world.send(&world.get(borealis(), "/v1/partners/keys")).await.ok(200);
    let listed = all["keys"].as_array().unwrap().iter().find(|jwk| jwk["kid"] == view["kid"]);
    assert_eq!(listed.unwrap()["scope"], "trade");
    // The same key again is none, whoever asks.
    let again = body(&asked("aurora-air", KeyScope::Full, &new), &new);
    let answer = world.send(&world.post(aurora(), "/v1/keys", again)).await;
    expect(&answer, 409, "duplicate_key");
    let stolen = body(&asked("borealis-coffee", KeyScope::Full, &new), &new);
    let answer = world.send(&world.post(borealis(), "/v1/keys", stolen)).await;
    expect(&answer, 409, "duplicate_key");
}

#[actix_web::test]
async fn a_key_without_proof_of_possession_is_refused() {
    // T08
    let world = world().await;
    let new = key(21);
    let plain = asked("aurora-air", KeyScope::Full, &new);
    let weak = KeyRegistration { x: base64url_encode(&[0; 32]), ..plain.clone() };
    let late = KeyRegistration { nbf: Some(after(-10)), exp: Some(after(-5)), ..plain.clone() };
    let foreign = asked("borealis-coffee", KeyScope::Full, &new);
    for (jws, status, code, places) in [
        (plain.sign(&key(22)), 422, "key_proof_invalid", vec!["/jws"]),
        (foreign.sign(&new), 422, "key_proof_invalid", vec!["/jws"]),
        (weak.sign(&new), 422, "weak_key", vec!["/jws"]),
        ("e30".to_owned(), 400, "malformed", vec!["/jws"]),
        (late.sign(&new), 400, "malformed", vec!["/jws/nbf", "/jws/exp"]),
    ] {
        let call = world.post(aurora(), "/v1/keys", json!({ "jws": jws })).key("one");
        let answer = world.send(&call).await;
        expect(&answer, status, code);
        let problem = answer.json();
        let errors = problem["errors"].as_array().unwrap();
        let found: Vec<_> = errors.iter().map(|e| e["pointer"].as_str().unwrap()).collect();
        assert_eq!(found, places);
    }
    // None of them has used the idempotency key up.
    let call = world.post(aurora(), "/v1/keys", body(&plain, &new)).key("one");
    world.send(&call).await.ok(201);
}

#[actix_web::test]
async fn one_key_takes_anothers_place_while_both_are_used() {
    // T39
    let world = world().await;
    world.link().await;
    let new = key(21);
    register(&world, KeyScope::Full, &new).await;
    let at = json!({ "at": after(60) });
    let retire = world.post(new.clone(), &path(&aurora(), "/retire"), at);
    let retired = world.send(&retire).await.ok(200);
    assert_eq!((&retired["exp"], &retired["in_force"]), (&json!(after(60)), &json!(true)));
    for round in 0..59 {
        let (one, other) = if round % 2 == 0 { (aurora(), &new) } else { (new.clone(), &aurora()) };
        world.send(&world.get(one, "/v1/programs")).await.ok(200);
        if round % 20 == 0 {
            order_under(&world, other, &format!("r-{round}")).await;
        }
        world.pass_seconds(1);
    }
    world.pass_seconds(1);
    let answer = world.send(&world.get(aurora(), "/v1/programs")).await;
    expect(&answer, 401, "signature_invalid");
    world.send(&world.get(new.clone(), "/v1/programs")).await.ok(200);
    // What ended stays in the lists, and its end cannot be put off.
    let later = json!({ "at": after(500) });
    let retire = world.post(new.clone(), &path(&aurora(), "/retire"), later);
    assert_eq!(world.send(&retire).await.ok(200)["exp"], json!(after(60)));
    let past = json!({ "at": after(1) });
    let answer = world.send(&world.post(new.clone(), &path(&new, "/retire"), past)).await;
    expect(&answer, 400, "malformed");
}

#[actix_web::test]
async fn a_revoked_key_is_refused_and_what_it_was_accepted_for_is_told() {
    // T37
    let world = world().await;
    world.link().await;
    let stolen = key(21);
    register(&world, KeyScope::Full, &stolen).await;
    let before = order_under(&world, &stolen, "r-1").await;
    world.pass_seconds(10);
    let first = order_under(&world, &stolen, "r-2").await;
    world.pass_seconds(10);
    // Refused, and a question: neither is told of.
    let poor = quote("aurora", "A-1001", "borealis", "B-77", "source", "99999999");
    let poor = world.send(&world.post(stolen.clone(), "/v1/quotes", poor)).await.ok(201);
    let poor = order(poor["token"].as_str().unwrap(), "r-3");
    let answer = world.send(&world.post(stolen.clone(), "/v1/transactions", poor)).await;
    expect(&answer, 409, "insufficient_points");
    world.pass_seconds(10);
    let link = json!({"a": {"program": "aurora", "member": "A-1002"},
        "b": {"program": "borealis", "member": "B-77"},
        "consent": {"scope": ["exchange"], "until": null}});
    let link = world.send(&world.post(stolen.clone(), "/v1/links", link)).await.ok(201);
    world.pass_seconds(10);

    let since = json!({ "since": after(5) });
    let revoke = world.post(aurora(), &path(&stolen, "/revoke"), since);
    let revoked = world.send(&revoke).await.ok(200);
    assert_eq!(revoked["key"]["revoked_at"], json!(after(40)));
    assert_eq!(revoked["key"]["in_force"], false);
    let told = |answer: &Value| -> Vec<(Value, Value, Value)> {
        let items = answer["items"].as_array().unwrap();
        let of = |item: &Value| {
            (item["what"].clone(), item["subject"].clone(), item["transactions"].clone())
        };
        items.iter().map(of).collect()
    };
    let made = |transaction: &Value, seq: u64| {
        json!([{"corridor": "aurora-air~borealis-coffee", "id": transaction["id"], "seq": seq,
            "state": "completed"}])
    };
    let orders = (json!("orders"), Value::Null, made(&first, 2));
    let linked = (json!("link"), link["id"].clone(), json!([]));
    assert_eq!(told(&revoked["uses"]), [orders.clone(), linked.clone()]);
    let uses = |rest: &str| world.get(aurora_read(), &path(&stolen, &format!("/uses{rest}")));
    let all = world.send(&uses("")).await.ok(200);
    let earlier = (json!("orders"), Value::Null, made(&before, 1));
    assert_eq!(told(&all), [earlier.clone(), orders.clone(), linked.clone()]);
    let page = world.send(&uses("?limit=2")).await.ok(200);
    assert_eq!((told(&page), page["more"].as_bool()), (vec![earlier, orders], Some(true)));
    let next = page["next_after"].as_str().unwrap();
    let page = world.send(&uses(&format!("?after={next}"))).await.ok(200);
    assert_eq!((told(&page), page["more"].as_bool()), (vec![linked], Some(false)));

    for call in [
        world.get(stolen.clone(), "/v1/programs"),
        world.post(
            stolen.clone(),
            "/v1/keys",
            body(&asked("aurora-air", KeyScope::Full, &key(22)), &key(22)),
        ),
    ] {
        expect(&world.send(&call).await, 401, "signature_invalid");
    }
    // Repeating it changes nothing; the same under another key neither.
    let again = world.send(&revoke).await;
    assert_eq!((again.header("idempotency-replayed"), again.ok(200)), (Some("true"), revoked));
    world.pass_seconds(10);
    let again = world.post(aurora(), &path(&stolen, "/revoke"), "{}");
    assert_eq!(world.send(&again).await.ok(200)["key"]["revoked_at"], json!(after(40)));
}

#[actix_web::test]
async fn a_key_may_revoke_itself() {
    let world = world().await;
    let new = key(21);
    register(&world, KeyScope::Full, &new).await;
    let revoke = world.post(new.clone(), &path(&new, "/revoke"), "{}");
    assert_eq!(world.send(&revoke).await.ok(200)["key"]["in_force"], false);
    expect(&world.send(&revoke).await, 401, "signature_invalid");
}

#[actix_web::test]
async fn anothers_keys_are_not_found() {
    // T07
    let world = world().await;
    for kid in [key(77).kid().to_string(), borealis().kid().to_string(), "x".to_owned()] {
        for call in [
            world.get(aurora(), &format!("/v1/keys/{kid}")),
            world.get(aurora(), &format!("/v1/keys/{kid}/uses")),
            world.post(aurora(), &format!("/v1/keys/{kid}/revoke"), "{}"),
            world.post(aurora(), &format!("/v1/keys/{kid}/retire"), json!({"at": after(9)})),
        ] {
            expect(&world.send(&call).await, 404, "not_found");
        }
    }
    world.send(&world.get(borealis(), "/v1/programs")).await.ok(200);
}

#[actix_web::test]
async fn a_key_does_what_its_scope_says_and_nothing_else() {
    // T11
    let world = world().await;
    world.link().await;
    let scopes = [(KeyScope::Full, 21), (KeyScope::Trade, 22), (KeyScope::Read, 23)];
    let scopes = scopes.into_iter().chain([(KeyScope::Witness, 24)]);
    for (scope, seed) in scopes {
        let new = key(seed);
        assert_eq!(register(&world, scope, &new).await["scope"], scope.as_str());
        let more = body(&asked("aurora-air", KeyScope::Full, &key(seed + 20)), &key(seed + 20));
        let retire = json!({ "at": after(99) });
        let nothing = "/v1/agreements/agr_01h455vb4pex5vsknk084sn02q/withdraw";
        let token = world.token("10").await.1;
        let trades = matches!(scope, KeyScope::Full | KeyScope::Trade);
        let governs = scope == KeyScope::Full;
        for (call, allowed) in [
            (world.get(new.clone(), "/v1/keys"), true),
            (world.post(new.clone(), "/v1/transactions", order(&token, scope.as_str())), trades),
            (world.post(new.clone(), "/v1/keys", more), governs),
            (world.post(new.clone(), &path(&new, "/retire"), retire), governs),
            (world.post(new.clone(), &path(&aurora(), "/revoke"), json!({"x": 1})), governs),
            (world.post(new.clone(), nothing, "{}"), governs),
        ] {
            let answer = world.send(&call).await;
            if allowed {
                assert!(![401, 403].contains(&answer.status), "{scope:?} {}: {answer:?}", call.uri);
            } else {
                expect(&answer, 403, "key_scope");
            }
        }
    }
}

#[actix_web::test]
async fn an_operator_revokes_any_key_once() {
    let world = world().await;
    let (partner, kid) = ("borealis-coffee".parse().unwrap(), borealis().kid().clone());
    let revoke = |partner: &alliance_contracts::names::PartnerId| {
        world.house.revoke_key_of(partner.clone(), kid.clone())
    };
    let other = "aurora-air".parse().unwrap();
    assert_eq!(revoke(&other).await.unwrap(), None, "it is not aurora's");
    world.send(&world.get(borealis(), "/v1/programs")).await.ok(200);
    assert_eq!(revoke(&partner).await.unwrap(), Some(true));
    assert_eq!(revoke(&partner).await.unwrap(), Some(false));
    let answer = world.send(&world.get(borealis(), "/v1/programs")).await;
    expect(&answer, 401, "signature_invalid");
}
