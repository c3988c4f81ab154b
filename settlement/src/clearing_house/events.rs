//! Each partner's feed of events.

use alliance_contracts::event::{EventCursor, EventPage};
use alliance_contracts::names::PartnerId;
use tokio::sync::watch;

use super::ClearingHouse;
use crate::feed;
use crate::store::StoreError;

impl ClearingHouse {
    /// A page of a partner's feed, after the event of this number.
    ///
    /// # Errors
    /// What the store says.
    pub async fn events(
        &self,
        partner: PartnerId,
        after: u64,
        limit: u32,
    ) -> Result<EventPage, StoreError> {
        let (whose, alliance) = (partner.clone(), self.alliance().clone());
        let page = self
            .read(move |store| async move { feed::page(&*store, &partner, after, limit).await })
            .await?;
        let next_after = EventCursor::at(&alliance, &whose, page.last);
        Ok(EventPage { items: page.events, more: page.more, next_after })
    }

    /// The number of the last event of a partner's feed; 0 where there is none.
    ///
    /// # Errors
    /// What the store says.
    pub async fn last_event(&self, partner: PartnerId) -> Result<u64, StoreError> {
        self.read(move |store| async move { store.last_event(&partner).await }).await
    }

    /// Changes with every commit of this gateway that tells anybody anything. What other gateways
    /// of the alliance commit is not heard of here.
    #[must_use]
    pub fn tellings(&self) -> watch::Receiver<u64> {
        self.inner.sequencer.told.subscribe()
    }
}
