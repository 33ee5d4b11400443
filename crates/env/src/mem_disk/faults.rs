//! Faults to be met by coming operations.

use crate::sys;
use std::collections::BTreeMap;
use std::io;

/// Kinds of operations that can be made to fail.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Op {
    /// Reading from a file.
    Read,
    /// Writing to a file, reserving space, or changing its length.
    Write,
    /// fdatasync of a file or fsync of a folder.
    Sync,
    /// Creating, renaming or removing.
    Name,
}

#[derive(Clone, Default)]
pub(crate) struct Faults {
    once: BTreeMap<Op, u64>,
    ops_left: Option<u64>,
}

impl Faults {
    pub(crate) fn fail_once(&mut self, op: Op, skip: u64) {
        self.once.insert(op, skip);
    }

    pub(crate) fn halt_after(&mut self, ops: u64) {
        self.ops_left = Some(ops);
    }

    /// Counts one operation; an error if it is to fail.
    pub(crate) fn meet(&mut self, op: Op) -> io::Result<()> {
        match &mut self.ops_left {
            Some(0) => return Err(eio()),
            Some(left) if op != Op::Read => *left -= 1,
            _ => {}
        }
        match self.once.get_mut(&op) {
            Some(0) => {
                self.once.remove(&op);
                Err(eio())
            }
            Some(skip) => {
                *skip -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

fn eio() -> io::Error {
    io::Error::from_raw_os_error(sys::EIO)
}
