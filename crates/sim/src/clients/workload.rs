//! What clients ask: one generator per workload.

use super::command::Command;
use super::streams::Follower;
use crate::time::S;
use check::{Action, Class, Condition};
use env::Rng;
use model::Eviction;

/// A workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Workload {
    /// Values set, read, replaced and removed; several keys at a time too.
    Registers,
    /// Numbers counted up.
    Counters,
    /// Tokens appended to values.
    Appends,
    /// Keys that only the first may set.
    Locks,
    /// Keys with a time to live.
    Expiring,
    /// Tokens appended to values of a keyspace that is made asynchronous.
    Exposed,
    /// Values set, read, replaced and removed in a keyspace that is made a cache.
    Cached,
    /// Values, numbers and tokens of a synchronous keyspace that allows asynchronous connections at times, of
    /// connections that choose now this, now that.
    Chosen,
    /// Lists as queues: items put at one end and taken at the other, also by who waits for them, and by way of
    /// another list.
    Queues,
    /// Sorted sets as queues with priorities, also with clients that wait.
    Ranks,
    /// Collections that grow and expire.
    Fading,
    /// Amounts moved between accounts by transactions.
    Transfers,
    /// Values replaced by transactions that watch them.
    Swaps,
    /// Streams that are added to, read by who follows them or waits, and trimmed.
    Streams,
    /// Collections that are moved from key to key, whole or in pieces.
    Hoards,
    /// Amounts moved by transactions in a keyspace that is made asynchronous.
    Loose,
    /// Values uploaded in chunks, read, changed, replaced and removed.
    Uploads,
    /// Commands of all kinds on keys nobody checks, in other keyspaces.
    Noise,
    /// Switchovers, changes of layouts, and other commands for whoever runs the cluster.
    Operations,
}

impl Workload {
    /// It is about collections, or about transactions.
    pub fn is_of_collections(self) -> bool {
        use Workload::{Fading, Hoards, Loose, Queues, Ranks, Streams, Swaps, Transfers};
        matches!(self, Queues | Ranks | Fading | Transfers | Swaps | Streams | Hoards | Loose)
    }

    /// Some of its commands wait for something to take, or to read.
    pub fn waits(self) -> bool {
        matches!(self, Workload::Queues | Workload::Ranks | Workload::Streams)
    }

    /// It asks for what troubles the others, and is checked itself by nobody.
    pub fn is_trouble(self) -> bool {
        matches!(self, Workload::Noise | Workload::Operations)
    }

    /// Its reads are checked, and may be answered by followers.
    pub fn is_read_from_replicas(self) -> bool {
        let others = matches!(self, Workload::Exposed | Workload::Uploads);
        !others && !self.is_of_collections() && !self.is_trouble()
    }
}

/// All workloads by their names.
pub const WORKLOADS: [(&str, Workload); 19] = [
    ("registers", Workload::Registers),
    ("counters", Workload::Counters),
    ("appends", Workload::Appends),
    ("locks", Workload::Locks),
    ("expiring", Workload::Expiring),
    ("exposed", Workload::Exposed),
    ("noise", Workload::Noise),
    ("operations", Workload::Operations),
    ("cached", Workload::Cached),
    ("chosen", Workload::Chosen),
    ("queues", Workload::Queues),
    ("ranks", Workload::Ranks),
    ("fading", Workload::Fading),
    ("transfers", Workload::Transfers),
    ("swaps", Workload::Swaps),
    ("streams", Workload::Streams),
    ("hoards", Workload::Hoards),
    ("loose", Workload::Loose),
    ("uploads", Workload::Uploads),
];

/// A set of keys is in use for this long, ns; then come others, so that no history of a key gets long.
const AGE_NS: u64 = 4 * S;

/// The asynchronous keyspace, and the bytes that it may expose.
pub const EXPOSED: (u64, u64) = (1, 4096);
/// The keyspace that is a cache.
pub const CACHE: u64 = 6;
/// The synchronous keyspace that allows asynchronous connections; it exposes as much. Noise does not come here.
pub const CHOSEN: u64 = 7;
/// A keyspace of layout single: commands may name any of its keys together. Neither noise nor operations come here.
pub const SINGLE: u64 = 8;

/// The keyspace of a checked key.
pub fn keyspace_of(key: &str) -> u64 {
    match key {
        _ if key.starts_with("exposed") => EXPOSED.0,
        _ if key.starts_with("chosen") => CHOSEN,
        _ if key.starts_with("cached") => CACHE,
        _ if key.starts_with("one:") => SINGLE,
        _ => 0,
    }
}

