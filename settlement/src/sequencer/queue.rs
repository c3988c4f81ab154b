//! The queue before the sequencer: bounded, fair, and closable.
//!
//! One lane a partner, taken round-robin: a partner that sends a thousand orders at once waits
//! behind its own, not in front of the others. A full queue says so at once; memory is bounded by
//! [`CAPACITY`] commands.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use alliance_contracts::ids::RequestId;
use alliance_contracts::names::PartnerId;
use tokio::sync::{Notify, oneshot};

use super::{Answer, MAX_BATCH_BYTES, MAX_BATCH_COMMANDS, MAX_OF_ONE_REQUEST, Unavailable};
use crate::command::Command;

/// Commands that may wait. At 5,000 a second they wait for less than two seconds.
pub const CAPACITY: usize = 8_192;

/// Bytes that a command is counted as beside its request's body: ids, names, hashes.
const COMMAND_BYTES: usize = 1_024;

/// A command that waits, and whoever waits for it.
pub struct Job {
    /// What is asked.
    pub command: Command,
    reply: oneshot::Sender<Result<Answer, Unavailable>>,
}

impl Job {
    /// Answers the waiter, if it is still there.
    pub fn answer(self, answer: Result<Answer, Unavailable>) {
        // A waiter that has gone learns the outcome by its key.
        let _ = self.reply.send(answer);
    }

    fn bytes(&self) -> usize {
        let body = self.command.keyed().and_then(|keyed| keyed.request.body.as_ref());
        COMMAND_BYTES + body.map_or(0, Vec::len)
    }

    /// Whether it gets a batch of its own: what it changes, the registry, is read once a batch; or
    /// rows that other commands of the batch would have loaded as they were.
    fn is_alone(&self) -> bool {
        matches!(
            self.command,
            Command::Define(_)
                | Command::Suspend(..)
                | Command::NameMasterKey(_)
                | Command::BeginRotation(_)
                | Command::Rekey(_)
                | Command::EndRotation(_)
                | Command::CloseWindow(_)
                | Command::NetWindow(_)
                | Command::PostAdjustments(_)
                | Command::ProposeSettlement(_)
                | Command::ApproveSettlement(..)
                | Command::WithdrawSettlement(..)
                | Command::ImportBank(_)
        )
    }

    fn request(&self) -> Option<RequestId> {
        self.command.keyed().map(|keyed| keyed.request.id)
    }
}

#[derive(Default)]
struct State {
    lanes: HashMap<Option<PartnerId>, VecDeque<Job>>,
    turn: VecDeque<Option<PartnerId>>,
    waiting: usize,
    closed: bool,
}

/// The queue.
pub struct Queue {
    state: Mutex<State>,
    arrived: Notify,
    capacity: usize,
}

impl Default for Queue {
    fn default() -> Self {
        Self::new(CAPACITY)
    }
}

impl Queue {
    /// A queue for so many commands.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { state: Mutex::default(), arrived: Notify::new(), capacity }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while holding the lock, and a half-done push would still be a queue.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a command in its lane; the receiver gets the answer after the commit.
    ///
    /// # Errors
    /// [`Unavailable::QueueFull`], [`Unavailable::Closing`].
    pub fn push(
        &self,
        command: Command,
    ) -> Result<oneshot::Receiver<Result<Answer, Unavailable>>, Unavailable> {
        let (reply, receiver) = oneshot::channel();
        {
            let mut state = self.state();
            if state.closed {
                return Err(Unavailable::Closing);
            }
            if state.waiting >= self.capacity {
                return Err(Unavailable::QueueFull);
            }
            let name = command.keyed().map(|keyed| keyed.partner.clone());
            let lane = state.lanes.entry(name.clone()).or_default();
            lane.push_back(Job { command, reply });
            if lane.len() == 1 {
                state.turn.push_back(name);
            }
            state.waiting += 1;
        }
        self.arrived.notify_one();
        Ok(receiver)
    }

    /// How many commands wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.state().waiting
    }

    /// Lets nothing more in; what is waiting is still taken.
    pub fn close(&self) {
        self.state().closed = true;
        self.arrived.notify_one();
    }

    /// What is waiting, up to a batch; waits where nothing is. None once closed and drained.
    pub async fn take(&self) -> Option<Vec<Job>> {
        loop {
            {
                let mut state = self.state();
                let jobs = state.take_batch();
                if !jobs.is_empty() {
                    return Some(jobs);
                }
                if state.closed {
                    return None;
                }
            }
            self.arrived.notified().await;
        }
    }
}

impl State {
    fn take_batch(&mut self) -> Vec<Job> {
        // What has no partner has this lane, and what is rare goes first.
        if self.lanes.get(&None).and_then(VecDeque::front).is_some_and(Job::is_alone) {
            self.turn.retain(Option::is_some);
            self.turn.push_front(None);
            return self.take_one(&None).into_iter().collect();
        }
        let mut jobs = Vec::new();
        let mut bytes = 0;
        let mut of_request: HashMap<RequestId, usize> = HashMap::new();
        let mut passed_over = 0;
        while jobs.len() < MAX_BATCH_COMMANDS && passed_over < self.turn.len() {
            let Some(name) = self.turn.front().cloned() else { break };
            let fits = self.lanes.get(&name).and_then(VecDeque::front).is_some_and(|job| {
                if job.is_alone() {
                    return false;
                }
                let taken = job.request().and_then(|id| of_request.get(&id)).copied();
                taken.unwrap_or(0) < MAX_OF_ONE_REQUEST
                    && (jobs.is_empty() || bytes + job.bytes() <= MAX_BATCH_BYTES)
            });
            if !fits {
                passed_over += 1;
                self.turn.rotate_left(1);
                continue;
            }
            passed_over = 0;
            if let Some(job) = self.take_one(&name) {
                bytes += job.bytes();
                if let Some(id) = job.request() {
                    *of_request.entry(id).or_insert(0) += 1;
                }
                jobs.push(job);
            }
        }
        jobs
    }

    /// The first job of the lane whose turn it is, which goes to the end of the turns.
    fn take_one(&mut self, name: &Option<PartnerId>) -> Option<Job> {
        self.turn.pop_front();
        let lane = self.lanes.get_mut(name)?;
        let job = lane.pop_front()?;
        self.waiting -= 1;
        if lane.is_empty() {
            self.lanes.remove(name);
        } else {
            self.turn.push_back(name.clone());
        }
        Some(job)
    }
}
