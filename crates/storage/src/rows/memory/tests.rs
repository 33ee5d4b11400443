use super::*;

fn put(store: &dyn RowStore, rows: &[(&str, Option<&str>)]) -> Result<u64, RowError> {
    let row = |&(k, v): &(&str, Option<&str>)| (k.into(), v.map(|v| v.as_bytes().to_vec()));
    store.ingest(&mut rows.iter().map(row))
}

#[test]
fn a_crash_leaves_all_or_nothing_of_an_ingestion() {
    let stores = MemoryStores::new();
    let store = stores.open(1).unwrap();
    put(&*store, &[("a", Some("1"))]).unwrap();

    stores.arm(IngestFault::CrashBefore);
    let lost = put(&*store, &[("a", Some("2")), ("b", Some("2"))]);
    assert!(matches!(lost, Err(RowError::Closed { tree: 1 })));
    assert!(matches!(store.get(b"a"), Err(RowError::Closed { tree: 1 })));
    let store = stores.open(1).unwrap();
    assert_eq!(store.get(b"a").unwrap().unwrap(), b"1");
    assert_eq!(store.get(b"b").unwrap(), None);

    stores.arm(IngestFault::CrashAfter);
    put(&*store, &[("a", None), ("b", Some("3"))]).unwrap_err();
    let store = stores.open(1).unwrap();
    assert_eq!(store.get(b"a").unwrap(), None);
    assert_eq!(store.get(b"b").unwrap().unwrap(), b"3");
}

#[test]
fn a_full_disk_changes_nothing_and_passes() {
    let stores = MemoryStores::new();
    let store = stores.open(1).unwrap();
    stores.arm(IngestFault::NoSpace);
    assert!(put(&*store, &[("a", Some("1"))]).unwrap_err().is_no_space());
    assert_eq!(store.get(b"a").unwrap(), None);
    assert_eq!(put(&*store, &[("a", Some("1"))]).unwrap(), 1);
}

#[test]
fn an_injured_row_is_an_error_on_every_way_of_reading() {
    let stores = MemoryStores::new();
    let store = stores.open(1).unwrap();
    put(&*store, &[("a", Some("1")), ("empty", Some(""))]).unwrap();
    assert!(!stores.flip(1, b"b", 0));
    for key in ["a", "empty"] {
        let snapshot = store.snapshot().unwrap();
        assert!(stores.flip(1, key.as_bytes(), 11));
        let damaged = store.get(key.as_bytes()).unwrap_err();
        assert!(matches!(damaged, RowError::Damaged { tree: 1, .. }));
        assert!(store.for_each(&mut |_, _| ()).is_err());
        let mut rows = store.range(RowRange::ALL, Order::Descending).unwrap();
        assert!(rows.any(|row| row.is_err()));
        assert!(snapshot.get(key.as_bytes()).is_ok());
        assert!(stores.flip(1, key.as_bytes(), 11));
        assert!(store.get(key.as_bytes()).is_ok());
    }
}

#[test]
fn a_destroyed_tree_stays_destroyed() {
    let stores = MemoryStores::new();
    assert_eq!(stores.next_id(), 1);
    let store = stores.open(7).unwrap();
    store.destroy().unwrap();
    assert!(matches!(store.get(b"a"), Err(RowError::Destroyed { tree: 7 })));
    stores.crash();
    assert!(matches!(stores.open(7), Err(RowError::Destroyed { tree: 7 })));
    assert_eq!((stores.list(), stores.next_id()), (vec![], 8));
}

#[test]
fn a_copy_is_a_disk_of_its_own() {
    let stores = MemoryStores::new();
    put(&*stores.open(1).unwrap(), &[("a", Some("1"))]).unwrap();
    let copy = stores.copy();
    put(&*stores.open(1).unwrap(), &[("a", Some("2"))]).unwrap();
    assert_eq!(copy.open(1).unwrap().get(b"a").unwrap(), Some(b"1".to_vec()));
}
