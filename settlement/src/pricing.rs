//! Pricing: what a quote says. Stateless — no member, link or balance is looked at; those are the
//! order's to check (protocol § 4).

mod asked;
mod bonus;

use alliance_contracts::agreement::Expiry;
use alliance_contracts::arithmetic::{self, Amounts, ArithmeticError};
use alliance_contracts::board::FrozenPair;
use alliance_contracts::decimal::Decimal;
use alliance_contracts::names::{MemberRef, PartnerId, TierName};
use alliance_contracts::problem::ProblemCode;
use alliance_contracts::quote::{
    Bonus, CarriedExpiry, PricedItem, QuoteRequest, Rate, Settlement, Side, TransactionKind,
};
use alliance_contracts::side::{AccountSide, ItemSide, SideOf};
use alliance_contracts::time::Timestamp;

use crate::alliance::{AgreementTerms, BoardView, ProgramDefinition, Registry};
use crate::rates::terms::{self, AgreedTerms, DirectedRate};
use asked::{Asked, End};

/// Terms worked out for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Priced {
    /// The rate.
    pub rate: Rate,
    /// Who will owe what; none within one partner.
    pub settlement: Option<Settlement>,
    /// What is given.
    pub source: SideOf<MemberRef>,
    /// What arrives.
    pub target: SideOf<MemberRef>,
    /// Until when the terms stand.
    pub expires_at: Timestamp,
    /// What a campaign adds.
    pub bonus: Option<Bonus>,
    /// When what arrives expires, where that is carried over.
    pub expiry: Option<CarriedExpiry>,
}

/// Why there are no terms: the rule, and the field at fault where one is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpriced {
    /// The rule that was broken.
    pub code: ProblemCode,
    /// Where in the request.
    pub pointer: Option<&'static str>,
    /// What to do.
    pub detail: String,
}

impl Unpriced {
    fn at(code: ProblemCode, pointer: &'static str, detail: impl Into<String>) -> Self {
        Self { code, pointer: Some(pointer), detail: detail.into() }
    }
}

/// Prices a request for a caller.
///
/// # Errors
/// [`Unpriced`]: `not_found`, `malformed`, `kind_not_allowed`, `amount_too_small`,
/// `amount_out_of_range`, `rate_frozen`.
pub fn price(
    registry: &Registry,
    caller: &PartnerId,
    request: &QuoteRequest,
    now: Timestamp,
) -> Result<Priced, Unpriced> {
    let asked = asked::read(registry, request)?;
    let agreed = allowed(registry, caller, &asked, now)?;
    let worked = match (asked.source, asked.target) {
        (End::Program(source, _), End::Program(target, _)) => {
            exchange(registry, request, &asked, (source, target), now)?
        }
        _ => one_sided(registry, &asked, now)?,
    };
    if let Some(agreed) = &agreed {
        within_bounds(agreed, &asked, &worked.amounts)?;
    }
    let bonus = match (asked.source, asked.target) {
        (End::Program(source, _), End::Program(target, _)) => {
            let (programs, rate) = ((source, target), (&worked.rate, &worked.amounts));
            bonus::best(registry, &worked.board, request, programs, rate, now)
        }
        // Campaigns add to exchanges.
        _ => None,
    };
    let expires_at = stands_until(registry, &worked.rate, worked.lifetime_seconds, now);
    let mut priced = finish(registry, &asked, worked, expires_at)?;
    priced.expiry = carried(agreed.as_ref(), request, now)?;
    if let Some((bonus, until)) = bonus {
        priced.bonus = Some(bonus);
        priced.expires_at = priced.expires_at.min(until);
    }
    Ok(priced)
}

/// A rate, and what comes of it.
struct Worked<'a> {
    board: BoardView<'a>,
    rate: Rate,
    amounts: Amounts,
    lifetime_seconds: i64,
}

