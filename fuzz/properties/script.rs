//! Fuzz input read as decisions. It never ends: behind the last byte everything is zero, so every input
//! is a script, and a shorter one a simpler one.

/// Reads decisions from the front of an input.
pub struct Script<'a> {
    rest: &'a [u8],
}

#[allow(dead_code, reason = "each property uses a part of it")]
impl<'a> Script<'a> {
    /// A script.
    pub fn new(data: &'a [u8]) -> Script<'a> {
        Script { rest: data }
    }

    /// True when only zeros follow.
    pub fn is_over(&self) -> bool {
        self.rest.is_empty()
    }

    /// What has not been read.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let (first, rest) = self.rest.split_first().unwrap_or((&0, &[]));
        self.rest = rest;
        *first
    }

    /// A number below `bound` (at most 2^16; 0 if that is 0) of one byte, or two if the bound needs it.
    pub fn below(&mut self, bound: usize) -> usize {
        let low = usize::from(self.byte());
        let number = if bound > 256 { low | usize::from(self.byte()) << 8 } else { low };
        number.checked_rem(bound).unwrap_or(0)
    }

    /// A number: small ones take two bytes, and those near a power of two are as likely as others.
    pub fn number(&mut self) -> u64 {
        let (how, byte) = (self.byte(), self.byte());
        match how % 4 {
            0 | 1 => u64::from(byte),
            2 => (1u64 << (how >> 2)).wrapping_add(u64::from(byte)).wrapping_sub(128),
            _ => u64::from_le_bytes(std::array::from_fn(|_| self.byte())),
        }
    }

    /// Up to `max` bytes (fewer where the script ends), with their length before them.
    pub fn bytes(&mut self, max: usize) -> &'a [u8] {
        let len = self.below(max + 1).min(self.rest.len());
        let (head, rest) = self.rest.split_at(len);
        self.rest = rest;
        head
    }
}
