//! Files that banks take and give (ISO 20022), as `docs/formats/bank-files.md` tells them. Nothing
//! further in knows XML: what is instructed and what a bank says are values of
//! [`alliance_settlement::payments`].
//!
//! | file | what |
//! | --- | --- |
//! | `pain001` | instructions → a credit transfer initiation |
//! | `letters` | names as the scheme takes them |
//! | `camt` | statements and notifications → entries, one at a time |
//! | `source` | bytes read: hashed, their lines counted, no event larger than is allowed |
//!
//! Deliberately absent: sending and fetching files (EBICS, host to host, a person's browser: every
//! bank has its own), status reports (pain.002) and intraday reports (camt.052).

pub mod camt;
pub mod letters;
pub mod pain001;
mod source;

#[cfg(test)]
mod tests;
