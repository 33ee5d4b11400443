//! What must not be in the repository, and what a newcomer must find in it.

use super::support::{files, root, shown};

/// Most lines of the README.
const README_LINES: usize = 120;
/// The first command stands before this line.
const FIRST_COMMAND: usize = 20;

#[test]
fn nothing_names_a_place_on_one_machine() {
    // Put together here, or this file would be its own finding.
    let places = ["work", "root", "farm", "home"].map(|folder| format!("/{folder}/"));
    let mut found = Vec::new();
    for path in files(&root()) {
        if path.file_name().is_some_and(|name| name == "Cargo.lock") {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        for (number, line) in text.lines().enumerate() {
            if places.iter().any(|place| begins_a_path(line, place)) {
                found.push(format!("{}:{}: {}", shown(&path), number + 1, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "absolute paths of one machine:\n{}", found.join("\n"));
}

/// Whether `place` stands in the line as the begin of an absolute path, not inside of a longer one.
fn begins_a_path(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric() && !"_.-/~}".contains(c))
    })
}

#[test]
fn paths_are_told_from_parts_of_paths() {
    let place = format!("/{}/", "work");
    assert!(begins_a_path(&format!("see {place}x"), &place));
    assert!(!begins_a_path(&format!("see .{place}x"), &place));
    assert!(!begins_a_path(&format!("https://host{place}x"), &place));
}

#[test]
fn no_library_needs_cmake() {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).expect("Cargo.lock");
    for refused in ["aws-lc-sys", "aws-lc-rs", "cmake", "openssl-sys"] {
        assert!(!lock.contains(&format!("name = \"{refused}\"")), "{refused} is in Cargo.lock");
    }
}

#[test]
fn the_readme_starts_with_something_to_do() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("README.md");
    assert!(readme.lines().count() <= README_LINES, "README.md has more than {README_LINES} lines");
    let first = readme.lines().position(|line| line.contains("cargo run --release -- demo"));
    let first = first.expect("the README shows how to start the demo");
    assert!(first + 1 < FIRST_COMMAND, "the first command stands in line {}", first + 1);
}

#[test]
fn nothing_is_left_to_do_in_the_code() {
    let marks =
        [["to", "do!("], ["unimple", "mented!("], ["db", "g!("], ["FIX", "ME"]].map(|halves| halves.concat());
    let mut found = Vec::new();
    for path in super::support::rust_files(&root().join("crates")) {
        let text = std::fs::read_to_string(&path).expect("readable");
        for (number, line) in text.lines().enumerate() {
            if marks.iter().any(|mark| line.contains(mark)) {
                found.push(format!("{}:{}: {}", shown(&path), number + 1, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
