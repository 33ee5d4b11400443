//! SORT, over collections of numbers and keys with weights for them.

use super::Group;

/// The group.
pub const GROUP: Group = Group {
    name: "sort",
    keys: &["q1", "q2", "q3", "w1", "w2"],
    private: false,
    lines: &[
        "RPUSH q1 { <item> }",
        "SADD q2 { <item> }",
        "ZADD q3 { <item> <item> }",
        "SET <weight-key> <item>",
        "HSET <weight-hash> f <item> n <item>",
        "SORT <key> [ LIMIT <index> <index> ] [ ( ASC | DESC | x ) ]",
        "SORT <key> ALPHA [ LIMIT <index> <index> ] [ ( ASC | DESC ) ]",
        "SORT <key> BY <by> [ LIMIT <index> <index> ] [ { GET <get> } ] [ DESC ]",
        "SORT <key> BY <by> GET <get> [ ( ASC | DESC ) ]",
        "SORT <key> BY nosort",
        "SORT <key> [ LIMIT <index> <index> ] [ DESC ] STORE <stored>",
        "SORT <key> BY <by> GET # STORE <stored>",
        "SORT <key> ALPHA STORE <any-key>",
        "SORT_RO <key> [ LIMIT <index> <index> ] [ GET <get> ] [ ALPHA ]",
        "SORT <key> [ <option> ] [ <option> ] [ <option> ]",
        "OBJECT ENCODING <key>",
        "LRANGE q1 0 -1",
        "DEL <key>",
    ],
    rare: &[],
    words: &[
        ("item", &["1", "2", "3", "10", "-5", "1.5", "0", "7", "1e2", "02", "x"]),
        ("weight-key", &["w1", "w2", "w3", "w10", "w-5", "w1.5"]),
        ("weight-hash", &["y1", "y2", "y3", "y10", "y7"]),
        ("by", &["w*", "y*->f", "y*->n", "w1", "*", "y*->", "none*"]),
        ("get", &["#", "w*", "y*->f", "y*->none", "x", "*"]),
        ("stored", &["q1", "l1", "w1", "none", "t1"]),
        ("option", &["ASC", "DESC", "LIMIT", "0", "2", "GET", "#", "STORE", "BY", "x"]),
    ],
};
