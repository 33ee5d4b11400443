//! The log: appending, syncing, changing to the next segment, freeing.

use super::accounts::Accounts;
use super::batch::{Batch, BatchBuilder};
use super::error::{LogError, io};
use super::file::{self, SegmentFile};
use super::item::Item;
use super::record::{HEADER, Header, Place, SegmentKey};
use super::recover::{Files, Found, Recover, Recovery, Tail, find};
use super::reserve::{ReservePlan, Spare};
use super::segment::{HEADER_BLOCK, SegmentHeader};
use super::{
    MAX_BATCH, MAX_HEAD, MAX_SEGMENT_BYTES, MAX_SPARE, MIN_SEGMENT_BYTES, RESERVE_SEGMENTS, SEGMENT_BYTES,
};
use env::{AlignedBuf, DIRECT_ALIGN, Disk, Rng};
use model::{GroupId, Index};
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const BLOCK: u64 = DIRECT_ALIGN as u64;
/// The write buffer keeps at most this many bytes of memory between appends.
const KEEP_BUFFER: usize = 4 << 20;

/// How a log is written.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// Size of a segment file: a multiple of 4096 from [`MIN_SEGMENT_BYTES`] to
    /// [`MAX_SEGMENT_BYTES`]. Existing segments keep theirs.
    pub segment_bytes: u64,
    /// Go around the page cache where the file system can.
    pub direct: bool,
    /// The cluster the node belongs to; a log of another one is refused.
    pub cluster: [u8; 16],
}

impl LogOptions {
    /// Segments of [`SEGMENT_BYTES`], direct I/O.
    pub fn new(cluster: [u8; 16]) -> LogOptions {
        LogOptions { segment_bytes: SEGMENT_BYTES, direct: true, cluster }
    }
}

/// What an append did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Appended {
    /// Sequence number of the last batch written.
    pub sequence: u64,
    /// Bytes of batches written.
    pub bytes: u64,
}

/// What freeing did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Freed {
    /// Segments taken out of the log.
    pub segments: u64,
    /// Their size in bytes.
    pub bytes: u64,
}

/// The log of a node. Used by one thread; see [`super::LogThread`] for a thread of its own.
pub struct Log {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    options: LogOptions,
    rng: Rng,
    active: Active,
    /// End of what is known synced.
    synced: Place,
    next_sequence: u64,
    accounts: Accounts,
    spare: VecDeque<Spare>,
    next_file: u32,
    /// Set by the first failed write or sync; nothing is tried after it.
    stopped: bool,
}

/// The segment that is written, and what of it is in memory.
struct Active {
    file: Box<dyn SegmentFile>,
    path: PathBuf,
    key: SegmentKey,
    /// Size of the file.
    bytes: u64,
    /// Content from `base` to `end`; `base` is a multiple of the block size.
    buf: AlignedBuf,
    base: u64,
    /// The first `written` bytes of `buf` have been written.
    written: usize,
}

impl Active {
    fn end(&self) -> u64 {
        self.base + self.buf.len() as u64
    }

    fn write(&mut self) -> Result<(), LogError> {
        if self.written < self.buf.len() {
            self.file.put(self.base, &mut self.buf, self.written).map_err(io("write", &self.path))?;
        }
        let whole = self.buf.len() / DIRECT_ALIGN * DIRECT_ALIGN;
        self.buf.drop_front(whole);
        self.base += whole as u64;
        self.written = self.buf.len();
        self.buf.shrink_to(KEEP_BUFFER);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), LogError> {
        self.file.sync().map_err(io("sync", &self.path))
    }
}

