//! What a netting run did, as a document that anyone can check: no obligation created, every
//! party's net unchanged, and no cheaper way to cancel cycles.
//!
//! | how debts are discharged | who pays whom | what may be done |
//! | --- | --- | --- |
//! | gross | each what it owes, both ways | nothing |
//! | bilateral | each pair the difference | set off within a pair |
//! | set-off | along what is owed, the least | cancel cycles of any length; nobody owes anybody new |
//! | multilateral | debtors the alliance, the alliance creditors | novate: the alliance becomes everybody's counterparty |
//!
//! Checking takes additions and comparisons of whole numbers, one pass over the document. That the
//! set-off is the *least* possible is proved by [`SetOff::distances`]: for whole numbers d, one a
//! party, no set-off can move less than Σ d(p) × net(p) − Σ owed × max(0, d(creditor) − d(debtor) −
//! 1), the sums over parties and over obligations (weak duality of linear programs: Ahuja,
//! Magnanti, Orlin, *Network Flows*, § 9.4). The document's d reach exactly what was moved.
//!
//! Deliberately absent: how the distances were found (`settlement`), openings and payments,
//! rounding.

use serde::{Deserialize, Serialize};

use crate::ids::WindowId;
use crate::names::{AllianceId, Currency, Party};
use crate::total::Total;

/// That one party owes another. On the wire `[debtor, creditor, "amount"]`; parties by their place
/// in [`NettingCertificate::parties`], from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u32, u32, Total)", into = "(u32, u32, Total)")]
pub struct Owed {
    /// Who owes.
    pub debtor: u32,
    /// Who is owed.
    pub creditor: u32,
    /// How much, in the settlement currency; above zero.
    pub amount: Total,
}

impl From<(u32, u32, Total)> for Owed {
    fn from((debtor, creditor, amount): (u32, u32, Total)) -> Self {
        Self { debtor, creditor, amount }
    }
}

impl From<Owed> for (u32, u32, Total) {
    fn from(owed: Owed) -> Self {
        (owed.debtor, owed.creditor, owed.amount)
    }
}

/// What one way of discharging debts takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Effort {
    /// The money that moves: the sum of all payments.
    pub moved: Total,
    /// How many payments.
    pub payments: u32,
}

/// Cycles cancelled: what remains to be paid along what was owed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetOff {
    /// For each party a whole number; together they prove that no set-off moves less.
    pub distances: Vec<u32>,
    /// What it takes.
    pub effort: Effort,
    /// Every payment, by debtor, then creditor.
    pub paid: Vec<Owed>,
}

/// One netting run. Every list is in the order that it says, so that a run has one spelling.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NettingCertificate {
    /// The alliance.
    pub alliance: AllianceId,
    /// Each pair pays the difference.
    pub bilateral: Effort,
    /// Windows that were aborted before and whose obligations are in this run, oldest first.
    pub carried: Vec<WindowId>,
    /// The settlement currency of every amount.
    pub currency: Currency,
    /// Each pays each what it owes.
    pub gross: Effort,
    /// Debtors pay the alliance, the alliance pays creditors; nothing is paid to or by the alliance
    /// for its own net.
    pub multilateral: Effort,
    /// Each party's net: what it is owed less what it owes.
    pub nets: Vec<Total>,
    /// What each party owes each other one in all, by debtor, then creditor.
    pub obligations: Vec<Owed>,
    /// Everybody who owes or is owed, in byte order.
    pub parties: Vec<Party>,
    /// Cycles cancelled.
    pub set_off: SetOff,
    /// 1.
    pub v: u8,
    /// The window whose receipts these obligations are from; null where they are from a file.
    pub window: Option<WindowId>,
}

