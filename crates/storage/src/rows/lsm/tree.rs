//! One tree's life: open, failed and reopened, destroyed; and who may write when.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use super::engine::Engine;
use super::{LsmOptions, Shared, current};
use crate::rows::batch::BatchCheck;
use crate::rows::{RowBatch, RowError};

/// Compactions an ingestion runs at most before it gives up as stalled.
const STALL_STEPS: usize = 64;

enum Slot {
    Open(Arc<Engine>),
    /// A write failed: half-written files lie in the folder and the engine's idea of its newest version
    /// may differ from the disk's, so it must not write again. Reads go on.
    Failed(Arc<Engine>),
    /// Reopening failed.
    Closed,
    Destroyed,
}

/// State of one tree, shared by all its handles.
pub(super) struct Core {
    tree: u64,
    folder: PathBuf,
    options: LsmOptions,
    shared: Arc<Shared>,
    slot: RwLock<Slot>,
    /// What its tables count for in the memory of all trees, bytes.
    counted: AtomicU64,
    /// Held during an ingestion. Taken before `compaction`.
    writer: Mutex<()>,
    /// Held during a compaction: one at a time.
    compaction: Mutex<()>,
}

impl Core {
    pub(super) fn open(
        tree: u64,
        folder: PathBuf,
        options: LsmOptions,
        shared: Arc<Shared>,
    ) -> Result<Core, RowError> {
        let engine = open_engine(tree, &folder, &options, &shared)?;
        let counted = AtomicU64::default();
        shared.figures.count_memory(&counted, engine.memory());
        Ok(Core {
            tree,
            folder,
            options,
            shared,
            slot: RwLock::new(Slot::Open(Arc::new(engine))),
            counted,
            writer: Mutex::default(),
            compaction: Mutex::default(),
        })
    }

    pub(super) fn tree(&self) -> u64 {
        self.tree
    }

    /// The engine to read from.
    pub(super) fn reader(&self) -> Result<Arc<Engine>, RowError> {
        let slot = self.slot();
        match &*slot {
            Slot::Open(engine) | Slot::Failed(engine) => Ok(Arc::clone(engine)),
            Slot::Closed => Err(RowError::Closed { tree: self.tree }),
            Slot::Destroyed => Err(RowError::Destroyed { tree: self.tree }),
        }
    }

    /// The engine to write with; reopens the tree after a failed write.
    fn writable(&self) -> Result<Arc<Engine>, RowError> {
        if let Slot::Open(engine) = &*self.slot() {
            return Ok(Arc::clone(engine));
        }
        let mut slot = self.slot.write().unwrap_or_else(PoisonError::into_inner);
        match &*slot {
            Slot::Open(engine) => return Ok(Arc::clone(engine)),
            Slot::Destroyed => return Err(RowError::Destroyed { tree: self.tree }),
            Slot::Failed(engine) => {
                // Nobody can get a new reference while the slot is locked.
                let readers = Arc::strong_count(engine) - 1;
                if readers > 0 {
                    let tree = self.tree;
                    return Err(RowError::ReopenWaits { tree, readers });
                }
            }
            Slot::Closed => {}
        }
        *slot = Slot::Closed;
        tracing::warn!(tree = self.tree, "reopening a row tree after a failed write");
        let engine = open_engine(self.tree, &self.folder, &self.options, &self.shared)?;
        let engine = Arc::new(engine);
        *slot = Slot::Open(Arc::clone(&engine));
        Ok(engine)
    }

    fn fail(&self) {
        let mut slot = self.slot.write().unwrap_or_else(PoisonError::into_inner);
        if let Slot::Open(engine) = &*slot {
            let engine = Arc::clone(engine);
            *slot = Slot::Failed(engine);
        }
    }

    pub(super) fn ingest(&self, rows: RowBatch<'_>) -> Result<u64, RowError> {
        let _writer = lock(&self.writer);
        let engine = self.writable()?;
        self.check_space()?;
        self.unstall(&engine)?;
        let write = || write_batch(&engine, self.tree, rows);
        let result = self.shared.figures.by_ingestion(engine.tree(), write);
        match &result {
            // A batch refused before its first row has written nothing.
            Ok(_) | Err((_, 0)) => {}
            Err(_) => self.fail(),
        }
        let count = result.map_err(|(error, _)| error)?;
        // Without this every ingestion leaves a version file. A failure harms nobody now: the batch is
        // committed, and the next trim tries again.
        if let Err(e) = engine.trim_history() {
            tracing::warn!(tree = self.tree, error = %e, "old versions of a row tree stay on disk");
        }
        self.shared.figures.count_memory(&self.counted, engine.memory());
        Ok(count)
    }

