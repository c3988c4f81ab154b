//! The partner's own keys: what is sent, and with which key.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

mod support;

use alliance_partner_sdk::client::Client;
use alliance_partner_sdk::contracts as c;
use c::encoding::base64url_encode;
use c::json;
use c::keys::{Kid, SigningKey};
use c::partner_key::{
    KeyRegistration, KeyRequest, KeyScope, KeyUses, KeyView, RetireKeyRequest, RevokeKeyRequest,
    RevokedKey, UseCursor,
};
use serde::Serialize;
use support::{ALLIANCE, key, partner_key, start};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

fn view(key: &SigningKey) -> KeyView {
    KeyView {
        added_at: Some(start()),
        exp: None,
        in_force: true,
        kid: key.kid().clone(),
        nbf: Some(start()),
        revoked_at: None,
        scope: KeyScope::Trade,
        x: base64url_encode(key.public_key().as_bytes()),
    }
}

fn uses() -> KeyUses {
    KeyUses { items: Vec::new(), more: false, next_after: None }
}

async fn answers(server: &MockServer, verb: &str, at: &str, body: &impl Serialize) {
    let answer = ResponseTemplate::new(200).set_body_raw(json::canonical(body), "application/json");
    Mock::given(method(verb)).and(path(at)).respond_with(answer).mount(server).await;
}

fn client(server: &MockServer) -> Client {
    let builder = Client::builder(&server.uri()).partner("aurora-air").key(partner_key());
    builder.alliance(ALLIANCE).clock(start).build().unwrap()
}

async fn last(server: &MockServer) -> Request {
    server.received_requests().await.unwrap().pop().unwrap()
}

fn signer(request: &Request) -> String {
    let input = request.headers.get("signature-input").unwrap().to_str().unwrap();
    let (_, rest) = input.split_once("keyid=\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_registration_is_signed_by_the_key_that_it_registers_and_sent_under_the_clients() {
    let server = MockServer::start().await;
    let new = key(50);
    answers(&server, "POST", "/v1/keys", &view(&new)).await;
    let client = client(&server);
    let asked = client.key_registration(&new, KeyScope::Trade).await.unwrap();
    assert_eq!(client.register_key(&asked, &new).await.unwrap(), view(&new));
    let request = last(&server).await;
    let sent: KeyRequest = json::read(&request.body).unwrap();
    let (alliance, partner) = (ALLIANCE.parse().unwrap(), "aurora-air".parse().unwrap());
    let proven = KeyRegistration::prove(&sent.jws, &alliance, &partner).unwrap();
    assert_eq!((proven.registration(), proven.public()), (&asked, new.public_key()));
    assert_eq!(signer(&request), partner_key().kid().as_str());
}

#[tokio::test]
async fn another_key_signs_for_all_clones_from_the_next_call_on() {
    let server = MockServer::start().await;
    let (old, new) = (partner_key(), key(50));
    let at = format!("/v1/keys/{}/retire", old.kid());
    answers(&server, "POST", &at, &view(&old)).await;
    let first = client(&server);
    let second = first.clone();
    let call = second.retire_key(old.kid(), start());
    call.clone().await.unwrap();
    let request = last(&server).await;
    let sent: RetireKeyRequest = json::read(&request.body).unwrap();
    assert_eq!((signer(&request), sent.at), (old.kid().to_string(), start()));
    first.use_key(key(50));
    assert_eq!((second.kid(), first.kid()), (new.kid().clone(), new.kid().clone()));
    call.await.unwrap();
    assert_eq!(signer(&last(&server).await), new.kid().as_str());
    assert!(format!("{second:?}").contains(new.kid().as_str()));
}

#[tokio::test]
async fn what_a_key_was_accepted_for_is_asked_from_a_time_and_a_place_on() {
    let server = MockServer::start().await;
    let kid: Kid = key(50).kid().clone();
    answers(&server, "GET", &format!("/v1/keys/{kid}/uses"), &uses()).await;
    let revoked = RevokedKey { key: view(&key(50)), uses: uses() };
    answers(&server, "POST", &format!("/v1/keys/{kid}/revoke"), &revoked).await;
    let client = client(&server);
    assert_eq!(client.revoke_key(&kid, Some(start())).await.unwrap(), revoked);
    let sent: RevokeKeyRequest = json::read(&last(&server).await.body).unwrap();
    assert_eq!(sent.since, Some(start()));
    let request = "req_01h455vb4pex5vsknk084sn02q".parse().unwrap();
    let after = UseCursor { received_at: start(), request };
    for (since, after, query) in [
        (None, None, None),
        (Some(start()), None, Some(format!("since={}", start()))),
        (None, Some(after), Some(format!("after={after}"))),
        (Some(start()), Some(after), Some(format!("since={}&after={after}", start()))),
    ] {
        assert_eq!(client.key_uses(&kid, since, after).await.unwrap(), uses());
        assert_eq!(last(&server).await.url.query().map(str::to_owned), query);
    }
}
