//! The caller's own members: looked up, frozen, forgotten; and that nobody learns of a stranger's.

use std::sync::Arc;

use alliance_contracts::member::SignedErasure;
use alliance_partner_sdk::verify::erasure::{ErasureFault, verify_erasure};
use alliance_settlement::command::Command;
use serde_json::{Value, json};

use super::world::{
    World, aurora, aurora_read, borealis, cedar, expect, gateway_keys, member, order, quote, world,
};

fn one(program: &str, member: &str) -> Value {
    json!({"program": program, "member": member})
}

fn forgetting(program: &str, member: &str, forfeit: bool) -> Value {
    json!({"program": program, "member": member, "forfeit": forfeit})
}

async fn states(world: &World, members: &[&str]) -> Vec<String> {
    let asked = json!({"program": "aurora", "members": members});
    let answer = world.send(&world.post(aurora(), "/v1/members/validate", asked)).await.ok(200);
    let results = answer["results"].as_array().unwrap();
    assert!(results.iter().zip(members).all(|(result, member)| result["member"] == **member));
    results.iter().map(|result| result["state"].as_str().unwrap().to_owned()).collect()
}

#[actix_web::test]
async fn a_member_is_forgotten_and_what_it_did_stays_without_its_name() {
    let world = world().await;
    let link = world.link().await;
    let (_, token) = world.token("1000").await;
    let placed = world.post(aurora(), "/v1/transactions", order(&token, "r-1"));
    let made = world.send(&placed).await.ok(201);
    assert_eq!(made["source"]["member"], "A-1001");
    let keep = world.post(aurora(), "/v1/members/forget", forgetting("aurora", "A-1001", false));
    expect(&world.send(&keep).await, 409, "member_has_points");
    let forget = world.post(aurora(), "/v1/members/forget", forgetting("aurora", "A-1001", true));
    let answer = world.send(&forget).await;
    let signed: SignedErasure = serde_json::from_value(answer.ok(200)).unwrap();
    assert!(!String::from_utf8_lossy(&answer.body).contains("A-1001"));
    // Signed, about the member of that receipt, and asked for with that key.
    let keys = gateway_keys().trust_without_root().unwrap();
    let erasure = verify_erasure(&signed, &keys).unwrap();
    assert_eq!(erasure.forfeited.to_string(), "99000");
    assert_eq!(erasure.requested_with, *aurora().kid());
    let receipt = &made["receipt"]["receipt"];
    let seen = erasure.pseudonyms.iter().find(|p| receipt["corridor"] == p.corridor.as_str());
    assert_eq!(seen.unwrap().member.as_str(), receipt["source"]["member"]);
    assert_eq!(
        erasure.links.iter().map(ToString::to_string).collect::<Vec<_>>(),
        std::slice::from_ref(&link)
    );
    let mut bent = signed.clone();
    bent.erasure.forfeited = "0".parse().unwrap();
    assert_eq!(verify_erasure(&bent, &keys), Err(ErasureFault::Differs));
    // The order of before, repeated and asked for: the same, without a name, for either side.
    for (call, status) in [
        (placed, 201),
        (world.get(aurora(), &format!("/v1/transactions/{}", made["id"].as_str().unwrap())), 200),
    ] {
        let again = world.send(&call).await.ok(status);
        let mut expected = made.clone();
        expected["source"]["member"] = Value::Null;
        // What it said of the other side's member was opened by that one's key, which is there.
        assert_eq!(again, expected);
    }
    let theirs = format!("/v1/links/{link}");
    let theirs = world.send(&world.get(borealis(), &theirs)).await.ok(200);
    assert_eq!((&theirs["state"], &theirs["a"]["member"]), (&json!("revoked"), &Value::Null));
    // It is nobody any more; its erasure can be had again, by its own partner alone.
    let gone = world.get(aurora(), "/v1/members/aurora/A-1001/balance");
    expect(&world.send(&gone).await, 404, "member_unknown");
    let again = world.send(&forget).await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.body, answer.body);
    let anew = world.post(aurora(), "/v1/members/forget", forgetting("aurora", "A-1001", true));
    expect(&world.send(&anew).await, 404, "member_unknown");
    let path = format!("/v1/erasures/{}", signed.erasure.id);
    assert_eq!(world.send(&world.get(aurora(), &path)).await.body, answer.body);
    expect(&world.send(&world.get(borealis(), &path)).await, 404, "not_found");
    let listed = world.send(&world.get(aurora(), "/v1/erasures?limit=1")).await.ok(200);
    assert_eq!((&listed["items"][0]["jws"], &listed["more"]), (&json!(signed.jws), &json!(false)));
    let none = world.send(&world.get(borealis(), "/v1/erasures")).await.ok(200);
    assert_eq!(none, json!({"items": [], "more": false, "next_after": null}));
    // Told to its own partner, and to the other no more than that a link has ended.
    let events = world.send(&world.get(aurora(), "/v1/events?limit=1000")).await.ok(200);
    let told = events["items"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(told["type"], "member.forgotten");
    assert_eq!(told["data"]["erasure"], signed.erasure.id.to_string());
    let events = world.send(&world.get(borealis(), "/v1/events?limit=1000")).await.ok(200);
    assert_eq!(events["items"].as_array().unwrap().last().unwrap()["type"], "link.revoked");
}

