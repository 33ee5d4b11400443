//! Commands on HyperLogLogs.

use super::*;

/// What those for debugging have in common.
const DEBUG: Spec = Spec {
    categories: Categories(category::HYPERLOGLOG),
    group: Group::HyperLogLog,
    since: "2.8.9",
    complexity: "N/A",
    system: true,
    ..BASE
};
const READ_WRITE: u16 = key_flag::RW | key_flag::ACCESS;

/// The hyperloglog group.
pub(super) const HYPERLOGLOG: &[Spec] = &[
    Spec {
        name: "pfadd",
        arity: -2,
        flags: Flags(flag::WRITE | flag::DENYOOM | flag::FAST),
        keys: Keys { first: 1, last: 1, step: 1 },
        key_specs: &[KeySpec::one(1, key_flag::RW | key_flag::INSERT)],
        categories: Categories(category::HYPERLOGLOG),
        route: Route::Key,
        group: Group::HyperLogLog,
        summary: "Adds the specified elements to the specified HyperLogLog.",
        since: "2.8.9",
        complexity: "O(1) to add every element.",
        args: &[KEY, arg("element", ArgKind::String).optional().multiple()],
        ..BASE
    },
    Spec {
        name: "pfcount",
        arity: -2,
        flags: Flags(flag::READONLY),
        keys: Keys { first: 1, last: -1, step: 1 },
        key_specs: &[KeySpec::range(1, -1, 1, READ_WRITE).notes(
            "RW because it may change the internal representation of the key, and propagate to replicas",
        )],
        categories: Categories(category::HYPERLOGLOG),
        route: Route::Key,
        group: Group::HyperLogLog,
        summary: "Return the approximated cardinality of the set(s) observed by the HyperLogLog at key(s).",
        since: "2.8.9",
        complexity: "O(1) with a very small average constant time when called with a single key. O(N) with N being the number of keys, and much bigger constant times, when called with multiple keys.",
        args: &[KEY.multiple()],
        ..BASE
    },
    Spec {
        name: "pfdebug",
        arity: 3,
        flags: Flags(flag::WRITE | flag::DENYOOM | flag::ADMIN),
        keys: Keys { first: 2, last: 2, step: 1 },
        key_specs: &[KeySpec::one(2, READ_WRITE)],
        route: Route::Key,
        summary: "Internal commands for debugging HyperLogLog values",
        args: &[arg("subcommand", ArgKind::String), KEY],
        ..DEBUG
    },
    Spec {
        name: "pfmerge",
        arity: -2,
        flags: Flags(flag::WRITE | flag::DENYOOM),
        keys: Keys { first: 1, last: -1, step: 1 },
        key_specs: &[
            KeySpec::one(1, READ_WRITE | key_flag::INSERT),
            KeySpec::range(2, -1, 1, key_flag::RO | key_flag::ACCESS),
        ],
        categories: Categories(category::HYPERLOGLOG),
        route: Route::Key,
        group: Group::HyperLogLog,
        summary: "Merge N different HyperLogLogs into a single one.",
        since: "2.8.9",
        complexity: "O(N) to merge N HyperLogLogs, but with high constant times.",
        args: &[arg("destkey", ArgKind::Key(0)), arg("sourcekey", ArgKind::Key(1)).multiple()],
        ..BASE
    },
    Spec {
        name: "pfselftest",
        arity: 1,
        flags: Flags(flag::ADMIN),
        summary: "An internal command for testing HyperLogLog values",
        ..DEBUG
    },
];
