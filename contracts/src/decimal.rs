//! Decimals as the wire spells them (protocol § 1).
//!
//! Points, money, program values and fee rates all have at most six decimals and are at most
//! 10¹², so one integer of 10⁻⁶ units holds each of them exactly. What a number *means* (points of
//! a program with two decimals, CNY, a rate) is said by the field it stands in; [`crate::limits`]
//! holds the bounds.
//!
//! Deliberately absent: negative numbers, exponents, rounding, floats.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error as _, Visitor};
use serde::ser::{Serialize, Serializer};

/// Units of a [`Decimal`] in one whole: 10⁶.
pub const MICROS: i64 = 1_000_000;

/// A non-negative decimal with at most six decimals, in units of 10⁻⁶.
///
/// Parsing accepts exactly one spelling of each number, the shortest plain one. A number too large
/// for the type parses as [`Decimal::BEYOND`], which is past every limit: the spelling was fine, so
/// the range check (`amount_out_of_range`), not the parser (`malformed`), is what refuses it.
///
/// ```
/// use alliance_contracts::decimal::Decimal;
/// let half: Decimal = "49.5".parse()?;
/// assert_eq!(half.micros(), 49_500_000);
/// assert_eq!(half.to_string(), "49.5");
/// for other_spelling in ["49.50", "049.5", "+49.5", "4.95e1", "49,5", "49.", " 49.5"] {
///     assert!(other_spelling.parse::<Decimal>().is_err());
/// }
/// # Ok::<(), alliance_contracts::decimal::DecimalError>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal(i64);

/// Why a text is not a decimal of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// A character other than a digit or one inner point, or nothing at all.
    #[error("not a plain decimal: digits, and at most one point between digits")]
    NotPlain,
    /// `01`, `1.50`: the number has a shorter spelling.
    #[error("not the shortest spelling: no leading zeros, no trailing zeros after the point")]
    NotShortest,
    /// More than six decimals.
    #[error("more than six decimals")]
    TooPrecise,
}

impl Decimal {
    /// Zero.
    pub const ZERO: Self = Self(0);
    /// One whole.
    pub const ONE: Self = Self(MICROS);
    /// Stands for every number too large for the type.
    pub const BEYOND: Self = Self(i64::MAX);

    /// The decimal of so many 10⁻⁶ units; `None` below zero.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Option<Self> {
        if micros < 0 { None } else { Some(Self(micros)) }
    }

    /// The decimal of `minor` units of 10⁻ˢᶜᵃˡᵉ; `None` below zero, past the type, or scale over 6.
    #[must_use]
    pub fn from_minor(minor: i64, scale: u32) -> Option<Self> {
        let factor = 10_i64.checked_pow(6_u32.checked_sub(scale)?)?;
        Self::from_micros(minor.checked_mul(factor)?)
    }

    /// The number in units of 10⁻⁶.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The number in units of 10⁻ˢᶜᵃˡᵉ; `None` where it has more decimals than that.
    #[must_use]
    pub fn to_minor(self, scale: u32) -> Option<i64> {
        let factor = 10_i64.checked_pow(6_u32.checked_sub(scale)?)?;
        (self.0 % factor == 0).then_some(self.0 / factor)
    }

    /// Whether this is zero.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The same number for reports and spreadsheets.
    #[must_use]
    pub fn to_rust_decimal(self) -> rust_decimal::Decimal {
        rust_decimal::Decimal::from_i128_with_scale(i128::from(self.0), 6).normalize()
    }
}

/// A signed total of 10⁻⁶ units in its shortest spelling (positions may be negative).
#[must_use]
pub fn format_micros(total: i128) -> String {
    let sign = if total < 0 { "-" } else { "" };
    let magnitude = total.unsigned_abs();
    let micros = MICROS.unsigned_abs();
    let (whole, rest) = (magnitude / u128::from(micros), magnitude % u128::from(micros));
    if rest == 0 {
        return format!("{sign}{whole}");
    }
    let digits = format!("{rest:06}");
    format!("{sign}{whole}.{}", digits.trim_end_matches('0'))
}

impl FromStr for Decimal {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        let (whole, fraction) = match text.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (text, None),
        };
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !fraction.is_none_or(digits) {
            return Err(DecimalError::NotPlain);
        }
        let fraction = fraction.unwrap_or("0");
        let padded_whole = whole.len() > 1 && whole.starts_with('0');
        let padded_fraction = text.contains('.') && fraction.ends_with('0');
        if padded_whole || padded_fraction {
            return Err(DecimalError::NotShortest);
        }
        if fraction.len() > 6 {
            return Err(DecimalError::TooPrecise);
        }
        let number = |part: &str| {
            part.bytes().try_fold(0_i64, |sum, digit| {
                sum.checked_mul(10)?.checked_add(i64::from(digit - b'0'))
            })
        };
        let scale_up = 10_i64.pow(6 - u32::try_from(fraction.len()).unwrap_or(6));
        let micros = number(whole)
            .and_then(|whole| whole.checked_mul(MICROS))
            .zip(number(fraction))
            .and_then(|(whole, part)| whole.checked_add(part * scale_up));
        Ok(micros.map_or(Self::BEYOND, Self))
    }
}

