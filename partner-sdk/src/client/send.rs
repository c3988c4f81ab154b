//! One call: signed, sent, repeated where that is safe, and judged.
//!
//! Every attempt is signed afresh (its `created` is its own), with the same body and the same
//! idempotency key: whatever became of the attempts before, the order is performed once at most.

use std::time::Duration;

use alliance_contracts::content_digest::{content_digest, verify_content_digest};
use alliance_contracts::http_signature::{
    self as signature, ACCEPT_SIGNATURE, Headers, LABEL, RequestBinding, RequestSignatureParams,
    RequestView, ResponseView, SignatureHeaders, Tag,
};
use alliance_contracts::key_list::TrustedKeys;
use alliance_contracts::names::{Corridor, IdempotencyKey};
use alliance_contracts::problem::{Problem, ProblemCode};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{Instrument, debug, debug_span, field};

use super::Client;
use super::error::{ConfigError, DecodeError, Error, VerificationError};
use super::listening::From;
use super::retry::{RetryPolicy, later, retry_after};
use crate::verify::ForkEvidence;

/// The largest answer that is read: a page of 1,000 receipts takes about 6 MB.
const MAX_ANSWER_BYTES: usize = 64 << 20;
/// Room that is made for an answer because it says that it will be so long.
const AT_ONCE_BYTES: usize = 1 << 20;
/// Fields that a request has, the signature's and the HTTP client's own included.
const FIELDS: usize = 15;

/// What is asked of the gateway, before it is signed.
#[derive(Clone)]
pub(super) struct Request {
    /// Path and query.
    pub target: String,
    /// The path with its variable parts named: what may stand in a span.
    pub route: &'static str,
    /// The body of a POST; none: a GET.
    pub body: Option<Vec<u8>>,
    /// The key of a POST; drawn when there is none.
    pub key: Option<IdempotencyKey>,
    /// `Alliance-Orders`, of a batch.
    pub orders: Option<String>,
    /// Which corridor it is about, where that is known.
    pub corridor: Option<Corridor>,
    /// Whether it changes anything, so that an unknown outcome matters.
    pub mutates: bool,
    /// The media type asked for.
    pub accept: &'static str,
    /// Whether the answer's own signature is asked for, if the client asks for any.
    pub signed_answer: bool,
}

/// A good answer.
pub(super) struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub key: Option<IdempotencyKey>,
}

/// An attempt that gave no good answer.
pub(super) struct Failure {
    pub error: Error,
    /// Whether another attempt may fare better.
    pub again: bool,
    /// How long the gateway asks to wait before.
    pub wait: Option<Duration>,
    /// Whether the gateway may have performed the order all the same.
    open: bool,
}

impl Failure {
    fn last(error: impl Into<Error>) -> Self {
        Self { error: error.into(), again: false, wait: None, open: false }
    }

    fn no_answer(error: impl Into<Error>) -> Self {
        Self { error: error.into(), again: true, wait: None, open: true }
    }
}

/// How a call went so far.
#[derive(Default)]
struct Course {
    attempts: u32,
    /// Whether any attempt left the outcome open.
    open: bool,
}

impl Client {
    /// Sends a request until it is answered, refused or out of time.
    pub(super) async fn execute(
        &self,
        mut request: Request,
        policy: RetryPolicy,
    ) -> Result<Answer, Error> {
        if request.body.is_some() && request.key.is_none() {
            request.key = Some(self.draw_key()?);
        }
        let url = self.url(&request.target)?;
        let deadline = later(Instant::now(), policy.deadline);
        let mut course = Course::default();
        loop {
            course.attempts += 1;
            let failure = match self.attempt(&request, &url, policy, deadline, &course).await {
                Ok(answer) => {
                    self.0.budget.give_back(course.attempts - 1);
                    return Ok(answer);
                }
                Err(failure) => failure,
            };
            course.open |= failure.open;
            let wait = failure.wait.unwrap_or_else(|| policy.wait(course.attempts, &self.0.random));
            let may_retry = failure.again
                && course.attempts < policy.max_attempts
                && later(Instant::now(), wait) < deadline
                && self.0.budget.take();
            if !may_retry {
                return Err(settle(request, failure.error, &course));
            }
            debug!(attempt = course.attempts, wait_ms = wait.as_millis(), "will try again");
            sleep(wait).await;
        }
    }

