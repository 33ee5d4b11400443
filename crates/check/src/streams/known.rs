//! **Entries**: each has one id, and an id one entry; none was there before it was added.

use super::{Act, Came, Deed, Found, Id, Seen, shown};
use crate::history::{Bytes, shown_bytes};
use std::collections::BTreeMap;

/// The property's name in verdicts.
pub const NAME: &str = "entries";

/// What is known of an entry. Times in ns.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The act that added it, and when that was called.
    pub by: usize,
    /// It was added not before.
    pub called: u64,
    /// It was there from then on, as its adding was answered; `u64::MAX` if it never was.
    pub added: u64,
    /// Something called then may have removed it; `u64::MAX` = nothing.
    pub may_go: u64,
    /// It was removed by then; `u64::MAX` = not known.
    pub gone: u64,
    /// The act that removed it.
    pub gone_by: usize,
}

/// All entries of which the id is known.
pub struct Known {
    /// By id.
    pub by_id: BTreeMap<Id, Entry>,
}

impl Known {
    /// Reads the acts on a stream; what does not fit together is a violation.
    pub fn new(acts: &[Act], found: &mut Found<'_>) -> Known {
        let mut adds: BTreeMap<&Bytes, usize> = BTreeMap::new();
        for (at, act) in acts.iter().enumerate() {
            if let Deed::Add { payload } = &act.deed {
                adds.insert(payload, at);
            }
        }
        let mut known = Known { by_id: BTreeMap::new() };
        let mut id_of: BTreeMap<&Bytes, (Id, usize)> = BTreeMap::new();
        for (at, act) in acts.iter().enumerate() {
            match (&act.deed, &act.came) {
                (Deed::Add { payload }, Came::Added(id)) => {
                    known.learn(&mut id_of, (*id, payload), at, at, found)
                }
                (_, Came::Entries(entries)) => {
                    for (id, payload) in entries {
                        let Some(&by) = adds.get(payload) else {
                            let what = format!("{} was read, which nobody has added", shown_bytes(payload));
                            found.add(NAME, &what, &[at]);
                            continue;
                        };
                        if acts[by].call_ns > act.done_by() {
                            let what = format!("{} was read before it was added", shown_bytes(payload));
                            found.add(NAME, &what, &[by, at]);
                        }
                        known.learn(&mut id_of, (*id, payload), by, at, found);
                    }
                }
                _ => {}
            }
        }
        for (id, entry) in &mut known.by_id {
            entry.called = acts[entry.by].call_ns;
            if matches!(acts[entry.by].came, Came::Added(_)) {
                entry.added = acts[entry.by].done_by();
            } else if acts[entry.by].came == Came::NotDone {
                found.add(NAME, &format!("{} is there, but was not to be added", shown(*id)), &[entry.by]);
            }
        }
        known.removals(acts);
        known
    }

    /// An act shows an entry under an id.
    fn learn<'a>(
        &mut self,
        id_of: &mut BTreeMap<&'a Bytes, (Id, usize)>,
        (id, payload): (Id, &'a Bytes),
        by: usize,
        at: usize,
        found: &mut Found<'_>,
    ) {
        let (before, first) = *id_of.entry(payload).or_insert((id, at));
        if before != id {
            let what = format!("{} has two ids, {} and {}", shown_bytes(payload), shown(before), shown(id));
            found.add(NAME, &what, &[by, first, at]);
        }
        let entry = Entry { by, called: 0, added: u64::MAX, may_go: u64::MAX, gone: u64::MAX, gone_by: 0 };
        let other = self.by_id.entry(id).or_insert(entry).by;
        if other != by {
            found.add(NAME, &format!("two entries have the id {}", shown(id)), &[other, by, at]);
        }
    }

    fn removals(&mut self, acts: &[Act]) {
        for (at, act) in acts.iter().enumerate() {
            let Deed::Delete { id } = &act.deed else { continue };
            let Some(entry) = self.by_id.get_mut(id) else { continue };
            if !matches!(act.came, Came::NotDone | Came::Deleted(false)) {
                entry.may_go = entry.may_go.min(act.call_ns);
            }
            if act.came == Came::Deleted(true) {
                (entry.gone, entry.gone_by) = (act.done_by(), at);
            }
        }
    }

    /// The first entry behind one id and up to another that was there all the while between two times.
    pub fn there(&self, after: Id, upto: Id, call: u64, ret: u64, but: &[Seen]) -> Option<(Id, &Entry)> {
        let range = (std::ops::Bound::Excluded(after), std::ops::Bound::Included(upto));
        if after >= upto {
            return None;
        }
        let there = |(id, entry): &(&Id, &Entry)| {
            entry.added < call && entry.may_go > ret && !but.iter().any(|(seen, _)| seen == *id)
        };
        self.by_id.range(range).find(there).map(|(id, entry)| (*id, entry))
    }
}
