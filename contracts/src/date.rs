//! Days without a time of day: `2026-11-23` (ISO 8601, the calendar date in its extended form).

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};

use crate::time::{civil_from_days, days_from_civil};

/// A day of the Gregorian calendar, from year 0000 to year 9999.
///
/// ```
/// use alliance_contracts::date::{Date, Weekday};
/// let date: Date = "2026-02-28".parse()?;
/// assert_eq!(date.weekday(), Weekday::Saturday);
/// assert_eq!(date.plus_days(1).to_string(), "2026-03-01");
/// for other_spelling in ["2026-02-29", "2026-2-28", "20260228", "+2026-02-28"] {
///     assert!(other_spelling.parse::<Date>().is_err(), "{other_spelling}");
/// }
/// # Ok::<(), alliance_contracts::date::DateError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(i64);

/// The text is not a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a day such as 2026-11-23")]
pub struct DateError;

/// A day of the week.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl Weekday {
    /// All, from Monday on (ISO 8601).
    pub const ALL: [Self; 7] = [
        Self::Monday,
        Self::Tuesday,
        Self::Wednesday,
        Self::Thursday,
        Self::Friday,
        Self::Saturday,
        Self::Sunday,
    ];
}

impl Date {
    /// The first day that can be told.
    pub const MIN: Self = Self(days_from_civil(0, 1, 1));
    /// The last.
    pub const MAX: Self = Self(days_from_civil(9_999, 12, 31));

    /// A day by year, month and day of the month; `None` where there is no such day.
    #[must_use]
    pub fn of(year: u16, month: u8, day: u8) -> Option<Self> {
        let civil = (i64::from(year), i64::from(month), i64::from(day));
        let exists = year <= 9_999 && (1..=12).contains(&month) && (1..=31).contains(&day);
        if !exists {
            return None;
        }
        let days = days_from_civil(civil.0, civil.1, civil.2);
        (civil_from_days(days) == civil).then_some(Self(days))
    }

    /// The day so many days later (earlier, where negative); never before the first or after the
    /// last.
    #[must_use]
    pub fn plus_days(self, days: i64) -> Self {
        Self(self.0.saturating_add(days)).clamp(Self::MIN, Self::MAX)
    }

    /// Which day of the week it is.
    #[must_use]
    pub fn weekday(self) -> Weekday {
        // 1970-01-01 was a Thursday.
        let from_monday = usize::try_from((self.0 + 3).rem_euclid(7));
        Weekday::ALL[from_monday.expect("the remainder by 7 is from 0 to 6")]
    }

    /// Year, month and day of the month.
    #[must_use]
    pub const fn civil(self) -> (i64, i64, i64) {
        civil_from_days(self.0)
    }
}

impl FromStr for Date {
    type Err = DateError;

    fn from_str(text: &str) -> Result<Self, DateError> {
        let bytes = text.as_bytes();
        if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
            return Err(DateError);
        }
        let number = |part: &[u8]| {
            part.iter().try_fold(0_u16, |sum, byte| {
                byte.is_ascii_digit().then(|| sum * 10 + u16::from(byte - b'0'))
            })
        };
        let small = |part: &[u8]| number(part).and_then(|number| u8::try_from(number).ok());
        let civil = (number(&bytes[..4]), small(&bytes[5..7]), small(&bytes[8..]));
        let (Some(year), Some(month), Some(day)) = civil else { return Err(DateError) };
        Self::of(year, month, day).ok_or(DateError)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_four_centuries_follows_the_one_before() {
        let mut date: Date = "1899-12-31".parse().unwrap();
        assert_eq!(date.weekday(), Weekday::Sunday);
        for count in 1..=146_097_usize {
            let next = date.plus_days(1);
            assert!(next > date);
            assert_eq!(next.to_string().parse(), Ok(next));
            assert_eq!(next.weekday(), Weekday::ALL[(6 + count) % 7]);
            date = next;
        }
        // Four centuries are a whole number of weeks and end on the same date.
        assert_eq!(date.to_string(), "2299-12-31");
    }

    #[test]
    fn days_that_do_not_exist_are_refused() {
        for text in ["2025-02-29", "2026-00-01", "2026-13-01", "2026-04-31", "2026-01-00", "x", ""]
        {
            assert!(text.parse::<Date>().is_err(), "{text}");
        }
        assert_eq!(Date::MIN.plus_days(-1), Date::MIN);
        assert_eq!(Date::MAX.plus_days(i64::MAX), Date::MAX);
    }
}
