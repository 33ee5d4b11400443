//! Snapshot streams: chunks that arrive damaged, out of turn, twice or not at all.

#[path = "script.rs"]
mod script;

use script::Script;
use std::collections::BTreeMap;
use std::sync::Arc;
use storage::rows::memory::MemoryStores;
use storage::rows::snapshot::{Added, STAGING_KEY, SnapshotEncoder, SnapshotIngest, Staged, staged};
use storage::rows::{RowStore, RowStores};

const SOURCE: u64 = 1;
const TARGET: u64 = 2;
const STREAM: u64 = 9;

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// Whatever arrives, a stream never completes with other rows than were sent, and says so until then.
///
/// # Panics
/// If not.
pub fn check(data: &[u8]) {
    let mut script = Script::new(data);
    match script.byte() % 4 {
        0 => anything(&mut script),
        1 => staging_row(&mut script),
        _ => scripted(&mut script),
    }
}

/// Chunks of any content with a valid checksum, and without.
fn anything(script: &mut Script<'_>) {
    let stores = MemoryStores::new();
    let target = stores.open(TARGET).expect("a new tree");
    let mut ingest = SnapshotIngest::start(target.clone(), STREAM).expect("an empty tree");
    while !script.is_over() {
        let mut chunk = Vec::new();
        if !script.byte().is_multiple_of(4) {
            // What a chunk of this stream begins with, so that the rest is looked at.
            chunk.extend_from_slice(&[1, 1 + script.byte() % 2, STREAM as u8, ingest.next() as u8]);
        }
        chunk.extend_from_slice(script.bytes(300));
        assert!(ingest.add(&chunk).is_err(), "a chunk without a checksum");
        let check = crc32c::crc32c(&chunk);
        chunk.extend_from_slice(&check.to_le_bytes());
        let before = (ingest.next(), ingest.rows());
        match ingest.add(&chunk) {
            Ok(Added::Complete { rows }) => {
                assert_eq!((rows, all(&*target).len() as u64), (before.1, rows));
                return assert_eq!(staged(&*target).expect("readable"), Staged::Complete);
            }
            Ok(Added::Known) => {}
            Ok(_) => assert_eq!(ingest.next(), before.0 + 1),
            Err(_) => assert_eq!((ingest.next(), ingest.rows()), before),
        }
    }
    assert!(matches!(staged(&*target).expect("readable"), Staged::Partial { .. }));
}

/// Any content of the row that tells how far a stream has come.
fn staging_row(script: &mut Script<'_>) {
    let stores = MemoryStores::new();
    let target = stores.open(TARGET).expect("a new tree");
    let mut content = vec![1];
    for _ in 0..3 {
        model::varint::put_u64(&mut content, script.number());
    }
    content.extend_from_slice(script.bytes(64));
    target.ingest(&mut [(STAGING_KEY.to_vec(), Some(content))].into_iter()).expect("a row");
    let Ok(mut ingest) = SnapshotIngest::resume(target.clone()) else { return };
    let (stream, next) = (ingest.stream(), ingest.next());
    assert_eq!(staged(&*target).expect("read already"), Staged::Partial { stream, next });
    for kind in [1, 2] {
        let mut chunk = vec![1, kind];
        model::varint::put_u64(&mut chunk, stream);
        model::varint::put_u64(&mut chunk, next);
        chunk.extend_from_slice(script.rest());
        let check = crc32c::crc32c(&chunk);
        chunk.extend_from_slice(&check.to_le_bytes());
        if matches!(ingest.add(&chunk), Ok(Added::Complete { .. })) {
            assert_eq!(staged(&*target).expect("readable"), Staged::Complete);
        }
    }
}

