use super::*;
use crate::{AlignedBuf, DIRECT_ALIGN, Disk, DiskFile, Open};

fn disk() -> MemDisk {
    let disk = MemDisk::new();
    disk.create_dir_all(Path::new("/d")).unwrap();
    disk
}

fn create(disk: &MemDisk, name: &str) -> Box<dyn DiskFile> {
    let file = disk.open(Path::new(name), Open::CREATE).unwrap();
    disk.sync_dir(Path::new("/d")).unwrap();
    file
}

fn content(disk: &MemDisk, name: &str) -> Vec<u8> {
    disk.read(Path::new(name), 1 << 20).unwrap()
}

#[test]
fn a_process_crash_keeps_what_was_written_and_ends_handles_and_locks() {
    let disk = disk();
    let mut file = create(&disk, "/d/x");
    file.write_at(3, b"abc").unwrap();
    let lock = disk.lock(Path::new("/d/lock")).unwrap();
    assert!(disk.lock(Path::new("/d/lock")).is_err());
    disk.crash_process();
    assert!(file.write_at(0, b"late").is_err());
    assert_eq!(content(&disk, "/d/x"), b"\0\0\0abc");
    let again = disk.lock(Path::new("/d/lock")).unwrap();
    drop(lock);
    assert!(disk.lock(Path::new("/d/lock")).is_err());
    drop(again);
    disk.lock(Path::new("/d/lock")).unwrap();
}

#[test]
fn a_power_cut_keeps_the_synced_and_tears_the_rest_by_sector() {
    let (mut newer_only, mut torn) = (0, 0);
    for seed in 0..200 {
        let disk = disk();
        let mut file = create(&disk, "/d/x");
        file.write_at(0, &[1; 4 * SECTOR]).unwrap();
        file.sync_data().unwrap();
        file.write_at(SECTOR as u64, &[2; 2 * SECTOR]).unwrap();
        file.write_at(3 * SECTOR as u64, &[3; SECTOR]).unwrap();
        disk.power_cut(&mut Rng::new(seed));
        let bytes = content(&disk, "/d/x");
        let sectors: Vec<u8> = bytes.chunks(SECTOR).map(|s| s[0]).collect();
        assert!(bytes.chunks(SECTOR).all(|s| s.iter().all(|&b| b == s[0])), "whole sectors");
        assert_eq!((bytes.len(), sectors[0]), (4 * SECTOR, 1));
        newer_only += u32::from(sectors == [1, 1, 1, 3]);
        torn += u32::from(sectors[1] != sectors[2]);
    }
    assert!(newer_only > 0 && torn > 0, "{newer_only} {torn}");
}

#[test]
fn names_are_lost_by_a_power_cut_until_the_folder_is_synced() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..100 {
        let disk = disk();
        create(&disk, "/d/old");
        disk.open(Path::new("/d/new"), Open::CREATE).unwrap();
        disk.rename(Path::new("/d/old"), Path::new("/d/moved")).unwrap();
        disk.power_cut(&mut Rng::new(seed));
        seen.insert(disk.list(Path::new("/d")).unwrap().join(" "));
    }
    let seen: Vec<_> = seen.iter().map(String::as_str).collect();
    assert_eq!(seen, ["moved new", "new old", "old"]);
}

#[test]
fn a_small_file_written_atomically_is_old_or_new_at_any_crash() {
    for ops in 0..8 {
        for seed in 0..20 {
            let disk = disk();
            disk.write_atomic(Path::new("/d/x"), b"old").unwrap();
            disk.halt_after(ops);
            let done = disk.write_atomic(Path::new("/d/x"), b"newer").is_ok();
            disk.power_cut(&mut Rng::new(seed));
            let found = content(&disk, "/d/x");
            assert!(found == b"newer" || (!done && found == b"old"), "{ops} {found:?}");
        }
    }
}

#[test]
fn faults_hit_the_chosen_operation() {
    let disk = disk();
    let mut file = create(&disk, "/d/x");
    disk.fail_once(Op::Sync, 1);
    file.sync_data().unwrap();
    assert!(file.sync_data().is_err());
    file.sync_data().unwrap();
    disk.fail_once(Op::Write, 0);
    assert!(file.write_at(0, b"x").is_err());
    file.write_at(0, b"x").unwrap();
    disk.fail_once(Op::Read, 0);
    assert!(file.read_at(0, &mut [0]).is_err());
    disk.flip_bit(Path::new("/d/x"), 0, 1).unwrap_err();
    file.sync_data().unwrap();
    disk.flip_bit(Path::new("/d/x"), 0, 1).unwrap();
    assert_eq!(content(&disk, "/d/x"), [b'x' ^ 2]);
}

#[test]
fn a_full_disk_refuses_growth_only() {
    let disk = disk();
    let mut file = create(&disk, "/d/x");
    disk.set_capacity(Some(100));
    file.allocate(80).unwrap();
    assert_eq!(disk.free_space(Path::new("/d")).unwrap(), 20);
    file.write_at(0, &[1; 80]).unwrap();
    let refused = file.write_at(60, &[1; 60]).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
    disk.remove(Path::new("/d/x")).unwrap();
    assert_eq!(disk.free_space(Path::new("/d")).unwrap(), 100);
}

#[test]
fn direct_handles_insist_on_alignment() {
    let disk = disk();
    let mut file = disk.open(Path::new("/d/x"), Open::CREATE.direct(true)).unwrap();
    let mut buf = AlignedBuf::new();
    buf.resize_zeroed(DIRECT_ALIGN + 1);
    file.write_at(0, &buf[..DIRECT_ALIGN]).unwrap();
    for (offset, part) in [(0, &buf[..1]), (1, &buf[..DIRECT_ALIGN]), (0, &buf[1..])] {
        assert_eq!(file.write_at(offset, part).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
    disk.refuse_direct(true);
    assert!(disk.open(Path::new("/d/x"), Open::WRITE.direct(true)).is_err());
    let mut read_only = disk.open(Path::new("/d/x"), Open::READ).unwrap();
    assert!(read_only.write_at(0, b"x").is_err());
}

#[test]
fn a_copy_is_a_disk_of_its_own() {
    let disk = disk();
    create(&disk, "/d/x").write_at(0, b"old").unwrap();
    let copy = disk.copy();
    create(&disk, "/d/x").write_at(0, b"new").unwrap();
    let mut bytes = [0; 3];
    copy.open(Path::new("/d/x"), Open::READ).unwrap().read_at(0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"old");
}
