//! The partner as a witness: it cosigns what it has seen grow, so that nobody can ever rewrite it,
//! not even with the gateway's own key.

use alliance_contracts::cosignature::{CosignatureRequest, Cosignatures, CosignedCheckpoint};
use alliance_contracts::merkle;
use alliance_contracts::names::Corridor;
use alliance_contracts::note;
use alliance_contracts::time::Timestamp;
use alliance_contracts::transaction::SignedReceipt;

use super::error::{Error, VerificationError};
use super::{Call, Client};
use crate::verify::{
    CheckpointError, ForkEvidence, ParsedReceipt, ReceiptFault, VerifiedCheckpoint,
    VerifiedReceipt, WitnessFault, WitnessedCheckpoint, verify_witnessed_receipt,
};

/// A checkpoint that the partner has looked at and cosigned: to be kept, then handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witnessed {
    /// The corridor.
    pub corridor: Corridor,
    /// How many receipts it is about.
    pub size: u64,
    /// The checkpoint with the cosignature.
    pub note: String,
    /// Whether the gateway serves it with this partner's cosignature already.
    pub known: bool,
}

/// Witnessing.
impl Client {
    /// Looks at a corridor's checkpoint and, if all is well, cosigns it and hands the cosignature
    /// in. The key must be of a scope that may cosign.
    ///
    /// A process that ends keeps what it has cosigned in its [`Memory`](super::Memory). One that
    /// must not even forget it in a crash takes the two steps itself, and keeps the memory between
    /// them:
    ///
    /// ```no_run
    /// # use alliance_partner_sdk::Client;
    /// # fn keep(_: &alliance_partner_sdk::client::Memory) -> std::io::Result<()> { Ok(()) }
    /// # async fn f(client: Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let witnessed = client.cosign(&"aurora-air~borealis-coffee".parse()?).await?;
    /// keep(&client.memory())?;
    /// client.hand_in(&witnessed).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Client::cosign`].
    pub async fn witness(&self, corridor: &Corridor) -> Result<Witnessed, Error> {
        let witnessed = self.cosign(corridor).await?;
        self.hand_in(&witnessed).await?;
        Ok(witnessed)
    }

    /// Fetches the corridor's checkpoint, verifies it, that it is of the last ten minutes, and that
    /// it has grown out of the last one that was seen and the last one that was cosigned; then
    /// cosigns it.
    ///
    /// # Errors
    /// [`Error::Fork`] with both checkpoints where the alliance tells two histories; otherwise any
    /// [`Error`].
    pub async fn cosign(&self, corridor: &Corridor) -> Result<Witnessed, Error> {
        let checkpoint = self.checkpoint(corridor).await?;
        self.check_since_cosigned(&checkpoint).await?;
        let keys = self.trusted_keys().await?;
        let name = note::witness_name(keys.alliance(), self.partner().as_str());
        let parsed = note::parse_note(checkpoint.note()).map_err(CheckpointError::from);
        let parsed = parsed.map_err(VerificationError::Checkpoint)?;
        let key = self.signing_key();
        let mut note = checkpoint.note().to_owned();
        let known = note::verify_cosignature(&parsed, &name, key.public_key()).is_ok();
        if !known {
            let seconds = u64::try_from(self.now().as_seconds()).unwrap_or(0);
            let cosigned = parsed
                .checkpoint()
                .and_then(|text| note::cosign(&text, &name, &key, seconds))
                .and_then(|line| note::append_signature_line(&mut note, &line.to_string()));
            let cosigned = cosigned.map_err(CheckpointError::from);
            cosigned.map_err(VerificationError::Checkpoint)?;
        }
        self.remembered(|memory| memory.remember_cosigned(corridor, note.clone()));
        Ok(Witnessed { corridor: corridor.clone(), size: checkpoint.size(), note, known })
    }

