//! "Partner X defaults on T+2": rounds of failures until nobody else falls.
//!
//! In the first round X fails to pay its net. Others bear losses by the rule. Whoever is beyond its
//! cap, or owes more than its prefunding, *by what it lost* (it was not before), fails in the next
//! round with all that it then owes; whoever has fallen bears nothing more. Several in one round
//! fail in order of names, each on what the one before left. That is the darkest reading: in truth
//! a partner beyond its cap is asked for a top-up first.
//!
//! Every round takes a partner away for good, so that there are no more rounds than partners.

use std::collections::{BTreeMap, BTreeSet};

use alliance_contracts::names::{Corridor, PartnerId, Party};
use alliance_contracts::total::Total;
use alliance_contracts::waterfall::{Failure, LossRule, Other, Step, StepFrom, WaterfallFault};

/// How a partner stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Who.
    pub partner: PartnerId,
    /// What it is owed in all, less what it owes: what its cap is held against.
    pub position: Total,
    /// What falls due for it on the day in question.
    pub net: Total,
    /// Its prefunding; none: it has agreed on none, and is judged by its cap alone.
    pub prefunding: Option<Total>,
    /// Its collateral.
    pub collateral: Total,
    /// How far its position may go below zero; none: no bound.
    pub net_debit_cap: Option<Total>,
}

/// One failure within a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallen {
    /// Who.
    pub partner: PartnerId,
    /// In which round, from 1.
    pub round: u32,
    /// What it then owed and did not pay.
    pub owed: Total,
    /// Who bears it; these sum to what was owed.
    pub steps: Vec<Step>,
}

/// What all of it does to one partner: a row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StressRow {
    /// Who.
    pub partner: PartnerId,
    /// What it bears of others' failures; what it bore before it fell itself is in what it then
    /// owed.
    pub loss: Total,
    /// Its net before.
    pub net: Total,
    /// Its net less the loss.
    pub net_after: Total,
    /// Its position less the loss.
    pub position_after: Total,
    /// Prefunding that its own failure used.
    pub prefunding_used: Total,
    /// Collateral that its own failure used.
    pub collateral_used: Total,
    /// The loss takes it beyond its cap.
    pub beyond_cap: bool,
    /// The loss makes it owe more than its prefunding.
    pub beyond_prefunding: bool,
    /// The round in which it falls.
    pub falls: Option<u32>,
}

/// What would happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stress {
    /// Who fails, in order.
    pub fallen: Vec<Fallen>,
    /// Every partner, in byte order.
    pub rows: Vec<StressRow>,
    /// What nobody was left to bear.
    pub alliance_loss: Total,
}

/// A scenario that cannot be worked out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StressFault {
    /// The partner that is to fail does not stand here.
    #[error("no such partner")]
    NoPartner,
    /// A partner twice.
    #[error("a partner stands here twice")]
    Twice,
    /// See there.
    #[error(transparent)]
    Waterfall(#[from] WaterfallFault),
}

/// Works out what happens if `named` does not pay; `traded` is the window's gross by corridor.
/// Standings may come in any order.
///
/// # Errors
/// [`StressFault`].
pub fn stress(
    standings: &[Standing],
    traded: &BTreeMap<Corridor, Total>,
    rule: LossRule,
    named: &PartnerId,
) -> Result<Stress, StressFault> {
    let by_name: BTreeMap<&PartnerId, &Standing> =
        standings.iter().map(|standing| (&standing.partner, standing)).collect();
    if by_name.len() != standings.len() {
        return Err(StressFault::Twice);
    }
    let (first, _) = by_name.get_key_value(named).ok_or(StressFault::NoPartner)?;
    let mut scene = Scene { by_name: &by_name, traded, rule, losses: BTreeMap::new() };
    let (mut fallen, mut gone) = (Vec::new(), BTreeSet::new());
    let (mut falling, mut round) = (BTreeSet::from([*first]), 1);
    while !falling.is_empty() {
        gone.extend(&falling);
        for partner in falling {
            fallen.push(scene.fail(partner, round, &gone)?);
        }
        falling = scene.beyond(&gone)?;
        round += 1;
    }
    let rows = by_name.values().map(|standing| scene.row(standing, &fallen));
    let rows = rows.collect::<Result<_, _>>()?;
    let mut alone = fallen.iter().map(|one| used(one, StepFrom::Alliance));
    let alliance_loss = alone.try_fold(0_i128, i128::checked_add);
    let alliance_loss = alliance_loss.map(Total::from_micros).ok_or(WaterfallFault::Beyond)?;
    Ok(Stress { fallen, rows, alliance_loss })
}

