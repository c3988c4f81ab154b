//! The service: from a request to a signed answer.

use std::fmt;
use std::sync::Arc;

use alliance_contracts::connector::{
    Done, Operation, OperationKey, OperationState, Refusal, RefusalCode,
};
use alliance_contracts::json;
use alliance_contracts::keys::{PublicKey, SigningKey};
use alliance_contracts::time::Timestamp;
use tokio::runtime::Handle;

use super::answer::{Answer, Draft, Fault};
use super::call::{Call, Request, Route, invalid};
use super::error::{BuildError, CallError};
use super::keys::{GatewayKeys, KeyListSource};
use super::store::{Begun, OperationStore, Recorded, StoreError};
use super::{Clock, Connector, SystemClock, Tx};

/// A brand's connector, ready to be mounted: [`Service::routes`] for actix-web,
/// [`Service::answer`] for everything else. Cloning is cheap, and clones are one.
pub struct Service<C: Connector>(Arc<Inner<C>>);

struct Inner<C: Connector> {
    clock: Box<dyn Clock>,
    connector: C,
    gateway_keys: GatewayKeys,
    key: SigningKey,
    /// Never empty.
    names: Vec<String>,
    runtime: Handle,
    store: C::Store,
}

impl<C: Connector> Clone for Service<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C: Connector> fmt::Debug for Service<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("kid", self.0.key.kid())
            .field("names", &self.0.names)
            .field("gateway_keys", &self.0.gateway_keys)
            .finish_non_exhaustive()
    }
}

/// Collects what a [`Service`] needs.
#[must_use]
pub struct ServiceBuilder<C: Connector> {
    clock: Box<dyn Clock>,
    connector: C,
    gateway_keys: Option<GatewayKeys>,
    key: Option<SigningKey>,
    names: Vec<String>,
    store: C::Store,
}

impl<C: Connector> fmt::Debug for ServiceBuilder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceBuilder").field("names", &self.names).finish_non_exhaustive()
    }
}

impl<C: Connector> ServiceBuilder<C> {
    /// The brand's key: signs every answer. The alliance knows its public half. Required.
    pub fn key(mut self, key: SigningKey) -> Self {
        self.key = Some(key);
        self
    }

    /// What this host is called in the connector's address: host and, unless it is the scheme's
    /// default, port. Calls are signed for this name. Required; a host with several names has
    /// several.
    pub fn public_name(mut self, name: impl Into<String>) -> Self {
        self.names.push(name.into());
        self
    }

    /// Listens to the keys of the alliance's list, which is fetched when it is needed: a minute
    /// old at most, and anew for a key that it does not have. This or [`Self::trust_only`].
    pub fn gateway_keys(mut self, source: impl KeyListSource) -> Self {
        self.gateway_keys = Some(GatewayKeys::listed(source));
        self
    }

    /// Listens to this one key, whatever the alliance says: for tests, and for
    /// `alliance conformance`.
    pub fn trust_only(mut self, key: PublicKey) -> Self {
        self.gateway_keys = Some(GatewayKeys::Only(key));
        self
    }

    /// Takes the time from elsewhere: for tests.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// The service. It works on the runtime that it is built in, which must outlive it.
    ///
    /// # Errors
    /// [`BuildError`]: the first thing that is missing or wrong.
    pub fn build(self) -> Result<Service<C>, BuildError> {
        let missing = BuildError::Missing;
        if self.names.is_empty() {
            return Err(missing("its public name"));
        }
        if let Some(bad) = self.names.iter().find(|name| !is_host(name)) {
            return Err(BuildError::PublicName(bad.clone()));
        }
        Ok(Service(Arc::new(Inner {
            clock: self.clock,
            connector: self.connector,
            gateway_keys: self.gateway_keys.ok_or(missing("to know the gateway's keys"))?,
            key: self.key.ok_or(missing("a key to sign its answers with"))?,
            names: self.names.iter().map(|name| name.to_ascii_lowercase()).collect(),
            runtime: Handle::try_current().map_err(|_| BuildError::NoRuntime)?,
            store: self.store,
        })))
    }
}

/// Host and port as they stand in an address, and nothing else of it.
fn is_host(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    !name.is_empty() && name.bytes().all(plain)
}

impl<C: Connector> Service<C> {
    /// Begins a service for this brand, whose operations are kept in this store.
    pub fn builder(connector: C, store: C::Store) -> ServiceBuilder<C> {
        ServiceBuilder {
            clock: Box::new(SystemClock),
            connector,
            gateway_keys: None,
            key: None,
            names: Vec::new(),
            store,
        }
    }

    /// Answers a request; always, and signed. The work is done in a task of its own, to its end,
    /// whatever becomes of the future that is returned.
    pub async fn answer(&self, request: Request) -> Answer {
        let (service, request) = (self.clone(), Arc::new(request));
        let worked_on = Arc::clone(&request);
        let work = self.0.runtime.spawn(async move { service.decide(&worked_on).await });
        let draft = match work.await {
            Ok(Ok(draft)) => draft,
            Ok(Err(fault)) => fault.into(),
            // It has panicked, or the runtime ends: the transaction is gone, the key unused.
            Err(_) => Fault::unavailable().into(),
        };
        self.signed(draft, &request)
    }

