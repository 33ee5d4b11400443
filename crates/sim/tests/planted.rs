//! The simulator can fail: each known bug, planted in the product, is found within a stated number of
//! seeds, and the same seeds find nothing without it.
//!
//! `cargo test --profile sim -p everstore-sim --features planted --test planted`; the figures of
//! ARCHITECTURE.md come from the same with `-- --ignored --nocapture` (`PLANTED=name` for one bug).

#![cfg(feature = "planted")]

use everstore_sim as sim;
use model::planted::{BUGS, Bug, plant};
use sim::clients::workload::WORKLOADS;
use sim::{Options, Violation};
use std::sync::{Mutex, PoisonError};

/// What is planted is planted in the whole process: one test at a time.
static PLANTING: Mutex<()> = Mutex::new(());

/// How a bug is hunted for: by the faults that can show it, often, and by clients that are quick.
struct Hunt {
    bug: Bug,
    /// It must be found within so many seeds.
    seeds: u64,
    /// Faults that all happen. Empty: the mix that each seed draws, as without options.
    faults: &'static [&'static str],
    /// Longest time between two faults. 0: as each seed draws it.
    calm_ms: u64,
    /// Empty: all.
    workloads: &'static [&'static str],
    /// Clients think so many times as short as usual.
    haste: u64,
    shards: u16,
    /// Nodes that join later.
    spares: u64,
    /// They are of a learner zone.
    learners: bool,
    /// Nodes have two data folders.
    further: bool,
    /// Simulated seconds of a seed.
    seconds: u64,
}

/// Bugs that are planted and that the simulator has not found in some hundreds of seeds: its holes.
/// `batch_append` needs Raft messages that overtake each other, which the links between nodes exclude. Entries of one
/// transaction follow each other within two passes, so that a frame nearly always has all of them.
const NOT_FOUND: &[Bug] = &[Bug::BatchAppend, Bug::EntryInParts];

const REGISTERS: &[&str] = &["registers", "counters"];

