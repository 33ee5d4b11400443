//! One measurement: a load, and what it cost every process.

use std::time::Duration;

use super::load::{self, Load};
use super::process::{Process, own_cpu};

/// Rate, times and cost of one run.
#[derive(Debug, Clone)]
pub struct Measurement {
    /// Operations per second.
    pub rate: f64,
    /// Median time of a batch, µs.
    pub p50_us: f64,
    /// 99th percentile of it, µs.
    pub p99_us: f64,
    /// CPU µs per operation of each process, in the order of the contender.
    pub cpu_us: Vec<f64>,
    /// CPU µs per operation of the generator.
    pub client_us: f64,
}

impl Measurement {
    /// CPU µs per operation of all processes without the generator.
    pub fn total_us(&self) -> f64 {
        self.cpu_us.iter().sum()
    }
}

/// Runs the load against the processes.
///
/// # Errors
/// The load broke, or brought error replies.
pub fn measure(load: &Load, processes: &[&Process]) -> Result<Measurement, String> {
    let before: Vec<Duration> = processes.iter().map(|process| process.cpu()).collect();
    let own = own_cpu();
    let outcome = load::run(load)?;
    let own = own_cpu() - own;
    if let Some(error) = outcome.first_error {
        return Err(format!("{} error replies, the first: {error}", outcome.errors));
    }
    let each = |spent: Duration| spent.as_secs_f64() * 1e6 / outcome.operations.max(1) as f64;
    let spent = processes.iter().zip(before).map(|(process, before)| process.cpu() - before);
    Ok(Measurement {
        rate: outcome.operations as f64 / outcome.elapsed.as_secs_f64(),
        p50_us: outcome.times.quantile_us(0.5),
        p99_us: outcome.times.quantile_us(0.99),
        cpu_us: spent.map(each).collect(),
        client_us: each(own),
    })
}

/// The middle one; the lower middle of an even number; 0 of none.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(0.0)
}

/// Medians of every figure.
pub fn medians(all: &[Measurement]) -> Measurement {
    let of = |figure: &dyn Fn(&Measurement) -> f64| median(all.iter().map(figure));
    let processes = all.first().map_or(0, |first| first.cpu_us.len());
    Measurement {
        rate: of(&|m| m.rate),
        p50_us: of(&|m| m.p50_us),
        p99_us: of(&|m| m.p99_us),
        cpu_us: (0..processes).map(|i| of(&|m| m.cpu_us[i])).collect(),
        client_us: of(&|m| m.client_us),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), 2.0);
        assert_eq!(median([]), 0.0);
    }
}
