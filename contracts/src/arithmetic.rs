//! The exact arithmetic of exchanges and reversals (protocol § 4), and the only roundings there
//! are.
//!
//! Units: points in minor units of their program (10⁻ˢᶜᵃˡᵉ, scale 0 to 2), money, values and rates
//! in 10⁻⁶. Intermediates are `i128`: the largest, 10¹⁴ minor points × 10¹² value units = 10²⁶, is
//! far from 10³⁸. Every rounding goes against whoever is a party to the order, and what it leaves
//! is the remainder, which belongs to the alliance's rounding account.
//!
//! Deliberately absent: floats, a rounding anywhere else, quotes that "almost" fit.

use crate::decimal::{Decimal, MICROS};
use crate::limits::{MAX_AMOUNT_MICROS, MAX_AMOUNT_WHOLE};

/// An amount of points: minor units and how many decimals the program has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Points {
    /// In units of 10⁻ˢᶜᵃˡᵉ.
    pub minor: i64,
    /// 0 to 2.
    pub scale: u32,
}

/// The terms that an exchange is computed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Decimals of the source program.
    pub source_scale: u32,
    /// Settlement currency per source point; above zero.
    pub source_value: Decimal,
    /// Decimals of the target program.
    pub target_scale: u32,
    /// Settlement currency per target point; above zero.
    pub target_value: Decimal,
    /// Fee rate, below one.
    pub fee: Decimal,
}

/// What an exchange comes to. `gross = fee + net + remainder`, none of them negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Source points, in minor units.
    pub source: i64,
    /// Target points, in minor units.
    pub target: i64,
    /// What the source is worth, in 10⁻⁶ of the currency.
    pub gross: i64,
    /// What the alliance takes, in 10⁻⁶.
    pub fee: i64,
    /// What the debtor owes the creditor, in 10⁻⁶.
    pub net: i64,
    /// What the roundings left, in 10⁻⁶.
    pub remainder: i64,
}

/// Why an amount can be no order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArithmeticError {
    /// Source, target, gross or net comes to zero.
    #[error("the amount comes to nothing")]
    TooSmall,
    /// An amount passes 10¹².
    #[error("an amount is beyond 10^12")]
    OutOfRange,
}

const MICRO: i128 = MICROS as i128;

const fn ten_to(scale: u32) -> i128 {
    10_i128.pow(scale)
}

/// Rounds up; both arguments are positive or zero, the divisor above zero.
const fn ceil_div(dividend: i128, divisor: i128) -> i128 {
    (dividend + divisor - 1) / divisor
}

fn points_in_range(minor: i128, scale: u32) -> Result<i64, ArithmeticError> {
    if minor > i128::from(MAX_AMOUNT_WHOLE) * ten_to(scale) {
        return Err(ArithmeticError::OutOfRange);
    }
    i64::try_from(minor).map_err(|_| ArithmeticError::OutOfRange)
}

fn money_in_range(micros: i128) -> Result<i64, ArithmeticError> {
    if micros > i128::from(MAX_AMOUNT_MICROS) {
        return Err(ArithmeticError::OutOfRange);
    }
    i64::try_from(micros).map_err(|_| ArithmeticError::OutOfRange)
}

/// What giving `source` minor units brings (side source).
///
/// # Errors
/// [`ArithmeticError`]; a value of zero counts as out of range.
///
/// ```
/// use alliance_contracts::arithmetic::{Terms, exchange_by_source};
/// let terms = Terms {
///     source_scale: 0, source_value: "0.05".parse()?,
///     target_scale: 0, target_value: "0.1".parse()?,
///     fee: "0.01".parse()?,
/// };
/// let amounts = exchange_by_source(&terms, 1_000)?;
/// assert_eq!(amounts.target, 495);
/// assert_eq!((amounts.gross, amounts.fee, amounts.net), (50_000_000, 500_000, 49_500_000));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn exchange_by_source(terms: &Terms, source: i64) -> Result<Amounts, ArithmeticError> {
    let target_value = positive(terms.target_value)?;
    let (gross, fee) = gross_and_fee(terms, source)?;
    let target = (gross - fee) * ten_to(terms.target_scale) / target_value;
    finish(terms, i128::from(source), target, gross, fee)
}

/// What must be given so that `target` minor units arrive (side target).
///
/// # Errors
/// As [`exchange_by_source`].
pub fn exchange_by_target(terms: &Terms, target: i64) -> Result<Amounts, ArithmeticError> {
    let (source_value, target_value) =
        (positive(terms.source_value)?, positive(terms.target_value)?);
    let remaining = MICRO - i128::from(terms.fee.micros());
    if remaining <= 0 {
        return Err(ArithmeticError::OutOfRange);
    }
    points_in_range(i128::from(target), terms.target_scale)?;
    let net = ceil_div(i128::from(target) * target_value, ten_to(terms.target_scale));
    let gross = ceil_div(net * MICRO, remaining);
    let source = ceil_div(gross * ten_to(terms.source_scale), source_value);
    let source = points_in_range(source, terms.source_scale)?;
    let (gross, fee) = gross_and_fee(terms, source)?;
    finish(terms, i128::from(source), i128::from(target), gross, fee)
}

