//! Flows and readings as files bring them, one row a line, without quotes. Every fault of every
//! line of both is listed, each with what would be right.

use std::collections::BTreeMap;

use alliance_contracts::decimal::Decimal;
use alliance_contracts::limits;
use alliance_contracts::names::ProgramId;
use alliance_contracts::observation::shown;
use alliance_contracts::time::Timestamp;

use super::{DAY_SECONDS, MAX_DAYS};
use crate::alliance::{Definition, ProgramDefinition};
use crate::rates::feeds::{
    FEED_FILE_HEADER, Feeds, KnownProgram, Observation, RowFault, check_feed_file,
};
use crate::rates::model::ValueModel;

/// First line of flows that are told by the day: each goes evenly over its day.
pub const FLOWS_BY_DAY: &str = "day,source,target,gross";
/// First line of flows that are told by the time at which they went.
pub const FLOWS_BY_TIME: &str = "time,source,target,gross";
/// First line of readings that are told by the day: each is made as its day begins.
pub const READINGS_BY_DAY: &str = "day,program,feed,value";
/// When day 1 begins where no row tells a time: a Monday.
pub const DEFAULT_START: Timestamp = Timestamp::from_millis(1_767_571_200_000);

/// Later than any reading: that one is of the future is no fault here.
const AFTER_ALL: Timestamp = Timestamp::from_millis(253_402_300_799_000);
/// A day whose last row is in its last hour is whole.
const LAST_HOUR: i64 = 3_600;

/// When a flow goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// On this day, from 1, evenly.
    Day(u32),
    /// At this time.
    At(Timestamp),
}

/// What members of one program want to give for points of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedFlow {
    /// When.
    pub when: When,
    /// Whose points are given.
    pub source: ProgramId,
    /// Whose points arrive.
    pub target: ProgramId,
    /// What they are worth, in the settlement currency.
    pub gross: Decimal,
}

/// Everything that files say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inputs {
    /// What members want.
    pub flows: Vec<PlannedFlow>,
    /// What is read meanwhile, by time.
    pub readings: Vec<Observation>,
    /// When day 1 begins: the UTC midnight before the first flow, or where flows are told by the
    /// day, before the first reading; [`DEFAULT_START`] where those are, too.
    pub start: Timestamp,
}

/// Every fault of both files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Of the flows.
    pub flows: Vec<RowFault>,
    /// Of the readings.
    pub readings: Vec<RowFault>,
}

/// Reads flows, and readings where there are any.
///
/// # Errors
/// Every fault of every line; then nothing is to be used.
///
/// ```
/// use alliance_settlement::rates::simulate::{input, scenario::Scenario};
/// # let definition: alliance_settlement::alliance::Definition = serde_json::from_str(
/// #     r#"{"alliance":"demo","currency":"CNY"}"#)?;
/// let faults = input::read(&definition, "day,source,target,gross\n0,a,b,1\n", None).unwrap_err();
/// assert_eq!(faults.flows[0].to_string(), "line 2: day 0: days count from 1 to 3650");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read(
    definition: &Definition,
    flows: &str,
    readings: Option<&str>,
) -> Result<Inputs, Faults> {
    let mut faults = Faults::default();
    let flows = read_flows(definition, flows).unwrap_or_else(|found| {
        faults.flows = found;
        Vec::new()
    });
    let at = |flow: &PlannedFlow| match flow.when {
        When::At(at) => Some(at),
        When::Day(_) => None,
    };
    let first = flows.iter().filter_map(at).min().map(midnight);
    let readings = readings.map(|text| read_readings(definition, text, first));
    let readings = readings.unwrap_or(Ok(Vec::new())).unwrap_or_else(|found| {
        faults.readings = found;
        Vec::new()
    });
    if faults != Faults::default() {
        return Err(faults);
    }
    let read_first = readings.first().map(|reading| midnight(reading.observed_at));
    let start = first.or(read_first).unwrap_or(DEFAULT_START);
    Ok(Inputs { flows, readings, start })
}

fn midnight(at: Timestamp) -> Timestamp {
    let seconds = at.as_seconds();
    Timestamp::from_millis(0).plus_seconds(seconds - seconds.rem_euclid(DAY_SECONDS))
}

/// The rows below a file's first line, with their numbers; blank lines left out.
fn rows(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let rows = text.lines().enumerate().skip(1).map(|(at, row)| (at + 1, row));
    rows.filter(|(_, row)| !row.is_empty())
}

/// A file without what spreadsheets put in front of it, and its first line.
fn opened(text: &str) -> (&str, &str) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    (text, text.lines().next().unwrap_or_default())
}

