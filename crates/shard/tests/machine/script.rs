//! Commands of the test: small scripts of operations on rows, run by one handler.

use super::state::{Content, State};
use model::{Index, Reply};
use shard::data::{Context, Done, Key, Stop};

/// Values above this many bytes are refused.
pub const MAX_VALUE: usize = 24;

/// The keys of the test, by number. Numbers 6 and 7 share a position, as do 8 and 9.
pub const KEYS: [&[u8]; 10] = [
    b"a",
    b"b",
    b"",
    b"with\0zero",
    b"{x}",
    b"{x}other",
    COLLIDING[0],
    COLLIDING[1],
    COLLIDING[2],
    COLLIDING[3],
];

/// Pairs of keys with equal positions under hash seed 0, found by trying 80 million of them.
pub const COLLIDING: [&[u8]; 4] = [b"{x}1578288", b"{x}24c7788", b"{x}359cf9f", b"{x}3eddd65"];

/// One operation of a command.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// Reads a value.
    Get(usize),
    /// Sets a value with an expiry in ms of shard time, 0 = never.
    Put(usize, u64, Vec<u8>),
    /// Sets a value if the key is absent.
    PutNew(usize, Vec<u8>),
    /// Overwrites bytes from an offset on.
    Patch(usize, usize, Vec<u8>),
    /// Sets the expiry of an existing key.
    Expire(usize, u64),
    /// Deletes a key.
    Delete(usize),
    /// Deletes every key of the keyspace.
    Flush,
    /// Counts the keys that are not expired.
    Count,
}

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum End {
    /// With its reply.
    Done,
    /// With an error after all of its operations.
    Fail,
    /// With a row that it says is not in memory.
    Fetch,
}

/// The arguments from which [`run`] reads the script again.
pub fn arguments(ops: &[Op], end: End) -> Vec<Vec<u8>> {
    let mut args = vec![format!("{end:?}").into_bytes()];
    for op in ops {
        let (head, tail): (String, &[u8]) = match op {
            Op::Get(key) => (format!("get {key}"), b""),
            Op::Put(key, expire, value) => (format!("put {key} {expire}"), value),
            Op::PutNew(key, value) => (format!("putnew {key}"), value),
            Op::Patch(key, offset, bytes) => (format!("patch {key} {offset}"), bytes),
            Op::Expire(key, expire) => (format!("expire {key} {expire}"), b""),
            Op::Delete(key) => (format!("delete {key}"), b""),
            Op::Flush => ("flush".into(), b""),
            Op::Count => ("count".into(), b""),
        };
        args.push(head.into_bytes());
        args.push(tail.to_vec());
    }
    args
}

/// The handler.
pub fn run(context: &mut Context<'_>, args: &[&[u8]]) -> Done {
    for op in args[1..].chunks(2) {
        let head = std::str::from_utf8(op[0]).unwrap();
        let words: Vec<&str> = head.split(' ').collect();
        let number = |at: usize| words[at].parse::<u64>().unwrap();
        let key = words.get(1).map(|_| context.data.key(KEYS[number(1) as usize]));
        match (words[0], key) {
            ("put", Some(key)) => context.data.put_string(key, number(2), op[1])?,
            ("patch", Some(key)) => {
                context.data.string(key)?;
                context.data.patch(key, number(2) as usize, op[1])?;
            }
            (name, Some(key)) => run_one(context, name, key, words.get(2).map(|_| number(2)), op[1])?,
            ("flush", None) => context.data.flush(),
            (_, None) => {
                let now = context.data.now();
                let cold = context.data.cold_keys(b"*")?.len();
                let count = context.data.space().iter().filter(|row| !row.expired(now)).count();
                context.reply.int((count + cold) as i64);
            }
        }
    }
    match args[0] {
        b"Done" => Ok(()),
        b"Fail" => Err(Stop::error("ERR planned")),
        _ => Err(Stop::Fetch),
    }
}

fn run_one(context: &mut Context<'_>, name: &str, key: Key<'_>, number: Option<u64>, value: &[u8]) -> Done {
    match name {
        "get" => match context.data.string(key)? {
            Some(value) => context.reply.bulk(value),
            None => context.reply.null(),
        },
        "putnew" => {
            let absent = context.data.get(key)?.is_none();
            if absent {
                context.data.put_string(key, 0, value)?;
            }
            context.reply.int(i64::from(absent));
        }
        "expire" => {
            let found = context.data.peek(key)?.is_some();
            let done = context.data.set_expire(key, number.unwrap())?;
            assert_eq!(found, done);
            context.reply.int(i64::from(done));
        }
        "delete" => {
            let found = context.data.peek(key)?.is_some();
            assert_eq!(found, context.data.delete(key)?);
            context.reply.int(i64::from(found));
        }
        other => panic!("{other}"),
    }
    Ok(())
}

