//! What a seed draws before its world begins: size, weather, clients, and its own mix of faults
//! ("swarm testing", Groce et al. 2012: runs that leave kinds of faults out find what all at once hide).

use crate::clients::workload::{WORKLOADS, Workload};
use crate::clients::{MAX_WAITING, Manner};
use crate::faults::{KINDS, OF_MEMBERS};
use crate::net::Weather;
use crate::process::{Shape, Small};
use crate::time::{MS, S, US};
use env::Rng;

/// What the user wants of a run. Everything not said is drawn from the seed.
#[derive(Clone, Debug)]
pub struct Options {
    /// Nodes, 3 or 5.
    pub nodes: Option<u64>,
    /// Shards, 1 to 16.
    pub shards: Option<u16>,
    /// Nodes that join later, 0 to 2; `None`: one or two in one seed of three.
    pub spares: Option<u64>,
    /// Whether one of the first nodes is a witness; `None`: in one seed of four.
    pub witness: Option<bool>,
    /// Whether nodes that join later are of a learner zone; `None`: in one seed of three with such nodes.
    pub learners: Option<bool>,
    /// Whether replicas are compared all the time; `None`: in one seed of two.
    pub compares: Option<bool>,
    /// Whether each node has two data folders; `None`: in one seed of four.
    pub further: Option<bool>,
    /// Bytes of memory for rows on each node, 0 = no limit.
    pub max_memory: Option<u64>,
    /// Simulated length, ns.
    pub length_ns: u64,
    /// Faults only before this time, ns: a shorter prefix of the same run.
    pub until_ns: Option<u64>,
    /// Kinds of faults that may be drawn, by their place in [`KINDS`].
    pub faults: Vec<usize>,
    /// One disk is far slower than the others' for long. Else one seed in eight has that, if slow syncs
    /// are wanted.
    pub sick_disk: bool,
    /// Use all of them, instead of a mix drawn from them.
    pub all_faults: bool,
    /// Longest time between two faults, ns.
    pub calm_ns: Option<u64>,
    /// Workloads.
    pub workloads: Vec<Workload>,
    /// Clients think so many times as short as usual: much is under way at any time.
    pub haste: u64,
    /// Some clients ask on before they are answered.
    pub pipelines: bool,
    /// Whether some clients read from followers; `None`: in every second seed.
    pub replica_readers: Option<bool>,
    /// Whether at the end a majority is lost for good, and the rest recovered; `None`: in one seed of six.
    pub majority_lost: Option<bool>,
    /// Keep a timeline.
    pub timeline: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            nodes: None,
            shards: None,
            spares: None,
            witness: None,
            learners: None,
            compares: None,
            further: None,
            max_memory: None,
            length_ns: 60 * S,
            until_ns: None,
            faults: (0..KINDS.len()).collect(),
            all_faults: false,
            calm_ns: None,
            workloads: WORKLOADS.iter().map(|(_, workload)| *workload).collect(),
            sick_disk: false,
            haste: 1,
            pipelines: true,
            replica_readers: None,
            majority_lost: None,
            timeline: false,
        }
    }
}

/// A disk that becomes far slower than the others' and stays so for long.
#[derive(Clone, Copy, Debug)]
pub struct SickDisk {
    /// Of this node.
    pub node: u64,
    /// So long after clients have begun, ns.
    pub after_ns: u64,
    /// It lasts so long, ns.
    pub for_ns: u64,
    /// A sync takes at least this long, ns.
    pub sync_ns: u64,
}

/// What a seed has drawn.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Size of the cluster.
    pub shape: Shape,
    /// The network.
    pub weather: Weather,
    /// Kinds of faults with the weight of each.
    pub faults: Vec<(usize, u64)>,
    /// Longest time between two faults, ns.
    pub calm_ns: u64,
    /// When everything is mended, ns.
    pub heal_ns: u64,
    /// When clients stop, ns.
    pub length_ns: u64,
    /// What each client does, and how.
    pub clients: Vec<(Workload, Manner)>,
    /// Furthest a monotonic clock may be off its rate, in millionths.
    pub rate_ppm: u64,
    /// A disk that is sick for long.
    pub sick: Option<SickDisk>,
    /// After the end all nodes are killed, and what comes back is compared.
    pub restart_at_end: bool,
    /// Then a majority of the nodes is lost for good, and the rest recovered.
    pub majority_lost: bool,
    /// And that strikes in the midst of a split of all shards, so long after it was asked for, ns.
    pub divides_ns: Option<u64>,
    /// Then all are lost but a node of the learner zone that has everything, if there is one.
    pub promotes: bool,
    /// When each spare node joins, ns after clients have begun.
    pub joins_ns: Vec<u64>,
    /// When the role of the learner zone changes to voter, and back, ns after clients have begun.
    pub roles_ns: Vec<u64>,
    /// After everything is mended those that are being drained are taken back.
    pub undrain_at_end: bool,
    /// Large values: it is waited until leases are over and nothing is left of what nobody needs.
    pub collect_at_end: bool,
}

