//! Webhooks: how a pushed event is signed, and how its receiver checks it (Standard Webhooks 1.0).
//!
//! | scheme | key | who can sign |
//! | --- | --- | --- |
//! | `v1` | HMAC-SHA256, a secret `whsec_…` of the endpoint | sender and receiver |
//! | `v1a` | Ed25519, the gateway's key, `whpk_…` | the sender alone |
//!
//! What is signed is `<id>.<timestamp>.<body>`, of the body's very bytes. An id begins with `evt_`,
//! so that nothing else that a gateway signs can be taken for a webhook, and no webhook for
//! anything else.

use std::fmt;

use ring::hmac;

use crate::encoding::{base64_decode, base64_encode};
use crate::keys::{PublicKey, SigningKey};
use crate::time::Timestamp;

/// The field with the event's id.
pub const ID_FIELD: &str = "webhook-id";
/// The field with the time of sending, in Unix seconds.
pub const TIMESTAMP_FIELD: &str = "webhook-timestamp";
/// The field with one or more signatures.
pub const SIGNATURE_FIELD: &str = "webhook-signature";
/// How far a message's time may be from the receiver's clock, either way, in seconds.
pub const TOLERANCE_SECONDS: i64 = 300;

const SECRET_PREFIX: &str = "whsec_";
const PUBLIC_PREFIX: &str = "whpk_";
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// Signatures of a field at most: what is longer is not read.
const MAX_SIGNATURES: usize = 16;

/// A secret of an endpoint: 24 to 64 bytes, `whsec_` and base64 on the wire. Its `Debug` shows
/// nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret(Vec<u8>);

/// A text that is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a webhook's secret is whsec_ and the base64 of 24 to 64 bytes")]
pub struct BadSecret;

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

impl WebhookSecret {
    /// A secret of these bytes: draw them at random.
    ///
    /// # Errors
    /// Fewer than 24, or more than 64.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadSecret> {
        SECRET_BYTES.contains(&bytes.len()).then(|| Self(bytes.to_vec())).ok_or(BadSecret)
    }

    /// Reads `whsec_…`.
    ///
    /// # Errors
    /// Any other text.
    pub fn parse(text: &str) -> Result<Self, BadSecret> {
        let encoded = text.strip_prefix(SECRET_PREFIX).ok_or(BadSecret)?;
        Self::from_bytes(&base64_decode(encoded).map_err(|_| BadSecret)?)
    }

    /// `whsec_…`: hand it to the endpoint's owner, and to nobody else.
    #[must_use]
    pub fn expose(&self) -> String {
        [SECRET_PREFIX, &base64_encode(&self.0)].concat()
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.0)
    }
}

/// A message, as it is signed.
#[derive(Clone, Copy, Debug)]
pub struct WebhookMessage<'a> {
    /// The event's id: the same in every attempt.
    pub id: &'a str,
    /// When this attempt was sent, in Unix seconds.
    pub timestamp: i64,
    /// The body's bytes.
    pub body: &'a [u8],
}

impl WebhookMessage<'_> {
    fn signed(&self) -> Vec<u8> {
        let mut bytes = format!("{}.{}.", self.id, self.timestamp).into_bytes();
        bytes.extend_from_slice(self.body);
        bytes
    }

    /// `v1,…`: under a secret.
    ///
    /// ```
    /// use alliance_contracts::webhook::{WebhookMessage, WebhookSecret};
    /// let secret = WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")?;
    /// let body = br#"{"test": 2432232314}"#;
    /// let message =
    ///     WebhookMessage { id: "msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp: 1_614_265_330, body };
    /// assert_eq!(message.sign(&secret), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    /// # Ok::<(), alliance_contracts::webhook::BadSecret>(())
    /// ```
    #[must_use]
    pub fn sign(&self, secret: &WebhookSecret) -> String {
        let tag = hmac::sign(&secret.key(), &self.signed());
        ["v1,", &base64_encode(tag.as_ref())].concat()
    }

    /// `v1a,…`: under the sender's key.
    #[must_use]
    pub fn sign_with_key(&self, key: &SigningKey) -> String {
        ["v1a,", &base64_encode(&key.sign(&self.signed()))].concat()
    }
}

/// `whpk_…`: a public key as Standard Webhooks writes it.
#[must_use]
pub fn public_key_text(key: &PublicKey) -> String {
    [PUBLIC_PREFIX, &base64_encode(key.as_bytes())].concat()
}

