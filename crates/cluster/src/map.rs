//! The cluster map: which shard owns a slot, how each keyspace is laid out, who the members are.
//!
//! Built from the [`Formation`] and changed only by committed rows of the meta group, so every node
//! that applied the same rows has the same map. It is a hint for finding shards; each shard checks
//! ownership by its own rows (safety rule 20).

mod division;
mod found;
mod layout;
mod member;
pub mod mode;
mod seats;
#[cfg(test)]
mod tests;
mod zones;

use crate::formation::Formation;
use crate::heartbeat::WITNESS_LEVEL;
use crate::identity::MAX_REPLICAS;
use crate::peer::{Addresses, JoinToken, MAX_MEMBERS};
use model::limits::{KEYSPACES, SPACES};
use model::varint::{DecodeError, Reader, put_u64};
use model::{GroupId, Keyspace, NodeId, ShardId, Slot};
use std::collections::{BTreeMap, BTreeSet};

pub use division::{Child, DIVISIONS_ROW, Divisions, SLOTS_ROW, ShardSlots};
pub use found::FoundSplits;
pub use layout::{KeyspaceLayout, LayoutError, LayoutRow, Phase, ShardLayout};
pub use member::{MAX_ZONE, Member, zone_name};
pub use mode::{Mode, ModeRow, Replication};
pub use seats::{ReplicaSet, Seat, set_name};
pub use zones::{MAX_ZONES, ZoneRole};

/// Format version of the rows of this module.
pub const FORMAT: u8 = 1;
/// Name of the row with the map's epoch.
pub const EPOCH_ROW: &[u8] = b"epoch";
/// Name of the row with the members that recoveries gave up, and the incarnation of the cluster as of then.
pub const LOST_ROW: &[u8] = b"lost";
/// Name of the row with the next node id.
pub const NEXT_NODE_ROW: &[u8] = b"next_node";
/// Name of the row with what all members understand ([`crate::heartbeat::LEVEL`]).
pub const LEVEL_ROW: &[u8] = b"level";
/// Name of the row with the number of replicas that each group should have, if a person has changed it.
pub const REPLICAS_ROW: &[u8] = b"wanted_replicas";
const MEMBER_PREFIX: &str = "member/";
const LAYOUT_PREFIX: &str = "layout/";
const MODE_PREFIX: &str = "mode/";
const SET_PREFIX: &str = "replicas/";

/// A row to be proposed to the meta group (or a shard): name without family, content.
pub type Row = (Vec<u8>, Vec<u8>);

/// One shard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShardInfo {
    /// First and last slot of each of its ranges.
    pub slots: Vec<(Slot, Slot)>,
    /// Nodes with a vote; the first should lead.
    pub voters: Vec<NodeId>,
}

/// Where a key of a slot is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Placement {
    /// In this shard.
    Shard(ShardId),
    /// Nowhere now: the layout of its keyspace is being changed.
    Closed,
}

/// The map as of one epoch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClusterMap {
    /// Rises with every change; 1 at the start.
    pub epoch: u64,
    /// Replicas each shard should have.
    pub replicas: u32,
    /// All shards; the index is the shard's id.
    pub shards: Vec<ShardInfo>,
    /// All members.
    pub members: BTreeMap<NodeId, Member>,
    /// Nodes with a vote in the meta group.
    pub meta_voters: Vec<NodeId>,
    /// Incarnation of the cluster, as this node was started with.
    pub incarnation: u64,
    /// Incarnation of the cluster as of the last recovery that is recorded, and all members given up.
    pub lost: (u64, BTreeSet<NodeId>),
    /// Id for the node that joins next.
    pub next_node: NodeId,
    /// There is a row of it. The first members have ids without one, which after a recovery nobody else knows of.
    next_is_kept: bool,
    /// What all members were once seen to understand: formats above it are not used (safety rule 20).
    pub level: u64,
    /// How the cluster began.
    pub formation: Formation,
    /// Who holds the replicas of groups that were ever moved.
    sets: BTreeMap<GroupId, ReplicaSet>,
    /// What zones are for, where that was ever decided.
    zones: BTreeMap<String, zones::Decided>,
    layouts: Vec<LayoutRow>,
    modes: Vec<ModeRow>,
    /// Splits that have made shards beside those of the formation.
    divisions: Divisions,
    /// Shard of each slot.
    owners: Vec<ShardId>,
}

