//! What is listened to, and what is told to whom it is not.

use alliance_partner_sdk::connector::{MemoryStore, Request, Service};
use alliance_partner_sdk::contracts as c;
use c::connector::Step;
use c::http_signature::{Tag, required_components};
use c::keys::SigningKey;
use c::time::Timestamp;
use serde_json::json;

use super::gateway::{
    NOW, Signing, ask, brand_key, call, credit, question, release, reserve, reserve_call, signed,
    transaction, verified,
};
use super::shop::{Counting, Shop};

type Memory = MemoryStore<i64>;

fn shop() -> (Service<Shop<Memory>>, Memory) {
    let store = Memory::new(0);
    (Shop::new().open(store.clone()), store)
}

fn key() -> String {
    format!("{}.reserve", transaction(1))
}

fn body() -> Vec<u8> {
    c::json::canonical(&reserve_call(transaction(1), "A-1", "10"))
}

fn signed_so(how: &Signing<'_>) -> Request {
    signed("reserve", Some(&key()), &body(), how)
}

/// The call, and then something done to it that its signature does not know.
fn altered(change: impl FnOnce(&mut Request)) -> Request {
    let mut request = signed_so(&Signing::default());
    change(&mut request);
    request
}

fn set(request: &mut Request, name: &str, value: &[u8]) {
    request.headers.0.retain(|(field, _)| field != name);
    request.headers.push(name, value);
}

/// Every way in which a call is not the gateway's; what is answered, and that nothing is done.
#[tokio::test]
async fn a_call_that_the_gateway_has_not_signed_for_us_now_has_no_effect() {
    let later = |seconds| NOW.plus_seconds(seconds);
    let without = |name: &str| -> Vec<&'static str> {
        let all = required_components("POST").iter();
        all.copied().filter(|component| *component != name).collect()
    };
    let lacking = |name| signed_so(&Signing { components: &without(name), ..Signing::default() });
    let aged = |created: Timestamp| signed_so(&Signing { created, ..Signing::default() });
    let cases: Vec<(&str, u16, &str, Request)> = vec![
        ("another's key", 401, "signature_invalid", {
            signed_so(&Signing { key: SigningKey::from_seed(&[9; 32]), ..Signing::default() })
        }),
        ("the brand's own key", 401, "signature_invalid", {
            signed_so(&Signing { key: brand_key(), ..Signing::default() })
        }),
        ("another host", 401, "signature_invalid", {
            signed_so(&Signing { authority: "other.example", ..Signing::default() })
        }),
        ("five minutes old", 401, "signature_expired", aged(later(-301))),
        ("ahead of us", 401, "signature_expired", aged(later(62))),
        ("past its own end", 401, "signature_expired", {
            signed_so(&Signing { expires: Some(later(-1)), ..Signing::default() })
        }),
        ("without its path", 401, "signature_incomplete", lacking("@path")),
        ("without its digest", 401, "signature_incomplete", lacking("content-digest")),
        ("without its key", 401, "signature_incomplete", lacking("idempotency-key")),
        ("another body", 401, "signature_invalid", {
            altered(|request| request.body = body().to_ascii_uppercase())
        }),
        ("another body and digest", 401, "signature_invalid", {
            altered(|request| {
                request.body = b"{}".to_vec();
                let digest = c::content_digest::content_digest(b"{}");
                set(request, "content-digest", digest.as_bytes());
            })
        }),
        ("another path", 401, "signature_invalid", {
            altered(|request| request.path = "/alliance/credit".to_owned())
        }),
        ("another prefix", 401, "signature_invalid", {
            altered(|request| request.path = "/reserve".to_owned())
        }),
        ("another key", 401, "signature_invalid", {
            altered(|request| set(request, "idempotency-key", b"other"))
        }),
        ("a query", 401, "signature_invalid", {
            altered(|request| request.query = Some("x=1".to_owned()))
        }),
        ("packed", 415, "unsupported_media_type", {
            altered(|request| set(request, "content-encoding", b"gzip"))
        }),
        ("not JSON", 415, "unsupported_media_type", {
            altered(|request| set(request, "content-type", b"text/plain"))
        }),
    ];
    let (service, store) = shop();
    for (case, status, code, request) in cases {
        let heard = ask(&service, request).await;
        assert_eq!((heard.status, &heard.body["code"]), (status, &json!(code)), "{case}");
    }
    assert_eq!(store.counted().await, 0);
    let good = ask(&service, signed_so(&Signing::default())).await;
    assert_eq!((good.status, good.replayed), (200, false), "nothing was kept either");
}

