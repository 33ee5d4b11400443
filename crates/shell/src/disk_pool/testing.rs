//! For tests of the disk pool and of recovery: real row trees in a temporary folder, and machines filled
//! with entries.

use env::{Disk, DiskFile, DiskLock, LockError, Open, RealDisk};
use model::change::Change;
use model::effect::Effect;
use model::entry::EntryBuilder;
use model::limits::SPACES;
use model::row::kind;
use model::{Index, Keyspace};
use shard::Machine;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use storage::rows::RowStores;
use storage::rows::lsm::{LsmOptions, LsmStores};

pub(crate) const SEED: u64 = 5;
pub(crate) const MAX_VALUE: usize = 1 << 20;
/// Term of all entries made here.
pub(crate) const TERM: u64 = 3;

/// A row folder.
pub(crate) struct Fixture {
    temp: tempfile::TempDir,
    pub(crate) disk: Arc<FillableDisk>,
    pub(crate) stores: Arc<LsmStores>,
}

impl Fixture {
    pub(crate) fn new() -> Fixture {
        Fixture::at(tempfile::tempdir().unwrap())
    }

    /// The same folder in a new process.
    pub(crate) fn restart(self) -> Fixture {
        let Fixture { temp, stores, .. } = self;
        assert_eq!(Arc::strong_count(&stores), 1, "somebody still uses the row stores");
        drop(stores);
        Fixture::at(temp)
    }

    fn at(temp: tempfile::TempDir) -> Fixture {
        let disk = Arc::new(FillableDisk { full: AtomicBool::new(false) });
        let options = LsmOptions { reserve_bytes: 4096, ..LsmOptions::default() };
        let stores = LsmStores::open(disk.clone(), &temp.path().join("rows"), options).unwrap();
        Fixture { temp, disk, stores: Arc::new(stores) }
    }

    /// Writes a checkpoint past the pool; answers the number of rows.
    pub(crate) fn write(&self, tree: u64, machine: &mut Machine) -> u64 {
        let mut changes = machine.checkpoint().unwrap();
        changes.sort();
        let mut rows = changes.iter().map(|(name, row)| (name.to_vec(), row.map(<[u8]>::to_vec)));
        self.stores.open(tree).unwrap().ingest(&mut rows).unwrap()
    }
}

/// A folder for loss accounts, empty and gone with the test.
pub(crate) fn losses() -> crate::losses::LossFolder {
    let disk: Arc<dyn Disk> = Arc::new(env::MemDisk::new());
    disk.create_dir_all(Path::new("/losses")).unwrap();
    crate::losses::LossFolder::open(&disk, "/losses".into()).unwrap().0
}

pub(crate) fn keys(numbers: Range<usize>) -> Vec<Vec<u8>> {
    numbers.map(|n| format!("key:{n:08}").into_bytes()).collect()
}

pub(crate) fn payload(effects: &[Effect<'_>]) -> Vec<u8> {
    let mut entry = EntryBuilder::default();
    effects.iter().for_each(|effect| entry.push(*effect));
    entry.finish(1_700_000_000_000)
}

fn apply(machine: &mut Machine, index: Index, effects: &[Effect<'_>]) {
    machine.apply(index, TERM, &payload(effects)).unwrap();
}

pub(crate) fn puts<'a>(ks: Keyspace, keys: &'a [Vec<u8>], value: &'a [u8]) -> Vec<Effect<'a>> {
    keys.iter().map(|key| Effect::Put { ks, key, kind: kind::STRING, expire: 0, value }).collect()
}

pub(crate) fn put_in(machine: &mut Machine, ks: Keyspace, index: Index, keys: &[Vec<u8>], value: &[u8]) {
    apply(machine, index, &puts(ks, keys, value));
}

pub(crate) fn put(machine: &mut Machine, index: Index, keys: &[Vec<u8>], value: &[u8]) {
    put_in(machine, Keyspace(0), index, keys, value);
}

pub(crate) fn delete(machine: &mut Machine, index: Index, keys: &[Vec<u8>]) {
    let effects: Vec<_> = keys.iter().map(|key| Effect::Delete { ks: Keyspace(0), key }).collect();
    apply(machine, index, &effects);
}

/// Members of a set, enough of them to get rows of their own.
pub(crate) fn add(machine: &mut Machine, index: Index, key: &[u8], members: &[Vec<u8>]) {
    let change = |name| Change::Put { name, value: &[] };
    let add = |member| Effect::Change { ks: Keyspace(0), key, kind: kind::SET, change: change(member) };
    let effects: Vec<_> = members.iter().map(|member| add(member)).collect();
    apply(machine, index, &effects);
}

pub(crate) fn flush(machine: &mut Machine, index: Index, ks: Keyspace) {
    apply(machine, index, &[Effect::Flush { ks }]);
}

/// Keyspace, key, value and expiry of every row.
fn rows(machine: &Machine) -> Vec<(u16, Vec<u8>, Vec<u8>, u64)> {
    let of = |ks: u16| {
        let rows = machine.space(Keyspace(ks)).iter();
        rows.map(move |row| (ks, row.key().to_vec(), row.whole().into_owned(), row.expire))
    };
    let mut rows: Vec<_> = (0..SPACES).flat_map(of).collect();
    rows.sort_unstable();
    rows
}

/// Asserts that two machines hold the same.
pub(crate) fn same(a: &Machine, b: &Machine) {
    assert_eq!((a.applied(), a.rolling()), (b.applied(), b.rolling()));
    let (a, b) = (rows(a), rows(b));
    assert_eq!(a.len(), b.len());
    assert!(a == b, "the rows differ");
}

/// The real disk, that says it is full when it is told to.
pub(crate) struct FillableDisk {
    full: AtomicBool,
}

impl FillableDisk {
    pub(crate) fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
    }
}

impl Disk for FillableDisk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn DiskFile>> {
        RealDisk.open(path, how)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        RealDisk.remove_dir_all(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        RealDisk.list(dir)
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        RealDisk.create_dir_all(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        RealDisk.sync_dir(dir)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        RealDisk.exists(path)
    }

    fn free_space(&self, dir: &Path) -> io::Result<u64> {
        if self.full.load(Ordering::SeqCst) { Ok(0) } else { RealDisk.free_space(dir) }
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn DiskLock>, LockError> {
        RealDisk.lock(path)
    }
}
