//! What partners have agreed on: the bytes that are kept are those that both have signed, and the
//! versions of a pair are one chain.

use alliance_contracts::agreement::{Agreement, AgreementState};
use alliance_contracts::encoding::Hash;
use alliance_contracts::jws::{self, JwsType};
use alliance_contracts::names::PartnerId;

use super::Auditor;
use crate::alliance::{AgreementRecord, AgreementSignature, Registry};

/// What the chain of a pair needs of a version that both have signed.
pub(super) struct Signed {
    place: String,
    previous: Hash,
    hash: Hash,
}

/// Two partners and a version's number.
pub(super) type VersionOfPair = (PartnerId, PartnerId, u32);

impl Auditor<'_> {
    /// A version of an agreement, whatever its state. `registry` knows all keys of all partners.
    ///
    /// Whether a key was in force is not asked here: it was when the signature was taken, under the
    /// lock, and one that is revoked since takes nothing back that was signed before.
    pub fn agreement(&mut self, record: &AgreementRecord, registry: &Registry) {
        let place = format!("agreement {}", record.id);
        let agreement = &record.agreement;
        if agreement.alliance != registry.definition.alliance {
            self.find(&place, format!("is one of the alliance {}", agreement.alliance));
        }
        let both = record.state == AgreementState::Active;
        for (partner, signature) in [(&agreement.a, &record.a), (&agreement.b, &record.b)] {
            let needed = both || *partner == record.proposed_by;
            match signature {
                Some(signature) => {
                    if let Some(finding) = refused(record, partner, signature, registry) {
                        self.find(&place, finding);
                    }
                }
                None if needed => self.find(&place, format!("is not signed by {partner}")),
                None => {}
            }
        }
        if !record.includes(&record.proposed_by) {
            self.find(&place, format!("{} has proposed it, and is no party", record.proposed_by));
        }
        if both {
            self.signed_by_both(place, agreement, record.hash());
        }
    }

    fn signed_by_both(&mut self, place: String, agreement: &Agreement, hash: Hash) {
        let Agreement { a, b, version, previous, .. } = agreement;
        let signed = Signed { place: place.clone(), previous: *previous, hash };
        let key = (a.clone(), b.clone(), *version);
        if let Some(other) = self.agreements.insert(key, signed) {
            let finding = format!("is version {version} of {a} and {b}, and so is {}", other.place);
            self.find(place, finding);
        }
    }

    /// Every version follows on the one before; after all agreements.
    pub(super) fn chain_agreements(&mut self) {
        let mut last: Option<(VersionOfPair, Hash)> = None;
        for ((a, b, version), signed) in std::mem::take(&mut self.agreements) {
            let before = last.take().filter(|((one, other, _), _)| (one, other) == (&a, &b));
            let (number, hash) = before.map_or((0, Hash::ZERO), |((.., n), hash)| (n, hash));
            if version != number + 1 {
                let finding = format!("is version {version} of {a} and {b}; {number} is the last");
                self.find(&signed.place, finding);
            } else if signed.previous != hash {
                self.find(&signed.place, "previous is not the hash of the version before it");
            }
            last = Some(((a, b, version), signed.hash));
        }
    }
}

/// What is wrong with a partner's signature.
fn refused(
    record: &AgreementRecord,
    partner: &PartnerId,
    signature: &AgreementSignature,
    registry: &Registry,
) -> Option<String> {
    let AgreementSignature { kid, signature } = signature;
    let Some(key) = registry.key(kid).filter(|key| key.partner == *partner) else {
        return Some(format!("{kid} is no key of {partner}"));
    };
    let input = jws::signing_input(JwsType::Agreement, kid, &record.payload);
    let refused = key.public.verify(&input, signature).is_err();
    refused.then(|| format!("the signature of {partner} does not verify"))
}
