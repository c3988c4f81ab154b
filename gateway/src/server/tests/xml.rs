//! The API in XML: the same requests and answers, signed over the bytes as they are sent, held
//! against the published schema by libxml2, and receipts' evidence that needs no reader of XML.

use std::process::Command;
use std::sync::Arc;

use alliance_contracts::content_digest::orders_digest;
use alliance_contracts::corridor::EvidenceList;
use alliance_contracts::key_list::KeyList;
use alliance_contracts::keys::SigningKey;
use alliance_contracts::transaction::{ReversalRequest, order_bytes, orders_root, reversal_bytes};
use alliance_contracts::{jws, receipt};
use alliance_partner_sdk::verify::evidence::verify_evidence;
use serde_json::{Value, json};

use super::world::{Answer, Call, World, aurora, borealis, order, quote, world};
use crate::xml::model::model;
use crate::xml::{read, write};

const XML: &str = "application/xml";

impl Call {
    /// The same call, with its body in XML and an answer in XML.
    fn in_xml(mut self, name: &str) -> Self {
        if let Some(json) = self.body.take() {
            self.body = Some(write::write(name, &json).unwrap());
            self.content_type = XML;
        }
        self.with("accept", XML, false)
    }

    /// The same call, with its one order signed.
    fn of_order(self, order: &[u8]) -> Self {
        self.with("alliance-orders", orders_digest(&orders_root([order])), true)
    }
}

impl Answer {
    /// Asserts an answer in XML and gives it as JSON.
    fn xml(&self, status: u16, name: &str) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        let media = if status < 400 { XML } else { "application/problem+xml" };
        assert_eq!((self.status, self.header("content-type")), (status, Some(media)), "{text}");
        let json =
            read::read(model(), name, &self.body).unwrap_or_else(|e| panic!("{e:?}: {text}"));
        serde_json::from_slice(&json).unwrap()
    }
}

async fn get(world: &World, key: Arc<SigningKey>, uri: &str) -> Answer {
    world.send(&world.get(key, uri).in_xml("").signed_answer()).await
}

/// Quotes and orders in XML; the quote's id and the transaction.
async fn performed(world: &World, reference: &str) -> (Call, Answer) {
    let asked = quote("aurora", "A-1001", "borealis", "B-77", "source", "10");
    let call = world.post(aurora(), "/v1/quotes", asked).in_xml("QuoteRequest").signed_answer();
    let quote = world.send(&call).await.xml(201, "Quote");
    let (id, token) = (quote["id"].as_str().unwrap(), quote["token"].as_str().unwrap());
    let call = world
        .post(aurora(), "/v1/transactions", order(token, reference))
        .in_xml("OrderRequest")
        .of_order(&order_bytes(id, &reference.parse().unwrap()))
        .signed_answer();
    let answer = world.send(&call).await;
    (call, answer)
}

#[actix_web::test]
async fn quote_order_and_reversal_in_xml_are_those_in_json() {
    let world = world().await;
    world.link().await;
    let (call, answer) = performed(&world, "x-1").await;
    let made = answer.xml(201, "Transaction");
    let path = format!("/v1/transactions/{}", made["id"].as_str().unwrap());
    assert_eq!(world.send(&world.get(aurora(), &path)).await.ok(200), made);
    assert_eq!(get(&world, aurora(), &path).await.xml(200, "Transaction"), made);
    // The first answer again, in whichever spelling the order comes and the answer is wanted.
    let again = world.send(&call).await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.body, answer.body);
    let body = read::read(model(), "OrderRequest", call.body.as_deref().unwrap()).unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    let plain = world.post(aurora(), "/v1/transactions", &body).key(&call.idempotency_key);
    let again = world.send(&plain).await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.ok(201), made);
    let mut mixed = call.clone();
    mixed.extra.retain(|(name, ..)| *name != "accept");
    assert_eq!(world.send(&mixed).await.ok(201), made);
    // Another order under the same key; the refusal is signed, too.
    let other = order(body["quote"].as_str().unwrap(), "x-2");
    let changed = world.post(aurora(), "/v1/transactions", other).key(&call.idempotency_key);
    let changed = changed.with("accept", XML, false).signed_answer();
    let refused = world.send(&changed).await.xml(422, "Problem");
    assert_eq!(refused["code"], "idempotency_mismatch");
}

