//! The OpenAPI document: made from the handlers and the wire types themselves. What all signed
//! operations have in common — signature, header fields, problems — is added in one place.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use alliance_contracts::encoding::Hash;
use alliance_contracts::keys::Kid;
use alliance_contracts::names::{IdempotencyKey, PartnerId};
use alliance_contracts::problem::{Fork, PROBLEM_JSON, Problem};
use alliance_contracts::time::Timestamp;
use serde_json::json;
use utoipa::openapi::header::Header;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Content, OpenApi as Document, Ref, RefOr, Required, Response, ResponseBuilder,
};
use utoipa::{Modify, OpenApi, PartialSchema, ToSchema};

use super::{
    agreement_changes, agreement_diff, agreement_proposals, agreements, campaigns, consents,
    corridor_checkpoint, corridor_proofs, corridor_receipts, corridors, cosignatures, erasures,
    events, health, key_changes, key_uses, keys, link_changes, link_proposals, links,
    member_changes, members, observations, partner_keys, programs, quote_batch, quotes,
    rate_stream, rates, receipt_evidence, receipt_proof, receipts, reversals, transaction_batch,
    transactions, webhook_changes, webhook_deliveries, webhooks, well_known, windows,
};
use crate::server::edge::REQUEST_ID;

/// Where the scheme stands in `components`.
const SIGNATURE: &str = "http-message-signature";

const DESCRIPTION: &str = "\
The clearing house of a loyalty alliance: quotes, orders, links, agreements, and receipts that \
both brands can verify offline.\n\n\
Every request under `/v1` carries one HTTP message signature (RFC 9421) of Ed25519 with \
`tag=\"alliance-v1\"`, `created` and `keyid`, that covers `@method`, `@authority`, `@path` and \
`@query`, and on a POST `content-type`, `content-digest` (RFC 9530) and `idempotency-key`. \
`Accept-Signature` asks for a signed answer.\n\n\
Amounts are decimals in strings, in their one shortest spelling. Errors are \
`application/problem+json` (RFC 9457); `code` says which rule was broken, and `/docs/problems` \
lists all codes. The same documents are spoken as `application/xml`, by the schema at \
`/xml/alliance-v1.xsd`. Repeat a POST that got no answer, a 5xx or a 429 with the same \
`Idempotency-Key`.";

#[derive(OpenApi)]
#[openapi(
    info(title = "alliance", description = DESCRIPTION, license(name = "Apache-2.0")),
    paths(
        programs::list, rates::show, rate_stream::stream, observations::create,
        quotes::create, quote_batch::create, transactions::create, transactions::show,
        transaction_batch::create, reversals::create, links::list, links::show,
        link_proposals::create, link_changes::confirm, link_changes::revoke,
        campaigns::list,
        consents::list, consents::show, consents::grant, consents::revoke,
        agreements::list, agreements::show, agreement_proposals::create, agreement_diff::show,
        agreement_changes::countersign, agreement_changes::withdraw,
        events::list, windows::list, windows::show, windows::statement,
        receipts::show, receipt_evidence::show, receipt_proof::show, corridors::list,
        corridor_receipts::list, corridor_checkpoint::show, corridor_proofs::inclusion,
        corridor_proofs::consistency, cosignatures::list, cosignatures::create, members::balance,
        members::opening, member_changes::validate, member_changes::freeze,
        member_changes::unfreeze, erasures::forget, erasures::list, erasures::show,
        webhooks::list, webhooks::show, webhooks::create, webhook_changes::settings,
        webhook_changes::secret, webhook_changes::remove, webhook_changes::resend,
        webhook_changes::replay, webhook_deliveries::list, webhook_deliveries::show,
        partner_keys::list,
        keys::list, keys::show, keys::create, key_changes::retire, key_changes::revoke,
        key_uses::list, well_known::jwks, health::live, health::ready,
    ),
    components(schemas(Problem)),
    tags(
        (name = "orders", description = "Quotes, transactions and reversals (protocol § 3, § 4)"),
        (name = "links", description = "Two accounts that belong to one person (protocol § 4)"),
        (name = "campaigns", description = "More points for a while, out of a budget"),
        (name = "consents", description = "What a partner lets another order in its name"),
        (name = "agreements", description = "What two partners agree on and both sign"),
        (name = "events", description = "What has happened, as it happens (protocol § 7)"),
        (name = "windows", description = "What is settled together, and what it came to"),
        (name = "receipts", description = "Receipts, chains and proofs (protocol § 5)"),
        (name = "rates", description = "Programs and the board in force"),
        (name = "members", description = "The caller's own members"),
        (name = "keys", description = "Key lists (protocol § 5), and the caller's own keys"),
        (name = "health", description = "For load balancers"),
    ),
    modifiers(&Common)
)]
struct Api;

