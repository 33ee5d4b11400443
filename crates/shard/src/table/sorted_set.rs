//! Commands on the members of sorted sets. Their texts are our own.

use super::sorted_set_args as args;
use super::*;

const READ: &[KeySpec] = &[KeySpec::one(1, key_flag::RO | key_flag::ACCESS)];
const TAKE: &[KeySpec] = &[KeySpec::one(1, key_flag::RW | key_flag::ACCESS | key_flag::DELETE)];

/// What all of them have in common.
const SORTED_BASE: Spec =
    Spec { categories: Categories(category::SORTEDSET), route: Route::Key, group: Group::SortedSet, ..BASE };

/// The sorted set group of Redis 7.0 without what the other constants have.
pub(super) const SORTED_SET: &[Spec] = &[
    Spec {
        name: "zadd",
        arity: -4,
        flags: Flags(flag::WRITE | flag::DENYOOM | flag::FAST),
        keys: Keys::ONE,
        key_specs: &[KeySpec::one(1, key_flag::RW | key_flag::UPDATE)],
        summary: "Add members with scores to a sorted set, or change their scores",
        since: "1.2.0",
        complexity: "O(M*log(N)) with M the members named and N those of the sorted set",
        history: &[
            ("2.4.0", "Takes several members."),
            ("3.0.2", "`XX`, `NX`, `CH` and `INCR`."),
            ("6.2.0", "`GT` and `LT`."),
        ],
        args: args::ZADD,
        ..SORTED_BASE
    },
    Spec {
        name: "zcard",
        arity: 2,
        flags: Flags(flag::READONLY | flag::FAST),
        keys: Keys::ONE,
        key_specs: &[KeySpec::one(1, key_flag::RO)],
        summary: "Count the members of a sorted set",
        since: "1.2.0",
        complexity: "O(1)",
        args: &[KEY],
        ..SORTED_BASE
    },
    Spec {
        name: "zcount",
        arity: 4,
        flags: Flags(flag::READONLY | flag::FAST),
        keys: Keys::ONE,
        key_specs: READ,
        summary: "Count the members of a sorted set with scores in a range",
        since: "2.0.0",
        complexity: "O(log(N)) with N the members of the sorted set",
        args: &[KEY, arg("min", ArgKind::Double), arg("max", ArgKind::Double)],
        ..SORTED_BASE
    },
    Spec {
        name: "zincrby",
        arity: 4,
        flags: Flags(flag::WRITE | flag::DENYOOM | flag::FAST),
        keys: Keys::ONE,
        key_specs: &[KeySpec::one(1, key_flag::RW | key_flag::ACCESS | key_flag::UPDATE)],
        summary: "Add to the score of a member",
        since: "1.2.0",
        complexity: "O(log(N)) with N the members of the sorted set",
        args: &[KEY, arg("increment", ArgKind::Integer), arg("member", ArgKind::String)],
        ..SORTED_BASE
    },
    Spec {
        name: "zlexcount",
        arity: 4,
        flags: Flags(flag::READONLY | flag::FAST),
        keys: Keys::ONE,
        key_specs: READ,
        summary: "Count the members of a sorted set in a range of names",
        since: "2.8.9",
        complexity: "O(log(N)) with N the members of the sorted set",
        args: &[KEY, arg("min", ArgKind::String), arg("max", ArgKind::String)],
        ..SORTED_BASE
    },
    Spec {
        name: "zmpop",
        arity: -4,
        flags: Flags(flag::WRITE | flag::MOVABLE_KEYS),
        key_specs: &[KeySpec::counted(1, key_flag::RW | key_flag::ACCESS | key_flag::DELETE)],
        summary: "Take members with the lowest or highest scores from the first sorted set that has any",
        since: "7.0.0",
        complexity: "O(K+M*log(N)) with K the keys, M the members returned and N those of the sorted set",
        args: args::ZMPOP,
        ..SORTED_BASE
    },
    Spec {
        name: "zmscore",
        arity: -3,
        flags: Flags(flag::READONLY | flag::FAST),
        keys: Keys::ONE,
        key_specs: READ,
        summary: "Get the scores of several members",
        since: "6.2.0",
        complexity: "O(N) with N the members named",
        args: &[KEY, arg("member", ArgKind::String).multiple()],
        ..SORTED_BASE
    },
    Spec {
        name: "zpopmax",
        arity: -2,
        flags: Flags(flag::WRITE | flag::FAST),
        keys: Keys::ONE,
        key_specs: TAKE,
        summary: "Take the members with the highest scores",
        since: "5.0.0",
        complexity: "O(M*log(N)) with M the members returned and N those of the sorted set",
        args: &[KEY, arg("count", ArgKind::Integer).optional()],
        ..SORTED_BASE
    },
    Spec {
        name: "zpopmin",
        arity: -2,
        flags: Flags(flag::WRITE | flag::FAST),
        keys: Keys::ONE,
        key_specs: TAKE,
        summary: "Take the members with the lowest scores",
        since: "5.0.0",
        complexity: "O(M*log(N)) with M the members returned and N those of the sorted set",
        args: &[KEY, arg("count", ArgKind::Integer).optional()],
        ..SORTED_BASE
    },
    Spec {
        name: "zrandmember",
        arity: -2,
        flags: Flags(flag::READONLY),
        keys: Keys::ONE,
        key_specs: READ,
        tips: &["nondeterministic_output"],
        summary: "Pick members of a sorted set at random",
        since: "6.2.0",
        complexity: "O(N) with N the members returned",
        args: args::ZRANDMEMBER,
        ..SORTED_BASE
    },
    Spec {
        name: "zrank",
        arity: 3,
        flags: Flags(flag::READONLY | flag::FAST),
        keys: Keys::ONE,
        key_specs: READ,
        summary: "Get the rank of a member, counted from the lowest score",
        since: "2.0.0",
        complexity: "O(log(N)) with N the members of the sorted set",
        args: &[KEY, arg("member", ArgKind::String)],
        ..SORTED_BASE
    },
    Spec {
        name: "zrem",
        arity: -3,
        flags: Flags(flag::WRITE | flag::FAST),
        keys: Keys::ONE,
        key_specs: &[KeySpec::one(1, key_flag::RW | key_flag::DELETE)],
        summary: "Remove members from a sorted set",
        since: "1.2.0",
        complexity: "O(M*log(N)) with M the members named and N those of the sorted set",
        history: &[("2.4.0", "Takes several members.")],
        args: &[KEY, arg("member", ArgKind::String).multiple()],
        ..SORTED_BASE
    },
    Spec {
        name: "zrevrank",
        arity: 3,
        flags: Flags(flag::READONLY | flag::FAST),
        keys: Keys::ONE,
        key_specs: READ,
        summary: "Get the rank of a member, counted from the highest score",
        since: "2.0.0",
        complexity: "O(log(N)) with N the members of the sorted set",
        args: &[KEY, arg("member", ArgKind::String)],
        ..SORTED_BASE
    },
    Spec {
        name: "zscan",
        arity: -3,
        flags: Flags(flag::READONLY),
        keys: Keys::ONE,
        key_specs: READ,
        tips: &["nondeterministic_output"],
        summary: "Walk over the members of a sorted set in steps",
        since: "2.8.0",
        complexity: "O(1) for each call, O(N) for the whole walk with N the members of the sorted set",
        args: args::ZSCAN,
        ..SORTED_BASE
    },
    Spec {
        name: "zscore",
        arity: 3,
        flags: Flags(flag::READONLY | flag::FAST),
        keys: Keys::ONE,
        key_specs: READ,
        summary: "Get the score of a member",
        since: "1.2.0",
        complexity: "O(1)",
        args: &[KEY, arg("member", ArgKind::String)],
        ..SORTED_BASE
    },
];

