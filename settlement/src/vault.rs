//! Members' references and pseudonyms: who a person is, kept so that it can be forgotten.
//!
//! - Every member has a key of its own (32 random bytes), wrapped by the alliance's master key.
//! - The reference is sealed (AES-256-GCM) under the member's key, and found by `lookup`, a keyed
//!   HMAC of alliance, program and reference.
//! - The pseudonym in a corridor is HMAC(k, JCS([alliance, corridor, program, reference])), where k
//!   is derived from the member's key for that corridor alone: showing k (the *opening*) proves who
//!   it was there and says nothing about other corridors (protocol § 5).
//!
//! Destroy a member's wrapped key and its lookup, and the person is forgotten while every chain
//! still verifies. Nonces are handed in, or derived: nothing here draws randomness.
//!
//! A vault has one master key, or two while one takes the other's place (docs/decisions/0033): a
//! member is sought under either, and what is wrapped opens under either. Which of them is written
//! under, the books say: [`Vault::rewrap`] and [`Vault::place`] bring anything there.

use alliance_contracts::encoding::{Hash, hex_decode, hex_encode};
use alliance_contracts::json;
use alliance_contracts::names::{AllianceId, Corridor, MemberRef, ProgramId, Pseudonym};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use zeroize::Zeroizing;

/// Length of every key here.
pub const KEY_LEN: usize = 32;

/// What members' keys are wrapped for.
pub const MEMBER_KEY_PURPOSE: &str = "member-key";
/// What blind keys of before are wrapped for.
const BLIND_PURPOSE: &str = "blind-key";

/// A nonce, drawn by the caller; never use one twice under one key.
pub type NonceBytes = [u8; NONCE_LEN];

/// Finds a member by reference without keeping the reference: 16 bytes of a keyed HMAC, enough
/// that two of 10¹² members never meet by chance (10²⁴ pairs against 2¹²⁸ ≈ 3 · 10³⁸).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lookup(pub [u8; 16]);

/// Where a member may be found: under each master key that the vault has, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sought {
    first: Lookup,
    second: Option<Lookup>,
}

impl Sought {
    /// Under the vault's first key.
    #[must_use]
    pub const fn first(&self) -> Lookup {
        self.first
    }

    /// Every place.
    pub fn places(&self) -> impl Iterator<Item = Lookup> + use<> {
        [Some(self.first), self.second].into_iter().flatten()
    }
}

impl From<Lookup> for Sought {
    /// A member that can be found in one place alone.
    fn from(first: Lookup) -> Self {
        Self { first, second: None }
    }
}

/// What a request that names members is compared by when its key comes again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// What is remembered of it.
    pub kept: Hash,
    /// What it may have been remembered as, under a master key of before.
    pub before: Vec<Hash>,
}

impl Digest {
    /// Whether this is what was remembered.
    #[must_use]
    pub fn is(&self, remembered: &Hash) -> bool {
        self.kept == *remembered || self.before.contains(remembered)
    }
}

impl From<Hash> for Digest {
    fn from(kept: Hash) -> Self {
        Self { kept, before: Vec::new() }
    }
}

/// What a master key is called in the books: derived from it, and of no use to open anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MasterKeyId([u8; 8]);

impl MasterKeyId {
    /// What this master key is called.
    #[must_use]
    pub fn of(master: &[u8; KEY_LEN]) -> Self {
        let tag = derive(master, "alliance/master-key-id/v1");
        let mut id = [0; 8];
        id.copy_from_slice(&tag.as_ref()[..8]);
        Self(id)
    }

    /// What 16 hex digits name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = hex_decode(text).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }
}

impl std::fmt::Display for MasterKeyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex_encode(&self.0))
    }
}

/// What was sealed does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// Wrong key, or the bytes were changed.
    #[error("sealed bytes do not open: another master key, or they were changed")]
    DoesNotOpen,
    /// The opened bytes are not what they should be.
    #[error("opened bytes are no member reference")]
    NotAReference,
}

/// The alliance's master keys at work. Its `Debug` shows nothing.
pub struct Vault {
    alliance: AllianceId,
    first: MasterKey,
    second: Option<MasterKey>,
    /// Of master keys that are destroyed: what was remembered under them is still compared.
    carried: Vec<hmac::Key>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault(…)")
    }
}

