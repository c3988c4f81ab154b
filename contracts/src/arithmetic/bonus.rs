//! What a campaign adds to an order, and what of it a reversal takes back.

use super::{ArithmeticError, times};
use super::{MICRO, ceil_div, money_in_range, points_in_range, positive, ten_to};
use crate::decimal::Decimal;

/// Points on top of an order's target amount, and what they cost the campaign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BonusAmounts {
    /// Points of the target program, in minor units.
    pub points: i64,
    /// What the target partner is owed for them, in 10⁻⁶ of the currency.
    pub cost: i64,
}

/// The bonus on `target` minor units: `points = floor_scale(T × (multiplier − 1))`, `cost =
/// ceil6(points × target_value)`. So an order cut in parts brings no more points, and costs no less
/// for each.
///
/// # Errors
/// `TooSmall` where no point is added, `OutOfRange` past 10¹², and for a multiplier below one.
///
/// ```
/// use alliance_contracts::arithmetic::{BonusAmounts, bonus};
/// // Half as much again on 495 points of 0.1.
/// let half = bonus(495, 0, "0.1".parse()?, "1.5".parse()?)?;
/// assert_eq!(half, BonusAmounts { points: 247, cost: 24_700_000 });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn bonus(
    target: i64,
    scale: u32,
    target_value: Decimal,
    multiplier: Decimal,
) -> Result<BonusAmounts, ArithmeticError> {
    let share = i128::from(multiplier.micros()) - MICRO;
    if share < 0 || target < 0 {
        return Err(ArithmeticError::OutOfRange);
    }
    let points = times(target.into(), share)? / MICRO;
    if points == 0 {
        return Err(ArithmeticError::TooSmall);
    }
    let points = points_in_range(points, scale)?;
    let cost = ceil_div(times(points.into(), positive(target_value)?)?, ten_to(scale));
    Ok(BonusAmounts { points, cost: money_in_range(cost)? })
}

/// What of a bonus is taken back, when of `target` minor units of its order `before` had been
/// turned round and `after` have been now: points so far `ceil_scale(points × t / T)`, cost so far
/// `floor6(cost × t / T)`.
///
/// ```
/// use alliance_contracts::arithmetic::{BonusAmounts, bonus_returned};
/// let whole = BonusAmounts { points: 247, cost: 24_700_000 };
/// let first = bonus_returned(whole, 495, 0, 100);
/// assert_eq!(first, BonusAmounts { points: 50, cost: 4_989_898 });
/// let rest = bonus_returned(whole, 495, 100, 495);
/// assert_eq!((first.points + rest.points, first.cost + rest.cost), (247, 24_700_000));
/// ```
#[must_use]
pub fn bonus_returned(bonus: BonusAmounts, target: i64, before: i64, after: i64) -> BonusAmounts {
    let whole = i128::from(target.max(1));
    let part = |turned: i64| i128::from(turned.clamp(0, target.max(0)));
    let points = |turned: i64| ceil_div(i128::from(bonus.points) * part(turned), whole);
    let cost = |turned: i64| i128::from(bonus.cost) * part(turned) / whole;
    // A part of the bonus, which is in range.
    let narrow = |amount: i128| i64::try_from(amount).unwrap_or(0);
    BonusAmounts {
        points: narrow(points(after) - points(before)),
        cost: narrow(cost(after) - cost(before)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decimal(micros: i64) -> Decimal {
        Decimal::from_micros(micros).unwrap()
    }

    proptest! {
        #[test]
        fn an_order_cut_in_two_brings_no_more_points_and_costs_no_less_for_each(
            one in 1_i64..1_000_000_000,
            other in 1_i64..1_000_000_000,
            scale in 0_u32..=2,
            value in 1_i64..10_000_000,
            multiplier in 1_000_001_i64..=10_000_000,
        ) {
            let of = |target| bonus(target, scale, decimal(value), decimal(multiplier));
            let points = |target| of(target).map_or(0, |bonus| bonus.points);
            let whole = points(one + other);
            let cut = points(one) + points(other);
            prop_assert!(cut <= whole && whole <= cut + 1);
            if let Ok(BonusAmounts { points, cost }) = of(one) {
                let worth = i128::from(points) * i128::from(value);
                let paid = i128::from(cost) * ten_to(scale);
                prop_assert!((worth..worth + ten_to(scale)).contains(&paid), "rounded up, once");
            }
        }

        #[test]
        fn what_is_taken_back_in_parts_comes_to_the_whole_and_never_late(
            points in 1_i64..1_000_000_000_000,
            cost in 1_i64..1_000_000_000_000,
            target in 1_i64..1_000_000_000,
            parts in proptest::collection::vec(0_i64..1_000_000_000, 0..6),
        ) {
            let whole = BonusAmounts { points, cost };
            let mut turned: Vec<i64> = parts.into_iter().map(|part| part % (target + 1)).collect();
            turned.sort_unstable();
            turned.push(target);
            let (mut before, mut taken) = (0, BonusAmounts::default());
            for after in turned {
                let moves = bonus_returned(whole, target, before, after);
                prop_assert!(moves.points >= 0 && moves.cost >= 0);
                taken.points += moves.points;
                taken.cost += moves.cost;
                let share = |all: i64, taken: i64| {
                    i128::from(taken) * i128::from(target) - i128::from(all) * i128::from(after)
                };
                prop_assert!(share(points, taken.points) >= 0, "points no later than the order");
                prop_assert!(share(cost, taken.cost) <= 0, "money no sooner");
                before = after;
            }
            prop_assert_eq!(taken, whole);
        }
    }

    #[test]
    fn what_comes_to_nothing_is_no_bonus() {
        assert_eq!(bonus(1, 0, decimal(1), decimal(1_999_999)), Err(ArithmeticError::TooSmall));
        assert_eq!(bonus(5, 0, decimal(1), decimal(999_999)), Err(ArithmeticError::OutOfRange));
        let most = bonus(crate::limits::MAX_AMOUNT_WHOLE, 0, decimal(1), decimal(3_000_000));
        assert_eq!(most, Err(ArithmeticError::OutOfRange));
        assert_eq!(
            bonus(100, 2, decimal(1), decimal(2_000_000)),
            Ok(BonusAmounts { points: 100, cost: 1 })
        );
    }
}
