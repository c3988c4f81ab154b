//! Agreements as their two partners may see them.

use alliance_contracts::agreement::AgreementState;
use alliance_contracts::ids::AgreementId;
use alliance_contracts::names::PartnerId;

use super::ClearingHouse;
use crate::alliance::AgreementRecord;
use crate::store::StoreError;

impl ClearingHouse {
    /// A version of an agreement.
    ///
    /// # Errors
    /// What the store says.
    pub async fn agreement(&self, id: AgreementId) -> Result<Option<AgreementRecord>, StoreError> {
        self.read(move |store| async move { store.agreement(id).await }).await
    }

    /// A partner's agreements, with one other or with all, with `id > after`, by id.
    ///
    /// # Errors
    /// What the store says.
    pub async fn agreements(
        &self,
        partner: PartnerId,
        with: Option<PartnerId>,
        state: Option<AgreementState>,
        after: Option<AgreementId>,
        limit: u32,
    ) -> Result<Vec<AgreementRecord>, StoreError> {
        self.read(move |store| async move {
            store.agreements(&partner, with.as_ref(), state, after, limit).await
        })
        .await
    }
}
