//! Containers that configure and inspect the node.

use super::*;

/// `ACL`, `CONFIG`, `LATENCY`, `MEMORY` and `SLOWLOG`.
pub(super) const INSPECT: &[Spec] = &[
    Spec {
        name: "acl",
        arity: -2,
        group: Group::Server,
        summary: "A container for Access List Control commands ",
        since: "6.0.0",
        complexity: "Depends on subcommand.",
        subcommands: &[
            Spec {
                name: "acl|cat",
                arity: -2,
                flags: Flags(flag::NOSCRIPT | flag::LOADING | flag::STALE),
                group: Group::Server,
                summary: "List the ACL categories or the commands inside a category",
                since: "6.0.0",
                complexity: "O(1) since the categories and commands are a fixed set.",
                args: &[arg("categoryname", ArgKind::String).optional()],
                ..BASE
            },
            Spec {
                name: "acl|help",
                arity: 2,
                flags: Flags(flag::LOADING | flag::STALE),
                group: Group::Server,
                summary: "Show helpful text about the different subcommands",
                since: "6.0.0",
                complexity: "O(1)",
                ..BASE
            },
            Spec {
                name: "acl|whoami",
                arity: 2,
                flags: Flags(flag::NOSCRIPT | flag::LOADING | flag::STALE),
                group: Group::Server,
                summary: "Return the name of the user associated to the current connection",
                since: "6.0.0",
                complexity: "O(1)",
                ..BASE
            },
        ],
        ..BASE
    },
    Spec {
        name: "config",
        arity: -2,
        group: Group::Server,
        summary: "A container for server configuration commands",
        since: "2.0.0",
        complexity: "Depends on subcommand.",
        subcommands: &[
            Spec {
                name: "config|get",
                arity: -3,
                flags: Flags(flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE),
                group: Group::Server,
                summary: "Get the values of configuration parameters",
                since: "2.0.0",
                complexity: "O(N) when N is the number of configuration parameters provided",
                history: &[("7.0.0", "Added the ability to pass multiple pattern parameters in one call")],
                args: &[arg("parameter", ArgKind::Block(&[arg("parameter", ArgKind::String)])).multiple()],
                ..BASE
            },
            Spec {
                name: "config|help",
                arity: 2,
                flags: Flags(flag::LOADING | flag::STALE),
                group: Group::Server,
                summary: "Show helpful text about the different subcommands",
                since: "5.0.0",
                complexity: "O(1)",
                ..BASE
            },
            Spec {
                name: "config|resetstat",
                arity: 2,
                flags: Flags(flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE),
                group: Group::Server,
                summary: "Reset the stats returned by INFO",
                since: "2.0.0",
                complexity: "O(1)",
                ..BASE
            },
            Spec {
                name: "config|rewrite",
                arity: 2,
                flags: Flags(flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE),
                group: Group::Server,
                summary: "Rewrite the configuration file with the in memory configuration",
                since: "2.8.0",
                complexity: "O(1)",
                ..BASE
            },
            Spec {
                name: "config|set",
                arity: -4,
                flags: Flags(flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE),
                tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
                group: Group::Server,
                summary: "Set configuration parameters to the given values",
                since: "2.0.0",
                complexity: "O(N) when N is the number of configuration parameters provided",
                history: &[("7.0.0", "Added the ability to set multiple parameters in one call.")],
                args: &[arg(
                    "parameter_value",
                    ArgKind::Block(&[arg("parameter", ArgKind::String), arg("value", ArgKind::String)]),
                )
                .multiple()],
                ..BASE
            },
        ],
        ..BASE
    },
    Spec {
        name: "latency",
        arity: -2,
        group: Group::Server,
        summary: "A container for latency diagnostics commands",
        since: "2.8.13",
        complexity: "Depends on subcommand.",
        subcommands: &[
            Spec {
                name: "latency|doctor",
                arity: 2,
                flags: Flags(flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE),
                tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
                group: Group::Server,
                summary: "Return a human readable latency analysis report.",
                since: "2.8.13",
                complexity: "O(1)",
                ..BASE
            },
            Spec {
                name: "latency|graph",
                arity: 3,
                flags: Flags(flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE),
                tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
                group: Group::Server,
                summary: "Return a latency graph for the event.",
                since: "2.8.13",
                complexity: "O(1)",
                args: &[arg("event", ArgKind::String)],
                ..BASE
            },
            Spec {
                name: "latency|help",
                arity: 2,
                flags: Flags(flag::LOADING | flag::STALE),
                group: Group::Server,
                summary: "Show helpful text about the different subcommands.",
                since: "2.8.13",
                complexity: "O(1)",
                ..BASE
            },
            Spec {
                name: "latency|histogram",
                arity: -2,
                flags: Flags(flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE),
                tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
                group: Group::Server,
                summary: "Return the cumulative distribution of latencies of a subset of commands or all.",
                since: "7.0.0",
                complexity: "O(N) where N is the number of commands with latency information being retrieved.",
                args: &[arg("command", ArgKind::String).optional().multiple()],
                ..BASE
            },
            Spec {
                name: "latency|history",
                arity: 3,
                flags: Flags(flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE),
                tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
                group: Group::Server,
                summary: "Return timestamp-latency samples for the event.",
                since: "2.8.13",
                complexity: "O(1)",
                args: &[arg("event", ArgKind::String)],
                ..BASE
            },
            Spec {
                name: "latency|latest",
                arity: 2,
                flags: Flags(flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE),
                tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
                group: Group::Server,
                summary: "Return the latest latency samples for all events.",
                since: "2.8.13",
                complexity: "O(1)",
                ..BASE
            },
            Spec {
                name: "latency|reset",
                arity: -2,
                flags: Flags(flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE),
                tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
                group: Group::Server,
                summary: "Reset latency data for one or more events.",
                since: "2.8.13",
                complexity: "O(1)",
                args: &[arg("event", ArgKind::String).optional().multiple()],
                ..BASE
            },
        ],
        ..BASE
    },
    Spec {
        name: "memory",
        arity: -2,
        group: Group::Server,
        summary: "A container for memory diagnostics commands",
        since: "4.0.0",
        complexity: "Depends on subcommand.",
        subcommands: &[
            Spec {
                name: "memory|doctor",
                arity: 2,
                tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
                group: Group::Server,
                summary: "Outputs memory problems report",
                since: "4.0.0",
                complexity: "O(1)",
                ..BASE
            },
            Spec {
                name: "memory|help",
                arity: 2,
                flags: Flags(flag::LOADING | flag::STALE),
                group: Group::Server,
                summary: "Show helpful text about the different subcommands",
                since: "4.0.0",
                complexity: "O(1)",
                ..BASE
            },
            Spec {
                name: "memory|malloc-stats",
                arity: 2,
                tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
                group: Group::Server,
                summary: "Show allocator internal stats",
                since: "4.0.0",
                complexity: "Depends on how much memory is allocated, could be slow",
                ..BASE
            },
            Spec {
                name: "memory|purge",
                arity: 2,
                tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
                group: Group::Server,
                summary: "Ask the allocator to release memory",
                since: "4.0.0",
                complexity: "Depends on how much memory is allocated, could be slow",
                ..BASE
            },
            Spec {
                name: "memory|stats",
                arity: 2,
                tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
                group: Group::Server,
                summary: "Show memory usage details",
                since: "4.0.0",
                complexity: "O(1)",
                ..BASE
            },
            Spec {
                name: "memory|usage",
                arity: -3,
                flags: Flags(flag::READONLY),
                keys: Keys { first: 2, last: 2, step: 1 },
                key_specs: &[KeySpec::one(2, key_flag::RO)],
                route: Route::Key,
                group: Group::Server,
                summary: "Estimate the memory usage of a key",
                since: "4.0.0",
                complexity: "O(N) where N is the number of samples.",
                args: &[KEY, arg("count", ArgKind::Integer).token("SAMPLES").optional()],
                ..BASE
            },
        ],
        ..BASE
    },
    Spec {
        name: "slowlog",
        arity: -2,
        group: Group::Server,
        summary: "A container for slow log commands",
        since: "2.2.12",
        complexity: "Depends on subcommand.",
        subcommands: &[
            Spec {
                name: "slowlog|get",
                arity: -2,
                flags: Flags(flag::ADMIN | flag::LOADING | flag::STALE),
                tips: &["request_policy:all_nodes", "nondeterministic_output"],
                group: Group::Server,
                summary: "Get the slow log's entries",
                since: "2.2.12",
                complexity: "O(N) where N is the number of entries returned",
                history: &[("4.0.0", "Added client IP address, port and name to the reply.")],
                args: &[arg("count", ArgKind::Integer).optional()],
                ..BASE
            },
            Spec {
                name: "slowlog|help",
                arity: 2,
                flags: Flags(flag::LOADING | flag::STALE),
                group: Group::Server,
                summary: "Show helpful text about the different subcommands",
                since: "6.2.0",
                complexity: "O(1)",
                ..BASE
            },
            Spec {
                name: "slowlog|len",
                arity: 2,
                flags: Flags(flag::ADMIN | flag::LOADING | flag::STALE),
                tips: &["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"],
                group: Group::Server,
                summary: "Get the slow log's length",
                since: "2.2.12",
                complexity: "O(1)",
                ..BASE
            },
            Spec {
                name: "slowlog|reset",
                arity: 2,
                flags: Flags(flag::ADMIN | flag::LOADING | flag::STALE),
                tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
                group: Group::Server,
                summary: "Clear all entries from the slow log",
                since: "2.2.12",
                complexity: "O(N) where N is the number of entries in the slowlog",
                ..BASE
            },
        ],
        ..BASE
    },
];
