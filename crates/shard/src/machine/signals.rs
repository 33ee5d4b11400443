//! Keys that somebody waits for (BLPOP and the like): the leader notes which of them commands change.

use model::{Keyspace, Position};
use std::collections::BTreeMap;

/// A key that is waited for: keys that share a position are told apart when the command runs again.
pub type Waited = (Keyspace, Position);

/// See above. Local to the leader.
#[derive(Debug, Default)]
pub struct Signals {
    /// How many wait for each key.
    waited: BTreeMap<Waited, usize>,
    /// Keys that were changed, in order; some twice.
    ready: Vec<Waited>,
}

impl Signals {
    /// Somebody waits for a key.
    pub fn wait(&mut self, key: Waited) {
        *self.waited.entry(key).or_default() += 1;
    }

    /// Somebody does not wait for it any more.
    pub fn leave(&mut self, key: Waited) {
        if let Some(count) = self.waited.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                self.waited.remove(&key);
            }
        }
    }

    /// A command changes a key, and may fail yet.
    #[inline]
    pub(crate) fn changed(&mut self, ks: Keyspace, position: Position) {
        if !self.waited.is_empty() && self.waited.contains_key(&(ks, position)) {
            self.ready.push((ks, position));
        }
    }

    /// Whether a key was changed that is waited for.
    #[inline]
    pub fn any(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Keys that were changed since the last call and are waited for.
    pub fn take(&mut self) -> Vec<Waited> {
        std::mem::take(&mut self.ready)
    }
}
