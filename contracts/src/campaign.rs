//! Campaigns: more points for a while, out of a budget.
//!
//! | what | where |
//! | --- | --- |
//! | the document, what it covers, how far its budget goes, how long its points are held | here |
//! | every fault of one, listed at once | `check` |
//! | what the gateway answers about it | [`CampaignView`] and beside it |
//!
//! A campaign adds to what an exchange brings, and takes nothing from it: rate, fee and settlement
//! are those of an order without it. Its points are a lot of their own; until they are no longer
//! held they can be spent, but not exchanged onward.
//!
//! Deliberately absent: conditions that only a brand can know (first purchase, birthday). A brand
//! says them as a segment of its member.

mod check;
#[cfg(test)]
mod tests;
mod view;

use serde::{Deserialize, Serialize};

use crate::decimal::{Decimal, MICROS};
use crate::names::{AllianceId, PartnerId, ProgramId, SegmentName, TierName};
use crate::time::Timestamp;

pub use check::{MAX_CAMPAIGN_BYTES, MAX_CAMPAIGN_MULTIPLIER_MICROS, MAX_HOLDBACK_DAYS};
pub use view::{CampaignBudget, CampaignState, CampaignView, Campaigns};

/// A day, in milliseconds.
const DAY: i64 = 86_400_000;

/// A campaign; JCS order. A draft may leave out what may be null, `red_line` and `warn_at`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Campaign {
    /// The alliance.
    pub alliance: AllianceId,
    /// What it may cost, in the settlement currency.
    pub budget: Decimal,
    /// From when on it adds points.
    pub from: Timestamp,
    /// How many whole days (UTC) its points cannot be exchanged onward.
    pub holdback_days: u32,
    /// What arrives, times this: above 1, at most 10.
    pub multiplier: Decimal,
    /// What people call it.
    pub name: String,
    /// The part of the budget that no order takes it past: above 0, at most 1.
    #[serde(default = "whole")]
    pub red_line: Decimal,
    /// Members of these segments; null: all.
    pub segments: Option<Vec<SegmentName>>,
    /// The program whose points are given; null: any of another partner.
    pub source: Option<ProgramId>,
    /// Who pays: the partner of the source or of the target.
    pub sponsor: PartnerId,
    /// The program whose points arrive.
    pub target: ProgramId,
    /// Members of these tiers of the source program; null: all.
    pub tiers: Option<Vec<TierName>>,
    /// Until when it adds points.
    pub until: Timestamp,
    /// The version of this format: 1.
    pub v: u32,
    /// Three rising parts of the budget at which operators are warned.
    #[serde(default = "usual_warnings")]
    pub warn_at: Vec<Decimal>,
}

const fn whole() -> Decimal {
    Decimal::ONE
}

fn usual_warnings() -> Vec<Decimal> {
    [500_000, 800_000, 950_000].into_iter().filter_map(Decimal::from_micros).collect()
}

impl Campaign {
    /// Whether it adds points then. Whether it was approved, or has stopped, it does not know.
    #[must_use]
    pub fn runs_at(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }

    /// Whether it is about this direction.
    #[must_use]
    pub fn covers(&self, source: &ProgramId, target: &ProgramId) -> bool {
        self.target == *target && self.source.as_ref().is_none_or(|named| named == source)
    }

    /// Whether it is for a member of this tier and segment.
    #[must_use]
    pub fn is_for(&self, tier: Option<&TierName>, segment: Option<&SegmentName>) -> bool {
        let tiers = self.tiers.as_ref();
        let segments = self.segments.as_ref();
        tiers.is_none_or(|tiers| tier.is_some_and(|tier| tiers.contains(tier)))
            && segments.is_none_or(|all| segment.is_some_and(|segment| all.contains(segment)))
    }

    /// What it may have spent at most, in 10⁻⁶ of the currency: `floor6(budget × red_line)`.
    #[must_use]
    pub fn limit_micros(&self) -> i64 {
        share(self.budget, self.red_line)
    }

    /// How many of its three warning levels this spending reaches, in 10⁻⁶ of the currency.
    #[must_use]
    pub fn warnings_at(&self, spent: i128) -> u32 {
        let reached = |level: &&Decimal| spent >= i128::from(share(self.budget, **level));
        u32::try_from(self.warn_at.iter().filter(reached).count()).unwrap_or(0)
    }

    /// Until when points granted then are held: the end of the UTC day after so many whole days.
    /// None: they are not held.
    ///
    /// ```
    /// # use alliance_contracts::campaign::Campaign;
    /// # let text = br#"{"v":1,"alliance":"demo","name":"Double stars","sponsor":"borealis-coffee",
    /// #   "source":"aurora","target":"borealis","multiplier":"2","budget":"1000",
    /// #   "from":"2026-12-01T00:00:00.000Z","until":"2026-12-08T00:00:00.000Z",
    /// #   "holdback_days":7}"#;
    /// # let campaign = Campaign::read_draft(text, None).unwrap();
    /// let granted = "2026-12-03T21:00:00.000Z".parse()?;
    /// let until = campaign.held_until(granted).map(|until| until.to_string());
    /// assert_eq!(until.as_deref(), Some("2026-12-11T00:00:00.000Z"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn held_until(&self, granted_at: Timestamp) -> Option<Timestamp> {
        let days = i64::from(self.holdback_days);
        let ends = |day: i64| Timestamp::from_millis((day + days + 1).saturating_mul(DAY));
        (days > 0).then(|| ends(day_of(granted_at)))
    }

    /// Whether points that it adds can be exchanged onward while it still runs: then they could go
    /// round and be multiplied again, and count in the proof that no cycle gains.
    #[must_use]
    pub fn comes_round(&self) -> bool {
        self.held_until(self.from).is_none_or(|until| until < self.until)
    }
}

/// The number of a UTC day, from 1970-01-01.
#[must_use]
pub const fn day_of(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(DAY)
}

/// Rounded down; a share is at most one, so it is in range.
fn share(budget: Decimal, share: Decimal) -> i64 {
    let part = i128::from(budget.micros()) * i128::from(share.micros()) / i128::from(MICROS);
    i64::try_from(part).unwrap_or(i64::MAX)
}
