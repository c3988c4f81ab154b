//! What partners report: over HTTP, all or nothing, every fault at once (threat T25).

use alliance_contracts::time::Timestamp;
use serde_json::{Value, json};

use super::world::{START, World, aurora, aurora_read, borealis, world};

const PATH: &str = "/v1/rates/observations";

fn at(second: i64) -> Timestamp {
    Timestamp::from_millis(START).plus_seconds(second - 3_600)
}

fn reading(program: &str, feed: &str, value: impl Into<Value>, second: i64) -> Value {
    let (value, observed_at) = (value.into(), at(second));
    json!({"feed": feed, "observed_at": observed_at, "program": program, "value": value})
}

fn body(readings: &[Value]) -> Value {
    json!({ "observations": readings })
}

/// Every place at fault.
fn places(problem: &Value) -> Vec<String> {
    let errors = problem["errors"].as_array().unwrap();
    errors.iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect()
}

fn known(world: &World) -> usize {
    world.house.registry().feeds.values().map(|feeds| feeds.states.len()).sum()
}

#[actix_web::test]
async fn a_partner_reports_on_its_own_programs_and_the_same_again_is_harmless() {
    let world = world().await;
    let readings = [
        reading("aurora", "redemption", "0.048", 1),
        reading("aurora", "breakage", "0", 1),
        reading("aurora-gold", "cost", "0.4", 1),
    ];
    let call = world.post(aurora(), PATH, body(&readings));
    let answer = world.send(&call).await.ok(200);
    assert_eq!(answer, json!({"accepted": 3}));
    assert_eq!(known(&world), 3);
    let again = world.send(&call).await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.ok(200), answer);
    // Under another key: the newest readings are there already.
    let version = world.house.registry().seen_version;
    let call = world.post(aurora(), PATH, body(&readings));
    assert_eq!(world.send(&call).await.ok(200), answer);
    assert_eq!(world.house.registry().seen_version, version, "nothing was written");
}

#[actix_web::test]
async fn anothers_program_is_not_found_and_a_key_that_only_asks_reports_nothing() {
    let world = world().await;
    for other in ["borealis", "zeppelin"] {
        let both = [reading("aurora", "cost", "0.05", 1), reading(other, "cost", "0.1", 1)];
        let answer = world.send(&world.post(aurora(), PATH, body(&both))).await;
        assert_eq!((answer.status, &*answer.code()), (404, "not_found"), "{other}");
    }
    let own = body(&[reading("aurora", "cost", "0.05", 1)]);
    let answer = world.send(&world.post(aurora_read(), PATH, own)).await;
    assert_eq!((answer.status, &*answer.code()), (403, "key_scope"));
    assert_eq!(known(&world), 0);
}

#[actix_web::test]
async fn a_push_of_nan_zero_negative_huge_or_precise_numbers_or_a_jump_is_refused_over_http() {
    let world = world().await;
    let good = [reading("aurora", "cost", "0.05", 1), reading("aurora", "reserve", "1800", 1)];
    world.send(&world.post(aurora(), PATH, body(&good))).await.ok(200);
    let precise = "0.0123456789012345678901234567890123456789";
    let readings = [
        reading("aurora", "cost", "NaN", 2),
        reading("aurora", "cost", "0", 2),
        reading("aurora", "cost", "-0.05", 2),
        reading("aurora", "cost", "10000000000000000000000000000", 2),
        reading("aurora", "cost", precise, 2),
        reading("aurora", "reserve", "1800000", 2),
        reading("aurora", "cost", json!(0.05), 2),
        reading("aurora", "cost", "0.051", 2),
        reading("borealis", "cost", "0.1", 2),
        reading("aurora", "cost", "0.052", 99_999),
        json!({"feed": "price"}),
    ];
    let answer = world.send(&world.post(aurora(), PATH, body(&readings))).await;
    assert_eq!((answer.status, &*answer.code()), (400, "malformed"));
    let problem = answer.json();
    let mut expected: Vec<String> =
        (0..7).map(|row| format!("/observations/{row}/value")).collect();
    expected.extend(["8/program", "9/observed_at"].map(|place| format!("/observations/{place}")));
    let members = ["feed", "observed_at", "program", "value"];
    expected.extend(members.map(|member| format!("/observations/10/{member}")));
    assert_eq!(places(&problem), expected, "all faults at once, and of good ones none");
    let jump = problem["errors"][5]["detail"].as_str().unwrap();
    assert!(jump.contains("a second person must approve it"), "{jump}");
    // Each alone is refused, too, and a good one beside a bad one is not taken.
    for bad in readings.iter().filter(|one| one["value"] != "0.051") {
        let both = body(&[readings[7].clone(), bad.clone()]);
        let answer = world.send(&world.post(aurora(), PATH, both)).await;
        assert!([400, 404].contains(&answer.status), "{bad}: {answer:?}");
    }
    let registry = world.house.registry();
    let feeds = &registry.feeds["aurora"];
    let latest: Vec<String> = feeds
        .states
        .values()
        .map(|state| state.latest.as_ref().unwrap().value.to_string())
        .collect();
    assert_eq!(latest, ["1800", "0.05"], "nothing half applied");
}

#[actix_web::test]
async fn a_report_has_one_to_a_thousand_readings() {
    let world = world().await;
    let many: Vec<Value> =
        (0..1_001).map(|second| reading("borealis", "cost", "0.1", second)).collect();
    for readings in [&many[..], &[]] {
        let answer = world.send(&world.post(borealis(), PATH, body(readings))).await;
        assert_eq!((answer.status, places(&answer.json())), (400, vec!["/observations".into()]));
    }
    let answer = world.send(&world.post(borealis(), PATH, body(&many[..1_000]))).await;
    assert_eq!(answer.ok(200)["accepted"], 1_000);
}