fn read_flows(definition: &Definition, text: &str) -> Result<Vec<PlannedFlow>, Vec<RowFault>> {
    let (text, header) = opened(text);
    let (mut flows, mut faults) = (Vec::new(), Vec::new());
    let by_day = header == FLOWS_BY_DAY;
    if !by_day && header != FLOWS_BY_TIME {
        let fault = format!("the first line must be {FLOWS_BY_DAY} or {FLOWS_BY_TIME}");
        return Err(vec![RowFault { line: 1, fault }]);
    }
    let corridors = Corridors::of(definition);
    for (line, row) in rows(text) {
        match read_flow(row, by_day, &corridors) {
            Ok(flow) => flows.push(flow),
            Err(found) => faults.extend(found.into_iter().map(|fault| RowFault { line, fault })),
        }
    }
    if faults.is_empty() && flows.is_empty() {
        let fault = format!("no flows: below {header} stands one on each line");
        faults.push(RowFault { line: 1, fault });
    }
    if faults.is_empty() { Ok(flows) } else { Err(faults) }
}

fn read_flow(
    row: &str,
    by_day: bool,
    corridors: &Corridors<'_>,
) -> Result<PlannedFlow, Vec<String>> {
    let fields = fields(row, if by_day { FLOWS_BY_DAY } else { FLOWS_BY_TIME })?;
    let [when, source, target, gross] = fields;
    let when = if by_day { read_day(when).map(When::Day) } else { read_time(when).map(When::At) };
    let ends = corridors.read(source, target);
    let gross = read_gross(gross);
    match (when, ends, gross) {
        (Ok(when), Ok((source, target)), Ok(gross)) => {
            Ok(PlannedFlow { when, source, target, gross })
        }
        (when, ends, gross) => {
            let mut faults: Vec<String> = when.err().into_iter().collect();
            faults.extend(ends.err().unwrap_or_default());
            faults.extend(gross.err());
            Err(faults)
        }
    }
}

fn fields<'t>(row: &'t str, header: &str) -> Result<[&'t str; 4], Vec<String>> {
    if row.contains('"') {
        return Err(vec!["fields are written without quotes".to_owned()]);
    }
    let fields: Vec<&str> = row.split(',').collect();
    <[&str; 4]>::try_from(fields)
        .map_err(|fields| vec![format!("{} fields where there must be 4: {header}", fields.len())])
}

fn read_day(text: &str) -> Result<u32, String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let day = text.parse().ok().filter(|day| plain && (1..=MAX_DAYS).contains(day));
    day.ok_or_else(|| format!("day {}: days count from 1 to {MAX_DAYS}", shown(text)))
}

fn read_time(text: &str) -> Result<Timestamp, String> {
    text.parse::<Timestamp>().map_err(|error| format!("time {}: {error}", shown(text)))
}

fn read_gross(text: &str) -> Result<Decimal, String> {
    let gross: Decimal = text.parse().map_err(|error| format!("gross {}: {error}", shown(text)))?;
    if limits::amount_in_range(gross) {
        Ok(gross)
    } else {
        Err(format!("gross {} must be at most {}", shown(text), limits::MAX_AMOUNT_WHOLE))
    }
}

/// Who exchanges with whom.
struct Corridors<'a> {
    definition: &'a Definition,
    programs: BTreeMap<&'a ProgramId, &'a ProgramDefinition>,
}

impl<'a> Corridors<'a> {
    fn of(definition: &'a Definition) -> Self {
        let programs = definition.programs.iter().map(|program| (&program.program, program));
        Self { definition, programs: programs.collect() }
    }

    fn read(&self, source: &str, target: &str) -> Result<(ProgramId, ProgramId), Vec<String>> {
        let known = |which: &str, text: &str| {
            let program = text.parse::<ProgramId>().ok();
            let program = program.and_then(|program| self.programs.get(&program).copied());
            program.ok_or_else(|| {
                let text = shown(text);
                format!("{which} {text}: there is no such program in the definition")
            })
        };
        match (known("source", source), known("target", target)) {
            (Ok(one), Ok(other)) => self.agreed(one, other).map_err(|fault| vec![fault]),
            (one, other) => Err(one.err().into_iter().chain(other.err()).collect()),
        }
    }

    fn agreed(
        &self,
        one: &ProgramDefinition,
        other: &ProgramDefinition,
    ) -> Result<(ProgramId, ProgramId), String> {
        let (a, b) = (&one.partner, &other.partner);
        if a == b {
            return Err(format!(
                "{} and {} are both {a}'s: nothing is counted or charged within one partner",
                one.program, other.program
            ));
        }
        let agreements = &self.definition.agreements;
        let agreed = agreements.iter().any(|g| (&g.a, &g.b) == (a, b) || (&g.a, &g.b) == (b, a));
        if agreed {
            Ok((one.program.clone(), other.program.clone()))
        } else {
            Err(format!("{a} and {b} have no agreement in the definition"))
        }
    }
}

