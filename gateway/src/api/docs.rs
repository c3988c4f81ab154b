//! Documentation served by the gateway itself: `/`, `/docs`, `/docs/problems`, `/openapi.json`.
//! Nothing is fetched from elsewhere, and the pages say the same to `curl` as to a browser.

use std::sync::{Arc, LazyLock};

use actix_web::http::header::{self, ContentEncoding};
use actix_web::{HttpRequest, HttpResponse};
use alliance_contracts::problem::ProblemCode;
use utoipa_swagger_ui::Config;

use super::document::{openapi_json, operations};
use super::reply::{self, Reply};
use crate::server::refusal::Refusal;

const STYLE: &str = "<style>body{font:16px/1.5 system-ui,sans-serif;margin:2rem;max-width:70rem}\
    table{border-collapse:collapse}td,th{padding:.2rem .8rem .2rem 0;text-align:left;\
    vertical-align:top}code{font-family:ui-monospace,monospace}</style>";

/// `GET /`: where to look.
pub async fn root() -> Reply {
    Ok(reply::text(
        "alliance: the clearing house of a loyalty alliance\n\n\
         /docs                    the API, for people\n\
         /docs/problems           what each error code means\n\
         /openapi.json            the API, for programs\n\
         /.well-known/jwks.json   the keys that receipts verify under\n\
         /health/ready            whether it can do its work\n"
            .to_owned(),
    ))
}

/// `GET /openapi.json`.
pub async fn openapi() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(openapi_json())
}

/// What stands between backticks, as code.
fn with_code(escaped: &str) -> String {
    let mut parts = escaped.split('`');
    let mut html = parts.next().unwrap_or_default().to_owned();
    for (at, part) in parts.enumerate() {
        html.push_str(if at % 2 == 0 { "<code>" } else { "</code>" });
        html.push_str(part);
    }
    html
}

static INDEX: LazyLock<String> = LazyLock::new(|| {
    let mut rows = String::new();
    for (method, path, summary) in operations() {
        let (path, summary) = (escape(&path), with_code(&escape(&summary)));
        rows.push_str(&format!(
            "<tr><td><code>{method}</code></td><td><code>{path}</code></td>\n\
             <td>{summary}</td></tr>\n"
        ));
    }
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <title>alliance: the API</title>\n<base href=\"/docs/\">\n\
         <link rel=\"stylesheet\" href=\"swagger-ui.css\">\n{STYLE}\n</head>\n<body>\n\
         <h1>alliance: the API</h1>\n\
         <p>Every request under <code>/v1</code> is signed (RFC 9421). The whole document: \
         <a href=\"/openapi.json\">/openapi.json</a>. Error codes: \
         <a href=\"/docs/problems\">/docs/problems</a>.</p>\n\
         <table>\n{rows}</table>\n<div id=\"swagger-ui\"></div>\n\
         <script src=\"swagger-ui-bundle.js\"></script>\n\
         <script src=\"swagger-ui-standalone-preset.js\"></script>\n\
         <script src=\"swagger-initializer.js\"></script>\n</body>\n</html>\n"
    )
});

/// `GET /docs`: every operation in one list, and Swagger UI below it.
pub async fn index() -> HttpResponse {
    html(&INDEX)
}

static PROBLEMS: LazyLock<String> = LazyLock::new(|| {
    let mut rows = String::new();
    for code in ProblemCode::ALL {
        let says = |yes: bool| if yes { "yes" } else { "no" };
        rows.push_str(&format!(
            "<tr id=\"{code}\"><td><code>{code}</code></td><td>{}</td><td>{}</td><td>{}</td>\n\
             <td>{}</td></tr>\n",
            code.status(),
            says(code.is_decision()),
            says(code.is_retryable()),
            escape(code.meaning()),
        ));
    }
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <title>alliance: problems</title>\n{STYLE}\n</head>\n<body>\n<h1>Problems</h1>\n\
         <p>Every error is <code>application/problem+json</code> (RFC 9457) with one of these \
         codes. They stand in the order in which they are checked: of two broken rules the first \
         is told. A decision consumes the idempotency key: repeating the request gets the same \
         answer, a new attempt takes a new key. What may be retried is repeated with the \
         <em>same</em> key.</p>\n<table>\n<tr><th>code</th><th>status</th><th>decision</th>\
         <th>retry</th><th>meaning</th></tr>\n\
         {rows}</table>\n</body>\n</html>\n"
    )
});

/// `GET /docs/problems`: the table of codes; a problem's `type` points into it.
pub async fn problems() -> HttpResponse {
    html(&PROBLEMS)
}

static SWAGGER: LazyLock<Arc<Config<'static>>> =
    LazyLock::new(|| Arc::new(Config::from("/openapi.json").validator_url("none")));

/// `GET /docs/{file}`: the files of Swagger UI, which are part of the binary.
pub async fn file(request: HttpRequest) -> Reply {
    let name = request.match_info().get("file").unwrap_or_default();
    let found = utoipa_swagger_ui::serve(name, SWAGGER.clone()).ok().flatten();
    let found = found.ok_or_else(Refusal::not_found)?;
    let mut answer = HttpResponse::Ok();
    if found.gzpipped {
        answer.insert_header((header::CONTENT_ENCODING, ContentEncoding::Gzip));
    }
    Ok(answer.content_type(found.content_type).body(found.bytes.into_owned()))
}

fn html(page: &'static str) -> HttpResponse {
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(page)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
