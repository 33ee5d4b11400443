//! The tests with real clients: a virtual environment of their own, then pytest against the built binary.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{root, streamed, target_dir};

/// What all tests need.
const CLIENTS: &str = "tests-python/requirements.txt";
/// What applications need; where one cannot be installed its tests say so and are skipped.
const APPLICATIONS: &str = "tests-python/apps/requirements.txt";

/// The Python of the virtual environment with the pinned requirements installed.
///
/// # Errors
/// There is no Python 3, or the clients cannot be installed.
pub fn environment() -> Result<PathBuf, String> {
    let venv = target_dir().join("tests-python-venv");
    let python = venv.join("bin").join("python");
    if !python.exists() || !installed(&venv, CLIENTS)? {
        must(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
        install(&python, &venv, CLIENTS)?;
    }
    if !installed(&venv, APPLICATIONS)?
        && let Err(reason) = install(&python, &venv, APPLICATIONS)
    {
        println!("tests of applications are skipped: {reason}");
    }
    Ok(python)
}

/// Whether exactly these requirements were installed.
fn installed(venv: &Path, requirements: &str) -> Result<bool, String> {
    let wanted = read(requirements)?;
    Ok(std::fs::read_to_string(stamp(venv, requirements)).is_ok_and(|before| before == wanted))
}

fn install(python: &Path, venv: &Path, requirements: &str) -> Result<(), String> {
    must(pip(python).arg(root().join(requirements)))?;
    let stamp = stamp(venv, requirements);
    std::fs::write(&stamp, read(requirements)?).map_err(|e| format!("{}: {e}", stamp.display()))
}

fn stamp(venv: &Path, requirements: &str) -> PathBuf {
    venv.join(format!("{}.installed", requirements.replace('/', "-")))
}

fn read(requirements: &str) -> Result<String, String> {
    let path = root().join(requirements);
    std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))
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
