//! From lost effects to what their keys were and would be.

use super::account::{Account, Before, Last, LostEntry, LostRow, Outcome};
use super::{MAX_ACCOUNT_BYTES, digest};
use model::change::Change;
use model::effect::Effect;
use model::row::kind;
use model::varint::Reader;
use model::{Keyspace, Position};
use shard::Machine;
use shard::row::Row;
use std::collections::BTreeMap;

/// Visits all effects in order, each with its entry.
pub(crate) fn each<'a>(
    entries: impl IntoIterator<Item = &'a LostEntry>,
    mut visit: impl FnMut(&'a LostEntry, Effect<'a>),
) {
    for entry in entries {
        let mut r = Reader::new(&entry.effects);
        // Only effects that were read once are kept, and files are checked when they are read.
        while let Ok(effect) = Effect::decode(&mut r) {
            visit(entry, effect);
        }
    }
}

/// Keyspaces and keys of an effect on keys; without a key: all of the keyspace.
pub(crate) fn targets<'a>(
    effect: &Effect<'a>,
) -> impl Iterator<Item = (Keyspace, Option<&'a [u8]>)> + use<'a> {
    let flushed = match *effect {
        Effect::Flush { ks } => Some((ks, None)),
        _ => None,
    };
    let keys = effect.keys().into_iter().flatten().map(|(ks, key)| (ks, Some(key)));
    keys.chain(flushed)
}

/// A key on the way from its state before the first lost effect to that after the last.
struct Draft {
    before: Before,
    last: Last,
}

/// Fills in the rows of an account. `machine`: the replica as of the entry before the first lost one; without
/// it, what the keys were is not known.
pub(crate) fn fill(account: &mut Account, machine: Option<&Machine>) {
    let mut drafts: BTreeMap<(Keyspace, &[u8]), Draft> = BTreeMap::new();
    each(&account.entries, |_, effect| {
        for target in targets(&effect) {
            let (ks, Some(key)) = target else {
                let touched = drafts.iter_mut().filter(|((of, _), _)| *of == target.0);
                touched.for_each(|(_, draft)| draft.last = Last::Absent);
                continue;
            };
            drafts.entry((ks, key)).or_insert_with(|| begin(machine, ks, key));
        }
        follow(&mut drafts, effect);
    });
    let mut size = 0;
    let rows = drafts.into_iter().map(|((ks, key), Draft { before, mut last })| {
        if let Last::Row { value, .. } = &last {
            size += value.len() as u64;
            if size > MAX_ACCOUNT_BYTES {
                // Its effects are kept all the same.
                last = Last::Unknown;
            }
        }
        LostRow { ks, key: key.to_vec(), before, last, outcome: Outcome::Open }
    });
    account.rows = rows.collect();
}

fn begin(machine: Option<&Machine>, ks: Keyspace, key: &[u8]) -> Draft {
    let unknown = Draft { before: Before::Unknown, last: Last::Unknown };
    let known = machine.filter(|machine| !machine.space(ks).is_cold(machine.position(key)));
    let Some(machine) = known else { return unknown };
    match machine.space(ks).get(machine.position(key), key) {
        Some(row) => Draft { before: Before::Row(digest_of(row)), last: last_of(row) },
        None => Draft { before: Before::Absent, last: Last::Absent },
    }
}

/// A row as it is; a collection too large to be kept in an account is not known.
fn last_of(row: &Row) -> Last {
    if row.memory() as u64 > MAX_ACCOUNT_BYTES {
        return Last::Unknown;
    }
    Last::Row { kind: row.kind, expire: row.expire, value: row.whole().into_owned() }
}

/// Names the content of a row, whatever its form.
pub(crate) fn digest_of(row: &Row) -> u128 {
    match row.kind {
        kind::STRING | kind::MANIFEST => digest(row.kind, row.expire, row.value()),
        _ => {
            let halves = [row.content_hash(1), row.content_hash(2)].map(u64::to_be_bytes);
            digest(row.kind, row.expire, &halves.concat())
        }
    }
}

/// [`digest_of`] of a row with its value in one piece.
pub(crate) fn digest_value(kind: u8, expire: u64, value: &[u8]) -> u128 {
    let mut row = Row::new(Position(0), kind, b"", value);
    row.expire = expire;
    digest_of(&row)
}

/// What an effect makes of the keys it names.
fn follow<'a>(drafts: &mut BTreeMap<(Keyspace, &'a [u8]), Draft>, effect: Effect<'a>) {
    match effect {
        Effect::Rename { ks, key, to_ks, to } | Effect::Copy { ks, key, to_ks, to } => {
            let from = drafts.get_mut(&(ks, key)).map(|draft| match effect {
                Effect::Rename { .. } => std::mem::replace(&mut draft.last, Last::Absent),
                _ => draft.last.clone(),
            });
            if let (Some(last), Some(draft)) = (from, drafts.get_mut(&(to_ks, to))) {
                draft.last = last;
            }
        }
        _ => {
            let key = effect.keys()[0];
            if let Some(draft) = key.and_then(|key| drafts.get_mut(&key)) {
                change(&mut draft.last, effect);
            }
        }
    }
}

