//! The client against a gateway that misbehaves in every way it can.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

mod support;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use alliance_partner_sdk::Error;
use alliance_partner_sdk::client::{
    Client, ClientBuilder, ConfigError, RetryPolicy, VerificationError, account,
};
use alliance_partner_sdk::contracts as c;
use alliance_partner_sdk::verify::{ChainFault, ForkEvidence, ReceiptFault, VerifiedReceipt};
use c::content_digest::{
    content_digest, orders_digest, parse_orders_digest, verify_content_digest,
};
use c::corridor::{Proof, ReceiptPage};
use c::cosignature::{CosignatureRequest, CosignedCheckpoint};
use c::encoding::{Hash, base64_encode, base64url_encode};
use c::http_signature::{
    HeaderList, RequestBinding, RequestView, ResponseView, SignedRequest, Tag, parse_request,
    sign_response,
};
use c::json;
use c::keys::pkcs8_pem_from_seed;
use c::merkle;
use c::names::SourceReference;
use c::note;
use c::problem::{Fork, PROBLEM_JSON, Problem, ProblemCode};
use c::quote::{PricedItem, Quote, QuoteSide};
use c::time::Timestamp;
use c::transaction::{
    OrderBatch, OrderResult, ReversedTotals, SignedReceipt, Transaction, TransactionSide,
    TransactionState, order_bytes, orders_root,
};
use futures_util::TryStreamExt;
use serde::Serialize;
use support::{Chain, corridor, gateway, jwk, key, partner_key, root, start};
use wiremock::matchers::{any, method, path};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

// ---------------------------------------------------------------------------------------------
// A gateway made of answers
// ---------------------------------------------------------------------------------------------

/// Answers in turn; the last one for ever.
struct Script(Mutex<VecDeque<ResponseTemplate>>);

impl Respond for Script {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        let mut answers = self.0.lock().unwrap();
        if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0].clone() }
    }
}

async fn gateway_saying(answers: impl IntoIterator<Item = ResponseTemplate>) -> MockServer {
    let server = MockServer::start().await;
    let script = Script(Mutex::new(answers.into_iter().collect()));
    Mock::given(any()).respond_with(script).mount(&server).await;
    server
}

async fn also(server: &MockServer, at: &str, answer: ResponseTemplate) {
    Mock::given(method("GET"))
        .and(path(at))
        .respond_with(answer)
        .with_priority(1)
        .mount(server)
        .await;
}

fn good(body: &impl Serialize) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_raw(json::canonical(body), "application/json")
}

fn problem(code: ProblemCode) -> ResponseTemplate {
    let mut problem = Problem::of(code);
    problem.request_id = "req_1".to_owned();
    refused(&problem)
}

fn refused(problem: &Problem) -> ResponseTemplate {
    ResponseTemplate::new(problem.status).set_body_raw(json::canonical(problem), PROBLEM_JSON)
}

fn quick() -> RetryPolicy {
    RetryPolicy {
        base: Duration::from_millis(2),
        cap: Duration::from_millis(10),
        attempt_timeout: Duration::from_millis(500),
        ..RetryPolicy::default()
    }
}

fn builder(server: &MockServer) -> ClientBuilder {
    Client::builder(&server.uri())
        .partner("aurora-air")
        .key(partner_key())
        .root(base64url_encode(root().public_key().as_bytes()))
        .alliance(support::ALLIANCE)
        .clock(start)
        .retry(quick())
}

fn client(server: &MockServer) -> Client {
    builder(server).build().unwrap()
}

async fn with_keys(server: &MockServer) {
    also(server, "/.well-known/jwks.json", good(&support::gateway_list())).await;
}

/// Whatever was received apart from key lists.
async fn received(server: &MockServer) -> Vec<Request> {
    let all = server.received_requests().await.unwrap();
    all.into_iter().filter(|request| request.url.path() != "/.well-known/jwks.json").collect()
}

fn header<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    request.headers.get(name).map(|value| value.to_str().unwrap())
}

fn header_list(request: &Request) -> HeaderList {
    let mut list = HeaderList::default();
    request.headers.iter().for_each(|(name, value)| list.push(name.as_str(), value.as_bytes()));
    list
}

/// What the gateway's door does: reads and verifies the signature, digest included.
fn verified(request: &Request, now: Timestamp) -> SignedRequest {
    let headers = header_list(request);
    let view = view(request, &headers);
    let signed = parse_request(&view, Tag::Request, now).unwrap();
    signed.verify(partner_key().public_key()).unwrap();
    if let Some(digest) = header(request, "content-digest") {
        verify_content_digest(&[digest.as_bytes()], &request.body).unwrap();
    }
    signed
}

fn view<'r>(request: &'r Request, headers: &'r HeaderList) -> RequestView<'r> {
    RequestView {
        method: request.method.as_str(),
        authority: request.headers.get("host").unwrap().to_str().unwrap(),
        path: request.url.path(),
        query: request.url.query(),
        headers,
    }
}

