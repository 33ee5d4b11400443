//! The simulator's row store: rows in memory that behave like a disk under crashes.
//!
//! [`MemoryStores`] is the disk: it survives [`MemoryStores::crash`], after which handles of before are
//! closed. An ingestion that had not finished leaves nothing, one that had leaves everything. A row can
//! be injured ([`MemoryStores::flip`]); every row carries a checksum, so reading it is an error.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::batch::{BatchCheck, check_key};
use super::error::show_key;
use super::{Order, Row, RowBatch, RowError, RowIter, RowRange, RowStore, RowStores, RowView, Verified};

/// What befalls the next ingestion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IngestFault {
    /// The disk is full: an error, nothing changes.
    NoSpace,
    /// The process dies before the batch is committed: nothing of it is left.
    CrashBefore,
    /// The process dies after the batch is committed, before its caller learns of it: all of it is left.
    CrashAfter,
}

#[derive(Debug, Clone)]
struct Stored {
    value: Vec<u8>,
    check: u32,
}

/// Rows by key. Shared with snapshots and copied on the first change while one is held.
type Rows = BTreeMap<Vec<u8>, Stored>;

#[derive(Debug, Clone, Default)]
struct Disk {
    trees: BTreeMap<u64, Arc<Rows>>,
    destroyed: BTreeSet<u64>,
    /// Number of crashes; a handle of an older life is closed.
    life: u64,
    fault: Option<IngestFault>,
}

/// Trees in memory, and the disk they lie on. A clone is the same disk.
#[derive(Debug, Clone, Default)]
pub struct MemoryStores {
    disk: Arc<Mutex<Disk>>,
}

impl MemoryStores {
    /// An empty disk.
    pub fn new() -> MemoryStores {
        MemoryStores::default()
    }

    /// Another disk with the same trees, as a copy of all files made now.
    pub fn copy(&self) -> MemoryStores {
        let mut disk = self.lock().clone();
        disk.life += 1;
        disk.fault = None;
        MemoryStores { disk: Arc::new(Mutex::new(disk)) }
    }

    /// The process dies: every store handed out so far answers [`RowError::Closed`] from now on.
    pub fn crash(&self) {
        self.lock().life += 1;
    }

    /// Lets `fault` befall the next ingestion into any tree.
    pub fn arm(&self, fault: IngestFault) {
        self.lock().fault = Some(fault);
    }

    /// Injures a stored row by turning over one bit of its value (of its checksum if it has no value).
    /// False when there is no such row.
    pub fn flip(&self, tree: u64, key: &[u8], bit: usize) -> bool {
        let mut disk = self.lock();
        let Some(rows) = disk.trees.get_mut(&tree) else {
            return false;
        };
        let Some(stored) = Arc::make_mut(rows).get_mut(key) else {
            return false;
        };
        match stored.value.len() {
            0 => stored.check ^= 1 << (bit % 32),
            len => stored.value[bit / 8 % len] ^= 1 << (bit % 8),
        }
        true
    }

