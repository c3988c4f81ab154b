//! Receipts, chains, proofs, evidence, members, keys, and `Alliance-Seen`.

use alliance_contracts::content_digest::orders_digest;
use alliance_contracts::corridor::OrderInclusion;
use alliance_contracts::encoding::{Hash, base64_decode, base64_decode_array, hex_encode};
use alliance_contracts::jws::{self, JwsType};
use alliance_contracts::key_list::KeyList;
use alliance_contracts::tlog_proof::TlogProof;
use alliance_contracts::transaction::{order_bytes, orders_root};
use alliance_contracts::{merkle, note, receipt};
use serde_json::{Value, json};

use super::world::{aurora, borealis, cedar, gateway_key, order, quote, world};

const CORRIDOR: &str = "aurora-air~borealis-coffee";
const ORIGIN: &str = "alliance/demo/aurora-air~borealis-coffee";

fn payload(item: &Value) -> Vec<u8> {
    let jws = jws::parse(item["jws"].as_str().unwrap()).unwrap();
    jws.verify(JwsType::Receipt, gateway_key().public_key()).unwrap();
    jws.payload
}

#[actix_web::test]
async fn a_chain_is_served_as_it_was_signed() {
    let world = world().await;
    world.link().await;
    let mut made = Vec::new();
    for at in 0..5 {
        made.push(world.order("10", &format!("r-{at}")).await);
    }
    let base = format!("/v1/corridors/{CORRIDOR}/receipts");
    let page = world.send(&world.get(borealis(), &format!("{base}?limit=3"))).await.ok(200);
    assert_eq!((&page["more"], &page["next_after"]), (&json!(true), &json!(3)));
    let rest = world.send(&world.get(borealis(), &format!("{base}?after=3"))).await.ok(200);
    assert_eq!((&rest["more"], &rest["next_after"]), (&json!(false), &json!(5)));
    let none = world.send(&world.get(aurora(), &format!("{base}?after=9"))).await.ok(200);
    assert_eq!(none, json!({"items": [], "more": false, "next_after": 9}));
    let mut prev = Hash::ZERO;
    let items: Vec<&Value> =
        [&page, &rest].iter().flat_map(|page| page["items"].as_array().unwrap()).collect();
    for (at, item) in items.iter().enumerate() {
        let bytes = payload(item);
        let read = receipt::parse(&bytes).unwrap();
        assert_eq!((read.seq, read.prev), (u64::try_from(at).unwrap() + 1, prev));
        assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), item["receipt"]);
        assert_eq!(**item, made[at]["receipt"]);
        prev = Hash::of(&bytes);
        let path = format!("/v1/receipts/{}", read.id);
        assert_eq!(world.send(&world.get(aurora(), &path)).await.ok(200), **item);
    }
    let corridors = world.send(&world.get(aurora(), "/v1/corridors")).await.ok(200);
    assert_eq!(
        corridors["corridors"],
        json!([{"corridor": CORRIDOR, "head": prev.to_string(), "seq": 5}])
    );
}

#[actix_web::test]
async fn a_stream_of_lines_ends_with_its_head() {
    let world = world().await;
    world.link().await;
    let base = format!("/v1/corridors/{CORRIDOR}/receipts");
    let lines = |uri: String| {
        world.get(aurora(), &uri).with("accept", "text/html, application/x-ndjson;q=0.9", false)
    };
    let empty = world.send(&lines(base.clone())).await;
    let zeros = Hash::ZERO;
    assert_eq!(empty.body, format!("{{\"end\":{{\"head\":\"{zeros}\",\"seq\":0}}}}\n"));
    for at in 0..3 {
        world.order("10", &format!("r-{at}")).await;
    }
    let whole = world.send(&lines(base.clone())).await;
    assert_eq!((whole.status, whole.header("content-type")), (200, Some("application/x-ndjson")));
    let text = std::str::from_utf8(&whole.body).unwrap();
    let all: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(all.len(), 4);
    for (line, value) in text.lines().zip(&all) {
        // Exactly JCS: what a canonical writer makes of it again.
        assert_eq!(line, serde_json::to_string(value).unwrap());
    }
    let head = Hash::of(&payload(&all[2])).to_string();
    assert_eq!(all[3], json!({"end": {"head": head, "seq": 3}}));
    let end = format!("{{\"end\":{{\"head\":\"{head}\",\"seq\":3}}}}\n");
    assert_eq!(world.send(&lines(format!("{base}?after=3"))).await.body, end);
    let tail = world.send(&lines(format!("{base}?after=2"))).await;
    assert!(tail.body.ends_with(end.as_bytes()));
    let first = world.send(&lines(format!("{base}?limit=1"))).await;
    let head = Hash::of(&payload(&all[0])).to_string();
    assert!(first.body.ends_with(format!("\"head\":\"{head}\",\"seq\":1}}}}\n").as_bytes()));
}

