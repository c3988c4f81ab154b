//! A partner's share of the fee income of one corridor in one window, as a document that the
//! partner can recompute from its own receipts (docs/revenue-share.md).
//!
//! | step | what it says |
//! | --- | --- |
//! | baseline | what of the income counts: all, or only what exceeds an amount of fees or volume |
//! | tiers | what part of that is shared, by the corridor's volume |
//! | split | how that is divided between the corridor's two partners |
//!
//! A document names one corridor only, whose receipts both of its partners have. Roundings: what is
//! shared is rounded down to 10⁻⁶, and divided by largest remainder; the alliance keeps the rest,
//! so that both shares and what is kept are the fees. Income below zero (reversals of more than was
//! ordered) is worked out as if it were above zero, and taken back: a window of the reversals of
//! another window's orders takes back exactly what that one gave.
//!
//! Deliberately absent: which rule holds when (`settlement`), and what the other partner gets.

use serde::{Deserialize, Serialize};

use crate::decimal::{Decimal, MICROS};
use crate::encoding::Hash;
use crate::ids::WindowId;
use crate::json;
use crate::limits;
use crate::names::{ALLIANCE_PARTY, AllianceId, Corridor, Currency, PartnerId};
use crate::portion::{apportion, portion};
use crate::quote::TransactionKind;
use crate::receipt::{Account, Receipt};
use crate::total::Total;

/// A figure of a corridor by direction: from whom points came. A reversal counts in the direction
/// of its original, below zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Directions {
    /// Points of members of the corridor's second partner, in byte order of names, were given.
    pub from_high: Total,
    /// Of its first partner.
    pub from_low: Total,
}

impl Directions {
    fn sum(self) -> Result<i128, RevenueFault> {
        let sum = self.from_high.micros().checked_add(self.from_low.micros());
        sum.ok_or(RevenueFault::Beyond)
    }
}

/// What a corridor's receipts of a window come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorridorIncome {
    /// The number before the first receipt.
    pub after: u64,
    /// What `alliance:fees` received, less what it gave back.
    pub fees: Directions,
    /// How many receipts; `seq − after` where they stand without a gap.
    pub receipts: u64,
    /// The number of the last receipt.
    pub seq: u64,
    /// Gross of orders less gross of reversals.
    pub volume: Directions,
}

impl CorridorIncome {
    /// One receipt more, of the same corridor; in any order, each once.
    ///
    /// # Errors
    /// [`RevenueFault::Beyond`].
    pub fn add(&mut self, receipt: &Receipt) -> Result<(), RevenueFault> {
        let fee = fee_of(receipt)?;
        let volume = volume_of(receipt);
        let from_low = receipt.source.partner().as_str() == receipt.corridor.parties().0;
        for (figure, more) in [(&mut self.fees, fee), (&mut self.volume, volume)] {
            let one = if from_low { &mut figure.from_low } else { &mut figure.from_high };
            let sum = one.micros().checked_add(more).ok_or(RevenueFault::Beyond)?;
            *one = Total::from_micros(sum);
        }
        let before = receipt.seq.saturating_sub(1);
        self.after = if self.receipts == 0 { before } else { self.after.min(before) };
        self.seq = self.seq.max(receipt.seq);
        self.receipts += 1;
        Ok(())
    }

    /// The income of other receipts of the same corridor, added.
    ///
    /// # Errors
    /// [`RevenueFault::Beyond`].
    pub fn merge(&mut self, other: &Self) -> Result<(), RevenueFault> {
        if other.receipts == 0 {
            return Ok(());
        }
        for (figure, more) in [(&mut self.fees, other.fees), (&mut self.volume, other.volume)] {
            for (one, more) in
                [(&mut figure.from_low, more.from_low), (&mut figure.from_high, more.from_high)]
            {
                let sum = one.micros().checked_add(more.micros()).ok_or(RevenueFault::Beyond)?;
                *one = Total::from_micros(sum);
            }
        }
        self.after = if self.receipts == 0 { other.after } else { self.after.min(other.after) };
        self.seq = self.seq.max(other.seq);
        self.receipts += other.receipts;
        Ok(())
    }
}

fn fee_of(receipt: &Receipt) -> Result<i128, RevenueFault> {
    let mut fee = 0_i128;
    for line in &receipt.postings {
        let amount = i128::from(line.amount.micros());
        for (account, signed) in [(&line.credit, amount), (&line.debit, -amount)] {
            if *account == Account::Fees {
                fee = fee.checked_add(signed).ok_or(RevenueFault::Beyond)?;
            }
        }
    }
    Ok(fee)
}

fn volume_of(receipt: &Receipt) -> i128 {
    let gross = receipt.settlement.as_ref().map_or(0, |s| i128::from(s.gross.micros()));
    if receipt.kind == TransactionKind::Reversal { -gross } else { gross }
}

/// What a baseline is an amount of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BaselineOf {
    /// Fees of the window.
    Fees,
    /// Volume of the window.
    Volume,
}

/// What was there before: only what exceeds it is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// So much of a window, in the settlement currency.
    pub amount: Decimal,
    /// Of what.
    pub of: BaselineOf,
}