#[actix_web::test]
async fn forgetting_takes_a_key_of_full_scope_and_a_member_of_ones_own() {
    let world = world().await;
    let forget = |key, body| world.post(key, "/v1/members/forget", body);
    let own = forgetting("aurora", "A-1001", true);
    expect(&world.send(&forget(aurora_read(), own.clone())).await, 403, "key_scope");
    expect(&world.send(&forget(cedar(), own)).await, 404, "not_found");
    let unknown = forgetting("nowhere", "A-1001", true);
    expect(&world.send(&forget(aurora(), unknown)).await, 404, "not_found");
    let nobody = forgetting("aurora", "A-0", true);
    expect(&world.send(&forget(aurora(), nobody)).await, 404, "member_unknown");
    let odd = json!({"program": "aurora", "member": "A-1001", "forfeit": "yes"});
    expect(&world.send(&forget(aurora(), odd)).await, 400, "malformed");
    assert_eq!(states(&world, &["A-1001"]).await, ["active"]);
}

#[actix_web::test]
async fn members_are_validated_frozen_and_let_go() {
    let world = world().await;
    world.link().await;
    assert_eq!(states(&world, &["A-1002", "A-0", "A-1001"]).await, ["active", "unknown", "active"]);
    let freeze = world.post(aurora(), "/v1/members/freeze", one("aurora", "A-1001"));
    let frozen = world.send(&freeze).await.ok(200);
    assert_eq!(frozen, json!({"program": "aurora", "member": "A-1001", "state": "frozen"}));
    assert_eq!(states(&world, &["A-1001"]).await, ["frozen"]);
    let (_, token) = world.token("100").await;
    let order = world.post(aurora(), "/v1/transactions", order(&token, "r-1"));
    expect(&world.send(&order).await, 423, "member_frozen");
    let unfreeze = world.post(aurora(), "/v1/members/unfreeze", one("aurora", "A-1001"));
    assert_eq!(world.send(&unfreeze).await.ok(200)["state"], "active");
    // The first answer's decision again, with how the member stands now.
    let again = world.send(&freeze).await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.ok(200)["state"], "active");
    world.order("100", "r-2").await;
    let read_only = world.post(aurora_read(), "/v1/members/freeze", one("aurora", "A-1001"));
    expect(&world.send(&read_only).await, 403, "key_scope");
    let many: Vec<String> = (0..101).map(|at| format!("A-{at}")).collect();
    let many = json!({"program": "aurora", "members": many});
    let answer = world.send(&world.post(aurora(), "/v1/members/validate", many)).await;
    expect(&answer, 400, "malformed");
    assert_eq!(answer.json()["errors"][0]["pointer"], "/members");
}

