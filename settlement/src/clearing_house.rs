//! The clearing house, running: store, sequencer and keys on a runtime of their own. Handlers reach
//! it only through these methods, each of which hands its work over and waits for the answer: a
//! connection is never opened on, nor cancelled by, somebody else's runtime.

mod agreements;
mod campaigns;
mod clock;
#[cfg(feature = "conformance")]
mod conformance;
mod consents;
mod cosignatures;
mod events;
mod keys;
mod master;
mod members;
mod proofs;
mod proposals;
mod publisher;
mod quotes;
mod rates;
mod sagas;
pub mod settling;
mod signing;
pub mod statements;
mod webhooks;
pub mod what_if;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use alliance_contracts::ids::TransactionId;
use alliance_contracts::key_list::TrustedKeys;
use alliance_contracts::keys::SigningKey;
use alliance_contracts::names::{AllianceId, Corridor, Currency, MemberRef};
use alliance_contracts::time::Timestamp;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::alliance::{DefinitionFault, MasterKeyFault, PublishedBoard, Registry};
use crate::command::{Command, Outcome};
use crate::rekeying::QUOTE_KEY_PURPOSE;
use crate::sequencer::queue::{CAPACITY, Queue};
use crate::sequencer::{Answer, Sequencer, TransactionView, Unavailable, Writability};
use crate::store::{self, Store, StoreError, TransactionDetail};
use crate::vault::{KEY_LEN, QuoteSealer, Vault};

pub use campaigns::{ApproveError, CampaignSpending};
pub use clock::{Clock, Pauses, ReadTime};
pub use cosignatures::{CosignatureRefused, ProvingCheckpoint};
pub use master::{RotateError, Rotated, RotationProgress};
pub use members::{LinkView, MemberView};
pub use proofs::{CheckpointError, ProofRefused};
pub use proposals::ProposalError;
pub use publisher::{PublishError, Published};
pub use quotes::OpenedToken;
pub use rates::WhichBoard;
pub use sagas::{Call, CallError, Heard};
pub use signing::ImportKeysError;

/// How often the registry and the quote keys are looked at. Revocations and suspensions made
/// through another gateway take effect here within this time (T37 asks for at most 5 s).
const POLL: Duration = Duration::from_secs(2);
/// How far in a gateway's future the newest receipt may be before it says that it is not ready.
const BEHIND: Duration = Duration::from_secs(60);
/// How often chains that have grown are given a checkpoint, so that the copy beside the keys is
/// never more than half the protocol's minute behind.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(30);

/// What a clearing house is started with.
pub struct Settings {
    /// Which alliance.
    pub alliance: AllianceId,
    /// Its settlement currency, until a definition has been applied.
    pub currency: Currency,
    /// `sqlite:PATH`, `postgres://…` or `memory:`.
    pub database: String,
    /// Wraps members' keys; 32 bytes, the same for every gateway of the alliance.
    pub master_key: [u8; KEY_LEN],
    /// Takes its place, or has taken it; none while the master key is not being rotated.
    pub next_master_key: Option<[u8; KEY_LEN]>,
    /// Signs receipts, quotes, boards and checkpoints.
    pub signing_key: Arc<SigningKey>,
    /// Every gateway key that ever signed, until the books have a list.
    pub gateway_keys: TrustedKeys,
    /// Where the last checkpoint of every corridor is kept, beside the keys; none: nowhere.
    pub checkpoints_dir: Option<PathBuf>,
    /// The clock.
    pub clock: Clock,
    /// Commands that may wait.
    pub queue_capacity: usize,
}

impl Settings {
    /// Settings with the machine's clock and the usual queue.
    #[must_use]
    pub fn new(
        alliance: AllianceId,
        currency: Currency,
        database: String,
        master_key: [u8; KEY_LEN],
        signing_key: Arc<SigningKey>,
        gateway_keys: TrustedKeys,
    ) -> Self {
        Self {
            alliance,
            currency,
            database,
            master_key,
            next_master_key: None,
            signing_key,
            gateway_keys,
            checkpoints_dir: None,
            clock: Clock::system(),
            queue_capacity: CAPACITY,
        }
    }
}

