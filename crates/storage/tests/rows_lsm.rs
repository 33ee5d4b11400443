//! Every trap of lsm-tree 3.1.10 that a test can spring, and the rules of the row folder around it.

#![allow(clippy::disallowed_methods, reason = "a test moves files and starts threads")]

mod rows_support;

use std::sync::atomic::{AtomicBool, Ordering};

use everstore_storage::rows::{MAX_ROW_KEY, Order, RowError, RowRange, RowStores};
use rows_support::*;

#[test]
fn rows_are_read_back_after_a_restart() {
    let temp = tempfile::tempdir().unwrap();
    {
        let store = tree(temp.path());
        put(&*store, &[("a", Some("1")), ("b", Some("2")), ("c", Some(""))]).unwrap();
        put(&*store, &[("b", None), ("d", Some("4"))]).unwrap();
    }
    let store = tree(temp.path());
    let text = |rows: Vec<(Vec<u8>, Vec<u8>)>| -> Vec<String> {
        let shown = |(k, v): &(Vec<u8>, Vec<u8>)| format!("{}={}", k.escape_ascii(), v.escape_ascii());
        rows.iter().map(shown).collect()
    };
    assert_eq!(text(all(&*store).unwrap()), ["a=1", "c=", "d=4"]);
    let down = range(&*store, RowRange::new(b"a", b"d"), Order::Descending);
    assert_eq!(text(down.unwrap()), ["c=", "a=1"]);
    let up = range(&*store, RowRange::starting_at(b"b"), Order::Ascending);
    assert_eq!(text(up.unwrap()), ["c=", "d=4"]);
    assert_eq!(range(&*store, RowRange::new(b"d", b"a"), Order::Ascending).unwrap(), []);
    assert_eq!(store.get(b"b").unwrap(), None);
    assert_eq!(store.get(b"d").unwrap().unwrap(), b"4");
}

#[test]
fn bad_batches_are_errors_and_change_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let store = tree(temp.path());
    put(&*store, &[("a", Some("1"))]).unwrap();
    let unsorted = put(&*store, &[("x", Some("1")), ("b", Some("1"))]);
    assert!(matches!(unsorted, Err(RowError::Unsorted { .. })));
    let twice = put(&*store, &[("a", Some("2")), ("a", Some("3"))]);
    assert!(matches!(twice, Err(RowError::Duplicate { .. })));
    assert!(matches!(put(&*store, &[]), Err(RowError::EmptyBatch)));
    assert!(matches!(put(&*store, &[("", None)]), Err(RowError::KeyLength { .. })));
    let long = vec![b'k'; MAX_ROW_KEY + 1];
    let too_long = store.ingest(&mut [(long.clone(), None)].into_iter());
    assert!(matches!(too_long, Err(RowError::KeyLength { .. })));
    assert!(matches!(store.get(&long), Err(RowError::KeyLength { .. })));
    let range = store.range(RowRange::starting_at(&long), Order::Ascending).map(|_| ());
    assert!(matches!(range, Err(RowError::KeyLength { .. })));
    assert_eq!(all(&*store).unwrap(), [(b"a".to_vec(), b"1".to_vec())]);
    put(&*store, &[("b", Some("2"))]).unwrap();
    drop(store);
    assert_eq!(all(&*tree(temp.path())).unwrap().len(), 2);
}

#[test]
fn the_longest_key_and_a_large_value_fit() {
    let temp = tempfile::tempdir().unwrap();
    let store = tree(temp.path());
    let key = vec![b'k'; MAX_ROW_KEY];
    let value = vec![7; model::limits::MAX_VALUE + 100];
    store.ingest(&mut [(key.clone(), Some(value.clone()))].into_iter()).unwrap();
    put(&*store, &[("z", Some("1"))]).unwrap();
    store.maintain().unwrap();
    assert_eq!(store.get(&key).unwrap().unwrap(), value);
    assert_eq!(all(&*store).unwrap()[0].1, value);
}

#[test]
fn deleting_rows_that_never_were_is_a_batch_like_any_other() {
    let temp = tempfile::tempdir().unwrap();
    let store = tree(temp.path());
    put(&*store, &[("a", None), ("b", None)]).unwrap();
    assert_eq!(all(&*store).unwrap(), []);
    settle(&*store);
    drop(store);
    let store = tree(temp.path());
    put(&*store, &[("a", Some("1"))]).unwrap();
    assert_eq!(all(&*store).unwrap().len(), 1);
}

