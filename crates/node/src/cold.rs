//! Who waits for rows that are not in memory (see the shard's `space/cold.rs`): connections, requests that
//! came through a route, and committed entries.
//!
//! A command that meets a cold row ends without a trace, the disk pool reads the row, and the command runs
//! again from the start; the thread goes on with others meanwhile. The order of a connection's commands is
//! kept: a connection served here runs none before this one has, and requests of one connection that
//! come through a route wait in a *line* of their own. Nobody else waits.

use crate::conn::{Blocked, Conn};
use crate::core::Core;
use crate::outbox::{FetchJob, Read};
use crate::replica::{Parked, Source};
use consensus::Entry;
use model::varint::DecodeError;
use model::{GroupId, Keyspace, NodeId};
use shard::machine::Fetch;
use shard::table::Spec;
use std::collections::{BTreeMap, VecDeque};

/// Committed entries of a backlog that are looked at for rows to fetch together.
const LOOK_AHEAD: usize = 64;
/// Most bytes of committed entries that wait for rows to be applied. Beyond it appends of the leader are
/// dropped, which it repeats.
pub(crate) const MAX_BACKLOG: usize = 64 << 20;
/// Instead of a ticket: waits for memory, not for rows.
pub(crate) const MEMORY: u64 = u64::MAX;

/// Whose requests keep their order: a connection of a node; or a single request of no order.
type Line = (NodeId, u64);
/// Lines of single requests have numbers from here on.
const LONE: u64 = 1 << 63;

/// Those who wait, of one group.
#[derive(Debug, Default)]
pub struct Cold {
    /// Ticket and connection.
    conns: Vec<(u64, u64)>,
    /// Ticket of the first and the requests, by line.
    lines: BTreeMap<Line, (u64, VecDeque<Parked>)>,
    requests: usize,
    lone: u64,
    /// The attempt of each node's requests.
    attempts: BTreeMap<NodeId, u64>,
    /// Fetches to try again.
    failed: Vec<Fetch>,
    /// The rows were replaced: no ticket is worth anything.
    void: bool,
}

impl Cold {
    /// True if a request of this connection waits.
    #[inline]
    pub(crate) fn holds(&self, node: NodeId, conn: u64) -> bool {
        !self.lines.is_empty() && conn != 0 && self.lines.contains_key(&(node, conn))
    }

    /// Requests that wait.
    pub(crate) fn requests(&self) -> usize {
        self.requests
    }

    /// A request of an attempt of a node comes. Those of earlier attempts are sent again in it, and must not
    /// run beside that: whoever judges what is sent again looks at what has run, not at what waits.
    pub(crate) fn begin_attempt(&mut self, node: NodeId, attempt: u64) {
        if self.attempts.insert(node, attempt).is_some_and(|before| before < attempt) {
            self.forget_peer(node);
        }
    }

    /// Puts a request at the end of its line.
    pub(crate) fn line_up(&mut self, node: NodeId, ticket: u64, parked: Parked) {
        let mut line = (node, parked.domain);
        if parked.domain == 0 {
            self.lone += 1;
            line.1 = LONE + self.lone;
        }
        self.requests += 1;
        self.lines.entry(line).or_insert((ticket, VecDeque::new())).1.push_back(parked);
    }

    /// Takes the lines whose first request waited for this ticket, `None`: all.
    fn take_lines(&mut self, ticket: Option<u64>) -> Vec<VecDeque<Parked>> {
        let due = |_: &Line, line: &mut (u64, _)| ticket.is_none_or(|ticket| line.0 == ticket);
        let taken: Vec<_> = self.lines.extract_if(.., due).map(|(_, (_, requests))| requests).collect();
        self.requests -= taken.iter().map(VecDeque::len).sum::<usize>();
        taken
    }

    fn take_conns(&mut self, ticket: Option<u64>) -> Vec<u64> {
        let due = |waits: &mut (u64, u64)| ticket.is_none_or(|ticket| waits.0 == ticket);
        self.conns.extract_if(.., due).map(|(_, conn)| conn).collect()
    }

    /// Requests are forgotten: whoever sent them sends them again.
    pub(crate) fn forget_requests(&mut self) {
        self.take_lines(None);
    }

    /// Requests of a node that was started anew are forgotten.
    pub(crate) fn forget_peer(&mut self, node: NodeId) {
        self.lines.retain(|line, _| line.0 != node);
        self.requests = self.lines.values().map(|(_, requests)| requests.len()).sum();
    }