/// Why a message is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookFault {
    /// A field is missing or is not what it should be.
    #[error("{0} is missing or malformed")]
    Field(&'static str),
    /// It was sent long ago, or will be: it may have been sent before.
    #[error("webhook-timestamp is more than {TOLERANCE_SECONDS} s from the clock")]
    Time,
    /// No signature is one of the keys given.
    #[error("no signature of webhook-signature verifies")]
    Signature,
}

/// What a receiver believes: secrets of its endpoint (two while one is being replaced), the
/// sender's keys, or both. Any one signature of any of them is enough.
#[derive(Clone, Debug, Default)]
pub struct WebhookVerifier {
    secrets: Vec<WebhookSecret>,
    keys: Vec<PublicKey>,
}

impl WebhookVerifier {
    /// Believes this secret.
    #[must_use]
    pub fn secret(mut self, secret: WebhookSecret) -> Self {
        self.secrets.push(secret);
        self
    }

    /// Believes this key.
    #[must_use]
    pub fn key(mut self, key: PublicKey) -> Self {
        self.keys.push(key);
        self
    }

    /// Checks a message as it arrived: its three fields, and its body's bytes.
    ///
    /// ```
    /// use alliance_contracts::time::Timestamp;
    /// use alliance_contracts::webhook::{WebhookMessage, WebhookSecret, WebhookVerifier};
    /// let secret = WebhookSecret::from_bytes(&[7; 32])?;
    /// let now = Timestamp::from_millis(1_795_406_706_789);
    /// let message = WebhookMessage { id: "evt_1", timestamp: 1_795_406_706, body: b"{}" };
    /// let signature = message.sign(&secret);
    /// let verifier = WebhookVerifier::default().secret(secret);
    /// assert!(verifier.verify("evt_1", "1795406706", &signature, b"{}", now).is_ok());
    /// assert!(verifier.verify("evt_1", "1795406706", &signature, b"{ }", now).is_err());
    /// # Ok::<(), alliance_contracts::webhook::BadSecret>(())
    /// ```
    ///
    /// # Errors
    /// [`WebhookFault`].
    pub fn verify(
        &self,
        id: &str,
        timestamp: &str,
        signatures: &str,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), WebhookFault> {
        if id.is_empty() || id.contains('.') {
            return Err(WebhookFault::Field(ID_FIELD));
        }
        let digits = !timestamp.is_empty() && timestamp.bytes().all(|byte| byte.is_ascii_digit());
        let timestamp = timestamp.parse().ok().filter(|_| digits);
        let timestamp: i64 = timestamp.ok_or(WebhookFault::Field(TIMESTAMP_FIELD))?;
        let seconds = now.as_millis().div_euclid(1_000);
        if timestamp.abs_diff(seconds) > TOLERANCE_SECONDS.unsigned_abs() {
            return Err(WebhookFault::Time);
        }
        let signed = WebhookMessage { id, timestamp, body }.signed();
        let each = signatures.split(' ').take(MAX_SIGNATURES);
        let good = each.filter_map(|signature| signature.split_once(','));
        let mut good = good.filter(|(scheme, text)| self.believes(scheme, text, &signed));
        good.next().map(|_| ()).ok_or(WebhookFault::Signature)
    }