    /// As [`MemoryStores::flip`], of any stored row: `which` chooses it. Answers its tree.
    pub fn flip_any(&self, which: u64, bit: usize) -> Option<u64> {
        let (tree, key) = {
            let disk = self.lock();
            let rows = || disk.trees.iter().flat_map(|(tree, rows)| rows.keys().map(move |key| (*tree, key)));
            let count = rows().count() as u64;
            let (tree, key) = rows().nth((which % count.max(1)) as usize)?;
            (tree, key.clone())
        };
        self.flip(tree, &key, bit).then_some(tree)
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RowStores for MemoryStores {
    fn open(&self, tree: u64) -> Result<Arc<dyn RowStore>, RowError> {
        let mut disk = self.lock();
        if disk.destroyed.contains(&tree) {
            return Err(RowError::Destroyed { tree });
        }
        disk.trees.entry(tree).or_default();
        Ok(Arc::new(MemoryStore { tree, life: disk.life, stores: self.clone() }))
    }

    fn list(&self) -> Vec<u64> {
        self.lock().trees.keys().copied().collect()
    }

    fn next_id(&self) -> u64 {
        let disk = self.lock();
        let live = disk.trees.keys().next_back().copied();
        let dead = disk.destroyed.iter().next_back().copied();
        live.max(dead).map_or(1, |id| id + 1)
    }

    fn destroy(&self, tree: u64) -> Result<(), RowError> {
        let mut disk = self.lock();
        disk.trees.remove(&tree);
        disk.destroyed.insert(tree);
        Ok(())
    }
}

struct MemoryStore {
    tree: u64,
    life: u64,
    stores: MemoryStores,
}

impl MemoryStore {
    fn view(&self) -> Result<MemoryView, RowError> {
        let disk = self.stores.lock();
        if disk.life != self.life {
            return Err(RowError::Closed { tree: self.tree });
        }
        match disk.trees.get(&self.tree) {
            Some(rows) => Ok(MemoryView { tree: self.tree, rows: Arc::clone(rows) }),
            None => Err(RowError::Destroyed { tree: self.tree }),
        }
    }
}

impl RowView for MemoryStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, RowError> {
        self.view()?.get(key)
    }

    fn range(&self, range: RowRange<'_>, order: Order) -> Result<RowIter, RowError> {
        self.view()?.range(range, order)
    }

    fn for_each(&self, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<u64, RowError> {
        self.view()?.for_each(visit)
    }
}

impl RowStore for MemoryStore {
    fn id(&self) -> u64 {
        self.tree
    }

    fn snapshot(&self) -> Result<Box<dyn RowView>, RowError> {
        Ok(Box::new(self.view()?))
    }

    fn ingest(&self, rows: RowBatch<'_>) -> Result<u64, RowError> {
        self.view()?;
        let mut check = BatchCheck::default();
        let mut batch = Vec::new();
        for (key, value) in rows {
            check.next(&key, value.as_deref())?;
            batch.push((key, value));
        }
        let count = check.finish()?;
        // The rows may have come from this very disk, so it is locked only now.
        let mut disk = self.stores.lock();
        let fault = disk.fault.take();
        if fault == Some(IngestFault::NoSpace) {
            return Err(RowError::Io {
                doing: format!("ingest into tree {}", self.tree),
                source: std::io::ErrorKind::StorageFull.into(),
            });
        }
        if fault != Some(IngestFault::CrashBefore) {
            let Some(stored) = disk.trees.get_mut(&self.tree) else {
                return Err(RowError::Destroyed { tree: self.tree });
            };
            apply(Arc::make_mut(stored), batch);
        }
        if fault.is_some() {
            disk.life += 1;
            return Err(RowError::Closed { tree: self.tree });
        }
        Ok(count)
    }

    fn verify(&self, from: u64) -> Result<Verified, RowError> {
        if from > 0 {
            return Ok(Verified::default());
        }
        let mut bytes = 0;
        self.for_each(&mut |key, value| bytes += (key.len() + value.len()) as u64)?;
        Ok(Verified { next: Some(1), bytes })
    }

    fn bytes_on_disk(&self) -> u64 {
        let size = |(key, stored): (&Vec<u8>, &Stored)| (key.len() + stored.value.len()) as u64;
        self.view().map_or(0, |view| view.rows.iter().map(size).sum())
    }

    fn maintain(&self) -> Result<bool, RowError> {
        self.view()?;
        Ok(false)
    }

    fn destroy(&self) -> Result<(), RowError> {
        self.stores.destroy(self.tree)
    }
}

fn apply(rows: &mut Rows, batch: Vec<(Vec<u8>, Option<Vec<u8>>)>) {
    for (key, value) in batch {
        match value {
            Some(value) => {
                let check = checksum(&key, &value);
                rows.insert(key, Stored { value, check });
            }
            None => {
                rows.remove(&key);
            }
        }
    }
}

fn checksum(key: &[u8], value: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(key), value)
}

#[derive(Clone)]
struct MemoryView {
    tree: u64,
    rows: Arc<Rows>,
}

impl MemoryView {
    fn checked<'a>(&self, key: &[u8], stored: &'a Stored) -> Result<&'a [u8], RowError> {
        if checksum(key, &stored.value) != stored.check {
            return Err(RowError::Damaged {
                tree: self.tree,
                reason: format!("row {} does not match its checksum", show_key(key)),
            });
        }
        Ok(&stored.value)
    }
}

impl RowView for MemoryView {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, RowError> {
        check_key(key)?;
        match self.rows.get(key) {
            Some(stored) => Ok(Some(self.checked(key, stored)?.to_vec())),
            None => Ok(None),
        }
    }

    fn range(&self, range: RowRange<'_>, order: Order) -> Result<RowIter, RowError> {
        Ok(Box::new(MemoryIter {
            view: self.clone(),
            from: Bound::Included(range.from.to_vec()),
            to: range.to.map_or(Bound::Unbounded, |to| Bound::Excluded(to.to_vec())),
            order,
            done: range.is_empty(),
        }))
    }

    fn for_each(&self, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<u64, RowError> {
        for (key, stored) in self.rows.iter() {
            visit(key, self.checked(key, stored)?);
        }
        Ok(self.rows.len() as u64)
    }
}

/// Owns its rows, so it finds its place again with each step instead of borrowing an iterator.
struct MemoryIter {
    view: MemoryView,
    from: Bound<Vec<u8>>,
    to: Bound<Vec<u8>>,
    order: Order,
    done: bool,
}

impl Iterator for MemoryIter {
    type Item = Result<Row, RowError>;

    fn next(&mut self) -> Option<Result<Row, RowError>> {
        if self.done {
            return None;
        }
        let bounds = (self.from.as_ref(), self.to.as_ref());
        let mut left = self.view.rows.range::<Vec<u8>, _>(bounds);
        let next = match self.order {
            Order::Ascending => left.next(),
            Order::Descending => left.next_back(),
        };
        let Some((key, stored)) = next else {
            self.done = true;
            return None;
        };
        let row = match self.view.checked(key, stored) {
            Ok(value) => Ok((key.clone(), value.to_vec())),
            Err(damaged) => Err(damaged),
        };
        // Bounds that are equal and both excluded would panic; `key` lies inside the other bound, so
        // that cannot come about.
        let passed = Bound::Excluded(key.clone());
        match self.order {
            Order::Ascending => self.from = passed,
            Order::Descending => self.to = passed,
        }
        Some(row)
    }
}

#[cfg(test)]
mod tests;
