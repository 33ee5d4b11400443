//! `everstore losses salvage`: what only the log of a node has that was given up in a recovery.

use super::CliError;
use super::losses::into_new_file;
use super::table::Table;
use clap::Args;
use env::{Disk, RealDisk};
use node::losses::show::lines_of_entry;
use serde_json::{Value, json};
use shell::salvage::{Salvage, Salvaged};
use std::path::PathBuf;
use std::sync::Arc;

/// Flags of `losses salvage`.
#[derive(Debug, Args)]
pub struct SalvageArgs {
    /// Data folder of the given up node; nothing is changed in it.
    #[arg(long, value_name = "DIR")]
    lost: PathBuf,
    /// Data folder of a node that survived the recovery, which may run; once for each, if several did.
    #[arg(long, value_name = "DIR", required = true)]
    survivor: Vec<PathBuf>,
    /// The file; it must not exist.
    file: PathBuf,
}

impl SalvageArgs {
    /// Writes the file, and says how much each shard has.
    pub fn run(&self) -> Result<(), CliError> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let salvage = Salvage::read(&disk, &self.lost, &self.survivor).map_err(CliError::Usage)?;
        let shards: Vec<&Salvaged> = salvage.groups.iter().filter(|g| g.group.shard().is_some()).collect();
        let counts = into_new_file(&self.file, |take| {
            shards.iter().map(|salvaged| effects(salvaged, take)).collect::<Result<Vec<u64>, _>>()
        })?;
        print!("{}", page(&salvage, &shards, &counts));
        println!("{} lines written to {}", counts.iter().sum::<u64>(), self.file.display());
        Ok(())
    }
}

/// The lines of a shard, as those of an account with the shard beside; their number.
fn effects(salvaged: &Salvaged, take: &mut dyn FnMut(&str) -> Result<(), CliError>) -> Result<u64, CliError> {
    let mut count = 0;
    for entry in &salvaged.entries {
        for line in lines_of_entry(entry.index, entry.term, &entry.data) {
            let mut line: Value = serde_json::from_str(&line).unwrap_or_default();
            line["shard"] = json!(salvaged.group.shard().map(|shard| shard.0));
            take(&line.to_string())?;
            count += 1;
        }
    }
    Ok(count)
}

fn page(salvage: &Salvage, shards: &[&Salvaged], counts: &[u64]) -> String {
    let mut table = Table::new(&[">SHARD", ">ENTRIES", ">EFFECTS", ">IN ROWS ONLY"]);
    for (salvaged, count) in shards.iter().zip(counts).filter(|(s, _)| s.entries.len() as u64 + s.in_rows > 0)
    {
        let shard = salvaged.group.shard().map_or(String::new(), |shard| shard.to_string());
        let entries = salvaged.entries.len().to_string();
        table.row([shard, entries, count.to_string(), salvaged.in_rows.to_string()]);
    }
    let Salvage { node, cluster, .. } = salvage;
    let mut page =
        format!("node {node} of cluster {cluster}, what the survivors did not have:\n\n{}\n", table.render());
    if shards.iter().any(|salvaged| salvaged.in_rows > 0) {
        page +=
            "IN ROWS ONLY: entries that left the log after a checkpoint; what they did is not in the file.\n";
    }
    page
}
