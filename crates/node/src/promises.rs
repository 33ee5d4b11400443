//! A node that comes back with an older copy of its folder is noticed by those who know what it
//! acknowledged, and takes no part (safety rule 2).
//!
//! Its new incarnation looks like any other restart. So every node remembers, per other node and
//! group, the highest [`Promise`] of that node's *earlier* incarnations and of the present one:
//!
//! - from every Raft message of it that was taken, so whoever counted an acknowledgement knows it;
//! - from what it says it holds, with its heartbeats, so that all others soon know it as well, and its
//!   own share in what it committed as leader.
//!
//! When a connection comes up both sides say, before anything else, what their replicas had at their
//! start, and what they remember of the other's earlier incarnations. Both compare the same numbers:
//!
//! - Whoever hears that it promised more than it had at its start stops, before the next message.
//! - Whoever remembers more than the other had at its start takes nothing from it. Connections keep
//!   their order and the start comes first, so no vote or acknowledgement of such a node is counted.
//!
//! Promises of the present incarnation are not compared: they are above its start as soon as it works.
//! The knowledge is in memory only: if all nodes that have it are down, restarted or cut off, an older
//! folder can not be told from a newer one.

use crate::core::Core;
use crate::frame::content::{put_flagged_group, read_flagged_group};
use crate::frame::{FrameError, Section};
use consensus::Promise;
use model::varint::{DecodeError, Reader, put_u64};
use model::{GroupId, NodeId};

/// Kinds of statements, the first byte of a section.
const START: u8 = 1;
const SEEN: u8 = 2;
const HOLDS: u8 = 3;

/// What is known of one replica of another node.
#[derive(Debug, Clone, Copy, Default)]
pub struct Remembered {
    /// Highest promise of earlier incarnations.
    before: Promise,
    /// The same of the present one.
    now: Promise,
}

/// What another node promised, and what it remembers of this one. One element per group.
#[derive(Debug, Default)]
pub struct Promises {
    remembered: Vec<Remembered>,
    /// What it remembers of this node's earlier incarnations.
    told: Vec<(GroupId, Promise)>,
    /// Its start lacks what it promised: nothing of it counts.
    pub(crate) outdated: bool,
}

impl Promises {
    /// Another incarnation of the node is there.
    pub(crate) fn restarted(&mut self) {
        for known in &mut self.remembered {
            known.before = known.before.max(known.now);
            known.now = Promise::default();
        }
    }

    /// A new connection: what was said in the one before does not count.
    pub(crate) fn connected(&mut self) {
        self.told.clear();
        self.outdated = false;
    }

    /// Remembers a promise. `groups`: number of groups there are, the bound of the memory.
    pub(crate) fn remember(&mut self, group: GroupId, promise: Promise, groups: usize) {
        let at = group.0 as usize;
        if at >= groups {
            return;
        }
        if self.remembered.len() < groups {
            self.remembered.resize(groups, Remembered::default());
        }
        let now = &mut self.remembered[at].now;
        *now = promise.max(*now);
    }

    fn before(&self, group: GroupId) -> Promise {
        self.remembered.get(group.0 as usize).map_or(Promise::default(), |known| known.before)
    }
}

impl Core {
    /// First of all on a connection: what this node had at its start, what it remembers of the other
    /// and what it holds now.
    pub(crate) fn greet(&mut self, node: NodeId) {
        let mut start = self.list(|replica| replica.raft.started());
        start.extend(self.left.iter().map(|(group, left)| (*group, left.promise())));
        let mut holds = self.list(|replica| replica.raft.holds());
        holds.retain(|(_, promise)| is_durable(promise));
        let peer = self.peer(node);
        let known = peer.promises.remembered.iter().enumerate();
        let seen: Vec<(GroupId, Promise)> = known
            .map(|(at, known)| (GroupId(at as u32), known.before))
            .filter(|(_, promise)| *promise > Promise::default())
            .collect();
        for (kind, list) in [(START, start), (SEEN, seen), (HOLDS, holds)] {
            peer.frame.section(Section::Promises, |out| encode(kind, &list, out));
        }
    }

    /// The groups have started: nodes that are connected already hear of it before any message of them,
    /// and what they told is compared.
    pub(crate) fn greet_all(&mut self) {
        let connected: Vec<NodeId> = self.peers.values().filter(|p| p.connected).map(|p| p.node).collect();
        connected.into_iter().for_each(|node| self.greet(node));
        let nodes: Vec<NodeId> = self.peers.keys().copied().collect();
        nodes.into_iter().for_each(|node| self.compare_own_start(node));
    }

