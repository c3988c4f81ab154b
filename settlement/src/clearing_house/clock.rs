//! The time that a clearing house goes by, and the one way to wait on it.
//!
//! Everything that the books depend on — quotes, boards, holds, retries, deadlines, ends of keys —
//! goes by [`Clock::now`]. Signatures on messages go by [`Clock::message_time`]: partners sign by
//! the world's time, whatever a test clock says. On every machine but a sandbox the two are one.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alliance_contracts::time::Timestamp;
use tokio::sync::watch;

/// Tells the time.
pub type ReadTime = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The clock: handed in, so that tests and sandboxes have their own. Clones are one clock.
#[derive(Clone)]
pub struct Clock {
    now: ReadTime,
    message_time: ReadTime,
    /// Changes when somebody has set the clock; none: nobody can.
    moved: Option<watch::Receiver<()>>,
}

impl Clock {
    /// The machine's.
    #[must_use]
    pub fn system() -> Self {
        Self::told_by(Arc::new(machine_time))
    }

    /// One that is read, and is never said to have been set.
    #[must_use]
    pub fn told_by(now: ReadTime) -> Self {
        Self { message_time: now.clone(), now, moved: None }
    }

    /// One that somebody sets, and says so on the channel; messages go by the machine's.
    #[must_use]
    pub fn set_by_hand(now: ReadTime, moved: watch::Receiver<()>) -> Self {
        Self { now, message_time: Arc::new(machine_time), moved: Some(moved) }
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.now)()
    }

    /// The time that messages are signed at, and their age is judged by.
    #[must_use]
    pub fn message_time(&self) -> Timestamp {
        (self.message_time)()
    }

    /// How the time is read.
    #[must_use]
    pub fn reader(&self) -> ReadTime {
        self.now.clone()
    }

    /// For whoever waits for a time of this clock. Taken before the first look at the clock, no
    /// move of it is missed.
    #[must_use]
    pub fn pauses(&self) -> Pauses {
        let mut moved = self.moved.clone();
        if let Some(moved) = &mut moved {
            moved.mark_unchanged();
        }
        Pauses { moved }
    }
}

/// The machine's time.
fn machine_time() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Pauses between looks at a clock. Not timers: a frozen clock stops none of them, so that what
/// other gateways and people do is still seen; whether its time has come, whoever paused looks up.
pub struct Pauses {
    moved: Option<watch::Receiver<()>>,
}

impl Pauses {
    /// Comes back when so much real time has passed, or as soon as the clock has been set.
    pub async fn at_most(&mut self, longest: Duration) {
        let Some(moved) = &mut self.moved else {
            return tokio::time::sleep(longest).await;
        };
        // Dropped with whoever could set the clock: then only time passes.
        let set = async {
            if moved.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let _ = tokio::time::timeout(longest, set).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn a_pause_ends_when_the_clock_is_set_even_before_it_began() {
        let (set, moved) = watch::channel(());
        let clock = Clock::set_by_hand(Arc::new(machine_time), moved);
        let begun = Instant::now();
        let (mut one, mut other) = (clock.pauses(), clock.pauses());
        set.send_replace(());
        one.at_most(LONG).await;
        other.at_most(LONG).await;
        assert!(begun.elapsed() < LONG / 2);
        // Told once, and from now on to those who begin now.
        let short = Duration::from_millis(20);
        for pauses in [&mut one, &mut clock.pauses()] {
            let begun = Instant::now();
            pauses.at_most(short).await;
            assert!(begun.elapsed() >= short);
        }
        drop(set);
        one.at_most(short).await;
    }

    #[tokio::test]
    async fn a_clock_that_nobody_sets_only_lets_time_pass() {
        let begun = Instant::now();
        Clock::system().pauses().at_most(Duration::from_millis(20)).await;
        assert!(begun.elapsed() >= Duration::from_millis(20));
        let now = Timestamp::from_millis(7);
        let told = Clock::told_by(Arc::new(move || now));
        assert_eq!((told.now(), told.message_time()), (now, now));
    }
}
