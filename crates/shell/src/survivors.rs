//! Going on after a majority of a cluster's nodes was lost for good: offline, explicit, and never without a
//! person (safety rule 24).
//!
//! What the survivors have becomes the data: they alone vote from now on, in a new incarnation of the
//! cluster. Nothing of the logs is changed; which group a frame belongs to is its number and the
//! incarnation, on which both ends of a connection have agreed before (`cluster/handshake`).

mod holdings;

use self::holdings::{holdings, void};
use crate::heard;
use crate::holders::Holders;
use crate::offline::{LostFolder, Named, Offline, groups_lost};
use crate::salvage::{WentOn, write_down};
use crate::split::{self, Found, Told};
use cluster::identity::MAX_REPLICAS;
use cluster::{ClusterId, Folder, Formation};
use env::Disk;
use model::{GroupId, Index, NodeId, ShardId, Term};
use node::heard::Announced;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
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
    nodes: Vec<Offline>,
    disk: Arc<dyn Disk>,
    holdings: Vec<BTreeMap<GroupId, Held>>,
    /// The newest that leaders announced to nodes that only followed, as far as these wrote it down.
    announced: BTreeMap<GroupId, Announced>,
    /// Not every survivor has all groups: shards had moved, or a data folder is lost.
    moved: bool,
    /// Further data folders of survivors that are not here, with their replicas.
    lost: Vec<LostFolder>,
    /// What they tell of splits, if there was one.
    splits: Option<Found>,
    cluster: ClusterId,
    before: Formation,
    after: Formation,
}

impl Survivors {
    /// Looks at the folders: the home folder of each survivor, and further ones that are not where they were last.
    /// `elsewhere`: survivors whose folders are on other machines, where the same recovery is done.
    ///
    /// # Errors
    /// In words for a person: what is wrong with the folders, or that no majority is lost.
    pub fn examine(
        disk: &Arc<dyn Disk>,
        dirs: &[PathBuf],
        elsewhere: &[NodeId],
        rows: OpenRows<'_>,
    ) -> Result<Survivors, String> {
        let nodes = open_all(disk, dirs, rows)?;
        let (cluster, before) = common(&nodes)?;
        let here: Vec<NodeId> = nodes.iter().map(Offline::node).collect();
        let survivors = [&here[..], elsewhere].concat();
        let mut moved = false;
        let mut look = |node: &Offline| holdings(disk.as_ref(), node, &before, &mut moved);
        let holdings = nodes.iter().map(&mut look).collect::<Result<Vec<_>, _>>()?;
        // A split moves nothing, but makes shards that only those have who made them.
        moved |= holdings.iter().flat_map(BTreeMap::values).any(|held| held.told.is_of_split());
        let lost: Vec<LostFolder> = nodes.iter().flat_map(|node| node.lost.iter().cloned()).collect();
        // Also where all are where they began, one may lack what was in a lost folder.
        if !moved && nodes.iter().any(|node| node.is_incomplete) {
            check_needed(&before, &survivors, &holdings)?;
            moved = true;
        }
        let (splits, after) = match moved {
            true => {
                check_named(&here, elsewhere)?;
                let splits = split::find(&before, &holdings).map_err(|why| without(why, &lost))?;
                let after = after_moves(&before, &survivors, &holdings).map_err(|why| without(why, &lost))?;
                check_lost(&lost, &holdings, splits.as_ref())?;
                (splits, after)
            }
            false => (None, before.of_survivors(&survivors).ok_or_else(|| why_not(&before, &survivors))?),
        };
        check_formations(&nodes, &before, &after)?;
        let mut announced: BTreeMap<GroupId, Announced> = BTreeMap::new();
        for node in &nodes {
            for (group, newest) in heard::read(disk.as_ref(), node.home.dir(), before.incarnation).groups {
                let known = announced.entry(group).or_default();
                *known = newest.max(*known);
            }
        }
        let disk = Arc::clone(disk);
        Ok(Survivors { nodes, disk, holdings, announced, moved, lost, splits, cluster, before, after })
    }

