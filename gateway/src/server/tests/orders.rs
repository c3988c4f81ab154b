//! Quotes, orders, batches, reversals (threats T15, T17, T18, T21).

use alliance_contracts::content_digest::orders_digest;
use alliance_contracts::transaction::{order_bytes, orders_root};
use serde_json::{Value, json};

use super::world::{Call, World, aurora, borealis, cedar, expect, order, quote, world};

#[actix_web::test]
async fn programs_and_rates_are_those_of_the_definition() {
    let world = world().await;
    let programs = world.send(&world.get(borealis(), "/v1/programs")).await.ok(200);
    assert_eq!(programs["alliance"], "demo");
    assert_eq!(programs["currency"], "CNY");
    assert_eq!(
        programs["programs"][2],
        json!({"balances": "hosted", "name": "borealis", "partner": "borealis-coffee",
            "program": "borealis", "scale": 0})
    );
    let rates = world.send(&world.get(aurora(), "/v1/rates")).await.ok(200);
    assert_eq!(rates["board"], 1);
    assert_eq!(rates["values"][0]["program"], "aurora");
    assert_eq!(rates["values"][0]["value"], "0.05");
    // Only the caller's own agreements.
    assert_eq!(rates["fees"], json!([{"a": "aurora-air", "b": "borealis-coffee", "fee": "0.01"}]));
    let jws = alliance_contracts::jws::parse(rates["jws"].as_str().unwrap()).unwrap();
    let gateway = super::world::gateway_key();
    jws.verify(alliance_contracts::jws::JwsType::Board, gateway.public_key()).unwrap();
}

/// Threat T24: what a quote says stands until it expires, wherever the rate has gone, and no longer.
#[actix_web::test]
async fn a_quote_stands_after_the_rate_has_moved_until_it_expires() {
    let world = world().await;
    world.link().await;
    let (_, early) = world.token("100").await;
    let (_, late) = world.token("100").await;
    let mut moved = super::world::definition();
    moved.programs[2].value = "0.11".parse().unwrap();
    moved.rates.notice_seconds = 10;
    world.house.define(moved, crate::draw::id()).await.unwrap();
    let published = world.house.publish(None).await.unwrap().unwrap();
    assert_eq!(published.board, 2);
    // Announced, and not in force before its time.
    let rates = world.send(&world.get(aurora(), "/v1/rates")).await.ok(200);
    assert_eq!((&rates["board"], &rates["next"]["board"]), (&json!(1), &json!(2)));
    world.pass_seconds(10);
    let order =
        |token: &str, reference| world.post(aurora(), "/v1/transactions", order(token, reference));
    let done = world.send(&order(&early, "early")).await.ok(201);
    assert_eq!((&done["rate"]["board"], &done["target"]["amount"]), (&json!(1), &json!("49")));
    let (_, fresh) = world.token("100").await;
    let done = world.send(&order(&fresh, "fresh")).await.ok(201);
    assert_eq!((&done["rate"]["board"], &done["target"]["amount"]), (&json!(2), &json!("48")));
    assert_eq!(done["rate"]["target_value"], "0.102");
    world.pass_seconds(50);
    expect(&world.send(&order(&late, "late")).await, 410, "quote_expired");
}

/// Threat T25, as far as a definition goes: what is no number within the bounds never gets there.
#[test]
fn a_value_beyond_its_bounds_is_no_definition() {
    let beyond = "1".to_owned() + &"0".repeat(28);
    let fine = "0.".to_owned() + &"1".repeat(40);
    for text in ["NaN", "inf", "1e3", "", "-0.05", "0.1234567", &fine] {
        assert!(text.parse::<alliance_contracts::decimal::Decimal>().is_err(), "{text}");
    }
    for (value, good) in
        [("0", false), ("1000000.000001", false), (&*beyond, false), ("1000000", true)]
    {
        let mut definition = super::world::definition();
        definition.programs[0].value = value.parse().unwrap();
        assert_eq!(definition.check().is_ok(), good, "{value}");
    }
}

