//! What partners report about their programs, what of it is believed, and the inputs that a value
//! is made of.
//!
//! Reading is [`check_feed_file`], which lists every fault and lets nothing in while there is one.
//! Believing is [`Feeds::observe`]: every reading is kept, but only a plausible one becomes what
//! later readings fall back on. Using is [`inputs`].
//!
//! Units: points, money and values in 10⁻⁶. `now` is handed in.

mod file;

pub(in crate::rates) use file::shown;
pub use file::{FEED_FILE_HEADER, KnownProgram, RowFault, check_feed_file, observation_faults};

use std::collections::BTreeMap;

use alliance_contracts::decimal::{Decimal, MICROS};
use alliance_contracts::limits;
use alliance_contracts::names::ProgramId;
use alliance_contracts::time::Timestamp;
use alliance_contracts::valuation::{Input, InputKind, InputStatus, approach};
use serde::{Deserialize, Serialize};

use super::model::ValueModel;

/// How far ahead of the alliance's clock a partner's may be.
pub const MAX_AHEAD_SECONDS: i64 = 60;

/// What a feed reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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

    /// As it stands in files and in the database.
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

/// What is known of one feed of one program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedState {
    /// The newest reading, believed or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<Observation>,
    /// The newest reading that was plausible, and when it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_good: Option<(Decimal, Timestamp)>,
    /// Redemption only: the exponentially weighted mean of the plausible readings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<Decimal>,
}

/// What is known of all feeds of one program. It can be stored as it is, or folded again from the
/// observations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feeds {
    /// Each feed that ever reported.
    #[serde(default)]
    pub states: BTreeMap<FeedKind, FeedState>,
    /// The newest plausible backing, and when the oldest of its readings was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_backing: Option<(Decimal, Timestamp)>,
}

/// Why a reading is not taken in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObservationRefused {
    /// Nobody reads tomorrow's figures.
    #[error("observed_at {observed_at} is in the future: it is {now} now")]
    Future {
        /// When it says it was made.
        observed_at: Timestamp,
        /// The alliance's time.
        now: Timestamp,
    },
    /// A newer one is there.
    #[error("observed_at {observed_at} is before the newest reading, of {latest}: send newer ones")]
    Older {
        /// When it says it was made.
        observed_at: Timestamp,
        /// The newest reading's time.
        latest: Timestamp,
    },
    /// Another one of the same time is there.
    #[error("there is a reading of {observed_at} that says {known}: correct it with a later one")]
    SameTime {
        /// When both say they were made.
        observed_at: Timestamp,
        /// What is known.
        known: Decimal,
    },
}

/// Whether a number of a feed can be believed: `fresh`, `zero`, `negative` or `absurd`. In 10⁻⁶ of
/// the feed's unit, and signed, for what other systems send.
#[must_use]
pub fn judge(feed: FeedKind, micros: i128, model: &ValueModel) -> InputStatus {
    let plausible = match feed {
        FeedKind::Redemption | FeedKind::Cost => return judge_value(micros, model),
        FeedKind::Breakage => micros < MICROS.into(),
        FeedKind::Outstanding | FeedKind::Reserve => micros <= limits::MAX_AMOUNT_MICROS.into(),
    };
    match micros {
        ..0 => InputStatus::Negative,
        // That nothing lapses is a figure like any other.
        0 if feed != FeedKind::Breakage => InputStatus::Zero,
        _ if plausible => InputStatus::Fresh,
        _ => InputStatus::Absurd,
    }
}

/// The same for currency per point: plausible from `min / absurd_factor` to `max × absurd_factor`.
fn judge_value(micros: i128, model: &ValueModel) -> InputStatus {
    let factor = i128::from(model.absurd_factor);
    let (min, max) = (i128::from(model.band.min.micros()), i128::from(model.band.max.micros()));
    let highest = (max * factor).min(limits::MAX_VALUE_MICROS.into());
    match micros {
        ..0 => InputStatus::Negative,
        0 => InputStatus::Zero,
        // Times the factor on the left, so that nothing is rounded.
        _ if micros.saturating_mul(factor) < min || micros > highest => InputStatus::Absurd,
        _ => InputStatus::Fresh,
    }
}

fn believed(feed: FeedKind, value: Decimal, model: &ValueModel) -> bool {
    judge(feed, value.micros().into(), model) == InputStatus::Fresh
}

/// One feed after one more reading. The same reading again changes nothing.
///
/// # Errors
/// [`ObservationRefused`].
pub fn observe(
    state: &FeedState,
    observation: &Observation,
    model: &ValueModel,
    now: Timestamp,
) -> Result<FeedState, ObservationRefused> {
    let Observation { feed, observed_at, value, .. } = *observation;
    if observed_at > now.plus_seconds(MAX_AHEAD_SECONDS) {
        return Err(ObservationRefused::Future { observed_at, now });
    }
    if let Some(latest) = &state.latest {
        if observed_at < latest.observed_at {
            let latest = latest.observed_at;
            return Err(ObservationRefused::Older { observed_at, latest });
        }
        if observed_at == latest.observed_at {
            let known = latest.value;
            let same = known == value;
            let refused = ObservationRefused::SameTime { observed_at, known };
            return if same { Ok(state.clone()) } else { Err(refused) };
        }
    }
    let mut next = FeedState { latest: Some(observation.clone()), ..state.clone() };
    if believed(feed, value, model) {
        next.last_good = Some((value, observed_at));
        if feed == FeedKind::Redemption {
            // The first reading is the first mean.
            let mean = state.mean.unwrap_or(value);
            next.mean = Some(approach(mean, value, model.redemption_weight));
        }
    }
    Ok(next)
}