fn positive(value: Decimal) -> Result<i128, ArithmeticError> {
    if value.is_zero() { Err(ArithmeticError::OutOfRange) } else { Ok(value.micros().into()) }
}

fn gross_and_fee(terms: &Terms, source: i64) -> Result<(i128, i128), ArithmeticError> {
    let source = i128::from(points_in_range(i128::from(source), terms.source_scale)?);
    let gross = source * positive(terms.source_value)? / ten_to(terms.source_scale);
    let gross = i128::from(money_in_range(gross)?);
    Ok((gross, ceil_div(gross * i128::from(terms.fee.micros()), MICRO)))
}

fn finish(
    terms: &Terms,
    source: i128,
    target: i128,
    gross: i128,
    fee: i128,
) -> Result<Amounts, ArithmeticError> {
    let net = ceil_div(target * positive(terms.target_value)?, ten_to(terms.target_scale));
    if source <= 0 || target <= 0 || gross <= 0 || net <= 0 {
        return Err(ArithmeticError::TooSmall);
    }
    Ok(Amounts {
        source: points_in_range(source, terms.source_scale)?,
        target: points_in_range(target, terms.target_scale)?,
        gross: money_in_range(gross)?,
        fee: money_in_range(fee)?,
        net: money_in_range(net)?,
        remainder: money_in_range(gross - fee - net)?,
    })
}

/// Which side of the original an amount of a reversal is told in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReversalAsk {
    /// So many minor units of the original source.
    Source(i64),
    /// So many minor units of the original target.
    Target(i64),
    /// All that is left.
    Rest,
}

/// How much of an original has been reversed, pending reversals included; minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reversed {
    /// Of the source amount S.
    pub source: i64,
    /// Of the target amount T.
    pub target: i64,
}

/// A reversal worked out: what it moves, and the totals after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reversal {
    /// What this reversal moves back; the original's sides. Parts of it may be zero.
    pub moves: Amounts,
    /// Totals reversed after it.
    pub reversed: Reversed,
    /// Whether the totals pass the original (`exceeds_reversible`); `moves` is then meaningless
    /// except for `moves.target`, the points it would take.
    pub exceeds: bool,
}

/// What a reversal of an original moves, by the protocol's rule: the side asked for moves exactly,
/// the other follows, never in the asker's favour; money follows the target.
///
/// # Errors
/// `TooSmall` for an amount of zero, `OutOfRange` past 10¹².
pub fn reversal(
    original: &Amounts,
    before: Reversed,
    ask: ReversalAsk,
) -> Result<Reversal, ArithmeticError> {
    let (whole_source, whole_target) = (i128::from(original.source), i128::from(original.target));
    let (source, target) = (i128::from(before.source), i128::from(before.target));
    let (source_after, target_after) = match ask {
        ReversalAsk::Rest => (whole_source, whole_target),
        ReversalAsk::Source(x) | ReversalAsk::Target(x) if x <= 0 => {
            return Err(ArithmeticError::TooSmall);
        }
        ReversalAsk::Source(x) => {
            let after = source + i128::from(x);
            (after, target.max(ceil_div(whole_target * after, whole_source.max(1))))
        }
        ReversalAsk::Target(x) => {
            let after = target + i128::from(x);
            (source.max(whole_source * after / whole_target.max(1)), after)
        }
    };
    let nothing_left =
        matches!(ask, ReversalAsk::Rest) && source == whole_source && target == whole_target;
    let exceeds = nothing_left || source_after > whole_source || target_after > whole_target;
    let narrow = |amount: i128| i64::try_from(amount).map_err(|_| ArithmeticError::OutOfRange);
    let returned = |total: i64, target: i128| i128::from(total) * target / whole_target.max(1);
    let moved = |total: i64| {
        narrow(if exceeds { 0 } else { returned(total, target_after) - returned(total, target) })
    };
    let (net, fee, remainder) =
        (moved(original.net)?, moved(original.fee)?, moved(original.remainder)?);
    Ok(Reversal {
        moves: Amounts {
            source: narrow(source_after - source)?,
            target: narrow(target_after - target)?,
            gross: net + fee + remainder,
            fee,
            net,
            remainder,
        },
        reversed: Reversed { source: narrow(source_after)?, target: narrow(target_after)? },
        exceeds,
    })
}

#[cfg(test)]
mod tests;
