//! What the command table does not tell: where a command answers otherwise than Redis 7.0, and what is not
//! there on purpose. Commands without a remark are full if they are in the table, and planned if not.

/// How far a command goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As in Redis 7.0.
    Full,
    /// There, with a difference.
    Differs,
    /// Not there, or an error, on purpose.
    Refused,
    /// Not there yet.
    Planned,
}

impl Verdict {
    /// The word in the table.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Full => "full",
            Verdict::Differs => "differs",
            Verdict::Refused => "refused",
            Verdict::Planned => "planned",
        }
    }
}

use Verdict::{Differs, Refused};

const BY_EVERSTORE: &str = "members, slots and copies are managed by Everstore: see the guides";
const NO_REPLICATION: &str = "replication is between nodes of the cluster, by Raft";
const NO_MODULES: &str = "nodes load no foreign code";
const LOGGED: &str = "begins checkpoints of the node's shards; what is answered is in the log already";
const ONE_LEADS: &str =
    "`NO ONE` is answered OK; else refused: replication is between nodes of the cluster, by Raft";
const NO_SCRIPTS: &str = "what can be asked where there are none yet";
const OPTIONS: &str = "the keys of Everstore, and all of Redis 7.0: some of these are kept and change nothing, some have one value";

/// Commands with a remark; a name that ends in `*` stands for all that begin so.
pub const REMARKS: &[(&str, Verdict, &str)] = &[
    ("bgrewriteaof", Differs, LOGGED),
    ("bgsave", Differs, LOGGED),
    ("hrandfield", Differs, "picks at most 1 048 576 fields with repetition, and 16 MiB"),
    ("lpos", Differs, "RANK -9223372036854775808 is refused, as from Redis 7.2 on"),
    (
        "restore",
        Differs,
        "`IDLETIME` and `FREQ` are checked and have no effect; a stream with consumer groups is refused: they are not \
         stored yet",
    ),
    ("save", Differs, LOGGED),
    ("bitcount", Differs, "arguments are checked even if the key is absent, as in Redis since 7.2"),
    ("bitpos", Differs, "arguments are checked even if the key is absent, as in Redis since 7.2"),
    (
        "bitfield",
        Differs,
        "`SET` with `OVERFLOW SAT` of a number far below the range of the field gives its lowest value; Redis's own \
         arithmetic overflows and gives the highest",
    ),
    ("client|caching", Differs, "tracking cannot be switched on, so there is nothing to choose"),
    ("client|tracking", Differs, "`ON` is refused: nodes keep no record of what clients cache"),
    ("cluster|addslots*", Refused, BY_EVERSTORE),
    ("cluster|bumpepoch", Refused, BY_EVERSTORE),
    ("cluster|delslots*", Refused, BY_EVERSTORE),
    ("cluster|failover", Refused, "`EVERSTORE SWITCHOVER` and FAILOVER do it"),
    ("cluster|flushslots", Refused, BY_EVERSTORE),
    ("cluster|forget", Refused, BY_EVERSTORE),
    ("cluster|meet", Refused, BY_EVERSTORE),
    ("cluster|replicate", Refused, BY_EVERSTORE),
    ("cluster|reset", Refused, BY_EVERSTORE),
    ("cluster|saveconfig", Refused, BY_EVERSTORE),
    ("cluster|set-config-epoch", Refused, BY_EVERSTORE),
    ("cluster|setslot", Refused, BY_EVERSTORE),
    ("config|get", Differs, OPTIONS),
    (
        "config|rewrite",
        Refused,
        "the file belongs to whoever runs the node; `everstore config` prints what is in force",
    ),
    ("config|set", Differs, OPTIONS),
    ("copy", Differs, "with `DB` both keys must live in one shard, else CROSSSLOT"),
    ("dbsize", Differs, "gathered from all shards in a spread keyspace"),
    (
        "debug",
        Differs,
        "what would act on a node's process is refused by name; RELOAD begins checkpoints and loads nothing",
    ),
    ("failover", Differs, "hands over the shards that the node leads"),
    ("flushall", Differs, "each shard by itself in a spread keyspace; refused in a transaction"),
    ("flushdb", Differs, "each shard by itself in a spread keyspace"),
    ("function", Differs, NO_SCRIPTS),
    ("info", Differs, "sections and fields that have a meaning here, and a section of ours"),
    ("latency|doctor", Differs, "texts are ours"),
    (
        "latency|histogram",
        Differs,
        "of a busy node not every call is timed: one that was not counts as the next one that was took",
    ),
    ("memory|doctor", Differs, "texts are ours"),
    ("memory|malloc-stats", Differs, "the allocator has none to show"),
    ("memory|usage", Differs, "bytes of the row; nothing needs sampling"),
    ("migrate", Refused, "nodes and shards exchange their data by themselves"),
    ("module|load*", Refused, NO_MODULES),
    ("module|unload", Refused, NO_MODULES),
    (
        "monitor",
        Differs,
        "shows what clients of this node send, wherever it runs; not allowed in a transaction",
    ),
    ("move", Differs, "both keyspaces must keep the key in one shard, else CROSSSLOT"),
    ("mset", Differs, "not atomic over several slots of a spread keyspace"),
    (
        "object|encoding",
        Differs,
        "a large collection stays one over a start of the node; that a string was edited (APPEND, SETRANGE, SETBIT, PFADD …) \
         is forgotten when it leaves memory, at a start and at a failover",
    ),
    (
        "object|refcount",
        Differs,
        "1, or for integers from 0 to 9999 what Redis says of those: no value is shared",
    ),
    ("pfselftest", Differs, "tests our own arithmetic, with fewer elements"),
    ("psync", Refused, NO_REPLICATION),
    ("replconf", Refused, NO_REPLICATION),
    ("replicaof", Differs, ONE_LEADS),
    ("restore-asking", Refused, BY_EVERSTORE),
    ("role", Differs, "always that of a leader: every node answers for every key"),
    (
        "scan",
        Differs,
        "cursors are positions in the order of keys: complete and good on any node, also after a failover",
    ),
    ("script", Differs, NO_SCRIPTS),
    ("slaveof", Differs, ONE_LEADS),
    (
        "slowlog|get",
        Differs,
        "a transaction is one entry; what another node sent is listed where it ran, with the number of that node as address",
    ),
    ("spop", Differs, "takes at most 16 MiB"),
    ("srandmember", Differs, "picks at most 1 048 576 members with repetition, and 16 MiB"),
    ("swapdb", Refused, "keyspaces have shards and options of their own"),
    ("sync", Refused, NO_REPLICATION),
    (
        "xadd",
        Differs,
        "`ms-*` behind the highest number of its millisecond is refused as too small, where Redis says that elements are too \
         large; trims as XTRIM does",
    ),
    (
        "xinfo|stream",
        Differs,
        "`radix-tree-keys` and `radix-tree-nodes` are what Redis would about have; there is no such tree",
    ),
    (
        "xread",
        Differs,
        "who waits for several streams that one transaction adds to gets entries of all of them, in Redis of the first; with `BLOCK` an answer has at most 16 MiB of entries, or one",
    ),
    (
        "xtrim",
        Differs,
        "`MINID ~` looks at the last entry that a page has left, Redis also at those that were deleted from it and keeps \
         the page longer",
    ),
    ("zadd", Differs, "a score of -0 is kept as 0; in Redis only in small sorted sets"),
    ("zrandmember", Differs, "picks at most 1 048 576 members with repetition, and 16 MiB"),
    (
        "wait",
        Differs,
        "counts replicas that have synced the write; in a sync keyspace a majority has before the reply; 0 in a transaction",
    ),
];