    async fn attempt(
        &self,
        request: &Request,
        url: &Url,
        policy: RetryPolicy,
        deadline: Instant,
        course: &Course,
    ) -> Result<Answer, Failure> {
        let span = debug_span!(
            "alliance_call",
            method = method(request).as_str(),
            route = request.route,
            attempt = course.attempts,
            status = field::Empty,
        );
        let until = deadline.min(later(Instant::now(), policy.attempt_timeout));
        let attempt = async {
            let keys = self.answer_keys(request).await.map_err(Failure::last)?;
            self.send(request, url, keys.as_deref()).await
        };
        match timeout_at(until, attempt.instrument(span)).await {
            Ok(outcome) => outcome,
            Err(elapsed) => Err(Failure::no_answer(Error::Transport(Box::new(elapsed)))),
        }
    }

    async fn send(
        &self,
        request: &Request,
        url: &Url,
        keys: Option<&TrustedKeys>,
    ) -> Result<Answer, Failure> {
        let headers = self.headers(request, keys.is_some()).map_err(Failure::last)?;
        let signed = self.sign(&self.view(request, url, &Fields(&headers)));
        let signed = signed.map_err(Failure::last)?;
        // What a signed answer is bound to; the fields themselves go with the request.
        let bound = keys.map(|keys| (keys, headers.clone()));
        let http = http(request, url, headers, &signed).map_err(Failure::last)?;
        let (status, fields, body) = self.receive(http).await?;
        tracing::Span::current().record("status", status.as_u16());
        if let Some((keys, headers)) = bound {
            let headers = Fields(&headers);
            let view = self.view(request, url, &headers);
            let signature = &signed.signature_bytes;
            let binding = RequestBinding { view, label: LABEL, signature };
            self.check_answer(status, &fields, &body, &binding, keys)
                .map_err(Failure::no_answer)?;
        }
        if status.is_success() {
            let key = request.key.clone();
            return Ok(Answer { status: status.as_u16(), headers: fields, body, key });
        }
        Err(self.refusal(status, &fields, &body))
    }

