//! Replicas of a shard are compared: checksums tell what changed on a disk, and nothing of rows that are whole and differ.
//!
//! The leader proposes an entry with the row [`COMPARE_ROW`], the *point*. Every replica that applies it begins the
//! checkpoint as of that very entry before it applies another one, and when that is in its tree the disk pool hashes
//! what the tree holds: own rows, answers, and keys in ranges of slots (`shard::checkpoint::Digest`). So whatever memory,
//! checkpoints and compactions have made of the rows is looked at where the next start would read it. The leader
//! asks each member for its hashes until it has them (`leading.rs`), and judges (`judge.rs`): a majority of the voters
//! that has the same is right. Who differs from it follows without rows and gets those of the leader, as one
//! whose tree is damaged does (`scrub.rs`, `rebuild.rs`). Without such a majority nothing is changed, and told loudly.
//!
//! Nothing of it is remembered but what was found: when the leader changes, or a node starts again, the comparison is
//! dropped. A replica that can not begin the checkpoint says so, and another point is tried later.
//!
//! Invariant: nobody gives up rows but at the word of the leader of the term of the point, and only a replica whose own
//! hashes are as of that point.

mod judge;
mod leading;

use crate::core::Core;
use crate::frame::FrameError;
use crate::frame::compared::{Compared, Said};
use crate::outbox::Job;
use crate::replica::Replica;
pub(crate) use leading::Finding;
use leading::Led;
use model::varint::{DecodeError, Reader, put_u64};
use model::{GroupId, Index, NodeId, Term};
use shard::checkpoint::Scope;
use std::collections::{BTreeMap, VecDeque};

/// Name of the row that is put at a point.
pub(crate) const COMPARE_ROW: &[u8] = b"comparison";
/// Format of its content.
const FORMAT: u8 = 1;
/// Trees that a node hashes at the same time: each keeps what later checkpoints replace.
const MAX_READING: usize = 4;

/// What the disk pool has done of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hashed {
    /// Bytes of the rows it has looked at.
    pub bytes: u64,
    /// The hashes, if these were the last rows.
    pub hashes: Option<Vec<u64>>,
}

/// A point at which replicas are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Point {
    /// Index and term of its entry.
    pub(crate) at: (Index, Term),
    /// Which keys.
    pub(crate) scope: Scope,
}

impl Point {
    /// The content of its row.
    fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        let Scope { slots, spread } = self.scope;
        let numbers = [self.at.0, self.at.1, slots.0.into(), slots.1.into(), spread.into()];
        numbers.into_iter().for_each(|number| put_u64(&mut out, number));
        out
    }

    fn decode(content: &[u8]) -> Result<Point, DecodeError> {
        let mut r = Reader::new(content);
        match r.u8()? {
            FORMAT => {}
            other => return Err(DecodeError::Version(other)),
        }
        let at = (r.u64()?, r.u64()?);
        let bad = |_| DecodeError::Malformed("point of a comparison");
        let slots = (u16::try_from(r.u64()?).map_err(bad)?, u16::try_from(r.u64()?).map_err(bad)?);
        let spread = u32::try_from(r.u64()?).map_err(bad)?;
        Ok(Point { at, scope: Scope { slots, spread } })
    }
}

/// How far this node's replica is with a point.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    /// The checkpoint as of it is being taken and written.
    Writing,
    /// Its tree is read. `waits`: the next part is not asked for yet.
    Reading { tree: u64, waits: bool },
    /// That is what it holds.
    Done { tree: u64, hashes: Vec<u64> },
    /// Nothing will come of it.
    Unable,
}

/// A replica of this node, and the last point it has met.
#[derive(Debug)]
struct Own {
    point: Point,
    stage: Stage,
}

/// What comparisons that a node has led came to, since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Those that ended.
    pub ended: u64,
    /// Those that could not be made.
    pub given_up: u64,
    /// Those that found a difference.
    pub differences: u64,
}

