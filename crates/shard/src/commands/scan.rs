//! SCAN: a walk over the keys in the order of their positions. The cursor is a position, so the walk
//! needs no state and goes on after any failover.

use super::glob;
use super::integer;
use super::keys::type_name;
use super::keyspace::{MAX_EXPIRED, delete_expired};
use crate::data::{Context, Data, Done, Stop};
use crate::row::Row;
use model::Position;

/// Rows visited by one call without COUNT.
const DEFAULT_COUNT: usize = 10;

/// Which keys a SCAN answers with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScanFilter {
    /// MATCH: a glob pattern, `None` = every key.
    pub pattern: Option<Vec<u8>>,
    /// TYPE: the name of a type in any case, `None` = every type. A name that is none matches nothing.
    pub type_name: Option<Vec<u8>>,
}

impl ScanFilter {
    /// True when the key of this row belongs into the answer.
    pub fn accepts(&self, row: &Row) -> bool {
        let pattern = self.pattern.as_ref();
        let name = self.type_name.as_ref();
        name.is_none_or(|name| name.eq_ignore_ascii_case(type_name(row.kind).as_bytes()))
            && pattern.is_none_or(|pattern| glob::matches(pattern, row.key()))
    }
}

/// A parsed SCAN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanRequest {
    /// 0 = from the start.
    pub cursor: u64,
    /// Rows to visit, at least 1.
    pub count: usize,
    /// Which keys to answer with.
    pub filter: ScanFilter,
}

impl ScanRequest {
    /// Reads `SCAN cursor [MATCH pattern] [COUNT n] [TYPE name]`, the command's name included.
    ///
    /// # Errors
    /// `ERR invalid cursor`, a syntax error (also for a COUNT below 1), or a COUNT that is no integer.
    pub fn parse(args: &[&[u8]]) -> Result<ScanRequest, Stop> {
        let cursor =
            args.get(1).and_then(|arg| parse_cursor(arg)).ok_or(Stop::error("ERR invalid cursor"))?;
        let mut request = ScanRequest { cursor, count: DEFAULT_COUNT, filter: ScanFilter::default() };
        for option in args[2..].chunks(2) {
            let [name, value] = option else { return Err(Stop::SYNTAX) };
            if name.eq_ignore_ascii_case(b"count") {
                let count = integer::argument(value)?;
                request.count = usize::try_from(count).ok().filter(|n| *n > 0).ok_or(Stop::SYNTAX)?;
            } else if name.eq_ignore_ascii_case(b"match") {
                request.filter.pattern = (*value != b"*").then(|| value.to_vec());
            } else if name.eq_ignore_ascii_case(b"type") {
                request.filter.type_name = Some(value.to_vec());
            } else {
                return Err(Stop::SYNTAX);
            }
        }
        Ok(request)
    }

    /// The position to go on at.
    pub fn from(&self) -> Position {
        Position(self.cursor.saturating_sub(1))
    }

    /// The cursor that goes on at this position, 0 when the walk has ended.
    pub fn cursor_at(next: Option<Position>) -> u64 {
        next.map_or(0, |position| position.0 + 1)
    }
}

/// What `strtoul` takes for a number, as Redis reads cursors: an empty text is 0, a sign is allowed.
fn parse_cursor(text: &[u8]) -> Option<u64> {
    let (negative, digits) = match integer::before_zero(text) {
        [] => return Some(0),
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(if negative { value.wrapping_neg() } else { value })
}

/// The keys from position `from` on and below `end` that pass the filter, appended to `out`. Visits
/// `count` rows, and those that share the last one's position. Returns where to go on, `None` when
/// nothing is left below `end`. A key that exists during the whole walk is met at least once. Where rows
/// may have to be fetched it visits fewer than a large count asks for.
///
/// # Errors
/// [`Stop::Fetch`] when rows are not in memory.
pub fn scan_part(
    data: &mut Data<'_>,
    from: Position,
    end: Position,
    count: usize,
    filter: &ScanFilter,
    out: &mut Vec<Vec<u8>>,
) -> Result<Option<Position>, Stop> {
    let now = data.now();
    let (mut visited, mut last, mut next) = (0, from, None);
    let mut expired = Vec::new();
    if from >= end {
        return Ok(None);
    }
    // The one after them as well: the walk goes on there.
    let count = data.warm(from, end, count.saturating_add(1))? - 1;
    for row in data.space().range(from, end) {
        if visited >= count && row.position != last {
            next = Some(row.position);
            break;
        }
        (visited, last) = (visited + 1, row.position);
        if row.expired(now) {
            if expired.len() < MAX_EXPIRED {
                expired.push(row.key().into());
            }
        } else if filter.accepts(row) {
            out.push(row.key().to_vec());
        }
    }
    delete_expired(data, &expired)?;
    Ok(next)
}

/// `SCAN cursor [MATCH pattern] [COUNT n] [TYPE name]` over the keys of this shard.
pub(super) fn scan(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let request = ScanRequest::parse(args)?;
    let mut keys = Vec::new();
    let end = Position(u64::MAX);
    let next = scan_part(&mut c.data, request.from(), end, request.count, &request.filter, &mut keys)?;
    let cursor = ScanRequest::cursor_at(next);
    c.reply.array(2);
    c.reply.bulk(itoa::Buffer::new().format(cursor).as_bytes());
    c.reply.array(keys.len());
    keys.iter().for_each(|key| c.reply.bulk(key));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_like_strtoul() {
        for (text, cursor) in [
            ("0", Some(0)),
            ("", Some(0)),
            ("007", Some(7)),
            ("+5", Some(5)),
            ("-1", Some(u64::MAX)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("-", None),
            ("x", None),
            ("1x", None),
            (" 1", None),
        ] {
            assert_eq!(parse_cursor(text.as_bytes()), cursor, "{text:?}");
        }
    }

    #[test]
    fn cursor_and_position_are_one() {
        let position = Position(12182 << 48 | 77);
        let cursor = ScanRequest::cursor_at(Some(position));
        let text = cursor.to_string();
        let request = ScanRequest::parse(&[b"scan", text.as_bytes()]).unwrap();
        assert_eq!(request.from(), position);
        assert_eq!(ScanRequest::parse(&[b"scan", b"0"]).unwrap().from(), Position(0));
        assert_ne!(ScanRequest::cursor_at(Some(Position(0))), 0);
        assert_eq!(ScanRequest::cursor_at(None), 0);
    }
}
