//! Partners' keys: as they are listed, and what they were accepted for.

use std::collections::HashMap;

use alliance_contracts::ids::{RequestId, TransactionId};
use alliance_contracts::keys::Kid;
use alliance_contracts::names::PartnerId;
use alliance_contracts::partner_key::{KeyUse, KeyUses, UseCursor, UsedForTransaction};
use alliance_contracts::time::Timestamp;

use super::ClearingHouse;
use crate::alliance::PartnerKey;
use crate::command::{Command, Outcome};
use crate::sequencer::Unavailable;
use crate::store::{KeyUseRecord, StoreError};

/// Transactions that are looked up at once.
const AT_ONCE: usize = 1_000;

impl ClearingHouse {
    /// A key of this partner's, as the books have it now: what another gateway has changed this
    /// moment is seen, too.
    ///
    /// # Errors
    /// What the store says.
    pub async fn current_key(
        &self,
        partner: &PartnerId,
        kid: &Kid,
    ) -> Result<Option<PartnerKey>, StoreError> {
        let sequencer = self.inner.sequencer.clone();
        self.read(|_| async move { sequencer.refresh().await }).await?;
        let registry = self.registry();
        Ok(registry.key(kid).filter(|key| key.partner == *partner).cloned())
    }

    /// A page of what a key was accepted for since a time, oldest first: every request that has
    /// changed something, each with the transactions that it made.
    ///
    /// # Errors
    /// What the store says.
    pub async fn key_uses(
        &self,
        kid: &Kid,
        since: Timestamp,
        after: Option<UseCursor>,
        limit: u32,
    ) -> Result<KeyUses, StoreError> {
        let (from, after) = begin(since, after);
        // One more than asked for tells whether there are more.
        let (kid, more_than) = (kid.clone(), limit.saturating_add(1));
        let (mut records, standing) = self
            .read(move |store| async move {
                let records = store.key_uses(&kid, from, after, more_than).await?;
                let made: Vec<TransactionId> =
                    records.iter().flat_map(|used| used.transactions.iter().copied()).collect();
                let mut standing = HashMap::new();
                for some in made.chunks(AT_ONCE) {
                    let found = store.standing(some).await?;
                    standing.extend(found.into_iter().map(|one| (one.id, one)));
                }
                Ok((records, standing))
            })
            .await?;
        let page = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = records.len() > page;
        records.truncate(page);
        let next_after = records
            .last()
            .map(|last| UseCursor { received_at: last.received_at, request: last.request });
        let items = records.into_iter().map(|record| told(record, &standing)).collect();
        Ok(KeyUses { items, more, next_after })
    }

    /// Revokes a partner's key for an operator. False: it was revoked already; none: the partner
    /// has no such key.
    ///
    /// # Errors
    /// The writer.
    pub async fn revoke_key_of(
        &self,
        partner: PartnerId,
        kid: Kid,
    ) -> Result<Option<bool>, Unavailable> {
        let answer = self.submit(Command::RevokeKeyOf(partner, kid)).await?;
        match answer.decided.outcome {
            Outcome::Done(changes) => Ok(Some(changes > 0)),
            _ => Ok(None),
        }
    }
}

/// Where a page begins: after a request of that very time, or with all of it.
fn begin(since: Timestamp, after: Option<UseCursor>) -> (Timestamp, Option<RequestId>) {
    match after {
        Some(cursor) if cursor.received_at >= since => (cursor.received_at, Some(cursor.request)),
        _ => (since, None),
    }
}

/// An order that was refused, or repeats another, has made nothing: it is not shown.
fn told(record: KeyUseRecord, standing: &HashMap<TransactionId, UsedForTransaction>) -> KeyUse {
    let transactions =
        record.transactions.iter().filter_map(|id| standing.get(id)).cloned().collect();
    KeyUse {
        received_at: record.received_at,
        request: record.request,
        subject: record.subject,
        transactions,
        what: record.what,
    }
}
