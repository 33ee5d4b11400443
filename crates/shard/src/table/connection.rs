//! Commands on the connection itself; `CLIENT` is beside.

use super::connection_args as args;
use super::*;

/// The connection group without `CLIENT`, and the two commands of Redis Cluster that clients send unasked.
pub(super) const CONNECTION: &[Spec] = &[
    Spec {
        name: "auth",
        arity: -2,
        flags: Flags(
            flag::NOSCRIPT | flag::LOADING | flag::STALE | flag::FAST | flag::NO_AUTH | flag::ALLOW_BUSY,
        ),
        categories: Categories(category::CONNECTION),
        group: Group::Connection,
        summary: "Authenticate to the server",
        since: "1.0.0",
        complexity: "O(N) where N is the number of passwords defined for the user",
        history: &[("6.0.0", "Added ACL style (username and password).")],
        args: args::AUTH,
        ..BASE
    },
    Spec {
        name: "echo",
        arity: 2,
        flags: Flags(flag::LOADING | flag::STALE | flag::FAST),
        categories: Categories(category::CONNECTION),
        group: Group::Connection,
        summary: "Echo the given string",
        since: "1.0.0",
        complexity: "O(1)",
        args: &[arg("message", ArgKind::String)],
        ..BASE
    },
    Spec {
        name: "hello",
        arity: -1,
        flags: Flags(
            flag::NOSCRIPT | flag::LOADING | flag::STALE | flag::FAST | flag::NO_AUTH | flag::ALLOW_BUSY,
        ),
        categories: Categories(category::CONNECTION),
        group: Group::Connection,
        summary: "Handshake with Redis",
        since: "6.0.0",
        complexity: "O(1)",
        history: &[(
            "6.2.0",
            "`protover` made optional; when called without arguments the command reports the current connection's context.",
        )],
        args: args::HELLO,
        ..BASE
    },
    Spec {
        name: "ping",
        arity: -1,
        flags: Flags(flag::FAST),
        categories: Categories(category::CONNECTION),
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        group: Group::Connection,
        summary: "Ping the server",
        since: "1.0.0",
        complexity: "O(1)",
        args: &[arg("message", ArgKind::String).optional()],
        ..BASE
    },
    Spec {
        name: "quit",
        arity: -1,
        flags: Flags(
            flag::NOSCRIPT | flag::LOADING | flag::STALE | flag::FAST | flag::NO_AUTH | flag::ALLOW_BUSY,
        ),
        categories: Categories(category::CONNECTION),
        group: Group::Connection,
        summary: "Close the connection",
        since: "1.0.0",
        complexity: "O(1)",
        ..BASE
    },
    Spec {
        name: "readonly",
        arity: -1,
        flags: Flags(flag::LOADING | flag::STALE | flag::FAST),
        categories: Categories(category::CONNECTION),
        group: Group::Cluster,
        summary: "Enables read queries for a connection to a cluster replica node",
        since: "3.0.0",
        complexity: "O(1)",
        args: args::READONLY,
        ..BASE
    },
    Spec {
        name: "readwrite",
        arity: 1,
        flags: Flags(flag::LOADING | flag::STALE | flag::FAST),
        categories: Categories(category::CONNECTION),
        group: Group::Cluster,
        summary: "Disables read queries for a connection to a cluster replica node",
        since: "3.0.0",
        complexity: "O(1)",
        ..BASE
    },
    Spec {
        name: "reset",
        arity: 1,
        flags: Flags(
            flag::NOSCRIPT | flag::LOADING | flag::STALE | flag::FAST | flag::NO_AUTH | flag::ALLOW_BUSY,
        ),
        categories: Categories(category::CONNECTION),
        group: Group::Connection,
        summary: "Reset the connection",
        since: "6.2.0",
        complexity: "O(1)",
        ..BASE
    },
    Spec {
        name: "select",
        arity: 2,
        flags: Flags(flag::LOADING | flag::STALE | flag::FAST),
        categories: Categories(category::CONNECTION),
        group: Group::Connection,
        summary: "Change the selected database for the current connection",
        since: "1.0.0",
        complexity: "O(1)",
        args: &[arg("index", ArgKind::Integer)],
        ..BASE
    },
];
