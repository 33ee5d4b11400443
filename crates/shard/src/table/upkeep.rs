//! Commands of Redis for what nodes do by themselves: saving, copying data to other nodes.

use super::*;

const ADMIN: Flags = Flags(flag::ADMIN | flag::NOSCRIPT | flag::NO_ASYNC_LOADING);
const LEADER: &[Arg] = &[arg(
    "args",
    ArgKind::OneOf(&[
        arg("host-port", ArgKind::Block(&[arg("host", ArgKind::String), arg("port", ArgKind::Integer)])),
        arg("no-one", ArgKind::Block(&[token("no", "NO"), token("one", "ONE")])),
    ]),
)];

/// Saving, replication and modules.
pub(super) const UPKEEP: &[Spec] = &[
    Spec {
        name: "bgrewriteaof",
        arity: 1,
        flags: ADMIN,
        summary: "Asynchronously rewrite the append-only file",
        since: "1.0.0",
        complexity: "O(1)",
        ..BASE
    },
    Spec {
        name: "bgsave",
        arity: -1,
        flags: ADMIN,
        summary: "Asynchronously save the dataset to disk",
        since: "1.0.0",
        complexity: "O(1)",
        history: &[("3.2.2", "Added the `SCHEDULE` option.")],
        args: &[token("schedule", "SCHEDULE").since("3.2.2").optional()],
        ..BASE
    },
    Spec {
        name: "module",
        arity: -2,
        summary: "A container for module commands",
        since: "4.0.0",
        complexity: "Depends on subcommand.",
        subcommands: &[
            Spec {
                name: "module|help",
                arity: 2,
                flags: Flags(flag::LOADING | flag::STALE),
                summary: "Show helpful text about the different subcommands",
                since: "5.0.0",
                complexity: "O(1)",
                ..BASE
            },
            Spec {
                name: "module|list",
                arity: 2,
                flags: Flags(flag::ADMIN | flag::NOSCRIPT),
                tips: &["nondeterministic_output_order"],
                summary: "List all modules loaded by the server",
                since: "4.0.0",
                complexity: "O(N) where N is the number of loaded modules.",
                ..BASE
            },
        ],
        ..BASE
    },
    Spec {
        name: "replicaof",
        arity: 3,
        flags: Flags(ADMIN.0 | flag::STALE),
        summary: "Make the server a replica of another instance, or promote it as master.",
        since: "5.0.0",
        complexity: "O(1)",
        args: LEADER,
        ..BASE
    },
    Spec {
        name: "save",
        arity: 1,
        flags: Flags(ADMIN.0 | flag::NO_MULTI),
        summary: "Synchronously save the dataset to disk",
        since: "1.0.0",
        complexity: "O(N) where N is the total number of keys in all databases",
        ..BASE
    },
    Spec {
        name: "slaveof",
        arity: 3,
        flags: Flags(ADMIN.0 | flag::STALE),
        summary: "Make the server a replica of another instance, or promote it as master.",
        since: "1.0.0",
        complexity: "O(1)",
        deprecated: Some(("5.0.0", "`REPLICAOF`")),
        args: LEADER,
        ..BASE
    },
];
