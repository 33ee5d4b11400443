//! What can be asked of scripts and functions where there are none yet: clients and test suites empty and list
//! them before anything else.

use super::*;

const FLUSH: &[Arg] =
    &[arg("async", ArgKind::OneOf(&[token("async", "ASYNC"), token("sync", "SYNC")])).optional()];
const SINGLE_SUCCESS: &[&str] = &["request_policy:all_shards", "response_policy:one_succeeded"];

/// `FUNCTION` and `SCRIPT` without what would run or keep any.
pub(super) const SCRIPTING: &[Spec] = &[
    Spec {
        name: "function",
        arity: -2,
        group: Group::Scripting,
        summary: "A container for function commands",
        since: "7.0.0",
        complexity: "Depends on subcommand.",
        subcommands: &[
            Spec {
                name: "function|flush",
                arity: -2,
                flags: Flags(flag::WRITE | flag::NOSCRIPT),
                categories: Categories(category::SCRIPTING),
                tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
                group: Group::Scripting,
                summary: "Deleting all functions",
                since: "7.0.0",
                complexity: "O(N) where N is the number of functions deleted",
                args: FLUSH,
                ..BASE
            },
            Spec {
                name: "function|kill",
                arity: 2,
                flags: Flags(flag::NOSCRIPT | flag::ALLOW_BUSY),
                categories: Categories(category::SCRIPTING),
                tips: SINGLE_SUCCESS,
                group: Group::Scripting,
                summary: "Kill the function currently in execution.",
                since: "7.0.0",
                complexity: "O(1)",
                ..BASE
            },
            Spec {
                name: "function|list",
                arity: -2,
                flags: Flags(flag::NOSCRIPT),
                categories: Categories(category::SCRIPTING),
                tips: &["nondeterministic_output_order"],
                group: Group::Scripting,
                summary: "List information about all the functions",
                since: "7.0.0",
                complexity: "O(N) where N is the number of functions",
                args: &[
                    arg("library-name-pattern", ArgKind::String).token("LIBRARYNAME").optional(),
                    token("withcode", "WITHCODE").optional(),
                ],
                ..BASE
            },
        ],
        ..BASE
    },
    Spec {
        name: "script",
        arity: -2,
        group: Group::Scripting,
        summary: "A container for Lua scripts management commands",
        since: "2.6.0",
        complexity: "Depends on subcommand.",
        subcommands: &[
            Spec {
                name: "script|exists",
                arity: -3,
                flags: Flags(flag::NOSCRIPT),
                categories: Categories(category::SCRIPTING),
                tips: &["request_policy:all_shards", "response_policy:agg_logical_and"],
                group: Group::Scripting,
                summary: "Check existence of scripts in the script cache.",
                since: "2.6.0",
                complexity: "O(N) with N being the number of scripts to check (so checking a single script is an O(1) operation).",
                args: &[arg("sha1", ArgKind::String).multiple()],
                ..BASE
            },
            Spec {
                name: "script|flush",
                arity: -2,
                flags: Flags(flag::NOSCRIPT),
                categories: Categories(category::SCRIPTING),
                tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
                group: Group::Scripting,
                summary: "Remove all the scripts from the script cache.",
                since: "2.6.0",
                complexity: "O(N) with N being the number of scripts in cache",
                history: &[("6.2.0", "Added the `ASYNC` and `SYNC` flushing mode modifiers.")],
                args: &[arg("async", ArgKind::OneOf(&[token("async", "ASYNC"), token("sync", "SYNC")]))
                    .since("6.2.0")
                    .optional()],
                ..BASE
            },
            Spec {
                name: "script|kill",
                arity: 2,
                flags: Flags(flag::NOSCRIPT | flag::ALLOW_BUSY),
                categories: Categories(category::SCRIPTING),
                tips: SINGLE_SUCCESS,
                group: Group::Scripting,
                summary: "Kill the script currently in execution.",
                since: "2.6.0",
                complexity: "O(1)",
                ..BASE
            },
        ],
        ..BASE
    },
];