/// Why a clearing house does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The runtime's threads cannot be started.
    #[error("no threads: {0}")]
    Threads(#[from] std::io::Error),
    /// T31: the database is older than a checkpoint that was signed.
    #[error(
        "the database does not hold what was signed: {corridor} had {signed} receipts at its last \
         checkpoint, here {reason}. Is it an old backup? Restore a newer one, or ask the partners \
         for the receipts they keep; nothing is served until then"
    )]
    Forked {
        /// Whose chain.
        corridor: Corridor,
        /// The size that was signed.
        signed: u64,
        /// What is here instead.
        reason: String,
    },
    /// The master keys are not those of the books.
    #[error(transparent)]
    MasterKey(#[from] MasterKeyFault),
    /// The queue is closed, or the sequencer ended.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why a definition was not applied.
#[derive(Debug, thiserror::Error)]
pub enum DefineError {
    /// It changes what may not change.
    #[error("the definition changes what may not change")]
    Refused(Vec<DefinitionFault>),
    /// The writer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// A running clearing house. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct ClearingHouse {
    inner: Arc<Inner>,
}

struct Inner {
    alliance: AllianceId,
    store: Arc<dyn Store>,
    sequencer: Arc<Sequencer>,
    registry: watch::Receiver<Arc<Registry>>,
    vault: Arc<Vault>,
    key: Arc<SigningKey>,
    gateway_keys: TrustedKeys,
    clock: Clock,
    random: SystemRandom,
    sealers: RwLock<HashMap<i64, Arc<QuoteSealer>>>,
    tokens: quotes::TokenMemory,
    /// Boards whose quotes still stood when a board was last worked out.
    stood_lately: Mutex<Vec<PublishedBoard>>,
    checkpoints_dir: Option<PathBuf>,
    handle: Handle,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    runtime: Mutex<Option<Runtime>>,
}

impl ClearingHouse {
    /// Opens the store, looks at the checkpoints beside the keys, and starts to work. Blocking:
    /// call it outside async code.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(settings: Settings) -> Result<Self, StartError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("clearing-house")
            .enable_all()
            .build()?;
        let (database, alliance) = (settings.database.clone(), settings.alliance.clone());
        let store = runtime.block_on(async move { store::open(&database, alliance).await })?;
        let vault = runtime.block_on(master::vault(&settings, &*store))?;
        let house = Self::assemble(settings, store, vault, runtime.handle().clone());
        runtime.block_on(house.come_up())?;
        house.start_tasks();
        *lock(&house.inner.runtime) = Some(runtime);
        Ok(house)
    }

    /// All parts on a store and a runtime; none of them works yet.
    fn assemble(settings: Settings, store: Arc<dyn Store>, vault: Vault, handle: Handle) -> Self {
        let empty = Registry::empty(settings.alliance.clone(), settings.currency);
        let (registry, seen) = watch::channel(Arc::new(empty));
        let vault = Arc::new(vault);
        let sequencer = Arc::new(Sequencer {
            store: store.clone(),
            vault: vault.clone(),
            key: settings.signing_key.clone(),
            registry,
            clock: settings.clock.reader(),
            queue: Arc::new(Queue::new(settings.queue_capacity)),
            kept: Mutex::default(),
            writability: Writability::default(),
            told: watch::Sender::new(0),
            sagas_written: tokio::sync::Notify::new(),
        });
        Self {
            inner: Arc::new(Inner {
                alliance: settings.alliance,
                store,
                sequencer,
                registry: seen,
                vault,
                key: settings.signing_key,
                gateway_keys: settings.gateway_keys,
                clock: settings.clock,
                random: SystemRandom::new(),
                sealers: RwLock::default(),
                tokens: quotes::TokenMemory::default(),
                stood_lately: Mutex::default(),
                checkpoints_dir: settings.checkpoints_dir,
                handle,
                tasks: Mutex::default(),
                writer: Mutex::default(),
                runtime: Mutex::default(),
            }),
        }
    }

    /// From parts to a writer at work. A crash at any point leaves nothing to be tidied up: the
    /// only write is the quote key, a command like any other.
    async fn come_up(&self) -> Result<(), StartError> {
        self.inner.sequencer.refresh().await?;
        self.compare_kept_checkpoints().await?;
        let writer = self.inner.handle.spawn(self.inner.sequencer.clone().run());
        *lock(&self.inner.writer) = Some(writer);
        self.keep_quote_keys().await?;
        self.name_master_key().await
    }

    fn start_tasks(&self) {
        let (poll, mut pauses) = (self.clone(), self.pauses());
        let polling = self.inner.handle.spawn(async move {
            let (mut told, mut stopped) = (None, None);
            loop {
                pauses.at_most(POLL).await;
                if let Err(error) = poll.inner.sequencer.refresh().await {
                    tracing::warn!(%error, "the registry cannot be read");
                }
                let unfit = poll.inner.sequencer.fits(&poll.registry()).err();
                if let Some(error) = unfit.as_ref().filter(|_| unfit != stopped) {
                    tracing::error!(%error, "nothing is served any more");
                }
                stopped = unfit;
                let refused = poll.signer().err();
                if let Some(error) = refused.filter(|refused| told != Some(*refused)) {
                    tracing::error!(%error, "nothing is signed any more");
                }
                told = refused;
                if let Err(error) = poll.keep_quote_keys().await {
                    tracing::warn!(%error, "the quote keys cannot be kept");
                }
                if let Err(error) = poll.vouch_anew().await {
                    tracing::warn!(%error, "what a revoked key has signed is not signed anew yet");
                }
            }
        });
        let (checkpoint, mut pauses) = (self.clone(), self.pauses());
        let checkpointing = self.inner.handle.spawn(async move {
            loop {
                pauses.at_most(CHECKPOINT_EVERY).await;
                checkpoint.checkpoint_all().await;
            }
        });
        lock(&self.inner.tasks).extend([polling, checkpointing]);
    }

    /// Which alliance.
    #[must_use]
    pub fn alliance(&self) -> &AllianceId {
        &self.inner.alliance
    }

    /// The agreements of the moment.
    #[must_use]
    pub fn registry(&self) -> Arc<Registry> {
        self.inner.registry.borrow().clone()
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// The time that messages are signed at, and their age is judged by.
    #[must_use]
    pub fn message_time(&self) -> Timestamp {
        self.inner.clock.message_time()
    }

    /// For whoever waits for a time to come.
    #[must_use]
    pub fn pauses(&self) -> Pauses {
        self.inner.clock.pauses()
    }

    /// Takes up that the clock has been set: what quotes are sealed with at this time is there when
    /// this comes back. Everything else looks by itself.
    ///
    /// # Errors
    /// [`Unavailable`]: the clearing house catches up within seconds.
    pub async fn clock_was_set(&self) -> Result<(), Unavailable> {
        self.keep_quote_keys().await
    }

    /// Finds and names members.
    #[must_use]
    pub fn vault(&self) -> &Arc<Vault> {
        &self.inner.vault
    }

    /// How many commands wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.inner.sequencer.queue.waiting()
    }

    /// Fills bytes with randomness (nonces, keys).
    #[must_use]
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.inner.random.fill(&mut bytes).expect("the system has randomness once it has started");
        bytes
    }

    /// Asks the writer; answered after the commit.
    ///
    /// # Errors
    /// [`Unavailable`]: nothing is known of the outcome.
    pub async fn submit(&self, command: Command) -> Result<Answer, Unavailable> {
        let receiver = self.inner.sequencer.queue.push(command)?;
        receiver.await.map_err(|_| Unavailable::Lost)?
    }

    /// Asks the writer for several things at once; answers in their order.
    pub async fn submit_all(&self, commands: Vec<Command>) -> Vec<Result<Answer, Unavailable>> {
        let queue = &self.inner.sequencer.queue;
        let waiting: Vec<_> = commands.into_iter().map(|command| queue.push(command)).collect();
        let mut answers = Vec::with_capacity(waiting.len());
        for receiver in waiting {
            answers.push(match receiver {
                Err(refusal) => Err(refusal),
                Ok(receiver) => receiver.await.map_err(|_| Unavailable::Lost).flatten(),
            });
        }
        answers
    }

    /// Runs a read on the clearing house's own runtime, while this gateway has the master keys that
    /// the books name.
    ///
    /// # Errors
    /// What the store says.
    pub async fn read<T, F, R>(&self, read: R) -> Result<T, StoreError>
    where
        R: FnOnce(Arc<dyn Store>) -> F + Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
        T: Send + 'static,
    {
        self.inner.sequencer.fits(&self.registry())?;
        let store = self.inner.store.clone();
        match self.inner.handle.spawn(read(store)).await {
            Ok(result) => result,
            Err(error) => Err(StoreError::Unavailable(error.to_string())),
        }
    }

    /// A transaction, ready to be rendered.
    ///
    /// # Errors
    /// What the store says.
    pub async fn transaction(
        &self,
        id: TransactionId,
    ) -> Result<Option<TransactionView>, StoreError> {
        let detail = self.read(move |store| async move { store.transaction(id).await }).await?;
        Ok(detail.map(|detail| self.view(detail)))
    }

    fn view(&self, detail: TransactionDetail) -> TransactionView {
        let vault = &self.inner.vault;
        let name = |member: Option<crate::ledger::working_set::SealedMember>| {
            member.and_then(|sealed| sealed.open(vault).reference)
        };
        TransactionView {
            record: detail.record,
            receipt: detail.receipt,
            saga: detail.saga,
            source_member: name(detail.source_member),
            target_member: name(detail.target_member),
        }
    }

    /// Whether the database answers, has this version's schema, and takes what is written.
    ///
    /// # Errors
    /// What the store says.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.read(|store| async move { store.ping().await }).await?;
        let sequencer = self.inner.sequencer.clone();
        self.read(|_| async move { sequencer.can_write().await }).await
    }

    /// Whether this gateway's clock is so far behind that the newest receipts were made more than
    /// a minute in its future: its own clock is wrong, or another gateway's was. Chains stand it
    /// (their times never go back); quotes and signatures would not be judged rightly.
    ///
    /// # Errors
    /// What the store says.
    pub async fn is_behind_the_books(&self) -> Result<bool, StoreError> {
        let heads = self.read(|store| async move { store.heads().await }).await?;
        let newest = heads.into_iter().map(|(_, head)| head.completed_at).max();
        let limit = self.now().plus_seconds(BEHIND.as_secs().cast_signed());
        Ok(newest.is_some_and(|newest| newest > limit))
    }

    /// Lets nothing more in, answers what was accepted, signs the last checkpoints, closes the
    /// store. In that order; then the threads end.
    pub async fn shutdown(&self) {
        for task in lock(&self.inner.tasks).drain(..) {
            task.abort();
        }
        self.checkpoint_all().await;
        self.inner.sequencer.queue.close();
        let writer = lock(&self.inner.writer).take();
        if let Some(writer) = writer {
            // Ends when the queue is drained.
            let _ = writer.await;
        }
        let store = self.inner.store.clone();
        let _ = self.inner.handle.spawn(async move { store.close().await }).await;
        if let Some(runtime) = lock(&self.inner.runtime).take() {
            runtime.shutdown_background();
        }
    }

    /// Brings the quote key of this period, where no gateway has, and learns all there are.
    async fn keep_quote_keys(&self) -> Result<(), Unavailable> {
        let period = quotes::period(self.now());
        let known = read_lock(&self.inner.sealers).contains_key(&period);
        if known {
            return Ok(());
        }
        self.learn_quote_keys().await.map_err(Unavailable::Store)?;
        if read_lock(&self.inner.sealers).contains_key(&period) {
            return Ok(());
        }
        let fresh: [u8; KEY_LEN] = self.random();
        let wrapped = self.inner.vault.wrap_secret(QUOTE_KEY_PURPOSE, &fresh, self.random());
        let destroy_before = period - 1;
        self.submit(Command::StoreQuoteKey { period, wrapped, destroy_before }).await?;
        // Another gateway may have been first: what the store has is what counts.
        self.learn_quote_keys().await.map_err(Unavailable::Store)
    }

    async fn learn_quote_keys(&self) -> Result<(), StoreError> {
        let stored = self.read(|store| async move { store.quote_keys().await }).await?;
        let mut sealers = HashMap::new();
        for (period, wrapped) in stored {
            let key = self
                .inner
                .vault
                .unwrap_secret(QUOTE_KEY_PURPOSE, &wrapped)
                .map_err(|error| StoreError::Corrupt(format!("quote key {period}: {error}")))?;
            let key: [u8; KEY_LEN] = key
                .as_slice()
                .try_into()
                .map_err(|_| StoreError::Corrupt(format!("quote key {period}: length")))?;
            sealers.insert(period, Arc::new(QuoteSealer::new(&key)));
        }
        *self.inner.sealers.write().unwrap_or_else(PoisonError::into_inner) = sealers;
        Ok(())
    }

    /// What a member of the caller's is called, for rendering.
    #[must_use]
    pub fn name(&self, member: crate::ledger::working_set::SealedMember) -> Option<MemberRef> {
        member.open(&self.inner.vault).reference
    }

    /// Applies a definition; the number of changes (0 or 1).
    ///
    /// # Errors
    /// [`DefineError`].
    pub async fn define(
        &self,
        definition: crate::alliance::Definition,
        window: alliance_contracts::ids::WindowId,
    ) -> Result<usize, DefineError> {
        let define = crate::command::Define { definition, window };
        match self.submit(Command::Define(Box::new(define))).await?.decided.outcome {
            Outcome::DefinitionRefused(faults) => Err(DefineError::Refused(faults)),
            Outcome::Done(changes) => Ok(changes),
            _ => Ok(0),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read_lock<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}
