//! `Signature-Input` and `Signature` (RFC 9421 §4): the one signature of our tag.

use sfv::{BareItemFromInput, KeyRef, ListSerializer, StringRef, key_ref};

use super::base::{self, Component};
use super::structured::{self, Item, Member, Value};
use super::{Headers, HttpSignatureError, Tag};
use crate::encoding::base64_encode;
use crate::keys::{Kid, PublicKey, SigningKey};
use crate::time::Timestamp;

/// The label that we sign under.
pub const LABEL: &str = "sig1";

const MAX_AGE_MILLIS: i64 = 300_000;
const MAX_AHEAD_MILLIS: i64 = 60_000;

/// The two header fields of a signature that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureHeaders {
    /// The value of `Signature-Input`.
    pub signature_input: String,
    /// The value of `Signature`.
    pub signature: String,
    /// The bytes that were signed: together with the signature they are evidence.
    pub base: Vec<u8>,
    /// The signature itself, R ‖ S, which an answer is bound to; its label is [`LABEL`].
    pub signature_bytes: [u8; 64],
}

/// A message whose signature is complete, in time and well-formed, but not verified yet: look up
/// the key by `kid`, then call [`SignedMessage::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedMessage {
    /// The dictionary key of the signature.
    pub label: String,
    /// The key that is said to have signed.
    pub kid: Kid,
    /// When it was signed (whole seconds).
    pub created: Timestamp,
    /// Not to be honoured after this moment.
    pub expires: Option<Timestamp>,
    /// The signer's nonce: kept as part of the base, otherwise without meaning here.
    pub nonce: Option<String>,
    /// The signature base (RFC 9421 §2.5).
    pub base: Vec<u8>,
    /// The signature, R ‖ S.
    pub signature: [u8; 64],
    /// The covered components in the signer's order: `@path`, or `@path;req` in an answer.
    pub covered: Vec<String>,
}

impl SignedMessage {
    /// Verifies the signature under `key`, which must be the one that `kid` names.
    ///
    /// # Errors
    /// [`HttpSignatureError::Invalid`].
    pub fn verify(&self, key: &PublicKey) -> Result<(), HttpSignatureError> {
        if self.kid != *key.kid() {
            return Err(HttpSignatureError::Invalid("keyid names another key"));
        }
        key.verify(&self.base, &self.signature)
            .map_err(|_| HttpSignatureError::Invalid("the signature does not verify"))
    }

    /// Whether a component is covered, spelled as in [`SignedMessage::covered`].
    #[must_use]
    pub fn covers(&self, component: &str) -> bool {
        self.covered.iter().any(|covered| covered == component)
    }
}

/// What the two fields say, before it is held against the message.
pub(super) struct Envelope {
    pub label: String,
    pub components: Vec<Component>,
    /// The inner list as RFC 9651 serialises it: the value of `@signature-params`.
    pub params_text: String,
    pub params: Params,
    pub signature: [u8; 64],
}

/// The parameters of a signature; times in whole seconds since 1970.
pub(super) struct Params {
    pub created: i64,
    pub expires: Option<i64>,
    pub kid: Kid,
    pub nonce: Option<String>,
}

impl Envelope {
    /// Reads the one signature whose tag is `tag`; signatures with other tags are not looked at.
    pub fn read(headers: &dyn Headers, tag: Tag) -> Result<Self, HttpSignatureError> {
        let inputs = structured::combined(headers, "signature-input")
            .ok_or_else(|| HttpSignatureError::missing("signature-input"))?;
        let members = structured::dictionary(&inputs)
            .map_err(|_| HttpSignatureError::Invalid("signature-input is malformed"))?;
        let member = select(&members, tag)?;
        let Value::List(items) = &member.value else {
            return Err(HttpSignatureError::Invalid("signature-input holds no list"));
        };
        let components = items.iter().map(Component::read).collect::<Result<Vec<_>, _>>()?;
        base::refuse_duplicates(&components)?;
        Ok(Self {
            label: member.key.to_owned(),
            components,
            params_text: serialized(items, &member.params),
            params: Params::read(member)?,
            signature: read_signature(headers, member.key)?,
        })
    }

    /// Refuses unless each of `required` is covered.
    pub fn require(&self, required: &[Component]) -> Result<(), HttpSignatureError> {
        let absent = required
            .iter()
            .find(|wanted| !self.components.iter().any(|covered| covered.names_same(wanted)));
        match absent {
            Some(component) => Err(HttpSignatureError::missing(&shown(component))),
            None => Ok(()),
        }
    }

