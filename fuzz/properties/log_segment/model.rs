//! What a log should hold, batch by batch.

use super::script::Script;
use model::{GroupId, Index, Term};
use std::collections::{BTreeMap, BTreeSet};
use storage::log::{Batch, BatchBuilder, GroupLog, HardState, Install, Recovery};

pub const GROUPS: u32 = 3;

/// What a group should have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    pub hard: Option<HardState>,
    pub install: Option<Install>,
    base: Index,
    entries: BTreeMap<Index, (Term, Vec<u8>)>,
}

pub type Groups = BTreeMap<GroupId, Group>;

impl Group {
    pub fn last(&self) -> Index {
        self.entries.keys().last().copied().unwrap_or(self.base)
    }

    /// Whether this is what was recovered, if entries up to `floor` may be missing.
    fn is(&self, got: &GroupLog, floor: Index) -> bool {
        let needed = self.entries.range(got.floor.saturating_add(1)..);
        let entries = got.entries.iter().map(|e| (e.index, e.term, &e.data));
        got.hard == self.hard
            && got.install == self.install
            && got.floor <= floor.max(self.base)
            && needed.map(|(index, (term, data))| (*index, *term, data)).eq(entries)
    }
}

/// The log's history since it was made, and what was ever written to it.
#[derive(Default)]
pub struct History {
    /// After each batch; never empty.
    states: Vec<Groups>,
    /// `states[synced]` must be there, or damage of the groups that lack it reported.
    synced: usize,
    /// Floors asked for.
    pub floors: BTreeMap<GroupId, Index>,
    ever: BTreeSet<(GroupId, Index, Term, Vec<u8>)>,
    term: Term,
}

impl History {
    pub fn new() -> History {
        History { states: vec![Groups::new()], term: 1, ..History::default() }
    }

    pub fn now(&self) -> &Groups {
        self.states.last().expect("never empty")
    }

    /// Everything so far is durable.
    pub fn sync(&mut self) {
        self.synced = self.states.len() - 1;
    }

    /// A floor that may be asked for: only what is synced and not discarded any more.
    pub fn floor(&mut self, group: GroupId, keep: u64) {
        let last = |groups: &Groups| groups.get(&group).map_or(0, Group::last);
        let floor = last(&self.states[self.synced]).min(last(self.now())).saturating_sub(keep + 4);
        let old = self.floors.entry(group).or_default();
        *old = floor.max(*old);
    }

    /// Draws a batch and books it.
    pub fn draw(&mut self, script: &mut Script<'_>) -> Batch {
        let mut groups = self.now().clone();
        let mut batch = BatchBuilder::new();
        self.term += u64::from(script.byte() % 2);
        for _ in 0..1 + script.below(3) {
            let id = GroupId(script.below(GROUPS as usize) as u32);
            let group = groups.entry(id).or_default();
            let (last, term) = (group.last(), self.term);
            match script.byte() % 20 {
                19 => {
                    let index = last + 1 + u64::from(script.byte() % 5);
                    let install = Install { tree: 3, index, term, conf_state: vec![1; 3] };
                    batch.install(id, install.clone());
                    group.entries.clear();
                    (group.install, group.base) = (Some(install), index);
                }
                14..19 => {
                    let hard = HardState { term, vote: u64::from(script.byte() % 4), commit: last };
                    batch.hard_state(id, hard);
                    group.hard = Some(hard);
                }
                n => {
                    // Mostly goes on at the end; sometimes discards a few, never what may be freed.
                    let floor = self.floors.get(&id).copied().unwrap_or(0).max(group.base);
                    let back = if n == 13 { u64::from(script.byte() % 4) } else { 0 };
                    let first = last + 1 - back.min(last.saturating_sub(floor));
                    for index in first..=first + u64::from(script.byte() % 3) {
                        let data = vec![script.byte(); script.below(880)];
                        batch.entry(id, index, term, 1, &data);
                        let _ = group.entries.split_off(&index);
                        self.ever.insert((id, index, term, data.clone()));
                        group.entries.insert(index, (term, data));
                    }
                }
            }
        }
        self.states.push(groups);
        batch.finish()
    }

    /// After a crash without damage: one state from the synced one on, which is the present now.
    pub fn recovered(&mut self, recovery: &Recovery) {
        assert!(recovery.damage.is_empty(), "{:?}", recovery.damage);
        assert!(recovery.groups.values().all(|group| !group.damaged));
        let found = self.find(recovery, self.synced).expect("what is recovered was the state at some batch");
        self.states.truncate(found + 1);
        self.synced = found;
    }

    /// After damage: nothing was invented; groups not called damaged are as they were, if what proves the
    /// last batches synced is untouched (`strict`), else as they were at some batch.
    pub fn damaged(&self, recovery: &Recovery, strict: bool) {
        for (id, group) in &recovery.groups {
            for e in &group.entries {
                let entry = (*id, e.index, e.term, e.data.clone());
                assert!(self.ever.contains(&entry), "invented: {entry:?}");
            }
        }
        let from = if strict { self.synced } else { 0 };
        assert!(self.find(recovery, from).is_some(), "lost in silence: {recovery:?}\nof {:?}", self.now());
    }

    /// The newest state not before `from` that all groups not called damaged are in.
    fn find(&self, recovery: &Recovery, from: usize) -> Option<usize> {
        let (none, nothing) = (Group::default(), GroupLog::default());
        let is = |groups: &Groups| {
            (0..GROUPS).map(GroupId).all(|id| {
                let got = recovery.groups.get(&id).unwrap_or(&nothing);
                let floor = self.floors.get(&id).copied().unwrap_or(0);
                got.damaged || groups.get(&id).unwrap_or(&none).is(got, floor)
            })
        };
        (from..self.states.len()).rev().find(|&at| is(&self.states[at]))
    }
}