/// The commands that wait for members.
pub(super) const SORTED_SET_BLOCKING: &[Spec] = &[
    Spec {
        name: "bzmpop",
        arity: -5,
        flags: Flags(flag::WRITE | flag::BLOCKING | flag::MOVABLE_KEYS),
        key_specs: &[KeySpec::counted(2, key_flag::RW | key_flag::ACCESS | key_flag::DELETE)],
        summary: "Take members with the lowest or highest scores from the first sorted set that has any, and wait for one if none has",
        since: "7.0.0",
        complexity: "O(K+M*log(N)) with K the keys, M the members returned and N those of the sorted set",
        args: args::BZMPOP,
        ..SORTED_BASE
    },
    Spec {
        name: "bzpopmax",
        arity: -3,
        flags: Flags(flag::WRITE | flag::NOSCRIPT | flag::BLOCKING | flag::FAST),
        keys: Keys { first: 1, last: -2, step: 1 },
        key_specs: &[KeySpec::range(1, -2, 1, key_flag::RW | key_flag::ACCESS | key_flag::DELETE)],
        summary: "Take the member with the highest score from the first sorted set that has any, and wait for one if none has",
        since: "5.0.0",
        complexity: "O(log(N)) with N the members of the sorted set",
        history: &[("6.0.0", "The timeout may have a fraction.")],
        args: &[KEY.multiple(), arg("timeout", ArgKind::Double)],
        ..SORTED_BASE
    },
    Spec {
        name: "bzpopmin",
        arity: -3,
        flags: Flags(flag::WRITE | flag::NOSCRIPT | flag::BLOCKING | flag::FAST),
        keys: Keys { first: 1, last: -2, step: 1 },
        key_specs: &[KeySpec::range(1, -2, 1, key_flag::RW | key_flag::ACCESS | key_flag::DELETE)],
        summary: "Take the member with the lowest score from the first sorted set that has any, and wait for one if none has",
        since: "5.0.0",
        complexity: "O(log(N)) with N the members of the sorted set",
        history: &[("6.0.0", "The timeout may have a fraction.")],
        args: &[KEY.multiple(), arg("timeout", ArgKind::Double)],
        ..SORTED_BASE
    },
];
