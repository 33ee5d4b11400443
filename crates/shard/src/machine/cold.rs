//! Rows that are not in memory: what is to be fetched, and what comes back.
//!
//! A command that meets a cold row ends with [`crate::Stop::Fetch`], and an entry that changes one is not
//! applied yet. What they want is collected here, handed out once as a [`Fetch`], and brought back by its
//! ticket. Then they run again from the start.

use super::Machine;
use crate::row::Row;
use model::entry::EntryReader;
use model::limits::SPACES;
use model::row;
use model::varint::DecodeError;
use model::{Keyspace, Position};
use std::collections::BTreeMap;

/// Most rows that one fetch brings: what more is wanted is wanted again.
const MAX_WANTED: usize = 4096;
/// Places of the tables that a call of [`Machine::let_go`] looks at, in all keyspaces.
const LET_GO_STEPS: usize = 8192;

/// A row that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its keyspace.
    pub ks: Keyspace,
    /// The keyspace's generation.
    pub generation: u32,
    /// Its position: exactly one row of the row store has it.
    pub position: Position,
    /// Its key, if that is known; another key may be at the position all the same.
    pub key: Option<Box<[u8]>>,
}

/// A list of keys that is wanted: those of the row store that match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyList {
    /// The keyspace.
    pub ks: Keyspace,
    /// The keyspace's generation.
    pub generation: u32,
    /// A glob pattern.
    pub pattern: Vec<u8>,
}

/// A key of the row store: position, expiry (shard time in ms, 0 = never) and the key.
pub type Listed = (Position, u64, Vec<u8>);

/// What is to be read from the row store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fetch {
    /// Number of the fetch, rising.
    pub ticket: u64,
    /// Rows.
    pub wanted: Vec<Wanted>,
    /// Keys.
    pub list: Option<KeyList>,
}

/// Fetches under way and to come.
#[derive(Debug, Default)]
pub(crate) struct Fetching {
    /// Ticket of the last fetch.
    last: u64,
    /// By ticket.
    open: BTreeMap<u64, Fetch>,
    wanted: Vec<Wanted>,
    list: Option<KeyList>,
    /// The newest of the open fetches that bring something that is wanted.
    under_way: u64,
    /// The list that came, for the command that runs again.
    listed: Option<(KeyList, Vec<Listed>)>,
    /// The key that RANDOMKEY had fetched.
    sampled: Option<(Keyspace, Position)>,
}

impl Fetching {
    /// Whatever was wanted and not taken is not wanted any more.
    #[inline]
    pub(crate) fn forget_wanted(&mut self) {
        if !self.wanted.is_empty() || self.under_way != 0 || self.list.is_some() {
            self.wanted.clear();
            self.list = None;
            self.under_way = 0;
        }
    }
}

impl Machine {
    /// Notes that the row at a position is wanted, if it is cold.
    pub fn want(&mut self, ks: Keyspace, position: Position, key: Option<&[u8]>) {
        let space = self.space(ks);
        if !space.is_cold(position) || self.cold.wanted.len() >= MAX_WANTED {
            return;
        }
        match space.fetches(position).filter(|ticket| self.cold.open.contains_key(ticket)) {
            Some(ticket) => self.cold.under_way = self.cold.under_way.max(ticket),
            None => {
                let (generation, key) = (space.generation, key.map(Box::from));
                self.cold.wanted.push(Wanted { ks, generation, position, key });
            }
        }
    }

    /// The fetch that brings what is wanted and not on its way, and the ticket to wait for until trying
    /// again; 0 = nothing is wanted.
    pub fn take_fetch(&mut self) -> (Option<Fetch>, u64) {
        let (wanted, list) = (std::mem::take(&mut self.cold.wanted), self.cold.list.take());
        let under_way = std::mem::take(&mut self.cold.under_way);
        if wanted.is_empty() && list.is_none() {
            return (None, under_way);
        }
        self.cold.last += 1;
        let ticket = self.cold.last;
        wanted.iter().for_each(|w| self.space_mut(w.ks).begin_fetch(w.position, ticket));
        let fetch = Fetch { ticket, wanted, list };
        self.cold.open.insert(ticket, fetch.clone());
        (Some(fetch), ticket)
    }

    /// What a fetch has read: rows by name, and the list if one was wanted. A ticket that is not open is
    /// ignored.
    ///
    /// # Errors
    /// A row that can not be read, or is not there although it must be: the row store is damaged.
    pub fn fetched(
        &mut self,
        ticket: u64,
        rows: Vec<(Vec<u8>, Vec<u8>)>,
        listed: Vec<Listed>,
    ) -> Result<(), DecodeError> {
        let Some(fetch) = self.cold.open.remove(&ticket) else { return Ok(()) };
        let mut whole: Option<(row::KeyName, Row)> = None;
        for (name, content) in rows {
            if let Some((_, id, cell)) = row::split_cell_name(&name) {
                // Behind the row of its key; that of a collection that is gone is not taken.
                if let Some((_, row)) = &mut whole {
                    row.load_cell(id, cell, &content)?;
                }
                continue;
            }
            self.bring(ticket, whole.take());
            let name = row::parse_key_name(&name)?;
            let mut row = Row::stored(name.position, &name.key, &content, self.hasher.seed())?;
            (row.accessed, row.frequency) = ((self.shard_time / 1000) as u32, 1);
            whole = Some((name, row));
        }
        self.bring(ticket, whole);
        self.cold.listed = fetch.list.map(|list| (list, listed));
        for wanted in fetch.wanted {
            let space = self.space_mut(wanted.ks);
            if space.generation == wanted.generation && space.end_fetch(wanted.position, ticket) {
                return Err(DecodeError::Malformed("a row that was stored is not there"));
            }
        }
        Ok(())
    }

