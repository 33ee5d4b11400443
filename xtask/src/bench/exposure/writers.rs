//! Writers at the leader that keep a ledger: which of their writes were answered, and when.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::super::client::Client;

/// Connections of the load.
pub const CONNECTIONS: usize = 50;
/// Writes that a connection has outstanding.
pub const PIPELINE: u64 = 16;
/// Bytes of a value.
const VALUE: usize = 100;
/// Longest wait for the connections to a dead process to break.
const LAST_REPLIES: Duration = Duration::from_secs(10);
/// Reads outstanding while the ledger is compared, so that no socket buffer fills up.
const READS: usize = 500;

/// What one connection was answered.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Writes answered so far, errors included: replies come in order.
    answered: u64,
    /// Writes that were answered with an error: nothing was promised.
    refused: Vec<u64>,
    /// The last write answered at each time something was read.
    marks: Vec<(u64, Instant)>,
    first_error: Option<String>,
}

impl Ledger {
    /// Takes the replies in `input`: bytes used.
    fn read(&mut self, input: &[u8], now: Instant) -> usize {
        let mut used = 0;
        while let Some(line) = input[used..].iter().position(|byte| *byte == b'\n') {
            let reply = &input[used..used + line];
            used += line + 1;
            self.answered += 1;
            if reply != b"+OK\r" {
                self.refused.push(self.answered);
                self.first_error.get_or_insert_with(|| String::from_utf8_lossy(reply).trim_end().into());
            }
        }
        if used > 0 {
            self.marks.push((self.answered, now));
        }
        used
    }

    /// The writes that were promised.
    fn acknowledged(&self) -> impl Iterator<Item = u64> + '_ {
        (1..=self.answered).filter(|turn| self.refused.binary_search(turn).is_err())
    }

    /// When a write was answered.
    fn when(&self, turn: u64) -> Option<Instant> {
        let at = self.marks.partition_point(|(upto, _)| *upto < turn);
        self.marks.get(at).map(|(_, when)| *when)
    }
}

#[derive(Debug)]
struct Writer {
    stream: TcpStream,
    sent: u64,
    ledger: Ledger,
    unread: Vec<u8>,
    open: bool,
}

/// All writers of one kill.
#[derive(Debug)]
pub struct Writers {
    poll: Poll,
    writers: Vec<Writer>,
    name: String,
}

impl Writers {
    /// Connects and selects the keyspace; `name` makes the keys unique.
    ///
    /// # Errors
    /// The node does not accept.
    pub fn connect(leader: SocketAddr, keyspace: u16, name: &str) -> Result<Writers, String> {
        let poll = Poll::new().map_err(|e| e.to_string())?;
        let mut writers = Vec::new();
        for number in 0..CONNECTIONS {
            let mut stream = select(leader, keyspace).map_err(|e| format!("{leader}: {e}"))?;
            poll.registry()
                .register(&mut stream, Token(number), Interest::READABLE)
                .map_err(|e| e.to_string())?;
            writers.push(Writer {
                stream,
                sent: 0,
                ledger: Ledger::default(),
                unread: Vec::new(),
                open: true,
            });
        }
        Ok(Writers { poll, writers, name: name.into() })
    }

    /// Writes for this long.
    ///
    /// # Errors
    /// The system refuses to wait.
    pub fn run(&mut self, time: Duration) -> Result<(), String> {
        for number in 0..CONNECTIONS {
            self.send(number);
        }
        self.drive(time, true)
    }

    /// After the end of the process: takes the replies that have arrived, and closes the ledgers.
    ///
    /// # Errors
    /// A connection does not break.
    pub fn finish(mut self) -> Result<Written, String> {
        self.drive(LAST_REPLIES, false)?;
        if self.writers.iter().any(|writer| writer.open) {
            return Err("connections to a dead process do not break".into());
        }
        Ok(Written { ledgers: self.writers.into_iter().map(|w| w.ledger).collect(), name: self.name })
    }