fn quote() -> Quote {
    let receipt = support::receipt(1, Hash::ZERO);
    let side = |side: &c::receipt::ReceiptSide, member: &str| -> QuoteSide {
        side.clone().map(|_| member.to_owned())
    };
    Quote {
        bonus: None,
        expires_at: start().plus_seconds(60),
        expiry: None,
        id: receipt.quote.unwrap(),
        kind: receipt.kind,
        rate: receipt.rate.clone(),
        segment: None,
        settlement: receipt.settlement.clone(),
        source: side(&receipt.source, "A-1001"),
        target: side(&receipt.target, "B-77"),
        tier: None,
        token: "token".to_owned(),
    }
}

fn transaction() -> Transaction {
    let quote = quote();
    let side = |side: QuoteSide| -> TransactionSide { side.map(Some) };
    let zero = c::decimal::Decimal::ZERO;
    Transaction {
        bonus: None,
        completed_at: Some(start()),
        created_at: start(),
        expiry: None,
        failure: None,
        id: support::receipt(1, Hash::ZERO).transaction,
        kind: quote.kind,
        quote: Some(quote.id),
        rate: quote.rate,
        reason: None,
        receipt: Some(signed(&Chain::of(1), 1)),
        reversed: ReversedTotals { source: zero, target: zero },
        reverses: None,
        settlement: quote.settlement,
        source: side(quote.source),
        source_reference: reference(),
        state: TransactionState::Completed,
        target: side(quote.target),
    }
}

fn signed(chain: &Chain, seq: usize) -> SignedReceipt {
    let payload = String::from_utf8(chain.payloads[seq - 1].clone()).unwrap();
    SignedReceipt {
        jws: chain.jws[seq - 1].clone(),
        receipt: serde_json::value::RawValue::from_string(payload).unwrap(),
    }
}

fn reference() -> SourceReference {
    "booking-1".parse().unwrap()
}

fn page(chain: &Chain, from: usize, to: usize, more: bool) -> ResponseTemplate {
    let items = (from..=to).map(|seq| signed(chain, seq)).collect();
    good(&ReceiptPage { items, more, next_after: to as u64 })
}

// ---------------------------------------------------------------------------------------------
// Retries
// ---------------------------------------------------------------------------------------------

#[tokio::test]
async fn every_attempt_has_the_same_key_and_body_and_a_signature_of_its_own() {
    let down = problem(ProblemCode::Unavailable);
    let server = gateway_saying([down.clone(), down, good(&transaction())]).await;
    let clock = Arc::new(AtomicI64::new(start().as_millis()));
    let ticking = move || Timestamp::from_millis(clock.fetch_add(1_000, Ordering::Relaxed));
    let client = builder(&server).clock(ticking).build().unwrap();
    let done = client.transact(&quote(), reference()).send().await.unwrap();
    assert_eq!(done.body.state, TransactionState::Completed);

    let requests = received(&server).await;
    assert_eq!(requests.len(), 3);
    let key = header(&requests[0], "idempotency-key").unwrap();
    assert!(key.starts_with("auto_") && key.len() == 5 + 32);
    assert_eq!(done.key.unwrap().as_str(), key);
    let mut times = Vec::new();
    for request in &requests {
        assert_eq!(header(request, "idempotency-key"), Some(key));
        assert_eq!(request.body, requests[0].body);
        times.push(verified(request, start()).created);
    }
    assert!(times.is_sorted() && times[0] < times[2], "{times:?}");
    // Another call draws another key.
    client.transact(&quote(), reference()).await.unwrap();
    assert_ne!(header(&received(&server).await[3], "idempotency-key"), Some(key));
}

#[tokio::test]
async fn each_kind_asks_for_its_own_sides() {
    let server = gateway_saying([good(&quote()), good(&quote())]).await;
    let client = client(&server);
    let latte = PricedItem {
        cash: "2.5".parse().unwrap(),
        item: "latte".parse().unwrap(),
        partner: "borealis-coffee".parse().unwrap(),
        price: "12.5".parse().unwrap(),
    };
    client.redeem(account("aurora", "A-1001").unwrap(), latte).await.unwrap();
    client.accrue(account("borealis", "B-77").unwrap(), "20".parse().unwrap()).await.unwrap();
    let bodies: Vec<String> = received(&server)
        .await
        .iter()
        .map(|request| String::from_utf8(request.body.clone()).unwrap())
        .collect();
    assert_eq!(
        bodies,
        [
            r#"{"kind":"redemption","source":{"member":"A-1001","program":"aurora"},"target":{"cash":"2.5","item":"latte","partner":"borealis-coffee","price":"12.5"}}"#,
            r#"{"amount":{"side":"target","value":"20"},"kind":"accrual","source":{"partner":"aurora-air"},"target":{"member":"B-77","program":"borealis"}}"#,
        ]
    );
}

