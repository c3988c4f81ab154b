//! Boards and quotes, recomputed: that every value follows from what the board says it is made of,
//! that boards follow each other, and that a quote is what its board and the pair's terms come to.
//!
//! What cannot be checked from here is what only the alliance sees: whether the observations are
//! what partners handed in, and other pairs' flows. Each partner sees its own.

use alliance_contracts::arithmetic::{self, Amounts};
use alliance_contracts::board::{Board, CommittedTerms, PairFee, Rates};
use alliance_contracts::campaign::{CampaignView, Campaigns};
use alliance_contracts::decimal::{Decimal, MICROS};
use alliance_contracts::encoding::Hash;
use alliance_contracts::ids::CampaignId;
use alliance_contracts::json;
use alliance_contracts::jws::{self, JwsError, JwsType};
use alliance_contracts::key_list::TrustedKeys;
use alliance_contracts::keys::Kid;
use alliance_contracts::limits::MONEY_SCALE;
use alliance_contracts::names::{PartnerId, SegmentName, TierName};
use alliance_contracts::program::{Program, Programs};
use alliance_contracts::quote::{
    AskedSide, Bonus, FeeBearer, Quote, QuoteRequest, Rate, Side, SideAmount, TransactionKind,
};
use alliance_contracts::valuation::ValuationMismatch;

/// Why a board proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BoardFault {
    /// Not a compact JWS of the one form, of another `typ`, or its signature does not verify.
    #[error("the board is refused: {0}")]
    Jws(#[from] JwsError),
    /// The payload is not the canonical form of a board.
    #[error("the payload is not the canonical form of a board")]
    Payload,
    /// The key list does not have the key, or the key was not in force when the board was made.
    #[error("{kid} is no gateway key that was in force when the board was made")]
    UnknownKey {
        /// The key.
        kid: Kid,
    },
    /// Of another alliance than the key list.
    #[error("of the alliance {0}, which the key list is not of")]
    ForeignAlliance(String),
    /// Programs do not stand in their order, or one stands there twice.
    #[error("the programs do not stand in their order")]
    Order,
    /// It takes effect before it was made.
    #[error("the board takes effect before it was made")]
    Time,
    /// A value does not follow from what it is made of.
    #[error(transparent)]
    Value(#[from] ValuationMismatch),
    /// Not the board after that one: its number, its time or the hash it names is another.
    #[error("board {number} does not follow on board {before}")]
    NotNext {
        /// This one.
        number: u32,
        /// The one before.
        before: u32,
    },
    /// A value does not begin where the board before has left it.
    #[error("the value of {0} does not begin where the board before has left it")]
    Previous(String),
    /// The board does not commit to these terms.
    #[error("board {0} does not commit to the terms of {1} for {2}")]
    Terms(u32, String, String),
}

/// A board whose signature verifies and whose every value was computed again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedBoard {
    board: Board,
    hash: Hash,
}

impl VerifiedBoard {
    /// Verifies a board under the alliance's keys, and computes every value again.
    ///
    /// # Errors
    /// The first [`BoardFault`].
    pub fn verify(jws: &str, keys: &TrustedKeys) -> Result<Self, BoardFault> {
        let signed = jws::parse(jws)?;
        let unknown = || BoardFault::UnknownKey { kid: signed.kid.clone() };
        let key = keys.find(&signed.kid).ok_or_else(unknown)?;
        signed.verify(JwsType::Board, &key.public)?;
        let board: Board = json::read_canonical(&signed.payload).ok_or(BoardFault::Payload)?;
        if !key.valid_at(board.published_at) || key.revoked_at.is_some() {
            return Err(unknown());
        }
        if board.alliance.as_str() != keys.alliance() {
            return Err(BoardFault::ForeignAlliance(board.alliance.to_string()));
        }
        if board.effective_at < board.published_at {
            return Err(BoardFault::Time);
        }
        if !board.values.is_sorted_by(|one, next| one.program < next.program) {
            return Err(BoardFault::Order);
        }
        board.values.iter().try_for_each(|value| value.recompute())?;
        Ok(Self { board, hash: Hash::of(&signed.payload) })
    }

    /// The board.
    #[must_use]
    pub const fn board(&self) -> &Board {
        &self.board
    }

