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
    /// `repeated`: at a segment's head, where it repeats what is known and voids nothing.
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
}

const ENTRY: u8 = 1;
const HARD: u8 = 2;
const INSTALL: u8 = 3;
const INSTALL_REPEATED: u8 = 4;
const FLOOR: u8 = 5;
const FORGET: u8 = 6;
const DAMAGED: u8 = 7;
const FIRST_SEGMENT: u8 = 8;

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
            Item::FirstSegment { .. } => None,
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
            Item::FirstSegment { number } => put_u64(out, *number),
            Item::Forget { .. } | Item::Damaged { .. } => {}
        }
    }

    /// The next item of a batch.
    pub(super) fn decode<'a>(from: &mut Reader<'a>) -> Result<Item<'a>, DecodeError> {
        let tag = from.u8()?;
        if tag == FIRST_SEGMENT {
            return Ok(Item::FirstSegment { number: from.u64()? });
        }
        let group = from.u64()?;
        let group = GroupId(u32::try_from(group).map_err(|_| DecodeError::Malformed("group"))?);
        Ok(match tag {
            ENTRY => {
                let (index, term, kind) = (from.u64()?, from.u64()?, from.u8()?);
                Item::Entry { group, index, term, kind, data: from.bytes()? }
            }
            HARD => {
                let (term, vote, commit) = (from.u64()?, from.u64()?, from.u64()?);
                Item::Hard { group, hard: HardState { term, vote, commit } }
            }
            INSTALL | INSTALL_REPEATED => {
                let (tree, index, term) = (from.u64()?, from.u64()?, from.u64()?);
                let install = Install { tree, index, term, conf_state: from.bytes()?.to_vec() };
                Item::Install { group, install, repeated: tag == INSTALL_REPEATED }
            }
            FLOOR => Item::Floor { group, index: from.u64()? },
            FORGET => Item::Forget { group },
            DAMAGED => Item::Damaged { group },
            _ => return Err(DecodeError::Malformed("log item tag")),
        })
    }
}
