//! LZF, the compression of strings.
//!
//! A control byte below 32 announces that many literal bytes and one more. Above, its three high bits are the
//! length of a copy of earlier output, minus two (seven: a byte to add follows), and its low five bits with
//! the byte after that how far back the copy starts, minus one. A copy may overlap what it makes.

use crate::Error;
use crate::error::malformed;

/// Most literal bytes behind one control byte.
const LITERALS: usize = 32;
/// Shortest and longest copy.
const COPY: (usize, usize) = (3, 264);
/// How far back a copy may start.
const WINDOW: usize = 1 << 13;
/// Most bytes that one byte of input can become: a copy of 264 takes three.
const EXPANSION: u64 = 88;
/// Largest table of earlier places, in bits.
const TABLE_BITS: u32 = 14;

/// What `input` was before it was compressed to it, `size` bytes.
///
/// # Errors
/// If that is not so. Memory is taken only if so small an input can become so much.
pub(crate) fn decompress(input: &[u8], size: usize) -> Result<Vec<u8>, Error> {
    const WHAT: &str = "LZF string";
    if size as u64 > input.len() as u64 * EXPANSION {
        return Err(malformed(WHAT, "so few bytes can not become so many"));
    }
    let mut out = Vec::with_capacity(size);
    let mut rest = input.iter();
    while let Some(&control) = rest.next() {
        if usize::from(control) < LITERALS {
            let literals = rest.as_slice().get(..=usize::from(control));
            out.extend_from_slice(literals.ok_or(malformed(WHAT, "it ends inside literal bytes"))?);
            rest = rest.as_slice()[usize::from(control) + 1..].iter();
        } else {
            let mut next = || rest.next().copied().ok_or(malformed(WHAT, "it ends inside a copy"));
            let mut length = usize::from(control >> 5) + 2;
            if length == 9 {
                length += usize::from(next()?);
            }
            let back = (usize::from(control & 0x1f) << 8 | usize::from(next()?)) + 1;
            let from = out.len().checked_sub(back).ok_or(malformed(WHAT, "a copy starts before it"))?;
            if out.len() + length > size {
                return Err(malformed(WHAT, "it is longer than announced"));
            }
            copy(&mut out, from, length);
        }
        if out.len() > size {
            return Err(malformed(WHAT, "it is longer than announced"));
        }
    }
    if out.len() < size {
        return Err(malformed(WHAT, "it is shorter than announced"));
    }
    Ok(out)
}

/// Appends `length` bytes from `from` on, which may reach into what is appended.
fn copy(out: &mut Vec<u8>, from: usize, length: usize) {
    let mut left = length;
    while left > 0 {
        // What lies between start and end repeats: each pass doubles it.
        let step = left.min(out.len() - from);
        out.extend_from_within(from..from + step);
        left -= step;
    }
}

/// `input` compressed to fewer than `less_than` bytes, if it can be.
pub(crate) fn compress(input: &[u8], less_than: usize) -> Option<Vec<u8>> {
    let bits = usize::BITS.saturating_sub(input.len().leading_zeros()).clamp(6, TABLE_BITS);
    // Places are counted from one, so that zero is none. Inputs are far below 2^32 bytes.
    let mut table = vec![0u32; 1 << bits];
    let mut out = Vec::with_capacity(less_than.min(input.len()));
    let (mut at, mut literals) = (0, 0);
    while at + COPY.0 <= input.len() {
        let slot = &mut table[slot(&input[at..], bits)];
        let earlier = std::mem::replace(slot, at as u32 + 1) as usize;
        let length = match earlier.checked_sub(1) {
            Some(from) if at - from <= WINDOW => common(input, from, at),
            _ => 0,
        };
        if length < COPY.0 {
            at += 1;
            continue;
        }
        put_literals(&mut out, &input[literals..at]);
        put_copy(&mut out, at - (earlier - 1), length);
        if out.len() >= less_than {
            return None;
        }
        for passed in at + 1..(at + length).min(input.len() - 2) {
            table[self::slot(&input[passed..], bits)] = passed as u32 + 1;
        }
        at += length;
        literals = at;
    }
    put_literals(&mut out, &input[literals..]);
    (out.len() < less_than).then_some(out)
}

/// Where the table keeps the place of the three bytes at the front.
fn slot(bytes: &[u8], bits: u32) -> usize {
    let three = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0]);
    (three.wrapping_mul(0x9e37_79b1) >> (32 - bits)) as usize
}

/// How many bytes at both places are equal, at most the longest copy.
fn common(input: &[u8], from: usize, at: usize) -> usize {
    let pairs = input[at..].iter().zip(&input[from..]).take(COPY.1);
    pairs.take_while(|(a, b)| a == b).count()
}

fn put_literals(out: &mut Vec<u8>, bytes: &[u8]) {
    for piece in bytes.chunks(LITERALS) {
        out.push(piece.len() as u8 - 1);
        out.extend_from_slice(piece);
    }
}

fn put_copy(out: &mut Vec<u8>, back: usize, length: usize) {
    let (back, length) = (back - 1, length - 2);
    out.push((length.min(7) as u8) << 5 | (back >> 8) as u8);
    if length >= 7 {
        out.push((length - 7) as u8);
    }
    out.push(back as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn repetition_becomes_short_and_noise_does_not() {
        let same = vec![b'a'; 10_000];
        let packed = compress(&same, same.len()).unwrap();
        assert!(packed.len() < 130, "{}", packed.len());
        assert_eq!(decompress(&packed, same.len()).unwrap(), same);
        let mut state = 1u64;
        let noise = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
            (state >> 56) as u8
        });
        let noise: Vec<u8> = noise.take(10_000).collect();
        assert_eq!(compress(&noise, noise.len()), None);
    }

    #[test]
    fn a_copy_reaches_back_through_the_whole_window() {
        for gap in [WINDOW - 9, WINDOW - 8, WINDOW - 7] {
            let mut input = b"startsta".to_vec();
            input.extend((0..gap).map(|i| (i / 3) as u8 ^ (i * 7) as u8));
            input.extend_from_slice(b"startsta");
            let packed = compress(&input, usize::MAX).unwrap();
            assert_eq!(decompress(&packed, input.len()).unwrap(), input);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let refused: [(&[u8], usize, &str); 7] = [
            (&[4, b'a'], 5, "ends inside literal"),
            (&[0, b'a', 0x20], 4, "ends inside a copy"),
            (&[0, b'a', 0xe0, 1], 9, "ends inside a copy"),
            (&[0, b'a', 0x20, 1], 4, "starts before"),
            (&[0, b'a', 0x20, 0], 3, "longer"),
            (&[0, b'a', 0x20, 0], 5, "shorter"),
            (&[0, b'a'], 512 << 20, "so few"),
        ];
        for (input, size, why) in refused {
            let error = decompress(input, size).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        assert_eq!(decompress(&[0, b'a', 0x20, 0], 4).unwrap(), b"aaaa");
        assert_eq!(decompress(&[], 0).unwrap(), b"");
    }

    proptest! {
        #[test]
        fn strings_round_trip(bytes in proptest::collection::vec(0u8..4, 0..2000)) {
            let packed = compress(&bytes, usize::MAX).unwrap();
            prop_assert_eq!(decompress(&packed, bytes.len()).unwrap(), bytes);
        }

        #[test]
        fn any_input_is_read_or_refused(bytes: Vec<u8>, size in 0usize..10_000) {
            if let Ok(out) = decompress(&bytes, size) {
                prop_assert_eq!(out.len(), size);
            }
        }
    }
}
