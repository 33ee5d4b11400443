//! Clients with pipelines, and the record of what they asked and were told.

use super::resp::{Reply, encode, first};
use env::Rng;
use everstore_node::Core;
use std::collections::VecDeque;

/// A command whose outcome is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    Incr(String),
    Append(String, String),
    Set(String, String),
    SetNx(String, String),
    Get(String),
    Del(String),
    MSet(Vec<(String, String)>),
    MGet(Vec<String>),
    Wait,
    /// Whatever comes back.
    Other(String),
}

/// What is known of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Done(Reply),
    /// It was certainly not done.
    Not,
    /// Done once or not at all.
    Maybe,
}

/// A command of a client.
#[derive(Debug, Clone)]
pub struct Record {
    pub client: usize,
    pub conn: u64,
    pub what: What,
    pub begin: u64,
    /// `u64::MAX` if it is not known to have ended.
    pub end: u64,
    pub outcome: Outcome,
}

/// One client.
pub struct Client {
    pub id: usize,
    pub node: u64,
    pub conn: Option<u64>,
    kind: u64,
    waiting: VecDeque<usize>,
    unread: Vec<u8>,
    next_ns: u64,
    tokens: u64,
    /// Nothing was sent on this connection.
    fresh: bool,
    trace: bool,
}

/// A step of the world, for the order of events: no two events have the same.
fn tick(clock: &mut u64) -> u64 {
    *clock += 1;
    *clock
}

impl Client {
    pub fn new(id: usize, node: u64, kind: u64) -> Client {
        let trace = std::env::var("TRACE").is_ok_and(|t| t == "2");
        Client {
            trace,
            id,
            node,
            conn: None,
            kind,
            waiting: VecDeque::new(),
            unread: Vec::new(),
            next_ns: 0,
            tokens: 0,
            fresh: true,
        }
    }

    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The first command without an answer.
    pub fn oldest<'a>(&self, records: &'a [Record]) -> Option<&'a Record> {
        self.waiting.front().map(|&at| &records[at])
    }

    /// The connection broke: nothing more will be heard of it.
    pub fn closed(&mut self, now_ns: u64, rng: &mut Rng) {
        self.conn = None;
        self.waiting.clear();
        self.unread.clear();
        self.next_ns = now_ns + rng.below(20_000_000);
    }

    /// Connects or sends the next commands if it is time.
    pub fn go(
        &mut self,
        core: &mut Core,
        now_ns: u64,
        rng: &mut Rng,
        records: &mut Vec<Record>,
        clock: &mut u64,
    ) {
        if now_ns < self.next_ns || self.waiting.len() > 40 {
            return;
        }
        self.next_ns = now_ns + 1_000_000 + rng.below(8_000_000);
        let conn = match self.conn {
            Some(conn) => conn,
            None => {
                let conn = core.on_connect("c:1".into(), "s:1".into(), false).unwrap();
                self.conn = Some(conn);
                self.fresh = true;
                conn
            }
        };
        let mut bytes = Vec::new();
        for _ in 0..1 + rng.below(8) {
            let what = self.choose(rng);
            self.command(what, rng, &mut bytes, conn, records, clock);
            self.fresh = false;
        }
        // A client's bytes come in pieces.
        let cut = rng.below(bytes.len() as u64 + 1) as usize;
        core.on_data(conn, &bytes[..cut]);
        core.on_data(conn, &bytes[cut..]);
    }

    /// Asks one thing over a new connection.
    pub fn ask(&mut self, core: &mut Core, what: What, records: &mut Vec<Record>, clock: &mut u64) {
        let conn = core.on_connect("c:1".into(), "s:1".into(), false).unwrap();
        self.conn = Some(conn);
        let mut bytes = Vec::new();
        self.command(what, &mut Rng::new(1), &mut bytes, conn, records, clock);
        core.on_data(conn, &bytes);
    }

    fn command(
        &mut self,
        what: What,
        rng: &mut Rng,
        bytes: &mut Vec<u8>,
        conn: u64,
        records: &mut Vec<Record>,
        clock: &mut u64,
    ) {
        let text = |s: &str| s.to_owned();
        let args: Vec<String> = match &what {
            What::Incr(key) => vec![text("INCR"), key.clone()],
            What::Append(key, token) => vec![text("APPEND"), key.clone(), token.clone()],
            What::Set(key, value) => vec![text("SET"), key.clone(), value.clone()],
            What::SetNx(key, value) => vec![text("SET"), key.clone(), value.clone(), text("NX")],
            What::Get(key) => vec![text("GET"), key.clone()],
            What::Del(key) => vec![text("DEL"), key.clone()],
            What::MSet(pairs) => {
                let pairs = pairs.iter().flat_map(|(k, v)| [k.clone(), v.clone()]);
                std::iter::once(text("MSET")).chain(pairs).collect()
            }
            What::MGet(keys) => std::iter::once(text("MGET")).chain(keys.iter().cloned()).collect(),
            What::Wait => vec![text("WAIT"), rng.below(4).to_string(), (1 + rng.below(50)).to_string()],
            What::Other(text) => text.split(' ').map(str::to_owned).collect(),
        };
        let silent = matches!(what, What::Incr(_)) && rng.chance(1, 20);
        if silent {
            encode(&["CLIENT", "REPLY", "SKIP"], bytes);
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        if rng.chance(1, 10) {
            bytes.extend(format!("{}\r\n", args.join(" ")).bytes());
        } else {
            encode(&args, bytes);
        }
        if !silent {
            self.waiting.push_back(records.len());
        }
        let begin = tick(clock);
        records.push(Record { client: self.id, conn, what, begin, end: u64::MAX, outcome: Outcome::Maybe });
    }

    /// A command that shakes the node, always in a keyspace without checked keys.
    fn other(&self, rng: &mut Rng) -> String {
        if self.fresh { "SELECT 2".to_owned() } else { other(rng) }
    }

    fn choose(&mut self, rng: &mut Rng) -> What {
        self.tokens += 1;
        let unique = format!("{}.{}", self.id, self.tokens);
        let key = |kind: &str, n: u64, rng: &mut Rng| format!("{kind}{}", rng.below(n));
        if rng.chance(1, 60) && !self.fresh {
            return What::Wait;
        }
        match self.kind {
            0 => What::Incr(key("counter", 4, rng)),
            1 => What::Append(key("list", 4, rng), format!("<{unique}>")),
            2 => {
                // Every value is another one, with something to fill the log.
                let value = format!("{unique}:{}", "x".repeat(rng.below(300) as usize));
                match rng.below(12) {
                    0..4 => What::Set(key("reg", 6, rng), value),
                    4..9 => What::Get(key("reg", 6, rng)),
                    9 => What::Del(key("reg", 6, rng)),
                    10 => {
                        let first = rng.below(6);
                        let pair = |n: u64| (format!("reg{}", (first + n) % 6), format!("{n}.{value}"));
                        What::MSet((0..1 + rng.below(3)).map(pair).collect())
                    }
                    _ => What::MGet((0..1 + rng.below(4)).map(|n| format!("reg{n}")).collect()),
                }
            }
            3 => {
                let lock = format!("lock{}", self.tokens / 12);
                if rng.chance(1, 3) { What::Get(lock) } else { What::SetNx(lock, unique) }
            }
            _ => What::Other(self.other(rng)),
        }
    }

    /// Reads the replies that came.
    pub fn read(&mut self, bytes: &[u8], records: &mut [Record], clock: &mut u64) {
        self.unread.extend_from_slice(bytes);
        let mut used = 0;
        while used < self.unread.len()
            && let Some((reply, len)) = first(&self.unread[used..])
        {
            used += len;
            let at = self.waiting.pop_front();
            let at = at.unwrap_or_else(|| panic!("client {} was sent a reply too many: {reply:?}", self.id));
            records[at].end = tick(clock);
            if self.trace {
                println!("{} {} {:?} -> {:?}", records[at].end, self.id, records[at].what, reply);
            }
            records[at].outcome = outcome(&records[at].what, reply);
            if records[at].outcome == Outcome::Maybe {
                records[at].end = u64::MAX;
            }
        }
        self.unread.drain(..used);
    }
}

