//! Row trees on disk, kept by `lsm-tree`.
//!
//! Our own files (the manifest) go through [`env::Disk`]; the engine opens its files through `std::fs`,
//! which is accepted: the simulator runs on [`super::memory`] instead.

mod current;
mod engine;
mod figures;
mod tree;
mod verify;
mod view;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use env::Disk;
use lsm_tree::{Cache, DescriptorTable};

use self::figures::Figures;
use self::tree::Core;
use self::view::{LsmView, NEWEST};
use super::manifest::{Manifest, State};
use super::{Order, RowBatch, RowError, RowIter, RowRange, RowStore, RowStores, RowUsage, RowView, Verified};

/// What can be chosen about row trees; the defaults suit a node with its rows in memory.
#[derive(Debug, Clone)]
pub struct LsmOptions {
    /// Bytes of the block cache all trees share.
    pub cache_bytes: u64,
    /// Table files all trees together keep open.
    pub open_files: usize,
    /// Target size of a data block in bytes, at most 4 MiB: what one get reads.
    pub block_bytes: u32,
    /// An ingestion is refused as on a full disk when less than this many bytes are free, because a disk
    /// that fills up within one leaves garbage behind that only a reopen removes.
    pub reserve_bytes: u64,
}

/// Least bytes of the block cache: what the reads of a command need at once.
const MIN_CACHE: u64 = 1 << 20;
/// Least table files that are kept open.
const MIN_FILES: usize = 32;
/// Most bytes of the block cache: the system caches the files too.
const MAX_CACHE: u64 = 16 << 20;
/// One byte in so many of a node's memory is for the block cache.
const CACHE_PART: u64 = 16;

impl LsmOptions {
    /// For a node that may take so many bytes of memory as it starts; 0 = no limit. The cache keeps this size
    /// also when that bound is changed while the node runs: the engine's cache has a fixed capacity, and
    /// each open tree holds it. To give them another, every tree would have to be closed under its readers, where
    /// one that fails to open again is lost to them, and all that for at most [`MAX_CACHE`].
    pub fn within(max_memory: u64) -> LsmOptions {
        let cache_bytes = match max_memory {
            0 => MAX_CACHE,
            bytes => (bytes / CACHE_PART).clamp(MIN_CACHE, MAX_CACHE),
        };
        LsmOptions { cache_bytes, ..LsmOptions::default() }
    }

    /// For one of so many folders that share memory and open files.
    #[must_use]
    pub fn shared_by(self, folders: usize) -> LsmOptions {
        let (cache_bytes, open_files) =
            (self.cache_bytes / folders.max(1) as u64, self.open_files / folders.max(1));
        LsmOptions { cache_bytes: cache_bytes.max(MIN_CACHE), open_files: open_files.max(MIN_FILES), ..self }
    }
}

impl Default for LsmOptions {
    fn default() -> LsmOptions {
        LsmOptions {
            cache_bytes: MAX_CACHE,
            open_files: 256,
            block_bytes: 4096,
            reserve_bytes: 64 * 1024 * 1024,
        }
    }
}

/// What all trees of a node share.
struct Shared {
    disk: Arc<dyn Disk>,
    cache: Arc<Cache>,
    files: Arc<DescriptorTable>,
    figures: Figures,
}

struct Inner {
    shared: Arc<Shared>,
    options: LsmOptions,
    trees: Mutex<Trees>,
}

struct Trees {
    manifest: Manifest,
    /// Opened trees stay open, so that there is never a second engine on one folder.
    open: BTreeMap<u64, Arc<Core>>,
}

/// All row trees under one folder, `rows/` of a node. One process at a time: the caller holds the lock of
/// the data folder.
#[derive(Clone)]
pub struct LsmStores {
    inner: Arc<Inner>,
}

