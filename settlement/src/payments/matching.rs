//! What a bank says that happened, against what it was instructed.
//!
//! | an entry is | when |
//! | --- | --- |
//! | not counted | it is not booked: pending, in the future, for information |
//! | a duplicate | account, direction, amount, date and the bank's own reference are those of an earlier one |
//! | an instruction's, by end-to-end id | it carries the id, or names it in its reference text |
//! | an instruction's, by amount and party | it carries no id of ours, and exactly one open instruction between these two accounts has this amount left |
//! | nobody's | anything else; the reason says what is missing |
//!
//! What is nobody's may be taken again: it is counted once what it belongs to is there.
//!
//! Nothing is guessed: two instructions that fit are none. Money is seen from the debtor's account,
//! from the creditor's, or from both: what one end says counts once. What comes back (a return, a
//! reversal) is taken away again. Sums do not depend on the order of entries; what an entry became
//! may, where only amount and party tell.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use alliance_contracts::names::Party;
use serde::{Deserialize, Serialize};

use super::accounts::BankAccount;
use super::entries::{BankEntry, Direction, EntryKey, EntryStatus, bare};
use super::instructions::{EndToEndId, PaymentInstruction};

/// What entries have said of one instruction, in minor units: from either end, and what came back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counted {
    /// Left the debtor's account.
    pub sent: u128,
    /// Came back to it.
    pub sent_back: u128,
    /// Arrived on the creditor's account.
    pub received: u128,
    /// Left it again, returned.
    pub given_back: u128,
}

/// How far an instruction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentState {
    /// No bank has said anything.
    Outstanding,
    /// A part is paid.
    PartlyPaid,
    /// All of it is paid.
    Paid,
    /// It was paid, and all of it came back.
    Returned,
    /// It never went: the bank refused it, or says that it came back and not that it went.
    Failed,
}

/// An instruction, and what banks have said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracked {
    /// What was instructed.
    pub instruction: PaymentInstruction,
    /// What entries have said.
    pub counted: Counted,
    /// The bank refused it, and said so in no entry: in a status report, or to a person.
    pub refused: bool,
}

impl Tracked {
    /// An instruction of which no bank has said anything.
    #[must_use]
    pub fn new(instruction: PaymentInstruction) -> Self {
        Self { instruction, counted: Counted::default(), refused: false }
    }

    /// What moved and did not come back, seen from the end that saw more of it.
    #[must_use]
    pub fn moved(&self) -> u128 {
        let Counted { sent, sent_back, received, given_back } = self.counted;
        sent.max(received).saturating_sub(sent_back.max(given_back))
    }

    /// How many minor units are paid, never more than instructed.
    #[must_use]
    pub fn paid(&self) -> u64 {
        let instructed = self.instruction.amount;
        u64::try_from(self.moved()).unwrap_or(u64::MAX).min(instructed)
    }

    /// How many minor units are not paid yet.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.instruction.amount - self.paid()
    }

    /// How many minor units more than instructed were paid.
    #[must_use]
    pub fn excess(&self) -> u128 {
        self.moved().saturating_sub(u128::from(self.instruction.amount))
    }

    /// How far it is.
    #[must_use]
    pub fn state(&self) -> PaymentState {
        let Counted { sent, sent_back, received, given_back } = self.counted;
        let (went, came_back) = (sent.max(received) > 0, sent_back.max(given_back) > 0);
        match (self.paid(), self.left()) {
            (_, 0) => PaymentState::Paid,
            (1.., _) => PaymentState::PartlyPaid,
            (0, _) if went => PaymentState::Returned,
            (0, _) if came_back || self.refused => PaymentState::Failed,
            (0, _) => PaymentState::Outstanding,
        }
    }

    /// Whether money for it may still come that names no instruction.
    fn is_open(&self) -> bool {
        let awaited = matches!(self.state(), PaymentState::Outstanding | PaymentState::PartlyPaid);
        awaited && !self.refused
    }
}

/// How an entry was found to be an instruction's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MatchedBy {
    /// It carries the end-to-end id.
    EndToEndId,
    /// Its reference text names the end-to-end id.
    Reference,
    /// Amount and party.
    AmountAndParty,
}

