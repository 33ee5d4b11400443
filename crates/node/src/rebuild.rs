//! Replicas whose row tree is damaged while their log is whole: they follow without rows, ask the leader
//! for its checkpoint, and go on from where that ends (`consensus::Group::rows_arrived`).
//!
//! The checkpoint comes as any snapshot does (`snapshots.rs`). One synced log record then names the new
//! tree and keeps the entries after it; until it is durable a crash begins the same anew. The damaged
//! tree is kept until then.

use crate::core::Core;
use crate::frame::content::RowsWanted;
use crate::frame::{FrameError, Section};
use model::{GroupId, NodeId};
use shard::Machine;

/// Time between two requests of a replica for rows, in ms: leaders change, and one may have to make a
/// checkpoint first.
const ASK_MS: u64 = 1000;

impl Core {
    /// Groups whose replica here has no rows.
    pub fn rebuilding(&self) -> impl Iterator<Item = GroupId> {
        self.replicas
            .iter()
            .flatten()
            .filter(|replica| replica.raft.is_rebuilding())
            .map(|replica| replica.id)
    }

    /// Asks the leaders of groups without rows for theirs.
    pub(crate) fn ask_for_rows(&mut self) {
        let now_ms = self.now.mono_ms();
        for replica in self.replicas.iter_mut().flatten().filter(|replica| replica.raft.is_rebuilding()) {
            let (group, floor) = (replica.id, replica.raft.compacted().0);
            if replica.ask_rows_ms > now_ms || self.transfers.is_receiving(group) {
                continue;
            }
            let leader = replica.raft.leader();
            let Some(peer) = leader.and_then(|leader| self.peers.get_mut(&leader)) else { continue };
            if !peer.takes() {
                continue;
            }
            replica.ask_rows_ms = now_ms + ASK_MS;
            peer.frame.section(Section::Rows, |out| RowsWanted { group, floor }.encode(out));
        }
    }

    /// A follower lost its rows.
    pub(crate) fn on_rows_wanted(&mut self, from: NodeId, content: &[u8]) -> Result<(), FrameError> {
        let RowsWanted { group, floor } = RowsWanted::decode(content)?;
        let offer = self.replica(group).and_then(|replica| replica.raft.offer_snapshot(from, floor));
        if let Some(offer) = offer {
            self.send_snapshot(group, offer, true);
        }
        Ok(())
    }

    /// Takes rows over that fit the log of a replica without any. False if they do not.
    pub(crate) fn take_rows(
        &mut self,
        group: GroupId,
        machine: &mut Option<Box<Machine>>,
        tree: u64,
    ) -> bool {
        let at = machine.as_ref().map(|machine| machine.applied());
        let (Some(replica), Some(at)) = (self.replica(group), at) else { return false };
        if !replica.raft.rows_arrived(at.0, at.1) {
            return false;
        }
        self.judge_jump(group, at);
        let Some(replica) = self.replica(group) else { return false };
        let Some(machine) = machine.take() else { return false };
        let old = replica.tree;
        replica.installed(*machine, tree);
        replica.active = true;
        tracing::info!(%group, index = at.0, "a replica has rows again");
        let conf = replica.raft.members_as_of(at.0).unwrap_or_else(|| replica.raft.members());
        let record = replica.install_record(tree, at, &conf);
        let log = self.log_of(group);
        let line = self.logs.of(log);
        line.builder.replace_rows(group, record);
        line.urgent = true;
        self.transfers.drop_after((log, line.next_batch), old);
        if group == GroupId::META {
            self.map_seen = None;
            self.reload_map();
        }
        true
    }
}