impl LsmStores {
    /// Opens a row folder, making it if needed, and removes what unfinished creations and removals of
    /// trees left in it.
    ///
    /// # Errors
    /// [`RowError::Manifest`] when the manifest is damaged, or missing beside trees; [`RowError::Io`].
    pub fn open(disk: Arc<dyn Disk>, folder: &Path, options: LsmOptions) -> Result<LsmStores, RowError> {
        let manifest = Manifest::open(Arc::clone(&disk), folder)?;
        let shared = Shared {
            disk,
            cache: Arc::new(Cache::with_capacity_bytes(options.cache_bytes)),
            files: Arc::new(DescriptorTable::new(options.open_files)),
            figures: Figures::default(),
        };
        let inner = Inner {
            shared: Arc::new(shared),
            options,
            trees: Mutex::new(Trees { manifest, open: BTreeMap::new() }),
        };
        Ok(LsmStores { inner: Arc::new(inner) })
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Trees> {
        self.trees.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self, tree: u64) -> Result<Arc<Core>, RowError> {
        let mut trees = self.lock();
        if let Some(core) = trees.open.get(&tree) {
            return Ok(Arc::clone(core));
        }
        let folder = trees.manifest.tree_folder(tree);
        let exists = current::exists(&*self.shared.disk, &folder)?;
        let state = trees.manifest.state(tree);
        match (state, exists) {
            (Some(State::Destroyed), _) => return Err(RowError::Destroyed { tree }),
            (Some(State::Live), true) | (Some(State::Creating), _) => {}
            (Some(State::Live), false) => {
                let reason = format!("its folder {} holds no tree any more", folder.display());
                return Err(RowError::Damaged { tree, reason });
            }
            (None, true) => {
                let text = format!("{} holds a tree the manifest does not know", folder.display());
                return Err(RowError::Manifest(text));
            }
            (None, false) => trees.manifest.set(tree, State::Creating)?,
        }
        let shared = Arc::clone(&self.shared);
        let core = Arc::new(Core::open(tree, folder, self.options.clone(), shared)?);
        trees.manifest.set(tree, State::Live)?;
        trees.open.insert(tree, Arc::clone(&core));
        Ok(core)
    }

    fn destroy(&self, tree: u64) -> Result<(), RowError> {
        let mut trees = self.lock();
        // The tree closes even when the tombstone cannot be written: the caller is done with it.
        let marked = trees.manifest.set(tree, State::Destroyed);
        let core = trees.open.remove(&tree);
        let folder = trees.manifest.tree_folder(tree);
        drop(trees);
        if let Some(core) = core {
            core.close_for_good();
        }
        marked?;
        Manifest::remove_folder(&*self.shared.disk, &folder)
    }
}

impl RowStores for LsmStores {
    fn open(&self, tree: u64) -> Result<Arc<dyn RowStore>, RowError> {
        Ok(Arc::new(LsmStore { core: self.inner.open(tree)?, stores: Arc::clone(&self.inner) }))
    }

    fn list(&self) -> Vec<u64> {
        self.inner.lock().manifest.live()
    }

    fn usage(&self) -> RowUsage {
        let Shared { cache, figures, .. } = &*self.inner.shared;
        figures.usage(cache.size())
    }

    fn next_id(&self) -> u64 {
        self.inner.lock().manifest.next_id()
    }

    fn destroy(&self, tree: u64) -> Result<(), RowError> {
        self.inner.destroy(tree)
    }
}

struct LsmStore {
    core: Arc<Core>,
    stores: Arc<Inner>,
}

impl RowView for LsmStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, RowError> {
        view::get(&*self.core.reader()?, self.core.tree(), NEWEST, key)
    }

    fn range(&self, range: RowRange<'_>, order: Order) -> Result<RowIter, RowError> {
        view::range(&self.core.reader()?, self.core.tree(), NEWEST, range, order)
    }

    fn for_each(&self, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<u64, RowError> {
        view::for_each(&*self.core.reader()?, self.core.tree(), NEWEST, visit)
    }
}

impl RowStore for LsmStore {
    fn id(&self) -> u64 {
        self.core.tree()
    }

    fn snapshot(&self) -> Result<Box<dyn RowView>, RowError> {
        Ok(Box::new(LsmView::new(self.core.reader()?, self.core.tree())))
    }

    fn ingest(&self, rows: RowBatch<'_>) -> Result<u64, RowError> {
        self.core.ingest(rows)
    }

    fn verify(&self, from: u64) -> Result<Verified, RowError> {
        verify::next(&self.stores.shared, &*self.core.reader()?, self.core.tree(), from)
    }

    fn bytes_on_disk(&self) -> u64 {
        self.core.reader().map_or(0, |engine| engine.bytes())
    }

    fn maintain(&self) -> Result<bool, RowError> {
        self.core.maintain()
    }

    fn destroy(&self) -> Result<(), RowError> {
        self.stores.destroy(self.core.tree())
    }
}
