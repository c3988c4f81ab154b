//! Partners as witnesses (protocol § 5): a checkpoint that one of the corridor's partners has
//! cosigned is looked at, kept, and served from then on.

use alliance_contracts::encoding::Hash;
use alliance_contracts::key_list::TrustedKeys;
use alliance_contracts::limits::{CHECKPOINT_STALE_SECONDS, SIGNATURE_MAX_AHEAD_SECONDS};
use alliance_contracts::names::{Corridor, PartnerId};
use alliance_contracts::note::{self, Checkpoint, Note, NoteError};
use alliance_contracts::partner_key::KeyUseKind;
use alliance_contracts::time::Timestamp;

use super::{CheckpointError, ClearingHouse};
use crate::alliance::{PartnerKey, Registry};
use crate::command::{Cosignature, SignedCheckpoint};
use crate::receipts::StoredReceipt;
use crate::store::StoreError;

/// Cosignatures that are read at once; a corridor has two partners.
const AT_ONCE: u32 = 100;

/// Why a cosignature is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CosignatureRefused {
    /// Not a signed note with a checkpoint, or a signature in it does not verify.
    #[error("{0}")]
    Note(#[from] NoteError),
    /// It is of another log.
    #[error("the checkpoint is of {0}")]
    ForeignOrigin(String),
    /// No gateway key has signed it: it was never served.
    #[error("no gateway key has signed the checkpoint: hand it in as it was served")]
    NotOurs,
    /// No key of the partner's that may cosign has.
    #[error("no key of {0} that may cosign has cosigned it under the name {1}")]
    NotCosigned(PartnerId, String),
    /// The cosignature's time is not now.
    #[error(
        "it was cosigned at {cosigned_at}, and now it is {now}: cosign a checkpoint of the last \
         ten minutes"
    )]
    Stale {
        /// What it says.
        cosigned_at: Timestamp,
        /// The gateway's time.
        now: Timestamp,
    },
    /// A gateway key has signed another tree than ours of so many receipts.
    #[error("the checkpoint contradicts the chain")]
    Fork {
        /// How many receipts.
        size: u64,
        /// The root that was cosigned.
        seen: Hash,
        /// Ours; none where the chain is shorter.
        ours: Option<Hash>,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ClearingHouse {
    /// Looks at a checkpoint that this partner says it has cosigned. What is found good is handed
    /// to the writer.
    ///
    /// # Errors
    /// [`CosignatureRefused`].
    pub async fn examine_cosigned(
        &self,
        corridor: &Corridor,
        partner: &PartnerId,
        note: &str,
    ) -> Result<Cosignature, CosignatureRefused> {
        let registry = self.registry();
        let origin = note::corridor_origin(self.alliance().as_str(), corridor.as_str());
        let parsed = note::parse_note(note)?;
        let checkpoint = parsed.checkpoint()?;
        if checkpoint.origin != origin {
            return Err(CosignatureRefused::ForeignOrigin(checkpoint.origin));
        }
        signed_by_us(&parsed, &origin, self.gateway_keys(&registry))?;
        let name = note::witness_name(self.alliance().as_str(), partner.as_str());
        let (key, cosigned_at) = cosigned_by(&parsed, &name, partner, &registry)?;
        let now = self.message_time();
        let old = now > cosigned_at.plus_seconds(CHECKPOINT_STALE_SECONDS);
        // Where one is kept nothing is taken in any more: who repeats itself is answered as before.
        let repeated = old && self.cosignature(corridor, checkpoint.size, partner).await?.is_some();
        if old && !repeated || cosigned_at > now.plus_seconds(SIGNATURE_MAX_AHEAD_SECONDS) {
            return Err(CosignatureRefused::Stale { cosigned_at, now });
        }
        self.compare_with_chain(corridor, &checkpoint).await?;
        let kid = key.public.kid().clone();
        // What others may have added says nothing here, and is not kept.
        let kept = |line: &note::NoteSignature| line.name == origin || line.name == name;
        let signatures = parsed.signatures.into_iter().filter(kept).collect();
        Ok(Cosignature {
            corridor: corridor.clone(),
            size: checkpoint.size,
            partner: partner.clone(),
            kid,
            cosigned_at,
            note: Note { text: parsed.text, signatures }.to_string(),
        })
    }

    async fn compare_with_chain(
        &self,
        corridor: &Corridor,
        checkpoint: &Checkpoint,
    ) -> Result<(), CosignatureRefused> {
        let (size, seen) = (checkpoint.size, checkpoint.root);
        let chain = corridor.clone();
        let head = self.read(move |store| async move { store.head(&chain).await }).await?;
        let ours = match head {
            Some(head) if (1..=head.seq).contains(&size) => {
                Some(self.root_at(corridor, size).await?)
            }
            _ => None,
        };
        if ours == Some(seen) {
            return Ok(());
        }
        Err(CosignatureRefused::Fork { size, seen, ours })
    }

    /// The cosignature of this partner over so many receipts, as it is kept.
    ///
    /// # Errors
    /// What the store says.
    pub async fn cosignature(
        &self,
        corridor: &Corridor,
        size: u64,
        partner: &PartnerId,
    ) -> Result<Option<Cosignature>, StoreError> {
        let kept = self.cosigned_covering(corridor, size, AT_ONCE).await?;
        Ok(kept.into_iter().find(|one| one.size == size && one.partner == *partner))
    }

    /// Cosigned checkpoints that include receipt `seq`, of fewest receipts first.
    ///
    /// # Errors
    /// What the store says.
    pub async fn cosigned_covering(
        &self,
        corridor: &Corridor,
        seq: u64,
        limit: u32,
    ) -> Result<Vec<Cosignature>, StoreError> {
        let corridor = corridor.clone();
        let read =
            self.read(move |store| async move { store.cosignatures(&corridor, seq, limit).await });
        read.await
    }

    /// The newest cosigned checkpoints, of most receipts first.
    ///
    /// # Errors
    /// What the store says.
    pub async fn newest_cosigned(
        &self,
        corridor: &Corridor,
        limit: u32,
    ) -> Result<Vec<Cosignature>, StoreError> {
        let corridor = corridor.clone();
        let read = self
            .read(move |store| async move { store.newest_cosignatures(&corridor, limit).await });
        read.await
    }

    /// The corridor's checkpoint as it is served: with the cosignatures of those who have witnessed
    /// just so many receipts. None of an empty chain.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub async fn cosigned_checkpoint(
        &self,
        corridor: &Corridor,
    ) -> Result<Option<String>, CheckpointError> {
        let Some(signed) = self.checkpoint(corridor).await? else { return Ok(None) };
        let cosigned = self.cosigned_covering(corridor, signed.size, AT_ONCE).await?;
        let of_this = cosigned.iter().take_while(|one| one.size == signed.size);
        Ok(Some(of_this.fold(signed.note.clone(), |note, one| self.with_lines_of(note, one))))
    }

    fn with_lines_of(&self, mut served: String, cosigned: &Cosignature) -> String {
        let name = note::witness_name(self.alliance().as_str(), cosigned.partner.as_str());
        let lines = note::parse_note(&cosigned.note).map_or_else(|_| Vec::new(), |n| n.signatures);
        for line in lines.into_iter().filter(|line| line.name == name) {
            // A line too many leaves the note as it was signed.
            let _ = note::append_signature_line(&mut served, &line.to_string());
        }
        served
    }

    /// The checkpoint to prove this receipt by. Of a receipt whose key is revoked, one that was
    /// cosigned before, where there is any: no other proves it any more.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub async fn checkpoint_for(
        &self,
        receipt: &StoredReceipt,
    ) -> Result<Option<ProvingCheckpoint>, CheckpointError> {
        let registry = self.registry();
        let key = alliance_contracts::jws::parse(&receipt.jws()).ok();
        let key = key.and_then(|jws| self.gateway_keys(&registry).find(&jws.kid));
        if let Some(revoked_at) = key.and_then(|key| key.revoked_at) {
            let cosigned = self.cosigned_covering(&receipt.corridor, receipt.seq, AT_ONCE).await?;
            let before = cosigned.into_iter().find(|one| one.cosigned_at < revoked_at);
            if let Some(Cosignature { size, note, .. }) = before {
                return Ok(Some(ProvingCheckpoint { size, note }));
            }
        }
        let signed = self.checkpoint_including(&receipt.corridor, receipt.seq).await?;
        Ok(signed.map(|SignedCheckpoint { size, note, .. }| ProvingCheckpoint { size, note }))
    }
}

