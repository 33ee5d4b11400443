use super::*;
use env::RealDisk;

fn open(folder: &Path) -> Result<Manifest, RowError> {
    Manifest::open(Arc::new(RealDisk), folder)
}

#[test]
fn states_survive_and_unfinished_ones_are_swept() {
    let temp = tempfile::tempdir().unwrap();
    let mut manifest = open(temp.path()).unwrap();
    for tree in 1..=3 {
        manifest.set(tree, State::Creating).unwrap();
        RealDisk.create_dir_all(&manifest.tree_folder(tree)).unwrap();
    }
    manifest.set(1, State::Live).unwrap();
    manifest.set(2, State::Live).unwrap();
    manifest.set(2, State::Destroyed).unwrap();

    let manifest = open(temp.path()).unwrap();
    assert_eq!(manifest.live(), [1]);
    assert_eq!(manifest.state(2), Some(State::Destroyed));
    assert_eq!(manifest.state(3), None);
    assert_eq!(manifest.next_id(), 4);
    assert_eq!(RealDisk.list(temp.path()).unwrap(), ["1", "manifest"]);
}

#[test]
fn a_lost_or_damaged_manifest_is_an_error() {
    let temp = tempfile::tempdir().unwrap();
    let mut manifest = open(temp.path()).unwrap();
    manifest.set(300, State::Live).unwrap();
    RealDisk.create_dir_all(&manifest.tree_folder(300)).unwrap();
    let path = temp.path().join(FILE);
    let whole = RealDisk.read(&path, MAX_BYTES).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        RealDisk.write_atomic(&path, &bytes).unwrap();
        assert!(matches!(open(temp.path()), Err(RowError::Manifest(_))), "byte {at}");
        RealDisk.write_atomic(&path, &whole[..at]).unwrap();
        assert!(matches!(open(temp.path()), Err(RowError::Manifest(_))), "cut at {at}");
    }
    RealDisk.remove(&path).unwrap();
    let lost = open(temp.path()).map(|_| ()).unwrap_err().to_string();
    assert!(lost.ends_with("is missing, but tree 300 exists"), "{lost}");
}

#[test]
fn old_tombstones_become_the_floor() {
    let temp = tempfile::tempdir().unwrap();
    let mut manifest = open(temp.path()).unwrap();
    let last = MAX_TOMBSTONES as u64 + 10;
    manifest.trees = (1..=last).map(|tree| (tree, State::Destroyed)).collect();
    manifest.trees.insert(5, State::Live);
    manifest.set(last + 1, State::Live).unwrap();

    let manifest = open(temp.path()).unwrap();
    assert_eq!(manifest.floor, 10);
    assert_eq!(manifest.trees.len(), MAX_TOMBSTONES + 2);
    assert_eq!(manifest.state(4), Some(State::Destroyed));
    assert_eq!(manifest.state(5), Some(State::Live));
    assert_eq!(manifest.state(last + 2), None);
}

#[test]
fn a_manifest_of_format_1_is_read_and_written_to_the_byte() {
    let bytes = b"EVRM\x01\xac\x02\x02\x02\x03\x01\xac\x02\x02";
    let mut bytes = bytes.to_vec();
    bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
    assert_eq!(&bytes[bytes.len() - 4..], [0xff, 0x3e, 0x65, 0x71]);
    let temp = tempfile::tempdir().unwrap();
    RealDisk.write_atomic(&temp.path().join(FILE), &bytes).unwrap();
    let manifest = open(temp.path()).unwrap();
    assert_eq!(manifest.live(), [3]);
    assert_eq!(manifest.next_id(), 301);
    let states = [2, 3, 4, 300].map(|tree| manifest.state(tree));
    let dead = Some(State::Destroyed);
    assert_eq!(states, [dead, Some(State::Live), None, dead]);
    assert_eq!(manifest.encode(), bytes);
}