    /// SHA-256 of its payload: what the next board names.
    #[must_use]
    pub const fn hash(&self) -> &Hash {
        &self.hash
    }

    /// Whether this is the board after `before`: by number, by the hash it names, by time, and each
    /// value begins where that one has left it.
    ///
    /// # Errors
    /// [`BoardFault::NotNext`], [`BoardFault::Previous`].
    pub fn follows(&self, before: &Self) -> Result<(), BoardFault> {
        let (number, last) = (self.board.board, before.board.board);
        let next = last.checked_add(1) == Some(number)
            && self.board.previous == before.hash
            && self.board.effective_at >= before.board.effective_at
            && self.board.alliance == before.board.alliance;
        if !next {
            return Err(BoardFault::NotNext { number, before: last });
        }
        let broken =
            self.board.values.iter().find(|v| v.previous != before.board.value(&v.program));
        match broken {
            Some(value) => Err(BoardFault::Previous(value.program.to_string())),
            None => Ok(()),
        }
    }

    /// Whether the board commits to every one of these terms.
    ///
    /// # Errors
    /// [`BoardFault::Terms`] of the first that it does not commit to.
    pub fn commits_to(&self, pairs: &[CommittedTerms]) -> Result<(), BoardFault> {
        match pairs.iter().find(|pair| !pair.stand_on(&self.board)) {
            Some(CommittedTerms { terms, .. }) => Err(BoardFault::Terms(
                self.board.board,
                terms.source.to_string(),
                terms.target.to_string(),
            )),
            None => Ok(()),
        }
    }
}

/// How a quote differs from what its board and the pair's terms come to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuoteFault {
    /// It names another board than the one at hand: ask for that one.
    #[error("the quote stands on board {quoted}, these are the rates of board {shown}")]
    AnotherBoard {
        /// The quote's.
        quoted: u32,
        /// The one at hand.
        shown: u32,
    },
    /// A program that the alliance does not list, or the board has no value for.
    #[error("the program {0} is not on the board")]
    UnknownProgram(String),
    /// The partners have no agreement that the caller is shown.
    #[error("there is no agreement on this pair")]
    NoAgreement,
    /// A rate other than the board's values and the pair's terms.
    #[error("the rate is {quoted}, the board and the pair's terms come to {computed}")]
    Rate {
        /// As quoted, JSON.
        quoted: String,
        /// As computed, JSON.
        computed: String,
    },
    /// Amounts other than the arithmetic comes to.
    #[error("the amounts are not what the rate comes to")]
    Amounts,
    /// The caller is shown no such campaign, or it is not for this order.
    #[error("the campaign {0} is not for this order")]
    Campaign(CampaignId),
    /// A bonus other than its campaign comes to.
    #[error("the bonus is {quoted}, its campaign comes to {computed}")]
    Bonus {
        /// As quoted, JSON.
        quoted: String,
        /// As computed, JSON.
        computed: String,
    },
}

/// Computes a quote again from what the gateway publishes: the rates of the quote's board as the
/// caller is shown them, and the list of programs. `tier` is what the agreement's mapping says of
/// the request's tier; one where the request has none.
///
/// # Errors
/// The first [`QuoteFault`].
pub fn recompute_quote(
    rates: &Rates,
    programs: &Programs,
    request: &QuoteRequest,
    quote: &Quote,
    tier: Decimal,
) -> Result<(), QuoteFault> {
    if quote.rate.board != rates.board.board {
        let (quoted, shown) = (quote.rate.board, rates.board.board);
        return Err(QuoteFault::AnotherBoard { quoted, shown });
    }
    let (source, target) = (end(programs, &request.source)?, end(programs, &request.target)?);
    let rate = match (source.program, target.program) {
        (Some(source), Some(target)) => rate(rates, source, target, tier)?,
        _ => one_sided_rate(rates, request.kind, &source, &target)?,
    };
    if rate != quote.rate {
        return Err(QuoteFault::Rate { quoted: text(&quote.rate), computed: text(&rate) });
    }
    let amounts = amounts(&rate, request, &source, &target).ok_or(QuoteFault::Amounts)?;
    if is_quoted(quote, &amounts, &source, &target) { Ok(()) } else { Err(QuoteFault::Amounts) }
}

