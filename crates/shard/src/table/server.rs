//! Commands on the node.

use super::server_args as args;
use super::*;

/// The server group without its larger containers.
pub(super) const SERVER: &[Spec] = &[
    Spec {
        name: "dbsize",
        arity: 1,
        flags: Flags(flag::READONLY | flag::FAST),
        categories: Categories(category::KEYSPACE),
        tips: &["request_policy:all_shards", "response_policy:agg_sum"],
        route: Route::AllShards(Merge::Sum),
        group: Group::Server,
        summary: "Return the number of keys in the selected database",
        since: "1.0.0",
        complexity: "O(1)",
        ..BASE
    },
    Spec {
        name: "debug",
        arity: -2,
        flags: Flags(flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE),
        group: Group::Server,
        summary: "A container for debugging commands",
        since: "1.0.0",
        complexity: "Depends on subcommand.",
        system: true,
        keyed: &[
            Spec {
                name: "debug|digest-value",
                arity: -2,
                flags: Flags(flag::ADMIN | flag::READONLY | flag::NOSCRIPT),
                keys: Keys { first: 2, last: -1, step: 1 },
                route: Route::Key,
                ..BASE
            },
            Spec {
                name: "debug|object",
                arity: 3,
                flags: Flags(flag::ADMIN | flag::READONLY | flag::NOSCRIPT),
                keys: Keys { first: 2, last: 2, step: 1 },
                route: Route::Key,
                ..BASE
            },
        ],
        ..BASE
    },
    Spec {
        name: "failover",
        arity: -1,
        flags: Flags(flag::ADMIN | flag::NOSCRIPT | flag::STALE),
        group: Group::Server,
        summary: "Start a coordinated failover between this server and one of its replicas.",
        since: "6.2.0",
        complexity: "O(1)",
        args: args::FAILOVER,
        ..BASE
    },
    Spec {
        name: "flushall",
        arity: -1,
        flags: Flags(flag::WRITE),
        categories: Categories(category::KEYSPACE | category::DANGEROUS),
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        route: Route::AllShards(Merge::AllOk),
        group: Group::Server,
        summary: "Remove all keys from all databases",
        since: "1.0.0",
        complexity: "O(N) where N is the total number of keys in all databases",
        history: &[
            ("4.0.0", "Added the `ASYNC` flushing mode modifier."),
            ("6.2.0", "Added the `SYNC` flushing mode modifier."),
        ],
        args: args::FLUSHALL,
        ..BASE
    },
    Spec {
        name: "flushdb",
        arity: -1,
        flags: Flags(flag::WRITE),
        categories: Categories(category::KEYSPACE | category::DANGEROUS),
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        route: Route::AllShards(Merge::AllOk),
        group: Group::Server,
        summary: "Remove all keys from the current database",
        since: "1.0.0",
        complexity: "O(N) where N is the number of keys in the selected database",
        history: &[
            ("4.0.0", "Added the `ASYNC` flushing mode modifier."),
            ("6.2.0", "Added the `SYNC` flushing mode modifier."),
        ],
        args: args::FLUSHDB,
        ..BASE
    },
    Spec {
        name: "info",
        arity: -1,
        flags: Flags(flag::LOADING | flag::STALE),
        categories: Categories(category::DANGEROUS),
        tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        group: Group::Server,
        summary: "Get information and statistics about the server",
        since: "1.0.0",
        complexity: "O(1)",
        history: &[("7.0.0", "Added support for taking multiple section arguments.")],
        args: &[arg("section", ArgKind::String).optional().multiple()],
        ..BASE
    },
    Spec {
        name: "lastsave",
        arity: 1,
        flags: Flags(flag::LOADING | flag::STALE | flag::FAST),
        categories: Categories(category::ADMIN | category::DANGEROUS),
        tips: &["nondeterministic_output"],
        group: Group::Server,
        summary: "Get the UNIX time stamp of the last successful save to disk",
        since: "1.0.0",
        complexity: "O(1)",
        ..BASE
    },
    Spec {
        name: "lolwut",
        arity: -1,
        flags: Flags(flag::READONLY | flag::FAST),
        group: Group::Server,
        summary: "Display some computer art and the Redis version",
        since: "5.0.0",
        args: &[arg("version", ArgKind::Integer).token("VERSION").optional()],
        ..BASE
    },
    Spec {
        name: "monitor",
        arity: 1,
        flags: Flags(flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE),
        group: Group::Server,
        summary: "Listen for all requests received by the server in real time",
        since: "1.0.0",
        ..BASE
    },
    Spec {
        name: "role",
        arity: 1,
        flags: Flags(flag::NOSCRIPT | flag::LOADING | flag::STALE | flag::FAST),
        categories: Categories(category::ADMIN | category::DANGEROUS),
        group: Group::Server,
        summary: "Return the role of the instance in the context of replication",
        since: "2.8.12",
        complexity: "O(1)",
        ..BASE
    },
    Spec {
        name: "shutdown",
        arity: -1,
        flags: Flags(
            flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE | flag::NO_MULTI | flag::ALLOW_BUSY,
        ),
        group: Group::Server,
        summary: "Synchronously save the dataset to disk and then shut down the server",
        since: "1.0.0",
        complexity: "O(N) when saving, where N is the total number of keys in all databases when saving data, otherwise O(1)",
        history: &[("7.0.0", "Added the `NOW`, `FORCE` and `ABORT` modifiers.")],
        args: args::SHUTDOWN,
        ..BASE
    },
    Spec {
        name: "swapdb",
        arity: 3,
        flags: Flags(flag::WRITE | flag::FAST),
        categories: Categories(category::KEYSPACE | category::DANGEROUS),
        group: Group::Server,
        summary: "Swaps two Redis databases",
        since: "4.0.0",
        complexity: "O(N) where N is the count of clients watching or blocking on keys from both databases.",
        args: &[arg("index1", ArgKind::Integer), arg("index2", ArgKind::Integer)],
        ..BASE
    },
    Spec {
        name: "time",
        arity: 1,
        flags: Flags(flag::LOADING | flag::STALE | flag::FAST),
        tips: &["nondeterministic_output"],
        group: Group::Server,
        summary: "Return the current server time",
        since: "2.6.0",
        complexity: "O(1)",
        ..BASE
    },
];
