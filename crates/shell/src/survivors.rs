//! Going on after a majority of a cluster's nodes was lost for good: offline, explicit, and never without a
//! person (safety rule 24).
//!
//! What the survivors have becomes the data: they alone vote from now on, in a new incarnation of the
//! cluster. Nothing of the logs is changed; which group a frame belongs to is its number and the
//! incarnation, on which both ends of a connection have agreed before (`cluster/handshake`).

use crate::heard;
use crate::holders::Holders;
use crate::recover::{tenure_of, tree_of};
use crate::salvage::{WentOn, write_down};
use crate::split::{self, Found, Told};
use cluster::identity::MAX_REPLICAS;
use cluster::{ClusterId, Folder, Formation, Tenure};
use env::Disk;
use model::entry::EntryReader;
use model::{GroupId, Index, NodeId, ShardId, Term};
use node::heard::Announced;
use shard::checkpoint::Applied;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use storage::log::{GroupLog, Log};
use storage::rows::RowStores;

/// What a survivor has of a group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Holding {
    /// The survivor.
    pub node: NodeId,
    /// Term and index of its last entry.
    pub last: (Term, Index),
    /// It knows that entries up to here are committed.
    pub committed: Index,
    /// Up to here its checkpoint holds what entries did.
    pub stored: Index,
    /// Shard time of its newest entry, ms since 1970; `None` if there is none.
    pub written_ms: Option<u64>,
}

/// What a survivor has of a group, and what that tells.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) holding: Holding,
    pub(crate) went_on: WentOn,
    pub(crate) told: Told,
}

/// Opens the row stores below a folder.
pub type OpenRows<'a> = &'a dyn Fn(&Path) -> Result<Arc<dyn RowStores>, String>;

/// The folders of the survivors, locked.
pub struct Survivors {
    folders: Vec<(PathBuf, Folder)>,
    disk: Arc<dyn Disk>,
    holdings: Vec<BTreeMap<GroupId, Held>>,
    /// The newest that leaders announced to nodes that only followed, as far as these wrote it down.
    announced: BTreeMap<GroupId, Announced>,
    /// Shards had moved: not every survivor has all of them.
    moved: bool,
    /// What they tell of splits, if there was one.
    splits: Option<Found>,
    cluster: ClusterId,
    before: Formation,
    after: Formation,
}

impl Survivors {
    /// Looks at the folders. `elsewhere`: survivors whose folders are on other machines, where the same
    /// recovery is done.
    ///
    /// # Errors
    /// In words for a person: what is wrong with the folders, or that no majority is lost.
    pub fn examine(
        disk: &Arc<dyn Disk>,
        dirs: &[PathBuf],
        elsewhere: &[NodeId],
        rows: OpenRows<'_>,
    ) -> Result<Survivors, String> {
        let mut folders: Vec<(PathBuf, Folder)> = Vec::new();
        for dir in dirs {
            let folder = Folder::open_offline(disk, dir).map_err(|error| error.to_string())?;
            if folder.is_witness() {
                return Err(format!(
                    "{} is the folder of a witness, which has no data: name those of nodes that keep data",
                    dir.display()
                ));
            }
            folders.push((dir.clone(), folder));
        }
        let (cluster, before) = common(&folders)?;
        let mut nodes: Vec<NodeId> = folders.iter().filter_map(|(_, folder)| folder.node()).collect();
        let here = nodes.clone();
        nodes.extend(elsewhere);
        let mut moved = false;
        let mut look = |folder: &(PathBuf, Folder)| holdings(disk, folder, &before, rows, &mut moved);
        let holdings = folders.iter().map(&mut look).collect::<Result<Vec<_>, _>>()?;
        // A split moves nothing, but makes shards that only those have who made them.
        moved |= holdings.iter().flat_map(BTreeMap::values).any(|held| held.told.is_of_split());
        let splits = match moved {
            true => {
                check_named(&here, elsewhere)?;
                split::find(&before, &holdings)?
            }
            false => None,
        };
        let after = match moved {
            true => after_moves(&before, &nodes, &holdings)?,
            false => before.of_survivors(&nodes).ok_or_else(|| why_not(&before, &nodes))?,
        };
        for (dir, folder) in &folders {
            let formation = folder.formation();
            // One that is done already comes from a recovery that was cut off.
            if formation != Some(&before) && formation != Some(&after) {
                let known = formation.map_or("none".to_owned(), Formation::to_string);
                return Err(format!(
                    "{} knows another formation of the cluster: {known} instead of {before}",
                    dir.display()
                ));
            }
        }
        let mut announced: BTreeMap<GroupId, Announced> = BTreeMap::new();
        for (dir, _) in &folders {
            for (group, newest) in heard::read(disk.as_ref(), dir, before.incarnation).groups {
                let known = announced.entry(group).or_default();
                *known = newest.max(*known);
            }
        }
        let disk = Arc::clone(disk);
        Ok(Survivors { folders, disk, holdings, announced, moved, splits, cluster, before, after })
    }

