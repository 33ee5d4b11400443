//! `everstore losses salvage`: what only a node has that was given up in a recovery: in its log, and in its rows.

use super::CliError;
use super::losses::into_new_file;
use super::recover::{lost, open_rows};
use super::table::Table;
use clap::Args;
use env::{Disk, RealDisk};
use node::losses::show::{line_of_key, lines_of_entry};
use serde_json::{Value, json};
use shell::salvage::{Beside, Rows, Salvage, Salvaged};
use std::path::PathBuf;
use std::sync::Arc;

/// Flags of `losses salvage`.
#[derive(Debug, Args)]
pub struct SalvageArgs {
    /// Data folder of the given up node, the home folder of several; nothing it holds is changed. Again for a further
    /// folder that is not where it was last.
    #[arg(long, value_name = "DIR", required = true)]
    lost: Vec<PathBuf>,
    /// Data folder of a node that survived the recovery, once for each, if several did; further folders as for --lost.
    /// It may run: what has left the lost node's log is then only counted.
    #[arg(long, value_name = "DIR", required = true)]
    survivor: Vec<PathBuf>,
    /// The file; it must not exist.
    file: PathBuf,
}

/// Lines in the file of a shard.
#[derive(Default)]
struct Lines {
    effects: u64,
    /// Keys that only the lost node has, or has otherwise.
    keys: u64,
    /// Keys that only the survivor has.
    only_survivor: u64,
}

impl SalvageArgs {
    /// Writes the file, and says how much each shard has.
    pub fn run(&self) -> Result<(), CliError> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let salvage =
            Salvage::read(&disk, &self.lost, &self.survivor, &open_rows).map_err(CliError::Usage)?;
        let shards: Vec<&Salvaged> = salvage.groups.iter().filter(|g| g.group.shard().is_some()).collect();
        let lines = into_new_file(&self.file, |take| {
            shards.iter().map(|salvaged| write(salvaged, take)).collect::<Result<Vec<Lines>, _>>()
        })?;
        print!("{}", page(&salvage, &shards, &lines));
        let count: u64 = lines.iter().map(|lines| lines.effects + lines.keys).sum();
        println!("{count} lines written to {}", self.file.display());
        Ok(())
    }
}

/// The lines of a shard: effects in its log as those of an account with the shard beside, then keys.
fn write(salvaged: &Salvaged, take: &mut dyn FnMut(&str) -> Result<(), CliError>) -> Result<Lines, CliError> {
    let mut lines = Lines::default();
    let shard = json!(salvaged.group.shard().map(|shard| shard.0));
    for entry in &salvaged.entries {
        for line in lines_of_entry(entry.index, entry.term, &entry.data) {
            let mut line: Value = serde_json::from_str(&line).unwrap_or_default();
            line["shard"] = shard.clone();
            take(&line.to_string())?;
            lines.effects += 1;
        }
    }
    if let Rows::Beside(beside) = &salvaged.rows {
        write_keys(beside, &shard, &mut lines, take)?;
    }
    Ok(lines)
}

fn write_keys(
    beside: &Beside,
    shard: &Value,
    lines: &mut Lines,
    take: &mut dyn FnMut(&str) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let mut keys = beside.keys().map_err(CliError::Usage)?;
    for key in keys.by_ref() {
        let key = key.map_err(CliError::Usage)?;
        let mut line = line_of_key(key.ks, &key.key, &key.content);
        line["shard"] = shard.clone();
        line["index"] = json!(beside.index);
        line["survivor"] = json!(if key.differs { "other" } else { "absent" });
        line["certainty"] = json!(if beside.certain { "lost" } else { "suspected" });
        take(&line.to_string())?;
        lines.keys += 1;
    }
    lines.only_survivor = keys.only_survivor();
    Ok(())
}

fn page(salvage: &Salvage, shards: &[&Salvaged], lines: &[Lines]) -> String {
    let mut table = Table::new(&[">SHARD", ">ENTRIES", ">EFFECTS", ">IN ROWS ONLY", ">KEYS", "CERTAINTY"]);
    let mut only_survivor = 0;
    for (salvaged, lines) in shards.iter().zip(lines) {
        if salvaged.entries.len() as u64 + salvaged.in_rows == 0 {
            continue;
        }
        let shard = salvaged.group.shard().map_or(String::new(), |shard| shard.to_string());
        let (keys, certainty) = match &salvaged.rows {
            Rows::Complete => ("0".to_owned(), "lost"),
            Rows::Beside(beside) if beside.certain => (lines.keys.to_string(), "lost"),
            Rows::Beside(_) => (lines.keys.to_string(), "suspected"),
            Rows::Lost | Rows::Running | Rows::Behind => ("?".to_owned(), "?"),
        };
        only_survivor += lines.only_survivor;
        let (entries, in_rows) = (salvaged.entries.len().to_string(), salvaged.in_rows.to_string());
        table.row([shard, entries, lines.effects.to_string(), in_rows, keys, certainty.to_owned()]);
    }
    let Salvage { node, cluster, .. } = salvage;
    let mut page =
        format!("node {node} of cluster {cluster}, what the survivors did not have:\n\n{}\n", table.render());
    page += &lost(&salvage.lost);
    page += &lost(&salvage.lost_of_survivors);
    let any = |what: fn(&Rows) -> bool| shards.iter().any(|salvaged| what(&salvaged.rows));
    for (is_so, text) in [
        (shards.iter().any(|salvaged| salvaged.in_rows > 0), IN_ROWS),
        (any(|rows| matches!(rows, Rows::Lost)), LOST),
        (any(|rows| matches!(rows, Rows::Running)), RUNNING),
        (any(|rows| matches!(rows, Rows::Behind)), BEHIND),
        (any(|rows| matches!(rows, Rows::Beside(beside) if !beside.certain)), SUSPECTED),
    ] {
        page += if is_so { text } else { "" };
    }
    if only_survivor > 0 {
        page += &format!(
            "{only_survivor} keys are on the survivor only: written there, or deleted by what was lost; \
             they are not in the file.\n"
        );
    }
    page
}

const IN_ROWS: &str = "IN ROWS ONLY: entries, at most, that left the log with a checkpoint. KEYS: what the rows have of them.\n";
const LOST: &str = "?: the rows are in a data folder that can not be read.\n";
const RUNNING: &str = "?: a survivor must be stopped in good order (SIGTERM) for its rows to be compared. Then do this again.\n";
const BEHIND: &str = "?: the survivor's checkpoint is older than the recovery. Start it, stop it in good order (SIGTERM), and do this \
again.\n";
const SUSPECTED: &str = "suspected: what differs may also have been changed on the survivor.\n";
