//! Reads of `READONLY` connections by this node's own replica of a shard that another node leads.
//!
//! They see applied entries only, at most as old as the connection allows (see `freshness.rs`), never a key
//! whose time has come, and everything their own connection has written. Where that can not be kept they go
//! to the leader like any read. Whoever asked for stale data by name is answered whatever the age.

use crate::conn::Conn;
use crate::core::Core;
use crate::frame::proof::{MAX_GROUPS, Probe, Proof};
use crate::frame::{FrameError, Section};
use crate::replica::Replica;
use model::time::MS;
use model::{GroupId, NodeId};
use resp::Resp;
use resp::session::Staleness;
use shard::data::Key;
use shard::machine::ReplicaRead;
use shard::table::{Spec, flag};
use std::collections::BTreeMap;

/// A reply must be within its bound when it leaves. One that is closer to it than this, ns, is not given
/// here: the rest of the turn takes time, and a reply that is late costs its connection.
const SLACK_NS: u64 = 5 * MS;
/// Questions of one node that are answered with one flush; a node asks every 20 ms.
const MAX_PROBES: usize = 16;

/// Whether a replica's rows, at whatever age, may be read: it does not lead, and they are whole.
fn is_whole(replica: &Replica) -> bool {
    let has_rows = !replica.raft.is_rebuilding() && !replica.raft.is_witness();
    replica.leading().is_none() && replica.broken.is_none() && has_rows
}

/// Whether a replica has applied all that this connection was told it has written.
fn has_own_writes(replica: &Replica, conn: &Conn) -> bool {
    let (applied, _) = replica.machine.applied();
    conn.written.iter().all(|(group, _, index)| *group != replica.id || *index <= applied)
}

impl Core {
    /// Answers a read of a `READONLY` connection from the replica of this node, or has it wait for rows that
    /// are not in memory. False if it has to go to the leader.
    pub(crate) fn read_here(
        &mut self,
        conn: &mut Conn,
        group: GroupId,
        spec: &'static Spec,
        args: &[&[u8]],
    ) -> bool {
        let Some(replica) = self.replicas[group.0 as usize].as_deref_mut() else { return false };
        if !spec.flags.has(flag::READONLY) || replica.leading().is_some() || replica.raft.is_witness() {
            return false;
        }
        let max_ms = match conn.session.staleness {
            Staleness::Usual => Some(self.settings.max_staleness_ms),
            Staleness::AtMost { ms } => Some(ms),
            Staleness::Any => None,
        };
        let mut until_ns = u64::MAX;
        if let Some(max_ms) = max_ms {
            until_ns = replica.fresh.until_ns(replica.machine.applied().0, max_ms);
            if replica.fresh.wanted(self.now, self.settings.heartbeat_ms)
                && let Some(leader) = replica.raft.leader()
            {
                self.ask_how_fresh(leader, &[group]);
            }
        }
        let served = self.now.mono_ns.saturating_add(SLACK_NS) <= until_ns
            // Replies keep the order of commands, and what is under way may be a write.
            && conn.waiting() == 0
            && self.read_replica(conn, group, spec, args, until_ns);
        self.stats.replica_reads_forwarded += u64::from(!served);
        served
    }

    fn read_replica(
        &mut self,
        conn: &mut Conn,
        group: GroupId,
        spec: &'static Spec,
        args: &[&[u8]],
        until_ns: u64,
    ) -> bool {
        let Some(handler) = self.handlers.get(spec) else { return false };
        let (ks, shards) = (conn.session.keyspace, self.base_shards());
        let Some(replica) = self.replicas[group.0 as usize].as_deref_mut() else { return false };
        let slot = spec.key_positions(args).next().map_or(0, |at| model::slot::slot_of(args[at]));
        let runs = replica.may_run(spec, ks, slot, args, shards);
        if !is_whole(replica) || !has_own_writes(replica, conn) || !runs {
            return false;
        }
        let hint = self.hint.zip(spec.key_positions(args).next());
        let hint = hint.map(|(position, at)| Key { position, bytes: args[at] });
        let (proto, touch) = (conn.session.proto, !conn.session.flags.no_touch);
        let buf = conn.reply_buffer();
        let start = buf.len();
        let reply = &mut Resp { buf, proto };
        let wall_ms = self.now.wall_ms;
        match replica.machine.execute_read(handler, (ks, touch), wall_ms, hint, args, reply) {
            ReplicaRead::Leader => return false,
            ReplicaRead::Fetch => {
                // It runs again from the start, and its age is looked at again.
                self.wait_for_rows(conn, group, spec, args);
                return true;
            }
            ReplicaRead::Done => {}
        }
        if crate::large::is_in_chunks(&conn.reply_buffer()[start..]) {
            conn.reply_buffer().truncate(start);
            return false;
        }
        self.stats.note_reply(&conn.reply_buffer()[start..]);
        self.stats.replica_reads += 1;
        conn.reply_free(start);
        if until_ns < u64::MAX {
            if conn.fresh_until_ns == u64::MAX {
                self.replica_readers.push(conn.id);
            }
            conn.fresh_until_ns = conn.fresh_until_ns.min(until_ns);
        }
        true
    }

