//! Arguments of the commands in `connection`.

use super::*;

pub(super) const AUTH: &[Arg] =
    &[arg("username", ArgKind::String).since("6.0.0").optional(), arg("password", ArgKind::String)];

pub(super) const HELLO: &[Arg] = &[arg(
    "arguments",
    ArgKind::Block(&[
        arg("protover", ArgKind::Integer),
        arg(
            "username_password",
            ArgKind::Block(&[arg("username", ArgKind::String), arg("password", ArgKind::String)]),
        )
        .token("AUTH")
        .optional(),
        arg("clientname", ArgKind::String).token("SETNAME").optional(),
    ]),
)
.optional()];

pub(super) const READONLY: &[Arg] = &[arg(
    "staleness",
    ArgKind::OneOf(&[arg("milliseconds", ArgKind::Integer).token("MAX-STALENESS"), token("stale", "STALE")]),
)
.optional()];
