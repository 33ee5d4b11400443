//! `cargo xtask coverage`: which lines the simulator alone reaches, as a table for each file.
//!
//! Only the crates of the workspace are instrumented: cargo calls this program in place of the compiler for them
//! (`RUSTC_WORKSPACE_WRAPPER`), and it adds the flag. The libraries below stay as fast as they are.

mod lines;
mod table;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::Args;

use crate::run::{cargo, root, streamed, target_dir};

/// Set while this program stands in for the compiler.
const INSTRUMENT: &str = "XTASK_INSTRUMENT";

/// What to do if the reader of profiles is not there.
const MISSING: &str = "needs the reader of coverage profiles `cov`, which is not there or does not start.
  Install it:  cargo install llvm_profparser --no-default-features --features cli
  or tell where it is:  cargo xtask coverage --cov PATH";

/// Flags of `coverage`.
#[derive(Debug, Args)]
pub struct CoverageArgs {
    /// Seeds from A up to and including B.
    #[arg(long, value_name = "A..B", default_value = "1..30")]
    seeds: String,
    /// Simulated minutes of a seed.
    #[arg(long, value_name = "M", default_value = "0.3")]
    minutes: String,
    /// The program `cov` of llvm_profparser.
    #[arg(long, value_name = "PATH", default_value = "cov")]
    cov: PathBuf,
    /// Also write, for each file, the lines that were never reached.
    #[arg(long)]
    missed: bool,
}

/// Builds with counters, runs the seeds, prints the table.
///
/// # Errors
/// The reader is missing, the build or the reader fails, the seeds leave no profile.
pub fn coverage(args: &CoverageArgs) -> Result<ExitCode, String> {
    check_reader(&args.cov)?;
    let folder = target_dir().join("coverage");
    let program = build(&folder)?;
    let profile = simulate(args, &folder, &program)?;
    let text = read(&args.cov, &program, &profile)?;
    let files = lines::parse(&text, &root())?;
    print!("{}", table::markdown(&files));
    if args.missed {
        print!("{}", table::missed(&files));
    }
    Ok(ExitCode::SUCCESS)
}

/// As compiler: runs the real one with the flag for counters. None if this is an ordinary call.
pub fn as_compiler() -> Option<ExitCode> {
    std::env::var_os(INSTRUMENT)?;
    let mut arguments = std::env::args_os().skip(1);
    let compiler = arguments.next()?;
    let arguments: Vec<_> = arguments.collect();
    // A build script would leave a profile of its own wherever it runs.
    let script = arguments.iter().any(|argument| argument == "build_script_build");
    let mut command = Command::new(compiler);
    command.args(&arguments);
    if !script {
        command.args(["-C", "instrument-coverage"]);
    }
    match command.status() {
        Ok(status) if status.success() => Some(ExitCode::SUCCESS),
        Ok(_) => Some(ExitCode::FAILURE),
        Err(error) => {
            eprintln!("xtask: cannot start the compiler: {error}");
            Some(ExitCode::FAILURE)
        }
    }
}

/// Asked before the build, which takes minutes.
fn check_reader(cov: &Path) -> Result<(), String> {
    let help = Command::new(cov).args(["show", "--help"]).output();
    let fits = help.is_ok_and(|o| String::from_utf8_lossy(&o.stdout).contains("--instr-profile"));
    if fits { Ok(()) } else { Err(format!("coverage {MISSING}")) }
}

/// The program with counters, in a target folder of its own.
fn build(folder: &Path) -> Result<PathBuf, String> {
    let wrapper = std::env::current_exe().map_err(|e| format!("cannot tell where this program is: {e}"))?;
    let mut command = cargo(&["build", "--quiet", "--profile", "quick", "--package", "everstore"]);
    command.env("CARGO_TARGET_DIR", folder).env("RUSTC_WORKSPACE_WRAPPER", wrapper).env(INSTRUMENT, "1");
    // Procedural macros of the workspace, if there are any, must not drop profiles into the sources.
    command.env("LLVM_PROFILE_FILE", folder.join("build-%p.profraw"));
    eprintln!("building with counters in {}", folder.display());
    if !streamed(&mut command)?.success {
        return Err(
            "the build with counters failed; if it misses `profiler_builtins`, this compiler comes without \
                    the runtime of `-C instrument-coverage`: use one of rustup"
                .to_owned(),
        );
    }
    Ok(folder.join("quick").join("everstore"))
}

/// Runs the seeds in one process and one thread: counters are not atomic, and a lost count could make a difference of
/// two counters wrong.
fn simulate(args: &CoverageArgs, folder: &Path, program: &Path) -> Result<PathBuf, String> {
    let profile = folder.join("sim.profraw");
    if profile.exists() {
        std::fs::remove_file(&profile).map_err(|e| format!("cannot remove {}: {e}", profile.display()))?;
    }
    eprintln!("running seeds {} of {} minutes", args.seeds, args.minutes);
    let mut command = Command::new(program);
    command.args(["sim", "--seeds", &args.seeds, "--minutes", &args.minutes, "--jobs", "1"]);
    let status = command
        .env("LLVM_PROFILE_FILE", &profile)
        .current_dir(folder)
        .stdout(std::io::stderr())
        .status()
        .map_err(|e| format!("cannot start {}: {e}", program.display()))?;
    if !profile.exists() {
        return Err(format!("the seeds left no profile ({status})"));
    }
    if !status.success() {
        eprintln!("the simulator ended with {status}; the table tells what it reached until then");
    }
    Ok(profile)
}

/// The sources with a count before each line.
fn read(cov: &Path, program: &Path, profile: &Path) -> Result<String, String> {
    let mut command = Command::new(cov);
    command.arg("show").arg("--instr-profile").arg(profile).arg("--object").arg(program);
    let output = command.output().map_err(|e| format!("cannot start {}: {e}", cov.display()))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("{} can not read what this compiler wrote: {errors}", cov.display()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
