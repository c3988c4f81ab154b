//! A real server on a real socket: names derived from its address, metrics, shutdown.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::{App, HttpResponse, HttpServer, rt, web};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::world::{START, gateway_keys, house};
use crate::server::limits::LimitSettings;
use crate::server::{ServerSettings, edge, gateway, start};
use crate::telemetry::{self, TelemetrySettings};

fn settings() -> ServerSettings {
    ServerSettings {
        listen: "127.0.0.1:0".parse().unwrap(),
        authorities: Vec::new(),
        metrics_listen: Some("127.0.0.1:0".parse().unwrap()),
        gateway_keys: gateway_keys(),
        limits: LimitSettings::default(),
        private_webhooks: false,
        sandbox: None,
        workers: 1,
    }
}

async fn ask(address: std::net::SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    rt::time::timeout(Duration::from_secs(20), read).await.unwrap().unwrap();
    answer
}

#[actix_web::test]
async fn a_server_starts_answers_counts_and_stops() {
    let quiet = TelemetrySettings { log_filter: Some("off".to_owned()), ..Default::default() };
    let _telemetry = telemetry::init(quiet);
    let house = house(&Arc::new(AtomicI64::new(START))).await;
    let server = start(house, settings()).await.unwrap();
    let live = "GET /health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    assert!(ask(server.address, live).await.starts_with("HTTP/1.1 200 OK\r\n"));
    // A body without end stops at the cap; so does one that trickles, in time (T46).
    let endless = format!(
        "POST /v1/quotes HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         transfer-encoding: chunked\r\nconnection: close\r\n\r\n110000\r\n{}\r\n",
        " ".repeat(0x11_0000)
    );
    let answer = ask(server.address, &endless).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("body_too_large"), "{answer}");
    for (target, status) in [("POST /nothing", 404), ("GET /health/live", 200), ("PUT /", 405)] {
        let unread = endless.replace("POST /v1/quotes", target);
        let answer = ask(server.address, &unread).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
    let told = "POST /v1/quotes HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
                content-length: 1099511627776\r\n\r\n{}";
    assert!(ask(server.address, told).await.starts_with("HTTP/1.1 413 "));
    // HTTP/2 is not spoken (T48).
    let preface = ask(server.address, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert!(preface.is_empty() || preface.starts_with("HTTP/1.1 400 "), "{preface}");
    let many = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(100_000));
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    // The server may hang up before it has read them all.
    let _ = stream.write_all(many.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{answer:?}");
    let metrics = ask(
        server.metrics_address.unwrap(),
        "GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert!(metrics.contains("http_server_request_duration"), "{metrics}");
    assert!(metrics.contains("/health/live"), "{metrics}");
    // An idle connection does not hold the shutdown up.
    let idle = TcpStream::connect(server.address).await.unwrap();
    let address = server.address;
    rt::time::timeout(Duration::from_secs(10), server.stop()).await.unwrap();
    drop(idle);
    assert!(TcpStream::connect(address).await.is_err());
}

#[actix_web::test]
async fn what_was_accepted_is_answered_before_the_end() {
    let house = house(&Arc::new(AtomicI64::new(START))).await;
    let server = start(house.clone(), settings()).await.unwrap();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = "POST /v1/quotes HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
                content-length: 2\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    // Long enough for the worker to have it in hand.
    rt::time::sleep(Duration::from_millis(200)).await;
    let stopping = rt::spawn(server.stop());
    rt::time::sleep(Duration::from_millis(200)).await;
    assert!(!stopping.is_finished());
    house.ping().await.unwrap();
    stream.write_all(b"}").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert!(answer.contains("signature_incomplete"), "{answer}");
    stopping.await.unwrap();
    assert!(house.ping().await.is_err());
}

#[actix_web::test]
async fn a_panic_is_a_problem_and_the_next_request_is_served() {
    async fn panics() -> HttpResponse {
        panic!("on purpose")
    }
    let boom = || {
        App::new()
            .route("/boom", web::get().to(panics))
            .route("/fine", web::get().to(HttpResponse::Ok))
            .wrap(from_fn(edge::edge))
    };
    let server = HttpServer::new(boom).workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
    let address = server.addrs()[0];
    let server = server.run();
    let handle = server.handle();
    rt::spawn(server);
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let answer = ask(address, &get("/boom")).await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    for part in ["x-request-id: req_", "application/problem+json", "\"internal_error\""] {
        assert!(answer.contains(part), "{answer}");
    }
    assert!(!answer.contains("on purpose"), "{answer}");
    assert!(ask(address, &get("/fine")).await.starts_with("HTTP/1.1 200 "));
    handle.stop(false).await;
}

#[actix_web::test]
async fn a_body_that_trickles_is_given_up() {
    // T46
    let house = house(&Arc::new(AtomicI64::new(START))).await;
    let server = start(house, settings()).await.unwrap();
    let slow = "POST /v1/quotes HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
                content-length: 10\r\n\r\n{";
    let answer = ask(server.address, slow).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("request_timeout"), "{answer}");
    server.stop().await;
}

#[test]
fn names_follow_the_address() {
    let names = |address: &str| gateway::names_of(address.parse().unwrap());
    assert_eq!(names("127.0.0.1:8080"), ["127.0.0.1:8080", "localhost:8080"]);
    assert_eq!(names("[::1]:8080"), ["[::1]:8080", "localhost:8080"]);
    assert_eq!(names("192.0.2.1:8080"), ["192.0.2.1:8080"]);
    assert_eq!(names("0.0.0.0:8080"), ["0.0.0.0:8080", "127.0.0.1:8080", "localhost:8080"]);
    assert!(names("127.0.0.1:80").contains(&"localhost".to_owned()));
}