    /// The rows were replaced as a whole.
    pub(crate) fn replaced(&mut self) {
        self.failed.clear();
        self.void = true;
    }
}

impl Core {
    /// Applies a committed entry, or keeps it until the rows it needs are in memory. False if it is kept.
    ///
    /// # Errors
    /// As [`crate::replica::Replica::apply`].
    pub(crate) fn apply_or_keep(&mut self, group: GroupId, entry: &Entry) -> Result<bool, DecodeError> {
        let Some(replica) = self.replicas[group.0 as usize].as_deref_mut() else { return Ok(true) };
        if replica.backlog.is_empty() && !self.needs_rows(group, entry)? {
            return self.apply_one(group, entry).map(|()| true);
        }
        if let Some(replica) = self.replica(group) {
            replica.backlog_bytes += entry.data.len();
            replica.backlog.push_back(entry.clone());
        }
        Ok(false)
    }

    /// Whether rows must be fetched before an entry is applied: those it changes, and those that a loss
    /// account it decides speaks of. They are wanted.
    fn needs_rows(&mut self, group: GroupId, entry: &Entry) -> Result<bool, DecodeError> {
        let payload = consensus::entry_payload(entry)?;
        if self.waits_to_divide(group, entry.index, &payload)? {
            return Ok(true);
        }
        let Some(replica) = self.replica(group) else { return Ok(false) };
        let changes = !replica.is_own(entry) && replica.machine.wants_rows_of(&payload)?;
        Ok(changes || self.suspects(group) && self.accounts_want_rows(group, entry.index))
    }

    fn apply_one(&mut self, group: GroupId, entry: &Entry) -> Result<(), DecodeError> {
        if self.suspects(group) {
            self.judge(group, entry.index, entry.term);
        }
        self.replica(group).map_or(Ok(()), |replica| replica.apply(entry))?;
        self.note_comparison(group);
        self.note_division(group, entry)
    }

    /// Applies what waited for rows that are in memory now. What the next entries lack is wanted then.
    fn apply_backlog(&mut self, group: GroupId) -> Result<(), DecodeError> {
        while let Some(entry) = self.replica(group).and_then(|replica| replica.backlog.front().cloned()) {
            if self.needs_rows(group, &entry)? {
                let Some(replica) = self.replica(group) else { return Ok(()) };
                for entry in replica.backlog.iter().skip(1).take(LOOK_AHEAD) {
                    replica.machine.wants_rows_of(&consensus::entry_payload(entry)?)?;
                }
                return Ok(());
            }
            if let Some(replica) = self.replica(group) {
                replica.backlog_bytes -= entry.data.len();
                replica.backlog.pop_front();
            }
            self.apply_one(group, &entry)?;
        }
        Ok(())
    }

    /// Has the disk pool read what the group's machine wants. Returns the ticket to wait for.
    pub(crate) fn fetch(&mut self, group: GroupId) -> u64 {
        let Some(replica) = self.replicas[group.0 as usize].as_deref_mut() else { return 0 };
        let (fetch, ticket) = replica.machine.take_fetch();
        if let Some(fetch) = fetch {
            self.stats.cold_fetches += 1;
            self.outbox.fetches.push(FetchJob { group, tree: replica.tree, fetch });
        }
        ticket
    }

    /// A command of this connection waits until the rows it needs are in memory; it runs then.
    pub(crate) fn wait_for_rows(
        &mut self,
        conn: &mut Conn,
        group: GroupId,
        spec: &'static Spec,
        args: &[&[u8]],
    ) {
        self.want_keys(group, conn.session.keyspace, spec, args);
        let ticket = self.begin_edit(group).unwrap_or_else(|| self.fetch(group));
        self.block(conn, group, ticket);
    }

    /// A command of this connection does not run now, but when the ticket is due.
    pub(crate) fn block(&mut self, conn: &mut Conn, group: GroupId, ticket: u64) {
        conn.blocked = Some(Blocked::Cold);
        self.stats.commands -= 1; // It is counted when it runs.
        if let Some(replica) = self.replica(group) {
            replica.cold.conns.push((ticket, conn.id));
        }
    }

    /// The rows of all keys of a command are wanted, so that it need not be stopped for each.
    pub(crate) fn want_keys(&mut self, group: GroupId, ks: Keyspace, spec: &Spec, args: &[&[u8]]) {
        let Some(replica) = self.replicas[group.0 as usize].as_deref_mut() else { return };
        for key in spec.key_positions(args).map(|at| args[at]) {
            let position = replica.machine.position(key);
            replica.machine.want(ks, position, Some(key));
        }
    }

