//! The table that `cargo xtask coverage` prints.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::lines::{CRATES, Lines};

/// Markdown: a row for each file, and a sum after the files of each crate.
pub fn markdown(files: &BTreeMap<(usize, String), Lines>) -> String {
    let mut text = "| file | lines covered / executable | percent |\n|---|---:|---:|\n".to_owned();
    for (place, name) in CRATES.iter().enumerate() {
        let mut sum = (0, 0);
        for ((_, file), lines) in files.iter().filter(|((of, _), _)| *of == place) {
            let (reached, all) = counts(lines);
            sum = (sum.0 + reached, sum.1 + all);
            row(&mut text, &format!("{name}/src/{file}"), reached, all);
        }
        row(&mut text, &format!("**{name}**"), sum.0, sum.1);
    }
    text
}

/// The lines that were never reached, for each file that has some.
pub fn missed(files: &BTreeMap<(usize, String), Lines>) -> String {
    let mut text = String::new();
    for ((place, file), lines) in files {
        let name = CRATES.get(*place).copied().unwrap_or_default();
        let never: Vec<_> =
            lines.iter().filter(|(_, reached)| !**reached).map(|(n, _)| n.to_string()).collect();
        if !never.is_empty() {
            // Writing to a string can not fail.
            let _ = writeln!(text, "\n{name}/src/{file}: {}", never.join(" "));
        }
    }
    text
}

fn counts(lines: &Lines) -> (usize, usize) {
    (lines.values().filter(|reached| **reached).count(), lines.len())
}

fn row(text: &mut String, name: &str, reached: usize, all: usize) {
    // Rounded down: 100 % is said only if nothing is missing.
    let tenths = (reached * 1000).checked_div(all).unwrap_or(0);
    let _ = writeln!(text, "| {name} | {reached} / {all} | {}.{} |", tenths / 10, tenths % 10);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_sums() {
        let files = BTreeMap::from([
            ((0, "a.rs".to_owned()), Lines::from([(1, true), (2, true), (4, false)])),
            ((0, "b.rs".to_owned()), Lines::from([(1, true)])),
        ]);
        let text = markdown(&files);
        assert!(
            text.contains("| shard/src/a.rs | 2 / 3 | 66.6 |\n| shard/src/b.rs | 1 / 1 | 100.0 |\n"),
            "{text}"
        );
        assert!(text.contains("| **shard** | 3 / 4 | 75.0 |\n| **raft** | 0 / 0 | 0.0 |\n"), "{text}");
        assert_eq!(missed(&files), "\nshard/src/a.rs: 4\n");
    }
}