#[actix_web::test]
async fn a_long_stream_is_whole_over_its_pages() {
    let world = world().await;
    world.link().await;
    let asked = quote("aurora", "A-1001", "borealis", "B-77", "source", "10");
    let body = json!({"quotes": vec![asked; 600]});
    let quotes = world.send(&world.post(aurora(), "/v1/quotes/batch", body)).await.ok(200);
    let (mut orders, mut leaves) = (Vec::new(), Vec::new());
    for (at, result) in quotes["results"].as_array().unwrap().iter().enumerate() {
        let reference = format!("r-{at}");
        let id = result["quote"]["id"].as_str().unwrap();
        leaves.push(order_bytes(id, &reference.parse().unwrap()));
        let token = &result["quote"]["token"];
        orders.push(json!({"key": reference, "quote": token, "source_reference": reference}));
    }
    let root = orders_root(leaves.iter().map(Vec::as_slice));
    let call = world.post(aurora(), "/v1/transactions/batch", json!({"orders": orders})).with(
        "alliance-orders",
        orders_digest(&root),
        true,
    );
    let results = world.send(&call).await.ok(200);
    let done = results["results"].as_array().unwrap().iter().filter(|r| r["status"] == 201);
    assert_eq!(done.count(), 600);
    let uri = format!("/v1/corridors/{CORRIDOR}/receipts");
    let call = world.get(borealis(), &uri).with("accept", "application/x-ndjson", false);
    let stream = world.send(&call).await;
    let text = std::str::from_utf8(&stream.body).unwrap();
    let mut prev = Hash::ZERO;
    for (line, seq) in text.lines().take(600).zip(1..) {
        let bytes = payload(&serde_json::from_str(line).unwrap());
        let read = receipt::parse(&bytes).unwrap();
        assert_eq!((read.seq, read.prev), (seq, prev));
        prev = Hash::of(&bytes);
    }
    let end = format!("{{\"end\":{{\"head\":\"{prev}\",\"seq\":600}}}}");
    assert_eq!(text.lines().nth(600), Some(&*end));
    assert_eq!(text.lines().count(), 601);
}

#[actix_web::test]
async fn proofs_and_checkpoints_verify() {
    let world = world().await;
    world.link().await;
    let base = format!("/v1/corridors/{CORRIDOR}");
    let none = world.send(&world.get(aurora(), &format!("{base}/checkpoint"))).await;
    assert_eq!((none.status, &*none.code()), (404, "not_found"));
    let first = world.order("10", "r-0").await;
    let checkpoint = async || {
        let answer = world.send(&world.get(aurora(), &format!("{base}/checkpoint"))).await;
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
        let note = note::parse_note(std::str::from_utf8(&answer.body).unwrap()).unwrap();
        note::verify_note(&note, ORIGIN, gateway_key().public_key()).unwrap();
        note::verify_cosignature(&note, ORIGIN, gateway_key().public_key()).unwrap();
        note.checkpoint().unwrap()
    };
    assert_eq!(checkpoint().await.size, 1);
    for at in 1..7 {
        world.order("10", &format!("r-{at}")).await;
    }
    // A receipt past the last checkpoint makes the gateway sign one that includes it.
    let page = world.send(&world.get(aurora(), &format!("{base}/receipts"))).await.ok(200);
    let mut size = 0;
    for (at, item) in page["items"].as_array().unwrap().iter().enumerate() {
        let id = item["receipt"]["id"].as_str().unwrap();
        let answer = world.send(&world.get(borealis(), &format!("/v1/receipts/{id}/proof"))).await;
        let proof = TlogProof::parse(std::str::from_utf8(&answer.body).unwrap()).unwrap();
        assert_eq!(proof.index, u64::try_from(at).unwrap());
        let signed = proof.verify(&payload(item), ORIGIN, gateway_key().public_key()).unwrap();
        size = signed.size;
    }
    assert_eq!(size, 7);
    let checkpoint = checkpoint().await;
    assert_eq!(checkpoint.size, 7);
    let hashes = |proof: &Value| -> Vec<Hash> {
        let texts = proof["hashes"].as_array().unwrap();
        texts
            .iter()
            .map(|text| base64_decode_array::<32>(text.as_str().unwrap()).unwrap().into())
            .collect()
    };
    let uri = format!("{base}/proofs/inclusion?seq=1&size=7");
    let proof = world.send(&world.get(aurora(), &uri)).await.ok(200);
    let leaf = merkle::leaf_hash(&payload(&first["receipt"]));
    merkle::verify_inclusion(0, 7, &leaf, &checkpoint.root, &hashes(&proof)).unwrap();
    let uri = format!("{base}/proofs/consistency?from=1&to=7");
    let proof = world.send(&world.get(aurora(), &uri)).await.ok(200);
    merkle::verify_consistency(1, &leaf, 7, &checkpoint.root, &hashes(&proof)).unwrap();
    for uri in [
        "inclusion?seq=0&size=7",
        "inclusion?seq=8&size=7",
        "inclusion?seq=1&size=8",
        "inclusion?seq=1",
        "inclusion",
        "consistency?from=0&to=7",
        "consistency?from=1&to=8",
        "consistency?from=7&to=1",
        "consistency?from=1&to=7&x=1",
        "inclusion?seq=-1&size=7",
    ] {
        let answer = world.send(&world.get(aurora(), &format!("{base}/proofs/{uri}"))).await;
        assert_eq!((answer.status, &*answer.code()), (400, "malformed"), "{uri}");
    }
}

