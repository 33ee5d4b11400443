//! What a node tells its peers once a second, for the status that any of them shows.

use crate::status::{ComparedStatus, ReplicaRole};
use serde::{Deserialize, Serialize};

/// Longest report in bytes: 1025 groups with keys in all keyspaces fit.
pub const MAX_REPORT: usize = 2 * 1024 * 1024;

/// What this version understands: see the other levels.
pub const LEVEL: u64 = 4;
/// Members of groups may change, and there may be large values.
pub const MEMBERS_LEVEL: u64 = 1;
/// There may be witnesses.
pub const WITNESS_LEVEL: u64 = 2;
/// Zones may be learner zones.
pub const LEARNERS_LEVEL: u64 = 2;
/// Shards may be split.
pub const SPLIT_LEVEL: u64 = 2;
/// They may be split beside witnesses and learners.
pub const SPLIT_BESIDE_LEVEL: u64 = 3;
/// Replicas of a shard may be compared.
pub const COMPARE_LEVEL: u64 = 3;
/// Nodes say in handshakes what they understand, and who does not is refused.
pub const SAID_LEVEL: u64 = 4;

/// A node's report about itself. JSON, and every field has a default, so that nodes of different
/// versions understand each other.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeReport {
    /// Version of the program.
    pub version: String,
    /// What it understands, see [`LEVEL`].
    pub level: u64,
    /// Operating system's id of the process.
    pub pid: u32,
    /// Milliseconds since the process started.
    pub uptime_ms: u64,
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
    /// Loss accounts it keeps that nobody has acknowledged.
    pub losses: u64,
    /// Lost effects in them.
    pub lost_effects: u64,
    /// When all its row trees were last read to find damage, ms since 1970; 0 if not since its start.
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
    /// The groups it has a replica of, in the order of their ids.
    pub groups: Vec<GroupReport>,
}

/// A data folder as its node sees it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FolderReport {
    /// Its number; 0 is the home folder.
    pub number: u32,
    /// Where it is.
    pub path: String,
    /// Replicas in it; of one that is not used: those of which no other was asked for yet.
    pub replicas: u32,
    /// Of one that is not used: why. Its replicas are lost until it is back, and are made anew in other folders.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub lost: String,
}

/// A replica as its node sees it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct GroupReport {
    /// Raft group id.
    pub group: u32,
    /// Role of this replica.
    pub role: ReplicaRole,
    /// Highest index applied.
    pub applied: u64,
    /// Last index in its log.
    pub last: u64,
    /// Shard time of what is applied, ms since 1970; 0 if there is none.
    #[serde(skip_serializing_if = "is_zero")]
    pub time_ms: u64,
    /// Its rows are lost; it waits for those of another replica.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub rebuilding: bool,
    /// Which of the replicas that its node had of the group it is.
    #[serde(skip_serializing_if = "is_zero")]
    pub generation: u64,
    /// It has not heard yet that it is a member.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub joining: bool,
    /// As leader: its writes are on its disk alone, beside a witness.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub on_witness: bool,
    /// Bytes of its rows, about: those in memory, or where some are not, those on its disk.
    #[serde(skip_serializing_if = "is_zero")]
    pub bytes: u64,
    /// As leader: commands it executes per second, over about half a minute.
    #[serde(skip_serializing_if = "is_zero")]
    pub load: u64,
    /// As leader: entries answered in asynchronous keyspaces and not committed.
    #[serde(skip_serializing_if = "is_zero")]
    pub exposed_entries: u64,
    /// Bytes of them.
    #[serde(skip_serializing_if = "is_zero")]
    pub exposed_bytes: u64,
    /// What it has found when it last compared the replicas, as their leader.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compared: Option<ComparedStatus>,
    /// Keyspaces with keys in this shard, in the order of their numbers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<KeysReport>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde hands a reference over
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Keys of one keyspace in one shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct KeysReport {
    /// The keyspace's number.
    pub n: u16,
    /// Keys.
    pub keys: u64,
    /// Keys that expire.
    pub expires: u64,
}

impl NodeReport {
    /// The report as JSON.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("numbers, strings and lists of them have a form in JSON")
    }

    /// Reads a report.
    ///
    /// # Errors
    /// A text that says why it is none, or that it is longer than [`MAX_REPORT`].
    pub fn decode(bytes: &[u8]) -> Result<NodeReport, String> {
        if bytes.len() > MAX_REPORT {
            return Err(format!("report of {} bytes; allowed: up to {MAX_REPORT}", bytes.len()));
        }
        serde_json::from_slice(bytes).map_err(|error| format!("no report: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_round_trip_and_what_an_older_or_newer_node_says_is_understood() {
        let keys = vec![KeysReport { n: 3, keys: 4, expires: 1 }];
        let group = GroupReport {
            group: 1,
            applied: 5,
            last: 6,
            rebuilding: true,
            keys,
            exposed_bytes: 9,
            ..Default::default()
        };
        let report = NodeReport { version: "0.1.0".into(), groups: vec![group], ..NodeReport::default() };
        assert_eq!(NodeReport::decode(&report.encode()), Ok(report));
        let other = br#"{"version":"9","not_known_here":[1],"groups":[{"group":2}]}"#;
        let read = NodeReport::decode(other).unwrap();
        assert_eq!((read.version.as_str(), read.groups[0].group, read.clients), ("9", 2, 0));
        assert!(NodeReport::decode(b"[").unwrap_err().starts_with("no report: "));
    }

    #[test]
    fn the_largest_report_fits() {
        let keys = |n| KeysReport { n, keys: 1 << 40, expires: 1 << 40 };
        let group = |group| GroupReport {
            group,
            role: ReplicaRole::Follower,
            applied: 1 << 50,
            last: 1 << 50,
            time_ms: 1 << 50,
            rebuilding: true,
            generation: 1 << 50,
            joining: true,
            on_witness: true,
            bytes: 1 << 50,
            load: 1 << 40,
            exposed_entries: 1 << 40,
            exposed_bytes: 1 << 40,
            compared: Some(ComparedStatus {
                ms: 1 << 50,
                differ: vec![1 << 20; 14],
                undecided: true,
                missing: vec![1 << 20; 14],
            }),
            keys: (0..16).map(keys).collect(),
        };
        let folder =
            |number| FolderReport { number, path: "x".repeat(4096), replicas: 1024, lost: "y".repeat(1024) };
        let folders = (0..crate::identity::MAX_FOLDERS as u32).map(folder).collect();
        let report = NodeReport { folders, groups: (0..1025).map(group).collect(), ..NodeReport::default() };
        assert!(NodeReport::decode(&report.encode()).is_ok());
        assert!(NodeReport::decode(&vec![b' '; MAX_REPORT + 1]).unwrap_err().contains("allowed"));
    }
}
