//! The corpus of a fuzz target as a plain test.

use std::fs;
use std::path::Path;

/// Longest file of a corpus in bytes: they are kept small, in number and size.
pub const MAX_FILE: usize = 4096;
/// Most files of a corpus.
pub const MAX_FILES: usize = 64;

/// Shows every file of a target's corpus to its property.
///
/// # Panics
/// If the property does not hold, or the corpus is missing or has grown.
pub fn each(target: &str, check: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut count = 0;
    for file in files {
        let path = file.expect("a readable folder").path();
        let bytes = fs::read(&path).expect("a readable file");
        assert!(bytes.len() <= MAX_FILE, "{} has {} bytes", path.display(), bytes.len());
        println!("{}", path.display());
        check(&bytes);
        count += 1;
    }
    assert!((8..=MAX_FILES).contains(&count), "{count} files in {}", folder.display());
}
