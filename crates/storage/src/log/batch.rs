//! Building a batch: ready-encoded bytes, so that the log thread only checks sums and writes.

use super::item::{HardState, Install, Item};
use super::record::{ALIGN, HEADER, size};
use model::{GroupId, Index, Term};

/// Buffers up to this capacity in bytes are worth keeping for the next batch.
pub(super) const KEEP_BUFFER: usize = 1 << 20;

/// Entries of so many bytes get their space in the buffer at once.
const LONG_ENTRY: usize = 64 * 1024;

/// Longest encoding of an entry without its data (tag, kind, group, index, term, length: 37), rounded up.
const ENTRY_MAX: usize = 48;

/// What the log must know of an item without reading its bytes again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Note {
    Entries {
        group: GroupId,
        first: Index,
        last: Index,
        bytes: u64,
    },
    Hard {
        group: GroupId,
        hard: HardState,
    },
    Install {
        group: GroupId,
        install: Install,
        repeated: bool,
    },
    Floor {
        group: GroupId,
        index: Index,
    },
    Forget {
        group: GroupId,
    },
    Damaged {
        group: GroupId,
    },
    FirstSegment {
        number: u64,
    },
    /// Nothing to book.
    Nothing,
}

impl Note {
    /// Adds what is to be known of `item`, which took `bytes` bytes.
    pub(super) fn add(notes: &mut Vec<Note>, item: &Item<'_>, bytes: u64) {
        notes.push(match *item {
            Item::Entry { group, index, .. } => return Note::add_entry(notes, group, index, bytes),
            Item::Hard { group, hard } => Note::Hard { group, hard },
            Item::Install { group, ref install, repeated } => {
                Note::Install { group, install: install.clone(), repeated }
            }
            Item::Floor { group, index } => Note::Floor { group, index },
            Item::Forget { group } => Note::Forget { group },
            Item::Damaged { group } => Note::Damaged { group },
            Item::FirstSegment { number } => Note::FirstSegment { number },
            Item::Successor { .. } => Note::Nothing,
        });
    }

    fn add_entry(notes: &mut Vec<Note>, of: GroupId, index: Index, more: u64) {
        match notes.last_mut() {
            Some(Note::Entries { group, last, bytes, .. }) if *group == of && *last + 1 == index => {
                *last = index;
                *bytes += more;
            }
            _ => notes.push(Note::Entries { group: of, first: index, last: index, bytes: more }),
        }
    }
}

/// Items that become durable together or not at all.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Space for the header, the items, zeros up to a multiple of [`ALIGN`].
    pub(super) bytes: Vec<u8>,
    pub(super) payload_len: usize,
    pub(super) notes: Vec<Note>,
    pub(super) groups: u64,
    pub(super) announced: bool,
    pub(super) put_off: bool,
}

impl Batch {
    /// True if its sync may be put off by [`super::MAX_PUT_OFF_NS`].
    pub fn is_put_off(&self) -> bool {
        self.put_off
    }

    /// True if somebody waits for it to be written, not only synced.
    pub fn is_announced(&self) -> bool {
        self.announced
    }

    /// Bytes it takes in the log.
    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Its buffer, emptied, for the next [`BatchBuilder::with_buffer`].
    pub fn into_buffer(self) -> Vec<u8> {
        let mut bytes = self.bytes;
        bytes.clear();
        bytes
    }
}

/// Collects the items of a batch. Entries' data is copied once, here. Hard states are put behind
/// all other items, whatever the order of the calls (safety rule 11).
#[derive(Debug)]
pub struct BatchBuilder {
    bytes: Vec<u8>,
    notes: Vec<Note>,
    hard: Vec<(GroupId, HardState)>,
    groups: u64,
    announced: bool,
    put_off: bool,
}

impl Default for BatchBuilder {
    fn default() -> BatchBuilder {
        BatchBuilder::new()
    }
}

impl BatchBuilder {
    /// An empty batch.
    pub fn new() -> BatchBuilder {
        BatchBuilder::with_buffer(Vec::new())
    }

