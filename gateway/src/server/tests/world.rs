//! Three partners, a gateway in memory, and calls to it.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use actix_web::body::BoxBody;
use actix_web::dev::ServiceResponse;
use actix_web::test::{self, TestRequest};
use actix_web::web::{Bytes, Data};
use alliance_contracts::content_digest::content_digest;
use alliance_contracts::encoding::{Hash, base64url_encode};
use alliance_contracts::http_signature::{
    ACCEPT_SIGNATURE, RequestBinding, RequestSignatureParams, RequestView, ResponseView,
    SignatureHeaders, Tag, required_components, sign_request, verify_response,
};
use alliance_contracts::key_list::{Jwk, KeyList, KeyStatement};
use alliance_contracts::keys::SigningKey;
use alliance_contracts::names::{MemberRef, ProgramId};
use alliance_contracts::quote::TransactionKind;
use alliance_contracts::time::Timestamp;
use alliance_settlement::alliance::{
    AgreementDefinition, Definition, KeyDefinition, PartnerDefinition, ProgramDefinition, Scope,
};
use alliance_settlement::clearing_house::{ClearingHouse, Clock, Settings};
use alliance_settlement::command::{Command, NewMember};
use alliance_settlement::vault::MemberKey;
use futures_util::future::LocalBoxFuture;
use serde_json::Value;

use crate::draw;
use crate::sandbox::Sandbox;
use crate::server::gateway::Gateway;
use crate::server::limits::LimitSettings;
use crate::server::verify::Fields;

/// The name under which the gateway is called.
pub const AUTHORITY: &str = "gateway.example:8443";
/// 2026-11-23T04:05:06.789Z.
pub const START: i64 = 1_795_406_706_789;

/// A partner's key, of a seed.
pub fn key(seed: u8) -> Arc<SigningKey> {
    Arc::new(SigningKey::from_seed(&[seed; 32]))
}

/// `aurora-air`'s.
pub fn aurora() -> Arc<SigningKey> {
    key(1)
}

/// `aurora-air`'s, read-only.
pub fn aurora_read() -> Arc<SigningKey> {
    key(11)
}

/// `borealis-coffee`'s.
pub fn borealis() -> Arc<SigningKey> {
    key(2)
}

/// `cedar-hotels`'s.
pub fn cedar() -> Arc<SigningKey> {
    key(3)
}

/// The gateway's.
pub fn gateway_key() -> Arc<SigningKey> {
    key(100)
}

pub fn definition() -> Definition {
    let key = |key: &SigningKey, scope, revoked_at| KeyDefinition {
        nbf: None,
        exp: None,
        revoked_at,
        scope,
        x: base64url_encode(key.public_key().as_bytes()),
    };
    let partner = |name: &str, keys| PartnerDefinition {
        partner: name.parse().unwrap(),
        name: name.to_owned(),
        net_debit_cap: None,
        connector: None,
        account: None,
        keys,
    };
    let program = |name: &str, partner: &str, scale, value: &str| ProgramDefinition {
        program: name.parse().unwrap(),
        partner: partner.parse().unwrap(),
        name: name.to_owned(),
        scale,
        value: value.parse().unwrap(),
        balances: alliance_contracts::program::Balances::Hosted,
        model: None,
    };
    let agreement = |a: &str, b: &str| AgreementDefinition {
        a: a.parse().unwrap(),
        b: b.parse().unwrap(),
        fee: "0.01".parse().unwrap(),
        kinds: vec![TransactionKind::Exchange],
        minimum_gross: "0".parse().unwrap(),
        open_quote_limit: None,
        quote_lifetime_seconds: 60,
        reversal_period_seconds: 86_400,
    };
    let mut every_kind = agreement("aurora-air", "borealis-coffee");
    every_kind.kinds.extend([TransactionKind::Redemption, TransactionKind::Accrual]);
    let revoked = Some(Timestamp::from_millis(START - 1));
    Definition {
        alliance: "demo".parse().unwrap(),
        currency: "CNY".parse().unwrap(),
        partners: vec![
            partner(
                "aurora-air",
                vec![
                    key(&aurora(), Scope::Full, None),
                    key(&aurora_read(), Scope::Read, None),
                    key(&self::key(12), Scope::Full, revoked),
                ],
            ),
            partner("borealis-coffee", vec![key(&borealis(), Scope::Full, None)]),
            partner("cedar-hotels", vec![key(&cedar(), Scope::Full, None)]),
        ],
        programs: vec![
            program("aurora", "aurora-air", 0, "0.05"),
            program("aurora-gold", "aurora-air", 0, "0.5"),
            program("borealis", "borealis-coffee", 0, "0.1"),
            program("cedar", "cedar-hotels", 2, "0.0723"),
        ],
        rates: Default::default(),
        revenue: Vec::new(),
        settlement: Default::default(),
        calendars: Vec::new(),
        agreements: vec![every_kind, agreement("borealis-coffee", "cedar-hotels")],
    }
}

