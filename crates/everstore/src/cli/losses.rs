//! `everstore losses`: answered asynchronous writes that a failover lost, on all nodes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Map, Value as Json, json};

use super::CliError;
use super::client::{Client, Value};
use super::salvage::SalvageArgs;
use super::status::ask;
use super::table::Table;
use super::target::TargetArgs;

/// Subcommands of `losses`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  everstore losses list
  everstore losses show 3-17-1042
  everstore losses export 3-17-1042 lost.jsonl
  everstore losses replay 3-17-1042            only keys that were not changed since
  everstore losses replay 3-17-1042 --force    also keys that were
  everstore losses acknowledge 3-17-1042       removes the account
  everstore losses salvage --lost /srv/node-2 --survivor /srv/node-1 lost.jsonl

suspected:  replaced in the log of this node; it is not yet known whether the writes are lost.
lost:       other writes are committed in their place.
undecided:  a snapshot came in their place, and nobody has told whether it holds them.
possible:   the old leader is not back: the bound of what may be missing, not the writes.")]
pub struct LossesArgs {
    #[command(subcommand)]
    command: LossesCommand,
}

#[derive(Debug, Subcommand)]
enum LossesCommand {
    /// Show the loss accounts of all nodes, and what may be lost with leaders that are not back.
    List {
        #[command(flatten)]
        target: TargetArgs,
    },
    /// Show every effect and every key of an account.
    Show {
        #[command(flatten)]
        loss: LossArgs,
    },
    /// Write every effect and every key of an account to a file, one JSON object per line.
    Export {
        #[command(flatten)]
        loss: LossArgs,
        /// The file; it must not exist.
        file: PathBuf,
    },
    /// Give the keys their lost values, where they were not changed since; shows what became of each.
    Replay {
        #[command(flatten)]
        loss: LossArgs,
        /// Also keys that were changed since, and an account that is undecided.
        #[arg(long)]
        force: bool,
    },
    /// After `everstore recover`: write the effects that only the log of a given up node has, from its folder, to a
    /// file, one JSON object per line
    Salvage {
        #[command(flatten)]
        salvage: SalvageArgs,
    },
    /// Remove an account: nobody needs what it holds any more.
    Acknowledge {
        #[command(flatten)]
        loss: LossArgs,
    },
}

/// Which account.
#[derive(Debug, Args)]
struct LossArgs {
    /// Name of the loss, as `list` shows it.
    id: String,
    /// Id of the node that keeps the account, if several keep one of this name.
    #[arg(long, value_name = "NODE")]
    at: Option<u64>,
    #[command(flatten)]
    target: TargetArgs,
}

/// What a node says of an account.
type Loss = BTreeMap<String, Json>;
/// A loss, and the address of a node that has told of it.
type Told = (Loss, String);

