//! Eviction: the leader gives up keys of caches when its node has no memory for them. What goes is an
//! effect like any other, so that all replicas lose the same keys.

use super::housekeeping::EFFECT_BYTES_PER_TURN;
use super::{Machine, next_random};
use crate::data::Data;
use model::limits::KEYSPACES;
use model::planted::{Bug, is_planted};
use model::{Eviction, Keyspace};

/// Keys evicted per call.
const EVICTED_PER_CALL: usize = 2048;

impl Machine {
    /// The keyspace gives up keys by this policy from now on. Only what the leader does depends on it.
    pub fn set_eviction(&mut self, ks: Keyspace, policy: Eviction) {
        if self.eviction(ks) != policy {
            self.policies[usize::from(ks.0)] = policy;
            self.space_mut(ks).candidates = Default::default();
        }
    }

    /// How the keyspace gives up keys.
    #[inline]
    pub fn eviction(&self, ks: Keyspace) -> Eviction {
        self.policies[usize::from(ks.0)]
    }

    /// A random number for the counter of an access, if keys of the keyspace are evicted by it.
    #[inline]
    pub(crate) fn random_for_lfu(&mut self, ks: Keyspace) -> Option<u64> {
        if self.eviction(ks).is_lfu() { Some(self.random()) } else { None }
    }

    /// Keyspaces that are caches, a bit each.
    pub fn caches(&self) -> u32 {
        let caches = (0..KEYSPACES).filter(|&ks| self.eviction(Keyspace(ks)).is_cache());
        caches.fold(0, |set, ks| set | 1 << ks)
    }

    /// Deletes keys of caches until about so many bytes of memory are free, of each cache in proportion to
    /// what it takes, a bounded number a call. Returns the bytes freed; 0: there is nothing to give up.
    /// Call after [`Machine::begin`].
    pub fn evict(&mut self, bytes: usize) -> usize {
        let mut weights = [0; KEYSPACES as usize];
        for (ks, weight) in (0..KEYSPACES).zip(&mut weights) {
            if self.eviction(Keyspace(ks)).is_cache() {
                *weight = self.space(Keyspace(ks)).memory();
            }
        }
        let mut freed = 0;
        for _ in 0..EVICTED_PER_CALL {
            if freed >= bytes || self.pending_bytes() > EFFECT_BYTES_PER_TURN {
                break;
            }
            let Some(ks) = draw(&weights, self.random()) else { break };
            match self.evict_one(ks) {
                0 => weights[usize::from(ks.0)] = 0,
                memory => freed += memory,
            }
        }
        freed
    }

    /// Returns the bytes freed; 0: the keyspace has no key to give up.
    fn evict_one(&mut self, ks: Keyspace) -> usize {
        let (policy, now_s, mut seed) = (self.eviction(ks), (self.time() / 1000) as u32, self.random());
        let next = || next_random(&mut seed);
        let Some(row) = self.space_mut(ks).candidate(policy, now_s, next) else { return 0 };
        let (key, memory) = (row.key().to_vec(), row.memory());
        if is_planted(Bug::EvictedAlone) {
            let position = row.position;
            self.space_mut(ks).remove(position, &key);
            return memory;
        }
        let mut data = Data::new(self, ks, false);
        let key = data.key(&key);
        if data.delete(key) != Ok(true) {
            return 0; // Not possible: its row is in memory.
        }
        self.evicted_keys += 1;
        memory
    }
}

/// A keyspace, by chance in proportion to its weight.
fn draw(weights: &[usize; KEYSPACES as usize], random: u64) -> Option<Keyspace> {
    let total: usize = weights.iter().sum();
    let mut left = (random % total.max(1) as u64) as usize;
    let drawn = weights.iter().position(|&weight| {
        let drawn = left < weight;
        left = left.saturating_sub(weight);
        drawn
    });
    drawn.map(|ks| Keyspace(ks as u16))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::KeyHasher;

    fn machine(caches: &[(u16, Eviction)], keys: &[(u16, usize)]) -> Machine {
        let mut machine = Machine::new(KeyHasher::new(1), 1000, 1);
        machine.begin(1, 1000);
        caches.iter().for_each(|&(ks, policy)| machine.set_eviction(Keyspace(ks), policy));
        for &(ks, count) in keys {
            let mut data = Data::new(&mut machine, Keyspace(ks), false);
            for i in 0..count {
                let name = i.to_string();
                let key = data.key(name.as_bytes());
                data.put_string(key, 0, &[1; 100]).unwrap();
            }
        }
        machine
    }

    fn keys(machine: &Machine) -> [usize; 3] {
        [0, 1, 2].map(|ks| machine.counts(Keyspace(ks)).0)
    }

    #[test]
    fn caches_shrink_in_proportion_and_nothing_else_does() {
        let caches = [(1, Eviction::AllKeysRandom), (2, Eviction::AllKeysLru)];
        let mut machine = machine(&caches, &[(0, 500), (1, 1000), (2, 300)]);
        assert_eq!(machine.caches(), 0b110);
        let before = machine.memory();
        let freed = machine.evict(before / 4);
        assert!(freed >= before / 4 && machine.memory() == before - freed);
        let [durable, large, small] = keys(&machine);
        assert_eq!(durable, 500);
        assert_eq!(machine.evicted_keys as usize, 1300 - large - small);
        assert!(
            (300..700).contains(&(1000 - large)) && (50..250).contains(&(300 - small)),
            "{large} {small}"
        );
        assert!(machine.take_entry().is_some(), "the others are told");
        while machine.evict(usize::MAX) > 0 {}
        assert_eq!(keys(&machine), [500, 0, 0]);
    }

    #[test]
    fn a_cache_without_a_key_that_expires_keeps_what_may_not_go() {
        let mut machine = machine(&[(1, Eviction::VolatileLru)], &[(0, 10), (1, 100)]);
        assert_eq!(machine.evict(usize::MAX), 0);
        let mut data = Data::new(&mut machine, Keyspace(1), false);
        let key = data.key(b"7");
        assert!(data.set_expire(key, 5000).unwrap());
        assert!(machine.evict(usize::MAX) > 0);
        assert_eq!(keys(&machine), [10, 99, 0]);
    }

    #[test]
    fn a_call_gives_up_a_bounded_number_of_keys() {
        let mut machine = machine(&[(1, Eviction::AllKeysLru)], &[(1, 2 * EVICTED_PER_CALL)]);
        machine.evict(usize::MAX);
        assert_eq!(keys(&machine), [0, EVICTED_PER_CALL, 0]);
    }
}
