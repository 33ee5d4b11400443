//! Seeds that every build runs: those that found something once, and a bounded set of others. They are
//! slow without optimization: `cargo xtask verify` runs them in profile `sim`.

use everstore_sim::clients::workload::Workload;
use everstore_sim::{Options, faults, run};

/// One simulated second, ns.
const S: u64 = 1_000_000_000;

/// Seeds that found a bug, how long they ran, s, and what it was. A seed replays the same run only as long
/// as nothing before the bug changes; what it stands for is also a test of its own where it was mended. (All but the
/// last found theirs before there were workloads on collections: the worlds they draw now are others.)
const FOUND: Seeds = &[
    (
        4,
        20,
        "storage: floors that freed nothing at first were unknown after a crash, and the node refused to start",
    ),
    (7, 60, "node: a command without effect was run again after later ones of its connection (SET XX, GET)"),
    (11, 60, "node: the same, with GET and DEL"),
    (16, 60, "node: the same, with a value that came back at the end"),
    (104354, 6, "node: a request that came late was run by a leader of a later term (GETDEL after SET)"),
    (200797, 60, "node: a read by an old lease that waited behind a write was answered"),
    (201413, 60, "cluster: an old folder that was refused took part once its peers had started again"),
    (302232, 60, "node: a read of a connection was older than one before it, after a failover"),
    (600111, 60, "node: a read that ran again after a failover saw a later command of its connection"),
    (10124, 6, "node: a read was older than one before it that waited for more entries"),
    (210356, 60, "shell: a node stopped because a full disk could not take the news of another"),
    (
        1092,
        6,
        "node: a wait whose round was over ran behind its own repetition, waited anew, and took an element for nobody",
    ),
];

type Seeds = &'static [(u64, u64, &'static str)];

/// The same, of worlds of large values.
const OF_LARGE: Seeds = &[(
    7003,
    4,
    "node: the row of a key left memory whenever an APPEND to its large value was prepared, for ever",
)];

/// In which two nodes join.
const OF_JOINING: Seeds = &[
    (820724, 6, "node: a GET overtook an MSET of its connection that waited for a new shard"),
    (
        820097,
        6,
        "node: a replica dropped keys of a keyspace that had come into its shard as a whole since a split",
    ),
];

/// In which as many nodes join as the seed draws.
const AS_DRAWN: Seeds = &[
    (
        811994,
        6,
        "shell: a node that was recorded as a member and had not got the answer never joined once all others had moved",
    ),
    (1200582, 6, "raft: a term that was only an upper bound was told as that of an entry"),
    (419, 6, "shell: the same, in a build of then"),
    (
        1101777,
        6,
        "node: a client that was killed while a large value was read for it got the reply behind it for the value",
    ),
];

/// With a witness, and two nodes that join.
const OF_WITNESSES: Seeds = &[(
    930013,
    6,
    "node: a DEL that waited for a split and then for its row was dropped, and later answers were those of others",
)];

/// With two data folders on each node, and two nodes that join.
const OF_FOLDERS: Seeds = &[
    (
        981018,
        6,
        "node: a replica that came after another was announced before the log had written of it: an older copy after a crash",
    ),
    (
        1010977,
        6,
        "node: leadership was handed over, again and again, to a node that had lost its replica with its folder",
    ),
    (1010429, 6, "node: beside a witness a replica that was lost with its folder was never made again"),
];

/// The same, and they join as learners.
const OF_FOLDERS_OF_LEARNERS: Seeds = &[
    (
        952016,
        12,
        "node: a leader that came back with its folder took its own vote away while another voter was down for good",
    ),
    (
        982178,
        6,
        "cluster: a node recorded right before power went off everywhere was taken for one without its folder",
    ),
];

/// All of these with their worlds.
fn found_elsewhere() -> Vec<(Options, Seeds)> {
    let joining = Options { spares: Some(2), ..Options::default() };
    let folders = Options { further: Some(true), ..joining.clone() };
    let large = Options {
        nodes: Some(3),
        shards: Some(2),
        spares: Some(0),
        pipelines: false,
        replica_readers: Some(false),
        workloads: vec![Workload::Uploads],
        ..Options::default()
    };
    vec![
        (large, OF_LARGE),
        (joining.clone(), OF_JOINING),
        (Options::default(), AS_DRAWN),
        (Options { witness: Some(true), ..joining }, OF_WITNESSES),
        (folders.clone(), OF_FOLDERS),
        (Options { learners: Some(true), ..folders }, OF_FOLDERS_OF_LEARNERS),
    ]
}

/// Usual seeds.
const USUAL: std::ops::RangeInclusive<u64> = 1001..=1100;

fn check(seed: u64, options: &Options) {
    let outcome = run(seed, options);
    if let Some(violation) = outcome.violation {
        panic!("seed {seed} ({}): {}: {}", outcome.plan.describe(), violation.property, violation.sentence);
    }
    assert!(outcome.operations > 0, "seed {seed}: clients did nothing");
}

#[test]
#[cfg_attr(not(feature = "planted"), ignore = "slow without optimization; runs in profile sim")]
fn seeds_that_found_something_stay_clean() {
    for &(seed, seconds, _) in FOUND {
        check(seed, &Options { length_ns: seconds * S, spares: Some(0), ..Options::default() });
    }
    for (world, seeds) in found_elsewhere() {
        for &(seed, seconds, _) in seeds {
            check(seed, &Options { length_ns: seconds * S, ..world.clone() });
        }
    }
}

