//! Which cells of a large collection the checkpoint being taken lacks.
//!
//! Of a collection that the row store has, those are the ones changed since the last checkpoint, by name. Of one
//! that it does not have, all are due: naming millions of them would hold up the thread of the shard, so the
//! checkpoint walks over them in the order of their names and says how far it is.

use super::cells::Cells;
use super::large::{Body, CellName};

/// A set of names of cells that exist, or that existed when the checkpoint began.
#[derive(Debug, Clone, Default)]
pub(super) struct Due {
    named: Cells,
    rest: Option<Rest>,
}

/// All cells from a name on.
#[derive(Debug, Clone)]
struct Rest {
    from: CellName,
    /// But for those that changed meanwhile: the checkpoint has them as they were.
    taken: Cells,
}

impl Due {
    /// These.
    pub fn named(cells: Cells) -> Due {
        Due { named: cells, rest: None }
    }

    /// All that the collection has.
    pub fn all() -> Due {
        Due { named: Cells::default(), rest: Some(Rest { from: 0, taken: Cells::default() }) }
    }

    /// True if the checkpoint has all.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.named.is_empty() && self.rest.is_none()
    }

    /// Bytes of memory.
    pub fn memory(&self) -> usize {
        self.named.memory() + self.rest.as_ref().map_or(0, |rest| rest.taken.memory())
    }

    /// A cell is about to change, or to come: true if the checkpoint has to get it as it is.
    #[inline]
    pub fn take(&mut self, cell: CellName) -> bool {
        match &mut self.rest {
            None => !self.named.is_empty() && self.named.remove(cell),
            Some(rest) => cell >= rest.from && rest.taken.insert(cell),
        }
    }

    /// Takes some cell that is due; `None` when the checkpoint has all.
    pub fn pop(&mut self, body: &Body) -> Option<CellName> {
        let Some(rest) = &mut self.rest else { return self.named.pop() };
        while let Some(cell) = body.next_cell(rest.from) {
            let Some(next) = cell.checked_add(1) else { break };
            rest.from = next;
            if !rest.taken.remove(cell) {
                return Some(cell);
            }
        }
        self.rest = None;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection::large::Large;
    use crate::collection::packed::{Builder, Packed};
    use model::row::kind;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    type Given = BTreeMap<CellName, Option<Vec<u8>>>;

    /// A collection that a checkpoint has not seen yet, with so many elements.
    fn collection(kind: u8, elements: u32) -> Large {
        let mut builder = Builder::new(kind);
        for n in 0..elements {
            let value: &[u8] = if kind == kind::HASH { b"old" } else { b"" };
            builder.push(&n.to_be_bytes().repeat(4), value);
        }
        Large::from_packed(1, kind, 7, Packed::new(kind, &builder.finish()))
    }

    /// What a checkpoint gets of it that is taken without a pause.
    fn at_once(mut large: Large) -> Given {
        let mut given = Given::new();
        large.begin_capture();
        while large.capture_one(&mut |cell, content| {
            assert!(given.insert(cell, content.map(<[u8]>::to_vec)).is_none())
        }) {}
        given
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_checkpoint_gets_each_cell_as_it_was_when_it_began(
            kind in prop_oneof![Just(kind::HASH), Just(kind::LIST), Just(kind::STREAM)],
            steps in proptest::collection::vec((any::<bool>(), 0u32..700), 1..300),
        ) {
            let mut large = collection(kind, 600);
            let expected = at_once(large.clone());
            let mut given = Given::new();
            let mut sink = |cell, content: Option<&[u8]>| {
                assert!(given.insert(cell, content.map(<[u8]>::to_vec)).is_none(), "twice");
            };
            large.begin_capture();
            for (put, n) in steps {
                large.capture_one(&mut sink);
                let name = n.to_be_bytes().repeat(4);
                match (kind, put) {
                    (kind::LIST, _) => {
                        let at = n as usize % (large.len() + 1);
                        large.splice(at, usize::from(!put && at < large.len()), if put { b"\x03new" } else { b"" }, &mut sink);
                    }
                    (_, true) => { large.put(&name, b"new", &mut sink); }
                    (_, false) => { large.remove(&name, &mut sink); }
                }
            }
            while large.capture_one(&mut sink) {}
            prop_assert!(!large.is_due());
            // Cells that came later are given as absent.
            given.retain(|cell, content| content.is_some() || expected.contains_key(cell));
            prop_assert_eq!(given, expected);
        }
    }
}
