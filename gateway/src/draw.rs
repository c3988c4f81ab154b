//! Drawing ids: the one place where a clock and randomness become an id.

use alliance_contracts::ids::{Id, Kind};

/// A new id: UUIDv7, so that ids of one gateway sort by time.
#[must_use]
pub fn id<K: Kind>() -> Id<K> {
    Id::from_u128(uuid::Uuid::now_v7().as_u128())
}
