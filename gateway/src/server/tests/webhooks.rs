//! Webhooks: events pushed to a real receiver, in every mood of its (threats T41 to T44).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, rt, web};
use alliance_contracts::time::Timestamp;
use alliance_contracts::webhook::{WebhookSecret, WebhookVerifier};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::world::{
    World, aurora, aurora_read, borealis, cedar, expect, gateway_key, private_world, world,
};
use crate::webhooks::{self, Sender};

/// A webhook as it arrived.
#[derive(Clone, Debug)]
struct Got {
    id: String,
    timestamp: String,
    signatures: String,
    body: Bytes,
}

impl Got {
    fn event(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn number(&self) -> u64 {
        self.event()["sequence"].as_str().unwrap().parse().unwrap()
    }

    fn is_signed(&self, verifier: &WebhookVerifier, now: i64) -> bool {
        let now = Timestamp::from_millis(now);
        verifier.verify(&self.id, &self.timestamp, &self.signatures, &self.body, now).is_ok()
    }
}

/// What a receiver answers: status, further fields, after how long.
type Answers = Box<dyn FnMut(&Got) -> (u16, Vec<(&'static str, String)>, Duration) + Send>;

/// What has come, and what is answered.
type State = (Arc<Mutex<Vec<Got>>>, Arc<Mutex<Answers>>);

struct Receiver {
    url: String,
    got: Arc<Mutex<Vec<Got>>>,
    answers: Arc<Mutex<Answers>>,
}

async fn receive(request: HttpRequest, body: Bytes, state: Data<State>) -> HttpResponse {
    let field = |name: &str| request.headers().get(name).unwrap().to_str().unwrap().to_owned();
    assert_eq!(field("content-type"), "application/cloudevents+json");
    let got = Got {
        id: field("webhook-id"),
        timestamp: field("webhook-timestamp"),
        signatures: field("webhook-signature"),
        body,
    };
    state.0.lock().unwrap().push(got.clone());
    let (status, fields, delay) = state.1.lock().unwrap()(&got);
    rt::time::sleep(delay).await;
    let mut answer = HttpResponse::build(StatusCode::from_u16(status).unwrap());
    fields.into_iter().for_each(|field| _ = answer.append_header(field));
    answer.body("said\0so")
}

impl Receiver {
    fn start() -> Self {
        let got: Arc<Mutex<Vec<Got>>> = Arc::default();
        let answers: Answers = Box::new(|_| (204, Vec::new(), Duration::ZERO));
        let answers = Arc::new(Mutex::new(answers));
        let state = Data::new((got.clone(), answers.clone()));
        let server = HttpServer::new(move || {
            App::new().app_data(state.clone()).default_service(web::to(receive))
        });
        let server = server.workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", server.addrs()[0]);
        rt::spawn(server.run());
        Self { url, got, answers }
    }

    /// What it answers from now on.
    fn answers(&self, answer: impl FnMut(&Got) -> u16 + Send + 'static) {
        let mut answer = answer;
        let answers: Answers = Box::new(move |got| (answer(got), Vec::new(), Duration::ZERO));
        *self.answers.lock().unwrap() = answers;
    }

    fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    fn numbers(&self) -> Vec<u64> {
        self.got().iter().map(Got::number).collect()
    }

    async fn has_got(&self, many: usize) -> Vec<Got> {
        until(&format!("{many} webhooks"), async || self.got().len() >= many).await;
        self.got()
    }
}

/// Waits until it is so.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..1_500 {
        if is_so().await {
            return;
        }
        rt::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not within half a minute: {what}");
}

/// A world whose gateway sends, to addresses of this machine, too.
struct Stage {
    world: World,
    closing: watch::Sender<bool>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.closing.send(true);
    }
}

async fn stage() -> Stage {
    let world = private_world().await;
    world.link().await;
    let (closing, closed) = watch::channel(false);
    let sender = Sender::new(true).unwrap();
    rt::spawn(webhooks::run(world.house.clone(), sender, closed));
    Stage { world, closing }
}

impl Stage {
    /// An endpoint of aurora's at this receiver: its id, and its secret.
    async fn endpoint(&self, receiver: &Receiver, types: &[&str]) -> (String, WebhookSecret) {
        let body = json!({"types": types, "url": receiver.url});
        let made = self.world.send(&self.world.post(aurora(), "/v1/webhooks", body)).await.ok(201);
        let secret = WebhookSecret::parse(made["secret"].as_str().unwrap()).unwrap();
        (made["endpoint"]["id"].as_str().unwrap().to_owned(), secret)
    }

