//! A client connection: bytes in, and the queue of replies that leave in the order of the commands.
//!
//! A reply is written when its command runs and released when what it depends on is committed.
//! Commands executed here keep their request until then, so that they can be run again by another
//! leader if their entry is lost.

use model::{GroupId, Index, Term};
use resp::{Parser, Session};
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Most commands of one connection without a released reply; beyond it the connection is not read.
pub const MAX_PIPELINE: usize = 16_384;
/// Bytes of one connection's unsent replies, and of its replies and requests that wait for entries:
/// beyond either no further command of it runs (one reply may be larger).
pub const MAX_KEPT: usize = 16 << 20;

/// What is known of an entry a reply waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Committed: the reply may go.
    Committed,
    /// Certainly not done: another entry took its place.
    NotDone,
    /// Not known yet.
    Pending,
    /// Can not be learned any more.
    Unknown,
}

/// The entry a reply waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Group of the entry.
    pub group: GroupId,
    /// Its term.
    pub term: Term,
    /// Its index; 0 = nothing to wait for.
    pub index: Index,
    /// Place in the order of execution of the group.
    pub order: u64,
    /// The command has effects.
    pub wrote: bool,
    /// The reply leaves when the entry is written, see [`crate::exposure`]; else when it is committed.
    pub early: bool,
}

#[derive(Debug)]
enum State {
    /// Reply in `held`, request in `replay`.
    Local(Mark),
    /// The answer comes from elsewhere.
    Waiting,
    /// The answer is here.
    Ready(Vec<u8>),
}

#[derive(Debug)]
struct Slot {
    reply: u32,
    request: u32,
    /// Where the request stands in the stream of all requests of the connection.
    request_at: u64,
    state: State,
}

/// Bytes that are appended at the end and taken from the front.
#[derive(Debug, Default)]
struct Fifo {
    bytes: Vec<u8>,
    start: usize,
    /// Place of the first byte of `bytes` in the stream of all bytes.
    base: u64,
}

impl Fifo {
    fn take(&mut self, len: usize) -> &[u8] {
        let start = self.start;
        self.start += len;
        &self.bytes[start..self.start]
    }

    fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Place of the next byte in the stream.
    fn end(&self) -> u64 {
        self.base + self.bytes.len() as u64
    }

    fn at(&self, place: u64, len: usize) -> &[u8] {
        let start = (place - self.base) as usize;
        &self.bytes[start..start + len]
    }

    fn reset_if_empty(&mut self) {
        if self.start == self.bytes.len() {
            self.base += self.start as u64;
            self.bytes.clear();
            self.start = 0;
        } else if self.start > 64 * 1024 && self.start * 2 > self.bytes.len() {
            self.base += self.start as u64;
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }
}

/// Why a connection reads no further commands for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blocked {
    /// This command needs all replies before it: it runs when the queue is empty.
    Drain(Vec<u8>),
    /// An operation that blocks the connection is under way (WAIT, DEBUG SLEEP).
    Busy,
    /// How later commands run depends on an answer that is on its way (WATCH, some transactions).
    Answer,
    /// The next command waits until its rows are in memory; it has not run.
    Cold,
}

