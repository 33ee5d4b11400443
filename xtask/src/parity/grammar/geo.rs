//! Places on earth.

use super::Group;

/// The group.
pub const GROUP: Group = Group {
    name: "geo",
    keys: &["g1", "g2", "z1"],
    private: false,
    lines: &[
        "GEOADD <key> { <longitude> <latitude> <element> }",
        "GEOADD <key> { <longitude> <latitude> <element> }",
        "GEOADD <key> [ ( NX | XX | x ) ] [ CH ] { <longitude> <latitude> <many> }",
        "GEOADD <key> <double> <double> <element>",
        "GEOPOS <key> [ { <element> } ]",
        "GEOHASH <key> [ { <element> } ]",
        "GEODIST <key> <element> <element> [ <unit> ]",
        "GEOSEARCH <key> ( FROMMEMBER <element> | FROMLONLAT <longitude> <latitude> ) ( BYRADIUS <size> <unit> | BYBOX <size> <size> <unit> ) <order> [ COUNT <count> ] [ WITHCOORD ] [ WITHDIST ] [ WITHHASH ]",
        "GEOSEARCH <key> FROMLONLAT <longitude> <latitude> BYRADIUS <size> km [ <search> ] [ <search> ] [ <search> ]",
        "GEOSEARCHSTORE <key> <key> ( FROMMEMBER <element> | FROMLONLAT <longitude> <latitude> ) ( BYRADIUS <size> <unit> | BYBOX <size> <size> <unit> ) <order> [ COUNT <count> ] [ STOREDIST ]",
        "GEORADIUS <key> <longitude> <latitude> <size> <unit> <order> [ COUNT <count> ] [ WITHCOORD ] [ WITHDIST ] [ WITHHASH ]",
        "GEORADIUS <key> <longitude> <latitude> <size> <unit> <order> [ COUNT <count> ] ( STORE | STOREDIST ) <key>",
        "GEORADIUSBYMEMBER <key> <element> <size> <unit> <order> [ COUNT <count> ] [ WITHDIST ]",
        "GEORADIUSBYMEMBER_RO <key> <element> <size> <unit> <order> [ WITHHASH ]",
        "GEORADIUS_RO <key> <longitude> <latitude> <size> <unit> <order> [ WITHCOORD ] [ STORE ]",
        "ZRANGE <key> 0 -1 WITHSCORES",
        "ZREM <key> { <element> }",
        "OBJECT ENCODING <key>",
    ],
    rare: &["DEL <key>"],
    words: &[
        ("unit", &["m", "km", "mi", "ft", "KM", "km", "x", ""]),
        ("size", &["0", "1", "100", "5000", "20000", "0.5", "1e7", "-1", "x", ""]),
        ("order", &["ASC", "DESC", "asc"]),
        ("search", &["ASC", "DESC", "ANY", "COUNT", "WITHDIST", "2", "x", "BYBOX", "FROMMEMBER"]),
    ],
};