fn change(last: &mut Last, effect: Effect<'_>) {
    match (effect, &mut *last) {
        (Effect::Put { kind, expire, value, .. }, _) => {
            *last = Last::Row { kind, expire, value: value.to_vec() };
        }
        (Effect::Delete { .. }, _) => *last = Last::Absent,
        (Effect::Patch { offset, bytes, .. }, Last::Row { value, .. }) => {
            let end = offset as usize + bytes.len();
            if value.len() < end {
                value.resize(end, 0);
            }
            value[offset as usize..end].copy_from_slice(bytes);
        }
        (Effect::Expire { expire: new, .. }, Last::Row { expire, .. }) => *expire = new,
        (Effect::Change { kind, change, .. }, _) => change_elements(last, kind, change),
        // A change of a row that is not known.
        (Effect::Patch { .. } | Effect::Expire { .. }, _) => *last = Last::Unknown,
        _ => {}
    }
}

/// A part of a collection changes; what can not be said of a value in one piece is not known.
fn change_elements(last: &mut Last, kind: u8, change: Change<'_>) {
    let row = match std::mem::replace(last, Last::Unknown) {
        Last::Unknown => return,
        Last::Row { kind: of, expire, value } if of == kind => (expire, value),
        Last::Row { .. } => return,
        Last::Absent => (0, Vec::new()),
    };
    *last = match shard::collection::changed(kind, &row.1, change) {
        Some(None) => Last::Absent,
        Some(Some(value)) => Last::Row { kind, expire: row.0, value },
        None => Last::Unknown,
    };
}

#[cfg(test)]
mod tests {
    use super::super::account::{LossId, State};
    use super::*;
    use model::{GroupId, KeyHasher, NodeId};

    const KS: Keyspace = Keyspace(1);

