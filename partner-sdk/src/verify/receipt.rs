//! One receipt: from the bytes of its JWS to something that can be relied on.
//!
//! Three steps, so that the expensive middle can be spread over threads or verified in batches:
//! [`ParsedReceipt::parse`] (no key needed), [`ParsedReceipt::verify`] (the signature) and
//! [`super::ChainVerifier::accept`] (the place in the chain, cheap and in order).

use alliance_contracts::encoding::Hash;
use alliance_contracts::jws::{self, JwsError, JwsType};
use alliance_contracts::key_list::{TrustedKey, TrustedKeys};
use alliance_contracts::keys::Kid;
use alliance_contracts::keys::batch::Claim;
use alliance_contracts::merkle;
use alliance_contracts::receipt::{self, Receipt, ReceiptError};
use alliance_contracts::time::Timestamp;

use super::witness::WitnessedCheckpoint;

/// Why one receipt, looked at by itself, proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptFault {
    /// Not a compact JWS of the one form, not of `typ` `alliance-receipt+jws`, or its signature
    /// does not verify under the key that it names.
    #[error("the JWS is refused: {0}")]
    Jws(#[from] JwsError),
    /// The payload is not the canonical form of a receipt.
    #[error("the payload is refused: {0}")]
    Payload(#[from] ReceiptError),
    /// The key list does not have the key.
    #[error("signed by the key {kid}, which is not in the key list")]
    UnknownKey {
        /// The key that the receipt names.
        kid: Kid,
    },
    /// The receipt names another alliance than the key list does.
    #[error("of the alliance {found}, but the key list is of {expected}")]
    ForeignAlliance {
        /// The alliance of the key list.
        expected: String,
        /// The alliance that the receipt names.
        found: String,
    },
    /// `completed_at` lies before the key's `nbf`, or at or after its `exp`.
    #[error("the key {kid} was not valid at {completed_at}")]
    KeyNotValid {
        /// The key.
        kid: Kid,
        /// When the receipt says that it was made.
        completed_at: Timestamp,
    },
    /// The key has been revoked. Such a receipt counts only if a checkpoint that a partner
    /// cosigned before `revoked_at` includes it (whoever holds a stolen key can date receipts
    /// back), and this verifier has been shown none (threat T34).
    #[error(
        "the key {kid} was revoked at {revoked_at}: its receipts count only under a checkpoint \
         that a partner cosigned before, and none was shown"
    )]
    RevokedKey {
        /// The key.
        kid: Kid,
        /// Since when it is revoked.
        revoked_at: Timestamp,
    },
}

/// Which signatures are good enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signatures {
    /// Those that every verifier accepts (RFC 8032, R compared as bytes).
    Strict,
    /// Those that batch verification accepts: the same, and what only the key's owner can make.
    Batched,
}

/// A receipt that was read: well-formed and canonical, but nothing about it is verified yet.
#[derive(Clone, Debug)]
pub struct ParsedReceipt {
    jws: jws::Parsed,
    receipt: Receipt,
}

impl ParsedReceipt {
    /// Reads a compact JWS with the payload of a receipt.
    ///
    /// # Errors
    /// [`ReceiptFault::Jws`] or [`ReceiptFault::Payload`].
    pub fn parse(jws: &str) -> Result<Self, ReceiptFault> {
        let jws = jws::parse(jws)?;
        if jws.typ != JwsType::Receipt {
            return Err(JwsError::WrongType.into());
        }
        let receipt = receipt::parse(&jws.payload)?;
        Ok(Self { jws, receipt })
    }

    /// What the receipt says: not to be believed yet.
    #[must_use]
    pub const fn unverified(&self) -> &Receipt {
        &self.receipt
    }

    /// Verifies the signature under the key of the list that the receipt names, and that the key
    /// was in force at `completed_at`.
    ///
    /// # Errors
    /// Every [`ReceiptFault`] but `Payload`.
    pub fn verify(self, keys: &TrustedKeys) -> Result<VerifiedReceipt, ReceiptFault> {
        self.verify_by(Signatures::Strict, keys, &[])
    }

