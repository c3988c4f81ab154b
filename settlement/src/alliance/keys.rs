//! Keys as they are kept: partners', which the definition begins with and partners change over the
//! API, and the gateway's own list, which the root key signs apart from here.
//!
//! Definition and changes live side by side (docs/decisions/0025): of a key that both name, the
//! earlier end and the earlier revocation count, so that neither brings back what the other has
//! ended.

use std::collections::{BTreeMap, HashMap};

use alliance_contracts::encoding::base64url_decode_array;
use alliance_contracts::json;
use alliance_contracts::key_list::{Jwk, KeyList, KeyListError, TrustedKeys};
use alliance_contracts::keys::{Kid, PublicKey};
use alliance_contracts::names::PartnerId;
use alliance_contracts::partner_key::KeyScope;
use alliance_contracts::time::Timestamp;

use super::definition::Definition;

/// A partner's key as somebody has registered, retired or revoked it after the definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartnerKeyRecord {
    /// Its name.
    pub kid: Kid,
    /// Whose it is.
    pub partner: PartnerId,
    /// The public key, base64url; was checked when it was registered.
    pub x: String,
    /// What it may do.
    pub scope: KeyScope,
    /// From when it holds.
    pub nbf: Option<Timestamp>,
    /// Until when.
    pub exp: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was registered over the API; none of a key of the definition's.
    pub added_at: Option<Timestamp>,
    /// The key that asked for the last change; none: an operator.
    pub changed_by: Option<Kid>,
}

/// A partner's key as definition and changes together have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedKey {
    /// The key.
    pub record: PartnerKeyRecord,
    /// Whether the definition names it.
    pub defined: bool,
}

fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}

/// Every partner key, by name. `changes` come after the definition: of two about one key, the last
/// counts.
#[must_use]
pub fn listed<'a>(
    definition: &Definition,
    changes: impl IntoIterator<Item = &'a PartnerKeyRecord>,
) -> BTreeMap<Kid, ListedKey> {
    let mut keys = BTreeMap::new();
    for partner in &definition.partners {
        for key in &partner.keys {
            let Ok(bytes) = base64url_decode_array::<32>(&key.x) else { continue };
            let kid = Kid::of_public_key(&bytes);
            let record = PartnerKeyRecord {
                kid: kid.clone(),
                partner: partner.partner.clone(),
                x: key.x.clone(),
                scope: key.scope,
                nbf: key.nbf,
                exp: key.exp,
                revoked_at: key.revoked_at,
                added_at: None,
                changed_by: None,
            };
            keys.insert(kid, ListedKey { record, defined: true });
        }
    }
    let latest: BTreeMap<&Kid, &PartnerKeyRecord> =
        changes.into_iter().map(|record| (&record.kid, record)).collect();
    for record in latest.into_values() {
        let defined = keys.get(&record.kid).filter(|known| known.defined).map(|k| &k.record);
        let exp = earlier(record.exp, defined.and_then(|known| known.exp));
        let revoked_at = earlier(record.revoked_at, defined.and_then(|known| known.revoked_at));
        let scope = defined.map_or(record.scope, |known| known.scope);
        let defined = defined.is_some();
        let record = PartnerKeyRecord { exp, revoked_at, scope, ..record.clone() };
        keys.insert(record.kid.clone(), ListedKey { record, defined });
    }
    keys
}

/// The keys as the partner key list shows them, by name.
#[must_use]
pub fn jwks(keys: &BTreeMap<Kid, ListedKey>) -> Vec<Jwk> {
    keys.values().map(|key| key.record.jwk()).collect()
}

impl PartnerKeyRecord {
    /// The key itself. Costs about a signature verification.
    #[must_use]
    pub fn public_key(&self) -> Option<PublicKey> {
        let bytes = base64url_decode_array::<32>(&self.x).ok()?;
        PublicKey::from_bytes(&bytes).ok()
    }

