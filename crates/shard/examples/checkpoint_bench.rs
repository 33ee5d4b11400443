//! Cost of a checkpoint on the shard thread, in ns per changed row: run with
//! `cargo run --release -p everstore-shard --example checkpoint_bench [keys…]`.
//!
//! A follower holds the keys with values of 100 bytes; some of them, scattered, are set again and then
//! checkpointed in slices of 1024 rows. Shown is the least of the rounds, so that a busy machine
//! disturbs little; for the longest call, that of the round where it was shortest.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a measurement reads the clock")]

use everstore_shard::Machine;
use model::effect::Effect;
use model::entry::EntryBuilder;
use model::{KeyHasher, Keyspace};
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const VALUE: [u8; 100] = [b'x'; 100];
const ROUNDS: usize = 20;
const SLICE_ROWS: usize = 1024;
const KEYS_PER_ENTRY: usize = 64;
const KS: Keyspace = Keyspace(0);

struct Bench {
    machine: Machine,
    index: u64,
    seed: u64,
}

impl Bench {
    fn put(&mut self, keys: &[usize]) {
        for keys in keys.chunks(KEYS_PER_ENTRY) {
            let mut entry = EntryBuilder::default();
            for key in keys {
                let key = format!("key:{key:012}").into_bytes();
                entry.push(Effect::Put { ks: KS, key: &key, kind: 0, expire: 0, value: &VALUE });
            }
            self.index += 1;
            self.machine.apply(self.index, 1, &entry.finish(1_000)).unwrap();
        }
    }

    fn some(&mut self, count: usize, of: usize) -> Vec<usize> {
        let mut next = || {
            self.seed = self.seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (self.seed >> 33) as usize % of
        };
        (0..count).map(|_| next()).collect()
    }

    /// ns of a checkpoint, and of its longest call.
    fn checkpoint(&mut self) -> (u64, u64) {
        let ns = |start: Instant| start.elapsed().as_nanos() as u64;
        let start = Instant::now();
        assert!(self.machine.begin_checkpoint());
        let mut all = ns(start);
        let mut longest = all;
        loop {
            let start = Instant::now();
            let changes = self.machine.checkpoint_slice(SLICE_ROWS);
            all += ns(start);
            longest = longest.max(ns(start));
            if changes.is_some() {
                return (all, longest);
            }
        }
    }
}

fn main() {
    let counts: Vec<usize> = std::env::args().skip(1).map(|arg| arg.parse().unwrap()).collect();
    let counts = if counts.is_empty() { vec![100_000, 1_000_000] } else { counts };
    for count in counts {
        let machine = Machine::new(KeyHasher::new(3), 1 << 20, 1);
        let mut bench = Bench { machine, index: 0, seed: 1 };
        bench.put(&(0..count).collect::<Vec<_>>());
        bench.checkpoint();
        for changed in [1_000, 8_000, 50_000] {
            let (mut least, mut longest) = (u64::MAX, u64::MAX);
            for _ in 0..ROUNDS {
                let keys = bench.some(changed, count);
                bench.put(&keys);
                let (all, call) = bench.checkpoint();
                (least, longest) = (least.min(all), longest.min(call));
            }
            let (per_row, call) = (least / changed as u64, longest / 1000);
            println!(
                "{count:>8} keys, {changed:>6} changed: {per_row:>5} ns per row, longest call {call:>6} µs"
            );
        }
    }
}
