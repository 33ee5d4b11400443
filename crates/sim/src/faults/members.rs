//! Decisions of a person about members, in the middle of trouble. What can not be is refused by the cluster.

use super::any;
use crate::world::World;

pub(super) fn drain(world: &mut World) -> bool {
    let node = any(world);
    let force = if world.rng.chance(1, 4) { " FORCE" } else { "" };
    world.drained.insert(node);
    world.decide(&format!("DRAIN {node}{force}"));
    true
}

fn one_of(world: &mut World, nodes: &[u64]) -> Option<u64> {
    let count = nodes.len() as u64;
    (count > 0).then(|| nodes[world.rng.below(count) as usize])
}

pub(super) fn undrain(world: &mut World) -> bool {
    let nodes: Vec<u64> = world.drained.iter().copied().collect();
    let Some(node) = one_of(world, &nodes) else { return false };
    world.drained.remove(&node);
    world.decide(&format!("UNDRAIN {node}"));
    true
}

/// One that was drained, which is refused while it has replicas; by force one that is down and has lost what it had.
pub(super) fn remove(world: &mut World) -> bool {
    let mut nodes: Vec<u64> = world.drained.iter().copied().collect();
    nodes.extend(world.lost().iter().copied().collect::<Vec<_>>());
    // One that does not know its id yet would join again as another.
    nodes.retain(|node| !world.removed.contains(node) && world.processes[*node as usize - 1].progress_ever());
    let Some(node) = one_of(world, &nodes) else { return false };
    let destroyed = world.lost().contains(&node) && !world.is_robbed(node) && !world.process(node).is_up();
    world.ask_to_remove(node, destroyed);
    true
}

pub(super) fn replace(world: &mut World) -> bool {
    let (old, new) = (any(world), any(world));
    if old == new {
        return false;
    }
    world.drained.insert(old);
    world.decide(&format!("REPLACE {old} {new}"));
    true
}

/// Most splits of one world: 4 shards become 16.
const MAX_SPLITS: u64 = 2;

pub(super) fn split(world: &mut World) -> bool {
    if world.shards() >= u32::from(world.plan.shape.shards) << MAX_SPLITS {
        return false;
    }
    world.ask("EVERSTORE SHARDS SPLIT");
    true
}