    /// The signed answer to a request that was not received whole.
    pub(super) fn refuse(&self, fault: Fault, request: &Request) -> Answer {
        self.signed(fault.into(), request)
    }

    fn signed(&self, draft: Draft, request: &Request) -> Answer {
        draft.sign(request, self.authority(request), self.0.clock.now(), &self.0.key)
    }

    /// Of our own names the one that the request asks for; whichever it claims, one of ours is
    /// what its signature must be for.
    fn authority(&self, request: &Request) -> &str {
        let (names, host) = (&self.0.names, request.host());
        let asked = names.iter().find(|name| host.is_some_and(|h| h.eq_ignore_ascii_case(name)));
        asked.or(names.first()).map_or("", String::as_str)
    }

    async fn decide(&self, request: &Request) -> Result<Draft, Fault> {
        let now = self.0.clock.now();
        self.verify(request, now).await?;
        if request.query.as_deref().is_some_and(|query| !query.is_empty()) {
            return Err(Fault::malformed("a connector's calls have no query"));
        }
        match request.route()? {
            Route::Operation(key) => self.operation(&key).await,
            Route::Step(step) => {
                let call = Call::read(step, &request.body)?;
                let key = request.key()?;
                if key != (OperationKey { transaction: call.transaction(), step }) {
                    return Err(Fault::malformed("Idempotency-Key names another call"));
                }
                self.perform(&key, &call, now).await
            }
        }
    }

    /// That the gateway has signed this, for us, now.
    async fn verify(&self, request: &Request, now: Timestamp) -> Result<(), Fault> {
        request.check_media_type()?;
        let signed = request.signed(self.authority(request), now)?;
        let key = self.0.gateway_keys.find(&signed.kid, now).await;
        let key = key.ok_or_else(|| invalid("no key of the gateway's in force"))?;
        signed.verify(&key).map_err(|_| invalid("the signature does not verify"))?;
        request.check_digest()
    }

    async fn operation(&self, key: &str) -> Result<Draft, Fault> {
        let key = key.parse().map_err(|_| Fault::malformed("no key of a call: txn_….<step>"))?;
        let found = self.0.store.find(&key).await.map_err(unavailable)?;
        let operation = match found {
            None => Operation::unknown(),
            Some(Recorded { body, status, .. }) => Operation {
                body: serde_json::from_slice(&body).ok(),
                state: match status {
                    200 => OperationState::Done,
                    _ => OperationState::Refused,
                },
                status: Some(status),
            },
        };
        Ok(Draft::good(json::canonical(&operation)))
    }

    /// Effect and answer in one commit, once for each key.
    async fn perform(
        &self,
        key: &OperationKey,
        call: &Call,
        now: Timestamp,
    ) -> Result<Draft, Fault> {
        let (store, request) = (&self.0.store, call.hash());
        let begun = store.begin(key, &request, now).await.map_err(unavailable)?;
        let mut tx = match begun {
            Begun::Known(recorded) if recorded.request == request => {
                return Ok(Draft::recorded(recorded, true));
            }
            Begun::Known(_) => {
                let detail = "this key was used for a call with another body";
                return Ok(Refusal::new(RefusalCode::IdempotencyMismatch, detail).into());
            }
            Begun::First(tx) => tx,
        };
        let (status, body) = match self.effect(&mut tx, call).await {
            Ok(body) => (200, body),
            Err(CallError::Refused(refusal)) => {
                store.undo(&mut tx).await.map_err(unavailable)?;
                // The status is the code's, whatever was filled in.
                let refusal = Refusal { status: refusal.code.status(), ..refusal };
                (refusal.status, json::canonical(&refusal))
            }
            Err(CallError::Failed(error)) => {
                tracing::error!(%key, error, "a call cannot be decided now");
                return Err(Fault::unavailable());
            }
        };
        let recorded = Recorded { body, request, status };
        store.commit(tx, key, &recorded).await.map_err(unavailable)?;
        Ok(Draft::recorded(recorded, false))
    }

    async fn effect(&self, tx: &mut Tx<C>, call: &Call) -> Result<Vec<u8>, CallError> {
        let connector = &self.0.connector;
        let done = |()| json::canonical(&Done {});
        match call {
            Call::Reserve(call) => connector.reserve(tx, call).await.map(|a| json::canonical(&a)),
            Call::Capture(call) => connector.capture(tx, call).await.map(done),
            Call::Release(call) => connector.release(tx, call).await.map(done),
            Call::Credit(call) => connector.credit(tx, call).await.map(|a| json::canonical(&a)),
            Call::Cancel(call) => connector.cancel(tx, call).await.map(done),
        }
    }
}

fn unavailable(error: StoreError) -> Fault {
    tracing::error!(%error, "operations cannot be read or written now");
    Fault::unavailable()
}
