//! Reading the log at start: which segments belong to it, which batches are intact, where it ends,
//! and whether what is missing was never synced (torn, cut) or was (damage).

use super::accounts::Accounts;
use super::active::BLOCK;
use super::batch::Note;
use super::error::{LogError, io};
use super::file;
use super::item::Item;
use super::pieces::Pieces;
use super::record::ALIGN;
use super::replay::{GroupLog, Replay};
use super::segment::{HEADER_BLOCK, HEADER_LEN, SegmentHeader, file_number, is_unfinished};
use env::{Disk, Open};
use model::planted::{Bug, is_planted};
use model::varint::Reader;
use model::{GroupId, Index};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What the log had to say at start.
#[derive(Debug, Default)]
pub struct Recovery {
    /// Every group the log knows.
    pub groups: BTreeMap<GroupId, GroupLog>,
    /// Batches that were synced and can no longer be read. Their groups are `damaged`, also after
    /// later starts, until they are forgotten.
    pub damage: Vec<Damage>,
    /// What was read.
    pub report: Report,
}

/// A synced batch that cannot be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damage {
    /// The segment file.
    pub file: PathBuf,
    /// Byte offset of the batch.
    pub offset: u64,
    /// The groups that had items in it (or may have had: the batch header tells them modulo 64).
    pub groups: Vec<GroupId>,
}

/// Figures of a recovery.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// Segments read.
    pub segments: u64,
    /// Bytes of intact batches.
    pub bytes: u64,
    /// Intact batches.
    pub batches: u64,
    /// The torn tail, if there was one.
    pub cut: Option<Cut>,
}

/// A torn tail: written but never synced, so never acknowledged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cut {
    /// The segment file.
    pub file: PathBuf,
    /// Where the log now ends.
    pub offset: u64,
    /// Bytes of the batches cut off.
    pub bytes: u64,
}

/// A segment file in use.
pub(super) struct Found {
    pub(super) file: u32,
    pub(super) path: PathBuf,
    pub(super) header: SegmentHeader,
}

/// The segment files of a folder.
#[derive(Default)]
pub(super) struct Files {
    /// In use, by ascending segment number; the log is the unbroken run at the end.
    pub(super) used: Vec<Found>,
    /// Not in use: number in the name, size.
    pub(super) spare: Vec<(u32, u64)>,
}

/// Looks at all files of the log's folder and removes unfinished ones.
pub(super) fn find(disk: &dyn Disk, dir: &Path, cluster: [u8; 16]) -> Result<Files, LogError> {
    let mut files = Files::default();
    for name in disk.list(dir).map_err(io("list", dir))? {
        if is_unfinished(&name) {
            let path = dir.join(&name);
            match disk.remove(&path) {
                // Whoever made it has just ended it.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                result => result.map_err(io("remove", &path))?,
            }
        }
        let Some(file) = file_number(&name) else { continue };
        let path = file::path(dir, file);
        let handle = disk.open(&path, Open::READ).map_err(io("open", &path))?;
        let size = handle.size().map_err(io("read", &path))?;
        let mut bytes = [0; HEADER_LEN];
        handle.read_at(0, &mut bytes).map_err(io("read", &path))?;
        let Some(header) = SegmentHeader::decode(&path, &bytes)? else {
            files.spare.push((file, size));
            continue;
        };
        if header.cluster != cluster {
            return Err(LogError::ForeignCluster { file: path });
        }
        if size < header.bytes {
            let why = format!("segment file has {size} bytes, {} expected", header.bytes);
            return Err(LogError::Damaged { file: path, offset: size, why });
        }
        files.used.push(Found { file, path, header });
    }
    files.used.sort_by_key(|found| found.header.key.number);
    keep_unbroken_run(&mut files)?;
    Ok(files)
}

/// Segments before a gap in the numbers were freed and wait to be recycled.
fn keep_unbroken_run(files: &mut Files) -> Result<(), LogError> {
    let mut start = files.used.len().saturating_sub(1);
    while start > 0 {
        let (older, newer) = (&files.used[start - 1], &files.used[start]);
        let (a, b) = (older.header.key.number, newer.header.key.number);
        if a == b {
            let why = format!("segment {a} is also in {}", older.path.display());
            return Err(LogError::Damaged { file: newer.path.clone(), offset: 0, why });
        }
        if a + 1 != b {
            break;
        }
        start -= 1;
    }
    files.spare.extend(files.used.drain(..start).map(|found| (found.file, found.header.bytes)));
    Ok(())
}