/// The rule that a certificate breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    /// Not version 1.
    #[error("not version 1")]
    Version,
    /// A party twice, or out of order.
    #[error("parties are not in order: {0}")]
    PartyOrder(Party),
    /// One list has not one member for each party.
    #[error("{0} has not one member for each party")]
    Length(&'static str),
    /// Names a party that is not there, or one that owes itself; or not above zero.
    #[error("{list}, entry {entry}: not an amount above zero from one party to another")]
    Entry {
        /// `obligations` or `set_off.paid`.
        list: &'static str,
        /// From 0.
        entry: usize,
    },
    /// A pair twice, or out of order.
    #[error("{list}, entry {entry}: not in order")]
    EntryOrder {
        /// `obligations` or `set_off.paid`.
        list: &'static str,
        /// From 0.
        entry: usize,
    },
    /// A party's net is not what it is owed less what it owes.
    #[error("the net of {0} is not what it is owed less what it owes")]
    Net(Party),
    /// Set-off leaves a party with another net.
    #[error("set-off changes the net of {0}")]
    SetOffNet(Party),
    /// A payment along what nobody owed, or of more than was owed.
    #[error("set-off creates an obligation of {debtor} to {creditor}")]
    SetOffCreates {
        /// Who would pay.
        debtor: Party,
        /// Who would be paid.
        creditor: Party,
    },
    /// The distances do not prove that no set-off moves less.
    #[error("set-off moves {moved}; the distances prove only that none moves less than {proved}")]
    SetOffNotLeast {
        /// What it moves.
        moved: Total,
        /// What the distances prove.
        proved: Total,
    },
    /// A comparison says something else than its list.
    #[error("what {0} takes is not what the list says")]
    Effort(&'static str),
    /// A total beyond 38 digits.
    #[error("a total beyond what can be counted")]
    Beyond,
}

impl NettingCertificate {
    /// Checks the whole document by itself: steps 1 to 6 of docs/formats/netting.md.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self) -> Result<(), CertificateFault> {
        self.check_form()?;
        let nets = self.nets_of(&self.obligations)?;
        if let Some(at) = (0..nets.len()).find(|&at| nets[at] != self.nets[at].micros()) {
            return Err(CertificateFault::Net(self.parties[at].clone()));
        }
        let paid = self.nets_of(&self.set_off.paid)?;
        if let Some(at) = (0..nets.len()).find(|&at| nets[at] != paid[at]) {
            return Err(CertificateFault::SetOffNet(self.parties[at].clone()));
        }
        self.check_created()?;
        self.check_least(&nets)?;
        self.check_efforts(&nets)
    }

    fn check_form(&self) -> Result<(), CertificateFault> {
        if self.v != 1 {
            return Err(CertificateFault::Version);
        }
        if let Some(pair) = self.parties.windows(2).find(|pair| pair[0] >= pair[1]) {
            return Err(CertificateFault::PartyOrder(pair[1].clone()));
        }
        let lengths =
            [("nets", self.nets.len()), ("set_off.distances", self.set_off.distances.len())];
        if let Some((list, _)) = lengths.iter().find(|(_, len)| *len != self.parties.len()) {
            return Err(CertificateFault::Length(list));
        }
        self.check_list("obligations", &self.obligations)?;
        self.check_list("set_off.paid", &self.set_off.paid)
    }

    fn check_list(&self, list: &'static str, owed: &[Owed]) -> Result<(), CertificateFault> {
        let known = |party: u32| (party as usize) < self.parties.len();
        let sound = |owed: &Owed| {
            let parties = known(owed.debtor) && known(owed.creditor);
            parties && owed.debtor != owed.creditor && owed.amount > Total::ZERO
        };
        if let Some(entry) = owed.iter().position(|owed| !sound(owed)) {
            return Err(CertificateFault::Entry { list, entry });
        }
        let place = |owed: &Owed| (owed.debtor, owed.creditor);
        match owed.windows(2).position(|pair| place(&pair[0]) >= place(&pair[1])) {
            Some(at) => Err(CertificateFault::EntryOrder { list, entry: at + 1 }),
            None => Ok(()),
        }
    }

    /// What each party is owed less what it owes. Every amount is added once and taken away once,
    /// so that nets sum to zero by themselves.
    fn nets_of(&self, owed: &[Owed]) -> Result<Vec<i128>, CertificateFault> {
        let mut nets = vec![0_i128; self.parties.len()];
        for Owed { debtor, creditor, amount } in owed {
            let amount = amount.micros();
            let debtor = &mut nets[*debtor as usize];
            *debtor = debtor.checked_sub(amount).ok_or(CertificateFault::Beyond)?;
            let creditor = &mut nets[*creditor as usize];
            *creditor = creditor.checked_add(amount).ok_or(CertificateFault::Beyond)?;
        }
        Ok(nets)
    }

    fn check_created(&self) -> Result<(), CertificateFault> {
        let place = |owed: &Owed| (owed.debtor, owed.creditor);
        let owed = &self.obligations;
        let covers = |paid: &Owed| match owed.binary_search_by_key(&place(paid), place) {
            Ok(at) => paid.amount <= owed[at].amount,
            Err(_) => false,
        };
        match self.set_off.paid.iter().find(|paid| !covers(paid)) {
            None => Ok(()),
            Some(paid) => Err(CertificateFault::SetOffCreates {
                debtor: self.parties[paid.debtor as usize].clone(),
                creditor: self.parties[paid.creditor as usize].clone(),
            }),
        }
    }

    fn check_least(&self, nets: &[i128]) -> Result<(), CertificateFault> {
        let distance = |party: u32| i128::from(self.set_off.distances[party as usize]);
        let mut proved = 0_i128;
        let mut add = |factor: i128, amount: i128| {
            let product = factor.checked_mul(amount)?;
            proved = proved.checked_add(product)?;
            Some(())
        };
        for (net, distance) in nets.iter().zip(&self.set_off.distances) {
            add(i128::from(*distance), *net).ok_or(CertificateFault::Beyond)?;
        }
        for owed in &self.obligations {
            let beyond = (distance(owed.creditor) - distance(owed.debtor) - 1).max(0);
            add(-beyond, owed.amount.micros()).ok_or(CertificateFault::Beyond)?;
        }
        let (moved, proved) = (effort_of(&self.set_off.paid)?.moved, Total::from_micros(proved));
        if moved == proved {
            Ok(())
        } else {
            Err(CertificateFault::SetOffNotLeast { moved, proved })
        }
    }

    fn check_efforts(&self, nets: &[i128]) -> Result<(), CertificateFault> {
        let said = [
            ("gross", self.gross, effort_of(&self.obligations)?),
            ("bilateral", self.bilateral, effort_of(&differences(&self.obligations)?)?),
            ("set_off", self.set_off.effort, effort_of(&self.set_off.paid)?),
            ("multilateral", self.multilateral, novated(&self.parties, nets)?),
        ];
        match said.iter().find(|(_, said, found)| said != found) {
            None => Ok(()),
            Some((way, _, _)) => Err(CertificateFault::Effort(way)),
        }
    }
}

