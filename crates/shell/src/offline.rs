//! The data folders of a node that does not run. They are read, and nothing in them is changed: for a recovery from a
//! lost majority, and to find what only a lost node had.
//!
//! Whoever looks names the home folder. The further ones are looked for where they were last; one that is at another
//! path by now is named as well, and says itself whose it is. What is in a further folder that is not here, or
//! can not be read, is not here either.

mod named;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub(crate) use named::Named;

use crate::folders::{is_failure, is_lost, replicas_elsewhere};
use crate::recover::{self, Places, places, tree_within};
use crate::spread::Spread;
use crate::survivors::OpenRows;
use cluster::identity::{Found, Further, FurtherFolder};
use cluster::{ClusterId, Folder, FolderError};
use env::Disk;
use model::{GroupId, NodeId};
use shard::checkpoint::Applied;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use storage::log::{GroupLog, Log, Recovery};
use storage::rows::{RowStore, RowStores};

/// A further data folder with replicas that are not here, all or some of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostFolder {
    /// Its node.
    pub node: NodeId,
    /// Its number there.
    pub number: u32,
    /// Where it was looked for.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
    /// Of these groups it has the node's replica.
    pub groups: Vec<GroupId>,
}

impl fmt::Display for LostFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LostFolder { node, number, path, why, groups } = self;
        let groups: Vec<String> = groups.iter().map(GroupId::to_string).collect();
        let (path, groups) = (path.display(), groups.join(", "));
        write!(f, "node {node} has groups {groups} in its data folder {number} ({path}): {why}")
    }
}

/// A node's replica of a group: the folder that has it, and its part of the log there.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) folder: u32,
    pub(crate) log: GroupLog,
}

/// Rows of a group, and which entry they are as of.
pub(crate) type AsOf = (Arc<dyn RowStore>, Applied);

/// A node that does not run; its folders are locked.
pub(crate) struct Offline {
    pub(crate) home: Folder,
    pub(crate) groups: BTreeMap<GroupId, Part>,
    /// Further folders with replicas that are not here.
    pub(crate) lost: Vec<LostFolder>,
    /// The home log names further folders for replicas of which these have nothing.
    pub(crate) is_incomplete: bool,
    further: Vec<FurtherFolder>,
    stores: Option<Arc<Spread>>,
}

impl Offline {
    /// Reads the logs of a node. Damage of the home log is an error.
    ///
    /// # Errors
    /// In words for a person.
    pub(crate) fn read(disk: &Arc<dyn Disk>, home: Folder, named: &Named) -> Result<Offline, String> {
        let (Some(cluster), Some(node)) = (home.cluster(), home.node()) else {
            return Err(format!("{} belongs to no cluster that was formed", home.dir().display()));
        };
        let log = Log::read(disk.as_ref(), &home.log_dir(), cluster.0.to_be_bytes(), home.is_log_started());
        let log = log.map_err(|error| error.to_string())?;
        check_whole(node, &log)?;
        let elsewhere = replicas_elsewhere(&log);
        let in_use: BTreeSet<u32> = elsewhere.values().copied().collect();
        let mut found = vec![recover::Found { folder: 0, recovery: log }];
        let (mut further, mut absent) = (Vec::new(), BTreeMap::new());
        for known in home.further().iter().filter(|known| in_use.contains(&known.number)) {
            let path = named.path_of(&home, known);
            match open_further(disk, cluster, &Further { path: path.clone(), ..known.clone() })? {
                Ok((folder, recovery)) => {
                    found.push(recover::Found { folder: known.number, recovery });
                    further.push(folder);
                }
                Err(why) => drop(absent.insert(known.number, (path, why))),
            }
        }
        let Places { groups, lost } = places(found).map_err(|error| format!("node {node}: {error}"))?;
        let part = |(group, (folder, log))| (group, Part { folder, log });
        let groups: BTreeMap<GroupId, Part> = groups.into_iter().map(part).collect();
        let is_incomplete = elsewhere.keys().any(|group| !groups.contains_key(group));
        let mut offline = Offline { home, groups, lost: Vec::new(), is_incomplete, further, stores: None };
        for (group, number) in lost {
            let (path, why) = absent.get(&number).cloned().unwrap_or_else(|| offline.damaged(number));
            offline.lose(number, path, why, group);
        }
        Ok(offline)
    }

    /// Opens the rows. A further folder whose rows can not be read is lost: a part of a folder is not trusted.
    ///
    /// # Errors
    /// In words for a person: the rows of the home folder can not be read.
    pub(crate) fn open_rows(&mut self, rows: OpenRows<'_>) -> Result<(), String> {
        let mut stores = vec![(0, rows(&self.home.rows_dir())?)];
        for folder in std::mem::take(&mut self.further) {
            let number = folder.marker().number;
            match rows(&folder.rows_dir()) {
                Ok(opened) => stores.push((number, opened)),
                Err(why) => {
                    let of_it = self.groups.iter().filter(|(_, part)| part.folder == number);
                    let groups: Vec<GroupId> = of_it.map(|(group, _)| *group).collect();
                    for group in groups {
                        self.groups.remove(&group);
                        self.is_incomplete = true;
                        self.lose(number, folder.dir().to_owned(), format!("its rows: {why}"), group);
                    }
                }
            }
            self.further.push(folder);
        }
        self.stores = Some(Arc::new(Spread::new(stores)));
        Ok(())
    }

