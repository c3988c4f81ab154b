//! Agreements: what both partners have signed, under the list of all partners' keys.

use alliance_contracts::agreement::{
    self, AgreementError, AgreementView, SignedAt, VerifiedAgreement, read_signed, verify_signature,
};
use alliance_contracts::encoding::Hash;
use alliance_contracts::key_list::TrustedKeys;

/// Why an agreement is not what it is shown as.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AgreementFault {
    /// A signature, or what it is over.
    #[error(transparent)]
    Signed(#[from] AgreementError),
    /// The decoded copy is not what was signed.
    #[error("the decoded document is not the signed one")]
    Differs,
    /// One of the two has not signed.
    #[error("it lacks the signature of {0}")]
    Unsigned(String),
}

/// Verifies that both partners have signed this version, each with a key of its own that counted
/// at the time that the alliance has recorded, and that the decoded copy is what they signed.
///
/// # Errors
/// The first [`AgreementFault`].
///
/// ```
/// use alliance_partner_sdk::contracts::agreement::AgreementView;
/// use alliance_partner_sdk::verify::agreement::{AgreementFault, verify_agreement};
/// use alliance_partner_sdk::verify::{TrustedKeys, keys};
///
/// /// Of two files that were kept: an agreement as served, and the list of partners' keys.
/// fn fee(view: &AgreementView, partners: &TrustedKeys) -> Result<String, AgreementFault> {
///     let verified = verify_agreement(view, partners)?;
///     Ok(verified.agreement.fee.rate.to_string())
/// }
/// ```
pub fn verify_agreement(
    view: &AgreementView,
    partners: &TrustedKeys,
) -> Result<VerifiedAgreement, AgreementFault> {
    let lacks = |partner: &dyn ToString| AgreementFault::Unsigned(partner.to_string());
    let a = view.a_jws.as_deref().ok_or_else(|| lacks(&view.agreement.a))?;
    let b = view.b_jws.as_deref().ok_or_else(|| lacks(&view.agreement.b))?;
    let countersigned = view.countersigned_at.unwrap_or(view.proposed_at);
    let at = if view.proposed_by == view.agreement.a {
        SignedAt { a: view.proposed_at, b: countersigned }
    } else {
        SignedAt { a: countersigned, b: view.proposed_at }
    };
    let verified = agreement::verify_agreement(a, b, partners, at)?;
    if verified.agreement == view.agreement { Ok(verified) } else { Err(AgreementFault::Differs) }
}

/// Verifies that its proposer has signed this version, and that the decoded copy is what it signed:
/// what must hold before anyone countersigns.
///
/// # Errors
/// The first [`AgreementFault`].
pub fn verify_proposal(
    view: &AgreementView,
    partners: &TrustedKeys,
) -> Result<VerifiedAgreement, AgreementFault> {
    let proposer = &view.proposed_by;
    let jws = if *proposer == view.agreement.a { &view.a_jws } else { &view.b_jws };
    let jws = jws.as_deref().ok_or_else(|| AgreementFault::Unsigned(proposer.to_string()))?;
    let (signed, agreement) = read_signed(jws).map_err(AgreementError::Faulty)?;
    if agreement != view.agreement || !agreement.includes(proposer) {
        return Err(AgreementFault::Differs);
    }
    verify_signature(&signed, proposer, partners, view.proposed_at)?;
    Ok(VerifiedAgreement { hash: Hash::of(&signed.payload), agreement })
}
