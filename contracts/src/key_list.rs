//! Key lists: the documents that publish keys, and what vouches for them (protocol §5, Keys).
//!
//! | in | out of scope |
//! | --- | --- |
//! | entries (RFC 7517, RFC 8037), numbered and chained statements | fetching them, pinning the root key |
//! | the gateway's list under the root key, the partners' under a gateway key | |
//! | which list may take another's place | |

use serde::{Deserialize, Deserializer, Serialize};

use crate::encoding::{Hash, base64url_decode_array, base64url_encode};
use crate::jws::{self, JwsError, JwsType};
use crate::keys::{Kid, PublicKey, SigningKey};
use crate::limits::MAX_JSON_INTEGER;
use crate::time::Timestamp;

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
        let public = PublicKey::from_bytes(&bytes).map_err(|_| KeyListError::Weak)?;
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
        let numbered = (1..=MAX_JSON_INTEGER).contains(&statement.number);
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

/// Why there is no next list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NextListError {
    /// The last list is not signed by this root key, or one of the two is malformed.
    #[error(transparent)]
    List(#[from] KeyListError),
    /// The keys may not take the place of the last list's.
    #[error(transparent)]
    Succession(#[from] SuccessionError),
}

impl KeyList {
    /// The next list: these keys, with the next number, naming this list, signed by the root key.
    ///
    /// # Errors
    /// [`NextListError`]: a list only grows.
    pub fn next(&self, keys: Vec<Jwk>, root: &SigningKey) -> Result<Self, NextListError> {
        let last = self.verify(root.public_key())?;
        let statement = KeyStatement {
            alliance: last.alliance().to_owned(),
            keys,
            number: last.number() + 1,
            previous: *last.hash(),
        };
        let next = statement.publish(root);
        next.verify(root.public_key())?.check_follows(&last)?;
        Ok(next)
    }
}

/// Why a list may not take the place of another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SuccessionError {
    /// The list is of another alliance.
    #[error("the list is of the alliance {0}")]
    ForeignAlliance(String),
    /// Its number is lower.
    #[error("the list has the number {found}, but {known} is known: somebody rolls it back")]
    RolledBack {
        /// The number that is known.
        known: u64,
        /// The number of this list.
        found: u64,
    },
    /// The same number twice, or it does not name the one before.
    #[error("the list {0} does not follow the one that is known")]
    NotSuccessor(u64),
    /// A key is gone, or what ended or revoked it.
    #[error("the key {0} is gone, begins at another time, or has got back what ended it")]
    Forgotten(Kid),
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
        self.in_its_time(at) && self.revoked_at.is_none_or(|revoked_at| at < revoked_at)
    }

    /// Whether `at` lies between the key's begin and its end, revoked or not.
    #[must_use]
    pub fn in_its_time(&self, at: Timestamp) -> bool {
        self.nbf.is_none_or(|nbf| nbf <= at) && self.exp.is_none_or(|exp| at < exp)
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

    /// Whether this list may take the place of one that is known. Lists in between may have been
    /// missed. A list only grows: every key stays, and an end or a revocation is never taken back
    /// or put off.
    ///
    /// # Errors
    /// [`SuccessionError`].
    pub fn check_follows(&self, known: &Self) -> Result<(), SuccessionError> {
        if self.alliance != known.alliance {
            return Err(SuccessionError::ForeignAlliance(self.alliance.clone()));
        }
        if self.number < known.number {
            let (known, found) = (known.number, self.number);
            return Err(SuccessionError::RolledBack { known, found });
        }
        let follows = match self.number - known.number {
            0 => self.hash == known.hash,
            1 => self.previous == known.hash,
            _ => true,
        };
        if !follows {
            return Err(SuccessionError::NotSuccessor(self.number));
        }
        let earlier = |now: Option<Timestamp>, was: Option<Timestamp>| match (now, was) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(now), Some(was)) => now <= was,
        };
        let kept = |was: &TrustedKey| {
            self.find(&was.kid).is_some_and(|now| {
                now.nbf == was.nbf
                    && earlier(now.exp, was.exp)
                    && earlier(now.revoked_at, was.revoked_at)
            })
        };
        match known.iter().find(|was| !kept(was)) {
            None => Ok(()),
            Some(gone) => Err(SuccessionError::Forgotten(gone.kid.clone())),
        }
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
    use serde_json::Value;

    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32])
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
    fn a_list_only_grows() {
        let list = |keys: Vec<Jwk>, number, previous| {
            let statement = KeyStatement { number, previous, ..statement(keys) };
            statement.publish(&key(9)).verify(key(9).public_key()).unwrap()
        };
        let at = |millis| Some(Timestamp::from_millis(millis));
        let first = list(vec![entry(1)], 1, Hash::ZERO);
        let ended = Jwk { exp: at(5), revoked_at: at(9), ..entry(1) };
        let second = list(vec![ended.clone(), entry(2)], 2, *first.hash());
        let forgotten = Err(SuccessionError::Forgotten(entry(1).kid));
        assert_eq!(first.check_follows(&first), Ok(()));
        assert_eq!(second.check_follows(&first), Ok(()));
        assert_eq!(
            first.check_follows(&second),
            Err(SuccessionError::RolledBack { known: 2, found: 1 })
        );
        let later = |key: Jwk| list(vec![key, entry(2)], 7, Hash::ZERO).check_follows(&second);
        assert_eq!(later(Jwk { exp: at(4), ..ended.clone() }), Ok(()), "lists may be missed");
        assert_eq!(later(Jwk { exp: at(6), ..ended.clone() }), forgotten);
        assert_eq!(later(Jwk { revoked_at: None, ..ended.clone() }), forgotten);
        assert_eq!(later(Jwk { nbf: None, ..ended }), forgotten);
        assert_eq!(list(vec![entry(2)], 3, *second.hash()).check_follows(&second), forgotten);
        let other = list(vec![entry(1), entry(2)], 2, Hash::ZERO);
        assert_eq!(other.check_follows(&second), Err(SuccessionError::NotSuccessor(2)));
        assert_eq!(other.check_follows(&first), Err(SuccessionError::NotSuccessor(2)));
    }

    #[test]
    fn the_next_list_names_the_last_and_only_grows() {
        let first = statement(vec![entry(1)]).publish(&key(9));
        let next = first.next(vec![entry(1), entry(2)], &key(9)).unwrap();
        let (one, two) = (first.verify(key(9).public_key()), next.verify(key(9).public_key()));
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_eq!((two.number(), two.previous()), (one.number() + 1, one.hash()));
        assert_eq!(two.check_follows(&one), Ok(()));
        let forgotten = NextListError::Succession(SuccessionError::Forgotten(entry(1).kid));
        assert_eq!(first.next(vec![entry(2)], &key(9)), Err(forgotten));
        let foreign = NextListError::List(JwsError::WrongKey.into());
        assert_eq!(first.next(vec![entry(1)], &key(8)), Err(foreign));
        let twice = NextListError::List(KeyListError::DuplicateKid);
        assert_eq!(first.next(vec![entry(1), entry(1)], &key(9)), Err(twice));
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
