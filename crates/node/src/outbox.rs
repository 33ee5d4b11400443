//! What the core asks of the shell.

use model::{GroupId, Index, NodeId, Term};
use storage::log::Batch;

/// Work for the disk pool; each is answered by one [`JobDone`].
#[derive(Debug)]
pub enum Job {
    /// Write changed rows of a group into its tree, sorted, in one atomic step.
    Checkpoint {
        /// The group.
        group: GroupId,
        /// Its tree.
        tree: u64,
        /// Index and term the rows are as of.
        at: (Index, Term),
        /// The rows, to be sorted.
        changes: shard::checkpoint::Changes,
    },
    /// Read a chunk of a group's snapshot for a follower.
    ReadSnapshot {
        /// The group.
        group: GroupId,
        /// Its tree.
        tree: u64,
        /// The follower.
        to: NodeId,
        /// The chunk to go on with; 0 opens the snapshot.
        next: u64,
        /// It is for a witness: only up to where entries were applied, and who votes.
        metadata: bool,
    },
    /// The snapshot for this follower is not needed any more.
    EndSnapshot {
        /// The group.
        group: GroupId,
        /// The follower.
        to: NodeId,
    },
    /// Stage a chunk of a snapshot in a new tree.
    StageChunk {
        /// The group.
        group: GroupId,
        /// The node it comes from.
        from: NodeId,
        /// The new tree.
        tree: u64,
        /// The chunk.
        chunk: Vec<u8>,
    },
    /// Read all rows of a staged tree into a new machine.
    LoadStaged {
        /// The group.
        group: GroupId,
        /// The tree.
        tree: u64,
        /// Empty machine to fill.
        machine: Box<shard::Machine>,
    },
    /// Write a loss account, durably, over an older one of the same name.
    KeepLoss {
        /// The group, whose jobs keep their order.
        group: GroupId,
        /// Name of the account and of its file.
        name: String,
        /// Content of the file.
        content: Vec<u8>,
    },
    /// Remove a loss account. Not answered: one that stays is there again after a restart.
    ForgetLoss {
        /// The group.
        group: GroupId,
        /// Name of the account.
        name: String,
    },
    /// Write down what leaders announced ([`crate::heard`]), durably.
    KeepHeard {
        /// Content of the file.
        content: Vec<u8>,
    },
    /// Compare a part of a tree with its checksums.
    Scrub {
        /// The group.
        group: GroupId,
        /// The tree.
        tree: u64,
        /// Where the part before ended; 0 at the beginning.
        from: u64,
    },
    /// Hash a part of what a tree holds.
    Compare {
        /// The group.
        group: GroupId,
        /// The tree.
        tree: u64,
        /// The index that its rows are as of.
        at: Index,
        /// Begin, with these keys; else go on.
        first: Option<shard::checkpoint::Scope>,
    },
    /// Make the first rows of a shard that is made of another one.
    Divide {
        /// The group of the shard that is divided.
        group: GroupId,
        /// Its tree, as of the entry that divided it.
        tree: u64,
        /// What of it is the new shard's.
        part: Box<crate::dividing::Part>,
        /// The new tree and an empty machine to fill; `None`: it is there, only names are wanted.
        to: Option<(u64, Box<shard::Machine>)>,
    },
    /// The folder of a tree has failed: its checkpoints are not tried again, which would hold up the group's other
    /// jobs. The tree stays. Not answered.
    LeaveTree {
        /// The group.
        group: GroupId,
        /// The tree.
        tree: u64,
    },
    /// Remove a tree that is not used any more.
    DropTree {
        /// The tree.
        tree: u64,
    },
}

/// Rows that are not in memory are to be read. Not a [`Job`]: it keeps no order with those of its group, and
/// waits for none. Answered by [`JobDone::Fetched`].
#[derive(Debug, Clone)]
pub struct FetchJob {
    /// The group.
    pub group: GroupId,
    /// Its tree.
    pub tree: u64,
    /// What is wanted.
    pub fetch: shard::machine::Fetch,
}

