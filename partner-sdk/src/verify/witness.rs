//! Witnessed checkpoints: what still stands of a gateway key that was revoked (threat T34).
//!
//! Whoever has stolen a key can date receipts back, and checkpoints, too. What a partner has
//! cosigned before the key was revoked was there before: receipts under the key count as far as
//! such a checkpoint goes, and no further.

use alliance_contracts::encoding::Hash;
use alliance_contracts::key_list::{TrustedKey, TrustedKeys};
use alliance_contracts::keys::Kid;
use alliance_contracts::merkle;
use alliance_contracts::names::{Corridor, PartnerId};
use alliance_contracts::note::{self, Note, NoteError};
use alliance_contracts::partner_key::{KeyScope, KeyUseKind};
use alliance_contracts::time::Timestamp;
use alliance_contracts::tlog_proof::TlogProof;

use super::checkpoint::CheckpointError;
use super::receipt::{ParsedReceipt, ReceiptFault, Signatures, VerifiedReceipt};

/// A checkpoint that one of the corridor's partners has cosigned. The gateway's own signature on it
/// is not looked at: its key may be the one that was stolen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessedCheckpoint {
    corridor: Corridor,
    size: u64,
    root: Hash,
    cosigned_at: Timestamp,
    partner: PartnerId,
    kid: Kid,
    note: String,
}

/// Why a receipt is not proven by a checkpoint that was witnessed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WitnessFault {
    /// The receipt by itself.
    #[error(transparent)]
    Receipt(#[from] ReceiptFault),
    /// The checkpoint, or the proof against it.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

impl WitnessedCheckpoint {
    /// Verifies that a partner of the corridor has cosigned the note; `partners` is the list of all
    /// partners' keys. Where both have, the earlier counts.
    ///
    /// # Errors
    /// [`CheckpointError`]; [`CheckpointError::NotWitnessed`] where nobody has whose key counts.
    pub fn verify(
        note: &str,
        corridor: &Corridor,
        partners: &TrustedKeys,
    ) -> Result<Self, CheckpointError> {
        let parsed = note::parse_note(note)?;
        let checkpoint = parsed.checkpoint()?;
        let origin = note::corridor_origin(partners.alliance(), corridor.as_str());
        if checkpoint.origin != origin {
            return Err(CheckpointError::ForeignOrigin { found: checkpoint.origin });
        }
        let mut earliest: Option<(Timestamp, PartnerId, Kid)> = None;
        for key in partners.iter().filter(|key| may_cosign(key)) {
            let Some(partner) = party(corridor, key) else { continue };
            let name = note::witness_name(partners.alliance(), partner.as_str());
            let Some(at) = cosigned_at(&parsed, &name, key)? else { continue };
            if earliest.as_ref().is_none_or(|(before, ..)| at < *before) {
                earliest = Some((at, partner, key.kid.clone()));
            }
        }
        let (cosigned_at, partner, kid) = earliest.ok_or(CheckpointError::NotWitnessed)?;
        Ok(Self {
            corridor: corridor.clone(),
            size: checkpoint.size,
            root: checkpoint.root,
            cosigned_at,
            partner,
            kid,
            note: note.to_owned(),
        })
    }

    /// Whether a receipt with this number, under a key that was revoked then, counts if it is among
    /// the checkpoint's.
    #[must_use]
    pub fn vouches_for(&self, corridor: &Corridor, seq: u64, revoked_at: Timestamp) -> bool {
        self.corridor == *corridor && seq <= self.size && self.cosigned_at < revoked_at
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

    /// When the partner cosigned it, in whole seconds.
    #[must_use]
    pub const fn cosigned_at(&self) -> Timestamp {
        self.cosigned_at
    }

    /// Who cosigned it.
    #[must_use]
    pub const fn partner(&self) -> &PartnerId {
        &self.partner
    }

    /// The partner's key.
    #[must_use]
    pub const fn kid(&self) -> &Kid {
        &self.kid
    }

    /// The note: keep it, it is evidence.
    #[must_use]
    pub fn note(&self) -> &str {
        &self.note
    }
}

fn may_cosign(key: &TrustedKey) -> bool {
    let scope = key.scope.as_deref();
    KeyScope::ALL
        .into_iter()
        .find(|known| scope == Some(known.as_str()))
        .is_some_and(|scope| scope.allows(KeyUseKind::Witness))
}

/// Whose key it is, where that is one of the corridor's two.
fn party(corridor: &Corridor, key: &TrustedKey) -> Option<PartnerId> {
    let partner: PartnerId = key.partner.as_deref()?.parse().ok()?;
    corridor.includes(&partner).then_some(partner)
}

/// When the key cosigned the note, if it did and counts. Revoked is revoked: its thief could have
/// dated the cosignature back.
fn cosigned_at(
    note: &Note,
    name: &str,
    key: &TrustedKey,
) -> Result<Option<Timestamp>, CheckpointError> {
    let seconds = match note::verify_cosignature(note, name, &key.public) {
        Err(NoteError::NotSigned) => return Ok(None),
        verified => verified?,
    };
    let seconds = i64::try_from(seconds).map_err(|_| NoteError::TimeOutOfRange)?;
    let at = Timestamp::from_millis(seconds.saturating_mul(1_000));
    Ok((key.revoked_at.is_none() && key.valid_at(at)).then_some(at))
}

/// Verifies a receipt whose key has been revoked, by the proof file that
/// `GET /v1/receipts/{id}/proof` answers for it. One whose key has not is verified by itself; the
/// proof is then looked at all the same.
///
/// # Errors
/// [`WitnessFault`].
pub fn verify_witnessed_receipt(
    jws: &str,
    proof_file: &str,
    keys: &TrustedKeys,
    partners: &TrustedKeys,
) -> Result<VerifiedReceipt, WitnessFault> {
    let parsed = ParsedReceipt::parse(jws)?;
    let proof = TlogProof::parse(proof_file).map_err(CheckpointError::from)?;
    let corridor = parsed.unverified().corridor.clone();
    let witnessed = WitnessedCheckpoint::verify(&proof.checkpoint, &corridor, partners)?;
    let receipt = parsed.verify_by(Signatures::Strict, keys, std::slice::from_ref(&witnessed))?;
    let (seq, proven) = (receipt.receipt().seq, proof.index.saturating_add(1));
    if proven != seq {
        return Err(CheckpointError::WrongIndex { proven, seq }.into());
    }
    let (leaf, size, root) = (receipt.leaf_hash(), witnessed.size, witnessed.root);
    merkle::verify_inclusion(proof.index, size, &leaf, &root, &proof.path)
        .map_err(CheckpointError::from)?;
    Ok(receipt)
}