    /// Whether it holds then, or will.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.exp.is_none_or(|exp| now < exp)
    }

    /// Whether a signature made then counts.
    #[must_use]
    pub fn valid_at(&self, at: Timestamp) -> bool {
        self.nbf.is_none_or(|nbf| nbf <= at)
            && self.exp.is_none_or(|exp| at < exp)
            && self.revoked_at.is_none_or(|revoked| at < revoked)
    }

    fn jwk(&self) -> Jwk {
        Jwk {
            alg: "EdDSA".to_owned(),
            crv: "Ed25519".to_owned(),
            exp: self.exp,
            kid: self.kid.clone(),
            kty: "OKP".to_owned(),
            nbf: self.nbf,
            partner: Some(self.partner.to_string()),
            revoked_at: self.revoked_at,
            scope: Some(self.scope.as_str().to_owned()),
            use_: "sig".to_owned(),
            x: self.x.clone(),
        }
    }
}

/// The public keys that were checked before, to be checked once only.
pub(super) type Checked<'a> = HashMap<&'a Kid, &'a PublicKey>;

// ---------------------------------------------------------------------------------------------
// The gateway's own
// ---------------------------------------------------------------------------------------------

/// The gateway's key list, as the root key has signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayKeys {
    /// The document, as it is served.
    pub document: String,
    /// The same, checked.
    pub trusted: TrustedKeys,
    /// The key that signed it.
    pub root: Kid,
}

/// Why a document is no key list of the gateway's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GatewayKeysError {
    /// Not the JSON of a key list.
    #[error("no key list: {0}")]
    Malformed(String),
    /// The list or its statement is refused.
    #[error(transparent)]
    List(#[from] KeyListError),
}

/// Why the key that signs here may not. Each says what to do, as operators read it in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MayNotSign {
    /// The root key has not introduced it.
    #[error(
        "this gateway's key is not in the gateway key list: have the root key introduce it, and \
         import the list (`alliance keys import`)"
    )]
    Unlisted,
    /// The root key has revoked it.
    #[error(
        "this gateway's key is revoked: put a key that the root key has introduced in its place, \
         and start the gateway anew (docs/key-rotation.md)"
    )]
    Revoked,
    /// It has ended.
    #[error(
        "this gateway's key has ended, or has not begun: put a key that is in force in its place, \
         and start the gateway anew (docs/key-rotation.md)"
    )]
    NotInForce,
}

impl GatewayKeys {
    /// Reads a list. Who signed it is checked where it is imported, under the root key, and by
    /// every partner.
    ///
    /// # Errors
    /// [`GatewayKeysError`].
    pub fn read(document: &str) -> Result<Self, GatewayKeysError> {
        let list: KeyList = json::read(document.as_bytes()).map_err(|error| {
            GatewayKeysError::Malformed(format!("{} {}", error.pointer, error.detail))
        })?;
        Ok(Self::of(&list)?)
    }

    /// The same of a list that was read.
    ///
    /// # Errors
    /// [`KeyListError`].
    pub fn of(list: &KeyList) -> Result<Self, KeyListError> {
        let trusted = list.trust_without_root()?;
        let root = alliance_contracts::jws::parse(&list.statement)?.kid;
        // As a document has one spelling here, gateways serve the same bytes.
        let document = String::from_utf8(json::canonical(list)).unwrap_or_default();
        Ok(Self { document, trusted, root })
    }

    /// Whether this key may sign now.
    ///
    /// # Errors
    /// [`MayNotSign`].
    pub fn may_sign(&self, kid: &Kid, now: Timestamp) -> Result<(), MayNotSign> {
        match self.trusted.find(kid) {
            None => Err(MayNotSign::Unlisted),
            Some(key) if key.revoked_at.is_some() => Err(MayNotSign::Revoked),
            Some(key) if !key.valid_at(now) => Err(MayNotSign::NotInForce),
            Some(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use alliance_contracts::encoding::{Hash, base64url_encode};
    use alliance_contracts::key_list::KeyStatement;
    use alliance_contracts::keys::SigningKey;

    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32])
    }

    fn at(millis: i64) -> Option<Timestamp> {
        Some(Timestamp::from_millis(millis))
    }