/// One client connection.
pub struct Conn {
    /// Number of the connection, never reused; also its `CLIENT ID`.
    pub id: u64,
    /// What the front keeps of it.
    pub session: Session,
    /// Reads its requests.
    pub parser: Parser,
    /// Bytes read and not parsed.
    pub input: Vec<u8>,
    /// Bytes ready to be sent.
    pub wire: Vec<u8>,
    /// Set while commands must wait.
    pub blocked: Option<Blocked>,
    /// No more input is read; close when everything is sent.
    pub closing: bool,
    /// Nothing more is sent: close at once.
    pub cut: bool,
    /// The client sends no more: close when everything it asked for is answered.
    pub ended: bool,
    /// The command of which it is sending a value that goes into chunks.
    pub(crate) incoming: Option<Box<crate::large::Incoming>>,
    /// What it has queued and watches.
    pub(crate) transaction: Option<Box<crate::transaction::Transaction>>,
    /// Last write per group: what WAIT waits for.
    pub written: SmallVec<[(GroupId, Term, Index); 2]>,
    /// Replies of this node's replicas that did not leave yet are within their bound until then, monotonic
    /// ns; `u64::MAX` = there are none.
    pub fresh_until_ns: u64,
    held: Fifo,
    replay: Fifo,
    slots: VecDeque<Slot>,
    /// Places whose answers come from elsewhere and have not.
    routed: usize,
    /// Bytes of answers that came before those of earlier commands.
    ready_bytes: usize,
    first: u64,
    /// Places whose replies are not sent.
    muted: BTreeSet<u64>,
}

impl Conn {
    /// A new connection.
    pub fn new(id: u64, session: Session, parser: Parser) -> Conn {
        Conn {
            id,
            session,
            parser,
            input: Vec::new(),
            wire: Vec::new(),
            blocked: None,
            closing: false,
            cut: false,
            ended: false,
            incoming: None,
            transaction: None,
            written: SmallVec::new(),
            fresh_until_ns: u64::MAX,
            held: Fifo::default(),
            replay: Fifo::default(),
            slots: VecDeque::new(),
            routed: 0,
            ready_bytes: 0,
            first: 0,
            muted: BTreeSet::new(),
        }
    }

    /// A command that was taken from the input has to wait, and is read from there once more: the next one would take
    /// its place, and each answer from then on the place of another. Found by the simulator. `parser`: a new one.
    pub(crate) fn put_back(&mut self, args: &[&[u8]], mut parser: Parser) {
        let mut input = format!("*{}\r\n", args.len()).into_bytes();
        for arg in args {
            input.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
            input.extend_from_slice(arg);
            input.extend_from_slice(b"\r\n");
        }
        input.append(&mut self.input);
        self.input = input;
        parser.set_authenticated(self.session.authenticated);
        self.parser = parser;
    }

    /// True when the next command may run.
    #[inline]
    pub fn takes_commands(&self) -> bool {
        !self.closing && self.blocked.is_none() && !self.is_full()
    }

    /// True while an answer is awaited that may be given twice, and another one the second time.
    #[inline]
    pub fn awaits_others(&self) -> bool {
        self.routed > 0
    }

    /// Number of replies not released.
    pub fn waiting(&self) -> usize {
        self.slots.len()
    }

    /// Bytes of memory of all buffers.
    pub fn memory(&self) -> usize {
        self.input.capacity()
            + self.wire.capacity()
            + self.held.bytes.capacity()
            + self.replay.bytes.capacity()
            + self.session.queued.bytes
    }

    /// Bytes of replies kept for this connection.
    pub fn output_bytes(&self) -> usize {
        self.wire.len() + self.held.len() + self.ready_bytes
    }

