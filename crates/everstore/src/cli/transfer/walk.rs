//! All keys of a Redis or a cluster, in batches: `SCAN`, then `DUMP` and the expiry of each, pipelined.

use std::collections::VecDeque;

use super::batch::{BATCH_BYTES, Batch, Entry};
use super::peer::{Peer, passes};
use crate::cli::CliError;
use crate::cli::link::Link;
use crate::cli::reply::Reply;

/// Keys that one `SCAN` is asked for.
const SCAN_KEYS: &str = "512";
/// Most keys that are asked for at a time, and fewest at first, when it is not known how large they are.
const MOST_KEYS: usize = 512;
const FIRST_KEYS: usize = 32;
/// Most bytes of names that are asked for at a time: they must fit the buffers of the sockets, because nobody
/// reads replies while they are sent.
const ASKED_BYTES: usize = 64 << 10;
/// Times that a connection may break over one key before that key is refused: a failover breaks it once or twice.
const BREAKS: u32 = 5;

/// What takes the batches.
pub type Take<'t> = dyn FnMut(Batch) -> Result<(), CliError> + 't;

/// A walk over keys.
#[derive(Debug)]
pub struct Walk {
    peer: Peer,
    pattern: Option<Vec<u8>>,
    /// Whether it knows `PEXPIRETIME`, as Redis 7.0 does; otherwise times are counted from its clock.
    tells_times: bool,
    /// Keys that are asked for at a time: adapted to their size, so that replies are about as large as a batch.
    keys: usize,
}

/// A keyspace of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Its number.
    pub keyspace: u32,
    /// Its keys.
    pub keys: u64,
    /// How many of them expire.
    pub expiring: u64,
}

impl Walk {
    /// Looks what `peer` can do.
    ///
    /// # Errors
    /// It does not answer, or does not permit what is needed.
    pub fn new(mut peer: Peer, pattern: Option<Vec<u8>>) -> Result<Walk, CliError> {
        peer.connect()?;
        let (dump, time): (&[&[u8]], &[&[u8]]) = (&[b"DUMP", b""], &[b"PEXPIRETIME", b""]);
        match peer.ask_one(0, dump)? {
            // Without permission for this one key it may be permitted for others.
            Reply::Error(text) if text.contains("No permissions to access a key") => {}
            reply @ Reply::Error(_) => return Err(peer.strange(dump, &reply)),
            _ => {}
        }
        let tells_times = match peer.ask_one(0, time)? {
            Reply::Error(text) => text.contains("No permissions to access a key"),
            _ => true,
        };
        Ok(Walk { peer, pattern, tells_times, keys: FIRST_KEYS })
    }

    /// Whom it walks over.
    pub fn peer(&mut self) -> &mut Peer {
        &mut self.peer
    }

    /// Hands all keys of a keyspace to `take`.
    ///
    /// # Errors
    /// It does not answer for a minute or refuses; errors of `take`.
    pub fn run(&mut self, keyspace: u32, take: &mut Take<'_>) -> Result<(), CliError> {
        let mut batch = Batch::of(keyspace);
        let mut cursor = b"0".to_vec();
        loop {
            let mut command: Vec<&[u8]> = vec![b"SCAN", &cursor, b"COUNT", SCAN_KEYS.as_bytes()];
            let pattern = self.pattern.clone();
            command.extend(pattern.iter().flat_map(|pattern| [&b"MATCH"[..], pattern]));
            let reply = self.peer.ask_one(keyspace, &command)?;
            let Some((next, keys)) = read_page(&reply) else {
                return Err(self.peer.strange(&command, &reply));
            };
            self.fetch(&mut batch, keys, take)?;
            if next == b"0" {
                break;
            }
            cursor = next;
        }
        take(batch)
    }

