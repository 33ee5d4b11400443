use super::*;

fn entry(index: u64, term: u64, len: usize) -> Entry {
    Entry { index, term, data: vec![7; len].into(), ..Entry::default() }
}

fn tail(terms: &[u64]) -> Tail {
    let entries = terms.iter().enumerate().map(|(i, &t)| entry(i as u64 + 1, t, 10)).collect();
    let conf = ConfState { voters: vec![1, 2, 3], ..ConfState::default() };
    Tail::new(HardState::default(), (0, conf), (0, 0), entries)
}

fn entries(tail: &Tail, low: u64, high: u64, max: Option<u64>) -> raft::Result<Vec<u64>> {
    let found = tail.entries(low, high, max, GetEntriesContext::empty(false))?;
    Ok(found.iter().map(|e| e.index).collect())
}

#[test]
fn appending_replaces_what_follows() {
    let mut tail = tail(&[1, 1, 1]);
    tail.append(&[entry(2, 4, 10), entry(3, 4, 10), entry(4, 4, 10)]);
    assert_eq!((1..=4).map(|i| tail.term(i).unwrap()).collect::<Vec<_>>(), [1, 4, 4, 4]);
    tail.append(&[entry(3, 5, 0)]);
    assert_eq!(tail.last_index().unwrap(), 3);
    assert_eq!(tail.bytes(), 3 * ENTRY_OVERHEAD + 20);
}

#[test]
fn compacted_entries_are_refused_but_their_terms_stay_known() {
    let mut tail = tail(&[1, 1, 2, 5, 5]);
    tail.compact(4);
    assert_eq!(tail.first_index().unwrap(), 5);
    assert_eq!(tail.term(4).unwrap(), 5);
    assert_eq!(tail.term(3), Err(Error::Store(StorageError::Compacted)));
    assert_eq!(entries(&tail, 4, 6, None), Err(Error::Store(StorageError::Compacted)));
    assert_eq!(entries(&tail, 5, 7, None), Err(Error::Store(StorageError::Unavailable)));
    assert_eq!(
        (0..=6).map(|i| tail.term_at(i)).collect::<Vec<_>>(),
        [None, Some(1), Some(1), Some(2), Some(5), Some(5), None]
    );
}

#[test]
fn a_slice_is_bounded_in_bytes_but_never_empty() {
    let tail = tail(&[1; 6]);
    let one = (10 + ENTRY_OVERHEAD) as u64;
    assert_eq!(entries(&tail, 2, 6, Some(2 * one)).unwrap(), [2, 3]);
    assert_eq!(entries(&tail, 2, 6, Some(0)).unwrap(), [2]);
    assert_eq!(entries(&tail, 2, 7, None).unwrap(), [2, 3, 4, 5, 6]);
}

#[test]
fn trimming_stops_at_the_applied_index() {
    let mut tail = tail(&[1; 6]);
    tail.trim(4, 0);
    assert_eq!(tail.first_index().unwrap(), 5);
    assert_eq!(tail.bytes(), 2 * (10 + ENTRY_OVERHEAD));
}

#[test]
fn a_snapshot_needs_a_source_that_reaches_the_log() {
    let mut tail = tail(&[1, 1, 2, 2]);
    tail.compact(3);
    let unavailable = Err(Error::Store(StorageError::SnapshotTemporarilyUnavailable));
    assert_eq!(tail.snapshot(0, 2), unavailable);
    tail.set_source(2, 1);
    assert_eq!(tail.snapshot(0, 3), unavailable);
    assert_eq!(tail.take_wanted().into_iter().collect::<Vec<_>>(), [2, 3]);
    assert!(tail.take_wanted().is_empty());
    tail.set_source(3, 2);
    let snapshot = tail.snapshot(0, 2).unwrap();
    let meta = snapshot.get_metadata();
    assert_eq!((meta.index, meta.term), (3, 2));
    assert_eq!(meta.get_conf_state().voters, [1, 2, 3]);
    assert_eq!(tail.snapshot(4, 2), unavailable);
}
