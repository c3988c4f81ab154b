//! What partners report about their programs (`POST /v1/rates/observations`): what points bought,
//! cost, and are backed by. Values are made of it (docs/value-model.md).
//!
//! Reading is strict, and tells every fault of every reading at once: [`read_observations`].

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::decimal::{Decimal, DecimalError};
use crate::json;
use crate::limits::MAX_BATCH_ITEMS;
use crate::names::ProgramId;
use crate::problem::{FieldError, ProblemCode};
use crate::time::Timestamp;

/// As much of a field as a message repeats.
const SHOWN_CHARACTERS: usize = 40;

/// What a feed reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FeedKind {
    /// What one point really bought, settlement currency per point.
    Redemption,
    /// Points that members hold.
    Outstanding,
    /// The part of them that will never be redeemed, below one.
    Breakage,
    /// Money held against them, settlement currency.
    Reserve,
    /// What one point costs the partner, settlement currency per point.
    Cost,
}

impl FeedKind {
    /// Every feed.
    pub const ALL: [Self; 5] =
        [Self::Redemption, Self::Outstanding, Self::Breakage, Self::Reserve, Self::Cost];

    /// As it stands on the wire, in files and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Redemption => "redemption",
            Self::Outstanding => "outstanding",
            Self::Breakage => "breakage",
            Self::Reserve => "reserve",
            Self::Cost => "cost",
        }
    }

    /// The feed of a stored text.
    #[must_use]
    pub fn from_stored(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|feed| feed.as_str() == text)
    }
}

/// One reading of a feed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Observation {
    /// What was read.
    pub feed: FeedKind,
    /// When, by the partner's clock.
    pub observed_at: Timestamp,
    /// Of which program.
    pub program: ProgramId,
    /// What it came to; the feed says in which unit.
    pub value: Decimal,
}

/// Body of `POST /v1/rates/observations`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ObservationsRequest {
    /// Readings of the caller's own programs, 1 to 1,000; of one feed the older first.
    pub observations: Vec<Observation>,
}

/// Answer of `POST /v1/rates/observations`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ObservationsAccepted {
    /// So many readings are in the books now: all that were sent.
    pub accepted: u32,
}

/// What a body was found to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadObservations {
    /// The readings without a fault of their form, each with its place in the list.
    pub good: Vec<(usize, Observation)>,
    /// Every fault of the form, in the order of the readings.
    pub faults: Vec<FieldError>,
}

/// A member of a reading: a string, or something else.
#[derive(Debug, Deserialize)]
#[serde(from = "Value")]
enum Member {
    Text(String),
    Other,
}