/// A real stream, delivered as the script says.
fn scripted(script: &mut Script<'_>) {
    let stores = MemoryStores::new();
    let source = rows(script);
    if !source.is_empty() {
        let store = stores.open(SOURCE).expect("a new tree");
        store.ingest(&mut source.iter().map(|(k, v)| (k.clone(), Some(v.clone())))).expect("sorted rows");
    }
    let chunks = chunks(&stores, 1 + script.below(300));
    let mut ingest = Some(start(&stores));
    let mut forged = false;
    while !script.is_over() {
        let Some(to) = ingest.as_mut() else { break };
        let what = script.byte();
        match what % 16 {
            14 => to.stage().expect("a disk without faults"),
            15 => {
                stores.crash();
                ingest =
                    Some(SnapshotIngest::resume(stores.open(TARGET).expect("it exists")).expect("begun"));
            }
            _ => {
                let number = if what % 16 < 8 { to.next() as usize } else { script.below(256) };
                let chunk = &chunks[number.min(chunks.len() - 1)];
                let chunk = if what < 128 { chunk.clone() } else { spoiled(script, chunk, &chunks) };
                match to.add(&chunk) {
                    Ok(Added::Complete { rows }) => {
                        assert_eq!(rows, source.len() as u64);
                        ingest = None;
                    }
                    Ok(Added::Buffered | Added::Staged { .. }) => forged |= !chunks.contains(&chunk),
                    Ok(Added::Known) | Err(_) => {}
                }
            }
        }
    }
    let target = stores.open(TARGET).expect("it exists");
    match ingest {
        None => {
            assert_eq!(staged(&*target).expect("readable"), Staged::Complete);
            assert_eq!(all(&*target), source);
            assert!(SnapshotIngest::resume(target).is_err());
        }
        Some(mut ingest) => {
            assert!(matches!(staged(&*target).expect("readable"), Staged::Partial { stream: STREAM, .. }));
            let completed = finish(&mut ingest, &chunks);
            assert!(completed || forged, "the right chunks complete it");
            assert_eq!(staged(&*target).expect("readable") == Staged::Complete, completed);
            assert!(!completed || all(&*target) == source);
        }
    }
}

/// Sends the rest as it should be. True if that completed the stream.
fn finish(ingest: &mut SnapshotIngest, chunks: &[Vec<u8>]) -> bool {
    let rest = chunks.iter().skip(ingest.next() as usize);
    rest.map(|chunk| ingest.add(chunk)).any(|added| matches!(added, Ok(Added::Complete { .. })))
}

fn rows(script: &mut Script<'_>) -> Rows {
    let count = script.below(40);
    (0..count)
        .map(|n| {
            let mut key = script.bytes(12).to_vec();
            key.insert(0, n as u8);
            (key, vec![script.byte(); script.below(200)])
        })
        .collect()
}

fn chunks(stores: &MemoryStores, bytes: usize) -> Vec<Vec<u8>> {
    let view = stores.open(SOURCE).expect("a tree").snapshot().expect("an open tree");
    let mut encoder = SnapshotEncoder::with_chunk_bytes(&*view, STREAM, bytes).expect("an open tree");
    std::iter::from_fn(|| encoder.next_chunk().expect("rows without damage")).collect()
}

fn start(stores: &MemoryStores) -> SnapshotIngest {
    let target: Arc<dyn RowStore> = stores.open(TARGET).expect("a new tree");
    SnapshotIngest::start(target, STREAM).expect("an empty tree")
}

/// A chunk that was changed on its way: cut, with a changed byte, or put together of two; sometimes by
/// somebody who knows how checksums are made.
fn spoiled(script: &mut Script<'_>, chunk: &[u8], chunks: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = chunk[..chunk.len() - 4].to_vec();
    let how = script.byte();
    let at = script.below(1 << 12) % bytes.len();
    match how % 4 {
        0 => bytes[at] ^= 1 << (script.byte() % 8),
        1 => bytes.truncate(at),
        2 => bytes[at] = script.byte(),
        _ => {
            let other = &chunks[script.below(chunks.len())];
            bytes.truncate(at);
            bytes.extend_from_slice(&other[at.min(other.len() - 4)..other.len() - 4]);
        }
    }
    let check = if how < 128 { crc32c::crc32c(&bytes).to_le_bytes() } else { [0; 4] };
    bytes.extend_from_slice(&check);
    bytes
}

fn all(store: &dyn RowStore) -> Rows {
    let mut all = Rows::new();
    store.for_each(&mut |key, value| drop(all.insert(key.to_vec(), value.to_vec()))).expect("no damage");
    all
}