/// Computes again what a campaign adds to a quote, from what the gateway publishes: the campaigns
/// as the caller is shown them. A quote without a bonus says nothing that could be computed: which
/// campaign still has money is shown to its sponsor alone.
///
/// # Errors
/// [`QuoteFault::UnknownProgram`], [`QuoteFault::Campaign`], [`QuoteFault::Bonus`],
/// [`QuoteFault::Amounts`].
pub fn recompute_bonus(
    campaigns: &Campaigns,
    programs: &Programs,
    request: &QuoteRequest,
    quote: &Quote,
) -> Result<(), QuoteFault> {
    let Some(bonus) = &quote.bonus else { return Ok(()) };
    let (source, target) = (end(programs, &request.source)?, end(programs, &request.target)?);
    let for_order = |view: &&CampaignView| view.id == bonus.campaign && adds(view, request);
    let campaign = campaigns.campaigns.iter().find(for_order);
    let ends = source.program.zip(target.program).filter(|(source, target)| {
        let covers = |view: &CampaignView| {
            view.target == target.program
                && view.source.as_ref().is_none_or(|named| *named == source.program)
        };
        source.partner != target.partner && campaign.is_some_and(covers)
    });
    let (Some(campaign), Some((_, program))) = (campaign, ends) else {
        return Err(QuoteFault::Campaign(bonus.campaign));
    };
    let arrives = quote.target.amount().to_minor(program.scale).ok_or(QuoteFault::Amounts)?;
    let value = quote.rate.target_value;
    let added = arithmetic::bonus(arrives, program.scale, value, campaign.multiplier);
    let added = added.map_err(|_| QuoteFault::Amounts)?;
    let computed = Bonus {
        campaign: campaign.id,
        cost: Decimal::from_micros(added.cost).ok_or(QuoteFault::Amounts)?,
        points: Decimal::from_minor(added.points, program.scale).ok_or(QuoteFault::Amounts)?,
    };
    if computed == *bonus {
        return Ok(());
    }
    Err(QuoteFault::Bonus { quoted: text(bonus), computed: text(&computed) })
}

/// Whether a campaign is for a member of the request's tier and segment.
fn adds(campaign: &CampaignView, request: &QuoteRequest) -> bool {
    let (tiers, segments) = (&campaign.tiers, &campaign.segments);
    let named = |all: &[TierName]| request.tier.as_ref().is_some_and(|tier| all.contains(tier));
    let told = |all: &[SegmentName]| request.segment.as_ref().is_some_and(|one| all.contains(one));
    request.kind == TransactionKind::Exchange
        && tiers.as_deref().is_none_or(named)
        && segments.as_deref().is_none_or(told)
}

fn text<T: serde::Serialize>(value: &T) -> String {
    String::from_utf8_lossy(&json::canonical(value)).into_owned()
}

/// One end of an order: a program, or the partner where there is none.
struct End<'a> {
    program: Option<&'a Program>,
    partner: &'a PartnerId,
    scale: u32,
}

fn end<'a>(programs: &'a Programs, side: &'a AskedSide) -> Result<End<'a>, QuoteFault> {
    let account = match side {
        AskedSide::Account(account) => account,
        AskedSide::Item(item) => {
            return Ok(End { program: None, partner: &item.partner, scale: MONEY_SCALE });
        }
        AskedSide::Partner { partner } => return Ok(End { program: None, partner, scale: 0 }),
    };
    let mut all = programs.programs.iter();
    let found = all.find(|program| program.program == account.program);
    let found = found.ok_or_else(|| QuoteFault::UnknownProgram(account.program.to_string()))?;
    Ok(End { program: Some(found), partner: &found.partner, scale: found.scale })
}

/// What the partners have agreed on, as the caller is shown it.
fn agreed<'a>(
    rates: &'a Rates,
    one: &PartnerId,
    other: &PartnerId,
) -> Result<&'a PairFee, QuoteFault> {
    let of =
        |fee: &&PairFee| (fee.a == *one && fee.b == *other) || (fee.a == *other && fee.b == *one);
    rates.fees.iter().find(of).ok_or(QuoteFault::NoAgreement)
}

fn value(rates: &Rates, program: &Program) -> Result<Decimal, QuoteFault> {
    let value = rates.board.value(&program.program);
    value.ok_or_else(|| QuoteFault::UnknownProgram(program.program.to_string()))
}

