//! Connections of the port that speaks Redis Cluster: who is sent elsewhere, and what they may not do.
//!
//! Everything that is not refused or redirected here runs as on the plain port, with the same leases and
//! the same waiting: a node that leads and is not ready lets it wait, one that knows no leader to send the
//! client to passes it on.

use crate::conn::Conn;
use crate::core::Core;
use crate::dispatch::closed;
use crate::internal;
use crate::topology::host_and_port;
use cluster::map::Placement;
use model::slot::{Slot, slot_of};
use model::{GroupId, Reply, ShardId};
use router::{Flags, Request};
use shard::table::{Merge, Spec, flag};

/// The error for keys of several slots, as Redis words it.
const CROSS_SLOT: &str = "CROSSSLOT Keys in request don't hash to the same slot";

impl Core {
    /// The error with which a connection of the cluster port is told to go elsewhere, or that its
    /// command is not for a cluster. `None`: it runs as everywhere.
    pub(crate) fn redirect(&self, conn: &Conn, spec: &Spec, args: &[&[u8]]) -> Option<String> {
        let ks = conn.session.keyspace;
        let mut keys = spec.key_positions(args);
        let first = keys.next()?;
        let slot = self.hint.map_or_else(|| slot_of(args[first]), |position| position.slot());
        let Placement::Shard(shard) = self.map.shard_of(ks, slot) else { return None };
        if self.is_spread(ks) && !keys.all(|at| slot_of(args[at]) == slot) {
            return Some(CROSS_SLOT.to_owned());
        }
        let write = spec.flags.has(flag::WRITE);
        let moved = self.moved(shard.group(), slot, conn.session.flags.readonly && !write);
        moved.or_else(|| other_database(spec, args))
    }

    /// Where another node is to be asked for a group. `followed`: not if this node has a replica of it.
    pub(crate) fn moved(&self, group: GroupId, slot: Slot, followed: bool) -> Option<String> {
        // Nodes learn one after the other that a new shard is open: its leader and that of its parent would send a
        // client to each other. What is on its way between them is passed on.
        let division = group.shard().and_then(|shard| self.map.division_of(shard));
        if division.is_some_and(|(row, _)| slot > row.slots.1) {
            return None;
        }
        let leader = self.living_leader(group).filter(|leader| *leader != self.me.node)?;
        if followed && self.replicas[group.0 as usize].is_some() {
            // The replica answers, as in Redis. If it is too old the leader is asked without the client's help:
            // sent away, it would come back with the next read.
            return None;
        }
        let address = self.cluster_address(leader);
        let (host, port) = host_and_port(address);
        (!address.is_empty()).then(|| format!("MOVED {slot} {host}:{port}"))
    }

    /// Of the shards that a command without keys concerns, those it is for on this connection: a cluster
    /// client asks every node and adds the answers up.
    pub(crate) fn shards_for(&self, conn: &Conn, mut shards: Vec<ShardId>) -> Vec<ShardId> {
        if conn.session.cluster {
            shards.retain(|shard| self.seat(shard.group()) == Some(self.me.node));
        }
        shards
    }

    /// The answer of a node that none of the shards is for.
    pub(crate) fn reply_of_none(&mut self, conn: &mut Conn, merge: Merge) {
        self.reply_now(conn, |reply| match merge {
            Merge::Sum => reply.int(0),
            Merge::AllOk => reply.ok(),
            Merge::Interleave | Merge::Concat => reply.array(0),
        });
    }

    /// `CLUSTER COUNTKEYSINSLOT` and `CLUSTER GETKEYSINSLOT`: the shard of the slot answers.
    pub(crate) fn look_into_slot(&mut self, conn: &mut Conn, slot: Slot, keys: Option<u64>) {
        if self.forming.is_some() {
            let text = self.forming_text();
            return self.reply_now(conn, |reply| reply.error(&text));
        }
        let ks = conn.session.keyspace;
        let Placement::Shard(shard) = self.map.shard_of(ks, slot) else {
            return self.reply_now(conn, |reply| reply.error(&closed(ks)));
        };
        let (text, count) = (slot.to_string(), keys.unwrap_or(0).to_string());
        let request = match keys {
            Some(_) => vec![internal::SLOT_KEYS, text.as_bytes(), count.as_bytes()],
            None => vec![internal::SLOT_COUNT, text.as_bytes()],
        };
        self.enqueue(conn, shard.group(), Request::new(Flags::INTERNAL, ks, &request), slot);
    }
}

/// The error for commands that name another database.
fn other_database(spec: &Spec, args: &[&[u8]]) -> Option<String> {
    let text = match spec.name {
        "move" => "MOVE is not allowed in cluster mode",
        "copy" if crate::dispatch::second_keyspace(spec, args).is_some_and(|ks| ks.0 != 0) => {
            "Copying to another database is not allowed in cluster mode"
        }
        _ => return None,
    };
    Some(format!("ERR {text}"))
}
