//! `LARGE`: values that are uploaded and read in chunks.

use super::*;

const WRITE: Flags = Flags(flag::WRITE | flag::DENYOOM | flag::NO_MULTI);
const CHANGE: Flags = Flags(flag::WRITE | flag::NO_MULTI);
const READ: Flags = Flags(flag::READONLY | flag::NO_MULTI);

const READS: &[KeySpec] = &[KeySpec::one(2, key_flag::RO | key_flag::ACCESS)];
const CHANGES: &[KeySpec] = &[KeySpec::one(2, key_flag::RW | key_flag::UPDATE)];
const UPLOAD: Arg = arg("upload", ArgKind::String);
const BYTES: Arg = arg("bytes", ArgKind::Integer);
const LEASE: Arg = arg("ms", ArgKind::Integer).token("LEASE").optional();
const NUMBER: Arg = arg("number", ArgKind::Integer);
const CHECKSUM: Arg = arg("checksum", ArgKind::String);
const CONDITION: Arg = arg("condition", ArgKind::OneOf(&[token("nx", "NX"), token("xx", "XX")])).optional();
const EXPIRY: Arg = arg(
    "expiration",
    ArgKind::OneOf(&[
        arg("seconds", ArgKind::Integer).token("EX"),
        arg("milliseconds", ArgKind::Integer).token("PX"),
        arg("unix-time-seconds", ArgKind::UnixTime).token("EXAT"),
        arg("unix-time-milliseconds", ArgKind::UnixTime).token("PXAT"),
        token("keepttl", "KEEPTTL"),
    ]),
)
.optional();

/// A subcommand on a key, since version 0.1.0.
const fn on_key(
    name: &'static str,
    arity: i32,
    flags: Flags,
    key_specs: &'static [KeySpec],
    summary: &'static str,
) -> Spec {
    Spec {
        name,
        arity,
        flags,
        keys: Keys { first: 2, last: 2, step: 1 },
        key_specs,
        categories: Categories(category::STRING),
        route: Route::Key,
        group: Group::String,
        summary,
        since: "0.1.0",
        complexity: "O(1)",
        ..BASE
    }
}

/// A subcommand on a chunk.
const fn on_chunk(name: &'static str, arity: i32, flags: Flags, summary: &'static str) -> Spec {
    Spec {
        name,
        arity,
        flags,
        categories: Categories(category::STRING),
        route: Route::Chunk,
        group: Group::String,
        summary,
        since: "0.1.0",
        complexity: "O(N) where N is the number of bytes of the chunk",
        ..BASE
    }
}

/// `LARGE`.
pub(super) const LARGE: &[Spec] = &[Spec {
    name: "large",
    arity: -2,
    group: Group::String,
    summary: "A container for commands that upload and read large values in chunks",
    since: "0.1.0",
    complexity: "Depends on subcommand.",
    subcommands: &[
        Spec { args: &[KEY, UPLOAD], ..on_key("large|abort", 4, CHANGE, CHANGES, "Give an upload up") },
        Spec {
            args: &[KEY, BYTES, LEASE],
            ..on_key("large|begin", -4, WRITE, CHANGES, "Begin to upload a large value")
        },
        Spec {
            args: &[KEY, UPLOAD, BYTES, CHECKSUM, CONDITION, EXPIRY],
            ..on_key("large|commit", -6, WRITE, CHANGES, "Give a key the value that was uploaded")
        },
        Spec {
            name: "large|help",
            arity: 2,
            flags: Flags(flag::LOADING | flag::STALE),
            group: Group::String,
            summary: "Show helpful text about the different subcommands",
            since: "0.1.0",
            complexity: "O(1)",
            ..BASE
        },
        Spec {
            args: &[UPLOAD, NUMBER],
            ..on_chunk("large|read", 4, READ, "Return a chunk and its checksum")
        },
        Spec {
            args: &[KEY, UPLOAD, BYTES, LEASE],
            ..on_key("large|renew", -5, CHANGE, CHANGES, "Give an upload more time, or more bytes")
        },
        Spec {
            args: &[KEY],
            ..on_key("large|stat", 3, READ, READS, "Return where and how long a value is, and its checksum")
        },
        Spec {
            args: &[UPLOAD, NUMBER, arg("until", ArgKind::UnixTime), CHECKSUM, arg("bytes", ArgKind::String)],
            ..on_chunk("large|write", 7, WRITE, "Upload a chunk")
        },
    ],
    ..BASE
}];
