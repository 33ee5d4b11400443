//! What goes wrong: one function per kind of fault, by the names of `--faults`.

mod disk;
mod members;
mod network;
mod process;
mod time;

use crate::world::World;

/// A kind of fault.
#[derive(Clone, Copy)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// What it does, for the help.
    pub what: &'static str,
    /// How often, compared with others.
    pub weight: u64,
    /// It may end a process.
    pub ends: bool,
    /// Lets it happen; false if it is not possible now.
    pub(crate) strike: fn(&mut World) -> bool,
}

macro_rules! kinds {
    ($($name:literal $weight:literal $ends:literal $strike:path: $what:literal;)*) => {
        /// All kinds, in the order in which a seed draws them.
        pub const KINDS: &[Kind] = &[$(Kind {
            name: $name, what: $what, weight: $weight, ends: $ends, strike: $strike,
        }),*];
    };
}

kinds! {
    "reset" 8 false network::reset: "a connection between two nodes breaks";
    "slow-link" 5 false network::slow_link: "one direction between two nodes becomes slow or thin";
    "loss" 5 false network::loss: "packets of one direction are lost and sent again";
    "cut" 8 false network::cut: "one direction, or both, between two nodes carries nothing";
    "isolate" 5 false network::isolate: "a node hears nothing, or is not heard, or both";
    "flap" 3 false network::flap: "a link goes and comes many times";
    "kill" 12 true process::kill: "a process is killed and started again";
    "kill-all" 2 true process::kill_all: "all processes are killed at once";
    "end" 4 true process::end: "a process is asked to end in good order and started again";
    "power" 8 true process::power: "a machine loses its power, and with it what was not synced";
    "power-all" 3 true process::power_all: "all machines lose their power at once";
    "pause" 10 false process::pause: "a process stands still, as with SIGSTOP";
    "interrupt" 8 false process::interrupt: "a process stands still in the middle of a turn, or between it and sending its results";
    "slow-cpu" 4 false process::slow_cpu: "a processor becomes slow";
    "move" 3 true process::move_away: "a node is killed and comes back at another address";
    "clock" 6 false time::clock: "a wall clock jumps";
    "slow-sync" 6 false disk::slow_sync: "syncs of a disk become slow";
    "stall" 4 false disk::stall: "a disk does nothing for a while, up to 10 s";
    "io-error" 3 true disk::io_error: "a read, write or sync fails with EIO";
    "full" 2 true disk::full: "a disk has no more room for a while";
    "flip-log" 2 true disk::flip_log: "a bit of a log segment turns over, before a later synced one";
    "flip-rows" 2 true disk::flip_rows: "a bit of a stored row turns over";
    "lost-file" 1 true disk::lost_file: "a file of a data folder is gone";
    "wipe" 1 true disk::wipe: "a data folder is emptied";
    "old-copy" 1 true disk::old_copy: "a data folder is replaced by an older copy of itself";
    "drain" 6 false members::drain: "a node is to give up its replicas (worlds in which nodes join)";
    "undrain" 4 false members::undrain: "a node that is being drained is to stay";
    "remove" 4 true members::remove: "a node that was drained, or destroyed, is removed from the cluster";
    "replace" 3 false members::replace: "a node is to take the place of another";
    "split" 3 false members::split: "all shards are to be split in two";
}

/// From here on kinds are about members, and possible only where nodes join.
pub(crate) const OF_MEMBERS: usize = KINDS.len() - 5;

/// One of the nodes that were started and not removed.
fn any(world: &mut World) -> u64 {
    let nodes = world.existing();
    nodes[world.rng.below(nodes.len() as u64) as usize]
}

/// The kind of this name.
pub fn by_name(name: &str) -> Option<usize> {
    KINDS.iter().position(|kind| kind.name == name)
}

/// A number below one of these bounds: small ones are as likely as large ones.
fn below_one_of(world: &mut World, bounds: [u64; 3]) -> u64 {
    let bound = bounds[world.rng.below(3) as usize];
    world.rng.below(bound)
}

/// How long a trouble lasts: mostly short, sometimes long, ns.
fn length(world: &mut World) -> u64 {
    const MS: u64 = crate::time::MS;
    let longest = [5, 60, 200, 1000, 4000][world.rng.below(5) as usize];
    (1 + world.rng.below(longest)) * MS
}
