//! Thousands of random moves per seed: loss, reordering, duplication, crashes that lose what was not
//! synced, slow disks, frozen nodes, skewed clocks, transfers, snapshots and changes of members. The world checks the
//! promises of consensus after every move. `EVERSTORE_SEEDS=from..to` runs other seeds.

// The range of seeds comes from the environment, as in a search for failures.
#![allow(clippy::disallowed_methods)]

mod sim;

use everstore_raft::{ConfState, MemberStep, MembersRefused, Refused};
use model::NodeId;
use sim::World;

/// Fastest and slowest clock of the world differ by less than the drift margin allows.
const SKEW_PPM: i64 = 15_000;

struct Rng(u64);

impl Rng {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % bound
    }
    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

fn seeds() -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("EVERSTORE_SEEDS") else { return 0..100 };
    let (from, to) = text.split_once("..").expect("from..to");
    from.parse().expect("a number")..to.parse().expect("a number")
}

#[test]
fn promises_hold_whatever_happens() {
    let mut total = Seen::default();
    for seed in seeds() {
        let done = std::panic::catch_unwind(|| one_seed(seed));
        total.add(&done.unwrap_or_else(|_| panic!("seed {seed}")));
    }
    let runs = seeds().count() as u64;
    eprintln!("{runs} seeds: {total:?}");
    // A world in which nothing happens keeps every promise.
    assert!(total.committed > runs * 30, "{total:?}");
    assert!(total.terms > runs * 3, "{total:?}");
    assert!(total.leased > runs * 20, "{total:?}");
    assert!(total.reads > runs && total.installed > runs / 4 && total.held > runs / 2, "{total:?}");
    assert!(total.steps > runs * 2, "{total:?}");
}

/// What happened in a world.
#[derive(Debug, Default)]
struct Seen {
    committed: u64,
    terms: u64,
    /// Moves after which some node held a lease.
    leased: u64,
    reads: u64,
    installed: u64,
    held: u64,
    /// Changes of members.
    steps: u64,
}

impl Seen {
    fn add(&mut self, other: &Seen) {
        self.committed += other.committed;
        self.terms += other.terms;
        self.leased += other.leased;
        self.reads += other.reads;
        self.installed += other.installed;
        self.held += other.held;
        self.steps += other.steps;
    }

    fn look(&mut self, world: &mut World) {
        for event in world.events.drain(..) {
            self.reads += u64::from(event.contains("may read"));
            self.installed += u64::from(event.contains("installed snapshot"));
            self.held += u64::from(event.contains("holds"));
        }
        let leases = |id: usize| {
            world.nodes[id].group.as_ref().is_some_and(|g| g.lease_valid(world.now(id as u64 + 1)))
        };
        self.leased += u64::from((0..world.nodes.len()).any(leases));
    }
}

/// Moves per seed.
const MOVES: u64 = 4000;

fn one_seed(seed: u64) -> Seen {
    let mut seen = Seen::default();
    let mut rng = Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5eed);
    let count = if rng.chance(25) { 5 } else { 3 };
    // In half of the worlds members change.
    let spares = if rng.chance(50) { 2 } else { 0 };
    // In a third of them one of the first members is a witness.
    let witness = if rng.chance(33) { 1 + rng.below(count) } else { 0 };
    let mut world = World::with_spares(count, spares, seed, |config| {
        // Small bounds, so that they are met.
        config.member_steps = true;
        config.witness = config.node.0 == witness;
        config.max_append = 64;
        config.max_inflight = 4;
        config.max_entry = 4096;
        config.max_uncommitted = 4096;
        config.max_tail = 600;
    });
    for node in &mut world.nodes {
        node.skew_ppm = rng.below(2 * SKEW_PPM as u64) as i64 - SKEW_PPM;
    }
    // Clocks differ from here on, so that nobody's start lies in its own future.
    (1..=count + spares).for_each(|id| world.crash(id, 0));
    (1..=count + spares).for_each(|id| world.restart(id));
    let loss = rng.below(12);
    let bad = rng.below(5);
    for step in 0..MOVES {
        if step % 500 == 0 {
            world.run(rng.below(400));
        }
        one_move(&mut world, &mut rng, loss, bad, step);
        seen.look(&mut world);
    }
    heal(&mut world);
    seen.terms = world.nodes[0].group.as_ref().map_or(0, |g| g.term());
    seen.committed = world.checks.committed.len() as u64;
    seen.steps = world.checks.steps();
    seen
}

