//! A gateway as a process: the real clearing house on a runtime of its own, whose time stands
//! still until it is let run. Dropping the runtime is the kill: every task ends at the `await` it
//! is at.
//!
//! This file is the only one that knows how the product is started and asked.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use alliance_settlement::alliance::Registry;
use alliance_settlement::clearing_house::{ClearingHouse, Settings, StartError};
use alliance_settlement::command::Command;
use alliance_settlement::sequencer::{Answer, Unavailable};
use tokio::runtime::{Builder, Runtime};

use crate::store::StagedStore;

/// An answer to a delivery.
pub type Answered = (u64, Result<Answer, Unavailable>);

type Outbox = Arc<Mutex<Vec<Answered>>>;
type Door = Arc<Mutex<Option<Result<ClearingHouse, StartError>>>>;

pub struct Gateway {
    process: Option<Process>,
    /// Times it was started.
    pub lives: usize,
}

struct Process {
    runtime: Runtime,
    door: Door,
    outbox: Outbox,
}

fn take<T: Default>(shared: &Mutex<T>) -> T {
    std::mem::take(&mut *shared.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Gateway {
    pub const fn new() -> Self {
        Self { process: None, lives: 0 }
    }

    /// Starts the process; it comes up as the world lets it run.
    pub fn boot(&mut self, settings: Settings, store: StagedStore) {
        self.lives += 1;
        // Tasks that were woken from outside come first, always: else how many turns the signing
        // threads took would decide what runs next.
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .global_queue_interval(1)
            .build()
            .unwrap();
        let door: Door = Arc::default();
        let opened = door.clone();
        runtime.spawn(async move {
            let house = ClearingHouse::start_on(settings, Arc::new(store)).await;
            *opened.lock().unwrap_or_else(PoisonError::into_inner) = Some(house);
        });
        self.process = Some(Process { runtime, door, outbox: Outbox::default() });
    }

    /// Kills the process. Open transactions of its own are in limbo where the stage says so.
    pub fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            drop(take(&process.door));
            drop(process.runtime);
        }
    }

    pub const fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// Whether its start failed: such a process has ended by itself.
    pub fn has_failed(&self) -> bool {
        self.with_door(|door| matches!(door, Some(Err(_)))).unwrap_or(false)
    }

    pub fn is_up(&self) -> bool {
        self.with_door(|door| matches!(door, Some(Ok(_)))).unwrap_or(false)
    }

    fn with_door<T>(
        &self,
        look: impl FnOnce(&Option<Result<ClearingHouse, StartError>>) -> T,
    ) -> Option<T> {
        let process = self.process.as_ref()?;
        Some(look(&process.door.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    fn house(&self) -> Option<ClearingHouse> {
        self.with_door(|door| match door {
            Some(Ok(house)) => Some(house.clone()),
            _ => None,
        })?
    }

    /// The agreements as this gateway knows them.
    pub fn registry(&self) -> Option<Arc<Registry>> {
        Some(self.house()?.registry())
    }

    /// Hands a command over; false where nobody opens.
    pub fn deliver(&mut self, delivery: u64, command: Command) -> bool {
        let Some(house) = self.house() else { return false };
        let Some(process) = &self.process else { return false };
        let outbox = process.outbox.clone();
        process.runtime.spawn(async move {
            let answer = house.submit(command).await;
            let mut outbox = outbox.lock().unwrap_or_else(PoisonError::into_inner);
            outbox.push((delivery, answer));
        });
        true
    }

    /// Begins something on its runtime; nothing where nobody opens.
    pub fn spawn<F>(&self, work: impl FnOnce(ClearingHouse) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        if let (Some(house), Some(process)) = (self.house(), &self.process) {
            process.runtime.spawn(work(house));
        }
    }

    /// Lets it run until it waits for the world, and so many milliseconds of its time.
    pub fn run(&mut self, millis: u64) {
        if let Some(process) = &self.process {
            let time = Duration::from_millis(millis);
            process.runtime.block_on(async { tokio::time::sleep(time).await });
        }
    }

    /// Lets each of its tasks take a turn, and stops it there.
    pub fn turn(&mut self) {
        if let Some(process) = &self.process {
            process.runtime.block_on(tokio::task::yield_now());
        }
    }

    /// What it has answered since.
    pub fn answers(&mut self) -> Vec<Answered> {
        self.process.as_ref().map(|process| take(&process.outbox)).unwrap_or_default()
    }
}
