//! The corpus of the fuzz target `resp_parse` is also a plain test.
#![allow(clippy::disallowed_methods, reason = "a test reads its corpus")]

use std::fs;
use std::path::Path;

#[path = "../../../fuzz/split_invariant.rs"]
mod split_invariant;

#[test]
fn every_file_of_the_corpus_holds_the_property() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/resp_parse");
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut count = 0;
    for file in files {
        let bytes = fs::read(file.expect("a readable folder").path()).expect("a readable file");
        split_invariant::split_invariant(&bytes);
        count += 1;
    }
    assert!(count >= 10, "only {count} files in {}", folder.display());
}
