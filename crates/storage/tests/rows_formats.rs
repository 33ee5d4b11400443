//! Streams written by earlier versions must be read for good, and today's version writes what it wrote.
//! A fixture file is a stream as a backup stores it: each chunk with its length before it.

use std::sync::Arc;

use everstore_storage::rows::memory::MemoryStores;
use everstore_storage::rows::snapshot::{Added, SnapshotEncoder, SnapshotIngest};
use everstore_storage::rows::{Row, RowStore, RowStores};
use model::varint::{Reader, put_bytes};

const SNAPSHOT_V1: &[u8] = include_bytes!("fixtures/snapshot-v1.bin");

/// The rows in `snapshot-v1.bin`, stream 42, chunks of 64 bytes.
fn rows_v1() -> Vec<Row> {
    let mut rows = vec![
        (vec![0], b"zero".to_vec()),
        (b"\x01applied".to_vec(), vec![7, 0, 0xff]),
        (b"\x02empty".to_vec(), Vec::new()),
        (b"\x02large".to_vec(), vec![b'x'; 300]),
    ];
    rows.extend((0..10u8).map(|n| (vec![2, b'n', n], vec![n; usize::from(n)])));
    rows.push((vec![0xfe; 3], b"last".to_vec()));
    rows
}

fn filled() -> Arc<dyn RowStore> {
    let store = MemoryStores::new().open(1).unwrap();
    store.ingest(&mut rows_v1().into_iter().map(|(k, v)| (k, Some(v)))).unwrap();
    store
}

#[test]
fn a_snapshot_of_version_1_is_read() {
    let target = MemoryStores::new().open(1).unwrap();
    let mut ingest = SnapshotIngest::start(Arc::clone(&target), 42).unwrap();
    let mut reader = Reader::new(SNAPSHOT_V1);
    let mut last = Added::Buffered;
    while !reader.is_empty() {
        last = ingest.add(reader.bytes().unwrap()).unwrap();
    }
    assert_eq!(last, Added::Complete { rows: 15 });
    let mut read = Vec::new();
    target.for_each(&mut |k, v| read.push((k.to_vec(), v.to_vec()))).unwrap();
    assert_eq!(read, rows_v1());
}

#[test]
fn the_stream_written_now_is_version_1_to_the_byte() {
    let mut encoder = SnapshotEncoder::with_chunk_bytes(&*filled(), 42, 64).unwrap();
    let mut out = Vec::new();
    while let Some(chunk) = encoder.next_chunk().unwrap() {
        put_bytes(&mut out, &chunk);
    }
    assert!(out == SNAPSHOT_V1, "the format changed; written now: {}", out.escape_ascii());
}
