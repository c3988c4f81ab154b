//! Partners' keys over the API: what registers, retires and revokes one, and what a key was
//! accepted for.
//!
//! A registration is a JWS under the key that it registers, so it proves possession; its payload
//! names alliance and partner, so it proves nothing to another. It travels in a request that an
//! older key of the partner's has signed.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::encoding::{base64url_decode_array, base64url_encode};
use crate::ids::{RequestId, TransactionId};
use crate::json;
use crate::jws::{self, JwsType};
use crate::keys::{Kid, PublicKey, SigningKey};
use crate::names::{AllianceId, Corridor, PartnerId};
use crate::problem::{FieldError, ProblemCode};
use crate::time::Timestamp;
use crate::transaction::TransactionState;

/// Keys of one partner that may be in force, or still to come, at once.
pub const MAX_LIVE_KEYS: usize = 16;
/// Keys that one partner may ever have: lists only grow.
pub const MAX_KEYS: usize = 512;

/// What a key may do. Everything that a scope does not allow is `key_scope`, and leaves the
/// idempotency key unused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum KeyScope {
    /// Everything its partner may do.
    #[default]
    Full,
    /// Ask, never change.
    Read,
    /// Ask, order, reverse, link and report; neither sign agreements nor change keys.
    Trade,
    /// Ask, and cosign checkpoints.
    Witness,
}

/// What a request needs of the key that signs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUseKind {
    /// Nothing changes.
    Ask,
    /// Points, links and readings.
    Trade,
    /// Cosignatures.
    Witness,
    /// What binds the partner beyond an order: agreements, keys.
    Govern,
}

impl KeyScope {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Full, Self::Read, Self::Trade, Self::Witness];

    /// As it stands in lists and files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Read => "read",
            Self::Trade => "trade",
            Self::Witness => "witness",
        }
    }

    /// Whether a key of this scope may be used so.
    ///
    /// ```
    /// use alliance_contracts::partner_key::{KeyScope, KeyUseKind};
    /// assert!(KeyScope::Trade.allows(KeyUseKind::Trade));
    /// assert!(!KeyScope::Trade.allows(KeyUseKind::Govern));
    /// assert!(KeyScope::Read.allows(KeyUseKind::Ask));
    /// ```
    #[must_use]
    pub const fn allows(self, kind: KeyUseKind) -> bool {
        match kind {
            KeyUseKind::Ask => true,
            KeyUseKind::Trade => matches!(self, Self::Full | Self::Trade),
            KeyUseKind::Witness => matches!(self, Self::Full | Self::Witness),
            KeyUseKind::Govern => matches!(self, Self::Full),
        }
    }
}

/// The text is no scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a scope is full, read, trade or witness")]
pub struct ScopeError;

impl FromStr for KeyScope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or(ScopeError)
    }
}

// ---------------------------------------------------------------------------------------------
// Registration
// ---------------------------------------------------------------------------------------------

/// What the new key signs. Fields in sorted order: the payload is its RFC 8785 form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRegistration {
    /// The alliance.
    pub alliance: AllianceId,
    /// Until when the key is to hold; none: no end is planned.
    pub exp: Option<Timestamp>,
    /// From when on; none: from when it is registered.
    pub nbf: Option<Timestamp>,
    /// Whose key it is to be.
    pub partner: PartnerId,
    /// What it may do.
    pub scope: KeyScope,
    /// The public key, base64url.
    pub x: String,
}

/// A registration whose proof of possession verifies: only [`KeyRegistration::prove`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenKey {
    registration: KeyRegistration,
    public: PublicKey,
}

impl ProvenKey {
    /// What is registered.
    #[must_use]
    pub const fn registration(&self) -> &KeyRegistration {
        &self.registration
    }

    /// The key.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }
}

impl KeyRegistration {
    /// The registration of a key, from now on and without an end.
    #[must_use]
    pub fn new(alliance: AllianceId, partner: PartnerId, scope: KeyScope, key: &PublicKey) -> Self {
        let x = base64url_encode(key.as_bytes());
        Self { alliance, exp: None, nbf: None, partner, scope, x }
    }

    /// The compact JWS (`typ` `alliance-key-proof+jws`) under the key itself.
    ///
    /// ```
    /// use alliance_contracts::keys::SigningKey;
    /// use alliance_contracts::partner_key::{KeyRegistration, KeyScope};
    /// let key = SigningKey::from_seed(&[7; 32]);
    /// let (alliance, partner) = ("demo".parse().unwrap(), "aurora-air".parse().unwrap());
    /// let asked = KeyRegistration::new(alliance, partner, KeyScope::Trade, key.public_key());
    /// let proven = KeyRegistration::prove(&asked.sign(&key), &asked.alliance, &asked.partner);
    /// assert_eq!(proven.unwrap().public(), key.public_key());
    /// ```
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> String {
        jws::sign(JwsType::KeyProof, &json::canonical(self), key)
    }

