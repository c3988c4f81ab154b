//! Netting: the least money that discharges what everybody owes, with a certificate of it.
//!
//! | file | what |
//! | --- | --- |
//! | `set_off` | cycles cancelled so that least is left to be paid: a minimum cost flow |
//!
//! Pure: the same obligations give the same bytes, in whatever order they come. What a certificate
//! says and how it is checked is [`alliance_contracts::netting`]; this module finds it, and nothing
//! here is trusted by whoever checks.
//!
//! Deliberately absent: openings and rounding to a bank's units (payments), and who may novate
//! (the alliance's rules): a run always says all four ways.

mod set_off;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use alliance_contracts::ids::WindowId;
use alliance_contracts::names::{AllianceId, Currency, Party};
use alliance_contracts::netting::{
    CertificateFault, NettingCertificate, Owed, SetOff, differences, effort_of, novated,
};
use alliance_contracts::total::Total;

use set_off::least;

/// So many parties at most: the places of parties, and of the flow's nodes, are small numbers.
pub const MAX_PARTIES: usize = 100_000;

/// A run that cannot be worked out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NettingFault {
    /// More than [`MAX_PARTIES`].
    #[error("more than {MAX_PARTIES} parties")]
    TooManyParties,
    /// A total beyond 38 digits.
    #[error("a total beyond what can be counted")]
    Beyond,
}

impl From<CertificateFault> for NettingFault {
    /// What is added up here can only be too large; every other fault is one of documents.
    fn from(_: CertificateFault) -> Self {
        Self::Beyond
    }
}

/// What parties owe each other, added up as receipts are read: memory for pairs, not for receipts.
#[derive(Clone, Debug, Default)]
pub struct Obligations {
    owed: BTreeMap<(Party, Party), i128>,
}

impl Obligations {
    /// Nobody owes anything.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// `debtor` owes `creditor` so many 10⁻⁶ more. Nothing, and what one owes itself, is no
    /// obligation.
    ///
    /// # Errors
    /// [`NettingFault::Beyond`].
    pub fn add(
        &mut self,
        debtor: &Party,
        creditor: &Party,
        micros: i128,
    ) -> Result<(), NettingFault> {
        if micros == 0 || debtor == creditor {
            return Ok(());
        }
        let owed = self.owed.entry((debtor.clone(), creditor.clone())).or_default();
        *owed = owed.checked_add(micros).ok_or(NettingFault::Beyond)?;
        Ok(())
    }

    /// What is owed elsewhere, added.
    ///
    /// # Errors
    /// [`NettingFault::Beyond`].
    pub fn merge(&mut self, other: &Self) -> Result<(), NettingFault> {
        for ((debtor, creditor), micros) in &other.owed {
            self.add(debtor, creditor, *micros)?;
        }
        Ok(())
    }

    /// All parties in byte order, and what each owes each other one, by their places.
    fn listed(&self) -> Result<(Vec<Party>, Vec<Owed>), NettingFault> {
        let names: BTreeSet<&Party> = self.owed.keys().flat_map(|(a, b)| [a, b]).collect();
        if names.len() > MAX_PARTIES {
            return Err(NettingFault::TooManyParties);
        }
        let places: BTreeMap<&Party, u32> = names.iter().copied().zip(0..).collect();
        let place = |((debtor, creditor), micros): (&(Party, Party), &i128)| Owed {
            debtor: places[debtor],
            creditor: places[creditor],
            amount: Total::from_micros(*micros),
        };
        // Places are in the order of names, and so are the map's keys.
        let obligations = self.owed.iter().map(place).collect();
        Ok((names.into_iter().cloned().collect(), obligations))
    }
}

/// What a run is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The alliance.
    pub alliance: AllianceId,
    /// The settlement currency.
    pub currency: Currency,
    /// The window; none where obligations are from a file.
    pub window: Option<WindowId>,
    /// Windows aborted before whose obligations are in it, oldest first.
    pub carried: Vec<WindowId>,
}

/// Nets what is owed, all four ways.
///
/// # Errors
/// [`NettingFault`].
pub fn net(run: Run, owed: &Obligations) -> Result<NettingCertificate, NettingFault> {
    let (parties, obligations) = owed.listed()?;
    let nets = nets(parties.len(), &obligations)?;
    let (paid, distances) = least(parties.len(), &obligations, &nets);
    Ok(NettingCertificate {
        alliance: run.alliance,
        bilateral: effort_of(&differences(&obligations)?)?,
        carried: run.carried,
        currency: run.currency,
        gross: effort_of(&obligations)?,
        multilateral: novated(&parties, &nets)?,
        nets: nets.into_iter().map(Total::from_micros).collect(),
        obligations,
        parties,
        set_off: SetOff { distances, effort: effort_of(&paid)?, paid },
        v: 1,
        window: run.window,
    })
}

fn nets(parties: usize, obligations: &[Owed]) -> Result<Vec<i128>, NettingFault> {
    let mut nets = vec![0_i128; parties];
    for owed in obligations {
        let amount = owed.amount.micros();
        let debtor = &mut nets[owed.debtor as usize];
        *debtor = debtor.checked_sub(amount).ok_or(NettingFault::Beyond)?;
        let creditor = &mut nets[owed.creditor as usize];
        *creditor = creditor.checked_add(amount).ok_or(NettingFault::Beyond)?;
    }
    Ok(nets)
}
