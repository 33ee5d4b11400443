//! `cargo xtask fuzz`: runs the fuzz targets for a bounded time with what the machine has.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::Args;

use crate::run::{cargo, root, streamed, target_dir};

/// Flags of `fuzz`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo xtask fuzz                              every target for a minute
  cargo xtask fuzz peer_frame --seconds 3600
  cargo xtask fuzz --seeds                      write the seeds of the corpora again")]
pub struct FuzzArgs {
    /// Targets [default: all].
    targets: Vec<String>,
    /// Seconds of each target.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Write the seeds of all corpora with the product's encoders, and run nothing.
    #[arg(long, conflicts_with = "targets")]
    seeds: bool,
}

/// Runs the targets one after the other and prints a line of figures for each.
///
/// # Errors
/// Something is missing on this machine, or a target does not exist.
pub fn fuzz(args: &FuzzArgs) -> Result<ExitCode, String> {
    lock_file()?;
    if args.seeds {
        let mut example = cargo(&["run", "--example", "seeds", "--manifest-path", "fuzz/Cargo.toml"]);
        let done = streamed(&mut example)?.success;
        return Ok(if done { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    needs()?;
    let known = targets()?;
    if let Some(unknown) = args.targets.iter().find(|target| !known.contains(target)) {
        return Err(format!("no fuzz target {unknown}; there are {}", known.join(", ")));
    }
    let chosen = if args.targets.is_empty() { &known } else { &args.targets };
    let (mut lines, mut fine) = (Vec::new(), true);
    for target in chosen {
        println!("== {target}");
        let outcome = streamed(&mut run(target, args.seconds)?)?;
        fine &= outcome.success;
        lines.push(format!("{target:16} {}", figures(&outcome.output, outcome.success)));
    }
    println!("{}", lines.join("\n"));
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is missing, if anything, and how to get it.
fn needs() -> Result<(), String> {
    let works = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    if !works(&mut cargo(&["fuzz", "--version"])) {
        return Err(
            "cargo-fuzz is missing: cargo install cargo-fuzz (the corpora run as plain tests without it)"
                .into(),
        );
    }
    let compiler = std::env::var_os("CXX").unwrap_or_else(|| "c++".into());
    if !works(Command::new(&compiler).arg("--version")) {
        let name = compiler.to_string_lossy().into_owned();
        return Err(format!("a C++ compiler is missing ({name}): libFuzzer is compiled with one; set CXX"));
    }
    Ok(())
}

/// Where the targets are built: their flags differ from those of the product.
fn builds() -> PathBuf {
    target_dir().join("fuzz")
}

/// The targets use the versions of libraries that the product uses.
fn lock_file() -> Result<(), String> {
    let lock = root().join("fuzz").join("Cargo.lock");
    if lock.exists() {
        return Ok(());
    }
    let copied = std::fs::copy(root().join("Cargo.lock"), &lock);
    copied.map(drop).map_err(|error| format!("{}: {error}", lock.display()))
}

fn targets() -> Result<Vec<String>, String> {
    let folder = root().join("fuzz").join("fuzz_targets");
    let files = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let stem = |path: PathBuf| Some(path.file_stem()?.to_str()?.to_owned());
    let mut names: Vec<String> = files.filter_map(|file| stem(file.ok()?.path())).collect();
    names.sort();
    Ok(names)
}

/// libFuzzer on one target. What it finds interesting goes to the build folder, so that the corpus in
/// the repository grows only by hand. Without a sanitizer: `unsafe` code is in `env` only, and the
/// compiler need not be a nightly one.
fn run(target: &str, seconds: u32) -> Result<Command, String> {
    let found = builds().join("corpus").join(target);
    std::fs::create_dir_all(&found).map_err(|error| format!("{}: {error}", found.display()))?;
    let mut command = cargo(&["fuzz", "run", "--sanitizer", "none", target]);
    command.arg(&found).arg(Path::new("fuzz").join("corpus").join(target));
    command.args(["--", "-max_len=4096", "-timeout=10", "-print_final_stats=1"]);
    command.arg(format!("-max_total_time={seconds}"));
    // cargo-fuzz passes flags that a stable compiler takes only so.
    command.env("CARGO_TARGET_DIR", builds()).env("RUSTC_BOOTSTRAP", "1");
    Ok(command)
}

/// Executions, executions per second and coverage of a run of libFuzzer.
fn figures(output: &str, success: bool) -> String {
    let word_after = |line: &str, mark: &str| {
        let rest = line.split_once(mark)?.1;
        rest.split_whitespace().next().map(str::to_owned)
    };
    let last = |mark: &str| output.lines().rev().find_map(|line| word_after(line, mark));
    let shown = |mark: &str| last(mark).unwrap_or_else(|| "?".to_owned());
    let found = if success { "no findings" } else { "FAILED, see above" };
    format!(
        "{} executions, {}/s, cov {}, ft {}: {found}",
        shown("stat::number_of_executed_units:"),
        shown("stat::average_exec_per_sec:"),
        shown(" cov: "),
        shown(" ft: "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_the_last_lines() {
        let output = "#9\tNEW    cov: 10 ft: 11 corp: 2/3b\n#70\tDONE   cov: 12 ft: 13 corp: 4/5b lim: 4096\n\
                      stat::number_of_executed_units: 70\nstat::average_exec_per_sec:     35\n";
        assert_eq!(figures(output, true), "70 executions, 35/s, cov 12, ft 13: no findings");
        assert_eq!(figures("", false), "? executions, ?/s, cov ?, ft ?: FAILED, see above");
    }

    #[test]
    fn every_target_has_a_property_a_corpus_and_a_plain_test() {
        let fuzz = root().join("fuzz");
        let names = targets().expect("the folder of targets");
        assert!(names.len() >= 8, "{names:?}");
        for name in names {
            assert!(fuzz.join("properties").join(format!("{name}.rs")).exists(), "property of {name}");
            assert!(fuzz.join("corpus").join(&name).exists(), "corpus of {name}");
            let call = format!("corpus::each(\"{name}\"");
            let tests = ["cluster", "everstore", "node", "resp", "shard", "storage"].map(|c| {
                let folder = root().join("crates").join(c).join("tests");
                let files = std::fs::read_dir(folder).expect("the tests of a crate");
                let paths = files.filter_map(|file| Some(file.ok()?.path()));
                let texts = paths.filter_map(|path| std::fs::read_to_string(path).ok());
                texts.filter(|text| text.contains(&call)).count()
            });
            assert_eq!(tests.iter().sum::<usize>(), 1, "plain tests of {name}");
        }
    }
}