#[tokio::test]
async fn retry_after_wins_over_the_schedule() {
    let busy = problem(ProblemCode::RateLimited).insert_header("retry-after", "1");
    let server = gateway_saying([busy, good(&transaction())]).await;
    let begun = Instant::now();
    client(&server).transact(&quote(), reference()).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_wait_beyond_the_deadline_is_not_begun() {
    let busy = problem(ProblemCode::RateLimited).insert_header("retry-after", "3600");
    let server = gateway_saying([busy]).await;
    let error = client(&server).transact(&quote(), reference()).await.unwrap_err();
    // A 429 was not worked on: the outcome is known.
    assert_eq!(error.code(), Some(ProblemCode::RateLimited));
    assert_eq!(received(&server).await.len(), 1);
}

#[tokio::test]
async fn an_unknown_outcome_is_told_with_its_key() {
    let server = gateway_saying([problem(ProblemCode::Unavailable)]).await;
    let call = client(&server).transact(&quote(), reference());
    let policy = RetryPolicy { max_attempts: 3, ..quick() };
    let error = call.retry(policy).await.unwrap_err();
    let requests = received(&server).await;
    let Error::Indeterminate { key, attempts, last } = error else { panic!("{error}") };
    assert_eq!(Some(key.as_str()), header(&requests[0], "idempotency-key"));
    assert_eq!((attempts, requests.len()), (3, 3));
    assert_eq!(last.code(), Some(ProblemCode::Unavailable));
}

#[tokio::test]
async fn a_silent_gateway_is_an_unknown_outcome_too() {
    let silent = good(&transaction()).set_delay(Duration::from_secs(60));
    let server = gateway_saying([silent]).await;
    let begun = Instant::now();
    let call = client(&server).transact(&quote(), reference());
    let error = call.deadline(Duration::from_millis(300)).await.unwrap_err();
    assert!(matches!(error, Error::Indeterminate { .. }), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_gateway_that_is_not_there_was_not_reached() {
    let client = Client::builder("http://127.0.0.1:9")
        .partner("aurora-air")
        .key(partner_key())
        .retry(RetryPolicy { max_attempts: 2, ..quick() })
        .build()
        .unwrap();
    let error = client.transact(&quote(), reference()).await.unwrap_err();
    assert!(matches!(error, Error::Transport(_)), "{error:?}");
}

#[tokio::test]
async fn what_decides_nothing_is_never_indeterminate() {
    let server = gateway_saying([problem(ProblemCode::Unavailable)]).await;
    let client = client(&server);
    let once = RetryPolicy { max_attempts: 1, ..quick() };
    let call = client.exchange(account("aurora", "A").unwrap(), account("cedar", "B").unwrap());
    let error = call.give("1".parse().unwrap()).retry(once).await.unwrap_err();
    assert_eq!(error.code(), Some(ProblemCode::Unavailable));
    let error = client.programs().retry(once).await.unwrap_err();
    assert_eq!(error.problem().unwrap().request_id, "req_1");
}

#[tokio::test]
async fn refusals_are_final_and_the_rest_is_tried_again() {
    for code in ProblemCode::ALL {
        let server = gateway_saying([problem(*code), good(&transaction())]).await;
        let outcome = client(&server).transact(&quote(), reference()).await;
        let again = matches!(code.status(), 408 | 425 | 429 | 500..)
            || *code == ProblemCode::IdempotencyInFlight;
        assert_eq!(outcome.is_ok(), again, "{code}");
        assert_eq!(code.is_retryable(), again, "{code}");
        assert_eq!(received(&server).await.len(), if again { 2 } else { 1 }, "{code}");
        if let Err(error) = outcome {
            assert_eq!(error.code(), Some(*code));
        }
    }
}

#[tokio::test]
async fn only_a_decision_settles_what_was_open() {
    for (code, settled) in [
        (ProblemCode::InsufficientPoints, true),
        (ProblemCode::IdempotencyMismatch, true),
        (ProblemCode::SignatureExpired, false),
        (ProblemCode::KeyScope, false),
    ] {
        let server = gateway_saying([problem(ProblemCode::Unavailable), problem(code)]).await;
        let error = client(&server).transact(&quote(), reference()).await.unwrap_err();
        assert_eq!(error.code() == Some(code), settled, "{code}: {error}");
        assert_eq!(matches!(error, Error::Indeterminate { .. }), !settled, "{code}");
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_no_answer_to_an_order() {
    let html = ResponseTemplate::new(200).set_body_raw("<html>", "text/html");
    let server = gateway_saying([html.clone()]).await;
    let error = client(&server).transact(&quote(), reference()).await.unwrap_err();
    assert!(matches!(error, Error::Indeterminate { .. }), "{error:?}");
    let error = client(&server).programs().await.unwrap_err();
    assert!(matches!(error, Error::Decode { status: 200, .. }), "{error:?}");
    // A proxy's page in place of the gateway's.
    let server = gateway_saying([ResponseTemplate::new(404).set_body_string("<html>")]).await;
    let error = client(&server).programs().await.unwrap_err();
    assert!(matches!(error, Error::Decode { status: 404, .. }), "{error:?}");
    assert_eq!(received(&server).await.len(), 1);
}

#[tokio::test]
async fn clones_share_one_budget_of_retries() {
    let server = gateway_saying([problem(ProblemCode::Unavailable)]).await;
    let zero = Duration::ZERO;
    let policy = RetryPolicy { max_attempts: 60, base: zero, cap: zero, ..quick() };
    let client = builder(&server).retry(policy).build().unwrap();
    for _ in 0..4 {
        assert!(client.clone().programs().await.is_err());
    }
    // 4 first attempts, and 100 retries at 5 tokens each.
    assert_eq!(received(&server).await.len(), 104);
}

#[tokio::test]
async fn a_key_of_the_callers_is_kept() {
    let server = gateway_saying([good(&transaction())]).await;
    let call = client(&server).transact(&quote(), reference());
    let call = call.idempotency_key("mine".parse().unwrap());
    call.clone().await.unwrap();
    call.await.unwrap();
    let keys: Vec<_> = received(&server).await;
    assert!(keys.iter().all(|request| header(request, "idempotency-key") == Some("mine")));
}

// ---------------------------------------------------------------------------------------------
// What is sent
// ---------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_batch_carries_and_covers_the_root_over_its_orders() {
    let result = |t: Option<Transaction>, p: Option<Problem>| OrderResult {
        replayed: false,
        status: if t.is_some() { 201 } else { 409 },
        problem: p,
        transaction: t,
    };
    let results = vec![
        result(Some(transaction()), None),
        result(None, Some(Problem::of(ProblemCode::InsufficientPoints))),
    ];
    let server = gateway_saying([good(&OrderBatch { results })]).await;
    let batch = client(&server).transact_batch().order(&quote(), reference());
    let batch = batch.order(&quote(), "booking-2".parse().unwrap());
    let answers = batch.send().await.unwrap();
    assert!(answers[0].outcome.is_ok());
    let code = answers[1].outcome.as_ref().unwrap_err().code();
    assert_eq!(code, Some(ProblemCode::InsufficientPoints));
    batch.send().await.unwrap();

    let requests = received(&server).await;
    assert_eq!(requests[0].body, requests[1].body, "the same batch has the same keys");
    assert!(verified(&requests[0], start()).covers("alliance-orders"));
    let field = header(&requests[0], "alliance-orders").unwrap();
    let orders = ["booking-1", "booking-2"]
        .map(|reference| order_bytes(&quote().id.to_string(), &reference.parse().unwrap()));
    let root = orders_root(orders.iter().map(Vec::as_slice));
    assert_eq!(field, orders_digest(&root));
    assert_eq!(parse_orders_digest(&[field.as_bytes()]), Ok(root));
}

#[tokio::test]
async fn paths_are_sent_as_they_are_signed_or_not_at_all() {
    let server = gateway_saying([good(&transaction())]).await;
    let client = client(&server);
    for bad in ["/v1/../x", "v1/x", "/v1/a b", "/v1/x#y", "/v1/x?a b", "/v1/%2e%2e/x", ""] {
        let error = client.get::<Transaction>(bad).await.unwrap_err();
        assert!(matches!(error, Error::Config(ConfigError::Request(_))), "{bad}");
    }
    let dots = client.member_balance(&account("aurora", "..").unwrap()).await.unwrap_err();
    assert!(matches!(dots, Error::Config(ConfigError::Request(_))));
    client.get::<Transaction>("/v1/x?b=2&a=1&a=%20").await.unwrap();
    let requests = received(&server).await;
    assert_eq!(requests.len(), 1);
    verified(&requests[0], start());
    assert_eq!(requests[0].url.query(), Some("b=2&a=1&a=%20"));
}

#[tokio::test]
async fn nothing_secret_or_personal_shows() {
    let server = gateway_saying([problem(ProblemCode::NotFound)]).await;
    let client = client(&server);
    let member = account("aurora", "A-1001-secret").unwrap();
    let call = client.member_balance(&member);
    let reversal = client.reverse(transaction().id, reference(), "goodwill".parse().unwrap());
    let exchange = client.exchange(member.clone(), member.clone());
    let shown = format!("{client:?} {call:?} {reversal:?} {exchange:?} {:?}", builder(&server));
    for hidden in ["A-1001-secret", "booking-1", &base64_encode(&[3; 32])] {
        assert!(!shown.contains(hidden), "{shown}");
    }
    // The transport's error would show the URL, and the URL names the member.
    let nowhere = Client::builder("http://127.0.0.1:9")
        .partner("aurora-air")
        .key(partner_key())
        .retry(RetryPolicy { max_attempts: 1, ..quick() })
        .build()
        .unwrap();
    let error = nowhere.member_balance(&member).await.unwrap_err();
    assert!(!format!("{error:?} {error}").contains("A-1001-secret"), "{error:?}");
}

/// Where a subscriber writes what it is told.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn spans_name_routes_and_attempts_and_nobody() {
    let written = Written::default();
    let writer = written.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let server = gateway_saying([problem(ProblemCode::Unavailable), good(&transaction())]).await;
    let client = client(&server);
    let call = client.transact(&quote(), reference());
    call.idempotency_key("key-of-mine".parse().unwrap()).await.unwrap();
    let _ = client.member_balance(&account("aurora", "A-1001-secret").unwrap()).await;
    drop(guard);
    let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    for shown in ["/v1/transactions", "/v1/members/{program}/{member}/balance", "\"attempt\":2"] {
        assert!(text.contains(shown), "{shown} is missing in {text}");
    }
    for hidden in ["A-1001-secret", "booking-1", "key-of-mine", "\"token\"", "sig1="] {
        assert!(!text.contains(hidden), "{hidden} shows in {text}");
    }
}

// ---------------------------------------------------------------------------------------------
// Receipts, checkpoints, forks
// ---------------------------------------------------------------------------------------------

#[tokio::test]
async fn receipts_stream_over_pages_and_the_last_is_said_to_be_seen() {
    let chain = Chain::of(7);
    let server = gateway_saying([
        page(&chain, 1, 3, true),
        page(&chain, 4, 6, true),
        page(&chain, 7, 7, false),
    ])
    .await;
    with_keys(&server).await;
    let client = client(&server);
    let stream = client.receipts(&corridor()).page_size(3).stream();
    let receipts: Vec<VerifiedReceipt> = stream.try_collect().await.unwrap();
    let numbers: Vec<_> = receipts.iter().map(|receipt| receipt.receipt().seq).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7]);
    let requests = received(&server).await;
    let queries: Vec<_> = requests.iter().map(|request| request.url.query().unwrap()).collect();
    assert_eq!(queries, ["after=0&limit=3", "after=3&limit=3", "after=6&limit=3"]);
    assert_eq!(header(&requests[0], "alliance-seen"), None);
    let seen = format!("{}=6:{}", corridor(), chain.head_at(6));
    assert_eq!(header(&requests[2], "alliance-seen"), Some(&*seen));
    assert!(verified(&requests[2], start()).covers("alliance-seen"));

    // What was seen outlives the client.
    let memory = serde_json::to_string(&client.memory()).unwrap();
    let next = builder(&server).memory(serde_json::from_str(&memory).unwrap()).build().unwrap();
    let _ = next.programs().await;
    let seen = format!("{}=7:{}", corridor(), chain.head());
    assert_eq!(header(received(&server).await.last().unwrap(), "alliance-seen"), Some(&*seen));
}

#[tokio::test]
async fn a_stream_stops_at_the_first_bad_receipt() {
    let chain = Chain::of(3);
    let mut bad = chain.clone();
    bad.jws[1] = c::jws::sign(c::jws::JwsType::Receipt, &bad.payloads[1], &key(9));
    let server = gateway_saying([page(&bad, 1, 3, false)]).await;
    with_keys(&server).await;
    let mut stream = client(&server).receipts(&corridor()).stream();
    let error = loop {
        match stream.try_next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the bad receipt was missed"),
            Err(error) => break error,
        }
    };
    let Error::Verification(VerificationError::Chain(error)) = error else { panic!("{error:?}") };
    assert_eq!(error.seq, 2);
    assert!(matches!(error.fault, ChainFault::Receipt(ReceiptFault::UnknownKey { .. })));
}

