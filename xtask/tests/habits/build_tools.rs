//! A fresh machine has a Rust toolchain and a linker, but neither protoc nor cmake: the build needs neither.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::support::root;

/// Everything the build may call.
const TOOLS: [&str; 16] = [
    "cargo", "rustc", "rustup", "cc", "gcc", "g++", "c++", "clang", "ld", "ld.lld", "lld", "as", "ar",
    "ranlib", "sh", "env",
];

fn find(tool: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(tool)).find(|candidate| candidate.is_file())
}

/// Kept between runs, so that only the first one is a full build.
fn target_dir() -> PathBuf {
    let base = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    base.join("without-tools")
}

fn path_with_tools(dir: &Path) {
    for tool in TOOLS {
        if let Some(found) = find(tool) {
            std::os::unix::fs::symlink(found, dir.join(tool)).expect("a link");
        }
    }
}

#[test]
fn the_program_builds_without_protoc_and_cmake() {
    let dir = tempfile::tempdir().expect("temp");
    path_with_tools(dir.path());
    assert!(!dir.path().join("protoc").exists() && !dir.path().join("cmake").exists());
    let output = Command::new(dir.path().join("cargo"))
        .args(["check", "--locked", "--quiet", "--package", "everstore"])
        .current_dir(root())
        .env("PATH", dir.path())
        .env("CARGO_TARGET_DIR", target_dir())
        .env_remove("PROTOC")
        .env_remove("CMAKE")
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