/// The rate of a redemption or an accrual: the board's value and the partners' fee.
fn one_sided_rate(
    rates: &Rates,
    kind: TransactionKind,
    source: &End<'_>,
    target: &End<'_>,
) -> Result<Rate, QuoteFault> {
    let worth = |end: &End<'_>| end.program.map_or(Ok(Decimal::ONE), |p| value(rates, p));
    let (source_value, target_value) = (worth(source)?, worth(target)?);
    let plain = Rate::plain(rates.board.board, Decimal::ZERO, source_value, target_value);
    if source.partner == target.partner {
        return Ok(plain);
    }
    let agreed = agreed(rates, source.partner, target.partner)?;
    let fee_bearer = match kind {
        TransactionKind::Accrual => FeeBearer::Member,
        _ => agreed.fee_bearer,
    };
    Ok(Rate { fee: agreed.fee, fee_bearer, ..plain })
}

/// The rate that the board and the pair's terms come to.
fn rate(
    rates: &Rates,
    source: &Program,
    target: &Program,
    tier: Decimal,
) -> Result<Rate, QuoteFault> {
    let (source_value, target_value) = (value(rates, source)?, value(rates, target)?);
    let plain = Rate::plain(rates.board.board, Decimal::ZERO, source_value, target_value);
    if source.partner == target.partner {
        return Ok(plain);
    }
    let agreed = agreed(rates, &source.partner, &target.partner)?;
    let own = rates.pairs.iter().map(|pair| &pair.terms);
    let mut own = own.filter(|t| t.source == source.program && t.target == target.program);
    let (fee, surcharge, multiplier) = match own.next() {
        Some(terms) => (terms.fee, terms.surcharge, terms.multiplier),
        None => (agreed.fee, Decimal::ZERO, Decimal::ONE),
    };
    let total = fee.micros().saturating_add(surcharge.micros()).min(MICROS - 1);
    let part = Decimal::from_micros(total - fee.micros()).unwrap_or(Decimal::ZERO);
    let product = i128::from(multiplier.micros()) * i128::from(tier.micros()) / i128::from(MICROS);
    let product = i64::try_from(product).ok().and_then(Decimal::from_micros);
    Ok(Rate {
        fee: Decimal::from_micros(total).unwrap_or(fee),
        fee_bearer: agreed.fee_bearer,
        multiplier: product.unwrap_or(Decimal::BEYOND),
        surcharge: part,
        ..plain
    })
}

fn amounts(
    rate: &Rate,
    request: &QuoteRequest,
    source: &End<'_>,
    target: &End<'_>,
) -> Option<Amounts> {
    let terms = rate.terms(source.scale, target.scale);
    let asked = match (&request.target, request.amount) {
        (AskedSide::Item(item), None) => SideAmount { side: Side::Target, value: item.amount()? },
        (_, amount) => amount?,
    };
    let minor = |scale| asked.value.to_minor(scale);
    match (request.kind, asked.side) {
        (TransactionKind::Accrual, Side::Target) => {
            arithmetic::accrual(target.scale, rate.target_value, rate.fee, minor(target.scale)?)
        }
        (TransactionKind::Exchange, Side::Source) => {
            arithmetic::exchange_by_source(&terms, minor(source.scale)?)
        }
        (TransactionKind::Exchange | TransactionKind::Redemption, Side::Target) => {
            arithmetic::exchange_by_target(&terms, minor(target.scale)?)
        }
        _ => return None,
    }
    .ok()
}

fn is_quoted(quote: &Quote, amounts: &Amounts, source: &End<'_>, target: &End<'_>) -> bool {
    let points = quote.source.amount().to_minor(source.scale) == Some(amounts.source)
        && quote.target.amount().to_minor(target.scale) == Some(amounts.target);
    let money = quote.settlement.as_ref().is_none_or(|settlement| {
        let quoted = [settlement.gross, settlement.fee, settlement.net, settlement.remainder];
        let computed = [amounts.gross, amounts.fee, amounts.net, amounts.remainder];
        quoted.map(Decimal::micros) == computed
    });
    points && money && quote.settlement.is_some() == (source.partner != target.partner)
}