impl Feeds {
    /// Everything known of the program after one more reading.
    ///
    /// # Errors
    /// [`ObservationRefused`].
    pub fn observe(
        &self,
        observation: &Observation,
        model: &ValueModel,
        now: Timestamp,
    ) -> Result<Self, ObservationRefused> {
        let mut next = self.clone();
        let state = next.states.entry(observation.feed).or_default();
        *state = observe(state, observation, model, now)?;
        if let Backing::Read(backing, as_of) = next.backing(model) {
            next.last_backing = Some((backing, as_of));
        }
        Ok(next)
    }

    fn latest(&self, feed: FeedKind) -> Option<&Observation> {
        self.states.get(&feed)?.latest.as_ref()
    }

    /// Reserve / (outstanding × (1 − breakage)), rounded down; or why it cannot be used.
    fn backing(&self, model: &ValueModel) -> Backing {
        let all = [FeedKind::Reserve, FeedKind::Outstanding, FeedKind::Breakage];
        let [Some(reserve), Some(outstanding), Some(breakage)] = all.map(|kind| self.latest(kind))
        else {
            return Backing::Unusable(InputStatus::Absent);
        };
        let micros = |reading: &Observation| i128::from(reading.value.micros());
        for reading in [reserve, outstanding, breakage] {
            let status = judge(reading.feed, micros(reading), model);
            if status != InputStatus::Fresh {
                return Backing::Unusable(status);
            }
        }
        // Both are above zero now: some points are outstanding, and not all of them lapse.
        let micro = i128::from(MICROS);
        let redeemed = (micros(outstanding) * (micro - micros(breakage))).max(1);
        let backing = micros(reserve) * micro * micro / redeemed;
        let as_of = reserve.observed_at.min(outstanding.observed_at).min(breakage.observed_at);
        match (judge_value(backing, model), i64::try_from(backing).map(Decimal::from_micros)) {
            (InputStatus::Fresh, Ok(Some(backing))) => Backing::Read(backing, as_of),
            (InputStatus::Fresh, _) => Backing::Unusable(InputStatus::Absurd),
            (unusable, _) => Backing::Unusable(unusable),
        }
    }
}

/// What the three feeds of the backing come to.
enum Backing {
    /// Nothing that can be used.
    Unusable(InputStatus),
    /// Currency per point, as old as the oldest of the three.
    Read(Decimal, Timestamp),
}

/// The inputs of a program's next value: those that have a weight, in the order of
/// [`InputKind::ALL`]; where two people approved a value, that one alone.
///
/// An input whose newest reading cannot be used is its last plausible value; where there never was
/// one, or it is itself not plausible by the model of today, the base. Its status says so.
#[must_use]
pub fn inputs(
    base: Decimal,
    model: &ValueModel,
    feeds: &Feeds,
    approved: Option<Decimal>,
    now: Timestamp,
) -> Vec<Input> {
    if let Some(value) = approved {
        return vec![declared(InputKind::Approved, value, Decimal::ONE)];
    }
    let weights = model.weights.each().into_iter().filter(|(_, weight)| !weight.is_zero());
    weights
        .map(|(kind, weight)| {
            let observed = match kind {
                InputKind::Base | InputKind::Approved => return declared(kind, base, weight),
                InputKind::Redemption => value_input(feeds, FeedKind::Redemption, model, now),
                InputKind::Backing => backing_input(feeds, model, now),
                InputKind::Cost => value_input(feeds, FeedKind::Cost, model, now),
            };
            let (status, value, as_of) = match observed {
                (status, Some((value, at))) if plausible(value, model) => (status, value, Some(at)),
                // What was believed once is not by the model of today.
                (InputStatus::Fresh | InputStatus::Stale, _) => (InputStatus::Absurd, base, None),
                (status, _) => (status, base, None),
            };
            Input { as_of, input: kind, status, value, weight }
        })
        .collect()
}

fn plausible(value: Decimal, model: &ValueModel) -> bool {
    judge_value(value.micros().into(), model) == InputStatus::Fresh
}

fn declared(input: InputKind, value: Decimal, weight: Decimal) -> Input {
    Input { as_of: None, input, status: InputStatus::Declared, value, weight }
}

/// A fresh reading of that time, or a stale one.
fn aged(as_of: Timestamp, model: &ValueModel, now: Timestamp) -> InputStatus {
    let stale = as_of.plus_seconds(model.stale_after_seconds) < now;
    if stale { InputStatus::Stale } else { InputStatus::Fresh }
}

/// Of a feed that reports currency per point: what its newest reading is, and what counts.
fn value_input(
    feeds: &Feeds,
    feed: FeedKind,
    model: &ValueModel,
    now: Timestamp,
) -> (InputStatus, Option<(Decimal, Timestamp)>) {
    let Some((state, latest)) = feeds.states.get(&feed).zip(feeds.latest(feed)) else {
        return (InputStatus::Absent, None);
    };
    let was_believed = state.last_good == Some((latest.value, latest.observed_at));
    let status = match judge(feed, latest.value.micros().into(), model) {
        InputStatus::Fresh if was_believed => aged(latest.observed_at, model, now),
        // It stands in no mean: a later model does not make it believed.
        InputStatus::Fresh => InputStatus::Absurd,
        unusable => unusable,
    };
    (status, state.last_good.map(|(value, at)| (state.mean.unwrap_or(value), at)))
}

fn backing_input(
    feeds: &Feeds,
    model: &ValueModel,
    now: Timestamp,
) -> (InputStatus, Option<(Decimal, Timestamp)>) {
    match feeds.backing(model) {
        Backing::Read(backing, as_of) => (aged(as_of, model, now), Some((backing, as_of))),
        Backing::Unusable(status) => (status, feeds.last_backing),
    }
}

#[cfg(test)]
mod tests;
