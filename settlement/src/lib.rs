//! The truth of the alliance: what is decided, chained, priced and audited; the only writer.
//!
//! | what | where | pure |
//! | --- | --- | --- |
//! | what the alliance has agreed on | [`alliance`] | yes |
//! | members' references and pseudonyms | [`vault`] | yes |
//! | what points are worth, and what a pair gets | [`rates`] | yes |
//! | what a quote says | [`pricing`] | yes |
//! | what can be asked of the writer | [`command`] | yes |
//! | the decision | [`ledger`] | yes |
//! | what is under one master key, under another | [`rekeying`] | yes |
//! | chaining and signing receipts | [`receipts`] | yes |
//! | business days, and the day that money is good | [`calendar`] | yes |
//! | the least money that discharges what is owed | [`netting`] | yes |
//! | what is settled together, and what it comes to | [`windows`] | yes |
//! | what banks are asked to pay, and what they say they paid | [`payments`] | yes |
//! | what partners get of the fees | [`revenue`] | yes |
//! | who bears what a partner does not pay | [`waterfall`] | yes |
//! | events, as they are kept and told | [`events`] | yes |
//! | when a webhook is sent again | [`webhooks`] | yes |
//! | recomputing everything from the receipts | [`audit`] | yes |
//! | the journal for other bookkeeping | [`journal`] | yes |
//! | reading a store for the audit | `inspection` | no |
//! | reading a partner's events | `feed` | no |
//! | the databases | `store` | no |
//! | the one writer | `sequencer` | no |
//! | all of it, running | `clearing_house` | no |
//!
//! The pure half has no clock, no randomness, no floats, no async; it builds without the feature
//! `store`.

pub mod alliance;
pub mod audit;
pub mod calendar;
#[cfg(feature = "store")]
pub mod clearing_house;
pub mod command;
pub mod events;
#[cfg(feature = "store")]
pub mod feed;
#[cfg(feature = "store")]
pub mod inspection;
pub mod journal;
pub mod ledger;
pub mod netting;
pub mod payments;
pub mod pricing;
pub mod rates;
pub mod receipts;
pub mod rekeying;
pub mod revenue;
pub mod saga;
#[cfg(feature = "store")]
pub mod sequencer;
#[cfg(feature = "store")]
pub mod store;
pub mod vault;
pub mod waterfall;
pub mod webhooks;
pub mod windows;
