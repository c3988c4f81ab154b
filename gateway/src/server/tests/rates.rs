//! Boards over HTTP: by number, by time, as a stream; what becomes of orders when rates move, and
//! when more is exchanged than ever.

use std::pin::Pin;

use actix_web::body::{BoxBody, MessageBody};
use alliance_contracts::board::Rates;
use alliance_settlement::alliance::Breaker;
use alliance_settlement::command::Command;
use serde_json::json;

use super::world::{World, aurora, borealis, cedar, expect, order, quote, world};

async fn publish(
    world: &World,
    change: impl FnOnce(&mut alliance_settlement::alliance::Definition),
) {
    let mut next = world.house.registry().definition.clone();
    change(&mut next);
    world.house.define(next, crate::draw::id()).await.unwrap();
    world.house.publish(None).await.unwrap().unwrap();
}

#[actix_web::test]
async fn a_board_is_asked_for_by_number_or_by_the_time_it_was_in_force() {
    let world = world().await;
    publish(&world, |next| {
        next.rates.notice_seconds = 10;
        next.programs[2].value = "0.2".parse().unwrap();
    })
    .await;
    let get =
        async |query: &str| world.send(&world.get(aurora(), &format!("/v1/rates{query}"))).await;
    let first = get("").await.ok(200);
    assert_eq!((&first["board"], &first["next"]["board"]), (&json!(1), &json!(2)));
    let second = get("?board=2").await.ok(200);
    assert_eq!((&second["board"], &second["next"]), (&json!(2), &json!(null)));
    let (began, follows) = (first["effective_at"].clone(), second["effective_at"].clone());
    let at = async |time: &serde_json::Value| {
        get(&format!("?at={}", time.as_str().unwrap())).await.ok(200)["board"].clone()
    };
    assert_eq!((at(&began).await, at(&follows).await), (json!(1), json!(2)));
    for query in ["?board=3", "?board=0", "?at=2001-01-01T00:00:00.000Z"] {
        expect(&get(query).await, 404, "not_found");
    }
    for query in ["?board=x", "?at=yesterday", "?board=1&at=2026-11-23T00:00:00.000Z", "?number=1"]
    {
        expect(&get(query).await, 400, "malformed");
    }
    // The second names the first by its bytes.
    let payload = |rates: &serde_json::Value| {
        alliance_contracts::jws::parse(rates["jws"].as_str().unwrap()).unwrap().payload
    };
    let hash = alliance_contracts::encoding::Hash::of(&payload(&first));
    assert_eq!(second["previous"], hash.to_string());
    world.pass_seconds(10);
    assert_eq!(get("").await.ok(200)["board"], 2);
}

#[actix_web::test]
async fn a_partner_sees_every_value_and_only_its_own_pairs() {
    let world = world().await;
    world.link().await;
    let (_, token) = world.token("1000").await;
    world.send(&world.post(aurora(), "/v1/transactions", order(&token, "one"))).await.ok(201);
    publish(&world, |next| {
        next.rates.surcharge = Some(
            serde_json::from_value(json!({
                "deadband": "0", "depth": "1000", "max": "0.05", "retention": "0.9", "slope": "0.01"
            }))
            .unwrap(),
        );
    })
    .await;
    let shown = async |key| -> Rates {
        let answer = world.send(&world.get(key, "/v1/rates")).await;
        serde_json::from_value(answer.ok(200)).unwrap()
    };
    let own = shown(aurora()).await;
    assert_eq!((own.board.board, own.pairs.len()), (2, 1));
    let terms = &own.pairs[0].terms;
    // 50 exchanged, nothing back: 50 / 1,000 × 1 %.
    assert_eq!(
        (terms.exchanged.to_string(), terms.surcharge.to_string()),
        ("50".into(), "0.0005".into())
    );
    assert!(own.pairs[0].stand_on(&own.board));
    assert_eq!(shown(borealis()).await.pairs, own.pairs);
    let others = shown(cedar()).await;
    assert!(others.pairs.is_empty() && others.board == own.board);
    // And the quote says why it is what it is.
    let asked = quote("aurora", "A-1001", "borealis", "B-77", "source", "1000");
    let quoted = world.send(&world.post(aurora(), "/v1/quotes", asked)).await.ok(201);
    assert_eq!(
        (&quoted["rate"]["fee"], &quoted["rate"]["surcharge"]),
        (&json!("0.0105"), &json!("0.0005"))
    );
    assert_eq!(quoted["settlement"]["fee"], "0.525");
}

#[actix_web::test]
async fn a_quote_that_takes_nothing_ends_when_a_value_has_moved() {
    let world = world().await;
    let within = || quote("aurora", "A-1001", "aurora-gold", "G-1", "source", "100");
    let token = async |world: &World| {
        let quoted = world.send(&world.post(aurora(), "/v1/quotes", within())).await.ok(201);
        (quoted["token"].as_str().unwrap().to_owned(), quoted["expires_at"].clone())
    };
    world.link_within().await;
    let (still, _) = token(&world).await;
    // A board that moves neither of the two changes nothing for it.
    publish(&world, |next| next.agreements[0].fee = "0.02".parse().unwrap()).await;
    world.send(&world.post(aurora(), "/v1/transactions", order(&still, "still"))).await.ok(201);
    let (moved, _) = token(&world).await;
    publish(&world, |next| {
        next.rates.notice_seconds = 2;
        next.programs[1].value = "0.4".parse().unwrap();
    })
    .await;
    // Announced: what is quoted now ends before it.
    let next = world.house.registry().last_board().unwrap().published.board.effective_at;
    let (_, expires_at) = token(&world).await;
    assert_eq!(expires_at, json!(next));
    world.pass_seconds(2);
    let late = world.send(&world.post(aurora(), "/v1/transactions", order(&moved, "moved"))).await;
    expect(&late, 409, "rate_moved");
}

