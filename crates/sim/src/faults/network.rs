//! Troubles of the network.

use super::{any, below_one_of, length};
use crate::time::{MS, US};
use crate::world::{Later, World};

/// Two different nodes.
fn pair(world: &mut World) -> (u64, u64) {
    let nodes = world.existing();
    let count = nodes.len() as u64;
    let a = world.rng.below(count);
    let b = (a + 1 + world.rng.below(count - 1)) % count;
    (nodes[a as usize], nodes[b as usize])
}

pub(super) fn reset(world: &mut World) -> bool {
    let (a, b) = pair(world);
    world.say(|| format!("connections between nodes {a} and {b} break"));
    world.net.reset(a, b);
    true
}

pub(super) fn slow_link(world: &mut World) -> bool {
    let (a, b) = pair(world);
    let slow_ns = below_one_of(world, [5, 50, 300]) * MS;
    let per_kib_ns = world.rng.below(200) * US;
    let for_ns = length(world);
    world.say(|| format!("{a} -> {b} is slower by {} ms for {} ms", slow_ns / MS, for_ns / MS));
    world.net.change(a, b, |link| (link.slow_ns, link.per_kib_ns) = (slow_ns, per_kib_ns));
    world.later(for_ns, Later::MendLink(a, b));
    true
}

pub(super) fn loss(world: &mut World) -> bool {
    let (a, b) = pair(world);
    let loss_ppm = 1000 * (1 + world.rng.below(100));
    let for_ns = length(world);
    world.say(|| format!("{a} -> {b} loses {} of 1000 packets for {} ms", loss_ppm / 1000, for_ns / MS));
    world.net.change(a, b, |link| link.loss_ppm = loss_ppm);
    world.later(for_ns, Later::MendLink(a, b));
    true
}

pub(super) fn cut(world: &mut World) -> bool {
    let (a, b) = pair(world);
    let both = world.rng.chance(2, 3);
    let for_ns = length(world);
    cut_one(world, a, b, for_ns);
    if both {
        cut_one(world, b, a, for_ns);
    }
    true
}

/// A node does not hear of others what happens meanwhile; clients still reach it.
pub(super) fn deafen(world: &mut World, node: u64, for_ns: u64) {
    for other in world.existing().into_iter().filter(|other| *other != node) {
        cut_one(world, other, node, for_ns);
    }
}

fn cut_one(world: &mut World, from: u64, to: u64, for_ns: u64) {
    world.say(|| format!("{from} -> {to} carries nothing for {} ms", for_ns / MS));
    world.net.change(from, to, |link| link.cut = true);
    world.later(for_ns, Later::MendLink(from, to));
}

pub(super) fn isolate(world: &mut World) -> bool {
    let a = any(world);
    let direction = world.rng.below(4);
    let for_ns = length(world);
    for b in world.existing().into_iter().filter(|b| *b != a) {
        if direction != 0 {
            cut_one(world, a, b, for_ns);
        }
        if direction != 1 {
            cut_one(world, b, a, for_ns);
        }
    }
    true
}

pub(super) fn flap(world: &mut World) -> bool {
    let (a, b) = pair(world);
    let (times, every_ns) = (3 + world.rng.below(10), (10 + world.rng.below(200)) * MS);
    world.say(|| format!("{a} <-> {b} flaps {times} times, every {} ms", every_ns / MS));
    for at in 0..times {
        world.later(2 * at * every_ns, Later::CutLink(a, b));
        world.later((2 * at + 1) * every_ns, Later::MendLink(a, b));
        world.later((2 * at + 1) * every_ns, Later::MendLink(b, a));
    }
    true
}
