//! Troubles of processes and their machines.

use super::{any, length};
use crate::time::{MS, S};
use crate::world::{Later, World};

/// Longest interruption of a pass that has read its clock, ns. What it executes then counts its times to
/// live from that clock, so a key may expire early by as much: less than the slack of the check.
const MAX_EARLY_NS: u64 = 900 * MS;

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

/// Mostly nothing is unsynced; so every other time it waits until something is.
pub(super) fn power(world: &mut World) -> bool {
    let (node, for_ns) = (any(world), length(world));
    lose_power(world, node, for_ns)
}

fn lose_power(world: &mut World, node: u64, for_ns: u64) -> bool {
    let slow = world.rng.chance(1, 2);
    let passes = if slow { 30 + world.rng.below(400) } else { world.rng.below(4) };
    if world.rng.chance(1, 2) {
        return kill_one(world, node, false, for_ns);
    }
    let process = world.process(node);
    if !process.is_up() {
        return false;
    }
    process.power_cut = Some((passes, for_ns));
    if slow {
        // Then many batches are written at once, and any of them may be torn.
        process.pace.borrow_mut().sync_ns = 30 * MS;
        world.later(S, Later::MendDisk(node));
    }
    true
}

fn all(world: &mut World, strike: impl Fn(&mut World, u64, u64) -> bool) -> bool {
    let mut some = false;
    for node in world.existing() {
        let for_ns = length(world);
        some |= strike(world, node, for_ns);
    }
    some
}

pub(super) fn kill_all(world: &mut World) -> bool {
    all(world, |world, node, for_ns| kill_one(world, node, true, for_ns))
}

pub(super) fn power_all(world: &mut World) -> bool {
    all(world, |world, node, for_ns| kill_one(world, node, false, for_ns))
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
    let (node, mut for_ns) = (any(world), length(world));
    // What it executes then is executed at a time that is long over.
    let early = world.rng.chance(1, 2);
    let when = if early { "after it has read the clock" } else { "before it sends" };
    if early {
        for_ns = for_ns.min(MAX_EARLY_NS);
    }
    if early && world.rng.chance(1, 2) {
        // Long enough for another to lead and to change what it will be asked for.
        for_ns = for_ns.max(200 * MS + world.rng.below(MAX_EARLY_NS - 200 * MS));
        super::network::deafen(world, node, for_ns);
    }
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
    // Emptied, it would come back as another node, and without an operator nobody removes the one it was.
    let stays = world.operator.is_none() && world.emptied.contains(&node);
    let moved = !stays && kill_one(world, node, true, for_ns);
    if moved {
        world.process(node).move_away();
    }
    moved
}
