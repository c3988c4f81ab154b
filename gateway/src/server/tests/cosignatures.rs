//! Partners as witnesses: what is taken, what is refused, and what is served from then on.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use alliance_contracts::http_signature::ACCEPT_SIGNATURE;
use alliance_contracts::key_list::{Jwk, KeyStatement};
use alliance_contracts::keys::SigningKey;
use alliance_contracts::note::{self, Checkpoint};
use alliance_contracts::time::Timestamp;
use alliance_contracts::tlog_proof::TlogProof;
use alliance_settlement::alliance::GatewayKeys;
use serde_json::{Value, json};

use super::world::{
    Call, World, aurora, aurora_read, borealis, cedar, expect, gateway_key, gateway_keys, key,
    world,
};

const AT: &str = "/v1/corridors/aurora-air~borealis-coffee/cosignatures";
const CHECKPOINT: &str = "/v1/corridors/aurora-air~borealis-coffee/checkpoint";
const NAME: &str = "alliance/demo/borealis-coffee";

async fn served(world: &World) -> String {
    let answer = world.send(&world.get(aurora(), CHECKPOINT)).await;
    String::from_utf8(answer.body.to_vec()).unwrap()
}

fn seconds(world: &World) -> u64 {
    u64::try_from(world.clock.load(Ordering::Relaxed) / 1_000).unwrap()
}

/// The checkpoint with a line of this key's.
fn cosigned(note: &str, name: &str, key: &SigningKey, seconds: u64) -> String {
    let checkpoint = note::parse_note(note).unwrap().checkpoint().unwrap();
    let line = note::cosign(&checkpoint, name, key, seconds).unwrap().to_string();
    let mut note = note.to_owned();
    note::append_signature_line(&mut note, &line).unwrap();
    note
}

async fn hand_in(world: &World, key: Arc<SigningKey>, note: &str) -> super::world::Answer {
    world.send(&world.post(key, AT, json!({ "note": note }))).await
}

#[actix_web::test]
async fn a_cosigned_checkpoint_is_kept_and_served_with_its_line() {
    let world = world().await;
    world.link().await;
    world.order("10", "r-0").await;
    let note = served(&world).await;
    let good = cosigned(&note, NAME, &borealis(), seconds(&world));
    let call = world.post(borealis(), AT, json!({ "note": good }));
    let kept = world.send(&call).await.ok(201);
    assert_eq!((&kept["size"], &kept["partner"]), (&json!(1), &json!("borealis-coffee")));
    assert_eq!(kept["kid"], borealis().kid().as_str());
    // Repeated, it is the first answer; over as many receipts the first stays.
    let again = world.send(&call).await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, Some("true")));
    world.clock.fetch_add(40_000, Ordering::Relaxed);
    let later = cosigned(&served(&world).await, NAME, &borealis(), seconds(&world));
    assert_eq!(
        hand_in(&world, borealis(), &later).await.ok(201)["cosigned_at"],
        kept["cosigned_at"]
    );
    // It comes with the checkpoint, whoever asks, and alone.
    let with = note::parse_note(&served(&world).await).unwrap();
    note::verify_cosignature(&with, NAME, borealis().public_key()).unwrap();
    note::verify_note(
        &with,
        "alliance/demo/aurora-air~borealis-coffee",
        gateway_key().public_key(),
    )
    .unwrap();
    let list = |query: &str| format!("{AT}{query}");
    let all = world.send(&world.get(aurora(), &list(""))).await.ok(200);
    assert_eq!(all["items"], json!([kept]));
    let covering = world.send(&world.get(aurora(), &list("?covering=1&limit=5"))).await.ok(200);
    assert_eq!(covering, all);
    let beyond = world.send(&world.get(aurora(), &list("?covering=2"))).await.ok(200);
    assert_eq!(beyond["items"], json!([]));
    // A longer chain's checkpoint has another text: the line is not its.
    world.order("10", "r-1").await;
    world.clock.fetch_add(40_000, Ordering::Relaxed);
    let longer = note::parse_note(&served(&world).await).unwrap();
    assert_eq!(longer.checkpoint().unwrap().size, 2);
    assert!(note::verify_cosignature(&longer, NAME, borealis().public_key()).is_err());
    // However late it is repeated, under its own key or another: what is kept is answered, and
    // nothing is taken in.
    world.clock.fetch_add(700_000, Ordering::Relaxed);
    let again = world.send(&call).await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, Some("true")));
    assert_eq!(again.json(), kept);
    assert_eq!(hand_in(&world, borealis(), &later).await.ok(201), kept);
    let other = world
        .send(&Call {
            idempotency_key: call.idempotency_key.clone(),
            ..world.post(borealis(), AT, json!({ "note": later }))
        })
        .await;
    expect(&other, 422, "idempotency_mismatch");
    // Of so many receipts, or of this partner, none is kept: an old one comes too late.
    let old = cosigned(&longer.to_string(), NAME, &borealis(), seconds(&world) - 601);
    expect(&hand_in(&world, borealis(), &old).await, 400, "malformed");
    let auroras = cosigned(&note, "alliance/demo/aurora-air", &aurora(), seconds(&world) - 601);
    expect(&hand_in(&world, aurora(), &auroras).await, 400, "malformed");
    assert_eq!(world.send(&world.get(aurora(), AT)).await.ok(200)["items"], json!([kept]));
    // Who is no party does not learn that the corridor is there.
    expect(&world.send(&world.get(cedar(), AT)).await, 404, "not_found");
    expect(&hand_in(&world, cedar(), &good).await, 404, "not_found");
    expect(&world.send(&world.get(aurora(), &list("?limit=0"))).await, 400, "malformed");
}