/// What a keyspace promises.
pub fn class_of(keyspace: u64) -> Class {
    match keyspace {
        _ if keyspace == EXPOSED.0 => Class::Async,
        CACHE => Class::Cache,
        _ => Class::Sync,
    }
}

/// What a client's commands are made of.
#[derive(Debug)]
pub struct Maker {
    workload: Workload,
    pub(super) client: u32,
    pub(super) made: u64,
    pub(super) rng: Rng,
    /// Keys of one age.
    pub(super) keys: u64,
    /// Longest value, bytes.
    pub(super) longest: u64,
    /// The keyspace of its connection, where it has a choice.
    pub(super) home: u64,
    /// So many large values may still have whole chunks.
    pub whole_chunks: u32,
    nodes: u64,
    shards: u64,
    /// It has asked for asynchronous answers last.
    chose_async: bool,
    /// What it knows of streams.
    pub(super) follower: Follower,
}

impl Maker {
    /// For one client.
    pub fn new(workload: Workload, client: u32, mut rng: Rng, nodes: u64, shards: u16) -> Maker {
        let keys = 2 + rng.below(8);
        let longest = [40, 200, 1000][rng.below(3) as usize];
        Maker {
            workload,
            client,
            made: 0,
            rng,
            keys,
            longest,
            home: 0,
            whole_chunks: 0,
            nodes,
            shards: u64::from(shards),
            chose_async: false,
            follower: Follower::default(),
        }
    }

    /// The keyspace its commands are for.
    pub fn keyspace(&mut self) -> u64 {
        match self.workload {
            Workload::Noise | Workload::Operations => 2 + self.rng.below(3),
            Workload::Exposed | Workload::Loose => EXPOSED.0,
            Workload::Cached => CACHE,
            Workload::Chosen => CHOSEN,
            workload if workload.is_of_collections() => {
                self.home = if self.rng.chance(1, 2) { SINGLE } else { 0 };
                self.home
            }
            _ => 0,
        }
    }

    /// Whether all its connections are of one keyspace.
    pub fn keeps_keyspace(&self) -> bool {
        !self.workload.is_of_collections()
    }

    /// What its keyspace promises.
    pub fn class(&self) -> Class {
        match self.workload {
            Workload::Exposed | Workload::Loose => Class::Async,
            Workload::Cached => Class::Cache,
            _ => Class::Sync,
        }
    }

    /// Whether its connection may be asynchronous now: a new one is not until it says so again.
    pub fn chose_async(&self) -> bool {
        self.chose_async
    }

    /// A key of the age it is.
    pub(super) fn key(&mut self, kind: &str, now_ns: u64) -> String {
        let age = self.age(now_ns);
        format!("{kind}{age}.{}", self.rng.below(self.keys))
    }

    /// The age of a key.
    pub(super) fn age(&mut self, now_ns: u64) -> u64 {
        // Some keys live as long as the world.
        if self.rng.chance(1, 20) { 0 } else { 1 + now_ns / AGE_NS }
    }

    /// A value that no other command writes.
    pub(super) fn value(&mut self) -> Vec<u8> {
        let mut value = format!("{}.{}:", self.client, self.made).into_bytes();
        let longest = if self.rng.chance(1, 200) { 8000 } else { self.longest };
        value.resize(value.len() + self.rng.below(longest) as usize, b'x');
        value
    }

    /// The next commands: one, or those that belong together.
    pub fn next(&mut self, now_ns: u64) -> Vec<Command> {
        self.made += 1;
        match self.workload {
            Workload::Loose if self.made % 100 == 1 => vec![Self::expose()],
            Workload::Transfers => self.transfer(["bank", "fund"], now_ns),
            Workload::Loose => self.transfer(["exposedbank", "exposedfund"], now_ns),
            Workload::Hoards => self.hoard(now_ns),
            Workload::Swaps => self.swap(now_ns),
            Workload::Uploads => self.upload(now_ns),
            _ => vec![self.next_one(now_ns)],
        }
    }

    fn next_one(&mut self, now_ns: u64) -> Command {
        match self.workload {
            Workload::Queues => self.queue(now_ns),
            Workload::Ranks => self.rank(now_ns),
            Workload::Fading => self.fade(now_ns),
            Workload::Streams => self.feed(now_ns),
            Workload::Registers => self.register("reg", now_ns),
            Workload::Cached => self.cached(now_ns),
            Workload::Counters => self.counter(now_ns),
            Workload::Appends => self.append(now_ns),
            Workload::Locks => self.lock(now_ns),
            Workload::Exposed => self.exposed(now_ns),
            Workload::Chosen => self.chosen(now_ns),
            Workload::Expiring => self.expiring(now_ns),
            Workload::Noise => Command::noise(&self.noise()),
            _ => Command::noise(&self.operation()),
        }
    }

