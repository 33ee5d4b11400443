//! What an account of a replica's tail holds, found before the tail is replaced.

use super::account::{Account, LossId, LostEntry, State};
use super::rows::targets;
use crate::replica::Replica;
use cluster::map::{ModeRow, Replication, mode_name};
use consensus::Entry;
use model::effect::Effect;
use model::entry::EntryReader;
use model::limits::KEYSPACES;
use model::{Index, Keyspace, NodeId};
use std::collections::VecDeque;

/// The asynchronous keyspaces (bit by number) along the entries of a log.
struct Modes {
    asynchronous: u32,
    /// Entries from here on are replaced.
    first: Index,
}

impl Modes {
    /// As of the last applied entry; `unknown`: those that may have been asynchronous, where the replica has
    /// no rows that tell.
    fn new(replica: &Replica, first: Index, unknown: u32) -> Modes {
        let of = |ks: Keyspace| match replica.raft.is_rebuilding() {
            true => unknown >> ks.0 & 1 == 1,
            false => crate::modes::row_of(&replica.machine, ks).mode.replication == Replication::Async,
        };
        let bits = (0..KEYSPACES).filter(|n| of(Keyspace(*n))).map(|n| 1 << n);
        Modes { asynchronous: bits.sum(), first }
    }

    fn holds(&self, ks: Keyspace) -> bool {
        self.asynchronous >> ks.0 & 1 == 1
    }

    /// A change in the log. Towards sync it was obeyed when it was proposed. Towards async when it was
    /// applied: one that is replaced never was (safety rule 21).
    fn note(&mut self, index: Index, name: &[u8], value: Option<&[u8]>) {
        let Some(ks) = (0..KEYSPACES).map(Keyspace).find(|ks| mode_name(*ks) == name) else { return };
        let row = value.and_then(|value| ModeRow::decode(value).ok()).unwrap_or(ModeRow::first());
        match row.mode.replication {
            Replication::Sync => self.asynchronous &= !(1 << ks.0),
            Replication::Async if index < self.first => self.asynchronous |= 1 << ks.0,
            Replication::Async => {}
        }
    }
}

/// The account of a tail that is about to be replaced from `first` on; `None` if nothing in it can have been
/// answered before its commit. `unknown`: see [`Modes::new`].
///
/// An entry may be counted in vain: after the end of a process nobody knows what it had answered, and in an
/// asynchronous keyspace a connection may have asked to wait for the commit. None is left out that was answered.
pub(crate) fn collect(replica: &Replica, first: Index, unknown: u32) -> Option<Account> {
    let mut modes = Modes::new(replica, first, unknown);
    let known = first.min(replica.machine.applied().0 + 1).max(replica.raft.compacted().0 + 1);
    let mut entries = VecDeque::new();
    for entry in replica.raft.entries_from(known) {
        let lost = read(replica, &entry, &mut modes);
        if entry.index >= first {
            entries.push_back(lost);
        }
    }
    // What follows the last effect tells nothing.
    while entries.back().is_some_and(|entry: &LostEntry| entry.count == 0) {
        entries.pop_back();
    }
    let begins = entries.front()?;
    let id = LossId { group: replica.id, term: begins.term, index: begins.index };
    let (state, not_kept, rows) = (State::Suspected, (0, 0), Vec::new());
    let (node, at_ms) = (NodeId::default(), 0);
    Some(Account { id, node, at_ms, state, not_kept, entries, rows })
}

fn read(replica: &Replica, entry: &Entry, modes: &mut Modes) -> LostEntry {
    let (index, term) = (entry.index, entry.term);
    let mut lost = LostEntry { index, term, ..LostEntry::default() };
    let Ok(payload) = consensus::entry_payload(entry) else { return lost };
    let Ok(reader) = EntryReader::new(&payload) else { return lost };
    lost.time_ms = reader.shard_time;
    let answered = replica.may_have_answered(term, index);
    for Found { effect, chosen, .. } in effects(reader) {
        if let Effect::System { name, value } = effect {
            modes.note(index, name, value);
        }
        let wanted = targets(&effect).any(|(ks, _)| chosen || modes.holds(ks));
        if wanted && answered {
            effect.encode(&mut lost.effects);
            lost.count += 1;
        }
    }
    lost
}

/// An effect of an entry.
struct Found<'a> {
    effect: Effect<'a>,
    /// Where it begins in the entry.
    at: usize,
    /// Its connection chose that it may be answered before the commit, whatever its keyspace is.
    chosen: bool,
}

fn effects(mut reader: EntryReader<'_>) -> Vec<Found<'_>> {
    let size = reader.left();
    let mut found: Vec<Found<'_>> = Vec::new();
    loop {
        let at = size - reader.left();
        let Some(Ok(effect)) = reader.next() else { return found };
        if let Effect::Early { bytes } = effect {
            let from = at.saturating_sub(usize::try_from(bytes).unwrap_or(usize::MAX));
            found.iter_mut().rev().take_while(|found| found.at >= from).for_each(|found| found.chosen = true);
        }
        found.push(Found { effect, at, chosen: false });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::entry::EntryBuilder;

    #[test]
    fn what_connections_chose_is_told_from_the_rest_of_an_entry() {
        let put = |key| Effect::Put { ks: Keyspace(2), key, kind: 0, expire: 0, value: b"v" };
        let mut builder = EntryBuilder::default();
        builder.push(put(b"sync"));
        let from = builder.len();
        builder.push(put(b"one"));
        builder.push(Effect::Delete { ks: Keyspace(2), key: b"two" });
        builder.push(Effect::Early { bytes: (builder.len() - from) as u64 });
        builder.push(put(b"later"));
        let entry = builder.finish(5);
        let found = effects(EntryReader::new(&entry).unwrap());
        let chosen = found.iter().filter(|found| found.chosen).flat_map(|found| targets(&found.effect));
        let keys: Vec<_> = chosen.filter_map(|(_, key)| key).collect();
        assert_eq!(keys, [&b"one"[..], b"two"]);
    }
}
