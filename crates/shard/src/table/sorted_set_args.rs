//! Arguments of the commands in `sorted_set`.

use super::*;

const WHERE: Arg = arg("where", ArgKind::OneOf(&[token("min", "MIN"), token("max", "MAX")]));

pub(super) const ZADD: &[Arg] = &[
    KEY,
    arg("condition", ArgKind::OneOf(&[token("nx", "NX"), token("xx", "XX")])).since("3.0.2").optional(),
    arg("comparison", ArgKind::OneOf(&[token("gt", "GT"), token("lt", "LT")])).since("6.2.0").optional(),
    token("change", "CH").since("3.0.2").optional(),
    token("increment", "INCR").since("3.0.2").optional(),
    arg("score_member", ArgKind::Block(&[arg("score", ArgKind::Double), arg("member", ArgKind::String)]))
        .multiple(),
];

pub(super) const ZMPOP: &[Arg] = &[
    arg("numkeys", ArgKind::Integer),
    KEY.multiple(),
    WHERE,
    arg("count", ArgKind::Integer).token("COUNT").optional(),
];

pub(super) const ZRANDMEMBER: &[Arg] = &[
    KEY,
    arg(
        "options",
        ArgKind::Block(&[arg("count", ArgKind::Integer), token("withscores", "WITHSCORES").optional()]),
    )
    .optional(),
];

pub(super) const ZSCAN: &[Arg] = &[
    KEY,
    arg("cursor", ArgKind::Integer),
    arg("pattern", ArgKind::Pattern).token("MATCH").optional(),
    arg("count", ArgKind::Integer).token("COUNT").optional(),
];

pub(super) const BZMPOP: &[Arg] = &[
    arg("timeout", ArgKind::Double),
    arg("numkeys", ArgKind::Integer),
    KEY.multiple(),
    WHERE,
    arg("count", ArgKind::Integer).token("COUNT").optional(),
];
