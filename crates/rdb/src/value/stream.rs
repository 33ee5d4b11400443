//! A stream with all its state.

/// The id of an entry: ordered by time, then by number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamId {
    /// Unix time in milliseconds, as whoever added the entry saw it.
    pub ms: u64,
    /// Number among the entries of that millisecond.
    pub sequence: u64,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: StreamId,
    /// Its fields with their values, in order; a field may be there twice.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
}

/// A stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    /// Entries by ascending id, none above `last_id`.
    pub entries: Vec<Entry>,
    /// The highest id ever given.
    pub last_id: StreamId,
    /// Id of the first entry; zero if there is none.
    pub first_id: StreamId,
    /// The highest id that was deleted; zero if none was.
    pub max_deleted_id: StreamId,
    /// Entries ever added.
    pub entries_added: u64,
    /// Consumer groups, no name twice.
    pub groups: Vec<Group>,
}

/// A consumer group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: Vec<u8>,
    /// The id up to which entries were delivered.
    pub last_id: StreamId,
    /// Entries delivered so far; `None` if that is not known.
    pub entries_read: Option<u64>,
    /// Its consumers, no name twice. What was delivered and not acknowledged (the group's pending entries
    /// list) is with the consumer it was delivered to; no id is pending twice in a group.
    pub consumers: Vec<Consumer>,
}

/// A consumer of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Consumer {
    /// Its name.
    pub name: Vec<u8>,
    /// When it was last seen, in Unix milliseconds.
    pub seen_ms: u64,
    /// When it last got an entry, in Unix milliseconds; Redis keeps this since 7.2, and -1 for never. Not written.
    pub active_ms: Option<i64>,
    /// What was delivered to it and not acknowledged, by ascending id.
    pub pending: Vec<Pending>,
}

/// An entry that was delivered and not acknowledged. It may be deleted already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// Its id.
    pub id: StreamId,
    /// When it was last delivered, in Unix milliseconds.
    pub delivered_ms: u64,
    /// How often it was delivered.
    pub deliveries: u64,
}

impl Stream {
    /// How many entries a group has read if it has read up to `id`, for streams of Redis 5 and 6, which did not
    /// keep that number; `None` if deletions make it unknowable.
    pub(crate) fn read_up_to(&self, id: StreamId) -> Option<u64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        if id == self.last_id || (self.entries.is_empty() && id < self.last_id) {
            return Some(self.entries_added);
        }
        let before_first = self.entries_added.checked_sub(self.entries.len() as u64)?;
        let gapless = self.max_deleted_id < self.first_id;
        match id.cmp(&self.first_id) {
            std::cmp::Ordering::Less if gapless => Some(before_first),
            std::cmp::Ordering::Equal if gapless => Some(before_first + 1),
            _ => None,
        }
    }
}
