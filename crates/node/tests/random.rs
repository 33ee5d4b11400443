//! Seeded storms over three cores: whatever happens, answers stay true.
//!
//! `SEEDS=first-last` runs other seeds than the usual ones, `MS` sets the length of a storm, `TRACE=1`
//! prints what happens.

#![allow(clippy::disallowed_methods, reason = "which seeds to run is asked of the environment")]

mod hostile;

use hostile::{World, checks};

/// Seeds of a usual run; a failing one joins them for good.
const SEEDS: &[u64] = &[3, 22, 28, 53, 135];
/// Simulated length of a storm in ms.
const STORM_MS: u64 = 4000;

fn run(seed: u64, ms: u64) {
    let outcome = std::panic::catch_unwind(|| {
        let mut world = World::new(seed);
        world.storm(ms);
        world.heal();
        checks::all(&mut world);
        world.records.len()
    });
    match outcome {
        Ok(commands) => println!("seed {seed}: {commands} commands"),
        Err(_) => panic!("seed {seed} failed; SEEDS={seed}-{seed} TRACE=1 shows it again"),
    }
}

#[test]
fn answers_are_true_whatever_happens() {
    if std::env::var("TRACE").is_ok() {
        let _ = tracing_subscriber::fmt().without_time().with_max_level(tracing::Level::INFO).try_init();
    }
    let ms = std::env::var("MS").map_or(STORM_MS, |ms| ms.parse().unwrap());
    match std::env::var("SEEDS") {
        Ok(range) => {
            let (first, last) = range.split_once('-').unwrap();
            (first.parse().unwrap()..=last.parse().unwrap()).for_each(|seed| run(seed, ms));
        }
        Err(_) => SEEDS.iter().for_each(|&seed| run(seed, ms)),
    }
}
