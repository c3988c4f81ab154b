//! Calls to addresses that partners have named.

pub mod address;
pub mod client;