impl ClusterMap {
    /// The map with which a cluster starts.
    pub fn new(formation: &Formation) -> ClusterMap {
        let ids = || (0..formation.shards).map(ShardId);
        let info = |shard: ShardId| ShardInfo {
            slots: vec![formation.slots(shard)],
            voters: formation.voters(shard.group()),
        };
        let mut map = ClusterMap {
            epoch: 1,
            replicas: formation.replicas,
            shards: ids().map(info).collect(),
            members: formation.members.iter().map(|node| (*node, Member::first(formation, *node))).collect(),
            meta_voters: formation.voters(model::GroupId::META),
            incarnation: formation.incarnation,
            lost: (0, BTreeSet::new()),
            next_node: NodeId(formation.highest_id().0 + 1),
            next_is_kept: false,
            level: 0,
            formation: formation.clone(),
            sets: BTreeMap::new(),
            zones: BTreeMap::new(),
            layouts: (0..SPACES).map(|ks| LayoutRow::first(Keyspace(ks), formation.shards)).collect(),
            modes: vec![ModeRow::first(); usize::from(SPACES)],
            divisions: Divisions::default(),
            owners: Vec::new(),
        };
        map.find_owners();
        map
    }

    /// The shard of a slot of a keyspace.
    ///
    /// # Panics
    /// If the slot or the keyspace is out of its bounds.
    #[inline]
    pub fn shard_of(&self, ks: Keyspace, slot: Slot) -> Placement {
        match self.layouts[usize::from(ks.0)].phase {
            Phase::Open(KeyspaceLayout::Spread) => Placement::Shard(self.owners[usize::from(slot)]),
            Phase::Open(KeyspaceLayout::Single(shard)) => Placement::Shard(shard),
            Phase::Closing { .. } => Placement::Closed,
        }
    }

    /// All shards that hold keys of a keyspace, ascending; those of both layouts while it is being
    /// changed.
    pub fn shards_of(&self, ks: Keyspace) -> Vec<ShardId> {
        let all = || self.open_shards().collect();
        match self.layouts[usize::from(ks.0)].phase {
            Phase::Open(KeyspaceLayout::Single(shard)) => vec![shard],
            Phase::Closing { from: KeyspaceLayout::Single(a), to: KeyspaceLayout::Single(b) } => {
                vec![a.min(b), a.max(b)]
            }
            _ => all(),
        }
    }

    /// The layout row of a keyspace.
    ///
    /// # Panics
    /// If the keyspace is out of its bounds.
    pub fn layout(&self, ks: Keyspace) -> LayoutRow {
        self.layouts[usize::from(ks.0)]
    }

    /// Whether a member votes and keeps no data.
    pub fn is_witness(&self, node: NodeId) -> bool {
        self.formation.witness == Some(node) || self.members.get(&node).is_some_and(|member| member.witness)
    }

    /// All members that vote and keep no data.
    pub fn witnesses(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.members.iter().filter(|(_, member)| member.witness).map(|(node, _)| *node)
    }

    /// The member that joined with this token.
    pub fn member_by_token(&self, token: JoinToken) -> Option<NodeId> {
        self.members.iter().find(|(_, member)| member.token == Some(token)).map(|(node, _)| *node)
    }

    /// The member at this peer address.
    pub fn member_at(&self, peer_address: &str) -> Option<NodeId> {
        self.members.iter().find(|(_, member)| member.addresses.peer == peer_address).map(|(node, _)| *node)
    }

    /// Rows that change or add a member; empty if the map says the same already, or if a higher
    /// incarnation of it is known.
    pub fn member_rows(&self, node: NodeId, member: &Member) -> Vec<Row> {
        let old = self.members.get(&node);
        if old.is_some_and(|old| old == member || old.incarnation > member.incarnation) {
            return Vec::new();
        }
        let mut rows = vec![(member_name(node), member.encode())];
        if node >= self.next_node || !self.next_is_kept {
            rows.push((NEXT_NODE_ROW.to_vec(), number(self.next_node.0.max(node.0 + 1))));
        }
        rows.push(self.next_epoch());
        rows
    }

    /// Rows of a node that joins after the cluster was formed; empty if it has an id already.
    ///
    /// # Errors
    /// In words: there are too many members, or it is not yet recorded whom a recovery gave up, of whom it would
    /// be taken for one; it is to be a witness and not all members understand that.
    pub fn join_rows(
        &self,
        token: JoinToken,
        addresses: Addresses,
        witness: bool,
    ) -> Result<Vec<Row>, String> {
        if self.member_by_token(token).is_some() {
            return Ok(Vec::new());
        }
        if self.members.len() >= MAX_MEMBERS {
            return Err(format!("the cluster has {MAX_MEMBERS} members, which is the most"));
        }
        if !self.is_recovery_recorded() {
            return Err("the cluster is still recording whom its recovery gave up".to_owned());
        }
        if witness && self.level < WITNESS_LEVEL {
            return Err("not all nodes understand witnesses yet: upgrade them first".to_owned());
        }
        let member = Member { addresses, token: Some(token), witness, ..Member::default() };
        Ok(self.member_rows(self.next_node, &member))
    }

