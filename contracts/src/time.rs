//! Times of the wire: RFC 3339, UTC, `Z`, exactly three decimals (protocol § 1).
//!
//! Deliberately absent: a clock. Whoever needs "now" is handed it.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};

const MILLIS_PER_DAY: i64 = 86_400_000;

/// A point in time, in milliseconds since 1970-01-01T00:00:00Z, from year 0000 to year 9999.
///
/// ```
/// use alliance_contracts::time::Timestamp;
/// let time: Timestamp = "2026-11-23T04:05:06.789Z".parse()?;
/// assert_eq!(time.as_millis(), 1_795_406_706_789);
/// assert_eq!(time.to_string(), "2026-11-23T04:05:06.789Z");
/// assert!("2026-11-23T04:05:06Z".parse::<Timestamp>().is_err());
/// # Ok::<(), alliance_contracts::time::TimestampError>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// The text is not a time of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a UTC time with exactly three decimals, such as 2026-11-23T04:05:06.789Z")]
pub struct TimestampError;

impl Timestamp {
    /// The time so many milliseconds after 1970 began.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970 began.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970 began, rounded down.
    #[must_use]
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// The UTC month that this time is in, counted from January of the year 0.
    ///
    /// ```
    /// use alliance_contracts::time::Timestamp;
    /// let month = |text: &str| text.parse::<Timestamp>().unwrap().month_number();
    /// assert_eq!(month("2026-11-30T23:59:59.999Z"), 2026 * 12 + 10);
    /// assert_eq!(month("2026-12-01T00:00:00.000Z"), 2026 * 12 + 11);
    /// assert_eq!(month("2027-01-01T00:00:00.000Z"), 2027 * 12);
    /// ```
    #[must_use]
    pub const fn month_number(self) -> i64 {
        let (year, month, _) = civil_from_days(self.0.div_euclid(86_400_000));
        year * 12 + month - 1
    }

    /// The second that this time is in: where signatures, which tell their time in seconds, count
    /// from.
    #[must_use]
    pub const fn floor_to_second(self) -> Self {
        Self(self.as_seconds() * 1_000)
    }

    /// The time so many milliseconds later (earlier, where negative).
    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// The time so many seconds later (earlier, where negative).
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1_000)))
    }
}

/// Days since 1970-01-01 of a proleptic Gregorian date, by counting whole 400-year eras that
/// begin on 1 March, so that the leap day is the last of its year.
pub(crate) const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

pub(crate) const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let bytes = text.as_bytes();
        let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.')];
        if bytes.len() != 24 || bytes[23] != b'Z' || marks.iter().any(|&(at, m)| bytes[at] != m) {
            return Err(TimestampError);
        }
        let number = |from: usize, to: usize| {
            bytes[from..to].iter().try_fold(0_i64, |sum, byte| {
                byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0'))
            })
        };
        let part = |from, to, low, high| {
            number(from, to).filter(|n| (low..=high).contains(n)).ok_or(TimestampError)
        };
        let (year, month, day) = (part(0, 4, 0, 9_999)?, part(5, 7, 1, 12)?, part(8, 10, 1, 31)?);
        let (hour, minute) = (part(11, 13, 0, 23)?, part(14, 16, 0, 59)?);
        let (second, milli) = (part(17, 19, 0, 59)?, part(20, 23, 0, 999)?);
        let days = days_from_civil(year, month, day);
        if civil_from_days(days) != (year, month, day) {
            return Err(TimestampError);
        }
        Ok(Self(days * MILLIS_PER_DAY + ((hour * 60 + minute) * 60 + second) * 1_000 + milli))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_from_days(self.0.div_euclid(MILLIS_PER_DAY));
        let rest = self.0.rem_euclid(MILLIS_PER_DAY);
        let (seconds, milli) = (rest / 1_000, rest % 1_000);
        let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates_that_do_not_exist_and_other_spellings_are_refused() {
        let bad = [
            "2026-02-29T00:00:00.000Z",
            "2026-13-01T00:00:00.000Z",
            "2026-11-23T24:00:00.000Z",
            "2026-11-23T23:59:60.000Z",
            "2026-11-23T00:00:00.00Z",
            "2026-11-23T00:00:00.0000Z",
            "2026-11-23T00:00:00.000z",
            "2026-11-23 00:00:00.000Z",
            "2026-11-23T00:00:00.000+0",
            "+026-11-23T00:00:00.000Z",
            "",
        ];
        for text in bad {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }

    #[test]
    fn known_days_have_their_known_numbers() {
        for (text, millis) in [
            ("1970-01-01T00:00:00.000Z", 0),
            ("2000-02-29T12:00:00.001Z", 951_825_600_001),
            ("1969-12-31T23:59:59.999Z", -1),
            ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
        ] {
            assert_eq!(text.parse::<Timestamp>().unwrap().as_millis(), millis);
            assert_eq!(Timestamp::from_millis(millis).to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn every_time_comes_back(millis in -62_167_219_200_000..253_402_300_800_000_i64) {
            let time = Timestamp::from_millis(millis);
            prop_assert_eq!(time.to_string().parse::<Timestamp>(), Ok(time));
        }
    }
}
