//! `CLUSTER` and `ASKING`: for connections of the port that speaks Redis Cluster.
//!
//! Only what tells clients where keys are. Nodes and slots are managed by the cluster itself, so what
//! changes them in Redis is not here.

use super::*;

const LOOK: Flags = Flags(flag::STALE);
const ADMIN: Flags = Flags(flag::ADMIN | flag::STALE);
const VARIES: &[&str] = &["nondeterministic_output"];
const NODE_ID: Arg = arg("node-id", ArgKind::String);
const SLOT: Arg = arg("slot", ArgKind::Integer);
const BY_NODES: &str = "O(N) where N is the total number of Cluster nodes";

/// A subcommand without arguments whose answer depends on the moment.
const fn look(since: &'static str, complexity: &'static str, summary: &'static str) -> Spec {
    Spec { arity: 2, flags: LOOK, tips: VARIES, group: Group::Cluster, summary, since, complexity, ..BASE }
}

/// The cluster group without `READONLY` and `READWRITE`.
pub(super) const CLUSTER: &[Spec] = &[
    Spec {
        name: "asking",
        arity: 1,
        flags: Flags(flag::FAST),
        categories: Categories(category::CONNECTION),
        group: Group::Cluster,
        summary: "Sent by cluster clients after an -ASK redirect",
        since: "3.0.0",
        complexity: "O(1)",
        ..BASE
    },
    Spec {
        name: "cluster",
        arity: -2,
        group: Group::Cluster,
        summary: "A container for cluster commands",
        since: "3.0.0",
        complexity: "Depends on subcommand.",
        subcommands: &[
            Spec {
                name: "cluster|count-failure-reports",
                arity: 3,
                flags: ADMIN,
                args: &[NODE_ID],
                ..look(
                    "3.0.0",
                    "O(N) where N is the number of failure reports",
                    "Return the number of failure reports active for a given node",
                )
            },
            Spec {
                name: "cluster|countkeysinslot",
                arity: 3,
                tips: &[],
                args: &[SLOT],
                ..look("3.0.0", "O(1)", "Return the number of local keys in the specified hash slot")
            },
            Spec {
                name: "cluster|getkeysinslot",
                arity: 4,
                args: &[SLOT, arg("count", ArgKind::Integer)],
                ..look(
                    "3.0.0",
                    "O(log(N)) where N is the number of requested keys",
                    "Return local key names in the specified hash slot",
                )
            },
            Spec {
                name: "cluster|help",
                flags: Flags(flag::LOADING | flag::STALE),
                tips: &[],
                ..look("5.0.0", "O(1)", "Show helpful text about the different subcommands")
            },
            Spec {
                name: "cluster|info",
                ..look("3.0.0", "O(1)", "Provides info about Redis Cluster node state")
            },
            Spec {
                name: "cluster|keyslot",
                arity: 3,
                tips: &[],
                args: &[arg("key", ArgKind::String)],
                ..look(
                    "3.0.0",
                    "O(N) where N is the number of bytes in the key",
                    "Returns the hash slot of the specified key",
                )
            },
            Spec {
                name: "cluster|links",
                ..look("7.0.0", BY_NODES, "Returns a list of all TCP links to and from peer nodes in cluster")
            },
            Spec { name: "cluster|myid", tips: &[], ..look("3.0.0", "O(1)", "Return the node id") },
            Spec {
                name: "cluster|myshardid",
                tips: &[],
                ..look("7.2.0", "O(1)", "Returns the shard ID of a node.")
            },
            Spec { name: "cluster|nodes", ..look("3.0.0", BY_NODES, "Get Cluster config for the node") },
            Spec {
                name: "cluster|replicas",
                arity: 3,
                flags: ADMIN,
                args: &[NODE_ID],
                ..look("5.0.0", "O(1)", "List replica nodes of the specified master node")
            },
            Spec {
                name: "cluster|shards",
                ..look(
                    "7.0.0",
                    "O(N) where N is the total number of cluster nodes",
                    "Get array of cluster slots to node mappings",
                )
            },
            Spec {
                name: "cluster|slaves",
                arity: 3,
                flags: ADMIN,
                args: &[NODE_ID],
                deprecated: Some(("5.0.0", "`CLUSTER REPLICAS`")),
                ..look("3.0.0", "O(1)", "List replica nodes of the specified master node")
            },
            Spec {
                name: "cluster|slots",
                deprecated: Some(("7.0.0", "`CLUSTER SHARDS`")),
                history: &[
                    ("4.0.0", "Added node IDs."),
                    ("7.0.0", "Added additional networking metadata field."),
                ],
                ..look("3.0.0", BY_NODES, "Get array of Cluster slot to node mappings")
            },
        ],
        ..BASE
    },
];
