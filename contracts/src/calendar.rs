//! Which days banks work on, as data: one document for each calendar, for the years that were
//! published, and a day until which.
//!
//! No rule of this product makes holidays: China's are decided year by year, with weekends that
//! become working days. A document says what was published; past its last day only the days of the
//! week are known, and whatever is counted there is provisional.
//!
//! Deliberately absent: half days, times of day, holidays by rule.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::date::{Date, Weekday};
use crate::names::CalendarId;

/// A day that is unlike others of its weekday, and what it is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedDay {
    /// The day.
    pub date: Date,
    /// What it is called; for people.
    pub name: String,
}

/// One calendar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calendar {
    /// Its name, as agreements say it.
    pub calendar: CalendarId,
    /// Days on which nobody works, in order. They may fall on rest days.
    pub holidays: Vec<NamedDay>,
    /// What it is called; for people.
    pub name: String,
    /// The first day that it knows.
    pub published_from: Date,
    /// The last day that was published. Later days are provisional.
    pub published_until: Date,
    /// Days of the week on which nobody works, from Monday on.
    pub rest_days: Vec<Weekday>,
    /// Who published it, and where.
    pub source: String,
    /// 1.
    pub v: u8,
    /// Rest days on which work is made up, in order.
    pub working_days: Vec<NamedDay>,
}

/// The rule that a calendar breaks, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CalendarFault {
    /// Not version 1.
    #[error("not version 1")]
    Version,
    /// Ends before it begins.
    #[error("published_until is before published_from")]
    Published,
    /// Rest days twice, or not from Monday on.
    #[error("rest_days are not in order, each once")]
    RestDays,
    /// Nobody ever works.
    #[error("every day of the week is a rest day")]
    NoWork,
    /// A day twice, or not in order.
    #[error("{0} is not in order, or twice")]
    Order(Date),
    /// A day that was not published.
    #[error("{0} is not between published_from and published_until")]
    Unpublished(Date),
    /// Both a holiday and a working day.
    #[error("{0} is a holiday and a working day")]
    Both(Date),
    /// Work is made up on a day that is worked on anyway.
    #[error("{0} is a working day anyway: no rest day")]
    NoRestDay(Date),
}

impl Calendar {
    /// Whether this can be counted with.
    ///
    /// # Errors
    /// Every fault, at once.
    pub fn check(&self) -> Result<(), Vec<CalendarFault>> {
        let mut faults = Vec::new();
        if self.v != 1 {
            faults.push(CalendarFault::Version);
        }
        if self.published_until < self.published_from {
            faults.push(CalendarFault::Published);
        }
        if self.rest_days.windows(2).any(|pair| pair[0] >= pair[1]) {
            faults.push(CalendarFault::RestDays);
        }
        if Weekday::ALL.iter().all(|day| self.rest_days.contains(day)) {
            faults.push(CalendarFault::NoWork);
        }
        for list in [&self.holidays, &self.working_days] {
            let behind = list.windows(2).filter(|pair| pair[0].date >= pair[1].date);
            faults.extend(behind.map(|pair| CalendarFault::Order(pair[1].date)));
            let published = self.published_from..=self.published_until;
            let beyond = list.iter().filter(|day| !published.contains(&day.date));
            faults.extend(beyond.map(|day| CalendarFault::Unpublished(day.date)));
        }
        let holidays: BTreeSet<Date> = self.holidays.iter().map(|day| day.date).collect();
        for NamedDay { date, .. } in &self.working_days {
            if holidays.contains(date) {
                faults.push(CalendarFault::Both(*date));
            }
            if !self.rest_days.contains(&date.weekday()) {
                faults.push(CalendarFault::NoRestDay(*date));
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// Whether this day is worked on. For a calendar that [`check`](Self::check) has passed.
    #[must_use]
    pub fn is_business_day(&self, date: Date) -> bool {
        let among = |days: &[NamedDay]| days.binary_search_by_key(&date, |day| day.date).is_ok();
        let rest = self.rest_days.contains(&date.weekday());
        if rest { among(&self.working_days) } else { !among(&self.holidays) }
    }

    /// Whether it was published what this day is.
    #[must_use]
    pub fn knows(&self, date: Date) -> bool {
        (self.published_from..=self.published_until).contains(&date)
    }
}
