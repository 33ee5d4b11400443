//! The state of a core, and how bytes and completions enter it.

use crate::busy::Busy;
use crate::checkpoints::LogGrowth;
use crate::conn::Conn;
use crate::fates::Lost;
use crate::handlers::Handlers;
use crate::lookahead::Lookahead;
use crate::losses::Losses;
use crate::memory::Memory;
use crate::ops::Op;
use crate::outbox::Outbox;
use crate::peer::Peer;
use crate::polls::Poll;
use crate::replica::Replica;
use crate::settings::{ConfigTable, Settings};
use crate::snapshots::Transfers;
use crate::stats::{Gauges, Stats};
use cluster::map::ClusterMap;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use model::{GroupId, KeyHasher, Keyspace, NodeId, Now, ShardId};
use resp::{Limits, Parser, Session};
use router::{Route, Target};
use std::collections::{BTreeMap, BTreeSet};

/// How the cluster stands while it is being formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forming {
    /// Nodes that have joined.
    pub joined: u32,
    /// Nodes needed.
    pub needed: u32,
}

/// A pause of client commands (`CLIENT PAUSE`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// Monotonic ms at which it ends.
    pub until_ms: u64,
    /// It holds all commands, not just writes.
    pub all: bool,
}

/// Who this node is.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    /// Its id.
    pub node: NodeId,
    /// Which start of it.
    pub incarnation: u64,
    /// Id of the cluster, as shown to people.
    pub cluster: String,
    /// Addresses of this node.
    pub addresses: cluster::Addresses,
    /// It votes, and keeps no data.
    pub witness: bool,
}

/// Unparsed bytes of a connection that waits, beyond which it is not read.
const MAX_INPUT_WAITING: usize = 1 << 20;

