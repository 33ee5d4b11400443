//! Arguments of the commands in `list`.

use super::*;

const WHEREFROM: Arg = arg("wherefrom", ArgKind::OneOf(&[token("left", "LEFT"), token("right", "RIGHT")]));
const WHERETO: Arg = arg("whereto", ArgKind::OneOf(&[token("left", "LEFT"), token("right", "RIGHT")]));
const WHERE: Arg = arg("where", ArgKind::OneOf(&[token("left", "LEFT"), token("right", "RIGHT")]));

pub(super) const LINSERT: &[Arg] = &[
    KEY,
    arg("where", ArgKind::OneOf(&[token("before", "BEFORE"), token("after", "AFTER")])),
    arg("pivot", ArgKind::String),
    arg("element", ArgKind::String),
];

pub(super) const LMOVE: &[Arg] =
    &[arg("source", ArgKind::Key(0)), arg("destination", ArgKind::Key(1)), WHEREFROM, WHERETO];

pub(super) const LMPOP: &[Arg] = &[
    arg("numkeys", ArgKind::Integer),
    KEY.multiple(),
    WHERE,
    arg("count", ArgKind::Integer).token("COUNT").optional(),
];

pub(super) const LPOS: &[Arg] = &[
    KEY,
    arg("element", ArgKind::String),
    arg("rank", ArgKind::Integer).token("RANK").optional(),
    arg("num-matches", ArgKind::Integer).token("COUNT").optional(),
    arg("len", ArgKind::Integer).token("MAXLEN").optional(),
];

pub(super) const BLMOVE: &[Arg] = &[
    arg("source", ArgKind::Key(0)),
    arg("destination", ArgKind::Key(1)),
    WHEREFROM,
    WHERETO,
    arg("timeout", ArgKind::Double),
];

pub(super) const BLMPOP: &[Arg] = &[
    arg("timeout", ArgKind::Double),
    arg("numkeys", ArgKind::Integer),
    KEY.multiple(),
    WHERE,
    arg("count", ArgKind::Integer).token("COUNT").optional(),
];

pub(super) const BRPOPLPUSH: &[Arg] =
    &[arg("source", ArgKind::Key(0)), arg("destination", ArgKind::Key(1)), arg("timeout", ArgKind::Double)];
