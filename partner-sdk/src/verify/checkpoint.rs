//! Checkpoints: what the alliance says a corridor's history is, and proofs against them.

use alliance_contracts::encoding::{Hash, base64_decode_array};
use alliance_contracts::key_list::TrustedKeys;
use alliance_contracts::keys::Kid;
use alliance_contracts::limits::{CHECKPOINT_STALE_SECONDS, SIGNATURE_MAX_AHEAD_SECONDS};
use alliance_contracts::merkle::{self, ProofError};
use alliance_contracts::names::Corridor;
use alliance_contracts::note::{self, Note, NoteError};
use alliance_contracts::time::Timestamp;
use alliance_contracts::tlog_proof::{TlogProof, TlogProofError};

use super::fork::ForkEvidence;
use super::receipt::VerifiedReceipt;

/// Why a checkpoint or a proof against one is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Not a signed note with a checkpoint, or a signature that does not verify.
    #[error("the checkpoint is refused: {0}")]
    Note(#[from] NoteError),
    /// The origin is not that of the corridor asked for.
    #[error("the checkpoint is of {found}")]
    ForeignOrigin {
        /// The origin that it names.
        found: String,
    },
    /// No key of the list has signed it both as a note and as a cosignature.
    #[error("no key of the key list has signed and cosigned the checkpoint")]
    UnknownKey,
    /// The key was not valid when the checkpoint was cosigned, or has been revoked since.
    #[error("the key {kid} does not count for a checkpoint of {cosigned_at}")]
    KeyNotValid {
        /// The key.
        kid: Kid,
        /// When it was cosigned.
        cosigned_at: Timestamp,
    },
    /// Cosigned more than ten minutes ago: an old checkpoint may be replayed (threat T35).
    #[error("the checkpoint is stale: cosigned at {cosigned_at}, and now it is {now}")]
    Stale {
        /// When it was cosigned.
        cosigned_at: Timestamp,
        /// The time it was held against.
        now: Timestamp,
    },
    /// Cosigned more than a minute in the future: one of the clocks is wrong.
    #[error("the checkpoint is from the future: cosigned at {cosigned_at}, and now it is {now}")]
    FromTheFuture {
        /// When it was cosigned.
        cosigned_at: Timestamp,
        /// The time it was held against.
        now: Timestamp,
    },
    /// No partner of the corridor has cosigned it with a key that counts.
    #[error("no partner of the corridor has cosigned the checkpoint with a key that counts")]
    NotWitnessed,
    /// The two checkpoints are of different corridors.
    #[error("the checkpoints are of two corridors")]
    TwoCorridors,
    /// A hash of a proof is not 32 bytes in canonical base64.
    #[error("a hash of the proof is malformed")]
    MalformedHash,
    /// The proof does not hold.
    #[error("the proof is refused: {0}")]
    Proof(#[from] ProofError),
    /// The proof file does not hold.
    #[error("the proof file is refused: {0}")]
    ProofFile(#[from] TlogProofError),
    /// The receipt has not the number that the proof is about.
    #[error("the proof is about receipt {proven}, not about receipt {seq}")]
    WrongIndex {
        /// The number that the proof is about.
        proven: u64,
        /// The receipt's number.
        seq: u64,
    },
}

/// A checkpoint that the alliance signed: the first [`size`](Self::size) receipts of the corridor
/// have that root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedCheckpoint {
    corridor: Corridor,
    size: u64,
    root: Hash,
    cosigned_at: Timestamp,
    kid: Kid,
    note: String,
}

impl VerifiedCheckpoint {
    /// Verifies a signed note as the checkpoint of one corridor. Whether it is recent is for
    /// [`Self::check_fresh`] to say.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn verify(
        note: &str,
        corridor: &Corridor,
        keys: &TrustedKeys,
    ) -> Result<Self, CheckpointError> {
        let parsed = note::parse_note(note)?;
        let checkpoint = parsed.checkpoint()?;
        let origin = note::corridor_origin(keys.alliance(), corridor.as_str());
        if checkpoint.origin != origin {
            return Err(CheckpointError::ForeignOrigin { found: checkpoint.origin });
        }
        let (kid, cosigned_at) = signed_by(&parsed, &origin, keys)?;
        Ok(Self {
            corridor: corridor.clone(),
            size: checkpoint.size,
            root: checkpoint.root,
            cosigned_at,
            kid,
            note: note.to_owned(),
        })
    }

    /// Refuses a checkpoint whose cosignature is older than ten minutes at `now`, or more than a
    /// minute ahead of it.
    ///
    /// # Errors
    /// [`CheckpointError::Stale`], [`CheckpointError::FromTheFuture`].
    pub fn check_fresh(&self, now: Timestamp) -> Result<(), CheckpointError> {
        let cosigned_at = self.cosigned_at;
        if now > cosigned_at.plus_seconds(CHECKPOINT_STALE_SECONDS) {
            return Err(CheckpointError::Stale { cosigned_at, now });
        }
        if cosigned_at > now.plus_seconds(SIGNATURE_MAX_AHEAD_SECONDS) {
            return Err(CheckpointError::FromTheFuture { cosigned_at, now });
        }
        Ok(())
    }

    /// The corridor.
    #[must_use]
    pub const fn corridor(&self) -> &Corridor {
        &self.corridor
    }

    /// How many receipts it is about.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The RFC 6962 root over their payloads.
    #[must_use]
    pub const fn root(&self) -> Hash {
        self.root
    }

    /// When the alliance cosigned it, in whole seconds.
    #[must_use]
    pub const fn cosigned_at(&self) -> Timestamp {
        self.cosigned_at
    }

    /// The gateway key that signed it.
    #[must_use]
    pub const fn kid(&self) -> &Kid {
        &self.kid
    }

    /// The note, as it was signed: keep it, it is evidence.
    #[must_use]
    pub fn note(&self) -> &str {
        &self.note
    }

    /// Verifies that the receipt with number `seq` and this leaf hash is among the checkpoint's.
    ///
    /// # Errors
    /// [`CheckpointError::Proof`].
    pub fn verify_inclusion(
        &self,
        seq: u64,
        leaf_hash: &Hash,
        proof: &[Hash],
    ) -> Result<(), CheckpointError> {
        let index = seq.checked_sub(1).ok_or(ProofError::IndexBeyondSize)?;
        Ok(merkle::verify_inclusion(index, self.size, leaf_hash, &self.root, proof)?)
    }
}

