//! One call: signed as a gateway signs it (or deliberately not so), sent, and its answer verified.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use alliance_contracts::connector::{OPERATIONS, OperationKey};
use alliance_contracts::content_digest::{content_digest, verify_content_digest};
use alliance_contracts::http_signature::{
    HeaderList, Headers, LABEL, RequestBinding, RequestSignatureParams, RequestView, ResponseView,
    Tag, parse_response, required_components, sign_request,
};
use alliance_contracts::ids::TransactionId;
use alliance_contracts::keys::{PublicKey, SigningKey};
use alliance_contracts::time::Timestamp;
use reqwest::{Method, Url};
use ring::rand::{SecureRandom, SystemRandom};

use super::{Fault, Target};
use crate::clock::Clock;

/// Bytes of an answer at most, as a gateway reads them.
const ANSWER_BYTES: usize = 64 << 10;
/// Long enough for a call to arrive, short enough to hang up before it is answered. Either may
/// happen all the same, and is right.
const HANG_UP_AFTER: Duration = Duration::from_millis(20);

/// How a call is signed; what is none is as it must be.
#[derive(Clone, Debug, Default)]
pub struct Signing {
    pub authority: Option<String>,
    pub components: Option<Vec<&'static str>>,
    /// Seconds from now.
    pub created: i64,
    /// Seconds from now.
    pub expires: Option<i64>,
    /// Under a key that nobody trusts.
    pub foreign: bool,
    pub nonce: Option<&'static str>,
    pub tag: Option<Tag>,
}

/// A call that is ready to be sent.
#[derive(Clone, Debug)]
pub struct Signed {
    authority: String,
    pub body: Vec<u8>,
    pub headers: HeaderList,
    method: Method,
    signature: [u8; 64],
    pub url: Url,
}

impl Signed {
    fn view(&self) -> RequestView<'_> {
        RequestView {
            method: self.method.as_str(),
            authority: &self.authority,
            path: self.url.path(),
            query: self.url.query(),
            headers: &self.headers,
        }
    }

    /// Puts another value in the place of a field's.
    pub fn set(&mut self, name: &str, value: &[u8]) {
        self.headers.0.retain(|(field, _)| field != name);
        self.headers.push(name, value);
    }
}

/// An answer, signed by the brand and bound to the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    pub body: Vec<u8>,
    pub status: u16,
}

/// Makes calls.
pub struct Caller {
    brand_key: PublicKey,
    pub calls: u32,
    connector: Url,
    http: reqwest::Client,
    key: Arc<SigningKey>,
    clock: Box<dyn Clock>,
    /// Drawn at the beginning, then counted: no two ids of one run are the same.
    next: Cell<u64>,
    patience: Duration,
    /// A key that nobody trusts.
    stranger: SigningKey,
}

