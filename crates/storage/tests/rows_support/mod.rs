//! Helpers of the row store tests.
#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::disallowed_methods, reason = "a test looks at the files themselves")]

pub mod redb_store;

use std::path::Path;
use std::sync::Arc;

use env::RealDisk;
use everstore_storage::rows::lsm::{LsmOptions, LsmStores};
use everstore_storage::rows::{Order, Row, RowError, RowRange, RowStore, RowStores, RowView};

/// A change of one row as text.
pub type Change<'a> = (&'a str, Option<&'a str>);

/// The row folder at `path`, as a node opens it at start.
pub fn stores(path: &Path) -> LsmStores {
    try_stores(path).unwrap()
}

/// The same where the test expects that it may fail.
pub fn try_stores(path: &Path) -> Result<LsmStores, RowError> {
    let options = LsmOptions { reserve_bytes: 0, ..LsmOptions::default() };
    LsmStores::open(Arc::new(RealDisk), path, options)
}

/// Tree 1 of the row folder at `path`.
pub fn tree(path: &Path) -> Arc<dyn RowStore> {
    stores(path).open(1).unwrap()
}

/// Ingests changes written as text.
pub fn put(store: &dyn RowStore, rows: &[Change<'_>]) -> Result<u64, RowError> {
    let row = |&(k, v): &Change<'_>| (k.into(), v.map(|v| v.as_bytes().to_vec()));
    store.ingest(&mut rows.iter().map(row))
}

/// Key number `n`, ordered by number.
pub fn key(n: usize) -> Vec<u8> {
    format!("row{n:08}").into_bytes()
}

/// Ingests rows `keys`, each with `value` repeated to 100 bytes; `None` deletes them.
pub fn fill(store: &dyn RowStore, keys: impl Iterator<Item = usize>, value: Option<u8>) {
    store.ingest(&mut keys.map(|n| (key(n), value.map(|byte| vec![byte; 100])))).unwrap();
}

/// Every row of a view.
pub fn all(view: &dyn RowView) -> Result<Vec<Row>, RowError> {
    let mut all = Vec::new();
    let count = view.for_each(&mut |k, v| all.push((k.to_vec(), v.to_vec())))?;
    assert_eq!(count, all.len() as u64);
    Ok(all)
}

/// The rows of a range.
pub fn range(view: &dyn RowView, range: RowRange<'_>, order: Order) -> Result<Vec<Row>, RowError> {
    view.range(range, order)?.collect()
}

/// Compacts until nothing is left to do.
pub fn settle(store: &dyn RowStore) {
    for _ in 0..100 {
        if !store.maintain().unwrap() {
            return;
        }
    }
    panic!("compaction does not come to an end");
}

/// Files below a folder and their size in bytes, sorted by path.
pub fn files(folder: &Path) -> Vec<(std::path::PathBuf, u64)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(files(&entry.path())),
            false => found.push((entry.path(), entry.metadata().unwrap().len())),
        }
    }
    found.sort();
    found
}

/// Bytes of all files below a folder.
pub fn folder_bytes(folder: &Path) -> u64 {
    files(folder).iter().map(|(_, bytes)| bytes).sum()
}
