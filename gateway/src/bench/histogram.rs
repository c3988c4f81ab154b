//! Latencies, counted in buckets: whatever their number, the same few kilobytes.
//!
//! Buckets are 1 µs wide up to 128 µs, then 64 to each doubling, so that a percentile read from
//! them is at most 1/64 above the true one, and never below it.

use std::time::Duration;

/// Buckets to a doubling.
const STEPS: u64 = 64;
/// Below this, one bucket for each microsecond.
const EXACT: u64 = 2 * STEPS;

/// How often each latency was seen.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    longest: Duration,
}

impl Histogram {
    /// Counts one.
    pub fn record(&mut self, latency: Duration) {
        let bucket = bucket_of(micros(latency));
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += 1;
        self.total += 1;
        self.longest = self.longest.max(latency);
    }

    /// Counts all that another one has counted.
    pub fn add(&mut self, other: &Self) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.total += other.total;
        self.longest = self.longest.max(other.longest);
    }

    /// How many were counted.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// The longest, to the microsecond.
    #[must_use]
    pub const fn longest(&self) -> Duration {
        self.longest
    }

    /// What so many of a hundred did not exceed; zero where nothing was counted.
    #[must_use]
    pub fn percentile(&self, percent: u64) -> Duration {
        let wanted = (self.total * percent).div_ceil(100).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Duration::from_micros(end_of(bucket)).min(self.longest);
            }
        }
        self.longest
    }

    /// How many took longer, to the bucket.
    #[must_use]
    pub fn above(&self, limit: Duration) -> u64 {
        self.counts.iter().skip(bucket_of(micros(limit)) + 1).sum()
    }
}

fn micros(latency: Duration) -> u64 {
    u64::try_from(latency.as_micros()).unwrap_or(u64::MAX)
}

fn bucket_of(micros: u64) -> usize {
    let bucket = if micros < EXACT {
        micros
    } else {
        // The number of doublings above the exact part, and the place within the last of them.
        let doublings = u64::from(micros.ilog2() - STEPS.ilog2());
        doublings * STEPS + (micros >> doublings)
    };
    usize::try_from(bucket).unwrap_or(usize::MAX)
}

/// The longest latency that a bucket counts, in microseconds.
fn end_of(bucket: usize) -> u64 {
    let bucket = u64::try_from(bucket).unwrap_or(u64::MAX);
    if bucket < EXACT {
        return bucket;
    }
    let doublings = bucket / STEPS - 1;
    (((bucket - doublings * STEPS) + 1) << doublings) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_latency_falls_into_a_bucket_that_ends_at_most_a_sixty_fourth_above_it() {
        let mut last = 0;
        for micros in (0..20_000).chain((1..40).map(|n| n * 1_234_567)) {
            let end = end_of(bucket_of(micros));
            assert!(end >= micros && end - micros <= micros / STEPS, "{micros}: {end}");
            assert!(end >= last, "{micros}");
            last = end;
        }
    }

    #[test]
    fn percentiles_are_those_of_the_list() {
        let mut histogram = Histogram::default();
        for millis in 1..=100 {
            histogram.record(Duration::from_millis(millis));
        }
        for percent in [1, 50, 90, 99, 100] {
            let found = histogram.percentile(percent);
            let exact = Duration::from_millis(percent);
            assert!(found >= exact && found <= exact + exact / 64, "{percent}: {found:?}");
        }
        assert_eq!(histogram.longest(), Duration::from_millis(100));
        assert_eq!(histogram.above(Duration::from_millis(90)), 10);
        assert_eq!(Histogram::default().percentile(99), Duration::ZERO);
    }

    #[test]
    fn two_histograms_add_up() {
        let (mut one, mut other) = (Histogram::default(), Histogram::default());
        one.record(Duration::from_micros(5));
        other.record(Duration::from_secs(3));
        one.add(&other);
        assert_eq!((one.total(), one.above(Duration::from_secs(1))), (2, 1));
        assert_eq!(one.longest(), Duration::from_secs(3));
    }
}
