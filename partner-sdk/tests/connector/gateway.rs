//! A gateway made of a key: signs calls, and verifies what is answered.

use alliance_partner_sdk::connector::{Answer, Connector, Request, Service};
use alliance_partner_sdk::contracts as c;
use c::connector::{
    Benefit, CancelCall, CaptureCall, CreditCall, Operation, ReleaseCall, ReserveCall, Step,
};
use c::content_digest::{content_digest, verify_content_digest};
use c::http_signature::{
    HeaderList, Headers, RequestBinding, RequestSignatureParams, RequestView, ResponseView, Tag,
    label_and_signature, parse_response, required_components, sign_request,
};
use c::ids::TransactionId;
use c::json;
use c::keys::SigningKey;
use c::quote::TransactionKind;
use c::time::Timestamp;
use serde::Serialize;
use serde_json::Value;

pub const NOW: Timestamp = Timestamp::from_millis(1_795_406_706_789);
pub const NAME: &str = "brand.example:8443";

pub fn gateway_key() -> SigningKey {
    SigningKey::from_seed(&[2; 32])
}

pub fn brand_key() -> SigningKey {
    SigningKey::from_seed(&[3; 32])
}

pub fn transaction(number: u128) -> TransactionId {
    TransactionId::from_u128((0x0190_0000_0000 << 80) | (7 << 76) | (0b10 << 62) | number)
}

/// How a call is signed, and what for; every fault begins here.
pub struct Signing<'a> {
    pub authority: &'a str,
    pub components: &'a [&'a str],
    pub created: Timestamp,
    pub expires: Option<Timestamp>,
    pub key: SigningKey,
    pub tag: Tag,
}

impl Default for Signing<'_> {
    fn default() -> Self {
        Self {
            authority: NAME,
            components: required_components("POST"),
            created: NOW,
            expires: None,
            key: gateway_key(),
            tag: Tag::Callback,
        }
    }
}

/// A call, signed; `key` is its `Idempotency-Key`.
pub fn signed(route: &str, key: Option<&str>, body: &[u8], how: &Signing<'_>) -> Request {
    let mut headers = HeaderList::default();
    headers.push("host", NAME.as_bytes());
    let method = if key.is_some() { "POST" } else { "GET" };
    if let Some(key) = key {
        headers.push("content-type", b"application/json");
        headers.push("content-digest", content_digest(body).as_bytes());
        headers.push("idempotency-key", key.as_bytes());
    }
    let path = format!("/alliance/{route}");
    let view = RequestView {
        method,
        authority: how.authority,
        path: &path,
        query: None,
        headers: &headers,
    };
    let params = RequestSignatureParams {
        created: how.created,
        expires: how.expires,
        nonce: None,
        tag: how.tag,
    };
    let components = if key.is_some() { how.components } else { required_components("GET") };
    let signature = sign_request(&view, components, &params, &how.key).unwrap();
    headers.push("signature-input", signature.signature_input.as_bytes());
    headers.push("signature", signature.signature.as_bytes());
    Request { body: body.to_vec(), headers, method: method.to_owned(), path, query: None }
}

/// A call as the gateway makes it.
pub fn call(step: Step, transaction: TransactionId, body: &impl Serialize) -> Request {
    let key = format!("{transaction}.{step}");
    signed(step.as_str(), Some(&key), &json::canonical(body), &Signing::default())
}

pub fn question(key: &str) -> Request {
    signed(&format!("operations/{key}"), None, b"", &Signing::default())
}

pub fn operation_question(transaction: TransactionId, step: &str) -> Request {
    question(&format!("{transaction}.{step}"))
}

pub fn reserve(transaction: TransactionId, member: &str, points: &str) -> Request {
    call(Step::Reserve, transaction, &reserve_call(transaction, member, points))
}

