//! Consents to be debited, as they are kept.

use alliance_contracts::debit_consent::DebitConsent;
use alliance_contracts::encoding::{Hash, base64_encode};
use alliance_contracts::ids::ConsentId;
use alliance_contracts::jws::{self, JwsType};
use alliance_contracts::keys::Kid;
use alliance_contracts::receipt::Evidence;
use alliance_contracts::time::Timestamp;

/// A consent, whatever its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentRecord {
    /// Its id.
    pub id: ConsentId,
    /// What it says: read from what was signed.
    pub consent: DebitConsent,
    /// The key that its source has signed it with.
    pub kid: Kid,
    /// The signature.
    pub signature: [u8; 64],
    /// Since when it holds.
    pub granted_at: Timestamp,
    /// From when on it holds no more; none: it was not revoked.
    pub revoked_at: Option<Timestamp>,
}

impl ConsentRecord {
    /// Whether it holds then.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.consent.until.is_none_or(|until| now < until)
    }

    /// As its source has signed it.
    #[must_use]
    pub fn jws(&self) -> String {
        jws::assemble(JwsType::DebitConsent, &self.kid, &self.consent.payload(), &self.signature)
    }

    /// The bytes that its source has signed.
    #[must_use]
    pub fn signing_input(&self) -> Vec<u8> {
        jws::signing_input(JwsType::DebitConsent, &self.kid, &self.consent.payload())
    }

    /// What a receipt names it by: the digest of what was signed, and the signature.
    #[must_use]
    pub fn evidence(&self) -> Evidence {
        Evidence {
            base: Hash::of(&self.signing_input()),
            kid: self.kid.clone(),
            partner: self.consent.source.clone(),
            signature: base64_encode(&self.signature),
        }
    }
}

/// What was ordered under a consent on the last UTC day, and in the last UTC month, in which
/// anything was; gross, in 10⁻⁶ of the settlement currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsentSpent {
    /// The consent.
    pub consent: ConsentId,
    /// The day, counted from 1970.
    pub day: i64,
    /// On it.
    pub in_day: i64,
    /// The month, counted from the year 0.
    pub month: i64,
    /// In it.
    pub in_month: i64,
}
