//! How boards are made, as the alliance has agreed: the table `[rates]` of the definition.

use alliance_contracts::decimal::Decimal;
use alliance_contracts::limits;
use serde::{Deserialize, Serialize};

use crate::rates::surcharge::SurchargeModel;

/// When boards are published, how far ahead, and what guards them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RatesDefinition {
    /// Largest step of a value, as a part of it, that is published without a second person.
    pub approval_threshold: Decimal,
    /// Freezes a pair on abnormal flow; none: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breaker: Option<Breaker>,
    /// Budget up to which a campaign may be approved by whoever has proposed it; above it another
    /// operator has to.
    pub campaign_approval_budget: Decimal,
    /// How long before it takes effect a board is published. Quotes that may not outlive their
    /// board (where going there and back costs nothing) stand half as long.
    pub notice_seconds: i64,
    /// Makes the direction dearer that makes an imbalance worse; none: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub surcharge: Option<SurchargeModel>,
    /// When boards are published (cron, five fields); empty: only by hand.
    pub schedule: String,
    /// The time zone that `schedule` is told in (IANA).
    pub time_zone: String,
}

/// When the flow of a pair is abnormal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Breaker {
    /// This many times the usual flow of a board.
    pub factor: Decimal,
    /// And at least this much gross, in the settlement currency.
    pub floor: Decimal,
}

impl Default for RatesDefinition {
    fn default() -> Self {
        Self {
            approval_threshold: Decimal::from_micros(50_000).unwrap_or(Decimal::ZERO),
            breaker: None,
            campaign_approval_budget: Decimal::ZERO,
            notice_seconds: 120,
            surcharge: None,
            schedule: "0 * * * *".to_owned(),
            time_zone: "UTC".to_owned(),
        }
    }
}

impl RatesDefinition {
    /// Everything that is wrong with it but schedule and time zone, which the gateway reads.
    #[must_use]
    pub fn check(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if !(1..=86_400).contains(&self.notice_seconds) {
            faults.push("notice_seconds must be 1 to 86400, a day".to_owned());
        }
        if self.approval_threshold.is_zero() || self.approval_threshold >= Decimal::ONE {
            faults.push("approval_threshold must be above 0 and below 1".to_owned());
        }
        faults.extend(self.surcharge.iter().flat_map(SurchargeModel::check));
        if let Some(breaker) = &self.breaker {
            if breaker.factor <= Decimal::ONE {
                faults.push("breaker: factor must be above 1".to_owned());
            }
            if breaker.floor.is_zero() || !limits::amount_in_range(breaker.floor) {
                faults.push("breaker: floor must be above 0 and at most 10^12".to_owned());
            }
        }
        faults
    }

    /// How long quotes stand that may not outlive their board.
    #[must_use]
    pub const fn bound_quote_seconds(&self) -> i64 {
        let half = self.notice_seconds / 2;
        if half < 1 { 1 } else { half }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_listed() {
        assert_eq!(RatesDefinition::default().check(), Vec::<String>::new());
        let bad = RatesDefinition {
            approval_threshold: Decimal::ONE,
            breaker: Some(Breaker { factor: Decimal::ONE, floor: Decimal::ZERO }),
            notice_seconds: 0,
            ..RatesDefinition::default()
        };
        assert_eq!(bad.check().len(), 4, "{:?}", bad.check());
    }
}