    pub(crate) fn node(&self) -> NodeId {
        self.home.node().unwrap_or_default()
    }

    /// The rows of a group, and what their checkpoint says of itself; `None` if there are none. After
    /// [`Offline::open_rows`].
    ///
    /// # Errors
    /// In words for a person: they can not be read.
    pub(crate) fn rows(&self, group: GroupId) -> Result<Option<AsOf>, String> {
        let unreadable =
            |why: &dyn fmt::Display| format!("rows of group {group} of node {}: {why}", self.node());
        let Some(store) = self.store(group).map_err(|error| unreadable(&error))? else { return Ok(None) };
        let content = store.get(&Applied::name()).map_err(|error| unreadable(&error))?;
        let Some(content) = content else { return Ok(None) };
        let applied = Applied::decode(&content).map_err(|error| unreadable(&error))?;
        Ok(Some((store, applied)))
    }

    /// The row store of a group, if there is one: opening another one would make it.
    pub(crate) fn store(&self, group: GroupId) -> Result<Option<Arc<dyn RowStore>>, String> {
        let (Some(part), Some(stores)) = (self.groups.get(&group), &self.stores) else { return Ok(None) };
        let tree = tree_within(part.folder, group, &part.log);
        match stores.list().contains(&tree) {
            true => stores.open(tree).map(Some).map_err(|error| error.to_string()),
            false => Ok(None),
        }
    }

    fn damaged(&self, number: u32) -> (PathBuf, String) {
        let folder = self.further.iter().find(|folder| folder.marker().number == number);
        match folder {
            Some(folder) => {
                let why = "synced entries of them can not be read any more".to_owned();
                (folder.dir().to_owned(), why)
            }
            None => (PathBuf::new(), "node.toml knows no such folder".to_owned()),
        }
    }

    fn lose(&mut self, number: u32, path: PathBuf, why: String, group: GroupId) {
        let node = self.node();
        match self.lost.iter_mut().find(|lost| lost.number == number) {
            Some(lost) => lost.groups.push(group),
            None => self.lost.push(LostFolder { node, number, path, why, groups: vec![group] }),
        }
    }
}

/// Refuses a home log with damage.
fn check_whole(node: NodeId, log: &Recovery) -> Result<(), String> {
    let damaged = log.groups.iter().find(|(_, log)| log.damaged).map(|(group, _)| *group);
    let of_file = || log.damage.first()?.groups.first().copied();
    match damaged.or_else(of_file) {
        None => Ok(()),
        Some(group) => Err(format!(
            "the log of node {node} is damaged: synced entries of group {group} can not be read any more"
        )),
    }
}

/// A further folder with what its log says, or why it is not here.
#[allow(clippy::type_complexity)]
fn open_further(
    disk: &Arc<dyn Disk>,
    cluster: ClusterId,
    known: &Further,
) -> Result<Result<(FurtherFolder, Recovery), String>, String> {
    let marker = match FurtherFolder::inspect(disk, &known.path) {
        Ok(Found::Marked(marker)) if marker.id == known.id => marker,
        Ok(Found::Missing) => return Ok(Err("it is missing".to_owned())),
        Ok(Found::Empty | Found::Marked(_)) => {
            return Ok(Err("it is empty, or another one is in its place".to_owned()));
        }
        Err(FolderError::Io { error, .. }) if is_failure(&error) => {
            return Ok(Err(format!("it can not be read: {error}")));
        }
        Err(error) => return Err(error.to_string()),
    };
    let begun = marker.log_started;
    let folder = match FurtherFolder::open(disk, &known.path, marker) {
        Ok(folder) => folder,
        Err(FolderError::Lock(env::LockError::Io { error, path })) if is_failure(&error) => {
            return Ok(Err(format!("{} can not be locked: {error}", path.display())));
        }
        Err(error) => return Err(error.to_string()),
    };
    match Log::read(disk.as_ref(), &folder.log_dir(), cluster.0.to_be_bytes(), begun) {
        Ok(recovery) => Ok(Ok((folder, recovery))),
        Err(error) if is_lost(&error) => Ok(Err(error.to_string())),
        Err(error) => Err(error.to_string()),
    }
}

/// All folders of nodes that are lost.
pub(crate) fn lost_of<'a>(nodes: impl Iterator<Item = &'a Offline>) -> Vec<LostFolder> {
    nodes.flat_map(|node| node.lost.iter().cloned()).collect()
}

/// The groups that are in lost folders.
pub(crate) fn groups_lost(lost: &[LostFolder]) -> BTreeSet<GroupId> {
    lost.iter().flat_map(|lost| lost.groups.iter().copied()).collect()
}
