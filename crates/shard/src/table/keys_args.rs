//! Arguments of the commands in `keys`.

use super::*;

pub(super) const COPY: &[Arg] = &[
    arg("source", ArgKind::Key(0)),
    arg("destination", ArgKind::Key(1)),
    arg("destination-db", ArgKind::Integer).token("DB").optional(),
    token("replace", "REPLACE").optional(),
];

pub(super) const EXPIRE: &[Arg] = &[
    KEY,
    arg("seconds", ArgKind::Integer),
    arg(
        "condition",
        ArgKind::OneOf(&[token("nx", "NX"), token("xx", "XX"), token("gt", "GT"), token("lt", "LT")]),
    )
    .since("7.0.0")
    .optional(),
];

pub(super) const EXPIREAT: &[Arg] = &[
    KEY,
    arg("unix-time-seconds", ArgKind::UnixTime),
    arg(
        "condition",
        ArgKind::OneOf(&[token("nx", "NX"), token("xx", "XX"), token("gt", "GT"), token("lt", "LT")]),
    )
    .since("7.0.0")
    .optional(),
];

pub(super) const PEXPIRE: &[Arg] = &[
    KEY,
    arg("milliseconds", ArgKind::Integer),
    arg(
        "condition",
        ArgKind::OneOf(&[token("nx", "NX"), token("xx", "XX"), token("gt", "GT"), token("lt", "LT")]),
    )
    .since("7.0.0")
    .optional(),
];

pub(super) const PEXPIREAT: &[Arg] = &[
    KEY,
    arg("unix-time-milliseconds", ArgKind::UnixTime),
    arg(
        "condition",
        ArgKind::OneOf(&[token("nx", "NX"), token("xx", "XX"), token("gt", "GT"), token("lt", "LT")]),
    )
    .since("7.0.0")
    .optional(),
];

pub(super) const SCAN: &[Arg] = &[
    arg("cursor", ArgKind::Integer),
    arg("pattern", ArgKind::Pattern).token("MATCH").optional(),
    arg("count", ArgKind::Integer).token("COUNT").optional(),
    arg("type", ArgKind::String).token("TYPE").since("6.0.0").optional(),
];
