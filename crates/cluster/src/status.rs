//! What `EVERSTORE STATUS` answers: the state of the cluster as one node sees it, as JSON.
//!
//! The structs are the schema, for the node that fills them and for the command line that reads them.
//! A reader ignores fields it does not know, and every field that an older node may lack has a
//! default, so that nodes of different versions can be asked by one program.

pub mod diagnose;

use serde::{Deserialize, Serialize};

pub use crate::health::Fitness;
pub use crate::heartbeat::FolderReport;
pub use diagnose::{Problem, Severity, diagnose, exit_code};

/// Version of this schema; raised only when a field changes its meaning.
pub const SCHEMA: u32 = 1;

/// The whole answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// [`SCHEMA`] of the node that answered.
    pub schema: u32,
    /// Cluster id in hexadecimal; empty before it is known.
    pub cluster_id: String,
    /// Epoch of the cluster map.
    pub epoch: u64,
    /// Id of the node that answered.
    pub answered_by: u64,
    /// Replicas that each shard should have.
    pub replicas_wanted: u32,
    /// Present while the cluster waits for its first nodes.
    pub forming: Option<Forming>,
    /// Members in the order of their ids.
    pub nodes: Vec<NodeStatus>,
    /// All groups that hold data, in the order of their ids.
    pub shards: Vec<ShardStatus>,
    /// New shards of a split that are still to come.
    pub shards_to_come: u32,
    /// Bytes above which a shard should be split, 0 = none is ever too large.
    pub shard_target_bytes: u64,
    /// The meta group, which holds members, map and keyspace options.
    pub meta: Option<ShardStatus>,
    /// Zones whose role was decided, or that members name, by name.
    pub zones: Vec<ZoneStatus>,
    /// Shards (and the meta group) whose replicas are on their way to other nodes.
    pub moves: Vec<MoveStatus>,
    /// Those that are to follow.
    pub planned_moves: u32,
    /// Bytes of rows that are to be copied for both, about.
    pub bytes_to_move: u64,
    /// All keyspaces in the order of their numbers, also those without keys.
    pub keyspaces: Vec<KeyspaceStatus>,
    /// What is wrong; filled by [`diagnose`] on the node that answers.
    pub problems: Vec<Problem>,
}

/// A cluster that is not complete yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forming {
    /// Nodes that have joined.
    pub joined: u32,
    /// Nodes that must have joined before the cluster starts.
    pub needed: u32,
}

/// One member.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeStatus {
    /// Node id.
    pub id: u64,
    /// `HOST:PORT` for Redis clients.
    pub redis_address: String,
    /// `HOST:PORT` for other nodes.
    pub peer_address: String,
    /// `HOST:PORT` of the admin port, empty if it is off.
    pub admin_address: String,
    /// `HOST:PORT` for clients that speak Redis Cluster, empty if that port is off.
    pub cluster_address: String,
    /// Whether the node that answers hears from it.
    pub state: NodeState,
    /// What may fail as a whole with it; empty if it does not say.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub zone: String,
    /// It votes, and keeps no data.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub witness: bool,
    /// It is to give up its replicas.
    pub draining: bool,
    /// Replicas that it holds or should hold, those of the meta group included.
    pub seats: u32,
    /// Version of the program.
    pub version: String,
    /// Operating system's id of the process; 0 if not known.
    pub pid: u32,
    /// Milliseconds since the process started.
    pub uptime_ms: u64,
    /// Shards this node leads.
    pub leaders: u32,
    /// Shards this node holds a replica of, those it leads included.
    pub replicas: u32,
    /// Time of one log sync, median of the last minute, µs; 0 if there was none.
    pub sync_p50_us: u64,
    /// Time of one log sync, 99th percentile of the last minute, µs; 0 if there was none.
    pub sync_p99_us: u64,
    /// Connected Redis clients.
    pub clients: u32,
    /// Percent of the last seconds in which its shard thread did not wait for something to do.
    pub busy_percent: u32,
    /// For how long that has been above 90 % without a pause, ms; 0 if it is not.
    pub saturated_ms: u64,
    /// Resident memory in bytes.
    pub rss_bytes: u64,
    /// Bytes of log that are kept.
    pub log_bytes: u64,
    /// When everything on its disk was last read to find damage, ms since 1970; 0 if not since its start.
    pub scrub_last_ms: u64,
    /// Damaged row trees it has found since its start.
    pub scrub_found: u64,
    /// Damaged row trees that are not replaced yet.
    pub scrub_damaged: u64,
    /// When it last ended a comparison of replicas of a shard that it leads, ms since 1970; 0 if not since its start.
    pub compare_last_ms: u64,
    /// Shards that it leads whose replicas are still to be compared.
    pub compare_left: u64,
    /// Comparisons that it has ended since its start.
    pub compare_ended: u64,
    /// Comparisons that have found a difference since its start.
    pub compare_differences: u64,
    /// Its data folders, if it has more than one, the home folder first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub folders: Vec<FolderReport>,
    /// What keeps the node from leading, as it says itself.
    pub disk: Fitness,
    /// Why it stopped, if it could say so and was not heard from since; else empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_words: String,
    /// Loss accounts it keeps that nobody has acknowledged.
    pub losses: u64,
    /// Lost effects in them.
    pub lost_effects: u64,
}

/// What may fail as a whole, and what it is for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ZoneStatus {
    /// Its name.
    pub zone: String,
    /// `voter` or `learner`.
    pub role: String,
    /// Ids of its nodes.
    pub nodes: Vec<u64>,
    /// Of a learner zone: groups of which it has a whole copy, the meta group included.
    pub copies: u32,
    /// Groups that there are, the meta group included.
    pub groups: u32,
    /// Of a learner zone: how many entries the copy that is furthest behind lacks.
    pub lag: u64,
    /// Of a learner zone: how old the oldest copy is, ms, as far as it lacks something.
    pub lag_ms: u64,
}

