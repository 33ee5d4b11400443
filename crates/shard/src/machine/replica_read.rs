//! Commands that only read, on a replica that does not lead: nothing of its state may change.

use super::Machine;
use crate::data::{Context, Data, Handler, Key, Stop};
use model::{Keyspace, Reply};

/// What became of a read on a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplicaRead {
    /// The reply, or its error, is written; it rests on applied entries only.
    Done,
    /// A row must be fetched first; nothing was written to the reply.
    Fetch,
    /// The command must run on the leader: this replica holds effects that are not applied, or the command
    /// has some itself. Nothing was written to the reply.
    Leader,
}

impl Machine {
    /// Executes a command that only reads, as of the last applied entry. Keys are judged by the larger of
    /// shard time and `wall_ms`, this node's bounded clock in ms since 1970: one whose time has come is
    /// absent, and stays until the leader deletes it.
    pub fn execute_read(
        &mut self,
        run: Handler,
        (ks, touch): (Keyspace, bool),
        wall_ms: u64,
        hint: Option<Key<'_>>,
        args: &[&[u8]],
        reply: &mut dyn Reply,
    ) -> ReplicaRead {
        if !self.undo.is_empty() || !self.entry.is_empty() {
            return ReplicaRead::Leader;
        }
        let written = reply.written();
        self.cold.forget_wanted();
        let time = self.exec_time.max(self.shard_time).max(wall_ms);
        let exec_time = std::mem::replace(&mut self.exec_time, time);
        let mut context = Context { data: Data::new(self, ks, touch).hinted(hint).of_replica(), reply };
        let result = run(&mut context, args);
        // Restored: when this replica leads, it goes by the clock of that moment.
        self.exec_time = exec_time;
        let has_effects = !self.undo.is_empty() || !self.entry.is_empty();
        debug_assert!(!has_effects, "a command marked as reading has effects");
        if has_effects {
            self.take_back(0);
            self.entry.truncate(0);
            reply.truncate(written);
            return ReplicaRead::Leader;
        }
        match result {
            Ok(()) => ReplicaRead::Done,
            // Commands that wait are no reads of replicas.
            Err(Stop::Block) => {
                reply.truncate(written);
                ReplicaRead::Leader
            }
            Err(Stop::Fetch) => {
                reply.truncate(written);
                ReplicaRead::Fetch
            }
            Err(Stop::Error(text)) => {
                reply.truncate(written);
                reply.error(&text);
                ReplicaRead::Done
            }
        }
    }
}
