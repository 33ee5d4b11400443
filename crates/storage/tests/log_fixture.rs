//! Segments written by older versions must be readable for good. `fixtures/log-v1` was written by
//! the first version; the ignored test below makes such a folder again.

mod log_support;

use env::{Disk, MemDisk, RealDisk, Rng};
use everstore_storage::log::{HardState, Install, Log};
use log_support::{G, H, batch, dir, hard, open, options};
use model::GroupId;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn fixture(name: &str) -> PathBuf {
    // Of the clone that runs the tests: they may have been built in another one.
    let here = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it");
    Path::new(&here).join("tests/fixtures").join(name)
}

/// Writes what the fixture holds.
fn fill(log: &mut Log) {
    let first = batch(|b| {
        b.entry(G, 1, 1, 0, b"first");
        b.entry(G, 2, 1, 1, b"discarded");
        b.entry(H, 1, 2, 7, &[0, 255]);
        b.hard_state(G, hard(1, 3, 1));
    });
    let second = batch(|b| {
        b.entry(G, 2, 4, 1, &[0xab; 300]);
        b.install(H, Install { tree: 6, index: 500, term: 4, conf_state: vec![8, 1, 8, 2] });
        b.entry(H, 501, 4, 0, b"");
        b.hard_state(H, hard(4, 0, 500));
        b.hard_state(GroupId(9), hard(1, 1, 1));
    });
    log.append(&[first, second]).unwrap();
    log.append(&[batch(|b| b.forget(GroupId(9))), batch(|b| b.floor(G, 1))]).unwrap();
}

#[test]
fn version_1_is_read() {
    let disk = MemDisk::new();
    disk.create_dir_all(dir()).unwrap();
    let bytes = RealDisk.read(&fixture("log-v1/seg-00000001.log"), 1 << 20).unwrap();
    disk.write_atomic(&dir().join("seg-00000001.log"), &bytes).unwrap();
    let (_, recovery) = open(&disk).unwrap();
    assert_eq!(recovery.report.batches, 5);
    assert_eq!((recovery.groups.len(), &recovery.report.cut, recovery.damage.len()), (2, &None, 0));
    let g = &recovery.groups[&G];
    assert_eq!((g.hard, g.floor), (Some(HardState { term: 1, vote: 3, commit: 1 }), 1));
    let entry = &g.entries[0];
    assert_eq!((g.entries.len(), entry.index, entry.term, entry.kind), (1, 2, 4, 1));
    assert_eq!(entry.data, [0xab; 300]);
    let h = &recovery.groups[&H];
    let install = h.install.as_ref().unwrap();
    assert_eq!((install.tree, install.index, install.term), (6, 500, 4));
    assert_eq!(install.conf_state, [8, 1, 8, 2]);
    assert_eq!((h.hard, h.last_index(), h.entries.len()), (Some(hard(4, 0, 500)), 501, 1));
}

#[test]
fn this_version_writes_the_same_bytes() {
    let disk = MemDisk::new();
    let (mut log, _) = open(&disk).unwrap();
    fill(&mut log);
    let written = disk.read(&dir().join("seg-00000001.log"), 1 << 20).unwrap();
    let known = RealDisk.read(&fixture("log-v1/seg-00000001.log"), 1 << 20).unwrap();
    assert!(written == known, "the format has changed: give it a new version and a new fixture");
}

#[test]
#[ignore = "writes a new fixture folder; run by hand when the format gets a new version"]
fn write_fixture() {
    let folder = fixture("log-new");
    let (mut log, _) = Log::open(Arc::new(RealDisk), &folder, options(true), Rng::new(1)).unwrap();
    fill(&mut log);
}