/// Members of aurora's, none linked to anybody, of names of one length.
const STRANGERS: [&str; 4] = ["X-active", "X-absent", "X-frozen", "X-forgot"];

async fn with_strangers(world: &World) {
    let there = STRANGERS.iter().filter(|name| **name != "X-absent");
    let members = there.map(|name| member(&world.house, "aurora", name, 0)).collect();
    world.house.submit(Command::ImportMembers(Arc::new(members))).await.unwrap();
    let freeze = world.post(aurora(), "/v1/members/freeze", one("aurora", "X-frozen"));
    world.send(&freeze).await.ok(200);
    let forget = forgetting("aurora", "X-forgot", false);
    world.send(&world.post(aurora(), "/v1/members/forget", forget)).await.ok(200);
    assert_eq!(states(world, &STRANGERS).await, ["active", "unknown", "frozen", "unknown"]);
}

/// An answer without what differs from call to call: ids, times, tokens, and the name asked for.
fn told(answer: &super::world::Answer, name: &str) -> String {
    fn strip(value: &mut Value, name: &str) {
        match value {
            Value::String(text) => {
                let is_id = text.len() == 30 && text.as_bytes()[3] == b'_';
                let is_time = text.len() == 24 && text.ends_with('Z');
                let is_token = text.len() > 200;
                *text = match text.as_str() {
                    _ if is_id => format!("<{}>", &text[..3]),
                    _ if is_time => "<time>".to_owned(),
                    _ if is_token => format!("<{} characters>", text.len()),
                    other => other.replace(name, "<name>"),
                };
                let parts = text.split('/').map(|part| match part.len() == 30 {
                    true => "<id>",
                    false => part,
                });
                *text = parts.collect::<Vec<_>>().join("/");
            }
            Value::Array(items) => items.iter_mut().for_each(|item| strip(item, name)),
            Value::Object(members) => members.values_mut().for_each(|item| strip(item, name)),
            _ => {}
        }
    }
    let mut body = answer.json();
    strip(&mut body, name);
    let mut headers: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
    headers.sort();
    format!("{} {headers:?} {body}", answer.status)
}

/// Everything that another brand can ask about a member of aurora's, and what it is told.
async fn asked_about(world: &World, name: &str) -> Vec<(String, String)> {
    let mut answers: Vec<(String, String)> = Vec::new();
    let mut note = |what: &str, answer: &super::world::Answer| {
        answers.push((what.to_owned(), told(answer, name)));
    };
    let chain = "aurora-air~borealis-coffee";
    for path in [
        format!("/v1/members/aurora/{name}/balance"),
        format!("/v1/members/aurora/{name}/openings/{chain}"),
    ] {
        note(&path.replace(name, "…"), &world.send(&world.get(borealis(), &path)).await);
    }
    let validate = json!({"program": "aurora", "members": [name]});
    for (path, body) in [
        ("/v1/members/validate", validate),
        ("/v1/members/freeze", one("aurora", name)),
        ("/v1/members/unfreeze", one("aurora", name)),
        ("/v1/members/forget", forgetting("aurora", name, true)),
    ] {
        note(path, &world.send(&world.post(borealis(), path, body)).await);
    }
    // A link, from proposal to revocation, and whatever shows it.
    let proposal = json!({
        "a": {"program": "aurora", "member": name}, "b": {"program": "borealis", "member": "B-77"},
        "consent": {"scope": ["exchange"], "until": null},
    });
    let proposed = world.send(&world.post(borealis(), "/v1/links", proposal)).await;
    note("propose", &proposed);
    let id = proposed.ok(201)["id"].as_str().unwrap().to_owned();
    let link = format!("/v1/links/{id}");
    note("link", &world.send(&world.get(borealis(), &link)).await);
    let confirm = world.post(borealis(), &format!("{link}/confirm"), "{}");
    note("confirm", &world.send(&confirm).await);
    // Orders in either direction, and of every kind that names a member.
    let item = json!({"partner": "borealis-coffee", "item": "latte", "price": "5", "cash": "0"});
    for (what, asked) in [
        ("exchange to it", quote("borealis", "B-77", "aurora", name, "source", "100")),
        ("exchange from it", quote("aurora", name, "borealis", "B-77", "source", "100")),
        (
            "redemption",
            json!({"kind": "redemption", "source": one("aurora", name), "target": item}),
        ),
    ] {
        let offered = world.send(&world.post(borealis(), "/v1/quotes", asked.clone())).await;
        note(what, &offered);
        let many = json!({"quotes": [asked]});
        note(what, &world.send(&world.post(borealis(), "/v1/quotes/batch", many)).await);
        if offered.status == 201 {
            let token = offered.json()["token"].as_str().unwrap().to_owned();
            let order = order(&token, &format!("{what} {name}"));
            let order = world.post(borealis(), "/v1/transactions", order);
            note(what, &world.send(&order).await);
            note(what, &world.send(&order).await);
        }
    }
    let revoke = world.post(borealis(), &format!("{link}/revoke"), "{}");
    note("revoke", &world.send(&revoke).await);
    note("links", &world.send(&world.get(borealis(), "/v1/links?limit=1")).await);
    answers
}