/// What the model expects of a command.
pub struct Expected {
    /// The reply; an error counts as `None`, its text belongs to the handler.
    pub reply: Option<Vec<u8>>,
    /// It has effects.
    pub wrote: bool,
    /// Lowest index the reply may be held for.
    pub hold: Index,
    /// Lowest index it must be known to have looked at, whatever it changed itself.
    pub looked: Index,
    /// It read keys that exist and nothing else: it waits for them alone.
    pub only_found: bool,
}

/// A command under way in the model.
struct Model<'a> {
    before: &'a State,
    state: &'a mut State,
    ks: u16,
    now: u64,
    pending: Index,
    expired: Vec<usize>,
    reply: super::reply::Text,
    wrote: bool,
    hold: Index,
    /// The command has removed all keys: what it looks at after that is its own.
    flushed: bool,
}

/// Runs the script on the model. `last` is the last index that has effects before it.
pub fn expect(state: &mut State, ks: u16, script: (&[Op], End), now: u64, at: (Index, Index)) -> Expected {
    let (pending, last) = at;
    let before = state.clone();
    let mut model = Model {
        hold: before.flushed.get(&ks).copied().unwrap_or(0),
        before: &before,
        state,
        ks,
        now,
        pending,
        expired: Vec::new(),
        reply: Default::default(),
        wrote: false,
        flushed: false,
    };
    let fits = script.0.iter().all(|op| model.op(op, last));
    let found = |op: &Op| matches!(op, Op::Get(key) if model.state.rows.contains_key(&(ks, *key)));
    let only_found = script.1 == End::Done && script.0.iter().all(found) && !model.wrote;
    if fits && script.1 == End::Done {
        let (hold, looked) = (if model.wrote { pending } else { model.hold }, model.looked());
        return Expected { reply: Some(model.reply.0), wrote: model.wrote, hold, looked, only_found };
    }
    // Taken back, but for keys that had expired before the command, if it fails for good.
    *model.state = before.clone();
    (model.wrote, model.flushed) = (false, false);
    if !fits || script.1 == End::Fail {
        for key in std::mem::take(&mut model.expired) {
            model.look(key);
        }
    }
    let (hold, looked) = (if model.wrote { pending } else { model.hold }, model.looked());
    Expected { reply: None, wrote: model.wrote, hold, looked, only_found }
}

impl Model<'_> {
    /// That a key has expired is certain only with the effect that deletes it.
    fn looked(&self) -> Index {
        if self.expired.is_empty() { self.hold } else { self.pending }
    }

    fn look(&mut self, key: usize) -> bool {
        if !self.flushed {
            self.hold = self.hold.max(self.before.touched.get(&(self.ks, key)).copied().unwrap_or(0));
        }
        let Some(row) = self.state.rows.get(&(self.ks, key)) else { return false };
        if row.expire == 0 || row.expire > self.now {
            return true;
        }
        self.state.rows.remove(&(self.ks, key));
        self.changed(key);
        self.expired.push(key);
        false
    }

    fn changed(&mut self, key: usize) {
        self.state.touched.insert((self.ks, key), self.pending);
        self.wrote = true;
    }

    fn put(&mut self, key: usize, expire: u64, value: Vec<u8>) -> bool {
        if value.len() > MAX_VALUE {
            return false;
        }
        self.state.rows.insert((self.ks, key), Content { expire, value });
        self.changed(key);
        true
    }

    /// False when the operation fails.
    fn op(&mut self, op: &Op, last: Index) -> bool {
        match op {
            Op::Get(key) => match self.look(*key) {
                true => self.reply.bulk(&self.state.rows[&(self.ks, *key)].value),
                false => self.reply.null(),
            },
            Op::Put(key, expire, value) => return self.put(*key, *expire, value.clone()),
            Op::PutNew(key, value) => {
                let absent = !self.look(*key);
                if absent && !self.put(*key, 0, value.clone()) {
                    return false;
                }
                self.reply.int(i64::from(absent));
            }
            Op::Patch(key, offset, bytes) => {
                let content = match self.look(*key) {
                    true => self.state.rows[&(self.ks, *key)].clone(),
                    false => Content::default(),
                };
                let end = offset + bytes.len();
                let mut value = content.value;
                value.resize(value.len().max(end), 0);
                value[*offset..end].copy_from_slice(bytes);
                // What was there fits, so the patch is what can be too long.
                return self.put(*key, content.expire, value);
            }
            Op::Expire(key, expire) => {
                let found = self.look(*key);
                if let Some(row) = self.state.rows.get_mut(&(self.ks, *key)) {
                    row.expire = *expire;
                    self.changed(*key);
                }
                self.reply.int(i64::from(found));
            }
            Op::Delete(key) => {
                let found = self.look(*key);
                if found {
                    self.state.rows.remove(&(self.ks, *key));
                    self.changed(*key);
                }
                self.reply.int(i64::from(found));
            }
            Op::Flush => {
                self.state.flush(self.ks, self.pending);
                (self.wrote, self.flushed) = (true, true);
            }
            Op::Count => {
                self.hold = self.hold.max(last);
                self.reply.int(self.state.count(self.ks, self.now) as i64);
            }
        }
        true
    }
}