    fn bring(&mut self, ticket: u64, row: Option<(row::KeyName, Row)>) {
        let Some((name, row)) = row else { return };
        let space = self.space_mut(name.ks);
        if space.generation == name.generation {
            space.bring(name.ks, ticket, row);
        }
    }

    /// A fetch that was handed out and has not come back.
    pub fn open_fetch(&self, ticket: u64) -> Option<&Fetch> {
        self.cold.open.get(&ticket)
    }

    /// Those who waited for a fetch have run again.
    pub fn forget_listed(&mut self) {
        self.cold.listed = None;
    }

    /// Whether a committed entry changes rows that must be fetched before it is applied. They are wanted.
    ///
    /// # Errors
    /// A payload that can not be read.
    pub fn wants_rows_of(&mut self, payload: &[u8]) -> Result<bool, DecodeError> {
        if self.cold_rows() == 0 || payload.is_empty() {
            return Ok(false);
        }
        let mut any = false;
        for effect in EntryReader::new(payload)? {
            for (ks, key) in effect?.keys().into_iter().flatten() {
                let position = self.hasher.position(key);
                if self.space(ks).is_cold(position) {
                    any = true;
                    self.want(ks, position, Some(key));
                }
            }
        }
        Ok(any)
    }

    /// Keys whose rows are not in memory.
    pub fn cold_rows(&self) -> usize {
        self.spaces.iter().map(|space| space.cold()).sum()
    }

    /// Bytes of memory of the rows and their orders.
    pub fn footprint(&self) -> usize {
        self.spaces.iter().map(|space| space.footprint()).sum()
    }

    /// Looks at rows in memory from a place on and moves those that `is_sparse` says it of, so that the allocator
    /// can give memory back. At most so many places of the tables; where to go on, or `None` at the end.
    pub fn gather(
        &mut self,
        (mut ks, mut place): (u16, usize),
        steps: &mut usize,
        is_sparse: fn(&[u8]) -> bool,
    ) -> Option<(u16, usize)> {
        while ks < SPACES {
            if let Some(on) = self.space_mut(Keyspace(ks)).gather(place, steps, is_sparse) {
                return Some((ks, on));
            }
            (ks, place) = (ks + 1, 0);
        }
        None
    }

    /// Lets rows go that are in the row store and were not asked for lately, about so many bytes, and looks
    /// at a bounded number of rows for it. Returns the bytes freed. No checkpoint may be written. Keyspaces
    /// in `spare`, a bit each, keep theirs.
    /// While rows are fetched nothing goes unless it is urgent: a command may need many, one fetch after the
    /// other.
    pub fn let_go(&mut self, bytes: usize, urgent: bool, spare: u32) -> usize {
        if !urgent && !self.cold.open.is_empty() {
            return 0;
        }
        // A list is made from what is in the row store: until it is here, nothing else gets there.
        if self.taking.is_some() || self.cold.open.values().any(|fetch| fetch.list.is_some()) {
            return 0;
        }
        self.cold.listed = None; // It would lack what goes now.
        let (mut freed, mut steps) = (0, LET_GO_STEPS);
        for ks in (0..SPACES).map(Keyspace).filter(|ks| spare >> ks.0 & 1 == 0) {
            let space = self.space_mut(ks);
            let share = steps;
            let mut left = share;
            freed += space.let_go(ks, bytes.saturating_sub(freed), &mut left);
            steps -= share - left;
        }
        freed
    }

    /// While a shard is loaded: memory for its rows, bytes. What exceeds it stays in the row store.
    pub fn set_load_limit(&mut self, bytes: usize) {
        self.load_limit = bytes;
    }

    /// A row was loaded: the one before it is let go if there is no room for both.
    pub(crate) fn limit_load(&mut self, ks: Keyspace, before: Option<Position>) {
        let limit = self.load_limit;
        let space = self.space_mut(ks);
        if let Some(before) = before.filter(|&before| Some(before) != space.last_loaded())
            && space.footprint() > limit
        {
            space.let_go_at(ks, before);
        }
    }

    // ---- for commands that look at a whole keyspace ----

    /// The keys of a keyspace that are not in memory and match, not expired at `now`; `None`: they have to
    /// be listed first.
    pub(crate) fn cold_keys(&mut self, ks: Keyspace, pattern: &[u8], now: u64) -> Option<Vec<Vec<u8>>> {
        let space = self.space(ks);
        if space.cold() == 0 {
            return Some(Vec::new());
        }
        let list = KeyList { ks, generation: space.generation, pattern: pattern.to_vec() };
        match &self.cold.listed {
            Some((made, listed)) if *made == list => {
                let live = |&&(position, expire, _): &&Listed| {
                    space.is_cold(position) && (expire == 0 || expire > now)
                };
                Some(listed.iter().filter(live).map(|(_, _, key)| key.clone()).collect())
            }
            _ => {
                self.cold.list = Some(list);
                None
            }
        }
    }

    /// Some key of a keyspace: its row, `Ok(None)` without keys.
    ///
    /// # Errors
    /// Its row has to be fetched.
    pub(crate) fn sample(&mut self, ks: Keyspace) -> Result<Option<&Row>, crate::Stop> {
        let random = self.random();
        if let Some((_, position)) = self.cold.sampled.take().filter(|(sampled, _)| *sampled == ks)
            && self.space(ks).at(position).next().is_some()
        {
            return Ok(self.space(ks).at(position).next());
        }
        if let Some(Err(position)) = self.space(ks).sample_any(random) {
            self.cold.sampled = Some((ks, position));
            self.want(ks, position, None);
            return Err(crate::Stop::Fetch);
        }
        Ok(self.space(ks).sample_any(random).and_then(Result::ok))
    }
}
