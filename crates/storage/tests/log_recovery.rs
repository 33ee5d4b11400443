//! What the log finds again: after a clean end, a torn tail, damage, freeing and recycling.

mod log_support;

use env::{Disk, MemDisk, Op, Rng};
use everstore_storage::log::{Install, LogError, LogOptions, MIN_SEGMENT_BYTES};
use log_support::{G, H, batch, dir, entries, entry, find_bytes, hard, open, open_with, options};
use model::GroupId;
use std::collections::BTreeMap;
use std::path::PathBuf;

#[test]
fn everything_appended_is_found_again() {
    let disk = MemDisk::new();
    let (mut log, recovery) = open(&disk).unwrap();
    assert!(recovery.groups.is_empty());
    let install = Install { tree: 5, index: 40, term: 2, conf_state: vec![1, 2, 3] };
    log.append(&[
        // The hard state is given first and must still be written behind the entries.
        batch(|b| {
            b.hard_state(G, hard(1, 2, 0));
            b.entry(G, 1, 1, 9, b"one");
            b.entry(G, 2, 1, 0, b"two");
            b.hard_state(G, hard(1, 2, 1));
        }),
        batch(|b| b.entry(H, 1, 1, 0, b"x")),
        batch(|b| {
            b.install(H, install.clone());
            b.entry(H, 41, 3, 0, b"");
        }),
        batch(|b| b.hard_state(GroupId(70), hard(8, 0, 0))),
        batch(|b| b.forget(GroupId(70))),
    ])
    .unwrap();
    log.close().unwrap();
    disk.power_cut(&mut Rng::new(1));
    let (_, recovery) = open(&disk).unwrap();
    let g = &recovery.groups[&G];
    assert_eq!((g.hard, g.floor, g.last_index()), (Some(hard(1, 2, 1)), 0, 2));
    assert_eq!((g.entries[0].kind, &g.entries[0].data[..]), (9, &b"one"[..]));
    let h = &recovery.groups[&H];
    assert_eq!((&h.install, h.floor, h.hard), (&Some(install), 40, None));
    assert_eq!(entries(&recovery, H), [(41, 3)]);
    assert!(!recovery.groups.contains_key(&GroupId(70)));
    assert_eq!((recovery.report.segments, &recovery.report.cut), (1, &None));
}

#[test]
fn what_was_written_but_not_synced_is_durable_once_it_was_recovered() {
    for seed in 0..40 {
        let disk = MemDisk::new();
        let (mut log, _) = open(&disk).unwrap();
        log.write(&[entry(G, 1, 1), entry(G, 2, 1)]).unwrap();
        disk.crash_process();
        let (_, recovery) = open(&disk).unwrap();
        assert_eq!(entries(&recovery, G), [(1, 1), (2, 1)]);
        disk.power_cut(&mut Rng::new(seed));
        let (_, recovery) = open(&disk).unwrap();
        assert_eq!(entries(&recovery, G), [(1, 1), (2, 1)], "seed {seed}");
    }
}

#[test]
fn a_torn_batch_is_cut_with_all_behind_it_and_they_never_come_back() {
    torn_batches(true);
    torn_batches(false);
}

fn torn_batches(direct: bool) {
    let disk = MemDisk::new();
    let (mut log, _) = open_with(&disk, options(direct)).unwrap();
    log.append(&[entry(G, 1, 1)]).unwrap();
    // Written together, not synced: the later ones are intact and must be ignored all the same.
    log.write(&[entry(G, 2, 1), entry(G, 3, 1), entry(G, 3, 2)]).unwrap();
    let (path, at) = find_bytes(&disk, &[2; 100]);
    disk.crash_process();
    // Not durable, so flip through a handle.
    let mut file = disk.open(&path, env::Open::WRITE).unwrap();
    file.write_at(at, &[0]).unwrap();
    let (mut log, recovery) = open_with(&disk, options(direct)).unwrap();
    assert_eq!(entries(&recovery, G), [(1, 1)]);
    let cut = recovery.report.cut.unwrap();
    let size = entry(G, 2, 1).size();
    assert_eq!((&cut.file, cut.bytes), (&path, 3 * size));
    // The head written at start and this batch end exactly where the last of the cut batches
    // begins, and that one even has the next sequence number.
    let head = batch(|b| b.entry(G, 1, 1, 0, b"")).size();
    let filling = batch(|b| b.entry(G, 2, 4, 0, &[2; 208]));
    assert_eq!((head, filling.size()), (56, 2 * size - 56));
    log.append(&[filling]).unwrap();
    disk.crash_process();
    let (_, recovery) = open_with(&disk, options(direct)).unwrap();
    assert_eq!(entries(&recovery, G), [(1, 1), (2, 4)]);
    assert_eq!(recovery.report.cut, None);
}

