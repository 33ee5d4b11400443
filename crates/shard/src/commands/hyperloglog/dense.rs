//! The dense form: a register of six bits after the other, lowest bits first.

use super::{HEADER, REGISTERS};

/// Bits of a register.
const BITS: usize = 6;
/// Highest value of a register.
pub(super) const MAX: u8 = (1 << BITS) - 1;
/// Bytes of a value in this form.
pub(super) const SIZE: usize = HEADER + REGISTERS * BITS / 8;

/// A register of a dense value.
pub(super) fn get(value: &[u8], register: usize) -> u8 {
    let (byte, shift) = place(register);
    let high = value.get(byte + 1).copied().unwrap_or(0);
    (u16::from_le_bytes([value[byte], high]) >> shift) as u8 & MAX
}

/// Raises a register to `count`. False if it is as high already.
pub(super) fn raise(value: &mut [u8], register: usize, count: u8) -> bool {
    if get(value, register) >= count {
        return false;
    }
    let (byte, shift) = place(register);
    let [clear_low, clear_high] = (u16::from(MAX) << shift).to_le_bytes();
    let [low, high] = (u16::from(count) << shift).to_le_bytes();
    value[byte] = value[byte] & !clear_low | low;
    // The last register ends with the last byte.
    if let Some(next) = value.get_mut(byte + 1) {
        *next = *next & !clear_high | high;
    }
    true
}

fn place(register: usize) -> (usize, usize) {
    let bit = register * BITS;
    (HEADER + bit / 8, bit % 8)
}
