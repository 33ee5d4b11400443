//! Troubles of clocks.

use crate::world::World;

pub(super) fn clock(world: &mut World) -> bool {
    let node = super::any(world);
    let most = [20, 200, 1000, 60_000][world.rng.below(4) as usize];
    let off_ms = world.rng.below(2 * most + 1) as i64 - most as i64;
    world.say(|| format!("the wall clock of node {node} jumps to {off_ms} ms off"));
    world.process(node).clock.wall_off_ms = off_ms;
    true
}
