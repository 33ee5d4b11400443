//! What reading may take of memory.

use crate::Error;

/// Longest string in bytes, as in Redis; packed encodings (a listpack, say) are strings here.
pub const STRING_MAX: u64 = 512 << 20;
/// Most that one value may take in bytes, counted with [`ELEMENT_COST`].
pub const VALUE_MAX: u64 = 2 << 30;
/// What each element of a value counts beside its own bytes, so that a million empty strings count too.
pub const ELEMENT_COST: u64 = 32;

/// Bounds of what is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one string, at most [`STRING_MAX`].
    pub string: u64,
    /// Bytes of one value with [`ELEMENT_COST`] for each of its elements, at most [`VALUE_MAX`]. While a value is
    /// read, one packed string, compressed and not, is in memory beside it.
    pub value: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { string: STRING_MAX, value: VALUE_MAX }
    }
}

impl Limits {
    /// These limits, but none above what the format's code is made for.
    pub(crate) fn capped(self) -> Limits {
        Limits { string: self.string.min(STRING_MAX), value: self.value.min(VALUE_MAX) }
    }

    /// Refuses a string of so many bytes if it is too long; its length otherwise.
    pub(crate) fn string(&self, bytes: u64) -> Result<usize, Error> {
        let fits = usize::try_from(bytes).ok().filter(|_| bytes <= self.string);
        fits.ok_or(Error::StringTooLong { bytes, max: self.string })
    }
}

/// What one value may still take.
#[derive(Debug)]
pub(crate) struct Budget {
    left: u64,
    max: u64,
}

impl Budget {
    /// The whole budget of a value.
    pub(crate) fn new(limits: &Limits) -> Budget {
        Budget { left: limits.value, max: limits.value }
    }

    /// Counts one element of so many bytes, before it is copied.
    pub(crate) fn charge(&mut self, bytes: usize) -> Result<(), Error> {
        let cost = (bytes as u64).saturating_add(ELEMENT_COST);
        self.left = self.left.checked_sub(cost).ok_or(Error::ValueTooLarge { max: self.max })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_count_with_their_cost() {
        let mut budget = Budget::new(&Limits { string: 10, value: 2 * ELEMENT_COST + 1 });
        budget.charge(1).unwrap();
        budget.charge(0).unwrap();
        assert!(matches!(budget.charge(0), Err(Error::ValueTooLarge { max: 65 })));
    }

    #[test]
    fn limits_are_never_above_the_largest() {
        let asked = Limits { string: u64::MAX, value: u64::MAX };
        assert_eq!(asked.capped(), Limits::default());
        assert!(matches!(asked.capped().string(STRING_MAX + 1), Err(Error::StringTooLong { .. })));
        assert_eq!(asked.capped().string(STRING_MAX).unwrap() as u64, STRING_MAX);
    }
}
