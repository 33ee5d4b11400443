//! HyperLogLogs, and strings that are none. No other group comes near these keys: what a command leaves of a damaged value
//! when it fails is nobody's business.

use super::Group;

/// The group.
pub const GROUP: Group = Group {
    name: "hyperloglog",
    keys: &["p1", "p2", "p3"],
    private: true,
    lines: &[
        "PFADD <key> { <element> }",
        "PFADD <key> { <many> }",
        "PFADD <key> <many> <many> <many> <many> <many> <many> <many> <many> <many> <many> <many> <many>",
        "PFADD <key>",
        "PFCOUNT <key>",
        "PFCOUNT { <key> }",
        "PFMERGE <key> { <key> }",
        "PFMERGE <key>",
        "PFDEBUG ENCODING <key>",
        "PFDEBUG DECODE <key>",
        "PFDEBUG <debug> <key>",
        "GET <key>",
        "STRLEN <key>",
        "OBJECT ENCODING <key>",
        "DUMP <key>",
        "GETRANGE <key> 0 20",
        "COPY <key> <key> REPLACE",
        "RENAME <key> <key>",
        "EXPIRE <key> <seconds>",
        "PTTL <key>",
    ],
    rare: &[
        "PFDEBUG TODENSE <key>",
        "PFDEBUG GETREG <key>",
        "PFSELFTEST",
        "DEL <key>",
        "DEL p1 p2 p3",
        "DEL p1 p2 p3",
        "SETRANGE <key> <header> <byte>",
        "SETRANGE <key> <header> <byte>",
        "SET <key> <value>",
    ],
    words: &[
        ("debug", &["ENCODING", "decode", "x", ""]),
        // Only of the header.
        ("header", &["0", "5", "8", "14", "15"]),
        ("byte", &["\0", "\u{80}", "\u{1}", "H", "\u{7f}", "\u{c0}"]),
    ],
};
