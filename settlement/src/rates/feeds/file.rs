//! Readings as a file brings them: `program,feed,value,observed_at`, one a line, without quotes.
//! Every fault of every line is listed, each with what would be right (threat T25).

use std::collections::BTreeMap;

use alliance_contracts::decimal::{Decimal, DecimalError, MICROS};
use alliance_contracts::limits;
use alliance_contracts::names::ProgramId;
use alliance_contracts::time::Timestamp;
use alliance_contracts::valuation::InputStatus;

use super::{FeedKind, Feeds, Observation, ValueModel, judge};

/// The first line of every file.
pub const FEED_FILE_HEADER: &str = "program,feed,value,observed_at";

/// As much of a field as a message repeats.
const SHOWN_CHARACTERS: usize = 40;

/// A program that readings may be of.
#[derive(Clone, Copy, Debug)]
pub struct KnownProgram<'a> {
    /// What was agreed on about its value.
    pub model: &'a ValueModel,
    /// What is known of it.
    pub feeds: &'a Feeds,
}

/// A fault of a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct RowFault {
    /// The line, from 1; the header is line 1.
    pub line: usize,
    /// What is wrong and what would be right.
    pub fault: String,
}

/// Reads a whole file. Each line is held against what is known and against the lines before it.
///
/// # Errors
/// Every fault of every line; then nothing of the file is to be used.
///
/// ```
/// use std::collections::BTreeMap;
/// use alliance_settlement::rates::feeds::{Feeds, KnownProgram, check_feed_file};
/// use alliance_settlement::rates::model::ValueModel;
/// let (model, feeds) = (ValueModel::default_for("0.05".parse()?), Feeds::default());
/// let known = KnownProgram { model: &model, feeds: &feeds };
/// let programs = BTreeMap::from([("aurora".parse()?, known)]);
/// let now = "2026-11-23T04:05:06.789Z".parse()?;
/// let file = "program,feed,value,observed_at\n\
///             aurora,cost,0.048,2026-11-23T00:00:00.000Z\n\
///             aurora,cost,-1,2026-11-23T01:00:00.000Z\n";
/// let faults = check_feed_file(file, &programs, now).unwrap_err();
/// assert_eq!(faults[0].to_string(), "line 3: value -1 is negative: it must be above 0");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn check_feed_file(
    text: &str,
    programs: &BTreeMap<ProgramId, KnownProgram<'_>>,
    now: Timestamp,
) -> Result<Vec<Observation>, Vec<RowFault>> {
    let (mut observations, mut faults) = (Vec::new(), Vec::new());
    // What is known of each program after the lines read so far.
    let mut after: BTreeMap<ProgramId, Feeds> = BTreeMap::new();
    // Spreadsheets put a byte order mark in front.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (at, row) in text.lines().enumerate() {
        let mut fault = |fault: String| faults.push(RowFault { line: at + 1, fault });
        if at == 0 {
            if row != FEED_FILE_HEADER {
                fault(format!("the first line must be {FEED_FILE_HEADER}"));
            }
            continue;
        }
        if row.is_empty() {
            continue;
        }
        let observation = match read_row(row, programs) {
            Ok(observation) => observation,
            Err(found) => {
                found.into_iter().for_each(fault);
                continue;
            }
        };
        // A row is only read whole when its program is known.
        let Some(known) = programs.get(&observation.program) else { continue };
        let feeds = after.entry(observation.program.clone()).or_insert_with(|| known.feeds.clone());
        let found = observation_faults(&observation, known.model, feeds, now);
        if found.is_empty()
            && let Ok(next) = feeds.observe(&observation, known.model, now)
        {
            *feeds = next;
            observations.push(observation);
        }
        found.into_iter().for_each(fault);
    }
    if faults.is_empty() && observations.is_empty() {
        let fault = format!("no readings: below {FEED_FILE_HEADER} stands one on each line");
        faults.push(RowFault { line: 1, fault });
    }
    if faults.is_empty() { Ok(observations) } else { Err(faults) }
}

