//! Outlook on a key to which only positive numbers are added: it never comes back to a lower one, so no
//! operation may be left behind that needs one.

use super::Item;
use super::values::integer;
use crate::history::{Action, Reply};

const NONE: u32 = u32::MAX;

pub(crate) struct Numbers {
    /// Numbers that operations need to find, ascending, with how many are left.
    needed: Vec<i64>,
    left: Vec<u32>,
    /// Of each item: the place of the number it needs; `NONE` if it does not matter.
    places: Vec<u32>,
}

impl Numbers {
    /// None if other things are done to the key.
    pub fn new(items: &[Item<'_>]) -> Option<Numbers> {
        let grows = |item: &Item<'_>| match item.op.action {
            Action::IncrBy { by } => by > 0,
            _ => item.op.action.is_read(),
        };
        if !items.iter().all(grows) {
            return None;
        }
        let mut needed: Vec<i64> = items.iter().filter_map(need).collect();
        needed.sort_unstable();
        needed.dedup();
        let mut left = vec![0; needed.len()];
        let mut place = |item: &Item<'_>| {
            let place = need(item).and_then(|number| needed.binary_search(&number).ok());
            place.map_or(NONE, |place| {
                left[place] += 1;
                place as u32
            })
        };
        let places = items.iter().map(&mut place).collect();
        Some(Numbers { needed, left, places })
    }

    pub fn take(&mut self, at: u32) {
        if let Some(left) = self.left.get_mut(self.places[at as usize] as usize) {
            *left -= 1;
        }
    }

    pub fn give_back(&mut self, at: u32) {
        if let Some(left) = self.left.get_mut(self.places[at as usize] as usize) {
            *left += 1;
        }
    }

    /// Whether a number from `before` on and below `now` is still needed.
    pub fn left_behind(&self, before: i64, now: i64) -> bool {
        let from = self.needed.partition_point(|number| *number < before);
        let needed = self.needed[from..].iter().zip(&self.left[from..]);
        needed.take_while(|(number, _)| **number < now).any(|(_, left)| *left > 0)
    }
}

/// The number the key must be for the reply.
fn need(item: &Item<'_>) -> Option<i64> {
    match (&item.op.action, item.reply?) {
        (Action::IncrBy { by }, Reply::Integer(sum)) => sum.checked_sub(*by),
        (Action::Get, Reply::Value(value)) => integer(value),
        _ => None,
    }
}