// The wire types are `contracts::key_list::Jwk` and `KeyList`; their module knows no schemas.

/// A published key (RFC 7517, RFC 8037).
#[derive(ToSchema)]
#[schema(as = Jwk)]
#[allow(dead_code, reason = "read by the schema only")]
pub struct JwkSchema {
    /// Always `EdDSA`.
    alg: String,
    /// Always `Ed25519`.
    crv: String,
    /// Not valid from this moment on.
    #[schema(required)]
    exp: Option<Timestamp>,
    /// The thumbprint of `x`.
    kid: Kid,
    /// Always `OKP`.
    kty: String,
    /// Valid from this moment on.
    #[schema(required)]
    nbf: Option<Timestamp>,
    /// In a partner key list: whose key it is.
    partner: Option<PartnerId>,
    /// Revoked from this moment on.
    #[schema(required)]
    revoked_at: Option<Timestamp>,
    /// In a partner key list: `full` or `read`.
    scope: Option<String>,
    /// Always `sig`.
    r#use: String,
    /// The public key, base64url.
    x: String,
}

/// A key list.
#[derive(ToSchema)]
#[schema(as = KeyList)]
#[allow(dead_code, reason = "read by the schema only")]
pub struct KeyListSchema {
    /// The keys.
    keys: Vec<JwkSchema>,
    /// The same list as a compact JWS (`typ` `alliance-keys+jws`).
    statement: String,
}

/// What all operations have in common.
struct Common;

impl Modify for Common {
    fn modify(&self, document: &mut Document) {
        let mut value = ApiKeyValue::new("Signature");
        value.description = Some(
            "RFC 9421, Ed25519, tag=\"alliance-v1\"; not an API key: a signature over this very \
             request, with Signature-Input beside it"
                .to_owned(),
        );
        let components = document.components.get_or_insert_default();
        let scheme = SecurityScheme::ApiKey(ApiKey::Header(value));
        components.security_schemes.insert(SIGNATURE.to_owned(), scheme.into());
        if let Some(fork) = fork_members(&components.schemas) {
            flatten_problem(&mut components.schemas, fork);
        }
        for (path, item) in &mut document.paths.paths {
            let signed = path.starts_with("/v1/");
            for (operation, posts) in [(&mut item.get, false), (&mut item.post, true)] {
                if let Some(operation) = operation {
                    complete(operation, signed, posts);
                }
            }
        }
    }
}

type Schemas = BTreeMap<String, RefOr<Schema>>;

fn fork_members(schemas: &Schemas) -> Option<BTreeMap<String, RefOr<Schema>>> {
    match schemas.get(&*Fork::name())? {
        RefOr::T(Schema::Object(fork)) => Some(fork.properties.clone()),
        _ => None,
    }
}

/// A problem has a fork's members or has none of them. The derived schema says that it *is* a fork
/// or null; one object with members that may be left out says what is sent.
fn flatten_problem(schemas: &mut Schemas, fork: BTreeMap<String, RefOr<Schema>>) {
    let Some(problem) = schemas.get_mut(&*Problem::name()) else { return };
    let RefOr::T(Schema::AllOf(derived)) = problem else { return };
    let own = derived.items.iter().find_map(|part| match part {
        RefOr::T(Schema::Object(own)) => Some(own.clone()),
        _ => None,
    });
    if let Some(mut own) = own {
        own.description.clone_from(&derived.description);
        own.properties.extend(fork);
        *problem = own.into();
    }
}

