//! A real log, crashes as a disk allows them, then a clean end and damage.

use super::model_of_log::{GROUPS, History};
use super::script::Script;
use super::{Folder, dir, stays};
use env::{Disk, MemDisk, Open, Rng};
use model::GroupId;
use std::path::{Path, PathBuf};
use storage::log::{Log, LogError};

/// Bytes of a segment before its batches.
const HEADER_BLOCK: u64 = 4096;

/// Writes a log, checking it after every crash; ends it cleanly; damages it and opens it again.
pub fn check(script: &mut Script<'_>) {
    let folder = Folder::new(script);
    let (mut log, _) = folder.open().expect("a disk without faults");
    let mut history = History::new();
    for _ in 0..1 + script.below(24) {
        log = step(script, &folder, log, &mut history);
    }
    history.sync();
    log.close().expect("a disk without faults");
    let strict = damage(script, &folder.disk);
    match folder.open() {
        Err(LogError::Damaged { .. }) => {}
        Err(error) => panic!("{error}"),
        Ok(opened) => {
            history.damaged(&opened.1, strict);
            stays(&folder, opened);
        }
    }
}

fn step(script: &mut Script<'_>, folder: &Folder, mut log: Log, history: &mut History) -> Log {
    let disk = &folder.disk;
    let what = script.byte() % 16;
    match what {
        0..9 => {
            let batches: Vec<_> = (0..1 + script.below(4)).map(|_| history.draw(script)).collect();
            match what {
                0..6 => {
                    log.append(&batches).expect("a disk without faults");
                    history.sync();
                }
                _ => drop(log.write(&batches).expect("a disk without faults")),
            }
            return log;
        }
        9 | 10 => {
            history.floor(GroupId(script.below(GROUPS as usize) as u32), u64::from(script.byte() % 12));
            if log.free(&history.floors).expect("a disk without faults").segments > 0 {
                history.sync();
            }
            return log;
        }
        11 => {
            log.fill_reserve().expect("a disk without faults");
            return log;
        }
        12 => disk.halt_after(u64::from(script.byte() % 12)),
        _ => {}
    }
    if what == 12 {
        // The disk stops in the middle of an append, and the power goes.
        let batch = history.draw(script);
        if log.append(&[batch]).is_ok() {
            history.sync();
        }
    }
    drop(log);
    match what {
        13 => disk.crash_process(),
        14 => {}
        _ => disk.power_cut(&mut Rng::new(u64::from(script.byte()))),
    }
    let (log, recovery) = folder.open().expect("a crash is no damage");
    history.recovered(&recovery);
    // What was recovered was made durable.
    history.sync();
    log
}

/// Injures the files. True if what proves the newest batches synced is untouched: the head written at
/// the clean end, and the newest segment's own header.
fn damage(script: &mut Script<'_>, disk: &MemDisk) -> bool {
    let files = segments(disk);
    let Some((newest, tail)) = files.iter().max_by_key(|(_, place)| place.number) else { return true };
    let (newest, tail) = (newest.clone(), tail.last_batch);
    let mut strict = true;
    for _ in 0..script.below(4) {
        let path = files[script.below(files.len())].0.clone();
        let at = script.below(16384) as u64;
        let len = match script.byte() % 8 {
            0..4 => {
                disk.flip_bit(&path, at, script.byte()).unwrap_or_default();
                1
            }
            4 | 5 => overwrite(disk, &path, at, &vec![0; script.below(600)]),
            6 => overwrite(disk, &path, at, script.bytes(64)),
            _ => {
                let mut file = disk.open(&path, Open::WRITE).expect("a disk without faults");
                file.set_size(at).expect("a disk without faults");
                file.sync_data().expect("a disk without faults");
                u64::MAX / 2
            }
        };
        let touched = at < HEADER_BLOCK || at + len > tail;
        strict &= path != newest || !touched;
    }
    strict
}

fn overwrite(disk: &MemDisk, path: &Path, at: u64, bytes: &[u8]) -> u64 {
    let mut file = disk.open(path, Open::WRITE).expect("a disk without faults");
    file.write_at(at, bytes).expect("a disk without faults");
    file.sync_data().expect("a disk without faults");
    bytes.len() as u64
}

struct Place {
    /// The segment's number in the log.
    number: u64,
    /// Where its last batch begins.
    last_batch: u64,
}

/// The segment files in use.
fn segments(disk: &MemDisk) -> Vec<(PathBuf, Place)> {
    let names = disk.list(dir()).expect("a disk without faults");
    let read = |name: &String| {
        let path = dir().join(name);
        let bytes = disk.read(&path, 1 << 20).expect("a disk without faults");
        let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        if bytes[..8] != *b"EverLog\n" {
            return None;
        }
        // A recycled file may hold batches of its former use behind; those are of no number here, and
        // to take one of them for the last only makes the check less strict.
        let (number, salt) = (word(16), word(24));
        let key = crc32c::crc32c_append(crc32c::crc32c(&number.to_le_bytes()), &salt.to_le_bytes());
        let is_batch = |at: &usize| {
            let crc = crc32c::crc32c_append(key, &bytes[at + 8..at + 48]);
            bytes[*at..at + 4] == *b"EvB1" && bytes[at + 4..at + 8] == crc.to_le_bytes()
        };
        let last = (HEADER_BLOCK as usize..bytes.len() - 48).step_by(8).rev().find(is_batch)?;
        Some((path, Place { number, last_batch: last as u64 }))
    };
    names.iter().filter_map(read).collect()
}
