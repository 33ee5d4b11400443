//! Arguments of the commands in `string`.

use super::*;

pub(super) const GETEX: &[Arg] = &[
    KEY,
    arg(
        "expiration",
        ArgKind::OneOf(&[
            arg("seconds", ArgKind::Integer).token("EX"),
            arg("milliseconds", ArgKind::Integer).token("PX"),
            arg("unix-time-seconds", ArgKind::UnixTime).token("EXAT"),
            arg("unix-time-milliseconds", ArgKind::UnixTime).token("PXAT"),
            token("persist", "PERSIST"),
        ]),
    )
    .optional(),
];

pub(super) const LCS: &[Arg] = &[
    arg("key1", ArgKind::Key(0)),
    arg("key2", ArgKind::Key(0)),
    token("len", "LEN").optional(),
    token("idx", "IDX").optional(),
    arg("len", ArgKind::Integer).token("MINMATCHLEN").optional(),
    token("withmatchlen", "WITHMATCHLEN").optional(),
];

pub(super) const MSET: &[Arg] =
    &[arg("key_value", ArgKind::Block(&[KEY, arg("value", ArgKind::String)])).multiple()];

pub(super) const MSETNX: &[Arg] =
    &[arg("key_value", ArgKind::Block(&[KEY, arg("value", ArgKind::String)])).multiple()];

pub(super) const SET: &[Arg] = &[
    KEY,
    arg("value", ArgKind::String),
    arg("condition", ArgKind::OneOf(&[token("nx", "NX"), token("xx", "XX")])).since("2.6.12").optional(),
    token("get", "GET").since("6.2.0").optional(),
    arg(
        "expiration",
        ArgKind::OneOf(&[
            arg("seconds", ArgKind::Integer).token("EX").since("2.6.12"),
            arg("milliseconds", ArgKind::Integer).token("PX").since("2.6.12"),
            arg("unix-time-seconds", ArgKind::UnixTime).token("EXAT").since("6.2.0"),
            arg("unix-time-milliseconds", ArgKind::UnixTime).token("PXAT").since("6.2.0"),
            token("keepttl", "KEEPTTL").since("6.0.0"),
        ]),
    )
    .optional(),
];