/// Segments are read, and their ends written again, in pieces of 1 MiB: batches, what is not known synced
/// and what is cut off may all be longer.
#[test]
fn long_batches_are_recovered_cut_and_made_durable_like_short_ones() {
    for direct in [true, false] {
        let disk = MemDisk::new();
        let large = LogOptions { segment_bytes: 16 << 20, ..options(direct) };
        let long = |index: u64| batch(|b| b.entry(G, index, 1, 0, &vec![index as u8; 1_500_000]));
        let (mut log, _) = open_with(&disk, large.clone()).unwrap();
        log.append(&[long(1), entry(G, 2, 1)]).unwrap();
        log.write(&[long(3), long(4), entry(G, 5, 1), long(6), long(7), entry(G, 8, 1)]).unwrap();
        disk.crash_process();
        let path = dir().join(&disk.list(dir()).unwrap()[0]);
        let bytes = disk.read(&path, 1 << 30).unwrap();
        let sixth = bytes.chunks(100).position(|chunk| chunk == [6; 100]).unwrap() as u64 * 100;
        disk.open(&path, env::Open::WRITE).unwrap().write_at(sixth + 1_200_000, &[0]).unwrap();
        let (_, recovery) = open_with(&disk, large.clone()).unwrap();
        let cut = recovery.report.cut.clone().unwrap();
        assert_eq!(cut.bytes, 2 * long(6).size() + entry(G, 8, 1).size());
        disk.power_cut(&mut Rng::new(5));
        let (_, again) = open_with(&disk, large).unwrap();
        assert_eq!(again.report.cut, None);
        assert_eq!(again.groups, recovery.groups);
        let found = &again.groups[&G].entries;
        assert_eq!(found.iter().map(|e| e.index).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        assert!([0, 2, 3].iter().all(|&i| found[i].data == vec![i as u8 + 1; 1_500_000]));
        let behind = &disk.read(&path, 1 << 30).unwrap()[cut.offset as usize + 200..];
        assert!(behind.iter().all(|&b| b == 0), "nothing intact is left behind the cut");
    }
}

#[test]
fn a_flipped_bit_in_a_synced_payload_is_damage_of_its_groups_until_they_are_forgotten() {
    let disk = MemDisk::new();
    let (mut log, _) = open(&disk).unwrap();
    log.append(&[entry(H, 1, 1), batch(|b| b.hard_state(G, hard(1, 1, 0)))]).unwrap();
    log.append(&[entry(G, 1, 1)]).unwrap();
    log.append(&[entry(H, 2, 1)]).unwrap();
    drop(log);
    let (path, at) = find_bytes(&disk, &[1; 100]);
    let second = disk.read(&path, 1 << 20).unwrap()[at as usize + 100..].to_vec();
    let second = second.windows(100).position(|w| w == [1; 100]).unwrap() as u64 + at + 100;
    disk.flip_bit(&path, second + 50, 3).unwrap();
    let (mut log, recovery) = open(&disk).unwrap();
    assert_eq!(recovery.damage.len(), 1);
    assert_eq!((&recovery.damage[0].file, &recovery.damage[0].groups), (&path, &vec![G]));
    assert!((1..=60).contains(&(second - recovery.damage[0].offset)), "{:?}", recovery.damage);
    assert!(recovery.groups[&G].damaged && !recovery.groups[&H].damaged);
    assert_eq!(entries(&recovery, H), [(1, 1), (2, 1)]);
    assert_eq!(recovery.report.cut, None);

    // The mark outlives the segment that holds the damage.
    log.fill_reserve().unwrap();
    for index in 3..200 {
        log.append(&[entry(H, index, 1)]).unwrap();
    }
    assert!(log.free(&BTreeMap::from([(H, 199)])).unwrap().segments > 0);
    drop(log);
    let (mut log, recovery) = open(&disk).unwrap();
    assert!(recovery.damage.is_empty() && recovery.groups[&G].damaged);
    log.append(&[batch(|b| b.forget(G))]).unwrap();
    drop(log);
    assert!(!open(&disk).unwrap().1.groups.contains_key(&G));
}

#[test]
fn a_flipped_bit_in_the_last_batch_is_damage_after_a_clean_end() {
    let disk = MemDisk::new();
    let (mut log, _) = open(&disk).unwrap();
    log.append(&[entry(H, 9, 1), batch(|b| b.floor(H, 9))]).unwrap();
    log.append(&[entry(H, 10, 1)]).unwrap();
    log.close().unwrap();
    let (path, at) = find_bytes(&disk, &[10; 100]);
    disk.flip_bit(&path, at, 0).unwrap();
    let (_, recovery) = open(&disk).unwrap();
    assert_eq!(recovery.damage[0].groups, [H]);
}

#[test]
fn damage_that_could_be_anybodys_refuses_the_whole_log() {
    let refused = |offset_in_batch: i64, what: &str| {
        let disk = MemDisk::new();
        let (mut log, _) = open(&disk).unwrap();
        log.append(&[entry(G, 77, 1)]).unwrap();
        log.append(&[entry(H, 1, 1)]).unwrap();
        drop(log);
        let (path, at) = find_bytes(&disk, &[77; 100]);
        disk.flip_bit(&path, (at as i64 + offset_in_batch) as u64, 0).unwrap();
        let error = open(&disk).err().unwrap().to_string();
        assert!(error.contains(what) && error.contains("seg-00000001.log"), "{error}");
    };
    // The header of the batch, 48 bytes, is before the item's 7.
    refused(-20, "header fails its checksum");
    // In the payload; nothing else of the group is in the log.
    refused(5, "not known otherwise");
}

#[test]
fn a_damaged_or_missing_segment_file_is_refused() {
    let disk = MemDisk::new();
    let (mut log, _) = open(&disk).unwrap();
    for index in 1..250 {
        log.append(&[entry(G, index, 1)]).unwrap();
    }
    drop(log);
    let names = disk.list(dir()).unwrap();
    assert!(names.len() >= 3, "{names:?}");
    for name in &names {
        let path = dir().join(name);
        disk.flip_bit(&path, 20, 0).unwrap();
        assert!(matches!(open(&disk), Err(LogError::Damaged { .. })), "{name}");
        disk.flip_bit(&path, 20, 0).unwrap();
    }
    disk.remove(&dir().join(&names[0])).unwrap();
    let error = open(&disk).err().unwrap().to_string();
    assert!(error.contains("segment 1 is missing"), "{error}");
}

#[test]
fn segments_follow_each_other_and_carry_every_groups_state() {
    for direct in [false, true] {
        let disk = MemDisk::new();
        let (mut log, _) = open_with(&disk, options(direct)).unwrap();
        let install = Install { tree: 3, index: 5, term: 1, conf_state: vec![9] };
        log.append(&[batch(|b| {
            b.install(H, install.clone());
            b.hard_state(H, hard(4, 3, 5));
        })])
        .unwrap();
        for index in 1..=400 {
            log.append(&[entry(G, index, 1)]).unwrap();
        }
        assert_eq!(log.blockers(), [G]);
        assert!(log.shares()[&G] > 40_000);
        let before = log.bytes();
        let freed = log.free(&BTreeMap::from([(G, 350), (GroupId(9), 1)])).unwrap();
        assert!(freed.segments >= 3 && log.bytes() < before, "{freed:?}");
        drop(log);
        disk.power_cut(&mut Rng::new(3));
        let (_, recovery) = open_with(&disk, options(direct)).unwrap();
        let found = entries(&recovery, G);
        assert_eq!((found[0], found[found.len() - 1]), ((351, 1), (400, 1)));
        let h = &recovery.groups[&H];
        assert_eq!((h.hard, &h.install, h.floor), (Some(hard(4, 3, 5)), &Some(install), 5));
    }
}

#[test]
fn recycled_segments_never_show_their_former_records() {
    let disk = MemDisk::new();
    let (mut log, _) = open(&disk).unwrap();
    let mut index = 0;
    for round in 0..30 {
        for _ in 0..60 {
            index += 1;
            log.append(&[entry(G, index, round)]).unwrap();
        }
        log.free(&BTreeMap::from([(G, index - 10)])).unwrap();
        drop(log);
        disk.crash_process();
        let (reopened, recovery) = open(&disk).unwrap();
        let found = entries(&recovery, G);
        assert_eq!(found.last(), Some(&(index, round)));
        assert!(found.is_sorted(), "{found:?}");
        assert!(recovery.damage.is_empty() && recovery.report.cut.is_none());
        log = reopened;
    }
    assert!(disk.list(dir()).unwrap().len() <= 6, "segments are used again");
}

/// Found by the simulator: a log whose newest or only segment was lost looked like a shorter, whole one.
#[test]
fn a_lost_segment_is_noticed_also_the_newest_and_the_only_one() {
    for direct in [false, true] {
        let disk = MemDisk::new();
        let (mut log, _) = open_with(&disk, options(direct)).unwrap();
        let segments = |disk: &MemDisk| {
            let mut used: Vec<(u64, PathBuf)> = Vec::new();
            for name in disk.list(dir()).unwrap() {
                let bytes = disk.read(&dir().join(&name), usize::MAX).unwrap();
                let number = u64::from_le_bytes(bytes[16..24].try_into().unwrap());
                used.extend((number > 0).then(|| (number, dir().join(&name))));
            }
            used.sort();
            used
        };
        let only = segments(&disk).remove(0).1;
        let lost = disk.copy();
        lost.remove(&only).unwrap();
        let begun = LogOptions { begun: true, ..options(direct) };
        let refused = |disk: &MemDisk| open_with(disk, begun.clone()).map(drop).unwrap_err().to_string();
        assert!(refused(&lost).contains("no segment in use is left"), "{}", refused(&lost));
        for index in 1..=400 {
            log.append(&[entry(G, index, 1)]).unwrap();
        }
        let used = segments(&disk);
        assert!(used.len() >= 3);
        for (number, path) in &used {
            let lost = disk.copy();
            lost.remove(path).unwrap();
            assert!(refused(&lost).contains("missing"), "segment {number}: {}", refused(&lost));
        }
        disk.crash_process();
        assert_eq!(entries(&open_with(&disk, begun).unwrap().1, G).len(), 400);
    }
}

/// Found by the simulator: the floor of one group freed nothing, that of another then freed segments with
/// entries of both, and only the second floor was written down.
#[test]
fn floors_that_freed_nothing_at_first_are_known_after_a_crash() {
    let disk = MemDisk::new();
    let (mut log, _) = open(&disk).unwrap();
    for index in 1..=400 {
        log.append(&[entry(G, index, 1), entry(H, index, 1)]).unwrap();
    }
    let first = log.free(&BTreeMap::from([(G, 390)])).unwrap();
    assert_eq!(first.segments, 0, "the other group needs them");
    let second = log.free(&BTreeMap::from([(H, 390)])).unwrap();
    assert!(second.segments > 0);
    drop(log);
    disk.crash_process();
    let (_, recovery) = open(&disk).unwrap();
    for group in [G, H] {
        assert!(!recovery.groups[&group].damaged, "nothing of {group} is missing");
        assert_eq!(entries(&recovery, group).first(), Some(&(391, 1)));
    }
}

#[test]
fn a_freed_segment_whose_wiped_header_was_never_synced_does_not_come_back() {
    for seed in 0..60 {
        let disk = MemDisk::new();
        let (mut log, _) = open_with(&disk, options(false)).unwrap();
        for index in 1..=240 {
            log.append(&[entry(G, index, 1)]).unwrap();
        }
        // The mark is synced; then neither the wiped header can be synced nor the file removed.
        disk.fail_once(Op::Sync, 1);
        disk.fail_once(Op::Name, 0);
        assert_eq!(log.free(&BTreeMap::from([(G, 100)])).unwrap().segments, 1);
        disk.crash_process();
        // The file is used again, and the power goes before that is synced.
        let (mut log, _) = open_with(&disk, options(false)).unwrap();
        let more: Vec<_> = (241..=340).map(|index| entry(G, index, 1)).collect();
        log.write(&more).unwrap();
        disk.power_cut(&mut Rng::new(seed));
        let (_, recovery) = open_with(&disk, options(false)).unwrap();
        let found = entries(&recovery, G);
        assert!(found[0] == (101, 1) && found.len() >= 140, "{found:?}");
    }
}

#[test]
fn lack_of_space_is_met_when_reserving_and_not_later() {
    let disk = MemDisk::new();
    let (mut log, _) = open(&disk).unwrap();
    assert!(log.reserve_low());
    disk.set_capacity(Some(2 * MIN_SEGMENT_BYTES + 100));
    let refused = log.fill_reserve().unwrap_err();
    assert!(matches!(refused, LogError::NoSpace { .. }), "{refused}");
    assert!(log.reserve_low());
    let mut index = 0;
    let refused = loop {
        index += 1;
        if let Err(error) = log.append(&[entry(G, index, 1)]) {
            break error;
        }
    };
    assert!(matches!(refused, LogError::NoSpace { .. }), "{refused}");
    assert!(index > 80, "both segments were filled: {index}");
    // Nothing of the refused call was written, and it can be repeated.
    disk.set_capacity(None);
    log.append(&[entry(G, index, 1)]).unwrap();
    log.fill_reserve().unwrap();
    assert!(!log.reserve_low());
    drop(log);
    let found = entries(&open(&disk).unwrap().1, G);
    assert_eq!((found.len() as u64, found.last()), (index, Some(&(index, 1))));
}

#[test]
fn an_io_error_stops_the_log() {
    for op in [Op::Write, Op::Sync] {
        let disk = MemDisk::new();
        let (mut log, _) = open(&disk).unwrap();
        disk.fail_once(op, 0);
        let error = log.append(&[entry(G, 1, 1)]).unwrap_err();
        assert!(matches!(error, LogError::Io { .. }), "{error}");
        let again = log.append(&[entry(G, 1, 1)]).unwrap_err();
        assert!(matches!(again, LogError::Stopped), "{again}");
        assert!(matches!(log.free(&BTreeMap::new()), Err(LogError::Stopped)));
    }
}

#[test]
fn limits_are_kept() {
    let disk = MemDisk::new();
    let bytes = MIN_SEGMENT_BYTES + 1;
    let wrong = LogOptions { segment_bytes: bytes, ..options(true) };
    assert!(open_with(&disk, wrong).err().unwrap().to_string().contains("16385"));
    let (mut log, _) = open(&disk).unwrap();
    let max = log.max_batch() as usize;
    let large = batch(|b| b.entry(G, 1, 1, 0, &vec![1; max]));
    assert!(matches!(log.append(&[large]), Err(LogError::TooLarge { .. })));
    log.append(&[batch(|b| b.entry(G, 1, 1, 0, &vec![1; max - 64]))]).unwrap();
    log.append(&[batch(|b| b.entry(G, 2, 1, 0, &vec![2; max - 64]))]).unwrap();
    drop(log);
    assert_eq!(entries(&open(&disk).unwrap().1, G), [(1, 1), (2, 1)]);
    let foreign = LogOptions { cluster: [8; 16], ..options(true) };
    assert!(matches!(open_with(&disk, foreign), Err(LogError::ForeignCluster { .. })));
}

#[test]
fn direct_and_buffered_are_not_mixed_on_a_segment() {
    let disk = MemDisk::new();
    disk.refuse_direct(true);
    let (mut log, _) = open(&disk).unwrap();
    assert!(!log.is_direct());
    log.append(&[entry(G, 1, 1)]).unwrap();
    drop(log);
    disk.refuse_direct(false);
    let (mut log, recovery) = open(&disk).unwrap();
    assert!(log.is_direct());
    assert_eq!(recovery.report.segments, 1);
    log.append(&[entry(G, 2, 1)]).unwrap();
    drop(log);
    drop(open_with(&disk, LogOptions { keep: true, ..options(false) }).unwrap());
    let (mut log, recovery) = open_with(&disk, LogOptions { keep: true, ..options(false) }).unwrap();
    assert!(log.is_direct(), "as it was written before");
    assert_eq!(recovery.report.segments, 2);
    log.fill_reserve().unwrap();
    log.set_direct(false).unwrap();
    log.set_direct(false).unwrap();
    assert!(!log.is_direct());
    drop(log);
    let (log, recovery) = open_with(&disk, LogOptions { keep: true, ..options(true) }).unwrap();
    assert!(!log.is_direct() && recovery.report.segments == 3);
    drop(log);
    let larger = LogOptions { segment_bytes: 4 * MIN_SEGMENT_BYTES, ..options(true) };
    let (log, recovery) = open_with(&disk, larger).unwrap();
    assert_eq!((recovery.report.segments, entries(&recovery, G)), (3, vec![(1, 1), (2, 1)]));
    assert_eq!(log.bytes(), 7 * MIN_SEGMENT_BYTES);
}
