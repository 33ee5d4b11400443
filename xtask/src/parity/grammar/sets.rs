//! Sets.

use super::Group;

/// The group.
pub const GROUP: Group = Group {
    name: "sets",
    keys: &["t1", "t2", "t3"],
    private: false,
    lines: &[
        "SADD <key> { <element> }",
        "SADD <key> { <element> }",
        "SADD <key> { <many> }",
        "SADD <key> { <integer> }",
        "SREM <key> { <element> }",
        "SREM <key> { <many> }",
        "SCARD <key>",
        "SISMEMBER <key> <element>",
        "SMISMEMBER <key> { <element> }",
        "SMEMBERS <key>",
        "SMOVE <key> <key> <element>",
        "SPOP <key> [ <count> ]",
        "SRANDMEMBER <key> [ <count> ]",
        "SINTER { <key> }",
        "SUNION { <key> }",
        "SDIFF { <key> }",
        "SINTERSTORE <key> { <key> }",
        "SUNIONSTORE <key> { <key> }",
        "SDIFFSTORE <key> { <key> }",
        "SINTERCARD <number> { <key> } [ LIMIT <count> ]",
        "SINTERCARD 2 <key> <key> [ LIMIT <count> ]",
        "SSCAN <key> <cursor> [ MATCH <glob> ] [ COUNT <positive> ]",
        "SSCAN <key> 0 COUNT 1000",
        "TYPE <key>",
        "OBJECT ENCODING <key>",
        "DUMP <key>",
    ],
    rare: &["DEL <key>"],
    words: &[],
};