fn one_move(world: &mut World, rng: &mut Rng, loss: u64, bad: u64, step: u64) {
    let count = world.nodes.len() as u64;
    let id = rng.below(count) + 1;
    match rng.below(100) {
        0..45 => network(world, rng, loss),
        45..60 => {
            world.time_us += rng.below(8000);
            for id in 1..=count {
                if world.alive(id) && rng.chance(80) {
                    world.tick(id);
                }
            }
        }
        60..80 if world.alive(id) => world.ready(id),
        80..90 if world.alive(id) => {
            let writes = rng.below(3) as usize + 1;
            world.persist(id, writes);
            world.ready(id);
        }
        60..90 => {}
        90..96 => client(world, rng, step),
        _ if rng.below(6) < bad => mishap(world, rng, id),
        _ => {}
    }
}

fn network(world: &mut World, rng: &mut Rng, loss: u64) {
    if world.net.is_empty() {
        world.time_us += 500;
        return;
    }
    // Mostly in order, sometimes not.
    let reach = if rng.chance(70) { 1 } else { world.net.len().min(20) as u64 };
    let at = rng.below(reach) as usize;
    let Some(m) = world.net.remove(at) else { return };
    if rng.chance(loss) || world.net.len() > 500 {
        return;
    }
    if rng.chance(5) {
        world.net.push_back(m.clone());
    }
    world.deliver(&m);
}

fn client(world: &mut World, rng: &mut Rng, step: u64) {
    let count = world.nodes.len() as u64;
    let some = rng.below(count) + 1;
    let id = world.leader().unwrap_or(some);
    if !world.alive(id) {
        return;
    }
    let now = world.now(id);
    match rng.below(20) {
        0..10 => drop(world.propose(id, &format!("v{step}"))),
        10..14 if world.has_spares => change_members(world, rng, id),
        10..15 => world.group(id).want_lease(now),
        15..17 => drop(world.read(id)),
        17 if rng.chance(50) => drop(world.group(id).transfer(model::NodeId(some), now)),
        _ => {
            world.stream(id, rng.chance(70));
            world.checkpoint(id);
        }
    }
    world.check();
}

/// The next step of some change, as far as it fits.
fn change_members(world: &mut World, rng: &mut Rng, id: u64) {
    let ConfState { voters, learners, voters_outgoing, .. } = world.group(id).members();
    let some = |rng: &mut Rng, of: &[u64]| of[rng.below(of.len() as u64) as usize];
    let all: Vec<u64> = (1..=world.nodes.len() as u64).collect();
    let strangers: Vec<u64> =
        all.into_iter().filter(|n| !voters.contains(n) && !learners.contains(n)).collect();
    let step = if !voters_outgoing.is_empty() {
        MemberStep::Leave
    } else if !strangers.is_empty() && (learners.is_empty() || rng.chance(30)) {
        MemberStep::AddLearner(NodeId(some(rng, &strangers)))
    } else if !learners.is_empty() && rng.chance(15) {
        MemberStep::RemoveLearner(NodeId(some(rng, &learners)))
    } else {
        // Whoever does not know that it is a member has no vote to give.
        let joined = |id: &&u64| world.nodes[**id as usize - 1].disk.joined;
        let add = learners.iter().filter(joined).filter(|_| rng.chance(80)).copied().map(NodeId).collect();
        let mut remove: Vec<u64> = voters.iter().filter(|_| rng.chance(40)).copied().collect();
        remove.truncate(voters.len() - 1);
        MemberStep::Enter { add, remove: remove.into_iter().map(NodeId).collect() }
    };
    let refused = world.propose_members(id, &step);
    if refused == Err(Refused::Members(MembersRefused::LeaderGoes)) {
        let now = world.now(id);
        let _ = world.group(id).transfer(NodeId(some(rng, &voters)), now);
    }
}

