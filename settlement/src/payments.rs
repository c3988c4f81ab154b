//! Money movement: what banks are asked to pay for a window, and what they say that they paid.
//!
//! | file | what |
//! | --- | --- |
//! | [`currencies`] | which minor units banks pay (ISO 4217), and how amounts of them are spelled |
//! | [`rounding`] | what is due in 10⁻⁶ → payments in minor units, and what is carried |
//! | [`accounts`] | bank accounts of parties: IBAN, others, BIC |
//! | [`instructions`] | payments → numbered instructions with an end-to-end id |
//! | [`entries`] | what a bank says that happened on an account |
//! | [`matching`] | entries against instructions: a payment, a part, a return, or nobody's |
//! | [`standing`] | where a window's payments stand, and whether it is settled |
//!
//! Pure: the same input gives the same instructions and the same matches, to the byte. The files
//! themselves are the gateway's (`gateway/src/bank/`, docs/formats/bank-files.md).
//!
//! Deliberately absent: direct debits, cheques, conversion between currencies, and what a partner
//! that does not pay loses (the waterfall's).

pub mod accounts;
pub mod currencies;
pub mod entries;
pub mod instructions;
pub mod matching;
pub mod rounding;
pub mod standing;
#[cfg(test)]
mod tests;
