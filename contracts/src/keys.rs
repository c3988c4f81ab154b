//! Ed25519 keys, their names, and the lists in which they are published.
//!
//! | in | out of scope |
//! | --- | --- |
//! | signing keys, PKCS#8 (RFC 5958, RFC 8410) in PEM | storing keys, drawing seeds |
//! | public keys and the refusal of weak ones | other algorithms: there are none |
//! | `kid`: RFC 7638 thumbprints over RFC 8037 JWKs | |
//! | key lists signed by the root key (protocol §5, Keys) | fetching them, pinning the root key |
//!
//! A weak public key (threat T08) is one under which some signature verifies for more than one
//! message, or whose bytes are not the only spelling of the point: two `kid`s, one key. ring
//! verifies against such keys, so they are refused when a [`PublicKey`] is made.
//! RFC 8032 §5.1 is the algorithm; ring checks S < L and compares R as bytes (threat T09).

use std::fmt;
use std::str::FromStr;

use curve25519_dalek::edwards::CompressedEdwardsY;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Deserializer, Serialize};

use crate::encoding::{
    Hash, base64_decode, base64_encode, base64url_decode_array, base64url_encode, sha256_of_parts,
};
use crate::jws::{self, JwsError, JwsType};
use crate::time::Timestamp;

/// The bytes are no public key that we accept (threat T08; code `weak_key`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("weak or malformed Ed25519 public key")]
pub struct WeakKey;

/// The signature does not verify under this key for these bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify")]
pub struct BadSignature;

/// The text is not a `kid`: 43 characters of canonical base64url.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a key id")]
pub struct BadKid;

/// Why a private key file is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    /// Not one `PRIVATE KEY` block of RFC 7468.
    #[error("not a PEM private key")]
    Pem,
    /// Not an Ed25519 key in PKCS#8, version 1 or 2, or its public half does not fit.
    #[error("not an Ed25519 key in PKCS#8")]
    Pkcs8,
}

// ---------------------------------------------------------------------------------------------
// Names
// ---------------------------------------------------------------------------------------------

/// The name of a key: the RFC 7638 SHA-256 thumbprint of its JWK, in base64url (43 characters).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Kid(String);

impl Kid {
    /// The number of characters of every `kid`.
    pub const LEN: usize = 43;

    /// The thumbprint of the Ed25519 public key `bytes` (RFC 7638 §3, RFC 8037 §2).
    #[must_use]
    pub fn of_public_key(bytes: &[u8; 32]) -> Self {
        let x = base64url_encode(bytes);
        // The required members of an OKP key in lexicographic order, without whitespace.
        let thumbprint =
            sha256_of_parts(&[br#"{"crv":"Ed25519","kty":"OKP","x":""#, x.as_bytes(), br#""}"#]);
        Self(base64url_encode(&thumbprint))
    }

    /// Reads a `kid`.
    ///
    /// # Errors
    /// [`BadKid`] unless the text is 32 bytes in canonical base64url.
    pub fn parse(text: &str) -> Result<Self, BadKid> {
        if text.len() != Self::LEN {
            return Err(BadKid);
        }
        base64url_decode_array::<32>(text).map_err(|_| BadKid)?;
        Ok(Self(text.to_owned()))
    }

    /// The 43 characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Kid {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for Kid {
    type Err = BadKid;

    fn from_str(text: &str) -> Result<Self, BadKid> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Kid {
    type Error = BadKid;

    fn try_from(text: String) -> Result<Self, BadKid> {
        Self::parse(&text)
    }
}

impl From<Kid> for String {
    fn from(kid: Kid) -> Self {
        kid.0
    }
}

impl<'de> Deserialize<'de> for Kid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

// ---------------------------------------------------------------------------------------------
// Public keys
// ---------------------------------------------------------------------------------------------

/// An Ed25519 public key that is not weak, with its name.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    bytes: [u8; 32],
    kid: Kid,
}

impl PublicKey {
    /// Takes the 32 bytes of RFC 8032 §5.1.5. Costs about a signature verification: keep the value.
    ///
    /// # Errors
    /// [`WeakKey`] for another length, bytes that are no point, a second spelling of a point
    /// (y ≥ p, or a sign on x = 0), or a point outside the prime-order subgroup (low order, or
    /// mixed order: a proper key plus a low-order point).
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WeakKey> {
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| WeakKey)?;
        let point = CompressedEdwardsY(bytes).decompress().ok_or(WeakKey)?;
        // Decompression reduces y and drops the sign of zero; writing the point again shows it. (As
        // it happens no second spelling is of prime order; we don't rely on that.)
        let canonical = point.compress().0 == bytes;
        // The identity is torsion-free, yet of low order.
        let prime_order = point.is_torsion_free() && !point.is_small_order();
        if canonical && prime_order { Ok(Self::unchecked(bytes)) } else { Err(WeakKey) }
    }

    /// For bytes that ring computed from a seed: l·B can't be weak, as the scalar is clamped.
    fn unchecked(bytes: [u8; 32]) -> Self {
        let kid = Kid::of_public_key(&bytes);
        Self { bytes, kid }
    }

    /// The 32 bytes of RFC 8032 §5.1.5.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// The name of the key; computed once, when the value was made.
    #[must_use]
    pub const fn kid(&self) -> &Kid {
        &self.kid
    }

    /// Verifies `signature` (64 bytes R ‖ S) over `message`.
    ///
    /// # Errors
    /// [`BadSignature`] for another length, S ≥ L, or a signature of other bytes or another key.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        if signature.len() != 64 {
            return Err(BadSignature);
        }
        UnparsedPublicKey::new(&ED25519, &self.bytes)
            .verify(message, signature)
            .map_err(|_| BadSignature)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.kid)
    }
}

