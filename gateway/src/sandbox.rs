//! A sandbox: the gateway with brands that are not there, a clock that can be set, and a log that
//! says why a signature does not verify. Nothing of it is on a gateway that serves in earnest.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`brand`] | a connected brand in memory, on loopback |
//! | [`mood`] | how it answers: told by the member's reference, or the item's |
//! | [`clock`] | the test clock |
//! | [`log`], `notes` | the last requests of each partner |
//! | [`bases`] | the two signature bases side by side |
//! | [`cast`], [`people`], [`folder`] | who is there, and the folder that it runs from |
//! | [`api`] | the routes that only a sandbox has |

pub mod api;
pub mod bases;
pub mod brand;
pub mod cast;
pub mod clock;
pub mod folder;
pub mod log;
pub mod mood;
pub(crate) mod notes;
pub mod people;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use alliance_contracts::names::PartnerId;

pub use brand::{Books, SimulatedBrand, Voice};
pub use clock::TestClock;
pub use log::Log;
pub use mood::Mood;

/// What a gateway has that is a sandbox's. Clones are one.
#[derive(Clone, Default)]
pub struct Sandbox {
    /// The clock that its clearing house goes by.
    pub clock: TestClock,
    /// What it has made of requests.
    pub log: Arc<Log>,
    /// Simulated brands, to be told whether to answer.
    pub voices: Arc<BTreeMap<PartnerId, Voice>>,
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("clock", &self.clock.view()).finish_non_exhaustive()
    }
}