/// A master key, and what is derived from it.
struct MasterKey {
    id: MasterKeyId,
    wrapping: LessSafeKey,
    /// Gives what is wrapped anew its nonce.
    nonces: hmac::Key,
    lookup: hmac::Key,
    blind: Zeroizing<[u8; KEY_LEN]>,
}

impl MasterKey {
    fn of(master: &[u8; KEY_LEN]) -> Self {
        let wrapping = derive_key(master, "alliance/wrapping/v1");
        let key = |purpose| hmac_key(&derive_key(master, purpose));
        Self {
            id: MasterKeyId::of(master),
            wrapping: aead(&wrapping),
            nonces: key("alliance/rewrapping-nonce/v1"),
            lookup: key("alliance/lookup/v1"),
            blind: derive_key(master, "alliance/blind/v1"),
        }
    }

    fn lookup(&self, text: &[u8]) -> Lookup {
        let tag = hmac::sign(&self.lookup, text);
        let mut lookup = [0; 16];
        lookup.copy_from_slice(&tag.as_ref()[..16]);
        Lookup(lookup)
    }

    /// Wrapped under a nonce that is an HMAC of `from`, which is another one for everything that
    /// is wrapped: the same again is the same bytes, and two things never share a nonce.
    fn wrap_from(&self, purpose: &str, plain: &[u8], from: &[u8]) -> Vec<u8> {
        let tag = hmac::sign(&self.nonces, &json::canonical(&(purpose, hex_encode(from))));
        let mut nonce = [0; NONCE_LEN];
        nonce.copy_from_slice(&tag.as_ref()[..NONCE_LEN]);
        seal(&self.wrapping, nonce, purpose, plain)
    }
}

/// A member's own key. Its `Debug` shows nothing; wiped when dropped.
#[derive(Clone)]
pub struct MemberKey(Zeroizing<[u8; KEY_LEN]>);

impl std::fmt::Debug for MemberKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MemberKey(…)")
    }
}

fn aead(key: &[u8; KEY_LEN]) -> LessSafeKey {
    let unbound = UnboundKey::new(&AES_256_GCM, key).expect("an AES-256 key has 32 bytes");
    LessSafeKey::new(unbound)
}

fn derive(secret: &[u8], purpose: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), purpose.as_bytes())
}

fn derive_key(secret: &[u8], purpose: &str) -> Zeroizing<[u8; KEY_LEN]> {
    let mut key = Zeroizing::new([0; KEY_LEN]);
    key.copy_from_slice(derive(secret, purpose).as_ref());
    key
}

fn hmac_key(bytes: &[u8; KEY_LEN]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, bytes)
}

fn digest(key: &hmac::Key, text: &[u8]) -> Hash {
    let mut digest = [0; 32];
    digest.copy_from_slice(hmac::sign(key, text).as_ref());
    Hash::from(digest)
}

fn seal(key: &LessSafeKey, nonce: NonceBytes, purpose: &str, plain: &[u8]) -> Vec<u8> {
    let mut sealed = plain.to_vec();
    let nonce_value = Nonce::assume_unique_for_key(nonce);
    key.seal_in_place_append_tag(nonce_value, Aad::from(purpose.as_bytes()), &mut sealed)
        .expect("sealing fails only for inputs of 64 GiB");
    let mut out = nonce.to_vec();
    out.append(&mut sealed);
    out
}

fn open(key: &LessSafeKey, purpose: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let (nonce, body) = sealed.split_at_checked(NONCE_LEN).ok_or(VaultError::DoesNotOpen)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| VaultError::DoesNotOpen)?;
    let mut body = Zeroizing::new(body.to_vec());
    let plain = key
        .open_in_place(nonce, Aad::from(purpose.as_bytes()), &mut body)
        .map_err(|_| VaultError::DoesNotOpen)?;
    Ok(Zeroizing::new(plain.to_vec()))
}

impl Vault {
    /// The vault of an alliance under its master key.
    #[must_use]
    pub fn new(alliance: AllianceId, master: &[u8; KEY_LEN]) -> Self {
        Self { alliance, first: MasterKey::of(master), second: None, carried: Vec::new() }
    }

    /// The same with another master key, which takes the first one's place or has taken it.
    #[must_use]
    pub fn and(mut self, other: &[u8; KEY_LEN]) -> Self {
        self.second = Some(MasterKey::of(other));
        self
    }