fn base64(value: &Value) -> Vec<u8> {
    base64_decode(value.as_str().unwrap()).unwrap()
}

#[actix_web::test]
async fn evidence_proves_who_ordered_exactly_this() {
    let world = world().await;
    world.link().await;
    let (quote, token) = world.token("10").await;
    let call = world.post(aurora(), "/v1/transactions", order(&token, "r-1"));
    let made = world.send(&call).await.ok(201);
    let evidence_of = async |made: &Value| {
        let id = made["receipt"]["receipt"]["id"].as_str().unwrap().to_owned();
        let path = format!("/v1/receipts/{id}/evidence");
        let list = world.send(&world.get(borealis(), &path)).await.ok(200);
        assert_eq!(list["evidence"].as_array().unwrap().len(), 1);
        let told = &made["receipt"]["receipt"]["evidence"][0];
        let evidence = list["evidence"][0].clone();
        assert_eq!(evidence["evidence"], *told);
        assert_eq!(Hash::of(&base64(&evidence["base"])).to_string(), told["base"]);
        let order = Hash::of(&base64(&evidence["order"])).to_string();
        assert_eq!(order, made["receipt"]["receipt"]["order"]);
        evidence
    };
    let evidence = evidence_of(&made).await;
    aurora()
        .public_key()
        .verify(&base64(&evidence["base"]), &base64(&evidence["evidence"]["signature"]))
        .unwrap();
    assert_eq!(base64(&evidence["body"]), call.body.clone().unwrap());
    assert_eq!(base64(&evidence["order"]), order_bytes(&quote, &"r-1".parse().unwrap()));
    assert_eq!(evidence["evidence"]["partner"], "aurora-air");
    // A reversal.
    let path = format!("/v1/transactions/{}/reversals", made["id"].as_str().unwrap());
    let body = json!({"amount": {"side": "target", "value": "1"}, "reason": "r",
        "source_reference": "s-1"});
    let reversal = world.send(&world.post(borealis(), &path, body)).await.ok(201);
    assert_eq!(evidence_of(&reversal).await["evidence"]["partner"], "borealis-coffee");
    // Out of a batch: the order's place under the root that was signed.
    let mut orders = Vec::new();
    let mut leaves = Vec::new();
    for at in 0..3 {
        let (quote, token) = world.token("10").await;
        let reference = format!("b-{at}");
        leaves.push(order_bytes(&quote, &reference.parse().unwrap()));
        orders
            .push(json!({"key": format!("k-{at}"), "quote": token, "source_reference": reference}));
    }
    let root = orders_root(leaves.iter().map(Vec::as_slice));
    let call = world.post(aurora(), "/v1/transactions/batch", json!({"orders": orders})).with(
        "alliance-orders",
        orders_digest(&root),
        true,
    );
    let results = world.send(&call).await.ok(200);
    for (at, leaf) in leaves.iter().enumerate() {
        let evidence = evidence_of(&results["results"][at]["transaction"]).await;
        assert_eq!(evidence.get("body"), None);
        let inclusion: OrderInclusion =
            serde_json::from_value(evidence["inclusion"].clone()).unwrap();
        let path: Vec<Hash> = inclusion
            .hashes
            .iter()
            .map(|text| base64_decode_array::<32>(text).unwrap().into())
            .collect();
        let hash = merkle::leaf_hash(leaf);
        merkle::verify_inclusion(inclusion.index, inclusion.size, &hash, &root, &path).unwrap();
        let base = String::from_utf8(base64(&evidence["base"])).unwrap();
        assert!(base.contains(&format!("\"alliance-orders\": {}", orders_digest(&root))));
    }
}