#[test]
#[cfg_attr(not(feature = "planted"), ignore = "slow without optimization; runs in profile sim")]
fn usual_seeds_are_clean() {
    USUAL.for_each(|seed| check(seed, &Options::default()));
}

#[test]
fn without_faults_nothing_is_found_and_much_is_done() {
    let options = Options { length_ns: 3 * S, faults: Vec::new(), ..Options::default() };
    check(1, &options);
}

#[test]
fn replicas_are_compared_and_never_differ() {
    let mut comparisons = 0;
    for seed in 1..=3 {
        let options =
            Options { length_ns: 6 * S, compares: Some(true), spares: Some(0), ..Options::default() };
        check(seed, &options);
        comparisons += run(seed, &options).comparisons;
    }
    assert!(comparisons >= 10, "{comparisons} comparisons ended");
}

#[test]
fn whose_disk_is_far_slower_leads_nothing_for_long() {
    for seed in 1..=3 {
        check(
            seed,
            &Options { length_ns: 16 * S, faults: Vec::new(), sick_disk: true, ..Options::default() },
        );
    }
}

#[test]
#[cfg_attr(not(feature = "planted"), ignore = "slow without optimization; runs in profile sim")]
fn sick_disks_among_other_faults_break_nothing() {
    for seed in 1..=60 {
        check(seed, &Options { length_ns: 20 * S, sick_disk: true, ..Options::default() });
        check(
            seed,
            &Options { length_ns: 20 * S, sick_disk: true, faults: Vec::new(), ..Options::default() },
        );
    }
}

#[test]
fn what_is_left_after_a_majority_is_lost_goes_on_with_all_that_was_acknowledged() {
    for (seed, nodes) in [(1, 3), (2, 5), (3, 3)] {
        let (length_ns, majority_lost) = (4 * S, Some(true));
        check(seed, &Options { length_ns, majority_lost, nodes: Some(nodes), ..Options::default() });
    }
}

#[test]
fn a_survivor_with_two_data_folders_goes_on_with_what_is_in_both() {
    for seed in [951_001, 951_002, 951_003] {
        let (length_ns, majority_lost, further) = (3 * S, Some(true), Some(true));
        check(seed, &Options { length_ns, majority_lost, further, spares: Some(0), ..Options::default() });
    }
}

#[test]
fn a_survivor_of_a_split_makes_the_shards_that_nobody_has() {
    for seed in [900_009, 900_023, 900_030] {
        let (length_ns, majority_lost) = (3 * S, Some(true));
        check(seed, &Options { length_ns, majority_lost, spares: Some(0), ..Options::default() });
    }
}

#[test]
fn two_nodes_with_data_and_a_witness_keep_all_promises() {
    for (seed, spares) in [(1, 0), (2, 0), (3, 2)] {
        let (length_ns, witness) = (4 * S, Some(true));
        check(seed, &Options { length_ns, witness, spares: Some(spares), ..Options::default() });
    }
}

#[test]
fn a_seed_is_the_same_run_every_time() {
    let options = Options { length_ns: 4 * S, all_faults: true, ..Options::default() };
    let first = run(5, &options);
    // On another thread, so that nothing of the first run is left.
    let again =
        std::thread::scope(|scope| scope.spawn(|| run(5, &options)).join().expect("it does not panic"));
    assert_eq!((first.hash, first.events, first.operations), (again.hash, again.events, again.operations));
    let other = run(6, &options);
    assert_ne!(first.hash, other.hash, "the hash tells runs apart");
}

#[test]
fn a_timeline_changes_nothing_and_tells_what_happened() {
    let faults = vec![faults::by_name("kill").expect("known")];
    let options = Options { length_ns: 20 * S, faults, all_faults: true, ..Options::default() };
    let plain = run(2, &options);
    let told = run(2, &Options { timeline: true, ..options });
    assert_eq!(plain.hash, told.hash);
    assert!(told.lines.iter().any(|line| line.contains("is killed")), "{} lines", told.lines.len());
    assert!(plain.lines.is_empty());
}

/// Seeds of worlds in which nodes join, as [`FOUND`], with the number of nodes that do.
const FOUND_WITH_SPARES: &[(u64, u64, u64, &str)] = &[
    (
        701105,
        6,
        2,
        "node: replicas that had to go were forgotten before those that stay knew durably that the joint configuration \
         was left; after a restart of all they asked votes of the former",
    ),
    (701111, 6, 2, "node: the same"),
    (701129, 6, 2, "node: the same"),
    (
        700102,
        18,
        1,
        "node: a node that was lost before it had said what it understands was never replaced, as was no other",
    ),
];

#[test]
#[cfg_attr(not(feature = "planted"), ignore = "slow without optimization; runs in profile sim")]
fn seeds_that_found_something_where_nodes_join_stay_clean() {
    for &(seed, seconds, spares, _) in FOUND_WITH_SPARES {
        check(seed, &Options { length_ns: seconds * S, spares: Some(spares), ..Options::default() });
    }
}

#[test]
#[cfg_attr(not(feature = "planted"), ignore = "slow without optimization; runs in profile sim")]
fn usual_seeds_in_which_nodes_join_are_clean() {
    for seed in 1..=20 {
        check(seed, &Options { length_ns: 18 * S, spares: Some(1 + seed % 2), ..Options::default() });
    }
}

#[test]
fn nodes_that_join_a_cluster_without_troubles_get_their_part() {
    for spares in [1, 2] {
        check(
            1,
            &Options { length_ns: 3 * S, faults: Vec::new(), spares: Some(spares), ..Options::default() },
        );
    }
}
