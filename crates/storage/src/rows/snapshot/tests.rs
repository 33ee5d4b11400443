use std::sync::Arc;

use super::*;
use crate::rows::memory::MemoryStores;
use crate::rows::{RowError, RowStore, RowStores};

fn rows(count: usize) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let row = |n: usize| (format!("key{n:06}").into_bytes(), Some(vec![n as u8; n % 300]));
    (0..count).map(row).collect()
}

fn source(stores: &MemoryStores, count: usize) -> Arc<dyn RowStore> {
    let store = stores.open(1).unwrap();
    store.ingest(&mut rows(count).into_iter()).unwrap();
    store
}

fn chunks(store: &dyn RowStore, chunk_bytes: usize) -> Vec<Vec<u8>> {
    let view = store.snapshot().unwrap();
    let mut encoder = SnapshotEncoder::with_chunk_bytes(&*view, 9, chunk_bytes).unwrap();
    std::iter::from_fn(|| encoder.next_chunk().unwrap()).collect()
}

fn all(store: &dyn RowStore) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut all = Vec::new();
    store.for_each(&mut |k, v| all.push((k.to_vec(), v.to_vec()))).unwrap();
    all
}

#[test]
fn a_stream_carries_every_row_whatever_the_chunk_size() {
    let stores = MemoryStores::new();
    let source = source(&stores, 1000);
    for (tree, size) in [(2, 1), (3, 100), (4, 5000), (5, CHUNK_BYTES)] {
        let target = stores.open(tree).unwrap();
        let mut ingest = SnapshotIngest::start(target.clone(), 9).unwrap();
        let chunks = chunks(&*source, size);
        let (last, before) = chunks.split_last().unwrap();
        for chunk in before {
            assert!(chunk.len() <= size.max(400) + 40, "{} bytes", chunk.len());
            assert_eq!(ingest.add(chunk).unwrap(), Added::Buffered);
        }
        assert!(matches!(staged(&*target).unwrap(), Staged::Partial { stream: 9, .. }));
        assert_eq!(ingest.add(last).unwrap(), Added::Complete { rows: 1000 });
        assert_eq!(ingest.add(last).unwrap(), Added::Known);
        assert_eq!(staged(&*target).unwrap(), Staged::Complete);
        assert_eq!(all(&*target), all(&*source));
    }
}

#[test]
fn an_empty_store_streams_too() {
    let stores = MemoryStores::new();
    let chunks = chunks(&*stores.open(1).unwrap(), CHUNK_BYTES);
    assert_eq!(chunks.len(), 1);
    let target = stores.open(2).unwrap();
    let mut ingest = SnapshotIngest::start(target.clone(), 9).unwrap();
    assert_eq!(ingest.add(&chunks[0]).unwrap(), Added::Complete { rows: 0 });
    assert_eq!(all(&*target), []);
}

#[test]
fn a_stream_resumes_at_the_last_durable_chunk() {
    let stores = MemoryStores::new();
    let chunks = chunks(&*source(&stores, 1000), 2000);
    let mut ingest = SnapshotIngest::start(stores.open(2).unwrap(), 9).unwrap();
    for chunk in &chunks[..20] {
        ingest.add(chunk).unwrap();
    }
    ingest.stage().unwrap();
    for chunk in &chunks[20..30] {
        ingest.add(chunk).unwrap();
    }
    stores.crash();
    let target = stores.open(2).unwrap();
    assert_eq!(staged(&*target).unwrap(), Staged::Partial { stream: 9, next: 20 });
    let mut ingest = SnapshotIngest::resume(target.clone()).unwrap();
    assert_eq!((ingest.stream(), ingest.next()), (9, 20));

    let view = stores.open(1).unwrap().snapshot().unwrap();
    let mut encoder = SnapshotEncoder::with_chunk_bytes(&*view, 9, 2000).unwrap();
    encoder.skip_to(ingest.next()).unwrap();
    let mut last = None;
    while let Some(chunk) = encoder.next_chunk().unwrap() {
        last = Some(ingest.add(&chunk).unwrap());
    }
    assert_eq!(last, Some(Added::Complete { rows: 1000 }));
    assert_eq!(all(&*target), all(&*stores.open(1).unwrap()));
    assert!(SnapshotIngest::resume(target).is_err());
}

