//! Turned-over bytes in any file of a tree are an error on open or on read, never a wrong row.

#![allow(clippy::disallowed_methods, reason = "a test damages files")]

mod rows_support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use everstore_storage::rows::{Order, Row, RowError, RowRange, RowStore, RowStores};
use rows_support::*;

/// Every way to read: a full scan, both directions, each key by itself.
fn read_all(folder: &Path, keys: &[Vec<u8>]) -> Result<Vec<Row>, RowError> {
    let store = try_stores(folder)?.open(1)?;
    let scan = all(&*store)?;
    let mut down = range(&*store, RowRange::ALL, Order::Descending)?;
    down.reverse();
    assert_eq!(down, scan, "directions differ");
    let mut gets = Vec::new();
    for key in keys {
        if let Some(value) = store.get(key)? {
            gets.push((key.clone(), value));
        }
    }
    assert_eq!(gets, scan, "gets differ from the scan");
    Ok(scan)
}

/// Flips every `step`-th byte of `file` in turn; returns how many flips were reported.
fn flip_each(folder: &Path, file: &Path, step: usize, keys: &[Vec<u8>], want: &[Row]) -> usize {
    let whole = std::fs::read(file).unwrap();
    let mut reported = 0;
    for at in (0..whole.len()).step_by(step) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x40;
        std::fs::write(file, &bytes).unwrap();
        let name = file.display();
        match catch_unwind(AssertUnwindSafe(|| read_all(folder, keys))) {
            Ok(Ok(rows)) => assert!(rows == want, "byte {at} of {name}: wrong rows"),
            Ok(Err(_)) => reported += 1,
            Err(_) => panic!("byte {at} of {name}: the reader panics"),
        }
    }
    std::fs::write(file, &whole).unwrap();
    reported
}

#[test]
fn a_flipped_byte_is_never_a_wrong_row() {
    let temp = tempfile::tempdir().unwrap();
    let keys: Vec<_> = (0..600).map(key).collect();
    {
        let store = tree(temp.path());
        fill(&*store, 0..600, Some(1));
        settle(&*store);
        fill(&*store, (0..600).step_by(3), Some(2));
        fill(&*store, (0..600).step_by(7), None);
    }
    let want = read_all(temp.path(), &keys).unwrap();
    let mut flips = 0;
    let mut reported = 0;
    for (file, bytes) in files(&temp.path().join("1")) {
        let step = if bytes > 1000 { 211 } else { 3 };
        flips += (bytes as usize).div_ceil(step);
        reported += flip_each(temp.path(), &file, step, &keys, &want);
    }
    assert!(flips > 300 && reported * 100 >= flips * 90, "{reported} of {flips} flips reported");
    println!("{reported} of {flips} flips reported, the others changed no row");
    assert_eq!(read_all(temp.path(), &keys).unwrap(), want);
}

/// Reads the whole tree past the caches.
fn verify(store: &dyn RowStore) -> Result<u64, RowError> {
    let (mut from, mut bytes) = (Some(0), 0);
    while let Some(at) = from {
        let part = store.verify(at)?;
        (from, bytes) = (part.next, bytes + part.bytes);
    }
    Ok(bytes)
}

#[test]
fn verifying_sees_every_flipped_byte_of_a_table_whatever_is_in_the_cache() {
    let temp = tempfile::tempdir().unwrap();
    let store = tree(temp.path());
    fill(&*store, 0..600, Some(1));
    fill(&*store, (0..600).step_by(3), Some(2));
    let tables = files(&temp.path().join("1/tables"));
    assert!(tables.len() > 1);
    assert_eq!(verify(&*store).unwrap(), tables.iter().map(|(_, bytes)| bytes).sum::<u64>());
    let rows = all(&*store).unwrap();
    for (file, bytes) in &tables {
        let whole = std::fs::read(file).unwrap();
        for at in (0..*bytes as usize).step_by(97) {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            // In place: the open file is the same one.
            std::fs::write(file, &flipped).unwrap();
            assert!(
                matches!(verify(&*store), Err(RowError::Damaged { tree: 1, .. })),
                "byte {at} of {file:?}"
            );
        }
        std::fs::write(file, &whole).unwrap();
    }
    assert!(verify(&*store).is_ok());
    assert_eq!(all(&*store).unwrap(), rows);
}

#[test]
fn a_missing_or_shortened_table_is_an_error() {
    let temp = tempfile::tempdir().unwrap();
    fill(&*tree(temp.path()), 0..600, Some(1));
    let (table, _) = files(&temp.path().join("1/tables")).remove(0);
    let whole = std::fs::read(&table).unwrap();
    for len in [0, 1, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&table, &whole[..len]).unwrap();
        read_all(temp.path(), &[key(1)]).unwrap_err();
    }
    std::fs::remove_file(&table).unwrap();
    let lost = read_all(temp.path(), &[key(1)]).unwrap_err();
    assert!(matches!(lost, RowError::Damaged { tree: 1, .. }), "{lost}");
}
