//! What a group has in the log after replaying its items in order.

use super::item::{Entry, HardState, Install, Item};
use model::{GroupId, Index, Term};
use std::collections::BTreeMap;

/// The recovered state of a group.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct GroupLog {
    /// Term, vote and commit, if any were written. The caller clamps commit between the applied
    /// index of its rows and the last index (safety rule 18).
    pub hard: Option<HardState>,
    /// The newest snapshot made valid by the log.
    pub install: Option<Install>,
    /// Entries up to here are not kept; at least the index of `install`.
    pub floor: Index,
    /// Term of the entry at `floor`, if a segment still had it.
    pub floor_term: Option<Term>,
    /// Entries from `floor + 1`, without a hole.
    pub entries: Vec<Entry>,
    /// Synced bytes of the group were lost: the replica must be refused (safety rule 2).
    pub damaged: bool,
}

impl GroupLog {
    /// The last index: of the entries, else the floor.
    pub fn last_index(&self) -> Index {
        self.entries.last().map_or(self.floor, |entry| entry.index)
    }

    /// Appends, discarding what is at and above the index. False if that would leave a hole.
    fn append(&mut self, entry: Entry) -> bool {
        let first = self.entries.first().map_or(entry.index, |e| e.index);
        // Below the first: what was between is in a freed segment and has been discarded too.
        let keep = entry.index.saturating_sub(first) as usize;
        if keep > self.entries.len() {
            return false;
        }
        self.entries.truncate(keep);
        self.entries.push(entry);
        true
    }

    fn raise_floor(&mut self, index: Index) {
        if index > self.floor {
            (self.floor, self.floor_term) = (index, None);
        }
        let below = self.entries.iter().take_while(|entry| entry.index <= self.floor).count();
        if let Some(last) = self.entries.drain(..below).next_back().filter(|last| last.index == self.floor) {
            self.floor_term = Some(last.term);
        }
    }
}

/// All groups during replay.
#[derive(Debug, Default)]
pub(super) struct Replay {
    pub(super) groups: BTreeMap<GroupId, GroupLog>,
    /// Where the log begins, as far as it says so itself.
    pub(super) first_segment: u64,
    /// The segment that follows the newest one found, if that says there is one.
    pub(super) successor: Option<u64>,
    /// Groups whose entries have a hole, with the index before which entries are missing.
    pub(super) holes: BTreeMap<GroupId, Index>,
}

impl Replay {
    pub(super) fn item(&mut self, item: &Item<'_>) {
        match *item {
            Item::Entry { group, index, term, kind, data } => {
                let entry = Entry { index, term, kind, data: data.to_vec() };
                if !self.group(group).append(entry) {
                    self.holes.insert(group, index);
                }
            }
            Item::Hard { group, hard } => self.group(group).hard = Some(hard),
            Item::Install { group, ref install, repeated } => {
                let state = self.group(group);
                if !repeated {
                    state.entries.clear();
                }
                state.raise_floor(install.index);
                if state.floor == install.index {
                    state.floor_term = Some(install.term);
                }
                state.install = Some(install.clone());
            }
            Item::Floor { group, index } => self.group(group).raise_floor(index),
            Item::Forget { group } => {
                self.groups.remove(&group);
                self.holes.remove(&group);
            }
            Item::Damaged { group } => self.group(group).damaged = true,
            Item::FirstSegment { number } => self.first_segment = self.first_segment.max(number),
            Item::Successor { number } => self.successor = Some(number),
        }
    }

    fn group(&mut self, group: GroupId) -> &mut GroupLog {
        self.groups.entry(group).or_default()
    }

    /// Ends the replay: what is at or below the floor goes; what does not begin right behind it
    /// is a hole.
    pub(super) fn finish(&mut self) {
        for (group, state) in &mut self.groups {
            state.raise_floor(state.floor);
            if let Some(first) = state.entries.first().filter(|first| first.index > state.floor + 1) {
                self.holes.insert(*group, first.index);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const G: GroupId = GroupId(1);

    fn replay(items: &[Item<'_>]) -> Replay {
        let mut replay = Replay::default();
        items.iter().for_each(|item| replay.item(item));
        replay.finish();
        replay
    }

    fn entry(index: Index, term: u64) -> Item<'static> {
        Item::Entry { group: G, index, term, kind: 0, data: b"" }
    }

    fn terms(replay: &Replay) -> Vec<(Index, u64)> {
        replay.groups[&G].entries.iter().map(|e| (e.index, e.term)).collect()
    }

    #[test]
    fn appending_discards_what_is_at_and_above() {
        let r = replay(&[entry(1, 1), entry(2, 1), entry(3, 1), entry(2, 2)]);
        assert_eq!(terms(&r), [(1, 1), (2, 2)]);
        assert!(r.holes.is_empty());
        // Entries 5 and 6 were in a freed segment; 6 was written again in a later term.
        let r = replay(&[entry(7, 1), entry(6, 2), Item::Floor { group: G, index: 5 }]);
        assert_eq!(terms(&r), [(6, 2)]);
        assert!(r.holes.is_empty());
    }

    #[test]
    fn the_term_at_the_floor_is_known_as_long_as_its_entry_is_there() {
        let floor = |index| Item::Floor { group: G, index };
        let term = |items: &[Item<'_>]| replay(items).groups[&G].floor_term;
        assert_eq!(term(&[entry(1, 1), entry(2, 3), floor(2)]), Some(3));
        assert_eq!(term(&[entry(1, 1), entry(2, 3), floor(2), floor(2)]), Some(3));
        assert_eq!(term(&[floor(2), entry(3, 3)]), None);
        assert_eq!(term(&[entry(1, 1), floor(2)]), None);
        let install = Install { tree: 9, index: 2, term: 2, conf_state: vec![] };
        let install = |repeated| Item::Install { group: G, install: install.clone(), repeated };
        assert_eq!(term(&[entry(1, 1), install(false)]), Some(2));
        assert_eq!(term(&[install(false), entry(3, 3), floor(3)]), Some(3));
        // Rows that were replaced keep the entries after them.
        let r = replay(&[entry(1, 1), entry(2, 2), entry(3, 3), install(true)]);
        assert_eq!((terms(&r), r.groups[&G].floor_term, r.groups[&G].floor), (vec![(3, 3)], Some(2), 2));
    }

    #[test]
    fn a_hole_is_found_at_the_start_and_within() {
        assert_eq!(replay(&[entry(1, 1), entry(3, 1)]).holes[&G], 3);
        assert_eq!(replay(&[Item::Floor { group: G, index: 3 }, entry(5, 1)]).holes[&G], 5);
        assert!(replay(&[entry(5, 1), Item::Floor { group: G, index: 4 }]).holes.is_empty());
    }

    #[test]
    fn an_install_voids_entries_and_keeps_the_vote() {
        let hard = HardState { term: 3, vote: 2, commit: 1 };
        let install = Install { tree: 9, index: 10, term: 2, conf_state: vec![1] };
        let r = replay(&[
            entry(1, 1),
            Item::Hard { group: G, hard },
            Item::Install { group: G, install: install.clone(), repeated: false },
            entry(11, 3),
            Item::Install { group: G, install: install.clone(), repeated: true },
        ]);
        let state = &r.groups[&G];
        assert_eq!((state.hard, &state.install, state.floor), (Some(hard), &Some(install), 10));
        assert_eq!((terms(&r), state.last_index()), (vec![(11, 3)], 11));
        assert!(replay(&[entry(1, 1), Item::Forget { group: G }]).groups.is_empty());
    }
}