    /// The newest that a leader announced of a group; `None` if no survivor wrote that down, which those of learner
    /// zones do.
    pub fn announced(&self, group: GroupId) -> Option<Announced> {
        self.announced.get(&group).copied()
    }

    /// Entries that are known to have been committed and that no survivor here has, at most.
    pub fn known_lost(&self, group: GroupId) -> u64 {
        let best = self.best_of(group).map(|held| held.holding);
        self.announced(group).map_or(0, |announced| lost(announced, best))
    }

    /// The cluster.
    pub fn cluster(&self) -> ClusterId {
        self.cluster
    }

    /// The formation that has lost its majority.
    pub fn before(&self) -> &Formation {
        &self.before
    }

    /// The formation after the recovery.
    pub fn after(&self) -> &Formation {
        &self.after
    }

    /// For each group the best that a survivor here has: the newest last entry.
    pub fn best(&self) -> impl Iterator<Item = (GroupId, Option<Holding>)> {
        self.groups().into_iter().map(|group| (group, self.best_of(group).map(|held| held.holding)))
    }

    /// Shards that splits have made and no survivor has: these nodes make them again, of the shard named first.
    pub fn unmade(&self) -> impl Iterator<Item = (ShardId, ShardId, &[NodeId])> {
        let splits = self.splits.as_ref().map(|found| &found.splits);
        let first = u32::from(self.before.shards);
        splits.into_iter().flat_map(move |splits| {
            let half = (first << splits.divisions.generations.len() >> 1) as u16;
            splits.unmade.iter().map(move |(shard, makers)| (ShardId(shard.0 - half), *shard, &makers[..]))
        })
    }

    /// All groups that the cluster began with, and those that a survivor has beside them.
    fn groups(&self) -> BTreeSet<GroupId> {
        self.before.groups().chain(self.holdings.iter().flat_map(|held| held.keys().copied())).collect()
    }

    /// Whether shards had moved to other nodes than the first ones, or were split.
    pub fn are_moved(&self) -> bool {
        self.moved
    }

    /// Who votes in a group: its first members, or where shards had moved the survivors with a replica, who will.
    pub fn voters(&self, group: GroupId) -> Vec<NodeId> {
        match self.moved {
            true => {
                self.holdings.iter().filter_map(|of_node| Some(of_node.get(&group)?.holding.node)).collect()
            }
            false => self.before.members.clone(),
        }
    }

    fn best_of(&self, group: GroupId) -> Option<&Held> {
        let all = self.holdings.iter().filter_map(|of_node| of_node.get(&group));
        all.max_by_key(|held| held.holding.last)
    }

