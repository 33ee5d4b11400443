//! The state of one connection, and the line that `CLIENT LIST` shows of it.

use crate::encode::Proto;
use model::Keyspace;

/// What happens to the replies of a connection (`CLIENT REPLY`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ReplyMode {
    /// Replies are sent.
    #[default]
    On,
    /// No reply is sent.
    Off,
    /// This command said `CLIENT REPLY SKIP`; the next one gets no reply.
    SkipNext,
    /// The command that runs now gets no reply.
    Skip,
}

/// Oldest state that a `READONLY` connection is content with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Staleness {
    /// As configured (`max-staleness`).
    #[default]
    Usual,
    /// `READONLY MAX-STALENESS ms`.
    AtMost {
        /// [`MIN_STALENESS_MS`] to [`MAX_STALENESS_MS`].
        ms: u64,
    },
    /// `READONLY STALE`: any, also while the shard has no leader.
    Any,
}

/// Least staleness that can be asked for, ms: less than a few turns and a beat can not be kept.
pub const MIN_STALENESS_MS: u64 = 10;
/// Most, ms; beyond it `STALE` says what is meant.
pub const MAX_STALENESS_MS: u64 = 3_600_000;

/// When the writes of a connection are answered (`CLIENT REPLICATION`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Replicating {
    /// As the keyspace says.
    #[default]
    Follow,
    /// When they are committed, in every keyspace.
    Sync,
    /// Before they are committed; refused in a synchronous keyspace that does not allow it.
    Async,
}

/// Sizes of a connection's buffers in bytes; the loop that owns the connection keeps them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Buffers {
    /// Received and not yet executed.
    pub query: usize,
    /// Free space of the query buffer.
    pub query_free: usize,
    /// Arguments of the command that arrives.
    pub args: usize,
    /// Replies not yet sent.
    pub output: usize,
    /// Largest amount of unsent replies so far.
    pub output_peak: usize,
}

/// What a connection keeps for a transaction; the loop that owns the connection keeps it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Queued {
    /// Commands since MULTI; `None`: it is in no transaction.
    pub commands: Option<usize>,
    /// Bytes of queued commands and of watched keys.
    pub bytes: usize,
}

/// What a connection can have done to it, set by commands and obeyed by the loop that owns it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SessionFlags {
    /// `CLIENT NO-EVICT ON`.
    pub no_evict: bool,
    /// `CLIENT NO-TOUCH ON`: its reads do not change idle times.
    pub no_touch: bool,
    /// `MONITOR`: it is told of every command.
    pub monitor: bool,
    /// `READONLY`: followers may answer its reads.
    pub readonly: bool,
    /// `CLIENT REPLICATION`: when its writes are answered.
    pub replication: Replicating,
    /// It waits in a blocking command such as WAIT.
    pub blocked: bool,
    /// It is closed once its replies are sent.
    pub closing: bool,
}

/// One connection.
#[derive(Clone, Debug)]
pub struct Session {
    /// It came by the port that speaks Redis Cluster.
    pub cluster: bool,
    /// Unique on this node for the life of the process; from 1.
    pub id: u64,
    /// The client's `ip:port`.
    pub addr: String,
    /// The node's `ip:port` that the client reached.
    pub laddr: String,
    /// `CLIENT SETNAME`; empty if not set.
    pub name: String,
    /// `CLIENT SETINFO LIB-NAME`; empty if not set.
    pub lib_name: String,
    /// `CLIENT SETINFO LIB-VER`; empty if not set.
    pub lib_ver: String,
    /// The keyspace picked by SELECT.
    pub keyspace: Keyspace,
    /// The protocol picked by HELLO.
    pub proto: Proto,
    /// A password was given, or none is needed.
    pub authenticated: bool,
    /// Whether replies are sent.
    pub reply: ReplyMode,
    /// Further switches.
    pub flags: SessionFlags,
    /// How old what followers answer may be, with `READONLY`.
    pub staleness: Staleness,
    /// When it was accepted, in ms of the monotonic clock.
    pub created_ms: u64,
    /// When it last sent a command, in ms of the monotonic clock.
    pub active_ms: u64,
    /// Full name of its last command; empty before the first.
    pub last_command: &'static str,
    /// Commands executed.
    pub commands: u64,
    /// Sizes of its buffers.
    pub buffers: Buffers,
    /// Its transaction.
    pub queued: Queued,
}

impl Session {
    /// A connection just accepted. `authenticated`: no password is configured.
    pub fn new(id: u64, addr: String, laddr: String, now_ms: u64, authenticated: bool) -> Session {
        Session {
            cluster: false,
            id,
            addr,
            laddr,
            name: String::new(),
            lib_name: String::new(),
            lib_ver: String::new(),
            keyspace: Keyspace::default(),
            proto: Proto::default(),
            authenticated,
            reply: ReplyMode::default(),
            flags: SessionFlags::default(),
            staleness: Staleness::default(),
            created_ms: now_ms,
            active_ms: now_ms,
            last_command: "",
            commands: 0,
            buffers: Buffers::default(),
            queued: Queued::default(),
        }
    }

