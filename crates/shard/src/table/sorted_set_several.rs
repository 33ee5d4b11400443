//! Commands that join several sorted sets. Their texts are our own.

use super::sorted_set_several_args as args;
use super::*;

/// What all of them have in common.
const SEVERAL_BASE: Spec =
    Spec { categories: Categories(category::SORTEDSET), route: Route::Key, group: Group::SortedSet, ..BASE };

/// Differences, intersections and unions.
pub(super) const SORTED_SET_SEVERAL: &[Spec] = &[
    Spec {
        name: "zdiff",
        arity: -3,
        flags: Flags(flag::READONLY | flag::MOVABLE_KEYS),
        key_specs: &[KeySpec::counted(1, key_flag::RO | key_flag::ACCESS)],
        summary: "Get what the first sorted set has and no other",
        since: "6.2.0",
        complexity: "O(L+(N-K)*log(N)) with L the members of all, N those of the first and K those of the result",
        args: args::ZDIFF,
        ..SEVERAL_BASE
    },
    Spec {
        name: "zdiffstore",
        arity: -4,
        flags: Flags(flag::WRITE | flag::DENYOOM | flag::MOVABLE_KEYS),
        keys: Keys::ONE,
        key_specs: &[
            KeySpec::one(1, key_flag::OW | key_flag::UPDATE),
            KeySpec::counted(2, key_flag::RO | key_flag::ACCESS),
        ],
        summary: "Store what the first sorted set has and no other",
        since: "6.2.0",
        complexity: "O(L+(N-K)*log(N)) with L the members of all, N those of the first and K those of the result",
        args: args::ZDIFFSTORE,
        ..SEVERAL_BASE
    },
    Spec {
        name: "zinter",
        arity: -3,
        flags: Flags(flag::READONLY | flag::MOVABLE_KEYS),
        key_specs: &[KeySpec::counted(1, key_flag::RO | key_flag::ACCESS)],
        summary: "Get what all sorted sets have",
        since: "6.2.0",
        complexity: "O(N*K+M*log(M)) with N the members of the smallest, K the keys and M the members of the result",
        args: args::ZINTER,
        ..SEVERAL_BASE
    },
    Spec {
        name: "zintercard",
        arity: -3,
        flags: Flags(flag::READONLY | flag::MOVABLE_KEYS),
        key_specs: &[KeySpec::counted(1, key_flag::RO | key_flag::ACCESS)],
        summary: "Count what all sorted sets have",
        since: "7.0.0",
        complexity: "O(N*K) with N the members of the smallest and K the keys",
        args: args::ZINTERCARD,
        ..SEVERAL_BASE
    },
    Spec {
        name: "zinterstore",
        arity: -4,
        flags: Flags(flag::WRITE | flag::DENYOOM | flag::MOVABLE_KEYS),
        keys: Keys::ONE,
        key_specs: &[
            KeySpec::one(1, key_flag::OW | key_flag::UPDATE),
            KeySpec::counted(2, key_flag::RO | key_flag::ACCESS),
        ],
        summary: "Store what all sorted sets have",
        since: "2.0.0",
        complexity: "O(N*K+M*log(M)) with N the members of the smallest, K the keys and M the members of the result",
        args: args::ZINTERSTORE,
        ..SEVERAL_BASE
    },
    Spec {
        name: "zunion",
        arity: -3,
        flags: Flags(flag::READONLY | flag::MOVABLE_KEYS),
        key_specs: &[KeySpec::counted(1, key_flag::RO | key_flag::ACCESS)],
        summary: "Get what any of the sorted sets has",
        since: "6.2.0",
        complexity: "O(N+M*log(M)) with N the members of all and M those of the result",
        args: args::ZUNION,
        ..SEVERAL_BASE
    },
    Spec {
        name: "zunionstore",
        arity: -4,
        flags: Flags(flag::WRITE | flag::DENYOOM | flag::MOVABLE_KEYS),
        keys: Keys::ONE,
        key_specs: &[
            KeySpec::one(1, key_flag::OW | key_flag::UPDATE),
            KeySpec::counted(2, key_flag::RO | key_flag::ACCESS),
        ],
        summary: "Store what any of the sorted sets has",
        since: "2.0.0",
        complexity: "O(N+M*log(M)) with N the members of all and M those of the result",
        args: args::ZUNIONSTORE,
        ..SEVERAL_BASE
    },
];
