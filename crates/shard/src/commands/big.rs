//! Natural numbers of any size, as far as exact conversion between decimal and binary needs them.

use std::cmp::Ordering;

/// Decimal digits of one chunk when printing: 10^19 is the largest power of ten below 2^64.
const CHUNK: u64 = 10_000_000_000_000_000_000;

/// A natural number: limbs of 64 bits, lowest first, the highest not zero. Zero has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Big(Vec<u64>);

impl Big {
    pub fn new(value: u64) -> Big {
        Big(if value == 0 { Vec::new() } else { vec![value] })
    }

    /// The number these ASCII digits spell.
    pub fn from_digits(digits: impl Iterator<Item = u8>) -> Big {
        let mut big = Big::new(0);
        digits.for_each(|digit| big.multiply_add(10, u64::from(digit - b'0')));
        big
    }

    pub fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    /// Number of bits without leading zeros.
    pub fn bits(&self) -> u32 {
        self.0.last().map_or(0, |top| self.0.len() as u32 * 64 - top.leading_zeros())
    }

    /// `self = self * factor + add`.
    pub fn multiply_add(&mut self, factor: u64, add: u64) {
        let mut carry = u128::from(add);
        for limb in &mut self.0 {
            carry += u128::from(*limb) * u128::from(factor);
            *limb = carry as u64;
            carry >>= 64;
        }
        if carry != 0 {
            self.0.push(carry as u64);
        }
    }

    /// `self = self * 10^power`.
    pub fn multiply_ten_to(&mut self, power: u32) {
        for _ in 0..power / 19 {
            self.multiply_add(CHUNK, 0);
        }
        self.multiply_add(10u64.pow(power % 19), 0);
    }

    /// `self = self * 2^bits`.
    pub fn shift_left(&mut self, bits: u32) {
        if self.is_zero() || bits == 0 {
            return;
        }
        if !bits.is_multiple_of(64) {
            self.multiply_add(1 << (bits % 64), 0);
        }
        self.0.splice(0..0, std::iter::repeat_n(0, (bits / 64) as usize));
    }

    /// `self = self - other`, which is not larger.
    pub fn subtract(&mut self, other: &Big) {
        let mut borrow = false;
        for (i, limb) in self.0.iter_mut().enumerate() {
            let (value, first) = limb.overflowing_sub(other.0.get(i).copied().unwrap_or(0));
            let (value, second) = value.overflowing_sub(u64::from(borrow));
            (*limb, borrow) = (value, first || second);
        }
        while self.0.pop_if(|top| *top == 0).is_some() {}
    }

    /// The highest 128 bits and whether a bit below them is set: `self >> (bits - 128)`.
    pub fn top(&self) -> (u128, bool) {
        let mut top = 0u128;
        let low = self.bits().saturating_sub(128);
        for bit in (low..self.bits()).rev() {
            top = top << 1 | u128::from(self.0[(bit / 64) as usize] >> (bit % 64) & 1);
        }
        let (limb, rest) = ((low / 64) as usize, low % 64);
        let below = self.0.get(limb).is_some_and(|l| l & ((1 << rest) - 1) != 0);
        (top, below || self.0.iter().take(limb).any(|&l| l != 0))
    }

    /// In decimal.
    pub fn into_decimal(mut self) -> String {
        let mut chunks = Vec::new();
        while !self.is_zero() {
            let mut remainder = 0u128;
            for limb in self.0.iter_mut().rev() {
                remainder = remainder << 64 | u128::from(*limb);
                *limb = (remainder / u128::from(CHUNK)) as u64;
                remainder %= u128::from(CHUNK);
            }
            while self.0.pop_if(|top| *top == 0).is_some() {}
            chunks.push(remainder as u64);
        }
        let mut text = chunks.pop().unwrap_or(0).to_string();
        chunks.iter().rev().for_each(|chunk| text.push_str(&format!("{chunk:019}")));
        text
    }
}

impl PartialOrd for Big {
    fn partial_cmp(&self, other: &Big) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Big {
    fn cmp(&self, other: &Big) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn arithmetic_agrees_with_128_bits(a: u64, b: u64, c in 0u64..1 << 40, shift in 0u32..30) {
            let mut big = Big::new(a);
            big.multiply_add(b, c);
            let product = u128::from(a) * u128::from(b) + u128::from(c);
            prop_assert_eq!(big.clone().into_decimal(), product.to_string());
            prop_assert_eq!(big.bits(), 128 - product.leading_zeros());
            prop_assert_eq!(big.top(), (product, false));
            prop_assert_eq!(&Big::from_digits(product.to_string().bytes()), &big);
            let mut smaller = Big::new(c >> shift);
            smaller.shift_left(shift);
            prop_assert_eq!(smaller <= big, u128::from(c >> shift << shift) <= product);
            if smaller <= big {
                big.subtract(&smaller);
                prop_assert_eq!(big.into_decimal(), (product - u128::from(c >> shift << shift)).to_string());
            }
        }

        #[test]
        fn powers_of_ten_end_in_zeros(value in 1u64.., power in 0u32..200) {
            let mut big = Big::new(value);
            big.multiply_ten_to(power);
            prop_assert_eq!(big.into_decimal(), format!("{value}{}", "0".repeat(power as usize)));
        }

        #[test]
        fn the_top_is_what_a_shift_leaves(value in 1u64.., shift in 128u32..400, low in 0u64..3) {
            let mut big = Big::new(value);
            big.shift_left(shift);
            big.multiply_add(1, low);
            let top = u128::from(value) << u128::from(value).leading_zeros();
            prop_assert_eq!(big.top(), (top, low != 0));
        }
    }
}
