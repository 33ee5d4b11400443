//! Arguments of the commands in `stream`.

use super::*;

const STRATEGY: Arg =
    arg("strategy", ArgKind::OneOf(&[token("maxlen", "MAXLEN"), token("minid", "MINID").since("6.2.0")]));
const OPERATOR: Arg =
    arg("operator", ArgKind::OneOf(&[token("equal", "="), token("approximately", "~")])).optional();
const LIMIT: Arg = arg("count", ArgKind::Integer).token("LIMIT").since("6.2.0").optional();

pub(super) const XADD: &[Arg] = &[
    KEY,
    token("nomkstream", "NOMKSTREAM").since("6.2.0").optional(),
    arg("trim", ArgKind::Block(&[STRATEGY, OPERATOR, arg("threshold", ArgKind::String), LIMIT])).optional(),
    arg("id_or_auto", ArgKind::OneOf(&[token("auto_id", "*"), arg("id", ArgKind::String)])),
    arg("field_value", ArgKind::Block(&[arg("field", ArgKind::String), arg("value", ArgKind::String)]))
        .multiple(),
];

pub(super) const XINFO_STREAM: &[Arg] = &[
    KEY,
    arg("full", ArgKind::Block(&[arg("count", ArgKind::Integer).token("COUNT").optional()]))
        .token("FULL")
        .optional(),
];

pub(super) const XRANGE: &[Arg] = &[
    KEY,
    arg("start", ArgKind::String),
    arg("end", ArgKind::String),
    arg("count", ArgKind::Integer).token("COUNT").optional(),
];

pub(super) const XREVRANGE: &[Arg] = &[
    KEY,
    arg("end", ArgKind::String),
    arg("start", ArgKind::String),
    arg("count", ArgKind::Integer).token("COUNT").optional(),
];

pub(super) const XSETID: &[Arg] = &[
    KEY,
    arg("last-id", ArgKind::String),
    arg("entries_added", ArgKind::Integer).token("ENTRIESADDED").since("7.0.0").optional(),
    arg("max_deleted_entry_id", ArgKind::String).token("MAXDELETEDID").since("7.0.0").optional(),
];

pub(super) const XTRIM: &[Arg] =
    &[KEY, arg("trim", ArgKind::Block(&[STRATEGY, OPERATOR, arg("threshold", ArgKind::String), LIMIT]))];

pub(super) const XREAD: &[Arg] = &[
    arg("count", ArgKind::Integer).token("COUNT").optional(),
    arg("milliseconds", ArgKind::Integer).token("BLOCK").optional(),
    arg("streams", ArgKind::Block(&[KEY.multiple(), arg("id", ArgKind::String).multiple()])).token("STREAMS"),
];