#[test]
fn skipping_beyond_the_stream_or_back_is_refused() {
    let stores = MemoryStores::new();
    let source = source(&stores, 10);
    let mut encoder = SnapshotEncoder::new(&*source, 9).unwrap();
    encoder.skip_to(1).unwrap();
    assert!(encoder.skip_to(0).is_err());
    assert!(encoder.skip_to(3).is_err());
    assert_eq!(encoder.next_chunk().unwrap(), None);
}

fn stream_error(result: Result<Added, RowError>) -> String {
    match result.unwrap_err() {
        RowError::Stream(text) => text,
        other => panic!("{other}"),
    }
}

#[test]
fn wrong_chunks_are_refused_and_the_right_one_still_fits() {
    let stores = MemoryStores::new();
    let chunks = chunks(&*source(&stores, 100), 1000);
    let mut ingest = SnapshotIngest::start(stores.open(2).unwrap(), 9).unwrap();
    assert_eq!(stream_error(ingest.add(&chunks[1])), "chunk 1 came, chunk 0 is next");
    for at in 0..chunks[0].len() {
        let mut bad = chunks[0].clone();
        bad[at] ^= 1;
        assert_eq!(stream_error(ingest.add(&bad)), "a chunk does not match its checksum");
        stream_error(ingest.add(&chunks[0][..at]));
    }
    ingest.add(&chunks[0]).unwrap();
    assert_eq!(ingest.add(&chunks[0]).unwrap(), Added::Known);
    assert_eq!(
        stream_error(ingest.add(chunks.last().unwrap())),
        format!("chunk {} came, chunk 1 is next", chunks.len() - 1)
    );
    let other = SnapshotEncoder::new(&*stores.open(1).unwrap(), 8).unwrap().next_chunk();
    assert_eq!(
        stream_error(ingest.add(&other.unwrap().unwrap())),
        "a chunk of stream 8; stream 9 is under way"
    );
    for chunk in &chunks[1..] {
        ingest.add(chunk).unwrap();
    }
    assert_eq!(ingest.rows(), 100);
}

fn rows_chunk(number: u64, count: u64, rows: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (key, value) in rows {
        chunk::put_row(&mut bytes, key, value);
    }
    let body = chunk::Body::Rows { count, bytes: &bytes };
    chunk::Chunk { stream: 9, number, body }.encode()
}

#[test]
fn a_sender_that_breaks_the_rules_is_refused() {
    let stores = MemoryStores::new();
    let target = stores.open(2).unwrap();
    let mut ingest = SnapshotIngest::start(target.clone(), 9).unwrap();
    stream_error(ingest.add(&rows_chunk(0, 2, &[(b"b", b"")])));
    stream_error(ingest.add(&rows_chunk(0, 0, &[])));
    stream_error(ingest.add(&rows_chunk(0, 1, &[(STAGING_KEY, b"")])));
    ingest.add(&rows_chunk(0, 1, &[(b"b", b"")])).unwrap();
    let again = ingest.add(&rows_chunk(1, 1, &[(b"b", b"")]));
    assert!(matches!(again, Err(RowError::Duplicate { .. })));
    let back = ingest.add(&rows_chunk(1, 1, &[(b"a", b"")]));
    assert!(matches!(back, Err(RowError::Unsorted { .. })));
    for total in [chunk::Total { rows: 2, hash: 0 }, chunk::Total { rows: 1, hash: 0 }] {
        let body = chunk::Body::End(total);
        let end = chunk::Chunk { stream: 9, number: 1, body }.encode();
        assert!(stream_error(ingest.add(&end)).starts_with("the sender counts"));
    }
    assert!(matches!(staged(&*target).unwrap(), Staged::Partial { .. }));
    assert!(SnapshotIngest::start(target.clone(), 9).is_err());
    let mut encoder = SnapshotEncoder::new(&*target, 1).unwrap();
    assert!(matches!(encoder.next_chunk(), Err(RowError::Stream(_))));
}
