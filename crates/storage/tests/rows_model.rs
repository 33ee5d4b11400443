//! The same random steps on lsm-tree, memory, redb and a BTreeMap: after each of them all agree, also
//! across crashes between and within steps.

mod rows_support;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::Arc;

use everstore_storage::rows::memory::{IngestFault, MemoryStores};
use everstore_storage::rows::snapshot::{Added, SnapshotEncoder, SnapshotIngest};
use everstore_storage::rows::{Order, RowRange, RowStore, RowStores, RowView};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, RngSeed};
use rows_support::redb_store::RedbStore;
use rows_support::{all, range, tree};

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;
type Batch = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Snapshots held at once.
const MAX_HELD: usize = 4;

#[derive(Debug, Clone)]
enum Step {
    Ingest(Batch),
    Get(Vec<u8>),
    Range(Vec<u8>, Option<Vec<u8>>, bool),
    Hold,
    Release(usize),
    Maintain,
    Reopen,
    /// The process dies after this many rows of the batch.
    CrashIn(Batch, usize),
    /// The process dies after the commit, before its caller learns of it.
    CrashAfter(Batch),
    /// All rows travel to another store.
    Stream(usize),
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(vec![0, 1, b'a', 0xfe]), 1..4)
}

fn batch() -> impl Strategy<Value = Batch> {
    let value = prop_oneof![
        3 => prop::collection::vec(any::<u8>(), 0..20).prop_map(Some),
        1 => any::<u8>().prop_map(|byte| Some(vec![byte; 5000])),
        2 => Just(None),
    ];
    prop::collection::btree_map(key(), value, 1..20)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => batch().prop_map(Step::Ingest),
        3 => key().prop_map(Step::Get),
        4 => (key(), prop::option::of(key()), any::<bool>()).prop_map(|(a, b, c)| Step::Range(a, b, c)),
        2 => Just(Step::Hold),
        2 => (0..MAX_HELD).prop_map(Step::Release),
        4 => Just(Step::Maintain),
        1 => Just(Step::Reopen),
        1 => (batch(), 0usize..20).prop_map(|(batch, at)| Step::CrashIn(batch, at)),
        1 => batch().prop_map(Step::CrashAfter),
        1 => (1usize..6000).prop_map(Step::Stream),
    ]
}

struct Held {
    views: [Box<dyn RowView>; 3],
    model: Rows,
}

struct World<'a> {
    folder: &'a Path,
    memory_disk: MemoryStores,
    lsm: Arc<dyn RowStore>,
    memory: Arc<dyn RowStore>,
    redb: RedbStore,
    held: Vec<Held>,
    model: Rows,
}

