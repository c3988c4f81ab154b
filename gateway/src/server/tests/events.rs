//! The feed of events over HTTP: in pages, as a stream, each partner its own.

use std::pin::Pin;
use std::sync::Arc;

use actix_web::body::{BoxBody, MessageBody as _};
use alliance_contracts::keys::SigningKey;
use alliance_settlement::command::Command;
use serde_json::Value;

use super::world::{World, aurora, aurora_read, borealis, cedar, expect, world};

/// All of a partner's events, by pages of so many.
async fn all(world: &World, key: fn() -> Arc<SigningKey>, by: u32) -> Vec<Value> {
    let (mut events, mut after) = (Vec::new(), String::new());
    loop {
        let uri = format!("/v1/events?limit={by}{after}");
        let page = world.send(&world.get(key(), &uri)).await.ok(200);
        let items = page["items"].as_array().unwrap().clone();
        assert!(items.len() <= usize::try_from(by).unwrap());
        assert!(after.is_empty() || !items.is_empty(), "there were to be more");
        events.extend(items);
        if page["more"] == false {
            return events;
        }
        after = format!("&after={}", page["next_after"].as_str().unwrap());
    }
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

async fn piece(body: &mut BoxBody) -> Option<String> {
    let piece = std::future::poll_fn(|context| Pin::new(&mut *body).poll_next(context)).await?;
    Some(String::from_utf8(piece.unwrap().to_vec()).unwrap())
}

/// The next events of a stream: id, and the event.
async fn events_of(body: &mut BoxBody) -> Vec<(String, Value)> {
    loop {
        let text = piece(body).await.expect("the stream goes on");
        if text.starts_with(':') {
            continue;
        }
        let each = text.split_terminator("\n\n").map(|event| {
            let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
            let data: Value = serde_json::from_str(field("data: ").unwrap()).unwrap();
            assert_eq!(field("event: ").unwrap(), data["type"]);
            (field("id: ").unwrap().to_owned(), data)
        });
        return each.collect();
    }
}

#[actix_web::test]
async fn a_feed_is_read_by_pages_and_is_the_same_however_long_they_are() {
    let world = world().await;
    let link = world.link().await;
    let done = world.order("100", "r-1").await;
    let events = all(&world, aurora, 100).await;
    let expected = ["board.published", "link.proposed", "link.active", "transaction.completed"];
    assert_eq!(types(&events), expected);
    for (at, event) in events.iter().enumerate() {
        assert_eq!(event["sequence"], format!("{:016}", at + 1));
        assert_eq!(
            (&event["specversion"], &event["source"]),
            (&"1.0".into(), &"/alliances/demo".into())
        );
        assert!(event["id"].as_str().unwrap().starts_with("evt_"));
    }
    assert_eq!(
        (&events[1]["subject"], &events[2]["subject"]),
        (&link.clone().into(), &link.into())
    );
    let told = &events[3]["data"];
    assert_eq!(told["corridor"], "aurora-air~borealis-coffee");
    for same in ["id", "kind", "quote", "rate", "state", "settlement", "completed_at"] {
        assert_eq!(told[same], done[same], "{same}");
    }
    assert_eq!(events[3]["subject"], done["id"]);
    for by in [1, 2, 3] {
        assert_eq!(all(&world, aurora, by).await, events, "pages of {by}");
    }
    assert_eq!(all(&world, aurora_read, 100).await, events, "a read-only key reads them");
}

#[actix_web::test]
async fn nobody_sees_the_events_of_others() {
    let world = world().await;
    world.link().await;
    world.order("100", "r-1").await;
    assert_eq!(types(&all(&world, cedar, 100).await), ["board.published"]);
    let ours = all(&world, aurora, 100).await;
    let theirs = all(&world, borealis, 100).await;
    assert_eq!(types(&ours), types(&theirs));
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_ne!(ours["id"], theirs["id"], "an id is of one feed");
        assert_eq!(ours["data"], theirs["data"], "both are told the same");
    }
    // Not even by another's cursor.
    let page = world.send(&world.get(aurora(), "/v1/events?limit=1")).await.ok(200);
    let cursor = page["next_after"].as_str().unwrap();
    let uri = format!("/v1/events?after={cursor}");
    expect(&world.send(&world.get(borealis(), &uri)).await, 400, "malformed");
    world.send(&world.get(aurora(), &uri)).await.ok(200);
    let call = world.get(borealis(), "/v1/events").with("accept", "text/event-stream", false);
    let call = call.with("last-event-id", cursor, false);
    expect(&world.send(&call).await, 400, "malformed");
}