    /// Reads these keys, and hands on each batch that is full.
    fn fetch(&mut self, batch: &mut Batch, keys: Vec<Vec<u8>>, take: &mut Take<'_>) -> Result<(), CliError> {
        let mut left: VecDeque<Vec<u8>> = keys.into();
        let mut breaks = 0;
        while let Some(first) = left.front() {
            if breaks == BREAKS {
                let key = first.clone();
                left.pop_front();
                breaks = 0;
                let why = "the connection breaks over its DUMP: is it larger than output-buffer-limit?";
                batch.refuse(key, why.to_owned());
                continue;
            }
            let asked = asked(&left, self.keys);
            match self.fetch_some(batch, &mut left, asked, take)? {
                Ok(bytes) => {
                    self.peer.works();
                    breaks = 0;
                    let each = (bytes / asked).max(1);
                    self.keys = (BATCH_BYTES / each).clamp(1, MOST_KEYS);
                }
                Err(why) => {
                    if !passes(&why) {
                        // Perhaps it was too much at once for the other side.
                        breaks = if self.keys == 1 { breaks + 1 } else { 0 };
                        self.keys = 1;
                    }
                    self.peer.lost(&format!("{}: {why}", self.peer.address()))?;
                }
            }
        }
        Ok(())
    }

    /// Asks for the first keys and takes those from `left` that are answered. The inner error: why not all are.
    fn fetch_some(
        &mut self,
        batch: &mut Batch,
        left: &mut VecDeque<Vec<u8>>,
        asked: usize,
        take: &mut Take<'_>,
    ) -> Result<Result<usize, String>, CliError> {
        let tells_times = self.tells_times;
        let link = self.peer.link(batch.keyspace)?;
        if !tells_times {
            link.push(&[b"TIME"]);
        }
        for key in left.iter().take(asked) {
            link.push(&[b"DUMP", key]);
            link.push(&[if tells_times { b"PEXPIRETIME" } else { b"PTTL" }, key]);
        }
        let mut bytes = 0;
        let clock = match start(link, tells_times) {
            Ok(clock) => clock,
            Err(why) => return Ok(Err(why)),
        };
        for _ in 0..asked {
            let read = link.read().and_then(|value| Ok((value, link.read()?)));
            let (value, time) = match read {
                Ok(replies) => replies,
                Err(error) => return Ok(Err(error.to_string())),
            };
            if let Some(text) = passing(&value).or_else(|| passing(&time)) {
                // The replies behind it are of no use: they are asked for again on a fresh connection.
                return Ok(Err(text));
            }
            let key = left.pop_front().expect("as many as were asked for");
            bytes += add(batch, key, value, &time, clock);
            if batch.is_full() {
                take(batch.take())?;
            }
        }
        Ok(Ok(bytes))
    }
}

/// The keyspaces of somebody that have keys.
///
/// # Errors
/// It does not answer, or not as a Redis.
pub fn sizes(peer: &mut Peer) -> Result<Vec<Size>, CliError> {
    let command: &[&[u8]] = &[b"INFO", b"keyspace"];
    let reply = peer.ask_one(0, command)?;
    let Reply::Text(bytes) = &reply else { return Err(peer.strange(command, &reply)) };
    Ok(read_sizes(&String::from_utf8_lossy(bytes)))
}

/// How many of these keys to ask for.
fn asked(left: &VecDeque<Vec<u8>>, most: usize) -> usize {
    let mut bytes = 0;
    let fit = left.iter().take(most).take_while(|key| {
        bytes += 2 * key.len() + 64;
        bytes <= ASKED_BYTES
    });
    fit.count().max(1)
}

/// Sends, and reads the time of the other side where it is needed; 0 where it is not.
fn start(link: &mut Link, tells_times: bool) -> Result<u64, String> {
    link.flush().map_err(|error| error.to_string())?;
    if tells_times {
        return Ok(0);
    }
    let reply = link.read().map_err(|error| error.to_string())?;
    let number = |reply: &Reply| match reply {
        Reply::Text(digits) => std::str::from_utf8(digits).ok()?.parse::<u64>().ok(),
        _ => None,
    };
    let time = match &reply {
        Reply::Array(parts) if parts.len() == 2 => number(&parts[0]).zip(number(&parts[1])),
        _ => None,
    };
    let (seconds, us) = time.ok_or_else(|| format!("TIME answered {reply:?}"))?;
    Ok(seconds * 1000 + us / 1000)
}

fn passing(reply: &Reply) -> Option<String> {
    match reply {
        Reply::Error(text) if passes(text) => Some(text.clone()),
        _ => None,
    }
}

