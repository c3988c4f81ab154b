//! How long a call that was not answered waits. No randomness: the transaction's own id spreads
//! the calls, so that a brand that comes back is not met by all of them at once.

use alliance_contracts::encoding::Hash;
use alliance_contracts::ids::TransactionId;

/// How long a call that was taken up belongs to whoever took it: longer than it can last, so that
/// another gateway takes it up only where the first has gone.
pub const LEASE_SECONDS: i64 = 60;

/// How often a call is repeated once a person has been told.
pub const PARKED_EVERY_SECONDS: i64 = 900;

/// The first wait, in milliseconds.
const FIRST: i64 = 500;
/// The longest wait, in milliseconds.
const LONGEST: i64 = 300_000;

/// Until the next call after so many without an answer, in milliseconds: 0.5 s, 1 s, 2 s, …
/// up to 5 minutes, of which the second half is spread by the transaction's id.
#[must_use]
pub fn wait_millis(transaction: TransactionId, attempts: u32) -> i64 {
    let doubled = FIRST.checked_shl(attempts.saturating_sub(1).min(20)).unwrap_or(LONGEST);
    let longest = doubled.clamp(FIRST, LONGEST);
    let seed = [&transaction.to_bytes()[..], &attempts.to_be_bytes()[..]].concat();
    let byte = i64::from(Hash::of(&seed).as_bytes()[0]);
    longest / 2 + longest / 2 * byte / 255
}
