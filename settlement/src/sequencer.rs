//! The sequencer: the one writer. Commands wait in a bounded queue, taken round-robin by partner;
//! whatever is waiting (no timer: one is a batch of one) is worked on in ONE database transaction:
//! lock, load what the batch before has not left here, decide, chain, sign, commit. Waiters are
//! answered only after the commit. Many receipts are signed while the database takes the rest.
//!
//! | the store says | then |
//! | --- | --- |
//! | committed | every waiter gets its outcome |
//! | unavailable before the commit | nothing was written: waiters are told so, and repeat |
//! | contradiction | nothing was written: the batch is replayed one command at a time, so that the culprit is named and the others live |
//! | unknown commit | the row is taken again — then the old transaction has ended — and the same commands are decided again: what was committed is found by its key (an import by its rows) and answered, what was not is done now |
//!
//! A batch runs in a task of its own that nobody cancels; should it panic, its waiters are told
//! that nothing is known, and the next batch starts afresh.

pub mod queue;
#[cfg(test)]
mod tests;
mod writability;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use alliance_contracts::encoding::Hash;
use alliance_contracts::ids::TransactionId;
use alliance_contracts::json;
use alliance_contracts::jws::{self, JwsType};
use alliance_contracts::key_list::KeyStatement;
use alliance_contracts::keys::SigningKey;
use alliance_contracts::names::MemberRef;
use alliance_contracts::time::Timestamp;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::alliance::{MasterKeyFault, MayNotSign, Registry, RegistryParts, keys};
use crate::command::{Command, Decided, Outcome};
use crate::ledger::kept::{self, Kept};
use crate::ledger::{self, TransactionRecord, Wanted, WorkingSet, Writes};
use crate::receipts::{self, StoredReceipt};
use crate::saga::Saga;
use crate::store::failpoint::failpoint;
use crate::store::{Batch, Store, StoreError};
use crate::vault::Vault;
use queue::{Job, Queue};
pub(crate) use writability::Writability;

/// Commands of one batch at most: where thousands wait, twice as many halve what a batch costs by
/// itself; where few do, its batches are small whatever stands here (docs/decisions/0015).
pub const MAX_BATCH_COMMANDS: usize = 512;
/// Bytes of one batch at most.
pub const MAX_BATCH_BYTES: usize = 2 << 20;
/// Of one batch request at most so many orders in one batch: half, so that others get through.
pub const MAX_OF_ONE_REQUEST: usize = 256;
/// Receipts that are worth a second core: below, handing work over costs more than signing.
const SIGN_IN_PARALLEL_FROM: usize = 8;
/// How often an unknown commit or a store that does not answer is tried before waiters are told.
const ATTEMPTS: u32 = 4;

/// No durable answer: nothing is known of the outcome. The caller repeats with the same key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The queue is full.
    #[error("the queue is full")]
    QueueFull,
    /// The gateway is shutting down.
    #[error("shutting down")]
    Closing,
    /// The store did not answer, or its answer was lost.
    #[error("no durable answer: {0}")]
    Store(StoreError),
    /// The batch ended without an answer.
    #[error("the batch ended without an answer")]
    Lost,
    /// This command alone contradicts the database: a fault of ours.
    #[error("this command contradicts the database: {0}")]
    Culprit(StoreError),
}

/// A transaction as it can be rendered: with what its two members are called.
#[derive(Clone, Debug)]
pub struct TransactionView {
    /// The transaction.
    pub record: TransactionRecord,
    /// Its receipt, once completed.
    pub receipt: Option<StoredReceipt>,
    /// What brands are asked for it, while it is under way and where it has failed.
    pub saga: Option<Saga>,
    /// Its source's member; none once forgotten.
    pub source_member: Option<MemberRef>,
    /// Its target's member; none once forgotten.
    pub target_member: Option<MemberRef>,
}

/// The answer to a command.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What became of it.
    pub decided: Decided,
    /// The transaction it made just now; a replayed one is read from the store.
    pub transaction: Option<Box<TransactionView>>,
}

/// What the sequencer works with.
pub struct Sequencer {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) key: Arc<SigningKey>,
    pub(crate) registry: watch::Sender<Arc<Registry>>,
    pub(crate) clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    pub(crate) queue: Arc<Queue>,
    /// What the last batch has left; none while one is under way, and after one that failed.
    pub(crate) kept: Mutex<Option<Kept>>,
    pub(crate) writability: Writability,
    /// Counts the commits that have told anybody anything.
    pub(crate) told: watch::Sender<u64>,
    /// Told when something was written that a brand is to be asked.
    pub(crate) sagas_written: Notify,
}

