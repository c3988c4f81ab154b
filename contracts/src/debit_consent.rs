//! Consents to be debited: a partner lets another order in its name, so that the other may call for
//! what the first will owe (protocol § 4: the caller is the source partner, or the target partner
//! under a consent that the source partner signed).
//!
//! The document is signed by the partner that will owe. It holds from when it was taken in until
//! its end or until it is revoked, whichever comes first; within its limits, which count the gross
//! of the orders under it.

use serde::{Deserialize, Serialize};

use crate::agreement::PartnerKeys;
use crate::decimal::Decimal;
use crate::ids::ConsentId;
use crate::json;
use crate::jws::{self, JwsError, JwsType, Parsed};
use crate::keys::{Kid, SigningKey};
use crate::limits;
use crate::names::{AllianceId, PartnerId, ProgramId};
use crate::problem::{FieldError, ProblemCode};
use crate::quote::TransactionKind;
use crate::time::Timestamp;

/// The version of the document.
pub const CONSENT_VERSION: u32 = 1;
/// Consents of one partner to another that may be in force at once.
pub const MAX_LIVE_CONSENTS: usize = 16;

/// How much may be ordered: gross, in the settlement currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DebitLimits {
    /// By all orders of a UTC day.
    pub day: Decimal,
    /// By all orders of a UTC month.
    pub month: Decimal,
    /// By one order.
    pub order: Decimal,
}

/// What a partner lets another do. Fields in sorted order: the payload is its RFC 8785 form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DebitConsent {
    /// The alliance.
    pub alliance: AllianceId,
    /// For which kinds of order; at least one.
    pub kinds: Vec<TransactionKind>,
    /// How much.
    pub limits: DebitLimits,
    /// Out of which programs of the source's; none of them: all it has, and what it pays for
    /// itself.
    pub programs: Vec<ProgramId>,
    /// Who will owe, and signs this.
    pub source: PartnerId,
    /// Who may order, what its own members or items are the target of.
    pub target: PartnerId,
    /// Until when; none: until revoked.
    pub until: Option<Timestamp>,
    /// Always 1.
    pub v: u32,
}

/// Why a consent that is shown is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConsentError {
    /// The document or its form.
    #[error("the consent is faulty: {}", .0.first().map_or("", |fault| &fault.detail))]
    Faulty(Vec<FieldError>),
    /// No key of the source's that was in force then.
    #[error("{kid} is no key of {partner} that was in force")]
    UnknownKey {
        /// Who should have signed.
        partner: PartnerId,
        /// The key that is named.
        kid: Kid,
    },
    /// The signature.
    #[error("the signature of {partner} does not verify: {error}")]
    Signature {
        /// Who should have signed.
        partner: PartnerId,
        /// What is wrong with it.
        error: JwsError,
    },
}

impl DebitConsent {
    /// The bytes that are signed.
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        json::canonical(self)
    }

    /// The compact JWS (`typ` `alliance-consent+jws`) under a key of the source's.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> String {
        jws::sign(JwsType::DebitConsent, &self.payload(), key)
    }

    /// Everything that is wrong with it by itself, all at once.
    #[must_use]
    pub fn faults(&self) -> Vec<FieldError> {
        let mut faults = Vec::new();
        let mut fault = |pointer: &str, code, detail: &str| {
            let (pointer, detail) = (pointer.to_owned(), detail.to_owned());
            faults.push(FieldError { code, detail, pointer });
        };
        if self.v != CONSENT_VERSION {
            fault("/v", ProblemCode::Malformed, "v is 1");
        }
        if self.source == self.target {
            fault("/target", ProblemCode::Malformed, "nobody needs a consent of its own");
        }
        let orders =
            [TransactionKind::Exchange, TransactionKind::Redemption, TransactionKind::Accrual];
        if self.kinds.is_empty() {
            fault("/kinds", ProblemCode::Malformed, "at least one kind of order");
        }
        for (at, kind) in self.kinds.iter().enumerate() {
            if !orders.contains(kind) || self.kinds[..at].contains(kind) {
                let detail = "exchange, redemption or accrual, each once";
                fault(&format!("/kinds/{at}"), ProblemCode::Malformed, detail);
            }
        }
        for (at, program) in self.programs.iter().enumerate() {
            if self.programs[..at].contains(program) {
                let detail = "this program stands there twice";
                fault(&format!("/programs/{at}"), ProblemCode::Malformed, detail);
            }
        }
        let DebitLimits { day, month, order } = self.limits;
        for (pointer, amount) in
            [("/limits/order", order), ("/limits/day", day), ("/limits/month", month)]
        {
            if amount.is_zero() || !limits::amount_in_range(amount) {
                fault(pointer, ProblemCode::AmountOutOfRange, "above 0, at most 10^12");
            }
        }
        if order > day || day > month {
            let detail = "an order's limit is at most a day's, and that at most a month's";
            fault("/limits/order", ProblemCode::Malformed, detail);
        }
        faults
    }

    /// Whether it covers this kind of order, out of this program, then. `None` is what the source
    /// pays for itself: it gives no points.
    #[must_use]
    pub fn covers(
        &self,
        kind: TransactionKind,
        program: Option<&ProgramId>,
        now: Timestamp,
    ) -> bool {
        let programs = &self.programs;
        self.kinds.contains(&kind)
            && (programs.is_empty() || program.is_some_and(|program| programs.contains(program)))
            && self.until.is_none_or(|until| now < until)
    }

    /// Reads a compact JWS and the document in it. The signature is not verified yet.
    ///
    /// # Errors
    /// Every fault, its pointer leading into the document; `/jws` is the whole.
    pub fn read_signed(jws: &str) -> Result<(Parsed, Self), Vec<FieldError>> {
        let whole = |detail: String| {
            let pointer = "/jws".to_owned();
            vec![FieldError { code: ProblemCode::Malformed, detail, pointer }]
        };
        let parsed = jws::parse(jws).map_err(|error| whole(error.to_string()))?;
        if parsed.typ != JwsType::DebitConsent {
            return Err(whole("its typ is not alliance-consent+jws".to_owned()));
        }
        let consent: Self = json::read_canonical(&parsed.payload)
            .ok_or_else(|| whole("its payload is no consent in RFC 8785 form".to_owned()))?;
        let faults = consent.faults();
        if faults.is_empty() { Ok((parsed, consent)) } else { Err(faults) }
    }

    /// Verifies that its source has signed it, with a key that was in force then.
    ///
    /// # Errors
    /// [`ConsentError::UnknownKey`], [`ConsentError::Signature`].
    pub fn verify_signature(
        &self,
        signed: &Parsed,
        keys: &impl PartnerKeys,
        at: Timestamp,
    ) -> Result<(), ConsentError> {
        let partner = self.source.clone();
        let key = keys.signer(&signed.kid, &partner, at).ok_or_else(|| {
            ConsentError::UnknownKey { partner: partner.clone(), kid: signed.kid.clone() }
        })?;
        let verified = signed.verify(JwsType::DebitConsent, key);
        verified.map_err(|error| ConsentError::Signature { partner, error })
    }
}

