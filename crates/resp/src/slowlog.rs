//! The slow log of a node: commands that took longer than a threshold.

use std::collections::VecDeque;

/// Arguments kept of an entry; the last place then says how many more there were.
pub const MAX_ARGS: usize = 32;
/// Bytes kept of an argument; the text then says how many more there were.
pub const MAX_ARG: usize = 128;

/// What stands in the place of a secret.
pub(crate) const REDACTED: &[u8] = b"(redacted)";
/// Options of `CONFIG SET` whose values are secrets.
const SECRET_OPTIONS: [&str; 3] = ["requirepass", "masterauth", "masteruser"];

/// One slow command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SlowEntry {
    /// From 0, never reused while the process lives.
    pub id: u64,
    /// When it ran: seconds since 1970.
    pub time_s: u64,
    /// How long it took, in microseconds.
    pub took_us: u64,
    /// The command and its arguments, shortened.
    pub args: Vec<Vec<u8>>,
    /// The client's `ip:port`.
    pub addr: String,
    /// The client's name.
    pub name: String,
}

/// A bounded list of slow commands, the newest first.
#[derive(Clone, Debug)]
pub struct SlowLog {
    /// Shortest time that is kept, in microseconds; negative: nothing is kept
    /// (`slowlog-log-slower-than`).
    pub threshold_us: i64,
    /// Most entries kept (`slowlog-max-len`).
    pub max_len: usize,
    next_id: u64,
    entries: VecDeque<SlowEntry>,
}

impl Default for SlowLog {
    /// Redis's defaults: 10 ms, 128 entries.
    fn default() -> SlowLog {
        SlowLog { threshold_us: 10_000, max_len: 128, next_id: 0, entries: VecDeque::new() }
    }
}

impl SlowLog {
    /// Keeps the command of a client (address and name) if it took long enough.
    #[inline]
    pub fn note(&mut self, took_us: u64, wall_ms: u64, args: &[&[u8]], client: (&str, &str)) {
        if self.keeps(took_us) {
            self.push(took_us, wall_ms, args, client);
        }
    }

    /// True if a command that took so long is kept.
    #[inline]
    pub fn keeps(&self, took_us: u64) -> bool {
        self.threshold_us >= 0 && took_us as i64 >= self.threshold_us
    }

    #[cold]
    fn push(&mut self, took_us: u64, wall_ms: u64, args: &[&[u8]], (addr, name): (&str, &str)) {
        let shown = |(at, arg): (usize, &&[u8])| {
            if is_secret(args, at) { REDACTED.to_vec() } else { shorten(arg) }
        };
        let mut kept: Vec<Vec<u8>> = args.iter().enumerate().take(MAX_ARGS).map(shown).collect();
        if args.len() > MAX_ARGS {
            kept[MAX_ARGS - 1] = format!("... ({} more arguments)", args.len() - MAX_ARGS + 1).into_bytes();
        }
        self.entries.push_front(SlowEntry {
            id: self.next_id,
            time_s: wall_ms / 1000,
            took_us,
            args: kept,
            addr: addr.to_owned(),
            name: name.to_owned(),
        });
        self.next_id += 1;
        self.entries.truncate(self.max_len);
    }

    /// The entries, the newest first.
    pub fn entries(&self) -> impl Iterator<Item = &SlowEntry> {
        self.entries.iter()
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True if nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Forgets all entries.
    pub fn reset(&mut self) {
        self.entries.clear();
    }
}

/// True if the argument at this place is a password or belongs to one.
pub(crate) fn is_secret(args: &[&[u8]], at: usize) -> bool {
    let is = |at: usize, word: &str| args[at].eq_ignore_ascii_case(word.as_bytes());
    let before = |back: usize, word: &str| at > back && is(at - back, word);
    match at {
        0 => false,
        _ if is(0, "auth") => true,
        _ if is(0, "hello") => before(1, "auth") || before(2, "auth"),
        _ if is(0, "config") && is(1, "set") => {
            at > 2 && at % 2 == 1 && SECRET_OPTIONS.iter().any(|option| is(at - 1, option))
        }
        _ => false,
    }
}

fn shorten(arg: &[u8]) -> Vec<u8> {
    if arg.len() <= MAX_ARG {
        return arg.to_vec();
    }
    let mut kept = arg[..MAX_ARG].to_vec();
    kept.extend_from_slice(format!("... ({} more bytes)", arg.len() - MAX_ARG).as_bytes());
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_commands_are_kept_shortened_and_bounded() {
        let client = ("a:1", "name");
        let mut log = SlowLog { max_len: 2, ..SlowLog::default() };
        log.note(9_999, 0, &[b"GET"], client);
        assert!(log.is_empty());
        let long = [b'x'; 130];
        let many: Vec<&[u8]> = std::iter::repeat_n(&long[..], 40).collect();
        for wall_ms in [1_000, 2_000, 3_000] {
            log.note(10_000, wall_ms, &many, client);
        }
        let ids: Vec<_> = log.entries().map(|e| (e.id, e.time_s)).collect();
        assert_eq!(ids, [(2, 3), (1, 2)]);
        let entry = log.entries().next().expect("two entries");
        assert_eq!(entry.args.len(), MAX_ARGS);
        assert!(entry.args[0].ends_with(b"xx... (2 more bytes)"));
        assert_eq!(entry.args[31], b"... (9 more arguments)");
        assert_eq!((&entry.addr[..], &entry.name[..]), client);
        log.threshold_us = -1;
        log.reset();
        log.note(u64::MAX, 0, &[b"GET"], client);
        assert_eq!(log.len(), 0);
    }

    #[test]
    fn passwords_are_not_kept() {
        let mut log = SlowLog { threshold_us: 0, ..SlowLog::default() };
        let mut kept = |line: &str| {
            let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            log.note(1, 0, &args, ("a:1", ""));
            let entry = log.entries().next().expect("it is kept");
            String::from_utf8(entry.args.join(&b' ')).expect("text")
        };
        assert_eq!(kept("AUTH secret"), "AUTH (redacted)");
        assert_eq!(kept("auth user secret"), "auth (redacted) (redacted)");
        assert_eq!(
            kept("HELLO 3 AUTH user secret SETNAME n"),
            "HELLO 3 AUTH (redacted) (redacted) SETNAME n"
        );
        assert_eq!(kept("CONFIG SET hz 10 requirepass secret"), "CONFIG SET hz 10 requirepass (redacted)");
        assert_eq!(kept("CONFIG GET requirepass"), "CONFIG GET requirepass");
        assert_eq!(kept("SET auth requirepass"), "SET auth requirepass");
    }
}
