//! A call that is put together but not yet made.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::time::Duration;

use alliance_contracts::json;
use alliance_contracts::names::{Corridor, IdempotencyKey};
use reqwest::header::HeaderValue;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Client;
use super::error::{DecodeError, Error};
use super::retry::RetryPolicy;
use super::send::{Answer, Request};

/// A future that can be sent between threads.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A call that is made when it is awaited, or by [`Call::send`]. It can be cloned and made again:
/// give it a key of its own then, so that the second time is the same order.
///
/// ```no_run
/// # async fn f(client: alliance_partner_sdk::Client) -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// let programs = client.programs().await?;
/// let hasty = client.programs().deadline(Duration::from_secs(3)).await?;
/// # Ok(()) }
/// ```
#[must_use = "a call does nothing unless it is awaited"]
pub struct Call<T> {
    client: Client,
    request: Request,
    policy: RetryPolicy,
    answer: PhantomData<fn() -> T>,
}

impl<T> Clone for Call<T> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
            request: self.request.clone(),
            policy: self.policy,
            answer: PhantomData,
        }
    }
}

impl<T> fmt::Debug for Call<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Target and body may name members.
        f.debug_struct("Call").field("route", &self.request.route).finish_non_exhaustive()
    }
}

/// An answer with what stands around it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Answered<T> {
    /// The answer.
    pub body: T,
    /// The HTTP status: 201 where something is done, 202 where it is pending.
    pub status: u16,
    /// Whether this is the first answer to the key, given again.
    pub replayed: bool,
    /// The idempotency key of a POST.
    pub key: Option<IdempotencyKey>,
    /// The gateway's id of the request.
    pub request_id: Option<String>,
}

impl<T> Call<T> {
    fn new(client: &Client, request: Request) -> Self {
        Self { client: client.clone(), request, policy: client.0.retry, answer: PhantomData }
    }

    pub(super) fn get(client: &Client, route: &'static str, target: impl Into<String>) -> Self {
        Self::new(
            client,
            Request {
                target: target.into(),
                route,
                body: None,
                key: None,
                orders: None,
                corridor: None,
                mutates: false,
                accept: "application/json",
                signed_answer: true,
            },
        )
    }

    pub(super) fn post<B: Serialize + ?Sized>(
        client: &Client,
        route: &'static str,
        target: impl Into<String>,
        body: &B,
    ) -> Self {
        let mut call = Self::get(client, route, target);
        call.request.body = Some(json::canonical(body));
        call.request.mutates = true;
        call
    }

    /// Decides nothing, so an unknown outcome does no harm.
    pub(super) fn harmless(mut self) -> Self {
        self.request.mutates = false;
        self
    }

    pub(super) fn about(mut self, corridor: Corridor) -> Self {
        self.request.corridor = Some(corridor);
        self
    }

    pub(super) fn orders(mut self, field: String) -> Self {
        self.request.orders = Some(field);
        self
    }

    pub(super) fn accept(mut self, media_type: &'static str) -> Self {
        self.request.accept = media_type;
        self
    }

    /// The key list is signed by itself; its answer need not be (and could not be verified yet).
    pub(super) fn unsigned_answer(mut self) -> Self {
        self.request.signed_answer = false;
        self
    }

    /// The idempotency key; drawn at random unless set. Ignored by a GET.
    pub fn idempotency_key(mut self, key: IdempotencyKey) -> Self {
        if self.request.body.is_some() {
            self.request.key = Some(key);
        }
        self
    }

    /// How long all attempts may take together; the client's unless set.
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.policy.deadline = deadline;
        self
    }

    /// How this call is retried; as the client does unless set.
    pub const fn retry(mut self, policy: RetryPolicy) -> Self {
        self.policy = policy;
        self
    }

    async fn raw(self) -> Result<Answer, Error> {
        self.client.execute(self.request, self.policy).await
    }

    /// Makes the call and gives the answer's bytes as text.
    pub(super) async fn text(self) -> Result<String, Error> {
        let answer = self.raw().await?;
        String::from_utf8(answer.body)
            .map_err(|source| Error::Decode { status: answer.status, source: source.into() })
    }

    /// Makes the call and gives the answer's bytes.
    pub(super) async fn bytes(self) -> Result<Vec<u8>, Error> {
        Ok(self.raw().await?.body)
    }
}

impl<T: DeserializeOwned> Call<T> {
    /// Makes the call, and tells with the answer what stands around it.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn send(self) -> Result<Answered<T>, Error> {
        let mutates = self.request.mutates;
        let answer = self.raw().await?;
        match serde_json::from_slice(&answer.body) {
            Ok(body) => Ok(Answered {
                body,
                status: answer.status,
                replayed: field(&answer, "idempotency-replayed").as_deref() == Some("true"),
                request_id: field(&answer, "x-request-id"),
                key: answer.key,
            }),
            Err(source) => Err(undecodable(answer, source.into(), mutates)),
        }
    }
}

/// An order that was answered well, in words that we cannot read: the key gives the answer again.
fn undecodable(answer: Answer, source: DecodeError, mutates: bool) -> Error {
    let error = Error::Decode { status: answer.status, source };
    match answer.key {
        Some(key) if mutates => Error::Indeterminate { key, attempts: 1, last: Box::new(error) },
        _ => error,
    }
}

fn field(answer: &Answer, name: &str) -> Option<String> {
    answer.headers.get(name).and_then(|v: &HeaderValue| v.to_str().ok()).map(str::to_owned)
}

impl<T: DeserializeOwned + Send + 'static> IntoFuture for Call<T> {
    type Output = Result<T, Error>;
    type IntoFuture = BoxFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { Ok(self.send().await?.body) })
    }
}
