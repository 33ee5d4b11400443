//! Identifiers. A node is an id, never an address.

use std::fmt;

/// Raft term.
pub type Term = u64;
/// Position of an entry in one group's log; the first entry has index 1.
pub type Index = u64;

/// A member of the cluster: 1, 2, 3, … in the order of joining. Never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct NodeId(pub u64);

/// A part of the data with its own Raft group: 0 .. number of shards.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ShardId(pub u16);

/// A Raft group: 0 is the meta group, shard `s` is group `s + 1`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct GroupId(pub u32);

/// What Redis's `SELECT n` picks: 0 .. [`crate::limits::KEYSPACES`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Keyspace(pub u16);

impl GroupId {
    /// The group that holds members, shard map and keyspace options.
    pub const META: GroupId = GroupId(0);

    /// The shard this group replicates, `None` for the meta group.
    pub fn shard(self) -> Option<ShardId> {
        self.0.checked_sub(1).map(|s| ShardId(s as u16))
    }
}

impl ShardId {
    /// The Raft group of this shard.
    pub fn group(self) -> GroupId {
        GroupId(u32::from(self.0) + 1)
    }
}

macro_rules! shown {
    ($($t:ident $prefix:literal),*) => {$(
        impl fmt::Display for $t {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
        impl fmt::Debug for $t {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $prefix, self.0)
            }
        }
    )*};
}
shown!(NodeId "n", ShardId "s", GroupId "g", Keyspace "k");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_and_shards_map_both_ways() {
        assert_eq!(GroupId::META.shard(), None);
        assert_eq!(ShardId(0).group(), GroupId(1));
        assert_eq!(ShardId(15).group().shard(), Some(ShardId(15)));
        assert_eq!(format!("{:?} {}", ShardId(3), ShardId(3)), "s3 3");
    }
}
