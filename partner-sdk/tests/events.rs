//! Following a feed of events over connections that break.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

mod support;

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use alliance_partner_sdk::Error;
use alliance_partner_sdk::client::{Client, DecodeError, RetryPolicy};
use alliance_partner_sdk::contracts as c;
use c::event::{Event, EventCursor, EventPage, EventType, Told};
use c::json;
use c::names::PartnerId;
use c::problem::{PROBLEM_JSON, Problem, ProblemCode};
use futures_util::TryStreamExt;
use serde_json::value::RawValue;
use support::{partner_key, start};
use wiremock::matchers::{header, path};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

struct Script(Mutex<VecDeque<ResponseTemplate>>);

impl Respond for Script {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        self.0.lock().unwrap().pop_front().unwrap_or_else(|| refusal(ProblemCode::KeyScope))
    }
}

async fn streams(answers: impl IntoIterator<Item = ResponseTemplate>) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(path("/v1/events"))
        .and(header("accept", "text/event-stream"))
        .respond_with(Script(Mutex::new(answers.into_iter().collect())))
        .mount(&server)
        .await;
    server
}

fn refusal(code: ProblemCode) -> ResponseTemplate {
    let problem = Problem::of(code);
    ResponseTemplate::new(problem.status).set_body_raw(json::canonical(&problem), PROBLEM_JSON)
}

fn cursor(number: u64) -> EventCursor {
    let partner: PartnerId = "aurora-air".parse().unwrap();
    EventCursor::at(&support::ALLIANCE.parse().unwrap(), &partner, number)
}

fn event(number: u64) -> Event {
    let alliance = support::ALLIANCE.parse().unwrap();
    let partner = "aurora-air".parse().unwrap();
    let told = Told {
        r#type: EventType::PartnerSuspended,
        subject: "borealis-coffee".to_owned(),
        data: RawValue::from_string(r#"{"partner":"borealis-coffee"}"#.to_owned()).unwrap(),
        test: false,
    };
    let id = c::event::event_id(&alliance, &partner, number, start());
    Event::new(&alliance, id, number, start(), told)
}

fn sent(numbers: impl IntoIterator<Item = u64>) -> String {
    let each = numbers.into_iter().map(|number| {
        let data = serde_json::to_string(&event(number)).unwrap();
        format!("event: partner.suspended\nid: {}\ndata: {data}\n\n", cursor(number))
    });
    format!(": events as they happen\n\n{}", each.collect::<String>())
}

fn stream(text: impl Into<String>) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_raw(text.into(), "text/event-stream")
}

fn client(server: &MockServer) -> Client {
    let quick = RetryPolicy {
        base: Duration::from_millis(1),
        cap: Duration::from_millis(5),
        ..RetryPolicy::default()
    };
    Client::builder(&server.uri())
        .partner("aurora-air")
        .key(partner_key())
        .clock(start)
        .retry(quick)
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_feed_is_followed_over_every_break_and_each_event_comes_once() {
    let whole = sent([3, 4]);
    let server = streams([
        refusal(ProblemCode::Unavailable),
        stream(sent([1, 2])),
        // Cut in the middle of its second event.
        stream(&whole[..whole.len() - 20]),
        stream(": nothing yet\n\n"),
        refusal(ProblemCode::RateLimited).insert_header("retry-after", "0"),
        stream(sent([4, 5])),
        stream(sent([6])),
    ])
    .await;
    let client = client(&server);
    let mut events = client.follow_events(None);
    for number in 1..=6 {
        let followed = events.try_next().await.unwrap().unwrap();
        assert_eq!((followed.event.number(), &followed.cursor), (Some(number), &cursor(number)));
        assert_eq!(followed.event.r#type, EventType::PartnerSuspended);
    }
    // The script has ended: refused for good, and told at once.
    let refused = events.try_next().await.unwrap_err();
    assert_eq!(refused.code(), Some(ProblemCode::KeyScope));
    let asked = server.received_requests().await.unwrap();
    let asked: Vec<Option<&str>> = asked.iter().map(|request| request.url.query()).collect();
    let after = |number| format!("after={}", cursor(number));
    let (two, three, five, six) = (after(2), after(3), after(5), after(6));
    let (two, three, five, six) = (Some(&*two), Some(&*three), Some(&*five), Some(&*six));
    assert_eq!(asked, [None, None, two, three, three, three, five, six]);
}

#[tokio::test]
async fn an_event_that_is_not_the_next_one_is_an_error() {
    for (after, numbers) in [(None, vec![2]), (Some(4), vec![5, 7]), (Some(4), vec![5, 5])] {
        let server = streams([stream(sent(numbers.clone()))]).await;
        let mut events = client(&server).follow_events(after.map(cursor));
        for _ in 1..numbers.len() {
            events.try_next().await.unwrap().unwrap();
        }
        let wrong = events.try_next().await.unwrap_err();
        let form = matches!(&wrong, Error::Decode { source: DecodeError::Form(what), .. }
            if what.contains("not the next one"));
        assert!(form, "{numbers:?}: {wrong:?}");
    }
}

#[tokio::test]
async fn what_is_no_event_is_an_error() {
    let without_cursor = sent([1]).replace("id: ", "idea: ");
    for text in ["data: {}\n\n", "data: x\nid: AAAA\n\n", &without_cursor] {
        let server = streams([stream(text)]).await;
        let wrong = client(&server).follow_events(None).try_next().await.unwrap_err();
        assert!(matches!(wrong, Error::Decode { .. }), "{text}: {wrong:?}");
    }
}

#[tokio::test]
async fn a_page_is_asked_for_after_a_cursor() {
    let server = MockServer::start().await;
    let page = EventPage { items: vec![event(5)], more: true, next_after: cursor(5) };
    let answer =
        ResponseTemplate::new(200).set_body_raw(json::canonical(&page), "application/json");
    Mock::given(path("/v1/events")).respond_with(answer).mount(&server).await;
    let client = client(&server);
    let first = client.events(None, 10).await.unwrap();
    assert_eq!((first.items.len(), first.more), (1, true));
    client.events(Some(&first.next_after), 1_000).await.unwrap();
    let asked = server.received_requests().await.unwrap();
    assert_eq!(asked[0].url.query(), Some("limit=10"));
    let expected = format!("after={}&limit=1000", cursor(5));
    assert_eq!(asked[1].url.query(), Some(&*expected));
}
