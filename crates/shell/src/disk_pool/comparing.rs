//! Hashing what a tree holds as of a checkpoint, part by part, to be compared with other replicas.
//!
//! The first part takes a snapshot of the tree, so that later checkpoints change nothing of what is read. Disk space
//! of what they replace is kept until the last part.

use super::lane::Lane;
use model::{GroupId, Index};
use node::JobDone;
use node::compare::Hashed;
use shard::checkpoint::{Applied, Digest, Scope};
use storage::rows::{Order, RowError, RowRange, RowStores, RowView};

/// Bytes of rows that a part has, about.
const PART_BYTES: u64 = 1 << 20;

/// A tree that is being hashed.
pub(super) struct Comparing {
    tree: u64,
    at: Index,
    view: Box<dyn RowView>,
    digest: Digest,
    /// Name of the last row that was looked at, and a zero; empty at first.
    from: Vec<u8>,
}

impl Comparing {
    /// The tree it reads.
    pub(super) fn tree(&self) -> u64 {
        self.tree
    }

    fn open(stores: &dyn RowStores, tree: u64, at: Index, scope: Scope) -> Result<Comparing, RowError> {
        let view = stores.open(tree)?.snapshot()?;
        Ok(Comparing { tree, at, view, digest: Digest::new(scope), from: Vec::new() })
    }

    /// Bytes of the next rows, and whether they were the last.
    fn part(&mut self) -> Result<(u64, bool), RowError> {
        let mut bytes = 0;
        for found in self.view.range(RowRange::starting_at(&self.from), Order::Ascending)? {
            if bytes >= PART_BYTES {
                return Ok((bytes, false));
            }
            let (mut name, content) = found?;
            bytes += (name.len() + content.len()) as u64;
            let added = self.digest.add(&name, &content);
            added.map_err(|error| RowError::Stream(format!("a row can not be read: {error}")))?;
            name.push(0);
            self.from = name;
        }
        Ok((bytes, true))
    }

    fn hashes(self) -> Result<Vec<u64>, RowError> {
        let at = self.at;
        let (hashes, applied): (_, Option<Applied>) = self.digest.finish();
        match applied {
            Some(applied) if applied.index == at => Ok(hashes),
            _ => Err(RowError::Stream(format!("the rows are not as of entry {at}"))),
        }
    }
}

impl Lane {
    /// Goes on with a tree, or begins with it if its scope is told.
    pub(super) fn compare(
        &mut self,
        stores: &dyn RowStores,
        (group, tree, at): (GroupId, u64, Index),
        first: Option<Scope>,
    ) -> JobDone {
        let result = self.compare_part(stores, (tree, at), first);
        let damaged = matches!(result, Err(RowError::Damaged { .. }));
        let result = result.map_err(|error| error.to_string());
        JobDone::Compared { group, tree, at, result, damaged }
    }

    fn compare_part(
        &mut self,
        stores: &dyn RowStores,
        (tree, at): (u64, Index),
        first: Option<Scope>,
    ) -> Result<Hashed, RowError> {
        let before = self.comparing.take().filter(|before| (before.tree, before.at) == (tree, at));
        let mut comparing = match (first, before) {
            (Some(scope), _) => Comparing::open(stores, tree, at, scope)?,
            (None, Some(before)) => before,
            (None, None) => {
                return Err(RowError::Stream("the tree is not being read any more".to_owned()));
            }
        };
        let (bytes, last) = comparing.part()?;
        if last {
            return Ok(Hashed { bytes, hashes: Some(comparing.hashes()?) });
        }
        self.comparing = Some(comparing);
        Ok(Hashed { bytes, hashes: None })
    }
}

#[cfg(test)]
mod tests;