fn exchange<'a>(
    registry: &'a Registry,
    request: &QuoteRequest,
    asked: &Asked<'_>,
    (source, target): (&ProgramDefinition, &ProgramDefinition),
    now: Timestamp,
) -> Result<Worked<'a>, Unpriced> {
    let minor = asked.minor()?;
    let board = board_in_force(registry, source, target, now)?;
    let tier = tier_multiplier(registry, &board, source, target, request.tier.as_ref())?;
    let directed = directed(&board, source, target)?;
    let (source_value, target_value) = (value(&board, source)?, value(&board, target)?);
    let multiplier = terms::product(directed.multiplier, tier)
        .ok_or_else(|| refused_amount(ArithmeticError::TooSmall, asked))?;
    let rate = Rate {
        board: board.number(),
        fee: directed.total_fee(),
        fee_bearer: directed.fee_bearer,
        multiplier,
        source_value,
        surcharge: directed.surcharge(),
        target_value,
    };
    let terms = rate.terms(source.scale, target.scale);
    let amounts = match asked.side {
        Side::Source => arithmetic::exchange_by_source(&terms, minor),
        Side::Target => arithmetic::exchange_by_target(&terms, minor),
    };
    let amounts = amounts.map_err(|error| refused_amount(error, asked))?;
    Ok(Worked { board, rate, amounts, lifetime_seconds: directed.lifetime_seconds })
}

/// A redemption or an accrual. It has no pair of programs, so that nothing is asked for a
/// direction and no tier is mapped: the rate is the board's value and the agreement's fee. What
/// has no program is counted in money, of which one is worth one.
fn one_sided<'a>(
    registry: &'a Registry,
    asked: &Asked<'_>,
    now: Timestamp,
) -> Result<Worked<'a>, Unpriced> {
    let minor = asked.minor()?;
    let pointer = match asked.source {
        End::Partner(_) => "/target/program",
        End::Program(..) | End::Item(..) => "/source/program",
    };
    let at_its_program = |refusal: Unpriced| Unpriced { pointer: Some(pointer), ..refusal };
    let board = registry.board_at(now).ok_or_else(|| frozen("there is no board yet".to_owned()));
    let board = board.map_err(at_its_program)?;
    let (giver, taker) = (asked.source.partner(), asked.target.partner());
    let agreed = agreed_on(&board, giver, taker).map_err(at_its_program)?;
    let worth = |end: End<'_>| {
        let value = end.program().map_or(Ok(Decimal::ONE), |program| value(&board, program));
        value.map_err(at_its_program)
    };
    let (source_value, target_value) = (worth(asked.source)?, worth(asked.target)?);
    let plain = Rate::plain(board.number(), agreed.fee, source_value, target_value);
    let (rate, amounts) = match asked.source {
        // On top of what the points cost, whoever bears the fee of an exchange.
        End::Partner(_) => {
            let scale = asked.target.scale();
            (plain, arithmetic::accrual(scale, target_value, agreed.fee, minor))
        }
        End::Program(..) | End::Item(..) => {
            let rate = Rate { fee_bearer: agreed.fee_bearer, ..plain };
            let terms = rate.terms(asked.source.scale(), asked.target.scale());
            (rate, arithmetic::exchange_by_target(&terms, minor))
        }
    };
    let amounts = amounts.map_err(|error| refused_amount(error, asked))?;
    Ok(Worked { board, rate, amounts, lifetime_seconds: agreed.lifetime_seconds })
}

/// What two partners have agreed on, whatever their programs.
fn agreed_on(
    board: &BoardView<'_>,
    one: &PartnerId,
    other: &PartnerId,
) -> Result<DirectedRate, Unpriced> {
    if one == other {
        return Ok(DirectedRate::WITHIN);
    }
    board.agreed(one, other).map(AgreedTerms::plain).ok_or_else(|| {
        frozen(format!("what {one} and {other} agreed on takes effect with the next board"))
    })
}

/// The board in force, for a pair that takes orders in this direction.
fn board_in_force<'a>(
    registry: &'a Registry,
    source: &ProgramDefinition,
    target: &ProgramDefinition,
    now: Timestamp,
) -> Result<BoardView<'a>, Unpriced> {
    if let Some(pair) = registry.frozen(&source.program, &target.program) {
        let FrozenPair { board, since, source, target } = pair;
        return Err(frozen(format!(
            "{source} for {target} is frozen at the rate of board {board} since {since}, because \
             far more than usual was exchanged: it takes orders again when it is released"
        )));
    }
    registry.board_at(now).ok_or_else(|| frozen("there is no board yet".to_owned()))
}

fn directed(
    board: &BoardView<'_>,
    source: &ProgramDefinition,
    target: &ProgramDefinition,
) -> Result<DirectedRate, Unpriced> {
    board.directed(source, target).ok_or_else(|| {
        let (one, other) = (&source.partner, &target.partner);
        frozen(format!("what {one} and {other} agreed on takes effect with the next board"))
    })
}