/// What the SDK says of a receipt's evidence, as the other partner gets it.
async fn evidence_verifies(world: &World, made: &Value) -> Value {
    let signed = &made["receipt"];
    let jws = jws::parse(signed["jws"].as_str().unwrap()).unwrap();
    let receipt = receipt::parse(&jws.payload).unwrap();
    let path = format!("/v1/receipts/{}/evidence", receipt.id);
    let told = world.send(&world.get(borealis(), &path)).await.ok(200);
    let list: EvidenceList = serde_json::from_value(told.clone()).unwrap();
    let keys = world.send(&world.get(borealis(), "/v1/partners/keys")).await.ok(200);
    let keys: KeyList = serde_json::from_value(keys).unwrap();
    let keys = keys.trust_without_root().unwrap();
    assert_eq!(list.evidence.len(), 1);
    verify_evidence(&receipt, &list.evidence[0], &keys).unwrap();
    told["evidence"][0].clone()
}

#[actix_web::test]
async fn evidence_of_an_order_in_xml_needs_no_reader_of_xml() {
    let world = world().await;
    world.link().await;
    let made = performed(&world, "x-1").await.1.xml(201, "Transaction");
    let evidence = evidence_verifies(&world, &made).await;
    assert_eq!(evidence["inclusion"], json!({"hashes": [], "index": 0, "size": 1}));
    assert_eq!(evidence.get("body"), None);
    // A reversal, by the other partner.
    let path = format!("/v1/transactions/{}/reversals", made["id"].as_str().unwrap());
    let asked = json!({"reason": "r", "source_reference": "s-1",
        "amount": {"side": "target", "value": "1"}});
    let request: ReversalRequest = serde_json::from_value(asked.clone()).unwrap();
    let bytes = reversal_bytes(made["id"].as_str().unwrap().parse().unwrap(), &request);
    let call = world.post(borealis(), &path, &asked).in_xml("ReversalRequest").of_order(&bytes);
    let reversal = world.send(&call).await.xml(201, "Transaction");
    let evidence = evidence_verifies(&world, &reversal).await;
    assert_eq!(evidence["inclusion"], json!({"hashes": [], "index": 0, "size": 1}));
    assert_eq!(evidence.get("body"), None);
}

#[actix_web::test]
async fn an_order_in_xml_that_is_not_signed_as_an_order_is_refused() {
    let world = world().await;
    world.link().await;
    let (id, token) = world.token("10").await;
    let bytes = order_bytes(&id, &"x-1".parse().unwrap());
    let call =
        || world.post(aurora(), "/v1/transactions", order(&token, "x-1")).in_xml("OrderRequest");
    let without = world.send(&call()).await.xml(401, "Problem");
    assert_eq!(without["code"], "signature_incomplete");
    assert!(without["detail"].as_str().unwrap().contains("must cover alliance-orders"));
    let root = orders_digest(&orders_root([&bytes[..]]));
    let uncovered = world.send(&call().with("alliance-orders", root, false)).await;
    assert_eq!(uncovered.xml(401, "Problem")["code"], "signature_incomplete");
    let other = order_bytes(&id, &"x-2".parse().unwrap());
    let other = world.send(&call().of_order(&other)).await.xml(401, "Problem");
    assert_eq!(other["code"], "signature_invalid");
    let none = world.send(&call().with("alliance-orders", "sha-256=:AA==:", true)).await;
    assert_eq!(none.xml(400, "Problem")["code"], "malformed");
    // Nothing of it was an order.
    world.send(&call().of_order(&bytes)).await.xml(201, "Transaction");
}

