//! The API: one file per endpoint, each with a handler that verifies, parses, asks and renders.
//!
//! | routes | where |
//! | --- | --- |
//! | programs and rates | `programs`, `rates`, `rate_stream`, `observations` |
//! | quotes | `quotes`, `quote_batch` |
//! | orders and reversals | `transactions`, `transaction_batch`, `reversals` |
//! | links | `links`, `link_proposals`, `link_changes` |
//! | campaigns | `campaigns` |
//! | events | `events`, `event_stream` |
//! | consents to be debited | `consents` |
//! | webhooks | `webhooks`, `webhook_changes`, `webhook_deliveries` |
//! | agreements | `agreements`, `agreement_proposals`, `agreement_changes`, `agreement_diff` |
//! | settlement windows and statements | `windows` |
//! | receipts | `receipts`, `receipt_evidence`, `receipt_proof` |
//! | chains | `corridors`, `corridor_receipts`, `corridor_checkpoint`, `corridor_proofs`, `cosignatures` |
//! | members | `members`, `member_changes`, `erasures` |
//! | keys | `keys`, `key_changes`, `key_uses`, `partner_keys`, `well_known` |
//! | health | `health` |
//! | this document, for people and programs | `docs`, `document`, `xml_schema` |
//! | what a caller may see; how it is sent | `render`, `reply` |
//!
//! Everything under `/v1` is signed; the rest is for anyone. No handler does arithmetic, SQL or
//! anything that must be finished: whoever asks may be gone at any await.

mod agreement_changes;
mod agreement_diff;
mod agreement_proposals;
mod agreements;
mod campaigns;
mod consents;
mod corridor_checkpoint;
mod corridor_proofs;
mod corridor_receipts;
mod corridors;
mod cosignatures;
mod docs;
mod document;
mod erasures;
mod event_stream;
mod events;
mod health;
mod key_changes;
mod key_uses;
mod keys;
mod link_changes;
mod link_proposals;
mod links;
mod member_changes;
mod members;
mod observations;
mod partner_keys;
mod programs;
mod quote_batch;
mod quotes;
mod rate_stream;
mod rates;
mod receipt_evidence;
mod receipt_proof;
mod receipts;
mod render;
pub(crate) mod reply;
mod reversals;
mod transaction_batch;
mod transactions;
mod webhook_changes;
mod webhook_deliveries;
mod webhooks;
mod well_known;
mod windows;
mod xml_schema;

pub use document::openapi_json;

use actix_web::dev::HttpServiceFactory;
use actix_web::web::{self, ServiceConfig};
use actix_web::{FromRequest, Handler, HttpRequest, HttpResponse, Resource, Responder};

use crate::server::context::{Route, leave_unread};
use crate::server::refusal::Refusal;