impl Log {
    /// Opens the log in folder `dir`, or makes a new one, and replays it. `rng` gives the salts of
    /// segments.
    ///
    /// # Errors
    /// [`LogError::Damaged`] when synced bytes are lost and it cannot be told whose; where it can,
    /// the groups are reported in [`Recovery::damage`] and the log opens for the others.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: LogOptions,
        rng: Rng,
    ) -> Result<(Log, Recovery), LogError> {
        let (bytes, min, max) = (options.segment_bytes, MIN_SEGMENT_BYTES, MAX_SEGMENT_BYTES);
        if !(min..=max).contains(&bytes) || !bytes.is_multiple_of(BLOCK) {
            return Err(LogError::SegmentSize { bytes, min, max });
        }
        disk.create_dir_all(dir).map_err(io("create", dir))?;
        let files = find(disk.as_ref(), dir, options.cluster)?;
        let mut recover = Recover::default();
        let tail = recover.run(disk.as_ref(), &files.used)?;
        let next_sequence = recover.next_sequence.max(1);
        let (accounts, recovery) = recover.finish()?;
        let opening = Opening { disk, dir, options, rng, next_file: next_file(&files) };
        let spare = opening.sort_spares(&files)?;
        let mut log = match files.used.last().zip(tail) {
            Some((newest, tail)) => opening.resume(newest, tail, spare, accounts, next_sequence)?,
            None => opening.begin(spare)?,
        };
        // Proves all of the above synced to the next recovery, and keeps marks of damage.
        log.write_head()?;
        log.sync()?;
        Ok((log, recovery))
    }

    /// Largest batch in bytes that [`Log::append`] takes.
    pub fn max_batch(&self) -> u64 {
        MAX_BATCH.min(self.options.segment_bytes - HEADER_BLOCK - self.head_room())
    }

    /// Most bytes of the states at a segment's head.
    fn head_room(&self) -> u64 {
        MAX_HEAD.min(self.options.segment_bytes / 4)
    }

    /// Writes the batches, in order, and makes them durable with one fdatasync (one more per change
    /// of segment).
    ///
    /// # Errors
    /// As [`Log::write`].
    pub fn append(&mut self, batches: &[Batch]) -> Result<Appended, LogError> {
        let appended = self.write(batches)?;
        self.sync()?;
        Ok(appended)
    }

    /// Writes the batches, in order, with one write per segment. They are durable after
    /// [`Log::sync`]; until then nothing of them may be acknowledged (safety rule 1).
    ///
    /// # Errors
    /// [`LogError::TooLarge`] and [`LogError::NoSpace`] before anything is written; after
    /// [`LogError::Io`] the log has stopped.
    pub fn write(&mut self, batches: &[Batch]) -> Result<Appended, LogError> {
        self.check_running()?;
        let max = self.max_batch();
        if let Some(large) = batches.iter().find(|batch| batch.size() > max) {
            return Err(LogError::TooLarge { bytes: large.size(), max });
        }
        self.reserve_for(batches)?;
        let result = self.write_all(batches);
        self.stopped |= result.is_err();
        result
    }

    fn write_all(&mut self, batches: &[Batch]) -> Result<Appended, LogError> {
        let mut bytes = 0;
        for batch in batches {
            if self.active.end() + batch.size() > self.active.bytes {
                self.change_segment()?;
            }
            self.put(batch);
            bytes += batch.size();
        }
        self.active.write()?;
        Ok(Appended { sequence: self.next_sequence - 1, bytes })
    }

    /// fdatasync: everything written is durable afterwards.
    ///
    /// # Errors
    /// [`LogError::Io`]; the log has stopped then.
    pub fn sync(&mut self) -> Result<(), LogError> {
        self.check_running()?;
        let result = self.active.sync();
        self.stopped |= result.is_err();
        result?;
        self.synced = self.place();
        Ok(())
    }

    fn place(&self) -> Place {
        Place { segment: self.active.key.number, offset: self.active.end() as u32 }
    }

    fn check_running(&self) -> Result<(), LogError> {
        if self.stopped { Err(LogError::Stopped) } else { Ok(()) }
    }

    /// Puts a batch into the buffer of the active segment and books it.
    fn put(&mut self, batch: &Batch) {
        let payload = &batch.bytes[HEADER..HEADER + batch.payload_len];
        let header = Header {
            payload_len: batch.payload_len as u32,
            payload_crc: crc32c::crc32c(payload),
            sequence: self.next_sequence,
            synced: self.synced,
            groups: batch.groups,
        };
        let at = self.active.buf.len();
        self.active.buf.extend_from_slice(&batch.bytes);
        header.encode(self.active.key, &mut self.active.buf[at..]);
        self.next_sequence += 1;
        self.accounts.book(&batch.notes);
    }

    /// Closes the active segment and opens the next one. The next one's first byte is written only
    /// after the active one is synced (safety rule 10).
    fn change_segment(&mut self) -> Result<(), LogError> {
        self.active.write()?;
        self.active.sync()?;
        self.synced = self.place();
        let spare = self.spare.pop_front().ok_or(LogError::Stopped)?;
        let number = self.active.key.number + 1;
        let key = SegmentKey { number, salt: self.rng.next_u64() };
        let end = self.active.end();
        self.active = open_segment(
            self.disk.as_ref(),
            &self.dir,
            &self.options,
            spare,
            (key, end, self.next_sequence),
        )?;
        self.accounts.open_segment(number, spare.file, self.options.segment_bytes);
        self.put_head()
    }

    fn put_head(&mut self) -> Result<(), LogError> {
        let head = self.accounts.head().finish();
        let max = self.head_room();
        if head.size() > max {
            let groups = self.accounts.known().count();
            return Err(LogError::TooManyGroups { groups, bytes: head.size(), max });
        }
        self.put(&head);
        Ok(())
    }

    /// Writes the states of all groups; at start and at the end.
    fn write_head(&mut self) -> Result<(), LogError> {
        let head = self.accounts.head().finish();
        self.write(&[head]).map(drop)
    }

    /// Makes sure that there is a spare segment for every change of segment these batches need, so
    /// that a lack of space is noticed before anything is written.
    fn reserve_for(&mut self, batches: &[Batch]) -> Result<(), LogError> {
        let (mut needed, mut end, mut limit) = (0, self.active.end(), self.active.bytes);
        for batch in batches {
            if end + batch.size() > limit {
                needed += 1;
                (end, limit) = (HEADER_BLOCK + self.head_room(), self.options.segment_bytes);
            }
            end += batch.size();
        }
        while self.spare.len() < needed {
            let spare = self.plan().run()?;
            self.spare.push_back(spare);
        }
        Ok(())
    }

    fn plan(&mut self) -> ReservePlan {
        let file = self.next_file;
        self.next_file += 1;
        ReservePlan {
            disk: self.disk.clone(),
            dir: self.dir.clone(),
            file,
            bytes: self.options.segment_bytes,
            direct: self.options.direct,
        }
    }

    /// True while fewer than [`RESERVE_SEGMENTS`] segments are ready: the node must lead nothing
    /// and refuse writes (safety rule 12).
    pub fn reserve_low(&self) -> bool {
        self.spare.len() < RESERVE_SEGMENTS
    }

    /// The making of the next segment if the reserve is low; its result goes to
    /// [`Log::add_reserve`].
    pub fn reserve_plan(&mut self) -> Option<ReservePlan> {
        self.reserve_low().then(|| self.plan())
    }

    /// Takes a segment made by a plan of this log.
    pub fn add_reserve(&mut self, spare: Spare) {
        self.spare.push_back(spare);
    }

    /// Fills the reserve on this thread.
    ///
    /// # Errors
    /// As [`ReservePlan::run`].
    pub fn fill_reserve(&mut self) -> Result<(), LogError> {
        while let Some(plan) = self.reserve_plan() {
            self.spare.push_back(plan.run()?);
        }
        Ok(())
    }

    /// Tells the log what it need not keep: entries of a group up to its floor, which are in a
    /// durable checkpoint. Takes the oldest segments that hold nothing needed out of the log and
    /// keeps them for use again. Floors never go down.
    ///
    /// # Errors
    /// As [`Log::append`]; the log writes down where it begins before a segment is used again.
    pub fn free(&mut self, floors: &BTreeMap<GroupId, Index>) -> Result<Freed, LogError> {
        self.check_running()?;
        // A group that is not in the log needs no floor in it.
        let known = |(group, _): &(&GroupId, &Index)| self.accounts.knows(**group);
        let floors: Vec<(GroupId, Index)> = floors.iter().filter(known).map(|(g, i)| (*g, *i)).collect();
        for &(group, index) in &floors {
            self.accounts.raise_floor(group, index);
        }
        let count = self.accounts.freeable();
        if count == 0 {
            return Ok(Freed::default());
        }
        let first = self.accounts.segments()[count].number;
        let mut mark = BatchBuilder::new();
        mark.push(&Item::FirstSegment { number: first });
        floors.iter().for_each(|&(group, index)| mark.floor(group, index));
        self.append(&[mark.finish()])?;
        let mut freed = Freed::default();
        for _ in 0..count {
            let Some(segment) = self.accounts.drop_oldest() else { break };
            freed.segments += 1;
            freed.bytes += segment.bytes;
            self.recycle(segment.file, segment.bytes);
        }
        Ok(freed)
    }

    /// Keeps the file of a freed segment, or deletes it. The log already says that it begins later,
    /// so an error is no more than a warning.
    fn recycle(&mut self, file: u32, bytes: u64) {
        let path = file::path(&self.dir, file);
        if bytes == self.options.segment_bytes && self.spare.len() < MAX_SPARE {
            match wipe_header(self.disk.as_ref(), &path, self.options.direct) {
                Ok(()) => return self.spare.push_back(Spare { file }),
                Err(error) => tracing::warn!(%error, "freed log segment not reused"),
            }
        }
        if let Err(error) = self.disk.remove(&path) {
            tracing::warn!(%error, path = %path.display(), "cannot remove freed log segment");
        }
    }

    /// Bytes of each group's entries in the log: whose checkpoint would free most.
    pub fn shares(&self) -> BTreeMap<GroupId, u64> {
        self.accounts.shares()
    }

    /// Groups whose floor keeps the oldest segment from being freed.
    pub fn blockers(&self) -> Vec<GroupId> {
        self.accounts.blockers()
    }

    /// Size in bytes of all segments that are part of the log, without the reserve.
    pub fn bytes(&self) -> u64 {
        self.accounts.bytes()
    }

    /// True if the active segment is written around the page cache.
    pub fn is_direct(&self) -> bool {
        self.active.file.is_direct()
    }

    /// Ends the use of the log: what was written is synced, and the next start can tell that.
    ///
    /// # Errors
    /// As [`Log::append`].
    pub fn close(mut self) -> Result<(), LogError> {
        self.sync()?;
        self.write_head()?;
        self.sync()
    }
}

