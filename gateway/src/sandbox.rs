//! Brands that are not there: connectors to try a gateway against, in demonstrations and tests.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`brand`] | a connected brand in memory, on loopback |
//! | [`mood`] | how it answers: told by the member's reference, or the item's |

pub mod brand;
pub mod mood;

pub use brand::{Books, SimulatedBrand};
pub use mood::Mood;
