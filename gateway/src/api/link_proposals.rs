//! `POST /v1/links`: one partner says that two accounts are the same person's.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use alliance_contracts::link::{Link, LinkRequest};
use alliance_contracts::problem::{FieldError, ProblemCode};
use alliance_contracts::quote::MemberAccount;
use alliance_settlement::command::{Command, Keyed, LinkEnd, ProposeLink};

use super::reply::Reply;
use super::{links, members};
use crate::draw;
use crate::server::gateway::Gateway;
use crate::server::refusal::Refusal;
use crate::server::verify::{Change, VerifiedRequest};

/// Proposes a link; of two programs of the caller's own it is active at once.
#[utoipa::path(
    post, path = "/v1/links", operation_id = "create_link",
    tag = "links",
    request_body(content = LinkRequest, example = json!({
        "a": {"program": "aurora", "member": "A-1001"},
        "b": {"program": "borealis", "member": "B-77"},
        "consent": {"scope": ["exchange"], "until": null}
    })),
    responses((status = 201, description = "The link", body = Link,
        headers(("Idempotency-Replayed" = String, description = "`true`: the first answer again"))))
)]
pub async fn create(request: VerifiedRequest<Change>, gateway: Data<Gateway>) -> Reply {
    let asked: LinkRequest = request.json()?;
    check(&asked)?;
    let digest = members::blinded(&gateway, request.path(), &asked);
    let proposal = ProposeLink {
        link: draw::id(),
        a: end(&gateway, asked.a, "/a/program")?,
        b: end(&gateway, asked.b, "/b/program")?,
        consent: asked.consent,
        nonce: gateway.house().random(),
    };
    let partner = request.partner.clone();
    let (key, evidence) = request.into_evidence();
    let keyed = Keyed { partner: partner.clone(), key, digest, request: evidence, index: 0 };
    let answer = gateway.submit(Command::ProposeLink(keyed, proposal)).await?;
    links::answered(&gateway, &partner, answer, StatusCode::CREATED).await
}

fn check(asked: &LinkRequest) -> Result<(), Refusal> {
    let scope = &asked.consent.scope;
    if scope.is_empty() {
        return Err(Refusal::malformed_field("/consent/scope", "at least one kind of order"));
    }
    if let Some(at) = (1..scope.len()).find(|at| scope[..*at].contains(&scope[*at])) {
        let pointer = format!("/consent/scope/{at}");
        return Err(Refusal::malformed_field(pointer, "this kind stands there twice"));
    }
    if asked.a.program == asked.b.program {
        return Err(Refusal::malformed_field("/b/program", "a link joins two programs"));
    }
    Ok(())
}

fn end(
    gateway: &Gateway,
    account: MemberAccount,
    pointer: &'static str,
) -> Result<LinkEnd, Refusal> {
    let registry = gateway.house().registry();
    let Some(program) = registry.program(&account.program) else {
        return Err(Refusal::field(FieldError {
            code: ProblemCode::NotFound,
            detail: format!("there is no program {}: GET /v1/programs lists them", account.program),
            pointer: pointer.to_owned(),
        }));
    };
    let newcomer = gateway.house().newcomer(&account.program, &account.member);
    Ok(LinkEnd {
        newcomer,
        partner: program.partner.clone(),
        lookup: gateway.house().vault().sought(&account.program, &account.member),
        program: account.program,
        member: account.member,
    })
}
