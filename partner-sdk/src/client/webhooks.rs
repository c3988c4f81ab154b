//! The partner's webhook endpoints: made, changed, watched. What arrives at one is checked by
//! [`WebhookVerifier`](alliance_contracts::webhook::WebhookVerifier).

use alliance_contracts::endpoint::{
    Deliveries, DeliveryLog, DeliveryState, Endpoint, EndpointChangeRequest, EndpointRequest,
    EndpointWithSecret, Endpoints, NewSecretRequest, ReplayRequest, ResendRequest,
};
use alliance_contracts::event::EventCursor;
use alliance_contracts::ids::EndpointId;
use alliance_contracts::link::Empty;

use super::{Call, Client};

const ENDPOINTS: &str = "/v1/webhooks";

/// Endpoints of the partner's own.
impl Client {
    /// The partner's endpoints.
    pub fn endpoints(&self) -> Call<Endpoints> {
        Call::get(self, ENDPOINTS, ENDPOINTS)
    }

    /// One endpoint.
    pub fn endpoint(&self, id: EndpointId) -> Call<Endpoint> {
        Call::get(self, "/v1/webhooks/{id}", format!("{ENDPOINTS}/{id}"))
    }

    /// Makes an endpoint: every event from now on is pushed to it, signed. Keep the secret where
    /// the endpoint reads it; no other call shows it.
    ///
    /// ```no_run
    /// # use alliance_partner_sdk::Client;
    /// use alliance_partner_sdk::contracts::endpoint::EndpointRequest;
    /// use alliance_partner_sdk::contracts::webhook::{WebhookSecret, WebhookVerifier};
    /// # async fn f(client: Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let url = "https://hooks.aurora.example/alliance".to_owned();
    /// let made = client.create_endpoint(EndpointRequest { types: vec![], url }).await?;
    /// // Where it arrives: the three fields as they came, and the body's bytes.
    /// let verifier = WebhookVerifier::default().secret(WebhookSecret::parse(&made.secret)?);
    /// # let (id, timestamp, signature, body) = ("", "", "", b"");
    /// # let now = "2026-11-23T00:00:00.000Z".parse()?;
    /// verifier.verify(id, timestamp, signature, body, now)?;
    /// # Ok(()) }
    /// ```
    pub fn create_endpoint(&self, asked: EndpointRequest) -> Call<EndpointWithSecret> {
        Call::post(self, ENDPOINTS, ENDPOINTS, &asked)
    }

    /// Gives an endpoint other settings.
    pub fn change_endpoint(&self, id: EndpointId, asked: EndpointChangeRequest) -> Call<Endpoint> {
        Call::post(self, "/v1/webhooks/{id}", format!("{ENDPOINTS}/{id}"), &asked)
    }

    /// Gives an endpoint a new secret; the old one signs beside it for so many seconds, a day where
    /// none are said. A receiver that believes both in that time misses nothing.
    pub fn rotate_endpoint_secret(
        &self,
        id: EndpointId,
        overlap_seconds: Option<u32>,
    ) -> Call<EndpointWithSecret> {
        let target = format!("{ENDPOINTS}/{id}/secret");
        let asked = NewSecretRequest { overlap_seconds };
        Call::post(self, "/v1/webhooks/{id}/secret", target, &asked)
    }

    /// Removes an endpoint.
    pub fn remove_endpoint(&self, id: EndpointId) -> Call<Empty> {
        let target = format!("{ENDPOINTS}/{id}/remove");
        Call::post(self, "/v1/webhooks/{id}/remove", target, &Empty {})
    }

    /// Has one event sent again, by its `sequence`.
    pub fn resend_event(&self, id: EndpointId, sequence: &str) -> Call<Endpoint> {
        let target = format!("{ENDPOINTS}/{id}/resend");
        let asked = ResendRequest { sequence: sequence.to_owned() };
        Call::post(self, "/v1/webhooks/{id}/resend", target, &asked)
    }

    /// Has every event after a place of the feed sent; none: from the first on.
    pub fn replay_events(&self, id: EndpointId, after: Option<EventCursor>) -> Call<Endpoint> {
        let target = format!("{ENDPOINTS}/{id}/replay");
        Call::post(self, "/v1/webhooks/{id}/replay", target, &ReplayRequest { after })
    }

    /// What has become of events at an endpoint, of those in a state or of all: a page, after the
    /// `next_after` of the page before.
    pub fn deliveries(
        &self,
        id: EndpointId,
        state: Option<DeliveryState>,
        after: Option<&str>,
    ) -> Call<Deliveries> {
        let state = state.map(|state| format!("state={}", state.as_str()));
        let after = after.map(|after| format!("after={after}"));
        let query: Vec<String> = state.into_iter().chain(after).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        let target = format!("{ENDPOINTS}/{id}/deliveries{mark}{}", query.join("&"));
        Call::get(self, "/v1/webhooks/{id}/deliveries", target)
    }

    /// Every attempt to deliver one event to an endpoint.
    pub fn delivery(&self, id: EndpointId, sequence: &str) -> Call<DeliveryLog> {
        let target = format!("{ENDPOINTS}/{id}/deliveries/{sequence}");
        Call::get(self, "/v1/webhooks/{id}/deliveries/{sequence}", target)
    }
}
