//! Commands on streams. Their texts are our own.

use super::stream_args as args;
use super::*;

const READ: &[KeySpec] = &[KeySpec::one(1, key_flag::RO | key_flag::ACCESS)];
const REMOVE: &[KeySpec] = &[KeySpec::one(1, key_flag::RW | key_flag::DELETE)];

/// The first one counts: a stream may be called so too.
const STREAMS: Keyword = Keyword { word: "STREAMS", from: 1, options: &[] };

/// What all of them have in common.
const STREAM_BASE: Spec =
    Spec { categories: Categories(category::STREAM), route: Route::Key, group: Group::Stream, ..BASE };

/// The stream group of Redis 7.0 without consumer groups.
pub(super) const STREAM: &[Spec] = &[
    Spec {
        name: "xadd",
        arity: -5,
        flags: Flags(flag::WRITE | flag::DENYOOM | flag::FAST),
        keys: Keys::ONE,
        key_specs: &[KeySpec::one(1, key_flag::RW | key_flag::UPDATE)
            .notes("update, not insert: the stream may be trimmed")],
        tips: &["nondeterministic_output"],
        summary: "Append an entry to a stream",
        since: "5.0.0",
        complexity: "O(1), and O(N) with N the entries trimmed",
        history: &[("6.2.0", "`NOMKSTREAM`, `MINID` and `LIMIT`."), ("7.0.0", "Ids of the form `<ms>-*`.")],
        args: args::XADD,
        ..STREAM_BASE
    },
    Spec {
        name: "xdel",
        arity: -3,
        flags: Flags(flag::WRITE | flag::FAST),
        keys: Keys::ONE,
        key_specs: REMOVE,
        summary: "Remove entries from a stream by their ids",
        since: "5.0.0",
        complexity: "O(1) for each id",
        args: &[KEY, arg("id", ArgKind::String).multiple()],
        ..STREAM_BASE
    },
    Spec {
        name: "xinfo",
        arity: -2,
        categories: Categories(0),
        route: Route::Front,
        summary: "Commands that describe streams",
        since: "5.0.0",
        complexity: "That of the subcommand",
        subcommands: &[
            Spec {
                name: "xinfo|groups",
                arity: 3,
                flags: Flags(flag::READONLY),
                keys: Keys { first: 2, last: 2, step: 1 },
                key_specs: &[KeySpec::one(2, key_flag::RO | key_flag::ACCESS)],
                summary: "List the consumer groups of a stream",
                since: "5.0.0",
                complexity: "O(1)",
                args: &[KEY],
                ..STREAM_BASE
            },
            Spec {
                name: "xinfo|help",
                arity: 2,
                flags: Flags(flag::LOADING | flag::STALE),
                route: Route::Front,
                summary: "List the subcommands of XINFO",
                since: "5.0.0",
                complexity: "O(1)",
                ..STREAM_BASE
            },
            Spec {
                name: "xinfo|stream",
                arity: -3,
                flags: Flags(flag::READONLY),
                keys: Keys { first: 2, last: 2, step: 1 },
                key_specs: &[KeySpec::one(2, key_flag::RO | key_flag::ACCESS)],
                summary: "Describe a stream",
                since: "5.0.0",
                complexity: "O(1), and O(N) with N the entries returned",
                history: &[
                    ("6.0.0", "`FULL`."),
                    (
                        "7.0.0",
                        "Reports `max-deleted-entry-id`, `entries-added`, `recorded-first-entry-id`, `entries-read` and `lag`.",
                    ),
                ],
                args: args::XINFO_STREAM,
                ..STREAM_BASE
            },
        ],
        ..STREAM_BASE
    },
    Spec {
        name: "xlen",
        arity: 2,
        flags: Flags(flag::READONLY | flag::FAST),
        keys: Keys::ONE,
        key_specs: &[KeySpec::one(1, key_flag::RO)],
        summary: "Count the entries of a stream",
        since: "5.0.0",
        complexity: "O(1)",
        args: &[KEY],
        ..STREAM_BASE
    },
    Spec {
        name: "xrange",
        arity: -4,
        flags: Flags(flag::READONLY),
        keys: Keys::ONE,
        key_specs: READ,
        summary: "Get the entries of a stream in a range of ids",
        since: "5.0.0",
        complexity: "O(N) with N the entries returned",
        history: &[("6.2.0", "Either end may be left out of the range.")],
        args: args::XRANGE,
        ..STREAM_BASE
    },
    Spec {
        name: "xrevrange",
        arity: -4,
        flags: Flags(flag::READONLY),
        keys: Keys::ONE,
        key_specs: READ,
        summary: "Get the entries of a stream in a range of ids, the last one first",
        since: "5.0.0",
        complexity: "O(N) with N the entries returned",
        history: &[("6.2.0", "Either end may be left out of the range.")],
        args: args::XREVRANGE,
        ..STREAM_BASE
    },
    Spec {
        name: "xsetid",
        arity: -3,
        flags: Flags(flag::WRITE | flag::DENYOOM | flag::FAST),
        keys: Keys::ONE,
        key_specs: &[KeySpec::one(1, key_flag::RW | key_flag::UPDATE)],
        summary: "Set the last id of a stream",
        since: "5.0.0",
        complexity: "O(1)",
        history: &[("7.0.0", "`ENTRIESADDED` and `MAXDELETEDID`.")],
        args: args::XSETID,
        ..STREAM_BASE
    },
    Spec {
        name: "xtrim",
        arity: -4,
        flags: Flags(flag::WRITE),
        keys: Keys::ONE,
        key_specs: REMOVE,
        tips: &["nondeterministic_output"],
        summary: "Remove the oldest entries of a stream",
        since: "5.0.0",
        complexity: "O(N) with N the entries removed",
        history: &[("6.2.0", "`MINID` and `LIMIT`.")],
        args: args::XTRIM,
        ..STREAM_BASE
    },
];

/// The command that waits for entries.
pub(super) const STREAM_READ: &[Spec] = &[Spec {
    name: "xread",
    arity: -4,
    flags: Flags(flag::READONLY | flag::BLOCKING | flag::MOVABLE_KEYS),
    key_specs: &[KeySpec::behind(STREAMS, key_flag::RO | key_flag::ACCESS).first_part(2)],
    summary: "Get the entries behind given ids of several streams, and wait for one if asked to",
    since: "5.0.0",
    complexity: "O(N) with N the entries returned",
    args: args::XREAD,
    ..STREAM_BASE
}];
