//! Who may call: signatures, keys, scopes, names (threats T01 to T07, T09, T11, T13).

use alliance_contracts::content_digest::content_digest;
use alliance_contracts::http_signature::Tag;

use super::world::{AUTHORITY, World, aurora, aurora_read, borealis, key, order, quote, world};

fn fields(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

async fn refused(world: &World, call: &super::world::Call, status: u16, code: &str) -> String {
    let answer = world.send(call).await;
    assert_eq!((answer.status, answer.code().as_str()), (status, code), "{answer:?}");
    answer.json()["detail"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn an_unsigned_request_is_told_what_is_missing() {
    // T01
    let world = world().await;
    let host = fields(&[("host", AUTHORITY)]);
    for (method, path) in [
        ("GET", "/v1/programs"),
        ("GET", "/v1/rates"),
        ("GET", "/v1/links"),
        ("GET", "/v1/agreements"),
        ("GET", "/v1/agreements/agr_01h455vb4pex5vsknk084sn02q/diff"),
        ("GET", "/v1/corridors"),
        ("GET", "/v1/partners/keys"),
        ("GET", "/v1/corridors/aurora-air~borealis-coffee/receipts"),
        ("GET", "/v1/members/aurora/A-1001/balance"),
        ("GET", "/v1/transactions/txn_01h455vb4pex5vsknk084sn02q"),
    ] {
        let answer = world.raw(method, path, &host, Vec::new()).await;
        assert_eq!((answer.status, &*answer.code()), (401, "signature_incomplete"), "{path}");
        assert!(answer.json()["detail"].as_str().unwrap().contains("signature-input"));
    }
    let json = fields(&[("host", AUTHORITY), ("content-type", "application/json")]);
    for path in [
        "/v1/quotes",
        "/v1/quotes/batch",
        "/v1/transactions",
        "/v1/transactions/batch",
        "/v1/links",
        "/v1/links/lnk_01h455vb4pex5vsknk084sn02q/confirm",
        "/v1/links/lnk_01h455vb4pex5vsknk084sn02q/revoke",
        "/v1/agreements",
        "/v1/agreements/agr_01h455vb4pex5vsknk084sn02q/countersign",
        "/v1/agreements/agr_01h455vb4pex5vsknk084sn02q/withdraw",
        "/v1/transactions/txn_01h455vb4pex5vsknk084sn02q/reversals",
    ] {
        let answer = world.raw("POST", path, &json, b"{}".to_vec()).await;
        assert_eq!((answer.status, &*answer.code()), (401, "signature_incomplete"), "{path}");
    }
}

#[actix_web::test]
async fn every_required_component_is_asked_for_by_name() {
    // T01
    let world = world().await;
    for name in ["@method", "@authority", "@path", "@query"] {
        let mut call = world.get(aurora(), "/v1/programs");
        call.uncovered = vec![name];
        let detail = refused(&world, &call, 401, "signature_incomplete").await;
        assert!(detail.ends_with(name), "{detail}");
    }
    for name in ["content-type", "content-digest", "idempotency-key"] {
        let mut call = world.post(aurora(), "/v1/transactions", order("x", "r"));
        call.uncovered = vec![name];
        let detail = refused(&world, &call, 401, "signature_incomplete").await;
        assert!(detail.ends_with(name), "{detail}");
    }
}

#[actix_web::test]
async fn a_field_that_says_two_things_is_refused() {
    // T02
    let world = world().await;
    let body = quote("aurora", "A-1001", "borealis", "B-77", "source", "10").to_string();
    let call = world.post(aurora(), "/v1/quotes", &body);
    let (mut fields, signed) = call.sign(world.now());
    fields.push(("idempotency-key".to_owned(), "another".to_owned()));
    let answer = world.send_signed(&call, &fields, &signed).await;
    assert_eq!((answer.status, &*answer.code()), (400, "malformed"));
    // One right and one wrong digest, both signed.
    let mut call = world.post(aurora(), "/v1/quotes", &body);
    let both = format!("{}, {}", content_digest(body.as_bytes()), content_digest(b"other"));
    call.uncovered = vec!["content-digest"];
    let (mut fields, _) = call.sign(world.now());
    for (name, value) in &mut fields {
        if name == "content-digest" {
            value.clone_from(&both);
        }
    }
    let signed = sign_fields(&call, &fields, world.now());
    let answer = world.send_signed(&call, &fields, &signed).await;
    assert_eq!((answer.status, &*answer.code()), (400, "malformed"));
    // Two names.
    let call = world.get(aurora(), "/v1/programs");
    let (mut fields, signed) = call.sign(world.now());
    fields.push(("host".to_owned(), "other.example".to_owned()));
    let answer = world.send_signed(&call, &fields, &signed).await;
    assert_eq!((answer.status, &*answer.code()), (400, "malformed"));
}

fn sign_fields(
    call: &super::world::Call,
    fields: &Vec<(String, String)>,
    now: i64,
) -> alliance_contracts::http_signature::SignatureHeaders {
    use alliance_contracts::http_signature::{
        RequestSignatureParams, RequestView, required_components, sign_request,
    };
    let view = RequestView {
        method: call.method,
        authority: &call.authority,
        path: &call.uri,
        query: None,
        headers: fields,
    };
    let created = alliance_contracts::time::Timestamp::from_millis(now);
    let params = RequestSignatureParams { created, expires: None, nonce: None, tag: Tag::Request };
    sign_request(&view, required_components(call.method), &params, &call.key).unwrap()
}

#[actix_web::test]
async fn only_the_keys_own_algorithm_counts() {
    // T03
    let world = world().await;
    let call = world.get(aurora(), "/v1/programs");
    let (fields, mut signed) = call.sign(world.now());
    for alg in ["hmac-sha256", "rsa-pss-sha512", "Ed25519", ""] {
        let mut other = signed.clone();
        other.signature_input = format!("{};alg=\"{alg}\"", signed.signature_input);
        let answer = world.send_signed(&call, &fields, &other).await;
        assert_eq!((answer.status, &*answer.code()), (401, "signature_invalid"), "{alg}");
    }
    signed.signature = signed.signature.replace("sig1=", "other=");
    let answer = world.send_signed(&call, &fields, &signed).await;
    assert_eq!((answer.status, &*answer.code()), (401, "signature_incomplete"));
}

#[actix_web::test]
async fn a_signature_for_another_gateway_is_none() {
    // T04: the name is one of ours, whatever Host claims.
    let world = world().await;
    let mut call = world.get(aurora(), "/v1/programs");
    call.authority = "sandbox.example".to_owned();
    refused(&world, &call, 401, "signature_invalid").await;
    call.host = "sandbox.example".to_owned();
    refused(&world, &call, 401, "signature_invalid").await;
    call.tag = Tag::Callback;
    refused(&world, &call, 401, "signature_incomplete").await;
    // Any of our names will do, in any case.
    let mut call = world.get(aurora(), "/v1/programs");
    call.authority = "second.example".to_owned();
    call.host = "SECOND.example".to_owned();
    world.send(&call).await.ok(200);
}

#[actix_web::test]
async fn a_path_in_another_spelling_is_refused() {
    // T05
    let world = world().await;
    for path in [
        "//v1/programs",
        "/v1//programs",
        "/v1/programs/",
        "/v1/./programs",
        "/v1/x/../programs",
        "/v1/%70rograms",
        "/v1/%2e%2e/v1/programs",
        "/v1%2fprograms",
        "/v1/programs;x=1",
        "/v1/%2E/programs",
        "/v1/programs%00",
        "/v1/members/aurora/../balance",
    ] {
        let call = world.get(aurora(), path);
        refused(&world, &call, 400, "malformed").await;
    }
    // Another case is another path.
    refused(&world, &world.get(aurora(), "/V1/programs"), 404, "not_found").await;
}

#[actix_web::test]
async fn a_changed_path_query_or_body_breaks_the_signature() {
    // T05, T06
    let world = world().await;
    let call = world.get(aurora(), "/v1/links?state=active&limit=5");
    let (fields, signed) = call.sign(world.now());
    for uri in [
        "/v1/links?limit=5&state=active",
        "/v1/links?state=active&limit=6",
        "/v1/links",
        "/v1/links?state=active&limit=5&",
        "/v1/links?state=active&limit=%35",
        "/v1/corridors",
    ] {
        let mut other = call.clone();
        uri.clone_into(&mut other.uri);
        let answer = world.send_signed(&other, &fields, &signed).await;
        assert_eq!((answer.status, &*answer.code()), (401, "signature_invalid"), "{uri}");
    }
    let call =
        world.post(aurora(), "/v1/quotes", quote("aurora", "A", "borealis", "B", "source", "1"));
    let (fields, signed) = call.sign(world.now());
    let mut other = call.clone();
    other.body = Some(call.body.clone().unwrap().to_ascii_uppercase());
    let answer = world.send_signed(&other, &fields, &signed).await;
    assert_eq!((answer.status, &*answer.code()), (401, "signature_invalid"));
}

#[actix_web::test]
async fn a_query_is_plain_and_says_a_thing_once() {
    // T06
    let world = world().await;
    for uri in [
        "/v1/links?limit=5&limit=5",
        "/v1/links?limit=5&limit=6",
        "/v1/links?limit=%35",
        "/v1/links?limit=+5",
        "/v1/links?limit",
        "/v1/links?unknown=1",
        "/v1/links?limit=0",
        "/v1/links?limit=1001",
        "/v1/links?limit=05",
        "/v1/links?state=Active",
        "/v1/links?after=x",
        "/v1/programs?x=1",
        "/v1/rates?",
    ] {
        let answer = world.send(&world.get(aurora(), uri)).await;
        if uri.ends_with('?') {
            // An empty query is none.
            answer.ok(200);
        } else {
            assert_eq!((answer.status, &*answer.code()), (400, "malformed"), "{uri}");
        }
    }
}

#[actix_web::test]
async fn time_is_told_to_whoever_is_out_of_it() {
    // T13
    let world = world().await;
    for created in [world.now() - 301_000, world.now() + 62_000] {
        let mut call = world.get(aurora(), "/v1/programs");
        call.created = Some(created);
        let detail = refused(&world, &call, 401, "signature_expired").await;
        assert!(detail.contains("2026-11-23T04:05:06.789Z"), "{detail}");
    }
    let mut call = world.get(aurora(), "/v1/programs");
    call.expires = Some(world.now() - 2_000);
    refused(&world, &call, 401, "signature_expired").await;
    for created in [world.now() - 299_000, world.now() + 59_000] {
        let mut call = world.get(aurora(), "/v1/programs");
        call.created = Some(created);
        world.send(&call).await.ok(200);
    }
}

#[actix_web::test]
async fn unknown_revoked_and_wrong_keys_get_one_answer() {
    // T07, T09
    let world = world().await;
    let mut bodies = Vec::new();
    let mut keep = |answer: super::world::Answer| {
        assert_eq!((answer.status, &*answer.code()), (401, "signature_invalid"));
        let mut problem = answer.json();
        problem["request_id"] = "".into();
        bodies.push(problem);
    };
    keep(world.send(&world.get(key(50), "/v1/programs")).await);
    // Revoked a millisecond before the world began.
    keep(world.send(&world.get(key(12), "/v1/programs")).await);
    let call = world.get(aurora(), "/v1/programs");
    let (fields, signed) = call.sign(world.now());
    for length in [0, 63, 65, 64] {
        let mut other = signed.clone();
        let bytes = alliance_contracts::encoding::base64_encode(&vec![0xff; length]);
        other.signature = format!("sig1=:{bytes}:");
        keep(world.send_signed(&call, &fields, &other).await);
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:#?}");
}

#[actix_web::test]
async fn a_read_only_key_asks_and_changes_nothing() {
    // T11
    let world = world().await;
    world.link().await;
    world.send(&world.get(aurora_read(), "/v1/programs")).await.ok(200);
    let asked = quote("aurora", "A-1001", "borealis", "B-77", "source", "10");
    let quoted = world.send(&world.post(aurora_read(), "/v1/quotes", asked)).await.ok(201);
    let body = order(quoted["token"].as_str().unwrap(), "r-1");
    let read = world.post(aurora_read(), "/v1/transactions", &body).key("one");
    refused(&world, &read, 403, "key_scope").await;
    for path in ["/v1/links", "/v1/transactions/txn_01h455vb4pex5vsknk084sn02q/reversals"] {
        refused(&world, &world.post(aurora_read(), path, "{}"), 403, "key_scope").await;
    }
    // The key is unused.
    let answer = world.send(&world.post(aurora(), "/v1/transactions", &body).key("one")).await;
    answer.ok(201);
    assert_eq!(answer.header("idempotency-replayed"), None);
}

#[actix_web::test]
async fn what_is_anothers_is_not_found() {
    // T07
    let world = world().await;
    let link = world.link().await;
    let transaction = world.order("1000", "r-1").await;
    let id = transaction["id"].as_str().unwrap();
    let receipt = transaction["receipt"]["receipt"]["id"].as_str().unwrap();
    let corridor = "/v1/corridors/aurora-air~borealis-coffee";
    let none = "01h455vb4pex5vsknk084sn02q";
    let cedar = super::world::cedar;
    let mut bodies = Vec::new();
    for uri in [
        format!("/v1/transactions/{id}"),
        format!("/v1/transactions/txn_{none}"),
        "/v1/transactions/nonsense".to_owned(),
        format!("/v1/receipts/{receipt}"),
        format!("/v1/receipts/rcp_{none}"),
        format!("/v1/receipts/{receipt}/evidence"),
        format!("/v1/receipts/{receipt}/proof"),
        format!("/v1/links/{link}"),
        format!("/v1/links/lnk_{none}"),
        format!("/v1/agreements/agr_{none}"),
        format!("/v1/agreements/agr_{none}/diff"),
        format!("{corridor}/receipts"),
        format!("{corridor}/checkpoint"),
        format!("{corridor}/proofs/inclusion?seq=1&size=1"),
        format!("{corridor}/proofs/consistency?from=1&to=1"),
        "/v1/corridors/nonsense/receipts".to_owned(),
        "/v1/members/aurora/A-1001/balance".to_owned(),
        "/v1/members/nothing/A-1001/balance".to_owned(),
        "/v1/members/aurora/A-1001/openings/aurora-air~cedar-hotels".to_owned(),
    ] {
        let answer = world.send(&world.get(cedar(), &uri)).await;
        assert_eq!((answer.status, &*answer.code()), (404, "not_found"), "{uri}");
        let mut problem = answer.json();
        problem["request_id"] = "".into();
        problem["instance"] = "".into();
        bodies.push(problem);
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:#?}");
    let reason = r#"{"reason":"r","source_reference":"s"}"#;
    for (path, body) in [
        (format!("/v1/transactions/{id}/reversals"), reason),
        (format!("/v1/transactions/txn_{none}/reversals"), reason),
        (format!("/v1/links/{link}/confirm"), "{}"),
        (format!("/v1/links/{link}/revoke"), "{}"),
        (format!("/v1/links/lnk_{none}/revoke"), "{}"),
        (format!("/v1/agreements/agr_{none}/withdraw"), "{}"),
    ] {
        refused(&world, &world.post(cedar(), &path, body), 404, "not_found").await;
    }
    // Its own program, and nobody of that name.
    let call = world.get(cedar(), "/v1/members/cedar/nobody/balance");
    refused(&world, &call, 404, "member_unknown").await;
    assert_eq!(
        world.send(&world.get(cedar(), "/v1/links")).await.ok(200)["items"],
        serde_json::json!([])
    );
    let corridors = world.send(&world.get(cedar(), "/v1/corridors")).await.ok(200);
    assert_eq!(corridors["corridors"], serde_json::json!([]));
    let theirs = world.send(&world.get(borealis(), "/v1/corridors")).await.ok(200);
    assert_eq!(theirs["corridors"][0]["corridor"], "aurora-air~borealis-coffee");
}

#[actix_web::test]
async fn answers_are_signed_where_that_is_asked_for() {
    let world = world().await;
    world.link().await;
    // `send` verifies each of these.
    world.send(&world.get(aurora(), "/v1/programs").signed_answer()).await.ok(200);
    let asked = quote("aurora", "A-1001", "borealis", "B-77", "source", "10");
    let call = world.post(aurora(), "/v1/quotes", asked).signed_answer();
    let quoted = world.send(&call).await.ok(201);
    let body = order(quoted["token"].as_str().unwrap(), "r-1");
    let call = world.post(aurora(), "/v1/transactions", &body).signed_answer();
    world.send(&call).await.ok(201);
    let again = world.send(&call).await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    // Errors, too: not found, malformed, no route, no method, out of time, unknown key.
    for (uri, status) in [
        ("/v1/transactions/nonsense", 404),
        ("/v1/links?x=1", 400),
        ("/v1/nothing", 404),
        ("/v1/quotes", 405),
        ("/v1//x", 400),
    ] {
        let answer = world.send(&world.get(aurora(), uri).signed_answer()).await;
        assert_eq!(answer.status, status, "{uri}");
    }
    let mut late = world.get(aurora(), "/v1/programs").signed_answer();
    late.created = Some(world.now() - 400_000);
    let (fields, signed) = late.sign(world.now());
    let answer = world.send_signed(&late, &fields, &signed).await;
    assert!(answer.header("signature").is_some(), "{answer:?}");
    let unknown = world.get(key(50), "/v1/programs").signed_answer();
    assert_eq!(world.send(&unknown).await.status, 401);
    // Not asked for: not signed.
    let plain = world.send(&world.get(aurora(), "/v1/programs")).await;
    assert_eq!((plain.header("signature"), plain.header("content-digest")), (None, None));
}
