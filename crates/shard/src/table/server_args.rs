//! Arguments of the commands in `server`.

use super::*;

pub(super) const FAILOVER: &[Arg] = &[
    arg(
        "target",
        ArgKind::Block(&[
            arg("host", ArgKind::String),
            arg("port", ArgKind::Integer),
            token("force", "FORCE").optional(),
        ]),
    )
    .token("TO")
    .optional(),
    token("abort", "ABORT").optional(),
    arg("milliseconds", ArgKind::Integer).token("TIMEOUT").optional(),
];

pub(super) const FLUSHALL: &[Arg] = &[arg(
    "async",
    ArgKind::OneOf(&[token("async", "ASYNC").since("4.0.0"), token("sync", "SYNC").since("6.2.0")]),
)
.optional()];

pub(super) const FLUSHDB: &[Arg] = &[arg(
    "async",
    ArgKind::OneOf(&[token("async", "ASYNC").since("4.0.0"), token("sync", "SYNC").since("6.2.0")]),
)
.optional()];

pub(super) const SHUTDOWN: &[Arg] = &[
    arg("nosave_save", ArgKind::OneOf(&[token("nosave", "NOSAVE"), token("save", "SAVE")])).optional(),
    token("now", "NOW").since("7.0.0").optional(),
    token("force", "FORCE").since("7.0.0").optional(),
    token("abort", "ABORT").since("7.0.0").optional(),
];
