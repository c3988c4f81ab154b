//! Keys, checkpoints and proofs: fetched, verified, and held against what was seen before.

use std::pin::Pin;
use std::sync::Arc;

use alliance_contracts::corridor::Proof;
use alliance_contracts::encoding::Hash;
use alliance_contracts::ids::ReceiptId;
use alliance_contracts::key_list::TrustedKeys;
use alliance_contracts::names::Corridor;
use alliance_contracts::time::Timestamp;
use alliance_contracts::transaction::SignedReceipt;

use super::error::{Error, VerificationError};
use super::memory::SeenReceipt;
use super::send::Request;
use super::{Call, Client, lock};
use crate::verify::{
    Consistency, ForkEvidence, KeysError, VerifiedCheckpoint, VerifiedReceipt, compare_checkpoints,
    keys, read_hashes,
};

/// A key list is fetched anew after so long, so that revocations arrive.
const KEYS_MAX_AGE_SECONDS: i64 = 60;

/// The gateway keys as they were fetched last.
pub(super) struct CachedKeys {
    keys: Arc<TrustedKeys>,
    fetched_at: Timestamp,
    outdated: bool,
}

/// The key lists as they are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedKeyLists {
    /// The gateway's keys, signed by the root key: `jwks.json`.
    pub gateway: String,
    /// All partners' keys, signed by a gateway key.
    pub partners: String,
}

/// Keys.
impl Client {
    /// Every key that ever signed for the alliance, fetched now and verified under the pinned
    /// root key.
    ///
    /// # Errors
    /// Any [`Error`]; `Verification` for a list that is refused or rolled back.
    pub async fn gateway_keys(&self) -> Result<Arc<TrustedKeys>, Error> {
        Ok(self.signed_gateway_keys().await?.1)
    }

    async fn signed_gateway_keys(&self) -> Result<(Vec<u8>, Arc<TrustedKeys>), Error> {
        let root = self.root()?;
        let route = "/.well-known/jwks.json";
        let list = Call::<()>::get(self, route, route).unsigned_answer().bytes().await?;
        let keys = Arc::new(keys::verify_key_list(&list, root).map_err(VerificationError::Keys)?);
        self.check_alliance(&keys)?;
        let mut cached = lock(&self.0.keys);
        if let Some(known) = &*cached {
            keys::check_successor(&known.keys, &keys).map_err(VerificationError::Keys)?;
        }
        let (keys_cached, fetched_at) = (Arc::clone(&keys), self.now());
        *cached = Some(CachedKeys { keys: keys_cached, fetched_at, outdated: false });
        Ok((list, keys))
    }

    /// Every key of every partner, verified under a gateway key that the pinned root key vouches
    /// for: for evidence.
    ///
    /// # Errors
    /// As [`Client::gateway_keys`].
    pub async fn partner_keys(&self) -> Result<TrustedKeys, Error> {
        Ok(self.signed_partner_keys().await?.1)
    }

    async fn signed_partner_keys(&self) -> Result<(Vec<u8>, TrustedKeys), Error> {
        let route = "/v1/partners/keys";
        let list = Call::<()>::get(self, route, route).bytes().await?;
        let gateway = self.gateway_keys().await?;
        let keys = keys::verify_partner_list(&list, &gateway).map_err(VerificationError::Keys)?;
        self.check_alliance(&keys)?;
        Ok((list, keys))
    }

    /// Both key lists as they are served, verified: what has to be kept to verify receipts without
    /// the alliance.
    ///
    /// # Errors
    /// As [`Client::gateway_keys`].
    pub async fn signed_key_lists(&self) -> Result<SignedKeyLists, Error> {
        let (partners, _) = self.signed_partner_keys().await?;
        let (gateway, _) = self.signed_gateway_keys().await?;
        let text = |list: Vec<u8>| String::from_utf8_lossy(&list).into_owned();
        Ok(SignedKeyLists { gateway: text(gateway), partners: text(partners) })
    }

    fn check_alliance(&self, keys: &TrustedKeys) -> Result<(), VerificationError> {
        match &self.0.alliance {
            Some(alliance) if alliance.as_str() != keys.alliance() => {
                Err(KeysError::ForeignAlliance { found: keys.alliance().to_owned() }.into())
            }
            _ => Ok(()),
        }
    }

