//! The partner's side of an alliance: signed calls with safe retries, and the verification of
//! every receipt without having to trust anybody.
//!
//! | half | feature | needs |
//! | --- | --- | --- |
//! | [`verify`]: receipts, chains, checkpoints, proofs, keys, agreements | none | no HTTP, no clock |
//! | `client`: orders, reversals, links, agreements, downloads | `client` (default) | reqwest, tokio |
//! | `Client::from_config`: reads a `client.toml` | `config-file` (default) | toml |
//!
//! With `default-features = false` only the first half is built: 40 crates in all.

#[cfg(feature = "client")]
pub mod client;
pub mod verify;

/// The types of the protocol, as this crate speaks them.
pub use alliance_contracts as contracts;
#[cfg(feature = "client")]
pub use client::{Client, Error};