    /// Reads a registration and verifies that whoever made it has the key, for this alliance and
    /// partner.
    ///
    /// # Errors
    /// `malformed` for the form, `weak_key` for the key (threat T08), `key_proof_invalid` for the
    /// signature, or where it names another alliance, partner or key.
    pub fn prove(
        jws: &str,
        alliance: &AllianceId,
        partner: &PartnerId,
    ) -> Result<ProvenKey, FieldError> {
        let fault = |code, detail: &str| FieldError {
            code,
            detail: detail.to_owned(),
            pointer: "/jws".to_owned(),
        };
        let malformed = |detail: &str| fault(ProblemCode::Malformed, detail);
        let parsed = jws::parse(jws).map_err(|error| malformed(&error.to_string()))?;
        if parsed.typ != JwsType::KeyProof {
            return Err(malformed("its typ is not alliance-key-proof+jws"));
        }
        let registration: Self = json::read_canonical(&parsed.payload)
            .ok_or_else(|| malformed("its payload is no canonical key registration"))?;
        let bytes = base64url_decode_array::<32>(&registration.x)
            .map_err(|_| malformed("x is not 32 bytes in base64url"))?;
        let public = PublicKey::from_bytes(&bytes)
            .map_err(|weak| fault(ProblemCode::WeakKey, &weak.to_string()))?;
        let invalid = |detail: &str| fault(ProblemCode::KeyProofInvalid, detail);
        parsed
            .verify(JwsType::KeyProof, &public)
            .map_err(|error| invalid(&format!("under the key that it registers: {error}")))?;
        if registration.alliance != *alliance || registration.partner != *partner {
            return Err(invalid("it registers a key of another partner or alliance"));
        }
        Ok(ProvenKey { registration, public })
    }
}

// ---------------------------------------------------------------------------------------------
// The wire
// ---------------------------------------------------------------------------------------------

/// Asks to register a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyRequest {
    /// The registration as the new key has signed it (`typ` `alliance-key-proof+jws`).
    pub jws: String,
}

/// Asks to let a key end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RetireKeyRequest {
    /// From when on it holds no more: not before now. An earlier end that it has stays.
    pub at: Timestamp,
}

/// Asks to revoke a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RevokeKeyRequest {
    /// Since when the report says what the key was accepted for; none: since the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

/// A key of the caller's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyView {
    /// When it was registered over the API; none of a key that the operator was handed.
    pub added_at: Option<Timestamp>,
    /// Until when it holds; none: no end is planned.
    pub exp: Option<Timestamp>,
    /// Whether it holds now.
    pub in_force: bool,
    /// Its name.
    pub kid: Kid,
    /// From when it holds.
    pub nbf: Option<Timestamp>,
    /// Since when it is revoked; none: it is not.
    pub revoked_at: Option<Timestamp>,
    /// What it may do.
    pub scope: KeyScope,
    /// The public key, base64url.
    pub x: String,
}

/// The caller's keys, by `kid`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Keys {
    /// The keys.
    pub items: Vec<KeyView>,
}

/// A transaction that a key was accepted for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UsedForTransaction {
    /// Its chain.
    pub corridor: Corridor,
    /// Its id.
    pub id: TransactionId,
    /// Its receipt's number in the chain; none while it is pending, or failed.
    pub seq: Option<u64>,
    /// Where it stands.
    pub state: TransactionState,
}

/// A request that was accepted under a key and changed something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyUse {
    /// When it arrived.
    pub received_at: Timestamp,
    /// The request.
    pub request: RequestId,
    /// What it changed: an id, a `kid`, a corridor; none of orders and of readings.
    pub subject: Option<String>,
    /// The transactions that it made.
    pub transactions: Vec<UsedForTransaction>,
    /// What it was: `orders`, `link`, `agreement`, `observations`, `key`, `cosignature`, ….
    pub what: String,
}

/// A page of what a key was accepted for, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyUses {
    /// The requests.
    pub items: Vec<KeyUse>,
    /// Whether there are more.
    pub more: bool,
    /// Where the next page begins; none where this one is empty.
    pub next_after: Option<UseCursor>,
}

/// A key that was revoked, and the first page of what it was accepted for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RevokedKey {
    /// The key.
    pub key: KeyView,
    /// What it was accepted for since the time that was asked for.
    pub uses: KeyUses,
}

/// A place among a key's uses: `<milliseconds since 1970>.<request>`. Opaque to callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UseCursor {
    /// When the request arrived.
    pub received_at: Timestamp,
    /// The request.
    pub request: RequestId,
}