/// Members of the world: program, reference, balance in minor units.
const MEMBERS: &[(&str, &str, i64)] = &[
    ("aurora", "A-1001", 100_000),
    ("aurora", "A-1002", 1),
    ("aurora-gold", "G-1", 500),
    ("borealis", "B-77", 1_000),
    ("cedar", "C-9", 12_345),
];

pub fn member(house: &ClearingHouse, program: &str, reference: &str, opening: i64) -> NewMember {
    let program: ProgramId = program.parse().unwrap();
    let reference: MemberRef = reference.parse().unwrap();
    let secret: [u8; 32] = house.random();
    NewMember {
        lookup: house.vault().sought(&program, &reference),
        wrapped_key: house.vault().wrap(&secret, house.random()),
        sealed_reference: MemberKey::from_bytes(secret).seal(&reference, house.random()),
        program,
        opening,
    }
}

/// The gateway's key list.
pub fn gateway_keys() -> KeyList {
    let keys = vec![Jwk::new(gateway_key().public_key(), None)];
    let alliance = "demo".to_owned();
    KeyStatement { alliance, keys, number: 1, previous: Hash::ZERO }.publish(&key(101))
}

/// A clearing house in memory, with a clock to be moved, partners and members.
pub async fn house(clock: &Arc<AtomicI64>) -> ClearingHouse {
    let time = clock.clone();
    // Starting blocks, so not on this runtime.
    let house = std::thread::spawn(move || {
        let trusted = gateway_keys().trust_without_root().unwrap();
        let mut settings = Settings::new(
            "demo".parse().unwrap(),
            "CNY".parse().unwrap(),
            "memory:".to_owned(),
            [7; 32],
            gateway_key(),
            trusted,
        );
        let now = move || Timestamp::from_millis(time.load(Ordering::Relaxed));
        settings.clock = Clock::told_by(Arc::new(now));
        ClearingHouse::start(settings).unwrap()
    })
    .join()
    .unwrap();
    assert_eq!(house.define(definition(), draw::id()).await.unwrap(), 1);
    let members =
        MEMBERS.iter().map(|(program, name, has)| member(&house, program, name, *has)).collect();
    house.submit(Command::ImportMembers(Arc::new(members))).await.unwrap();
    house
}

/// The gateway under test.
pub struct World {
    app: Box<dyn Fn(TestRequest) -> LocalBoxFuture<'static, ServiceResponse<BoxBody>>>,
    pub house: ClearingHouse,
    pub clock: Arc<AtomicI64>,
    /// From where calls come; none: nobody knows.
    pub peer: Option<SocketAddr>,
    calls: AtomicU64,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: actix_web::http::header::HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The code of a problem, after a look at its other members.
    pub fn code(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{problem}");
        assert_eq!(problem["request_id"], self.header("x-request-id").unwrap());
        assert!(problem["request_id"].as_str().unwrap().starts_with("req_"));
        let code = problem["code"].as_str().unwrap();
        assert_eq!(problem["type"], format!("/docs/problems#{code}"));
        for member in ["title", "detail", "instance"] {
            assert!(problem[member].is_string(), "{member} in {problem}");
        }
        code.to_owned()
    }

    /// Asserts success and gives the body.
    pub fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }
}

/// A request of a partner's, to be signed; every part can be bent.
#[derive(Clone)]
pub struct Call {
    pub method: &'static str,
    pub uri: String,
    pub body: Option<Vec<u8>>,
    pub key: Arc<SigningKey>,
    pub idempotency_key: String,
    pub authority: String,
    pub host: String,
    pub created: Option<i64>,
    pub expires: Option<i64>,
    pub tag: Tag,
    /// More header fields; covered where the flag says so.
    pub extra: Vec<(&'static str, String, bool)>,
    /// Required components to leave out.
    pub uncovered: Vec<&'static str>,
    pub content_type: &'static str,
    pub accept_signature: bool,
}

impl Call {
    pub fn with(mut self, name: &'static str, value: impl Into<String>, covered: bool) -> Self {
        self.extra.push((name, value.into(), covered));
        self
    }

    pub fn key(mut self, key: &str) -> Self {
        key.clone_into(&mut self.idempotency_key);
        self
    }

    pub fn signed_answer(mut self) -> Self {
        self.accept_signature = true;
        self
    }

    fn target(&self) -> (&str, Option<&str>) {
        match self.uri.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (&self.uri, None),
        }
    }