#[actix_web::test]
async fn a_quote_says_what_the_protocol_says() {
    let world = world().await;
    let asked = quote("aurora", "A-1001", "borealis", "B-77", "source", "1000");
    let quote = world.send(&world.post(aurora(), "/v1/quotes", asked)).await.ok(201);
    assert_eq!(
        quote["source"],
        json!({"amount": "1000", "member": "A-1001", "partner": "aurora-air", "program": "aurora"})
    );
    assert_eq!(quote["target"]["amount"], "495");
    assert_eq!(
        quote["settlement"],
        json!({"currency": "CNY", "debtor": "aurora-air", "creditor": "borealis-coffee",
            "gross": "50", "fee": "0.5", "net": "49.5", "remainder": "0"})
    );
    assert!(quote["id"].as_str().unwrap().starts_with("quo_"));
    assert_eq!(quote["token"].as_str().unwrap().split('.').count(), 3);
}

/// Whoever sends a tier expects something for it: it is never overlooked.
#[actix_web::test]
async fn a_tier_that_no_agreement_maps_is_refused_where_it_stands() {
    let world = world().await;
    let plain = quote("aurora", "A-1001", "borealis", "B-77", "source", "1000");
    let with = |tier: &str| {
        let mut asked = plain.clone();
        asked["tier"] = json!(tier);
        asked
    };
    for (tier, reason) in [("gold", "no agreement maps the tier gold"), ("Gold", "a tier must")] {
        let answer = world.send(&world.post(aurora(), "/v1/quotes", with(tier))).await;
        expect(&answer, 400, "malformed");
        let fault = &answer.json()["errors"][0];
        assert_eq!(fault["pointer"], "/tier");
        assert!(fault["detail"].as_str().unwrap().starts_with(reason), "{fault}");
    }
    let body = json!({"quotes": [plain, with("gold")]});
    let answer = world.send(&world.post(aurora(), "/v1/quotes/batch", body)).await.ok(200);
    let results = answer["results"].as_array().unwrap();
    assert_eq!((&results[0]["status"], &results[1]["status"]), (&json!(201), &json!(400)));
    assert_eq!(results[1]["problem"]["errors"][0]["pointer"], "/quotes/1/tier");
    // A quote without one says nothing about it, and its rate nothing that goes without saying.
    assert_eq!(results[0]["quote"].get("tier"), None);
    assert_eq!(results[0]["quote"]["rate"].as_object().unwrap().len(), 4);
}

#[actix_web::test]
async fn a_batch_of_quotes_answers_each_in_its_place() {
    let world = world().await;
    let good = quote("aurora", "A-1001", "borealis", "B-77", "target", "10");
    let bad = quote("aurora", "A-1001", "nowhere", "B-77", "target", "10");
    let body = json!({"quotes": [good, bad, good]});
    let answer = world.send(&world.post(aurora(), "/v1/quotes/batch", body)).await.ok(200);
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.len(), 3);
    assert_eq!((&results[0]["status"], &results[1]["status"]), (&json!(201), &json!(404)));
    assert_eq!(results[0]["quote"]["target"]["amount"], "10");
    let problem = &results[1]["problem"];
    assert_eq!(problem["code"], "not_found");
    assert_eq!(problem["errors"][0]["pointer"], "/quotes/1/target/program");
    assert!(problem["request_id"].as_str().unwrap().starts_with("req_"));
    let many = json!({"quotes": vec![good.clone(); 1_001]});
    let answer = world.send(&world.post(aurora(), "/v1/quotes/batch", many)).await;
    expect(&answer, 400, "malformed");
    assert_eq!(answer.json()["errors"][0]["pointer"], "/quotes");
}

#[actix_web::test]
async fn each_party_sees_its_own_member_and_the_caller_what_it_supplied() {
    let world = world().await;
    world.link().await;
    let made = world.order("1000", "order-1").await;
    assert_eq!((&made["state"], &made["kind"]), (&json!("completed"), &json!("exchange")));
    assert_eq!(made["source_reference"], "order-1");
    assert_eq!(made["reversed"], json!({"source": "0", "target": "0"}));
    assert_eq!(
        (&made["source"]["member"], &made["target"]["member"]),
        (&json!("A-1001"), &json!("B-77"))
    );
    let receipt = &made["receipt"]["receipt"];
    assert_eq!((&receipt["seq"], &receipt["transaction"]), (&json!(1), &made["id"]));
    let path = format!("/v1/transactions/{}", made["id"].as_str().unwrap());
    let mine = world.send(&world.get(aurora(), &path)).await.ok(200);
    assert_eq!(mine, made);
    let theirs = world.send(&world.get(borealis(), &path)).await.ok(200);
    assert_eq!(theirs["target"]["member"], "B-77");
    assert_eq!(theirs["source"]["member"], receipt["source"]["member"]);
    assert_ne!(theirs["source"]["member"], "A-1001");
}