#[actix_web::test]
async fn what_is_no_cosignature_of_now_by_the_partner_over_our_tree_is_refused() {
    let world = world().await;
    world.link().await;
    world.order("10", "r-0").await;
    let (note, now) = (served(&world).await, seconds(&world));
    let elsewhere = note.replace("borealis-coffee\n", "cedar-hotels\n");
    let by_cedar =
        cosigned(&note, NAME, &borealis(), now).replace(NAME, "alliance/demo/cedar-hotels");
    for (what, note) in [
        ("no note", "no note".to_owned()),
        ("nobody's line", note.clone()),
        ("another partner's key", cosigned(&note, NAME, &cedar(), now)),
        ("another name", cosigned(&note, "alliance/demo/aurora-air", &borealis(), now)),
        ("stale", cosigned(&note, NAME, &borealis(), now - 601)),
        ("of the future", cosigned(&note, NAME, &borealis(), now + 61)),
        ("another log", cosigned(&elsewhere, NAME, &borealis(), now)),
        ("a line under another name", by_cedar),
        ("a revoked key", cosigned(&note, "alliance/demo/aurora-air", &key(12), now)),
    ] {
        let answer = hand_in(&world, borealis(), &note).await;
        expect(&answer, 400, "malformed");
        assert_eq!(answer.json()["errors"][0]["pointer"], "/note", "{what}");
    }
    // A key that only asks may not; one of another partner's cosigns for nobody else.
    let asks = cosigned(&note, "alliance/demo/aurora-air", &aurora_read(), now);
    expect(&hand_in(&world, aurora_read(), &asks).await, 403, "key_scope");
    expect(&hand_in(&world, aurora(), &asks).await, 400, "malformed");
    assert_eq!(world.send(&world.get(aurora(), AT)).await.ok(200)["items"], json!([]));
}

#[actix_web::test]
async fn a_tree_that_we_signed_and_that_is_not_ours_is_a_fork() {
    let world = world().await;
    world.link().await;
    world.order("10", "r-0").await;
    let origin = "alliance/demo/aurora-air~borealis-coffee".to_owned();
    let now = seconds(&world);
    for size in [1, 9] {
        let root = alliance_contracts::encoding::Hash::of(b"another history");
        let text = Checkpoint { origin: origin.clone(), size, root };
        let signed = note::sign_checkpoint(&text, &gateway_key(), now).unwrap();
        let answer = hand_in(&world, borealis(), &cosigned(&signed, NAME, &borealis(), now)).await;
        expect(&answer, 409, "chain_fork");
        let told = answer.json();
        assert_eq!((&told["seq"], &told["seen"]), (&json!(size), &json!(root.to_string())));
        assert_eq!(told["ours"].is_string(), size == 1, "{told}");
        // By nobody's key it is no evidence of anything.
        let strange = note::sign_checkpoint(&text, &key(55), now).unwrap();
        let answer = hand_in(&world, borealis(), &cosigned(&strange, NAME, &borealis(), now)).await;
        expect(&answer, 400, "malformed");
    }
}