#[tokio::test]
async fn a_key_that_is_new_is_fetched_when_it_is_met() {
    let first = support::gateway_list();
    let previous = *first.verify(root().public_key()).unwrap().hash();
    let second = support::list(2, previous, vec![jwk(&gateway()), jwk(&key(4))]);
    let mut chain = Chain::of(2);
    chain.jws[1] = c::jws::sign(c::jws::JwsType::Receipt, &chain.payloads[1], &key(4));
    let server = gateway_saying([page(&chain, 1, 2, false)]).await;
    let lists = Script(Mutex::new([good(&first), good(&second)].into()));
    Mock::given(path("/.well-known/jwks.json"))
        .respond_with(lists)
        .with_priority(1)
        .mount(&server)
        .await;
    let client = client(&server);
    let receipts: Vec<_> = client.receipts(&corridor()).stream().try_collect().await.unwrap();
    assert_eq!(receipts[1].kid(), key(4).kid());

    // The same for a receipt by itself.
    let lists = Script(Mutex::new([good(&first), good(&second)].into()));
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(lists).mount(&server).await;
    let client = self::client(&server);
    assert_eq!(client.gateway_keys().await.unwrap().number(), 1);
    client.verify_receipt(&signed(&chain, 2)).await.unwrap();
}

#[tokio::test]
async fn a_rewritten_receipt_is_a_fork_with_both_sides_kept() {
    let (told_first, told_later) = two_histories();
    let server =
        gateway_saying([page(&told_first, 1, 3, false), page(&told_later, 1, 3, false)]).await;
    with_keys(&server).await;
    let client = client(&server);
    let _: Vec<_> = client.receipts(&corridor()).stream().try_collect().await.unwrap();
    let again: Result<Vec<_>, _> = client.receipts(&corridor()).stream().try_collect().await;
    let Err(Error::Fork(evidence)) = again else { panic!("the fork was missed") };
    let ForkEvidence::Receipt { seq, seen_seq, seen_jws, jws, .. } = *evidence else { panic!() };
    assert_eq!((seq, seen_seq), (3, 3));
    assert_eq!((seen_jws.unwrap(), jws), (told_first.jws[2].clone(), told_later.jws[2].clone()));
}

