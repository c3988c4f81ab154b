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
//! still verifies. Nonces are handed in: nothing here draws randomness.

use alliance_contracts::encoding::{Hash, hex_encode};
use alliance_contracts::json;
use alliance_contracts::names::{AllianceId, Corridor, MemberRef, ProgramId, Pseudonym};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use zeroize::Zeroizing;

/// Length of every key here.
pub const KEY_LEN: usize = 32;

/// A nonce, drawn by the caller; never use one twice under one key.
pub type NonceBytes = [u8; NONCE_LEN];

/// Finds a member by reference without keeping the reference: 16 bytes of a keyed HMAC, enough
/// that two of 10¹² members never meet by chance (10²⁴ pairs against 2¹²⁸ ≈ 3 · 10³⁸).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lookup(pub [u8; 16]);

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

/// The alliance's master key at work. Its `Debug` shows nothing.
pub struct Vault {
    alliance: AllianceId,
    wrapping: LessSafeKey,
    lookup: hmac::Key,
    blind: hmac::Key,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault(…)")
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
        let mut wrapping = Zeroizing::new([0; KEY_LEN]);
        wrapping.copy_from_slice(derive(master, "alliance/wrapping/v1").as_ref());
        let lookup = derive(master, "alliance/lookup/v1");
        let blind = derive(master, "alliance/blind/v1");
        Self {
            alliance,
            wrapping: aead(&wrapping),
            lookup: hmac::Key::new(hmac::HMAC_SHA256, lookup.as_ref()),
            blind: hmac::Key::new(hmac::HMAC_SHA256, blind.as_ref()),
        }
    }

    /// Where a member is found.
    #[must_use]
    pub fn lookup(&self, program: &ProgramId, member: &MemberRef) -> Lookup {
        let text = json::canonical(&(&self.alliance, program, member));
        let tag = hmac::sign(&self.lookup, &text);
        let mut lookup = [0; 16];
        lookup.copy_from_slice(&tag.as_ref()[..16]);
        Lookup(lookup)
    }

    /// A digest of what names members, which says nothing to whoever lacks the key.
    #[must_use]
    pub fn blind(&self, text: &[u8]) -> Hash {
        let tag = hmac::sign(&self.blind, text);
        let mut digest = [0; 32];
        digest.copy_from_slice(tag.as_ref());
        Hash::from(digest)
    }

    /// A member's key, wrapped for the database.
    #[must_use]
    pub fn wrap(&self, key: &[u8; KEY_LEN], nonce: NonceBytes) -> Vec<u8> {
        seal(&self.wrapping, nonce, "member-key", key)
    }

    /// A member's key out of the database.
    ///
    /// # Errors
    /// [`VaultError::DoesNotOpen`].
    pub fn unwrap(&self, wrapped: &[u8]) -> Result<MemberKey, VaultError> {
        let plain = open(&self.wrapping, "member-key", wrapped)?;
        let bytes: [u8; KEY_LEN] =
            plain.as_slice().try_into().map_err(|_| VaultError::DoesNotOpen)?;
        Ok(MemberKey(Zeroizing::new(bytes)))
    }

    /// Any other secret of the gateways (a quote key), wrapped for the database.
    #[must_use]
    pub fn wrap_secret(&self, purpose: &str, secret: &[u8], nonce: NonceBytes) -> Vec<u8> {
        seal(&self.wrapping, nonce, purpose, secret)
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
        open(&self.wrapping, purpose, wrapped)
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
}
