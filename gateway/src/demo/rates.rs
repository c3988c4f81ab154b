//! What rates did while the orders ran: the boards that were published, as a brand sees them —
//! fetched through the SDK, verified, every value computed again, one following on the other — and
//! a quote of each kind computed again from its board.

use std::time::Duration;

use alliance_contracts::board::Rates;
use alliance_contracts::decimal::{Decimal, MICROS, format_micros};
use alliance_contracts::names::ProgramId;
use alliance_contracts::observation::{FeedKind, Observation};
use alliance_contracts::quote::{
    AskedSide, MemberAccount, PricedItem, QuoteRequest, Side, SideAmount, TransactionKind,
};
use alliance_contracts::valuation::Limit;
use alliance_partner_sdk::Client;
use alliance_partner_sdk::verify::board::{VerifiedBoard, recompute_quote};
use alliance_settlement::clearing_house::{ClearingHouse, PublishError};
use alliance_settlement::rates::publication::NoBoard;
use serde::Serialize;

use super::cast::{BRANDS, Cast};
use super::drive::{Bought, Tally};
use crate::cli::failure::{Failure, whole};

/// How rates moved.
#[derive(Debug, Default, Serialize)]
pub struct RatesMoved {
    /// Whether every board and the quote are what they say.
    pub ok: bool,
    /// Boards that were published while the orders ran.
    pub published: u32,
    /// Boards whose every value was computed again.
    pub recomputed: u32,
    /// The board that was in force at the end.
    pub board: u32,
    /// Each program.
    pub programs: Vec<ProgramMoved>,
    /// Directions that cost more than was agreed at the end, because more goes that way than comes
    /// back.
    pub surcharges: Vec<Surcharged>,
    /// What was wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// A program's value over the boards.
#[derive(Debug, Serialize)]
pub struct ProgramMoved {
    /// Which.
    pub program: String,
    /// On the board before the first order.
    pub first: String,
    /// The least on any board since.
    pub least: String,
    /// The greatest.
    pub greatest: String,
    /// On the last board.
    pub last: String,
    /// From first to last, in per cent.
    pub change_percent: String,
    /// How many of its boards had a longer way to go than they could: cut by the longest step, or
    /// so that nobody gains between two boards.
    pub cut: u32,
}

/// A direction that costs more.
#[derive(Debug, Serialize)]
pub struct Surcharged {
    /// Whose points are given.
    pub source: String,
    /// Whose points arrive.
    pub target: String,
    /// The fee rate on top.
    pub surcharge: String,
}

/// The number of the last board, before the orders.
#[must_use]
pub fn last_board(house: &ClearingHouse) -> u32 {
    house.registry().last_board().map_or(0, |board| board.number())
}

/// Every brand reports what its points bought so far, as it would from its own receipts; then the
/// next board is published, and waited for.
///
/// # Errors
/// What the gateway or the books said.
pub async fn publish(
    house: &ClearingHouse,
    clients: &[Client; 3],
    tally: &Tally,
) -> Result<(), Failure> {
    for (client, brand) in clients.iter().zip(BRANDS) {
        let program: ProgramId = brand.program.parse().map_err(Failure::wrong)?;
        let Some(value) = tally.bought.get(&program).and_then(|bought| worth(*bought)) else {
            continue;
        };
        let feed = FeedKind::Redemption;
        let reading = Observation { feed, observed_at: house.now(), program, value };
        client.observe(&[reading]).await.map_err(|error| Failure::wrong(whole(&error)))?;
    }
    // By hand, as `alliance rates publish` does: the schedule goes on beside it.
    match house.publish(None).await {
        Ok(_) | Err(PublishError::NoBoard(NoBoard::NotYet { .. })) => {}
        Err(error) => return Err(Failure::wrong(error)),
    }
    while let Some(next) = house.registry().next_board(house.now()) {
        let wait = next.board.effective_at.as_millis() - house.now().as_millis();
        tokio::time::sleep(Duration::from_millis(u64::try_from(wait + 1).unwrap_or(1))).await;
    }
    Ok(())
}

/// What a point bought on average.
fn worth(bought: Bought) -> Option<Decimal> {
    let value = (bought.worth * i128::from(MICROS)).checked_div(bought.points)?;
    Decimal::from_micros(i64::try_from(value).ok()?)
}

/// Looks at every board from `first` on, as this brand.
pub async fn look(house: &ClearingHouse, client: &Client, cast: &Cast, first: u32) -> RatesMoved {
    let last = last_board(house);
    match boards(client, first, last).await {
        Ok(boards) => {
            let quote = quote(client, cast).await;
            told(&boards, quote.err())
        }
        Err(fault) => RatesMoved { board: last, fault: Some(fault), ..RatesMoved::default() },
    }
}

async fn boards(client: &Client, first: u32, last: u32) -> Result<Vec<Rates>, String> {
    let keys = client.gateway_keys().await.map_err(|error| whole(&error))?;
    let mut seen: Vec<Rates> = Vec::new();
    let mut before: Option<VerifiedBoard> = None;
    for number in first..=last {
        let rates = client.board(number).await.map_err(|error| whole(&error))?;
        let verified = VerifiedBoard::verify(&rates.jws, &keys).map_err(|e| e.to_string())?;
        if let Some(before) = &before {
            verified.follows(before).map_err(|error| error.to_string())?;
        }
        before = Some(verified);
        seen.push(rates);
    }
    Ok(seen)
}

/// Asks for a quote of each kind and computes it again.
async fn quote(client: &Client, cast: &Cast) -> Result<(), String> {
    let member = |text: &str| text.parse().map_err(|_| "no member".to_owned());
    let account = |at: usize, name: &str| {
        Ok::<_, String>(MemberAccount { member: member(name)?, program: cast.programs[at].clone() })
    };
    let value = Decimal::from_minor(1_000, 0).ok_or("1000")?;
    let exchange = QuoteRequest {
        expiry: None,
        amount: Some(SideAmount { side: Side::Source, value }),
        kind: TransactionKind::Exchange,
        source: account(0, "anybody")?.into(),
        target: account(1, "somebody")?.into(),
        tier: None,
        segment: None,
    };
    let (item, price) = BRANDS[1].item(0);
    let partner = cast.partners[1].clone();
    let redemption = QuoteRequest {
        amount: None,
        kind: TransactionKind::Redemption,
        target: AskedSide::Item(PricedItem { cash: Decimal::ZERO, item, partner, price }),
        ..exchange.clone()
    };
    let accrual = QuoteRequest {
        amount: Some(SideAmount { side: Side::Target, value }),
        kind: TransactionKind::Accrual,
        source: AskedSide::Partner { partner: cast.partners[0].clone() },
        ..exchange.clone()
    };
    let programs = client.programs().await.map_err(|error| whole(&error))?;
    for request in [exchange, redemption, accrual] {
        let quote = client.quote(&request).await.map_err(|error| whole(&error))?;
        let rates = client.board(quote.rate.board).await.map_err(|error| whole(&error))?;
        recompute_quote(&rates, &programs, &request, &quote, Decimal::ONE)
            .map_err(|fault| format!("a quote of kind {}: {fault}", request.kind.as_str()))?;
    }
    Ok(())
}

fn told(boards: &[Rates], fault: Option<String>) -> RatesMoved {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let last = boards.last();
    let surcharges = last.iter().flat_map(|rates| &rates.pairs).map(|pair| &pair.terms);
    RatesMoved {
        ok: fault.is_none() && !boards.is_empty(),
        published: count(boards.len().saturating_sub(1)),
        recomputed: count(boards.len()),
        board: last.map_or(0, |rates| rates.board.board),
        programs: BRANDS.iter().filter_map(|brand| program(boards, brand.program)).collect(),
        surcharges: surcharges
            .filter(|terms| !terms.surcharge.is_zero())
            .map(|terms| Surcharged {
                source: terms.source.to_string(),
                target: terms.target.to_string(),
                surcharge: terms.surcharge.to_string(),
            })
            .collect(),
        fault,
    }
}

fn program(boards: &[Rates], program: &str) -> Option<ProgramMoved> {
    let id = program.parse().ok()?;
    let valuations: Vec<_> = boards.iter().filter_map(|rates| rates.board.valuation(&id)).collect();
    let (first, last) = (valuations.first()?.value, valuations.last()?.value);
    let values = valuations.iter().map(|valuation| valuation.value);
    let cut = |limits: &[Limit]| limits.contains(&Limit::Step) || limits.contains(&Limit::Overlap);
    let cut = valuations.iter().skip(1).filter(|valuation| cut(&valuation.limited_by)).count();
    Some(ProgramMoved {
        program: program.to_owned(),
        first: first.to_string(),
        least: values.clone().min()?.to_string(),
        greatest: values.max()?.to_string(),
        last: last.to_string(),
        change_percent: percent(first, last),
        cut: u32::try_from(cut).unwrap_or(u32::MAX),
    })
}

/// In per cent with two decimals, toward zero.
fn percent(first: Decimal, last: Decimal) -> String {
    let moved = i128::from(last.micros()) - i128::from(first.micros());
    let hundredths = moved * 10_000 / i128::from(first.micros().max(1));
    let plus = if hundredths > 0 { "+" } else { "" };
    format!("{plus}{}", format_micros(hundredths * i128::from(MICROS / 100)))
}
