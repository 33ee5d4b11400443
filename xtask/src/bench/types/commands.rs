//! What redis-benchmark sends when it is started without arguments, command by command, and what must be there
//! before.

/// Keys and elements are drawn from this many.
pub const KEYS: u64 = 100_000;
/// Items of the list that LRANGE reads from.
pub const ITEMS: u64 = 10_000;
/// Value of a key, item of a list, value of a field: as long as redis-benchmark's own.
pub const VALUE: &str = "xxx";

/// What is there before the first request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// Nothing.
    Empty,
    /// All keys.
    Keys,
    /// A list of [`ITEMS`].
    List,
    /// As many elements as are taken, and some more, added by this command: `element` stands for each.
    AsMany(&'static str),
}

/// A command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Test {
    /// As redis-benchmark calls it.
    pub name: &'static str,
    /// Words as redis-benchmark takes them: it replaces `__rand_int__` by 12 digits.
    pub words: &'static [&'static str],
    /// What is there before.
    pub before: Before,
    /// How many times fewer requests than of a cheap command.
    pub weight: u64,
    /// A key that is there afterwards.
    pub key: Option<&'static str>,
}

const fn test(
    name: &'static str,
    words: &'static [&'static str],
    before: Before,
    weight: u64,
    key: Option<&'static str>,
) -> Test {
    Test { name, words, before, weight, key }
}

const KEY: &str = "key:__rand_int__";
const ELEMENT: &str = "element:__rand_int__";

/// All of them in redis-benchmark's order.
pub const TESTS: &[Test] = &[
    test("SET", &["SET", KEY, VALUE], Before::Empty, 1, None),
    test("GET", &["GET", KEY], Before::Keys, 1, None),
    test("INCR", &["INCR", "counter:__rand_int__"], Before::Empty, 1, None),
    test("LPUSH", &["LPUSH", "mylist", VALUE], Before::Empty, 1, Some("mylist")),
    test("RPUSH", &["RPUSH", "mylist", VALUE], Before::Empty, 1, Some("mylist")),
    test("LPOP", &["LPOP", "mylist"], Before::AsMany("RPUSH mylist"), 1, Some("mylist")),
    test("RPOP", &["RPOP", "mylist"], Before::AsMany("RPUSH mylist"), 1, Some("mylist")),
    test("SADD", &["SADD", "myset", ELEMENT], Before::Empty, 1, Some("myset")),
    test("HSET", &["HSET", "myhash", ELEMENT, VALUE], Before::Empty, 1, Some("myhash")),
    test("SPOP", &["SPOP", "myset"], Before::AsMany("SADD myset"), 1, Some("myset")),
    test("ZADD", &["ZADD", "myzset", "__rand_int__", ELEMENT], Before::Empty, 1, Some("myzset")),
    test("ZPOPMIN", &["ZPOPMIN", "myzset"], Before::AsMany("ZADD myzset"), 1, Some("myzset")),
    test("LRANGE_100", &["LRANGE", "mylist", "0", "99"], Before::List, 3, Some("mylist")),
    test("LRANGE_300", &["LRANGE", "mylist", "0", "299"], Before::List, 8, Some("mylist")),
    test("LRANGE_500", &["LRANGE", "mylist", "0", "499"], Before::List, 12, Some("mylist")),
    test("LRANGE_600", &["LRANGE", "mylist", "0", "599"], Before::List, 15, Some("mylist")),
    test(
        "MSET",
        &[
            "MSET", KEY, VALUE, KEY, VALUE, KEY, VALUE, KEY, VALUE, KEY, VALUE, KEY, VALUE, KEY, VALUE, KEY,
            VALUE, KEY, VALUE, KEY, VALUE,
        ],
        Before::Empty,
        6,
        None,
    ),
    test("XADD", &["XADD", "mystream", "*", "myfield", VALUE], Before::Empty, 1, Some("mystream")),
];

/// Elements added by one command of a preparation.
const BATCH: u64 = 1000;

impl Before {
    /// The commands that bring it about; `requests` will be sent.
    pub fn commands(self, requests: u64) -> Vec<String> {
        let (begin, count) = match self {
            Before::Empty => return Vec::new(),
            Before::Keys => ("MSET", KEYS),
            Before::List => ("RPUSH mylist", ITEMS),
            // Each connection may send some more than it was asked for.
            Before::AsMany(command) => (command, requests + BATCH),
        };
        let one = |n: u64| match begin {
            "MSET" => format!(" key:{n:012} {VALUE}"),
            "RPUSH mylist" => format!(" {VALUE}"),
            // Scores in no order: a sorted set that is filled at its end would be unusually tidy.
            "ZADD myzset" => format!(" {} element:{n:012}", n.wrapping_mul(0x9E37_79B9) % 1_000_000_007),
            _ => format!(" element:{n:012}"),
        };
        let batch = |from: u64| (from..count.min(from + BATCH)).map(one).collect::<String>();
        (0..count).step_by(BATCH as usize).map(|from| format!("{begin}{}", batch(from))).collect()
    }
}

/// The tests with these names, in any case; all without names.
///
/// # Errors
/// There is none with such a name.
pub fn chosen(names: &[String]) -> Result<Vec<&'static Test>, String> {
    let known = || TESTS.iter().map(|test| test.name.to_lowercase()).collect::<Vec<_>>().join(", ");
    let find = |name: &String| {
        let found = TESTS.iter().find(|test| test.name.eq_ignore_ascii_case(name));
        found.ok_or_else(|| format!("--tests {name}: there is no such test, but {}", known()))
    };
    if names.is_empty() { Ok(TESTS.iter().collect()) } else { names.iter().map(find).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preparation_has_what_is_taken() {
        let commands = Before::AsMany("SADD myset").commands(2500);
        let elements: usize = commands.iter().map(|command| command.matches(" element:").count()).sum();
        assert_eq!((commands.len(), elements), (4, 3500));
        assert!(commands.iter().all(|command| command.starts_with("SADD myset element:")));
        assert_eq!(Before::Keys.commands(1).len(), 100);
        assert!(Before::Keys.commands(1)[0].starts_with("MSET key:000000000000 xxx key:000000000001 xxx"));
        assert_eq!(Before::Empty.commands(9), Vec::<String>::new());
    }

    #[test]
    fn tests_are_chosen_by_name() {
        let names = |all: &[&str]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
        let found = chosen(&names(&["spop", "LRANGE_600"])).expect("known");
        assert_eq!(found.iter().map(|test| test.name).collect::<Vec<_>>(), ["SPOP", "LRANGE_600"]);
        assert_eq!(chosen(&[]).expect("all").len(), TESTS.len());
        assert!(
            chosen(&names(&["nope"]))
                .unwrap_err()
                .contains("--tests nope: there is no such test, but set, get")
        );
    }
}
