//! Cost of the rows in memory, in ns per command: run with
//! `cargo run --release -p everstore-shard --example rows_bench [keys…]`.
//!
//! One leader executes turns of 64 commands on random keys and commits an entry four turns after it
//! was proposed; a follower applies the same entries. Values have 100 bytes, replies go into a buffer.
//! Counted is CPU time of the thread, the least of three rounds, so that a busy machine disturbs little.
#![allow(clippy::disallowed_methods, reason = "a measurement reads its CPU time from /proc")]

use everstore_shard::data::{Context, Done};
use everstore_shard::{Machine, data::Handler};
use model::{KeyHasher, Keyspace, Reply};
use std::collections::{BTreeMap, VecDeque};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TURN: usize = 64;
const IN_FLIGHT: usize = 4;
const VALUE: [u8; 100] = [b'x'; 100];
const ROUNDS: usize = 3;
const KS: Keyspace = Keyspace(0);

/// Takes replies and throws them away at the end of the turn.
#[derive(Default)]
struct Buffer(Vec<u8>);

impl Reply for Buffer {
    fn status(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }
    fn bulk(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
    fn error(&mut self, _: &str) {}
    fn int(&mut self, _: i64) {}
    fn null(&mut self) {}
    fn null_array(&mut self) {}
    fn array(&mut self, _: usize) {}
    fn map(&mut self, _: usize) {}
    fn set(&mut self, _: usize) {}
    fn pairs(&mut self, _: usize) {}
    fn pair(&mut self) {}
    fn map_of_pairs(&mut self, _: usize) {}
    fn map_pair(&mut self) {}
    fn double_text(&mut self, _: &str) {}
    fn boolean(&mut self, _: bool) {}
    fn verbatim(&mut self, _: &str, _: &str) {}
    fn encoded(&mut self, _: &[u8]) {}
    fn written(&self) -> usize {
        self.0.len()
    }
    fn truncate(&mut self, written: usize) {
        self.0.truncate(written);
    }
}

fn set(context: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let key = context.data.key(args[1]);
    context.data.put_string(key, 0, args[2])?;
    context.reply.ok();
    Ok(())
}

/// SET with a time to live of an hour.
fn setex(context: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let key = context.data.key(args[1]);
    let expire = context.data.now() + 3_600_000;
    context.data.put_string(key, expire, args[2])?;
    context.reply.ok();
    Ok(())
}

fn get(context: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let key = context.data.key(args[1]);
    match context.data.string(key)? {
        Some(value) => context.reply.bulk(value),
        None => context.reply.null(),
    }
    Ok(())
}

fn del(context: &mut Context<'_>, args: &[&[u8]]) -> Done {
    let key = context.data.key(args[1]);
    let found = context.data.peek(key)?.is_some();
    context.data.delete(key)?;
    context.reply.int(i64::from(found));
    Ok(())
}

/// CPU time of this thread in ns.
fn cpu() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split(' ').next().unwrap().parse().unwrap()
}

/// Least ns per command on leader and follower by name of the measurement.
type Figures = BTreeMap<(usize, &'static str), (u64, u64)>;

struct Bench {
    /// Touch the keys of a turn before executing it.
    touch: bool,
    figures: Figures,
    measured: usize,
    leader: Machine,
    follower: Machine,
    next: u64,
    committed: u64,
}

impl Bench {
    /// Runs the handler once for every key.
    fn run(&mut self, name: &'static str, handler: Handler, keys: &[Vec<u8>]) {
        let mut entries = VecDeque::new();
        let mut reply = Buffer::default();
        let mut all = Vec::new();
        let start = cpu();
        let wall = 1_000_000 + self.next;
        for turn in keys.chunks(TURN) {
            self.leader.begin(self.next, wall);
            if self.touch {
                turn.iter().for_each(|key| self.leader.touch(KS, self.leader.position(key)));
            }
            for key in turn {
                self.leader.execute(handler, KS, true, &[b"CMD", key, &VALUE], &mut reply);
            }
            reply.0.clear();
            if let Some(entry) = self.leader.take_entry() {
                self.next += 1;
                entries.push_back(entry);
            }
            if self.next.is_multiple_of(128) {
                self.leader.forget_gone();
            }
            if entries.len() > IN_FLIGHT {
                self.commit(&mut entries, &mut all);
            }
        }
        while !entries.is_empty() {
            self.commit(&mut entries, &mut all);
        }
        let leader = cpu() - start;
        let start = cpu();
        for (index, entry) in &all {
            self.follower.apply(*index, 1, entry).unwrap();
        }
        let follower = cpu() - start;
        let figures = self.figures.entry((self.measured, name)).or_insert((u64::MAX, u64::MAX));
        let per_command = |ns: u64| ns / keys.len() as u64;
        *figures = (figures.0.min(per_command(leader)), figures.1.min(per_command(follower)));
        self.measured += 1;
        self.leader.forget_gone();
    }

    fn commit(&mut self, entries: &mut VecDeque<Vec<u8>>, all: &mut Vec<(u64, Vec<u8>)>) {
        let Some(entry) = entries.pop_front() else { return };
        self.committed += 1;
        self.leader.commit_own(self.committed, 1, &entry).unwrap();
        all.push((self.committed, entry));
    }
}

fn shuffled(keys: usize, mut seed: u64) -> Vec<Vec<u8>> {
    let mut keys: Vec<_> = (0..keys).map(|n| format!("key:{n:012}").into_bytes()).collect();
    for at in (1..keys.len()).rev() {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        keys.swap(at, (seed >> 33) as usize % (at + 1));
    }
    keys
}

fn main() {
    let counts: Vec<usize> = std::env::args().skip(1).map(|arg| arg.parse().unwrap()).collect();
    let counts = if counts.is_empty() { vec![100_000, 1_000_000] } else { counts };
    for count in counts {
        println!("{count} keys");
        let (mut plain, mut touched) = (Figures::new(), Figures::new());
        for _ in 0..ROUNDS {
            plain = round(count, false, plain);
            touched = round(count, true, touched);
        }
        for ((key, (leader, follower)), (touched, _)) in plain.iter().zip(touched.values()) {
            let name = key.1;
            println!(
                "{name:<20} leader {leader:>5} ns, keys touched first {touched:>5} ns   follower {follower:>5} ns"
            );
        }
    }
}

fn round(count: usize, touch: bool, figures: Figures) -> Figures {
    let machine = || Machine::new(KeyHasher::new(3), 1 << 20, 1);
    let (leader, follower) = (machine(), machine());
    let mut bench = Bench { touch, figures, measured: 0, leader, follower, next: 1, committed: 0 };
    let (a, b, c) = (shuffled(count, 1), shuffled(count, 2), shuffled(count, 3));
    bench.run("SET new key", set, &a);
    bench.run("SET existing key", set, &b);
    bench.run("GET", get, &c);
    bench.run("SETEX existing key", setex, &b);
    bench.run("SETEX again", setex, &a);
    bench.run("DEL", del, &c);
    bench.figures
}
