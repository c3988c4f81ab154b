//! Compact JWS (RFC 7515, RFC 8037) in the one form that receipts, quotes, boards, statements, key
//! lists, agreements, key registrations and erasures have.
//!
//! | in | out of scope |
//! | --- | --- |
//! | writing, reading and verifying `header.payload.signature` | JSON serialisation, JWE, `crit` |
//! | one header: `{"alg":"EdDSA","kid":"…","typ":"…"}`, byte for byte | other algorithms (T03) |
//! | the exact `typ` (protocol §5), so that no kind passes for another | what the payload says |
//!
//! Any JOSE library reads what is written here. The reader accepts less than JOSE does: as the
//! header has one spelling for a given `typ` and `kid`, nothing in it needs interpreting, and a
//! stored payload and signature give back the same JWS ([`assemble`]).

use crate::encoding::{base64url_decode, base64url_encode};
use crate::keys::{Kid, PublicKey, SigningKey};

/// What a JWS is: its `typ`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JwsType {
    /// A receipt.
    Receipt,
    /// A quote's token.
    Quote,
    /// A rate board.
    Board,
    /// A settlement statement.
    Statement,
    /// A key statement, signed by the root key.
    Keys,
    /// An agreement, signed by each of the two partners.
    Agreement,
    /// The registration of a partner's key, signed by that key.
    KeyProof,
    /// What a brand's connector did in the scripted cases.
    Conformance,
    /// That a member was forgotten.
    Erasure,
    /// A consent to be debited, signed by the partner that will owe.
    DebitConsent,
}

impl JwsType {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Receipt,
        Self::Quote,
        Self::Board,
        Self::Statement,
        Self::Keys,
        Self::Agreement,
        Self::KeyProof,
        Self::Conformance,
        Self::Erasure,
        Self::DebitConsent,
    ];

    /// The `typ` string.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Receipt => "alliance-receipt+jws",
            Self::Quote => "alliance-quote+jws",
            Self::Board => "alliance-board+jws",
            Self::Statement => "alliance-statement+jws",
            Self::Keys => "alliance-keys+jws",
            Self::Agreement => "alliance-agreement+jws",
            Self::KeyProof => "alliance-key-proof+jws",
            Self::Conformance => "alliance-conformance+jws",
            Self::Erasure => "alliance-erasure+jws",
            Self::DebitConsent => "alliance-consent+jws",
        }
    }

    fn of(typ: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == typ)
    }
}

/// Why a JWS is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// Not three parts separated by dots.
    #[error("not three parts")]
    NotCompact,
    /// A part is not canonical base64url.
    #[error("a part is not canonical base64url")]
    Base64Url,
    /// The header is not, byte for byte, the one form.
    #[error("the header is not the one form")]
    Header,
    /// The header's `typ` is none of ours.
    #[error("unknown typ")]
    UnknownType,
    /// The signature is not 64 bytes.
    #[error("the signature is not 64 bytes")]
    SignatureLength,
    /// Of another `typ` than is asked for.
    #[error("of another typ than expected")]
    WrongType,
    /// Signed by another key than is asked for.
    #[error("names another key")]
    WrongKey,
    /// The signature does not verify.
    #[error("the signature does not verify")]
    BadSignature,
}

const HEADER_START: &str = r#"{"alg":"EdDSA","kid":""#;
const HEADER_MIDDLE: &str = r#"","typ":""#;
const HEADER_END: &str = r#""}"#;

/// Signs `payload` and gives the compact JWS.
#[must_use]
pub fn sign(typ: JwsType, payload: &[u8], key: &SigningKey) -> String {
    let input = signing_input_text(typ, key.kid(), payload);
    let signature = key.sign(input.as_bytes());
    with_signature(input, &signature)
}

/// The compact JWS of a payload and signature that were stored: the same text as [`sign`] gave.
#[must_use]
pub fn assemble(typ: JwsType, kid: &Kid, payload: &[u8], signature: &[u8; 64]) -> String {
    with_signature(signing_input_text(typ, kid, payload), signature)
}

/// The bytes that are signed: `base64url(header) "." base64url(payload)` (RFC 7515 §5.1).
#[must_use]
pub fn signing_input(typ: JwsType, kid: &Kid, payload: &[u8]) -> Vec<u8> {
    signing_input_text(typ, kid, payload).into_bytes()
}

fn signing_input_text(typ: JwsType, kid: &Kid, payload: &[u8]) -> String {
    let header = [HEADER_START, kid.as_str(), HEADER_MIDDLE, typ.as_str(), HEADER_END].concat();
    let base64url = &data_encoding::BASE64URL_NOPAD;
    // Room for the signature too: 64 bytes are 86 characters, and a dot.
    let room = base64url.encode_len(header.len()) + base64url.encode_len(payload.len()) + 88;
    let mut text = String::with_capacity(room);
    base64url.encode_append(header.as_bytes(), &mut text);
    text.push('.');
    base64url.encode_append(payload, &mut text);
    text
}

fn with_signature(mut input: String, signature: &[u8; 64]) -> String {
    input.push('.');
    input.push_str(&base64url_encode(signature));
    input
}

/// A JWS that was read; nothing is verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The header's `typ`.
    pub typ: JwsType,
    /// The header's `kid`: look the key up by it.
    pub kid: Kid,
    /// The payload's bytes: not to be trusted before [`Parsed::verify`].
    pub payload: Vec<u8>,
    /// The signature, R ‖ S.
    pub signature: [u8; 64],
    /// The bytes that were signed.
    pub signing_input: Vec<u8>,
}

