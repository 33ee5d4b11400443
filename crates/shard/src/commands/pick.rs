//! Elements at random, as HRANDFIELD, SRANDMEMBER and SPOP pick them.

use crate::collection::{Elements, Pair};
use crate::data::{Data, Stop};
use std::collections::BTreeSet;

/// Most elements that one command picks with repetition.
pub(super) const MAX_PICKS: usize = 1024 * 1024;
/// Most bytes of names and values that one command picks: they fit the reply that another node sends.
pub(super) const MAX_PICKED_BYTES: usize = 16 * 1024 * 1024;
/// From one in so many on, the elements are walked over instead of being looked for one by one.
const WALK: usize = 8;

/// Random numbers of one command (splitmix64), so that they can be drawn while elements are looked at. No part
/// of any replicated state.
pub(super) struct Dice(u64);

impl Dice {
    pub fn new(data: &mut Data<'_>) -> Dice {
        Dice(data.random())
    }

    /// A number below `bound`, 0 if that is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((u128::from(mixed ^ mixed >> 31) * bound as u128) >> 64) as usize
    }

    /// One element.
    pub fn one<'a>(&mut self, elements: Elements<'a>) -> Option<Pair<'a>> {
        elements.at(self.below(elements.len()))
    }

    /// What a count asks for: that many different elements, or with a negative one as many as its absolute
    /// value, each picked from all.
    ///
    /// # Errors
    /// More than [`MAX_PICKS`] with repetition, or [`MAX_PICKED_BYTES`].
    pub fn several<'a>(&mut self, elements: Elements<'a>, count: i64) -> Result<Vec<Pair<'a>>, Stop> {
        let number = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
        let picked = match count {
            0.. => self.different(elements, number),
            _ if elements.is_empty() => Vec::new(),
            _ if number > MAX_PICKS => {
                return Err(Stop::error(format!(
                    "ERR value is out of range: {number} elements with repetition, at most {MAX_PICKS} are allowed"
                )));
            }
            _ => self.repeated(elements, number),
        };
        let bytes: usize = picked.iter().map(|(name, value)| name.len() + value.len()).sum();
        if bytes > MAX_PICKED_BYTES {
            return Err(Stop::error(format!(
                "ERR the elements picked have {bytes} bytes, at most {MAX_PICKED_BYTES} are allowed"
            )));
        }
        Ok(picked)
    }

    fn repeated<'a>(&mut self, elements: Elements<'a>, number: usize) -> Vec<Pair<'a>> {
        let len = elements.len();
        if elements.is_large() {
            return (0..number).filter_map(|_| elements.at(self.below(len))).collect();
        }
        let all: Vec<_> = elements.iter().collect();
        (0..number).filter_map(|_| all.get(self.below(len)).copied()).collect()
    }

    /// So many different elements, or all, in the order of their ranks.
    fn different<'a>(&mut self, elements: Elements<'a>, number: usize) -> Vec<Pair<'a>> {
        let len = elements.len();
        let number = number.min(len);
        if number >= len / WALK || !elements.is_large() {
            // Each in turn with the chance that leaves every choice of so many equally likely.
            let (mut left, mut missing) = (len, number);
            let mut chosen = |_: &Pair<'_>| {
                let take = self.below(left) < missing;
                (left, missing) = (left - 1, missing - usize::from(take));
                take
            };
            return elements.iter().filter(|pair| chosen(pair)).collect();
        }
        // Robert Floyd: every draw adds one, whatever it hits.
        let mut ranks = BTreeSet::new();
        for end in len - number..len {
            let rank = self.below(end + 1);
            if !ranks.insert(rank) {
                ranks.insert(end);
            }
        }
        ranks.into_iter().filter_map(|rank| elements.at(rank)).collect()
    }
}
