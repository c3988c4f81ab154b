//! Who bears what a partner fails to pay: its prefunding, its collateral, then the others by rule
//! (docs/waterfall.md).
//!
//! | rule | the others bear what is left |
//! | --- | --- |
//! | `equal` | each the same |
//! | `pro_rata_gross` | by what each traded with it in the window; equally where nobody did |
//! | `creditors_first` | by what each was to be paid for the window, at most that; the rest equally |
//!
//! Everything is divided by largest remainder, among equals to the first name. Where there is no
//! other partner the alliance bears it. [`Waterfall`] is the whole calculation, for the alliance
//! and its auditors; [`LossShare`] is what one partner can check without seeing others' figures: to
//! a single 10⁻⁶, because who gets the last unit depends on the others.
//!
//! Deliberately absent: when a partner has failed, and postings.

use serde::{Deserialize, Serialize};

use crate::encoding::Hash;
use crate::ids::WindowId;
use crate::json;
use crate::names::{ALLIANCE_PARTY, AllianceId, Currency, PartnerId, Party};
use crate::portion::{apportion, portion};
use crate::total::Total;

/// The weight of each where each bears the same.
const ONE: u128 = 1_000_000;

/// How a loss is shared among the other partners.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossRule {
    /// Each the same.
    Equal,
    /// By what each traded with the one that failed: whoever dealt with it more bears more.
    #[default]
    ProRataGross,
    /// By what each was to be paid, at most that; what is left then, each the same.
    CreditorsFirst,
}

/// Where money of a step comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepFrom {
    /// What the partner paid in beforehand.
    Prefunding,
    /// What it has pledged.
    Collateral,
    /// Another partner's share of the loss.
    Shared,
    /// The alliance, where there is no other partner.
    Alliance,
}

/// One step: so much from there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// How much; above zero.
    pub amount: Total,
    /// From where.
    pub from: StepFrom,
    /// Whose money it is.
    pub partner: Party,
}

/// Another partner, as rules look at it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Other {
    /// Its net of the window.
    pub net: Total,
    /// Who.
    pub partner: PartnerId,
    /// Gross of the window's orders between it and the one that failed, both ways, less gross of
    /// reversals; what is below zero counts as nothing.
    pub traded: Total,
}

/// The figures that steps follow from.
#[derive(Clone, Copy, Debug)]
pub struct Failure<'a> {
    /// Who fails to pay.
    pub defaulter: &'a PartnerId,
    /// How much; not below zero.
    pub owed: Total,
    /// Its prefunding.
    pub prefunding: Total,
    /// Its collateral.
    pub collateral: Total,
    /// How the rest is shared.
    pub rule: LossRule,
    /// The other partners, in byte order.
    pub others: &'a [Other],
}

/// The whole calculation. The SHA-256 of its RFC 8785 bytes stands in the receipts of the steps
/// from the failed partner's own accounts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waterfall {
    /// The alliance.
    pub alliance: AllianceId,
    /// What the partner has pledged.
    pub collateral: Total,
    /// The settlement currency of every amount.
    pub currency: Currency,
    /// Who failed to pay.
    pub defaulter: PartnerId,
    /// All other partners that may bear a loss, in byte order.
    pub others: Vec<Other>,
    /// What was not paid of its net.
    pub owed: Total,
    /// What it paid in beforehand.
    pub prefunding: Total,
    /// How the rest is shared.
    pub rule: LossRule,
    /// The steps, by where from, then by name. They sum to what was owed.
    pub steps: Vec<Step>,
    /// 1.
    pub v: u8,
    /// The window.
    pub window: WindowId,
}

/// A part of a loss that was divided by one list of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossPart {
    /// What the partner bears of it.
    pub amount: Total,
    /// What was divided.
    pub of: Total,
    /// The partner's weight: money, or 1 where each bears the same.
    pub weight: Total,
    /// Everybody's.
    pub weights: Total,
}

/// One partner's share of a loss. The SHA-256 of its RFC 8785 bytes stands in the receipt of the
/// adjustment that takes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossShare {
    /// The alliance.
    pub alliance: AllianceId,
    /// What the partner bears.
    pub amount: Total,
    /// The settlement currency of every amount.
    pub currency: Currency,
    /// Who failed to pay.
    pub defaulter: PartnerId,
    /// Whose share.
    pub partner: PartnerId,
    /// How the loss was divided: one part, of `creditors_first` perhaps two.
    pub parts: Vec<LossPart>,
    /// The rule.
    pub rule: LossRule,
    /// What all others bear together.
    pub shared: Total,
    /// 1.
    pub v: u8,
    /// The window.
    pub window: WindowId,
}