impl Parsed {
    /// Verifies the signature under `key`, and that this is what the caller takes it for.
    ///
    /// # Errors
    /// [`JwsError::WrongType`], [`JwsError::WrongKey`] or [`JwsError::BadSignature`].
    pub fn verify(&self, expected: JwsType, key: &PublicKey) -> Result<(), JwsError> {
        if self.typ != expected {
            return Err(JwsError::WrongType);
        }
        if self.kid != *key.kid() {
            return Err(JwsError::WrongKey);
        }
        key.verify(&self.signing_input, &self.signature).map_err(|_| JwsError::BadSignature)
    }
}

/// Reads a compact JWS of ours.
///
/// # Errors
/// A [`JwsError`] for anything that [`assemble`] could not have written.
pub fn parse(text: &str) -> Result<Parsed, JwsError> {
    let mut parts = text.split('.');
    let (Some(header), Some(payload), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(JwsError::NotCompact);
    };
    let (kid, typ) = read_header(&decode(header)?)?;
    let signature_bytes = decode(signature)?.try_into().map_err(|_| JwsError::SignatureLength)?;
    Ok(Parsed {
        typ,
        kid,
        payload: decode(payload)?,
        signature: signature_bytes,
        signing_input: text.as_bytes()[..header.len() + 1 + payload.len()].to_vec(),
    })
}

fn decode(part: &str) -> Result<Vec<u8>, JwsError> {
    base64url_decode(part).map_err(|_| JwsError::Base64Url)
}

/// The two values of the header; whatever else it might hold has no place in the one form.
fn read_header(header: &[u8]) -> Result<(Kid, JwsType), JwsError> {
    let (kid, typ) = std::str::from_utf8(header)
        .ok()
        .and_then(|text| text.strip_prefix(HEADER_START)?.strip_suffix(HEADER_END))
        .and_then(|values| values.split_once(HEADER_MIDDLE))
        .ok_or(JwsError::Header)?;
    let kid = Kid::parse(kid).map_err(|_| JwsError::Header)?;
    let typ = JwsType::of(typ).ok_or(JwsError::UnknownType)?;
    Ok((kid, typ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::hex_decode;
    use serde_json::Value;

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../vectors/jws.json")).unwrap()
    }

    fn text<'a>(case: &'a Value, member: &str) -> &'a str {
        case[member].as_str().unwrap()
    }

    fn public(case: &Value) -> PublicKey {
        PublicKey::from_bytes(&hex_decode(text(case, "public")).unwrap()).unwrap()
    }

    #[test]
    fn the_good_ones_verify_and_come_back_byte_for_byte() {
        for case in vectors()["good"].as_array().unwrap() {
            let parsed = parse(text(case, "jws")).unwrap();
            assert_eq!(parsed.typ.as_str(), text(case, "typ"));
            assert_eq!(parsed.kid.as_str(), text(case, "kid"));
            assert_eq!(parsed.payload, text(case, "payload").as_bytes());
            assert_eq!(parsed.signature[..], hex_decode(text(case, "signature")).unwrap());
            assert_eq!(parsed.verify(parsed.typ, &public(case)), Ok(()));
            let Parsed { typ, kid, payload, signature, signing_input: input } = parsed;
            assert_eq!(assemble(typ, &kid, &payload, &signature), text(case, "jws"));
            assert_eq!(signing_input(typ, &kid, &payload), input);
        }
    }

    #[test]
    fn the_bad_ones_are_refused_by_name() {
        let vectors = vectors();
        let key = public(&vectors["bad_expected"]);
        for case in vectors["bad"].as_array().unwrap() {
            let refused = parse(text(case, "jws"))
                .and_then(|parsed| parsed.verify(JwsType::Receipt, &key))
                .expect_err(text(case, "reason"));
            let name = match refused {
                JwsError::NotCompact => "compact",
                JwsError::Base64Url => "base64url",
                JwsError::Header => "header",
                JwsError::UnknownType => "type",
                JwsError::SignatureLength => "signature_length",
                JwsError::WrongType => "wrong_type",
                JwsError::WrongKey => "wrong_key",
                JwsError::BadSignature => "signature",
            };
            assert_eq!(name, text(case, "error"), "{case}");
        }
    }

    #[test]
    fn signing_gives_what_assembling_gives() {
        let key = SigningKey::from_seed(&[7; 32]);
        for typ in JwsType::ALL {
            let jws = sign(typ, b"payload", &key);
            let signature = key.sign(&signing_input(typ, key.kid(), b"payload"));
            assert_eq!(jws, assemble(typ, key.kid(), b"payload", &signature));
            assert_eq!(parse(&jws).unwrap().verify(typ, key.public_key()), Ok(()));
        }
    }

    #[test]
    fn flipping_any_character_is_noticed() {
        // T30
        let key = SigningKey::from_seed(&[7; 32]);
        let jws = sign(JwsType::Receipt, b"{}", &key);
        for at in 0..jws.len() {
            let mut bytes = jws.clone().into_bytes();
            bytes[at] ^= 1;
            let changed = String::from_utf8(bytes).unwrap();
            let verified =
                parse(&changed).and_then(|jws| jws.verify(JwsType::Receipt, key.public_key()));
            assert!(verified.is_err(), "{changed}");
        }
    }
}
