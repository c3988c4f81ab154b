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

use alliance_contracts::calendar::{Calendar, NamedDay};
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

/// What was published lies apart from what is known: nobody knows the days between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("known from {from} to {until}: import the days in between, too")]
pub struct Apart {
    /// The first day that is known.
    pub from: Date,
    /// The last.
    pub until: Date,
}

/// A calendar with what was published since: days outside of it are kept as they are known. Name,
/// rest days and source are those of what was published.
///
/// # Errors
/// [`Apart`].
pub fn extended(known: &Calendar, published: &Calendar) -> Result<Calendar, Apart> {
    let (from, until) = (published.published_from, published.published_until);
    if from > known.published_until.plus_days(1) || until.plus_days(1) < known.published_from {
        return Err(Apart { from: known.published_from, until: known.published_until });
    }
    let outside = |day: &&NamedDay| day.date < from || day.date > until;
    let both = |known: &[NamedDay], published: &[NamedDay]| {
        let kept = known.iter().filter(outside);
        let mut days: Vec<NamedDay> = kept.chain(published).cloned().collect();
        days.sort_by_key(|day| day.date);
        days
    };
    Ok(Calendar {
        holidays: both(&known.holidays, &published.holidays),
        published_from: known.published_from.min(from),
        published_until: known.published_until.max(until),
        working_days: both(&known.working_days, &published.working_days),
        ..published.clone()
    })
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
