//! Operations over several shards: parts go to the shards, their answers become one reply.

use crate::blocking::Block;
use crate::conn::{Blocked, Conn};
use crate::core::Core;
use crate::dispatch::closed;
use crate::execute::{MAX_REQUEST, too_long};
use crate::internal;
use crate::large::{Collecting, Editing, Reading, Upload};
use crate::losses::Replay;
use crate::losses::account::LossId;
use crate::transaction::Watching;
use crate::transaction::exec::Mixed;
use crate::wait::Wait;
use cluster::map::Placement;
use model::limits::SLOTS;
use model::slot::{Slot, slot_of};
use model::{GroupId, Index, Position, Reply, ShardId, Term};
use resp::decode::walk;
use resp::{Gather, Proto, Resp};
use router::{Flags, Request, Target};
use shard::commands::ScanRequest;
use shard::table::{Merge, Spec};
use std::collections::BTreeMap;

/// Shards a SCAN or RANDOMKEY may visit in one call before it answers with what it has.
const MAX_STEPS: u32 = 65_536;

/// An operation under way.
#[derive(Debug)]
pub(crate) enum Op {
    /// Parts are merged.
    Gather { conn: u64, target: Target, proto: Proto, gather: Gather },
    /// Shards are visited one after the other.
    Scan(Box<Scan>),
    /// Shards are asked in turn until one has a key.
    Random { conn: u64, place: u64, request: Request, left: Vec<ShardId> },
    /// All shards are asked to take a step of a change.
    Drive { step: (model::Keyspace, u64), kind: Step, replies: Vec<Vec<u8>>, left: usize },
    /// The leader is asked for what is committed of an undecided account's first term.
    Fate(LossId),
    /// Keys of a loss account get their lost state.
    Replay(Box<Replay>),
    /// Keys are looked at for WATCH.
    Watch(Box<Watching>),
    /// A transaction whose commands of the front come after those of the shard.
    Mixed(Box<Mixed>),
    /// Copies on disk are counted, the fewest over all groups written to.
    Wait(Box<Wait>),
    /// A command waits for something to take.
    Block(Box<Block>),
    /// A part of a large value is read for a client.
    Read(Box<Reading>),
    /// A value that a client sends is cut into chunks.
    Upload(Box<Upload>),
    /// New chunks are written for a command that changes a large value.
    Edit(Box<Editing>),
    /// Chunks that are good for nothing are removed.
    Collect(Box<Collecting>),
}

/// A step of a change that all shards take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// They close a keyspace.
    Close,
    /// They open it in its new layout.
    Open,
    /// They take its new mode.
    Mode,
}

impl Op {
    /// The connection that waits for it.
    pub(crate) fn conn(&self) -> Option<u64> {
        match self {
            Op::Gather { conn, .. } | Op::Random { conn, .. } => Some(*conn),
            Op::Scan(scan) => Some(scan.conn),
            Op::Wait(wait) => Some(wait.conn()),
            Op::Block(block) => Some(block.conn()),
            Op::Watch(watching) => Some(watching.conn),
            Op::Mixed(mixed) => Some(mixed.conn),
            Op::Replay(replay) => Some(replay.conn),
            Op::Read(reading) => Some(reading.conn),
            Op::Upload(upload) => Some(upload.conn),
            Op::Drive { .. } | Op::Fate(_) | Op::Collect(_) | Op::Edit(_) => None,
        }
    }
}

/// A SCAN under way.
#[derive(Debug)]
pub(crate) struct Scan {
    conn: u64,
    place: u64,
    proto: Proto,
    ks: model::Keyspace,
    filter: Vec<Vec<u8>>,
    /// End of the range of the shard that is asked now.
    end: Position,
    wanted: usize,
    found: Vec<Vec<u8>>,
    steps: u32,
    /// Only the shards that cluster clients ask this node for.
    own_only: bool,
}

