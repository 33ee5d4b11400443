//! A leader and a follower of one shard. Every command is executed, taken back and executed again;
//! each time the rows must be what they have to be.

use super::resp::Recorder;
use super::value::Value;
use everstore_shard::collection::Limits;
use everstore_shard::commands::{OBJECT_HELP, handler};
use everstore_shard::machine::ReplicaRead;
use everstore_shard::table::{self, Route, flag};
use everstore_shard::{Machine, Outcome};
use model::row::kind;
use model::{KeyHasher, Keyspace};
use std::collections::BTreeMap;

/// Largest value in these tests, small enough to reach.
pub const MAX_VALUE: usize = 200_000;

/// Rows by keyspace and key: kind, expiry, value (of a collection a hash that does not depend on its form), index
/// of the last change.
pub type Rows = BTreeMap<(u16, Vec<u8>), (u8, u64, Vec<u8>, u64)>;

/// All rows of a machine.
pub fn rows(machine: &Machine) -> Rows {
    let mut rows = Rows::new();
    for ks in 0..model::limits::SPACES {
        for row in machine.space(Keyspace(ks)).iter() {
            let value = match row.kind {
                kind::STRING | kind::LIST => row.whole().into_owned(),
                _ => row.content_hash(0).to_le_bytes().to_vec(),
            };
            let content = (row.kind, row.expire, value, row.changed_at);
            rows.insert((ks, row.key().to_vec()), content);
        }
    }
    rows
}

/// An empty machine.
pub fn machine() -> Machine {
    let mut machine = Machine::new(KeyHasher::new(1), MAX_VALUE, 42);
    machine.set_large(Some(model::limits::MAX_VALUE));
    machine
}

/// The replicas and the state of one connection.
pub struct World {
    pub leader: Machine,
    follower: Machine,
    next: u64,
    ks: Keyspace,
    resp3: bool,
}

impl World {
    pub fn new(resp3: bool) -> World {
        World { leader: machine(), follower: machine(), next: 1, ks: Keyspace(0), resp3 }
    }

    /// Has collections change their form at other sizes than by default.
    pub fn set_limits(&mut self, limits: Limits) {
        self.leader.set_limits(limits);
        self.follower.set_limits(limits);
    }

    /// Runs a command line at this time and returns the reply.
    pub fn run(&mut self, args: &[Vec<u8>], wall_ms: u64) -> Value {
        let args: Vec<&[u8]> = args.iter().map(|arg| &arg[..]).collect();
        let mut reply = Recorder::new(self.resp3);
        if !self.front(&args, &mut reply) {
            self.execute(&args, wall_ms, &mut reply);
        }
        let (value, used) = Value::read(&reply.out).expect("a complete reply");
        assert_eq!(used, reply.out.len(), "one reply to {}", shown(&args));
        value
    }

    /// What never reaches a shard. True if it was answered.
    fn front(&mut self, args: &[&[u8]], reply: &mut Recorder) -> bool {
        use model::Reply;
        let name = String::from_utf8_lossy(args[0]).into_owned();
        let spec = match table::resolve(args[0], args.get(1).copied()) {
            Ok(spec) => spec,
            Err(error) => panic!("{name}: {error:?}"),
        };
        if !spec.accepts(args.len()) {
            reply.error(&format!("ERR wrong number of arguments for '{}' command", spec.name));
        } else if spec.name == "select" {
            let number = String::from_utf8_lossy(args[1]).parse().expect("a keyspace");
            self.ks = Keyspace(number);
            reply.ok();
        } else if spec.name == "object|help" {
            reply.array(OBJECT_HELP.len());
            OBJECT_HELP.iter().for_each(|line| reply.status(line));
        } else {
            return false;
        }
        true
    }

    fn execute(&mut self, args: &[&[u8]], wall_ms: u64, reply: &mut Recorder) {
        let before = rows(&self.leader);
        let mut scratch = Recorder::new(self.resp3);
        let outcome = self.attempt(args, wall_ms, &mut scratch);
        let (value, _) = Value::read(&scratch.out).expect("a complete reply");
        if value.is_error() {
            let now = self.leader.time();
            let mut kept = before.clone();
            // What expired may go, and nothing else may happen.
            let after = rows(&self.leader);
            kept.retain(|key, (_, expire, ..)| after.contains_key(key) || *expire == 0 || *expire > now);
            assert_eq!(after, kept, "{} failed and changed rows", shown(args));
            assert_eq!(outcome.wrote, after != before, "{} failed and has effects", shown(args));
        }
        let changed = rows(&self.leader) != before;
        assert!(outcome.wrote || !changed, "{} changed rows without effects", shown(args));
        assert_eq!(outcome.wrote, outcome.hold == self.next, "{} waits for itself", shown(args));
        self.leader.roll_back();
        assert_eq!(rows(&self.leader), before, "{} taken back", shown(args));

        let start = reply.out.len();
        let read = self.read_at_follower(args, wall_ms);
        self.attempt(args, wall_ms, reply);
        if let Some(read) = read {
            let parts = |bytes: &[u8]| Value::read(bytes).expect("a complete reply").0.sorted();
            assert_eq!(parts(&read), parts(&reply.out[start..]), "{} on a replica", shown(args));
        }
        if let Some(entry) = self.leader.take_entry() {
            self.leader.commit_own(self.next, 1, &entry).expect("a good entry");
            self.follower.apply(self.next, 1, &entry).expect("a good entry");
            self.next += 1;
        }
        assert_eq!(rows(&self.leader), rows(&self.follower), "after {}", shown(args));
    }

    /// What the follower answers to a command that only reads keys, before the leader runs it. It leaves no
    /// trace. `None` for others, for those that tell of accesses, which every replica counts for itself, or of
    /// forms, and for picks at random.
    fn read_at_follower(&mut self, args: &[&[u8]], wall_ms: u64) -> Option<Vec<u8>> {
        let spec = table::resolve(args[0], args.get(1).copied()).ok()?;
        let by_key = matches!(spec.route, Route::Key | Route::PerKey(_));
        if !by_key || !spec.flags.has(flag::READONLY) {
            return None;
        }
        let (before, hash) = (rows(&self.follower), self.follower.content_hash());
        let (run, mut reply) = (handler(spec.name)?, Recorder::new(self.resp3));
        // As the leader, which never goes back behind what it has executed at.
        let wall_ms = wall_ms.max(self.leader.time());
        let read = self.follower.execute_read(run, (self.ks, true), wall_ms, None, args, &mut reply);
        assert_eq!(read, ReplicaRead::Done, "{}", shown(args));
        assert_eq!(rows(&self.follower), before, "{} on a replica", shown(args));
        assert_eq!(self.follower.content_hash(), hash, "{} on a replica", shown(args));
        let own = spec.name.starts_with("object|")
            || matches!(spec.name, "hrandfield" | "srandmember" | "zrandmember");
        (!own).then_some(reply.out)
    }

    fn attempt(&mut self, args: &[&[u8]], wall_ms: u64, reply: &mut Recorder) -> Outcome {
        let spec = table::resolve(args[0], args.get(1).copied()).expect("a command of the table");
        let run = handler(spec.name).expect("a handler");
        self.leader.begin(self.next, wall_ms);
        let outcome = self.leader.execute(run, self.ks, true, args, reply);
        assert!(!outcome.fetch);
        outcome
    }
}

/// A command as text for messages.
pub fn shown(args: &[&[u8]]) -> String {
    let short = |arg: &[u8]| arg[..arg.len().min(60)].escape_ascii().to_string();
    args.iter().map(|arg| short(arg)).collect::<Vec<_>>().join(" ")
}