impl Sequencer {
    /// Works until the queue is closed and drained.
    pub async fn run(self: Arc<Self>) {
        while let Some(jobs) = self.queue.take().await {
            let this = self.clone();
            let batch = tokio::spawn(async move { this.work(jobs).await });
            if let Err(error) = batch.await {
                // The jobs went down with the task: their waiters see a closed channel.
                tracing::error!(%error, "a batch ended without an answer");
            }
        }
    }

    async fn work(&self, jobs: Vec<Job>) {
        let mut unsure = false;
        match self.attempt(&jobs, &mut unsure).await {
            Ok(answers) => {
                answer(jobs, answers);
                failpoint!("sequencer::answered", ignored);
            }
            Err(error @ StoreError::Contradiction(_)) if jobs.len() > 1 => {
                tracing::error!(%error, commands = jobs.len(), "replaying a batch one by one");
                for job in jobs {
                    let one = vec![job];
                    // What the batch may have committed, each of its commands may have.
                    match self.attempt(&one, &mut unsure.clone()).await {
                        Ok(answers) => answer(one, answers),
                        Err(error) => refuse(one, &error),
                    }
                }
            }
            Err(error) => refuse(jobs, &error),
        }
    }

    /// Tries until the outcome is known, or patience ends. `unsure` from the moment that a commit's
    /// outcome has been unknown.
    async fn attempt(&self, jobs: &[Job], unsure: &mut bool) -> Result<Vec<Answer>, StoreError> {
        let mut last = StoreError::Unavailable("not tried".to_owned());
        for attempt in 0..ATTEMPTS {
            match self.once(jobs, *unsure).await {
                Ok(answers) => {
                    self.writability.succeeded();
                    return Ok(answers);
                }
                Err(error @ (StoreError::UnknownCommit(_) | StoreError::Unavailable(_))) => {
                    *unsure |= matches!(error, StoreError::UnknownCommit(_));
                    tracing::warn!(%error, attempt, "a batch is tried again");
                    last = error;
                    tokio::time::sleep(Duration::from_millis(50 << attempt)).await;
                }
                Err(error) => return Err(error),
            }
        }
        self.writability.failed(&last);
        Err(if *unsure { StoreError::UnknownCommit(last.to_string()) } else { last })
    }

    /// One database transaction: lock, load, decide, chain, sign, commit.
    async fn once(&self, jobs: &[Job], unsure: bool) -> Result<Vec<Answer>, StoreError> {
        failpoint!("sequencer::taken");
        // Lock. From here to the commit nobody else writes.
        let kept = self.kept().take();
        let mut batch = self.store.begin().await?;
        failpoint!("sequencer::locked");
        let registry = self.registry_under_lock(batch.as_mut()).await?;
        self.fits(&registry)?;
        let now = (self.clock)();
        if !jobs.iter().all(|job| job.command.needs_no_signature()) {
            self.may_sign(&registry, now)?;
        }
        // Load: what the batch before this one has not left here.
        let orders = jobs.iter().all(|job| kept::is_order(&job.command));
        let (number, continues) = (batch.number(), batch.continues());
        let kept = kept.filter(|kept| orders && continues && kept.holds_for(number, now));
        let since = kept.as_ref().map_or(now, Kept::since);
        let mut wanted = Wanted::default();
        for job in jobs {
            wanted.add(&registry, &job.command);
        }
        if let Some(kept) = &kept {
            wanted.without(kept);
        }
        let loaded = batch.load(&wanted).await?;
        failpoint!("sequencer::loaded");
        // Decide. Synchronous and pure; `now` was read once.
        let vault = self.vault.clone();
        let mut set = WorkingSet::resume(registry.clone(), vault, kept, loaded, &wanted);
        let decided: Vec<Decided> = jobs
            .iter()
            .map(|job| {
                let decided = ledger::decide(&mut set, &job.command, now);
                first_answer(decided, job, &registry, unsure)
            })
            .collect();
        let unsigned = receipts::chain(&mut set, now, self.key.kid());
        ledger::events::pack(&mut set, now);
        ledger::master::settle(&mut set);
        failpoint!("sequencer::decided");
        // Documents are few, and nothing is written ahead that lacks its signature.
        self.sign_documents(&mut set, &registry);
        if unsigned.len() < SIGN_IN_PARALLEL_FROM {
            set.writes.receipts = unsigned;
            receipts::sign(&mut set.writes.receipts, &self.key);
        } else {
            // The other cores sign while the database takes what needs no signature.
            let signing = start_signing(unsigned, &self.key);
            batch.write_ahead(&set.writes).await?;
            set.writes.receipts = signed(signing).await?;
        }
        failpoint!("sequencer::signed");
        // Commit. When this answers, everything below is durable; nothing of it was before.
        let written = !set.writes.is_empty();
        if written {
            batch.commit(&set.writes).await?;
            failpoint!("sequencer::committed");
            tell_of_campaigns(&set);
            if !set.writes.events.is_empty() {
                self.told.send_modify(|commits| *commits = commits.wrapping_add(1));
            }
            if !set.writes.sagas.is_empty() {
                self.sagas_written.notify_one();
            }
        }
        if set.writes.changes_registry() {
            self.refresh_after_commit().await;
        }
        let answers = answers(&mut set, decided);
        if orders {
            // A batch that wrote nothing is rolled back, its number with it.
            let left_by = if written { number } else { number - 1 };
            *self.kept() = Some(set.into_kept(left_by, since));
        }
        Ok(answers)
    }

