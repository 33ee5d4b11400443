use super::*;
use crate::data::{Data, Key, Stop};
use crate::machine::Machine;
use crate::row::Row;
use crate::table::{Route, commands};
use model::row::kind;
use model::{KeyHasher, Keyspace, Position};
use proptest::prelude::*;

#[test]
fn names_are_sorted() {
    assert!(HANDLERS.is_sorted_by(|a, b| a.0 < b.0));
}

#[test]
fn every_data_command_of_the_table_has_a_handler_and_no_other() {
    let inner = commands().iter().flat_map(|c| c.subcommands.iter().chain(c.keyed));
    let specs = commands().iter().chain(inner);
    let elsewhere = |route| matches!(route, Route::Front | Route::Transaction | Route::Wait);
    let mut names: Vec<_> = specs.filter(|s| !elsewhere(s.route)).map(|s| s.name).collect();
    names.sort_unstable();
    let mut handled: Vec<_> = HANDLERS.iter().map(|(name, _)| *name).collect();
    // MOVE is not in the table yet.
    handled.retain(|name| *name != "move" || names.contains(name));
    assert_eq!(names, handled);
}

/// A machine with a row for each (position, key).
fn machine(rows: &[(u64, &str)]) -> Machine {
    let mut machine = Machine::new(KeyHasher::new(1), 1000, 1);
    let space = machine.space_mut(Keyspace(0));
    for &(position, key) in rows {
        space.insert(Row::new(Position(position), kind::STRING, key.as_bytes(), b"v"));
    }
    machine
}

#[test]
fn keys_that_share_a_position_are_scanned_together() {
    let mut machine = machine(&[(3, "a"), (5, "b"), (5, "c"), (5, "d"), (9, "e"), (u64::MAX >> 2, "f")]);
    let mut data = Data::new(&mut machine, Keyspace(0), true);
    let filter = ScanFilter::default();
    let mut part = |from, end, count| {
        let mut keys = Vec::new();
        let next = scan_part(&mut data, Position(from), Position(end), count, &filter, &mut keys).unwrap();
        keys.sort();
        (String::from_utf8(keys.concat()).expect("ASCII"), next.map(|p| p.0))
    };
    assert_eq!(part(0, u64::MAX, 1), ("a".into(), Some(5)));
    assert_eq!(part(4, u64::MAX, 1), ("bcd".into(), Some(9)));
    assert_eq!(part(0, u64::MAX, 2), ("abcd".into(), Some(9)));
    assert_eq!(part(0, 9, 9), ("abcd".into(), None));
    assert_eq!(part(0, 5, 1), ("a".into(), None));
    assert_eq!(part(6, u64::MAX, 9), ("ef".into(), None));
    assert_eq!(part(9, 9, 9), (String::new(), None));
    assert_eq!(part(9, 3, 9), (String::new(), None));
}

proptest! {
    /// Keys that are there during the whole walk are met, whatever comes and goes meanwhile.
    #[test]
    fn a_scan_is_complete_under_change(
        stay in prop::collection::btree_set(0u32..500, 0..40),
        change in prop::collection::vec(500u32..1000, 1..200),
        count in 1usize..9,
    ) {
        let mut machine = machine(&[]);
        let mut data = Data::new(&mut machine, Keyspace(0), true);
        let name = |n: u32| n.to_string().into_bytes();
        let put = |data: &mut Data<'_>, n: u32| {
            let name = name(n);
            let key = data.key(&name);
            if n < 500 || !data.delete(key).unwrap() {
                data.put_string(key, 0, b"v").expect("a small value");
            }
        };
        stay.iter().for_each(|&n| put(&mut data, n));
        let (mut met, mut next, mut change) = (Vec::new(), Some(Position(0)), change.into_iter().cycle());
        let mut calls = 0;
        while let Some(from) = next {
            for n in change.by_ref().take(3) {
                put(&mut data, n);
            }
            next = scan_part(&mut data, from, Position(u64::MAX), count, &ScanFilter::default(), &mut met).unwrap();
            calls += 1;
        }
        prop_assert!(calls <= 2 + met.len());
        met.retain(|key| key.len() < 3 || key[0] < b'5');
        met.sort();
        let mut expected: Vec<_> = stay.iter().map(|&n| name(n)).collect();
        expected.sort();
        prop_assert_eq!(met, expected);
    }
}

#[test]
fn touch_counts_as_an_access_where_nothing_else_does() {
    for (touch, after_get) in [(true, 100), (false, 0)] {
        let mut machine = Machine::new(KeyHasher::new(1), 1000, 1);
        let mut accessed = |time: u64, run: fn(&mut Data<'_>, Key<'_>) -> Result<bool, Stop>| {
            machine.begin(1, time * 1000);
            let mut data = Data::new(&mut machine, Keyspace(0), touch);
            let key = data.key(b"k");
            run(&mut data, key).expect("in memory");
            data.peek(key).expect("in memory").map(|row| row.accessed)
        };
        assert_eq!(accessed(0, |data, key| data.put_string(key, 0, b"v").map(|()| true)), Some(0));
        assert_eq!(accessed(100, |data, key| Ok(data.get(key)?.is_some())), Some(after_get));
        assert_eq!(accessed(200, |data, key| Ok(data.peek(key)?.is_some())), Some(after_get));
        assert_eq!(accessed(300, |data, key| data.touch(key)), Some(300));
    }
}