#[actix_web::test]
async fn the_same_order_gets_the_first_answer_again() {
    let world = world().await;
    world.link().await;
    let (_, token) = world.token("1000").await;
    let call = world.post(aurora(), "/v1/transactions", order(&token, "r-1"));
    let first = world.send(&call).await;
    let again = world.send(&call).await;
    assert_eq!(first.ok(201), again.ok(201));
    assert_eq!(first.header("idempotency-replayed"), None);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    // T15: another order, another route, another partner.
    let other = world.post(aurora(), "/v1/transactions", order(&token, "r-2"));
    let other = other.key(&call.idempotency_key);
    expect(&world.send(&other).await, 422, "idempotency_mismatch");
    let id = first.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/transactions/{id}/reversals");
    let body = r#"{"reason":"r","source_reference":"s"}"#;
    let reversal = world.post(aurora(), &path, body).key(&call.idempotency_key);
    expect(&world.send(&reversal).await, 422, "idempotency_mismatch");
    let theirs = world.post(borealis(), &path, body).key(&call.idempotency_key);
    world.send(&theirs).await.ok(201);
    // The replay tells the present state.
    assert_eq!(world.send(&call).await.ok(201)["state"], "reversed");
}

#[actix_web::test]
async fn a_refusal_is_a_decision_and_comes_again() {
    let world = world().await;
    let (_, token) = world.token("1000").await;
    let call = world.post(aurora(), "/v1/transactions", order(&token, "r-1"));
    let first = world.send(&call).await;
    expect(&first, 403, "members_not_linked");
    world.link().await;
    let again = world.send(&call).await;
    expect(&again, 403, "members_not_linked");
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(first.json()["detail"], again.json()["detail"]);
    // Quote and reference are free for a new attempt.
    world.send(&world.post(aurora(), "/v1/transactions", order(&token, "r-1"))).await.ok(201);
}

#[actix_web::test]
async fn every_refusal_of_an_order_has_its_code() {
    // T18, T21
    let world = world().await;
    world.link().await;
    let transactions = "/v1/transactions";
    let (_, token) = world.token("10").await;
    world.send(&world.post(aurora(), transactions, order(&token, "r-1"))).await.ok(201);
    let used = world.send(&world.post(aurora(), transactions, order(&token, "r-2"))).await;
    expect(&used, 409, "quote_used");
    let (_, token) = world.token("10").await;
    let twice = world.send(&world.post(aurora(), transactions, order(&token, "r-1"))).await;
    expect(&twice, 409, "duplicate_reference");
    let stolen = world.send(&world.post(borealis(), transactions, order(&token, "r-9"))).await;
    expect(&stolen, 404, "quote_unknown");
    let nonsense = world.send(&world.post(aurora(), transactions, order("nonsense", "r-3"))).await;
    expect(&nonsense, 404, "quote_unknown");
    let (_, rich) = world.token("1000000").await;
    let poor = world.send(&world.post(aurora(), transactions, order(&rich, "r-4"))).await;
    expect(&poor, 409, "insufficient_points");
    world.pass_seconds(61);
    let late = world.send(&world.post(aurora(), transactions, order(&token, "r-5"))).await;
    expect(&late, 410, "quote_expired");
    // Nobody may give another's points; no agreement, no quote.
    let asked = quote("borealis", "B-77", "aurora", "A-1001", "source", "10");
    expect(&world.send(&world.post(aurora(), "/v1/quotes", asked)).await, 403, "kind_not_allowed");
    let asked = quote("aurora", "A-1001", "cedar", "C-9", "source", "10");
    expect(&world.send(&world.post(aurora(), "/v1/quotes", asked)).await, 403, "kind_not_allowed");
    let bad = world.post(aurora(), transactions, json!({"quote": "x", "source_reference": ""}));
    let bad = world.send(&bad).await;
    expect(&bad, 400, "malformed");
    assert_eq!(bad.json()["errors"][0]["pointer"], "/source_reference");
}