fn outcome(what: &What, reply: Reply) -> Outcome {
    let parts = match what {
        What::MSet(pairs) => pairs.len(),
        _ => 1,
    };
    match &reply {
        Reply::Error(_) if matches!(what, What::Other(_)) => Outcome::Maybe,
        Reply::Error(text) if text.starts_with("UNKNOWN") => Outcome::Maybe,
        Reply::Error(text) if text.starts_with("CLUSTERDOWN") || text.starts_with("TRYAGAIN") => {
            // Other parts of the command may have been done.
            if parts == 1 { Outcome::Not } else { Outcome::Maybe }
        }
        Reply::Error(text) => panic!("an error was answered: {text}; to {what:?}"),
        _ => Outcome::Done(reply),
    }
}

/// Commands that shake the node; none of them touches a checked key.
fn other(rng: &mut Rng) -> String {
    let n = rng.below(5);
    match rng.below(30) {
        0 => format!("EVERSTORE SWITCHOVER NODE {}", 1 + rng.below(3)),
        1 => format!("EVERSTORE SWITCHOVER SHARD {}", rng.below(4)),
        2 => "FAILOVER".to_owned(),
        3 => format!("KEYSPACE SET {} LAYOUT spread", 3 + rng.below(3)),
        4 => format!("KEYSPACE SET {} LAYOUT single", 3 + rng.below(3)),
        5 => format!("SELECT {}", 2 + rng.below(4)),
        6 => "FLUSHDB".to_owned(),
        7 => "DBSIZE".to_owned(),
        8 => "SCAN 0 COUNT 100".to_owned(),
        9 => "KEYS *".to_owned(),
        10 => "RANDOMKEY".to_owned(),
        11 => format!("DEBUG SLEEP 0.0{n}"),
        12 => format!("CLIENT PAUSE {} WRITE", rng.below(60)),
        13 => "CLIENT UNPAUSE".to_owned(),
        14 => format!("RENAME noise{{a}}{n} noise{{a}}{}", rng.below(5)),
        15 => format!("COPY noise{n} noise{n} DB {}", 2 + rng.below(4)),
        16 => format!("GETDEL noise{n}"),
        17 => format!("SETRANGE noise{n} {} abc", rng.below(2000)),
        18 => "INFO".to_owned(),
        19 => "EVERSTORE STATUS".to_owned(),
        20 => format!("{} 2 30", ["WAIT", "WAITAOF 1"][(n % 2) as usize]),
        21 => format!("DEL noise0 noise1 noise2 noise{{a}}{n}"),
        22 => format!("EXPIRE noise{n} {}", rng.below(2)),
        23 => format!("PEXPIRE noise{{a}}{n} {}", rng.below(100)),
        24 => format!("CLIENT KILL ID {}", rng.below(60)),
        _ => format!("SET noise{{a}}{n} {} PX {}", "y".repeat(rng.below(500) as usize), 1 + rng.below(400)),
    }
}
