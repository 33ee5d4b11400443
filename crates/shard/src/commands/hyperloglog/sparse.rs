//! The sparse form: runs of registers that are equal.
//!
//! `00xxxxxx` is a run of x + 1 zeros, `01xxxxxx yyyyyyyy` one of xy + 1 zeros, `1vvvvvxx` one of x + 1 registers
//! that are v + 1. Which runs there are depends on the order of changes, and is kept as Redis makes it.

use super::{Corrupt, HEADER, REGISTERS};

/// Longest run of zeros in one byte.
const ZERO_MAX: usize = 64;
/// Highest value that this form can hold.
const VALUE_MAX: u8 = 32;
/// Longest run of a value.
const VALUE_RUN: usize = 4;
/// Runs that are looked at after a change, to join equal ones.
const JOINED: usize = 5;

/// Registers that are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// Their value, 0 to 32.
    pub value: u8,
    /// Their number, 1 to 16384.
    pub len: usize,
    /// Bytes of the run.
    pub bytes: usize,
}

impl Run {
    /// The run that begins at `at`; `None` at the end, or if it is cut short.
    fn at(value: &[u8], at: usize) -> Option<Run> {
        let first = *value.get(at)?;
        Some(match first >> 6 {
            0 => Run { value: 0, len: usize::from(first & 0x3f) + 1, bytes: 1 },
            1 => {
                let len = usize::from(first & 0x3f) << 8 | usize::from(*value.get(at + 1)?);
                Run { value: 0, len: len + 1, bytes: 2 }
            }
            _ => Run { value: (first >> 2 & 0x1f) + 1, len: usize::from(first & 3) + 1, bytes: 1 },
        })
    }
}

fn of_value(value: u8, len: usize) -> u8 {
    0x80 | (value - 1) << 2 | (len - 1) as u8
}

/// Appends a run of zeros, as one byte if it fits.
fn push_zeros(out: &mut Vec<u8>, len: usize) {
    match len {
        0 => {}
        1..=ZERO_MAX => out.push((len - 1) as u8),
        _ => out.extend([0x40 | ((len - 1) >> 8) as u8, (len - 1) as u8]),
    }
}

fn push_values(out: &mut Vec<u8>, value: u8, len: usize) {
    if len > 0 {
        out.push(of_value(value, len));
    }
}

/// Appends a run that covers all registers with zero.
pub(super) fn push_empty(out: &mut Vec<u8>) {
    push_zeros(out, REGISTERS);
}

/// All runs.
///
/// # Errors
/// They do not cover exactly the registers.
pub(super) fn runs(value: &[u8]) -> Result<Vec<Run>, Corrupt> {
    let (mut at, mut covered, mut runs) = (HEADER, 0, Vec::new());
    while let Some(run) = Run::at(value, at) {
        at += run.bytes;
        covered += run.len;
        if covered > REGISTERS {
            return Err(Corrupt);
        }
        runs.push(run);
    }
    if covered == REGISTERS && at == value.len() { Ok(runs) } else { Err(Corrupt) }
}

/// What raising a register came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Raised {
    /// It is as high already.
    No,
    /// It is raised.
    Yes,
    /// This form cannot hold the result.
    TooMuch,
}

/// Where a run is.
struct Found {
    /// The begin of the run before it, if there is one.
    before: Option<usize>,
    at: usize,
    /// Its first register.
    first: usize,
    run: Run,
}

/// The run that a register is in.
fn find(value: &[u8], register: usize) -> Result<Found, Corrupt> {
    let (mut before, mut at, mut first) = (None, HEADER, 0);
    loop {
        let run = Run::at(value, at).ok_or(Corrupt)?;
        if register < first + run.len {
            return Ok(Found { before, at, first, run });
        }
        before = Some(at);
        at += run.bytes;
        first += run.len;
    }
}

/// Raises a register to `count`, as long as the value has at most `most` bytes then.
///
/// # Errors
/// The runs end before the register.
pub(super) fn raise(value: &mut Vec<u8>, register: usize, count: u8, most: usize) -> Result<Raised, Corrupt> {
    if count > VALUE_MAX {
        return Ok(Raised::TooMuch);
    }
    let Found { before, at, first, run } = find(value, register)?;
    if run.value >= count {
        return Ok(Raised::No);
    }
    let (left, right) = (register - first, first + run.len - 1 - register);
    let mut new = Vec::with_capacity(JOINED);
    match run.value {
        0 => push_zeros(&mut new, left),
        held => push_values(&mut new, held, left),
    }
    new.push(of_value(count, 1));
    match run.value {
        0 => push_zeros(&mut new, right),
        held => push_values(&mut new, held, right),
    }
    if new.len() > run.bytes && value.len() + new.len() - run.bytes > most {
        return Ok(Raised::TooMuch);
    }
    value.splice(at..at + run.bytes, new);
    join(value, before.unwrap_or(HEADER));
    Ok(Raised::Yes)
}

/// Joins neighbours of the same value from `at` on, as far as a run can be that long.
fn join(value: &mut Vec<u8>, mut at: usize) {
    for _ in 0..JOINED {
        let Some(run) = Run::at(value, at) else { return };
        let next = Run::at(value, at + run.bytes).filter(|next| run.value > 0 && next.value == run.value);
        match next {
            Some(next) if run.len + next.len <= VALUE_RUN => {
                value[at + 1] = of_value(run.value, run.len + next.len);
                value.remove(at);
            }
            _ => at += run.bytes,
        }
    }
}

/// The runs as PFDEBUG DECODE shows them, also of a damaged value: `z` and `Z` zeros in one and in two bytes,
/// `v` value and length. Of a run that is cut short Redis reads the zero byte behind the value.
pub(super) fn shown(value: &[u8]) -> String {
    let one = |run: Run| match run {
        Run { value: 0, bytes: 1, len } => format!("z:{len}"),
        Run { value: 0, len, .. } => format!("Z:{len}"),
        Run { value, len, .. } => format!("v:{value},{len}"),
    };
    let mut at = HEADER;
    let next = || {
        let run = Run::at(&[*value.get(at)?, value.get(at + 1).copied().unwrap_or(0)], 0)?;
        at += run.bytes;
        Some(run)
    };
    std::iter::from_fn(next).map(one).collect::<Vec<_>>().join(" ")
}
