//! Dependencies between our crates point down only, as the table in ARCHITECTURE.md says.

use std::collections::{BTreeMap, BTreeSet};

use super::support::root;

/// First line of the table.
const HEADER: &str = "| crate | may depend on |";

/// Crate -> crates it may depend on.
fn allowed(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let rows = text.lines().skip_while(|line| line.trim() != HEADER).skip(2);
    rows.take_while(|line| line.trim_start().starts_with('|')).filter_map(row).collect()
}

fn row(line: &str) -> Option<(String, BTreeSet<String>)> {
    let mut cells = line.trim().trim_matches('|').split('|').map(str::trim);
    let name = canonical(cells.next()?);
    let names = cells.next()?.split([',', ' ']).map(canonical);
    Some((name, names.filter(|name| !name.is_empty()).collect()))
}

/// Our raft crate is called `consensus` in code, because a library is called raft.
fn canonical(name: &str) -> String {
    let name = name.trim().trim_matches('`').trim_start_matches("everstore-");
    match name {
        "consensus" => "raft".into(),
        "-" | "–" | "—" | "nothing" | "none" => String::new(),
        other => other.into(),
    }
}

/// Crate -> our crates in its `[dependencies]` and `[build-dependencies]`.
fn actual() -> BTreeMap<String, BTreeSet<String>> {
    let folders = std::fs::read_dir(root().join("crates")).expect("crates");
    let names: BTreeSet<String> = folders
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.join("Cargo.toml").exists())
        .map(|path| path.file_name().unwrap_or_default().to_string_lossy().into_owned())
        .collect();
    let depends = |name: &String| {
        let text = std::fs::read_to_string(root().join("crates").join(name).join("Cargo.toml"));
        let manifest: toml::Table = text.expect("readable").parse().expect("TOML");
        let sections = ["dependencies", "build-dependencies"];
        let tables = sections.iter().filter_map(|section| manifest.get(*section)?.as_table());
        let ours = tables.flat_map(|table| table.iter()).filter(|(_, value)| is_workspace(value));
        // `raft` without our path is the library; ours is `consensus`.
        let ours = ours.filter(|(key, _)| *key != "raft").map(|(key, _)| canonical(key));
        ours.filter(|key| names.contains(key)).collect()
    };
    names.iter().map(|name| (name.clone(), depends(name))).collect()
}

fn is_workspace(value: &toml::Value) -> bool {
    value.get("workspace").is_some() || value.get("path").is_some()
}

#[test]
fn dependencies_point_down_only() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let allowed = allowed(&text);
    assert!(!allowed.is_empty(), "ARCHITECTURE.md has no table that starts with {HEADER}");
    let mut wrong = Vec::new();
    for (name, depends) in actual() {
        match allowed.get(&name) {
            None => wrong.push(format!("{name} is not in the table")),
            Some(may) => {
                let extra: Vec<&String> = depends.difference(may).collect();
                if !extra.is_empty() {
                    wrong.push(format!("{name} depends on {extra:?}, which the table does not allow"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_itself_has_no_cycle() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let mut left = allowed(&text);
    while !left.is_empty() {
        let free: Vec<String> = left
            .iter()
            .filter(|(_, may)| may.iter().all(|m| !left.contains_key(m)))
            .map(|(name, _)| name.clone())
            .collect();
        assert!(!free.is_empty(), "a cycle among {:?}", left.keys());
        free.iter().for_each(|name| {
            left.remove(name);
        });
    }
}

#[test]
fn a_table_is_read() {
    let text =
        "x\n| crate | may depend on |\n|---|---|\n| `model` | - |\n| `raft` | `model`, `env` |\n\nend\n";
    let table = allowed(text);
    assert_eq!(table["model"], BTreeSet::new());
    assert_eq!(table["raft"], BTreeSet::from(["model".to_string(), "env".to_string()]));
}