/// Why an entry is nobody's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unmatched {
    /// On an account that is no party's.
    #[error("the account is no party's")]
    AccountUnknown,
    /// Like an earlier one in everything, and the bank gives no reference to tell them apart.
    #[error("like an earlier entry in everything, and without the bank's own reference")]
    Indistinct,
    /// Names an instruction that is not there.
    #[error("{0} is no instruction that is looked for")]
    UnknownId(EndToEndId),
    /// Names several.
    #[error("the reference names several instructions")]
    SeveralIds,
    /// On the account of neither of the two.
    #[error("{0} is between others than the account's owner")]
    NotParty(EndToEndId),
    /// In another currency.
    #[error("{0} is in another currency")]
    OtherCurrency(EndToEndId),
    /// The money moved the other way, and nothing says that it came back.
    #[error("{0} moves the other way, and the entry is marked neither returned nor reversed")]
    OtherWay(EndToEndId),
    /// Marked returned, and moved the way of the payment itself.
    #[error("{0} is marked returned or reversed, and moves the way of the payment")]
    NotBack(EndToEndId),
    /// Came back without saying what.
    #[error("returned or reversed, and names no instruction")]
    ReturnWithoutId,
    /// Names no other party.
    #[error("names no instruction and no other party")]
    NoCounterparty,
    /// The other party is none of ours.
    #[error("the other party is none that is known by this account or name")]
    CounterpartyUnknown,
    /// No open instruction between the two has this amount left.
    #[error("no open instruction between these two has this amount left")]
    NoSuchAmount,
    /// Several have.
    #[error("several instructions fit: {}", listed(.0))]
    Ambiguous(Vec<EndToEndId>),
}

fn listed(ids: &[EndToEndId]) -> String {
    ids.iter().map(EndToEndId::to_string).collect::<Vec<_>>().join(", ")
}

/// What an entry became.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Became {
    /// Not booked: noted, nothing counted.
    NotBooked,
    /// Counted before.
    Duplicate,
    /// (A part of) a payment.
    Payment {
        /// Whose.
        id: EndToEndId,
        /// How that was found.
        by: MatchedBy,
        /// How many minor units more are paid by it. Less than its amount where the other end had
        /// said so before.
        counted: u64,
        /// How many minor units more than instructed it brings.
        excess: u128,
    },
    /// A payment that came back.
    Returned {
        /// Whose.
        id: EndToEndId,
        /// How that was found.
        by: MatchedBy,
        /// How many minor units fewer are paid.
        taken_back: u64,
        /// Why, as the bank says.
        reason: Option<String>,
    },
    /// Nobody's, for a person to look at.
    Unmatched(Unmatched),
}

impl Became {
    /// Whether it was counted: a payment, or one that came back.
    #[must_use]
    pub const fn is_counted(&self) -> bool {
        matches!(self, Self::Payment { .. } | Self::Returned { .. })
    }
}

/// Why nothing can be matched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MatchingFault {
    /// Two parties with one account: no entry says whose it is.
    #[error("{0} and {1} have the same account")]
    SameAccount(Party, Party),
    /// An instruction twice.
    #[error("{0} is there twice")]
    Twice(EndToEndId),
}

/// Instructions, and the entries that are counted against them.
#[derive(Clone, Debug)]
pub struct Matching {
    tracked: BTreeMap<EndToEndId, Tracked>,
    /// By debtor and creditor.
    between: BTreeMap<(Party, Party), Vec<EndToEndId>>,
    owners: BTreeMap<String, Party>,
    names: BTreeMap<String, BTreeSet<Party>>,
    seen: BTreeSet<EntryKey>,
}