fn complete(operation: &mut Operation, signed: bool, posts: bool) {
    if signed {
        let none: [&str; 0] = [];
        operation.security = Some(vec![SecurityRequirement::new(SIGNATURE, none)]);
        let parameters = operation.parameters.get_or_insert_default();
        parameters.extend(signed_fields().map(RefOr::T));
        if posts {
            parameters.extend(post_fields().map(RefOr::T));
        }
    }
    for answer in operation.responses.responses.values_mut() {
        if let RefOr::T(answer) = answer {
            answer.headers.insert(REQUEST_ID.to_owned(), request_id().into());
        }
    }
    operation.responses.responses.insert("default".to_owned(), problem().into());
}

fn signed_fields() -> [Parameter; 4] {
    [
        field(
            "Signature-Input",
            Required::True,
            "What is signed, when, with which key (RFC 9421)",
            text(
                "sig1=(\"@method\" \"@authority\" \"@path\" \"@query\");created=1795406706;\
                keyid=\"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k\";tag=\"alliance-v1\"",
            ),
        ),
        field("Signature", Required::True, "The signature", text("sig1=:<base64>:")),
        field(
            "Accept-Signature",
            Required::False,
            "Asks for a signed answer",
            text("sig1=(\"@status\" \"content-type\" \"content-digest\");tag=\"alliance-resp-v1\""),
        ),
        field(
            "Alliance-Seen",
            Required::False,
            "A receipt that the caller has, `<corridor>=<seq>:<sha-256>`; covered by the \
             signature. Where it contradicts the chain, the answer is `chain_fork`",
            text(&format!("aurora-air~borealis-coffee=42:{}", Hash::of(b""))),
        ),
    ]
}

fn post_fields() -> [Parameter; 2] {
    let digest = "SHA-256 of the body (RFC 9530)";
    let key = "Makes a repeated request harmless: the same key with the same order gets the first \
               decision again";
    [
        field("Content-Digest", Required::True, digest, text("sha-256=:<base64>:")),
        field("Idempotency-Key", Required::True, key, IdempotencyKey::schema()),
    ]
}

fn field(
    name: &str,
    required: Required,
    description: &str,
    schema: impl Into<RefOr<Schema>>,
) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(required)
        .description(Some(description))
        .schema(Some(schema))
        .build()
}

fn text(example: &str) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).examples([json!(example)]).build().into()
}

fn request_id() -> Header {
    let mut header = Header::new(String::schema());
    header.description = Some("Names this request in the gateway's logs".to_owned());
    header
}

fn problem() -> Response {
    let content = Content::new(Some(Ref::from_schema_name(Problem::name())));
    let seconds = Header::new(u32::schema());
    ResponseBuilder::new()
        .description("A problem: `code` says which rule was broken (see /docs/problems)")
        .content(PROBLEM_JSON, content)
        .header(REQUEST_ID, request_id())
        .header("Retry-After", seconds)
        .build()
}

static TEXT: LazyLock<String> = LazyLock::new(|| {
    // The document is strings, lists and maps with string keys: it always serialises.
    let mut text = Api::openapi().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
});

/// The OpenAPI document, pretty and stable: `/openapi.json`, `alliance openapi` and the committed
/// `contracts/openapi.json` are these bytes.
#[must_use]
pub fn openapi_json() -> String {
    TEXT.clone()
}

/// Method, path and summary of every operation, for the page that lists them.
pub fn operations() -> Vec<(&'static str, String, String)> {
    let mut operations = Vec::new();
    for (path, item) in Api::openapi().paths.paths {
        for (method, operation) in [("GET", item.get), ("POST", item.post)] {
            if let Some(operation) = operation {
                operations.push((method, path.clone(), operation.summary.unwrap_or_default()));
            }
        }
    }
    operations
}