/// The route table.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .service(get("/v1/programs", programs::list))
        .service(get("/v1/rates", rates::show))
        .service(get("/v1/rates/stream", rate_stream::stream))
        .service(post("/v1/rates/observations", observations::create))
        .service(post("/v1/quotes", quotes::create))
        .service(post("/v1/quotes/batch", quote_batch::create))
        .service(post("/v1/transactions", transactions::create))
        // Before `{id}`, which would take it for one.
        .service(post("/v1/transactions/batch", transaction_batch::create))
        .service(get("/v1/transactions/{id}", transactions::show))
        .service(post("/v1/transactions/{id}/reversals", reversals::create))
        .service(both("/v1/links", links::list, link_proposals::create))
        .service(get("/v1/links/{id}", links::show))
        .service(post("/v1/links/{id}/confirm", link_changes::confirm))
        .service(post("/v1/links/{id}/revoke", link_changes::revoke))
        .service(get("/v1/campaigns", campaigns::list))
        .service(both("/v1/consents", consents::list, consents::grant))
        .service(get("/v1/consents/{id}", consents::show))
        .service(post("/v1/consents/{id}/revoke", consents::revoke))
        .service(both("/v1/agreements", agreements::list, agreement_proposals::create))
        .service(get("/v1/agreements/{id}", agreements::show))
        .service(get("/v1/agreements/{id}/diff", agreement_diff::show))
        .service(post("/v1/agreements/{id}/countersign", agreement_changes::countersign))
        .service(post("/v1/agreements/{id}/withdraw", agreement_changes::withdraw))
        .service(get("/v1/events", events::list))
        .service(both("/v1/webhooks", webhooks::list, webhooks::create))
        .service(both("/v1/webhooks/{id}", webhooks::show, webhook_changes::settings))
        .service(post("/v1/webhooks/{id}/secret", webhook_changes::secret))
        .service(post("/v1/webhooks/{id}/remove", webhook_changes::remove))
        .service(post("/v1/webhooks/{id}/resend", webhook_changes::resend))
        .service(post("/v1/webhooks/{id}/replay", webhook_changes::replay))
        .service(get("/v1/webhooks/{id}/deliveries", webhook_deliveries::list))
        .service(get("/v1/webhooks/{id}/deliveries/{sequence}", webhook_deliveries::show))
        .service(get("/v1/windows", windows::list))
        .service(get("/v1/windows/{id}", windows::show))
        .service(get("/v1/windows/{id}/statement", windows::statement))
        .service(get("/v1/receipts/{id}", receipts::show))
        .service(get("/v1/receipts/{id}/evidence", receipt_evidence::show))
        .service(get("/v1/receipts/{id}/proof", receipt_proof::show))
        .service(get("/v1/corridors", corridors::list))
        .service(get("/v1/corridors/{corridor}/receipts", corridor_receipts::list))
        .service(get("/v1/corridors/{corridor}/checkpoint", corridor_checkpoint::show))
        .service(both(
            "/v1/corridors/{corridor}/cosignatures",
            cosignatures::list,
            cosignatures::create,
        ))
        .service(get("/v1/corridors/{corridor}/proofs/inclusion", corridor_proofs::inclusion))
        .service(get("/v1/corridors/{corridor}/proofs/consistency", corridor_proofs::consistency))
        .service(post("/v1/members/validate", member_changes::validate))
        .service(post("/v1/members/freeze", member_changes::freeze))
        .service(post("/v1/members/unfreeze", member_changes::unfreeze))
        .service(post("/v1/members/forget", erasures::forget))
        .service(get("/v1/erasures", erasures::list))
        .service(get("/v1/erasures/{id}", erasures::show))
        .service(get("/v1/members/{program}/{member}/balance", members::balance))
        .service(get("/v1/members/{program}/{member}/openings/{corridor}", members::opening))
        .service(get("/v1/partners/keys", partner_keys::list))
        .service(both("/v1/keys", keys::list, keys::create))
        .service(get("/v1/keys/{kid}", keys::show))
        .service(get("/v1/keys/{kid}/uses", key_uses::list))
        .service(post("/v1/keys/{kid}/retire", key_changes::retire))
        .service(post("/v1/keys/{kid}/revoke", key_changes::revoke))
        .service(page("/.well-known/jwks.json", well_known::jwks))
        .service(page("/health/live", health::live))
        .service(page("/health/ready", health::ready))
        .service(page("/openapi.json", docs::openapi))
        .service(page("/xml/alliance-v1.xsd", xml_schema::show))
        .service(page("/docs", docs::index))
        .service(page("/docs/", docs::index))
        .service(page("/docs/problems", docs::problems))
        .service(page("/docs/{file}", docs::file))
        .service(page("/", docs::root))
        .default_service(web::to(nothing));
}

pub(crate) fn get<F, Args>(template: &'static str, handler: F) -> impl HttpServiceFactory
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    resource(template, "GET").route(web::get().to(handler))
}

/// What needs no signature is also there for a `HEAD`: load balancers ask that way.
fn page<F, Args>(template: &'static str, handler: F) -> impl HttpServiceFactory
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    resource(template, "GET, HEAD")
        .route(web::get().to(handler.clone()))
        .route(web::head().to(handler))
}

fn post<F, Args>(template: &'static str, handler: F) -> impl HttpServiceFactory
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    resource(template, "POST").route(web::post().to(handler))
}

pub(crate) fn both<F, G, A, B>(template: &'static str, gets: F, posts: G) -> impl HttpServiceFactory
where
    F: Handler<A>,
    G: Handler<B>,
    A: FromRequest + 'static,
    B: FromRequest + 'static,
    F::Output: Responder + 'static,
    G::Output: Responder + 'static,
{
    resource(template, "GET, POST").route(web::get().to(gets)).route(web::post().to(posts))
}

fn resource(template: &'static str, allow: &'static str) -> Resource {
    web::resource(template)
        .app_data(Route { template, allow })
        .default_service(web::to(other_method))
}

async fn other_method(request: HttpRequest, body: web::Payload) -> Result<HttpResponse, Refusal> {
    leave_unread(&request, body.into_inner());
    Err(Refusal::method_not_allowed(request.app_data::<Route>().map_or("GET", |route| route.allow)))
}

async fn nothing(request: HttpRequest, body: web::Payload) -> Result<HttpResponse, Refusal> {
    leave_unread(&request, body.into_inner());
    Err(Refusal::not_found())
}