/// All comparisons that this node takes part in.
#[derive(Debug, Default)]
pub(crate) struct Comparisons {
    own: BTreeMap<GroupId, Own>,
    /// What was seen of each group's own rows, by its number, to notice a point.
    seen: Vec<u64>,
    /// Parts that the disk pool reads, and before when it gets no other one, monotonic ms.
    in_flight: usize,
    next_part_ms: u64,
    /// Groups that this node is to compare as their leader, with the tries so far and not before when.
    queue: VecDeque<(GroupId, u32, u64)>,
    /// The one that it compares now.
    led: Option<Led>,
    /// What was found in each group that it has compared.
    pub(crate) found: BTreeMap<GroupId, Finding>,
    /// When the last comparison that this node led ended, wall clock, ms since 1970; 0 = none since the start.
    pub(crate) last_ms: u64,
    /// Comparisons that ended, and those that were given up.
    pub(crate) ended: u64,
    pub(crate) given_up: u64,
    /// Comparisons that have found a difference.
    pub(crate) differences: u64,
}

impl Comparisons {
    /// Groups that are still to be compared by this node.
    pub(crate) fn left(&self) -> usize {
        self.queue.len() + usize::from(self.led.is_some())
    }

    fn reading(&self) -> usize {
        self.own.values().filter(|own| matches!(own.stage, Stage::Writing | Stage::Reading { .. })).count()
    }
}

impl Core {
    /// What comparisons that this node has led came to, for those who look from outside.
    pub fn comparisons(&self) -> Totals {
        let Comparisons { ended, given_up, differences, .. } = self.scrub.compare;
        Totals { ended, given_up, differences }
    }

    /// An entry was applied: if it is a point, the checkpoint as of it begins before another entry is applied.
    pub(crate) fn note_comparison(&mut self, group: GroupId) {
        let Some(replica) = self.replicas[group.0 as usize].as_deref() else { return };
        let version = replica.machine.system_version();
        let (at, seen) = (group.0 as usize, &mut self.scrub.compare.seen);
        if seen.len() <= at {
            seen.resize(at + 1, 0);
        }
        // Most entries change none of them.
        if std::mem::replace(&mut seen[at], version) == version {
            return;
        }
        // One that can not be read is of a later version, whose leader gets no hashes.
        let point = replica.machine.system(COMPARE_ROW).and_then(|row| Point::decode(row).ok());
        // Of an earlier term nobody waits for it.
        let current =
            |point: &Point| point.at == replica.machine.applied() && point.at.1 == replica.raft.term();
        let Some(point) = point.filter(current) else { return };
        let room = self.scrub.compare.reading() < MAX_READING && !self.disk.is_full();
        let stage = if room && self.checkpoint(group) { Stage::Writing } else { Stage::Unable };
        self.scrub.compare.own.insert(group, Own { point, stage });
    }

    /// A checkpoint is in the tree: if it is as of a point, the tree is hashed, from before any later one is.
    pub(crate) fn begin_hashing(&mut self, group: GroupId, at: (Index, Term)) {
        let Some(tree) = self.replica(group).map(|replica| replica.tree) else { return };
        let Some(own) = self.scrub.compare.own.get_mut(&group).filter(|own| own.stage == Stage::Writing)
        else {
            return;
        };
        if own.point.at != at {
            own.stage = Stage::Unable;
            return;
        }
        own.stage = Stage::Reading { tree, waits: false };
        let first = Some(own.point.scope);
        self.scrub.compare.in_flight += 1;
        self.outbox.jobs.push(Job::Compare { group, tree, at: at.0, first });
    }

    /// A part was read.
    pub(crate) fn hashed(
        &mut self,
        group: GroupId,
        tree: u64,
        at: Index,
        result: Result<Hashed, String>,
        damaged: bool,
    ) {
        self.scrub.compare.in_flight = self.scrub.compare.in_flight.saturating_sub(1);
        if damaged {
            self.tree_is_damaged(group);
        }
        let rate = self.settings.scrub_rate.max(1);
        let now_ms = self.now.mono_ms();
        let current =
            |own: &&mut Own| own.point.at.0 == at && own.stage == Stage::Reading { tree, waits: false };
        let Some(own) = self.scrub.compare.own.get_mut(&group).filter(current) else { return };
        match result {
            Ok(Hashed { bytes, hashes }) => {
                self.scrub.compare.next_part_ms =
                    self.scrub.compare.next_part_ms.max(now_ms) + bytes * 1000 / rate;
                own.stage = match hashes {
                    Some(hashes) => Stage::Done { tree, hashes },
                    None => Stage::Reading { tree, waits: true },
                };
            }
            Err(error) => {
                tracing::warn!(%group, tree, %error, "rows can not be compared with those of other replicas now");
                own.stage = Stage::Unable;
            }
        }
        self.read_next_part();
    }

