//! What only a sandbox has: its log. A gateway that serves in earnest has none of it.

use actix_web::http::StatusCode;
use alliance_contracts::encoding::base64_encode;
use alliance_contracts::sandbox::{RequestLog, SignatureFinding};

use super::world::{World, aurora, key, sandbox_world, world};

async fn log(world: &World, partner: &str) -> RequestLog {
    let answer = world.raw("GET", &format!("/sandbox/log{partner}"), &[], Vec::new()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_slice(&answer.body).unwrap()
}

#[actix_web::test]
async fn a_gateway_that_serves_in_earnest_has_no_sandbox() {
    let world = world().await;
    for path in ["/sandbox/clock", "/sandbox/log", "/sandbox/log/aurora-air", "/sandbox/outcomes"] {
        let answer = world.raw("GET", path, &[], Vec::new()).await;
        assert_eq!((answer.status, &*answer.code()), (404, "not_found"), "{path}");
    }
}

#[actix_web::test]
async fn a_signature_over_another_base_is_shown_beside_ours() {
    let world = sandbox_world().await;
    world.send(&world.get(aurora(), "/v1/programs")).await.ok(200);
    let mut call = world.get(aurora(), "/v1/members/aurora/A-1001/balance");
    call.authority = "localhost".to_owned();
    // The SDK of another language says what it has signed; or it does not: the usual is tried.
    let base = call.sign(world.now()).1.base;
    let sent = call.clone().with("alliance-debug-base", base64_encode(&base), false);
    call.authority = "second.example".to_owned();
    for (call, finding) in
        [(&sent, SignatureFinding::AnotherBase), (&call, SignatureFinding::AnotherBase)]
    {
        let answer = world.send(call).await;
        assert_eq!((answer.status, &*answer.code()), (401, "signature_invalid"));
        assert!(!answer.json()["detail"].as_str().unwrap().contains("base"), "{answer:?}");
        let requests = log(&world, "/aurora-air").await.requests;
        let newest = &requests[0];
        assert_eq!(newest.request_id, answer.header("x-request-id").unwrap());
        assert_eq!(newest.route, "/v1/members/{program}/{member}/balance");
        let comparison = newest.signature.as_ref().unwrap();
        assert_eq!(comparison.finding, finding);
        let difference = comparison.difference.as_ref().unwrap();
        assert_eq!((difference.line, difference.column), (2, 15), "{difference:?}");
        let wanted = format!("\"@authority\": {}", call.authority);
        assert_eq!(difference.client_line.as_ref(), Some(&wanted));
    }
    let requests = log(&world, "/aurora-air").await.requests;
    assert_eq!(requests.len(), 3);
    assert_eq!((requests[2].status, &requests[2].signature), (200, &None));
    assert!(log(&world, "/borealis-coffee").await.requests.is_empty());
}

#[actix_web::test]
async fn who_named_no_known_key_is_found_by_nobodys_name() {
    let world = sandbox_world().await;
    world.send(&world.get(key(77), "/v1/programs")).await;
    let requests = log(&world, "").await.requests;
    assert_eq!((requests.len(), &requests[0].partner), (1, &None));
    let comparison = requests[0].signature.as_ref().unwrap();
    assert_eq!(comparison.finding, SignatureFinding::UnknownKey);
    assert!(comparison.gateway_base.contains("\"@path\": /v1/programs"));
    // A body that is not what was digested: the signature is good, so there is nothing to compare.
    let mut call = world.post(aurora(), "/v1/quotes", "{}");
    let (fields, signed) = call.sign(world.now());
    call.body = Some(b"{ }".to_vec());
    let answer = world.send_signed(&call, &fields, &signed).await;
    assert_eq!(answer.code(), "signature_invalid");
    let newest = log(&world, "/aurora-air").await.requests.remove(0);
    assert_eq!(newest.cause.as_deref(), Some("the digest does not match the body"));
    assert_eq!(newest.signature, None);
    let unknown = world.raw("GET", "/sandbox/log/nobody", &[], Vec::new()).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND.as_u16());
}
