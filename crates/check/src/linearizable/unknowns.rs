//! Operations of unknown outcome: each is executed once or never, at any time from its call on.
//!
//! Two that do the same differ only in their call, so the one that was called first may always be taken
//! first: they form a class, and what was executed of a class is a count.

use hashbrown::HashMap;

use foldhash::fast::FixedState;

use super::Item;
use super::model::Kinds;
use crate::history::{Action, Condition};

/// Which classes were executed how often; only those that were.
pub(crate) type Used = Box<[(u32, u32)]>;

pub(crate) struct Unknowns {
    /// Items of each class by call.
    classes: Vec<Vec<u32>>,
    /// Executed of each class.
    used: Vec<u32>,
}

impl Unknowns {
    pub fn new(items: &[Item<'_>]) -> Unknowns {
        let mut order: Vec<u32> = (0..items.len() as u32).collect();
        order.retain(|at| items[*at as usize].reply.is_none());
        order.sort_by_key(|at| items[*at as usize].call);
        let mut classes: Vec<Vec<u32>> = Vec::new();
        let mut by_action: HashMap<&Action, usize, FixedState> = HashMap::default();
        for at in order {
            let class = *by_action.entry(&items[at as usize].op.action).or_insert_with(|| {
                classes.push(Vec::new());
                classes.len() - 1
            });
            classes[class].push(at);
        }
        let used = vec![0; classes.len()];
        Unknowns { classes, used }
    }

    /// The next item of every class that was called by `until`.
    pub fn open(&self, items: &[Item<'_>], until: u64) -> impl Iterator<Item = (u32, u32)> {
        let next = self.classes.iter().zip(&self.used).enumerate();
        next.filter_map(move |(class, (members, used))| {
            let at = *members.get(*used as usize)?;
            (items[at as usize].call <= until).then_some((class as u32, at))
        })
    }

    /// Takes the next item of a class that has one.
    pub fn take(&mut self, class: u32) -> u32 {
        let used = &mut self.used[class as usize];
        *used += 1;
        self.classes[class as usize][*used as usize - 1]
    }

    /// Gives the item taken last back.
    pub fn give_back(&mut self, class: u32) -> u32 {
        let used = &mut self.used[class as usize];
        *used -= 1;
        self.classes[class as usize][*used as usize]
    }

    pub fn used(&self) -> Used {
        let counts = self.used.iter().enumerate().filter(|(_, count)| **count > 0);
        counts.map(|(class, count)| (class as u32, *count)).collect()
    }

    /// Whether all of `other` is used up here too: what is possible now was possible then.
    pub fn includes(&self, other: &Used) -> bool {
        other.iter().all(|(class, count)| self.used[*class as usize] >= *count)
    }
}

impl Kinds {
    /// Counts an operation that may follow; overwriting ones lead nowhere that was not reached without.
    pub fn note(&mut self, item: &Item<'_>) {
        match item.op.action {
            _ if item.overwrites() => {}
            Action::Append { .. } => self.append = true,
            Action::IncrBy { by } => {
                self.up |= by >= 0;
                self.down |= by < 0;
            }
            Action::Set { condition: Condition::Nx, keep_ttl: false, .. } => self.nx = true,
            _ => self.other = true,
        }
    }
}
