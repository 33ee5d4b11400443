//! Splits of all shards in two, which double their number.
//!
//! A split has three steps. The meta group says that there are twice as many shards now, where the replicas of
//! the new ones are and of which generation; no new one is *open* yet, its slots are still those of its parent.
//! Then the leader of each parent proposes the entry with which its own shard is divided (see [`ShardSlots`]).
//! Last, each new shard that has a leader is opened. When all are, the split is settled, and another may begin.

use super::{ClusterMap, FORMAT, Phase, ReplicaSet, Row, Seat, format, set_name};
use crate::formation::Formation;
use crate::heartbeat::SPLIT_BESIDE_LEVEL;
use crate::identity::MAX_SHARDS;
use model::limits::{SLOTS, SPACES};
use model::varint::{DecodeError, Reader, put_u64};
use model::{GroupId, Index, Keyspace, NodeId, ShardId, Slot};
use std::collections::BTreeSet;

/// Name of the meta group's row with the splits. It sorts before those that speak of the shards they made.
pub const DIVISIONS_ROW: &[u8] = b"divisions";
/// Name of a shard's own row with the slots it owns.
pub const SLOTS_ROW: &[u8] = b"slots";
/// More splits than any cluster can have: from one shard to [`MAX_SHARDS`].
const MAX_DIVISIONS: u64 = 10;
const _: () = assert!(1 << MAX_DIVISIONS >= MAX_SHARDS as u64);
/// Most members of a shard.
const MAX_VOTERS: u64 = 64;

/// The splits of a cluster.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Divisions {
    /// Of each split the generation of the replicas it made: the epoch of the map that began it.
    pub generations: Vec<u64>,
    /// Shards that the last split made and that have no leader yet.
    pub closed: BTreeSet<ShardId>,
}

/// First and last slots of all shards after so many splits.
fn ranges(formation: &Formation, divisions: usize) -> Vec<(Slot, Slot)> {
    let mut all: Vec<(Slot, Slot)> =
        (0..formation.shards).map(|shard| formation.slots(ShardId(shard))).collect();
    for _ in 0..divisions {
        let halves: Vec<_> = all.iter().map(|slots| halve(*slots)).collect();
        all = halves.iter().map(|halves| halves.0).chain(halves.iter().map(|halves| halves.1)).collect();
    }
    all
}

/// Both halves of a range of slots; the first one is the larger if they differ.
fn halve((first, last): (Slot, Slot)) -> ((Slot, Slot), (Slot, Slot)) {
    let middle = first + (last - first) / 2;
    ((first, middle), (middle + 1, last))
}

impl Divisions {
    /// The content of the row.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        put_u64(&mut out, self.generations.len() as u64);
        self.generations.iter().for_each(|generation| put_u64(&mut out, *generation));
        put_u64(&mut out, self.closed.len() as u64);
        self.closed.iter().for_each(|shard| put_u64(&mut out, u64::from(shard.0)));
        out
    }

    /// Reads the content of the row. `first`: number of shards with which the cluster began.
    ///
    /// # Errors
    /// If it is none, or of a newer format.
    pub fn decode(content: &[u8], first: u16) -> Result<Divisions, DecodeError> {
        let bad = DecodeError::Malformed("divisions");
        let mut r = Reader::new(content);
        format(&mut r)?;
        let count = Some(r.u64()?).filter(|count| *count <= MAX_DIVISIONS).ok_or(bad)?;
        let shards = u64::from(first) << count;
        if shards > u64::from(MAX_SHARDS) {
            return Err(bad);
        }
        let generations = (0..count).map(|_| r.u64()).collect::<Result<Vec<_>, _>>()?;
        let mut closed = BTreeSet::new();
        let count = Some(r.u64()?).filter(|closed| *closed <= shards / 2).ok_or(bad)?;
        for _ in 0..count {
            let shard = r.u64()?;
            if shard >= shards || shard < shards / 2 {
                return Err(bad);
            }
            closed.insert(ShardId(shard as u16));
        }
        match r.is_empty() {
            true => Ok(Divisions { generations, closed }),
            false => Err(bad),
        }
    }
}

/// What a shard's own row says of its slots (safety rule 20). A shard that was never divided has none, and owns
/// what it began with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShardSlots {
    /// The split it is from: see [`Seat::generation`].
    pub generation: u64,
    /// First and last slot that it owns.
    pub slots: (Slot, Slot),
    /// The shard that the split made of it; a shard that was made by one and never divided has none.
    pub child: Option<Child>,
}

/// A shard that was made of another one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Child {
    /// The shard.
    pub shard: ShardId,
    /// First and last slot that it owns.
    pub slots: (Slot, Slot),
    /// Index of the entry of its parent that made it: its rows are as of that.
    pub at: Index,
    /// Shard time of that entry, ms since 1970.
    pub time: u64,
    /// The nodes with its first replicas, ascending.
    pub voters: Vec<NodeId>,
    /// The parent has nothing of it any more that counts.
    pub parted: bool,
}

