//! Sharing a window's fee income: added up from receipts by corridor, divided by the rules of the
//! definition, each share with the document that its partner recomputes it from.
//!
//! Pure: the same receipts give the same bytes, in whatever order they come. What is not shared is
//! not moved: it stays in `alliance:fees`.
//!
//! Deliberately absent: posting the shares, and rules across corridors: a partner could not
//! recompute them from what it sees.

use std::collections::BTreeMap;

use alliance_contracts::ids::WindowId;
use alliance_contracts::names::{ALLIANCE_PARTY, AllianceId, Corridor, Currency, PartnerId};
use alliance_contracts::receipt::Receipt;
use alliance_contracts::revenue::{CorridorIncome, RevenueFault, RevenueInputs, Shared};
use alliance_contracts::time::Timestamp;

use crate::alliance::revenue::{RevenueDefinition, rule_for};

/// The fee income of a window by corridor, added up as receipts are read: memory for corridors, not
/// for receipts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeeIncome {
    corridors: BTreeMap<Corridor, CorridorIncome>,
}

impl FeeIncome {
    /// Nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One receipt more; each once. What a partner has with itself and with the alliance brings in
    /// no fees.
    ///
    /// # Errors
    /// [`RevenueFault::Beyond`].
    pub fn add(&mut self, receipt: &Receipt) -> Result<(), RevenueFault> {
        let (low, high) = receipt.corridor.parties();
        if low == ALLIANCE_PARTY || low == high {
            return Ok(());
        }
        if let Some(income) = self.corridors.get_mut(&receipt.corridor) {
            return income.add(receipt);
        }
        self.corridors.entry(receipt.corridor.clone()).or_default().add(receipt)
    }

    /// What other receipts brought in, added.
    ///
    /// # Errors
    /// [`RevenueFault::Beyond`].
    pub fn merge(&mut self, other: &Self) -> Result<(), RevenueFault> {
        for (corridor, income) in &other.corridors {
            self.corridors.entry(corridor.clone()).or_default().merge(income)?;
        }
        Ok(())
    }

    /// By corridor, in byte order.
    pub fn corridors(&self) -> impl Iterator<Item = (&Corridor, &CorridorIncome)> {
        self.corridors.iter()
    }
}

/// The window whose income is shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedWindow {
    /// The alliance.
    pub alliance: AllianceId,
    /// The settlement currency.
    pub currency: Currency,
    /// The window.
    pub window: WindowId,
    /// When it opened: the rules of then hold.
    pub opened_at: Timestamp,
}

/// What one corridor's fees were divided into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorridorShares {
    /// The shares and what is kept; they sum to the corridor's fees.
    pub shared: Shared,
    /// The document of each partner, in byte order of names. A share of nothing is no adjustment.
    pub inputs: [RevenueInputs; 2],
}

/// Divides a window's fees; by corridor, in byte order. Corridors without a rule are left out.
///
/// # Errors
/// [`RevenueFault`].
pub fn shares(
    window: &SharedWindow,
    income: &FeeIncome,
    rules: &[RevenueDefinition],
) -> Result<Vec<CorridorShares>, RevenueFault> {
    let mut found = Vec::new();
    for (corridor, income) in income.corridors() {
        if let Some(rule) = rule_for(rules, corridor, window.opened_at) {
            found.push(of_corridor(window, corridor, income, rule)?);
        }
    }
    Ok(found)
}

fn of_corridor(
    window: &SharedWindow,
    corridor: &Corridor,
    income: &CorridorIncome,
    rule: &RevenueDefinition,
) -> Result<CorridorShares, RevenueFault> {
    let rule = rule.rule();
    let shared = rule.share(income)?;
    let partner = |name: &str| name.parse::<PartnerId>().map_err(|_| RevenueFault::Corridor);
    let inputs = |name: &str, share| {
        Ok(RevenueInputs {
            alliance: window.alliance.clone(),
            corridor: corridor.clone(),
            currency: window.currency.clone(),
            income: *income,
            partner: partner(name)?,
            rule: rule.clone(),
            share,
            v: 1,
            window: window.window,
        })
    };
    let (low, high) = corridor.parties();
    Ok(CorridorShares { shared, inputs: [inputs(low, shared.low)?, inputs(high, shared.high)?] })
}

#[cfg(test)]
mod tests;
