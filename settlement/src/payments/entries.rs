//! What a bank says that happened on an account, whatever file it said it in.

use alliance_contracts::date::Date;
use alliance_contracts::encoding::Hash;
use alliance_contracts::names::Currency;
use serde::{Deserialize, Serialize};

/// Which way money moved on the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// It came in.
    Credit,
    /// It went out.
    Debit,
}

impl Direction {
    /// As it is spelled.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Credit => "credit",
            Self::Debit => "debit",
        }
    }
}

/// How far the bank is with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryStatus {
    /// Money has moved.
    Booked,
    /// It may yet move.
    Pending,
    /// It is to move on a later day.
    Future,
    /// Told, and nothing moves.
    Information,
}

/// One movement on an account, as its bank tells it. Texts are as the bank wrote them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BankEntry {
    /// The number of the account that the entry is on.
    pub account: String,
    /// How many minor units.
    pub amount: u64,
    /// The bank's own reference, by which it tells entries apart.
    pub bank_reference: Option<String>,
    /// Which of several movements that the bank booked as one, under one reference; as the file
    /// tells them apart.
    pub batch_part: Option<String>,
    /// The day of booking.
    pub booking_date: Option<Date>,
    /// The number of the other party's account.
    pub counterparty_account: Option<String>,
    /// The other party's name.
    pub counterparty_name: Option<String>,
    /// The currency of the amount.
    pub currency: Currency,
    /// Which way it moved.
    pub direction: Direction,
    /// What travelled with the payment.
    pub end_to_end_id: Option<String>,
    /// Text for the receiver.
    pub reference: Option<String>,
    /// Why it came back: a code, and the bank's words.
    pub return_reason: Option<String>,
    /// Whether it undoes an earlier entry.
    pub reversal: bool,
    /// How far the bank is.
    pub status: EntryStatus,
    /// The day from which it bears interest.
    pub value_date: Option<Date>,
}

/// What tells an entry from every other one: SHA-256 over what the bank says of it.
pub type EntryKey = Hash;

impl BankEntry {
    /// What tells this entry from others: account, direction, amount, date, and the bank's own
    /// reference with the part of a batch; where the bank gives none, all else that it says. Two
    /// files may tell of one entry at different length, so that nothing else counts where there is
    /// a reference.
    #[must_use]
    pub fn key(&self) -> EntryKey {
        let or_none = |text: &Option<String>| text.clone().unwrap_or_default();
        let date = self.booking_date.or(self.value_date);
        let mut facts = vec![
            bare(&self.account),
            self.currency.to_string(),
            self.amount.to_string(),
            self.direction.as_str().to_owned(),
            date.map(|date| date.to_string()).unwrap_or_default(),
            or_none(&self.bank_reference),
            or_none(&self.batch_part),
        ];
        if self.bank_reference.is_none() {
            facts.extend([
                or_none(&self.end_to_end_id),
                or_none(&self.counterparty_account),
                or_none(&self.counterparty_name),
                or_none(&self.reference),
                or_none(&self.return_reason),
                self.reversal.to_string(),
            ]);
        }
        // Each with its length in front, so that no two lists of facts are one text.
        let text: String = facts.iter().map(|fact| format!("{}:{fact}", fact.len())).collect();
        Hash::of(text.as_bytes())
    }

    /// Whether it takes an earlier movement back.
    #[must_use]
    pub const fn comes_back(&self) -> bool {
        self.reversal || self.return_reason.is_some()
    }
}

/// An account's number without what people put in for reading.
pub(super) fn bare(number: &str) -> String {
    let kept = number.chars().filter(|c| !c.is_whitespace());
    kept.map(|c| c.to_ascii_uppercase()).collect()
}