impl Matching {
    /// Where things stand: accounts of parties, instructions with what was counted before, and the
    /// keys of entries that were.
    ///
    /// # Errors
    /// [`MatchingFault`].
    pub fn new(
        accounts: &BTreeMap<Party, BankAccount>,
        instructions: impl IntoIterator<Item = Tracked>,
        seen: impl IntoIterator<Item = EntryKey>,
    ) -> Result<Self, MatchingFault> {
        let mut matching = Self {
            tracked: BTreeMap::new(),
            between: BTreeMap::new(),
            owners: BTreeMap::new(),
            names: BTreeMap::new(),
            seen: seen.into_iter().collect(),
        };
        for (party, account) in accounts {
            let number = bare(account.number().as_str());
            if let Some(other) = matching.owners.insert(number, party.clone()) {
                return Err(MatchingFault::SameAccount(other, party.clone()));
            }
            matching.names.entry(folded(account.name())).or_default().insert(party.clone());
        }
        for tracked in instructions {
            let PaymentInstruction { debtor, creditor, end_to_end_id: id, .. } =
                tracked.instruction.clone();
            matching.between.entry((debtor, creditor)).or_default().push(id);
            if matching.tracked.insert(id, tracked).is_some() {
                return Err(MatchingFault::Twice(id));
            }
        }
        Ok(matching)
    }

    /// Counts an entry, if it is an instruction's.
    pub fn take(&mut self, entry: &BankEntry) -> Became {
        if entry.status != EntryStatus::Booked {
            return Became::NotBooked;
        }
        let key = entry.key();
        if self.seen.contains(&key) {
            return match entry.bank_reference {
                Some(_) => Became::Duplicate,
                None => Became::Unmatched(Unmatched::Indistinct),
            };
        }
        let Some(owner) = self.owners.get(&bare(&entry.account)).cloned() else {
            return Became::Unmatched(Unmatched::AccountUnknown);
        };
        match self.instruction_of(&owner, entry) {
            Ok((id, by)) => {
                self.seen.insert(key);
                self.count(&owner, id, by, entry)
            }
            Err(reason) => Became::Unmatched(reason),
        }
    }

    /// All instructions, in the order of end-to-end ids.
    pub fn instructions(&self) -> impl Iterator<Item = &Tracked> {
        self.tracked.values()
    }

    /// Whose instruction an entry is on the account of `owner`, and how that is known.
    fn instruction_of(
        &self,
        owner: &Party,
        entry: &BankEntry,
    ) -> Result<(EndToEndId, MatchedBy), Unmatched> {
        let (named, by) = match entry.end_to_end_id.as_deref().and_then(id_of) {
            Some(id) => (Some(id), MatchedBy::EndToEndId),
            None => (id_in(entry.reference.as_deref().unwrap_or_default())?, MatchedBy::Reference),
        };
        match named {
            Some(id) => self.check_named(owner, id, entry).map(|()| (id, by)),
            None if entry.comes_back() => Err(Unmatched::ReturnWithoutId),
            None => self.fitting(owner, entry).map(|id| (id, MatchedBy::AmountAndParty)),
        }
    }

    /// Whether an entry may be what it says it is.
    fn check_named(
        &self,
        owner: &Party,
        id: EndToEndId,
        entry: &BankEntry,
    ) -> Result<(), Unmatched> {
        let tracked = self.tracked.get(&id).ok_or(Unmatched::UnknownId(id))?;
        let instruction = &tracked.instruction;
        let forth = if *owner == instruction.debtor {
            Direction::Debit
        } else if *owner == instruction.creditor {
            Direction::Credit
        } else {
            return Err(Unmatched::NotParty(id));
        };
        match (entry.direction == forth, entry.comes_back()) {
            _ if entry.currency != instruction.currency => Err(Unmatched::OtherCurrency(id)),
            (true, false) | (false, true) => Ok(()),
            (true, true) => Err(Unmatched::NotBack(id)),
            (false, false) => Err(Unmatched::OtherWay(id)),
        }
    }

    /// The one open instruction between owner and counterparty that has this amount left.
    fn fitting(&self, owner: &Party, entry: &BankEntry) -> Result<EndToEndId, Unmatched> {
        let pair = |other: Party| match entry.direction {
            Direction::Credit => (other, owner.clone()),
            Direction::Debit => (owner.clone(), other),
        };
        let fits = |id: &EndToEndId| {
            let tracked = &self.tracked[id];
            let currency = entry.currency == tracked.instruction.currency;
            let last = self.next_attempt(*id).is_none();
            last && tracked.is_open() && currency && tracked.left() == entry.amount
        };
        let others = self.counterparties(entry)?;
        let ids = others.into_iter().filter_map(|other| self.between.get(&pair(other)));
        let ids: Vec<EndToEndId> = ids.flatten().copied().filter(fits).collect();
        match ids[..] {
            [id] => Ok(id),
            [] => Err(Unmatched::NoSuchAmount),
            _ => Err(Unmatched::Ambiguous(ids)),
        }
    }

