//! Totals: sums of money that may pass the limits of a single amount, and may be negative.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};

use crate::decimal::{MICROS, format_micros};

/// A signed total in units of 10⁻⁶, spelled like a decimal with an optional `-` in front. One
/// spelling for each number, as everywhere (protocol § 1).
///
/// ```
/// use alliance_contracts::total::Total;
/// let total: Total = "-12.5".parse()?;
/// assert_eq!(total.micros(), -12_500_000);
/// assert_eq!(total.to_string(), "-12.5");
/// for other_spelling in ["-0", "+1", "1.50", "01", "", "-", "1.0000001"] {
///     assert!(other_spelling.parse::<Total>().is_err(), "{other_spelling}");
/// }
/// # Ok::<(), alliance_contracts::total::BadTotal>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Total(i128);

/// Not the one spelling of a total.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a plain decimal in its shortest spelling, with at most six decimals")]
pub struct BadTotal;

impl Total {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The total of so many 10⁻⁶ units.
    #[must_use]
    pub const fn from_micros(micros: i128) -> Self {
        Self(micros)
    }

    /// The total in units of 10⁻⁶.
    #[must_use]
    pub const fn micros(self) -> i128 {
        self.0
    }

    /// Whether this is nothing.
    #[must_use]
    pub const fn is_zero(&self) -> bool {
        self.0 == 0
    }
}

impl FromStr for Total {
    type Err = BadTotal;

    fn from_str(text: &str) -> Result<Self, BadTotal> {
        let (sign, magnitude) = match text.strip_prefix('-') {
            Some(magnitude) => (-1, magnitude),
            None => (1, text),
        };
        let (whole, fraction) = magnitude.split_once('.').unwrap_or((magnitude, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > 6 {
            return Err(BadTotal);
        }
        let whole: i128 = whole.parse().map_err(|_| BadTotal)?;
        let rest: i128 = format!("{fraction:0<6}").parse().map_err(|_| BadTotal)?;
        let magnitude = whole.checked_mul(i128::from(MICROS)).and_then(|w| w.checked_add(rest));
        let total = Self(magnitude.ok_or(BadTotal)? * sign);
        // Whatever has another spelling was not spelled as it should be.
        if total.to_string() == text { Ok(total) } else { Err(BadTotal) }
    }
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format_micros(self.0))
    }
}

impl fmt::Debug for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for Total {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Total {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_again(micros in any::<i128>()) {
            let total = Total::from_micros(micros / 1_000);
            prop_assert_eq!(total.to_string().parse::<Total>(), Ok(total));
        }
    }

    #[test]
    fn beyond_the_type_is_refused() {
        assert!("9".repeat(40).parse::<Total>().is_err());
    }
}