impl Caller {
    pub fn new(target: &Target, clock: Box<dyn Clock>) -> Result<Self, Fault> {
        let bad = || Fault::Address(target.connector.clone());
        let connector = Url::parse(&target.connector).map_err(|_| bad())?;
        if !matches!(connector.scheme(), "http" | "https") || connector.host_str().is_none() {
            return Err(bad());
        }
        let (mut seed, mut number) = ([0; 32], [0; 8]);
        let random = SystemRandom::new();
        random.fill(&mut seed).map_err(|_| Fault::Randomness)?;
        random.fill(&mut number).map_err(|_| Fault::Randomness)?;
        Ok(Self {
            brand_key: target.brand_key.clone(),
            calls: 0,
            connector,
            http: client(target.patience)?,
            key: Arc::clone(&target.key),
            clock,
            next: Cell::new(u64::from_be_bytes(number)),
            patience: target.patience,
            stranger: SigningKey::from_seed(&seed),
        })
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A new transaction's id: UUIDv7 of this moment.
    pub fn draw(&self) -> TransactionId {
        let millis = u128::from(self.now().as_millis().unsigned_abs()) & 0xffff_ffff_ffff;
        let number = self.next.get();
        self.next.set(number.wrapping_add(1));
        let random = u128::from(number) & ((1 << 62) - 1);
        TransactionId::from_u128(millis << 80 | 7 << 76 | 0b10 << 62 | random)
    }

    /// Begins with connections of its own, as a gateway does that was started again.
    pub fn start_again(&mut self) -> Result<(), String> {
        self.http = client(self.patience).map_err(|error| error.to_string())?;
        Ok(())
    }

    /// Signs a call that changes something.
    pub fn sign(
        &self,
        key: &OperationKey,
        body: &[u8],
        signing: &Signing,
    ) -> Result<Signed, String> {
        let mut headers = HeaderList::default();
        headers.push("content-type", b"application/json");
        headers.push("content-digest", content_digest(body).as_bytes());
        headers.push("idempotency-key", key.to_string().as_bytes());
        self.signed(Method::POST, key.step.as_str(), headers, body, signing)
    }

    /// Signs the question what became of a call.
    pub fn question(&self, key: &OperationKey) -> Result<Signed, String> {
        let route = format!("{OPERATIONS}/{key}");
        self.signed(Method::GET, &route, HeaderList::default(), b"", &Signing::default())
    }

    fn signed(
        &self,
        method: Method,
        route: &str,
        headers: HeaderList,
        body: &[u8],
        signing: &Signing,
    ) -> Result<Signed, String> {
        let mut url = self.connector.clone();
        url.set_path(&format!("{}/{route}", self.connector.path().trim_end_matches('/')));
        let authority = signing.authority.clone().unwrap_or_else(|| authority_of(&url));
        let mut call =
            Signed { authority, body: body.to_vec(), headers, method, signature: [0; 64], url };
        let now = self.now();
        let params = RequestSignatureParams {
            created: now.plus_seconds(signing.created),
            expires: signing.expires.map(|seconds| now.plus_seconds(seconds)),
            nonce: signing.nonce,
            tag: signing.tag.unwrap_or(Tag::Callback),
        };
        let required = required_components(call.method.as_str());
        let components = signing.components.as_deref().unwrap_or(required);
        let key = if signing.foreign { &self.stranger } else { &self.key };
        let made = sign_request(&call.view(), components, &params, key)
            .map_err(|error| format!("a call cannot be signed: {error}"))?;
        call.signature = made.signature_bytes;
        call.headers.push("signature-input", made.signature_input.as_bytes());
        call.headers.push("signature", made.signature.as_bytes());
        Ok(call)
    }

    /// Sends a call; only an answer that is signed and bound to it is one.
    pub async fn send(&mut self, call: &Signed) -> Result<Heard, String> {
        let (status, headers, body) = self.transmit(call).await?;
        self.verified(call, status, &headers, &body)
            .map_err(|why| format!("answered {status}, but it is no answer: {why}"))?;
        Ok(Heard { body, status })
    }

    /// Sends a call that should not be listened to: the status is all that counts.
    pub async fn status_of(&mut self, call: &Signed) -> Result<u16, String> {
        self.transmit(call).await.map(|(status, ..)| status)
    }

    /// Sends a call and hangs up, mostly before there is an answer.
    pub async fn hang_up(&mut self, call: &Signed) {
        let _ = tokio::time::timeout(HANG_UP_AFTER, self.transmit(call)).await;
    }

    /// Sends one call so often at once.
    pub async fn send_at_once(
        &mut self,
        call: &Signed,
        times: usize,
    ) -> Vec<Result<Heard, String>> {
        self.calls += u32::try_from(times).unwrap_or(u32::MAX);
        let this = &*self;
        let all = (0..times).map(|_| async {
            let (status, headers, body) = this.exchange(call).await?;
            this.verified(call, status, &headers, &body)?;
            Ok(Heard { body, status })
        });
        futures_util::future::join_all(all).await
    }

    async fn transmit(&mut self, call: &Signed) -> Result<(u16, HeaderList, Vec<u8>), String> {
        self.calls += 1;
        self.exchange(call).await
    }

    async fn exchange(&self, call: &Signed) -> Result<(u16, HeaderList, Vec<u8>), String> {
        let mut request = self.http.request(call.method.clone(), call.url.clone());
        for (name, value) in &call.headers.0 {
            request = request.header(name, value.as_slice());
        }
        if call.method == Method::POST {
            request = request.body(call.body.clone());
        }
        let mut answer = request.send().await.map_err(|error| self.no_answer(&error))?;
        let mut headers = HeaderList::default();
        for (name, value) in answer.headers() {
            headers.push(name.as_str(), value.as_bytes());
        }
        let mut body = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(|error| self.no_answer(&error))? {
            body.extend_from_slice(&piece);
            if body.len() > ANSWER_BYTES {
                return Err(format!("the answer is longer than {ANSWER_BYTES} bytes"));
            }
        }
        Ok((answer.status().as_u16(), headers, body))
    }

    fn verified(
        &self,
        call: &Signed,
        status: u16,
        headers: &HeaderList,
        body: &[u8],
    ) -> Result<(), String> {
        let request =
            RequestBinding { view: call.view(), label: LABEL, signature: &call.signature };
        let response = ResponseView { status, headers };
        let signed = parse_response(&response, &request, Tag::CallbackResponse, self.now())
            .map_err(|error| error.to_string())?;
        if signed.kid != *self.brand_key.kid() {
            return Err(format!("signed with {}, which is not the brand's key", signed.kid));
        }
        signed.verify(&self.brand_key).map_err(|_| {
            "its signature does not verify: it is bound to another call, or altered".to_owned()
        })?;
        verify_content_digest(&headers.values("content-digest"), body)
            .map_err(|_| "Content-Digest is not the body's".to_owned())
    }

    fn no_answer(&self, error: &reqwest::Error) -> String {
        if error.is_timeout() {
            format!("no answer in {} s", self.patience.as_secs())
        } else if error.is_connect() {
            "no connection".to_owned()
        } else {
            "the answer broke off".to_owned()
        }
    }
}

fn client(patience: Duration) -> Result<reqwest::Client, reqwest::Error> {
    // Whoever installed a provider before keeps it: any of them speaks TLS.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .user_agent(concat!("alliance/", env!("CARGO_PKG_VERSION")))
        .timeout(patience)
        .redirect(reqwest::redirect::Policy::none())
        .build()
}

/// Host and, unless it is the scheme's default, port: what `@authority` is.
fn authority_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}
