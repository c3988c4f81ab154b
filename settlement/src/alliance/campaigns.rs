//! Campaigns as they are kept: what an operator has proposed, who approved it, where it stands.

use alliance_contracts::campaign::{Campaign, CampaignState};
use alliance_contracts::ids::CampaignId;
use alliance_contracts::names::{PartnerId, ProgramId};
use alliance_contracts::time::Timestamp;

use super::Registry;
use crate::rates::proposal::OperatorName;

/// A campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CampaignRecord {
    /// Its id.
    pub id: CampaignId,
    /// What it says.
    pub campaign: Campaign,
    /// Where it stands.
    pub state: CampaignState,
    /// How many of its warning levels were reached, 0 to 3. Never goes back.
    pub warned: u32,
    /// Whether somebody else than its proposer has to approve it.
    pub needs_two: bool,
    /// Who proposed it.
    pub proposed_by: OperatorName,
    /// When.
    pub proposed_at: Timestamp,
    /// Who approved it.
    pub approved_by: Option<OperatorName>,
    /// When.
    pub approved_at: Option<Timestamp>,
    /// Who stopped it; none where it has stopped by itself at its red line.
    pub stopped_by: Option<OperatorName>,
    /// When.
    pub stopped_at: Option<Timestamp>,
}

impl CampaignRecord {
    /// Whether it adds points to orders then.
    #[must_use]
    pub fn runs_at(&self, at: Timestamp) -> bool {
        self.state == CampaignState::Active && self.campaign.runs_at(at)
    }

    /// Whether its points may go round and be multiplied again, then or later.
    #[must_use]
    pub fn comes_round_from(&self, at: Timestamp) -> bool {
        let still = self.state == CampaignState::Active && at < self.campaign.until;
        still && self.campaign.comes_round()
    }
}

impl Registry {
    /// A campaign, whatever its state.
    #[must_use]
    pub fn campaign(&self, id: &CampaignId) -> Option<&CampaignRecord> {
        self.campaigns.iter().find(|record| record.id == *id).map(|record| &**record)
    }

    /// The campaigns that add points to orders of one direction then.
    pub fn campaigns_on<'a>(
        &'a self,
        source: &'a ProgramId,
        target: &'a ProgramId,
        at: Timestamp,
    ) -> impl Iterator<Item = &'a CampaignRecord> {
        let records = self.campaigns.iter().map(|record| &**record);
        records.filter(move |record| record.runs_at(at) && record.campaign.covers(source, target))
    }

    /// Whether one of this partner's programs is among those that a campaign covers.
    #[must_use]
    pub fn concerns(&self, record: &CampaignRecord, partner: &PartnerId) -> bool {
        let own =
            |program: &ProgramId| self.program(program).is_some_and(|p| p.partner == *partner);
        let campaign = &record.campaign;
        own(&campaign.target) || campaign.source.as_ref().is_none_or(own)
    }
}