/// A batch of orders under the root that they have.
pub(super) fn batch(world: &World, orders: &[(&str, &str, &str, &str)]) -> Call {
    let body: Vec<Value> = orders
        .iter()
        .map(|(key, _, token, reference)| {
            json!({"key": key, "quote": token, "source_reference": reference})
        })
        .collect();
    let bytes: Vec<Vec<u8>> = orders
        .iter()
        .map(|(_, quote, _, reference)| order_bytes(quote, &reference.parse().unwrap()))
        .collect();
    let root = orders_root(bytes.iter().map(Vec::as_slice));
    world.post(aurora(), "/v1/transactions/batch", json!({"orders": body})).with(
        "alliance-orders",
        orders_digest(&root),
        true,
    )
}

#[actix_web::test]
async fn a_batch_decides_each_order_by_itself() {
    let world = world().await;
    world.link().await;
    let (quote_a, a) = world.token("10").await;
    let (quote_b, b) = world.token("20").await;
    let orders = [
        ("k-1", quote_a.as_str(), a.as_str(), "r-1"),
        ("k-2", quote_b.as_str(), b.as_str(), "r-1"),
        // The same key: with the same order, the first answer again; with another, a mismatch.
        ("k-1", quote_a.as_str(), a.as_str(), "r-1"),
        ("k-1", quote_b.as_str(), b.as_str(), "r-2"),
        ("k-3", "nonsense", "nonsense", "r-3"),
        ("k-4", quote_b.as_str(), b.as_str(), "r-2"),
    ];
    let call = batch(&world, &orders);
    let answer = world.send(&call.clone().signed_answer()).await.ok(200);
    let results = answer["results"].as_array().unwrap();
    let told: Vec<(u64, &str, bool)> = results
        .iter()
        .map(|result| {
            let code = result["problem"]["code"].as_str().unwrap_or("-");
            (result["status"].as_u64().unwrap(), code, result["replayed"] == json!(true))
        })
        .collect();
    assert_eq!(
        told,
        [
            (201, "-", false),
            (409, "duplicate_reference", false),
            (201, "-", true),
            (422, "idempotency_mismatch", false),
            (404, "quote_unknown", false),
            (201, "-", false),
        ]
    );
    assert_eq!(results[0]["transaction"]["id"], results[2]["transaction"]["id"]);
    // Again, whole: every decision as before.
    let again = world.send(&call).await.ok(200);
    for (before, after) in results.iter().zip(again["results"].as_array().unwrap()) {
        assert_eq!(before["status"], after["status"]);
        assert_eq!(before["transaction"], after["transaction"]);
    }
    // One of them alone, under its key.
    let alone = world.post(aurora(), "/v1/transactions", order(&a, "r-1")).key("k-1");
    let alone = world.send(&alone).await;
    assert_eq!(alone.header("idempotency-replayed"), Some("true"));
    assert_eq!(alone.ok(201), results[0]["transaction"]);
}

#[actix_web::test]
async fn a_batch_is_signed_by_its_root() {
    let world = world().await;
    world.link().await;
    let (id, token) = world.token("10").await;
    let orders = [("k-1", id.as_str(), token.as_str(), "r-1")];
    let mut bare = batch(&world, &orders);
    bare.extra.clear();
    expect(&world.send(&bare).await, 401, "signature_incomplete");
    let mut uncovered = batch(&world, &orders);
    uncovered.extra[0].2 = false;
    let answer = world.send(&uncovered).await;
    expect(&answer, 401, "signature_incomplete");
    assert!(answer.json()["detail"].as_str().unwrap().ends_with("alliance-orders"));
    let mut other = batch(&world, &[("k-1", id.as_str(), token.as_str(), "r-2")]);
    other.body.clone_from(&batch(&world, &orders).body);
    expect(&world.send(&other).await, 401, "signature_invalid");
    let mut nonsense = batch(&world, &orders);
    nonsense.extra[0].1 = "sha-256=nonsense".to_owned();
    expect(&world.send(&nonsense).await, 400, "malformed");
    // Nothing of it has used the key.
    let good = world.send(&batch(&world, &orders)).await.ok(200);
    assert_eq!(good["results"][0]["status"], 201);
    let many: Vec<_> = (0..1_001).map(|_| orders[0]).collect();
    expect(&world.send(&batch(&world, &many)).await, 400, "malformed");
}

