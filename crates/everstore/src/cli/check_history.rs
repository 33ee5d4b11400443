//! `everstore check-history`: judges what clients of a real cluster have recorded.

use std::io::BufReader;
use std::path::PathBuf;
use std::process::ExitCode;

use check::{Bounds, history};
use clap::Args;

use super::CliError;

/// Flags of `check-history`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  everstore check-history run.jsonl
  everstore check-history run.jsonl --expiry-slack-ms 2500

The format of a line: docs/formats/history.md. Exit code 1 if a property is broken or a key could not be decided.")]
pub struct CheckHistoryArgs {
    /// The recorded history, one JSON object a line.
    file: PathBuf,
    /// How far the cluster's clocks may be from the recorder's, for keys that expire.
    #[arg(long, value_name = "MS", default_value_t = 1000)]
    expiry_slack_ms: u64,
}

/// Prints a verdict. Exit code 1 if a property is broken.
///
/// # Errors
/// The file can not be read, or a line of it makes no sense.
pub fn run(args: &CheckHistoryArgs) -> Result<ExitCode, CliError> {
    let shown = args.file.display();
    let file = std::fs::File::open(&args.file).map_err(CliError::io(format!("cannot open {shown}")))?;
    let history = history::read_json_lines(BufReader::new(file))
        .map_err(|error| CliError::Usage(format!("{shown}: {error}")))?;
    let bounds =
        Bounds { expiry_slack_ns: args.expiry_slack_ms.saturating_mul(1_000_000), ..Bounds::default() };
    let verdict = check::all(&history, &bounds);
    verdict.violations.iter().for_each(|violation| println!("broken: {violation}"));
    verdict.undecided.iter().for_each(|key| println!("undecided: {}: {}", key.property, key.sentence));
    verdict.notes.iter().for_each(|note| println!("note: {note}"));
    println!(
        "{} operations on {} keys: {} violations, {} undecided",
        verdict.operations,
        verdict.keys,
        verdict.violations.len(),
        verdict.undecided.len()
    );
    Ok(if verdict.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
