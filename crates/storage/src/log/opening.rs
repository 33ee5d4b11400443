//! Opening the log: replay, then going on behind the last intact batch.

use super::accounts::Accounts;
use super::active::{Active, BLOCK, open_segment, seal, wipe_header};
use super::append::{Log, LogOptions};
use super::error::{LogError, io};
use super::file;
use super::record::{Place, SegmentKey};
use super::recover::{Files, Found, Recover, Recovery, Tail, find};
use super::reserve::{ReservePlan, Spare};
use super::{MAX_SEGMENT_BYTES, MAX_SPARE, MIN_SEGMENT_BYTES};
use env::{Disk, Rng};
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

impl Log {
    /// Reads the log in folder `dir` and changes nothing of it: for looking at a node that does not run. `begun`: as in
    /// [`LogOptions`].
    ///
    /// # Errors
    /// As [`Log::open`].
    pub fn read(disk: &dyn Disk, dir: &Path, cluster: [u8; 16], begun: bool) -> Result<Recovery, LogError> {
        let files = find(disk, dir, cluster)?;
        check_begun(&files, dir, begun)?;
        let mut recover = Recover::default();
        recover.run(disk, &files.used)?;
        Ok(recover.finish()?.1)
    }

    /// Opens the log in folder `dir`, or makes a new one, and replays it. `rng` gives the salts of
    /// segments: no two starts may draw the same ones, or records of a segment's former use could pass for
    /// new ones.
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
        check_begun(&files, dir, options.begun)?;
        // A name seen here may be one whose folder was never synced before the last process died.
        disk.sync_dir(dir).map_err(io("sync", dir))?;
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
}

/// A log that was begun has a segment in use from then on.
fn check_begun(files: &Files, dir: &Path, begun: bool) -> Result<(), LogError> {
    match begun && files.used.is_empty() {
        false => Ok(()),
        true => {
            let why = "no segment in use is left of a log that was begun".to_owned();
            Err(LogError::Damaged { file: dir.to_owned(), offset: 0, why })
        }
    }
}

fn next_file(files: &Files) -> u32 {
    let used = files.used.iter().map(|found| found.file);
    used.chain(files.spare.iter().map(|(file, _)| *file)).max().map_or(1, |file| file + 1)
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
    /// Keeps spare files of the right size, removes the others. Headers are wiped again: that a
    /// file has none may so far be true in the page cache only.
    fn sort_spares(&self, files: &Files) -> Result<VecDeque<Spare>, LogError> {
        let mut spare = VecDeque::new();
        for &(file, bytes) in &files.spare {
            let path = file::path(self.dir, file);
            if bytes == self.options.segment_bytes && spare.len() < MAX_SPARE {
                wipe_header(self.disk.as_ref(), &path, self.options.direct)?;
                spare.push_back(Spare { file });
            } else {
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
        mut self,
        newest: &Found,
        tail: Tail,
        spare: VecDeque<Spare>,
        accounts: Accounts,
        next_sequence: u64,
    ) -> Result<Log, LogError> {
        let active = seal(self.disk.as_ref(), newest, &tail)?;
        if self.options.keep {
            self.options.direct = newest.header.direct;
        }
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