    /// Rows have come from the disk pool. Whoever waited for them runs at once, before anything else can
    /// leave memory.
    pub(crate) fn fetched(
        &mut self,
        (group, tree, ticket): (GroupId, u64, u64),
        result: Result<Read, String>,
        damaged: bool,
    ) {
        let Some(replica) = self.replica(group).filter(|replica| replica.tree == tree) else { return };
        let done = match result {
            Ok(read) => replica.machine.fetched(ticket, read.rows, read.listed).map_err(|e| e.to_string()),
            Err(error) if !damaged => {
                tracing::warn!(%group, tree, %error, "rows can not be read from the row store; trying again");
                replica.cold.failed.extend(replica.machine.open_fetch(ticket).cloned());
                return;
            }
            // Others have the rows; who waits for these runs again when they are here, or another node leads.
            Err(_) if !replica.raft.peers().is_empty() => return self.tree_is_damaged(group),
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            self.outbox.fatal = Some(format!(
                "group {group}: rows that are not in memory can not be read from tree {tree}: {error}; \
                 the next start rebuilds it from a healthy replica"
            ));
            return;
        }
        self.apply_more(group);
        self.run_again(group, Some(ticket));
        if let Some(replica) = self.replica(group) {
            replica.machine.forget_listed();
            replica.active = true;
        }
    }

    /// Applies entries that waited, for rows mostly.
    pub(crate) fn apply_more(&mut self, group: GroupId) {
        if self.replica(group).is_none_or(|replica| replica.backlog.is_empty()) {
            return;
        }
        if let Err(error) = self.apply_backlog(group) {
            return self.break_replica(group, error);
        }
        self.fetch(group);
    }

    /// Those who waited for this ticket run again, `None`: for any.
    pub(crate) fn run_again(&mut self, group: GroupId, ticket: Option<u64>) {
        let Some(replica) = self.replica(group) else { return };
        let (conns, lines) = (replica.cold.take_conns(ticket), replica.cold.take_lines(ticket));
        for id in conns {
            if self.unblock_cold(id) {
                self.resume(id);
            }
        }
        let mut requests: VecDeque<Parked> = lines.into_iter().flatten().collect();
        let now = self.now;
        while let Some(replica) = self.replica(group)
            && replica.parked.is_empty()
            && replica.ready(now)
        {
            let Some(parked) = requests.pop_front() else { return };
            self.execute(group, parked.id, parked.arrival());
        }
        self.park_first(group, requests);
    }

    /// Requests that waited for rows wait for their leader now, before those that came after them.
    fn park_first(&mut self, group: GroupId, requests: VecDeque<Parked>) {
        let Some(replica) = self.replica(group).filter(|_| !requests.is_empty()) else { return };
        requests.into_iter().rev().for_each(|parked| replica.parked.push_front(parked));
        // It speaks of a number of parked requests: another one is begun.
        replica.round = None;
        replica.active = true;
    }

    fn unblock_cold(&mut self, id: u64) -> bool {
        let conn = self.conns.get_mut(&id).filter(|conn| conn.blocked == Some(Blocked::Cold));
        conn.map(|conn| conn.blocked = None).is_some()
    }

    /// This node stopped leading: what waited here goes through the route.
    pub(crate) fn leave_cold(&mut self, group: GroupId) {
        let Some(replica) = self.replica(group) else { return };
        for id in replica.cold.take_conns(None) {
            if self.unblock_cold(id) {
                self.resuming.push(id);
            }
        }
    }

    /// Now and then: fetches that failed are tried again, and whoever waits for one that is void runs.
    pub(crate) fn retry_fetches(&mut self) {
        for at in 0..self.replicas.len() {
            let group = GroupId(at as u32);
            let Some(replica) = self.replicas[at].as_deref_mut() else { continue };
            let tree = replica.tree;
            let failed = replica.cold.failed.drain(..);
            self.outbox.fetches.extend(failed.map(|fetch| FetchJob { group, tree, fetch }));
            let void = std::mem::take(&mut replica.cold.void);
            self.run_again(group, if void { None } else { Some(0) });
        }
    }

    /// Where a request comes from.
    pub(crate) fn origin(&self, source: Source) -> NodeId {
        match source {
            Source::Own { .. } => self.me.node,
            Source::Peer { node, .. } => node,
        }
    }
}