#[tokio::test]
async fn a_continuation_of_another_history_is_a_fork() {
    let (told_first, told_later) = two_histories();
    let server =
        gateway_saying([page(&told_first, 1, 3, false), page(&told_later, 4, 5, false)]).await;
    with_keys(&server).await;
    let client = client(&server);
    let seen: Vec<_> = client.receipts(&corridor()).stream().try_collect().await.unwrap();
    let head = seen[2].hash();
    let more: Result<Vec<_>, _> =
        client.receipts(&corridor()).after(3, head).stream().try_collect().await;
    let Err(Error::Fork(evidence)) = more else { panic!("the fork was missed") };
    let ForkEvidence::Receipt { seq, seen_seq, seen_jws, .. } = *evidence else { panic!() };
    assert_eq!((seq, seen_seq, seen_jws), (4, 3, Some(told_first.jws[2].clone())));
}

fn two_histories() -> (Chain, Chain) {
    let told_later = Chain::altered(5, |receipt| {
        if receipt.seq == 2 {
            receipt.order = Hash::of(b"another");
        }
    });
    (Chain::of(5), told_later)
}

#[tokio::test]
async fn a_chain_fork_keeps_the_receipt_that_was_seen() {
    let chain = Chain::of(1);
    let mut fork = Problem::of(ProblemCode::ChainFork);
    fork.fork =
        Some(Fork { corridor: corridor(), ours: None, seen: chain.head().to_string(), seq: 1 });
    let server = gateway_saying([refused(&fork)]).await;
    with_keys(&server).await;
    let client = client(&server);
    client.verify_receipt(&signed(&chain, 1)).await.unwrap();
    let error = client.transact(&quote(), reference()).await.unwrap_err();
    let Error::Fork(evidence) = error else { panic!("{error:?}") };
    let ForkEvidence::Refused { fork, seen_jws, .. } = *evidence else { panic!() };
    assert_eq!((fork.seq, fork.ours, seen_jws), (1, None, Some(chain.jws[0].clone())));
    assert_eq!(received(&server).await.len(), 1, "a fork is not tried again");
}

