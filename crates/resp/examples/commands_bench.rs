//! What commands cost a shard, without sockets, log and consensus: nanoseconds to execute one with its reply on the
//! leader, to commit it there, and to apply it on a follower. `cargo run --profile quick -p everstore-resp
//! --example commands_bench -- [NAME ...]`
//!
//! Of many short runs the fastest tenth counts, so that a busy machine disturbs little.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a tool for developers measures time"
)]

use everstore_resp::{Proto, Resp};
use model::{KeyHasher, Keyspace};
use shard::Machine;
use shard::commands::handler;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Commands of an entry: a turn of 50 connections with some in the pipeline.
const BATCH: u64 = 64;
/// Measured batches.
const BATCHES: u64 = 3000;
const KEYS: u64 = 100_000;
const KS: Keyspace = Keyspace(1);

/// Name of the test, words of the n-th command, and of the commands before.
type Test = (&'static str, fn(u64) -> String, fn(u64) -> Option<String>);

/// A number that looks like any other, below [`KEYS`].
fn random(n: u64) -> u64 {
    let mixed = (n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ mixed >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 20
}

fn key(n: u64) -> u64 {
    random(n) % KEYS
}

fn nothing(_: u64) -> Option<String> {
    None
}

/// As many elements as are taken, and some more.
fn taken(n: u64) -> bool {
    n < BATCH * BATCHES + 100
}

const TESTS: &[Test] = &[
    ("set", |n| format!("set key:{:012} xxx", key(n)), nothing),
    ("get", |n| format!("get key:{:012}", key(n)), |n| (n < KEYS).then(|| format!("set key:{n:012} xxx"))),
    ("incr", |n| format!("incr counter:{:012}", key(n)), nothing),
    ("lpush", |_| "lpush mylist xxx".into(), nothing),
    ("rpush", |_| "rpush mylist xxx".into(), nothing),
    ("lpop", |_| "lpop mylist".into(), |n| taken(n).then(|| "rpush mylist xxx".into())),
    ("rpop", |_| "rpop mylist".into(), |n| taken(n).then(|| "rpush mylist xxx".into())),
    ("sadd", |n| format!("sadd myset element:{:012}", key(n)), nothing),
    ("hset", |n| format!("hset myhash element:{:012} xxx", key(n)), nothing),
    ("spop", |_| "spop myset".into(), |n| taken(n).then(|| format!("sadd myset element:{n:012}"))),
    ("zadd", |n| format!("zadd myzset {} element:{:012}", key(!n), key(n)), nothing),
    (
        "zpopmin",
        |_| "zpopmin myzset".into(),
        |n| taken(n).then(|| format!("zadd myzset {} element:{n:012}", random(n))),
    ),
    ("lrange_100", |_| "lrange mylist 0 99".into(), |n| (n < 10_000).then(|| "rpush mylist xxx".into())),
    ("lrange_600", |_| "lrange mylist 0 599".into(), |n| (n < 10_000).then(|| "rpush mylist xxx".into())),
    (
        "mset",
        |n| (0..10).fold("mset".to_string(), |all, i| format!("{all} key:{:012} xxx", key(n * 10 + i))),
        nothing,
    ),
    ("xadd", |_| "xadd mystream * myfield xxx".into(), nothing),
];

struct World {
    leader: Machine,
    follower: Machine,
    reply: Vec<u8>,
    index: u64,
}

impl World {
    fn new() -> World {
        let machine = || Machine::new(KeyHasher::new(7), 1 << 29, 1);
        let (mut leader, follower) = (machine(), machine());
        leader.lead(1);
        World { leader, follower, reply: Vec::new(), index: 0 }
    }

    /// Seconds to execute, commit and apply them.
    fn batch(&mut self, commands: &[String]) -> [f64; 3] {
        let words: Vec<Vec<&[u8]>> =
            commands.iter().map(|command| command.split(' ').map(str::as_bytes).collect()).collect();
        let run = handler(commands[0].split(' ').next().unwrap_or_default()).expect("a command");
        self.reply.clear();
        self.index += 1;
        self.leader.begin(self.index, 1000);
        let started = Instant::now();
        for args in &words {
            let mut reply = Resp { buf: &mut self.reply, proto: Proto::Resp2 };
            self.leader.execute(run, KS, true, args, &mut reply);
        }
        let executed = started.elapsed().as_secs_f64();
        assert!(self.reply.first() != Some(&b'-'), "{}", String::from_utf8_lossy(&self.reply));
        let Some(payload) = self.leader.take_entry() else {
            self.index -= 1;
            return [executed, 0.0, 0.0];
        };
        let started = Instant::now();
        self.leader.commit_own(self.index, 1, &payload).expect("its own entry");
        let committed = started.elapsed().as_secs_f64();
        let started = Instant::now();
        self.follower.apply(self.index, 1, &payload).expect("an entry");
        [executed, committed, started.elapsed().as_secs_f64()]
    }
}

fn measure((name, command, before): &Test) {
    let mut world = World::new();
    let mut fill = (0..).map_while(before).peekable();
    while fill.peek().is_some() {
        let commands: Vec<String> = fill.by_ref().take(BATCH as usize).collect();
        world.batch(&commands);
    }
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for batch in 0..BATCHES {
        let commands: Vec<String> = (batch * BATCH..(batch + 1) * BATCH).map(command).collect();
        let took = world.batch(&commands);
        times.iter_mut().zip(took).for_each(|(all, one)| all.push(one));
    }
    let fast = times.map(|mut all| {
        all.sort_by(f64::total_cmp);
        all[all.len() / 10] * 1e9 / BATCH as f64
    });
    println!("{name:<12} execute {:>7.0}  commit {:>6.0}  apply {:>7.0} ns", fast[0], fast[1], fast[2]);
}

fn main() {
    let chosen: Vec<String> = std::env::args().skip(1).collect();
    let is_chosen = |test: &&Test| chosen.is_empty() || chosen.iter().any(|name| name == test.0);
    TESTS.iter().filter(is_chosen).for_each(measure);
}