fn read_row(
    row: &str,
    programs: &BTreeMap<ProgramId, KnownProgram<'_>>,
) -> Result<Observation, Vec<String>> {
    if row.contains('"') {
        return Err(vec!["fields are written without quotes".to_owned()]);
    }
    let fields: Vec<&str> = row.split(',').collect();
    let [program, feed, value, observed_at] = fields[..] else {
        let found = fields.len();
        return Err(vec![format!("{found} fields where there must be 4: {FEED_FILE_HEADER}")]);
    };
    let known = |program: &ProgramId| programs.contains_key(program);
    let program = program.parse().ok().filter(known).ok_or_else(|| {
        format!("program {}: there is no such program in the definition", shown(program))
    });
    let feed = FeedKind::from_stored(feed).ok_or_else(|| {
        let all = FeedKind::ALL.map(FeedKind::as_str).join(", ");
        format!("feed {} must be one of {all}", shown(feed))
    });
    let value = read_value(value);
    let observed_at = observed_at
        .parse::<Timestamp>()
        .map_err(|error| format!("observed_at {}: {error}", shown(observed_at)));
    match (program, feed, value, observed_at) {
        (Ok(program), Ok(feed), Ok(value), Ok(observed_at)) => {
            Ok(Observation { feed, observed_at, program, value })
        }
        (program, feed, value, observed_at) => {
            let faults = [program.err(), feed.err(), value.err(), observed_at.err()];
            Err(faults.into_iter().flatten().collect())
        }
    }
}

fn read_value(text: &str) -> Result<Decimal, String> {
    let negative = text.strip_prefix('-').is_some_and(|rest| {
        !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit() || b == b'.')
    });
    let field = shown(text);
    if negative {
        return Err(format!("value {field} is negative: it must be above 0"));
    }
    text.parse().map_err(|error| match error {
        DecimalError::NotPlain => {
            format!("value {field} is not a plain decimal: write digits, such as 0.05")
        }
        DecimalError::NotShortest => {
            format!("value {field} has zeros too many: write the shortest form, such as 0.05")
        }
        DecimalError::TooPrecise => {
            let decimals = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
            format!("value {field} has {decimals} decimals: at most 6 are allowed")
        }
    })
}

pub(in crate::rates) fn shown(field: &str) -> String {
    if field.is_empty() {
        return "(empty)".to_owned();
    }
    let mut characters = field.chars();
    let start: String =
        characters.by_ref().take(SHOWN_CHARACTERS).flat_map(char::escape_debug).collect();
    if characters.next().is_none() { start } else { format!("{start}…") }
}

/// Every fault of one reading, held against what is known of its program: whether it can be
/// believed, whether it jumps, whether it is of the right time. However readings come, this is the
/// door.
#[must_use]
pub fn observation_faults(
    observation: &Observation,
    model: &ValueModel,
    feeds: &Feeds,
    now: Timestamp,
) -> Vec<String> {
    let mut faults = Vec::new();
    faults.extend(out_of_range(observation, model).or_else(|| jump(observation, model, feeds)));
    faults.extend(feeds.observe(observation, model, now).err().map(|error| error.to_string()));
    faults
}

fn out_of_range(observation: &Observation, model: &ValueModel) -> Option<String> {
    let Observation { feed, value, .. } = observation;
    let name = feed.as_str();
    match (judge(*feed, value.micros().into(), model), feed) {
        (InputStatus::Absurd, FeedKind::Breakage) => {
            Some(format!("value {value}: a breakage must be below 1, as not all points lapse"))
        }
        (InputStatus::Absurd, FeedKind::Outstanding | FeedKind::Reserve) => {
            let limit = limits::MAX_AMOUNT_WHOLE;
            Some(format!("value is out of range: {name} must be at most {limit}"))
        }
        (InputStatus::Absurd, FeedKind::Redemption | FeedKind::Cost) => Some(format!(
            "value {} is more than {} times beyond the band {} to {}: check it, or agree on \
             another band",
            if *value == Decimal::BEYOND {
                "past every limit".to_owned()
            } else {
                value.to_string()
            },
            model.absurd_factor,
            model.band.min,
            model.band.max
        )),
        (InputStatus::Zero | InputStatus::Negative, _) => {
            Some(format!("value {value}: {name} must be above 0"))
        }
        _ => None,
    }
}

/// More than `absurd_factor` times the last good reading, or less than that part of it. Of the
/// breakage, the part that is redeemed is compared: that is what is divided by.
fn jump(observation: &Observation, model: &ValueModel, feeds: &Feeds) -> Option<String> {
    let Observation { feed, value, .. } = observation;
    let (last, last_at) = feeds.states.get(feed)?.last_good?;
    let compared = |value: Decimal| match feed {
        FeedKind::Breakage => i128::from(MICROS - value.micros()),
        _ => i128::from(value.micros()),
    };
    let (new, old, factor) = (compared(*value), compared(last), i128::from(model.absurd_factor));
    let jumps = new * factor < old || new > old * factor;
    jumps.then(|| {
        format!(
            "value {value} is more than {factor} times away from the last good one, {last} of \
             {last_at}: check it; if it is right, a second person must approve it"
        )
    })
}
