//! The stage: what gateways share without knowing it. Every call to a store stops at a gate until
//! the world says how it goes on; every commit passes the auditor; every gateway reads its own
//! clock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use alliance_contracts::time::Timestamp;
use alliance_settlement::ledger::Writes;
use alliance_settlement::store::Batch;
use tokio::sync::oneshot;

use crate::auditor::deals::Deals;
use crate::auditor::{Auditor, Excuse};
use crate::dice::Dice;

/// A failed store or a lost answer is tried so often before waiters are told.
const ATTEMPTS: usize = 4;

/// Where a gateway stands in its work on a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    Begin,
    Registry,
    Load,
    Commit,
}

/// How it goes on from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Go,
    /// The store does not answer; nothing was written.
    Fail,
    /// The row was taken away from a gateway that hung: the others go on, it learns of it later.
    RowLost,
    /// Nothing is written, and nobody knows.
    LostBefore,
    /// Everything is written, and nobody knows.
    LostAfter,
    /// The answer is lost while the database still works on it, row in hand.
    LostLate {
        commits: bool,
    },
    /// The database says that the batch contradicts it.
    Contradiction,
    /// It is done, and the gateway dies before it hears so.
    DoneUnheard,
}

/// A call that waits for its verdict.
pub struct Gate {
    pub gateway: usize,
    pub point: Point,
    pub verdict: oneshot::Sender<Verdict>,
}

/// The row in the hands of nobody: a dead gateway's transaction that the database has not ended
/// yet, or a commit that it still works on.
pub struct Limbo {
    pub batch: Box<dyn Batch>,
    /// Written when it ends; none: rolled back.
    pub writes: Option<(Writes, Vec<i64>)>,
    pub steps: usize,
}

/// What is kept of a gateway.
#[derive(Default)]
pub struct Seat {
    /// Its clock, in milliseconds.
    pub clock: i64,
    /// How far it is off.
    pub skew: i64,
    /// What it has read from it since it took the row.
    pub readings: Vec<i64>,
    /// Its open transactions outlive it.
    pub holding: bool,
    /// How often its clock has jumped.
    pub jumps: u64,
    /// Faults in a row.
    faults: usize,
    contradicted: bool,
}

pub struct Stage {
    pub auditor: Auditor,
    /// The model of agreements, campaigns and boards, in the world that has any.
    pub deals: Option<Deals>,
    /// Whether the auditor predicts what becomes of every command.
    pub watched: bool,
    /// The first thing that should not be.
    pub finding: Option<String>,
    pub waiting: Vec<Gate>,
    pub limbo: Vec<Limbo>,
    pub seats: Vec<Seat>,
    /// Reads outside a batch fail so often in a thousand.
    pub read_faults: usize,
    pub dice: Dice,
}

/// A handle on it.
#[derive(Clone)]
pub struct SharedStage(Arc<Mutex<Stage>>);

impl SharedStage {
    pub fn new(auditor: Auditor, gateways: usize, dice: Dice) -> Self {
        Self(Arc::new(Mutex::new(Stage {
            auditor,
            deals: None,
            watched: true,
            finding: None,
            waiting: Vec::new(),
            limbo: Vec::new(),
            seats: (0..gateways).map(|_| Seat::default()).collect(),
            read_faults: 0,
            dice,
        })))
    }

    pub fn lock(&self) -> MutexGuard<'_, Stage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This gateway's clock; what it reads is noted.
    pub fn clock(&self, gateway: usize) -> Arc<dyn Fn() -> Timestamp + Send + Sync> {
        let stage = self.clone();
        Arc::new(move || {
            let mut stage = stage.lock();
            let seat = &mut stage.seats[gateway];
            let now = seat.clock;
            if seat.readings.last() != Some(&now) {
                seat.readings.push(now);
            }
            Timestamp::from_millis(now)
        })
    }

    /// Stops at a gate.
    pub async fn gate(&self, gateway: usize, point: Point) -> Verdict {
        let (verdict, told) = oneshot::channel();
        self.lock().waiting.push(Gate { gateway, point, verdict });
        match told.await {
            Ok(verdict) => verdict,
            // The world is over; nothing goes on.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Stage {
    pub fn find(&mut self, finding: String) {
        self.finding.get_or_insert(finding);
    }

    /// A batch has been written.
    pub fn committed(&mut self, writes: &Writes, readings: &[i64]) {
        if self.finding.is_some() {
            return;
        }
        if let Some(deals) = &mut self.deals
            && let Err(finding) = deals.committed(writes, readings)
        {
            self.find(finding);
        }
        if !self.watched {
            return;
        }
        if let Err(finding) = self.auditor.committed(writes, readings) {
            self.find(format!("commit {}: {finding}", self.auditor.books.commits));
        }
    }

    /// A batch cannot be written, says the store by itself. Orders never come to that: what is
    /// there already was loaded under the lock. Two imports of one thing in one batch may.
    pub fn refused(&mut self, writes: &Writes, error: &str) {
        let imports = !writes.members.is_empty() || !writes.links.is_empty();
        if !imports && writes.definition.is_none() {
            self.find(format!("a batch of orders: {error}"));
        }
    }

    pub fn fault(&mut self, gateway: usize) {
        self.seats[gateway].faults += 1;
    }

    pub fn contradict(&mut self, gateway: usize) {
        self.seats[gateway].contradicted = true;
    }

    pub fn went_well(&mut self, gateway: usize) {
        self.seats[gateway].faults = 0;
        self.seats[gateway].contradicted = false;
    }

    /// For what a gateway may give up after what was done to it.
    pub fn excuse(&self, gateway: usize) -> Excuse {
        let seat = &self.seats[gateway];
        Excuse {
            store: seat.faults >= ATTEMPTS,
            contradiction: seat.contradicted,
            after_fault: seat.faults > 0,
            clock: seat.clock,
            jumps: seat.jumps,
        }
    }
}
