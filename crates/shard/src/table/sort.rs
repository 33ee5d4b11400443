//! Sorting of lists, sets and sorted sets. The texts are our own.

use super::sort_args as args;
use super::*;

/// The last one counts, as in the command itself.
const STORE: Keyword =
    Keyword { word: "STORE", from: 2, options: &[("BY", 1), ("GET", 1), ("LIMIT", 2), ("STORE", 1)] };

/// What both have in common.
const SORT_BASE: Spec = Spec {
    categories: Categories(category::SET | category::SORTEDSET | category::LIST | category::DANGEROUS),
    route: Route::Key,
    group: Group::Generic,
    ..BASE
};

/// `SORT` and the form that only reads.
pub(super) const SORT: &[Spec] = &[
    Spec {
        name: "sort",
        arity: -2,
        flags: Flags(flag::WRITE | flag::DENYOOM | flag::MOVABLE_KEYS),
        keys: Keys::ONE,
        key_specs: &[
            KeySpec::one(1, key_flag::RO | key_flag::ACCESS),
            KeySpec::unknown(key_flag::RO | key_flag::ACCESS)
                .notes("`BY` and `GET`: the names of these keys follow from the elements"),
            KeySpec::hidden(STORE, key_flag::OW | key_flag::UPDATE)
                .notes("`STORE`: it may stand anywhere among the options"),
        ],
        summary: "Sort a list, set or sorted set, and store the result if asked to",
        since: "1.0.0",
        complexity: "O(N+M*log(M)) with N the elements of the key and M those returned",
        args: args::SORT,
        ..SORT_BASE
    },
    Spec {
        name: "sort_ro",
        arity: -2,
        flags: Flags(flag::READONLY | flag::MOVABLE_KEYS),
        keys: Keys::ONE,
        key_specs: &[
            KeySpec::one(1, key_flag::RO | key_flag::ACCESS),
            KeySpec::unknown(key_flag::RO | key_flag::ACCESS)
                .notes("`BY` and `GET`: the names of these keys follow from the elements"),
        ],
        summary: "Sort a list, set or sorted set",
        since: "7.0.0",
        complexity: "O(N+M*log(M)) with N the elements of the key and M those returned",
        args: args::SORT_RO,
        ..SORT_BASE
    },
];
