//! Consents to be debited, as they are shown.

use alliance_contracts::debit_consent::{ConsentError, ConsentView, DebitConsent};
use alliance_contracts::key_list::TrustedKeys;

/// Why a consent is not what it is shown as.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConsentFault {
    /// The signature, or what it is over.
    #[error(transparent)]
    Signed(#[from] ConsentError),
    /// The decoded copy is not what was signed.
    #[error("the decoded document is not the signed one")]
    Differs,
}

/// Verifies that its source has signed this consent, with a key that was in force when it was taken
/// in, and that the decoded copy is what it signed. `partners` is the list of all partners' keys.
///
/// # Errors
/// The first [`ConsentFault`].
pub fn verify_consent(
    view: &ConsentView,
    partners: &TrustedKeys,
) -> Result<DebitConsent, ConsentFault> {
    let (signed, consent) = DebitConsent::read_signed(&view.jws).map_err(ConsentError::Faulty)?;
    if consent != view.consent {
        return Err(ConsentFault::Differs);
    }
    consent.verify_signature(&signed, partners, view.granted_at)?;
    Ok(consent)
}
