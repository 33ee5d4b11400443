//! Commands on ranges of sorted sets. Their texts are our own.

use super::sorted_set_range_args as args;
use super::*;

const READ: &[KeySpec] = &[KeySpec::one(1, key_flag::RO | key_flag::ACCESS)];
const REMOVE: &[KeySpec] = &[KeySpec::one(1, key_flag::RW | key_flag::DELETE)];

/// What all of them have in common.
const RANGE_BASE: Spec =
    Spec { categories: Categories(category::SORTEDSET), route: Route::Key, group: Group::SortedSet, ..BASE };

/// Ranges by rank, score or name, deprecated commands included.
pub(super) const SORTED_SET_RANGE: &[Spec] = &[
    Spec {
        name: "zrange",
        arity: -4,
        flags: Flags(flag::READONLY),
        keys: Keys::ONE,
        key_specs: READ,
        summary: "Get a range of a sorted set by rank, score or name",
        since: "1.2.0",
        complexity: "O(log(N)+M) with N the members of the sorted set and M those returned",
        history: &[("6.2.0", "`REV`, `BYSCORE`, `BYLEX` and `LIMIT`.")],
        args: args::ZRANGE,
        ..RANGE_BASE
    },
    Spec {
        name: "zrangebylex",
        arity: -4,
        flags: Flags(flag::READONLY),
        keys: Keys::ONE,
        key_specs: READ,
        summary: "Get the members of a sorted set in a range of names",
        since: "2.8.9",
        complexity: "O(log(N)+M) with N the members of the sorted set and M those returned",
        deprecated: Some(("6.2.0", "`ZRANGE` with the `BYLEX` argument")),
        args: args::ZRANGEBYLEX,
        ..RANGE_BASE
    },
    Spec {
        name: "zrangebyscore",
        arity: -4,
        flags: Flags(flag::READONLY),
        keys: Keys::ONE,
        key_specs: READ,
        summary: "Get the members of a sorted set with scores in a range",
        since: "1.0.5",
        complexity: "O(log(N)+M) with N the members of the sorted set and M those returned",
        deprecated: Some(("6.2.0", "`ZRANGE` with the `BYSCORE` argument")),
        history: &[("2.0.0", "`WITHSCORES`.")],
        args: args::ZRANGEBYSCORE,
        ..RANGE_BASE
    },
    Spec {
        name: "zrangestore",
        arity: -5,
        flags: Flags(flag::WRITE | flag::DENYOOM),
        keys: Keys { first: 1, last: 2, step: 1 },
        key_specs: &[
            KeySpec::one(1, key_flag::OW | key_flag::UPDATE),
            KeySpec::one(2, key_flag::RO | key_flag::ACCESS),
        ],
        summary: "Store a range of a sorted set under another key",
        since: "6.2.0",
        complexity: "O(log(N)+M) with N the members of the sorted set and M those stored",
        args: args::ZRANGESTORE,
        ..RANGE_BASE
    },
    Spec {
        name: "zremrangebylex",
        arity: 4,
        flags: Flags(flag::WRITE),
        keys: Keys::ONE,
        key_specs: REMOVE,
        summary: "Remove the members of a sorted set in a range of names",
        since: "2.8.9",
        complexity: "O(log(N)+M) with N the members of the sorted set and M those removed",
        args: &[KEY, arg("min", ArgKind::String), arg("max", ArgKind::String)],
        ..RANGE_BASE
    },
    Spec {
        name: "zremrangebyrank",
        arity: 4,
        flags: Flags(flag::WRITE),
        keys: Keys::ONE,
        key_specs: REMOVE,
        summary: "Remove the members of a sorted set in a range of ranks",
        since: "2.0.0",
        complexity: "O(log(N)+M) with N the members of the sorted set and M those removed",
        args: &[KEY, arg("start", ArgKind::Integer), arg("stop", ArgKind::Integer)],
        ..RANGE_BASE
    },
    Spec {
        name: "zremrangebyscore",
        arity: 4,
        flags: Flags(flag::WRITE),
        keys: Keys::ONE,
        key_specs: REMOVE,
        summary: "Remove the members of a sorted set with scores in a range",
        since: "1.2.0",
        complexity: "O(log(N)+M) with N the members of the sorted set and M those removed",
        args: &[KEY, arg("min", ArgKind::Double), arg("max", ArgKind::Double)],
        ..RANGE_BASE
    },
    Spec {
        name: "zrevrange",
        arity: -4,
        flags: Flags(flag::READONLY),
        keys: Keys::ONE,
        key_specs: READ,
        summary: "Get a range of a sorted set by rank, counted from the highest score",
        since: "1.2.0",
        complexity: "O(log(N)+M) with N the members of the sorted set and M those returned",
        deprecated: Some(("6.2.0", "`ZRANGE` with the `REV` argument")),
        args: args::ZREVRANGE,
        ..RANGE_BASE
    },
    Spec {
        name: "zrevrangebylex",
        arity: -4,
        flags: Flags(flag::READONLY),
        keys: Keys::ONE,
        key_specs: READ,
        summary: "Get the members of a sorted set in a range of names, the last name first",
        since: "2.8.9",
        complexity: "O(log(N)+M) with N the members of the sorted set and M those returned",
        deprecated: Some(("6.2.0", "`ZRANGE` with the `REV` and `BYLEX` arguments")),
        args: args::ZREVRANGEBYLEX,
        ..RANGE_BASE
    },
    Spec {
        name: "zrevrangebyscore",
        arity: -4,
        flags: Flags(flag::READONLY),
        keys: Keys::ONE,
        key_specs: READ,
        summary: "Get the members of a sorted set with scores in a range, the highest first",
        since: "2.2.0",
        complexity: "O(log(N)+M) with N the members of the sorted set and M those returned",
        deprecated: Some(("6.2.0", "`ZRANGE` with the `REV` and `BYSCORE` arguments")),
        history: &[("2.1.6", "Either end may be left out of the range.")],
        args: args::ZREVRANGEBYSCORE,
        ..RANGE_BASE
    },
];