#[actix_web::test]
async fn events_hold_no_reference_of_a_member() {
    let world = world().await;
    world.link().await;
    let done = world.order("100", "very-own-reference").await;
    let body = serde_json::json!({"reason": "customer_request", "source_reference": "back-again"});
    let path = format!("/v1/transactions/{}/reversals", done["id"].as_str().unwrap());
    world.send(&world.post(aurora(), &path, body)).await.ok(201);
    for key in [aurora, borealis] {
        let events = all(&world, key, 100).await;
        assert_eq!(types(&events).last(), Some(&"transaction.completed"));
        let text = serde_json::to_string(&events).unwrap();
        for secret in ["A-1001", "B-77", "very-own-reference", "back-again"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        assert!(text.contains("\"member\":\"mem_") || text.contains("\"member\":\""), "{text}");
    }
}

#[actix_web::test]
async fn a_stream_begins_where_asked_and_goes_on_as_events_happen() {
    let world = world().await;
    let listen = async |query: &str, seen: Option<&str>| {
        let uri = format!("/v1/events{query}");
        let mut call = world.get(aurora(), &uri).with("accept", "text/event-stream", false);
        if let Some(seen) = seen {
            call = call.with("last-event-id", seen, false);
        }
        world.stream(&call).await
    };
    let mut fresh = listen("", None).await;
    assert!(piece(&mut fresh).await.unwrap().starts_with(':'), "it opens at once");
    let first = events_of(&mut fresh).await;
    assert_eq!(first[0].1["type"], "board.published");
    world.link().await;
    let mut seen = Vec::new();
    while seen.len() < 2 {
        seen.extend(events_of(&mut fresh).await);
    }
    assert_eq!(seen[0].1["type"], "link.proposed");
    // Whoever comes back with the last that it has seen is sent the next, and nothing twice.
    drop(fresh);
    let mut resumed = listen("", Some(&seen[0].0)).await;
    assert_eq!(events_of(&mut resumed).await, [seen[1].clone()]);
    let mut resumed = listen(&format!("?after={}", seen[0].0), None).await;
    assert_eq!(events_of(&mut resumed).await, [seen[1].clone()]);
    // The header stands over the query: a browser keeps the address and moves the header on.
    let mut resumed = listen(&format!("?after={}", first[0].0), Some(&seen[0].0)).await;
    assert_eq!(events_of(&mut resumed).await, [seen[1].clone()]);
    // A page goes on where a stream was, and the other way round.
    let uri = format!("/v1/events?after={}", seen[0].0);
    let page = world.send(&world.get(aurora(), &uri)).await.ok(200);
    assert_eq!(page["items"][0], seen[1].1);
    assert_eq!(page["next_after"], seen[1].0);
}

#[actix_web::test]
async fn a_stream_ends_when_its_key_is_revoked() {
    let world = world().await;
    let call = world.get(aurora_read(), "/v1/events").with("accept", "text/event-stream", false);
    let mut stream = world.stream(&call).await;
    piece(&mut stream).await.unwrap();
    assert_eq!(events_of(&mut stream).await.len(), 1);
    let mut definition = super::world::definition();
    definition.partners[0].keys[1].revoked_at =
        Some(alliance_contracts::time::Timestamp::from_millis(world.now()));
    assert_eq!(world.house.define(definition, crate::draw::id()).await.unwrap(), 1);
    while let Some(text) = piece(&mut stream).await {
        assert!(text.starts_with(':'), "{text}");
    }
}

#[actix_web::test]
async fn cursors_that_nobody_handed_out_are_refused() {
    let world = world().await;
    let partner: alliance_contracts::names::PartnerId = "aurora-air".parse().unwrap();
    let alliance = "demo".parse().unwrap();
    let cursor = |number| {
        alliance_contracts::event::EventCursor::at(&alliance, &partner, number).to_string()
    };
    for after in ["1", "AAAAAAAAAAAAAAAA", "-", &"x".repeat(65), "%20"] {
        let call = world.get(aurora(), &format!("/v1/events?after={after}"));
        expect(&world.send(&call).await, 400, "malformed");
    }
    // One event is there: a cursor behind it is of another database.
    world.send(&world.get(aurora(), &format!("/v1/events?after={}", cursor(1)))).await.ok(200);
    let ahead = format!("/v1/events?after={}", cursor(2));
    let refused = world.send(&world.get(aurora(), &ahead)).await;
    expect(&refused, 400, "malformed");
    assert!(refused.json()["detail"].as_str().unwrap().contains("ahead of your feed"));
    let stream = world.get(aurora(), &ahead).with("accept", "text/event-stream", false);
    expect(&world.send(&stream).await, 400, "malformed");
    for query in ["?limit=0", "?limit=1001", "?limit=x", "?before=1"] {
        let call = world.get(aurora(), &format!("/v1/events{query}"));
        expect(&world.send(&call).await, 400, "malformed");
    }
    let limited =
        world.get(aurora(), "/v1/events?limit=5").with("accept", "text/event-stream", false);
    expect(&world.send(&limited).await, 400, "malformed");
}

#[actix_web::test]
async fn thousands_of_events_are_paged_in_order_while_more_are_written() {
    let world = world().await;
    let suspend = async |suspended: bool| {
        let command = Command::Suspend("cedar-hotels".parse().unwrap(), suspended);
        world.house.submit(command).await.unwrap();
    };
    let (mut after, mut number, mut written) = (String::new(), 0_u64, 1_u64);
    // Three are written for every two that are read, until there are many; then it is read up.
    while number < 3_000 {
        for _ in 0..3 {
            if written < 3_000 {
                suspend(written % 2 == 1).await;
                written += 1;
            }
        }
        let page = world.send(&world.get(cedar(), &format!("/v1/events?limit=2{after}"))).await;
        let page = page.ok(200);
        for event in page["items"].as_array().unwrap() {
            number += 1;
            assert_eq!(event["sequence"], format!("{number:016}"));
            let expected = match number {
                1 => "board.published",
                odd if odd % 2 == 1 => "partner.reinstated",
                _ => "partner.suspended",
            };
            assert_eq!(event["type"], expected, "{number}");
        }
        after = format!("&after={}", page["next_after"].as_str().unwrap());
    }
    assert_eq!(number, written);
}
