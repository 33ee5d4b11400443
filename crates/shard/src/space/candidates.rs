//! Which key of a cache goes next. As in Redis, a few keys are drawn for each that goes, and the best of all
//! drawn so far wait in a small pool: nearly the choice of an exact order, without keeping one.

use super::{DUE_TRIES, Space};
use crate::row::Row;
use model::{Eviction, Position};

/// Keys drawn for each that goes; Redis's `maxmemory-samples`.
const SAMPLES: usize = 5;
/// Keys that wait in the pool, as in Redis.
const POOL: usize = 16;
/// Rows that [`Space::sample_volatile`] tries: enough unless few of them expire.
const SAMPLE_TRIES: usize = 64;

/// Keys drawn before and not taken, those that should go first at the end: score and position.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    pool: Vec<(u64, Position)>,
}

/// How much a row should go, the more the sooner.
fn score(policy: Eviction, row: &Row, now_s: u32) -> u64 {
    match policy {
        Eviction::No | Eviction::AllKeysRandom | Eviction::VolatileRandom => 0,
        Eviction::AllKeysLru | Eviction::VolatileLru => now_s.wrapping_sub(row.accessed).into(),
        Eviction::AllKeysLfu | Eviction::VolatileLfu => u64::MAX - u64::from(row.frequency_at(now_s)),
        Eviction::VolatileTtl => u64::MAX - row.expire,
    }
}

impl Candidates {
    fn offer(&mut self, score: u64, position: Position) {
        if self.pool.iter().any(|(_, known)| *known == position) {
            return;
        }
        let at = self.pool.partition_point(|(other, _)| *other < score);
        self.pool.insert(at, (score, position));
        if self.pool.len() > POOL {
            self.pool.remove(0);
        }
    }
}

impl Space {
    /// The key in memory that the policy gives up next, `None`: there is none that it may, or it is hard
    /// to find among many that must stay.
    pub(crate) fn candidate(
        &mut self,
        policy: Eviction,
        now_s: u32,
        mut random: impl FnMut() -> u64,
    ) -> Option<&Row> {
        if policy == Eviction::VolatileTtl {
            // The order of expiry is there: no need to guess.
            return self.first_to_expire();
        }
        for _ in 0..SAMPLES {
            let drawn = match policy.only_volatile() {
                true => self.sample_volatile(random()),
                false => self.sample(random()),
            };
            if let Some((score, position)) = drawn.map(|row| (score(policy, row, now_s), row.position)) {
                self.candidates.offer(score, position);
            }
        }
        while let Some((known, position)) = self.candidates.pool.pop() {
            let still = |row: &&Row| {
                score(policy, row, now_s) >= known && (row.expire != 0 || !policy.only_volatile())
            };
            // It may be gone or cold, or was asked for since.
            if self.at(position).any(|row| still(&row)) {
                return self.at(position).find(still);
            }
        }
        None
    }

    /// A row that expires, chosen by a random number, about evenly where they are many.
    fn sample_volatile(&self, mut random: u64) -> Option<&Row> {
        if self.expiring == 0 {
            return None;
        }
        for _ in 0..SAMPLE_TRIES {
            let drawn = self.sample(random).filter(|row| row.expire != 0);
            if drawn.is_some() {
                return drawn;
            }
            random = random.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23) ^ 1;
        }
        // They are few: the next one in the order of expiry, less evenly.
        let (first, last) = (self.expiry.first()?.0, self.expiry.last()?.0);
        let from = first + random % (last - first + 1);
        let near = self.expiry.range((from, 0)..).take(DUE_TRIES);
        near.flat_map(|&(at, p)| self.at(Position(p)).find(|row| row.expire == at)).next()
    }

    fn first_to_expire(&self) -> Option<&Row> {
        let first = self.expiry.iter().take(DUE_TRIES);
        first.flat_map(|&(at, p)| self.at(Position(p)).find(|row| row.expire == at)).next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(expire: impl Fn(u64) -> u64) -> Space {
        let mut space = Space::default();
        for i in 0..1000 {
            let mut row = Row::new(Position(i), 0, i.to_string().as_bytes(), b"value");
            (row.expire, row.accessed, row.frequency) = (expire(i), 1000 + i as u32, (i / 10) as u8);
            space.insert(row);
        }
        space
    }

    /// Positions of the first `n` keys that go.
    fn first(space: &mut Space, policy: Eviction, n: usize) -> Vec<u64> {
        let mut random = 7_u64;
        let mut next = || {
            random = random.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
            random.rotate_right(29)
        };
        let mut gone = Vec::new();
        for _ in 0..n {
            let Some(row) = space.candidate(policy, 2000, &mut next) else { break };
            let (position, key) = (row.position, row.key().to_vec());
            space.remove(position, &key);
            gone.push(position.0);
        }
        gone
    }

    #[test]
    fn the_longest_not_asked_for_and_the_least_often_asked_for_go_first() {
        for policy in [Eviction::AllKeysLru, Eviction::AllKeysLfu] {
            let gone = first(&mut space(|_| 0), policy, 300);
            assert_eq!(gone.len(), 300);
            let right = gone.iter().filter(|&&position| position < 500).count();
            assert!(right > 290, "{policy}: {right} of 300 are of the half that should go");
        }
        let gone = first(&mut space(|_| 0), Eviction::AllKeysRandom, 300);
        let low = gone.iter().filter(|&&position| position < 500).count();
        assert!((100..200).contains(&low), "{low}");
    }

    #[test]
    fn volatile_policies_leave_keys_that_do_not_expire() {
        let some = |i: u64| if i.is_multiple_of(20) { 9000 - i } else { 0 };
        for policy in [Eviction::VolatileLru, Eviction::VolatileLfu, Eviction::VolatileRandom] {
            let mut space = space(some);
            let gone = first(&mut space, policy, 1000);
            assert!(gone.iter().all(|position| position.is_multiple_of(20)), "{policy}");
            assert_eq!((gone.len(), space.expiring(), space.len()), (50, 0, 950), "{policy}");
        }
        let gone = first(&mut space(some), Eviction::VolatileTtl, 1000);
        let expected: Vec<u64> = (0..50).rev().map(|i| i * 20).collect();
        assert_eq!(gone, expected, "exactly in the order of expiry");
    }

    #[test]
    fn who_was_asked_for_in_the_pool_stays() {
        let mut space = space(|_| 0);
        assert_eq!(first(&mut space, Eviction::AllKeysLru, 1).len(), 1);
        let pool: Vec<Position> = space.candidates.pool.iter().map(|(_, position)| *position).collect();
        assert!(!pool.is_empty());
        for &position in &pool {
            let key = position.0.to_string();
            space.get_mut(position, key.as_bytes()).unwrap().accessed = 2000;
        }
        let gone = first(&mut space, Eviction::AllKeysLru, 200);
        assert!(pool.iter().all(|position| !gone.contains(&position.0)));
    }
}