pub fn reserve_call(transaction: TransactionId, member: &str, points: &str) -> ReserveCall {
    ReserveCall {
        amount: points.parse().unwrap(),
        counterparty: "aurora-air".parse().unwrap(),
        kind: TransactionKind::Exchange,
        member: member.parse().unwrap(),
        program: "borealis".parse().unwrap(),
        reverses: None,
        transaction,
    }
}

pub fn capture(transaction: TransactionId, reservation: &str) -> Request {
    let reservation = reservation.parse().unwrap();
    call(Step::Capture, transaction, &CaptureCall { reservation, transaction })
}

pub fn release(transaction: TransactionId, reservation: &str) -> Request {
    let reservation = reservation.parse().unwrap();
    call(Step::Release, transaction, &ReleaseCall { reservation, transaction })
}

pub fn credit(transaction: TransactionId, member: &str, points: &str) -> Request {
    let body = CreditCall {
        amount: points.parse().unwrap(),
        benefit: None,
        counterparty: "aurora-air".parse().unwrap(),
        expiry: None,
        kind: TransactionKind::Exchange,
        member: Some(member.parse().unwrap()),
        program: Some("borealis".parse().unwrap()),
        reverses: None,
        transaction,
    };
    call(Step::Credit, transaction, &body)
}

pub fn benefit(transaction: TransactionId, item: &str, paid: &str) -> Request {
    let body = CreditCall {
        amount: paid.parse().unwrap(),
        benefit: Some(Benefit {
            cash: "0".parse().unwrap(),
            currency: "CNY".parse().unwrap(),
            item: item.parse().unwrap(),
            price: paid.parse().unwrap(),
        }),
        counterparty: "aurora-air".parse().unwrap(),
        expiry: None,
        kind: TransactionKind::Redemption,
        member: None,
        program: None,
        reverses: None,
        transaction,
    };
    call(Step::Credit, transaction, &body)
}

pub fn cancel(
    transaction: TransactionId,
    reverses: TransactionId,
    reference: Option<&str>,
    amount: &str,
) -> Request {
    let body = CancelCall {
        amount: amount.parse().unwrap(),
        counterparty: "aurora-air".parse().unwrap(),
        reference: reference.map(|text| text.parse().unwrap()),
        reverses,
        transaction,
    };
    call(Step::Cancel, transaction, &body)
}

/// An answer whose signature holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    pub body: Value,
    pub replayed: bool,
    pub status: u16,
}

/// The answer, if it is the brand's own and bound to this request.
pub fn verified(request: &Request, answer: &Answer) -> Result<Heard, String> {
    let mut headers = HeaderList::default();
    for (name, value) in &answer.headers {
        headers.push(name, value.as_bytes());
    }
    let (label, signature) = label_and_signature(&request.headers, Tag::Callback)
        .ok_or("the request is not signed as a call")?;
    let binding = RequestBinding {
        view: RequestView {
            method: &request.method,
            authority: NAME,
            path: &request.path,
            query: request.query.as_deref(),
            headers: &request.headers,
        },
        label: &label,
        signature: &signature,
    };
    let response = ResponseView { status: answer.status, headers: &headers };
    let signed = parse_response(&response, &binding, Tag::CallbackResponse, NOW)
        .map_err(|error| error.to_string())?;
    signed.verify(brand_key().public_key()).map_err(|error| error.to_string())?;
    verify_content_digest(&headers.values("content-digest"), &answer.body)
        .map_err(|error| error.to_string())?;
    Ok(Heard {
        body: serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?,
        replayed: !headers.values("idempotency-replayed").is_empty(),
        status: answer.status,
    })
}

/// Calls, and insists on a signed answer.
pub async fn ask<C: Connector>(service: &Service<C>, request: Request) -> Heard {
    let answer = service.answer(request.clone()).await;
    verified(&request, &answer).unwrap_or_else(|fault| panic!("{fault}: {answer:?}"))
}

pub async fn operation<C: Connector>(service: &Service<C>, key: &str) -> Operation {
    let heard = ask(service, question(key)).await;
    assert_eq!(heard.status, 200);
    serde_json::from_value(heard.body).unwrap()
}
