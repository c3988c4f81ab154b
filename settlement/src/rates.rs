//! What points are worth, from what is agreed and what is observed (docs/value-model.md).
//!
//! | file | what |
//! | --- | --- |
//! | [`model`] | what was agreed on: weights, band, step, smoothing; and every fault in it |
//! | [`feeds`] | what is observed, what of it is believed, and what stands in for the rest |
//!
//! The formula itself is [`alliance_contracts::valuation`], so that partners compute it, too.

pub mod feeds;
pub mod model;