/// Body of `POST /v1/consents`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ConsentRequest {
    /// The compact JWS (`typ` `alliance-consent+jws`), signed by the caller.
    pub jws: String,
}

/// A consent, as both partners see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConsentView {
    /// What it says, for reading; what counts is `jws`.
    pub consent: DebitConsent,
    /// Since when it holds.
    pub granted_at: Timestamp,
    /// Its id.
    pub id: ConsentId,
    /// As its source has signed it.
    pub jws: String,
    /// From when on it holds no more; none: it was not revoked.
    pub revoked_at: Option<Timestamp>,
}

/// Answer of `GET /v1/consents`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Consents {
    /// Those that the caller has given or been given, whatever their state, oldest first.
    pub items: Vec<ConsentView>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn consent() -> DebitConsent {
        DebitConsent {
            alliance: "demo".parse().unwrap(),
            kinds: vec![TransactionKind::Exchange],
            limits: DebitLimits {
                day: "100".parse().unwrap(),
                month: "1000".parse().unwrap(),
                order: "50".parse().unwrap(),
            },
            programs: vec!["aurora".parse().unwrap()],
            source: "aurora-air".parse().unwrap(),
            target: "borealis-coffee".parse().unwrap(),
            until: Some(Timestamp::from_millis(1_000)),
            v: 1,
        }
    }

    #[test]
    fn every_fault_is_told_with_its_place() {
        assert_eq!(consent().faults(), []);
        let mut bad = consent();
        bad.v = 2;
        bad.target = bad.source.clone();
        bad.kinds = vec![TransactionKind::Exchange, TransactionKind::Exchange];
        bad.programs.push("aurora".parse().unwrap());
        bad.limits.day = Decimal::ZERO;
        let pointers: Vec<_> = bad.faults().into_iter().map(|fault| fault.pointer).collect();
        let expected = ["/v", "/target", "/kinds/1", "/programs/1", "/limits/day", "/limits/order"];
        assert_eq!(pointers, expected);
        bad.kinds = vec![];
        assert!(bad.faults().iter().any(|fault| fault.pointer == "/kinds"));
        bad.kinds = vec![TransactionKind::Reversal];
        assert!(bad.faults().iter().any(|fault| fault.pointer == "/kinds/0"));
    }

    #[test]
    fn it_covers_what_it_names_and_not_a_moment_longer() {
        let consent = consent();
        let (aurora, other) = ("aurora".parse().unwrap(), "avia".parse().unwrap());
        let at = Timestamp::from_millis;
        assert!(consent.covers(TransactionKind::Exchange, Some(&aurora), at(999)));
        assert!(!consent.covers(TransactionKind::Exchange, Some(&aurora), at(1_000)));
        assert!(!consent.covers(TransactionKind::Accrual, Some(&aurora), at(0)));
        assert!(!consent.covers(TransactionKind::Exchange, Some(&other), at(0)));
        assert!(!consent.covers(TransactionKind::Exchange, None, at(0)));
        let all = DebitConsent { programs: vec![], until: None, ..consent };
        assert!(all.covers(TransactionKind::Exchange, None, at(i64::MAX)));
    }

    #[test]
    fn what_was_signed_is_read_and_nothing_else() {
        let key = SigningKey::from_seed(&[7; 32]);
        let (parsed, read) = DebitConsent::read_signed(&consent().sign(&key)).unwrap();
        assert_eq!((read, parsed.kid), (consent(), key.kid().clone()));
        let other = jws::sign(JwsType::Agreement, &consent().payload(), &key);
        assert_eq!(DebitConsent::read_signed(&other).unwrap_err()[0].pointer, "/jws");
        let spaced = String::from_utf8(consent().payload()).unwrap().replace(":1}", ": 1}");
        let spaced = jws::sign(JwsType::DebitConsent, spaced.as_bytes(), &key);
        assert_eq!(DebitConsent::read_signed(&spaced).unwrap_err()[0].pointer, "/jws");
    }
}
