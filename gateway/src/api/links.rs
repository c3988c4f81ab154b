//! `GET /v1/links`, `GET /v1/links/{id}`: links that the caller is a party to.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use alliance_contracts::ids::LinkId;
use alliance_contracts::link::{Link, LinkState, Links};
use alliance_contracts::names::PartnerId;
use alliance_settlement::command::Outcome;
use alliance_settlement::sequencer::Answer;

use super::render;
use super::reply::{self, Reply};
use crate::server::gateway::Gateway;
use crate::server::refusal::Refusal;
use crate::server::target::{self, Pairs, Query};
use crate::server::verify::{Read, VerifiedRequest};

/// Which links, from where on.
pub struct LinksQuery {
    state: Option<LinkState>,
    after: Option<LinkId>,
    limit: Option<u32>,
}

/// A state as a query spells it.
struct State(LinkState);

impl std::str::FromStr for State {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        LinkState::from_stored(text).map(Self).ok_or(())
    }
}

impl Query for LinksQuery {
    fn take(pairs: &mut Pairs<'_>) -> Result<Self, Refusal> {
        Ok(Self {
            state: pairs.take::<State>("state")?.map(|State(state)| state),
            after: pairs.take("after")?,
            limit: target::take_limit(pairs)?,
        })
    }
}

/// The caller's links, oldest first.
#[utoipa::path(
    get, path = "/v1/links", operation_id = "list_links",
    tag = "links",
    params(
        ("state" = Option<LinkState>, Query, description = "Only links in this state"),
        ("after" = Option<LinkId>, Query, description = "`next_after` of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 1000; 100 where left out"),
    ),
    responses((status = 200, description = "A page of links", body = Links))
)]
pub async fn list(request: VerifiedRequest<Read, LinksQuery>, gateway: Data<Gateway>) -> Reply {
    let LinksQuery { state, after, limit } = request.query;
    let items = target::page_items(limit);
    // One more than asked for tells whether there are more.
    let mut views = gateway
        .house()
        .links(request.partner.clone(), state, after, items.saturating_add(1))
        .await?;
    let page = usize::try_from(items).unwrap_or(usize::MAX);
    let more = views.len() > page;
    views.truncate(page);
    let next_after = views.last().map(|view| view.record.id);
    let items = views.into_iter().map(|view| render::link(&request.partner, view)).collect();
    Ok(reply::json(StatusCode::OK, &Links { items, more, next_after }))
}

/// One link of the caller's.
#[utoipa::path(
    get, path = "/v1/links/{id}", operation_id = "get_link",
    tag = "links",
    params(("id" = LinkId, Path, description = "The link")),
    responses((status = 200, description = "The link", body = Link))
)]
pub async fn show(request: VerifiedRequest<Read>, gateway: Data<Gateway>) -> Reply {
    let link = visible(&gateway, &request.partner, request.path_parameter("id")?).await?;
    Ok(reply::json(StatusCode::OK, &link))
}

async fn visible(gateway: &Gateway, caller: &PartnerId, id: LinkId) -> Result<Link, Refusal> {
    let view = gateway.house().link(id).await?;
    view.filter(|view| view.record.includes(caller))
        .map(|view| render::link(caller, view))
        .ok_or_else(Refusal::not_found)
}

/// The answer to a link command that the ledger has decided: the link in its present state.
pub async fn answered(
    gateway: &Gateway,
    caller: &PartnerId,
    answer: Answer,
    status: StatusCode,
) -> Reply {
    let replayed = answer.decided.replayed;
    match answer.decided.outcome {
        Outcome::Link(id) => {
            let link = visible(gateway, caller, id).await?;
            Ok(reply::replayed(reply::json(status, &link), replayed))
        }
        other => Err(reply::unexpected(&other).replayed(replayed)),
    }
}
