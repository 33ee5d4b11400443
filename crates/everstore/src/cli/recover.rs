//! `everstore recover`: the only way out when a majority of the nodes is gone for good.

use std::fmt::Write as _;
use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use cluster::status::diagnose::span;
use env::{Clock, Disk, RealClock, RealDisk};
use model::{GroupId, NodeId};
use node::heard::Announced;
use shell::offline::LostFolder;
use shell::survivors::{Holding, Survivors};
use storage::rows::RowStores;
use storage::rows::lsm::{LsmOptions, LsmStores};

use super::CliError;
use super::table::Table;

/// Flags of `recover`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  everstore recover --force-majority-lost --dir /srv/node-1
  everstore recover --force-majority-lost --dir n1 --dir n4
  everstore recover --force-majority-lost --dir /srv/node-1 --survivors 1,4    the same on node 4's machine
  everstore recover --force-majority-lost --dir /srv/node-1 --dir /mnt/disk2   its further folder is mounted elsewhere

All nodes must be stopped. Writes that only lost nodes had are lost, and the lost nodes are refused for good.")]
pub struct RecoverArgs {
    /// A majority of the nodes is lost for good, and what only they had may be lost with them.
    #[arg(long)]
    force_majority_lost: bool,
    /// Data folder of a survivor, the home folder of several; once for each that is on this machine. Its further
    /// folders are found where they were last; one that is elsewhere by now is named as well, in any order.
    #[arg(long, value_name = "DIR", required = true)]
    dir: Vec<PathBuf>,
    /// Ids of all survivors, if some are on other machines: do the same there, with the same ids.
    #[arg(long, value_name = "ID,...", value_delimiter = ',', value_parser = super::node::node_id)]
    survivors: Vec<u64>,
    /// The cluster's name, for scripts; else it is asked for on the terminal.
    #[arg(long, value_name = "NAME")]
    cluster_name: Option<String>,
}

/// Shows what may be lost, asks, and recovers.
///
/// # Errors
/// Folders that can not be recovered, or nobody who wants it.
pub fn run(args: &RecoverArgs) -> Result<ExitCode, CliError> {
    if !args.force_majority_lost {
        return Err(CliError::Usage(
            "recover gives up nodes and may lose what they acknowledged: say --force-majority-lost if a \
             majority is gone for good, else start its nodes"
                .into(),
        ));
    }
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let named: Vec<NodeId> = args.survivors.iter().map(|id| NodeId(*id)).collect();
    let mut survivors = Survivors::examine(&disk, &args.dir, &named, &open_rows).map_err(CliError::Usage)?;
    print!("{}", page(&survivors, RealClock.wall_ms()));
    confirm(args, &survivors.cluster().to_string())?;
    survivors.recover().map_err(CliError::Usage)?;
    let (members, incarnation) = (listed(&survivors.after().members), survivors.after().incarnation);
    println!("recovered: cluster incarnation {incarnation}, nodes {members}; start them as usual");
    Ok(ExitCode::SUCCESS)
}

/// What there is, what may be lost, and what will be.
fn page(survivors: &Survivors, now_ms: u64) -> String {
    let (before, after) = (survivors.before(), survivors.after());
    let gone: Vec<NodeId> =
        before.members.iter().copied().filter(|node| !after.members.contains(node)).collect();
    let voters = listed(&before.members);
    let mut table = Table::new(&[
        ">SHARD",
        "VOTERS",
        ">BEST",
        ">LAST",
        ">TERM",
        ">COMMITTED",
        ">CHECKPOINT",
        "NEWEST ENTRY",
        ">ANNOUNCED",
    ]);
    for (group, best) in survivors.best() {
        let show = |what: fn(&Holding) -> String| best.as_ref().map_or("-".to_owned(), what);
        let age = best.and_then(|best| best.written_ms).map(|ms| span(now_ms.saturating_sub(ms)) + " ago");
        table.row([
            group.shard().map_or("meta".to_owned(), |shard| shard.to_string()),
            listed(&survivors.voters(group)),
            show(|best| best.node.to_string()),
            show(|best| best.last.1.to_string()),
            show(|best| best.last.0.to_string()),
            show(|best| best.committed.to_string()),
            show(|best| best.stored.to_string()),
            age.unwrap_or_else(|| "-".to_owned()),
            survivors.announced(group).map_or("-".to_owned(), |announced| announced.commit.to_string()),
        ]);
    }
    let head = match survivors.are_moved() {
        true => format!(
            "cluster {}: shards have moved or were split, or a data folder is lost; nodes {} survive, all others are given up. \
             VOTERS are the survivors that have the shard",
            survivors.cluster(),
            listed(&after.members)
        ),
        false => format!(
            "cluster {}: nodes {voters} vote, {} of them are needed; nodes {} survive, nodes {} are given up",
            survivors.cluster(),
            before.members.len() / 2 + 1,
            listed(&after.members),
            listed(&gone)
        ),
    };
    format!(
        "{head}\n\n\
         {}\n\
         {}{}{}\
         What may be lost: every write after the newest entry of its shard that the given up nodes \
         acknowledged.\nEntries after COMMITTED may never have been acknowledged; they become part of the \
         data.\nThe cluster goes on with {} of {} replicas, as incarnation {}. Data folders of given up nodes \
         are refused\nfrom then on, for good: keep them to look for what was lost.\n",
        table.render(),
        lost(survivors.lost()),
        unmade(survivors),
        known(survivors, now_ms),
        after.replicas,
        before.replicas,
        after.incarnation,
    )
}