impl Core {
    /// A command that is split by key: DEL, MGET, MSET, …
    pub(crate) fn run_per_key(&mut self, conn: &mut Conn, spec: &'static Spec, merge: Merge, args: &[&[u8]]) {
        let ks = conn.session.keyspace;
        let step = spec.keys.step.unsigned_abs().max(1) as usize;
        let mut parts: BTreeMap<ShardId, (Slot, Vec<usize>)> = BTreeMap::new();
        for at in spec.key_positions(args) {
            let slot = slot_of(args[at]);
            let Placement::Shard(shard) = self.map.shard_of(ks, slot) else {
                return self.reply_now(conn, |reply| reply.error(&closed(ks)));
            };
            parts.entry(shard).or_insert((slot, Vec::new())).1.push(at);
        }
        if !(args.len() - 1).is_multiple_of(step) {
            let text = format!("ERR wrong number of arguments for '{}' command", spec.name);
            return self.reply_now(conn, |reply| reply.error(&text));
        }
        if parts.len() == 1
            && let Some((shard, (slot, _))) = parts.first_key_value()
        {
            return self.send(conn, shard.group(), spec, args, *slot);
        }
        // Asked of every part before any of them is sent: what is refused has changed nothing.
        let most = self.settings.max_value;
        let values = if step == 2 { &args[1..] } else { &[] };
        if let Some(value) = values.iter().skip(1).step_by(2).find(|value| value.len() > most) {
            let text = format!(
                "ERR string exceeds maximum allowed size (max-value): {} bytes, at most {most} are allowed",
                value.len()
            );
            return self.reply_now(conn, |reply| reply.error(&text));
        }
        let places =
            parts.values().map(|(_, keys)| keys.iter().map(|at| (at - 1) / step).collect()).collect();
        let flags = self.flags_of(conn, spec);
        let requests: Vec<_> = parts
            .iter()
            .map(|(shard, (slot, keys))| {
                let mut part: Vec<&[u8]> = vec![args[0]];
                keys.iter().for_each(|&at| part.extend_from_slice(&args[at..at + step]));
                (shard.group(), *slot, Request::new(flags, ks, &part))
            })
            .collect();
        if let Some((.., request)) = requests.iter().find(|r| r.2.bytes().len() > MAX_REQUEST) {
            let text = too_long(request.bytes().len());
            return self.reply_now(conn, |reply| reply.error(&text));
        }
        self.gather(conn, Gather::new(merge, places), requests);
    }

    /// A command for all shards of the keyspace: DBSIZE, KEYS, FLUSHDB, …
    pub(crate) fn run_all_shards(
        &mut self,
        conn: &mut Conn,
        spec: &'static Spec,
        merge: Merge,
        args: &[&[u8]],
    ) {
        let flags = self.flags_of(conn, spec);
        let all = spec.name == "flushall";
        let ks = conn.session.keyspace;
        let shards: Vec<ShardId> = if all { self.all_shards().collect() } else { self.map.shards_of(ks) };
        if shards.is_empty() {
            return self.reply_now(conn, |reply| reply.error(&closed(ks)));
        }
        let shards = self.shards_for(conn, shards);
        if shards.is_empty() {
            return self.reply_of_none(conn, merge);
        }
        let request =
            |shard: &ShardId| (shard.group(), self.last_slot_of(*shard), Request::new(flags, ks, args));
        let requests: Vec<_> = shards.iter().map(request).collect();
        self.gather(conn, Gather::new(merge, vec![Vec::new(); requests.len()]), requests);
    }

    fn gather(&mut self, conn: &mut Conn, gather: Gather, requests: Vec<(GroupId, Slot, Request)>) {
        let (id, proto) = (conn.id, conn.session.proto);
        let target = Target::Slot { conn: id, slot: conn.reserve() };
        let op = self.open(Op::Gather { conn: id, target, proto, gather });
        for (part, (group, slot, request)) in requests.into_iter().enumerate() {
            self.ask_in_order_of(id, op, part as u32, group, slot, request);
        }
    }

    /// Opens the operation behind [`Core::drive`].
    pub(crate) fn open_driver(&mut self, step: (model::Keyspace, u64), kind: Step, shards: usize) -> u64 {
        self.open(Op::Drive { step, kind, replies: Vec::new(), left: shards })
    }

    pub(crate) fn open(&mut self, op: Op) -> u64 {
        let id = self.next_op;
        self.next_op += 1;
        self.ops.insert(id, op);
        id
    }