async fn checkpoint_gateway(notes: impl IntoIterator<Item = String>) -> MockServer {
    let text = |note: String| ResponseTemplate::new(200).set_body_raw(note, "text/plain");
    let server = MockServer::start().await;
    let script = Script(Mutex::new(notes.into_iter().map(text).collect()));
    let at = "/v1/corridors/aurora-air~borealis-coffee/checkpoint";
    Mock::given(path(at)).respond_with(script).mount(&server).await;
    with_keys(&server).await;
    server
}

async fn with_proof(server: &MockServer, chain: &Chain, from: u64) {
    let hashes = merkle::consistency_path_of(&chain.leaves(), from);
    let hashes = hashes.iter().map(|hash| base64_encode(hash.as_ref())).collect();
    let at = "/v1/corridors/aurora-air~borealis-coffee/proofs/consistency";
    also(server, at, good(&Proof { hashes })).await;
}

#[tokio::test]
async fn checkpoints_must_be_fresh_and_grow_out_of_each_other() {
    let chain = Chain::of(5);
    let notes = [chain.checkpoint(3, start()), chain.checkpoint(5, start())];
    let server = checkpoint_gateway(notes).await;
    with_proof(&server, &chain, 3).await;
    let good = client(&server);
    assert_eq!(good.checkpoint(&corridor()).await.unwrap().size(), 3);
    assert_eq!(good.checkpoint(&corridor()).await.unwrap().size(), 5);

    let late = builder(&server).clock(|| start().plus_seconds(601)).build().unwrap();
    let error = late.checkpoint(&corridor()).await.unwrap_err();
    assert!(matches!(error, Error::Verification(VerificationError::Checkpoint(_))), "{error:?}");
}

