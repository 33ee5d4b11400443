//! What a node had that was given up in a recovery from a lost majority, and that the survivors did not have.
//!
//! Its folder may turn up later. It is refused for good; what its log and its rows have is read here, and none of
//! it is changed. With what the survivors went on is kept in their folders ([`WentOn`]), since their own logs go
//! on. Entries that left the lost node's log with a checkpoint are looked for in its rows: these are compared
//! with those of a survivor that does not run.

mod rows;
#[cfg(test)]
mod tests;
mod went_on;

pub use rows::{LostKey, LostKeys};
pub use went_on::WentOn;

pub(crate) use went_on::write_down;

use crate::recover::tree_of;
use crate::survivors::{OpenRows, log_of, stored};
use cluster::{ClusterId, Folder, FolderError};
use env::Disk;
use model::{GroupId, Index, NodeId};
use shard::checkpoint::Applied;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use storage::log::{Entry, GroupLog};
use storage::rows::{RowStore, RowStores};

/// What only the lost node had of a group.
pub struct Salvaged {
    /// The group.
    pub group: GroupId,
    /// The entries that the survivors did not have, in order.
    pub entries: Vec<Entry>,
    /// At most so many more are not in the log any more: what they did is in the node's rows alone.
    pub in_rows: u64,
    /// Its rows, if some are.
    pub rows: Rows,
}

/// What can be said of the rows of a group.
pub enum Rows {
    /// Nothing is lost that is not in the log.
    Complete,
    /// The survivors run: their rows can not be read.
    Running,
    /// No survivor's checkpoint has all that it went on with; the rest is in its log.
    Behind,
    /// Here they are.
    Beside(Beside),
}

/// A checkpoint of the lost node, and one of a survivor.
pub struct Beside {
    lost: Arc<dyn RowStore>,
    survivor: Arc<dyn RowStore>,
    hash_seed: u64,
    /// Index of the last entry in the lost node's.
    pub index: Index,
    /// The survivor's is what it went on with, and nothing in it is of an entry that the lost node did not have:
    /// each difference is a loss. Otherwise it may also come from what the survivor did since.
    pub certain: bool,
}

impl Beside {
    /// The keys that the lost node has and the survivor has not or not so.
    ///
    /// # Errors
    /// In words for a person: rows that can not be read.
    pub fn keys(&self) -> Result<LostKeys, String> {
        LostKeys::new(Arc::clone(&self.lost), Arc::clone(&self.survivor), self.hash_seed)
    }
}

/// A node that was given up, and what only it had.
pub struct Salvage {
    /// The node.
    pub node: NodeId,
    /// Its cluster.
    pub cluster: ClusterId,
    /// Each group.
    pub groups: Vec<Salvaged>,
    /// Locked as long as their rows may be read.
    _folders: Vec<Folder>,
}

impl Salvage {
    /// Compares the folder of a node that was given up with those of survivors. They may run; then rows are not
    /// compared.
    ///
    /// # Errors
    /// In words for a person: folders that do not belong together, or that can not be read.
    pub fn read(
        disk: &Arc<dyn Disk>,
        lost: &Path,
        survivors: &[PathBuf],
        rows: OpenRows<'_>,
    ) -> Result<Salvage, String> {
        let folder = Folder::open_offline(disk, lost).map_err(|error| error.to_string())?;
        if folder.is_witness() {
            return Err(format!("{} is the folder of a witness, which has no data", lost.display()));
        }
        let (Some(node), Some(cluster), Some(formation)) =
            (folder.node(), folder.cluster(), folder.formation())
        else {
            return Err(format!("{} belongs to no cluster that was formed", lost.display()));
        };
        let went_on = went_on::read_all(disk.as_ref(), survivors, formation.incarnation + 1)?;
        let first = formation.groups();
        let mut lost = Stopped::new(disk, folder)?;
        // Splits have made groups beside those of the beginning.
        let groups: BTreeSet<GroupId> = first.chain(lost.logs.keys().copied()).collect();
        let mut found: Vec<Salvaged> =
            groups.iter().map(|group| salvaged(*group, lost.logs.get(group), went_on.get(group))).collect();
        let mut folders = Vec::new();
        if found.iter().any(|salvaged| salvaged.in_rows > 0) {
            let mut others = stopped(disk, survivors, cluster)?;
            lost.open(rows)?;
            others.iter_mut().try_for_each(|other| other.open(rows))?;
            for salvaged in found.iter_mut().filter(|salvaged| salvaged.in_rows > 0) {
                salvaged.rows = beside(salvaged.group, &lost, &others, went_on.get(&salvaged.group))?;
            }
            folders.extend(others.into_iter().map(|other| other.folder));
        }
        folders.push(lost.folder);
        Ok(Salvage { node, cluster, groups: found, _folders: folders })
    }
}