    /// A later attempt at the same payment.
    fn next_attempt(&self, id: EndToEndId) -> Option<&EndToEndId> {
        let later = (Bound::Excluded(id), Bound::Unbounded);
        let next = self.tracked.range(later).next().map(|(next, _)| next);
        next.filter(|next| (next.window(), next.number()) == (id.window(), id.number()))
    }

    /// Who the other party may be: by its account, and by name where there is no account.
    fn counterparties(&self, entry: &BankEntry) -> Result<Vec<Party>, Unmatched> {
        let found: Vec<Party> = match (&entry.counterparty_account, &entry.counterparty_name) {
            (Some(account), _) => self.owners.get(&bare(account)).into_iter().cloned().collect(),
            (None, Some(name)) => {
                self.names.get(&folded(name)).into_iter().flatten().cloned().collect()
            }
            (None, None) => return Err(Unmatched::NoCounterparty),
        };
        if found.is_empty() { Err(Unmatched::CounterpartyUnknown) } else { Ok(found) }
    }

    /// Adds an entry to its instruction, on the owner's end.
    fn count(&mut self, owner: &Party, id: EndToEndId, by: MatchedBy, entry: &BankEntry) -> Became {
        let Some(tracked) = self.tracked.get_mut(&id) else {
            return Became::Unmatched(Unmatched::UnknownId(id));
        };
        let (paid, excess) = (tracked.paid(), tracked.excess());
        let at_debtor = *owner == tracked.instruction.debtor;
        let counted = &mut tracked.counted;
        let sum = match (at_debtor, entry.comes_back()) {
            (true, false) => &mut counted.sent,
            (true, true) => &mut counted.sent_back,
            (false, false) => &mut counted.received,
            (false, true) => &mut counted.given_back,
        };
        // 10²⁰ entries of 18 digits would be too many.
        *sum = sum.saturating_add(u128::from(entry.amount));
        if entry.comes_back() {
            let taken_back = paid.saturating_sub(tracked.paid());
            return Became::Returned { id, by, taken_back, reason: entry.return_reason.clone() };
        }
        let counted = tracked.paid().saturating_sub(paid);
        let excess = tracked.excess().saturating_sub(excess);
        Became::Payment { id, by, counted, excess }
    }
}

/// What a file's entries became.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matched {
    /// Each entry's key, and what it became, in the order of the file. The keys of those that were
    /// counted ([`Became::is_counted`]) are what a later file is compared with: keep them.
    pub entries: Vec<(EntryKey, Became)>,
    /// Every instruction that was handed in, and what is counted of it now, by end-to-end id.
    pub tracked: Vec<Tracked>,
}

/// Matches a file's entries: instructions of windows that are being settled with what was counted
/// of them before, the keys of entries that were counted before, and the entries, in their order.
/// The same entries again change nothing; those that were nobody's are looked at anew.
///
/// # Errors
/// [`MatchingFault`].
pub fn match_entries(
    accounts: &BTreeMap<Party, BankAccount>,
    instructions: impl IntoIterator<Item = Tracked>,
    known: impl IntoIterator<Item = EntryKey>,
    new: &[BankEntry],
) -> Result<Matched, MatchingFault> {
    let mut matching = Matching::new(accounts, instructions, known)?;
    let entries = new.iter().map(|entry| (entry.key(), matching.take(entry))).collect();
    Ok(Matched { entries, tracked: matching.tracked.into_values().collect() })
}

/// An id of ours, in capitals or not: some banks change that.
fn id_of(text: &str) -> Option<EndToEndId> {
    text.trim().to_ascii_uppercase().parse().ok()
}

/// The one id of ours that a text names.
fn id_in(text: &str) -> Result<Option<EndToEndId>, Unmatched> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    let ids: BTreeSet<EndToEndId> = words.filter_map(id_of).collect();
    match ids.len() {
        0 | 1 => Ok(ids.into_iter().next()),
        _ => Err(Unmatched::SeveralIds),
    }
}

/// A name's letters and digits, small: banks change case, spaces and dots.
fn folded(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
