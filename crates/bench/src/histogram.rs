//! Latencies as percentiles.
//!
//! A value falls into one of 32 equal buckets of its power of two, so that a percentile is at most
//! 3 % above the truth, and adding one is a shift and an increment.

use std::time::Duration;

const BUCKETS_PER_POWER: u32 = 32;
const SHIFT: u32 = BUCKETS_PER_POWER.ilog2();

/// A distribution of durations in nanoseconds.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        let buckets = ((64 - SHIFT + 1) * BUCKETS_PER_POWER) as usize;
        Histogram {
            buckets: vec![0; buckets],
            count: 0,
            max: 0,
        }
    }
}

impl Histogram {
    pub(crate) fn add(&mut self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[bucket(nanos)] += 1;
        self.count += 1;
        self.max = self.max.max(nanos);
    }

    /// Takes in what another one saw.
    pub(crate) fn merge(&mut self, other: &Histogram) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.count += other.count;
        self.max = self.max.max(other.max);
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The longest, in nanoseconds.
    pub(crate) fn max(&self) -> u64 {
        self.max
    }

    /// The nanoseconds that the share `quantile` of all durations does not exceed.
    pub(crate) fn quantile(&self, quantile: f64) -> u64 {
        let wanted = ((self.count as f64 * quantile).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return upper_bound(bucket).min(self.max);
            }
        }
        self.max
    }
}

fn bucket(value: u64) -> usize {
    let power = (64 - value.leading_zeros()).saturating_sub(SHIFT + 1);
    (power * BUCKETS_PER_POWER) as usize + (value >> power) as usize
}

/// The greatest value of a bucket.
fn upper_bound(bucket: usize) -> u64 {
    let per_power = BUCKETS_PER_POWER as usize;
    let power = (bucket / per_power).saturating_sub(1);
    let step = (bucket - power * per_power) as u64;
    ((step + 1) << power).wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_cover_all_values_in_order() {
        for value in (0..10_000).chain([1 << 20, (1 << 40) + 12345, u64::MAX]) {
            let bucket = bucket(value);
            assert!(upper_bound(bucket) >= value);
            assert!(upper_bound(bucket) - value <= value / 16);
            assert!(bucket == 0 || upper_bound(bucket - 1) < value);
        }
    }

    #[test]
    fn quantiles_of_known_values() {
        let mut histogram = Histogram::default();
        for nanos in 1..=1000 {
            histogram.add(Duration::from_nanos(nanos));
        }
        for (quantile, exact) in [(0.5, 500.0), (0.99, 990.0), (0.999, 999.0)] {
            let found = histogram.quantile(quantile) as f64;
            assert!(
                found >= exact && found <= exact * 1.04,
                "{quantile}: {found}"
            );
        }
        assert_eq!((histogram.quantile(1.0), histogram.max()), (1000, 1000));
    }

    #[test]
    fn merged_histograms_are_one() {
        let (mut a, mut b) = (Histogram::default(), Histogram::default());
        a.add(Duration::from_nanos(5));
        b.add(Duration::from_nanos(900));
        a.merge(&b);
        assert_eq!((a.count(), a.max(), a.quantile(0.5)), (2, 900, 5));
    }
}