    fn believes(&self, scheme: &str, text: &str, signed: &[u8]) -> bool {
        let Ok(signature) = base64_decode(text) else { return false };
        match scheme {
            "v1" => self.secrets.iter().any(|secret| {
                // Takes as long for any signature.
                hmac::verify(&secret.key(), signed, &signature).is_ok()
            }),
            "v1a" => self.keys.iter().any(|key| key.verify(signed, &signature).is_ok()),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const SENT: i64 = 1_614_265_330;
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn message() -> WebhookMessage<'static> {
        WebhookMessage { id: ID, timestamp: SENT, body: BODY }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn verify(verifier: &WebhookVerifier, signatures: &str) -> Result<(), WebhookFault> {
        verifier.verify(ID, &SENT.to_string(), signatures, BODY, at(SENT))
    }

    fn by_secret() -> WebhookVerifier {
        WebhookVerifier::default().secret(WebhookSecret::parse(SECRET).unwrap())
    }

    /// Fixed values of the specification's own libraries.
    #[test]
    fn signatures_are_those_of_the_specification() {
        let secret = WebhookSecret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap();
        let body = br#"{"email":"test@example.com","username":"test_user"}"#;
        let other = WebhookMessage {
            id: "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            timestamp: 1_649_367_553,
            body,
        };
        assert_eq!(other.sign(&secret), "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=");
        let seed_and_public = base64_decode(concat!(
            "6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfV",
            "KIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
        ));
        let seed: [u8; 32] = seed_and_public.unwrap()[..32].try_into().unwrap();
        let key = SigningKey::from_seed(&seed);
        let expected = concat!(
            "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPC",
            "Xe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
        );
        assert_eq!(message().sign_with_key(&key), expected);
        let public = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=";
        assert_eq!(public_key_text(key.public_key()), public);
        let verifier = WebhookVerifier::default().key(key.public_key().clone());
        assert_eq!(verify(&verifier, expected), Ok(()));
    }

    #[test]
    fn any_signature_of_any_key_is_enough_while_a_secret_is_replaced() {
        let (old, new) = (WebhookSecret::parse(SECRET).unwrap(), [9; 32]);
        let new = WebhookSecret::from_bytes(&new).unwrap();
        let both = format!("{} {}", message().sign(&new), message().sign(&old));
        assert_eq!(verify(&by_secret(), &both), Ok(()));
        assert_eq!(verify(&WebhookVerifier::default().secret(new.clone()), &both), Ok(()));
        let only_new = message().sign(&new);
        assert_eq!(verify(&by_secret(), &only_new), Err(WebhookFault::Signature));
        assert_eq!(verify(&by_secret().secret(new), &only_new), Ok(()));
        // A scheme of later is passed over.
        let later = format!("v2,AAAA nonsense {}", message().sign(&old));
        assert_eq!(verify(&by_secret(), &later), Ok(()));
    }

    #[test]
    fn whatever_was_changed_is_not_believed() {
        let good = message().sign(&WebhookSecret::parse(SECRET).unwrap());
        let verifier = by_secret();
        let sent = SENT.to_string();
        let other = |id: &str, sent: &str, signature: &str, body: &[u8]| {
            verifier.verify(id, sent, signature, body, at(SENT))
        };
        assert_eq!(other(ID, &sent, &good, BODY), Ok(()));
        let fault = Err(WebhookFault::Signature);
        assert_eq!(other("msg_x", &sent, &good, BODY), fault);
        assert_eq!(other(ID, &(SENT + 1).to_string(), &good, BODY), fault);
        assert_eq!(other(ID, &sent, &good, b"{}"), fault);
        assert_eq!(other(ID, &sent, &good.replace("v1,", "v1a,"), BODY), fault);
        for nothing in ["", "v1,", "v1", ",", &good[3..]] {
            assert_eq!(other(ID, &sent, nothing, BODY), fault, "{nothing}");
        }
        // The dot between the parts is no one's to move.
        let moved = Err(WebhookFault::Field(ID_FIELD));
        assert_eq!(other(&format!("{ID}.1"), &sent, &good, BODY), moved);
        for odd in ["", "x", "-1", "+1614265330", "1614265330.0", " 1614265330"] {
            let field = Err(WebhookFault::Field(TIMESTAMP_FIELD));
            assert_eq!(other(ID, odd, &good, BODY), field, "{odd}");
        }
        let many = format!("{}{good}", "v1,AAAA ".repeat(MAX_SIGNATURES));
        assert_eq!(other(ID, &sent, &many, BODY), fault);
    }

    #[test]
    fn a_message_of_another_time_is_not_believed() {
        let good = message().sign(&WebhookSecret::parse(SECRET).unwrap());
        let told =
            |off: i64| by_secret().verify(ID, &SENT.to_string(), &good, BODY, at(SENT + off));
        assert_eq!((told(-300), told(300)), (Ok(()), Ok(())));
        assert_eq!((told(-301), told(301)), (Err(WebhookFault::Time), Err(WebhookFault::Time)));
    }

    #[test]
    fn secrets_are_of_24_to_64_bytes_and_show_nothing() {
        for bytes in [24, 32, 64] {
            let secret = WebhookSecret::from_bytes(&vec![5; bytes]).unwrap();
            assert_eq!(WebhookSecret::parse(&secret.expose()), Ok(secret.clone()));
            assert_eq!(format!("{secret:?}"), "WebhookSecret(…)");
        }
        for text in ["", "whsec_", "whsec_AAAA", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_-_-_"] {
            assert_eq!(WebhookSecret::parse(text), Err(BadSecret), "{text}");
        }
        assert_eq!(WebhookSecret::from_bytes(&[5; 23]), Err(BadSecret));
        assert_eq!(WebhookSecret::from_bytes(&[5; 65]), Err(BadSecret));
    }
}
