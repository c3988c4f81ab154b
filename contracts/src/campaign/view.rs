//! What is answered about campaigns (`/v1/campaigns`).

use serde::{Deserialize, Serialize};

use crate::decimal::Decimal;
use crate::ids::CampaignId;
use crate::names::{PartnerId, ProgramId, SegmentName, TierName};
use crate::time::Timestamp;

/// Where a campaign stands. A state never goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CampaignState {
    /// An operator has proposed it; it adds nothing.
    Proposed,
    /// It was approved, and adds points from its `from` to its `until`.
    Active,
    /// It has come to its red line, or an operator has stopped it or declined it.
    Stopped,
}

impl CampaignState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Proposed, Self::Active, Self::Stopped];

    /// As it stands on the wire and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Active => "active",
            Self::Stopped => "stopped",
        }
    }

    /// The state of a stored text.
    #[must_use]
    pub fn from_stored(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// A campaign's money, for whoever pays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CampaignBudget {
    /// What it may cost, in the settlement currency.
    pub budget: Decimal,
    /// The part of the budget that no order takes it past.
    pub red_line: Decimal,
    /// What it has cost, less what reversals brought back.
    pub spent: Decimal,
    /// The three parts of the budget at which operators are warned.
    pub warn_at: Vec<Decimal>,
    /// How many of them were reached.
    pub warned: u32,
}

/// A campaign, as a partner whose programs it covers sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CampaignView {
    /// Its money; only for its sponsor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<CampaignBudget>,
    /// From when on it adds points.
    pub from: Timestamp,
    /// How many whole days its points cannot be exchanged onward.
    pub holdback_days: u32,
    /// Its id.
    pub id: CampaignId,
    /// What arrives, times this.
    pub multiplier: Decimal,
    /// What people call it.
    pub name: String,
    /// Members of these segments; null: all.
    pub segments: Option<Vec<SegmentName>>,
    /// The program whose points are given; null: any of another partner.
    pub source: Option<ProgramId>,
    /// Who pays.
    pub sponsor: PartnerId,
    /// Where it stands.
    pub state: CampaignState,
    /// When it stopped.
    pub stopped_at: Option<Timestamp>,
    /// The program whose points arrive.
    pub target: ProgramId,
    /// Members of these tiers; null: all.
    pub tiers: Option<Vec<TierName>>,
    /// Until when it adds points.
    pub until: Timestamp,
}

/// Answer of `GET /v1/campaigns`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Campaigns {
    /// Those that were approved and cover a program of the caller's, oldest first.
    pub campaigns: Vec<CampaignView>,
}
