//! What a window would have come to under other terms: its receipts, one after the other in the
//! order in which they completed, worked out again.
//!
//! Members give what they gave, and take the items that they took; points, fees and money follow
//! from the other terms by the protocol's own arithmetic (§ 4). An order whose terms do not change
//! keeps its digits. What campaigns gave stays as it was.
//!
//! Deliberately absent: what members would have done at other rates, which nobody knows.

use std::collections::{BTreeMap, BTreeSet};

use alliance_contracts::arithmetic::{self, Amounts, ArithmeticError};
use alliance_contracts::decimal::Decimal;
use alliance_contracts::ids::TransactionId;
use alliance_contracts::limits;
use alliance_contracts::names::{PartnerId, ProgramId};
use alliance_contracts::quote::{Rate, Settlement};
use alliance_contracts::receipt::{Account, Asset, Posting, Receipt};
use alliance_contracts::side::{AccountSide, SideOf};

/// What else the fee is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherFee {
    /// This rate, for every order that has one.
    Rate(Decimal),
    /// So many times the order's own.
    Times(Decimal),
}

/// What is other than it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OtherTerms {
    /// The fee.
    pub fee: Option<OtherFee>,
    /// A point of a program is worth so many times what it was.
    pub values: BTreeMap<ProgramId, Decimal>,
    /// How far a partner's position within the window may go below zero: an order that takes it
    /// further is not made.
    pub caps: BTreeMap<PartnerId, Decimal>,
    /// The same for every partner that `caps` does not name.
    pub cap: Option<Decimal>,
}

/// Orders that would not have been made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// Because the debtor was at its cap.
    pub by_cap: u64,
    /// Because nothing would have arrived, or nothing would have been owed.
    pub too_small: u64,
}

/// Why a receipt cannot be worked out again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WhatIfFault {
    /// A rate or an amount leaves its range.
    #[error("under these terms the amounts of {0} leave their range")]
    Beyond(TransactionId),
    /// A program that nobody knows, so that its decimals are not known.
    #[error("receipts name program {0}, which the alliance does not have")]
    NoProgram(ProgramId),
}

/// Receipts under other terms, one after the other.
#[derive(Clone, Debug)]
pub struct Replay {
    terms: OtherTerms,
    scales: BTreeMap<ProgramId, u32>,
    positions: BTreeMap<PartnerId, i128>,
    not_made: BTreeSet<TransactionId>,
    refused: Refused,
}

/// Money of an order, in 10⁻⁶.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Money {
    net: i64,
    fee: i64,
    remainder: i64,
}

impl Money {
    fn gross(self) -> i128 {
        i128::from(self.net) + i128::from(self.fee) + i128::from(self.remainder)
    }
}

impl Replay {
    /// Before the first receipt: each partner has the position that was carried into the window.
    /// `scales` has the decimals of each program's points.
    #[must_use]
    pub fn new(
        terms: OtherTerms,
        scales: BTreeMap<ProgramId, u32>,
        openings: BTreeMap<PartnerId, i128>,
    ) -> Self {
        let (not_made, refused) = (BTreeSet::new(), Refused::default());
        Self { terms, scales, positions: openings, not_made, refused }
    }

    /// The receipt as it would have been; none where there would be none. Receipts come in the
    /// order in which they completed.
    ///
    /// # Errors
    /// [`WhatIfFault`].
    pub fn next(&mut self, receipt: &Receipt) -> Result<Option<Receipt>, WhatIfFault> {
        // Read.
        if receipt.reverses.is_some_and(|of| self.not_made.contains(&of)) {
            return Ok(None);
        }
        let Some(settlement) = &receipt.settlement else {
            self.count(&receipt.postings);
            return Ok(Some(receipt.clone()));
        };
        // Decide.
        let Some(turned) = self.turned(receipt, settlement)? else {
            self.not_made.insert(receipt.transaction);
            self.refused.too_small += 1;
            return Ok(None);
        };
        if receipt.reverses.is_none() && !self.within_cap(&settlement.debtor, &turned.postings) {
            self.not_made.insert(receipt.transaction);
            self.refused.by_cap += 1;
            return Ok(None);
        }
        // Write.
        self.count(&turned.postings);
        Ok(Some(turned))
    }

    /// What was refused so far.
    #[must_use]
    pub const fn refused(&self) -> Refused {
        self.refused
    }

    fn turned(
        &self,
        receipt: &Receipt,
        settlement: &Settlement,
    ) -> Result<Option<Receipt>, WhatIfFault> {
        let Some(rate) = self.rate(receipt)? else { return Ok(Some(receipt.clone())) };
        let beyond = || WhatIfFault::Beyond(receipt.transaction);
        let Some(then) = self.amounts(receipt, &rate)? else { return Ok(None) };
        let mut money = Money { net: then.net, fee: then.fee, remainder: then.remainder };
        let is_reversal = receipt.reverses.is_some();
        if is_reversal {
            // It returns the same part of what the order comes to now.
            let Some(was) = self.amounts(receipt, &receipt.rate)? else { return Ok(None) };
            let returned: i128 = money_of(&receipt.postings).map(micros).sum();
            let part = |of: i64| -> Option<i64> {
                let whole = i128::from(was.gross);
                if whole == 0 {
                    return Some(0);
                }
                i64::try_from(i128::from(of).checked_mul(returned)? / whole).ok()
            };
            let parts = part(money.net).zip(part(money.fee)).zip(part(money.remainder));
            let ((net, fee), remainder) = parts.ok_or_else(beyond)?;
            money = Money { net, fee, remainder };
        }
        let decimal = |micros: i64| Decimal::from_micros(micros).ok_or_else(beyond);
        let gross = decimal(i64::try_from(money.gross()).map_err(|_| beyond())?)?;
        let mut turned = receipt.clone();
        turned.rate = rate;
        turned.postings.retain(|line| !is_settlement(line));
        let debtor = Account::Position(settlement.debtor.clone());
        let creditor = Account::Position(settlement.creditor.clone());
        for (amount, other) in [
            (money.net, creditor),
            (money.fee, Account::Fees),
            (money.remainder, Account::Rounding),
        ] {
            if amount > 0 {
                let asset = Asset::Currency(settlement.currency.clone());
                let (debit, credit) =
                    if is_reversal { (other, debtor.clone()) } else { (debtor.clone(), other) };
                turned.postings.push(Posting { amount: decimal(amount)?, asset, credit, debit });
            }
        }
        turned.settlement = Some(Settlement {
            fee: decimal(money.fee)?,
            gross,
            net: decimal(money.net)?,
            remainder: decimal(money.remainder)?,
            ..settlement.clone()
        });
        Ok(Some(turned))
    }

