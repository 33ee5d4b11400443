//! Arguments of the commands in `geo`.

use super::*;

const UNIT: Arg =
    arg("unit", ArgKind::OneOf(&[token("m", "M"), token("km", "KM"), token("ft", "FT"), token("mi", "MI")]));
const OLDER_COUNT: Arg = arg(
    "count",
    ArgKind::Block(&[
        arg("count", ArgKind::Integer).token("COUNT"),
        token("any", "ANY").since("6.2.0").optional(),
    ]),
)
.optional();
const ORDER: Arg = arg("order", ArgKind::OneOf(&[token("asc", "ASC"), token("desc", "DESC")])).optional();
const COUNT: Arg = arg(
    "count",
    ArgKind::Block(&[arg("count", ArgKind::Integer).token("COUNT"), token("any", "ANY").optional()]),
)
.optional();
const FROMLONLAT: Arg = arg(
    "longitude_latitude",
    ArgKind::Block(&[arg("longitude", ArgKind::Double), arg("latitude", ArgKind::Double)]),
)
.token("FROMLONLAT");
const FROM: Arg =
    arg("from", ArgKind::OneOf(&[arg("member", ArgKind::String).token("FROMMEMBER"), FROMLONLAT]));
const CIRCLE: Arg = arg("circle", ArgKind::Block(&[arg("radius", ArgKind::Double).token("BYRADIUS"), UNIT]));
const BOX: Arg = arg(
    "box",
    ArgKind::Block(&[arg("width", ArgKind::Double).token("BYBOX"), arg("height", ArgKind::Double), UNIT]),
);

pub(super) const GEOADD: &[Arg] = &[
    KEY,
    arg("condition", ArgKind::OneOf(&[token("nx", "NX"), token("xx", "XX")])).since("6.2.0").optional(),
    token("change", "CH").since("6.2.0").optional(),
    arg(
        "longitude_latitude_member",
        ArgKind::Block(&[
            arg("longitude", ArgKind::Double),
            arg("latitude", ArgKind::Double),
            arg("member", ArgKind::String),
        ]),
    )
    .multiple(),
];

pub(super) const GEODIST: &[Arg] = &[
    KEY,
    arg("member1", ArgKind::String),
    arg("member2", ArgKind::String),
    arg("unit", ArgKind::OneOf(&[token("m", "M"), token("km", "KM"), token("ft", "FT"), token("mi", "MI")]))
        .optional(),
];

pub(super) const GEORADIUS: &[Arg] = &[
    KEY,
    arg("longitude", ArgKind::Double),
    arg("latitude", ArgKind::Double),
    arg("radius", ArgKind::Double),
    UNIT,
    token("withcoord", "WITHCOORD").optional(),
    token("withdist", "WITHDIST").optional(),
    token("withhash", "WITHHASH").optional(),
    OLDER_COUNT,
    ORDER,
    arg("key", ArgKind::Key(1)).token("STORE").optional(),
    arg("key", ArgKind::Key(2)).token("STOREDIST").optional(),
];

pub(super) const GEORADIUS_RO: &[Arg] = &[
    KEY,
    arg("longitude", ArgKind::Double),
    arg("latitude", ArgKind::Double),
    arg("radius", ArgKind::Double),
    UNIT,
    token("withcoord", "WITHCOORD").optional(),
    token("withdist", "WITHDIST").optional(),
    token("withhash", "WITHHASH").optional(),
    OLDER_COUNT,
    ORDER,
];

pub(super) const GEORADIUSBYMEMBER: &[Arg] = &[
    KEY,
    arg("member", ArgKind::String),
    arg("radius", ArgKind::Double),
    UNIT,
    token("withcoord", "WITHCOORD").optional(),
    token("withdist", "WITHDIST").optional(),
    token("withhash", "WITHHASH").optional(),
    COUNT,
    ORDER,
    arg("key", ArgKind::Key(1)).token("STORE").optional(),
    arg("key", ArgKind::Key(2)).token("STOREDIST").optional(),
];

pub(super) const GEORADIUSBYMEMBER_RO: &[Arg] = &[
    KEY,
    arg("member", ArgKind::String),
    arg("radius", ArgKind::Double),
    UNIT,
    token("withcoord", "WITHCOORD").optional(),
    token("withdist", "WITHDIST").optional(),
    token("withhash", "WITHHASH").optional(),
    COUNT,
    ORDER,
];

pub(super) const GEOSEARCH: &[Arg] = &[
    KEY,
    FROM,
    arg("by", ArgKind::OneOf(&[CIRCLE, BOX])),
    ORDER,
    COUNT,
    token("withcoord", "WITHCOORD").optional(),
    token("withdist", "WITHDIST").optional(),
    token("withhash", "WITHHASH").optional(),
];

pub(super) const GEOSEARCHSTORE: &[Arg] = &[
    arg("destination", ArgKind::Key(0)),
    arg("source", ArgKind::Key(1)),
    FROM,
    arg("by", ArgKind::OneOf(&[CIRCLE, BOX])),
    ORDER,
    COUNT,
    token("storedist", "STOREDIST").optional(),
];