    /// Rows with which each group should have this many replicas; empty if it should already.
    ///
    /// # Errors
    /// In words: the number is out of its bounds.
    pub fn replicas_rows(&self, replicas: u32) -> Result<Vec<Row>, String> {
        if !(1..=MAX_REPLICAS).contains(&replicas) {
            return Err(format!("{replicas} replicas; allowed: 1 to {MAX_REPLICAS}"));
        }
        if replicas == self.replicas {
            return Ok(Vec::new());
        }
        let mut content = vec![FORMAT];
        put_u64(&mut content, self.incarnation);
        put_u64(&mut content, u64::from(replicas));
        Ok(vec![(REPLICAS_ROW.to_vec(), content), self.next_epoch()])
    }

    /// Rows that say what all members understand; empty if the map says so or more.
    pub fn level_rows(&self, level: u64) -> Vec<Row> {
        if level <= self.level {
            return Vec::new();
        }
        vec![(LEVEL_ROW.to_vec(), number(level)), self.next_epoch()]
    }

    /// Rows that give up a member for good: its id is not used again, and its replicas are wanted no more.
    ///
    /// # Errors
    /// In words: it is no member, or the only one with a replica of a group.
    pub fn removal_rows(&self, node: NodeId) -> Result<Vec<Row>, String> {
        if !self.members.contains_key(&node) {
            return Err(format!("node {node} is no member of the cluster"));
        }
        let mut rows = vec![self.lost_row(self.lost.0, [node].into_iter())];
        for group in (0..=self.shards.len() as u32).map(GroupId) {
            let set = self.set_of(group);
            if set.seat(node).is_some() {
                let others = self.seats_without(group, node);
                let learners: Vec<NodeId> =
                    set.learner_nodes().into_iter().filter(|other| *other != node).collect();
                let seated = self.seat_rows(group, &others, &learners);
                rows.extend(
                    seated.map_err(|_| format!("node {node} has the only replica of group {group}"))?,
                );
            }
        }
        rows.push(self.next_epoch());
        Ok(rows)
    }

    fn lost_row(&self, incarnation: u64, gone: impl Iterator<Item = NodeId>) -> Row {
        let mut content = vec![FORMAT];
        put_u64(&mut content, incarnation);
        let all: BTreeSet<NodeId> = gone.chain(self.lost.1.iter().copied()).collect();
        all.iter().for_each(|node| put_u64(&mut content, node.0));
        (LOST_ROW.to_vec(), content)
    }