    /// Refuses what is out of its time at `now`.
    pub fn check_time(&self, now: Timestamp) -> Result<(), HttpSignatureError> {
        let now = now.as_millis();
        let created = self.params.created.saturating_mul(1_000);
        let too_old = now.saturating_sub(created) > MAX_AGE_MILLIS;
        let from_the_future = created.saturating_sub(now) > MAX_AHEAD_MILLIS;
        let over = self.params.expires.is_some_and(|at| now > at.saturating_mul(1_000));
        if too_old || from_the_future || over { Err(HttpSignatureError::Expired) } else { Ok(()) }
    }

    /// The result for the caller, once the base is built.
    pub fn into_message(self, base: Vec<u8>) -> SignedMessage {
        SignedMessage {
            label: self.label,
            kid: self.params.kid,
            created: Timestamp::from_millis(self.params.created.saturating_mul(1_000)),
            expires: self.params.expires.map(|at| Timestamp::from_millis(at.saturating_mul(1_000))),
            nonce: self.params.nonce,
            base,
            signature: self.signature,
            covered: self.components.iter().map(shown).collect(),
        }
    }
}

/// A component as callers and error messages see it.
fn shown(component: &Component) -> String {
    if component.req { [&*component.name, ";req"].concat() } else { component.name.clone() }
}

fn select<'m, 'de>(
    members: &'m [Member<'de>],
    tag: Tag,
) -> Result<&'m Member<'de>, HttpSignatureError> {
    let mut ours = members.iter().filter(|member| has_tag(member, tag));
    match (ours.next(), ours.next()) {
        (Some(one), None) => Ok(one),
        (Some(_), Some(_)) => Err(HttpSignatureError::Invalid("two signatures have the tag")),
        (None, _) => Err(HttpSignatureError::missing(&format!("tag=\"{}\"", tag.as_str()))),
    }
}

/// Whether a member of `Signature-Input` or `Accept-Signature` carries the tag.
pub(super) fn has_tag(member: &Member<'_>, tag: Tag) -> bool {
    let value = member.param("tag").and_then(BareItemFromInput::as_string);
    value.is_some_and(|value| value.as_str() == tag.as_str())
}

impl Params {
    fn read(member: &Member<'_>) -> Result<Self, HttpSignatureError> {
        // The key decides the algorithm; a signer may at most agree (threat T03).
        if text(member, "alg")?.is_some_and(|alg| alg != "ed25519") {
            return Err(HttpSignatureError::Invalid("alg is not ed25519"));
        }
        let kid = text(member, "keyid")?.ok_or_else(|| HttpSignatureError::missing("keyid"))?;
        Ok(Self {
            created: seconds(member, "created")?
                .ok_or_else(|| HttpSignatureError::missing("created"))?,
            expires: seconds(member, "expires")?,
            kid: Kid::parse(kid)
                .map_err(|_| HttpSignatureError::Invalid("keyid is not a thumbprint"))?,
            nonce: text(member, "nonce")?.map(str::to_owned),
        })
    }
}

fn text<'m>(member: &'m Member<'_>, name: &str) -> Result<Option<&'m str>, HttpSignatureError> {
    match member.param(name) {
        None => Ok(None),
        Some(BareItemFromInput::String(value)) => Ok(Some(value.as_str())),
        Some(_) => Err(HttpSignatureError::Invalid("a parameter is not a string")),
    }
}

fn seconds(member: &Member<'_>, name: &str) -> Result<Option<i64>, HttpSignatureError> {
    match member.param(name) {
        None => Ok(None),
        Some(BareItemFromInput::Integer(value)) => Ok(Some(i64::from(*value))),
        Some(_) => Err(HttpSignatureError::Invalid("a time is not an integer")),
    }
}

pub(super) fn read_signature(
    headers: &dyn Headers,
    label: &str,
) -> Result<[u8; 64], HttpSignatureError> {
    let malformed = HttpSignatureError::Invalid("signature is malformed");
    let field = structured::combined(headers, "signature")
        .ok_or_else(|| HttpSignatureError::missing("signature"))?;
    let members = structured::dictionary(&field).map_err(|_| malformed.clone())?;
    structured::refuse_second_spellings(&field).map_err(|_| malformed.clone())?;
    let member = members
        .iter()
        .find(|member| member.key == label)
        .ok_or_else(|| HttpSignatureError::missing("signature"))?;
    match &member.value {
        Value::Item(BareItemFromInput::ByteSequence(bytes)) if member.params.is_empty() => bytes
            .as_slice()
            .try_into()
            .map_err(|_| HttpSignatureError::Invalid("the signature is not 64 bytes")),
        _ => Err(malformed),
    }
}

