//! `everstore rm`: keys and their values are removed, of whatever size.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::{KeyArgs, bytes};
use crate::cli::CliError;

/// Flags of `rm`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  everstore rm backups/monday
  everstore rm backups/monday backups/tuesday --keyspace 3

The chunks of a large value are freed some seconds later, so that who reads it may finish.
Exit code 0: all were there and are removed. 1: some were not there.")]
pub struct RmArgs {
    /// The keys.
    #[arg(required = true)]
    key: Vec<OsString>,
    #[command(flatten)]
    at: KeyArgs,
}

/// Removes the keys.
pub(super) fn run(args: &RmArgs) -> Result<ExitCode, CliError> {
    let mut peer = args.at.connect()?;
    let mut removed = 0;
    for key in &args.key {
        removed += peer.ask_number(args.at.keyspace(), &[b"DEL", bytes(key)])?;
    }
    let asked = args.key.len() as u64;
    if args.at.target.json {
        println!("{}", json!({ "removed": removed, "asked": asked }));
    } else {
        println!("{removed} of {asked} removed");
    }
    Ok(if removed == asked { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