/// A checkpoint that a receipt is proven by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvingCheckpoint {
    /// How many receipts.
    pub size: u64,
    /// The note.
    pub note: String,
}

fn signed_by_us(note: &Note, origin: &str, keys: &TrustedKeys) -> Result<(), CosignatureRefused> {
    for key in keys.iter() {
        match note::verify_note(note, origin, &key.public) {
            Err(NoteError::NotSigned) => {}
            verified => return Ok(verified?),
        }
    }
    Err(CosignatureRefused::NotOurs)
}

/// The partner's key that has cosigned, and when it says it did.
fn cosigned_by<'r>(
    note: &Note,
    name: &str,
    partner: &PartnerId,
    registry: &'r Registry,
) -> Result<(&'r PartnerKey, Timestamp), CosignatureRefused> {
    let may = |key: &&PartnerKey| key.scope.allows(KeyUseKind::Witness);
    for key in registry.keys_of(partner).into_iter().filter(may) {
        let seconds = match note::verify_cosignature(note, name, &key.public) {
            Err(NoteError::NotSigned) => continue,
            verified => verified?,
        };
        let seconds = i64::try_from(seconds).map_err(|_| NoteError::TimeOutOfRange)?;
        let cosigned_at = Timestamp::from_millis(seconds.saturating_mul(1_000));
        if key.valid_at(cosigned_at) {
            return Ok((key, cosigned_at));
        }
    }
    Err(CosignatureRefused::NotCosigned(partner.clone(), name.to_owned()))
}