    /// Sends one part of an operation that keeps no order with other commands of its connection.
    pub(crate) fn ask(&mut self, op: u64, part: u32, group: GroupId, slot: Slot, request: Request) {
        self.ask_in_order_of(0, op, part, group, slot, request);
    }

    pub(crate) fn ask_in_order_of(
        &mut self,
        conn: u64,
        op: u64,
        part: u32,
        group: GroupId,
        slot: Slot,
        request: Request,
    ) {
        let target = Target::Part { op, part };
        if request.bytes().len() > MAX_REQUEST {
            return self.fail(target, &too_long(request.bytes().len()));
        }
        let forward = self.new_forward(target, request, slot).in_order_of(conn);
        if let Err(forward) = self.routes[group.0 as usize].push(forward) {
            let text = crate::execute::queue_full(group);
            return self.fail(forward.target, &text);
        }
        self.pumping.insert(group);
    }

    /// SCAN: the cursor is a position, so the shard that owns it is asked next.
    pub(crate) fn run_scan(&mut self, conn: &mut Conn, args: &[&[u8]]) {
        let scan = match ScanRequest::parse(args) {
            Ok(scan) => scan,
            Err(stop) => {
                let shard::Stop::Error(text) = stop else { return };
                return self.reply_now(conn, |reply| reply.error(&text));
            }
        };
        let state = Scan {
            conn: conn.id,
            place: conn.reserve(),
            proto: conn.session.proto,
            ks: conn.session.keyspace,
            filter: args[2..].iter().map(|a| a.to_vec()).collect(),
            end: Position(0),
            wanted: scan.count,
            found: Vec::new(),
            steps: 0,
            own_only: conn.session.cluster,
        };
        let op = self.open(Op::Scan(Box::new(state)));
        // One shard is asked after the other: what follows must not run in between.
        conn.blocked = Some(Blocked::Answer);
        let from = Position(scan.cursor.saturating_sub(1));
        self.scan_on(op, from);
    }

    /// Asks the shard that owns position `from`, or ends the SCAN.
    pub(crate) fn scan_on(&mut self, op: u64, from: Position) {
        let Some(Op::Scan(mut scan)) = self.ops.remove(&op) else { return };
        let (conn, request) = (scan.conn, self.next_scan_part(&mut scan, from));
        self.ops.insert(op, Op::Scan(scan));
        match request {
            Ok((group, request)) => {
                self.ask_in_order_of(conn, op, 0, group, from.slot().min(SLOTS - 1), request)
            }
            Err(Some(cursor)) => self.scan_end(op, cursor),
            Err(None) => {
                self.fail(Target::Part { op, part: 0 }, "TRYAGAIN the keyspace is changing its layout")
            }
        }
    }

    /// The next shard to ask; `Err` with the cursor to answer with when enough was found, `Err(None)`
    /// when the keyspace is closed.
    fn next_scan_part(&self, scan: &mut Scan, mut from: Position) -> Result<(GroupId, Request), Option<u64>> {
        let ks = scan.ks;
        let (shard, end) = loop {
            scan.steps += 1;
            let done = from.0 >= u64::from(SLOTS) << 48;
            if done || scan.found.len() >= scan.wanted || scan.steps > MAX_STEPS {
                return Err(Some(if done { 0 } else { from.0 + 1 }));
            }
            let Placement::Shard(shard) = self.map.shard_of(ks, from.slot()) else { return Err(None) };
            let end = (u64::from(self.last_slot_of_run(ks, from.slot())) + 1) << 48;
            if !scan.own_only || self.seat(shard.group()) == Some(self.me.node) {
                break (shard, end);
            }
            from = Position(end);
        };
        scan.end = Position(end);
        let left = scan.wanted - scan.found.len();
        let (from, end, left) = (from.0.to_string(), end.to_string(), left.to_string());
        let mut parts: Vec<&[u8]> = vec![internal::SCAN, from.as_bytes(), end.as_bytes(), left.as_bytes()];
        parts.extend(scan.filter.iter().map(|a| &a[..]));
        Ok((shard.group(), Request::new(Flags::INTERNAL, ks, &parts)))
    }

