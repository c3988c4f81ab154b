//! Consents to be debited over HTTP: given, used, shown in evidence, revoked.

use alliance_contracts::corridor::EvidenceList;
use alliance_contracts::debit_consent::{ConsentView, DebitConsent};
use alliance_contracts::key_list::KeyList;
use alliance_contracts::receipt;
use alliance_partner_sdk::verify::consent::{ConsentFault, verify_consent};
use alliance_partner_sdk::verify::evidence::{EvidenceFault, verify_evidence};
use serde_json::{Value, json};

use super::world::{
    World, aurora, aurora_read, borealis, cedar, expect, gateway_keys, order, quote, world,
};

fn consent() -> DebitConsent {
    serde_json::from_value(json!({
        "alliance": "demo", "kinds": ["exchange"],
        "limits": {"day": "8", "month": "100", "order": "5"}, "programs": ["aurora"],
        "source": "aurora-air", "target": "borealis-coffee", "until": null, "v": 1
    }))
    .unwrap()
}

async fn given(world: &World) -> ConsentView {
    let body = json!({"jws": consent().sign(&aurora())});
    let call = world.post(aurora(), "/v1/consents", body);
    let view = world.send(&call).await.ok(201);
    let again = world.send(&call).await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.json(), view);
    serde_json::from_value(view).unwrap()
}

/// Borealis asks for aurora's points, as their target.
async fn quoted(world: &World, points: &str) -> super::world::Answer {
    let asked = quote("aurora", "A-1001", "borealis", "B-77", "source", points);
    world.send(&world.post(borealis(), "/v1/quotes", asked)).await
}

async fn ordered(world: &World, points: &str, reference: &str) -> super::world::Answer {
    let quote = quoted(world, points).await.ok(201);
    let order = order(quote["token"].as_str().unwrap(), reference);
    world.send(&world.post(borealis(), "/v1/transactions", order)).await
}

#[actix_web::test]
async fn the_target_orders_under_the_sources_consent_and_its_receipt_proves_it() {
    let world = world().await;
    world.link().await;
    expect(&quoted(&world, "100").await, 403, "kind_not_allowed");
    let view = given(&world).await;
    let made = ordered(&world, "100", "r-1").await.ok(201);
    expect(&ordered(&world, "120", "r-2").await, 409, "exceeds_consent");
    expect(&ordered(&world, "80", "r-3").await, 409, "exceeds_consent");
    ordered(&world, "60", "r-4").await.ok(201);
    // Either brand has the evidence: who asked, and what lets it.
    let list = world.send(&world.get(cedar(), "/v1/partners/keys")).await;
    let list: KeyList = serde_json::from_slice(&list.body).unwrap();
    let keys = gateway_keys().trust_without_root().unwrap();
    let partners = list.verify_partners(&keys).unwrap();
    assert_eq!(verify_consent(&view, &partners).unwrap(), consent());
    let mut bent = view.clone();
    bent.consent.limits.day = "9".parse().unwrap();
    assert_eq!(verify_consent(&bent, &partners), Err(ConsentFault::Differs));
    let payload = serde_json::to_vec(&made["receipt"]["receipt"]).unwrap();
    let receipt = receipt::parse(&payload).unwrap();
    let path = format!("/v1/receipts/{}/evidence", receipt.id);
    for key in [aurora(), borealis()] {
        let kept = world.send(&world.get(key, &path)).await;
        let kept: EvidenceList = serde_json::from_slice(&kept.body).unwrap();
        let by: Vec<_> = kept.evidence.iter().map(|one| one.evidence.partner.as_str()).collect();
        assert_eq!(by, ["borealis-coffee", "aurora-air"]);
        for detail in &kept.evidence {
            assert_eq!(verify_evidence(&receipt, detail, &partners), Ok(()));
        }
        // The same consent says nothing of another order.
        let mut larger = receipt.clone();
        larger.settlement.as_mut().unwrap().gross = "5.1".parse().unwrap();
        let refused = verify_evidence(&larger, &kept.evidence[1], &partners);
        assert_eq!(refused, Err(EvidenceFault::Consent));
    }
}

#[actix_web::test]
async fn a_consent_is_shown_to_both_and_ended_by_either() {
    for ender in [aurora(), borealis()] {
        let world = world().await;
        world.link().await;
        let view = given(&world).await;
        let path = format!("/v1/consents/{}", view.id);
        for key in [aurora_read(), borealis()] {
            let shown = world.send(&world.get(key.clone(), &path)).await.ok(200);
            assert_eq!(shown, serde_json::to_value(&view).unwrap());
            let listed = world.send(&world.get(key, "/v1/consents")).await.ok(200);
            assert_eq!(listed, json!({"items": [shown]}));
        }
        expect(&world.send(&world.get(cedar(), &path)).await, 404, "not_found");
        let listed = world.send(&world.get(cedar(), "/v1/consents")).await.ok(200);
        assert_eq!(listed, json!({"items": []}));
        let quote = quoted(&world, "100").await.ok(201);
        let revoke = format!("{path}/revoke");
        expect(&world.send(&world.post(cedar(), &revoke, "{}")).await, 404, "not_found");
        let ended = world.send(&world.post(ender, &revoke, "{}")).await.ok(200);
        assert_ne!(ended["revoked_at"], Value::Null);
        // What the key was accepted for, should it be stolen one day.
        let uses = format!("/v1/keys/{}/uses", aurora().kid());
        let used = world.send(&world.get(aurora(), &uses)).await.ok(200)["uses"].clone();
        let named = |used: &Value| used["what"] == "consent" && used["subject"] == json!(view.id);
        assert!(used.as_array().unwrap().iter().any(named), "{used}");
        // At once: a quote that stands performs nothing any more, and there are no others.
        let order = order(quote["token"].as_str().unwrap(), "late");
        let late = world.send(&world.post(borealis(), "/v1/transactions", order)).await;
        expect(&late, 403, "kind_not_allowed");
        expect(&quoted(&world, "100").await, 403, "kind_not_allowed");
    }
}

#[actix_web::test]
async fn a_faulty_consent_is_told_where_and_anothers_is_not_taken() {
    let world = world().await;
    let send = async |key, body: Value| world.send(&world.post(key, "/v1/consents", body)).await;
    let jws = consent().sign(&aurora());
    let foreign = send(borealis(), json!({"jws": jws})).await;
    expect(&foreign, 400, "malformed");
    assert_eq!(foreign.json()["errors"][0]["pointer"], "/source");
    let forged = send(aurora(), json!({"jws": consent().sign(&borealis())})).await;
    assert_eq!(forged.json()["errors"][0]["pointer"], "/jws");
    let mut none = consent();
    none.kinds.clear();
    let none = send(aurora(), json!({"jws": none.sign(&aurora())})).await;
    assert_eq!(none.json()["errors"][0]["pointer"], "/kinds");
    expect(&send(aurora_read(), json!({"jws": jws})).await, 403, "key_scope");
}