    /// Has the disk pool read a part of some tree, when one is due.
    fn read_next_part(&mut self) {
        if self.scrub.compare.in_flight > 0 || self.now.mono_ms() < self.scrub.compare.next_part_ms {
            return;
        }
        for (&group, own) in &mut self.scrub.compare.own {
            let Stage::Reading { tree, waits: true } = own.stage else { continue };
            own.stage = Stage::Reading { tree, waits: false };
            self.scrub.compare.in_flight += 1;
            self.outbox.jobs.push(Job::Compare { group, tree, at: own.point.at.0, first: None });
            return;
        }
    }

    /// What can not end any more is void: the replica is another one, or gone.
    fn forget_void(&mut self) {
        let replicas = &self.replicas;
        for (group, own) in &mut self.scrub.compare.own {
            let replica = replicas.get(group.0 as usize).and_then(Option::as_deref);
            let void = match own.stage {
                Stage::Writing => replica.is_none_or(|replica| !replica.checkpointing),
                Stage::Reading { tree, waits: true } => replica.is_none_or(|replica| replica.tree != tree),
                _ => false,
            };
            if void {
                own.stage = Stage::Unable;
            }
        }
    }

    /// What this node says of a point.
    fn said(&self, group: GroupId, at: (Index, Term)) -> Said {
        let Some(replica) = self.replicas.get(group.0 as usize).and_then(Option::as_deref) else {
            return Said::Unable;
        };
        if replica.raft.is_rebuilding() || replica.raft.is_witness() {
            return Said::Unable;
        }
        match self.scrub.compare.own.get(&group).filter(|own| own.point.at == at).map(|own| &own.stage) {
            Some(Stage::Writing) if !replica.checkpointing => Said::Unable,
            Some(Stage::Writing) => Said::Pending,
            Some(Stage::Reading { tree, .. } | Stage::Done { tree, .. }) if *tree != replica.tree => {
                Said::Unable
            }
            Some(Stage::Reading { .. }) => Said::Pending,
            Some(Stage::Done { hashes, .. }) => Said::Hashes(hashes.clone()),
            Some(Stage::Unable) => Said::Unable,
            None if replica.machine.applied().0 < at.0 => Said::Pending,
            // It came past the point by rows of another replica, or before its process started.
            None => Said::Unable,
        }
    }

    /// Another node says or asks something about a point.
    pub(crate) fn on_compare(&mut self, from: NodeId, content: &[u8]) -> Result<(), FrameError> {
        let Compared { group, at, said } = Compared::decode(content)?;
        match said {
            Said::Asked => {
                let said = self.said(group, at);
                self.tell_compared(from, &Compared { group, at, said });
            }
            Said::Differs => self.give_up_rows(from, group, at),
            said => self.heard_compared(from, group, at, said),
        }
        Ok(())
    }

    fn tell_compared(&mut self, to: NodeId, what: &Compared) {
        if let Some(peer) = self.peers.get_mut(&to).filter(|peer| peer.takes()) {
            peer.frame.section(crate::frame::Section::Compare, |out| what.encode(out));
        }
    }

    /// The leader says that the rows of this replica as of a point are not those of the majority.
    fn give_up_rows(&mut self, from: NodeId, group: GroupId, at: (Index, Term)) {
        let follows = |replica: &Replica| {
            !replica.raft.is_leader() && replica.raft.term() == at.1 && replica.raft.leader() == Some(from)
        };
        let replica = self.replicas.get(group.0 as usize).and_then(Option::as_deref);
        let Some(tree) = replica.filter(|replica| follows(replica)).map(|replica| replica.tree) else {
            return;
        };
        let own = self.scrub.compare.own.get(&group).filter(|own| own.point.at == at);
        if own.is_none_or(|own| !matches!(own.stage, Stage::Done { tree: of, .. } if of == tree)) {
            return;
        }
        self.scrub.compare.own.remove(&group);
        tracing::error!(%group, index = at.0, leader = %from, "rows here differ from those of the majority: they are given up");
        self.tree_is_damaged(group);
    }
}

#[cfg(test)]
mod tests;
