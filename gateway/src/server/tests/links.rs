//! Links, from proposal to revocation, and what each party sees of them.

use serde_json::{Value, json};

use super::world::{aurora, borealis, cedar, world};

fn proposal(a: (&str, &str), b: (&str, &str)) -> Value {
    json!({
        "a": {"program": a.0, "member": a.1},
        "b": {"program": b.0, "member": b.1},
        "consent": {"scope": ["exchange"], "until": null},
    })
}

#[actix_web::test]
async fn a_link_is_proposed_confirmed_and_revoked() {
    let world = world().await;
    let body = proposal(("aurora", "A-1001"), ("borealis", "B-77"));
    let call = world.post(aurora(), "/v1/links", &body);
    let link = world.send(&call).await.ok(201);
    let id = link["id"].as_str().unwrap();
    assert_eq!((&link["state"], &link["proposed_by"]), (&json!("proposed"), &json!("aurora-air")));
    // The proposer sees both names: it supplied both.
    assert_eq!((&link["a"]["member"], &link["b"]["member"]), (&json!("A-1001"), &json!("B-77")));
    let again = world.send(&call).await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.ok(201), link);
    // The other sees whom it is about, and of the stranger a pseudonym.
    let path = format!("/v1/links/{id}");
    let theirs = world.send(&world.get(borealis(), &path)).await.ok(200);
    assert_eq!(theirs["b"]["member"], "B-77");
    assert_ne!(theirs["a"]["member"], "A-1001");
    let own = world.send(&world.post(aurora(), &format!("{path}/confirm"), "{}")).await;
    assert_eq!((own.status, &*own.code()), (403, "kind_not_allowed"));
    let call = world.post(borealis(), &format!("{path}/confirm"), "{}");
    let active = world.send(&call).await.ok(200);
    assert_eq!((&active["state"], &active["b"]["member"]), (&json!("active"), &json!("B-77")));
    assert_ne!(active["a"]["member"], "A-1001");
    assert_eq!(world.send(&call).await.header("idempotency-replayed"), Some("true"));
    let mine = world.send(&world.get(aurora(), &path)).await.ok(200);
    assert_eq!((&mine["a"]["member"], &mine["b"]["member"]), (&json!("A-1001"), &json!("B-77")));
    let twice = world.send(&world.post(borealis(), &format!("{path}/confirm"), "{}")).await;
    assert_eq!((twice.status, &*twice.code()), (409, "link_not_proposed"));
    let gone = world.send(&world.post(aurora(), &format!("{path}/revoke"), "{}")).await.ok(200);
    assert_eq!(gone["state"], "revoked");
}

#[actix_web::test]
async fn a_proposal_that_makes_no_sense_is_told_where() {
    let world = world().await;
    let good = proposal(("aurora", "A-1001"), ("borealis", "B-77"));
    let bend = |pointer: &str, value: Value| {
        let mut body = good.clone();
        *body.pointer_mut(pointer).unwrap() = value;
        body
    };
    for (body, status, code, pointer) in [
        (bend("/consent/scope", json!([])), 400, "malformed", "/consent/scope"),
        (
            bend("/consent/scope", json!(["exchange", "exchange"])),
            400,
            "malformed",
            "/consent/scope/1",
        ),
        (bend("/consent/scope", json!(["everything"])), 400, "malformed", "/consent/scope/0"),
        (bend("/consent/until", json!("tomorrow")), 400, "malformed", "/consent/until"),
        (bend("/b/program", json!("aurora")), 400, "malformed", "/b/program"),
        (bend("/b/program", json!("nowhere")), 404, "not_found", "/b/program"),
    ] {
        let answer = world.send(&world.post(aurora(), "/v1/links", body)).await;
        assert_eq!((answer.status, &*answer.code()), (status, code), "{answer:?}");
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer);
    }
    let nobody = proposal(("aurora", "A-0"), ("borealis", "B-77"));
    let answer = world.send(&world.post(aurora(), "/v1/links", nobody)).await;
    assert_eq!((answer.status, &*answer.code()), (404, "member_unknown"));
    let strangers = world.send(&world.post(cedar(), "/v1/links", &good)).await;
    assert_eq!((strangers.status, &*strangers.code()), (403, "kind_not_allowed"));
    // Of a foreign member nothing is told: a proposal about nobody looks like any other.
    let foreign = proposal(("aurora", "A-1001"), ("borealis", "nobody"));
    world.send(&world.post(aurora(), "/v1/links", foreign)).await.ok(201);
    let more = world.post(aurora(), "/v1/links/lnk_01h455vb4pex5vsknk084sn02q/revoke", "{\"x\":1}");
    let answer = world.send(&more).await;
    assert_eq!((answer.status, &*answer.code()), (400, "malformed"));
}

#[actix_web::test]
async fn links_come_page_by_page() {
    let world = world().await;
    for other in ["B-1", "B-2", "B-3"] {
        let body = proposal(("aurora", "A-1001"), ("borealis", other));
        world.send(&world.post(aurora(), "/v1/links", body)).await.ok(201);
    }
    let active = world.link().await;
    let mut seen = Vec::new();
    let mut uri = "/v1/links?limit=3".to_owned();
    loop {
        let page = world.send(&world.get(borealis(), &uri)).await.ok(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(|link| link["id"].clone()));
        if page["more"] == json!(false) {
            break;
        }
        uri = format!("/v1/links?limit=3&after={}", page["next_after"].as_str().unwrap());
    }
    assert_eq!(seen.len(), 4);
    let page = world.send(&world.get(borealis(), "/v1/links?state=active")).await.ok(200);
    assert_eq!(page["items"][0]["id"], json!(active));
    assert_eq!((page["items"].as_array().unwrap().len(), &page["more"]), (1, &json!(false)));
    let none = world.send(&world.get(borealis(), "/v1/links?state=revoked")).await.ok(200);
    assert_eq!(none, json!({"items": [], "more": false, "next_after": null}));
}