    /// Makes the survivors' folders those of the next incarnation of the cluster, and writes into them what there
    /// was, for [`crate::salvage`]. If that is cut off, it can be done again.
    ///
    /// # Errors
    /// In words for a person: a folder could not be written.
    pub fn recover(&mut self) -> Result<(), String> {
        let groups = self.groups();
        let best = |group: &GroupId| Some((*group, self.best_of(*group)?.went_on.clone()));
        let went_on = groups.iter().filter_map(best).collect();
        let voters: BTreeMap<GroupId, Vec<NodeId>> = groups.iter().map(|g| (*g, self.voters(*g))).collect();
        for ((dir, folder), held) in self.folders.iter_mut().zip(&self.holdings) {
            if self.moved {
                let mut holders = Holders::default();
                holders.void = void(self.disk.as_ref(), dir, folder)?;
                for (group, nodes) in &voters {
                    let last = held.get(group).map_or(0, |held| held.holding.last.1);
                    holders.add(*group, last, nodes.clone());
                    holders.add_void(*group, last, self.splits.as_ref());
                }
                holders.splits = self.splits.as_ref().map(|found| found.splits.clone());
                let written = holders.write(self.disk.as_ref(), dir, self.after.incarnation);
                written.map_err(|error| format!("{}: {error}", dir.display()))?;
            }
            write_down(self.disk.as_ref(), dir, self.after.incarnation, &went_on)?;
            folder.recover(&self.after).map_err(|error| format!("{}: {error}", dir.display()))?;
        }
        Ok(())
    }
}

/// How many entries up to a commit that was announced are not in the best log, at most.
fn lost(announced: Announced, best: Option<Holding>) -> u64 {
    let has = match best {
        None => 0,
        // Its tail is of a leader that another one has followed: what is not known committed may be replaced.
        Some(best) if best.last.0 < announced.term => best.committed,
        Some(best) => best.last.1,
    };
    announced.commit.saturating_sub(has)
}

/// Cluster and formation of all folders; of formations that differ the one of the earliest incarnation.
fn common(folders: &[(PathBuf, Folder)]) -> Result<(ClusterId, Formation), String> {
    let mut found: Option<(ClusterId, Formation)> = None;
    for (dir, folder) in folders {
        let (Some(cluster), Some(formation)) = (folder.cluster(), folder.formation()) else {
            return Err(format!("{} belongs to no cluster that was formed", dir.display()));
        };
        found = match found {
            Some((other, _)) if other != cluster => {
                return Err(format!("{} is of cluster {cluster}, not of {other}", dir.display()));
            }
            Some((_, known)) if known.incarnation <= formation.incarnation => Some((cluster, known)),
            _ => Some((cluster, formation.clone())),
        };
    }
    found.ok_or_else(|| "no data folder was named".to_owned())
}

/// Refuses survivors whose folders are not here, where it is not known without them who has what.
fn check_named(here: &[NodeId], elsewhere: &[NodeId]) -> Result<(), String> {
    match elsewhere.iter().find(|node| !here.contains(node)) {
        None => Ok(()),
        Some(_) => Err(
            "shards of this cluster have moved or were split: name the data folders of all survivors in one \
                        call, copied here if need be, because no node knows what the others have"
                .to_owned(),
        ),
    }
}

/// The formation with which survivors go on where shards had moved: all of them, whoever the first members were.
fn after_moves(
    before: &Formation,
    nodes: &[NodeId],
    holdings: &[BTreeMap<GroupId, Held>],
) -> Result<Formation, String> {
    let mut members = nodes.to_vec();
    members.sort_unstable();
    members.dedup();
    if members.is_empty() || members.len() > MAX_REPLICAS as usize {
        return Err(format!("{} survivors; allowed: 1 to {MAX_REPLICAS}", members.len()));
    }
    if let Some(group) = before.groups().find(|group| !holdings.iter().any(|held| held.contains_key(group))) {
        return Err(format!("no survivor has group {group}: name also the folder of a node that had it"));
    }
    let held: BTreeSet<GroupId> = holdings.iter().flat_map(|held| held.keys().copied()).collect();
    let outvoted = held.into_iter().find_map(|group| outvoted(group, holdings));
    if let Some(why) = outvoted {
        return Err(why);
    }
    Ok(before.followed_by(members))
}

/// Survivors that lack committed entries of a group and are enough to elect one of them: these entries, which another
/// one has, would be lost. Copies of learner zones may be so far behind.
fn outvoted(group: GroupId, holdings: &[BTreeMap<GroupId, Held>]) -> Option<String> {
    let held: Vec<Holding> = holdings.iter().filter_map(|held| Some(held.get(&group)?.holding)).collect();
    let best = held.iter().max_by_key(|holding| holding.committed)?;
    let behind: Vec<String> =
        held.iter().filter(|of| of.last.1 < best.committed).map(|of| of.node.to_string()).collect();
    (behind.len() > held.len() / 2).then(|| {
        format!(
            "nodes {} lack committed entries of group {group} that node {} has, and would outvote it: name fewer of them \
             (the others join again with empty folders)",
            behind.join(", "),
            best.node
        )
    })
}

