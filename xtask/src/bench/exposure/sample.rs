//! The exposure as the leader tells it while clients write as fast as it answers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::super::BenchArgs;
use super::super::client::{Client, figure};
use super::super::load::{self, Load, Operation, Until};
use super::super::measure::median;
use super::super::peer::everstore::Everstore;
use super::super::report::table;
use super::verdict::Bound;

/// Between two samples; the answer waits for its turn on top.
const PAUSE: Duration = Duration::from_millis(1);
/// What `INFO everstore` calls the figures.
const FIGURES: [&str; 3] = ["exposed_bytes", "exposed_ms", "exposed_entries"];

/// The figures in the order of [`FIGURES`].
type Sample = [u64; 3];

/// The table, and the samples beyond the bound in bytes. The age is told and not judged: it grows when nothing
/// is committed, and only stops answers.
///
/// # Errors
/// The load or the leader's answers break.
pub fn measure(
    args: &BenchArgs,
    cluster: &Everstore,
    keyspace: u16,
    bound: Bound,
) -> Result<(String, u64), String> {
    let leader = cluster.address(cluster.leader_of_keyspace(u64::from(keyspace))?);
    let load = Load {
        targets: vec![leader],
        connections: 50,
        pipeline: 16,
        operation: Operation::Set,
        keyspace,
        keys: 100_000,
        value: 100,
        until: Until::Elapsed(args.time()),
    };
    let mut client = Client::connect(leader)?;
    let done = AtomicBool::new(false);
    let (outcome, samples) = std::thread::scope(|scope| {
        let sampler = scope.spawn(|| samples(&mut client, &done));
        let outcome = load::run(&load);
        done.store(true, Ordering::Relaxed);
        (outcome, sampler.join().map_err(|_| "the sampler broke".to_owned()))
    });
    let (outcome, samples) = (outcome?, samples??);
    if let Some(error) = outcome.first_error {
        return Err(format!("{} error replies, the first: {error}", outcome.errors));
    }
    let beyond = samples.iter().filter(|sample| sample[0] > bound.bytes).count() as u64;
    let allowed = [bound.bytes.to_string(), bound.ms.to_string(), "-".into()];
    let names = ["exposed bytes", "age of the oldest, ms", "exposed entries"];
    let rows: Vec<Vec<String>> = names
        .iter()
        .zip(allowed)
        .enumerate()
        .map(|(at, (name, allowed))| row(name, &samples, at, allowed))
        .collect();
    let mut text = table(&["under load", "median", "99th percentile", "maximum", "bound"], &rows);
    text.push_str(&format!(
        "\n{} samples of the leader's `INFO everstore` in {:.0} s of SET by 50 connections, pipeline 16, {:.0}/s; an entry \
         holds the writes of a turn. Samples beyond the bound in bytes: {beyond}.\n",
        samples.len(),
        outcome.elapsed.as_secs_f64(),
        outcome.rate()
    ));
    println!("{text}");
    Ok((text, beyond))
}

fn samples(client: &mut Client, done: &AtomicBool) -> Result<Vec<Sample>, String> {
    let mut samples = Vec::new();
    while !done.load(Ordering::Relaxed) {
        samples.push(sample(&client.call("INFO everstore")?)?);
        std::thread::sleep(PAUSE);
    }
    Ok(samples)
}

fn sample(info: &str) -> Result<Sample, String> {
    let mut sample = Sample::default();
    for (slot, name) in sample.iter_mut().zip(FIGURES) {
        *slot = figure(info, name).ok_or(format!("INFO everstore has no {name}"))?;
    }
    Ok(sample)
}

fn row(name: &str, samples: &[Sample], at: usize, allowed: String) -> Vec<String> {
    let mut values: Vec<u64> = samples.iter().map(|sample| sample[at]).collect();
    values.sort_unstable();
    let p99 = values.get((values.len() * 99).div_ceil(100).saturating_sub(1)).copied().unwrap_or(0);
    let middle = median(values.iter().map(|value| *value as f64));
    let most = values.last().copied().unwrap_or(0);
    vec![name.into(), format!("{middle:.0}"), p99.to_string(), most.to_string(), allowed]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_complete_or_an_error() {
        let info = "# everstore\r\nexposed_entries:2\r\nexposed_bytes:900\r\nexposed_ms:7\r\n";
        assert_eq!(sample(info), Ok([900, 7, 2]));
        assert!(sample("exposed_bytes:900\r\nexposed_entries:2\r\n").unwrap_err().contains("exposed_ms"));
    }

    #[test]
    fn a_row_is_median_percentile_maximum_and_bound() {
        let samples: Vec<Sample> = (1..=200).rev().map(|n| [n, 0, 0]).collect();
        assert_eq!(row("x", &samples, 0, "b".into()), ["x", "100", "198", "200", "b"]);
        assert_eq!(row("x", &[], 0, "b".into()), ["x", "0", "0", "0", "b"]);
    }
}
