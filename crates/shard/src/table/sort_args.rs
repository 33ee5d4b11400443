//! Arguments of the commands in `sort`.

use super::*;

const BY: Arg = arg("pattern", ArgKind::KeyPattern(1)).token("BY").optional();
const LIMIT: Arg =
    arg("offset_count", ArgKind::Block(&[arg("offset", ArgKind::Integer), arg("count", ArgKind::Integer)]))
        .token("LIMIT")
        .optional();
const GET: Arg = arg("pattern", ArgKind::KeyPattern(1)).token("GET").optional().multiple().multiple_token();
const ORDER: Arg = arg("order", ArgKind::OneOf(&[token("asc", "ASC"), token("desc", "DESC")])).optional();

pub(super) const SORT: &[Arg] = &[
    KEY,
    BY,
    LIMIT,
    GET,
    ORDER,
    token("sorting", "ALPHA").optional(),
    arg("destination", ArgKind::Key(2)).token("STORE").optional(),
];

pub(super) const SORT_RO: &[Arg] = &[KEY, BY, LIMIT, GET, ORDER, token("sorting", "ALPHA").optional()];