    /// Applies one committed row of the meta group; `None` means that the row was deleted. Answers
    /// false for a row that is not the map's.
    ///
    /// # Errors
    /// A name or content of this program's rows that cannot be read: the replica must stop, not
    /// skip it (safety rule 20).
    pub fn apply_row(&mut self, name: &[u8], value: Option<&[u8]>) -> Result<bool, DecodeError> {
        let number = |value: &[u8]| -> Result<u64, DecodeError> {
            let mut r = Reader::new(value);
            format(&mut r)?;
            r.u64()
        };
        let Ok(text) = std::str::from_utf8(name) else { return Ok(false) };
        if let Some(id) = text.strip_prefix(MEMBER_PREFIX) {
            let node = NodeId(id.parse().map_err(|_| DecodeError::Malformed("member row name"))?);
            match value {
                // Given up for good: its id is not used again.
                Some(_) if self.lost.1.contains(&node) => {}
                Some(value) => {
                    let mut member = Member::decode(value)?;
                    member.witness |= self.formation.witness == Some(node);
                    self.members.insert(node, member);
                }
                None => {
                    self.members.remove(&node);
                }
            }
        } else if let Some(n) = text.strip_prefix(LAYOUT_PREFIX) {
            let bad = DecodeError::Malformed("layout row name");
            let ks: u16 = n.parse().ok().filter(|ks| *ks < KEYSPACES).ok_or(bad)?;
            let shards = self.shards.len() as u16;
            self.layouts[usize::from(ks)] = match value {
                Some(value) => LayoutRow::decode(value, shards)?,
                None => LayoutRow::first(Keyspace(ks), self.formation.shards),
            };
        } else if let Some(n) = text.strip_prefix(MODE_PREFIX) {
            let bad = DecodeError::Malformed("mode row name");
            let ks: u16 = n.parse().ok().filter(|ks| *ks < KEYSPACES).ok_or(bad)?;
            self.modes[usize::from(ks)] = value.map_or(Ok(ModeRow::first()), ModeRow::decode)?;
        } else if let Some(n) = text.strip_prefix(SET_PREFIX) {
            let bad = DecodeError::Malformed("replica set row name");
            let group: u32 =
                n.parse().ok().filter(|group| *group as usize <= self.shards.len()).ok_or(bad)?;
            self.apply_set(GroupId(group), value.map(ReplicaSet::decode).transpose()?);
        } else if let Some(zone) = text.strip_prefix(zones::ZONE_PREFIX) {
            let zone = zones::zone_of(zone)?;
            match value {
                Some(value) => self.zones.insert(zone.to_owned(), zones::Decided::decode(value)?),
                None => self.zones.remove(zone),
            };
        } else if name == DIVISIONS_ROW {
            self.apply_divisions(value)?;
        } else if name == EPOCH_ROW {
            self.epoch = value.map_or(Ok(1), number)?;
        } else if name == LEVEL_ROW {
            self.level = value.map_or(Ok(0), number)?;
        } else if name == REPLICAS_ROW {
            self.replicas = match value.map(read_replicas).transpose()? {
                Some((incarnation, replicas)) if incarnation == self.incarnation => replicas,
                _ => self.formation.replicas,
            };
        } else if name == LOST_ROW {
            self.lost = value.map_or(Ok((0, BTreeSet::new())), read_lost)?;
            self.members.retain(|node, _| !self.lost.1.contains(node));
        } else if name == NEXT_NODE_ROW {
            let value = value.ok_or(DecodeError::Malformed("deleted next_node row"))?;
            self.next_node = NodeId(number(value)?);
            self.next_is_kept = true;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// Whether a row of the meta group is one of the map.
    pub fn knows_row(&self, name: &[u8]) -> bool {
        let prefixes = [MEMBER_PREFIX, LAYOUT_PREFIX, MODE_PREFIX, SET_PREFIX, zones::ZONE_PREFIX];
        prefixes.iter().any(|prefix| name.starts_with(prefix.as_bytes()))
            || [DIVISIONS_ROW, EPOCH_ROW, LEVEL_ROW, LOST_ROW, NEXT_NODE_ROW, REPLICAS_ROW].contains(&name)
    }

    fn next_epoch(&self) -> Row {
        (EPOCH_ROW.to_vec(), number(self.epoch + 1))
    }
}

/// The epoch in the content of its row; `None` if it can not be read.
pub fn epoch(content: &[u8]) -> Option<u64> {
    let mut r = Reader::new(content);
    format(&mut r).and_then(|()| r.u64()).ok()
}

/// The level in the content of its row; `None` if it can not be read.
pub fn level(content: &[u8]) -> Option<u64> {
    epoch(content)
}

/// Name of a member's row.
pub fn member_name(node: NodeId) -> Vec<u8> {
    format!("{MEMBER_PREFIX}{node}").into_bytes()
}

/// Name of a keyspace's layout row, in the meta group and in each shard.
pub fn layout_name(ks: Keyspace) -> Vec<u8> {
    format!("{LAYOUT_PREFIX}{:02}", ks.0).into_bytes()
}

/// Name of the row with a keyspace's replication mode, in the meta group and in each shard.
pub fn mode_name(ks: Keyspace) -> Vec<u8> {
    format!("{MODE_PREFIX}{:02}", ks.0).into_bytes()
}

fn read_replicas(content: &[u8]) -> Result<(u64, u32), DecodeError> {
    let mut r = Reader::new(content);
    format(&mut r)?;
    let (incarnation, replicas) = (r.u64()?, r.u64()?);
    let replicas = u32::try_from(replicas).ok().filter(|n| (1..=MAX_REPLICAS).contains(n));
    Ok((incarnation, replicas.ok_or(DecodeError::Malformed("number of replicas"))?))
}

fn read_lost(content: &[u8]) -> Result<(u64, BTreeSet<NodeId>), DecodeError> {
    let mut r = Reader::new(content);
    format(&mut r)?;
    let incarnation = r.u64()?;
    let mut lost = BTreeSet::new();
    while !r.is_empty() {
        lost.insert(NodeId(r.u64()?));
    }
    Ok((incarnation, lost))
}

fn number(value: u64) -> Vec<u8> {
    let mut out = vec![FORMAT];
    put_u64(&mut out, value);
    out
}

fn format(r: &mut Reader<'_>) -> Result<(), DecodeError> {
    match r.u8()? {
        FORMAT => Ok(()),
        other => Err(DecodeError::Version(other)),
    }
}