/// How tiers are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TierMethod {
    /// Each part of the volume has the share of the tier that it is in.
    #[default]
    Marginal,
    /// All of it has the share of the highest tier that is reached.
    Whole,
}

/// A share from a volume on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// For volume above this, in the settlement currency.
    pub above: Decimal,
    /// The part of the fees that is shared, at most 1.
    pub share: Decimal,
}

/// How what is shared is divided between two partners.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Split {
    /// By what each direction brought in.
    Contribution {
        /// For the partner whose members gave points.
        source: Decimal,
        /// For the partner where they arrived: whose shop it was.
        target: Decimal,
    },
    /// By name.
    Partner {
        /// For the corridor's second partner, in byte order of names.
        high: Decimal,
        /// For its first.
        low: Decimal,
    },
}

/// A rule as it is applied to a corridor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevenueRule {
    /// Only what exceeds this; null: all of it.
    pub baseline: Option<Baseline>,
    /// How tiers are read.
    pub method: TierMethod,
    /// How it is divided; both parts sum to 1.
    pub split: Split,
    /// By volume, the first above 0; one alone is a fixed share.
    pub tiers: Vec<Tier>,
}

/// The fees of a corridor, divided. They sum to the fees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shared {
    /// For the corridor's second partner; below zero: it gives back.
    pub high: Total,
    /// For its first.
    pub low: Total,
    /// What stays with the alliance.
    pub kept: Total,
}

/// The rule that a calculation breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RevenueFault {
    /// Not version 1.
    #[error("not version 1")]
    Version,
    /// Not of two partners, or not of this one.
    #[error("not a corridor of this partner with another one")]
    Corridor,
    /// More receipts than numbers, or numbers the wrong way round.
    #[error("receipts are not from `after` to `seq`")]
    Receipts,
    /// A rule that no alliance could have agreed on.
    #[error("rule: {0}")]
    Rule(&'static str),
    /// Another share than the figures give.
    #[error("the share is {said}; the figures give {found}")]
    Share {
        /// What the document says.
        said: Total,
        /// What follows from its figures.
        found: Total,
    },
    /// A total beyond what can be counted.
    #[error("a total beyond what can be counted")]
    Beyond,
}

impl RevenueRule {
    /// Everything that is wrong with it.
    #[must_use]
    pub fn faults(&self) -> Vec<&'static str> {
        let baseline = self.baseline.is_none_or(|one| limits::amount_in_range(one.amount));
        let amounts = self.tiers.iter().all(|tier| limits::amount_in_range(tier.above));
        let rising = self.tiers.windows(2).all(|pair| pair[0].above < pair[1].above);
        let shares = self.tiers.iter().all(|tier| tier.share <= Decimal::ONE);
        let (one, other) = self.split.parts();
        let whole = one.micros().checked_add(other.micros()) == Some(MICROS);
        let rules = [
            (baseline, "the baseline's amount is beyond 10^12"),
            (
                self.tiers.first().is_some_and(|tier| tier.above.is_zero()),
                "the first tier must be above 0",
            ),
            (rising, "each tier must be above the one before"),
            (amounts, "a tier is beyond 10^12"),
            (shares, "a share must be at most 1"),
            (whole, "the parts of the split must sum to 1"),
        ];
        rules.into_iter().filter(|(kept, _)| !kept).map(|(_, fault)| fault).collect()
    }

    /// Divides a corridor's fees.
    ///
    /// # Errors
    /// [`RevenueFault::Rule`], [`RevenueFault::Beyond`].
    pub fn share(&self, income: &CorridorIncome) -> Result<Shared, RevenueFault> {
        if let Some(fault) = self.faults().first() {
            return Err(RevenueFault::Rule(fault));
        }
        let fees = income.fees.sum()?;
        let sign = if fees < 0 { -1 } else { 1 };
        let part = self.part_shared(magnitude(income.volume.sum()?, sign))?;
        let pot = portion(self.counted(fees.unsigned_abs()), part.0, part.1);
        let pot = pot.ok_or(RevenueFault::Beyond)?.0;
        let (low, high) = self.split.divide(pot, income.fees, sign)?;
        let (low, high) = (signed(low, sign)?, signed(high, sign)?);
        Ok(Shared {
            high: Total::from_micros(high),
            low: Total::from_micros(low),
            // Both are parts of the fees, on the same side of zero.
            kept: Total::from_micros(fees - low - high),
        })
    }

    /// The fees that count.
    fn counted(&self, fees: u128) -> u128 {
        match self.baseline {
            Some(Baseline { amount, of: BaselineOf::Fees }) => fees.saturating_sub(micros(amount)),
            _ => fees,
        }
    }

    /// The part of what counts that is shared at a volume, as a fraction.
    fn part_shared(&self, volume: u128) -> Result<(u128, u128), RevenueFault> {
        let baseline = self.baseline.filter(|baseline| baseline.of == BaselineOf::Volume);
        let from = baseline.map_or(0, |baseline| micros(baseline.amount));
        let reached = self.tiers.iter().rfind(|tier| micros(tier.above) < volume);
        let first = reached.or(self.tiers.first()).ok_or(RevenueFault::Rule("no tier"))?;
        if volume <= from {
            // Without a volume there are no parts of it; with a baseline nothing exceeds it.
            let share = if from == 0 { micros(first.share) } else { 0 };
            return Ok((share, micros(Decimal::ONE)));
        }
        let shared = match self.method {
            TierMethod::Whole => (volume - from).checked_mul(micros(first.share)),
            TierMethod::Marginal => self.marginal(from, volume),
        };
        let whole = volume.checked_mul(micros(Decimal::ONE));
        shared.zip(whole).ok_or(RevenueFault::Beyond)
    }

    /// The volume between two amounts, each part times the share of its tier.
    fn marginal(&self, from: u128, volume: u128) -> Option<u128> {
        let ends = self.tiers.iter().skip(1).map(|tier| micros(tier.above));
        let ends = ends.chain(std::iter::once(u128::MAX));
        self.tiers.iter().zip(ends).try_fold(0_u128, |sum, (tier, end)| {
            let within = end.min(volume).saturating_sub(micros(tier.above).max(from));
            sum.checked_add(within.checked_mul(micros(tier.share))?)
        })
    }
}

