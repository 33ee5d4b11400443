//! Child processes whose output is both shown and kept, and where builds go.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What a child process left.
#[derive(Debug)]
pub struct Outcome {
    /// Whether it ended with exit code 0.
    pub success: bool,
    /// Everything it wrote, standard output before standard error.
    pub output: String,
}

/// Runs the command, passing its output through line by line.
///
/// # Errors
/// The program cannot be started.
pub fn streamed(command: &mut Command) -> Result<Outcome, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("cannot start {name}: {e}"))?;
    let errors = child.stderr.take();
    let errors = std::thread::spawn(move || errors.map(|from| copied(from, std::io::stderr())));
    let mut output = child.stdout.take().map(|from| copied(from, std::io::stdout())).unwrap_or_default();
    output.push_str(&errors.join().ok().flatten().unwrap_or_default());
    let status = child.wait().map_err(|e| format!("cannot wait for {name}: {e}"))?;
    Ok(Outcome { success: status.success(), output })
}

fn copied(from: impl Read, mut to: impl Write) -> String {
    let mut kept = String::new();
    let mut reader = BufReader::new(from);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
        // A closed terminal must not stop the tests.
        let _ = to.write_all(&line).and_then(|()| to.flush());
        kept.push_str(&String::from_utf8_lossy(&line));
        line.clear();
    }
    kept
}

/// The workspace's folder. As cargo says it now: a program built in another clone, with the same folder for
/// build output, may be taken for this one.
pub fn root() -> PathBuf {
    let now = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let manifest = now.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    manifest.parent().map_or(manifest.clone(), PathBuf::from)
}

/// Where builds go: `CARGO_TARGET_DIR`, else a cache folder that outlives the clone.
pub fn target_dir() -> PathBuf {
    if let Some(dir) = std::env::var_os("CARGO_TARGET_DIR") {
        return root().join(dir);
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    match cache.or(home) {
        Some(cache) => cache.join("everstore").join("target"),
        None => root().join("target"),
    }
}

/// `cargo` in the workspace with its target folder.
pub fn cargo(arguments: &[&str]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root()).env("CARGO_TARGET_DIR", target_dir());
    command
}
