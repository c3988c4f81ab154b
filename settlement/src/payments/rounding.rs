//! Banks pay minor units, books have six decimals: what is paid now, and what is carried.
//!
//! What two parties owe each other is paid rounded toward zero to the currency's minor unit; the
//! residual stays owed between the same two and is the opening of the next window. Nobody pays more
//! than it owes, and nobody comes to owe anybody new.
//!
//! | how an alliance settles | the pairs |
//! | --- | --- |
//! | through the alliance (novated) | the alliance with each partner: its net, rounded toward zero |
//! | bilaterally, or set off | the pairs that pay in the netting certificate |
//!
//! So each party's `payment + carried = net`, and every column sums to zero, whichever the pairs:
//! what one of two is paid, the other pays. What a partner carries is less than one minor unit for
//! each pair that it is in: less than one, where it settles with the alliance alone.

use std::collections::BTreeMap;

use alliance_contracts::names::{ALLIANCE_PARTY, Currency, PartnerId, Party};
use alliance_contracts::netting::{CertificateFault, NettingCertificate, Owed, differences};
use alliance_contracts::total::Total;

use super::currencies::{MAX_MINOR, MinorUnit};

/// What a partner has with the alliance in one window, in the settlement currency; above zero where
/// it is owed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The partner.
    pub partner: PartnerId,
    /// What was carried into the window.
    pub opening: Total,
    /// What the window did.
    pub activity: Total,
}

/// What one party owes another at the end of a window. Either part may be below zero: then it is
/// the other way round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Who owes.
    pub debtor: Party,
    /// Who is owed.
    pub creditor: Party,
    /// What was carried into the window.
    pub opening: Total,
    /// What the window did, or what is left of it after setting off.
    pub activity: Total,
}

/// One party's line of a settled window. Above zero: the party is owed, or is paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// A partner, or the alliance itself.
    pub party: Party,
    /// What was carried into the window.
    pub opening: Total,
    /// What the window did.
    pub activity: Total,
    /// `opening + activity`.
    pub net: Total,
    /// What banks move; a multiple of the minor unit.
    pub payment: Total,
    /// `net - payment`: the opening of the next window.
    pub carried: Total,
}

/// One payment between two parties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Who pays.
    pub debtor: Party,
    /// Who is paid.
    pub creditor: Party,
    /// How many minor units; above zero.
    pub minor: u64,
}

/// What stays owed between two parties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// Who owes.
    pub debtor: Party,
    /// Who is owed.
    pub creditor: Party,
    /// How much; above zero, less than one minor unit.
    pub amount: Total,
}

/// What a window comes to. Every list is in byte order of its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The settlement currency.
    pub currency: Currency,
    /// A line for each partner, and one for the alliance. Every column sums to zero.
    pub lines: Vec<Settled>,
    /// What is paid, at most one payment a pair.
    pub payments: Vec<Payment>,
    /// What stays owed, at most one entry a pair.
    pub carried: Vec<Carried>,
}

/// Why nothing can be settled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoundingFault {
    /// A currency that banks do not pay.
    #[error("{0} has no minor unit in ISO 4217: no bank pays it")]
    NoMinorUnit(Currency),
    /// A partner with two positions.
    #[error("{0} is there twice")]
    Twice(PartnerId),
    /// A payment beyond 18 digits.
    #[error("{debtor} would pay {creditor} more than 18 digits")]
    TooLarge {
        /// Who would pay.
        debtor: Party,
        /// Who would be paid.
        creditor: Party,
    },
    /// A total beyond 38 digits.
    #[error("a total beyond what can be counted")]
    Beyond,
}

/// How parties pay each other where the alliance does not novate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Each pair the difference.
    Bilateral,
    /// Cycles cancelled, along what is owed.
    SetOff,
}

/// What is due between parties, as a netting certificate says it.
///
/// # Errors
/// [`RoundingFault::Beyond`], of a certificate that was not checked.
pub fn dues(certificate: &NettingCertificate, way: Way) -> Result<Vec<Due>, RoundingFault> {
    let beyond = |_: CertificateFault| RoundingFault::Beyond;
    let paid = match way {
        Way::Bilateral => differences(&certificate.obligations).map_err(beyond)?,
        Way::SetOff => certificate.set_off.paid.clone(),
    };
    let party = |place: u32| {
        let found = usize::try_from(place).ok().and_then(|at| certificate.parties.get(at));
        found.cloned().ok_or(RoundingFault::Beyond)
    };
    let due = |owed: Owed| {
        let (debtor, creditor) = (party(owed.debtor)?, party(owed.creditor)?);
        Ok(Due { debtor, creditor, opening: Total::ZERO, activity: owed.amount })
    };
    paid.into_iter().map(due).collect()
}

impl From<Carried> for Due {
    /// What a window carried, as the next one finds it.
    fn from(carried: Carried) -> Self {
        let Carried { debtor, creditor, amount } = carried;
        Self { debtor, creditor, opening: amount, activity: Total::ZERO }
    }
}

/// Settles a window through the alliance: it pays whoever is owed, and is paid by whoever owes.
///
/// # Errors
/// [`RoundingFault`].
pub fn through_alliance(
    currency: &Currency,
    positions: &[Position],
) -> Result<Settlement, RoundingFault> {
    let alliance = alliance();
    let due = |position: &Position| Due {
        debtor: alliance.clone(),
        creditor: party(&position.partner),
        opening: position.opening,
        activity: position.activity,
    };
    let partners: Vec<PartnerId> = positions.iter().map(|p| p.partner.clone()).collect();
    between_parties(currency, &partners, positions.iter().map(due))
}

