//! Reading a tree: as it is now, or as it was when a snapshot was taken.

use std::sync::Arc;

use lsm_tree::{AbstractTree, Guard, IterGuardImpl, SeqNo};

use super::engine::Engine;
use super::tree::damage_or_io;
use crate::rows::batch::check_key;
use crate::rows::{Order, Row, RowError, RowIter, RowRange, RowView};

/// Reads the newest version; `SeqNo::MAX` needs no registration because the engine pins that version for
/// the time of one call or iterator.
pub(super) const NEWEST: SeqNo = SeqNo::MAX;

pub(super) fn get(engine: &Engine, tree: u64, at: SeqNo, key: &[u8]) -> Result<Option<Vec<u8>>, RowError> {
    check_key(key)?;
    let found = engine.tree().get(key, at);
    Ok(found.map_err(|e| damage_or_io(tree, "read", e))?.map(|value| value.to_vec()))
}

pub(super) fn range(
    engine: &Arc<Engine>,
    tree: u64,
    at: SeqNo,
    range: RowRange<'_>,
    order: Order,
) -> Result<RowIter, RowError> {
    if range.is_empty() {
        return Ok(Box::new(std::iter::empty()));
    }
    // The engine panics on longer bounds, and takes an empty one for a key.
    if !range.from.is_empty() {
        check_key(range.from)?;
    }
    range.to.map_or(Ok(()), check_key)?;
    let rows = match range.to {
        Some(to) => engine.tree().range(range.from..to, at, None),
        None => engine.tree().range(range.from.., at, None),
    };
    Ok(Box::new(Iter { rows, order, tree, _engine: Arc::clone(engine) }))
}

pub(super) fn for_each(
    engine: &Engine,
    tree: u64,
    at: SeqNo,
    visit: &mut dyn FnMut(&[u8], &[u8]),
) -> Result<u64, RowError> {
    let mut rows = 0;
    for row in engine.tree().iter(at, None) {
        let (key, value) = row.into_inner().map_err(|e| damage_or_io(tree, "read", e))?;
        visit(&key, &value);
        rows += 1;
    }
    Ok(rows)
}

/// Fields drop in order: the rows before the engine they come from.
struct Iter {
    rows: Box<dyn DoubleEndedIterator<Item = IterGuardImpl> + Send>,
    order: Order,
    tree: u64,
    _engine: Arc<Engine>,
}

impl Iterator for Iter {
    type Item = Result<Row, RowError>;

    fn next(&mut self) -> Option<Result<Row, RowError>> {
        let next = match self.order {
            Order::Ascending => self.rows.next(),
            Order::Descending => self.rows.next_back(),
        };
        Some(match next?.into_inner() {
            Ok((key, value)) => Ok((key.to_vec(), value.to_vec())),
            Err(e) => Err(damage_or_io(self.tree, "read", e)),
        })
    }
}

/// A registered snapshot.
pub(super) struct LsmView {
    engine: Arc<Engine>,
    tree: u64,
    at: SeqNo,
}

impl LsmView {
    pub(super) fn new(engine: Arc<Engine>, tree: u64) -> LsmView {
        let at = engine.register();
        LsmView { engine, tree, at }
    }
}

impl Drop for LsmView {
    fn drop(&mut self) {
        self.engine.release(self.at);
    }
}

impl RowView for LsmView {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, RowError> {
        get(&self.engine, self.tree, self.at, key)
    }

    fn range(&self, bounds: RowRange<'_>, order: Order) -> Result<RowIter, RowError> {
        range(&self.engine, self.tree, self.at, bounds, order)
    }

    fn for_each(&self, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<u64, RowError> {
        for_each(&self.engine, self.tree, self.at, visit)
    }
}
