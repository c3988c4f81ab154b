//! The connector, as a gateway meets it: every promise of `connector`'s own page, on every store.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

mod brand;
mod calls;
mod conformance;
mod double;
mod gateway;
mod http;
mod once;
mod shop;
mod stores;