    fn scan_part(&mut self, op: u64, reply: &[u8]) {
        let Some(Op::Scan(scan)) = self.ops.get_mut(&op) else { return };
        let Some((next, keys)) = read_scan_part(reply) else {
            return self.end(op, reply);
        };
        scan.found.extend(keys);
        let from = if next == 0 { scan.end } else { Position(next - 1) };
        self.scan_on(op, from);
    }

    fn scan_end(&mut self, op: u64, cursor: u64) {
        let Some(Op::Scan(scan)) = self.ops.get(&op) else { return };
        let mut out = Vec::new();
        let mut reply = Resp { buf: &mut out, proto: scan.proto };
        reply.array(2);
        reply.bulk_str(&cursor.to_string());
        reply.array(scan.found.len());
        scan.found.iter().for_each(|key| reply.bulk(key));
        self.end(op, &out);
    }

    /// RANDOMKEY: starts at a random shard.
    pub(crate) fn run_random(&mut self, conn: &mut Conn) {
        let ks = conn.session.keyspace;
        let mut left = self.shards_for(conn, self.map.shards_of(ks));
        if left.is_empty() && conn.session.cluster {
            return self.reply_now(conn, |reply| reply.null());
        }
        let turn = (self.now.mono_ns ^ self.next_op.wrapping_mul(0x9E37_79B9_7F4A_7C15)) as usize;
        if left.is_empty() {
            return self.reply_now(conn, |reply| reply.error(&closed(ks)));
        }
        let by = turn % left.len();
        left.rotate_left(by);
        let flags = Flags::default().with(Flags::RESP3, conn.session.proto == Proto::Resp3);
        let request = Request::new(flags, ks, &[b"RANDOMKEY"]);
        let op = Op::Random { conn: conn.id, place: conn.reserve(), request, left };
        let op = self.open(op);
        conn.blocked = Some(Blocked::Answer);
        self.random_on(op, b"$-1\r\n");
    }

    /// A shard that was asked is not what it was: these are asked instead.
    pub(crate) fn random_again(&mut self, op: u64, shards: Vec<ShardId>) {
        if let Some(Op::Random { left, .. }) = self.ops.get_mut(&op) {
            left.extend(shards);
        }
        self.random_on(op, b"$-1\r\n");
    }

    fn random_on(&mut self, op: u64, reply: &[u8]) {
        let Some(Op::Random { conn, request, left, .. }) = self.ops.get_mut(&op) else { return };
        let empty = reply.starts_with(b"$-1") || reply.starts_with(b"_");
        match left.pop().filter(|_| empty) {
            Some(shard) => {
                let (conn, request) = (*conn, request.clone());
                let last = self.last_slot_of(shard);
                self.ask_in_order_of(conn, op, 0, shard.group(), last, request);
            }
            None if empty && request.flags().has(Flags::RESP3) => self.end(op, b"_\r\n"),
            None => self.end(op, reply),
        }
    }

