//! What replies further on demand of the state now: a dead end is seen when it is entered, not when the search
//! has tried everything before the reply that shows it.
//!
//! - A value that is still to be read, is not there any more, and that nothing left can write: dead. This is
//!   counted for values that come about in one way only, by being set.
//! - A number that only grows, see [`super::numbers`].
//! - On a key that is only appended to, every value is the beginning of the longest that was read.

use std::collections::BTreeSet;

use super::Item;
use super::model::{Model, State};
use super::numbers::Numbers;
use super::values::ValueId;
use crate::history::{Action, Reply};

const NONE: ValueId = ValueId::MAX;

pub(crate) struct Outlook<'a> {
    /// The longest value that was read, if the key is only appended to.
    longest: Option<&'a [u8]>,
    numbers: Option<Numbers>,
    /// Of each value: operations left that write it, and that read it. Values made later are not counted.
    supply: Vec<u32>,
    demand: Vec<u32>,
    /// Of each item: the value it writes, and the one it reads; `NONE` if not counted.
    writes: Vec<ValueId>,
    reads: Vec<ValueId>,
}

impl<'a> Outlook<'a> {
    pub fn new(items: &[Item<'a>], model: &Model<'_>) -> Outlook<'a> {
        let appended: BTreeSet<&[u8]> = items.iter().filter_map(|item| token(item)).collect();
        let lengths: BTreeSet<usize> = appended.iter().map(|token| token.len()).collect();
        let adds = items.iter().any(|item| matches!(item.op.action, Action::IncrBy { .. }));
        let only_set = |value: &[u8]| {
            let ends_in_token = lengths
                .iter()
                .filter_map(|len| value.len().checked_sub(*len))
                .any(|from| (from < value.len() || value.is_empty()) && appended.contains(&value[from..]));
            let summed = adds && super::values::integer(value).is_some();
            !ends_in_token && !summed
        };
        let (mut supply, mut demand) = (vec![0; model.values.count()], vec![0; model.values.count()]);
        let count = |value: &[u8], counts: &mut Vec<u32>| {
            let Some(id) = model.values.find(value).filter(|_| only_set(value)) else { return NONE };
            counts[id as usize] += 1;
            id
        };
        let writes = items.iter().map(|item| written(item).map_or(NONE, |value| count(value, &mut supply)));
        let writes = writes.collect();
        let reads = items.iter().map(|item| read(item).map_or(NONE, |value| count(value, &mut demand)));
        let reads = reads.collect();
        // What may begin anew at any time neither only grows nor is the beginning of anything.
        let (longest, numbers) =
            if model.evicts() { (None, None) } else { (longest(items), Numbers::new(items)) };
        Outlook { longest, numbers, supply, demand, writes, reads }
    }

    /// Item `at` is in the order now.
    pub fn take(&mut self, at: u32) {
        less(&mut self.supply, self.writes[at as usize]);
        less(&mut self.demand, self.reads[at as usize]);
        if let Some(numbers) = &mut self.numbers {
            numbers.take(at);
        }
    }

    /// Item `at` is not in the order any more.
    pub fn give_back(&mut self, at: u32) {
        more(&mut self.supply, self.writes[at as usize]);
        more(&mut self.demand, self.reads[at as usize]);
        if let Some(numbers) = &mut self.numbers {
            numbers.give_back(at);
        }
    }

    /// Whether a value that is gone with the last step is demanded for ever in vain.
    pub fn is_dead(&self, before: State, now: State, model: &Model<'_>) -> bool {
        if before.value == now.value {
            return false;
        }
        if let Some(numbers) = &self.numbers
            && let (Some(before), Some(now)) = (model.number(before), model.number(now))
        {
            return numbers.left_behind(before, now);
        }
        let value = before.value as usize;
        self.demand.get(value).is_some_and(|demand| *demand > 0) && self.supply.get(value) == Some(&0)
    }

    /// Whether the item, if it appends, may do so to a value of `len` bytes.
    pub fn allows(&self, item: &Item<'_>, len: usize) -> bool {
        match (self.longest, token(item)) {
            (Some(longest), Some(token)) if len < longest.len() => longest[len..].starts_with(token),
            _ => true,
        }
    }
}

fn less(counts: &mut [u32], value: ValueId) {
    if let Some(count) = counts.get_mut(value as usize) {
        *count -= 1;
    }
}

fn more(counts: &mut [u32], value: ValueId) {
    if let Some(count) = counts.get_mut(value as usize) {
        *count += 1;
    }
}

fn token<'a>(item: &Item<'a>) -> Option<&'a [u8]> {
    match &item.op.action {
        Action::Append { value } => Some(value),
        _ => None,
    }
}

fn written<'a>(item: &Item<'a>) -> Option<&'a [u8]> {
    match &item.op.action {
        Action::Set { value, .. } | Action::GetSet { value } | Action::Replace { value, .. } => Some(value),
        _ => None,
    }
}

fn read<'a>(item: &Item<'a>) -> Option<&'a [u8]> {
    match item.reply {
        Some(Reply::Value(value)) => Some(value),
        _ => None,
    }
}

fn longest<'a>(items: &[Item<'a>]) -> Option<&'a [u8]> {
    let only_appended = items.iter().all(|item| token(item).is_some() || item.op.action.is_read());
    if !only_appended {
        return None;
    }
    items.iter().filter_map(read).max_by_key(|value| value.len())
}