// ---------------------------------------------------------------------------------------------
// Signing keys
// ---------------------------------------------------------------------------------------------

/// An Ed25519 private key. Not `Clone`: share it in an `Arc`. Its secret never leaves it.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl SigningKey {
    /// The key of a 32-byte seed (RFC 8032 §5.1.5), which the caller has drawn at random.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed)
            .expect("ring refuses a seed only for its length, and it is 32 bytes");
        Self::of_pair(pair)
    }

    /// Reads one PEM block `PRIVATE KEY` (RFC 7468) holding PKCS#8 version 1 (as OpenSSL and
    /// [`pkcs8_pem_from_seed`] write it) or version 2 (RFC 5958, with the public key).
    ///
    /// # Errors
    /// [`KeyFileError::Pem`] for the text, [`KeyFileError::Pkcs8`] for what it holds.
    pub fn from_pkcs8_pem(pem: &str) -> Result<Self, KeyFileError> {
        let der = pem_body(pem).ok_or(KeyFileError::Pem)?;
        let pair =
            Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map_err(|_| KeyFileError::Pkcs8)?;
        Ok(Self::of_pair(pair))
    }

    fn of_pair(pair: Ed25519KeyPair) -> Self {
        let bytes =
            pair.public_key().as_ref().try_into().expect("an Ed25519 public key is 32 bytes");
        Self { pair, public: PublicKey::unchecked(bytes) }
    }

    /// The public half.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// The name of the key.
    #[must_use]
    pub const fn kid(&self) -> &Kid {
        self.public.kid()
    }

    /// Signs `message` (RFC 8032 §5.1.6; the same message gives the same 64 bytes R ‖ S).
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let signature = self.pair.sign(message);
        signature.as_ref().try_into().expect("an Ed25519 signature is 64 bytes")
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, secret redacted)", self.kid())
    }
}

const PEM_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const PEM_END: &str = "-----END PRIVATE KEY-----";

