//! The test clock: it can be stopped, put forward and let go, and never goes back, neither by a
//! change nor over a restart: how it stands is in a file before it is told to anybody.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use alliance_contracts::sandbox::{ClockChange, ClockView};
use alliance_contracts::time::Timestamp;
use alliance_settlement::clearing_house::{Clock, ReadTime};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::instance::create;

/// The beginning of the year 3000: no clock is put beyond it.
const LATEST: Timestamp = Timestamp::from_millis(32_503_680_000_000);

/// Why the clock was not set.
#[derive(Debug, thiserror::Error)]
pub enum ClockError {
    /// Nothing was asked for.
    #[error(
        "say what the clock is to do: \"frozen\": true or false, \"advance_seconds\": a number, or \
         both"
    )]
    Nothing,
    /// So far nobody tries.
    #[error("the clock is not put beyond the year 2999")]
    TooFar,
    /// How it stands could not be kept.
    #[error("{0}: {1}")]
    Unwritable(PathBuf, String),
}

/// How the clock stands: beside the machine's, or still.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Standing {
    /// By how much it is ahead of the machine's; behind, where negative.
    ahead_millis: i64,
    /// Where it stands still.
    frozen_at: Option<Timestamp>,
}

/// A clock that is set by hand. Clones are one clock.
#[derive(Clone)]
pub struct TestClock(Arc<Inner>);

struct Inner {
    standing: Mutex<Standing>,
    /// The latest time that anybody was told, in milliseconds: the machine's may be put back.
    told: AtomicI64,
    machine: Clock,
    moved: watch::Sender<()>,
    /// Where its standing is kept; none: nowhere.
    file: Option<PathBuf>,
}

impl TestClock {
    /// One that goes with the machine's, and is kept nowhere.
    #[must_use]
    pub fn new() -> Self {
        Self::standing(Standing::default(), None)
    }

    /// One that is kept in a file: as it stood, or going with the machine's where there is none.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn kept_in(file: &Path) -> io::Result<Self> {
        let standing = match std::fs::read(file) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Standing::default(),
            Err(error) => return Err(error),
        };
        Ok(Self::standing(standing, Some(file.to_owned())))
    }

    fn standing(standing: Standing, file: Option<PathBuf>) -> Self {
        Self(Arc::new(Inner {
            standing: Mutex::new(standing),
            told: AtomicI64::new(i64::MIN),
            machine: Clock::system(),
            moved: watch::Sender::new(()),
            file,
        }))
    }

    /// As a clearing house goes by it.
    #[must_use]
    pub fn clock(&self) -> Clock {
        let inner = self.0.clone();
        let now: ReadTime = Arc::new(move || inner.now());
        Clock::set_by_hand(now, self.0.moved.subscribe())
    }

    /// How it stands.
    #[must_use]
    pub fn view(&self) -> ClockView {
        let frozen = self.0.standing().frozen_at.is_some();
        ClockView { frozen, message_time: self.0.machine.now(), now: self.0.now() }
    }

    /// Sets it: first stopped or let go, then put forward. Let go, it goes on from where it stood.
    ///
    /// # Errors
    /// [`ClockError`]: it goes on as before.
    pub fn change(&self, change: &ClockChange) -> Result<ClockView, ClockError> {
        if *change == ClockChange::default() {
            return Err(ClockError::Nothing);
        }
        let mut standing = self.0.standing();
        let (now, machine) = (self.0.at(*standing), self.0.machine.now());
        let seconds = change.advance_seconds.unwrap_or(0);
        let millis = i64::try_from(seconds).ok().and_then(|seconds| seconds.checked_mul(1_000));
        let then = millis.map(|millis| now.plus_millis(millis)).filter(|then| *then <= LATEST);
        let then = then.ok_or(ClockError::TooFar)?;
        let frozen = change.frozen.unwrap_or(standing.frozen_at.is_some());
        let next = Standing {
            ahead_millis: then.as_millis() - machine.as_millis(),
            frozen_at: frozen.then_some(then),
        };
        self.0.keep(next)?;
        *standing = next;
        drop(standing);
        self.0.moved.send_replace(());
        Ok(self.view())
    }
}