    /// The gateway keys, a minute old at most. Boxed, with its type written out: a call may need
    /// the keys, and fetching them is a call.
    pub(super) fn trusted_keys(
        &self,
    ) -> Pin<Box<dyn Future<Output = Result<Arc<TrustedKeys>, Error>> + Send + '_>> {
        Box::pin(async {
            match self.cached_keys() {
                Some(keys) => Ok(keys),
                None => self.gateway_keys().await,
            }
        })
    }

    /// Verifies something under the gateway keys; under newly fetched ones where it is signed by a
    /// key that the list at hand does not have, as the list may be older than the key.
    pub(super) async fn under_keys<T>(
        &self,
        verify: impl Fn(&TrustedKeys) -> Result<T, VerificationError>,
    ) -> Result<T, Error> {
        let keys = self.trusted_keys().await?;
        match verify(&keys) {
            Err(error) if error.is_of_unknown_key() => Ok(verify(&*self.gateway_keys().await?)?),
            outcome => Ok(outcome?),
        }
    }

    fn cached_keys(&self) -> Option<Arc<TrustedKeys>> {
        let cached = lock(&self.0.keys);
        let cached = cached.as_ref().filter(|cached| !cached.outdated)?;
        let fresh = self.now() < cached.fetched_at.plus_seconds(KEYS_MAX_AGE_SECONDS);
        fresh.then(|| Arc::clone(&cached.keys))
    }

    /// Has the keys fetched anew before they are used again.
    pub(super) fn forget_keys(&self) {
        if let Some(cached) = &mut *lock(&self.0.keys) {
            cached.outdated = true;
        }
    }

    /// The keys to verify an answer's own signature with, where one is asked for.
    pub(super) async fn answer_keys(
        &self,
        request: &Request,
    ) -> Result<Option<Arc<TrustedKeys>>, Error> {
        if self.0.verify_answers && request.signed_answer {
            Ok(Some(self.trusted_keys().await?))
        } else {
            Ok(None)
        }
    }
}

/// Receipts, one by one.
impl Client {
    /// Verifies a receipt under the pinned root key, and remembers it for `Alliance-Seen`.
    ///
    /// # Errors
    /// [`Error::Verification`]; [`Error::Fork`] where another receipt with its number was
    /// verified before.
    pub async fn verify_receipt(&self, signed: &SignedReceipt) -> Result<VerifiedReceipt, Error> {
        let verify = |keys: &TrustedKeys| VerifiedReceipt::verify(&signed.jws, keys);
        let verified = match self.under_keys(|keys| Ok(verify(keys)?)).await {
            // Where nobody has witnessed it, it is the revocation that has to be told.
            Err(error) if error.is_of_revoked_key() => {
                self.verify_witnessed(signed).await?.ok_or(error)?
            }
            outcome => outcome?,
        };
        self.check_seen(&verified, &signed.jws)?;
        self.remember(&verified, &signed.jws);
        Ok(verified)
    }

