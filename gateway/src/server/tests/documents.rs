//! What is served to anyone: documentation, health, keys; and problems where there is no route.

use alliance_contracts::problem::ProblemCode;
use serde_json::Value;

use super::world::{World, gateway_keys, world};

async fn get(world: &World, uri: &str) -> super::world::Answer {
    world.raw("GET", uri, &[], Vec::new()).await
}

#[actix_web::test]
async fn documents_are_there_without_a_signature() {
    let world = world().await;
    for (uri, media, has) in [
        ("/", "text/plain; charset=utf-8", "/docs"),
        ("/docs", "text/html; charset=utf-8", "<code>/v1/quotes</code>"),
        ("/docs/", "text/html; charset=utf-8", "swagger-ui-bundle.js"),
        ("/docs/problems", "text/html; charset=utf-8", "insufficient_points"),
        ("/docs/swagger-initializer.js", "text/javascript", "/openapi.json"),
        ("/openapi.json", "application/json", "\"openapi\""),
        ("/xml/alliance-v1.xsd", "application/xml", "<xs:schema"),
        ("/health/live", "application/json", "ok"),
        ("/health/ready", "application/json", "ok"),
    ] {
        let answer = get(&world, uri).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(media)), "{uri}");
        assert!(String::from_utf8_lossy(&answer.body).contains(has), "{uri}");
        let head = world.raw("HEAD", uri, &[], Vec::new()).await;
        assert_eq!((head.status, head.header("content-type")), (200, Some(media)), "HEAD {uri}");
    }
    for file in ["swagger-ui.css", "swagger-ui-bundle.js", "swagger-ui-standalone-preset.js"] {
        let answer = get(&world, &format!("/docs/{file}")).await;
        assert_eq!(answer.status, 200, "{file}");
        assert!(answer.body.len() > 10_000, "{file}");
    }
    assert_eq!(get(&world, "/docs/nothing.js").await.code(), "not_found");
    let jwks = get(&world, "/.well-known/jwks.json").await;
    assert_eq!(jwks.body, serde_json::to_vec(&gateway_keys()).unwrap());
}

#[actix_web::test]
async fn every_problem_has_its_place_on_the_page() {
    let world = world().await;
    let page = get(&world, "/docs/problems").await;
    let page = String::from_utf8_lossy(&page.body).into_owned();
    for code in ProblemCode::ALL {
        assert!(page.contains(&format!("id=\"{code}\"")), "{code}");
    }
}

#[actix_web::test]
async fn what_has_no_route_or_method_is_a_problem() {
    let world = world().await;
    for uri in ["/nothing", "/v1", "/v1/nothing", "/v1/links/a/b/c", "/metrics", "/health"] {
        let answer = get(&world, uri).await;
        assert_eq!((answer.status, &*answer.code()), (404, "not_found"), "{uri}");
        assert_eq!(answer.json()["instance"], uri);
    }
    for (method, uri, allow) in [
        ("POST", "/v1/programs", "GET"),
        ("DELETE", "/v1/transactions/txn_x", "GET"),
        ("GET", "/v1/transactions/batch", "POST"),
        ("GET", "/v1/quotes", "POST"),
        ("PUT", "/v1/links", "GET, POST"),
        ("HEAD", "/v1/programs", "GET"),
        ("PUT", "/docs", "GET, HEAD"),
        ("BREW", "/v1/links", "GET, POST"),
    ] {
        let answer = world.raw(method, uri, &[], Vec::new()).await;
        assert_eq!((answer.status, &*answer.code()), (405, "method_not_allowed"), "{method} {uri}");
        assert_eq!(answer.header("allow"), Some(allow), "{method} {uri}");
    }
    let long = format!("/v1/{}", "x".repeat(1_000));
    assert_eq!(get(&world, &long).await.json()["instance"].as_str().unwrap().len(), 256);
}

#[actix_web::test]
async fn a_store_that_is_gone_is_unavailable_and_says_when_to_come_again() {
    let world = world().await;
    world.link().await;
    let (_, token) = world.token("10").await;
    let call =
        world.post(super::world::aurora(), "/v1/transactions", super::world::order(&token, "r"));
    world.house.shutdown().await;
    let answer = world.send(&call).await;
    assert_eq!((answer.status, &*answer.code()), (503, "unavailable"));
    assert_eq!(answer.header("retry-after"), Some("1"));
    let ready = get(&world, "/health/ready").await;
    assert_eq!((ready.status, &*ready.code()), (503, "unavailable"));
    assert_eq!(get(&world, "/health/live").await.status, 200);
}

/// Threat T53: a clock that jumped back, or one that another gateway's was ahead of.
#[actix_web::test]
async fn a_gateway_whose_clock_is_behind_the_newest_receipts_is_not_ready() {
    let world = world().await;
    world.link().await;
    world.order("10", "r").await;
    for (moved, status) in [(0, 200), (-60, 200), (-1, 503), (61, 200)] {
        world.pass_seconds(moved);
        let ready = get(&world, "/health/ready").await;
        assert_eq!(ready.status, status, "moved by {moved} s");
    }
}

/// Refresh with `alliance openapi > contracts/openapi.json`, or run this test with
/// `REFRESH_OPENAPI=1`.
#[test]
fn the_committed_document_is_what_is_served() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../contracts/openapi.json");
    let now = crate::api::openapi_json();
    if std::env::var_os("REFRESH_OPENAPI").is_some() {
        std::fs::write(path, &now).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(committed == now, "contracts/openapi.json is stale: REFRESH_OPENAPI=1 refreshes it");
}

#[test]
fn the_document_knows_every_route_and_what_they_have_in_common() {
    let document: Value = serde_json::from_str(&crate::api::openapi_json()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 61);
    let mut ids = std::collections::HashSet::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            let place = format!("{method} {path}");
            let summary = operation["summary"].as_str().unwrap_or_default();
            assert!(!summary.is_empty(), "{place}");
            assert!(ids.insert(operation["operationId"].to_string()), "{place}");
            let problem = &operation["responses"]["default"]["content"]["application/problem+json"];
            assert_eq!(problem["schema"]["$ref"], "#/components/schemas/Problem", "{place}");
            let fields: Vec<&str> = operation["parameters"]
                .as_array()
                .map(|all| all.iter().filter_map(|one| one["name"].as_str()).collect())
                .unwrap_or_default();
            assert_eq!(path.starts_with("/v1/"), fields.contains(&"Signature"), "{place}");
            assert_eq!(method == "post", fields.contains(&"Idempotency-Key"), "{place}");
        }
    }
    // Every reference leads somewhere.
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let problem = &schemas["Problem"];
    assert!(problem["properties"]["ours"].is_object() && problem["properties"]["code"].is_object());
    for reference in crate::api::openapi_json().split("\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name}");
    }
}
