//! Arguments of the commands in `set`.

use super::*;

pub(super) const SINTERCARD: &[Arg] = &[
    arg("numkeys", ArgKind::Integer),
    KEY.multiple(),
    arg("limit", ArgKind::Integer).token("LIMIT").optional(),
];

pub(super) const SMOVE: &[Arg] =
    &[arg("source", ArgKind::Key(0)), arg("destination", ArgKind::Key(1)), arg("member", ArgKind::String)];

pub(super) const SSCAN: &[Arg] = &[
    KEY,
    arg("cursor", ArgKind::Integer),
    arg("pattern", ArgKind::Pattern).token("MATCH").optional(),
    arg("count", ArgKind::Integer).token("COUNT").optional(),
];