#[actix_web::test]
async fn what_a_partner_has_seen_is_held_against_the_chain() {
    let world = world().await;
    world.link().await;
    let made = world.order("10", "r-1").await;
    let head = Hash::of(&payload(&made["receipt"]));
    let seen = |value: &str, covered| {
        world.get(aurora(), "/v1/programs").with("alliance-seen", value, covered)
    };
    let right = format!("{CORRIDOR}=1:{head}");
    world.send(&seen(&right, true)).await.ok(200);
    let bare = world.send(&seen(&right, false)).await;
    assert_eq!((bare.status, &*bare.code()), (401, "signature_incomplete"));
    assert!(bare.json()["detail"].as_str().unwrap().ends_with("alliance-seen"));
    for bad in ["", "nonsense", &format!("{CORRIDOR}=0:{head}"), &format!("{CORRIDOR}=01:{head}")] {
        let answer = world.send(&seen(bad, true)).await;
        assert_eq!((answer.status, &*answer.code()), (400, "malformed"), "{bad}");
    }
    let other = Hash::of(b"other");
    let strangers =
        world.send(&seen(&format!("borealis-coffee~cedar-hotels=1:{head}"), true)).await;
    assert_eq!((strangers.status, &*strangers.code()), (404, "not_found"));
    let fork = world.send(&seen(&format!("{CORRIDOR}=1:{other}"), true).signed_answer()).await;
    assert_eq!((fork.status, &*fork.code()), (409, "chain_fork"));
    let told = fork.json();
    assert_eq!((&told["corridor"], &told["seq"]), (&json!(CORRIDOR), &json!(1)));
    assert_eq!(
        (&told["seen"], &told["ours"]),
        (&json!(other.to_string()), &json!(head.to_string()))
    );
    let beyond = world.send(&seen(&format!("{CORRIDOR}=2:{other}"), true)).await;
    assert_eq!((beyond.status, &*beyond.code()), (409, "chain_fork"));
    assert_eq!(beyond.json()["ours"], Value::Null);
    // The key of an order that was stopped by a fork is unused.
    let (_, token) = world.token("10").await;
    let call = world.post(aurora(), "/v1/transactions", order(&token, "r-2")).key("forked");
    let stopped = call.clone().with("alliance-seen", format!("{CORRIDOR}=1:{other}"), true);
    assert_eq!(world.send(&stopped).await.code(), "chain_fork");
    let done = world.send(&call.with("alliance-seen", &right, true)).await;
    assert_eq!((done.status, done.header("idempotency-replayed")), (201, None));
}

#[actix_web::test]
async fn a_partner_sees_its_own_members() {
    let world = world().await;
    world.link().await;
    let made = world.order("1000", "r-1").await;
    let balance =
        world.send(&world.get(aurora(), "/v1/members/aurora/A-1001/balance")).await.ok(200);
    assert_eq!(
        balance,
        json!({"as_of": "2026-11-23T04:05:06.789Z", "balance": "99000", "frozen": false,
            "held": "0", "member": "A-1001", "program": "aurora"})
    );
    let scaled = world.send(&world.get(cedar(), "/v1/members/cedar/C-9/balance")).await.ok(200);
    assert_eq!(scaled["balance"], "123.45");
    let path = format!("/v1/members/aurora/A-1001/openings/{CORRIDOR}");
    let opening = world.send(&world.get(aurora(), &path)).await.ok(200);
    assert_eq!(opening["member"], made["receipt"]["receipt"]["source"]["member"]);
    let key: [u8; 32] = base64_decode_array(opening["key"].as_str().unwrap()).unwrap();
    let text = format!("[\"demo\",\"{CORRIDOR}\",\"aurora\",\"A-1001\"]");
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &key);
    assert_eq!(opening["member"], hex_encode(ring::hmac::sign(&key, text.as_bytes()).as_ref()));
    for uri in [
        format!("/v1/members/aurora/nobody/openings/{CORRIDOR}"),
        "/v1/members/aurora/nobody/balance".to_owned(),
        format!("/v1/members/aurora/{}/balance", "x".repeat(65)),
    ] {
        let answer = world.send(&world.get(aurora(), &uri)).await;
        assert_eq!((answer.status, &*answer.code()), (404, "member_unknown"), "{uri}");
    }
    for uri in [
        "/v1/members/aurora/A-1001/openings/borealis-coffee~cedar-hotels",
        "/v1/members/borealis/B-77/balance",
    ] {
        let answer = world.send(&world.get(aurora(), uri)).await;
        assert_eq!((answer.status, &*answer.code()), (404, "not_found"), "{uri}");
    }
}

#[actix_web::test]
async fn the_partner_keys_are_those_of_their_statement() {
    let world = world().await;
    let answer = world.send(&world.get(cedar(), "/v1/partners/keys")).await;
    let list: KeyList = serde_json::from_slice(&answer.body).unwrap();
    let keys = list.verify(gateway_key().public_key()).unwrap();
    let key = keys.find(aurora().kid()).unwrap();
    assert_eq!((key.partner.as_deref(), key.scope.as_deref()), (Some("aurora-air"), Some("full")));
    assert_eq!(list.keys.len(), 5);
}
