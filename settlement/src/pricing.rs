//! Pricing: what a quote says. Stateless — no member, link or balance is looked at; those are the
//! order's to check (protocol § 4).

mod bonus;

use alliance_contracts::arithmetic::{self, Amounts, ArithmeticError};
use alliance_contracts::board::FrozenPair;
use alliance_contracts::decimal::Decimal;
use alliance_contracts::limits;
use alliance_contracts::names::{PartnerId, TierName};
use alliance_contracts::problem::ProblemCode;
use alliance_contracts::quote::{Bonus, QuoteRequest, Rate, Settlement, Side, TransactionKind};
use alliance_contracts::time::Timestamp;

use crate::alliance::{AgreementTerms, BoardView, ProgramDefinition, Registry};
use crate::rates::terms::{self, DirectedRate};

/// Terms worked out for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Priced {
    /// The rate.
    pub rate: Rate,
    /// Who will owe what; none within one partner.
    pub settlement: Option<Settlement>,
    /// Who gives, how much.
    pub source: (PartnerId, Decimal),
    /// Who receives, how much.
    pub target: (PartnerId, Decimal),
    /// Until when the terms stand.
    pub expires_at: Timestamp,
    /// What a campaign adds.
    pub bonus: Option<Bonus>,
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
    let (source, target) = programs(registry, request)?;
    check_decimals(request, source, target)?;
    let agreed = allowed(registry, caller, request, source, target, now)?;
    let asked = asked_minor(request, source, target)?;
    let board = board_in_force(registry, source, target, now)?;
    let tier = tier_multiplier(registry, &board, source, target, request.tier.as_ref())?;
    let directed = directed(&board, source, target)?;
    let (source_value, target_value) = values(&board, source, target)?;
    let multiplier = terms::product(directed.multiplier, tier)
        .ok_or_else(|| refused_amount(ArithmeticError::TooSmall))?;
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
    let amounts = match request.amount.side {
        Side::Source => arithmetic::exchange_by_source(&terms, asked),
        Side::Target => arithmetic::exchange_by_target(&terms, asked),
    }
    .map_err(refused_amount)?;
    if let Some(agreed) = &agreed {
        within_bounds(agreed, source, &amounts)?;
    }
    let expires_at = expiry(registry, &rate, directed.lifetime_seconds, now);
    let programs = (source, target);
    let bonus = bonus::best(registry, &board, request, programs, (&rate, &amounts), now);
    let mut priced = finish(registry, source, target, rate, &amounts, expires_at)?;
    if let Some((bonus, until)) = bonus {
        priced.bonus = Some(bonus);
        priced.expires_at = priced.expires_at.min(until);
    }
    Ok(priced)
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

fn values(
    board: &BoardView<'_>,
    source: &ProgramDefinition,
    target: &ProgramDefinition,
) -> Result<(Decimal, Decimal), Unpriced> {
    let value = |program: &ProgramDefinition| {
        board.value(&program.program).ok_or_else(|| {
            frozen(format!("{} has its first value on the next board", program.program))
        })
    };
    Ok((value(source)?, value(target)?))
}

fn frozen(detail: String) -> Unpriced {
    Unpriced::at(ProblemCode::RateFrozen, "/source/program", detail)
}

/// Quotes that may not outlive their board end when the next takes effect, where that is known, and
/// stand so short that whatever is published next takes effect after them.
fn expiry(registry: &Registry, rate: &Rate, seconds: i64, now: Timestamp) -> Timestamp {
    let whole = now.plus_seconds(seconds);
    if !terms::takes_nothing(rate) {
        return whole;
    }
    let bound = now.plus_seconds(registry.definition.rates.bound_quote_seconds());
    let next = registry.next_board(now).map(|next| next.board.effective_at);
    whole.min(next.unwrap_or(bound))
}

fn programs<'a>(
    registry: &'a Registry,
    request: &QuoteRequest,
) -> Result<(&'a ProgramDefinition, &'a ProgramDefinition), Unpriced> {
    let find = |program, pointer| {
        registry.program(program).ok_or_else(|| {
            Unpriced::at(
                ProblemCode::NotFound,
                pointer,
                format!("there is no program {program}: GET /v1/programs lists them"),
            )
        })
    };
    let source = find(&request.source.program, "/source/program")?;
    let target = find(&request.target.program, "/target/program")?;
    Ok((source, target))
}

fn asked_program<'a>(
    request: &QuoteRequest,
    source: &'a ProgramDefinition,
    target: &'a ProgramDefinition,
) -> &'a ProgramDefinition {
    match request.amount.side {
        Side::Source => source,
        Side::Target => target,
    }
}

