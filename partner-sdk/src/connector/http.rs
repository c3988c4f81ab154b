//! The handlers for actix-web.

use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::web::{self, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use alliance_contracts::connector::{OPERATIONS, Step};
use alliance_contracts::http_signature::HeaderList;
use alliance_contracts::limits::MAX_BODY_BYTES;
use alliance_contracts::problem::ProblemCode;
use futures_util::StreamExt;

use super::Connector;
use super::answer::{Answer, Fault};
use super::call::Request;
use super::service::Service;

/// A body must have arrived after so long, however slowly its bytes trickle.
const RECEIVE_WITHIN: Duration = Duration::from_secs(10);

impl<C: Connector> Service<C> {
    /// The routes of the calls, for actix-web, under any prefix:
    /// `web::scope("/alliance").configure(service.routes())`. A proxy in front must leave path and
    /// body as they are: both are signed.
    pub fn routes(&self) -> impl FnOnce(&mut ServiceConfig) + use<C> {
        let service = self.clone();
        move |config| {
            let operations = format!("/{OPERATIONS}/{{key}}");
            let steps = Step::ALL.map(|step| format!("/{step}"));
            for path in steps.into_iter().chain([operations]) {
                let service = service.clone();
                // Whatever the method: a wrong one is told, signed like everything else.
                config.service(web::resource(path).to(move |http: HttpRequest, body: Payload| {
                    let service = service.clone();
                    async move { handle(&service, &http, body).await }
                }));
            }
        }
    }
}

async fn handle<C: Connector>(
    service: &Service<C>,
    http: &HttpRequest,
    payload: Payload,
) -> HttpResponse {
    let mut request = head_of(http);
    let answer = match receive(http, payload).await {
        Ok(body) => {
            request.body = body;
            service.answer(request).await
        }
        Err(fault) => service.refuse(fault, &request),
    };
    respond(answer)
}

fn head_of(http: &HttpRequest) -> Request {
    let mut headers = HeaderList::default();
    for (name, value) in http.headers() {
        headers.push(name.as_str(), value.as_bytes());
    }
    Request {
        body: Vec::new(),
        headers,
        method: http.method().as_str().to_owned(),
        path: http.uri().path().to_owned(),
        query: http.uri().query().map(str::to_owned),
    }
}

/// The body's bytes as received: capped before they are read, while they are read, and in time.
async fn receive(http: &HttpRequest, payload: Payload) -> Result<Vec<u8>, Fault> {
    let told = http.headers().get(header::CONTENT_LENGTH);
    let told = told.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if told.is_some_and(|told| told > MAX_BODY_BYTES) {
        return Err(too_large());
    }
    let reading = tokio::time::timeout(RECEIVE_WITHIN, read(payload));
    reading.await.unwrap_or_else(|_| Err(not_whole()))
}

async fn read(mut payload: Payload) -> Result<Vec<u8>, Fault> {
    let mut body = Vec::new();
    while let Some(piece) = payload.next().await {
        // No decision, as a 400 would be: the same call may be on its way, whole.
        let piece = piece.map_err(|_| not_whole())?;
        if body.len() + piece.len() > MAX_BODY_BYTES {
            return Err(too_large());
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

fn not_whole() -> Fault {
    Fault::new(ProblemCode::RequestTimeout, ProblemCode::RequestTimeout.meaning())
}

fn too_large() -> Fault {
    Fault::new(ProblemCode::BodyTooLarge, ProblemCode::BodyTooLarge.meaning())
}

fn respond(answer: Answer) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status);
    let mut response = HttpResponse::build(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    for (name, value) in answer.headers {
        response.insert_header((name, value));
    }
    response.body(answer.body)
}
