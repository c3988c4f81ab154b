//! The edge: the one middleware, around every request. It draws the request id, refuses paths that
//! could be read twice, turns refusals and panics into problems, writes the answer in XML and
//! signs it where that is asked for, and counts and logs.
//!
//! Logs get the route's template, never the path, query, header fields or body (threat T50).

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse};
use alliance_contracts::ids::RequestId;
use alliance_contracts::problem::{PROBLEM_JSON, ProblemCode};
use futures_util::FutureExt;
use tracing::Instrument;

use super::context::{self, Context, Route};
use super::gateway::Gateway;
use super::media::{self, Media};
use super::refusal::Refusal;
use super::{body, signing, target};
use crate::sandbox::notes;
use crate::{draw, telemetry};

/// The request's id, in every answer.
pub const REQUEST_ID: &str = "x-request-id";

/// The template of what no route answers.
pub const NOWHERE: &str = "unknown";

/// A path in a problem is cut there: it is the caller's text.
const INSTANCE_CHARS: usize = 256;

/// The middleware; see the module.
///
/// # Errors
/// Only after a panic; the error carries its answer.
pub async fn edge<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let id: RequestId = draw::id();
    request.extensions_mut().insert(Context::new(id));
    let admitted = limited(request.request());
    let path = admitted.and_then(|()| target::check_path(request.uri().path()));
    if path.is_err() || request.method() != Method::POST {
        // Nobody is going to read it.
        let payload = request.take_payload();
        context::leave_unread(request.request(), payload);
    }
    if let Err(refusal) = path {
        return Ok(finish(request.error_response(refusal), id, started));
    }
    let span = telemetry::request_span(id);
    let call = AssertUnwindSafe(next.call(request)).catch_unwind().instrument(span);
    match call.await {
        Ok(answered) => Ok(finish(answered?.map_into_boxed_body(), id, started)),
        Err(_) => Err(panicked(id)),
    }
}

/// Whether an address has room for one more. Load balancers are never told that there is none.
fn limited(request: &HttpRequest) -> Result<(), Refusal> {
    match request.app_data::<Data<Gateway>>() {
        Some(gateway) if !request.path().starts_with("/health/") => {
            let address = request.peer_addr().map(|peer| peer.ip());
            context::admit(request, gateway.limits().of_address(address))
        }
        _ => Ok(()),
    }
}

/// The handler has panicked and the request went down with it. What is left is enough to say so.
fn panicked(id: RequestId) -> Error {
    tracing::error!(request_id = %id, "a handler panicked");
    let refusal = Refusal::of(ProblemCode::InternalError);
    let id = id.to_string();
    let mut answer = refusal.answer("", &id);
    insert_id(&mut answer, &id);
    actix_web::error::InternalError::from_response(refusal, answer).into()
}

fn finish(
    answered: ServiceResponse<BoxBody>,
    id: RequestId,
    started: Instant,
) -> ServiceResponse<BoxBody> {
    let id = id.to_string();
    let (request, answer) = answered.into_parts();
    let refusal = refusal_of(&answer);
    let mut answer = match &refusal {
        Some(refusal) => refusal.answer(instance(request.uri().path()), &id),
        None => answer,
    };
    if request.path().starts_with("/v1") && media::wanted(request.headers()) == Media::Xml {
        answer = media::in_xml(&request, answer);
    }
    if signing::is_wanted(&request) {
        answer = signing::sign(&request, answer);
    }
    insert_id(&mut answer, &id);
    if let Some(standing) = request.extensions().get::<Context>().and_then(|c| c.standing) {
        standing.tell(answer.headers_mut());
    }
    if template(&request).starts_with("/v1") {
        // Balances and receipts are nobody else's.
        let never = HeaderValue::from_static("no-store");
        answer.headers_mut().insert(header::CACHE_CONTROL, never);
    }
    let unread = request.extensions_mut().get_mut::<Context>().and_then(|c| c.unread.take());
    if let Some(unread) = unread {
        answer = body::hold(answer, unread);
    }
    note(&request, &id, answer.status(), refusal.as_ref(), started);
    if let Some(gateway) = request.app_data::<Data<Gateway>>()
        && let Some(sandbox) = gateway.sandbox()
    {
        let (named, status) = ((id.as_str(), template(&request)), answer.status().as_u16());
        notes::note((gateway, sandbox), &request, named, status, refusal.as_ref());
    }
    ServiceResponse::new(request, answer)
}

/// The path as a problem shows it.
pub fn instance(path: &str) -> &str {
    path.char_indices().nth(INSTANCE_CHARS).map_or(path, |(end, _)| &path[..end])
}

fn insert_id(answer: &mut HttpResponse<BoxBody>, id: &str) {
    if let Ok(value) = HeaderValue::from_str(id) {
        answer.headers_mut().insert(HeaderName::from_static(REQUEST_ID), value);
    }
}

/// Why the answer is a refusal: ours, or one of actix's that has still to be put into our words.
fn refusal_of(answer: &HttpResponse<BoxBody>) -> Option<Refusal> {
    if let Some(error) = answer.error() {
        let ours = error.as_error::<Refusal>().cloned();
        return Some(ours.unwrap_or_else(|| foreign(answer.status())));
    }
    let problem = answer.headers().get(header::CONTENT_TYPE);
    let is_problem = problem.is_some_and(|value| value.as_bytes() == PROBLEM_JSON.as_bytes());
    (answer.status().as_u16() >= 400 && !is_problem).then(|| foreign(answer.status()))
}

fn foreign(status: StatusCode) -> Refusal {
    Refusal::of(match status {
        StatusCode::NOT_FOUND => ProblemCode::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => ProblemCode::MethodNotAllowed,
        StatusCode::REQUEST_TIMEOUT => ProblemCode::RequestTimeout,
        StatusCode::PAYLOAD_TOO_LARGE => ProblemCode::BodyTooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ProblemCode::UnsupportedMediaType,
        StatusCode::SERVICE_UNAVAILABLE => ProblemCode::Unavailable,
        status if status.is_client_error() => ProblemCode::Malformed,
        _ => ProblemCode::InternalError,
    })
}

/// The route's template: what logs and metrics know a path by.
fn template(request: &HttpRequest) -> &'static str {
    request.app_data::<Route>().map_or(NOWHERE, |route| route.template)
}

/// Counts the request and, as loud as its outcome deserves, logs it.
fn note(
    request: &HttpRequest,
    id: &str,
    status: StatusCode,
    refusal: Option<&Refusal>,
    started: Instant,
) {
    let route = template(request);
    let method = method_name(request);
    let elapsed = started.elapsed();
    telemetry::count_request(method, route, status.as_u16(), elapsed);
    let extensions = request.extensions();
    let partner = extensions.get::<Context>().and_then(|context| context.partner.as_ref());
    let partner = partner.map_or("-", |partner| partner.as_str());
    let (status, code) = (status.as_u16(), refusal.map_or("-", |refusal| refusal.code().as_str()));
    let cause = refusal.and_then(Refusal::cause).unwrap_or("-");
    let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
    match status {
        500.. => {
            tracing::error!(request_id = id, method, route, status, code, cause, partner, micros);
        }
        401 | 403 | 404 => {
            tracing::info!(request_id = id, method, route, status, code, cause, partner, micros);
        }
        _ => tracing::debug!(request_id = id, method, route, status, code, partner, micros),
    }
}

/// Of the methods that are not ours, one word: a metric must not grow with what callers invent.
fn method_name(request: &HttpRequest) -> &'static str {
    match request.method().as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        _ => "_OTHER",
    }
}
