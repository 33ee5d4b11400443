//! Values of keys as bytes. The texts are our own.

use super::dump_args as args;
use super::*;

/// What both have in common.
const DUMP_BASE: Spec =
    Spec { categories: Categories(category::KEYSPACE), route: Route::Key, group: Group::Generic, ..BASE };

/// `DUMP` and `RESTORE`.
pub(super) const DUMP: &[Spec] = &[
    Spec {
        name: "dump",
        arity: 2,
        flags: Flags(flag::READONLY),
        keys: Keys::ONE,
        key_specs: &[KeySpec::one(1, key_flag::RO | key_flag::ACCESS)],
        tips: &["nondeterministic_output"],
        summary: "Get the value of a key as bytes that RESTORE takes",
        since: "2.6.0",
        complexity: "O(N) with N the bytes of the value",
        args: &[KEY],
        ..DUMP_BASE
    },
    Spec {
        name: "restore",
        arity: -4,
        flags: Flags(flag::WRITE | flag::DENYOOM),
        keys: Keys::ONE,
        key_specs: &[KeySpec::one(1, key_flag::OW | key_flag::UPDATE)],
        categories: Categories(category::KEYSPACE | category::DANGEROUS),
        summary: "Make a key from bytes that DUMP gave",
        since: "2.6.0",
        complexity: "O(N) with N the bytes of the value, O(N*log(N)) for sorted sets",
        history: &[("3.0.0", "`REPLACE`."), ("5.0.0", "`ABSTTL`."), ("5.0.0", "`IDLETIME` and `FREQ`.")],
        args: args::RESTORE,
        ..DUMP_BASE
    },
];
