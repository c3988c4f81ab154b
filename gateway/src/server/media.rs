//! What a body is written in: JSON, or XML where the caller says so. XML is read after the
//! signature, which is over the bytes as they came, and written before the answer is signed.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use alliance_contracts::problem::{PROBLEM_JSON, ProblemCode};

use super::context::Route;
use super::refusal::Refusal;
use crate::xml::model::{PROBLEM, model};
use crate::xml::{APPLICATION_XML, PROBLEM_XML, read, write};

const APPLICATION_JSON: &str = "application/json";

/// What a body is written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Media {
    /// As the API thinks.
    Json,
    /// As `docs/formats/xml.md` spells it.
    Xml,
}

/// What a body says it is written in, at most with the only charset that either has here.
pub fn of_body(headers: &HeaderMap) -> Option<Media> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let mut parts = value.split(';').map(str::trim_ascii);
    let media = match parts.next()?.to_ascii_lowercase().as_str() {
        APPLICATION_JSON => Media::Json,
        APPLICATION_XML => Media::Xml,
        _ => return None,
    };
    let utf8 = |part: &str| {
        part.eq_ignore_ascii_case("charset=utf-8") || part.eq_ignore_ascii_case("charset=\"utf-8\"")
    };
    parts.all(utf8).then_some(media)
}

/// The body as JSON: XML is read as the type that the route takes.
pub fn as_json(http: &HttpRequest, media: Media, body: Bytes) -> Result<Bytes, Refusal> {
    match media {
        Media::Json => Ok(body),
        Media::Xml => {
            let template = http.app_data::<Route>().map_or("", |route| route.template);
            let taken = model()
                .request(template)
                .ok_or_else(|| Refusal::of(ProblemCode::UnsupportedMediaType))?;
            read::read(model(), taken, &body).map(Bytes::from).map_err(Refusal::field)
        }
    }
}

/// What the answer is to be written in: XML where `Accept` names it and likes JSON no better, or
/// as well by a wildcard only.
pub fn wanted(headers: &HeaderMap) -> Media {
    let ranges = headers.get_all(header::ACCEPT).filter_map(|value| value.to_str().ok());
    let mut liked = Liked::default();
    for range in ranges.flat_map(|value| value.split(',')) {
        liked.hear(range);
    }
    liked.media()
}

/// How much each is liked, in thousandths (RFC 9110 § 12.4.2); none: not named.
#[derive(Default)]
struct Liked {
    xml: Option<u16>,
    json: Option<u16>,
    any_application: Option<u16>,
    any: Option<u16>,
}

impl Liked {
    fn hear(&mut self, range: &str) {
        let mut parts = range.split(';').map(str::trim_ascii);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let named = match name.as_str() {
            APPLICATION_XML => &mut self.xml,
            APPLICATION_JSON => &mut self.json,
            "application/*" => &mut self.any_application,
            "*/*" => &mut self.any,
            _ => return,
        };
        *named = Some(parts.find_map(weight).unwrap_or(1_000));
    }

    fn media(&self) -> Media {
        let by_wildcard = self.any_application.or(self.any).unwrap_or(0);
        let xml = self.xml.unwrap_or(0);
        let wanted = match self.json {
            Some(json) => xml > json,
            None => xml > 0 && xml >= by_wildcard,
        };
        if wanted { Media::Xml } else { Media::Json }
    }
}

/// `q=0.5` in thousandths; of what is no weight, none.
fn weight(parameter: &str) -> Option<u16> {
    let (name, value) = parameter.split_once('=')?;
    if !name.trim_ascii().eq_ignore_ascii_case("q") {
        return None;
    }
    let (whole, fraction) = value.trim_ascii().split_once('.').unwrap_or((value.trim_ascii(), ""));
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    let thousandths: u16 = digits.parse().unwrap_or(0);
    Some(if whole == "0" { thousandths } else { 1_000 })
}

/// The same answer in XML, where it is JSON: streams, lines and notes stay as they are.
pub fn in_xml(request: &HttpRequest, answer: HttpResponse<BoxBody>) -> HttpResponse<BoxBody> {
    let Some((name, media)) = root_of(request, answer.headers()) else { return answer };
    let (mut head, body) = answer.into_parts();
    let body = match body.try_into_bytes() {
        Ok(bytes) => bytes,
        Err(stream) => return head.set_body(stream),
    };
    let Some(xml) = write::write(name, &body) else { return head.set_body(BoxBody::new(body)) };
    head.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    head.set_body(BoxBody::new(xml))
}

/// The type of a JSON answer, and what its XML is told as.
fn root_of(request: &HttpRequest, headers: &HeaderMap) -> Option<(&'static str, &'static str)> {
    match headers.get(header::CONTENT_TYPE)?.to_str().ok()? {
        PROBLEM_JSON => Some((PROBLEM, PROBLEM_XML)),
        APPLICATION_JSON => {
            let template = request.app_data::<Route>()?.template;
            Some((model().answer(request.method().as_str(), template)?, APPLICATION_XML))
        }
        _ => None,
    }
}
