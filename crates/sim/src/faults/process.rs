//! Troubles of processes and their machines.

use super::length;
use crate::time::MS;
use crate::world::{Later, World};

fn any(world: &mut World) -> u64 {
    1 + world.rng.below(world.nodes())
}

fn kill_one(world: &mut World, node: u64, power: bool, for_ns: u64) -> bool {
    if !world.process(node).is_up() {
        return false;
    }
    let what = if power { "is killed" } else { "loses its power" };
    world.say(|| format!("node {node} {what} for {} ms", for_ns / MS));
    world.kill(node, power);
    world.later(for_ns, Later::Start(node));
    true
}

pub(super) fn kill(world: &mut World) -> bool {
    let (node, for_ns) = (any(world), length(world));
    kill_one(world, node, true, for_ns)
}

pub(super) fn power(world: &mut World) -> bool {
    let (node, for_ns) = (any(world), length(world));
    kill_one(world, node, false, for_ns)
}

fn all(world: &mut World, power: bool) -> bool {
    let mut some = false;
    for node in 1..=world.nodes() {
        let for_ns = length(world);
        some |= kill_one(world, node, power, for_ns);
    }
    some
}

pub(super) fn kill_all(world: &mut World) -> bool {
    all(world, true)
}

pub(super) fn power_all(world: &mut World) -> bool {
    all(world, false)
}

pub(super) fn end(world: &mut World) -> bool {
    let node = any(world);
    if !world.process(node).is_up() {
        return false;
    }
    world.say(|| format!("node {node} is asked to end"));
    world.process(node).ask_to_end();
    true
}

pub(super) fn pause(world: &mut World) -> bool {
    let (node, for_ns) = (any(world), length(world));
    world.say(|| format!("node {node} stands still for {} ms", for_ns / MS));
    let until_ns = world.now_ns() + for_ns;
    world.process(node).paused_until_ns = until_ns;
    true
}

pub(super) fn interrupt(world: &mut World) -> bool {
    let (node, for_ns) = (any(world), length(world));
    // What it executes then is executed at a time that is long over.
    let early = world.rng.chance(1, 2);
    let when = if early { "after it has read the clock" } else { "before it sends" };
    world.say(|| format!("node {node} stands still {when} for {} ms", for_ns / MS));
    let process = world.process(node);
    *(if early { &mut process.interrupt_early_ns } else { &mut process.interrupt_ns }) = for_ns;
    true
}

pub(super) fn slow_cpu(world: &mut World) -> bool {
    let (node, for_ns) = (any(world), length(world));
    let slowness = 2 + world.rng.below(200);
    world.say(|| format!("node {node} is {slowness} times as slow for {} ms", for_ns / MS));
    world.process(node).slowness = slowness;
    world.later(for_ns, Later::MendCpu(node));
    true
}

pub(super) fn move_away(world: &mut World) -> bool {
    let (node, for_ns) = (any(world), length(world));
    let moved = kill_one(world, node, true, for_ns);
    if moved {
        world.process(node).move_away();
    }
    moved
}