const HUNTS: &[Hunt] = &[
    Hunt { faults: &["power"], calm_ms: 500, haste: 10, seconds: 4, ..Hunt::usual(Bug::AckBeforeSync, 20) },
    Hunt {
        faults: &["interrupt"],
        calm_ms: 1500,
        workloads: &["registers", "locks"],
        haste: 2,
        shards: 1,
        ..Hunt::usual(Bug::LeaseNotChecked, 150)
    },
    Hunt {
        faults: &["isolate"],
        workloads: REGISTERS,
        haste: 10,
        seconds: 10,
        ..Hunt::usual(Bug::ReadsNotHeld, 20)
    },
    Hunt::usual(Bug::VoteNotPersisted, 60),
    Hunt::usual(Bug::SnapshotBeforeRows, 60),
    Hunt {
        faults: &["power"],
        calm_ms: 500,
        haste: 10,
        seconds: 4,
        ..Hunt::usual(Bug::TornTailAcknowledged, 100)
    },
    Hunt {
        faults: &["reset", "kill"],
        calm_ms: 500,
        workloads: &["appends"],
        haste: 3,
        seconds: 6,
        ..Hunt::usual(Bug::WindowLost, 40)
    },
    Hunt {
        faults: &["isolate", "kill"],
        calm_ms: 1000,
        workloads: &["exposed"],
        haste: 20,
        seconds: 8,
        ..Hunt::usual(Bug::ExposureNotEnforced, 60)
    },
    Hunt { faults: &["kill"], calm_ms: 1000, haste: 5, seconds: 8, ..Hunt::usual(Bug::AppliedNotAtomic, 60) },
    Hunt {
        faults: &["reset", "kill", "slow-link", "isolate", "cut", "flap"],
        calm_ms: 300,
        workloads: &["registers", "counters", "appends"],
        haste: 5,
        seconds: 10,
        ..Hunt::usual(Bug::StaleFrames, 250)
    },
    Hunt { faults: &["isolate", "clock"], ..Hunt::usual(Bug::ClockExtendsLease, 40) },
    Hunt {
        faults: &["kill"],
        calm_ms: 1000,
        workloads: REGISTERS,
        haste: 10,
        seconds: 4,
        ..Hunt::usual(Bug::ColdOverwrites, 20)
    },
    Hunt {
        faults: &["isolate", "kill"],
        calm_ms: 1000,
        workloads: &["exposed"],
        haste: 20,
        seconds: 8,
        ..Hunt::usual(Bug::TailNotAccounted, 60)
    },
    Hunt {
        faults: &["isolate"],
        calm_ms: 2000,
        workloads: REGISTERS,
        haste: 5,
        seconds: 8,
        ..Hunt::usual(Bug::StaleReplicaRead, 40)
    },
    Hunt {
        faults: &["kill"],
        calm_ms: 1000,
        workloads: &["cached"],
        haste: 10,
        seconds: 4,
        ..Hunt::usual(Bug::EvictedAlone, 20)
    },
    Hunt {
        faults: &["kill"],
        calm_ms: 700,
        workloads: &["queues", "ranks"],
        haste: 10,
        seconds: 6,
        ..Hunt::usual(Bug::TakenTwice, 60)
    },
    Hunt {
        faults: &["kill"],
        calm_ms: 1000,
        workloads: &["transfers"],
        haste: 10,
        seconds: 4,
        ..Hunt::usual(Bug::TransactionTorn, 40)
    },
    Hunt {
        faults: &["slow-cpu"],
        calm_ms: 300,
        workloads: &["swaps"],
        haste: 30,
        shards: 1,
        seconds: 4,
        ..Hunt::usual(Bug::WatchSameEntry, 60)
    },
    Hunt {
        faults: &["isolate"],
        calm_ms: 500,
        workloads: &["queues", "ranks", "fading"],
        haste: 10,
        seconds: 6,
        ..Hunt::usual(Bug::UndoForgetsElements, 40)
    },
    Hunt {
        faults: &["kill"],
        calm_ms: 2000,
        workloads: &["fading"],
        haste: 10,
        seconds: 6,
        ..Hunt::usual(Bug::LargeForgetsExpiry, 40)
    },
    Hunt {
        faults: &["kill"],
        calm_ms: 2000,
        workloads: &["streams"],
        haste: 10,
        seconds: 6,
        ..Hunt::usual(Bug::LastIdForgotten, 20)
    },
    Hunt {
        faults: &["kill"],
        calm_ms: 1000,
        workloads: &["hoards"],
        haste: 10,
        seconds: 6,
        ..Hunt::usual(Bug::RenameLosesTarget, 20)
    },
    Hunt {
        faults: &["isolate"],
        calm_ms: 500,
        workloads: &["chosen"],
        haste: 30,
        shards: 1,
        seconds: 8,
        ..Hunt::usual(Bug::SyncReadSeesAsyncTail, 40)
    },
    Hunt {
        faults: &["drain", "undrain", "replace"],
        calm_ms: 500,
        spares: 2,
        seconds: 6,
        ..Hunt::usual(Bug::SettledTooEarly, 80)
    },
    Hunt { workloads: &["uploads"], seconds: 4, ..Hunt::usual(Bug::LiveCollected, 20) },
    Hunt { workloads: &["uploads"], seconds: 4, ..Hunt::usual(Bug::ChunksForgotten, 60) },
    Hunt { spares: 2, learners: true, seconds: 6, ..Hunt::usual(Bug::LearnerGetsVote, 10) },
    Hunt::of_splits(Bug::ChildOfOldRows, 20),
    Hunt::of_splits(Bug::ParentGoesOn, 20),
    Hunt {
        faults: &["split", "reset", "kill"],
        calm_ms: 300,
        workloads: &["appends", "counters"],
        haste: 30,
        shards: 1,
        spares: 1,
        seconds: 4,
        ..Hunt::usual(Bug::DividedForgetsAnswers, 200)
    },
    Hunt {
        faults: &["reset"],
        calm_ms: 1000,
        workloads: REGISTERS,
        haste: 5,
        seconds: 12,
        ..Hunt::usual(Bug::CheckpointForgetsRow, 10)
    },
    Hunt {
        faults: &["kill"],
        calm_ms: 1000,
        workloads: REGISTERS,
        further: true,
        seconds: 4,
        ..Hunt::usual(Bug::FurtherAlone, 20)
    },
    Hunt {
        faults: &["lost-file", "isolate", "kill"],
        calm_ms: 300,
        workloads: REGISTERS,
        haste: 10,
        further: true,
        seconds: 6,
        ..Hunt::usual(Bug::LostVotesAgain, 100)
    },
];

impl Hunt {
    /// In worlds whose shards are split again and again while nodes die.
    const fn of_splits(bug: Bug, seeds: u64) -> Hunt {
        Hunt {
            faults: &["split", "kill"],
            calm_ms: 700,
            haste: 10,
            spares: 1,
            seconds: 6,
            ..Hunt::usual(bug, seeds)
        }
    }

    /// With the mix of faults that each seed draws.
    const fn usual(bug: Bug, seeds: u64) -> Hunt {
        Hunt {
            bug,
            seeds,
            faults: &[],
            calm_ms: 0,
            workloads: &[],
            haste: 1,
            shards: 2,
            spares: 0,
            learners: false,
            further: false,
            seconds: 20,
        }
    }

