//! Arguments of the commands in `hash`.

use super::*;

const FIELD_VALUE: Arg =
    arg("field_value", ArgKind::Block(&[arg("field", ArgKind::String), arg("value", ArgKind::String)]))
        .multiple();

pub(super) const HMSET: &[Arg] = &[KEY, FIELD_VALUE];

pub(super) const HRANDFIELD: &[Arg] = &[
    KEY,
    arg(
        "options",
        ArgKind::Block(&[arg("count", ArgKind::Integer), token("withvalues", "WITHVALUES").optional()]),
    )
    .optional(),
];

pub(super) const HSCAN: &[Arg] = &[
    KEY,
    arg("cursor", ArgKind::Integer),
    arg("pattern", ArgKind::Pattern).token("MATCH").optional(),
    arg("count", ArgKind::Integer).token("COUNT").optional(),
];

pub(super) const HSET: &[Arg] = &[KEY, FIELD_VALUE];
