//! The master key: named, rotated. And what holds in every batch: nothing is written under another
//! one than the books name, whatever the door has wrapped it under (docs/decisions/0033).

use alliance_contracts::time::Timestamp;

use super::working_set::WorkingSet;
use crate::alliance::MasterKeyRecord;
use crate::command::{BeginRotation, Outcome};
use crate::rekeying::{QUOTE_KEY_PURPOSE, Rekeyed};
use crate::vault::{Lookup, MEMBER_KEY_PURPOSE, MasterKeyId, Sought, Vault};
use crate::webhooks::SECRET_PURPOSE;

/// Names the master key that the books are under, where they name none.
pub fn name(set: &mut WorkingSet, id: MasterKeyId, now: Timestamp) -> Outcome {
    if set.registry.master_keys.current().is_some() {
        return Outcome::Done(0);
    }
    let (begun_at, ended_at) = (now, Some(now));
    let first = MasterKeyRecord { generation: 1, id, begun_at, ended_at, blind_key: None };
    set.writes.master_keys = vec![first];
    Outcome::Done(1)
}

/// Begins a rotation: from here on everything is written under the new key.
pub fn begin(set: &mut WorkingSet, order: &BeginRotation, now: Timestamp) -> Outcome {
    match set.registry.master_keys.begin(order.from, order.to, &order.blind_keys, now) {
        Err(fault) => Outcome::RotationRefused(fault),
        Ok(records) => {
            let changed = usize::from(!records.is_empty());
            set.writes.master_keys = records;
            Outcome::Done(changed)
        }
    }
}

/// Takes in a page of rows under the key of the books. Once its rotation has ended there is none
/// that is not: somebody else was faster.
pub fn rekey(set: &mut WorkingSet, page: &Rekeyed) -> Outcome {
    let keys = &set.registry.master_keys;
    if keys.current_id() != Some(page.to) || keys.retiring().is_none() {
        return Outcome::Done(0);
    }
    set.writes.rekeyed = Some(page.clone());
    Outcome::Done(page.rows())
}

/// Ends a rotation: nothing is left under the key before.
pub fn end(set: &mut WorkingSet, to: MasterKeyId, now: Timestamp) -> Outcome {
    match set.registry.master_keys.end(to, now) {
        Err(fault) => Outcome::RotationRefused(fault),
        Ok(record) => {
            set.writes.master_keys = Vec::from_iter(record);
            Outcome::Done(set.writes.master_keys.len())
        }
    }
}

/// Brings what the batch writes under the master key that the books name. Once a batch, after the
/// last decision: a row that is under that key stays so, whatever is written to it.
pub fn settle(set: &mut WorkingSet) {
    let Some(to) = set.registry.master_keys.current_id() else { return };
    for row in &mut set.writes.members {
        row.new.lookup = Sought::from(set.vault.place(to, &row.new.lookup));
        bring(&set.vault, to, MEMBER_KEY_PURPOSE, &mut row.new.wrapped_key);
    }
    for endpoint in set.writes.endpoints.values_mut() {
        bring(&set.vault, to, SECRET_PURPOSE, &mut endpoint.secret);
        if let Some(old) = &mut endpoint.old_secret {
            bring(&set.vault, to, SECRET_PURPOSE, &mut old.wrapped);
        }
    }
    if let Some((_, wrapped, _)) = &mut set.writes.quote_key {
        bring(&set.vault, to, QUOTE_KEY_PURPOSE, wrapped);
    }
}

/// What opens under no key of ours stays what it is: a rotation names it.
fn bring(vault: &Vault, to: MasterKeyId, purpose: &str, wrapped: &mut Vec<u8>) {
    if let Ok(Some(rewrapped)) = vault.rewrap(to, purpose, wrapped) {
        *wrapped = rewrapped;
    }
}

impl WorkingSet {
    /// Where a member is to be found from now on.
    pub(super) fn place(&self, sought: &Sought) -> Lookup {
        let current = self.registry.master_keys.current_id();
        current.map_or_else(|| sought.first(), |id| self.vault.place(id, sought))
    }
}