/// The core of a node.
pub struct Core {
    /// Time of this turn.
    pub(crate) now: Now,
    /// The wall clock as the shell read it, ms.
    pub(crate) true_wall_ms: u64,
    /// The wall clock less the monotonic one when both were last compared with the other nodes', ms.
    pub(crate) wall_base_ms: i64,
    /// The disk of the log.
    pub(crate) disk: crate::fitness::Disk,
    pub(crate) settings: Settings,
    pub(crate) me: Identity,
    pub(crate) hasher: KeyHasher,
    pub(crate) map: ClusterMap,
    pub(crate) forming: Option<Forming>,
    /// By group id; `None` where this node holds no replica.
    pub(crate) replicas: Vec<Option<Box<Replica>>>,
    /// By group id.
    pub(crate) routes: Vec<Route>,
    /// Routes that have something to send.
    pub(crate) pumping: BTreeSet<GroupId>,
    pub(crate) conns: HashMap<u64, Box<Conn>, FixedState>,
    /// Connections whose replies may be released.
    pub(crate) touched: Vec<u64>,
    /// Commands parsed ahead; empty between calls.
    pub(crate) ahead: Lookahead,
    /// Position of the first key of the command that runs now, if it is known.
    pub(crate) hint: Option<model::Position>,
    /// The connection whose input is being processed; it is not in `conns`.
    pub(crate) busy: Option<u64>,
    pub(crate) next_conn: u64,
    pub(crate) pause: Option<Pause>,
    /// Connections that wait for the end of the pause.
    pub(crate) paused: BTreeSet<u64>,
    /// Connections with input that was left behind because they were full.
    pub(crate) stalled: BTreeSet<u64>,
    /// Connections to be unblocked when they are not being processed any more.
    pub(crate) unblocking: Vec<u64>,
    pub(crate) peers: BTreeMap<NodeId, Peer>,
    /// Attempts of other nodes' requests: (node, group) -> (attempt, refused).
    pub(crate) inbound: BTreeMap<(NodeId, GroupId), (u64, bool)>,
    pub(crate) ops: BTreeMap<u64, Op>,
    pub(crate) next_op: u64,
    pub(crate) next_seq: u64,
    /// Connections with a reply of a replica of this node that leaves with the next flush.
    pub(crate) replica_readers: Vec<u64>,
    /// Answers that came while their connection was being processed.
    pub(crate) late: Vec<(Target, Vec<u8>)>,
    pub(crate) lost: BTreeMap<GroupId, Lost>,
    /// Groups that this node had a replica of.
    pub(crate) left: BTreeMap<GroupId, crate::seats::Left>,
    /// Replaced entries of asynchronous keyspaces.
    pub(crate) losses: Losses,
    /// What goes to the logs of this node.
    pub(crate) logs: crate::logs::Logs,
    /// The data folders of this node.
    pub(crate) folders: Vec<crate::folders::DataFolder>,
    /// Groups that have taken a newer replica of this node in than the one it has or had.
    pub(crate) called: BTreeSet<GroupId>,
    /// Replicas that were lost with their folder, by its number.
    pub(crate) lost_with: BTreeMap<GroupId, u32>,
    pub(crate) transfers: Transfers,
    /// How far the log has grown, for the choice of checkpoints.
    pub(crate) log_growth: LogGrowth,
    pub(crate) handlers: Handlers,
    pub(crate) stats: Stats,
    /// How busy this thread is.
    pub(crate) busyness: Busy,
    /// Replies that rest on the lease are kept back until it is proven again.
    pub(crate) quarantine: bool,
    /// Groups whose leadership was lost before it could be proven again.
    pub(crate) distrusted: BTreeSet<GroupId>,
    /// Connections that go on with input read earlier.
    pub(crate) resuming: Vec<u64>,
    /// State of the meta group's rows that the map was made from.
    pub(crate) map_seen: Option<u64>,
    /// Steps of layout changes that are under way, with their operation.
    pub(crate) driving: BTreeMap<(Keyspace, u64), u64>,
    /// Epochs of layouts that all shards have said they have.
    pub(crate) opened: BTreeMap<Keyspace, u64>,
    /// Requests that wait for a keyspace to be open again, and slots on their way to other shards.
    pub(crate) moving: crate::dividing::Moving,
    /// Goals that connections wait for.
    pub(crate) polls: Vec<Poll>,
    /// Large values that are read for clients, or removed.
    pub(crate) large: crate::large::Large,
    /// Connections in `DEBUG SLEEP`: (end, connection) -> place of the reply, and the reply.
    pub(crate) sleeping: BTreeMap<(u64, u64), (u64, Vec<u8>)>,
    pub(crate) gauges: Gauges,
    pub(crate) memory: Memory,
    pub(crate) config_table: Option<Box<dyn ConfigTable>>,
    /// Reading everything now and then.
    pub(crate) scrub: crate::scrub::Scrub,
    /// What this node remembers as the one that decides where replicas are.
    pub(crate) planner: crate::placing::Planner,
    /// The node is about to end.
    pub(crate) ending: bool,
    /// No leadership is given back before, after somebody moved it on purpose.
    pub(crate) rebalance_pause_ms: u64,
    pub(crate) next_drive_ms: u64,
    /// Not before, the meta group is asked for an id of a joining node.
    pub(crate) next_join_ms: u64,
    /// Ticks since the start.
    pub(crate) ticks: u64,
    pub(crate) next_tick_ns: u64,
    pub(crate) next_second_ms: u64,
    /// What the shell has to do.
    pub outbox: Outbox,
}