/// T38, T34 at the server: the proof of a receipt whose key was revoked is by what was witnessed.
#[actix_web::test]
async fn a_revoked_gateway_key_signs_nothing_and_its_receipts_are_proven_by_what_was_witnessed() {
    let world = world().await;
    world.link().await;
    let made = world.order("10", "r-0").await;
    let good = cosigned(&served(&world).await, NAME, &borealis(), seconds(&world));
    hand_in(&world, borealis(), &good).await.ok(201);
    world.order("10", "r-1").await;
    let first = GatewayKeys::of(&gateway_keys()).unwrap();
    let next = |revoked_at: Option<i64>, number, previous| {
        let revoked_at = revoked_at.map(Timestamp::from_millis);
        let keys = vec![Jwk { revoked_at, ..Jwk::new(gateway_key().public_key(), None) }];
        let statement = KeyStatement { alliance: "demo".to_owned(), keys, number, previous };
        GatewayKeys::of(&statement.publish(&key(101))).unwrap()
    };
    let jwks =
        async || -> Value { world.raw("GET", "/.well-known/jwks.json", &[], vec![]).await.json() };
    assert!(world.house.import_gateway_keys(first.clone()).await.unwrap());
    assert!(!world.house.import_gateway_keys(first.clone()).await.unwrap());
    world.clock.fetch_add(1_000, Ordering::Relaxed);
    let now = world.clock.load(Ordering::Relaxed);
    let second = next(Some(now), 2, *first.trusted.hash());
    let gap = next(Some(now), 3, *second.trusted.hash());
    assert!(world.house.import_gateway_keys(gap).await.is_err());
    assert!(world.house.import_gateway_keys(second).await.unwrap());
    assert!(jwks().await["keys"][0]["revoked_at"].is_string(), "the books' list is served");
    // Nothing is signed: no answer, no quote, no checkpoint, no order.
    let answer = world
        .send(&world.get(aurora(), "/v1/programs").with(
            "accept-signature",
            ACCEPT_SIGNATURE,
            false,
        ))
        .await;
    assert_eq!((answer.status, answer.header("signature")), (200, None));
    let quote = json!({"kind": "exchange", "source": {"program": "aurora", "member": "A-1001"},
        "target": {"program": "borealis", "member": "B-77"},
        "amount": {"side": "source", "value": "10"}});
    expect(&world.send(&world.post(aurora(), "/v1/quotes", quote)).await, 503, "unavailable");
    expect(&world.send(&world.get(aurora(), CHECKPOINT)).await, 503, "unavailable");
    expect(&world.raw("GET", "/health/ready", &[], vec![]).await, 503, "unavailable");
    // What was witnessed is proven by it; what was not, by nothing.
    let id = made["receipt"]["receipt"]["id"].as_str().unwrap();
    let proof = world.send(&world.get(aurora(), &format!("/v1/receipts/{id}/proof"))).await;
    assert_eq!(proof.status, 200);
    let proof = TlogProof::parse(std::str::from_utf8(&proof.body).unwrap()).unwrap();
    let note = note::parse_note(&proof.checkpoint).unwrap();
    assert_eq!(note.checkpoint().unwrap().size, 1);
    note::verify_cosignature(&note, NAME, borealis().public_key()).unwrap();
    let page = world.send(&world.get(aurora(), &AT.replace("cosignatures", "receipts"))).await;
    let id = page.ok(200)["items"][1]["receipt"]["id"].as_str().unwrap().to_owned();
    let answer = world.send(&world.get(aurora(), &format!("/v1/receipts/{id}/proof"))).await;
    expect(&answer, 503, "unavailable");
}