/// DER of `PrivateKeyInfo` version 0 for id-Ed25519, up to the seed (RFC 8410 §7).
const PKCS8_V1_PREFIX: [u8; 16] =
    [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// The PEM file of a seed, as PKCS#8 version 1: OpenSSL 3.0 and others refuse version 2.
/// The text is the secret itself; the caller keeps it out of logs and sets the file's mode.
#[must_use]
pub fn pkcs8_pem_from_seed(seed: &[u8; 32]) -> String {
    let mut der = [0; 48];
    der[..16].copy_from_slice(&PKCS8_V1_PREFIX);
    der[16..].copy_from_slice(seed);
    // 48 bytes are 64 characters: exactly one line of RFC 7468.
    format!("{PEM_BEGIN}\n{}\n{PEM_END}\n", base64_encode(&der))
}

/// The bytes of the one PEM block, or nothing. Line ends may be LF or CRLF.
fn pem_body(pem: &str) -> Option<Vec<u8>> {
    let body = pem.trim().strip_prefix(PEM_BEGIN)?.strip_suffix(PEM_END)?;
    // A second block would leave its dashes here, which base64 refuses.
    let text: String = body.lines().map(str::trim).collect();
    base64_decode(&text).ok().filter(|der| !der.is_empty())
}

// ---------------------------------------------------------------------------------------------
// Key lists
// ---------------------------------------------------------------------------------------------

/// A published key (RFC 7517, RFC 8037) with the members of protocol §5 and no others. The fields
/// stand in sorted order, so that `serde_json` writes RFC 8785 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jwk {
    /// Always `EdDSA`.
    pub alg: String,
    /// Always `Ed25519`.
    pub crv: String,
    /// Not valid from this moment on; `null`: no end is planned.
    #[serde(deserialize_with = "present")]
    pub exp: Option<Timestamp>,
    /// The thumbprint of `x`.
    pub kid: Kid,
    /// Always `OKP`.
    pub kty: String,
    /// Valid from this moment on; `null`: always was.
    #[serde(deserialize_with = "present")]
    pub nbf: Option<Timestamp>,
    /// In a partner key list: whose key it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partner: Option<String>,
    /// Revoked from this moment on; `null`: not revoked.
    #[serde(deserialize_with = "present")]
    pub revoked_at: Option<Timestamp>,
    /// In a partner key list: what the key may be used for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Always `sig`.
    #[serde(rename = "use")]
    pub use_: String,
    /// The 32 bytes of the public key in base64url.
    pub x: String,
}

/// A nullable member that must be there: serde would take an absent `Option` for `null`.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    Option::deserialize(deserializer)
}

impl Jwk {
    /// The entry of `public`, valid from `nbf` on, neither ending nor revoked, nobody's.
    #[must_use]
    pub fn new(public: &PublicKey, nbf: Option<Timestamp>) -> Self {
        Self {
            alg: "EdDSA".to_owned(),
            crv: "Ed25519".to_owned(),
            exp: None,
            kid: public.kid().clone(),
            kty: "OKP".to_owned(),
            nbf,
            partner: None,
            revoked_at: None,
            scope: None,
            use_: "sig".to_owned(),
            x: base64url_encode(public.as_bytes()),
        }
    }

    /// The key itself, if every constant member is what it must be and `kid` is its thumbprint.
    ///
    /// # Errors
    /// [`KeyListError::NotEd25519`], [`KeyListError::Weak`] or [`KeyListError::WrongKid`].
    pub fn public_key(&self) -> Result<PublicKey, KeyListError> {
        let constants = (self.alg.as_str(), self.crv.as_str(), self.kty.as_str(), &*self.use_);
        if constants != ("EdDSA", "Ed25519", "OKP", "sig") {
            return Err(KeyListError::NotEd25519);
        }
        let bytes = base64url_decode_array::<32>(&self.x).map_err(|_| KeyListError::Weak)?;
        let public = PublicKey::from_bytes(&bytes).map_err(|WeakKey| KeyListError::Weak)?;
        if *public.kid() == self.kid { Ok(public) } else { Err(KeyListError::WrongKid) }
    }
}

