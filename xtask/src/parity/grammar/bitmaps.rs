//! Bits of strings.

use super::Group;

/// The group.
pub const GROUP: Group = Group {
    name: "bitmaps",
    keys: &["b1", "b2", "b3"],
    private: false,
    lines: &[
        "SETBIT <key> <bit> <on>",
        "SETBIT <key> <bit> <on>",
        "GETBIT <key> <bit>",
        "BITCOUNT <key> [ <index> <index> [ <unit> ] ]",
        "BITCOUNT <key> [ <index> ]",
        "BITPOS <key> <on> [ <index> [ <index> [ <unit> ] ] ]",
        "BITPOS <key> <on> <index> <index> <unit>",
        "BITOP <operation> <key> { <key> }",
        "BITOP NOT <key> <key>",
        "BITFIELD <key> { ( GET <field> <place> | SET <field> <place> <amount> | INCRBY <field> <place> <increment> ) }",
        "BITFIELD <key> { ( OVERFLOW <overflow> | INCRBY <field> <place> <increment> | SET <field> <place> <amount> ) }",
        "BITFIELD <key> [ { ( GET <type> <place> | SET <type> <any-place> <number> | OVERFLOW <overflow> ) } ]",
        "BITFIELD_RO <key> { GET <field> <place> }",
        "BITFIELD_RO <key> [ ( GET <type> <any-place> | SET <field> <place> <amount> | GET <type> ) ]",
        "SET <key> <bytes>",
        "GET <key>",
        "STRLEN <key>",
        "OBJECT ENCODING <key>",
    ],
    rare: &[],
    words: &[
        ("bit", &["0", "1", "7", "8", "15", "100", "1000", "4095", "-1", "x", "4294967296", "", "01"]),
        ("on", &["0", "1", "0", "1", "0", "1", "2", "x", "", "-1"]),
        ("unit", &["BYTE", "BIT", "bit", "byte", "BITS"]),
        ("operation", &["AND", "or", "XOR", "NOT", "OR", "AND", "DIFF"]),
        ("field", &["i1", "u1", "i8", "u8", "i5", "u13", "i64", "u63", "i33", "u2"]),
        ("type", &["u8", "i16", "u64", "i65", "i0", "u0", "x", "8", "", "i", "u-1", "u08", "I8"]),
        ("place", &["0", "1", "7", "8", "100", "1000", "#0", "#1", "#5", "#39", "63"]),
        (
            "any-place",
            &["0", "#3", "-1", "#-1", "x", "#", "", "4294967296", "#9223372036854775807", "+1", "# 1"],
        ),
        // None is so low that Redis takes it for one above the range.
        (
            "amount",
            &["0", "1", "-1", "2", "127", "128", "-129", "255", "300", "9223372036854775807", "-4294967296"],
        ),
        (
            "increment",
            &[
                "0",
                "1",
                "-1",
                "2",
                "127",
                "128",
                "-129",
                "255",
                "300",
                "9223372036854775807",
                "-9223372036854775807",
                "4294967296",
            ],
        ),
        ("overflow", &["WRAP", "SAT", "FAIL", "sat", "fail", "NONE"]),
        ("bytes", &["", "\u{ff}", "\0", "\0\0\u{80}", "\u{ff}\u{f0}\0\u{1}", "foobar", "\u{aa}\u{55}", "1"]),
    ],
};
