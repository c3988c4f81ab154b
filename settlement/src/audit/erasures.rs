//! Erasures: each as a gateway has signed it, kept under the partner whose member it was; and each
//! that the partner was told of.

use alliance_contracts::jws::{self, JwsType};
use alliance_contracts::member::SignedErasure;
use alliance_contracts::names::PartnerId;

use super::Auditor;

impl Auditor<'_> {
    /// The partner was told of this one.
    pub(super) fn told_of_erasure(&mut self, id: &str) {
        self.erased.insert(id.to_owned());
    }

    /// After all events and erasures.
    pub(super) fn finish_erasures(&mut self) {
        for id in std::mem::take(&mut self.erased) {
            self.find(format!("erasure {id}"), "was told of, and is not in the books");
        }
    }

    /// One erasure of a member of this partner's; after the partner's events.
    pub fn erasure(&mut self, signed: &SignedErasure, partner: &PartnerId) {
        let place = format!("erasure {}", signed.erasure.id);
        self.erased.remove(&signed.erasure.id.to_string());
        if signed.erasure.partner != *partner {
            self.find(&place, format!("is of {}, not of {partner}", signed.erasure.partner));
        }
        let verified = jws::parse(&signed.jws).is_ok_and(|parsed| {
            let key = self.keys.find(&parsed.kid);
            let in_force = key.filter(|key| key.valid_at(signed.erasure.erased_at));
            in_force.is_some_and(|key| parsed.verify(JwsType::Erasure, &key.public).is_ok())
        });
        if !verified {
            self.find(&place, "its signature does not verify under a gateway key of then");
        }
    }
}
