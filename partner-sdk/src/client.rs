//! The client: signed calls that are repeated where that is safe, and never otherwise.
//!
//! ```no_run
//! use alliance_partner_sdk::client::{Client, account};
//! # async fn f() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder("https://gateway.example")
//!     .partner("aurora-air")
//!     .key_pem(std::fs::read_to_string("key.pem")?)
//!     .root("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
//!     .build()?;
//! let quote = client
//!     .exchange(account("aurora", "A-1001")?, account("borealis", "B-77")?)
//!     .give("1000".parse()?)
//!     .await?;
//! let done = client.transact(&quote, "booking-4711".parse()?).await?;
//! println!("{:?}: {} points arrived", done.state, done.target.amount());
//! # Ok(()) }
//! ```
//!
//! | promise | how |
//! | --- | --- |
//! | an order is performed once at most | one `Idempotency-Key` over all attempts |
//! | an unknown outcome is never guessed | [`Error::Indeterminate`] names the key to repeat with |
//! | a struggling gateway is left alone | full jitter, `Retry-After`, a budget shared by clones |
//! | the alliance cannot tell two histories | [`Memory`], `Alliance-Seen`, [`Error::Fork`] |
//! | nothing personal is logged | spans hold route templates; `Debug` shows no reference |

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use alliance_contracts::encoding::hex_encode;
use alliance_contracts::key_list::TrustedKeys;
use alliance_contracts::keys::{PublicKey, SigningKey};
use alliance_contracts::names::{AllianceId, IdempotencyKey, PartnerId};
use alliance_contracts::time::Timestamp;
use reqwest::Url;
use ring::rand::{SecureRandom, SystemRandom};

mod agreements;
mod build;
mod call;
mod calls;
#[cfg(feature = "config-file")]
mod config;
mod consents;
mod error;
mod events;
mod keys;
mod listening;
mod members;
mod memory;
mod orders;
mod proofs;
mod rates;
mod receipts;
mod retry;
mod sandbox;
mod send;
mod sse;
mod webhooks;
mod windows;
mod witness;

pub use crate::clock::{Clock, SystemClock};
pub use agreements::{AgreementFilter, ReviewedAgreement};
pub use build::ClientBuilder;
pub use call::{Answered, BoxFuture, Call};
pub use error::{ConfigError, DecodeError, Error, VerificationError};
pub use events::{EventStream, FollowedEvent};
pub use keys::KEYS_KNOWN_WITHIN;
pub use memory::{Memory, Remembered, SeenReceipt};
pub use orders::{Batch, BatchAnswer, Exchange, Reversal, account};
pub use proofs::SignedKeyLists;
pub use rates::{BoardStream, FollowedBoard};
pub use receipts::{ReceiptStream, Receipts};
pub use retry::RetryPolicy;
pub use sandbox::Sandbox;
pub use witness::Witnessed;

/// A partner's connection to its alliance. Cloning is cheap, and clones share connections, the
/// retry budget and what was seen.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    http: reqwest::Client,
    base: Url,
    authority: String,
    partner: PartnerId,
    alliance: Option<AllianceId>,
    key: RwLock<Arc<SigningKey>>,
    root: Option<PublicKey>,
    retry: RetryPolicy,
    budget: retry::RetryBudget,
    clock: Box<dyn Clock>,
    alliance_clock: Option<Box<dyn Clock>>,
    random: SystemRandom,
    memory: Mutex<Memory>,
    keys: Mutex<Option<proofs::CachedKeys>>,
    verify_answers: bool,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("gateway", &self.0.base.as_str())
            .field("partner", &self.0.partner)
            .field("kid", &self.kid())
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Begins a client of the gateway at this address (`https://host[:port]`).
    #[must_use]
    pub fn builder(base_url: &str) -> ClientBuilder {
        ClientBuilder::new(base_url)
    }

    /// The partner that calls.
    #[must_use]
    pub fn partner(&self) -> &PartnerId {
        &self.0.partner
    }

    /// The alliance's root key, as it is pinned: what [`verify::keys`](crate::verify::keys)
    /// verifies key lists with.
    #[must_use]
    pub fn root_key(&self) -> Option<&PublicKey> {
        self.0.root.as_ref()
    }

    /// What the client has verified last, of every corridor.
    #[must_use]
    pub fn memory(&self) -> Memory {
        self.remembered(|memory| memory.clone())
    }

    fn remembered<T>(&self, look: impl FnOnce(&mut Memory) -> T) -> T {
        look(&mut lock(&self.0.memory))
    }

    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// The alliance's time.
    fn alliance_time(&self) -> Timestamp {
        self.0.alliance_clock.as_ref().map_or_else(|| self.now(), |clock| clock.now())
    }

    /// A key that nobody else draws: the time in milliseconds, then 80 random bits. Keys of one
    /// moment lie side by side in the gateway's index, where random ones would touch it everywhere.
    fn draw_key(&self) -> Result<IdempotencyKey, ConfigError> {
        let mut bits = [0; 16];
        self.0.random.fill(&mut bits).map_err(|_| ConfigError::Random)?;
        let [_, _, millis @ ..] = self.now().as_millis().to_be_bytes();
        bits[..6].copy_from_slice(&millis);
        Ok(["auto_", &hex_encode(&bits)].concat().parse()?)
    }

    fn root(&self) -> Result<&PublicKey, ConfigError> {
        self.root_key().ok_or(ConfigError::NoRoot)
    }
}

/// What is kept behind the locks is whole whatever thread panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const _: fn() = || {
    fn shared<T: Clone + Send + Sync + 'static>() {}
    shared::<Client>();
    shared::<Arc<TrustedKeys>>();
};
