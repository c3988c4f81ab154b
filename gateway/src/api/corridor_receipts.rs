//! `GET /v1/corridors/{corridor}/receipts`: a chain, page by page or as one stream of lines.
//!
//! The stream is a snapshot: the head is read first and the stream ends there, so that its last
//! line names the head of exactly what was sent, whatever is committed meanwhile.

use actix_web::http::{StatusCode, header};
use actix_web::web::{Bytes, Data};
use actix_web::{Error, HttpResponse};
use alliance_contracts::corridor::{ReceiptPage, StreamEnd, StreamTrailer};
use alliance_contracts::encoding::Hash;
use alliance_contracts::json;
use alliance_contracts::names::Corridor;
use alliance_settlement::clearing_house::ClearingHouse;
use alliance_settlement::receipts::StoredReceipt;
use futures_util::{Stream, stream};

use super::render;
use super::reply::{self, Reply};
use crate::server::gateway::Gateway;
use crate::server::refusal::Refusal;
use crate::server::target::{self, Pairs, Query};
use crate::server::verify::{Read, VerifiedRequest};

/// Receipts read at a time for a stream: about a megabyte.
const STREAM_PAGE: u32 = 500;
const NDJSON: &str = "application/x-ndjson";

/// From where on, and how many.
pub struct PageQuery {
    after: u64,
    limit: Option<u32>,
}

impl Query for PageQuery {
    fn take(pairs: &mut Pairs<'_>) -> Result<Self, Refusal> {
        let after = pairs.take("after")?.unwrap_or(0);
        // Numbers are kept as signed 64-bit integers, and no chain is that long.
        if i64::try_from(after).is_err() {
            return Err(Refusal::malformed("after is beyond every chain"));
        }
        Ok(Self { after, limit: target::take_limit(pairs)? })
    }
}

/// Receipts of a corridor with `seq` above `after`, by `seq`.
#[utoipa::path(
    get, path = "/v1/corridors/{corridor}/receipts", operation_id = "list_receipts",
    tag = "receipts",
    params(
        ("corridor" = Corridor, Path, description = "The corridor"),
        ("after" = Option<u64>, Query, description = "Exclusive; 0 where left out"),
        ("limit" = Option<u32>, Query,
            description = "1 to 1000; of a page 100, of a stream everything where left out"),
    ),
    responses((status = 200,
        description = "A page; or, where `Accept` asks for `application/x-ndjson`, a line for each \
            receipt and then `{\"end\":{\"head\",\"seq\"}}`: without that line the stream was cut",
        content((ReceiptPage = "application/json"), (String = "application/x-ndjson"))))
)]
pub async fn list(request: VerifiedRequest<Read, PageQuery>, gateway: Data<Gateway>) -> Reply {
    let corridor = request.corridor()?;
    let PageQuery { after, limit } = request.query;
    if accepts_lines(&request) {
        lines(gateway.house().clone(), corridor, after, limit).await
    } else {
        page(gateway.house(), corridor, after, target::page_items(limit)).await
    }
}

fn accepts_lines(request: &VerifiedRequest<Read, PageQuery>) -> bool {
    let accepted = request.headers().get_all(header::ACCEPT).filter_map(|v| v.to_str().ok());
    accepted
        .flat_map(|value| value.split(','))
        .filter_map(|range| range.split(';').next())
        .any(|range| range.trim().eq_ignore_ascii_case(NDJSON))
}

async fn page(house: &ClearingHouse, corridor: Corridor, after: u64, items: u32) -> Reply {
    // One more than asked for tells whether there are more.
    let mut receipts = read(house, &corridor, after, items.saturating_add(1)).await?;
    let items = usize::try_from(items).unwrap_or(usize::MAX);
    let more = receipts.len() > items;
    receipts.truncate(items);
    let next_after = receipts.last().map_or(after, |receipt| receipt.seq);
    let mut body = b"{\"items\":[".to_vec();
    for (at, receipt) in receipts.iter().enumerate() {
        if at > 0 {
            body.push(b',');
        }
        render::append_receipt(&mut body, receipt);
    }
    body.extend_from_slice(format!("],\"more\":{more},\"next_after\":{next_after}}}").as_bytes());
    Ok(reply::json_bytes(StatusCode::OK, body))
}

async fn lines(house: ClearingHouse, corridor: Corridor, after: u64, limit: Option<u32>) -> Reply {
    let named = corridor.clone();
    let head = house.read(move |store| async move { store.head(&named).await }).await?;
    let head = head.unwrap_or_default();
    let last = match limit {
        Some(limit) => head.seq.min(after.saturating_add(u64::from(limit))),
        None => head.seq,
    };
    // Nothing to send: the end is the head itself.
    let end = StreamEnd { head: head.head, seq: head.seq };
    let sending = Sending { house, corridor, at: after, last, end, ended: false };
    Ok(HttpResponse::Ok().content_type(NDJSON).streaming(bodies(sending)))
}

/// A stream under way.
struct Sending {
    house: ClearingHouse,
    corridor: Corridor,
    /// The last number that was sent.
    at: u64,
    /// The last number that is to be sent.
    last: u64,
    /// The end as the last line tells it.
    end: StreamEnd,
    /// Whether the last line has been sent.
    ended: bool,
}

fn bodies(sending: Sending) -> impl Stream<Item = Result<Bytes, Error>> {
    stream::try_unfold(sending, |mut sending| async move {
        if sending.ended {
            return Ok(None);
        }
        let piece = if sending.at < sending.last {
            next_lines(&mut sending).await?
        } else {
            sending.ended = true;
            last_line(sending.end)
        };
        Ok(Some((piece, sending)))
    })
}

fn last_line(end: StreamEnd) -> Bytes {
    let mut line = json::canonical(&StreamTrailer { end });
    line.push(b'\n');
    Bytes::from(line)
}

/// The next lines. An error here cuts the connection: the end line is missing, and the reader
/// knows.
async fn next_lines(sending: &mut Sending) -> Result<Bytes, Refusal> {
    let left = u32::try_from(sending.last - sending.at).unwrap_or(u32::MAX);
    let page = left.min(STREAM_PAGE);
    let receipts = read(&sending.house, &sending.corridor, sending.at, page).await?;
    let last = receipts.last().ok_or_else(|| Refusal::internal("a gap in a chain"))?;
    sending.at = last.seq;
    sending.end = StreamEnd { head: Hash::of(&last.payload), seq: last.seq };
    let mut piece = Vec::new();
    for receipt in &receipts {
        render::append_receipt(&mut piece, receipt);
        piece.push(b'\n');
    }
    Ok(Bytes::from(piece))
}

async fn read(
    house: &ClearingHouse,
    corridor: &Corridor,
    after: u64,
    limit: u32,
) -> Result<Vec<StoredReceipt>, Refusal> {
    let corridor = corridor.clone();
    let receipts =
        house.read(move |store| async move { store.receipts(&corridor, after, limit).await });
    Ok(receipts.await?)
}