#[actix_web::test]
async fn a_reversal_names_the_original_sides() {
    let world = world().await;
    world.link().await;
    let original = world.order("1000", "r-1").await;
    let path = format!("/v1/transactions/{}/reversals", original["id"].as_str().unwrap());
    let body = json!({"amount": {"side": "source", "value": "10"},
        "source_reference": "refund-1", "reason": "customer_request"});
    let call = world.post(borealis(), &path, &body);
    let made = world.send(&call).await.ok(201);
    assert_eq!((&made["kind"], &made["reverses"]), (&json!("reversal"), &original["id"]));
    assert_eq!((&made["reason"], &made["quote"]), (&json!("customer_request"), &Value::Null));
    assert_eq!((&made["source"]["amount"], &made["target"]["amount"]), (&json!("10"), &json!("5")));
    assert_eq!(made["settlement"]["debtor"], "borealis-coffee");
    // The caller named nobody: it sees its own member, and the other's pseudonym.
    assert_eq!(made["target"]["member"], "B-77");
    assert_eq!(made["source"]["member"], made["receipt"]["receipt"]["source"]["member"]);
    let replay = world.send(&call).await;
    assert_eq!(replay.header("idempotency-replayed"), Some("true"));
    assert_eq!(replay.ok(201), made);
    let path_of = |made: &Value| format!("/v1/transactions/{}", made["id"].as_str().unwrap());
    let now = world.send(&world.get(aurora(), &path_of(&original))).await.ok(200);
    assert_eq!(now["state"], "partially_reversed");
    assert_eq!(now["reversed"], json!({"source": "10", "target": "5"}));
    let theirs = world.send(&world.get(aurora(), &path_of(&made))).await.ok(200);
    assert_eq!(theirs["source"]["member"], "A-1001");
    assert_ne!(theirs["target"]["member"], "B-77");
    // Refusals of its own.
    let ask = |value: &str, reference: &str| {
        json!({"amount": {"side": "source", "value": value}, "reason": "r",
            "source_reference": reference})
    };
    for (body, status, code) in [
        (ask("991", "refund-2"), 409, "exceeds_reversible"),
        (ask("1.5", "refund-2"), 400, "malformed"),
        (ask("0", "refund-2"), 422, "amount_too_small"),
        (ask("1000000000001", "refund-2"), 422, "amount_out_of_range"),
        (ask("10", "refund-1"), 409, "duplicate_reference"),
        (json!({"reason": "Not A Code", "source_reference": "x"}), 400, "malformed"),
        (json!({"source_reference": "x"}), 400, "malformed"),
    ] {
        expect(&world.send(&world.post(borealis(), &path, body)).await, status, code);
    }
    // All that is left; then nothing is.
    let rest = json!({"reason": "r", "source_reference": "refund-3"});
    world.send(&world.post(aurora(), &path, rest)).await.ok(201);
    let none = json!({"reason": "r", "source_reference": "refund-4"});
    expect(&world.send(&world.post(aurora(), &path, none)).await, 409, "exceeds_reversible");
    assert_eq!(
        world.send(&world.get(aurora(), &path_of(&original))).await.ok(200)["state"],
        "reversed"
    );
    expect(
        &world
            .send(&world.post(cedar(), &path, json!({"reason": "r", "source_reference": "x"})))
            .await,
        404,
        "not_found",
    );
}

#[actix_web::test]
async fn within_one_partner_nothing_is_owed() {
    let world = world().await;
    let body = r#"{"a":{"program":"aurora-gold","member":"G-1"},
        "b":{"program":"aurora","member":"A-1001"},
        "consent":{"scope":["exchange"],"until":null}}"#;
    let link = world.send(&world.post(aurora(), "/v1/links", body)).await.ok(201);
    assert_eq!(link["state"], "active");
    let asked = quote("aurora-gold", "G-1", "aurora", "A-1001", "source", "5");
    let quoted = world.send(&world.post(aurora(), "/v1/quotes", asked)).await.ok(201);
    let body = order(quoted["token"].as_str().unwrap(), "r-1");
    let made = world.send(&world.post(aurora(), "/v1/transactions", body)).await.ok(201);
    assert_eq!(made["settlement"], Value::Null);
    assert_eq!(
        (&made["source"]["member"], &made["target"]["member"]),
        (&json!("G-1"), &json!("A-1001"))
    );
    assert_eq!(made["receipt"]["receipt"]["corridor"], "aurora-air~aurora-air");
}
