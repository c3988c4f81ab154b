//! Redemptions and accruals over HTTP: quote, order, receipt, and turning them round.

use alliance_contracts::key_list::TrustedKeys;
use serde_json::{Value, json};

use super::world::{World, aurora, borealis, cedar, expect, gateway_keys, order, world};

/// A coffee of 12.5 for A-1001's miles, so much of it paid in cash.
fn coffee(cash: &str) -> Value {
    json!({
        "kind": "redemption",
        "source": {"program": "aurora", "member": "A-1001"},
        "target": {"partner": "borealis-coffee", "item": "latte", "price": "12.5", "cash": cash},
    })
}

/// Beans that the airline buys for B-77.
fn beans(points: &str) -> Value {
    json!({
        "kind": "accrual",
        "source": {"partner": "aurora-air"},
        "target": {"program": "borealis", "member": "B-77"},
        "amount": {"side": "target", "value": points},
    })
}

/// Asks for terms and orders at them: quote and transaction.
async fn performed(world: &World, asked: Value, reference: &str) -> (Value, Value) {
    let quote = world.send(&world.post(aurora(), "/v1/quotes", asked)).await.ok(201);
    let order = order(quote["token"].as_str().unwrap(), reference);
    let made = world.send(&world.post(aurora(), "/v1/transactions", order)).await.ok(201);
    (quote, made)
}

async fn reverse(world: &World, made: &Value, amount: Value, reference: &str) -> Value {
    let path = format!("/v1/transactions/{}/reversals", made["id"].as_str().unwrap());
    let mut body = json!({"reason": "customer_request", "source_reference": reference});
    if !amount.is_null() {
        body["amount"] = amount;
    }
    world.send(&world.post(borealis(), &path, body)).await.ok(201)
}

async fn balance(world: &World, member: &str) -> String {
    let (key, program) =
        if member == "B-77" { (borealis(), "borealis") } else { (aurora(), "aurora") };
    let path = format!("/v1/members/{program}/{member}/balance");
    let answer = world.send(&world.get(key, &path)).await.ok(200);
    answer["balance"].as_str().unwrap().to_owned()
}

/// A receipt's payload, after its signature has been looked at.
fn receipt(made: &Value) -> Value {
    let keys: TrustedKeys = gateway_keys().trust_without_root().unwrap();
    let jws = made["receipt"]["jws"].as_str().unwrap();
    let parsed = alliance_contracts::jws::parse(jws).unwrap();
    let key = keys.find(&parsed.kid).unwrap();
    parsed.verify(alliance_contracts::jws::JwsType::Receipt, &key.public).unwrap();
    alliance_contracts::receipt::parse(&parsed.payload).unwrap();
    let payload: Value = serde_json::from_slice(&parsed.payload).unwrap();
    assert_eq!(payload, made["receipt"]["receipt"]);
    payload
}

/// Nobody has linked anything: there is one member, and the brand is no member.
#[actix_web::test]
async fn points_and_cash_buy_a_coffee_in_one_receipt() {
    let world = world().await;
    let (quote, made) = performed(&world, coffee("2.5"), "coffee-1").await;
    assert_eq!(
        quote["target"],
        json!({"amount": "10", "cash": "2.5", "item": "latte", "partner": "borealis-coffee",
            "price": "12.5"})
    );
    assert_eq!(
        (&quote["source"]["amount"], &quote["rate"]["target_value"]),
        (&json!("203"), &json!("1"))
    );
    assert_eq!(
        quote["settlement"],
        json!({"creditor": "borealis-coffee", "currency": "CNY", "debtor": "aurora-air",
            "fee": "0.1015", "gross": "10.15", "net": "10", "remainder": "0.0485"})
    );
    assert_eq!((&made["kind"], &made["state"]), (&json!("redemption"), &json!("completed")));
    assert_eq!((&made["target"], &made["source"]["member"]), (&quote["target"], &json!("A-1001")));
    let receipt = receipt(&made);
    assert_eq!(receipt["target"], quote["target"]);
    assert_eq!(receipt["postings"].as_array().unwrap().len(), 4);
    assert_eq!(balance(&world, "A-1001").await, "99797");
    // The brand that gave the coffee sees the same, and a pseudonym.
    let path = format!("/v1/transactions/{}", made["id"].as_str().unwrap());
    let theirs = world.send(&world.get(borealis(), &path)).await.ok(200);
    assert_eq!(theirs["target"], made["target"]);
    assert_eq!(theirs["source"]["member"], receipt["source"]["member"]);
    expect(&world.send(&world.get(cedar(), &path)).await, 404, "not_found");
}