/// Sequence counters start at 0 in a reopened tree; rows written then would hide behind older ones.
#[test]
fn rows_written_after_a_restart_win_over_those_before() {
    let temp = tempfile::tempdir().unwrap();
    for life in ["1", "2", "3", "4"] {
        let store = tree(temp.path());
        for turn in ["x", "y"] {
            let value = format!("{life}{turn}");
            let before = store.snapshot().unwrap();
            let old = before.get(b"a").unwrap();
            put(&*store, &[("a", Some(&value))]).unwrap();
            assert_eq!(before.get(b"a").unwrap(), old, "a snapshot saw a later batch");
            assert_eq!(store.get(b"a").unwrap().unwrap(), value.as_bytes());
            let after = store.snapshot().unwrap();
            assert_eq!(after.get(b"a").unwrap().unwrap(), value.as_bytes());
        }
        if life == "2" {
            settle(&*store);
        }
    }
    let store = tree(temp.path());
    put(&*store, &[("a", None)]).unwrap();
    assert_eq!(store.get(b"a").unwrap(), None);
}

#[test]
fn a_snapshot_of_an_empty_tree_stays_empty() {
    let temp = tempfile::tempdir().unwrap();
    let store = tree(temp.path());
    let empty = store.snapshot().unwrap();
    put(&*store, &[("a", Some("1"))]).unwrap();
    assert_eq!(all(&*empty).unwrap(), []);
    assert_eq!(empty.get(b"a").unwrap(), None);
}

/// Below the watermark the engine panics, and it must not compact away what a snapshot still shows.
#[test]
fn snapshots_outlive_compactions_and_let_go_of_the_disk() {
    let temp = tempfile::tempdir().unwrap();
    let store = tree(temp.path());
    fill(&*store, 0..5000, Some(1));
    let first = store.snapshot().unwrap();
    let mut started = first.range(RowRange::ALL, Order::Descending).unwrap();
    assert_eq!(started.next().unwrap().unwrap().0, key(4999));
    for round in 2..30 {
        fill(&*store, 0..5000, Some(round));
        settle(&*store);
    }
    let second = store.snapshot().unwrap();
    fill(&*store, 0..5000, None);
    settle(&*store);
    let rows = all(&*first).unwrap();
    assert!(rows.len() == 5000 && rows.iter().all(|(_, v)| v[0] == 1));
    assert!(all(&*second).unwrap().iter().all(|(_, v)| v[0] == 29));
    assert_eq!(second.get(&key(77)).unwrap().unwrap()[0], 29);
    assert_eq!(started.count(), 4999);
    assert_eq!(all(&*store).unwrap(), []);
    drop((first, second));
    settle(&*store);
    let left = folder_bytes(&temp.path().join("1"));
    assert!(left < 20_000, "{left} bytes left of an empty tree");
}

#[test]
fn a_snapshot_is_read_by_another_thread_while_batches_and_compactions_go_on() {
    let temp = tempfile::tempdir().unwrap();
    let store = tree(temp.path());
    fill(&*store, 0..2000, Some(0));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for reader in 0..2 {
            let (store, done) = (&store, &done);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let view = store.snapshot().unwrap();
                    let rows = match reader {
                        0 => all(&*view).unwrap(),
                        _ => range(&**store, RowRange::ALL, Order::Ascending).unwrap(),
                    };
                    let value = rows[0].1[0];
                    assert_eq!(rows.len(), 2000);
                    assert!(rows.iter().all(|(_, v)| v[0] == value), "a torn batch");
                }
            });
        }
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                store.maintain().unwrap();
            }
        });
        for round in 1..60 {
            fill(&*store, 0..2000, Some(round));
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(store.get(&key(5)).unwrap().unwrap()[0], 59);
}

#[test]
fn mass_deletes_shrink_the_disk() {
    let temp = tempfile::tempdir().unwrap();
    let store = tree(temp.path());
    fill(&*store, 0..50_000, Some(1));
    settle(&*store);
    let full = folder_bytes(temp.path());
    fill(&*store, (0..50_000).filter(|n| n % 10 != 0), None);
    settle(&*store);
    let left = folder_bytes(temp.path());
    assert!(left * 5 < full, "{full} bytes before, {left} after deleting nine of ten rows");
    assert_eq!(all(&*store).unwrap().len(), 5000);
    assert!(store.bytes_on_disk() <= left);
    fill(&*store, 0..50_000, None);
    settle(&*store);
    assert_eq!(store.bytes_on_disk(), 0);
    put(&*store, &[("a", Some("1"))]).unwrap();
    drop(store);
    assert_eq!(all(&*tree(temp.path())).unwrap().len(), 1);
}

/// Nobody calls `maintain`, so the ingestion itself has to keep the number of runs bounded.
#[test]
fn ingestions_without_maintenance_compact_by_themselves() {
    let temp = tempfile::tempdir().unwrap();
    let store = tree(temp.path());
    for round in 0..300u32 {
        let value = round.to_string();
        put(&*store, &[("a", Some(&value)), ("z", Some(&value))]).unwrap();
    }
    let tables = files(&temp.path().join("1/tables")).len();
    assert!(tables <= 24, "{tables} tables");
    assert_eq!(store.get(b"z").unwrap().unwrap(), b"299");
}

