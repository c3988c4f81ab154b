//! One call to a brand's connector, and what its answer means (protocol § 6). An answer counts only
//! where it is signed by a key of that brand and bound to this call: everything else is silence.

use std::time::Duration;

use alliance_contracts::connector::{
    Credited, OPERATIONS, Operation, OperationState, Refusal, RefusalCode, Reserved, Step,
};
use alliance_contracts::content_digest::{content_digest, verify_content_digest};
use alliance_contracts::encoding::Hash;
use alliance_contracts::http_signature::{
    HeaderList, Headers, LABEL, RequestBinding, RequestSignatureParams, RequestView, ResponseView,
    SignedResponse, Tag, parse_response, required_components, sign_request,
};
use alliance_contracts::json;
use alliance_settlement::clearing_house::{Call, ClearingHouse, Heard};
use alliance_settlement::saga::{Answer, SignedAnswer};
use reqwest::{Method, Url};

/// How long an answer may take, its body included.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// How long a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Bytes of an answer at most.
const ANSWER_BYTES: usize = 64 << 10;

/// Makes calls.
pub struct Caller {
    http: reqwest::Client,
}

/// A signed answer, verified.
struct Signed {
    status: u16,
    body: Vec<u8>,
    message: SignedResponse,
}

impl Caller {
    /// A caller with connections of its own.
    ///
    /// # Errors
    /// Where TLS cannot be set up.
    pub fn new() -> Result<Self, reqwest::Error> {
        // Whoever installed a provider before keeps it: any of them speaks TLS.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .user_agent(concat!("alliance/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_WITHIN)
            .timeout(ANSWER_WITHIN)
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(super::CALLS_PER_BRAND)
            .build()?;
        Ok(Self { http })
    }

    /// Makes the call. One that has been made before is asked about first; one without an answer
    /// is asked about at once.
    pub async fn make(&self, house: &ClearingHouse, call: &Call) -> Heard {
        if call.attempts > 1 {
            match self.ask(house, call).await {
                Heard { answer: Answer::Unknown, .. } => {}
                heard => return heard,
            }
        }
        let heard = self.post(house, call).await;
        match heard.answer {
            Answer::Silent => self.ask(house, call).await,
            _ => heard,
        }
    }

    async fn post(&self, house: &ClearingHouse, call: &Call) -> Heard {
        let route = call.key.step.as_str();
        match self.send(house, call, Method::POST, route, Some(&call.body)).await {
            Ok(signed) => {
                let answer = meaning(call.key.step, signed.status, &signed.body);
                heard(call, answer, signed, house)
            }
            Err(reason) => silent(call, &reason),
        }
    }

    async fn ask(&self, house: &ClearingHouse, call: &Call) -> Heard {
        let route = format!("{OPERATIONS}/{}", call.key);
        let signed = match self.send(house, call, Method::GET, &route, None).await {
            Ok(signed) => signed,
            Err(reason) => return silent(call, &reason),
        };
        let operation = match signed.status {
            200 => json::read::<Operation>(&signed.body).ok(),
            _ => None,
        };
        let answer = match operation {
            Some(Operation { state: OperationState::Unknown, .. }) => Answer::Unknown,
            Some(Operation { state: OperationState::Done, body: Some(body), .. }) => {
                meaning(call.key.step, 200, body.to_string().as_bytes())
            }
            Some(Operation { state: OperationState::Refused, status, body: Some(body) }) => {
                let status = status.filter(|status| *status >= 400).unwrap_or(422);
                meaning(call.key.step, status, body.to_string().as_bytes())
            }
            _ => Answer::Silent,
        };
        heard(call, answer, signed, house)
    }

    /// Sends a signed request; the answer is verified.
    async fn send(
        &self,
        house: &ClearingHouse,
        call: &Call,
        method: Method,
        route: &str,
        body: Option<&[u8]>,
    ) -> Result<Signed, String> {
        let address = format!("{}/{route}", call.connector.trim_end_matches('/'));
        let url = Url::parse(&address).map_err(|error| format!("{address}: {error}"))?;
        let authority = authority_of(&url);
        let mut headers = HeaderList::default();
        if let Some(body) = body {
            headers.push("content-type", b"application/json");
            headers.push("content-digest", content_digest(body).as_bytes());
            headers.push("idempotency-key", call.key.to_string().as_bytes());
        }
        let view = RequestView {
            method: method.as_str(),
            authority: &authority,
            path: url.path(),
            query: url.query(),
            headers: &headers,
        };
        let params = RequestSignatureParams {
            created: house.message_time(),
            expires: None,
            nonce: None,
            tag: Tag::Callback,
        };
        let components = required_components(method.as_str());
        let key = house.signer().map_err(|refused| refused.to_string())?;
        let signature =
            sign_request(&view, components, &params, key).map_err(|error| error.to_string())?;
        let mut request = self.http.request(method.clone(), url.clone());
        for (name, value) in &headers.0 {
            request = request.header(name, value.as_slice());
        }
        request = request
            .header("signature-input", &signature.signature_input)
            .header("signature", &signature.signature);
        if let Some(body) = body {
            request = request.body(body.to_vec());
        }
        let mut answer = request.send().await.map_err(|error| without_url(&error))?;
        let status = answer.status().as_u16();
        let mut received = HeaderList::default();
        for (name, value) in answer.headers() {
            received.push(name.as_str(), value.as_bytes());
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| without_url(&error))? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > ANSWER_BYTES {
                return Err("the answer is too long".to_owned());
            }
        }
        let binding = RequestBinding { view, label: LABEL, signature: &signature.signature_bytes };
        let message = verified(house, call, status, &received, &bytes, &binding)?;
        Ok(Signed { status, body: bytes, message })
    }
}

