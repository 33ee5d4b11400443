//! Commands on geographic indexes. Their texts are our own.

use super::geo_args as args;
use super::*;

const READ: &[KeySpec] = &[KeySpec::one(1, key_flag::RO | key_flag::ACCESS)];

/// The key behind `STORE` or `STOREDIST`. Of several the last one counts, as in the command itself.
const fn stored(word: &'static str, from: i8) -> Keyword {
    Keyword { word, from, options: &[("COUNT", 1), ("STORE", 1), ("STOREDIST", 1)] }
}

/// What all of them have in common.
const GEO_BASE: Spec =
    Spec { categories: Categories(category::GEO), route: Route::Key, group: Group::Geo, ..BASE };

/// The geo group of Redis 7.0, deprecated commands included.
pub(super) const GEO: &[Spec] = &[
    Spec {
        name: "geoadd",
        arity: -5,
        flags: Flags(flag::WRITE | flag::DENYOOM),
        keys: Keys::ONE,
        key_specs: &[KeySpec::one(1, key_flag::RW | key_flag::UPDATE)],
        summary: "Add places to a geographic index, or move them",
        since: "3.2.0",
        complexity: "O(M*log(N)) with M the places named and N those of the index",
        history: &[("6.2.0", "`CH`, `NX` and `XX`.")],
        args: args::GEOADD,
        ..GEO_BASE
    },
    Spec {
        name: "geodist",
        arity: -4,
        flags: Flags(flag::READONLY),
        keys: Keys::ONE,
        key_specs: READ,
        summary: "Get the distance between two places",
        since: "3.2.0",
        complexity: "O(log(N)) with N the places of the index",
        args: args::GEODIST,
        ..GEO_BASE
    },
    Spec {
        name: "geohash",
        arity: -2,
        flags: Flags(flag::READONLY),
        keys: Keys::ONE,
        key_specs: READ,
        summary: "Get places as geohash texts",
        since: "3.2.0",
        complexity: "O(M*log(N)) with M the places named and N those of the index",
        args: &[KEY, arg("member", ArgKind::String).multiple()],
        ..GEO_BASE
    },
    Spec {
        name: "geopos",
        arity: -2,
        flags: Flags(flag::READONLY),
        keys: Keys::ONE,
        key_specs: READ,
        summary: "Get the longitude and latitude of places",
        since: "3.2.0",
        complexity: "O(N) with N the places named",
        args: &[KEY, arg("member", ArgKind::String).multiple()],
        ..GEO_BASE
    },
    Spec {
        name: "georadius",
        arity: -6,
        flags: Flags(flag::WRITE | flag::DENYOOM | flag::MOVABLE_KEYS),
        keys: Keys::ONE,
        key_specs: &[
            KeySpec::one(1, key_flag::RO | key_flag::ACCESS),
            KeySpec::behind(stored("STORE", 6), key_flag::OW | key_flag::UPDATE),
            KeySpec::behind(stored("STOREDIST", 6), key_flag::OW | key_flag::UPDATE),
        ],
        summary: "Find the places within a distance of a point, and store them if asked to",
        since: "3.2.0",
        complexity: "O(N+log(M)) with N the places in the box around the circle and M those of the index",
        deprecated: Some(("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument")),
        history: &[("6.2.0", "`ANY` after `COUNT`."), ("7.0.0", "Units in any case.")],
        args: args::GEORADIUS,
        ..GEO_BASE
    },
    Spec {
        name: "georadius_ro",
        arity: -6,
        flags: Flags(flag::READONLY),
        keys: Keys::ONE,
        key_specs: READ,
        summary: "Find the places within a distance of a point",
        since: "3.2.10",
        complexity: "O(N+log(M)) with N the places in the box around the circle and M those of the index",
        deprecated: Some(("6.2.0", "`GEOSEARCH` with the `BYRADIUS` argument")),
        history: &[("6.2.0", "`ANY` after `COUNT`.")],
        args: args::GEORADIUS_RO,
        ..GEO_BASE
    },
    Spec {
        name: "georadiusbymember",
        arity: -5,
        flags: Flags(flag::WRITE | flag::DENYOOM | flag::MOVABLE_KEYS),
        keys: Keys::ONE,
        key_specs: &[
            KeySpec::one(1, key_flag::RO | key_flag::ACCESS),
            KeySpec::behind(stored("STORE", 5), key_flag::OW | key_flag::UPDATE),
            KeySpec::behind(stored("STOREDIST", 5), key_flag::OW | key_flag::UPDATE),
        ],
        summary: "Find the places within a distance of a place, and store them if asked to",
        since: "3.2.0",
        complexity: "O(N+log(M)) with N the places in the box around the circle and M those of the index",
        deprecated: Some((
            "6.2.0",
            "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments",
        )),
        history: &[("7.0.0", "Units in any case.")],
        args: args::GEORADIUSBYMEMBER,
        ..GEO_BASE
    },
    Spec {
        name: "georadiusbymember_ro",
        arity: -5,
        flags: Flags(flag::READONLY),
        keys: Keys::ONE,
        key_specs: READ,
        summary: "Find the places within a distance of a place",
        since: "3.2.10",
        complexity: "O(N+log(M)) with N the places in the box around the circle and M those of the index",
        deprecated: Some(("6.2.0", "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments")),
        args: args::GEORADIUSBYMEMBER_RO,
        ..GEO_BASE
    },
    Spec {
        name: "geosearch",
        arity: -7,
        flags: Flags(flag::READONLY),
        keys: Keys::ONE,
        key_specs: READ,
        summary: "Find the places inside a circle or a box",
        since: "6.2.0",
        complexity: "O(N+log(M)) with N the places in the box around the shape and M those of the index",
        history: &[("7.0.0", "Units in any case.")],
        args: args::GEOSEARCH,
        ..GEO_BASE
    },
    Spec {
        name: "geosearchstore",
        arity: -8,
        flags: Flags(flag::WRITE | flag::DENYOOM),
        keys: Keys { first: 1, last: 2, step: 1 },
        key_specs: &[
            KeySpec::one(1, key_flag::OW | key_flag::UPDATE),
            KeySpec::one(2, key_flag::RO | key_flag::ACCESS),
        ],
        summary: "Store the places inside a circle or a box under another key",
        since: "6.2.0",
        complexity: "O(N+log(M)) with N the places in the box around the shape and M those of the index",
        history: &[("7.0.0", "Units in any case.")],
        args: args::GEOSEARCHSTORE,
        ..GEO_BASE
    },
];
