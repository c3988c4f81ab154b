//! Agreements: what is verified before anything is signed, and what is sent.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

mod support;

use alliance_partner_sdk::Error;
use alliance_partner_sdk::client::{AgreementFilter, Client, ConfigError, VerificationError};
use alliance_partner_sdk::contracts as c;
use alliance_partner_sdk::verify::agreement::{AgreementFault, verify_agreement, verify_proposal};
use c::agreement::{
    Agreement, AgreementError, AgreementRequest, AgreementState, AgreementView, Agreements,
};
use c::encoding::Hash;
use c::json;
use c::key_list::{Jwk, KeyList, KeyStatement, TrustedKeys};
use c::keys::{Kid, SigningKey, pkcs8_pem_from_seed};
use support::{ALLIANCE, gateway, gateway_list, jwk, key, root, start};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

const AURORA: u8 = 11;
const BOREALIS: u8 = 12;
const ID: &str = "agr_01h455vb4pex5vsknk084sn02q";

fn draft() -> Agreement {
    serde_json::from_value(serde_json::json!({
        "a": "aurora-air", "alliance": ALLIANCE, "b": "borealis-coffee",
        "effective_at": start().plus_seconds(86_400), "expiry": "fresh",
        "fee": {"bearer": "member", "rate": "0.01"}, "kinds": ["exchange"],
        "previous": Hash::ZERO, "quote_lifetime_seconds": 60, "reversal_period_seconds": 0,
        "v": 1, "version": 1,
    }))
    .unwrap()
}

/// As aurora-air has proposed it.
fn proposed() -> AgreementView {
    AgreementView {
        a_jws: Some(draft().sign(&key(AURORA))),
        agreement: draft(),
        b_jws: None,
        countersigned_at: None,
        id: ID.parse().unwrap(),
        in_force: false,
        proposed_at: start(),
        proposed_by: "aurora-air".parse().unwrap(),
        state: AgreementState::Proposed,
    }
}

fn active() -> AgreementView {
    AgreementView {
        b_jws: Some(draft().sign(&key(BOREALIS))),
        countersigned_at: Some(start().plus_seconds(60)),
        state: AgreementState::Active,
        ..proposed()
    }
}

fn partner_list() -> KeyList {
    let of = |seed: u8, partner: &str, scope: &str| Jwk {
        partner: Some(partner.to_owned()),
        scope: Some(scope.to_owned()),
        ..jwk(&key(seed))
    };
    let keys = vec![
        of(AURORA, "aurora-air", "full"),
        of(BOREALIS, "borealis-coffee", "full"),
        of(13, "borealis-coffee", "read"),
    ];
    let alliance = ALLIANCE.to_owned();
    KeyStatement { alliance, keys, number: 1, previous: Hash::ZERO }.publish(&gateway())
}

fn partners() -> TrustedKeys {
    partner_list().verify_partners(&support::keys()).unwrap()
}

#[test]
fn an_agreement_is_verified_from_what_was_kept_and_nothing_else() {
    let good = verify_agreement(&active(), &partners()).unwrap();
    assert_eq!((good.agreement, good.hash), (draft(), draft().hash()));
    let fault = |bend: fn(&mut AgreementView)| {
        let mut view = active();
        bend(&mut view);
        verify_agreement(&view, &partners()).unwrap_err()
    };
    let unsigned = fault(|view| view.b_jws = None);
    assert_eq!(unsigned, AgreementFault::Unsigned("borealis-coffee".to_owned()));
    let copied = fault(|view| view.agreement.fee.rate = "0.5".parse().unwrap());
    assert_eq!(copied, AgreementFault::Differs);
    let other = fault(|view| {
        let mut other = draft();
        other.fee.rate = "0.5".parse().unwrap();
        view.b_jws = Some(other.sign(&key(BOREALIS)));
    });
    assert_eq!(other, AgreementFault::Signed(AgreementError::Differs));
    let unknown = |fault: &AgreementFault| {
        matches!(fault, AgreementFault::Signed(AgreementError::UnknownKey { .. }))
    };
    assert!(unknown(&fault(|view| view.b_jws = Some(draft().sign(&key(13))))), "it only reads");
    assert!(unknown(&fault(|view| view.b_jws.clone_from(&view.a_jws))), "twice the same");
    // Times go with who signed when.
    let before_its_key =
        fault(|view| view.proposed_at = "2025-01-01T00:00:00.000Z".parse().unwrap());
    assert!(matches!(
        before_its_key,
        AgreementFault::Signed(AgreementError::UnknownKey { partner, .. }) if partner == draft().a
    ));
    let proposal = verify_proposal(&proposed(), &partners()).unwrap();
    assert_eq!(proposal.hash, draft().hash());
}

async fn gateway_with(view: &AgreementView) -> MockServer {
    let server = MockServer::start().await;
    let answer = |body: Vec<u8>| ResponseTemplate::new(200).set_body_raw(body, "application/json");
    for (at, body) in [
        ("/.well-known/jwks.json", serde_json::to_vec(&gateway_list()).unwrap()),
        ("/v1/partners/keys", serde_json::to_vec(&partner_list()).unwrap()),
        (&*format!("/v1/agreements/{ID}"), json::canonical(view)),
    ] {
        Mock::given(method("GET")).and(path(at)).respond_with(answer(body)).mount(&server).await;
    }
    let done = answer(json::canonical(view));
    Mock::given(method("POST")).respond_with(done).mount(&server).await;
    server
}