impl World<'_> {
    fn new(folder: &Path) -> World<'_> {
        let memory_disk = MemoryStores::new();
        World {
            folder,
            lsm: tree(&folder.join("rows")),
            memory: memory_disk.open(1).unwrap(),
            redb: RedbStore::open(&folder.join("redb")),
            memory_disk,
            held: Vec::new(),
            model: Rows::new(),
        }
    }

    fn stores(&self) -> [&dyn RowStore; 3] {
        [&*self.lsm, &*self.memory, &self.redb]
    }

    /// Everything in memory is gone; the folders are opened again.
    fn restart(&mut self) {
        self.held.clear();
        self.memory_disk.crash();
        self.memory = self.memory_disk.open(1).unwrap();
        // The old engine has to be gone before the new one comes, as with a process.
        self.lsm = Arc::clone(&self.memory);
        self.lsm = tree(&self.folder.join("rows"));
    }

    fn apply(&mut self, batch: Batch) {
        for (key, value) in batch {
            match value {
                Some(value) => self.model.insert(key, value),
                None => self.model.remove(&key),
            };
        }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Ingest(batch) => {
                for store in self.stores() {
                    assert_eq!(store.ingest(&mut batch.clone().into_iter()).unwrap(), batch.len() as u64);
                }
                self.apply(batch);
            }
            Step::Get(key) => {
                for store in self.stores() {
                    assert_eq!(store.get(&key).unwrap().as_ref(), self.model.get(&key));
                }
            }
            Step::Range(from, to, up) => self.check_range(RowRange { from: &from, to: to.as_deref() }, up),
            Step::Hold if self.held.len() < MAX_HELD => {
                let views = self.stores().map(|store| store.snapshot().unwrap());
                self.held.push(Held { views, model: self.model.clone() });
            }
            Step::Hold => {}
            Step::Release(at) if at < self.held.len() => drop(self.held.remove(at)),
            Step::Release(_) => {}
            Step::Maintain => {
                self.lsm.maintain().unwrap();
            }
            Step::Reopen => self.restart(),
            Step::CrashIn(batch, at) => {
                self.memory_disk.arm(IngestFault::CrashBefore);
                self.memory.ingest(&mut batch.clone().into_iter()).unwrap_err();
                let mut left = at.min(batch.len() - 1);
                let mut dying = batch.clone().into_iter().inspect(|_| match left {
                    0 => resume_unwind(Box::new("the process dies")),
                    _ => left -= 1,
                });
                catch_unwind(AssertUnwindSafe(|| self.lsm.ingest(&mut dying))).unwrap_err();
                self.restart();
            }
            Step::CrashAfter(batch) => {
                self.memory_disk.arm(IngestFault::CrashAfter);
                self.memory.ingest(&mut batch.clone().into_iter()).unwrap_err();
                self.lsm.ingest(&mut batch.clone().into_iter()).unwrap();
                self.redb.ingest(&mut batch.clone().into_iter()).unwrap();
                self.apply(batch);
                self.restart();
            }
            Step::Stream(chunk_bytes) => self.check_stream(chunk_bytes),
        }
    }

    fn check_range(&self, bounds: RowRange<'_>, up: bool) {
        let inside = |key: &[u8]| key >= bounds.from && bounds.to.is_none_or(|to| key < to);
        let rows = self.model.iter().filter(|(key, _)| inside(key));
        let mut want: Vec<_> = rows.map(|(k, v)| (k.clone(), v.clone())).collect();
        if !up {
            want.reverse();
        }
        let order = if up { Order::Ascending } else { Order::Descending };
        for store in self.stores() {
            assert_eq!(range(store, bounds, order).unwrap(), want);
        }
    }

    /// Both engines send the same bytes, and what arrives is what was sent.
    fn check_stream(&self, chunk_bytes: usize) {
        let target = MemoryStores::new().open(1).unwrap();
        let mut ingest = SnapshotIngest::start(Arc::clone(&target), 5).unwrap();
        let encoder = |view: &dyn RowView| SnapshotEncoder::with_chunk_bytes(view, 5, chunk_bytes).unwrap();
        let (mut one, mut two) = (encoder(&*self.lsm), encoder(&*self.memory));
        let mut last = None;
        while let Some(chunk) = one.next_chunk().unwrap() {
            assert_eq!(two.next_chunk().unwrap().as_ref(), Some(&chunk));
            last = Some(ingest.add(&chunk).unwrap());
        }
        assert_eq!(last, Some(Added::Complete { rows: self.model.len() as u64 }));
        assert_eq!(all(&*target).unwrap(), flat(&self.model));
    }

    fn check(&self) {
        let want = flat(&self.model);
        for store in self.stores() {
            assert_eq!(all(store).unwrap(), want);
        }
        for held in &self.held {
            let want = flat(&held.model);
            for view in &held.views {
                assert_eq!(all(&**view).unwrap(), want, "a snapshot changed");
            }
            if let Some((key, value)) = held.model.first_key_value() {
                assert_eq!(held.views[0].get(key).unwrap().as_ref(), Some(value));
            }
        }
    }
}

fn flat(rows: &Rows) -> Vec<(Vec<u8>, Vec<u8>)> {
    rows.iter().map(|(k, v)| (k.clone(), v.clone())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 32,
        max_shrink_iters: 200,
        failure_persistence: None,
        rng_algorithm: RngAlgorithm::ChaCha,
        rng_seed: RngSeed::Fixed(0x0e5e),
        ..ProptestConfig::default()
    })]

    #[test]
    fn all_engines_agree_whatever_happens(steps in prop::collection::vec(step(), 1..60)) {
        let temp = tempfile::tempdir().unwrap();
        let mut world = World::new(temp.path());
        for step in steps {
            world.run(step);
            world.check();
        }
    }
}