/// Clients of a world.
const CLIENTS: u64 = 12;

impl Plan {
    /// Draws.
    pub fn draw(options: &Options, rng: &mut Rng) -> Plan {
        // In a fixed order and all of it, so that an option changes nothing else.
        let (nodes, shards) = (if rng.chance(1, 6) { 5 } else { 3 }, 1 + rng.below(4) as u16);
        let weather = weather(rng);
        let mut drawn: Vec<(bool, u64)> =
            (0..OF_MEMBERS).map(|_| (rng.chance(1, 2), 1 + rng.below(8))).collect();
        let calm_ns = [100, 400, 1500, 5000][rng.below(4) as usize] * MS;
        let share = 30 + rng.below(60);
        // In half of the worlds no row stays in memory that is in the row store.
        let max_memory = options.max_memory.unwrap_or(u64::from(share.is_multiple_of(2)));
        let mut shape = Shape {
            nodes: options.nodes.unwrap_or(nodes),
            shards: options.shards.unwrap_or(shards),
            max_memory,
            ..Shape::default()
        };
        shape.small = Small::ALL[rng.below(3) as usize];
        let heal_ns = options.length_ns / 100 * share;
        let heal_ns = options.until_ns.map_or(heal_ns, |until| until.min(heal_ns));
        let workloads = workloads(options, rng);
        let mut clients: Vec<_> =
            (0..CLIENTS).map(|number| client(options, &workloads, number, rng)).collect();
        let rate_ppm = [0, 50, crate::time::MAX_RATE_PPM][rng.below(3) as usize];
        let restart_at_end = rng.chance(1, 2);
        // Last, so that the seeds before them drew the same.
        let sick = sick(options, shape, rng);
        read_replicas(options, &mut clients, rng);
        let by_chance = rng.chance(1, 6);
        let joins_ns = spares(options, &mut shape, heal_ns, rng);
        let undrain_at_end = rng.chance(1, 2);
        drawn.extend(KINDS[OF_MEMBERS..].iter().map(|_| (rng.chance(2, 3), 1 + rng.below(8))));
        shape.whole_chunks = uploads(options, &mut clients, rng);
        let collect_at_end = rng.chance(1, 4);
        // Of its own, so that worlds draw the same with a witness.
        shape.witness = witness(options, shape, &mut rng.clone());
        let divides_ns = divides(&mut rng.clone());
        shape.compares = options.compares.unwrap_or(matches!(share % 4, 0 | 3));
        let roles_ns = roles(options, &mut shape, heal_ns, rng);
        let promotes = rng.chance(1, 2);
        let (majority_lost, promotes) = endings(options, &mut shape, (by_chance, promotes), &mut rng.clone());
        let shape = shape;
        let possible = |at: &usize| shape.spares > 0 || *at < OF_MEMBERS;
        let wanted = |at: &usize| possible(at) && (options.all_faults || drawn[*at].0);
        let faults = options.faults.iter().copied().filter(wanted);
        let faults = faults.map(|at| (at, KINDS[at].weight * drawn[at].1)).collect();
        Plan {
            shape,
            weather,
            faults,
            calm_ns: options.calm_ns.unwrap_or(calm_ns),
            heal_ns,
            length_ns: options.length_ns,
            clients,
            rate_ppm,
            // Without a healthy node that could lead a sick one does.
            sick: sick.filter(|_| shape.witness == 0),
            restart_at_end,
            promotes,
            majority_lost,
            divides_ns,
            joins_ns,
            roles_ns,
            undrain_at_end,
            collect_at_end,
        }
    }