/// The answer's signature, if it is this brand's and bound to this call.
fn verified(
    house: &ClearingHouse,
    call: &Call,
    status: u16,
    headers: &HeaderList,
    body: &[u8],
    request: &RequestBinding<'_>,
) -> Result<SignedResponse, String> {
    let (now, message_time) = (house.now(), house.message_time());
    let response = ResponseView { status, headers };
    let signed = parse_response(&response, request, Tag::CallbackResponse, message_time)
        .map_err(|error| format!("answered {status}, {error}"))?;
    let registry = house.registry();
    let key = registry
        .key(&signed.kid)
        .filter(|key| key.partner == call.partner && key.valid_at(now))
        .ok_or_else(|| format!("answered {status} under no key of {}", call.partner))?;
    signed.verify(&key.public).map_err(|error| format!("answered {status}, {error}"))?;
    verify_content_digest(&headers.values("content-digest"), body)
        .map_err(|error| format!("answered {status}, {error}"))?;
    Ok(signed)
}

/// What an answer to a call means. What neither says done nor refused is silence: it is asked
/// about, and repeated.
fn meaning(step: Step, status: u16, body: &[u8]) -> Answer {
    match (status, step) {
        (200, Step::Reserve) => match json::read::<Reserved>(body) {
            Ok(reserved) => Answer::Done(Some(reserved.reservation)),
            Err(_) => Answer::Silent,
        },
        (200, Step::Credit) => match json::read::<Credited>(body) {
            Ok(credited) => Answer::Done(Some(credited.reference)),
            Err(_) => Answer::Silent,
        },
        (200, Step::Capture | Step::Release | Step::Cancel) => Answer::Done(None),
        // Our signature, our pace, or a first call that is still being worked on: no decision.
        (401 | 403 | 405 | 408 | 413 | 415 | 425 | 429, _) => Answer::Silent,
        (400..=499, _) => match json::read::<Refusal>(body).map(|refusal| refusal.code) {
            // Used for another call, it says: then it is not known what became of this one.
            Ok(RefusalCode::IdempotencyMismatch) => Answer::Silent,
            Ok(code) => Answer::Refused(code),
            Err(_) if is_in_flight(body) => Answer::Silent,
            Err(_) => Answer::Refused(RefusalCode::Refused),
        },
        _ => Answer::Silent,
    }
}

fn is_in_flight(body: &[u8]) -> bool {
    let code = json::read::<serde_json::Value>(body).ok();
    code.is_some_and(|problem| problem["code"] == "idempotency_in_flight")
}

fn heard(call: &Call, answer: Answer, signed: Signed, house: &ClearingHouse) -> Heard {
    let SignedResponse { kid, base, signature, .. } = signed.message;
    let evidence = SignedAnswer {
        transaction: call.key.transaction,
        step: call.key.step,
        partner: call.partner.clone(),
        kid,
        base_hash: Hash::of(&base),
        base,
        signature,
        body: signed.body,
        received_at: house.now(),
    };
    Heard { answer, signed: Some(evidence) }
}

fn silent(call: &Call, reason: &str) -> Heard {
    tracing::info!(partner = %call.partner, key = %call.key, attempts = call.attempts, reason,
        "a brand has not answered");
    Heard { answer: Answer::Silent, signed: None }
}

/// An error without the address, which may hold what is nobody's business.
fn without_url(error: &reqwest::Error) -> String {
    let what = if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the answer broke off"
    };
    what.to_owned()
}

/// Host and, unless it is the scheme's default, port: what `@authority` is.
fn authority_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_answer_is_one() {
        let done = |text: &str| Answer::Done(Some(text.parse().unwrap()));
        let refused = |code: RefusalCode| {
            let body = serde_json::to_vec(&Refusal::new(code, "")).unwrap();
            (code.status(), body)
        };
        assert_eq!(meaning(Step::Reserve, 200, br#"{"reservation":"r-1"}"#), done("r-1"));
        assert_eq!(meaning(Step::Credit, 200, br#"{"reference":"c-1","x":1}"#), done("c-1"));
        assert_eq!(meaning(Step::Capture, 200, b"{}"), Answer::Done(None));
        for code in RefusalCode::ALL {
            let (status, body) = refused(code);
            let wanted = match code {
                RefusalCode::IdempotencyMismatch => Answer::Silent,
                code => Answer::Refused(code),
            };
            assert_eq!(meaning(Step::Reserve, status, &body), wanted);
        }
        assert_eq!(meaning(Step::Credit, 400, b"no"), Answer::Refused(RefusalCode::Refused));
        let in_flight = br#"{"code":"idempotency_in_flight","status":409}"#;
        assert_eq!(meaning(Step::Credit, 409, in_flight), Answer::Silent);
        for (status, body) in [
            (200, &b"{}"[..]),
            (200, b"not json"),
            (200, br#"{"reservation":""}"#),
            (201, br#"{"reservation":"r"}"#),
            (302, b""),
            (401, b"{}"),
            (429, b"{}"),
            (500, b"{}"),
            (503, b"{}"),
        ] {
            assert_eq!(meaning(Step::Reserve, status, body), Answer::Silent, "{status}");
        }
    }
}