    /// Hands in what was cosigned, unless the gateway has it. It is served with the checkpoint from
    /// then on.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn hand_in(&self, witnessed: &Witnessed) -> Result<(), Error> {
        if witnessed.known {
            return Ok(());
        }
        let Witnessed { corridor, note, .. } = witnessed;
        let target = format!("/v1/corridors/{corridor}/cosignatures");
        let body = CosignatureRequest { note: note.clone() };
        let route = "/v1/corridors/{corridor}/cosignatures";
        let _: CosignedCheckpoint =
            Call::post(self, route, target, &body).about(corridor.clone()).await?;
        Ok(())
    }

    /// Cosigned checkpoints: those that include receipt `covering`, of fewest receipts first; or
    /// the newest.
    pub fn cosignatures(&self, corridor: &Corridor, covering: Option<u64>) -> Call<Cosignatures> {
        let route = "/v1/corridors/{corridor}/cosignatures";
        let target = match covering {
            Some(seq) => format!("/v1/corridors/{corridor}/cosignatures?covering={seq}"),
            None => format!("/v1/corridors/{corridor}/cosignatures"),
        };
        Call::get(self, route, target).about(corridor.clone())
    }

    /// What this partner has cosigned stays the measure, whatever becomes of the gateway key under
    /// it: the new checkpoint must contain it.
    async fn check_since_cosigned(&self, now: &VerifiedCheckpoint) -> Result<(), Error> {
        let corridor = now.corridor();
        let kept = self.remembered(|memory| memory.of(corridor)?.cosigned.clone());
        let Some(kept) = kept else { return Ok(()) };
        let before = note::parse_note(&kept).and_then(|note| note.checkpoint());
        let before =
            before.map_err(CheckpointError::from).map_err(VerificationError::Checkpoint)?;
        let (from, to) = (before.size.min(now.size()), before.size.max(now.size()));
        let proof = match from {
            _ if from == to => Vec::new(),
            _ => self.consistency_proof(corridor, from, to).await?,
        };
        let later = before.size > now.size();
        let (smaller, larger) = ((before.root, kept), (now.root(), now.note().to_owned()));
        let (smaller, larger) = if later { (larger, smaller) } else { (smaller, larger) };
        if merkle::verify_consistency(from, &smaller.0, to, &larger.0, &proof).is_ok() {
            return Ok(());
        }
        Err(Error::Fork(Box::new(ForkEvidence::Checkpoints {
            corridor: corridor.clone(),
            smaller: smaller.1,
            larger: larger.1,
            proof,
        })))
    }

    /// The checkpoint that goes furthest of those that a partner cosigned before that time, and
    /// that include receipt `seq`; of the first hundred.
    pub(super) async fn witnessed_before(
        &self,
        corridor: &Corridor,
        seq: u64,
        revoked_at: Timestamp,
    ) -> Result<Option<WitnessedCheckpoint>, Error> {
        let cosigned = self.cosignatures(corridor, Some(seq)).await?;
        let partners = self.partner_keys().await?;
        let witnessed = cosigned.items.iter().rev().filter_map(|one| {
            // Another one may do where this one does not.
            WitnessedCheckpoint::verify(&one.note, corridor, &partners).ok()
        });
        let mut before = witnessed.filter(|one| one.vouches_for(corridor, seq, revoked_at));
        Ok(before.next())
    }

    /// Verifies a receipt whose key was revoked by the checkpoint that the gateway proves it with;
    /// none where no partner has cosigned that, or not before the revocation.
    pub(super) async fn verify_witnessed(
        &self,
        signed: &SignedReceipt,
    ) -> Result<Option<VerifiedReceipt>, Error> {
        let parsed = ParsedReceipt::parse(&signed.jws).map_err(VerificationError::Receipt)?;
        let proof = self.receipt_proof(parsed.unverified().id).await?;
        let partners = self.partner_keys().await?;
        let keys = self.trusted_keys().await?;
        match verify_witnessed_receipt(&signed.jws, &proof, &keys, &partners) {
            Ok(verified) => Ok(Some(verified)),
            Err(
                WitnessFault::Checkpoint(CheckpointError::NotWitnessed)
                | WitnessFault::Receipt(ReceiptFault::RevokedKey { .. }),
            ) => Ok(None),
            Err(fault) => Err(VerificationError::Witness(fault).into()),
        }
    }
}
