//! Consents to be debited, as both of their partners see them.

use alliance_contracts::debit_consent::ConsentView;
use alliance_contracts::ids::ConsentId;
use alliance_contracts::names::PartnerId;

use super::ClearingHouse;
use crate::alliance::{ConsentRecord, Registry};
use crate::store::StoreError;

impl ClearingHouse {
    /// A consent of this partner's, given or been given, as the books have it now: what another
    /// gateway has changed this moment is seen, too.
    ///
    /// # Errors
    /// What the store says.
    pub async fn current_consent(
        &self,
        partner: &PartnerId,
        id: &ConsentId,
    ) -> Result<Option<ConsentView>, StoreError> {
        let sequencer = self.inner.sequencer.clone();
        self.read(|_| async move { sequencer.refresh().await }).await?;
        Ok(self.registry().consent(id).filter(|record| concerns(record, partner)).map(|r| view(r)))
    }

    /// Every consent of this partner's, given or been given, oldest first.
    #[must_use]
    pub fn consents(&self, partner: &PartnerId) -> Vec<ConsentView> {
        let registry: &Registry = &self.registry();
        let theirs = registry.consents.iter().filter(|record| concerns(record, partner));
        theirs.map(|record| view(record)).collect()
    }
}

fn concerns(record: &ConsentRecord, partner: &PartnerId) -> bool {
    [&record.consent.source, &record.consent.target].contains(&partner)
}

fn view(record: &ConsentRecord) -> ConsentView {
    ConsentView {
        consent: record.consent.clone(),
        granted_at: record.granted_at,
        id: record.id,
        jws: record.jws(),
        revoked_at: record.revoked_at,
    }
}