    /// The same, so that this key is the first of the two, where it has it.
    #[must_use]
    pub fn led_by(mut self, id: MasterKeyId) -> Self {
        if let Some(second) = self.second.take_if(|second| second.id == id) {
            self.second = Some(std::mem::replace(&mut self.first, second));
        }
        self
    }

    /// The same, comparing also what was remembered under keys of before, as
    /// [`Self::carry_blind_key`] has wrapped them.
    ///
    /// # Errors
    /// [`VaultError::DoesNotOpen`].
    pub fn carrying<'a>(
        mut self,
        wrapped: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, VaultError> {
        for wrapped in wrapped {
            let blind = self.unwrap_secret(BLIND_PURPOSE, wrapped)?;
            self.carried.push(hmac::Key::new(hmac::HMAC_SHA256, &blind));
        }
        Ok(self)
    }

    /// Its master keys.
    pub fn ids(&self) -> impl Iterator<Item = MasterKeyId> {
        self.keys().map(|key| key.id)
    }

    /// The first of its master keys.
    #[must_use]
    pub const fn first_id(&self) -> MasterKeyId {
        self.first.id
    }

    /// Whether it has this master key.
    #[must_use]
    pub fn has(&self, id: MasterKeyId) -> bool {
        self.key(id).is_some()
    }

    fn keys(&self) -> impl Iterator<Item = &MasterKey> {
        std::iter::once(&self.first).chain(&self.second)
    }

    fn key(&self, id: MasterKeyId) -> Option<&MasterKey> {
        self.keys().find(|key| key.id == id)
    }

    /// Where a member may be found.
    #[must_use]
    pub fn sought(&self, program: &ProgramId, member: &MemberRef) -> Sought {
        let text = json::canonical(&(&self.alliance, program, member));
        let second = self.second.as_ref().map(|key| key.lookup(&text));
        Sought { first: self.first.lookup(&text), second }
    }

    /// Of the places where a member may be found, that under this master key; under the first
    /// where the vault has not this one.
    #[must_use]
    pub fn place(&self, under: MasterKeyId, sought: &Sought) -> Lookup {
        let second = self.second.as_ref().filter(|key| key.id == under);
        second.and(sought.second).unwrap_or(sought.first)
    }

    /// A digest of what names members, which says nothing to whoever lacks the key: to be kept
    /// under this master key, or under the first where the vault has not this one.
    #[must_use]
    pub fn blind(&self, under: Option<MasterKeyId>, text: &[u8]) -> Digest {
        let kept = under.and_then(|id| self.key(id)).unwrap_or(&self.first);
        let others = self.keys().filter(|key| key.id != kept.id);
        let others = others.map(|key| digest(&hmac_key(&key.blind), text));
        let carried = self.carried.iter().map(|key| digest(key, text));
        let before = others.chain(carried).collect();
        Digest { kept: digest(&hmac_key(&kept.blind), text), before }
    }

    /// What blinded digests under one master key, wrapped under another: what was remembered under
    /// the first is compared for ever. None where the vault has not both.
    #[must_use]
    pub fn carry_blind_key(&self, of: MasterKeyId, under: MasterKeyId) -> Option<Vec<u8>> {
        let (of, under) = (self.key(of)?, self.key(under)?);
        Some(under.wrap_from(BLIND_PURPOSE, &of.blind[..], &of.id.0))
    }

    /// The same of what was carried so far; none where it is under that key already.
    ///
    /// # Errors
    /// [`VaultError::DoesNotOpen`].
    pub fn carry_on(
        &self,
        under: MasterKeyId,
        wrapped: &[u8],
    ) -> Result<Option<Vec<u8>>, VaultError> {
        let rewrapped = self.rewrap(under, BLIND_PURPOSE, wrapped)?;
        Ok(Some(rewrapped.unwrap_or_else(|| wrapped.to_vec())))
    }

    /// What is wrapped for a purpose, wrapped under this master key. None: it is already. The same
    /// bytes every time.
    ///
    /// # Errors
    /// [`VaultError::DoesNotOpen`]: under none that the vault has.
    pub fn rewrap(
        &self,
        under: MasterKeyId,
        purpose: &str,
        wrapped: &[u8],
    ) -> Result<Option<Vec<u8>>, VaultError> {
        let key = self.key(under).ok_or(VaultError::DoesNotOpen)?;
        if open(&key.wrapping, purpose, wrapped).is_ok() {
            return Ok(None);
        }
        let plain = self.unwrap_secret(purpose, wrapped)?;
        Ok(Some(key.wrap_from(purpose, &plain, wrapped)))
    }