    fn name(&self) -> &'static str {
        BUGS.iter().find(|(_, bug)| *bug == self.bug).map_or("?", |(name, _)| name)
    }

    fn options(&self) -> Options {
        let named = self.faults.iter().map(|name| sim::faults::by_name(name).expect(name));
        let faults = match self.faults.len() {
            0 => (0..sim::faults::KINDS.len()).collect(),
            _ => named.collect(),
        };
        let wanted = |name: &str| self.workloads.is_empty() || self.workloads.contains(&name);
        let workloads = WORKLOADS.iter().filter(|(name, _)| wanted(name)).map(|(_, workload)| *workload);
        Options {
            nodes: Some(3),
            spares: Some(self.spares),
            witness: Some(false),
            learners: Some(self.learners),
            further: self.further.then_some(true),
            shards: Some(self.shards),
            // Else as most were measured.
            compares: Some(self.bug == Bug::CheckpointForgetsRow),
            max_memory: match self.bug {
                Bug::ColdOverwrites | Bug::TransactionTorn => Some(1),
                // A row that is not on the disk must stay in memory, or whoever fetches it finds out.
                Bug::CheckpointForgetsRow => Some(0),
                _ => None,
            },
            length_ns: self.seconds * sim::time::S,
            faults,
            all_faults: !self.faults.is_empty(),
            calm_ns: (self.calm_ms > 0).then_some(self.calm_ms * sim::time::MS),
            workloads: workloads.collect(),
            haste: self.haste,
            pipelines: false,
            replica_readers: Some(self.bug == Bug::StaleReplicaRead),
            ..Options::default()
        }
    }

    /// The first of these seeds that finds something.
    fn find(&self, planted: bool, seeds: impl Iterator<Item = u64>) -> Option<(u64, Violation)> {
        plant(planted.then_some(self.bug));
        let options = self.options();
        let found = seeds.into_iter().find_map(|seed| Some((seed, sim::run(seed, &options).violation?)));
        plant(None);
        found
    }
}

#[test]
fn every_bug_has_a_hunt_or_a_reason() {
    for (name, bug) in BUGS {
        let hunted = HUNTS.iter().filter(|hunt| hunt.bug == bug).count();
        let not_found = NOT_FOUND.iter().filter(|other| **other == bug).count();
        assert_eq!(hunted + not_found, 1, "{name}");
    }
}

/// The bugs that are hunted for: all, or the one that a person asks for.
#[allow(clippy::disallowed_methods)] // a person asks for one bug
fn wanted() -> impl Iterator<Item = &'static Hunt> {
    let wanted = std::env::var("PLANTED").ok();
    HUNTS.iter().filter(move |hunt| wanted.as_deref().is_none_or(|name| name == hunt.name()))
}

#[test]
fn planted_bugs_are_found_and_nothing_without_them() {
    let _one = PLANTING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut missed = Vec::new();
    for hunt in wanted() {
        let name = hunt.name();
        let Some((seed, violation)) = hunt.find(true, 1..=hunt.seeds) else {
            missed.push(format!("{name}: not found in {} seeds", hunt.seeds));
            continue;
        };
        println!("{name}: {} at seed {seed}: {}", violation.property, violation.sentence);
        violation.details.iter().for_each(|line| println!("    {line}"));
        if let Some((seed, violation)) = hunt.find(false, 1..=seed) {
            missed.push(format!("{name}: seed {seed} finds it without the bug: {violation:?}"));
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

/// Ranges of seeds that are searched for the figures.
const RANGES: u64 = 20;

#[test]
#[ignore = "measures for minutes; for the table in ARCHITECTURE.md"]
fn median_seeds_to_find() {
    let _one = PLANTING.lock().unwrap_or_else(PoisonError::into_inner);
    for hunt in wanted() {
        let (mut counts, mut properties) = (Vec::new(), std::collections::BTreeMap::<_, u64>::new());
        for range in 1..=RANGES {
            let first = 1000 * range;
            let found = hunt.find(true, first..first + hunt.seeds);
            counts.push(found.as_ref().map_or(u64::MAX, |(seed, _)| seed - first + 1));
            if let Some((seed, violation)) = found {
                println!("{}: seed {seed}: {}: {}", hunt.name(), violation.property, violation.sentence);
                *properties.entry(violation.property).or_default() += 1;
            }
        }
        counts.sort_unstable();
        let found = counts.iter().filter(|count| **count < u64::MAX).count();
        let (median, worst) = (counts[counts.len() / 2], counts[found.saturating_sub(1)]);
        println!(
            "{}: found in {found} of {RANGES} ranges, median {median}, most {worst}, {properties:?}",
            hunt.name()
        );
    }
}
