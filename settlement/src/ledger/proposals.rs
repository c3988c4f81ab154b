//! Proposals about rates: made by one person, approved by another, carried out. Each can be
//! repeated without harm: after a lost answer the same is found done.

use alliance_contracts::time::Timestamp;

use super::feeds;
use super::working_set::WorkingSet;
use crate::command::{Outcome, ProposeRates};
use crate::rates::feeds::take_in;
use crate::rates::proposal::{
    Ground, OperatorName, Proposal, ProposalState, ProposedRelease, RateProposal,
};

/// Makes a proposal. What needs no second person is approved at once.
pub fn propose(set: &mut WorkingSet, propose: &ProposeRates, now: Timestamp) -> Outcome {
    let ProposeRates { proposal, by } = propose;
    let open = set.open_proposals();
    let same = |open: &&&RateProposal| open.proposed_by == *by && open.proposal == *proposal;
    if let Some(same) = open.iter().find(same) {
        // The commit that brought it was answered by nobody.
        return Outcome::Proposal(same.number);
    }
    let faults = faults(set, proposal, &open, now);
    if !faults.is_empty() {
        return Outcome::ProposalRefused(faults);
    }
    let number = set.last_proposal() + 1;
    let by_size = proposal.reasons(&set.registry).is_empty();
    keep(
        set,
        RateProposal {
            number,
            proposal: proposal.clone(),
            proposed_by: by.clone(),
            proposed_at: now,
            approved_by: None,
            approved_at: by_size.then_some(now),
            withdrawn_by: None,
            withdrawn_at: None,
            applied_at: None,
            applied_board: None,
        },
    );
    Outcome::Proposal(number)
}

/// Approves a proposal: another person's to do. Readings and releases are carried out at once,
/// values with the next board.
pub fn approve(set: &mut WorkingSet, number: u32, by: &OperatorName, now: Timestamp) -> Outcome {
    let Some(mut record) = set.proposal(number).cloned() else { return unknown(number) };
    if record.approved_by.as_ref() == Some(by) && record.state() != ProposalState::Withdrawn {
        return Outcome::Proposal(number);
    }
    if record.state() != ProposalState::Waiting {
        return refused(format!("proposal {number} is {}", record.state().as_str()));
    }
    if record.proposed_by == *by {
        return refused(format!(
            "proposal {number} is {by}'s own: a second person must approve it"
        ));
    }
    let others = set.open_proposals();
    let others: Vec<&RateProposal> =
        others.into_iter().filter(|other| other.number != number).collect();
    let faults = faults(set, &record.proposal, &others, now);
    if !faults.is_empty() {
        return Outcome::ProposalRefused(faults);
    }
    let known = |program: &_| feeds::of_set(set, program);
    match take_in(&record.proposal.observations, known, true, now) {
        Err(_) => return refused("a reading cannot be taken now".to_owned()),
        Ok(taken) => feeds::keep(set, taken, None, now),
    }
    for ProposedRelease { source, target } in &record.proposal.release {
        set.writes.frozen.insert((source.clone(), target.clone()), None);
    }
    record.approved_by = Some(by.clone());
    record.approved_at = Some(now);
    if record.proposal.values.is_empty() {
        record.applied_at = Some(now);
    }
    keep(set, record);
    Outcome::Proposal(number)
}

/// Takes a proposal back, whoever made it, as long as its values are on no board.
pub fn withdraw(set: &mut WorkingSet, number: u32, by: &OperatorName, now: Timestamp) -> Outcome {
    let Some(mut record) = set.proposal(number).cloned() else { return unknown(number) };
    match record.state() {
        ProposalState::Withdrawn => return Outcome::Proposal(number),
        ProposalState::Applied => return refused(format!("proposal {number} is applied")),
        ProposalState::Waiting | ProposalState::Approved => {}
    }
    record.withdrawn_by = Some(by.clone());
    record.withdrawn_at = Some(now);
    keep(set, record);
    Outcome::Proposal(number)
}

/// Notes that the values of these proposals are on a board.
pub(super) fn applied(set: &mut WorkingSet, numbers: &[u32], board: u32, now: Timestamp) {
    for number in numbers {
        if let Some(mut record) = set.proposal(*number).cloned() {
            record.applied_at = Some(now);
            record.applied_board = Some(board);
            keep(set, record);
        }
    }
}

fn faults(
    set: &WorkingSet,
    proposal: &Proposal,
    open: &[&RateProposal],
    now: Timestamp,
) -> Vec<String> {
    proposal.faults(&Ground {
        registry: &set.registry,
        open,
        known: &|program| feeds::of_set(set, program),
        frozen: &|release| super::rates::is_frozen(set, &release.source, &release.target),
        now,
    })
}

fn unknown(number: u32) -> Outcome {
    refused(format!("there is no proposal {number}, or it was dealt with long ago"))
}

fn refused(why: String) -> Outcome {
    Outcome::ProposalRefused(vec![why])
}

fn keep(set: &mut WorkingSet, record: RateProposal) {
    set.writes.proposals.insert(record.number, record);
}

impl WorkingSet {
    /// A proposal that is open, or one of the newest.
    fn proposal(&self, number: u32) -> Option<&RateProposal> {
        let here = self.registry.proposals.iter().find(|one| one.number == number);
        self.writes.proposals.get(&number).or(here)
    }

    fn open_proposals(&self) -> Vec<&RateProposal> {
        let written = &self.writes.proposals;
        let before = self.registry.proposals.iter();
        let before = before.filter(|one| !written.contains_key(&one.number));
        before.chain(written.values()).filter(|one| one.is_open()).collect()
    }

    fn last_proposal(&self) -> u32 {
        let before = self.registry.proposals.iter().map(|one| one.number).max();
        before.max(self.writes.proposals.keys().last().copied()).unwrap_or(0)
    }
}