#[tokio::test]
async fn an_inconsistent_checkpoint_is_a_fork_with_both_kept() {
    let (told_first, told_later) = two_histories();
    let notes = [told_first.checkpoint(3, start()), told_later.checkpoint(5, start())];
    let server = checkpoint_gateway(notes.clone()).await;
    with_proof(&server, &told_later, 3).await;
    let client = client(&server);
    client.checkpoint(&corridor()).await.unwrap();
    let error = client.checkpoint(&corridor()).await.unwrap_err();
    let Error::Fork(evidence) = error else { panic!("{error:?}") };
    let ForkEvidence::Checkpoints { smaller, larger, .. } = *evidence else { panic!() };
    assert_eq!([smaller, larger], notes);
    // What is remembered is what was believed.
    let remembered = client.memory().of(&corridor()).unwrap().checkpoint.clone();
    assert_eq!(remembered, Some(notes[0].clone()));
}

const COSIGNATURES: &str = "/v1/corridors/aurora-air~borealis-coffee/cosignatures";

async fn takes_cosignatures(server: &MockServer) {
    let kept = CosignedCheckpoint {
        cosigned_at: start(),
        kid: partner_key().kid().clone(),
        note: String::new(),
        partner: "aurora-air".parse().unwrap(),
        size: 3,
    };
    let taken = Mock::given(method("POST")).and(path(COSIGNATURES));
    taken.respond_with(good(&kept)).mount(server).await;
}

/// The notes that were handed in.
async fn handed_in(server: &MockServer) -> Vec<String> {
    let posts = received(server).await.into_iter().filter(|r| r.url.path() == COSIGNATURES);
    posts.map(|r| r.body_json::<CosignatureRequest>().unwrap().note).collect()
}

#[tokio::test]
async fn a_witness_cosigns_what_has_grown_out_of_what_it_cosigned_before() {
    let chain = Chain::of(5);
    let notes = [chain.checkpoint(3, start()), chain.checkpoint(5, start())];
    let server = checkpoint_gateway(notes.clone()).await;
    with_proof(&server, &chain, 3).await;
    takes_cosignatures(&server).await;
    let client = client(&server);
    let name = note::witness_name(support::ALLIANCE, "aurora-air");
    for (served, size) in notes.iter().zip([3, 5]) {
        let witnessed = client.witness(&corridor()).await.unwrap();
        assert_eq!((witnessed.size, witnessed.known), (size, false));
        assert!(witnessed.note.starts_with(served));
        let read = note::parse_note(&witnessed.note).unwrap();
        let at = note::verify_cosignature(&read, &name, partner_key().public_key()).unwrap();
        assert_eq!(i64::try_from(at).unwrap(), start().as_seconds());
        let kept = client.memory().of(&corridor()).unwrap().cosigned.clone();
        assert_eq!(kept.as_ref(), Some(&witnessed.note));
        assert_eq!(handed_in(&server).await.last(), kept.as_ref());
    }
    // What the gateway serves with this partner's line is not handed in again.
    let known = client.memory().of(&corridor()).unwrap().cosigned.clone().unwrap();
    let server = checkpoint_gateway([known]).await;
    takes_cosignatures(&server).await;
    assert!(builder(&server).build().unwrap().witness(&corridor()).await.unwrap().known);
    assert_eq!(handed_in(&server).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_witness_never_cosigns_two_histories_whatever_key_signed_the_first() {
    let (told_first, told_later) = two_histories();
    let server = checkpoint_gateway([told_first.checkpoint(3, start())]).await;
    takes_cosignatures(&server).await;
    let first = client(&server);
    let cosigned = first.witness(&corridor()).await.unwrap().note;
    // Of the checkpoint nothing is believed any more, as its key is revoked since, say.
    let mut memory = serde_json::to_value(first.memory()).unwrap();
    memory["corridors"][corridor().as_str()]["checkpoint"] = serde_json::Value::Null;
    for size in [5, 3, 2] {
        let note = told_later.checkpoint(size, start());
        let server = checkpoint_gateway([note.clone()]).await;
        with_proof(&server, &told_later, 3.min(size as u64)).await;
        takes_cosignatures(&server).await;
        let memory = serde_json::from_value(memory.clone()).unwrap();
        let client = builder(&server).memory(memory).build().unwrap();
        let error = client.witness(&corridor()).await.unwrap_err();
        let Error::Fork(evidence) = error else { panic!("{size}: {error:?}") };
        let ForkEvidence::Checkpoints { smaller, larger, .. } = *evidence else { panic!() };
        let expected = if size < 3 { [&note, &cosigned] } else { [&cosigned, &note] };
        assert_eq!([&smaller, &larger], expected, "{size}");
        assert_eq!(handed_in(&server).await, Vec::<String>::new(), "{size}");
    }
    // T35: one that is replayed is not cosigned either.
    let late = builder(&server).clock(|| start().plus_seconds(601)).build().unwrap();
    let error = late.witness(&corridor()).await.unwrap_err();
    assert!(format!("{error:?}").contains("Stale"), "{error:?}");
}

#[tokio::test]
async fn a_key_list_of_another_root_or_alliance_or_time_is_refused() {
    let (good_list, first) = (support::gateway_list(), support::gateway_list());
    let hash = *first.verify(root().public_key()).unwrap().hash();
    let server = MockServer::start().await;
    let newer = support::list(2, hash, vec![jwk(&gateway())]);
    let script = Script(Mutex::new([good(&newer), good(&good_list)].into()));
    Mock::given(any()).respond_with(script).mount(&server).await;
    let client = client(&server);
    assert_eq!(client.gateway_keys().await.unwrap().number(), 2);
    assert!(client.gateway_keys().await.is_err(), "rolled back");
    let other = builder(&server).root(base64url_encode(key(9).public_key().as_bytes()));
    assert!(other.build().unwrap().gateway_keys().await.is_err());
    assert!(builder(&server).alliance("other").build().unwrap().gateway_keys().await.is_err());
    let unpinned = Client::builder(&server.uri()).partner("aurora-air").key(partner_key());
    let error = unpinned.build().unwrap().gateway_keys().await.unwrap_err();
    assert!(matches!(error, Error::Config(ConfigError::NoRoot)));
}

// ---------------------------------------------------------------------------------------------
// Signed answers
// ---------------------------------------------------------------------------------------------

/// Signs its answer under a key, bound to the request.
struct Signing(u8);

impl Respond for Signing {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let body = json::canonical(&transaction());
        let digest = content_digest(&body);
        let fields = vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            ("content-digest".to_owned(), digest.clone()),
        ];
        let headers = header_list(request);
        let signed = verified(request, start());
        let binding = RequestBinding {
            view: view(request, &headers),
            label: &signed.label,
            signature: &signed.signature,
        };
        let response = ResponseView { status: 200, headers: &fields };
        let made =
            sign_response(&response, &binding, Tag::Response, start(), &key(self.0)).unwrap();
        ResponseTemplate::new(200)
            .insert_header("content-digest", &*digest)
            .insert_header("signature-input", &*made.signature_input)
            .insert_header("signature", &*made.signature)
            .set_body_raw(body, "application/json")
    }
}

