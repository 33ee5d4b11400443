//! Reads what `cov show` prints: a path, then `number|count|source` for each line of that file.

use std::collections::BTreeMap;
use std::path::Path;

/// The crates of the table, in its order.
pub const CRATES: [&str; 5] = ["shard", "raft", "storage", "node", "shell"];

/// Executable lines of a file by number, and whether each was reached.
pub type Lines = BTreeMap<u32, bool>;

/// The files of [`CRATES`] by crate and by path below its `src`.
///
/// # Errors
/// The text names none of them.
pub fn parse(text: &str, root: &Path) -> Result<BTreeMap<(usize, String), Lines>, String> {
    let mut files: BTreeMap<(usize, String), Lines> = BTreeMap::new();
    let mut file = None;
    for line in text.lines() {
        match numbered(line) {
            Some((number, Some(reached))) => {
                if let Some(lines) = file.as_ref().and_then(|name| files.get_mut(name)) {
                    lines.insert(number, reached);
                }
            }
            Some((_, None)) => {}
            None if line.is_empty() => {}
            None => {
                file = named(line, root);
                if let Some(name) = &file {
                    files.entry(name.clone()).or_default();
                }
            }
        }
    }
    files.retain(|_, lines| !lines.is_empty());
    if files.is_empty() {
        return Err(format!("the reader of profiles names no file below {}", root.join("crates").display()));
    }
    Ok(files)
}

/// Number of a line, and whether it was reached if it is executable. None for any other text.
fn numbered(line: &str) -> Option<(u32, Option<bool>)> {
    let (number, rest) = line.split_once('|')?;
    let number = number.trim().parse().ok()?;
    let (count, _) = rest.split_once('|')?;
    Some((number, count.trim().parse::<u64>().ok().map(|count| count > 0)))
}

/// Place of the crate in [`CRATES`], and the path below its `src`.
fn named(line: &str, root: &Path) -> Option<(usize, String)> {
    let path = Path::new(line).strip_prefix(root.join("crates")).ok()?;
    let (name, below) = path.to_str()?.split_once("/src/")?;
    Some((CRATES.iter().position(|known| *known == name)?, below.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_the_named_crates() {
        let text = "/r/crates/node/src/a/b.rs\n    1|       |use x;\n    2|      7|a | b\n    3|      0|c\n\n\
                    /r/crates/sim/src/run.rs\n    1|      4|d\n\n/r/crates/shard/src/lib.rs\n    9|       |e\n";
        let files = parse(text, Path::new("/r")).unwrap();
        let expected = BTreeMap::from([((3, "a/b.rs".to_owned()), Lines::from([(2, true), (3, false)]))]);
        assert_eq!(files, expected);
    }

    #[test]
    fn nothing_known_is_an_error() {
        assert!(
            parse("/elsewhere/x.rs\n    1|      4|d\n", Path::new("/r")).unwrap_err().contains("/r/crates")
        );
    }
}