    /// The rate under the other terms; none where it stays what it was.
    fn rate(&self, receipt: &Receipt) -> Result<Option<Rate>, WhatIfFault> {
        let beyond = || WhatIfFault::Beyond(receipt.transaction);
        let was = &receipt.rate;
        let fee = match self.terms.fee {
            None => was.fee,
            Some(_) if was.fee.is_zero() => was.fee,
            Some(OtherFee::Rate(rate)) => rate,
            Some(OtherFee::Times(times)) => product(was.fee, times).ok_or_else(beyond)?,
        };
        let value = |side: &SideOf<_>, was: Decimal| {
            let times = program(side).and_then(|program| self.terms.values.get(program));
            times.map_or(Some(was), |times| product(was, *times)).ok_or_else(beyond)
        };
        let source_value = value(&receipt.source, was.source_value)?;
        let target_value = value(&receipt.target, was.target_value)?;
        let surcharge = was.surcharge.min(fee);
        let then = Rate { fee, source_value, surcharge, target_value, ..was.clone() };
        Ok((then != *was).then_some(then))
    }

    /// What the order comes to at this rate; none where that is too small.
    fn amounts(&self, receipt: &Receipt, rate: &Rate) -> Result<Option<Amounts>, WhatIfFault> {
        let beyond = || WhatIfFault::Beyond(receipt.transaction);
        let minor = |amount: Decimal, scale: u32| amount.to_minor(scale).ok_or_else(beyond);
        let worked = match (&receipt.source, &receipt.target) {
            (SideOf::Partner { .. }, target) => {
                let scale = self.scale(target)?;
                let amount = minor(target.amount(), scale)?;
                arithmetic::accrual(scale, rate.target_value, rate.fee, amount)
            }
            (source, target @ SideOf::Account(_)) => {
                let terms = rate.terms(self.scale(source)?, self.scale(target)?);
                let amount = minor(source.amount(), terms.source_scale)?;
                arithmetic::exchange_by_source(&terms, amount)
            }
            (source, target) => {
                let terms = rate.terms(self.scale(source)?, limits::MONEY_SCALE);
                arithmetic::exchange_by_target(&terms, target.amount().micros())
            }
        };
        match worked {
            Ok(amounts) => Ok(Some(amounts)),
            Err(ArithmeticError::TooSmall) => Ok(None),
            Err(_) => Err(beyond()),
        }
    }

    fn scale<M>(&self, side: &SideOf<M>) -> Result<u32, WhatIfFault> {
        let Some(program) = program(side) else { return Ok(limits::MONEY_SCALE) };
        let known = self.scales.get(program).copied();
        known.ok_or_else(|| WhatIfFault::NoProgram(program.clone()))
    }

    fn within_cap(&self, debtor: &PartnerId, postings: &[Posting]) -> bool {
        let Some(cap) = self.terms.caps.get(debtor).copied().or(self.terms.cap) else {
            return true;
        };
        let owes: i128 = money_of(postings).filter(|line| is_settlement(line)).map(micros).sum();
        let position = self.positions.get(debtor).copied().unwrap_or(0);
        position - owes >= -i128::from(cap.micros())
    }

    fn count(&mut self, postings: &[Posting]) {
        for line in money_of(postings) {
            for (account, signed) in [(&line.debit, -micros(line)), (&line.credit, micros(line))] {
                if let Account::Position(partner) = account {
                    *self.positions.entry(partner.clone()).or_insert(0) += signed;
                }
            }
        }
    }
}

fn program<M>(side: &SideOf<M>) -> Option<&ProgramId> {
    match side {
        SideOf::Account(AccountSide { program, .. }) => Some(program),
        SideOf::Item(_) | SideOf::Partner { .. } => None,
    }
}

fn money_of(postings: &[Posting]) -> impl Iterator<Item = &Posting> {
    postings.iter().filter(|line| matches!(line.asset, Asset::Currency(_)))
}

fn micros(line: &Posting) -> i128 {
    i128::from(line.amount.micros())
}

/// Whether a line is of what an order settles: net, fee or remainder.
fn is_settlement(line: &Posting) -> bool {
    let of = |account: &Account| {
        matches!(account, Account::Position(_) | Account::Fees | Account::Rounding)
    };
    matches!(line.asset, Asset::Currency(_)) && of(&line.debit) && of(&line.credit)
}

/// A product, rounded down to six decimals.
fn product(one: Decimal, other: Decimal) -> Option<Decimal> {
    let product = i128::from(one.micros()) * i128::from(other.micros()) / 1_000_000;
    Decimal::from_micros(i64::try_from(product).ok()?)
}

#[cfg(test)]
mod tests;