    async fn get(&self, path: &str) -> Value {
        self.world.send(&self.world.get(aurora(), path)).await.ok(200)
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.world.send(&self.world.post(aurora(), path, body)).await.ok(200)
    }

    /// What stands in the delivery log: number, state, attempts.
    async fn deliveries(&self, endpoint: &str) -> Vec<(u64, String, u64)> {
        let page = self.get(&format!("/v1/webhooks/{endpoint}/deliveries")).await;
        let items = page["items"].as_array().unwrap().clone();
        let one = |item: &Value| {
            let number = item["sequence"].as_str().unwrap().parse().unwrap();
            let state = item["state"].as_str().unwrap().to_owned();
            (number, state, item["attempts"].as_u64().unwrap())
        };
        items.iter().map(one).collect()
    }

    /// The log says this, in time.
    async fn logged(&self, endpoint: &str, expected: &[(u64, &str, u64)]) {
        let expected: Vec<_> = expected.iter().map(|(n, s, a)| (*n, (*s).to_owned(), *a)).collect();
        let what = format!("{expected:?}");
        until(&what, async || self.deliveries(endpoint).await == expected).await;
    }

    /// The number of aurora's last event.
    async fn last(&self) -> u64 {
        self.world.house.last_event("aurora-air".parse().unwrap()).await.unwrap()
    }
}

#[actix_web::test]
async fn events_are_pushed_in_order_signed_under_the_secret_and_the_gateways_key() {
    let stage = stage().await;
    let receiver = Receiver::start();
    let (id, secret) = stage.endpoint(&receiver, &[]).await;
    let before = stage.last().await;
    for n in 0..5 {
        stage.world.order("10", &format!("r-{n}")).await;
    }
    let got = receiver.has_got(5).await;
    let by_secret = WebhookVerifier::default().secret(secret);
    let by_key = WebhookVerifier::default().key(gateway_key().public_key().clone());
    let page = stage.get("/v1/events?limit=1000").await;
    let feed = page["items"].as_array().unwrap().clone();
    for one in &got {
        assert!(one.is_signed(&by_secret, stage.world.now()));
        assert!(one.is_signed(&by_key, stage.world.now()));
        let event = one.event();
        assert_eq!(event["id"], one.id);
        assert!(feed.contains(&event), "it is what the feed has");
        assert!(!String::from_utf8_lossy(&one.body).contains("A-1001"), "no reference");
    }
    let mut numbers = receiver.numbers();
    numbers.sort();
    assert_eq!(numbers, (before + 1..=before + 5).collect::<Vec<_>>());
    until("all are known to be there", async || {
        stage.deliveries(&id).await.iter().filter(|one| one.1 == "delivered").count() == 5
    })
    .await;
    let sequence = &feed.last().unwrap()["sequence"];
    let log =
        stage.get(&format!("/v1/webhooks/{id}/deliveries/{}", sequence.as_str().unwrap())).await;
    let attempt = &log["log"][0];
    assert_eq!((&attempt["attempt"], &attempt["status"]), (&json!(1), &json!(204)));
    assert_eq!(log["delivery"]["sequence"], *sequence);
    let endpoint = stage.get(&format!("/v1/webhooks/{id}")).await;
    assert_eq!(endpoint["taken_up"], page["next_after"]);
    assert_eq!(endpoint.get("secret"), None);
    // Read with a key that may only read; changed by none such.
    let read = stage.world.get(aurora_read(), "/v1/webhooks");
    assert_eq!(stage.world.send(&read).await.ok(200)["items"], json!([endpoint]));
    let change = stage.world.post(aurora_read(), &format!("/v1/webhooks/{id}"), json!({}));
    expect(&stage.world.send(&change).await, 403, "key_scope");
}

#[actix_web::test]
async fn only_the_types_that_were_asked_for_are_sent() {
    let stage = stage().await;
    let receiver = Receiver::start();
    let (id, _) = stage.endpoint(&receiver, &["link.revoked"]).await;
    stage.world.order("10", "r-1").await;
    let links = stage.get("/v1/links").await;
    let link = links["items"][0]["id"].as_str().unwrap().to_owned();
    stage.post(&format!("/v1/links/{link}/revoke"), json!({})).await;
    let got = receiver.has_got(1).await;
    assert_eq!(got[0].event()["type"], "link.revoked");
    assert_eq!(got[0].event()["subject"], link);
    stage.logged(&id, &[(stage.last().await, "delivered", 1)]).await;
    assert_eq!(receiver.got().len(), 1);
}

#[actix_web::test]
async fn what_fails_is_sent_again_by_the_schedule_and_holds_up_its_own_subject_alone() {
    // T44
    let stage = stage().await;
    let receiver = Receiver::start();
    let (id, _) = stage.endpoint(&receiver, &[]).await;
    let first = stage.last().await + 1;
    receiver.answers(move |got| if got.number() == first { 500 } else { 200 });
    let transaction = stage.world.order("10", "r-1").await["id"].as_str().unwrap().to_owned();
    receiver.has_got(1).await;
    // Another subject goes on; the same waits behind it.
    stage.world.order("10", "r-2").await;
    let reverse = json!({"source_reference": "v-1", "reason": "customer_request"});
    let path = format!("/v1/transactions/{transaction}/reversals");
    let reversed = stage.world.send(&stage.world.post(aurora(), &path, reverse)).await;
    reversed.ok(201);
    let events = stage.get("/v1/events?limit=1000").await["items"].as_array().unwrap().clone();
    let subjects: BTreeMap<u64, Value> = events
        .iter()
        .map(|one| (one["sequence"].as_str().unwrap().parse().unwrap(), one["subject"].clone()))
        .collect();
    let same: Vec<u64> = subjects
        .range(first + 1..)
        .filter(|(_, s)| **s == subjects[&first])
        .map(|(n, _)| *n)
        .collect();
    assert_eq!(same.len(), 1, "what tells that it was turned round");
    let others: Vec<u64> = (first + 1..=stage.last().await).filter(|n| *n != same[0]).collect();
    until("the others have arrived", async || {
        others.iter().all(|number| receiver.numbers().contains(number))
    })
    .await;
    assert!(!receiver.numbers().contains(&same[0]));
    // Ten attempts, each when the schedule says; a tenth more is drawn at random.
    let sent = |receiver: &Receiver| receiver.numbers().iter().filter(|n| **n == first).count();
    let waits = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
    for (at, wait) in waits.into_iter().enumerate() {
        stage.world.pass_seconds(wait - 1);
        rt::time::sleep(Duration::from_millis(if at < 2 { 1_500 } else { 0 })).await;
        assert_eq!(sent(&receiver), at + 1, "not before its time");
        stage.world.pass_seconds(2 + wait / 10);
        until("the next attempt", async || sent(&receiver) == at + 2).await;
        until("it is written", async || {
            let log = stage.deliveries(&id).await;
            log.iter().any(|one| one.0 == first && one.2 == at as u64 + 2)
        })
        .await;
    }
    // Given up: what waited behind it follows.
    until("what waited is sent", async || receiver.numbers().contains(&same[0])).await;
    let dead = format!("/v1/webhooks/{id}/deliveries?state=dead");
    let dead = stage.get(&dead).await["items"].as_array().unwrap().clone();
    assert_eq!(dead.len(), 1);
    assert_eq!((&dead[0]["attempts"], &dead[0]["last_status"]), (&json!(10), &json!(500)));
    assert_eq!(dead[0]["due_at"], Value::Null);
    let path = format!("/v1/webhooks/{id}/deliveries/{first}");
    let log = stage.get(&path).await["log"].as_array().unwrap().clone();
    assert_eq!(log.len(), 10);
    assert_eq!(log[0]["said"], "said so", "without what no log takes");
    // By hand, once its receiver is well.
    receiver.answers(|_| 200);
    let sequence = json!({"sequence": dead[0]["sequence"]});
    stage.post(&format!("/v1/webhooks/{id}/resend"), sequence).await;
    until("it has arrived", async || {
        stage.deliveries(&id).await.contains(&(first, "delivered".to_owned(), 11))
    })
    .await;
}

#[actix_web::test]
async fn who_answers_410_is_sent_nothing_more_until_activated_and_then_misses_nothing() {
    let stage = stage().await;
    let (receiver, other) = (Receiver::start(), Receiver::start());
    let (id, _) = stage.endpoint(&receiver, &[]).await;
    stage.endpoint(&other, &["endpoint.gone"]).await;
    receiver.answers(|_| 410);
    stage.world.order("10", "r-1").await;
    let path = format!("/v1/webhooks/{id}");
    until("it is gone", async || stage.get(&path).await["state"] == "gone").await;
    let told = other.has_got(1).await[0].event();
    assert_eq!((&told["type"], &told["data"]["id"]), (&json!("endpoint.gone"), &json!(id)));
    stage.world.order("10", "r-2").await;
    stage.world.pass_seconds(100_000);
    rt::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(receiver.got().len(), 1);
    receiver.answers(|_| 200);
    stage.post(&path, json!({"active": true})).await;
    // The order that was refused, the next one, and that it was gone.
    let last = stage.last().await;
    until("everything arrives", async || receiver.numbers().contains(&last)).await;
    let numbers: std::collections::BTreeSet<u64> = receiver.numbers().into_iter().collect();
    assert_eq!(numbers, (last - 2..=last).collect());
}

#[actix_web::test]
async fn a_receiver_that_asks_for_time_gets_it() {
    let stage = stage().await;
    let receiver = Receiver::start();
    stage.endpoint(&receiver, &[]).await;
    let mut asked = false;
    let answers: Answers = Box::new(move |_| {
        let wait = vec![("retry-after", "120".to_owned())];
        let status = if std::mem::replace(&mut asked, true) { 200 } else { 429 };
        (status, wait, Duration::ZERO)
    });
    *receiver.answers.lock().unwrap() = answers;
    stage.world.order("10", "r-1").await;
    receiver.has_got(1).await;
    stage.world.pass_seconds(100);
    rt::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(receiver.got().len(), 1, "the schedule alone says five seconds");
    stage.world.pass_seconds(40);
    receiver.has_got(2).await;
}

#[actix_web::test]
async fn a_paused_endpoint_goes_on_where_it_stood_and_a_replay_begins_anywhere() {
    let stage = stage().await;
    let receiver = Receiver::start();
    let (id, _) = stage.endpoint(&receiver, &[]).await;
    let path = format!("/v1/webhooks/{id}");
    assert_eq!(stage.post(&path, json!({"active": false})).await["state"], "paused");
    stage.world.order("10", "r-1").await;
    rt::time::sleep(Duration::from_millis(1_500)).await;
    assert!(receiver.got().is_empty());
    stage.post(&path, json!({"active": true})).await;
    receiver.has_got(1).await;
    let last = stage.last().await;
    stage.logged(&id, &[(last, "delivered", 1)]).await;
    // All of the feed, the first event first of its subject.
    stage.post(&format!("{path}/replay"), json!({"after": null})).await;
    until("all of it", async || receiver.got().len() as u64 == 1 + last).await;
    let numbers: std::collections::BTreeSet<u64> = receiver.numbers().into_iter().collect();
    assert_eq!(numbers, (1..=last).collect());
    let cursor = stage.get("/v1/events?limit=1000").await["next_after"].clone();
    let read = async || stage.get(&path).await["taken_up"].clone();
    until("its place", async || read().await == cursor).await;
    let foreign = stage.world.post(aurora(), &format!("{path}/replay"), json!({"after": "AAAA"}));
    expect(&stage.world.send(&foreign).await, 400, "malformed");
}

#[actix_web::test]
async fn a_secret_is_replaced_while_both_sign() {
    let stage = stage().await;
    let receiver = Receiver::start();
    let (id, old) = stage.endpoint(&receiver, &[]).await;
    let path = format!("/v1/webhooks/{id}/secret");
    let made = stage.post(&path, json!({"overlap_seconds": 60})).await;
    let new = WebhookSecret::parse(made["secret"].as_str().unwrap()).unwrap();
    assert_ne!(old, new);
    assert!(made["endpoint"]["old_secret_until"].is_string());
    stage.world.order("10", "r-1").await;
    let got = receiver.has_got(1).await[0].clone();
    let by = |secret: &WebhookSecret| WebhookVerifier::default().secret(secret.clone());
    assert!(got.is_signed(&by(&old), stage.world.now()));
    assert!(got.is_signed(&by(&new), stage.world.now()));
    stage.world.pass_seconds(61);
    stage.world.order("10", "r-2").await;
    let got = receiver.has_got(2).await[1].clone();
    assert!(!got.is_signed(&by(&old), stage.world.now()));
    assert!(got.is_signed(&by(&new), stage.world.now()));
    let long = stage.world.post(aurora(), &path, json!({"overlap_seconds": 700_000}));
    expect(&stage.world.send(&long).await, 400, "malformed");
}

#[actix_web::test]
async fn a_receiver_that_hangs_holds_up_nobody_else() {
    // T43: nor does one that redirects into the gateway's own network send anybody there.
    let stage = stage().await;
    let (hangs, redirects, prompt) = (Receiver::start(), Receiver::start(), Receiver::start());
    let target = prompt.url.clone();
    *hangs.answers.lock().unwrap() = Box::new(|_| (200, Vec::new(), Duration::from_secs(3_600)));
    *redirects.answers.lock().unwrap() =
        Box::new(move |_| (302, vec![("location", format!("{target}/elsewhere"))], Duration::ZERO));
    stage.endpoint(&hangs, &[]).await;
    let (redirected, _) = stage.endpoint(&redirects, &[]).await;
    stage.endpoint(&prompt, &[]).await;
    for n in 0..40 {
        stage.world.order("10", &format!("r-{n}")).await;
    }
    prompt.has_got(40).await;
    assert_eq!(prompt.got().len(), 40, "nothing came by the redirect");
    assert!(hangs.got().len() <= 8, "so many connections and no more");
    until("a redirect is no delivery", async || {
        let log = stage.deliveries(&redirected).await;
        log.len() == 40 && log.iter().all(|one| one.1 == "waiting")
    })
    .await;
}

#[actix_web::test]
async fn addresses_of_the_gateways_own_network_are_refused_when_registered_and_when_sent_to() {
    // T41
    let strict = world().await;
    for url in [
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://169.254.169.254/latest/meta-data",
        "https://0x7f.1/",
        "https://2130706433/",
        "https://[fc00::1]/",
        "https://localhost./",
        "https://vault.internal/",
        "http://hooks.example.com/",
        "hooks.example.com",
    ] {
        let call = strict.post(aurora(), "/v1/webhooks", json!({ "url": url }));
        let answer = strict.send(&call).await;
        expect(&answer, 400, "malformed");
        assert_eq!(answer.json()["errors"][0]["pointer"], "/url", "{url}");
    }
    let body = json!({"types": ["link.dreamt"], "url": "https://hooks.example.com/"});
    let answer = strict.send(&strict.post(aurora(), "/v1/webhooks", body)).await;
    expect(&answer, 400, "malformed");
    assert_eq!(answer.json()["errors"][0]["pointer"], "/types/0");
    // Registered while that was allowed, and sent to when it is not any more.
    let world = private_world().await;
    world.link().await;
    let receiver = Receiver::start();
    let body = json!({ "url": receiver.url });
    let made = world.send(&world.post(aurora(), "/v1/webhooks", body)).await.ok(201);
    let id = made["endpoint"]["id"].as_str().unwrap().to_owned();
    let (closing, closed) = watch::channel(false);
    rt::spawn(webhooks::run(world.house.clone(), Sender::new(false).unwrap(), closed));
    let stage = Stage { world, closing };
    stage.world.order("10", "r-1").await;
    let last = stage.last().await;
    stage.logged(&id, &[(last, "waiting", 1)]).await;
    let log = stage.get(&format!("/v1/webhooks/{id}/deliveries/{last}")).await;
    let said = log["log"][0]["said"].as_str().unwrap();
    assert!(said.contains("may not be called"), "{said}");
    assert!(receiver.got().is_empty());
}

#[actix_web::test]
async fn an_endpoint_is_its_partners_alone_and_its_secret_is_shown_to_whoever_made_it() {
    let stage = stage().await;
    let receiver = Receiver::start();
    let (id, _) = stage.endpoint(&receiver, &[]).await;
    let world = &stage.world;
    for path in ["", "/deliveries", "/deliveries/1"] {
        let call = world.get(borealis(), &format!("/v1/webhooks/{id}{path}"));
        expect(&world.send(&call).await, 404, "not_found");
    }
    for (path, body) in [
        ("", json!({"active": false})),
        ("/secret", json!({})),
        ("/remove", json!({})),
        ("/replay", json!({"after": null})),
        ("/resend", json!({"sequence": "1"})),
    ] {
        let call = world.post(borealis(), &format!("/v1/webhooks/{id}{path}"), body);
        expect(&world.send(&call).await, 404, "not_found");
    }
    assert_eq!(world.send(&world.get(cedar(), "/v1/webhooks")).await.ok(200)["items"], json!([]));
    // The same request again is the first answer again, secret and all.
    let call = world.post(aurora(), "/v1/webhooks", json!({"url": receiver.url})).key("once");
    let first = world.send(&call).await.ok(201);
    let again = world.send(&call).await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.ok(201), first);
    let path = format!("/v1/webhooks/{id}/remove");
    stage.post(&path, json!({})).await;
    let gone = world.get(aurora(), &format!("/v1/webhooks/{id}"));
    expect(&world.send(&gone).await, 404, "not_found");
    world.order("10", "r-1").await;
    let (other, _) = stage.endpoint(&receiver, &["link.active"]).await;
    for _ in 0..8 {
        stage.endpoint(&receiver, &[]).await;
    }
    let body = json!({"url": receiver.url});
    expect(
        &world.send(&world.post(aurora(), "/v1/webhooks", body)).await,
        409,
        "too_many_endpoints",
    );
    let unknown = json!({"sequence": "999999"});
    let call = world.post(aurora(), &format!("/v1/webhooks/{other}/resend"), unknown);
    expect(&world.send(&call).await, 400, "malformed");
}