/// Why a key list is not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyListError {
    /// `statement` is not a compact JWS of ours.
    #[error("statement: {0}")]
    Statement(#[from] JwsError),
    /// The statement's payload is not the RFC 8785 form of a key statement.
    #[error("the statement's payload is not a canonical key statement")]
    Payload,
    /// `keys` is not what the statement says.
    #[error("the list differs from its statement")]
    Differs,
    /// An entry is of another key type, curve, algorithm or use.
    #[error("an entry is not an Ed25519 signature key")]
    NotEd25519,
    /// An entry's key is weak or malformed.
    #[error("an entry's key is weak or malformed")]
    Weak,
    /// An entry's `kid` is not its thumbprint.
    #[error("an entry's kid is not its thumbprint")]
    WrongKid,
    /// Two entries have one `kid`.
    #[error("two entries have one kid")]
    DuplicateKid,
    /// A partner list is signed by no gateway key of the list at hand, or by a revoked one.
    #[error("the statement is signed by no gateway key in force")]
    UnknownSigner,
    /// An entry of a partner list does not say whose key it is.
    #[error("an entry does not say whose key it is")]
    NoPartner,
}

/// What the root key signs: the whole list, numbered, naming the statement before.
/// Fields in sorted order: `serde_json` writes RFC 8785 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyStatement {
    /// The alliance whose keys these are.
    pub alliance: String,
    /// Every key that ever signed.
    pub keys: Vec<Jwk>,
    /// 1 for the first statement, then one more each time.
    pub number: u64,
    /// SHA-256 of the payload of the statement before; [`Hash::ZERO`] for the first.
    pub previous: Hash,
}

impl KeyStatement {
    /// The largest number that every JSON implementation reads exactly (RFC 8785 §3.2.2.3).
    const MAX_NUMBER: u64 = (1 << 53) - 1;

    /// The bytes that are signed.
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings, small integers and lists always serialise")
    }

    /// What the next statement names as `previous`.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Hash::of(&self.payload())
    }

    /// The compact JWS (`typ` `alliance-keys+jws`) under the root key.
    #[must_use]
    pub fn sign(&self, root: &SigningKey) -> String {
        jws::sign(JwsType::Keys, &self.payload(), root)
    }

    /// The list as it is published, signed by the root key.
    #[must_use]
    pub fn publish(self, root: &SigningKey) -> KeyList {
        let statement = self.sign(root);
        KeyList { keys: self.keys, statement }
    }

    fn from_payload(payload: &[u8]) -> Result<Self, KeyListError> {
        let statement: Self = serde_json::from_slice(payload).map_err(|_| KeyListError::Payload)?;
        let numbered = (1..=Self::MAX_NUMBER).contains(&statement.number);
        // Read and written again: nothing may be there that the fields do not show.
        let canonical = statement.payload() == payload;
        if numbered && canonical { Ok(statement) } else { Err(KeyListError::Payload) }
    }
}

/// The document at `/.well-known/jwks.json` and `/v1/partners/keys`: any JOSE library reads
/// `keys`, ours asks who vouches for them: the root key for the gateway's keys, a gateway key for
/// the partners'.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyList {
    /// The keys.
    pub keys: Vec<Jwk>,
    /// A [`KeyStatement`] as compact JWS.
    pub statement: String,
}

impl KeyList {
    /// Checks the whole list against the pinned root key.
    ///
    /// # Errors
    /// A [`KeyListError`] naming the first broken rule; nothing of the list is to be used then.
    pub fn verify(&self, root: &PublicKey) -> Result<TrustedKeys, KeyListError> {
        let jws = jws::parse(&self.statement)?;
        jws.verify(JwsType::Keys, root)?;
        self.trust(&jws)
    }

    /// Checks a list of partner keys, which a gateway key vouches for: the root key is offline, and
    /// partners' keys come and go.
    ///
    /// # Errors
    /// As [`KeyList::verify`], and where the signer is no gateway key, is revoked, or an entry
    /// names no partner.
    pub fn verify_partners(&self, gateway: &TrustedKeys) -> Result<TrustedKeys, KeyListError> {
        let jws = jws::parse(&self.statement)?;
        let signer = gateway.find(&jws.kid).ok_or(KeyListError::UnknownSigner)?;
        if signer.revoked_at.is_some() {
            return Err(KeyListError::UnknownSigner);
        }
        jws.verify(JwsType::Keys, &signer.public)?;
        let trusted = self.trust(&jws)?;
        if trusted.iter().all(|key| key.partner.is_some()) {
            Ok(trusted)
        } else {
            Err(KeyListError::NoPartner)
        }
    }

