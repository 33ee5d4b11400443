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

use crate::offline::{AsOf, LostFolder, Named, Offline, lost_of};
use crate::survivors::OpenRows;
use cluster::{ClusterId, Folder, FolderError};
use env::Disk;
use model::{GroupId, Index, NodeId};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use storage::log::{Entry, GroupLog};
use storage::rows::RowStore;

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
    /// They are in a data folder whose rows can not be read.
    Lost,
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
    /// Further folders of the lost node that are not here: nothing of their replicas was read.
    pub lost: Vec<LostFolder>,
    /// Those of survivors that do not run, as far as rows were to be read.
    pub lost_of_survivors: Vec<LostFolder>,
    /// Locked as long as their rows may be read.
    _nodes: Vec<Offline>,
}

impl Salvage {
    /// Compares the folders of a node that was given up with those of survivors. They may run; then rows are not
    /// compared. Of each node the home folder is named, and further ones that are not where they were last.
    ///
    /// # Errors
    /// In words for a person: folders that do not belong together, or that can not be read.
    pub fn read(
        disk: &Arc<dyn Disk>,
        lost: &[PathBuf],
        survivors: &[PathBuf],
        rows: OpenRows<'_>,
    ) -> Result<Salvage, String> {
        let named = Named::sort(disk, lost)?;
        let [home] = &named.homes[..] else {
            return Err(format!(
                "{} home folders of the lost node were named; allowed: 1",
                named.homes.len()
            ));
        };
        let folder = Folder::open_offline(disk, home).map_err(|error| error.to_string())?;
        if folder.is_witness() {
            return Err(format!("{} is the folder of a witness, which has no data", home.display()));
        }
        let (Some(node), Some(cluster), Some(formation)) =
            (folder.node(), folder.cluster(), folder.formation())
        else {
            return Err(format!("{} belongs to no cluster that was formed", home.display()));
        };
        let others = Named::sort(disk, survivors)?;
        let went_on = went_on::read_all(disk.as_ref(), &others.homes, formation.incarnation + 1)?;
        let first: Vec<GroupId> = formation.groups().collect();
        let mut lost = Offline::read(disk, folder, &named)?;
        named.check_owned(std::slice::from_ref(&lost))?;
        // Splits have made groups beside those of the beginning.
        let groups: BTreeSet<GroupId> = first.into_iter().chain(lost.groups.keys().copied()).collect();
        let of_log = |group: &GroupId| lost.groups.get(group).map(|part| &part.log);
        let mut found: Vec<Salvaged> =
            groups.iter().map(|group| salvaged(*group, of_log(group), went_on.get(group))).collect();
        let mut nodes = Vec::new();
        if found.iter().any(|salvaged| salvaged.in_rows > 0) {
            lost.open_rows(rows)?;
            nodes = stopped(disk, &others, cluster)?;
            nodes.iter_mut().try_for_each(|other| other.open_rows(rows))?;
            for salvaged in found.iter_mut().filter(|salvaged| salvaged.in_rows > 0) {
                salvaged.rows = beside(salvaged.group, &lost, &nodes, went_on.get(&salvaged.group))?;
            }
        }
        let (of_lost, lost_of_survivors) = (lost.lost.clone(), lost_of(nodes.iter()));
        nodes.push(lost);
        Ok(Salvage { node, cluster, groups: found, lost: of_lost, lost_of_survivors, _nodes: nodes })
    }
}

/// The survivors that do not run.
fn stopped(disk: &Arc<dyn Disk>, named: &Named, cluster: ClusterId) -> Result<Vec<Offline>, String> {
    let (mut stopped, mut running) = (Vec::new(), false);
    for dir in &named.homes {
        let folder = match Folder::open_offline(disk, dir) {
            Ok(folder) => folder,
            Err(FolderError::Lock(env::LockError::Held { .. })) => {
                running = true;
                continue;
            }
            Err(error) => return Err(error.to_string()),
        };
        if folder.is_witness() {
            continue;
        }
        if folder.cluster() != Some(cluster) {
            let other = folder.cluster().map_or("no cluster".to_owned(), |other| format!("cluster {other}"));
            return Err(format!("{} is of {other}, not of {cluster}", dir.display()));
        }
        stopped.push(Offline::read(disk, folder, named)?);
    }
    // Whose further folders there are beside is not known of those that run.
    if !running {
        named.check_owned(&stopped)?;
    }
    Ok(stopped)
}

/// The rows of the lost node beside those of the survivor with the newest.
fn beside(
    group: GroupId,
    lost: &Offline,
    survivors: &[Offline],
    went_on: Option<&WentOn>,
) -> Result<Rows, String> {
    if !lost.groups.contains_key(&group) {
        return Ok(Rows::Lost);
    }
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
    let (hash_seed, index) = (lost.home.cluster().map_or(0, ClusterId::hash_seed), lost_applied.index);
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
