//! Streams, without consumer groups and without waiting. Ids are few, so that they meet.

use super::Group;

/// The group.
pub const GROUP: Group = Group {
    name: "streams",
    keys: &["x1", "x2", "x3"],
    private: false,
    lines: &[
        "XADD <key> <next> { <element> <element> }",
        "XADD <key> <next> { <element> <element> }",
        "XADD <key> <next> a 1 b 2",
        "XADD <key> <next> a 1 b 2",
        "XADD <key> <some> <element> <value>",
        "XADD <key> [ NOMKSTREAM ] MAXLEN [ ( = | ~ ) ] <threshold> <next> f <value>",
        "XADD <key> MINID [ = ] <threshold> [ NOMKSTREAM ] <next> f <value>",
        "XADD <key> [ <add> ] [ <add> ] [ <add> ] [ <add> ] <next> f v",
        "XADD <key> [ <by> ] [ <by> ] [ <by> ] [ <by> ] <next> f v",
        "XADD <key> MAXLEN ~ <threshold> [ LIMIT <threshold> ] <next> f v",
        "XLEN <key>",
        "XRANGE <key> - + [ COUNT <count> ]",
        "XRANGE <key> <end> <end> [ COUNT <count> ]",
        "XREVRANGE <key> + - [ COUNT <count> ]",
        "XREVRANGE <key> <end> <end> [ COUNT <count> ]",
        "XREAD [ COUNT <count> ] STREAMS <key> <known>",
        "XREAD [ COUNT <count> ] STREAMS <key> <key> <known> <known>",
        "XREAD [ <read> ] [ <read> ] STREAMS <key> <known>",
        "XDEL <key> { <id> }",
        "XDEL <key> { <id> }",
        "XTRIM <key> MAXLEN [ ( = | ~ ) ] <threshold>",
        "XTRIM <key> MINID [ = ] <id>",
        "XTRIM <key> MAXLEN ~ <threshold> [ LIMIT <threshold> ]",
        "XTRIM <key> [ <add> ] [ <add> ] [ <add> ] [ <add> ]",
        "XTRIM <key> [ <by> ] [ <by> ] [ <by> ] [ <by> ]",
        "XSETID <key> <top> [ ENTRIESADDED <threshold> ] [ MAXDELETEDID <id> ]",
        "XINFO STREAM <key> [ ( FULL | full | x ) [ COUNT <count> ] ]",
        "XINFO GROUPS <key>",
        "TYPE <key>",
        "DEL <key>",
    ],
    rare: &["XTRIM <key> MAXLEN 0", "XADD <key> * f v", "XADD <key> <far> f v"],
    words: &[
        (
            "next",
            &[
                "1-*", "2-*", "3-*", "4-*", "5-*", "5-*", "6-*", "7-*", "8-*", "8-*", "9-*", "9-*", "9-*",
                "9", "9-5",
            ],
        ),
        (
            "id",
            &[
                "0", "0-0", "0-1", "1", "1-1", "2-0", "3", "3-1", "5", "5-1", "5-2", "5-3", "7-0", "8",
                "8-1", "8-2", "9", "9-1", "9-2", "9-3", "9-4", "9-5", "9-6", "9-7", "10-0", "9-9", "x", "",
                "-", "+", "5-", "-5", "5-x", "007-1",
            ],
        ),
        (
            "end",
            &[
                "-", "+", "1", "(1", "3-1", "(3-1", "5", "5-2", "(5", "8", "(8-1", "9", "(9-3", "9-7", "(-",
                "x", "(", "",
            ],
        ),
        ("known", &["0", "0-0", "1", "3-1", "5-1", "8", "8-2", "9-1", "9-4", "$", "$", "9", "x", ">", "-"]),
        (
            "threshold",
            &["0", "1", "2", "3", "4", "5", "7", "8", "9", "12", "20", "100", "-1", "x", "5-2", "~"],
        ),
        ("some", &["1", "3-1", "5", "5-1", "8-2", "9", "9-0", "9-1", "9-2", "9-3", "9-5", "9-7", "0-0", "x"]),
        ("top", &["9-9", "9-20", "9-50", "9-99", "9-7", "9", "5", "0", "x"]),
        // Never MINID with ~: Redis also looks at entries that were deleted from a page.
        ("add", &["MAXLEN", "LIMIT", "NOMKSTREAM", "~", "=", "3", "5", "0", "x"]),
        ("by", &["MINID", "LIMIT", "NOMKSTREAM", "=", "3", "5", "0", "x"]),
        ("read", &["COUNT", "2", "NOACK", "GROUP", "BLOCK", "x"]),
        ("far", &["9999999999999-*", "9999999999999-5", "18446744073709551615-18446744073709551615", "*"]),
    ],
};