impl Core {
    /// A core without replicas: the cluster is not formed yet.
    pub fn new(settings: Settings, me: Identity, hash_seed: u64, forming: Forming, now: Now) -> Core {
        Core {
            now,
            true_wall_ms: now.wall_ms,
            disk: crate::fitness::Disk::default(),
            wall_base_ms: now.wall_ms as i64 - now.mono_ms() as i64,
            stats: Stats::new(&settings),
            busyness: Busy::default(),
            settings,
            me,
            hasher: KeyHasher::new(hash_seed),
            map: ClusterMap::new(&cluster::Formation::default()),
            forming: Some(forming),
            replicas: Vec::new(),
            routes: Vec::new(),
            pumping: BTreeSet::new(),
            conns: HashMap::with_hasher(FixedState::default()),
            touched: Vec::new(),
            ahead: Lookahead::default(),
            hint: None,
            busy: None,
            next_conn: 1,
            pause: None,
            paused: BTreeSet::new(),
            stalled: BTreeSet::new(),
            unblocking: Vec::new(),
            peers: BTreeMap::new(),
            inbound: BTreeMap::new(),
            ops: BTreeMap::new(),
            next_op: 1,
            next_seq: 1,
            replica_readers: Vec::new(),
            late: Vec::new(),
            lost: BTreeMap::new(),
            left: BTreeMap::new(),
            losses: Losses::default(),
            logs: crate::logs::Logs::default(),
            folders: Vec::new(),
            called: BTreeSet::new(),
            lost_with: BTreeMap::new(),
            transfers: Transfers::default(),
            log_growth: LogGrowth::default(),
            handlers: Handlers::default(),
            quarantine: false,
            distrusted: BTreeSet::new(),
            resuming: Vec::new(),
            map_seen: None,
            driving: BTreeMap::new(),
            opened: BTreeMap::new(),
            moving: crate::dividing::Moving::default(),
            polls: Vec::new(),
            large: crate::large::Large::default(),
            sleeping: BTreeMap::new(),
            gauges: Gauges::default(),
            memory: Memory::default(),
            config_table: None,
            planner: crate::placing::Planner::default(),
            scrub: crate::scrub::Scrub::default(),
            ending: false,
            rebalance_pause_ms: 0,
            next_drive_ms: 0,
            next_join_ms: 0,
            ticks: 0,
            next_tick_ns: 0,
            next_second_ms: 0,
            outbox: Outbox::default(),
        }
    }

    /// Updates what clients are told while the cluster forms.
    pub fn set_forming(&mut self, forming: Forming) {
        if self.forming.is_some() {
            self.forming = Some(forming);
        }
    }

    /// The cluster is formed: the groups start, with the replicas recovered on this node.
    pub fn start(&mut self, map: ClusterMap, replicas: Vec<Replica>) {
        let held = replicas.iter().map(|replica| replica.id.0 as usize + 1).max().unwrap_or(0);
        let groups = held.max(map.shards.len() + 1);
        self.replicas.resize_with(groups, || None);
        self.routes.resize_with(groups, Route::default);
        for mut replica in replicas {
            let at = replica.id.0 as usize;
            replica.machine.set_limits(self.settings.collections);
            // Also a tree that is missing keeps its number until another has replaced it.
            self.logs.used_tree(replica.tree);
            let (group, applied) = (replica.id, replica.machine.applied());
            self.replicas[at] = Some(Box::new(replica));
            self.judge_jump(group, applied);
        }
        let me = self.me.node;
        for &node in map.members.keys().filter(|&&n| n != me) {
            self.peer(node);
        }
        self.map = map;
        self.follow_shards();
        self.forming = None;
        self.greet_all();
        self.name_witnesses();
        self.reload_map();
    }

    /// The peer, made known if it is not.
    pub(crate) fn peer(&mut self, node: NodeId) -> &mut Peer {
        self.peers.entry(node).or_insert_with(|| Peer::new(node, cluster::PeerHealth::new()))
    }

    /// The thread has waited so long for something to do.
    pub fn waited(&mut self, ns: u64) {
        self.busyness.waited(ns);
    }

    /// What only the shell can measure.
    pub fn set_gauges(&mut self, gauges: Gauges) {
        self.gauges = gauges;
        self.weigh_other();
    }

