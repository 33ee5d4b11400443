//! What the folders of survivors tell of splits, for a recovery from a lost majority.
//!
//! A split may have been under way, or may be known to some survivors only. Each new shard that a survivor has goes on
//! there. One that none has is made again: of a parent that was never divided, by dividing it; of one that was, by the
//! survivors that still have its rows as of that. An entry that divides a shard and may never have been committed is
//! void, because survivors without it may be enough to elect one of them.

use crate::survivors::Held;
use cluster::Formation;
use cluster::map::{DIVISIONS_ROW, Divisions, FoundSplits, SLOTS_ROW, ShardSlots};
use model::effect::Effect;
use model::entry::EntryReader;
use model::row::family;
use model::varint::DecodeError;
use model::{GroupId, Index, NodeId, ShardId};
use shard::checkpoint::Division;
use std::collections::{BTreeMap, BTreeSet};
use storage::log::GroupLog;
use storage::rows::{Order, RowRange, RowStore};

/// What all folders tell.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) splits: FoundSplits,
    /// Shards whose entry of the last split is void.
    pub(crate) void: BTreeSet<GroupId>,
}

/// What a node's log and rows tell of one group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// The rows are as of this entry.
    stored: Index,
    /// What a shard's row says of its slots there.
    slots: Option<ShardSlots>,
    /// And what later entries say.
    later: Vec<(Index, ShardSlots)>,
    /// The splits, as the meta group's row says after the last entry.
    divisions: Option<Divisions>,
}

/// What an entry says of a shard's slots, if that is what it is about.
///
/// # Errors
/// It can not be read.
pub(crate) fn slots_in(payload: &[u8]) -> Result<Option<ShardSlots>, DecodeError> {
    told(payload, SLOTS_ROW)?.map(|row| ShardSlots::decode(&row)).transpose()
}

/// The last content that an entry gives a row of the group's own.
fn told(payload: &[u8], row: &[u8]) -> Result<Option<Vec<u8>>, DecodeError> {
    let mut found = None;
    if !payload.is_empty() {
        for effect in EntryReader::new(payload)? {
            match effect? {
                Effect::System { name, value: Some(value) } if name == row => found = Some(value.to_vec()),
                _ => {}
            }
        }
    }
    Ok(found)
}

impl Told {
    /// Of the log and rows of a group, if it has any. `first`: number of shards with which the cluster began. `void`: entries that
    /// an earlier recovery made void, by the generation of their split up to an index.
    ///
    /// # Errors
    /// In words for a person: rows or entries can not be read.
    pub(crate) fn new(
        group: GroupId,
        log: &GroupLog,
        store: Option<&dyn RowStore>,
        stored: Index,
        first: u16,
        void: &[(u64, Index)],
    ) -> Result<Told, String> {
        let unreadable = |why: &dyn std::fmt::Display| format!("group {group}: {why}");
        let mut told_of = Told { stored, ..Told::default() };
        let mut divisions = None;
        if let Some(store) = store {
            let range = RowRange::new(&[family::SYSTEM], &[family::SYSTEM + 1]);
            let rows = store.range(range, Order::Ascending).and_then(Iterator::collect::<Result<Vec<_>, _>>);
            let own = Division::new(rows.map_err(|error| unreadable(&error))?.into_iter());
            let own = own.map_err(|error| unreadable(&error))?;
            let slots = own.own(SLOTS_ROW).map(ShardSlots::decode).transpose();
            told_of.slots = slots.map_err(|error| unreadable(&error))?;
            divisions = own.own(DIVISIONS_ROW).map(<[u8]>::to_vec);
        }
        // Steps of members are of another kind, and say nothing of this.
        for entry in log.entries.iter().filter(|entry| entry.index > stored && entry.kind == 0) {
            let data = &entry.data;
            if let Some(row) = slots_in(data).map_err(|error| unreadable(&error))? {
                let is_void =
                    |&(generation, upto): &(u64, Index)| generation == row.generation && entry.index <= upto;
                if !void.iter().any(is_void) {
                    told_of.later.push((entry.index, row));
                }
            }
            if group == GroupId::META {
                divisions = told(data, DIVISIONS_ROW).map_err(|error| unreadable(&error))?.or(divisions);
            }
        }
        let decode = |row: Vec<u8>| Divisions::decode(&row, first);
        told_of.divisions = divisions.map(decode).transpose().map_err(|error| unreadable(&error))?;
        Ok(told_of)
    }

    /// Whether there was a split.
    pub(crate) fn is_of_split(&self) -> bool {
        self.divisions.is_some() || self.all().next().is_some()
    }

    /// What its last entry leaves of the row.
    fn last(&self) -> Option<&ShardSlots> {
        self.later.last().map(|(_, row)| row).or(self.slots.as_ref())
    }

    fn all(&self) -> impl Iterator<Item = &ShardSlots> {
        self.slots.iter().chain(self.later.iter().map(|(_, row)| row))
    }

    /// Index of the entry after the rows that divides the shard, if there is one.
    fn logged(&self, generation: u64) -> Option<Index> {
        let divides = |(index, row): &&(Index, ShardSlots)| {
            row.generation == generation && row.child.as_ref().is_some_and(|child| child.at == *index)
        };
        self.later.iter().find(divides).map(|(index, _)| *index)
    }

    /// Whether the rows are as of the division, or later.
    fn is_stored(&self, generation: u64) -> bool {
        self.slots.as_ref().is_some_and(|row| row.generation == generation)
    }

    /// Whether the other half of the rows is still here to make the new shard of.
    fn can_make(&self, generation: u64) -> bool {
        let as_of = |row: &ShardSlots| row.child.as_ref().is_some_and(|child| child.at == self.stored);
        match self.is_stored(generation) {
            true => self.slots.as_ref().is_some_and(as_of),
            false => self.logged(generation).is_some(),
        }
    }
}