    pub(super) fn set(&mut self, condition: Condition, get: bool) -> Action {
        Action::Set { value: self.value().into(), condition, get, ttl_ms: None, keep_ttl: false }
    }

    fn register(&mut self, kind: &str, now_ns: u64) -> Command {
        let key = self.key(kind, now_ns);
        let action = match self.rng.below(24) {
            0..6 => self.set(Condition::None, false),
            6..14 => Action::Get,
            14 => Action::Del,
            15 => self.set(Condition::Nx, false),
            16 => self.set(Condition::Xx, false),
            17 => self.set(Condition::None, true),
            18 => Action::GetDel,
            19 => Action::GetSet { value: self.value().into() },
            20 => Action::Exists,
            21 => Action::StrLen,
            22 => {
                let mut keys: Vec<String> =
                    (0..1 + self.rng.below(3)).map(|_| self.key(kind, now_ns)).collect();
                keys.push(key);
                keys.sort_unstable();
                keys.dedup();
                return Command::mget(keys);
            }
            _ => {
                let mut keys: Vec<String> =
                    (0..1 + self.rng.below(3)).map(|_| self.key(kind, now_ns)).collect();
                keys.push(key);
                keys.sort_unstable();
                keys.dedup();
                let pairs = keys.into_iter().map(|key| {
                    self.made += 1;
                    (key, self.value())
                });
                let pairs = pairs.collect();
                return Command::mset(pairs);
            }
        };
        Command::of(key, action)
    }

    fn counter(&mut self, now_ns: u64) -> Command {
        let key = self.key("num", now_ns);
        let action = if self.rng.chance(1, 4) { Action::Get } else { Action::IncrBy { by: 1 } };
        Command::of(key, action)
    }

    fn append(&mut self, now_ns: u64) -> Command {
        let key = self.key("list", now_ns);
        let token = format!("<{}.{}>", self.client, self.made);
        let action = match self.rng.below(8) {
            0 => Action::Get,
            1 => Action::StrLen,
            _ => Action::Append { value: token.into_bytes().into() },
        };
        Command::of(key, action)
    }

    /// Makes a keyspace asynchronous.
    fn expose() -> Command {
        let (ks, bytes) = EXPOSED;
        Command::noise(&format!(
            "KEYSPACE SET {ks} REPLICATION async MAX-EXPOSURE-BYTES {bytes} MAX-EXPOSURE-MS 1000"
        ))
    }

    fn exposed(&mut self, now_ns: u64) -> Command {
        if self.made % 100 == 1 {
            return Self::expose();
        }
        let key = self.key("exposed", now_ns);
        let mut token = format!("<{}.{}:", self.client, self.made).into_bytes();
        let longest = self.longest.min(400);
        token.resize(token.len() + self.rng.below(longest) as usize, b'x');
        token.push(b'>');
        Command::of(key, Action::Append { value: token.into() })
    }

    fn cached(&mut self, now_ns: u64) -> Command {
        if self.made % 100 == 1 {
            let policy = Eviction::ALL[1 + self.rng.below(7) as usize];
            return Command::noise(&format!("KEYSPACE SET {CACHE} CACHE {policy}"));
        }
        if self.rng.chance(1, 3) {
            let ttl_ms = self.rng.chance(1, 2).then(|| 1000 + self.rng.below(5000));
            let (value, condition) = (self.value().into(), Condition::None);
            let action = Action::Set { value, condition, get: false, ttl_ms, keep_ttl: false };
            return Command::of(self.key("cached", now_ns), action);
        }
        self.register("cached", now_ns)
    }

