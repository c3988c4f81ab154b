//! From a receipt back to the partner that ordered it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

mod support;

use alliance_partner_sdk::contracts as c;
use alliance_partner_sdk::verify::evidence::{EvidenceFault, verify_evidence};
use c::content_digest::{content_digest, orders_digest};
use c::corridor::{EvidenceDetail, OrderInclusion};
use c::encoding::{Hash, base64_encode};
use c::http_signature::{
    HeaderList, RequestSignatureParams, RequestView, SignatureHeaders, Tag, required_components,
    sign_request,
};
use c::json;
use c::jws::{self, JwsType};
use c::key_list::TrustedKeys;
use c::merkle;
use c::names::SourceReference;
use c::quote::{QuoteClaims, QuoteSide};
use c::receipt::{Evidence, Receipt};
use c::transaction::{OrderRequest, ReversalRequest, order_bytes, orders_root, reversal_bytes};
use support::{gateway, jwk, key, partner_key, root, start};

fn partner_keys() -> TrustedKeys {
    let mut entry = jwk(&partner_key());
    entry.partner = Some("aurora-air".to_owned());
    let list = support::list(1, Hash::ZERO, vec![entry]);
    list.verify(root().public_key()).unwrap()
}

fn sign(path: &str, body: &[u8], orders: Option<&str>) -> SignatureHeaders {
    let mut headers = HeaderList::default();
    headers.push("content-type", b"application/json");
    headers.push("content-digest", content_digest(body).as_bytes());
    headers.push("idempotency-key", b"auto_1");
    let mut components = required_components("POST").to_vec();
    if let Some(orders) = orders {
        headers.push("alliance-orders", orders.as_bytes());
        components.push("alliance-orders");
    }
    let (method, authority) = ("POST", "gateway.example");
    let view = RequestView { method, authority, path, query: None, headers: &headers };
    let params =
        RequestSignatureParams { created: start(), expires: None, nonce: None, tag: Tag::Request };
    sign_request(&view, &components, &params, &partner_key()).unwrap()
}

fn reference() -> SourceReference {
    "booking-1".parse().unwrap()
}

fn token(receipt: &Receipt) -> String {
    let side =
        |side: &c::receipt::ReceiptSide| -> QuoteSide { side.clone().map(|_| "sealed".to_owned()) };
    let claims = QuoteClaims {
        alliance: receipt.alliance.clone(),
        bonus: None,
        expiry: None,
        caller: receipt.source.partner().clone(),
        expires_at: start().plus_seconds(60),
        id: receipt.quote.unwrap(),
        kind: receipt.kind,
        rate: receipt.rate.clone(),
        segment: None,
        settlement: receipt.settlement.clone(),
        source: side(&receipt.source),
        target: side(&receipt.target),
        tier: None,
    };
    jws::sign(JwsType::Quote, &json::canonical(&claims), &gateway())
}

/// The receipt with this evidence in it, and what the gateway would answer about it.
fn proven(
    mut receipt: Receipt,
    signed: &SignatureHeaders,
    order: &[u8],
    body: Option<&[u8]>,
    inclusion: Option<OrderInclusion>,
) -> (Receipt, EvidenceDetail) {
    let evidence = Evidence {
        base: Hash::of(&signed.base),
        kid: partner_key().kid().clone(),
        partner: "aurora-air".parse().unwrap(),
        signature: base64_encode(&signed.signature_bytes),
    };
    receipt.order = Hash::of(order);
    receipt.evidence = vec![evidence.clone()];
    let detail = EvidenceDetail {
        base: base64_encode(&signed.base),
        body: body.map(base64_encode),
        evidence,
        inclusion,
        order: Some(base64_encode(order)),
    };
    (receipt, detail)
}

fn exchange() -> (Receipt, EvidenceDetail) {
    let receipt = support::receipt(1, Hash::ZERO);
    let request = OrderRequest { quote: token(&receipt), source_reference: reference() };
    let body = json::canonical(&request);
    let order = order_bytes(&receipt.quote.unwrap().to_string(), &reference());
    proven(receipt, &sign("/v1/transactions", &body, None), &order, Some(&body), None)
}

#[test]
fn an_order_leads_back_to_its_partner() {
    let (receipt, detail) = exchange();
    assert_eq!(verify_evidence(&receipt, &detail, &partner_keys()), Ok(()));
}