/// Runs the subcommand.
pub fn run(args: &LossesArgs) -> Result<ExitCode, CliError> {
    match &args.command {
        LossesCommand::List { target } => list(target)?,
        LossesCommand::Show { loss } => {
            let mut out = std::io::stdout().lock();
            each_line(loss, &mut |line| writeln!(out, "{line}").map_err(CliError::io("standard output")))?;
        }
        LossesCommand::Export { loss, file } => export(loss, file)?,
        LossesCommand::Salvage { salvage } => salvage.run()?,
        LossesCommand::Replay { loss, force } => return replay(loss, *force),
        LossesCommand::Acknowledge { loss } => {
            keeper(loss)?.call(&["LOSSES", "ACKNOWLEDGE", &loss.id])?;
            println!("{}", if loss.target.json { r#"{"acknowledged":true}"# } else { "OK" });
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// All losses with a connection to a node that has each, and the nodes that could not be asked.
fn collect(target: &TargetArgs) -> Result<(Vec<Told>, Vec<String>), CliError> {
    let status = ask(&mut target.connect()?)?;
    let (mut losses, mut absent) = (Vec::new(), Vec::new());
    for node in &status.nodes {
        match Client::connect(&node.redis_address).and_then(|mut client| client.call(&["LOSSES", "LIST"])) {
            Ok(Value::Array(items)) => {
                losses.extend(items.iter().map(|item| (fields(item), node.redis_address.clone())));
            }
            Ok(other) => absent.push(format!("node {} answered {other:?}", node.id)),
            Err(error) => absent.push(format!("node {}: {error}", node.id)),
        }
    }
    Ok((known_once(losses), absent))
}

/// Every replica knows a bound, which is of use only where the old leader has no account. That of a follower holds what
/// it had got of the same writes, and the old leader may have answered more.
fn known_once(losses: Vec<Told>) -> Vec<Told> {
    let place = |loss: &Loss| (id(loss), text(loss, "node"));
    let accounts: Vec<(String, String)> =
        losses.iter().filter(|(loss, _)| !is_bound(loss)).map(|(loss, _)| place(loss)).collect();
    let mut seen = Vec::new();
    let mut kept = losses;
    kept.retain(|(loss, _)| {
        let first = !is_bound(loss) || !accounts.contains(&place(loss)) && !seen.contains(&place(loss));
        seen.push(place(loss));
        first
    });
    kept
}

fn id(loss: &Loss) -> String {
    text(loss, "id")
}

fn is_bound(loss: &Loss) -> bool {
    text(loss, "state") == "possible"
}

fn text(loss: &Loss, name: &str) -> String {
    match loss.get(name) {
        Some(Json::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => "-".to_owned(),
    }
}

/// A map as RESP2 shows it.
fn fields(item: &Value) -> Loss {
    let Value::Array(items) = item else { return Loss::new() };
    let pairs = items.chunks_exact(2).map(|pair| {
        let value =
            if let Value::Integer(number) = pair[1] { json!(number) } else { json!(pair[1].to_string()) };
        (pair[0].to_string(), value)
    });
    pairs.collect()
}

fn list(target: &TargetArgs) -> Result<(), CliError> {
    let (losses, absent) = collect(target)?;
    if target.json {
        let losses: Vec<Json> = losses
            .into_iter()
            .map(|(loss, _)| Json::Object(loss.into_iter().collect::<Map<_, _>>()))
            .collect();
        println!("{}", json!({ "losses": losses, "not_asked": absent }));
        return Ok(());
    }
    for why in &absent {
        println!("not asked: {why}");
    }
    if losses.is_empty() {
        println!("no losses");
        return Ok(());
    }
    print!("{}", render(&losses));
    Ok(())
}

fn render(losses: &[Told]) -> String {
    let headings = [
        ("ID", "id"),
        ("STATE", "state"),
        (">SHARD", "shard"),
        (">NODE", "node"),
        (">TERM", "term"),
        (">ENTRIES", "entries"),
        (">EFFECTS", "effects"),
        (">KEYS", "keys"),
        (">BYTES", "bytes"),
        (">NOT KEPT", "not-kept-effects"),
        (">REPLAYED", "replayed-keys"),
        (">CHANGED", "changed-keys"),
        ("WHEN", "at-ms"),
    ];
    let mut table = Table::new(&headings.map(|(heading, _)| heading));
    for (loss, _) in losses {
        let cell = |(heading, name): (&str, &str)| match heading {
            "WHEN" => loss.get(name).and_then(Json::as_u64).map_or("-".to_owned(), shown_time),
            ">BYTES" if is_bound(loss) => format!("up to {}", text(loss, "bound-bytes")),
            _ => text(loss, name),
        };
        table.row(headings.map(cell));
    }
    table.render()
}

/// UTC, to the second.
fn shown_time(ms: u64) -> String {
    let (days, second) = (ms / 86_400_000, ms / 1000 % 86_400);
    // Days since 1970 to a date; years begin in March, so that the leap day is the last.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, wrapped) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = era * 400 + year_of_era + wrapped;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// A connection to the node that has the account, or the one named.
fn keeper(args: &LossArgs) -> Result<Client, CliError> {
    let (losses, absent) = collect(&args.target)?;
    let named: Vec<&Told> = losses
        .iter()
        .filter(|(loss, _)| id(loss) == args.id)
        .filter(|(loss, _)| args.at.is_none_or(|node| loss.get("node") == Some(&json!(node))))
        .collect();
    match &named[..] {
        [(_, address)] => Client::connect(address),
        [] => {
            let mut why =
                vec![format!("no node that answers has a loss {}; see everstore losses list", args.id)];
            why.extend(absent);
            Err(CliError::Refused(why.join("; ")))
        }
        several => {
            let nodes: Vec<String> = several.iter().map(|(loss, _)| text(loss, "node")).collect();
            let nodes = nodes.join(", ");
            Err(CliError::Usage(format!(
                "nodes {nodes} keep accounts of loss {}: name one with --at",
                args.id
            )))
        }
    }
}

/// All lines of an account, page by page.
fn each_line(args: &LossArgs, take: &mut dyn FnMut(&str) -> Result<(), CliError>) -> Result<u64, CliError> {
    let mut node = keeper(args)?;
    let (mut cursor, mut count) = ("0".to_owned(), 0);
    loop {
        let page = node.call(&["LOSSES", "SHOW", &args.id, &cursor])?;
        let Value::Array(parts) = &page else { return Err(strange(&page)) };
        let [Value::Text(next), Value::Array(lines)] = &parts[..] else { return Err(strange(&page)) };
        for line in lines {
            take(&line.to_string())?;
            count += 1;
        }
        if next == "0" {
            return Ok(count);
        }
        next.clone_into(&mut cursor);
    }
}

fn strange(reply: &Value) -> CliError {
    CliError::Refused(format!("the node answered {reply:?} instead of an account"))
}

fn export(args: &LossArgs, path: &Path) -> Result<(), CliError> {
    let count = into_new_file(path, |take| each_line(args, take))?;
    match args.target.json {
        true => println!("{}", json!({ "lines": count })),
        false => println!("{count} lines written to {}", path.display()),
    }
    Ok(())
}

/// Writes lines to a file that must not exist, durably. If that fails there is none: half an account must not be
/// taken for a whole one.
pub(super) fn into_new_file<T>(
    path: &Path,
    lines: impl FnOnce(&mut dyn FnMut(&str) -> Result<(), CliError>) -> Result<T, CliError>,
) -> Result<T, CliError> {
    let failed = |source| CliError::Io { what: path.display().to_string(), source };
    let file = File::options().write(true).create_new(true).open(path).map_err(failed)?;
    let mut out = BufWriter::new(file);
    let result = lines(&mut |line| writeln!(out, "{line}").map_err(failed));
    let written = result.and_then(|told| {
        out.flush().and_then(|()| out.get_ref().sync_all()).map_err(failed)?;
        Ok(told)
    });
    if written.is_err() {
        let _ = std::fs::remove_file(path);
    }
    written
}

/// Exit code 1 if some key did not get its lost value.
fn replay(args: &LossArgs, force: bool) -> Result<ExitCode, CliError> {
    let mut node = keeper(args)?;
    let mut words = vec!["LOSSES", "REPLAY", &args.id];
    words.extend(force.then_some("FORCE"));
    let reply = node.call_slowly(&words)?;
    let Value::Array(lines) = &reply else { return Err(strange(&reply)) };
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for line in lines {
        let line = line.to_string();
        let read: Json = serde_json::from_str(&line).unwrap_or_default();
        *counts.entry(read["outcome"].as_str().unwrap_or("open").to_owned()).or_default() += 1;
        println!("{line}");
    }
    let count = |outcome: &str| counts.get(outcome).copied().unwrap_or(0);
    if !args.target.json {
        println!(
            "{} written, {} were so already, {} changed since and left alone, {} open",
            count("written"),
            count("already"),
            count("changed"),
            count("open")
        );
    }
    let whole = count("changed") + count("open") == 0;
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(id: &str, state: &str, node: u64) -> Told {
        let fields = [("id", json!(id)), ("state", json!(state)), ("node", json!(node))];
        (fields.map(|(name, value)| (name.to_owned(), value)).into(), String::new())
    }

    #[test]
    fn a_bound_is_shown_once_and_not_beside_its_account() {
        let all = vec![
            loss("0-1-2", "possible", 1),
            loss("0-1-9", "possible", 1),
            loss("0-1-2", "lost", 1),
            loss("0-1-9", "possible", 1),
            loss("0-1-2", "lost", 3),
            loss("0-1-5", "possible", 2),
            loss("0-1-5", "lost", 3),
        ];
        let shown: Vec<(String, String)> =
            known_once(all).iter().map(|(loss, _)| (id(loss), text(loss, "state"))).collect();
        let expected = [
            ("0-1-9", "possible"),
            ("0-1-2", "lost"),
            ("0-1-2", "lost"),
            // The account of a follower does not say what the old leader had answered.
            ("0-1-5", "possible"),
            ("0-1-5", "lost"),
        ];
        assert_eq!(shown, expected.map(|(id, state)| (id.to_owned(), state.to_owned())));
    }

    #[test]
    fn times_are_shown_in_utc() {
        assert_eq!(shown_time(0), "1970-01-01 00:00:00");
        assert_eq!(shown_time(951_782_399_000), "2000-02-28 23:59:59");
        assert_eq!(shown_time(951_782_400_000), "2000-02-29 00:00:00");
        assert_eq!(shown_time(1_700_000_000_000), "2023-11-14 22:13:20");
    }

    #[test]
    fn a_list_has_a_line_per_loss() {
        let mut possible = loss("0-1-9", "possible", 2);
        possible.0.insert("bound-bytes".to_owned(), json!(4096));
        let text = render(&[loss("0-1-2", "lost", 1), possible]);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(
            (lines.len(), &lines[1][..4], &lines[2][..4]),
            (3, &["0-1-2", "lost", "-", "1"][..], &["0-1-9", "possible", "-", "2"][..],)
        );
        assert!(text.contains("up to 4096"), "{text}");
    }
}
