//! Words drawn by a seed: likely arguments and those at the edges.

use super::Group;

/// Words that every group may use.
const COMMON: &[(&str, &[&str])] = &[
    (
        "value",
        &[
            "",
            "0",
            "1",
            "-1",
            "10",
            "007",
            "9223372036854775807",
            "-9223372036854775808",
            "3.5",
            "-0",
            "1e3",
            "0.1",
            "hello",
            "ohmytext",
            "mynewtext",
            "a b",
            "x\r\ny",
            "\0\u{ff}",
            "9999999999999999999",
            "1.7976931348623157",
            "abcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabc",
            "inf",
            "nan",
            " 1",
            "1 ",
        ],
    ),
    (
        "integer",
        &[
            "0",
            "1",
            "2",
            "-1",
            "-2",
            "5",
            "100",
            "-100",
            "9223372036854775807",
            "-9223372036854775808",
            "9223372036854775808",
            "x",
            "1.5",
            "",
            "+1",
            "-0",
            "01",
            " 1",
        ],
    ),
    (
        "index",
        &[
            "0",
            "1",
            "2",
            "3",
            "-1",
            "-2",
            "-3",
            "5",
            "-7",
            "100",
            "-100",
            "0",
            "-1",
            "4294967296",
            "9223372036854775807",
            "-9223372036854775808",
            "x",
            "",
        ],
    ),
    ("count", &["1", "2", "3", "10", "0", "1", "2", "-1", "-3", "x", "", "1.5", "9223372036854775807"]),
    ("positive", &["1", "2", "3", "10", "1000", "1", "5", "0", "-1", "x", ""]),
    (
        "double",
        &[
            "0",
            "0.1",
            "1.5",
            "-1.5",
            "3",
            "1e5",
            "1e-5",
            "-0.3",
            "inf",
            "-inf",
            "+inf",
            "nan",
            "x",
            " 1",
            "1 ",
            "0x1p-3",
            "12345.678",
            "",
            "-0",
            "1e308",
            "infinity",
            "1e",
            ".5",
            "5.",
        ],
    ),
    ("glob", &["*", "s?", "?[13]", "s[^1]", "[k-t]*", "**2", "\\s1", "x*", "s[1-", "", "[", "?", "*1"]),
    ("element", &["a", "b", "c", "d", "e", "1", "2", "-5", "", "a b", "\u{ff}\0", "1.5", "A"]),
    ("db", &["0", "1", "0", "1", "17", "x", "-1", "99999999999", ""]),
    ("cursor", &["0", "0", "0", "7", "x", "", "-1"]),
    // Never so long that anybody waits, and never for ever.
    ("soon", &["0.01", "0.01", "0.001", "1e-2", "x", "-1", ""]),
    ("number", &["0", "1", "2", "7", "64", "-1", "x", "18446744073709551616"]),
];
/// Words that no command asks for where they are put.
const ODD: &[&str] =
    &["", "x", "nan", "-1", "99999999999999999999", "-9223372036854775808", "NX", "*", "\0", "syntax error"];
/// Times from now that are over at once or refused.
const EDGES_OF_TIME: &[&str] = &[
    "0",
    "-1",
    "-1000",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775",
    "9223372036854776",
    "9223372036854775808",
    "x",
    "",
    "1.5",
    "+100000",
];
/// Moments of the past and such that are refused.
const EDGES_OF_MOMENTS: &[&str] =
    &["0", "-1", "1000000000", "9223372036854775807", "9223372036854775", "x", "", "1e9"];
/// A moment that is far away whenever this runs: the year 2100, in s.
const FAR: usize = 4_102_444_800;

/// A generator with a state of 64 bits; the same seed draws the same.
#[derive(Debug)]
pub struct Draw {
    state: u64,
    group: &'static Group,
    groups: Vec<&'static Group>,
    /// One key in so many is of another group than the command.
    crossing: usize,
    /// What is behind the names of keys.
    suffix: String,
}

impl Draw {
    /// A generator for these groups.
    pub fn new(seed: u64, groups: Vec<&'static Group>) -> Draw {
        let state = (seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let group = groups[0];
        Draw { state, group, groups, crossing: 8, suffix: String::new() }
    }

    /// A number below `n`, which is not zero.
    pub fn below(&mut self, n: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 16) as usize % n
    }

    /// True once in `n` times.
    pub fn chance(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// Goes over to some group, which it returns: its keys and its own words are drawn from now on.
    pub fn group(&mut self) -> &'static Group {
        let chosen = self.below(self.groups.len());
        self.group = self.groups[chosen];
        self.group
    }

