//! Parts of a whole, exactly: what a proportion comes to, and an amount divided so that nothing is
//! lost.
//!
//! Amounts and weights are whole numbers; the products on the way may be longer than 128 bits, so
//! that they are never formed: [`portion`] goes through the amount's binary digits.
//!
//! Deliberately absent: signs. Who takes back divides the magnitude.

/// The greatest sum of weights: three of them still fit in 128 bits.
pub const MAX_WHOLE: u128 = 1 << 126;

/// `amount × part ÷ whole` rounded down, and what that leaves, in units of 1 ÷ `whole`. None where
/// `part` is more than `whole`, or `whole` is zero or beyond [`MAX_WHOLE`].
///
/// ```
/// use alliance_contracts::portion::portion;
/// assert_eq!(portion(100, 1, 3), Some((33, 1)));
/// assert_eq!(portion(u128::MAX, 7, 7), Some((u128::MAX, 0)));
/// assert_eq!(portion(100, 4, 3), None);
/// ```
#[must_use]
pub fn portion(amount: u128, part: u128, whole: u128) -> Option<(u128, u128)> {
    if whole == 0 || whole > MAX_WHOLE || part > whole {
        return None;
    }
    let (mut quotient, mut left) = (0, 0);
    for bit in (0..u128::BITS - amount.leading_zeros()).rev() {
        // `left` is below `whole`, so that this is below three times it.
        left = 2 * left + (amount >> bit & 1) * part;
        quotient = 2 * quotient + left / whole;
        left %= whole;
    }
    Some((quotient, left))
}

/// Divides an amount by weights, each its portion rounded down; the units that are left go one each
/// to the largest remainders, among equals to the first. The parts sum to the amount, and a weight
/// of zero gets nothing. None where the weights sum to zero or beyond [`MAX_WHOLE`].
///
/// ```
/// use alliance_contracts::portion::apportion;
/// assert_eq!(apportion(100, &[1, 1, 1]), Some(vec![34, 33, 33]));
/// assert_eq!(apportion(10, &[2, 0, 1]), Some(vec![7, 0, 3]));
/// ```
#[must_use]
pub fn apportion(amount: u128, weights: &[u128]) -> Option<Vec<u128>> {
    let whole = weights.iter().try_fold(0_u128, |sum, weight| sum.checked_add(*weight))?;
    if whole == 0 {
        return None;
    }
    let portions = weights.iter().map(|weight| portion(amount, *weight, whole));
    let (mut parts, lefts): (Vec<u128>, Vec<u128>) =
        portions.collect::<Option<Vec<_>>>()?.into_iter().unzip();
    let mut by_left: Vec<usize> = (0..parts.len()).collect();
    by_left.sort_by_key(|at| (std::cmp::Reverse(lefts[*at]), *at));
    // Fewer units than there are remainders above zero: whoever has none gets none.
    let mut units = amount - parts.iter().sum::<u128>();
    for at in by_left {
        if units == 0 {
            break;
        }
        parts[at] += 1;
        units -= 1;
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_portion_is_what_division_gives(amount: u64, part: u32, more: u32) {
            let (part, whole) = (u128::from(part), u128::from(part) + u128::from(more) + 1);
            let product = u128::from(amount) * part;
            prop_assert_eq!(
                portion(amount.into(), part, whole),
                Some((product / whole, product % whole))
            );
        }

        #[test]
        fn a_portion_of_long_numbers_and_the_rest_of_it_are_the_amount(
            amount: u128,
            whole in 1..=MAX_WHOLE,
            tenth in 0..=10_u128,
        ) {
            let part = whole / 10 * tenth;
            let (one, left) = portion(amount, part, whole).unwrap();
            let (other, other_left) = portion(amount, whole - part, whole).unwrap();
            let carried = u128::from(left + other_left != 0);
            prop_assert_eq!(left + other_left, carried * whole);
            prop_assert_eq!(one.checked_add(other + carried), Some(amount));
        }

        #[test]
        fn nothing_is_lost_and_nobody_is_a_unit_off(
            amount: u128,
            weights in prop::collection::vec(0..u128::from(u64::MAX), 1..20),
        ) {
            let whole: u128 = weights.iter().sum();
            prop_assume!(whole > 0);
            let parts = apportion(amount, &weights).unwrap();
            let sum = parts.iter().try_fold(0_u128, |sum, part| sum.checked_add(*part));
            prop_assert_eq!(sum, Some(amount));
            for (part, weight) in parts.iter().zip(&weights) {
                let (floor, left) = portion(amount, *weight, whole).unwrap();
                prop_assert!(*part == floor || (left > 0 && *part == floor + 1));
            }
        }
    }

    #[test]
    fn what_cannot_be_divided_is_none() {
        assert_eq!(apportion(1, &[]), None);
        assert_eq!(apportion(1, &[0, 0]), None);
        assert_eq!(apportion(1, &[MAX_WHOLE, 1]), None);
        assert_eq!(apportion(1, &[u128::MAX, 1]), None);
    }
}
