//! What a survivor has of each group, as its logs and rows say.

use super::{Held, Holding};
use crate::holders::Holders;
use crate::offline::Offline;
use crate::recover::tenure_of;
use crate::salvage::WentOn;
use crate::split::Told;
use cluster::{Folder, Formation, Tenure};
use env::Disk;
use model::entry::EntryReader;
use model::{GroupId, Index, NodeId};
use shard::checkpoint::Applied;
use std::collections::BTreeMap;
use storage::log::GroupLog;

/// What a node has of each group. `before`: with which the cluster lost its majority. `moved`: set where not all
/// survivors have all groups.
pub(super) fn holdings(
    disk: &dyn Disk,
    offline: &Offline,
    before: &Formation,
    moved: &mut bool,
) -> Result<BTreeMap<GroupId, Held>, String> {
    let (node, home) = (offline.node(), &offline.home);
    let incarnation = home.formation().map_or(0, |formation| formation.incarnation);
    let holders = Holders::read(disk, home.dir(), incarnation)?;
    *moved |= holders.is_some();
    let first = u32::from(before.shards);
    let mut holdings = BTreeMap::new();
    for (&group, part) in &offline.groups {
        let log = &part.log;
        // Groups that a split has made are known by what the log says of them alone.
        let tenure = tenure_of(log).map_err(|error| format!("group {group} of node {node}: {error}"))?;
        let is_first = group.0 <= first;
        if is_first {
            *moved |= was_moved(log, before.voters(group));
        }
        // A recovery before this one went on without it, as in a folder that was lost then.
        let is_void = || holders.as_ref().is_some_and(|holders| !holders.of(group).contains(&node));
        match tenure {
            Some(Tenure::Left { .. }) => continue,
            None if !is_first || is_void() => continue,
            Some(Tenure::Holds { members, .. }) if members.incarnation < incarnation && is_void() => continue,
            _ => {}
        }
        let rows = offline.rows(group)?;
        let holding = holding(node, log, rows.as_ref().map(|(_, applied)| *applied));
        // An empty replica that was still to be filled: another survivor may be able to make the shard.
        if !is_first && holding.last.1 == 0 {
            continue;
        }
        let void = holders.as_ref().map_or(&[][..], |holders| holders.void_splits(group));
        let store = offline.store(group)?;
        let told = Told::new(group, log, store.as_deref(), holding.stored, before.shards, void)?;
        let went_on = WentOn::with(holding.last, holding.committed, log);
        holdings.insert(group, Held { holding, went_on, told });
    }
    Ok(holdings)
}

/// Entries of splits that earlier recoveries made void, as the folder says.
pub(super) fn void(disk: &dyn Disk, home: &Folder) -> Result<BTreeMap<GroupId, Vec<(u64, Index)>>, String> {
    let incarnation = home.formation().map_or(0, |formation| formation.incarnation);
    Ok(Holders::read(disk, home.dir(), incarnation)?.unwrap_or_default().void)
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
