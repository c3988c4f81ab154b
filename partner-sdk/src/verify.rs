//! Verification without the alliance's help: no network, no database, no clock, no HTTP stack.
//!
//! | question | answered by |
//! | --- | --- |
//! | Did the alliance sign this receipt? | [`VerifiedReceipt::verify`] |
//! | Is this chain whole, in order, true to its terms? | [`ChainVerifier`] |
//! | Is this exported file? | [`file::verify`] |
//! | Which keys speak for the alliance? | [`keys::verify_key_list`] under the pinned root key |
//! | Is this what the alliance tells everybody, and is it recent? | [`VerifiedCheckpoint`] |
//! | Did the newer history grow out of the older? | [`compare_checkpoints`] |
//! | Is this receipt in that history? | [`verify_proof_file`] |
//! | Its key was revoked: was it there before? | [`WitnessedCheckpoint`], [`verify_witnessed_receipt`] |
//! | Does every value of this board follow, and is this quote what it comes to? | [`board::VerifiedBoard`], [`board::recompute_quote`] |
//! | Is this bonus what its campaign comes to? | [`board::recompute_bonus`] |
//! | Have both partners signed this agreement? | [`agreement::verify_agreement`] |
//! | Has this partner let the other order in its name? | [`consent::verify_consent`] |
//! | Was this member forgotten, and when? | [`erasure::verify_erasure`] |
//! | Is this what the window came to for us? | [`statement::VerifiedStatement`] |
//! | Who ordered exactly this? | [`evidence::verify_evidence`] |
//!
//! All faults are closed enums: a program can act on them, and a person can read them.
//!
//! Deliberately absent: a clock (`now` is an argument), I/O other than the reader that
//! [`file::verify`] is given, and trust in the decoded copies that stand beside signed bytes.

pub mod agreement;
mod block;
mod blocks;
pub mod board;
mod chain;
mod checkpoint;
pub mod consent;
pub mod erasure;
pub mod evidence;
pub mod file;
mod fork;
pub mod keys;
mod receipt;
pub mod statement;
mod terms;
mod witness;

pub use alliance_contracts::encoding::Hash;
pub use alliance_contracts::key_list::TrustedKeys;
pub use alliance_contracts::keys::PublicKey;
pub use alliance_contracts::names::Corridor;
pub use alliance_contracts::receipt::Receipt;
pub use alliance_contracts::time::Timestamp;
pub use chain::{ChainError, ChainFault, ChainState, ChainVerifier, NdjsonLine, Pushed};
pub use checkpoint::{
    CheckpointError, Consistency, VerifiedCheckpoint, compare_checkpoints, read_hashes,
    verify_proof_file,
};
pub use fork::ForkEvidence;
pub use keys::KeysError;
pub use receipt::{ParsedReceipt, ReceiptFault, VerifiedReceipt};
pub use terms::{TermsFault, check_terms};
pub use witness::{WitnessFault, WitnessedCheckpoint, verify_witnessed_receipt};