#[actix_web::test]
async fn late_orders_are_taken_up_to_what_was_agreed() {
    let world = world().await;
    world.link().await;
    let mut tokens = Vec::new();
    for _ in 0..3 {
        tokens.push(world.token("1000").await.1);
    }
    publish(&world, |next| {
        next.rates.notice_seconds = 1;
        next.agreements[0].open_quote_limit = Some("100".parse().unwrap());
        next.programs[2].value = "0.2".parse().unwrap();
    })
    .await;
    world.pass_seconds(1);
    // 50 each: two are as much as was agreed, and the third asks for a new quote.
    for (at, token) in tokens.iter().enumerate() {
        let answer = world
            .send(&world.post(aurora(), "/v1/transactions", order(token, &at.to_string())))
            .await;
        if at < 2 {
            assert_eq!(answer.ok(201)["rate"]["board"], 1);
        } else {
            expect(&answer, 409, "rate_moved");
        }
    }
}

#[actix_web::test]
async fn abnormal_flow_freezes_one_direction_until_it_is_released() {
    let world = world().await;
    world.link().await;
    let (_, token) = world.token("1000").await;
    world.send(&world.post(aurora(), "/v1/transactions", order(&token, "one"))).await.ok(201);
    publish(&world, |next| {
        let (factor, floor) = ("2".parse().unwrap(), "80".parse().unwrap());
        next.rates.breaker = Some(Breaker { factor, floor });
    })
    .await;
    let (_, usual) = world.token("1000").await;
    let (_, abnormal) = world.token("1000").await;
    world.send(&world.post(aurora(), "/v1/transactions", order(&usual, "two"))).await.ok(201);
    let frozen =
        world.send(&world.post(aurora(), "/v1/transactions", order(&abnormal, "three"))).await;
    expect(&frozen, 409, "rate_frozen");
    // Quotes say so, and the rates; the other direction goes on.
    let there = quote("aurora", "A-1001", "borealis", "B-77", "source", "100");
    let back = quote("borealis", "B-77", "aurora", "A-1001", "source", "100");
    let refused = world.send(&world.post(aurora(), "/v1/quotes", there.clone())).await;
    expect(&refused, 409, "rate_frozen");
    assert!(refused.json()["detail"].as_str().unwrap().contains("board 2"), "{refused:?}");
    world.send(&world.post(borealis(), "/v1/quotes", back)).await.ok(201);
    let rates = world.send(&world.get(borealis(), "/v1/rates")).await.ok(200);
    assert_eq!(rates["frozen"][0]["source"], "aurora");
    assert_eq!(world.send(&world.get(cedar(), "/v1/rates")).await.ok(200)["frozen"], json!([]));
    let release = Command::Release("aurora".parse().unwrap(), "borealis".parse().unwrap());
    world.house.submit(release).await.unwrap();
    world.send(&world.post(aurora(), "/v1/quotes", there)).await.ok(201);
}

#[actix_web::test]
async fn boards_are_streamed_as_they_are_published_and_after_the_last_one_seen() {
    let world = world().await;
    let listen = async |seen: Option<&str>| {
        let mut call = world.get(aurora(), "/v1/rates/stream");
        if let Some(seen) = seen {
            call = call.with("last-event-id", seen, false);
        }
        world.stream(&call).await
    };
    let mut fresh = listen(None).await;
    let text = async |body: &mut BoxBody| {
        let piece = std::future::poll_fn(|context| Pin::new(&mut *body).poll_next(context));
        String::from_utf8(piece.await.unwrap().unwrap().to_vec()).unwrap()
    };
    assert!(text(&mut fresh).await.starts_with(':'), "it opens at once");
    let first = text(&mut fresh).await;
    assert!(first.starts_with("event: board\nid: 1\ndata: {\"board\":1,"), "{first}");
    publish(&world, |next| next.programs[2].value = "0.2".parse().unwrap()).await;
    let second = text(&mut fresh).await;
    assert!(second.contains("\nid: 2\n") && second.ends_with("\"}\n\n"), "{second}");
    let data = second.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    let jws = alliance_contracts::jws::parse(data["jws"].as_str().unwrap()).unwrap();
    let key = super::world::gateway_key();
    jws.verify(alliance_contracts::jws::JwsType::Board, key.public_key()).unwrap();
    // Whoever has seen the first is sent the second and nothing else.
    let mut resumed = listen(Some("1")).await;
    text(&mut resumed).await;
    assert!(text(&mut resumed).await.starts_with("event: board\nid: 2\n"));
    let call = world.get(aurora(), "/v1/rates/stream").with("last-event-id", "x", false);
    expect(&world.send(&call).await, 400, "malformed");
}
