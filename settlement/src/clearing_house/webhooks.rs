//! Endpoints, and what they have to be sent, for whoever sends it.

use alliance_contracts::endpoint::DeliveryState;
use alliance_contracts::event::Event;
use alliance_contracts::ids::EndpointId;
use alliance_contracts::names::PartnerId;
use alliance_contracts::webhook::WebhookSecret;

use super::ClearingHouse;
use crate::command::{Command, Outcome};
use crate::feed;
use crate::sequencer::Unavailable;
use crate::store::StoreError;
use crate::webhooks::{
    AttemptRecord, DeliveryRecord, EndpointRecord, EndpointView, Report, SECRET_PURPOSE,
};

/// Bytes of a new secret.
const SECRET_BYTES: usize = 32;

impl ClearingHouse {
    /// All endpoints that are there, and what there is to do for each.
    ///
    /// # Errors
    /// What the store says.
    pub async fn endpoints(&self) -> Result<Vec<EndpointView>, StoreError> {
        self.read(|store| async move { store.endpoints().await }).await
    }

    /// A partner's endpoints.
    ///
    /// # Errors
    /// What the store says.
    pub async fn endpoints_of(
        &self,
        partner: &PartnerId,
    ) -> Result<Vec<EndpointRecord>, StoreError> {
        let all = self.endpoints().await?.into_iter().map(|view| view.record);
        Ok(all.filter(|record| record.partner == *partner).collect())
    }

    /// An endpoint of this partner's.
    ///
    /// # Errors
    /// What the store says.
    pub async fn endpoint(
        &self,
        partner: &PartnerId,
        id: EndpointId,
    ) -> Result<Option<EndpointRecord>, StoreError> {
        Ok(self.endpoints_of(partner).await?.into_iter().find(|record| record.id == id))
    }

    /// A new secret of an endpoint, wrapped.
    #[must_use]
    pub fn new_webhook_secret(&self) -> Vec<u8> {
        let secret: [u8; SECRET_BYTES] = self.random();
        self.vault().wrap_secret(SECRET_PURPOSE, &secret, self.random())
    }

    /// The secrets that an endpoint's webhooks are signed under now, the newest first.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where one does not open.
    pub fn webhook_secrets(
        &self,
        endpoint: &EndpointRecord,
    ) -> Result<Vec<WebhookSecret>, StoreError> {
        let corrupt =
            |what: String| StoreError::Corrupt(format!("a secret of {}: {what}", endpoint.id));
        let opened = endpoint.secrets(self.now()).map(|wrapped| {
            let plain = self.vault().unwrap_secret(SECRET_PURPOSE, wrapped);
            let plain = plain.map_err(|error| corrupt(error.to_string()))?;
            WebhookSecret::from_bytes(&plain).map_err(|error| corrupt(error.to_string()))
        });
        opened.collect()
    }

    /// Takes an endpoint up: whether it is this gateway's for a while.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn take_endpoint(&self, endpoint: &EndpointRecord) -> Result<bool, Unavailable> {
        let take = Command::TakeEndpoint(endpoint.partner.clone(), endpoint.id);
        Ok(matches!(self.submit(take).await?.decided.outcome, Outcome::Done(1)))
    }

    /// Hands in what was done for an endpoint.
    ///
    /// # Errors
    /// [`Unavailable`]: what was sent is sent again when the lease ends.
    pub async fn delivered(&self, report: Report) -> Result<(), Unavailable> {
        self.submit(Command::Delivered(Box::new(report))).await.map(|_| ())
    }

    /// What has become of events at an endpoint, in the feed's order, after the event of this
    /// number.
    ///
    /// # Errors
    /// What the store says.
    pub async fn deliveries(
        &self,
        endpoint: EndpointId,
        state: Option<DeliveryState>,
        after: u64,
        limit: u32,
    ) -> Result<Vec<DeliveryRecord>, StoreError> {
        self.read(move |store| async move { store.deliveries(endpoint, state, after, limit).await })
            .await
    }

    /// Every attempt to deliver an event to an endpoint.
    ///
    /// # Errors
    /// What the store says.
    pub async fn delivery_attempts(
        &self,
        endpoint: EndpointId,
        number: u64,
    ) -> Result<Vec<AttemptRecord>, StoreError> {
        self.read(move |store| async move { store.attempts(endpoint, number).await }).await
    }

    /// One event of a partner's feed.
    ///
    /// # Errors
    /// What the store says; [`StoreError::Corrupt`] where it cannot be read.
    pub async fn event(
        &self,
        partner: PartnerId,
        number: u64,
    ) -> Result<Option<Event>, StoreError> {
        self.read(move |store| async move { feed::event(&*store, &partner, number).await }).await
    }
}
