//! When two replies count as the same: byte for byte, but for what is documented as unordered, as random, or
//! as counted from now.

use super::connection::Command;
use super::value::Value;

/// Time that may pass between the executions of a command here and there on a busy machine, ms or (generously) s.
pub const SLACK: u64 = 20_000;

/// What may differ in the reply of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freedom {
    /// Nothing.
    Nothing,
    /// The order of the parts.
    Order,
    /// The order of pairs: a map of RESP3, or parts of twice their number in RESP2.
    Pairs,
    /// Numbers, by the time between the two executions.
    Time,
    /// Which elements: only their number is compared.
    Choice,
    /// Bytes that each side may choose; what they restore to is compared (see `dumped`).
    Payload,
    /// A cursor, and how many elements come with it: everything is compared when both have come to the end.
    Pages,
}

/// Commands whose replies are free to differ, sorted by name.
const FREEDOMS: &[(&str, Freedom)] = &[
    ("DUMP", Freedom::Payload),
    ("EXPIRETIME", Freedom::Time),
    ("HGETALL", Freedom::Pairs),
    ("HKEYS", Freedom::Order),
    ("HRANDFIELD", Freedom::Choice),
    ("HSCAN", Freedom::Pages),
    ("HVALS", Freedom::Order),
    ("KEYS", Freedom::Order),
    ("PEXPIRETIME", Freedom::Time),
    ("PTTL", Freedom::Time),
    ("RANDOMKEY", Freedom::Choice),
    ("SCAN", Freedom::Pages),
    ("SDIFF", Freedom::Order),
    ("SINTER", Freedom::Order),
    ("SMEMBERS", Freedom::Order),
    ("SPOP", Freedom::Choice),
    ("SRANDMEMBER", Freedom::Choice),
    ("SSCAN", Freedom::Pages),
    ("SUNION", Freedom::Order),
    ("TTL", Freedom::Time),
    ("ZRANDMEMBER", Freedom::Choice),
    ("ZSCAN", Freedom::Pages),
];

/// Errors whose text names a limit of ours or gives a hint, by what both begin with.
const OWN_WORDS: &[&str] = &["-ERR string exceeds maximum allowed size"];

/// What may differ in the reply to a command.
pub fn freedom(command: &Command) -> Freedom {
    let name = String::from_utf8_lossy(&command[0]).to_uppercase();
    if name.starts_with("SORT") {
        return freedom_of_sort(command);
    }
    let found = FREEDOMS.binary_search_by_key(&name.as_str(), |(name, _)| name);
    found.map_or(Freedom::Nothing, |at| FREEDOMS[at].1)
}

/// A set that is not sorted has no order, and no beginning.
fn freedom_of_sort(command: &Command) -> Freedom {
    let (mut by, mut stored, mut limited) = (None, false, false);
    let mut words = command.iter().skip(2);
    while let Some(word) = words.next() {
        match word.to_ascii_lowercase().as_slice() {
            b"by" => by = words.next(),
            b"get" => drop(words.next()),
            b"store" => stored = words.next().is_some(),
            b"limit" => limited = words.nth(1).is_some(),
            _ => {}
        }
    }
    match by {
        Some(by) if !by.contains(&b'*') && !stored => {
            if limited {
                Freedom::Choice
            } else {
                Freedom::Order
            }
        }
        _ => Freedom::Nothing,
    }
}

/// Whether scores are in the reply.
fn has_scores(command: &Command) -> bool {
    let name = command[0].to_ascii_uppercase();
    name.starts_with(b"Z") || name.starts_with(b"BZ")
}

fn has_signed_zero(value: &Value) -> bool {
    match value {
        Value::Line(line) => line == ",-0",
        Value::Bulk(bytes) => bytes == b"-0",
        Value::Many(_, parts) => parts.iter().any(has_signed_zero),
    }
}

/// The same with 0 for every score of -0, which is kept as 0 on purpose.
pub fn unsigned_zero(value: Value) -> Value {
    match value {
        Value::Line(line) if line == ",-0" => Value::Line(",0".into()),
        Value::Bulk(bytes) if bytes == b"-0" => Value::Bulk(b"0".to_vec()),
        Value::Many(mark, parts) => Value::Many(mark, parts.into_iter().map(unsigned_zero).collect()),
        other => other,
    }
}

/// Ids of entries that were added by the clock since 2020 and before 2100, ms.
const BY_CLOCK: std::ops::Range<u64> = 1_577_836_800_000..4_102_444_800_000;