    /// The same, where receipts under a revoked key count as far as these checkpoints go. That the
    /// receipt is among a checkpoint's is for the caller to see.
    pub(super) fn verify_by(
        self,
        signatures: Signatures,
        keys: &TrustedKeys,
        witnessed: &[WitnessedCheckpoint],
    ) -> Result<VerifiedReceipt, ReceiptFault> {
        let key = self.key(keys, witnessed)?;
        match signatures {
            Signatures::Strict => self.jws.verify(JwsType::Receipt, &key.public)?,
            // The key was found by the name in the header, and the type asked for when reading.
            Signatures::Batched => {
                let (message, signature) = (&*self.jws.signing_input, &self.jws.signature);
                let claim = Claim { key: &key.public, message, signature };
                claim.verify().map_err(|_| JwsError::BadSignature)?;
            }
        }
        let jws::Parsed { kid, payload, .. } = self.jws;
        Ok(VerifiedReceipt {
            hash: Hash::of(&payload),
            leaf_hash: merkle::leaf_hash(&payload),
            receipt: self.receipt,
            kid,
            payload,
        })
    }

    fn key<'k>(
        &self,
        keys: &'k TrustedKeys,
        witnessed: &[WitnessedCheckpoint],
    ) -> Result<&'k TrustedKey, ReceiptFault> {
        let kid = &self.jws.kid;
        let key = keys.find(kid).ok_or_else(|| ReceiptFault::UnknownKey { kid: kid.clone() })?;
        check_key(key, keys, &self.receipt, witnessed)?;
        Ok(key)
    }
}

/// Whether a key of the list may have signed what the receipt says: of a revoked one, as far as
/// these checkpoints go.
pub(super) fn check_key(
    key: &TrustedKey,
    keys: &TrustedKeys,
    receipt: &Receipt,
    witnessed: &[WitnessedCheckpoint],
) -> Result<(), ReceiptFault> {
    if receipt.alliance.as_str() != keys.alliance() {
        return Err(ReceiptFault::ForeignAlliance {
            expected: keys.alliance().to_owned(),
            found: receipt.alliance.to_string(),
        });
    }
    let vouched_for = |revoked_at| {
        witnessed.iter().any(|w| w.vouches_for(&receipt.corridor, receipt.seq, revoked_at))
    };
    if let Some(revoked_at) = key.revoked_at
        && !vouched_for(revoked_at)
    {
        return Err(ReceiptFault::RevokedKey { kid: key.kid.clone(), revoked_at });
    }
    let completed_at = receipt.completed_at;
    if !key.valid_at(completed_at) {
        return Err(ReceiptFault::KeyNotValid { kid: key.kid.clone(), completed_at });
    }
    Ok(())
}

/// A receipt whose signature was verified. That it has its place in an unbroken chain is for
/// [`super::ChainVerifier`] to say.
#[derive(Clone, Debug)]
pub struct VerifiedReceipt {
    receipt: Receipt,
    payload: Vec<u8>,
    kid: Kid,
    hash: Hash,
    leaf_hash: Hash,
}

impl VerifiedReceipt {
    /// Verifies one receipt by itself.
    ///
    /// # Errors
    /// [`ReceiptFault`].
    ///
    /// ```
    /// use alliance_partner_sdk::verify::{TrustedKeys, ReceiptFault, VerifiedReceipt};
    /// fn points_that_arrived(jws: &str, keys: &TrustedKeys) -> Result<String, ReceiptFault> {
    ///     let verified = VerifiedReceipt::verify(jws, keys)?;
    ///     Ok(verified.receipt().target.amount().to_string())
    /// }
    /// ```
    pub fn verify(jws: &str, keys: &TrustedKeys) -> Result<Self, ReceiptFault> {
        ParsedReceipt::parse(jws)?.verify(keys)
    }

    /// What it says.
    #[must_use]
    pub const fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// The same, by value.
    #[must_use]
    pub fn into_receipt(self) -> Receipt {
        self.receipt
    }

    /// The bytes that were signed: RFC 8785 JSON.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The gateway key that signed it.
    #[must_use]
    pub const fn kid(&self) -> &Kid {
        &self.kid
    }

    /// SHA-256 of the payload: the next receipt's `prev`.
    #[must_use]
    pub const fn hash(&self) -> Hash {
        self.hash
    }

    /// RFC 6962 hash of the payload as leaf `seq` − 1 of the corridor's tree.
    #[must_use]
    pub const fn leaf_hash(&self) -> Hash {
        self.leaf_hash
    }
}