    /// Further data folders of survivors that are not here, or in part: their replicas count as lost.
    pub fn lost(&self) -> &[LostFolder] {
        &self.lost
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

    /// Whether shards had moved to other nodes than the first ones, were split, or are in lost folders.
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
        let (disk, incarnation) = (self.disk.as_ref(), self.after.incarnation);
        for (node, held) in self.nodes.iter_mut().zip(&self.holdings) {
            let dir = node.home.dir().to_owned();
            let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", dir.display());
            let listed = match self.moved {
                true => {
                    let mut holders = Holders::default();
                    holders.void = void(disk, &node.home)?;
                    for (group, nodes) in &voters {
                        let last = held.get(group).map_or(0, |held| held.holding.last.1);
                        holders.add(*group, last, nodes.clone());
                        holders.add_void(*group, last, self.splits.as_ref());
                    }
                    holders.splits = self.splits.as_ref().map(|found| found.splits.clone());
                    holders.write(disk, &dir, incarnation)
                }
                // A recovery that was cut off may have found less, and listed that.
                false => Holders::remove(disk, &dir, incarnation),
            };
            listed.map_err(|error| failed(&error))?;
            write_down(disk, &dir, incarnation, &went_on)?;
            // Last: before it the node is one of the old incarnation, after it one of the new one. Its further folders are
            // its own in both.
            node.home.recover(&self.after).map_err(|error| failed(&error))?;
        }
        Ok(())
    }
}

/// Reads what is in the folders of all nodes that are named.
fn open_all(disk: &Arc<dyn Disk>, dirs: &[PathBuf], rows: OpenRows<'_>) -> Result<Vec<Offline>, String> {
    let named = Named::sort(disk, dirs)?;
    let mut nodes = Vec::new();
    for dir in &named.homes {
        let folder = Folder::open_offline(disk, dir).map_err(|error| error.to_string())?;
        if folder.is_witness() {
            return Err(format!(
                "{} is the folder of a witness, which has no data: name those of nodes that keep data",
                dir.display()
            ));
        }
        nodes.push(Offline::read(disk, folder, &named)?);
    }
    named.check_owned(&nodes)?;
    nodes.iter_mut().try_for_each(|node| node.open_rows(rows))?;
    Ok(nodes)
}

/// A folder of another formation is no survivor.
fn check_formations(nodes: &[Offline], before: &Formation, after: &Formation) -> Result<(), String> {
    for node in nodes {
        let formation = node.home.formation();
        // One that is done already comes from a recovery that was cut off.
        if formation != Some(before) && formation != Some(after) {
            let known = formation.map_or("none".to_owned(), Formation::to_string);
            return Err(format!(
                "{} knows another formation of the cluster: {known} instead of {before}",
                node.home.dir().display()
            ));
        }
    }
    Ok(())
}

/// Where only folders are lost: refuses a majority of the nodes if each group has a majority of its replicas among them.
fn check_needed(
    before: &Formation,
    survivors: &[NodeId],
    holdings: &[BTreeMap<GroupId, Held>],
) -> Result<(), String> {
    let has = |group: GroupId| holdings.iter().filter(|held| held.contains_key(&group)).count();
    let most = |group| has(group) > before.voters(group).len() / 2;
    match before.of_survivors(survivors).is_none() && before.groups().all(most) {
        true => Err(why_not(before, survivors)),
        false => Ok(()),
    }
}

/// What is missing, and the lost folders, where it may be.
fn without(why: String, lost: &[LostFolder]) -> String {
    let lost: String = lost.iter().map(|lost| format!("; {lost}")).collect();
    match lost.is_empty() {
        true => why,
        false => format!("{why}{lost}: if such a folder is elsewhere by now, name it as well"),
    }
}

/// Refuses to go on without a group that only lost folders have: nobody else knows of it, or could make it again.
fn check_lost(
    lost: &[LostFolder],
    holdings: &[BTreeMap<GroupId, Held>],
    splits: Option<&Found>,
) -> Result<(), String> {
    let made_again: Vec<GroupId> =
        splits.iter().flat_map(|found| found.splits.unmade.keys().map(|shard| shard.group())).collect();
    let is_gone = |group: &GroupId| {
        !holdings.iter().any(|held| held.contains_key(group)) && !made_again.contains(group)
    };
    match groups_lost(lost).into_iter().find(is_gone) {
        Some(group) => Err(without(format!("no survivor has group {group}"), lost)),
        None => Ok(()),
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
fn common(nodes: &[Offline]) -> Result<(ClusterId, Formation), String> {
    let mut found: Option<(ClusterId, Formation)> = None;
    for folder in nodes.iter().map(|node| &node.home) {
        let dir = folder.dir();
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
            "shards of this cluster have moved or were split, or a data folder is lost: name the data folders of all survivors \
             in one call, copied here if need be, because no node knows what the others have"
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