fn next_file(files: &Files) -> u32 {
    let used = files.used.iter().map(|found| found.file);
    used.chain(files.spare.iter().map(|(file, _)| *file)).max().map_or(1, |file| file + 1)
}

/// Makes a freed segment file one that is not in use. Synced before the file is used again: else a
/// power cut could bring the old header back over the first bytes of the new use, and a segment
/// nobody needs would look damaged.
fn wipe_header(disk: &dyn Disk, path: &Path, direct: bool) -> Result<(), LogError> {
    let mut zeros = AlignedBuf::new();
    zeros.resize_zeroed(HEADER_BLOCK as usize);
    let mut file = file::open(disk, path, direct)?;
    file.put(0, &mut zeros, 0).map_err(io("write", path))?;
    file.sync().map_err(io("sync", path))
}

/// Opens a spare file as the segment with this key; its header is in the buffer, not yet written.
fn open_segment(
    disk: &dyn Disk,
    dir: &Path,
    options: &LogOptions,
    spare: Spare,
    (key, previous_end, first_sequence): (SegmentKey, u64, u64),
) -> Result<Active, LogError> {
    let path = file::path(dir, spare.file);
    let file = file::open(disk, &path, options.direct)?;
    let (cluster, bytes, direct) = (options.cluster, options.segment_bytes, file.is_direct());
    let header = SegmentHeader { key, cluster, bytes, previous_end, first_sequence, direct };
    let mut buf = AlignedBuf::new();
    buf.extend_from_slice(&header.encode());
    buf.resize_zeroed(HEADER_BLOCK as usize);
    Ok(Active { file, path, key, bytes, buf, base: 0, written: 0 })
}

