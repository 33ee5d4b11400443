//! Splits whose nodes lose their power at each of the steps in which a new shard is made, and splits beside a witness
//! in which a node is away from such a step on.
//!
//! Seeds meet these moments by chance only; here a node is cut off at the first pass in which its replica has come
//! so far, starts again, and the world must end as any: all served, all replicas equal, nothing lost.

use crate::clients::workload::Workload;
use crate::plan::Options;
use crate::time::{MS, S};
use crate::world::World;
use model::GroupId;
use node::dividing::Progress;

/// The only shard there is at first.
const PARENT: GroupId = GroupId(1);

/// Who loses its power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Leader,
    Follower,
    /// The node that votes and keeps no data.
    Witness,
    /// All nodes, as soon as the first one has come so far.
    All,
}

/// A world without troubles of its own, in which clients work and somebody has asked for a split.
fn world(seed: u64, witness: bool, further: bool) -> World {
    let options = Options {
        nodes: Some(3),
        spares: Some(0),
        witness: Some(witness),
        further: Some(further),
        shards: Some(1),
        // So that some rows are in the row store only.
        max_memory: Some(seed % 2),
        length_ns: 10 * S,
        faults: Vec::new(),
        workloads: vec![Workload::Counters, Workload::Appends, Workload::Queues],
        haste: 5,
        pipelines: false,
        majority_lost: Some(false),
        ..Options::default()
    };
    let mut world = World::new(seed, &options);
    world.plan.sick = None;
    world.form();
    world.add_clients();
    world.operate();
    world.run_until(world.now_ns() + S);
    let until_ns = world.now_ns() + 20 * S;
    while !is_dividing(&world) && world.found.is_none() && world.now_ns() < until_ns {
        if !world.is_deciding() {
            world.ask("EVERSTORE SHARDS SPLIT");
        }
        world.run_while(world.now_ns() + 200 * MS, |world| !is_dividing(world));
    }
    assert!(is_dividing(&world), "seed {seed}: {:?}", world.found);
    world
}

fn is_dividing(world: &World) -> bool {
    let mut cores = world.processes.iter().filter_map(|process| process.core());
    cores.any(|core| core.map().is_dividing())
}

/// A node that is meant and whose replica of the parent has come so far; for the witness, which applies nothing of it,
/// any other's.
fn arrived(world: &World, step: Progress, victim: Victim) -> Option<u64> {
    let witness = world.plan.shape.witness;
    let meant = |node: &u64| {
        let Some(core) = world.processes[*node as usize - 1].core() else { return false };
        let leads = core.inspect(PARENT).is_some_and(|replica| replica.leads);
        let so_far = core.division(PARENT).is_some_and(|progress| progress >= step);
        let any = matches!(victim, Victim::All | Victim::Witness);
        so_far && (any || *node != witness && leads == (victim == Victim::Leader))
    };
    let found = (1..=world.nodes()).find(meant)?;
    Some(if victim == Victim::Witness { witness } else { found })
}

/// What is wrong at the end, in words.
fn cut(seed: u64, step: Progress, victim: Victim, further: bool) -> Option<String> {
    let mut world = world(seed, false, further);
    if !world.run_while(world.now_ns() + 30 * S, |world| arrived(world, step, victim).is_none()) {
        return Some(format!("nobody came so far: {:?}", world.found));
    }
    let first = arrived(&world, step, victim).unwrap_or(1);
    let all: Vec<u64> = (1..=world.nodes()).collect();
    let victims = if victim == Victim::All { &all[..] } else { &[first] };
    victims.iter().for_each(|node| world.kill(*node, false));
    world.run_until(world.now_ns() + 300 * MS);
    end(world, victims)
}

/// One node beside a witness, or the witness, is away from this step on until the split is over. What is wrong, in words.
fn without(seed: u64, step: Progress, victim: Victim) -> Option<String> {
    let mut world = world(seed, true, false);
    if !world.run_while(world.now_ns() + 30 * S, |world| arrived(world, step, victim).is_none()) {
        return Some(format!("nobody came so far: {:?}", world.found));
    }
    let node = arrived(&world, step, victim).unwrap_or(1);
    world.kill(node, false);
    if !world.run_while(world.now_ns() + 30 * S, is_dividing) {
        return Some(format!("two of three do not end the split: {:?}", world.found));
    }
    end(world, &[node])
}

/// The nodes start again, and all must be well.
fn end(mut world: World, away: &[u64]) -> Option<String> {
    away.iter().for_each(|node| world.start(*node));
    world.run_until(world.now_ns() + 3 * S);
    world.clients.iter_mut().for_each(|client| client.quiet = true);
    world.answered("after a power cut in a split", 15 * S);
    world.recover();
    world.judge();
    let split = world.shards();
    world.found.map(|found| format!("{found:?}")).or((split != 2).then(|| format!("{split} shards")))
}

fn cut_at_each_step(further: bool) {
    use Progress::{Applied, Durable, Made, Parted, Stored};
    let mut wrong = Vec::new();
    for (seed, step) in (1..).zip([Applied, Stored, Made, Durable, Parted]) {
        for victim in [Victim::Leader, Victim::Follower, Victim::All] {
            if let Some(what) = cut(seed, step, victim, further) {
                wrong.push(format!("seed {seed}, {victim:?} at {step:?}: {what}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_power_cut_at_any_step_of_making_a_shard_loses_nothing_and_the_split_ends() {
    cut_at_each_step(false);
}

#[test]
fn a_power_cut_between_the_logs_of_two_data_folders_makes_a_shard_anew() {
    cut_at_each_step(true);
}

#[test]
fn a_split_beside_a_witness_ends_without_any_one_of_the_three() {
    let mut wrong = Vec::new();
    for (seed, step) in (1..).zip([Progress::Applied, Progress::Made]) {
        for victim in [Victim::Leader, Victim::Follower, Victim::Witness] {
            if let Some(what) = without(seed, step, victim) {
                wrong.push(format!("seed {seed}, {victim:?} at {step:?}: {what}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
