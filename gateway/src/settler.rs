//! The settler: windows are closed by the alliance's schedule while a gateway serves, netted as
//! soon as they are closed, and what follows is posted. Every gateway keeps the same times; of each
//! time one window is closed, whichever gateway is first.

use std::sync::Arc;
use std::time::Duration;

use alliance_contracts::time::Timestamp;
use alliance_contracts::window::WindowState;
use alliance_settlement::clearing_house::ClearingHouse;
use alliance_settlement::clearing_house::settling::{Ids, OnProgress};

use crate::draw;
use crate::schedule::{Schedule, day_at};

/// The longest pause: a machine's clock that is set, a schedule that is changed, and windows that
/// somebody else has closed are noticed within it.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A window that another gateway has closed is that one's to net, unless it has not for so long.
const LEFT_BEHIND_SECONDS: i64 = 60;
/// What could not be netted is tried again after so long at least, twice as long each time.
const AGAIN_SECONDS: i64 = 60;
/// And after so long at most.
const AGAIN_SECONDS_AT_MOST: i64 = 3_600;

/// New ids for adjustments.
#[must_use]
pub fn ids() -> Ids {
    Arc::new(|| (draw::id(), draw::id()))
}

/// Nobody is told how far it is.
#[must_use]
pub fn in_silence() -> OnProgress {
    Arc::new(|_| {})
}

/// Closes and nets by the schedule for as long as it is polled.
pub async fn run(house: ClearingHouse) {
    let mut pauses = house.pauses();
    let mut from = house.now();
    let mut again = Again { at: from, seconds: AGAIN_SECONDS };
    loop {
        let registry = house.registry();
        let terms = &registry.definition.settlement;
        let schedule = Schedule::of(&terms.schedule, &terms.time_zone).ok().flatten();
        let now = house.now();
        match schedule.and_then(|schedule| schedule.after(from)) {
            Some(slot) if slot <= now => {
                if close(&house, slot).await {
                    again = again.after(net(&house).await, house.now());
                }
                // What was missed meanwhile is not made up for: one window holds it all.
                from = house.now();
            }
            Some(slot) => {
                let wait = slot.as_millis().saturating_sub(now.as_millis());
                let wait = Duration::from_millis(u64::try_from(wait).unwrap_or(0));
                pauses.at_most(wait.min(LONGEST_PAUSE)).await;
            }
            None => {
                pauses.at_most(LONGEST_PAUSE).await;
                from = house.now();
            }
        }
        if house.now() < from {
            // The clock was set back.
            from = house.now();
            again.at = from;
        }
        if is_left_behind(&house) && again.at <= house.now() {
            again = again.after(net(&house).await, house.now());
        }
    }
}

/// When what could not be netted is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Again {
    at: Timestamp,
    seconds: i64,
}

impl Again {
    /// After an attempt that went well, or did not.
    fn after(self, netted: bool, now: Timestamp) -> Self {
        if netted {
            return Self { at: now, seconds: AGAIN_SECONDS };
        }
        let longer = self.seconds.saturating_mul(2).min(AGAIN_SECONDS_AT_MOST);
        Self { at: now.plus_seconds(self.seconds), seconds: longer }
    }
}

/// Whether a window waits to be netted, or for what follows from it, longer than its gateway takes.
fn is_left_behind(house: &ClearingHouse) -> bool {
    let now = house.now();
    house.registry().windows.iter().any(|window| {
        let waits = window.state == WindowState::Closed || window.to_post.is_some_and(|n| n > 0);
        let since = window.netted_at.or(window.closed_at);
        waits && since.is_some_and(|since| since.plus_seconds(LEFT_BEHIND_SECONDS) <= now)
    })
}

/// Whether this gateway has closed the window of this time of the schedule.
async fn close(house: &ClearingHouse, slot: Timestamp) -> bool {
    let registry = house.registry();
    // A window that is cut off at midnight is that of the day that ends.
    let last = Timestamp::from_millis(slot.as_millis() - 1);
    let Ok(today) = day_at(&registry.definition.settlement.time_zone, last) else { return false };
    match house.close_window(draw::id(), Some(slot), None, today).await {
        Ok(Some(window)) => {
            tracing::info!(%window, %slot, "a settlement window is closed");
            true
        }
        Ok(None) => false,
        Err(error) => {
            tracing::warn!(%error, %slot, "no settlement window is closed");
            false
        }
    }
}

/// Whether nothing waits any more.
async fn net(house: &ClearingHouse) -> bool {
    match house.net_windows(&ids(), &in_silence()).await {
        Ok(windows) => {
            for window in windows {
                tracing::info!(%window, "a settlement window is netted");
            }
            true
        }
        Err(error) => {
            tracing::warn!(%error, "closed settlement windows are not netted");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_netted_is_tried_again_less_and_less_often() {
        let start = Timestamp::from_millis(0);
        let mut again = Again { at: start, seconds: AGAIN_SECONDS };
        let mut waits = Vec::new();
        for _ in 0..8 {
            let now = again.at;
            again = again.after(false, now);
            waits.push((again.at.as_millis() - now.as_millis()) / 1_000);
        }
        assert_eq!(waits, [60, 120, 240, 480, 960, 1_920, 3_600, 3_600]);
        let well = again.after(true, start);
        assert_eq!(well, Again { at: start, seconds: AGAIN_SECONDS });
    }
}