#[actix_web::test]
async fn a_shop_buys_points_for_its_customer() {
    let world = world().await;
    let (quote, made) = performed(&world, beans("20"), "shopping-1").await;
    assert_eq!(quote["source"], json!({"partner": "aurora-air"}));
    assert_eq!(quote["target"]["member"], "B-77");
    assert_eq!(
        quote["settlement"],
        json!({"creditor": "borealis-coffee", "currency": "CNY", "debtor": "aurora-air",
            "fee": "0.02", "gross": "2.02", "net": "2", "remainder": "0"})
    );
    let receipt = receipt(&made);
    assert_eq!((&receipt["kind"], &receipt["source"]), (&json!("accrual"), &quote["source"]));
    assert_eq!(receipt["postings"].as_array().unwrap().len(), 3);
    assert_eq!(balance(&world, "B-77").await, "1020");
    // Its own customer's brand sees the reference, the shop what it supplied itself.
    let path = format!("/v1/transactions/{}", made["id"].as_str().unwrap());
    let theirs = world.send(&world.get(borealis(), &path)).await.ok(200);
    assert_eq!(
        (&theirs["source"], &theirs["target"]["member"]),
        (&quote["source"], &json!("B-77"))
    );
    assert_eq!(made["target"]["member"], "B-77");
}

#[actix_web::test]
async fn each_kind_is_turned_round_in_part_and_whole() {
    let world = world().await;
    let (_, coffee) = performed(&world, coffee("2.5"), "coffee").await;
    let (_, beans) = performed(&world, beans("20"), "beans").await;
    let part = reverse(&world, &coffee, json!({"side": "target", "value": "4"}), "c-1").await;
    assert_eq!((&part["kind"], &part["reverses"]), (&json!("reversal"), &coffee["id"]));
    assert_eq!((&part["source"]["amount"], &part["target"]["amount"]), (&json!("81"), &json!("4")));
    // What was paid in cash is the brand's to give back: it stands there as it stood.
    assert_eq!(
        (&part["target"]["cash"], &part["target"]["price"]),
        (&json!("2.5"), &json!("12.5"))
    );
    assert_eq!(part["settlement"]["debtor"], "borealis-coffee");
    assert_eq!(receipt(&part)["kind"], "reversal");
    let path = format!("/v1/transactions/{}", coffee["id"].as_str().unwrap());
    let now = world.send(&world.get(aurora(), &path)).await.ok(200);
    assert_eq!(now["state"], "partially_reversed");
    assert_eq!(now["reversed"], json!({"source": "81", "target": "4"}));
    reverse(&world, &coffee, Value::Null, "c-2").await;
    let part = reverse(&world, &beans, json!({"side": "target", "value": "7"}), "b-1").await;
    assert_eq!(part["source"], json!({"partner": "aurora-air"}));
    assert_eq!(part["target"]["amount"], "7");
    reverse(&world, &beans, Value::Null, "b-2").await;
    for made in [&coffee, &beans] {
        let path = format!("/v1/transactions/{}", made["id"].as_str().unwrap());
        let now = world.send(&world.get(borealis(), &path)).await.ok(200);
        assert_eq!(now["state"], "reversed");
    }
    assert_eq!(balance(&world, "A-1001").await, "100000");
    assert_eq!(balance(&world, "B-77").await, "1000");
}

