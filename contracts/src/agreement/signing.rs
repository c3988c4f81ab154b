//! Who has signed an agreement: each of the two, the same bytes, with a key that counted then.

use super::Agreement;
use crate::encoding::Hash;
use crate::jws::{self, JwsError, JwsType, Parsed};
use crate::key_list::TrustedKeys;
use crate::keys::{Kid, PublicKey};
use crate::names::PartnerId;
use crate::problem::FieldError;
use crate::time::Timestamp;

/// Why a signed agreement is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AgreementError {
    /// Not a compact JWS of ours, of another `typ`, or the signature does not verify.
    #[error("the signature of {partner} is refused: {error}")]
    Signature {
        /// Whose it should be.
        partner: PartnerId,
        /// Why.
        error: JwsError,
    },
    /// Signed by a key that is not this partner's, was not in force then, or may only read.
    #[error("{kid} is no key of {partner} that counted then")]
    UnknownKey {
        /// Whose it should be.
        partner: PartnerId,
        /// The key.
        kid: Kid,
    },
    /// The payload is no agreement, or a faulty one.
    #[error("the payload is no agreement: {} faults", .0.len())]
    Faulty(Vec<FieldError>),
    /// The two have signed different bytes.
    #[error("the two partners have not signed the same bytes")]
    Differs,
}

/// Keys of partners, looked up by name.
pub trait PartnerKeys {
    /// The key of that name, if it is this partner's, was in force then, and may sign.
    fn signer(&self, kid: &Kid, partner: &PartnerId, at: Timestamp) -> Option<&PublicKey>;
}

impl PartnerKeys for TrustedKeys {
    fn signer(&self, kid: &Kid, partner: &PartnerId, at: Timestamp) -> Option<&PublicKey> {
        let key = self.find(kid)?;
        let theirs = key.partner.as_deref() == Some(partner.as_str());
        let may_sign = matches!(key.scope.as_deref(), None | Some("full"));
        (theirs && may_sign && key.valid_at(at)).then_some(&key.public)
    }
}

/// When each of the two signed, as the alliance has recorded it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedAt {
    /// When `a` did.
    pub a: Timestamp,
    /// When `b` did.
    pub b: Timestamp,
}

/// An agreement that both partners have signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedAgreement {
    /// What they have agreed on.
    pub agreement: Agreement,
    /// SHA-256 of the payload: what the next version names as `previous`.
    pub hash: Hash,
}

/// Reads one JWS of an agreement, without verifying who signed it.
///
/// # Errors
/// Every fault of the document; of the JWS itself, with an empty pointer.
pub fn read_signed(text: &str) -> Result<(Parsed, Agreement), Vec<FieldError>> {
    let malformed = |detail: String| {
        let (code, pointer) = (crate::problem::ProblemCode::Malformed, "/jws".to_owned());
        vec![FieldError { code, detail, pointer }]
    };
    let parsed = jws::parse(text)
        .map_err(|error| malformed(format!("no compact JWS of an agreement: {error}")))?;
    if parsed.typ != JwsType::Agreement {
        return Err(malformed("its typ is not alliance-agreement+jws".to_owned()));
    }
    let agreement = Agreement::read_payload(&parsed.payload, None)?;
    Ok((parsed, agreement))
}

/// Verifies one partner's signature, made then.
///
/// # Errors
/// [`AgreementError::UnknownKey`], [`AgreementError::Signature`].
pub fn verify_signature(
    signed: &Parsed,
    partner: &PartnerId,
    keys: &impl PartnerKeys,
    at: Timestamp,
) -> Result<(), AgreementError> {
    let key = keys.signer(&signed.kid, partner, at).ok_or_else(|| AgreementError::UnknownKey {
        partner: partner.clone(),
        kid: signed.kid.clone(),
    })?;
    signed
        .verify(JwsType::Agreement, key)
        .map_err(|error| AgreementError::Signature { partner: partner.clone(), error })
}

/// Verifies an agreement that both have signed: `a_jws` by its `a`, `b_jws` by its `b`, over the
/// same payload, which is an agreement without faults.
///
/// # Errors
/// The first [`AgreementError`].
pub fn verify_agreement(
    a_jws: &str,
    b_jws: &str,
    keys: &impl PartnerKeys,
    at: SignedAt,
) -> Result<VerifiedAgreement, AgreementError> {
    let (by_a, agreement) = read_signed(a_jws).map_err(AgreementError::Faulty)?;
    let refused = |error| AgreementError::Signature { partner: agreement.b.clone(), error };
    let by_b = jws::parse(b_jws).map_err(refused)?;
    if by_a.payload != by_b.payload {
        return Err(AgreementError::Differs);
    }
    verify_signature(&by_a, &agreement.a, keys, at.a)?;
    verify_signature(&by_b, &agreement.b, keys, at.b)?;
    Ok(VerifiedAgreement { hash: Hash::of(&by_a.payload), agreement })
}