    /// Refuses a receipt in whose place another one was verified before.
    pub(super) fn check_seen(&self, verified: &VerifiedReceipt, jws: &str) -> Result<(), Error> {
        let (corridor, seq) = (&verified.receipt().corridor, verified.receipt().seq);
        let seen = self.remembered(|memory| memory.receipt(corridor, seq).cloned());
        match seen {
            Some(seen) if seen.hash != verified.hash() => {
                Err(Error::Fork(Box::new(ForkEvidence::Receipt {
                    corridor: corridor.clone(),
                    seq,
                    seen_seq: seq,
                    seen: seen.hash,
                    seen_jws: Some(seen.jws),
                    jws: jws.to_owned(),
                })))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn remember(&self, verified: &VerifiedReceipt, jws: &str) {
        let receipt = verified.receipt();
        let (hash, jws) = (verified.hash(), jws.to_owned());
        let seen = SeenReceipt { hash, jws, seq: receipt.seq };
        self.remembered(|memory| memory.remember(&receipt.corridor, seen));
    }
}

/// Checkpoints and proofs.
impl Client {
    /// The corridor's checkpoint: verified, cosigned within the last ten minutes, and grown out
    /// of the one that was seen before. It is remembered for the next time.
    ///
    /// # Errors
    /// [`Error::Fork`] with both checkpoints where they are not of one history; otherwise any
    /// [`Error`].
    pub async fn checkpoint(&self, corridor: &Corridor) -> Result<VerifiedCheckpoint, Error> {
        let target = format!("/v1/corridors/{corridor}/checkpoint");
        let note = Call::<()>::get(self, "/v1/corridors/{corridor}/checkpoint", target)
            .about(corridor.clone())
            .accept("text/plain")
            .text()
            .await?;
        let verify = |note: &str, keys: &TrustedKeys| {
            VerifiedCheckpoint::verify(note, corridor, keys).map_err(VerificationError::Checkpoint)
        };
        let checkpoint = self.under_keys(|keys| verify(&note, keys)).await?;
        checkpoint.check_fresh(self.alliance_time()).map_err(VerificationError::Checkpoint)?;
        let known = self.remembered(|memory| memory.of(corridor)?.checkpoint.clone());
        // One whose key has been revoked since says nothing any more.
        let keys = self.trusted_keys().await?;
        let known = known.and_then(|note| verify(&note, &keys).ok());
        let Some(known) = known else {
            self.remembered(|memory| memory.remember_checkpoint(corridor, note));
            return Ok(checkpoint);
        };
        self.check_grown(&known, &checkpoint).await?;
        if checkpoint.size() >= known.size() {
            self.remembered(|memory| memory.remember_checkpoint(corridor, note));
        }
        Ok(checkpoint)
    }

    async fn check_grown(
        &self,
        known: &VerifiedCheckpoint,
        now: &VerifiedCheckpoint,
    ) -> Result<(), Error> {
        let (from, to) = (known.size().min(now.size()), known.size().max(now.size()));
        let proof = if from == to || from == 0 {
            Vec::new()
        } else {
            self.consistency_proof(known.corridor(), from, to).await?
        };
        match compare_checkpoints(known, now, &proof).map_err(VerificationError::Checkpoint)? {
            Consistency::Consistent => Ok(()),
            Consistency::Forked(evidence) => Err(Error::Fork(evidence)),
        }
    }

    /// The inclusion path of receipt `seq` in the tree of the corridor's first `size` receipts:
    /// for [`VerifiedCheckpoint::verify_inclusion`].
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn inclusion_proof(
        &self,
        corridor: &Corridor,
        seq: u64,
        size: u64,
    ) -> Result<Vec<Hash>, Error> {
        let target = format!("/v1/corridors/{corridor}/proofs/inclusion?seq={seq}&size={size}");
        self.proof(corridor, "/v1/corridors/{corridor}/proofs/inclusion", target).await
    }

    /// The consistency path from the tree of the corridor's first `from` receipts to that of the
    /// first `to`: for [`compare_checkpoints`] and
    /// [`verify_checkpoint`](crate::verify::ChainVerifier::verify_checkpoint).
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn consistency_proof(
        &self,
        corridor: &Corridor,
        from: u64,
        to: u64,
    ) -> Result<Vec<Hash>, Error> {
        let target = format!("/v1/corridors/{corridor}/proofs/consistency?from={from}&to={to}");
        self.proof(corridor, "/v1/corridors/{corridor}/proofs/consistency", target).await
    }

    async fn proof(
        &self,
        corridor: &Corridor,
        route: &'static str,
        target: String,
    ) -> Result<Vec<Hash>, Error> {
        let proof: Proof = Call::get(self, route, target).about(corridor.clone()).await?;
        Ok(read_hashes(&proof.hashes).map_err(VerificationError::Checkpoint)?)
    }

    /// The self-contained proof file of a receipt: keep it beside the receipt, and
    /// [`verify_proof_file`](crate::verify::verify_proof_file) will say the same in ten years.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn receipt_proof(&self, id: ReceiptId) -> Result<String, Error> {
        let target = format!("/v1/receipts/{id}/proof");
        Call::<()>::get(self, "/v1/receipts/{id}/proof", target).accept("text/plain").text().await
    }
}
