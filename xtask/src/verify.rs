//! `verify`: everything that must hold before a change is taken, and `fix`.

use std::process::ExitCode;

use clap::Args;

use crate::count::Count;
use crate::parity;
use crate::python;
use crate::run::{cargo, streamed, target_dir};

/// Flags of `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Leave out the tests with real Redis clients.
    #[arg(long)]
    no_python: bool,
    /// Only the tests with real Redis clients; what follows goes to pytest, such as `-k failover`.
    #[arg(long, num_args = 0.., allow_hyphen_values = true, value_name = "PYTEST")]
    only_python: Option<Vec<String>>,
}

/// Runs all checks, also after one has failed, and prints the sum as the last line.
///
/// # Errors
/// Cargo itself cannot be started.
pub fn verify(args: &VerifyArgs) -> Result<ExitCode, String> {
    let mut total = Count::default();
    if args.only_python.is_none() {
        total += check("format", &["fmt", "--all", "--check"])?;
        total += check(
            "lints",
            &["clippy", "--locked", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"],
        )?;
        total += rust_tests()?;
        total += simulation()?;
        heading("beside Redis");
        total += parity::verified()?;
    }
    if !args.no_python {
        total += python_tests(args.only_python.as_deref().unwrap_or_default())?;
    }
    println!("{} passed, {} failed", total.passed, total.failed);
    Ok(if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `cargo fmt`, then what clippy can mend by itself.
///
/// # Errors
/// Cargo cannot be started.
pub fn fix() -> Result<ExitCode, String> {
    let lints = ["clippy", "--workspace", "--all-targets", "--fix", "--allow-dirty", "--allow-staged"];
    let mended = streamed(&mut cargo(&lints))?.success;
    let formatted = streamed(&mut cargo(&["fmt", "--all"]))?.success;
    Ok(if mended && formatted { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn heading(what: &str) {
    println!("== {what}");
}

fn check(what: &str, arguments: &[&str]) -> Result<Count, String> {
    heading(what);
    Ok(Count::one(streamed(&mut cargo(arguments))?.success))
}

fn has_nextest() -> bool {
    cargo(&["nextest", "--version"]).output().is_ok_and(|output| output.status.success())
}

/// Seeds of the simulator and its planted bugs, optimized but with debug assertions.
fn simulation() -> Result<Count, String> {
    heading("simulation");
    let what = ["--locked", "--package", "everstore-sim", "--features", "planted"];
    let mut arguments = if has_nextest() {
        vec!["nextest", "run", "--cargo-profile", "sim", "--no-fail-fast", "--status-level", "fail"]
    } else {
        vec!["test", "--profile", "sim", "--no-fail-fast"]
    };
    arguments.extend(what);
    let outcome = streamed(&mut cargo(&arguments))?;
    Ok(Count::of(&outcome.output, outcome.success))
}

fn rust_tests() -> Result<Count, String> {
    let mut count = Count::default();
    let runner: &[&str] = if has_nextest() {
        &["nextest", "run", "--locked", "--workspace", "--no-fail-fast", "--status-level", "fail"]
    } else {
        &["test", "--locked", "--workspace", "--lib", "--bins", "--tests", "--no-fail-fast"]
    };
    for (what, arguments) in
        [("tests", runner), ("documentation tests", &["test", "--locked", "--workspace", "--doc"])]
    {
        heading(what);
        let outcome = streamed(&mut cargo(arguments))?;
        count += Count::of(&outcome.output, outcome.success);
    }
    Ok(count)
}

fn python_tests(chosen: &[String]) -> Result<Count, String> {
    heading("real clients");
    if !streamed(&mut cargo(&["build", "--locked", "--package", "everstore"]))?.success {
        return Ok(Count::one(false));
    }
    let python = match python::environment() {
        Ok(python) => python,
        Err(error) => {
            println!("the Python environment cannot be made: {error}");
            return Ok(Count::one(false));
        }
    };
    let program = target_dir().join("debug").join("everstore");
    let outcome = streamed(&mut python::pytest(&python, &program, chosen))?;
    Ok(Count::of(&outcome.output, outcome.success))
}
