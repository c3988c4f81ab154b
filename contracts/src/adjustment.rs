//! Adjustments: what a partner has with the alliance itself, as receipts of kind `adjustment` in
//! the corridor `alliance~p` (protocol § 4 and § 5).
//!
//! Both sides of such a receipt name the partner alone, its `settlement` is null, and its postings
//! say who gives and who receives. Why it was made, and what it was worked out from, stands here.

use serde::{Deserialize, Serialize};

use crate::encoding::Hash;
use crate::ids::{CampaignId, WindowId};
use crate::json;
use crate::names::{AllianceId, Currency, PartnerId};
use crate::total::Total;

/// Why an adjustment was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AdjustmentCause {
    /// A part of the fees of a window, or of one that was negative, its return.
    FeeShare,
    /// What a campaign has given in a window, for its sponsor to bear.
    CampaignCost,
    /// A window's net was paid, all or part.
    Payment,
    /// Prefunding was brought in, or taken out.
    Prefunding,
    /// Collateral was brought in, or taken out.
    Collateral,
    /// What a partner did not pay was taken from what stands for it.
    Loss,
    /// What was wrong is put right.
    Correction,
}

impl AdjustmentCause {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::FeeShare,
        Self::CampaignCost,
        Self::Payment,
        Self::Prefunding,
        Self::Collateral,
        Self::Loss,
        Self::Correction,
    ];

    /// As it stands on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FeeShare => "fee_share",
            Self::CampaignCost => "campaign_cost",
            Self::Payment => "payment",
            Self::Prefunding => "prefunding",
            Self::Collateral => "collateral",
            Self::Loss => "loss",
            Self::Correction => "correction",
        }
    }

    /// Whether it is an obligation of the window that it stands in. A payment settles another
    /// window, and what stands for a partner is no debt.
    ///
    /// ```
    /// use alliance_contracts::adjustment::AdjustmentCause;
    /// assert!(AdjustmentCause::FeeShare.is_obligation());
    /// assert!(!AdjustmentCause::Payment.is_obligation());
    /// ```
    #[must_use]
    pub const fn is_obligation(self) -> bool {
        matches!(self, Self::FeeShare | Self::CampaignCost | Self::Loss | Self::Correction)
    }
}

/// Why an adjustment was made, and out of what. Fields in sorted order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Adjustment {
    /// Why.
    pub cause: AdjustmentCause,
    /// SHA-256 of the document that it was worked out from.
    pub inputs: Hash,
    /// What it follows from: a window's id, mostly.
    pub subject: String,
}

/// What a campaign gave in a window and its sponsor bears: what an adjustment of cause
/// `campaign_cost` cites. Its bytes are RFC 8785; fields in sorted order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CampaignCost {
    /// The alliance.
    pub alliance: AllianceId,
    /// The campaign.
    pub campaign: CampaignId,
    /// The settlement currency.
    pub currency: Currency,
    /// What it gave, less what was taken back with reversals.
    pub spent: Total,
    /// Who bears it.
    pub sponsor: PartnerId,
    /// 1.
    pub v: u32,
    /// The window.
    pub window: WindowId,
}

impl CampaignCost {
    /// The document.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        json::canonical(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_spelled_as_they_are_named() {
        for cause in AdjustmentCause::ALL {
            let text = serde_json::to_string(&cause).unwrap();
            assert_eq!(text, format!("\"{}\"", cause.as_str()));
        }
    }
}