/// What the survivors have, by group.
type Nodes<'a> = &'a [BTreeMap<GroupId, Held>];

/// How many splits it takes until there is such a shard.
fn made_by(first: u16, shard: ShardId) -> usize {
    (0..).find(|splits| u32::from(shard.0) < u32::from(first) << splits).unwrap_or(0)
}

/// The splits, and which of the shards that the last one made are still to be made; `None` if there was none.
///
/// # Errors
/// In words for a person: folders contradict each other, or a part of the data is in none of them.
pub(crate) fn find(before: &Formation, nodes: Nodes<'_>) -> Result<Option<Found>, String> {
    let (first, known) = (before.shards, newest(nodes));
    let generations = generations(first, known.as_ref(), nodes)?;
    let Some(&generation) = generations.last() else { return Ok(None) };
    let half = u32::from(first) << (generations.len() - 1);
    let mut found = Found::default();
    let mut closed = match &known {
        Some(known) if known.generations.len() == generations.len() => known.closed.clone(),
        _ => (half..2 * half).map(|shard| ShardId(shard as u16)).collect(),
    };
    for parent in (0..half).map(|shard| ShardId(shard as u16)) {
        let shard = ShardId(parent.0 + half as u16);
        if holders(nodes, parent.group()).next().is_none() {
            return Err(format!(
                "no survivor has shard {parent}: name also the folder of a node that had it"
            ));
        }
        if holders(nodes, shard.group()).next().is_some() {
            check_divided(nodes, parent, shard, generation)?;
            continue;
        }
        let (makers, void) = makers(nodes, parent, shard, generation)?;
        if void {
            found.void.insert(parent.group());
        }
        closed.insert(shard);
        found.splits.unmade.insert(shard, makers);
    }
    found.splits.divisions = Divisions { generations, closed };
    Ok(Some(found))
}

fn holders(nodes: Nodes<'_>, group: GroupId) -> impl Iterator<Item = &Held> {
    nodes.iter().filter_map(move |of_node| of_node.get(&group))
}

/// The map that knows most: of more splits, and of the same ones with more shards open.
fn newest(nodes: Nodes<'_>) -> Option<Divisions> {
    let known = holders(nodes, GroupId::META).filter_map(|held| held.told.divisions.clone());
    known.max_by_key(|known| (known.generations.len(), std::cmp::Reverse(known.closed.len())))
}

/// The generations of all splits, as the map or the shards know them.
fn generations(first: u16, known: Option<&Divisions>, nodes: Nodes<'_>) -> Result<Vec<u64>, String> {
    let of_map = known.iter().flat_map(|known| known.generations.iter().copied()).enumerate();
    let mut told: BTreeMap<usize, u64> = of_map.map(|(at, generation)| (at + 1, generation)).collect();
    for (group, held) in nodes.iter().flatten() {
        let Some(shard) = group.shard() else { continue };
        for row in held.told.all() {
            let split = made_by(first, row.child.as_ref().map_or(shard, |child| child.shard));
            let known = *told.entry(split).or_insert(row.generation);
            if known != row.generation {
                return Err(format!(
                    "shard {shard} of node {} was divided by split {split} of generation {}, another survivor knows that \
                     split as of {known}",
                    held.holding.node, row.generation
                ));
            }
        }
    }
    match told.keys().copied().eq(1..=told.len()) {
        true => Ok(told.into_values().collect()),
        false => Err("no survivor knows of all splits of this cluster: name also the folder of a node that was up last"
            .to_owned()),
    }
}

/// Refuses a parent that is as of before its division though a new shard was made by it: keys would be in both.
fn check_divided(nodes: Nodes<'_>, parent: ShardId, shard: ShardId, generation: u64) -> Result<(), String> {
    let best = holders(nodes, parent.group()).max_by_key(|held| held.holding.last);
    match best.filter(|best| best.told.last().is_none_or(|row| row.generation != generation)) {
        Some(best) => Err(format!(
            "shard {parent} of node {} is as of before it was divided, though there is shard {shard} that was made of it: \
             name also the folder of a node with a newer shard {parent}",
            best.holding.node
        )),
        None => Ok(()),
    }
}

/// Who makes a shard that no survivor has, and whether the entry that divides its parent is void.
fn makers(
    nodes: Nodes<'_>,
    parent: ShardId,
    shard: ShardId,
    generation: u64,
) -> Result<(Vec<NodeId>, bool), String> {
    let of = |keep: &dyn Fn(&Held) -> bool| -> Vec<NodeId> {
        let mut found: Vec<NodeId> =
            holders(nodes, parent.group()).filter(|held| keep(held)).map(|held| held.holding.node).collect();
        found.sort_unstable();
        found
    };
    let divided = |held: &Held| held.told.is_stored(generation);
    // Whoever has an entry about its division later than the one that divides it has that committed.
    let known = |held: &Held| {
        let of_split = held.told.later.iter().filter(|(_, row)| row.generation == generation).count();
        let at = held.told.logged(generation);
        divided(held) || of_split > 1 || at.is_some_and(|at| at <= held.holding.committed)
    };
    if of(&known).is_empty() {
        let void = !of(&|held| held.told.logged(generation).is_some()).is_empty();
        return Ok((of(&|_| true), void));
    }
    let makers = of(&|held| held.told.can_make(generation));
    match makers.is_empty() {
        false => Ok((makers, false)),
        true => Err(format!(
            "no survivor has shard {shard}, nor the rows of shard {parent} of which it was made: name also the folder of a \
             node that had it"
        )),
    }
}

#[cfg(test)]
mod tests;
