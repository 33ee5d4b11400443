//! Hashes.

use super::Group;

/// The group.
pub const GROUP: Group = Group {
    name: "hashes",
    keys: &["h1", "h2", "h3"],
    private: false,
    lines: &[
        "HSET <key> { <field> <value> }",
        "HSET <key> { <field> <value> }",
        "HSET <key> { <many> <value> }",
        "HSET <key> <field> <long>",
        "HSET <key> { <field> <value> } [ <field> ]",
        "HMSET <key> { <field> <value> }",
        "HSETNX <key> <field> <value>",
        "HGET <key> <field>",
        "HMGET <key> { <field> }",
        "HGETALL <key>",
        "HKEYS <key>",
        "HVALS <key>",
        "HLEN <key>",
        "HSTRLEN <key> <field>",
        "HEXISTS <key> <field>",
        "HDEL <key> { <field> }",
        "HDEL <key> { <many> }",
        "HINCRBY <key> <field> <integer>",
        "HINCRBYFLOAT <key> <field> <float>",
        "HRANDFIELD <key> [ <count> [ ( WITHVALUES | x ) ] ]",
        "HSCAN <key> <cursor> [ MATCH <glob> ] [ COUNT <positive> ]",
        "HSCAN <key> 0 COUNT 1000",
        "TYPE <key>",
        "OBJECT ENCODING <key>",
        "DUMP <key>",
    ],
    rare: &["DEL <key>"],
    words: &[("field", &["f", "g", "n", "1", "2", "", "F", "a b", "\0", "long-field-name"])],
};