impl ShardSlots {
    /// The content of the row.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        put_u64(&mut out, self.generation);
        put_u64(&mut out, u64::from(self.slots.0));
        put_u64(&mut out, u64::from(self.slots.1));
        if let Some(child) = &self.child {
            let (first, last) = child.slots;
            for number in [u64::from(child.shard.0), u64::from(first), u64::from(last), child.at, child.time]
            {
                put_u64(&mut out, number);
            }
            out.push(u8::from(child.parted));
            put_u64(&mut out, child.voters.len() as u64);
            child.voters.iter().for_each(|node| put_u64(&mut out, node.0));
        }
        out
    }

    /// Reads the content of a row.
    ///
    /// # Errors
    /// If it is none, or of a newer format.
    pub fn decode(content: &[u8]) -> Result<ShardSlots, DecodeError> {
        let bad = DecodeError::Malformed("slots of a shard");
        let mut r = Reader::new(content);
        format(&mut r)?;
        let range = |r: &mut Reader<'_>| {
            let (first, last) = (r.u64()?, r.u64()?);
            let fits = first <= last && last < u64::from(SLOTS);
            if fits { Ok((first as Slot, last as Slot)) } else { Err(bad) }
        };
        let (generation, slots) = (r.u64()?, range(&mut r)?);
        if r.is_empty() {
            return Ok(ShardSlots { generation, slots, child: None });
        }
        let shard = Some(r.u64()?).filter(|shard| *shard < u64::from(MAX_SHARDS)).ok_or(bad)?;
        let (child_slots, at, time) = (range(&mut r)?, r.u64()?, r.u64()?);
        let parted = match r.u8()? {
            0 => false,
            1 => true,
            _ => return Err(bad),
        };
        let count = Some(r.u64()?).filter(|count| (1..=MAX_VOTERS).contains(count)).ok_or(bad)?;
        let voters = (0..count).map(|_| r.u64().map(NodeId)).collect::<Result<Vec<_>, _>>()?;
        let child = Child { shard: ShardId(shard as u16), slots: child_slots, at, time, voters, parted };
        match r.is_empty() {
            true => Ok(ShardSlots { generation, slots, child: Some(child) }),
            false => Err(bad),
        }
    }
}

impl ClusterMap {
    /// Whether a shard has slots. One that a split is making has none yet.
    pub fn is_open(&self, shard: ShardId) -> bool {
        usize::from(shard.0) < self.shards.len() && !self.divisions.closed.contains(&shard)
    }