    /// With the heartbeats: asks leaders what is committed in the groups that are read here.
    pub(crate) fn send_probes(&mut self) {
        let mut asked: BTreeMap<NodeId, Vec<GroupId>> = BTreeMap::new();
        for replica in self.replicas.iter().flatten().filter(|r| r.fresh.is_wanted(self.now)) {
            if let Some(leader) = replica.raft.leader() {
                asked.entry(leader).or_default().push(replica.id);
            }
        }
        for (leader, groups) in asked {
            self.ask_how_fresh(leader, &groups);
        }
    }

    fn ask_how_fresh(&mut self, leader: NodeId, groups: &[GroupId]) {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(&leader).filter(|peer| peer.takes()) else { return };
        for groups in groups.chunks(MAX_GROUPS) {
            let (incarnation, groups) = (self.me.incarnation, groups.to_vec());
            let probe = Probe { incarnation, stamp_ns: now.mono_ns, groups };
            peer.frame.section(Section::Probe, |out| probe.encode(out));
        }
        for group in groups {
            if let Some(replica) = self.replica(*group) {
                replica.fresh.asked(now);
            }
        }
    }

    /// A follower asks what is committed. It is answered with the flush.
    pub(crate) fn on_probe(&mut self, from: NodeId, content: &[u8]) -> Result<(), FrameError> {
        let probe = Probe::decode(content)?;
        let now = self.now;
        for group in &probe.groups {
            if let Some(replica) = self.replica(*group) {
                // The lease is renewed where somebody reads; only if there is one is the answer worth anything.
                replica.ready(now);
            }
        }
        let probes = &mut self.peer(from).probes;
        if probes.len() < MAX_PROBES {
            probes.push(probe);
        }
        Ok(())
    }

    /// Answers followers. The lease is looked at with the clock of this flush: until then nobody else can
    /// have committed anything that this node does not know of.
    pub(crate) fn answer_probes(&mut self) {
        let now = self.now;
        for peer in self.peers.values_mut().filter(|peer| !peer.probes.is_empty()) {
            for Probe { incarnation, stamp_ns, groups } in std::mem::take(&mut peer.probes) {
                let proven = groups.into_iter().filter_map(|group| {
                    let replica = self.replicas.get(group.0 as usize)?.as_deref()?;
                    replica.raft.lease_valid(now).then(|| (group, replica.raft.commit()))
                });
                let proof = Proof { incarnation, stamp_ns, groups: proven.collect() };
                if !proof.groups.is_empty() && peer.takes() {
                    peer.frame.section(Section::Proof, |out| proof.encode(out));
                }
            }
        }
    }

    /// A leader has answered.
    pub(crate) fn on_proof(&mut self, content: &[u8]) -> Result<(), FrameError> {
        let proof = Proof::decode(content)?;
        if proof.incarnation != self.me.incarnation {
            return Ok(()); // The clock of its stamp may be another one.
        }
        for (group, commit) in proof.groups {
            if let Some(replica) = self.replica(group) {
                replica.fresh.answered(proof.stamp_ns, commit);
            }
        }
        Ok(())
    }

    /// Last step before replies leave: those whose bound has passed since they were given (this node stood
    /// still in between) are dropped with their connections, as clients know it from any broken connection.
    pub(crate) fn drop_overdue_reads(&mut self) {
        let now_ns = self.now.mono_ns;
        for id in std::mem::take(&mut self.replica_readers) {
            let Some(conn) = self.conns.get_mut(&id) else { continue };
            let until_ns = std::mem::replace(&mut conn.fresh_until_ns, u64::MAX);
            if now_ns > until_ns {
                conn.wire.clear();
                conn.closing = true;
                conn.cut = true;
                self.outbox.conns.push(id);
            }
        }
    }
}
