//! Over TCP: what actix-web hands on is what was sent.

use std::net::TcpListener;

use actix_web::{App, HttpServer, web};
use alliance_partner_sdk::connector::{Answer, MemoryStore, Request};
use alliance_partner_sdk::contracts::limits::MAX_BODY_BYTES;
use serde_json::json;

use super::gateway::{NAME, Signing, operation_question, reserve, signed, transaction, verified};
use super::shop::{Counting, Shop};

/// Serves a shop until the test ends; where it listens.
async fn serve(store: MemoryStore<i64>) -> String {
    let service = Shop::new().open(store);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let app = move || App::new().service(web::scope("/alliance").configure(service.routes()));
    let server = HttpServer::new(app).workers(1).listen(listener).unwrap().disable_signals().run();
    tokio::spawn(server);
    address
}

async fn send(address: &str, request: &Request) -> Answer {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let method = request.method.parse().unwrap();
    let mut http = reqwest::Client::new().request(method, format!("{address}{}", request.path));
    for (name, value) in &request.headers.0 {
        http = http.header(name, value.as_slice());
    }
    let answer = http.body(request.body.clone()).send().await.unwrap();
    let names = ["content-type", "content-digest", "signature-input", "signature"];
    let named = ["idempotency-replayed", "retry-after"];
    let field = |name: &'static str| {
        let value = answer.headers().get(name)?;
        Some((name, value.to_str().unwrap().to_owned()))
    };
    let headers = names.into_iter().chain(named).filter_map(field).collect();
    let status = answer.status().as_u16();
    Answer { body: answer.bytes().await.unwrap().to_vec(), headers, status }
}

#[tokio::test]
async fn calls_and_questions_are_answered_over_http() {
    let store = MemoryStore::new(0);
    let address = serve(store.clone()).await;
    let request = reserve(transaction(1), "A-1", "10");
    let first = verified(&request, &send(&address, &request).await).unwrap();
    let again = verified(&request, &send(&address, &request).await).unwrap();
    assert_eq!((first.status, first.replayed, again.replayed), (200, false, true));
    assert_eq!(store.counted().await, 1);
    let request = operation_question(transaction(1), "reserve");
    let heard = verified(&request, &send(&address, &request).await).unwrap();
    assert_eq!(heard.body["state"], json!("done"));
    assert_eq!(heard.body["body"], first.body);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_not_read_and_told_so() {
    let store = MemoryStore::new(0);
    let address = serve(store.clone()).await;
    let key = format!("{}.reserve", transaction(1));
    let body = vec![b' '; MAX_BODY_BYTES + 1];
    let request = signed("reserve", Some(&key), &body, &Signing::default());
    let heard = verified(&request, &send(&address, &request).await).unwrap();
    assert_eq!((heard.status, &heard.body["code"]), (413, &json!("body_too_large")));
    assert_eq!(store.counted().await, 0);
}

#[tokio::test]
async fn a_wrong_method_is_told_and_signed_like_everything_else() {
    let address = serve(MemoryStore::new(0)).await;
    let request = signed("reserve", None, b"", &Signing::default());
    let heard = verified(&request, &send(&address, &request).await).unwrap();
    assert_eq!(heard.status, 405);
    assert!(NAME.contains(':'), "the tests sign for a name that is not where they connect");
}
