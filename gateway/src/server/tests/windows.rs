//! Settlement windows and statements, as partners see them.

use alliance_partner_sdk::verify::statement::VerifiedStatement;
use serde_json::{Value, json};

use super::world::{World, aurora, aurora_read, borealis, cedar, expect, gateway_keys, world};
use crate::{draw, settler};

/// Closes the open window and nets it.
async fn settle(world: &World) {
    let today = "2026-11-24".parse().unwrap();
    let by = Some("lin.wei".parse().unwrap());
    let closed = world.house.close_window(draw::id(), None, by, today).await.unwrap();
    assert!(closed.is_some());
    let netted = world.house.net_windows(&settler::ids(), &settler::in_silence()).await.unwrap();
    assert_eq!(netted.len(), 1);
}

async fn listed(world: &World, query: &str) -> Value {
    world.send(&world.get(aurora_read(), &format!("/v1/windows{query}"))).await.ok(200)
}

fn numbers(page: &Value) -> Vec<u64> {
    page["items"].as_array().unwrap().iter().map(|w| w["number"].as_u64().unwrap()).collect()
}

#[actix_web::test]
async fn windows_are_listed_oldest_first_page_by_page() {
    let world = world().await;
    let page = listed(&world, "").await;
    assert_eq!((numbers(&page), &page["more"]), (vec![1], &json!(false)));
    assert_eq!(page["items"][0]["state"], "open");
    settle(&world).await;
    settle(&world).await;
    for (query, there, more) in [
        ("", vec![1, 2, 3], false),
        ("?limit=2", vec![1, 2], true),
        ("?after=2&limit=2", vec![3], false),
        ("?after=1&limit=1", vec![2], true),
        ("?after=3", vec![], false),
        ("?after=4000000000000", vec![], false),
    ] {
        let page = listed(&world, query).await;
        assert_eq!((numbers(&page), &page["more"]), (there.clone(), &json!(more)), "{query}");
        assert_eq!(page["next_after"], json!(there.last()), "{query}");
    }
    let beyond = world.get(aurora(), "/v1/windows?after=9223372036854775807");
    expect(&world.send(&beyond).await, 400, "malformed");
    let first = listed(&world, "?limit=1").await["items"][0].clone();
    let path = format!("/v1/windows/{}", first["id"].as_str().unwrap());
    assert_eq!(world.send(&world.get(cedar(), &path)).await.ok(200), first);
    assert_eq!(first["state"], "settled", "nothing is to be paid for an empty window");
    let nowhere = world.get(aurora(), "/v1/windows/win_01h455vb4pex5vsknk084sn02q");
    expect(&world.send(&nowhere).await, 404, "not_found");
    expect(&world.send(&world.get(aurora(), "/v1/windows/12")).await, 404, "not_found");
}

#[actix_web::test]
async fn everybody_gets_the_own_statement_of_a_window_that_was_netted() {
    let world = world().await;
    world.link().await;
    world.order("1000", "w-1").await;
    let open = listed(&world, "").await["items"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/windows/{open}/statement");
    let early = world.send(&world.get(aurora(), &path)).await;
    expect(&early, 404, "not_found");
    assert!(early.json()["detail"].as_str().unwrap().contains("window 1 is open"), "{early:?}");
    settle(&world).await;
    let keys = gateway_keys().trust_without_root().unwrap();
    let mut payments = Vec::new();
    for (key, partner, lines) in
        [(aurora_read(), "aurora-air", 1), (borealis(), "borealis-coffee", 1)]
    {
        let answer = world.send(&world.get(key.clone(), &path)).await.ok(200);
        let again = world.send(&world.get(key, &path)).await.ok(200);
        assert_eq!(again, answer, "a statement says the same each time");
        let jws = answer["statement"].as_str().unwrap();
        let verified = VerifiedStatement::verify(jws, &keys).unwrap();
        let statement = verified.statement();
        assert_eq!((statement.partner.as_str(), statement.totals.lines), (partner, lines));
        assert_eq!(statement.window.to_string(), open);
        payments.push(statement.activity.micros());
    }
    // The alliance has the fee; the rest is between the two.
    assert!(payments.iter().all(|micros| *micros != 0), "{payments:?}");
    assert!(payments.iter().sum::<i128>() <= 0, "{payments:?}");
}
