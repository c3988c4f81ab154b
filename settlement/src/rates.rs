//! Rates: what points are worth and what a pair gets, worked out beside the writer and pure.
//!
//! | file | what |
//! | --- | --- |
//! | [`model`] | what was agreed on about a program's value, and every fault in it |
//! | [`feeds`] | what was observed, whether it is believed, what stands in for it |
//! | [`terms`] | what an order of a pair gets on a board |
//! | [`publication`] | the next board |

pub mod feeds;
pub mod model;
pub mod publication;
pub mod terms;