impl Split {
    const fn parts(self) -> (Decimal, Decimal) {
        match self {
            Self::Contribution { source, target } => (source, target),
            Self::Partner { high, low } => (high, low),
        }
    }

    /// What the first and the second partner get of the pot.
    fn divide(self, pot: u128, fees: Directions, sign: i128) -> Result<(u128, u128), RevenueFault> {
        if pot == 0 {
            return Ok((0, 0));
        }
        let weights = match self {
            Self::Partner { high, low } => Some([micros(low), micros(high)]),
            Self::Contribution { source, target } => {
                let low = magnitude(fees.from_low.micros(), sign);
                let high = magnitude(fees.from_high.micros(), sign);
                let of = |given: u128, taken: u128| {
                    let given = given.checked_mul(micros(source))?;
                    given.checked_add(taken.checked_mul(micros(target))?)
                };
                of(low, high).zip(of(high, low)).map(|(low, high)| [low, high])
            }
        };
        let parts = weights.and_then(|weights| apportion(pot, &weights));
        match parts.as_deref() {
            Some([low, high]) => Ok((*low, *high)),
            _ => Err(RevenueFault::Beyond),
        }
    }
}

/// A decimal's 10⁻⁶; it is never below zero.
fn micros(decimal: Decimal) -> u128 {
    u128::from(decimal.micros().unsigned_abs())
}

/// How far a figure is on this side of zero.
fn magnitude(figure: i128, sign: i128) -> u128 {
    if figure.signum() == sign { figure.unsigned_abs() } else { 0 }
}

fn signed(magnitude: u128, sign: i128) -> Result<i128, RevenueFault> {
    i128::try_from(magnitude).map(|amount| amount * sign).map_err(|_| RevenueFault::Beyond)
}

/// What a share was worked out from. The SHA-256 of its RFC 8785 bytes stands in the receipt of
/// the adjustment that pays it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevenueInputs {
    /// The alliance.
    pub alliance: AllianceId,
    /// Whose fee income it is.
    pub corridor: Corridor,
    /// The settlement currency of every amount.
    pub currency: Currency,
    /// What the receipts come to.
    pub income: CorridorIncome,
    /// Whose share.
    pub partner: PartnerId,
    /// The rule.
    pub rule: RevenueRule,
    /// What the partner gets; below zero: gives back.
    pub share: Total,
    /// 1.
    pub v: u8,
    /// The window.
    pub window: WindowId,
}

impl RevenueInputs {
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

    /// Checks the document by itself. That `income` is true, the partner's receipts say
    /// ([`CorridorIncome::add`]); that `rule` is what was agreed, the alliance's definition.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self) -> Result<(), RevenueFault> {
        if self.v != 1 {
            return Err(RevenueFault::Version);
        }
        let numbers = self.income.seq.checked_sub(self.income.after);
        if self.income.seq > limits::MAX_JSON_INTEGER
            || numbers.is_none_or(|numbers| self.income.receipts > numbers)
        {
            return Err(RevenueFault::Receipts);
        }
        let (found, said) = (recompute(self)?, self.share);
        if found == said { Ok(()) } else { Err(RevenueFault::Share { said, found }) }
    }
}

/// The share that a document's figures and rule give.
///
/// # Errors
/// [`RevenueFault`].
pub fn recompute(inputs: &RevenueInputs) -> Result<Total, RevenueFault> {
    let (low, high) = inputs.corridor.parties();
    if low == ALLIANCE_PARTY || low == high || !inputs.corridor.includes(&inputs.partner) {
        return Err(RevenueFault::Corridor);
    }
    let shared = inputs.rule.share(&inputs.income)?;
    Ok(if inputs.partner.as_str() == low { shared.low } else { shared.high })
}

#[cfg(test)]
mod tests;
