//! `everstore status`: asks any node and renders its view of the cluster.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use cluster::status::{Status, diagnose, exit_code};

use super::CliError;
use super::client::Client;
use super::render;
use super::target::TargetArgs;

/// Time between two pictures of `--watch`.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
/// Cursor home and clear: redraws without the flicker of a full reset.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Flags of `status`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  everstore status
  everstore status --node 10.0.0.1:6379,10.0.0.2:6379 --json
  everstore status --watch")]
pub struct StatusArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Redraw every second until Ctrl-C.
    #[arg(long)]
    watch: bool,
}

/// Prints the status; the exit code is the cluster's health.
pub fn run(args: &StatusArgs) -> Result<ExitCode, CliError> {
    if args.watch {
        return watch(args);
    }
    let (text, code) = picture(args)?;
    print!("{text}");
    Ok(code)
}

/// The cluster as the node of `client` sees it.
///
/// # Errors
/// The node does not answer, or not with a status.
pub fn ask(client: &mut Client) -> Result<Status, CliError> {
    let text = client.call_for_text(&["EVERSTORE", "STATUS"])?;
    serde_json::from_str(&text)
        .map_err(|e| CliError::Refused(format!("the node's status cannot be read: {e}")))
}

fn picture(args: &StatusArgs) -> Result<(String, ExitCode), CliError> {
    let mut status = ask(&mut args.target.connect()?)?;
    let problems = diagnose(&status);
    let code = ExitCode::from(exit_code(&problems));
    let text = if args.target.json {
        status.problems = problems;
        let json = serde_json::to_string_pretty(&status);
        json.map_err(|e| CliError::Refused(e.to_string()))? + "\n"
    } else {
        render::page(&status, &problems)
    };
    Ok((text, code))
}

fn watch(args: &StatusArgs) -> Result<ExitCode, CliError> {
    let mut out = std::io::stdout();
    loop {
        // While nobody answers the watch goes on: that is when a person looks at it.
        let text = picture(args).map_or_else(|error| format!("{error}\n"), |(text, _)| text);
        let clear = if out.is_terminal() { CLEAR } else { "" };
        let drawn = write!(out, "{clear}{text}").and_then(|()| out.flush());
        if drawn.is_err() {
            return Ok(ExitCode::SUCCESS);
        }
        std::thread::sleep(WATCH_INTERVAL);
    }
}
