//! The master keys: which ones this gateway works with, and bringing the books from one under the
//! next, while everybody goes on working (docs/decisions/0033).

use std::sync::Arc;

use super::{ClearingHouse, Settings, StartError};
use crate::alliance::RotationFault;
use crate::command::{BeginRotation, Command, MemberNo, Outcome};
use crate::rekeying::{self, QUOTE_KEY_PURPOSE, Rekeyed};
use crate::sequencer::Unavailable;
use crate::store::{Store, StoreError};
use crate::vault::{MasterKeyId, Vault, VaultError};

/// Rows that are read, and written in one batch, at most: orders wait for no more than these.
const PAGE: u32 = 256;
/// A row that was changed between reading and writing is left to the next pass. Whoever changes
/// one brings it under the new key, so that each pass finds less.
const PASSES: usize = 16;

/// How far a rotation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RotationProgress {
    /// Rows brought under the new key by this command.
    pub rekeyed: u64,
    /// Members that are still to be looked at in this pass.
    pub left: u64,
}

/// What a rotation came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotated {
    /// The books were under this key already, and nothing was left under another.
    Nothing(MasterKeyId),
    /// Nothing is left under `from`.
    Done {
        /// The key that may be destroyed now.
        from: MasterKeyId,
        /// The key that the books are under.
        to: MasterKeyId,
        /// Rows that this command has brought there.
        rekeyed: u64,
    },
}

