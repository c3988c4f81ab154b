//! `GET /xml/alliance-v1.xsd`: the wire types as an XML schema, for anyone.

use actix_web::HttpResponse;

use crate::xml::{APPLICATION_XML, xsd};

/// The schema.
pub async fn show() -> HttpResponse {
    HttpResponse::Ok().content_type(APPLICATION_XML).body(xsd::alliance_v1())
}
