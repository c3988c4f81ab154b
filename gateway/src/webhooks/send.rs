//! One event, signed and sent to one endpoint.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::time::Instant;

use alliance_contracts::event::Event;
use alliance_contracts::json;
use alliance_contracts::keys::SigningKey;
use alliance_contracts::webhook::{
    ID_FIELD, SIGNATURE_FIELD, TIMESTAMP_FIELD, WebhookMessage, WebhookSecret,
};
use alliance_settlement::clearing_house::ClearingHouse;
use alliance_settlement::webhooks::round;
use alliance_settlement::webhooks::schedule::Attempted;
use alliance_settlement::webhooks::{Attempt, EndpointRecord, MAX_SAID_BYTES, Told};
use futures_util::FutureExt;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, InvalidHeaderValue};

use crate::outbound::address::CallbackUrl;
use crate::outbound::client::{NoAnswer, Outbound};

pub use crate::outbound::client::WHOLE as ANSWER_WITHIN;

/// The media type of a webhook's body: one event, structured.
const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/cloudevents+json");

/// Whoever sends.
pub struct Sender {
    outbound: Outbound,
    private: bool,
}

/// Why an event was not sent at all.
#[derive(Debug, thiserror::Error)]
enum NotSent {
    #[error("the event cannot be read: {0}")]
    Unreadable(String),
    #[error("its address may not be called: {0}")]
    Address(#[from] crate::outbound::address::BadCallback),
    #[error("a field cannot be written: {0}")]
    Field(#[from] InvalidHeaderValue),
    #[error("{0}")]
    NoAnswer(#[from] NoAnswer),
}

impl Sender {
    /// `private` allows endpoints in the gateway's own network, and `http`.
    ///
    /// # Errors
    /// Where the HTTP client cannot be set up.
    pub fn new(private: bool) -> Result<Self, reqwest::Error> {
        Ok(Self { outbound: Outbound::new(private)?, private })
    }

    /// Sends one event; says what came of it, whatever happens.
    pub(super) async fn send(
        &self,
        house: &ClearingHouse,
        endpoint: &EndpointRecord,
        secrets: &[WebhookSecret],
        told: Told,
        events: &HashMap<u64, Event>,
    ) -> Attempt {
        let (at, draw) = (house.now(), u64::from_le_bytes(house.random()));
        let begun = Instant::now();
        let sent = AssertUnwindSafe(self.post(house, endpoint, secrets, &told, events));
        let (came_to, said) = match sent.catch_unwind().await {
            Ok(Ok((came_to, said))) => (came_to, said),
            Ok(Err(error)) => (Attempted::NoAnswer, shortened(&error.to_string())),
            Err(_) => {
                tracing::error!(endpoint = %endpoint.id, event = %told.event,
                    "a fault of the gateway's own: an event cannot be sent");
                return round::fault(told, at, "a fault of the gateway's own", draw);
            }
        };
        let took_millis = i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
        Attempt { told, at, took_millis, came_to, said, draw }
    }

    async fn post(
        &self,
        house: &ClearingHouse,
        endpoint: &EndpointRecord,
        secrets: &[WebhookSecret],
        told: &Told,
        events: &HashMap<u64, Event>,
    ) -> Result<(Attempted, String), NotSent> {
        let unreadable = |why: String| NotSent::Unreadable(why);
        let read = match events.get(&told.number) {
            Some(event) => Some(event.clone()),
            None => {
                let event = house.event(endpoint.partner.clone(), told.number).await;
                event.map_err(|error| unreadable(error.to_string()))?
            }
        };
        let event = read.ok_or_else(|| unreadable("it is not there".to_owned()))?;
        let body = json::canonical(&event);
        let url = CallbackUrl::parse(&endpoint.url, self.private)?;
        let sent_at = house.message_time().as_seconds();
        let key = house.signer().ok().map(|key| &**key);
        let fields = fields(secrets, key, &event.id.to_string(), sent_at, &body)?;
        let answered = self.outbound.post(&url, fields, body).await?;
        let came_to =
            Attempted::Answer { status: answered.status, retry_after: answered.retry_after };
        Ok((came_to, shortened(&String::from_utf8_lossy(&answered.body))))
    }
}

/// The fields of a webhook sent then (Unix seconds), signed under every secret, and the gateway's
/// key where there is one.
pub fn fields(
    secrets: &[WebhookSecret],
    key: Option<&SigningKey>,
    id: &str,
    timestamp: i64,
    body: &[u8],
) -> Result<HeaderMap, InvalidHeaderValue> {
    let message = WebhookMessage { id, timestamp, body };
    let by_secret = secrets.iter().map(|secret| message.sign(secret));
    let by_key = key.map(|key| message.sign_with_key(key));
    let signatures: Vec<String> = by_secret.chain(by_key).collect();
    let mut fields = HeaderMap::new();
    fields.insert(CONTENT_TYPE, MEDIA_TYPE);
    fields.insert(ID_FIELD, HeaderValue::from_str(id)?);
    fields.insert(TIMESTAMP_FIELD, HeaderValue::from(timestamp));
    fields.insert(SIGNATURE_FIELD, HeaderValue::from_str(&signatures.join(" "))?);
    Ok(fields)
}

/// The beginning of what was said, as one text that any log takes.
fn shortened(said: &str) -> String {
    let plain: String =
        said.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_SAID_BYTES).collect();
    let end = plain.floor_char_boundary(MAX_SAID_BYTES);
    plain.get(..end).unwrap_or_default().trim().to_owned()
}