    fn check_space(&self) -> Result<(), RowError> {
        let free = self.shared.disk.free_space(&self.folder);
        let reserve = self.options.reserve_bytes;
        let source = match free {
            Ok(free) if free >= reserve => return Ok(()),
            Ok(_) => io::ErrorKind::StorageFull.into(),
            Err(error) => error,
        };
        Err(RowError::Io { doing: format!("reserve {reserve} bytes for row tree {}", self.tree), source })
    }

    fn unstall(&self, engine: &Engine) -> Result<(), RowError> {
        for _ in 0..STALL_STEPS {
            if engine.runs() < engine.most_runs() {
                return Ok(());
            }
            let _one = lock(&self.compaction);
            self.compact(engine)?;
        }
        let (tree, runs) = (self.tree, engine.runs());
        Err(RowError::Stalled { tree, runs })
    }

    pub(super) fn maintain(&self) -> Result<bool, RowError> {
        let _one = lock(&self.compaction);
        let engine = self.writable()?;
        self.compact(&engine)
    }

    fn compact(&self, engine: &Engine) -> Result<bool, RowError> {
        let compacted = self.shared.figures.by_compaction(engine.tree(), || engine.compact());
        self.shared.figures.count_memory(&self.counted, engine.memory());
        compacted.map_err(|e| {
            self.fail();
            damage_or_io(self.tree, "compact", e)
        })
    }

    /// Lets go of the tree once running writes have ended; every later use answers `Destroyed`.
    pub(super) fn close_for_good(&self) {
        let _writer = lock(&self.writer);
        let _one = lock(&self.compaction);
        *self.slot.write().unwrap_or_else(PoisonError::into_inner) = Slot::Destroyed;
        self.shared.figures.count_memory(&self.counted, 0);
    }

    fn slot(&self) -> RwLockReadGuard<'_, Slot> {
        self.slot.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lock(mutex: &Mutex<()>) -> MutexGuard<'_, ()> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open_engine(
    tree: u64,
    folder: &std::path::Path,
    options: &LsmOptions,
    shared: &Shared,
) -> Result<Engine, RowError> {
    current::verify(&*shared.disk, tree, folder)?;
    Engine::open(folder, options, shared).map_err(|e| damage_or_io(tree, "open", e))
}

/// Writes and commits a batch; an error comes with the number of rows the engine had taken.
fn write_batch(engine: &Engine, tree: u64, rows: RowBatch<'_>) -> Result<u64, (RowError, u64)> {
    let mut check = BatchCheck::default();
    let mut ingestion = None;
    for (key, value) in rows {
        let taken = check.rows();
        check.next(&key, value.as_deref()).map_err(|e| (e, taken))?;
        let writer = match &mut ingestion {
            Some(writer) => writer,
            None => {
                let begun = engine.tree().ingestion();
                ingestion.insert(begun.map_err(|e| (damage_or_io(tree, "ingest into", e), 1))?)
            }
        };
        match value {
            Some(value) => writer.write(key, value),
            None => writer.write_tombstone(key),
        }
        .map_err(|e| (damage_or_io(tree, "ingest into", e), 1))?;
    }
    let count = check.finish().map_err(|e| (e, 0))?;
    if let Some(writer) = ingestion {
        writer.finish().map_err(|e| (damage_or_io(tree, "commit", e), count))?;
    }
    Ok(count)
}

/// What an error of the engine means to us.
pub(super) fn damage_or_io(tree: u64, doing: &str, error: lsm_tree::Error) -> RowError {
    match error {
        // A file that ends early or is gone is damage, not a passing trouble of the system.
        lsm_tree::Error::Io(source)
            if !matches!(source.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound) =>
        {
            RowError::Io { doing: format!("{doing} row tree {tree}"), source }
        }
        other => RowError::Damaged { tree, reason: other.to_string() },
    }
}
