//! BITFIELD and BITFIELD_RO: a string as an array of integers of any width.

use super::bitfield_draft::Draft;
use super::bitfield_type::{FieldType, Overflow};
use super::{bits, integer};
use crate::data::{Context, Done, Stop};
use crate::row::Form;
use std::ops::Range;

/// One step of a command. The steps are executed in their order and see what those before them did.
struct Step {
    field: FieldType,
    /// The field's first bit.
    offset: u64,
    action: Action,
}

enum Action {
    Get,
    Set(i64, Overflow),
    Add(i64, Overflow),
}

impl Step {
    fn writes(&self) -> bool {
        !matches!(self.action, Action::Get)
    }

    /// The bytes that the field touches.
    fn bytes(&self) -> Range<usize> {
        let end = self.offset + u64::from(self.field.bits());
        (self.offset / 8) as usize..end.div_ceil(8) as usize
    }

    /// Executes the step; `None` when it failed because of an overflow.
    fn run(&self, draft: &mut Draft<'_>) -> Option<i64> {
        let old = self.field.decode(draft.read(self.offset, self.field.bits()));
        let (new, answer) = match self.action {
            Action::Get => return Some(old),
            Action::Set(value, overflow) => (self.field.set(value, overflow)?, old),
            Action::Add(increment, overflow) => {
                let new = self.field.add(old, increment, overflow)?;
                (new, new)
            }
        };
        draft.write(self.offset, self.field.bits(), new as u64);
        Some(answer)
    }
}

/// `BITFIELD key [GET type offset | [OVERFLOW WRAP | SAT | FAIL] SET type offset value |
/// [OVERFLOW …] INCRBY type offset increment …]`
pub(super) fn bitfield(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let steps = parse(&args[2..])?;
    run(c, args[1], &steps)
}

/// `BITFIELD_RO key [GET type offset …]`
pub(super) fn bitfield_ro(c: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let steps = parse(&args[2..])?;
    if steps.iter().any(Step::writes) {
        return Err(Stop::error("ERR BITFIELD_RO only supports the GET subcommand"));
    }
    run(c, args[1], &steps)
}

/// The value grows up to the last byte of any field that a step writes, even if that step then fails
/// because of an overflow: as in Redis.
fn run(c: &mut Context<'_>, key: &[u8], steps: &[Step]) -> Done {
    let key = c.data.key(key);
    let written: Vec<_> = steps.iter().filter(|step| step.writes()).map(Step::bytes).collect();
    let end = written.iter().map(|bytes| bytes.end).max();
    let fits = end.map_or(Ok(()), |end| c.data.check_size(key, end));
    let value = c.data.string(key)?;
    fits?;
    let mut draft = Draft::new(value, written, key.bytes.len());
    c.reply.array(steps.len());
    for step in steps {
        match step.run(&mut draft) {
            Some(answer) => c.reply.int(answer),
            None => c.reply.null(),
        }
    }
    for (offset, bytes) in draft.changes() {
        c.data.patch(key, offset, &bytes)?;
    }
    if end.is_some() {
        c.data.note_form(key, Form::Edited);
    }
    Ok(())
}

fn parse(args: &[&[u8]]) -> Result<Vec<Step>, Stop> {
    let (mut steps, mut overflow, mut rest) = (Vec::new(), Overflow::Wrap, args);
    while let [name, after @ ..] = rest {
        let is = |text: &str| name.eq_ignore_ascii_case(text.as_bytes());
        rest = match after {
            [field, offset, rest @ ..] if is("get") => {
                steps.push(step(field, offset, || Ok(Action::Get))?);
                rest
            }
            [field, offset, value, rest @ ..] if is("set") => {
                let set = || Ok(Action::Set(integer::argument(value)?, overflow));
                steps.push(step(field, offset, set)?);
                rest
            }
            [field, offset, increment, rest @ ..] if is("incrby") => {
                let add = || Ok(Action::Add(integer::argument(increment)?, overflow));
                steps.push(step(field, offset, add)?);
                rest
            }
            [how, rest @ ..] if is("overflow") => {
                overflow = Overflow::parse(how)?;
                rest
            }
            _ => return Err(Stop::SYNTAX),
        };
    }
    Ok(steps)
}

/// A step on a field; its action is read last, so that faults are found in the order of the arguments.
fn step(field: &[u8], offset: &[u8], action: impl FnOnce() -> Result<Action, Stop>) -> Result<Step, Stop> {
    let field = FieldType::parse(field)?;
    let offset = match offset {
        [b'#', index @ ..] => bits::scaled_offset(index, field.bits())?,
        _ => bits::offset(offset)?,
    };
    Ok(Step { field, offset, action: action()? })
}