fn value(board: &BoardView<'_>, program: &ProgramDefinition) -> Result<Decimal, Unpriced> {
    board
        .value(&program.program)
        .ok_or_else(|| frozen(format!("{} has its first value on the next board", program.program)))
}

fn frozen(detail: String) -> Unpriced {
    Unpriced::at(ProblemCode::RateFrozen, "/source/program", detail)
}

/// Quotes that may not outlive their board end when the next takes effect, where that is known, and
/// stand so short that whatever is published next takes effect after them.
fn stands_until(registry: &Registry, rate: &Rate, seconds: i64, now: Timestamp) -> Timestamp {
    let whole = now.plus_seconds(seconds);
    if !terms::takes_nothing(rate) {
        return whole;
    }
    let bound = now.plus_seconds(registry.definition.rates.bound_quote_seconds());
    let next = registry.next_board(now).map(|next| next.board.effective_at);
    whole.min(next.unwrap_or(bound))
}

/// The date that what arrives gets, where the two have agreed that it is that of what was given.
fn carried(
    agreed: Option<&AgreementTerms<'_>>,
    request: &QuoteRequest,
    now: Timestamp,
) -> Result<Option<CarriedExpiry>, Unpriced> {
    let refuse = |pointer, detail| Err(Unpriced::at(ProblemCode::Malformed, pointer, detail));
    let agreed = agreed.is_some_and(|agreed| agreed.expiry == Expiry::CarryOver);
    let carries = agreed && request.kind == TransactionKind::Exchange;
    match request.expiry {
        // A date that nobody will give must not pass for one that somebody does.
        Some(_) if !carries => {
            refuse("/expiry", "nothing is agreed that carries a date over: leave it out")
        }
        Some(CarriedExpiry { at: Some(at) }) if at <= now => {
            refuse("/expiry/at", "points that have expired are not given")
        }
        told => Ok(carries.then(|| told.unwrap_or(CarriedExpiry { at: None }))),
    }
}

/// Whether an order is as large as was agreed, no larger, and whole increments.
fn within_bounds(
    agreed: &AgreementTerms<'_>,
    asked: &Asked<'_>,
    amounts: &Amounts,
) -> Result<(), Unpriced> {
    let refuse = |code, detail| Err(Unpriced::at(code, asked.pointer, detail));
    let minimum = agreed.minimum_gross;
    if amounts.gross < minimum.micros() {
        let detail = format!("the gross is below the agreement's minimum of {minimum}");
        return refuse(ProblemCode::AmountTooSmall, detail);
    }
    // What points an order gives: an accrual gives none.
    let Some(source) = asked.source.program() else { return Ok(()) };
    let Some(bounds) = agreed.order_bounds(&source.program) else { return Ok(()) };
    let (given, name) = (amounts.source, &source.program);
    let minor = |bound: Option<Decimal>| bound.and_then(|bound| bound.to_minor(source.scale));
    let told = |bound: Option<Decimal>| bound.unwrap_or(Decimal::ZERO);
    if minor(bounds.minimum).is_some_and(|least| given < least) {
        let detail = format!("an order gives at least {} {name}", told(bounds.minimum));
        return refuse(ProblemCode::AmountTooSmall, detail);
    }
    if minor(bounds.increment).is_some_and(|increment| increment > 0 && given % increment != 0) {
        let increment = told(bounds.increment);
        let detail = format!("an order gives a multiple of {increment} {name}");
        return refuse(ProblemCode::AmountTooSmall, detail);
    }
    if minor(bounds.maximum).is_some_and(|most| given > most) {
        let detail = format!("an order gives at most {} {name}", told(bounds.maximum));
        return refuse(ProblemCode::AmountOutOfRange, detail);
    }
    Ok(())
}

/// Whether the caller may order this of these partners now, and what was agreed on it; none within
/// one partner.
fn allowed<'a>(
    registry: &'a Registry,
    caller: &PartnerId,
    asked: &Asked<'_>,
    now: Timestamp,
) -> Result<Option<AgreementTerms<'a>>, Unpriced> {
    let refuse =
        |pointer, detail: String| Err(Unpriced::at(ProblemCode::KindNotAllowed, pointer, detail));
    let (giver, taker) = (asked.source.partner(), asked.target.partner());
    if let (End::Program(source, _), End::Program(target, _)) = (asked.source, asked.target)
        && source.program == target.program
    {
        return refuse("/target/program", "source and target are one program".to_owned());
    }
    if caller != giver && !has_consent(registry, caller, asked, now) {
        return match asked.source {
            End::Partner(_) => refuse("/source/partner", format!("only {giver} may pay for it")),
            _ => refuse("/source/program", format!("only {giver} may give its points")),
        };
    }
    for partner in [giver, taker] {
        if registry.is_suspended(partner) {
            return refuse("", format!("{partner} is suspended"));
        }
    }
    if giver == taker {
        return Ok(None);
    }
    match registry.agreement_at(giver, taker, now) {
        Some(agreed) if agreed.kinds.contains(&asked.kind) => Ok(Some(agreed)),
        _ => refuse("/kind", format!("{giver} and {taker} have no agreement for it")),
    }
}