    /// Notes that a command starts.
    #[inline]
    pub fn begin(&mut self, command: &'static str, now_ms: u64) {
        self.last_command = command;
        self.active_ms = now_ms;
        self.commands += 1;
    }

    /// True if the reply of the command that has just run must not be sent. Moves the SKIP of
    /// `CLIENT REPLY` on by one command; call it once after each command.
    #[inline]
    pub fn swallows_reply(&mut self) -> bool {
        match self.reply {
            ReplyMode::On => false,
            ReplyMode::Off => true,
            ReplyMode::SkipNext => {
                self.reply = ReplyMode::Skip;
                true
            }
            ReplyMode::Skip => {
                self.reply = ReplyMode::On;
                true
            }
        }
    }

    /// Back to the state of a new connection (`RESET`), whose loop also ends its transaction; identity, counters and the no-evict and
    /// no-touch switches stay, as in Redis.
    pub fn reset(&mut self, authenticated: bool) {
        self.name.clear();
        self.keyspace = Keyspace::default();
        self.proto = Proto::default();
        self.authenticated = authenticated;
        self.reply = ReplyMode::On;
        self.flags.readonly = false;
        self.flags.monitor = false;
        self.flags.replication = Replicating::Follow;
        self.staleness = Staleness::default();
    }

    /// The letters of the `flags` field, in Redis's order.
    fn letters(&self) -> String {
        let flags = &self.flags;
        let set = [
            (self.queued.commands.is_some(), 'x'),
            (flags.monitor, 'O'),
            (flags.blocked, 'b'),
            (flags.closing, 'c'),
            (flags.readonly, 'r'),
            (flags.no_evict, 'e'),
            (flags.no_touch, 'T'),
        ];
        let letters: String = set.iter().filter(|(on, _)| *on).map(|(_, letter)| *letter).collect();
        if letters.is_empty() { "N".into() } else { letters }
    }

    /// The line of `CLIENT LIST` without its line break: the fields of Redis 7.0 in their order
    /// (those without meaning here are constant), then `lib-name` and `lib-ver` of 7.2.
    pub fn line(&self, now_ms: u64) -> String {
        let seconds = |since: u64| now_ms.saturating_sub(since) / 1000;
        let buffers = &self.buffers;
        let total = buffers.query + buffers.query_free + buffers.args + buffers.output + self.queued.bytes;
        let last = if self.last_command.is_empty() { "NULL" } else { self.last_command };
        format!(
            "id={} addr={} laddr={} fd=-1 name={} age={} idle={} flags={} db={} sub=0 psub=0 ssub=0 multi={} \
             qbuf={} qbuf-free={} argv-mem={} multi-mem={} rbs=0 rbp={} obl={} oll=0 omem={} tot-mem={} \
             events={} cmd={} user=default redir=-1 resp={} lib-name={} lib-ver={}",
            self.id,
            self.addr,
            self.laddr,
            self.name,
            seconds(self.created_ms),
            seconds(self.active_ms),
            self.letters(),
            self.keyspace,
            self.queued.commands.map_or(-1, |commands| commands as i64),
            buffers.query,
            buffers.query_free,
            buffers.args,
            self.queued.bytes,
            buffers.output_peak,
            buffers.output,
            buffers.output,
            total,
            if buffers.output > 0 { "rw" } else { "r" },
            last,
            self.proto.number(),
            self.lib_name,
            self.lib_ver,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_has_the_fields_of_redis() {
        let mut session = Session::new(7, "1.2.3.4:5".into(), "127.0.0.1:6379".into(), 1_000, true);
        session.name = "me".into();
        session.begin("client|list", 3_500);
        session.flags.no_evict = true;
        assert_eq!(
            session.line(5_600),
            "id=7 addr=1.2.3.4:5 laddr=127.0.0.1:6379 fd=-1 name=me age=4 idle=2 flags=e db=0 sub=0 psub=0 \
             ssub=0 multi=-1 qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=0 \
             events=r cmd=client|list user=default redir=-1 resp=2 lib-name= lib-ver="
        );
    }

    #[test]
    fn a_transaction_is_shown() {
        let mut session = Session::new(7, String::new(), String::new(), 0, true);
        session.queued = Queued { commands: Some(3), bytes: 99 };
        let line = session.line(0);
        assert!(line.contains(" flags=x ") && line.contains(" multi=3 "), "{line}");
        assert!(line.contains(" multi-mem=99 ") && line.contains(" tot-mem=99 "), "{line}");
    }

    #[test]
    fn skip_drops_its_own_and_the_next_reply() {
        let mut session = Session::new(1, String::new(), String::new(), 0, true);
        assert!(!session.swallows_reply());
        session.reply = ReplyMode::SkipNext;
        assert_eq!(
            [session.swallows_reply(), session.swallows_reply(), session.swallows_reply()],
            [true, true, false]
        );
        session.reply = ReplyMode::Off;
        assert!(session.swallows_reply() && session.swallows_reply());
    }
}