    /// In one line.
    pub fn describe(&self) -> String {
        let faults: Vec<&str> = self.faults.iter().map(|(at, _)| KINDS[*at].name).collect();
        format!(
            "{} nodes, {} shards{}{}{}{}{}{}, faults up to every {} ms: {}",
            self.shape.nodes,
            self.shape.shards,
            match (self.shape.max_memory > 0, self.shape.whole_chunks) {
                (true, true) => ", rows on disk only, whole chunks",
                (true, false) => ", rows on disk only",
                (false, true) => ", whole chunks",
                (false, false) => "",
            },
            match self.shape.small {
                Small::Usual => "",
                Small::Few => ", tiny small collections",
                Small::Differs => ", tiny small collections on some nodes",
            },
            if self.shape.compares { ", replicas are compared" } else { "" },
            if self.shape.further { ", two data folders each" } else { "" },
            match self.shape.witness {
                0 => String::new(),
                witness => format!(", node {witness} is a witness"),
            },
            match self.shape.spares {
                0 => String::new(),
                spares => format!(
                    ", {spares} more join{}, given up after {} ms, {} moves at a time",
                    match (self.shape.learners, self.roles_ns.len()) {
                        (false, _) => String::new(),
                        (true, 0) => " as learners".to_owned(),
                        (true, times) => format!(" as learners, whose role changes {times} times"),
                    },
                    self.shape.replace_after_ms,
                    self.shape.max_moves
                ),
            },
            self.calm_ns / MS,
            if faults.is_empty() { "none".to_owned() } else { faults.join(" ") }
        )
    }
}

/// The network.
fn weather(rng: &mut Rng) -> Weather {
    Weather {
        least_ns: [20, 50, 200, 1000][rng.below(4) as usize] * US,
        jitter_ns: [20, 100, 1000, 5000][rng.below(4) as usize] * US,
        loss_ppm: [0, 0, 100, 2000][rng.below(4) as usize],
    }
}

/// Whether a majority is lost at the end, and whether the learner zone is promoted then; and whether nodes have two
/// folders, drawn apart like a witness.
fn endings(options: &Options, shape: &mut Shape, drawn: (bool, bool), rng: &mut Rng) -> (bool, bool) {
    let promotes = shape.learners && options.majority_lost.unwrap_or(drawn.1);
    // Who survives would have to be found among those who hold replicas then.
    let lost = shape.spares + shape.witness == 0 && options.majority_lost.unwrap_or(drawn.0);
    let by_chance = rng.chance(1, 4) && shape.witness == 0;
    shape.further = options.further.unwrap_or(by_chance);
    (lost, promotes)
}

/// The node that is a witness, 0 = none is. Drawn apart, so that worlds without one stay what they were.
fn witness(options: &Options, shape: Shape, rng: &mut Rng) -> u64 {
    let (some, node) = (rng.chance(1, 4), 2 + rng.below(shape.nodes - 1));
    // Worlds that a witness would make other ones than were asked for.
    let by_chance = some && !options.sick_disk && options.majority_lost != Some(true);
    if options.witness.unwrap_or(by_chance) { node } else { 0 }
}

/// Whether all shards are split at the end, and for how long, ns. Drawn apart, as a witness is.
fn divides(rng: &mut Rng) -> Option<u64> {
    let (some, longest_ns) = (rng.chance(1, 2), [300, 1000, 4000][rng.below(3) as usize] * MS);
    some.then(|| rng.below(longest_ns))
}

/// Nodes that join later, and when each does. In some worlds a node that is silent for a short time is given up.
fn spares(options: &Options, shape: &mut Shape, heal_ns: u64, rng: &mut Rng) -> Vec<u64> {
    let (some, count) = (rng.chance(1, 3), 1 + rng.below(2));
    let by_chance = if some { count } else { 0 };
    let (replace_after_ms, max_moves) = ([3000, 8000, 600_000][rng.below(3) as usize], 1 + rng.below(4));
    let mut joins_ns: Vec<u64> = (0..2).map(|_| rng.below(heal_ns / 2 + 1)).collect();
    shape.spares = options.spares.unwrap_or(by_chance).min(2);
    if shape.spares > 0 {
        (shape.replace_after_ms, shape.max_moves) = (replace_after_ms, max_moves as usize);
    }
    joins_ns.truncate(shape.spares as usize);
    joins_ns.sort_unstable();
    joins_ns
}

