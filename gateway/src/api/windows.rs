//! `GET /v1/windows`, `GET /v1/windows/{id}` and `GET /v1/windows/{id}/statement`: what is settled
//! together, how far that is, and what it came to for the caller.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use alliance_contracts::ids::WindowId;
use alliance_contracts::problem::ProblemCode;
use alliance_contracts::window::{Window, WindowStatement, Windows};
use alliance_settlement::clearing_house::statements::StatementError;
use alliance_settlement::windows::WindowRecord;

use super::reply::{self, Reply};
use crate::server::gateway::Gateway;
use crate::server::refusal::Refusal;
use crate::server::target::{self, Pairs, Query};
use crate::server::verify::{Read, VerifiedRequest};

/// From where on.
pub struct WindowsQuery {
    after: u64,
    limit: Option<u32>,
}

impl Query for WindowsQuery {
    fn take(pairs: &mut Pairs<'_>) -> Result<Self, Refusal> {
        let after = pairs.take("after")?.unwrap_or(0);
        // Numbers are kept as signed 64-bit integers, with room for a page after the last.
        if after >= i64::MAX as u64 - u64::from(u32::MAX) {
            return Err(Refusal::malformed("after is beyond every window"));
        }
        Ok(Self { after, limit: target::take_limit(pairs)? })
    }
}

/// The alliance's settlement windows with a number above `after`, oldest first.
#[utoipa::path(
    get, path = "/v1/windows", operation_id = "list_windows",
    tag = "windows",
    params(
        ("after" = Option<u64>, Query,
            description = "`next_after` of the page before; 0 where left out"),
        ("limit" = Option<u32>, Query, description = "1 to 1000; 100 where left out"),
    ),
    responses((status = 200, description = "A page of windows", body = Windows))
)]
pub async fn list(request: VerifiedRequest<Read, WindowsQuery>, gateway: Data<Gateway>) -> Reply {
    let WindowsQuery { after, limit } = request.query;
    let items = target::page_items(limit);
    // Numbers have no gaps: one more than asked for tells whether there are more.
    let more_than = items.saturating_add(1);
    let last = after + u64::from(more_than);
    let newest =
        gateway.house().read(move |store| async move { store.windows(last, more_than).await });
    let mut windows = newest.await?;
    windows.retain(|window| window.number > after);
    windows.reverse();
    let page = usize::try_from(items).unwrap_or(usize::MAX);
    let more = windows.len() > page;
    windows.truncate(page);
    let next_after = windows.last().map(|window| window.number);
    let items = windows.iter().map(WindowRecord::told).collect();
    Ok(reply::json(StatusCode::OK, &Windows { items, more, next_after }))
}

/// One settlement window.
#[utoipa::path(
    get, path = "/v1/windows/{id}", operation_id = "get_window",
    tag = "windows",
    params(("id" = WindowId, Path, description = "The window")),
    responses((status = 200, description = "The window", body = Window))
)]
pub async fn show(request: VerifiedRequest<Read>, gateway: Data<Gateway>) -> Reply {
    let window = found(&gateway, request.path_parameter("id")?).await?;
    Ok(reply::json(StatusCode::OK, &window.told()))
}

/// The caller's statement of a window that was netted: signed, and proved by the caller's own
/// receipts. It is drawn up from them anew each time, and says the same each time.
#[utoipa::path(
    get, path = "/v1/windows/{id}/statement", operation_id = "get_statement",
    tag = "windows",
    params(("id" = WindowId, Path, description = "The window")),
    responses((status = 200, description = "The statement, signed", body = WindowStatement))
)]
pub async fn statement(request: VerifiedRequest<Read>, gateway: Data<Gateway>) -> Reply {
    let window = found(&gateway, request.path_parameter("id")?).await?;
    // The lines are the caller's receipts, which `/v1/corridors` hands out.
    let signed = gateway.house().statement(&window, &request.partner, &mut |_| Ok(())).await;
    let statement = signed.map_err(refused)?.jws;
    Ok(reply::json(StatusCode::OK, &WindowStatement { statement }))
}

async fn found(gateway: &Gateway, id: WindowId) -> Result<WindowRecord, Refusal> {
    let window = gateway.house().read(move |store| async move { store.window(id).await });
    window.await?.ok_or_else(Refusal::not_found)
}

fn refused(error: StatementError) -> Refusal {
    match error {
        StatementError::State { .. } | StatementError::NoLine { .. } => {
            Refusal::new(ProblemCode::NotFound, error.to_string())
        }
        StatementError::MayNotSign(error) => error.into(),
        StatementError::Store(error) => error.into(),
        StatementError::Books(_) | StatementError::Document(_) | StatementError::Written(_) => {
            Refusal::internal(error.to_string())
        }
    }
}