/// What does not change within a scenario, and what everybody has lost so far.
struct Scene<'a> {
    by_name: &'a BTreeMap<&'a PartnerId, &'a Standing>,
    traded: &'a BTreeMap<Corridor, Total>,
    rule: LossRule,
    losses: BTreeMap<Party, i128>,
}

impl<'a> Scene<'a> {
    fn loss(&self, partner: &PartnerId) -> i128 {
        self.losses.get(partner.as_str()).copied().unwrap_or_default()
    }

    /// A figure of a partner's after its losses.
    fn after(&self, partner: &PartnerId, before: Total) -> Result<Total, WaterfallFault> {
        let after = before.micros().checked_sub(self.loss(partner));
        after.map(Total::from_micros).ok_or(WaterfallFault::Beyond)
    }

    /// One partner pays nothing of what it owes; whoever is not gone bears it.
    fn fail(
        &mut self,
        partner: &'a PartnerId,
        round: u32,
        gone: &BTreeSet<&PartnerId>,
    ) -> Result<Fallen, StressFault> {
        let standing = self.by_name[partner];
        let owed = debt(self.after(partner, standing.net)?);
        let left = self.by_name.values().filter(|other| !gone.contains(&other.partner));
        let others = left.map(|other| self.other(partner, other));
        let others = others.collect::<Result<Vec<Other>, _>>()?;
        let failure = Failure {
            defaulter: partner,
            owed,
            prefunding: standing.prefunding.unwrap_or_default(),
            collateral: standing.collateral,
            rule: self.rule,
            others: &others,
        };
        let steps = failure.steps()?;
        for step in steps.iter().filter(|step| step.from == StepFrom::Shared) {
            let loss = self.losses.entry(step.partner.clone()).or_default();
            *loss = loss.checked_add(step.amount.micros()).ok_or(WaterfallFault::Beyond)?;
        }
        Ok(Fallen { partner: partner.clone(), round, owed, steps })
    }

    fn other(&self, failing: &PartnerId, other: &Standing) -> Result<Other, WaterfallFault> {
        let corridor = Corridor::between(failing, &other.partner);
        Ok(Other {
            net: self.after(&other.partner, other.net)?,
            partner: other.partner.clone(),
            traded: self.traded.get(&corridor).copied().unwrap_or_default(),
        })
    }

    /// Whether losses take a partner beyond its cap, and beyond its prefunding.
    fn crosses(&self, standing: &Standing) -> Result<(bool, bool), WaterfallFault> {
        let by_loss = |before: Total, bound: Option<Total>| {
            let after = self.after(&standing.partner, before)?;
            Ok(bound.is_some_and(|bound| debt(before) <= bound && debt(after) > bound))
        };
        let cap = by_loss(standing.position, standing.net_debit_cap)?;
        Ok((cap, by_loss(standing.net, standing.prefunding)?))
    }

    /// Whoever falls next.
    fn beyond(
        &self,
        gone: &BTreeSet<&PartnerId>,
    ) -> Result<BTreeSet<&'a PartnerId>, WaterfallFault> {
        let mut falling = BTreeSet::new();
        for (partner, standing) in self.by_name {
            if !gone.contains(partner) && self.crosses(standing)? != (false, false) {
                falling.insert(*partner);
            }
        }
        Ok(falling)
    }

    fn row(&self, standing: &Standing, fallen: &[Fallen]) -> Result<StressRow, WaterfallFault> {
        let partner = &standing.partner;
        let own = fallen.iter().find(|one| one.partner == *partner);
        let own_used = |from| Total::from_micros(own.map_or(0, |one| used(one, from)));
        let (beyond_cap, beyond_prefunding) = self.crosses(standing)?;
        Ok(StressRow {
            partner: partner.clone(),
            loss: Total::from_micros(self.loss(partner)),
            net: standing.net,
            net_after: self.after(partner, standing.net)?,
            position_after: self.after(partner, standing.position)?,
            prefunding_used: own_used(StepFrom::Prefunding),
            collateral_used: own_used(StepFrom::Collateral),
            beyond_cap,
            beyond_prefunding,
            falls: own.map(|one| one.round),
        })
    }
}

/// How far below zero a figure is.
fn debt(figure: Total) -> Total {
    Total::from_micros(figure.micros().min(0).saturating_neg())
}

/// What a failure took from there, of what there is one step at most.
fn used(fallen: &Fallen, from: StepFrom) -> i128 {
    let step = fallen.steps.iter().find(|step| step.from == from);
    step.map_or(0, |step| step.amount.micros())
}

#[cfg(test)]
mod tests;