    /// The answer to a part of an operation.
    pub(crate) fn on_part(
        &mut self,
        op: u64,
        part: u32,
        reply: &[u8],
        group: GroupId,
        written: (Term, Index),
    ) {
        let Some(state) = self.ops.get_mut(&op) else { return };
        let conn = match state {
            Op::Gather { conn, .. } | Op::Random { conn, .. } => *conn,
            Op::Wait(wait) => wait.conn(),
            Op::Block(block) => block.conn(),
            Op::Watch(watching) => watching.conn,
            Op::Mixed(mixed) => mixed.conn,
            Op::Replay(replay) => replay.conn,
            Op::Scan(scan) => scan.conn,
            Op::Read(reading) => reading.conn,
            Op::Upload(upload) => upload.conn,
            Op::Drive { .. } | Op::Fate(_) | Op::Collect(_) | Op::Edit(_) => 0,
        };
        if written.1 > 0
            && let Some(conn) = self.conns.get_mut(&conn)
        {
            conn.note_written(group, written.0, written.1);
        }
        match state {
            Op::Gather { proto, gather, .. } => {
                if gather.add(part as usize, reply) {
                    let mut out = Vec::new();
                    gather.finish(&mut Resp { buf: &mut out, proto: *proto });
                    self.end(op, &out);
                }
            }
            Op::Scan(_) => self.scan_part(op, reply),
            Op::Random { .. } => self.random_on(op, reply),
            Op::Drive { step, kind, replies, left } => {
                replies.push(reply.to_vec());
                *left -= 1;
                if *left == 0 {
                    let (step, kind, replies) = (*step, *kind, std::mem::take(replies));
                    self.ops.remove(&op);
                    self.driven(step, kind, &replies);
                }
            }
            Op::Wait(_) => self.wait_part(op, reply),
            Op::Block(_) => self.block_part(op, reply),
            Op::Watch(_) => self.watch_part(op, reply),
            Op::Mixed(_) => self.mixed_part(op, reply),
            Op::Replay(_) => self.replay_part(op, part, reply),
            Op::Read(_) => self.read_part(op, part, reply),
            Op::Upload(_) => self.upload_part(op, part, reply),
            Op::Collect(_) => self.collect_part(op, reply),
            Op::Edit(_) => self.edit_part(op, part, reply),
            Op::Fate(id) => {
                let id = *id;
                self.ops.remove(&op);
                self.told_end(id, reply);
            }
        }
    }

    /// The operation is answered.
    pub(crate) fn end(&mut self, op: u64, reply: &[u8]) {
        let Some(state) = self.ops.remove(&op) else { return };
        let (conn, slot) = match state {
            // A part of another operation, which tells of its end itself.
            Op::Gather { target: target @ Target::Part { .. }, .. } => {
                return self.complete(target, reply, GroupId::META, (0, 0));
            }
            Op::Gather { target: Target::Slot { conn, slot }, .. } => (conn, slot),
            Op::Random { conn, place, .. } => {
                self.unblock(conn);
                (conn, place)
            }
            Op::Wait(wait) => {
                self.unblock(wait.conn());
                wait.target()
            }
            Op::Block(block) => {
                self.unblock(block.conn());
                self.note_served(block.conn(), &block.args());
                block.target()
            }
            Op::Watch(watching) => {
                self.unblock(watching.conn);
                (watching.conn, watching.place)
            }
            Op::Mixed(mixed) => {
                self.unblock(mixed.conn);
                (mixed.conn, mixed.place)
            }
            Op::Scan(scan) => {
                self.unblock(scan.conn);
                (scan.conn, scan.place)
            }
            Op::Replay(replay) => (replay.conn, replay.place),
            Op::Read(reading) => (reading.conn, reading.place),
            Op::Upload(upload) => {
                self.unblock(upload.conn);
                (upload.conn, upload.place)
            }
            Op::Drive { .. } | Op::Fate(_) | Op::Collect(_) | Op::Edit(_) => return,
        };
        if let Some(asked) = self.conns.get(&conn) {
            self.stats.note_end(asked.session.last_command, reply);
        }
        self.complete(Target::Slot { conn, slot }, reply, GroupId::META, (0, 0));
    }

    /// The connection reads commands again.
    pub(crate) fn unblock(&mut self, id: u64) {
        if self.busy == Some(id) {
            self.unblocking.push(id);
        } else if let Some(conn) = self.conns.get_mut(&id) {
            conn.blocked = None;
            conn.session.flags.blocked = false;
            self.resuming.push(id);
        }
    }
}

fn read_scan_part(reply: &[u8]) -> Option<(u64, Vec<Vec<u8>>)> {
    let mut parts = walk::elements(reply).ok()?;
    let next = bulk(parts.next()?.ok()?)?;
    let next = std::str::from_utf8(next).ok()?.parse().ok()?;
    let keys = walk::elements(parts.next()?.ok()?).ok()?;
    let keys: Option<Vec<Vec<u8>>> = keys.map(|k| Some(bulk(k.ok()?)?.to_vec())).collect();
    Some((next, keys?))
}

/// The content of an encoded bulk string.
fn bulk(encoded: &[u8]) -> Option<&[u8]> {
    let at = encoded.iter().position(|&b| b == b'\n')? + 1;
    encoded.get(at..encoded.len().checked_sub(2)?)
}
