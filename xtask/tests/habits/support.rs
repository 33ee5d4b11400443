//! Walking the repository.

use std::path::{Path, PathBuf};

/// Folders that are made, not written.
const SKIPPED: [&str; 8] =
    [".git", "target", "everstore-demo", ".venv", "__pycache__", ".pytest_cache", "node_modules", "corpus"];

/// The workspace's folder.
pub fn root() -> PathBuf {
    // As cargo says it now: the test may have been built in another clone.
    let now = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let manifest = now.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    manifest.parent().expect("xtask is inside the workspace").to_path_buf()
}

/// All files below `dir` that a person wrote, with their path relative to the workspace, in order.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let entries = std::fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    for entry in entries {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            let has_own_target = name.starts_with("target");
            if !SKIPPED.contains(&name.as_str()) && !has_own_target {
                found.extend(files(&path));
            }
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Rust files below `dir`.
pub fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let all = files(dir).into_iter();
    all.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// The path as people write it.
pub fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}
