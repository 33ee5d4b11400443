//! What the tests of the log share: a log of small segments on a simulated disk.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use env::{Disk, MemDisk, Rng};
use everstore_storage::log::{
    Batch, BatchBuilder, HardState, Log, LogError, LogOptions, MIN_SEGMENT_BYTES, Recovery,
};
use model::{GroupId, Index, Term};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub const G: GroupId = GroupId(1);
pub const H: GroupId = GroupId(2);

pub fn dir() -> &'static Path {
    Path::new("/log")
}

pub fn options(direct: bool) -> LogOptions {
    LogOptions { segment_bytes: MIN_SEGMENT_BYTES, direct, keep: false, cluster: [7; 16], begun: false }
}

pub fn open(disk: &MemDisk) -> Result<(Log, Recovery), LogError> {
    open_with(disk, options(true))
}

pub fn open_with(disk: &MemDisk, options: LogOptions) -> Result<(Log, Recovery), LogError> {
    Log::open(Arc::new(disk.clone()), dir(), options, Rng::new(1))
}

pub fn batch(build: impl FnOnce(&mut BatchBuilder)) -> Batch {
    let mut builder = BatchBuilder::new();
    build(&mut builder);
    builder.finish()
}

/// A batch with one entry of 100 bytes.
pub fn entry(group: GroupId, index: Index, term: Term) -> Batch {
    batch(|b| b.entry(group, index, term, 0, &[index as u8; 100]))
}

pub fn hard(term: Term, vote: u64, commit: Index) -> HardState {
    HardState { term, vote, commit }
}

/// Index and term of a group's entries.
pub fn entries(recovery: &Recovery, group: GroupId) -> Vec<(Index, Term)> {
    let Some(state) = recovery.groups.get(&group) else { return Vec::new() };
    state.entries.iter().map(|e| (e.index, e.term)).collect()
}

/// The segment files and where a byte pattern first occurs in them.
pub fn find_bytes(disk: &MemDisk, pattern: &[u8]) -> (PathBuf, u64) {
    for name in disk.list(dir()).unwrap() {
        let path = dir().join(name);
        let bytes = disk.read(&path, 1 << 30).unwrap();
        if let Some(at) = bytes.windows(pattern.len()).position(|w| w == pattern) {
            return (path, at as u64);
        }
    }
    panic!("the log does not contain the pattern");
}