    /// Where `CONFIG GET` and `CONFIG SET` look.
    pub fn set_config_table(&mut self, table: Box<dyn ConfigTable>) {
        self.config_table = Some(table);
    }

    /// Counters since the start.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Applied index of this node's replica of a group and the hash over all it applied: equal on all
    /// replicas at the same index. `None` without one, and for a witness, which has nothing to apply.
    pub fn rolling(&self, group: GroupId) -> Option<(model::Index, u64)> {
        let replica = self.replicas.get(group.0 as usize)?.as_ref()?;
        let machine = Some(&replica.machine).filter(|_| !replica.raft.is_witness())?;
        Some((machine.applied().0, machine.rolling()))
    }

    /// This node's id.
    pub fn node(&self) -> NodeId {
        self.me.node
    }

    /// The replica of a group on this node.
    #[inline]
    pub(crate) fn replica(&mut self, group: GroupId) -> Option<&mut Replica> {
        self.replicas.get_mut(group.0 as usize)?.as_deref_mut()
    }

    /// Number of shards with which the cluster began, by which keyspaces without a row find theirs.
    pub(crate) fn base_shards(&self) -> u16 {
        self.map.formation.shards
    }

    /// All shards, for commands that concern a whole keyspace.
    pub(crate) fn all_shards(&self) -> impl Iterator<Item = ShardId> + use<> {
        let all: Vec<ShardId> = self.map.open_shards().collect();
        all.into_iter()
    }

    // ---- client connections ----

    /// A client connected; `cluster`: to the port that speaks Redis Cluster. `Err`: the connection limit is
    /// reached; the text is sent before closing.
    pub fn on_connect(&mut self, addr: String, laddr: String, cluster: bool) -> Result<u64, String> {
        if self.conns.len() >= self.settings.max_clients {
            self.stats.rejected_connections += 1;
            return Err("-ERR max number of clients reached\r\n".to_owned());
        }
        let id = self.next_conn;
        self.next_conn += 1;
        self.stats.connections += 1;
        let authenticated = self.settings.requirepass.is_empty();
        let mut session = Session::new(id, addr, laddr, self.now.mono_ms(), authenticated);
        session.cluster = cluster;
        let mut parser = Parser::new(self.limits());
        parser.set_authenticated(authenticated);
        self.conns.insert(id, Box::new(Conn::new(id, session, parser)));
        Ok(id)
    }

    pub(crate) fn limits(&self) -> Limits {
        let whole = self.settings.max_value.max(1024 * 1024) + model::limits::MAX_KEY;
        if !self.cuts_values() {
            return Limits { max_bulk: whole, ..Limits::default() };
        }
        Limits { max_bulk: crate::large::MAX_BULK, stream_from: whole + 1, ..Limits::default() }
    }

    /// A client's connection is gone. What it sent and was not answered may still be executed.
    pub fn on_disconnect(&mut self, id: u64) {
        let conn = self.conns.remove(&id);
        self.paused.remove(&id);
        self.stalled.remove(&id);
        self.stats.monitors.remove(&id);
        if let Some(conn) = &conn {
            self.forget_marks(conn);
            if conn.incoming.is_some() {
                self.forget_uploads(id);
            }
        }
        if conn.is_some_and(|c| c.blocked == Some(crate::conn::Blocked::Busy)) {
            self.sleeping.retain(|(_, conn), _| *conn != id);
            self.abandon_block(id);
        }
    }

    /// Bytes from a client.
    pub fn on_data(&mut self, id: u64, bytes: &[u8]) {
        let Some(mut conn) = self.conns.remove(&id) else { return };
        self.busy = Some(id);
        self.stats.net_input += bytes.len() as u64;
        if conn.input.is_empty() {
            let used = self.process(&mut conn, bytes);
            conn.input.extend_from_slice(&bytes[used..]);
        } else {
            conn.input.extend_from_slice(bytes);
            self.process_input(&mut conn);
        }
        if conn.input.len() > self.settings.query_buffer_limit {
            tracing::warn!(client = id, bytes = conn.input.len(), "query buffer limit exceeded, closing");
            conn.closing = true;
            conn.input = Vec::new();
        }
        self.note_stalled(&conn);
        self.busy = None;
        self.conns.insert(id, conn);
        self.touched.push(id);
    }

