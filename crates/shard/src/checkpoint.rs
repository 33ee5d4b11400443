//! What a checkpoint writes, and how a shard is loaded again.
//!
//! A checkpoint is the committed state at the index that was applied when it began: rows changed since
//! the last one began, with uncommitted changes taken back, and all of the group's own state. The row
//! store takes it in one atomic step.
//!
//! The thread of the shard must not stand still for it. So it is taken in slices, and commands run in
//! between. Every row says for which checkpoint of its keyspace it is due (`due`). To begin one is to
//! count: from then on changed rows are due for the next one, and a row that is due for the one being
//! taken is copied before it changes. What is uncommitted when it begins is little: it is taken back
//! for that moment and done again, which copies what it changes.
//!
//! Of a large collection the row says only that it is one; what changed in it is due cell by cell
//! (`collection/large.rs`).
//!
//! Invariant: a row that is due for the checkpoint being taken is as it was committed when that began.

mod capture;
mod changes;
mod content;
mod digest;
mod division;
mod load;
mod pile;

pub use changes::{Changes, Litter};
pub use content::{KeyContent, KeyValue};
pub use digest::{Digest, HASHES, Scope};
pub use division::Division;
pub use load::{Applied, Generation};

pub(crate) use capture::{Budget, Capture};
pub(crate) use pile::Pile;

use crate::machine::Machine;
use crate::space::Space;
use crate::undo::Before;
use model::limits::SPACES;
use model::planted::{Bug, is_planted};
use model::row;
use model::varint::{DecodeError, Reader, put_u64};
use model::{Index, Keyspace, Term};
use std::collections::BTreeSet;

/// System row: applied index and term, shard time, rolling hash.
const APPLIED: &[u8] = b"applied";
/// System row prefix: generation of a keyspace.
const GENERATION: &[u8] = b"generation/";
/// System row prefix: floor of an origin of forwarded writes.
const FLOOR: &[u8] = b"floor/";
/// System row prefix: rows set by [`model::effect::Effect::System`].
const OWN: &[u8] = b"own/";

/// A checkpoint being taken.
#[derive(Debug)]
pub(crate) struct Taking {
    /// Applied index and term when it began.
    at: (Index, Term),
    /// What it has, beside what keyspaces hold that are not finished.
    changes: Changes,
    /// The keyspace that is copied now; those before are finished.
    ks: u16,
}

impl Machine {
    /// Rows changed since the last checkpoint began, about.
    pub fn changed_rows(&self) -> usize {
        self.spaces.iter().map(|space| space.changed()).sum()
    }

    /// Memory of the rows changed since the last checkpoint began, about, bytes: of so many rows of mean size.
    pub fn changed_memory(&self) -> usize {
        let mean = |space: &Space| space.memory() / (space.len() - space.cold()).max(1);
        self.spaces.iter().map(|space| space.changed() * mean(space)).sum()
    }

    /// Begins a checkpoint of the state at the applied index. False while another one is taken, and
    /// while a flush is not committed: try again then. What it gets counts as stored: if it can not be
    /// taken or written to its end, the node must not go on with this machine.
    pub fn begin_checkpoint(&mut self) -> bool {
        let flushing =
            |machine: &Machine| machine.undo.iter().any(|change| matches!(change.before, Before::Space(_)));
        if self.taking.is_some() || flushing(self) {
            return false;
        }
        self.as_committed(|machine| {
            for (ks, space) in machine.spaces.iter_mut().enumerate() {
                space.begin_capture(Keyspace(ks as u16));
            }
        });
        let mut changes = Changes::default();
        self.checkpoint_window(&mut changes);
        // Planted: see model/planted.rs
        if !is_planted(Bug::AppliedNotAtomic) {
            self.checkpoint_system(&mut changes);
        }
        self.taking = Some(Box::new(Taking { at: self.applied(), changes, ks: 0 }));
        true
    }

    /// Index and term of the state that the checkpoint being taken will have, and the changed rows that
    /// are still to be looked at for it, about. `None` when none is taken.
    pub fn taking_checkpoint(&self) -> Option<((Index, Term), usize)> {
        let taking = self.taking.as_ref()?;
        Some((taking.at, self.spaces.iter().map(|space| space.uncaptured()).sum()))
    }

