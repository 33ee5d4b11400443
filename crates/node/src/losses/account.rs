//! The loss account: what a replica's log held of asynchronous writes, where the log of the next leader
//! replaced it.

use model::{GroupId, Index, Keyspace, NodeId, ShardId, Term};
use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::str::FromStr;

/// Names an account: the place in its shard's log at which it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LossId {
    /// The shard's group.
    pub group: GroupId,
    /// Term of the first entry.
    pub term: Term,
    /// Index of the first entry.
    pub index: Index,
}

/// What is known of the fate of an account's entries (safety rule 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// They were replaced here, and may still be committed elsewhere.
    Suspected,
    /// Entries of another term are committed in their place.
    Lost,
    /// A snapshot jumped over them, and nobody has told whether it holds them.
    Undecided,
}

impl State {
    /// The word for a person.
    pub fn word(self) -> &'static str {
        match self {
            State::Suspected => "suspected",
            State::Lost => "lost",
            State::Undecided => "undecided",
        }
    }
}

/// An entry that was replaced, with its effects on keys of asynchronous keyspaces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LostEntry {
    /// Its index.
    pub index: Index,
    /// Its term.
    pub term: Term,
    /// Its shard time, ms since 1970.
    pub time_ms: u64,
    /// Number of effects.
    pub count: u64,
    /// The effects, encoded one after the other ([`model::effect::Effect::encode`]).
    pub effects: Vec<u8>,
}

/// What a key was before the loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// Not known: this replica never was in that state.
    Unknown,
    /// It did not exist.
    Absent,
    /// It had this content, by its digest ([`super::digest`]).
    Row(u128),
}

/// What a key would be without the loss.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Last {
    /// Not known: the effects change a row that is not known.
    Unknown,
    /// It would not exist.
    Absent,
    /// It would be this row.
    Row {
        /// Type tag of the value.
        kind: u8,
        /// Shard time of its expiry in ms, 0 = never.
        expire: u64,
        /// The encoded value.
        value: Vec<u8>,
    },
}

/// What the last replay did with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// None was tried, or it did not get through.
    Open,
    /// It was given its lost state.
    Written,
    /// It was in its lost state.
    Already,
    /// It was changed since the loss, and left alone.
    Changed,
}

impl Outcome {
    /// The word for a person.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Open => "open",
            Outcome::Written => "written",
            Outcome::Already => "already",
            Outcome::Changed => "changed",
        }
    }
}

/// A key that lost effects concern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostRow {
    /// Its keyspace.
    pub ks: Keyspace,
    /// The key.
    pub key: Vec<u8>,
    /// What it was before.
    pub before: Before,
    /// What it would be.
    pub last: Last,
    /// What became of it since.
    pub outcome: Outcome,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub id: LossId,
    /// The node that keeps it.
    pub node: NodeId,
    /// When it was written, wall clock, ms since 1970.
    pub at_ms: u64,
    /// What is known of its fate.
    pub state: State,
    /// Number and bytes of effects that are not kept, because there was no room for them.
    pub not_kept: (u64, u64),
    /// The replaced entries whose fate is open or that are lost, without a gap.
    pub entries: VecDeque<LostEntry>,
    /// The keys; made when the fate is known.
    pub rows: Vec<LostRow>,
}

impl Account {
    /// Effects on keys, those that are not kept included.
    pub fn effects(&self) -> u64 {
        self.entries.iter().map(|entry| entry.count).sum::<u64>() + self.not_kept.0
    }

    /// Bytes of the effects that are kept.
    pub fn bytes(&self) -> u64 {
        self.entries.iter().map(|entry| entry.effects.len() as u64).sum()
    }

    /// Bytes of memory and of its file, roughly.
    pub fn size(&self) -> u64 {
        let row = |row: &LostRow| {
            let value = if let Last::Row { value, .. } = &row.last { value.len() } else { 0 };
            (row.key.len() + value + 64) as u64
        };
        self.bytes() + 64 * self.entries.len() as u64 + self.rows.iter().map(row).sum::<u64>()
    }

    /// Keys that its effects name.
    pub fn keys(&self) -> u64 {
        let mut keys = BTreeSet::new();
        super::rows::each(&self.entries, |_, effect| {
            keys.extend(effect.keys().into_iter().flatten());
        });
        keys.len() as u64
    }

    /// Whether every entry with effects of the other is among its own.
    pub fn covers(&self, other: &Account) -> bool {
        let held: BTreeSet<_> = self.entries.iter().map(|entry| (entry.index, entry.term)).collect();
        let needed = other.entries.iter().filter(|entry| entry.count > 0);
        self.id.group == other.id.group
            && needed.into_iter().all(|entry| held.contains(&(entry.index, entry.term)))
    }

    /// There was no room: only the numbers are kept.
    pub fn strip(&mut self) {
        self.not_kept = (self.effects(), self.bytes() + self.not_kept.1);
        for entry in &mut self.entries {
            (entry.count, entry.effects) = (0, Vec::new());
        }
        self.rows.clear();
    }
}

impl fmt::Display for LossId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shard = self.group.shard().map_or(0, |shard| shard.0);
        write!(f, "{shard}-{}-{}", self.term, self.index)
    }
}

impl FromStr for LossId {
    type Err = String;

    fn from_str(text: &str) -> Result<LossId, String> {
        let bad = || format!("'{text}' names no loss; allowed: SHARD-TERM-INDEX, as LOSSES LIST shows it");
        let mut parts = text.split('-');
        let mut next = || parts.next().and_then(|part| part.parse::<u64>().ok());
        let (Some(shard), Some(term), Some(index)) = (next(), next(), next()) else { return Err(bad()) };
        let shard = u16::try_from(shard).map_err(|_| bad())?;
        let id = LossId { group: ShardId(shard).group(), term, index };
        // One text per name: it is also that of the file.
        if id.to_string() == text { Ok(id) } else { Err(bad()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_shown_and_nothing_else() {
        let id = LossId { group: ShardId(3).group(), term: 17, index: 1042 };
        assert_eq!(id.to_string(), "3-17-1042");
        assert_eq!("3-17-1042".parse(), Ok(id));
        for bad in ["", "3", "3-17", "3-17-1042-1", "03-17-1042", "3-17-x", "70000-1-1", "../1-1"] {
            let error = bad.parse::<LossId>().unwrap_err();
            assert!(error.contains(&format!("'{bad}' names no loss")), "{error}");
        }
    }
}
