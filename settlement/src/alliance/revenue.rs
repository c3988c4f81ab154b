//! What partners get of the fees, as the alliance has agreed: the entries `[[revenue]]` of the
//! definition. How a rule is worked out is [`alliance_contracts::revenue`].
//!
//! A rule is for one pair of partners or for all pairs; a pair's own comes before one for all. A
//! window is shared by the rule that held when it opened, so that a change never reaches back into
//! a window that has begun.

use alliance_contracts::decimal::{Decimal, MICROS};
use alliance_contracts::names::{Corridor, PartnerId};
use alliance_contracts::revenue::{Baseline, RevenueRule, Split, Tier, TierMethod};
use alliance_contracts::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::definition::{DefinitionFault, PartnerDefinition, pair};

/// How what is shared is divided between two partners.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SplitDefinition {
    /// By what each direction brought in. Both parts sum to 1.
    Contribution {
        /// For the partner whose members gave points.
        source: Decimal,
        /// For the partner where they arrived.
        target: Decimal,
    },
    /// By name, where the rule names its pair. Both parts sum to 1.
    Partner {
        /// For the partner `a`.
        a: Decimal,
        /// For the partner `b`.
        b: Decimal,
    },
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevenueDefinition {
    /// One partner; without both names the rule is for all pairs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub a: Option<PartnerId>,
    /// The other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub b: Option<PartnerId>,
    /// For windows that open from then on; none: for all before `until`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// For windows that open before; none: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// A fixed part of the fees, at most 1; or `tiers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Decimal>,
    /// How tiers are read.
    #[serde(default)]
    pub method: TierMethod,
    /// Only what exceeds this; none: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Baseline>,
    /// How it is divided.
    #[serde(default = "halves")]
    pub split: SplitDefinition,
    /// Shares by the corridor's volume in the window; or `share`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<Tier>,
}

fn halves() -> SplitDefinition {
    let half = Decimal::from_micros(MICROS / 2).unwrap_or_default();
    SplitDefinition::Contribution { source: half, target: half }
}

impl RevenueDefinition {
    /// Its pair, whichever was named first; none: all pairs.
    fn pair(&self) -> Option<(PartnerId, PartnerId)> {
        self.a.as_ref().zip(self.b.as_ref()).map(|(a, b)| pair(a, b))
    }

    /// Whether it is for a window that opened then.
    fn holds(&self, opened_at: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= opened_at)
            && self.until.is_none_or(|until| opened_at < until)
    }

    /// Whether there is a window that both are for.
    fn meets(&self, other: &Self) -> bool {
        let begins_before = |one: &Self, other: &Self| {
            one.from.zip(other.until).is_none_or(|(from, until)| from < until)
        };
        self.pair() == other.pair() && begins_before(self, other) && begins_before(other, self)
    }

    /// The rule as its documents say it: parts by the order of names.
    #[must_use]
    pub fn rule(&self) -> RevenueRule {
        let fixed = self.share.map(|share| Tier { above: Decimal::ZERO, share });
        let split = match &self.split {
            SplitDefinition::Contribution { source, target } => {
                Split::Contribution { source: *source, target: *target }
            }
            SplitDefinition::Partner { a, b } if self.a < self.b => {
                Split::Partner { high: *b, low: *a }
            }
            SplitDefinition::Partner { a, b } => Split::Partner { high: *a, low: *b },
        };
        RevenueRule {
            baseline: self.baseline,
            method: self.method,
            split,
            tiers: fixed.into_iter().chain(self.tiers.iter().copied()).collect(),
        }
    }

    /// What is wrong with it by itself.
    fn faults(&self, partners: &[PartnerDefinition]) -> Vec<String> {
        let mut faults = Vec::new();
        if self.a.is_some() != self.b.is_some() {
            faults.push("name both partners of a pair, or none for all pairs".to_owned());
        }
        for name in self.a.iter().chain(&self.b) {
            if !partners.iter().any(|partner| partner.partner == *name) {
                faults.push(format!("no partner {name} is defined"));
            }
        }
        if self.a.is_some() && self.a == self.b {
            faults.push("a partner pays no fees within itself".to_owned());
        }
        if self.from.zip(self.until).is_some_and(|(from, until)| until <= from) {
            faults.push("until must be after from".to_owned());
        }
        if self.share.is_some() != self.tiers.is_empty() {
            faults.push("write either share or tiers".to_owned());
        } else {
            faults.extend(self.rule().faults().into_iter().map(str::to_owned));
        }
        if matches!(self.split, SplitDefinition::Partner { .. }) && self.pair().is_none() {
            faults.push("a split by partner needs a and b; for all pairs use contribution".into());
        }
        faults
    }
}

/// Everything that is wrong with the rules of a definition.
pub(super) fn faults(
    rules: &[RevenueDefinition],
    partners: &[PartnerDefinition],
) -> Vec<DefinitionFault> {
    let mut faults = Vec::new();
    for (at, rule) in rules.iter().enumerate() {
        let place = match rule.pair() {
            Some((a, b)) => format!("revenue[{at}] {a} and {b}"),
            None => format!("revenue[{at}]"),
        };
        let before = rules[..at].iter().position(|before| before.meets(rule));
        let twice = before.map(|before| format!("holds at the same time as revenue[{before}]"));
        let wrong = rule.faults(partners).into_iter().chain(twice);
        faults.extend(wrong.map(|fault| DefinitionFault { place: place.clone(), fault }));
    }
    faults
}

/// The rule for a corridor's fees in a window that opened then; none: nothing is shared.
#[must_use]
pub fn rule_for<'a>(
    rules: &'a [RevenueDefinition],
    corridor: &Corridor,
    opened_at: Timestamp,
) -> Option<&'a RevenueDefinition> {
    let mut holding = rules.iter().filter(|rule| rule.holds(opened_at));
    let (low, high) = corridor.parties();
    let own = holding
        .clone()
        .find(|rule| rule.pair().is_some_and(|(a, b)| (a.as_str(), b.as_str()) == (low, high)));
    own.or_else(|| holding.find(|rule| rule.pair().is_none()))
}

#[cfg(test)]
mod tests;