/// The key that made both signatures, and when.
fn signed_by(
    note: &Note,
    origin: &str,
    keys: &TrustedKeys,
) -> Result<(Kid, Timestamp), CheckpointError> {
    let mut refused = CheckpointError::UnknownKey;
    for key in keys.iter() {
        let seconds = match note::verify_note(note, origin, &key.public)
            .and_then(|()| note::verify_cosignature(note, origin, &key.public))
        {
            Ok(seconds) => i64::try_from(seconds).map_err(|_| NoteError::TimeOutOfRange)?,
            Err(NoteError::NotSigned) => continue,
            Err(error) => return Err(error.into()),
        };
        let cosigned_at = Timestamp::from_millis(seconds.saturating_mul(1_000));
        // A thief of the key could have dated its cosignature back: revoked is revoked.
        if key.revoked_at.is_none() && key.valid_at(cosigned_at) {
            return Ok((key.kid.clone(), cosigned_at));
        }
        refused = CheckpointError::KeyNotValid { kid: key.kid.clone(), cosigned_at };
    }
    Err(refused)
}

/// What two checkpoints of one corridor have to do with each other.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Consistency {
    /// The larger one grew out of the smaller one.
    Consistent,
    /// They are not of one history, as far as anybody could prove: keep the evidence.
    Forked(Box<ForkEvidence>),
}

/// Compares two checkpoints of one corridor, in either order. `proof` is the gateway's
/// consistency proof from the smaller size to the larger; empty between equal sizes, and from
/// size 0.
///
/// A gateway that offers a wrong proof for two checkpoints that it signed is answered as one that
/// has forked: it alone could have proven the contrary.
///
/// # Errors
/// [`CheckpointError::TwoCorridors`].
pub fn compare_checkpoints(
    one: &VerifiedCheckpoint,
    other: &VerifiedCheckpoint,
    proof: &[Hash],
) -> Result<Consistency, CheckpointError> {
    if one.corridor != other.corridor {
        return Err(CheckpointError::TwoCorridors);
    }
    let (smaller, larger) = if one.size <= other.size { (one, other) } else { (other, one) };
    let grew = match smaller.size {
        0 => {
            smaller.root == merkle::empty_root() && (larger.size > 0 || larger.root == smaller.root)
        }
        size => merkle::verify_consistency(size, &smaller.root, larger.size, &larger.root, proof)
            .is_ok(),
    };
    if grew {
        return Ok(Consistency::Consistent);
    }
    Ok(Consistency::Forked(Box::new(ForkEvidence::Checkpoints {
        corridor: smaller.corridor.clone(),
        smaller: smaller.note.clone(),
        larger: larger.note.clone(),
        proof: proof.to_vec(),
    })))
}

/// Reads the hashes of a proof as the gateway answers them.
///
/// # Errors
/// [`CheckpointError::MalformedHash`].
pub fn read_hashes(hashes: &[String]) -> Result<Vec<Hash>, CheckpointError> {
    hashes
        .iter()
        .map(|text| base64_decode_array::<32>(text).map(Hash::from))
        .collect::<Result<_, _>>()
        .map_err(|_| CheckpointError::MalformedHash)
}

/// Verifies a self-contained `tlog-proof` file for a verified receipt, and gives the checkpoint
/// that it is proven against.
///
/// # Errors
/// [`CheckpointError`].
pub fn verify_proof_file(
    file: &str,
    receipt: &VerifiedReceipt,
    keys: &TrustedKeys,
) -> Result<VerifiedCheckpoint, CheckpointError> {
    let proof = TlogProof::parse(file)?;
    let (seq, corridor) = (receipt.receipt().seq, &receipt.receipt().corridor);
    let checkpoint = VerifiedCheckpoint::verify(&proof.checkpoint, corridor, keys)?;
    let proven = proof.index.saturating_add(1);
    if proven != seq {
        return Err(CheckpointError::WrongIndex { proven, seq });
    }
    checkpoint.verify_inclusion(seq, &receipt.leaf_hash(), &proof.path)?;
    Ok(checkpoint)
}
