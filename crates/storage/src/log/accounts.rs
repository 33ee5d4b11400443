//! Which segments are part of the log, what each group still has in them, and what must be repeated
//! at the head of the next one. Fed with the same notes while writing and while recovering.

use super::batch::{BatchBuilder, Note};
use super::item::{HardState, Install, Item};
use model::{GroupId, Index};
use std::collections::{BTreeMap, VecDeque};

/// A segment that is part of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct LiveSegment {
    pub(super) number: u64,
    /// Number in its file's name.
    pub(super) file: u32,
    /// Size of the file.
    pub(super) bytes: u64,
    shares: BTreeMap<GroupId, Share>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Share {
    /// No entry above this index in the segment counts any more or ever did.
    top: Index,
    bytes: u64,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct GroupState {
    hard: Option<HardState>,
    install: Option<Install>,
    floor: Index,
    last: Index,
    damaged: bool,
}

/// The accounts of a log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Accounts {
    /// Oldest first; the last one is active.
    segments: VecDeque<LiveSegment>,
    groups: BTreeMap<GroupId, GroupState>,
}

impl Accounts {
    /// A new active segment.
    pub(super) fn open_segment(&mut self, number: u64, file: u32, bytes: u64) {
        self.segments.push_back(LiveSegment { number, file, bytes, shares: BTreeMap::new() });
    }

    pub(super) fn segments(&self) -> &VecDeque<LiveSegment> {
        &self.segments
    }

    /// Takes the oldest segment out of the log.
    pub(super) fn drop_oldest(&mut self) -> Option<LiveSegment> {
        self.segments.pop_front()
    }

    /// Books what a batch in the active segment contains.
    pub(super) fn book(&mut self, notes: &[Note]) {
        notes.iter().for_each(|note| self.book_one(note));
    }

    fn book_one(&mut self, note: &Note) {
        match note {
            Note::Entries { group, first, last, bytes } => self.book_entries(*group, *first, *last, *bytes),
            Note::Hard { group, hard } => self.group(*group).hard = Some(*hard),
            Note::Install { group, install, repeated } => {
                if !repeated {
                    self.cut_shares(*group, 0);
                    self.group(*group).last = 0;
                }
                let state = self.group(*group);
                state.floor = state.floor.max(install.index);
                state.last = state.last.max(install.index);
                state.install = Some(install.clone());
            }
            Note::Floor { group, index } => {
                self.raise_floor(*group, *index);
            }
            Note::Forget { group } => {
                self.groups.remove(group);
                for segment in &mut self.segments {
                    segment.shares.remove(group);
                }
            }
            Note::Damaged { group } => self.group(*group).damaged = true,
            // What is not part of the log any more is not in `segments` either.
            Note::FirstSegment { .. } | Note::Nothing => {}
        }
    }

    fn book_entries(&mut self, group: GroupId, first: Index, last: Index, bytes: u64) {
        if first <= self.group(group).last {
            self.cut_shares(group, first.saturating_sub(1));
        }
        self.group(group).last = last;
        if let Some(active) = self.segments.back_mut() {
            let share = active.shares.entry(group).or_default();
            share.top = last;
            share.bytes += bytes;
        }
    }

    /// Entries of the group above `index` have been discarded.
    fn cut_shares(&mut self, group: GroupId, index: Index) {
        for segment in &mut self.segments {
            if let Some(share) = segment.shares.get_mut(&group) {
                share.top = share.top.min(index);
            }
        }
    }

    fn group(&mut self, group: GroupId) -> &mut GroupState {
        self.groups.entry(group).or_default()
    }

    /// Raises the floor of a known group; never lowers it.
    pub(super) fn raise_floor(&mut self, group: GroupId, index: Index) {
        let state = self.group(group);
        state.floor = state.floor.max(index);
        state.last = state.last.max(index);
    }

    /// True if the log has heard of the group and not been told to forget it.
    pub(super) fn knows(&self, group: GroupId) -> bool {
        self.groups.contains_key(&group)
    }

    /// Groups the log knows.
    pub(super) fn known(&self) -> impl Iterator<Item = GroupId> {
        self.groups.keys().copied()
    }