#[tokio::test]
async fn a_signed_answer_is_believed_and_another_is_no_answer() {
    for (seed, believed) in [(2, true), (9, false)] {
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(Signing(seed)).mount(&server).await;
        with_keys(&server).await;
        let client = builder(&server)
            .verify_answers(true)
            .retry(RetryPolicy { max_attempts: 2, ..quick() })
            .build()
            .unwrap();
        let outcome = client.transact(&quote(), reference()).await;
        assert_eq!(outcome.is_ok(), believed, "{outcome:?}");
        let got = client.transaction(transaction().id).await;
        assert_eq!(got.is_ok(), believed, "{got:?}");
        if let Err(error) = outcome {
            let Error::Indeterminate { last, .. } = error else { panic!("{error:?}") };
            assert!(matches!(*last, Error::Verification(VerificationError::UnknownKey { .. })));
        }
    }
    let server = gateway_saying([good(&transaction())]).await;
    with_keys(&server).await;
    let client = builder(&server).verify_answers(true).build().unwrap();
    let once = RetryPolicy { max_attempts: 1, ..quick() };
    let error = client.transact(&quote(), reference()).retry(once).await.unwrap_err();
    assert!(matches!(error, Error::Indeterminate { .. }), "{error:?}");
}

// ---------------------------------------------------------------------------------------------
// Configuration
// ---------------------------------------------------------------------------------------------

#[test]
fn a_client_file_is_read_strictly() {
    let folder = std::env::temp_dir().join(format!("alliance-sdk-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("key.pem"), pkcs8_pem_from_seed(&[3; 32])).unwrap();
    let file = folder.join("client.toml");
    let root = base64url_encode(root().public_key().as_bytes());
    let good = format!(
        "gateway = \"http://127.0.0.1:8080\"\npartner = \"aurora-air\"\nkey = \"key.pem\"\n\
         root = \"{root}\"\nalliance = \"demo\"\n"
    );
    let read = |text: &str| {
        std::fs::write(&file, text).unwrap();
        Client::from_config(&file)
    };
    let client = read(&good).unwrap();
    assert_eq!(client.partner().as_str(), "aurora-air");
    assert_eq!(client.root_key(), Some(support::root().public_key()));
    assert!(read(&format!("{good}authority = \"gateway.example\"\n")).is_ok());
    for (from, to) in [
        ("partner", "partnr"),
        ("key.pem", "other.pem"),
        ("\"aurora-air\"", "\"Aurora\""),
        ("http://127.0.0.1:8080", "127.0.0.1:8080"),
        (&*root, "AA"),
    ] {
        let error = read(&good.replace(from, to)).unwrap_err();
        assert!(matches!(error, Error::Config(_)), "{error:?}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}