    /// A client sends no more, but may still read: what it has sent is answered before its connection
    /// is closed, unless it waits for something that may never come.
    pub fn on_eof(&mut self, id: u64) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        conn.ended = true;
        conn.cut |= conn.blocked == Some(crate::conn::Blocked::Busy) || conn.lacks_input();
        self.outbox.conns.push(id);
    }

    /// Processes what was read from a connection earlier.
    pub(crate) fn process_input(&mut self, conn: &mut Conn) {
        let mut input = std::mem::take(&mut conn.input);
        let used = self.process(conn, &input);
        if used == input.len() {
            input.clear();
        } else {
            input.drain(..used);
        }
        conn.input = input;
    }

    /// After a connection was processed: whether it must wait for room.
    fn note_stalled(&mut self, conn: &Conn) {
        if conn.blocked.is_none() && conn.is_full() && !conn.input.is_empty() {
            self.stalled.insert(conn.id);
        }
    }

    /// Goes on with a connection that was blocked.
    pub(crate) fn resume(&mut self, id: u64) {
        let Some(mut conn) = self.conns.remove(&id) else { return };
        self.busy = Some(id);
        self.process_input(&mut conn);
        self.note_stalled(&conn);
        self.busy = None;
        self.conns.insert(id, conn);
        self.touched.push(id);
    }

    /// True when the shell should not read from this connection for now.
    pub fn is_full(&self, id: u64) -> bool {
        self.conns.get(&id).is_some_and(|c| {
            let waits = c.blocked.is_some() || self.paused.contains(&id) || self.stalled.contains(&id);
            c.is_full() || (waits && c.input.len() > MAX_INPUT_WAITING)
        })
    }

    /// The bytes to send to a connection (the shell takes from the front), and whether to close it
    /// after them. `None` if it does not exist, or nothing may leave in this turn.
    pub fn wire(&mut self, id: u64) -> Option<(&mut Vec<u8>, bool)> {
        if self.quarantine {
            return None;
        }
        let conn = self.conns.get_mut(&id)?;
        let (stalled, paused) = (&self.stalled, &self.paused);
        let idle = |c: &Conn| c.blocked.is_none() && !stalled.contains(&id) && !paused.contains(&id);
        let finished = conn.closing || (conn.ended && idle(conn));
        let close = conn.cut || (finished && conn.waiting() == 0);
        Some((&mut conn.wire, close))
    }

    /// The frame bytes for a peer, appended to `out`; `backlog`: what the shell still has unsent.
    pub fn take_frame(&mut self, node: NodeId, backlog: usize, out: &mut Vec<u8>) {
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.backlog = backlog;
            if peer.frame_due_ns().is_some_and(|due| due <= self.now.mono_ns) {
                peer.sent_ns = self.now.mono_ns;
                peer.frame.flush(out);
                peer.backlog += out.len();
            }
        }
    }

    /// Peers that have a frame to send.
    pub fn peers_to_send(&self) -> impl Iterator<Item = NodeId> {
        let now_ns = self.now.mono_ns;
        let due = move |p: &&Peer| p.connected && p.frame_due_ns().is_some_and(|due| due <= now_ns);
        self.peers.values().filter(due).map(|p| p.node)
    }

    /// When the next frame that waits for more leaves at the latest, monotonic ns.
    pub fn next_frame_ns(&self) -> u64 {
        let due = self.peers.values().filter(|p| p.connected).filter_map(Peer::frame_due_ns);
        due.min().unwrap_or(u64::MAX)
    }
}