/// A group that gets other replicas.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MoveStatus {
    /// Raft group id.
    pub group: u32,
    /// Nodes that get a replica and do not vote yet.
    pub to: Vec<u64>,
    /// Nodes whose replica is to go.
    pub from: Vec<u64>,
    /// Bytes of rows that each new replica needs, about.
    pub bytes: u64,
}

/// Whether a node is heard from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum NodeState {
    /// Heard from within the failure detector's bound, or the node that answers itself.
    Up,
    /// Was heard from, and is not any more.
    Unreachable {
        /// Milliseconds since it was last heard from.
        since_ms: u64,
    },
    /// A member that the node that answers has not heard from since its own start.
    #[default]
    NeverSeen,
}

impl NodeState {
    /// Whether the node is heard from.
    pub fn is_up(self) -> bool {
        self == NodeState::Up
    }
}

/// One shard (or the meta group).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ShardStatus {
    /// Shard id; meaningless for the meta group.
    pub id: u16,
    /// Raft group id.
    pub group: u32,
    /// Number of hash slots of spread keyspaces.
    pub slots: u32,
    /// First and last slot of each of its ranges.
    pub slot_ranges: Vec<(u16, u16)>,
    /// Node id of the leader, if one is known.
    pub leader: Option<u64>,
    /// Current term.
    pub term: u64,
    /// Highest committed index.
    pub commit: u64,
    /// All replicas in the order of their nodes.
    pub replicas: Vec<ReplicaStatus>,
    /// Bytes of its rows, about, as the largest of its replicas says.
    pub bytes: u64,
    /// Commands per second that its leader executes, over about half a minute.
    pub load: u64,
    /// Writes are on the leader's disk alone, beside a witness.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub on_witness: bool,
    /// What the last comparison of its replicas has found, as far as a leader has told since its start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compared: Option<ComparedStatus>,
    /// What may be lost with leaders that have not come back.
    pub possible_losses: Vec<PossibleLoss>,
}

/// What a comparison of the replicas of a shard has found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ComparedStatus {
    /// When, ms since 1970.
    pub ms: u64,
    /// Nodes whose rows are not those of the majority; if there is none, all that were compared.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differ: Vec<u64>,
    /// They differ, and no majority has the same rows: nothing was changed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub undecided: bool,
    /// Nodes whose rows could not be compared then.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<u64>,
}

/// Answered asynchronous writes that may be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PossibleLoss {
    /// Name of the loss, as `everstore losses` takes it.
    pub id: String,
    /// The leader that has not come back.
    pub node: u64,
    /// At most so many bytes.
    pub bytes: u64,
    /// At most of the last so many ms before it was lost.
    pub ms: u64,
}

/// One replica of a shard.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReplicaStatus {
    /// The node that holds it.
    pub node: u64,
    /// Its role.
    pub role: ReplicaRole,
    /// Highest index the leader knows to be on this replica's disk; 0 if the leader was not asked.
    pub matched: u64,
    /// Highest index applied on the replica; 0 if not known.
    pub applied: u64,
    /// Entries it lacks, as the leader knows; of a learner as it says itself each second.
    pub lag: u64,
    /// Of a learner that lacks some: how old what it has is, ms, measured by shard time.
    pub lag_ms: u64,
    /// How it follows: `rebuilding` (its rows are lost), `copying` (a learner that has no rows yet), `replicate`, `snapshot`,
    /// `witness` (it keeps no data); empty if not known.
    pub state: String,
}

/// Role of a replica.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplicaRole {
    /// Takes the writes of its shard.
    Leader,
    /// Votes and applies.
    #[default]
    Follower,
    /// Applies, does not vote.
    Learner,
}

/// One keyspace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeyspaceStatus {
    /// Its number, as in `SELECT n`.
    pub n: u16,
    /// `spread` or `single`.
    pub layout: String,
    /// `sync` or `async`.
    pub mode: String,
    /// If it is `async`, or allows such connections: most bytes of answered writes, per shard, that a failover
    /// may lose.
    pub max_exposure_bytes: u64,
    /// If it is `async`, or allows such connections: longest time in ms of which a failover may lose answered
    /// writes.
    pub max_exposure_ms: u64,
    /// How keys are evicted when memory is short, by Redis's names; `noeviction`: the keyspace is no cache.
    pub cache: String,
    /// If it is `sync`: whether connections may choose asynchronous answers to their writes.
    pub allow_async: bool,
    /// What the answer to a write promises, in a sentence; empty = told by an older version.
    pub reply_means: String,
    /// The shard that holds all of it, if its layout is `single`.
    pub shard: Option<u16>,
    /// Keys it holds.
    pub keys: u64,
    /// Keys that expire.
    pub expires: u64,
}

impl Status {
    /// The node with this id.
    pub fn node(&self, id: u64) -> Option<&NodeStatus> {
        self.nodes.iter().find(|node| node.id == id)
    }

    /// Whether the node with this id is a member that is heard from.
    pub fn is_up(&self, id: u64) -> bool {
        self.node(id).is_some_and(|node| node.state.is_up())
    }
}

impl ShardStatus {
    /// Voters of the group.
    pub fn voters(&self) -> impl Iterator<Item = &ReplicaStatus> {
        self.replicas.iter().filter(|replica| replica.role != ReplicaRole::Learner)
    }

    /// Voters that must be reachable for a write: a majority.
    pub fn needed(&self) -> usize {
        self.voters().count() / 2 + 1
    }
}