impl Default for TestClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Inner {
    fn standing(&self) -> std::sync::MutexGuard<'_, Standing> {
        // Nothing panics while holding the lock.
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        let standing = self.standing();
        self.at(*standing)
    }

    /// The time as it stands, never before what was told.
    fn at(&self, standing: Standing) -> Timestamp {
        let machine = self.machine.now();
        let time = standing.frozen_at.unwrap_or(machine.plus_millis(standing.ahead_millis));
        let before = self.told.fetch_max(time.as_millis(), Ordering::Relaxed);
        time.max(Timestamp::from_millis(before))
    }

    fn keep(&self, standing: Standing) -> Result<(), ClockError> {
        let Some(file) = &self.file else { return Ok(()) };
        let text = serde_json::to_string_pretty(&standing).unwrap_or_default();
        create::write(file, &format!("{text}\n"))
            .map_err(|error| ClockError::Unwritable(file.clone(), error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const FREEZE: ClockChange = ClockChange { advance_seconds: None, frozen: Some(true) };
    const LET_GO: ClockChange = ClockChange { advance_seconds: None, frozen: Some(false) };

    fn by(seconds: u64) -> ClockChange {
        ClockChange { advance_seconds: Some(seconds), frozen: None }
    }

    #[test]
    fn it_stands_still_goes_forward_and_goes_on_from_where_it_stood() {
        let clock = TestClock::new();
        let frozen = clock.change(&FREEZE).unwrap();
        std::thread::sleep(Duration::from_millis(5));
        assert_eq!(clock.view().now, frozen.now);
        assert_eq!(clock.change(&by(60)).unwrap().now, frozen.now.plus_seconds(60));
        let gone = clock.change(&LET_GO).unwrap();
        assert!(!gone.frozen && gone.now >= frozen.now.plus_seconds(60));
        std::thread::sleep(Duration::from_millis(5));
        let later = clock.view();
        assert!(later.now > gone.now && later.now < gone.now.plus_seconds(30));
        assert!(clock.change(&by(3_600)).unwrap().now >= later.now.plus_seconds(3_600));
    }

    #[test]
    fn what_cannot_be_is_refused_and_changes_nothing() {
        let clock = TestClock::new();
        clock.change(&FREEZE).unwrap();
        let before = clock.view().now;
        for bad in [ClockChange::default(), by(u64::MAX), by(40_000_000_000)] {
            clock.change(&bad).unwrap_err();
        }
        assert_eq!(clock.view().now, before);
    }

    #[test]
    fn it_stands_after_a_restart_as_it_stood_before() {
        let folder = std::env::temp_dir().join(format!("alliance-clock-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("clock.json");
        let both = ClockChange { advance_seconds: Some(7_200), frozen: Some(true) };
        let set = TestClock::kept_in(&file).unwrap().change(&both).unwrap();
        let again = TestClock::kept_in(&file).unwrap();
        assert_eq!((again.view().now, again.view().frozen), (set.now, true));
        let gone = again.change(&LET_GO).unwrap();
        assert!(TestClock::kept_in(&file).unwrap().view().now >= gone.now);
        std::fs::write(&file, "no clock").unwrap();
        assert!(TestClock::kept_in(&file).is_err());
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[tokio::test]
    async fn whoever_waits_is_told() {
        let clock = TestClock::new();
        let mut pauses = clock.clock().pauses();
        clock.change(&by(1)).unwrap();
        let begun = std::time::Instant::now();
        pauses.at_most(Duration::from_secs(30)).await;
        assert!(begun.elapsed() < Duration::from_secs(15));
    }
}