/// An inner list and its parameters as RFC 9651 §4.1.1.1 serialises them.
pub(super) fn serialized(items: &[Item<'_>], params: &structured::Params<'_>) -> String {
    let mut out = String::with_capacity(256);
    let mut list = ListSerializer::with_buffer(&mut out);
    let mut inner = list.inner_list();
    for item in items {
        write_params(inner.bare_item(&item.value), &item.params);
    }
    write_params(inner.finish(), params);
    out
}

fn write_params(
    mut serializer: sfv::ParameterSerializer<&mut String>,
    params: &structured::Params<'_>,
) {
    for (key, value) in params {
        serializer = serializer.parameter(key, value);
    }
    // What it gives back is the buffer, which the caller has.
    let _: &mut String = serializer.finish();
}

/// What a new signature says about itself.
pub(super) struct NewParams<'a> {
    pub created: Timestamp,
    pub expires: Option<Timestamp>,
    pub nonce: Option<&'a str>,
    pub tag: Tag,
}

/// Signs `components`, whose values `value` appends.
pub(super) fn sign(
    components: &[Component],
    params: &NewParams<'_>,
    key: &SigningKey,
    value: impl FnMut(&mut Vec<u8>, &Component) -> Result<(), HttpSignatureError>,
) -> Result<SignatureHeaders, HttpSignatureError> {
    base::refuse_duplicates(components)?;
    let params_text = new_params_text(components, params, key.kid())?;
    let base = base::build(components, &params_text, value)?;
    let signature_bytes = key.sign(&base);
    Ok(SignatureHeaders {
        signature_input: [LABEL, "=", &params_text].concat(),
        signature: [LABEL, "=:", &base64_encode(&signature_bytes), ":"].concat(),
        base,
        signature_bytes,
    })
}

const CREATED: &KeyRef = key_ref("created");
const EXPIRES: &KeyRef = key_ref("expires");
const KEYID: &KeyRef = key_ref("keyid");
const NONCE: &KeyRef = key_ref("nonce");
const TAG: &KeyRef = key_ref("tag");

fn new_params_text(
    components: &[Component],
    params: &NewParams<'_>,
    kid: &Kid,
) -> Result<String, HttpSignatureError> {
    let identifiers: Vec<&str> =
        components.iter().map(|component| component.identifier.as_str()).collect();
    let mut out = ["(", &identifiers.join(" "), ")"].concat();
    let mut fields = ParamWriter(&mut out);
    fields.integer(CREATED, params.created.as_millis().div_euclid(1_000))?;
    if let Some(expires) = params.expires {
        fields.integer(EXPIRES, expires.as_millis().div_euclid(1_000))?;
    }
    fields.string(KEYID, kid.as_str())?;
    if let Some(nonce) = params.nonce {
        fields.string(NONCE, nonce)?;
    }
    fields.string(TAG, params.tag.as_str())?;
    Ok(out)
}

/// Appends parameters; a value that RFC 9651 can't write is the caller's mistake.
struct ParamWriter<'a>(&'a mut String);

impl ParamWriter<'_> {
    fn integer(&mut self, key: &KeyRef, value: i64) -> Result<(), HttpSignatureError> {
        let value = sfv::Integer::try_from(value)
            .map_err(|_| HttpSignatureError::Invalid("a time is out of range"))?;
        self.append(key, value.into());
        Ok(())
    }

    fn string(&mut self, key: &KeyRef, value: &str) -> Result<(), HttpSignatureError> {
        let value = StringRef::from_str(value)
            .map_err(|_| HttpSignatureError::Invalid("a parameter is not printable ASCII"))?;
        self.append(key, value.into());
        Ok(())
    }

    fn append(&mut self, key: &KeyRef, value: sfv::RefBareItem<'_>) {
        let item = sfv::ItemSerializer::new().bare_item(value).finish();
        self.0.push(';');
        self.0.push_str(key.as_str());
        self.0.push('=');
        self.0.push_str(&item);
    }
}
