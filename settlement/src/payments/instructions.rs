//! Payments as instructions to banks: numbered, with an end-to-end id that comes back in the bank's
//! own files. The same settlement gives the same instructions, to the byte.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use alliance_contracts::date::Date;
use alliance_contracts::ids::WindowId;
use alliance_contracts::names::{Currency, Party};
use serde::de::{Deserializer, Error as _};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use super::rounding::Settlement;

/// So many instructions of one window at most: five digits of the end-to-end id.
pub const MAX_NUMBER: u32 = 99_999;
/// So many attempts at one payment at most: one digit of it.
pub const MAX_ATTEMPT: u8 = 9;

/// What travels with a payment from end to end: window, number and attempt, as
/// `01H455VB4PEX5VSKNK084SN02Q-17-1`. At most 34 characters, all of which every bank passes on.
///
/// ```
/// use alliance_settlement::payments::instructions::EndToEndId;
/// let id: EndToEndId = "01H455VB4PEX5VSKNK084SN02Q-17-1".parse().unwrap();
/// assert_eq!(id.window().to_string(), "win_01h455vb4pex5vsknk084sn02q");
/// assert_eq!((id.number(), id.attempt()), (17, 1));
/// for other in ["01h455vb4pex5vsknk084sn02q-17-1", "01H455VB4PEX5VSKNK084SN02Q-017-1"] {
///     assert!(other.parse::<EndToEndId>().is_err());
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndToEndId {
    window: WindowId,
    number: u32,
    attempt: u8,
}

/// Not an end-to-end id of an alliance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an end-to-end id such as 01H455VB4PEX5VSKNK084SN02Q-17-1")]
pub struct BadEndToEndId;

impl EndToEndId {
    fn new(window: WindowId, number: u32, attempt: u8) -> Option<Self> {
        let known = (1..=MAX_NUMBER).contains(&number) && (1..=MAX_ATTEMPT).contains(&attempt);
        known.then_some(Self { window, number, attempt })
    }

    /// The id of an attempt at a payment of a window; none of a number that is none.
    #[must_use]
    pub fn of(window: WindowId, number: u32, attempt: u8) -> Option<Self> {
        Self::new(window, number, attempt)
    }

    /// The window that is settled.
    #[must_use]
    pub const fn window(&self) -> WindowId {
        self.window
    }

    /// Which payment of the window, from 1.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// Which attempt at it, from 1.
    #[must_use]
    pub const fn attempt(&self) -> u8 {
        self.attempt
    }
}

/// A window's id as banks are told it: without its prefix, in capitals.
fn window_text(window: WindowId) -> String {
    let text = window.to_string();
    text.rsplit('_').next().unwrap_or(&text).to_ascii_uppercase()
}

impl fmt::Display for EndToEndId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}-{}-{}", window_text(self.window), self.number, self.attempt))
    }
}

impl fmt::Debug for EndToEndId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for EndToEndId {
    type Err = BadEndToEndId;

    fn from_str(text: &str) -> Result<Self, BadEndToEndId> {
        let mut parts = text.split('-');
        let (Some(window), Some(number), Some(attempt), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(BadEndToEndId);
        };
        let window = format!("win_{}", window.to_ascii_lowercase());
        let window = window.parse().map_err(|_| BadEndToEndId)?;
        let number = number.parse().map_err(|_| BadEndToEndId)?;
        let attempt = attempt.parse().map_err(|_| BadEndToEndId)?;
        let id = Self::new(window, number, attempt).ok_or(BadEndToEndId)?;
        // Whatever has another spelling was not spelled as it should be.
        if id.to_string() == text { Ok(id) } else { Err(BadEndToEndId) }
    }
}

impl Serialize for EndToEndId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EndToEndId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// What one party's bank is asked to pay to another party.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaymentInstruction {
    /// How many minor units of the currency; above zero.
    pub amount: u64,
    /// Which attempt at this payment, from 1.
    pub attempt: u8,
    /// Who is paid.
    pub creditor: Party,
    /// The settlement currency.
    pub currency: Currency,
    /// Who pays.
    pub debtor: Party,
    /// What travels with the money.
    pub end_to_end_id: EndToEndId,
    /// Which payment of the window, from 1, by debtor and creditor.
    pub number: u32,
    /// The day on which it is to be executed.
    pub value_date: Date,
    /// The window that is settled.
    pub window: WindowId,
}

/// Why there is no instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstructionFault {
    /// More payments than a window can number.
    #[error("more than {MAX_NUMBER} payments in one window")]
    TooMany,
    /// Tried too often.
    #[error("{MAX_ATTEMPT} attempts at one payment have been made")]
    TooOften,
    /// Nothing is left to be paid, or more than was instructed.
    #[error("what is left is nothing, or more than was instructed")]
    NotLeft,
}

/// The instructions of a window, first attempt, in the order of its payments.
///
/// # Errors
/// [`InstructionFault::TooMany`].
pub fn instruct(
    settlement: &Settlement,
    window: WindowId,
    value_date: Date,
) -> Result<Vec<PaymentInstruction>, InstructionFault> {
    let instruction = |(number, payment): (u32, &super::rounding::Payment)| {
        let id = EndToEndId::new(window, number, 1).ok_or(InstructionFault::TooMany)?;
        Ok(PaymentInstruction {
            amount: payment.minor,
            attempt: 1,
            creditor: payment.creditor.clone(),
            currency: settlement.currency.clone(),
            debtor: payment.debtor.clone(),
            end_to_end_id: id,
            number,
            value_date,
            window,
        })
    };
    (1..).zip(&settlement.payments).map(instruction).collect()
}

/// The next attempt at a payment of which `left` minor units have not been paid.
///
/// # Errors
/// [`InstructionFault::TooOften`], [`InstructionFault::NotLeft`].
pub fn again(
    failed: &PaymentInstruction,
    left: u64,
    value_date: Date,
) -> Result<PaymentInstruction, InstructionFault> {
    if left == 0 || left > failed.amount {
        return Err(InstructionFault::NotLeft);
    }
    let attempt = failed.attempt.checked_add(1).ok_or(InstructionFault::TooOften)?;
    let id = EndToEndId::new(failed.window, failed.number, attempt);
    let end_to_end_id = id.ok_or(InstructionFault::TooOften)?;
    Ok(PaymentInstruction { amount: left, attempt, end_to_end_id, value_date, ..failed.clone() })
}

/// Instructions by who orders them: each debtor its own, in their order.
#[must_use]
pub fn by_debtor(instructions: &[PaymentInstruction]) -> BTreeMap<Party, Vec<PaymentInstruction>> {
    let mut debtors: BTreeMap<Party, Vec<PaymentInstruction>> = BTreeMap::new();
    for instruction in instructions {
        debtors.entry(instruction.debtor.clone()).or_default().push(instruction.clone());
    }
    debtors
}

/// How many instructions there are, and how many minor units in all.
#[must_use]
pub fn control(instructions: &[PaymentInstruction]) -> (usize, u128) {
    let sum = instructions.iter().map(|instruction| u128::from(instruction.amount)).sum();
    (instructions.len(), sum)
}

/// What a message or a part of one is called: after the first instruction in it, so that the same
/// payments are never sent under two names. At most 35 characters.
#[must_use]
pub fn message_id(first: &PaymentInstruction, letter: char) -> String {
    let window = window_text(first.window);
    format!("{window}-{letter}{}-{}", first.number, first.attempt)
}