    /// With a key that the root key has revoked nothing is signed any more, and so nothing written
    /// but what needs no signature: the list that says which key may.
    fn may_sign(&self, registry: &Registry, now: Timestamp) -> Result<(), StoreError> {
        let refused = |why: MayNotSign| StoreError::Unavailable(why.to_string());
        registry.may_sign(self.key.kid(), now).map_err(refused)
    }

    /// Without the master keys that the books name nothing is written: it would be under another
    /// one. Nothing is read either, as a member would look unknown who is not.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] says which key is not here.
    pub(crate) fn fits(&self, registry: &Registry) -> Result<(), StoreError> {
        let unfit = |fault: MasterKeyFault| StoreError::Unavailable(fault.to_string());
        registry.master_keys.fit(&self.vault).map_err(unfit)
    }

    fn kept(&self) -> MutexGuard<'_, Option<Kept>> {
        // Nothing panics while holding the lock.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the store takes what is written: what the last batch knows, or a commit of nothing
    /// where that is a while ago.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn can_write(&self) -> Result<(), StoreError> {
        if self.writability.known()? {
            return Ok(());
        }
        self.store.begin().await?.commit(&Writes::default()).await?;
        self.writability.succeeded();
        Ok(())
    }

    /// The registry as of this batch: read again only when its version moved on.
    async fn registry_under_lock(
        &self,
        batch: &mut dyn Batch,
    ) -> Result<Arc<Registry>, StoreError> {
        let known = self.registry.borrow().clone();
        if batch.registry_version() == known.seen_version {
            return Ok(known);
        }
        match batch.registry().await? {
            None => Ok(known),
            Some((version, parts)) => Ok(self.publish(version, parts)),
        }
    }

    /// What was committed stays so: a registry that cannot be read now is no reason to decide the
    /// batch again. The next batch reads it under the lock, and whoever polls sooner.
    async fn refresh_after_commit(&self) {
        if let Err(error) = self.refresh().await {
            tracing::warn!(%error, "the registry cannot be read after its commit");
        }
    }

    /// Reads the registry and publishes it where it is newer.
    ///
    /// # Errors
    /// What the store says.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        if let Some((version, parts)) = self.store.registry().await? {
            self.publish(version, parts);
        }
        Ok(())
    }

    fn publish(&self, version: i64, parts: RegistryParts) -> Arc<Registry> {
        self.registry.send_if_modified(|current| {
            let newer = version > current.seen_version;
            if newer {
                *current = Arc::new(current.after(version, parts));
            }
            newer
        });
        self.registry.borrow().clone()
    }

    /// A board, erasures and a new partner key list are signed like receipts: before the commit.
    fn sign_documents(&self, set: &mut WorkingSet, before: &Registry) {
        if let Some(row) = &set.writes.board {
            let payload = row.board.payload();
            set.writes.board_jws = Some(jws::sign(JwsType::Board, &payload, &self.key));
        }
        for row in &mut set.writes.erasures {
            row.jws = Some(row.erasure.sign(&self.key));
        }
        if !set.writes.changes_partner_keys() {
            return;
        }
        let previous = jws::parse(&before.partner_keys_jws).ok();
        let number = previous
            .as_ref()
            .and_then(|jws| json::read::<KeyStatement>(&jws.payload).ok())
            .map_or(1, |statement| statement.number + 1);
        let previous = previous.map_or(Hash::ZERO, |jws| Hash::of(&jws.payload));
        let alliance = before.definition.alliance.to_string();
        let keys = keys::jwks(&set.listed_keys());
        let statement = KeyStatement { alliance, keys, number, previous };
        set.writes.partner_keys_jws = Some(statement.sign(&self.key));
    }
}