/// The digest and the signature are over the bytes as they came.
#[actix_web::test]
async fn what_was_signed_is_the_xml() {
    let world = world().await;
    let asked = quote("aurora", "A-1001", "borealis", "B-77", "source", "10");
    let call = world.post(aurora(), "/v1/quotes", &asked).in_xml("QuoteRequest");
    let (fields, signed) = call.sign(world.now());
    let mut bent = call.clone();
    // The same document in other bytes.
    bent.body.as_mut().unwrap().push(b' ');
    let answer = world.send_signed(&bent, &fields, &signed).await.xml(401, "Problem");
    assert_eq!(answer["code"], "signature_invalid");
    // What is no document is only looked at behind the signature, and then told precisely.
    for (inside, at) in [("<source><member/><member/></source>", "/source/member"), ("x", "")] {
        let mut call = call.clone();
        let ns = crate::xml::NAMESPACE;
        let body = format!("<QuoteRequest xmlns=\"{ns}\">{inside}</QuoteRequest>");
        call.body = Some(body.into_bytes());
        let answer = world.send(&call).await.xml(400, "Problem");
        assert_eq!(answer["errors"][0]["pointer"], at);
    }
    let mut doctype = call.clone();
    doctype.body.as_mut().unwrap().splice(..0, *b"<!DOCTYPE a>");
    assert_eq!(world.send(&doctype).await.xml(400, "Problem")["code"], "malformed");
    // A value that the type refuses has its place, as in JSON.
    let mut wrong = asked.clone();
    wrong["amount"]["value"] = json!("1.50");
    let call = world.post(aurora(), "/v1/quotes", &wrong).in_xml("QuoteRequest");
    let answer = world.send(&call).await.xml(400, "Problem");
    assert_eq!(answer["errors"][0]["pointer"], "/amount/value");
}

#[actix_web::test]
async fn xml_is_taken_where_it_is_told_as_such() {
    let world = world().await;
    let asked = quote("aurora", "A-1001", "borealis", "B-77", "source", "10");
    let call = world.post(aurora(), "/v1/quotes", &asked).in_xml("QuoteRequest");
    for media in ["Application/XML", "application/xml; charset=UTF-8", XML] {
        let mut call = call.clone();
        call.content_type = media;
        world.send(&call).await.xml(201, "Quote");
    }
    for media in ["text/xml", "application/xml; charset=latin1", "application/problem+xml"] {
        let mut call = call.clone();
        call.content_type = media;
        let answer = world.send(&call).await.xml(415, "Problem");
        assert_eq!(answer["code"], "unsupported_media_type", "{media}");
    }
    // One spelling under the other's name.
    let mut call = world.post(aurora(), "/v1/quotes", &asked);
    call.content_type = XML;
    assert_eq!(world.send(&call).await.code(), "malformed");
}

#[actix_web::test]
async fn an_answer_is_xml_where_that_is_liked_better() {
    let world = world().await;
    for (accept, media) in [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("text/xml", "application/json"),
        ("text/html, */*;q=0.1", "application/json"),
        ("application/json, application/xml", "application/json"),
        ("application/xml;q=0.4, application/json;q=0.5", "application/json"),
        ("application/xml;q=0", "application/json"),
        ("application/xml;q=0.5, */*", "application/json"),
        ("application/xml", XML),
        ("Application/XML; Q=0.001", XML),
        ("application/xml, */*", XML),
        ("application/xml;q=0.9, */*;q=0.8", XML),
        ("application/json;q=0.5, application/xml;q=0.75", XML),
        ("application/json;q=0, application/xml;q=0.1", XML),
        ("application/xml;v=1;q=0.2, application/json;q=0.10", XML),
    ] {
        let call = world.get(aurora(), "/v1/programs").with("accept", accept, false);
        let answer = world.send(&call.signed_answer()).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(media)), "{accept}");
    }
    // What is no JSON stays what it is, and what is for anyone does.
    world.link().await;
    world.order("10", "r-1").await;
    let base = "/v1/corridors/aurora-air~borealis-coffee";
    for (path, accept, media) in [
        (format!("{base}/checkpoint"), XML, "text/plain; charset=utf-8"),
        (
            format!("{base}/receipts"),
            "application/x-ndjson, application/xml",
            "application/x-ndjson",
        ),
        ("/health/live".to_owned(), XML, "application/json"),
        ("/openapi.json".to_owned(), XML, "application/json"),
    ] {
        let answer = world.send(&world.get(aurora(), &path).with("accept", accept, false)).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(media)), "{path}");
    }
    let fields = [("accept".to_owned(), XML.to_owned())];
    let answer = world.raw("GET", "/v1/nothing", &fields, Vec::new()).await;
    assert_eq!(answer.xml(404, "Problem")["instance"], "/v1/nothing");
}

