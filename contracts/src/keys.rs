//! Ed25519 keys and their names. The lists that publish them are in [`crate::key_list`].
//!
//! | in | out of scope |
//! | --- | --- |
//! | signing keys, PKCS#8 (RFC 5958, RFC 8410) in PEM | storing keys, drawing seeds |
//! | public keys and the refusal of weak ones | other algorithms: there are none |
//! | `kid`: RFC 7638 thumbprints over RFC 8037 JWKs | |
//!
//! A weak public key (threat T08) is one under which some signature verifies for more than one
//! message, or whose bytes are not the only spelling of the point: two `kid`s, one key. ring
//! verifies against such keys, so they are refused when a [`PublicKey`] is made.
//! RFC 8032 §5.1 is the algorithm; ring checks S < L and compares R as bytes (threat T09).
//! [`batch`] verifies many signatures at once.

pub mod batch;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Deserializer, Serialize};

use crate::encoding::{
    base64_decode, base64_encode, base64url_decode_array, base64url_encode, sha256_of_parts,
};

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
#[derive(Clone)]
pub struct PublicKey {
    bytes: [u8; 32],
    /// The point −A, by which [`batch`] verifies: found once, when the value is made.
    minus: Arc<EdwardsPoint>,
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
        if canonical && prime_order { Ok(Self::unchecked(bytes, point)) } else { Err(WeakKey) }
    }

    /// For the bytes of a point that was found not to be weak.
    fn unchecked(bytes: [u8; 32], point: EdwardsPoint) -> Self {
        Self { bytes, minus: Arc::new(-point), kid: Kid::of_public_key(&bytes) }
    }

    /// For bytes that ring computed from a seed: l·B can't be weak, as the scalar is clamped.
    fn of_seed(bytes: [u8; 32]) -> Self {
        let point = CompressedEdwardsY(bytes).decompress();
        Self::unchecked(bytes, point.expect("ring computed the bytes of a point"))
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

impl PartialEq for PublicKey {
    /// By the bytes: a key has one spelling.
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for PublicKey {}

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
        Self { pair, public: PublicKey::of_seed(bytes) }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::hex_decode;
    use crate::key_list::Jwk;
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
}