#[tokio::test]
async fn a_call_that_no_answer_can_be_bound_to_is_refused_unsigned() {
    let (service, store) = shop();
    let unsigned = altered(|request| request.headers.0.retain(|(name, _)| name != "signature"));
    let partners = signed_so(&Signing { tag: Tag::Request, ..Signing::default() });
    // Which of two keys would be bound?
    let twice = altered(|request| request.headers.push("idempotency-key", key().as_bytes()));
    for (request, status) in [(unsigned, 401), (partners, 401), (twice, 400)] {
        let answer = service.answer(request).await;
        assert_eq!(answer.status, status);
        assert!(answer.headers.iter().all(|(name, _)| *name != "signature"), "{answer:?}");
    }
    assert_eq!(store.counted().await, 0);
}

#[tokio::test]
async fn a_call_that_cannot_be_understood_is_told_so_and_has_no_effect() {
    let reserve_body = || serde_json::to_value(reserve_call(transaction(1), "A-1", "10")).unwrap();
    let with = |name: &str, value: serde_json::Value| {
        let mut body = reserve_body();
        body[name] = value;
        call(Step::Reserve, transaction(1), &body)
    };
    let credit_with = |name: &str| {
        let mut body: serde_json::Value =
            serde_json::from_slice(&credit(transaction(1), "A-1", "5").body).unwrap();
        body[name] = serde_json::Value::Null;
        call(Step::Credit, transaction(1), &body)
    };
    let named = |route: &str, key: &str| signed(route, Some(key), &body(), &Signing::default());
    let cases: Vec<(&str, u16, Request)> = vec![
        ("a field too many", 400, with("tip", json!("1"))),
        ("a number for an amount", 400, with("amount", json!(10))),
        ("no points", 400, with("amount", json!("0"))),
        ("fewer than none", 400, with("amount", json!("-1"))),
        ("a member that is none", 400, with("member", json!("a b"))),
        ("no program", 400, credit_with("program")),
        ("no member", 400, credit_with("member")),
        (
            "another transaction's key",
            400,
            named("reserve", &format!("{}.reserve", transaction(2))),
        ),
        ("another step's key", 400, named("reserve", &format!("{}.credit", transaction(1)))),
        ("no key of a step", 400, named("reserve", "some-key")),
        ("a step that is none", 404, named("refund", &key())),
        ("a question about no key", 400, question("some-key")),
        ("a question by POST", 405, named(&format!("operations/{}", key()), &key())),
        ("a step by GET", 405, signed("reserve", None, b"", &Signing::default())),
    ];
    let (service, store) = shop();
    for (case, status, request) in cases {
        let heard = ask(&service, request).await;
        assert_eq!(heard.status, status, "{case}: {heard:?}");
    }
    assert_eq!(store.counted().await, 0);
}

#[tokio::test]
async fn two_spellings_of_one_call_are_one_call() {
    let (service, store) = shop();
    ask(&service, reserve(transaction(1), "A-1", "10")).await;
    let spaced = serde_json::to_vec_pretty(&reserve_call(transaction(1), "A-1", "10")).unwrap();
    let again = ask(&service, signed("reserve", Some(&key()), &spaced, &Signing::default())).await;
    assert_eq!((again.status, again.replayed), (200, true));
    assert_eq!(store.counted().await, 1);
}

#[tokio::test]
async fn an_answer_is_evidence_for_its_own_call_alone() {
    let (service, _) = shop();
    let (first, second) = (reserve(transaction(1), "A-1", "10"), release(transaction(1), "hold-1"));
    let answer = service.answer(first.clone()).await;
    assert!(verified(&first, &answer).is_ok());
    assert!(verified(&second, &answer).is_err());
    // The same call signed another time is another request.
    let how = Signing { created: NOW.plus_seconds(-5), ..Signing::default() };
    assert!(verified(&signed_so(&how), &answer).is_err());
    let mut lie = answer.clone();
    lie.body = b"{\"reservation\":\"another\"}".to_vec();
    assert!(verified(&first, &lie).is_err());
    lie.body = answer.body;
    lie.status = 409;
    assert!(verified(&first, &lie).is_err());
}
