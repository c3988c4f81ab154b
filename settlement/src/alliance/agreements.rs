//! Agreements as they are kept: the bytes that were signed, and who has signed them.

use alliance_contracts::agreement::{Agreement, AgreementState, PartnerKeys};
use alliance_contracts::encoding::Hash;
use alliance_contracts::ids::AgreementId;
use alliance_contracts::jws::{self, JwsType};
use alliance_contracts::keys::{Kid, PublicKey};
use alliance_contracts::names::PartnerId;
use alliance_contracts::time::Timestamp;

use super::{Registry, Scope};

/// One partner's signature under an agreement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgreementSignature {
    /// By which key.
    pub kid: Kid,
    /// R ‖ S, over the JWS signing input.
    pub signature: [u8; 64],
}

/// A version of what two partners have agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgreementRecord {
    /// Its id.
    pub id: AgreementId,
    /// Where it stands.
    pub state: AgreementState,
    /// What it says.
    pub agreement: Agreement,
    /// The bytes that were signed: `agreement` is read from them.
    pub payload: Vec<u8>,
    /// The signature of its `a`.
    pub a: Option<AgreementSignature>,
    /// The signature of its `b`.
    pub b: Option<AgreementSignature>,
    /// Who proposed it.
    pub proposed_by: PartnerId,
    /// When.
    pub proposed_at: Timestamp,
    /// When the other countersigned.
    pub countersigned_at: Option<Timestamp>,
}

impl AgreementRecord {
    /// Whether this partner is a party to it.
    #[must_use]
    pub fn includes(&self, partner: &PartnerId) -> bool {
        self.agreement.includes(partner)
    }

    /// The two partners, in order.
    #[must_use]
    pub fn pair(&self) -> (PartnerId, PartnerId) {
        (self.agreement.a.clone(), self.agreement.b.clone())
    }

    /// What the next version names as `previous`.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Hash::of(&self.payload)
    }

    /// The compact JWS of a partner's signature, byte for byte as it was handed in; none where it
    /// has not signed.
    #[must_use]
    pub fn jws(&self, partner: &PartnerId) -> Option<String> {
        let signature = if self.agreement.a == *partner { &self.a } else { &self.b };
        let AgreementSignature { kid, signature } = signature.as_ref()?;
        Some(jws::assemble(JwsType::Agreement, kid, &self.payload, signature))
    }

    /// Puts a party's signature in its place.
    pub fn put_signature(&mut self, partner: &PartnerId, signature: AgreementSignature) {
        let place = if self.agreement.a == *partner { &mut self.a } else { &mut self.b };
        *place = Some(signature);
    }
}

impl PartnerKeys for Registry {
    fn signer(&self, kid: &Kid, partner: &PartnerId, at: Timestamp) -> Option<&PublicKey> {
        let key = self.key(kid)?;
        let may_sign = key.partner == *partner && key.scope == Scope::Full;
        (may_sign && key.valid_at(at)).then_some(&key.public)
    }
}
