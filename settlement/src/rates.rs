//! Rates: what points are worth and what a pair gets, worked out beside the writer and pure.
//!
//! | file | what |
//! | --- | --- |
//! | [`model`] | what was agreed on about a program's value, and every fault in it |
//! | [`feeds`] | what was observed, whether it is believed, what stands in for it |
//! | [`surcharge`] | the directed surcharge against flows that run one way |
//! | [`arbitrage`] | the exact proof that no cycle of quotes gains, and what makes it hold |
//! | [`terms`] | what an order of a pair gets on a board |
//! | [`proposal`] | what operators propose, and when a second person must approve it |
//! | [`publication`] | the next board, out of all of these |
//! | [`simulate`] | boards as they would be published, for expected flows |

pub mod arbitrage;
pub mod feeds;
pub mod model;
pub mod proposal;
pub mod publication;
pub mod simulate;
pub mod surcharge;
pub mod terms;
