//! Nodes whose program is older than what the cluster uses: refused in words, and let in again with a newer one.

use crate::clients::workload::Workload;
use crate::plan::Options;
use crate::time::S;
use crate::world::World;
use cluster::heartbeat::LEVEL;
use model::GroupId;

/// What a program of before understands.
const BEFORE: u64 = LEVEL - 1;

/// A cluster of three, formed by programs that understand this; one more may come. Nothing goes wrong by itself.
fn world(seed: u64, spares: u64, level: u64) -> World {
    let options = Options {
        nodes: Some(3),
        spares: Some(spares),
        witness: Some(false),
        learners: Some(false),
        shards: Some(2),
        length_ns: 10 * S,
        faults: Vec::new(),
        workloads: vec![Workload::Counters, Workload::Appends],
        pipelines: false,
        majority_lost: Some(false),
        ..Options::default()
    };
    let mut world = World::new(seed, &options);
    world.plan.sick = None;
    world.processes.iter_mut().for_each(|process| process.level = level);
    world.form();
    world.add_clients();
    world
}

/// Runs until all nodes that run say that the cluster uses this.
fn uses(world: &mut World, level: u64) {
    let differs =
        |world: &World| world.processes.iter().filter_map(|p| p.core()).any(|core| core.map().level != level);
    assert!(world.run_while(world.now_ns() + 10 * S, differs), "{:?}", world.found);
}

/// Runs until a node has stopped; what it said last.
fn last_words(world: &mut World, node: u64) -> String {
    world.run_until(world.now_ns() + 10 * S);
    let found = world.found.take().unwrap_or_else(|| panic!("node {node} goes on"));
    assert!(found.sentence.starts_with(&format!("node {node} stopped")), "{found:?}");
    found.sentence
}

fn start_with(world: &mut World, node: u64, level: u64) {
    world.kill(node, true);
    world.process(node).level = level;
    world.start(node);
}

fn too_old(who: &str) -> String {
    format!(
        "the cluster uses formats of level {LEVEL}, and the program of {who} understands those up to level {BEFORE}: \
         start it with the version that the other nodes run"
    )
}

#[test]
fn a_member_with_an_older_program_stops_and_serves_again_with_a_newer_one() {
    let mut world = world(1, 0, LEVEL);
    uses(&mut world, LEVEL);
    start_with(&mut world, 2, BEFORE);
    let said = last_words(&mut world, 2);
    assert!(said.ends_with(&too_old("node 2")), "{said}");
    assert!(!said.contains("refused by the other side"), "its own map says so: {said}");
    start_with(&mut world, 2, LEVEL);
    uses(&mut world, LEVEL);
    world.recover();
    world.judge();
    assert_eq!(world.found, None);
}

#[test]
fn a_node_that_joins_with_an_older_program_gets_no_id_and_one_without_the_map_is_refused_by_the_others() {
    let mut world = world(2, 1, LEVEL);
    uses(&mut world, LEVEL);
    world.process(4).level = BEFORE;
    world.start(4);
    let said = last_words(&mut world, 4);
    assert!(said.contains(&format!("refused by the other side: {}", too_old("a node that joins"))), "{said}");
    for node in 1..=3 {
        assert_eq!(world.process(node).core().expect("it runs").map().members.len(), 3);
    }
    start_with(&mut world, 4, LEVEL);
    let joined = |world: &World| world.processes[3].core().is_some_and(|core| core.map().members.len() == 4);
    assert!(world.run_while(world.now_ns() + 10 * S, |world| !joined(world)), "{:?}", world.found);
    world.run_until(world.now_ns() + 5 * S);
    let without_map = (1..=4)
        .find(|node| world.process(*node).core().is_some_and(|core| core.inspect(GroupId::META).is_none()));
    let node = without_map.expect("three of four have a replica of the meta group");
    start_with(&mut world, node, BEFORE);
    let said = last_words(&mut world, node);
    // Whoever calls first says so.
    let refused = said.contains("this node can not take part: ");
    assert!(refused && said.contains(&too_old(&format!("node {node}"))), "{said}");
    start_with(&mut world, node, LEVEL);
    uses(&mut world, LEVEL);
    assert_eq!(world.found, None);
}

#[test]
fn nodes_are_upgraded_one_after_the_other_while_clients_are_served() {
    let mut world = world(3, 0, BEFORE);
    for node in 1..=3 {
        uses(&mut world, BEFORE);
        start_with(&mut world, node, LEVEL);
        world.run_until(world.now_ns() + 2 * S);
    }
    uses(&mut world, LEVEL);
    world.recover();
    world.judge();
    assert_eq!(world.found, None);
}