fn why_not(before: &Formation, survivors: &[NodeId]) -> String {
    match survivors.iter().find(|node| !before.members.contains(node)) {
        Some(node) => format!("node {node} has no replicas: it can not be a survivor ({before})"),
        None if survivors.iter().any(|node| before.witness == Some(*node)) => {
            format!("a witness has no data: it can not be a survivor ({before})")
        }
        None => format!(
            "{} of {} nodes that vote are here, which is a majority: nothing is lost, start them",
            survivors.len(),
            before.members.len()
        ),
    }
}

/// What a node has of each group.
fn holdings(
    disk: &Arc<dyn Disk>,
    (dir, folder): &(PathBuf, Folder),
    formation: &Formation,
    rows: OpenRows<'_>,
    moved: &mut bool,
) -> Result<BTreeMap<GroupId, Held>, String> {
    let Some(node) = folder.node() else { return Ok(BTreeMap::new()) };
    let logs = log_of(disk, folder)?;
    let stores = rows(&folder.rows_dir())?;
    let void = void(disk.as_ref(), dir, folder)?;
    let first = u32::from(formation.shards);
    let mut holdings = BTreeMap::new();
    for (&group, log) in &logs {
        // Groups that a split has made are known by what the log says of them alone.
        let tenure = tenure_of(log).map_err(|error| format!("group {group} of node {node}: {error}"))?;
        let is_first = group.0 <= first;
        if is_first {
            *moved |= was_moved(log, formation.voters(group));
        }
        match tenure {
            Some(Tenure::Left { .. }) => continue,
            None if !is_first => continue,
            _ => {}
        }
        let holding = holding(node, log, stored(stores.as_ref(), group, log)?);
        // An empty replica that was still to be filled: another survivor may be able to make the shard.
        if !is_first && holding.last.1 == 0 {
            continue;
        }
        let void = void.get(&group).map_or(&[][..], |void| void);
        let told = Told::new(group, log, stores.as_ref(), holding.stored, formation.shards, void)?;
        let went_on = WentOn::with(holding.last, holding.committed, log);
        holdings.insert(group, Held { holding, went_on, told });
    }
    Ok(holdings)
}

/// Entries of splits that earlier recoveries made void, as the folder says.
fn void(
    disk: &dyn Disk,
    dir: &Path,
    folder: &Folder,
) -> Result<BTreeMap<GroupId, Vec<(u64, Index)>>, String> {
    let incarnation = folder.formation().map_or(0, |formation| formation.incarnation);
    Ok(Holders::read(disk, dir, incarnation)?.unwrap_or_default().void)
}

/// Whether the members of a group were ever changed, as far as a log tells: each checkpoint after that says so.
fn was_moved(log: &GroupLog, mut first: Vec<NodeId>) -> bool {
    first.sort_unstable();
    let says = match tenure_of(log) {
        Ok(Some(Tenure::Holds { generation, members, .. })) => {
            let same = members.voters == first && members.outgoing.is_empty() && members.learners.is_empty();
            generation > 0 || !same
        }
        Ok(Some(Tenure::Left { .. } | Tenure::Elsewhere { .. })) | Err(_) => true,
        Ok(None) => false,
    };
    says || log.entries.iter().any(|entry| entry.kind != 0)
}