    /// The fields that are sent, and the signature over them.
    pub fn sign(&self, now: i64) -> (Vec<(String, String)>, SignatureHeaders) {
        let mut fields: Vec<(String, String)> = Vec::new();
        let mut put = |name: &str, value: &str| fields.push((name.to_owned(), value.to_owned()));
        put("host", &self.host);
        if let Some(body) = &self.body {
            put("content-type", self.content_type);
            put("content-digest", &content_digest(body));
            put("idempotency-key", &self.idempotency_key);
        }
        for (name, value, _) in &self.extra {
            put(name, value);
        }
        if self.accept_signature {
            put("accept-signature", ACCEPT_SIGNATURE);
        }
        let mut components: Vec<&str> = required_components(self.method).to_vec();
        components.extend(self.extra.iter().filter(|(.., c)| *c).map(|(name, ..)| *name));
        components.retain(|name| !self.uncovered.contains(name));
        let (path, query) = self.target();
        let view = RequestView {
            method: self.method,
            authority: &self.authority,
            path,
            query,
            headers: &fields,
        };
        let created = Timestamp::from_millis(self.created.unwrap_or(now));
        let expires = self.expires.map(Timestamp::from_millis);
        let params = RequestSignatureParams { created, expires, nonce: None, tag: self.tag };
        let signed = sign_request(&view, &components, &params, &self.key).unwrap();
        (fields, signed)
    }
}

/// Opens a world.
pub async fn world() -> World {
    limited_world(LimitSettings::default()).await
}

/// Opens a world that takes so many requests.
pub async fn limited_world(limits: LimitSettings) -> World {
    opened(limits, false, None).await
}

/// Opens a world whose webhooks may go to this machine.
pub async fn private_world() -> World {
    opened(LimitSettings::default(), true, None).await
}

/// Opens a world that is a sandbox's; its books go by the world's clock.
pub async fn sandbox_world() -> World {
    opened(LimitSettings::default(), false, Some(Sandbox::default())).await
}

async fn opened(limits: LimitSettings, private: bool, sandbox: Option<Sandbox>) -> World {
    let clock = Arc::new(AtomicI64::new(START));
    let house = house(&clock).await;
    let gateway = Gateway::new(house.clone(), &gateway_keys(), &limits, private);
    let gateway = Data::new(gateway.in_sandbox(sandbox));
    gateway.set_authorities(vec![AUTHORITY.to_owned(), "second.example".to_owned()]);
    let service = Rc::new(test::init_service(crate::server::app(gateway)).await);
    let app = Box::new(move |request: TestRequest| {
        let service = service.clone();
        let answered: LocalBoxFuture<'static, ServiceResponse<BoxBody>> =
            Box::pin(async move { test::call_service(&*service, request.to_request()).await });
        answered
    });
    World { app, house, clock, peer: None, calls: AtomicU64::new(0) }
}

impl World {
    pub fn now(&self) -> i64 {
        self.clock.load(Ordering::Relaxed)
    }

    pub fn pass_seconds(&self, seconds: i64) {
        self.clock.fetch_add(seconds * 1_000, Ordering::Relaxed);
    }

    fn call(&self, method: &'static str, key: Arc<SigningKey>, uri: &str) -> Call {
        Call {
            method,
            uri: uri.to_owned(),
            body: None,
            key,
            idempotency_key: format!("key-{}", self.calls.fetch_add(1, Ordering::Relaxed)),
            authority: AUTHORITY.to_owned(),
            host: AUTHORITY.to_owned(),
            created: None,
            expires: None,
            tag: Tag::Request,
            extra: Vec::new(),
            uncovered: Vec::new(),
            content_type: "application/json",
            accept_signature: false,
        }
    }

    /// A `GET` to be signed.
    pub fn get(&self, key: Arc<SigningKey>, uri: &str) -> Call {
        self.call("GET", key, uri)
    }

    /// A `POST` to be signed.
    pub fn post(&self, key: Arc<SigningKey>, uri: &str, body: impl ToString) -> Call {
        let body = Some(body.to_string().into_bytes());
        Call { body, ..self.call("POST", key, uri) }
    }

    /// Signs and sends.
    pub async fn send(&self, call: &Call) -> Answer {
        let (fields, signed) = call.sign(self.now());
        let answer = self.send_signed(call, &fields, &signed).await;
        if call.accept_signature {
            check_answer(call, &fields, &signed, &answer, self.now());
        }
        answer
    }

    /// Sends fields and signature as they are.
    pub async fn send_signed(
        &self,
        call: &Call,
        fields: &[(String, String)],
        signed: &SignatureHeaders,
    ) -> Answer {
        let mut fields = fields.to_vec();
        fields.push(("signature-input".to_owned(), signed.signature_input.clone()));
        fields.push(("signature".to_owned(), signed.signature.clone()));
        self.raw(call.method, &call.uri, &fields, call.body.clone().unwrap_or_default()).await
    }

