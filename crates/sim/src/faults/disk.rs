//! Troubles of disks. Those that destroy what was synced strike nodes that are down, and only as many
//! as may be lost (`World::may_destroy`).

use super::{any, below_one_of, length};
use crate::process::FURTHER;
use crate::time::{MS, US};
use crate::world::{Later, World};
use env::{Disk, Op};
use std::path::{Path, PathBuf};
use storage::rows::memory::MemoryStores;

const LOG: &str = "/data/log";
const FURTHER_LOG: &str = "/further/log";

pub(super) fn slow_sync(world: &mut World) -> bool {
    let (node, for_ns) = (any(world), length(world));
    let sync_ns = below_one_of(world, [500, 5_000, 60_000]) * US;
    let job_ns = world.rng.below(80) * MS;
    world.say(|| format!("syncs of node {node} take {} us for {} ms", sync_ns / US, for_ns / MS));
    let pace = &world.process(node).pace;
    let mut pace = pace.borrow_mut();
    (pace.sync_ns, pace.sync_jitter_ns, pace.job_ns) = (sync_ns, sync_ns, job_ns);
    drop(pace);
    world.later(for_ns, Later::MendDisk(node));
    true
}

pub(super) fn stall(world: &mut World) -> bool {
    let node = any(world);
    let for_ns = (1 + below_one_of(world, [200, 2000, 10_000])) * MS;
    let until_ns = world.now_ns() + for_ns;
    world.say(|| format!("the disk of node {node} does nothing for {} ms", for_ns / MS));
    world.process(node).pace.borrow_mut().stalled_until_ns = until_ns;
    true
}

/// Fail-stop: the process ends at the failed operation and is started again.
pub(super) fn io_error(world: &mut World) -> bool {
    let node = any(world);
    let op = [Op::Write, Op::Sync, Op::Read, Op::Name][world.rng.below(4) as usize];
    let skip = world.rng.below(20);
    world.say(|| format!("{op:?} number {skip} from now on the disk of node {node} fails"));
    world.excuse(node);
    world.process(node).disk.fail_once(op, skip);
    true
}

pub(super) fn full(world: &mut World) -> bool {
    let (node, for_ns) = (any(world), length(world));
    let used = world.process(node).disk.used();
    let room = world.rng.below(600 << 10);
    world.say(|| format!("the disk of node {node} has {room} bytes left for {} ms", for_ns / MS));
    world.excuse(node);
    world.process(node).disk.set_capacity(Some(used + room));
    world.later(for_ns, Later::MendSpace(node));
    true
}

/// A node for something that destroys, killed if it was up.
fn victim(world: &mut World) -> Option<u64> {
    let node = any(world);
    taken(world, node)
}

/// A node for something that takes its id: not one that has moved, see [`super::process::move_away`].
fn victim_of_all(world: &mut World) -> Option<u64> {
    let node = any(world);
    let may = world.operator.is_some() || !world.process(node).has_moved();
    may.then(|| taken(world, node)).flatten()
}

fn taken(world: &mut World, node: u64) -> Option<u64> {
    if !world.may_destroy(node) || !world.process(node).progress_ever() {
        return None;
    }
    world.kill(node, true);
    let for_ns = length(world);
    world.later(for_ns, Later::Start(node));
    Some(node)
}

fn log_files(world: &mut World, node: u64) -> Vec<PathBuf> {
    let further = world.process(node).has_further() && world.rng.chance(1, 2);
    let log = Path::new(if further { FURTHER_LOG } else { LOG });
    let names = world.process(node).disk.list(log).unwrap_or_default();
    names.into_iter().map(|name| log.join(name)).collect()
}

/// A disk that was replaced, or is not there: a further data folder is empty or gone.
fn lost_folder(world: &mut World, node: u64) {
    let empty = world.rng.chance(1, 2);
    world.say(|| {
        format!("the further data folder of node {node} is {}", if empty { "empty" } else { "gone" })
    });
    let process = world.process(node);
    // What is not there is as lost as it can be.
    let _ = process.disk.remove_dir_all(Path::new(FURTHER));
    if empty {
        let _ = process.disk.create_dir_all(Path::new(FURTHER));
    }
    process.stores[1] = MemoryStores::new();
    world.robbed(node);
}

pub(super) fn flip_log(world: &mut World) -> bool {
    let Some(node) = victim(world) else { return false };
    let files = log_files(world, node);
    if files.is_empty() {
        return false;
    }
    let file = files[world.rng.below(files.len() as u64) as usize].clone();
    let (offset, bit) = (world.rng.below(crate::process::SEGMENT_BYTES), world.rng.below(8) as u8);
    world.say(|| format!("bit {bit} of byte {offset} of {} of node {node} turns over", file.display()));
    // Where nothing was written, or in the last batch, nobody can notice; then nothing was destroyed.
    let _ = world.process(node).disk.flip_bit(&file, offset, bit);
    world.destroyed(node);
    true
}

pub(super) fn flip_rows(world: &mut World) -> bool {
    let Some(node) = victim(world) else { return false };
    let (which, bit) = (world.rng.next_u64(), world.rng.below(64) as usize);
    let folder = usize::from(world.process(node).has_further() && world.rng.chance(1, 2));
    let found = world.process(node).stores[folder].flip_any(which, bit);
    world.say(|| format!("a bit of a row of tree {found:?} of node {node} turns over"));
    world.destroyed(node);
    true
}

pub(super) fn lost_file(world: &mut World) -> bool {
    let Some(node) = victim_of_all(world) else { return false };
    if world.process(node).has_further() && world.rng.chance(2, 3) {
        lost_folder(world, node);
        return true;
    }
    let mut files = log_files(world, node);
    files.push(PathBuf::from("/data/node.toml"));
    let file = files[world.rng.below(files.len() as u64) as usize].clone();
    world.say(|| format!("{} of node {node} is lost", file.display()));
    let disk = &world.process(node).disk;
    // A name that is not there is as lost as it can be.
    let _ = disk.remove(&file);
    let _ = disk.sync_dir(file.parent().unwrap_or(Path::new("/")));
    world.destroyed(node);
    world.emptied.insert(node);
    true
}

pub(super) fn wipe(world: &mut World) -> bool {
    let Some(node) = victim_of_all(world) else { return false };
    world.say(|| format!("the data folder of node {node} is emptied"));
    let process = world.process(node);
    process.disk = env::MemDisk::new();
    process.stores = Default::default();
    world.destroyed(node);
    world.emptied.insert(node);
    true
}

/// From the copy until the node was refused no process ends, because what its peers know of its promises
/// they know in memory; and when it comes back they can reach it (`World::guard`).
pub(super) fn old_copy(world: &mut World) -> bool {
    let node = any(world);
    if !world.may_destroy(node) || !world.all_well() || world.is_deciding() {
        return false;
    }
    let delay_ns = (100 + world.rng.below(3000)) * MS;
    world.say(|| format!("the data folder of node {node} is copied, to come back in {} ms", delay_ns / MS));
    world.copy_folder(node);
    world.destroyed(node);
    world.later(delay_ns, Later::OldCopy(node));
    true
}
