//! `everstore status`: asks any node and renders its view of the cluster.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use cluster::status::diagnose::{bytes, span};
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
    let (text, code) = picture(args, None)?;
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

/// What a watch has seen of the moves that are going on.
#[derive(Debug, Default)]
struct Progress {
    /// When they were first seen, and how many shards and bytes there were to go, at most.
    since: Option<(Instant, u64, u64)>,
}

impl Progress {
    /// A line with what is done of the moves; empty when nothing moves.
    fn line(&mut self, status: &Status, now: Instant) -> String {
        let (shards, left_bytes) =
            (status.moves.len() as u64 + u64::from(status.planned_moves), status.bytes_to_move);
        if shards == 0 {
            self.since = None;
            return String::new();
        }
        let (since, all, all_bytes) = *self.since.get_or_insert((now, shards, left_bytes));
        let (all, all_bytes) = (all.max(shards), all_bytes.max(left_bytes));
        self.since = Some((since, all, all_bytes));
        let (done, seconds) = (all - shards, now.duration_since(since).as_secs_f64());
        let mut line = format!("  {} {done} of {all} shards moved", render::bar(done, all));
        if done > 0 && seconds > 0.0 {
            let left = seconds / done as f64 * shards as f64;
            let rate = (all_bytes - left_bytes) as f64 / seconds;
            line += &format!(", {}/s, about {} left", bytes(rate as u64), span((left * 1000.0) as u64));
        }
        line + "\n"
    }
}

fn picture(args: &StatusArgs, progress: Option<&mut Progress>) -> Result<(String, ExitCode), CliError> {
    let mut status = ask(&mut args.target.connect()?)?;
    let problems = diagnose(&status);
    let code = ExitCode::from(exit_code(&problems));
    let text = if args.target.json {
        status.problems = problems;
        let json = serde_json::to_string_pretty(&status);
        json.map_err(|e| CliError::Refused(e.to_string()))? + "\n"
    } else {
        let page = render::page(&status, &problems);
        let line = progress.map_or_else(String::new, |progress| progress.line(&status, Instant::now()));
        page.replacen("\n\n", &format!("\n{line}\n"), 1)
    };
    Ok((text, code))
}

fn watch(args: &StatusArgs) -> Result<ExitCode, CliError> {
    let mut out = std::io::stdout();
    let mut progress = Progress::default();
    loop {
        // While nobody answers the watch goes on: that is when a person looks at it.
        let text =
            picture(args, Some(&mut progress)).map_or_else(|error| format!("{error}\n"), |(text, _)| text);
        let clear = if out.is_terminal() { CLEAR } else { "" };
        let drawn = write!(out, "{clear}{text}").and_then(|()| out.flush());
        if drawn.is_err() {
            return Ok(ExitCode::SUCCESS);
        }
        std::thread::sleep(WATCH_INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cluster::status::MoveStatus;

    #[test]
    fn progress_is_counted_from_the_most_that_there_was_to_do() {
        let (mut progress, began) = (Progress::default(), Instant::now());
        let status = |moving: usize, planned_moves, bytes_to_move| Status {
            moves: vec![MoveStatus::default(); moving],
            planned_moves,
            bytes_to_move,
            ..Status::default()
        };
        assert_eq!(progress.line(&status(0, 0, 0), began), "");
        assert!(progress.line(&status(2, 1, 3 << 20), began).contains("] 0 of 3 shards moved\n"));
        let shown = progress.line(&status(2, 2, 4 << 20), began);
        assert!(shown.contains("] 0 of 4 shards moved\n"), "{shown}");
        let shown = progress.line(&status(2, 1, 3 << 20), began + Duration::from_secs(2));
        assert!(shown.contains("1 of 4 shards moved, 512 KiB/s, about 6 s left"), "{shown}");
        assert_eq!(progress.line(&status(0, 0, 0), began), "", "the next move is another one");
    }
}
