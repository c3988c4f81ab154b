//! The master keys of the books, by generation: which one everything is written under, and which
//! one is still needed (docs/decisions/0033).

use alliance_contracts::time::Timestamp;

use crate::vault::{MasterKeyId, Vault};

/// One generation: a master key, and since when it is the one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MasterKeyRecord {
    /// Its number, from 1.
    pub generation: i64,
    /// What the key is called.
    pub id: MasterKeyId,
    /// From when on everything is written under it.
    pub begun_at: Timestamp,
    /// When nothing was left under the key before; none while anything may be.
    pub ended_at: Option<Timestamp>,
    /// Of a generation before the last: what blinds digests under it, wrapped under the last.
    pub blind_key: Option<Vec<u8>>,
}

/// Why a gateway may not work on these books.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MasterKeyFault {
    /// The key that everything is written under is not here.
    #[error(
        "the books are under the master key {0}, and this gateway has not got it: put it into \
         keys/master.key, or into keys/master.next.key beside the one before \
         (docs/key-rotation.md)"
    )]
    NotHere(MasterKeyId),
    /// A rotation is under way, and the key before is not here.
    #[error(
        "the master key is being rotated, and what is still under {0} does not open without it: \
         put it back beside the new one until `alliance keys rotate-master` has ended"
    )]
    StillNeeded(MasterKeyId),
}

/// Why the master key was not rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RotationFault {
    /// The books name no master key yet.
    #[error("the books name no master key yet: serve with this version first")]
    NoMasterKey,
    /// Another rotation has begun and not ended.
    #[error("the rotation to {0} has not ended: end it first, with that key")]
    NotEnded(MasterKeyId),
    /// The new key is an old one.
    #[error("{0} was the master key before: draw a new one")]
    UsedBefore(MasterKeyId),
    /// The key that the rotation was to start from is not the one of the books.
    #[error("the books have gone on to the master key {0} meanwhile")]
    GoneOn(MasterKeyId),
}

/// Every generation, the first one first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MasterKeys(Vec<MasterKeyRecord>);

impl MasterKeys {
    /// These generations.
    #[must_use]
    pub fn of(mut records: Vec<MasterKeyRecord>) -> Self {
        records.sort_by_key(|record| record.generation);
        Self(records)
    }

    /// The key that everything is written under; none where the books name none yet.
    #[must_use]
    pub fn current(&self) -> Option<&MasterKeyRecord> {
        self.0.last()
    }

    /// What that key is called.
    #[must_use]
    pub fn current_id(&self) -> Option<MasterKeyId> {
        self.current().map(|record| record.id)
    }

    /// The key before, while anything may be left under it.
    #[must_use]
    pub fn retiring(&self) -> Option<&MasterKeyRecord> {
        let (last, before) = self.0.split_last()?;
        before.last().filter(|_| last.ended_at.is_none())
    }

    /// Every generation, the first one first.
    pub fn iter(&self) -> impl Iterator<Item = &MasterKeyRecord> {
        self.0.iter()
    }

    /// Whether this is, or was, the key of a generation.
    #[must_use]
    pub fn names(&self, id: MasterKeyId) -> bool {
        self.0.iter().any(|record| record.id == id)
    }

    /// Whether a vault has every key that is needed now.
    ///
    /// # Errors
    /// [`MasterKeyFault`].
    pub fn fit(&self, vault: &Vault) -> Result<(), MasterKeyFault> {
        let missing = |record: &&MasterKeyRecord| !vault.has(record.id);
        if let Some(current) = self.current().filter(missing) {
            return Err(MasterKeyFault::NotHere(current.id));
        }
        match self.retiring().filter(missing) {
            Some(before) => Err(MasterKeyFault::StillNeeded(before.id)),
            None => Ok(()),
        }
    }

    /// The generation that a rotation to `to` begins, and those before it with what blinded their
    /// digests, wrapped anew; none where it has begun already.
    ///
    /// # Errors
    /// [`RotationFault`].
    pub fn begin(
        &self,
        from: MasterKeyId,
        to: MasterKeyId,
        blind_keys: &[(i64, Vec<u8>)],
        now: Timestamp,
    ) -> Result<Vec<MasterKeyRecord>, RotationFault> {
        let current = self.current().ok_or(RotationFault::NoMasterKey)?;
        if current.id == to && self.retiring().is_some_and(|before| before.id == from) {
            return Ok(Vec::new());
        }
        if current.ended_at.is_none() {
            return Err(RotationFault::NotEnded(current.id));
        }
        if self.names(to) {
            return Err(RotationFault::UsedBefore(to));
        }
        if current.id != from {
            return Err(RotationFault::GoneOn(current.id));
        }
        let generation = current.generation + 1;
        let mut records = self.0.clone();
        for record in &mut records {
            let carried = blind_keys.iter().find(|(of, _)| *of == record.generation);
            record.blind_key = carried.map(|(_, wrapped)| wrapped.clone());
        }
        let (begun_at, ended_at, blind_key) = (now, None, None);
        records.push(MasterKeyRecord { generation, id: to, begun_at, ended_at, blind_key });
        Ok(records)
    }

    /// The last generation as it is once nothing is left under the key before; none where that is
    /// known already.
    ///
    /// # Errors
    /// [`RotationFault::GoneOn`]: that is no longer the last one.
    pub fn end(
        &self,
        to: MasterKeyId,
        now: Timestamp,
    ) -> Result<Option<MasterKeyRecord>, RotationFault> {
        let current = self.current().ok_or(RotationFault::NoMasterKey)?;
        if current.id != to {
            return Err(RotationFault::GoneOn(current.id));
        }
        let ended = MasterKeyRecord { ended_at: Some(now), ..current.clone() };
        Ok(current.ended_at.is_none().then_some(ended))
    }
}