fn client(server: &MockServer, partner: &str, seed: u8) -> Client {
    Client::builder(&server.uri())
        .partner(partner)
        .key_pem(pkcs8_pem_from_seed(&[seed; 32]))
        .root(c::encoding::base64url_encode(root().public_key().as_bytes()))
        .alliance(ALLIANCE)
        .verify_answers(false)
        .build()
        .unwrap()
}

async fn sent(server: &MockServer) -> Vec<(String, Agreement, Kid)> {
    let requests = server.received_requests().await.unwrap();
    let posts = requests.into_iter().filter(|request| request.method.as_str() == "POST");
    posts
        .map(|request| {
            let body: AgreementRequest = json::read(&request.body).unwrap();
            let (signed, agreement) = c::agreement::read_signed(&body.jws).unwrap();
            (request.url.path().to_owned(), agreement, signed.kid)
        })
        .collect()
}

fn kid(key: &SigningKey) -> Kid {
    key.kid().clone()
}

#[tokio::test]
async fn what_is_countersigned_is_what_was_verified() {
    let server = gateway_with(&proposed()).await;
    let borealis = client(&server, "borealis-coffee", BOREALIS);
    let reviewed = borealis.review_agreement(ID.parse().unwrap()).await.unwrap();
    assert_eq!((reviewed.agreement(), *reviewed.hash()), (&draft(), draft().hash()));
    assert!(sent(&server).await.is_empty(), "looking signs nothing");
    borealis.countersign_agreement(&reviewed).await.unwrap();
    let path = format!("/v1/agreements/{ID}/countersign");
    assert_eq!(sent(&server).await, [(path, draft(), kid(&key(BOREALIS)))]);
}

#[tokio::test]
async fn nothing_is_signed_that_its_proposer_has_not_signed_or_that_is_ones_own() {
    let forged = [
        AgreementView { a_jws: Some(draft().sign(&key(99))), ..proposed() },
        AgreementView { a_jws: None, ..proposed() },
        {
            let mut shown = proposed();
            shown.agreement.fee.rate = "0.001".parse().unwrap();
            shown
        },
        AgreementView { id: "agr_01h455vb4pex5vsknk084sn02r".parse().unwrap(), ..proposed() },
    ];
    for view in forged {
        let server = gateway_with(&view).await;
        let borealis = client(&server, "borealis-coffee", BOREALIS);
        let refused = borealis.review_agreement(ID.parse().unwrap()).await;
        assert!(matches!(refused, Err(Error::Verification(_))), "{refused:?}");
        assert!(sent(&server).await.is_empty());
    }
    let server = gateway_with(&proposed()).await;
    let own = client(&server, "aurora-air", AURORA);
    let refused = own.review_agreement(ID.parse().unwrap()).await;
    assert!(matches!(refused, Err(Error::Config(ConfigError::Request(_)))), "{refused:?}");
}

#[tokio::test]
async fn a_proposal_is_signed_with_the_clients_key() {
    let server = gateway_with(&proposed()).await;
    let aurora = client(&server, "aurora-air", AURORA);
    let view = aurora.propose_agreement(&draft()).await.unwrap();
    assert_eq!(view, proposed());
    assert_eq!(sent(&server).await, [("/v1/agreements".to_owned(), draft(), kid(&key(AURORA)))]);
    let unsigned = aurora.verify_agreement(&view).await;
    let Err(Error::Verification(VerificationError::Agreement(fault))) = unsigned else {
        panic!("{unsigned:?}")
    };
    assert_eq!(fault, AgreementFault::Unsigned("borealis-coffee".to_owned()));
    assert!(aurora.verify_agreement(&active()).await.is_ok());
}

#[tokio::test]
async fn lists_are_asked_for_by_state_partner_and_page() {
    let server = MockServer::start().await;
    let page = |more, in_force| Agreements {
        items: vec![AgreementView { in_force, ..active() }],
        more,
        next_after: Some(ID.parse().unwrap()),
    };
    let answer = |page: &Agreements| {
        ResponseTemplate::new(200).set_body_raw(json::canonical(page), "application/json")
    };
    let of = |mock: Mock| mock.mount(&server);
    let second = wiremock::matchers::query_param("after", ID);
    let at = || Mock::given(method("GET")).and(path("/v1/agreements"));
    of(at().and(second).respond_with(answer(&page(false, true))).with_priority(1)).await;
    of(at().respond_with(answer(&page(true, false)))).await;
    let aurora = client(&server, "aurora-air", AURORA);
    let with = "borealis-coffee".parse().unwrap();
    assert!(aurora.agreement_in_force(&with).await.unwrap().unwrap().in_force);
    aurora.agreements(&AgreementFilter::default()).await.unwrap();
    let asked: Vec<Option<String>> = server
        .received_requests()
        .await
        .unwrap()
        .iter()
        .map(|request| request.url.query().map(str::to_owned))
        .collect();
    let first = "state=active&with=borealis-coffee";
    let expected = [Some(first.to_owned()), Some(format!("{first}&after={ID}")), None];
    assert_eq!(asked, expected);
}