/// Settles a window pair by pair. `dues` are what was carried into it and what [`dues`] of its
/// certificate says, in any order; what a pair has several times, either way round, is added up.
/// Every partner gets a line, and so does whoever else is in `dues`.
///
/// # Errors
/// [`RoundingFault`].
pub fn between_parties(
    currency: &Currency,
    partners: &[PartnerId],
    dues: impl IntoIterator<Item = Due>,
) -> Result<Settlement, RoundingFault> {
    let unit = MinorUnit::of(currency);
    let unit = unit.ok_or_else(|| RoundingFault::NoMinorUnit(currency.clone()))?;
    let mut sums = BTreeMap::from([(alliance(), Sums::default())]);
    for partner in partners {
        if sums.insert(party(partner), Sums::default()).is_some() {
            return Err(RoundingFault::Twice(partner.clone()));
        }
    }
    let pairs = pairs(dues)?;
    let mut settlement = Settlement {
        currency: currency.clone(),
        lines: Vec::new(),
        payments: Vec::new(),
        carried: Vec::new(),
    };
    for ((low, high), pair) in pairs {
        let pair = pair.rounded(unit)?;
        sums.entry(low.clone()).or_default().take_away(&pair)?;
        sums.entry(high.clone()).or_default().add(&pair)?;
        settlement.pay(&low, &high, pair.payment, unit)?;
        settlement.carry(low, high, pair.carried);
    }
    let by_names = |a: (&Party, &Party), b: (&Party, &Party)| a.cmp(&b);
    settlement
        .payments
        .sort_by(|a, b| by_names((&a.debtor, &a.creditor), (&b.debtor, &b.creditor)));
    settlement.carried.sort_by(|a, b| by_names((&a.debtor, &a.creditor), (&b.debtor, &b.creditor)));
    settlement.lines = sums.into_iter().map(|(party, sums)| sums.line(party)).collect();
    Ok(settlement)
}

fn alliance() -> Party {
    ALLIANCE_PARTY.parse().expect("the alliance's own name is one of a party")
}

fn party(partner: &PartnerId) -> Party {
    partner.as_str().parse().expect("a partner's name is one of a party")
}

/// The five columns of a line or of a pair, in 10⁻⁶. A pair's are what the first owes the second.
#[derive(Clone, Copy, Default)]
struct Sums {
    opening: i128,
    activity: i128,
    net: i128,
    payment: i128,
    carried: i128,
}

/// What each two parties, in order, have between them.
fn pairs(
    dues: impl IntoIterator<Item = Due>,
) -> Result<BTreeMap<(Party, Party), Sums>, RoundingFault> {
    let mut pairs: BTreeMap<(Party, Party), Sums> = BTreeMap::new();
    for Due { debtor, creditor, opening, activity } in dues {
        let due =
            Sums { opening: opening.micros(), activity: activity.micros(), ..Sums::default() };
        if debtor < creditor {
            pairs.entry((debtor, creditor)).or_default().add(&due)?;
        } else if creditor < debtor {
            pairs.entry((creditor, debtor)).or_default().take_away(&due)?;
        }
        // What one owes itself is no debt.
    }
    Ok(pairs)
}

impl Sums {
    fn each(
        &mut self,
        other: &Self,
        change: fn(i128, i128) -> Option<i128>,
    ) -> Result<(), RoundingFault> {
        for (mine, theirs) in [
            (&mut self.opening, other.opening),
            (&mut self.activity, other.activity),
            (&mut self.net, other.net),
            (&mut self.payment, other.payment),
            (&mut self.carried, other.carried),
        ] {
            *mine = change(*mine, theirs).ok_or(RoundingFault::Beyond)?;
        }
        Ok(())
    }

    fn add(&mut self, other: &Self) -> Result<(), RoundingFault> {
        self.each(other, i128::checked_add)
    }

    fn take_away(&mut self, other: &Self) -> Result<(), RoundingFault> {
        self.each(other, i128::checked_sub)
    }

    /// What the pair pays and carries. Division of whole numbers rounds toward zero.
    fn rounded(self, unit: MinorUnit) -> Result<Self, RoundingFault> {
        let net = self.opening.checked_add(self.activity).ok_or(RoundingFault::Beyond)?;
        let payment = net / unit.micros() * unit.micros();
        Ok(Self { net, payment, carried: net - payment, ..self })
    }

    fn line(self, party: Party) -> Settled {
        Settled {
            party,
            opening: Total::from_micros(self.opening),
            activity: Total::from_micros(self.activity),
            net: Total::from_micros(self.net),
            payment: Total::from_micros(self.payment),
            carried: Total::from_micros(self.carried),
        }
    }
}

impl Settlement {
    /// What `low` pays `high`, below zero the other way round.
    fn pay(
        &mut self,
        low: &Party,
        high: &Party,
        payment: i128,
        unit: MinorUnit,
    ) -> Result<(), RoundingFault> {
        if payment == 0 {
            return Ok(());
        }
        let (debtor, creditor) = if payment > 0 { (low, high) } else { (high, low) };
        let (debtor, creditor) = (debtor.clone(), creditor.clone());
        let minor = u64::try_from(payment.unsigned_abs() / unit.micros().unsigned_abs());
        match minor {
            Ok(minor @ ..=MAX_MINOR) => {
                self.payments.push(Payment { debtor, creditor, minor });
                Ok(())
            }
            _ => Err(RoundingFault::TooLarge { debtor, creditor }),
        }
    }

    /// What `low` goes on owing `high`, below zero the other way round.
    fn carry(&mut self, low: Party, high: Party, carried: i128) {
        if carried == 0 {
            return;
        }
        let (debtor, creditor) = if carried > 0 { (low, high) } else { (high, low) };
        // Less than one minor unit, either way.
        let amount = Total::from_micros(carried.abs());
        self.carried.push(Carried { debtor, creditor, amount });
    }
}
