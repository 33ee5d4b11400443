//! Which keys of a cache are given up when there is no memory left: Redis's policies by their names
//! (Redis documentation, "Key eviction").

use std::fmt;
use std::str::FromStr;

/// A policy. The number of each is part of a stored format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Eviction {
    /// None is: the keyspace is not a cache.
    #[default]
    No = 0,
    /// The key that was not asked for the longest.
    AllKeysLru = 1,
    /// The key that is asked for the least often.
    AllKeysLfu = 2,
    /// Any key.
    AllKeysRandom = 3,
    /// Of the keys that expire, the one that was not asked for the longest.
    VolatileLru = 4,
    /// Of the keys that expire, the one that is asked for the least often.
    VolatileLfu = 5,
    /// Any key that expires.
    VolatileRandom = 6,
    /// The key that expires first.
    VolatileTtl = 7,
}

impl Eviction {
    /// All policies, by their numbers.
    pub const ALL: [Eviction; 8] = [
        Eviction::No,
        Eviction::AllKeysLru,
        Eviction::AllKeysLfu,
        Eviction::AllKeysRandom,
        Eviction::VolatileLru,
        Eviction::VolatileLfu,
        Eviction::VolatileRandom,
        Eviction::VolatileTtl,
    ];

    /// Redis's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Eviction::No => "noeviction",
            Eviction::AllKeysLru => "allkeys-lru",
            Eviction::AllKeysLfu => "allkeys-lfu",
            Eviction::AllKeysRandom => "allkeys-random",
            Eviction::VolatileLru => "volatile-lru",
            Eviction::VolatileLfu => "volatile-lfu",
            Eviction::VolatileRandom => "volatile-random",
            Eviction::VolatileTtl => "volatile-ttl",
        }
    }

    /// The policy of this number.
    pub fn of_number(number: u8) -> Option<Eviction> {
        Eviction::ALL.get(usize::from(number)).copied()
    }

    /// True if keys are evicted.
    pub fn is_cache(self) -> bool {
        self != Eviction::No
    }

    /// True if keys that do not expire stay.
    pub fn only_volatile(self) -> bool {
        matches!(
            self,
            Eviction::VolatileLru | Eviction::VolatileLfu | Eviction::VolatileRandom | Eviction::VolatileTtl
        )
    }

    /// True if it counts how often keys are asked for.
    pub fn is_lfu(self) -> bool {
        matches!(self, Eviction::AllKeysLfu | Eviction::VolatileLfu)
    }
}

impl fmt::Display for Eviction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Eviction {
    type Err = String;

    /// Reads a name, in any case of letters. The error lists the names.
    fn from_str(text: &str) -> Result<Eviction, String> {
        let found = Eviction::ALL.into_iter().find(|policy| policy.name().eq_ignore_ascii_case(text));
        found.ok_or_else(|| {
            let names = Eviction::ALL.map(Eviction::name).join(", ");
            format!("policy '{text}' does not exist; allowed: {names}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_round_trip() {
        for (number, policy) in Eviction::ALL.into_iter().enumerate() {
            assert_eq!(policy.name().to_uppercase().parse(), Ok(policy));
            assert_eq!((Eviction::of_number(number as u8), policy as usize), (Some(policy), number));
            assert_eq!(policy.only_volatile(), policy.name().starts_with("volatile"));
            assert_eq!(policy.is_lfu(), policy.name().ends_with("lfu"));
        }
        assert_eq!(Eviction::of_number(8), None);
        let error = "lru".parse::<Eviction>().unwrap_err();
        assert!(error.contains("'lru'") && error.contains("noeviction, allkeys-lru,"), "{error}");
    }
}