/// A reply about streams without what follows from the clock, or from how Redis keeps them: ids that were taken from
/// the clock are all one, and so are trees.
pub fn timeless(value: Value) -> Value {
    match value {
        Value::Bulk(bytes) if is_by_clock(&bytes) => Value::Bulk(b"now".to_vec()),
        Value::Many(mark, mut parts) => {
            for at in 1..parts.len() {
                if matches!(&parts[at - 1], Value::Bulk(name) if name.starts_with(b"radix-tree-")) {
                    parts[at] = Value::Bulk(b"tree".to_vec());
                }
            }
            Value::Many(mark, parts.into_iter().map(timeless).collect())
        }
        other => other,
    }
}

fn is_by_clock(id: &[u8]) -> bool {
    let text = std::str::from_utf8(id).unwrap_or_default();
    let ms = text.split_once('-').and_then(|(ms, _)| ms.parse().ok());
    ms.is_some_and(|ms| BY_CLOCK.contains(&ms))
}

/// True when both replies to the command mean the same.
pub fn same(command: &Command, ours: &Value, theirs: &Value) -> bool {
    if has_scores(command) && has_signed_zero(theirs) {
        return same(command, &unsigned_zero(ours.clone()), &unsigned_zero(theirs.clone()));
    }
    if command[0].first().is_some_and(|first| first.eq_ignore_ascii_case(&b'x')) {
        return timeless(ours.clone()) == timeless(theirs.clone()) || own_words(ours, theirs);
    }
    if ours == theirs || own_words(ours, theirs) || documented(command, ours, theirs) {
        return true;
    }
    if ours.is_error() || theirs.is_error() {
        return false;
    }
    match freedom(command) {
        Freedom::Nothing => false,
        Freedom::Order => ours.clone().sorted() == theirs.clone().sorted(),
        Freedom::Pairs => pairs(ours) == pairs(theirs),
        Freedom::Time => ours.near(theirs, SLACK),
        Freedom::Choice => shape(ours) == shape(theirs),
        Freedom::Payload => kind(ours) == kind(theirs),
        Freedom::Pages => pages(command, ours, theirs),
    }
}

fn own_words(ours: &Value, theirs: &Value) -> bool {
    let begins = |value: &Value, words: &str| matches!(value, Value::Line(line) if line.starts_with(words));
    OWN_WORDS.iter().any(|words| begins(ours, words) && begins(theirs, words))
}

/// Differences on purpose, which docs/compatibility.md tells.
fn documented(command: &Command, ours: &Value, theirs: &Value) -> bool {
    let name = String::from_utf8_lossy(&command[0]).to_uppercase();
    match name.as_str() {
        // Arguments are checked before the key is looked at, as in Redis since 7.2.
        "BITCOUNT" | "BITPOS" => {
            ours.is_error() && matches!(theirs, Value::Line(n) if [":0", ":-1"].contains(&n.as_str()))
        }
        // The lowest rank is refused, as in Redis since 7.2.
        "LPOS" => ours.is_error() && command.iter().any(|word| word == b"-9223372036854775808"),
        // No value is shared here; small integers are in Redis.
        "OBJECT" => {
            command.get(1).is_some_and(|sub| sub.eq_ignore_ascii_case(b"refcount"))
                && ours == &Value::Line(":1".into())
        }
        _ => false,
    }
}

fn kind(value: &Value) -> char {
    match value {
        Value::Line(line) => line.chars().next().unwrap_or(' '),
        Value::Bulk(_) => '$',
        Value::Many(mark, _) => *mark,
    }
}

/// The kinds of all parts.
fn shape(value: &Value) -> Vec<char> {
    match value {
        Value::Many(mark, parts) => std::iter::once(*mark).chain(parts.iter().flat_map(shape)).collect(),
        other => vec![kind(other)],
    }
}

fn pairs(value: &Value) -> Option<(char, Vec<&[Value]>)> {
    let Value::Many(mark, parts) = value else { return None };
    let mut pairs: Vec<&[Value]> = parts.chunks(2).collect();
    pairs.sort();
    Some((*mark, pairs))
}

