//! Erasures: what the alliance has signed about a member that was forgotten.

use alliance_contracts::json;
use alliance_contracts::jws::{self, JwsError, JwsType};
use alliance_contracts::key_list::TrustedKeys;
use alliance_contracts::keys::Kid;
use alliance_contracts::member::{ERASURE_VERSION, Erasure, SignedErasure};

/// Why an erasure proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErasureFault {
    /// Not a compact JWS of the one form, of another `typ`, or its signature does not verify.
    #[error("the erasure is refused: {0}")]
    Jws(#[from] JwsError),
    /// The payload is not the canonical form of an erasure of a version that is known here.
    #[error("the payload is not the canonical form of an erasure")]
    Payload,
    /// The key list does not have the key, or the key was not in force at the erasure, or was
    /// revoked since: no chain says when this was signed.
    #[error("{kid} is no gateway key that was in force when the member was forgotten")]
    UnknownKey {
        /// The key.
        kid: Kid,
    },
    /// Of another alliance than the key list.
    #[error("of the alliance {0}, which the key list is not of")]
    ForeignAlliance(String),
    /// The decoded copy is not what was signed.
    #[error("the decoded document is not the signed one")]
    Differs,
}

/// Verifies that the alliance has signed this erasure, and that the decoded copy is what it signed.
///
/// # Errors
/// The first [`ErasureFault`].
///
/// ```
/// use alliance_partner_sdk::contracts::member::SignedErasure;
/// use alliance_partner_sdk::verify::TrustedKeys;
/// use alliance_partner_sdk::verify::erasure::{ErasureFault, verify_erasure};
///
/// /// Of two files that were kept: an erasure as served, and the list of the gateway's keys.
/// fn forgotten_at(kept: &SignedErasure, gateway: &TrustedKeys) -> Result<String, ErasureFault> {
///     Ok(verify_erasure(kept, gateway)?.erased_at.to_string())
/// }
/// ```
pub fn verify_erasure(signed: &SignedErasure, keys: &TrustedKeys) -> Result<Erasure, ErasureFault> {
    let parsed = jws::parse(&signed.jws)?;
    let unknown = || ErasureFault::UnknownKey { kid: parsed.kid.clone() };
    let key = keys.find(&parsed.kid).ok_or_else(unknown)?;
    parsed.verify(JwsType::Erasure, &key.public)?;
    let erasure: Erasure = json::read_canonical(&parsed.payload).ok_or(ErasureFault::Payload)?;
    if erasure.v != ERASURE_VERSION {
        return Err(ErasureFault::Payload);
    }
    if !key.valid_at(erasure.erased_at) || key.revoked_at.is_some() {
        return Err(unknown());
    }
    if erasure.alliance.as_str() != keys.alliance() {
        return Err(ErasureFault::ForeignAlliance(erasure.alliance.to_string()));
    }
    if erasure != signed.erasure {
        return Err(ErasureFault::Differs);
    }
    Ok(erasure)
}
