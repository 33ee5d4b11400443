//! Strings.

use super::Group;

/// The group.
pub const GROUP: Group = Group {
    name: "strings",
    keys: &["s1", "s2", "s3", "s4"],
    lines: &[
        "GET <key>",
        "SET <key> <value>",
        "SET <key> <value>",
        "SET <key> <long>",
        "SET <key> <value> [ <option> ] [ <option> ] [ <expiry> ]",
        "SET <key> <value> [ ( NX | XX ) ] [ GET ] [ ( EX <seconds> | PX <milliseconds> | EXAT <future> | PXAT <future-ms> | KEEPTTL ) ]",
        "SETNX <key> <value>",
        "SETEX <key> <seconds> <value>",
        "PSETEX <key> <milliseconds> <value>",
        "GETSET <key> <value>",
        "GETDEL <key>",
        "GETEX <key> [ ( EX <seconds> | PX <milliseconds> | EXAT <moment> | PXAT <moment-ms> | PERSIST ) ]",
        "GETEX <key> [ <option> ] [ EX <seconds> ] [ <option> ]",
        "MGET { <key> }",
        "MSET { <key> <value> }",
        "MSET { <key> <value> } [ <key> ]",
        "MSETNX { <key> <value> }",
        "MSETNX { <key> <value> } [ <key> ]",
        "APPEND <key> <value>",
        "SETRANGE <key> <offset> <value>",
        "GETRANGE <key> <index> <index>",
        "SUBSTR <key> <index> <index>",
        "STRLEN <key>",
        "INCR <key>",
        "DECR <key>",
        "INCRBY <key> <integer>",
        "DECRBY <key> <integer>",
        "INCRBYFLOAT <key> <float>",
        "SET <key> <float>",
        "LCS <key> <key> [ ( LEN | IDX ) ] [ MINMATCHLEN <count> ] [ WITHMATCHLEN ]",
        "LCS <key> <key> [ <lcs> ] [ <lcs> ] [ <lcs> ]",
    ],
    rare: &[],
    words: &[
        ("option", &["NX", "XX", "GET", "KEEPTTL", "PERSIST", "get", "EX", "oops", "PX"]),
        ("expiry", &["KEEPTTL", "EX", "PXAT", "PERSIST", "GET"]),
        ("lcs", &["LEN", "IDX", "WITHMATCHLEN", "MINMATCHLEN", "1", "3", "x"]),
        ("offset", &["0", "1", "5", "100", "1000", "-1", "536870912", "9223372036854775807", "x", ""]),
    ],
};
