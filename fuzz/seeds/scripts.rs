//! Scripts for the targets whose input says what the product's own code does. The bytes are decisions, see
//! the properties; these seeds make sure that every kind of decision stands in the corpus.

use super::Seed;
use env::Rng;

/// Scripts of `len` bytes drawn from a seed, behind the bytes `head`.
fn drawn(seed: u64, head: &[u8], len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    Rng::new(seed).fill(&mut bytes);
    [head, &bytes].concat()
}

pub fn log_segment() -> Vec<Seed> {
    vec![
        ("raw-1", drawn(1, &[0], 200)),
        ("raw-2", drawn(2, &[0], 600)),
        ("raw-3", drawn(3, &[0], 1500)),
        ("written-1", drawn(4, &[1], 100)),
        ("written-2", drawn(5, &[1], 400)),
        ("written-3", drawn(6, &[1], 1200)),
        ("written-4", drawn(7, &[2], 3000)),
        ("written-5", drawn(8, &[3], 4000)),
    ]
}

pub fn snapshot_stream() -> Vec<Seed> {
    vec![
        ("anything", drawn(1, &[0], 300)),
        ("staging-row", drawn(2, &[1], 60)),
        // Three rows, chunks of 40 bytes, all in order.
        ("in-order", [&[2, 3, 1, b'a', 7, 30, 1, b'b', 8, 50, 0, 9, 5, 40, 0][..], &[0; 12]].concat()),
        ("no-rows", vec![2, 0, 0, 0, 0, 0]),
        (
            "staged-and-crashed",
            vec![2, 3, 1, b'a', 7, 30, 1, b'b', 8, 50, 0, 9, 5, 10, 0, 0, 14, 0, 15, 0, 0, 0],
        ),
        ("spoiled-1", drawn(3, &[2], 200)),
        ("spoiled-2", drawn(4, &[2], 800)),
        ("spoiled-3", drawn(5, &[3], 2500)),
    ]
}
