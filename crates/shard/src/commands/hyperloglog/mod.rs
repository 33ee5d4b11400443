//! HyperLogLogs: PFADD, PFCOUNT, PFMERGE. They are strings, so that GET and SET move them from and to a Redis.

mod debug;
mod dense;
mod estimate;
mod hash;
mod selftest;
mod sketch;
mod sparse;

#[cfg(test)]
mod tests;

use crate::data::{Context, Done, Key, Stop};
use crate::row::Form;
pub(super) use debug::pfdebug;
pub use selftest::selftest;
use sketch::Sketch;

/// Registers of each.
const REGISTERS: usize = 1 << 14;
/// Bytes before the registers.
const HEADER: usize = 16;
/// Changed parts of a value that become effects of their own; with more of them the value is written as a whole.
const MAX_PARTS: usize = 32;

/// The runs of a sparse value do not cover exactly the registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Corrupt;

impl From<Corrupt> for Stop {
    fn from(_: Corrupt) -> Stop {
        Stop::error("INVALIDOBJ Corrupted HLL object detected")
    }
}

/// `PFADD key [element …]`
pub(super) fn pfadd(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let (key, most) = (c.data.key(args[1]), c.data.hll_sparse_max_bytes());
    let found = read(c, key)?;
    let mut sketch = found.clone().unwrap_or_else(Sketch::new);
    let mut changed = found.is_none();
    for element in &args[2..] {
        changed |= sketch.add(element, most)?;
    }
    if changed {
        sketch.outdate();
        write(c, key, found.as_ref(), &sketch)?;
    }
    c.data.note_form(key, Form::Edited);
    c.reply.int(changed.into());
    Ok(())
}

/// `PFCOUNT key [key …]`: of several, how many elements they have together. What was counted of one is kept in
/// it, unless a replica answers that does not lead.
pub(super) fn pfcount(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    if args.len() > 2 {
        let (registers, _) = merged(c, &args[1..])?;
        c.reply.int(sketch::count(&registers) as i64);
        return Ok(());
    }
    let key = c.data.key(args[1]);
    let Some(found) = read(c, key)? else {
        c.reply.int(0);
        return Ok(());
    };
    let count = match found.counted() {
        Some(count) => count,
        None => {
            let count = found.cardinality()?;
            if c.data.may_change() {
                let mut sketch = found.clone();
                sketch.set_counted(count);
                write(c, key, Some(&found), &sketch)?;
            }
            count
        }
    };
    c.data.note_form(key, Form::Edited);
    c.reply.int(count as i64);
    Ok(())
}

/// `PFMERGE destination [source …]`: the destination is one of the sources.
pub(super) fn pfmerge(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let (registers, any_dense) = merged(c, &args[1..])?;
    let (key, most) = (c.data.key(args[1]), c.data.hll_sparse_max_bytes());
    let found = read(c, key)?;
    let mut sketch = found.clone().unwrap_or_else(Sketch::new);
    if any_dense {
        sketch.make_dense()?;
    }
    for (register, count) in registers.iter().enumerate().filter(|(_, count)| **count > 0) {
        sketch.raise(register, *count, most)?;
    }
    sketch.outdate();
    write(c, key, found.as_ref(), &sketch)?;
    c.data.note_form(key, Form::Edited);
    c.reply.ok();
    Ok(())
}

/// The highest value of each register among the keys, and whether one of them is dense.
fn merged(c: &mut Context<'_>, keys: &[&[u8]]) -> Result<(Vec<u8>, bool), Stop> {
    let (mut registers, mut any_dense) = (vec![0; REGISTERS], false);
    for bytes in keys {
        let key = c.data.key(bytes);
        let Some(sketch) = read(c, key)? else { continue };
        any_dense |= sketch.is_dense();
        let both = registers.iter_mut().zip(sketch.registers()?);
        both.for_each(|(highest, value)| *highest = value.max(*highest));
    }
    Ok((registers, any_dense))
}

fn read(c: &mut Context<'_>, key: Key<'_>) -> Result<Option<Sketch>, Stop> {
    c.data.string(key)?.map(Sketch::read).transpose()
}

/// Replaces what was found by what it became, part by part if few bytes differ.
fn write(c: &mut Context<'_>, key: Key<'_>, found: Option<&Sketch>, new: &Sketch) -> Done {
    let Some(old) = found else { return c.data.put_string(key, 0, new.bytes()) };
    let parts = changed_parts(old.bytes(), new.bytes());
    if let Some(parts) = parts {
        return parts.into_iter().try_for_each(|part| c.data.patch(key, part.start, &new.bytes()[part]));
    }
    let expire = c.data.peek(key)?.map_or(0, |row| row.expire);
    c.data.put_string(key, expire, new.bytes())
}

/// Where two values of the same length differ; `None` if the lengths do, or in too many places.
fn changed_parts(old: &[u8], new: &[u8]) -> Option<Vec<std::ops::Range<usize>>> {
    if old.len() != new.len() {
        return None;
    }
    let mut parts: Vec<std::ops::Range<usize>> = Vec::new();
    for at in (0..old.len()).filter(|at| old[*at] != new[*at]) {
        let full = parts.len() == MAX_PARTS;
        match parts.last_mut() {
            Some(last) if last.end == at => last.end = at + 1,
            _ if full => return None,
            _ => parts.push(at..at + 1),
        }
    }
    Some(parts)
}
