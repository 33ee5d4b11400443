//! Commands on hashes. Their texts are our own.

use super::hash_args as args;
use super::*;

const READ: &[KeySpec] = &[KeySpec::one(1, key_flag::RO | key_flag::ACCESS)];
const LOOK: &[KeySpec] = &[KeySpec::one(1, key_flag::RO)];
const UPDATE: &[KeySpec] = &[KeySpec::one(1, key_flag::RW | key_flag::UPDATE)];
const CHANGE: &[KeySpec] = &[KeySpec::one(1, key_flag::RW | key_flag::ACCESS | key_flag::UPDATE)];

/// What all of them have in common.
const HASH_BASE: Spec =
    Spec { categories: Categories(category::HASH), route: Route::Key, group: Group::Hash, ..BASE };

/// The hash group of Redis 7.0, deprecated commands included.
pub(super) const HASH: &[Spec] = &[
    Spec {
        name: "hdel",
        arity: -3,
        flags: Flags(flag::WRITE | flag::FAST),
        keys: Keys::ONE,
        key_specs: &[KeySpec::one(1, key_flag::RW | key_flag::DELETE)],
        summary: "Remove fields from a hash",
        since: "2.0.0",
        complexity: "O(N) with N the fields named",
        history: &[("2.4.0", "Takes several fields.")],
        args: &[KEY, arg("field", ArgKind::String).multiple()],
        ..HASH_BASE
    },
    Spec {
        name: "hexists",
        arity: 3,
        flags: Flags(flag::READONLY | flag::FAST),
        keys: Keys::ONE,
        key_specs: LOOK,
        summary: "Tell if a hash has a field",
        since: "2.0.0",
        complexity: "O(1)",
        args: &[KEY, arg("field", ArgKind::String)],
        ..HASH_BASE
    },
    Spec {
        name: "hget",
        arity: 3,
        flags: Flags(flag::READONLY | flag::FAST),
        keys: Keys::ONE,
        key_specs: READ,
        summary: "Get the value of one field of a hash",
        since: "2.0.0",
        complexity: "O(1)",
        args: &[KEY, arg("field", ArgKind::String)],
        ..HASH_BASE
    },
    Spec {
        name: "hgetall",
        arity: 2,
        flags: Flags(flag::READONLY),
        keys: Keys::ONE,
        key_specs: READ,
        tips: &["nondeterministic_output_order"],
        summary: "Get all fields of a hash with their values",
        since: "2.0.0",
        complexity: "O(N) with N the fields of the hash",
        args: &[KEY],
        ..HASH_BASE
    },
    Spec {
        name: "hincrby",
        arity: 4,
        flags: Flags(flag::WRITE | flag::DENYOOM | flag::FAST),
        keys: Keys::ONE,
        key_specs: CHANGE,
        summary: "Add a whole number to the value of a field",
        since: "2.0.0",
        complexity: "O(1)",
        args: &[KEY, arg("field", ArgKind::String), arg("increment", ArgKind::Integer)],
        ..HASH_BASE
    },
    Spec {
        name: "hincrbyfloat",
        arity: 4,
        flags: Flags(flag::WRITE | flag::DENYOOM | flag::FAST),
        keys: Keys::ONE,
        key_specs: CHANGE,
        summary: "Add a floating point number to the value of a field",
        since: "2.6.0",
        complexity: "O(1)",
        args: &[KEY, arg("field", ArgKind::String), arg("increment", ArgKind::Double)],
        ..HASH_BASE
    },
    Spec {
        name: "hkeys",
        arity: 2,
        flags: Flags(flag::READONLY),
        keys: Keys::ONE,
        key_specs: READ,
        tips: &["nondeterministic_output_order"],
        summary: "List the names of the fields of a hash",
        since: "2.0.0",
        complexity: "O(N) with N the fields of the hash",
        args: &[KEY],
        ..HASH_BASE
    },
    Spec {
        name: "hlen",
        arity: 2,
        flags: Flags(flag::READONLY | flag::FAST),
        keys: Keys::ONE,
        key_specs: LOOK,
        summary: "Count the fields of a hash",
        since: "2.0.0",
        complexity: "O(1)",
        args: &[KEY],
        ..HASH_BASE
    },
    Spec {
        name: "hmget",
        arity: -3,
        flags: Flags(flag::READONLY | flag::FAST),
        keys: Keys::ONE,
        key_specs: READ,
        summary: "Get the values of several fields of a hash",
        since: "2.0.0",
        complexity: "O(N) with N the fields named",
        args: &[KEY, arg("field", ArgKind::String).multiple()],
        ..HASH_BASE
    },
    Spec {
        name: "hmset",
        arity: -4,
        flags: Flags(flag::WRITE | flag::DENYOOM | flag::FAST),
        keys: Keys::ONE,
        key_specs: UPDATE,
        summary: "Set several fields of a hash",
        since: "2.0.0",
        complexity: "O(N) with N the fields named",
        deprecated: Some(("4.0.0", "`HSET` with multiple field-value pairs")),
        args: args::HMSET,
        ..HASH_BASE
    },
    Spec {
        name: "hrandfield",
        arity: -2,
        flags: Flags(flag::READONLY),
        keys: Keys::ONE,
        key_specs: READ,
        tips: &["nondeterministic_output"],
        summary: "Pick fields of a hash at random",
        since: "6.2.0",
        complexity: "O(N) with N the fields returned",
        args: args::HRANDFIELD,
        ..HASH_BASE
    },
    Spec {
        name: "hscan",
        arity: -3,
        flags: Flags(flag::READONLY),
        keys: Keys::ONE,
        key_specs: READ,
        tips: &["nondeterministic_output"],
        summary: "Walk over the fields of a hash in steps",
        since: "2.8.0",
        complexity: "O(1) for each call, O(N) for the whole walk with N the fields of the hash",
        args: args::HSCAN,
        ..HASH_BASE
    },
    Spec {
        name: "hset",
        arity: -4,
        flags: Flags(flag::WRITE | flag::DENYOOM | flag::FAST),
        keys: Keys::ONE,
        key_specs: UPDATE,
        summary: "Set fields of a hash, and make the hash if there is none",
        since: "2.0.0",
        complexity: "O(N) with N the fields named",
        history: &[("4.0.0", "Takes several fields with their values.")],
        args: args::HSET,
        ..HASH_BASE
    },
    Spec {
        name: "hsetnx",
        arity: 4,
        flags: Flags(flag::WRITE | flag::DENYOOM | flag::FAST),
        keys: Keys::ONE,
        key_specs: &[KeySpec::one(1, key_flag::RW | key_flag::INSERT)],
        summary: "Set a field of a hash unless the hash has it",
        since: "2.0.0",
        complexity: "O(1)",
        args: &[KEY, arg("field", ArgKind::String), arg("value", ArgKind::String)],
        ..HASH_BASE
    },
    Spec {
        name: "hstrlen",
        arity: 3,
        flags: Flags(flag::READONLY | flag::FAST),
        keys: Keys::ONE,
        key_specs: LOOK,
        summary: "Get the length of the value of a field",
        since: "3.2.0",
        complexity: "O(1)",
        args: &[KEY, arg("field", ArgKind::String)],
        ..HASH_BASE
    },
    Spec {
        name: "hvals",
        arity: 2,
        flags: Flags(flag::READONLY),
        keys: Keys::ONE,
        key_specs: READ,
        tips: &["nondeterministic_output_order"],
        summary: "List the values of a hash",
        since: "2.0.0",
        complexity: "O(N) with N the fields of the hash",
        args: &[KEY],
        ..HASH_BASE
    },
];
