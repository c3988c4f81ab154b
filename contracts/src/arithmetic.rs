//! The exact arithmetic of exchanges, redemptions, accruals and reversals (protocol § 4), and the
//! only roundings there are.
//!
//! Units: points in minor units of their program (10⁻ˢᶜᵃˡᵉ, scale 0 to 2), money, values and rates
//! in 10⁻⁶. Intermediates are `i128`: the largest, 10¹⁸ of money × 10¹⁸ of an item's price that a
//! reversal shares out by = 10³⁶, is below 10³⁸; terms beyond the limits are out of range, not
//! an overflow. Every rounding goes against whoever is a party to the order, and what it leaves is
//! the remainder, which belongs to the alliance's rounding account.
//!
//! With `worth = floor6(S × source_value × multiplier)` and `given = ceil6(T × target_value)`:
//!
//! | bears the fee | gross | fee | T, asked by source | net |
//! | --- | --- | --- | --- | --- |
//! | member | worth | `ceil6(gross × f)` | `floor_scale((gross − fee) / tv)` | given |
//! | source partner | worth + fee | `ceil6(worth × f)` | `floor_scale(worth / tv)` | given |
//! | target partner | worth | `ceil6(worth × f)` | `floor_scale(worth / tv)` | given − fee |
//!
//! The remainder, `gross − fee − net`, is `worth − fee − given` where the member bears the fee and
//! `worth − given` otherwise. It is never negative: let `left` be the first part, `worth − fee` or
//! `worth`, a whole number of 10⁻⁶. Asked by source, `T × tv ≤ left`, so `given`, the least whole
//! number that is not below `T × tv`, is not above `left` either. Asked by target, S is chosen so
//! that `worth ≥ given / (1 − f)`, or `worth ≥ given`; then `left`, which is `floor6(worth ×
//! (1 − f))` or `worth`, is at least `given`, a whole number.
//!
//! A redemption is an exchange asked by target whose target is money: its value 1, its scale 6. An
//! accrual gives no points: [`accrual`].
//!
//! Deliberately absent: floats, a rounding anywhere else, quotes that "almost" fit.

mod accrual;
mod bonus;

use crate::decimal::{Decimal, MICROS};
use crate::limits::{MAX_AMOUNT_MICROS, MAX_AMOUNT_WHOLE, fee_rate_in_range, multiplier_in_range};
use crate::quote::FeeBearer;
pub use accrual::accrual;
pub use bonus::{BonusAmounts, bonus, bonus_returned};

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
    /// Decimals of the target program; of an item's price 6.
    pub target_scale: u32,
    /// Settlement currency per target point; above zero. Of an item's price 1.
    pub target_value: Decimal,
    /// What the source's worth is multiplied with; above zero, at most 10.
    pub multiplier: Decimal,
    /// Fee rate, below one.
    pub fee: Decimal,
    /// Who bears the fee.
    pub fee_bearer: FeeBearer,
}

/// What an exchange comes to. `gross = fee + net + remainder`, none of them negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Source points, in minor units; of an accrual none.
    pub source: i64,
    /// Target points, in minor units; of a redemption money, in 10⁻⁶.
    pub target: i64,
    /// What the debtor owes in all, in 10⁻⁶ of the currency: the source's worth, and the fee on
    /// top where the source partner bears it.
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
/// [`ArithmeticError`]; a value of zero and a multiplier beyond its limits count as out of range.
///
/// ```
/// use alliance_contracts::arithmetic::{Terms, exchange_by_source};
/// use alliance_contracts::decimal::Decimal;
/// use alliance_contracts::quote::FeeBearer;
/// let terms = Terms {
///     source_scale: 0, source_value: "0.05".parse()?,
///     target_scale: 0, target_value: "0.1".parse()?,
///     multiplier: Decimal::ONE,
///     fee: "0.01".parse()?, fee_bearer: FeeBearer::Member,
/// };
/// let amounts = exchange_by_source(&terms, 1_000)?;
/// assert_eq!(amounts.target, 495);
/// assert_eq!((amounts.gross, amounts.fee, amounts.net), (50_000_000, 500_000, 49_500_000));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn exchange_by_source(terms: &Terms, source: i64) -> Result<Amounts, ArithmeticError> {
    let target_value = positive(terms.target_value)?;
    let (worth, fee) = worth_and_fee(terms, source)?;
    let left = match terms.fee_bearer {
        FeeBearer::Member => worth - fee,
        FeeBearer::SourcePartner | FeeBearer::TargetPartner => worth,
    };
    let target = left * ten_to(terms.target_scale) / target_value;
    finish(terms, i128::from(source), target, worth, fee)
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
    let multiplier = multiplier(terms)?;
    points_in_range(i128::from(target), terms.target_scale)?;
    if target <= 0 {
        return Err(ArithmeticError::TooSmall);
    }
    let given = ceil_div(times(target.into(), target_value)?, ten_to(terms.target_scale));
    let worth = match terms.fee_bearer {
        FeeBearer::Member => ceil_div(times(given, MICRO)?, remaining),
        FeeBearer::SourcePartner | FeeBearer::TargetPartner => given,
    };
    // What the source comes to is worth no less, so this is refused now or a line later.
    let worth = i128::from(money_in_range(worth)?);
    let source = times(worth * ten_to(terms.source_scale), MICRO)?;
    let source = ceil_div(source, times(source_value, multiplier)?);
    let source = points_in_range(source, terms.source_scale)?;
    let (worth, fee) = worth_and_fee(terms, source)?;
    finish(terms, i128::from(source), i128::from(target), worth, fee)
}

fn positive(value: Decimal) -> Result<i128, ArithmeticError> {
    if value.is_zero() { Err(ArithmeticError::OutOfRange) } else { Ok(value.micros().into()) }
}

fn multiplier(terms: &Terms) -> Result<i128, ArithmeticError> {
    if multiplier_in_range(terms.multiplier) {
        Ok(terms.multiplier.micros().into())
    } else {
        Err(ArithmeticError::OutOfRange)
    }
}

fn times(one: i128, other: i128) -> Result<i128, ArithmeticError> {
    one.checked_mul(other).ok_or(ArithmeticError::OutOfRange)
}

/// What the source is worth, multiplied, and the fee on it.
fn worth_and_fee(terms: &Terms, source: i64) -> Result<(i128, i128), ArithmeticError> {
    let source = i128::from(points_in_range(i128::from(source), terms.source_scale)?);
    let value = times(positive(terms.source_value)?, multiplier(terms)?)?;
    let worth = times(source, value)? / (ten_to(terms.source_scale) * MICRO);
    let worth = i128::from(money_in_range(worth)?);
    // All of it and more would leave a member nothing, which is found later; a partner could pay.
    if terms.fee_bearer != FeeBearer::Member && !fee_rate_in_range(terms.fee) {
        return Err(ArithmeticError::OutOfRange);
    }
    Ok((worth, ceil_div(worth * i128::from(terms.fee.micros()), MICRO)))
}

fn finish(
    terms: &Terms,
    source: i128,
    target: i128,
    worth: i128,
    fee: i128,
) -> Result<Amounts, ArithmeticError> {
    let given = ceil_div(target * positive(terms.target_value)?, ten_to(terms.target_scale));
    let (gross, net) = match terms.fee_bearer {
        FeeBearer::Member => (worth, given),
        FeeBearer::SourcePartner => (worth + fee, given),
        FeeBearer::TargetPartner => (worth, given - fee),
    };
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