/// Rows of a group, and which entry they are as of.
type AsOf = (Arc<dyn RowStore>, Applied);

/// The folder of a node that does not run.
struct Stopped {
    folder: Folder,
    logs: BTreeMap<GroupId, GroupLog>,
    stores: Option<Arc<dyn RowStores>>,
}

impl Stopped {
    fn new(disk: &Arc<dyn Disk>, folder: Folder) -> Result<Stopped, String> {
        let logs = log_of(disk, &folder)?;
        Ok(Stopped { folder, logs, stores: None })
    }

    fn open(&mut self, rows: OpenRows<'_>) -> Result<(), String> {
        self.stores = Some(rows(&self.folder.rows_dir())?);
        Ok(())
    }

    /// The rows of a group; `None` if there are none.
    fn rows(&self, group: GroupId) -> Result<Option<AsOf>, String> {
        let (Some(log), Some(stores)) = (self.logs.get(&group), &self.stores) else { return Ok(None) };
        let Some(applied) = stored(stores.as_ref(), group, log)? else { return Ok(None) };
        let store = stores.open(tree_of(group, log)).map_err(|error| error.to_string())?;
        Ok(Some((store, applied)))
    }
}

/// The survivors that do not run.
fn stopped(disk: &Arc<dyn Disk>, dirs: &[PathBuf], cluster: ClusterId) -> Result<Vec<Stopped>, String> {
    let mut stopped = Vec::new();
    for dir in dirs {
        let folder = match Folder::open_offline(disk, dir) {
            Ok(folder) => folder,
            Err(FolderError::Lock(env::LockError::Held { .. })) => continue,
            Err(error) => return Err(error.to_string()),
        };
        if folder.is_witness() {
            continue;
        }
        if folder.cluster() != Some(cluster) {
            let other = folder.cluster().map_or("no cluster".to_owned(), |other| format!("cluster {other}"));
            return Err(format!("{} is of {other}, not of {cluster}", dir.display()));
        }
        stopped.push(Stopped::new(disk, folder)?);
    }
    Ok(stopped)
}

/// The rows of the lost node beside those of the survivor with the newest.
fn beside(
    group: GroupId,
    lost: &Stopped,
    survivors: &[Stopped],
    went_on: Option<&WentOn>,
) -> Result<Rows, String> {
    if survivors.is_empty() {
        return Ok(Rows::Running);
    }
    let Some((lost_rows, lost_applied)) = lost.rows(group)? else {
        return Err(format!(
            "the given up node has no rows of group {group}, though its log begins after some"
        ));
    };
    let mut newest: Option<AsOf> = None;
    for survivor in survivors {
        let rows = survivor.rows(group)?;
        if rows.as_ref().map(|(_, applied)| applied.index) > newest.as_ref().map(|(_, applied)| applied.index)
        {
            newest = rows;
        }
    }
    let last = went_on.map_or((0, 0), |went_on| went_on.last);
    let Some((survivor, applied)) = newest.filter(|(_, applied)| applied.index >= last.1) else {
        return Ok(Rows::Behind);
    };
    let untouched = (applied.term, applied.index) == last;
    let certain = untouched && went_on.is_some_and(|went_on| went_on.is_part_of(lost_applied));
    let (hash_seed, index) = (lost.folder.cluster().map_or(0, ClusterId::hash_seed), lost_applied.index);
    Ok(Rows::Beside(Beside { lost: lost_rows, survivor, hash_seed, index, certain }))
}

fn salvaged(group: GroupId, log: Option<&GroupLog>, went_on: Option<&WentOn>) -> Salvaged {
    let rows = Rows::Complete;
    let Some(log) = log else { return Salvaged { group, entries: Vec::new(), in_rows: 0, rows } };
    let lacks = |entry: &&Entry| !went_on.is_some_and(|went_on| went_on.has(entry.index, entry.term));
    let entries = log.entries.iter().filter(lacks).cloned().collect();
    let in_rows = went_on.map_or(log.floor, |went_on| went_on.lacks_up_to(log.floor, log.floor_term));
    Salvaged { group, entries, in_rows, rows }
}
