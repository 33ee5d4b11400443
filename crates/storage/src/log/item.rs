//! What a batch consists of.

use model::varint::{DecodeError, Reader, put_bytes, put_u64};
use model::{GroupId, Index, Term};

/// An entry of a group, as recovered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Position in its group's log.
    pub index: Index,
    /// Term of the leader that proposed it.
    pub term: Term,
    /// What the caller makes of the data; opaque here.
    pub kind: u8,
    /// Opaque bytes.
    pub data: Vec<u8>,
}

/// What a voter must remember.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HardState {
    /// Highest term seen.
    pub term: Term,
    /// Whom it voted for in that term, 0 for nobody.
    pub vote: u64,
    /// Highest index known committed; a hint, may be behind.
    pub commit: Index,
}

/// A snapshot made valid (safety rule 19): the group's rows are in row store tree `tree` as of
/// `index`, and what the log held of the group before is void.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Install {
    /// Row store tree that holds the snapshot.
    pub tree: u64,
    /// Last index the snapshot includes.
    pub index: Index,
    /// Term of that entry.
    pub term: Term,
    /// The membership at that index; opaque here.
    pub conf_state: Vec<u8>,
}

/// One item of a batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Item<'a> {
    /// Appends at `index`; the group's entries at `index` and above are discarded.
    Entry {
        group: GroupId,
        index: Index,
        term: Term,
        kind: u8,
        data: &'a [u8],
    },
    Hard {
        group: GroupId,
        hard: HardState,
    },
    /// `repeated`: it voids nothing beyond its index. At a segment's head it repeats what is known; else
    /// the rows were replaced and the entries after them stay.
    Install {
        group: GroupId,
        install: Install,
        repeated: bool,
    },
    /// Entries up to `index` are not needed any more.
    Floor {
        group: GroupId,
        index: Index,
    },
    /// The group has left this node for good.
    Forget {
        group: GroupId,
    },
    /// Synced bytes of the group were lost; it must be refused until it is forgotten.
    Damaged {
        group: GroupId,
    },
    /// Segments below `number` are not part of the log any more.
    FirstSegment {
        number: u64,
    },
    /// Behind a segment's end: the segment `number` that follows it is in use.
    Successor {
        number: u64,
    },
}

/// Largest index in an item, far below where adding one overflows.
const MAX_INDEX: Index = 1 << 56;

const ENTRY: u8 = 1;
const HARD: u8 = 2;
const INSTALL: u8 = 3;
const INSTALL_REPEATED: u8 = 4;
const FLOOR: u8 = 5;
const FORGET: u8 = 6;
const DAMAGED: u8 = 7;
const FIRST_SEGMENT: u8 = 8;
const SUCCESSOR: u8 = 9;

impl Item<'_> {
    /// The group it belongs to; `None` if it is about the log.
    pub(super) fn group(&self) -> Option<GroupId> {
        match *self {
            Item::Entry { group, .. }
            | Item::Hard { group, .. }
            | Item::Install { group, .. }
            | Item::Floor { group, .. }
            | Item::Forget { group }
            | Item::Damaged { group } => Some(group),
            Item::FirstSegment { .. } | Item::Successor { .. } => None,
        }
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let tag = match self {
            Item::Entry { .. } => ENTRY,
            Item::Hard { .. } => HARD,
            Item::Install { repeated: false, .. } => INSTALL,
            Item::Install { repeated: true, .. } => INSTALL_REPEATED,
            Item::Floor { .. } => FLOOR,
            Item::Forget { .. } => FORGET,
            Item::Damaged { .. } => DAMAGED,
            Item::FirstSegment { .. } => FIRST_SEGMENT,
            Item::Successor { .. } => SUCCESSOR,
        };
        out.push(tag);
        if let Some(group) = self.group() {
            put_u64(out, u64::from(group.0));
        }
        match self {
            Item::Entry { index, term, kind, data, .. } => {
                put_u64(out, *index);
                put_u64(out, *term);
                out.push(*kind);
                put_bytes(out, data);
            }
            Item::Hard { hard, .. } => {
                [hard.term, hard.vote, hard.commit].iter().for_each(|&n| put_u64(out, n));
            }
            Item::Install { install, .. } => {
                [install.tree, install.index, install.term].iter().for_each(|&n| put_u64(out, n));
                put_bytes(out, &install.conf_state);
            }
            Item::Floor { index, .. } => put_u64(out, *index),
            Item::FirstSegment { number } | Item::Successor { number } => put_u64(out, *number),
            Item::Forget { .. } | Item::Damaged { .. } => {}
        }
    }

    /// The next item of a batch.
    pub(super) fn decode<'a>(from: &mut Reader<'a>) -> Result<Item<'a>, DecodeError> {
        let tag = from.u8()?;
        if tag == FIRST_SEGMENT {
            return Ok(Item::FirstSegment { number: from.u64()? });
        }
        if tag == SUCCESSOR {
            return Ok(Item::Successor { number: from.u64()? });
        }
        let group = from.u64()?;
        let group = GroupId(u32::try_from(group).map_err(|_| DecodeError::Malformed("group"))?);
        Ok(match tag {
            ENTRY => {
                let (index, term, kind) = (read_index(from)?, from.u64()?, from.u8()?);
                Item::Entry { group, index, term, kind, data: from.bytes()? }
            }
            HARD => {
                let (term, vote, commit) = (from.u64()?, from.u64()?, from.u64()?);
                Item::Hard { group, hard: HardState { term, vote, commit } }
            }
            INSTALL | INSTALL_REPEATED => {
                let (tree, index, term) = (from.u64()?, read_index(from)?, from.u64()?);
                let install = Install { tree, index, term, conf_state: from.bytes()?.to_vec() };
                Item::Install { group, install, repeated: tag == INSTALL_REPEATED }
            }
            FLOOR => Item::Floor { group, index: read_index(from)? },
            FORGET => Item::Forget { group },
            DAMAGED => Item::Damaged { group },
            _ => return Err(DecodeError::Malformed("log item tag")),
        })
    }
}

fn read_index(from: &mut Reader<'_>) -> Result<Index, DecodeError> {
    let index = from.u64()?;
    if index > MAX_INDEX { Err(DecodeError::Malformed("index")) } else { Ok(index) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_to_which_one_can_not_be_added_is_refused() {
        let group = GroupId(1);
        let install = |index| Install { tree: 1, index, term: 1, conf_state: Vec::new() };
        for (index, fine) in [(MAX_INDEX, true), (MAX_INDEX + 1, false), (u64::MAX, false)] {
            for item in [
                Item::Entry { group, index, term: 1, kind: 0, data: b"" },
                Item::Install { group, install: install(index), repeated: false },
                Item::Floor { group, index },
            ] {
                let mut out = Vec::new();
                item.encode(&mut out);
                let read = Item::decode(&mut Reader::new(&out));
                assert_eq!(read, if fine { Ok(item) } else { Err(DecodeError::Malformed("index")) });
            }
        }
    }
}
