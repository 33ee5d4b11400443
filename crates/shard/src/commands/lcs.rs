//! LCS: the longest common subsequence of two strings, and where they match.

use super::integer;
use crate::data::{Context, Done, Stop};
use model::Reply;
use model::row::kind;
use std::ops::RangeInclusive;

/// Most cells of the table, which is the time the command may take. Redis allows as many in a
/// table within its `proto-max-bulk-len` of 512 MiB; ours needs 16 MiB, one bit per cell.
const MAX_CELLS: u64 = 512 * 1024 * 1024 / 4;

#[derive(Default)]
struct Options {
    len: bool,
    idx: bool,
    min_match: i64,
    with_match_len: bool,
}

/// A stretch that both strings have, by the positions of its bytes.
struct Match {
    a: RangeInclusive<usize>,
    b: RangeInclusive<usize>,
}

/// `LCS key1 key2 [LEN] [IDX] [MINMATCHLEN len] [WITHMATCHLEN]`
pub(super) fn lcs(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let (a, b) = (operand(c, args[1])?, operand(c, args[2])?);
    let (Some(a), Some(b)) = (a, b) else {
        return Err(Stop::error("ERR The specified keys must contain string values"));
    };
    let options = parse(&args[3..])?;
    if (a.len() as u64 + 1).saturating_mul(b.len() as u64 + 1) > MAX_CELLS {
        let text = "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len";
        return Err(Stop::error(text));
    }
    let (len, up) = table(&a, &b);
    if options.len {
        c.reply.int(len as i64);
        return Ok(());
    }
    let (common, matches) = walk(&a, &b, &up);
    if options.idx {
        reply_matches(c.reply, &options, &matches, len);
    } else {
        c.reply.bulk(&common);
    }
    Ok(())
}

/// The value of a key, empty when it is absent, `None` when it is no string.
fn operand(c: &mut Context<'_>, key: &[u8]) -> Result<Option<Vec<u8>>, Stop> {
    let key = c.data.key(key);
    Ok(match c.data.get(key)? {
        None => Some(Vec::new()),
        Some(row) => (row.kind == kind::STRING).then(|| row.value().to_vec()),
    })
}

fn parse(args: &[&[u8]]) -> Result<Options, Stop> {
    let mut options = Options::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let is = |name: &str| arg.eq_ignore_ascii_case(name.as_bytes());
        if is("idx") {
            options.idx = true;
        } else if is("len") {
            options.len = true;
        } else if is("withmatchlen") {
            options.with_match_len = true;
        } else if is("minmatchlen") {
            options.min_match = integer::argument(args.next().ok_or(Stop::SYNTAX)?)?;
        } else {
            return Err(Stop::SYNTAX);
        }
    }
    if options.idx && options.len {
        let text = "ERR If you want both the length and indexes, please just use IDX.";
        return Err(Stop::error(text));
    }
    Ok(options)
}

/// One bit per cell of the table: whether the way back goes up, to a shorter `a`, rather than left.
struct Up {
    bits: Vec<u64>,
    width: usize,
}

impl Up {
    fn at(&self, i: usize, j: usize) -> bool {
        let cell = i * self.width + j;
        self.bits[cell / 64] >> (cell % 64) & 1 == 1
    }
}

/// The length of the longest common subsequence, and the directions to find it.
fn table(a: &[u8], b: &[u8]) -> (usize, Up) {
    let width = b.len() + 1;
    let mut up = Up { bits: vec![0; ((a.len() + 1) * width).div_ceil(64)], width };
    let (mut above, mut row) = (vec![0u32; width], vec![0u32; width]);
    for (i, byte) in a.iter().enumerate() {
        for (j, other) in b.iter().enumerate() {
            row[j + 1] = if byte == other {
                above[j] + 1
            } else if above[j + 1] > row[j] {
                let cell = (i + 1) * width + j + 1;
                up.bits[cell / 64] |= 1 << (cell % 64);
                above[j + 1]
            } else {
                row[j]
            };
        }
        std::mem::swap(&mut above, &mut row);
    }
    (above[b.len()] as usize, up)
}

/// Walks back from the ends: the common subsequence, and the matches, last one first.
fn walk(a: &[u8], b: &[u8], up: &Up) -> (Vec<u8>, Vec<Match>) {
    let (mut i, mut j) = (a.len(), b.len());
    let (mut common, mut matches) = (Vec::new(), Vec::<Match>::new());
    let mut open = false;
    while i > 0 && j > 0 {
        if a[i - 1] != b[j - 1] {
            if up.at(i, j) {
                i -= 1
            } else {
                j -= 1
            }
            open = false;
            continue;
        }
        (i, j) = (i - 1, j - 1);
        common.push(a[i]);
        match matches.last_mut() {
            Some(last) if open => {
                (last.a, last.b) = (i..=*last.a.end(), j..=*last.b.end());
            }
            _ => matches.push(Match { a: i..=i, b: j..=j }),
        }
        open = true;
    }
    common.reverse();
    (common, matches)
}

fn reply_matches(reply: &mut dyn Reply, options: &Options, matches: &[Match], len: usize) {
    let size = |m: &Match| (m.a.end() - m.a.start() + 1) as i64;
    let long = || matches.iter().filter(|m| size(m) >= options.min_match);
    reply.map(2);
    reply.bulk(b"matches");
    reply.array(long().count());
    for m in long() {
        reply.array(if options.with_match_len { 3 } else { 2 });
        for range in [&m.a, &m.b] {
            reply.array(2);
            reply.int(*range.start() as i64);
            reply.int(*range.end() as i64);
        }
        if options.with_match_len {
            reply.int(size(m));
        }
    }
    reply.bulk(b"len");
    reply.int(len as i64);
}