    /// Memory of the checkpoint being taken, bytes.
    pub fn checkpoint_memory(&self) -> usize {
        let Some(taking) = &self.taking else { return 0 };
        taking.changes.memory() + self.spaces.iter().map(|space| space.capture_memory()).sum::<usize>()
    }

    /// Goes on with the checkpoint that was begun: looks at up to `rows` changed rows, fewer when they
    /// are large (about a KiB for each is copied). `Some` when it is complete.
    pub fn checkpoint_slice(&mut self, rows: usize) -> Option<Changes> {
        let mut taking = self.taking.take()?;
        let mut budget = Budget::new(rows);
        while taking.ks < SPACES {
            let Some(changes) = self.space_mut(Keyspace(taking.ks)).capture_some(&mut budget) else {
                self.taking = Some(taking);
                return None;
            };
            taking.changes.append(changes);
            taking.ks += 1;
        }
        // Planted: see model/planted.rs
        if is_planted(Bug::AppliedNotAtomic) {
            self.checkpoint_system(&mut taking.changes);
        }
        Some(taking.changes)
    }

    /// A checkpoint in one step. `None` when it can not begin now.
    pub fn checkpoint(&mut self) -> Option<Changes> {
        if self.begin_checkpoint() { self.checkpoint_slice(usize::MAX) } else { None }
    }

    /// Copies all rows of a keyspace into the checkpoint being taken, before they are flushed.
    pub(crate) fn finish_capture(&mut self, ks: Keyspace) {
        let Some(mut taking) = self.taking.take() else { return };
        if let Some(changes) = self.space_mut(ks).capture_some(&mut Budget::new(usize::MAX)) {
            taking.changes.append(changes);
        }
        self.taking = Some(taking);
    }

    fn checkpoint_window(&mut self, changes: &mut Changes) {
        for (slot, id) in self.window.take_dropped() {
            changes.push(&row::answer_name(slot, id), None);
        }
        self.window.take_new(|id, answer| {
            let content = row::encode_answer(answer.time, answer.reply.as_deref());
            changes.push(&row::answer_name(answer.slot, id), Some(&content));
        });
    }

    fn checkpoint_system(&mut self, changes: &mut Changes) {
        let mut put = |prefix: &[u8], name: &[u8], content: &[u8]| {
            changes.push(&row::system_name(&[prefix, name].concat()), Some(content));
        };
        let numbers = |numbers: &[u64]| {
            let mut out = vec![row::FORMAT];
            numbers.iter().for_each(|&n| put_u64(&mut out, n));
            out
        };
        put(APPLIED, b"", &numbers(&[self.applied, self.applied_term, self.shard_time, self.rolling]));
        for (ks, space) in self.spaces.iter().enumerate().filter(|(_, s)| s.generation > 0) {
            put(GENERATION, &(ks as u16).to_be_bytes(), &numbers(&[u64::from(space.generation)]));
        }
        if std::mem::take(&mut self.window.floors_changed) {
            for (node, incarnation, floor) in self.window.floors() {
                let name = [node.0.to_be_bytes(), incarnation.to_be_bytes()].concat();
                put(FLOOR, &name, &numbers(&[floor]));
            }
        }
        let changed: BTreeSet<_> = std::mem::take(&mut self.system_changed).into_iter().collect();
        for name in changed {
            let content = self.system.get(&name).map(|content| &content[..]);
            changes.push(&row::system_name(&[OWN, &name].concat()), content);
        }
    }
}

/// Applied index and term of a stored shard, read from its checkpoint without loading it.
///
/// # Errors
/// A row that can not be read.
pub fn stored_applied(content: &[u8]) -> Result<(Index, Term), DecodeError> {
    let mut r = Reader::new(content);
    match r.u8()? {
        row::FORMAT => Ok((r.u64()?, r.u64()?)),
        other => Err(DecodeError::Version(other)),
    }
}

/// Name of the row in which a checkpoint has a system row of the shard.
pub fn own_name(name: &[u8]) -> Vec<u8> {
    row::system_name(&[OWN, name].concat())
}

/// Name of the row that [`stored_applied`] reads.
pub fn applied_name() -> Vec<u8> {
    row::system_name(APPLIED)
}
