//! A request whose answer is outstanding.

use crate::request::{Flags, Request};

/// Who waits for the answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Target {
    /// A place in the reply queue of a client connection.
    Slot {
        /// The connection.
        conn: u64,
        /// The place, counted from the connection's first command.
        slot: u64,
    },
    /// A part of an operation over several shards.
    Part {
        /// The operation.
        op: u64,
        /// Which part of it.
        part: u32,
    },
}

/// One outstanding request.
#[derive(Debug, Clone)]
pub struct Forward {
    /// Rising number in this life of the node; 0 until it is first handed to a leader.
    pub seq: u64,
    /// Rises with each request that is handed in: the order in which those run that another shard is asked for than
    /// they were handed in for. 0: before all others.
    pub born: u64,
    /// It was under way when a part of the slots of its shard became another shard's.
    pub before_split: bool,
    /// Who waits.
    pub target: Target,
    /// What is to be executed.
    pub request: Request,
    /// Slot of the first key.
    pub slot: u16,
    /// Monotonic ms after which the client gets an error.
    pub deadline_ms: u64,
    /// Order of execution on this node while it led; keeps reruns in the order of their connection.
    pub order: u64,
    /// The client connection whose commands must keep their order; 0: of no connection, or no part of
    /// that order.
    pub domain: u64,
    /// The attempt in which it was sent last.
    pub attempt: u64,
    /// It was executed on this node, without effects, before it was first sent.
    pub executed: bool,
    /// A later request of its connection was executed: without an answer of its own it is not run
    /// again, only looked up.
    pub passed: bool,
}

impl Forward {
    /// A request that no leader has seen yet.
    pub fn new(target: Target, request: Request, slot: u16, deadline_ms: u64) -> Forward {
        let domain = match target {
            Target::Slot { conn, .. } => conn,
            Target::Part { .. } => 0,
        };
        let order = u64::MAX;
        let (attempt, executed, passed) = (0, false, false);
        let (seq, born, before_split) = (0, 0, false);
        Forward {
            seq,
            born,
            before_split,
            target,
            request,
            slot,
            deadline_ms,
            order,
            domain,
            attempt,
            executed,
            passed,
        }
    }

    /// The same, as part of a command of this connection.
    pub fn in_order_of(self, conn: u64) -> Forward {
        Forward { domain: conn, ..self }
    }

    /// True when a leader may have executed it.
    pub fn may_have_run(&self) -> bool {
        self.seq != 0 || self.executed
    }

    /// True when it may change rows.
    pub fn is_write(&self) -> bool {
        self.request.flags().has(Flags::WRITE)
    }

    /// Bytes of memory, about.
    pub fn memory(&self) -> usize {
        size_of::<Forward>() + self.request.bytes().len()
    }
}
