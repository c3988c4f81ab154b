//! What a shop pays for points that its customer gets.

use super::{
    Amounts, ArithmeticError, MICRO, ceil_div, money_in_range, points_in_range, positive, ten_to,
    times,
};
use crate::decimal::Decimal;
use crate::limits::fee_rate_in_range;

/// What `target` minor units of a program cost the partner that buys them for its customer:
/// `net = ceil6(target × target_value)`, `fee = ceil6(net × fee)`, `gross = net + fee`. Nothing is
/// given in points, and the roundings leave no remainder.
///
/// # Errors
/// [`ArithmeticError`]; a value of zero and a fee rate beyond its limits count as out of range.
///
/// ```
/// use alliance_contracts::arithmetic::accrual;
/// let amounts = accrual(0, "0.1".parse()?, "0.015".parse()?, 7)?;
/// assert_eq!((amounts.net, amounts.fee, amounts.gross), (700_000, 10_500, 710_500));
/// assert_eq!((amounts.source, amounts.target, amounts.remainder), (0, 7, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn accrual(
    target_scale: u32,
    target_value: Decimal,
    fee: Decimal,
    target: i64,
) -> Result<Amounts, ArithmeticError> {
    let value = positive(target_value)?;
    if !fee_rate_in_range(fee) {
        return Err(ArithmeticError::OutOfRange);
    }
    let target = points_in_range(target.into(), target_scale)?;
    if target <= 0 {
        return Err(ArithmeticError::TooSmall);
    }
    let net = ceil_div(times(target.into(), value)?, ten_to(target_scale));
    let net = i128::from(money_in_range(net)?);
    let fee = ceil_div(times(net, fee.micros().into())?, MICRO);
    Ok(Amounts {
        source: 0,
        target,
        gross: money_in_range(net + fee)?,
        fee: money_in_range(fee)?,
        net: money_in_range(net)?,
        remainder: 0,
    })
}
