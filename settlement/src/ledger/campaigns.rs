//! Campaigns: proposed by one operator, approved by another, stopped by themselves.
//!
//! What a campaign has spent is the balance of its account, below zero: a row like a position,
//! folded in the batch, so that no number of orders at once takes it past its red line.

use crate::rates::proposal::OperatorName;
use alliance_contracts::agreement::KnownProgram;
use alliance_contracts::campaign::{Campaign, CampaignState};
use alliance_contracts::ids::CampaignId;
use alliance_contracts::problem::{FieldError, ProblemCode};
use alliance_contracts::quote::Bonus;
use alliance_contracts::receipt::{Account, Asset};
use alliance_contracts::time::Timestamp;

use super::agreements::known_programs;
use super::events;
use super::working_set::WorkingSet;
use crate::alliance::CampaignRecord;
use crate::command::{ApproveCampaign, Outcome, ProposeCampaign, StopCampaign};

/// Makes a proposed campaign; it adds nothing until it is approved.
pub fn propose(set: &mut WorkingSet, proposal: &ProposeCampaign, now: Timestamp) -> Outcome {
    let ProposeCampaign { id, campaign, by } = proposal;
    if set.campaign(id).is_some_and(|known| known.campaign == *campaign) {
        // The commit that brought it was answered by nobody.
        return Outcome::Done(1);
    }
    let mut faults = faults(set, campaign, now);
    if set.campaign(id).is_some() {
        faults.push(fault("", format!("{id} is another campaign: draw a new id")));
    }
    if !faults.is_empty() {
        return Outcome::CampaignRefused(faults);
    }
    let alone = set.registry.definition.rates.campaign_approval_budget;
    keep(
        set,
        CampaignRecord {
            id: *id,
            needs_two: campaign.budget > alone,
            campaign: campaign.clone(),
            state: CampaignState::Proposed,
            warned: 0,
            proposed_by: by.clone(),
            proposed_at: now,
            approved_by: None,
            approved_at: None,
            stopped_by: None,
            stopped_at: None,
        },
    );
    Outcome::Done(1)
}

/// Lets a campaign add points, from its time on. Whether anybody could gain by it was looked at
/// beside the writer; here only that nothing this rests on has changed since.
pub fn approve(set: &mut WorkingSet, approval: &ApproveCampaign, now: Timestamp) -> Outcome {
    let ApproveCampaign { id, by, based_on } = approval;
    let Some(record) = set.campaign(id).cloned() else { return unknown(id) };
    let mut faults = faults(set, &record.campaign, now);
    match record.state {
        CampaignState::Active => return Outcome::Done(0),
        CampaignState::Stopped => faults.push(fault("", "it was stopped: propose it again")),
        CampaignState::Proposed => {}
    }
    if record.needs_two && record.proposed_by == *by {
        let detail = format!("{by} has proposed it: another operator must approve it");
        faults.push(fault("", detail));
    }
    if !faults.is_empty() {
        return Outcome::CampaignRefused(faults);
    }
    if *based_on != set.registry.seen_version || set.writes.changes_registry() {
        return Outcome::CampaignStale;
    }
    keep(
        set,
        CampaignRecord {
            state: CampaignState::Active,
            approved_by: Some(by.clone()),
            approved_at: Some(now),
            ..record
        },
    );
    Outcome::Done(1)
}

/// Stops a campaign, or declines it.
pub fn stop(set: &mut WorkingSet, order: &StopCampaign, now: Timestamp) -> Outcome {
    match set.campaign(&order.id).map(|record| record.state) {
        None => unknown(&order.id),
        Some(CampaignState::Stopped) => Outcome::Done(0),
        Some(CampaignState::Proposed | CampaignState::Active) => {
            stop_by(set, &order.id, Some(&order.by), now);
            Outcome::Done(1)
        }
    }
}

/// Whether the campaign of a bonus still runs and its budget has room for it.
///
/// # Errors
/// `exceeds_campaign_budget`.
pub fn has_room(set: &WorkingSet, bonus: &Bonus, now: Timestamp) -> Result<(), ProblemCode> {
    let running = set.campaign(&bonus.campaign).filter(|record| record.runs_at(now));
    let record = running.ok_or(ProblemCode::ExceedsCampaignBudget)?;
    let after = spent(set, &bonus.campaign) + i128::from(bonus.cost.micros());
    let limit = i128::from(record.campaign.limit_micros());
    if after > limit { Err(ProblemCode::ExceedsCampaignBudget) } else { Ok(()) }
}

/// Stops a campaign whose budget has no room left for an order that could be performed.
pub fn stop_at_red_line(set: &mut WorkingSet, id: &CampaignId, now: Timestamp) {
    if set.campaign(id).is_some_and(|record| record.runs_at(now)) {
        stop_by(set, id, None, now);
    }
}

/// Notes what the campaign has spent by now: a warning level reached, its red line come to.
pub fn note_spent(set: &mut WorkingSet, id: &CampaignId, now: Timestamp) {
    let spent = spent(set, id);
    let Some(record) = set.campaign(id) else { return };
    let warned = record.campaign.warnings_at(spent).max(record.warned);
    let at_red_line = spent >= i128::from(record.campaign.limit_micros());
    if warned > record.warned {
        let record = CampaignRecord { warned, ..record.clone() };
        keep(set, record);
    }
    if at_red_line {
        stop_at_red_line(set, id, now);
    }
}

/// What a campaign has spent, in 10⁻⁶ of the currency.
pub fn spent(set: &WorkingSet, id: &CampaignId) -> i128 {
    let currency = Asset::Currency(set.registry.definition.currency.clone());
    -set.account(&Account::Campaign(*id), &currency)
}

fn stop_by(set: &mut WorkingSet, id: &CampaignId, by: Option<&OperatorName>, now: Timestamp) {
    let Some(record) = set.campaign(id).cloned() else { return };
    keep(
        set,
        CampaignRecord {
            state: CampaignState::Stopped,
            stopped_by: by.cloned(),
            stopped_at: Some(now),
            ..record
        },
    );
}

/// Everything that is wrong with a campaign now, all at once.
fn faults(set: &WorkingSet, campaign: &Campaign, now: Timestamp) -> Vec<FieldError> {
    let programs: Vec<KnownProgram> = known_programs(&set.registry);
    let mut faults = campaign.faults(Some(&programs));
    if campaign.alliance != set.registry.definition.alliance {
        let detail = format!("this is the alliance {}", set.registry.definition.alliance);
        faults.push(fault("/alliance", detail));
    }
    if campaign.until <= now {
        faults.push(fault("/until", "is over"));
    }
    faults
}

fn unknown(id: &CampaignId) -> Outcome {
    Outcome::CampaignRefused(vec![fault("", format!("there is no campaign {id}"))])
}

fn fault(pointer: &str, detail: impl Into<String>) -> FieldError {
    let (detail, pointer) = (detail.into(), pointer.to_owned());
    FieldError { code: ProblemCode::Malformed, detail, pointer }
}

fn keep(set: &mut WorkingSet, record: CampaignRecord) {
    events::campaign(set, &record);
    set.writes.campaigns.insert(record.id, record);
}

impl WorkingSet {
    /// A campaign: as this batch leaves it, else as the registry has it.
    #[must_use]
    pub fn campaign(&self, id: &CampaignId) -> Option<&CampaignRecord> {
        self.writes.campaigns.get(id).or_else(|| self.registry.campaign(id))
    }
}
