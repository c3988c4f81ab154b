//! Business days: when money is good, T+N, over the calendars of a currency and an agreement.
//!
//! A day is a business day if it is one in every calendar that counts. T+N is the Nth business day
//! after T; T+0 is T itself, or the first business day after it.
//!
//! Shipped: [`shipped`] has China's notices and TARGET's closing days for the years that were
//! published. Others are imported as JSON ([`Calendar`]) or from iCalendar files ([`ics`]).

pub mod ics;
#[cfg(test)]
mod tests;

use alliance_contracts::calendar::Calendar;
use alliance_contracts::date::Date;
use alliance_contracts::json;

/// So many business days at most between trade and money.
pub const MAX_DAYS: u32 = 60;

/// No calendars together go on for so many days without a business day, unless they never meet.
const MAX_LOOKED_AT: u32 = 1_000;

/// The day that money is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueDate {
    /// The day.
    pub date: Date,
    /// A day that was counted lies past what one of the calendars knows: holidays that are
    /// published later may move the date.
    pub provisional: bool,
}

/// Why no day can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoValueDate {
    /// Further than is counted.
    #[error("more than {MAX_DAYS} business days")]
    TooFar,
    /// The calendars have no business day in common.
    #[error("the calendars have no business day in common")]
    NoBusinessDay,
}

/// The `n`th business day after `trade` in all `calendars`.
///
/// ```
/// use alliance_settlement::calendar::{shipped, value_date};
/// let [cn, _] = shipped();
/// // Before Spring Festival; the Saturday of the 14th is worked on, and so is that of the 28th.
/// let money = value_date("2026-02-13".parse()?, 2, &[&cn])?;
/// assert_eq!((money.date.to_string().as_str(), money.provisional), ("2026-02-24", false));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`NoValueDate`].
pub fn value_date(trade: Date, n: u32, calendars: &[&Calendar]) -> Result<ValueDate, NoValueDate> {
    if n > MAX_DAYS {
        return Err(NoValueDate::TooFar);
    }
    let works = |date| calendars.iter().all(|calendar| calendar.is_business_day(date));
    let known = |date| calendars.iter().all(|calendar| calendar.knows(date));
    let mut left = n;
    let mut provisional = !known(trade);
    let mut date = trade;
    for _ in 0..MAX_LOOKED_AT {
        if left == 0 && works(date) {
            return Ok(ValueDate { date, provisional });
        }
        date = date.plus_days(1);
        provisional |= !known(date);
        // The last one is counted where it is found to be the day.
        if left > 0 && works(date) {
            left -= 1;
        }
    }
    Err(NoValueDate::NoBusinessDay)
}

/// The calendars that come with the product: `cn` and `target`.
///
/// # Panics
/// Never: a test reads and checks both.
#[must_use]
pub fn shipped() -> [Calendar; 2] {
    [include_bytes!("../calendars/cn.json").as_slice(), include_bytes!("../calendars/target.json")]
        .map(|bytes| json::read(bytes).expect("shipped calendars are read by a test"))
}
