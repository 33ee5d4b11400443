//! How many elements the registers tell of: the estimator of Ertl ("New cardinality estimation algorithms for
//! HyperLogLog sketches", 2017), as Redis uses it since 4.0.

use super::REGISTERS;
use super::hash::COUNTED_BITS;

/// 1 / (2 ln 2).
const ALPHA: f64 = 0.721_347_520_444_481_7;
/// Highest value that an element can give a register.
const HIGHEST: usize = COUNTED_BITS as usize + 1;

/// How many registers have each value.
pub(super) type Histogram = [u32; 64];

/// The estimate, rounded.
pub(super) fn cardinality(histogram: &Histogram) -> u64 {
    let m = REGISTERS as f64;
    let mut z = m * tau((m - f64::from(histogram[HIGHEST])) / m);
    for count in histogram[1..HIGHEST].iter().rev() {
        z = (z + f64::from(*count)) * 0.5;
    }
    z += m * sigma(f64::from(histogram[0]) / m);
    (ALPHA * m * m / z).round() as u64
}

/// x + Σ x^(2^k) 2^(k-1), for registers that are still zero.
fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

/// (1 - x - Σ (1 - x^(2^-k))² 2^-k) / 3, for registers that can rise no more.
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}