/// The log of a node that does not run; nothing is changed. One that is damaged is an error.
pub(crate) fn log_of(disk: &Arc<dyn Disk>, folder: &Folder) -> Result<BTreeMap<GroupId, GroupLog>, String> {
    let (Some(cluster), Some(node)) = (folder.cluster(), folder.node()) else { return Ok(BTreeMap::new()) };
    let recovery = Log::read(disk.as_ref(), &folder.log_dir(), cluster.0.to_be_bytes())
        .map_err(|error| error.to_string())?;
    let elsewhere = |log: &GroupLog| matches!(tenure_of(log), Ok(Some(Tenure::Elsewhere { .. })));
    if let Some((group, _)) = recovery.groups.iter().find(|(_, log)| elsewhere(log)) {
        return Err(format!(
            "node {node} has its replica of group {group} in a further data folder: this version reads only nodes with \
             one data folder offline; bring back enough nodes for a majority, or a backup"
        ));
    }
    let damaged = recovery.groups.iter().find(|(_, log)| log.damaged).map(|(group, _)| *group);
    match damaged.or_else(|| recovery.damage.first()?.groups.first().copied()) {
        None => Ok(recovery.groups),
        Some(group) => Err(format!(
            "the log of node {node} is damaged: synced entries of group {group} can not be read any more"
        )),
    }
}

/// What the checkpoint of a group says of itself, if there is one.
pub(crate) fn stored(
    stores: &dyn RowStores,
    group: GroupId,
    log: &GroupLog,
) -> Result<Option<Applied>, String> {
    let tree = tree_of(group, log);
    if !stores.list().contains(&tree) {
        return Ok(None);
    }
    let unreadable = |why: &dyn std::fmt::Display| format!("rows of group {group}: {why}");
    let store = stores.open(tree).map_err(|error| unreadable(&error))?;
    let content = store.get(&Applied::name()).map_err(|error| unreadable(&error))?;
    content.map(|content| Applied::decode(&content)).transpose().map_err(|error| unreadable(&error))
}

fn holding(node: NodeId, log: &GroupLog, stored: Option<Applied>) -> Holding {
    let hard = log.hard.unwrap_or_default();
    let last = log.last_index();
    let of_stored = stored.filter(|stored| stored.index == last).map(|stored| stored.term);
    let of_log = log.entries.last().map(|entry| entry.term);
    let time = |payload: &[u8]| EntryReader::new(payload).ok().map(|entry| entry.shard_time);
    let newest = log.entries.iter().rev().find_map(|entry| time(&entry.data));
    let stored_index = stored.map_or(0, |stored| stored.index);
    Holding {
        node,
        last: (of_log.or(of_stored).or(log.floor_term).unwrap_or(hard.term), last),
        committed: hard.commit.max(log.floor).max(stored_index).min(last),
        stored: stored_index,
        written_ms: newest.or(stored.map(|stored| stored.shard_time)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holding(node: u64, last: (Term, Index), committed: Index) -> Holding {
        Holding { node: NodeId(node), last, committed, stored: 0, written_ms: None }
    }

    #[test]
    fn what_was_announced_and_is_not_there_is_lost() {
        let announced = Announced { term: 3, commit: 100, ..Announced::default() };
        assert_eq!(lost(announced, Some(holding(4, (3, 90), 80))), 10);
        assert_eq!(lost(announced, Some(holding(4, (3, 120), 80))), 0);
        assert_eq!(lost(announced, Some(holding(4, (2, 120), 80))), 20, "its tail may be another leader's");
        assert_eq!(lost(announced, None), 100);
    }

    #[test]
    fn who_lacks_committed_entries_must_not_outvote_who_has_them() {
        let nodes = |list: &[(u64, Index, Index)]| {
            let group = |&(node, last, committed): &(u64, Index, Index)| {
                let went_on = WentOn { last: (1, last), committed, terms: Vec::new() };
                let holding = holding(node, (1, last), committed);
                BTreeMap::from([(GroupId(1), Held { holding, went_on, told: Told::default() })])
            };
            outvoted(GroupId(1), &list.iter().map(group).collect::<Vec<_>>())
        };
        assert_eq!(nodes(&[(1, 100, 100), (4, 50, 50)]), None, "neither is elected without the other");
        let why = nodes(&[(1, 100, 100), (4, 50, 50), (5, 60, 60)]).unwrap();
        assert!(why.starts_with("nodes 4, 5 lack committed entries of group 1 that node 1 has"), "{why}");
        assert_eq!(nodes(&[(1, 100, 90), (4, 95, 90), (5, 96, 90)]), None, "all have what is committed");
    }
}