/// Where the newest segment ends.
#[derive(Default)]
pub(super) struct Tail {
    /// End of the last intact batch.
    pub(super) end: u64,
    /// Up to here it was known synced when the last intact batch was written.
    pub(super) synced: u64,
    /// End of the last batch behind `end` that could be taken for valid later; `end` if none.
    pub(super) ghosts_end: u64,
    /// The bytes of the segment from [`Tail::unsynced_from`] to `end`, which were found intact: what the last
    /// writes before the end of the process brought. Reading them again later would be another look,
    /// behind which a page cache may have gone.
    pub(super) unsynced: Vec<u8>,
}

impl Tail {
    /// Start of the block in which what is not known synced begins.
    pub(super) fn unsynced_from(&self) -> u64 {
        self.synced.min(self.end) / BLOCK * BLOCK
    }
}

/// Replays segments.
#[derive(Default)]
pub(super) struct Recover {
    pub(super) replay: Replay,
    pub(super) accounts: Accounts,
    pub(super) next_sequence: u64,
    pub(super) report: Report,
    damage: Vec<(PathBuf, u64, u64)>,
}

impl Recover {
    /// Replays all segments in order and answers where the newest ends.
    pub(super) fn run(&mut self, disk: &dyn Disk, used: &[Found]) -> Result<Option<Tail>, LogError> {
        let Some(oldest) = used.first() else { return Ok(None) };
        self.next_sequence = oldest.header.first_sequence;
        let mut tail = None;
        for (i, found) in used.iter().enumerate() {
            let end = used.get(i + 1).map(|next| next.header.previous_end);
            tail = Some(self.segment(disk, found, end)?);
        }
        let oldest_number = oldest.header.key.number;
        if oldest_number > self.replay.first_segment.max(1) {
            let why = format!("segment {} is missing; this is segment {oldest_number}", oldest_number - 1);
            return Err(LogError::Damaged { file: oldest.path.clone(), offset: 0, why });
        }
        if let (Some(missing), Some(newest)) = (self.replay.successor, used.last()) {
            let why = format!("segment {missing} is missing, though it was in use");
            return Err(LogError::Damaged { file: newest.path.clone(), offset: newest.header.bytes, why });
        }
        Ok(tail)
    }

    fn segment(&mut self, disk: &dyn Disk, found: &Found, end: Option<u64>) -> Result<Tail, LogError> {
        let header = &found.header;
        self.accounts.open_segment(header.key.number, found.file, header.bytes);
        self.report.segments += 1;
        if header.first_sequence != self.next_sequence {
            let why = format!("begins with batch {}, {} expected", header.first_sequence, self.next_sequence);
            return Err(LogError::Damaged { file: found.path.clone(), offset: 0, why });
        }
        let len = end.unwrap_or(header.bytes);
        if !(HEADER_BLOCK..=header.bytes).contains(&len) {
            let why = format!("the next segment says that it ends at {len} of {}", header.bytes);
            return Err(LogError::Damaged { file: found.path.clone(), offset: 0, why });
        }
        self.batches(disk, found, len, end.is_some())
    }

    /// Replays the batches of a segment, which ends at `len`. A closed one must be intact to its end.
    fn batches(&mut self, disk: &dyn Disk, found: &Found, len: u64, closed: bool) -> Result<Tail, LogError> {
        let key = found.header.key;
        let mut pieces = Pieces::open(disk, &found.path, len)?;
        let mut tail = Tail { end: HEADER_BLOCK, ..Tail::default() };
        let mut at = HEADER_BLOCK;
        while !(closed && at == len) {
            if !closed {
                // Whatever is not known synced is written again.
                pieces.keep_from(tail.unsynced_from());
            }
            let header = pieces.header(key, at)?.filter(|h| h.sequence == self.next_sequence);
            let payload = header.map(|header| pieces.payload(header, at)).transpose()?.flatten();
            if let (Some(header), Some(payload)) = (header, payload) {
                self.payload(found, at, payload)?;
                if header.synced.segment == key.number {
                    tail.synced = u64::from(header.synced.offset);
                }
                self.report.batches += 1;
                self.report.bytes += header.size() as u64;
            } else {
                let later = Later::scan(disk, found, len, at)?;
                // Planted: see model/planted.rs
                if is_planted(Bug::TornTailAcknowledged)
                    && !closed
                    && let Some((next, sequence)) = self.next_intact(disk, found, len, at)?
                {
                    (at, self.next_sequence) = (next, sequence);
                    continue;
                }
                if !closed && later.synced <= at {
                    self.cut(found, at, &later);
                    tail.ghosts_end = later.end;
                    tail.unsynced = pieces.into_kept(at);
                    return Ok(tail);
                }
                let Some(header) = header else {
                    let why = "batch header fails its checksum, though it was synced".to_owned();
                    return Err(LogError::Damaged { file: found.path.clone(), offset: at, why });
                };
                self.damage.push((found.path.clone(), at, header.groups));
            }
            // Both branches above have a header; without one the loop has ended.
            at += header.map_or(ALIGN, |h| h.size()) as u64;
            tail.end = at;
            self.next_sequence += 1;
        }
        Ok(Tail { ghosts_end: at, ..tail })
    }