/// Whether the source lets the caller, who is the target, order this. What is left of its limits is
/// the order's to check.
fn has_consent(registry: &Registry, caller: &PartnerId, asked: &Asked<'_>, now: Timestamp) -> bool {
    let (giver, taker) = (asked.source.partner(), asked.target.partner());
    let program = match asked.source {
        End::Program(source, _) => Some(&source.program),
        _ => None,
    };
    let mut given = registry.consents_between(giver, caller);
    taker == caller
        && given.any(|one| one.is_live(now) && one.consent.covers(asked.kind, program, now))
}

/// What a member's tier multiplies the source's worth with; without a tier, nothing.
fn tier_multiplier(
    registry: &Registry,
    board: &BoardView<'_>,
    source: &ProgramDefinition,
    target: &ProgramDefinition,
    tier: Option<&TierName>,
) -> Result<Decimal, Unpriced> {
    let Some(tier) = tier else { return Ok(Decimal::ONE) };
    let agreed = board.agreed(&source.partner, &target.partner);
    let terms = board.terms(&source.program, &target.program);
    // A tier that says nothing must not pass for one that does.
    let mapped = agreed.and_then(|a| a.tier(&source.program, tier, &target.program, terms));
    // What a campaign alone is for, brings what the campaign adds.
    let named = bonus::names_tier(registry, source, target, tier).then_some(Decimal::ONE);
    mapped.or(named).ok_or_else(|| {
        let (from, to) = (&source.program, &target.program);
        let detail = format!("no agreement maps the tier {tier} from {from} to {to}: leave it out");
        Unpriced::at(ProblemCode::Malformed, "/tier", detail)
    })
}

fn refused_amount(error: ArithmeticError, asked: &Asked<'_>) -> Unpriced {
    let code = match error {
        ArithmeticError::TooSmall => ProblemCode::AmountTooSmall,
        ArithmeticError::OutOfRange => ProblemCode::AmountOutOfRange,
    };
    Unpriced::at(code, asked.pointer, error.to_string())
}

fn finish(
    registry: &Registry,
    asked: &Asked<'_>,
    worked: Worked<'_>,
    expires_at: Timestamp,
) -> Result<Priced, Unpriced> {
    let Worked { rate, amounts, .. } = worked;
    let out_of_range = || refused_amount(ArithmeticError::OutOfRange, asked);
    let money = |micros| Decimal::from_micros(micros).ok_or_else(out_of_range);
    let (debtor, creditor) = (asked.source.partner(), asked.target.partner());
    let settlement = if debtor == creditor {
        None
    } else {
        Some(Settlement {
            creditor: creditor.clone(),
            currency: registry.definition.currency.clone(),
            debtor: debtor.clone(),
            fee: money(amounts.fee)?,
            gross: money(amounts.gross)?,
            net: money(amounts.net)?,
            remainder: money(amounts.remainder)?,
        })
    };
    Ok(Priced {
        rate,
        settlement,
        source: side(asked.source, amounts.source).ok_or_else(out_of_range)?,
        target: side(asked.target, amounts.target).ok_or_else(out_of_range)?,
        expires_at,
        bonus: None,
        expiry: None,
    })
}

/// An end with its amount; none where that is out of range.
fn side(end: End<'_>, minor: i64) -> Option<SideOf<MemberRef>> {
    Some(match end {
        End::Program(program, account) => SideOf::Account(AccountSide {
            amount: Decimal::from_minor(minor, program.scale)?,
            member: account.member.clone(),
            partner: program.partner.clone(),
            program: program.program.clone(),
        }),
        End::Item(item, amount) => {
            let PricedItem { cash, item, partner, price } = item.clone();
            SideOf::Item(ItemSide { amount, cash, item, partner, price })
        }
        End::Partner(partner) => SideOf::Partner { partner: partner.clone() },
    })
}
