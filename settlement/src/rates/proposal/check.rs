//! What is wrong with a proposal, and why a second person must look at it. All faults at once.

use std::collections::BTreeSet;

use alliance_contracts::decimal::{Decimal, MICROS, format_micros};
use alliance_contracts::limits;
use alliance_contracts::names::ProgramId;
use alliance_contracts::time::Timestamp;

use super::{MAX_CHANGES, MAX_WHY, Proposal, ProposedRelease, ProposedValue, RateProposal};
use crate::alliance::Registry;
use crate::rates::feeds::{Known, take_in};
use crate::rates::model::ValueModel;

/// What a proposal is held against: the books as they are now.
pub struct Ground<'a> {
    /// What is agreed.
    pub registry: &'a Registry,
    /// Proposals that are open beside it.
    pub open: &'a [&'a RateProposal],
    /// What readings are held against.
    pub known: &'a dyn Fn(&ProgramId) -> Option<Known<'a>>,
    /// Whether a direction takes no orders now.
    pub frozen: &'a dyn Fn(&ProposedRelease) -> bool,
    /// The time.
    pub now: Timestamp,
}

impl Proposal {
    /// Whether it asks for nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.values.is_empty() && self.observations.is_empty() && self.release.is_empty()
    }

    /// Everything that stands in its way now.
    #[must_use]
    pub fn faults(&self, ground: &Ground<'_>) -> Vec<String> {
        let mut faults = self.faults_of_form();
        let mut seen = BTreeSet::new();
        for (at, value) in self.values.iter().enumerate() {
            let place = format!("values {} ({})", at + 1, value.program);
            if !seen.insert(&value.program) {
                faults.push(format!("{place}: the program stands there twice"));
            }
            faults.extend(value_fault(value, ground).map(|fault| format!("{place}: {fault}")));
            faults.extend(open_beside(value, ground).map(|fault| format!("{place}: {fault}")));
        }
        let taken = take_in(&self.observations, ground.known, true, ground.now);
        faults.extend(taken.err().unwrap_or_default().into_iter().map(|not_taken| {
            format!("observations {}: {}", not_taken.row + 1, not_taken.fault.fault)
        }));
        let mut seen = BTreeSet::new();
        for (at, release) in self.release.iter().enumerate() {
            let ProposedRelease { source, target } = release;
            let place = format!("release {} ({source} → {target})", at + 1);
            if !seen.insert(release) {
                faults.push(format!("{place}: the pair stands there twice"));
            }
            if !(ground.frozen)(release) {
                faults.push(format!("{place}: the pair is not frozen: it takes orders"));
            }
        }
        faults
    }

    fn faults_of_form(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.is_empty() {
            faults.push(
                "nothing is proposed: give [[values]], [[observations]] or [[release]]".to_owned(),
            );
        }
        let lists = [self.values.len(), self.observations.len(), self.release.len()];
        for (name, length) in ["values", "observations", "release"].into_iter().zip(lists) {
            if length > MAX_CHANGES {
                faults.push(format!("{length} {name}: at most {MAX_CHANGES} at once"));
            }
        }
        if self.why.chars().count() > MAX_WHY || self.why.chars().any(char::is_control) {
            faults.push(format!("why: at most {MAX_WHY} characters, in one line"));
        }
        faults
    }

    /// Why a second person must approve it; nothing: by its own size it is approved.
    #[must_use]
    pub fn reasons(&self, registry: &Registry) -> Vec<String> {
        let threshold = registry.definition.rates.approval_threshold;
        let mut reasons = Vec::new();
        for ProposedValue { program, value } in &self.values {
            let present = registry.last_board().and_then(|board| board.value(program));
            let Some(present) = present else {
                reasons.push(format!("{program} is on no board yet"));
                continue;
            };
            if is_beyond(present, *value, threshold) {
                reasons.push(format!(
                    "{program} goes from {present} to {value}: more than {}",
                    percent(threshold)
                ));
            }
        }
        let reading = |one: &super::Observation| {
            let (feed, value) = (one.feed.as_str(), one.value);
            format!("{} of {}: the guard on jumps is passed over for {value}", feed, one.program)
        };
        reasons.extend(self.observations.iter().map(reading));
        let release =
            |one: &ProposedRelease| format!("{} → {} takes orders again", one.source, one.target);
        reasons.extend(self.release.iter().map(release));
        reasons
    }
}

/// A rate in hundredths: `5%`.
fn percent(rate: Decimal) -> String {
    format!("{}%", format_micros(i128::from(rate.micros()) * 100))
}

/// Whether a step is longer than one person may make it; exactly, without rounding.
fn is_beyond(present: Decimal, value: Decimal, threshold: Decimal) -> bool {
    let (present, value) = (i128::from(present.micros()), i128::from(value.micros()));
    (value - present).abs() * i128::from(MICROS) > present * i128::from(threshold.micros())
}

fn value_fault(proposed: &ProposedValue, ground: &Ground<'_>) -> Option<String> {
    let ProposedValue { program, value } = proposed;
    let Some(definition) = ground.registry.program(program) else {
        return Some("there is no such program".to_owned());
    };
    if !limits::value_in_range(*value) {
        return Some(format!("value {value} must be above 0 and at most 1000000"));
    }
    let model = ValueModel::of(definition);
    if !model.band.contains(*value) {
        let (min, max) = (model.band.min, model.band.max);
        return Some(format!(
            "value {value} is outside the band {min} to {max}: agree on another band first"
        ));
    }
    let present = ground.registry.last_board().and_then(|board| board.value(program));
    (present == Some(*value)).then(|| format!("value {value} is what it has already"))
}

fn open_beside(proposed: &ProposedValue, ground: &Ground<'_>) -> Option<String> {
    let other = ground
        .open
        .iter()
        .find(|open| open.proposal.values.iter().any(|other| other.program == proposed.program))?;
    Some(format!("proposal {} moves it, too: withdraw one of the two", other.number))
}
