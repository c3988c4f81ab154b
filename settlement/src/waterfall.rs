//! What happens when a partner fails to pay, and what would happen.
//!
//! | file | what |
//! | --- | --- |
//! | `stress` | "partner X defaults on T+2": who loses what, and who falls by it |
//!
//! Pure. Who bears what is [`alliance_contracts::waterfall`], so that a partner can check it; this
//! module brings the figures in order.
//!
//! Deliberately absent: when a partner has failed (the settlement of a window says so), and posting
//! the steps.

pub mod stress;

use alliance_contracts::ids::WindowId;
use alliance_contracts::names::{AllianceId, Currency, PartnerId};
use alliance_contracts::total::Total;
use alliance_contracts::waterfall::{LossRule, Other, Waterfall, WaterfallFault};
use serde::{Deserialize, Serialize};

/// How losses are shared, as the alliance has agreed: the table `[settlement.loss]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossDefinition {
    /// The rule.
    pub rule: LossRule,
}

/// A partner that has failed to pay, and what there is; the others in any order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// The alliance.
    pub alliance: AllianceId,
    /// The settlement currency.
    pub currency: Currency,
    /// The window.
    pub window: WindowId,
    /// Who.
    pub defaulter: PartnerId,
    /// What it did not pay of its net.
    pub owed: Total,
    /// Its prefunding.
    pub prefunding: Total,
    /// Its collateral.
    pub collateral: Total,
    /// How the rest is shared.
    pub rule: LossRule,
    /// All other partners that may bear a loss.
    pub others: Vec<Other>,
}

/// Who bears what, as the document that adjustments cite; [`Waterfall::shares`] are the others'.
///
/// # Errors
/// [`WaterfallFault`].
pub fn resolve(failed: Failed) -> Result<Waterfall, WaterfallFault> {
    let mut others = failed.others;
    others.sort_by(|one, other| one.partner.cmp(&other.partner));
    let mut waterfall = Waterfall {
        alliance: failed.alliance,
        collateral: failed.collateral,
        currency: failed.currency,
        defaulter: failed.defaulter,
        others,
        owed: failed.owed,
        prefunding: failed.prefunding,
        rule: failed.rule,
        steps: Vec::new(),
        v: 1,
        window: failed.window,
    };
    waterfall.steps = waterfall.failure().steps()?;
    Ok(waterfall)
}

#[cfg(test)]
mod tests;
