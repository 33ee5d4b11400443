//! Sorted sets whose members all have one score: ranges by member mean nothing defined of others. So no other group
//! comes near these keys, and nothing here gives a second score.

use super::Group;

/// The group.
pub const GROUP: Group = Group {
    name: "lex",
    keys: &["x1", "x2", "x3"],
    private: true,
    lines: &[
        "ZADD <key> 0 <member> 0 <member> 0 <member>",
        "ZADD <key> 0 <member> 0 <many>",
        "ZADD <key> 0 <long>",
        "ZREM <key> { <member> }",
        "ZLEXCOUNT <key> <lex> <lex>",
        "ZRANGE <key> <lex> <lex> BYLEX [ REV ] [ LIMIT <index> <index> ]",
        "ZRANGE <key> <lex> <lex> [ <range> ] BYLEX [ <range> ]",
        "ZRANGEBYLEX <key> <lex> <lex> [ LIMIT <index> <index> ]",
        "ZREVRANGEBYLEX <key> <lex> <lex> [ LIMIT <index> <index> ]",
        "ZRANGESTORE <key> <key> <lex> <lex> BYLEX [ REV ] [ LIMIT <index> <index> ]",
        "ZREMRANGEBYLEX <key> <lex> <lex>",
        "ZUNIONSTORE <key> 2 <key> <key>",
        "ZINTERSTORE <key> 2 <key> <key> AGGREGATE MAX",
        "ZDIFFSTORE <key> 2 <key> <key>",
        "COPY <key> <key> REPLACE",
        "RENAME <key> <key>",
        "ZRANGE <key> 0 -1 WITHSCORES",
        "OBJECT ENCODING <key>",
        "DUMP <key>",
        "SET <key> <value>",
        "DEL <key>",
    ],
    rare: &[],
    words: &[
        ("member", &["a", "b", "c", "d", "A", "aa", "ab", "", "\u{ff}\0", "\0", "1", "-5", "a b"]),
        (
            "lex",
            &[
                "-", "+", "-", "+", "[a", "(a", "[c", "(d", "[", "(", "a", "", "+x", "-1", "[A", "[\0",
                "(\u{ff}", "[aa",
            ],
        ),
        ("range", &["REV", "BYSCORE", "BYLEX", "WITHSCORES", "LIMIT", "0", "x"]),
    ],
};