    /// The master key that this is wrapped under.
    #[must_use]
    pub fn opener(&self, purpose: &str, wrapped: &[u8]) -> Option<MasterKeyId> {
        let opens = |key: &&MasterKey| open(&key.wrapping, purpose, wrapped).is_ok();
        self.keys().find(opens).map(|key| key.id)
    }

    /// A member's key, wrapped for the database.
    #[must_use]
    pub fn wrap(&self, key: &[u8; KEY_LEN], nonce: NonceBytes) -> Vec<u8> {
        seal(&self.first.wrapping, nonce, MEMBER_KEY_PURPOSE, key)
    }

    /// A member's key out of the database.
    ///
    /// # Errors
    /// [`VaultError::DoesNotOpen`].
    pub fn unwrap(&self, wrapped: &[u8]) -> Result<MemberKey, VaultError> {
        let plain = self.unwrap_secret(MEMBER_KEY_PURPOSE, wrapped)?;
        let bytes: [u8; KEY_LEN] =
            plain.as_slice().try_into().map_err(|_| VaultError::DoesNotOpen)?;
        Ok(MemberKey(Zeroizing::new(bytes)))
    }

    /// Any other secret of the gateways (a quote key), wrapped for the database.
    #[must_use]
    pub fn wrap_secret(&self, purpose: &str, secret: &[u8], nonce: NonceBytes) -> Vec<u8> {
        seal(&self.first.wrapping, nonce, purpose, secret)
    }

    /// A secret out of the database.
    ///
    /// # Errors
    /// [`VaultError::DoesNotOpen`].
    pub fn unwrap_secret(
        &self,
        purpose: &str,
        wrapped: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let opened = open(&self.first.wrapping, purpose, wrapped);
        opened.or_else(|error| match &self.second {
            Some(second) => open(&second.wrapping, purpose, wrapped),
            None => Err(error),
        })
    }

    /// The key that opens this member's pseudonym in one corridor, and in no other.
    #[must_use]
    pub fn opening(&self, key: &MemberKey, corridor: &Corridor) -> [u8; KEY_LEN] {
        let tag = derive(&key.0[..], &format!("alliance/corridor/v1/{corridor}"));
        let mut opening = [0; KEY_LEN];
        opening.copy_from_slice(tag.as_ref());
        opening
    }

    /// The member as seen in one corridor.
    #[must_use]
    pub fn pseudonym(
        &self,
        key: &MemberKey,
        corridor: &Corridor,
        program: &ProgramId,
        member: &MemberRef,
    ) -> Pseudonym {
        pseudonym(&self.opening(key, corridor), &self.alliance, corridor, program, member)
    }
}

/// The pseudonym that an opening gives: anyone with the opening can check it.
#[must_use]
pub fn pseudonym(
    opening: &[u8; KEY_LEN],
    alliance: &AllianceId,
    corridor: &Corridor,
    program: &ProgramId,
    member: &MemberRef,
) -> Pseudonym {
    let text = json::canonical(&(alliance, corridor, program, member));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, opening), &text);
    hex_encode(tag.as_ref()).parse().expect("32 bytes are 64 lower-case hex digits")
}

impl MemberKey {
    /// Seals a reference under this member's key.
    #[must_use]
    pub fn seal(&self, member: &MemberRef, nonce: NonceBytes) -> Vec<u8> {
        seal(&aead(&self.0), nonce, "member-reference", member.expose().as_bytes())
    }

    /// The reference that was sealed.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn open(&self, sealed: &[u8]) -> Result<MemberRef, VaultError> {
        let plain = open(&aead(&self.0), "member-reference", sealed)?;
        let text = std::str::from_utf8(&plain).map_err(|_| VaultError::NotAReference)?;
        text.parse().map_err(|_| VaultError::NotAReference)
    }

    /// The key of these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; KEY_LEN]) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

/// Seals the members of quote tokens for the gateways, under a key that lives a day.
pub struct QuoteSealer(LessSafeKey);

impl std::fmt::Debug for QuoteSealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("QuoteSealer(…)")
    }
}

