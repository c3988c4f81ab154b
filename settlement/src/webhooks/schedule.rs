//! When a webhook is sent again, and when not: the schedule that Standard Webhooks recommends.
//!
//! | attempt | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 |
//! | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
//! | after the one before | at once | 5 s | 5 min | 30 min | 2 h | 5 h | 10 h | 14 h | 20 h | 24 h |
//!
//! A little more than three days in all. Each wait is lengthened by a random part of a tenth, so
//! that what failed together does not come back together.

use std::time::Duration;

/// Attempts at most, the first included.
pub const ATTEMPTS: u32 = 10;

/// Seconds before each attempt but the first.
const WAITS: [u64; 9] =
    [5, 5 * 60, 30 * 60, 2 * 3_600, 5 * 3_600, 10 * 3_600, 14 * 3_600, 20 * 3_600, 24 * 3_600];
/// The longest wait that a receiver may ask for.
const LONGEST: u64 = 24 * 3_600;

/// What an attempt has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempted {
    /// No whole answer: connection, time-out, an address that may not be called.
    NoAnswer,
    /// An answer, with the seconds of its `Retry-After` where it has one.
    Answer {
        /// The HTTP status.
        status: u16,
        /// How long the receiver asks to wait.
        retry_after: Option<u64>,
    },
}

impl Attempted {
    /// The status of the answer, where one came.
    #[must_use]
    pub const fn status(self) -> Option<u16> {
        match self {
            Self::NoAnswer => None,
            Self::Answer { status, .. } => Some(status),
        }
    }
}

/// What follows on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The receiver has it.
    Delivered,
    /// The receiver wants no more: the endpoint is disabled.
    Disable,
    /// Again, after so long.
    Again(Duration),
    /// It is not tried any more; it can be sent again by hand.
    Dead,
}

/// What follows on the attempt of this number, from 1; `draw` is random.
///
/// ```
/// use alliance_settlement::webhooks::schedule::{Attempted, Next, next};
/// let taken = Attempted::Answer { status: 204, retry_after: None };
/// assert_eq!(next(1, taken, 0), Next::Delivered);
/// let gone = Attempted::Answer { status: 410, retry_after: None };
/// assert_eq!(next(1, gone, 0), Next::Disable);
/// assert_eq!(next(1, Attempted::NoAnswer, 0), Next::Again(std::time::Duration::from_secs(5)));
/// ```
#[must_use]
pub fn next(attempt: u32, came_to: Attempted, draw: u64) -> Next {
    let asked = match came_to {
        Attempted::Answer { status: 200..=299, .. } => return Next::Delivered,
        Attempted::Answer { status: 410, .. } => return Next::Disable,
        Attempted::Answer { status: 429 | 502..=504, retry_after } => retry_after,
        _ => None,
    };
    let index = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
    let Some(seconds) = WAITS.get(index).copied() else { return Next::Dead };
    let seconds = seconds.max(asked.unwrap_or(0).min(LONGEST));
    let tenth = u128::from(seconds) * 100;
    let more = (tenth * u128::from(draw)) >> 64;
    let more = Duration::from_millis(u64::try_from(more).unwrap_or(0));
    Next::Again(Duration::from_secs(seconds) + more)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, retry_after: Option<u64>) -> Attempted {
        Attempted::Answer { status, retry_after }
    }

    fn wait(next: Next) -> u64 {
        match next {
            Next::Again(wait) => wait.as_secs(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn ten_attempts_take_a_little_more_than_three_days_and_then_it_is_dead() {
        let waits: Vec<u64> =
            (1..ATTEMPTS).map(|attempt| wait(next(attempt, Attempted::NoAnswer, 0))).collect();
        assert_eq!(waits, WAITS);
        let all: u64 = waits.iter().sum();
        assert!((3 * 86_400..4 * 86_400).contains(&all), "{all}");
        for attempt in [ATTEMPTS, ATTEMPTS + 1, u32::MAX] {
            assert_eq!(next(attempt, Attempted::NoAnswer, 0), Next::Dead);
            assert_eq!(next(attempt, answer(500, None), 0), Next::Dead);
        }
    }

    #[test]
    fn a_wait_is_longer_by_a_tenth_at_most_and_never_shorter() {
        for attempt in 1..ATTEMPTS {
            let least = WAITS[attempt as usize - 1];
            let most = next(attempt, Attempted::NoAnswer, u64::MAX);
            let Next::Again(most) = most else { panic!("{most:?}") };
            assert!(
                most > Duration::from_secs(least) && most <= Duration::from_secs(least) * 11 / 10
            );
            let half = next(attempt, Attempted::NoAnswer, u64::MAX / 2);
            let Next::Again(half) = half else { panic!("{half:?}") };
            assert!(half > Duration::from_secs(least) && half < most);
        }
    }

    #[test]
    fn only_a_good_status_is_a_delivery_and_a_redirect_is_none() {
        for status in [200, 201, 204, 299] {
            assert_eq!(next(1, answer(status, None), 0), Next::Delivered);
        }
        for status in [100, 301, 302, 307, 400, 401, 404, 429, 500, 503, 999] {
            assert_eq!(wait(next(1, answer(status, None), 0)), 5, "{status}");
        }
        assert_eq!(next(ATTEMPTS, answer(200, None), 0), Next::Delivered);
        assert_eq!(next(ATTEMPTS, answer(410, None), 0), Next::Disable);
    }

    #[test]
    fn a_receiver_that_asks_for_time_gets_it_up_to_a_day() {
        assert_eq!(wait(next(1, answer(429, Some(120)), 0)), 120);
        for busy in [502, 503, 504] {
            assert_eq!(wait(next(1, answer(busy, Some(60)), 0)), 60, "{busy}");
        }
        // Never sooner than the schedule says, never later than a day.
        assert_eq!(wait(next(2, answer(429, Some(1)), 0)), 300);
        assert_eq!(wait(next(1, answer(429, Some(u64::MAX)), 0)), 86_400);
        // Of another status it is not looked at.
        assert_eq!(wait(next(1, answer(400, Some(3_600)), 0)), 5);
    }
}
