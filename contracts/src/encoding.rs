//! Bytes as text, and SHA-256: the spellings every other module builds on.
//!
//! | in | out of scope |
//! | --- | --- |
//! | base64 (padded) and base64url (unpadded), RFC 4648 §4 and §5 | JSON (`json`), decimals |
//! | lower-case hex, RFC 4648 §8 | streaming hashes: payloads here are small |
//! | SHA-256 (FIPS 180-4) and [`Hash`](struct@Hash), its value | other hash functions |
//!
//! Every decoder accepts exactly one spelling per value (protocol §1): unused trailing bits are
//! zero, padding is as the alphabet demands, there is no whitespace, hex is lower-case. A value
//! that could be spelled twice could be signed once and be two things.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text is not the canonical spelling of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodingError {
    /// Not canonical padded base64 (RFC 4648 §4).
    #[error("not canonical base64")]
    Base64,
    /// Not canonical unpadded base64url (RFC 4648 §5).
    #[error("not canonical base64url")]
    Base64Url,
    /// Not lower-case hex of whole bytes.
    #[error("not lower-case hex")]
    Hex,
    /// The right alphabet, but not the number of bytes that the value has.
    #[error("wrong length")]
    Length,
}

/// Padded base64 (RFC 4648 §4).
#[must_use]
pub fn base64_encode(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

/// Reads canonical padded base64.
///
/// # Errors
/// [`EncodingError::Base64`] for anything [`base64_encode`] would not have written.
pub fn base64_decode(text: &str) -> Result<Vec<u8>, EncodingError> {
    // data-encoding checks trailing bits and skips no character, but reads padded pieces one after
    // the other (`AA==AA==`): so the padding is taken off here, where it may stand only once.
    let unpadded = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - unpadded.len() > 2 {
        return Err(EncodingError::Base64);
    }
    BASE64_NOPAD.decode(unpadded.as_bytes()).map_err(|_| EncodingError::Base64)
}

/// Unpadded base64url (RFC 4648 §5), as JOSE uses it.
#[must_use]
pub fn base64url_encode(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

/// Reads canonical unpadded base64url.
///
/// # Errors
/// [`EncodingError::Base64Url`] for anything [`base64url_encode`] would not have written.
pub fn base64url_decode(text: &str) -> Result<Vec<u8>, EncodingError> {
    BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| EncodingError::Base64Url)
}

/// Whether `text` is the unpadded base64url of `bytes`: as encoding and comparing, without room for
/// the whole.
#[must_use]
pub fn is_base64url_of(text: &[u8], bytes: &[u8]) -> bool {
    // Whole groups of 3 bytes and 4 characters, so that pieces stand by themselves.
    const BYTES: usize = 768;
    let mut piece = [0; BYTES / 3 * 4];
    if text.len() != BASE64URL_NOPAD.encode_len(bytes.len()) {
        return false;
    }
    bytes.chunks(BYTES).zip(text.chunks(piece.len())).all(|(bytes, text)| {
        let piece = &mut piece[..text.len()];
        BASE64URL_NOPAD.encode_mut(bytes, piece);
        piece == text
    })
}

/// Lower-case hex.
#[must_use]
pub fn hex_encode(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

/// Reads lower-case hex.
///
/// # Errors
/// [`EncodingError::Hex`] for an odd length, an upper-case digit or any other character.
pub fn hex_decode(text: &str) -> Result<Vec<u8>, EncodingError> {
    HEXLOWER.decode(text.as_bytes()).map_err(|_| EncodingError::Hex)
}

/// Reads exactly `N` bytes of canonical padded base64.
///
/// # Errors
/// [`EncodingError::Base64`], or [`EncodingError::Length`] for another number of bytes.
pub fn base64_decode_array<const N: usize>(text: &str) -> Result<[u8; N], EncodingError> {
    base64_decode(text)?.try_into().map_err(|_| EncodingError::Length)
}

/// Reads exactly `N` bytes of canonical unpadded base64url.
///
/// # Errors
/// [`EncodingError::Base64Url`], or [`EncodingError::Length`] for another number of bytes.
pub fn base64url_decode_array<const N: usize>(text: &str) -> Result<[u8; N], EncodingError> {
    let mut bytes = [0; N];
    if BASE64URL_NOPAD.encode_len(N) != text.len() {
        base64url_decode(text)?;
        return Err(EncodingError::Length);
    }
    match BASE64URL_NOPAD.decode_mut(text.as_bytes(), &mut bytes) {
        Ok(_) => Ok(bytes),
        Err(_) => Err(EncodingError::Base64Url),
    }
}

/// SHA-256 (FIPS 180-4) of `bytes`.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    finished(ring::digest::digest(&ring::digest::SHA256, bytes))
}

/// SHA-256 of the concatenation of `parts`, without building it.
#[must_use]
pub fn sha256_of_parts(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    parts.iter().for_each(|part| context.update(part));
    finished(context.finish())
}

fn finished(digest: ring::digest::Digest) -> [u8; 32] {
    digest.as_ref().try_into().expect("SHA-256 is 32 bytes long")
}

/// A SHA-256 value; as text (protocol §1) 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// 32 zero bytes: what the first link of a chain names as its predecessor.
    pub const ZERO: Self = Self([0; 32]);

    /// SHA-256 of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha256(bytes))
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for Hash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl TryFrom<&[u8]> for Hash {
    type Error = EncodingError;

    fn try_from(bytes: &[u8]) -> Result<Self, EncodingError> {
        bytes.try_into().map(Self).map_err(|_| EncodingError::Length)
    }
}

impl AsRef<[u8]> for Hash {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 64];
        HEXLOWER.encode_mut(&self.0, &mut text);
        f.write_str(std::str::from_utf8(&text).expect("hex digits are ASCII"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl FromStr for Hash {
    type Err = EncodingError;

    fn from_str(text: &str) -> Result<Self, EncodingError> {
        // The length first: a long text must not be decoded only to be refused.
        if text.len() != 64 {
            return Err(EncodingError::Length);
        }
        Self::try_from(hex_decode(text)?.as_slice())
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HexText;
        impl serde::de::Visitor<'_> for HexText {
            type Value = Hash;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("64 lower-case hex digits")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Hash, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(HexText)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_has_one_spelling() {
        assert_eq!(base64_decode("AA==").unwrap(), [0]);
        for bad in ["AB==", "AA=", "AA", "AA==\n", " AA==", "A-==", "====", "A===", "AA==AA=="] {
            assert_eq!(base64_decode(bad), Err(EncodingError::Base64), "{bad:?}");
        }
    }

    #[test]
    fn base64url_has_one_spelling() {
        assert_eq!(base64url_decode("AA").unwrap(), [0]);
        for bad in ["AB", "AA==", "A", "A+", "A A", "AA\n"] {
            assert_eq!(base64url_decode(bad), Err(EncodingError::Base64Url), "{bad:?}");
        }
    }

    #[test]
    fn comparing_with_base64url_is_encoding_and_comparing() {
        for length in (0..70).chain([767, 768, 769, 770, 1_536, 1_742]) {
            let bytes: Vec<u8> = (0..length).map(|at: usize| (at * 7) as u8).collect();
            let text = base64url_encode(&bytes);
            assert!(is_base64url_of(text.as_bytes(), &bytes), "{length}");
            for at in 0..text.len() {
                let mut other = text.clone().into_bytes();
                other[at] ^= 1;
                assert!(!is_base64url_of(&other, &bytes), "{length}, {at}");
            }
            assert!(!is_base64url_of(format!("{text}A").as_bytes(), &bytes));
            assert!(length == 0 || !is_base64url_of(&text.as_bytes()[1..], &bytes));
        }
    }

    #[test]
    fn arrays_are_read_at_their_length_only() {
        assert_eq!(base64url_decode_array::<2>("AAA"), Ok([0, 0]));
        for (bad, why) in [
            ("AAB", EncodingError::Base64Url),
            ("AA", EncodingError::Length),
            ("AAAA", EncodingError::Length),
            ("AAAAA", EncodingError::Base64Url),
            ("", EncodingError::Length),
        ] {
            assert_eq!(base64url_decode_array::<2>(bad), Err(why), "{bad:?}");
        }
    }

    #[test]
    fn hex_is_lower_case() {
        assert_eq!(hex_decode("0aff").unwrap(), [10, 255]);
        for bad in ["0A", "0", "0x", " 0a", "g0"] {
            assert_eq!(hex_decode(bad), Err(EncodingError::Hex), "{bad:?}");
        }
    }

    #[test]
    fn a_hash_reads_what_it_writes() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Hash::of(b"").to_string(), empty);
        assert_eq!(empty.parse::<Hash>().unwrap(), Hash::of(b""));
        let json = serde_json::to_string(&Hash::of(b"")).unwrap();
        assert_eq!(serde_json::from_str::<Hash>(&json).unwrap(), Hash::of(b""));
        assert_eq!("00".parse::<Hash>(), Err(EncodingError::Length));
        assert_eq!(empty.to_uppercase().parse::<Hash>(), Err(EncodingError::Hex));
    }

    #[test]
    fn parts_hash_like_the_whole() {
        assert_eq!(sha256_of_parts(&[b"ab", b"", b"c"]), sha256(b"abc"));
    }
}