#[test]
fn large_rows_are_hardly_written_again_and_leave_the_disk_when_they_are_removed() {
    let temp = tempfile::tempdir().unwrap();
    let stores = stores(temp.path());
    let store = stores.open(1).unwrap();
    let batch = |batch: usize, value: Option<u8>| {
        let row = |n: usize| (key(n * 100 + batch), value.map(|byte| vec![byte; 64 * 1024]));
        store.ingest(&mut (0..10).map(row)).unwrap();
        settle(&*store);
    };
    (0..60).for_each(|n| batch(n, Some(n as u8)));
    assert_eq!(stores.usage().compacted, 0, "of {} bytes", store.bytes_on_disk());
    (60..80).for_each(|n| batch(n, Some(n as u8)));
    assert!((1..2 * store.bytes_on_disk()).contains(&stores.usage().compacted), "the runs are bounded");
    assert_eq!(store.get(&key(959)).unwrap().unwrap(), [59; 64 * 1024]);
    let full = store.bytes_on_disk();
    (0..60).for_each(|n| batch(n, None));
    assert!(store.bytes_on_disk() * 3 < full * 2, "{full} bytes before, {} now", store.bytes_on_disk());
    assert_eq!(store.for_each(&mut |_, _| ()).unwrap(), 200);
}

#[test]
fn old_versions_do_not_pile_up() {
    let temp = tempfile::tempdir().unwrap();
    let store = tree(temp.path());
    for round in 0..20 {
        fill(&*store, 0..10, Some(round));
    }
    let name = |path: &std::path::Path| path.file_name().unwrap().to_string_lossy().into_owned();
    let versions = files(&temp.path().join("1"));
    let versions = versions.iter().filter(|(path, _)| name(path).starts_with('v')).count();
    assert!(versions <= 2, "{versions} version files");
}

/// A failed write leaves half-written tables behind until the tree is reopened.
#[test]
fn after_a_failed_write_the_tree_is_reopened_by_the_next() {
    let temp = tempfile::tempdir().unwrap();
    let store = tree(temp.path());
    put(&*store, &[("a", Some("1"))]).unwrap();
    put(&*store, &[("b", Some("1")), ("a", Some("1"))]).unwrap_err();
    let folder = temp.path().join("1/tables");
    assert_eq!(files(&folder).len(), 2, "the abandoned table is there");
    assert_eq!(store.get(b"a").unwrap().unwrap(), b"1", "reads go on");

    let view = store.snapshot().unwrap();
    let waits = put(&*store, &[("c", Some("1"))]).unwrap_err();
    assert!(matches!(waits, RowError::ReopenWaits { tree: 1, readers: 1 }));
    assert!(waits.is_transient());
    assert_eq!(view.get(b"a").unwrap().unwrap(), b"1");
    drop(view);

    put(&*store, &[("c", Some("1"))]).unwrap();
    assert_eq!(files(&folder).len(), 2, "the abandoned table is gone");
    assert_eq!(all(&*store).unwrap().len(), 2);
}

#[test]
fn a_tree_whose_files_are_away_comes_back_with_them() {
    let temp = tempfile::tempdir().unwrap();
    let store = tree(temp.path());
    put(&*store, &[("a", Some("1"))]).unwrap();
    let (there, away) = (temp.path().join("1"), temp.path().join("away"));
    std::fs::rename(&there, &away).unwrap();
    assert!(matches!(put(&*store, &[("b", Some("1"))]), Err(RowError::Io { .. })));
    std::fs::rename(&away, &there).unwrap();
    put(&*store, &[("b", Some("2"))]).unwrap();
    assert_eq!(all(&*store).unwrap().len(), 2);
}

#[test]
fn too_little_free_space_is_refused_before_anything_is_written() {
    use everstore_storage::rows::lsm::{LsmOptions, LsmStores};
    let temp = tempfile::tempdir().unwrap();
    let options = LsmOptions { reserve_bytes: u64::MAX, ..LsmOptions::default() };
    let stores = LsmStores::open(std::sync::Arc::new(env::RealDisk), temp.path(), options).unwrap();
    let store = stores.open(1).unwrap();
    let full = put(&*store, &[("a", Some("1"))]).unwrap_err();
    assert!(full.is_no_space() && full.is_transient(), "{full}");
    assert_eq!(files(&temp.path().join("1/tables")), []);
}