#[actix_web::test]
async fn what_does_not_fit_its_kind_is_refused() {
    let world = world().await;
    let (_, coffee_order) = performed(&world, coffee("0"), "coffee").await;
    let (_, beans_order) = performed(&world, beans("20"), "beans").await;
    // Whether what was bought comes back, the brand that gave it says.
    let path =
        |made: &Value| format!("/v1/transactions/{}/reversals", made["id"].as_str().unwrap());
    let all = json!({"reason": "r", "source_reference": "s-1"});
    let answer = world.send(&world.post(aurora(), &path(&coffee_order), &all)).await;
    expect(&answer, 403, "kind_not_allowed");
    let source = json!({"amount": {"side": "source", "value": "1"}, "reason": "r",
        "source_reference": "s-2"});
    let answer = world.send(&world.post(aurora(), &path(&beans_order), &source)).await;
    expect(&answer, 400, "malformed");
    let both = json!({"program": "borealis", "member": "B-77", "item": "latte"});
    let mut mixed = coffee("0");
    mixed["target"] = both;
    let mut amount = coffee("0");
    amount["amount"] = json!({"side": "source", "value": "1"});
    let mut dear = coffee("0");
    dear["target"]["cash"] = json!("12.6");
    let mut source = beans("20");
    source["amount"]["side"] = json!("source");
    for (asked, pointer) in
        [(mixed, "/target"), (amount, "/amount"), (dear, "/target/cash"), (source, "/amount/side")]
    {
        let answer = world.send(&world.post(aurora(), "/v1/quotes", &asked)).await;
        expect(&answer, 400, "malformed");
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{asked}");
    }
    // Cedar has agreed on exchanges with borealis alone, and on nothing with aurora.
    for asked in [coffee("0"), beans("20")] {
        let mut asked = asked.to_string();
        asked =
            asked.replace("borealis-coffee", "cedar-hotels").replace("\"borealis\"", "\"cedar\"");
        let answer = world.send(&world.post(aurora(), "/v1/quotes", asked)).await;
        expect(&answer, 403, "kind_not_allowed");
    }
    // Of a stranger's member nobody learns anything.
    let quote = beans("20").to_string().replace("B-77", "B-0");
    let quote = world.send(&world.post(aurora(), "/v1/quotes", quote)).await.ok(201);
    let order = order(quote["token"].as_str().unwrap(), "nobody");
    let answer = world.send(&world.post(aurora(), "/v1/transactions", order)).await;
    expect(&answer, 403, "members_not_linked");
}

#[actix_web::test]
async fn a_batch_takes_orders_of_every_kind() {
    let world = world().await;
    world.link().await;
    let exchange = super::world::quote("aurora", "A-1001", "borealis", "B-77", "source", "1000");
    let asked = json!({"quotes": [exchange, coffee("12.4"), beans("3")]});
    let answer = world.send(&world.post(aurora(), "/v1/quotes/batch", asked)).await.ok(200);
    let results = answer["results"].as_array().unwrap();
    let text = |quote: &Value, name: &str| quote[name].as_str().unwrap().to_owned();
    let quotes: Vec<[String; 3]> = results
        .iter()
        .map(|result| &result["quote"])
        .map(|quote| [text(quote, "id"), text(quote, "token"), text(quote, "kind")])
        .collect();
    let orders: Vec<_> = quotes
        .iter()
        .map(|[id, token, kind]| (kind.as_str(), id.as_str(), token.as_str(), kind.as_str()))
        .collect();
    let answer = world.send(&super::orders::batch(&world, &orders)).await.ok(200);
    let kinds = answer["results"].as_array().unwrap().iter();
    let kinds: Vec<&Value> = kinds.map(|result| &result["transaction"]["kind"]).collect();
    assert_eq!(kinds, ["exchange", "redemption", "accrual"]);
}
