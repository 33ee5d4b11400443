//! Places on earth. No two members are at the same place, as long as no other group comes near these keys: which of them is
//! the nearer one is nobody's business.

use super::Group;

/// The group.
pub const GROUP: Group = Group {
    name: "geo",
    keys: &["g1", "g2", "g3"],
    private: true,
    lines: &[
        "GEOADD <key> { <longitude> <latitude> <element> }",
        "GEOADD <key> { <longitude> <latitude> <element> }",
        "GEOADD <key> [ ( NX | XX | x ) ] [ CH ] { <longitude> <latitude> <many> }",
        "GEOADD <key> <double> 90 <element>",
        "GEOPOS <key> [ { <element> } ]",
        "GEOHASH <key> [ { <element> } ]",
        "GEODIST <key> <element> <element> [ <unit> ]",
        "GEOSEARCH <key> ( FROMMEMBER <element> | FROMLONLAT <longitude> <latitude> ) ( BYRADIUS <size> <unit> | BYBOX <size> <size> <unit> ) <order> [ COUNT <count> ] [ WITHCOORD ] [ WITHDIST ] [ WITHHASH ]",
        "GEOSEARCH <key> FROMLONLAT <longitude> <latitude> BYRADIUS <size> km [ <search> ] [ <search> ] [ <search> ]",
        "GEOSEARCHSTORE <key> <key> ( FROMMEMBER <element> | FROMLONLAT <longitude> <latitude> ) ( BYRADIUS <size> <unit> | BYBOX <size> <size> <unit> ) <order> [ COUNT <count> ]",
        "GEOSEARCHSTORE distances <key> FROMLONLAT <longitude> <latitude> BYRADIUS <size> <unit> <order> [ COUNT <count> ] STOREDIST",
        "GEORADIUS <key> <longitude> <latitude> <size> <unit> <order> [ COUNT <count> ] [ WITHCOORD ] [ WITHDIST ] [ WITHHASH ]",
        "GEORADIUS <key> <longitude> <latitude> <size> <unit> <order> [ COUNT <count> ] STORE <key>",
        "GEORADIUSBYMEMBER <key> <element> <size> <unit> <order> STOREDIST distances",
        "GEORADIUSBYMEMBER <key> <element> <size> <unit> <order> [ COUNT <count> ] [ WITHDIST ]",
        "GEORADIUSBYMEMBER_RO <key> <element> <size> <unit> <order> [ WITHHASH ]",
        "GEORADIUS_RO <key> <longitude> <latitude> <size> <unit> <order> [ WITHCOORD ] [ STORE ]",
        "ZRANGE <key> 0 -1 WITHSCORES",
        "ZRANGE distances 0 -1 WITHSCORES",
        "SET <key> <value>",
        "DEL <key>",
        "ZREM <key> { <element> }",
        "OBJECT ENCODING <key>",
    ],
    rare: &[],
    words: &[
        ("unit", &["m", "km", "mi", "ft", "KM", "km", "x", ""]),
        ("size", &["0", "1", "100", "5000", "20000", "0.5", "1e7", "-1", "x", ""]),
        ("order", &["ASC", "DESC", "asc"]),
        ("search", &["ASC", "DESC", "ANY", "COUNT", "WITHDIST", "2", "x", "BYBOX", "FROMMEMBER"]),
    ],
};