fn mishap(world: &mut World, rng: &mut Rng, id: u64) {
    let count = world.nodes.len() as u64;
    let id = if rng.chance(50) { world.leader().unwrap_or(id) } else { id };
    match rng.below(15) {
        // The leader, or who was one, alone: it must notice by itself that its lease ends.
        10..14 => world.cut.extend((1..=count).flat_map(|other| [(id, other), (other, id)])),
        0..3 if world.nodes[id as usize - 1].group.is_some() => {
            let keep = rng.below(3) as usize;
            world.crash(id, keep);
        }
        0..6 => {
            let down = (1..=count).find(|id| world.nodes[*id as usize - 1].group.is_none());
            down.into_iter().for_each(|id| world.restart(id));
        }
        6 => world.node(id).frozen = !world.node(id).frozen,
        7 => {
            let other = rng.below(count) + 1;
            world.cut.push((id, other));
        }
        8 => world.cut.clear(),
        9 => {
            world.cut.clear();
            suspect(world, rng);
        }
        _ if world.alive(id) => {
            let now = world.now(id);
            world.group(id).campaign_evidence(now);
            world.group(id).unreachable(model::NodeId(rng.below(count) + 1));
        }
        _ => {}
    }
}

/// Some are taken for lost, mostly those who are.
fn suspect(world: &mut World, rng: &mut Rng) {
    let count = world.nodes.len() as u64;
    let down: Vec<u64> = (1..=count).filter(|id| !world.alive(*id)).collect();
    let wrong = [1 + rng.below(count)];
    world.set_lost(if rng.chance(20) { &wrong } else { &down });
}

/// Without further trouble all nodes agree on everything that was ever committed.
fn heal(world: &mut World) {
    world.cut.clear();
    world.set_lost(&[]);
    for id in 1..=world.nodes.len() as u64 {
        world.node(id).frozen = false;
        if world.nodes[id as usize - 1].group.is_none() {
            world.restart(id);
        }
    }
    for _ in 0..30 {
        world.run(100);
        if let Some(leader) = world.leader() {
            let _ = world.propose(leader, "last");
            leave_joint(world, leader);
            world.checkpoint(leader);
            world.stream(leader, true);
        }
    }
    world.run(300);
    let committed = world.checks.committed.keys().last().copied().unwrap_or(0);
    let leader = world.leader().expect("a world without trouble has a leader");
    let members = world.group(leader).members();
    assert!(members.voters_outgoing.is_empty(), "a joint configuration was not left");
    let is_member = |id: &u64| members.voters.contains(id) || members.learners.contains(id);
    for node in world.nodes.iter().filter(|node| is_member(&node.id)) {
        let applied = node.group.as_ref().map_or(0, |g| g.applied_index());
        assert_eq!(applied, committed, "n{} did not catch up", node.id);
    }
    let holes = (1..=committed).find(|i| !world.checks.committed.contains_key(i));
    assert_eq!(holes, None, "an index was never committed");
}

/// A leader that is to go hands over first.
fn leave_joint(world: &mut World, leader: u64) {
    let left = world.propose_members(leader, &MemberStep::Leave);
    if left == Err(Refused::Members(MembersRefused::LeaderGoes)) {
        let voters = world.group(leader).members().voters;
        let to = *voters.iter().find(|id| world.witness != Some(**id)).expect("a voter that keeps data");
        let now = world.now(leader);
        let _ = world.group(leader).transfer(NodeId(to), now);
    }
}