/// More decimals than the program has is a fault of the spelling, not a rounding.
fn check_decimals(
    request: &QuoteRequest,
    source: &ProgramDefinition,
    target: &ProgramDefinition,
) -> Result<(), Unpriced> {
    let program = asked_program(request, source, target);
    let value = request.amount.value;
    if limits::amount_in_range(value) && value.to_minor(program.scale).is_none() {
        let detail = format!("{} has {} decimals", program.program, program.scale);
        return Err(Unpriced::at(ProblemCode::Malformed, "/amount/value", detail));
    }
    Ok(())
}

fn asked_minor(
    request: &QuoteRequest,
    source: &ProgramDefinition,
    target: &ProgramDefinition,
) -> Result<i64, Unpriced> {
    let program = asked_program(request, source, target);
    let value = request.amount.value;
    value.to_minor(program.scale).filter(|_| limits::amount_in_range(value)).ok_or_else(|| {
        let detail = "points go up to 1000000000000";
        Unpriced::at(ProblemCode::AmountOutOfRange, "/amount/value", detail)
    })
}

/// Whether an order is as large as was agreed, no larger, and whole increments.
fn within_bounds(
    agreed: &AgreementTerms<'_>,
    source: &ProgramDefinition,
    amounts: &Amounts,
) -> Result<(), Unpriced> {
    let refuse = |code, detail| Err(Unpriced::at(code, "/amount/value", detail));
    let minimum = agreed.minimum_gross;
    if amounts.gross < minimum.micros() {
        let detail = format!("the gross is below the agreement's minimum of {minimum}");
        return refuse(ProblemCode::AmountTooSmall, detail);
    }
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

/// Whether the caller may order this of this pair now, and what was agreed on it; none within one
/// partner.
fn allowed<'a>(
    registry: &'a Registry,
    caller: &PartnerId,
    request: &QuoteRequest,
    source: &ProgramDefinition,
    target: &ProgramDefinition,
    now: Timestamp,
) -> Result<Option<AgreementTerms<'a>>, Unpriced> {
    let refuse =
        |pointer, detail: String| Err(Unpriced::at(ProblemCode::KindNotAllowed, pointer, detail));
    if request.kind != TransactionKind::Exchange {
        return refuse("/kind", "this gateway performs the kind exchange".to_owned());
    }
    if source.program == target.program {
        return refuse("/target/program", "source and target are one program".to_owned());
    }
    if *caller != source.partner {
        return refuse("/source/program", format!("only {} may give its points", source.partner));
    }
    for partner in [&source.partner, &target.partner] {
        if registry.is_suspended(partner) {
            return refuse("", format!("{partner} is suspended"));
        }
    }
    if source.partner == target.partner {
        return Ok(None);
    }
    match registry.agreement_at(&source.partner, &target.partner, now) {
        Some(agreed) if agreed.kinds.contains(&request.kind) => Ok(Some(agreed)),
        _ => refuse(
            "/kind",
            format!("{} and {} have no agreement for it", source.partner, target.partner),
        ),
    }
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

fn refused_amount(error: ArithmeticError) -> Unpriced {
    let code = match error {
        ArithmeticError::TooSmall => ProblemCode::AmountTooSmall,
        ArithmeticError::OutOfRange => ProblemCode::AmountOutOfRange,
    };
    Unpriced::at(code, "/amount/value", error.to_string())
}

fn finish(
    registry: &Registry,
    source: &ProgramDefinition,
    target: &ProgramDefinition,
    rate: Rate,
    amounts: &Amounts,
    expires_at: Timestamp,
) -> Result<Priced, Unpriced> {
    let out_of_range = || refused_amount(ArithmeticError::OutOfRange);
    let money = |micros| Decimal::from_micros(micros).ok_or_else(out_of_range);
    let points = |minor, scale| Decimal::from_minor(minor, scale).ok_or_else(out_of_range);
    let settlement = if source.partner == target.partner {
        None
    } else {
        Some(Settlement {
            creditor: target.partner.clone(),
            currency: registry.definition.currency.clone(),
            debtor: source.partner.clone(),
            fee: money(amounts.fee)?,
            gross: money(amounts.gross)?,
            net: money(amounts.net)?,
            remainder: money(amounts.remainder)?,
        })
    };
    Ok(Priced {
        rate,
        settlement,
        source: (source.partner.clone(), points(amounts.source, source.scale)?),
        target: (target.partner.clone(), points(amounts.target, target.scale)?),
        expires_at,
        bonus: None,
    })
}