impl std::fmt::Display for UseCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.received_at.as_millis(), self.request)
    }
}

impl FromStr for UseCursor {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let read = || {
            let (millis, request) = text.split_once('.')?;
            let received_at = Timestamp::from_millis(millis.parse().ok()?);
            let cursor = Self { received_at, request: request.parse().ok()? };
            (cursor.to_string() == text).then_some(cursor)
        };
        read().ok_or(ScopeError)
    }
}

impl Serialize for UseCursor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for UseCursor {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| serde::de::Error::custom("not a cursor"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32])
    }

    fn asked(key: &SigningKey) -> KeyRegistration {
        let names = ("demo".parse().unwrap(), "aurora-air".parse().unwrap());
        KeyRegistration::new(names.0, names.1, KeyScope::Full, key.public_key())
    }

    fn refusal(jws: &str) -> ProblemCode {
        let names = ("demo".parse().unwrap(), "aurora-air".parse().unwrap());
        KeyRegistration::prove(jws, &names.0, &names.1).unwrap_err().code
    }

    #[test]
    fn a_registration_is_proven_by_the_key_that_it_registers() {
        let (new, old) = (key(1), key(2));
        let asked = asked(&new);
        let proven = KeyRegistration::prove(&asked.sign(&new), &asked.alliance, &asked.partner);
        assert_eq!(proven.unwrap().registration(), &asked);
        assert_eq!(refusal(&asked.sign(&old)), ProblemCode::KeyProofInvalid);
        let mut flipped = asked.sign(&new).into_bytes();
        let at = flipped.len() - 3;
        flipped[at] = if flipped[at] == b'A' { b'B' } else { b'A' };
        let flipped = String::from_utf8(flipped).unwrap();
        assert_eq!(refusal(&flipped), ProblemCode::KeyProofInvalid);
    }

    #[test]
    fn a_proof_made_for_another_is_none() {
        let new = key(1);
        let other = KeyRegistration { partner: "cedar-hotels".parse().unwrap(), ..asked(&new) };
        assert_eq!(refusal(&other.sign(&new)), ProblemCode::KeyProofInvalid);
        let other = KeyRegistration { alliance: "other".parse().unwrap(), ..asked(&new) };
        assert_eq!(refusal(&other.sign(&new)), ProblemCode::KeyProofInvalid);
    }

    #[test]
    fn a_weak_key_is_refused_at_registration_over_the_api() {
        // T08
        let weak = KeyRegistration { x: base64url_encode(&[0; 32]), ..asked(&key(1)) };
        assert_eq!(refusal(&weak.sign(&key(1))), ProblemCode::WeakKey);
    }

    #[test]
    fn what_is_no_registration_is_malformed() {
        let new = key(1);
        let text = String::from_utf8(json::canonical(&asked(&new))).unwrap();
        for payload in [
            text.replace("\"exp\":null,", ""),
            text.replace(":null", ": null"),
            text.replace("\"full\"", "\"root\""),
            text.replace("\"x\"", "\"more\":1,\"x\""),
            text.replace(&asked(&new).x, "AAAA"),
        ] {
            let signed = jws::sign(JwsType::KeyProof, payload.as_bytes(), &new);
            assert_eq!(refusal(&signed), ProblemCode::Malformed, "{payload}");
        }
        let as_receipt = jws::sign(JwsType::Receipt, text.as_bytes(), &new);
        assert_eq!(refusal(&as_receipt), ProblemCode::Malformed);
        assert_eq!(refusal("x"), ProblemCode::Malformed);
    }

    #[test]
    fn scopes_allow_what_they_say() {
        use KeyUseKind::{Ask, Govern, Trade, Witness};
        let allowed = |scope: KeyScope| {
            [Ask, Trade, Witness, Govern].map(|kind| u8::from(scope.allows(kind)))
        };
        assert_eq!(allowed(KeyScope::Full), [1, 1, 1, 1]);
        assert_eq!(allowed(KeyScope::Read), [1, 0, 0, 0]);
        assert_eq!(allowed(KeyScope::Trade), [1, 1, 0, 0]);
        assert_eq!(allowed(KeyScope::Witness), [1, 0, 1, 0]);
        for scope in KeyScope::ALL {
            assert_eq!(scope.as_str().parse(), Ok(scope));
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.as_str());
        }
    }

    #[test]
    fn a_cursor_comes_back_from_its_one_spelling() {
        let request = "req_01h455vb4pex5vsknk084sn02q".parse().unwrap();
        let cursor = UseCursor { received_at: Timestamp::from_millis(1_795_406_706_789), request };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for bad in ["", "1", "+1.req_", &format!("01.{request}")] {
            assert!(bad.parse::<UseCursor>().is_err(), "{bad}");
        }
    }
}