    /// From now on one key in so many is of another group than the command.
    pub fn cross(&mut self, one_in: usize) {
        self.crossing = one_in;
    }

    /// From now on all keys are others than before, except those of the same number.
    pub fn enter(&mut self, number: usize) {
        self.suffix = format!(":{number}");
    }

    /// A word that is wrong nearly everywhere.
    pub fn odd(&mut self) -> Vec<u8> {
        bytes(self.pick(ODD))
    }

    /// Whether a word of this name can be drawn in the group.
    #[cfg(test)]
    pub fn knows(group: &Group, name: &str) -> bool {
        let listed = |all: &[(&str, &[&str])]| all.iter().any(|(known, _)| *known == name);
        SPECIAL.contains(&name) || listed(group.words) || listed(COMMON)
    }

    /// A word by its name.
    pub fn word(&mut self, name: &str) -> Vec<u8> {
        match name {
            "key" => self.key(),
            "any-key" => self.any_key(),
            "seconds" => self.time(1),
            "milliseconds" => self.time(1000),
            "moment" => self.moment(1),
            "moment-ms" => self.moment(1000),
            "future" => self.future(1),
            "future-ms" => self.future(1000),
            "float" if self.chance(2) => self.float().into_bytes(),
            "float" => self.word("double"),
            "longitude" => format!("{:.5}", self.below(36_000_000) as f64 / 1e5 - 180.0).into_bytes(),
            "latitude" => format!("{:.5}", self.below(17_000_000) as f64 / 1e5 - 85.0).into_bytes(),
            "long" => vec![b'a' + self.below(26) as u8; 1 << self.below(13)],
            "many" => format!("e{}", self.below(400)).into_bytes(),
            _ => {
                let find = |all: &[(&str, &'static [&'static str])]| {
                    all.iter().find(|(known, _)| *known == name).map(|(_, words)| *words)
                };
                let words = find(self.group.words).or_else(|| find(COMMON)).unwrap_or(&["?"]);
                bytes(self.pick(words))
            }
        }
    }

    /// Mostly a key of the group, sometimes one of another, which may hold another type.
    fn key(&mut self) -> Vec<u8> {
        if !self.group.private && self.chance(self.crossing) {
            return self.any_key();
        }
        let key = self.pick(self.group.keys);
        self.named(key)
    }

    /// A key of some group that lets others have them.
    pub fn any_key(&mut self) -> Vec<u8> {
        if self.group.private {
            return self.key();
        }
        let group = loop {
            let group = self.pick(&self.groups.clone());
            if !group.private {
                break group;
            }
        };
        let key = self.pick(group.keys);
        self.named(key)
    }

    fn named(&self, key: &str) -> Vec<u8> {
        bytes(&format!("{key}{}", self.suffix))
    }

    /// A day or more from now, each time another, so that it never matters how long a command took.
    fn time(&mut self, unit: usize) -> Vec<u8> {
        match self.chance(5) {
            true => bytes(self.pick(EDGES_OF_TIME)),
            false => ((100_000 + self.below(1_000_000)) * unit).to_string().into_bytes(),
        }
    }

    fn moment(&mut self, unit: usize) -> Vec<u8> {
        match self.chance(5) {
            true => bytes(self.pick(EDGES_OF_MOMENTS)),
            false => self.future(unit),
        }
    }

    /// No past, where that leaves a key that is over and counted until somebody comes across it.
    fn future(&mut self, unit: usize) -> Vec<u8> {
        match self.chance(20) {
            true => bytes(self.pick(&["0", "-1", "9223372036854775808", "x", ""])),
            false => ((FAR + self.below(1_000_000)) * unit).to_string().into_bytes(),
        }
    }

    fn float(&mut self) -> String {
        let (digits, exponent) = (self.below(usize::MAX), self.below(40) as i32 - 20);
        let mut text = digits.to_string();
        let len = self.below(text.len()) + 1;
        text.truncate(len);
        if self.chance(2) {
            text.insert(self.below(len + 1), '.');
        }
        let sign = self.pick(&["", "-", "+"]);
        let exponent = if self.chance(3) { format!("e{exponent}") } else { String::new() };
        format!("{sign}{text}{exponent}")
    }
}

/// Names of words that are not taken from a list.
#[cfg(test)]
const SPECIAL: &[&str] = &[
    "key",
    "any-key",
    "seconds",
    "milliseconds",
    "moment",
    "moment-ms",
    "future",
    "future-ms",
    "float",
    "latitude",
    "long",
    "longitude",
    "many",
];

fn bytes(text: &str) -> Vec<u8> {
    // Each character is a byte, so that lists can have any.
    text.chars().map(|c| c as u8).collect()
}