/// Adds a key with what was answered to `DUMP` and to `PEXPIRETIME` or, with a clock above 0, `PTTL`; the bytes of its payload.
fn add(batch: &mut Batch, key: Vec<u8>, value: Reply, time: &Reply, clock: u64) -> usize {
    let payload = match value {
        Reply::Text(payload) => payload,
        Reply::Nil => {
            batch.expired += 1;
            return 0;
        }
        Reply::TooLong(bytes) => {
            let most = super::batch::MAX_PAYLOAD;
            batch.refuse(key, format!("its DUMP has {bytes} bytes, at most {most} are taken"));
            return 0;
        }
        Reply::Error(text) => {
            batch.refuse(key, format!("DUMP: {text}"));
            return 0;
        }
        other => {
            batch.refuse(key, format!("DUMP answered {other:?}"));
            return 0;
        }
    };
    let expires_ms = match time {
        Reply::Integer(-1) => 0,
        // What is over at this very moment has 0 left.
        Reply::Integer(time @ 0..) => clock.saturating_add(time.unsigned_abs()).max(1),
        Reply::Integer(_) => {
            batch.expired += 1;
            return 0;
        }
        other => {
            batch.refuse(key, format!("its expiry was answered with {other:?}"));
            return 0;
        }
    };
    let bytes = payload.len();
    match rdb::for_restore(payload) {
        Ok(payload) => batch.push(Entry { key, expires_ms, payload }),
        Err(error) => batch.refuse(key, format!("its DUMP can not be read: {error}")),
    }
    bytes
}

/// The cursor and the keys of an answer to `SCAN`.
fn read_page(reply: &Reply) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
    let Reply::Array(parts) = reply else { return None };
    let [Reply::Text(next), Reply::Array(keys)] = &parts[..] else { return None };
    let key = |reply: &Reply| match reply {
        Reply::Text(key) => Some(key.clone()),
        _ => None,
    };
    Some((next.clone(), keys.iter().map(key).collect::<Option<_>>()?))
}

fn read_sizes(info: &str) -> Vec<Size> {
    let read = |line: &str| {
        let (keyspace, fields) = line.strip_prefix("db")?.split_once(':')?;
        let field = |name: &str| {
            let mut fields = fields.split(',').filter_map(|field| field.split_once('='));
            fields.find(|(known, _)| *known == name)?.1.parse().ok()
        };
        Some(Size { keyspace: keyspace.parse().ok()?, keys: field("keys")?, expiring: field("expires")? })
    };
    info.lines().filter_map(|line| read(line.trim())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload() -> Reply {
        Reply::Text(rdb::dump(&rdb::Value::String(b"v".to_vec())))
    }

    #[test]
    fn sizes_are_read_from_info() {
        let info = "# Keyspace\r\ndb0:keys=12,expires=3,avg_ttl=0\r\ndb20:keys=1,expires=0,avg_ttl=0,subexpiry=0\r\n";
        let sizes = [(0, 12, 3), (20, 1, 0)];
        assert_eq!(
            read_sizes(info),
            sizes.map(|(keyspace, keys, expiring)| Size { keyspace, keys, expiring })
        );
    }

    #[test]
    fn what_is_gone_or_can_not_be_read_is_counted() {
        let mut batch = Batch::of(0);
        let mut add = |value, time, clock| {
            add(&mut batch, b"k".to_vec(), value, &Reply::Integer(time), clock);
        };
        add(Reply::Nil, -2, 0);
        add(payload(), -2, 0);
        add(Reply::TooLong(1 << 40), -1, 0);
        add(Reply::Error("ERR no".into()), -1, 0);
        add(Reply::Text(b"nonsense of a server".to_vec()), -1, 0);
        add(payload(), -1, 5000);
        add(payload(), 7000, 0);
        add(payload(), 70, 5000);
        add(payload(), 0, 5000);
        let times: Vec<u64> = batch.entries.iter().map(|entry| entry.expires_ms).collect();
        assert_eq!((batch.expired, batch.refused.len(), times), (2, 3, vec![0, 7000, 5070, 5000]));
        assert_eq!(batch.keys(), 9);
    }

    #[test]
    fn names_that_are_asked_for_fit_the_sockets() {
        let keys = |count, length| (0..count).map(|_| vec![b'k'; length]).collect::<VecDeque<_>>();
        assert_eq!(asked(&keys(1000, 10), 512), 512);
        assert_eq!(asked(&keys(3, 10), 512), 3);
        assert_eq!(asked(&keys(9, 100_000), 512), 1);
        assert!(asked(&keys(100, 1000), 512) < 40);
    }
}
