//! Rate limits: who has no room is told when there is some, and nobody else notices (threat T49).

use std::num::NonZeroU32;
use std::time::Duration;

use super::world::{Answer, World, aurora, borealis, expect, key, limited_world, order};
use crate::server::limits::{LimitSettings, Rate};

/// So many an hour: none comes back while a test runs.
fn an_hour(requests: u32) -> Option<Rate> {
    let within = Duration::from_secs(3_600);
    Some(Rate { quota: NonZeroU32::new(requests).unwrap(), within })
}

fn told(answer: &Answer) -> [Option<&str>; 3] {
    ["ratelimit-policy", "ratelimit", "retry-after"].map(|name| answer.header(name))
}

async fn programs(world: &World, seed: u8) -> Answer {
    world.send(&world.get(key(seed), "/v1/programs")).await
}

#[actix_web::test]
async fn a_partner_beyond_its_limit_is_told_when_to_come_back() {
    let settings = LimitSettings { partner: an_hour(6), ..LimitSettings::NONE };
    let world = limited_world(settings).await;
    world.link().await;
    let token = world.token("10").await.1;
    let policy = Some("\"partner\";q=6;w=3600");
    let answer = world.send(&world.get(aurora(), "/v1/programs").signed_answer()).await;
    assert_eq!(told(&answer), [policy, Some("\"partner\";r=3;t=1800"), None]);
    // Every key of the partner's counts, and what is refused counts, too.
    let poor = order("no token", "r-1");
    let refused = world.send(&world.post(aurora(), "/v1/transactions", poor)).await;
    assert_eq!(told(&refused), [policy, Some("\"partner\";r=2;t=2400"), None]);
    let read = world.send(&world.get(super::world::aurora_read(), "/v1/programs")).await;
    assert_eq!(told(&read), [policy, Some("\"partner\";r=1;t=3000"), None]);
    world.send(&world.get(aurora(), "/v1/programs")).await.ok(200);
    let call = world.post(aurora(), "/v1/transactions", order(&token, "r-2")).signed_answer();
    let answer = world.send(&call).await;
    expect(&answer, 429, "rate_limited");
    assert_eq!(told(&answer), [policy, Some("\"partner\";r=0;t=3600"), Some("600")]);
    let other = world.send(&world.get(borealis(), "/v1/programs")).await;
    assert_eq!(told(&other)[1], Some("\"partner\";r=4;t=1200"), "another has room of its own");
}

#[actix_web::test]
async fn a_flood_under_unknown_keys_finds_no_room_and_slows_nobody() {
    // T49
    let settings = LimitSettings { stranger: an_hour(3), ..LimitSettings::NONE };
    let mut world = limited_world(settings).await;
    world.peer = Some("192.0.2.1:4711".parse().unwrap());
    expect(&programs(&world, 77).await, 401, "signature_invalid");
    expect(&world.raw("GET", "/v1/programs", &[], Vec::new()).await, 401, "signature_incomplete");
    let body = vec![b'x'; 2 << 20];
    expect(&world.raw("POST", "/v1/quotes", &[], body.clone()).await, 413, "body_too_large");
    for _ in 0..20 {
        expect(&programs(&world, 77).await, 429, "rate_limited");
    }
    // Before anything of a body is read.
    let answer = world.raw("POST", "/v1/quotes", &[], body).await;
    expect(&answer, 429, "rate_limited");
    let policy = Some("\"stranger\";q=3;w=3600");
    assert_eq!(told(&answer), [policy, Some("\"stranger\";r=0;t=3600"), Some("1200")]);
    // A partner behind the same address goes on; what everybody may ask is there, too.
    programs(&world, 1).await.ok(200);
    assert_eq!(world.raw("GET", "/docs", &[], Vec::new()).await.status, 200);
    // Another address is another stranger.
    world.peer = Some("192.0.2.2:4711".parse().unwrap());
    expect(&programs(&world, 77).await, 401, "signature_invalid");
}

#[actix_web::test]
async fn an_address_beyond_its_limit_is_refused_before_anything_else_but_health_is_told() {
    let settings = LimitSettings { address: an_hour(2), ..LimitSettings::NONE };
    let mut world = limited_world(settings).await;
    world.peer = Some("[2001:db8::1]:4711".parse().unwrap());
    programs(&world, 1).await.ok(200);
    assert_eq!(world.raw("GET", "/docs", &[], Vec::new()).await.status, 200);
    world.peer = Some("[2001:db8::2]:4712".parse().unwrap());
    for path in ["/v1/programs", "/docs", "/nothing", "/v1//programs"] {
        let answer = world.raw("GET", path, &[], Vec::new()).await;
        expect(&answer, 429, "rate_limited");
        assert_eq!(told(&answer)[2], Some("1800"), "{path}");
    }
    for path in ["/health/live", "/health/ready"] {
        assert_eq!(world.raw("GET", path, &[], Vec::new()).await.status, 200, "{path}");
    }
    world.peer = Some("[2001:db8:0:1::1]:4711".parse().unwrap());
    programs(&world, 1).await.ok(200);
}