/// Further data folders that are not here.
pub(super) fn lost(folders: &[LostFolder]) -> String {
    let line = |folder: &LostFolder| {
        let LostFolder { node, number, path, why, groups } = folder;
        let groups: Vec<String> = groups.iter().map(|group| named(*group)).collect();
        format!(
            "node {node}: data folder {number} ({}) is LOST: {why}. What it has of {} counts for nothing here; if the folder is \
             elsewhere by now, name it as well.\n",
            path.display(),
            groups.join(", ")
        )
    };
    folders.iter().map(line).collect()
}

/// New shards of a split that nobody here has.
fn unmade(survivors: &Survivors) -> String {
    let line = |(parent, shard, makers): (model::ShardId, model::ShardId, &[NodeId])| {
        format!(
            "shard {shard} was split off shard {parent}, and nobody here has it: nodes {} make it again of what they have of \
             shard {parent}; what was written to it since is not here.\n",
            listed(makers)
        )
    };
    survivors.unmade().map(line).collect()
}

fn named(group: GroupId) -> String {
    group.shard().map_or("the meta group".to_owned(), |shard| format!("shard {shard}"))
}

/// What is known of entries that are not here: ANNOUNCED is the newest commit that a leader told a learner zone.
fn known(survivors: &Survivors, now_ms: u64) -> String {
    let announced: Vec<(GroupId, Announced)> =
        survivors.best().filter_map(|(group, _)| Some((group, survivors.announced(group)?))).collect();
    let empty = survivors.best().filter(|(_, best)| best.is_none_or(|best| best.last.1 == 0));
    let empty: String = empty
        .map(|(group, _)| format!("{}: NOTHING of it is here, its copy never became whole.\n", named(group)))
        .collect();
    let Some(last_ms) = announced.iter().map(|(_, announced)| announced.wall_ms).max() else {
        return format!(
            "{empty}No node wrote down what the leaders announced (those of learner zones do): nothing is known of \
             newer entries.\n"
        );
    };
    let ago = |ms: u64| span(now_ms.saturating_sub(ms));
    let mut text = String::new();
    for (group, announced) in &announced {
        let name = named(*group);
        match survivors.known_lost(*group) {
            0 => {}
            lost => {
                let _ = writeln!(
                    text,
                    "{name}: up to {lost} entries were committed that are not here, as announced {} ago.",
                    ago(announced.wall_ms)
                );
            }
        }
        if announced.exposed_bytes > 0 {
            let _ = writeln!(
                text,
                "{name}: {} bytes of asynchronous writes were answered and not committed then.",
                announced.exposed_bytes
            );
        }
    }
    if text.is_empty() {
        text.push_str("All that the leaders had announced is here.\n");
    }
    text.insert_str(0, &empty);
    let _ = writeln!(
        text,
        "The last announcement was {} ago: of what came after it nothing is known.",
        ago(last_ms)
    );
    text
}

/// The rows of a node that does not run.
pub(super) fn open_rows(dir: &Path) -> Result<Arc<dyn RowStores>, String> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let stores = LsmStores::open(disk, dir, LsmOptions::default()).map_err(|error| error.to_string())?;
    Ok(Arc::new(stores))
}

/// Whoever recovers says which cluster.
fn confirm(args: &RecoverArgs, name: &str) -> Result<(), CliError> {
    let said = match &args.cluster_name {
        Some(said) => said.clone(),
        None if std::io::stdin().is_terminal() => ask()?,
        None => {
            let text = format!("nothing was changed: say --cluster-name {name} to recover this cluster");
            return Err(CliError::Usage(text));
        }
    };
    if said.trim() == name {
        return Ok(());
    }
    let text = format!("nothing was changed: the cluster's name is {name}, not '{}'", said.trim());
    Err(CliError::Usage(text))
}

fn ask() -> Result<String, CliError> {
    print!("\nType the cluster's name to go on: ");
    std::io::stdout().flush().map_err(CliError::io("cannot ask"))?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(CliError::io("cannot read the answer"))?;
    Ok(line)
}

fn listed(nodes: &[NodeId]) -> String {
    nodes.iter().map(NodeId::to_string).collect::<Vec<_>>().join(", ")
}
