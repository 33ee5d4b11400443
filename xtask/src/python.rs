//! The tests with real clients: a virtual environment of their own, then pytest against the built binary.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{root, streamed, target_dir};

/// The Python of the virtual environment with the pinned requirements installed.
///
/// # Errors
/// There is no Python 3, or the packages cannot be installed.
pub fn environment() -> Result<PathBuf, String> {
    let venv = target_dir().join("tests-python-venv");
    let python = venv.join("bin").join("python");
    let requirements = root().join("tests-python").join("requirements.txt");
    let wanted =
        std::fs::read_to_string(&requirements).map_err(|e| format!("{}: {e}", requirements.display()))?;
    let stamp = venv.join("requirements.installed");
    if python.exists() && std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    must(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
    must(pip(&python).arg(&requirements))?;
    std::fs::write(&stamp, wanted).map_err(|e| format!("{}: {e}", stamp.display()))?;
    Ok(python)
}

fn pip(python: &Path) -> Command {
    let mut command = Command::new(python);
    command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]);
    command
}

fn must(command: &mut Command) -> Result<(), String> {
    let outcome = streamed(command)?;
    if outcome.success { Ok(()) } else { Err(format!("{command:?} failed")) }
}

/// pytest over `tests-python` with the binary at `program`; `chosen` are more arguments for pytest.
pub fn pytest(python: &Path, program: &Path, chosen: &[String]) -> Command {
    let mut command = Command::new(python);
    command
        .args(["-m", "pytest", "-p", "no:cacheprovider", "--durations=5", "tests-python"])
        .args(chosen)
        .env("EVERSTORE_BIN", program)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(root());
    command
}