#[test]
fn a_reversal_leads_back_to_its_partner() {
    let receipt = support::receipt(4, Hash::ZERO);
    let original = receipt.reverses.unwrap();
    let request = ReversalRequest {
        amount: None,
        reason: "goodwill".parse().unwrap(),
        source_reference: reference(),
    };
    let body = json::canonical(&request);
    let order = reversal_bytes(original, &request);
    let path = format!("/v1/transactions/{original}/reversals");
    let signed = sign(&path, &body, None);
    let (receipt, detail) = proven(receipt, &signed, &order, Some(&body), None);
    assert_eq!(verify_evidence(&receipt, &detail, &partner_keys()), Ok(()));
    // The same body sent to another original is another order.
    let elsewhere = "/v1/transactions/txn_01h455vb4pex5vsknk084sn02q/reversals";
    let signed = sign(elsewhere, &body, None);
    let (receipt, detail) = proven(receipt, &signed, &order, Some(&body), None);
    assert_eq!(verify_evidence(&receipt, &detail, &partner_keys()), Err(EvidenceFault::Body));
}

#[test]
fn an_order_out_of_a_batch_leads_back_to_its_partner() {
    let receipt = support::receipt(1, Hash::ZERO);
    let order = order_bytes(&receipt.quote.unwrap().to_string(), &reference());
    let orders = [b"another".to_vec(), order.clone(), b"and another".to_vec()];
    let root = orders_root(orders.iter().map(Vec::as_slice));
    let leaves: Vec<_> = orders.iter().map(|order| merkle::leaf_hash(order)).collect();
    let path = merkle::inclusion_path_of(&leaves, 1);
    let hashes = path.iter().map(|hash| base64_encode(hash.as_ref())).collect();
    let inclusion = OrderInclusion { hashes, index: 1, size: 3 };
    let signed = sign("/v1/transactions/batch", b"{}", Some(&orders_digest(&root)));
    let (receipt, detail) = proven(receipt, &signed, &order, None, Some(inclusion));
    assert_eq!(verify_evidence(&receipt, &detail, &partner_keys()), Ok(()));
    let mut elsewhere = detail.clone();
    elsewhere.inclusion.as_mut().unwrap().index = 0;
    assert!(matches!(
        verify_evidence(&receipt, &elsewhere, &partner_keys()),
        Err(EvidenceFault::Inclusion(_))
    ));
    let signed = sign("/v1/transactions/batch", b"{}", None);
    let (receipt, detail) = proven(receipt, &signed, &order, None, detail.inclusion);
    let refused = verify_evidence(&receipt, &detail, &partner_keys());
    assert!(matches!(refused, Err(EvidenceFault::Digest(_))));
}

#[test]
fn evidence_of_anything_else_is_refused() {
    let (receipt, detail) = exchange();
    let refused = |alter: &dyn Fn(&mut Receipt, &mut EvidenceDetail)| {
        let (mut receipt, mut detail) = (receipt.clone(), detail.clone());
        alter(&mut receipt, &mut detail);
        verify_evidence(&receipt, &detail, &partner_keys()).unwrap_err()
    };
    assert_eq!(refused(&|r, _| r.evidence.clear()), EvidenceFault::NotOfReceipt);
    assert_eq!(refused(&|_, d| d.base = base64_encode(b"x")), EvidenceFault::Base);
    assert_eq!(refused(&|r, _| r.order = Hash::of(b"x")), EvidenceFault::Order);
    assert_eq!(refused(&|_, d| d.body = None), EvidenceFault::Nothing);
    assert!(matches!(refused(&|_, d| d.order = Some("=".to_owned())), EvidenceFault::Encoding(_)));
    assert!(matches!(
        refused(&|_, d| d.body = Some(base64_encode(b"{}"))),
        EvidenceFault::Digest(_)
    ));
    let unsigned = |r: &mut Receipt, d: &mut EvidenceDetail| {
        d.evidence.signature = base64_encode(&[0; 64]);
        r.evidence = vec![d.evidence.clone()];
    };
    assert_eq!(refused(&unsigned), EvidenceFault::BadSignature);
    let elses = |r: &mut Receipt, d: &mut EvidenceDetail| {
        d.evidence.partner = "borealis-coffee".parse().unwrap();
        r.evidence = vec![d.evidence.clone()];
    };
    assert!(matches!(refused(&elses), EvidenceFault::UnknownKey { .. }));
    let unknown = |r: &mut Receipt, d: &mut EvidenceDetail| {
        d.evidence.kid = key(9).kid().clone();
        r.evidence = vec![d.evidence.clone()];
    };
    assert!(matches!(refused(&unknown), EvidenceFault::UnknownKey { .. }));
}

#[test]
fn a_revoked_partner_key_still_binds_to_what_it_signed_before() {
    let (receipt, detail) = exchange();
    let with = |revoked_at| {
        let mut entry = jwk(&partner_key());
        entry.partner = Some("aurora-air".to_owned());
        entry.revoked_at = Some(revoked_at);
        let list = support::list(1, Hash::ZERO, vec![entry]);
        verify_evidence(&receipt, &detail, &list.verify(root().public_key()).unwrap())
    };
    assert_eq!(with(receipt.completed_at.plus_seconds(1)), Ok(()));
    assert!(matches!(with(receipt.completed_at), Err(EvidenceFault::KeyNotValid { .. })));
}
