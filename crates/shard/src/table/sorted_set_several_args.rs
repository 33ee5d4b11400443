//! Arguments of the commands in `sorted_set_several`.

use super::*;

const WEIGHTS: Arg = arg("weight", ArgKind::Integer).token("WEIGHTS").optional().multiple();
const AGGREGATE: Arg =
    arg("aggregate", ArgKind::OneOf(&[token("sum", "SUM"), token("min", "MIN"), token("max", "MAX")]))
        .token("AGGREGATE")
        .optional();

pub(super) const ZDIFF: &[Arg] =
    &[arg("numkeys", ArgKind::Integer), KEY.multiple(), token("withscores", "WITHSCORES").optional()];

pub(super) const ZDIFFSTORE: &[Arg] = &[
    arg("destination", ArgKind::Key(0)),
    arg("numkeys", ArgKind::Integer),
    arg("key", ArgKind::Key(1)).multiple(),
];

pub(super) const ZINTER: &[Arg] = &[
    arg("numkeys", ArgKind::Integer),
    KEY.multiple(),
    WEIGHTS,
    AGGREGATE,
    token("withscores", "WITHSCORES").optional(),
];

pub(super) const ZINTERCARD: &[Arg] = &[
    arg("numkeys", ArgKind::Integer),
    KEY.multiple(),
    arg("limit", ArgKind::Integer).token("LIMIT").optional(),
];

pub(super) const ZINTERSTORE: &[Arg] = &[
    arg("destination", ArgKind::Key(0)),
    arg("numkeys", ArgKind::Integer),
    arg("key", ArgKind::Key(1)).multiple(),
    WEIGHTS,
    AGGREGATE,
];

pub(super) const ZUNION: &[Arg] = &[
    arg("numkeys", ArgKind::Integer),
    KEY.multiple(),
    WEIGHTS,
    AGGREGATE,
    token("withscores", "WITHSCORES").optional(),
];

pub(super) const ZUNIONSTORE: &[Arg] = &[
    arg("destination", ArgKind::Key(0)),
    arg("numkeys", ArgKind::Integer),
    arg("key", ArgKind::Key(1)).multiple(),
    WEIGHTS,
    AGGREGATE,
];