    /// Place and number of the next batch after a bad one. Planted: nothing else may go on there.
    fn next_intact(
        &self,
        disk: &dyn Disk,
        found: &Found,
        len: u64,
        bad: u64,
    ) -> Result<Option<(u64, u64)>, LogError> {
        let mut pieces = Pieces::open(disk, &found.path, len)?;
        for at in (bad + ALIGN as u64..len).step_by(ALIGN) {
            let header = pieces.header(found.header.key, at)?;
            let Some(header) = header.filter(|header| header.sequence > self.next_sequence) else { continue };
            if pieces.payload(header, at)?.is_some() {
                return Ok(Some((at, header.sequence)));
            }
        }
        Ok(None)
    }

    fn cut(&mut self, found: &Found, offset: u64, later: &Later) {
        if later.end > offset {
            self.report.cut = Some(Cut { file: found.path.clone(), offset, bytes: later.end - offset });
        }
    }

    fn payload(&mut self, found: &Found, offset: u64, payload: &[u8]) -> Result<(), LogError> {
        let mut reader = Reader::new(payload);
        let mut notes = Vec::new();
        while !reader.is_empty() {
            let before = reader.rest().len();
            let item = Item::decode(&mut reader).map_err(|error| LogError::Damaged {
                file: found.path.clone(),
                offset,
                why: format!("batch cannot be understood: {error}"),
            })?;
            Note::add(&mut notes, &item, (before - reader.rest().len()) as u64);
            self.replay.item(&item);
        }
        self.accounts.book(&notes);
        Ok(())
    }

    /// Names the groups that damage concerns and marks them and those with holes. A batch of a
    /// group of which nothing else is left could make a replica start afresh, so that is refused.
    pub(super) fn finish(mut self) -> Result<(Accounts, Recovery), LogError> {
        self.replay.finish();
        let mut damage = Vec::new();
        for (file, offset, mask) in std::mem::take(&mut self.damage) {
            let concerned = |group: &GroupId| mask & super::batch::group_bit(*group) != 0;
            let groups: Vec<GroupId> = self.accounts.known().filter(concerned).collect();
            let known = groups.iter().fold(0, |bits, group| bits | super::batch::group_bit(*group));
            if known != mask {
                let why = "a batch fails its checksum and one of its groups is not known otherwise";
                return Err(LogError::Damaged { file, offset, why: why.to_owned() });
            }
            self.mark(&groups);
            damage.push(Damage { file, offset, groups });
        }
        let holes: Vec<(GroupId, Index)> = self.replay.holes.iter().map(|(g, i)| (*g, *i)).collect();
        for (group, index) in holes {
            tracing::error!(group = group.0, index, "entries are missing in the log before this index");
            self.mark(&[group]);
        }
        let recovery = Recovery { groups: self.replay.groups, damage, report: self.report };
        Ok((self.accounts, recovery))
    }

    fn mark(&mut self, groups: &[GroupId]) {
        for &group in groups {
            self.replay.item(&Item::Damaged { group });
            self.accounts.book(&[Note::Damaged { group }]);
        }
    }
}

/// What stands behind a bad batch.
struct Later {
    /// Highest position in this segment that a later batch header knew to be synced.
    synced: u64,
    /// End of the last batch header's batch, or where the search began.
    end: u64,
}

impl Later {
    /// Searches batch headers from `from` on. The length of a bad batch cannot be trusted, so every
    /// aligned place is looked at; the checksum with the segment's key leaves no false finds.
    fn scan(disk: &dyn Disk, found: &Found, len: u64, from: u64) -> Result<Later, LogError> {
        let key = found.header.key;
        let mut pieces = Pieces::open(disk, &found.path, len)?;
        let mut later = Later { synced: 0, end: from };
        for at in (from..len).step_by(ALIGN) {
            if let Some(header) = pieces.header(key, at)? {
                if header.synced.segment == key.number {
                    later.synced = later.synced.max(u64::from(header.synced.offset));
                }
                later.end = later.end.max(at + header.size() as u64);
            }
        }
        Ok(later)
    }
}
