//! Positions in no useful order: what a checkpoint has to look at, most of a shard after a load.
//!
//! In pieces, because a single array has up to twice the room it needs, is copied as a whole when it grows, and the pages
//! of its unused half may well be resident (huge ones).

/// Positions of a piece.
const PIECE: usize = 1024;

/// A stack of positions.
#[derive(Debug, Default)]
pub(crate) struct Pile {
    /// All full but the last, which is not empty; only the first grows bit by bit.
    pieces: Vec<Vec<u64>>,
    len: usize,
}

impl Pile {
    /// Number of positions.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True without positions.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Memory, bytes.
    pub fn memory(&self) -> usize {
        self.pieces.iter().map(Vec::capacity).take(1).sum::<usize>() * size_of::<u64>()
            + self.pieces.len().saturating_sub(1) * PIECE * size_of::<u64>()
    }

    /// Adds a position.
    #[inline]
    pub fn push(&mut self, position: u64) {
        self.len += 1;
        match self.pieces.last_mut() {
            Some(last) if last.len() < PIECE => last.push(position),
            last => {
                let mut piece = if last.is_some() { Vec::with_capacity(PIECE) } else { Vec::new() };
                piece.push(position);
                self.pieces.push(piece);
            }
        }
    }

    /// Takes the position that was added last.
    pub fn pop(&mut self) -> Option<u64> {
        let last = self.pieces.last_mut()?;
        let position = last.pop()?;
        if last.is_empty() {
            self.pieces.pop();
        }
        self.len -= 1;
        Some(position)
    }

    /// Up to so many of those that come next, at least one if there are any.
    pub fn top(&self, most: usize) -> &[u64] {
        let last = self.pieces.last().map_or(&[][..], Vec::as_slice);
        &last[last.len().saturating_sub(most)..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_comes_back_and_takes_no_more_than_it_needs() {
        let (mut pile, mut model, mut next) = (Pile::default(), Vec::new(), 0u64);
        for grows in [true, false, true, false] {
            for _ in 0..10_000 {
                next = next.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
                if grows || next >> 60 == 0 {
                    pile.push(next);
                    model.push(next);
                } else {
                    assert_eq!(pile.pop(), model.pop());
                }
                assert_eq!((pile.len(), pile.is_empty()), (model.len(), model.is_empty()));
                let top = pile.top(16);
                assert!(model.ends_with(top) && top.is_empty() == model.is_empty() && top.len() <= 16);
                assert!(pile.memory() <= (model.len() + PIECE) * 8);
            }
        }
        while let Some(position) = model.pop() {
            assert_eq!(pile.pop(), Some(position));
        }
        assert_eq!((pile.pop(), pile.memory()), (None, 0));
    }
}