/// Readings as the alliance would take them; those told by the day become such of that midnight.
fn read_readings(
    definition: &Definition,
    text: &str,
    start: Option<Timestamp>,
) -> Result<Vec<Observation>, Vec<RowFault>> {
    let (text, header) = opened(text);
    let mut faults = Vec::new();
    let timed = match header {
        FEED_FILE_HEADER => text.to_owned(),
        READINGS_BY_DAY => by_time(text, start.unwrap_or(DEFAULT_START), &mut faults),
        _ => {
            let fault = format!("the first line must be {READINGS_BY_DAY} or {FEED_FILE_HEADER}");
            return Err(vec![RowFault { line: 1, fault }]);
        }
    };
    let nothing = Feeds::default();
    let models: Vec<(&ProgramId, ValueModel)> = definition
        .programs
        .iter()
        .map(|program| {
            let default = || ValueModel::default_for(program.value);
            (&program.program, program.model.clone().unwrap_or_else(default))
        })
        .collect();
    let known = models
        .iter()
        .map(|(program, model)| ((*program).clone(), KnownProgram { model, feeds: &nothing }));
    match check_feed_file(&timed, &known.collect(), AFTER_ALL) {
        Ok(mut readings) if faults.is_empty() => {
            readings.sort_by_key(|reading| reading.observed_at);
            Ok(readings)
        }
        found => {
            // What could not be told by time has been told already.
            let told: Vec<usize> = faults.iter().map(|fault| fault.line).collect();
            let more = found.err().unwrap_or_default();
            let more = more.into_iter().filter(|fault| told.is_empty() || fault.line > 1);
            faults.extend(more.filter(|fault| !told.contains(&fault.line)).collect::<Vec<_>>());
            faults.sort_by_key(|fault| fault.line);
            Err(faults)
        }
    }
}

/// The same file, line for line, as a partner would send it.
fn by_time(text: &str, start: Timestamp, faults: &mut Vec<RowFault>) -> String {
    let mut timed = vec![String::new(); text.lines().count()];
    if let Some(first) = timed.first_mut() {
        FEED_FILE_HEADER.clone_into(first);
    }
    for (line, row) in rows(text) {
        let told = fields(row, READINGS_BY_DAY).and_then(|[day, program, feed, value]| {
            let day = read_day(day).map_err(|fault| vec![fault])?;
            let at = start.plus_seconds((i64::from(day) - 1) * DAY_SECONDS);
            Ok(format!("{program},{feed},{value},{at}"))
        });
        match told {
            Ok(row) => timed[line - 1] = row,
            Err(found) => faults.extend(found.into_iter().map(|fault| RowFault { line, fault })),
        }
    }
    timed.join("\n")
}

/// A flow with its time in seconds from the start, in 10⁻⁶ of the currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spell {
    /// Whose points are given.
    pub source: ProgramId,
    /// Whose points arrive.
    pub target: ProgramId,
    /// When it begins.
    pub begin: i64,
    /// How long it goes, evenly; above zero.
    pub seconds: i64,
    /// How much goes.
    pub gross: i128,
}

/// Flows for so many days: as given, and after the last given day its week again and again (the
/// last seven whole days), or where there are fewer than seven, the last whole day. A day is whole
/// when it has a row of the day, or one of its last hour. Weekdays stay weekdays.
#[must_use]
pub fn projected(flows: &[PlannedFlow], start: Timestamp, days: u32) -> Vec<Spell> {
    let given: Vec<Spell> =
        flows.iter().map(|flow| spell(flow, start)).filter(|spell| spell.begin >= 0).collect();
    let end = given.iter().map(|spell| spell.begin + spell.seconds).max().unwrap_or(0);
    let whole = ((end + LAST_HOUR - 1) / DAY_SECONDS).max(1);
    let again = if whole >= 7 { 7 } else { 1 };
    let first_empty = (end + DAY_SECONDS - 1) / DAY_SECONDS;
    let day_of = |spell: &Spell| spell.begin / DAY_SECONDS;
    let pattern: Vec<Spell> =
        given.iter().filter(|s| (whole - again..whole).contains(&day_of(s))).cloned().collect();
    let mut all = given;
    for spell in &pattern {
        // The first empty day that is the same day of the week as this one's.
        let day = day_of(spell);
        let first = first_empty + (day - first_empty).rem_euclid(again);
        let mut on = first;
        while on < i64::from(days) {
            all.push(Spell { begin: spell.begin + (on - day) * DAY_SECONDS, ..spell.clone() });
            on += again;
        }
    }
    all
}

fn spell(flow: &PlannedFlow, start: Timestamp) -> Spell {
    let (begin, seconds) = match flow.when {
        When::Day(day) => ((i64::from(day) - 1) * DAY_SECONDS, DAY_SECONDS),
        When::At(at) => (at.as_seconds() - start.as_seconds(), 1),
    };
    let (source, target) = (flow.source.clone(), flow.target.clone());
    Spell { source, target, begin, seconds, gross: flow.gross.micros().into() }
}