    fn drive(&mut self, time: Duration, send: bool) -> Result<(), String> {
        let started = Instant::now();
        let mut events = Events::with_capacity(CONNECTIONS);
        while started.elapsed() < time && self.writers.iter().any(|writer| writer.open) {
            let left = time.saturating_sub(started.elapsed());
            match self.poll.poll(&mut events, Some(left)) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.to_string()),
                _ => {}
            }
            for event in &events {
                let number = event.token().0;
                self.receive(number);
                if send {
                    self.send(number);
                }
            }
        }
        Ok(())
    }

    /// The next batch, if the last one is answered.
    fn send(&mut self, number: usize) {
        let writer = &mut self.writers[number];
        if !writer.open || writer.ledger.answered < writer.sent {
            return;
        }
        let mut batch = String::new();
        for turn in writer.sent + 1..=writer.sent + PIPELINE {
            let (key, value) = (key(&self.name, number, turn), value(turn));
            batch.push_str(&format!("*3\r\n$3\r\nSET\r\n${}\r\n{key}\r\n${VALUE}\r\n{value}\r\n", key.len()));
        }
        writer.sent += PIPELINE;
        // A few KiB on a connection without anything outstanding always fit.
        writer.open = writer.stream.write_all(batch.as_bytes()).is_ok();
    }

    fn receive(&mut self, number: usize) {
        let writer = &mut self.writers[number];
        let mut buffer = [0u8; 4096];
        loop {
            match writer.stream.read(&mut buffer) {
                Ok(read) if read > 0 => writer.unread.extend_from_slice(&buffer[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => {
                    writer.open = false;
                    break;
                }
            }
        }
        let used = writer.ledger.read(&writer.unread, Instant::now());
        writer.unread.drain(..used);
    }
}

fn select(leader: SocketAddr, keyspace: u16) -> std::io::Result<TcpStream> {
    let mut stream = std::net::TcpStream::connect(leader)?;
    stream.set_nodelay(true)?;
    stream.write_all(format!("SELECT {keyspace}\r\n").as_bytes())?;
    let mut reply = [0u8; 5];
    stream.read_exact(&mut reply)?;
    if &reply != b"+OK\r\n" {
        return Err(std::io::Error::other(format!("SELECT {keyspace} was refused")));
    }
    stream.set_nonblocking(true)?;
    Ok(TcpStream::from_std(stream))
}

fn key(name: &str, number: usize, turn: u64) -> String {
    format!("{name}:{number}:{turn}")
}

fn value(turn: u64) -> String {
    format!("{turn:0>VALUE$}")
}

/// An answered write that is not there.
#[derive(Debug, Clone)]
pub struct Lost {
    /// Its key.
    pub key: String,
    /// Bytes of key and value.
    pub bytes: u64,
    /// When its answer was read.
    pub answered: Option<Instant>,
}

/// The closed ledgers.
#[derive(Debug)]
pub struct Written {
    ledgers: Vec<Ledger>,
    name: String,
}

impl Written {
    /// Answered writes.
    pub fn acknowledged(&self) -> u64 {
        self.ledgers.iter().map(|ledger| ledger.answered - ledger.refused.len() as u64).sum()
    }

    /// Error replies, and the first of them.
    pub fn errors(&self) -> (u64, Option<&str>) {
        let number = self.ledgers.iter().map(|ledger| ledger.refused.len() as u64).sum();
        (number, self.ledgers.iter().find_map(|ledger| ledger.first_error.as_deref()))
    }

    /// Reads every acknowledged write back; those that are not there as they were written.
    ///
    /// # Errors
    /// The node does not answer.
    pub fn missing(&self, address: SocketAddr, keyspace: u16) -> Result<Vec<Lost>, String> {
        let mut client = Client::connect(address)?;
        client.call(&format!("SELECT {keyspace}"))?;
        let mut lost = Vec::new();
        for (number, ledger) in self.ledgers.iter().enumerate() {
            let turns: Vec<u64> = ledger.acknowledged().collect();
            for part in turns.chunks(READS) {
                let keys: Vec<String> = part.iter().map(|turn| key(&self.name, number, *turn)).collect();
                client.send_all(keys.iter().map(|key| format!("GET {key}")))?;
                for (turn, key) in part.iter().zip(keys) {
                    let there = match client.reply() {
                        Ok(found) => found == value(*turn),
                        Err(null) if null == "$-1" => false,
                        Err(error) => return Err(format!("GET {key}: {error}")),
                    };
                    if !there {
                        let bytes = (key.len() + VALUE) as u64;
                        lost.push(Lost { key, bytes, answered: ledger.when(*turn) });
                    }
                }
            }
        }
        Ok(lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_knows_what_was_answered_when_and_what_was_refused() {
        let (early, late) = (Instant::now(), Instant::now() + Duration::from_millis(70));
        let mut ledger = Ledger::default();
        let first = b"+OK\r\n+OK\r\n-ERR no\r\n+O";
        let used = ledger.read(first, early);
        assert_eq!(&first[used..], b"+O", "half a reply answers nothing");
        assert_eq!(ledger.read(b"+OK\r\n", late), 5);
        assert_eq!(ledger.read(b"+OK", late), 0);
        assert_eq!(ledger.acknowledged().collect::<Vec<_>>(), [1, 2, 4]);
        assert_eq!((ledger.when(1), ledger.when(2)), (Some(early), Some(early)));
        assert_eq!((ledger.when(4), ledger.when(5)), (Some(late), None));
        let written = Written { ledgers: vec![ledger], name: "k".into() };
        assert_eq!((written.acknowledged(), written.errors()), (3, (1, Some("-ERR no"))));
    }

    #[test]
    fn every_write_has_a_key_and_a_value_of_its_own() {
        assert_eq!(key("kill-3", 7, 12), "kill-3:7:12");
        assert_eq!((value(12).len(), value(12).trim_start_matches('0')), (VALUE, "12"));
    }
}