impl QuoteSealer {
    /// The sealer of a day's key.
    #[must_use]
    pub fn new(key: &[u8; KEY_LEN]) -> Self {
        Self(aead(key))
    }

    /// A member, sealed: base64url, for this quote and side only (`context`).
    #[must_use]
    pub fn seal(&self, context: &str, member: &MemberRef, nonce: NonceBytes) -> String {
        let sealed = seal(&self.0, nonce, context, member.expose().as_bytes());
        alliance_contracts::encoding::base64url_encode(&sealed)
    }

    /// The member that was sealed.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn open(&self, context: &str, sealed: &str) -> Result<MemberRef, VaultError> {
        let bytes = alliance_contracts::encoding::base64url_decode(sealed)
            .map_err(|_| VaultError::DoesNotOpen)?;
        let plain = open(&self.0, context, &bytes)?;
        let text = std::str::from_utf8(&plain).map_err(|_| VaultError::NotAReference)?;
        text.parse().map_err(|_| VaultError::NotAReference)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault() -> Vault {
        Vault::new("demo".parse().unwrap(), &[7; 32])
    }

    #[test]
    fn a_reference_comes_back_and_only_under_its_own_key() {
        let vault = vault();
        let wrapped = vault.wrap(&[1; 32], [2; 12]);
        let key = vault.unwrap(&wrapped).unwrap();
        let member: MemberRef = "A-1001".parse().unwrap();
        let sealed = key.seal(&member, [3; 12]);
        assert_eq!(key.open(&sealed), Ok(member));
        assert_eq!(MemberKey::from_bytes([9; 32]).open(&sealed), Err(VaultError::DoesNotOpen));
        let other = Vault::new("demo".parse().unwrap(), &[8; 32]);
        assert!(other.unwrap(&wrapped).is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(key.open(&changed).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_person_cannot_be_joined_over_two_corridors_but_an_opening_proves_one() {
        let vault = vault();
        let key = MemberKey::from_bytes([1; 32]);
        let (program, member) = ("aurora".parse().unwrap(), "A-1001".parse().unwrap());
        let (one, two): (Corridor, Corridor) = ("a1~b1".parse().unwrap(), "a1~c1".parse().unwrap());
        let in_one = vault.pseudonym(&key, &one, &program, &member);
        assert_ne!(in_one, vault.pseudonym(&key, &two, &program, &member));
        let alliance = "demo".parse().unwrap();
        let opening = vault.opening(&key, &one);
        assert_eq!(in_one, pseudonym(&opening, &alliance, &one, &program, &member));
        assert_ne!(
            vault.pseudonym(&key, &two, &program, &member),
            pseudonym(&opening, &alliance, &two, &program, &member)
        );
    }

    const OLD: [u8; 32] = [7; 32];
    const NEW: [u8; 32] = [9; 32];

    /// While one takes the other's place, with either in front.
    fn both() -> [Vault; 2] {
        let new = MasterKeyId::of(&NEW);
        let both = || vault().and(&NEW);
        assert_eq!(both().first_id(), MasterKeyId::of(&OLD));
        assert_eq!(both().led_by(new).first_id(), new);
        [both(), both().led_by(new)]
    }

    fn of_new() -> Vault {
        Vault::new("demo".parse().unwrap(), &NEW)
    }

    #[test]
    fn a_master_keys_id_is_no_part_of_it_and_is_read_as_it_is_written() {
        let id = MasterKeyId::of(&OLD);
        assert_eq!(MasterKeyId::parse(&id.to_string()), Some(id));
        assert_ne!(id, MasterKeyId::of(&NEW));
        for bad in ["", "00", "0707070707070707ff", "xx07070707070707"] {
            assert_eq!(MasterKeyId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn two_keys_open_what_either_has_wrapped_and_seek_where_either_finds() {
        let (program, member) = ("aurora".parse().unwrap(), "A-1001".parse().unwrap());
        let (old, new) = (vault().sought(&program, &member), of_new().sought(&program, &member));
        assert_ne!(old.first(), new.first());
        for both in both() {
            for one in [vault(), of_new()] {
                let wrapped = one.wrap(&[1; 32], [2; 12]);
                assert!(both.unwrap(&wrapped).is_ok());
                let secret = one.wrap_secret("webhook-secret", b"secret", [3; 12]);
                assert_eq!(&both.unwrap_secret("webhook-secret", &secret).unwrap()[..], b"secret");
                assert!(both.unwrap_secret("quote-key", &secret).is_err(), "for its purpose only");
                assert_eq!(both.opener("webhook-secret", &secret), Some(one.first_id()));
            }
            let mut places: Vec<_> = both.sought(&program, &member).places().collect();
            places.sort_unstable();
            let mut wanted = vec![old.first(), new.first()];
            wanted.sort_unstable();
            assert_eq!(places, wanted);
            let sought = both.sought(&program, &member);
            assert_eq!(both.place(MasterKeyId::of(&OLD), &sought), old.first());
            assert_eq!(both.place(MasterKeyId::of(&NEW), &sought), new.first());
        }
        assert_eq!(old.places().count(), 1);
    }

    #[test]
    fn what_is_rewrapped_opens_under_the_new_key_alone_and_is_the_same_bytes_every_time() {
        let (old_id, new_id) = (MasterKeyId::of(&OLD), MasterKeyId::of(&NEW));
        let wrapped = vault().wrap(&[1; 32], [2; 12]);
        let [one, other] =
            both().map(|both| both.rewrap(new_id, MEMBER_KEY_PURPOSE, &wrapped).unwrap().unwrap());
        assert_eq!(one, other);
        assert_ne!(one[..NONCE_LEN], wrapped[..NONCE_LEN]);
        assert_eq!(*of_new().unwrap(&one).unwrap().0, [1; 32]);
        assert_eq!(vault().unwrap(&one).unwrap_err(), VaultError::DoesNotOpen);
        for both in both() {
            assert_eq!(both.rewrap(new_id, MEMBER_KEY_PURPOSE, &one), Ok(None), "it is there");
            assert_eq!(both.rewrap(old_id, MEMBER_KEY_PURPOSE, &wrapped), Ok(None));
            let foreign = Vault::new("demo".parse().unwrap(), &[3; 32]).wrap(&[1; 32], [2; 12]);
            let refused = both.rewrap(new_id, MEMBER_KEY_PURPOSE, &foreign);
            assert_eq!(refused, Err(VaultError::DoesNotOpen));
        }
        // Two that hold the same key are told apart by their bytes: no nonce comes twice.
        let again = vault().wrap(&[1; 32], [4; 12]);
        let [both, _] = both();
        let again = both.rewrap(new_id, MEMBER_KEY_PURPOSE, &again).unwrap().unwrap();
        assert_ne!(one[..NONCE_LEN], again[..NONCE_LEN]);
    }

    #[test]
    fn what_was_remembered_is_compared_after_its_key_is_destroyed() {
        let (old_id, new_id) = (MasterKeyId::of(&OLD), MasterKeyId::of(&NEW));
        let remembered = vault().blind(None, b"A-1001").kept;
        let carried = both().map(|both| both.carry_blind_key(old_id, new_id).unwrap());
        assert_eq!(carried[0], carried[1]);
        let later = of_new().carrying([&carried[0][..]]).unwrap();
        let now = later.blind(Some(new_id), b"A-1001");
        assert!(now.is(&remembered) && now.kept != remembered);
        assert!(!later.blind(Some(new_id), b"A-1002").is(&remembered));
        assert!(!of_new().blind(Some(new_id), b"A-1001").is(&remembered), "not without it");
        // A rotation later still.
        let third = Vault::new("demo".parse().unwrap(), &[5; 32]);
        let third_id = third.first_id();
        let onward = of_new().and(&[5; 32]);
        let twice = onward.carry_on(third_id, &carried[0]).unwrap().unwrap();
        let once = onward.carry_blind_key(new_id, third_id).unwrap();
        let third = third.carrying([&twice[..], &once[..]]).unwrap();
        let seen = third.blind(Some(third_id), b"A-1001");
        assert!(seen.is(&remembered) && seen.is(&now.kept));
        assert!(vault().carrying([&carried[0][..]]).is_err(), "the old key does not open it");
        for both in both() {
            assert_eq!(both.blind(Some(old_id), b"A-1001").kept, remembered);
            assert_eq!(both.blind(Some(new_id), b"A-1001").kept, now.kept);
            assert!(both.blind(Some(new_id), b"A-1001").is(&remembered));
        }
    }
}
