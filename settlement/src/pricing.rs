//! Pricing: what a quote says. Stateless — no member, link or balance is looked at; those are the
//! order's to check (protocol § 4).

use alliance_contracts::arithmetic::{self, Amounts, ArithmeticError};
use alliance_contracts::decimal::Decimal;
use alliance_contracts::limits;
use alliance_contracts::names::{PartnerId, TierName};
use alliance_contracts::problem::ProblemCode;
use alliance_contracts::quote::{FeeBearer, QuoteRequest, Rate, Settlement, Side, TransactionKind};

use crate::alliance::{ProgramDefinition, Registry};

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
    /// How long the terms stand.
    pub lifetime_seconds: i64,
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
/// `amount_out_of_range`.
pub fn price(
    registry: &Registry,
    caller: &PartnerId,
    request: &QuoteRequest,
) -> Result<Priced, Unpriced> {
    let (source, target) = programs(registry, request)?;
    check_decimals(request, source, target)?;
    let conditions = allowed(registry, caller, request, source, target)?;
    let multiplier = tier_multiplier(registry, source, target, request.tier.as_ref())?;
    let asked = asked_minor(request, source, target)?;
    let value = |program: &ProgramDefinition| registry.value(&program.program);
    let (source_value, target_value) = value(source).zip(value(target)).ok_or_else(|| {
        Unpriced::at(ProblemCode::RateFrozen, "/source/program", "a program has no value now")
    })?;
    let rate = Rate {
        board: registry.board.board,
        fee: conditions.fee,
        fee_bearer: conditions.fee_bearer,
        multiplier,
        source_value,
        surcharge: conditions.surcharge,
        target_value,
    };
    let terms = rate.terms(source.scale, target.scale);
    let amounts = match request.amount.side {
        Side::Source => arithmetic::exchange_by_source(&terms, asked),
        Side::Target => arithmetic::exchange_by_target(&terms, asked),
    }
    .map_err(refused_amount)?;
    let minimum_gross = conditions.minimum_gross;
    if amounts.gross < minimum_gross.micros() {
        let detail = format!("the gross is below the agreement's minimum of {minimum_gross}");
        return Err(Unpriced::at(ProblemCode::AmountTooSmall, "/amount/value", detail));
    }
    finish(registry, source, target, rate, &amounts, conditions.lifetime_seconds)
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

/// What holds for a pair in one direction.
struct Conditions {
    /// In all, the surcharge included.
    fee: Decimal,
    fee_bearer: FeeBearer,
    /// The part of the fee that is asked for this direction only.
    surcharge: Decimal,
    minimum_gross: Decimal,
    lifetime_seconds: i64,
}

impl Conditions {
    /// Within one partner: no fee, and nobody to bear one.
    const WITHIN: Self = Self {
        fee: Decimal::ZERO,
        fee_bearer: FeeBearer::Member,
        surcharge: Decimal::ZERO,
        minimum_gross: Decimal::ZERO,
        lifetime_seconds: limits::QUOTE_LIFETIME_SECONDS,
    };
}

/// The conditions that hold for this pair and caller.
fn allowed(
    registry: &Registry,
    caller: &PartnerId,
    request: &QuoteRequest,
    source: &ProgramDefinition,
    target: &ProgramDefinition,
) -> Result<Conditions, Unpriced> {
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
        return Ok(Conditions::WITHIN);
    }
    match registry.agreement(&source.partner, &target.partner) {
        Some(agreed) if agreed.kinds.contains(&request.kind) => Ok(Conditions {
            fee: agreed.fee,
            fee_bearer: FeeBearer::Member,
            surcharge: Decimal::ZERO,
            minimum_gross: agreed.minimum_gross,
            lifetime_seconds: agreed.quote_lifetime_seconds,
        }),
        _ => refuse(
            "/kind",
            format!("{} and {} have no agreement for it", source.partner, target.partner),
        ),
    }
}

/// What a member's tier multiplies the source's worth with; without a tier, nothing.
fn tier_multiplier(
    _registry: &Registry,
    source: &ProgramDefinition,
    target: &ProgramDefinition,
    tier: Option<&TierName>,
) -> Result<Decimal, Unpriced> {
    let Some(tier) = tier else { return Ok(Decimal::ONE) };
    // No agreement maps tiers yet: a tier that says nothing must not pass for one that does.
    let detail = format!(
        "no agreement maps the tier {tier} from {} to {}: leave it out",
        source.program, target.program
    );
    Err(Unpriced::at(ProblemCode::Malformed, "/tier", detail))
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
    lifetime_seconds: i64,
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
        lifetime_seconds,
    })
}