impl From<Value> for Member {
    fn from(value: Value) -> Self {
        match value {
            Value::String(text) => Self::Text(text),
            _ => Self::Other,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    feed: Option<Member>,
    observed_at: Option<Member>,
    program: Option<Member>,
    value: Option<Member>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    observations: Vec<Row>,
}

/// Reads a body of `POST /v1/rates/observations`.
///
/// # Errors
/// What makes the body no list of readings at all: no JSON, another member, too many.
///
/// ```
/// use alliance_contracts::observation::read_observations;
/// let read = read_observations(br#"{"observations":[
///     {"feed":"cost","observed_at":"2026-11-23T04:05:06.789Z","program":"aurora","value":"NaN"},
///     {"feed":"price","observed_at":"today","program":"aurora","value":0.05}
/// ]}"#).unwrap();
/// let places: Vec<&str> = read.faults.iter().map(|fault| fault.pointer.as_str()).collect();
/// assert_eq!(places, [
///     "/observations/0/value",
///     "/observations/1/feed", "/observations/1/observed_at", "/observations/1/value",
/// ]);
/// ```
pub fn read_observations(body: &[u8]) -> Result<ReadObservations, FieldError> {
    let Body { observations } = json::read(body)?;
    if !(1..=MAX_BATCH_ITEMS).contains(&observations.len()) {
        let detail = format!("1 to {MAX_BATCH_ITEMS} readings, not {}", observations.len());
        return Err(fault("/observations".to_owned(), detail));
    }
    let mut read = ReadObservations::default();
    for (at, row) in observations.into_iter().enumerate() {
        match read_row(at, row) {
            Ok(observation) => read.good.push((at, observation)),
            Err(faults) => read.faults.extend(faults),
        }
    }
    Ok(read)
}

fn read_row(at: usize, row: Row) -> Result<Observation, Vec<FieldError>> {
    let feed = member(at, "feed", row.feed, read_feed);
    let observed_at = member(at, "observed_at", row.observed_at, read_time);
    let program = member(at, "program", row.program, |text| {
        text.parse().map_err(|error| format!("program {}: {error}", shown(text)))
    });
    let value = member(at, "value", row.value, read_value);
    match (feed, observed_at, program, value) {
        (Ok(feed), Ok(observed_at), Ok(program), Ok(value)) => {
            Ok(Observation { feed, observed_at, program, value })
        }
        (feed, observed_at, program, value) => {
            let faults = [feed.err(), observed_at.err(), program.err(), value.err()];
            Err(faults.into_iter().flatten().collect())
        }
    }
}

fn member<T>(
    at: usize,
    name: &str,
    member: Option<Member>,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<T, FieldError> {
    let read = match member {
        None => Err(format!("{name} is missing")),
        Some(Member::Other) => Err(format!("{name} must be a string")),
        Some(Member::Text(text)) => read(&text),
    };
    read.map_err(|detail| fault(format!("/observations/{at}/{name}"), detail))
}

fn fault(pointer: String, detail: String) -> FieldError {
    FieldError { code: ProblemCode::Malformed, detail, pointer }
}

/// Reads a feed's name.
///
/// # Errors
/// What is wrong with it, and what would be right.
pub fn read_feed(text: &str) -> Result<FeedKind, String> {
    FeedKind::from_stored(text).ok_or_else(|| {
        let all = FeedKind::ALL.map(FeedKind::as_str).join(", ");
        format!("feed {} must be one of {all}", shown(text))
    })
}

/// Reads when a reading was made.
///
/// # Errors
/// What is wrong with it, and what would be right.
pub fn read_time(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|error| format!("observed_at {}: {error}", shown(text)))
}

/// Reads a reading's value.
///
/// # Errors
/// What is wrong with it, and what would be right.
pub fn read_value(text: &str) -> Result<Decimal, String> {
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

/// The beginning of a field, without what a terminal or a log would act upon.
#[must_use]
pub fn shown(field: &str) -> String {
    if field.is_empty() {
        return "(empty)".to_owned();
    }
    let mut characters = field.chars();
    let start: String =
        characters.by_ref().take(SHOWN_CHARACTERS).flat_map(char::escape_debug).collect();
    if characters.next().is_none() { start } else { format!("{start}…") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(value: &str) -> String {
        let rest = r#""observed_at":"2026-11-23T04:05:06.789Z","program":"aurora""#;
        format!(r#"{{"feed":"cost",{rest},"value":{value}}}"#)
    }

    fn body(rows: &[String]) -> String {
        format!(r#"{{"observations":[{}]}}"#, rows.join(","))
    }

    #[test]
    fn a_good_body_is_read_whole_and_written_again_as_it_was() {
        let text = body(&[row("\"0.05\""), row("\"0\"")]);
        let read = read_observations(text.as_bytes()).unwrap();
        assert!(read.faults.is_empty(), "{:?}", read.faults);
        assert_eq!(read.good.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0, 1]);
        let observations = read.good.into_iter().map(|(_, observation)| observation).collect();
        assert_eq!(json::canonical(&ObservationsRequest { observations }), text.as_bytes());
    }

    #[test]
    fn every_fault_of_every_reading_is_told_and_good_ones_keep_their_places() {
        let rows = [
            row("\"NaN\""),
            row("\"0.05\""),
            row("\"-1\""),
            row("1e28"),
            row("\"0.0123456789012345678901234567890123456789\""),
            r#"{"feed":"price","program":"No Such"}"#.to_owned(),
        ];
        let read = read_observations(body(&rows).as_bytes()).unwrap();
        assert_eq!(read.good.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [1]);
        let told: Vec<&str> = read.faults.iter().map(|fault| fault.pointer.as_str()).collect();
        let at = |at: usize, name: &str| format!("/observations/{at}/{name}");
        let mut expected: Vec<String> = [0, 2, 3, 4].map(|row| at(row, "value")).to_vec();
        expected.extend(["feed", "observed_at", "program", "value"].map(|name| at(5, name)));
        assert_eq!(told, expected);
        assert!(read.faults[3].detail.contains("40 decimals"), "{:?}", read.faults[3]);
    }

    #[test]
    fn what_is_no_list_of_readings_is_refused() {
        let twice = r#"{"observations":[],"observations":[]}"#.to_owned();
        let other = body(&[row("\"1\"").replace("\"feed\"", "\"fed\"")]);
        let many = body(&vec![row("\"1\""); MAX_BATCH_ITEMS + 1]);
        for text in [body(&[]), "{}".to_owned(), twice, other, many, "NaN".to_owned()] {
            let refused = read_observations(text.as_bytes()).unwrap_err();
            assert_eq!(refused.code, ProblemCode::Malformed);
        }
    }
}
