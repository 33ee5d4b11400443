//! `CLIENT` and its subcommands.

use super::*;

/// The container `CLIENT`.
pub(super) const CLIENT: &[Spec] = &[Spec {
    name: "client",
    arity: -2,
    group: Group::Connection,
    summary: "A container for client connection commands",
    since: "2.4.0",
    complexity: "Depends on subcommand.",
    subcommands: &[
        Spec {
            name: "client|caching",
            arity: 3,
            flags: Flags(flag::NOSCRIPT | flag::LOADING | flag::STALE),
            categories: Categories(category::CONNECTION),
            group: Group::Connection,
            summary: "Instruct the server about tracking or not keys in the next request",
            since: "6.0.0",
            complexity: "O(1)",
            args: &[arg("mode", ArgKind::OneOf(&[token("yes", "YES"), token("no", "NO")]))],
            ..BASE
        },
        Spec {
            name: "client|getname",
            arity: 2,
            flags: Flags(flag::NOSCRIPT | flag::LOADING | flag::STALE),
            categories: Categories(category::CONNECTION),
            group: Group::Connection,
            summary: "Get the current connection name",
            since: "2.6.9",
            complexity: "O(1)",
            ..BASE
        },
        Spec {
            name: "client|getredir",
            arity: 2,
            flags: Flags(flag::NOSCRIPT | flag::LOADING | flag::STALE),
            categories: Categories(category::CONNECTION),
            group: Group::Connection,
            summary: "Get tracking notifications redirection client ID if any",
            since: "6.0.0",
            complexity: "O(1)",
            ..BASE
        },
        Spec {
            name: "client|help",
            arity: 2,
            flags: Flags(flag::LOADING | flag::STALE),
            categories: Categories(category::CONNECTION),
            group: Group::Connection,
            summary: "Show helpful text about the different subcommands",
            since: "5.0.0",
            complexity: "O(1)",
            ..BASE
        },
        Spec {
            name: "client|id",
            arity: 2,
            flags: Flags(flag::NOSCRIPT | flag::LOADING | flag::STALE),
            categories: Categories(category::CONNECTION),
            group: Group::Connection,
            summary: "Returns the client ID for the current connection",
            since: "5.0.0",
            complexity: "O(1)",
            ..BASE
        },
        Spec {
            name: "client|info",
            arity: 2,
            flags: Flags(flag::NOSCRIPT | flag::LOADING | flag::STALE),
            categories: Categories(category::CONNECTION),
            tips: &["nondeterministic_output"],
            group: Group::Connection,
            summary: "Returns information about the current client connection.",
            since: "6.2.0",
            complexity: "O(1)",
            ..BASE
        },
        Spec {
            name: "client|kill",
            arity: -3,
            flags: Flags(flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE),
            categories: Categories(category::CONNECTION),
            group: Group::Connection,
            summary: "Kill the connection of a client",
            since: "2.4.0",
            complexity: "O(N) where N is the number of client connections",
            history: &[
                ("2.8.12", "Added new filter format."),
                ("2.8.12", "`ID` option."),
                ("3.2.0", "Added `master` type in for `TYPE` option."),
                (
                    "5.0.0",
                    "Replaced `slave` `TYPE` with `replica`. `slave` still supported for backward compatibility.",
                ),
                ("6.2.0", "`LADDR` option."),
            ],
            args: &[arg(
                "filter",
                ArgKind::OneOf(&[
                    arg("ip:port", ArgKind::String).deprecated("2.8.12"),
                    arg(
                        "new-format",
                        ArgKind::OneOf(&[
                            arg("client-id", ArgKind::Integer).token("ID").since("2.8.12").optional(),
                            arg(
                                "normal_master_slave_pubsub",
                                ArgKind::OneOf(&[
                                    token("normal", "NORMAL"),
                                    token("master", "MASTER").since("3.2.0"),
                                    token("slave", "SLAVE"),
                                    token("replica", "REPLICA").since("5.0.0"),
                                    token("pubsub", "PUBSUB"),
                                ]),
                            )
                            .token("TYPE")
                            .since("2.8.12")
                            .optional(),
                            arg("username", ArgKind::String).token("USER").optional(),
                            arg("ip:port", ArgKind::String).token("ADDR").optional(),
                            arg("ip:port", ArgKind::String).token("LADDR").since("6.2.0").optional(),
                            arg("yes/no", ArgKind::String).token("SKIPME").optional(),
                        ]),
                    )
                    .multiple(),
                ]),
            )],
            ..BASE
        },
        Spec {
            name: "client|list",
            arity: -2,
            flags: Flags(flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE),
            categories: Categories(category::CONNECTION),
            tips: &["nondeterministic_output"],
            group: Group::Connection,
            summary: "Get the list of client connections",
            since: "2.4.0",
            complexity: "O(N) where N is the number of client connections",
            history: &[
                ("2.8.12", "Added unique client `id` field."),
                ("5.0.0", "Added optional `TYPE` filter."),
                ("6.0.0", "Added `user` field."),
                (
                    "6.2.0",
                    "Added `argv-mem`, `tot-mem`, `laddr` and `redir` fields and the optional `ID` filter.",
                ),
                ("7.0.0", "Added `resp`, `multi-mem`, `rbs` and `rbp` fields."),
                ("7.0.3", "Added `ssub` field."),
            ],
            args: &[
                arg(
                    "normal_master_replica_pubsub",
                    ArgKind::OneOf(&[
                        token("normal", "NORMAL"),
                        token("master", "MASTER"),
                        token("replica", "REPLICA"),
                        token("pubsub", "PUBSUB"),
                    ]),
                )
                .token("TYPE")
                .since("5.0.0")
                .optional(),
                arg("id", ArgKind::Block(&[arg("client-id", ArgKind::Integer).multiple()]))
                    .token("ID")
                    .since("6.2.0")
                    .optional(),
            ],
            ..BASE
        },
        Spec {
            name: "client|no-evict",
            arity: 3,
            flags: Flags(flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE),
            categories: Categories(category::CONNECTION),
            group: Group::Connection,
            summary: "Set client eviction mode for the current connection",
            since: "7.0.0",
            complexity: "O(1)",
            args: &[arg("enabled", ArgKind::OneOf(&[token("on", "ON"), token("off", "OFF")]))],
            ..BASE
        },
        Spec {
            name: "client|no-touch",
            arity: 3,
            flags: Flags(flag::NOSCRIPT | flag::LOADING | flag::STALE),
            categories: Categories(category::CONNECTION),
            group: Group::Connection,
            summary: "Control whether commands sent by the client will alter the LRU/LFU of the keys they access",
            since: "7.2.0",
            complexity: "O(1)",
            args: &[arg("enabled", ArgKind::OneOf(&[token("on", "ON"), token("off", "OFF")]))],
            ..BASE
        },
        Spec {
            name: "client|pause",
            arity: -3,
            flags: Flags(flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE),
            categories: Categories(category::CONNECTION),
            group: Group::Connection,
            summary: "Stop processing commands from clients for some time",
            since: "2.9.50",
            complexity: "O(1)",
            history: &[("6.2.0", "`CLIENT PAUSE WRITE` mode added along with the `mode` option.")],
            args: &[
                arg("timeout", ArgKind::Integer),
                arg("mode", ArgKind::OneOf(&[token("write", "WRITE"), token("all", "ALL")]))
                    .since("6.2.0")
                    .optional(),
            ],
            ..BASE
        },
        super::own::CLIENT_REPLICATION,
        Spec {
            name: "client|reply",
            arity: 3,
            flags: Flags(flag::NOSCRIPT | flag::LOADING | flag::STALE),
            categories: Categories(category::CONNECTION),
            group: Group::Connection,
            summary: "Instruct the server whether to reply to commands",
            since: "3.2.0",
            complexity: "O(1)",
            args: &[arg(
                "on_off_skip",
                ArgKind::OneOf(&[token("on", "ON"), token("off", "OFF"), token("skip", "SKIP")]),
            )],
            ..BASE
        },
        Spec {
            name: "client|setinfo",
            arity: 4,
            flags: Flags(flag::NOSCRIPT | flag::LOADING | flag::STALE),
            categories: Categories(category::CONNECTION),
            group: Group::Connection,
            summary: "Set client or connection specific info",
            since: "7.2.0",
            complexity: "O(1)",
            args: &[arg(
                "attr",
                ArgKind::OneOf(&[
                    arg("libname", ArgKind::String).token("LIB-NAME"),
                    arg("libver", ArgKind::String).token("LIB-VER"),
                ]),
            )],
            ..BASE
        },
        Spec {
            name: "client|setname",
            arity: 3,
            flags: Flags(flag::NOSCRIPT | flag::LOADING | flag::STALE),
            categories: Categories(category::CONNECTION),
            group: Group::Connection,
            summary: "Set the current connection name",
            since: "2.6.9",
            complexity: "O(1)",
            args: &[arg("connection-name", ArgKind::String)],
            ..BASE
        },
        Spec {
            name: "client|tracking",
            arity: -3,
            flags: Flags(flag::NOSCRIPT | flag::LOADING | flag::STALE),
            categories: Categories(category::CONNECTION),
            group: Group::Connection,
            summary: "Enable or disable server assisted client side caching support",
            since: "6.0.0",
            complexity: "O(1). Some options may introduce additional complexity.",
            args: &[
                arg("status", ArgKind::OneOf(&[token("on", "ON"), token("off", "OFF")])),
                arg("client-id", ArgKind::Integer).token("REDIRECT").optional(),
                arg("prefix", ArgKind::String).token("PREFIX").optional().multiple().multiple_token(),
                token("bcast", "BCAST").optional(),
                token("optin", "OPTIN").optional(),
                token("optout", "OPTOUT").optional(),
                token("noloop", "NOLOOP").optional(),
            ],
            ..BASE
        },
        Spec {
            name: "client|trackinginfo",
            arity: 2,
            flags: Flags(flag::NOSCRIPT | flag::LOADING | flag::STALE),
            categories: Categories(category::CONNECTION),
            group: Group::Connection,
            summary: "Return information about server assisted client side caching for the current connection",
            since: "6.2.0",
            complexity: "O(1)",
            ..BASE
        },
        Spec {
            name: "client|unblock",
            arity: -3,
            flags: Flags(flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE),
            categories: Categories(category::CONNECTION),
            group: Group::Connection,
            summary: "Unblock a client blocked in a blocking command from a different connection",
            since: "5.0.0",
            complexity: "O(log N) where N is the number of client connections",
            args: &[
                arg("client-id", ArgKind::Integer),
                arg("timeout_error", ArgKind::OneOf(&[token("timeout", "TIMEOUT"), token("error", "ERROR")]))
                    .optional(),
            ],
            ..BASE
        },
        Spec {
            name: "client|unpause",
            arity: 2,
            flags: Flags(flag::ADMIN | flag::NOSCRIPT | flag::LOADING | flag::STALE),
            categories: Categories(category::CONNECTION),
            group: Group::Connection,
            summary: "Resume processing of clients that were paused",
            since: "6.2.0",
            complexity: "O(N) Where N is the number of paused clients",
            ..BASE
        },
    ],
    ..BASE
}];
