//! Moving rows together, so that the allocator can give back the pages which the others have left.
//!
//! When rows leave memory, what they leave free is spread over nearly all pages of the allocator, and a page with
//! a single row in it can not be given back. Content, order and size of a row stay as they are.

use super::Space;

impl Space {
    /// Looks at the rows from a place on and moves those that `is_sparse` says it of. Ends with the last row, or
    /// when `steps` rows are used up. `None` at the end, else where to go on.
    pub(crate) fn gather(
        &mut self,
        from: usize,
        steps: &mut usize,
        is_sparse: fn(&[u8]) -> bool,
    ) -> Option<usize> {
        for place in from..self.rows.len() {
            if *steps == 0 {
                return Some(place);
            }
            *steps -= 1;
            if let Some(row) = self.rows.at_mut(place) {
                row.gather(is_sparse);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Row;
    use model::{Keyspace, Position};

    #[test]
    fn rows_move_and_stay_what_they_are() {
        let mut space = Space::default();
        let row = |i: u64| Row::new(Position(i), 0, i.to_string().as_bytes(), &[7; 90]);
        (0..200).for_each(|i| space.load(row(i)));
        let sum = |space: &Space| (space.content_sum(Keyspace(0)), space.memory(), space.footprint());
        let places = |space: &Space| -> Vec<usize> {
            (0..200)
                .map(|i| space.get(Position(i), i.to_string().as_bytes()).unwrap().value().as_ptr() as usize)
                .collect()
        };
        let (before, old) = (sum(&space), places(&space));
        assert_eq!(space.gather(0, &mut 100_000, |_| false), None);
        assert_eq!(places(&space), old);
        let (mut at, mut rounds) = (Some(0), 0);
        while let Some(from) = at {
            at = space.gather(from, &mut 50, |_| true);
            rounds += 1;
        }
        assert!(rounds >= 4, "no more than 50 places in a round");
        // A row may get the place that another has left.
        assert!(places(&space).iter().zip(&old).filter(|(new, old)| new != old).count() > 150);
        assert_eq!(sum(&space), before);
    }
}
