//! Arguments of the commands in `bitmap`.

use super::*;

const OFFSET: Arg = arg("offset", ArgKind::Integer);
const ENCODING: Arg = arg("encoding", ArgKind::String);
const UNIT: Arg =
    arg("unit", ArgKind::OneOf(&[token("byte", "BYTE"), token("bit", "BIT")])).since("7.0.0").optional();
const GET: Arg = arg("get-block", ArgKind::Block(&[ENCODING, OFFSET])).token("GET");

pub(super) const BITCOUNT: &[Arg] = &[
    KEY,
    arg("range", ArgKind::Block(&[arg("start", ArgKind::Integer), arg("end", ArgKind::Integer), UNIT]))
        .optional(),
];

pub(super) const BITFIELD: &[Arg] = &[
    KEY,
    arg(
        "operation",
        ArgKind::OneOf(&[
            GET,
            arg(
                "write",
                ArgKind::Block(&[
                    arg(
                        "overflow-block",
                        ArgKind::OneOf(&[token("wrap", "WRAP"), token("sat", "SAT"), token("fail", "FAIL")]),
                    )
                    .token("OVERFLOW")
                    .optional(),
                    arg(
                        "write-operation",
                        ArgKind::OneOf(&[
                            arg(
                                "set-block",
                                ArgKind::Block(&[ENCODING, OFFSET, arg("value", ArgKind::Integer)]),
                            )
                            .token("SET"),
                            arg(
                                "incrby-block",
                                ArgKind::Block(&[ENCODING, OFFSET, arg("increment", ArgKind::Integer)]),
                            )
                            .token("INCRBY"),
                        ]),
                    ),
                ]),
            ),
        ]),
    )
    .optional()
    .multiple(),
];

pub(super) const BITFIELD_RO: &[Arg] = &[KEY, GET.optional().multiple().multiple_token()];

pub(super) const BITOP: &[Arg] = &[
    arg(
        "operation",
        ArgKind::OneOf(&[token("and", "AND"), token("or", "OR"), token("xor", "XOR"), token("not", "NOT")]),
    ),
    arg("destkey", ArgKind::Key(0)),
    arg("key", ArgKind::Key(1)).multiple(),
];

pub(super) const BITPOS: &[Arg] = &[
    KEY,
    arg("bit", ArgKind::Integer),
    arg(
        "range",
        ArgKind::Block(&[
            arg("start", ArgKind::Integer),
            arg("end-unit-block", ArgKind::Block(&[arg("end", ArgKind::Integer), UNIT])).optional(),
        ]),
    )
    .optional(),
];

pub(super) const GETBIT: &[Arg] = &[KEY, OFFSET];

pub(super) const SETBIT: &[Arg] = &[KEY, OFFSET, arg("value", ArgKind::Integer)];