    fn account(effects: &[Effect<'_>]) -> Account {
        let mut bytes = Vec::new();
        effects.iter().for_each(|effect| effect.encode(&mut bytes));
        let count = effects.len() as u64;
        Account {
            id: LossId { group: GroupId(1), term: 1, index: 2 },
            node: NodeId(1),
            at_ms: 0,
            state: State::Suspected,
            not_kept: (0, 0),
            entries: [LostEntry { index: 2, term: 1, time_ms: 0, count, effects: bytes }].into(),
            rows: Vec::new(),
        }
    }

    /// A replica with key `old`, value `hello`.
    fn machine() -> Machine {
        let mut machine = Machine::new(KeyHasher::new(7), 1 << 20, 1);
        let mut entry = model::entry::EntryBuilder::default();
        entry.push(Effect::Put { ks: KS, key: b"old", kind: 0, expire: 0, value: b"hello" });
        machine.apply(1, 1, &entry.finish(10)).unwrap();
        machine
    }

    fn row(value: &[u8], expire: u64) -> Last {
        Last::Row { kind: 0, expire, value: value.to_vec() }
    }

    #[test]
    fn keys_have_what_the_last_effect_left() {
        let (ks, key) = (KS, &b"old"[..]);
        let mut account = account(&[
            Effect::Patch { ks, key, offset: 7, bytes: b"you" },
            Effect::Expire { ks, key, expire: 99 },
            Effect::Put { ks, key: b"new", kind: 0, expire: 0, value: b"1" },
            Effect::Put { ks, key: b"new", kind: 0, expire: 0, value: b"2" },
            Effect::Put { ks, key: b"short", kind: 0, expire: 0, value: b"x" },
            Effect::Delete { ks, key: b"short" },
        ]);
        assert_eq!((account.effects(), account.keys()), (6, 3));
        fill(&mut account, Some(&machine()));
        let found: Vec<_> = account.rows.iter().map(|r| (&r.key[..], r.before, r.last.clone())).collect();
        let hello = Before::Row(digest(0, 0, b"hello"));
        assert_eq!(
            found,
            [
                (&b"new"[..], Before::Absent, row(b"2", 0)),
                (b"old", hello, row(b"hello\0\0you", 99)),
                (b"short", Before::Absent, Last::Absent),
            ]
        );
        fill(&mut account, None);
        let found: Vec<_> = account.rows.iter().map(|r| (r.before, r.last.clone())).collect();
        assert!(found.iter().all(|(before, _)| *before == Before::Unknown));
        assert_eq!(found[0].1, row(b"2", 0));
        assert_eq!(found[1].1, Last::Unknown, "a patch of a row nobody knows");
    }

    #[test]
    fn a_flush_takes_what_was_written_before_it() {
        let ks = KS;
        let put = |key, value| Effect::Put { ks, key, kind: 0, expire: 0, value };
        let mut account = account(&[put(b"a", b"1"), Effect::Flush { ks }, put(b"b", b"2")]);
        fill(&mut account, Some(&machine()));
        let found: Vec<_> = account.rows.iter().map(|r| r.last.clone()).collect();
        assert_eq!(found, [Last::Absent, row(b"2", 0)]);
    }

    #[test]
    fn a_stream_is_followed_with_what_it_says_of_itself() {
        let (ks, key, kind) = (KS, &b"stream"[..], model::row::kind::STREAM);
        let change = |change| Effect::Change { ks, key, kind, change };
        let (first, second, third) = ([1; 16], [2; 16], [3; 16]);
        let effects = [
            change(Change::Put { name: &first, value: b"one" }),
            change(Change::About { bytes: b"last 1" }),
            change(Change::Put { name: &second, value: b"two" }),
            change(Change::About { bytes: b"last 2" }),
            change(Change::RemoveRanks { from: 0, count: 1 }),
            change(Change::Remove { name: &second }),
            change(Change::PutAbout { name: &third, value: b"three", about: b"last 3" }),
        ];
        for upto in 1..=effects.len() {
            let mut account = account(&effects[..upto]);
            let mut machine = machine();
            fill(&mut account, Some(&machine));
            let Last::Row { kind, expire, value } = account.rows[0].last.clone() else {
                panic!("a stream stays, also without entries")
            };
            let mut entry = model::entry::EntryBuilder::default();
            effects[..upto].iter().for_each(|effect| entry.push(*effect));
            machine.apply(2, 1, &entry.finish(10)).unwrap();
            let row = machine.space(ks).get(machine.position(key), key).unwrap();
            assert_eq!(digest_value(kind, expire, &value), digest_of(row), "{upto} effects");
            // What a replay would put there is the same again.
            let mut again = model::entry::EntryBuilder::default();
            again.push(Effect::Put { ks, key, kind, expire, value: &value });
            machine.apply(3, 1, &again.finish(10)).unwrap();
            let row = machine.space(ks).get(machine.position(key), key).unwrap();
            assert_eq!(digest_value(kind, expire, &value), digest_of(row), "{upto} effects, replayed");
        }
    }
}
