//! When to try again, how long to wait before, and when to leave a struggling gateway alone.

use std::sync::Mutex;
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use tokio::time::Instant;

/// How a call is retried. Only answers that leave the outcome open are: connections that break,
/// 408, 425, 429, 5xx and `409 idempotency_in_flight`; every other refusal is final.
///
/// The wait before attempt *n* + 1 is drawn evenly from zero to `base × 2ⁿ⁻¹`, `cap` at most
/// (full jitter); a `Retry-After` of the gateway is kept to instead.
///
/// ```
/// use alliance_partner_sdk::client::RetryPolicy;
/// use std::time::Duration;
/// let patient = RetryPolicy { deadline: Duration::from_secs(120), ..RetryPolicy::default() };
/// let once = RetryPolicy { max_attempts: 1, ..RetryPolicy::default() };
/// # let _ = (patient, once);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in all, the first included. 10 unless set.
    pub max_attempts: u32,
    /// The longest wait before the first retry. 100 ms unless set.
    pub base: Duration,
    /// The longest wait between two attempts. 5 s unless set.
    pub cap: Duration,
    /// One attempt takes no longer. 10 s unless set.
    pub attempt_timeout: Duration,
    /// All attempts and waits together take no longer. 30 s unless set.
    pub deadline: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 10,
            base: Duration::from_millis(100),
            cap: Duration::from_secs(5),
            attempt_timeout: Duration::from_secs(10),
            deadline: Duration::from_secs(30),
        }
    }
}

impl RetryPolicy {
    /// The longest wait after `attempts` attempts.
    fn ceiling(&self, attempts: u32) -> Duration {
        let doublings = attempts.saturating_sub(1).min(20);
        self.base.saturating_mul(1 << doublings).min(self.cap)
    }

    /// A random wait after `attempts` attempts.
    pub(super) fn wait(&self, attempts: u32, random: &SystemRandom) -> Duration {
        let nanos = u64::try_from(self.ceiling(attempts).as_nanos()).unwrap_or(u64::MAX);
        let mut bytes = [0; 8];
        // Without randomness all clients would return at once: then rather wait the whole time.
        let drawn = match random.fill(&mut bytes) {
            Ok(()) => u64::from_le_bytes(bytes),
            Err(_) => u64::MAX,
        };
        let share = (u128::from(nanos) * u128::from(drawn)) >> 64;
        Duration::from_nanos(u64::try_from(share).unwrap_or(nanos))
    }
}

const CAPACITY: u32 = 500;
const RETRY_COST: u32 = 5;
const GAIN: u32 = 1;
const DAY_SECONDS: u64 = 24 * 60 * 60;

/// The retries that all clones of a client may make together: each costs, each call that ends well
/// gives a little back. When most calls fail it runs dry, and calls are tried once.
#[derive(Debug)]
pub(super) struct RetryBudget(Mutex<u32>);

impl RetryBudget {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(CAPACITY))
    }

    /// Takes the price of a retry, if it is there.
    pub(super) fn take(&self) -> bool {
        let mut tokens = self.lock();
        let left = tokens.checked_sub(RETRY_COST);
        *tokens = left.unwrap_or(*tokens);
        left.is_some()
    }

    /// Gives back for a call that ended well after `retries` retries.
    pub(super) fn give_back(&self, retries: u32) {
        let mut tokens = self.lock();
        let gain = if retries == 0 { GAIN } else { RETRY_COST };
        *tokens = tokens.saturating_add(gain).min(CAPACITY);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, u32> {
        // A number is whole whatever thread panicked.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The wait that `Retry-After` asks for, a day at most; its date form is not used by the gateway
/// and not read.
pub(super) fn retry_after(value: Option<&[u8]>) -> Option<Duration> {
    let seconds: u64 = std::str::from_utf8(value?).ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.min(DAY_SECONDS)))
}

/// So much later; a time that no clock reaches stands for ten years.
pub(super) fn later(from: Instant, by: Duration) -> Instant {
    from.checked_add(by).unwrap_or_else(|| from + Duration::from_secs(3_650 * DAY_SECONDS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap() {
        let policy = RetryPolicy::default();
        let millis = |attempts| policy.ceiling(attempts).as_millis();
        assert_eq!([1, 2, 3, 6, 7, 40].map(millis), [100, 200, 400, 3_200, 5_000, 5_000]);
    }

    #[test]
    fn waits_are_spread_over_the_whole_range() {
        let policy = RetryPolicy::default();
        let random = SystemRandom::new();
        let waits: Vec<_> = (0..1_000).map(|_| policy.wait(3, &random)).collect();
        assert!(waits.iter().all(|wait| *wait <= Duration::from_millis(400)));
        assert!(waits.iter().any(|wait| *wait < Duration::from_millis(40)));
        assert!(waits.iter().any(|wait| *wait > Duration::from_millis(360)));
    }

    #[test]
    fn no_deadline_is_too_far() {
        let now = Instant::now();
        assert!(later(now, Duration::MAX) > now);
        assert_eq!(later(now, Duration::from_secs(1)), now + Duration::from_secs(1));
    }

    #[test]
    fn a_budget_runs_dry_and_recovers() {
        let budget = RetryBudget::new();
        assert_eq!((0..200).filter(|_| budget.take()).count(), 100);
        (0..5).for_each(|_| budget.give_back(0));
        assert!(budget.take() && !budget.take());
        budget.give_back(1);
        assert!(budget.take() && !budget.take());
    }

    #[test]
    fn retry_after_is_read_in_seconds_only() {
        assert_eq!(retry_after(Some(b"3")), Some(Duration::from_secs(3)));
        let forever = u64::MAX.to_string();
        assert_eq!(retry_after(Some(forever.as_bytes())), Some(Duration::from_secs(86_400)));
        for other in ["-1", "1.5", "Wed, 21 Oct 2026 07:28:00 GMT", ""] {
            assert_eq!(retry_after(Some(other.as_bytes())), None, "{other}");
        }
    }
}