    fn definition(exp: Option<Timestamp>, revoked_at: Option<Timestamp>) -> Definition {
        let x = base64url_encode(key(1).public_key().as_bytes());
        let mut definition: Definition = serde_json::from_value(serde_json::json!({
            "alliance": "demo", "currency": "CNY",
            "partners": [{"partner": "aurora-air", "name": "Aurora", "keys": [{"x": x}]}]
        }))
        .unwrap();
        let defined = &mut definition.partners[0].keys[0];
        (defined.exp, defined.revoked_at) = (exp, revoked_at);
        definition
    }

    fn record(seed: u8, exp: Option<Timestamp>, revoked_at: Option<Timestamp>) -> PartnerKeyRecord {
        PartnerKeyRecord {
            kid: key(seed).kid().clone(),
            partner: "aurora-air".parse().unwrap(),
            x: base64url_encode(key(seed).public_key().as_bytes()),
            scope: KeyScope::Trade,
            nbf: None,
            exp,
            revoked_at,
            added_at: at(1),
            changed_by: None,
        }
    }

    #[test]
    fn of_definition_and_change_the_earlier_end_counts() {
        let listed = |definition: &Definition, change: &PartnerKeyRecord| {
            listed(definition, [change]).remove(key(1).kid()).unwrap()
        };
        let of_both = listed(&definition(at(5), None), &record(1, at(9), at(7)));
        assert!(of_both.defined);
        assert_eq!((of_both.record.exp, of_both.record.revoked_at), (at(5), at(7)));
        assert_eq!(of_both.record.scope, KeyScope::Full, "the definition's");
        let of_both = listed(&definition(None, at(3)), &record(1, at(9), at(7)));
        assert_eq!((of_both.record.exp, of_both.record.revoked_at), (at(9), at(3)));
    }

    #[test]
    fn keys_of_both_are_listed_by_name() {
        let second = record(2, None, None);
        let keys = listed(&definition(None, None), [&second]);
        let mut kids = vec![key(1).kid().clone(), key(2).kid().clone()];
        kids.sort();
        let jwks = jwks(&keys);
        assert_eq!(jwks.iter().map(|jwk| jwk.kid.clone()).collect::<Vec<_>>(), kids);
        assert!(jwks.iter().all(|jwk| jwk.public_key().is_ok()));
        let added = &keys[key(2).kid()];
        assert!(!added.defined && added.record == second);
    }

    #[test]
    fn a_gateway_key_signs_while_the_root_key_says_so() {
        let listed = |change: &dyn Fn(&mut Jwk)| {
            let mut jwk = Jwk::new(key(1).public_key(), at(1_000));
            change(&mut jwk);
            let alliance = "demo".to_owned();
            let statement =
                KeyStatement { alliance, keys: vec![jwk], number: 1, previous: Hash::ZERO };
            let text = serde_json::to_string_pretty(&statement.publish(&key(9))).unwrap();
            GatewayKeys::read(&text).unwrap()
        };
        let may = |keys: &GatewayKeys, seed, millis| {
            keys.may_sign(key(seed).kid(), Timestamp::from_millis(millis))
        };
        let plain = listed(&|_| ());
        assert_eq!(plain.root, *key(9).kid());
        assert!(!plain.document.contains('\n'));
        assert_eq!(may(&plain, 1, 1_000), Ok(()));
        assert_eq!(may(&plain, 1, 999), Err(MayNotSign::NotInForce));
        assert_eq!(may(&plain, 2, 1_000), Err(MayNotSign::Unlisted));
        let ended = listed(&|jwk| jwk.exp = at(2_000));
        assert_eq!(may(&ended, 1, 1_999), Ok(()));
        assert_eq!(may(&ended, 1, 2_000), Err(MayNotSign::NotInForce));
        // Revoked is revoked, from whenever on.
        let revoked = listed(&|jwk| jwk.revoked_at = at(5_000));
        assert_eq!(may(&revoked, 1, 1_500), Err(MayNotSign::Revoked));
        assert!(GatewayKeys::read("{}").is_err());
    }
}
