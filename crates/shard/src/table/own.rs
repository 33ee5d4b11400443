//! Our own commands.

use super::*;

const STATE: Flags = Flags(flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE);
const LOOK: Flags = Flags(flag::NOSCRIPT | flag::LOADING | flag::STALE);

/// One of our subcommands, since version 0.1.0.
const fn own(name: &'static str, arity: i32, flags: Flags, summary: &'static str) -> Spec {
    Spec { name, arity, flags, summary, since: "0.1.0", complexity: "O(1)", ..BASE }
}

const NUMBER: Arg = arg("keyspace", ArgKind::Integer);
const LAYOUT: Arg =
    arg("layout", ArgKind::OneOf(&[token("single", "SINGLE"), token("spread", "SPREAD")])).token("LAYOUT");
const WHAT: Arg = arg(
    "what",
    ArgKind::OneOf(&[
        arg("node", ArgKind::Integer).token("NODE"),
        arg("shard", ArgKind::Integer).token("SHARD"),
    ]),
);

const REPLICATION: Arg =
    arg("replication", ArgKind::OneOf(&[token("sync", "SYNC"), token("async", "ASYNC")]));
const ALLOW: Arg = arg("allow-async", ArgKind::OneOf(&[token("yes", "YES"), token("no", "NO")]));
const CHOICE: Arg = arg(
    "replication",
    ArgKind::OneOf(&[token("follow", "FOLLOW"), token("sync", "SYNC"), token("async", "ASYNC")]),
);
const CHANGE: Arg = arg(
    "option",
    ArgKind::OneOf(&[
        LAYOUT,
        REPLICATION.token("REPLICATION"),
        arg("max-exposure-bytes", ArgKind::Integer).token("MAX-EXPOSURE-BYTES"),
        arg("max-exposure-ms", ArgKind::Integer).token("MAX-EXPOSURE-MS"),
        arg("policy", ArgKind::String).token("CACHE"),
        ALLOW.token("ALLOW-ASYNC"),
    ]),
)
.multiple();

/// `CLIENT REPLICATION`.
pub(super) const CLIENT_REPLICATION: Spec = Spec {
    args: &[CHOICE],
    categories: Categories(category::CONNECTION),
    group: Group::Connection,
    ..own(
        "client|replication",
        3,
        LOOK,
        "Choose when writes of this connection are answered: as the keyspace says, when they are committed, or \
         before where that is allowed",
    )
};

const LOSS: Arg = arg("id", ArgKind::String);

/// `KEYSPACE`, `LOSSES` and `EVERSTORE`.
pub(super) const OWN: &[Spec] = &[
    Spec {
        subcommands: &[
            Spec {
                args: &[NUMBER],
                ..own("keyspace|get", 3, LOOK, "Get the options of a keyspace as a map")
            },
            own("keyspace|help", 2, LOOK, "Show helpful text about the different subcommands"),
            own("keyspace|list", 2, LOOK, "List the keyspaces with their options"),
            Spec {
                args: &[NUMBER, CHANGE],
                ..own(
                    "keyspace|set",
                    -5,
                    STATE,
                    "Change the replication mode of a keyspace or how it evicts keys, or its layout while it is empty",
                )
            },
        ],
        ..own("keyspace", -2, Flags(0), "A container for commands on keyspaces")
    },
    Spec {
        subcommands: &[
            Spec {
                args: &[LOSS],
                ..own("losses|acknowledge", 3, STATE, "Remove a loss account of this node")
            },
            own("losses|help", 2, LOOK, "Show helpful text about the different subcommands"),
            own("losses|list", 2, STATE, "List the loss accounts of this node"),
            Spec {
                args: &[LOSS, token("force", "FORCE").optional()],
                ..own(
                    "losses|replay",
                    -3,
                    STATE,
                    "Give the keys of a loss account their lost values where they were not changed since",
                )
            },
            Spec {
                args: &[LOSS, arg("cursor", ArgKind::Integer).optional()],
                ..own("losses|show", -3, STATE, "Show the effects and keys of a loss account, page by page")
            },
        ],
        ..own("losses", -2, Flags(0), "A container for commands on lost asynchronous writes")
    },
    Spec {
        subcommands: &[
            own("everstore|help", 2, LOOK, "Show helpful text about the different subcommands"),
            Spec {
                args: &[
                    arg(
                        "decision",
                        ArgKind::OneOf(&[
                            token("drain", "DRAIN"),
                            token("undrain", "UNDRAIN"),
                            token("remove", "REMOVE"),
                            token("replace", "REPLACE"),
                        ]),
                    ),
                    arg("node", ArgKind::Integer),
                    arg("successor", ArgKind::Integer).optional(),
                    token("force", "FORCE").optional(),
                ],
                ..own("everstore|node", -4, STATE, "Drain a node, remove it, or replace it by another one")
            },
            own("everstore|plan", 2, LOOK, "Show which shards are to move and why"),
            Spec {
                args: &[arg("number", ArgKind::Integer)],
                ..own("everstore|replicas", 3, STATE, "Change how many replicas each shard should have")
            },
            own("everstore|scrub", 2, STATE, "Read everything on this node's disk to find damage"),
            Spec {
                args: &[arg("what", ArgKind::OneOf(&[token("split", "SPLIT")]))],
                ..own("everstore|shards", 3, STATE, "Split all shards in two, which doubles their number")
            },
            Spec {
                args: &[
                    arg("format", ArgKind::OneOf(&[token("text", "TEXT"), token("json", "JSON")])).optional()
                ],
                ..own("everstore|status", -2, LOOK, "Show nodes, shards, keyspaces and what is wrong")
            },
            Spec {
                args: &[WHAT, arg("to", ArgKind::Integer).token("TO").optional()],
                ..own(
                    "everstore|switchover",
                    -4,
                    STATE,
                    "Hand over the leadership of a node's shards or of one shard",
                )
            },
            own("everstore|version", 2, LOOK, "Show the version of the node"),
            Spec {
                args: &[
                    token("set", "SET"),
                    arg("zone", ArgKind::String),
                    arg("role", ArgKind::OneOf(&[token("voter", "VOTER"), token("learner", "LEARNER")])),
                ],
                ..own(
                    "everstore|zone",
                    5,
                    STATE,
                    "Choose whether the nodes of a zone vote, or only follow as learners",
                )
            },
        ],
        ..own("everstore", -2, Flags(0), "A container for commands on the cluster")
    },
];