/// Why a rotation did not begin, or did not end. It goes on where it is begun again.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// There is no key to rotate to.
    #[error("there is no next master key here")]
    NoNextKey,
    /// The books say no.
    #[error(transparent)]
    Refused(#[from] RotationFault),
    /// A row is under no key that is here.
    #[error("{0} opens under no master key that is here: it was changed by other hands")]
    DoesNotOpen(String),
    /// Rows were changed under the rotation's hands in every pass.
    #[error("rows were changed in every pass: begin again")]
    NeverStill,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The writer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// The vault of a gateway, led by the master key that the books name.
pub(super) async fn vault(settings: &Settings, store: &dyn Store) -> Result<Vault, StartError> {
    let keys = store.registry().await?.map(|(_, parts)| parts.master_keys).unwrap_or_default();
    let mut vault = Vault::new(settings.alliance.clone(), &settings.master_key);
    if let Some(next) = &settings.next_master_key {
        vault = vault.and(next);
    }
    if let Some(current) = keys.current_id() {
        vault = vault.led_by(current);
    }
    keys.fit(&vault)?;
    let carried = keys.iter().filter_map(|record| record.blind_key.as_deref());
    let corrupt = |error: VaultError| StoreError::Corrupt(format!("a blind key: {error}"));
    Ok(vault.carrying(carried).map_err(corrupt)?)
}

/// What a row became, or why it cannot become anything.
fn opened<T>(row: Result<T, VaultError>, what: impl FnOnce() -> String) -> Result<T, RotateError> {
    row.map_err(|_| RotateError::DoesNotOpen(what()))
}

impl ClearingHouse {
    /// Names the master key of books that name none: that which the newest quote key opens under.
    pub(super) async fn name_master_key(&self) -> Result<(), StartError> {
        let registry = self.registry();
        if registry.version == 0 || registry.master_keys.current().is_some() {
            return Ok(());
        }
        let kept = self.read(|store| async move { store.quote_keys().await }).await?;
        let newest = kept.last();
        let id = newest.and_then(|(_, key)| self.vault().opener(QUOTE_KEY_PURPOSE, key));
        if let Some(id) = id {
            self.submit(Command::NameMasterKey(id)).await?;
        }
        Ok(())
    }

    /// Rotates the master key to the other one of the vault, or goes on where that was broken off.
    /// Told of every page.
    ///
    /// # Errors
    /// [`RotateError`]: what has been done stays done.
    pub async fn rotate_master_key(
        &self,
        told: impl Fn(RotationProgress),
    ) -> Result<Rotated, RotateError> {
        let keys = self.registry().master_keys.clone();
        let current = keys.current_id().ok_or(RotationFault::NoMasterKey)?;
        let (from, to) = match keys.retiring() {
            Some(before) => (before.id, current),
            None => {
                let next = self.vault().ids().find(|id| *id != current);
                let next = next.ok_or(RotateError::NoNextKey)?;
                if keys.names(next) {
                    return Ok(Rotated::Nothing(current));
                }
                (current, next)
            }
        };
        self.begin_rotation(from, to).await?;
        let rekeyed = self.bring_all(to, &told).await?;
        self.read(|store| async move { store.clear_away().await }).await?;
        match self.submit(Command::EndRotation(to)).await?.decided.outcome {
            Outcome::RotationRefused(fault) => Err(fault.into()),
            _ => Ok(Rotated::Done { from, to, rekeyed }),
        }
    }

    async fn begin_rotation(&self, from: MasterKeyId, to: MasterKeyId) -> Result<(), RotateError> {
        let keys = self.registry().master_keys.clone();
        let vault = self.vault();
        let mut blind_keys = Vec::new();
        for record in keys.iter() {
            let carried = match &record.blind_key {
                Some(wrapped) => opened(vault.carry_on(to, wrapped), || {
                    format!("what blinded digests under {}", record.id)
                })?,
                None => vault.carry_blind_key(record.id, to),
            };
            blind_keys.extend(carried.map(|wrapped| (record.generation, wrapped)));
        }
        let order = BeginRotation { from, to, blind_keys };
        match self.submit(Command::BeginRotation(Box::new(order))).await?.decided.outcome {
            Outcome::RotationRefused(fault) => Err(fault.into()),
            _ => Ok(()),
        }
    }

    /// Pass by pass, until one finds nothing that is not under this key. That says it of all rows:
    /// what is there stays there.
    async fn bring_all(
        &self,
        to: MasterKeyId,
        told: &impl Fn(RotationProgress),
    ) -> Result<u64, RotateError> {
        let mut rekeyed = 0;
        for _ in 0..PASSES {
            let before = rekeyed;
            self.bring_quote_keys(to, &mut rekeyed).await?;
            self.bring_endpoints(to, &mut rekeyed).await?;
            self.bring_links(to, &mut rekeyed).await?;
            self.bring_members(to, &mut rekeyed, told).await?;
            if rekeyed == before {
                return Ok(rekeyed);
            }
        }
        Err(RotateError::NeverStill)
    }

    async fn bring_quote_keys(
        &self,
        to: MasterKeyId,
        rekeyed: &mut u64,
    ) -> Result<(), RotateError> {
        let mut page = Rekeyed::to(to);
        for (period, wrapped) in self.read(|store| async move { store.quote_keys().await }).await? {
            let row = rekeying::quote_key(self.vault(), to, period, &wrapped);
            page.quote_keys.extend(opened(row, || format!("quote key {period}"))?);
        }
        self.bring(page, rekeyed).await
    }

    async fn bring_endpoints(&self, to: MasterKeyId, rekeyed: &mut u64) -> Result<(), RotateError> {
        let mut after = None;
        loop {
            let read =
                move |store: Arc<dyn Store>| async move { store.all_endpoints(after, PAGE).await };
            let records = self.read(read).await?;
            let Some(last) = records.last() else { return Ok(()) };
            after = Some(last.id);
            let mut page = Rekeyed::to(to);
            for record in &records {
                let row = rekeying::endpoint(self.vault(), to, record);
                page.endpoints.extend(opened(row, || format!("a secret of {}", record.id))?);
            }
            self.bring(page, rekeyed).await?;
        }
    }

    async fn bring_links(&self, to: MasterKeyId, rekeyed: &mut u64) -> Result<(), RotateError> {
        let mut after = None;
        loop {
            let read = move |store: Arc<dyn Store>| async move {
                store.links_looked_up(after, PAGE).await
            };
            let details = self.read(read).await?;
            let Some(last) = details.last() else { return Ok(()) };
            after = Some(last.record.id);
            let mut page = Rekeyed::to(to);
            for detail in &details {
                let keys = [&detail.a_member, &detail.b_member]
                    .map(|member| member.as_ref().and_then(|one| one.wrapped_key.as_deref()));
                page.links.extend(rekeying::link(self.vault(), to, &detail.record, keys));
            }
            self.bring(page, rekeyed).await?;
        }
    }

    async fn bring_members(
        &self,
        to: MasterKeyId,
        rekeyed: &mut u64,
        told: &impl Fn(RotationProgress),
    ) -> Result<(), RotateError> {
        let mut after = MemberNo(0);
        let count =
            move |store: Arc<dyn Store>| async move { store.count_wrapped_members(after).await };
        let mut left = self.read(count).await?;
        loop {
            told(RotationProgress { rekeyed: *rekeyed, left });
            let read = move |store: Arc<dyn Store>| async move {
                store.wrapped_members(after, PAGE).await
            };
            let members = self.read(read).await?;
            let Some(last) = members.last() else { return Ok(()) };
            after = last.member;
            left = left.saturating_sub(members.len() as u64);
            let mut page = Rekeyed::to(to);
            for row in &members {
                let rekeyed = rekeying::member(self.vault(), to, row);
                page.members.extend(opened(rekeyed, || format!("member {}", row.member.0))?);
            }
            self.bring(page, rekeyed).await?;
        }
    }

    async fn bring(&self, page: Rekeyed, rekeyed: &mut u64) -> Result<(), RotateError> {
        if page.rows() == 0 {
            return Ok(());
        }
        *rekeyed += page.rows() as u64;
        self.submit(Command::Rekey(Arc::new(page))).await?;
        Ok(())
    }
}
