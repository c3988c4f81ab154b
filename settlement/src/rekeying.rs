//! What the books hold under a master key, brought under another: pages of rows, each as it was
//! read and as it is to be. The writer replaces a row only where it still is what was read.
//!
//! | rows | under the master key |
//! | --- | --- |
//! | members | the look-up; the member's key, wrapped (its reference is under that key, and stays) |
//! | links | look-ups of members whose own brand has not confirmed; the reference stands beside them |
//! | endpoints | both secrets, also of those that were removed |
//! | quote keys | the key |
//!
//! What a row becomes follows from the row and the keys alone, so that the same page, made by
//! whomever and how often, is the same bytes.

use alliance_contracts::ids::{EndpointId, LinkId};
use alliance_contracts::names::{MemberRef, ProgramId};

use crate::command::MemberNo;
use crate::ledger::{LinkRecord, LinkSideRecord};
use crate::vault::{Lookup, MEMBER_KEY_PURPOSE, MasterKeyId, Vault, VaultError};
use crate::webhooks::{EndpointRecord, SECRET_PURPOSE};

/// What quote keys are wrapped for.
pub const QUOTE_KEY_PURPOSE: &str = "quote-key";

/// A member that was not forgotten, as the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedMember {
    /// Its number.
    pub member: MemberNo,
    /// The program.
    pub program: ProgramId,
    /// Where it is found.
    pub lookup: Option<Lookup>,
    /// Its key, wrapped.
    pub wrapped_key: Vec<u8>,
    /// Its reference, sealed under its key.
    pub sealed_reference: Vec<u8>,
}

/// A member's row under another master key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RekeyedMember {
    /// Its number.
    pub member: MemberNo,
    /// Its key, wrapped, as it was read.
    pub before: Vec<u8>,
    /// Its key, wrapped anew.
    pub wrapped_key: Vec<u8>,
    /// Where it is found now.
    pub lookup: Lookup,
}

/// A link's look-ups under another master key, those of side a before those of side b.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RekeyedLink {
    /// The link.
    pub link: LinkId,
    /// As they were read.
    pub before: [Option<Lookup>; 2],
    /// As they are to be. One whose reference does not open any more is left out: nobody could
    /// find a member by it.
    pub lookups: [Option<Lookup>; 2],
}

/// An endpoint's secrets under another master key, the old one after the one that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RekeyedEndpoint {
    /// The endpoint.
    pub endpoint: EndpointId,
    /// As they were read.
    pub before: (Vec<u8>, Option<Vec<u8>>),
    /// As they are to be.
    pub secrets: (Vec<u8>, Option<Vec<u8>>),
}

/// A quote key under another master key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RekeyedQuoteKey {
    /// Its period.
    pub period: i64,
    /// As it was read.
    pub before: Vec<u8>,
    /// As it is to be.
    pub wrapped: Vec<u8>,
}

/// A page of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rekeyed {
    /// The master key that they are brought under.
    pub to: MasterKeyId,
    /// Members.
    pub members: Vec<RekeyedMember>,
    /// Links.
    pub links: Vec<RekeyedLink>,
    /// Endpoints.
    pub endpoints: Vec<RekeyedEndpoint>,
    /// Quote keys.
    pub quote_keys: Vec<RekeyedQuoteKey>,
}

impl Rekeyed {
    /// A page of no rows.
    #[must_use]
    pub const fn to(to: MasterKeyId) -> Self {
        Self {
            to,
            members: Vec::new(),
            links: Vec::new(),
            endpoints: Vec::new(),
            quote_keys: Vec::new(),
        }
    }

    /// How many rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.members.len() + self.links.len() + self.endpoints.len() + self.quote_keys.len()
    }
}

/// A member under a master key; none where it is already.
///
/// # Errors
/// [`VaultError`]: it opens under no key that the vault has.
pub fn member(
    vault: &Vault,
    to: MasterKeyId,
    row: &WrappedMember,
) -> Result<Option<RekeyedMember>, VaultError> {
    let reference = vault.unwrap(&row.wrapped_key)?.open(&row.sealed_reference)?;
    let lookup = vault.place(to, &vault.sought(&row.program, &reference));
    let rewrapped = vault.rewrap(to, MEMBER_KEY_PURPOSE, &row.wrapped_key)?;
    if rewrapped.is_none() && row.lookup == Some(lookup) {
        return Ok(None);
    }
    let wrapped_key = rewrapped.unwrap_or_else(|| row.wrapped_key.clone());
    let before = row.wrapped_key.clone();
    Ok(Some(RekeyedMember { member: row.member, before, wrapped_key, lookup }))
}

/// A link's look-ups under a master key; none where they are already. `keys` are the wrapped keys
/// of the members of its sides.
#[must_use]
pub fn link(
    vault: &Vault,
    to: MasterKeyId,
    record: &LinkRecord,
    keys: [Option<&[u8]>; 2],
) -> Option<RekeyedLink> {
    let [a_key, b_key] = keys;
    let anew = |side: &LinkSideRecord, proposer: Option<&[u8]>| {
        side.lookup?;
        let reference = supplied(vault, side, proposer)?;
        Some(vault.place(to, &vault.sought(&side.program, &reference)))
    };
    let before = [record.a.lookup, record.b.lookup];
    let lookups = [anew(&record.a, b_key), anew(&record.b, a_key)];
    (before != lookups).then_some(RekeyedLink { link: record.id, before, lookups })
}

/// What a link's proposer called the other side's member: it stands beside that side, sealed under
/// the proposer's own member's key.
#[must_use]
pub fn supplied(
    vault: &Vault,
    side: &LinkSideRecord,
    proposer: Option<&[u8]>,
) -> Option<MemberRef> {
    vault.unwrap(proposer?).ok()?.open(side.supplied.as_ref()?).ok()
}

/// An endpoint's secrets under a master key; none where they are already.
///
/// # Errors
/// As [`member`].
pub fn endpoint(
    vault: &Vault,
    to: MasterKeyId,
    record: &EndpointRecord,
) -> Result<Option<RekeyedEndpoint>, VaultError> {
    let old = record.old_secret.as_ref().map(|old| old.wrapped.clone());
    let before = (record.secret.clone(), old.clone());
    let secret = vault.rewrap(to, SECRET_PURPOSE, &record.secret)?;
    let rewrapped = old.as_ref().map(|old| vault.rewrap(to, SECRET_PURPOSE, old)).transpose()?;
    let rewrapped = rewrapped.flatten();
    if secret.is_none() && rewrapped.is_none() {
        return Ok(None);
    }
    let secrets = (secret.unwrap_or_else(|| record.secret.clone()), rewrapped.or(old));
    Ok(Some(RekeyedEndpoint { endpoint: record.id, before, secrets }))
}

/// A quote key under a master key; none where it is already.
///
/// # Errors
/// As [`member`].
pub fn quote_key(
    vault: &Vault,
    to: MasterKeyId,
    period: i64,
    before: &[u8],
) -> Result<Option<RekeyedQuoteKey>, VaultError> {
    let rewrapped = vault.rewrap(to, QUOTE_KEY_PURPOSE, before)?;
    Ok(rewrapped.map(|wrapped| RekeyedQuoteKey { period, before: before.to_vec(), wrapped }))
}