    /// All shards that have slots, ascending.
    pub fn open_shards(&self) -> impl Iterator<Item = ShardId> + '_ {
        (0..self.shards.len() as u16).map(ShardId).filter(|shard| self.is_open(*shard))
    }

    /// Shards that a split is making, ascending; none when no split is under way.
    pub fn closed_shards(&self) -> impl Iterator<Item = ShardId> + '_ {
        self.divisions.closed.iter().copied()
    }

    /// Whether a split is under way.
    pub fn is_dividing(&self) -> bool {
        !self.divisions.closed.is_empty()
    }

    /// The generation of the last split.
    pub fn last_division(&self) -> Option<u64> {
        self.divisions.generations.last().copied()
    }

    /// The child that the split under way makes of a shard, if it is not open yet, with the slots of both then.
    pub fn division_of(&self, shard: ShardId) -> Option<(ShardSlots, ShardId)> {
        let child = ShardId(shard.0 + self.shards.len() as u16 / 2);
        if !self.divisions.closed.contains(&child) {
            return None;
        }
        let slots = self.shards[usize::from(shard.0)].slots.first().copied()?;
        Some((ShardSlots { generation: self.last_division()?, slots: halve(slots).0, child: None }, child))
    }

    /// First and last slot of a shard that is open, or will have once it is.
    pub fn slots_to_be(&self, shard: ShardId) -> Option<(Slot, Slot)> {
        ranges(&self.formation, self.divisions.generations.len()).get(usize::from(shard.0)).copied()
    }

    /// The shard that a shard was made of, and the generation of that split; `None` for those of the beginning.
    pub fn made_of(&self, shard: ShardId) -> Option<(ShardId, u64)> {
        let mut shards = self.formation.shards;
        self.divisions.generations.iter().find_map(|generation| {
            let made = (shards..2 * shards).contains(&shard.0);
            let parent = made.then(|| (ShardId(shard.0 - shards), *generation));
            shards *= 2;
            parent
        })
    }

    /// Rows that begin a split of all shards.
    ///
    /// # Errors
    /// In words: what must be over first, or that there would be too many shards.
    pub fn divide_rows(&self) -> Result<Vec<Row>, String> {
        self.check_divisible()?;
        let (shards, generation) = (self.shards.len() as u16, self.epoch + 1);
        let mut divisions = self.divisions.clone();
        divisions.generations.push(generation);
        divisions.closed = (shards..2 * shards).map(ShardId).collect();
        let mut rows = vec![(DIVISIONS_ROW.to_vec(), divisions.encode())];
        for parent in (0..shards).map(ShardId) {
            let set = self.child_set(parent.group(), generation);
            rows.push((set_name(ShardId(parent.0 + shards).group()), set.encode()));
        }
        rows.push(self.next_epoch());
        Ok(rows)
    }

    /// Who has the first replicas of a new shard: the nodes of its parent.
    fn child_set(&self, parent: GroupId, generation: u64) -> ReplicaSet {
        let old = self.set_of(parent);
        let first = old.nodes();
        let (witnesses, mut data): (Vec<NodeId>, Vec<NodeId>) =
            first.iter().partition(|node| self.is_witness(**node));
        // Another one should lead than leads the parent.
        let turn = data.len().min(1);
        data.rotate_left(turn);
        let seat = |node: NodeId| Seat { node, generation };
        let wanted = data.into_iter().chain(witnesses).map(seat).collect();
        let learners: Vec<Seat> = old.learner_nodes().into_iter().map(seat).collect();
        // Its leader makes them members by steps, as it does with any.
        let settled = learners.is_empty();
        ReplicaSet { incarnation: self.incarnation, wanted, learners, leaving: Vec::new(), settled, first }
    }

    /// What not all versions that can split shards can split them beside, in words.
    fn beside(&self) -> Option<String> {
        let witness = self.witnesses().next().map(|node| format!("node {node} is a witness"));
        let of_group = self.sets().find(|(_, set)| !set.learners.is_empty());
        witness.or_else(|| of_group.map(|(group, _)| format!("group {group} has learners")))
    }

    fn check_divisible(&self) -> Result<(), String> {
        let shards = self.shards.len() as u32;
        if 2 * shards > u32::from(MAX_SHARDS) {
            return Err(format!("{} shards; allowed: at most {MAX_SHARDS}", 2 * shards));
        }
        if self.is_dividing() {
            let left = self.divisions.closed.len();
            return Err(format!("a split is under way: {left} of {} new shards are to come", shards / 2));
        }
        if let Some((group, _)) = self.unsettled().next() {
            return Err(format!("replicas of group {group} are on their way to other nodes"));
        }
        if let Some((node, _)) = self.members.iter().find(|(_, member)| member.draining) {
            return Err(format!("node {node} is being drained"));
        }
        // One of the version before makes no replica of a new shard.
        if self.level < SPLIT_BESIDE_LEVEL
            && let Some(beside) = self.beside()
        {
            return Err(format!(
                "{beside}: shards can be split beside it when all members have said that they can: the cluster has \
                 level {}, needed is {SPLIT_BESIDE_LEVEL}",
                self.level
            ));
        }
        if !self.is_recovery_recorded() {
            return Err("the cluster is still recording whom its recovery gave up".to_owned());
        }
        let all = (0..=shards).map(GroupId);
        if let Some(group) = all.clone().find(|group| self.incarnation > 0 && !self.has_set(*group)) {
            return Err(format!(
                "it is not known yet who has the replicas of group {group} since the recovery"
            ));
        }
        for ks in (0..SPACES).map(Keyspace) {
            if !matches!(self.layout(ks).phase, Phase::Open(_)) {
                return Err(format!("keyspace {ks} is changing its layout"));
            }
            if !self.mode(ks).settled {
                return Err(format!("keyspace {ks} is changing its mode"));
            }
        }
        Ok(())
    }

    /// Rows that open a shard that a split has made; empty if it is.
    pub fn open_rows(&self, shard: ShardId) -> Vec<Row> {
        let mut divisions = self.divisions.clone();
        if !divisions.closed.remove(&shard) {
            return Vec::new();
        }
        vec![(DIVISIONS_ROW.to_vec(), divisions.encode()), self.next_epoch()]
    }

    /// Takes the row of the splits over, and what follows from it.
    pub(super) fn apply_divisions(&mut self, value: Option<&[u8]>) -> Result<(), DecodeError> {
        let decoded = value.map(|value| Divisions::decode(value, self.formation.shards)).transpose()?;
        self.divisions = decoded.unwrap_or_default();
        let ranges = ranges(&self.formation, self.divisions.generations.len());
        let half = ranges.len() / 2;
        let closed = |at: usize| self.divisions.closed.contains(&ShardId(at as u16));
        self.shards = (0..ranges.len())
            .map(|at| {
                let (first, last) = ranges[at];
                let slots = match at {
                    _ if closed(at) => Vec::new(),
                    _ if at < half && closed(at + half) => vec![(first, ranges[at + half].1)],
                    _ => vec![(first, last)],
                };
                super::ShardInfo { slots, voters: self.set_of(ShardId(at as u16).group()).nodes() }
            })
            .collect();
        self.find_owners();
        Ok(())
    }

    /// Makes the owners of all slots from the shards.
    pub(super) fn find_owners(&mut self) {
        self.owners = vec![ShardId(0); usize::from(SLOTS)];
        for (at, shard) in self.shards.iter().enumerate() {
            for &(first, last) in &shard.slots {
                self.owners[usize::from(first)..=usize::from(last)].fill(ShardId(at as u16));
            }
        }
    }
}

#[cfg(test)]
mod tests;