/// What these payments take.
///
/// # Errors
/// [`CertificateFault::Beyond`].
pub fn effort_of(payments: &[Owed]) -> Result<Effort, CertificateFault> {
    let mut moved = 0_i128;
    for owed in payments {
        moved = moved.checked_add(owed.amount.micros()).ok_or(CertificateFault::Beyond)?;
    }
    let payments = u32::try_from(payments.len()).map_err(|_| CertificateFault::Beyond)?;
    Ok(Effort { moved: Total::from_micros(moved), payments })
}

/// What novation takes: one payment for each partner whose net is not zero. The alliance pays and
/// is paid nothing for itself: what it has earned stays where it is.
///
/// # Errors
/// [`CertificateFault::Beyond`].
pub fn novated(parties: &[Party], nets: &[i128]) -> Result<Effort, CertificateFault> {
    let mut effort = (0_i128, 0_u32);
    for (party, net) in parties.iter().zip(nets) {
        if *net == 0 || party.as_str() == crate::names::ALLIANCE_PARTY {
            continue;
        }
        let magnitude = net.checked_abs().ok_or(CertificateFault::Beyond)?;
        effort.0 = effort.0.checked_add(magnitude).ok_or(CertificateFault::Beyond)?;
        effort.1 += 1;
    }
    Ok(Effort { moved: Total::from_micros(effort.0), payments: effort.1 })
}

/// What each pair owes when both ways are set off: at most one entry a pair, by debtor, then
/// creditor.
///
/// # Errors
/// [`CertificateFault::Beyond`].
pub fn differences(obligations: &[Owed]) -> Result<Vec<Owed>, CertificateFault> {
    let place = |owed: &Owed| (owed.debtor, owed.creditor);
    let against = |owed: &Owed| {
        let back = (owed.creditor, owed.debtor);
        let found = obligations.binary_search_by_key(&back, place);
        found.map_or(0, |at| obligations[at].amount.micros())
    };
    let mut pairs = Vec::with_capacity(obligations.len());
    for owed in obligations {
        let amount = owed.amount.micros().checked_sub(against(owed));
        let amount = amount.ok_or(CertificateFault::Beyond)?;
        if amount > 0 {
            pairs.push(Owed { amount: Total::from_micros(amount), ..*owed });
        }
    }
    Ok(pairs)
}
