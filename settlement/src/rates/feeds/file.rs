//! Readings as a file brings them: `program,feed,value,observed_at`, one a line, without quotes.
//! Every fault of every line is listed, each with what would be right (threat T25).

use std::collections::BTreeMap;

use alliance_contracts::names::ProgramId;
use alliance_contracts::observation::{read_feed, read_time, read_value, shown};
use alliance_contracts::time::Timestamp;

use super::{Feeds, Observation, ValueModel, observation_faults};

/// The first line of every file.
pub const FEED_FILE_HEADER: &str = "program,feed,value,observed_at";

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
    let (feed, value) = (read_feed(feed), read_value(value));
    let observed_at = read_time(observed_at);
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