/// Room for the longest spelling: 13 digits, a point, 6 digits.
struct Spelling {
    bytes: [u8; 24],
    start: usize,
}

impl Spelling {
    fn of(micros: i64) -> Self {
        let mut spelling = Self { bytes: [0; 24], start: 24 };
        let (mut whole, mut rest) = (micros / MICROS, micros % MICROS);
        if rest > 0 {
            let mut decimals = 6;
            while rest % 10 == 0 {
                rest /= 10;
                decimals -= 1;
            }
            for _ in 0..decimals {
                spelling.push_digit(rest % 10);
                rest /= 10;
            }
            spelling.push(b'.');
        }
        loop {
            spelling.push_digit(whole % 10);
            whole /= 10;
            if whole == 0 {
                return spelling;
            }
        }
    }

    fn push_digit(&mut self, digit: i64) {
        self.push(b'0' + u8::try_from(digit).unwrap_or(0));
    }

    fn push(&mut self, byte: u8) {
        self.start -= 1;
        self.bytes[self.start] = byte;
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[self.start..]).unwrap_or("0")
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(Spelling::of(self.0).as_str())
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(Spelling::of(self.0).as_str())
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Decimal;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a decimal in a string, such as \"49.5\"")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Decimal, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spellings_that_are_not_the_shortest_plain_one_are_refused() {
        let bad = [
            "",
            ".",
            "1.",
            ".5",
            "01",
            "00",
            "1.50",
            "1.0",
            "+1",
            "-1",
            " 1",
            "1 ",
            "1e5",
            "1E5",
            "1.23abc",
            "1.2.3",
            "0x10",
            "١",
            "1_000",
            "1,5",
            "NaN",
            "inf",
            "10^30",
            "1.1234567",
        ];
        for text in bad {
            assert!(text.parse::<Decimal>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn numbers_past_the_type_are_kept_as_beyond_every_limit() {
        for text in ["9223372036855", "1000000000000000000000000000000", "9223372036854.775808"] {
            assert_eq!(text.parse(), Ok(Decimal::BEYOND), "{text}");
        }
    }

    #[test]
    fn json_numbers_are_refused_where_a_string_is_asked_for() {
        for json in ["1", "1.5", "1e3", "null", "[\"1\"]"] {
            assert!(serde_json::from_str::<Decimal>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn a_decimal_is_read_from_a_json_string_and_the_reason_says_so() {
        assert_eq!(serde_json::from_str("\"49.5\"").ok(), Some(Decimal(49_500_000)));
        let reason = serde_json::from_str::<Decimal>("49.5").unwrap_err().to_string();
        assert!(reason.contains("a decimal in a string, such as \"49.5\""), "{reason}");
        let reason = serde_json::from_str::<Decimal>("\"01\"").unwrap_err().to_string();
        assert!(reason.contains("not the shortest spelling"), "{reason}");
    }

    #[test]
    fn totals_may_be_below_zero_and_zero_has_no_sign() {
        for (total, text) in [
            (0, "0"),
            (-1, "-0.000001"),
            (-1_000_000, "-1"),
            (1_500_000, "1.5"),
            (i128::from(i64::MAX) * 10, "92233720368547.75807"),
        ] {
            assert_eq!(format_micros(total), text);
        }
    }

    #[test]
    fn a_decimal_shows_as_its_number() {
        let number = Decimal(49_500_000);
        assert_eq!(
            (format!("{number:?}"), format!("{number:>6}")),
            ("49.5".into(), "  49.5".into())
        );
        assert!(Decimal::ZERO.is_zero() && !Decimal(1).is_zero());
    }

    #[test]
    fn minor_units_that_do_not_fit_are_none() {
        assert_eq!(Decimal::from_minor(1, 7), None);
        assert_eq!(Decimal::from_minor(i64::MAX, 5), None);
        assert_eq!(Decimal::from_minor(-1, 2), None);
        assert_eq!((Decimal(10_000).to_minor(2), Decimal(10_000).to_minor(1)), (Some(1), None));
        assert_eq!(Decimal(10_000).to_minor(7), None);
        assert_eq!(
            (Decimal::from_micros(-1), Decimal::from_micros(0)),
            (None, Some(Decimal::ZERO))
        );
    }

    proptest! {
        #[test]
        fn every_number_has_one_spelling(micros in 0..i64::MAX) {
            let number = Decimal(micros);
            let text = number.to_string();
            prop_assert_eq!(text.parse::<Decimal>(), Ok(number));
            prop_assert_eq!(format_micros(i128::from(micros)), text.clone());
            prop_assert_eq!(number.to_rust_decimal().to_string(), text);
        }

        #[test]
        fn whatever_parses_prints_as_it_was_written(text in "[0-9]{1,8}(\\.[0-9]{1,7})?") {
            if let Ok(number) = text.parse::<Decimal>() {
                prop_assert_eq!(number.to_string(), text);
            }
        }

        #[test]
        fn minor_units_come_back(minor in 0..1_000_000_000_000_i64, scale in 0..=6_u32) {
            let number = Decimal::from_minor(minor, scale).unwrap();
            prop_assert_eq!(number.to_minor(scale), Some(minor));
        }
    }
}