#[test]
fn a_destroyed_tree_leaves_no_folder_and_never_comes_back() {
    let temp = tempfile::tempdir().unwrap();
    let stores = stores(temp.path());
    assert_eq!(stores.next_id(), 1);
    let store = stores.open(7).unwrap();
    stores.open(3).unwrap();
    fill(&*store, 0..100, Some(1));
    let view = store.snapshot().unwrap();
    assert_eq!((stores.list(), stores.next_id()), (vec![3, 7], 8));
    store.destroy().unwrap();
    stores.destroy(7).unwrap();
    assert!(!temp.path().join("7").exists());
    for gone in [store.get(b"a").map(|_| ()), store.maintain().map(|_| ()), stores.open(7).map(|_| ())] {
        assert!(matches!(gone, Err(RowError::Destroyed { tree: 7 })));
    }
    assert!(put(&*store, &[("a", None)]).is_err() && store.snapshot().is_err());
    assert_eq!(store.bytes_on_disk(), 0);
    drop((view, store, stores));
    let stores = rows_support::stores(temp.path());
    assert_eq!((stores.list(), stores.next_id()), (vec![3], 8));
    assert!(stores.open(7).is_err());
}

/// What a crash between tombstone and removal leaves: the folder goes at the next start.
#[test]
fn an_unfinished_removal_is_finished_at_the_next_start() {
    let temp = tempfile::tempdir().unwrap();
    let kept = temp.path().join("kept");
    {
        let stores = stores(&temp.path().join("rows"));
        fill(&*stores.open(1).unwrap(), 0..10, Some(1));
        std::fs::rename(temp.path().join("rows/1"), &kept).unwrap();
        stores.destroy(1).unwrap();
    }
    std::fs::rename(&kept, temp.path().join("rows/1")).unwrap();
    let stores = stores(&temp.path().join("rows"));
    assert!(!temp.path().join("rows/1").exists());
    assert!(stores.open(1).is_err());
}

#[test]
fn a_vanished_or_a_strange_tree_folder_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    put(&*tree(temp.path()), &[("a", Some("1"))]).unwrap();
    std::fs::rename(temp.path().join("1"), temp.path().join("2")).unwrap();
    let stores = stores(temp.path());
    let lost = stores.open(1).map(|_| ()).unwrap_err();
    assert!(matches!(lost, RowError::Damaged { tree: 1, .. }), "{lost}");
    let strange = stores.open(2).map(|_| ()).unwrap_err();
    assert!(matches!(strange, RowError::Manifest(_)), "{strange}");
    assert!(temp.path().join("2/current").exists(), "nothing of it is touched");
}

#[test]
fn a_tree_opened_twice_is_one_tree() {
    let temp = tempfile::tempdir().unwrap();
    let stores = stores(temp.path());
    let (one, two) = (stores.open(1).unwrap(), stores.open(1).unwrap());
    put(&*one, &[("a", Some("1"))]).unwrap();
    assert_eq!(two.get(b"a").unwrap().unwrap(), b"1");
    assert_eq!(two.id(), 1);
}

/// Without partitions a get in a bulk-loaded tree reads the filter and index of a whole table.
#[test]
fn filters_and_indexes_are_partitioned_in_fresh_and_in_compacted_tables() {
    let temp = tempfile::tempdir().unwrap();
    let store = tree(temp.path());
    fill(&*store, 0..3000, Some(1));
    let check = |when: &str| {
        for (table, _) in files(&temp.path().join("1/tables")) {
            let bytes = std::fs::read(table).unwrap();
            // Names in the table's list of sections, each with its length before it.
            for section in [&b"\x0a\0filter_tli"[..], b"\x05\0index"] {
                let found = bytes.windows(section.len()).any(|at| at == section);
                assert!(found, "{when}: no section {}", section.escape_ascii());
            }
        }
    };
    check("ingested");
    fill(&*store, (0..3000).step_by(2), None);
    settle(&*store);
    check("compacted");
}

#[test]
fn what_is_written_and_what_tables_take_is_counted() {
    let temp = tempfile::tempdir().unwrap();
    let stores = stores(temp.path());
    let store = stores.open(1).unwrap();
    assert_eq!((stores.usage().ingested, stores.usage().compacted), (0, 0));
    fill(&*store, 0..2000, Some(1));
    settle(&*store);
    let first = stores.usage();
    // A first run moves down as it is: nothing is written again.
    assert!((200_000..400_000).contains(&first.ingested) && first.compacted == 0, "{first:?}");
    assert!(first.tables > 0, "{first:?}");
    for byte in 2..=8 {
        fill(&*store, 0..2000, Some(byte));
        store.maintain().unwrap();
    }
    fill(&*store, 0..2000, Some(9));
    settle(&*store);
    let second = stores.usage();
    assert_eq!(second.ingested, 9 * first.ingested, "equal batches write equal tables");
    assert!((first.ingested..2 * first.ingested).contains(&second.compacted), "{second:?}");
    store.destroy().unwrap();
    assert_eq!(stores.usage().tables, 0, "a destroyed tree takes nothing");
}
