//! The door to the books: whether readings are let in, all of them or none, with every fault of
//! each told (threat T25).

use std::borrow::Cow;
use std::collections::BTreeMap;

use alliance_contracts::decimal::{Decimal, MICROS};
use alliance_contracts::limits;
use alliance_contracts::names::ProgramId;
use alliance_contracts::time::Timestamp;
use alliance_contracts::valuation::InputStatus;

use super::{FeedKind, Feeds, Observation, ValueModel, judge};

/// A fault of one reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadingFault {
    /// The member at fault: `value`, `observed_at` or `program`.
    pub member: &'static str,
    /// What is wrong and what would be right.
    pub fault: String,
}

/// A fault of one reading among many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotTaken {
    /// The reading's place, from 0.
    pub row: usize,
    /// Its fault.
    pub fault: ReadingFault,
}

/// What readings are held against.
#[derive(Clone, Debug)]
pub struct Known<'a> {
    /// What was agreed on about the program's value.
    pub model: Cow<'a, ValueModel>,
    /// What is known of it.
    pub feeds: &'a Feeds,
}

/// Readings that were let in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TakenIn {
    /// What is known of each program that they changed.
    pub feeds: BTreeMap<ProgramId, Feeds>,
    /// The readings that were not there before.
    pub new: Vec<Observation>,
}

/// Lets readings in: each is held against what is known and against those before it. One that is
/// the newest there already changes nothing. What a second person has `approved` may jump; it must
/// be in range all the same.
///
/// # Errors
/// Every fault of every reading; then nothing is to be changed.
pub fn take_in<'a, 'b>(
    observations: impl IntoIterator<Item = &'b Observation>,
    known: impl Fn(&ProgramId) -> Option<Known<'a>>,
    approved: bool,
    now: Timestamp,
) -> Result<TakenIn, Vec<NotTaken>> {
    let (mut taken, mut faults) = (TakenIn::default(), Vec::new());
    for (row, observation) in observations.into_iter().enumerate() {
        let mut not_taken = |fault| faults.push(NotTaken { row, fault });
        let Some(Known { model, feeds }) = known(&observation.program) else {
            not_taken(no_such(&observation.program));
            continue;
        };
        let feeds = taken.feeds.get(&observation.program).unwrap_or(feeds);
        let latest = feeds.states.get(&observation.feed).and_then(|state| state.latest.as_ref());
        if latest == Some(observation) {
            continue;
        }
        let found = reading_faults(observation, &model, feeds, approved, now);
        if found.is_empty()
            && let Ok(next) = feeds.observe(observation, &model, now)
        {
            taken.feeds.insert(observation.program.clone(), next);
            taken.new.push(observation.clone());
        }
        found.into_iter().for_each(not_taken);
    }
    if faults.is_empty() { Ok(taken) } else { Err(faults) }
}

fn no_such(program: &ProgramId) -> ReadingFault {
    ReadingFault { member: "program", fault: format!("there is no program {program} to report on") }
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
    let faults = reading_faults(observation, model, feeds, false, now);
    faults.into_iter().map(|fault| fault.fault).collect()
}

/// The same, with the member at fault; of one that a second person has `approved`, all but the
/// jump.
#[must_use]
pub fn reading_faults(
    observation: &Observation,
    model: &ValueModel,
    feeds: &Feeds,
    approved: bool,
    now: Timestamp,
) -> Vec<ReadingFault> {
    let jumps = || if approved { None } else { jump(observation, model, feeds) };
    let value = out_of_range(observation, model).or_else(jumps);
    let value = value.map(|fault| ReadingFault { member: "value", fault });
    let time = feeds.observe(observation, model, now).err();
    let time = time.map(|error| ReadingFault { member: "observed_at", fault: error.to_string() });
    value.into_iter().chain(time).collect()
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
