//! Calendars out of iCalendar files (RFC 5545): all-day events are holidays, or working days.
//!
//! An event is a working day where it says so: `X-APPLE-SPECIAL-DAY:ALTERNATE-WORKDAY`, a category
//! `WORKING DAY`, or a summary with `班` ("补班", "（班）"). Every other all-day event is a holiday.
//! Events with a time of day are no days, and are named as faults: nothing is left out in silence.
//! So are rules that repeat: a calendar lists its days.

use alliance_contracts::calendar::NamedDay;
use alliance_contracts::date::Date;

/// The days of a file, each list in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Days {
    /// Days on which nobody works.
    pub holidays: Vec<NamedDay>,
    /// Rest days on which work is made up.
    pub working_days: Vec<NamedDay>,
}

/// What is wrong with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IcsRule {
    /// No `BEGIN:VCALENDAR`.
    #[error("no iCalendar file: BEGIN:VCALENDAR comes first")]
    NoCalendar,
    /// Ends inside an event, or before `END:VCALENDAR`.
    #[error("the file ends in the middle: END:VCALENDAR is missing")]
    Cut,
    /// An event without a day.
    #[error("the event has no DTSTART")]
    NoStart,
    /// Not a day such as 20260101.
    #[error("not a day such as 20260101; events with a time of day are no holidays")]
    NotADay,
    /// Ends before it begins, or lasts longer than a year.
    #[error("the event ends before it begins, or lasts longer than a year")]
    Length,
    /// Repeats by a rule.
    #[error("repeats by a rule: list every day, as they were published")]
    Repeats,
    /// No event at all.
    #[error("the file has no event")]
    Empty,
}

/// A fault and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {rule}")]
pub struct IcsFault {
    /// The line where the event, or what is wrong of it, begins; from 1.
    pub line: usize,
    /// What is wrong.
    pub rule: IcsRule,
}

/// One event while it is read.
#[derive(Default)]
struct Event {
    line: usize,
    start: Option<Date>,
    end: Option<Date>,
    summary: String,
    works: bool,
    /// A day of it could not be read, and was named.
    unread: bool,
}

/// Reads a file's events.
///
/// # Errors
/// Every fault, at once.
pub fn read(text: &str) -> Result<Days, Vec<IcsFault>> {
    let mut faults = Vec::new();
    let mut days = Days::default();
    let mut event: Option<Event> = None;
    let mut events = 0_usize;
    let mut ended = false;
    let lines = unfolded(text);
    if lines.first().is_none_or(|(_, line)| line != "BEGIN:VCALENDAR") {
        return Err(vec![IcsFault { line: 1, rule: IcsRule::NoCalendar }]);
    }
    for (line, content) in &lines {
        let mut fault = |rule| faults.push(IcsFault { line: *line, rule });
        let (head, value) = content.split_once(':').unwrap_or((content, ""));
        let name = head.split(';').next().unwrap_or(head).to_ascii_uppercase();
        match (name.as_str(), value, &mut event) {
            ("END", "VCALENDAR", _) => ended = true,
            ("BEGIN", "VEVENT", _) => event = Some(Event { line: *line, ..Event::default() }),
            ("END", "VEVENT", opened) => {
                if let Some(closed) = opened.take() {
                    events += 1;
                    if closed.unread {
                        continue;
                    }
                    if let Err(fault) = keep(closed, &mut days) {
                        faults.push(fault);
                    }
                }
            }
            (_, _, None) => {}
            ("DTSTART", _, Some(event)) => match day(value) {
                Some(date) => event.start = Some(date),
                None => {
                    event.unread = true;
                    fault(IcsRule::NotADay);
                }
            },
            ("DTEND", _, Some(event)) => match day(value) {
                Some(date) => event.end = Some(date),
                None => {
                    event.unread = true;
                    fault(IcsRule::NotADay);
                }
            },
            ("RRULE" | "RDATE", _, Some(_)) => fault(IcsRule::Repeats),
            ("SUMMARY", _, Some(event)) => {
                event.summary = unescaped(value);
                event.works |= value.contains('班');
            }
            ("CATEGORIES", _, Some(event)) => {
                let mut categories = value.split(',');
                event.works |= categories.any(|one| one.eq_ignore_ascii_case("working day"));
            }
            ("X-APPLE-SPECIAL-DAY", _, Some(event)) => event.works |= value == "ALTERNATE-WORKDAY",
            _ => {}
        }
    }
    let last = lines.last().map_or(1, |(line, _)| *line);
    if !ended || event.is_some() {
        faults.push(IcsFault { line: last, rule: IcsRule::Cut });
    } else if events == 0 {
        faults.push(IcsFault { line: last, rule: IcsRule::Empty });
    }
    // Files list events in any order, and some a day in two of them.
    for list in [&mut days.holidays, &mut days.working_days] {
        list.sort_by_key(|day| day.date);
        list.dedup_by_key(|day| day.date);
    }
    if faults.is_empty() { Ok(days) } else { Err(faults) }
}

/// The days of an event: from its first to the one before its end (RFC 5545 § 3.6.1); one day where
/// it has no end.
fn keep(event: Event, days: &mut Days) -> Result<(), IcsFault> {
    let fault = |rule| IcsFault { line: event.line, rule };
    let Some(start) = event.start else { return Err(fault(IcsRule::NoStart)) };
    let end = event.end.unwrap_or_else(|| start.plus_days(1));
    if end <= start || end > start.plus_days(366) {
        return Err(fault(IcsRule::Length));
    }
    let list = if event.works { &mut days.working_days } else { &mut days.holidays };
    let mut date = start;
    while date < end {
        list.push(NamedDay { date, name: event.summary.clone() });
        date = date.plus_days(1);
    }
    Ok(())
}

/// `20260101`.
fn day(value: &str) -> Option<Date> {
    let value = value.trim_end();
    if value.len() != 8 || !value.is_ascii() {
        return None;
    }
    format!("{}-{}-{}", &value[..4], &value[4..6], &value[6..]).parse().ok()
}

/// Lines without their folds (RFC 5545 § 3.1), each with the number of its first one.
fn unfolded(text: &str) -> Vec<(usize, String)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        match (line.strip_prefix([' ', '\t']), lines.last_mut()) {
            (Some(rest), Some((_, before))) => before.push_str(rest),
            _ if line.is_empty() => {}
            _ => lines.push((number, line.to_owned())),
        }
    }
    lines
}

/// Text without its escapes (RFC 5545 § 3.3.11).
fn unescaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut letters = value.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            text.push(letter);
            continue;
        }
        match letters.next() {
            Some('n' | 'N') | None => text.push(' '),
            Some(escaped) => text.push(escaped),
        }
    }
    text
}