fn pages(command: &Command, ours: &Value, theirs: &Value) -> bool {
    let (Value::Many(_, a), Value::Many(_, b)) = (ours, theirs) else { return false };
    let ([cursor_a, found_a], [cursor_b, found_b]) = (&a[..], &b[..]) else { return false };
    let end = Value::Bulk(b"0".to_vec());
    let from = if command[0].eq_ignore_ascii_case(b"SCAN") { 1 } else { 2 };
    let whole =
        command.get(from).is_some_and(|cursor| cursor == b"0") && *cursor_a == end && *cursor_b == end;
    if !whole {
        return kind(found_a) == kind(found_b);
    }
    match command[0].to_ascii_uppercase().as_slice() {
        b"HSCAN" | b"ZSCAN" => pairs(found_a) == pairs(found_b),
        _ => found_a.clone().sorted() == found_b.clone().sorted(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::connection::words;
    use super::*;

    fn value(text: &str) -> Value {
        Value::read(text.replace(' ', "\r\n").as_bytes()).expect("a whole reply").0
    }

    fn is_same(command: &str, ours: &str, theirs: &str) -> bool {
        same(&words(command), &value(ours), &value(theirs))
    }

    #[test]
    fn the_list_is_sorted() {
        assert!(FREEDOMS.is_sorted_by_key(|(name, _)| name));
    }

    #[test]
    fn replies_are_compared_byte_by_byte() {
        assert!(is_same("GET a", "$1 x ", "$1 x "));
        assert!(!is_same("GET a", "$1 x ", "$1 y "));
        assert!(!is_same("GET a", "$1 1 ", ":1 "));
        assert!(!is_same("SET a", "-ERR_a ", "-ERR_b "));
    }

    #[test]
    fn what_is_unordered_may_come_in_any_order() {
        assert!(is_same("smembers a", "*2 :1 :2 ", "*2 :2 :1 "));
        assert!(!is_same("smembers a", "*2 :1 :2 ", "*2 :2 :3 "));
        assert!(!is_same("LRANGE a 0 1", "*2 :1 :2 ", "*2 :2 :1 "));
        assert!(is_same("HGETALL a", "*4 :1 :2 :3 :4 ", "*4 :3 :4 :1 :2 "));
        assert!(!is_same("HGETALL a", "*4 :1 :2 :3 :4 ", "*4 :3 :2 :1 :4 "));
    }

    #[test]
    fn times_may_differ_a_little_and_choices_in_content() {
        assert!(is_same("PTTL a", ":100000 ", ":100200 "));
        assert!(!is_same("PTTL a", ":100000 ", ":900000 "));
        assert!(!is_same("PTTL a", ":-1 ", ":10 "));
        assert!(is_same("SPOP a 2", "*2 $1 a $1 b ", "*2 $1 c $1 d "));
        assert!(!is_same("SPOP a 2", "*2 $1 a $1 b ", "*1 $1 a "));
    }

    #[test]
    fn ids_by_the_clock_are_all_one() {
        assert!(is_same("XADD s * a b", "$15 1700000000000-0 ", "$15 1700000000001-7 "));
        assert!(!is_same("XADD s 9-* a b", "$3 9-1 ", "$3 9-2 "));
        assert!(is_same("XINFO STREAM s", "*2 $16 radix-tree-nodes :2 ", "*2 $16 radix-tree-nodes :9 "));
        assert!(!is_same("XINFO STREAM s", "*2 $6 length :2 ", "*2 $6 length :9 "));
    }

    #[test]
    fn what_is_not_sorted_has_no_order() {
        let of = |line| freedom(&words(line));
        assert_eq!(of("sort a by x"), Freedom::Order);
        assert_eq!(of("SORT a BY STORE"), Freedom::Order);
        assert_eq!(of("SORT a BY x LIMIT 0 1"), Freedom::Choice);
        assert_eq!(of("SORT a GET by DESC"), Freedom::Nothing);
        assert_eq!(of("SORT a BY x STORE b"), Freedom::Nothing);
        assert_eq!(of("SORT a BY x*"), Freedom::Nothing);
    }

    #[test]
    fn a_whole_scan_is_compared_as_a_set() {
        assert!(is_same("SCAN 0", "*2 $1 0 *2 $1 a $1 b ", "*2 $1 0 *2 $1 b $1 a "));
        assert!(!is_same("SCAN 0", "*2 $1 0 *1 $1 a ", "*2 $1 0 *1 $1 b "));
        assert!(is_same("SCAN 0", "*2 $1 7 *1 $1 a ", "*2 $1 9 *1 $1 b "));
    }
}
