//! Which account of the tools stands for which of ours.
//!
//! Signs are the receipts': who gives is below zero, who receives above. So the journal says who
//! has what, and what is issued stands below zero as the liability that it is. A name's own
//! characters are kept; beancount's is the same with its parts beginning with a capital or a digit.

use std::fmt;

use alliance_contracts::names::ProgramId;
use alliance_contracts::receipt::Account;

use super::Members;

/// An account, all members of a program as one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holder {
    /// All members of a program.
    Members(ProgramId),
    /// Any other account.
    Account(Account),
}

impl Holder {
    /// Who holds what an account has.
    #[must_use]
    pub fn of(account: &Account) -> Self {
        match account {
            Account::Member(program, _) => Self::Members(program.clone()),
            other => Self::Account(other.clone()),
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Members(program) => write!(f, "members:{program}"),
            Self::Account(account) => account.fmt(f),
        }
    }
}

/// The first part of an account's name: what reports of the tools go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// What somebody has, or owes where it is below zero.
    Assets,
    /// What a program owes its members, below zero.
    Liabilities,
    /// What is given out of somebody's own, below zero.
    Equity,
}

impl Class {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Assets => "assets",
            Self::Liabilities => "liabilities",
            Self::Equity => "equity",
        }
    }
}

/// An account's name in parts, the class first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Path {
    class: Class,
    parts: Vec<String>,
}

impl Path {
    fn new(class: Class, parts: &[&dyn ToString]) -> Self {
        Self { class, parts: parts.iter().map(|part| part.to_string()).collect() }
    }

    /// The table of docs/formats/journal.md. No account is left out, so that a new one is given
    /// its place here before anything compiles.
    pub(super) fn of_account(account: &Account, members: Members) -> Self {
        match account {
            Account::Member(program, pseudonym) => match members {
                Members::Folded => Self::new(Class::Assets, &[&"members", program]),
                Members::Pseudonyms => {
                    // Its first letter makes it a word that begins as beancount wants.
                    let shown = format!("m{pseudonym}");
                    Self::new(Class::Assets, &[&"members", program, &shown])
                }
            },
            Account::Issued(program) => Self::new(Class::Liabilities, &[&"issued", program]),
            Account::Position(partner) => Self::new(Class::Assets, &[&"positions", partner]),
            Account::Held(partner) => Self::new(Class::Assets, &[&"held", partner]),
            Account::Fees => Self::new(Class::Assets, &[&"alliance", &"fees"]),
            Account::Rounding => Self::new(Class::Assets, &[&"alliance", &"rounding"]),
            Account::Campaign(campaign) => Self::new(Class::Equity, &[&"campaigns", campaign]),
            Account::Bank => Self::new(Class::Equity, &[&"bank"]),
            Account::Losses => Self::new(Class::Equity, &[&"losses"]),
            Account::Prefunding(partner) => Self::new(Class::Assets, &[&"prefunding", partner]),
            Account::Collateral(partner) => Self::new(Class::Assets, &[&"collateral", partner]),
        }
    }

    pub(super) fn of_holder(holder: &Holder) -> Self {
        match holder {
            Holder::Members(program) => Self::new(Class::Assets, &[&"members", program]),
            Holder::Account(account) => Self::of_account(account, Members::Folded),
        }
    }

    /// As hledger has it: `assets:positions:aurora-air`.
    pub(super) fn hledger(&self) -> String {
        let mut name = self.class.as_str().to_owned();
        for part in &self.parts {
            name.push(':');
            name.push_str(part);
        }
        name
    }

    /// As beancount has it: `Assets:Positions:Aurora-air`. Our names are lower case, so that a
    /// capital hides nothing; the `_` of an id, which it does not take, is a `-`.
    pub(super) fn beancount(&self) -> String {
        let parts = std::iter::once(self.class.as_str()).chain(self.parts.iter().map(|p| &**p));
        let capital = |part: &str| {
            let mut letters = part.replace('_', "-");
            if let Some(first) = letters.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            letters
        };
        parts.map(capital).collect::<Vec<_>>().join(":")
    }
}
