//! Whether this node should lead, by the disk of its log: a sick leader hands over before it fails, a full
//! or slow disk never stops the cluster.
//!
//! While leadership is on its way to a fitter node, what comes waits for that node instead of being
//! refused. Only where there is none, a full log refuses writes (safety rule 12).

use crate::core::Core;
use cluster::{DiskBeat, DiskJudge, Fitness};
use model::{GroupId, NodeId};

/// After an attempt to hand everything over the next one waits this long: a failed one has blocked writes.
const LEAVE_AGAIN_MS: u64 = 500;
/// What comes to a full leader waits for its successor for at most this long.
const LEAVE_PATIENCE_MS: u64 = 3_000;

/// What the shell measures of the disk of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DiskState {
    /// The log has no room for another segment: what is ready is for what was proposed, and handing over.
    pub full: bool,
    /// Nothing is ready any more: only terms and votes still fit.
    pub exhausted: bool,
    /// How long a batch takes now until it is durable, ns; 0 if that is not known.
    pub latency_ns: u64,
}

/// The disk of this node's log, and what is thought of it.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    state: DiskState,
    judge: DiskJudge,
    fitness: Fitness,
    /// Monotonic ms since which it is full.
    full_since_ms: u64,
    next_leave_ms: u64,
}

impl Disk {
    /// True while writes can not be executed here.
    pub(crate) fn is_full(&self) -> bool {
        self.state.full
    }

    /// True while entries of others can not be taken either.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.state.exhausted
    }

    /// What other nodes are told.
    pub(crate) fn beat(&self) -> DiskBeat {
        DiskBeat { latency_ns: self.state.latency_ns, fitness: self.fitness }
    }
}

impl Core {
    /// How the disk of the log is. Call every few milliseconds.
    pub fn set_disk(&mut self, state: DiskState) {
        let was = std::mem::replace(&mut self.disk.state, state);
        if state.exhausted && !was.exhausted {
            tracing::error!("no log segment is left: this node takes no entries until there is room");
        }
        if state.full && !was.full {
            tracing::error!("no room for another log segment: this node leads nothing and refuses writes");
            (self.disk.full_since_ms, self.disk.next_leave_ms) = (self.now.mono_ms(), 0);
            self.judge_disk();
        } else if was.full && !state.full {
            tracing::info!("there is room for the log again");
            self.judge_disk();
        }
    }

    /// What keeps a node from leading, as far as is known.
    pub fn fitness_of(&self, node: NodeId) -> Fitness {
        match self.peers.get(&node) {
            _ if node == self.me.node => self.disk.fitness,
            Some(peer) => peer.disk.fitness,
            None => Fitness::Fit,
        }
    }

    /// Judges the disk, and gives away what a fitter node can lead. Every 50 ms.
    pub(crate) fn judge_disk(&mut self) {
        let DiskState { full, latency_ns, .. } = self.disk.state;
        let up: Vec<NodeId> = self.peers.keys().copied().filter(|node| self.is_up(*node)).collect();
        let mut others = up.iter().filter_map(|node| Some(self.peers.get(node)?.disk.latency_ns)).collect();
        let fitness = self.disk.judge.judge(self.now.mono_ns, full, latency_ns, &mut others);
        if fitness != self.disk.fitness {
            let (latency_us, others_us) = (latency_ns / 1000, format!("{others:?}"));
            tracing::warn!(?fitness, latency_us, others_ns = %others_us, "this node's disk is judged anew");
            self.disk.fitness = fitness;
            let last = fitness != Fitness::Fit;
            self.replicas.iter_mut().flatten().for_each(|replica| replica.raft.campaign_last(last));
        }
        self.leave();
    }

    /// Hands over every group that a fitter node can lead.
    fn leave(&mut self) {
        let now_ms = self.now.mono_ms();
        let waits = self.disk.state.full && now_ms < self.disk.full_since_ms + LEAVE_PATIENCE_MS;
        let again = now_ms >= self.disk.next_leave_ms;
        for at in 0..self.replicas.len() {
            let group = GroupId(at as u32);
            let leads = self.replicas[at].as_deref().is_some_and(|replica| replica.raft.is_leader());
            let fitter = || self.best_successor(group).filter(|(_, other)| *other < self.disk.fitness);
            let to = if leads && self.disk.fitness != Fitness::Fit { fitter() } else { None };
            if let Some((to, _)) = to.filter(|_| again) {
                self.disk.next_leave_ms = now_ms + LEAVE_AGAIN_MS;
                self.transfer(group, Some(to));
            }
            if let Some(replica) = self.replica(group) {
                replica.leaving = to.is_some() && waits;
            }
        }
    }

    /// True where this node leads and no other is about to.
    pub(crate) fn leads_for_good(&self, group: GroupId) -> bool {
        let leads = self.routes[group.0 as usize].leader().is_some_and(|(leader, _)| leader == self.me.node);
        leads && self.replicas[group.0 as usize].as_deref().is_none_or(|replica| !replica.leaving)
    }

    /// The error for a write while the log is full.
    pub(crate) fn log_full_text(&self) -> String {
        format!(
            "MISCONF the disk of node {} is full and no other node can lead: writes are refused, reads go \
             on; free space there",
            self.me.node
        )
    }
}
