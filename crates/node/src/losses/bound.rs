//! The bound of what may be lost while a leader that was replaced has not come back: a row of its shard, so
//! that every replica knows it.
//!
//! Its successor writes it if keyspaces of the shard are asynchronous and the old leader does not follow soon.
//! It goes when the old leader's log is that of the shard again: then what was lost is in the account that
//! the old leader has kept, under the same name. If it never comes back the row stays until somebody
//! acknowledges it.

use super::account::LossId;
use crate::core::Core;
use crate::replica::Replica;
use model::varint::{DecodeError, Reader, put_u64};
use model::{GroupId, Index, NodeId, Term};
use shard::Machine;
use shard::data::{Context, Done, Stop};

/// Format version of the row.
const FORMAT: u8 = 1;
/// Names of these rows begin so; the rest is the loss's own name.
pub(crate) const PREFIX: &[u8] = b"loss/";
/// An old leader that follows within this time, in ms, leaves no row.
const GRACE_MS: u64 = 1000;
/// Most leaders of before that are remembered; more replicas than a shard has.
const MAX_GONE: usize = 16;
/// Most rows of a shard; further failovers leave none until some are acknowledged.
const MAX_ROWS: usize = 64;

/// What may be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Possible {
    /// Name of the loss: the place at which the successor's entries begin, and the old leader's term.
    pub id: LossId,
    /// The old leader.
    pub node: NodeId,
    /// When the row was written, shard time, ms since 1970.
    pub at_ms: u64,
    /// At most so many bytes of log entries, for at most so many ms: what the keyspaces allow.
    pub bound: (u64, u64),
    /// Entries and bytes that the old leader had last said are exposed; it says so once a second.
    pub announced: (u64, u64),
}

impl Possible {
    fn name(id: LossId) -> Vec<u8> {
        [PREFIX, id.to_string().as_bytes()].concat()
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        let Possible { node, at_ms, bound, announced, .. } = self;
        for number in [node.0, *at_ms, bound.0, bound.1, announced.0, announced.1] {
            put_u64(&mut out, number);
        }
        out
    }

    fn decode(id: LossId, content: &[u8]) -> Result<Possible, DecodeError> {
        let mut r = Reader::new(content);
        match r.u8()? {
            FORMAT => {}
            other => return Err(DecodeError::Version(other)),
        }
        let (node, at_ms) = (NodeId(r.u64()?), r.u64()?);
        Ok(Possible { id, node, at_ms, bound: (r.u64()?, r.u64()?), announced: (r.u64()?, r.u64()?) })
    }
}

/// What may be lost of a shard, by its rows.
pub(crate) fn possible(machine: &Machine) -> impl Iterator<Item = Possible> {
    machine.systems(PREFIX).filter_map(|(name, content)| {
        let id = std::str::from_utf8(&name[PREFIX.len()..]).ok()?.parse().ok()?;
        Possible::decode(id, content).ok()
    })
}

/// Who led before this node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Predecessors {
    /// The last leader heard of, and its term.
    last: Option<(NodeId, Term)>,
    /// Leaders before it that are not known to follow, oldest first, each with its last term; a node once. A
    /// successor may lose the lead before it has told of them: whoever leads next has to.
    gone: Vec<(NodeId, Term)>,
    /// Since when this node leads, monotonic ms, and the term.
    since: Option<(u64, Term)>,
}

impl Predecessors {
    /// After a start nobody has been heard yet. Whom this replica voted for has most likely led; if not, it
    /// follows, and leaves no row.
    pub fn started(raft: &consensus::Group) -> Predecessors {
        let last = raft.vote().map(|node| (node, raft.term()));
        Predecessors { last, ..Predecessors::default() }
    }

    /// A look at who leads now.
    pub fn look(&mut self, me: NodeId, leader: Option<NodeId>, term: Term, now_ms: u64) {
        let Some(leader) = leader else { return };
        if self.last == Some((leader, term)) && (leader != me || self.since.is_some()) {
            return;
        }
        if let Some(last) = self.last.replace((leader, term)).filter(|last| last.0 != leader) {
            self.gone.push(last);
        }
        // Who leads has the shard's log.
        self.gone.retain(|(node, _)| *node != leader);
        if self.gone.len() > MAX_GONE {
            self.gone.remove(0);
        }
        self.since = (leader == me).then_some((now_ms, term));
    }
}

impl Core {
    /// What may be lost with leaders that have not come back, as far as this node has replicas.
    pub fn possible_losses(&self) -> Vec<Possible> {
        self.replicas.iter().flatten().flat_map(|replica| possible(&replica.machine)).collect()
    }

    /// Once a second: rows of leaders that do not come back are written, and removed when they have.
    pub(crate) fn drive_bounds(&mut self) {
        for at in 1..self.replicas.len() {
            let group = GroupId(at as u32);
            self.propose(group);
            self.note_missing(group);
            self.note_returned(group);
        }
    }

    fn note_missing(&mut self, group: GroupId) {
        let (now, shards) = (self.now, self.base_shards());
        let Some(replica) = self.replica(group) else { return };
        crate::layouts::follow_rows(replica, shards);
        let late = |since: (u64, Term)| now.mono_ms() >= since.0 + GRACE_MS;
        if !replica.answers_early() || !replica.predecessors.since.is_some_and(late) {
            return;
        }
        let Some(first) = replica.raft.first_of_term().filter(|first| *first <= replica.machine.applied().0)
        else {
            return;
        };
        let mut missing = Vec::new();
        let mut gone = std::mem::take(&mut replica.predecessors.gone);
        gone.retain(|&(old, term)| {
            let index = replica.first_after(term).unwrap_or(first);
            let id = LossId { group, term, index };
            // The row may be undone with this leadership: only once it is applied nothing is left to do.
            let told = follows(replica, old, index) || possible(&replica.machine).any(|row| row.id == id);
            missing.extend((!told).then_some((old, id)));
            !told
        });
        replica.predecessors.gone = gone;
        let room = MAX_ROWS.saturating_sub(possible(&replica.machine).count());
        // No lease: nothing is read, and nobody is answered.
        if replica.can_execute() {
            missing.into_iter().take(room).for_each(|(old, id)| self.tell_missing(old, id));
        }
    }

