//! Lists. Commands that wait do so for a hundredth of a second.

use super::Group;

/// The group.
pub const GROUP: Group = Group {
    name: "lists",
    keys: &["l1", "l2", "l3"],
    private: false,
    lines: &[
        "LPUSH <key> { <element> }",
        "RPUSH <key> { <element> }",
        "RPUSH <key> { <many> }",
        "LPUSH <key> <long>",
        "LPUSHX <key> { <element> }",
        "RPUSHX <key> { <element> }",
        "LPOP <key> [ <count> ]",
        "RPOP <key> [ <count> ]",
        "LLEN <key>",
        "LRANGE <key> <index> <index>",
        "LRANGE <key> 0 -1",
        "LINDEX <key> <index>",
        "LSET <key> <index> <element>",
        "LREM <key> <index> <element>",
        "LTRIM <key> <index> <index>",
        "LINSERT <key> ( BEFORE | after | AFTER | x ) <element> <element>",
        "LPOS <key> <element> [ RANK <rank> ] [ COUNT <count> ] [ MAXLEN <count> ]",
        "LPOS <key> <element> [ <lpos> ] [ <lpos> ]",
        "RPOPLPUSH <key> <key>",
        "LMOVE <key> <key> <side> <side>",
        "LMPOP <number> { <key> } <side> [ COUNT <positive> ]",
        "LMPOP 2 <key> <key> <side> [ COUNT <positive> ]",
        "LMPOP 1 <key> LEFT",
        "BLPOP { <key> } <soon>",
        "BRPOP { <key> } <soon>",
        "BLMOVE <key> <key> <side> <side> <soon>",
        "BRPOPLPUSH <key> <key> <soon>",
        "BLMPOP <soon> <number> { <key> } <side> [ COUNT <positive> ]",
        "BLMPOP <soon> 2 <key> <key> <side> [ COUNT <positive> ]",
        "TYPE <key>",
        "OBJECT ENCODING <key>",
        "DUMP <key>",
    ],
    rare: &["DEL <key>", "LTRIM <key> 1 0"],
    words: &[
        ("side", &["LEFT", "RIGHT", "left", "RIGHT", "x"]),
        // Without the lowest number: Redis 7.0 computes with it and overflows.
        ("rank", &["1", "2", "3", "-1", "-2", "0", "99", "-9223372036854775807", "9223372036854775807", "x"]),
        ("lpos", &["RANK", "COUNT", "MAXLEN", "1", "-1", "0", "x"]),
    ],
};