    fn chosen(&mut self, now_ns: u64) -> Command {
        let bytes = EXPOSED.1;
        match self.made % 60 {
            1 => {
                return Command::noise(&format!(
                    "KEYSPACE SET {CHOSEN} ALLOW-ASYNC yes MAX-EXPOSURE-BYTES {bytes} MAX-EXPOSURE-MS 1000"
                ));
            }
            41 if self.rng.chance(1, 4) => {
                return Command::noise(&format!("KEYSPACE SET {CHOSEN} ALLOW-ASYNC no"));
            }
            at if at % 12 == 2 => {
                let choice = ["async", "async", "sync", "follow"][self.rng.below(4) as usize];
                self.chose_async = choice == "async";
                return Command::noise(&format!("CLIENT REPLICATION {choice}"));
            }
            _ => {}
        }
        let (register, number, list) =
            (self.key("chosenreg", now_ns), self.key("chosennum", now_ns), self.key("chosenlist", now_ns));
        match self.rng.below(16) {
            0..4 => Command::of(register, self.set(Condition::None, false)),
            4..8 => Command::of(register, Action::Get),
            8 => Command::of(register, Action::Del),
            9 => Command::of(register, self.set(Condition::Nx, false)),
            10 => Command::of(register, Action::GetSet { value: self.value().into() }),
            11 => Command::of(number, Action::Get),
            12 | 13 => Command::of(number, Action::IncrBy { by: 1 }),
            _ => {
                let token = format!("<{}.{}>", self.client, self.made);
                Command::of(list, Action::Append { value: token.into_bytes().into() })
            }
        }
    }

    fn lock(&mut self, now_ns: u64) -> Command {
        // New keys all the time, because each can be won once.
        let key = format!("lock{}.{}", now_ns / (S / 4), self.rng.below(self.keys));
        let action = if self.rng.chance(1, 3) { Action::Get } else { self.set(Condition::Nx, false) };
        Command::of(key, action)
    }

    fn expiring(&mut self, now_ns: u64) -> Command {
        let key = self.key("exp", now_ns);
        let ttl_ms = Some(1 + self.rng.below(3000));
        let action = match self.rng.below(10) {
            0..4 => Action::Set {
                value: self.value().into(),
                condition: Condition::None,
                get: false,
                ttl_ms,
                keep_ttl: false,
            },
            4..8 => Action::Get,
            8 => Action::Expire { ttl_ms: 1 + self.rng.below(2000) as i64 },
            _ => Action::Persist,
        };
        Command::of(key, action)
    }

    fn noise(&mut self) -> String {
        let rng = &mut self.rng;
        let (n, m) = (rng.below(5), rng.below(5));
        match rng.below(24) {
            0 => "FLUSHDB".to_owned(),
            1 => "DBSIZE".to_owned(),
            2 => "SCAN 0 COUNT 100".to_owned(),
            3 => "KEYS *".to_owned(),
            4 => "RANDOMKEY".to_owned(),
            5 => format!("DEBUG SLEEP 0.0{n}"),
            6 => format!("CLIENT PAUSE {} WRITE", rng.below(60)),
            7 => "CLIENT UNPAUSE".to_owned(),
            8 => format!("RENAME noise{{a}}{n} noise{{a}}{m}"),
            9 => format!("COPY noise{n} noise{n} DB {}", 2 + m),
            10 => format!("GETDEL noise{n}"),
            11 => format!("SETRANGE noise{n} {} abc", rng.below(2000)),
            12 => "INFO".to_owned(),
            13 => "WAIT 2 30".to_owned(),
            14 => format!("DEL noise0 noise1 noise2 noise{{a}}{n}"),
            15 => format!("EXPIRE noise{n} {}", rng.below(2)),
            16 => format!("PEXPIRE noise{{a}}{n} {}", rng.below(100)),
            17 => format!("CLIENT KILL ID {}", rng.below(60)),
            18 => format!("SELECT {}", 2 + m),
            _ => {
                format!("SET noise{{a}}{n} {} PX {}", "y".repeat(rng.below(500) as usize), 1 + rng.below(400))
            }
        }
    }

    fn operation(&mut self) -> String {
        let (nodes, shards) = (self.nodes, self.shards);
        let rng = &mut self.rng;
        match rng.below(11) {
            0 => format!("EVERSTORE SWITCHOVER NODE {}", 1 + rng.below(nodes)),
            1 | 2 => format!("EVERSTORE SWITCHOVER SHARD {}", rng.below(shards)),
            3 => "FAILOVER".to_owned(),
            4 => format!("KEYSPACE SET {} LAYOUT spread", 3 + rng.below(3)),
            5 => format!("KEYSPACE SET {} LAYOUT single", 3 + rng.below(3)),
            6 => "EVERSTORE STATUS".to_owned(),
            7 | 8 => {
                let (ks, bytes, ms) = (2 + rng.below(3), 4096 << rng.below(8), 10 + rng.below(300));
                format!("KEYSPACE SET {ks} REPLICATION async MAX-EXPOSURE-BYTES {bytes} MAX-EXPOSURE-MS {ms}")
            }
            9 => format!("KEYSPACE SET {} REPLICATION sync", 2 + rng.below(3)),
            _ => format!("SET op{} {}", rng.below(9), "z".repeat(rng.below(900) as usize)),
        }
    }
}
