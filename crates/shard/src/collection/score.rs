//! Scores of sorted sets: IEEE 754 doubles, 8 bytes little-endian as an element's value.

use std::cmp::Ordering;

/// The score in an element's value.
#[inline]
pub(crate) fn of(value: &[u8]) -> f64 {
    value.try_into().map_or(0.0, f64::from_le_bytes)
}

/// The order of scores. None is NaN; 0 and -0 are equal, as in Redis.
#[inline]
pub(crate) fn compare(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or(Ordering::Equal)
}

/// The order of a sorted set: by score, then by the bytes of the member.
#[inline]
pub(crate) fn compare_scored(a: (f64, &[u8]), b: (f64, &[u8])) -> Ordering {
    compare(a.0, b.0).then_with(|| a.1.cmp(b.1))
}
