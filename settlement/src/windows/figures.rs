//! What a window's receipts come to: one pass, memory by pair of partners and by campaign, never by
//! receipt.

use std::collections::BTreeMap;

use alliance_contracts::ids::CampaignId;
use alliance_contracts::names::{ALLIANCE_PARTY, Currency, Party};
use alliance_contracts::receipt::{Account, Asset, Receipt};
use alliance_contracts::revenue::RevenueFault;
use alliance_contracts::total::Total;

use crate::netting::{NettingFault, Obligations};
use crate::revenue::FeeIncome;

/// Why a window's figures cannot be worked out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FiguresFault {
    /// What is owed.
    #[error(transparent)]
    Netting(#[from] NettingFault),
    /// What was earned.
    #[error(transparent)]
    Revenue(#[from] RevenueFault),
    /// Money of another currency.
    #[error("a receipt of {0} moves money of another currency")]
    Currency(String),
}

/// What receipts so far come to.
#[derive(Clone, Debug)]
pub struct Figures {
    currency: Currency,
    alliance: Party,
    owed: Obligations,
    income: FeeIncome,
    campaigns: BTreeMap<CampaignId, i128>,
    receipts: u64,
}

impl Figures {
    /// Of no receipt, in the settlement currency.
    #[must_use]
    pub fn new(currency: Currency) -> Self {
        Self {
            currency,
            alliance: alliance(),
            owed: Obligations::new(),
            income: FeeIncome::new(),
            campaigns: BTreeMap::new(),
            receipts: 0,
        }
    }

    /// Adds a receipt. `in_window` tells whether what it earned is the window's to share, or was
    /// shared before, with a window that was aborted after it was netted.
    ///
    /// # Errors
    /// [`FiguresFault`].
    pub fn add(&mut self, receipt: &Receipt, in_window: bool) -> Result<(), FiguresFault> {
        self.receipts += 1;
        let settles_another =
            receipt.adjustment.as_ref().is_some_and(|made| !made.cause.is_obligation());
        if settles_another {
            return Ok(());
        }
        for line in &receipt.postings {
            let Asset::Currency(currency) = &line.asset else { continue };
            if *currency != self.currency {
                return Err(FiguresFault::Currency(receipt.corridor.to_string()));
            }
            let amount = i128::from(line.amount.micros());
            let (debtor, creditor) = (self.party(&line.debit), self.party(&line.credit));
            self.owed.add(&debtor, &creditor, amount)?;
            if in_window && receipt.adjustment.is_none() {
                self.spend(&line.debit, amount);
                self.spend(&line.credit, -amount);
            }
        }
        if in_window && receipt.adjustment.is_none() {
            self.income.add(receipt)?;
        }
        Ok(())
    }

    /// Whose an account is, between parties: what is not a partner's position is the alliance's.
    fn party(&self, account: &Account) -> Party {
        match account {
            Account::Position(partner) => Party::from(partner),
            _ => self.alliance.clone(),
        }
    }

    fn spend(&mut self, account: &Account, amount: i128) {
        if let Account::Campaign(campaign) = account {
            *self.campaigns.entry(*campaign).or_insert(0) += amount;
        }
    }

    /// Adds what other receipts come to.
    ///
    /// # Errors
    /// [`FiguresFault::Netting`], [`FiguresFault::Revenue`].
    pub fn merge(&mut self, other: Self) -> Result<(), FiguresFault> {
        self.owed.merge(&other.owed)?;
        self.income.merge(&other.income)?;
        for (campaign, spent) in other.campaigns {
            *self.campaigns.entry(campaign).or_insert(0) += spent;
        }
        self.receipts += other.receipts;
        Ok(())
    }

    /// How many receipts.
    #[must_use]
    pub const fn receipts(&self) -> u64 {
        self.receipts
    }

    /// What `alliance:fees` received, less what it gave back.
    #[must_use]
    pub fn fees(&self) -> Total {
        let both = self.income.corridors().map(|(_, income)| {
            let fees = income.fees;
            fees.from_low.micros().saturating_add(fees.from_high.micros())
        });
        Total::from_micros(both.fold(0, i128::saturating_add))
    }

    pub(super) fn owe(
        &mut self,
        debtor: &Party,
        creditor: &Party,
        micros: i128,
    ) -> Result<(), FiguresFault> {
        Ok(self.owed.add(debtor, creditor, micros)?)
    }

    pub(super) const fn owed(&self) -> &Obligations {
        &self.owed
    }

    pub(super) const fn income(&self) -> &FeeIncome {
        &self.income
    }

    /// What each campaign gave, where it gave anything.
    pub(super) fn campaigns(&self) -> impl Iterator<Item = (CampaignId, i128)> {
        self.campaigns.iter().map(|(id, spent)| (*id, *spent)).filter(|(_, spent)| *spent != 0)
    }
}

pub(super) fn alliance() -> Party {
    ALLIANCE_PARTY.parse().expect("the alliance's own name is one of a party")
}