    fn list(&self, of: impl Fn(&crate::replica::Replica) -> Promise) -> Vec<(GroupId, Promise)> {
        self.replicas.iter().flatten().map(|replica| (replica.id, of(replica))).collect()
    }

    /// With the heartbeats: what this node holds, where it is more than it said before.
    pub(crate) fn send_holds(&mut self) {
        let mut news = Vec::new();
        for replica in self.replicas.iter_mut().flatten() {
            let holds = replica.raft.holds();
            if holds > replica.told && is_durable(&holds) {
                replica.told = holds;
                news.push((replica.id, holds));
            }
        }
        if news.is_empty() {
            return;
        }
        // A peer that takes nothing now hears of the next one.
        for peer in self.peers.values_mut().filter(|p| p.takes()) {
            peer.frame.section(Section::Promises, |out| encode(HOLDS, &news, out));
        }
    }

    /// Another node says what it had, has, or remembers of this one.
    pub(crate) fn on_promises(&mut self, from: NodeId, content: &[u8]) -> Result<(), FrameError> {
        let (kind, list) = decode(content)?;
        let groups = self.replicas.len();
        let promises = &mut self.peer(from).promises;
        match kind {
            START => {
                // A folder from before a replica came does not even know that there was one.
                for group in (0..promises.remembered.len() as u32).map(GroupId) {
                    let start = list.iter().find(|(of, _)| *of == group).map(|(_, start)| *start);
                    let (start, promised) = (start.unwrap_or_default(), promises.before(group));
                    if start < promised {
                        promises.outdated = true;
                        tracing::error!(%from, %group, ?promised, ?start,
                            "a node started with less than it acknowledged: nothing of it is taken");
                    }
                }
            }
            SEEN => {
                promises.told = list;
                self.compare_own_start(from);
            }
            HOLDS if promises.outdated => {}
            HOLDS => list.iter().for_each(|&(group, holds)| promises.remember(group, holds, groups)),
            _ => return Err(FrameError::Content(DecodeError::Malformed("kind of promises"))),
        }
        Ok(())
    }

    /// Compares what a node remembers of this one with what this one had at its start.
    fn compare_own_start(&mut self, from: NodeId) {
        let Some(peer) = self.peers.get(&from) else { return };
        for &(group, promised) in &peer.promises.told {
            let replica = self.replicas.get(group.0 as usize).and_then(Option::as_deref);
            let left = self.left.get(&group).map(crate::seats::Left::promise);
            if self.forming.is_some() {
                continue; // Its groups have not started.
            }
            // A folder from before a replica came does not even know that there was one.
            let start = replica.map(|replica| replica.raft.started()).or(left).unwrap_or_default();
            if start < promised {
                self.outbox.refused = Some(format!(
                    "the data folder of node {} is older than what the node acknowledged: node {from} knows \
                     that it held group {group} up to index {} of term {}, the folder ends at index {} of term \
                     {}; start it with its newest folder",
                    self.me.node, promised.index, promised.term, start.index, start.term
                ));
                return;
            }
        }
    }
}

/// Of a replica that has just come not even its existence is on the disk: that is so once a term is.
fn is_durable(promise: &Promise) -> bool {
    promise.term > 0
}

/// Appends the content of a section: a kind of statement, and groups with promises.
pub fn encode(kind: u8, list: &[(GroupId, Promise)], out: &mut Vec<u8>) {
    out.push(kind);
    put_u64(out, list.len() as u64);
    for (group, promise) in list {
        put_flagged_group(out, *group, promise.generation);
        put_u64(out, promise.term);
        put_u64(out, promise.index);
    }
}

/// Reads the content of a section: the kind, which may be an unknown one, and the list.
///
/// # Errors
/// Bytes that are no such section.
pub fn decode(content: &[u8]) -> Result<(u8, Vec<(GroupId, Promise)>), DecodeError> {
    let mut r = Reader::new(content);
    let kind = r.u8()?;
    let count = r.u64()?;
    if count > cluster::heartbeat::MAX_GROUPS as u64 {
        return Err(DecodeError::Malformed("number of groups"));
    }
    let mut list = Vec::new();
    for _ in 0..count {
        let (group, with) = read_flagged_group(&mut r)?;
        let generation = if with { r.u64()? } else { 0 };
        list.push((group, Promise { generation, term: r.u64()?, index: r.u64()? }));
    }
    match r.is_empty() {
        true => Ok((kind, list)),
        false => Err(DecodeError::Malformed("bytes after the promises")),
    }
}

#[cfg(test)]
mod tests;