    /// Checks everything but who signed the statement: for tools that are given a key file by
    /// somebody they trust and no root key. Whoever wrote the file is believed.
    ///
    /// # Errors
    /// As [`KeyList::verify`].
    pub fn trust_without_root(&self) -> Result<TrustedKeys, KeyListError> {
        let jws = jws::parse(&self.statement)?;
        if jws.typ != JwsType::Keys {
            return Err(JwsError::WrongType.into());
        }
        self.trust(&jws)
    }

    fn trust(&self, jws: &jws::Parsed) -> Result<TrustedKeys, KeyListError> {
        let statement = KeyStatement::from_payload(&jws.payload)?;
        if statement.keys != self.keys {
            return Err(KeyListError::Differs);
        }
        TrustedKeys::of(statement, Hash::of(&jws.payload))
    }
}

/// A key of a list that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedKey {
    /// The key.
    pub public: PublicKey,
    /// Its name.
    pub kid: Kid,
    /// Valid from this moment on.
    pub nbf: Option<Timestamp>,
    /// Not valid from this moment on.
    pub exp: Option<Timestamp>,
    /// Revoked from this moment on.
    pub revoked_at: Option<Timestamp>,
    /// In a partner key list: whose key it is.
    pub partner: Option<String>,
    /// In a partner key list: what the key may be used for.
    pub scope: Option<String>,
}

impl TrustedKey {
    /// Whether the key was in force at `at`: `nbf` ≤ `at` < `exp`, and before `revoked_at`.
    #[must_use]
    pub fn valid_at(&self, at: Timestamp) -> bool {
        self.nbf.is_none_or(|nbf| nbf <= at)
            && self.exp.is_none_or(|exp| at < exp)
            && self.revoked_at.is_none_or(|revoked_at| at < revoked_at)
    }

    fn of(jwk: Jwk) -> Result<Self, KeyListError> {
        let public = jwk.public_key()?;
        let Jwk { kid, nbf, exp, revoked_at, partner, scope, .. } = jwk;
        Ok(Self { public, kid, nbf, exp, revoked_at, partner, scope })
    }
}

/// The keys of a list that was checked, to be looked up by `kid`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedKeys {
    alliance: String,
    number: u64,
    previous: Hash,
    hash: Hash,
    by_kid: Vec<TrustedKey>,
}

impl TrustedKeys {
    fn of(statement: KeyStatement, hash: Hash) -> Result<Self, KeyListError> {
        let KeyStatement { alliance, keys, number, previous } = statement;
        let mut by_kid = keys.into_iter().map(TrustedKey::of).collect::<Result<Vec<_>, _>>()?;
        by_kid.sort_by(|a, b| a.kid.cmp(&b.kid));
        if by_kid.windows(2).any(|pair| pair[0].kid == pair[1].kid) {
            return Err(KeyListError::DuplicateKid);
        }
        Ok(Self { alliance, number, previous, hash, by_kid })
    }

    /// The key of that name.
    #[must_use]
    pub fn find(&self, kid: &Kid) -> Option<&TrustedKey> {
        let at = self.by_kid.binary_search_by(|key| key.kid.cmp(kid)).ok()?;
        self.by_kid.get(at)
    }

    /// All keys, ordered by `kid`.
    pub fn iter(&self) -> impl Iterator<Item = &TrustedKey> {
        self.by_kid.iter()
    }

    /// The alliance that the statement names.
    #[must_use]
    pub fn alliance(&self) -> &str {
        &self.alliance
    }

    /// The statement's number: a verifier that has seen a higher one is being rolled back.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// The hash of the statement before.
    #[must_use]
    pub const fn previous(&self) -> &Hash {
        &self.previous
    }

    /// The hash of this statement's payload.
    #[must_use]
    pub const fn hash(&self) -> &Hash {
        &self.hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::hex_decode;
    use serde_json::Value;

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../vectors/ed25519_keys.json")).unwrap()
    }

