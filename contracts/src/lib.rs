//! The bytes of the alliance protocol: whatever crosses a trust boundary, and nothing else.
//!
//! | what | where | follows |
//! | --- | --- | --- |
//! | decimals, names, ids, times and their limits | [`decimal`], [`names`], [`ids`], [`time`], [`limits`] | protocol § 1 |
//! | strict reading and canonical writing of JSON | [`json`] | RFC 8259, RFC 8785 |
//! | the one table of problem codes | [`problem`] | RFC 9457 |
//! | quotes, transactions, links, receipts and their pages | [`quote`], [`transaction`], [`side`], [`link`], [`receipt`], [`corridor`], [`program`] | protocol § 3 to § 5 |
//! | boards: values, how each came about, pairs' terms | [`board`], [`valuation`], [`total`] | protocol § 4 |
//! | what partners report about their programs | [`observation`] | docs/value-model.md |
//! | what two partners agree on and both sign | [`agreement`] | protocol § 4 |
//! | what a partner lets another order in its name | [`debit_consent`] | protocol § 4 |
//! | more points for a while, out of a budget | [`campaign`] | docs/formats/campaigns.md |
//! | what has happened, told to those it concerns | [`event`] | protocol § 7, CloudEvents 1.0 |
//! | a pushed event: how it is signed and checked | [`webhook`] | Standard Webhooks 1.0 |
//! | the exact arithmetic and its only roundings | [`arithmetic`] | protocol § 4 |
//! | what a point is worth, and why | [`valuation`] | docs/value-model.md |
//! | members of one's own, and what is left of forgotten ones | [`member`] | docs/formats/erasures.md |
//! | keys, key lists and signatures | [`keys`], [`key_list`], [`jws`], [`http_signature`], [`content_digest`] | RFC 8032, 7515, 7638, 9421, 9530 |
//! | partners' keys over the API, and what each may do | [`partner_key`] | docs/formats/keys.md |
//! | what only a sandbox is asked | [`sandbox`] | docs/sandbox.md |
//! | days, and which of them banks work on | [`date`], [`calendar`] | ISO 8601, docs/formats/calendars.md |
//! | settlement windows, and how far each is | [`window`] | docs/settlement.md |
//! | why an adjustment was made | [`adjustment`] | docs/formats/receipts.md |
//! | what a netting run did, so that anyone can check it | [`netting`] | docs/formats/netting.md |
//! | a partner's share of a corridor's fees; who bears what is not paid | [`revenue`], [`waterfall`], [`portion`] | docs/revenue-share.md, docs/waterfall.md |
//! | Merkle trees, checkpoints and proofs | [`merkle`], [`note`], [`tlog_proof`] | RFC 6962, C2SP |
//!
//! Deliberately absent: a clock, randomness, floats, I/O, async. Time, seeds and bytes are handed
//! in, so that every function here gives the same answer on every machine, for years.

pub mod adjustment;
pub mod agreement;
pub mod arithmetic;
pub mod board;
pub mod calendar;
pub mod campaign;
pub mod conformance;
pub mod connector;
pub mod content_digest;
pub mod corridor;
pub mod cosignature;
pub mod date;
pub mod debit_consent;
pub mod decimal;
mod drafts;
pub mod encoding;
pub mod endpoint;
pub mod event;
pub mod http_signature;
pub mod ids;
pub mod json;
pub mod jws;
pub mod key_list;
pub mod keys;
pub mod limits;
pub mod link;
pub mod member;
pub mod merkle;
pub mod names;
pub mod netting;
pub mod note;
pub mod observation;
#[cfg(feature = "openapi")]
mod openapi;
pub mod partner_key;
pub mod portion;
pub mod problem;
pub mod program;
pub mod quote;
pub mod receipt;
pub mod revenue;
pub mod sandbox;
pub mod side;
pub mod statement;
pub mod time;
pub mod tlog_proof;
pub mod total;
pub mod transaction;
pub mod valuation;
pub mod waterfall;
pub mod webhook;
pub mod window;