    fn tell_missing(&mut self, node: NodeId, id: LossId) {
        let Some(replica) = self.replica(id.group) else { return };
        let (bound, at_ms) = ((replica.bound.bytes, replica.bound.ms), replica.machine.time());
        let announced = self.announced(node, id.group);
        tracing::warn!(
            loss = %id, leader = %node, bytes = bound.0, ms = bound.1,
            announced_entries = announced.0, announced_bytes = announced.1,
            "a leader is gone: up to so many bytes of answered asynchronous writes may be missing until it is back"
        );
        let possible = Possible { id, node, at_ms, bound, announced };
        self.put_row(id.group, id, Some(&possible.encode()));
    }

    /// Entries and bytes that a node had last announced as exposed in a group.
    fn announced(&self, node: NodeId, group: GroupId) -> (u64, u64) {
        let report = self.peers.get(&node).and_then(|peer| peer.report.as_ref());
        let of_group = report.and_then(|report| report.groups.iter().find(|g| g.group == group.0));
        of_group.map_or((0, 0), |g| (g.exposed_entries, g.exposed_bytes))
    }

    fn note_returned(&mut self, group: GroupId) {
        let Some(replica) = self.replica(group).filter(|replica| replica.raft.is_leader()) else { return };
        let back: Vec<LossId> = possible(&replica.machine)
            .filter(|row| follows(replica, row.node, row.id.index))
            .map(|row| row.id)
            .collect();
        if back.is_empty() || !replica.can_execute() {
            return;
        }
        for id in back {
            tracing::info!(loss = %id, "the old leader is back: what was lost is in its accounts");
            self.put_row(group, id, None);
        }
    }

    fn put_row(&mut self, group: GroupId, id: LossId, content: Option<&[u8]>) {
        let now = self.now;
        let Some(replica) = self.replica(group) else { return };
        replica.begin(now);
        replica.machine.put_system(&Possible::name(id), content);
    }
}

/// Whether a node has this leader's log up to an index on its disk: it has replaced what it had there, and
/// accounted for it before.
fn follows(replica: &Replica, node: NodeId, index: Index) -> bool {
    let view = replica.raft.peers().into_iter().find(|view| view.node == node);
    node == replica.raft.node() || view.is_some_and(|view| view.matched >= index)
}

/// Removes a row somebody has acknowledged. Argument: the name of the loss.
pub(crate) fn acknowledge(cx: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let name = args.get(1).and_then(|name| std::str::from_utf8(name).ok());
    let id = name.and_then(|name| name.parse::<LossId>().ok());
    let id = id.ok_or(Stop::error("ERR malformed internal request"))?;
    if cx.data.system(&Possible::name(id)).is_some() {
        cx.data.put_system(&Possible::name(id), None);
    }
    cx.reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_as_it_was_written() {
        let id = LossId { group: GroupId(4), term: 7, index: 300 };
        let (bound, announced) = ((4096, 1000), (3, 300));
        let row = Possible { id, node: NodeId(2), at_ms: 1_700_000_000_000, bound, announced };
        let written = [1, 2, 0x80, 0xd0, 0x95, 0xff, 0xbc, 0x31, 0x80, 0x20, 0xe8, 7, 3, 0xac, 2];
        assert_eq!(row.encode(), written, "rows of older versions must be read");
        assert_eq!(Possible::decode(id, &written), Ok(row));
        assert_eq!(Possible::name(id), b"loss/3-7-300");
        assert_eq!(Possible::decode(id, &[9]), Err(DecodeError::Version(9)));
        assert_eq!(Possible::decode(id, &written[..9]), Err(DecodeError::Short));
    }

    #[test]
    fn leaders_before_this_node_are_remembered_until_they_lead_again() {
        let (me, other, third) = (NodeId(1), NodeId(2), NodeId(3));
        let mut before = Predecessors::default();
        before.look(me, Some(other), 3, 10);
        before.look(me, None, 4, 20);
        before.look(me, Some(me), 5, 30);
        before.look(me, Some(me), 5, 40);
        let since = Some((30, 5));
        assert_eq!(before, Predecessors { last: Some((me, 5)), gone: vec![(other, 3)], since });
        before.look(me, Some(third), 6, 50);
        let gone = vec![(other, 3), (me, 5)];
        assert_eq!(before, Predecessors { last: Some((third, 6)), gone, since: None });
        before.look(me, Some(me), 7, 60);
        let (gone, since) = (vec![(other, 3), (third, 6)], Some((60, 7)));
        assert_eq!(before, Predecessors { last: Some((me, 7)), gone, since });
        before.look(me, Some(other), 8, 70);
        assert_eq!(before.gone, [(third, 6), (me, 7)], "who leads again has the log");
        before.look(me, Some(other), 9, 80);
        assert_eq!(before.gone, [(third, 6), (me, 7)], "also in another term");
    }

    #[test]
    fn no_more_leaders_are_remembered_than_the_limit() {
        let mut before = Predecessors::default();
        (1..100).for_each(|n| before.look(NodeId(1000), Some(NodeId(n)), n, n));
        assert_eq!((before.gone.len(), before.gone.last()), (MAX_GONE, Some(&(NodeId(98), 98))));
    }
}
