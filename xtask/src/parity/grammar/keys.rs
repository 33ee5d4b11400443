//! Keys of any type: what they are, their times, their names.

use super::Group;

/// The group.
pub const GROUP: Group = Group {
    name: "keys",
    keys: &["s1", "b1", "h1", "l1", "t1", "z1", "p1", "none"],
    lines: &[
        "DEL { <any-key> }",
        "UNLINK <any-key>",
        "EXISTS { <any-key> }",
        "TOUCH { <any-key> }",
        "TYPE <any-key>",
        "EXPIRE <any-key> <seconds> [ <condition> ] [ <condition> ]",
        "PEXPIRE <any-key> <milliseconds> [ <condition> ]",
        "EXPIREAT <any-key> <moment> [ <condition> ]",
        "PEXPIREAT <any-key> <moment-ms> [ <condition> ] [ <condition> ]",
        "TTL <any-key>",
        "PTTL <any-key>",
        "EXPIRETIME <any-key>",
        "PEXPIRETIME <any-key>",
        "PERSIST <any-key>",
        "RENAME <any-key> <any-key>",
        "RENAMENX <any-key> <any-key>",
        "COPY <any-key> <any-key> [ DB <db> ] [ REPLACE ]",
        "COPY <any-key> <any-key> [ <copy> ] [ <copy> ]",
        "MOVE <any-key> <db>",
        "KEYS <glob>",
        "DBSIZE",
        "SELECT <mostly>",
        "SCAN <cursor> [ MATCH <glob> ] [ COUNT <positive> ] [ TYPE <type> ]",
        "SCAN 0 COUNT 1000 [ MATCH <glob> ] [ TYPE <type> ]",
        "SCAN <cursor> [ <scan> ] [ <scan> ]",
        "OBJECT REFCOUNT <any-key>",
        "OBJECT FREQ <any-key>",
        "RANDOMKEY",
        "SET <any-key> <value>",
    ],
    rare: &["FLUSHDB", "FLUSHALL", "FLUSHDB SYNC", "FLUSHALL <mode>", "SELECT <db>"],
    words: &[
        ("condition", &["NX", "xx", "GT", "LT", "GT", "LT", "QQ", ""]),
        ("copy", &["REPLACE", "DB", "1", "0", "17", "x", "99999999999"]),
        ("mostly", &["0", "0", "0", "1"]),
        ("type", &["string", "list", "set", "zset", "hash", "stream", "STRING", "none", "x", ""]),
        ("scan", &["COUNT", "MATCH", "TYPE", "*", "10", "string"]),
        ("mode", &["ASYNC", "sync", "x", ""]),
    ],
};