    /// True when so much of it is unsent or unanswered that no further command runs.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.exceeds(MAX_PIPELINE, MAX_KEPT)
    }

    /// True when enough has gone for commands to run again.
    pub fn has_room(&self) -> bool {
        !self.exceeds(MAX_PIPELINE / 2, MAX_KEPT / 2)
    }

    #[inline]
    fn exceeds(&self, replies: usize, bytes: usize) -> bool {
        self.slots.len() >= replies
            || self.wire.len() >= bytes
            || self.held.len() + self.replay.len() + self.ready_bytes >= bytes
    }

    /// The buffer a reply is written to when its command runs now: straight to the wire if nothing
    /// is before it.
    #[inline]
    pub fn reply_buffer(&mut self) -> &mut Vec<u8> {
        if self.slots.is_empty() { &mut self.wire } else { &mut self.held.bytes }
    }

    /// The reply just written (from `start` of [`Conn::reply_buffer`]) waits for nothing.
    #[inline]
    pub fn reply_free(&mut self, start: usize) {
        if !self.slots.is_empty() {
            let reply = (self.held.bytes.len() - start) as u32;
            let mark = Mark { group: GroupId(0), term: 0, index: 0, order: 0, wrote: false, early: false };
            self.push(reply, 0, State::Local(mark));
        }
    }

    /// The reply just written (from `start` of [`Conn::reply_buffer`]) waits for `mark`; `request` is
    /// what runs again if that is lost.
    #[inline]
    pub fn reply_held(&mut self, start: usize, mark: Mark, request: impl FnOnce(&mut Vec<u8>)) {
        if self.slots.is_empty() {
            self.held.bytes.extend_from_slice(&self.wire[start..]);
            let reply = (self.wire.len() - start) as u32;
            self.wire.truncate(start);
            self.push_held(reply, mark, request);
        } else {
            let reply = (self.held.bytes.len() - start) as u32;
            self.push_held(reply, mark, request);
        }
    }

    fn push_held(&mut self, reply: u32, mark: Mark, request: impl FnOnce(&mut Vec<u8>)) {
        let before = self.replay.bytes.len();
        request(&mut self.replay.bytes);
        let request = (self.replay.bytes.len() - before) as u32;
        self.push(reply, request, State::Local(mark));
    }

    #[inline]
    fn push(&mut self, reply: u32, request: u32, state: State) {
        let request_at = self.replay.end() - u64::from(request);
        self.slots.push_back(Slot { reply, request, request_at, state });
    }

    /// Reserves the next place for an answer that comes later. Returns the place.
    pub fn reserve(&mut self) -> u64 {
        self.routed += 1;
        self.push(0, 0, State::Waiting);
        self.first + self.slots.len() as u64 - 1
    }

    /// Whether no answer was reserved, or given, behind this place.
    pub fn is_last(&self, place: u64) -> bool {
        place + 1 == self.first + self.slots.len() as u64
    }

    /// `CLIENT REPLY OFF|SKIP`: the reply of the command that just ran is not sent. `before`: replies
    /// waiting and bytes on the wire when it began.
    pub fn mute(&mut self, before: (usize, usize)) {
        if self.slots.len() > before.0 {
            self.muted.insert(self.first + self.slots.len() as u64 - 1);
        } else {
            self.wire.truncate(before.1);
        }
    }

    /// The answer for a reserved place. Ignored if the place is not waiting any more.
    pub fn answer(&mut self, place: u64, reply: &[u8]) {
        let Some(at) = place.checked_sub(self.first) else { return };
        if at == 0 && self.slots.front().is_some_and(|s| matches!(s.state, State::Waiting)) {
            self.routed -= 1;
            if !self.is_muted() {
                self.wire.extend_from_slice(reply);
            }
            self.drop_front();
            return;
        }
        if let Some(slot) = self.slots.get_mut(at as usize)
            && matches!(slot.state, State::Waiting)
        {
            self.routed -= 1;
            self.ready_bytes += reply.len();
            slot.state = State::Ready(reply.to_vec());
        }
    }

    /// True if it has sent a part of a value whose rest is not here.
    pub fn lacks_input(&self) -> bool {
        self.incoming
            .as_ref()
            .is_some_and(|incoming| self.blocked.is_none() || incoming.lacks(self.input.len()))
    }

    /// True when this place is the next to be answered.
    pub fn is_next(&self, place: u64) -> bool {
        place == self.first && self.slots.front().is_some_and(|slot| matches!(slot.state, State::Waiting))
    }

    /// True while the next reply is not to be sent.
    pub fn is_next_muted(&self) -> bool {
        self.muted.contains(&self.first)
    }

    /// Places whose answers come from elsewhere and have not.
    pub fn routed(&self) -> usize {
        self.routed
    }

    /// True when the reply at the front must not be sent.
    #[inline]
    fn is_muted(&mut self) -> bool {
        !self.muted.is_empty() && self.muted.remove(&self.first)
    }

    fn drop_front(&mut self) -> Option<State> {
        let slot = self.slots.pop_front()?;
        self.first += 1;
        self.held.take(slot.reply as usize);
        self.replay.take(slot.request as usize);
        self.held.reset_if_empty();
        self.replay.reset_if_empty();
        if let State::Ready(reply) = &slot.state {
            self.ready_bytes -= reply.len();
        }
        Some(slot.state)
    }

    /// Moves all replies whose time has come to the wire. Returns true when any byte moved.
    pub fn release(&mut self, fate: impl Fn(&Mark) -> Fate) -> bool {
        let before = self.wire.len();
        while let Some(slot) = self.slots.front() {
            match &slot.state {
                State::Local(mark) if mark.index == 0 || fate(mark) == Fate::Committed => {
                    let (reply, request) = (slot.reply as usize, slot.request as usize);
                    let muted = self.is_muted();
                    let reply = self.held.take(reply);
                    if !muted {
                        self.wire.extend_from_slice(reply);
                    }
                    self.replay.take(request);
                    self.slots.pop_front();
                    self.first += 1;
                    continue;
                }
                State::Ready(reply) if !self.muted.contains(&self.first) => {
                    self.wire.extend_from_slice(reply)
                }
                State::Ready(_) => {}
                State::Local(_) | State::Waiting => break,
            }
            self.drop_front();
        }
        self.held.reset_if_empty();
        self.replay.reset_if_empty();
        self.wire.len() > before
    }

    /// Places whose replies wait for entries of this group and term.
    pub fn marks(&self, group: GroupId) -> impl Iterator<Item = (u64, Mark)> {
        self.slots.iter().enumerate().filter_map(move |(at, slot)| match slot.state {
            State::Local(mark) if mark.index > 0 && mark.group == group => {
                Some((self.first + at as u64, mark))
            }
            _ => None,
        })
    }

    /// The groups in which commands with effects wait for their entries, and the order of execution of
    /// the last of them.
    pub fn last_writes(&self) -> BTreeMap<GroupId, u64> {
        let mut last = BTreeMap::new();
        for slot in &self.slots {
            if let State::Local(mark) = slot.state
                && mark.wrote
            {
                last.insert(mark.group, mark.order);
            }
        }
        last
    }

    /// True if any reply not sent may be one of a read, or of a command that had no effects, of this node:
    /// no entry of its own tells whether it is true.
    pub fn holds_reads(&self) -> bool {
        let read = |slot: &Slot| match slot.state {
            State::Local(mark) => !mark.wrote || mark.early,
            State::Waiting => false,
            State::Ready(_) => true,
        };
        !self.wire.is_empty() || self.slots.iter().any(read)
    }

    /// The mark a place waits for, `None` if it waits for no entry.
    pub fn mark(&self, place: u64) -> Option<Mark> {
        let at = place.checked_sub(self.first)?;
        match self.slots.get(at as usize)?.state {
            State::Local(mark) if mark.index > 0 => Some(mark),
            _ => None,
        }
    }

    /// The entry a place waits for is known to be committed. It may stand behind others for long, until
    /// nobody can tell any more what became of entries of its term.
    pub fn settle(&mut self, place: u64) {
        let at = place.checked_sub(self.first).map(|at| at as usize);
        if let Some(State::Local(mark)) = at.and_then(|at| self.slots.get_mut(at)).map(|slot| &mut slot.state)
        {
            mark.index = 0;
        }
    }

    /// Gives up the reply of a place: it will be answered anew. Returns the request to run again.
    pub fn rerun(&mut self, place: u64) -> Option<Vec<u8>> {
        let at = place.checked_sub(self.first)? as usize;
        let slot = self.slots.get_mut(at)?;
        self.routed += usize::from(!matches!(slot.state, State::Waiting));
        slot.state = State::Waiting;
        Some(self.replay.at(slot.request_at, slot.request as usize).to_vec())
    }

    /// Notes the last write of this connection in a group.
    #[inline]
    pub fn note_written(&mut self, group: GroupId, term: Term, index: Index) {
        match self.written.iter_mut().find(|(g, ..)| *g == group) {
            Some(last) if (last.1, last.2) < (term, index) => *last = (group, term, index),
            Some(_) => {}
            None => self.written.push((group, term, index)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conn() -> Conn {
        Conn::new(
            1,
            Session::new(1, String::new(), String::new(), 0, true),
            Parser::new(resp::Limits::default()),
        )
    }

    fn mark(index: Index) -> Mark {
        Mark { group: GroupId(1), term: 3, index, order: 0, wrote: true, early: false }
    }

    fn hold(conn: &mut Conn, index: Index, reply: &[u8], request: &[u8]) {
        let start = conn.reply_buffer().len();
        conn.reply_buffer().extend_from_slice(reply);
        conn.reply_held(start, mark(index), |replay| replay.extend_from_slice(request));
    }

    fn free(conn: &mut Conn, reply: &[u8]) {
        let start = conn.reply_buffer().len();
        conn.reply_buffer().extend_from_slice(reply);
        conn.reply_free(start);
    }

    fn upto(committed: Index) -> impl Fn(&Mark) -> Fate {
        move |mark| if mark.index <= committed { Fate::Committed } else { Fate::Pending }
    }

    #[test]
    fn what_is_settled_waits_for_its_turn_only() {
        let mut conn = conn();
        let place = conn.reserve();
        hold(&mut conn, 6, b"1", b"w1");
        conn.settle(place + 1);
        conn.answer(place, b"0");
        assert!(conn.release(|_| Fate::Unknown));
        assert_eq!((&conn.wire[..], conn.waiting()), (&b"01"[..], 0));
    }

    #[test]
    fn replies_leave_in_the_order_of_commands() {
        let mut conn = conn();
        free(&mut conn, b"0");
        hold(&mut conn, 5, b"1", b"w1");
        free(&mut conn, b"2");
        let place = conn.reserve();
        hold(&mut conn, 6, b"4", b"w4");
        assert_eq!(conn.wire, b"0");
        assert!(!conn.release(upto(4)));
        conn.answer(place, b"3");
        assert!(conn.release(upto(5)));
        assert_eq!(conn.wire, b"0123");
        conn.release(upto(6));
        assert_eq!((&conn.wire[..], conn.waiting()), (&b"01234"[..], 0));
        free(&mut conn, b"5");
        assert_eq!(conn.wire, b"012345");
    }

    #[test]
    fn a_lost_command_is_answered_in_its_place() {
        let mut conn = conn();
        hold(&mut conn, 5, b"a", b"first");
        hold(&mut conn, 6, b"b", b"second");
        free(&mut conn, b"c");
        let places: Vec<u64> = conn.marks(GroupId(1)).map(|(place, _)| place).collect();
        assert_eq!(conn.rerun(places[1]).as_deref(), Some(&b"second"[..]));
        assert_eq!(conn.mark(places[1]), None);
        conn.release(upto(5));
        assert_eq!(conn.wire, b"a");
        conn.answer(places[1], b"B");
        conn.answer(places[1], b"twice");
        conn.release(upto(5));
        assert_eq!(conn.wire, b"aBc");
    }

    #[test]
    fn the_last_write_of_each_group_is_remembered() {
        let mut conn = conn();
        conn.note_written(GroupId(1), 3, 5);
        conn.note_written(GroupId(1), 2, 9);
        conn.note_written(GroupId(2), 1, 1);
        assert_eq!(&conn.written[..], [(GroupId(1), 3, 5), (GroupId(2), 1, 1)]);
    }
}
