//! What is kept when an alliance has told two histories: both sides, so that each can be shown.

use alliance_contracts::encoding::Hash;
use alliance_contracts::names::Corridor;
use alliance_contracts::problem::Fork;

/// Two statements about one history, of a corridor or of the boards, that cannot both be true.
/// Keep it: together with the key list it convinces anybody, wherever both sides are signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ForkEvidence {
    /// Two signed checkpoints of which neither grew out of the other.
    #[error("two signed checkpoints of {corridor} are not of one history")]
    Checkpoints {
        /// The corridor.
        corridor: Corridor,
        /// The smaller one, as it was signed.
        smaller: String,
        /// The larger one, as it was signed.
        larger: String,
        /// What the gateway offered as consistency proof; empty between equal sizes.
        proof: Vec<Hash>,
    },
    /// A verified chain and a signed checkpoint of as many receipts with another root.
    #[error("the checkpoint of {corridor} has another root over its {size} receipts")]
    Chain {
        /// The corridor.
        corridor: Corridor,
        /// The checkpoint, as it was signed.
        checkpoint: String,
        /// SHA-256 of the chain's last payload.
        head: Hash,
        /// The root over the chain's receipts.
        root: Hash,
        /// The number of receipts.
        size: u64,
    },
    /// A signed receipt that contradicts one that was verified before: it stands in its place, or
    /// names another predecessor.
    #[error("receipt {seq} of {corridor} contradicts the receipt {seen_seq} that was seen")]
    Receipt {
        /// The corridor.
        corridor: Corridor,
        /// The receipt's number.
        seq: u64,
        /// The number of the receipt that was seen: the same, or the one before.
        seen_seq: u64,
        /// SHA-256 of the receipt that was seen and verified.
        seen: Hash,
        /// That receipt's JWS, where it is at hand.
        seen_jws: Option<String>,
        /// The JWS of the receipt that contradicts it.
        jws: String,
    },
    /// A signed board that contradicts one that was verified before: it stands in its place, or
    /// names another predecessor.
    #[error("board {number} contradicts the board {seen_number} that was seen")]
    Board {
        /// The board's number.
        number: u32,
        /// The number of the board that was seen: the same, or the one before.
        seen_number: u32,
        /// SHA-256 of the payload of the board that was seen and verified.
        seen: Hash,
        /// That board's JWS, where it is at hand.
        seen_jws: Option<String>,
        /// The JWS of the board that contradicts it.
        jws: String,
    },
    /// The gateway refused `Alliance-Seen` (`chain_fork`): it has another receipt there, or none.
    #[error("the gateway's chain of {} does not have the receipt {} that was seen",
        .fork.corridor, .fork.seq)]
    Refused {
        /// What the gateway answered.
        fork: Fork,
        /// The receipt that was seen, as it was signed, where it is at hand.
        seen_jws: Option<String>,
        /// The gateway's id of the refused request.
        request_id: String,
    },
}

impl ForkEvidence {
    /// The corridor whose history was forked; none where it is the boards'.
    #[must_use]
    pub const fn corridor(&self) -> Option<&Corridor> {
        match self {
            Self::Checkpoints { corridor, .. }
            | Self::Chain { corridor, .. }
            | Self::Receipt { corridor, .. } => Some(corridor),
            Self::Refused { fork, .. } => Some(&fork.corridor),
            Self::Board { .. } => None,
        }
    }
}
