//! Times in buckets that are 1/16 of a power of two wide: quantiles within 6 %.

use std::time::Duration;

const SUB_BITS: u32 = 4;
const BUCKETS: usize = 64 << SUB_BITS;

/// Counts of times.
#[derive(Debug, Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { counts: vec![0; BUCKETS], total: 0 }
    }
}

impl Histogram {
    /// Counts one time.
    pub fn add(&mut self, time: Duration) {
        let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket(ns)] += 1;
        self.total += 1;
    }

    /// Counts all that the other has counted.
    pub fn merge(&mut self, other: &Histogram) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
        self.total += other.total;
    }

    /// The time below which this share (0 to 1) of all times lies, in µs; 0 if nothing was counted.
    pub fn quantile_us(&self, share: f64) -> f64 {
        let wanted = (self.total as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if *count > 0 && seen >= wanted {
                return middle(bucket) / 1000.0;
            }
        }
        0.0
    }
}

fn bucket(ns: u64) -> usize {
    if ns < 1 << SUB_BITS {
        return ns as usize;
    }
    let power = ns.ilog2();
    let sub = (ns >> (power - SUB_BITS)) & ((1 << SUB_BITS) - 1);
    ((power - SUB_BITS + 1) as usize) << SUB_BITS | sub as usize
}

fn middle(bucket: usize) -> f64 {
    if bucket < 1 << SUB_BITS {
        return bucket as f64;
    }
    let power = (bucket >> SUB_BITS) as i32 + SUB_BITS as i32 - 1;
    let sub = (bucket & ((1 << SUB_BITS) - 1)) as f64;
    2f64.powi(power) * (1.0 + (sub + 0.5) / f64::from(1 << SUB_BITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_near() {
        let mut histogram = Histogram::default();
        (1..=1000).for_each(|us| histogram.add(Duration::from_micros(us)));
        for (share, exact) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1000.0)] {
            let near = histogram.quantile_us(share);
            assert!((near - exact).abs() / exact < 0.07, "{share}: {near}");
        }
        let mut both = Histogram::default();
        both.merge(&histogram);
        (0..9000).for_each(|_| both.add(Duration::from_micros(1)));
        assert!(both.quantile_us(0.9) < 1.1 && both.quantile_us(0.91) > 90.0, "a tenth is of the other");
        assert_eq!(Histogram::default().quantile_us(0.5), 0.0);
        assert!(bucket(u64::MAX) < BUCKETS);
    }
}