/// The rule that a calculation breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WaterfallFault {
    /// Not version 1.
    #[error("not version 1")]
    Version,
    /// The others are not in order, one twice, or the one that failed among them.
    #[error("the others are not in byte order, each once, without the one that failed")]
    Others,
    /// What was owed, prefunding or collateral is below zero.
    #[error("an amount below zero")]
    BelowZero,
    /// Other steps than the figures give.
    #[error("the steps are not what the figures give")]
    Steps,
    /// A share of a loss that is not what its weights give.
    #[error("the share is not what its weights give")]
    Share,
    /// A total beyond what can be counted.
    #[error("a total beyond what can be counted")]
    Beyond,
}

impl Failure<'_> {
    /// Who bears what: the steps, in order. They sum to what was owed, and none takes more from an
    /// account than it has.
    ///
    /// # Errors
    /// [`WaterfallFault`].
    pub fn steps(&self) -> Result<Vec<Step>, WaterfallFault> {
        let (own, shared) = self.own()?;
        let mut steps: Vec<Step> = Vec::with_capacity(2 + self.others.len());
        for (from, amount) in own {
            steps.push(Step { amount: total(amount)?, from, partner: self.defaulter.into() });
        }
        if self.others.is_empty() {
            let partner = ALLIANCE_PARTY.parse().map_err(|_| WaterfallFault::Others)?;
            steps.push(Step { amount: total(shared)?, from: StepFrom::Alliance, partner });
        }
        for (other, amount) in self.others.iter().zip(self.borne(shared)?) {
            let partner = (&other.partner).into();
            steps.push(Step { amount: total(amount)?, from: StepFrom::Shared, partner });
        }
        steps.retain(|step| !step.amount.is_zero());
        Ok(steps)
    }

    /// What comes out of its own accounts, and what is left to be shared.
    fn own(&self) -> Result<([(StepFrom, u128); 2], u128), WaterfallFault> {
        let ordered = self.others.windows(2).all(|pair| pair[0].partner < pair[1].partner);
        if !ordered || self.others.iter().any(|other| other.partner == *self.defaulter) {
            return Err(WaterfallFault::Others);
        }
        let owed = above_zero(self.owed)?;
        let prefunding = above_zero(self.prefunding)?.min(owed);
        let collateral = above_zero(self.collateral)?.min(owed - prefunding);
        let own = [(StepFrom::Prefunding, prefunding), (StepFrom::Collateral, collateral)];
        Ok((own, owed - prefunding - collateral))
    }

    /// What each of the others bears.
    fn borne(&self, shared: u128) -> Result<Vec<u128>, WaterfallFault> {
        let mut borne = vec![0; self.others.len()];
        for (of, weights) in self.divided(shared)? {
            let parts = apportion(of, &weights).ok_or(WaterfallFault::Beyond)?;
            // Parts of what is shared: never more than all of it.
            borne.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part);
        }
        Ok(borne)
    }

    /// What is divided by which weights; nothing where there is nothing or nobody.
    fn divided(&self, shared: u128) -> Result<Vec<(u128, Vec<u128>)>, WaterfallFault> {
        if shared == 0 || self.others.is_empty() {
            return Ok(Vec::new());
        }
        let equal = || vec![ONE; self.others.len()];
        let by = |figure: fn(&Other) -> Total| {
            let weights = self.others.iter().map(|other| positive(figure(other)));
            let weights: Vec<u128> = weights.collect();
            let sum = weights.iter().try_fold(0_u128, |sum, weight| sum.checked_add(*weight));
            sum.map(|sum| (sum, weights)).ok_or(WaterfallFault::Beyond)
        };
        match self.rule {
            LossRule::Equal => Ok(vec![(shared, equal())]),
            LossRule::ProRataGross => match by(|other| other.traded)? {
                (0, _) => Ok(vec![(shared, equal())]),
                (_, weights) => Ok(vec![(shared, weights)]),
            },
            LossRule::CreditorsFirst => {
                let (nets, weights) = by(|other| other.net)?;
                let rest = shared.saturating_sub(nets);
                let both = [(shared - rest, weights), (rest, equal())];
                Ok(both.into_iter().filter(|(of, _)| *of > 0).collect())
            }
        }
    }

    /// How one of the others came to bear what it bears.
    fn parts_of(&self, at: usize) -> Result<(u128, Vec<LossPart>), WaterfallFault> {
        let (_, shared) = self.own()?;
        let mut parts = Vec::new();
        for (of, weights) in self.divided(shared)? {
            let amounts = apportion(of, &weights).ok_or(WaterfallFault::Beyond)?;
            parts.push(LossPart {
                amount: total(amounts[at])?,
                of: total(of)?,
                weight: total(weights[at])?,
                weights: total(weights.iter().sum())?,
            });
        }
        Ok((shared, parts))
    }
}