/// The outcome of a [`Job`], or of a [`FetchJob`].
#[derive(Debug)]
pub enum JobDone {
    /// A checkpoint is durable, or why not.
    Checkpoint {
        /// The group.
        group: GroupId,
        /// The tree.
        tree: u64,
        /// Index and term of the job.
        at: (Index, Term),
        /// Bytes of the tree's files now, or what went wrong.
        result: Result<u64, String>,
    },
    /// A chunk was read; `None` after the last.
    SnapshotChunk {
        /// The group.
        group: GroupId,
        /// The follower.
        to: NodeId,
        /// Number, bytes and whether it is the last; or what went wrong.
        result: Result<(u64, Vec<u8>, bool), String>,
        /// What went wrong is damage: it will not pass.
        damaged: bool,
    },
    /// A chunk was staged.
    Staged {
        /// The group.
        group: GroupId,
        /// The sender.
        from: NodeId,
        /// The next chunk wanted and whether the snapshot is complete; or what went wrong.
        result: Result<(u64, bool), String>,
    },
    /// Rows were read.
    Fetched {
        /// The group.
        group: GroupId,
        /// The tree.
        tree: u64,
        /// The ticket of the fetch.
        ticket: u64,
        /// What was read; or what went wrong.
        result: Result<Read, String>,
        /// What went wrong is damage: it will not pass.
        damaged: bool,
    },
    /// A part of a tree was compared with its checksums.
    Scrubbed {
        /// The group.
        group: GroupId,
        /// The tree.
        tree: u64,
        /// Where to go on, if more is left, and bytes that were read; or what went wrong.
        result: Result<(Option<u64>, u64), String>,
        /// What went wrong is damage: it will not pass.
        damaged: bool,
    },
    /// A part of a tree was hashed.
    Compared {
        /// The group.
        group: GroupId,
        /// The tree.
        tree: u64,
        /// The index that its rows are as of.
        at: Index,
        /// What was read; or what went wrong.
        result: Result<crate::compare::Hashed, String>,
        /// What went wrong is damage: it will not pass.
        damaged: bool,
    },
    /// A loss account is durable, or why not.
    LossKept {
        /// The group.
        group: GroupId,
        /// Name of the account.
        name: String,
        /// What went wrong.
        result: Result<(), String>,
    },
    /// What leaders announced is written down, or why not.
    HeardKept {
        /// What went wrong.
        result: Result<(), String>,
    },
    /// The rows of a new shard were made.
    Divided {
        /// The group of the shard that is divided.
        group: GroupId,
        /// Its tree.
        tree: u64,
        /// The rows are as of this index of it.
        at: Index,
        /// What was made; or what went wrong.
        result: Result<crate::dividing::Made, String>,
        /// What went wrong is damage: it will not pass.
        damaged: bool,
    },
    /// A staged tree was loaded.
    Loaded {
        /// The group.
        group: GroupId,
        /// The tree.
        tree: u64,
        /// The machine; or what went wrong.
        result: Result<Box<shard::Machine>, String>,
    },
}

/// What a [`FetchJob`] has read.
#[derive(Debug, Default)]
pub struct Read {
    /// Names and contents of rows.
    pub rows: Vec<(Vec<u8>, Vec<u8>)>,
    /// Keys.
    pub listed: Vec<shard::machine::Listed>,
}

/// Filled by a turn, emptied by the shell.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Batches for the logs: which log, the number of the batch in it, and the batch.
    pub log: Vec<(usize, u64, Batch)>,
    /// Given back: a buffer that a batch was in, for the next one, which would take new memory without it.
    pub emptied: Option<Vec<u8>>,
    /// Log floors per group that changed, with the log: entries up to there are in the row store.
    pub floors: Vec<(usize, GroupId, Index)>,
    /// Work for the disk pool.
    pub jobs: Vec<Job>,
    /// Rows to be read.
    pub fetches: Vec<FetchJob>,
    /// Connections that have bytes to send or are to be closed.
    pub conns: Vec<u64>,
    /// Peers whose connection must be closed.
    pub hang_up: Vec<NodeId>,
    /// There is more to do: call `turn` again without waiting.
    pub again: bool,
    /// The node must stop at once, and why.
    pub fatal: Option<String>,
    /// The node must not take part, and why: it must stop at once, and a person has to change something.
    pub refused: Option<String>,
    /// This program does not understand what the cluster uses, in words: the node must stop at once. Its data folder is
    /// whole, and a newer program goes on with it.
    pub too_old: Option<String>,
    /// A client asked for an orderly end.
    pub shutdown: bool,
}
