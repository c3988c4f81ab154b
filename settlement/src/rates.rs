//! Rates: what points are worth and what a pair gets, worked out beside the writer and pure.
//!
//! | file | what |
//! | --- | --- |
//! | [`terms`] | what an order of a pair gets on a board |
//! | [`publication`] | the next board |

pub mod publication;
pub mod terms;
