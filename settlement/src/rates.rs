//! Dynamic rates: what a point is worth now, and why nobody gains by going in circles.
//!
//! | file | what |
//! | --- | --- |
//! | [`arbitrage`] | the exact proof that no cycle of quotes gains, and what makes it hold |
//! | [`surcharge`] | the directed surcharge against flows that run one way |

pub mod arbitrage;
pub mod surcharge;