/// Says what operators should know of campaigns at once: a warning level, a red line.
fn tell_of_campaigns(set: &WorkingSet) {
    for record in set.writes.campaigns.values() {
        let (id, name) = (record.id, record.campaign.name.as_str());
        let before = set.registry.campaign(&id).map_or(0, |before| before.warned);
        if record.warned > before {
            tracing::warn!(campaign = %id, name, level = record.warned, "a campaign's budget goes");
        }
        if record.stopped_at.is_some() && record.stopped_by.is_none() {
            tracing::warn!(campaign = %id, name, "a campaign has stopped at its red line");
        }
    }
}

/// After an unknown commit, what is found of our own first try is its answer: a key that this very
/// request has used is no replay to the caller, and an import whose rows are all here was done.
fn first_answer(mut decided: Decided, job: &Job, registry: &Registry, unsure: bool) -> Decided {
    if !unsure {
        return decided;
    }
    let own = job.command.keyed().map(|keyed| keyed.request.id);
    if decided.replayed && decided.first_request == own {
        decided.replayed = false;
    }
    let rows = match &job.command {
        Command::ImportMembers(members) => members.len(),
        Command::ImportLinks(links) => links.len(),
        _ => 0,
    };
    if let Outcome::BadRows(faults) = &decided.outcome
        && ledger::is_here_whole(rows, faults)
    {
        decided.outcome = Outcome::Done(rows);
    }
    if let Command::Observe(observations) = &job.command
        && ledger::feeds::are_here_whole(registry, observations)
    {
        decided.outcome = Outcome::Done(observations.len());
    }
    decided
}

/// Receipts that are being signed, in parts.
type Signing = Vec<JoinHandle<Vec<StoredReceipt>>>;

/// Starts to sign, a part on each core.
fn start_signing(mut unsigned: Vec<StoredReceipt>, key: &Arc<SigningKey>) -> Signing {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let part = unsigned.len().div_ceil(cores);
    let mut signing = Vec::with_capacity(cores);
    while !unsigned.is_empty() {
        let rest = unsigned.split_off(part.min(unsigned.len()));
        let mut mine = std::mem::replace(&mut unsigned, rest);
        let key = key.clone();
        signing.push(tokio::task::spawn_blocking(move || {
            receipts::sign(&mut mine, &key);
            mine
        }));
    }
    signing
}

/// The receipts, once all are signed, in their order.
async fn signed(signing: Signing) -> Result<Vec<StoredReceipt>, StoreError> {
    let mut signed = Vec::new();
    for part in signing {
        signed.extend(part.await.map_err(|error| StoreError::Unavailable(error.to_string()))?);
    }
    Ok(signed)
}

/// The answers, as they can be rendered: what the batch has made moves out of the set.
fn answers(set: &mut WorkingSet, decided: Vec<Decided>) -> Vec<Answer> {
    let receipts = std::mem::take(&mut set.writes.receipts);
    let mut receipts: HashMap<TransactionId, StoredReceipt> =
        receipts.into_iter().map(|receipt| (receipt.transaction, receipt)).collect();
    decided
        .into_iter()
        .map(|decided| {
            // A replay of what the same batch has made finds it taken: it is read from the store.
            let transaction = match decided.outcome {
                Outcome::Transaction(id) if !decided.replayed => {
                    let record = set.transaction(&id).cloned();
                    let receipt = receipts.remove(&id);
                    record
                        .filter(|record| receipt.is_some() || record.completed_at.is_none())
                        .map(|record| Box::new(view(set, record, receipt)))
                }
                _ => None,
            };
            Answer { decided, transaction }
        })
        .collect()
}

fn view(
    set: &WorkingSet,
    record: TransactionRecord,
    receipt: Option<StoredReceipt>,
) -> TransactionView {
    let name = |member: Option<crate::command::MemberNo>| {
        member.and_then(|member| set.member(member)).and_then(|member| member.reference.clone())
    };
    let [source_member, target_member] = record.members().map(name);
    TransactionView {
        source_member,
        target_member,
        saga: set.sagas.get(&record.id).cloned(),
        record,
        receipt,
    }
}

fn answer(jobs: Vec<Job>, answers: Vec<Answer>) {
    for (job, answer) in jobs.into_iter().zip(answers) {
        job.answer(Ok(answer));
    }
}

fn refuse(jobs: Vec<Job>, error: &StoreError) {
    let alone = jobs.len() == 1;
    for job in jobs {
        let refusal = match error {
            StoreError::Contradiction(_) if alone => Unavailable::Culprit(error.clone()),
            _ => Unavailable::Store(error.clone()),
        };
        job.answer(Err(refusal));
    }
}
