//! Key lists: which keys speak for the alliance, and for its partners.
//!
//! A partner pins the alliance's root key when it joins; the root alone introduces and revokes
//! gateway keys. Weak public keys (low or mixed order, second spellings) are refused wherever a
//! key is read.

use alliance_contracts::encoding::base64url_decode_array;
use alliance_contracts::json;
use alliance_contracts::key_list::{KeyList, KeyListError, SuccessionError, TrustedKeys};
use alliance_contracts::keys::{Kid, PublicKey};

/// Why a key list is not trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// Not the JSON of a key list.
    #[error("not a key list: {0}")]
    Malformed(String),
    /// The list or its statement is refused.
    #[error("the key list is refused: {0}")]
    List(#[from] KeyListError),
    /// The list is of another alliance.
    #[error("the key list is of the alliance {found}")]
    ForeignAlliance {
        /// The alliance that it names.
        found: String,
    },
    /// The list has a lower number than one that was seen before: somebody rolls it back.
    #[error("the key list has the number {found}, but {known} was seen before")]
    RolledBack {
        /// The number seen before.
        known: u64,
        /// The number of this list.
        found: u64,
    },
    /// The root signed two lists with one number, or this one does not name the one seen before.
    #[error("the key list {found} does not follow the one seen before")]
    NotSuccessor {
        /// The number of this list.
        found: u64,
    },
    /// A key is missing, or its end or revocation was taken back: lists only grow.
    #[error("the key list has forgotten what an earlier one says of the key {kid}")]
    Forgotten {
        /// The key.
        kid: Kid,
    },
    /// The text is no public key in base64url, or a weak one.
    #[error("not an Ed25519 public key in base64url, or a weak one")]
    RootKey,
}

/// Reads the root key that a partner has pinned: the `x` of its JWK, base64url.
///
/// # Errors
/// [`KeysError::RootKey`].
pub fn root_key(x: &str) -> Result<PublicKey, KeysError> {
    let bytes = base64url_decode_array::<32>(x).map_err(|_| KeysError::RootKey)?;
    PublicKey::from_bytes(&bytes).map_err(|_| KeysError::RootKey)
}

/// Reads a key list and verifies that the pinned root key vouches for it.
///
/// # Errors
/// [`KeysError::Malformed`], [`KeysError::List`].
///
/// ```
/// use alliance_partner_sdk::verify::{KeysError, TrustedKeys, keys};
/// fn trusted(jwks: &[u8], pinned_x: &str) -> Result<TrustedKeys, KeysError> {
///     keys::verify_key_list(jwks, &keys::root_key(pinned_x)?)
/// }
/// ```
pub fn verify_key_list(list: &[u8], root: &PublicKey) -> Result<TrustedKeys, KeysError> {
    Ok(read(list)?.verify(root)?)
}

/// Reads the list of all partners' keys and verifies that a gateway key vouches for it.
///
/// # Errors
/// As [`verify_key_list`].
pub fn verify_partner_list(list: &[u8], gateway: &TrustedKeys) -> Result<TrustedKeys, KeysError> {
    Ok(read(list)?.verify_partners(gateway)?)
}

/// Reads a key list from a source that is trusted as it is, such as a file that the reader was
/// handed by a person: everything is checked but who signed it.
///
/// # Errors
/// As [`verify_key_list`].
pub fn trust_key_list(list: &[u8]) -> Result<TrustedKeys, KeysError> {
    Ok(read(list)?.trust_without_root()?)
}

fn read(list: &[u8]) -> Result<KeyList, KeysError> {
    json::read(list).map_err(|e| KeysError::Malformed(format!("{} {}", e.pointer, e.detail)))
}

/// Whether a list may take the place of one that was verified before. Lists in between may have
/// been missed; a lower number, another list with the same number, or one that has forgotten a key
/// or taken a revocation back, is refused.
///
/// # Errors
/// [`KeysError::ForeignAlliance`], [`KeysError::RolledBack`], [`KeysError::NotSuccessor`],
/// [`KeysError::Forgotten`].
pub fn check_successor(known: &TrustedKeys, next: &TrustedKeys) -> Result<(), KeysError> {
    next.check_follows(known).map_err(|error| match error {
        SuccessionError::ForeignAlliance(found) => KeysError::ForeignAlliance { found },
        SuccessionError::RolledBack { known, found } => KeysError::RolledBack { known, found },
        SuccessionError::NotSuccessor(found) => KeysError::NotSuccessor { found },
        SuccessionError::Forgotten(kid) => KeysError::Forgotten { kid },
    })
}