#[actix_web::test]
async fn no_call_tells_whether_another_brands_member_exists() {
    let mut all = Vec::new();
    for name in STRANGERS {
        // In a world of its own, so that nothing one call has left is seen by the next.
        let world = world().await;
        with_strangers(&world).await;
        all.push(asked_about(&world, name).await);
    }
    assert!(all[0].len() > 18, "{}", all[0].len());
    for (name, answers) in STRANGERS.iter().zip(&all) {
        for (answer, first) in answers.iter().zip(&all[0]) {
            assert_eq!(answer, first, "{name} is told from {}", STRANGERS[0]);
        }
    }
}

#[actix_web::test]
async fn who_buys_points_for_somebody_learns_only_that_they_did_not_arrive() {
    let world = world().await;
    with_strangers(&world).await;
    let mut refused = Vec::new();
    for name in STRANGERS {
        let asked = json!({
            "kind": "accrual", "source": {"partner": "borealis-coffee"},
            "target": one("aurora", name), "amount": {"side": "target", "value": "20"},
        });
        let offered = world.send(&world.post(borealis(), "/v1/quotes", asked)).await;
        let token = offered.ok(201)["token"].as_str().unwrap().to_owned();
        let order = world.post(borealis(), "/v1/transactions", order(&token, name));
        let answer = world.send(&order).await;
        if name == "X-active" {
            answer.ok(201);
        } else {
            refused.push(told(&answer, name));
        }
    }
    assert!(refused[0].contains("members_not_linked"), "{refused:?}");
    assert!(refused.iter().all(|one| *one == refused[0]), "{refused:#?}");
}

/// A proposal that was there before: forgetting whom it names changes nothing that is shown of it.
#[actix_web::test]
async fn a_proposal_tells_nothing_of_the_forgetting_of_whom_it_names() {
    let world = world().await;
    let members = vec![member(&world.house, "aurora", "X-forgot", 0)];
    world.house.submit(Command::ImportMembers(Arc::new(members))).await.unwrap();
    let proposal = json!({
        "a": {"program": "aurora", "member": "X-forgot"},
        "b": {"program": "borealis", "member": "B-77"},
        "consent": {"scope": ["exchange"], "until": null},
    });
    let link = world.send(&world.post(borealis(), "/v1/links", proposal)).await.ok(201);
    let path = format!("/v1/links/{}", link["id"].as_str().unwrap());
    let forget = forgetting("aurora", "X-forgot", false);
    world.send(&world.post(aurora(), "/v1/members/forget", forget)).await.ok(200);
    assert_eq!(world.send(&world.get(borealis(), &path)).await.ok(200), link);
    let events = world.send(&world.get(borealis(), "/v1/events")).await.ok(200);
    let told = events["items"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(told["type"], "link.proposed", "and nothing since");
    let confirm = world.post(aurora(), &format!("{path}/confirm"), "{}");
    expect(&world.send(&confirm).await, 404, "member_unknown");
}
