//! What loading a shard at start costs. Run it by hand:
//! `cargo test --release -p everstore-storage --test rows_load -- --ignored --nocapture`

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a measurement needs a clock")]

mod rows_support;

use std::time::Instant;

use everstore_storage::rows::{Order, RowRange};
use rows_support::*;

const ROWS: usize = 1_000_000;

#[test]
#[ignore = "a measurement, in release mode"]
fn loading_a_million_rows() {
    let temp = tempfile::tempdir().unwrap();
    let value = [7u8; 110];
    let row = |n: usize| (format!("row-{n:016}").into_bytes(), Some(value.to_vec()));
    let start = Instant::now();
    {
        let store = tree(temp.path());
        store.ingest(&mut (0..ROWS).map(row)).unwrap();
    }
    println!("one ingestion of {ROWS} rows of 130 B: {:?}", start.elapsed());
    let scan = |what: &str| {
        let store = tree(temp.path());
        let start = Instant::now();
        let mut bytes = 0;
        let rows = store.for_each(&mut |k, v| bytes += k.len() + v.len()).unwrap();
        assert_eq!((rows, bytes), (ROWS as u64, ROWS * 130));
        println!("for_each, {what}: {:?}", start.elapsed());
    };
    scan("one run");
    {
        let store = tree(temp.path());
        for part in 0..6 {
            let changed = (0..ROWS).filter(|n| n % 50 == part);
            store.ingest(&mut changed.map(row)).unwrap();
        }
    }
    scan("and six checkpoints of 2 % each over it");
    let store = tree(temp.path());
    let start = Instant::now();
    assert_eq!(store.range(RowRange::ALL, Order::Ascending).unwrap().count(), ROWS);
    println!("range, copying each row: {:?}", start.elapsed());
    let start = Instant::now();
    settle(&*store);
    println!("compaction of that: {:?}", start.elapsed());
    scan("after compaction");
}