/// Whether the nodes that join are of a learner zone, and when its role changes: in half of such worlds never.
fn roles(options: &Options, shape: &mut Shape, heal_ns: u64, rng: &mut Rng) -> Vec<u64> {
    let (by_chance, times) = (rng.chance(1, 3), [0, 0, 1, 2][rng.below(4) as usize]);
    let mut roles_ns: Vec<u64> = (0..2).map(|_| rng.below(heal_ns + 1)).collect();
    shape.learners = shape.spares > 0 && options.learners.unwrap_or(by_chance);
    roles_ns.truncate(if shape.learners { times } else { 0 });
    roles_ns.sort_unstable();
    roles_ns
}

/// In half of the worlds some clients of synchronous keyspaces let followers answer their reads.
fn read_replicas(options: &Options, clients: &mut [(Workload, Manner)], rng: &mut Rng) {
    let by_chance = rng.chance(1, 2);
    let some = options.replica_readers.unwrap_or(by_chance);
    for (workload, manner) in clients {
        let (drawn, ms) = (rng.chance(1, 3), [50, 200, 1000][rng.below(3) as usize]);
        if some && drawn && workload.is_read_from_replicas() {
            manner.max_staleness_ms = Some(ms);
        }
    }
}

/// In a third of the worlds two clients of strings upload large values instead. Whether some of them have whole chunks.
fn uploads(options: &Options, clients: &mut [(Workload, Manner)], rng: &mut Rng) -> bool {
    let (by_chance, whole_chunks) = (rng.chance(1, 3), rng.chance(1, 4));
    if by_chance && options.workloads.contains(&Workload::Uploads) {
        let of_strings = clients.iter_mut().filter(|(w, _)| !w.is_of_collections() && !w.is_trouble());
        for (workload, manner) in of_strings.take(2) {
            *workload = Workload::Uploads;
            manner.max_staleness_ms = None;
        }
    }
    whole_chunks && clients.iter().any(|(workload, _)| *workload == Workload::Uploads)
}

fn sick(options: &Options, shape: Shape, rng: &mut Rng) -> Option<SickDisk> {
    let drawn = SickDisk {
        node: 1 + rng.below(shape.nodes),
        after_ns: rng.below(options.length_ns / 4 + 1),
        for_ns: (5 + rng.below(40)) * S,
        sync_ns: (100 + rng.below(400)) * MS,
    };
    let by_chance = rng.chance(1, 8) && options.faults.contains(&slow_sync());
    (options.sick_disk || by_chance).then_some(drawn)
}

/// Slow disks are wanted if this kind of fault is.
fn slow_sync() -> usize {
    crate::faults::by_name("slow-sync").unwrap_or(usize::MAX)
}

/// The workloads of a world: those on strings, those on collections and transactions, or some of both; beside
/// what troubles them.
fn workloads(options: &Options, rng: &mut Rng) -> Vec<Workload> {
    let (mix, first) = (rng.below(3), rng.next_u64() as usize);
    let all = &options.workloads;
    let mixed = all.iter().any(|w| w.is_of_collections())
        && all.iter().any(|w| !w.is_of_collections() && !w.is_trouble());
    // Uploads come beside the others: see below.
    let all: Vec<Workload> = match all.iter().all(|w| *w == Workload::Uploads || w.is_trouble()) {
        true => all.clone(),
        false => all.iter().filter(|w| **w != Workload::Uploads).copied().collect(),
    };
    let wanted = |w: &&Workload| !mixed || mix == 2 || w.is_trouble() || w.is_of_collections() == (mix == 1);
    let mut workloads: Vec<Workload> = all.iter().filter(wanted).copied().collect();
    // Where there are more of them than clients, others are left out in each world.
    let first = first % workloads.len().max(1);
    workloads.rotate_left(first);
    workloads
}

fn client(options: &Options, workloads: &[Workload], number: u64, rng: &mut Rng) -> (Workload, Manner) {
    let drawn = rng.next_u64();
    let mut manner = Manner {
        think_ns: [100, 300, 1000][rng.below(3) as usize] * MS / options.haste.max(1),
        burst: [1, 1, 2, 6][rng.below(4) as usize],
        depth: if rng.chance(1, 2) { 1 } else { MAX_WAITING },
        retries: rng.chance(1, 3),
        max_staleness_ms: None,
    };
    if !options.pipelines {
        manner.depth = 1;
    }
    let count = workloads.len() as u64;
    // Every workload once, then by chance.
    let at = if number < count { number } else { drawn % count.max(1) };
    let workload = workloads[at as usize];
    if workload.waits() {
        // Whoever waits keeps all waiting that its connection has sent after it.
        manner.depth = manner.depth.min(4);
    }
    (workload, manner)
}
