//! The command table: one declarative description of every command. The parser's arity check, the
//! router, `COMMAND INFO` and `COMMAND DOCS`, ACL categories and the tests all read it. It is pure
//! data; handlers are attached by name or [`Spec::id`] elsewhere.
//!
//! Texts, flags, key positions and arities of Redis commands are those of Redis 7.0.15, except
//! where a command is ours or newer (`since` says so). The texts of the bitmap, hash, list, set, sorted
//! set, geo and stream groups and of `sort` and `dump` are our own.
//! A container such as `CLIENT` has [`Spec::subcommands`]; the name of a subcommand is written
//! `client|id`, as Redis reports it.

mod bitmap;
mod bitmap_args;
mod cluster;
mod connection;
mod connection_args;
mod connection_client;
mod docs;
mod dump;
mod dump_args;
mod find_keys;
mod flags;
mod geo;
mod geo_args;
mod hash;
mod hash_args;
mod hyperloglog;
mod keys;
mod keys_args;
mod keyspec;
mod large;
mod list;
mod list_args;
mod lookup;
mod own;
mod scripting;
mod server;
mod server_args;
mod server_command;
mod server_inspect;
mod set;
mod set_args;
mod sort;
mod sort_args;
mod sorted_set;
mod sorted_set_args;
mod sorted_set_range;
mod sorted_set_range_args;
mod sorted_set_several;
mod sorted_set_several_args;
mod stream;
mod stream_args;
mod string;
mod string_args;
mod transactions;
mod upkeep;

#[cfg(test)]
mod tests;

pub use docs::{Arg, ArgKind, Group};
use docs::{KEY, arg, token};
pub use find_keys::{Found, Positions};
pub use flags::{Categories, Flags, category, flag};
pub use keyspec::{Begin, Find, KeyFlags, KeySpec, Keys, Keyword, key_flag};
pub use lookup::{Unknown, commands, lookup, resolve, subcommand};

/// How the parts of a command that was split over shards become one reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Merge {
    /// The replies are integers; the answer is their sum.
    Sum,
    /// Every part must answer `OK`; the answer is `OK` or the first error.
    AllOk,
    /// The replies are arrays; elements go to the places their keys have in the command.
    Interleave,
    /// The replies are arrays; the answer is one array of all elements, in the order of the shards.
    Concat,
}

/// Where a command is executed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Route {
    /// On the connection's own node, by the front.
    Front,
    /// In one shard: all keys must be in one slot, or in one keyspace of layout `single`.
    Key,
    /// Split by key over the shards, without atomicity between them.
    PerKey(Merge),
    /// Sent to every shard of the keyspace.
    AllShards(Merge),
    /// `SCAN`: the cursor says which shard is next.
    Scan,
    /// `RANDOMKEY`: any shard that has keys.
    Random,
    /// A chunk of a large value: in the shard that its upload and its number, the second and third argument, give.
    Chunk,
    /// `MULTI`, `EXEC` and the like: by the connection's own node, which sends what was queued to one shard.
    Transaction,
    /// `WAIT`, `WAITAOF`: held until the connection's last write is on enough disks.
    Wait,
}

/// One command or subcommand.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Lower case; `container|subcommand` for a subcommand.
    pub name: &'static str,
    /// Number of arguments with the command's name; negative: at least that many.
    pub arity: i32,
    /// Behaviour flags, as `COMMAND INFO` reports them.
    pub flags: Flags,
    /// Positions of the keys that no argument can move; see [`Spec::key_positions`]. Of a container: none.
    pub keys: Keys,
    /// The keys with what is done to them.
    pub key_specs: &'static [KeySpec],
    /// ACL categories beyond those that follow from the flags; see [`Spec::all_categories`].
    pub categories: Categories,
    /// Hints for cluster proxies and clients, as `COMMAND INFO` reports them.
    pub tips: &'static [&'static str],
    /// Where the command runs. Of a container: [`Route::Front`]; its subcommands decide.
    pub route: Route,
    /// The group of the documentation.
    pub group: Group,
    /// One line that says what the command does.
    pub summary: &'static str,
    /// The Redis version (for our own commands: the Everstore version) that brought it.
    pub since: &'static str,
    /// Time complexity; empty if none is given.
    pub complexity: &'static str,
    /// For a deprecated command: since when, and what to use in its place.
    pub deprecated: Option<(&'static str, &'static str)>,
    /// Documented as internal (Redis's doc flag `syscmd`).
    pub system: bool,
    /// Pairs of version and change.
    pub history: &'static [(&'static str, &'static str)],
    /// The arguments, as `COMMAND DOCS` describes them.
    pub args: &'static [Arg],
    /// Subcommands of a container, empty otherwise.
    pub subcommands: &'static [Spec],
    /// First arguments with which it runs in a shard, although it is no container: clients are not told
    /// of these as commands.
    pub keyed: &'static [Spec],
    id: u16,
}

/// Every field that a command does not mention.
const BASE: Spec = Spec {
    name: "",
    arity: 0,
    flags: Flags(0),
    keys: Keys::NONE,
    key_specs: &[],
    categories: Categories(0),
    tips: &[],
    route: Route::Front,
    group: Group::Server,
    summary: "",
    since: "",
    complexity: "",
    deprecated: None,
    system: false,
    history: &[],
    args: &[],
    subcommands: &[],
    keyed: &[],
    id: u16::MAX,
};

impl Spec {
    /// Place in [`commands`], the same for the life of the process, so that handlers and counters
    /// can be arrays. A subcommand has no place of its own and answers `usize::from(u16::MAX)`.
    pub fn id(&self) -> usize {
        usize::from(self.id)
    }

    /// The name without its container: `id` for `client|id`.
    pub fn short_name(&self) -> &'static str {
        self.name.split_once('|').map_or(self.name, |(_, short)| short)
    }

    /// True if a call with `argc` arguments (with the command's name) has the right number.
    #[inline]
    pub fn accepts(&self, argc: usize) -> bool {
        let needed = self.arity.unsigned_abs() as usize;
        if self.arity < 0 { argc >= needed } else { argc == needed }
    }

    /// The ACL categories with those that follow from the flags, by the rules of Redis.
    pub fn all_categories(&self) -> Categories {
        let mut all = self.categories.0;
        let mut imply = |on: bool, bits: u32| all |= if on { bits } else { 0 };
        imply(self.flags.has(flag::WRITE), category::WRITE);
        imply(self.flags.has(flag::READONLY), category::READ);
        imply(self.flags.has(flag::ADMIN), category::ADMIN | category::DANGEROUS);
        imply(self.flags.has(flag::BLOCKING), category::BLOCKING);
        imply(self.flags.has(flag::FAST), category::FAST);
        imply(!self.flags.has(flag::FAST), category::SLOW);
        Categories(all)
    }
}
