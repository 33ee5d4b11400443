//! Commands on sets. Their texts are our own.

use super::set_args as args;
use super::*;

const READ: &[KeySpec] = &[KeySpec::one(1, key_flag::RO | key_flag::ACCESS)];
const LOOK: &[KeySpec] = &[KeySpec::one(1, key_flag::RO)];

/// What all of them have in common.
const SET_BASE: Spec =
    Spec { categories: Categories(category::SET), route: Route::Key, group: Group::Set, ..BASE };

/// The set group of Redis 7.0.
pub(super) const SET: &[Spec] = &[
    Spec {
        name: "sadd",
        arity: -3,
        flags: Flags(flag::WRITE | flag::DENYOOM | flag::FAST),
        keys: Keys::ONE,
        key_specs: &[KeySpec::one(1, key_flag::RW | key_flag::INSERT)],
        summary: "Add members to a set",
        since: "1.0.0",
        complexity: "O(N) with N the members named",
        history: &[("2.4.0", "Takes several members.")],
        args: &[KEY, arg("member", ArgKind::String).multiple()],
        ..SET_BASE
    },
    Spec {
        name: "scard",
        arity: 2,
        flags: Flags(flag::READONLY | flag::FAST),
        keys: Keys::ONE,
        key_specs: LOOK,
        summary: "Count the members of a set",
        since: "1.0.0",
        complexity: "O(1)",
        args: &[KEY],
        ..SET_BASE
    },
    Spec {
        name: "sdiff",
        arity: -2,
        flags: Flags(flag::READONLY),
        keys: Keys { first: 1, last: -1, step: 1 },
        key_specs: &[KeySpec::range(1, -1, 1, key_flag::RO | key_flag::ACCESS)],
        tips: &["nondeterministic_output_order"],
        summary: "Get what the first set has and no other",
        since: "1.0.0",
        complexity: "O(N) with N the members of all sets",
        args: &[KEY.multiple()],
        ..SET_BASE
    },
    Spec {
        name: "sdiffstore",
        arity: -3,
        flags: Flags(flag::WRITE | flag::DENYOOM),
        keys: Keys { first: 1, last: -1, step: 1 },
        key_specs: &[
            KeySpec::one(1, key_flag::OW | key_flag::UPDATE),
            KeySpec::range(2, -1, 1, key_flag::RO | key_flag::ACCESS),
        ],
        summary: "Store what the first set has and no other",
        since: "1.0.0",
        complexity: "O(N) with N the members of all sets",
        args: &[arg("destination", ArgKind::Key(0)), arg("key", ArgKind::Key(1)).multiple()],
        ..SET_BASE
    },
    Spec {
        name: "sinter",
        arity: -2,
        flags: Flags(flag::READONLY),
        keys: Keys { first: 1, last: -1, step: 1 },
        key_specs: &[KeySpec::range(1, -1, 1, key_flag::RO | key_flag::ACCESS)],
        tips: &["nondeterministic_output_order"],
        summary: "Get what all sets have",
        since: "1.0.0",
        complexity: "O(N*M) with N the members of the smallest set and M the sets",
        args: &[KEY.multiple()],
        ..SET_BASE
    },
    Spec {
        name: "sintercard",
        arity: -3,
        flags: Flags(flag::READONLY | flag::MOVABLE_KEYS),
        key_specs: &[KeySpec::counted(1, key_flag::RO | key_flag::ACCESS)],
        summary: "Count what all sets have",
        since: "7.0.0",
        complexity: "O(N*M) with N the members of the smallest set and M the sets",
        args: args::SINTERCARD,
        ..SET_BASE
    },
    Spec {
        name: "sinterstore",
        arity: -3,
        flags: Flags(flag::WRITE | flag::DENYOOM),
        keys: Keys { first: 1, last: -1, step: 1 },
        key_specs: &[
            KeySpec::one(1, key_flag::RW | key_flag::UPDATE),
            KeySpec::range(2, -1, 1, key_flag::RO | key_flag::ACCESS),
        ],
        summary: "Store what all sets have",
        since: "1.0.0",
        complexity: "O(N*M) with N the members of the smallest set and M the sets",
        args: &[arg("destination", ArgKind::Key(0)), arg("key", ArgKind::Key(1)).multiple()],
        ..SET_BASE
    },
    Spec {
        name: "sismember",
        arity: 3,
        flags: Flags(flag::READONLY | flag::FAST),
        keys: Keys::ONE,
        key_specs: LOOK,
        summary: "Tell if a value is in a set",
        since: "1.0.0",
        complexity: "O(1)",
        args: &[KEY, arg("member", ArgKind::String)],
        ..SET_BASE
    },
    Spec {
        name: "smembers",
        arity: 2,
        flags: Flags(flag::READONLY),
        keys: Keys::ONE,
        key_specs: READ,
        tips: &["nondeterministic_output_order"],
        summary: "Get all members of a set",
        since: "1.0.0",
        complexity: "O(N) with N the members of the set",
        args: &[KEY],
        ..SET_BASE
    },
    Spec {
        name: "smismember",
        arity: -3,
        flags: Flags(flag::READONLY | flag::FAST),
        keys: Keys::ONE,
        key_specs: READ,
        summary: "Tell which of several values are in a set",
        since: "6.2.0",
        complexity: "O(N) with N the values named",
        args: &[KEY, arg("member", ArgKind::String).multiple()],
        ..SET_BASE
    },
    Spec {
        name: "smove",
        arity: 4,
        flags: Flags(flag::WRITE | flag::FAST),
        keys: Keys { first: 1, last: 2, step: 1 },
        key_specs: &[
            KeySpec::one(1, key_flag::RW | key_flag::ACCESS | key_flag::DELETE),
            KeySpec::one(2, key_flag::RW | key_flag::INSERT),
        ],
        summary: "Move a member from one set to another",
        since: "1.0.0",
        complexity: "O(1)",
        args: args::SMOVE,
        ..SET_BASE
    },
    Spec {
        name: "spop",
        arity: -2,
        flags: Flags(flag::WRITE | flag::FAST),
        keys: Keys::ONE,
        key_specs: &[KeySpec::one(1, key_flag::RW | key_flag::ACCESS | key_flag::DELETE)],
        tips: &["nondeterministic_output"],
        summary: "Take members of a set at random",
        since: "1.0.0",
        complexity: "O(N) with N the members returned",
        history: &[("3.2.0", "Takes a count.")],
        args: &[KEY, arg("count", ArgKind::Integer).since("3.2.0").optional()],
        ..SET_BASE
    },
    Spec {
        name: "srandmember",
        arity: -2,
        flags: Flags(flag::READONLY),
        keys: Keys::ONE,
        key_specs: READ,
        tips: &["nondeterministic_output"],
        summary: "Pick members of a set at random",
        since: "1.0.0",
        complexity: "O(N) with N the members returned",
        history: &[("2.6.0", "Takes a count.")],
        args: &[KEY, arg("count", ArgKind::Integer).since("2.6.0").optional()],
        ..SET_BASE
    },
    Spec {
        name: "srem",
        arity: -3,
        flags: Flags(flag::WRITE | flag::FAST),
        keys: Keys::ONE,
        key_specs: &[KeySpec::one(1, key_flag::RW | key_flag::DELETE)],
        summary: "Remove members from a set",
        since: "1.0.0",
        complexity: "O(N) with N the members named",
        history: &[("2.4.0", "Takes several members.")],
        args: &[KEY, arg("member", ArgKind::String).multiple()],
        ..SET_BASE
    },
    Spec {
        name: "sscan",
        arity: -3,
        flags: Flags(flag::READONLY),
        keys: Keys::ONE,
        key_specs: READ,
        tips: &["nondeterministic_output"],
        summary: "Walk over the members of a set in steps",
        since: "2.8.0",
        complexity: "O(1) for each call, O(N) for the whole walk with N the members of the set",
        args: args::SSCAN,
        ..SET_BASE
    },
    Spec {
        name: "sunion",
        arity: -2,
        flags: Flags(flag::READONLY),
        keys: Keys { first: 1, last: -1, step: 1 },
        key_specs: &[KeySpec::range(1, -1, 1, key_flag::RO | key_flag::ACCESS)],
        tips: &["nondeterministic_output_order"],
        summary: "Get what any of the sets has",
        since: "1.0.0",
        complexity: "O(N) with N the members of all sets",
        args: &[KEY.multiple()],
        ..SET_BASE
    },
    Spec {
        name: "sunionstore",
        arity: -3,
        flags: Flags(flag::WRITE | flag::DENYOOM),
        keys: Keys { first: 1, last: -1, step: 1 },
        key_specs: &[
            KeySpec::one(1, key_flag::OW | key_flag::UPDATE),
            KeySpec::range(2, -1, 1, key_flag::RO | key_flag::ACCESS),
        ],
        summary: "Store what any of the sets has",
        since: "1.0.0",
        complexity: "O(N) with N the members of all sets",
        args: &[arg("destination", ArgKind::Key(0)), arg("key", ArgKind::Key(1)).multiple()],
        ..SET_BASE
    },
];