impl Waterfall {
    /// The figures.
    #[must_use]
    pub fn failure(&self) -> Failure<'_> {
        Failure {
            defaulter: &self.defaulter,
            owed: self.owed,
            prefunding: self.prefunding,
            collateral: self.collateral,
            rule: self.rule,
            others: &self.others,
        }
    }

    /// The document: RFC 8785 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        json::canonical(self)
    }

    /// What adjustments cite.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Hash::of(&self.to_bytes())
    }

    /// Checks the document by itself.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self) -> Result<(), WaterfallFault> {
        if self.v != 1 {
            return Err(WaterfallFault::Version);
        }
        if self.failure().steps()? == self.steps { Ok(()) } else { Err(WaterfallFault::Steps) }
    }

    /// What each of the others is given to check its share by, in byte order; nobody who bears
    /// nothing.
    ///
    /// # Errors
    /// [`WaterfallFault`].
    pub fn shares(&self) -> Result<Vec<LossShare>, WaterfallFault> {
        let shared = self.steps.iter().filter(|step| step.from == StepFrom::Shared);
        shared.map(|step| self.share(step)).collect()
    }

    fn share(&self, step: &Step) -> Result<LossShare, WaterfallFault> {
        let at = self.others.iter().position(|other| Party::from(&other.partner) == step.partner);
        let at = at.ok_or(WaterfallFault::Steps)?;
        let (shared, parts) = self.failure().parts_of(at)?;
        Ok(LossShare {
            alliance: self.alliance.clone(),
            amount: step.amount,
            currency: self.currency.clone(),
            defaulter: self.defaulter.clone(),
            partner: self.others[at].partner.clone(),
            parts,
            rule: self.rule,
            shared: total(shared)?,
            v: 1,
            window: self.window,
        })
    }
}

impl LossShare {
    /// The document: RFC 8785 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        json::canonical(self)
    }

    /// What the adjustment cites.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Hash::of(&self.to_bytes())
    }

    /// Checks the document by itself: each part is what its weight gives, rounded down or one unit
    /// more; the parts are the share, and what was divided is the loss. That `weight` is true, the
    /// partner's own receipts and statement say.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self) -> Result<(), WaterfallFault> {
        if self.v != 1 {
            return Err(WaterfallFault::Version);
        }
        let (mut amount, mut of) = (0_u128, 0_u128);
        for part in &self.parts {
            let (whole, borne) = (above_zero(part.of)?, above_zero(part.amount)?);
            let found = portion(whole, above_zero(part.weight)?, above_zero(part.weights)?);
            let (floor, left) = found.ok_or(WaterfallFault::Share)?;
            if borne != floor && (left == 0 || borne != floor + 1) {
                return Err(WaterfallFault::Share);
            }
            amount = amount.checked_add(borne).ok_or(WaterfallFault::Beyond)?;
            of = of.checked_add(whole).ok_or(WaterfallFault::Beyond)?;
        }
        let sums = amount == above_zero(self.amount)? && of == above_zero(self.shared)?;
        if sums { Ok(()) } else { Err(WaterfallFault::Share) }
    }
}

fn positive(figure: Total) -> u128 {
    figure.micros().max(0).unsigned_abs()
}

fn above_zero(figure: Total) -> Result<u128, WaterfallFault> {
    u128::try_from(figure.micros()).map_err(|_| WaterfallFault::BelowZero)
}

fn total(micros: u128) -> Result<Total, WaterfallFault> {
    i128::try_from(micros).map(Total::from_micros).map_err(|_| WaterfallFault::Beyond)
}

#[cfg(test)]
mod tests;
