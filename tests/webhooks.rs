//! Webhooks of the real gateway, on both databases: it is killed while it sends, and an event that
//! cannot be read holds up no other.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alliance_contracts::endpoint::{DeliveryState, EndpointRequest, MAX_DELIVERIES_PER_PAGE};
use alliance_contracts::event::Event;
use alliance_contracts::names::PartnerId;
use alliance_contracts::webhook::{WebhookSecret, WebhookVerifier};
use alliance_partner_sdk::client::Client;
use alliance_settlement::clearing_house::Clock;

use crate::harness::{Alliance, Engine, Gateway, block_on, free_port, psql, quote};

const AURORA: &str = "aurora-air";

/// A receiver that takes everything, after a while.
pub struct Receiver {
    pub url: String,
    got: Arc<Mutex<Vec<Got>>>,
}

struct Got {
    fields: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Got {
    fn event(&self) -> Event {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Receiver {
    pub fn start(takes: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let got: Arc<Mutex<Vec<Got>>> = Arc::default();
        let kept = got.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let got = kept.clone();
                std::thread::spawn(move || serve(stream, &got, takes));
            }
        });
        Self { url, got }
    }

    /// The numbers of what has arrived, in the order in which it did.
    pub fn numbers(&self) -> Vec<u64> {
        self.got.lock().unwrap().iter().map(|got| got.event().number().unwrap()).collect()
    }
}

/// Takes webhooks from one connection for as long as there are any.
fn serve(stream: TcpStream, got: &Mutex<Vec<Got>>, takes: Duration) {
    let mut answers = stream.try_clone().unwrap();
    let mut lines = BufReader::new(stream);
    loop {
        let mut fields = BTreeMap::new();
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(": ") {
                fields.insert(name.to_ascii_lowercase(), value.to_owned());
            }
        }
        let mut body = vec![0; fields["content-length"].parse().unwrap()];
        if lines.read_exact(&mut body).is_err() {
            return;
        }
        std::thread::sleep(takes);
        got.lock().unwrap().push(Got { fields, body });
        if answers.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").is_err() {
            return;
        }
    }
}

/// Orders, each turned round at once: of every subject two events.
async fn make_events(client: &Client, alliance: &Alliance, run: usize, many: usize) {
    let pairs = alliance.pairs("aurora", "borealis");
    for n in 0..many {
        let quote = quote(client, &pairs[n % pairs.len()], "20").await;
        let done = client.transact(&quote, format!("o-{run}-{n}").parse().unwrap()).await.unwrap();
        let reason = "customer_request".parse().unwrap();
        client
            .reverse(done.id, format!("v-{run}-{n}").parse().unwrap(), reason)
            .call()
            .await
            .unwrap();
    }
}

async fn last_event(client: &Client) -> u64 {
    let (mut after, mut last) = (None, 0);
    loop {
        let page = client.events(after.as_ref(), 1_000).await.unwrap();
        last = page.items.last().and_then(Event::number).unwrap_or(last);
        if !page.more {
            return last;
        }
        after = Some(page.next_after);
    }
}

/// Waits until it is so.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..1_200 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("not within two minutes: {what}");
}