    /// Floors of all groups that have one.
    pub(super) fn floors(&self) -> impl Iterator<Item = (GroupId, Index)> {
        self.groups.iter().filter(|(_, state)| state.floor > 0).map(|(group, state)| (*group, state.floor))
    }

    /// How many of the oldest segments hold nothing that is needed. Only the oldest: a newer one
    /// may hold the entry that discarded one in an older segment.
    pub(super) fn freeable(&self) -> usize {
        let closed = self.segments.len().saturating_sub(1);
        self.segments
            .iter()
            .take(closed)
            .take_while(|segment| self.needed_by(segment).next().is_none())
            .count()
    }

    /// Groups that keep the oldest segment from being freed.
    pub(super) fn blockers(&self) -> Vec<GroupId> {
        let Some(oldest) = self.segments.front() else { return Vec::new() };
        self.needed_by(oldest).collect()
    }

    fn needed_by(&self, segment: &LiveSegment) -> impl Iterator<Item = GroupId> {
        let floor = |group: &GroupId| self.groups.get(group).map_or(0, |state| state.floor);
        segment.shares.iter().filter(move |(group, share)| share.top > floor(group)).map(|(group, _)| *group)
    }

    /// Bytes of each group's entries in the log's segments.
    pub(super) fn shares(&self) -> BTreeMap<GroupId, u64> {
        let mut sums = BTreeMap::new();
        for (group, share) in self.segments.iter().flat_map(|segment| &segment.shares) {
            *sums.entry(*group).or_default() += share.bytes;
        }
        sums
    }

    /// Size of all segments in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// What stands at the head of every segment, so that older ones can be freed: the state of
    /// every group, and where the log begins.
    pub(super) fn head(&self) -> BatchBuilder {
        let mut head = BatchBuilder::new();
        for (&group, state) in &self.groups {
            if let Some(install) = &state.install {
                head.push(&Item::Install { group, install: install.clone(), repeated: true });
            }
            if state.floor > 0 {
                head.push(&Item::Floor { group, index: state.floor });
            }
            if state.damaged {
                head.push(&Item::Damaged { group });
            }
            if let Some(hard) = state.hard {
                head.hard_state(group, hard);
            }
        }
        if let Some(oldest) = self.segments.front() {
            head.push(&Item::FirstSegment { number: oldest.number });
        }
        head
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const G: GroupId = GroupId(1);
    const H: GroupId = GroupId(2);

    fn entries(group: GroupId, first: Index, last: Index) -> Note {
        Note::Entries { group, first, last, bytes: 10 }
    }

    fn accounts(segments: &[&[Note]]) -> Accounts {
        let mut accounts = Accounts::default();
        for (number, notes) in segments.iter().enumerate() {
            accounts.open_segment(number as u64, number as u32, 100);
            accounts.book(notes);
        }
        accounts
    }

    #[test]
    fn a_segment_is_free_when_every_group_is_past_it_and_all_older_are_free() {
        let mut log = accounts(&[&[entries(G, 1, 5), entries(H, 1, 1)], &[entries(G, 6, 7)], &[]]);
        assert_eq!((log.freeable(), log.blockers()), (0, vec![G, H]));
        log.raise_floor(G, 7);
        assert_eq!((log.freeable(), log.blockers()), (0, vec![H]));
        log.raise_floor(H, 1);
        assert_eq!(log.freeable(), 2);
        assert_eq!(log.shares()[&G], 20);
    }

    #[test]
    fn discarded_entries_hold_nothing() {
        let mut log = accounts(&[&[entries(G, 1, 9)], &[entries(G, 4, 4)], &[]]);
        log.raise_floor(G, 3);
        assert_eq!(log.freeable(), 1);
        let install = Install { tree: 1, index: 20, ..Install::default() };
        log.book(&[Note::Install { group: G, install, repeated: false }, entries(G, 21, 22)]);
        assert_eq!(log.freeable(), 2);
        let mut log = accounts(&[&[entries(G, 1, 9)], &[]]);
        log.book(&[Note::Forget { group: G }]);
        assert_eq!((log.freeable(), log.knows(G)), (1, false));
    }

    #[test]
    fn the_active_segment_is_never_free() {
        let mut log = accounts(&[&[entries(G, 1, 9)]]);
        log.raise_floor(G, 9);
        assert_eq!(log.freeable(), 0);
    }
}
