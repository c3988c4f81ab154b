//! `alliance settle due`: the Nth business day after a day.

use alliance_contracts::calendar::Calendar;
use alliance_contracts::date::Date;
use alliance_contracts::json;
use alliance_settlement::calendar::{shipped, value_date};
use clap::Args;
use serde::Serialize;

use super::shown;
use crate::cli::failure::{Exit, Failure};
use crate::cli::layout::counted;
use crate::cli::printer::{Printer, Shown};

/// Which day, and by which calendars.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  alliance settle due 2026-02-13 --days 2 --calendar cn\n  \
    alliance settle due 2026-04-02 --days 1 --calendar cn --calendar target")]
pub struct DueArgs {
    /// The day of the trade
    #[arg(value_name = "DATE")]
    trade: Date,
    /// N of T+N: how many business days later
    #[arg(long, value_name = "N", default_value = "2")]
    days: u32,
    /// `cn`, `target`, or a calendar's JSON file; a business day is one in all of them
    #[arg(long = "calendar", value_name = "NAME|FILE.json", required = true)]
    calendars: Vec<String>,
}

#[derive(Serialize)]
struct Due {
    trade: Date,
    days: u32,
    due: Date,
    provisional: bool,
    calendars: Vec<String>,
}

impl Shown for Due {
    fn text(&self) -> String {
        let weekday = format!("{:?}", self.due.weekday());
        let days = counted(usize::try_from(self.days).unwrap_or(usize::MAX), "business day");
        let told = format!(
            "{} ({weekday}): {days} after {} ({:?}), by {}",
            self.due,
            self.trade,
            self.trade.weekday(),
            self.calendars.join(" and ")
        );
        if self.provisional {
            format!("{told}\nprovisional: a day that was counted is not published yet")
        } else {
            told
        }
    }
}

pub(super) fn run(args: &DueArgs, printer: Printer) -> Result<Exit, Failure> {
    let mut calendars = Vec::with_capacity(args.calendars.len());
    for named in &args.calendars {
        calendars.push(calendar(named)?);
    }
    let counted: Vec<&Calendar> = calendars.iter().collect();
    let due = value_date(args.trade, args.days, &counted).map_err(Failure::usage)?;
    printer.show(&Due {
        trade: args.trade,
        days: args.days,
        due: due.date,
        provisional: due.provisional,
        calendars: calendars.iter().map(|one| one.calendar.to_string()).collect(),
    });
    Ok(Exit::Good)
}

/// A calendar that came with the product, or that of a file.
fn calendar(named: &str) -> Result<Calendar, Failure> {
    if let Some(known) = shipped().into_iter().find(|known| known.calendar.as_str() == named) {
        return Ok(known);
    }
    let bytes = std::fs::read(named).map_err(|error| {
        Failure::usage(format!("no calendar {named}: there are cn and target; as a file: {error}"))
    })?;
    let calendar: Calendar = json::read(&bytes).map_err(|fault| shown::unread(named, &fault))?;
    match calendar.check() {
        Ok(()) => Ok(calendar),
        Err(faults) => {
            let summary = format!("{named}: {}", counted(faults.len(), "fault"));
            Err(Failure::wrong(summary).with(faults))
        }
    }
}
