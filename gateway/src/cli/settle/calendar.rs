//! `alliance settle calendar`: business days that were published, into alliance.toml.

use std::path::{Path, PathBuf};

use alliance_contracts::calendar::{Calendar, NamedDay};
use alliance_contracts::date::{Date, Weekday};
use alliance_contracts::json;
use alliance_contracts::names::CalendarId;
use alliance_settlement::calendar::{extended, ics, shipped};
use clap::Args;
use serde::Serialize;

use super::shown;
use crate::cli::Place;
use crate::cli::config_text;
use crate::cli::failure::{Exit, Failure};
use crate::cli::layout::counted;
use crate::cli::printer::{FAINT, GOOD, HEADING, Printer, Shown, paint};
use crate::instance::CONFIG_FILE;
use crate::instance::template::quoted;

/// The file, and what it does not say itself.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  alliance settle calendar cn-2027.ics --calendar cn \
                        --from 2027-01-01 --until 2027-12-31\n  alliance settle calendar hk.json")]
pub struct CalendarArgs {
    /// A calendar in JSON (docs/formats/calendars.md), or an iCalendar file (.ics)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Which calendar an .ics file has days of
    #[arg(long, value_name = "NAME")]
    calendar: Option<CalendarId>,
    /// The first day that an .ics file was published for
    #[arg(long, value_name = "DATE")]
    from: Option<Date>,
    /// The last day that an .ics file was published for: later ones are provisional
    #[arg(long, value_name = "DATE")]
    until: Option<Date>,
    /// Who published an .ics file, and where [default: the file's name]
    #[arg(long, value_name = "TEXT")]
    source: Option<String>,
    #[command(flatten)]
    place: Place,
}

#[derive(Serialize)]
struct Imported {
    calendar: CalendarId,
    published_from: Date,
    published_until: Date,
    holidays: usize,
    working_days: usize,
    /// Whether value dates count by it.
    used: bool,
}

impl Shown for Imported {
    fn text(&self) -> String {
        let Self { calendar, published_from, published_until, .. } = self;
        let heading = format!("{calendar} is known from {published_from} to {published_until}");
        let days = format!(
            "  {}, {} on rest days",
            counted(self.holidays, "holiday"),
            counted(self.working_days, "working day")
        );
        let next = if self.used {
            "  Value dates of windows that are netted from now on count by it."
        } else {
            "  No value date counts by it yet: name it in [settlement] calendars."
        };
        let (good, heading) = (paint(GOOD, "✓"), paint(HEADING, &heading));
        format!("{good} {heading}\n{days}\n{}", paint(FAINT, next))
    }
}

pub(super) fn run(args: &CalendarArgs, printer: Printer) -> Result<Exit, Failure> {
    // Read.
    let instance = args.place.load()?;
    let defined = &instance.definition.calendars;
    let named = args.file.display().to_string();
    let bytes = std::fs::read(&args.file);
    let bytes = bytes.map_err(|error| Failure::usage(format!("{named}: {error}")))?;
    let known = |id: &CalendarId| {
        let own = defined.iter().find(|known| known.calendar == *id).cloned();
        own.or_else(|| shipped().into_iter().find(|known| known.calendar == *id))
    };
    // Decide.
    let read = if is_ics(&args.file) {
        out_of_ics(args, &named, &bytes, known)?
    } else {
        json::read(&bytes).map_err(|fault| shown::unread(&named, &fault))?
    };
    read.check().map_err(|faults| {
        let summary = format!("{named}: {}", counted(faults.len(), "fault"));
        Failure { exit: Exit::Usage, ..Failure::wrong(summary).with(faults) }
    })?;
    let whole = match known(&read.calendar) {
        Some(known) => extended(&known, &read).map_err(Failure::usage)?,
        None => read,
    };
    // Write.
    let stands = defined.iter().any(|known| known.calendar == whole.calendar);
    let (begin, end) = marks(&whole.calendar);
    let entry = format!("{begin}\n{}{end}\n", table(&whole));
    config_text::put(&instance, &args.place, (&begin, &end), &entry, stands).map_err(
        |failure| {
            failure.unwrap_or_else(|| {
                let id = &whole.calendar;
                Failure::usage(format!(
                    "{id} was written into {CONFIG_FILE} by hand: replace its [[calendars]] there"
                ))
            })
        },
    )?;
    args.place.load()?.write_books().map_err(|faults| Failure::of_faults(&faults))?;
    printer.show(&Imported {
        used: instance.definition.settlement.calendars.contains(&whole.calendar),
        published_from: whole.published_from,
        published_until: whole.published_until,
        holidays: whole.holidays.len(),
        working_days: whole.working_days.len(),
        calendar: whole.calendar,
    });
    Ok(Exit::Good)
}

fn is_ics(file: &Path) -> bool {
    file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("ics"))
}

/// The days of an .ics file, with what it does not say: from the command, or from the calendar that
/// it goes on with.
fn out_of_ics(
    args: &CalendarArgs,
    named: &str,
    bytes: &[u8],
    known: impl Fn(&CalendarId) -> Option<Calendar>,
) -> Result<Calendar, Failure> {
    let (Some(id), Some(from), Some(until)) = (&args.calendar, args.from, args.until) else {
        return Err(Failure::usage(
            "an .ics file does not say what it was published for: add --calendar, --from and \
             --until",
        ));
    };
    let text = std::str::from_utf8(bytes);
    let text = text.map_err(|_| Failure::usage(format!("{named}: not UTF-8")))?;
    let days = ics::read(text).map_err(|faults| {
        let summary = format!("{named}: {}", counted(faults.len(), "fault"));
        Failure { exit: Exit::Usage, ..Failure::wrong(summary).with(faults) }
    })?;
    let known = known(id);
    let weekend = || vec![Weekday::Saturday, Weekday::Sunday];
    Ok(Calendar {
        calendar: id.clone(),
        holidays: days.holidays,
        name: known.as_ref().map_or_else(|| id.to_string(), |known| known.name.clone()),
        published_from: from,
        published_until: until,
        rest_days: known.map_or_else(weekend, |known| known.rest_days),
        source: args.source.clone().unwrap_or_else(|| named.to_owned()),
        v: 1,
        working_days: days.working_days,
    })
}

/// Lines around an entry, by which the next import finds it.
fn marks(id: &CalendarId) -> (String, String) {
    (
        format!("# calendar {id}: written by `alliance settle calendar`, which replaces it"),
        format!("# end of calendar {id}"),
    )
}

fn table(calendar: &Calendar) -> String {
    let days = |days: &[NamedDay]| {
        let day = |day: &NamedDay| {
            format!("  {{ date = \"{}\", name = {} }},\n", day.date, quoted(&day.name))
        };
        format!("[\n{}]", days.iter().map(day).collect::<String>())
    };
    // The words of JSON are those of TOML.
    let rest = serde_json::to_string(&calendar.rest_days).unwrap_or_default();
    format!(
        "[[calendars]]\ncalendar = \"{}\"\nname = {}\nsource = {}\nv = {}\n\
         published_from = \"{}\"\npublished_until = \"{}\"\nrest_days = {rest}\n\
         holidays = {}\nworking_days = {}\n",
        calendar.calendar,
        quoted(&calendar.name),
        quoted(&calendar.source),
        calendar.v,
        calendar.published_from,
        calendar.published_until,
        days(&calendar.holidays),
        days(&calendar.working_days),
    )
}
