//! Arguments of the commands in `sorted_set_range`.

use super::*;

const LIMIT: Arg =
    arg("offset_count", ArgKind::Block(&[arg("offset", ArgKind::Integer), arg("count", ArgKind::Integer)]))
        .token("LIMIT")
        .optional();

pub(super) const ZRANGE: &[Arg] = &[
    KEY,
    arg("start", ArgKind::String),
    arg("stop", ArgKind::String),
    arg("sortby", ArgKind::OneOf(&[token("byscore", "BYSCORE"), token("bylex", "BYLEX")]))
        .since("6.2.0")
        .optional(),
    token("rev", "REV").since("6.2.0").optional(),
    arg("offset_count", ArgKind::Block(&[arg("offset", ArgKind::Integer), arg("count", ArgKind::Integer)]))
        .token("LIMIT")
        .since("6.2.0")
        .optional(),
    token("withscores", "WITHSCORES").optional(),
];

pub(super) const ZRANGEBYLEX: &[Arg] =
    &[KEY, arg("min", ArgKind::String), arg("max", ArgKind::String), LIMIT];

pub(super) const ZRANGEBYSCORE: &[Arg] = &[
    KEY,
    arg("min", ArgKind::Double),
    arg("max", ArgKind::Double),
    token("withscores", "WITHSCORES").since("2.0.0").optional(),
    LIMIT,
];

pub(super) const ZRANGESTORE: &[Arg] = &[
    arg("dst", ArgKind::Key(0)),
    arg("src", ArgKind::Key(1)),
    arg("min", ArgKind::String),
    arg("max", ArgKind::String),
    arg("sortby", ArgKind::OneOf(&[token("byscore", "BYSCORE"), token("bylex", "BYLEX")])).optional(),
    token("rev", "REV").optional(),
    LIMIT,
];

pub(super) const ZREVRANGE: &[Arg] = &[
    KEY,
    arg("start", ArgKind::Integer),
    arg("stop", ArgKind::Integer),
    token("withscores", "WITHSCORES").optional(),
];

pub(super) const ZREVRANGEBYLEX: &[Arg] =
    &[KEY, arg("max", ArgKind::String), arg("min", ArgKind::String), LIMIT];

pub(super) const ZREVRANGEBYSCORE: &[Arg] = &[
    KEY,
    arg("max", ArgKind::Double),
    arg("min", ArgKind::Double),
    token("withscores", "WITHSCORES").optional(),
    LIMIT,
];