/// Documents and the schema, in a folder that goes when the test does.
struct Documents {
    folder: std::path::PathBuf,
    names: Vec<String>,
}

impl Documents {
    fn new(schema: &[u8]) -> Self {
        let folder = std::env::temp_dir().join(format!("alliance-xml-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("alliance-v1.xsd"), schema).unwrap();
        Self { folder, names: Vec::new() }
    }

    fn add(&mut self, what: &str, document: &[u8]) {
        let name = format!("{}-{what}.xml", self.names.len());
        std::fs::write(self.folder.join(&name), document).unwrap();
        self.names.push(name);
    }

    /// What libxml2 says of each.
    fn check(&self) -> (bool, String) {
        let output = Command::new("xmllint")
            .args(["--noout", "--nonet", "--schema", "alliance-v1.xsd"])
            .args(&self.names)
            .current_dir(&self.folder)
            .output()
            .expect("xmllint is there: tests/run installs it");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

impl Drop for Documents {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[actix_web::test]
async fn requests_and_answers_are_valid_by_the_published_schema() {
    let world = world().await;
    let schema = world.raw("GET", "/xml/alliance-v1.xsd", &[], Vec::new()).await;
    assert_eq!((schema.status, schema.header("content-type")), (200, Some(XML)));
    let mut documents = Documents::new(&schema.body);
    let mut asked = async |call: Call, name: &str, status: u16, answered: &str| {
        let plain = call.clone();
        let call = call.in_xml(name).signed_answer();
        if let Some(body) = &call.body {
            documents.add(name, body);
            let read = read::read(model(), name, body).unwrap();
            let (read, sent): (Value, Value) = (
                serde_json::from_slice(&read).unwrap(),
                serde_json::from_slice(plain.body.as_deref().unwrap()).unwrap(),
            );
            assert_eq!(read, sent, "{name}");
        }
        let answer = world.send(&call).await;
        documents.add(answered, &answer.body);
        // Events say what their types say, which no type of ours does.
        if answered == "EventPage" {
            assert_eq!(answer.status, status);
            return Value::Null;
        }
        let told = answer.xml(status, answered);
        if plain.method == "GET" && status == 200 {
            assert_eq!(world.send(&plain).await.ok(200), told, "{answered}");
        }
        told
    };
    let miles = quote("aurora", "A-1001", "borealis", "B-77", "source", "10");
    let link = json!({"a": {"program": "aurora", "member": "A-1001"},
        "b": {"program": "borealis", "member": "B-77"},
        "consent": {"scope": ["exchange"], "until": null}});
    let link = asked(world.post(aurora(), "/v1/links", link), "LinkRequest", 201, "Link").await;
    let path = format!("/v1/links/{}", link["id"].as_str().unwrap());
    asked(world.get(borealis(), &path), "", 200, "Link").await;
    asked(world.post(borealis(), &format!("{path}/confirm"), "{}"), "Empty", 200, "Link").await;
    asked(world.get(aurora(), "/v1/links?limit=5"), "", 200, "Links").await;
    let coffee = json!({"kind": "redemption",
        "source": {"program": "aurora", "member": "A-1001"},
        "target": {"partner": "borealis-coffee", "item": "latte", "price": "12.5", "cash": "2.5"}});
    let beans = json!({"kind": "accrual", "source": {"partner": "aurora-air"},
        "target": {"program": "borealis", "member": "B-77"},
        "amount": {"side": "target", "value": "7"}});
    let mut made = Vec::new();
    for (at, body) in [miles.clone(), coffee, beans].iter().enumerate() {
        let call = world.post(aurora(), "/v1/quotes", body);
        let quote = asked(call, "QuoteRequest", 201, "Quote").await;
        let (id, token) = (quote["id"].as_str().unwrap(), quote["token"].as_str().unwrap());
        let reference = format!("r-{at}");
        let bytes = order_bytes(id, &reference.parse().unwrap());
        let call = world.post(aurora(), "/v1/transactions", order(token, &reference));
        made.push(asked(call.of_order(&bytes), "OrderRequest", 201, "Transaction").await);
    }
    let id = made[0]["id"].as_str().unwrap();
    let reversal = json!({"reason": "r", "source_reference": "s-1"});
    let request: ReversalRequest = serde_json::from_value(reversal.clone()).unwrap();
    let bytes = reversal_bytes(id.parse().unwrap(), &request);
    let call = world.post(aurora(), &format!("/v1/transactions/{id}/reversals"), &reversal);
    asked(call.of_order(&bytes), "ReversalRequest", 201, "Transaction").await;
    asked(world.get(aurora(), &format!("/v1/transactions/{id}")), "", 200, "Transaction").await;
    // Batches, with a good and a bad one each.
    let wrong = quote("aurora", "A-1001", "borealis", "nobody", "source", "10");
    let body = json!({"quotes": [miles, wrong]});
    let call = world.post(aurora(), "/v1/quotes/batch", body);
    let quotes = asked(call, "QuoteBatchRequest", 200, "QuoteBatch").await;
    let quote = &quotes["results"][0]["quote"];
    let orders = json!({"orders": [
        {"key": "k-1", "quote": quote["token"], "source_reference": "b-1"},
        {"key": "k-2", "quote": "nonsense", "source_reference": "b-2"},
    ]});
    let leaf = |quote: &str, reference: &str| order_bytes(quote, &reference.parse().unwrap());
    let nonsense = world.house.open_token(&"aurora-air".parse().unwrap(), "nonsense").quote;
    let leaves = [leaf(quote["id"].as_str().unwrap(), "b-1"), leaf(&nonsense, "b-2")];
    let root = orders_digest(&orders_root(leaves.iter().map(Vec::as_slice)));
    let call = world.post(aurora(), "/v1/transactions/batch", orders);
    let call = call.with("alliance-orders", root, true);
    asked(call, "OrderBatchRequest", 200, "OrderBatch").await;
    let receipt = made[1]["receipt"]["receipt"]["id"].as_str().unwrap();
    let corridor = "aurora-air~borealis-coffee";
    for (uri, answered) in [
        ("/v1/programs", "Programs"),
        ("/v1/rates", "Rates"),
        ("/v1/campaigns", "Campaigns"),
        ("/v1/agreements", "Agreements"),
        ("/v1/corridors", "Corridors"),
        ("/v1/events", "EventPage"),
        ("/v1/keys", "Keys"),
        ("/v1/partners/keys", "KeyList"),
        ("/v1/webhooks", "Endpoints"),
        ("/v1/windows", "Windows"),
        ("/v1/members/aurora/A-1001/balance", "MemberBalance"),
        (&format!("/v1/members/aurora/A-1001/openings/{corridor}"), "Opening"),
        (&format!("/v1/receipts/{receipt}"), "SignedReceipt"),
        (&format!("/v1/receipts/{receipt}/evidence"), "EvidenceList"),
        (&format!("/v1/corridors/{corridor}/receipts?limit=3"), "ReceiptPage"),
        (&format!("/v1/corridors/{corridor}/proofs/consistency?from=1&to=3"), "Proof"),
    ] {
        asked(world.get(aurora(), uri), "", 200, answered).await;
    }
    let endpoint = json!({"types": ["transaction.completed"], "url": "https://hooks.example/a"});
    let call = world.post(aurora(), "/v1/webhooks", endpoint);
    asked(call, "EndpointRequest", 201, "EndpointWithSecret").await;
    let (valid, said) = documents.check();
    assert!(valid, "{said}");
    // The schema refuses what it should: libxml2 did look.
    let mut others = Documents::new(&schema.body);
    let ns = crate::xml::NAMESPACE;
    for bad in ["<price>1.50</price>", "<kind>gift</kind>", "<more>1</more>"] {
        others.add("bad", format!("<QuoteRequest xmlns=\"{ns}\">{bad}</QuoteRequest>").as_bytes());
    }
    assert!(!others.check().0);
}
