//! The partner's side of an alliance: signed calls with safe retries, and the verification of
//! every receipt without having to trust anybody.
//!
//! | part | feature | needs |
//! | --- | --- | --- |
//! | [`verify`]: receipts, chains, checkpoints, proofs, keys, agreements | none | no HTTP, no clock |
//! | `client`: orders, reversals, links, agreements, downloads | `client` (default) | reqwest, tokio |
//! | `connector`: what the gateway calls at a connected brand | `server` | actix-web |
//! | its operations in the brand's own database | `server-sqlite`, `server-postgres` | sqlx |
//! | `conformance`: tries a connector as a gateway would | `conformance` | as `client` |
//! | `Client::from_config`: reads a `client.toml` | `config-file` (default) | toml |
//!
//! With `default-features = false` only the first part is built: 40 crates in all.

#[cfg(feature = "client")]
pub mod client;
#[cfg(any(feature = "client", feature = "server"))]
mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "server")]
pub mod connector;
pub mod verify;

/// The types of the protocol, as this crate speaks them.
pub use alliance_contracts as contracts;
#[cfg(feature = "client")]
pub use client::{Client, Error};