    fn view<'a>(
        &'a self,
        request: &Request,
        url: &'a Url,
        headers: &'a Fields<'a>,
    ) -> RequestView<'a> {
        RequestView {
            method: method(request).as_str(),
            authority: &self.0.authority,
            path: url.path(),
            query: url.query(),
            headers,
        }
    }

    /// Sends and reads the whole answer.
    async fn receive(
        &self,
        request: reqwest::Request,
    ) -> Result<(StatusCode, HeaderMap, Vec<u8>), Failure> {
        let response = self.0.http.execute(request).await.map_err(transport)?;
        read(response).await
    }

    /// Asks for a stream, and gives it as it begins. Once: whoever listens comes back by itself.
    pub(super) async fn listen(
        &self,
        route: &'static str,
        from: From,
    ) -> Result<reqwest::Response, Failure> {
        let request = Request {
            target: from.target,
            route,
            body: None,
            key: None,
            orders: None,
            corridor: None,
            mutates: false,
            accept: "text/event-stream",
            signed_answer: false,
        };
        let url = self.url(&request.target).map_err(Failure::last)?;
        let mut headers = self.headers(&request, false).map_err(Failure::last)?;
        if let Some(id) = from.last_event_id {
            headers.insert("last-event-id", value(id).map_err(Failure::last)?);
        }
        let signed = self.sign(&self.view(&request, &url, &Fields(&headers)));
        let signed = signed.map_err(Failure::last)?;
        let http = http(&request, &url, headers, &signed).map_err(Failure::last)?;
        let span = debug_span!("alliance_listen", route, status = field::Empty);
        let answered = async {
            let response = self.0.http.execute(http).await.map_err(transport)?;
            tracing::Span::current().record("status", response.status().as_u16());
            if response.status().is_success() {
                return Ok(response);
            }
            let (status, fields, body) = read(response).await?;
            Err(self.refusal(status, &fields, &body))
        };
        let until = later(Instant::now(), self.0.retry.attempt_timeout);
        match timeout_at(until, answered.instrument(span)).await {
            Ok(outcome) => outcome,
            Err(elapsed) => Err(Failure::no_answer(Error::Transport(Box::new(elapsed)))),
        }
    }

    fn url(&self, target: &str) -> Result<Url, ConfigError> {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        let mut url = self.0.base.clone();
        url.set_path(path);
        url.set_query(query);
        // What is signed is what is sent: a target that the URL would spell otherwise (`..`, a
        // space, a fragment) is not sent at all.
        if url.path() == path && url.query() == query && path.starts_with('/') {
            Ok(url)
        } else {
            Err(ConfigError::Request("its path is not in normal form"))
        }
    }

    /// Every field but the signature's.
    fn headers(&self, request: &Request, signed_answer: bool) -> Result<HeaderMap, ConfigError> {
        let mut headers = HeaderMap::with_capacity(FIELDS);
        headers.insert(ACCEPT, HeaderValue::from_static(request.accept));
        if let Some(body) = &request.body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert("content-digest", value(content_digest(body))?);
        }
        if let Some(key) = &request.key {
            headers.insert("idempotency-key", value(key.as_str().to_owned())?);
        }
        if let Some(orders) = &request.orders {
            headers.insert("alliance-orders", value(orders.clone())?);
        }
        if let Some(seen) = self.remembered(|memory| memory.seen(request.corridor.as_ref())) {
            headers.insert("alliance-seen", value(seen.to_string())?);
        }
        if signed_answer {
            headers.insert("accept-signature", HeaderValue::from_static(ACCEPT_SIGNATURE));
        }
        Ok(headers)
    }

    fn sign(&self, view: &RequestView<'_>) -> Result<SignatureHeaders, ConfigError> {
        let mut components = signature::required_components(view.method).to_vec();
        for extra in ["alliance-orders", "alliance-seen", "accept-signature", "last-event-id"] {
            if !view.headers.values(extra).is_empty() {
                components.push(extra);
            }
        }
        let params = RequestSignatureParams {
            created: self.now(),
            expires: None,
            nonce: None,
            tag: Tag::Request,
        };
        signature::sign_request(view, &components, &params, &self.signing_key())
            .map_err(|_| ConfigError::Request("a field cannot be signed"))
    }

    /// Verifies an answer's digest and signature under a gateway key in force.
    fn check_answer(
        &self,
        status: StatusCode,
        fields: &HeaderMap,
        body: &[u8],
        request: &RequestBinding<'_>,
        keys: &TrustedKeys,
    ) -> Result<(), VerificationError> {
        let headers = Fields(fields);
        verify_content_digest(&headers.values("content-digest"), body)?;
        let view = ResponseView { status: status.as_u16(), headers: &headers };
        let now = self.now();
        let answer = signature::parse_response(&view, request, Tag::Response, now)?;
        let key = keys.find(&answer.kid).filter(|key| key.valid_at(now));
        let Some(key) = key else {
            // The list may be older than the key: have it fetched anew for the next attempt.
            self.forget_keys();
            return Err(VerificationError::UnknownKey { kid: answer.kid });
        };
        answer.verify(&key.public)?;
        Ok(())
    }

    fn refusal(&self, status: StatusCode, fields: &HeaderMap, body: &[u8]) -> Failure {
        let wait = retry_after(fields.get("retry-after").map(HeaderValue::as_bytes));
        let by_status = status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429);
        let problem: Problem = match serde_json::from_slice(body) {
            Ok(problem) => problem,
            Err(source) => {
                let source = DecodeError::Json(source);
                let error = Error::Decode { status: status.as_u16(), source };
                return Failure { error, again: by_status, wait, open: by_status };
            }
        };
        let code = problem.code;
        let again = by_status || code == ProblemCode::IdempotencyInFlight;
        // A 429 was not worked on; of everything else that is worth repeating nobody knows.
        let open = again && status != StatusCode::TOO_MANY_REQUESTS;
        Failure { error: self.refused(problem), again, wait, open }
    }

    /// The error of a problem; a fork is one of its own, with both sides kept.
    pub(super) fn refused(&self, problem: Problem) -> Error {
        match problem.fork {
            Some(fork) if problem.code == ProblemCode::ChainFork => {
                let seen_jws = self.remembered(|memory| {
                    let receipt = memory.receipt(&fork.corridor, fork.seq)?;
                    (receipt.hash.to_string() == fork.seen).then(|| receipt.jws.clone())
                });
                let request_id = problem.request_id;
                Error::Fork(Box::new(ForkEvidence::Refused { fork, seen_jws, request_id }))
            }
            _ => Error::Refused(Box::new(problem)),
        }
    }
}