/// What is needed to make a log after the replay.
struct Opening<'a> {
    disk: Arc<dyn Disk>,
    dir: &'a Path,
    options: LogOptions,
    rng: Rng,
    next_file: u32,
}

impl Opening<'_> {
    /// Keeps spare files of the right size, removes the others.
    fn sort_spares(&self, files: &Files) -> Result<VecDeque<Spare>, LogError> {
        let mut spare = VecDeque::new();
        for &(file, bytes) in &files.spare {
            if bytes == self.options.segment_bytes && spare.len() < MAX_SPARE {
                spare.push_back(Spare { file });
            } else {
                let path = file::path(self.dir, file);
                self.disk.remove(&path).map_err(io("remove", &path))?;
            }
        }
        Ok(spare)
    }

    /// A new log.
    fn begin(mut self, mut spare: VecDeque<Spare>) -> Result<Log, LogError> {
        let first = match spare.pop_front() {
            Some(first) => first,
            None => {
                let file = self.next_file;
                self.next_file += 1;
                let (disk, dir) = (self.disk.clone(), self.dir.to_owned());
                let (bytes, direct) = (self.options.segment_bytes, self.options.direct);
                ReservePlan { disk, dir, file, bytes, direct }.run()?
            }
        };
        let key = SegmentKey { number: 1, salt: self.rng.next_u64() };
        let active = open_segment(self.disk.as_ref(), self.dir, &self.options, first, (key, 0, 1))?;
        let mut accounts = Accounts::default();
        accounts.open_segment(1, first.file, self.options.segment_bytes);
        Ok(self.log(active, accounts, spare, 1))
    }

    /// Goes on behind the last intact batch of the newest segment.
    fn resume(
        self,
        newest: &Found,
        tail: Tail,
        spare: VecDeque<Spare>,
        accounts: Accounts,
        next_sequence: u64,
    ) -> Result<Log, LogError> {
        let active = seal(self.disk.as_ref(), newest, &tail)?;
        let options = &self.options;
        let probe = file::open(self.disk.as_ref(), &newest.path, options.direct)?;
        // The two ways of writing are never mixed on one segment, and a batch must fit.
        let change = probe.is_direct() != newest.header.direct || newest.header.bytes < options.segment_bytes;
        let mut log = self.log(active, accounts, spare, next_sequence);
        log.synced = log.place();
        if change {
            if log.spare.is_empty() {
                let made = log.plan().run()?;
                log.spare.push_back(made);
            }
            log.change_segment()?;
        }
        Ok(log)
    }

    fn log(self, active: Active, accounts: Accounts, spare: VecDeque<Spare>, next_sequence: u64) -> Log {
        Log {
            disk: self.disk,
            dir: self.dir.to_owned(),
            options: self.options,
            rng: self.rng,
            active,
            synced: Place::default(),
            next_sequence,
            accounts,
            spare,
            next_file: self.next_file,
            stopped: false,
        }
    }
}

/// Makes the recovered end of the newest segment certain. Batches that were written but perhaps
/// never synced (the process died, or an fdatasync failed and the page cache now lies) are written
/// again and synced; batches behind the end are overwritten with zeros, so that they can never be
/// taken for followers of what will be written next.
fn seal(disk: &dyn Disk, newest: &Found, tail: &Tail) -> Result<Active, LogError> {
    let header = &newest.header;
    let file = file::open(disk, &newest.path, header.direct)?;
    let base = tail.synced.min(tail.end) / BLOCK * BLOCK;
    let mut buf = AlignedBuf::new();
    buf.extend_from_slice(&tail.bytes[base as usize..]);
    let len = buf.len();
    buf.resize_zeroed(len + (tail.ghosts_end - tail.end) as usize);
    let (path, key, bytes) = (newest.path.clone(), header.key, header.bytes);
    let mut active = Active { file, path, key, bytes, buf, base, written: 0 };
    active.file.put(base, &mut active.buf, 0).map_err(io("write", &active.path))?;
    active.sync()?;
    active.buf.resize_zeroed(len);
    active.written = len;
    active.write()?;
    Ok(active)
}