    fn bytes(case: &Value, member: &str) -> Vec<u8> {
        hex_decode(case[member].as_str().unwrap()).unwrap()
    }

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32])
    }

    #[test]
    fn the_good_keys_agree_in_every_form() {
        for case in vectors()["good"].as_array().unwrap() {
            let seed: [u8; 32] = bytes(case, "seed").try_into().unwrap();
            let key = SigningKey::from_seed(&seed);
            assert_eq!(key.public_key().as_bytes()[..], bytes(case, "public"));
            assert_eq!(key.kid().as_str(), case["kid"]);
            assert_eq!(key.sign(&bytes(case, "message"))[..], bytes(case, "signature"));
            assert_eq!(Jwk::new(key.public_key(), None).x, case["x"]);
            assert_eq!(pkcs8_pem_from_seed(&seed), case["pkcs8_pem"].as_str().unwrap());
            let read = SigningKey::from_pkcs8_pem(case["pkcs8_pem"].as_str().unwrap()).unwrap();
            assert_eq!(read.kid(), key.kid());
            let public = PublicKey::from_bytes(&bytes(case, "public")).unwrap();
            assert_eq!(&public, key.public_key());
            public.verify(&bytes(case, "message"), &bytes(case, "signature")).unwrap();
        }
    }

    #[test]
    fn weak_public_keys_are_refused() {
        // T08
        let bad = vectors()["bad"].as_array().unwrap().clone();
        assert!(bad.len() > 30);
        for case in bad {
            assert_eq!(PublicKey::from_bytes(&bytes(&case, "public")), Err(WeakKey), "{case}");
        }
    }

    #[test]
    fn bad_signatures_are_refused() {
        // T09
        for case in vectors()["bad_signatures"].as_array().unwrap() {
            let public = PublicKey::from_bytes(&bytes(case, "public")).unwrap();
            let verified = public.verify(&bytes(case, "message"), &bytes(case, "signature"));
            assert_eq!(verified, Err(BadSignature), "{case}");
        }
    }

    #[test]
    fn pkcs8_version_2_is_read_and_must_fit() {
        // RFC 8410 §10.3: the example of version 2, with attributes left out.
        let seed = hex_decode("d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842");
        let seed: [u8; 32] = seed.unwrap().try_into().unwrap();
        let public = *SigningKey::from_seed(&seed).public_key().as_bytes();
        let file = |public: &[u8]| {
            let prefix = hex_decode("3051020101300506032b657004220420").unwrap();
            let der = [&prefix, &seed[..], &[0x81, 0x21, 0], public].concat();
            format!("{PEM_BEGIN}\r\n{}\r\n{PEM_END}\r\n", base64_encode(&der))
        };
        let key = SigningKey::from_pkcs8_pem(&file(&public)).unwrap();
        assert_eq!(key.public_key().as_bytes(), &public);
        let other = file(&[7; 32]);
        assert_eq!(SigningKey::from_pkcs8_pem(&other).err(), Some(KeyFileError::Pkcs8));
    }

    #[test]
    fn what_is_not_one_key_file_is_refused() {
        let good = pkcs8_pem_from_seed(&[1; 32]);
        let short = format!("{PEM_BEGIN}\nMC4C\n{PEM_END}\n");
        assert_eq!(SigningKey::from_pkcs8_pem(&short).err(), Some(KeyFileError::Pkcs8));
        for bad in [
            String::new(),
            good.replace("PRIVATE", "PUBLIC"),
            [good.clone(), good.clone()].concat(),
            format!("comment\n{good}"),
            format!("{PEM_BEGIN}\n{PEM_END}\n"),
            good.replace("MC4", "MC4!"),
        ] {
            assert_eq!(SigningKey::from_pkcs8_pem(&bad).err(), Some(KeyFileError::Pem), "{bad}");
        }
    }

    #[test]
    fn secrets_do_not_show() {
        // T40
        let shown = format!("{:?}", key(0xab));
        assert!(!shown.contains("abab") && !shown.contains("171") && shown.contains("redacted"));
    }

    #[test]
    fn a_kid_is_43_canonical_characters() {
        let kid = key(1).kid().clone();
        assert_eq!(Kid::parse(kid.as_str()), Ok(kid.clone()));
        let json = serde_json::to_string(&kid).unwrap();
        assert_eq!(serde_json::from_str::<Kid>(&json).unwrap(), kid);
        for bad in ["", "key-1", &"B".repeat(43), &"A".repeat(42), &"A".repeat(44), &"+".repeat(43)]
        {
            assert_eq!(Kid::parse(bad), Err(BadKid), "{bad}");
            assert!(serde_json::from_str::<Kid>(&format!("\"{bad}\"")).is_err());
        }
    }

    fn entry(seed: u8) -> Jwk {
        Jwk::new(key(seed).public_key(), Some(Timestamp::from_millis(1_000)))
    }

    fn statement(keys: Vec<Jwk>) -> KeyStatement {
        KeyStatement { alliance: "demo".to_owned(), keys, number: 1, previous: Hash::ZERO }
    }

    #[test]
    fn a_partner_list_is_vouched_for_by_a_gateway_key_that_is_not_revoked() {
        let root = key(9);
        let gateway = |revoked_at| {
            let entry = Jwk { revoked_at, ..entry(1) };
            statement(vec![entry]).publish(&root).verify(root.public_key()).unwrap()
        };
        let (trusted, revoked) = (gateway(None), gateway(Some(Timestamp::from_millis(1))));
        let mut partner = entry(2);
        partner.partner = Some("aurora-air".to_owned());
        let list = statement(vec![partner]).publish(&key(1));
        assert_eq!(list.verify_partners(&trusted).unwrap().iter().count(), 1);
        assert_eq!(list.verify_partners(&revoked), Err(KeyListError::UnknownSigner));
        let forged = KeyList { keys: list.keys.clone(), ..statement(Vec::new()).publish(&key(1)) };
        assert_eq!(forged.verify_partners(&trusted), Err(KeyListError::Differs));
        let by_root = statement(list.keys.clone()).publish(&root);
        assert_eq!(by_root.verify_partners(&trusted), Err(KeyListError::UnknownSigner));
        let nobodys = statement(vec![entry(2)]).publish(&key(1));
        assert_eq!(nobodys.verify_partners(&trusted), Err(KeyListError::NoPartner));
    }

    #[test]
    fn a_published_list_verifies() {
        let mut partner = entry(2);
        partner.partner = Some("aurora-air".to_owned());
        partner.scope = Some("read".to_owned());
        let statement = statement(vec![entry(1), partner]);
        let hash = statement.hash();
        let list = statement.publish(&key(9));
        let json = serde_json::to_vec(&list).unwrap();
        let list: KeyList = serde_json::from_slice(&json).unwrap();
        let trusted = list.verify(key(9).public_key()).unwrap();
        assert_eq!((trusted.alliance(), trusted.number()), ("demo", 1));
        assert_eq!((trusted.previous(), trusted.hash()), (&Hash::ZERO, &hash));
        let found = trusted.find(key(2).kid()).unwrap();
        assert_eq!(&found.public, key(2).public_key());
        assert_eq!(found.partner.as_deref(), Some("aurora-air"));
        assert_eq!(trusted.find(key(3).kid()), None);
        assert_eq!(trusted.iter().count(), 2);
        assert_eq!(list.trust_without_root(), Ok(trusted));
    }

    #[test]
    fn the_statement_is_canonical_json() {
        let payload = statement(vec![entry(1)]).payload();
        let value: Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!(payload, serde_json_canonicalizer::to_vec(&value).unwrap());
        let jwk = String::from_utf8(payload).unwrap();
        let members = r#"{"alg":"EdDSA","crv":"Ed25519","exp":null,"kid":""#;
        assert!(jwk.contains(members), "{jwk}");
        assert!(jwk.contains(r#""nbf":"1970-01-01T00:00:01.000Z","revoked_at":null,"use":"sig""#));
    }

    fn refusal(change: impl FnOnce(&mut Jwk)) -> Option<KeyListError> {
        let mut jwk = entry(1);
        change(&mut jwk);
        let list = statement(vec![jwk]).publish(&key(9));
        list.verify(key(9).public_key()).err()
    }

    #[test]
    fn entries_that_are_not_what_they_say_are_refused() {
        assert_eq!(refusal(|_| ()), None);
        assert_eq!(refusal(|jwk| jwk.alg = "ES256".into()), Some(KeyListError::NotEd25519));
        assert_eq!(refusal(|jwk| jwk.crv = "X25519".into()), Some(KeyListError::NotEd25519));
        assert_eq!(refusal(|jwk| jwk.kty = "EC".into()), Some(KeyListError::NotEd25519));
        assert_eq!(refusal(|jwk| jwk.use_ = "enc".into()), Some(KeyListError::NotEd25519));
        assert_eq!(refusal(|jwk| jwk.kid = entry(2).kid), Some(KeyListError::WrongKid));
        assert_eq!(refusal(|jwk| jwk.x.push('A')), Some(KeyListError::Weak));
        assert_eq!(refusal(|jwk| jwk.x = "A".repeat(43)), Some(KeyListError::Weak));
        let twice = statement(vec![entry(1), entry(1)]).publish(&key(9));
        assert_eq!(twice.verify(key(9).public_key()), Err(KeyListError::DuplicateKid));
    }

    #[test]
    fn a_list_that_the_root_did_not_sign_is_refused() {
        let good = statement(vec![entry(1)]).publish(&key(9));
        let root = key(9);
        let root = root.public_key();
        let by_another = good.verify(key(8).public_key());
        assert_eq!(by_another, Err(JwsError::WrongKey.into()));

        let mut longer = good.clone();
        longer.keys.push(entry(2));
        assert_eq!(longer.verify(root), Err(KeyListError::Differs));
        assert_eq!(longer.trust_without_root(), Err(KeyListError::Differs));
        let mut revived = good.clone();
        revived.keys[0].exp = Some(Timestamp::from_millis(1));
        assert_eq!(revived.verify(root), Err(KeyListError::Differs));

        let payload = statement(vec![entry(1)]).payload();
        let signed = |typ, payload: &[u8]| KeyList {
            keys: vec![entry(1)],
            statement: jws::sign(typ, payload, &key(9)),
        };
        let receipt = signed(JwsType::Receipt, &payload);
        assert_eq!(receipt.verify(root), Err(JwsError::WrongType.into()));
        assert_eq!(receipt.trust_without_root(), Err(JwsError::WrongType.into()));
        let text = String::from_utf8(payload).unwrap();
        for twin in [
            text.replace(":1,", ": 1,"),
            text.replace(":1,", ":0,"),
            text.replace(":1,", ":9007199254740992,"),
            text.replace("demo", "d\\u0065mo"),
            text.replace("\"exp\":null,", ""),
            text.replace("\"number\":1", "\"number\":1,\"number\":1"),
            text.replace("\"number\":1", "\"more\":1,\"number\":1"),
            format!("{text} "),
        ] {
            let list = signed(JwsType::Keys, twin.as_bytes());
            assert_eq!(list.verify(root), Err(KeyListError::Payload), "{twin}");
        }
    }

    #[test]
    fn a_key_is_in_force_from_nbf_until_exp_or_revocation() {
        let key = |nbf: Option<i64>, exp: Option<i64>, revoked_at: Option<i64>| TrustedKey {
            public: key(1).public_key().clone(),
            kid: key(1).kid().clone(),
            nbf: nbf.map(Timestamp::from_millis),
            exp: exp.map(Timestamp::from_millis),
            revoked_at: revoked_at.map(Timestamp::from_millis),
            partner: None,
            scope: None,
        };
        let valid = |key: TrustedKey, at| key.valid_at(Timestamp::from_millis(at));
        assert!(valid(key(None, None, None), 0));
        assert!(!valid(key(Some(5), None, None), 4) && valid(key(Some(5), None, None), 5));
        assert!(valid(key(None, Some(5), None), 4) && !valid(key(None, Some(5), None), 5));
        assert!(valid(key(None, None, Some(5)), 4) && !valid(key(None, None, Some(5)), 5));
    }
}
