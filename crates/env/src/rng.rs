//! A small, fast, seedable generator, so that a seed replays a run. Not for secrets: those come
//! from [`crate::os_random`].

use crate::sys::os_random;
use std::io;

/// xoshiro256** (Blackman and Vigna), seeded through splitmix64.
#[derive(Clone, Debug)]
pub struct Rng {
    state: [u64; 4],
}

impl Rng {
    /// The generator of this seed.
    pub fn new(seed: u64) -> Rng {
        let mut x = seed;
        let state = std::array::from_fn(|_| {
            x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        });
        Rng { state }
    }

    /// A generator seeded by the operating system.
    ///
    /// # Errors
    /// As [`os_random`].
    pub fn from_os() -> io::Result<Rng> {
        let mut seed = [0; 8];
        os_random(&mut seed)?;
        Ok(Rng::new(u64::from_le_bytes(seed)))
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        let s = &mut self.state;
        let result = s[1].wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// A number in `0..bound`; 0 if `bound` is 0. The bias is below `bound / 2^64`.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// True in `times` of `of` cases.
    pub fn chance(&mut self, times: u64, of: u64) -> bool {
        self.below(of) < times
    }

    /// Fills `buf`.
    pub fn fill(&mut self, buf: &mut [u8]) {
        for part in buf.chunks_mut(8) {
            let bytes = self.next_u64().to_le_bytes();
            part.copy_from_slice(&bytes[..part.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_replays_and_below_stays_below() {
        let (mut a, mut b) = (Rng::new(1), Rng::new(1));
        let first: Vec<u64> = (0..8).map(|_| a.next_u64()).collect();
        assert_eq!(first, (0..8).map(|_| b.next_u64()).collect::<Vec<_>>());
        assert_ne!(first[0], Rng::new(2).next_u64());
        let mut seen = [false; 5];
        (0..200).for_each(|_| seen[a.below(5) as usize] = true);
        assert_eq!(seen, [true; 5]);
        assert_eq!(a.below(0), 0);
        let mut bytes = [0; 13];
        a.fill(&mut bytes);
        assert_ne!(bytes, [0; 13]);
        assert_ne!(Rng::from_os().unwrap().next_u64(), Rng::from_os().unwrap().next_u64());
    }

    #[test]
    fn matches_the_reference_implementation_of_splitmix64() {
        // First outputs of splitmix64 for seed 0, from its reference code.
        let state = Rng::new(0).state;
        assert_eq!(state[0], 0xe220_a839_7b1d_cdaf);
        assert_eq!(state[1], 0x6e78_9e6a_a1b9_65f4);
    }
}