    /// Sends anything.
    pub async fn raw(
        &self,
        method: &str,
        uri: &str,
        fields: &[(String, String)],
        body: Vec<u8>,
    ) -> Answer {
        let mut request = TestRequest::with_uri(uri).method(method.parse().unwrap());
        if let Some(peer) = self.peer {
            request = request.peer_addr(peer);
        }
        for (name, value) in fields {
            request = request.append_header((name.as_str(), value.as_str()));
        }
        let request = if body.is_empty() { request } else { request.set_payload(body) };
        let answer = (self.app)(request).await;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body = test::read_body(answer).await;
        let answer = Answer { status, headers, body };
        assert!(answer.header("x-request-id").is_some_and(|id| id.starts_with("req_")));
        if status >= 400 && answer.header("content-type") != Some("application/problem+xml") {
            answer.code();
        }
        answer
    }

    /// Signs and sends, and leaves the body to be read piece by piece.
    pub async fn stream(&self, call: &Call) -> BoxBody {
        let (fields, signed) = call.sign(self.now());
        let mut request = TestRequest::with_uri(&call.uri).method(call.method.parse().unwrap());
        for (name, value) in &fields {
            request = request.append_header((name.as_str(), value.as_str()));
        }
        let request = request
            .append_header(("signature-input", signed.signature_input.as_str()))
            .append_header(("signature", signed.signature.as_str()));
        let (_, answer) = (self.app)(request).await.into_parts();
        assert_eq!(answer.status().as_u16(), 200);
        assert_eq!(answer.headers().get("content-type").unwrap(), "text/event-stream");
        answer.into_body()
    }

    /// Links A-1001 to the same person's account in aurora's other program.
    pub async fn link_within(&self) {
        let body = r#"{"a":{"program":"aurora","member":"A-1001"},
            "b":{"program":"aurora-gold","member":"G-1"},
            "consent":{"scope":["exchange"],"until":null}}"#;
        let link = self.send(&self.post(aurora(), "/v1/links", body)).await.ok(201);
        assert_eq!(link["state"], "active", "one partner needs no second");
    }

    /// A quote's token: aurora's points for borealis's.
    pub async fn token(&self, amount: &str) -> (String, String) {
        let asked = quote("aurora", "A-1001", "borealis", "B-77", "source", amount);
        let quote = self.send(&self.post(aurora(), "/v1/quotes", asked)).await.ok(201);
        let text = |name: &str| quote[name].as_str().unwrap().to_owned();
        (text("id"), text("token"))
    }

    /// Links A-1001 and B-77.
    pub async fn link(&self) -> String {
        let body = r#"{"a":{"program":"aurora","member":"A-1001"},
            "b":{"program":"borealis","member":"B-77"},
            "consent":{"scope":["exchange"],"until":null}}"#;
        let link = self.send(&self.post(aurora(), "/v1/links", body)).await.ok(201);
        let id = link["id"].as_str().unwrap().to_owned();
        let path = format!("/v1/links/{id}/confirm");
        self.send(&self.post(borealis(), &path, "{}")).await.ok(200);
        id
    }

    /// An order that is performed; the transaction.
    pub async fn order(&self, amount: &str, reference: &str) -> Value {
        let (_, token) = self.token(amount).await;
        self.send(&self.post(aurora(), "/v1/transactions", order(&token, reference))).await.ok(201)
    }
}

/// The body of a quote request.
pub fn quote(
    source: &str,
    giver: &str,
    target: &str,
    receiver: &str,
    side: &str,
    amount: &str,
) -> Value {
    serde_json::json!({
        "kind": "exchange",
        "source": {"program": source, "member": giver},
        "target": {"program": target, "member": receiver},
        "amount": {"side": side, "value": amount},
    })
}

/// The body of an order.
pub fn order(token: &str, reference: &str) -> Value {
    serde_json::json!({"quote": token, "source_reference": reference})
}

/// Asserts that an answer is this refusal.
pub fn expect(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.code().as_str()), (status, code), "{answer:?}");
}

fn check_answer(
    call: &Call,
    fields: &[(String, String)],
    signed: &SignatureHeaders,
    answer: &Answer,
    now: i64,
) {
    let (path, query) = call.target();
    let fields = fields.to_vec();
    let request = RequestBinding {
        view: RequestView {
            method: call.method,
            authority: &call.authority,
            path,
            query,
            headers: &fields,
        },
        label: "sig1",
        signature: &signed.signature_bytes,
    };
    let response = ResponseView { status: answer.status, headers: &Fields(&answer.headers) };
    let now = Timestamp::from_millis(now);
    verify_response(&response, &request, Tag::Response, now, gateway_key().public_key())
        .unwrap_or_else(|error| panic!("{error}: {answer:?}"));
    let digest = answer.header("content-digest").unwrap();
    assert_eq!(digest, content_digest(&answer.body));
}
