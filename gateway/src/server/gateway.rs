//! What every handler shares: the clearing house, the gateway's public names, its key list.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix_web::http::Uri;
use actix_web::web::Bytes;
use alliance_contracts::key_list::KeyList;
use alliance_contracts::problem::ProblemCode;
use alliance_settlement::clearing_house::ClearingHouse;
use alliance_settlement::command::Command;
use alliance_settlement::sequencer::{Answer, Unavailable};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::limits::{LimitSettings, Limits};
use super::refusal::Refusal;
use crate::sandbox::Sandbox;

/// How long a handler waits for the ledger. Later the caller is told that nothing is known of the
/// outcome; it repeats with the same key. Below the 30 s that a shutdown waits for handlers.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// Streams at once that do not end by themselves: each is a connection and little else.
const STREAMS: usize = 256;

/// The shared state of all workers.
pub struct Gateway {
    house: ClearingHouse,
    /// Set once the address is known; lower case.
    authorities: OnceLock<Vec<String>>,
    jwks: Bytes,
    limits: Limits,
    private_webhooks: bool,
    /// Places for those who listen to a stream that does not end by itself.
    streams: Arc<Semaphore>,
    closing: watch::Sender<bool>,
    /// Only on a sandbox's gateway.
    sandbox: Option<Sandbox>,
}

impl Gateway {
    /// The state of a gateway that serves this clearing house under these keys. `private_webhooks`
    /// allows endpoints in the gateway's own network.
    pub fn new(
        house: ClearingHouse,
        keys: &KeyList,
        limits: &LimitSettings,
        private_webhooks: bool,
    ) -> Self {
        // Strings, small integers and lists always serialise.
        let jwks = serde_json::to_vec(keys).unwrap_or_default();
        Self {
            house,
            authorities: OnceLock::new(),
            jwks: Bytes::from(jwks),
            limits: Limits::new(limits),
            private_webhooks,
            streams: Arc::new(Semaphore::new(STREAMS)),
            closing: watch::Sender::new(false),
            sandbox: None,
        }
    }

    /// The same, as a sandbox's.
    #[must_use]
    pub fn in_sandbox(self, sandbox: Option<Sandbox>) -> Self {
        Self { sandbox, ..self }
    }

    /// What only a sandbox's gateway has.
    pub fn sandbox(&self) -> Option<&Sandbox> {
        self.sandbox.as_ref()
    }

    /// A place among those who listen; given back when it is dropped.
    ///
    /// # Errors
    /// Where all are taken.
    pub fn stream_place(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        self.streams.clone().try_acquire_owned().map_err(|_| {
            Refusal::of(ProblemCode::Unavailable).because("all places of streams are taken")
        })
    }

    /// Ends every stream: handlers are waited for, and streams would go on.
    pub fn close_streams(&self) {
        self.closing.send_replace(true);
    }

    /// Turns true when streams are to end.
    pub fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }

    /// Says under which names partners call this gateway.
    pub fn set_authorities(&self, names: Vec<String>) {
        // A second call changes nothing: names are settled when the address is.
        let _ = self.authorities.set(names);
    }

    /// The names under which partners call this gateway.
    pub fn authorities(&self) -> &[String] {
        self.authorities.get().map_or(&[], Vec::as_slice)
    }

    /// The configured name that a request claims to be for; of one that claims another, the first,
    /// under which it then does not verify (threat T04).
    pub fn authority(&self, uri: &Uri, host: Option<&[u8]>) -> &str {
        let claimed = uri.authority().map(|name| name.as_str().as_bytes()).or(host);
        let names = self.authorities();
        let ours = |name: &&String| {
            claimed.is_some_and(|claimed| claimed.eq_ignore_ascii_case(name.as_bytes()))
        };
        names.iter().find(ours).or(names.first()).map_or("", String::as_str)
    }

    /// How many requests of whom are taken.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether endpoints may be in the gateway's own network.
    pub const fn private_webhooks(&self) -> bool {
        self.private_webhooks
    }

    /// The clearing house.
    pub fn house(&self) -> &ClearingHouse {
        &self.house
    }

    /// The gateway's key list, as served: the books', and before they have one its own.
    pub fn jwks(&self) -> Bytes {
        let registry = self.house.registry();
        let listed = registry.gateway_keys.as_ref();
        listed.map_or_else(|| self.jwks.clone(), |list| Bytes::from(list.document.clone()))
    }

    /// Asks the ledger, and waits no longer than the caller would.
    pub async fn submit(&self, command: Command) -> Result<Answer, Refusal> {
        within(self.house.submit(command)).await?.map_err(Refusal::from)
    }

    /// Asks the ledger for several things at once; answers in their order.
    pub async fn submit_all(
        &self,
        commands: Vec<Command>,
    ) -> Result<Vec<Result<Answer, Unavailable>>, Refusal> {
        within(self.house.submit_all(commands)).await
    }
}

async fn within<T>(answer: impl Future<Output = T>) -> Result<T, Refusal> {
    actix_web::rt::time::timeout(ANSWER_WITHIN, answer).await.map_err(|_| {
        Refusal::of(ProblemCode::Unavailable).because("the ledger did not answer in time")
    })
}

/// The names of a gateway that was given none: the address it listens on and, on loopback or every
/// interface, what a person on this machine types.
pub fn names_of(address: SocketAddr) -> Vec<String> {
    let port = address.port();
    let mut names = vec![address.to_string()];
    if address.ip().is_unspecified() {
        names.push(format!("127.0.0.1:{port}"));
    }
    if address.ip().is_unspecified() || address.ip().is_loopback() {
        names.push(format!("localhost:{port}"));
    }
    if port == 80 {
        // A client leaves the scheme's own port out.
        let bare: Vec<String> =
            names.iter().filter_map(|name| name.strip_suffix(":80")).map(str::to_owned).collect();
        names.extend(bare);
    }
    names
}
