//! Commands on the bits of strings. Their texts are our own.

use super::bitmap_args as args;
use super::*;

const ONE: Keys = Keys { first: 1, last: 1, step: 1 };
const READ: &[KeySpec] = &[KeySpec::one(1, key_flag::RO | key_flag::ACCESS)];
const UNITS: &[(&str, &str)] = &[("7.0.0", "The range may be in bits: `BYTE` and `BIT`.")];

/// What all of them have in common.
const BIT_BASE: Spec =
    Spec { categories: Categories(category::BITMAP), route: Route::Key, group: Group::Bitmap, ..BASE };

/// The bitmap group of Redis 7.4.
pub(super) const BITMAP: &[Spec] = &[
    Spec {
        name: "bitcount",
        arity: -2,
        flags: Flags(flag::READONLY),
        keys: ONE,
        key_specs: READ,
        summary: "Count the one bits of a string or of a range of it",
        since: "2.6.0",
        complexity: "O(N) with N the bytes of the range",
        history: UNITS,
        args: args::BITCOUNT,
        ..BIT_BASE
    },
    Spec {
        name: "bitfield",
        arity: -2,
        flags: Flags(flag::WRITE | flag::DENYOOM),
        keys: ONE,
        key_specs: &[KeySpec::one(
            1,
            key_flag::RW | key_flag::ACCESS | key_flag::UPDATE | key_flag::VARIABLE_FLAGS,
        )
        .notes("RO and ACCESS if all operations are `GET`")],
        summary: "Read, set and increment integers of any width in a string",
        since: "3.2.0",
        complexity: "O(1) for each operation",
        args: args::BITFIELD,
        ..BIT_BASE
    },
    Spec {
        name: "bitfield_ro",
        arity: -2,
        flags: Flags(flag::READONLY | flag::FAST),
        keys: ONE,
        key_specs: READ,
        summary: "Read integers of any width in a string",
        since: "6.0.0",
        complexity: "O(1) for each operation",
        args: args::BITFIELD_RO,
        ..BIT_BASE
    },
    Spec {
        name: "bitop",
        arity: -4,
        flags: Flags(flag::WRITE | flag::DENYOOM),
        keys: Keys { first: 2, last: -1, step: 1 },
        key_specs: &[
            KeySpec::one(2, key_flag::OW | key_flag::UPDATE),
            KeySpec::range(3, -1, 1, key_flag::RO | key_flag::ACCESS),
        ],
        summary: "Join strings bit by bit and store the result",
        since: "2.6.0",
        complexity: "O(N) with N the bytes of all sources",
        args: args::BITOP,
        ..BIT_BASE
    },
    Spec {
        name: "bitpos",
        arity: -3,
        flags: Flags(flag::READONLY),
        keys: ONE,
        key_specs: READ,
        summary: "Find the first one or zero bit of a string or of a range of it",
        since: "2.8.7",
        complexity: "O(N) with N the bytes of the range",
        history: UNITS,
        args: args::BITPOS,
        ..BIT_BASE
    },
    Spec {
        name: "getbit",
        arity: 3,
        flags: Flags(flag::READONLY | flag::FAST),
        keys: ONE,
        key_specs: READ,
        summary: "Get a bit of a string",
        since: "2.2.0",
        complexity: "O(1)",
        args: args::GETBIT,
        ..BIT_BASE
    },
    Spec {
        name: "setbit",
        arity: 4,
        flags: Flags(flag::WRITE | flag::DENYOOM),
        keys: ONE,
        key_specs: &[KeySpec::one(1, key_flag::RW | key_flag::ACCESS | key_flag::UPDATE)],
        summary: "Set or clear a bit of a string and get what it was",
        since: "2.2.0",
        complexity: "O(1); O(N) with N the new length when the string grows",
        args: args::SETBIT,
        ..BIT_BASE
    },
];
