//! Making segment files ahead of their use, so that an append neither waits for space nor finds
//! none: space is allocated, filled with zeros and synced (an fdatasync on space that was written
//! before needs no metadata and is several times faster).

use super::error::{LogError, io};
use super::segment::{file_name, is_unfinished};
use env::{AlignedBuf, Disk, DiskFile, Open};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

/// Zeros are written in pieces of this many bytes.
const ZERO_PIECE: usize = 1 << 20;

/// After a failure to make a segment the next try waits this long, in nanoseconds.
const RETRY_NS: u64 = 1_000_000_000;

/// A segment file that is ready for use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spare {
    /// Number in its file's name.
    pub(super) file: u32,
}

/// The making of one segment file; can run on any thread.
pub struct ReservePlan {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) dir: PathBuf,
    pub(super) file: u32,
    pub(super) bytes: u64,
    pub(super) direct: bool,
}

impl ReservePlan {
    /// Makes the file. It gets its final name only when it is complete and durable.
    ///
    /// # Errors
    /// [`LogError::NoSpace`]; [`LogError::Io`] for anything else. What was made is removed.
    pub fn run(self) -> Result<Spare, LogError> {
        let temp = self.dir.join(format!("{}.tmp", file_name(self.file)));
        debug_assert!(temp.file_name().is_some_and(|name| is_unfinished(&name.to_string_lossy())));
        self.make(&temp).map_err(|error| {
            // Best effort: leftovers are removed at the next start as well.
            let _ = self.disk.remove(&temp);
            if error.kind() == ErrorKind::StorageFull {
                return LogError::NoSpace { bytes: self.bytes, dir: self.dir.clone(), error };
            }
            io("prepare", &temp)(error)
        })?;
        Ok(Spare { file: self.file })
    }

    fn make(&self, temp: &Path) -> std::io::Result<()> {
        let mut file = self.open(temp)?;
        file.allocate(self.bytes)?;
        let mut zeros = AlignedBuf::new();
        zeros.resize_zeroed(ZERO_PIECE.min(self.bytes as usize));
        let mut at = 0;
        while at < self.bytes {
            let piece = (zeros.len() as u64).min(self.bytes - at) as usize;
            file.write_at(at, &zeros[..piece])?;
            at += piece as u64;
        }
        file.sync_data()?;
        self.disk.rename(temp, &self.dir.join(file_name(self.file)))?;
        self.disk.sync_dir(&self.dir)
    }

    fn open(&self, temp: &Path) -> std::io::Result<Box<dyn DiskFile>> {
        match self.disk.open(temp, Open::CREATE.direct(self.direct)) {
            Err(error) if self.direct && error.kind() == ErrorKind::InvalidInput => {
                self.disk.open(temp, Open::CREATE)
            }
            result => result,
        }
    }
}

/// The thread that makes segments, one at a time.
pub(super) struct Reserver {
    plans: Sender<ReservePlan>,
    results: Receiver<Result<Spare, LogError>>,
    busy: bool,
    not_before_ns: u64,
}

impl Reserver {
    pub(super) fn start() -> std::io::Result<Reserver> {
        let (plans, todo) = channel::<ReservePlan>();
        let (report, results) = channel();
        env::spawn("log-reserve", move || {
            while let Ok(plan) = todo.recv() {
                if report.send(plan.run()).is_err() {
                    break;
                }
            }
        })?;
        Ok(Reserver { plans, results, busy: false, not_before_ns: 0 })
    }

    pub(super) fn is_busy(&self) -> bool {
        self.busy
    }

    pub(super) fn may_start(&self, now: u64) -> bool {
        !self.busy && now >= self.not_before_ns
    }

    pub(super) fn start_plan(&mut self, plan: ReservePlan) {
        self.busy = self.plans.send(plan).is_ok();
    }

    pub(super) fn result(&mut self, now: u64) -> Option<Result<Spare, LogError>> {
        let result = self.results.try_recv().ok()?;
        self.busy = false;
        if result.is_err() {
            self.not_before_ns = now + RETRY_NS;
        }
        Some(result)
    }
}
