//! Readings of feeds: let in all or none, every fault of each told.

use std::collections::BTreeMap;

use alliance_contracts::names::{PartnerId, ProgramId};
use alliance_contracts::time::Timestamp;

use super::working_set::{ObservationRow, WorkingSet};
use crate::alliance::Registry;
use crate::command::{Keyed, Outcome};
use crate::rates::feeds::{Feeds, Known, NotTaken, Observation, TakenIn, take_in};
use crate::rates::model::ValueModel;

static NOTHING: Feeds = Feeds::NOTHING;

/// Takes in what an operator imports.
pub fn import(set: &mut WorkingSet, observations: &[Observation], now: Timestamp) -> Outcome {
    match judged(set, observations, now) {
        Err(faults) => Outcome::ObservationsRefused(faults),
        Ok(taken) => {
            keep(set, taken, None, now);
            Outcome::Done(observations.len())
        }
    }
}

/// Takes in what a partner sends of its own programs.
pub fn receive(
    set: &mut WorkingSet,
    keyed: &Keyed,
    observations: &[Observation],
    now: Timestamp,
) -> Outcome {
    match judged(set, observations, now) {
        Err(faults) => Outcome::ObservationsRefused(faults),
        Ok(taken) => {
            keep(set, taken, Some(&keyed.partner), now);
            Outcome::Observed
        }
    }
}

/// Whether all are of the partner's own programs: what is another's does not exist.
#[must_use]
pub fn are_own(registry: &Registry, partner: &PartnerId, observations: &[Observation]) -> bool {
    observations.iter().all(|observation| {
        registry.program(&observation.program).is_some_and(|p| p.partner == *partner)
    })
}

/// Every fault that these readings would have now, by what the registry knows.
#[must_use]
pub fn faults<'a>(
    registry: &'a Registry,
    observations: impl IntoIterator<Item = &'a Observation>,
    now: Timestamp,
) -> Vec<NotTaken> {
    let known = |program: &ProgramId| known(registry, None, program);
    take_in(observations, known, false, now).err().unwrap_or_default()
}

/// Whether an import's newest reading of every feed is the newest in the books: after a commit
/// whose answer was lost, that is what tells that it was carried out.
#[must_use]
pub fn are_here_whole(registry: &Registry, observations: &[Observation]) -> bool {
    let newest: BTreeMap<_, _> =
        observations.iter().map(|reading| ((&reading.program, reading.feed), reading)).collect();
    newest.into_iter().all(|((program, feed), newest)| {
        let state = registry.feeds.get(program).and_then(|feeds| feeds.states.get(&feed));
        state.is_some_and(|state| state.latest.as_ref() == Some(newest))
    })
}

fn judged(
    set: &WorkingSet,
    observations: &[Observation],
    now: Timestamp,
) -> Result<TakenIn, Vec<NotTaken>> {
    take_in(observations, |program| of_set(set, program), false, now)
}

/// What a program's readings are held against: what this batch has taken in counts.
pub(super) fn of_set<'a>(set: &'a WorkingSet, program: &ProgramId) -> Option<Known<'a>> {
    known(&set.registry, set.writes.feeds.get(program), program)
}

fn known<'a>(
    registry: &'a Registry,
    written: Option<&'a Feeds>,
    program: &ProgramId,
) -> Option<Known<'a>> {
    let definition = registry.program(program)?;
    let feeds = written.or_else(|| registry.feeds.get(program)).unwrap_or(&NOTHING);
    Some(Known { model: ValueModel::of(definition), feeds })
}

/// Keeps what was taken in.
pub(super) fn keep(
    set: &mut WorkingSet,
    taken: TakenIn,
    partner: Option<&PartnerId>,
    now: Timestamp,
) {
    set.writes.feeds.extend(taken.feeds);
    let rows = taken.new.into_iter().map(|observation| ObservationRow {
        observation,
        partner: partner.cloned(),
        taken_at: now,
    });
    set.writes.observations.extend(rows);
}
