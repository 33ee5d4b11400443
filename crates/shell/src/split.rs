//! A cluster whose shards were split can not be recovered after a majority was lost: who has which of the new shards,
//! and whether one was still being made of its parent, is not worked out here yet. It is refused, and nothing changed.

use crate::recover::tree_of;
use cluster::Formation;
use cluster::map::{DIVISIONS_ROW, SLOTS_ROW};
use model::effect::Effect;
use model::entry::EntryReader;
use model::row::family;
use model::{GroupId, NodeId};
use shard::checkpoint::Division;
use std::collections::BTreeMap;
use storage::log::GroupLog;
use storage::rows::{Order, RowRange, RowStores};

/// Refuses a node in whose logs or rows anything tells of a split.
///
/// # Errors
/// In words for a person: there is a sign of a split, or rows can not be read.
pub(crate) fn refuse_split(
    node: NodeId,
    formation: &Formation,
    logs: &BTreeMap<GroupId, GroupLog>,
    stores: &dyn RowStores,
) -> Result<(), String> {
    let known = stores.list();
    for (&group, log) in logs {
        let made = group.0 > u32::from(formation.shards);
        let tree = tree_of(group, log);
        let told = || log.entries.iter().any(|entry| tells(&entry.data));
        let split = made || told() || known.contains(&tree) && has_row(stores, group, tree)?;
        if split {
            return Err(format!(
                "shards of this cluster were split, as group {group} of node {node} tells: this version can not recover it \
                 from the loss of a majority; bring back enough nodes for one, or a backup"
            ));
        }
    }
    Ok(())
}

/// Whether an entry begins a split or divides a shard: both are rows of a group's own state.
fn tells(payload: &[u8]) -> bool {
    let Ok(reader) = EntryReader::new(payload) else { return false };
    reader.flatten().any(
        |effect| matches!(effect, Effect::System { name, .. } if name == DIVISIONS_ROW || name == SLOTS_ROW),
    )
}

fn has_row(stores: &dyn RowStores, group: GroupId, tree: u64) -> Result<bool, String> {
    let unreadable = |why: &dyn std::fmt::Display| format!("rows of group {group}: {why}");
    let store = stores.open(tree).map_err(|error| unreadable(&error))?;
    let rows = store.range(RowRange::new(&[family::SYSTEM], &[family::SYSTEM + 1]), Order::Ascending);
    let rows =
        rows.and_then(|rows| rows.collect::<Result<Vec<_>, _>>()).map_err(|error| unreadable(&error))?;
    let own = Division::new(rows.into_iter()).map_err(|error| unreadable(&error))?;
    Ok(own.own(DIVISIONS_ROW).is_some() || own.own(SLOTS_ROW).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::entry::EntryBuilder;
    use storage::log::{Entry, Install};
    use storage::rows::memory::MemoryStores;

    const NODE: NodeId = NodeId(2);

    fn refused(logs: BTreeMap<GroupId, GroupLog>, stores: &MemoryStores) -> bool {
        let members = vec![NodeId(1), NODE, NodeId(3)];
        let formation = Formation { replicas: 3, shards: 2, members, ..Formation::default() };
        let result = refuse_split(NODE, &formation, &logs, stores);
        assert!(result.as_ref().err().is_none_or(|why| why.starts_with("shards of this cluster were split")));
        result.is_err()
    }

    fn entry(name: &[u8]) -> GroupLog {
        let mut entry = EntryBuilder::default();
        entry.push(Effect::System { name, value: Some(b"x") });
        let data = entry.finish(5);
        GroupLog { entries: vec![Entry { index: 1, term: 1, kind: 0, data }], ..GroupLog::default() }
    }

    #[test]
    fn whatever_tells_of_a_split_is_found_in_logs_and_in_rows() {
        let stores = MemoryStores::new();
        let of = |group: u32, log: GroupLog| BTreeMap::from([(GroupId(group), log)]);
        assert!(!refused(of(2, entry(b"mode/00")), &stores));
        assert!(refused(of(0, entry(DIVISIONS_ROW)), &stores), "it has begun");
        assert!(refused(of(2, entry(SLOTS_ROW)), &stores), "a shard was divided");
        assert!(refused(of(3, entry(b"mode/00")), &stores), "there is a new shard");
        let name = |own: &[u8]| model::row::system_name(&[b"own/", own].concat());
        let mut log = entry(b"mode/00");
        log.install = Some(Install { tree: 9, ..Install::default() });
        let put = |own: &[u8]| {
            let row = (name(own), Some(b"x".to_vec()));
            stores.open(9).unwrap().ingest(&mut [row].into_iter()).unwrap();
        };
        put(b"mode/00");
        assert!(!refused(of(2, log.clone()), &stores));
        put(SLOTS_ROW);
        assert!(refused(of(2, log), &stores), "and the entry has left the log");
    }
}