/// Reads the whole answer.
async fn read(
    mut response: reqwest::Response,
) -> Result<(StatusCode, HeaderMap, Vec<u8>), Failure> {
    let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok());
    let mut body = Vec::with_capacity(announced.unwrap_or(0).min(AT_ONCE_BYTES));
    while let Some(chunk) = response.chunk().await.map_err(transport)? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            let source = DecodeError::TooLarge { limit: MAX_ANSWER_BYTES };
            let error = Error::Decode { status: status.as_u16(), source };
            return Err(Failure { error, again: false, wait: None, open: true });
        }
        body.extend_from_slice(&chunk);
    }
    Ok((status, headers, body))
}

/// The request as it is sent: the fields that were signed, and the signature.
fn http(
    request: &Request,
    url: &Url,
    mut headers: HeaderMap,
    signed: &SignatureHeaders,
) -> Result<reqwest::Request, ConfigError> {
    headers.insert("signature-input", value(signed.signature_input.clone())?);
    headers.insert("signature", value(signed.signature.clone())?);
    let mut http = reqwest::Request::new(method(request).clone(), url.clone());
    *http.headers_mut() = headers;
    *http.body_mut() = request.body.clone().map(reqwest::Body::from);
    Ok(http)
}

/// A field's value, in the text's own bytes.
fn value(text: String) -> Result<HeaderValue, ConfigError> {
    HeaderValue::try_from(text).map_err(|_| ConfigError::Request("a field cannot be sent"))
}

const fn method(request: &Request) -> &'static Method {
    const GET: &Method = &Method::GET;
    const POST: &Method = &Method::POST;
    if request.body.is_some() { POST } else { GET }
}

/// What a call ends in that is not tried again.
fn settle(request: Request, last: Error, course: &Course) -> Error {
    match request.key {
        Some(key) if request.mutates && course.open && !settles(&last) => {
            Error::Indeterminate { key, attempts: course.attempts, last: Box::new(last) }
        }
        _ => last,
    }
}

/// Whether an error tells what became of every attempt with the key.
fn settles(error: &Error) -> bool {
    match error {
        Error::Fork(_) => true,
        Error::Refused(problem) => {
            problem.code.is_decision() || problem.code == ProblemCode::IdempotencyMismatch
        }
        _ => false,
    }
}

fn transport(error: reqwest::Error) -> Failure {
    let unsent = error.is_connect() || error.is_builder();
    let again = !error.is_builder();
    // Its URL may hold a member's reference.
    let error = Error::Transport(Box::new(error.without_url()));
    Failure { error, again, wait: None, open: !unsent }
}

/// An answer's fields, as the signature profile reads them.
struct Fields<'a>(&'a HeaderMap);

impl Headers for Fields<'_> {
    fn values<'a>(&'a self, lower_name: &str) -> Vec<&'a [u8]> {
        let Ok(name) = HeaderName::from_bytes(lower_name.as_bytes()) else { return Vec::new() };
        self.0.get_all(name).iter().map(HeaderValue::as_bytes).collect()
    }
}
