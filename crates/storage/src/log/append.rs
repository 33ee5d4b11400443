//! The log: appending, syncing, changing to the next segment, freeing.

use super::accounts::Accounts;
use super::active::{Active, open_segment, wipe_header};
use super::batch::{Batch, BatchBuilder};
use super::error::LogError;
use super::file;
use super::item::Item;
use super::record::{HEADER, Header, Place, SegmentKey};
use super::reserve::{ReservePlan, Spare};
use super::segment::HEADER_BLOCK;
use super::{MAX_BATCH, MAX_HEAD, MAX_SPARE, RESERVE_SEGMENTS, SEGMENT_BYTES};
use env::{Disk, Rng};
use model::{GroupId, Index};
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

/// Room at the end of a segment for the word that another one follows.
const ANNOUNCEMENT: u64 = 64;

/// How a log is written.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// Size of a segment file: a multiple of 4096 from [`super::MIN_SEGMENT_BYTES`] to
    /// [`super::MAX_SEGMENT_BYTES`]. Existing segments keep theirs.
    pub segment_bytes: u64,
    /// Go around the page cache where the file system can; see [`Log::set_direct`].
    pub direct: bool,
    /// Go on the way the newest segment was written instead.
    pub keep: bool,
    /// The cluster the node belongs to; a log of another one is refused.
    pub cluster: [u8; 16],
    /// The log was begun in an earlier start: it is damaged if nothing of it is left.
    pub begun: bool,
}

impl LogOptions {
    /// Segments of [`SEGMENT_BYTES`], direct I/O.
    pub fn new(cluster: [u8; 16]) -> LogOptions {
        LogOptions { segment_bytes: SEGMENT_BYTES, direct: true, keep: false, cluster, begun: false }
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
    pub(super) disk: Arc<dyn Disk>,
    pub(super) dir: PathBuf,
    pub(super) options: LogOptions,
    pub(super) rng: Rng,
    pub(super) active: Active,
    /// End of what is known synced.
    pub(super) synced: Place,
    pub(super) next_sequence: u64,
    pub(super) accounts: Accounts,
    pub(super) spare: VecDeque<Spare>,
    pub(super) next_file: u32,
    /// Set by the first failed write or sync; nothing is tried after it.
    pub(super) stopped: bool,
}

impl Log {
    /// Largest batch in bytes that [`Log::append`] takes.
    pub fn max_batch(&self) -> u64 {
        MAX_BATCH.min(self.options.segment_bytes - HEADER_BLOCK - self.head_room() - ANNOUNCEMENT)
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

    /// True if writing the batch is one write and nothing else: the active segment has room for it.
    pub fn fits(&self, batch: &Batch) -> bool {
        self.active.end() + batch.size() + ANNOUNCEMENT <= self.active.bytes
    }

    fn write_all(&mut self, batches: &[Batch]) -> Result<Appended, LogError> {
        let mut bytes = 0;
        for batch in batches {
            if !self.fits(batch) {
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

    pub(super) fn place(&self) -> Place {
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
    pub(super) fn change_segment(&mut self) -> Result<(), LogError> {
        self.active.write()?;
        self.active.sync()?;
        self.synced = self.place();
        let spare = self.spare.pop_front().ok_or(LogError::Stopped)?;
        let number = self.active.key.number + 1;
        let key = SegmentKey { number, salt: self.rng.next_u64() };
        let place = (key, self.active.end(), self.next_sequence);
        let mut next = open_segment(self.disk.as_ref(), &self.dir, &self.options, spare, place)?;
        // Its header first, then the word of it: so the word is true, and it is durable before anything in
        // the next segment can be acknowledged.
        next.write()?;
        next.sync()?;
        self.announce(number)?;
        self.active = next;
        self.accounts.open_segment(number, spare.file, self.options.segment_bytes);
        self.put_head()
    }

    /// From the next segment on the log goes around the page cache, or through it. Going through it begins
    /// with a segment of its own at once if one is ready: never both ways on one.
    ///
    /// # Errors
    /// As [`Log::write`].
    pub fn set_direct(&mut self, direct: bool) -> Result<(), LogError> {
        self.check_running()?;
        self.options.direct = direct;
        if direct || !self.is_direct() || self.spare.is_empty() {
            return Ok(());
        }
        let result = self.change_segment().and_then(|()| self.active.write());
        self.stopped |= result.is_err();
        result
    }

    /// Says behind the end of the active segment that another one follows, so that its loss is noticed. The
    /// batch is no part of the log: the next one has the same sequence number. Segments of earlier
    /// versions may have no room for it.
    fn announce(&mut self, number: u64) -> Result<(), LogError> {
        let mut batch = BatchBuilder::new();
        batch.push(&Item::Successor { number });
        let batch = batch.finish();
        if self.active.end() + batch.size() <= self.active.bytes {
            self.put(&batch);
            self.next_sequence -= 1;
            self.active.write()?;
            self.active.sync()?;
        }
        Ok(())
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
    pub(super) fn write_head(&mut self) -> Result<(), LogError> {
        let head = self.accounts.head().finish();
        self.write(&[head]).map(drop)
    }

    /// Makes sure that there is a spare segment for every change of segment these batches need, so
    /// that a lack of space is noticed before anything is written.
    fn reserve_for(&mut self, batches: &[Batch]) -> Result<(), LogError> {
        let (mut needed, mut end, mut limit) = (0, self.active.end(), self.active.bytes);
        for batch in batches {
            if end + batch.size() + ANNOUNCEMENT > limit {
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

    pub(super) fn plan(&mut self) -> ReservePlan {
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

    /// True while no segment is ready: what is left of the active one is for what was proposed already and
    /// for terms and votes, so a node that can make none must take no more entries of others.
    pub fn reserve_empty(&self) -> bool {
        self.spare.is_empty()
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
        // All of them: one that freed nothing in an earlier call was not written down then, and what is
        // freed now may rest on it.
        self.accounts.floors().for_each(|(group, index)| mark.floor(group, index));
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

    /// Ends the use of the log: what was written is synced, and the next start can tell that. It takes nothing
    /// more.
    ///
    /// # Errors
    /// As [`Log::append`].
    pub fn close(&mut self) -> Result<(), LogError> {
        self.sync()?;
        self.write_head()?;
        self.sync()?;
        self.stopped = true;
        Ok(())
    }
}