fn a_gateway_killed_while_it_sends_loses_nothing(engine: Engine) {
    let alliance = Alliance::new("webhooks", engine);
    alliance.publish_by_hand();
    let listen = format!("127.0.0.1:{}", free_port());
    let gateway = Gateway::start_at(&listen, &alliance.args());
    // On PostgreSQL another shares the work, and takes over.
    let other = (engine == Engine::Postgres).then(|| alliance.serve());
    let client = alliance.client(AURORA, &gateway);
    let receiver = Receiver::start(Duration::from_millis(20));
    let verifier = block_on(async {
        let asked = EndpointRequest { types: Vec::new(), url: receiver.url.clone() };
        let made = client.create_endpoint(asked).await.unwrap();
        let first = last_event(&client).await + 1;
        make_events(&client, &alliance, 1, 60).await;
        until("it has begun", async || receiver.numbers().len() > 20).await;
        gateway.kill();
        let gateway = Gateway::start_at(&listen, &alliance.args());
        make_events(&client, &alliance, 2, 5).await;
        let last = last_event(&client).await;
        until("everything has arrived", async || {
            let got: BTreeSet<u64> = receiver.numbers().into_iter().collect();
            (first..=last).all(|number| got.contains(&number))
        })
        .await;
        until("everything is known to be there", async || {
            let page = client.deliveries(made.endpoint.id, Some(DeliveryState::Waiting), None);
            let endpoint = client.endpoint(made.endpoint.id).await.unwrap();
            let partner: PartnerId = AURORA.parse().unwrap();
            let taken_up = endpoint.taken_up.number(&"demo".parse().unwrap(), &partner);
            page.await.unwrap().items.is_empty() && taken_up == Some(last)
        })
        .await;
        let page = client.deliveries(made.endpoint.id, None, None).await.unwrap();
        assert_eq!(page.items.len(), MAX_DELIVERIES_PER_PAGE as usize);
        assert!(page.more && page.items.iter().all(|one| one.state == DeliveryState::Delivered));
        gateway.assert_faultless();
        WebhookVerifier::default().secret(WebhookSecret::parse(&made.secret).unwrap())
    });
    drop(other);
    // First arrivals of one subject are in the feed's order; every arrival is signed.
    let mut seen: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    for got in receiver.got.lock().unwrap().iter() {
        let field = |name: &str| got.fields[name].as_str();
        let (id, sent) = (field("webhook-id"), field("webhook-timestamp"));
        let now = Clock::system().now().plus_seconds(-60);
        verifier.verify(id, sent, field("webhook-signature"), &got.body, now).unwrap();
        let event = got.event();
        assert_eq!(event.id.to_string(), id);
        let (subject, number) = (event.subject.clone(), event.number().unwrap());
        let before = seen.entry(subject).or_default();
        assert!(before.contains(&number) || before.last().is_none_or(|last| *last < number));
        before.insert(number);
    }
    alliance.assert_audit_clean();
}

#[test]
fn a_gateway_killed_while_it_sends_loses_nothing_on_sqlite() {
    a_gateway_killed_while_it_sends_loses_nothing(Engine::Sqlite);
}

#[test]
fn a_gateway_killed_while_it_sends_loses_nothing_on_postgres() {
    a_gateway_killed_while_it_sends_loses_nothing(Engine::Postgres);
}

/// T45: tried and given up by itself; the rest of the feed goes on.
#[test]
fn an_event_that_cannot_be_read_holds_up_no_other_on_postgres() {
    let alliance = Alliance::new("poison", Engine::Postgres);
    alliance.publish_by_hand();
    let gateway = alliance.serve();
    let client = alliance.client(AURORA, &gateway);
    let receiver = Receiver::start(Duration::ZERO);
    block_on(async {
        let asked = EndpointRequest { types: Vec::new(), url: receiver.url.clone() };
        let endpoint = client.create_endpoint(asked).await.unwrap().endpoint;
        let pause = |active| alliance_contracts::endpoint::EndpointChangeRequest {
            active: Some(active),
            ..Default::default()
        };
        client.change_endpoint(endpoint.id, pause(false)).await.unwrap();
        let first = last_event(&client).await + 1;
        make_events(&client, &alliance, 1, 5).await;
        let last = last_event(&client).await;
        let damage = format!(
            "UPDATE events SET entries = 'x' WHERE partner = '{AURORA}' \
             AND first_number <= {0} AND last_number >= {0} \
             RETURNING first_number || ' ' || last_number",
            first + 3
        );
        let damaged = psql(alliance.database().unwrap(), &damage);
        let (from, to) = damaged.split_once(' ').unwrap();
        let poison: BTreeSet<u64> = (from.parse().unwrap()..=to.parse().unwrap()).collect();
        client.change_endpoint(endpoint.id, pause(true)).await.unwrap();
        let rest: BTreeSet<u64> = (first..=last).filter(|n| !poison.contains(n)).collect();
        until("the rest has arrived", async || {
            receiver.numbers().into_iter().collect::<BTreeSet<_>>() == rest
        })
        .await;
        until("what cannot be read is set aside", async || {
            let waiting = client.deliveries(endpoint.id, Some(DeliveryState::Waiting), None);
            let waiting = waiting.await.unwrap().items;
            let numbers = waiting.iter().map(|one| one.sequence.parse().unwrap());
            numbers.collect::<BTreeSet<u64>>() == poison
                && waiting.iter().all(|one| one.attempts > 0 && one.last_status.is_none())
        })
        .await;
        let sequence = poison.first().unwrap().to_string();
        let log = client.delivery(endpoint.id, &sequence).await.unwrap().log;
        assert!(log[0].said.contains("cannot be read"), "{log:?}");
    });
    assert!(gateway.log_text().contains("an event cannot be told"), "operators are told");
}