    /// An empty batch that reuses a buffer.
    pub fn with_buffer(mut bytes: Vec<u8>) -> BatchBuilder {
        bytes.clear();
        bytes.resize(HEADER, 0);
        BatchBuilder {
            bytes,
            notes: Vec::new(),
            hard: Vec::new(),
            groups: 0,
            announced: false,
            put_off: false,
        }
    }

    /// Appends an entry at `index`; the group's entries at `index` and above are discarded by it.
    /// Indexes of a group must follow each other without a hole.
    #[inline]
    pub fn entry(&mut self, group: GroupId, index: Index, term: Term, kind: u8, data: &[u8]) {
        let before = self.bytes.len();
        if data.len() >= LONG_ENTRY {
            // At once with what surrounds it: each growth copies all that is there.
            self.bytes.reserve(data.len() + ENTRY_MAX + HARD_MAX + ALIGN);
        }
        Item::Entry { group, index, term, kind, data }.encode(&mut self.bytes);
        let bytes = (self.bytes.len() - before) as u64;
        self.groups |= group_bit(group);
        Note::add_entry(&mut self.notes, group, index, bytes);
    }

    /// Sets a group's hard state; a later call for the same group replaces it.
    pub fn hard_state(&mut self, group: GroupId, hard: HardState) {
        match self.hard.iter_mut().find(|(of, _)| *of == group) {
            Some((_, old)) => *old = hard,
            None => self.hard.push((group, hard)),
        }
    }

    /// Makes a staged snapshot valid and voids what the log held of the group before; its hard
    /// state stays.
    pub fn install(&mut self, group: GroupId, install: Install) {
        self.push(&Item::Install { group, install, repeated: false });
    }

    /// The group's rows are in another tree, as of an index within what the log holds: entries up to it
    /// are not needed any more, those after it stay.
    pub fn replace_rows(&mut self, group: GroupId, install: Install) {
        self.push(&Item::Install { group, install, repeated: true });
    }

    /// Entries of the group up to `index` are not needed any more: they are in a durable checkpoint.
    pub fn floor(&mut self, group: GroupId, index: Index) {
        self.push(&Item::Floor { group, index });
    }

    /// The group has left this node for good: nothing of it is kept, not even its vote. Its id must
    /// not come back with the same replica id.
    pub fn forget(&mut self, group: GroupId) {
        self.hard.retain(|(of, _)| *of != group);
        self.push(&Item::Forget { group });
    }

    /// Somebody waits for this batch to be written: that is told before it is synced.
    pub fn announce(&mut self) {
        self.announced = true;
    }

    /// True if somebody waits for it to be written.
    pub fn is_announced(&self) -> bool {
        self.announced
    }

    /// Nobody waits for this batch to be durable: one sync for several such is enough.
    pub fn put_off(&mut self) {
        self.put_off = true;
    }

    pub(super) fn push(&mut self, item: &Item<'_>) {
        let before = self.bytes.len();
        item.encode(&mut self.bytes);
        self.groups |= item.group().map_or(0, group_bit);
        Note::add(&mut self.notes, item, (self.bytes.len() - before) as u64);
    }

    /// Bytes the batch takes in the log at most; compare with [`super::Log::max_batch`].
    pub fn size(&self) -> u64 {
        (size(self.bytes.len() - HEADER) + self.hard.len() * HARD_MAX) as u64
    }

    /// True if nothing was added.
    pub fn is_empty(&self) -> bool {
        self.notes.is_empty() && self.hard.is_empty()
    }

    /// The finished batch.
    pub fn finish(mut self) -> Batch {
        for (group, hard) in std::mem::take(&mut self.hard) {
            self.push(&Item::Hard { group, hard });
        }
        let payload_len = self.bytes.len() - HEADER;
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGN), 0);
        Batch {
            bytes: self.bytes,
            payload_len,
            notes: self.notes,
            groups: self.groups,
            announced: self.announced,
            put_off: self.put_off,
        }
    }
}

/// Longest encoding of a hard state (tag, group, three numbers: 36), rounded up to the alignment.
const HARD_MAX: usize = 40;

/// The bit of a group in a batch header.
pub(super) fn group_bit(group: GroupId) -> u64 {
    1 << (group.0 % 64)
}
